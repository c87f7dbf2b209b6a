/* Selectors and subqueries: series from the source, and which of their samples a step sees. */
#include "promql/edges.h"
#include "promql/eval.h"
#include "promql/labelset.h"

#include <math.h>
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

/* Stands between the source and who looks at a selector's series: counts their samples, and marks
 * resets of histograms, for which it may have to look at what was before. */
struct intake {
    struct promql_visitor visitor;
    struct evaluation *e;
    const struct promql_expr *expr;
    int64_t after_ms;
    struct promql_visitor *next;
    bool asked;
    struct promql_series *earlier;
    size_t n_earlier, at; /* both walks are ordered by labels */
};

/* The first histogram may go on from one before the range. */
static bool mark_resets(struct intake *in, struct promql_series *s, struct err *err)
{
    struct query *q = in->e->query;
    if (!in->asked) {
        if (!q->source->select(q->source->self, in->e->arena, in->expr->matchers,
                               in->expr->n_matchers, in->after_ms + 1 - q->options.lookback_ms,
                               in->after_ms, &in->earlier, &in->n_earlier, err))
            return false;
        sort_series(in->earlier, in->n_earlier);
        in->asked = true;
    }
    while (in->at < in->n_earlier && labels_cmp(in->earlier[in->at].labels, s->labels) < 0)
        in->at++;
    bool found = in->at < in->n_earlier && labels_eq(in->earlier[in->at].labels, s->labels);
    native_mark_resets(q, s, found ? &in->earlier[in->at] : NULL, in->expr->stats);
    return true;
}

static bool take_in(struct intake *in, const struct promql_series *s, uint64_t *held,
                    struct err *err)
{
    struct promql_series marked = *s;
    uint64_t samples = s->n;
    for (size_t i = 0; i < s->n_histograms; i++)
        samples += native_size(s->histograms[i].h);
    *held = s->n; /* histograms last */
    return touch_samples(in->e->query, samples, err) && spend(in->e->query, 0, err) &&
           (s->n_histograms == 0 || mark_resets(in, &marked, err)) &&
           in->next->see(in->next, &marked, err);
}

static bool take_in_passing(struct promql_visitor *visitor, const struct promql_series *s,
                            struct err *err)
{
    struct intake *in = (struct intake *)visitor;
    uint64_t held;
    bool done = take_in(in, s, &held, err);
    let_go_samples(in->e->query, held);
    return done;
}

/* The series that match with their samples in (after, until], sorted, all kept. */
static bool select_series(struct evaluation *e, const struct promql_expr *expr, int64_t after_ms,
                          int64_t until_ms, struct promql_visitor *next, struct err *err)
{
    const struct promql_source *source = e->query->source;
    struct intake in = {.e = e, .expr = expr, .after_ms = after_ms, .next = next};
    struct promql_series *v;
    size_t n;
    uint64_t held;
    if (!source->select(source->self, e->arena, expr->matchers, expr->n_matchers, after_ms + 1,
                        until_ms, &v, &n, err))
        return false;
    sort_series(v, n);
    for (size_t i = 0; i < n; i++) {
        if (!take_in(&in, &v[i], &held, err))
            return false;
    }
    return true;
}

/* The same, and each is let go when it was seen. */
static bool visit_series(struct evaluation *e, const struct promql_expr *expr, int64_t after_ms,
                         int64_t until_ms, struct promql_visitor *next, struct err *err)
{
    const struct promql_source *source = e->query->source;
    struct intake in = {
        .visitor = {take_in_passing}, .e = e, .expr = expr, .after_ms = after_ms, .next = next};
    if (!source->visit)
        return select_series(e, expr, after_ms, until_ms, next, err);
    return source->visit(source->self, e->arena, expr->matchers, expr->n_matchers, after_ms + 1,
                         until_ms, &in.visitor, err);
}

/* What is known of when a series began at a time; 0: nothing. *next: of the starts, only grows. */
static int64_t start_at(const struct promql_series *s, int64_t t_ms, size_t *next)
{
    while (*next < s->n_starts && s->starts[*next].t_ms <= t_ms)
        ++*next;
    return *next > 0 ? s->starts[*next - 1].start_ms : 0;
}

static void fill_starts(struct arena *arena, const struct promql_series *s,
                        struct matrix_series *out)
{
    int64_t *starts = ARENA_ARRAY(arena, int64_t, out->n);
    int64_t *h_starts = ARENA_ARRAY(arena, int64_t, out->n_h);
    size_t next = 0, h_next = 0;
    for (size_t i = 0; i < out->n; i++)
        starts[i] = start_at(s, out->samples[i].t_ms, &next);
    for (size_t i = 0; i < out->n_h; i++)
        h_starts[i] = start_at(s, out->histograms[i].t_ms, &h_next);
    out->starts = starts;
    out->h_starts = h_starts;
}

