/* protobuf.h -- reading protobuf's wire format (protobuf.dev/programming-guides/encoding) without
 * copying: a message is a run of bytes, its fields come one at a time, sub-messages and strings
 * point into it. Nothing is trusted: every length is checked against what is left. Groups (wire
 * types 3 and 4) are refused. */
#ifndef CQED_INGEST_PROTOBUF_H
#define CQED_INGEST_PROTOBUF_H

#include "base/str.h"
#include "model/labels.h"

#include <endian.h>
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

/* --- How a field is read; for pb_next, which is the hot loop of all that reads protobuf --- */

#define PB_FIELD_NUMBER_MAX ((UINT64_C(1) << 29) - 1)

static inline bool pb_broken(struct pb *in)
{
    in->broken = true;
    return false;
}

bool pb_take_long_varint(struct pb *, uint64_t *out);

static inline bool pb_take_varint(struct pb *in, uint64_t *out)
{
    if (in->p == in->end || *in->p >= 0x80)
        return pb_take_long_varint(in, out);
    *out = *in->p++;
    return true;
}

static inline bool pb_take_fixed(struct pb *in, size_t size_bytes, uint64_t *out)
{
    uint64_t v = 0;
    *out = 0;
    if ((size_t)(in->end - in->p) < size_bytes)
        return pb_broken(in);
    memcpy(&v, in->p, size_bytes);
    *out = le64toh(v);
    in->p += size_bytes;
    return true;
}

static inline bool pb_take_bytes(struct pb *in, struct str *out)
{
    uint64_t n;
    if (!pb_take_varint(in, &n))
        return false;
    if (n > (uint64_t)(in->end - in->p))
        return pb_broken(in);
    *out = str_make((const char *)in->p, (size_t)n);
    in->p += n;
    return true;
}

/* The next field; false at the end and when the message is broken. */
static inline bool pb_next(struct pb *in, struct pb_field *out)
{
    uint64_t tag;
    if (in->broken || in->p == in->end || !pb_take_varint(in, &tag))
        return false;
    if (tag >> 3 == 0 || tag >> 3 > PB_FIELD_NUMBER_MAX)
        return pb_broken(in);
    out->number = (uint32_t)(tag >> 3);
    out->type = (enum pb_type)(tag & 7);
    switch (out->type) {
    case PB_VARINT:
        return pb_take_varint(in, &out->value);
    case PB_FIXED64:
        return pb_take_fixed(in, 8, &out->value);
    case PB_BYTES:
        return pb_take_bytes(in, &out->bytes);
    case PB_FIXED32:
        return pb_take_fixed(in, 4, &out->value);
    }
    return pb_broken(in);
}

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

/* A label as every message has it: the name is field 1, the value field 2; false when it is
 * malformed. */
bool pb_read_label(struct str message, struct label *out);

#endif
