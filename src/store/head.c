#include "store/head.h"

#include "base/check.h"
#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <sys/mman.h>

#define PUBLISH_AHEAD 64

static void init_writer_first(pthread_rwlock_t *lock)
{
    pthread_rwlockattr_t attr;
    pthread_rwlockattr_init(&attr);
    /* Without this a steady stream of queries would keep appends out for ever. */
    pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(lock, &attr);
    pthread_rwlockattr_destroy(&attr);
}

void head_init(struct head *h, const struct store_options *o)
{
    const uint64_t most = HEAD_BLOCK * (uint64_t)HEAD_BLOCKS - 1;
    for (size_t i = 0; i < HEAD_SHARDS; i++) {
        struct shard *s = &h->shards[i];
        pthread_mutex_init(&s->lock, NULL);
        s->n = 0;
        s->n_slots = 64;
        s->slots = mem_array(s->n_slots, sizeof *s->slots);
    }
    pthread_mutex_init(&h->making, NULL);
    pthread_mutex_init(&h->tap_lock, NULL);
    init_writer_first(&h->visible);
    init_writer_first(&h->index_lock);
    index_init(&h->index);
    slab_init(&h->label_sets);
    slab_init(&h->slab);
    h->blocks = mem_array(HEAD_BLOCKS, sizeof *h->blocks);
    h->max_series = o->max_series < most ? o->max_series : most;
    h->window_ms = o->out_of_order_ms;
    quotas_init(&h->quotas);
    h->tap = o->tap;
    exemplars_init(&h->exemplars, o->exemplars);
    atomic_store(&h->n_used, 0);
    atomic_store(&h->n_living, 0);
    h->free_slots = NULL;
    h->n_free = h->free_capacity = 0;
    h->newest = 0;
    gone_init(&h->gone, HEAD_GONE);
    gone_init(&h->gone_histograms, HEAD_GONE_HISTOGRAMS);
    atomic_store(&h->epoch, 1);
    h->batches = leases_new();
    h->readers = leases_new();
    h->removal = (struct removal){0};
    atomic_store(&h->chunk_bytes, 0);
    atomic_store(&h->min_t_ms, INT64_MAX);
    atomic_store(&h->max_t_ms, INT64_MIN);
    atomic_store(&h->border_ms, INT64_MIN);
    atomic_store(&h->late_min_ms, INT64_MAX);
    atomic_store(&h->horizon_ms, INT64_MIN);
}

struct labels head_labels(const struct head *h, struct arena *arena, const struct series *s)
{
    return index_labels(&h->index, arena, s->labels);
}

static struct series *existing(struct head *h, uint64_t ref)
{
    struct series *s = head_at(h, ref);
    CHECK(s);
    return s;
}

static size_t label_set_bytes(size_t n)
{
    return (n > 0 ? n : 1) * sizeof(uint32_t);
}

static uint32_t *new_label_set(struct head *h, size_t n)
{
    size_t size_bytes = label_set_bytes(n);
    return size_bytes <= SLAB_MAX_BYTES ? slab_alloc(&h->label_sets, size_bytes)
                                        : mem_array(n, sizeof(uint32_t));
}

static void free_label_set(struct head *h, struct label_set labels)
{
    void *v = (void *)(uintptr_t)labels.v;
    size_t size_bytes = label_set_bytes(labels.n);
    if (size_bytes <= SLAB_MAX_BYTES)
        slab_free(&h->label_sets, v, size_bytes);
    else
        free(v);
}

static void release_series(struct head *h, struct series *s)
{
    free_label_set(h, s->labels);
    for (uint32_t i = 0; i < s->n_chunks; i++)
        chunk_release_sealed(&s->chunks[i], &h->slab);
    free(s->chunks);
    chunk_open_release(&s->open, &h->slab);
    rest_free(atomic_load(&s->rest));
}

void head_release(struct head *h)
{
    uint32_t n = atomic_load(&h->n_used);
    removal_release(h);
    for (uint32_t slot = 1; slot <= n; slot++) {
        struct series *s = head_in(h, slot);
        if (s)
            release_series(h, s);
    }
    for (size_t i = 0; i < HEAD_BLOCKS; i++)
        free(atomic_load(&h->blocks[i]));
    free(h->blocks);
    for (size_t i = 0; i < HEAD_SHARDS; i++) {
        free(h->shards[i].slots);
        pthread_mutex_destroy(&h->shards[i].lock);
    }
    index_release(&h->index);
    quotas_release(&h->quotas);
    exemplars_release(&h->exemplars);
    slab_release(&h->label_sets);
    slab_release(&h->slab);
    free(h->free_slots);
    gone_release(&h->gone);
    gone_release(&h->gone_histograms);
    leases_unref(h->batches);
    leases_unref(h->readers);
    pthread_rwlock_destroy(&h->index_lock);
    pthread_rwlock_destroy(&h->visible);
    pthread_mutex_destroy(&h->making);
    pthread_mutex_destroy(&h->tap_lock);
}

