/* foreign_head.h -- what a Prometheus has in memory, rebuilt from its logs and kept up with them:
 * the samples that are in no block yet, compressed as in our own head. Read-only; Prometheus's own
 * replay decides what counts: of a series' samples in wal/ only those newer than the one before,
 * late ones by wbl/, none that blocks have, none that was deleted.
 *
 *     number (ref) -> series <- bytes of its labels      a series may have several numbers
 *     __name__ -> its series
 *
 * foreign_head_follow changes it, foreign_head_select reads: the caller keeps them apart. */
#ifndef CQED_STORE_FOREIGN_HEAD_H
#define CQED_STORE_FOREIGN_HEAD_H

#include "model/labels.h"
#include "store/store.h"

struct foreign_head;

/* Of a data folder. More than max_bytes (0 = 1 GiB) in memory is refused. */
struct foreign_head *foreign_head_new(const char *folder, uint64_t max_bytes);
void foreign_head_free(struct foreign_head *);

/* Take in what has been written since. ERR_LIMIT: it does not fit in max_bytes. *anew: what was
 * there of one of the logs was dropped first, blocks may have it. */
MUST_CHECK bool foreign_head_follow(struct foreign_head *, bool *anew, struct err *);

/* The series that match, ordered by labels, with their samples in [mint_ms, maxt_ms]; of those in
 * order only what is not before horizon_ms, which blocks have. All is the arena's. */
MUST_CHECK bool foreign_head_select(const struct foreign_head *, struct arena *,
                                    const struct matcher *, size_t n_matchers, int64_t mint_ms,
                                    int64_t maxt_ms, int64_t horizon_ms, uint64_t max_samples,
                                    struct store_series_data **out, size_t *n, struct err *);

/* Of its samples in order; false when there is none. */
bool foreign_head_range(const struct foreign_head *, int64_t *oldest_ms, int64_t *newest_ms);

struct foreign_head_stats {
    uint64_t series, samples, bytes;
    uint64_t damaged; /* records and segments that could not be read */
};
void foreign_head_stats(const struct foreign_head *, struct foreign_head_stats *);

#endif
