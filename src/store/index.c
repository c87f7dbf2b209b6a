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
    free(x->slots);
    x->n_slots *= 2;
    x->slots = mem_array(x->n_slots, sizeof *x->slots);
    for (uint32_t number = 0; number < x->n_pairs; number++) {
        size_t i = index_pair_of(x, number)->hash & (x->n_slots - 1);
        while (x->slots[i] != 0)
            i = (i + 1) & (x->n_slots - 1);
        x->slots[i] = number + 1;
    }
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
    CHECK(x->n_pairs < INDEX_BLOCK * (uint32_t)INDEX_BLOCKS);
    pair->number = x->n_pairs;
    struct index_block *block = atomic_load(&x->blocks[pair->number / INDEX_BLOCK]);
    if (!block) {
        block = mem_zalloc(sizeof *block);
        atomic_store_explicit(&x->blocks[pair->number / INDEX_BLOCK], block, memory_order_release);
    }
    block->pairs[pair->number % INDEX_BLOCK] = pair;
    x->n_pairs++;
}

uint32_t index_intern(struct index *x, struct label l, bool *known)
{
    uint32_t hash = hash_of(l);
    size_t slot = find_slot(x, hash, l);
    *known = x->slots[slot] != 0;
    if (*known)
        return x->slots[slot] - 1;
    if ((size_t)x->n_pairs * 4 >= x->n_slots * 3) {
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

static void post(struct index_pair *p, uint32_t ref)
{
    uint32_t step = ref - p->last_ref;
    CHECK(ref > p->last_ref);
    if (p->capacity - p->n_bytes < VARINT_MAX_BYTES) {
        p->capacity += p->capacity / 4 + 8;
        p->postings = mem_resize(p->postings, p->capacity, 1);
    }
    for (; step >= 0x80; step >>= 7)
        p->postings[p->n_bytes++] = (uint8_t)(step | 0x80);
    p->postings[p->n_bytes++] = (uint8_t)step;
    p->last_ref = ref;
    p->n++;
}

void index_add(struct index *x, struct label_set labels, uint32_t ref)
{
    for (uint32_t i = 0; i < labels.n; i++)
        post(own_pair(x, labels.v[i]), ref);
}

bool postings_next(struct postings_cursor *c, uint32_t *ref)
{
    uint32_t step = 0;
    if (c->at == c->pair->n_bytes)
        return false;
    for (unsigned shift = 0;; shift += 7) {
        uint8_t byte = c->pair->postings[c->at++];
        step |= (uint32_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            break;
    }
    c->ref += step;
    *ref = c->ref;
    return true;
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
            each(arg, key, p->value, p->n);
        }
    }
}
