/* latency.h -- where on the latency scale to look: bucket edges that stable exceeds rarely and
 * often, and how much more often a canary that is 5% slower may exceed them. */
#ifndef CQED_JUDGE_LATENCY_H
#define CQED_JUDGE_LATENCY_H

#include "judge/judge.h"

struct threshold {
    size_t edge;         /* index of the bucket edge; events above it are exceedances */
    double null_ratio;   /* S(x / scale) / S(x) of stable */
    double margin_ratio; /* of exceedances that still counts as healthy; 0 = not asked here */
};

/* The edges nearest to exceedances of 50 25 10 5 2 1 0.3 %, each once; 0 when hist is empty. The
 * margin is the larger of odds of 1.5 and `tolerate` more exceedances; NaN asks none. */
size_t thresholds_pick(const double *edges, size_t n_edges, const double *hist, double scale,
                       double tolerate, struct threshold out[JUDGE_THRESHOLDS]);

/* S(x / scale) / S(x) at an edge: how much more often a canary exceeds it that is slower by that
 * factor. At least 1. Between edges S is linear in the logarithms of both. */
double threshold_null_ratio(const double *edges, size_t n_edges, const double *hist, size_t edge,
                            double scale);

/* Events above an edge, and above each of them. */
double exceedances(const double *hist, size_t n_edges, size_t edge);
void exceedances_all(const double *hist, size_t n_edges, double *out);

#endif
