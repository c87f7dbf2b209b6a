#include "store/index.h"

#include "base/check.h"
#include "base/hash.h"
#include "base/mem.h"

#include <stdlib.h>

#define FIRST_SLOTS 64
#define VARINT_MAX_BYTES 5

/* A string that lives as long as the object in front of it. */
static struct str copy_behind(void *object, size_t object_bytes, struct str s)
{
    char *text = (char *)object + object_bytes;
    if (s.n > 0)
        memcpy(text, s.p, s.n);
    return str_make(text, s.n);
}

void index_init(struct index *x)
{
    *x = (struct index){.names = map_new(), .n_slots = FIRST_SLOTS};
    x->blocks = mem_array(INDEX_BLOCKS, sizeof *x->blocks);
    x->slots = mem_array(x->n_slots, sizeof *x->slots);
}

static struct index_pair *own_pair(const struct index *x, uint32_t number)
{
    return (struct index_pair *)(uintptr_t)index_pair_of(x, number);
}

void index_release(struct index *x)
{
    struct str key;
    void *name;
    for (uint32_t i = 0; i < x->n_pairs; i++) {
        struct index_pair *pair = own_pair(x, i);
        if (pair)
            free(pair->postings);
        free(pair);
    }
    for (size_t i = 0; i < INDEX_BLOCKS; i++)
        free(atomic_load(&x->blocks[i]));
    for (size_t i = 0; map_next(x->names, &i, &key, &name);) {
        free(((struct index_name *)name)->pairs);
        free(name);
    }
    map_free(x->names);
    free(x->blocks);
    free(x->slots);
    free(x->free_numbers);
}

/* --- Labels to numbers --- */

static uint32_t hash_of(struct label l)
{
    return (uint32_t)hash64(l.value.p, l.value.n, hash64(l.name.p, l.name.n, 0));
}

/* The slot of the label, or the free one where it would go. */
static size_t find_slot(const struct index *x, uint32_t hash, struct label l)
{
    size_t i = hash & (x->n_slots - 1);
    for (; x->slots[i] != 0; i = (i + 1) & (x->n_slots - 1)) {
        const struct index_pair *p = index_pair_of(x, x->slots[i] - 1);
        if (p->hash == hash && str_eq(p->value, l.value) && str_eq(p->name->name, l.name))
            break;
    }
    return i;
}

static void grow_slots(struct index *x)
{
    uint32_t *old = x->slots;
    size_t n_old = x->n_slots;
    x->n_slots *= 2;
    x->slots = mem_array(x->n_slots, sizeof *x->slots);
    for (size_t k = 0; k < n_old; k++) {
        if (old[k] == 0)
            continue;
        size_t i = index_pair_of(x, old[k] - 1)->hash & (x->n_slots - 1);
        while (x->slots[i] != 0)
            i = (i + 1) & (x->n_slots - 1);
        x->slots[i] = old[k];
    }
    free(old);
}

static struct index_name *make_name(struct index *x, struct str text)
{
    struct index_name *name = map_get(x->names, text);
    if (name)
        return name;
    name = mem_zalloc(sizeof *name + text.n + 1);
    name->name = copy_behind(name, sizeof *name, text);
    (void)map_set(x->names, text, name);
    return name;
}

static void list_pair(struct index_name *name, uint32_t number)
{
    if (name->n_pairs == name->capacity) {
        name->capacity = name->capacity ? name->capacity + name->capacity / 2 + 1 : 2;
        name->pairs = mem_resize(name->pairs, name->capacity, sizeof *name->pairs);
    }
    name->pairs[name->n_pairs++] = number;
}

static void number_pair(struct index *x, struct index_pair *pair)
{
    CHECK(x->n_free > 0 || x->n_pairs < INDEX_BLOCK * (uint32_t)INDEX_BLOCKS);
    pair->number = x->n_free > 0 ? x->free_numbers[--x->n_free] : x->n_pairs++;
    struct index_block *block = atomic_load(&x->blocks[pair->number / INDEX_BLOCK]);
    if (!block) {
        block = mem_zalloc(sizeof *block);
        atomic_store_explicit(&x->blocks[pair->number / INDEX_BLOCK], block, memory_order_release);
    }
    block->pairs[pair->number % INDEX_BLOCK] = pair;
}

