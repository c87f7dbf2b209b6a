/* series_notation.h -- series as people write them in test files, of promqltest and of promtool's
 * unit tests alike:
 *
 *   requests_total{route="/a"} 0+60x10 _ stale {{schema:1 count:3 sum:5 buckets:[1 2]}}
 *
 * A value stands at each step; axn repeats a n times more, a+bxn counts up n times behind a, _ is a
 * gap. A native histogram is marked as one; its numbers are not read yet. */
#ifndef CQED_PROMQL_SERIES_NOTATION_H
#define CQED_PROMQL_SERIES_NOTATION_H

#include "base/arena.h"
#include "base/err.h"
#include "model/labels.h"
#include "model/sample.h"

struct notation_value {
    bool present; /* else a gap */
    bool histogram;
    double v;
};

struct notation_series {
    struct labels labels;
    struct notation_value *values; /* one a step */
    size_t n;
    bool histograms;       /* some value is one */
    bool start_timestamps; /* set by who reads the line in front */
};

/* One line; labels and values are the arena's, names and values borrowed from the line. At most a
 * million values an item. */
MUST_CHECK bool parse_series_notation(struct arena *, struct str line, struct notation_series *,
                                      struct err *);

#endif
