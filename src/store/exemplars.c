#include "store/exemplars.h"

#include "base/hash.h"
#include "base/mem.h"
#include "store/head.h"

#include <stdlib.h>

#define NONE 0 /* links are the entry's number + 1 */

struct exemplar_entry {
    uint32_t ref; /* 0 = never used */
    uint32_t newer;
    uint32_t older;
    bool forgotten;          /* it only keeps its place */
    struct store_exemplar e; /* the labels are one block of our own */
};

void exemplars_init(struct exemplars *x, uint32_t capacity)
{
    *x = (struct exemplars){.capacity = capacity};
    pthread_mutex_init(&x->lock, NULL);
    if (capacity > 0) {
        x->entries = mem_array(capacity, sizeof *x->entries);
        x->buckets = mem_array(capacity, sizeof *x->buckets);
    }
}

static void free_labels(struct labels labels)
{
    free((void *)(uintptr_t)labels.v);
}

void exemplars_release(struct exemplars *x)
{
    for (uint32_t i = 0; i < x->n; i++)
        free_labels(x->entries[i].e.labels);
    free(x->entries);
    free(x->buckets);
    pthread_mutex_destroy(&x->lock);
}

static struct str put_text(char **at, struct str s)
{
    struct str copy = str_make(*at, s.n);
    if (s.n > 0)
        memcpy(*at, s.p, s.n);
    *at += s.n;
    return copy;
}

static struct labels own_labels(struct labels labels)
{
    size_t text = 0;
    for (size_t i = 0; i < labels.n; i++)
        text += labels.v[i].name.n + labels.v[i].value.n;
    struct label *v = mem_zalloc(labels.n * sizeof *v + text + 1);
    char *at = (char *)(v + labels.n);
    for (size_t i = 0; i < labels.n; i++) {
        v[i].name = put_text(&at, labels.v[i].name);
        v[i].value = put_text(&at, labels.v[i].value);
    }
    return (struct labels){labels.n, v};
}

static uint32_t *bucket_of(struct exemplars *x, uint32_t ref)
{
    return &x->buckets[hash64(&ref, sizeof ref, 0) % x->capacity];
}

static const struct store_exemplar *newest_of(struct exemplars *x, uint32_t ref)
{
    for (uint32_t link = *bucket_of(x, ref); link != NONE; link = x->entries[link - 1].older) {
        if (x->entries[link - 1].ref == ref && !x->entries[link - 1].forgotten)
            return &x->entries[link - 1].e;
    }
    return NULL;
}

/* Characters, not bytes. */
static size_t length_of(struct labels labels)
{
    size_t n = 0;
    for (size_t i = 0; i < labels.n; i++) {
        for (size_t k = 0; k < labels.v[i].name.n; k++)
            n += (labels.v[i].name.p[k] & 0xc0) != 0x80;
        for (size_t k = 0; k < labels.v[i].value.n; k++)
            n += (labels.v[i].value.p[k] & 0xc0) != 0x80;
    }
    return n;
}

/* By time, value, labels: one histogram may bring several exemplars of the same time, and senders
 * sort them so. NaN is below all numbers, so that there is an order. */
static int compare(const struct store_exemplar *a, const struct store_exemplar *b)
{
    if (a->t_ms != b->t_ms)
        return a->t_ms < b->t_ms ? -1 : 1;
    bool a_nan = a->v != a->v, b_nan = b->v != b->v;
    if (a_nan || b_nan ? a_nan != b_nan : a->v != b->v)
        return a_nan || (!b_nan && a->v < b->v) ? -1 : 1;
    return labels_cmp(a->labels, b->labels);
}

enum store_result exemplar_judge(const struct store_exemplar *newest,
                                 const struct store_exemplar *e)
{
    if (length_of(e->labels) > STORE_EXEMPLAR_MAX_LENGTH)
        return STORE_LIMIT;
    int order = newest ? compare(e, newest) : 1;
    return order > 0 ? STORE_OK : order == 0 ? STORE_DUPLICATE : STORE_OUT_OF_ORDER;
}

static enum store_result judge_locked(struct exemplars *x, uint32_t ref,
                                      const struct store_exemplar *e)
{
    return x->capacity ? exemplar_judge(newest_of(x, ref), e) : STORE_LIMIT;
}

enum store_result exemplars_judge(struct exemplars *x, uint32_t ref, const struct store_exemplar *e)
{
    pthread_mutex_lock(&x->lock);
    enum store_result result = judge_locked(x, ref, e);
    pthread_mutex_unlock(&x->lock);
    return result;
}

/* The entry that is replaced is the oldest of all, so no older one hangs on it. */
static void unlink_oldest(struct exemplars *x, struct exemplar_entry *entry)
{
    if (entry->newer != NONE)
        x->entries[entry->newer - 1].older = NONE;
    else
        *bucket_of(x, entry->ref) = NONE;
    free_labels(entry->e.labels);
    x->n_forgotten -= entry->forgotten;
}

