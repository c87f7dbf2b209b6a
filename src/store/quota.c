#include "store/quota.h"

#include "base/budget.h"
#include "base/mem.h"
#include "store/internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct owner {
    struct str value;
    uint64_t limit; /* its own; UINT64_MAX = it has none of its own */
    uint64_t refused;
};

void quotas_init(struct quotas *q)
{
    pthread_mutex_init(&q->lock, NULL);
    q->label = NULL;
    q->limit = 0;
    q->owners = map_new();
    for (int i = 0; i < N_REFUSALS; i++)
        atomic_store(&q->refused[i], 0);
}

static void free_owners(struct quotas *q)
{
    struct str key;
    void *owner;
    for (size_t i = 0; map_next(q->owners, &i, &key, &owner);)
        free(owner);
    map_free(q->owners);
}

void quotas_release(struct quotas *q)
{
    free_owners(q);
    free(q->label);
    pthread_mutex_destroy(&q->lock);
}

/* NULL when too many are remembered already. */
static struct owner *owner_of(struct quotas *q, struct str value)
{
    struct owner *o = map_get(q->owners, value);
    if (o || map_count(q->owners) >= QUOTA_MAX_OWNERS)
        return o;
    o = mem_zalloc(sizeof *o + value.n + 1);
    if (value.n > 0)
        memcpy(o + 1, value.p, value.n);
    o->value = str_make((const char *)(o + 1), value.n);
    o->limit = UINT64_MAX;
    (void)map_set(q->owners, value, o);
    return o;
}

static uint64_t limit_of(const struct quotas *q, struct str value)
{
    const struct owner *o = map_get(q->owners, value);
    return o && o->limit != UINT64_MAX ? o->limit : q->limit;
}

static uint64_t count_of(struct head *h, const char *label, struct str value)
{
    pthread_rwlock_rdlock(&h->index_lock);
    uint64_t n = index_count(&h->index, str_from(label), value);
    pthread_rwlock_unlock(&h->index_lock);
    return n;
}

/* The limit that the labels' owner has reached; 0 = none. The lock must be held. */
static uint64_t reached_limit(struct head *h, struct labels labels)
{
    const struct quotas *q = &h->quotas;
    if (!q->label)
        return 0;
    struct str value = labels_get(labels, q->label);
    uint64_t limit = value.n > 0 ? limit_of(q, value) : 0;
    return limit > 0 && count_of(h, q->label, value) >= limit ? limit : 0;
}

static bool is_over_quota(struct head *h, struct labels labels)
{
    struct quotas *q = &h->quotas;
    pthread_mutex_lock(&q->lock);
    bool over = reached_limit(h, labels) > 0;
    struct owner *o = over ? owner_of(q, labels_get(labels, q->label)) : NULL;
    if (o)
        o->refused++;
    pthread_mutex_unlock(&q->lock);
    return over;
}

bool quotas_admit(struct head *h, struct labels labels)
{
    enum refusal why = !head_has_room(h)              ? REFUSED_LIMIT
                       : budget_mark() != BUDGET_FREE ? REFUSED_MEMORY
                       : is_over_quota(h, labels)     ? REFUSED_QUOTA
                                                      : N_REFUSALS;
    if (why == N_REFUSALS)
        return true;
    atomic_fetch_add_explicit(&h->quotas.refused[why], 1, memory_order_relaxed);
    return false;
}

void quotas_explain(struct head *h, struct labels labels, char *out, size_t size)
{
    struct quotas *q = &h->quotas;
    pthread_mutex_lock(&q->lock);
    uint64_t limit = reached_limit(h, labels);
    if (limit > 0) {
        struct str value = labels_get(labels, q->label);
        (void)snprintf(out, size, "quota: %.60s=\"%.*s\" has its %" PRIu64 " series", q->label,
                       (int)(value.n < 60 ? value.n : 60), value.p, limit);
    } else if (budget_mark() != BUDGET_FREE) {
        (void)snprintf(out, size, "memory: storage.memory is nearly used up, new series must wait");
    } else {
        (void)snprintf(out, size, "limit: the store has no room for more series");
    }
    pthread_mutex_unlock(&q->lock);
}

/* --- The store's face --- */

void store_set_quotas(struct store *s, const struct store_quotas *quotas)
{
    struct quotas *q = &s->head.quotas;
    pthread_mutex_lock(&q->lock);
    free_owners(q);
    q->owners = map_new();
    free(q->label);
    q->label = quotas->label ? mem_strdup(quotas->label) : NULL;
    q->limit = quotas->series;
    for (size_t i = 0; i < quotas->n_own; i++) {
        struct owner *o = owner_of(q, str_from(quotas->own[i].value));
        if (o)
            o->limit = quotas->own[i].series;
    }
    pthread_mutex_unlock(&q->lock);
}

static int by_refusals(const void *a, const void *b)
{
    const struct store_owner *x = a, *y = b;
    if (x->refused != y->refused)
        return x->refused > y->refused ? -1 : 1;
    return str_cmp(x->value, y->value);
}

const char *store_owners_refused(struct store *s, struct arena *arena, struct store_owner **out,
                                 size_t *n)
{
    struct quotas *q = &s->head.quotas;
    struct str key;
    void *item;
    *n = 0;
    pthread_mutex_lock(&q->lock);
    const char *label = q->label ? arena_strdup(arena, q->label) : NULL;
    struct store_owner *v = ARENA_ARRAY(arena, struct store_owner, map_count(q->owners));
    for (size_t i = 0; label && map_next(q->owners, &i, &key, &item);) {
        const struct owner *o = item;
        if (o->refused > 0)
            v[(*n)++] = (struct store_owner){arena_str(arena, o->value),
                                             count_of(&s->head, label, o->value),
                                             limit_of(q, o->value), o->refused};
    }
    pthread_mutex_unlock(&q->lock);
    qsort(v, *n, sizeof *v, by_refusals);
    *out = v;
    return label;
}

void store_refusals(struct store *s, uint64_t *limit, uint64_t *memory, uint64_t *quota)
{
    const struct quotas *q = &s->head.quotas;
    *limit = atomic_load_explicit(&q->refused[REFUSED_LIMIT], memory_order_relaxed);
    *memory = atomic_load_explicit(&q->refused[REFUSED_MEMORY], memory_order_relaxed);
    *quota = atomic_load_explicit(&q->refused[REFUSED_QUOTA], memory_order_relaxed);
}
