#include "io/unix_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct outcome {
    struct loop *loop;
    char answer[64];
    enum err_code code;
    int times;
};

static void note(void *arg, struct str answer, const struct err *err)
{
    struct outcome *o = arg;
    (void)snprintf(o->answer, sizeof o->answer, STR_FMT, STR_ARG(answer));
    o->code = err ? err->code : ERR_NONE;
    o->times++;
    loop_stop(o->loop);
}

static int listen_on(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fd, 1), 0);
    return fd;
}

/* Answers one exchange with "got " and what it read. */
static void *answer_once(void *arg)
{
    char text[64];
    int fd = accept(*(int *)arg, NULL, NULL);
    ssize_t n = read(fd, text, sizeof text);
    assert_true(n > 0);
    assert_int_equal(write(fd, "got ", 4), 4);
    assert_int_equal(write(fd, text, (size_t)n), n);
    (void)close(fd);
    return NULL;
}

static struct outcome exchange(const char *path, int64_t timeout_ms)
{
    struct outcome o = {.loop = loop_new(NULL)};
    (void)unix_exchange_start(o.loop, path, STR("show info\n"), timeout_ms, note, &o);
    loop_run(o.loop);
    loop_free(o.loop);
    return o;
}

static void reads_until_the_peer_closes(void **state)
{
    char folder[] = "/tmp/cqed-unix-XXXXXX", path[64];
    pthread_t thread;
    (void)state;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/s", folder);
    int fd = listen_on(path);
    assert_int_equal(pthread_create(&thread, NULL, answer_once, &fd), 0);
    struct outcome o = exchange(path, 5000);
    (void)pthread_join(thread, NULL);
    assert_int_equal(o.code, ERR_NONE);
    assert_string_equal(o.answer, "got show info\n");
    assert_int_equal(o.times, 1);
    (void)close(fd);

    /* The file is still there, but nobody listens; then it is gone. */
    assert_int_equal(exchange(path, 1000).code, ERR_UNREACHABLE);
    (void)unlink(path);
    assert_int_equal(exchange(path, 1000).code, ERR_UNREACHABLE);
    (void)rmdir(folder);
}

static void a_silent_peer_times_out(void **state)
{
    char folder[] = "/tmp/cqed-unix-XXXXXX", path[64];
    (void)state;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/s", folder);
    int fd = listen_on(path);
    assert_int_equal(exchange(path, 50).code, ERR_TIMEOUT);
    (void)close(fd);
    (void)unlink(path);
    (void)rmdir(folder);
}

static void a_path_that_fits_no_socket_is_told(void **state)
{
    char path[200];
    (void)state;
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    assert_int_equal(exchange(path, 50).code, ERR_UNREACHABLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_until_the_peer_closes),
        cmocka_unit_test(a_silent_peer_times_out),
        cmocka_unit_test(a_path_that_fits_no_socket_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
