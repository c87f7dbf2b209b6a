#include "ingest/protobuf.h"

#include <endian.h>

#define FIELD_NUMBER_MAX ((UINT64_C(1) << 29) - 1)

static bool broken(struct pb *in)
{
    in->broken = true;
    return false;
}

/* At most ten bytes, the tenth worth one bit. */
static bool take_long_varint(struct pb *in, uint64_t *out)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 70 && in->p < in->end; shift += 7) {
        unsigned char byte = *in->p++;
        if (shift == 63 && byte > 1)
            break;
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *out = v;
            return true;
        }
    }
    return broken(in);
}

static inline bool take_varint(struct pb *in, uint64_t *out)
{
    if (in->p == in->end || *in->p >= 0x80)
        return take_long_varint(in, out);
    *out = *in->p++;
    return true;
}

static inline bool take_fixed(struct pb *in, size_t size_bytes, uint64_t *out)
{
    uint64_t v = 0;
    *out = 0;
    if ((size_t)(in->end - in->p) < size_bytes)
        return broken(in);
    memcpy(&v, in->p, size_bytes);
    *out = le64toh(v);
    in->p += size_bytes;
    return true;
}

static bool take_bytes(struct pb *in, struct str *out)
{
    uint64_t n;
    if (!take_varint(in, &n))
        return false;
    if (n > (uint64_t)(in->end - in->p))
        return broken(in);
    *out = str_make((const char *)in->p, (size_t)n);
    in->p += n;
    return true;
}

bool pb_next(struct pb *in, struct pb_field *out)
{
    uint64_t tag;
    if (in->broken || in->p == in->end || !take_varint(in, &tag))
        return false;
    if (tag >> 3 == 0 || tag >> 3 > FIELD_NUMBER_MAX)
        return broken(in);
    out->number = (uint32_t)(tag >> 3);
    out->type = (enum pb_type)(tag & 7);
    switch (out->type) {
    case PB_VARINT:
        return take_varint(in, &out->value);
    case PB_FIXED64:
        return take_fixed(in, 8, &out->value);
    case PB_BYTES:
        return take_bytes(in, &out->bytes);
    case PB_FIXED32:
        return take_fixed(in, 4, &out->value);
    }
    return broken(in);
}

bool pb_next_varint(struct pb *in, uint64_t *out)
{
    return !in->broken && in->p != in->end && take_varint(in, out);
}

bool pb_next_fixed64(struct pb *in, uint64_t *out)
{
    return !in->broken && in->p != in->end && take_fixed(in, 8, out);
}
