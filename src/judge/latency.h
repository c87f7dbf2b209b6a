/* latency.h -- where on the latency scale to look: bucket edges that stable exceeds rarely and
 * often, and how much more often a canary that is 5% slower may exceed them. */
#ifndef CQED_JUDGE_LATENCY_H
#define CQED_JUDGE_LATENCY_H

#include "judge/judge.h"

struct threshold {
    size_t edge;       /* index of the bucket edge; events above it are exceedances */
    double null_ratio; /* S(x / scale) / S(x) of stable */
};

/* The edges nearest to exceedances of 50 25 10 5 2 1 0.3 %, each once; 0 when hist is empty. */
size_t thresholds_pick(const double *edges, size_t n_edges, const double *hist, double scale,
                       struct threshold out[JUDGE_THRESHOLDS]);

/* Events above an edge. */
double exceedances(const double *hist, size_t n_edges, size_t edge);

#endif
