/* Text in, one printed line a sample or comment out. */
#include "ingest/exposition.h"

#include "base/num.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>

static bool print_sample(void *self, const struct exposition_sample *s, struct err *err)
{
    struct buf *out = self;
    (void)err;
    buf_add_str(out, s->name);
    for (size_t i = 0; i < s->labels.n; i++)
        buf_printf(out, " " STR_FMT "=[" STR_FMT "]", STR_ARG(s->labels.v[i].name),
                   STR_ARG(s->labels.v[i].value));
    buf_add_cstr(out, " -> ");
    num_add_double(out, s->v);
    if (s->t_ms != EXPOSITION_NO_TIME)
        buf_printf(out, " @%lld", (long long)s->t_ms);
    buf_add_char(out, '\n');
    return true;
}

static void print_meta(void *self, struct str family, struct str type, struct str help,
                       struct str unit)
{
    buf_printf(self, STR_FMT ": type=[" STR_FMT "] help=[" STR_FMT "] unit=[" STR_FMT "]\n",
               STR_ARG(family), STR_ARG(type), STR_ARG(help), STR_ARG(unit));
}

/* The text on the heap without a NUL behind it, so that AddressSanitizer sees a byte too far. */
static bool parse(enum exposition_format format, struct str text, struct buf *out, struct err *err)
{
    struct arena arena = ARENA_INIT;
    struct exposition_sink sink = {out, print_sample, print_meta};
    char *exact = malloc(text.n + !text.n);
    assert_non_null(exact);
    memcpy(exact, text.p, text.n);
    bool done = exposition_parse(format, str_make(exact, text.n), &arena, &sink, err);
    free(exact);
    arena_release(&arena);
    return done;
}

static void assert_parses(enum exposition_format format, const char *text, const char *expected)
{
    struct buf out = BUF_INIT;
    struct err err = ERR_INIT;
    buf_add_cstr(&out, "");
    if (!parse(format, str_from(text), &out, &err))
        fail_msg("%s", err.message);
    assert_string_equal(buf_str(&out).p, expected);
    buf_release(&out);
}

static void assert_fails(enum exposition_format format, const char *text, const char *message)
{
    struct buf out = BUF_INIT;
    struct err err = ERR_INIT;
    if (parse(format, str_from(text), &out, &err))
        fail_msg("accepted: %s", text);
    assert_string_equal(err.message, message);
    assert_int_equal(err.code, ERR_BAD_INPUT);
    buf_release(&out);
}

#define TEXT EXPOSITION_TEXT_004
#define OPEN EXPOSITION_OPENMETRICS_1

static void series_with_and_without_labels(void **state)
{
    (void)state;
    assert_parses(TEXT, "up 1\n", "up -> 1\n");
    assert_parses(TEXT, "up{} 0", "up -> 0\n");
    assert_parses(TEXT, "a:b_c9{z=\"1\",a=\"2\",} 3.5\n", "a:b_c9 a=[2] z=[1] -> 3.5\n");
    assert_parses(TEXT, "\n  \t a  {  b = \"c\" , d=\"e\" }\t 1 \n\n", "a b=[c] d=[e] -> 1\n");
    assert_parses(TEXT, "a{b=\"c\"}1\n", "a b=[c] -> 1\n");
    assert_parses(TEXT, "", "");
    assert_parses(TEXT, "a{empty=\"\",b=\"c\"} 1", "a b=[c] -> 1\n");
}

static void values_of_every_kind(void **state)
{
    (void)state;
    assert_parses(TEXT, "a -1.5e-3\na +Inf\na -Inf\na NaN\na 1e10\na .5\na 123456789012345678\n",
                  "a -> -0.0015\na -> +Inf\na -> -Inf\na -> NaN\na -> 10000000000\na -> 0.5\n"
                  "a -> 123456789012345680\n");
    assert_parses(TEXT, "a 999999999999999\na 9007199254740993\n",
                  "a -> 999999999999999\na -> 9007199254740992\n");
}

static void timestamps_are_milliseconds_here_and_seconds_there(void **state)
{
    (void)state;
    assert_parses(TEXT, "a 1 1395066363000\na 1 -5\na 2   7  \n",
                  "a -> 1 @1395066363000\na -> 1 @-5\na -> 2 @7\n");
    assert_parses(OPEN, "a 1 1520879607.789\na 1 1.001\na 1 -0.5\n# EOF\n",
                  "a -> 1 @1520879607789\na -> 1 @1001\na -> 1 @-500\n");
}

