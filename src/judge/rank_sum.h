/* rank_sum.h -- by how much x is shifted against y, with an interval: the Mann-Whitney (Wilcoxon
 * rank-sum) test inverted, normal approximation, tie-corrected sigma, continuity correction of half
 * a rank. The interval is what R's wilcox.test(conf.int = TRUE, exact = FALSE) computes and Kayenta
 * after it, the tolerance of the root search included; sources: Hollander and Wolfe, Nonparametric
 * Statistical Methods, section 4.3; Brent, Algorithms for Minimization Without Derivatives,
 * chapter 4. Private to judge/. */
#ifndef CQED_JUDGE_RANK_SUM_H
#define CQED_JUDGE_RANK_SUM_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct rank_sum {
    double lower, upper; /* of the shift x - y, at 98 % confidence */
    double estimate;     /* Hodges and Lehmann's */
};

/* Both ascending, finite, n >= 1. The roots are found to within `tolerance`, absolutely: 1e-4 is
 * R's and Kayenta's. O(n) for each of about 60 looks. ERR_BAD_INPUT when the observations are all
 * tied at an end of the search. */
MUST_CHECK bool rank_sum_interval(const double *x, size_t n_x, const double *y, size_t n_y,
                                  double tolerance, struct rank_sum *out, struct err *);

/* The share of pairs in which x is over y, ties counting half (Vargha and Delaney 2000). */
double rank_sum_superiority(const double *x, size_t n_x, const double *y, size_t n_y);

#endif
