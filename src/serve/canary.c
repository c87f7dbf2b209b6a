/* A canary judged as Kayenta judges it: its configuration's queries asked of the store, both sides'
 * values through kayenta_judge. */
#include "base/clock.h"
#include "judge/kayenta.h"
#include "serve/internal.h"

#include <math.h>

#define DEFAULT_STEP_S 60
#define MAX_POINTS 11000

struct window {
    struct kayenta_scope scope;
    int64_t start_ms, end_ms, step_ms;
    size_t n; /* points */
};

static bool read_window(const json_t *scope, const char *place, struct window *out, struct err *err)
{
    const char *start = json_get_cstr(scope, "start", ""), *end = json_get_cstr(scope, "end", "");
    *out = (struct window){{json_get_cstr(scope, "scope", ""),
                            json_get_cstr(scope, "location", json_get_cstr(scope, "region", "")),
                            json_object_get(scope, "extendedScopeParams")},
                           0,
                           0,
                           json_get_i64(scope, "step", DEFAULT_STEP_S) * 1000,
                           0};
    if (!json_is_object(scope))
        return err_set(err, ERR_BAD_INPUT, "%s must be an object", place);
    if (!parse_api_time(start, &out->start_ms))
        return err_set(err, ERR_BAD_INPUT, "%s.start '%.50s' is no time", place, start);
    if (!parse_api_time(end, &out->end_ms) || out->end_ms < out->start_ms)
        return err_set(err, ERR_BAD_INPUT, "%s.end '%.50s' is no time, or before its start", place,
                       end);
    if (out->step_ms <= 0 || (out->end_ms - out->start_ms) / out->step_ms >= MAX_POINTS)
        return err_set(err, ERR_BAD_INPUT, "%s.step must be over 0 and give at most %d points",
                       place, MAX_POINTS);
    out->n = (size_t)((out->end_ms - out->start_ms) / out->step_ms) + 1;
    return true;
}

/* A canary's queries share the limits of one (query.timeout, maxSamples, maxMemory). */
struct run {
    struct store *store;
    const struct query_settings *limits;
    struct arena *arena;
    size_t memory_before;
    struct promql_options options;
};

static struct run run_begin(struct store *store, const struct query_settings *q,
                            struct arena *arena)
{
    return (struct run){store,
                        q,
                        arena,
                        arena->used_bytes,
                        {.deadline_mono_ns = clock_mono_ns() + q->timeout_ms * 1000000,
                         .max_samples = q->max_samples,
                         .max_memory_bytes = q->max_memory_bytes}};
}

static bool query(struct run *r, const json_t *config, const json_t *metric, const struct window *w,
                  struct promql_result *out, struct err *err)
{
    struct str text;
    struct bounded_source store = {r->store, r->limits->max_samples, r->limits->max_memory_bytes,
                                   r->memory_before};
    struct promql_source source = bounded_promql_source(&store);
    if (!kayenta_query(r->arena, config, metric, &w->scope, &text, err))
        return false;
    struct promql_expr *expr = promql_parse_allowed(r->arena, text, r->limits->stable_only, err);
    return (expr && promql_range(expr, &source, &r->options, w->start_ms, w->end_ms, w->step_ms,
                                 r->arena, out, err)) ||
           err_prefix(err, "metric \"%s\": ", json_get_cstr(metric, "name", ""));
}

/* A value a step, NaN where there is none. */
static json_t *values_of(const struct promql_series *series, const struct window *w)
{
    json_t *values = json_array();
    size_t at = 0;
    for (size_t i = 0; series && i < w->n; i++) {
        int64_t t_ms = w->start_ms + (int64_t)i * w->step_ms;
        bool there = at < series->n && series->samples[at].t_ms == t_ms;
        CHECK(json_array_append_new(
                  values, json_from_double(there ? series->samples[at].v : (double)NAN)) == 0);
        at += there;
    }
    return values;
}

