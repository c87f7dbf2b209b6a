#include "enforce/webhook.h"

#include "io/http_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>

/* A target that keeps one weight, and what it was last told. */
struct target {
    struct http_server *server;
    const char *answer; /* instead of the weight; NULL */
    int status;
    double weight;
    int puts;
    char intent[64], authorization[64];
};

static void answer(struct target *t, struct http_response *response)
{
    response->status = t->status;
    if (t->answer)
        buf_add_cstr(&response->body, t->answer);
    else
        buf_printf(&response->body, "{\"weight\": %g, \"capacityOk\": false}", t->weight);
}

static void get(void *context, struct http_request *request, struct http_response *response)
{
    struct target *t = context;
    const char *authorization = http_header(request, "Authorization");
    (void)snprintf(t->authorization, sizeof t->authorization, "%s",
                   authorization ? authorization : "");
    answer(t, response);
}

static void put(void *context, struct http_request *request, struct http_response *response)
{
    struct target *t = context;
    json_t *body = json_parse(request->arena, request->body, NULL);
    t->weight = json_get_double(body, "weight", -1);
    (void)snprintf(t->intent, sizeof t->intent, "%s", json_get_cstr(body, "intent", ""));
    t->puts++;
    answer(t, response);
}

static void start(struct target *t)
{
    static const struct http_route routes[] = {{"GET", "/weight", get, 0},
                                               {"PUT", "/weight", put, 0}};
    struct http_server_options options = {
        .listen = "127.0.0.1:0", .routes = routes, .n_routes = 2, .context = t, .threads = 1};
    *t = (struct target){.server = http_server_start(&options, NULL), .status = 200};
    assert_non_null(t->server);
}

struct call {
    struct loop *loop;
    struct exposure seen;
    char error[300];
};

static void note(void *arg, const struct exposure *seen)
{
    struct call *c = arg;
    c->seen = *seen;
    (void)snprintf(c->error, sizeof c->error, "%s", seen->error);
    loop_stop(c->loop);
}

static struct call call(uint16_t port, double pct)
{
    char url[64];
    struct call c = {.loop = loop_new(NULL)};
    struct http_client *client = http_client_new(c.loop);
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/weight", port);
    char token_path[] = "/tmp/cqed-token-XXXXXX";
    int fd = mkstemp(token_path);
    assert_true(fd >= 0 && write(fd, "t0\n", 3) == 3 && close(fd) == 0);
    json_t *config =
        json_pack("{s:s, s:s, s:s}", "url", url, "timeout", "2s", "bearerTokenFile", token_path);
    struct actuator *a = webhook_ops.open(c.loop, client, config, NULL);
    assert_non_null(a);
    (void)unlink(token_path);
    if (isnan(pct))
        webhook_ops.observe(a, note, &c);
    else
        webhook_ops.apply(a, pct, "shop-1/3/0", note, &c);
    loop_run(c.loop);
    webhook_ops.close(a);
    http_client_free(client);
    loop_free(c.loop);
    json_decref(config);
    return c;
}

static void never(void *arg, const struct exposure *seen)
{
    (void)arg, (void)seen;
    fail_msg("an abandoned call was heard of");
}

static void an_abandoned_call_gives_way_to_the_next(void **state)
{
    struct target t;
    char url[64];
    (void)state;
    start(&t);
    struct call c = {.loop = loop_new(NULL)};
    struct http_client *client = http_client_new(c.loop);
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u/weight", http_server_port(t.server));
    json_t *config = json_pack("{s:s}", "url", url);
    struct actuator *a = webhook_ops.open(c.loop, client, config, NULL);
    assert_non_null(a);
    webhook_ops.abandon(a); /* nothing is under way */
    webhook_ops.apply(a, 25, "shop-1/2/0", never, NULL);
    webhook_ops.abandon(a);
    webhook_ops.apply(a, 10, "shop-1/3/0", note, &c);
    loop_run(c.loop);
    assert_true(c.seen.known && c.seen.observed_pct == 10);
    assert_string_equal(t.intent, "shop-1/3/0");
    webhook_ops.close(a);
    http_client_free(client);
    loop_free(c.loop);
    json_decref(config);
    http_server_stop(t.server);
}

