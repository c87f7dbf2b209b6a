/* The settings in force, under the names that Prometheus's clients look for. */
#include "base/clock.h"
#include "base/num.h"
#include "daemon/internal.h"

#include <unistd.h>

json_t *config_view(struct daemon *d, struct arena *arena)
{
    const char *text = d->config->shown ? d->config->shown : "";
    return json_own(arena, json_pack("{s:s}", "yaml", text));
}

static void set_duration(json_t *flags, const char *name, int64_t ms)
{
    struct buf text = BUF_INIT;
    num_add_duration(&text, ms);
    (void)json_object_set_new(flags, name, json_string(text.p));
    buf_release(&text);
}

static void set_number(json_t *flags, const char *name, uint64_t v)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)v);
    (void)json_object_set_new(flags, name, json_string(text));
}

json_t *flags_view(struct daemon *d, struct arena *arena)
{
    const struct config *c = d->config;
    json_t *flags = json_object();
    (void)json_object_set_new(flags, "config.file", json_string(c->path ? c->path : ""));
    (void)json_object_set_new(flags, "web.listen-address", json_string(d->listen));
    (void)json_object_set_new(flags, "web.external-url", json_string(c->alerting.external_url));
    (void)json_object_set_new(flags, "storage.tsdb.path", json_string(d->data_path));
    set_duration(flags, "query.lookback-delta", 300000);
    set_duration(flags, "query.timeout", c->query.timeout_ms);
    set_number(flags, "query.max-samples", c->query.max_samples);
    set_number(flags, "query.max-memory", c->query.max_memory_bytes);
    set_number(flags, "query.max-concurrency", (uint64_t)c->query.max_concurrency);
    set_duration(flags, "rules.alert.resend-delay", c->resend_ms);
    set_duration(flags, "rules.alert.for-grace-period", c->for_grace_ms);
    set_duration(flags, "rules.alert.for-outage-tolerance", c->for_outage_tolerance_ms);
    set_number(flags, "alertmanager.notification-queue-capacity", c->alerting.queue);
    return json_own(arena, flags);
}

json_t *runtime_view(struct daemon *d, struct arena *arena)
{
    struct store_stats stats;
    struct buf started = BUF_INIT, configured = BUF_INIT, now = BUF_INIT;
    char folder[4096], host[256] = "";
    store_stats(d->store, &stats);
    clock_format_ms(&started, d->started_ms);
    clock_format_ms(&configured, d->configured_ms);
    clock_format_ms(&now, clock_wall_ms());
    (void)gethostname(host, sizeof host - 1);
    json_t *view = json_pack(
        "{s:s, s:s, s:o, s:o, s:b, s:s, s:I, s:i, s:I, s:i, s:s, s:s, s:s}", "startTime", started.p,
        "serverTime", now.p, "CWD", json_string(getcwd(folder, sizeof folder) ? folder : ""),
        "hostname", json_string(host), "reloadConfigSuccess", !d->reload_failed, "lastConfigTime",
        configured.p, "corruptionCount", (json_int_t)stats.wal_corruptions, "goroutineCount", 0,
        "GOMAXPROCS", (json_int_t)sysconf(_SC_NPROCESSORS_ONLN), "GOMEMLIMIT", 0, "GOGC", "",
        "GODEBUG", "", "storageRetention", "");
    buf_release(&started);
    buf_release(&configured);
    buf_release(&now);
    return json_own(arena, view);
}
