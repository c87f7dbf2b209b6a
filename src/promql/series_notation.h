/* series_notation.h -- series as people write them in test files, of promqltest and of promtool's
 * unit tests alike:
 *
 *   requests_total{route="/a"} 0+60x10 _ stale {{schema:1 count:3 sum:5 buckets:[1 2]}}
 *
 * A value stands at each step; axn repeats a n times more, a+bxn counts up n times behind a, _ is a
 * gap. In {{ }} stands a native histogram: schema, count, sum, buckets:[...], offset (the index of
 * the first bucket), n_buckets and n_offset for the negative side, z_bucket (the zero bucket's
 * count), z_bucket_w (its width), custom_values (bounds), counter_reset_hint. */
#ifndef CQED_PROMQL_SERIES_NOTATION_H
#define CQED_PROMQL_SERIES_NOTATION_H

#include "base/arena.h"
#include "base/err.h"
#include "model/histogram.h"
#include "model/labels.h"
#include "model/sample.h"

struct notation_value {
    bool present; /* else a gap */
    double v;
    const struct histogram *h; /* in place of v. Its counts may be anything; its layout is right */
    bool hint_written;
};

struct notation_series {
    struct labels labels;
    struct notation_value *values; /* one a step */
    size_t n;
    bool histograms; /* some value is one */
    /* of value i, how long before it its series began, negative; 0: not known. Set by who reads
     * the line in front. */
    const int64_t *starts_ms;
    size_t n_starts;
};

/* One line; labels and values are the arena's, names and values borrowed from the line. At most a
 * million values an item. */
MUST_CHECK bool parse_series_notation(struct arena *, struct str line, struct notation_series *,
                                      struct err *);
/* "-1m -2mx3 _": start timestamps, as promqltest's line metric@st in front of a series has them. */
MUST_CHECK bool parse_start_notation(struct arena *, struct str text, const int64_t **out,
                                     size_t *n);
/* "{{...}}" alone (series_notation_histogram.c). */
MUST_CHECK bool parse_histogram_notation(struct arena *, struct str text,
                                         struct notation_value *out);

#endif
