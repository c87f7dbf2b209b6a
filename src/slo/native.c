#include "slo/native.h"

#include <math.h>

/* Edges on the way up through the buckets. */
struct climb {
    const double *edges;
    size_t n, i;
    double *out;
    double below; /* what the buckets so far hold */
};

/* The share of a bucket from low to high that lies at or below v. */
static double share(double v, double low, double high, bool linear)
{
    if (v <= low || !isfinite(high))
        return 0;
    if (isinf(low)) /* of custom buckets: down to 0, as Prometheus takes it */
        low = high > 0 ? 0 : high;
    if (v <= low)
        return 0;
    return linear || low * high <= 0 ? (v - low) / (high - low) : log2(v / low) / log2(high / low);
}

static void climb_over(struct climb *c, double low, double high, double count, bool linear)
{
    for (; c->i < c->n && c->edges[c->i] < high; c->i++)
        c->out[c->i] = c->below + count * share(c->edges[c->i], low, high, linear);
    c->below += count;
}

static void climb_negative(struct climb *c, struct arena *arena, const struct histogram *h)
{
    struct histogram_walk w = {.side = &h->negative};
    struct histogram_walk *v = ARENA_ARRAY(arena, struct histogram_walk, h->negative.n_buckets);
    size_t n = 0;
    while (histogram_next(&w))
        v[n++] = w;
    while (n-- > 0) {
        double low = -histogram_bound(h, (int32_t)v[n].index);
        double high = -histogram_bound(h, (int32_t)(v[n].index - 1));
        climb_over(c, low, high, v[n].count, false);
    }
}

void slo_native_at_most(struct arena *arena, const struct histogram *h, const double *edges,
                        size_t n, double *out)
{
    struct climb c = {.edges = edges, .n = n, .out = out};
    struct histogram_walk w = {.side = &h->positive};
    bool custom = h->schema == HISTOGRAM_SCHEMA_CUSTOM;
    climb_negative(&c, arena, h);
    if (h->zero_count > 0)
        climb_over(&c, h->negative.n_buckets > 0 ? -h->zero_threshold : 0, h->zero_threshold,
                   h->zero_count, true);
    while (histogram_next(&w))
        climb_over(&c, histogram_bound(h, (int32_t)(w.index - 1)),
                   histogram_bound(h, (int32_t)w.index), w.count, custom);
    for (; c.i < n; c.i++)
        out[c.i] = isinf(edges[c.i]) ? h->count : c.below;
}

bool slo_native_increase(struct arena *arena, const struct histogram *h,
                         const struct histogram *base, const double *edges, size_t n, double *out,
                         double *count)
{
    double *before = ARENA_ARRAY(arena, double, n);
    bool reset = h->hint == HISTOGRAM_HINT_RESET || h->count < base->count;
    *count = reset ? h->count : h->count - base->count;
    if (!reset && base->count > 0) {
        if ((h->schema == HISTOGRAM_SCHEMA_CUSTOM) != (base->schema == HISTOGRAM_SCHEMA_CUSTOM))
            return false;
        const struct histogram *from = histogram_reduce(arena, base, h->schema);
        h = histogram_reduce(arena, h, base->schema);
        slo_native_at_most(arena, from, edges, n, before);
    }
    slo_native_at_most(arena, h, edges, n, out);
    for (size_t i = 0; i < n; i++)
        out[i] -= before[i];
    return true;
}
