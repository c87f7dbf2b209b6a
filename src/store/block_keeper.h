/* block_keeper.h -- the store's housekeeper, on a thread of its own at low priority: what the head
 * has before the border goes to blocks, blocks become larger ones, and what is too old or too much
 * is deleted.
 *
 *     border = the newest multiple of 2 h that is at least 1 h behind the newest sample; of 10 min
 *              and 10 min while storage.memory is past its soft mark, looked at each 5 s
 *
 * The head drops samples only after their block is on disk; parents are deleted only after the
 * child is. A failure (a full disk) is logged, counted, and tried again a minute later. */
#ifndef CQED_STORE_BLOCK_KEEPER_H
#define CQED_STORE_BLOCK_KEEPER_H

#include "base/arena.h"
#include "base/err.h"
#include "model/labels.h"

#include <stdint.h>

struct keeper;
struct store;

/* Sets the head's border to where the blocks end. The store's blocks and head are there. */
struct keeper *keeper_new(struct store *, int64_t retention_ms, uint64_t retention_bytes);
MUST_CHECK bool keeper_start(struct keeper *, struct err *); /* the thread */
void keeper_free(struct keeper *);                           /* or NULL; ends the thread */

void keeper_set_retention(struct keeper *, int64_t retention_ms, uint64_t retention_bytes);

/* One round now, on the calling thread. */
MUST_CHECK bool keeper_round(struct keeper *, struct err *);

/* As store_delete, store_clean and store_snapshot; not during a round. */
MUST_CHECK bool keeper_delete(struct keeper *, const struct matcher *, size_t n_matchers,
                              int64_t mint_ms, int64_t maxt_ms, size_t *n, struct err *);
MUST_CHECK bool keeper_clean(struct keeper *, struct err *);
MUST_CHECK bool keeper_snapshot(struct keeper *, struct arena *, bool head, const char **name,
                                struct err *);

/* As store_snapshot_head. */
MUST_CHECK bool keeper_snapshot_head(struct keeper *, struct err *);

struct keeper_stats {
    uint64_t written;   /* blocks from the head */
    uint64_t compacted; /* blocks made of others */
    uint64_t expired;   /* blocks deleted by retention */
    uint64_t failures;
};
void keeper_stats(struct keeper *, struct keeper_stats *);

#endif
