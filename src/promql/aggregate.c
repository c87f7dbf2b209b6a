/* Aggregations that see each value once: columns stream through, groups keep a few numbers a step.
 * Those that must see all values of a step at once are in ranked.c and count_values.c. */
#include "promql/labelset.h"
#include "promql/native_aggregate.h"
#include "promql/native_notes.h"
#include "promql/sums.h"

#include <math.h>

/* The numbers of a group: up to three lanes of one double a step. a[i] is ABSENT until the group
 * has a value at step i.
 *   sum     a sum        b lost
 *   avg     a sum        b lost      c count (sums.h)
 *   stddev  a squares    b mean      c count
 *   others  a result */
struct group {
    struct labels labels;
    bool drop_name;
    double *a, *b, *c;
    struct native_group *native; /* made when there are histograms to add */
};

struct aggregator {
    struct sink sink;
    struct evaluation *e;
    const struct promql_expr *expr;
    enum aggregate_op op;
    struct label_key key;
    struct label_index index;
    struct group *groups;
    size_t capacity;
};

/* --- Adding a column to a group --- */

static void add_sum(struct group *g, const double *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (is_absent(v[i]))
            continue;
        if (is_absent(g->a[i]))
            g->a[i] = 0;
        sum_add(v[i], &g->a[i], &g->b[i]);
    }
}

static void add_avg(struct group *g, const double *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (is_absent(v[i]))
            continue;
        if (is_absent(g->a[i]))
            g->a[i] = 0;
        mean_add(v[i], &g->a[i], &g->b[i], &g->c[i]);
    }
}

static void add_min(struct group *g, const double *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!is_absent(v[i]) && (is_absent(g->a[i]) || isnan(g->a[i]) || v[i] < g->a[i]))
            g->a[i] = v[i];
    }
}

static void add_max(struct group *g, const double *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!is_absent(v[i]) && (is_absent(g->a[i]) || isnan(g->a[i]) || v[i] > g->a[i]))
            g->a[i] = v[i];
    }
}

static void add_count(struct group *g, const struct column *c, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (column_has(c, i))
            g->a[i] = is_absent(g->a[i]) ? 1 : g->a[i] + 1;
    }
}

static void add_group(struct group *g, const struct column *c, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (column_has(c, i))
            g->a[i] = 1;
    }
}

/* Welford's method ("Note on a method for calculating corrected sums of squares", Technometrics 4,
 * 1962). */
static void add_variance(struct group *g, const double *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (is_absent(v[i]))
            continue;
        if (is_absent(g->a[i]))
            g->a[i] = 0;
        double delta = v[i] - g->b[i];
        g->c[i] += 1;
        g->b[i] += delta / g->c[i];
        g->a[i] += delta * (v[i] - g->b[i]);
        if (!isfinite(v[i]))
            g->a[i] = (double)NAN;
    }
}

static void add_values(enum aggregate_op op, struct group *g, const struct column *c, size_t n)
{
    const double *v = c->v;
    switch (op) {
    case AGGREGATE_SUM:
        add_sum(g, v, n);
        return;
    case AGGREGATE_AVG:
        add_avg(g, v, n);
        return;
    case AGGREGATE_MIN:
        add_min(g, v, n);
        return;
    case AGGREGATE_MAX:
        add_max(g, v, n);
        return;
    case AGGREGATE_COUNT:
        add_count(g, c, n);
        return;
    case AGGREGATE_GROUP:
        add_group(g, c, n);
        return;
    case AGGREGATE_STDDEV:
    case AGGREGATE_STDVAR:
        add_variance(g, v, n);
        return;
    case AGGREGATE_TOPK:
    case AGGREGATE_BOTTOMK:
    case AGGREGATE_QUANTILE:
    case AGGREGATE_COUNT_VALUES:
    case AGGREGATE_LIMITK:
    case AGGREGATE_LIMIT_RATIO:
        break;
    }
    check_failed(__FILE__, __LINE__, "an aggregation that does not stream");
}

static double total(enum aggregate_op op, const struct group *g, size_t i)
{
    if (is_absent(g->a[i]))
        return ABSENT;
    if (op == AGGREGATE_SUM)
        return sum_total(g->a[i], g->b[i]);
    if (op == AGGREGATE_AVG)
        return mean_total(g->a[i], g->b[i], g->c[i]);
    if (op == AGGREGATE_STDVAR)
        return g->a[i] / g->c[i];
    return op == AGGREGATE_STDDEV ? sqrt(g->a[i] / g->c[i]) : g->a[i];
}

/* --- Groups --- */

