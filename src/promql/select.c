/* Selectors and subqueries: series from the source, and which of their samples a step sees. */
#include "promql/edges.h"
#include "promql/eval.h"
#include "promql/labelset.h"

#include <stdlib.h>

/* --- Times --- */

static int64_t pinned_time(const struct query *q, const struct promql_expr *expr)
{
    return expr->at == AT_TIME ? expr->at_ms : expr->at == AT_START ? q->start_ms : q->end_ms;
}

int64_t reference_time(const struct evaluation *e, const struct look *look, size_t step)
{
    int64_t t = look->expr->at == AT_NONE ? step_time(e, step) : pinned_time(e->query, look->expr);
    return t - look->offset_ms;
}

/* --- Series --- */

static int compare_series(const void *a, const void *b)
{
    const struct promql_series *x = a, *y = b;
    return labels_cmp(x->labels, y->labels);
}

static void sort_series(struct promql_series *v, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        if (labels_cmp(v[i - 1].labels, v[i].labels) > 0) {
            qsort(v, n, sizeof *v, compare_series);
            return;
        }
    }
}

/* The series that match, sorted, with their samples in (after, until]. */
static bool select_series(struct evaluation *e, const struct promql_expr *expr, int64_t after_ms,
                          int64_t until_ms, struct promql_series **out, size_t *n, struct err *err)
{
    const struct promql_source *source = e->query->source;
    uint64_t samples = 0;
    if (!source->select(source->self, e->arena, expr->matchers, expr->n_matchers, after_ms + 1,
                        until_ms, out, n, err))
        return false;
    for (size_t i = 0; i < *n; i++)
        samples += (*out)[i].n;
    sort_series(*out, *n);
    return touch_samples(e->query, samples, err) && spend(e->query, *n, err);
}

/* The samples without stale markers: the same array when there are none. */
static struct matrix_series fresh_samples(struct arena *arena, const struct promql_series *s)
{
    struct matrix_series out = {s->labels, false, s->n, s->samples};
    size_t stale = 0, kept = 0;
    for (size_t i = 0; i < s->n; i++)
        stale += is_stale_nan(s->samples[i].v);
    if (stale == 0)
        return out;
    struct sample *copy = ARENA_ARRAY(arena, struct sample, s->n - stale);
    for (size_t i = 0; i < s->n; i++) {
        if (!is_stale_nan(s->samples[i].v))
            copy[kept++] = s->samples[i];
    }
    out.n = kept;
    out.samples = copy;
    return out;
}

static int64_t last_reference(const struct evaluation *e, const struct look *look)
{
    return reference_time(e, look, e->n_steps - 1);
}

/* --- Instant vectors --- */

/* For every step the newest sample that is at most lookback old; none if it is a stale marker. */
static void look_back(const struct evaluation *e, const struct look *look,
                      const struct promql_series *s, bool times, double *out)
{
    int64_t lookback_ms = e->query->options.lookback_ms;
    size_t next = 0;
    for (size_t i = 0; i < e->n_steps; i++) {
        int64_t t = reference_time(e, look, i);
        while (next < s->n && s->samples[next].t_ms <= t)
            next++;
        const struct sample *newest = next > 0 ? &s->samples[next - 1] : NULL;
        if (!newest || newest->t_ms <= t - lookback_ms || is_stale_nan(newest->v))
            out[i] = ABSENT;
        else
            out[i] = times ? (double)newest->t_ms / 1000 : newest->v;
    }
}

/* `smoothed`: between the samples before and after, each at most lookback away; the one before
 * alone stays as it is. */
static void smooth(const struct evaluation *e, const struct look *look,
                   const struct promql_series *s, double *out)
{
    struct matrix_series fresh = fresh_samples(e->arena, s);
    int64_t lookback_ms = e->query->options.lookback_ms;
    size_t next = 0;
    for (size_t i = 0; i < e->n_steps; i++) {
        int64_t t = reference_time(e, look, i);
        while (next < fresh.n && fresh.samples[next].t_ms <= t)
            next++;
        const struct sample *before = next > 0 ? &fresh.samples[next - 1] : NULL;
        const struct sample *after = next < fresh.n ? &fresh.samples[next] : NULL;
        if (!before || before->t_ms <= t - lookback_ms)
            out[i] = ABSENT;
        else if (before->t_ms == t || !after || after->t_ms > t + lookback_ms)
            out[i] = before->v;
        else
            out[i] = interpolate(before, after, t);
    }
}

