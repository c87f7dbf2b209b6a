/* meta.h -- a block's meta.json: its name, the time it covers, and what it was made from. A
 * ULID is 48 bits of milliseconds and 80 random ones as 26 letters, so that names sort by age
 * (github.com/ulid/spec). Format: docs/format/block.md. */
#ifndef CQED_BLOCK_META_H
#define CQED_BLOCK_META_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define ULID_TEXT 27 /* with the NUL */

struct ulid {
    char text[ULID_TEXT];
};

struct ulid ulid_new(int64_t now_ms);
bool ulid_is_valid(struct str);

struct block_parent {
    struct ulid ulid;
    int64_t min_ms, max_ms;
};

struct block_meta {
    struct ulid ulid;
    int64_t min_ms; /* the range is [min_ms, max_ms) */
    int64_t max_ms;
    uint64_t n_samples, n_series, n_chunks, n_tombstones;
    int level;            /* 1 = from the head */
    bool is_late;         /* only of samples out of order (a hint of Prometheus's); read only */
    struct ulid *sources; /* the blocks of level 1 in it, itself if it is one; owned */
    size_t n_sources;
    struct block_parent *parents; /* what it was compacted from; owned */
    size_t n_parents;
};

void block_meta_release(struct block_meta *);
void block_meta_add_source(struct block_meta *, struct ulid); /* each once */
void block_meta_add_parent(struct block_meta *, const struct block_meta *parent);
void block_meta_write(const struct block_meta *, struct buf *out);

/* ERR_CORRUPT names what is wrong. On success the caller releases it. */
MUST_CHECK bool block_meta_parse(struct str text, struct block_meta *, struct err *);

#endif
