#include "judge/judge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>

#define HOUR_MS INT64_C(3600000)
#define START_MS (INT64_C(2900) * 168 * HOUR_MS)
#define ARL 17280.0 /* buckets: a day */

static double uniform(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (double)((*state * UINT64_C(2685821657736338717)) >> 11) / 9007199254740992.0;
}

static double poisson(uint64_t *seed, double mean)
{
    double k = 0, p = uniform(seed), limit = exp(-mean);
    for (; p > limit; k++)
        p *= uniform(seed);
    return k;
}

/* A ratio that is three times higher in the working hours of the week. */
static double ratio_at(int64_t t_ms)
{
    int64_t hour = t_ms / HOUR_MS % 24, day = t_ms / HOUR_MS / 24 % 7;
    return day < 5 && hour >= 8 && hour < 18 ? 0.015 : 0.005;
}

static struct judge_anomaly *taught(int weeks)
{
    struct judge_anomaly *a = judge_anomaly_new();
    for (int64_t h = -weeks * INT64_C(168); h < 0; h++) {
        int64_t t_ms = START_MS + h * HOUR_MS;
        struct arm_counts c = {100000, 100000 * ratio_at(t_ms) * (1 + 0.02 * (double)(h % 3))};
        judge_anomaly_learn(a, t_ms, &c);
    }
    return a;
}

/* Bucket i of 1,000 requests; the ratio is `factor` times its usual. */
static void feed(struct judge_anomaly *a, uint64_t *seed, int64_t i, double factor)
{
    int64_t t_ms = START_MS + i * 5000;
    struct judge_bucket b = {
        .start_ms = t_ms,
        .length_ms = 5000,
        .stable = {1000, fmin(1000, poisson(seed, 1000 * factor * ratio_at(t_ms)))}};
    judge_anomaly_feed(a, &b);
}

static void a_usual_week_is_quiet(void **state)
{
    struct judge_anomaly *a = taught(4);
    uint64_t seed = 3;
    int alarms = 0;
    (void)state;
    for (int64_t i = 0; i < 7 * 17280; i++) {
        feed(a, &seed, i, 1);
        if (judge_anomaly_log_e(a) >= log(ARL)) {
            alarms++;
            judge_anomaly_restart(a);
        }
    }
    assert_true(alarms <= 1);
    judge_anomaly_free(a);
}

static void a_change_is_found_and_dated(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct judge_anomaly *a = taught(4);
        struct judge_anomaly_state s;
        uint64_t draws = seed;
        int64_t i = 0, onset = 9 * 720;
        for (; i < onset + 720 && judge_anomaly_log_e(a) < log(ARL); i++)
            feed(a, &draws, i, i < onset ? 1 : 2);
        judge_anomaly_read(a, &s);
        assert_true(i > onset && i < onset + 30);
        assert_true(llabs(s.since_ms - (START_MS + onset * 5000)) <= 60000);
        assert_true(s.has_baseline && s.rises && s.seen > 1.3 * s.expected);
        judge_anomaly_free(a);
    }
}

/* Until the weeks are enough the last day's hours are; without any nothing is said. */
static void a_young_baseline_is_the_last_day(void **state)
{
    struct judge_anomaly *a = judge_anomaly_new();
    struct judge_anomaly_state s;
    uint64_t seed = 5;
    (void)state;
    for (int64_t i = 0; i < 700; i++)
        feed(a, &seed, i, 1);
    judge_anomaly_read(a, &s);
    assert_true(!s.has_baseline && isinf(judge_anomaly_log_e(a)));
    for (int64_t i = 700; i < 5 * 720; i++)
        feed(a, &seed, i, 1);
    judge_anomaly_read(a, &s);
    assert_true(s.has_baseline && fabs(s.expected - 0.005) < 0.001);
    judge_anomaly_free(a);
}

static void what_cannot_be_changes_nothing(void **state)
{
    struct judge_anomaly *a = taught(4);
    struct judge_bucket b = {.start_ms = START_MS, .length_ms = 5000, .stable = {10, 11}};
    (void)state;
    judge_anomaly_feed(a, &b);
    b.stable = (struct arm_counts){(double)NAN, 1};
    judge_anomaly_feed(a, &b);
    assert_true(isinf(judge_anomaly_log_e(a)));
    judge_anomaly_free(a);
}

static void the_mean_of_detectors_is_one(void **state)
{
    const double log_e[] = {log(3), log(5)};
    (void)state;
    assert_true(fabs(judge_anomaly_mean(log_e, 2) - log(4)) < 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_usual_week_is_quiet),
        cmocka_unit_test(a_change_is_found_and_dated),
        cmocka_unit_test(a_young_baseline_is_the_last_day),
        cmocka_unit_test(what_cannot_be_changes_nothing),
        cmocka_unit_test(the_mean_of_detectors_is_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
