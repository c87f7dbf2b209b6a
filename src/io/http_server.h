/* http_server.h -- HTTP in, by libmicrohttpd's thread pool. Handlers run on HTTP threads with one
 * arena a request and a whole, bounded body (decoded when gzip, zstd; snappy is left to the
 * handler). Routes are matched by method and path; a path part `:name` captures. Control state is
 * reached by loop_call. */
#ifndef CQED_IO_HTTP_SERVER_H
#define CQED_IO_HTTP_SERVER_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "codec/json.h"

#include <stdint.h>

struct http_server;
struct http_stream; /* an open answer, see http_respond_stream */

struct http_request {
    const char *method;
    const char *path;
    struct str body;          /* already decoded by Content-Encoding */
    const char *content_type; /* "" when absent; parameters included */
    const char *peer;         /* "127.0.0.1:54321" */
    struct arena *arena;
    void *internal;
};

const char *http_header(const struct http_request *, const char *name); /* NULL when absent */
const char *http_capture(const struct http_request *,
                         const char *name); /* of :name; never NULL there */

/* A parameter from the query string or, for POST with application/x-www-form-urlencoded, the body;
 * NULL when absent. http_params lists every value of a repeated one, e.g. match[]. */
const char *http_param(const struct http_request *, const char *name);
size_t http_params(const struct http_request *, const char *name, const char *const **values);

struct http_response {
    int status;               /* 200 by default */
    const char *content_type; /* application/json by default */
    struct buf body;          /* the server releases it */
    bool allow_gzip; /* compress when the client takes it and it is over 1 KiB; on by default */
    struct str static_body; /* instead of body: bytes that outlive the server */
    bool static_is_gzip; /* static_body is gzip already: sent as such, or decoded for old clients */
    void *internal;
};

/* Add a header; both strings are copied. */
void http_add_header(struct http_response *, const char *name, const char *value);

/* {"status":"error",...} for the cQED API: {"error":{"code":"not_found","message":"..."}} with the
 * status that fits the code (400 404 409 403 413 501 503 504 500). */
void http_respond_error(struct http_response *, const struct err *);

typedef void http_handler(void *context, struct http_request *, struct http_response *);

/* Says in a route's own protocol why its handler is not asked: 413, 415, 400 (a body that cannot be
 * decoded), 503. False: it is said as http_respond_error does. */
typedef bool http_refusal(const struct http_request *, struct http_response *, int status,
                          const char *message);

struct http_route {
    const char *method;  /* "GET", "POST", "PUT", "DELETE"; GET also answers HEAD */
    const char *pattern; /* "/cqed/v1/rollouts/:id"; a final "*" takes the rest */
    http_handler *handler;
    size_t max_body_bytes; /* 0 = 1 MiB; more is 413, before and after decoding */
};

/* For the handler of a slow route: nobody waits for the answer any more, or the server stops. */
bool http_client_gone(const struct http_request *);

struct http_server_options {
    const char *listen; /* "127.0.0.1:9797", "[::1]:0"; port 0 takes a free one */
    const struct http_route *routes;
    size_t n_routes;
    /* So many routes, from the first on, are slow: their handlers run on workers, one request after
     * another, and hold up no other request. */
    size_t n_slow_routes;
    void *context;                            /* handed to every handler */
    http_refusal *refuse;                     /* of what has a route; NULL = none */
    unsigned threads;                         /* 0 = one a core, at most 8 */
    unsigned workers;                         /* of slow routes; 0 = 4, at most 64 */
    const char *tls_cert_file, *tls_key_file; /* both or neither */
    unsigned max_connections;                 /* 0 = 1024 */
};

/* ERR_CONFLICT with the address when it is in use; beyond loopback without TLS is refused
 * (ERR_DENIED) with what to do. */
struct http_server *http_server_start(const struct http_server_options *, struct err *);
void http_server_stop(struct http_server *); /* waits for running handlers; ends streams */
uint16_t http_server_port(const struct http_server *);

/* Server-sent events: the answer stays open; any thread pushes events until the client goes or the
 * stream ends. Each stream's queue is bounded at 1 MiB: on overflow the queue is dropped and the
 * client gets one `event: resync`. A comment heartbeat goes out every 15 s. The stream is
 * reference-counted: http_respond_stream returns a reference that the caller gives back by
 * http_stream_close. */
struct http_stream *http_respond_stream(struct http_request *, struct http_response *);
/* False once the client is gone: close it then. event may be NULL. id goes out as `id:` when >= 0.
 */
bool http_stream_send(struct http_stream *, const char *event, int64_t id, struct str data);
void http_stream_close(struct http_stream *);

#endif
