#include "rules/memory.h"

#include "base/map.h"

#include <stdlib.h>

struct stored {
    struct labels labels;
    struct sample *samples; /* ascending */
    size_t n, capacity;
    struct histogram_sample *histograms; /* ascending */
    size_t n_histograms, histogram_capacity;
};

struct memory_store {
    struct arena arena;
    struct map *by_labels;
    struct stored **v;
    size_t n, capacity;
};

struct memory_store *memory_store_new(void)
{
    struct memory_store *m = calloc(1, sizeof *m);
    if (!m)
        check_no_memory(sizeof *m);
    arena_init(&m->arena);
    m->by_labels = map_new();
    return m;
}

void memory_store_free(struct memory_store *m)
{
    if (!m)
        return;
    map_free(m->by_labels);
    arena_release(&m->arena);
    free(m);
}

static struct stored *series_of(struct memory_store *m, struct labels labels)
{
    struct buf key = BUF_INIT;
    labels_print(labels, &key);
    struct stored *s = map_get(m->by_labels, buf_str(&key));
    if (!s) {
        s = ARENA_NEW(&m->arena, struct stored);
        s->labels = labels_copy(&m->arena, labels);
        m->v = arena_grow(&m->arena, m->v, m->n, &m->capacity, sizeof(struct stored *));
        m->v[m->n++] = s;
        (void)map_set(m->by_labels, buf_str(&key), s);
    }
    buf_release(&key);
    return s;
}

static void add_float(struct memory_store *m, struct stored *s, struct sample sample)
{
    size_t at = s->n;
    while (at > 0 && s->samples[at - 1].t_ms >= sample.t_ms)
        at--;
    if (at < s->n && s->samples[at].t_ms == sample.t_ms) {
        s->samples[at] = sample;
        return;
    }
    s->samples = arena_grow(&m->arena, s->samples, s->n, &s->capacity, sizeof *s->samples);
    memmove(&s->samples[at + 1], &s->samples[at], (s->n - at) * sizeof *s->samples);
    s->samples[at] = sample;
    s->n++;
}

static void add_histogram(struct memory_store *m, struct stored *s, int64_t t_ms,
                          const struct histogram *h)
{
    struct histogram_sample sample = {t_ms, histogram_copy(&m->arena, h)};
    size_t at = s->n_histograms;
    while (at > 0 && s->histograms[at - 1].t_ms >= t_ms)
        at--;
    if (at < s->n_histograms && s->histograms[at].t_ms == t_ms) {
        s->histograms[at] = sample;
        return;
    }
    s->histograms = arena_grow(&m->arena, s->histograms, s->n_histograms, &s->histogram_capacity,
                               sizeof *s->histograms);
    memmove(&s->histograms[at + 1], &s->histograms[at],
            (s->n_histograms - at) * sizeof *s->histograms);
    s->histograms[at] = sample;
    s->n_histograms++;
}

void memory_store_add(struct memory_store *m, const struct rule_sample *sample)
{
    struct stored *s = series_of(m, sample->labels);
    if (sample->histogram)
        add_histogram(m, s, sample->t_ms, sample->histogram);
    else
        add_float(m, s, (struct sample){sample->t_ms, sample->v});
}

static struct promql_series cut(const struct stored *s, int64_t mint_ms, int64_t maxt_ms)
{
    size_t from = 0, to = s->n, h_from = 0, h_to = s->n_histograms;
    while (from < to && s->samples[from].t_ms < mint_ms)
        from++;
    while (to > from && s->samples[to - 1].t_ms > maxt_ms)
        to--;
    while (h_from < h_to && s->histograms[h_from].t_ms < mint_ms)
        h_from++;
    while (h_to > h_from && s->histograms[h_to - 1].t_ms > maxt_ms)
        h_to--;
    return (struct promql_series){.labels = s->labels,
                                  .n = to - from,
                                  .samples = s->samples ? s->samples + from : NULL,
                                  .n_histograms = h_to - h_from,
                                  .histograms = s->histograms ? s->histograms + h_from : NULL};
}

static bool select_stored(void *self, struct arena *arena, const struct matcher *matchers,
                          size_t n_matchers, int64_t mint_ms, int64_t maxt_ms,
                          struct promql_series **out, size_t *n, struct err *err)
{
    const struct memory_store *m = self;
    (void)err;
    *out = ARENA_ARRAY(arena, struct promql_series, m->n);
    *n = 0;
    for (size_t i = 0; i < m->n; i++) {
        if (!matchers_match(matchers, n_matchers, m->v[i]->labels))
            continue;
        struct promql_series series = cut(m->v[i], mint_ms, maxt_ms);
        if (series.n + series.n_histograms > 0)
            (*out)[(*n)++] = series;
    }
    return true;
}

struct promql_source memory_store_source(struct memory_store *m)
{
    return (struct promql_source){.self = m, .select = select_stored};
}
