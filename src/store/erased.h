/* erased.h -- what has been deleted of the head. Blocks have their tombstones; the head's
 * samples, and the log's from which they may come back, are hidden by this list until they are
 * gone. Kept in <data>/deletions, a JSON list of {labels, mint, maxt}. Any thread. */
#ifndef CQED_STORE_ERASED_H
#define CQED_STORE_ERASED_H

#include "block/tombstones.h"
#include "model/labels.h"

struct block_erased;

/* A file that makes no sense is set aside (*.corrupt) and logged. */
struct block_erased *block_erased_open(const char *folder, struct err *);
void block_erased_close(struct block_erased *);

/* Remembered after block_erased_save. */
void block_erased_add(struct block_erased *, struct labels, struct block_interval);
MUST_CHECK bool block_erased_save(struct block_erased *, struct err *);

bool block_erased_is_empty(struct block_erased *);

/* Drop the points that are deleted. */
void block_erased_apply(struct block_erased *, struct labels, struct points *);

/* The head has nothing before the horizon, and soon the log will not either. */
void block_erased_forget(struct block_erased *, int64_t horizon_ms);

#endif
