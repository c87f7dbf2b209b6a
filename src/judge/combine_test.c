#include "judge/judge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>

static void it_is_the_weighted_average(void **state)
{
    static const double weights[3] = {0.5, 0.25, 0.25};
    const double log_e[3] = {log(8), log(4), log(40)};
    (void)state;
    struct combined c = judge_combine(log_e, weights, 3, 0.05);
    assert_true(fabs(c.log_e - log(15)) < 1e-12);
    assert_int_equal(c.worst, 2);
    assert_false(c.is_harm || c.alone);
}

/* Two that are each not enough are enough together; who caused it is still said. */
static void checks_add_up(void **state)
{
    static const double weights[2] = {0.5, 0.5};
    const double together[2] = {log(30), log(25)}, alone[2] = {log(1), log(40.1)};
    (void)state;
    struct combined c = judge_combine(together, weights, 2, 0.05);
    assert_true(c.is_harm && !c.alone && c.worst == 0);
    c = judge_combine(alone, weights, 2, 0.05);
    assert_true(c.is_harm && c.alone && c.worst == 1);
}

static void no_evidence_at_all_is_no_harm(void **state)
{
    static const double weights[2] = {0.5, 0.5};
    const double log_e[2] = {-(double)INFINITY, -1e9};
    (void)state;
    struct combined c = judge_combine(log_e, weights, 2, 0.05);
    assert_false(c.is_harm || c.alone);
    assert_int_equal(c.worst, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_the_weighted_average),
        cmocka_unit_test(checks_add_up),
        cmocka_unit_test(no_evidence_at_all_is_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
