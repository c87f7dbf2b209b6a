/* combine.h -- several checks, one false-rollback rate. The weighted average of e-values is an
 * e-value under any dependence (Vovk and Wang 2021), so sum w_i E_i >= 1/alpha is wrong at any time
 * with probability at most alpha, and finds harm a little sooner than alpha split over the checks
 * does. A check caused it by itself when its own w_i E_i reaches 1/alpha (Bonferroni). */
#ifndef CQED_JUDGE_COMBINE_H
#define CQED_JUDGE_COMBINE_H

#include <stdbool.h>
#include <stddef.h>

struct combined {
    double log_e;
    bool is_harm;
    size_t worst; /* the check with most weighted evidence */
    bool alone;   /* that check's evidence is enough by itself */
};

/* Weights add up to 1 and n is at least 1. */
struct combined judge_combine(const double *log_e, const double *weights, size_t n, double alpha);

#endif