/* A counter that only rises has neither resets nor stale markers, and most do. */
static bool only_rises(const struct promql_series *s)
{
    bool rises = s->n > 0 && !isnan(s->samples[0].v);
    for (size_t i = 1; rises && i < s->n; i++)
        rises = s->samples[i].v >= s->samples[i - 1].v;
    return rises;
}

static size_t count_stale(const struct promql_series *s)
{
    size_t stale = 0;
    for (size_t i = 0; i < s->n; i++)
        stale += is_stale_nan(s->samples[i].v);
    return stale;
}

/* The samples without stale markers: the same array when there are none. */
static struct matrix_series fresh_floats(struct arena *arena, const struct promql_series *s)
{
    struct matrix_series out = {.labels = s->labels,
                                .n = s->n,
                                .n_h = s->n_histograms,
                                .rises = only_rises(s),
                                .samples = s->samples,
                                .histograms = s->histograms};
    size_t stale = out.rises ? 0 : count_stale(s), kept = 0;
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

static struct matrix_series fresh_samples(struct arena *arena, const struct promql_series *s)
{
    struct matrix_series out = fresh_floats(arena, s);
    if (s->n_starts > 0)
        fill_starts(arena, s, &out);
    return out;
}

static int64_t last_reference(const struct evaluation *e, const struct look *look)
{
    return reference_time(e, look, e->n_steps - 1);
}

/* --- Instant vectors --- */

/* For every step the newest sample that is at most lookback old; none if it is a stale marker. */
static void look_back(const struct evaluation *e, const struct look *look,
                      const struct promql_series *s, double *out)
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
            out[i] = newest->v;
    }
}

/* Walks the floats and histograms of a series together. */
struct cursor {
    const struct promql_series *s;
    size_t n, n_h; /* how many of each are at or before the time */
    size_t next_start;
};

struct point {
    int64_t t_ms;
    struct value value;
};

/* The newest one at or before a time that only grows. */
static bool newest_at(struct cursor *c, int64_t t_ms, struct point *out)
{
    const struct promql_series *s = c->s;
    while (c->n < s->n && s->samples[c->n].t_ms <= t_ms)
        c->n++;
    while (c->n_h < s->n_histograms && s->histograms[c->n_h].t_ms <= t_ms)
        c->n_h++;
    const struct sample *f = c->n > 0 ? &s->samples[c->n - 1] : NULL;
    const struct histogram_sample *h = c->n_h > 0 ? &s->histograms[c->n_h - 1] : NULL;
    if (h && (!f || h->t_ms > f->t_ms))
        *out = (struct point){h->t_ms, {ABSENT, h->h}};
    else if (f)
        *out = (struct point){f->t_ms, {f->v, NULL}};
    return f || h;
}

static bool next_after(const struct cursor *c, struct point *out)
{
    const struct promql_series *s = c->s;
    const struct sample *f = c->n < s->n ? &s->samples[c->n] : NULL;
    const struct histogram_sample *h = c->n_h < s->n_histograms ? &s->histograms[c->n_h] : NULL;
    if (h && (!f || h->t_ms < f->t_ms))
        *out = (struct point){h->t_ms, {ABSENT, h->h}};
    else if (f)
        *out = (struct point){f->t_ms, {f->v, NULL}};
    return f || h;
}

/* As look_back(), for series that hold histograms, and for times. */
static void look_back_any(const struct evaluation *e, const struct look *look,
                          const struct promql_series *s, enum selected what, struct column *out)
{
    int64_t lookback_ms = e->query->options.lookback_ms;
    struct cursor c = {.s = s};
    for (size_t i = 0; i < e->n_steps; i++) {
        int64_t t = reference_time(e, look, i);
        struct point p;
        column_clear(out, i);
        if (!newest_at(&c, t, &p) || p.t_ms <= t - lookback_ms ||
            (!p.value.h && is_stale_nan(p.value.v)))
            continue;
        if (what == SELECT_TIMES)
            out->v[i] = (double)p.t_ms / 1000;
        else if (what == SELECT_STARTS)
            out->v[i] = (double)start_at(s, p.t_ms, &c.next_start) / 1000;
        else if (p.value.h)
            out->h[i] = p.value.h;
        else
            out->v[i] = p.value.v;
    }
}

/* Between two points; where they are of two kinds, the one before. */
static struct value between(const struct evaluation *e, const struct look *look,
                            const struct promql_series *s, const struct point *a,
                            const struct point *b, int64_t t_ms)
{
    if (a->value.h && b->value.h) {
        const struct histogram *h =
            native_between(&(struct native_line){e->query, s->labels, look->expr->position, false},
                           e->arena, &(struct histogram_sample){a->t_ms, a->value.h},
                           &(struct histogram_sample){b->t_ms, b->value.h}, t_ms);
        return (struct value){ABSENT, h};
    }
    if (a->value.h || b->value.h)
        return a->value;
    struct sample x = {a->t_ms, a->value.v}, y = {b->t_ms, b->value.v};
    return (struct value){interpolate(&x, &y, t_ms), NULL};
}

