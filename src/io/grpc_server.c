/* The connections of a gRPC server, on a loop and a thread of their own.
 *
 *     accepted -> open (reads, writes, jobs) -> ending (what is queued goes out) -> closed -> freed
 *
 * A connection is freed when its socket is closed and none of its jobs is under way. */
#include "io/grpc.h"

#include "base/budget.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "codec/compress.h"
#include "io/grpc_session.h"
#include "io/listen.h"
#include "io/tls_stream.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#define DEFAULT_MAX_MESSAGE ((size_t)4 << 20)
#define DEFAULT_MAX_PENDING ((size_t)256 << 20)
#define DEFAULT_IDLE_MS INT64_C(600000)
#define BEGIN_MS INT64_C(10000) /* for TLS's handshake and HTTP/2's preface */
#define WRITE_MS INT64_C(30000) /* for a client to read */
#define STOP_MS INT64_C(5000)
#define WATCH_MS 1000
#define READ_BYTES 65536

struct connection {
    struct connection *next, *previous;
    struct grpc_server *server;
    uv_tcp_t tcp;
    struct grpc_session *session;
    struct tls_stream *tls; /* NULL = plain */
    uv_write_t write;
    struct buf sending; /* under way when writing_since_ms > 0 */
    int64_t writing_since_ms;
    int64_t opened_ms, active_ms; /* active: when a call was last under way */
    size_t jobs;
    bool ending, closed;
};

struct grpc_server {
    struct grpc_server_options o;
    struct grpc_session_options session;
    struct tls_identity *identity;
    uint16_t port;
    pthread_t thread;
    uv_loop_t loop;
    uv_tcp_t listener;
    uv_async_t wake;
    uv_timer_t watch;
    _Atomic bool stopping;
    _Atomic size_t pending_bytes;
    int64_t stop_ms; /* when everything must be closed; 0 = not stopping */
    struct connection *connections;
    unsigned n_connections;
    char read_buffer[READ_BYTES]; /* one read at a time */
};

struct job {
    uv_work_t work;
    struct connection *connection;
    struct grpc_call call;
    struct arena arena;
    struct grpc_response response;
};

static int64_t now_ms(void)
{
    return clock_mono_ns() / 1000000;
}

/* --- The end of a connection --- */

static void free_if_over(struct connection *c)
{
    if (!c->closed || c->jobs > 0)
        return;
    struct grpc_server *s = c->server;
    if (c->previous)
        c->previous->next = c->next;
    else
        s->connections = c->next;
    if (c->next)
        c->next->previous = c->previous;
    s->n_connections--;
    free(c);
}

static void socket_closed(uv_handle_t *handle)
{
    struct connection *c = handle->data;
    grpc_session_free(c->session);
    c->session = NULL;
    tls_stream_free(c->tls);
    buf_release(&c->sending);
    c->closed = true;
    free_if_over(c);
}

static void close_connection(struct connection *c)
{
    if (!uv_is_closing((uv_handle_t *)&c->tcp))
        uv_close((uv_handle_t *)&c->tcp, socket_closed);
}

/* --- Out --- */

static void send_more(struct connection *);

static void written(uv_write_t *write, int status)
{
    struct connection *c = write->data;
    c->writing_since_ms = 0;
    if (status < 0)
        close_connection(c);
    else
        send_more(c);
}

/* What the session has to say, through TLS if there is any. */
static void gather(struct connection *c)
{
    struct buf plain = BUF_INIT;
    if (!c->tls) {
        c->ending |= !grpc_session_output(c->session, &c->sending);
        return;
    }
    if (tls_stream_is_ready(c->tls)) {
        c->ending |= !grpc_session_output(c->session, &plain);
        c->ending |= !tls_stream_send(c->tls, buf_str(&plain));
        buf_release(&plain);
    }
    tls_stream_output(c->tls, &c->sending);
}

static void send_more(struct connection *c)
{
    if (c->writing_since_ms > 0 || uv_is_closing((uv_handle_t *)&c->tcp))
        return;
    buf_clear(&c->sending);
    gather(c);
    if (c->sending.n == 0) {
        if (c->ending)
            close_connection(c);
        return;
    }
    uv_buf_t out = uv_buf_init(c->sending.p, (unsigned)c->sending.n);
    c->write.data = c;
    c->writing_since_ms = now_ms();
    if (uv_write(&c->write, (uv_stream_t *)&c->tcp, &out, 1, written) != 0)
        close_connection(c);
}

/* --- Calls --- */

static bool take(void *room, size_t bytes)
{
    struct grpc_server *s = room;
    size_t before = atomic_fetch_add(&s->pending_bytes, bytes);
    if (before + bytes <= s->o.max_pending_bytes && budget_take(bytes))
        return true;
    atomic_fetch_sub(&s->pending_bytes, bytes);
    return false;
}

