/* The page as a browser gets it: over a real socket, so that headers and compression are those that
 * go out. */
#include "io/http_client.h"
#include "serve/internal.h"
#include "serve/web_assets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct http_route routes[] = {
    {"GET", "/", handle_page, 0},
    {"GET", "/*", handle_page, 0},
};

struct fixture {
    struct http_server *server;
    struct arena arena;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct http_server_options options = {
        .listen = "127.0.0.1:0", .routes = routes, .n_routes = sizeof routes / sizeof *routes};
    if (!f)
        return -1;
    f->server = http_server_start(&options, NULL);
    assert_non_null(f->server);
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

/* Everything that comes back, with its headers. */
static const char *talk(struct fixture *f, const char *path, const char *header)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(http_server_port(f->server)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct buf answer = BUF_INIT;
    char chunk[4096];
    ssize_t n;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    const char *text =
        arena_printf(&f->arena, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s\r\n",
                     path, header);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    while ((n = read(fd, chunk, sizeof chunk)) > 0)
        buf_add(&answer, chunk, (size_t)n);
    (void)close(fd);
    char *copy = arena_strdup(&f->arena, buf_str(&answer).n ? answer.p : "");
    buf_release(&answer);
    return copy;
}

static const struct web_asset *asset_of(const char *path)
{
    for (size_t i = 0; i < web_n_assets; i++) {
        if (strcmp(web_assets[i].path, path) == 0)
            return &web_assets[i];
    }
    fail_msg("%s is not in the program", path);
    return &web_assets[0]; /* not reached */
}

static struct http_answer fetch(struct fixture *f, const char *path, bool compressed)
{
    struct http_answer answer;
    struct err err = ERR_INIT;
    struct http_fetch request = {.accept_compressed = compressed};
    request.url =
        arena_printf(&f->arena, "http://127.0.0.1:%d%s", http_server_port(f->server), path);
    if (!http_fetch_sync(&f->arena, &request, &answer, &err))
        fail_msg("%s", err.message);
    return answer;
}

static void root_is_the_page(void **state)
{
    struct http_answer a = fetch(*state, "/", true);
    assert_int_equal(a.status, 200);
    assert_true(str_eq(a.content_type, STR("text/html; charset=utf-8")));
    assert_memory_equal(a.body.p, "<!doctype html>", 15);
}

static void every_file_is_the_same_with_and_without_gzip(void **state)
{
    assert_in_range(web_n_assets, 4, 20);
    for (size_t i = 0; i < web_n_assets; i++) {
        struct http_answer packed = fetch(*state, web_assets[i].path, true);
        struct http_answer plain = fetch(*state, web_assets[i].path, false);
        assert_int_equal(packed.status, 200);
        assert_true(plain.body.n > web_assets[i].gzip_bytes);
        assert_true(str_eq(packed.body, plain.body));
        assert_true(str_eq(plain.content_type, str_from(web_assets[i].content_type)));
    }
}

static void what_the_page_names_is_in_the_program(void **state)
{
    struct http_answer a = fetch(*state, "/", true);
    static const char *const names[] = {"/app.js", "/app.css", "/theme.js", "/favicon.svg"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        (void)asset_of(names[i]);
        assert_non_null(
            strstr(a.body.p, arena_printf(&((struct fixture *)*state)->arena, "\"%s\"", names[i])));
    }
}

/* The policy would stop it, and then the page would be broken. */
static void nothing_is_inline_or_from_elsewhere(void **state)
{
    const char *page = fetch(*state, "/", true).body.p;
    static const char *const banned[] = {"<script>", "<style", " style=", " onclick=", "://"};
    for (size_t i = 0; i < sizeof banned / sizeof *banned; i++)
        assert_null(strstr(page, banned[i]));
}

static void the_policy_goes_out_with_every_file(void **state)
{
    for (size_t i = 0; i < web_n_assets; i++) {
        const char *answer = talk(*state, web_assets[i].path, "");
        assert_non_null(strstr(answer, "HTTP/1.1 200 OK\r\n"));
        assert_non_null(strstr(answer, "Content-Security-Policy: default-src 'none'; "));
        assert_null(strstr(answer, "unsafe"));
        assert_non_null(strstr(answer, "X-Content-Type-Options: nosniff\r\n"));
        assert_non_null(strstr(answer, "Vary: Accept-Encoding\r\n"));
    }
}

static void a_known_file_is_not_sent_again(void **state)
{
    struct fixture *f = *state;
    const char *etag = asset_of("/app.js")->etag;
    const char *known = arena_printf(&f->arena, "If-None-Match: %s\r\n", etag);
    const char *same = talk(f, "/app.js", known);
    assert_non_null(strstr(same, "HTTP/1.1 304 "));
    assert_null(strstr(same, "function"));
    const char *changed = talk(f, "/app.js", "If-None-Match: \"0000000000000000\"\r\n");
    assert_non_null(strstr(changed, "HTTP/1.1 200 OK\r\n"));
    assert_non_null(strstr(changed, etag));
}

static void other_paths_say_what_is_not_there(void **state)
{
    static const char *const paths[] = {"/nothing", "/app.js/", "/../etc/passwd", "/%2e%2e/x"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        assert_non_null(strstr(talk(*state, paths[i], ""), "HTTP/1.1 404 "));
    struct http_answer a = fetch(*state, "/nothing", false);
    assert_non_null(strstr(a.body.p, "there is nothing at '/nothing'"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(root_is_the_page, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_file_is_the_same_with_and_without_gzip, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_the_page_names_is_in_the_program, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_is_inline_or_from_elsewhere, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_policy_goes_out_with_every_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_known_file_is_not_sent_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(other_paths_say_what_is_not_there, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