static void escapes_are_exact(void **state)
{
    (void)state;
    assert_parses(TEXT, "a{b=\"q\\\"s\\\\n\\nt\\x\\\\\"} 1\n", "a b=[q\"s\\n\nt\\x\\] -> 1\n");
    assert_parses(TEXT, "a{b=\"}, c=\\\"\"} 1\n", "a b=[}, c=\"] -> 1\n");
    assert_parses(TEXT, "# HELP a one\\ntwo \\\\ \\\"three\n",
                  "a: type=[] help=[one\ntwo \\ \\\"three] unit=[]\n");
    assert_parses(OPEN, "# HELP a one\\ntwo \\\\ \\\"three\n# EOF",
                  "a: type=[] help=[one\ntwo \\ \"three] unit=[]\n");
}

static void comments_say_what_a_family_is(void **state)
{
    (void)state;
    assert_parses(TEXT,
                  "# HELP a Help.\n# TYPE a counter\n#TYPE b gauge\n# TYPE c untyped\n# hello\n#\n",
                  "a: type=[] help=[Help.] unit=[]\na: type=[counter] help=[] unit=[]\n"
                  "b: type=[gauge] help=[] unit=[]\nc: type=[unknown] help=[] unit=[]\n");
    assert_parses(OPEN, "# TYPE a_seconds stateset\n# UNIT a_seconds seconds\n# EOF\n",
                  "a_seconds: type=[stateset] help=[] unit=[]\n"
                  "a_seconds: type=[] help=[] unit=[seconds]\n");
    assert_parses(TEXT, "# HELP a\n# TYPE \"my.metric\" gauge\n",
                  "a: type=[] help=[] unit=[]\nmy.metric: type=[gauge] help=[] unit=[]\n");
}

static void families_in_quotes(void **state)
{
    (void)state;
    assert_parses(OPEN, "# TYPE \"my.metric\" gauge\n# HELP \"q\\\"\\\\\\n\" A help.\n# EOF\n",
                  "my.metric: type=[gauge] help=[] unit=[]\n"
                  "q\"\\\n: type=[] help=[A help.] unit=[]\n");
    assert_fails(TEXT, "# TYPE \"a gauge\n",
                 "line 1: the metric name has no closing quote with a blank behind it");
    assert_fails(TEXT, "# TYPE \"a\"gauge\n",
                 "line 1: the metric name has no closing quote with a blank behind it");
    assert_fails(TEXT, "# TYPE \"\" gauge\n",
                 "line 1: the metric name is empty or not valid UTF-8");
}

static void names_in_quotes(void **state)
{
    (void)state;
    assert_parses(TEXT, "{\"my.metric\", a=\"b\"} 1\n{\"x\"} 2\n",
                  "my.metric a=[b] -> 1\nx -> 2\n");
    assert_parses(TEXT, "{\"l.a\"=\"v\",\"my metric\"} 1\nfoo{\"l\\\"b\"=\"w\"} 2\n",
                  "my metric l.a=[v] -> 1\nfoo l\"b=[w] -> 2\n");
    assert_parses(OPEN, "{\"my.metric\",a=\"b\"} 1\n# EOF\n", "my.metric a=[b] -> 1\n");
    assert_parses(TEXT, "{__name__=\"foo\",a=\"b\"} 1\n", "foo a=[b] -> 1\n");
}

static void exemplars_are_left_out(void **state)
{
    (void)state;
    assert_parses(OPEN,
                  "a_bucket{le=\"1\"} 8 # {} 0.5\n"
                  "a_bucket{le=\"2\"} 9 123.5 # {trace_id=\"x}y\",b=\"\\\"\"} 0.67 124.25\n# EOF\n",
                  "a_bucket le=[1] -> 8\na_bucket le=[2] -> 9 @123500\n");
    assert_fails(OPEN, "a 1 # {a=\"b\"}\n# EOF\n",
                 "line 1: expected a space and an exemplar's value, found the end of the line");
    assert_fails(OPEN, "a 1 # {a=\"b\",a=\"c\"} 1\n# EOF\n", "line 1: label 'a' is there twice");
    assert_fails(OPEN, "a 1 # b\n# EOF\n",
                 "line 1: expected ' {' and the labels of an exemplar, found 'b'");
    assert_fails(TEXT, "a 1 # {} 1\n",
                 "line 1: expected a timestamp in whole milliseconds, found '# {} 1'");
}

