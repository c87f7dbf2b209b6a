#include "judge/dispersion.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>

const int64_t dispersion_lengths_ms[DISPERSION_LENGTHS] = {5000, 30000, 120000};

#define PRIOR_FREEDOM 4.0      /* of what a quiet past says */
#define RUN_PRIOR_FREEDOM 20.0 /* of what was learned, against what the run shows */
#define RUN_RAISE 1.5
#define RUN_RAISE_MORE                                                                             \
    1.0 /* on top, where much was learned: correlated counts are learned roughly */
#define MUCH 1.5
#define VERY_MUCH 5.5
#define SHOWN 1.0          /* standard errors that a longer block's value stands out by */
#define WELL_SHOWN 2.0     /* and from which on it counts in full */
#define MAX_PODS_RATIO 4.0 /* a lasting difference of the two halves is not dispersion */
#define MOST_OF_ONE_ARM 10.0
#define TINY 1e-9
#define MOST 1e60 /* of squares; more is not counted */
#define MOST_EVENTS 1e24

static void block_add(struct block *to, const struct block *from)
{
    to->bad_canary += from->bad_canary;
    to->bad_both += from->bad_both;
    to->expected += from->expected;
}

/* The canary's part of the bad events when its rate is `ratio` times stable's. */
static double part_of(const struct block *b, double ratio)
{
    double share = b->bad_both > 0 ? fmin(b->expected / b->bad_both, 1) : 0;
    return share * ratio / (1 - share + share * ratio);
}

/* --- From an A/A time --- */

static double lasting_ratio(const struct block *blocks, size_t n)
{
    double bad = 0, expected = 0;
    for (size_t i = 0; i < n; i++) {
        bad += blocks[i].bad_canary;
        expected += blocks[i].expected;
    }
    return fmin(fmax(bad / fmax(expected, TINY), 1 / MAX_PODS_RATIO), MAX_PODS_RATIO);
}

struct estimate {
    double phi, freedom;
};

/* Pearson's ratio of sums; a block with variance v gives 2v/(2v+1) degrees of freedom. */
static struct estimate of_blocks(const struct block *blocks, size_t n, double prior)
{
    double ratio = lasting_ratio(blocks, n), squares = 0, variance = 0, freedom = 0;
    for (size_t i = 0; i < n; i++) {
        double p = part_of(&blocks[i], ratio), k = blocks[i].bad_both, v = k * p * (1 - p);
        double miss = blocks[i].bad_canary - k * p;
        squares += miss * miss;
        variance += v;
        freedom += 2 * v / (2 * v + 1);
    }
    if (!(variance > 0))
        return (struct estimate){prior, 0};
    double raw = squares / fmax(variance, TINY) * (double)n / fmax((double)n - 1, 1);
    return (struct estimate){(PRIOR_FREEDOM * prior + freedom * raw) / (PRIOR_FREEDOM + freedom),
                             freedom};
}

/* By how many of its standard errors an estimate is over `base`; its variance is 2 phi^2 / freedom.
 */
static double stands_out(const struct estimate *e, double base)
{
    return (e->phi - base) / (base * sqrt(2 / (e->freedom + PRIOR_FREEDOM)));
}

/* The last length is extrapolated by its growth over the one before. */
static double of_lengths(const struct estimate e[DISPERSION_LENGTHS], enum dispersion_way way)
{
    double growth = fmax(e[2].phi - e[1].phi, 0), base = fmax(1, e[0].phi);
    double most = fmax(base, fmax(e[1].phi, e[2].phi + growth));
    double shown = fmax(stands_out(&e[1], base), stands_out(&e[2], base));
    double part = fmin(fmax((shown - SHOWN) / (WELL_SHOWN - SHOWN), 0), 1);
    return way == DISPERSION_REFERENCE ? most : base + part * (most - base);
}

static size_t buckets_in(int64_t length_ms, int64_t bucket_ms)
{
    int64_t n = (length_ms + bucket_ms / 2) / bucket_ms;
    return n > 1 ? (size_t)n : 1;
}

double dispersion_of_split(const struct block *buckets, size_t n, int64_t bucket_ms, double prior,
                           enum dispersion_way way)
{
    struct block *blocks = mem_array(n + 1, sizeof *blocks);
    struct estimate of[DISPERSION_LENGTHS];
    for (size_t l = 0; l < DISPERSION_LENGTHS; l++) {
        size_t per = buckets_in(dispersion_lengths_ms[l], bucket_ms), n_blocks = n / per;
        for (size_t i = 0; i < n_blocks; i++) {
            blocks[i] = (struct block){0};
            for (size_t k = 0; k < per; k++)
                block_add(&blocks[i], &buckets[i * per + k]);
        }
        of[l] = of_blocks(blocks, n_blocks, prior);
    }
    free(blocks);
    return of_lengths(of, way);
}

