/* protobuf.h -- reading protobuf's wire format (protobuf.dev/programming-guides/encoding) without
 * copying: a message is a run of bytes, its fields come one at a time, sub-messages and strings
 * point into it. Nothing is trusted: every length is checked against what is left. Groups (wire
 * types 3 and 4) are refused. */
#ifndef CQED_INGEST_PROTOBUF_H
#define CQED_INGEST_PROTOBUF_H

#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum pb_type { PB_VARINT = 0, PB_FIXED64 = 1, PB_BYTES = 2, PB_FIXED32 = 5 };

struct pb {
    const unsigned char *p, *end;
    bool broken; /* p is where */
};

struct pb_field {
    uint32_t number;
    enum pb_type type;
    uint64_t value;   /* of the numeric types */
    struct str bytes; /* of PB_BYTES */
};

static inline struct pb pb_of(struct str message)
{
    const unsigned char *p = (const unsigned char *)message.p;
    return (struct pb){p, p ? p + message.n : p, false};
}

/* The next field; false at the end and when the message is broken. */
bool pb_next(struct pb *, struct pb_field *);

/* One element of a packed run; false at the end and when it is broken. */
bool pb_next_varint(struct pb *, uint64_t *out);
bool pb_next_fixed64(struct pb *, uint64_t *out);

static inline double pb_double(uint64_t bits)
{
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

/* sint32 and sint64. */
static inline int64_t pb_zigzag(uint64_t raw)
{
    return (int64_t)(raw >> 1 ^ (raw & 1 ? UINT64_MAX : 0));
}

#endif
