/* index.h -- reads the index of a block (Prometheus's version 2): which series match, and
 * where their chunks are. The bytes are outside data: every offset is bounded and every section's
 * checksum is compared before it is believed; damage is ERR_CORRUPT. Immutable, any thread.
 *
 *     symbols    all label strings; 4 bytes of memory each
 *     postings   (name, value) -> refs of series, ascending, and so ascending by labels
 *     series     ref -> labels, and for each chunk its times and its place
 *
 * Format: docs/format/block.md. */
#ifndef CQED_BLOCK_INDEX_H
#define CQED_BLOCK_INDEX_H

#include "model/labels.h"

struct block_index;

/* `bytes` is borrowed and must outlive the index; so must what it gives out. */
struct block_index *block_index_open(struct str bytes, struct err *);
void block_index_free(struct block_index *);

/* Refs of the series that match, ascending; all of them without a matcher. */
MUST_CHECK bool block_index_select(const struct block_index *, struct arena *,
                                   const struct matcher *, size_t n, uint32_t **refs,
                                   size_t *n_refs, struct err *);

struct block_chunk_place {
    int64_t min_ms, max_ms; /* of its first and last sample */
    uint64_t ref;           /* segment << 32 | offset */
};

struct block_series {
    struct labels labels;
    const struct block_chunk_place *chunks; /* by time */
    size_t n_chunks;
};

MUST_CHECK bool block_index_series(const struct block_index *, struct arena *, uint32_t ref,
                                   struct block_series *, struct err *);

/* Values of one label, or the names of all, sorted; from the postings alone. Strings are the
 * index's. */
MUST_CHECK bool block_index_values(const struct block_index *, struct arena *, struct str name,
                                   struct str **out, size_t *n, struct err *);
MUST_CHECK bool block_index_names(const struct block_index *, struct arena *, struct str **out,
                                  size_t *n, struct err *);

size_t block_index_n_symbols(const struct block_index *);
struct str block_index_symbol(const struct block_index *, size_t number);

#endif
