/* What theory says of every input, on seeded random ones. The seed of a failure is printed. */
#include "judge/harm.h"
#include "judge/judge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CASES 300
#define BILLION 1e9

/* xorshift64*: the same numbers everywhere. */
static double uniform(uint64_t *seed)
{
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return (double)((*seed * UINT64_C(2685821657736338717)) >> 11) / 9007199254740992.0;
}

static double whole(uint64_t *seed, double below)
{
    return floor(uniform(seed) * below);
}

/* Between low and high, as likely in every decade. */
static double spread(uint64_t *seed, double low, double high)
{
    return low * pow(high / low, uniform(seed));
}

static uint64_t case_seed(uint64_t i)
{
    uint64_t seed = (i + 1) * UINT64_C(0x9e3779b97f4a7c15);
    return seed;
}

static double binomial(uint64_t *seed, double n, double p)
{
    double k = 0;
    for (double i = 0; i < n; i++)
        k += uniform(seed) < p ? 1 : 0;
    return k;
}

static struct judge_bucket bucket_at(int64_t t, struct arm_counts stable, struct arm_counts canary)
{
    return (struct judge_bucket){.start_ms = 1000 + t * 5000,
                                 .length_ms = 5000,
                                 .stable_reported = true,
                                 .canary_reported = true,
                                 .stable = stable,
                                 .canary = canary};
}

static struct arm_counts some_counts(uint64_t *seed, double most)
{
    double total = 1 + whole(seed, most);
    return (struct arm_counts){total, binomial(seed, total < 300 ? total : 300, 0.05)};
}

/* A stream with a random configuration and past. */
static struct judge_stream *some_stream(uint64_t *seed, int64_t buckets)
{
    struct judge_config config = judge_config_default(EVIDENCE_RATIO);
    config.alpha = spread(seed, 0.001, 0.2);
    config.tolerate = uniform(seed) < 0.5 ? 0 : 0.01;
    config.dispersion = spread(seed, 1, 20);
    config.warmup_ms = uniform(seed) < 0.3 ? 60000 : 0;
    struct judge_stream *s = judge_stream_new(&config);
    for (int64_t t = 0; t < buckets; t++) {
        struct judge_bucket b =
            bucket_at(t, some_counts(seed, 5000), some_counts(seed, spread(seed, 1, 5000)));
        assert_true(judge_stream_feed(s, &b, NULL));
    }
    return s;
}

static double log_e_after(const struct judge_stream *s, const struct judge_bucket *b)
{
    struct arena arena = ARENA_INIT;
    struct judge_stream *copy = judge_stream_from_json(judge_stream_to_json(&arena, s), NULL);
    assert_non_null(copy);
    assert_true(judge_stream_feed(copy, b, NULL));
    double log_e = judge_stream_log_e(copy);
    judge_stream_free(copy);
    arena_release(&arena);
    return log_e;
}

/* Whatever was before: in one bucket a bad event more of the canary never lowers the evidence of
 * harm, one more of stable never raises it, and a good request more of the canary never raises it.
 */
static void a_buckets_evidence_is_monotone(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < CASES; i++) {
        uint64_t seed = case_seed(i);
        int64_t n = (int64_t)whole(&seed, 20);
        struct judge_stream *s = some_stream(&seed, n);
        struct judge_bucket b = bucket_at(n, some_counts(&seed, 3000), some_counts(&seed, 3000));
        b.stable.total += 10;
        b.canary.total += 10;
        struct judge_bucket canary_bad = b, stable_bad = b, canary_good = b;
        canary_bad.canary.bad += 1 + whole(&seed, 9);
        stable_bad.stable.bad += 1 + whole(&seed, 9);
        canary_good.canary.total += 1 + whole(&seed, 1000);
        double log_e = log_e_after(s, &b), slack = 1e-9 * (1 + fabs(log_e));
        if (log_e_after(s, &canary_bad) < log_e - slack ||
            log_e_after(s, &stable_bad) > log_e + slack ||
            log_e_after(s, &canary_good) > log_e + slack)
            fail_msg("case %d", (int)i);
        judge_stream_free(s);
    }
}

static double one_bucket(double bad, double bad_both, double share, double null_ratio)
{
    struct harm h;
    struct harm_rules rules = {.null_ratio = null_ratio,
                               .dispersion = 1,
                               .start_mass = 1,
                               .max_increase = (double)INFINITY};
    struct harm_bucket b = {bad, bad_both, share, (double)INFINITY};
    harm_init(&h);
    harm_feed(&h, &rules, &b);
    return h.log_e;
}

/* One bucket never speaks against both arms, and speaks of equal arms alike. */
static void exchanged_arms_are_not_both_harmful(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 20 * CASES; i++) {
        uint64_t seed = case_seed(i);
        double both = floor(spread(&seed, 1, 1e9)), share = uniform(&seed);
        double bad = floor(both * uniform(&seed)), r = 1 + uniform(&seed);
        double one = one_bucket(bad, both, share, r);
        double other = one_bucket(both - bad, both, 1 - share, r);
        if (isnan(one) || isnan(other) || (one > 0 && other > 0))
            fail_msg("case %d: %g of %g at %g: %g and %g", (int)i, bad, both, share, one, other);
        assert_true(one_bucket(bad, 2 * bad, 0.5, r) == one_bucket(2 * bad - bad, 2 * bad, 0.5, r));
    }
}

