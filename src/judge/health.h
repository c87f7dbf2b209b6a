/* health.h -- evidence that a canary is not worse: an e-process against "at least r times
 * stable's rate", and bounds of a rate that hold at all times. */
#ifndef CQED_JUDGE_HEALTH_H
#define CQED_JUDGE_HEALTH_H

#include <stdbool.h>
#include <stddef.h>

#define HEALTH_GRID 10

/* The conditional test of harm.h turned round: multipliers below 1 of the margin r. */
struct health {
    double log_e[HEALTH_GRID]; /* per multiplier, weights not applied */
};

void health_feed(struct health *, double bad_canary, double bad_both, double canary_share,
                 double margin_ratio, double dispersion);
double health_log_e(const struct health *);

/* Bounds of a Bernoulli rate from `bad` and `good` counts (already divided by the dispersion);
 * each is wrong at any time with probability at most `beta`. They invert mixtures of the
 * likelihood ratios c^bad ((1 - c p)/(1 - p))^good over multipliers c: Robbins (1970), Howard et
 * al. (2021). Relative precision 1e-9. */
double rate_upper(double bad, double good, double beta);
double rate_lower(double bad, double good, double beta);

/* rate_upper of the canary <= rate_lower of stable + tolerate, at a fraction of the cost. */
bool rate_is_within(double bad_canary, double good_canary, double bad_stable, double good_stable,
                    double tolerate, double beta);

/* The same bounds for the mean of a Poisson count, whose events no exposure limits. */
double count_upper(double events, double beta);
double count_lower(double events, double beta);

#endif
