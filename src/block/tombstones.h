/* tombstones.h -- the spans of time in which samples of a block's series are deleted, as the
 * block's file `tombstones` has them. Format: docs/format/block.md. Reading trusts nothing. */
#ifndef CQED_BLOCK_TOMBSTONES_H
#define CQED_BLOCK_TOMBSTONES_H

#include "base/buf.h"
#include "base/err.h"
#include "block/chunk.h"

struct block_interval {
    int64_t min_ms, max_ms; /* both inside */
};

struct block_stone {
    uint64_t ref; /* of the series, in the block's index */
    struct block_interval span;
};

struct block_tombstones {
    struct block_stone *v; /* owned; by ref, then by time, none touching another of its ref */
    size_t n;
    size_t capacity;
};

void block_tombstones_release(struct block_tombstones *);
void block_tombstones_add(struct block_tombstones *, uint64_t ref, struct block_interval);
void block_tombstones_settle(struct block_tombstones *); /* sort and join; after adding */
void block_tombstones_write(const struct block_tombstones *, struct buf *out);
MUST_CHECK bool block_tombstones_parse(struct str bytes, struct block_tombstones *, struct err *);

/* Drop the points that a series' stones cover. */
void block_tombstones_apply(const struct block_tombstones *, uint64_t ref, struct points *);

/* Drop the points within one span. */
void points_drop(struct points *, struct block_interval);

#endif