uint32_t index_intern(struct index *x, struct label l, bool *known)
{
    uint32_t hash = hash_of(l);
    size_t slot = find_slot(x, hash, l);
    *known = x->slots[slot] != 0;
    if (*known)
        return x->slots[slot] - 1;
    if ((size_t)(x->n_pairs - x->n_free) * 4 >= x->n_slots * 3) {
        grow_slots(x);
        slot = find_slot(x, hash, l);
    }
    struct index_pair *pair = mem_zalloc(sizeof *pair + l.value.n + 1);
    struct index_name *name = make_name(x, l.name);
    pair->name = name;
    pair->value = copy_behind(pair, sizeof *pair, l.value);
    pair->hash = hash;
    number_pair(x, pair);
    list_pair(name, pair->number);
    x->slots[slot] = pair->number + 1;
    return pair->number;
}

const struct index_name *index_find_name(const struct index *x, struct str name)
{
    return map_get(x->names, name);
}

const struct index_pair *index_find(const struct index *x, struct label l)
{
    uint32_t number = x->slots[find_slot(x, hash_of(l), l)];
    return number ? index_pair_of(x, number - 1) : NULL;
}

/* --- Postings --- */

static void post(struct index_pair *p, uint32_t slot)
{
    if (p->capacity - p->n_bytes < 1 + VARINT_MAX_BYTES) {
        p->capacity += p->capacity / 4 + 8;
        p->postings = mem_resize(p->postings, p->capacity, 1);
    }
    if (slot <= p->last_slot) {
        p->postings[p->n_bytes++] = 0;
        p->last_slot = 0;
    }
    uint32_t step = slot - p->last_slot;
    for (; step >= 0x80; step >>= 7)
        p->postings[p->n_bytes++] = (uint8_t)(step | 0x80);
    p->postings[p->n_bytes++] = (uint8_t)step;
    p->last_slot = slot;
    p->n++;
}

void index_add(struct index *x, struct label_set labels, uint32_t slot)
{
    for (uint32_t i = 0; i < labels.n; i++)
        post(own_pair(x, labels.v[i]), slot);
}

static uint32_t next_varint(struct postings_cursor *c)
{
    uint32_t v = 0;
    for (unsigned shift = 0;; shift += 7) {
        uint8_t byte = c->pair->postings[c->at++];
        v |= (uint32_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return v;
    }
}

bool postings_next(struct postings_cursor *c, uint32_t *slot)
{
    if (c->at == c->pair->n_bytes)
        return false;
    uint32_t step = next_varint(c);
    if (step == 0) {
        c->slot = 0;
        step = next_varint(c);
    }
    c->slot += step;
    *slot = c->slot;
    return true;
}

/* --- Withdrawing --- */

/* What stands behind moves up, so that it is still found. */
static void clear_slot(struct index *x, size_t hole)
{
    const size_t mask = x->n_slots - 1;
    for (size_t i = (hole + 1) & mask; x->slots[i] != 0; i = (i + 1) & mask) {
        size_t home = index_pair_of(x, x->slots[i] - 1)->hash & mask;
        if (((i - home) & mask) < ((i - hole) & mask))
            continue;
        x->slots[hole] = x->slots[i];
        hole = i;
    }
    x->slots[hole] = 0;
}

static void withdraw_pair(struct index *x, struct index_pair *p, struct index_withdrawn *out)
{
    struct index_name *name = (struct index_name *)(uintptr_t)p->name;
    clear_slot(x, find_slot(x, p->hash, (struct label){name->name, p->value}));
    free(p->postings);
    p->postings = NULL;
    p->n = p->n_bytes = p->capacity = p->last_slot = 0;
    out->numbers =
        mem_grow(out->numbers, out->n_numbers, &out->number_capacity, sizeof *out->numbers);
    out->numbers[out->n_numbers++] = p->number;
    if (name->lost_pairs)
        return;
    name->lost_pairs = true;
    out->lost_pairs =
        mem_grow(out->lost_pairs, out->n_lost, &out->lost_capacity, sizeof *out->lost_pairs);
    out->lost_pairs[out->n_lost++] = name;
}

static int compare_slots(const void *left, const void *right)
{
    const uint32_t *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

static bool is_gone(const uint8_t *gone, uint32_t slot)
{
    return gone[slot / 8] >> slot % 8 & 1;
}

/* In ascending order again. */
static void rewrite_postings(struct index_pair *p, const uint8_t *gone, struct index_withdrawn *w)
{
    struct postings_cursor c = {p, 0, 0};
    size_t n = 0;
    bool sorted = true;
    for (uint32_t slot; postings_next(&c, &slot);) {
        if (is_gone(gone, slot))
            continue;
        w->scratch = mem_grow(w->scratch, n, &w->scratch_capacity, sizeof *w->scratch);
        sorted = sorted && (n == 0 || w->scratch[n - 1] < slot);
        w->scratch[n++] = slot;
    }
    if (!sorted)
        qsort(w->scratch, n, sizeof *w->scratch, compare_slots);
    free(p->postings);
    p->postings = NULL;
    p->n = p->n_bytes = p->capacity = p->last_slot = 0;
    for (size_t i = 0; i < n; i++)
        post(p, w->scratch[i]);
}

void index_withdraw(struct index *x, uint32_t number, const uint8_t *gone, uint32_t n_gone,
                    struct index_withdrawn *out)
{
    struct index_pair *p = own_pair(x, number);
    CHECK(n_gone <= p->n);
    uint32_t left = p->n - n_gone;
    if (left == 0)
        withdraw_pair(x, p, out);
    else
        rewrite_postings(p, gone, out);
    CHECK(p->n == left);
}

static void tidy_name(struct index *x, struct index_name *name, struct index_withdrawn *out)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < name->n_pairs; i++) {
        if (index_pair_of(x, name->pairs[i])->n > 0)
            name->pairs[kept++] = name->pairs[i];
    }
    name->n_pairs = kept;
    name->lost_pairs = false;
    if (kept < name->capacity / 4) {
        name->capacity = kept + kept / 2 + 1;
        name->pairs = mem_resize(name->pairs, name->capacity, sizeof *name->pairs);
    }
    if (kept > 0)
        return;
    (void)map_remove(x->names, name->name);
    out->names = mem_grow(out->names, out->n_names, &out->name_capacity, sizeof(void *));
    out->names[out->n_names++] = name;
}

