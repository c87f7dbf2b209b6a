/* block_select.h -- what a head has and what blocks have, as one answer. */
#ifndef CQED_STORE_BLOCK_SELECT_H
#define CQED_STORE_BLOCK_SELECT_H

#include "block/set.h"
#include "store/store.h"

#define BLOCK_MAX_SAMPLES UINT64_C(50000000) /* where the caller names no limit */

struct block_question {
    const struct matcher *matchers;
    size_t n_matchers;
    int64_t mint_ms, maxt_ms;
    uint64_t max_samples;
    bool first_only;
};

/* The head's part is ordered by labels; where both have a sample, the blocks' counts. A damaged
 * block is set aside, and left out. */
MUST_CHECK bool block_ask(struct block_set *, const struct block_question *, struct arena *,
                          const struct store_series_data *head, size_t n_head,
                          struct store_series_data **out, size_t *n, struct err *);

#endif
