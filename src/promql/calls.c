/* Functions that turn scalars into vectors and back, tell what is missing, and sort. */
#include "promql/functions.h"
#include "promql/labelset.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>

/* --- Scalars --- */

static bool fill(struct evaluation *e, double v, double *out)
{
    for (size_t i = 0; i < e->n_steps; i++)
        out[i] = v;
    return true;
}

bool scalar_time(struct evaluation *e, const struct promql_expr *expr, double *out, struct err *err)
{
    (void)expr, (void)err;
    for (size_t i = 0; i < e->n_steps; i++)
        out[i] = (double)step_time(e, i) / 1000;
    return true;
}

bool scalar_pi(struct evaluation *e, const struct promql_expr *expr, double *out, struct err *err)
{
    (void)expr, (void)err;
    return fill(e, M_PI, out);
}

bool scalar_start(struct evaluation *e, const struct promql_expr *expr, double *out,
                  struct err *err)
{
    (void)expr, (void)err;
    return fill(e, (double)e->query->start_ms / 1000, out);
}

bool scalar_end(struct evaluation *e, const struct promql_expr *expr, double *out, struct err *err)
{
    (void)expr, (void)err;
    return fill(e, (double)e->query->end_ms / 1000, out);
}

bool scalar_step(struct evaluation *e, const struct promql_expr *expr, double *out, struct err *err)
{
    (void)expr, (void)err;
    return fill(e, (double)e->query->step_ms / 1000, out);
}

bool scalar_range(struct evaluation *e, const struct promql_expr *expr, double *out,
                  struct err *err)
{
    (void)expr, (void)err;
    return fill(e, (double)(e->query->end_ms - e->query->start_ms) / 1000, out);
}

/* The one of two arguments that is less (sign 1) or greater (sign -1); NaN if either is. */
static bool pick(struct evaluation *e, const struct promql_expr *expr, double sign, double *out,
                 struct err *err)
{
    double *a, *b;
    if (!eval_scalar(e, expr->args[0], &a, err) || !eval_scalar(e, expr->args[1], &b, err))
        return false;
    for (size_t i = 0; i < e->n_steps; i++) {
        if (isnan(a[i]) || isnan(b[i]))
            out[i] = (double)NAN;
        else
            out[i] = sign * a[i] < sign * b[i] ? a[i] : b[i];
    }
    return true;
}

bool scalar_min_of(struct evaluation *e, const struct promql_expr *expr, double *out,
                   struct err *err)
{
    return pick(e, expr, 1, out, err);
}

bool scalar_max_of(struct evaluation *e, const struct promql_expr *expr, double *out,
                   struct err *err)
{
    return pick(e, expr, -1, out, err);
}

/* --- From vectors: scalar() --- */

struct to_scalar {
    struct sink sink;
    struct evaluation *e;
    double *out;
    uint8_t *seen; /* 0, 1, or 2 for more */
};

static bool take_scalar(struct sink *sink, struct column *column, struct err *err)
{
    struct to_scalar *s = (struct to_scalar *)sink;
    for (size_t i = 0; i < s->e->n_steps; i++) {
        if (is_absent(column->v[i]))
            continue;
        s->out[i] = s->seen[i] == 0 ? column->v[i] : (double)NAN;
        s->seen[i] = s->seen[i] == 0 ? 1 : 2;
    }
    return spend(s->e->query, s->e->n_steps, err);
}

bool scalar_scalar(struct evaluation *e, const struct promql_expr *expr, double *out,
                   struct err *err)
{
    struct to_scalar s = {{take_scalar}, e, out, ARENA_ARRAY(e->arena, uint8_t, e->n_steps)};
    fill(e, (double)NAN, out);
    return eval_vector(e, expr->args[0], &s.sink, err);
}

/* --- To vectors --- */

bool call_vector(struct evaluation *e, const struct promql_expr *expr, struct sink *sink,
                 struct err *err)
{
    struct column column = {.labels = {0}};
    return eval_scalar(e, expr->args[0], &column.v, err) && sink->put(sink, &column, err);
}

struct timer {
    struct sink sink;
    struct evaluation *e;
    struct sink *next;
    bool given; /* the column holds times already */
};

static bool put_times(struct sink *sink, struct column *column, struct err *err)
{
    struct timer *t = (struct timer *)sink;
    for (size_t i = 0; !t->given && i < t->e->n_steps; i++) {
        if (!is_absent(column->v[i]))
            column->v[i] = (double)step_time(t->e, i) / 1000;
    }
    for (size_t i = 0; column->h && i < t->e->n_steps; i++) {
        if (column->h[i])
            column->v[i] = (double)step_time(t->e, i) / 1000;
    }
    column->h = NULL;
    column->drop_name = true;
    return t->next->put(t->next, column, err);
}

