/* block_cut.h -- a range of the head becomes a block. */
#ifndef CQED_STORE_BLOCK_CUT_H
#define CQED_STORE_BLOCK_CUT_H

#include "block/meta.h"

struct store;

/* A block in `folder` of the head's samples in [mint_ms, maxt_ms], without what is deleted and what
 * a block of the store has already (late samples come after theirs was written). Its meta is the
 * caller's to release; without any sample there is no block (n_series 0). *stop becoming true ends
 * it with ERR_TIMEOUT. The head is locked for one series at a time. */
MUST_CHECK bool block_cut(struct store *, const char *folder, int64_t mint_ms, int64_t maxt_ms,
                          const _Atomic bool *stop, struct block_meta *out, struct err *);

#endif
