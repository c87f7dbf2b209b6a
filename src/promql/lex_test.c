#include "promql/lex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct lexer lexer_of(struct arena *arena, const char *text)
{
    return (struct lexer){.all = str_from(text), .arena = arena};
}

static void words_symbols_and_comments(void **state)
{
    (void)state;
    static const char *const expected[] = {"a:b", "{",  "x", "=~", "v", "}", "[",  "5m",
                                           ":",   "1m", "]", "@",  "-", "1", ">=", "<"};
    struct arena arena = ARENA_INIT;
    struct lexer l = lexer_of(&arena, "a:b{x=~'v'}[5m:1m] # the rest of a line\n @ -1 >= <");
    struct token t;
    struct err err = ERR_INIT;
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        assert_true(lex_next(&l, &t, &err));
        assert_true(str_is(t.text, expected[i]));
    }
    assert_true(lex_next(&l, &t, &err));
    assert_int_equal(t.kind, TOKEN_END);
    arena_release(&arena);
}

static void numbers_are_go_numbers_or_durations(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum token_kind kind;
        double value;
    } cases[] = {{"1", TOKEN_NUMBER, 1},         {".5", TOKEN_NUMBER, 0.5},
                 {"2.", TOKEN_NUMBER, 2},        {"1e-3", TOKEN_NUMBER, 1e-3},
                 {"0x1F", TOKEN_NUMBER, 31},     {"017", TOKEN_NUMBER, 15},
                 {"08", TOKEN_NUMBER, 8},        {"1_000", TOKEN_NUMBER, 1000},
                 {"90s", TOKEN_DURATION, 90000}, {"1h30m", TOKEN_DURATION, 5400000},
                 {"250ms", TOKEN_DURATION, 250}, {"1y", TOKEN_DURATION, 31536000000.0}};
    struct arena arena = ARENA_INIT;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lexer l = lexer_of(&arena, cases[i].text);
        struct token t;
        struct err err = ERR_INIT;
        assert_true(lex_next(&l, &t, &err));
        assert_int_equal(t.kind, cases[i].kind);
        double v = t.kind == TOKEN_NUMBER ? t.number : (double)t.duration_ms;
        assert_true(v == cases[i].value);
    }
    arena_release(&arena);
}

static void strings_know_go_escapes(void **state)
{
    (void)state;
    static const struct {
        const char *text, *value;
    } cases[] = {{"\"a\\n\\t\\\"b\"", "a\n\t\"b"},
                 {"'it\\'s'", "it's"},
                 {"`raw\\n\n`", "raw\\n\n"},
                 {"\"\\x41\\102\"", "AB"},
                 {"\"\\u00e9\\U0001F600\"", "\xc3\xa9\xf0\x9f\x98\x80"}};
    struct arena arena = ARENA_INIT;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lexer l = lexer_of(&arena, cases[i].text);
        struct token t;
        struct err err = ERR_INIT;
        assert_true(lex_next(&l, &t, &err));
        assert_int_equal(t.kind, TOKEN_STRING);
        assert_true(str_is(t.text, cases[i].value));
    }
    arena_release(&arena);
}

static void what_is_wrong_has_a_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"\n  \"abc", "2:3: parse error: unterminated string"},
        {"'\\q'", "1:1: parse error: unknown escape sequence in a string"},
        {"'\\xg0'", "1:1: parse error: unknown escape sequence in a string"},
        {"'a\nb'", "1:1: parse error: unterminated string"},
        {" ?", "1:2: parse error: unexpected character '?'"},
        {"\xff", "1:1: parse error: unexpected byte 0xff; names with it need quotes: {\"name\"}"},
        {"|", "1:1: parse error: unexpected character '|'; did you mean \"or\"?"},
        {"5parsecs", "1:1: parse error: bad number or duration \"5parsecs\" (durations are like "
                     "1h30m, units ms s m h d w y)"}};
    struct arena arena = ARENA_INIT;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lexer l = lexer_of(&arena, cases[i].text);
        struct token t;
        struct err err = ERR_INIT;
        assert_false(lex_next(&l, &t, &err));
        assert_int_equal(err.code, ERR_BAD_INPUT);
        assert_string_equal(err.message, cases[i].message);
    }
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_symbols_and_comments),
        cmocka_unit_test(numbers_are_go_numbers_or_durations),
        cmocka_unit_test(strings_know_go_escapes),
        cmocka_unit_test(what_is_wrong_has_a_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
