/* One point as numbers for its series. */
#include "ingest/otlp_internal.h"

#include <math.h>

/* Exponential histograms become classic ones with a bucket at each of these powers of two. At any
 * scale from 0 up those are bounds of the sender's own buckets, so the counts are exact and the set
 * of series never changes; what is lost is the resolution in between. */
#define OCTAVE_MIN (-14)
#define OCTAVE_MAX 30
#define N_OCTAVES (OCTAVE_MAX - OCTAVE_MIN + 1)

static size_t n_bounds(const struct otlp_family *f, const struct otlp_point *p)
{
    return f->kind == OTLP_EXPONENTIAL ? N_OCTAVES : p->n_bounds;
}

size_t otlp_n_components(const struct otlp_family *f, const struct otlp_point *p)
{
    if (f->kind == OTLP_GAUGE || f->kind == OTLP_SUM || f->native)
        return 1;
    if (f->kind == OTLP_SUMMARY)
        return 2 + p->n_bounds;
    return (p->has_sum ? 2 : 1) + n_bounds(f, p) + 1;
}

struct otlp_component otlp_component_of(const struct otlp_family *f, const struct otlp_point *p,
                                        size_t i)
{
    if (f->kind == OTLP_GAUGE || f->kind == OTLP_SUM || f->native)
        return (struct otlp_component){"", NULL, 0, f->counter};
    if (i == 0)
        return (struct otlp_component){"_count", NULL, 0, true};
    if (i == 1 && (p->has_sum || f->kind == OTLP_SUMMARY))
        return (struct otlp_component){"_sum", NULL, 0, true};
    if (f->kind == OTLP_SUMMARY)
        return (struct otlp_component){"", "quantile", p->bounds[i - 2], false};
    i -= p->has_sum ? 2 : 1;
    double bound = INFINITY;
    if (i < n_bounds(f, p))
        bound = f->kind == OTLP_EXPONENTIAL ? ldexp(1, OCTAVE_MIN + (int)i) : p->bounds[i];
    return (struct otlp_component){"_bucket", "le", bound, true};
}

/* A running sum that does not wrap; *bad once it did. */
static void count_more(uint64_t *sum, uint64_t more, bool *bad)
{
    *bad = __builtin_add_overflow(*sum, more, sum) || *bad;
}

static const char *histogram_values(const struct otlp_point *p, double *buckets)
{
    uint64_t sum = 0;
    bool bad = false;
    if (p->n_counts == 0 && p->n_bounds == 0) {
        buckets[0] = (double)p->count;
        return NULL;
    }
    if (p->n_counts != p->n_bounds + 1)
        return "there is not one bucket count more than there are bounds";
    for (size_t i = 0; i < p->n_bounds; i++) {
        if (!isfinite(p->bounds[i]) || (i > 0 && p->bounds[i] <= p->bounds[i - 1]))
            return "bucket bounds are not finite and ascending";
    }
    for (size_t i = 0; i < p->n_counts; i++) {
        count_more(&sum, p->counts[i], &bad);
        buckets[i] = (double)sum;
    }
    return bad || sum != p->count ? "bucket counts do not add up to the count" : NULL;
}

/* The lowest octave whose bound is not below any value of bucket i at this scale (>= 0): the
 * bucket's upper bound is 2^((i+1)/2^scale). */
static int64_t octave_of(int64_t i, int64_t scale)
{
    return scale > 40 ? (i < 0 ? 0 : 1) : (i >> scale) + 1;
}

static void octave_add(uint64_t *octaves, int64_t octave, uint64_t count, bool *bad)
{
    if (octave > OCTAVE_MAX)
        return;
    count_more(&octaves[octave < OCTAVE_MIN ? 0 : octave - OCTAVE_MIN], count, bad);
}

/* Values in the zero bucket are known to lie at or below its threshold, negative ones below every
 * bound. */
static const char *exponential_values(const struct otlp_point *p, double *buckets)
{
    uint64_t octaves[N_OCTAVES] = {0}, sum = 0, total = p->zero_count;
    bool bad = false;
    if (p->scale < 0)
        return "its scale is below 0: coarser than powers of two";
    if (!isfinite(p->zero_threshold) || p->zero_threshold < 0)
        return "its zero threshold is negative or not finite";
    octave_add(octaves, p->zero_threshold > 0 ? (int64_t)ceil(log2(p->zero_threshold)) : OCTAVE_MIN,
               p->zero_count, &bad);
    for (size_t i = 0; i < p->negative.n; i++) {
        octave_add(octaves, OCTAVE_MIN, p->negative.counts[i], &bad);
        count_more(&total, p->negative.counts[i], &bad);
    }
    for (size_t i = 0; i < p->positive.n; i++) {
        int64_t octave = octave_of(p->positive.offset + (int64_t)i, p->scale);
        octave_add(octaves, octave, p->positive.counts[i], &bad);
        count_more(&total, p->positive.counts[i], &bad);
    }
    for (size_t i = 0; i < N_OCTAVES; i++) {
        count_more(&sum, octaves[i], &bad);
        buckets[i] = (double)sum;
    }
    buckets[N_OCTAVES] = (double)p->count;
    return bad || total != p->count ? "bucket counts do not add up to the count" : NULL;
}

static const char *summary_values(const struct otlp_point *p, double *values)
{
    for (size_t i = 0; i < p->n_bounds; i++) {
        if (!(p->bounds[i] >= 0 && p->bounds[i] <= 1) ||
            (i > 0 && p->bounds[i] <= p->bounds[i - 1]))
            return "quantiles are not ascending from 0 to 1";
        values[i] = p->values[i];
    }
    return NULL;
}

static const char *check_differences(const struct otlp_family *f, const double *v, size_t n,
                                     size_t sum_at)
{
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(v[i]))
            return "a difference is not finite";
        if (f->counter && v[i] < 0 && i != sum_at)
            return "a counter's difference is negative";
    }
    return NULL;
}

const char *otlp_point_values(const struct otlp_family *f, const struct otlp_point *p, double *v,
                              size_t *n)
{
    const char *refused = NULL;
    bool plain = f->kind == OTLP_GAUGE || f->kind == OTLP_SUM;
    size_t first = plain ? 0 : p->has_sum || f->kind == OTLP_SUMMARY ? 2 : 1;
    *n = otlp_n_components(f, p);
    v[0] = plain ? p->value : (double)p->count;
    if (first == 2)
        v[1] = p->sum;
    if (plain && !p->has_value)
        return "it has no value";
    if (f->kind == OTLP_HISTOGRAM)
        refused = histogram_values(p, v + first);
    else if (f->kind == OTLP_EXPONENTIAL)
        refused = exponential_values(p, v + first);
    else if (f->kind == OTLP_SUMMARY)
        refused = summary_values(p, v + first);
    if (!refused && f->delta)
        refused = check_differences(f, v, *n, first == 2 ? 1 : SIZE_MAX);
    return refused;
}
