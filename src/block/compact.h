/* compact.h -- several blocks become one: which ones, and how. The ranges are Prometheus's:
 * 2 h, then three times as much each step, aligned to the epoch. */
#ifndef CQED_BLOCK_COMPACT_H
#define CQED_BLOCK_COMPACT_H

#include "block/block.h"

#define BLOCK_RANGE_MS (INT64_C(2) * 3600 * 1000)
#define BLOCK_MAX_RANGE_MS (INT64_C(31) * 24 * 3600 * 1000)

/* Down to a multiple of the range, also before the epoch. */
int64_t block_align(int64_t t_ms, int64_t range_ms);

/* What is to be compacted next: indices of `blocks` (by min_ms) from *first on, *n of them; false
 * when there is nothing to do. Overlapping ones come first; else the smallest range that is full or
 * will not get fuller, for there is something newer. The newest block is left alone. */
bool block_plan(struct block *const *blocks, size_t n_blocks, int64_t max_range_ms, size_t *first,
                size_t *n);

/* What is done between two series of a compaction, which may take minutes; fn may be NULL. */
struct block_between {
    void (*fn)(void *self);
    void *self;
};

/* One block of all that is not deleted in n. Its meta is the caller's to release; with no series
 * left there is none (n_series 0). *stop becoming true ends it with ERR_TIMEOUT. On ERR_CORRUPT
 * *culprit is the damaged one. */
MUST_CHECK bool block_compact(const char *folder, struct block *const *, size_t n,
                              struct block_between, const _Atomic bool *stop,
                              struct block_meta *out, struct block **culprit, struct err *);

#endif
