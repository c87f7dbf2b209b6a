/* walk.h -- goes through several sorted lists of series at once, label set by label set: how
 * blocks are merged with one another and with the head. */
#ifndef CQED_BLOCK_WALK_H
#define CQED_BLOCK_WALK_H

#include "block/block.h"

/* The series of one block that match, one at a time. */
struct block_walk {
    struct block *block; /* borrowed, open */
    uint32_t *refs;
    size_t n, i;
    struct block_series series; /* the current one; valid until the next step */
    struct arena arena;
};

/* Stand before the first series. Refs are the arena's. */
MUST_CHECK bool block_walk_begin(struct block_walk *, struct block *, struct arena *,
                                 const struct matcher *, size_t n_matchers, struct err *);
MUST_CHECK bool block_walk_next(struct block_walk *, struct err *); /* also at the end: see below */
void block_walk_release(struct block_walk *);

static inline bool block_walk_at_end(const struct block_walk *w)
{
    return w->i > w->n;
}

static inline uint32_t block_walk_ref(const struct block_walk *w)
{
    return w->refs[w->i - 1];
}

/* The least label set of those at which the walks stand; false when all are at their end. */
bool block_walk_least(const struct block_walk *, size_t n, struct labels *least);

static inline bool block_walk_is_at(const struct block_walk *w, struct labels labels)
{
    return !block_walk_at_end(w) && labels_cmp(w->series.labels, labels) == 0;
}

#endif
