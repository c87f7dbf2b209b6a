#include "ingest/key_cache.h"

#include "base/budget.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/random.h>

struct key_entry {
    uint64_t hash;
    void *payload;
    uint32_t id;
    uint32_t key_bytes;
    char key[];
};

struct key_cache {
    _Atomic unsigned references;
    uint64_t seed; /* senders cannot know which keys collide */
    pthread_mutex_t lock;
    struct arena arena;
    struct key_entry **slots; /* open addressing, a power of two */
    size_t n_slots, n;
};

struct key_cache *key_cache_new(void)
{
    struct key_cache *c = mem_zalloc(sizeof *c);
    atomic_store(&c->references, 1);
    if (getrandom(&c->seed, sizeof c->seed, GRND_NONBLOCK) != (ssize_t)sizeof c->seed)
        c->seed = (uint64_t)clock_mono_ns();
    (void)pthread_mutex_init(&c->lock, NULL);
    arena_init(&c->arena);
    c->n_slots = 1024;
    c->slots = mem_array(c->n_slots, sizeof(struct key_entry *));
    return c;
}

struct key_cache *key_cache_ref(struct key_cache *c)
{
    atomic_fetch_add(&c->references, 1);
    return c;
}

void key_cache_unref(struct key_cache *c)
{
    if (!c || atomic_fetch_sub(&c->references, 1) > 1)
        return;
    arena_release(&c->arena);
    free(c->slots);
    (void)pthread_mutex_destroy(&c->lock);
    free(c);
}

void key_cache_lock(struct key_cache *c)
{
    (void)pthread_mutex_lock(&c->lock);
}

void key_cache_unlock(struct key_cache *c)
{
    (void)pthread_mutex_unlock(&c->lock);
}

bool key_cache_is_full(const struct key_cache *c)
{
    uint64_t share = budget_limit() / 16;
    size_t most = share > 0 && share < KEY_CACHE_BYTES ? (size_t)share : KEY_CACHE_BYTES;
    return c->arena.used_bytes + c->n_slots * sizeof(*c->slots) > most;
}

struct key_cache *key_cache_take(struct key_cache **cache)
{
    key_cache_lock(*cache);
    bool full = key_cache_is_full(*cache);
    key_cache_unlock(*cache);
    if (full) {
        key_cache_unref(*cache);
        *cache = key_cache_new();
    }
    return key_cache_ref(*cache);
}

struct arena *key_cache_arena(struct key_cache *c)
{
    return &c->arena;
}

uint64_t key_cache_hash(const struct key_cache *c, struct str key)
{
    return hash64(key.p, key.n, c->seed);
}

/* Where the key is, or the free slot where it would go. */
static struct key_entry **slot_of(struct key_cache *c, struct str key, uint64_t hash)
{
    size_t i = hash & (c->n_slots - 1);
    for (; c->slots[i]; i = (i + 1) & (c->n_slots - 1)) {
        const struct key_entry *e = c->slots[i];
        if (e->hash == hash && str_eq(str_make(e->key, e->key_bytes), key))
            break;
    }
    return &c->slots[i];
}

static void grow(struct key_cache *c)
{
    struct key_entry **old = c->slots;
    size_t n_old = c->n_slots;
    c->n_slots *= 2;
    c->slots = mem_array(c->n_slots, sizeof(struct key_entry *));
    for (size_t i = 0; i < n_old; i++) {
        if (old[i])
            *slot_of(c, str_make(old[i]->key, old[i]->key_bytes), old[i]->hash) = old[i];
    }
    free(old);
}

void *key_cache_find(struct key_cache *c, struct str key, uint64_t hash, uint32_t *id)
{
    const struct key_entry *e = *slot_of(c, key, hash);
    if (!e)
        return NULL;
    *id = e->id;
    return e->payload;
}

static struct key_entry *add_entry(struct key_cache *c, struct str key, uint64_t hash)
{
    CHECK(key.n <= UINT32_MAX);
    if (c->n * 4 >= c->n_slots * 3)
        grow(c);
    struct key_entry **slot = slot_of(c, key, hash);
    struct key_entry *e = arena_alloc(&c->arena, sizeof *e + key.n);
    CHECK(!*slot);
    *e = (struct key_entry){.hash = hash, .id = (uint32_t)++c->n, .key_bytes = (uint32_t)key.n};
    memcpy(e->key, key.p, key.n);
    *slot = e;
    return e;
}

void *key_cache_add(struct key_cache *c, struct str key, uint64_t hash, size_t payload_bytes,
                    uint32_t *id)
{
    struct key_entry *e = add_entry(c, key, hash);
    e->payload = arena_zalloc(&c->arena, payload_bytes);
    *id = e->id;
    return e->payload;
}

void key_cache_alias(struct key_cache *c, struct str key, uint64_t hash, void *payload)
{
    struct key_entry *e = *slot_of(c, key, hash);
    if (!e)
        e = add_entry(c, key, hash);
    e->payload = payload;
}
