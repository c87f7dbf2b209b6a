/* http_client.h -- HTTP out, by libcurl. Asynchronously on the loop (connections are kept and
 * reused), or synchronously for the command line. Only http and https; redirects are not followed
 * unless asked; bodies are bounded. */
#ifndef CQED_IO_HTTP_CLIENT_H
#define CQED_IO_HTTP_CLIENT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "io/loop.h"

struct http_client; /* one per loop */

struct http_fetch {
    const char *method; /* NULL = GET, or POST when there is a body */
    const char *url;
    const char *const *headers; /* "Name: value", NULL-terminated; NULL = none */
    struct str body;
    int64_t timeout_ms;              /* 0 = 10 s; covers everything */
    size_t max_body_bytes;           /* of the answer, decoded; 0 = 64 MiB; more is ERR_LIMIT */
    bool accept_compressed;          /* offer gzip and zstd, hand over decoded bytes */
    const char *username, *password; /* basic auth; NULL = none */
    const char *bearer_token;
    const char *tls_ca_file;                  /* NULL = the system's */
    const char *tls_cert_file, *tls_key_file; /* to show who we are; NULL = nobody */
    const char *tls_server_name; /* what the certificate must say; NULL = the URL's host */
    bool tls_skip_verify;
    const char *unix_socket; /* talk HTTP over this socket; NULL = TCP */
};

struct http_access;

/* Fill in who we are, which may stand in files: false when one cannot be read. What `access` and
 * the arena hold must outlive the use of the request. */
MUST_CHECK bool http_fetch_as(struct http_fetch *, const struct http_access *, struct arena *,
                              struct err *);

struct http_answer {
    int status; /* 200, 404, ... ; never 0 in an answer that is handed over */
    struct str content_type;
    struct str retry_after;
    struct str body;
    int64_t elapsed_ms;
};

struct http_client *http_client_new(struct loop *);
void http_client_free(struct http_client *); /* cancels what is under way, without callbacks */

/* Start one. What `fetch` points to is copied. done runs on the loop exactly once unless cancelled;
 * answer is NULL on a transport failure (err says why: ERR_UNREACHABLE, ERR_TIMEOUT, ERR_LIMIT).
 * The answer is borrowed for the call. Returns a handle for http_cancel. */
struct http_transfer;
struct http_transfer *http_fetch_start(struct http_client *, const struct http_fetch *,
                                       void (*done)(void *arg, const struct http_answer *answer,
                                                    const struct err *err),
                                       void *arg);
void http_cancel(struct http_transfer *); /* done will not run */

/* Blocking, for the command line and tools. The answer's memory belongs to the arena. */
MUST_CHECK bool http_fetch_sync(struct arena *, const struct http_fetch *, struct http_answer *out,
                                struct err *);

/* Blocking stream (server-sent events): each(arg, data) per "data:" event until it returns false,
 * the peer ends or timeout_ms passes. */
MUST_CHECK bool http_stream_events(const struct http_fetch *,
                                   bool (*each)(void *arg, struct str event, struct str data),
                                   void *arg, struct err *);

#endif
