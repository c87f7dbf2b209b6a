#include "promql/native_aggregate.h"

#include "promql/native_notes.h"

#include <float.h>

/* --- Sums --- */

/* What follows is a running mean: the sum so far divided by how many there are. */
static void begin_mean(struct native_sum *s)
{
    native_divide(&s->total, s->count);
    s->is_mean = true;
}

static bool add_to_mean(struct native_sum *s, const struct histogram *h, struct arena *scratch,
                        struct meeting *met)
{
    double n = s->count + 1;
    struct native part = native_copy(scratch, h);
    native_divide(&part, n);
    native_multiply(&s->total, s->count / n);
    return native_add(&s->total, native_value(scratch, &part), 1, scratch, met);
}

/* Tried on a copy where the numbers are near the end of what a double holds. */
static bool would_overflow(const struct native_sum *s, const struct histogram *h,
                           struct arena *scratch)
{
    struct meeting ignored = {0};
    struct native other = native_view(scratch, h);
    if (!native_exceeds(&s->total, DBL_MAX / 4) && !native_exceeds(&other, DBL_MAX / 4))
        return false;
    struct native trial = native_clone(scratch, &s->total);
    return native_add(&trial, h, 1, scratch, &ignored) && native_exceeds(&trial, DBL_MAX);
}

static void see_hint(struct native_sum *s, enum histogram_hint hint)
{
    s->resets |= hint == HISTOGRAM_HINT_RESET;
    s->no_resets |= hint == HISTOGRAM_HINT_NOT_RESET;
}

bool native_sum_add(struct query *q, struct arena *arena, struct native_sum *s,
                    const struct histogram *h, bool averages)
{
    struct meeting met = {0};
    struct arena *scratch = scratch_room(q);
    see_hint(s, h->hint);
    if (s->count == 0) {
        s->total = native_compensated(arena, h);
        s->count = 1;
        return true;
    }
    if ((s->total.schema == HISTOGRAM_SCHEMA_CUSTOM) != is_custom(h))
        return false;
    if (averages && !s->is_mean && would_overflow(s, h, scratch))
        begin_mean(s);
    bool added =
        s->is_mean ? add_to_mean(s, h, scratch, &met) : native_add(&s->total, h, 1, scratch, &met);
    s->bounds_differ |= met.bounds_differ;
    s->count += 1;
    return added;
}

struct native *native_sum_result(struct native_sum *s, bool averages)
{
    if (averages && !s->is_mean)
        native_divide(&s->total, s->count);
    return &s->total;
}

void native_sum_notes(struct query *q, const struct native_sum *s, size_t position)
{
    struct meeting met = {s->resets && s->no_resets, s->bounds_differ};
    note_meeting(q, &met, "aggregation", position);
}

/* --- Groups --- */

struct native_group {
    struct evaluation *e;
    const struct promql_expr *expr;
    struct native_sum *sums; /* one a step */
    uint8_t *incompatible;
    uint8_t *mixed;
    double *floats;
};

struct native_group *native_group_new(struct evaluation *e, const struct promql_expr *expr,
                                      double *floats)
{
    struct native_group *g = ARENA_NEW(e->arena, struct native_group);
    *g = (struct native_group){.e = e, .expr = expr, .floats = floats};
    g->sums = ARENA_ARRAY(e->arena, struct native_sum, e->n_steps);
    g->incompatible = ARENA_ARRAY(e->arena, uint8_t, e->n_steps);
    g->mixed = ARENA_ARRAY(e->arena, uint8_t, e->n_steps);
    return g;
}

static bool add_at(struct native_group *g, struct column *column, size_t i, struct err *err)
{
    const struct histogram *h = column->h[i];
    struct native_sum *s = &g->sums[i];
    if (!is_absent(g->floats[i])) {
        g->mixed[i] = 1;
        return true;
    }
    if (s->count == 0 && !touch_samples(g->e->query, native_size(h), err))
        return false;
    if (!native_sum_add(g->e->query, g->e->arena, s, h, g->expr->aggregate == AGGREGATE_AVG)) {
        g->incompatible[i] = 1;
        note_metric(g->e->query, NOTE_MIXED_SCHEMAS, column->labels,
                    argument_position(g->expr->args[0]));
    }
    return spend(g->e->query, h->positive.n_buckets + h->negative.n_buckets, err);
}

bool native_group_add(struct native_group *g, struct column *column, struct err *err)
{
    for (size_t i = 0; i < g->e->n_steps; i++) {
        if (g->incompatible[i] && column_has(column, i)) {
            column_clear(column, i);
            continue;
        }
        if (!is_absent(column->v[i]))
            g->mixed[i] |= g->sums[i].count > 0;
        if (column->h && column->h[i] && !add_at(g, column, i, err))
            return false;
    }
    return true;
}

bool native_group_finish(struct native_group *g, struct column *column, struct err *err)
{
    size_t position = argument_position(g->expr->args[0]);
    if (!new_histograms(g->e, &column->h, err))
        return false;
    column->lasting = true;
    for (size_t i = 0; i < g->e->n_steps; i++) {
        struct native_sum *s = &g->sums[i];
        if (g->mixed[i]) {
            note_mixed_aggregation(g->e->query, position);
            column->v[i] = ABSENT;
        }
        if (g->mixed[i] || g->incompatible[i])
            s->resets = s->no_resets = false;
        native_sum_notes(g->e->query, s, position);
        if (s->count == 0 || g->mixed[i] || g->incompatible[i])
            continue;
        struct native *n = native_sum_result(s, g->expr->aggregate == AGGREGATE_AVG);
        native_compact(n);
        column->h[i] = native_value(g->e->arena, n);
    }
    return true;
}
