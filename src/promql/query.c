/* The face: a question, its limits, and the result. */
#include "promql/edges.h"
#include "promql/eval.h"
#include "promql/labelset.h"

#include <stdlib.h>

#define DEFAULT_LOOKBACK_MS (5 * 60 * 1000)
#define DEFAULT_MAX_SAMPLES UINT64_C(50000000)
#define MAX_POINTS 11000
#define MAX_SHOWN_NOTES 10
#define MAX_TIME_MS INT64_C(300000000000000) /* as in the parser: sums cannot overflow */

static void begin(struct query *q, const struct promql_expr *expr,
                  const struct promql_source *source, const struct promql_options *options,
                  struct arena *arena)
{
    *q = (struct query){
        .source = source, .arena = arena, .text = expr->text, .memory_before = arena->used_bytes};
    if (options)
        q->options = *options;
    if (q->options.lookback_ms <= 0)
        q->options.lookback_ms = DEFAULT_LOOKBACK_MS;
    if (q->options.max_samples == 0)
        q->options.max_samples = DEFAULT_MAX_SAMPLES;
}

/* --- Notes --- */

static void list_notes(const struct query *q, enum note_kind kind, const char *name,
                       const char ***out, size_t *n)
{
    size_t more = 0;
    *out = ARENA_ARRAY(q->arena, const char *, MAX_SHOWN_NOTES + 1);
    *n = 0;
    for (size_t i = 0; i < q->n_notes; i++) {
        if (q->notes[i].kind != kind)
            continue;
        if (*n < MAX_SHOWN_NOTES)
            (*out)[(*n)++] = q->notes[i].text;
        else
            more++;
    }
    if (more > 0)
        (*out)[(*n)++] = arena_printf(q->arena, "%zu more %s annotations omitted", more, name);
}

static void finish(const struct query *q, struct promql_result *out)
{
    out->touched = q->touched;
    list_notes(q, NOTE_WARNING, "warning", &out->warnings, &out->n_warnings);
    list_notes(q, NOTE_INFO, "info", &out->infos, &out->n_infos);
}

/* --- Series of the result --- */

struct to_result {
    struct sink sink;
    struct evaluation *e;
    struct promql_result *result;
    struct label_index index;
    size_t capacity;
};

static bool fill_series(const struct evaluation *e, const struct column *column,
                        struct promql_series *out, struct err *err)
{
    struct matrix_series points;
    if (!column_points(e, column, &points, err))
        return false;
    *out = (struct promql_series){.labels = column->labels,
                                  .n = points.n,
                                  .samples = points.samples,
                                  .n_histograms = points.n_h,
                                  .histograms = points.histograms};
    return spend(e->query, e->n_steps, err);
}

static bool collides(const struct promql_series *a, const struct promql_series *b)
{
    size_t k = 0;
    for (size_t i = 0; i < a->n; i++) {
        while (k < b->n_histograms && b->histograms[k].t_ms < a->samples[i].t_ms)
            k++;
        if (k < b->n_histograms && b->histograms[k].t_ms == a->samples[i].t_ms)
            return true;
    }
    return false;
}

static bool merge_histograms(const struct evaluation *e, struct promql_series *into,
                             const struct promql_series *from, struct err *err)
{
    size_t i = 0, k = 0, n = into->n_histograms + from->n_histograms;
    struct histogram_sample *merged = arena_alloc(e->arena, n * sizeof *merged);
    const struct histogram_sample *a = into->histograms, *b = from->histograms;
    while (i < into->n_histograms || k < from->n_histograms) {
        bool left = i < into->n_histograms, right = k < from->n_histograms;
        if (left && right && a[i].t_ms == b[k].t_ms)
            return same_labelset(err);
        left = left && (!right || a[i].t_ms < b[k].t_ms);
        merged[i + k] = left ? a[i] : b[k];
        i += left;
        k += !left;
    }
    into->n_histograms = n;
    into->histograms = merged;
    return true;
}

