/* prometheus_wal.h -- follows the write-ahead log of a Prometheus, which may be running, read-only:
 * the newest checkpoint, then the segments behind it, then what is written to the newest one from
 * call to call. Also its log of late samples (wbl/), which has no checkpoints. One thread at a
 * time.
 *
 *     wal/checkpoint.00000007/00000000 ...   what segments up to 7 said and still counts
 *     wal/00000008 wal/00000009              the segments since; the last one grows
 *
 * What a crash left torn at the end of a segment is passed over when there is a later segment.
 * Damage inside is logged, and reading goes on with the next segment. A new checkpoint, or a
 * segment that is not the file it was, begins all anew.
 *
 * Format: docs/format/prometheus-wal.md. */
#ifndef CQED_BLOCK_PROMETHEUS_WAL_H
#define CQED_BLOCK_PROMETHEUS_WAL_H

#include "block/prometheus_record.h"

struct prometheus_wal;

/* Nothing is opened yet; the folder need not be there. */
struct prometheus_wal *prometheus_wal_new(const char *folder);
void prometheus_wal_free(struct prometheus_wal *);

/* Hand over what has been written since the last call. forget: all that was handed over before is
 * to be dropped, it begins anew. stop, asked between records: true ends with ERR_LIMIT, and the
 * next call begins anew. A folder that is not there holds nothing. */
struct prometheus_follower {
    struct prometheus_sink sink;
    void (*forget)(void *self);
    bool (*stop)(void *self, struct err *);
};
MUST_CHECK bool prometheus_wal_follow(struct prometheus_wal *, const struct prometheus_follower *,
                                      struct err *);

/* Begin anew with the next call. */
void prometheus_wal_rewind(struct prometheus_wal *);

/* Segments in which something was damaged, since it last began anew. */
uint64_t prometheus_wal_damaged(const struct prometheus_wal *);

#endif
