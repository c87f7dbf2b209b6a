/* internal.h -- the daemon's own state. Everything here belongs to the control thread. */
#ifndef CQED_DAEMON_INTERNAL_H
#define CQED_DAEMON_INTERNAL_H

#include "alert/alert.h"
#include "config/config.h"
#include "daemon/daemon.h"
#include "daemon/rule_runner.h"
#include "daemon/source_asker.h"
#include "daemon/source_bringer.h"
#include "decide/decide.h"
#include "enforce/enforce.h"
#include "ingest/ingest.h"
#include "judge/judge.h"
#include "ledger/ledger.h"
#include "serve/serve.h"
#include "slo/slo.h"
#include "store/store.h"

#define TICK_MS 500
#define MAX_ACTS 32 /* waiting to be decided on; more are refused */

struct comparison; /* evidence.c: the streams of one rollout */

/* One rollout as this process knows it: a fold over its ledger entries, and the things open for it.
 * What was recorded is in `state`; everything else can be lost. */
struct rollout {
    struct rollout *next; /* older */
    struct daemon *daemon;
    struct arena arena; /* identity and policy */
    const char *id;
    const char *idempotency_key;         /* "" = none */
    const struct rollout_policy *policy; /* as it was when the rollout was asked for */
    const json_t *policy_json;

    struct arena state_arena;
    struct rollout_state state;
    int64_t exposed_since_ms;  /* first weight over 0; 0 = not yet */
    struct act acts[MAX_ACTS]; /* recorded, not decided on yet; strings in arena */
    size_t n_acts;
    uint32_t acts_taken; /* ever; part of their ids */
    bool superseded;     /* a newer rollout of the service has told this one */

    struct actuator *actuator; /* NULL when it could not be opened; why is in exposure_error */
    bool busy;                 /* the actuator has a call under way */
    bool intent_recorded;      /* of the present desired weight */
    char intent[200];
    struct exposure exposure; /* as last seen */
    char exposure_error[512];
    double recorded_pct; /* the observation that was last recorded; NaN = none or unknown */

    struct comparison *comparison;
    const json_t *forecast; /* made before the start; NULL = not yet */

    struct arena seen_arena; /* the last decision, for showing */
    const json_t *snapshot_json, *reasons_json;
    const char *verdict;
    json_t *history; /* array, owned */
};

struct daemon {
    struct arena arena; /* what lives as long as the program */
    struct loop *loop;
    struct http_client *client;
    struct config *config;
    struct slo_engine *engine;
    struct store_tap tap;
    struct store *store;
    struct metadata_store *metadata;
    struct freshness *freshness; /* NULL in tests: then nothing is known of it */
    struct scrape_manager *scrapes;
    struct ledger *ledger;
    struct serve *serve;
    struct remote_sources *sources;
    struct source_asker *asker;
    struct source_bringer *bringer;
    struct rules *rules;
    struct notifier *notifier;
    struct rule_runner *rule_runner;
    struct rollout *rollouts; /* newest first */
    struct selfcheck *selfchecks;
    struct watched_slo *watched_slos;
    struct watched_service *watched_services;
    struct loop_timer *ticker;
    struct sha256 kept; /* of judge.json as it was written last */
    int64_t kept_ms;    /* when it was last looked at */
    int64_t started_ms;
    int64_t configured_ms; /* the configuration in force was read then */
    bool reload_failed;    /* the last try to read another */
    int64_t published_ms;  /* `services` events */
    struct promql_source source;
    const char *config_path;
    const char *listen, *data_path; /* the command line's word, else the file's */
};

/* daemon.c */
bool daemon_reload(struct daemon *, struct err *);
struct store_tap tap_of(struct slo_engine *);

/* tick.c: the loop. */
void tick(void *daemon);
void decide_on(struct daemon *, struct rollout *, int64_t now_ms);
/* What the SLI engine has added up since the last call, as samples at now_ms. */
void flush_sums(struct daemon *, int64_t now_ms);

/* actuate.c: recorded intent -> act -> recorded observation. */
void actuate(struct daemon *, struct rollout *);
void open_actuator(struct daemon *, struct rollout *);
void close_actuator(struct rollout *);

/* rollouts.c: what is known of each. */
struct rollout *rollout_new(struct daemon *, const char *id);
bool rollout_set_policy(struct rollout *, const json_t *policy, struct err *);
void rollouts_free(struct daemon *);
void rollouts_forget(struct daemon *);
struct rollout *rollout_find(struct daemon *, const char *id_or_service);
bool same_service(const struct rollout *, const struct rollout *);
bool rollout_is_guarding(const struct daemon *, const struct rollout *);
bool rollout_is_next(const struct daemon *, const struct rollout *);
void rollout_adopt(struct rollout *, const struct rollout_state *);
void rollout_remember(struct rollout *, uint64_t seq, int64_t at_ms, const char *verdict,
                      const char *sentence);

/* fold.c: the same from the ledger, after a restart. */
bool rollouts_recover(struct daemon *, struct err *);

/* start.c */
struct rollout *rollout_begin(struct daemon *, const struct control_request *, bool *created,
                              struct err *);
