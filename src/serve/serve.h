/* serve.h -- the door: Prometheus's API over the store, OTLP in, cQED's own API, the page and its
 * event stream. Queries and appends run on HTTP threads straight against the store; whatever is
 * control state is asked of the control thread through one function, so that nothing here knows the
 * daemon. Contract of every path: docs/manual/api.md. */
#ifndef CQED_SERVE_SERVE_H
#define CQED_SERVE_SERVE_H

#include "alert/alert.h"
#include "config/config.h"
#include "ingest/ingest.h"
#include "io/http_server.h"
#include "io/loop.h"
#include "ledger/ledger.h"
#include "promql/promql.h"
#include "remote/remote.h"
#include "rules/rules.h"
#include "store/store.h"

/* What can be asked of the control thread. */
enum control_op {
    CONTROL_STATUS,
    CONTROL_SERVICES,
    CONTROL_SLOS,
    CONTROL_SLO, /* id = its name */
    CONTROL_TARGETS,
    CONTROL_ROLLOUTS,
    CONTROL_ROLLOUT,  /* id = rollout or service */
    CONTROL_CURVES,   /* id, check */
    CONTROL_START,    /* body, idempotency_key */
    CONTROL_ACT,      /* id, act, body */
    CONTROL_FORECAST, /* id = a service, version = stable's or NULL */
    CONTROL_GATES,
    CONTROL_GATE,     /* id = its name */
    CONTROL_CANARIES, /* [{"id", "config"}] of Kayenta's configurations */
    CONTROL_CONFIG,   /* {"yaml"}: the main file, secrets masked */
    CONTROL_FLAGS,    /* settings, under the names of Prometheus's flags */
    CONTROL_RUNTIME,  /* the data of Prometheus's /status/runtimeinfo */
    CONTROL_RELOAD
};

struct control_request {
    enum control_op op;
    const char *id;
    const char *check;
    const char *version;
    const char *act; /* the last part of .../rollouts/ID/ACT */
    const json_t *body;
    const char *idempotency_key; /* NULL = none */
};

struct control_answer {
    json_t *json; /* the arena's */
    bool created; /* CONTROL_START: it did not exist before */
};

/* What Kayenta's judge says of a canary configuration on what the store has; `body` has "scopes"
 * and "thresholds" as POST /canary/CONFIG does (docs/manual/kayenta.md). All its queries share the
 * limits of one. The answer is a CanaryJudgeResult, the arena's; any thread. */
const json_t *judge_canary(struct store *, const struct query_settings *limits, struct arena *,
                           const json_t *config, const json_t *body, struct err *);

/* Runs on the control thread. */
typedef bool control_fn(void *self, const struct control_request *, struct arena *,
                        struct control_answer *, struct err *);

struct serve_options {
    const char *listen;
    struct otlp_ports otlp; /* besides `listen`, which takes OTLP/HTTP too */
    struct loop *loop;
    struct store *store;
    bool admin_api; /* deletions and snapshots may be asked for */
    struct metadata_store *metadata;
    struct freshness *freshness; /* borrowed; NULL = nobody asks */
    struct ledger *ledger;
    struct query_settings query;          /* slow_path is copied */
    const struct remote_sources *sources; /* what ?source=NAME names */
    struct rules *rules;
    struct notifier *notifier;
    control_fn *control;
    void *control_self;
};

struct serve;

struct serve *serve_start(const struct serve_options *, struct err *);
void serve_stop(struct serve *);
uint16_t serve_port(const struct serve *);
uint16_t serve_otlp_http_port(const struct serve *); /* 0 = there is none */
uint16_t serve_otlp_grpc_port(const struct serve *);

/* While the store recovers: /-/healthy is 200, everything else 503. Stop it by http_server_stop
 * before serve_start takes the address. */
struct http_server *serve_door_open(const char *listen, struct err *);

/* Hand an event to every open page. Any thread; never blocks. id < 0: none. */
void serve_publish(struct serve *, const char *event, int64_t id, const json_t *data);
bool serve_has_listeners(struct serve *);

/* The embedded store as a source of PromQL. */
struct promql_source store_promql_source(struct store *);
/* Its select; self is the store. */
bool store_promql_select(void *store, struct arena *, const struct matcher *, size_t n_matchers,
                         int64_t mint_ms, int64_t maxt_ms, struct promql_series **out, size_t *n,
                         struct err *);

#endif