/* `smoothed`: between the samples before and after, each at most lookback away; the one before
 * alone stays as it is. */
static void smooth(const struct evaluation *e, const struct look *look,
                   const struct promql_series *s, struct column *out)
{
    struct matrix_series fresh = fresh_floats(e->arena, s);
    struct promql_series points = *s;
    struct cursor c = {.s = &points};
    int64_t lookback_ms = e->query->options.lookback_ms;
    points.n = fresh.n;
    points.samples = fresh.samples;
    for (size_t i = 0; i < e->n_steps; i++) {
        int64_t t = reference_time(e, look, i);
        struct point before, after;
        struct value v;
        column_clear(out, i);
        if (!newest_at(&c, t, &before) || before.t_ms <= t - lookback_ms)
            continue;
        if (before.t_ms == t || !next_after(&c, &after) || after.t_ms > t + lookback_ms)
            v = before.value;
        else
            v = between(e, look, s, &before, &after, t);
        out->v[i] = v.v;
        if (out->h)
            out->h[i] = v.h;
    }
}

struct selector {
    struct promql_visitor visitor;
    struct evaluation *e;
    struct look look;
    enum selected what;
    bool smoothed;
    struct sink *sink;
    double *v;
    const struct histogram **h; /* made when there are histograms */
};

static bool see_series(struct promql_visitor *visitor, const struct promql_series *s,
                       struct err *err)
{
    struct selector *of = (struct selector *)visitor;
    struct evaluation *e = of->e;
    bool native = s->n_histograms > 0 && of->what == SELECT_VALUES;
    if (!spend(e->query, e->n_steps + s->n + s->n_histograms, err) ||
        (native && !of->h && !new_histograms(e, &of->h, err)))
        return false;
    struct column column = {
        .labels = s->labels, .v = of->v, .h = native ? of->h : NULL, .lasting = true};
    if (of->smoothed)
        smooth(e, &of->look, s, &column);
    else if (native || of->what != SELECT_VALUES)
        look_back_any(e, &of->look, s, of->what, &column);
    else
        look_back(e, &of->look, s, of->v);
    return !column_has_any(&column, e->n_steps) || of->sink->put(of->sink, &column, err);
}

bool eval_selector(struct evaluation *e, const struct promql_expr *expr, enum selected what,
                   struct sink *sink, struct err *err)
{
    struct selector of = {.visitor = {see_series},
                          .e = e,
                          .what = what,
                          .smoothed = expr->edges == EDGES_SMOOTHED && what == SELECT_VALUES,
                          .sink = sink};
    int64_t lookback_ms = e->query->options.lookback_ms;
    return look_at(e, expr, &of.look, err) && new_values(e, &of.v, err) &&
           visit_series(e, expr, reference_time(e, &of.look, 0) - lookback_ms,
                        last_reference(e, &of.look) + (of.smoothed ? lookback_ms : 0), &of.visitor,
                        err);
}

/* --- Range vectors --- */

/* What each series is without stale markers. What that takes goes when it was seen, or stays. */
struct freshener {
    struct promql_visitor visitor;
    struct matrix_visitor *next;
    struct arena *arena;
    bool passing;
};

static bool see_fresh(struct promql_visitor *visitor, const struct promql_series *s,
                      struct err *err)
{
    struct freshener *f = (struct freshener *)visitor;
    struct matrix_series fresh = fresh_samples(f->arena, s);
    bool done = f->next->see(f->next, &fresh, err);
    if (f->passing)
        arena_clear(f->arena);
    return done;
}

typedef bool series_fn(struct evaluation *, const struct promql_expr *, int64_t after_ms,
                       int64_t until_ms, struct promql_visitor *, struct err *);