static void put(struct exemplars *x, uint32_t ref, const struct store_exemplar *e)
{
    struct exemplar_entry *entry = &x->entries[x->next];
    uint32_t link = x->next + 1;
    if (entry->ref)
        unlink_oldest(x, entry);
    else
        x->n++;
    uint32_t *bucket = bucket_of(x, ref);
    *entry = (struct exemplar_entry){ref, NONE, *bucket, false, *e};
    entry->e.labels = own_labels(e->labels);
    if (*bucket != NONE)
        x->entries[*bucket - 1].newer = link;
    *bucket = link;
    x->next = (x->next + 1) % x->capacity;
}

enum store_result exemplars_add(struct exemplars *x, uint32_t ref, const struct store_exemplar *e)
{
    pthread_mutex_lock(&x->lock);
    enum store_result result = judge_locked(x, ref, e);
    if (result == STORE_OK)
        put(x, ref, e);
    pthread_mutex_unlock(&x->lock);
    return result;
}

/* One that a query found, with its place in the ring, the oldest's being 0. */
struct find {
    uint32_t ref;
    uint32_t place;
    const struct store_exemplar *e;
};

static int compare_refs(const void *left, const void *right)
{
    const uint32_t *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

static int compare_finds(const void *left, const void *right)
{
    const struct find *a = left, *b = right;
    return a->ref != b->ref ? (a->ref > b->ref) - (a->ref < b->ref)
                            : (a->place > b->place) - (a->place < b->place);
}

static struct find *walk(struct exemplars *x, struct arena *arena, const uint32_t *refs, size_t n,
                         int64_t mint_ms, int64_t maxt_ms, size_t *found)
{
    struct find *v = NULL;
    size_t capacity = 0;
    *found = 0;
    for (uint32_t i = 0; n > 0 && i < x->n; i++) {
        const struct exemplar_entry *entry = &x->entries[(x->next + (size_t)i) % x->n];
        if (entry->forgotten || entry->e.t_ms < mint_ms || entry->e.t_ms > maxt_ms ||
            !bsearch(&entry->ref, refs, n, sizeof *refs, compare_refs))
            continue;
        v = arena_grow(arena, v, *found, &capacity, sizeof *v);
        v[(*found)++] = (struct find){entry->ref, i, &entry->e};
    }
    if (*found > 1)
        qsort(v, *found, sizeof *v, compare_finds);
    return v;
}

size_t exemplars_find(struct exemplars *x, struct arena *arena, const uint32_t *refs, size_t n,
                      int64_t mint_ms, int64_t maxt_ms, struct store_exemplar **out,
                      uint32_t **out_refs)
{
    size_t found;
    pthread_mutex_lock(&x->lock);
    const struct find *v = walk(x, arena, refs, n, mint_ms, maxt_ms, &found);
    *out = ARENA_ARRAY(arena, struct store_exemplar, found);
    *out_refs = ARENA_ARRAY(arena, uint32_t, found);
    for (size_t i = 0; i < found; i++) {
        (*out)[i] = *v[i].e;
        (*out)[i].labels = labels_copy(arena, v[i].e->labels);
        (*out_refs)[i] = v[i].ref;
    }
    pthread_mutex_unlock(&x->lock);
    return found;
}

void exemplars_forget(struct exemplars *x, const uint32_t *slots, size_t n)
{
    pthread_mutex_lock(&x->lock);
    for (uint32_t i = 0; i < x->n; i++) {
        struct exemplar_entry *entry = &x->entries[i];
        uint32_t slot = head_slot(entry->ref);
        if (entry->forgotten || !bsearch(&slot, slots, n, sizeof *slots, compare_refs))
            continue;
        free_labels(entry->e.labels);
        entry->e.labels = (struct labels){0};
        entry->forgotten = true;
        x->n_forgotten++;
    }
    pthread_mutex_unlock(&x->lock);
}

size_t exemplars_all(struct exemplars *x, struct arena *arena, struct store_exemplar **out,
                     uint32_t **out_refs)
{
    pthread_mutex_lock(&x->lock);
    uint32_t n = 0;
    *out = ARENA_ARRAY(arena, struct store_exemplar, x->n);
    *out_refs = ARENA_ARRAY(arena, uint32_t, x->n);
    for (uint32_t i = 0; i < x->n; i++) {
        const struct exemplar_entry *entry = &x->entries[(x->next + (size_t)i) % x->n];
        if (entry->forgotten)
            continue;
        (*out)[n] = entry->e;
        (*out)[n].labels = labels_copy(arena, entry->e.labels);
        (*out_refs)[n++] = entry->ref;
    }
    pthread_mutex_unlock(&x->lock);
    return n;
}

uint32_t exemplars_count(struct exemplars *x)
{
    pthread_mutex_lock(&x->lock);
    uint32_t n = x->n - x->n_forgotten;
    pthread_mutex_unlock(&x->lock);
    return n;
}
