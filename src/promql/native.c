#include "promql/native.h"

#include "base/check.h"
#include "promql/sums.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* --- From values --- */

static const int32_t *indexes(struct arena *arena, const struct histogram_side *s)
{
    int32_t *out = ARENA_ARRAY(arena, int32_t, s->n_buckets);
    int32_t index = 0;
    size_t n = 0;
    for (uint32_t i = 0; i < s->n_spans; i++) {
        index += s->spans[i].offset;
        for (uint32_t k = 0; k < s->spans[i].length && n < s->n_buckets; k++)
            out[n++] = index++;
    }
    return out;
}

static struct cells view_cells(struct arena *arena, const struct histogram_side *s)
{
    if (s->n_buckets == 0)
        return (struct cells){0};
    return (struct cells){
        .n = s->n_buckets, .index = indexes(arena, s), .v = (double *)(uintptr_t)s->buckets};
}

struct native native_view(struct arena *arena, const struct histogram *h)
{
    return (struct native){.arena = arena,
                           .schema = h->schema,
                           .hint = h->hint,
                           .zero_threshold = h->zero_threshold,
                           .zero = {h->zero_count, 0},
                           .count = {h->count, 0},
                           .sum = {h->sum, 0},
                           .positive = view_cells(arena, &h->positive),
                           .negative = view_cells(arena, &h->negative),
                           .n_custom = h->n_custom,
                           .custom = h->custom};
}

static void own_cells(struct arena *arena, struct cells *c)
{
    c->v = arena_memdup(arena, c->v, c->n * sizeof *c->v);
    if (c->lost)
        c->lost = arena_memdup(arena, c->lost, c->n * sizeof *c->lost);
}

struct native native_clone(struct arena *arena, const struct native *n)
{
    struct native c = *n;
    c.arena = arena;
    own_cells(arena, &c.positive);
    own_cells(arena, &c.negative);
    return c;
}

struct native native_copy(struct arena *arena, const struct histogram *h)
{
    struct native n = native_view(arena, h);
    own_cells(arena, &n.positive);
    own_cells(arena, &n.negative);
    if (n.n_custom > 0)
        n.custom = arena_memdup(arena, n.custom, n.n_custom * sizeof *n.custom);
    return n;
}

struct native native_compensated(struct arena *arena, const struct histogram *h)
{
    struct native n = native_copy(arena, h);
    n.compensated = true;
    n.positive.lost = ARENA_ARRAY(arena, double, n.positive.n);
    n.negative.lost = ARENA_ARRAY(arena, double, n.negative.n);
    return n;
}

struct native native_zero(struct arena *arena, const struct histogram *like)
{
    struct native n = {.arena = arena, .schema = like->schema, .n_custom = like->n_custom};
    if (n.n_custom > 0)
        n.custom = arena_memdup(arena, like->custom, n.n_custom * sizeof *n.custom);
    return n;
}

/* --- To values --- */

static size_t count_spans(const struct cells *c)
{
    size_t n = 0;
    for (size_t i = 0; i < c->n; i++)
        n += i == 0 || c->index[i] != c->index[i - 1] + 1;
    return n;
}

/* Wider ones are between buckets that no double falls into. */
static int32_t gap(int32_t from, int32_t to)
{
    int64_t n = (int64_t)to - from - 1;
    return n > INT32_MAX ? INT32_MAX : (int32_t)n;
}

static struct histogram_side to_side(struct arena *arena, const struct cells *c)
{
    struct histogram_span *spans = ARENA_ARRAY(arena, struct histogram_span, count_spans(c));
    double *buckets = ARENA_ARRAY(arena, double, c->n);
    uint32_t n_spans = 0;
    for (size_t i = 0; i < c->n; i++) {
        if (i == 0)
            spans[n_spans++].offset = c->index[0];
        else if (c->index[i] != c->index[i - 1] + 1)
            spans[n_spans++].offset = gap(c->index[i - 1], c->index[i]);
        spans[n_spans - 1].length++;
        buckets[i] = c->lost ? sum_total(c->v[i], c->lost[i]) : c->v[i];
    }
    return (struct histogram_side){n_spans, (uint32_t)c->n, spans, buckets};
}

static double total_of(struct total t)
{
    return sum_total(t.sum, t.lost);
}

