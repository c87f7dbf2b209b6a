/* How often and how soon a live service's detector speaks: 40 weeks of 5 s buckets at 1,000
 * requests a second with a day's tide in traffic and errors, five weeks of past, at most one false
 * alarm in 30 days. The scenarios of bench.py's `watch`, with the dispersion and the tolerance that
 * the detector learns by itself. */
#include "judge/judge.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define WEEKS 40
#define WEEK_BUCKETS 120960
#define HOUR_MS INT64_C(3600000)
#define START_MS (INT64_C(2900) * JUDGE_HOURS * HOUR_MS)
#define A 518400.0 /* 30 days of buckets */
#define PI 3.14159265358979323846

struct scene {
    const char *name;
    double p, cluster, hourly_error;
};

static double uniform(uint64_t *s)
{
    *s ^= *s >> 12;
    *s ^= *s << 25;
    *s ^= *s >> 27;
    return ((double)((*s * UINT64_C(2685821657736338717)) >> 11) + 0.5) / 9007199254740992.0;
}

static double normal(uint64_t *s)
{
    double u = uniform(s);
    return sqrt(-2 * log(u)) * cos(2 * PI * uniform(s));
}

/* By inversion when small, else the normal's neighbour. */
static double poisson(uint64_t *s, double mean)
{
    double k = 0, p = uniform(s), limit = exp(-mean);
    if (mean > 60)
        return fmax(0, floor(mean + sqrt(mean) * normal(s) + 0.5));
    for (; p > limit; k++)
        p *= uniform(s);
    return k;
}

/* Geometric sizes of the given mean. */
static double clustered(uint64_t *s, double mean, double size)
{
    double n = poisson(s, mean / size), sum = 0;
    for (double i = 0; i < n; i++)
        sum += 1 + floor(log(uniform(s)) / log1p(-1 / size));
    return sum;
}

static double requests(int64_t t_ms)
{
    return 5000 * (1 + 0.5 * sin(2 * PI * (double)(t_ms % (24 * HOUR_MS)) / (24.0 * 3600000)));
}

static double ratio(const struct scene *c, int64_t t_ms)
{
    return c->p * exp(0.3 * sin(2 * PI * (double)(t_ms % (24 * HOUR_MS)) / (24.0 * 3600000) + 1));
}

static struct judge_anomaly *taught(const struct scene *c, uint64_t *seed)
{
    struct judge_anomaly *a = judge_anomaly_new();
    double wander = 0;
    for (int64_t h = -JUDGE_WEEKS * (int64_t)JUDGE_HOURS; h < 0; h++) {
        int64_t t_ms = START_MS + h * HOUR_MS + HOUR_MS / 2;
        double n = 720 * requests(t_ms);
        wander = 0.717 * wander + 0.697 * c->hourly_error * normal(seed);
        struct arm_counts counts = {n, fmin(n, poisson(seed, n * ratio(c, t_ms) * exp(wander)))};
        judge_anomaly_learn(a, START_MS + h * HOUR_MS, &counts);
    }
    return a;
}

/* Alarms in a week; with an effect, seconds from its onset at 10 h to the alarm, or -1. */
static double week(const struct scene *c, uint64_t seed, double effect, int *alarms)
{
    struct judge_anomaly *a = taught(c, &seed);
    double wander = 0, delay = -1;
    int64_t onset = 7200;
    for (int64_t i = 0; i < WEEK_BUCKETS; i++) {
        int64_t t_ms = START_MS + i * 5000;
        double n = floor(requests(t_ms));
        if (i % 720 == 0)
            wander = 0.717 * wander + 0.697 * c->hourly_error * normal(&seed);
        double mean = n * ratio(c, t_ms) * exp(wander) * (i >= onset ? effect : 1);
        double bad = c->cluster > 1 ? clustered(&seed, mean, c->cluster) : poisson(&seed, mean);
        struct judge_bucket b = {.start_ms = t_ms, .length_ms = 5000, .stable = {n, fmin(n, bad)}};
        judge_anomaly_feed(a, &b);
        if (judge_anomaly_log_e(a) < log(A))
            continue;
        judge_anomaly_restart(a);
        (*alarms)++;
        if (effect > 1 && i >= onset) {
            delay = (double)(i - onset + 1) * 5;
            break;
        }
    }
    judge_anomaly_free(a);
    return delay;
}

static int by_size(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

int main(void)
{
    static const struct scene scenes[] = {{"1% errors", 0.01, 1, 0},
                                          {"0.1% errors", 0.001, 1, 0},
                                          {"1%, clusters of 3", 0.01, 3, 0},
                                          {"1%, 5% off by the hour", 0.01, 1, 0.05},
                                          {"1%, 20% off by the hour", 0.01, 1, 0.2}};
    static const double effects[] = {1.5, 2, 5};
    printf("%-26s%22s%16s%16s%16s\n", "scene", "false alarms / 30 d", "x1.5, median s", "x2", "x5");
    for (size_t i = 0; i < sizeof scenes / sizeof *scenes; i++) {
        int alarms = 0, unused = 0;
        for (uint64_t w = 0; w < WEEKS; w++)
            (void)week(&scenes[i], 1000 * w + 17 + i, 1, &alarms);
        printf("%-26s%22.2f", scenes[i].name, alarms * 30.0 / (WEEKS * 7));
        for (size_t e = 0; e < sizeof effects / sizeof *effects; e++) {
            double delays[WEEKS];
            for (uint64_t w = 0; w < WEEKS; w++) {
                double d = week(&scenes[i], 1000 * w + 5 + i, effects[e], &unused);
                delays[w] = d < 0 ? (double)INFINITY : d;
            }
            qsort(delays, WEEKS, sizeof *delays, by_size);
            printf("%16.0f", delays[WEEKS / 2]);
        }
        printf("\n");
        (void)fflush(stdout);
    }
    return 0;
}
