/* The exemplars of a point, on the series that counts them. */
#include "ingest/otlp_internal.h"

#include <stdlib.h>

/* The store takes them by time, value and labels. */
static int compare(const void *left, const void *right)
{
    const struct otlp_exemplar *a = left, *b = right;
    if (a->t_ns != b->t_ns)
        return a->t_ns < b->t_ns ? -1 : 1;
    if (a->v != b->v)
        return a->v < b->v ? -1 : 1;
    int order = strcmp(a->span_id, b->span_id);
    return order ? order : strcmp(a->trace_id, b->trace_id);
}

/* A classic histogram's is the bucket that it is in; any other has one series that counts. */
static uint64_t series_of(const struct otlp_intake *r, const struct otlp_point *p,
                          const struct otlp_stream *s, double v)
{
    if (s->n == 1)
        return r->family->counter ? s->refs[0] : 0;
    for (size_t i = 0; r->family->kind == OTLP_HISTOGRAM && i < s->n; i++) {
        struct otlp_component c = otlp_component_of(r->family, p, i);
        if (c.label && v <= c.bound)
            return s->refs[i];
    }
    return 0;
}

static void put(struct otlp_intake *r, uint64_t ref, const struct otlp_exemplar *e)
{
    struct label l[2];
    size_t n = 0;
    if (e->span_id[0])
        l[n++] = (struct label){STR("span_id"), str_from(e->span_id)};
    if (e->trace_id[0])
        l[n++] = (struct label){STR("trace_id"), str_from(e->trace_id)};
    const struct store_exemplar kept = {
        .labels = {n, l}, .v = e->v, .t_ms = (int64_t)(e->t_ns / 1000000)};
    (void)store_batch_add_exemplar(r->batch, ref, &kept);
}

void otlp_put_exemplars(struct otlp_intake *r, const struct otlp_point *p,
                        const struct otlp_stream *s)
{
    struct otlp_exemplar sorted[OTLP_MAX_EXEMPLARS];
    for (size_t i = 0; i < p->n_exemplars; i++) {
        sorted[i] = p->exemplars[i];
        if (sorted[i].t_ns == 0)
            sorted[i].t_ns = p->t_ns;
    }
    if (p->n_exemplars > 1)
        qsort(sorted, p->n_exemplars, sizeof *sorted, compare);
    for (size_t i = 0; i < p->n_exemplars; i++) {
        uint64_t ref = series_of(r, p, s, sorted[i].v);
        if (ref != 0)
            put(r, ref, &sorted[i]);
    }
}
