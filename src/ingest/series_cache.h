/* series_cache.h -- which series of the store a sender's bytes of labels mean, so that a series
 * that was sent before costs a hash of its labels instead of a label set: 32 bytes a series.
 *
 *     entries:  hash -> ref, in the order in which they first came      read without a lock
 *     slots:    hash -> entry                                           locked
 *
 * Senders mostly send the same series in the same order, so each entry knows which one came after
 * it last time (at first: the next one), and prefetches what appending to those behind it will
 * touch.
 *
 * Labels are known by a hash of 96 bits alone. It is NH (Black et al., UMAC, CRYPTO 1999) under a
 * key that is the process's secret, two lanes wide: whoever does not know the key makes two label
 * sets collide with a chance below 2^-90, whatever they send. */
#ifndef CQED_INGEST_SERIES_CACHE_H
#define CQED_INGEST_SERIES_CACHE_H

#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

#define SERIES_CACHE_MAX 2097152 /* series; a fuller one is left for an empty one */

struct series_cache;
struct store;
struct store_batch;

struct series_cache *series_cache_new(struct store *); /* NULL: nothing is prefetched */
void series_cache_unref(struct series_cache *);
/* A reference to *cache for this batch. A full one leaves its place to an empty one, and one of an
 * older epoch (store.h) to one without the series that are gone. The caller guards *cache. */
struct series_cache *series_cache_take(struct series_cache **cache, const struct store_batch *);

struct series_hash {
    uint64_t high;
    uint32_t low;
};

struct series_hash series_cache_hash(const struct series_cache *, struct str key);

#define SERIES_CACHE_NONE UINT32_MAX

/* The entry's number, or SERIES_CACHE_NONE. `last` is the one that the request asked for before, or
 * none. */
uint32_t series_cache_find(struct series_cache *, uint32_t last, const struct series_hash *);
/* A new one, or the one that another thread made meanwhile; none when the cache is full. */
uint32_t series_cache_add(struct series_cache *, uint32_t last, const struct series_hash *,
                          uint64_t ref);

uint64_t series_cache_ref(const struct series_cache *, uint32_t entry);

/* A hash of what the sender says of the series: true when it is other than last time. */
bool series_cache_is_news(struct series_cache *, uint32_t entry, uint32_t said);

#endif
