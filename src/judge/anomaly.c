#include "judge/judge.h"

#include "base/check.h"
#include "base/mem.h"
#include "judge/dispersion.h"
#include "judge/logmath.h"

#include <stdlib.h>
#include <string.h>

#define HOUR_MS INT64_C(3600000)
#define TOLERANCE 1.1
#define DEVIATIONS 4.0
#define MAD_SCALE 1.8 /* of a normal distribution, 1.4826, about the median of five */
#define LEAST_WEEKS 3
#define LEAST_HOURS 3 /* of the last day, while the weeks are too few */
#define DAY 24
#define TALLIES 720      /* buckets that the dispersion is learned from */
#define LEARN_EVERY 120  /* buckets */
#define MAX_INCREASE 7.0 /* nats a bucket: two must speak for one alarm a month */
#define N 16
#define LEAST_RATIO 1e-4 /* under it nothing is unusual */

static const double grid[N] = {1.1, 1.2, 1.35, 1.5, 1.75, 2, 2.5, 3, 4, 5, 7, 10, 15, 25, 50, 100};
static const double log_grid[N] = {
    0.09531017980432493, 0.1823215567939546, 0.30010459245033816, 0.4054651081081644,
    0.5596157879354227,  0.6931471805599453, 0.9162907318741551,  1.0986122886681098,
    1.3862943611198906,  1.6094379124341003, 1.9459101490553132,  2.302585092994046,
    2.70805020110221,    3.2188758248682006, 3.912023005428146,   4.605170185988092};
#define RISER 3 /* 1.5: whose sum says since when */

struct slot {
    double ratio[JUDGE_WEEKS]; /* a ring */
    uint32_t n;
};

struct judge_anomaly {
    struct slot weeks[JUDGE_HOURS];
    double day[DAY]; /* the last hours' ratios, a ring */
    uint32_t n_day;
    int64_t hour_ms; /* of `hour`; 0 = none */
    struct arm_counts hour;
    bool is_unusual;
    struct tally tallies[TALLIES]; /* a ring */
    size_t n_tallies;
    double dispersion;
    double log_m[N], log_e;
    double rise;
    int64_t since_ms;
    struct arm_counts since;
    double expected, tolerated; /* NaN = there is no baseline */
};

struct judge_anomaly *judge_anomaly_new(void)
{
    struct judge_anomaly *a = mem_zalloc(sizeof *a);
    a->dispersion = JUDGE_DISPERSION;
    a->expected = a->tolerated = (double)NAN;
    judge_anomaly_restart(a);
    a->is_unusual = false;
    return a;
}

void judge_anomaly_free(struct judge_anomaly *a)
{
    free(a);
}

void judge_anomaly_restart(struct judge_anomaly *a)
{
    for (size_t i = 0; i < N; i++)
        a->log_m[i] = LOG_ZERO;
    a->log_e = LOG_ZERO;
    a->rise = 0;
    judge_anomaly_do_not_learn(a);
}

void judge_anomaly_do_not_learn(struct judge_anomaly *a)
{
    a->is_unusual = true;
}

/* --- The baseline --- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *v, size_t n)
{
    qsort(v, n, sizeof *v, by_value);
    return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

/* |ln(ratio / median)| of those that are over nothing; returns how many. */
static size_t add_deviations(const double *ratios, size_t n, double middle, double *out)
{
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        if (ratios[i] > 0 && middle > 0)
            out[k++] = fabs(log(ratios[i] / middle));
    }
    return k;
}

static double median_of(const double *ratios, size_t n)
{
    double v[DAY];
    memcpy(v, ratios, n * sizeof *v);
    return median(v, n);
}

static void set_baseline(struct judge_anomaly *a, double middle, double *deviations, size_t n)
{
    double spread = n > 0 ? MAD_SCALE * median(deviations, n) : 0;
    a->expected = middle;
    a->tolerated = fmax(LEAST_RATIO, middle * fmax(TOLERANCE, exp(DEVIATIONS * spread)));
}

static size_t hour_of_week(int64_t t_ms)
{
    int64_t hour = t_ms / HOUR_MS;
    return (size_t)(hour % JUDGE_HOURS);
}

static size_t least(uint32_t n, size_t most)
{
    return n < most ? n : most;
}

/* Five values say little of how much an hour varies: the deviations of all hours of the week are
 * taken together. */
static size_t all_deviations(const struct judge_anomaly *a, double *out)
{
    size_t k = 0;
    for (size_t h = 0; h < JUDGE_HOURS; h++) {
        const struct slot *slot = &a->weeks[h];
        size_t n = least(slot->n, JUDGE_WEEKS);
        if (n >= LEAST_WEEKS)
            k += add_deviations(slot->ratio, n, median_of(slot->ratio, n), &out[k]);
    }
    return k;
}

