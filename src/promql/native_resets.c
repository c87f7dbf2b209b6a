/* Whether a counter started anew between two of its histograms: some count fell, or the buckets
 * became finer. */
#include "promql/native.h"

#include <string.h>

static bool same_spans(const struct histogram_side *a, const struct histogram_side *b)
{
    return a->n_spans == b->n_spans && a->n_buckets == b->n_buckets &&
           (a->n_spans == 0 || memcmp(a->spans, b->spans, a->n_spans * sizeof *a->spans) == 0);
}

static bool same_layout(const struct histogram *a, const struct histogram *b)
{
    return a->schema == b->schema && a->zero_threshold == b->zero_threshold &&
           a->n_custom == b->n_custom && same_spans(&a->positive, &b->positive) &&
           same_spans(&a->negative, &b->negative) &&
           (a->n_custom == 0 || memcmp(a->custom, b->custom, a->n_custom * sizeof *a->custom) == 0);
}

static bool some_fell(const double *now, const double *before, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (now[i] < before[i])
            return true;
    }
    return false;
}

/* Buckets that are within the zero bucket are counted there. */
static size_t first_outside(const struct native *h, const struct cells *c, double threshold)
{
    size_t i = 0;
    while (i < c->n && h->schema != HISTOGRAM_SCHEMA_CUSTOM &&
           native_bound(h, c->index[i]) <= threshold)
        i++;
    return i;
}

static bool cell_fell(const struct native *now, const struct cells *is, const struct native *before,
                      const struct cells *was)
{
    double threshold = now->zero_threshold;
    size_t at = first_outside(now, is, threshold);
    for (size_t i = first_outside(before, was, threshold); i < was->n; i++) {
        while (at < is->n && is->index[at] < was->index[i])
            at++;
        bool found = at < is->n && is->index[at] == was->index[i];
        if (found ? is->v[at] < was->v[i] : was->v[i] != 0)
            return true;
    }
    return false;
}

static bool other_bounds_fell(struct arena *scratch, struct native *now, struct native *before)
{
    uint32_t n;
    const double *common = native_common_bounds(scratch, now, before, &n);
    native_set_bounds(now, common, n);
    native_set_bounds(before, common, n);
    return cell_fell(now, &now->positive, before, &before->positive);
}

static bool other_layout_fell(struct arena *scratch, const struct histogram *h,
                              const struct histogram *p)
{
    struct native now = native_view(scratch, h), before = native_view(scratch, p);
    if (is_custom(h) && !native_same_bounds(&now, &before))
        return other_bounds_fell(scratch, &now, &before);
    if (h->schema > p->schema || h->zero_threshold < p->zero_threshold)
        return true;
    struct zero_bucket zero = native_widen_zero(&before, h->zero_threshold);
    if (zero.threshold != h->zero_threshold || h->zero_count < zero.count.sum + zero.count.lost)
        return true;
    if (h->schema < p->schema)
        native_reduce(&before, h->schema);
    return cell_fell(&now, &now.positive, &before, &before.positive) ||
           cell_fell(&now, &now.negative, &before, &before.negative);
}

bool native_is_reset(struct arena *scratch, const struct histogram *h, const struct histogram *p)
{
    if (h->hint == HISTOGRAM_HINT_RESET || h->hint == HISTOGRAM_HINT_NOT_RESET)
        return h->hint == HISTOGRAM_HINT_RESET;
    if (h->count < p->count || (is_custom(h) && !is_custom(p)))
        return true;
    if (same_layout(h, p))
        return h->zero_count < p->zero_count ||
               some_fell(h->positive.buckets, p->positive.buckets, h->positive.n_buckets) ||
               some_fell(h->negative.buckets, p->negative.buckets, h->negative.n_buckets);
    return other_layout_fell(scratch, h, p);
}