struct histogram *native_value(struct arena *arena, const struct native *n)
{
    struct histogram *h = ARENA_NEW(arena, struct histogram);
    h->schema = n->schema;
    h->hint = n->hint;
    h->zero_threshold = n->zero_threshold;
    h->zero_count = total_of(n->zero);
    h->count = total_of(n->count);
    h->sum = total_of(n->sum);
    h->positive = to_side(arena, &n->positive);
    h->negative = to_side(arena, &n->negative);
    h->n_custom = n->n_custom;
    if (n->n_custom > 0)
        h->custom = arena_memdup(arena, n->custom, n->n_custom * sizeof *n->custom);
    return h;
}

/* --- Bounds --- */

/* The index of the bucket that ends at 2^1024, which no double is. */
static int32_t last_finite(int32_t schema)
{
    return schema >= 0 ? 1024 << schema : 1024 >> -schema;
}

double native_bound(const struct native *n, int32_t i)
{
    struct histogram h = {.schema = n->schema, .n_custom = n->n_custom, .custom = n->custom};
    if (n->schema != HISTOGRAM_SCHEMA_CUSTOM && i == last_finite(n->schema))
        return DBL_MAX;
    return histogram_bound(&h, i);
}

/* --- Cells --- */

static void cell_add(struct cells *c, size_t i, double v)
{
    if (c->lost)
        sum_add(v, &c->v[i], &c->lost[i]);
    else
        c->v[i] += v;
}

static size_t union_size(const struct cells *a, const struct cells *b)
{
    size_t i = 0, k = 0, n = 0;
    for (; i < a->n || k < b->n; n++) {
        bool left = k == b->n || (i < a->n && a->index[i] <= b->index[k]);
        bool right = i == a->n || (k < b->n && b->index[k] <= a->index[i]);
        i += left;
        k += right;
    }
    return n;
}

static void cells_make_room(struct arena *arena, struct cells *to, const struct cells *from,
                            size_t n)
{
    int32_t *index = ARENA_ARRAY(arena, int32_t, n);
    double *v = ARENA_ARRAY(arena, double, n);
    double *lost = to->lost ? ARENA_ARRAY(arena, double, n) : NULL;
    size_t i = 0, k = 0;
    for (size_t at = 0; at < n; at++) {
        bool left = k == from->n || (i < to->n && to->index[i] <= from->index[k]);
        bool right = i == to->n || (k < from->n && from->index[k] <= to->index[i]);
        index[at] = left ? to->index[i] : from->index[k];
        if (left) {
            v[at] = to->v[i];
            if (lost)
                lost[at] = to->lost[i];
        }
        i += left;
        k += right;
    }
    *to = (struct cells){n, index, v, lost};
}

/* Where both have the same buckets, as they mostly do, nothing is made anew. */
static void cells_add(struct arena *arena, struct cells *to, const struct cells *from, double sign)
{
    size_t n = union_size(to, from), at = 0;
    if (n > to->n)
        cells_make_room(arena, to, from, n);
    for (size_t k = 0; k < from->n; k++) {
        while (to->index[at] < from->index[k])
            at++;
        cell_add(to, at, sign * from->v[k]);
        if (from->lost)
            cell_add(to, at, sign * from->lost[k]);
    }
}

static void cells_reduce(struct arena *arena, struct cells *c, int32_t by)
{
    int32_t *index = ARENA_ARRAY(arena, int32_t, c->n);
    double *v = ARENA_ARRAY(arena, double, c->n);
    double *lost = c->lost ? ARENA_ARRAY(arena, double, c->n) : NULL;
    struct cells out = {0, index, v, lost};
    for (size_t i = 0; i < c->n; i++) {
        int32_t at = (int32_t)((((int64_t)c->index[i] - 1) >> by) + 1);
        if (out.n == 0 || index[out.n - 1] != at) {
            index[out.n] = at;
            v[out.n] = c->v[i];
            if (lost)
                lost[out.n] = c->lost[i];
            out.n++;
            continue;
        }
        cell_add(&out, out.n - 1, c->v[i]);
        if (lost)
            cell_add(&out, out.n - 1, c->lost[i]);
    }
    *c = out;
}

static void cells_compact(struct arena *arena, struct cells *c)
{
    size_t kept = 0;
    for (size_t i = 0; i < c->n; i++)
        kept += c->v[i] != 0 || (c->lost && c->lost[i] != 0);
    if (kept == c->n)
        return;
    int32_t *index = ARENA_ARRAY(arena, int32_t, kept);
    size_t n = 0;
    for (size_t i = 0; i < c->n; i++) {
        if (c->v[i] == 0 && !(c->lost && c->lost[i] != 0))
            continue;
        index[n] = c->index[i];
        c->v[n] = c->v[i];
        if (c->lost)
            c->lost[n] = c->lost[i];
        n++;
    }
    c->n = n;
    c->index = index;
}