static void give(void *room, size_t bytes)
{
    struct grpc_server *s = room;
    budget_give(bytes);
    atomic_fetch_sub(&s->pending_bytes, bytes);
}

static enum grpc_status status_of(const struct err *err)
{
    return err->code == ERR_LIMIT ? GRPC_RESOURCE_EXHAUSTED : GRPC_INVALID_ARGUMENT;
}

/* On a thread of the pool. */
static void run_job(uv_work_t *work)
{
    struct job *job = work->data;
    const struct grpc_server_options *o = &job->connection->server->o;
    struct buf plain = BUF_INIT;
    struct err err = ERR_INIT;
    size_t most = o->max_message_bytes;
    if (most > budget_body_limit())
        most = budget_body_limit();
    if (now_ms() >= job->call.deadline_ms) {
        job->response.status = GRPC_DEADLINE_EXCEEDED;
        job->response.why = "the client's deadline had passed before there was time for it";
        return;
    }
    if (job->call.compressed && !gzip_decode(buf_str(&job->call.message), most, &plain, &err)) {
        job->response.status = status_of(&err);
        job->response.why = arena_strdup(&job->arena, err.message);
        buf_release(&plain);
        return;
    }
    struct grpc_request request = {buf_str(job->call.compressed ? &plain : &job->call.message),
                                   &job->arena};
    job->call.method->handler(o->context, &request, &job->response);
    buf_release(&plain);
}

static void job_done(uv_work_t *work, int status)
{
    struct job *job = work->data;
    struct connection *c = job->connection;
    (void)status; /* jobs are never cancelled */
    c->jobs--;
    c->active_ms = now_ms();
    if (!c->closed && !uv_is_closing((uv_handle_t *)&c->tcp)) {
        grpc_session_answer(c->session, job->call.stream_id, &job->response);
        send_more(c);
    }
    give(c->server, job->call.message.n);
    buf_release(&job->call.message);
    buf_release(&job->response.message);
    arena_release(&job->arena);
    free(job);
    free_if_over(c);
}

/* --- In --- */

static void offer_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    struct connection *c = handle->data;
    (void)suggested;
    *out = uv_buf_init(c->server->read_buffer, READ_BYTES);
}

static bool feed(struct connection *c, struct str bytes)
{
    struct buf plain = BUF_INIT;
    if (!c->tls)
        return grpc_session_feed(c->session, bytes, now_ms());
    bool fine = tls_stream_feed(c->tls, bytes, &plain); /* what came before an end counts */
    fine = grpc_session_feed(c->session, buf_str(&plain), now_ms()) && fine;
    buf_release(&plain);
    return fine;
}

static void came(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer)
{
    struct connection *c = stream->data;
    if (n < 0) {
        close_connection(c);
        return;
    }
    if (n == 0 || c->ending)
        return;
    c->ending |= !feed(c, str_make(buffer->base, (size_t)n));
    if (grpc_session_streams(c->session) > 0)
        c->active_ms = now_ms();
    send_more(c);
}

static void call(void *caller, const struct grpc_call *whole)
{
    struct connection *c = caller;
    struct job *job = mem_zalloc(sizeof *job);
    job->work.data = job;
    job->connection = c;
    job->call = *whole;
    arena_init(&job->arena);
    c->jobs++;
    CHECK(uv_queue_work(&c->server->loop, &job->work, run_job, job_done) == 0);
}

static void open_connection(struct grpc_server *s, struct connection *c)
{
    c->server = s;
    c->tcp.data = c;
    c->opened_ms = c->active_ms = now_ms();
    c->tls = s->identity ? tls_stream_new(s->identity, "h2") : NULL;
    c->session = grpc_session_new(&s->session, c);
    c->next = s->connections;
    if (c->next)
        c->next->previous = c;
    s->connections = c;
    s->n_connections++;
}

static void knocked(uv_stream_t *listener, int status)
{
    struct grpc_server *s = listener->data;
    if (status < 0)
        return;
    struct connection *c = mem_zalloc(sizeof *c);
    CHECK(uv_tcp_init(&s->loop, &c->tcp) == 0);
    open_connection(s, c);
    (void)uv_tcp_nodelay(&c->tcp, 1);
    bool fits = uv_accept(listener, (uv_stream_t *)&c->tcp) == 0 &&
                s->n_connections <= s->o.max_connections &&
                uv_read_start((uv_stream_t *)&c->tcp, offer_buffer, came) == 0;
    if (fits)
        send_more(c);
    else
        close_connection(c);
}

/* --- Once a second --- */

