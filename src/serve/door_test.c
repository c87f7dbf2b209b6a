/* What is said while the store recovers. */
#include "io/http_client.h"
#include "serve/serve.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void expect(struct http_server *door, const char *path, bool post, int status,
                   const char *part)
{
    struct arena arena = ARENA_INIT;
    struct http_answer answer;
    struct err err = ERR_INIT;
    struct http_fetch fetch = {
        .url = arena_printf(&arena, "http://127.0.0.1:%u%s", http_server_port(door), path)};
    if (post)
        fetch.body = STR("x");
    assert_true(http_fetch_sync(&arena, &fetch, &answer, &err));
    assert_int_equal(answer.status, status);
    assert_non_null(memmem(answer.body.p, answer.body.n, part, strlen(part)));
    arena_release(&arena);
}

static void test_door(void **state)
{
    struct err err = ERR_INIT;
    (void)state;
    struct http_server *door = serve_door_open("127.0.0.1:0", &err);
    assert_non_null(door);
    expect(door, "/-/healthy", false, 200, "healthy");
    expect(door, "/-/ready", false, 503, "recovering");
    expect(door, "/", false, 503, "recovering");
    expect(door, "/api/v1/query?query=1", false, 503, "\"errorType\":\"unavailable\"");
    expect(door, "/api/v1/write", true, 503, "recovering");
    http_server_stop(door);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_door)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
