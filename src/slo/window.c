/* Windows over the cumulative series: the value at the end minus the value at the beginning. */
#include "slo/slo.h"

#include <math.h>

#define CARRY_MS                                                                                   \
    60000 /* sums are written at least each 10 s: this far back holds the value before */

struct span {
    int64_t from_ms, to_ms;
};

/* Newest sample at or before t; NULL when the series begins later. */
static const struct sample *at_or_before(const struct promql_series *series, int64_t t_ms)
{
    size_t low = 0, high = series->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (series->samples[middle].t_ms <= t_ms)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? &series->samples[low - 1] : NULL;
}

static double increase_over(const struct promql_series *series, struct span span,
                            struct slo_window *w)
{
    const struct sample *last = at_or_before(series, span.to_ms);
    const struct sample *first = at_or_before(series, span.from_ms);
    if (!last)
        return 0;
    if (last->t_ms > w->newest_ms)
        w->newest_ms = last->t_ms;
    if (!first) {
        first = &series->samples[0];
        w->partial = true;
        if (w->from_ms == span.from_ms || first->t_ms < w->from_ms)
            w->from_ms = first->t_ms;
    }
    return fmax(0, last->v - first->v);
}

/* The good and total series of one SLO over the longest span that anyone asks for. */
struct sums {
    struct promql_series *good, *total;
    size_t n_good, n_total;
};

static bool select_metric(const struct promql_source *source, struct arena *arena,
                          const char *metric, const struct slo_spec *spec, const char *version,
                          struct span span, struct promql_series **out, size_t *n, struct err *err)
{
    struct matcher m[3];
    size_t n_matchers = version ? 3 : 2;
    return matcher_init(&m[0], arena, MATCH_EQUAL, STR(LABEL_NAME), str_from(metric), err) &&
           matcher_init(&m[1], arena, MATCH_EQUAL, STR("slo"), str_from(spec->name), err) &&
           (!version ||
            matcher_init(&m[2], arena, MATCH_EQUAL, STR("version"), str_from(version), err)) &&
           source->select(source->self, arena, m, n_matchers, span.from_ms - CARRY_MS, span.to_ms,
                          out, n, err);
}

static bool select_sums(const struct promql_source *source, struct arena *arena,
                        const struct slo_spec *spec, const char *version, struct span span,
                        struct sums *out, struct err *err)
{
    return select_metric(source, arena, "cqed_sli_good_total", spec, version, span, &out->good,
                         &out->n_good, err) &&
           select_metric(source, arena, "cqed_sli_total", spec, version, span, &out->total,
                         &out->n_total, err);
}

static struct slo_window window_of(const struct sums *sums, struct span span)
{
    struct slo_window w = {.from_ms = span.from_ms, .to_ms = span.to_ms};
    for (size_t i = 0; i < sums->n_good; i++)
        w.good += increase_over(&sums->good[i], span, &w);
    for (size_t i = 0; i < sums->n_total; i++)
        w.total += increase_over(&sums->total[i], span, &w);
    w.bad = fmax(0, w.total - w.good);
    return w;
}

bool slo_window(const struct promql_source *source, struct arena *arena,
                const struct slo_spec *spec, const char *version, int64_t from_ms, int64_t to_ms,
                struct slo_window *out, struct err *err)
{
    struct span span = {from_ms, to_ms};
    struct sums sums;
    if (!select_sums(source, arena, spec, version, span, &sums, err))
        return false;
    *out = window_of(&sums, span);
    return true;
}

static double burn(const struct slo_spec *spec, const struct sums *sums, int64_t now_ms,
                   int64_t length_ms)
{
    struct slo_window w = window_of(sums, (struct span){now_ms - length_ms, now_ms});
    return w.total > 0 ? w.bad / w.total / (1 - spec->target) : (double)NAN;
}

bool slo_status(const struct promql_source *source, struct arena *arena,
                const struct slo_spec *spec, int64_t now_ms, struct slo_status *out,
                struct err *err)
{
    const int64_t hour_ms = 3600000;
    int64_t longest_ms = spec->window_ms > 6 * hour_ms ? spec->window_ms : 6 * hour_ms;
    struct sums sums;
    if (!select_sums(source, arena, spec, NULL, (struct span){now_ms - longest_ms, now_ms}, &sums,
                     err))
        return false;
    struct slo_window w = window_of(&sums, (struct span){now_ms - spec->window_ms, now_ms});
    double allowed = w.total * (1 - spec->target);
    *out = (struct slo_status){
        .window = w,
        .ratio = w.total > 0 ? w.good / w.total : (double)NAN,
        .budget_remaining = w.total > 0 ? 1 - w.bad / allowed : 1,
        .burn_5m = burn(spec, &sums, now_ms, hour_ms / 12),
        .burn_1h = burn(spec, &sums, now_ms, hour_ms),
        .burn_6h = burn(spec, &sums, now_ms, 6 * hour_ms),
    };
    return true;
}
