/* grpc.h -- unary gRPC in, over HTTP/2 by nghttp2 (github.com/grpc/grpc, doc/PROTOCOL-HTTP2.md). A
 * thread of its own holds the connections; handlers run on libuv's pool, so that neither decoding
 * nor the disk hold up a connection. Messages may be gzip and come in any number of frames.
 *
 *     client --HTTP/2--> grpc_session.c --whole message--> handler --answer--> client
 *
 * Bounds, on by default: message size, bytes of all messages under way, calls and connections at
 * once, header bytes, rates of resets, pings and empty frames, CONTINUATION frames, how long a
 * request may take to arrive, idle connections. What is over a bound is answered, not queued. */
#ifndef CQED_IO_GRPC_H
#define CQED_IO_GRPC_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#include <stdint.h>

/* X(enumerator, number, name): the status codes that we answer with. */
#define GRPC_STATUSES(X)                                                                           \
    X(GRPC_OK, 0, "OK")                                                                            \
    X(GRPC_INVALID_ARGUMENT, 3, "INVALID_ARGUMENT")                                                \
    X(GRPC_DEADLINE_EXCEEDED, 4, "DEADLINE_EXCEEDED")                                              \
    X(GRPC_RESOURCE_EXHAUSTED, 8, "RESOURCE_EXHAUSTED")                                            \
    X(GRPC_UNIMPLEMENTED, 12, "UNIMPLEMENTED")                                                     \
    X(GRPC_INTERNAL, 13, "INTERNAL")                                                               \
    X(GRPC_UNAVAILABLE, 14, "UNAVAILABLE")

enum grpc_status {
#define X(code, number, name) code = (number),
    GRPC_STATUSES(X)
#undef X
};

struct grpc_request {
    struct str message; /* decompressed */
    struct arena *arena;
};

struct grpc_response {
    enum grpc_status status; /* GRPC_OK by default */
    struct buf message;      /* of GRPC_OK; the server releases it */
    const char *why;         /* of the others; the arena's, or static */
    int64_t retry_after_ms;  /* > 0: the client may try again after so long (RetryInfo) */
};

typedef void grpc_handler(void *context, const struct grpc_request *, struct grpc_response *);

struct grpc_method {
    const char *path; /* "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export" */
    grpc_handler *handler;
};

struct grpc_server_options {
    const char *listen; /* as of the HTTP server */
    const struct grpc_method *methods;
    size_t n_methods;
    void *context;
    const char *tls_cert_file, *tls_key_file; /* both or neither */
    size_t max_message_bytes;                 /* decompressed; 0 = 4 MiB */
    size_t max_pending_bytes;                 /* of all messages under way; 0 = 256 MiB */
    unsigned max_connections;                 /* 0 = 1024 */
    int64_t idle_ms;                          /* without a call, then GOAWAY; 0 = 10 min */
};

struct grpc_server;

/* Errors as of http_server_start. */
struct grpc_server *grpc_server_start(const struct grpc_server_options *, struct err *);
/* GOAWAY to everyone, calls under way are answered (at most 5 s for the slow reader), then all is
 * closed. */
void grpc_server_stop(struct grpc_server *);
uint16_t grpc_server_port(const struct grpc_server *);

#endif
