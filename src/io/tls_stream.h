/* tls_stream.h -- TLS 1.2 and 1.3 of a server, as bytes in and bytes out (GnuTLS), for protocols
 * that do their own I/O. One thread a stream; the identity may be shared. */
#ifndef CQED_IO_TLS_STREAM_H
#define CQED_IO_TLS_STREAM_H

#include "base/buf.h"
#include "base/err.h"

struct tls_identity; /* certificate and key */
struct tls_stream;

/* PEM files. ERR_BAD_INPUT or ERR_IO name them. */
struct tls_identity *tls_identity_open(const char *cert_file, const char *key_file, struct err *);
void tls_identity_free(struct tls_identity *);

/* The client must agree to the protocol (ALPN, e.g. "h2"). */
struct tls_stream *tls_stream_new(const struct tls_identity *, const char *protocol);
void tls_stream_free(struct tls_stream *);

/* What the peer sent; what it means is appended to plain. False: the stream is over, be it broken
 * or ended; send what there is and close. */
bool tls_stream_feed(struct tls_stream *, struct str bytes, struct buf *plain);
bool tls_stream_is_ready(const struct tls_stream *); /* the handshake is done: send may be called */
bool tls_stream_send(struct tls_stream *, struct str plain);
void tls_stream_output(struct tls_stream *, struct buf *out); /* append what is to be sent */

#endif
