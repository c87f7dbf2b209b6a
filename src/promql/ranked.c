/* Aggregations that look at all values of a group at one step: topk, bottomk, limitk, limit_ratio
 * and quantile. */
#include "base/buf.h"
#include "base/hash.h"
#include "promql/functions.h"
#include "promql/labelset.h"
#include "promql/native_notes.h"

#include <math.h>
#include <stdlib.h>

struct member_list {
    struct labels labels; /* of the group */
    bool drop_name;
    size_t *v; /* columns */
    size_t n, capacity;
};

struct ranking {
    struct evaluation *e;
    const struct promql_expr *expr;
    const double *parameter; /* a value a step */
    struct columns all;
    struct label_index index;
    struct member_list *groups;
    size_t group_capacity;
    const size_t *order;  /* of the groups */
    size_t most;          /* members of the biggest group */
    const double *places; /* of limit_ratio's columns */
};

static void make_groups(struct ranking *r)
{
    struct arena *arena = r->e->arena;
    struct label_key key;
    bool added;
    label_key_init(&key, arena, &r->expr->grouping, !r->expr->without);
    label_index_init(&r->index, arena);
    for (size_t i = 0; i < r->all.n; i++) {
        struct labels labels = label_key_of(&key, r->all.v[i].labels);
        size_t at = label_index_find(&r->index, labels);
        if (at == SIZE_MAX) {
            labels = labels_keep_copy(arena, labels);
            at = label_index_put(&r->index, labels, &added);
            r->groups = arena_grow(arena, r->groups, at, &r->group_capacity, sizeof *r->groups);
            r->groups[at] =
                (struct member_list){.labels = labels, .drop_name = r->all.v[i].drop_name};
        }
        struct member_list *g = &r->groups[at];
        g->drop_name |= r->all.v[i].drop_name;
        g->v = arena_grow(arena, g->v, g->n, &g->capacity, sizeof *g->v);
        g->v[g->n++] = i;
        if (g->n > r->most)
            r->most = g->n;
    }
    r->order = label_index_order(&r->index);
}

/* --- quantile --- */

static bool put_quantile(struct ranking *r, const struct member_list *g, double *values,
                         double *out, struct sink *sink, struct err *err)
{
    for (size_t i = 0; i < r->e->n_steps; i++) {
        size_t n = 0;
        for (size_t k = 0; k < g->n; k++) {
            double v = r->all.v[g->v[k]].v[i];
            if (!is_absent(v))
                values[n++] = v;
        }
        out[i] = n > 0 ? quantile_of(r->parameter[i], values, n) : ABSENT;
        if (!spend(r->e->query, n, err))
            return false;
    }
    struct column column = {.labels = g->labels, .drop_name = g->drop_name, .v = out};
    return !has_values(out, r->e->n_steps) || sink->put(sink, &column, err);
}

static bool put_quantiles(struct ranking *r, struct sink *sink, struct err *err)
{
    double *out, *values = ARENA_ARRAY(r->e->arena, double, r->most);
    if (!new_values(r->e, &out, err))
        return false;
    for (size_t i = 0; r->all.n > 0 && i < r->e->n_steps; i++)
        note_quantile(r->e->query, r->parameter[i], argument_position(r->expr->args[0]));
    for (size_t i = 0; i < r->index.n; i++) {
        if (!put_quantile(r, &r->groups[r->order[i]], values, out, sink, err))
            return false;
    }
    return true;
}

/* --- topk, bottomk: a heap with the weakest of the chosen on top --- */

struct choice {
    double value; /* negated for bottomk, so that more is better */
    size_t column;
};

/* NaN is weaker than anything; of equals the later one is weaker. */
static bool is_weaker(const struct choice *a, const struct choice *b)
{
    bool a_nan = isnan(a->value), b_nan = isnan(b->value);
    if (a_nan || b_nan)
        return a_nan && b_nan ? a->column > b->column : a_nan;
    return a->value < b->value || (a->value == b->value && a->column > b->column);
}

static void sift_down(struct choice *heap, size_t n)
{
    for (size_t i = 0;;) {
        size_t weakest = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < n; child++) {
            if (is_weaker(&heap[child], &heap[weakest]))
                weakest = child;
        }
        if (weakest == i)
            return;
        struct choice t = heap[i];
        heap[i] = heap[weakest];
        heap[weakest] = t;
        i = weakest;
    }
}

