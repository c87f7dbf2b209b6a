#include "ingest/schedule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void the_first_is_within_one_interval_and_at_its_place(void **state)
{
    (void)state;
    for (uint64_t hash = 0; hash < 3000; hash += 7) {
        int64_t due = schedule_first(123456789, 1000, hash);
        assert_in_range(due, 123456790, 123457789);
        assert_int_equal(due % 1000, hash % 1000);
    }
}

static void being_late_or_early_does_not_drift(void **state)
{
    int64_t due = 10250;
    (void)state;
    for (int i = 0; i < 1000; i++) {
        int64_t now = due + i % 1000 - 1; /* from one early to nearly a whole interval late */
        int64_t next = schedule_next(due, now, 1000);
        assert_int_equal(next, due + 1000);
        due = next;
    }
}

static void missed_intervals_are_left_out(void **state)
{
    (void)state;
    assert_int_equal(schedule_next(10250, 11249, 1000), 11250);
    assert_int_equal(schedule_next(10250, 12000, 1000), 11250); /* at once */
    assert_int_equal(schedule_next(10250, 15300, 1000), 15250); /* at once, and only once */
}

static void a_clock_set_back_makes_a_new_start(void **state)
{
    (void)state;
    assert_int_equal(schedule_next(1000250, 5000, 1000), 5250);
    assert_int_equal(schedule_next(1000250, 5300, 1000), 6250);
}

static void stamps_are_even_when_the_timer_is_nearly_right(void **state)
{
    (void)state;
    assert_int_equal(schedule_stamp(10000, 10002, 1000), 10000);
    assert_int_equal(schedule_stamp(10000, 9998, 1000), 10000);
    assert_int_equal(schedule_stamp(10000, 10003, 1000), 10003);
    assert_int_equal(schedule_stamp(10000, 10002, 100), 10002);
    assert_int_equal(schedule_stamp(10000, 10001, 100), 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_is_within_one_interval_and_at_its_place),
        cmocka_unit_test(being_late_or_early_does_not_drift),
        cmocka_unit_test(missed_intervals_are_left_out),
        cmocka_unit_test(a_clock_set_back_makes_a_new_start),
        cmocka_unit_test(stamps_are_even_when_the_timer_is_nearly_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