static void watch_connection(struct connection *c, int64_t now)
{
    struct grpc_server *s = c->server;
    bool idle = grpc_session_streams(c->session) == 0 && c->jobs == 0;
    bool slow = !grpc_session_has_begun(c->session) && now - c->opened_ms > BEGIN_MS;
    bool deaf = c->writing_since_ms > 0 && now - c->writing_since_ms > WRITE_MS;
    if (slow || deaf || (s->stop_ms > 0 && now > s->stop_ms)) {
        close_connection(c);
        return;
    }
    grpc_session_expire(c->session, now);
    if (idle && now - c->active_ms > s->o.idle_ms) {
        grpc_session_goaway(c->session);
        c->ending = true;
    }
    if (idle && s->stop_ms > 0)
        c->ending = true;
    send_more(c);
}

static void watch(uv_timer_t *timer)
{
    struct grpc_server *s = timer->data;
    int64_t now = now_ms();
    struct connection *next;
    for (struct connection *c = s->connections; c; c = next) {
        next = c->next;
        if (!c->closed && !uv_is_closing((uv_handle_t *)&c->tcp))
            watch_connection(c, now);
    }
    if (s->stop_ms > 0 && !s->connections)
        uv_close((uv_handle_t *)timer, NULL);
}

/* --- Life --- */

static void woken(uv_async_t *wake)
{
    struct grpc_server *s = wake->data;
    if (!atomic_load(&s->stopping) || s->stop_ms > 0)
        return;
    s->stop_ms = now_ms() + STOP_MS;
    for (struct connection *c = s->connections; c; c = c->next) {
        if (!c->closed)
            grpc_session_goaway(c->session);
    }
    uv_close((uv_handle_t *)&s->listener, NULL);
    uv_close((uv_handle_t *)wake, NULL);
    (void)uv_timer_start(&s->watch, watch, 0, WATCH_MS / 20);
}

static void *main_of(void *arg)
{
    struct grpc_server *s = arg;
    (void)uv_run(&s->loop, UV_RUN_DEFAULT);
    return NULL;
}

static void set_options(struct grpc_server *s, const struct grpc_server_options *o)
{
    s->o = *o;
    s->o.listen = mem_strdup(o->listen);
    if (s->o.max_message_bytes == 0)
        s->o.max_message_bytes = DEFAULT_MAX_MESSAGE;
    if (s->o.max_pending_bytes == 0)
        s->o.max_pending_bytes = DEFAULT_MAX_PENDING;
    if (s->o.max_connections == 0)
        s->o.max_connections = 1024;
    if (s->o.idle_ms == 0)
        s->o.idle_ms = DEFAULT_IDLE_MS;
    s->session = (struct grpc_session_options){.methods = s->o.methods,
                                               .n_methods = s->o.n_methods,
                                               .max_message_bytes = s->o.max_message_bytes,
                                               .take = take,
                                               .give = give,
                                               .room = s,
                                               .call = call};
}

static void free_server(struct grpc_server *s)
{
    tls_identity_free(s->identity);
    free((char *)(uintptr_t)s->o.listen);
    free(s);
}

static bool open_identity(struct grpc_server *s, struct err *err)
{
    if (!s->o.tls_cert_file)
        return true;
    s->identity = tls_identity_open(s->o.tls_cert_file, s->o.tls_key_file, err);
    return s->identity != NULL;
}

/* The loop's handles, none of which is started by anyone but us. */
static void init_loop(struct grpc_server *s, int fd)
{
    CHECK(uv_loop_init(&s->loop) == 0);
    CHECK(uv_tcp_init(&s->loop, &s->listener) == 0);
    CHECK(uv_tcp_open(&s->listener, fd) == 0);
    CHECK(uv_async_init(&s->loop, &s->wake, woken) == 0);
    CHECK(uv_timer_init(&s->loop, &s->watch) == 0);
    s->listener.data = s->wake.data = s->watch.data = s;
    CHECK(uv_timer_start(&s->watch, watch, WATCH_MS, WATCH_MS) == 0);
    CHECK(uv_listen((uv_stream_t *)&s->listener, 1024, knocked) == 0);
}

struct grpc_server *grpc_server_start(const struct grpc_server_options *o, struct err *err)
{
    struct grpc_server *s = mem_zalloc(sizeof *s);
    set_options(s, o);
    int fd =
        open_identity(s, err) ? listen_open(o->listen, s->identity != NULL, &s->port, err) : -1;
    if (fd < 0) {
        free_server(s);
        return NULL;
    }
    init_loop(s, fd);
    CHECK(pthread_create(&s->thread, NULL, main_of, s) == 0);
    return s;
}

void grpc_server_stop(struct grpc_server *s)
{
    if (!s)
        return;
    atomic_store(&s->stopping, true);
    (void)uv_async_send(&s->wake);
    (void)pthread_join(s->thread, NULL);
    CHECK(uv_loop_close(&s->loop) == 0);
    free_server(s);
}

uint16_t grpc_server_port(const struct grpc_server *s)
{
    return s->port;
}
