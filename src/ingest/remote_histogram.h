/* remote_histogram.h -- a native histogram as remote write and remote read send it: the message
 * Histogram of prompb/types.proto (prometheus/prometheus). */
#ifndef CQED_INGEST_REMOTE_HISTOGRAM_H
#define CQED_INGEST_REMOTE_HISTOGRAM_H

#include "base/str.h"
#include "model/histogram.h"

struct rw_histogram {
    const struct histogram *h; /* its sum a stale marker: the series ends */
    int64_t t_ms;
    int64_t start_ms;    /* 0 = not said */
    const char *refused; /* why it is none; NULL = it has passed histogram_validate */
};

/* Arena memory. False when the message is malformed. */
bool rw_parse_histogram(struct arena *, struct str message, struct rw_histogram *);

#endif
