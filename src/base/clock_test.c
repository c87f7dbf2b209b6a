#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void times_have_one_form(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    clock_format_ms(&b, INT64_C(1795445220123));
    assert_string_equal(b.p, "2026-11-23T14:47:00.123Z");
    buf_clear(&b);
    clock_format_ms(&b, -1);
    assert_string_equal(b.p, "1969-12-31T23:59:59.999Z");
    buf_release(&b);
}

static void rfc_3339_is_read(void **state)
{
    (void)state;
    int64_t t;
    assert_true(clock_parse_rfc3339(STR("2026-11-23T14:47:00.123Z"), &t));
    assert_int_equal(t, INT64_C(1795445220123));
    assert_true(clock_parse_rfc3339(STR("2026-11-23T16:47:00.123456+02:00"), &t));
    assert_int_equal(t, INT64_C(1795445220123));
    static const char *const bad[] = {"",
                                      "2026-11-23",
                                      "2026-13-01T00:00:00Z",
                                      "2026-04-31T00:00:00Z",
                                      "2026-11-23T24:00:00Z",
                                      "2026-11-23T14:47:00",
                                      "2026-11-23T14:47:00.Z",
                                      "2026-11-23T14:47:00Zx"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(clock_parse_rfc3339(str_from(bad[i]), &t));
}

static void the_wall_clock_can_be_shifted(void **state)
{
    (void)state;
    int64_t before = clock_wall_ms();
    clock_shift_wall_ms(3600000);
    assert_true(clock_wall_ms() - before >= 3600000);
    clock_shift_wall_ms(0);
    assert_true(clock_wall_ms() - before < 3600000);
    int64_t mono = clock_mono_ns();
    assert_true(clock_mono_ns() >= mono);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_have_one_form),
        cmocka_unit_test(rfc_3339_is_read),
        cmocka_unit_test(the_wall_clock_can_be_shifted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
