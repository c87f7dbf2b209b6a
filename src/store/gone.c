#include "store/gone.h"

#include "base/mem.h"

#include <stdlib.h>

struct gone_place {
    struct gone_series s;
    bool taken; /* there is one */
};

void gone_init(struct gone *g, uint32_t capacity)
{
    *g = (struct gone){.capacity = capacity};
}

void gone_release(struct gone *g)
{
    for (uint32_t i = 0; g->ring && i < g->capacity; i++) {
        if (g->ring[i].taken)
            rest_free(g->ring[i].s.rest);
    }
    free(g->ring);
    free(g->slots);
}

static size_t mask_of(const struct gone *g)
{
    return 2 * (size_t)g->capacity - 1;
}

static uint64_t hash_at(const struct gone *g, size_t slot)
{
    return g->ring[g->slots[slot] - 1].s.hash;
}

/* The slot of the hash, or the free one where it would go. */
static size_t find_slot(const struct gone *g, uint64_t hash)
{
    size_t i = hash & mask_of(g);
    while (g->slots[i] != 0 && hash_at(g, i) != hash)
        i = (i + 1) & mask_of(g);
    return i;
}

/* What stands behind moves up, so that it is still found. */
static void clear_slot(struct gone *g, size_t hole)
{
    const size_t mask = mask_of(g);
    for (size_t i = (hole + 1) & mask; g->slots[i] != 0; i = (i + 1) & mask) {
        if (((i - hash_at(g, i)) & mask) < ((i - hole) & mask))
            continue;
        g->slots[hole] = g->slots[i];
        hole = i;
    }
    g->slots[hole] = 0;
}

static void take(struct gone *g, size_t slot, struct gone_series *out)
{
    struct gone_place *p = &g->ring[g->slots[slot] - 1];
    *out = p->s;
    p->taken = false;
    clear_slot(g, slot);
    g->n--;
}

void gone_put(struct gone *g, const struct gone_series *s)
{
    struct gone_series before;
    if (!g->ring) {
        g->ring = mem_array(g->capacity, sizeof *g->ring);
        g->slots = mem_array(2 * (size_t)g->capacity, sizeof *g->slots);
    }
    if (gone_take(g, s->hash, &before))
        rest_free(before.rest);
    struct gone_place *p = &g->ring[g->next];
    if (p->taken) {
        take(g, find_slot(g, p->s.hash), &before);
        rest_free(before.rest);
    }
    *p = (struct gone_place){*s, true};
    g->slots[find_slot(g, s->hash)] = g->next + 1;
    g->next = (g->next + 1) % g->capacity;
    g->n++;
}

bool gone_take(struct gone *g, uint64_t hash, struct gone_series *out)
{
    if (g->n == 0)
        return false;
    size_t slot = find_slot(g, hash);
    if (g->slots[slot] == 0)
        return false;
    take(g, slot, out);
    return true;
}

void gone_each(const struct gone *g, void (*each)(void *arg, const struct gone_series *), void *arg)
{
    for (uint32_t i = 0; g->n > 0 && i < g->capacity; i++) {
        const struct gone_place *p = &g->ring[(g->next + i) % g->capacity];
        if (p->taken)
            each(arg, &p->s);
    }
}
