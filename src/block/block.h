/* block.h -- one block on disk, immutable but for its tombstones. Opening reads meta.json only; the
 * index and the chunks are mapped when someone first asks. Bytes are checked as they are read:
 * damage is ERR_CORRUPT, naming the block. Any thread; a block lives as long as someone has a
 * reference, also when its folder is gone. */
#ifndef CQED_BLOCK_BLOCK_H
#define CQED_BLOCK_BLOCK_H

#include "block/chunk.h"
#include "block/index.h"
#include "block/meta.h"
#include "block/tombstones.h"

#include <pthread.h>
#include <stdatomic.h>

struct block {
    char *path;
    struct block_meta meta;
    uint64_t size_bytes;  /* of its files */
    int64_t stones_bytes; /* of its tombstones; they are replaced as a whole */
    _Atomic uint32_t refs;

    pthread_mutex_t lock; /* guards opening; what it sets does not change afterwards */
    bool is_open;
    struct str index_bytes;
    struct block_index *index;
    struct str *segments;
    size_t n_segments;
    struct block_tombstones stones;
};

/* ERR_CORRUPT when meta.json is missing or makes no sense. One reference, the caller's. */
struct block *block_new(const char *path, struct err *);
struct block *block_ref(struct block *);
void block_unref(struct block *);

/* How large its tombstones are on disk by now; -1 when there are none. */
int64_t block_stones_bytes(const struct block *);

/* Map it if that has not been done. All below need it. */
MUST_CHECK bool block_open(struct block *, struct err *);

/* Append a series' samples in [mint_ms, maxt_ms], without the deleted ones. The series is of this
 * block's index, with the ref it was asked by. */
MUST_CHECK bool block_read(const struct block *, uint32_t ref, const struct block_series *,
                           int64_t mint_ms, int64_t maxt_ms, struct points *, struct err *);

/* The same up to the first chunk that has any. */
MUST_CHECK bool block_read_first(const struct block *, uint32_t ref, const struct block_series *,
                                 int64_t mint_ms, int64_t maxt_ms, struct points *, struct err *);

/* As block_read, with the deleted ones. */
MUST_CHECK bool block_read_raw(const struct block *, const struct block_series *, int64_t mint_ms,
                               int64_t maxt_ms, struct points *, struct err *);

/* Read everything: every series, every chunk. */
MUST_CHECK bool block_verify(struct block *, struct err *);

#endif
