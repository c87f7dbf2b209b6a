#include "promql/series_notation.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct arena arena;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_release(&arena);
    return 0;
}

static struct notation_series read_line(const char *line)
{
    struct notation_series s;
    struct err err = ERR_INIT;
    if (!parse_series_notation(&arena, str_from(line), &s, &err))
        fail_msg("%s: %s", line, err.message);
    return s;
}

static void test_values(void **state)
{
    (void)state;
    struct notation_series s = read_line("x{a=\"b c\"} 1 -2+0.5x2 _ _x2 stale 3x1 inf");
    const double want[] = {1, -2, -1.5, -1, NAN, NAN, NAN, NAN, 3, 3, INFINITY};
    assert_int_equal(s.n, sizeof want / sizeof *want);
    assert_true(str_is(labels_get(s.labels, "a"), "b c"));
    for (size_t i = 0; i < s.n; i++) {
        bool gap = i >= 4 && i <= 6;
        assert_int_equal(s.values[i].present, !gap);
        if (i == 7)
            assert_true(is_stale_nan(s.values[i].v));
        else if (!gap)
            assert_true(s.values[i].v == want[i]);
    }
}

static void test_histograms_are_marked(void **state)
{
    (void)state;
    struct notation_series s = read_line("{} {{schema:0 count:3 buckets:[1 2]}}x2 1");
    assert_int_equal(s.n, 4);
    assert_true(s.histograms && s.values[0].h && s.values[2].h->count == 3 && !s.values[3].h);
}

static void test_mistakes(void **state)
{
    static const char *const lines[] = {"x 1y2",      "x 1+x3",      "x{a=~\"b\" 1",
                                        "sum(x) 1 +", "x 1x2000000", "x {{schema:0"};
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct notation_series s;
        struct err err = ERR_INIT;
        if (parse_series_notation(&arena, str_from(lines[i]), &s, &err))
            fail_msg("taken: %s", lines[i]);
        assert_int_equal(err.code, ERR_BAD_INPUT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_values, setup, teardown),
        cmocka_unit_test_setup_teardown(test_histograms_are_marked, setup, teardown),
        cmocka_unit_test_setup_teardown(test_mistakes, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
