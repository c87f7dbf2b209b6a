/* http_internal.h -- what the three files of the HTTP server share. */
#ifndef CQED_IO_HTTP_INTERNAL_H
#define CQED_IO_HTTP_INTERNAL_H

#include "io/http_server.h"

#include <microhttpd.h>
#include <pthread.h>

struct param {
    const char *name, *value;
};

/* One request under way. */
struct exchange {
    struct http_server *server;
    struct MHD_Connection *connection;
    struct arena arena;
    struct buf body;
    size_t max_body_bytes;
    size_t reserved_bytes; /* of the budget, for a large body */
    bool too_big;
    struct http_request request;
    struct http_response response;
    struct param *params;
    size_t n_params, param_capacity;
    struct param *headers; /* of the answer */
    size_t n_headers, header_capacity;
    const struct http_route *route;
    struct param captures[4];
    size_t n_captures;
    struct http_stream *stream; /* the answer is a stream */
    int fault_status;           /* found before the handler; 0 = none */
    const char *fault;
    char peer[64];
    bool was_queued; /* for a worker, which has run it when we are called again */
    struct exchange *next_waiting;
};

struct http_server {
    struct http_server_options options;
    char *listen;
    struct MHD_Daemon *daemon;
    uint16_t port;
    pthread_mutex_t lock; /* guards streams and stopping */
    pthread_cond_t stop;
    pthread_t heart;
    struct http_stream *streams;
    bool stopping;
    struct http_workers *workers;
};

/* http_server.c: for http_workers.c */
void exchange_run(struct exchange *);
void exchange_fault(struct exchange *, int status, const char *why);

/* http_workers.c */
struct http_workers *workers_start(unsigned n_threads);
/* Ends what is under way, and answers what waits with 503; from then on everything is refused. */
void workers_stop(struct http_workers *);
void workers_free(struct http_workers *);
/* Suspends the connection. False: refused, the fault is set. */
bool workers_put(struct http_workers *, struct exchange *);

/* http_route.c */
const struct http_route *route_find(struct exchange *, const char *method, const char *path);
bool route_allows(struct exchange *, const char *path, char *allow, size_t allow_bytes);
void params_read(struct exchange *);
void params_add_form(struct exchange *, struct str form);

/* http_stream.c */
struct MHD_Response *stream_response(struct http_stream *);
void streams_start(struct http_server *);
void streams_stop(struct http_server *);

#endif
