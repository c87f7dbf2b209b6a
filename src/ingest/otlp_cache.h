/* otlp_cache.h -- what earlier requests found out, so that a point whose metric and attributes were
 * seen before costs one look-up instead of a label set: byte keys to entries of any size.
 *
 *     resource 'R' attributes                -> its labels
 *     scope    'S' resource, scope           -> its labels
 *     metric   'M' scope, name, unit, type   -> the series' name, when it was seen
 *     stream   'P' metric, attributes, ...   -> references to the store's series
 *
 * Keys are compared whole: no collision makes two streams one. A full cache takes no
 * streams any more, and the next request begins an empty one, so that the size is bounded and
 * entries never move; hence the reference count. Entries live as long as the cache. */
#ifndef CQED_INGEST_OTLP_CACHE_H
#define CQED_INGEST_OTLP_CACHE_H

#include "base/arena.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

#define OTLP_CACHE_BYTES ((size_t)64 << 20)

struct otlp_cache;

struct otlp_cache *otlp_cache_new(void);
struct otlp_cache *otlp_cache_ref(struct otlp_cache *);
void otlp_cache_unref(struct otlp_cache *);

/* The lock guards what follows, and whatever the user's entries hold that changes. */
void otlp_cache_lock(struct otlp_cache *);
void otlp_cache_unlock(struct otlp_cache *);

bool otlp_cache_is_full(const struct otlp_cache *);

/* For what entries point to; lives as long as the cache. */
struct arena *otlp_cache_arena(struct otlp_cache *);

uint64_t otlp_cache_hash(const struct otlp_cache *, struct str key);
/* The entry's payload and number (from 1, for use in the keys of what is below it), or NULL. */
void *otlp_cache_find(struct otlp_cache *, struct str key, uint64_t hash, uint32_t *id);
/* A new entry (the key must not be there) with a zeroed payload. */
void *otlp_cache_add(struct otlp_cache *, struct str key, uint64_t hash, size_t payload_bytes,
                     uint32_t *id);
/* Let another key lead to an entry's payload; replaces where it led. */
void otlp_cache_alias(struct otlp_cache *, struct str key, uint64_t hash, void *payload);

#endif