static struct tally tally_of(const struct tally *buckets, size_t n)
{
    struct tally sum = {0};
    for (size_t i = 0; i < n; i++) {
        sum.total += buckets[i].total;
        sum.bad += buckets[i].bad;
    }
    return sum;
}

double dispersion_of_one_arm(const struct tally *buckets, size_t n, int64_t bucket_ms, double prior,
                             enum dispersion_way way)
{
    struct block *pairs = mem_array(n + 1, sizeof *pairs);
    struct estimate of[DISPERSION_LENGTHS];
    for (size_t l = 0; l < DISPERSION_LENGTHS; l++) {
        size_t per = buckets_in(dispersion_lengths_ms[l], bucket_ms), n_pairs = 0;
        for (size_t i = 0; i + 2 * per <= n; i += 2 * per) {
            struct tally a = tally_of(&buckets[i], per), b = tally_of(&buckets[i + per], per);
            double bad = a.bad + b.bad;
            if (a.total > 0 && b.total > 0)
                pairs[n_pairs++] = (struct block){b.bad, bad, bad * b.total / (a.total + b.total)};
        }
        of[l] = of_blocks(pairs, n_pairs, prior);
    }
    free(pairs);
    return fmin(of_lengths(of, way), fmax(prior, MOST_OF_ONE_ARM));
}

/* --- In the run --- */

void dispersion_init(struct dispersion *d, double learned, enum dispersion_way way)
{
    double more = fmin(fmax((learned - MUCH) / (VERY_MUCH - MUCH), 0), 1) * RUN_RAISE_MORE;
    *d = (struct dispersion){.learned = learned,
                             .now = learned,
                             .most = learned *
                                     (way == DISPERSION_REFERENCE ? RUN_RAISE : RUN_RAISE + more)};
}

/* The odds ratio of the canary's bad events so far, half an event added on each side. */
static double running_ratio(const struct block *all)
{
    double expected = fmin(all->expected, all->bad_both);
    double others = all->bad_both - all->bad_canary;
    return (all->bad_canary + 0.5) / (others + 0.5) * (all->bad_both - expected + 0.5) /
           (expected + 0.5);
}

static void close_block(struct dispersion *d, size_t l)
{
    double p = part_of(&d->open[l], running_ratio(&d->all)), k = d->open[l].bad_both;
    double v = k * p * (1 - p), miss = d->open[l].bad_canary - k * p;
    d->squares[l] = fmin(d->squares[l] + miss * miss, MOST);
    d->variance[l] = fmin(d->variance[l] + v, MOST);
    d->freedom[l] = fmin(d->freedom[l] + 2 * v / (2 * v + 1), MOST);
    d->open[l] = (struct block){0};
}

static double raised(const struct dispersion *d)
{
    double phi = d->learned;
    for (size_t l = 0; l < DISPERSION_RUN_LENGTHS; l++) {
        double raw = d->squares[l] / fmax(d->variance[l], TINY);
        phi = fmax(phi, (RUN_PRIOR_FREEDOM * d->learned + d->freedom[l] * raw) /
                            (RUN_PRIOR_FREEDOM + d->freedom[l]));
    }
    return fmin(phi, d->most);
}

void dispersion_feed(struct dispersion *d, const struct block *b, int64_t from_ms, int64_t to_ms)
{
    bool closed = false;
    block_add(&d->all, b);
    for (size_t l = 0; l < DISPERSION_RUN_LENGTHS; l++) {
        int64_t length_ms = dispersion_lengths_ms[l + 1];
        block_add(&d->open[l], b);
        if (from_ms / length_ms == to_ms / length_ms)
            continue;
        close_block(d, l);
        closed = true;
    }
    if (closed)
        d->now = raised(d);
}

static bool is_amount(double v) /* false for NaN */
{
    return v >= 0 && v <= MOST;
}

static bool is_block(const struct block *b)
{
    return is_amount(b->bad_canary) && b->bad_both <= MOST_EVENTS && is_amount(b->expected) &&
           b->bad_canary <= b->bad_both && b->expected <= b->bad_both * (1 + 1e-6);
}

bool dispersion_is_possible(const struct dispersion *d)
{
    if (!(d->learned >= 1 && d->learned <= 1e6 && d->now >= d->learned && d->now <= d->most &&
          d->most <= 1e7) ||
        !is_block(&d->all))
        return false;
    for (size_t l = 0; l < DISPERSION_RUN_LENGTHS; l++) {
        if (!is_block(&d->open[l]) || !is_amount(d->squares[l]) || !is_amount(d->variance[l]) ||
            !is_amount(d->freedom[l]))
            return false;
    }
    return true;
}