/* Of a plain selector the samples' own times, of anything else the time of the step. */
bool call_timestamp(struct evaluation *e, const struct promql_expr *expr, struct sink *sink,
                    struct err *err)
{
    const struct promql_expr *arg = without_parens(expr->args[0]);
    struct timer t = {{put_times}, e, sink, arg->kind == NODE_SELECTOR};
    return t.given ? eval_selector(e, arg, SELECT_TIMES, &t.sink, err)
                   : eval_vector(e, arg, &t.sink, err);
}

/* Only selectors know when their series began. */
bool call_start_timestamp(struct evaluation *e, const struct promql_expr *expr, struct sink *sink,
                          struct err *err)
{
    const struct promql_expr *arg = without_parens(expr->args[0]);
    struct timer t = {{put_times}, e, sink, true};
    return arg->kind != NODE_SELECTOR || eval_selector(e, arg, SELECT_STARTS, &t.sink, err);
}

/* --- What is missing --- */

struct presence {
    struct sink sink;
    struct evaluation *e;
    double *v; /* 1 where nothing was seen yet */
};

static bool see(struct sink *sink, struct column *column, struct err *err)
{
    struct presence *p = (struct presence *)sink;
    for (size_t i = 0; i < p->e->n_steps; i++) {
        if (column_has(column, i))
            p->v[i] = ABSENT;
    }
    return spend(p->e->query, p->e->n_steps, err);
}

/* The labels that the missing series surely had: those of equality matchers, named once. */
static struct labels labels_of_absent(struct arena *arena, const struct promql_expr *expr)
{
    struct labels_builder b;
    labels_builder_init(&b, arena);
    expr = without_parens(expr);
    for (size_t i = 0; expr->kind == NODE_SELECTOR && i < expr->n_matchers; i++) {
        const struct matcher *m = &expr->matchers[i];
        bool once = m->type == MATCH_EQUAL && !str_is(m->name, LABEL_NAME);
        for (size_t k = 0; once && k < expr->n_matchers; k++)
            once = k == i || !str_eq(expr->matchers[k].name, m->name);
        if (once)
            labels_builder_set(&b, m->name, m->value);
    }
    return labels_build(&b);
}

static bool put_absent(struct presence *p, const struct promql_expr *expr, struct sink *sink,
                       struct err *err)
{
    struct column column = {.labels = labels_of_absent(p->e->arena, expr->args[0]), .v = p->v};
    return !has_values(p->v, p->e->n_steps) || sink->put(sink, &column, err);
}

bool call_absent(struct evaluation *e, const struct promql_expr *expr, struct sink *sink,
                 struct err *err)
{
    struct presence p = {.sink = {see}, .e = e};
    if (!new_values(e, &p.v, err))
        return false;
    fill(e, 1, p.v);
    return eval_vector(e, expr->args[0], &p.sink, err) && put_absent(&p, expr, sink, err);
}

struct range_presence {
    struct matrix_visitor visitor;
    struct presence presence;
    struct look look;
};

static bool see_range(struct matrix_visitor *visitor, const struct matrix_series *s,
                      struct err *err)
{
    struct range_presence *p = (struct range_presence *)visitor;
    struct evaluation *e = p->presence.e;
    size_t to = 0, h_to = 0;
    for (size_t i = 0; i < e->n_steps; i++) {
        int64_t end_ms = reference_time(e, &p->look, i), start_ms = end_ms - p->look.range_ms;
        while (to < s->n && s->samples[to].t_ms <= end_ms)
            to++;
        while (h_to < s->n_h && s->histograms[h_to].t_ms <= end_ms)
            h_to++;
        if ((to > 0 && s->samples[to - 1].t_ms > start_ms) ||
            (h_to > 0 && s->histograms[h_to - 1].t_ms > start_ms))
            p->presence.v[i] = ABSENT;
    }
    return spend(e->query, e->n_steps + s->n + s->n_h, err);
}

bool call_absent_over_time(struct evaluation *e, const struct promql_expr *expr, struct sink *sink,
                           struct err *err)
{
    struct range_presence p = {{see_range}, {.e = e}, {0}};
    const struct promql_expr *range = without_parens(expr->args[0]);
    if (!new_values(e, &p.presence.v, err) || !look_at(e, range, &p.look, err))
        return false;
    fill(e, 1, p.presence.v);
    return visit_matrix(e, range, &p.visitor, err) && put_absent(&p.presence, expr, sink, err);
}

