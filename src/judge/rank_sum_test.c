#include "judge/rank_sum.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define N(array) (sizeof(array) / sizeof *(array))

/* What R 4.2.2 prints for wilcox.test(x, y, conf.int = TRUE, conf.level = 0.98, exact = FALSE). The
 * root search stops within 1e-4, and where it stops is part of the interval: so that is compared to
 * 1e-12. For the estimate R drops the continuity
 * correction, Kayenta does not: that one is R's uniroot on the corrected statistic. */
static void expect(const double *x, size_t n_x, const double *y, size_t n_y, double lower,
                   double upper, double estimate)
{
    struct rank_sum r;
    assert_true(rank_sum_interval(x, n_x, y, n_y, 1e-4, &r, NULL));
    assert_true(fabs(r.lower - lower) < 1e-12);
    assert_true(fabs(r.upper - upper) < 1e-12);
    assert_true(fabs(r.estimate - estimate) < 1e-12);
}

static const double slow[] = {12.1, 12.8, 13.2, 13.3, 14.1, 14.7, 14.9, 15.5, 15.9, 16.2};
static const double fast[] = {10.2, 10.8, 10.9, 11.1, 11.5, 11.7, 12.2, 12.4, 12.9, 13.0};

static void as_r_has_it(void **state)
{
    (void)state;
    static const double x[] = {0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 5};
    static const double y[] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 2};
    static const double p[] = {97, 98, 99, 100, 101, 102, 103, 105};
    static const double q[] = {97, 98, 99, 100, 100, 101, 102, 103};
    static const double five[] = {5, 5, 5, 6, 7}, three[] = {1, 2, 3};
    expect(slow, N(slow), fast, N(fast), 1.0999553782500813, 4.09993419295271, 2.5499999999999998);
    expect(fast, N(fast), slow, N(slow), -4.09993419295271, -1.0999553782500813,
           -2.5499999999999998);
    expect(x, N(x), y, N(y), -3.0107012115746572e-05, 2.0000448683171266, 0.99994807574842082);
    expect(p, N(p), q, N(q), -2.9999880042746341, 4.000048516505557, 0.31255103751509739);
    expect(five, N(five), three, N(three), 2, 6, 3.8658390719619113);
}

static void as_r_has_it_for_many(void **state)
{
    (void)state;
    double x[40], y[35];
    for (size_t i = 0; i < N(x); i++)
        x[i] = (double)(i + 1) * 1.5;
    for (size_t i = 0; i < N(y); i++)
        y[i] = (double)(i + 1);
    expect(x, N(x), y, N(y), 3.4999464788862213, 22.00005352111377, 12.75);
}

/* Under the tolerance the search ends where it began; a finer one finds what is there. */
static void a_fine_tolerance_serves_small_values(void **state)
{
    (void)state;
    static const double x[] = {2e-5, 2.1e-5, 2.2e-5, 2.3e-5, 2.4e-5, 2.6e-5};
    static const double y[] = {0.8e-5, 0.9e-5, 1e-5, 1.05e-5, 1.1e-5, 1.2e-5};
    expect(x, N(x), y, N(y), 8.0000000000000013e-06, 1.7999999999999997e-05,
           1.7999999999999997e-05);
    struct rank_sum r;
    assert_true(rank_sum_interval(x, N(x), y, N(y), 1e-12, &r, NULL));
    assert_true(r.estimate > 1.1e-5 && r.estimate < 1.4e-5);
    assert_true(r.lower <= r.estimate && r.estimate <= r.upper);
}

static void one_against_one_has_no_interval(void **state)
{
    (void)state;
    const double x = 5, y = 3;
    struct rank_sum r;
    struct err err = ERR_INIT;
    assert_false(rank_sum_interval(&x, 1, &y, 1, 1e-4, &r, &err));
    assert_int_equal(err.code, ERR_BAD_INPUT);
}

static void superiority_counts_ties_half(void **state)
{
    (void)state;
    static const double x[] = {1, 2, 3}, y[] = {2};
    assert_true(rank_sum_superiority(x, 3, y, 1) == 0.5);
    assert_true(rank_sum_superiority(slow, N(slow), fast, 1) == 1);
    assert_true(fabs(rank_sum_superiority(slow, N(slow), fast, N(fast)) - 0.94) < 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_r_has_it),
        cmocka_unit_test(as_r_has_it_for_many),
        cmocka_unit_test(a_fine_tolerance_serves_small_values),
        cmocka_unit_test(one_against_one_has_no_interval),
        cmocka_unit_test(superiority_counts_ties_half),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
