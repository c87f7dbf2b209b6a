/* What is sent for a rollout, what is refused here, and watching one to its end. */
#include "cli/testing.h"

#include <unistd.h>

#define ROLLOUT(state, step, pct, decisions, history)                                              \
    "{\"id\":\"shop-1\",\"state\":{\"service\":\"shop\",\"state\":\"" state                        \
    "\",\"stableVersion\":\"v1\",\"canaryVersion\":\"v2\",\"step\":" #step ",\"desiredPct\":" #pct \
    ",\"decisions\":" #decisions                                                                   \
    ",\"createdMs\":1000,\"endedMs\":61000,\"author\":\"ann\",\"automation\":\"full\"},"           \
    "\"steps\":[{\"weightPct\":5},{\"weightPct\":100}],\"verdict\":\"hold\",\"reasons\":[{"        \
    "\"code\":\"hold_not_over\",\"sentence\":\"the hold has 3 s left\"}],\"snapshot\":null,"       \
    "\"history\":[" history "]}"
#define DECISION(seq, verdict, pct, sentence)                                                      \
    "{\"seq\":" #seq ",\"atMs\":1000,\"verdict\":\"" verdict                                       \
    "\",\"state\":\"progressing\",\"weightPct\":" #pct ",\"sentence\":\"" sentence "\"}"
#define FIRST DECISION(3, "advance", 5, "first step")
#define SECOND DECISION(7, "rollback", 0, "harm is shown")

static void a_start_sends_what_was_said(void **state)
{
    struct console *c = *state;
    answer(c, "POST", "/cqed/v1/rollouts", 201, ROLLOUT("waiting", -1, 0, 0, ""), 0);
    assert_int_equal(RUN(c, "rollout", "start", "shop", "--version", "v2", "--stable=v1",
                         "--author", "ann", "--change", "fix", "--idempotency-key", "build-7"),
                     EXIT_DONE);
    assert_string_equal(c->fake->asked,
                        "POST /cqed/v1/rollouts {\"author\":\"ann\",\"changeKind\":\"fix\","
                        "\"service\":\"shop\",\"stableVersion\":\"v1\",\"version\":\"v2\"}\n");
    assert_string_equal(c->fake->idempotency_key, "build-7");
    assert_string_equal(c->out, "shop-1\nshop v1 -> v2: waiting at 0%\n");
}

static void a_start_is_checked_before_it_is_sent(void **state)
{
    struct console *c = *state;
    assert_int_equal(RUN(c, "rollout", "start", "shop"), EXIT_USAGE);
    assert_has(c->err, "--version is required: which version of 'shop' is rolled out?");
    assert_int_equal(RUN(c, "rollout", "start", "shop", "--version=v2", "--change=big"),
                     EXIT_USAGE);
    assert_has(c->err, "--change must be normal, fix, security or p0, not 'big'");
    assert_int_equal(RUN(c, "rollout", "start", "shop", "--version=v2", "--timeout=5m"),
                     EXIT_USAGE);
    assert_string_equal(c->fake->asked, "");
}

static void a_dry_run_asks_for_nothing(void **state)
{
    struct console *c = *state;
    answer(c, "GET", "/cqed/v1/services", 200,
           "{\"services\":[{\"service\":\"shop\",\"rollout\":\"shop-1\",\"slos\":[]}]}", 0);
    answer(c, "GET", "/cqed/v1/rollouts/shop-1", 200, ROLLOUT("progressing", 0, 5, 1, FIRST), 0);
    assert_int_equal(
        RUN(c, "rollout", "start", "shop", "--version=v2", "--author=ann", "--dry-run"), EXIT_DONE);
    assert_has(c->out, "{\"author\":\"ann\",\"service\":\"shop\",\"version\":\"v2\"}");
    assert_has(c->out, "would supersede shop-1");
    assert_lacks(c->fake->asked, "POST");
    assert_int_equal(RUN(c, "rollout", "start", "shp", "--version=v2", "--dry-run"), EXIT_USAGE);
    assert_has(c->err, "did you mean 'shop'?");
}

static void acts_need_a_reason(void **state)
{
    struct console *c = *state;
    char *acts[] = {"promote", "skip-hold", "approve", "pause", "resume", "abort"};
    for (size_t i = 0; i < COUNT_OF(acts); i++) {
        assert_int_equal(RUN(c, "rollout", acts[i], "shop"), EXIT_USAGE);
        assert_has(c->err, "--reason is required");
        assert_int_equal(RUN(c, "rollout", acts[i], "shop", "--reason", "  "), EXIT_USAGE);
    }
    assert_string_equal(c->fake->asked, "");
}

