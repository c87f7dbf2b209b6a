#include "judge/judge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>

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

/* So many hours of two halves; the second's errors are `worse` times the first's after the first
 * hour, in bursts of `burst`. */
static struct judge_aa_result run(int hours, double worse, double burst)
{
    struct judge_aa *aa = judge_aa_new();
    struct judge_aa_result result;
    uint64_t seed = 99;
    for (int t = 0; t < hours * JUDGE_AA_HOUR; t++) {
        double factor = t < JUDGE_AA_HOUR ? 1 : worse;
        struct judge_bucket b = {
            .start_ms = 1000 + t * INT64_C(5000),
            .length_ms = 5000,
            .stable = {1000, fmin(1000, burst * poisson(&seed, 5 / burst))},
            .canary = {1000, fmin(1000, burst * poisson(&seed, factor * 5 / burst))}};
        judge_aa_feed(aa, &b);
    }
    judge_aa_read(aa, &result);
    judge_aa_free(aa);
    return result;
}

static void quiet_metrics_are_fit(void **state)
{
    struct judge_aa_result r = run(20, 1, 1);
    (void)state;
    assert_true(r.is_split && r.trials == 38 && r.alarms <= 2);
    assert_true(r.dispersion >= 1 && r.dispersion < 2);
    assert_null(r.noisy);
}

static void halves_that_differ_are_noisy(void **state)
{
    struct judge_aa_result r = run(5, 1.6, 1);
    (void)state;
    assert_true(r.alarms >= 3);
    assert_non_null(r.noisy);
}

static void long_bursts_are_noisy(void **state)
{
    struct judge_aa_result r = run(5, 1, 60);
    (void)state;
    assert_true(r.dispersion > 30);
    assert_non_null(r.noisy);
}

static void one_instance_is_no_trial(void **state)
{
    struct judge_aa *aa = judge_aa_new();
    struct judge_aa_result r;
    (void)state;
    for (int t = 0; t < 2 * JUDGE_AA_HOUR; t++) {
        struct judge_bucket b = {
            .start_ms = 1000 + t * INT64_C(5000), .length_ms = 5000, .stable = {100, 1}};
        judge_aa_feed(aa, &b);
    }
    judge_aa_read(aa, &r);
    assert_true(!r.is_split && r.trials == 0 && !r.noisy);
    judge_aa_free(aa);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quiet_metrics_are_fit),
        cmocka_unit_test(halves_that_differ_are_noisy),
        cmocka_unit_test(long_bursts_are_noisy),
        cmocka_unit_test(one_instance_is_no_trial),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
