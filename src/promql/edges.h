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

#endif
