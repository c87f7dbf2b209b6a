#include "base/map.h"

#include "base/check.h"
#include "base/hash.h"
#include "base/mem.h"

#include <stdint.h>
#include <stdlib.h>

/* Entries stand in insertion order; `slots` is the hash table of their indexes (plus one, 0 =
 * free). A removed entry stays as a hole (key NULL) until the next rebuild. */
struct entry {
    char *key;
    size_t key_bytes;
    uint64_t hash;
    void *value;
};

struct map {
    struct entry *entries;
    size_t n_entries; /* holes included */
    size_t entry_capacity;
    size_t live;
    uint32_t *slots;
    size_t n_slots; /* a power of two, over 4/3 of n_entries */
};

struct map *map_new(void)
{
    struct map *m = mem_array(1, sizeof *m);
    m->n_slots = 16;
    m->slots = mem_array(m->n_slots, sizeof *m->slots);
    m->entry_capacity = 8;
    m->entries = mem_array(m->entry_capacity, sizeof *m->entries);
    return m;
}

void map_free(struct map *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->n_entries; i++)
        free(m->entries[i].key);
    free(m->entries);
    free(m->slots);
    free(m);
}

/* The slot of the key, or the free slot where it would go. A hole is passed over like a stranger.
 */
static size_t find_slot(const struct map *m, struct str key, uint64_t hash)
{
    size_t i = hash & (m->n_slots - 1);
    for (; m->slots[i] != 0; i = (i + 1) & (m->n_slots - 1)) {
        const struct entry *e = &m->entries[m->slots[i] - 1];
        if (e->key && e->hash == hash && str_eq(str_make(e->key, e->key_bytes), key))
            break;
    }
    return i;
}

static void insert_slot(struct map *m, size_t entry)
{
    size_t i = m->entries[entry].hash & (m->n_slots - 1);
    while (m->slots[i] != 0)
        i = (i + 1) & (m->n_slots - 1);
    m->slots[i] = (uint32_t)(entry + 1);
}

/* Drop the holes and make room for twice what lives. */
static void rebuild(struct map *m)
{
    size_t n = 0;
    for (size_t i = 0; i < m->n_entries; i++) {
        if (m->entries[i].key)
            m->entries[n++] = m->entries[i];
    }
    m->n_entries = n;
    CHECK(n < UINT32_MAX / 4);
    if (n * 2 > m->entry_capacity) {
        m->entry_capacity = n * 2;
        m->entries = mem_resize(m->entries, m->entry_capacity, sizeof *m->entries);
    }
    while (m->n_slots < m->entry_capacity * 2)
        m->n_slots *= 2;
    free(m->slots);
    m->slots = mem_array(m->n_slots, sizeof *m->slots);
    for (size_t i = 0; i < n; i++)
        insert_slot(m, i);
}

static struct entry *find(const struct map *m, struct str key)
{
    uint64_t hash = hash64(key.p, key.n, 0);
    uint32_t index = m->slots[find_slot(m, key, hash)];
    return index ? &m->entries[index - 1] : NULL;
}

void *map_get(const struct map *m, struct str key)
{
    struct entry *e = find(m, key);
    return e ? e->value : NULL;
}

void *map_set(struct map *m, struct str key, void *value)
{
    struct entry *e = find(m, key);
    if (e) {
        void *old = e->value;
        e->value = value;
        return old;
    }
    if (m->n_entries == m->entry_capacity)
        rebuild(m);
    char *copy = mem_array(1, key.n + 1);
    if (key.n > 0)
        memcpy(copy, key.p, key.n);
    m->entries[m->n_entries] = (struct entry){copy, key.n, hash64(key.p, key.n, 0), value};
    insert_slot(m, m->n_entries++);
    m->live++;
    return NULL;
}

void *map_remove(struct map *m, struct str key)
{
    struct entry *e = find(m, key);
    if (!e)
        return NULL;
    void *old = e->value;
    free(e->key);
    e->key = NULL;
    e->value = NULL;
    m->live--;
    return old;
}

size_t map_count(const struct map *m)
{
    return m->live;
}

bool map_next(const struct map *m, size_t *cursor, struct str *key, void **value)
{
    for (; *cursor < m->n_entries; (*cursor)++) {
        const struct entry *e = &m->entries[*cursor];
        if (!e->key)
            continue;
        *key = str_make(e->key, e->key_bytes);
        *value = e->value;
        (*cursor)++;
        return true;
    }
    return false;
}
