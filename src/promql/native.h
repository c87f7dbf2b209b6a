/* native.h -- arithmetic of native histograms (model/histogram.h). Values are immutable; what is
 * computed is a struct native: the same histogram as lists of cells, which can be changed. Private
 * to promql/.
 *
 * Two histograms meet at the lower of their resolutions, at the wider of their zero buckets
 * (widened further until no bucket with counts is cut), and, with custom bounds, at the bounds that
 * both have. Semantics: Prometheus, model/histogram/float_histogram.go. */
#ifndef CQED_PROMQL_NATIVE_H
#define CQED_PROMQL_NATIVE_H

#include "base/arena.h"
#include "model/histogram.h"

#include <stdbool.h>
#include <stddef.h>

/* Buckets of one side of zero by rising index. */
struct cells {
    size_t n;
    const int32_t *index;
    double *v;
    double *lost; /* of compensated sums (sums.h); NULL otherwise */
};

struct total {
    double sum, lost;
};

struct native {
    struct arena *arena; /* of its cells, and of new ones */
    int32_t schema;
    enum histogram_hint hint;
    bool compensated;
    double zero_threshold;
    struct total zero, count, sum;
    struct cells positive, negative;
    uint32_t n_custom;
    const double *custom;
};

/* What there is to say after histograms met. */
struct meeting {
    bool reset_conflict; /* one says reset, the other not_reset */
    bool bounds_differ;  /* custom bounds were reconciled */
};

static inline bool is_custom(const struct histogram *h)
{
    return h->schema == HISTOGRAM_SCHEMA_CUSTOM;
}

/* --- From values and back --- */

/* Borrows the counts: good for reading only. */
struct native native_view(struct arena *, const struct histogram *);
struct native native_copy(struct arena *, const struct histogram *);
struct native native_compensated(struct arena *, const struct histogram *);
struct native native_clone(struct arena *, const struct native *);
/* None yet: what other histograms of its layout are added to. */
struct native native_zero(struct arena *, const struct histogram *like);
/* What was lost is added; spans are the shortest that there are. */
struct histogram *native_value(struct arena *, const struct native *);

/* --- Arithmetic --- */

/* to += sign * other. False, and nothing changed, when one has custom bounds and the other not.
 * `scratch` may be cleared afterwards. */
MUST_CHECK bool native_add(struct native *to, const struct histogram *other, double sign,
                           struct arena *scratch, struct meeting *);
void native_multiply(struct native *, double factor); /* by less than 0: it is a gauge */
void native_divide(struct native *, double divisor);  /* by 0: no buckets are left */
void native_reduce(struct native *, int32_t schema);  /* not over its own */
void native_compact(struct native *);                 /* no empty buckets */
/* Some number in it is over the limit, or below its negative. */
bool native_exceeds(const struct native *, double limit);

/* The same buckets with the same bits, empty ones included; the hint does not count. */
bool native_equal(const struct histogram *, const struct histogram *);
/* How many samples it counts as: Prometheus's size of a point, in floats with their times. */
size_t native_size(const struct histogram *);

/* --- Buckets --- */

/* As histogram_bound(), but the last finite bucket ends at DBL_MAX. */
double native_bound(const struct native *, int32_t i);

/* A counter was reset between two of its histograms (native_resets.c). */
bool native_is_reset(struct arena *scratch, const struct histogram *now,
                     const struct histogram *before);

/* The zero bucket as wide as `threshold` or, where that would cut a bucket with counts, wider. */
struct zero_bucket {
    double threshold;
    struct total count;
};
struct zero_bucket native_widen_zero(const struct native *, double threshold);

/* Custom buckets under other bounds, which must be some of its own (native_custom.c). */
void native_set_bounds(struct native *, const double *custom, uint32_t n);
bool native_same_bounds(const struct native *, const struct native *);
/* Those that both have, ascending. */
const double *native_common_bounds(struct arena *, const struct native *, const struct native *,
                                   uint32_t *n);

/* --- What is asked of a histogram (native_stats.c) --- */

/* Bits of what is to be said about NaN observations. */
enum nan_note { NAN_NONE, NAN_RESULT, NAN_SKEW };

double native_quantile(struct arena *scratch, const struct histogram *, double phi,
                       enum nan_note *);
/* The part of the observations between two values; *nans: some are NaN, they are in no part. */
double native_fraction(struct arena *scratch, const struct histogram *, double low, double high,
                       bool *nans);
double native_variance(struct arena *scratch, const struct histogram *);

/* --- Trims (native_trim.c) --- */

/* Only the observations below (or above) the limit: interpolated in the bucket that it cuts; the
 * sum is estimated anew. */
struct native native_trim(struct arena *, const struct histogram *, double limit, bool below);

/* As Go prints it: "{count:3, sum:5, [-1,1]:1, (1,2]:2}". */
const char *native_text(struct arena *, const struct histogram *);

#endif