static void openmetrics_is_strict_about_its_end(void **state)
{
    (void)state;
    assert_parses(OPEN, "# EOF", "");
    assert_fails(OPEN, "", "line 1: the text ends without \"# EOF\"; it may be cut off");
    assert_fails(OPEN, "a 1\n", "line 2: the text ends without \"# EOF\"; it may be cut off");
    assert_fails(OPEN, "# EOF\na 1\n", "line 2: expected nothing behind \"# EOF\", found 'a 1'");
    assert_fails(OPEN, "# EOF\n\n",
                 "line 2: expected nothing behind \"# EOF\", found the end of the line");
    assert_fails(OPEN, "a 1\n\n# EOF\n", "line 2: an empty line is not allowed in OpenMetrics");
    assert_fails(OPEN, "a  1\n# EOF\n", "line 1: expected a value, found ' 1'");
    assert_fails(OPEN, "a 1 \n# EOF\n",
                 "line 1: expected a timestamp in seconds, found the end of the line");
#define NO_COMMENT                                                                                 \
    "line 1: OpenMetrics knows no comments but \"# HELP \", \"# TYPE \", \"# UNIT \" and \"# "     \
    "EOF\""
    assert_fails(OPEN, "# hello\n# EOF\n", NO_COMMENT);
    assert_fails(OPEN, "# EOFa 1", NO_COMMENT);
    assert_fails(OPEN, "#  TYPE c counter\n# EOF\n", NO_COMMENT);
    assert_fails(OPEN, "#\tTYPE c counter\n# EOF\n", NO_COMMENT);
    assert_fails(OPEN, "# TYPE  c counter\n# EOF\n", "line 1: '' is not a metric name");
    assert_fails(OPEN, "# TYPE c  counter\n# EOF\n",
                 "line 1: ' counter' is not a metric type (family c)");
    assert_fails(OPEN, "# TYPE c counter \n# EOF\n",
                 "line 1: 'counter ' is not a metric type (family c)");
    assert_fails(OPEN, "# TYPE c untyped\n# EOF\n",
                 "line 1: 'untyped' is not a metric type (family c)");
    assert_fails(OPEN, "# HELP c\n# EOF\n", "line 1: no text behind the metric name");
    assert_fails(OPEN, "# UNIT a_seconds bytes\n# EOF\n",
                 "line 1: unit 'bytes' is not the end of the name 'a_seconds'");
    assert_parses(TEXT, "# EOF\na 1\n", "a -> 1\n");
}

static void errors_name_the_line_and_what_is_wrong(void **state)
{
    (void)state;
    assert_fails(TEXT, "a 1\nb\n", "line 2: expected a value, found the end of the line");
    assert_fails(TEXT, "a one\n", "line 1: expected a value, found 'one'");
    assert_fails(TEXT, "a 0x1p3\n", "line 1: expected a value, found '0x1p3'");
    assert_fails(TEXT, "a 1 2 3\n", "line 1: expected the end of the line, found '3'");
    assert_fails(TEXT, "a 1 2.5\n",
                 "line 1: expected a timestamp in whole milliseconds, found '2.5'");
    assert_fails(TEXT, "a{b=\"c} 1\n", "line 1: the label value has no closing quote");
    assert_fails(TEXT, "a{b=\"c\\\"} 1\nd 1\n", "line 1: the label value has no closing quote");
    assert_fails(TEXT, "a{b=c} 1\n", "line 1: expected a label value in quotes, found 'c} 1'");
    assert_fails(TEXT, "a{b} 1\n", "line 1: expected '=' behind a label name, found '} 1'");
    assert_fails(TEXT, "a{,} 1\n", "line 1: expected a label name, found ',} 1'");
    assert_fails(TEXT, "a{b=\"c\"d=\"e\"} 1\n",
                 "line 1: expected ',' or '}' behind a label, found 'd=\"e\"} 1'");
    assert_fails(TEXT, "a{b=\"c\"\n",
                 "line 1: expected ',' or '}' behind a label, found the end of "
                 "the line");
    assert_fails(TEXT, "a{b=\"1\",c=\"2\",b=\"3\"} 1\n", "line 1: label 'b' is there twice");
    assert_fails(TEXT, "{a=\"b\"} 1\n", "line 1: the series has no metric name");
    assert_fails(TEXT, "{} 1\n", "line 1: the series has no metric name");
    assert_fails(TEXT, "a{\"b\"} 1\n", "line 1: a second metric name, 'b' after 'a'");
    assert_fails(TEXT, "9a 1\n", "line 1: expected a metric name, found '9a 1'");
    assert_fails(TEXT, "a-1\n", "line 1: expected a blank behind the metric name, found '-1'");
    assert_fails(TEXT, "a{b=\"\xff\"} 1\n", "line 1: the label value is not valid UTF-8");
    assert_fails(TEXT, "# TYPE a gouge\n", "line 1: 'gouge' is not a metric type (family a)");
    assert_fails(TEXT, "# HELP\n", "line 1: '' is not a metric name");
    assert_fails(TEXT, "<html>\n", "line 1: expected a metric name, found '<html>'");
}

