#include "store/seen.h"

#include "base/hash.h"
#include "base/mem.h"

#include <stdlib.h>

struct seen_slot {
    int64_t t_ms;
    uint32_t ref; /* 0 = free */
    uint32_t index;
};

void seen_release(struct seen *s)
{
    free(s->slots);
    *s = (struct seen){0};
}

static struct seen_slot *slot_of(const struct seen *s, uint32_t ref, int64_t t_ms)
{
    size_t i = hash64(&t_ms, sizeof t_ms, ref) & (s->n_slots - 1);
    while (s->slots[i].ref != 0 && (s->slots[i].ref != ref || s->slots[i].t_ms != t_ms))
        i = (i + 1) & (s->n_slots - 1);
    return &s->slots[i];
}

static void grow(struct seen *s)
{
    struct seen old = *s;
    s->n_slots = old.n_slots ? old.n_slots * 2 : 64;
    s->slots = mem_array(s->n_slots, sizeof *s->slots);
    for (size_t i = 0; i < old.n_slots; i++) {
        if (old.slots[i].ref != 0)
            *slot_of(s, old.slots[i].ref, old.slots[i].t_ms) = old.slots[i];
    }
    free(old.slots);
}

void seen_add(struct seen *s, uint32_t ref, int64_t t_ms, uint32_t index)
{
    if (s->n * 2 >= s->n_slots)
        grow(s);
    struct seen_slot *slot = slot_of(s, ref, t_ms);
    s->n += slot->ref == 0;
    *slot = (struct seen_slot){t_ms, ref, index};
}

bool seen_find(const struct seen *s, uint32_t ref, int64_t t_ms, uint32_t *index)
{
    if (s->n == 0)
        return false;
    const struct seen_slot *slot = slot_of(s, ref, t_ms);
    *index = slot->index;
    return slot->ref != 0;
}