void native_reduce(struct native *n, int32_t schema)
{
    CHECK(schema <= n->schema);
    if (schema == n->schema)
        return;
    cells_reduce(n->arena, &n->positive, n->schema - schema);
    cells_reduce(n->arena, &n->negative, n->schema - schema);
    n->schema = schema;
}

void native_compact(struct native *n)
{
    cells_compact(n->arena, &n->positive);
    cells_compact(n->arena, &n->negative);
}

/* --- Zero buckets --- */

static void take_count(struct total *t, const struct cells *c, size_t i)
{
    sum_add(c->v[i], &t->sum, &t->lost);
    if (c->lost)
        sum_add(c->lost[i], &t->sum, &t->lost);
}

/* Adds the buckets that begin below the threshold. True when it cuts one with counts: then
 * *threshold is that one's far end. */
static bool swallow(const struct native *n, const struct cells *c, double *threshold,
                    struct total *count)
{
    for (size_t i = 0; i < c->n; i++) {
        double end = native_bound(n, c->index[i]);
        if (native_bound(n, c->index[i] - 1) >= *threshold)
            return false;
        take_count(count, c, i);
        if (end > *threshold && c->v[i] != 0) {
            *threshold = end;
            return true;
        }
    }
    return false;
}

struct zero_bucket native_widen_zero(const struct native *n, double threshold)
{
    struct zero_bucket z = {threshold, n->zero};
    if (threshold == n->zero_threshold)
        return z;
    for (bool again = true; again;) {
        z.count = n->zero;
        (void)swallow(n, &n->positive, &z.threshold, &z.count);
        again = swallow(n, &n->negative, &z.threshold, &z.count);
    }
    return z;
}

static void drop_swallowed(struct native *n, struct cells *c)
{
    for (size_t i = 0; i < c->n && native_bound(n, c->index[i] - 1) < n->zero_threshold; i++) {
        c->v[i] = 0;
        if (c->lost)
            c->lost[i] = 0;
    }
    cells_compact(n->arena, c);
}

static void widen(struct native *n, double threshold)
{
    struct zero_bucket z = native_widen_zero(n, threshold);
    n->zero_threshold = z.threshold;
    n->zero = z.count;
    drop_swallowed(n, &n->positive);
    drop_swallowed(n, &n->negative);
}

/* One pulls the other wider, until both have the same. */
static void match_zero(struct native *a, struct native *b)
{
    while (a->zero_threshold != b->zero_threshold) {
        if (a->zero_threshold > b->zero_threshold)
            widen(b, a->zero_threshold);
        if (b->zero_threshold > a->zero_threshold)
            widen(a, b->zero_threshold);
    }
}

/* --- Sums --- */

static void match_hints(struct native *to, enum histogram_hint other, struct meeting *m)
{
    if (other == to->hint || to->hint == HISTOGRAM_HINT_GAUGE)
        return;
    if (other == HISTOGRAM_HINT_GAUGE) {
        to->hint = HISTOGRAM_HINT_GAUGE;
        return;
    }
    m->reset_conflict |= to->hint != HISTOGRAM_HINT_UNKNOWN && other != HISTOGRAM_HINT_UNKNOWN;
    to->hint = HISTOGRAM_HINT_UNKNOWN;
}

static void total_add(struct total *to, struct total from, double sign, bool compensated)
{
    if (!compensated) {
        to->sum += sign * total_of(from);
        return;
    }
    sum_add(sign * from.sum, &to->sum, &to->lost);
    sum_add(sign * from.lost, &to->sum, &to->lost);
}

static bool match_bounds(struct native *a, struct native *b)
{
    uint32_t n;
    if (native_same_bounds(a, b))
        return false;
    const double *common = native_common_bounds(a->arena, a, b, &n);
    native_set_bounds(a, common, n);
    native_set_bounds(b, common, n);
    return true;
}

/* `from` is ours to change, but for its cells. */
static void match_layouts(struct native *to, struct native *from, bool *bounds_differ)
{
    if (to->schema == HISTOGRAM_SCHEMA_CUSTOM) {
        *bounds_differ = match_bounds(to, from);
        return;
    }
    if (to->zero_threshold != from->zero_threshold) {
        *from = native_clone(from->arena, from);
        match_zero(to, from);
    }
    native_reduce(to, to->schema < from->schema ? to->schema : from->schema);
    native_reduce(from, to->schema);
}

