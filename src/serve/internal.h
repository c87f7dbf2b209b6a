/* internal.h -- what the files of serve/ share. */
#ifndef CQED_SERVE_INTERNAL_H
#define CQED_SERVE_INTERNAL_H

#include "io/grpc.h"
#include "serve/serve.h"

#include <pthread.h>

#define MAX_LISTENERS 256
#define OTLP_MAX_BYTES ((size_t)32 << 20)
#define REMOTE_WRITE_MAX_BYTES ((size_t)32 << 20) /* as Prometheus's, compressed and not */

#define MAX_EXECUTIONS 256
#define EXECUTION_ID_BYTES 16

/* A canary that was asked for through Kayenta's API, and its answer. */
struct canary_execution {
    char id[2 * EXECUTION_ID_BYTES + 1];
    struct buf json;
};

struct serve {
    struct serve_options options;
    struct otlp *otlp;
    struct remote_write *remote_write;
    struct http_server *server, *otlp_http; /* the second, and the next, may be NULL */
    struct grpc_server *otlp_grpc;
    struct slow_log *slow_log; /* NULL = none */
    pthread_mutex_t lock;      /* guards what follows */
    struct http_stream *listeners[MAX_LISTENERS];
    size_t n_listeners;
    struct canary_execution executions[MAX_EXECUTIONS]; /* a ring */
    size_t n_executions;
};

/* Ask the control thread and answer with its JSON; status is of a success. */
void answer_control(struct serve *, struct http_request *, struct http_response *,
                    const struct control_request *, int status);
/* The same without answering: false with the error. */
bool ask_control(struct serve *, const struct control_request *, struct arena *,
                 struct control_answer *, struct err *);
void respond_json(struct http_response *, const json_t *);

/* intake.c: whether a request of so many decoded bytes can be worked on now. False: err says why,
 * and the sender is to try again (ERR_LIMIT, ERR_IO) or not (ERR_BAD_INPUT: too large). True:
 * end_intake gives back what was reserved for it. */
bool begin_intake(struct serve *, size_t size_bytes, struct err *);
void end_intake(size_t size_bytes);

/* --- envelope.c: Prometheus's answers and parameters --- */

void fail_prometheus(struct http_response *, int status, const char *type, const char *message);
/* With the status and type that fit. */
void fail_prometheus_err(struct http_response *, const struct err *);
/* {"status":"success","data": ... what the caller writes in between. */
void open_success(struct json_writer *, struct http_response *);
void close_success(struct json_writer *);
void put_label_object(struct json_writer *, struct labels);

typedef bool parse_param_fn(const char *, int64_t *);
parse_param_fn parse_api_time;     /* seconds since 1970 with a fraction, or RFC 3339 */
parse_param_fn parse_api_duration; /* seconds with a fraction, or a duration like 1m30s */
/* False with an answered error when the parameter is there and wrong, or needed and absent. */
bool take_param(struct http_request *, struct http_response *, const char *name, parse_param_fn *,
                bool needed, int64_t *out);

/* The envelope's warnings and infos; nothing when n is 0. */
void put_notes(struct json_writer *, const char *key, const char *const *texts, size_t n);

/* source.c: the store within the limits of one query. */
struct bounded_source {
    struct store *store;
    uint64_t max_samples, max_memory_bytes;
    uint64_t memory_before; /* of the query's arena */
};
struct promql_source bounded_promql_source(struct bounded_source *);

/* --- slow_log.c: queries that took long --- */

struct slow_log;
/* NULL with err when the file cannot be opened. path NULL: the program's log. */
struct slow_log *slow_log_open(int64_t threshold_ms, const char *path, struct err *);
void slow_log_close(struct slow_log *);
struct slow_query {
    const char *kind; /* "instant" or "range" */
    const char *query, *peer;
    int64_t start_ms, end_ms, step_ms;
    int64_t took_ns;
    uint64_t samples, bytes;
    const char *error; /* NULL = answered */
};
/* Any thread; log NULL: nothing. */
void slow_log_note(struct slow_log *, const struct slow_query *);

/* rules.c */
http_handler handle_rules, handle_alerts, handle_alertmanagers;

/* expression.c */
http_handler handle_format_query, handle_parse_query;

/* status.c */
http_handler handle_buildinfo, handle_status_config, handle_status_flags, handle_runtimeinfo;

/* admin.c */
http_handler handle_delete_series, handle_clean_tombstones, handle_snapshot;

/* series.c */
struct selectors {
    struct {
        const struct matcher *matchers;
        size_t n;
    } v[64];
    size_t n;
};
/* match[]; false with an answered error. */
bool take_selectors(struct http_request *, struct http_response *, struct selectors *);
http_handler handle_labels, handle_label_values, handle_series, handle_metadata,
    handle_target_metadata, handle_targets, handle_query_exemplars;

/* prometheus.c */
http_handler handle_query, handle_query_range;

/* tsdb.c */
http_handler handle_tsdb;

/* intake_metrics.c: appended to /metrics; status is CONTROL_STATUS's answer. */
void add_intake_metrics(struct buf *, struct serve *, struct arena *, const json_t *status);

/* telemetry.c */
http_handler handle_remote_write, handle_own_metrics;

/* otlp.c */
http_handler handle_otlp_metrics, handle_otlp_traces, handle_otlp_logs;
http_refusal refuse_otlp;
#define OTLP_ROUTES(base)                                                                          \
    {"POST", base "/v1/metrics", handle_otlp_metrics, OTLP_MAX_BYTES},                             \
        {"POST", base "/v1/traces", handle_otlp_traces, OTLP_MAX_BYTES},                           \
    {                                                                                              \
        "POST", base "/v1/logs", handle_otlp_logs, OTLP_MAX_BYTES                                  \
    }
bool start_otlp_ports(struct serve *, struct err *); /* those that were asked for */
void stop_otlp_ports(struct serve *);

/* control.c */
http_handler handle_status, handle_services, handle_slos, handle_slo, handle_rollouts,
    handle_rollout, handle_rollout_start, handle_rollout_act, handle_curves, handle_forecast,
    handle_gates, handle_gate, handle_reload, handle_alive;

/* ledger.c */
http_handler handle_ledger, handle_ledger_checkpoint, handle_ledger_key, handle_ledger_proof,
    handle_ledger_verify;

/* page.c */
http_handler handle_page;

/* kayenta.c */
void executions_release(struct serve *);
http_handler handle_kayenta_judge, handle_canary_configs, handle_canary_config, handle_canary_start,
    handle_canary;

/* events.c */
http_handler handle_events;

#endif