static void sift_up(struct choice *heap, size_t n)
{
    for (size_t i = n - 1; i > 0 && is_weaker(&heap[i], &heap[(i - 1) / 2]); i = (i - 1) / 2) {
        struct choice t = heap[i];
        heap[i] = heap[(i - 1) / 2];
        heap[(i - 1) / 2] = t;
    }
}

static int compare_choices(const void *a, const void *b)
{
    return is_weaker(a, b) ? 1 : -1;
}

/* The k strongest of a group at a step, strongest first. */
static size_t choose_best(const struct ranking *r, const struct member_list *g, size_t step,
                          size_t k, struct choice *heap)
{
    bool bottom = r->expr->aggregate == AGGREGATE_BOTTOMK;
    size_t n = 0;
    for (size_t i = 0; i < g->n && k > 0; i++) {
        double v = r->all.v[g->v[i]].v[step];
        struct choice c = {bottom ? -v : v, g->v[i]};
        if (is_absent(v))
            continue;
        if (n < k) {
            heap[n++] = c;
            sift_up(heap, n);
        } else if (is_weaker(&heap[0], &c)) {
            heap[0] = c;
            sift_down(heap, n);
        }
    }
    if (n > 1)
        qsort(heap, n, sizeof *heap, compare_choices);
    return n;
}

/* --- limitk, limit_ratio: a part that depends on the labels only --- */

static size_t choose_first(const struct ranking *r, const struct member_list *g, size_t step,
                           size_t k, struct choice *out)
{
    size_t n = 0;
    for (size_t i = 0; i < g->n && n < k; i++) {
        if (column_has(&r->all.v[g->v[i]], step))
            out[n++] = (struct choice){0, g->v[i]};
    }
    return n;
}

static void add_sized(struct buf *out, struct str text)
{
    if (text.n < 255) {
        buf_add_char(out, (char)text.n);
    } else {
        buf_add_char(out, (char)255);
        for (unsigned shift = 0; shift < 24; shift += 8)
            buf_add_char(out, (char)(text.n >> shift & 255));
    }
    buf_add_str(out, text);
}

/* Where each column stands between 0 and 1: by the hash of its labels that Prometheus 3 has, over
 * names and values with their sizes in front (model/labels, "stringlabels"); the name is among them
 * until it goes. */
static const double *find_places(const struct ranking *r)
{
    double *places = ARENA_ARRAY(r->e->arena, double, r->all.n);
    struct buf bytes = BUF_INIT;
    for (size_t i = 0; i < r->all.n; i++) {
        struct labels labels = r->all.v[i].labels;
        buf_clear(&bytes);
        for (size_t k = 0; k < labels.n; k++) {
            add_sized(&bytes, labels.v[k].name);
            add_sized(&bytes, labels.v[k].value);
        }
        places[i] = (double)hash_xxh64(bytes.p, bytes.n, 0) / 0x1p64;
    }
    buf_release(&bytes);
    return places;
}

/* A ratio and the same ratio - 1 share all series between them. */
static bool in_ratio(double place, double ratio)
{
    return ratio >= 0 ? place < ratio : place >= 1 + ratio;
}

static size_t choose_ratio(const struct ranking *r, const struct member_list *g, size_t step,
                           double ratio, struct choice *out)
{
    size_t n = 0;
    for (size_t i = 0; i < g->n; i++) {
        const struct column *c = &r->all.v[g->v[i]];
        if (column_has(c, step) && in_ratio(r->places[g->v[i]], ratio))
            out[n++] = (struct choice){0, g->v[i]};
    }
    return n;
}

static size_t choose(const struct ranking *r, const struct member_list *g, size_t step,
                     struct choice *out)
{
    double p = r->parameter[step];
    size_t k = p < 1 ? 0 : p < (double)g->n ? (size_t)p : g->n;
    if (r->expr->aggregate == AGGREGATE_LIMIT_RATIO)
        return choose_ratio(r, g, step, p, out);
    return r->expr->aggregate == AGGREGATE_LIMITK ? choose_first(r, g, step, k, out)
                                                  : choose_best(r, g, step, k, out);
}

/* --- Putting the chosen --- */