static void acts_say_who_and_why(void **state)
{
    struct console *c = *state;
    answer(c, "POST", "/cqed/v1/rollouts/shop/promote", 202, ROLLOUT("promoting", 1, 100, 2, FIRST),
           0);
    answer(c, "POST", "/cqed/v1/rollouts/shop/skip_hold", 202,
           ROLLOUT("progressing", 0, 5, 2, FIRST), 0);
    answer(c, "POST", "/cqed/v1/rollouts/shop/approve", 409,
           "{\"error\":{\"code\":\"conflict\",\"message\":\"nothing is asked for\"}}", 0);
    assert_int_equal(setenv("USER", "bo", 1), 0);
    assert_int_equal(RUN(c, "rollout", "promote", "shop", "--full", "-r", "seen by hand"),
                     EXIT_DONE);
    assert_has(c->fake->asked, "{\"actor\":\"bo\",\"full\":true,\"reason\":\"seen by hand\","
                               "\"role\":\"operator\"}");
    assert_has(c->out, "shop v1 -> v2: promoting at 100%, step 2 of 2\n  the hold has 3 s left\n");
    assert_int_equal(RUN(c, "rollout", "skip-hold", "shop", "--reason=r", "--actor=ci"), EXIT_DONE);
    assert_int_equal(RUN(c, "rollout", "approve", "shop", "--reason=r"), EXIT_NEGATIVE);
    assert_has(c->fake->asked, "approve {\"actor\":\"bo\",\"reason\":\"r\",\"role\":\"approver\"}");
    assert_has(c->err, "cqed: nothing is asked for");
}

static void an_ended_rollout_is_told_at_once(void **state)
{
    struct console *c = *state;
    answer(c, "GET", "/cqed/v1/rollouts/shop", 200, ROLLOUT("succeeded", 1, 100, 1, FIRST), 0);
    answer(c, "GET", "/cqed/v1/rollouts/shop-1", 200, ROLLOUT("succeeded", 1, 100, 1, FIRST), 0);
    assert_int_equal(RUN(c, "rollout", "watch", "shop"), EXIT_DONE);
    assert_has(c->out, "advance     first step\n");
    assert_has(c->out, "shop v1 -> v2: succeeded at 100%, after 1m\n");
}

/* The other side of a watch, in the background. */
struct script {
    struct console *console;
    bool restart; /* and the rollout ends meanwhile */
};

static void send(struct fake *f, const char *event, const char *data)
{
    bool sent = false;
    while (!sent) {
        (void)pthread_mutex_lock(&f->lock);
        sent = f->stream && http_stream_send(f->stream, event, -1, str_from(data));
        (void)pthread_mutex_unlock(&f->lock);
        (void)usleep(10000);
    }
}

static void *play(void *arg)
{
    struct script *s = arg;
    struct console *c = s->console;
    struct fake *f = c->fake;
    send(f, "rollout", ROLLOUT("progressing", 0, 5, 1, ""));
    if (s->restart) {
        const char *address = c->server + strlen("http://");
        fake_stop(f);
        (void)usleep(1500000);
        fake_start(f, address);
    }
    (void)pthread_mutex_lock(&f->lock);
    f->n_answers = 0;
    (void)pthread_mutex_unlock(&f->lock);
    answer(c, "GET", "/cqed/v1/rollouts/shop-1", 200,
           ROLLOUT("rolled_back", 0, 0, 2, FIRST "," SECOND), 0);
    if (s->restart)
        return NULL;
    send(f, "rollout", "{\"id\":\"other\",\"state\":{\"decisions\":99}}");
    send(f, "rollout", ROLLOUT("rolled_back", 0, 0, 2, ""));
    return NULL;
}

static void watch(struct console *c, bool restart)
{
    struct script script = {c, restart};
    pthread_t other;
    answer(c, "GET", "/cqed/v1/rollouts/shop", 200, ROLLOUT("progressing", 0, 5, 1, FIRST), 0);
    answer(c, "GET", "/cqed/v1/rollouts/shop-1", 200, ROLLOUT("progressing", 0, 5, 1, FIRST), 0);
    assert_int_equal(pthread_create(&other, NULL, play, &script), 0);
    assert_int_equal(RUN(c, "rollout", "watch", "shop", "--timeout=30s"), EXIT_NEGATIVE);
    assert_int_equal(pthread_join(other, NULL), 0);
    const char *first = strstr(c->out, "first step"), *second = strstr(c->out, "harm is shown");
    assert_true(first && second && first < second);
    assert_null(strstr(first + 1, "first step"));
    assert_has(c->out, "shop v1 -> v2: rolled_back at 0%, after 1m\n");
}

static void a_watch_tells_each_decision_once(void **state)
{
    struct console *c = *state;
    watch(c, false);
    assert_lacks(c->out, "connection is lost");
}

static void a_watch_outlives_the_server(void **state)
{
    struct console *c = *state;
    watch(c, true);
    assert_has(c->out, "the connection is lost; trying again\n");
    assert_has(c->out, "connected again\n");
}

static void a_watch_can_have_enough(void **state)
{
    struct console *c = *state;
    answer(c, "GET", "/cqed/v1/rollouts/shop", 200, ROLLOUT("progressing", 0, 5, 1, FIRST), 0);
    answer(c, "GET", "/cqed/v1/rollouts/shop-1", 200, ROLLOUT("progressing", 0, 5, 1, FIRST), 0);
    assert_int_equal(RUN(c, "rollout", "watch", "shop", "--timeout=300ms"), EXIT_TIMED_OUT);
    assert_has(c->err, "rollout shop-1 is still live after 300ms");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, console_set_up, console_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_start_sends_what_was_said),
        TEST(a_start_is_checked_before_it_is_sent),
        TEST(a_dry_run_asks_for_nothing),
        TEST(acts_need_a_reason),
        TEST(acts_say_who_and_why),
        TEST(an_ended_rollout_is_told_at_once),
        TEST(a_watch_tells_each_decision_once),
        TEST(a_watch_outlives_the_server),
        TEST(a_watch_can_have_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
