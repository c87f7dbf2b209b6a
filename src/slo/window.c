/* Windows over the cumulative series: the value at the end minus the value at the beginning. Only
 * the two ends are read, however long the window. */
#include "slo/slo.h"

#include <math.h>

/* Sums are written at least each 10 s: this far back from a time holds the value then. */
#define CARRY_MS 60000
#define ROUNDING 1e-9

struct span {
    int64_t from_ms, to_ms;
};

/* Which series are meant, and where they are. */
struct question {
    const struct promql_source *source;
    struct arena *arena;
    struct matcher matchers[3];
    size_t n_matchers;
};

struct found {
    struct promql_series *v;
    size_t n;
};

static bool ask_about(struct question *q, const char *metric, const struct slo_spec *spec,
                      const char *version, struct err *err)
{
    struct matcher *m = q->matchers;
    q->n_matchers = version ? 3 : 2;
    return matcher_init(&m[0], q->arena, MATCH_EQUAL, STR(LABEL_NAME), str_from(metric), err) &&
           matcher_init(&m[1], q->arena, MATCH_EQUAL, STR("slo"), str_from(spec->name), err) &&
           (!version ||
            matcher_init(&m[2], q->arena, MATCH_EQUAL, STR("version"), str_from(version), err));
}

static bool select_between(const struct question *q, int64_t mint_ms, int64_t maxt_ms,
                           struct found *out, struct err *err)
{
    return q->source->select(q->source->self, q->arena, q->matchers, q->n_matchers, mint_ms,
                             maxt_ms, &out->v, &out->n, err);
}

/* The values at a time: of each series the last sample up to then, if it is not too far back. */
static bool select_at(const struct question *q, int64_t t_ms, struct found *out, struct err *err)
{
    return select_between(q, t_ms - CARRY_MS, t_ms, out, err);
}

static bool select_first(const struct question *q, struct span span, struct found *out,
                         struct err *err)
{
    const struct promql_source *s = q->source;
    if (!s->select_first)
        return select_between(q, span.from_ms, span.to_ms, out, err);
    return s->select_first(s->self, q->arena, q->matchers, q->n_matchers, span.from_ms, span.to_ms,
                           &out->v, &out->n, err);
}

static const struct promql_series *find_series(const struct found *in, struct labels labels)
{
    for (size_t i = 0; i < in->n; i++) {
        if (labels_eq(in->v[i].labels, labels))
            return &in->v[i];
    }
    return NULL;
}

/* A window that begins before its series is partial, and really begins where they do. */
static void begin_later(struct slo_window *w, struct span span, int64_t first_ms)
{
    w->partial = true;
    if (w->from_ms == span.from_ms || first_ms < w->from_ms)
        w->from_ms = first_ms;
}

static double increase_of(const struct promql_series *end, const struct found *begin,
                          const struct found *first, struct span span, struct slo_window *w)
{
    const struct sample *last = &end->samples[end->n - 1];
    const struct promql_series *at = find_series(begin, end->labels);
    if (last->t_ms > w->newest_ms)
        w->newest_ms = last->t_ms;
    if (at)
        return fmax(0, last->v - at->samples[at->n - 1].v);
    at = find_series(first, end->labels);
    begin_later(w, span, at ? at->samples[0].t_ms : last->t_ms);
    return at ? fmax(0, last->v - at->samples[0].v) : 0;
}

static bool increase_over(const struct question *q, struct span span, double *out,
                          struct slo_window *w, struct err *err)
{
    struct found end, begin, first = {0};
    *out = 0;
    if (!select_at(q, span.to_ms, &end, err) || !select_at(q, span.from_ms, &begin, err))
        return false;
    if (begin.n < end.n && !select_first(q, span, &first, err))
        return false;
    for (size_t i = 0; i < end.n; i++)
        *out += increase_of(&end.v[i], &begin, &first, span, w);
    return true;
}

bool slo_window(const struct promql_source *source, struct arena *arena,
                const struct slo_spec *spec, const char *version, int64_t from_ms, int64_t to_ms,
                struct slo_window *out, struct err *err)
{
    struct question good = {.source = source, .arena = arena}, total = good;
    struct span span = {from_ms, to_ms};
    struct slo_window w = {.from_ms = from_ms, .to_ms = to_ms};
    if (!ask_about(&good, "cqed_sli_good_total", spec, version, err) ||
        !ask_about(&total, "cqed_sli_total", spec, version, err) ||
        !increase_over(&good, span, &w.good, &w, err) ||
        !increase_over(&total, span, &w.total, &w, err))
        return false;
    w.bad = fmax(0, w.total - w.good);
    *out = w;
    return true;
}

static bool burn(const struct promql_source *source, struct arena *arena,
                 const struct slo_spec *spec, int64_t now_ms, int64_t length_ms, double *out,
                 struct err *err)
{
    struct slo_window w;
    if (!slo_window(source, arena, spec, NULL, now_ms - length_ms, now_ms, &w, err))
        return false;
    *out = w.total > 0 ? w.bad / w.total / (1 - spec->target) : (double)NAN;
    return true;
}

bool slo_window_is_possible(const struct slo_window *w)
{
    return w->good <= w->total + ROUNDING * fmax(1, w->total);
}

/* Nothing heard, or counters that contradict each other, is no full budget. */
static double budget_of(const struct slo_window *w, double target)
{
    if (w->newest_ms == 0 || !slo_window_is_possible(w))
        return (double)NAN;
    return w->total > 0 ? 1 - w->bad / (w->total * (1 - target)) : 1;
}

bool slo_status(const struct promql_source *source, struct arena *arena,
                const struct slo_spec *spec, int64_t now_ms, struct slo_status *out,
                struct err *err)
{
    const int64_t hour_ms = 3600000;
    struct slo_status s;
    struct slo_window *w = &s.window;
    if (!slo_window(source, arena, spec, NULL, now_ms - spec->window_ms, now_ms, w, err) ||
        !burn(source, arena, spec, now_ms, hour_ms / 12, &s.burn_5m, err) ||
        !burn(source, arena, spec, now_ms, hour_ms, &s.burn_1h, err) ||
        !burn(source, arena, spec, now_ms, 6 * hour_ms, &s.burn_6h, err))
        return false;
    s.ratio = w->total > 0 ? w->good / w->total : (double)NAN;
    s.budget_remaining = budget_of(w, spec->target);
    *out = s;
    return true;
}