/* The evidence of the same counts, told at other times. */
static double evidence_told(uint64_t seed, int64_t origin_ms, int64_t scale)
{
    struct judge_config config = judge_config_default(EVIDENCE_RATIO);
    struct judge_stream *s = judge_stream_new(&config);
    double n = 1 + whole(&seed, 200), ratio = 1 + whole(&seed, 4);
    for (int64_t t = 0; t < 60; t++) {
        /* In proportion, so that no dispersion is seen whatever is taken as a block. */
        struct judge_bucket b =
            bucket_at(t, (struct arm_counts){100 * n, n}, (struct arm_counts){100 * n, ratio * n});
        b.start_ms = origin_ms + t * 5000 * scale;
        b.length_ms *= scale;
        assert_true(judge_stream_feed(s, &b, NULL));
    }
    double log_e = judge_stream_log_e(s);
    judge_stream_free(s);
    return log_e;
}

/* Evidence is of counts: neither the calendar nor the length of a bucket is in it. */
static void evidence_knows_no_clock(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < CASES; i++) {
        double log_e = evidence_told(case_seed(i), 1000, 1);
        assert_true(evidence_told(case_seed(i), INT64_C(1764000000123), 1) == log_e);
        assert_true(evidence_told(case_seed(i), 1000, 12) == log_e);
    }
}

/* 0 and 10^9 of 10^9 on either side, bucket after bucket: everything stays a number. */
static void a_billion_events_lose_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct judge_config config = judge_config_default(EVIDENCE_RATIO);
        config.tolerate = 0.001;
        struct judge_stream *s = judge_stream_new(&config);
        struct arena arena = ARENA_INIT;
        struct evidence e = {0};
        double stable_bad = i & 1 ? BILLION : 0, canary_bad = i & 2 ? BILLION : 0;
        for (int64_t t = 0; t < 50; t++) {
            struct judge_bucket b = bucket_at(t, (struct arm_counts){BILLION, stable_bad},
                                              (struct arm_counts){BILLION, canary_bad});
            assert_true(judge_stream_feed(s, &b, NULL));
        }
        judge_stream_check(s);
        judge_stream_read(s, &arena, &e);
        assert_false(isnan(e.harm_log_e) || isnan(e.effect));
        assert_true(e.low <= e.effect && e.effect <= e.high && e.low >= -1 && e.high <= 1 + 1e-9);
        assert_int_equal(e.state, canary_bad > stable_bad ? EVIDENCE_FAIL : EVIDENCE_PASS);
        judge_stream_free(s);
        arena_release(&arena);
    }
}

/* The mean of E at a fixed time is at most 1 under the null, at its edge and inside. */
static void the_mean_of_e_is_at_most_one(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 12; i++) {
        uint64_t seed = case_seed(i);
        double p = spread(&seed, 0.002, 0.1), sum = 0, squares = 0, runs = 400;
        double canary = 10 + whole(&seed, 100), stable = 10 + whole(&seed, 200);
        for (double run = 0; run < runs; run++) {
            struct judge_config config = judge_config_default(EVIDENCE_RATIO);
            config.dispersion = 1;
            struct judge_stream *s = judge_stream_new(&config);
            for (int64_t t = 0; t < 20; t++) {
                double now = p * (1 + 0.5 * sin((double)t)); /* of both: drift cancels */
                struct judge_bucket b = bucket_at(
                    t, (struct arm_counts){stable, binomial(&seed, stable, now)},
                    (struct arm_counts){canary, binomial(&seed, canary, fmin(1, 1.1 * now))});
                assert_true(judge_stream_feed(s, &b, NULL));
            }
            double e = exp(judge_stream_log_e(s));
            sum += e;
            squares += e * e;
            judge_stream_free(s);
        }
        double mean = sum / runs, error = sqrt((squares / runs - mean * mean) / runs);
        if (!(mean <= 1 + 3.5 * error))
            fail_msg("case %d: the mean is %g, its standard error %g", (int)i, mean, error);
    }
}

/* More evidence of one check is never less of all; the order of checks means nothing. */
static void checks_add_up_in_any_order(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < CASES; i++) {
        uint64_t seed = case_seed(i);
        double e[3], back[3], more[3], weights[3] = {0.5, 0.3, 0.2}, reversed[3] = {0.2, 0.3, 0.5};
        for (size_t k = 0; k < 3; k++) {
            e[k] = more[k] = 60 * uniform(&seed) - 40;
            back[2 - k] = e[k];
        }
        more[(size_t)whole(&seed, 3)] += uniform(&seed);
        struct combined one = judge_combine(e, weights, 3, 0.05);
        struct combined other = judge_combine(back, reversed, 3, 0.05);
        assert_true(fabs(one.log_e - other.log_e) <= 1e-12 * (1 + fabs(one.log_e)));
        assert_int_equal(one.worst, 2 - other.worst);
        assert_true(judge_combine(more, weights, 3, 0.05).log_e >= one.log_e);
        assert_true(!one.alone || one.is_harm);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_buckets_evidence_is_monotone),
        cmocka_unit_test(exchanged_arms_are_not_both_harmful),
        cmocka_unit_test(evidence_knows_no_clock),
        cmocka_unit_test(a_billion_events_lose_nothing),
        cmocka_unit_test(the_mean_of_e_is_at_most_one),
        cmocka_unit_test(checks_add_up_in_any_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
