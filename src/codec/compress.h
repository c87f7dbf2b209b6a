/* compress.h -- decoders for what clients send, always with a cap on the output; and gzip for our
 * answers. */
#ifndef CQED_CODEC_COMPRESS_H
#define CQED_CODEC_COMPRESS_H

#include "base/buf.h"
#include "base/err.h"

/* Append the decoded bytes. Over max_bytes: ERR_LIMIT. Malformed or truncated: ERR_BAD_INPUT. */
MUST_CHECK bool gzip_decode(struct str, size_t max_bytes, struct buf *out, struct err *);
MUST_CHECK bool zstd_decode(struct str, size_t max_bytes, struct buf *out, struct err *);
/* How long the decoded bytes say they are; 0 when they are malformed. */
size_t snappy_decoded_bytes(struct str);
MUST_CHECK bool snappy_decode(struct str, size_t max_bytes, struct buf *out, struct err *);

void snappy_encode(struct str, struct buf *out); /* appends; the block format */
void gzip_encode(struct str, struct buf *out);   /* appends; fast rather than small */

#endif
