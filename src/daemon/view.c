/* Control state as JSON, as the page, the command line and CI read it: docs/manual/api.md. */
#include "base/clock.h"
#include "base/num.h"
#include "daemon/internal.h"

#include <math.h>

static json_t *number_or_null(double v)
{
    return isfinite(v) ? json_real(v) : json_null();
}

/* --- Rollouts --- */

static json_t *steps_of(const struct rollout_policy *policy)
{
    json_t *steps = json_array();
    for (size_t i = 0; i < policy->n_steps; i++)
        (void)json_array_append_new(steps, json_pack("{s:f, s:I}", "weightPct",
                                                     policy->steps[i].weight_pct, "holdMs",
                                                     (json_int_t)policy->steps[i].hold_ms));
    return steps;
}

/* The ledger writes numbers that are not known as text, to read them back exactly; here they are
 * null. */
json_t *evidence_view(struct arena *arena, const json_t *recorded)
{
    static const char *const numbers[] = {"effect",
                                          "low",
                                          "high",
                                          "tolerate",
                                          "harmLogE",
                                          "harmLogLimit",
                                          "minimumDetectableEffect",
                                          "observedPct",
                                          "measuredPct",
                                          "budgetRemaining"};
    json_t *shown = json_own(arena, json_copy((json_t *)recorded));
    const char *key;
    json_t *value;
    size_t i;
    void *next;
    json_object_foreach_safe(shown, next, key, value)
    {
        if (json_is_object(value) || json_is_array(value))
            (void)json_object_set(shown, key, evidence_view(arena, value));
        for (i = 0; i < sizeof numbers / sizeof *numbers; i++) {
            if (json_is_string(value) && strcmp(key, numbers[i]) == 0)
                (void)json_object_set_new(shown, key, json_null());
        }
    }
    json_array_foreach(shown, i, value)(void) json_array_set(shown, i, evidence_view(arena, value));
    return shown;
}

json_t *rollout_view(struct arena *arena, const struct rollout *r, bool with_history)
{
    json_t *view = json_pack("{s:s, s:s, s:o, s:o, s:s}", "id", r->id, "policy", r->policy->name,
                             "state", json_incref(rollout_state_to_json(arena, &r->state)), "steps",
                             steps_of(r->policy), "verdict", r->verdict);
    (void)json_object_set_new(
        view, "reasons", r->reasons_json ? json_incref((json_t *)r->reasons_json) : json_array());
    if (r->snapshot_json)
        (void)json_object_set(view, "snapshot", evidence_view(arena, r->snapshot_json));
    else
        (void)json_object_set_new(view, "snapshot", json_null());
    if (r->forecast)
        (void)json_object_set(view, "forecast", (json_t *)r->forecast);
    if (with_history)
        /* A list of its own: this one is written out on another thread while the next grows. */
        (void)json_object_set_new(view, "history", json_copy(r->history));
    return json_own(arena, view);
}

json_t *rollouts_view(struct daemon *d, struct arena *arena)
{
    json_t *list = json_array();
    for (const struct rollout *r = d->rollouts; r; r = r->next)
        (void)json_array_append(list, rollout_view(arena, r, false));
    return json_own(arena, json_pack("{s:o}", "rollouts", list));
}

/* --- SLOs --- */

static json_t *burn_of(const struct slo_status *status)
{
    return json_pack("{s:o, s:o, s:o}", "5m", number_or_null(status->burn_5m), "1h",
                     number_or_null(status->burn_1h), "6h", number_or_null(status->burn_6h));
}

static json_t *slo_without_data(const struct slo_spec *slo)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:f, s:I}", "name", slo->name, "displayName",
                     slo->display_name, "description", slo->description, "service", slo->service,
                     "kind", slo->sli.kind == SLI_RATIO ? "ratio" : "threshold", "target",
                     slo->target, "windowMs", (json_int_t)slo->window_ms);
}

json_t *slo_view(struct daemon *d, struct arena *arena, const struct slo_spec *slo)
{
    struct slo_status status;
    struct err err = ERR_INIT;
    json_t *view = json_own(arena, slo_without_data(slo));
    (void)json_object_set_new(view, "selfCheck", selfcheck_view(d, slo->name));
    int64_t now_ms = clock_wall_ms();
    int64_t fresh_ms = slo_freshness(d, arena, slo->name, now_ms);
    if (!slo_status(&d->source, arena, slo, now_ms, &status, &err)) {
        (void)json_object_set_new(view, "error", json_string_nocheck(err.message));
        return view;
    }
    (void)json_object_set_new(view, "good", number_or_null(status.window.good));
    (void)json_object_set_new(view, "bad", number_or_null(status.window.bad));
    (void)json_object_set_new(view, "total", number_or_null(status.window.total));
    (void)json_object_set_new(view, "ratio", number_or_null(status.ratio));
    (void)json_object_set_new(view, "budgetRemaining", number_or_null(status.budget_remaining));
    (void)json_object_set_new(view, "burn", burn_of(&status));
    (void)json_object_set_new(view, "freshMs", fresh_ms < 0 ? json_null() : json_integer(fresh_ms));
    (void)json_object_set_new(view, "partial", json_boolean(status.window.partial));
    return view;
}

json_t *slos_view(struct daemon *d, struct arena *arena)
{
    json_t *list = json_array();
    for (size_t i = 0; i < d->config->n_slos; i++)
        (void)json_array_append(list, slo_view(d, arena, &d->config->slos[i]));
    return json_own(arena, json_pack("{s:o}", "slos", list));
}

