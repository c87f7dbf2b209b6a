/* The store as a source of PromQL. */
#include "serve/internal.h"

static struct promql_series *as_promql(struct arena *arena, const struct store_series_data *found,
                                       size_t n)
{
    struct promql_series *series = ARENA_ARRAY(arena, struct promql_series, n);
    for (size_t i = 0; i < n; i++)
        series[i] = (struct promql_series){.labels = found[i].labels,
                                           .n = found[i].n,
                                           .samples = found[i].samples,
                                           .n_histograms = found[i].n_histograms,
                                           .histograms = found[i].histograms};
    return series;
}

bool store_promql_select(void *store, struct arena *arena, const struct matcher *matchers,
                         size_t n_matchers, int64_t mint_ms, int64_t maxt_ms,
                         struct promql_series **out, size_t *n, struct err *err)
{
    struct store_series_data *found;
    if (!store_select(store, arena, matchers, n_matchers, mint_ms, maxt_ms, 0, &found, n, err))
        return false;
    *out = as_promql(arena, found, *n);
    return true;
}

static bool store_promql_first(void *store, struct arena *arena, const struct matcher *matchers,
                               size_t n_matchers, int64_t mint_ms, int64_t maxt_ms,
                               struct promql_series **out, size_t *n, struct err *err)
{
    struct store_series_data *found;
    if (!store_select_first(store, arena, matchers, n_matchers, mint_ms, maxt_ms, &found, n, err))
        return false;
    *out = as_promql(arena, found, *n);
    return true;
}

struct handover {
    struct store_visitor visitor;
    struct promql_visitor *next;
};

static bool hand_over(struct store_visitor *visitor, const struct store_series_data *d,
                      struct err *err)
{
    struct handover *h = (struct handover *)visitor;
    return h->next->see(h->next,
                        &(struct promql_series){.labels = d->labels,
                                                .n = d->n,
                                                .samples = d->samples,
                                                .n_histograms = d->n_histograms,
                                                .histograms = d->histograms},
                        err);
}

static bool store_promql_visit(void *store, struct arena *arena, const struct matcher *matchers,
                               size_t n_matchers, int64_t mint_ms, int64_t maxt_ms,
                               struct promql_visitor *next, struct err *err)
{
    struct handover h = {{hand_over}, next};
    return store_visit(store, arena, matchers, n_matchers, mint_ms, maxt_ms, 0, &h.visitor, err);
}

struct promql_source store_promql_source(struct store *store)
{
    return (struct promql_source){store, store_promql_select, store_promql_first,
                                  store_promql_visit};
}

/* --- Within the limits of one query --- */

static uint64_t samples_left(const struct bounded_source *b, const struct arena *arena)
{
    uint64_t used = arena->used_bytes - b->memory_before;
    uint64_t left = used < b->max_memory_bytes ? b->max_memory_bytes - used : 0;
    uint64_t most = left / sizeof(struct sample) + 1; /* 0 would be the store's default */
    return most < b->max_samples ? most : b->max_samples;
}

static bool bounded_select(void *self, struct arena *arena, const struct matcher *matchers,
                           size_t n_matchers, int64_t mint_ms, int64_t maxt_ms,
                           struct promql_series **out, size_t *n, struct err *err)
{
    const struct bounded_source *b = self;
    struct store_series_data *found;
    if (!store_select(b->store, arena, matchers, n_matchers, mint_ms, maxt_ms,
                      samples_left(b, arena), &found, n, err))
        return false;
    *out = as_promql(arena, found, *n);
    return true;
}

static bool bounded_first(void *self, struct arena *arena, const struct matcher *matchers,
                          size_t n_matchers, int64_t mint_ms, int64_t maxt_ms,
                          struct promql_series **out, size_t *n, struct err *err)
{
    const struct bounded_source *b = self;
    return store_promql_first(b->store, arena, matchers, n_matchers, mint_ms, maxt_ms, out, n, err);
}

static bool bounded_visit(void *self, struct arena *arena, const struct matcher *matchers,
                          size_t n_matchers, int64_t mint_ms, int64_t maxt_ms,
                          struct promql_visitor *next, struct err *err)
{
    const struct bounded_source *b = self;
    struct handover h = {{hand_over}, next};
    return store_visit(b->store, arena, matchers, n_matchers, mint_ms, maxt_ms,
                       samples_left(b, arena), &h.visitor, err);
}

struct promql_source bounded_promql_source(struct bounded_source *b)
{
    return (struct promql_source){b, bounded_select, bounded_first, bounded_visit};
}
