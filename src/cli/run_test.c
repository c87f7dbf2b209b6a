/* Finding commands, mistakes, and what is said when there is no server. */
#include "base/clock.h"
#include "cli/testing.h"

#include <math.h>

static void every_command_has_help_with_an_example(void **state)
{
    struct console *c = *state;
    for (size_t i = 0; i < n_commands; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "%s", commands[i].name);
        char *second = strchr(name, ' ');
        if (second)
            *second++ = '\0';
        int code = second ? RUN(c, name, second, "--help") : RUN(c, name, "--help");
        assert_int_equal(code, EXIT_DONE);
        assert_has(c->out, commands[i].summary);
        assert_has(c->out, "\nExample:\n  cqed ");
        assert_string_equal(c->err, "");
        assert_has(commands[i].example, commands[i].name);
    }
    assert_string_equal(c->fake->asked, "");
}

static void the_overview_lists_every_command(void **state)
{
    struct console *c = *state;
    assert_int_equal(RUN(c, "--help"), EXIT_DONE);
    for (size_t i = 0; i < n_commands; i++)
        assert_has(c->out, commands[i].name);
    char *none[] = {NULL};
    assert_int_equal(run_argv(c, none), EXIT_USAGE);
    assert_has(c->err, "rollout start");
    assert_int_equal(RUN(c, "help", "rollout", "start"), EXIT_DONE);
    assert_has(c->out, "--idempotency-key");
    assert_int_equal(RUN(c, "rollout", "--help"), EXIT_DONE);
    assert_has(c->out, "rollout skip-hold");
    assert_int_equal(RUN(c, "--version"), EXIT_DONE);
    assert_string_equal(c->out, "cqed " CQED_VERSION "\n");
}

static void a_wrong_word_gets_the_nearest(void **state)
{
    struct console *c = *state;
    assert_int_equal(RUN(c, "gaet"), EXIT_USAGE);
    assert_has(c->err, "there is no command 'gaet': did you mean `cqed gate`?");
    assert_int_equal(RUN(c, "rollot", "list"), EXIT_USAGE);
    assert_has(c->err, "did you mean `cqed rollout`?");
    assert_int_equal(RUN(c, "rollout", "lst"), EXIT_USAGE);
    assert_has(c->err, "there is no command 'rollout lst': did you mean `cqed rollout list`?");
    assert_has(c->err, "rollout promote");
    assert_lacks(c->err, "slo list");
    assert_int_equal(RUN(c, "rollout"), EXIT_USAGE);
    assert_has(c->err, "needs one more word");
    assert_int_equal(RUN(c, "backtest"), EXIT_USAGE);
    assert_has(c->err, "there is no command 'backtest'");
}

static void wrong_use_says_how(void **state)
{
    struct console *c = *state;
    assert_int_equal(RUN(c, "gate"), EXIT_USAGE);
    assert_has(c->err, "cqed: NAME is missing\nusage: cqed gate NAME");
    assert_int_equal(RUN(c, "gate", "a", "b"), EXIT_USAGE);
    assert_has(c->err, "'b' is one argument too many");
    assert_int_equal(RUN(c, "gate", "a", "--wiat=5m"), EXIT_USAGE);
    assert_has(c->err, "did you mean --wait?");
    assert_int_equal(RUN(c, "gate", "a", "--wait", "soon"), EXIT_USAGE);
    assert_has(c->err, "--wait must be a duration");
    assert_int_equal(RUN(c, "serve", "--json"), EXIT_USAGE);
    assert_int_equal(RUN(c, "check", "--server", "x"), EXIT_USAGE);
    assert_int_equal(RUN(c, "slo", "show", "\xff"), EXIT_USAGE);
    assert_string_equal(c->fake->asked, "");
}

static void options_may_stand_before_the_command(void **state)
{
    struct console *c = *state;
    answer(c, "GET", "/cqed/v1/slos", 200, "{\"slos\":[]}", 0);
    assert_int_equal(RUN(c, "--json", "slo", "list"), EXIT_DONE);
    assert_string_equal(c->out, "{\"slos\":[]}\n");
    assert_int_equal(RUN(c, "slo", "--json", "list"), EXIT_DONE);
    assert_string_equal(c->out, "{\"slos\":[]}\n");
}

