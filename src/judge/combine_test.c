#include "judge/judge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>

static void expect(const double log_e[2], double want, size_t worst, bool harm, bool alone)
{
    static const double weights[2] = {0.5, 0.5};
    struct combined c = judge_combine(log_e, weights, 2, 0.05);
    assert_true(fabs(c.log_e - want) < 1e-12);
    assert_int_equal(c.worst, worst);
    assert_int_equal(c.is_harm, harm);
    assert_int_equal(c.alone, alone);
}

static void it_is_the_weighted_average(void **state)
{
    const double log_e[2] = {log(8), log(22)};
    (void)state;
    expect(log_e, log(15), 1, false, false);
}

/* Two that are each not enough are enough together; who caused it is still said. */
static void checks_add_up(void **state)
{
    const double together[2] = {log(30), log(25)}, alone[2] = {log(1), log(41)};
    (void)state;
    expect(together, log(27.5), 0, true, false);
    expect(alone, log(21), 1, true, true);
}

static void no_evidence_at_all_is_no_harm(void **state)
{
    const double log_e[2] = {-(double)INFINITY, -1e3};
    (void)state;
    expect(log_e, -1e3 - log(2), 1, false, false);
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
