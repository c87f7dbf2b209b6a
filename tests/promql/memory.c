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

static void add_line(struct memory *m, const struct notation_series *line, int64_t step_ms)
{
    struct memory_series *s = series_of(m, line->labels);
    s->unsupported |= line->histograms || line->start_timestamps;
    for (size_t i = 0; i < line->n; i++) {
        if (!line->values[i].present || line->values[i].histogram)
            continue;
        s->samples = arena_grow(&m->arena, s->samples, s->n, &s->capacity, sizeof *s->samples);
        s->samples[s->n++] = (struct sample){(int64_t)i * step_ms, line->values[i].v};
    }
    if (s->n > 1)
        qsort(s->samples, s->n, sizeof *s->samples, compare_times);
}

/* load_with_nhcb makes a histogram x of x_bucket, x_sum and x_count. */
static void add_custom_histogram(struct memory *m, struct labels labels)
{
    static const char *const suffixes[] = {"_bucket", "_sum", "_count"};
    struct labels_builder b;
    struct str name = labels_get(labels, LABEL_NAME);
    for (size_t i = 0; i < 3; i++) {
        struct str suffix = str_from(suffixes[i]);
        if (!str_ends(name, suffix))
            continue;
        labels_builder_from(&b, &m->arena, labels);
        labels_builder_set(&b, STR(LABEL_NAME), str_make(name.p, name.n - suffix.n));
        labels_builder_remove(&b, STR("le"));
        series_of(m, labels_build(&b))->unsupported = true;
    }
}

void memory_load(struct memory *m, const struct load *load)
{
    for (size_t i = 0; i < load->n; i++) {
        add_line(m, &load->series[i], load->step_ms);
        if (load->with_nhcb)
            add_custom_histogram(m, load->series[i].labels);
    }
}

static bool select_series(void *self, struct arena *arena, const struct matcher *matchers,
                          size_t n_matchers, int64_t mint_ms, int64_t maxt_ms,
                          struct promql_series **out, size_t *n, struct err *err)
{
    struct memory *m = self;
    (void)err;
    *out = ARENA_ARRAY(arena, struct promql_series, m->n);
    *n = 0;
    for (size_t i = 0; i < m->n; i++) {
        const struct memory_series *s = &m->v[i];
        size_t from = 0, to = s->n;
        if (!matchers_match(matchers, n_matchers, s->labels))
            continue;
        m->touched_unsupported |= s->unsupported;
        while (from < to && s->samples[from].t_ms < mint_ms)
            from++;
        while (to > from && s->samples[to - 1].t_ms > maxt_ms)
            to--;
        if (to > from)
            (*out)[(*n)++] = (struct promql_series){
                .labels = s->labels, .n = to - from, .samples = s->samples + from};
    }
    return true;
}

struct promql_source memory_source(struct memory *m)
{
    return (struct promql_source){.self = m, .select = select_series};
}
