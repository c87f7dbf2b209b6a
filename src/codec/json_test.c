#include "codec/json.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void expect_canonical(const char *text, const char *expected)
{
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    struct buf out = BUF_INIT;
    json_t *value = json_parse(&arena, str_from(text), &err);
    if (!value)
        fail_msg("%s: %s", text, err.message);
    json_canonical(value, &out);
    assert_string_equal(out.p, expected);
    buf_release(&out);
    arena_release(&arena);
}

/* RFC 8785, appendix B, without the two that are no numbers. */
static void numbers_are_those_of_rfc_8785(void **state)
{
    static const struct {
        uint64_t bits;
        const char *text;
    } samples[] = {
        {UINT64_C(0x0000000000000000), "0"},
        {UINT64_C(0x8000000000000000), "0"},
        {UINT64_C(0x0000000000000001), "5e-324"},
        {UINT64_C(0x8000000000000001), "-5e-324"},
        {UINT64_C(0x7fefffffffffffff), "1.7976931348623157e+308"},
        {UINT64_C(0xffefffffffffffff), "-1.7976931348623157e+308"},
        {UINT64_C(0x4340000000000000), "9007199254740992"},
        {UINT64_C(0xc340000000000000), "-9007199254740992"},
        {UINT64_C(0x4430000000000000), "295147905179352830000"},
        {UINT64_C(0x44b52d02c7e14af5), "9.999999999999997e+22"},
        {UINT64_C(0x44b52d02c7e14af6), "1e+23"},
        {UINT64_C(0x44b52d02c7e14af7), "1.0000000000000001e+23"},
        {UINT64_C(0x444b1ae4d6e2ef4e), "999999999999999700000"},
        {UINT64_C(0x444b1ae4d6e2ef4f), "999999999999999900000"},
        {UINT64_C(0x444b1ae4d6e2ef50), "1e+21"},
        {UINT64_C(0x3eb0c6f7a0b5ed8c), "9.999999999999997e-7"},
        {UINT64_C(0x3eb0c6f7a0b5ed8d), "0.000001"},
        {UINT64_C(0x41b3de4355555553), "333333333.3333332"},
        {UINT64_C(0x41b3de4355555554), "333333333.33333325"},
        {UINT64_C(0x41b3de4355555555), "333333333.3333333"},
        {UINT64_C(0x41b3de4355555556), "333333333.3333334"},
        {UINT64_C(0x41b3de4355555557), "333333333.33333343"},
        {UINT64_C(0xbecbf647612f3696), "-0.0000033333333333333333"},
        {UINT64_C(0x43143ff3c1cb0959), "1424953923781206.2"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        struct arena arena = ARENA_INIT;
        struct buf out = BUF_INIT;
        double v;
        memcpy(&v, &samples[i].bits, sizeof v);
        json_canonical(json_own(&arena, json_real(v)), &out);
        assert_string_equal(out.p, samples[i].text);
        expect_canonical(samples[i].text, samples[i].text);
        buf_release(&out);
        arena_release(&arena);
    }
}

/* RFC 8785, section 3.2.2, but for its keys of astral characters: ours are in order of UTF-8. */
static void canonical_form_of_a_structure(void **state)
{
    (void)state;
    expect_canonical("{ \"numbers\": [333333333.33333329, 1E30, 4.50, 2e-3, "
                     "0.000000000000000000000000001],\n"
                     "  \"string\": \"\\u20ac$\\u000F\\u000aA'\\u0042\\u0022\\u005c\\\\\\\"\\/\",\n"
                     "  \"literals\": [null, true, false] }",
                     "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,"
                     "0.002,1e-27],\"string\":\"\xe2\x82\xac$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}");
    expect_canonical("{\"b\":1,\"a\":{\"\":[]},\"\\r\":{}}",
                     "{\"\\r\":{},\"a\":{\"\":[]},\"b\":1}");
    expect_canonical("[9223372036854775807,-9223372036854775808]",
                     "[9223372036854775807,-9223372036854775808]");
    expect_canonical("[9223372036854775808, \"9223372036854775808\", -1e19, 1e0]",
                     "[9223372036854776000,\"9223372036854775808\",-10000000000000000000,1]");
}

static void expect_refused(struct str text, const char *message)
{
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    assert_null(json_parse(&arena, text, &err));
    if (!strstr(err.message, message))
        fail_msg("expected '%s', got '%s'", message, err.message);
    arena_release(&arena);
}

static void mistakes_have_a_place(void **state)
{
    char deep[200];
    (void)state;
    expect_refused(STR("{\n  \"a\": 1,\n  \"a\": 2 }"),
                   "JSON line 3, column 5: duplicate object key near");
    expect_refused(STR("{\"a\": 1} x"), "JSON line 1");
    expect_refused(STR(""), "JSON line 1");
    expect_refused(STR("[1, nul]"), "JSON line 1, column 7");
    expect_refused(STR("[1e400]"), "real number overflow");
    expect_refused(STR("\"\xff\""), "JSON line 1");
    expect_refused(STR("{\"a\\u0000b\": 1}"), "JSON line 1");
    memset(deep, '[', sizeof deep);
    expect_refused(str_make(deep, sizeof deep), "nested deeper than 64");
    expect_canonical(
        "\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"",
        "\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"");
}

static void look_ups_have_a_type(void **state)
{
    struct arena arena = ARENA_INIT;
    (void)state;
    json_t *o =
        json_parse(&arena, STR("{\"s\":\"x\",\"i\":7,\"d\":2.5,\"b\":true,\"n\":null}"), NULL);
    assert_non_null(o);
    assert_string_equal(json_get_cstr(o, "s", "?"), "x");
    assert_string_equal(json_get_cstr(o, "i", "?"), "?");
    assert_int_equal(json_get_i64(o, "i", -1), 7);
    assert_int_equal(json_get_i64(o, "d", -1), -1);
    assert_true(json_get_double(o, "i", 0) == 7.0 && json_get_double(o, "d", 0) == 2.5);
    assert_true(json_get_double(o, "s", -2) == -2.0);
    assert_true(json_get_bool(o, "b", false) && !json_get_bool(o, "n", false));
    arena_release(&arena);
}

static void doubles_that_are_no_numbers(void **state)
{
    static const double values[] = {0.1, -0.0, 1e300, (double)INFINITY, -(double)INFINITY};
    struct arena arena = ARENA_INIT;
    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        json_t *json = json_own(&arena, json_from_double(values[i]));
        double back = json_to_double(json, -1);
        assert_memory_equal(&back, &values[i], sizeof back);
    }
    assert_true(isnan(json_to_double(json_own(&arena, json_from_double((double)NAN)), 0)));
    assert_true(json_to_double(json_own(&arena, json_string("1.5")), -1) == -1.0);
    arena_release(&arena);
}

static void the_writer_puts_the_commas(void **state)
{
    struct buf out = BUF_INIT;
    struct json_writer w;
    (void)state;
    json_writer_init(&w, &out);
    json_open_object(&w);
    json_key(&w, "a");
    json_open_array(&w);
    json_put_i64(&w, INT64_MIN);
    json_put_double(&w, 0.5);
    json_put_double(&w, (double)NAN);
    json_put_cstr(&w, NULL);
    json_put_bool(&w, false);
    json_open_object(&w);
    json_close_object(&w);
    json_close_array(&w);
    json_key_str(&w, STR("b\"\n"));
    json_put_str(&w, STR("x\xff\x01y"));
    json_key(&w, "c");
    json_put_raw(&w, STR("{}"));
    json_close_object(&w);
    json_writer_end(&w);
    assert_string_equal(out.p, "{\"a\":[-9223372036854775808,0.5,\"NaN\",null,false,{}],"
                               "\"b\\\"\\n\":\"x\xef\xbf\xbd\\u0001y\",\"c\":{}}");
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_those_of_rfc_8785),
        cmocka_unit_test(canonical_form_of_a_structure),
        cmocka_unit_test(mistakes_have_a_place),
        cmocka_unit_test(look_ups_have_a_type),
        cmocka_unit_test(doubles_that_are_no_numbers),
        cmocka_unit_test(the_writer_puts_the_commas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
