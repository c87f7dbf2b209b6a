/* A gauge of two arms (CPU, memory, queue depth): means over 30 s of ln(canary / stable), as PromQL
 * gives them. An arm's value is the mean of its instances'. */
#include "base/clock.h"
#include "daemon/comparison.h"

#include <math.h>
#include <stdlib.h>

#define STEP_MS 5000
#define LEARN_MS INT64_C(3600000)
#define QUERY_MS 2000
#define SETTLE_MS 5000 /* a block is read when its last scrape has come */
#define BLOCKS (LEARN_MS / JUDGE_GAUGE_BLOCK_MS)
#define PER_BLOCK (JUDGE_GAUGE_BLOCK_MS / STEP_MS)

static bool ask_range(struct daemon *d, struct arena *arena, const char *query, int64_t from_ms,
                      int64_t to_ms, struct promql_result *out, struct err *err)
{
    struct promql_options options = {.deadline_mono_ns =
                                         clock_mono_ns() + QUERY_MS * INT64_C(1000000)};
    const struct promql_expr *expr = promql_parse(arena, str_from(query), err);
    if (!expr || !promql_range(expr, &d->source, &options, from_ms + STEP_MS, to_ms, STEP_MS, arena,
                               out, err))
        return false;
    return out->type == PROMQL_MATRIX ||
           err_set(err, ERR_BAD_INPUT, "the gauge is no vector of instances");
}

/* The mean of series [first, last) at each step; NaN where none has a value. */
static double *mean_of(struct arena *arena, const struct promql_result *r, size_t first,
                       size_t last, int64_t from_ms, size_t n_steps)
{
    double *mean = ARENA_ARRAY(arena, double, n_steps);
    size_t *count = ARENA_ARRAY(arena, size_t, n_steps);
    for (size_t s = first; s < last; s++) {
        for (size_t k = 0; k < r->series[s].n; k++) {
            int64_t step = (r->series[s].samples[k].t_ms - from_ms) / STEP_MS - 1;
            double v = r->series[s].samples[k].v;
            if (step < 0 || (size_t)step >= n_steps || isnan(v))
                continue;
            mean[step] += v;
            count[step]++;
        }
    }
    for (size_t i = 0; i < n_steps; i++)
        mean[i] = count[i] ? mean[i] / (double)count[i] : (double)NAN;
    return mean;
}

/* The mean of ln(a / b), or of ln(a) alone, over a block; NaN when less than half of it is known.
 */
static double block_mean(const double *a, const double *b)
{
    double sum = 0;
    size_t n = 0;
    for (size_t i = 0; i < PER_BLOCK; i++) {
        double v = b ? log(a[i] / b[i]) : log(a[i]);
        sum += isfinite(v) ? v : 0;
        n += isfinite(v) ? 1 : 0;
    }
    return 2 * n >= PER_BLOCK ? sum / (double)n : (double)NAN;
}

/* --- Learning --- */

static int by_hash(const void *a, const void *b)
{
    uint64_t x = labels_hash(((const struct promql_series *)a)->labels);
    uint64_t y = labels_hash(((const struct promql_series *)b)->labels);
    return (x > y) - (x < y);
}

/* From stable's past hour: as many of its instances as the canary has against the rest, or, where
 * there are too few, its neighbouring times. */
static bool learn_gauge(struct daemon *d, struct rollout *r, struct check *check,
                        struct arena *arena, size_t n_canary, int64_t until_ms, struct err *err)
{
    struct promql_result past;
    const char *query = fill_in(arena, r, check->spec->gauge, r->state.stable_version);
    int64_t from_ms = until_ms - LEARN_MS;
    size_t n_steps = (size_t)(LEARN_MS / STEP_MS), n = 0;
    if (!ask_range(d, arena, query, from_ms, until_ms, &past, err))
        return false;
    bool split = past.n_series > n_canary;
    qsort(past.series, past.n_series, sizeof *past.series, by_hash);
    size_t n_first = split ? n_canary : past.n_series;
    const double *a = mean_of(arena, &past, 0, n_first, from_ms, n_steps);
    const double *b = mean_of(arena, &past, n_first, past.n_series, from_ms, n_steps);
    double *means = ARENA_ARRAY(arena, double, BLOCKS);
    for (size_t i = 0; i < BLOCKS; i++) {
        double mean = block_mean(&a[i * PER_BLOCK], split ? &b[i * PER_BLOCK] : NULL);
        if (!isnan(mean))
            means[n++] = mean;
    }
    check->gauge.learned_ms = (int64_t)n * JUDGE_GAUGE_BLOCK_MS;
    return split ? judge_gauge_init(&check->gauge.judge, means, n, err)
                 : judge_gauge_init_alone(&check->gauge.judge, means, n, err);
}