/* --- The shards' tables --- */

/* The high bits choose the shard, the low ones the slot. */
static struct shard *shard_of(struct head *h, uint64_t hash)
{
    return &h->shards[hash >> 60 & (HEAD_SHARDS - 1)];
}

/* The slot of the labels, or the free one where they would go. */
static size_t find_slot(struct head *h, const struct shard *s, uint64_t hash, struct labels labels)
{
    size_t i = hash & (s->n_slots - 1);
    for (; s->slots[i].ref != 0; i = (i + 1) & (s->n_slots - 1)) {
        if (s->slots[i].hash == (uint32_t)hash &&
            index_labels_eq(&h->index, existing(h, s->slots[i].ref)->labels, labels))
            break;
    }
    return i;
}

/* Whoever asks for a series that is about to leave keeps it. */
static struct series *lookup(struct head *h, uint64_t hash, struct labels labels)
{
    struct shard *shard = shard_of(h, hash);
    pthread_mutex_lock(&shard->lock);
    struct series *s = head_at(h, shard->slots[find_slot(h, shard, hash, labels)].ref);
    if (s && atomic_load_explicit(&s->leaves, memory_order_relaxed))
        atomic_store(&s->leaves, false);
    pthread_mutex_unlock(&shard->lock);
    return s;
}

bool head_lives(const struct head *h, uint64_t ref)
{
    uint32_t slot = head_slot(ref);
    if (slot == 0 || slot > atomic_load_explicit(&h->n_used, memory_order_acquire))
        return false;
    const struct series *s = head_place(h, slot);
    return atomic_load_explicit(&s->ref, memory_order_acquire) == ref && !atomic_load(&s->leaves);
}

static void grow(struct shard *s)
{
    struct shard_slot *old = s->slots;
    size_t n_old = s->n_slots;
    s->n_slots *= 2;
    CHECK(s->n_slots <= UINT32_MAX);
    s->slots = mem_array(s->n_slots, sizeof *s->slots);
    for (size_t i = 0; i < n_old; i++) {
        size_t at = old[i].hash & (s->n_slots - 1);
        while (old[i].ref != 0 && s->slots[at].ref != 0)
            at = (at + 1) & (s->n_slots - 1);
        if (old[i].ref != 0)
            s->slots[at] = old[i];
    }
    free(old);
}

static void publish(struct head *h, uint64_t hash, struct labels labels, uint32_t ref)
{
    struct shard *s = shard_of(h, hash);
    pthread_mutex_lock(&s->lock);
    if (s->n * 4 >= s->n_slots * 3)
        grow(s);
    s->slots[find_slot(h, s, hash, labels)] = (struct shard_slot){(uint32_t)hash, ref};
    s->n++;
    pthread_mutex_unlock(&s->lock);
}

/* What stands behind moves up, so that it is still found. */
static void clear_entry(struct shard *s, size_t hole)
{
    const size_t mask = s->n_slots - 1;
    for (size_t i = (hole + 1) & mask; s->slots[i].ref != 0; i = (i + 1) & mask) {
        size_t home = s->slots[i].hash & mask;
        if (((i - home) & mask) < ((i - hole) & mask))
            continue;
        s->slots[hole] = s->slots[i];
        hole = i;
    }
    s->slots[hole].ref = 0;
    s->n--;
}

bool head_unpublish(struct head *h, struct series *series, uint64_t hash)
{
    struct shard *s = shard_of(h, hash);
    pthread_mutex_lock(&s->lock);
    bool leaves = atomic_load(&series->leaves);
    if (leaves) {
        size_t i = hash & (s->n_slots - 1);
        while (s->slots[i].ref != atomic_load(&series->ref)) {
            CHECK(s->slots[i].ref != 0);
            i = (i + 1) & (s->n_slots - 1);
        }
        clear_entry(s, i);
    }
    pthread_mutex_unlock(&s->lock);
    return leaves;
}

/* --- Making a series --- */

/* The memory of a slot that was never used. */
static void make_place(struct head *h, uint32_t slot)
{
    struct series_block *block = atomic_load(&h->blocks[slot / HEAD_BLOCK]);
    if (!block) {
        block = aligned_alloc(sizeof *block, sizeof *block);
        if (!block)
            check_no_memory(sizeof *block);
        (void)madvise(block, sizeof *block, MADV_HUGEPAGE); /* only faster */
        atomic_store_explicit(&h->blocks[slot / HEAD_BLOCK], block, memory_order_release);
    }
    memset(&block->series[slot % HEAD_BLOCK], 0, sizeof *block->series);
}

