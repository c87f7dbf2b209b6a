#include "model/histogram.h"

/* One side under way. There are never more spans or buckets than before. */
struct reduced {
    struct histogram_span *spans;
    double *buckets;
    uint32_t n_spans;
    uint32_t n_buckets;
    int64_t next; /* the bucket behind the last one */
};

static void add(struct reduced *r, int64_t i, double count)
{
    if (r->n_buckets > 0 && i == r->next - 1) {
        r->buckets[r->n_buckets - 1] += count;
        return;
    }
    if (r->n_spans == 0 || i != r->next)
        r->spans[r->n_spans++] = (struct histogram_span){(int32_t)(i - r->next), 0};
    r->spans[r->n_spans - 1].length++;
    r->buckets[r->n_buckets++] = count;
    r->next = i + 1;
}

/* Bucket i is (b^(i-1), b^i]; with b^(2^steps) as the base it lies in the one whose number is
 * i / 2^steps, rounded up. */
static struct histogram_side reduce_side(struct arena *arena, const struct histogram_side *s,
                                         int steps)
{
    struct reduced r = {.spans = ARENA_ARRAY(arena, struct histogram_span, s->n_buckets),
                        .buckets = ARENA_ARRAY(arena, double, s->n_buckets)};
    int64_t i = 0;
    uint32_t at = 0;
    for (uint32_t k = 0; k < s->n_spans; k++) {
        i += s->spans[k].offset;
        for (uint32_t n = s->spans[k].length; n > 0; n--, i++)
            add(&r, ((i - 1) >> steps) + 1, s->buckets[at++]);
    }
    return (struct histogram_side){r.n_spans, r.n_buckets, r.spans, r.buckets};
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
