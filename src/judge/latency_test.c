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
    size_t n = thresholds_pick(edges, N_EDGES, hist, 1.05, (double)NAN, t);
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

static void expect_near(double got, double want)
{
    if (!(fabs(got - want) <= 1e-9 * fabs(want)))
        fail_msg("got %.15g, want %.15g", got, want);
}

/* bench/judge/bench.py vectors, section 11: a million requests on the edges of Renard's series. */
static void thresholds_match_the_reference(void **state)
{
#define N_R10 35
    static const double r10[N_R10] = {0.005, 0.0063, 0.008, 0.01, 0.0125, 0.016, 0.02,
                                      0.025, 0.032,  0.04,  0.05, 0.063,  0.08,  0.1,
                                      0.125, 0.16,   0.2,   0.25, 0.32,   0.4,   0.5,
                                      0.63,  0.8,    1,     1.25, 1.6,    2,     2.5,
                                      3.2,   4,      5,     6.3,  8,      10,    (double)INFINITY};
    static const double hist[N_R10] = {
        0,      0,      0,      2,     16,    152,   841,  3763, 15673, 40058, 84673, 146642,
        198292, 186512, 147162, 98920, 43044, 18692, 8711, 3712, 1876,  856,   304,   77,
        17,     3,      0,      0,     0,     0,     0,    0,    0,     0,     0};
    static const struct {
        size_t edge;
        double null_ratio, warm, margin;
    } want[JUDGE_THRESHOLDS] = {{12, 1.0693948639158395, 1.8594527222867445, 1.1952729251813434},
                                {13, 1.1046934105292217, 2.698596162258994, 1.2912252460865037},
                                {15, 1.176891156988175, 7.054630194132983, 1.4441878064091256},
                                {16, 1.1947900080389997, 10.430520439820192, 1.474746392271527},
                                {17, 1.188331403992622, 12.935280597314353, 1.4884230225764454},
                                {18, 1.1761455078356922, 13.288271090717775, 1.494883750132671},
                                {19, 1.1863263700991944, 13.058805039196963, 0}};
    struct threshold t[JUDGE_THRESHOLDS];
    (void)state;
    assert_int_equal(thresholds_pick(r10, N_R10, hist, 1.05, 0.002, t), JUDGE_THRESHOLDS);
    for (size_t i = 0; i < JUDGE_THRESHOLDS; i++) {
        assert_int_equal(t[i].edge, want[i].edge);
        expect_near(t[i].null_ratio, want[i].null_ratio);
        expect_near(threshold_null_ratio(r10, N_R10, hist, t[i].edge, 2.1), want[i].warm);
        expect_near(t[i].margin_ratio, want[i].margin);
    }
#undef N_R10
}

static void odd_histograms_are_survived(void **state)
{
    static const double empty[N_EDGES] = {0};
    static const double only_inf[1] = {(double)INFINITY}, one[1] = {5};
    struct threshold t[JUDGE_THRESHOLDS];
    (void)state;
    size_t n = thresholds_pick(edges, N_EDGES, empty, 1.05, (double)NAN, t);
    for (size_t i = 0; i < n; i++)
        assert_true(isfinite(t[i].null_ratio));
    assert_int_equal(thresholds_pick(only_inf, 1, one, 1.05, (double)NAN, t), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(looks_where_stable_is_exceeded),
        cmocka_unit_test(thresholds_match_the_reference),
        cmocka_unit_test(odd_histograms_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
