/* dispersion.h -- how much more counts vary than independent events would: phi, the variance of
 * how the bad events of a block split over the arms, over its binomial variance. Real errors come
 * in bursts and are correlated in time; a test that does not know is wrong in a third to three
 * quarters of healthy rollouts.
 *
 * Estimator: Pearson's ratio of sums over blocks of 5, 30 and 120 s, shrunk to a prior; the growth
 * from 30 to 120 s is added once more, since time-correlated errors have not reached their plateau
 * there. Method and measurements: docs/manual/judge.md. */
#ifndef CQED_JUDGE_DISPERSION_H
#define CQED_JUDGE_DISPERSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DISPERSION_LENGTHS 3
#define DISPERSION_RUN_LENGTHS 2

extern const int64_t dispersion_lengths_ms[DISPERSION_LENGTHS];

/* The bad events of both arms in one bucket or block. */
struct block {
    double bad_canary; /* B */
    double bad_both;   /* K */
    double expected;   /* of B: the sum of K times the canary's share of the exposure */
};

/* One arm alone. */
struct tally {
    double total, bad;
};

/* How the lengths' values are put together. The reference takes the largest, which noise alone
 * makes larger than it is; the other way does so only as far as the long blocks stand out of their
 * own noise (docs/decisions/0009-judge-improved.md). */
enum dispersion_way { DISPERSION_IF_SHOWN, DISPERSION_REFERENCE };

/* phi >= 1 of an A/A time: n buckets of bucket_ms each, in which the "canary" is a part of stable.
 * The prior weighs four degrees of freedom. */
double dispersion_of_split(const struct block *buckets, size_t n, int64_t bucket_ms, double prior,
                           enum dispersion_way);

/* The same from stable alone: of each two neighbouring blocks the later one is taken as the canary,
 * so that slow drift cancels. At most 10 (or the prior): an outage in the past hits both arms alike
 * in the run and must not blind the judge. */
double dispersion_of_one_arm(const struct tally *buckets, size_t n, int64_t bucket_ms, double prior,
                             enum dispersion_way);

/* What a stream sees of it while it runs: may raise phi above what was learned, by half, or where a
 * lot was learned by up to one and a half. Only blocks that are over count, so that phi is known
 * before the bucket it tempers. */
struct dispersion {
    double learned, now, most;
    struct block open[DISPERSION_RUN_LENGTHS], all;
    double squares[DISPERSION_RUN_LENGTHS], variance[DISPERSION_RUN_LENGTHS];
    double freedom[DISPERSION_RUN_LENGTHS];
};

void dispersion_init(struct dispersion *, double learned, enum dispersion_way);
/* From and to are times since the stream began. */
void dispersion_feed(struct dispersion *, const struct block *, int64_t from_ms, int64_t to_ms);
bool dispersion_is_possible(const struct dispersion *);

#endif
