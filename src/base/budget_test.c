#include "base/budget.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static uint64_t held_now(void)
{
    struct budget_state state;
    budget_set(1); /* look anew */
    budget_state(&state);
    budget_set(0);
    return state.held_bytes;
}

static void marks_are_parts_of_the_limit(void **state)
{
    uint64_t held = held_now();
    (void)state;
    assert_true(held > 100000);
    assert_int_equal(budget_mark(), BUDGET_FREE);
    budget_set(held * 2);
    assert_int_equal(budget_mark(), BUDGET_FREE);
    budget_set(held + held / 6);
    assert_int_equal(budget_mark(), BUDGET_SOFT);
    budget_set(held / 2);
    assert_int_equal(budget_mark(), BUDGET_HARD);
    assert_false(budget_take(1));
    budget_set(0);
}

static void reservations_are_bounded(void **state)
{
    struct budget_state now;
    uint64_t limit = held_now() * 8;
    (void)state;
    budget_set(limit);
    assert_true(budget_take(limit / 8));
    assert_true(budget_take(limit / 8));
    assert_false(budget_take(limit / 8));
    budget_give(limit / 8);
    assert_true(budget_take(limit / 8));
    budget_state(&now);
    assert_int_equal(now.reserved_bytes, limit / 8 * 2);
    assert_true(now.refusals > 0);
    budget_give(limit / 8 * 2);
    budget_set(0);
    assert_true(budget_take((size_t)1 << 30));
    assert_false(budget_take(1));
    budget_give((size_t)1 << 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(marks_are_parts_of_the_limit),
                                       cmocka_unit_test(reservations_are_bounded)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
