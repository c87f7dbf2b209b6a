/* bits.h -- bit streams of the chunks in blocks, most significant bit first. The reader
 * trusts nothing: beyond the end it answers zeros and remembers that it did. The writer grows. */
#ifndef CQED_BLOCK_BITS_H
#define CQED_BLOCK_BITS_H

#include "base/mem.h"
#include "base/str.h"
#include "codec/bits.h"

#include <stdbool.h>
#include <stdlib.h>

struct bit_reader {
    const uint8_t *bytes;
    size_t n_bytes;
    size_t at; /* bits */
    bool overrun;
};

static inline struct bit_reader bit_reader_of(struct str data)
{
    return (struct bit_reader){.bytes = (const uint8_t *)data.p, .n_bytes = data.n};
}

/* The 8 bytes from `byte` on, zeros behind the end. */
static inline uint64_t bit_window(const struct bit_reader *r, size_t byte)
{
    uint64_t word = 0;
    size_t left = r->n_bytes - byte;
    memcpy(&word, r->bytes + byte, left < sizeof word ? left : sizeof word);
    return be64toh(word);
}

/* count is 1 to BITS_MAX. */
static inline uint64_t bit_take(struct bit_reader *r, unsigned count)
{
    if (r->n_bytes * 8 - r->at < count) {
        r->at = r->n_bytes * 8;
        r->overrun = true;
        return 0;
    }
    uint64_t v = bit_window(r, r->at / 8) << r->at % 8 >> (64 - count);
    r->at += count;
    return v;
}

/* count is 1 to 64. */
static inline uint64_t bit_take_wide(struct bit_reader *r, unsigned count)
{
    uint64_t high = 0;
    if (count > 32) {
        high = bit_take(r, count - 32) << 32;
        count = 32;
    }
    return high | bit_take(r, count);
}

/* How many ones stand before the next zero, at most max (then no zero is taken). */
static inline unsigned bit_take_ones(struct bit_reader *r, unsigned max)
{
    unsigned n = 0;
    while (n < max && bit_take(r, 1) == 1)
        n++;
    return n;
}

struct bit_writer {
    uint8_t *bytes; /* owned; zero behind the end */
    size_t capacity;
    size_t at; /* bits */
};

static inline void bit_writer_release(struct bit_writer *w)
{
    free(w->bytes);
    *w = (struct bit_writer){0};
}

static inline void bit_writer_clear(struct bit_writer *w)
{
    if (w->bytes)
        memset(w->bytes, 0, (w->at + 7) / 8);
    w->at = 0;
}

static inline struct str bit_writer_str(const struct bit_writer *w)
{
    return str_make(w->bytes ? (const char *)w->bytes : "", (w->at + 7) / 8);
}

/* count is 1 to 64; value has no bits above. */
static inline void bit_add(struct bit_writer *w, uint64_t value, unsigned count)
{
    if (w->at / 8 + 2 * BITS_PAD_BYTES + 8 > w->capacity) {
        size_t before = w->capacity;
        w->capacity = before ? before * 2 : 256;
        w->bytes = mem_resize(w->bytes, w->capacity, 1);
        memset(w->bytes + before, 0, w->capacity - before);
    }
    bits_put_wide(w->bytes, &w->at, value, count);
}

#endif