static const struct promql_series *same_labels(const struct promql_result *r, struct labels labels)
{
    for (size_t i = 0; i < r->n_series; i++) {
        if (labels_eq(r->series[i].labels, labels))
            return &r->series[i];
    }
    return NULL;
}

static json_t *tags_of(struct arena *arena, struct labels labels)
{
    json_t *tags = json_object();
    for (size_t i = 0; i < labels.n; i++)
        CHECK(json_object_set_new(tags, arena_cstr(arena, labels.v[i].name),
                                  json_stringn_nocheck(labels.v[i].value.p, labels.v[i].value.n)) ==
              0);
    return tags;
}

struct sides {
    struct window control, experiment;
    struct promql_result control_result, experiment_result;
};

static void add_pair(struct arena *arena, json_t *pairs, const char *name, const struct sides *s,
                     const struct promql_series *control, const struct promql_series *experiment)
{
    const struct promql_series *either = experiment ? experiment : control;
    struct labels labels = either ? either->labels : (struct labels){0, NULL};
    json_t *pair =
        json_pack("{s:s, s:o, s:{s:o, s:o}}", "name", name, "tags", tags_of(arena, labels),
                  "values", "control", values_of(control, &s->control), "experiment",
                  values_of(experiment, &s->experiment));
    CHECK(pair && json_array_append_new(pairs, pair) == 0);
}

/* One series on a side is compared whatever its labels; several with those of the same labels. */
static void add_pairs(struct arena *arena, json_t *pairs, const char *name, const struct sides *s)
{
    const struct promql_result *c = &s->control_result, *e = &s->experiment_result;
    if (c->n_series <= 1 && e->n_series <= 1) {
        add_pair(arena, pairs, name, s, c->n_series ? c->series : NULL,
                 e->n_series ? e->series : NULL);
        return;
    }
    for (size_t i = 0; i < e->n_series; i++)
        add_pair(arena, pairs, name, s, same_labels(c, e->series[i].labels), &e->series[i]);
    for (size_t i = 0; i < c->n_series; i++) {
        if (!same_labels(e, c->series[i].labels))
            add_pair(arena, pairs, name, s, &c->series[i], NULL);
    }
}

static bool collect(struct run *r, const json_t *config, const json_t *metric, const json_t *scopes,
                    json_t *pairs, struct err *err)
{
    struct arena *arena = r->arena;
    struct sides sides;
    const char *scope_name = json_get_cstr(metric, "scopeName", "default");
    const json_t *scope = json_object_get(scopes, scope_name);
    const char *control = arena_printf(arena, "scopes.%s.controlScope", scope_name);
    const char *experiment = arena_printf(arena, "scopes.%s.experimentScope", scope_name);
    if (!read_window(json_object_get(scope, "controlScope"), control, &sides.control, err) ||
        !read_window(json_object_get(scope, "experimentScope"), experiment, &sides.experiment,
                     err) ||
        !query(r, config, metric, &sides.control, &sides.control_result, err) ||
        !query(r, config, metric, &sides.experiment, &sides.experiment_result, err))
        return false;
    add_pairs(arena, pairs, json_get_cstr(metric, "name", ""), &sides);
    return true;
}

const json_t *judge_canary(struct store *store, const struct query_settings *limits,
                           struct arena *arena, const json_t *config, const json_t *body,
                           struct err *err)
{
    json_t *pairs = json_own(arena, json_array());
    const json_t *metrics = json_object_get(config, "metrics");
    const json_t *thresholds = json_object_get(body, "thresholds");
    struct run run = run_begin(store, limits, arena);
    for (size_t i = 0; i < json_array_size(metrics); i++) {
        if (!collect(&run, config, json_array_get(metrics, i), json_object_get(body, "scopes"),
                     pairs, err))
            return NULL;
    }
    json_t *request =
        json_own(arena, json_pack("{s:O, s:O*, s:O}", "canaryConfig", config, "scoreThresholds",
                                  thresholds, "metricSetPairList", pairs));
    return kayenta_judge(arena, request, err);
}
