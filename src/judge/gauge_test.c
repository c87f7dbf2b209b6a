#include "judge/judge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>

#define PAST 120 /* blocks */

static void expect_near(double got, double want)
{
    if (!(fabs(got - want) <= 1e-9 * fmax(1, fabs(want))))
        fail_msg("got %.15g, want %.15g", got, want);
}

static void learn(struct judge_gauge *g)
{
    double past[PAST];
    for (int i = 0; i < PAST; i++)
        past[i] = 0.05 * sin(i * 1.7) + 0.03 * cos(i * 0.31);
    assert_true(judge_gauge_init(g, past, PAST, NULL));
}

/* The reference prototype's numbers for the same blocks. */
static void it_matches_the_reference(void **state)
{
    static const struct {
        int t;
        double harm, health;
    } want[] = {{0, 0.6023678357669535, -1.300018682181844},
                {9, 10.997728718549595, 0.7795734598838899},
                {59, 75.60969920937907, 14.514538632320718}};
    struct judge_gauge g;
    size_t next = 0;
    (void)state;
    learn(&g);
    expect_near(g.variance, 0.003218465509447301);
    for (int t = 0; t < 60; t++) {
        judge_gauge_feed(&g, log(1.15) + 0.05 * sin(t * 1.1) + 0.03 * cos(t * 0.41));
        if (t != want[next].t)
            continue;
        expect_near(g.log_e, want[next].harm);
        expect_near(g.health_log_e, want[next].health);
        next++;
    }
    assert_int_equal(next, 3);
}

static void an_unchanged_gauge_passes_and_a_leak_fails(void **state)
{
    (void)state;
    for (int leak = 0; leak < 2; leak++) {
        struct judge_gauge g;
        int harm = -1, health = -1;
        learn(&g);
        for (int t = 0; t < 120; t++) {
            double noise = 0.05 * sin(t * 2.3) + 0.02 * cos(t * 0.7);
            judge_gauge_feed(&g, t == 3 ? (double)NAN : leak * 0.015 * t + noise);
            harm = harm < 0 && g.log_e >= log(20) ? t : harm;
            health = health < 0 && g.health_log_e >= log(20) ? t : health;
        }
        assert_true(leak ? harm > 5 && harm < 60 : harm < 0 && health >= 0 && health < 40);
    }
}

static void what_cannot_be_learned_from_is_refused(void **state)
{
    struct judge_gauge g;
    double same[PAST] = {0}, holes[PAST] = {0};
    (void)state;
    holes[7] = (double)NAN;
    assert_false(judge_gauge_init(&g, same, 31, NULL));
    assert_false(judge_gauge_init(&g, same, PAST, NULL));
    assert_false(judge_gauge_init(&g, holes, PAST, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_matches_the_reference),
        cmocka_unit_test(an_unchanged_gauge_passes_and_a_leak_fails),
        cmocka_unit_test(what_cannot_be_learned_from_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