static void lines_and_labels_are_bounded(void **state)
{
    struct buf text = BUF_INIT, out = BUF_INIT;
    struct err err = ERR_INIT;
    (void)state;
    buf_add_cstr(&text, "ok 1\na{b=\"");
    for (size_t i = 0; i < EXPOSITION_MAX_LINE_BYTES; i++)
        buf_add_char(&text, 'x');
    buf_add_cstr(&text, "\"} 1\n");
    assert_false(parse(TEXT, buf_str(&text), &out, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_string_equal(err.message, "line 2: it has 262153 bytes, the limit is 262144");

    buf_clear(&text);
    buf_add_cstr(&text, "a{");
    for (int i = 0; i <= EXPOSITION_MAX_LABELS; i++)
        buf_printf(&text, "l%d=\"v\",", i);
    buf_add_cstr(&text, "} 1\n");
    assert_false(parse(TEXT, buf_str(&text), &out, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_string_equal(err.message, "line 1: the series has over 256 labels");
    buf_release(&text);
    buf_release(&out);
}

static bool refuse(void *self, const struct exposition_sample *s, struct err *err)
{
    ++*(int *)self;
    return err_set(err, ERR_LIMIT, "no more than this: " STR_FMT, STR_ARG(s->name));
}

static void a_sink_may_stop(void **state)
{
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    int n = 0;
    struct exposition_sink sink = {&n, refuse, NULL};
    (void)state;
    assert_false(exposition_parse(TEXT, STR("# TYPE a gauge\na 1\nb 1\n"), &arena, &sink, &err));
    assert_int_equal(n, 1);
    assert_string_equal(err.message, "no more than this: a");
    arena_release(&arena);
}

static void assert_format(const char *content_type, enum exposition_format expected)
{
    enum exposition_format format;
    assert_true(exposition_format_of(content_type, &format));
    assert_int_equal(format, expected);
}

static void content_types(void **state)
{
    enum exposition_format format;
    (void)state;
    assert_format("text/plain; version=0.0.4; charset=utf-8", TEXT);
    assert_format("Text/Plain", TEXT);
    assert_format("application/openmetrics-text; version=1.0.0; charset=utf-8", OPEN);
    assert_format("Application/OpenMetrics-Text", OPEN);
    assert_format("application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; "
                  "encoding=delimited",
                  EXPOSITION_PROTOBUF);
    static const char *const others[] = {
        "",
        NULL,
        "text/html; charset=utf-8",
        "application/json",
        "application/octet-stream",
        "application/vnd.google.protobuf;proto=x;encoding=delimited",
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(exposition_format_of(others[i], &format));
}

static void what_counts_from_zero(void **state)
{
    struct exposition e;
    (void)state;
    exposition_init(&e, TEXT, STR(""), NULL, NULL);
    assert_false(exposition_counts(&e, STR("a")));
    e.family = STR("a");
    e.type = STR("counter");
    assert_true(exposition_counts(&e, STR("a")));
    assert_true(exposition_counts(&e, STR("a_total")));
    assert_false(exposition_counts(&e, STR("a_created")));
    assert_false(exposition_counts(&e, STR("b")));
    e.type = STR("histogram");
    assert_true(exposition_counts(&e, STR("a_bucket")));
    assert_true(exposition_counts(&e, STR("a_count")));
    assert_true(exposition_counts(&e, STR("a_sum")));
    assert_false(exposition_counts(&e, STR("a")));
    assert_false(exposition_counts(&e, STR("a_created")));
    e.type = STR("summary");
    assert_true(exposition_counts(&e, STR("a_count")));
    assert_false(exposition_counts(&e, STR("a")));
    e.type = STR("gauge");
    assert_false(exposition_counts(&e, STR("a")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(series_with_and_without_labels),
        cmocka_unit_test(values_of_every_kind),
        cmocka_unit_test(timestamps_are_milliseconds_here_and_seconds_there),
        cmocka_unit_test(escapes_are_exact),
        cmocka_unit_test(comments_say_what_a_family_is),
        cmocka_unit_test(families_in_quotes),
        cmocka_unit_test(names_in_quotes),
        cmocka_unit_test(exemplars_are_left_out),
        cmocka_unit_test(openmetrics_is_strict_about_its_end),
        cmocka_unit_test(errors_name_the_line_and_what_is_wrong),
        cmocka_unit_test(lines_and_labels_are_bounded),
        cmocka_unit_test(a_sink_may_stop),
        cmocka_unit_test(content_types),
        cmocka_unit_test(what_counts_from_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