/* Two series that are one by their labels take turns, or the question has no answer. */
static bool merge_series(const struct evaluation *e, struct promql_series *into,
                         const struct promql_series *from, struct err *err)
{
    size_t i = 0, k = 0, n = into->n + from->n;
    if (collides(into, from) || collides(from, into))
        return same_labelset(err);
    if (from->n_histograms > 0 && !merge_histograms(e, into, from, err))
        return false;
    struct sample *merged = arena_alloc(e->arena, n * sizeof *merged);
    while (i < into->n || k < from->n) {
        if (i < into->n && k < from->n && into->samples[i].t_ms == from->samples[k].t_ms)
            return same_labelset(err);
        bool first = k == from->n || (i < into->n && into->samples[i].t_ms < from->samples[k].t_ms);
        merged[i + k] = first ? into->samples[i] : from->samples[k];
        i += first;
        k += !first;
    }
    into->n = n;
    into->samples = merged;
    return touch_samples(e->query, n, err) && spend(e->query, n, err);
}

/* Names go here, and so two columns may turn out to be one series. */
static bool put_result(struct sink *sink, struct column *column, struct err *err)
{
    struct to_result *r = (struct to_result *)sink;
    struct promql_result *out = r->result;
    struct promql_series series;
    bool added;
    if (column->drop_name)
        column->labels = labels_drop_name(r->e->arena, column->labels);
    if (!fill_series(r->e, column, &series, err))
        return false;
    if (series.n == 0 && series.n_histograms == 0)
        return true;
    size_t at = label_index_put(&r->index, series.labels, &added);
    if (!added)
        return merge_series(r->e, &out->series[at], &series, err);
    out->series =
        arena_grow(r->e->arena, out->series, out->n_series, &r->capacity, sizeof *out->series);
    out->series[out->n_series++] = series;
    return true;
}

static int compare_series(const void *a, const void *b)
{
    const struct promql_series *x = a, *y = b;
    return labels_cmp(x->labels, y->labels);
}

static bool vector_result(struct evaluation *e, const struct promql_expr *expr,
                          struct promql_result *out, struct err *err)
{
    struct to_result r = {.sink = {put_result}, .e = e, .result = out};
    label_index_init(&r.index, e->arena);
    return eval_vector(e, expr, &r.sink, err);
}

/* An anchored or smoothed range has a value at each of its edges. */
static bool set_edges(struct evaluation *e, const struct promql_expr *expr, struct matrix *m,
                      struct err *err)
{
    struct look look;
    if (expr->edges == EDGES_EXTRAPOLATED)
        return true;
    if (!look_at(e, expr, &look, err))
        return false;
    int64_t end_ms = reference_time(e, &look, 0), start_ms = end_ms - look.range_ms;
    for (size_t i = 0; i < m->n; i++) {
        struct matrix_series *s = &m->v[i];
        struct native_line line = {e->query, s->labels, expr->position, false};
        if (!touch_samples(e->query, s->n + s->n_h, err))
            return false;
        s->n = points_with_edges(e->arena, expr->edges, s, start_ms, end_ms, &s->samples);
        s->n_h = histograms_with_edges(&line, e->arena, expr->edges, s, start_ms, end_ms,
                                       &s->histograms);
    }
    return true;
}

static bool matrix_result(struct evaluation *e, const struct promql_expr *expr,
                          struct promql_result *out, struct err *err)
{
    struct matrix m;
    if (!eval_matrix(e, expr, &m, err) || !set_edges(e, without_parens(expr), &m, err))
        return false;
    out->series = ARENA_ARRAY(e->arena, struct promql_series, m.n);
    for (size_t i = 0; i < m.n; i++) {
        struct labels labels =
            m.v[i].drop_name ? labels_drop_name(e->arena, m.v[i].labels) : m.v[i].labels;
        if (m.v[i].n > 0 || m.v[i].n_h > 0)
            out->series[out->n_series++] = (struct promql_series){.labels = labels,
                                                                  .n = m.v[i].n,
                                                                  .samples = m.v[i].samples,
                                                                  .n_histograms = m.v[i].n_h,
                                                                  .histograms = m.v[i].histograms};
    }
    if (out->n_series > 1)
        qsort(out->series, out->n_series, sizeof *out->series, compare_series);
    return true;
}

