#include "base/fault.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static int disarm(void **state)
{
    (void)state;
    fault_disarm_all();
    return 0;
}

static int count_hits(int calls)
{
    int hits = 0;
    for (int i = 0; i < calls; i++)
        hits += fault_hit("x");
    return hits;
}

static void nothing_is_armed_at_first(void **state)
{
    (void)state;
    assert_false(fault_any_armed);
    assert_int_equal(count_hits(100), 0);
}

static void counts_and_chances_are_kept(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    assert_true(fault_arm("x:after=10:every=5:errno=ENOSPC;y:once", &err));
    assert_int_equal(count_hits(10), 0);
    assert_int_equal(count_hits(20), 4);
    assert_int_equal(fault_errno("x"), ENOSPC);
    assert_int_equal(fault_errno("y"), EIO);
    assert_true(fault_hit("y"));
    assert_false(fault_hit("y"));
}

static void a_seed_gives_the_same_story(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    assert_true(fault_arm("x:p=0.25:seed=7", &err));
    int first = count_hits(4000);
    assert_in_range(first, 900, 1100);
    assert_true(fault_arm("x:p=0.25:seed=7", &err));
    assert_int_equal(count_hits(4000), first);
}

static void bad_specs_are_named(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    assert_false(fault_arm("x:often", &err));
    assert_string_equal(err.message, "fault point x: bad option 'often'");
    assert_false(fault_arm(":once", &err));
    assert_false(fault_arm("x:errno=EWHAT", &err));
    setenv("CQED_FAULTS", "x:once", 1);
    assert_true(fault_arm_from_env(&err));
    assert_int_equal(count_hits(3), 1);
    unsetenv("CQED_FAULTS");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(nothing_is_armed_at_first, disarm),
        cmocka_unit_test_teardown(counts_and_chances_are_kept, disarm),
        cmocka_unit_test_teardown(a_seed_gives_the_same_story, disarm),
        cmocka_unit_test_teardown(bad_specs_are_named, disarm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
