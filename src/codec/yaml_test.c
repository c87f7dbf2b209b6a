#include "codec/yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct text {
    struct arena arena;
    struct diag_list diags;
    struct yaml_node **documents;
    size_t n;
};

static bool parse(struct text *t, struct str text)
{
    arena_init(&t->arena);
    diag_init(&t->diags, &t->arena);
    return yaml_parse(&t->arena, "a.yaml", text, &t->documents, &t->n, &t->diags);
}

static struct yaml_node *parse_one(struct text *t, const char *text)
{
    if (!parse(t, str_from(text)))
        fail_msg("%d:%d: %s", t->diags.items[0].line, t->diags.items[0].column,
                 t->diags.items[0].message);
    assert_int_equal(t->n, 1);
    return t->documents[0];
}

static void expect_json(const char *text, const char *expected)
{
    struct text t;
    struct buf out = BUF_INIT;
    struct yaml_node *node = parse_one(&t, text);
    json_canonical(yaml_to_json(&t.arena, node), &out);
    assert_string_equal(out.p, expected);
    buf_release(&out);
    arena_release(&t.arena);
}

/* YAML 1.2, core schema: no, yes and 1:30 are text. */
static void values_of_the_core_schema(void **state)
{
    (void)state;
    expect_json("{ a: 1, b: 1.5, c: true, d: no, e: ~, f: '1', g: 1:30, h: 0x10, i: 1e3 }",
                "{\"a\":1,\"b\":1.5,\"c\":true,\"d\":\"no\",\"e\":null,\"f\":\"1\",\"g\":\"1:30\","
                "\"h\":16,\"i\":1000}");
    expect_json("- |\n  two\n  lines\n- >-\n  one\n  line\n- \"\\u00e9\\n\"\n- []\n- {}\n",
                "[\"two\\nlines\\n\",\"one line\",\"\xc3\xa9\\n\",[],{}]");
    expect_json("a: .inf\nb: 123456789012345678901234567890\n",
                "{\"a\":\".inf\",\"b\":1.2345678901234568e+29}");
}

static void nodes_know_their_place(void **state)
{
    struct text t;
    (void)state;
    struct yaml_node *root = parse_one(&t, "# comment\na:\n  - x\n  - { b: y }\n");
    assert_int_equal(root->kind, YAML_MAP);
    assert_int_equal(root->pairs[0].line, 2);
    struct yaml_node *list = root->pairs[0].value;
    assert_int_equal(list->items[0]->line, 3);
    assert_int_equal(list->items[0]->column, 5);
    assert_int_equal(list->items[1]->pairs[0].column, 7);
    assert_string_equal(list->items[1]->pairs[0].value->scalar.p, "y");
    assert_string_equal(root->path, "a.yaml");
    arena_release(&t.arena);
}

static void documents_come_in_order(void **state)
{
    struct text t;
    (void)state;
    assert_true(parse(&t, STR("a: 1\n---\n- 2\n---\n")));
    assert_int_equal(t.n, 3);
    assert_int_equal(t.documents[1]->kind, YAML_LIST);
    assert_int_equal(t.documents[2]->kind, YAML_NULL);
    arena_release(&t.arena);
    assert_true(parse(&t, STR("")));
    assert_int_equal(t.n, 0);
    arena_release(&t.arena);
}

static void expect_refused(struct str text, int line, int column, const char *message)
{
    struct text t;
    assert_false(parse(&t, text));
    assert_true(t.diags.errors > 0);
    const struct diag *d = &t.diags.items[0];
    if (d->line != line || d->column != column || !strstr(d->message, message))
        fail_msg("expected %d:%d: %s, got %d:%d: %s", line, column, message, d->line, d->column,
                 d->message);
    arena_release(&t.arena);
}

static void what_is_refused_has_a_place(void **state)
{
    char deep[201];
    (void)state;
    expect_refused(STR("a: &x 1\nb: *x\n"), 1, 7, "anchors, aliases and tags are refused");
    expect_refused(STR("a: 1\nb: *x\n"), 2, 4, "anchors, aliases and tags are refused");
    expect_refused(STR("a: !!str 1\n"), 1, 10, "anchors, aliases and tags are refused");
    expect_refused(STR("a: 1\nb: 2\na: 3\n"), 3, 1, "key 'a' is there twice");
    expect_refused(STR("b:\n  <<: { a: 1 }\n"), 2, 3, "merge keys are refused");
    expect_refused(STR("[a]: 1\n"), 1, 1, "a key must be plain text");
    expect_refused(STR("\"a\\0b\": 1\n"), 1, 1, "without NUL");
    expect_refused(STR("a: \xff\n"), 1, 1, "not UTF-8");
    expect_refused(STR("a: [1, 2\n"), 2, 1, "flow sequence");
    memset(deep, '[', 200);
    deep[200] = '\0';
    expect_refused(str_from(deep), 1, 65, "nested deeper than 64");
}