/* --- Questions --- */

static bool check_time(int64_t t_ms, struct err *err)
{
    if (t_ms >= -MAX_TIME_MS && t_ms <= MAX_TIME_MS)
        return true;
    return err_set(err, ERR_BAD_INPUT, "time %lld ms is out of range", (long long)t_ms);
}

bool promql_instant(const struct promql_expr *expr, const struct promql_source *source,
                    const struct promql_options *options, int64_t t_ms, struct arena *arena,
                    struct promql_result *out, struct err *err)
{
    struct query q;
    struct evaluation e = {&q, arena, t_ms, 1, 1};
    double *scalar;
    *out = (struct promql_result){.type = expr->type, .t_ms = t_ms};
    begin(&q, expr, source, options, arena);
    q.start_ms = q.end_ms = t_ms;
    if (!check_time(t_ms, err))
        return false;
    switch (expr->type) {
    case PROMQL_STRING:
        out->string = eval_string(expr);
        break;
    case PROMQL_SCALAR:
        if (!eval_scalar(&e, expr, &scalar, err))
            return false;
        out->scalar = scalar[0];
        break;
    case PROMQL_VECTOR:
        if (!vector_result(&e, expr, out, err))
            return false;
        break;
    case PROMQL_MATRIX:
        if (!matrix_result(&e, expr, out, err))
            return false;
        break;
    }
    finish(&q, out);
    return true;
}

static bool scalar_result(struct evaluation *e, const struct promql_expr *expr,
                          struct promql_result *out, struct err *err)
{
    struct column column = {.labels = {0}};
    if (!eval_scalar(e, expr, &column.v, err))
        return false;
    out->n_series = 1;
    out->series = ARENA_NEW(e->arena, struct promql_series);
    return fill_series(e, &column, out->series, err);
}

static bool check_range(const struct promql_expr *expr, int64_t start_ms, int64_t end_ms,
                        int64_t step_ms, struct err *err)
{
    if (!check_time(start_ms, err) || !check_time(end_ms, err))
        return false;
    if (end_ms < start_ms)
        return err_set(err, ERR_BAD_INPUT, "end timestamp must not be before start time");
    if (step_ms <= 0 || step_ms > MAX_TIME_MS)
        return err_set(err, ERR_BAD_INPUT,
                       "zero or negative query resolution step widths are not accepted; try a "
                       "positive integer");
    if ((end_ms - start_ms) / step_ms > MAX_POINTS)
        return err_set(err, ERR_BAD_INPUT,
                       "exceeded maximum resolution of %d points per series; use a larger step",
                       MAX_POINTS);
    if (expr->type != PROMQL_SCALAR && expr->type != PROMQL_VECTOR)
        return err_set(err, ERR_BAD_INPUT,
                       "invalid expression type \"%s\" for range query, must be scalar or instant "
                       "vector",
                       expr->type == PROMQL_STRING ? "string" : "range vector");
    return true;
}

bool promql_range(const struct promql_expr *expr, const struct promql_source *source,
                  const struct promql_options *options, int64_t start_ms, int64_t end_ms,
                  int64_t step_ms, struct arena *arena, struct promql_result *out, struct err *err)
{
    struct query q;
    *out = (struct promql_result){.type = PROMQL_MATRIX, .t_ms = end_ms};
    if (!check_range(expr, start_ms, end_ms, step_ms, err))
        return false;
    begin(&q, expr, source, options, arena);
    q.start_ms = start_ms;
    q.end_ms = end_ms;
    q.step_ms = step_ms;
    struct evaluation e = {&q, arena, start_ms, step_ms,
                           (size_t)((end_ms - start_ms) / step_ms) + 1};
    if (!(expr->type == PROMQL_SCALAR ? scalar_result(&e, expr, out, err)
                                      : vector_result(&e, expr, out, err)))
        return false;
    if (out->n_series > 1)
        qsort(out->series, out->n_series, sizeof *out->series, compare_series);
    finish(&q, out);
    return true;
}
