/* key_cache.h -- what earlier requests found out, so that a sample whose identity was seen before
 * costs one look-up instead of a label set: byte keys to entries of any size.
 *
 *     OTLP      resource 'R' attributes                -> its labels
 *               scope    'S' resource, scope           -> its labels
 *               metric   'M' scope, name, unit, type   -> the series' name, when it was seen
 *               stream   'P' metric, attributes, ...   -> references to the store's series
 *
 * Keys are compared whole: no collision makes two streams one. A full cache takes no
 * streams any more, and the next request begins an empty one, so that the size is bounded and
 * entries never move; hence the reference count. Entries live as long as the cache. */
#ifndef CQED_INGEST_KEY_CACHE_H
#define CQED_INGEST_KEY_CACHE_H

#include "base/arena.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

#define KEY_CACHE_BYTES ((size_t)64 << 20) /* or a sixteenth of the memory budget */

struct key_cache;

struct key_cache *key_cache_new(void);
struct key_cache *key_cache_ref(struct key_cache *);
void key_cache_unref(struct key_cache *);
/* A reference to *cache, which a full one leaves to an empty one. The caller guards *cache. */
struct key_cache *key_cache_take(struct key_cache **cache);

/* The lock guards what follows, and whatever the user's entries hold that changes. */
void key_cache_lock(struct key_cache *);
void key_cache_unlock(struct key_cache *);

bool key_cache_is_full(const struct key_cache *);

/* For what entries point to; lives as long as the cache. */
struct arena *key_cache_arena(struct key_cache *);

uint64_t key_cache_hash(const struct key_cache *, struct str key);
/* The entry's payload and number (from 1, for use in the keys of what is below it), or NULL. */
void *key_cache_find(struct key_cache *, struct str key, uint64_t hash, uint32_t *id);
/* A new entry (the key must not be there) with a zeroed payload. */
void *key_cache_add(struct key_cache *, struct str key, uint64_t hash, size_t payload_bytes,
                    uint32_t *id);
/* Let another key lead to an entry's payload; replaces where it led. */
void key_cache_alias(struct key_cache *, struct str key, uint64_t hash, void *payload);

#endif
