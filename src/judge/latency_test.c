#include "judge/latency.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>

static const double edges[] = {0.01, 0.025, 0.05, 0.1, 0.25, 0.5, (double)INFINITY};
#define N_EDGES (sizeof edges / sizeof *edges)

static void looks_where_stable_is_exceeded(void **state)
{
    /* 1000 events: half within 10 ms, 40% within 25 ms, 9% within 50, 0.9% within 100, one beyond
     */
    static const double hist[N_EDGES] = {500, 400, 90, 9, 1, 0, 0};
    struct threshold t[JUDGE_THRESHOLDS];
    (void)state;
    size_t n = thresholds_pick(edges, N_EDGES, hist, 1.05, t);
    assert_true(n >= 4);
    assert_int_equal(t[0].edge, 0);
    assert_int_equal(t[1].edge, 1);
    assert_int_equal(t[2].edge, 2);
    for (size_t i = 0; i < n; i++) {
        assert_true(t[i].null_ratio >= 1 && t[i].null_ratio < 2);
        assert_true(i == 0 || t[i].edge > t[i - 1].edge);
    }
    assert_true(fabs(exceedances(hist, N_EDGES, 1) - 100) < 1e-12);
}

static void odd_histograms_are_survived(void **state)
{
    static const double empty[N_EDGES] = {0};
    static const double only_inf[1] = {(double)INFINITY}, one[1] = {5};
    struct threshold t[JUDGE_THRESHOLDS];
    (void)state;
    size_t n = thresholds_pick(edges, N_EDGES, empty, 1.05, t);
    for (size_t i = 0; i < n; i++)
        assert_true(isfinite(t[i].null_ratio));
    assert_int_equal(thresholds_pick(only_inf, 1, one, 1.05, t), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(looks_where_stable_is_exceeded),
        cmocka_unit_test(odd_histograms_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
