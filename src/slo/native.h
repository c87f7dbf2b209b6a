/* native.h -- what a native histogram says of an SLI that is written for a classic one. Private to
 * slo/. */
#ifndef CQED_SLO_NATIVE_H
#define CQED_SLO_NATIVE_H

#include "base/arena.h"
#include "model/histogram.h"

/* How many observations are at most each of n ascending edges. Exact where an edge is a bucket's
 * bound; within a bucket, as PromQL's histogram_fraction has it: along the logarithm, or along a
 * line in custom buckets and the zero bucket. One pass over the buckets. */
void slo_native_at_most(struct arena *, const struct histogram *, const double *edges, size_t n,
                        double *out);

/* The same of what was counted since base, which is as store_tap.feed_histogram has it and not
 * NULL; a reset between the two counts from 0. False when the two cannot be compared. *count is all
 * that was counted. */
bool slo_native_increase(struct arena *, const struct histogram *, const struct histogram *base,
                         const double *edges, size_t n, double *out, double *count);

#endif
