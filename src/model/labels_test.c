#include "model/labels.h"

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

/* name, value, name, value, ..., NULL */
static struct labels make(const char *name, ...)
{
    struct labels_builder b;
    va_list args;
    labels_builder_init(&b, &arena);
    va_start(args, name);
    for (; name; name = va_arg(args, const char *))
        labels_builder_set(&b, str_from(name), str_from(va_arg(args, const char *)));
    va_end(args);
    return labels_build(&b);
}

static void expect_printed(struct labels ls, const char *expected)
{
    struct buf out = BUF_INIT;
    buf_add_cstr(&out, "");
    labels_print(ls, &out);
    assert_string_equal(out.p, expected);
    buf_release(&out);
}

static void building_sorts_and_the_later_value_wins(void **state)
{
    (void)state;
    struct labels ls =
        make("job", "a", LABEL_NAME, "up", "zone", "x", "job", "b", "zone", "", NULL);
    assert_int_equal(ls.n, 2);
    assert_true(str_is(ls.v[0].name, LABEL_NAME));
    assert_true(str_is(labels_get(ls, "job"), "b"));
    assert_int_equal(labels_get(ls, "zone").n, 0);

    struct labels_builder b;
    labels_builder_from(&b, &arena, ls);
    labels_builder_remove(&b, STR("job"));
    labels_builder_set(&b, STR("A"), STR("1"));
    assert_int_equal(labels_builder_get(&b, STR("job")).n, 0);
    expect_printed(labels_build(&b), "up{A=\"1\"}");
    expect_printed(ls, "up{job=\"b\"}");
}

static void printing_escapes(void **state)
{
    (void)state;
    expect_printed(make(NULL, NULL), "{}");
    expect_printed(make(LABEL_NAME, "up", NULL), "up");
    expect_printed(make("a", "x\"y\\z\n", "b", "\xc3\xa9", NULL),
                   "{a=\"x\\\"y\\\\z\\n\", b=\"\xc3\xa9\"}");
}

static void order_is_label_by_label(void **state)
{
    (void)state;
    struct labels sorted[] = {make(NULL, NULL), make("a", "1", NULL),
                              make("a", "1", "b", "1", NULL), make("a", "2", NULL),
                              make("b", "1", NULL)};
    for (size_t i = 0; i < 5; i++) {
        for (size_t k = 0; k < 5; k++) {
            int c = labels_cmp(sorted[i], sorted[k]);
            assert_int_equal((c > 0) - (c < 0), (i > k) - (i < k));
            assert_int_equal(labels_eq(sorted[i], sorted[k]), i == k);
            assert_int_equal(labels_hash(sorted[i]) == labels_hash(sorted[k]), i == k);
        }
    }
}

/* Where a name ends and its value begins matters. */
static void hashes_tell_names_from_values(void **state)
{
    (void)state;
    assert_true(labels_hash(make("ab", "c", NULL)) != labels_hash(make("a", "bc", NULL)));
    struct labels copy, original = make("a", "b", NULL);
    copy = labels_copy(&arena, original);
    assert_ptr_not_equal(copy.v[0].value.p, original.v[0].value.p);
    assert_true(labels_eq(copy, original));
    assert_int_equal(labels_hash(copy), labels_hash(original));
}

static void names_as_they_always_were(void **state)
{
    (void)state;
    assert_true(label_name_is_legacy(STR("le")) && label_name_is_legacy(STR("__a1")));
    assert_false(label_name_is_legacy(STR("")) || label_name_is_legacy(STR("1a")));
    assert_false(label_name_is_legacy(STR("a:b")) || label_name_is_legacy(STR("a.b")));
    assert_true(metric_name_is_legacy(STR("job:up:sum")) && metric_name_is_legacy(STR(":")));
    assert_false(metric_name_is_legacy(STR("http.server")));
}

static bool matches(enum match_type type, const char *value, const char *text)
{
    struct err err = ERR_INIT;
    struct matcher m;
    if (!matcher_init(&m, &arena, type, STR("code"), str_from(value), &err))
        fail_msg("%s", err.message);
    return matcher_matches(&m, str_from(text));
}

static void matchers_of_the_four_kinds(void **state)
{
    (void)state;
    assert_true(matches(MATCH_EQUAL, "500", "500") && !matches(MATCH_EQUAL, "500", "50"));
    assert_true(matches(MATCH_NOT_EQUAL, "500", "") && !matches(MATCH_NOT_EQUAL, "500", "500"));
    assert_true(matches(MATCH_REGEX, "5..", "503") && !matches(MATCH_REGEX, "5..", "1503"));
    assert_true(matches(MATCH_NOT_REGEX, "5..", "200") && !matches(MATCH_NOT_REGEX, "5..", "500"));
    struct err err = ERR_INIT;
    struct matcher m;
    assert_false(matcher_init(&m, &arena, MATCH_REGEX, STR("a"), STR("("), &err));
    assert_int_equal(err.code, ERR_BAD_INPUT);
}

/* A label that is not there counts as empty. */
static void selectors(void **state)
{
    struct matcher m[3];
    struct buf out = BUF_INIT;
    (void)state;
    assert_true(matcher_init(&m[0], &arena, MATCH_EQUAL, STR(LABEL_NAME), STR("up"), NULL));
    assert_true(matcher_init(&m[1], &arena, MATCH_NOT_REGEX, STR("a.b"), STR("x\"|y\n"), NULL));
    assert_true(matcher_init(&m[2], &arena, MATCH_EQUAL, STR("zone"), STR(""), NULL));
    assert_true(matchers_match(m, 3, make(LABEL_NAME, "up", "job", "shop", NULL)));
    assert_false(matchers_match(m, 3, make(LABEL_NAME, "up", "zone", "a", NULL)));
    assert_false(matchers_match(m, 3, make(LABEL_NAME, "down", NULL)));
    assert_true(matchers_match(m, 0, make(NULL, NULL)));
    matchers_print(m, 3, &out);
    assert_string_equal(out.p, "up{\"a.b\"!~\"x\\\"|y\\n\",zone=\"\"}");
    buf_clear(&out);
    matchers_print(m, 1, &out);
    assert_string_equal(out.p, "up");
    buf_clear(&out);
    matchers_print(m, 0, &out);
    assert_string_equal(out.p, "{}");
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(building_sorts_and_the_later_value_wins, setup, teardown),
        cmocka_unit_test_setup_teardown(printing_escapes, setup, teardown),
        cmocka_unit_test_setup_teardown(order_is_label_by_label, setup, teardown),
        cmocka_unit_test_setup_teardown(hashes_tell_names_from_values, setup, teardown),
        cmocka_unit_test(names_as_they_always_were),
        cmocka_unit_test_setup_teardown(matchers_of_the_four_kinds, setup, teardown),
        cmocka_unit_test_setup_teardown(selectors, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
