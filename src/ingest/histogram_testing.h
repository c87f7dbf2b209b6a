/* histogram_testing.h -- native histograms as text. Included by tests only. */
#ifndef CQED_INGEST_HISTOGRAM_TESTING_H
#define CQED_INGEST_HISTOGRAM_TESTING_H

#include "base/buf.h"
#include "model/histogram.h"

static inline void test_dump_side(struct buf *out, const struct histogram_side *s)
{
    for (uint32_t i = 0, at = 0; i < s->n_spans; i++) {
        buf_printf(out, " %d:", s->spans[i].offset);
        for (uint32_t k = 0; k < s->spans[i].length; k++)
            buf_printf(out, "%s%g", k ? "," : "", s->buckets[at++]);
    }
}

/* t:{s SCHEMA z THRESHOLD:COUNT c COUNT sum SUM + OFFSET:COUNT,COUNT - OFFSET:COUNT custom BOUND}
 */
static inline void test_dump_histogram(struct buf *out, const struct histogram_sample *p)
{
    const struct histogram *h = p->h;
    buf_printf(out, " %lld:{s %d", (long long)p->t_ms, h->schema);
    if (h->zero_threshold != 0 || h->zero_count != 0)
        buf_printf(out, " z %g:%g", h->zero_threshold, h->zero_count);
    buf_printf(out, " c %g sum %g", h->count, h->sum);
    if (h->hint != HISTOGRAM_HINT_UNKNOWN)
        buf_printf(out, " %s", histogram_hint_name(h->hint));
    buf_add_cstr(out, h->positive.n_spans ? " +" : "");
    test_dump_side(out, &h->positive);
    buf_add_cstr(out, h->negative.n_spans ? " -" : "");
    test_dump_side(out, &h->negative);
    for (uint32_t i = 0; i < h->n_custom; i++)
        buf_printf(out, "%s%g", i ? "," : " custom ", h->custom[i]);
    buf_add_char(out, '}');
}

#endif
