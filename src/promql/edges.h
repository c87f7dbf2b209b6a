/* edges.h -- values between samples, and ranges with `anchored` or `smoothed` edges. Private to
 * promql/. */
#ifndef CQED_PROMQL_EDGES_H
#define CQED_PROMQL_EDGES_H

#include "promql/functions.h"

/* On the line through two samples. */
static inline double interpolate(const struct sample *a, const struct sample *b, int64_t t_ms)
{
    return a->v + (b->v - a->v) * (double)(t_ms - a->t_ms) / (double)(b->t_ms - a->t_ms);
}

/* Whether a function knows what to do with such edges; names the ones that do if not. */
bool edges_allowed(const struct function *, enum edges, const char **allowed);

/* The value of such a function at one step. The samples are those in the range with one before it
 * and, for smoothed edges, one behind it, where there are any. False: none. */
bool range_with_edges(const struct function *, enum edges, const struct sample *, size_t n,
                      int64_t start_ms, int64_t end_ms, double *out);

/* On the line through two histograms, or NULL, with a note, when they cannot meet. A counter that
 * was reset between them began at none. */
struct native_line {
    struct query *query;
    struct labels labels;
    size_t position;
    bool counter;
};
const struct histogram *native_between(const struct native_line *, struct arena *,
                                       const struct histogram_sample *a,
                                       const struct histogram_sample *b, int64_t t_ms);

/* The range itself: the samples in it, and a value at each edge. 0: none. */
size_t points_with_edges(struct arena *, enum edges, const struct matrix_series *, int64_t start_ms,
                         int64_t end_ms, const struct sample **out);
size_t histograms_with_edges(const struct native_line *, struct arena *, enum edges,
                             const struct matrix_series *, int64_t start_ms, int64_t end_ms,
                             const struct histogram_sample **out);

/* The same where there are histograms among them. */
bool native_with_edges(const struct function *, enum edges, const struct window *,
                       struct value *out);

#endif
