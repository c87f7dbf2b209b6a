/* harm.h -- the e-process against "the canary's rate is at most r times stable's".
 *
 * One bucket with b bad canary events of K in both arms, and a canary share q of the exposure,
 * multiplies the wealth of each alternative g by
 *     exp(eta (b ln g - K ln((1 - q + q r g) / (1 - q + q r)))),
 * which has expectation at most 1 under the null for any common rate, drift and split. Mixing over
 * g and over start times, tempering by eta <= 1 and throwing wealth away keep it so; by Ville's
 * inequality P(ever E >= 1/alpha) <= alpha. Source: docs/manual/judge.md, with the proof; start
 * mixture and e-detectors after Shin, Ramdas, Rinaldo (2022), conditional test after Lindon and
 * Malek (2022). Cost: 16 exponentials a bucket. */
#ifndef CQED_JUDGE_HARM_H
#define CQED_JUDGE_HARM_H

#include "judge/judge.h"

#define HARM_RISES 2 /* a small and a large multiplier */

struct harm {
    double log_m[JUDGE_HARM_GRID]; /* wealth of each multiplier, weights not applied */
    double unstarted;              /* mass that bets on a later onset */
    double log_discount;           /* of what was thrown away; applies to the unstarted too */
    double log_e;
    bool begun;
    /* Page's sums of the same increments of two multipliers, back at 0 whenever they speak against
     * harm: where the larger one last left 0 is the likeliest beginning of the harm. Description,
     * not test. E. S. Page, Biometrika 41, 1954. */
    double rise[HARM_RISES];
};

struct harm_bucket {
    double bad_canary, bad_both; /* b and K */
    double canary_share;         /* q */
    double expected_bad;         /* K as the past of stable foretells it; INFINITY = no cap */
};

struct harm_rules {
    double null_ratio;       /* r */
    double dispersion;       /* phi >= 1 */
    double start_mass;       /* bet on harm from the start: 0.5 */
    double onset_per_bucket; /* hazard of a later onset */
    double max_increase;     /* nats that one bucket may add: 2; INFINITY = no cap */
    bool even;               /* all multipliers weigh the same, as in the reference */
};

void harm_init(struct harm *);
void harm_feed(struct harm *, const struct harm_rules *, const struct harm_bucket *);

/* What one bad event of the canary, and none of stable, adds at the multiplier 10: how many more it
 * would take. > 0 while the share is under one half. */
double harm_per_event(const struct harm_rules *, double canary_share);

#endif
