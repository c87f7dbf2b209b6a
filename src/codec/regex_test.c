#include "codec/regex.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static struct regex *compile(const char *pattern)
{
    struct err err = ERR_INIT;
    struct regex *r = regex_new(str_from(pattern), &err);
    if (!r)
        fail_msg("%s: %s", pattern, err.message);
    return r;
}

static bool matches(const char *pattern, struct str text)
{
    struct regex *r = compile(pattern);
    bool yes = regex_matches(r, text);
    regex_free(r);
    return yes;
}

/* Prometheus anchors at both ends and lets the dot match a new line. */
static void matching_is_anchored(void **state)
{
    (void)state;
    assert_true(matches("5..", STR("503")));
    assert_false(matches("5..", STR("1503")));
    assert_false(matches("5..", STR("5030")));
    assert_true(matches("a|b", STR("b")));
    assert_false(matches("a|b", STR("ab")));
    assert_true(matches("a.c", STR("a\nc")));
    assert_true(matches("", STR("")));
    assert_false(matches("", STR("x")));
    assert_true(matches(".*", str_make(NULL, 0)));
    assert_true(matches("(?i)get", STR("GET")));
    assert_true(matches("\xc3\xa9+", STR("\xc3\xa9\xc3\xa9")));
    assert_true(matches("a.b", str_make("a\0b", 3)));
}

static void expect_expanded(const char *pattern, const char *text, const char *template_text,
                            const char *expected)
{
    struct buf out = BUF_INIT;
    struct regex *r = compile(pattern);
    buf_add_cstr(&out, "");
    assert_true(regex_expand(r, str_from(text), str_from(template_text), &out));
    assert_string_equal(out.p, expected);
    buf_release(&out);
    regex_free(r);
}

/* Go's Regexp.Expand: the longest name, unknown ones are nothing, $$ is a dollar. */
static void templates_are_go_s(void **state)
{
    (void)state;
    expect_expanded("(.*):(\\d+)", "host:80", "$1-${2}", "host-80");
    expect_expanded("(?P<host>.*):.*", "host:80", "$host/${host}x/$hostx/", "host/hostx//");
    expect_expanded("(a)(b)?", "a", "[$1|$2|$3|$0]", "[a|||a]");
    expect_expanded("(.*)", "x", "$$1 $ ${1 $-", "$1 $ ${1 $-");
    expect_expanded("(.*)", "x", "$10", "");
    expect_expanded("(.*)", "x", "", "");
}

static void no_match_expands_nothing(void **state)
{
    struct buf out = BUF_INIT;
    struct regex *r = compile("a(b)");
    struct str groups[REGEX_MAX_GROUPS];
    size_t n;
    (void)state;
    assert_false(regex_expand(r, STR("ac"), STR("$1"), &out));
    assert_int_equal(out.n, 0);
    assert_true(regex_groups(r, STR("ab"), groups, &n));
    assert_int_equal(n, 2);
    assert_true(str_is(groups[1], "b"));
    regex_free(r);
}

static void expect_refused(const char *pattern, enum err_code code, const char *message)
{
    struct err err = ERR_INIT;
    assert_null(regex_new(str_from(pattern), &err));
    assert_int_equal(err.code, code);
    if (!strstr(err.message, message))
        fail_msg("expected '%s', got '%s'", message, err.message);
}

static void bad_patterns_are_told(void **state)
{
    char many[200] = "";
    (void)state;
    expect_refused("(", ERR_BAD_INPUT, "missing )");
    expect_refused("a{1001}", ERR_BAD_INPUT, "{1001}");
    expect_refused("(?=x)", ERR_BAD_INPUT, "(?=");
    for (int i = 0; i < 32; i++)
        strcat(many, "(a)");
    expect_refused(many, ERR_LIMIT, "over 31 groups");
}

/* Linear time: a pattern that takes a backtracking matcher for ever. */
static void hostile_text_takes_no_time(void **state)
{
    size_t n = 100000;
    char *text = malloc(n);
    (void)state;
    assert_non_null(text);
    memset(text, 'a', n);
    int64_t before_ns = clock_mono_ns();
    assert_false(matches("(a*)*b", str_make(text, n)));
    assert_false(matches("(a|aa)+$x", str_make(text, n)));
    assert_true(clock_mono_ns() - before_ns < INT64_C(5000000000));
    free(text);
}

static void expect_replaced(const char *pattern, const char *text, const char *template_text,
                            const char *want)
{
    struct err err = ERR_INIT;
    struct buf out = BUF_INIT;
    struct regex *r = regex_new(str_from(pattern), &err);
    assert_non_null(r);
    regex_replace_all(r, str_from(text), str_from(template_text), &out);
    assert_string_equal(out.p ? out.p : "", want);
    regex_free(r);
    buf_release(&out);
}

/* By the rules of Go's regexp.ReplaceAllString. */
static void every_match_is_replaced(void **state)
{
    (void)state;
    expect_replaced("b+", "abbcb", "<$0>", "a<bb>c<b>");
    expect_replaced("(.*):(.*)", "db-1:9100", "$2/$1", "9100/db-1");
    expect_replaced("^a", "aaa", "b", "baa");
    expect_replaced("a*", "baac", "-", "-b-c-");
    expect_replaced("", "\xc3\xa9x", "-", "-\xc3\xa9-x-");
    expect_replaced("z", "abc", "-", "abc");
    expect_replaced("a", "", "-", "");
}

static void finding_is_not_anchored(void **state)
{
    struct err err = ERR_INIT;
    struct regex *r = regex_new(STR("b.$"), &err);
    (void)state;
    assert_non_null(r);
    assert_true(regex_finds(r, STR("abc")));
    assert_false(regex_finds(r, STR("abcd")));
    regex_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matching_is_anchored),       cmocka_unit_test(templates_are_go_s),
        cmocka_unit_test(no_match_expands_nothing),   cmocka_unit_test(bad_patterns_are_told),
        cmocka_unit_test(hostile_text_takes_no_time), cmocka_unit_test(every_match_is_replaced),
        cmocka_unit_test(finding_is_not_anchored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
