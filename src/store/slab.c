#include "store/slab.h"

#include "base/check.h"
#include "base/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#define REGION_BYTES ((size_t)2 << 20)
#define PAGE_BYTES ((size_t)64 << 10)

/* In front of its items. A page that is neither empty nor full is in its class's list. */
struct slab_page {
    struct slab_page *next, *before;
    void *free; /* items that came back, each holding the next */
    uint32_t size_bytes;
    uint32_t used;  /* items given out */
    uint32_t fresh; /* where the part begins that was never given out */
};

#define HEADER_BYTES 64

_Static_assert(sizeof(struct slab_page) <= HEADER_BYTES, "the header fits in front of the items");

void slab_init(struct slab *s)
{
    *s = (struct slab){0};
}

#if defined(__SANITIZE_ADDRESS__)

void *slab_alloc(struct slab *s, size_t size_bytes)
{
    (void)s;
    CHECK(size_bytes <= SLAB_MAX_BYTES);
    return mem_resize(NULL, slab_room(size_bytes), 1);
}

static void free_now(struct slab *s, void *item, size_t size_bytes)
{
    (void)s;
    (void)size_bytes;
    free(item);
}

#else

static struct slab_page *page_of(void *item)
{
    return (struct slab_page *)((uintptr_t)item & ~(uintptr_t)(PAGE_BYTES - 1));
}

static struct slab_page **list_of(struct slab *s, size_t size_bytes)
{
    return &s->partial[size_bytes / SLAB_STEP_BYTES - 1];
}

static void link_page(struct slab_page **list, struct slab_page *p)
{
    p->before = NULL;
    p->next = *list;
    if (*list)
        (*list)->before = p;
    *list = p;
}

static void unlink_page(struct slab_page **list, struct slab_page *p)
{
    if (p->before)
        p->before->next = p->next;
    else
        *list = p->next;
    if (p->next)
        p->next->before = p->before;
}

static void add_region(struct slab *s)
{
    char *region = aligned_alloc(REGION_BYTES, REGION_BYTES);
    if (!region)
        check_no_memory(REGION_BYTES);
    (void)madvise(region, REGION_BYTES, MADV_HUGEPAGE); /* only faster */
    s->regions = mem_grow(s->regions, s->n_regions, &s->region_capacity, sizeof *s->regions);
    s->regions[s->n_regions++] = region;
    for (size_t at = REGION_BYTES; at > 0; at -= PAGE_BYTES) {
        struct slab_page *p = (struct slab_page *)(void *)(region + at - PAGE_BYTES);
        p->next = s->empty;
        s->empty = p;
    }
}

static struct slab_page *take_page(struct slab *s, size_t size_bytes)
{
    if (!s->empty)
        add_region(s);
    struct slab_page *p = s->empty;
    s->empty = p->next;
    *p = (struct slab_page){.size_bytes = (uint32_t)size_bytes, .fresh = HEADER_BYTES};
    link_page(list_of(s, size_bytes), p);
    return p;
}

static bool is_full(const struct slab_page *p)
{
    return !p->free && p->fresh + p->size_bytes > PAGE_BYTES;
}

void *slab_alloc(struct slab *s, size_t size_bytes)
{
    size_t room = slab_room(size_bytes);
    CHECK(room > 0 && room <= SLAB_MAX_BYTES);
    struct slab_page *p = *list_of(s, room);
    if (!p)
        p = take_page(s, room);
    void *item = p->free;
    if (item) {
        p->free = *(void **)item;
    } else {
        item = (char *)p + p->fresh;
        p->fresh += p->size_bytes;
    }
    p->used++;
    if (is_full(p))
        unlink_page(list_of(s, room), p);
    return item;
}

static void free_now(struct slab *s, void *item, size_t size_bytes)
{
    struct slab_page *p = page_of(item);
    struct slab_page **list = list_of(s, p->size_bytes);
    DCHECK(p->size_bytes == slab_room(size_bytes));
    if (is_full(p))
        link_page(list, p);
    *(void **)item = p->free;
    p->free = item;
    if (--p->used > 0)
        return;
    unlink_page(list, p);
    p->next = s->empty;
    s->empty = p;
}

#endif

/* --- Pins --- */

static void empty_limbo(struct slab *s, struct slab_limbo *l)
{
    for (size_t i = 0; i < l->n; i++)
        free_now(s, l->v[i].item, l->v[i].size_bytes);
    l->n = 0;
}

unsigned slab_pin(struct slab *s)
{
    atomic_fetch_add(&s->pins[s->generation], 1);
    return s->generation;
}

void slab_unpin(struct slab *s, unsigned pin)
{
    atomic_fetch_sub(&s->pins[pin], 1);
}

/* Who pins in the generation before has seen what was freed in it; who pins in the present one may
 * have seen what was freed in either. */
static void turn_generation(struct slab *s)
{
    unsigned before = 1 - s->generation;
    if (atomic_load(&s->pins[before]) > 0)
        return;
    empty_limbo(s, &s->limbo[before]);
    if (atomic_load(&s->pins[s->generation]) == 0)
        empty_limbo(s, &s->limbo[s->generation]);
    s->generation = before;
}

void slab_free(struct slab *s, void *item, size_t size_bytes)
{
    if (!item)
        return;
    turn_generation(s);
    if (atomic_load(&s->pins[0]) + atomic_load(&s->pins[1]) == 0) {
        free_now(s, item, size_bytes);
        return;
    }
    struct slab_limbo *l = &s->limbo[s->generation];
    l->v = mem_grow(l->v, l->n, &l->capacity, sizeof *l->v);
    l->v[l->n++] = (struct slab_freed){item, size_bytes};
}

static void release_limbo(struct slab *s)
{
    for (unsigned g = 0; g < 2; g++) {
        CHECK(atomic_load(&s->pins[g]) == 0);
        empty_limbo(s, &s->limbo[g]);
        free(s->limbo[g].v);
    }
}

void slab_release(struct slab *s)
{
    release_limbo(s);
    for (size_t i = 0; i < s->n_regions; i++)
        free(s->regions[i]);
    free(s->regions);
    slab_init(s);
}