static void init_series(struct series *s)
{
    uint8_t generation = s->generation;
    memset(s, 0, sizeof *s);
    s->generation = generation;
    s->base = NAN;
    atomic_store(&s->last_t_ms, SERIES_EMPTY);
}

static int64_t tail_memory(const struct series_rest *rest)
{
    return rest ? (int64_t)histogram_tail_memory(&rest->tail) : 0;
}

void head_clear_slot(struct head *h, uint32_t slot)
{
    struct series *s = head_place(h, slot);
    head_count_bytes(h, -tail_memory(atomic_load(&s->rest)));
    release_series(h, s);
    init_series(s);
}

/* The lowest free one: families stay together. */
static uint32_t take_slot(struct head *h)
{
    if (h->n_free > 0)
        return h->free_slots[--h->n_free];
    uint32_t slot = atomic_load(&h->n_used) + 1;
    make_place(h, slot);
    init_series(head_place(h, slot));
    return slot;
}

/* Series come in families: most of their labels are those of the one before. */
static uint32_t intern_after(struct head *h, struct label l, struct label_set before, size_t i)
{
    bool known;
    if (i < before.n) {
        const struct index_pair *p = index_pair_of(&h->index, before.v[i]);
        if (str_eq(p->value, l.value) && str_eq(p->name->name, l.name))
            return p->number;
    }
    return index_intern(&h->index, l, &known);
}

/* The index must be locked for writing. */
static struct label_set intern(struct head *h, struct labels labels)
{
    uint32_t *v = new_label_set(h, labels.n);
    struct label_set before = h->newest ? head_place(h, h->newest)->labels : (struct label_set){0};
    for (size_t i = 0; i < labels.n; i++)
        v[i] = intern_after(h, labels.v[i], before, i);
    return (struct label_set){(uint32_t)labels.n, v};
}

void head_bind(struct head *h, struct series *s, struct labels labels)
{
    pthread_mutex_lock(&h->tap_lock);
    s->token = h->tap ? h->tap->bind(h->tap->self, labels) : 0;
    pthread_mutex_unlock(&h->tap_lock);
}

void head_remember(struct head *h, struct series *s, uint64_t hash)
{
    struct series_rest *rest = atomic_load(&s->rest);
    bool counted = rest && atomic_load(&rest->histogram_t_ms) != INT64_MIN;
    struct gone_series gone = {.hash = hash,
                               .last_t_ms = atomic_load(&s->last_t_ms),
                               .last_bits = atomic_load(&s->last_bits),
                               .base = s->base,
                               .rest = counted ? rest : NULL};
    if (s->token == 0 || gone.last_t_ms == SERIES_EMPTY)
        return;
    if (counted)
        atomic_store(&s->rest, NULL);
    head_count_bytes(h, -tail_memory(gone.rest));
    gone_put(counted ? &h->gone_histograms : &h->gone, &gone);
}

/* One that had left and that the tap counts goes on where it was. */
static void come_back(struct head *h, struct series *s, uint64_t hash)
{
    struct gone_series was;
    if (!gone_take(&h->gone, hash, &was) && !gone_take(&h->gone_histograms, hash, &was))
        return;
    s->base = was.base;
    atomic_store(&s->last_t_ms, was.last_t_ms);
    atomic_store(&s->last_bits, was.last_bits);
    atomic_store(&s->rest, was.rest);
    head_count_bytes(h, tail_memory(was.rest));
}

static struct series *make(struct head *h, uint64_t hash, struct labels labels)
{
    uint32_t slot = take_slot(h);
    struct series *s = head_place(h, slot);
    uint32_t ref = (uint32_t)s->generation << HEAD_SLOT_BITS | slot;
    head_bind(h, s, labels);
    if (s->token)
        come_back(h, s, hash);
    pthread_rwlock_wrlock(&h->index_lock);
    s->labels = intern(h, labels);
    atomic_store_explicit(&s->ref, ref, memory_order_release);
    index_add(&h->index, s->labels, slot);
    if (slot > atomic_load(&h->n_used))
        atomic_store_explicit(&h->n_used, slot, memory_order_release);
    pthread_rwlock_unlock(&h->index_lock);
    atomic_fetch_add(&h->n_living, 1);
    h->newest = slot;
    publish(h, hash, labels, ref);
    return s;
}