/* One step: in the order of rank, as instant results want it. */
static bool put_in_order(struct ranking *r, struct choice *chosen, struct sink *sink,
                         struct err *err)
{
    for (size_t i = 0; i < r->index.n; i++) {
        const struct member_list *g = &r->groups[r->order[i]];
        size_t n = choose(r, g, 0, chosen);
        for (size_t k = 0; k < n; k++) {
            struct column column = r->all.v[chosen[k].column];
            if (!sink->put(sink, &column, err))
                return false;
        }
        if (!spend(r->e->query, g->n, err))
            return false;
    }
    return true;
}

static bool put_chosen(struct ranking *r, const struct member_list *g, struct choice *chosen,
                       uint8_t *kept, struct sink *sink, struct err *err)
{
    size_t steps = r->e->n_steps;
    memset(kept, 0, g->n * steps);
    /* Members and choices both go by rising column number but for rank; a choice is found by
     * bisection. */
    for (size_t i = 0; i < steps; i++) {
        size_t n = choose(r, g, i, chosen);
        for (size_t k = 0; k < n; k++) {
            size_t low = 0, high = g->n;
            while (high - low > 1) {
                size_t middle = (low + high) / 2;
                if (g->v[middle] <= chosen[k].column)
                    low = middle;
                else
                    high = middle;
            }
            kept[low * steps + i] = 1;
        }
        if (!spend(r->e->query, g->n, err))
            return false;
    }
    for (size_t k = 0; k < g->n; k++) {
        struct column column = r->all.v[g->v[k]];
        for (size_t i = 0; i < steps; i++) {
            if (!kept[k * steps + i])
                column_clear(&column, i);
        }
        if (column_has_any(&column, steps) && !sink->put(sink, &column, err))
            return false;
    }
    return true;
}

static bool check_parameter(const struct ranking *r, struct err *err)
{
    bool ratio = r->expr->aggregate == AGGREGATE_LIMIT_RATIO;
    for (size_t i = 0; i < r->e->n_steps; i++) {
        if (isnan(r->parameter[i]))
            return err_set(err, ERR_CONFLICT, "%s value is NaN", ratio ? "Ratio" : "Parameter");
        if (ratio && fabs(r->parameter[i]) > 1)
            add_note(r->e->query, NOTE_WARNING, argument_position(r->expr->args[0]),
                     "ratio value should be between -1 and 1, got %g, capping to %g",
                     r->parameter[i], r->parameter[i] > 0 ? 1.0 : -1.0);
    }
    return true;
}

/* topk() and bottomk() of none look at nothing. */
static void ignore_histograms(struct ranking *r)
{
    bool quantile = r->expr->aggregate == AGGREGATE_QUANTILE, looks = quantile;
    for (size_t i = 0; i < r->e->n_steps; i++)
        looks |= r->parameter[i] >= 1;
    for (size_t i = 0; i < r->all.n; i++) {
        if (looks && column_has_histograms(&r->all.v[i], r->e->n_steps))
            note_ignored_in_aggregation(r->e->query, aggregate_op_name(r->expr->aggregate),
                                        quantile ? argument_position(r->expr->args[1])
                                                 : r->expr->position);
        r->all.v[i].h = NULL;
    }
}

bool eval_ranked(struct evaluation *e, const struct promql_expr *expr, struct sink *sink,
                 struct err *err)
{
    struct ranking r = {.e = e, .expr = expr};
    double *parameter;
    if (!eval_scalar(e, expr->args[0], &parameter, err))
        return false;
    r.parameter = parameter;
    bool quantile = expr->aggregate == AGGREGATE_QUANTILE;
    if ((!quantile && !check_parameter(&r, err)) || !eval_columns(e, expr->args[1], &r.all, err))
        return false;
    make_groups(&r);
    if (expr->aggregate == AGGREGATE_LIMIT_RATIO)
        r.places = find_places(&r);
    if (expr->aggregate != AGGREGATE_LIMITK && expr->aggregate != AGGREGATE_LIMIT_RATIO)
        ignore_histograms(&r);
    if (quantile)
        return put_quantiles(&r, sink, err);
    struct choice *chosen = ARENA_ARRAY(e->arena, struct choice, r.most);
    if (e->n_steps == 1)
        return put_in_order(&r, chosen, sink, err);
    uint8_t *kept = ARENA_ARRAY(e->arena, uint8_t, r.most * e->n_steps);
    for (size_t i = 0; i < r.index.n; i++) {
        if (!put_chosen(&r, &r.groups[r.order[i]], chosen, kept, sink, err))
            return false;
    }
    return true;
}
