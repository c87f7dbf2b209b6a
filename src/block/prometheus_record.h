/* prometheus_record.h -- what a record of Prometheus's write-ahead log says: series, samples,
 * histograms of integers and floats, deletions. Samples name their series by a number that an
 * earlier series record gives. Exemplars, metadata and what is not known are passed over. The bytes
 * are outside data: counts are bounded by them.
 *
 * Format: docs/format/prometheus-wal.md. */
#ifndef CQED_BLOCK_PROMETHEUS_RECORD_H
#define CQED_BLOCK_PROMETHEUS_RECORD_H

#include "block/tombstones.h"
#include "model/labels.h"

/* Who hears of it. What is handed over lives for the call; NULL = not of interest. */
struct prometheus_sink {
    void *self;
    void (*series)(void *self, uint64_t ref, struct labels);
    void (*sample)(void *self, uint64_t ref, struct sample);
    void (*histogram)(void *self, uint64_t ref, struct histogram_sample);
    void (*stone)(void *self, uint64_t ref, struct block_interval);
    void (*horizon)(void *self, int64_t min_ms); /* samples before it are none of the log's */
};

/* ERR_CORRUPT when it makes no sense; what stands in front of that has been handed over. */
MUST_CHECK bool prometheus_record_read(struct str record, const struct prometheus_sink *,
                                       struct err *);

#endif
