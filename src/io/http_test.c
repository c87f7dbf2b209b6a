/* Our client against our server: each tests the other, over real sockets. */
#include "io/http_client.h"
#include "io/http_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void echo(void *context, struct http_request *request, struct http_response *response)
{
    const char *const *values;
    size_t n = http_params(request, "v", &values);
    (void)context;
    buf_printf(&response->body, "%s %s name=%s n=%zu", request->method, request->path,
               http_capture(request, "name"), n);
    for (size_t i = 0; i < n; i++)
        buf_printf(&response->body, " %s", values[i]);
    buf_printf(&response->body, " body=" STR_FMT, STR_ARG(request->body));
}

static void large(void *context, struct http_request *request, struct http_response *response)
{
    (void)context;
    (void)request;
    for (int i = 0; i < 100000; i++)
        buf_add_cstr(&response->body, "0123456789");
}

static struct http_stream *open_stream;

static void stream(void *context, struct http_request *request, struct http_response *response)
{
    (void)context;
    open_stream = http_respond_stream(request, response);
    assert_true(http_stream_send(open_stream, "first", 7, STR("{\"a\":1}")));
    assert_true(http_stream_send(open_stream, NULL, -1, STR("two\nlines")));
}

static const struct http_route routes[] = {
    {"GET", "/echo/:name", echo, 0},
    {"POST", "/echo/:name", echo, 64},
    {"GET", "/large", large, 0},
    {"GET", "/stream", stream, 0},
};

static struct http_server *start(const char *listen_on, struct err *err)
{
    struct http_server_options options = {
        .listen = listen_on, .routes = routes, .n_routes = sizeof routes / sizeof *routes};
    return http_server_start(&options, err);
}

struct fixture {
    struct http_server *server;
    struct arena arena;
    char base[64];
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    if (!f)
        return -1;
    f->server = start("127.0.0.1:0", NULL);
    assert_non_null(f->server);
    (void)snprintf(f->base, sizeof f->base, "http://127.0.0.1:%d", http_server_port(f->server));
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    http_server_stop(f->server);
    arena_release(&f->arena);
    free(f);
    return 0;
}

static struct http_answer fetch(struct fixture *f, struct http_fetch request, const char *path)
{
    struct http_answer answer;
    struct err err = ERR_INIT;
    request.url = arena_printf(&f->arena, "%s%s", f->base, path);
    if (!http_fetch_sync(&f->arena, &request, &answer, &err))
        fail_msg("%s", err.message);
    return answer;
}

static void routes_capture_and_parameters_repeat(void **state)
{
    struct http_answer a = fetch(*state, (struct http_fetch){0}, "/echo/ann?v=1&v=a%20b&w=3");
    assert_int_equal(a.status, 200);
    assert_string_equal(a.body.p, "GET /echo/ann name=ann n=2 1 a b body=");
}

static void forms_are_parameters_too(void **state)
{
    static const char *const headers[] = {"Content-Type: application/x-www-form-urlencoded", NULL};
    struct http_fetch f = {.headers = headers, .body = STR("v=x%2By&v=p+q")};
    assert_string_equal(fetch(*state, f, "/echo/bob").body.p,
                        "POST /echo/bob name=bob n=2 x+y p q body=v=x%2By&v=p+q");
}

static void bodies_are_bounded(void **state)
{
    char big[200];
    memset(big, 'x', sizeof big);
    struct http_fetch f = {.body = str_make(big, sizeof big)};
    assert_int_equal(fetch(*state, f, "/echo/eve").status, 413);
    f.body.n = 64;
    assert_int_equal(fetch(*state, f, "/echo/eve").status, 200);
}

static void encodings_that_nobody_knows_are_told(void **state)
{
    static const char *const br[] = {"Content-Encoding: br", NULL};
    static const char *const snappy[] = {"Content-Encoding: snappy", NULL};
    assert_int_equal(
        fetch(*state, (struct http_fetch){.headers = br, .body = STR("v=1")}, "/echo/x").status,
        415);
    assert_int_equal(
        fetch(*state, (struct http_fetch){.headers = snappy, .body = STR("v=1")}, "/echo/x").status,
        200); /* the handler's */
}

static void unknown_paths_and_methods_are_told_apart(void **state)
{
    assert_int_equal(fetch(*state, (struct http_fetch){0}, "/nothing").status, 404);
    assert_int_equal(fetch(*state, (struct http_fetch){.method = "PUT"}, "/echo/x").status, 405);
}