static void expect_taken(const char *text, bool (*take)(struct text *, struct yaml_node *),
                         const char *problem)
{
    struct text t;
    struct yaml_node *root = parse_one(&t, text);
    bool done = take(&t, root);
    if (!problem) {
        assert_true(done && t.diags.n == 0);
    } else {
        assert_false(done);
        assert_int_equal(t.diags.n, 1);
        assert_string_equal(t.diags.items[0].message, problem);
    }
    arena_release(&t.arena);
}

static bool take_string(struct text *t, struct yaml_node *map)
{
    const char *s = "";
    return yaml_take_string(map, "k", &t->arena, &s, &t->diags) && strcmp(s, "1") == 0;
}

static bool take_bool(struct text *t, struct yaml_node *map)
{
    bool b = false;
    return yaml_take_bool(map, "k", &b, &t->diags) && b;
}

static bool take_i64(struct text *t, struct yaml_node *map)
{
    int64_t v = 0;
    return yaml_take_i64(map, "k", 1, 10, &v, &t->diags) && v == 7;
}

static bool take_double(struct text *t, struct yaml_node *map)
{
    double v = 0;
    return yaml_take_double(map, "k", &v, &t->diags) && v == 0.5;
}

static bool take_ratio(struct text *t, struct yaml_node *map)
{
    double v = 0;
    return yaml_take_ratio(map, "k", &v, &t->diags) && v == 0.005;
}

static bool take_duration(struct text *t, struct yaml_node *map)
{
    int64_t v = 0;
    return yaml_take_duration(map, "k", &v, &t->diags) && v == 90000;
}

static bool take_size(struct text *t, struct yaml_node *map)
{
    uint64_t v = 0;
    return yaml_take_size(map, "k", &v, &t->diags) && v == 512 << 20;
}

static bool take_choice(struct text *t, struct yaml_node *map)
{
    static const char *const names[] = {"hold", "pause", "rollback"};
    int v = 0;
    return yaml_take_choice(map, "k", names, 3, &v, &t->diags) && v == 2;
}

static bool take_list(struct text *t, struct yaml_node *map)
{
    return yaml_take_list(map, "k", &t->diags) != NULL;
}

static bool take_map(struct text *t, struct yaml_node *map)
{
    return yaml_take_map(map, "k", &t->diags) != NULL;
}

static void values_have_a_type(void **state)
{
    (void)state;
    expect_taken("k: '1'", take_string, NULL);
    expect_taken("k: 1", take_string, NULL);
    expect_taken("k: [1]", take_string, "k must be text, not a list");
    expect_taken("k: \"a\\0\"", take_string, "k must be text without NUL bytes, not 'a'");
    expect_taken("k: true", take_bool, NULL);
    expect_taken("k: yes", take_bool, "k must be true or false, not 'yes'");
    expect_taken("k: 'true'", take_bool, "k must be true or false, not 'true'");
    expect_taken("k: 7", take_i64, NULL);
    expect_taken("k: 11", take_i64, "k is 11; it must be from 1 to 10");
    expect_taken("k: 7.0", take_i64, "k must be a whole number, not '7.0'");
    expect_taken("k: 5e-1", take_double, NULL);
    expect_taken("k: nan", take_double, "k must be a number, not 'nan'");
    expect_taken("k: 0.5%", take_ratio, NULL);
    expect_taken("k: half", take_ratio, "k must be a ratio like 0.1%, not 'half'");
    expect_taken("k: 1m30s", take_duration, NULL);
    expect_taken("k: 90", take_duration, "k must be a duration like 90s, not '90'");
    expect_taken("k: 512Mi", take_size, NULL);
    expect_taken("k: -1", take_size, "k must be a size like 512Mi, not '-1'");
    expect_taken("k: rollback", take_choice, NULL);
    expect_taken("k: roll", take_choice, "k must be hold, pause or rollback, not 'roll'");
    expect_taken("k: []", take_list, NULL);
    expect_taken("k: 1", take_list, "k must be a list");
    expect_taken("k: {}", take_map, NULL);
    expect_taken("k: []", take_map, "k must be a mapping");
}

static void unknown_keys_are_named(void **state)
{
    static const char *const known[] = {"weight", "hold"};
    struct text t;
    bool b;
    (void)state;
    struct yaml_node *root = parse_one(&t, "weight: 1\nhodl: 2m\nzzz: 1\n");
    assert_non_null(yaml_take(root, "weight"));
    assert_null(yaml_take(root, "hold"));
    assert_null(yaml_take(NULL, "hold"));
    assert_false(yaml_take_bool(root, "hold", &b, &t.diags));
    yaml_reject_unknown(root, known, 2, "step", &t.diags);
    assert_int_equal(t.diags.errors, 2);
    assert_string_equal(t.diags.items[0].message, "step: unknown key 'hodl'; did you mean 'hold'?");
    assert_int_equal(t.diags.items[0].line, 2);
    assert_string_equal(t.diags.items[1].message, "step: unknown key 'zzz'");
    arena_release(&t.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_of_the_core_schema), cmocka_unit_test(nodes_know_their_place),
        cmocka_unit_test(documents_come_in_order),   cmocka_unit_test(what_is_refused_has_a_place),
        cmocka_unit_test(values_have_a_type),        cmocka_unit_test(unknown_keys_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
