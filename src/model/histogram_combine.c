#include "model/histogram.h"

#include <math.h>

/* One side under way: buckets come in order. */
struct combined {
    struct histogram_span *spans;
    double *buckets;
    uint32_t n_spans;
    uint32_t n_buckets;
    int64_t next; /* the bucket behind the last one */
};

static struct combined combined_of(struct arena *arena, size_t max_buckets)
{
    return (struct combined){.spans = ARENA_ARRAY(arena, struct histogram_span, max_buckets),
                             .buckets = ARENA_ARRAY(arena, double, max_buckets)};
}

static void put(struct combined *c, int64_t i, double count)
{
    if (c->n_buckets > 0 && i == c->next - 1) {
        c->buckets[c->n_buckets - 1] += count;
        return;
    }
    if (c->n_spans == 0 || i != c->next)
        c->spans[c->n_spans++] = (struct histogram_span){(int32_t)(i - c->next), 0};
    c->spans[c->n_spans - 1].length++;
    c->buckets[c->n_buckets++] = count;
    c->next = i + 1;
}

static struct histogram_side side_of(const struct combined *c)
{
    return (struct histogram_side){c->n_spans, c->n_buckets, c->spans, c->buckets};
}

bool histogram_next(struct histogram_walk *w)
{
    const struct histogram_side *s = w->side;
    if (w->at == 0 && s->n_spans > 0)
        w->index = s->spans[0].offset;
    else
        w->index++;
    while (w->span < s->n_spans && w->within == s->spans[w->span].length) {
        w->within = 0;
        if (++w->span < s->n_spans)
            w->index += s->spans[w->span].offset;
    }
    if (w->span == s->n_spans)
        return false;
    w->within++;
    w->count = s->buckets[w->at++];
    return true;
}

/* Bucket i is (b^(i-1), b^i]; with b^(2^steps) as the base it lies in the one whose number is
 * i / 2^steps, rounded up. */
static struct histogram_side reduce_side(struct arena *arena, const struct histogram_side *s,
                                         int steps)
{
    struct combined c = combined_of(arena, s->n_buckets);
    struct histogram_walk w = {.side = s};
    while (histogram_next(&w))
        put(&c, ((w.index - 1) >> steps) + 1, w.count);
    return side_of(&c);
}

const struct histogram *histogram_reduce(struct arena *arena, const struct histogram *h,
                                         int32_t schema)
{
    if (h->schema == HISTOGRAM_SCHEMA_CUSTOM || h->schema <= schema)
        return h;
    struct histogram *r = arena_memdup(arena, h, sizeof *h);
    int steps = h->schema - schema < 62 ? h->schema - schema : 62;
    r->schema = schema;
    r->positive = reduce_side(arena, &h->positive, steps);
    r->negative = reduce_side(arena, &h->negative, steps);
    return r;
}

static struct histogram_side add_sides(struct arena *arena, const struct histogram_side *a,
                                       const struct histogram_side *b)
{
    struct combined c = combined_of(arena, (size_t)a->n_buckets + b->n_buckets);
    struct histogram_walk x = {.side = a}, y = {.side = b};
    bool more_x = histogram_next(&x), more_y = histogram_next(&y);
    while (more_x || more_y) {
        bool take_x = more_x && (!more_y || x.index <= y.index);
        if (take_x)
            put(&c, x.index, x.count);
        else
            put(&c, y.index, y.count);
        more_x = take_x ? histogram_next(&x) : more_x;
        more_y = take_x ? more_y : histogram_next(&y);
    }
    return side_of(&c);
}

/* What lies within the zero bucket wholly goes into it. */
static struct histogram_side fold_zero(struct arena *arena, struct histogram *h,
                                       const struct histogram_side *s)
{
    struct combined c = combined_of(arena, s->n_buckets);
    struct histogram_walk w = {.side = s};
    while (histogram_next(&w)) {
        if (histogram_bound(h, (int32_t)w.index) <= h->zero_threshold)
            h->zero_count += w.count;
        else
            put(&c, w.index, w.count);
    }
    return side_of(&c);
}

static bool can_add(const struct histogram *a, const struct histogram *b)
{
    bool custom = a->schema == HISTOGRAM_SCHEMA_CUSTOM;
    if (custom != (b->schema == HISTOGRAM_SCHEMA_CUSTOM) || a->n_custom != b->n_custom)
        return false;
    for (uint32_t i = 0; i < a->n_custom; i++) {
        if (a->custom[i] != b->custom[i])
            return false;
    }
    return true;
}

const struct histogram *histogram_add(struct arena *arena, const struct histogram *a,
                                      const struct histogram *b)
{
    if (!can_add(a, b))
        return NULL;
    const struct histogram *x = histogram_reduce(arena, a, b->schema);
    const struct histogram *y = histogram_reduce(arena, b, a->schema);
    struct histogram *sum = arena_memdup(arena, x, sizeof *x);
    sum->zero_threshold = fmax(x->zero_threshold, y->zero_threshold);
    sum->zero_count += y->zero_count;
    sum->count += y->count;
    sum->sum += y->sum;
    sum->positive = add_sides(arena, &x->positive, &y->positive);
    sum->negative = add_sides(arena, &x->negative, &y->negative);
    if (x->zero_threshold != y->zero_threshold) {
        sum->positive = fold_zero(arena, sum, &sum->positive);
        sum->negative = fold_zero(arena, sum, &sum->negative);
    }
    return sum;
}
