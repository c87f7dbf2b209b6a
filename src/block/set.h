/* set.h -- the blocks of a folder, by time. Whoever reads takes references; compaction swaps
 * blocks in and out at once, so that a reader sees the parents or the child, never both or neither.
 * A damaged block is set aside: renamed <ulid>.corrupt, logged, counted, and not served again.
 * Any thread. */
#ifndef CQED_BLOCK_SET_H
#define CQED_BLOCK_SET_H

#include "block/block.h"

struct block_set;

/* Read-only: nothing on disk is changed; what is damaged is passed over. Else what a crash left
 * (half-made and half-deleted folders, parents of a block that is there) is removed. */
struct block_set *block_set_open(const char *folder, bool read_only, struct err *);
void block_set_close(struct block_set *);

/* Take in what whoever writes the folder has done since: blocks that came, went, or have deleted
 * samples. Of a read-only set. */
MUST_CHECK bool block_set_refresh(struct block_set *, struct err *);

/* References to the blocks that may have samples in [mint_ms, maxt_ms], oldest first; give each
 * back with block_set_give_back. Arena memory. */
struct block **block_set_take(struct block_set *, struct arena *, int64_t mint_ms, int64_t maxt_ms,
                              size_t *n);
void block_set_give_back(struct block **, size_t n);

/* Put one in (or NULL) and n out, as one step, and delete the folders of those that are out. The
 * one put in is durable. Takes its reference. */
void block_set_swap(struct block_set *, struct block *in, struct block *const *out, size_t n);

/* The same block read anew from its folder (its tombstones have changed). */
MUST_CHECK bool block_set_reload(struct block_set *, const struct block *, struct err *);

/* For a block that gave ERR_CORRUPT: why is logged. */
void block_set_aside(struct block_set *, struct block *, const struct err *why);

struct block_set_stats {
    uint64_t blocks;
    uint64_t size_bytes;
    uint64_t corrupt;
    uint64_t vanished;      /* read-only: deleted by their owner before they were opened */
    int64_t min_ms, max_ms; /* max is outside; both 0 without a block */
    int64_t in_order_ms;    /* the max of those that are not late; INT64_MIN without one */
};
void block_set_stats(struct block_set *, struct block_set_stats *);

#endif
