/* Handlers that may take long run here, on threads of their own, so that no connection waits behind
 * another's query. The connection is suspended meanwhile:
 *
 *   handle --suspend--> waiting --> running --resume--> handle again, which sends the answer
 *
 * Waiting requests are bounded; beyond that they are refused at once. */
#include "io/http_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#define MAX_WAITING 256
#define DEFAULT_WORKERS 4

struct http_workers {
    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t more;
    struct exchange *first, **last;
    size_t n_waiting;
    bool stopping;
    unsigned n_threads;
    pthread_t threads[64];
};

static struct exchange *take_exchange(struct http_workers *w)
{
    struct exchange *x = w->first;
    if (!x)
        return NULL;
    w->first = x->next_waiting;
    if (!w->first)
        w->last = &w->first;
    w->n_waiting--;
    return x;
}

static void *work(void *arg)
{
    struct http_workers *w = arg;
    (void)pthread_mutex_lock(&w->lock);
    for (;;) {
        struct exchange *x = take_exchange(w);
        if (!x && w->stopping)
            break;
        if (!x) {
            (void)pthread_cond_wait(&w->more, &w->lock);
            continue;
        }
        bool stopping = w->stopping;
        (void)pthread_mutex_unlock(&w->lock);
        if (stopping)
            exchange_fault(x, 503, "the server is stopping");
        exchange_run(x);
        MHD_resume_connection(x->connection);
        (void)pthread_mutex_lock(&w->lock);
    }
    (void)pthread_mutex_unlock(&w->lock);
    return NULL;
}

bool workers_put(struct http_workers *w, struct exchange *x)
{
    (void)pthread_mutex_lock(&w->lock);
    bool taken = !w->stopping && w->n_waiting < MAX_WAITING;
    if (taken) {
        /* Before a worker can resume it. */
        MHD_suspend_connection(x->connection);
        x->next_waiting = NULL;
        *w->last = x;
        w->last = &x->next_waiting;
        w->n_waiting++;
        (void)pthread_cond_signal(&w->more);
    } else {
        exchange_fault(x, 503,
                       w->stopping ? "the server is stopping"
                                   : "too many requests wait for their turn");
    }
    (void)pthread_mutex_unlock(&w->lock);
    return taken;
}

bool http_client_gone(const struct http_request *request)
{
    const struct exchange *x = request->internal;
    struct http_workers *w = x->server->workers;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    char byte;
    (void)pthread_mutex_lock(&w->lock);
    bool stopping = w->stopping;
    (void)pthread_mutex_unlock(&w->lock);
    if (stopping || !info)
        return stopping;
    ssize_t n = recv(info->connect_fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

struct http_workers *workers_start(unsigned n_threads)
{
    struct http_workers *w = calloc(1, sizeof *w);
    if (!w)
        check_no_memory(sizeof *w);
    unsigned most = sizeof w->threads / sizeof *w->threads;
    w->n_threads = n_threads == 0 ? DEFAULT_WORKERS : n_threads < most ? n_threads : most;
    w->last = &w->first;
    (void)pthread_mutex_init(&w->lock, NULL);
    (void)pthread_cond_init(&w->more, NULL);
    for (unsigned i = 0; i < w->n_threads; i++)
        CHECK(pthread_create(&w->threads[i], NULL, work, w) == 0);
    return w;
}

void workers_stop(struct http_workers *w)
{
    (void)pthread_mutex_lock(&w->lock);
    w->stopping = true;
    (void)pthread_cond_broadcast(&w->more);
    (void)pthread_mutex_unlock(&w->lock);
    for (unsigned i = 0; i < w->n_threads; i++)
        (void)pthread_join(w->threads[i], NULL);
}

void workers_free(struct http_workers *w)
{
    (void)pthread_cond_destroy(&w->more);
    (void)pthread_mutex_destroy(&w->lock);
    free(w);
}
