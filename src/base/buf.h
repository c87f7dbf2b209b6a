/* buf.h -- a growable byte buffer that it owns. Always NUL-terminated behind its end once used, so
 * that b.p is a C string when it holds text. */
#ifndef CQED_BASE_BUF_H
#define CQED_BASE_BUF_H

#include "base/check.h"
#include "base/str.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
    char *p; /* NULL until the first byte */
    size_t n;
    size_t capacity;
};

#define BUF_INIT                                                                                   \
    {                                                                                              \
        NULL, 0, 0                                                                                 \
    }

void buf_init(struct buf *);
void buf_release(struct buf *);
static inline void buf_clear(struct buf *b)
{
    b->n = 0;
    if (b->p)
        b->p[0] = '\0';
}

char *buf_reserve(struct buf *,
                  size_t more_bytes); /* room behind the end; returns where it starts */
void buf_add(struct buf *, const void *, size_t size_bytes);
void buf_add_str(struct buf *, struct str);
void buf_add_cstr(struct buf *, const char *);
void buf_add_char(struct buf *, char);
void buf_printf(struct buf *, const char *format, ...) PRINTF_LIKE(2, 3);
void buf_vprintf(struct buf *, const char *format, va_list);

/* Fixed-width little-endian and LEB128 (unsigned, and zig-zag signed) for our on-disk formats. */
void buf_add_u32(struct buf *, uint32_t);
void buf_add_u64(struct buf *, uint64_t);
void buf_add_uvarint(struct buf *, uint64_t);
void buf_add_varint(struct buf *, int64_t);

char *buf_detach(struct buf *); /* the caller frees; the buffer is empty again */
static inline struct str buf_str(const struct buf *b)
{
    return str_make(b->p ? b->p : "", b->n);
}

#endif
