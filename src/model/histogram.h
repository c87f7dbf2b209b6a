/* histogram.h -- a native histogram: counts over buckets whose bounds a schema gives. Counts are
 * floats and absolute (not deltas); senders' integer counts become floats on the way in. Immutable
 * once made; arrays are borrowed or arena memory, a struct histogram never owns.
 *
 *   schema -4..8    bucket i of the positive side is (b^(i-1), b^i] with b = 2^(2^-schema), of the
 *                   negative side its mirror; the zero bucket is [-zero_threshold, zero_threshold]
 *   schema -53      custom bounds: bucket i is (custom[i-1], custom[i]], the first reaches down to
 *                   -Inf, bucket n_custom up to +Inf; no zero bucket, no negative side
 *
 *   spans:  offset buckets skipped (of the first: its index), then length buckets in a row
 *           [{-2, 2}, {1, 1}] are the buckets -2, -1, 1 with counts positive[0], [1], [2]
 *
 * Source: Prometheus, model/histogram/float_histogram.go and the native histogram specification.
 * A series that ends says so with a float stale marker (sample.h), also when it held histograms. */
#ifndef CQED_MODEL_HISTOGRAM_H
#define CQED_MODEL_HISTOGRAM_H

#include "base/arena.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_SCHEMA_MIN (-4)
#define HISTOGRAM_SCHEMA_MAX 8
#define HISTOGRAM_SCHEMA_CUSTOM (-53)
#define HISTOGRAM_MAX_BUCKETS 100000 /* of one side, and of custom bounds */

/* X(enumerator, name): what the sender says of a reset between this histogram and the one before.
 */
#define HISTOGRAM_HINTS(X)                                                                         \
    X(HISTOGRAM_HINT_UNKNOWN, "unknown") /* compare the two */                                     \
    X(HISTOGRAM_HINT_RESET, "reset")                                                               \
    X(HISTOGRAM_HINT_NOT_RESET, "not_reset")                                                       \
    X(HISTOGRAM_HINT_GAUGE, "gauge") /* not a counter: may fall */

enum histogram_hint {
#define X(code, name) code,
    HISTOGRAM_HINTS(X)
#undef X
};

const char *histogram_hint_name(enum histogram_hint);

struct histogram_span {
    int32_t offset;
    uint32_t length;
};

/* One side of zero. */
struct histogram_side {
    uint32_t n_spans;
    uint32_t n_buckets; /* the sum of the spans' lengths */
    const struct histogram_span *spans;
    const double *buckets;
};

struct histogram {
    int32_t schema;
    enum histogram_hint hint;
    double zero_threshold;
    double zero_count;
    double count;
    double sum;
    struct histogram_side positive;
    struct histogram_side negative;
    uint32_t n_custom;
    const double *custom; /* ascending, without +Inf; NULL unless schema is -53 */
};

struct histogram_sample {
    int64_t t_ms;
    const struct histogram *h;
};

/* ERR_BAD_INPUT names the field and the value. What holds afterwards: a known schema, spans that
 * fit their buckets and stay within int32, no negative or NaN count, custom bounds finite and
 * ascending and only where they belong. The count is not compared with the buckets' sum: floats
 * need not add up. Every histogram in the store has passed. */
MUST_CHECK bool histogram_validate(const struct histogram *, struct err *);

/* Deep. */
struct histogram *histogram_copy(struct arena *, const struct histogram *);

/* The same bits everywhere, hint included; NaN equals the same NaN. */
bool histogram_identical(const struct histogram *, const struct histogram *);

/* The same at a coarser schema, in the arena: buckets are added up, exactly. h itself when it is as
 * coarse already or has custom bounds. Its schema may be over 8, else it must be sound. */
const struct histogram *histogram_reduce(struct arena *, const struct histogram *, int32_t schema);

/* The two together: at the coarser schema, with the wider zero bucket, the hint of a. NULL when one
 * has custom bounds that are not the other's. */
const struct histogram *histogram_add(struct arena *, const struct histogram *a,
                                      const struct histogram *b);

/* The buckets of one side, by rising index; begin with the side alone set. */
struct histogram_walk {
    const struct histogram_side *side;
    int64_t index; /* of the current bucket */
    double count;  /* in it */
    uint32_t span, within, at;
};
bool histogram_next(struct histogram_walk *);

/* The upper bound of bucket i of the positive side: exact powers of two where the schema has them,
 * +Inf from the first bound over DBL_MAX on. The lower one is that of bucket i - 1. Custom bounds:
 * i up to n_custom. */
double histogram_bound(const struct histogram *, int32_t i);

#endif
