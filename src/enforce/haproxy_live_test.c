/* The actuator against a real HAProxy on Unix sockets. Skipped where none is installed. */
#include "enforce/haproxy.h"

#include "base/file.h"
#include "io/unix_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[64], admin[80], front[80], cfg[80];
static pid_t proxy;

static const char *program(void)
{
    static const char *const places[] = {"/usr/sbin/haproxy", "/usr/local/sbin/haproxy",
                                         "/usr/bin/haproxy"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        if (access(places[i], X_OK) == 0)
            return places[i];
    }
    return NULL;
}

/* HAProxy gives its socket the final name before it listens. */
static bool answers(const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    (void)snprintf(at.sun_path, sizeof at.sun_path, "%s", path);
    assert_true(fd >= 0);
    bool done = connect(fd, (const struct sockaddr *)&at, sizeof at) == 0;
    (void)close(fd);
    return done;
}

static void start_proxy(void)
{
    const char *path = program();
    if (!path)
        return;
    proxy = fork();
    assert_true(proxy >= 0);
    if (proxy == 0) {
        if (!freopen("/dev/null", "w", stderr) || !freopen("/dev/null", "w", stdout))
            _exit(126);
        execl(path, "haproxy", "-db", "-f", cfg, (char *)NULL);
        _exit(127);
    }
    for (int i = 0; i < 1000 && !answers(admin); i++)
        usleep(10000);
    assert_true(answers(admin));
}

static void stop_proxy(void)
{
    if (proxy > 0) {
        (void)kill(proxy, SIGKILL);
        (void)waitpid(proxy, NULL, 0);
    }
    proxy = 0;
    (void)unlink(admin);
    (void)unlink(front);
}

static int setup(void **state)
{
    struct buf text = BUF_INIT;
    (void)state;
    if (!program())
        return 0;
    snprintf(folder, sizeof folder, "/tmp/cqed-haproxy-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(admin, sizeof admin, "%s/admin.sock", folder);
    snprintf(front, sizeof front, "%s/front.sock", folder);
    snprintf(cfg, sizeof cfg, "%s/haproxy.cfg", folder);
    buf_printf(
        &text,
        "global\n  stats socket %s level admin\n"
        "defaults\n  mode http\n  timeout connect 1s\n  timeout client 1s\n"
        "  timeout server 1s\n"
        "frontend front\n  bind unix@%s\n  default_backend shop\n"
        "backend shop\n  server s1 127.0.0.1:9 weight 100\n  server s2 127.0.0.1:9 weight 100\n"
        "  server c1 127.0.0.1:9 weight 0\n",
        admin, front);
    bool done = file_replace(cfg, buf_str(&text), 0600, NULL);
    buf_release(&text);
    if (!done)
        return -1;
    start_proxy();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (!program())
        return 0;
    stop_proxy();
    (void)unlink(cfg);
    return rmdir(folder);
}

/* One call on a loop of its own, and what came of it. */
struct call {
    struct loop *loop;
    struct exposure seen;
    char error[300];
    int times;
};

static void note(void *arg, const struct exposure *seen)
{
    struct call *c = arg;
    c->seen = *seen;
    (void)snprintf(c->error, sizeof c->error, "%s", seen->error);
    c->times++;
    loop_stop(c->loop);
}

/* pct NaN observes. */
static struct call call(const char *backend, const char *canary, double pct)
{
    struct call c = {.loop = loop_new(NULL)};
    struct err err = ERR_INIT;
    json_t *config = json_pack("{s:s, s:s, s:[s,s], s:s}", "socket", admin, "backend", backend,
                               "stable", "s1", "s2", "canary", canary);
    struct actuator *a = haproxy_ops.open(c.loop, NULL, config, &err);
    if (!a)
        fail_msg("%s", err.message);
    if (isnan(pct))
        haproxy_ops.observe(a, note, &c);
    else
        haproxy_ops.apply(a, pct, "shop-1/1/0", note, &c);
    loop_run(c.loop);
    assert_int_equal(c.times, 1);
    haproxy_ops.close(a);
    loop_free(c.loop);
    json_decref(config);
    return c;
}

static void expect_share(struct call c, double pct, bool capacity_ok)
{
    if (!c.seen.known)
        fail_msg("%s", c.error);
    assert_true(fabs(c.seen.observed_pct - pct) < 0.1);
    assert_int_equal(c.seen.capacity_ok, capacity_ok);
}

static void expect_unknown(struct call c, const char *error)
{
    assert_false(c.seen.known);
    if (!strstr(c.error, error))
        fail_msg("expected '%s', got '%s'", error, c.error);
}

static void ignore(void *arg, struct str answer, const struct err *err)
{
    (void)answer;
    assert_null(err);
    loop_stop(arg);
}

static void tell(const char *command)
{
    struct loop *loop = loop_new(NULL);
    (void)unix_exchange_start(loop, admin, str_from(command), 3000, ignore, loop);
    loop_run(loop);
    loop_free(loop);
}

static void needs_haproxy(void)
{
    if (!program())
        skip();
}

static void weights_are_set_and_seen(void **state)
{
    static const double steps[] = {1, 5, 25, 50, 100, 0};
    (void)state;
    needs_haproxy();
    expect_share(call("shop", "c1", (double)NAN), 0, true);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        expect_share(call("shop", "c1", steps[i]), steps[i], true);
        expect_share(call("shop", "c1", (double)NAN), steps[i], true);
    }
}

