#include "ingest/protobuf.h"

/* At most ten bytes, the tenth worth one bit. */
bool pb_take_long_varint(struct pb *in, uint64_t *out)
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
    return pb_broken(in);
}

bool pb_next_varint(struct pb *in, uint64_t *out)
{
    return !in->broken && in->p != in->end && pb_take_varint(in, out);
}

bool pb_next_fixed64(struct pb *in, uint64_t *out)
{
    return !in->broken && in->p != in->end && pb_take_fixed(in, 8, out);
}

bool pb_read_label(struct str message, struct label *out)
{
    struct pb in = pb_of(message);
    struct pb_field f = {0};
    *out = (struct label){str_make("", 0), str_make("", 0)};
    while (pb_next(&in, &f)) {
        if (f.number <= 2 && f.type != PB_BYTES)
            return false;
        if (f.number == 1)
            out->name = f.bytes;
        else if (f.number == 2)
            out->value = f.bytes;
    }
    return !in.broken;
}
