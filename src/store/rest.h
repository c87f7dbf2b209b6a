/* rest.h -- what few series have: native histograms, and samples out of order. Behind one pointer,
 * so that a series of plain floats pays for it with that pointer only. Made with the first of them,
 * kept until the series goes. Guarded by the head's `visible`, unless it says otherwise. */
#ifndef CQED_STORE_REST_H
#define CQED_STORE_REST_H

#include "store/late.h"

#include <stdatomic.h>

struct series_rest {
    /* The newest histogram's; INT64_MIN = none. Read by batches without the lock. */
    _Atomic int64_t histogram_t_ms;
    struct histogram_tail tail;     /* outlives its chunk: increases count from it */
    struct histogram_chunk *chunks; /* by time; the last one is open */
    size_t n_chunks;
    size_t chunk_capacity;
    struct late late;
};

struct series_rest *rest_new(void);
void rest_free(struct series_rest *); /* or NULL */

/* All after here take the change of memory into account in *bytes. t_ms must be over all before. */
void rest_append(struct series_rest *, int64_t t_ms, const struct histogram *, int64_t *bytes);
void rest_drop_before(struct series_rest *, int64_t t_ms, int64_t *bytes);

/* INT64_MAX when there is no sample. */
int64_t rest_oldest(const struct series_rest *);

/* Histograms of [mint, maxt], arena memory, until they cost over `max` or `max_n` are read. */
void rest_read(const struct series_rest *, struct arena *, int64_t mint_ms, int64_t maxt_ms,
               uint64_t max, size_t max_n, const struct histogram_sample **out, size_t *n,
               uint64_t *cost);

/* What a query pays for it. */
uint64_t histogram_cost(const struct histogram *);
struct points;
uint64_t points_cost(const struct points *);

#endif
