#include "base/buf.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

void buf_init(struct buf *b)
{
    *b = (struct buf)BUF_INIT;
}

void buf_release(struct buf *b)
{
    free(b->p);
    buf_init(b);
}

char *buf_reserve(struct buf *b, size_t more_bytes)
{
    size_t need;
    if (__builtin_add_overflow(b->n, more_bytes, &need) || need == SIZE_MAX)
        check_no_memory(more_bytes);
    need++; /* for the NUL */
    if (need > b->capacity) {
        size_t capacity = b->capacity > SIZE_MAX / 2 ? need : b->capacity * 2;
        if (capacity < need)
            capacity = need;
        if (capacity < 64)
            capacity = 64;
        b->p = mem_resize(b->p, capacity, 1);
        b->capacity = capacity;
    }
    b->p[b->n] = '\0';
    return b->p + b->n;
}

void buf_add(struct buf *b, const void *p, size_t size_bytes)
{
    char *end = buf_reserve(b, size_bytes);
    if (size_bytes > 0)
        memcpy(end, p, size_bytes);
    b->n += size_bytes;
    b->p[b->n] = '\0';
}

void buf_add_str(struct buf *b, struct str s)
{
    buf_add(b, s.p, s.n);
}

void buf_add_cstr(struct buf *b, const char *cstr)
{
    buf_add(b, cstr, strlen(cstr));
}

void buf_add_char(struct buf *b, char c)
{
    buf_add(b, &c, 1);
}

void buf_vprintf(struct buf *b, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, again);
    va_end(again);
    CHECK(n >= 0);
    char *end = buf_reserve(b, (size_t)n);
    (void)vsnprintf(end, (size_t)n + 1, format, args);
    b->n += (size_t)n;
}

void buf_printf(struct buf *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    buf_vprintf(b, format, args);
    va_end(args);
}

void buf_add_u32(struct buf *b, uint32_t v)
{
    unsigned char bytes[4];
    for (int i = 0; i < 4; i++)
        bytes[i] = (unsigned char)(v >> (8 * i));
    buf_add(b, bytes, sizeof bytes);
}

void buf_add_u64(struct buf *b, uint64_t v)
{
    unsigned char bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)(v >> (8 * i));
    buf_add(b, bytes, sizeof bytes);
}

void buf_add_uvarint(struct buf *b, uint64_t v)
{
    unsigned char bytes[10];
    size_t n = 0;
    for (; v >= 0x80; v >>= 7)
        bytes[n++] = (unsigned char)(v | 0x80);
    bytes[n++] = (unsigned char)v;
    buf_add(b, bytes, n);
}

void buf_add_varint(struct buf *b, int64_t v)
{
    buf_add_uvarint(b, ((uint64_t)v << 1) ^ (v < 0 ? UINT64_MAX : 0));
}

char *buf_detach(struct buf *b)
{
    char *p = b->p ? b->p : buf_reserve(b, 0);
    buf_init(b);
    return p;
}