static void other_origins_cannot_change_anything(void **state)
{
    static const char *const headers[] = {"Origin: http://evil.example", NULL};
    struct http_fetch f = {.headers = headers, .body = STR("v=1")};
    assert_int_equal(fetch(*state, f, "/echo/x").status, 403);
}

static void answers_are_compressed_and_bounded(void **state)
{
    struct fixture *f = *state;
    struct http_answer a = fetch(f, (struct http_fetch){.accept_compressed = true}, "/large");
    struct err err = ERR_INIT;
    assert_int_equal(a.body.n, 1000000);
    struct http_fetch request = {.url = arena_printf(&f->arena, "%s/large", f->base),
                                 .max_body_bytes = 1000};
    assert_false(http_fetch_sync(&f->arena, &request, &a, &err));
    assert_int_equal(err.code, ERR_LIMIT);
}

struct events {
    struct buf text;
    int n;
};

static bool take_event(void *arg, struct str event, struct str data)
{
    struct events *e = arg;
    buf_printf(&e->text, "[" STR_FMT "|" STR_FMT "]", STR_ARG(event), STR_ARG(data));
    return ++e->n < 2;
}

static void events_arrive_in_order(void **state)
{
    struct fixture *f = *state;
    struct events events = {BUF_INIT, 0};
    struct http_fetch request = {.url = arena_printf(&f->arena, "%s/stream", f->base)};
    assert_true(http_stream_events(&request, take_event, &events, NULL));
    assert_string_equal(events.text.p, "[first|{\"a\":1}][|twolines]");
    buf_release(&events.text);
    http_stream_close(open_stream);
}

static void a_used_port_and_a_public_address_are_explained(void **state)
{
    struct fixture *f = *state;
    struct err err = ERR_INIT;
    char used[32];
    (void)snprintf(used, sizeof used, "127.0.0.1:%d", http_server_port(f->server));
    assert_null(start(used, &err));
    assert_int_equal(err.code, ERR_CONFLICT);
    assert_non_null(strstr(err.message, used));
    assert_null(start("0.0.0.0:0", &err));
    assert_int_equal(err.code, ERR_DENIED);
    assert_null(start("nonsense", &err));
    assert_int_equal(err.code, ERR_BAD_INPUT);
}

struct async_outcome {
    struct loop *loop;
    int done, status;
    struct err err;
};

static void async_done(void *arg, const struct http_answer *answer, const struct err *err)
{
    struct async_outcome *o = arg;
    o->status = answer ? answer->status : 0;
    if (err)
        o->err = *err;
    if (++o->done == 3)
        loop_stop(o->loop);
}

static void the_loop_fetches_side_by_side(void **state)
{
    struct fixture *f = *state;
    struct async_outcome good = {.loop = loop_new(NULL)};
    struct http_client *client = http_client_new(good.loop);
    struct http_fetch request = {.url = arena_printf(&f->arena, "%s/echo/a", f->base)};
    for (int i = 0; i < 3; i++)
        assert_non_null(http_fetch_start(client, &request, async_done, &good));
    http_cancel(http_fetch_start(client, &request, async_done, &good));
    loop_run(good.loop);
    assert_int_equal(good.done, 3);
    assert_int_equal(good.status, 200);
    http_client_free(client);
    loop_free(good.loop);
}

static void nobody_there_is_unreachable(void **state)
{
    struct async_outcome o = {.loop = loop_new(NULL), .done = 2};
    struct http_client *client = http_client_new(o.loop);
    struct http_fetch request = {.url = "http://127.0.0.1:1/"};
    (void)state;
    (void)http_fetch_start(client, &request, async_done, &o);
    loop_run(o.loop);
    assert_int_equal(o.err.code, ERR_UNREACHABLE);
    assert_string_equal(o.err.message, "connect to 127.0.0.1:1 refused");
    http_client_free(client);
    loop_free(o.loop);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(routes_capture_and_parameters_repeat),
        WITH_SERVER(forms_are_parameters_too),
        WITH_SERVER(bodies_are_bounded),
        WITH_SERVER(encodings_that_nobody_knows_are_told),
        WITH_SERVER(unknown_paths_and_methods_are_told_apart),
        WITH_SERVER(other_origins_cannot_change_anything),
        WITH_SERVER(answers_are_compressed_and_bounded),
        WITH_SERVER(events_arrive_in_order),
        WITH_SERVER(a_used_port_and_a_public_address_are_explained),
        WITH_SERVER(the_loop_fetches_side_by_side),
        cmocka_unit_test(nobody_there_is_unreachable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
