/* protobuf_testing.h -- messages for tests, put together field by field. A message is a struct buf
 * whose fields are added in any order. Included by tests only. */
#ifndef CQED_INGEST_PROTOBUF_TESTING_H
#define CQED_INGEST_PROTOBUF_TESTING_H

#include "base/buf.h"
#include "ingest/protobuf.h"

static inline void put_tag(struct buf *m, uint32_t number, enum pb_type type)
{
    buf_add_uvarint(m, (uint64_t)number << 3 | type);
}

static inline void put_uint(struct buf *m, uint32_t number, uint64_t v)
{
    put_tag(m, number, PB_VARINT);
    buf_add_uvarint(m, v);
}

static inline void put_sint(struct buf *m, uint32_t number, int64_t v)
{
    put_tag(m, number, PB_VARINT);
    buf_add_varint(m, v);
}

static inline void put_double(struct buf *m, uint32_t number, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    put_tag(m, number, PB_FIXED64);
    buf_add_u64(m, bits);
}

static inline void put_bytes(struct buf *m, uint32_t number, struct str s)
{
    put_tag(m, number, PB_BYTES);
    buf_add_uvarint(m, s.n);
    buf_add_str(m, s);
}

static inline void put_text(struct buf *m, uint32_t number, const char *text)
{
    put_bytes(m, number, str_from(text));
}

/* The inner message is released. */
static inline void put_message(struct buf *m, uint32_t number, struct buf *inner)
{
    put_bytes(m, number, buf_str(inner));
    buf_release(inner);
}

/* io.prometheus.client.LabelPair, as field 1. */
static inline void put_label(struct buf *m, const char *name, const char *value)
{
    struct buf pair = BUF_INIT;
    put_text(&pair, 1, name);
    put_text(&pair, 2, value);
    put_message(m, 1, &pair);
}

/* google.protobuf.Timestamp. */
static inline void put_time(struct buf *m, uint32_t number, int64_t t_ms)
{
    struct buf time = BUF_INIT;
    put_uint(&time, 1, (uint64_t)(t_ms / 1000));
    put_uint(&time, 2, (uint64_t)(t_ms % 1000) * 1000000);
    put_message(m, number, &time);
}

/* io.prometheus.client.Exemplar. */
static inline void put_exemplar(struct buf *m, uint32_t number, const char *trace, double v,
                                int64_t t_ms)
{
    struct buf exemplar = BUF_INIT;
    put_label(&exemplar, "trace_id", trace);
    put_double(&exemplar, 2, v);
    if (t_ms > 0)
        put_time(&exemplar, 3, t_ms);
    put_message(m, number, &exemplar);
}

static inline void put_span(struct buf *m, uint32_t number, int32_t offset, uint32_t length)
{
    struct buf span = BUF_INIT;
    put_sint(&span, 1, offset);
    put_uint(&span, 2, length);
    put_message(m, number, &span);
}

/* A MetricFamily of one metric, behind its length. The metric is released. */
static inline void put_family(struct buf *body, const char *name, uint64_t type, struct buf *metric)
{
    struct buf family = BUF_INIT;
    put_text(&family, 1, name);
    put_text(&family, 2, "Help.");
    put_uint(&family, 3, type);
    put_message(&family, 4, metric);
    buf_add_uvarint(body, family.n);
    buf_add_str(body, buf_str(&family));
    buf_release(&family);
}

#endif
