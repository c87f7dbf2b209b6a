/* block_select.h -- what a head has and what blocks have, as one answer. */
#ifndef CQED_STORE_BLOCK_SELECT_H
#define CQED_STORE_BLOCK_SELECT_H

#include "block/set.h"
#include "store/store.h"

#define BLOCK_MAX_SAMPLES UINT64_C(50000000) /* where the caller names no limit */

/* max_samples is for the samples of one series, and for what histograms of all cost; when all is
 * wanted at once, for all. */
struct block_question {
    const struct matcher *matchers;
    size_t n_matchers;
    int64_t mint_ms, maxt_ms;
    uint64_t max_samples;
    bool first_only;
};

bool over_limit(uint64_t max_samples, struct err *); /* ERR_LIMIT; always false */

/* What a head has: its series, ordered by labels. `read` appends one's samples. */
struct block_head {
    void *self;
    size_t n;
    struct labels (*labels)(void *self, size_t i);
    void (*read)(void *self, size_t i, struct points *);
};

/* Where both have a sample, the blocks' counts. A damaged block is set aside, and left out from
 * there on. */
MUST_CHECK bool block_visit(struct block_set *, const struct block_question *, struct arena *,
                            const struct block_head *, struct store_visitor *, struct err *);

/* All at once, with a head that was read before. */
MUST_CHECK bool block_ask(struct block_set *, const struct block_question *, struct arena *,
                          const struct store_series_data *head, size_t n_head,
                          struct store_series_data **out, size_t *n, struct err *);

#endif
