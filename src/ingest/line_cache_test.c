#include "ingest/line_cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>

/* As the scraper does: expected, found or added. Tells which. */
static char see(struct line_cache *c, const char *key)
{
    char line[64];
    (void)snprintf(line, sizeof line, "%s 1", key);
    char how = 'e';
    struct cached_line *l = line_cache_expected(c, false, line, line + strlen(line));
    if (!l) {
        how = 'f';
        l = line_cache_find(c, false, str_from(key));
    }
    if (!l) {
        how = 'a';
        l = line_cache_add(c, CACHED_SERIES, str_from(key));
        l->ref = c->n;
    }
    line_cache_saw(c, l);
    return how;
}

/* One good scrape of these keys: how each was recognised. */
static void assert_sees(struct line_cache *c, const char *const *keys, const char *expected)
{
    char how[32] = "";
    line_cache_begin(c);
    for (size_t i = 0; keys[i]; i++)
        how[i] = see(c, keys[i]);
    assert_string_equal(how, expected);
    line_cache_keep(c);
}

#define KEYS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void the_same_again_is_expected(void **state)
{
    struct line_cache c = {0};
    (void)state;
    assert_sees(&c, KEYS("a", "b{x=\"1\"}", "c"), "aaa");
    assert_sees(&c, KEYS("a", "b{x=\"1\"}", "c"), "eee");
    assert_int_equal(c.lines[1].ref, 2);
    line_cache_release(&c);
}

static void another_order_is_found_once_and_then_expected(void **state)
{
    struct line_cache c = {0};
    (void)state;
    assert_sees(&c, KEYS("a", "b", "c", "d"), "aaaa");
    assert_sees(&c, KEYS("d", "c", "b", "a"), "ffff");
    assert_sees(&c, KEYS("d", "c", "b", "a"), "eeee");
    line_cache_release(&c);
}

static void new_and_gone_lines_disturb_only_themselves(void **state)
{
    struct line_cache c = {0};
    (void)state;
    assert_sees(&c, KEYS("a", "b", "c"), "aaa");
    assert_sees(&c, KEYS("a", "new", "b", "c"), "eaee");
    assert_sees(&c, KEYS("a", "new", "b", "c"), "eeee");
    assert_sees(&c, KEYS("a", "c"), "ef");
    assert_int_equal(c.n, 2);
    assert_sees(&c, KEYS("a", "b", "c"), "eae");
    line_cache_release(&c);
}

static void a_longer_key_is_not_its_beginning(void **state)
{
    struct line_cache c = {0};
    (void)state;
    static const char text[] = "ab 1", other[] = "a 1", longer[] = "abc 1";
    assert_sees(&c, KEYS("ab", "a"), "aa");
    line_cache_begin(&c);
    assert_null(line_cache_expected(&c, false, text, &text[2])); /* nothing stands behind it */
    assert_null(line_cache_expected(&c, true, text, &text[4]));
    assert_null(line_cache_expected(&c, false, other, &other[3]));
    assert_non_null(line_cache_expected(&c, false, longer, &longer[5])); /* the caller looks */
    line_cache_release(&c);
}

static void comments_and_keys_are_told_apart(void **state)
{
    struct line_cache c = {0};
    (void)state;
    line_cache_begin(&c);
    line_cache_saw(&c, line_cache_add(&c, CACHED_TYPE, STR("x")));
    assert_null(line_cache_find(&c, false, STR("x")));
    assert_non_null(line_cache_find(&c, true, STR("x")));
    line_cache_release(&c);
}

static void a_bad_scrape_leaves_no_lines_behind(void **state)
{
    struct line_cache c = {0};
    (void)state;
    assert_sees(&c, KEYS("a", "b"), "aa");
    for (int i = 0; i < 3; i++) {
        line_cache_begin(&c);
        assert_int_equal(see(&c, "a"), 'e');
        assert_int_equal(see(&c, "new"), 'a');
        line_cache_undo(&c);
        assert_int_equal(c.n, 2);
    }
    assert_sees(&c, KEYS("a", "b"), "ee");
    line_cache_release(&c);
}

static void many_lines_come_and_go(void **state)
{
    struct line_cache c = {0};
    char key[32];
    (void)state;
    for (int round = 0; round < 3; round++) {
        line_cache_begin(&c);
        for (int i = 0; i < 5000; i++) {
            (void)snprintf(key, sizeof key, "m{i=\"%d\"}", i);
            assert_int_equal(see(&c, key), round == 0 ? 'a' : 'e');
        }
        line_cache_keep(&c);
    }
    assert_int_equal(c.n, 5000);
    for (int i = 0; i < 5; i++)
        assert_sees(&c, KEYS("m{i=\"7\"}"), i == 0 ? "f" : "e");
    assert_in_range(c.capacity, 1, 64);
    line_cache_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_again_is_expected),
        cmocka_unit_test(another_order_is_found_once_and_then_expected),
        cmocka_unit_test(new_and_gone_lines_disturb_only_themselves),
        cmocka_unit_test(a_longer_key_is_not_its_beginning),
        cmocka_unit_test(comments_and_keys_are_told_apart),
        cmocka_unit_test(a_bad_scrape_leaves_no_lines_behind),
        cmocka_unit_test(many_lines_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