/* Anchored and smoothed ranges need a sample before the range, smoothed ones also one behind it. */
static bool eval_range_selector(struct evaluation *e, const struct promql_expr *expr,
                                series_fn *each, struct freshener *to, struct err *err)
{
    struct look look;
    int64_t lookback_ms = e->query->options.lookback_ms;
    int64_t before_ms = expr->edges == EDGES_EXTRAPOLATED ? 0 : lookback_ms;
    int64_t after_ms = expr->edges == EDGES_SMOOTHED ? lookback_ms : 0;
    return look_at(e, expr, &look, err) &&
           each(e, expr, reference_time(e, &look, 0) - look.range_ms - before_ms,
                last_reference(e, &look) + after_ms, &to->visitor, err);
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

/* The source's histograms last, others were made on the way. */
static const struct histogram *kept(const struct evaluation *e, const struct column *c, size_t i)
{
    return c->lasting ? c->h[i] : histogram_copy(e->arena, c->h[i]);
}

static bool histogram_points(const struct evaluation *e, const struct column *column,
                             struct matrix_series *out, struct err *err)
{
    size_t n = 0;
    uint64_t size = 0;
    for (size_t i = 0; i < e->n_steps; i++) {
        if (column->h[i])
            size += native_size(column->h[i]);
        n += column->h[i] != NULL;
    }
    if (!touch_samples(e->query, size, err))
        return false;
    struct histogram_sample *histograms = arena_alloc(e->arena, n * sizeof *histograms);
    out->histograms = histograms;
    out->n_h = n;
    for (size_t i = 0; i < e->n_steps; i++) {
        if (column->h[i])
            *histograms++ = (struct histogram_sample){step_time(e, i), kept(e, column, i)};
    }
    return true;
}

bool column_points(const struct evaluation *e, const struct column *column,
                   struct matrix_series *out, struct err *err)
{
    size_t n = 0;
    for (size_t i = 0; i < e->n_steps; i++)
        n += !is_absent(column->v[i]);
    if (!touch_samples(e->query, n, err))
        return false;
    struct sample *samples = arena_alloc(e->arena, n * sizeof *samples);
    *out = (struct matrix_series){
        .labels = column->labels, .drop_name = column->drop_name, .n = n, .samples = samples};
    for (size_t i = 0; i < e->n_steps; i++) {
        if (!is_absent(column->v[i]))
            *samples++ = (struct sample){step_time(e, i), column->v[i]};
    }
    return !column->h || histogram_points(e, column, out, err);
}

/* Between the points of a subquery there may be other samples than between those of the series:
 * resets are found anew. */
static void forget_resets(struct arena *arena, struct matrix_series *s)
{
    struct histogram *v = ARENA_ARRAY(arena, struct histogram, s->n_h);
    struct histogram_sample *out = ARENA_ARRAY(arena, struct histogram_sample, s->n_h);
    for (size_t i = 0; i < s->n_h; i++) {
        v[i] = *s->histograms[i].h;
        if (v[i].hint != HISTOGRAM_HINT_GAUGE)
            v[i].hint = HISTOGRAM_HINT_UNKNOWN;
        out[i] = (struct histogram_sample){s->histograms[i].t_ms, &v[i]};
    }
    s->histograms = out;
}

static bool put_series(struct sink *sink, struct column *column, struct err *err)
{
    struct to_matrix *m = (struct to_matrix *)sink;
    const struct evaluation *e = m->inner;
    struct matrix *out = m->matrix;
    out->v = arena_grow(e->arena, out->v, out->n, &m->capacity, sizeof *out->v);
    struct matrix_series *s = &out->v[out->n++];
    if (!column_points(e, column, s, err))
        return false;
    if (s->n_h > 0)
        forget_resets(e->arena, s);
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

struct matrix_keeper {
    struct matrix_visitor visitor;
    struct evaluation *e;
    struct matrix *matrix;
    size_t capacity;
};

static bool keep_series(struct matrix_visitor *visitor, const struct matrix_series *s,
                        struct err *err)
{
    struct matrix_keeper *k = (struct matrix_keeper *)visitor;
    (void)err;
    k->matrix->v =
        arena_grow(k->e->arena, k->matrix->v, k->matrix->n, &k->capacity, sizeof *k->matrix->v);
    k->matrix->v[k->matrix->n++] = *s;
    return true;
}

bool eval_matrix(struct evaluation *e, const struct promql_expr *expr, struct matrix *out,
                 struct err *err)
{
    struct matrix_keeper keeper = {{keep_series}, e, out, 0};
    struct freshener to = {{see_fresh}, &keeper.visitor, e->arena, false};
    expr = without_parens(expr);
    *out = (struct matrix){0};
    if (expr->kind == NODE_SUBQUERY)
        return eval_subquery(e, expr, out, err);
    CHECK(expr->kind == NODE_SELECTOR && expr->type == PROMQL_MATRIX);
    return eval_range_selector(e, expr, select_series, &to, err);
}

bool visit_matrix(struct evaluation *e, const struct promql_expr *expr,
                  struct matrix_visitor *visitor, struct err *err)
{
    struct freshener to = {{see_fresh}, visitor, new_room(e), true};
    struct matrix all;
    expr = without_parens(expr);
    if (expr->kind == NODE_SELECTOR)
        return eval_range_selector(e, expr, visit_series, &to, err);
    if (!eval_matrix(e, expr, &all, err))
        return false;
    for (size_t i = 0; i < all.n; i++) {
        if (!visitor->see(visitor, &all.v[i], err))
            return false;
    }
    return true;
}