/* A restarted HAProxy has the weights of its file; the next apply repairs them. */
static void a_restart_forgets_and_is_repaired(void **state)
{
    (void)state;
    needs_haproxy();
    expect_share(call("shop", "c1", 25), 25, true);
    stop_proxy();
    expect_unknown(call("shop", "c1", 25), admin);
    start_proxy();
    expect_share(call("shop", "c1", (double)NAN), 0, true);
    expect_share(call("shop", "c1", 25), 25, true);
}

static void servers_that_are_away_count_for_nothing(void **state)
{
    (void)state;
    needs_haproxy();
    expect_share(call("shop", "c1", 50), 50, true);
    tell("disable server shop/s2\n");
    expect_share(call("shop", "c1", (double)NAN), 100.0 * 2 / 3, false);
    tell("set server shop/s1 state drain\n");
    expect_share(call("shop", "c1", (double)NAN), 100, false);
    tell("disable server shop/c1\n");
    expect_unknown(call("shop", "c1", (double)NAN), "no server of either arm can take traffic");
    tell("enable server shop/s2; enable server shop/c1; set server shop/s1 state ready\n");
    expect_share(call("shop", "c1", (double)NAN), 50, true);
}

static void what_haproxy_does_not_know_is_named(void **state)
{
    (void)state;
    needs_haproxy();
    expect_unknown(call("cart", "c1", 5), "backend 'cart'");
    expect_unknown(call("shop", "c9", (double)NAN), "no server 'c9'");
    expect_share(call("shop", "c1", 50), 50, true);
    expect_unknown(call("shop", "c9", 0), "no server 'c9'");
    expect_share(call("shop", "c1", (double)NAN), 50, true); /* and nothing was set */
}

static void mistakes_in_the_policy_are_told(void **state)
{
    static const struct {
        const char *config, *message;
    } cases[] = {
        {"{\"backend\":\"shop\",\"stable\":\"s1\",\"canary\":\"c1\"}", "socket is required"},
        {"{\"socket\":\"/s\",\"stable\":\"s1\",\"canary\":\"c1\"}", "backend must be"},
        {"{\"socket\":\"/s\",\"backend\":\"a;b\",\"stable\":\"s1\",\"canary\":\"c1\"}",
         "backend must be"},
        {"{\"socket\":\"/s\",\"backend\":\"shop\",\"stable\":[],\"canary\":\"c1\"}",
         "traffic.haproxy.stable is empty"},
        {"{\"socket\":\"/s\",\"backend\":\"shop\",\"stable\":\"s1\",\"canary\":\"c1\\nshow\"}",
         "traffic.haproxy.canary must name servers"},
        {"{\"socket\":\"/s\",\"backend\":\"shop\",\"stable\":\"s1\",\"canery\":\"c1\"}",
         "unknown key 'canery'; did you mean 'canary'?"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena arena = ARENA_INIT;
        struct err err = ERR_INIT;
        json_t *config = json_parse(&arena, str_from(cases[i].config), &err);
        assert_non_null(config);
        assert_null(haproxy_ops.open(NULL, NULL, config, &err));
        if (!strstr(err.message, cases[i].message))
            fail_msg("expected '%s', got '%s'", cases[i].message, err.message);
        arena_release(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(weights_are_set_and_seen, setup, teardown),
        cmocka_unit_test_setup_teardown(a_restart_forgets_and_is_repaired, setup, teardown),
        cmocka_unit_test_setup_teardown(servers_that_are_away_count_for_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(what_haproxy_does_not_know_is_named, setup, teardown),
        cmocka_unit_test(mistakes_in_the_policy_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
