/* cursor.h -- takes numbers and strings from the front of a block's bytes; beyond the end it
 * gives zeros and remembers that it did. */
#ifndef CQED_BLOCK_CURSOR_H
#define CQED_BLOCK_CURSOR_H

#include "base/hash.h"
#include "base/str.h"

#include <endian.h>
#include <stdint.h>

struct block_cursor {
    const char *p;
    size_t n;
    bool bad;
};

static inline struct block_cursor cursor_of(struct str s)
{
    return (struct block_cursor){s.p, s.n, false};
}

static inline struct str cursor_bytes(struct block_cursor *c, uint64_t n)
{
    if (n > c->n) {
        c->bad = true;
        c->n = 0;
        return str_make("", 0);
    }
    struct str s = str_make(c->p, (size_t)n);
    c->p += n;
    c->n -= (size_t)n;
    return s;
}

static inline uint32_t cursor_u32(struct block_cursor *c)
{
    uint32_t v = 0;
    struct str s = cursor_bytes(c, sizeof v);
    if (s.n == sizeof v)
        memcpy(&v, s.p, sizeof v);
    return be32toh(v);
}

static inline uint64_t cursor_u64(struct block_cursor *c)
{
    uint64_t high = cursor_u32(c);
    return high << 32 | cursor_u32(c);
}

static inline uint64_t cursor_uvarint(struct block_cursor *c)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 70 && c->n > 0; shift += 7) {
        uint8_t byte = (uint8_t)*c->p;
        c->p++;
        c->n--;
        if (shift == 63 && byte > 1)
            break;
        v |= (uint64_t)(byte & 127) << shift;
        if (byte < 128)
            return v;
    }
    c->bad = true;
    return 0;
}

static inline int64_t cursor_varint(struct block_cursor *c)
{
    uint64_t v = cursor_uvarint(c);
    return (int64_t)(v >> 1 ^ -(v & 1));
}

static inline struct str cursor_string(struct block_cursor *c)
{
    uint64_t n = cursor_uvarint(c);
    return cursor_bytes(c, n);
}

/* The next `n` bytes as content with its checksum behind; bad when they do not agree. */
static inline struct str cursor_checked(struct block_cursor *c, uint64_t n)
{
    struct str content = cursor_bytes(c, n);
    uint32_t crc = cursor_u32(c);
    if (crc != crc32c(0, content.p, content.n))
        c->bad = true;
    return content;
}

#endif
