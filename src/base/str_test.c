#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void order_is_bytewise_and_shorter_first(void **state)
{
    (void)state;
    assert_true(str_cmp(STR("a"), STR("b")) < 0);
    assert_true(str_cmp(STR("ab"), STR("a")) > 0);
    assert_int_equal(str_cmp(STR(""), str_make(NULL, 0)), 0);
    assert_true(str_cmp(STR("\xff"), STR("a")) > 0);
}

static void cut_walks_over_every_part(void **state)
{
    (void)state;
    struct str rest = STR("a,,b"), part;
    assert_true(str_cut(&rest, ',', &part) && str_is(part, "a"));
    assert_true(str_cut(&rest, ',', &part) && part.n == 0);
    assert_true(str_cut(&rest, ',', &part) && str_is(part, "b"));
    assert_false(str_cut(&rest, ',', &part));
}

static void ends_and_white_space(void **state)
{
    (void)state;
    assert_true(str_starts(STR("abc"), STR("ab")));
    assert_false(str_starts(STR("a"), STR("ab")));
    assert_true(str_ends(STR("abc"), STR("bc")));
    assert_false(str_ends(STR("c"), STR("bc")));
    assert_true(str_is(str_trim(STR("\t a b \r\n")), "a b"));
    assert_int_equal(str_trim(STR("  ")).n, 0);
}

static void utf8_follows_rfc_3629(void **state)
{
    (void)state;
    static const char *const good[] = {
        "", "plain", "m\xc3\xbcller", "\xe2\x82\xac", "\xf0\x9f\x9a\x80", "\xf4\x8f\xbf\xbf"};
    static const char *const bad[] = {"\x80",
                                      "\xc0\xaf",
                                      "\xe0\x80\x80",
                                      "\xed\xa0\x80",
                                      "\xf4\x90\x80\x80",
                                      "\xf8\x88\x80\x80\x80",
                                      "\xe2\x82",
                                      "a\xc3"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(str_is_utf8(str_from(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(str_is_utf8(str_from(bad[i])));
}

static void the_nearest_word_is_meant(void **state)
{
    (void)state;
    static const char *const keys[] = {"interval", "timeout", "targets"};
    assert_int_equal(str_distance(STR("kitten"), STR("sitting"), 9), 3);
    assert_int_equal(str_distance(STR("kitten"), STR("sitting"), 2), 3);
    assert_string_equal(str_nearest(STR("intervall"), keys, 3), "interval");
    assert_string_equal(str_nearest(STR("target"), keys, 3), "targets");
    assert_null(str_nearest(STR("colour"), keys, 3));
}

static void strings_are_sorted_each_once(void **state)
{
    (void)state;
    struct str v[] = {STR("b"), STR(""), STR("a"), STR("b"), STR("ab"), STR("a")};
    assert_int_equal(str_sort_unique(v, 6), 4);
    assert_true(v[0].n == 0 && str_is(v[1], "a") && str_is(v[2], "ab") && str_is(v[3], "b"));
    assert_int_equal(str_sort_unique(v, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_are_sorted_each_once),
        cmocka_unit_test(order_is_bytewise_and_shorter_first),
        cmocka_unit_test(cut_walks_over_every_part),
        cmocka_unit_test(ends_and_white_space),
        cmocka_unit_test(utf8_follows_rfc_3629),
        cmocka_unit_test(the_nearest_word_is_meant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
