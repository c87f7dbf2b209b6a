/* libmicrohttpd calls us in three steps for a request: when its headers are there, for each piece
 * of its body, and when it is whole. Only then does a handler see it. */
#include "io/http_server.h"

#include "base/budget.h"
#include "base/file.h"
#include "base/log.h"
#include "codec/compress.h"
#include "io/http_internal.h"
#include "io/listen.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DEFAULT_MAX_BODY ((size_t)1 << 20)
#define IDLE_TIMEOUT_S 75
#define GZIP_FROM_BYTES 1024
#define MAX_KEY_BYTES 65536

/* --- Answers --- */

void http_add_header(struct http_response *response, const char *name, const char *value)
{
    struct exchange *x = response->internal;
    x->headers =
        arena_grow(&x->arena, x->headers, x->n_headers, &x->header_capacity, sizeof *x->headers);
    x->headers[x->n_headers++] =
        (struct param){arena_strdup(&x->arena, name), arena_strdup(&x->arena, value)};
}

static int status_of(enum err_code code)
{
    switch (code) {
    case ERR_BAD_INPUT:
        return 400;
    case ERR_LIMIT:
        return 413;
    case ERR_NOT_FOUND:
        return 404;
    case ERR_CONFLICT:
        return 409;
    case ERR_DENIED:
        return 403;
    case ERR_CANCELLED:
        return 499;
    case ERR_TIMEOUT:
        return 504;
    case ERR_UNREACHABLE:
    case ERR_IO:
        return 503;
    case ERR_NOT_IMPLEMENTED:
        return 501;
    case ERR_NONE:
    case ERR_CORRUPT:
        break;
    }
    return 500;
}

static void put_error(struct http_response *response, int status, const char *code,
                      const char *message)
{
    struct json_writer w;
    response->status = status;
    response->content_type = "application/json";
    buf_clear(&response->body);
    json_writer_init(&w, &response->body);
    json_open_object(&w);
    json_key(&w, "error");
    json_open_object(&w);
    json_key(&w, "code");
    json_put_cstr(&w, code);
    json_key(&w, "message");
    json_put_cstr(&w, message);
    json_close_object(&w);
    json_close_object(&w);
    json_writer_end(&w);
}

void http_respond_error(struct http_response *response, const struct err *err)
{
    put_error(response, status_of(err->code), err_code_name(err->code), err->message);
}

static bool accepts_gzip(const struct exchange *x)
{
    const char *accepted = http_header(&x->request, "Accept-Encoding");
    return accepted && strstr(accepted, "gzip") != NULL;
}

static struct MHD_Response *static_response(struct exchange *x)
{
    struct http_response *r = &x->response;
    struct buf plain = BUF_INIT;
    if (r->static_is_gzip && accepts_gzip(x)) {
        http_add_header(r, "Content-Encoding", "gzip");
    } else if (r->static_is_gzip && gzip_decode(r->static_body, (size_t)64 << 20, &plain, NULL)) {
        size_t n = plain.n;
        return MHD_create_response_from_buffer(n, buf_detach(&plain), MHD_RESPMEM_MUST_FREE);
    }
    return MHD_create_response_from_buffer(r->static_body.n, (void *)(uintptr_t)r->static_body.p,
                                           MHD_RESPMEM_PERSISTENT);
}

static struct MHD_Response *body_response(struct exchange *x)
{
    struct http_response *r = &x->response;
    if (r->allow_gzip && r->body.n >= GZIP_FROM_BYTES && accepts_gzip(x)) {
        struct buf packed = BUF_INIT;
        gzip_encode(buf_str(&r->body), &packed);
        buf_release(&r->body);
        r->body = packed;
        http_add_header(r, "Content-Encoding", "gzip");
        http_add_header(r, "Vary", "Accept-Encoding");
    }
    size_t n = r->body.n;
    (void)buf_reserve(&r->body, 1);
    return MHD_create_response_from_buffer(n, buf_detach(&r->body), MHD_RESPMEM_MUST_FREE);
}