void index_tidy_names(struct index *x, struct index_withdrawn *out)
{
    for (size_t i = 0; i < out->n_lost; i++)
        tidy_name(x, out->lost_pairs[i], out);
    out->n_lost = 0;
}

void index_recycle(struct index *x, struct index_withdrawn *w)
{
    CHECK(w->n_lost == 0);
    for (size_t i = 0; i < w->n_numbers; i++) {
        uint32_t number = w->numbers[i];
        free(own_pair(x, number));
        atomic_load(&x->blocks[number / INDEX_BLOCK])->pairs[number % INDEX_BLOCK] = NULL;
        x->free_numbers =
            mem_grow(x->free_numbers, x->n_free, &x->free_capacity, sizeof *x->free_numbers);
        x->free_numbers[x->n_free++] = number;
    }
    for (size_t i = 0; i < w->n_names; i++) {
        free(w->names[i]->pairs);
        free(w->names[i]);
    }
    free(w->numbers);
    free(w->names);
    free(w->lost_pairs);
    free(w->scratch);
    *w = (struct index_withdrawn){0};
}

/* --- Numbers to labels --- */

struct labels index_labels(const struct index *x, struct arena *arena, struct label_set labels)
{
    struct label *v = arena_alloc(arena, labels.n * sizeof *v);
    for (uint32_t i = 0; i < labels.n; i++) {
        const struct index_pair *p = index_pair_of(x, labels.v[i]);
        v[i] = (struct label){p->name->name, p->value};
    }
    return (struct labels){labels.n, v};
}

bool index_labels_eq(const struct index *x, struct label_set a, struct labels b)
{
    if (a.n != b.n)
        return false;
    for (uint32_t i = 0; i < a.n; i++) {
        const struct index_pair *p = index_pair_of(x, a.v[i]);
        if (!str_eq(p->value, b.v[i].value) || !str_eq(p->name->name, b.v[i].name))
            return false;
    }
    return true;
}

size_t index_count(const struct index *x, struct str name, struct str value)
{
    const struct index_pair *p = index_find(x, (struct label){name, value});
    return p ? p->n : 0;
}

void index_each(const struct index *x,
                void (*each)(void *arg, struct str name, struct str value, size_t n_series),
                void *arg)
{
    struct str key;
    void *item;
    for (size_t i = 0; map_next(x->names, &i, &key, &item);) {
        const struct index_name *name = item;
        for (uint32_t k = 0; k < name->n_pairs; k++) {
            const struct index_pair *p = index_pair_of(x, name->pairs[k]);
            if (p->n > 0)
                each(arg, key, p->value, p->n);
        }
    }
}
