#include "store/leases.h"

#include "base/mem.h"

#include <pthread.h>
#include <stdlib.h>

struct leases {
    pthread_mutex_t lock; /* guards the rest */
    unsigned held[2];     /* in the present generation, and in the one before */
    unsigned present;
    bool owned;
};

struct leases *leases_new(void)
{
    struct leases *l = mem_zalloc(sizeof *l);
    (void)pthread_mutex_init(&l->lock, NULL);
    l->owned = true;
    return l;
}

static void unlock_or_free(struct leases *l)
{
    bool last = !l->owned && l->held[0] + l->held[1] == 0;
    (void)pthread_mutex_unlock(&l->lock);
    if (!last)
        return;
    (void)pthread_mutex_destroy(&l->lock);
    free(l);
}

void leases_unref(struct leases *l)
{
    if (!l)
        return;
    (void)pthread_mutex_lock(&l->lock);
    l->owned = false;
    unlock_or_free(l);
}

unsigned leases_take(struct leases *l)
{
    (void)pthread_mutex_lock(&l->lock);
    unsigned lease = l->present;
    l->held[lease]++;
    (void)pthread_mutex_unlock(&l->lock);
    return lease;
}

void leases_end(struct leases *l, unsigned lease)
{
    (void)pthread_mutex_lock(&l->lock);
    CHECK(l->held[lease] > 0);
    l->held[lease]--;
    unlock_or_free(l);
}

struct arena_lease {
    struct leases *leases;
    unsigned lease;
};

static void end_with_arena(void *object)
{
    const struct arena_lease *a = object;
    leases_end(a->leases, a->lease);
}

void leases_take_for(struct leases *l, struct arena *arena)
{
    struct arena_lease *a = ARENA_NEW(arena, struct arena_lease);
    *a = (struct arena_lease){l, leases_take(l)};
    arena_on_release(arena, end_with_arena, a);
}

void leases_turn(struct leases *l)
{
    (void)pthread_mutex_lock(&l->lock);
    unsigned before = 1 - l->present;
    CHECK(l->held[before] == 0);
    l->present = before;
    (void)pthread_mutex_unlock(&l->lock);
}

bool leases_are_over(struct leases *l)
{
    (void)pthread_mutex_lock(&l->lock);
    bool over = l->held[1 - l->present] == 0;
    (void)pthread_mutex_unlock(&l->lock);
    return over;
}