static void no_server_says_what_to_do(void **state)
{
    struct console *c = *state;
    fake_stop(c->fake);
    static const char *const lines[][3] = {{"status", NULL, NULL},    {"gate", "pre-deploy", NULL},
                                           {"rollout", "list", NULL}, {"slo", "list", NULL},
                                           {"query", "up", NULL},     {"ledger", "verify", NULL}};
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        char *argv[] = {(char *)lines[i][0], (char *)lines[i][1], (char *)lines[i][2], NULL};
        assert_int_equal(run_argv(c, argv), EXIT_UNREACHABLE);
        assert_has(c->err, "cqed: nothing answers at http://127.0.0.1:");
        assert_has(c->err, "is `cqed serve` running there?");
        assert_string_equal(c->out, "");
    }
    assert_int_equal(RUN(c, "status", "--server", "ht!tp://x"), EXIT_USAGE);
}

static void another_server_is_not_taken_for_cqed(void **state)
{
    struct console *c = *state;
    answer(c, "GET", "/cqed/v1/status", 200, "<html>hello</html>", 1);
    answer(c, "GET", "/cqed/v1/status", 404, "not here", 1);
    answer(c, "GET", "/cqed/v1/status", 403, "no", 1);
    assert_int_equal(RUN(c, "status"), EXIT_UNREACHABLE);
    assert_has(c->err, "answers, but not as cQED does");
    assert_int_equal(RUN(c, "status"), EXIT_UNREACHABLE);
    assert_has(c->err, "(status 404): is the address right?");
    assert_int_equal(RUN(c, "status"), EXIT_UNREACHABLE);
    assert_has(c->err, "does not let us in: status 403");
}

static void text_from_elsewhere_does_not_reach_the_terminal_raw(void **state)
{
    struct console *c = *state;
    answer(c, "GET", "/cqed/v1/rollouts/x", 404,
           "{\"error\":{\"code\":\"not_found\",\"message\":\"a\\u001b[2Jb\\u009bc\"}}", 0);
    assert_int_equal(RUN(c, "rollout", "show", "x"), EXIT_USAGE);
    assert_has(c->err, "cqed: a?[2Jb?c\n");
}

static void a_slow_answer_shows_a_line_on_a_terminal_and_wipes_it(void **state)
{
    struct console *c = *state;
    answer(c, "GET", "/cqed/v1/slos", 200, "{\"slos\":[]}", 0);
    c->is_terminal = true;
    assert_int_equal(RUN(c, "slo", "list"), EXIT_DONE);
    assert_lacks(c->err, "waiting");
    c->fake->delay_us = 1300000;
    assert_int_equal(RUN(c, "slo", "list"), EXIT_DONE);
    assert_has(c->err, "waiting for http://127.0.0.1:");
    assert_string_equal(c->err + strlen(c->err) - 4, "\r\033[K");
    c->is_terminal = false;
    assert_int_equal(RUN(c, "slo", "list"), EXIT_DONE);
    assert_string_equal(c->err, "");
}

static void a_long_line_is_cut_before_it_wraps(void **state)
{
    char *shown = NULL, text[400] = "";
    size_t n;
    (void)state;
    for (int i = 0; i < 120; i++)
        strcat(text, "é");
    struct cli cli = {.err = open_memstream(&shown, &n), .err_is_terminal = true};
    show_line(&cli, text);
    assert_int_equal(fclose(cli.err), 0);
    assert_int_equal(n, strlen("\r\033[K") + 99 * strlen("é"));
    free(shown);
}

