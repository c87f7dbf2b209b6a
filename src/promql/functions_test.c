#include "promql/functions.h"

#include "promql/sums.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void every_function_is_complete(void **state)
{
    (void)state;
    static const char *const stable[] = {"abs",
                                         "absent",
                                         "absent_over_time",
                                         "acos",
                                         "avg_over_time",
                                         "ceil",
                                         "changes",
                                         "clamp",
                                         "count_over_time",
                                         "days_in_month",
                                         "deg",
                                         "delta",
                                         "deriv",
                                         "first_over_time",
                                         "histogram_fraction",
                                         "histogram_quantile",
                                         "hour",
                                         "idelta",
                                         "increase",
                                         "irate",
                                         "label_join",
                                         "label_replace",
                                         "ln",
                                         "minute",
                                         "pi",
                                         "predict_linear",
                                         "quantile_over_time",
                                         "rate",
                                         "resets",
                                         "round",
                                         "scalar",
                                         "sgn",
                                         "sort",
                                         "sqrt",
                                         "stddev_over_time",
                                         "time",
                                         "timestamp",
                                         "vector",
                                         "year"};
    for (size_t i = 0; i < sizeof stable / sizeof *stable; i++) {
        const struct function *f = function_find(str_from(stable[i]));
        assert_non_null(f);
        int kinds =
            (f->range != NULL) + (f->math != NULL) + (f->scalar != NULL) + (f->call != NULL);
        assert_int_equal(kinds, 1);
        assert_true(f->min_args <= f->max_args);
    }
    assert_null(function_find(STR("Rate")));
    assert_string_equal(function_nearest(STR("histogram_quantil")), "histogram_quantile");
}

static void quantiles(void **state)
{
    (void)state;
    double v[] = {3, 1, 2, (double)NAN};
    assert_true(quantile_of(0.5, v, 3) == 2);
    assert_true(quantile_of(0.25, v, 3) == 1.5);
    assert_true(quantile_of(1, v, 3) == 3);
    assert_true(isnan(quantile_of(0, v, 4)));
    assert_true(quantile_of(1, v, 4) == 3);
    assert_true(isinf(quantile_of(-0.1, v, 3)));
    assert_true(isnan(quantile_of((double)NAN, v, 3)));
    assert_true(isnan(quantile_of(0.5, v, 0)));
}

static void dates(void **state)
{
    (void)state;
    static const struct {
        double t, year, month, day, weekday, year_day, month_days, hour, minute;
    } cases[] = {{0, 1970, 1, 1, 4, 1, 31, 0, 0},
                 {951868799, 2000, 2, 29, 2, 60, 29, 23, 59},
                 {951868800, 2000, 3, 1, 3, 61, 31, 0, 0},
                 {4107542399, 2100, 2, 28, 0, 59, 28, 23, 59},
                 {-86400, 1969, 12, 31, 3, 365, 31, 0, 0},
                 {-2203891200, 1900, 3, 1, 4, 60, 31, 0, 0},
                 {1735689599, 2024, 12, 31, 2, 366, 31, 23, 59}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double t = cases[i].t;
        assert_true(date_year(t, NULL) == cases[i].year);
        assert_true(date_month(t, NULL) == cases[i].month);
        assert_true(date_day_of_month(t, NULL) == cases[i].day);
        assert_true(date_day_of_week(t, NULL) == cases[i].weekday);
        assert_true(date_day_of_year(t, NULL) == cases[i].year_day);
        assert_true(date_days_in_month(t, NULL) == cases[i].month_days);
        assert_true(date_hour(t, NULL) == cases[i].hour);
        assert_true(date_minute(t, NULL) == cases[i].minute);
    }
    assert_true(isnan(date_year((double)NAN, NULL)));
    assert_true(isnan(date_hour(1e300, NULL)));
}

static void sums_lose_little(void **state)
{
    (void)state;
    static const double v[] = {1, 1e100, 1, -1e100};
    double sum = 0, lost = 0;
    struct mean mean = {0};
    for (size_t i = 0; i < 4; i++) {
        sum_add(v[i], &sum, &lost);
        mean_add(v[i], &mean.sum, &mean.lost, &mean.count);
    }
    assert_true(sum_total(sum, lost) == 2);
    assert_true(mean_total(mean.sum, mean.lost, mean.count) == 0.5);
    mean = (struct mean){0};
    for (size_t i = 0; i < 10; i++)
        mean_add(0x1.fffffffffffffp1023, &mean.sum, &mean.lost, &mean.count);
    double big = mean_total(mean.sum, mean.lost, mean.count);
    assert_true(isfinite(big) && big > 0x1.ffffffffp1023);
}

static void clamps(void **state)
{
    (void)state;
    const double limits[] = {1, 3}, wrong[] = {3, 1};
    assert_true(math_clamp(2, limits) == 2);
    assert_true(math_clamp(0, limits) == 1);
    assert_true(math_clamp(9, limits) == 3);
    assert_true(isnan(math_clamp((double)NAN, limits)));
    assert_true(is_absent(math_clamp(2, wrong)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_function_is_complete),
        cmocka_unit_test(quantiles),
        cmocka_unit_test(dates),
        cmocka_unit_test(sums_lose_little),
        cmocka_unit_test(clamps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
