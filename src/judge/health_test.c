#include "judge/health.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>

static void expect_within(double got, double want, double relative)
{
    if (!(fabs(got - want) <= relative * fabs(want)))
        fail_msg("got %.12g, want %.12g", got, want);
}

/* The reference bisects 30 times, which leaves its last two printed digits open. */
static void bounds_match_the_reference(void **state)
{
    static const struct {
        double bad, good, upper, lower;
    } want[] = {{0, 3000, 0.00181464422, 1e-08},
                {3, 3000, 0.00426597352, 3.00344635e-05},
                {100, 9900, 0.0139690953, 0.00689541643},
                {10, 99990, 0.00024915563, 2.52866291e-05}};
    (void)state;
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        expect_within(rate_upper(want[i].bad, want[i].good, 0.0125), want[i].upper, 2e-7);
        expect_within(rate_lower(want[i].bad, want[i].good, 0.0125), want[i].lower, 2e-7);
    }
}

static void bounds_enclose_the_rate_and_are_monotone(void **state)
{
    double last = 0;
    (void)state;
    for (double bad = 0; bad <= 2000; bad += 50) {
        double upper = rate_upper(bad, 10000 - bad, 0.01);
        double lower = rate_lower(bad, 10000 - bad, 0.01);
        assert_true(lower <= bad / 10000 + 2e-8 && upper >= bad / 10000);
        assert_true(upper >= last);
        last = upper;
    }
    assert_true(rate_upper(0, 1e9, 0.01) < 1e-6);
    assert_true(rate_lower(1e9, 0, 0.01) > 0.9);
}

/* The shortcut answers as the bounds themselves do. */
static void within_is_what_the_bounds_say(void **state)
{
    size_t yes = 0, no = 0;
    (void)state;
    for (double n = 100; n <= 1e6; n *= 10) {
        for (double p = 0.0005; p < 0.2; p *= 4) {
            for (double d = 0; d < 0.05; d += 0.0071) {
                double b = n * p, a = 10 * b;
                bool want = rate_upper(b, n - b, 0.0125) <= rate_lower(a, 10 * n - a, 0.0125) + d;
                assert_int_equal(rate_is_within(b, n - b, a, 10 * n - a, d, 0.0125), want);
                yes += want ? 1 : 0;
                no += want ? 0 : 1;
            }
        }
    }
    assert_true(yes > 10 && no > 10);
    assert_false(rate_is_within(20, 80, 10, 990, 0.01, 0.05));
}

static void extreme_counts_lose_nothing(void **state)
{
    struct health h = {{0}};
    (void)state;
    health_feed(&h, 0, 1e9, 1e-9, 1.5, 1); /* one event was expected of the canary, or 1.5 */
    assert_true(fabs(h.log_e[4] - 0.75) < 1e-8);
    assert_true(rate_upper(0, 1e9, 0.01) < 1e-6 && rate_upper(1e9, 0, 0.01) >= 0.999);
    assert_true(rate_lower(0, 1e9, 0.01) < 2e-8 && rate_lower(1e9, 0, 0.01) > 0.9);
    assert_true(rate_is_within(0, 1e9, 0, 1e9, 1e-6, 0.01));
    assert_false(rate_is_within(1e9, 0, 0, 1e9, 0.5, 0.01));
}

/* Of rare events a Bernoulli bound and a Poisson bound say the same. */
static void counts_are_bounded_as_rare_rates_are(void **state)
{
    double last = 0;
    (void)state;
    for (double events = 0; events <= 3000; events += 60) {
        double upper = count_upper(events, 0.0125), lower = count_lower(events, 0.0125);
        assert_true(lower <= events + 2e-8 && upper >= events && upper > last);
        expect_within(1e7 * rate_upper(events, 1e7 - events, 0.0125), upper, 1e-3);
        if (events > 0)
            expect_within(1e7 * rate_lower(events, 1e7 - events, 0.0125), lower, 1e-3);
        last = upper;
    }
}

static void one_event_moves_the_e_value_as_the_formula_says(void **state)
{
    struct health h = {{0}};
    (void)state;
    assert_true(fabs(health_log_e(&h)) < 1e-12); /* the weights add up to 1 */
    health_feed(&h, 0, 40, 0.05, 1.5, 1);
    double previous = health_log_e(&h);
    assert_true(previous > 0); /* no canary event among 40 speaks for health */
    health_feed(&h, 10, 10, 0.05, 1.5, 1);
    assert_true(health_log_e(&h) < previous);
}

/* b=2 K=40 q=0.05, margin 1.5 against equality: the reference's single-multiplier figure. */
static void the_two_thirds_multiplier_matches_the_reference(void **state)
{
    struct health h = {{0}};
    (void)state;
    health_feed(&h, 2, 40, 0.05, 1.5, 1);
    expect_within(h.log_e[6], 0.176774287399, 1e-9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounds_match_the_reference),
        cmocka_unit_test(bounds_enclose_the_rate_and_are_monotone),
        cmocka_unit_test(within_is_what_the_bounds_say),
        cmocka_unit_test(extreme_counts_lose_nothing),
        cmocka_unit_test(counts_are_bounded_as_rare_rates_are),
        cmocka_unit_test(one_event_moves_the_e_value_as_the_formula_says),
        cmocka_unit_test(the_two_thirds_multiplier_matches_the_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
