/* late.h -- samples of one series that came out of order: older than what it had already. They lie
 * in chunks of their own, by time and apart from one another, beside the chunks of what came in
 * order; reading puts the two together. To insert is to write one chunk anew: dear, but bounded by
 * a chunk, whatever comes in whatever order. Guarded by the head's `visible`. */
#ifndef CQED_STORE_LATE_H
#define CQED_STORE_LATE_H

#include "store/chunk.h"
#include "store/histogram_chunk.h"

struct late { /* zero-initialised */
    struct chunk *chunks;
    size_t n_chunks, chunk_capacity;
    struct histogram_chunk *histograms;
    size_t n_histograms, histogram_capacity;
};

void late_release(struct late *);
bool late_is_empty(const struct late *);
int64_t late_oldest(const struct late *); /* INT64_MAX when empty */

/* There must be no sample at t_ms (late_find). The change of memory is added to *bytes. */
void late_insert(struct late *, int64_t t_ms, double v, int64_t *bytes);
void late_insert_histogram(struct late *, int64_t t_ms, const struct histogram *, int64_t *bytes);

/* For who fills it from a file: one chunk more, after all others. False: it is not after them. */
bool late_add_chunk(struct late *, const struct sample *, size_t n, int64_t *bytes);
bool late_add_histograms(struct late *, const struct histogram_chunk *, int64_t *bytes);

/* What stands at t_ms, as head_judge compares it: the bits of a float or the hash of a histogram.
 */
bool late_find(const struct late *, int64_t t_ms, uint64_t *bits);

/* The floats of [mint, maxt], ascending, in the arena; stops soon after `max`. */
const struct sample *late_read(const struct late *, struct arena *, int64_t mint_ms,
                               int64_t maxt_ms, uint64_t max, size_t *n);

/* Drop the chunks that lie wholly before. */
void late_drop_before(struct late *, int64_t t_ms, int64_t *bytes);

/* The same in what came in order, of one chunk. */
bool chunk_find(const struct chunk *, int64_t t_ms, uint64_t *bits);
bool histogram_chunk_find(const struct histogram_chunk *, int64_t t_ms, uint64_t *bits);

#endif