struct series *head_series(struct head *h, struct labels labels, bool *is_new)
{
    uint64_t hash = labels_hash(labels);
    struct series *s = lookup(h, hash, labels);
    *is_new = false;
    if (s)
        return s;
    pthread_mutex_lock(&h->making);
    s = lookup(h, hash, labels);
    if (!s && quotas_admit(h, labels)) {
        s = make(h, hash, labels);
        *is_new = true;
    }
    pthread_mutex_unlock(&h->making);
    return s;
}

struct series *head_series_after(struct head *h, const struct series *before, struct labels labels,
                                 bool *is_new)
{
    uint32_t slot = before ? head_slot(atomic_load(&before->ref)) + 1 : 0;
    struct series *s = slot > 0 && slot <= atomic_load(&h->n_used) ? head_in(h, slot) : NULL;
    *is_new = false;
    return s && index_labels_eq(&h->index, s->labels, labels) ? s : head_series(h, labels, is_new);
}

/* --- From a snapshot --- */

void head_reserve(struct head *h, uint32_t n)
{
    for (uint32_t slot = 1; slot <= n; slot++) {
        make_place(h, slot);
        init_series(head_place(h, slot));
        atomic_store_explicit(&head_place(h, slot)->ref, slot, memory_order_relaxed);
    }
    for (size_t i = 0; i < HEAD_SHARDS; i++) {
        struct shard *s = &h->shards[i];
        while (s->n_slots < (size_t)n / HEAD_SHARDS * 2)
            grow(s);
    }
    atomic_store(&h->n_used, n);
}

void head_reserve_end(struct head *h, uint32_t n)
{
    for (uint32_t slot = n + 1; slot <= atomic_load(&h->n_used); slot++)
        atomic_store(&head_place(h, slot)->ref, 0);
    atomic_store(&h->n_used, n);
    atomic_store(&h->n_living, n);
    h->newest = n;
}

/* As find_slot, which compares labels: here they are numbers already. */
static size_t find_number_slot(struct head *h, const struct shard *s, uint64_t hash,
                               struct label_set labels)
{
    size_t i = hash & (s->n_slots - 1);
    for (; s->slots[i].ref != 0; i = (i + 1) & (s->n_slots - 1)) {
        struct label_set other = existing(h, s->slots[i].ref)->labels;
        if (s->slots[i].hash == (uint32_t)hash && other.n == labels.n &&
            memcmp(other.v, labels.v, labels.n * sizeof *labels.v) == 0)
            break;
    }
    return i;
}

void head_name(struct head *h, uint32_t slot, struct label_set labels)
{
    uint32_t *v = new_label_set(h, labels.n);
    memcpy(v, labels.v, labels.n * sizeof *v);
    head_place(h, slot)->labels = (struct label_set){labels.n, v};
    index_add(&h->index, head_place(h, slot)->labels, slot);
}

static bool publish_next(struct head *h, uint32_t slot, uint64_t hash)
{
    struct shard *s = shard_of(h, hash);
    if (s->n * 4 >= s->n_slots * 3)
        grow(s);
    size_t i = find_number_slot(h, s, hash, head_place(h, slot)->labels);
    if (s->slots[i].ref != 0)
        return false;
    s->slots[i] = (struct shard_slot){(uint32_t)hash, slot};
    s->n++;
    return true;
}

/* Loads that do not wait for one another, before each is waited for. */
static void touch_shards(struct head *h, const uint64_t *hashes, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        const struct shard *s = shard_of(h, hashes[i]);
        (void)*(volatile const uint32_t *)&s->slots[hashes[i] & (s->n_slots - 1)].ref;
    }
}

bool head_publish(struct head *h, const uint64_t *hashes, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (i % PUBLISH_AHEAD == 0)
            touch_shards(h, hashes + i, n - i < PUBLISH_AHEAD ? n - i : PUBLISH_AHEAD);
        if (!publish_next(h, i + 1, hashes[i]))
            return false;
    }
    return true;
}

/* No series is made meanwhile, so those there are all there are. */
void head_set_tap(struct head *h, const struct store_tap *tap, void (*swap)(void *arg), void *arg)
{
    struct arena arena = ARENA_INIT;
    pthread_mutex_lock(&h->making);
    pthread_mutex_lock(&h->tap_lock);
    h->tap = tap;
    swap(arg);
    for (uint32_t slot = 1; slot <= atomic_load(&h->n_used); slot++) {
        struct series *s = head_in(h, slot);
        if (!s)
            continue;
        s->token = tap->bind(tap->self, head_labels(h, &arena, s));
        arena_clear(&arena);
    }
    pthread_mutex_unlock(&h->tap_lock);
    pthread_mutex_unlock(&h->making);
    arena_release(&arena);
}
