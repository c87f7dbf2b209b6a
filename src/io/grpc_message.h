/* grpc_message.h -- the bytes inside gRPC's HTTP/2 frames: length-prefixed messages in, and the
 * texts of a status out. No I/O. */
#ifndef CQED_IO_GRPC_MESSAGE_H
#define CQED_IO_GRPC_MESSAGE_H

#include "io/grpc.h"

#define GRPC_PREFIX_BYTES 5 /* compressed or not, length in big endian */

/* The one message of a unary request, put together from pieces as they come.
 *
 *     prefix (5 bytes) -> body (as long as it said) -> whole; anything behind is an error */
struct grpc_reader {
    size_t max_bytes; /* of the body as it is sent */
    unsigned char prefix[GRPC_PREFIX_BYTES];
    size_t n_prefix;
    size_t length;
    struct buf body;
};

/* False: the request is to be refused, *status and err say how. */
MUST_CHECK bool grpc_reader_feed(struct grpc_reader *, struct str piece, enum grpc_status *,
                                 struct err *);
bool grpc_reader_is_whole(const struct grpc_reader *);
bool grpc_reader_is_compressed(const struct grpc_reader *); /* of a whole one */

void grpc_add_prefix(struct buf *, size_t message_bytes); /* of an uncompressed message */

/* grpc-message: percent-encoded. */
void grpc_add_percent(struct buf *, const char *text);

/* google.rpc.Status in protobuf; retry_after_ms > 0 adds a RetryInfo. */
void rpc_status_add(struct buf *, int code, const char *message, int64_t retry_after_ms);

/* grpc-timeout ("100m", "5S") in milliseconds, rounded up; -1 = it is none. */
int64_t grpc_timeout_parse(struct str);

#endif