static enum MHD_Result send_answer(struct exchange *x)
{
    struct http_response *r = &x->response;
    struct MHD_Response *out = x->stream          ? stream_response(x->stream)
                               : r->static_body.p ? static_response(x)
                                                  : body_response(x);
    if (!out)
        return MHD_NO;
    (void)MHD_add_response_header(out, "Content-Type", r->content_type);
    for (size_t i = 0; i < x->n_headers; i++)
        (void)MHD_add_response_header(out, x->headers[i].name, x->headers[i].value);
    enum MHD_Result queued = MHD_queue_response(x->connection, (unsigned)r->status, out);
    MHD_destroy_response(out);
    return queued;
}

/* --- Requests --- */

void exchange_fault(struct exchange *x, int status, const char *why)
{
    x->fault_status = status;
    x->fault = why;
}

static void note_peer(struct exchange *x)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    char host[INET6_ADDRSTRLEN] = "?";
    int port = 0;
    if (info && info->client_addr->sa_family == AF_INET) {
        const struct sockaddr_in *a = (const void *)info->client_addr;
        (void)inet_ntop(AF_INET, &a->sin_addr, host, sizeof host);
        port = ntohs(a->sin_port);
    } else if (info && info->client_addr->sa_family == AF_INET6) {
        const struct sockaddr_in6 *a = (const void *)info->client_addr;
        (void)inet_ntop(AF_INET6, &a->sin6_addr, host, sizeof host);
        port = ntohs(a->sin6_port);
    }
    (void)snprintf(x->peer, sizeof x->peer, "%s:%d", host, port);
    x->request.peer = x->peer;
}

/* A page from elsewhere may make a browser send requests here; such carry its Origin. */
static bool is_foreign(const struct exchange *x)
{
    const char *origin = http_header(&x->request, "Origin");
    const char *host = http_header(&x->request, "Host");
    const char *sent_to = origin ? strstr(origin, "://") : NULL;
    return origin && (!sent_to || !host || strcmp(sent_to + 3, host) != 0);
}

static struct exchange *begin(struct http_server *server, struct MHD_Connection *connection,
                              const char *path, const char *method)
{
    struct exchange *x = calloc(1, sizeof *x);
    char allow[128] = "";
    if (!x)
        check_no_memory(sizeof *x);
    x->server = server;
    x->connection = connection;
    x->request = (struct http_request){.arena = &x->arena, .internal = x, .content_type = ""};
    x->request.method = arena_strdup(&x->arena, method);
    x->request.path = arena_strdup(&x->arena, path);
    x->response = (struct http_response){
        .status = 200, .content_type = "application/json", .allow_gzip = true, .internal = x};
    x->max_body_bytes = DEFAULT_MAX_BODY;
    note_peer(x);
    x->route = route_find(x, method, path);
    if (x->route && x->route->max_body_bytes)
        x->max_body_bytes = x->route->max_body_bytes;
    if (x->route && strcmp(x->route->method, "GET") != 0 && is_foreign(x)) {
        exchange_fault(x, 403, "requests from pages of another origin are refused");
    } else if (!x->route && route_allows(x, path, allow, sizeof allow)) {
        http_add_header(&x->response, "Allow", allow);
        exchange_fault(x, 405,
                       arena_printf(&x->arena, "%s is not allowed here; %s is", method, allow));
    } else if (!x->route) {
        exchange_fault(x, 404, arena_printf(&x->arena, "there is nothing at '%.200s'", path));
    }
    const char *content_type = http_header(&x->request, "Content-Type");
    if (content_type)
        x->request.content_type = content_type;
    return x;
}

static const char *name_of_status(int status)
{
    switch (status) {
    case 403:
        return "denied";
    case 404:
        return "not_found";
    case 413:
    case 503:
        return "limit";
    default:
        return "bad_input";
    }
}

