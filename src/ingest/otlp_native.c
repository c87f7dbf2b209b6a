/* Exponential histograms as native ones: the same buckets, their numbers one higher, because OTLP
 * names a bucket by its lower bound and Prometheus by its upper one. */
#include "ingest/otlp_internal.h"

#include <math.h>

#define ZERO_THRESHOLD 1e-128 /* of senders that say none, as Prometheus has it */
#define GAP_MAX 2             /* empty buckets that are cheaper than a new span */

/* The buckets from the first to the last that count, without long gaps. */
static const char *take_side(struct arena *arena, const struct otlp_side *from, uint64_t *total,
                             struct histogram_side *out)
{
    struct histogram_span *spans = ARENA_ARRAY(arena, struct histogram_span, from->n);
    double *buckets = ARENA_ARRAY(arena, double, from->n);
    int64_t next = 0;
    *out = (struct histogram_side){.spans = spans, .buckets = buckets};
    if (from->offset + (int64_t)from->n + 1 > INT32_MAX)
        return "its buckets end beyond the 32-bit numbers";
    for (size_t i = 0; i < from->n; i++) {
        int64_t index = from->offset + (int64_t)i + 1;
        if (from->counts[i] == 0)
            continue;
        if (__builtin_add_overflow(*total, from->counts[i], total))
            return "bucket counts do not add up to the count";
        if (out->n_spans == 0 || index - next > GAP_MAX) {
            spans[out->n_spans++] = (struct histogram_span){(int32_t)(index - next), 0};
            next = index;
        }
        for (; next <= index; next++) {
            buckets[out->n_buckets++] = next < index ? 0 : (double)from->counts[i];
            spans[out->n_spans - 1].length++;
        }
    }
    return NULL;
}

const char *otlp_native_histogram(struct arena *arena, const struct otlp_point *p,
                                  const struct histogram **out)
{
    struct histogram *h = ARENA_NEW(arena, struct histogram);
    uint64_t total = p->zero_count;
    if (p->scale < HISTOGRAM_SCHEMA_MIN)
        return "its scale is below -4";
    if (!isfinite(p->zero_threshold) || p->zero_threshold < 0)
        return "its zero threshold is negative or not finite";
    const char *refused = take_side(arena, &p->positive, &total, &h->positive);
    if (!refused)
        refused = take_side(arena, &p->negative, &total, &h->negative);
    if (refused)
        return refused;
    if (total != p->count)
        return "bucket counts do not add up to the count";
    h->schema = (int32_t)p->scale;
    h->zero_threshold = p->zero_threshold > 0 ? p->zero_threshold : ZERO_THRESHOLD;
    h->zero_count = (double)p->zero_count;
    h->count = (double)p->count;
    h->sum = p->has_sum ? p->sum : 0;
    *out = histogram_reduce(arena, h, HISTOGRAM_SCHEMA_MAX);
    return NULL;
}

/* Where counting (re)started. */
static void put_empty(struct otlp_intake *r, uint64_t ref, int64_t t_ms)
{
    const struct histogram empty = {.schema = r->native->schema,
                                    .zero_threshold = r->native->zero_threshold};
    r->n_samples++;
    (void)store_batch_add_histogram(r->batch, ref, t_ms, &empty, STORE_ORIGIN_ZERO);
}

static enum store_result put_first(struct otlp_intake *r, uint64_t ref, const struct otlp_timing *t)
{
    int64_t began_ms = otlp_began_at(r, t);
    bool zero = began_ms == 0 && t->delta;
    if (began_ms > 0)
        put_empty(r, ref, began_ms);
    return store_batch_add_histogram(r->batch, ref, t->t_ms, r->native,
                                     zero ? STORE_ORIGIN_ZERO : STORE_ORIGIN_UNKNOWN);
}

/* As put_counter (otlp_append.c). */
enum store_result otlp_put_native(struct otlp_intake *r, uint64_t ref, const struct otlp_timing *t)
{
    struct histogram_sample newest;
    int64_t newest_ms;
    const struct histogram *h = r->native;
    if (t->t_ms > r->now_ms && t->t_ms - r->now_ms > STORE_AHEAD_MAX_MS)
        return STORE_TOO_FAR_AHEAD;
    if (!store_batch_newest_time(r->batch, ref, &newest_ms))
        return put_first(r, ref, t);
    if (t->delta && t->t_ms <= newest_ms)
        return STORE_OUT_OF_ORDER;
    bool ended = !store_batch_newest_histogram(r->batch, ref, &r->points, &newest);
    if (!t->delta && t->start_ms > newest_ms)
        put_empty(r, ref, t->start_ms);
    else if (t->delta && ended && newest_ms + 1 < t->t_ms)
        put_empty(r, ref, newest_ms < t->start_ms ? t->start_ms : newest_ms + 1);
    else if (t->delta && !ended)
        h = histogram_add(&r->points, newest.h, h);
    return h ? store_batch_add_histogram(r->batch, ref, t->t_ms, h, STORE_ORIGIN_UNKNOWN)
             : STORE_CONFLICTING;
}
