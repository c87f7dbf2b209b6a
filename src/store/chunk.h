/* chunk.h -- up to 240 samples of one series, compressed as in Gorilla (Pelkonen et al., PVLDB
 * 8(12), 2015): timestamps as delta of delta, values as XOR with the one before. Every bit pattern
 * of a double comes back, NaN payloads included. In memory only, never on disk.
 *
 *     sample 0:   t 64 bits, v 64 bits
 *     sample k:   dod  0 -> '0' | 14 bits -> '10' | 17 -> '110' | 20 -> '1110' | 64 -> '1111'
 *                 xor  0 -> '0' | fits the last window -> '10' bits | else '11', 5 bits leading
 *                 zeros, 6 bits width (0 = 64), bits
 *
 * The dod widths are Prometheus's, made for milliseconds (tsdb/chunkenc/xor.go). Append is O(1),
 * reading is O(n) from the start. Not locked. */
#ifndef CQED_STORE_CHUNK_H
#define CQED_STORE_CHUNK_H

#include "model/sample.h"
#include "store/slab.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHUNK_MIN_SAMPLES 120 /* a chunk is full here when it is big ... */
#define CHUNK_BIG_BYTES 512
#define CHUNK_MAX_SAMPLES 240 /* ... and here in any case */

struct chunk {
    int64_t first_t_ms;
    int64_t last_t_ms;
    uint8_t *bytes; /* owned; NULL while empty */
    uint32_t n_bits;
    uint16_t capacity_bytes; /* without the padding of bits.h */
    uint16_t n;
};

/* What appending must remember; one per series, since only its newest chunk is open. */
struct chunk_tail {
    uint64_t delta_ms;
    uint64_t bits;   /* of the last value */
    uint8_t leading; /* the XOR window: zeros in front, */
    uint8_t width;   /* and bits that count; 0 = no window yet */
};

void chunk_init(struct chunk *);
void chunk_release(struct chunk *);
bool chunk_is_full(const struct chunk *);

/* t_ms must be over last_t_ms and the chunk not full (CHECKed). */
void chunk_append(struct chunk *, struct chunk_tail *, int64_t t_ms, double v);

/* Give back the spare room of a chunk that gets no more samples. */
void chunk_seal(struct chunk *);

size_t chunk_memory(const struct chunk *); /* bytes behind the pointer */

/* The newest chunk of a series while it grows, without what the series knows anyway: the time and
 * the value (its bits) of the last sample, which come with each call. Its bytes are a slab's. All
 * zero = no chunk. */
struct chunk_open {
    uint8_t *bytes;
    uint32_t delta_ms;
    uint16_t n_bits;
    uint8_t n;
    uint8_t room;           /* of bytes, in steps of the slab, padding included */
    uint8_t leading, width; /* as of chunk_tail */
};

/* Whether it can take a sample at t_ms, which must be over last_t_ms. */
bool chunk_open_takes(const struct chunk_open *, int64_t last_t_ms, int64_t t_ms);
void chunk_open_append(struct chunk_open *, struct slab *, int64_t last_t_ms, uint64_t last_bits,
                       int64_t t_ms, uint64_t bits);
/* The same samples as a chunk: one that borrows the bytes until the next append, or one that owns
 * as many of the slab's as it needs and leaves the open one empty. */
struct chunk chunk_open_view(const struct chunk_open *, int64_t last_t_ms);
struct chunk chunk_open_seal(struct chunk_open *, struct slab *, int64_t last_t_ms);
size_t chunk_open_memory(const struct chunk_open *);
void chunk_open_release(struct chunk_open *, struct slab *);

/* Of a chunk that chunk_open_seal made, instead of chunk_release. */
void chunk_release_sealed(struct chunk *, struct slab *);

/* --- Chunks that come back from a file --- */

#define CHUNK_WALK_PAD 32 /* bytes behind a chunk that chunk_walk may read */

/* What appending the samples would have come to. */
struct chunk_walk {
    int64_t first_t_ms, last_t_ms;
    struct chunk_tail tail;
};

/* Whether the bits are n samples, of ascending time, and nothing else. */
bool chunk_walk(const uint8_t *bytes, size_t n_bits, unsigned n, struct chunk_walk *);

/* Copies of bytes that chunk_walk found sound, as they were: open, and sealed. False: no chunk of
 * the kind can be that big. */
bool chunk_open_from(struct chunk_open *, struct slab *, const uint8_t *bytes, size_t n_bits,
                     unsigned n, const struct chunk_walk *);
bool chunk_sealed_from(struct chunk *, struct slab *, const uint8_t *bytes, size_t n_bits,
                       unsigned n, const struct chunk_walk *);

/* All samples, c->n of them, into an array with room for as many; returns c->n. */
size_t chunk_read(const struct chunk *, struct sample *out);

#endif