/* RFC 9110 section 15.5.16. */
static void check_encoding(struct exchange *x)
{
    static const char *const known[] = {"identity", "gzip", "zstd", "snappy"};
    const char *encoding = http_header(&x->request, "Content-Encoding");
    for (size_t i = 0; encoding && i < sizeof known / sizeof *known; i++) {
        if (strcasecmp(encoding, known[i]) == 0)
            return;
    }
    if (encoding)
        exchange_fault(x, 415,
                       arena_printf(&x->arena,
                                    "Content-Encoding '%.40s' is not known; gzip, zstd, snappy and "
                                    "identity are",
                                    encoding));
}

static bool decode_body(struct exchange *x, struct err *err)
{
    const char *encoding = http_header(&x->request, "Content-Encoding");
    struct buf plain = BUF_INIT;
    size_t most = x->max_body_bytes;
    if (most > DEFAULT_MAX_BODY && most > budget_body_limit())
        most = budget_body_limit();
    if (!encoding || strcasecmp(encoding, "identity") == 0 || strcasecmp(encoding, "snappy") == 0)
        return true;
    bool done = strcasecmp(encoding, "gzip") == 0
                    ? gzip_decode(buf_str(&x->body), most, &plain, err)
                    : zstd_decode(buf_str(&x->body), most, &plain, err);
    if (done) {
        buf_release(&x->body);
        x->body = plain;
    } else {
        buf_release(&plain);
    }
    return done;
}

static void refuse(struct exchange *x)
{
    http_refusal *own = x->route ? x->server->options.refuse : NULL;
    if (own && own(&x->request, &x->response, x->fault_status, x->fault))
        return;
    put_error(&x->response, x->fault_status, name_of_status(x->fault_status), x->fault);
    if (x->fault_status == 503)
        http_add_header(&x->response, "Retry-After", "1");
}

void exchange_run(struct exchange *x)
{
    struct err err = ERR_INIT;
    if (x->too_big)
        exchange_fault(x, 413,
                       arena_printf(&x->arena, "the body is over %zu bytes", x->max_body_bytes));
    check_encoding(x);
    if (!x->fault_status && !decode_body(x, &err))
        exchange_fault(x, status_of(err.code), err.message);
    if (x->fault_status) {
        refuse(x);
        return;
    }
    x->request.body = buf_str(&x->body);
    params_read(x);
    if (str_starts(str_from(x->request.content_type), STR("application/x-www-form-urlencoded")))
        params_add_form(x, x->request.body);
    x->route->handler(x->server->options.context, &x->request, &x->response);
}

/* Bodies that are large by the route's own limit share the process's budget; small ones, with which
 * people act, always come through. */
static bool reserve(struct exchange *x, size_t bytes)
{
    if (x->max_body_bytes <= DEFAULT_MAX_BODY)
        return true;
    if (x->fault_status || !budget_take(bytes)) {
        if (!x->fault_status)
            exchange_fault(x, 503, "too much telemetry is under way at once");
        return false;
    }
    x->reserved_bytes += bytes;
    return true;
}

static bool is_slow(const struct exchange *x)
{
    const struct http_server_options *o = &x->server->options;
    return x->route && x->route < o->routes + o->n_slow_routes;
}

static enum MHD_Result handle(void *arg, struct MHD_Connection *connection, const char *path,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_bytes, void **state)
{
    struct exchange *x = *state;
    (void)version;
    if (!x) {
        *state = begin(arg, connection, path, method);
        return MHD_YES;
    }
    if (*upload_bytes > 0) {
        x->too_big |= x->body.n + *upload_bytes > x->max_body_bytes;
        if (!x->too_big && reserve(x, *upload_bytes))
            buf_add(&x->body, upload, *upload_bytes);
        *upload_bytes = 0;
        return MHD_YES;
    }
    if (is_slow(x) && !x->fault_status && !x->was_queued) {
        x->was_queued = true;
        if (workers_put(x->server->workers, x))
            return MHD_YES;
        exchange_run(x);
    } else if (!x->was_queued) {
        exchange_run(x);
    }
    return send_answer(x);
}

static void request_done(void *arg, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode how)
{
    struct exchange *x = *state;
    (void)arg;
    (void)connection;
    (void)how;
    if (!x)
        return;
    budget_give(x->reserved_bytes);
    buf_release(&x->body);
    buf_release(&x->response.body);
    arena_release(&x->arena);
    free(x);
    *state = NULL;
}