/* --- Feeding --- */

static bool read_block(struct daemon *d, struct rollout *r, struct check *check,
                       struct arena *arena, double *mean, size_t *n_canary, struct err *err)
{
    struct promql_result canary, stable;
    const char *gauge = check->spec->gauge;
    int64_t from_ms = check->gauge.fed_until_ms, to_ms = from_ms + JUDGE_GAUGE_BLOCK_MS;
    if (!ask_range(d, arena, fill_in(arena, r, gauge, r->state.canary_version), from_ms, to_ms,
                   &canary, err) ||
        !ask_range(d, arena, fill_in(arena, r, gauge, r->state.stable_version), from_ms, to_ms,
                   &stable, err))
        return false;
    *mean = block_mean(mean_of(arena, &canary, 0, canary.n_series, from_ms, PER_BLOCK),
                       mean_of(arena, &stable, 0, stable.n_series, from_ms, PER_BLOCK));
    *n_canary = canary.n_series;
    return true;
}

/* What is learned from ends at the start, or where there is enough of it at last, so that a
 * restarted process comes to the same. */
static void try_to_learn(struct daemon *d, struct rollout *r, struct check *check,
                         struct arena *arena, size_t n_canary, int64_t now_ms)
{
    struct gauge_state *g = &check->gauge;
    while (!g->is_learned && n_canary > 0 && g->learn_until_ms + SETTLE_MS <= now_ms) {
        struct err why = ERR_INIT;
        g->is_learned = learn_gauge(d, r, check, arena, n_canary, g->learn_until_ms, &why);
        if (!g->is_learned)
            g->learn_until_ms += JUDGE_GAUGE_BLOCK_MS;
    }
}

/* All whole blocks up to now. */
static bool feed_gauge(struct daemon *d, struct rollout *r, struct check *check,
                       struct arena *arena, int64_t now_ms, struct err *err)
{
    struct gauge_state *g = &check->gauge;
    if (g->fed_until_ms == 0)
        g->fed_until_ms = g->learn_until_ms = r->exposed_since_ms;
    while (g->fed_until_ms + JUDGE_GAUGE_BLOCK_MS + SETTLE_MS <= now_ms) {
        double mean;
        size_t n_canary;
        if (!g->is_learned && g->learn_until_ms + SETTLE_MS > now_ms)
            return true;
        if (!read_block(d, r, check, arena, &mean, &n_canary, err))
            return false;
        try_to_learn(d, r, check, arena, n_canary, now_ms);
        if (!g->is_learned)
            return true;
        judge_gauge_feed(&g->judge, mean);
        g->fed_until_ms += JUDGE_GAUGE_BLOCK_MS;
        add_point(check, g->fed_until_ms);
    }
    return true;
}

struct evidence compare_gauge(struct daemon *d, struct rollout *r, struct check *check,
                              struct arena *arena, int64_t now_ms)
{
    struct evidence e = unknown_evidence(check->spec);
    struct err err = ERR_INIT;
    e.kind = EVIDENCE_GAUGE;
    e.query = check->spec->gauge;
    if (r->exposed_since_ms == 0)
        return e;
    if (!feed_gauge(d, r, check, arena, now_ms, &err))
        return broken(check->spec, arena, err.message);
    int64_t last_ms = check->gauge.fed_until_ms;
    e.fresh_ms = now_ms > last_ms ? now_ms - last_ms : 0;
    e.observed_ms = last_ms - r->exposed_since_ms;
    if (!check->gauge.is_learned) {
        e.code = "not_learned";
        e.sentence = arena_printf(arena,
                                  "how much the gauge varies is not known: %d blocks of 30 s are "
                                  "needed of stable, and values of the canary",
                                  JUDGE_GAUGE_LEAST);
        e.would_change = "more of stable's past, and values of the canary";
        return e;
    }
    judge_gauge_read(&check->gauge.judge, r->comparison->alpha, r->policy->missed_harm, arena, &e);
    e.learned_ms = check->gauge.learned_ms;
    return e;
}
