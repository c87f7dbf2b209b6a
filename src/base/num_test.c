#include "base/num.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void doubles_are_read_as_prometheus_writes_them(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double value;
    } cases[] = {{"0", 0},
                 {"-1.5", -1.5},
                 {"+2", 2},
                 {"1e-7", 1e-7},
                 {"0x1p4", 16},
                 {".5", 0.5},
                 {"1.", 1},
                 {"123456789012345678901234567890", 123456789012345678901234567890.0},
                 {"0.1", 0.1},
                 {"9007199254740993", 9007199254740992.0},
                 {"1.7976931348623157e308", 1.7976931348623157e308}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double v = -99;
        assert_true(num_parse_double(str_from(cases[i].text), &v));
        assert_true(v == cases[i].value);
    }
    double v;
    assert_true(num_parse_double(STR("-Inf"), &v) && isinf(v) && v < 0);
    assert_true(num_parse_double(STR("nan"), &v) && isnan(v));
    static const char *const bad[] = {"",   "-",  "1_000", "1,5",  "1e", "0x",
                                      "1 ", " 1", "--1",   "infx", "."};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(num_parse_double(str_from(bad[i]), &v));
}

static void doubles_are_written_shortest(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {{0, "0"},
                 {-0.0, "-0"},
                 {0.1, "0.1"},
                 {100, "100"},
                 {1e20, "100000000000000000000"},
                 {1e21, "1e+21"},
                 {1e-6, "0.000001"},
                 {1.5e-7, "1.5e-07"},
                 {1.0 / 3, "0.3333333333333333"},
                 {123456.789, "123456.789"},
                 {5e-324, "5e-324"},
                 {0.30000000000000004, "0.30000000000000004"}};
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        buf_clear(&b);
        num_add_double(&b, cases[i].value);
        assert_string_equal(b.p, cases[i].text);
    }
    buf_release(&b);
}

static void every_double_survives_the_round_trip(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    uint64_t x = 88172645463325252;
    for (int i = 0; i < 20000; i++) {
        x ^= x << 13; /* xorshift64 (Marsaglia 2003) */
        x ^= x >> 7;
        x ^= x << 17;
        double v, back;
        memcpy(&v, &x, sizeof v);
        if (!isfinite(v))
            continue;
        buf_clear(&b);
        num_add_double(&b, v);
        assert_true(num_parse_double(buf_str(&b), &back));
        assert_memory_equal(&v, &back, sizeof v);
    }
    buf_release(&b);
}

static void integers_do_not_wrap(void **state)
{
    (void)state;
    uint64_t u;
    int64_t i;
    assert_true(num_parse_u64(STR("18446744073709551615"), &u) && u == UINT64_MAX);
    assert_false(num_parse_u64(STR("18446744073709551616"), &u));
    assert_true(num_parse_i64(STR("-9223372036854775808"), &i) && i == INT64_MIN);
    assert_false(num_parse_i64(STR("9223372036854775808"), &i));
    assert_false(num_parse_i64(STR(""), &i));
}

static void durations_are_those_of_prometheus(void **state)
{
    (void)state;
    int64_t ms;
    struct buf b = BUF_INIT;
    assert_true(num_parse_duration_ms(STR("1h30m"), &ms) && ms == 5400000);
    num_add_duration(&b, ms);
    assert_string_equal(b.p, "1h30m");
    assert_true(num_parse_duration_ms(STR("250ms"), &ms) && ms == 250);
    assert_true(num_parse_duration_ms(STR("1y"), &ms) && ms == INT64_C(31536000000));
    assert_true(num_parse_duration_ms(STR("0"), &ms) && ms == 0);
    static const char *const bad[] = {"",    "5",    "30m1h", "1h1h",        "1x",
                                      "-1s", "1.5h", "s",     "99999999999y"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(num_parse_duration_ms(str_from(bad[i]), &ms));
    buf_release(&b);
}

static void ratios_and_sizes_have_units(void **state)
{
    (void)state;
    double ratio;
    uint64_t size;
    assert_true(num_parse_ratio(STR("0.1%"), &ratio) && ratio == 0.1 / 100);
    assert_true(num_parse_ratio(STR("0.25"), &ratio) && ratio == 0.25);
    assert_false(num_parse_ratio(STR("%"), &ratio));
    assert_false(num_parse_ratio(STR("NaN"), &ratio));
    assert_true(num_parse_size(STR("512Mi"), &size) && size == 512u << 20);
    assert_true(num_parse_size(STR("1.5kB"), &size) && size == 1500);
    assert_true(num_parse_size(STR("4096"), &size) && size == 4096);
    assert_false(num_parse_size(STR("5Q"), &size));
    assert_false(num_parse_size(STR("99999999Ti"), &size));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doubles_are_read_as_prometheus_writes_them),
        cmocka_unit_test(doubles_are_written_shortest),
        cmocka_unit_test(every_double_survives_the_round_trip),
        cmocka_unit_test(integers_do_not_wrap),
        cmocka_unit_test(durations_are_those_of_prometheus),
        cmocka_unit_test(ratios_and_sizes_have_units),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
