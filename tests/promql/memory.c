#include "memory.h"

#include <stdlib.h>

void memory_init(struct memory *m)
{
    *m = (struct memory){.n = 0};
    arena_init(&m->arena);
}

void memory_clear(struct memory *m)
{
    arena_release(&m->arena);
    memory_init(m);
}

static struct memory_series *series_of(struct memory *m, struct labels labels)
{
    for (size_t i = 0; i < m->n; i++) {
        if (labels_eq(m->v[i].labels, labels))
            return &m->v[i];
    }
    m->v = arena_grow(&m->arena, m->v, m->n, &m->capacity, sizeof *m->v);
    m->v[m->n] = (struct memory_series){.labels = labels_copy(&m->arena, labels)};
    return &m->v[m->n++];
}

static int compare_times(const void *a, const void *b)
{
    const struct sample *x = a, *y = b;
    return (x->t_ms > y->t_ms) - (x->t_ms < y->t_ms);
}

static int compare_histogram_times(const void *a, const void *b)
{
    const struct histogram_sample *x = a, *y = b;
    return (x->t_ms > y->t_ms) - (x->t_ms < y->t_ms);
}

static void append_histogram(struct memory *m, struct memory_series *s, int64_t t_ms,
                             const struct histogram *h)
{
    s->histograms = arena_grow(&m->arena, s->histograms, s->n_histograms, &s->histogram_capacity,
                               sizeof *s->histograms);
    s->histograms[s->n_histograms++] =
        (struct histogram_sample){t_ms, histogram_copy(&m->arena, h)};
}

static void sort_series(struct memory_series *s)
{
    if (s->n > 1)
        qsort(s->samples, s->n, sizeof *s->samples, compare_times);
    if (s->n_histograms > 1)
        qsort(s->histograms, s->n_histograms, sizeof *s->histograms, compare_histogram_times);
}

void memory_add_histogram(struct memory *m, struct labels labels, int64_t t_ms,
                          const struct histogram *h)
{
    struct memory_series *s = series_of(m, labels);
    append_histogram(m, s, t_ms, h);
    sort_series(s);
}

/* Changes only. */
static void add_start(struct memory *m, struct memory_series *s, int64_t t_ms, int64_t start_ms)
{
    int64_t before = s->n_starts > 0 ? s->starts[s->n_starts - 1].start_ms : 0;
    if (start_ms == before)
        return;
    s->starts =
        arena_grow(&m->arena, s->starts, s->n_starts, &s->start_capacity, sizeof *s->starts);
    s->starts[s->n_starts++] = (struct promql_start){t_ms, start_ms};
}

static void add_line(struct memory *m, const struct notation_series *line, int64_t step_ms)
{
    struct memory_series *s = series_of(m, line->labels);
    for (size_t i = 0; i < line->n; i++) {
        int64_t t_ms = (int64_t)i * step_ms;
        if (!line->values[i].present)
            continue;
        if (line->n_starts > 0) {
            int64_t before = i < line->n_starts ? line->starts_ms[i] : 0;
            add_start(m, s, t_ms, before ? t_ms + before : 0);
        }
        if (line->values[i].h) {
            append_histogram(m, s, t_ms, line->values[i].h);
            continue;
        }
        s->samples = arena_grow(&m->arena, s->samples, s->n, &s->capacity, sizeof *s->samples);
        s->samples[s->n++] = (struct sample){t_ms, line->values[i].v};
    }
    sort_series(s);
}

void memory_load(struct memory *m, const struct load *load)
{
    for (size_t i = 0; i < load->n; i++)
        add_line(m, &load->series[i], load->step_ms);
    if (load->with_nhcb)
        memory_load_custom(m, load);
}

/* What is in the range: samples, histograms, and the starts that hold there. */
static struct promql_series cut(const struct memory_series *s, int64_t mint_ms, int64_t maxt_ms)
{
    struct promql_series out = {.labels = s->labels, .n_starts = s->n_starts, .starts = s->starts};
    size_t from = 0, to = s->n, h_from = 0, h_to = s->n_histograms;
    while (from < to && s->samples[from].t_ms < mint_ms)
        from++;
    while (to > from && s->samples[to - 1].t_ms > maxt_ms)
        to--;
    while (h_from < h_to && s->histograms[h_from].t_ms < mint_ms)
        h_from++;
    while (h_to > h_from && s->histograms[h_to - 1].t_ms > maxt_ms)
        h_to--;
    if (to > from) {
        out.n = to - from;
        out.samples = s->samples + from;
    }
    if (h_to > h_from) {
        out.n_histograms = h_to - h_from;
        out.histograms = s->histograms + h_from;
    }
    return out;
}

static bool select_series(void *self, struct arena *arena, const struct matcher *matchers,
                          size_t n_matchers, int64_t mint_ms, int64_t maxt_ms,
                          struct promql_series **out, size_t *n, struct err *err)
{
    const struct memory *m = self;
    (void)err;
    *out = ARENA_ARRAY(arena, struct promql_series, m->n);
    *n = 0;
    for (size_t i = 0; i < m->n; i++) {
        if (!matchers_match(matchers, n_matchers, m->v[i].labels))
            continue;
        struct promql_series series = cut(&m->v[i], mint_ms, maxt_ms);
        if (series.n > 0 || series.n_histograms > 0)
            (*out)[(*n)++] = series;
    }
    return true;
}

struct promql_source memory_source(struct memory *m)
{
    return (struct promql_source){.self = m, .select = select_series};
}