/* --- Sorting: the order of instant results; ranges are ordered by their labels anyway --- */

static bool sorted(struct evaluation *e, const struct promql_expr *expr, struct sink *sink,
                   int (*compare)(const void *, const void *, void *), void *how, struct err *err)
{
    struct columns all;
    if (!eval_columns(e, expr->args[0], &all, err))
        return false;
    if (e->n_steps > 1)
        add_note(e->query, NOTE_WARNING, expr->position,
                 "sort is ineffective for range queries since results are always ordered by "
                 "labels");
    if (e->n_steps == 1 && all.n > 1)
        qsort_r(all.v, all.n, sizeof *all.v, compare, how);
    for (size_t i = 0; i < all.n; i++) {
        if (!sink->put(sink, &all.v[i], err))
            return false;
    }
    return true;
}

/* NaN comes last either way; equal values go by their labels. */
static int compare_values(const void *a, const void *b, void *how)
{
    const struct column *x = a, *y = b;
    double u = x->v[0], v = y->v[0];
    int sign = *(const int *)how;
    if (isnan(u) || isnan(v)) {
        int order = isnan(u) - isnan(v);
        return order ? order : labels_cmp(x->labels, y->labels);
    }
    int order = sign * ((u > v) - (u < v));
    return order ? order : labels_cmp(x->labels, y->labels);
}

struct floats_only {
    struct sink sink;
    struct evaluation *e;
    struct sink *next;
};

static bool put_floats(struct sink *sink, struct column *column, struct err *err)
{
    struct floats_only *f = (struct floats_only *)sink;
    column->h = NULL;
    return !has_values(column->v, f->e->n_steps) || f->next->put(f->next, column, err);
}

/* Histograms are no numbers: they go. */
static bool sorted_by_value(struct evaluation *e, const struct promql_expr *expr, struct sink *sink,
                            int sign, struct err *err)
{
    struct floats_only filter = {{put_floats}, e, sink};
    return sorted(e, expr, &filter.sink, compare_values, &sign, err);
}

bool call_sort(struct evaluation *e, const struct promql_expr *expr, struct sink *sink,
               struct err *err)
{
    return sorted_by_value(e, expr, sink, 1, err);
}

bool call_sort_desc(struct evaluation *e, const struct promql_expr *expr, struct sink *sink,
                    struct err *err)
{
    return sorted_by_value(e, expr, sink, -1, err);
}

static size_t digits(struct str s, size_t at)
{
    size_t n = 0;
    while (at + n < s.n && isdigit((unsigned char)s.p[at + n]))
        n++;
    return n;
}

/* Runs of digits count as numbers: "4m5" before "4m10". */
static int natural_cmp(struct str a, struct str b)
{
    size_t i = 0, k = 0;
    while (i < a.n && k < b.n) {
        size_t n = digits(a, i), m = digits(b, k);
        if (n == 0 || m == 0) {
            if (a.p[i] != b.p[k])
                return (unsigned char)a.p[i] < (unsigned char)b.p[k] ? -1 : 1;
            i++;
            k++;
            continue;
        }
        for (; n > 1 && a.p[i] == '0'; n--)
            i++;
        for (; m > 1 && b.p[k] == '0'; m--)
            k++;
        if (n != m)
            return n < m ? -1 : 1;
        int order = memcmp(a.p + i, b.p + k, n);
        if (order)
            return order;
        i += n;
        k += m;
    }
    return (i < a.n) - (k < b.n);
}

struct by_label {
    const struct promql_expr *expr;
    int sign;
};

static int compare_labels(const void *a, const void *b, void *how)
{
    const struct column *x = a, *y = b;
    const struct by_label *by = how;
    for (size_t i = 1; i < by->expr->n_args; i++) {
        struct str name = eval_string(by->expr->args[i]);
        int order = natural_cmp(labels_get_str(x->labels, name), labels_get_str(y->labels, name));
        if (order)
            return by->sign * order;
    }
    return by->sign * labels_cmp(x->labels, y->labels);
}

bool call_sort_by_label(struct evaluation *e, const struct promql_expr *expr, struct sink *sink,
                        struct err *err)
{
    struct by_label by = {expr, 1};
    return sorted(e, expr, sink, compare_labels, &by, err);
}

bool call_sort_by_label_desc(struct evaluation *e, const struct promql_expr *expr,
                             struct sink *sink, struct err *err)
{
    struct by_label by = {expr, -1};
    return sorted(e, expr, sink, compare_labels, &by, err);
}
