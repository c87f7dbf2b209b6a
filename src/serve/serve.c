#include "serve/serve.h"

#include "base/clock.h"
#include "serve/internal.h"

#include <stdlib.h>

#define KAYENTA_MAX_BYTES ((size_t)32 << 20)

/* Grafana asks by POST and again by GET when that is refused: both answer alike. */
#define BOTH_VERBS(path, handler)                                                                  \
    {"GET", path, handler, 0},                                                                     \
    {                                                                                              \
        "POST", path, handler, 0                                                                   \
    }

#define FIRST_QUICK_ROUTE                                                                          \
    {                                                                                              \
        "GET", "/api/v1/metadata", handle_metadata, 0                                              \
    }

/* Those that read much of the store come first: they run on workers. */
static const struct http_route routes[] = {
    BOTH_VERBS("/api/v1/query", handle_query),
    BOTH_VERBS("/api/v1/query_range", handle_query_range),
    BOTH_VERBS("/api/v1/query_exemplars", handle_query_exemplars),
    BOTH_VERBS("/api/v1/labels", handle_labels),
    BOTH_VERBS("/api/v1/series", handle_series),
    {"GET", "/api/v1/label/:name/values", handle_label_values, 0},
    {"POST", "/judge", handle_kayenta_judge, KAYENTA_MAX_BYTES},
    {"POST", "/canary/:id", handle_canary_start, 0},
    FIRST_QUICK_ROUTE,
    BOTH_VERBS("/api/v1/format_query", handle_format_query),
    BOTH_VERBS("/api/v1/parse_query", handle_parse_query),
    {"GET", "/api/v1/targets", handle_targets, 0},
    {"GET", "/api/v1/targets/metadata", handle_target_metadata, 0},
    {"GET", "/api/v1/rules", handle_rules, 0},
    {"GET", "/api/v1/alerts", handle_alerts, 0},
    {"GET", "/api/v1/alertmanagers", handle_alertmanagers, 0},
    {"GET", "/api/v1/status/config", handle_status_config, 0},
    {"GET", "/api/v1/status/flags", handle_status_flags, 0},
    {"GET", "/api/v1/status/runtimeinfo", handle_runtimeinfo, 0},
    {"GET", "/api/v1/status/buildinfo", handle_buildinfo, 0},
    {"GET", "/api/v1/status/tsdb", handle_tsdb, 0},
    {"POST", "/api/v1/admin/tsdb/delete_series", handle_delete_series, 0},
    {"PUT", "/api/v1/admin/tsdb/delete_series", handle_delete_series, 0},
    {"POST", "/api/v1/admin/tsdb/clean_tombstones", handle_clean_tombstones, 0},
    {"PUT", "/api/v1/admin/tsdb/clean_tombstones", handle_clean_tombstones, 0},
    {"POST", "/api/v1/admin/tsdb/snapshot", handle_snapshot, 0},
    {"PUT", "/api/v1/admin/tsdb/snapshot", handle_snapshot, 0},
    OTLP_ROUTES(""),
    OTLP_ROUTES("/api/v1/otlp"),
    {"POST", "/api/v1/write", handle_remote_write, REMOTE_WRITE_MAX_BYTES},
    {"GET", "/metrics", handle_own_metrics, 0},
    {"GET", "/-/healthy", handle_alive, 0},
    {"GET", "/-/ready", handle_alive, 0},
    {"POST", "/-/reload", handle_reload, 0},
    {"GET", "/cqed/v1/status", handle_status, 0},
    {"GET", "/cqed/v1/services", handle_services, 0},
    {"GET", "/cqed/v1/slos", handle_slos, 0},
    {"GET", "/cqed/v1/slos/:name", handle_slo, 0},
    {"GET", "/cqed/v1/rollouts", handle_rollouts, 0},
    {"POST", "/cqed/v1/rollouts", handle_rollout_start, 0},
    {"GET", "/cqed/v1/rollouts/:id", handle_rollout, 0},
    {"GET", "/cqed/v1/rollouts/:id/curves", handle_curves, 0},
    {"POST", "/cqed/v1/rollouts/:id/:act", handle_rollout_act, 0},
    {"GET", "/cqed/v1/forecast", handle_forecast, 0},
    {"GET", "/cqed/v1/gates", handle_gates, 0},
    {"POST", "/cqed/v1/gates/:name", handle_gate, 0},
    {"GET", "/cqed/v1/ledger", handle_ledger, 0},
    {"GET", "/cqed/v1/ledger/checkpoint", handle_ledger_checkpoint, 0},
    {"GET", "/cqed/v1/ledger/key", handle_ledger_key, 0},
    {"GET", "/cqed/v1/ledger/proof", handle_ledger_proof, 0},
    {"GET", "/cqed/v1/ledger/verify", handle_ledger_verify, 0},
    {"GET", "/canaryConfig", handle_canary_configs, 0},
    {"GET", "/canaryConfig/:id", handle_canary_config, 0},
    {"GET", "/canary/:id", handle_canary, 0},
    {"GET", "/cqed/v1/events", handle_events, 0},
    {"GET", "/", handle_page, 0},
    {"GET", "/*", handle_page, 0},
};

/* In whatever state starting reached. */
static void free_serve(struct serve *s)
{
    stop_otlp_ports(s);
    http_server_stop(s->server);
    slow_log_close(s->slow_log);
    executions_release(s);
    otlp_free(s->otlp);
    remote_write_free(s->remote_write);
    (void)pthread_mutex_destroy(&s->lock);
    free(s);
}

static size_t count_slow_routes(void)
{
    size_t n = 0;
    while (routes[n].handler != handle_metadata)
        n++;
    return n;
}

struct serve *serve_start(const struct serve_options *options, struct err *err)
{
    struct serve *s = calloc(1, sizeof *s);
    if (!s)
        check_no_memory(sizeof *s);
    s->options = *options;
    (void)pthread_mutex_init(&s->lock, NULL);
    s->otlp = otlp_new(options->store, options->metadata, clock_wall_ms());
    otlp_set_freshness(s->otlp, options->freshness);
    if (options->otlp.classic_exponentials)
        otlp_keep_classic(s->otlp);
    s->remote_write = remote_write_new(options->store, options->metadata, clock_wall_ms());
    if (options->query.slow_ms > 0) {
        s->slow_log = slow_log_open(options->query.slow_ms, options->query.slow_path, err);
        if (!s->slow_log) {
            free_serve(s);
            return NULL;
        }
    }
    struct http_server_options http = {.listen = options->listen,
                                       .routes = routes,
                                       .n_routes = sizeof routes / sizeof *routes,
                                       .n_slow_routes = count_slow_routes(),
                                       .workers = (unsigned)options->query.max_concurrency,
                                       .context = s,
                                       .refuse = refuse_otlp};
    s->server = http_server_start(&http, err);
    if (s->server && start_otlp_ports(s, err))
        return s;
    free_serve(s);
    return NULL;
}

void serve_stop(struct serve *s)
{
    if (!s)
        return;
    (void)pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->n_listeners; i++)
        http_stream_close(s->listeners[i]);
    s->n_listeners = 0;
    (void)pthread_mutex_unlock(&s->lock);
    free_serve(s);
}

uint16_t serve_port(const struct serve *s)
{
    return http_server_port(s->server);
}