static void find_baseline(struct judge_anomaly *a, int64_t t_ms)
{
    const struct slot *slot = &a->weeks[hour_of_week(t_ms)];
    double deviations[JUDGE_HOURS * JUDGE_WEEKS];
    a->expected = a->tolerated = (double)NAN;
    if (slot->n >= LEAST_WEEKS) {
        set_baseline(a, median_of(slot->ratio, least(slot->n, JUDGE_WEEKS)), deviations,
                     all_deviations(a, deviations));
    } else if (a->n_day >= LEAST_HOURS) {
        size_t n = least(a->n_day, DAY);
        double middle = median_of(a->day, n);
        set_baseline(a, middle, deviations, add_deviations(a->day, n, middle, deviations));
    }
}

void judge_anomaly_learn(struct judge_anomaly *a, int64_t hour_start_ms, const struct arm_counts *c)
{
    struct slot *slot = &a->weeks[hour_of_week(hour_start_ms)];
    if (!(c->total > 0) || !(c->bad >= 0 && c->bad <= c->total))
        return;
    double ratio = c->bad / c->total;
    slot->ratio[slot->n++ % JUDGE_WEEKS] = ratio;
    a->day[a->n_day++ % DAY] = ratio;
}

/* --- One bucket --- */

static void turn_hour(struct judge_anomaly *a, int64_t t_ms)
{
    int64_t hour_ms = t_ms / HOUR_MS * HOUR_MS;
    if (hour_ms == a->hour_ms)
        return;
    if (a->hour_ms > 0 && !a->is_unusual)
        judge_anomaly_learn(a, a->hour_ms, &a->hour);
    a->hour = (struct arm_counts){0};
    a->hour_ms = hour_ms;
    a->is_unusual = false;
    find_baseline(a, t_ms);
}

static void keep_tally(struct judge_anomaly *a, const struct judge_bucket *b)
{
    struct tally ordered[TALLIES];
    a->tallies[a->n_tallies++ % TALLIES] = (struct tally){b->stable.total, b->stable.bad};
    if (a->n_tallies < TALLIES / 4 || a->n_tallies % LEARN_EVERY != 0 || a->rise > 0)
        return;
    size_t n = a->n_tallies < TALLIES ? a->n_tallies : TALLIES, first = a->n_tallies - n;
    for (size_t i = 0; i < n; i++)
        ordered[i] = a->tallies[(first + i) % TALLIES];
    a->dispersion = dispersion_of_one_arm(ordered, n, b->length_ms, 1, DISPERSION_IF_SHOWN);
}

static void detect(struct judge_anomaly *a, const struct judge_bucket *b)
{
    double base = b->stable.total * a->tolerated, weighted[N], before = a->log_e;
    double rise = 0;
    for (size_t i = 0; i < N; i++) {
        double inc = (b->stable.bad * log_grid[i] - base * (grid[i] - 1)) / a->dispersion;
        a->log_m[i] = log_add(a->log_m[i], 0) + inc;
        weighted[i] = a->log_m[i];
        rise = i == RISER ? inc : rise;
    }
    a->log_e = log_sum(weighted, N) - log((double)N);
    double over = a->log_e - fmax(before, 0) - MAX_INCREASE;
    for (size_t i = 0; i < N && over > 0; i++)
        a->log_m[i] -= over;
    a->log_e -= fmax(over, 0);
    a->rise = fmax(0, a->rise + rise);
}

void judge_anomaly_feed(struct judge_anomaly *a, const struct judge_bucket *b)
{
    const struct arm_counts *c = &b->stable;
    if (!(c->total >= 0) || !(c->bad >= 0 && c->bad <= c->total) || b->length_ms <= 0)
        return;
    turn_hour(a, b->start_ms);
    keep_tally(a, b);
    a->hour.total += c->total;
    a->hour.bad += c->bad;
    if (isnan(a->tolerated))
        return;
    detect(a, b);
    if (a->rise <= 0) {
        a->since_ms = b->start_ms + b->length_ms;
        a->since = (struct arm_counts){0};
    } else {
        a->since.total += c->total;
        a->since.bad += c->bad;
    }
}

/* --- Reading --- */

double judge_anomaly_log_e(const struct judge_anomaly *a)
{
    return a->log_e;
}

void judge_anomaly_read(const struct judge_anomaly *a, struct judge_anomaly_state *out)
{
    *out = (struct judge_anomaly_state){.has_baseline = !isnan(a->tolerated),
                                        .expected = a->expected,
                                        .tolerated = a->tolerated,
                                        .seen = a->since.total > 0 ? a->since.bad / a->since.total
                                                                   : (double)NAN,
                                        .since_ms = a->since_ms,
                                        .counts = a->since,
                                        .rises = a->rise > 0,
                                        .dispersion = a->dispersion};
}

double judge_anomaly_mean(const double *log_e, size_t n)
{
    CHECK(n > 0);
    return log_sum(log_e, n) - log((double)n);
}
