/* prometheus_testing.h -- writes what a Prometheus would write to its log: fragments of pages, and
 * the numbers that records are made of. Included by tests only. */
#ifndef CQED_BLOCK_PROMETHEUS_TESTING_H
#define CQED_BLOCK_PROMETHEUS_TESTING_H

#include "base/hash.h"
#include "block/prometheus_frames.h"
#include "model/sample.h"

static inline void put_be(struct buf *out, uint64_t v, unsigned bytes)
{
    while (bytes-- > 0)
        buf_add_char(out, (char)(v >> (8 * bytes)));
}

static inline void put_double(struct buf *out, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    put_be(out, bits, 8);
}

static inline void put_text(struct buf *out, const char *text)
{
    buf_add_uvarint(out, strlen(text));
    buf_add_cstr(out, text);
}

/* name{i="..."} */
static inline void put_series(struct buf *out, uint64_t ref, const char *name, const char *i)
{
    put_be(out, ref, 8);
    buf_add_uvarint(out, 2);
    put_text(out, "__name__");
    put_text(out, name);
    put_text(out, "i");
    put_text(out, i);
}

/* A record of one sample. */
static inline void put_sample(struct buf *out, uint64_t ref, int64_t t_ms, double v)
{
    buf_add_char(out, 2);
    put_be(out, ref, 8);
    put_be(out, (uint64_t)t_ms, 8);
    buf_add_varint(out, 0);
    buf_add_varint(out, 0);
    put_double(out, v);
}

static inline void put_fragment(struct buf *segment, unsigned type, struct str data)
{
    buf_add_char(segment, (char)type);
    put_be(segment, data.n, 2);
    put_be(segment, crc32c(0, data.p, data.n), 4);
    buf_add_str(segment, data);
}

/* As many fragments as the pages need; flags as in the type byte, 0 = not compressed. */
static inline void put_record(struct buf *segment, struct str record, unsigned flags)
{
    for (bool begun = false;;) {
        size_t left = PROMETHEUS_PAGE_BYTES - segment->n % PROMETHEUS_PAGE_BYTES;
        if (left < 7) {
            for (; left > 0; left--)
                buf_add_char(segment, 0);
            continue;
        }
        size_t n = record.n < left - 7 ? record.n : left - 7;
        bool ends = n == record.n;
        put_fragment(segment, flags | (ends ? (begun ? 4u : 1u) : (begun ? 3u : 2u)),
                     str_make(record.p, n));
        record = str_make(record.p + n, record.n - n);
        begun = true;
        if (ends)
            return;
    }
}

#endif