static void numbers_are_honest(void **state)
{
    struct arena arena = ARENA_INIT;
    (void)state;
    assert_string_equal(text_percent(&arena, 1), "100%");
    assert_string_equal(text_percent(&arena, 0.999996), "99.9996%");
    assert_string_equal(text_percent(&arena, 0.99999999), "over 99.9999%");
    assert_string_equal(text_percent(&arena, 0.00123456), "0.123%");
    assert_string_equal(text_percent(&arena, (double)NAN), "-");
    assert_string_equal(text_percent(&arena, -1.6), "-160%");
    assert_string_equal(text_duration(&arena, 999), "999ms");
    assert_string_equal(text_duration(&arena, 4318), "4.3s");
    assert_string_equal(text_duration(&arena, 9999), "9.9s");
    assert_string_equal(text_duration(&arena, 61999), "1m1s");
    assert_string_equal(text_age(&arena, -1), "never");
    assert_string_equal(text_in_unit(&arena, 0.25, "seconds"), "250 ms");
    assert_string_equal(text_in_unit(&arena, 512, "1"), "512");
    arena_release(&arena);
}

/* Whoever answers may answer anything. */
static void odd_answers_do_no_harm(void **state)
{
    struct console *c = *state;
    static const char *const odd[] = {
        "{}", "{\"slos\":7,\"rollouts\":\"x\",\"entries\":{},\"size\":-1,\"data\":[],\"state\":[]}",
        "{\"slos\":[1,null,\"x\",[],{}],\"rollouts\":[1,null,\"x\",[],{}],\"size\":9,"
        "\"entries\":[1,null,\"x\",[],{},{\"seq\":1e9},{\"seq\":5,\"kind\":\"decision\"},{\"seq\":"
        "6,"
        "\"kind\":\"rollout\",\"body\":[]}],\"checks\":[1,null,{},{\"effect\":\"x\"}],\"reasons\":["
        "{},"
        "7,null],\"history\":[3,{},{\"atMs\":9223372036854775807}],\"state\":{\"createdMs\":"
        "-9223372036854775807,\"endedMs\":9223372036854775807,\"state\":\"succeeded\",\"step\":"
        "9223372036854775807},\"startedMs\":-9223372036854775807,\"snapshot\":[],\"findings\":[1,{}"
        "],"
        "\"data\":{\"resultType\":\"vector\",\"result\":[1,{},{\"metric\":[],\"value\":[]}]}}",
        "{\"data\":{\"resultType\":\"matrix\",\"result\":[1,{},{\"metric\":{\"a\":1},\"values\":[1,"
        "[],"
        "[1e300,\"1\"],[1,\"x\"],[1,2]]}]},\"reasons\":{},\"checks\":{},\"findings\":7}",
        "{\"data\":{\"resultType\":\"scalar\",\"result\":7},\"targets\":1,\"ledger\":[]}"};
    static const struct {
        const char *method, *path, *line[5];
    } lines[] = {{"GET", "/cqed/v1/slos", {"slo", "list"}},
                 {"GET", "/cqed/v1/slos/x", {"slo", "show", "x"}},
                 {"GET", "/cqed/v1/status", {"status"}},
                 {"GET", "/cqed/v1/rollouts", {"rollout", "list"}},
                 {"GET", "/cqed/v1/rollouts/x", {"rollout", "show", "x"}},
                 {"POST", "/cqed/v1/rollouts/x/pause", {"rollout", "pause", "x", "-r=r", "-r=r"}},
                 {"POST", "/cqed/v1/gates/x", {"gate", "x"}},
                 {"GET", "/api/v1/query", {"query", "x"}},
                 {"GET", "/api/v1/query_range", {"query", "x", "--range=1m"}},
                 {"GET", "/cqed/v1/ledger", {"ledger", "show"}},
                 {"GET", "/cqed/v1/ledger", {"ledger", "show", "5"}},
                 {"GET", "/cqed/v1/ledger", {"ledger", "replay"}},
                 {"GET", "/cqed/v1/ledger/verify", {"ledger", "verify"}}};
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        for (size_t k = 0; k < COUNT_OF(odd); k++) {
            char *argv[6] = {NULL};
            memcpy(argv, lines[i].line, sizeof lines[i].line);
            c->fake->n_answers = 0;
            answer(c, lines[i].method, lines[i].path, 200, odd[k], 0);
            answer(c, "GET", "/cqed/v1/ledger/key", 200, "k", 0);
            assert_in_range(run_argv(c, argv), EXIT_DONE, EXIT_UNREACHABLE);
        }
    }
}

