/* The program from start to end: configuration, opening in the order of the sentence, reload,
 * closing. */
#include "daemon/daemon.h"

#include "base/budget.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "daemon/internal.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

/* --- Configuration --- */

static void print_problems(const struct diag_list *diags)
{
    struct buf text = BUF_INIT;
    diag_print(diags, &text);
    if (text.n)
        (void)fwrite(text.p, 1, text.n, stderr);
    buf_release(&text);
}

/* NULL with the first problem in err; all of them go to standard error. */
static struct config *load_config(struct daemon *d, struct err *err)
{
    struct arena arena = ARENA_INIT;
    struct diag_list diags;
    struct buf first = BUF_INIT;
    diag_init(&diags, &arena);
    struct config *config = config_load(d->config_path, &diags);
    print_problems(&diags);
    if (!config) {
        struct diag_list one = {.arena = &arena};
        for (size_t i = 0; i < diags.n && one.n == 0; i++) {
            if (diags.items[i].level == DIAG_ERROR)
                one.items = &diags.items[i], one.n = 1;
        }
        diag_print(&one, &first);
        struct str line = str_trim(buf_str(&first));
        err_set(err, ERR_BAD_INPUT, "the configuration has %zu error%s, first: %.*s", diags.errors,
                diags.errors == 1 ? "" : "s", (int)(line.n < 300 ? line.n : 300),
                line.n ? line.p : "");
    }
    buf_release(&first);
    arena_release(&arena);
    return config;
}

static struct slo_engine *make_engine(const struct config *config, struct err *err)
{
    struct arena arena = ARENA_INIT;
    struct slo_setup *setups = ARENA_ARRAY(&arena, struct slo_setup, config->n_slos);
    for (size_t i = 0; i < config->n_slos; i++)
        setups[i] = (struct slo_setup){&config->slos[i],
                                       config_cohort_label(config, config->slos[i].service)};
    struct slo_engine *engine = slo_engine_new(setups, config->n_slos, err);
    arena_release(&arena);
    return engine;
}

struct store_tap tap_of(struct slo_engine *engine)
{
    return (struct store_tap){.self = engine,
                              .bind = slo_engine_bind,
                              .feed = slo_engine_feed,
                              .feed_histogram = slo_engine_feed_histogram,
                              .unbind = slo_engine_unbind,
                              .save = slo_engine_save,
                              .load = slo_engine_load,
                              .newest = slo_engine_newest,
                              .begin = slo_engine_begin,
                              .end = slo_engine_end};
}

static bool record_config(struct daemon *d, enum ledger_kind kind, const struct sha256 *before,
                          struct err *err)
{
    struct arena arena = ARENA_INIT;
    struct buf now = BUF_INIT, was = BUF_INIT;
    hex_add(&now, d->config->digest.b, sizeof d->config->digest.b);
    if (before)
        hex_add(&was, before->b, sizeof before->b);
    json_t *body =
        json_own(&arena, json_pack("{s:s, s:s, s:s?}", "version", CQED_VERSION, "configDigest",
                                   now.p, "configDigestBefore", before ? was.p : NULL));
    bool done = record(d, kind, "", clock_wall_ms(), body, NULL, err);
    buf_release(&now);
    buf_release(&was);
    arena_release(&arena);
    return done;
}

/* What the process may hold and what each sender may send; of an open store, so that what is on
 * disk is always read back. */
static void apply_limits(struct daemon *d, const struct config *c)
{
    struct arena arena = ARENA_INIT;
    struct store_quota *own = ARENA_ARRAY(&arena, struct store_quota, c->quotas.n_own);
    for (size_t i = 0; i < c->quotas.n_own; i++)
        own[i] = (struct store_quota){c->quotas.own[i].owner, c->quotas.own[i].series};
    store_set_quotas(
        d->store, &(struct store_quotas){c->quotas.label, c->quotas.series, own, c->quotas.n_own});
    budget_set(c->memory_bytes);
    arena_release(&arena);
}

