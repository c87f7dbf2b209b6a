#include "store/removal.h"

#include "base/mem.h"
#include "store/head.h"

#include <stdlib.h>
#include <unistd.h>

#define GROUP 1024 /* series that are looked at under one lock */
#define POSTINGS_BYTES (256u << 10)
#define WAIT_US 1000
#define WAITS 1000

const char *removal_state_name(enum removal_state state)
{
    static const char *const names[] = {
#define X(code, name) name,
        REMOVAL_STATES(X)
#undef X
    };
    return names[state];
}

static bool is_dead(const struct series *s, int64_t horizon_ms)
{
    const struct series_rest *rest = atomic_load_explicit(&s->rest, memory_order_relaxed);
    return series_n_chunks(s) == 0 && (!rest || rest_oldest(rest) == INT64_MAX) &&
           atomic_load_explicit(&s->last_t_ms, memory_order_relaxed) < horizon_ms;
}

/* --- Marking --- */

static void mark_group(struct head *h, uint32_t from, uint32_t to)
{
    struct removal *r = &h->removal;
    pthread_rwlock_rdlock(&h->visible);
    for (uint32_t slot = from; slot <= to; slot++) {
        struct series *s = head_in(h, slot);
        if (!s || !is_dead(s, r->horizon_ms))
            continue;
        atomic_store(&s->leaves, true);
        r->slots = mem_grow(r->slots, r->n, &r->capacity, sizeof *r->slots);
        r->slots[r->n++] = slot;
    }
    pthread_rwlock_unlock(&h->visible);
}

/* The marks before the epoch, the epoch before the turn: a batch that does not see it is waited
 * for. */
static void mark(struct head *h)
{
    struct removal *r = &h->removal;
    int64_t horizon_ms = atomic_load(&h->horizon_ms);
    uint32_t n = atomic_load(&h->n_used);
    if (horizon_ms == INT64_MIN || (r->marked_before && horizon_ms == r->horizon_ms))
        return;
    r->horizon_ms = horizon_ms;
    r->marked_before = true;
    for (uint32_t from = 1; from <= n; from += GROUP)
        mark_group(h, from, n - from < GROUP ? n : from + GROUP - 1);
    if (r->n == 0)
        return;
    atomic_fetch_add(&h->epoch, 1);
    leases_turn(h->batches);
    r->state = REMOVAL_MARKED;
}

/* --- Unlinking --- */

struct group {
    uint32_t slots[GROUP];
    uint64_t hashes[GROUP];
    uint32_t tokens[GROUP];
    size_t n;
};

static void fill_group(struct head *h, struct group *g, const uint32_t *slots, size_t n)
{
    struct arena arena = ARENA_INIT;
    g->n = n < GROUP ? n : GROUP;
    for (size_t i = 0; i < g->n; i++) {
        g->slots[i] = slots[i];
        g->tokens[i] = 0;
        g->hashes[i] = labels_hash(head_labels(h, &arena, head_place(h, slots[i])));
        arena_clear(&arena);
    }
    arena_release(&arena);
}

/* Unless somebody wants it. All but the index's lock are held. */
static bool take_out(struct head *h, struct series *s, uint64_t hash, uint32_t *token)
{
    if (!is_dead(s, h->removal.horizon_ms) || !head_unpublish(h, s, hash)) {
        atomic_store(&s->leaves, false);
        return false;
    }
    head_remember(h, s, hash);
    *token = s->token;
    if (h->newest == head_slot(atomic_load(&s->ref)))
        h->newest = 0;
    atomic_store(&s->ref, 0);
    atomic_store(&s->leaves, false);
    s->generation = (uint8_t)((s->generation + 1) % HEAD_GENERATIONS);
    atomic_fetch_sub(&h->n_living, 1);
    return true;
}

static void unbind(struct head *h, const struct group *g)
{
    for (size_t i = 0; h->tap && h->tap->unbind && i < g->n; i++) {
        if (g->tokens[i] != 0)
            h->tap->unbind(h->tap->self, g->tokens[i]);
    }
}

/* Those of the group that left go to the front of r->slots. */
static void unlink_group(struct head *h, struct group *g, size_t *n_left)
{
    struct removal *r = &h->removal;
    pthread_mutex_lock(&h->making);
    pthread_mutex_lock(&h->tap_lock);
    pthread_rwlock_wrlock(&h->visible);
    for (size_t i = 0; i < g->n; i++) {
        if (take_out(h, head_place(h, g->slots[i]), g->hashes[i], &g->tokens[i]))
            r->slots[(*n_left)++] = g->slots[i];
    }
    pthread_rwlock_unlock(&h->visible);
    unbind(h, g);
    pthread_mutex_unlock(&h->tap_lock);
    pthread_mutex_unlock(&h->making);
}

/* How many of those that left have each label, by its number; and which numbers there are. */
struct label_counts {
    uint32_t *counts;
    uint32_t *numbers;
    size_t n, capacity;
};

