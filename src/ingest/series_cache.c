#include "ingest/series_cache.h"

#include "base/check.h"
#include "base/mem.h"
#include "store/store.h"

#include <endian.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define BLOCK 4096 /* entries */
#define BLOCKS (SERIES_CACHE_MAX / BLOCK)
#define FIRST_SLOTS 1024
#define PREFETCH_AHEAD 8

#define HASH_BLOCK_BYTES 1024
#define HASH_WORDS (HASH_BLOCK_BYTES / 8)

struct entry {
    uint64_t high; /* these two and the ref are written before n says that the entry is there */
    uint32_t low;
    uint32_t ref;
    _Atomic uint32_t after; /* the entry that came next last time; 0 = the following one */
    _Atomic uint32_t said;
};

struct block {
    struct entry entries[BLOCK];
};

struct series_cache {
    struct store *store;
    uint64_t epoch; /* of the store, from which on its references are good */
    _Atomic unsigned references;
    uint64_t key[HASH_WORDS + 2]; /* the second lane begins two words on */
    uint64_t fold[6];
    _Atomic uint32_t n;
    _Atomic(struct block *) blocks[BLOCKS];
    pthread_mutex_t lock; /* guards what follows, and adding */
    uint32_t *slots;      /* entry + 1; open addressing, a power of two */
    size_t n_slots;
};

/* 2^-90 is worth nothing if the key can be guessed. */
static void draw(void *out, size_t size_bytes)
{
    CHECK(size_bytes <= 4096);
    for (size_t got = 0; got < size_bytes;) {
        ssize_t n = getrandom((char *)out + got, size_bytes - got, 0);
        got += n > 0 ? (size_t)n : 0;
    }
}

struct series_cache *series_cache_new(struct store *store)
{
    struct series_cache *c = mem_zalloc(sizeof *c);
    c->store = store;
    atomic_store(&c->references, 1);
    draw(c->key, sizeof c->key);
    draw(c->fold, sizeof c->fold);
    (void)pthread_mutex_init(&c->lock, NULL);
    c->n_slots = FIRST_SLOTS;
    c->slots = mem_array(c->n_slots, sizeof *c->slots);
    return c;
}

void series_cache_unref(struct series_cache *c)
{
    if (!c || atomic_fetch_sub(&c->references, 1) > 1)
        return;
    for (size_t i = 0; i < BLOCKS; i++)
        free(atomic_load(&c->blocks[i]));
    free(c->slots);
    (void)pthread_mutex_destroy(&c->lock);
    free(c);
}

/* --- The hash --- */

static uint64_t load64(const char *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return le64toh(v);
}

