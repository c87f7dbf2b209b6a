#include "ingest/discovery.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void assert_groups(const char *path, const char *text, const char *expected)
{
    struct arena arena = ARENA_INIT;
    struct target_group *groups;
    struct err err = ERR_INIT;
    struct buf out = BUF_INIT;
    size_t n;
    buf_add_cstr(&out, "");
    if (!target_groups_parse(&arena, path, str_from(text), &groups, &n, &err))
        fail_msg("%s", err.message);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < groups[i].n_targets; k++)
            buf_printf(&out, STR_FMT " ", STR_ARG(groups[i].targets[k]));
        labels_print(groups[i].labels, &out);
        buf_add_char(&out, ';');
    }
    assert_string_equal(buf_str(&out).p, expected);
    buf_release(&out);
    arena_release(&arena);
}

static void json_and_yaml_say_the_same(void **state)
{
    (void)state;
    static const char *const expected = "a:1 b:2 {env=\"x\", n=\"1\"};c:3 {};";
    assert_groups("t.json",
                  "[{\"targets\":[\"a:1\",\"b:2\"],\"labels\":{\"n\":\"1\",\"env\":\"x\"}},"
                  "{\"targets\":[\"c:3\"]}]",
                  expected);
    assert_groups("t.yml",
                  "- targets: ['a:1', b:2]\n  labels: {n: 1, env: x}\n- targets:\n    - c:3\n",
                  expected);
    assert_groups("t.json", "[]", "");
    assert_groups("t.yaml", "", "");
    assert_groups("t.yaml", "[]", "");
}

static void assert_groups_fail(const char *path, const char *text, const char *message)
{
    struct arena arena = ARENA_INIT;
    struct target_group *groups;
    struct err err = ERR_INIT;
    size_t n;
    assert_false(target_groups_parse(&arena, path, str_from(text), &groups, &n, &err));
    assert_string_equal(err.message, message);
    arena_release(&arena);
}

static void wrong_files_of_targets_are_explained(void **state)
{
    (void)state;
    assert_groups_fail("a.json", "{}", "a.json: targets are a list of groups");
    assert_groups_fail("a.json", "[1]", "a.json: group 1: it is an object with a list `targets`");
    assert_groups_fail("a.json", "[{\"targets\":[1]}]",
                       "a.json: group 1: a target is text, \"host:port\"");
    assert_groups_fail("a.json", "[{\"targets\":[],\"labels\":{\"a\":1}}]",
                       "a.json: group 1: a label's value is text");
    assert_groups_fail("a.yml", "- targets: [[]]\n", "a.yml:1:13: a target is text, host:port");
    assert_groups_fail("a.txt", "", "a.txt: a file of targets ends in .json, .yml or .yaml");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_and_yaml_say_the_same),
        cmocka_unit_test(wrong_files_of_targets_are_explained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