static void count_labels(struct head *h, struct label_counts *out)
{
    const struct removal *r = &h->removal;
    pthread_rwlock_rdlock(&h->index_lock);
    out->counts = mem_array((size_t)h->index.n_pairs + 1, sizeof *out->counts);
    pthread_rwlock_unlock(&h->index_lock);
    for (size_t i = 0; i < r->n; i++) {
        struct label_set labels = head_place(h, r->slots[i])->labels;
        for (uint32_t k = 0; k < labels.n; k++) {
            if (out->counts[labels.v[k]]++ > 0)
                continue;
            out->numbers = mem_grow(out->numbers, out->n, &out->capacity, sizeof *out->numbers);
            out->numbers[out->n++] = labels.v[k];
        }
    }
}

/* Others get the lock between some of them: until the last one is done, postings may name a slot
 * that is free, which is passed over as a series without samples is. */
static void withdraw(struct head *h, const struct label_counts *c, const uint8_t *gone)
{
    struct index *x = &h->index;
    for (size_t i = 0; i < c->n;) {
        pthread_rwlock_wrlock(&h->index_lock);
        for (size_t bytes = 0; i < c->n && bytes < POSTINGS_BYTES; i++) {
            bytes += index_pair_of(x, c->numbers[i])->n_bytes + sizeof(struct index_pair);
            index_withdraw(x, c->numbers[i], gone, c->counts[c->numbers[i]], &h->removal.withdrawn);
        }
        pthread_rwlock_unlock(&h->index_lock);
    }
    pthread_rwlock_wrlock(&h->index_lock);
    index_tidy_names(x, &h->removal.withdrawn);
    pthread_rwlock_unlock(&h->index_lock);
}

static void leave_index(struct head *h)
{
    const struct removal *r = &h->removal;
    struct label_counts c = {0};
    uint8_t *gone = mem_zalloc(atomic_load(&h->n_used) / 8 + 1);
    for (size_t i = 0; i < r->n; i++)
        gone[r->slots[i] / 8] |= (uint8_t)(1u << r->slots[i] % 8);
    count_labels(h, &c);
    withdraw(h, &c, gone);
    free(c.counts);
    free(c.numbers);
    free(gone);
}

static void unlink_all(struct head *h)
{
    struct removal *r = &h->removal;
    struct group *g = mem_zalloc(sizeof *g);
    size_t n_left = 0;
    for (size_t i = 0; i < r->n; i += g->n) {
        fill_group(h, g, r->slots + i, r->n - i);
        unlink_group(h, g, &n_left);
    }
    free(g);
    r->n = n_left;
    exemplars_forget(&h->exemplars, r->slots, r->n);
    leave_index(h);
    atomic_fetch_add(&r->removed, n_left);
    leases_turn(h->readers);
    r->state = REMOVAL_UNLINKED;
}

/* --- Freeing --- */

static int falling(const void *left, const void *right)
{
    const uint32_t *a = left, *b = right;
    return (*a < *b) - (*a > *b);
}

static void recycle(struct head *h)
{
    struct removal *r = &h->removal;
    pthread_mutex_lock(&h->making);
    for (size_t i = 0; i < r->n; i++) {
        head_clear_slot(h, r->slots[i]);
        h->free_slots =
            mem_grow(h->free_slots, h->n_free, &h->free_capacity, sizeof *h->free_slots);
        h->free_slots[h->n_free++] = r->slots[i];
    }
    if (h->n_free > 1)
        qsort(h->free_slots, h->n_free, sizeof *h->free_slots, falling);
    pthread_rwlock_wrlock(&h->index_lock);
    index_recycle(&h->index, &r->withdrawn);
    pthread_rwlock_unlock(&h->index_lock);
    pthread_mutex_unlock(&h->making);
    free(r->slots);
    r->slots = NULL;
    r->n = r->capacity = 0;
    r->state = REMOVAL_IDLE;
}

/* --- In turn --- */

/* Batches are short, but for those that wait for the disk. */
static bool are_over(struct leases *l, const _Atomic bool *stop)
{
    for (int i = 0; i < WAITS && !leases_are_over(l) && !atomic_load(stop); i++)
        (void)usleep(WAIT_US);
    return leases_are_over(l);
}

void head_remove_dead(struct head *h, const _Atomic bool *stop)
{
    const struct removal *r = &h->removal;
    if (r->state == REMOVAL_UNLINKED && leases_are_over(h->readers))
        recycle(h);
    if (r->state == REMOVAL_IDLE)
        mark(h);
    if (r->state == REMOVAL_MARKED && are_over(h->batches, stop))
        unlink_all(h);
    if (r->state == REMOVAL_UNLINKED && leases_are_over(h->readers))
        recycle(h);
}

void removal_release(struct head *h)
{
    if (h->removal.state == REMOVAL_UNLINKED)
        recycle(h);
    free(h->removal.slots);
}