static void slos_are_a_table_with_colours_only_on_a_terminal(void **state)
{
    struct console *c = *state;
    answer(c, "GET", "/cqed/v1/slos", 200,
           "{\"slos\":[{\"name\":\"shop-availability\",\"service\":\"shop\",\"target\":0.999,"
           "\"ratio\":0.9995,\"budgetRemaining\":0.5,\"burn\":{\"5m\":0.1,\"1h\":null,\"6h\":14.4},"
           "\"freshMs\":800}]}",
           0);
    assert_int_equal(RUN(c, "slo", "list"), EXIT_DONE);
    assert_has(c->out, "SLO                SERVICE  TARGET  GOOD    BUDGET LEFT  BURN 5M  BURN 1H  "
                       "BURN 6H  NEWEST     A/A\n"
                       "shop-availability  shop     99.9%   99.95%  50%          0.1      -        "
                       "14.4     800ms ago  -\n");
    c->color = true;
    assert_int_equal(RUN(c, "slo", "list"), EXIT_DONE);
    assert_has(c->out, "\033[32m50%\033[0m");
}

static void queries_print_values_bars_and_the_place_of_an_error(void **state)
{
    struct console *c = *state;
    answer(c, "GET", "/api/v1/query", 200,
           "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[{\"metric\":{"
           "\"__name__\":\"up\",\"job\":\"a\\\"b\"},\"value\":[1,\"0.1\"]}]}}",
           1);
    answer(c, "GET", "/api/v1/query", 400,
           "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"1:5: unclosed\"}", 1);
    answer(c, "GET", "/api/v1/query", 400,
           "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":"
           "\"invalid parameter \\\"query\\\": 1:1: empty\"}",
           1);
    assert_int_equal(RUN(c, "query", "up"), EXIT_DONE);
    assert_string_equal(c->out, "VALUE  SERIES\n0.1    up{job=\"a\\\"b\"}\n");
    assert_int_equal(RUN(c, "query", "sum("), EXIT_USAGE);
    assert_string_equal(c->err, "cqed: 1:5: unclosed\n  sum(\n      ^\n");
    assert_int_equal(RUN(c, "query", "up"), EXIT_USAGE);
    assert_has(c->err, "1:1: empty\n  up\n  ^\n");
    assert_int_equal(RUN(c, "query", "up", "--step", "5s"), EXIT_USAGE);
}

/* Values 1 to 10 at whole steps behind now, and a gap. */
static void a_range_is_a_line_of_bars(void **state)
{
    struct console *c = *state;
    struct buf body = BUF_INIT;
    double now_s = (double)clock_wall_ms() / 1000;
    buf_add_cstr(&body, "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\","
                        "\"result\":[{\"metric\":{\"v\":\"1\"},\"values\":[");
    for (int i = 0; i <= 10; i++) {
        if (i != 4)
            buf_printf(&body, "%s[%.3f,\"%d\"]", i ? "," : "", now_s - 100 + 10 * i, i);
    }
    buf_add_cstr(&body, "]}]}}");
    answer(c, "GET", "/api/v1/query_range", 200, body.p, 0);
    assert_int_equal(RUN(c, "query", "v", "--range=100s", "--step=10s"), EXIT_DONE);
    assert_has(c->out, "▁▁▂▃ ▅▅▆▇██  0       10       10    {v=\"1\"}\n");
    buf_release(&body);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, console_set_up, console_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_command_has_help_with_an_example),
        TEST(the_overview_lists_every_command),
        TEST(a_wrong_word_gets_the_nearest),
        TEST(wrong_use_says_how),
        TEST(options_may_stand_before_the_command),
        TEST(no_server_says_what_to_do),
        TEST(another_server_is_not_taken_for_cqed),
        TEST(text_from_elsewhere_does_not_reach_the_terminal_raw),
        TEST(a_slow_answer_shows_a_line_on_a_terminal_and_wipes_it),
        cmocka_unit_test(a_long_line_is_cut_before_it_wraps),
        TEST(numbers_are_honest),
        TEST(odd_answers_do_no_harm),
        TEST(slos_are_a_table_with_colours_only_on_a_terminal),
        TEST(a_range_is_a_line_of_bars),
        TEST(queries_print_values_bars_and_the_place_of_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
