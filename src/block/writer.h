/* writer.h -- makes one block of Prometheus's format: a folder <ulid> with meta.json, index,
 * chunks/000001 ... and tombstones. Everything is written and synced in <ulid>.tmp-for-creation,
 * which is renamed at the end: a block is whole or absent.
 *
 *     new (all label strings) -> add, series by series, labels ascending -> finish
 *
 * Memory: the label strings and 8 bytes for each label of each series.
 * Fault points: block.write, block.sync, block.rename. Format: docs/format/block.md. */
#ifndef CQED_BLOCK_WRITER_H
#define CQED_BLOCK_WRITER_H

#include "block/chunk.h"
#include "block/meta.h"
#include "model/labels.h"

#define BLOCK_TEMPORARY ".tmp-for-creation"
#define BLOCK_DOOMED ".tmp-for-deletion"
#define BLOCK_SEGMENT_BYTES (UINT64_C(512) << 20)

#define BLOCK_HEAD_CHUNK_SAMPLES 120
#define BLOCK_COMPACTED_CHUNK_SAMPLES 960

struct block_writer;

/* `symbols`: every string that a label of a series has, sorted, each once; more do no harm.
 * `folder` exists; both are borrowed until the end. */
struct block_writer *block_writer_new(const char *folder, struct ulid, const struct str *symbols,
                                      size_t n_symbols, size_t chunk_samples, struct err *);

/* A series without points is passed over. Points are as points_sort leaves them. */
MUST_CHECK bool block_writer_add(struct block_writer *, struct labels, const struct points *,
                                 struct err *);

uint64_t block_writer_samples(const struct block_writer *); /* so far */

/* The block is there and on disk. Fills the meta's counts; its ulid, range and history are the
 * caller's. */
MUST_CHECK bool block_writer_finish(struct block_writer *, struct block_meta *, struct err *);

/* What is not finished is removed. */
void block_writer_free(struct block_writer *);

#endif
