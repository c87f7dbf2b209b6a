/* grpc_session.h -- one HTTP/2 connection that speaks unary gRPC, as bytes in and bytes out: no
 * sockets, no clock, so that tests and the fuzzer hold it whole. One thread.
 *
 *     a stream:  headers -> reading -> calling -> answered -> closed
 *                   '----------'--- refused ------^
 *
 * `reading`: pieces of the message come. `calling`: the message was handed over, the answer is
 * awaited. `answered`: what was answered is on its way; what the client still sends is thrown
 * away, and it is told to stop (RST_STREAM with NO_ERROR, RFC 9113 section 8.1). */
#ifndef CQED_IO_GRPC_SESSION_H
#define CQED_IO_GRPC_SESSION_H

#include "io/grpc_message.h"

#define GRPC_MAX_CALLS 100 /* at once on a connection */
#define GRPC_REQUEST_MS                                                                            \
    INT64_C(60000)                        /* to send a request, and to take an answer              \
                                           */
#define GRPC_HEADER_BYTES ((size_t)16384) /* of one request, decoded */

struct grpc_session;

/* A whole request. */
struct grpc_call {
    int32_t stream_id;
    const struct grpc_method *method;
    struct buf message; /* the receiver's from now on; its n bytes are to be given back */
    bool compressed;
    int64_t deadline_ms; /* on the clock of feed; INT64_MAX = none */
};

struct grpc_session_options {
    const struct grpc_method *methods;
    size_t n_methods;
    size_t max_message_bytes;
    void *room;
    bool (*take)(void *room, size_t bytes); /* for bytes of a message; false: there is none */
    void (*give)(void *room, size_t bytes);
    void (*call)(void *caller, const struct grpc_call *);
};

/* The options are borrowed; caller is what call is told. */
struct grpc_session *grpc_session_new(const struct grpc_session_options *, void *caller);
void grpc_session_free(struct grpc_session *);

/* What the peer sent; now_ms never goes back. False: send what there is, then close. */
bool grpc_session_feed(struct grpc_session *, struct str bytes, int64_t now_ms);

/* Append what is to be sent. False: and then close. */
bool grpc_session_output(struct grpc_session *, struct buf *out);

/* The answer of a call, whose stream may be gone by now. */
void grpc_session_answer(struct grpc_session *, int32_t stream_id, const struct grpc_response *);

/* End what has taken too long; called now and then. */
void grpc_session_expire(struct grpc_session *, int64_t now_ms);

void grpc_session_goaway(struct grpc_session *); /* calls under way go on, new ones are refused */

size_t grpc_session_streams(const struct grpc_session *); /* that are open */
bool grpc_session_has_begun(const struct grpc_session *); /* preface and settings came */

#endif