static uint64_t fold(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

struct lanes {
    unsigned __int128 a, b;
};

static inline void add_words(struct lanes *l, const uint64_t *key, uint64_t x, uint64_t y)
{
    l->a += (unsigned __int128)(x + key[0]) * (y + key[1]);
    l->b += (unsigned __int128)(x + key[2]) * (y + key[3]);
}

static struct lanes hash_block(const uint64_t *key, const char *p, size_t n)
{
    struct lanes l = {0, 0};
    for (; n >= 16; n -= 16, p += 16, key += 2)
        add_words(&l, key, load64(p), load64(p + 8));
    if (n > 0) {
        char tail[16] = {0};
        memcpy(tail, p, n);
        add_words(&l, key, load64(tail), load64(tail + 8));
    }
    return l;
}

struct series_hash series_cache_hash(const struct series_cache *c, struct str key)
{
    const uint64_t *f = c->fold;
    uint64_t high = key.n, low = key.n;
    for (size_t at = 0; at < key.n; at += HASH_BLOCK_BYTES) {
        size_t n = key.n - at < HASH_BLOCK_BYTES ? key.n - at : HASH_BLOCK_BYTES;
        struct lanes l = hash_block(c->key, key.p + at, n);
        high = fold(high ^ f[0], f[1]) ^ fold((uint64_t)l.a ^ f[2], (uint64_t)(l.a >> 64) ^ f[3]);
        low = fold(low ^ f[4], f[5]) ^ fold((uint64_t)l.b ^ f[3], (uint64_t)(l.b >> 64) ^ f[2]);
    }
    return (struct series_hash){high, (uint32_t)(low >> 32)};
}

/* --- Entries --- */

static struct entry *entry_of(const struct series_cache *c, uint32_t i)
{
    struct block *b = atomic_load_explicit(&c->blocks[i / BLOCK], memory_order_acquire);
    return &b->entries[i % BLOCK];
}

static bool is_it(const struct entry *e, const struct series_hash *h)
{
    return e->high == h->high && e->low == h->low;
}

/* The slot of the hash, or the free one where it would go. */
static size_t find_slot(const struct series_cache *c, const struct series_hash *h)
{
    size_t i = h->high & (c->n_slots - 1);
    for (; c->slots[i] != 0; i = (i + 1) & (c->n_slots - 1)) {
        if (is_it(entry_of(c, c->slots[i] - 1), h))
            break;
    }
    return i;
}

static uint32_t expected_after(const struct series_cache *c, uint32_t last)
{
    if (last == SERIES_CACHE_NONE)
        return SERIES_CACHE_NONE;
    uint32_t after = atomic_load_explicit(&entry_of(c, last)->after, memory_order_relaxed);
    return after ? after : last + 1;
}

/* What comes some series on, if all goes on as last time. */
static void prefetch(const struct series_cache *c, uint32_t i, uint32_t n)
{
    if (c->store && i + PREFETCH_AHEAD < n)
        store_prefetch(c->store, entry_of(c, i + PREFETCH_AHEAD)->ref);
    if (i + 2 * PREFETCH_AHEAD < n)
        __builtin_prefetch(entry_of(c, i + 2 * PREFETCH_AHEAD), 0);
}

uint32_t series_cache_find(struct series_cache *c, uint32_t last, const struct series_hash *h)
{
    uint32_t n = atomic_load_explicit(&c->n, memory_order_acquire);
    uint32_t i = expected_after(c, last);
    if (i >= n || !is_it(entry_of(c, i), h)) {
        (void)pthread_mutex_lock(&c->lock);
        i = c->slots[find_slot(c, h)] - 1; /* none when it was 0 */
        (void)pthread_mutex_unlock(&c->lock);
        if (i == SERIES_CACHE_NONE)
            return i;
        if (last != SERIES_CACHE_NONE)
            atomic_store_explicit(&entry_of(c, last)->after, i, memory_order_relaxed);
    }
    prefetch(c, i, n);
    return i;
}

static void grow_slots(struct series_cache *c, uint32_t n)
{
    free(c->slots);
    c->n_slots *= 2;
    c->slots = mem_array(c->n_slots, sizeof *c->slots);
    for (uint32_t number = 0; number < n; number++) {
        size_t i = entry_of(c, number)->high & (c->n_slots - 1);
        while (c->slots[i] != 0)
            i = (i + 1) & (c->n_slots - 1);
        c->slots[i] = number + 1;
    }
}

/* Locked. */
static uint32_t append(struct series_cache *c, const struct series_hash *h, uint64_t ref)
{
    uint32_t n = atomic_load(&c->n);
    if (n == SERIES_CACHE_MAX || ref > UINT32_MAX)
        return SERIES_CACHE_NONE;
    if (!atomic_load(&c->blocks[n / BLOCK]))
        atomic_store_explicit(&c->blocks[n / BLOCK], mem_zalloc(sizeof(struct block)),
                              memory_order_release);
    if ((size_t)n * 4 >= c->n_slots * 3)
        grow_slots(c, n);
    struct entry *e = entry_of(c, n);
    e->high = h->high;
    e->low = h->low;
    e->ref = (uint32_t)ref;
    c->slots[find_slot(c, h)] = n + 1;
    atomic_store_explicit(&c->n, n + 1, memory_order_release);
    return n;
}

uint32_t series_cache_add(struct series_cache *c, uint32_t last, const struct series_hash *h,
                          uint64_t ref)
{
    (void)pthread_mutex_lock(&c->lock);
    uint32_t slot = c->slots[find_slot(c, h)];
    uint32_t i = slot ? slot - 1 : append(c, h, ref);
    (void)pthread_mutex_unlock(&c->lock);
    if (i != SERIES_CACHE_NONE && last != SERIES_CACHE_NONE && i != last + 1)
        atomic_store_explicit(&entry_of(c, last)->after, i, memory_order_relaxed);
    return i;
}

/* --- Another one in its place --- */

static void copy_living(struct series_cache *to, const struct series_cache *from, uint32_t n,
                        const struct store_batch *b, uint32_t *places)
{
    for (uint32_t i = 0; i < n; i++) {
        const struct entry *e = entry_of(from, i);
        struct series_hash h = {e->high, e->low};
        places[i] = SERIES_CACHE_NONE;
        if (!store_batch_knows(b, e->ref, from->epoch))
            continue;
        places[i] = append(to, &h, e->ref);
        atomic_store(&entry_of(to, places[i])->said, atomic_load(&e->said));
    }
}

/* A new one, since requests that began before may still add to the old one what is about to leave.
 */
static struct series_cache *copy(struct series_cache *from, const struct store_batch *b)
{
    struct series_cache *to = series_cache_new(from->store);
    memcpy(to->key, from->key, sizeof to->key);
    memcpy(to->fold, from->fold, sizeof to->fold);
    to->epoch = store_batch_epoch(b);
    (void)pthread_mutex_lock(&from->lock);
    uint32_t n = atomic_load(&from->n);
    uint32_t *places = mem_array((size_t)n + 1, sizeof *places);
    copy_living(to, from, n, b, places);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t after = atomic_load(&entry_of(from, i)->after);
        if (places[i] != SERIES_CACHE_NONE && after != 0 && places[after] != SERIES_CACHE_NONE)
            atomic_store(&entry_of(to, places[i])->after, places[after]);
    }
    (void)pthread_mutex_unlock(&from->lock);
    free(places);
    return to;
}

struct series_cache *series_cache_take(struct series_cache **cache, const struct store_batch *b)
{
    struct series_cache *fresh = NULL;
    if (atomic_load(&(*cache)->n) == SERIES_CACHE_MAX)
        fresh = series_cache_new((*cache)->store);
    else if (store_batch_epoch(b) > (*cache)->epoch)
        fresh = copy(*cache, b);
    if (fresh) {
        fresh->epoch = store_batch_epoch(b);
        series_cache_unref(*cache);
        *cache = fresh;
    }
    atomic_fetch_add(&(*cache)->references, 1);
    return *cache;
}

uint64_t series_cache_ref(const struct series_cache *c, uint32_t entry)
{
    return entry_of(c, entry)->ref;
}

bool series_cache_is_news(struct series_cache *c, uint32_t entry, uint32_t said)
{
    return atomic_exchange_explicit(&entry_of(c, entry)->said, said, memory_order_relaxed) != said;
}