/* --- Reload: all or nothing --- */

struct exchange {
    struct daemon *daemon;
    struct slo_engine *engine;
    struct slo_engine *old;
};

static void exchange_engines(void *arg)
{
    struct exchange *x = arg;
    x->old = x->daemon->engine;
    slo_engine_adopt(x->engine, x->old);
    x->daemon->engine = x->engine;
    x->daemon->tap.self = x->engine;
}

static bool is_same(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

static bool same_query_settings(const struct query_settings *a, const struct query_settings *b)
{
    return a->timeout_ms == b->timeout_ms && a->max_samples == b->max_samples &&
           a->max_memory_bytes == b->max_memory_bytes && a->max_concurrency == b->max_concurrency &&
           a->stable_only == b->stable_only && a->slow_ms == b->slow_ms &&
           is_same(a->slow_path, b->slow_path);
}

static bool same_sources(const struct config *a, const struct config *b)
{
    if (a->n_sources != b->n_sources)
        return false;
    for (size_t i = 0; i < a->n_sources; i++) {
        if (!is_same(a->sources[i].name, b->sources[i].name) ||
            a->sources[i].kind != b->sources[i].kind ||
            !is_same(a->sources[i].at, b->sources[i].at))
            return false;
    }
    return true;
}

static bool settings_are_fixed(const struct config *now, const struct config *next, struct err *err)
{
    if (strcmp(now->data_path, next->data_path) != 0)
        return err_set(err, ERR_CONFLICT, "storage.path changed from %s to %s: restart cQED for it",
                       now->data_path, next->data_path);
    if (strcmp(now->listen, next->listen) != 0)
        return err_set(err, ERR_CONFLICT, "listen changed from %s to %s: restart cQED for it",
                       now->listen, next->listen);
    if (!is_same(now->otlp.grpc, next->otlp.grpc) || !is_same(now->otlp.http, next->otlp.http) ||
        !is_same(now->otlp.tls_cert_file, next->otlp.tls_cert_file) ||
        !is_same(now->otlp.tls_key_file, next->otlp.tls_key_file))
        return err_set(err, ERR_CONFLICT, "telemetry.otlp changed: restart cQED for it");
    if (now->admin_api != next->admin_api)
        return err_set(err, ERR_CONFLICT, "storage.adminApi changed: restart cQED for it");
    if (!same_sources(now, next))
        return err_set(err, ERR_CONFLICT, "telemetry.sources changed: restart cQED for it");
    if (!same_query_settings(&now->query, &next->query))
        return err_set(err, ERR_CONFLICT, "query changed: restart cQED for it");
    return true;
}

bool daemon_reload(struct daemon *d, struct err *err)
{
    struct config *old = d->config, *next = load_config(d, err);
    struct slo_engine *engine =
        next && settings_are_fixed(old, next, err) ? make_engine(next, err) : NULL;
    d->reload_failed = !engine;
    if (!engine) {
        config_free(next);
        return false;
    }
    d->configured_ms = clock_wall_ms();
    struct exchange x = {d, engine, NULL};
    store_set_tap(d->store, &d->tap, exchange_engines, &x);
    slo_engine_free(x.old);
    d->config = next;
    store_set_retention(d->store, next->retention_ms, next->retention_bytes);
    apply_limits(d, next);
    notifier_apply(d->notifier, &next->alerting);
    rule_runner_apply(d->rule_runner, next);
    source_bringer_apply(d->bringer, next);
    scrape_manager_apply(d->scrapes, next->scrapes, next->n_scrapes);
    if (!record_config(d, LEDGER_CONFIG, &old->digest, err))
        log_error("ledger", "the new configuration is not recorded: %s", err->message);
    config_free(old);
    log_info("config", "reloaded rollouts=%zu slos=%zu gates=%zu", next->n_rollouts, next->n_slos,
             next->n_gates);
    return true;
}

static void reload_on_signal(void *arg, int signal_number)
{
    struct err err = ERR_INIT;
    (void)signal_number;
    if (!daemon_reload(arg, &err))
        log_error("config", "not reloaded, the old one stays: %s", err.message);
}

static void stop_on_signal(void *arg, int signal_number)
{
    log_info("daemon", "stopping signal=%d", signal_number);
    loop_stop(arg);
}

/* --- Opening, in the order of the sentence; closing, backwards --- */

static bool open_telemetry(struct daemon *d, struct err *err)
{
    d->engine = make_engine(d->config, err);
    if (!d->engine)
        return false;
    d->tap = tap_of(d->engine);
    d->store = store_open(&(struct store_options){.path = d->data_path,
                                                  .flush_ms = d->config->flush_ms,
                                                  .fsync_always = d->config->fsync_always,
                                                  .out_of_order_ms = d->config->out_of_order_ms,
                                                  .exemplars = (uint32_t)d->config->exemplars,
                                                  .retention_ms = d->config->retention_ms,
                                                  .retention_bytes = d->config->retention_bytes,
                                                  .snapshot_ms = d->config->snapshot_ms,
                                                  .tap = &d->tap},
                          err);
    if (!d->store)
        return false;
    apply_limits(d, d->config);
    d->source = store_promql_source(d->store);
    d->metadata = metadata_store_new();
    d->freshness = freshness_new();
    d->scrapes = scrape_manager_new(d->loop, d->client, d->store, d->metadata);
    scrape_manager_set_freshness(d->scrapes, d->freshness);
    return true;
}

static const char *address_of(const struct daemon *d, char *out, size_t size)
{
    const char *colon = strrchr(d->listen, ':');
    (void)snprintf(out, size, "http://%.*s:%u", (int)(colon ? colon - d->listen : 0), d->listen,
                   serve_port(d->serve));
    return out;
}

static void start_rules(struct daemon *d)
{
    char address[128];
    d->rule_runner = rule_runner_start(
        &(struct rule_runner_options){.rules = d->rules,
                                      .store = d->store,
                                      .source = d->source,
                                      .sources = d->sources,
                                      .notifier = d->notifier,
                                      .external_url = address_of(d, address, sizeof address)},
        d->config);
}

/* Whoever asks meanwhile is told so. Best effort: an address that cannot be had is serve_start's to
 * report, and a port that the system chooses is nobody's to ask at yet. */
static bool recover_all(struct daemon *d, struct err *err)
{
    bool fixed_port = !str_ends(str_from(d->listen), STR(":0"));
    struct http_server *door = fixed_port ? serve_door_open(d->listen, NULL) : NULL;
    bool done = open_telemetry(d, err);
    if (done) {
        d->ledger = ledger_open(d->data_path, err);
        done = d->ledger && record_config(d, LEDGER_START, NULL, err) && rollouts_recover(d, err);
        if (done)
            keep_recover(d);
    }
    http_server_stop(door);
    return done;
}

static bool find_source(void *self, const char *name, struct promql_source *out, struct err *err)
{
    return remote_source_find(self, name, out, err);
}

static bool open_all(struct daemon *d, struct err *err)
{
    d->loop = loop_new(err);
    if (!d->loop)
        return false;
    d->client = http_client_new(d->loop);
    if (!recover_all(d, err))
        return false;
    d->sources = remote_sources_new(d->config->sources, d->config->n_sources);
    d->asker = source_asker_new(
        &(struct source_asker_options){.find = find_source,
                                       .self = d->sources,
                                       .max_samples = d->config->query.max_samples,
                                       .max_memory_bytes = d->config->query.max_memory_bytes,
                                       .timeout_ms = d->config->query.timeout_ms});
    d->rules = rules_new();
    d->notifier = notifier_new(d->loop, d->client);
    notifier_apply(d->notifier, &d->config->alerting);
    d->serve = serve_start(&(struct serve_options){.listen = d->listen,
                                                   .otlp = d->config->otlp,
                                                   .loop = d->loop,
                                                   .store = d->store,
                                                   .admin_api = d->config->admin_api,
                                                   .metadata = d->metadata,
                                                   .freshness = d->freshness,
                                                   .ledger = d->ledger,
                                                   .query = d->config->query,
                                                   .sources = d->sources,
                                                   .rules = d->rules,
                                                   .notifier = d->notifier,
                                                   .control = control,
                                                   .control_self = d},
                           err);
    if (!d->serve)
        return false;
    scrape_manager_apply(d->scrapes, d->config->scrapes, d->config->n_scrapes);
    start_rules(d);
    d->bringer = source_bringer_new(&(struct source_bringer_options){
        .find = find_source, .self = d->sources, .store = d->store});
    source_bringer_apply(d->bringer, d->config);
    d->ticker = loop_timer_start(d->loop, 0, TICK_MS, tick, d);
    return true;
}

static void close_all(struct daemon *d)
{
    loop_timer_stop(d->ticker);
    rule_runner_stop(d->rule_runner);
    serve_stop(d->serve);
    notifier_free(d->notifier);
    rules_free(d->rules);
    source_bringer_free(d->bringer);
    source_asker_free(d->asker);
    remote_sources_free(d->sources);
    keep_now(d);
    rollouts_free(d);
    selfchecks_free(d);
    anomalies_free(d);
    if (d->scrapes)
        scrape_manager_free(d->scrapes);
    if (d->client)
        http_client_free(d->client);
    if (d->loop)
        loop_free(d->loop);
    ledger_close(d->ledger);
    store_close(d->store);
    slo_engine_free(d->engine);
    if (d->metadata)
        metadata_store_free(d->metadata);
    freshness_free(d->freshness);
    config_free(d->config);
    arena_release(&d->arena);
}

static void log_otlp_ports(const struct daemon *d)
{
    uint16_t grpc = serve_otlp_grpc_port(d->serve), http = serve_otlp_http_port(d->serve);
    if (grpc || http)
        log_info("daemon", "listening otlp_grpc_port=%u otlp_http_port=%u", grpc, http);
}

static bool run(struct daemon *d, struct err *err)
{
    char address[128];
    d->started_ms = d->configured_ms = clock_wall_ms();
    int64_t begin_ns = clock_mono_ns();
    d->config = load_config(d, err);
    if (!d->config)
        return false;
    /* Own copies: a reload frees the configuration that they come from. */
    d->listen = arena_strdup(&d->arena, d->listen ? d->listen : d->config->listen);
    d->data_path = arena_strdup(&d->arena, d->data_path ? d->data_path : d->config->data_path);
    if (!open_all(d, err))
        return false;
    loop_on_signal(d->loop, SIGTERM, stop_on_signal, d->loop);
    loop_on_signal(d->loop, SIGINT, stop_on_signal, d->loop);
    loop_on_signal(d->loop, SIGHUP, reload_on_signal, d);
    log_info("daemon", "listening address=%s data=%s ready_ms=%lld",
             address_of(d, address, sizeof address), d->data_path,
             (long long)((clock_mono_ns() - begin_ns) / 1000000));
    log_otlp_ports(d);
    loop_run(d->loop);
    return true;
}

int daemon_run(const struct daemon_options *options)
{
    struct daemon d = {.config_path = options->config_path,
                       .listen = options->listen,
                       .data_path = options->data_path};
    struct err err = ERR_INIT;
    (void)signal(SIGPIPE, SIG_IGN);
    bool done = fault_arm_from_env(&err) && run(&d, &err);
    close_all(&d);
    if (!done)
        (void)fprintf(stderr, "cqed: %s\n", err.message);
    return done ? 0 : 1;
}