bool eval_selector(struct evaluation *e, const struct promql_expr *expr, bool times,
                   struct sink *sink, struct err *err)
{
    struct look look;
    struct promql_series *series;
    size_t n;
    double *v;
    int64_t lookback_ms = e->query->options.lookback_ms;
    bool smoothed = expr->edges == EDGES_SMOOTHED && !times;
    if (!look_at(e, expr, &look, err) ||
        !select_series(e, expr, reference_time(e, &look, 0) - lookback_ms,
                       last_reference(e, &look) + (smoothed ? lookback_ms : 0), &series, &n, err) ||
        !new_values(e, &v, err))
        return false;
    for (size_t i = 0; i < n; i++) {
        struct column column = {series[i].labels, false, v};
        if (!spend(e->query, e->n_steps + series[i].n, err))
            return false;
        if (smoothed)
            smooth(e, &look, &series[i], v);
        else
            look_back(e, &look, &series[i], times, v);
        if (has_values(v, e->n_steps) && !sink->put(sink, &column, err))
            return false;
    }
    return true;
}

/* --- Range vectors --- */

/* Anchored and smoothed ranges need a sample before the range, smoothed ones also one behind it. */
static bool eval_range_selector(struct evaluation *e, const struct promql_expr *expr,
                                struct matrix *out, struct err *err)
{
    struct look look;
    struct promql_series *series;
    size_t n;
    int64_t lookback_ms = e->query->options.lookback_ms;
    int64_t before_ms = expr->edges == EDGES_EXTRAPOLATED ? 0 : lookback_ms;
    int64_t after_ms = expr->edges == EDGES_SMOOTHED ? lookback_ms : 0;
    if (!look_at(e, expr, &look, err) ||
        !select_series(e, expr, reference_time(e, &look, 0) - look.range_ms - before_ms,
                       last_reference(e, &look) + after_ms, &series, &n, err))
        return false;
    out->v = ARENA_ARRAY(e->arena, struct matrix_series, n);
    out->n = n;
    for (size_t i = 0; i < n; i++)
        out->v[i] = fresh_samples(e->arena, &series[i]);
    return true;
}

/* --- Subqueries --- */

/* The steps of the inner evaluation: the multiples of its step in (first - range, last]. */
static bool inner_steps(const struct evaluation *e, const struct promql_expr *expr,
                        struct evaluation *inner, struct err *err)
{
    struct look look;
    if (!look_at(e, expr, &look, err))
        return false;
    int64_t after_ms = reference_time(e, &look, 0) - look.range_ms;
    int64_t last_ms = last_reference(e, &look);
    *inner = *e;
    inner->step_ms = look.step_ms ? look.step_ms : DEFAULT_SUBQUERY_STEP_MS;
    inner->start_ms = after_ms / inner->step_ms * inner->step_ms;
    if (inner->start_ms <= after_ms)
        inner->start_ms += inner->step_ms;
    inner->n_steps =
        inner->start_ms > last_ms ? 0 : (size_t)((last_ms - inner->start_ms) / inner->step_ms) + 1;
    if (inner->n_steps > e->query->options.max_samples)
        return err_set(err, ERR_LIMIT, "the subquery has %zu steps, over the limit of %llu samples",
                       inner->n_steps, (unsigned long long)e->query->options.max_samples);
    return true;
}

struct to_matrix {
    struct sink sink;
    struct evaluation *inner;
    struct matrix *matrix;
    size_t capacity;
};

static bool put_series(struct sink *sink, struct column *column, struct err *err)
{
    struct to_matrix *m = (struct to_matrix *)sink;
    const struct evaluation *e = m->inner;
    struct matrix *out = m->matrix;
    size_t n = 0;
    for (size_t i = 0; i < e->n_steps; i++)
        n += !is_absent(column->v[i]);
    if (!touch_samples(e->query, n, err))
        return false;
    struct sample *samples = arena_alloc(e->arena, n * sizeof *samples);
    out->v = arena_grow(e->arena, out->v, out->n, &m->capacity, sizeof *out->v);
    out->v[out->n++] = (struct matrix_series){column->labels, column->drop_name, n, samples};
    for (size_t i = 0; i < e->n_steps; i++) {
        if (!is_absent(column->v[i]))
            *samples++ = (struct sample){step_time(e, i), column->v[i]};
    }
    return true;
}

static bool eval_subquery(struct evaluation *e, const struct promql_expr *expr, struct matrix *out,
                          struct err *err)
{
    struct evaluation inner;
    struct to_matrix sink = {{put_series}, &inner, out, 0};
    if (!inner_steps(e, expr, &inner, err))
        return false;
    return inner.n_steps == 0 || eval_vector(&inner, expr->args[0], &sink.sink, err);
}

bool eval_matrix(struct evaluation *e, const struct promql_expr *expr, struct matrix *out,
                 struct err *err)
{
    expr = without_parens(expr);
    *out = (struct matrix){0};
    if (expr->kind == NODE_SUBQUERY)
        return eval_subquery(e, expr, out, err);
    CHECK(expr->kind == NODE_SELECTOR && expr->type == PROMQL_MATRIX);
    return eval_range_selector(e, expr, out, err);
}
