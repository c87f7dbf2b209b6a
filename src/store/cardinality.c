/* What the head's series are made of, counted: the top names, labels and pairs. */
#include "store/internal.h"

#include "base/arena.h"

#include <stdlib.h>

/* The greatest so far, in falling order. */
struct top {
    struct store_count *v;
    size_t n, most;
};

struct counting {
    struct arena *arena;
    struct store_cardinality *out;
    struct top names, values, bytes, pairs;
    struct str name; /* whose pairs are being counted */
    uint64_t n_values, value_bytes;
};

static void put(struct arena *arena, struct top *top, struct str name, struct str value,
                uint64_t count)
{
    if (top->n == top->most && (top->n == 0 || count <= top->v[top->n - 1].count))
        return;
    size_t i = top->n < top->most ? top->n++ : top->n - 1;
    for (; i > 0 && top->v[i - 1].count < count; i--)
        top->v[i] = top->v[i - 1];
    top->v[i] = (struct store_count){arena_str(arena, name), arena_str(arena, value), count};
}

static void end_name(struct counting *c)
{
    if (c->name.n > 0) {
        put(c->arena, &c->values, c->name, STR(""), c->n_values);
        put(c->arena, &c->bytes, c->name, STR(""), c->value_bytes);
    }
    c->n_values = c->value_bytes = 0;
}

static void count_pair(void *arg, struct str name, struct str value, size_t n_series)
{
    struct counting *c = arg;
    if (!str_eq(name, c->name))
        end_name(c);
    c->name = name;
    c->n_values++;
    c->value_bytes += value.n * n_series;
    c->out->label_pairs++;
    if (str_is(name, LABEL_NAME))
        put(c->arena, &c->names, value, STR(""), n_series);
    put(c->arena, &c->pairs, name, value, n_series);
}

static uint64_t count_chunks(struct head *h)
{
    uint64_t n = 0;
    pthread_rwlock_rdlock(&h->visible);
    for (uint32_t slot = 1; slot <= atomic_load(&h->n_used); slot++) {
        const struct series *s = head_in(h, slot);
        n += s ? series_n_chunks(s) : 0;
    }
    pthread_rwlock_unlock(&h->visible);
    return n;
}

static struct top top_of(struct arena *arena, size_t most)
{
    return (struct top){ARENA_ARRAY(arena, struct store_count, most), 0, most};
}

static struct store_counts counts_of(const struct top *top)
{
    return (struct store_counts){top->v, top->n};
}

void store_cardinality(struct store *s, struct arena *arena, size_t most,
                       struct store_cardinality *out)
{
    struct counting c = {.arena = arena,
                         .out = out,
                         .names = top_of(arena, most),
                         .values = top_of(arena, most),
                         .bytes = top_of(arena, most),
                         .pairs = top_of(arena, most),
                         .name = STR("")};
    *out = (struct store_cardinality){.chunks = count_chunks(&s->head)};
    pthread_rwlock_rdlock(&s->head.index_lock);
    index_each(&s->head.index, count_pair, &c);
    end_name(&c);
    pthread_rwlock_unlock(&s->head.index_lock);
    out->series_by_name = counts_of(&c.names);
    out->values_by_label = counts_of(&c.values);
    out->bytes_by_label = counts_of(&c.bytes);
    out->series_by_pair = counts_of(&c.pairs);
}
