/* block_admin.h -- what operators ask of the store: deletions and snapshots. One at a time, and not
 * while blocks are made of others (the keeper sees to that). */
#ifndef CQED_STORE_BLOCK_ADMIN_H
#define CQED_STORE_BLOCK_ADMIN_H

#include "block/tombstones.h"

struct store;
struct matcher;

/* As store_delete. */
MUST_CHECK bool block_delete(struct store *, const struct matcher *, size_t n_matchers,
                             struct block_interval, size_t *n, struct err *);

/* As store_snapshot; *stop ends it early. */
MUST_CHECK bool block_snapshot(struct store *, struct arena *, bool head, const _Atomic bool *stop,
                               const char **name, struct err *);

#endif
