/* The gate's exit codes, its waiting and its reports. */
#include "base/file.h"
#include "cli/testing.h"

#include <unistd.h>

#define GATE "/cqed/v1/gates/pre-deploy"
#define CHECK_JSON(state)                                                                          \
    "{\"check\":\"availability\",\"kind\":\"slo\",\"state\":\"" state                              \
    "\",\"critical\":true,\"unit\":\"ratio\",\"effect\":0.0012,\"low\":0.001,\"high\":0.002,"      \
    "\"tolerate\":0.01,\"stable\":{\"total\":0,\"bad\":0},\"canary\":{\"total\":5000,\"bad\":6},"  \
    "\"minimumDetectableEffect\":\"NaN\",\"freshMs\":900,\"query\":\"shop <availability>\","       \
    "\"sentence\":\"0.12% of 5000 & more\",\"wouldChange\":\"a ratio over 1%\"}"
#define ANSWER(state)                                                                              \
    "{\"gate\":\"pre-deploy\",\"state\":\"" state "\",\"exitCode\":9,\"checks\":[" CHECK_JSON(     \
        state) "],\"reasons\":[{\"code\":\"c\",\"sentence\":\"availability: 0.12%\"},{"            \
               "\"code\":\"budget_low\",\"sentence\":\"the budget is low\"}],\"seq\":41}"

static void each_state_has_its_exit_code(void **state)
{
    struct console *c = *state;
    static const struct {
        const char *body, *says;
        int code;
    } cases[] = {{ANSWER("pass"), "gate pre-deploy: pass (ledger entry 41)", EXIT_DONE},
                 {ANSWER("fail"), "gate pre-deploy: fail", EXIT_NEGATIVE},
                 {ANSWER("error"), "gate pre-deploy: error", EXIT_USAGE},
                 {ANSWER("insufficient"), "gate pre-deploy: insufficient", EXIT_PENDING},
                 {ANSWER("blind"), "gate pre-deploy: blind", EXIT_PENDING},
                 {ANSWER("nonsense"), "gate pre-deploy: nonsense", EXIT_UNREACHABLE}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        answer(c, "POST", GATE, 200, cases[i].body, 1);
        assert_int_equal(RUN(c, "gate", "pre-deploy"), cases[i].code);
        assert_has(c->out, cases[i].says);
        assert_has(c->out, "0.12% of 5000 & more");
        assert_has(c->out, "effect 0.12% [0.1% .. 0.2%], tolerated 1%");
        assert_has(c->out, "samples 5000 events, 6 bad");
        assert_has(c->out, "would change it: a ratio over 1%");
        assert_has(c->out, "the budget is low");
        assert_lacks(c->out, "availability: 0.12%");
    }
}

static void waiting_ends_when_it_is_decided(void **state)
{
    struct console *c = *state;
    answer(c, "POST", GATE, 200, ANSWER("blind"), 1);
    answer(c, "POST", GATE, 200, ANSWER("insufficient"), 1);
    answer(c, "POST", GATE, 503, "{\"error\":{\"code\":\"unreachable\",\"message\":\"stop\"}}", 1);
    answer(c, "POST", GATE, 200, ANSWER("pass"), 0);
    assert_int_equal(RUN(c, "gate", "pre-deploy", "--wait=1m", "--every=100ms", "--json"),
                     EXIT_DONE);
    assert_has(c->out, "\"exitCode\":0");
    assert_string_equal(c->err, "");
}

static void waiting_ends_with_the_time(void **state)
{
    struct console *c = *state;
    answer(c, "POST", GATE, 200, ANSWER("insufficient"), 0);
    assert_int_equal(RUN(c, "gate", "pre-deploy", "--wait=250ms", "--every=100ms"), EXIT_TIMED_OUT);
    assert_has(c->out, "gate pre-deploy: insufficient, still, after ");
    size_t n = 0;
    for (const char *p = c->fake->asked; (p = strstr(p, "POST")); p++)
        n++;
    assert_in_range(n, 3, 4);
}