bool supersede_older(struct rollout *, struct err *);
/* What runs now: told, or the last version that succeeded, or the only one that telemetry knows. */
const char *find_stable(struct daemon *, struct arena *, const json_t *body,
                        const struct rollout_policy *, const char *canary, struct err *);
const struct rollout_policy *find_policy(struct daemon *, const char *service, struct err *);

/* acts.c */
bool rollout_act(struct daemon *, struct rollout *, const struct control_request *, struct err *);
bool take_act(struct rollout *, struct act, struct err *);
bool known_keys(const json_t *body, const char *const *keys, size_t n, struct err *);
const char *take_text(const json_t *body, const char *key, const char *fallback, struct err *);

/* evidence.c: what is seen of a rollout. */
struct comparison *comparison_new(const struct rollout_policy *);
void comparison_free(struct comparison *);
struct snapshot collect(struct daemon *, struct rollout *, struct arena *, int64_t now_ms);
json_t *comparison_curves(const struct comparison *, struct arena *, const char *check);

/* selfcheck.c: stable against stable. */
struct selfcheck;
void selfcheck_tick(struct daemon *, int64_t now_ms);
void selfchecks_free(struct daemon *);
/* {"version","trials","falseAlarms","alpha","dispersion","split","noisy"}, or null; a new
 * reference. */
json_t *selfcheck_view(const struct daemon *, const char *slo);
/* Why an SLI is too noisy to gate on; NULL when it is not known to be. */
const char *selfcheck_noise(const struct daemon *, const char *slo);

/* For judge.json; strings are the daemon's. */
struct judge_kept_aa *selfchecks_kept(const struct daemon *, struct arena *, size_t *n);
void selfcheck_take(struct daemon *, const struct judge_kept_aa *);

/* kept.c: judge.json. */
void keep_tick(struct daemon *, int64_t now_ms);
void keep_now(struct daemon *);
/* After rollouts_recover. A file that cannot be read is told, and everything begins anew. */
void keep_recover(struct daemon *);

/* anomaly.c: live services against their own past. */
struct watched_slo;
struct watched_service;
void anomaly_tick(struct daemon *, int64_t now_ms);
void anomalies_free(struct daemon *);
/* What the ledger says of an alarm, in the ledger's order. */
void anomaly_recover(struct daemon *, const char *service, int64_t at_ms, const json_t *body);
/* In words; NULL when there is none. Valid until the next tick. */
const char *anomaly_of(const struct daemon *, const char *service);
/* {"active","logE","logLimit","sinceMs","raisedMs","sentence"}, or null; a new reference. */
json_t *anomaly_view(const struct daemon *, const char *service);

/* forecast.c: what a policy can show with the traffic that there is. */
json_t *forecast_of(struct daemon *, struct arena *, const struct rollout_policy *,
                    const char *stable_version, int64_t now_ms);
json_t *forecast_view(struct daemon *, struct arena *, const struct control_request *,
                      struct err *);
/* What it warns of, made once a rollout. */
const struct notice *start_notices(struct daemon *, struct rollout *, struct arena *,
                                   int64_t now_ms, size_t *n);

/* questions.c: evidence that has no arms. */
struct evidence answer_query(struct daemon *, struct arena *, const struct check_spec *,
                             const char *query, int64_t max_age_ms, int64_t now_ms);
struct evidence answer_slo(struct daemon *, struct arena *, const struct check_spec *,
                           int64_t window_ms, int64_t now_ms);
/* Age of the newest sample of any arm; -1 = none was ever seen. */
int64_t slo_freshness(struct daemon *, struct arena *, const char *slo, int64_t now_ms);
/* Behind what leaves an objective blind: that its source does not answer. */
void blame_source(struct daemon *, struct arena *, const char *slo, struct evidence *);
void gates_tick(struct daemon *, int64_t now_ms);
double budget_remaining(struct daemon *, struct arena *, const char *slo, int64_t now_ms);
json_t *gate_answer(struct daemon *, struct arena *, const char *name, struct err *);

/* view.c: control state as JSON; docs/manual/api.md. */
json_t *evidence_view(struct arena *, const json_t *recorded);
json_t *rollout_view(struct arena *, const struct rollout *, bool with_history);
json_t *rollouts_view(struct daemon *, struct arena *);
json_t *gates_view(struct daemon *, struct arena *);
json_t *services_view(struct daemon *, struct arena *);
json_t *slos_view(struct daemon *, struct arena *);
json_t *slo_view(struct daemon *, struct arena *, const struct slo_spec *);
json_t *status_view(struct daemon *, struct arena *);
json_t *targets_view(struct daemon *, struct arena *);

/* settings.c: the settings in force, as Prometheus's /api/v1/status/ shows them. */
json_t *config_view(struct daemon *, struct arena *);
json_t *flags_view(struct daemon *, struct arena *);
json_t *runtime_view(struct daemon *, struct arena *);

/* control.c: what serve/ asks. */
control_fn control;

/* ledger_append with an event to the open pages. */
bool record(struct daemon *, enum ledger_kind, const char *subject, int64_t at_ms,
            const json_t *body, uint64_t *seq, struct err *);

#endif
