/* Server-sent events (HTML standard, section 9.2). A stream has two owners, the connection and
 * whoever sends; the last one frees it. While its queue is empty the connection is suspended. */
#include "base/clock.h"
#include "io/http_internal.h"

#include <stdlib.h>
#include <time.h>

#define MAX_QUEUE_BYTES ((size_t)1 << 20)
#define HEARTBEAT_S 15
#define BLOCK_BYTES 16384

struct http_stream {
    struct http_server *server;
    struct http_stream *next, *previous; /* among the server's, guarded by its lock */
    struct MHD_Connection *connection;
    pthread_mutex_t lock; /* guards what follows; taken after the server's */
    struct buf queue;
    size_t sent;
    bool suspended, gone, ended;
    int owners;
};

static void release(struct http_stream *s)
{
    (void)pthread_mutex_lock(&s->lock);
    bool last = --s->owners == 0;
    (void)pthread_mutex_unlock(&s->lock);
    if (!last)
        return;
    (void)pthread_mutex_destroy(&s->lock);
    buf_release(&s->queue);
    free(s);
}

/* Under the stream's lock. */
static void wake(struct http_stream *s)
{
    if (!s->suspended)
        return;
    s->suspended = false;
    MHD_resume_connection(s->connection);
}

static ssize_t read_queue(void *arg, uint64_t position, char *out, size_t max)
{
    struct http_stream *s = arg;
    ssize_t n = 0;
    (void)position;
    (void)pthread_mutex_lock(&s->lock);
    size_t waiting = s->queue.n - s->sent;
    if (waiting > 0) {
        n = (ssize_t)(waiting < max ? waiting : max);
        memcpy(out, s->queue.p + s->sent, (size_t)n);
        s->sent += (size_t)n;
        if (s->sent == s->queue.n) {
            buf_clear(&s->queue);
            s->sent = 0;
        }
    } else if (s->ended) {
        n = MHD_CONTENT_READER_END_OF_STREAM;
    } else {
        s->suspended = true;
        MHD_suspend_connection(s->connection);
    }
    (void)pthread_mutex_unlock(&s->lock);
    return n;
}

static void connection_done(void *arg)
{
    struct http_stream *s = arg;
    struct http_server *server = s->server;
    (void)pthread_mutex_lock(&server->lock);
    if (s->previous)
        s->previous->next = s->next;
    else
        server->streams = s->next;
    if (s->next)
        s->next->previous = s->previous;
    (void)pthread_mutex_unlock(&server->lock);
    (void)pthread_mutex_lock(&s->lock);
    s->gone = true;
    s->suspended = false;
    (void)pthread_mutex_unlock(&s->lock);
    release(s);
}

struct http_stream *http_respond_stream(struct http_request *request,
                                        struct http_response *response)
{
    struct exchange *x = request->internal;
    struct http_server *server = x->server;
    struct http_stream *s = calloc(1, sizeof *s);
    if (!s)
        check_no_memory(sizeof *s);
    s->server = server;
    s->connection = x->connection;
    s->owners = 2;
    (void)pthread_mutex_init(&s->lock, NULL);
    buf_add_cstr(&s->queue, ": hello\n\n");
    response->content_type = "text/event-stream";
    http_add_header(response, "Cache-Control", "no-store");
    x->stream = s;
    (void)pthread_mutex_lock(&server->lock);
    s->ended = server->stopping;
    s->next = server->streams;
    if (s->next)
        s->next->previous = s;
    server->streams = s;
    (void)pthread_mutex_unlock(&server->lock);
    return s;
}

struct MHD_Response *stream_response(struct http_stream *s)
{
    struct MHD_Response *r = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES,
                                                               read_queue, s, connection_done);
    if (!r)
        check_no_memory(BLOCK_BYTES);
    return r;
}

static void add_event(struct buf *queue, const char *event, int64_t id, struct str data)
{
    struct str line;
    if (event)
        buf_printf(queue, "event: %s\n", event);
    if (id >= 0)
        buf_printf(queue, "id: %lld\n", (long long)id);
    while (str_cut(&data, '\n', &line)) {
        buf_add_cstr(queue, "data: ");
        buf_add_str(queue, line);
        buf_add_char(queue, '\n');
    }
    buf_add_char(queue, '\n');
}

bool http_stream_send(struct http_stream *s, const char *event, int64_t id, struct str data)
{
    (void)pthread_mutex_lock(&s->lock);
    bool open = !s->gone && !s->ended;
    if (open && s->queue.n - s->sent + data.n > MAX_QUEUE_BYTES) {
        /* What is on its way to the socket may be half an event: end it with an empty line. */
        buf_clear(&s->queue);
        s->sent = 0;
        buf_add_cstr(&s->queue, "\n\n");
        add_event(&s->queue, "resync", -1, STR("{}"));
    } else if (open) {
        add_event(&s->queue, event, id, data);
    }
    if (open)
        wake(s);
    (void)pthread_mutex_unlock(&s->lock);
    return open;
}

void http_stream_close(struct http_stream *s)
{
    (void)pthread_mutex_lock(&s->lock);
    s->ended = true;
    wake(s);
    (void)pthread_mutex_unlock(&s->lock);
    release(s);
}

/* --- The heartbeat, and the end --- */

static void beat(struct http_stream *s)
{
    (void)pthread_mutex_lock(&s->lock);
    if (s->queue.n == 0 && !s->gone) {
        buf_add_cstr(&s->queue, ": alive\n\n");
        wake(s);
    }
    (void)pthread_mutex_unlock(&s->lock);
}

static void *heart(void *arg)
{
    struct http_server *server = arg;
    (void)pthread_mutex_lock(&server->lock);
    while (!server->stopping) {
        struct timespec until;
        (void)clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += HEARTBEAT_S;
        (void)pthread_cond_timedwait(&server->stop, &server->lock, &until);
        for (struct http_stream *s = server->streams; s; s = s->next)
            beat(s);
    }
    (void)pthread_mutex_unlock(&server->lock);
    return NULL;
}

void streams_start(struct http_server *server)
{
    (void)pthread_mutex_init(&server->lock, NULL);
    (void)pthread_cond_init(&server->stop, NULL);
    CHECK(pthread_create(&server->heart, NULL, heart, server) == 0);
}

void streams_stop(struct http_server *server)
{
    (void)pthread_mutex_lock(&server->lock);
    server->stopping = true;
    (void)pthread_cond_broadcast(&server->stop);
    for (struct http_stream *s = server->streams; s; s = s->next) {
        (void)pthread_mutex_lock(&s->lock);
        s->ended = true;
        wake(s);
        (void)pthread_mutex_unlock(&s->lock);
    }
    (void)pthread_mutex_unlock(&server->lock);
    (void)pthread_join(server->heart, NULL);
}