static void harm_is_never_confused_with_trouble(void **state)
{
    struct console *c = *state;
    static const struct {
        int status;
        const char *body;
        int code;
    } cases[] = {
        {404, "{\"error\":{\"code\":\"not_found\",\"message\":\"no gate\"}}", EXIT_USAGE},
        {500, "{\"error\":{\"code\":\"io\",\"message\":\"disk\"}}", EXIT_UNREACHABLE},
        {503, "{\"error\":{\"code\":\"unreachable\",\"message\":\"stop\"}}", EXIT_UNREACHABLE},
        {409, "{\"error\":{\"code\":\"conflict\",\"message\":\"x\"}}", EXIT_UNREACHABLE},
        {403, "{\"error\":{\"code\":\"denied\",\"message\":\"x\"}}", EXIT_UNREACHABLE},
        {501, "{\"error\":{\"code\":\"not_implemented\",\"message\":\"x\"}}", EXIT_USAGE},
        {200, "[]", EXIT_UNREACHABLE}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        answer(c, "POST", GATE, cases[i].status, cases[i].body, 1);
        assert_int_equal(RUN(c, "gate", "pre-deploy"), cases[i].code);
    }
}

static void an_unknown_gate_gets_the_nearest(void **state)
{
    struct console *c = *state;
    answer(c, "POST", "/cqed/v1/gates/pre-dploy", 404,
           "{\"error\":{\"code\":\"not_found\",\"message\":\"there is no gate 'pre-dploy'\"}}", 0);
    answer(c, "GET", "/cqed/v1/gates", 200,
           "{\"gates\":[{\"name\":\"pre-deploy\"},{\"name\":\"nightly\"}]}", 0);
    assert_int_equal(RUN(c, "gate", "pre-dploy"), EXIT_USAGE);
    assert_string_equal(c->err, "cqed: there is no gate 'pre-dploy'\ndid you mean 'pre-deploy'?\n"
                                "there are: pre-deploy, nightly\n");
}

static char *read_report(struct console *c, char *option, const char *path, const char *body)
{
    struct buf text = BUF_INIT;
    answer(c, "POST", GATE, 200, body, 1);
    (void)RUN(c, "gate", "pre-deploy", option);
    assert_true(file_read(path, 1 << 20, &text, NULL));
    (void)unlink(path);
    return buf_detach(&text);
}

static void reports_say_the_same(void **state)
{
    struct console *c = *state;
    char path[] = "/tmp/cqed-gate-XXXXXX", option[64];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    (void)close(fd);

    (void)snprintf(option, sizeof option, "--junit=%s", path);
    char *xml = read_report(c, option, path, ANSWER("fail"));
    assert_has(xml, "tests=\"2\" failures=\"2\" errors=\"0\" skipped=\"0\"");
    assert_has(xml, "<failure message=\"0.12% of 5000 &amp; more\" type=\"fail\"/>");
    assert_has(xml, "asked: shop &lt;availability&gt;");
    free(xml);
    xml = read_report(c, option, path, ANSWER("blind"));
    assert_has(xml, "failures=\"0\" errors=\"2\"");
    free(xml);
    xml = read_report(c, option, path, ANSWER("pass"));
    assert_has(xml, "failures=\"0\" errors=\"0\"");
    assert_lacks(xml, "<error");
    free(xml);

    (void)snprintf(option, sizeof option, "--summary=%s", path);
    char *text = read_report(c, option, path, ANSWER("insufficient"));
    assert_has(text, "## cQED gate pre-deploy: insufficient\n\nnot decided yet; exit code 3");
    assert_has(text, "| availability | insufficient | 0.12% \\[0.1% .. 0.2%\\], tolerated 1% |");
    assert_has(text, "\n- the budget is low\n");
    free(text);

    answer(c, "POST", GATE, 200, ANSWER("pass"), 1);
    assert_int_equal(RUN(c, "gate", "pre-deploy", "--junit=/nowhere/gate.xml"), EXIT_USAGE);
    assert_has(c->err, "/nowhere/gate.xml");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, console_set_up, console_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_state_has_its_exit_code),     TEST(waiting_ends_when_it_is_decided),
        TEST(waiting_ends_with_the_time),       TEST(harm_is_never_confused_with_trouble),
        TEST(an_unknown_gate_gets_the_nearest), TEST(reports_say_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
