/* chunk.h -- the chunks inside blocks, in Prometheus's encodings, as whole runs of samples.
 * Format: docs/format/block.md. Reading trusts nothing: what makes no sense is ERR_CORRUPT.
 *
 *     samples    -> block_xor_encode        -> XOR              (1)
 *     histograms -> block_histogram_encode  -> float histogram  (3)
 *     any of 1, integer histogram (2), 3    -> block_chunk_decode -> struct points */
#ifndef CQED_BLOCK_CHUNK_H
#define CQED_BLOCK_CHUNK_H

#include "base/err.h"
#include "block/bits.h"
#include "model/histogram.h"
#include "model/sample.h"

#define BLOCK_CHUNK_MAX_SAMPLES 65535 /* a 16-bit count */

/* Persisted, and Prometheus's: never renumber. */
enum block_encoding {
    BLOCK_XOR = 1,
    BLOCK_HISTOGRAM = 2,      /* integer counts: read only */
    BLOCK_FLOAT_HISTOGRAM = 3 /* what we write */
};

/* Samples of one series on their way through; reused from series to series. */
struct points {
    struct sample *samples; /* owned, as the next array is */
    size_t n;
    size_t capacity;
    struct histogram_sample *histograms;
    size_t n_histograms;
    size_t histogram_capacity;
    struct arena *arena; /* where histograms go */
};

void points_release(struct points *);
static inline void points_clear(struct points *p)
{
    p->n = p->n_histograms = 0;
}
void points_add(struct points *, struct sample);
/* Room for n more samples behind those there are; who fills it adds to p->n. */
struct sample *points_room(struct points *, size_t n);
void points_append(struct points *, const struct points *more);
void points_add_histogram(struct points *, struct histogram_sample);

/* Ascending by time, each time once: of two at the same time the one added first stays. Free when
 * they are so already. */
void points_sort(struct points *);

/* Append the samples in [mint_ms, maxt_ms]. A histogram that is a stale marker becomes a sample
 * that is one. */
MUST_CHECK bool block_chunk_decode(uint8_t encoding, struct str data, int64_t mint_ms,
                                   int64_t maxt_ms, struct points *out, struct err *);

/* The parts of it, for the two kinds. */
MUST_CHECK bool block_histogram_decode(uint8_t encoding, struct str data, int64_t mint_ms,
                                       int64_t maxt_ms, struct points *out, struct err *);

/* All n, 1 to BLOCK_CHUNK_MAX_SAMPLES, ascending by time. The smallest form: where a window of
 * value bits begins and ends is chosen over the whole run, not sample by sample. */
void block_xor_encode(struct bit_writer *, const struct sample *, size_t n);

/* As many of n as fit one chunk (at least 1, at most `max`): a chunk has one bucket layout, and a
 * counter reset only before its first histogram. `before`: the series' histogram in front, or NULL.
 */
size_t block_histogram_encode(struct bit_writer *, const struct histogram *before,
                              const struct histogram_sample *, size_t n, size_t max);

/* XOR of a value with the one before, as both kinds have it. width 0 = no window yet. */
struct xor_state {
    uint64_t bits;
    uint8_t leading;
    uint8_t width;
};

/* False when the bits make no sense; an overrun shows in the reader. */
bool xor_take(struct bit_reader *, struct xor_state *);
void xor_add(struct bit_writer *, struct xor_state *, uint64_t bits);

#endif
