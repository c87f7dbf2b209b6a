#include "store/rest.h"

#include "base/hash.h"
#include "base/mem.h"

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
    return r->n_chunks > 0 ? r->chunks[0].first_t_ms : INT64_MAX;
}

uint64_t histogram_cost(const struct histogram *h)
{
    return 1 + (uint64_t)h->positive.n_buckets + h->negative.n_buckets;
}

void rest_read(const struct series_rest *r, struct arena *arena, int64_t mint_ms, int64_t maxt_ms,
               uint64_t max, size_t max_n, const struct histogram_sample **out, size_t *n,
               uint64_t *cost)
{
    struct histogram_reader reader;
    struct histogram_sample *v = NULL;
    size_t capacity = 0;
    int64_t t_ms;
    *n = 0;
    *cost = 0;
    for (size_t i = 0; i < r->n_chunks; i++) {
        const struct histogram_chunk *c = &r->chunks[i];
        if (c->last_t_ms < mint_ms || c->first_t_ms > maxt_ms)
            continue;
        histogram_reader_init(&reader, arena, c);
        while (*n < max_n && *cost <= max && histogram_reader_skip(&reader, &t_ms) &&
               t_ms <= maxt_ms) {
            if (t_ms < mint_ms)
                continue;
            v = arena_grow(arena, v, *n, &capacity, sizeof *v);
            v[*n] = (struct histogram_sample){t_ms, histogram_reader_current(&reader)};
            *cost += histogram_cost(v[(*n)++].h);
        }
    }
    *out = v;
}

static uint64_t hash_side(const struct histogram_side *s, uint64_t hash)
{
    hash = hash64(s->spans, s->n_spans * sizeof *s->spans, hash);
    return hash64(s->buckets, s->n_buckets * sizeof *s->buckets, hash);
}

uint64_t histogram_hash(const struct histogram *h)
{
    const double numbers[] = {h->schema, h->zero_threshold, h->zero_count, h->count, h->sum};
    uint64_t hash = hash64(numbers, sizeof numbers, h->positive.n_spans);
    hash = hash_side(&h->negative, hash_side(&h->positive, hash));
    return hash64(h->custom, h->n_custom * sizeof *h->custom, hash);
}