bool native_add(struct native *to, const struct histogram *other, double sign,
                struct arena *scratch, struct meeting *m)
{
    if ((to->schema == HISTOGRAM_SCHEMA_CUSTOM) != is_custom(other))
        return false;
    struct native from = native_view(scratch, other);
    bool bounds_differ = false;
    match_hints(to, other->hint, m);
    match_layouts(to, &from, &bounds_differ);
    total_add(&to->zero, from.zero, sign, to->compensated);
    total_add(&to->count, from.count, sign, to->compensated);
    total_add(&to->sum, from.sum, sign, to->compensated);
    cells_add(to->arena, &to->positive, &from.positive, sign);
    cells_add(to->arena, &to->negative, &from.negative, sign);
    if (bounds_differ)
        native_compact(to);
    m->bounds_differ |= bounds_differ;
    return true;
}

/* --- Scaling --- */

static void scale_total(struct total *t, double by, bool divide)
{
    t->sum = divide ? t->sum / by : t->sum * by;
    t->lost = divide ? t->lost / by : t->lost * by;
    if (isnan(t->lost))
        t->lost = 0;
}

static void scale_cells(struct cells *c, double by, bool divide)
{
    for (size_t i = 0; i < c->n; i++)
        c->v[i] = divide ? c->v[i] / by : c->v[i] * by;
    for (size_t i = 0; c->lost && i < c->n; i++)
        c->lost[i] = divide ? c->lost[i] / by : c->lost[i] * by;
}

static void scale(struct native *n, double by, bool divide)
{
    scale_total(&n->zero, by, divide);
    scale_total(&n->count, by, divide);
    scale_total(&n->sum, by, divide);
    scale_cells(&n->positive, by, divide);
    scale_cells(&n->negative, by, divide);
    if (by < 0)
        n->hint = HISTOGRAM_HINT_GAUGE;
}

void native_multiply(struct native *n, double factor)
{
    scale(n, factor, false);
}

void native_divide(struct native *n, double divisor)
{
    if (divisor == 0)
        n->positive.n = n->negative.n = 0;
    scale(n, divisor, true);
}

/* --- Telling --- */

static bool exceeds(const double *v, size_t n, double limit)
{
    for (size_t i = 0; i < n; i++) {
        if (fabs(v[i]) > limit)
            return true;
    }
    return false;
}

bool native_exceeds(const struct native *n, double limit)
{
    const double totals[] = {n->zero.sum, n->count.sum, n->sum.sum};
    return exceeds(totals, 3, limit) || exceeds(n->positive.v, n->positive.n, limit) ||
           exceeds(n->negative.v, n->negative.n, limit);
}

static bool same_bits(const void *a, const void *b, size_t n_bytes)
{
    return n_bytes == 0 || memcmp(a, b, n_bytes) == 0;
}

/* Spans may be cut in more than one way; the buckets must be the same. */
static bool same_buckets(const struct histogram_side *a, const struct histogram_side *b)
{
    uint32_t i = 0, k = 0, left_a = 0, left_b = 0;
    int64_t at_a = 0, at_b = 0;
    if (a->n_buckets != b->n_buckets ||
        !same_bits(a->buckets, b->buckets, a->n_buckets * sizeof *a->buckets))
        return false;
    for (uint32_t n = 0; n < a->n_buckets; n++) {
        for (; left_a == 0; i++) {
            at_a += a->spans[i].offset;
            left_a = a->spans[i].length;
        }
        for (; left_b == 0; k++) {
            at_b += b->spans[k].offset;
            left_b = b->spans[k].length;
        }
        if (at_a++ != at_b++)
            return false;
        left_a--;
        left_b--;
    }
    return true;
}

bool native_equal(const struct histogram *a, const struct histogram *b)
{
    return a->schema == b->schema && a->zero_threshold == b->zero_threshold &&
           a->n_custom == b->n_custom && same_bits(&a->zero_count, &b->zero_count, 8) &&
           same_bits(&a->count, &b->count, 8) && same_bits(&a->sum, &b->sum, 8) &&
           same_bits(a->custom, b->custom, a->n_custom * sizeof *a->custom) &&
           same_buckets(&a->positive, &b->positive) && same_buckets(&a->negative, &b->negative);
}

size_t native_size(const struct histogram *h)
{
    const size_t fixed_bytes = 168 + 8, float_bytes = 16;
    size_t words = (size_t)h->positive.n_spans + h->positive.n_buckets + h->negative.n_spans +
                   h->negative.n_buckets + h->n_custom;
    return (fixed_bytes + 8 * words) / float_bytes;
}
