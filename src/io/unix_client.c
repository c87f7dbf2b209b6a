#include "io/unix_client.h"

#include "base/buf.h"

#include <stdlib.h>
#include <sys/un.h>

#define MAX_ANSWER_BYTES ((size_t)4 << 20)
#define READ_BYTES 65536

struct unix_exchange {
    uv_pipe_t pipe;
    uv_timer_t timer;
    uv_connect_t connect;
    uv_write_t write;
    int open_handles;
    char *path;
    struct buf request, answer;
    int64_t timeout_ms;
    void (*done)(void *arg, struct str answer, const struct err *err); /* NULL once told */
    void *arg;
    char chunk[READ_BYTES];
};

static void closed(uv_handle_t *handle)
{
    struct unix_exchange *x = handle->data;
    if (--x->open_handles > 0)
        return;
    buf_release(&x->request);
    buf_release(&x->answer);
    free(x->path);
    free(x);
}

static void close_all(struct unix_exchange *x)
{
    if (!uv_is_closing((uv_handle_t *)&x->pipe))
        uv_close((uv_handle_t *)&x->pipe, closed);
    if (!uv_is_closing((uv_handle_t *)&x->timer))
        uv_close((uv_handle_t *)&x->timer, closed);
}

static void finish(struct unix_exchange *x, const struct err *err)
{
    void (*done)(void *, struct str, const struct err *) = x->done;
    if (!done)
        return;
    x->done = NULL;
    close_all(x);
    done(x->arg, err ? STR("") : buf_str(&x->answer), err);
}

static void fail(struct unix_exchange *x, enum err_code code, const char *what)
{
    struct err err = ERR_INIT;
    err_set(&err, code, "socket %s: %s", x->path, what);
    finish(x, &err);
}

static void timed_out(uv_timer_t *timer)
{
    struct unix_exchange *x = timer->data;
    struct err err = ERR_INIT;
    err_set(&err, ERR_TIMEOUT, "socket %s: no answer within %lld ms", x->path,
            (long long)x->timeout_ms);
    finish(x, &err);
}

static void give_room(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    struct unix_exchange *x = handle->data;
    (void)suggested;
    *out = uv_buf_init(x->chunk, sizeof x->chunk);
}

static void was_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *chunk)
{
    struct unix_exchange *x = stream->data;
    if (n == UV_EOF)
        finish(x, NULL);
    else if (n < 0)
        fail(x, ERR_UNREACHABLE, uv_strerror((int)n));
    else if (x->answer.n + (size_t)n > MAX_ANSWER_BYTES)
        fail(x, ERR_LIMIT, "the answer is over 4 MiB");
    else
        buf_add(&x->answer, chunk->base, (size_t)n);
}

static void was_written(uv_write_t *write, int status)
{
    struct unix_exchange *x = write->data;
    if (x->done && status != 0)
        fail(x, ERR_UNREACHABLE, uv_strerror(status));
}

static void connected(uv_connect_t *connect, int status)
{
    struct unix_exchange *x = connect->data;
    if (!x->done)
        return;
    if (status != 0) {
        fail(x, ERR_UNREACHABLE, uv_strerror(status));
        return;
    }
    uv_buf_t out = uv_buf_init(x->request.p, (unsigned)x->request.n);
    x->write.data = x;
    status = uv_write(&x->write, (uv_stream_t *)&x->pipe, &out, 1, was_written);
    if (status == 0)
        status = uv_read_start((uv_stream_t *)&x->pipe, give_room, was_read);
    if (status != 0)
        fail(x, ERR_UNREACHABLE, uv_strerror(status));
}

/* A failure before anything was started is told from the loop too, never from within start. */
static void too_long(uv_timer_t *timer)
{
    fail(timer->data, ERR_UNREACHABLE, "the path is too long for a socket");
}

struct unix_exchange *
unix_exchange_start(struct loop *l, const char *path, struct str request, int64_t timeout_ms,
                    void (*done)(void *arg, struct str answer, const struct err *err), void *arg)
{
    struct unix_exchange *x = calloc(1, sizeof *x);
    if (!x || !(x->path = strdup(path)))
        check_no_memory(sizeof *x);
    x->timeout_ms = timeout_ms;
    x->done = done;
    x->arg = arg;
    buf_add_str(&x->request, request);
    CHECK(uv_pipe_init(loop_uv(l), &x->pipe, 0) == 0);
    CHECK(uv_timer_init(loop_uv(l), &x->timer) == 0);
    x->pipe.data = x->timer.data = x->connect.data = x;
    x->open_handles = 2;
    bool fits = strlen(path) < sizeof((struct sockaddr_un *)0)->sun_path;
    CHECK(uv_timer_start(&x->timer, fits ? timed_out : too_long, fits ? (uint64_t)timeout_ms : 0,
                         0) == 0);
    if (fits)
        uv_pipe_connect(&x->connect, &x->pipe, path, connected);
    return x;
}

void unix_exchange_cancel(struct unix_exchange *x)
{
    x->done = NULL;
    close_all(x);
}
