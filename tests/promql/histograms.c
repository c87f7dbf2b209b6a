/* load_with_nhcb: the histograms with custom bounds that classic buckets make. */
#include "base/num.h"
#include "memory.h"

#include <math.h>
#include <stdlib.h>

#define MAX_BUCKETS 1000

struct classic_bucket {
    double le, count;
};

struct classic {
    struct labels labels;
    int64_t t_ms;
    struct classic_bucket buckets[MAX_BUCKETS];
    size_t n;
    double sum, count;
    bool has_count;
};

static int compare_buckets(const void *a, const void *b)
{
    const struct classic_bucket *x = a, *y = b;
    return (x->le > y->le) - (x->le < y->le);
}

static void finish(struct memory *m, struct classic *c)
{
    struct arena *arena = &m->arena;
    struct histogram *h = ARENA_NEW(arena, struct histogram);
    double *custom = ARENA_ARRAY(arena, double, c->n), *v = ARENA_ARRAY(arena, double, c->n + 1);
    double before = 0;
    qsort(c->buckets, c->n, sizeof *c->buckets, compare_buckets);
    if (!c->has_count)
        c->count = c->n > 0 ? c->buckets[c->n - 1].count : 0;
    if (c->n == 0 || !isinf(c->buckets[c->n - 1].le))
        c->buckets[c->n++] = (struct classic_bucket){(double)INFINITY, c->count};
    for (size_t i = 0; i < c->n; i++) {
        v[i] = c->buckets[i].count - before;
        before = c->buckets[i].count;
        if (i + 1 < c->n)
            custom[h->n_custom++] = c->buckets[i].le;
    }
    h->schema = HISTOGRAM_SCHEMA_CUSTOM;
    h->custom = custom;
    h->count = c->count;
    h->sum = c->sum;
    struct histogram_span *span = ARENA_NEW(arena, struct histogram_span);
    span->length = (uint32_t)c->n;
    h->positive = (struct histogram_side){1, (uint32_t)c->n, span, v};
    memory_add_histogram(m, c->labels, c->t_ms, h);
}

enum part { PART_BUCKET, PART_SUM, PART_COUNT, PART_NONE };

/* Which part of a histogram a series is, and of which. */
static enum part part_of(struct arena *arena, struct labels labels, struct labels *base, double *le)
{
    static const char *const suffixes[] = {"_bucket", "_sum", "_count"};
    struct str name = labels_get(labels, LABEL_NAME);
    struct labels_builder b;
    for (size_t i = 0; i < 3; i++) {
        struct str suffix = str_from(suffixes[i]);
        if (!str_ends(name, suffix))
            continue;
        if (i == 0 && !num_parse_double(labels_get(labels, "le"), le))
            return PART_NONE;
        labels_builder_from(&b, arena, labels);
        labels_builder_set(&b, STR(LABEL_NAME), str_make(name.p, name.n - suffix.n));
        labels_builder_remove(&b, STR("le"));
        *base = labels_build(&b);
        return (enum part)i;
    }
    return PART_NONE;
}

static void add_part(struct classic *c, enum part part, double le, double v)
{
    if (part == PART_BUCKET && c->n + 1 < MAX_BUCKETS)
        c->buckets[c->n++] = (struct classic_bucket){le, v};
    else if (part == PART_SUM)
        c->sum = v;
    else if (part == PART_COUNT)
        c->count = v;
    c->has_count |= part == PART_COUNT;
}

/* All parts of the histogram of line `first` at one time; not when an earlier line did it. */
static void make_one(struct memory *m, const struct load *load, size_t first, size_t step)
{
    struct labels base, other;
    double le = 0;
    if (part_of(&m->arena, load->series[first].labels, &base, &le) == PART_NONE)
        return;
    struct classic *c = ARENA_NEW(&m->arena, struct classic);
    c->labels = base;
    c->t_ms = (int64_t)step * load->step_ms;
    for (size_t i = 0; i < load->n; i++) {
        const struct notation_series *line = &load->series[i];
        enum part part = part_of(&m->arena, line->labels, &other, &le);
        bool there = step < line->n && line->values[step].present && !line->values[step].h &&
                     !is_stale_nan(line->values[step].v);
        if (part == PART_NONE || !there || !labels_eq(base, other))
            continue;
        if (i < first)
            return;
        add_part(c, part, le, line->values[step].v);
    }
    if (c->n > 0 || c->has_count)
        finish(m, c);
}

void memory_load_custom(struct memory *m, const struct load *load)
{
    for (size_t i = 0; i < load->n; i++) {
        for (size_t step = 0; step < load->series[i].n; step++)
            make_one(m, load, i, step);
    }
}