/* --- Life --- */

static void log_library(void *arg, const char *format, va_list args)
{
    char text[512];
    (void)arg;
    (void)vsnprintf(text, sizeof text, format, args);
    log_debug("io", "libmicrohttpd: %s", text);
}

static bool read_tls(const struct http_server_options *o, struct buf *cert, struct buf *key,
                     struct err *err)
{
    if (!o->tls_cert_file)
        return true;
    return file_read(o->tls_cert_file, MAX_KEY_BYTES, cert, err) &&
           file_read(o->tls_key_file, MAX_KEY_BYTES, key, err);
}

static unsigned thread_count(const struct http_server_options *o)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (o->threads)
        return o->threads;
    /* Handlers wait for the control thread, so a lone thread would wait for itself. */
    return cores < 4 ? 4 : cores > 8 ? 8 : (unsigned)cores;
}

static struct MHD_Daemon *start_daemon(struct http_server *s, int fd, const struct buf *cert,
                                       const struct buf *key)
{
    const struct http_server_options *o = &s->options;
    unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME |
                     MHD_USE_ERROR_LOG | (cert->n ? MHD_USE_TLS : 0);
    struct MHD_OptionItem tls[] = {{MHD_OPTION_HTTPS_MEM_CERT, 0, cert->p},
                                   {MHD_OPTION_HTTPS_MEM_KEY, 0, key->p},
                                   {MHD_OPTION_END, 0, NULL}};
    struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};
    return MHD_start_daemon(
        flags, 0, NULL, NULL, handle, s, MHD_OPTION_EXTERNAL_LOGGER, log_library, NULL,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_NOTIFY_COMPLETED, request_done, NULL,
        MHD_OPTION_THREAD_POOL_SIZE, thread_count(o), MHD_OPTION_CONNECTION_LIMIT,
        o->max_connections ? o->max_connections : 1024U, MHD_OPTION_CONNECTION_TIMEOUT,
        IDLE_TIMEOUT_S, MHD_OPTION_ARRAY, cert->n ? tls : none, MHD_OPTION_END);
}

static void end_workers(struct http_server *s)
{
    if (!s->workers)
        return;
    workers_stop(s->workers);
    workers_free(s->workers);
}

static void free_server(struct http_server *s)
{
    free(s->listen);
    free(s);
}

struct http_server *http_server_start(const struct http_server_options *options, struct err *err)
{
    struct buf cert = BUF_INIT, key = BUF_INIT;
    struct http_server *s = calloc(1, sizeof *s);
    bool done = false;
    int fd = -1;
    if (!s || !(s->listen = strdup(options->listen)))
        check_no_memory(sizeof *s);
    s->options = *options;
    s->options.listen = s->listen;
    if (!read_tls(options, &cert, &key, err))
        goto out;
    fd = listen_open(options->listen, options->tls_cert_file != NULL, &s->port, err);
    if (fd < 0)
        goto out;
    streams_start(s);
    if (options->n_slow_routes > 0)
        s->workers = workers_start(options->workers);
    s->daemon = start_daemon(s, fd, &cert, &key);
    done = s->daemon != NULL;
    if (!done) {
        streams_stop(s);
        end_workers(s);
        (void)close(fd);
        err_set(err, ERR_IO, "the HTTP server on %s does not start", options->listen);
    }
out:
    buf_release(&cert);
    buf_release(&key);
    if (done)
        return s;
    free_server(s);
    return NULL;
}

void http_server_stop(struct http_server *s)
{
    if (!s)
        return;
    streams_stop(s);
    if (s->workers)
        workers_stop(s->workers);
    MHD_stop_daemon(s->daemon);
    if (s->workers)
        workers_free(s->workers);
    (void)pthread_cond_destroy(&s->stop);
    (void)pthread_mutex_destroy(&s->lock);
    free_server(s);
}

uint16_t http_server_port(const struct http_server *s)
{
    return s->port;
}