static void a_weight_is_put_once_and_seen(void **state)
{
    struct target t;
    (void)state;
    start(&t);
    uint16_t port = http_server_port(t.server);
    struct call c = call(port, (double)NAN);
    assert_true(c.seen.known && c.seen.observed_pct == 0.0 && !c.seen.capacity_ok);
    assert_int_equal(t.puts, 0);
    assert_string_equal(t.authorization, "Bearer t0");
    c = call(port, 33.5);
    assert_true(c.seen.known && c.seen.observed_pct == 33.5);
    assert_string_equal(t.intent, "shop-1/3/0");
    c = call(port, 33.5);
    assert_int_equal(t.puts, 1);
    t.weight = 50; /* somebody else moved it */
    c = call(port, 33.5);
    assert_true(c.seen.observed_pct == 33.5);
    assert_int_equal(t.puts, 2);
    http_server_stop(t.server);
}

static void answers_that_say_nothing_are_unknown(void **state)
{
    static const struct {
        int status;
        const char *answer, *error;
    } cases[] = {
        {500, "{\"weight\": 5}", "500"},
        {200, "fine", "JSON"},
        {200, "{\"weight\": 101}", "from 0 to 100"},
        {200, "{\"weight\": \"5\"}", "from 0 to 100"},
        {200, "{}", "from 0 to 100"},
    };
    struct target t;
    (void)state;
    start(&t);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        t.status = cases[i].status;
        t.answer = cases[i].answer;
        struct call c = call(http_server_port(t.server), 5);
        assert_false(c.seen.known);
        if (!strstr(c.error, cases[i].error))
            fail_msg("expected '%s', got '%s'", cases[i].error, c.error);
    }
    assert_int_equal(t.puts, 0);
    uint16_t port = http_server_port(t.server);
    http_server_stop(t.server);
    struct call c = call(port, 5);
    assert_false(c.seen.known);
    assert_true(strlen(c.error) > 0);
}

static void mistakes_in_the_policy_are_told(void **state)
{
    static const struct {
        const char *config, *message;
    } cases[] = {
        {"{}", "url '' is not an http or https URL"},
        {"{\"url\":\"ftp://x\"}", "url 'ftp://x' is not"},
        {"{\"url\":\"http://x\",\"timeout\":\"soon\"}", "timeout 'soon' is not a duration"},
        {"{\"url\":\"http://x\",\"timeout\":\"0\"}", "timeout '0' is not a duration"},
        {"{\"url\":\"http://x\",\"token\":\"t\"}", "unknown key 'token'"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena arena = ARENA_INIT;
        struct err err = ERR_INIT;
        json_t *config = json_parse(&arena, str_from(cases[i].config), &err);
        assert_null(webhook_ops.open(NULL, NULL, config, &err));
        if (!strstr(err.message, cases[i].message))
            fail_msg("expected '%s', got '%s'", cases[i].message, err.message);
        arena_release(&arena);
    }
}

static void kinds_are_found_by_name(void **state)
{
    (void)state;
    assert_ptr_equal(actuator_find("webhook"), &webhook_ops);
    assert_non_null(actuator_find("haproxy"));
    assert_null(actuator_find("envoy"));
}

static void a_token_that_cannot_be_read_is_named(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    json_t *config = json_pack("{s:s, s:s}", "url", "http://127.0.0.1:9/w", "bearerTokenFile",
                               "/nonexistent/token");
    assert_null(webhook_ops.open(NULL, NULL, config, &err));
    assert_non_null(strstr(err.message, "bearerTokenFile"));
    assert_non_null(strstr(err.message, "/nonexistent/token"));
    json_decref(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_weight_is_put_once_and_seen),
        cmocka_unit_test(an_abandoned_call_gives_way_to_the_next),
        cmocka_unit_test(answers_that_say_nothing_are_unknown),
        cmocka_unit_test(mistakes_in_the_policy_are_told),
        cmocka_unit_test(kinds_are_found_by_name),
        cmocka_unit_test(a_token_that_cannot_be_read_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
