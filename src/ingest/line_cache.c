#include "ingest/line_cache.h"

#include "base/check.h"

#include <stdlib.h>

#define FIRST_LINES 64
#define REORDER_SHARE 16 /* a body is in another order when one line in so many was elsewhere */

void line_cache_release(struct line_cache *c)
{
    free(c->lines);
    free(c->slots);
    *c = (struct line_cache){0};
}

void line_cache_begin(struct line_cache *c)
{
    c->scrape++;
    c->next = 0;
    c->places = 0;
    c->misses = 0;
    c->n_before = c->n;
}

static uint32_t first_slot(const struct line_cache *c, uint64_t hash)
{
    return (uint32_t)(hash >> 7) & (c->n_slots - 1);
}

static void insert_slot(struct line_cache *c, uint32_t index)
{
    uint32_t i = first_slot(c, c->lines[index].hash);
    while (c->slots[i] != 0)
        i = (i + 1) & (c->n_slots - 1);
    c->slots[i] = index + 1;
}

static void rebuild_slots(struct line_cache *c, uint32_t n_slots)
{
    free(c->slots);
    c->n_slots = n_slots;
    c->slots = calloc(n_slots, sizeof *c->slots);
    if (!c->slots)
        check_no_memory(n_slots * sizeof *c->slots);
    for (uint32_t i = 0; i < c->n; i++)
        insert_slot(c, i);
}

static void resize(struct line_cache *c, uint32_t capacity)
{
    c->lines = realloc(c->lines, capacity * sizeof *c->lines);
    if (!c->lines)
        check_no_memory(capacity * sizeof *c->lines);
    c->capacity = capacity;
    rebuild_slots(c, capacity * 2);
}

struct cached_line *line_cache_find(struct line_cache *c, bool comment, struct str bytes)
{
    c->misses++;
    if (c->n == 0)
        return NULL;
    uint64_t hash = hash64(bytes.p, bytes.n, 0);
    for (uint32_t i = first_slot(c, hash); c->slots[i] != 0; i = (i + 1) & (c->n_slots - 1)) {
        struct cached_line *l = &c->lines[c->slots[i] - 1];
        if (l->hash == hash && l->n_bytes == bytes.n && cached_is_comment(l) == comment)
            return l;
    }
    return NULL;
}

struct cached_line *line_cache_add(struct line_cache *c, enum cached_kind kind, struct str bytes)
{
    if (c->n == c->capacity) {
        CHECK(c->capacity < UINT32_MAX / 8);
        resize(c, c->capacity ? c->capacity * 2 : FIRST_LINES);
    }
    struct cached_line *l = &c->lines[c->n];
    *l = (struct cached_line){
        .hash = hash64(bytes.p, bytes.n, 0), .n_bytes = (uint32_t)bytes.n, .kind = (uint8_t)kind};
    insert_slot(c, c->n++);
    return l;
}

bool line_cache_forget(struct line_cache *c, bool (*is_gone)(const void *arg, uint64_t ref),
                       const void *arg)
{
    uint32_t n = 0, before = c->n;
    for (uint32_t i = 0; i < before; i++) {
        if (c->lines[i].ref == 0 || !is_gone(arg, c->lines[i].ref))
            c->lines[n++] = c->lines[i];
    }
    c->n = c->n_before = n;
    c->next = 0;
    if (n < before)
        rebuild_slots(c, c->n_slots);
    return n < before;
}

static int compare_places(const void *left, const void *right)
{
    const struct cached_line *a = left, *b = right;
    return (a->place > b->place) - (a->place < b->place);
}

void line_cache_keep(struct line_cache *c)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->n; i++) {
        if (c->lines[i].seen == c->scrape)
            c->lines[n++] = c->lines[i];
    }
    bool changed = n != c->n;
    c->n = n;
    if (n > 1 && c->misses > n / REORDER_SHARE) {
        qsort(c->lines, n, sizeof *c->lines, compare_places);
        changed = true;
    }
    if (n < c->capacity / 8 && c->capacity > FIRST_LINES)
        resize(c, c->capacity / 4);
    else if (changed)
        rebuild_slots(c, c->n_slots);
    c->n_before = n;
}

void line_cache_undo(struct line_cache *c)
{
    if (c->n == c->n_before)
        return;
    c->n = c->n_before;
    rebuild_slots(c, c->n_slots);
}
