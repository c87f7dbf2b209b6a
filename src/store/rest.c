#include "store/rest.h"

#include "base/mem.h"
#include "block/chunk.h"

#include <stdlib.h>

struct series_rest *rest_new(void)
{
    struct series_rest *r = mem_zalloc(sizeof *r);
    atomic_store(&r->histogram_t_ms, INT64_MIN);
    return r;
}

void rest_free(struct series_rest *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->n_chunks; i++)
        histogram_chunk_release(&r->chunks[i]);
    histogram_tail_release(&r->tail);
    late_release(&r->late);
    free(r->chunks);
    free(r);
}

static struct histogram_chunk *open_chunk(struct series_rest *r, const struct histogram *h)
{
    struct histogram_chunk *newest = r->n_chunks > 0 ? &r->chunks[r->n_chunks - 1] : NULL;
    if (newest && histogram_chunk_takes(newest, &r->tail, h))
        return newest;
    if (newest)
        histogram_chunk_seal(newest);
    r->chunks = mem_grow(r->chunks, r->n_chunks, &r->chunk_capacity, sizeof *r->chunks);
    histogram_chunk_init(&r->chunks[r->n_chunks], &r->tail, h);
    return &r->chunks[r->n_chunks++];
}

/* Of what an append can change. */
static size_t memory(const struct series_rest *r, size_t n_chunks)
{
    size_t bytes = histogram_tail_memory(&r->tail);
    for (size_t i = n_chunks ? n_chunks - 1 : 0; i < r->n_chunks; i++)
        bytes += histogram_chunk_memory(&r->chunks[i]);
    return bytes;
}

void rest_append(struct series_rest *r, int64_t t_ms, const struct histogram *h, int64_t *bytes)
{
    size_t n = r->n_chunks;
    int64_t before = (int64_t)memory(r, n);
    histogram_chunk_append(open_chunk(r, h), &r->tail, t_ms, h);
    atomic_store_explicit(&r->histogram_t_ms, t_ms, memory_order_relaxed);
    *bytes += (int64_t)memory(r, n) - before;
}

void rest_drop_before(struct series_rest *r, int64_t t_ms, int64_t *bytes)
{
    size_t n = 0;
    late_drop_before(&r->late, t_ms, bytes);
    for (; n < r->n_chunks && r->chunks[n].last_t_ms < t_ms; n++) {
        *bytes -= (int64_t)histogram_chunk_memory(&r->chunks[n]);
        histogram_chunk_release(&r->chunks[n]);
    }
    r->n_chunks -= n;
    if (n > 0)
        memmove(r->chunks, r->chunks + n, r->n_chunks * sizeof *r->chunks);
}

int64_t rest_oldest(const struct series_rest *r)
{
    int64_t oldest = late_oldest(&r->late);
    return r->n_chunks > 0 && r->chunks[0].first_t_ms < oldest ? r->chunks[0].first_t_ms : oldest;
}

uint64_t histogram_cost(const struct histogram *h)
{
    return 1 + (uint64_t)h->positive.n_buckets + h->negative.n_buckets;
}

uint64_t points_cost(const struct points *p)
{
    uint64_t cost = p->n;
    for (size_t i = 0; i < p->n_histograms; i++)
        cost += histogram_cost(p->histograms[i].h);
    return cost;
}

/* A read under way. */
struct reading {
    struct arena *arena;
    int64_t mint_ms, maxt_ms;
    struct histogram_sample *v;
    size_t n, capacity;
    uint64_t cost;
};

/* Until `max_n` are there, or they cost over `max`. */
static void read_chunks(struct reading *g, const struct histogram_chunk *chunks, size_t n_chunks,
                        size_t max_n, uint64_t max)
{
    struct histogram_reader reader;
    int64_t t_ms;
    for (size_t i = 0; i < n_chunks && g->n < max_n && g->cost <= max; i++) {
        if (chunks[i].last_t_ms < g->mint_ms || chunks[i].first_t_ms > g->maxt_ms)
            continue;
        histogram_reader_init(&reader, g->arena, &chunks[i]);
        while (g->n < max_n && g->cost <= max && histogram_reader_skip(&reader, &t_ms) &&
               t_ms <= g->maxt_ms) {
            if (t_ms < g->mint_ms)
                continue;
            g->v = arena_grow(g->arena, g->v, g->n, &g->capacity, sizeof *g->v);
            g->v[g->n] = (struct histogram_sample){t_ms, histogram_reader_current(&reader)};
            g->cost += histogram_cost(g->v[g->n++].h);
        }
    }
}

static int compare_times(const void *left, const void *right)
{
    const struct histogram_sample *a = left, *b = right;
    return (a->t_ms > b->t_ms) - (a->t_ms < b->t_ms);
}

void rest_read(const struct series_rest *r, struct arena *arena, int64_t mint_ms, int64_t maxt_ms,
               uint64_t max, size_t max_n, const struct histogram_sample **out, size_t *n,
               uint64_t *cost)
{
    struct reading g = {.arena = arena, .mint_ms = mint_ms, .maxt_ms = maxt_ms};
    read_chunks(&g, r->chunks, r->n_chunks, max_n, max);
    if (r->late.n_histograms > 0) {
        read_chunks(&g, r->late.histograms, r->late.n_histograms,
                    max_n < SIZE_MAX - g.n ? g.n + max_n : max_n, max);
        if (g.n > 1)
            qsort(g.v, g.n, sizeof *g.v, compare_times);
    }
    *out = g.v;
    *n = g.n < max_n ? g.n : max_n;
    *cost = g.cost;
}