/* --- Services: whatever has an SLO or a rollout policy --- */

static json_t *service_of(struct daemon *d, json_t *services, const char *name)
{
    size_t i;
    json_t *service;
    json_array_foreach(services, i, service)
    {
        if (strcmp(json_get_cstr(service, "service", ""), name) == 0)
            return service;
    }
    const struct rollout *r = rollout_find(d, name);
    service = json_pack("{s:s, s:s?, s:[]}", "service", name, "rollout", r ? r->id : NULL, "slos");
    (void)json_object_set_new(service, "anomaly", anomaly_view(d, name));
    (void)json_array_append_new(services, service);
    return service;
}

json_t *services_view(struct daemon *d, struct arena *arena)
{
    json_t *services = json_array();
    for (size_t i = 0; i < d->config->n_slos; i++) {
        const struct slo_spec *slo = &d->config->slos[i];
        json_t *service = service_of(d, services, slo->service);
        (void)json_array_append(json_object_get(service, "slos"), slo_view(d, arena, slo));
    }
    for (size_t i = 0; i < d->config->n_rollouts; i++)
        (void)service_of(d, services, d->config->rollouts[i].service);
    return json_own(arena, json_pack("{s:o}", "services", services));
}

json_t *gates_view(struct daemon *d, struct arena *arena)
{
    json_t *list = json_array();
    for (size_t i = 0; i < d->config->n_gates; i++)
        (void)json_array_append_new(list, json_pack("{s:s, s:s}", "name", d->config->gates[i].name,
                                                    "service", d->config->gates[i].service));
    return json_own(arena, json_pack("{s:o}", "gates", list));
}

/* --- The program itself --- */

static void count_targets(struct daemon *d, struct arena *arena, size_t *up, size_t *total)
{
    struct target_status *targets;
    scrape_manager_targets(d->scrapes, arena, &targets, total);
    *up = 0;
    for (size_t i = 0; i < *total; i++)
        *up += targets[i].up ? 1 : 0;
}

json_t *status_view(struct daemon *d, struct arena *arena)
{
    struct store_stats store;
    struct buf root = BUF_INIT;
    struct sha256 sha = ledger_root(d->ledger);
    size_t up, total, live = 0;
    hex_add(&root, sha.b, sizeof sha.b);
    count_targets(d, arena, &up, &total);
    store_stats(d->store, &store);
    for (const struct rollout *r = d->rollouts; r; r = r->next)
        live += rollout_state_is_final(r->state.state) ? 0 : 1;
    json_t *view = json_pack("{s:s, s:I, s:{s:I, s:s}, s:{s:I, s:I, s:I}, s:I, s:I}", "version",
                             CQED_VERSION, "startedMs", (json_int_t)d->started_ms, "ledger", "size",
                             (json_int_t)ledger_size(d->ledger), "root", root.p, "targets", "up",
                             (json_int_t)up, "total", (json_int_t)total, "skipped",
                             (json_int_t)scrape_manager_skipped(d->scrapes), "series",
                             (json_int_t)store.series, "live", (json_int_t)live);
    buf_release(&root);
    return json_own(arena, view);
}

/* --- Targets, in Prometheus's shape --- */

static json_t *labels_view(struct labels labels)
{
    json_t *view = json_object();
    for (size_t i = 0; i < labels.n; i++)
        (void)json_object_setn_new(view, labels.v[i].name.p, labels.v[i].name.n,
                                   json_stringn(labels.v[i].value.p, labels.v[i].value.n));
    return view;
}

static json_t *target_view(const struct target_status *t)
{
    struct buf at = BUF_INIT, interval = BUF_INIT;
    clock_format_ms(&at, t->last_scrape_ms);
    num_add_duration(&interval, t->interval_ms);
    const char *health = t->last_scrape_ms == 0 ? "unknown" : t->up ? "up" : "down";
    json_t *view = json_pack(
        "{s:o, s:o, s:s, s:s, s:s, s:o, s:s, s:f, s:s, s:s}", "discoveredLabels",
        labels_view(t->discovered), "labels", labels_view(t->labels), "scrapePool", t->job,
        "scrapeUrl", t->url, "globalUrl", t->url, "lastError", json_string_nocheck(t->last_error),
        "lastScrape", at.p, "lastScrapeDuration", (double)t->last_duration_ms / 1000, "health",
        health, "scrapeInterval", interval.p);
    buf_release(&at);
    buf_release(&interval);
    return view;
}

static json_t *dropped_view(struct daemon *d)
{
    const struct dropped_target *dropped;
    size_t n;
    json_t *list = json_array();
    scrape_manager_dropped(d->scrapes, &dropped, &n);
    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(list, json_pack("{s:o, s:s}", "discoveredLabels",
                                                    labels_view(dropped[i].discovered),
                                                    "scrapePool", dropped[i].job));
    return list;
}

json_t *targets_view(struct daemon *d, struct arena *arena)
{
    struct target_status *targets;
    size_t n;
    json_t *list = json_array();
    scrape_manager_targets(d->scrapes, arena, &targets, &n);
    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(list, target_view(&targets[i]));
    return json_own(
        arena, json_pack("{s:o, s:o}", "activeTargets", list, "droppedTargets", dropped_view(d)));
}