static bool new_group(struct aggregator *a, const struct column *column, struct labels labels,
                      struct group *out, struct err *err)
{
    size_t n = a->e->n_steps;
    bool counts = a->op == AGGREGATE_AVG || a->op == AGGREGATE_STDDEV || a->op == AGGREGATE_STDVAR;
    *out = (struct group){.labels = labels, .drop_name = column->drop_name};
    if (!new_values(a->e, &out->a, err))
        return false;
    fill_absent(out->a, n);
    if (a->op == AGGREGATE_SUM || counts)
        out->b = ARENA_ARRAY(a->e->arena, double, n);
    if (counts)
        out->c = ARENA_ARRAY(a->e->arena, double, n);
    return true;
}

static struct group *group_of(struct aggregator *a, const struct column *column, struct err *err)
{
    struct labels key = label_key_of(&a->key, column->labels);
    size_t at = label_index_find(&a->index, key);
    bool added;
    if (at != SIZE_MAX)
        return &a->groups[at];
    key = labels_keep_copy(a->e->arena, key);
    at = label_index_put(&a->index, key, &added);
    a->groups = arena_grow(a->e->arena, a->groups, at, &a->capacity, sizeof *a->groups);
    return new_group(a, column, key, &a->groups[at], err) ? &a->groups[at] : NULL;
}

static bool ignores_histograms(enum aggregate_op op)
{
    return op == AGGREGATE_MIN || op == AGGREGATE_MAX || op == AGGREGATE_STDDEV ||
           op == AGGREGATE_STDVAR;
}

static bool add_column(struct sink *sink, struct column *column, struct err *err)
{
    struct aggregator *a = (struct aggregator *)sink;
    if (!column_has_any(column, a->e->n_steps))
        return true;
    struct group *g = group_of(a, column, err);
    if (!g)
        return false;
    g->drop_name |= column->drop_name;
    if (column->h && (a->op == AGGREGATE_SUM || a->op == AGGREGATE_AVG) && !g->native)
        g->native = native_group_new(a->e, a->expr, g->a);
    if (g->native && !native_group_add(g->native, column, err))
        return false;
    if (ignores_histograms(a->op) && column_has_histograms(column, a->e->n_steps))
        note_ignored_in_aggregation(a->e->query, aggregate_op_name(a->op),
                                    argument_position(a->expr->args[0]));
    add_values(a->op, g, column, a->e->n_steps);
    return spend(a->e->query, a->e->n_steps, err);
}

static bool put_groups(struct aggregator *a, struct sink *sink, struct err *err)
{
    const size_t *order = label_index_order(&a->index);
    for (size_t k = 0; k < a->index.n; k++) {
        struct group *g = &a->groups[order[k]];
        struct column column = {.labels = g->labels, .drop_name = g->drop_name, .v = g->a};
        for (size_t i = 0; i < a->e->n_steps; i++)
            g->a[i] = total(a->op, g, i);
        if (g->native && !native_group_finish(g->native, &column, err))
            return false;
        if (!column_has_any(&column, a->e->n_steps))
            continue;
        if (!sink->put(sink, &column, err))
            return false;
    }
    return true;
}

static bool eval_streamed(struct evaluation *e, const struct promql_expr *expr, struct sink *sink,
                          struct err *err)
{
    struct aggregator a = {.sink = {add_column}, .e = e, .expr = expr, .op = expr->aggregate};
    label_key_init(&a.key, e->arena, &expr->grouping, !expr->without);
    label_index_init(&a.index, e->arena);
    return eval_vector(e, expr->args[0], &a.sink, err) && put_groups(&a, sink, err);
}

bool eval_aggregate(struct evaluation *e, const struct promql_expr *expr, struct sink *sink,
                    struct err *err)
{
    switch (expr->aggregate) {
    case AGGREGATE_SUM:
    case AGGREGATE_AVG:
    case AGGREGATE_MIN:
    case AGGREGATE_MAX:
    case AGGREGATE_COUNT:
    case AGGREGATE_GROUP:
    case AGGREGATE_STDDEV:
    case AGGREGATE_STDVAR:
        return eval_streamed(e, expr, sink, err);
    case AGGREGATE_TOPK:
    case AGGREGATE_BOTTOMK:
    case AGGREGATE_QUANTILE:
    case AGGREGATE_LIMITK:
    case AGGREGATE_LIMIT_RATIO:
        return eval_ranked(e, expr, sink, err);
    case AGGREGATE_COUNT_VALUES:
        return eval_count_values(e, expr, sink, err);
    }
    check_failed(__FILE__, __LINE__, "an unknown aggregation");
}
