#include "promql/parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void canonical_text(void **state)
{
    (void)state;
    static const struct {
        const char *text, *printed;
    } cases[] = {
        {"SUM(x)BY(a,b)", "sum by (a, b) (x)"},
        {"sum without()(x)", "sum without () (x)"},
        {"a+on(x)group_left(y)b", "a + on (x) group_left (y) b"},
        {"a==bool b", "a == bool b"},
        {"a+ignoring()group_left b", "a + ignoring () group_left () b"},
        {"rate(x{a=\"b\"}[300])", "rate(x{a=\"b\"}[5m])"},
        {"x offset -90s @ end()", "x @ end() offset -1m30s"},
        {"max_over_time(x[1h:5m]@10)", "max_over_time(x[1h:5m] @ 10.000)"},
        {"x[5m:]", "x[5m:]"},
        {"- - x ^ 2", "--x ^ 2"},
        {"{'a b'}", "{__name__=\"a b\"}"},
        {"sum by ('a.b') (x)", "sum by (\"a.b\") (x)"},
        {"'it\\'s \"x\"\\n'", "\"it's \\\"x\\\"\\n\""},
        {"1e100 + Inf", "1e+100 + +Inf"},
        {"topk(5, (x))", "topk(5, (x))"},
        {"{'bool', a='b'} + {'x'}", "{__name__=\"bool\",a=\"b\"} + x"},
        {"{a='b', __name__='x'}", "{a=\"b\",__name__=\"x\"}"},
        {"x[2*(1m+5)] offset -STEP()", "x[2m10s] offset -step()"},
        {"x[range()/2:step()]", "x[range() / 2:step()]"},
        {"a+on(x)fill(1)b", "a + on (x) fill (1) b"},
        {"a+fill_right(inf)fill_left(-2)b", "a + fill_left (-2) fill_right (+Inf) b"},
        {"rate(x[5m]anchored offset 1m)", "rate(x[5m] anchored offset 1m)"},
    };
    struct arena arena = ARENA_INIT;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf out = BUF_INIT;
        struct err err = ERR_INIT;
        const struct promql_expr *e = promql_parse(&arena, str_from(cases[i].text), &err);
        assert_non_null(e);
        promql_print(e, &out);
        assert_string_equal(out.p, cases[i].printed);
        buf_release(&out);
    }
    arena_release(&arena);
}

static void types(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum promql_type type;
    } cases[] = {
        {"1 + 2", PROMQL_SCALAR},     {"'a'", PROMQL_STRING},       {"(x)", PROMQL_VECTOR},
        {"x[5m]", PROMQL_MATRIX},     {"x[5m:1m]", PROMQL_MATRIX},  {"-x", PROMQL_VECTOR},
        {"1 + x", PROMQL_VECTOR},     {"scalar(x)", PROMQL_SCALAR}, {"time()", PROMQL_SCALAR},
        {"vector(1)", PROMQL_VECTOR}, {"sum(x)", PROMQL_VECTOR}};
    struct arena arena = ARENA_INIT;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct promql_expr *e = promql_parse(&arena, str_from(cases[i].text), NULL);
        assert_non_null(e);
        assert_int_equal(promql_expr_type(e), cases[i].type);
    }
    arena_release(&arena);
}

static void counter_selectors(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t matchers; /* 0: it is none */
    } cases[] = {{"x", 1},
                 {"x{a='b',c!='d'}", 3},
                 {"(((x)))", 1},
                 {"sum(x)", 1},
                 {"sum(rate(x{a='b'}[5m]))", 2},
                 {"sum((increase((x[1h]))))", 1},
                 {"{__name__=~'a|b'}", 1},
                 {"x[5m]", 0},
                 {"sum by (a) (x)", 0},
                 {"avg(x)", 0},
                 {"x * 2", 0},
                 {"irate(x[5m])", 0},
                 {"rate(x[5m:])", 0},
                 {"x offset 5m", 0},
                 {"x @ 5", 0},
                 {"1", 0}};
    struct arena arena = ARENA_INIT;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct matcher *m;
        size_t n = 0;
        const struct promql_expr *e = promql_parse(&arena, str_from(cases[i].text), NULL);
        assert_non_null(e);
        assert_int_equal(promql_as_counter_selector(e, &m, &n), cases[i].matchers > 0);
        assert_int_equal(n, cases[i].matchers);
    }
    arena_release(&arena);
}

/* n times a, then b, then n times c. */
static char *nested(const char *a, const char *b, const char *c, size_t n)
{
    struct buf out = BUF_INIT;
    for (size_t i = 0; i < n; i++)
        buf_add_cstr(&out, a);
    buf_add_cstr(&out, b);
    for (size_t i = 0; i < n; i++)
        buf_add_cstr(&out, c);
    return buf_detach(&out);
}

static void depth_is_bounded(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b, *c;
    } shapes[] = {
        {"(", "x", ")"},   {"-", "x", ""},    {"abs(", "x", ")"},   {"sum by (a) (", "x", ")"},
        {"", "x", " + x"}, {"x ^ ", "x", ""}, {"x or (", "x", ")"}, {"", "x", " unless on (a) x"}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        static const size_t counts[] = {50, 5000};
        for (size_t k = 0; k < 2; k++) {
            struct arena arena = ARENA_INIT;
            struct err err = ERR_INIT;
            char *text = nested(shapes[i].a, shapes[i].b, shapes[i].c, counts[k]);
            const struct promql_expr *e = promql_parse(&arena, str_from(text), &err);
            assert_int_equal(e != NULL, k == 0);
            assert_int_equal(err.code, k == 0 ? ERR_NONE : ERR_LIMIT);
            free(text);
            arena_release(&arena);
        }
    }
}

static void sizes_are_bounded(void **state)
{
    (void)state;
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    char *text = nested("x{a=~'b'} + ", "x", "", MAX_REGEXES + 1);
    assert_null(promql_parse(&arena, str_from(text), &err));
    assert_int_equal(err.code, ERR_LIMIT);
    free(text);
    text = nested("1 ", "", "", MAX_TEXT_BYTES);
    assert_null(promql_parse(&arena, str_from(text), &err));
    assert_int_equal(err.code, ERR_LIMIT);
    free(text);
    assert_null(promql_parse(&arena, STR("x[99999999999d]"), &err));
    assert_null(promql_parse(&arena, STR("x @ 1e300"), &err));
    assert_null(promql_parse(&arena, STR("x offset NaN"), &err));
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(canonical_text),    cmocka_unit_test(types),
        cmocka_unit_test(counter_selectors), cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(sizes_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
