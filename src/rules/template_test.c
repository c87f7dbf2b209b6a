/* What tests/rules cannot say through promtool: mistakes, limits, and the functions that Prometheus
 * 2.42's promtool fails on. */
#include "rules/template.h"

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

static const char *expand_text(const char *text, struct err *err)
{
    struct label a[] = {{STR("a"), STR("1")}};
    struct template_data data = {
        .labels = {1, a}, .external_url = "http://x.org/pre/fix", .v = 2.5, .t_ms = 7500};
    const struct template *t = template_parse(&arena, str_from(text), err);
    return t ? template_expand(t, &data, &arena, err) : NULL;
}

static void expect(const char *text, const char *want)
{
    struct err err = ERR_INIT;
    const char *got = expand_text(text, &err);
    if (!got)
        fail_msg("%s: %s", text, err.message);
    assert_string_equal(got, want);
}

static void expect_error(const char *text, enum err_code code, const char *part)
{
    struct err err = ERR_INIT;
    const char *got = expand_text(text, &err);
    if (got)
        fail_msg("%s: gives %s", text, got);
    if (!strstr(err.message, part))
        fail_msg("%s: \"%s\" does not say \"%s\"", text, err.message, part);
    assert_int_equal(err.code, code);
}

static void test_url(void **state)
{
    (void)state;
    expect("{{ externalURL }}{{ pathPrefix }} {{ $externalURL }}",
           "http://x.org/pre/fix/pre/fix http://x.org/pre/fix");
    expect("{{ stripPort \"[::1]:80\" }} {{ stripPort \"::1\" }}", "::1 ::1");
}

static void test_templates_in_templates(void **state)
{
    (void)state;
    expect("{{ define \"x\" }}<{{ . }}>{{ end }}{{ template \"x\" 1 }}{{ template \"x\" }}",
           "<1><<no value>>");
    expect("{{ template \"x\" . }}{{ define \"x\" }}{{ $.Labels.a }} {{ .Value }}{{ end }}",
           "1 2.5");
    expect(
        "{{ $n := 1 }}{{ define \"x\" }}{{ $n := 2 }}{{ $n }}{{ end }}{{ template \"x\" }}{{ $n }}",
        "21");
    expect("{{ block \"x\" $labels.a }}[{{ . }}]{{ end }}{{ template \"x\" 2 }}", "[1][2]");
    expect("{{ define \"x\" }}{{ .arg0 }}{{ .arg1 }}{{ .arg2 }}{{ end }}"
           "{{ template \"x\" args 1 \"b\" }} {{ args 1 2 }} {{ len (args 1 2) }}",
           "1b<no value> map[arg0:1 arg1:2] 2");
    expect("{{ define \"x\" }}({{ . }}){{ end }}{{ tmpl \"x\" 3 | toUpper }}", "(3)");
    expect_error("{{ template \"y\" }}", ERR_BAD_INPUT, "\"y\" is not defined");
    expect_error("{{ define \"x\" }}{{ template \"x\" }}{{ end }}{{ template \"x\" }}", ERR_LIMIT,
                 "over 100 deep");
}

static void test_break_and_continue(void **state)
{
    (void)state;
    expect("{{ range $k, $v := $labels }}{{ $k }}{{ break }}{{ $v }}{{ "
           "end }}!",
           "a!");
    expect("{{ range $labels }}{{ if true }}x{{ continue }}{{ end }}y{{ else }}z{{ end }}!", "x!");
    expect("{{ range $labels }}{{ block \"x\" $labels }}{{ range . }}{{ break }}{{ end }}1{{ end "
           "}}2{{ end }}",
           "12");
}

static void test_times(void **state)
{
    (void)state;
    expect("{{ toTime 1435065584.128 }} {{ now }}", "2015-06-23 13:19:44.128 +0000 UTC 7.5");
    expect("{{ toDuration 5400 }} {{ toDuration 1.5 }} {{ toDuration 0.25 }} {{ toDuration 0 }}",
           "1h30m0s 1.5s 250ms 0s");
    expect("{{ toDuration -90 }} {{ toDuration 0.0000125 }} {{ toDuration 0.000000003 }}",
           "-1m30s 12.5µs 3ns");
}

