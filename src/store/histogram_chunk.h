/* histogram_chunk.h -- up to 240 native histograms of one layout, compressed column by column. The
 * layout (schema, zero threshold, spans, custom bounds) stands once; another layout needs another
 * chunk, and neighbours of the same layout share it. In memory only, never on disk.
 *
 *     layout   { 3, 1e-128, spans {-2 2} {1 1} }
 *     columns    count   zero   sum   bucket -2   bucket -1   bucket 1
 *     sample 0     7       1    12.5      1           2          3      <- each as a difference to
 * 0 sample 1     9       1    13.0      1           3          4      <- to the sample before
 *
 *     time     delta of delta; sample 0's is first_t_ms
 *     hint     same as before -> '0' | '1' and 2 bits
 *     counts   whole numbers in the whole chunk: delta of delta; else XOR with the one before
 *     sum      XOR with the one before
 *     delta of delta   0 -> '0' | 4 bits -> '10' | 7 -> '110' | 10 | 14 | 20 | 32 | 64 -> '1111111'
 *     XOR              0 -> '0' | '1', 6 bits leading zeros, 6 bits width - 1, bits
 *
 * Idea: Prometheus, tsdb/chunkenc/float_histogram.go. Append costs O(columns), reading O(n x
 * columns) from the start. Every bit of every histogram comes back. Not locked. */
#ifndef CQED_STORE_HISTOGRAM_CHUNK_H
#define CQED_STORE_HISTOGRAM_CHUNK_H

#include "base/arena.h"
#include "base/buf.h"
#include "model/histogram.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_CHUNK_MAX_SAMPLES 240
#define HISTOGRAM_CHUNK_BIG_BYTES 8192 /* full here, whatever the number of samples */

struct histogram_layout; /* counted by chunks and tails, without atomics */

struct histogram_chunk {
    int64_t first_t_ms;
    int64_t last_t_ms;
    struct histogram_layout *layout;
    uint8_t *bytes; /* owned; NULL while empty */
    uint32_t n_bits;
    uint32_t capacity_bytes; /* without the padding of bits.h */
    uint32_t n;
};

/* What appending must remember, one per series: its newest histogram, and how that differs from the
 * one before. Zero-initialised. */
struct histogram_tail {
    struct histogram_layout *layout; /* NULL before the first histogram */
    double *values;                  /* owned, one a column */
    int64_t *deltas;                 /* behind the values */
    uint64_t delta_ms;
    enum histogram_hint hint;
};

void histogram_tail_release(struct histogram_tail *);
size_t histogram_tail_memory(const struct histogram_tail *);

/* The newest histogram; its arrays are the tail's and change with the next append. False when there
 * is none. */
bool histogram_tail_newest(const struct histogram_tail *, struct histogram *out);

/* Begin a chunk for histograms laid out like this one, which must have passed histogram_validate.
 */
void histogram_chunk_init(struct histogram_chunk *, struct histogram_tail *,
                          const struct histogram *);
void histogram_chunk_release(struct histogram_chunk *);

/* Whether the chunk, the tail's, has room and is laid out so that it can take the histogram. */
bool histogram_chunk_takes(const struct histogram_chunk *, const struct histogram_tail *,
                           const struct histogram *);

/* Only what it takes, t_ms over last_t_ms (CHECKed). */
void histogram_chunk_append(struct histogram_chunk *, struct histogram_tail *, int64_t t_ms,
                            const struct histogram *);

/* Give back the spare room of a chunk that gets no more samples. */
void histogram_chunk_seal(struct histogram_chunk *);

/* What two histograms at the same time are compared by: all but the hint. */
uint64_t histogram_hash(const struct histogram *);

/* Bytes behind the pointers; a shared layout counts in each chunk. */
size_t histogram_chunk_memory(const struct histogram_chunk *);

/* --- Chunks that come back from a file --- */

/* What histogram_chunk_take needs. n and n_bits may be less than what the bytes hold by now. */
void histogram_chunk_add(struct buf *out, const struct histogram_chunk *);
/* A sealed chunk, which shares the layout of the one before it (or NULL) where it can. False: it
 * makes no sense; *from is then anywhere. */
bool histogram_chunk_take(struct str *from, const struct histogram_chunk *before,
                          struct histogram_chunk *out);

/* The tail as if this had come last, in a chunk that takes no more. */
void histogram_tail_set(struct histogram_tail *, const struct histogram *);

struct histogram_reader {
    const struct histogram_chunk *chunk;
    struct arena *arena;
    struct histogram layout; /* spans and bounds: copies in the arena, which all samples share */
    size_t at;
    uint32_t i;
    double *values;
    int64_t *deltas;
    int64_t t_ms;
    uint64_t delta_ms;
    enum histogram_hint hint;
};

/* What is read is the arena's and outlives the chunk. A skip that runs out of the chunk's bits ends
 * the reading: such a chunk came from a file and is refused (histogram_chunk_take). */
void histogram_reader_init(struct histogram_reader *, struct arena *,
                           const struct histogram_chunk *);
bool histogram_reader_skip(struct histogram_reader *, int64_t *t_ms); /* move on, build nothing */
struct histogram *histogram_reader_current(const struct histogram_reader *); /* after a skip */

#endif