static void test_parse_mistakes(void **state)
{
    (void)state;
    expect_error("{{ $label.a }}", ERR_BAD_INPUT, "undefined variable $label");
    expect_error("{{ humanise 1 }}", ERR_BAD_INPUT, "\"humanise\" is not known");
    expect_error("{{ humanize }}", ERR_BAD_INPUT, "wrong number of arguments for humanize: 0");
    expect_error("{{ $value", ERR_BAD_INPUT, "unclosed action");
    expect_error("{{ if true }}x", ERR_BAD_INPUT, "missing {{ end }}");
    expect_error("x{{ end }}", ERR_BAD_INPUT, "unexpected end");
    expect_error("{{ \"a }}", ERR_BAD_INPUT, "unclosed action");
    expect_error("{{ . | 1 }}", ERR_BAD_INPUT, "only a function");
    expect_error("{{ }}", ERR_BAD_INPUT, "missing value");
    expect_error("{{ define x }}{{ end }}", ERR_BAD_INPUT, "name must be a string");
    expect_error("{{ define \"x\" 1 }}{{ end }}", ERR_BAD_INPUT, "behind the template's name");
    expect_error("{{ if true }}{{ define \"x\" }}{{ end }}{{ end }}", ERR_BAD_INPUT, "outside");
    expect_error("{{ define \"x\" }}", ERR_BAD_INPUT, "missing {{ end }}");
    expect_error("{{ define \"x\" }}{{ end }}{{ define \"x\" }}{{ end }}", ERR_BAD_INPUT,
                 "defined twice");
    expect_error("{{ define \"x\" }}{{ $labels }}{{ end }}", ERR_BAD_INPUT,
                 "undefined variable $labels");
    expect_error("{{ block \"x\" }}{{ end }}", ERR_BAD_INPUT, "missing value");
    expect_error("{{ break }}", ERR_BAD_INPUT, "outside of any range");
    expect_error("{{ range $labels }}{{ else }}{{ continue }}{{ end }}", ERR_BAD_INPUT, "outside");
    expect_error("{{ js 1 }}", ERR_BAD_INPUT, "\"js\" is not known");
}

static void test_run_mistakes(void **state)
{
    (void)state;
    expect_error("{{ index $labels 3 }}", ERR_BAD_INPUT, "cannot index");
    expect_error("{{ gt $value 1 }}", ERR_BAD_INPUT, "incompatible types");
    expect_error("{{ humanize \"x\" }}", ERR_BAD_INPUT, "is no number");
    expect_error("{{ query \"up\" }}", ERR_NOT_IMPLEMENTED, "queries are not possible");
    expect_error("{{ .Nope }}", ERR_BAD_INPUT, "can't evaluate field Nope");
    expect_error("{{ match \"(\" \"x\" }}", ERR_BAD_INPUT, "regular expression");
}

static void test_limits(void **state)
{
    struct buf text = BUF_INIT;
    (void)state;
    for (int i = 0; i < 40; i++)
        buf_add_cstr(&text, "{{ if true }}");
    expect_error(text.p, ERR_BAD_INPUT, "nested over 32");
    buf_clear(&text);
    /* Each doubles what was before. */
    buf_add_cstr(&text, "{{ $x := \"0123456789abcdef\" }}");
    for (int i = 0; i < 20; i++)
        buf_add_cstr(&text, "{{ $x = print $x $x }}");
    expect_error(text.p, ERR_LIMIT, "over 65536 bytes");
    buf_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_url, setup, teardown),
        cmocka_unit_test_setup_teardown(test_templates_in_templates, setup, teardown),
        cmocka_unit_test_setup_teardown(test_break_and_continue, setup, teardown),
        cmocka_unit_test_setup_teardown(test_times, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parse_mistakes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_run_mistakes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
