/* remote_write_testing.h -- writes remote write requests of either message, for tests and measures.
 * Labels are words: "__name__=up job=a" with ~ for a blank. */
#ifndef CQED_INGEST_REMOTE_WRITE_TESTING_H
#define CQED_INGEST_REMOTE_WRITE_TESTING_H

#include "base/buf.h"
#include "ingest/ingest.h"

#include <stdlib.h>

#define RW_TEST_SYMBOLS 20000

struct rw_writer {
    enum remote_write_message kind;
    struct buf all; /* finished fields of the request */
    struct buf one; /* the series under way */
    struct buf symbols;
    char *interned[RW_TEST_SYMBOLS];
    size_t n_interned;
};

static inline void rw_put_bytes(struct buf *out, unsigned field, struct str bytes)
{
    buf_add_uvarint(out, field << 3 | 2);
    buf_add_uvarint(out, bytes.n);
    buf_add_str(out, bytes);
}

static inline void rw_put_number(struct buf *out, unsigned field, uint64_t v)
{
    buf_add_uvarint(out, field << 3);
    buf_add_uvarint(out, v);
}

static inline void rw_put_double(struct buf *out, unsigned field, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    buf_add_uvarint(out, field << 3 | 1);
    buf_add_u64(out, bits);
}

/* Only the newest are looked through, as they are the likely ones. */
static inline uint64_t rw_symbol(struct rw_writer *w, const char *text)
{
    for (size_t i = w->n_interned; i > 0; i--) {
        if (strcmp(w->interned[i - 1], text) == 0)
            return i - 1;
    }
    CHECK(w->n_interned < RW_TEST_SYMBOLS);
    rw_put_bytes(&w->symbols, 4, str_from(text));
    w->interned[w->n_interned] = strdup(text);
    CHECK(w->interned[w->n_interned]);
    return w->n_interned++;
}

static inline struct rw_writer *rw_writer_new(enum remote_write_message kind)
{
    struct rw_writer *w = calloc(1, sizeof *w);
    CHECK(w);
    w->kind = kind;
    if (kind == REMOTE_WRITE_2)
        (void)rw_symbol(w, "");
    return w;
}

static inline void rw_writer_free(struct rw_writer *w)
{
    for (size_t i = 0; i < w->n_interned; i++)
        free(w->interned[i]);
    buf_release(&w->all);
    buf_release(&w->one);
    buf_release(&w->symbols);
    free(w);
}

/* The next word of the labels as name and value. */
static inline bool rw_next_label(const char **words, char *name, char *value, size_t size)
{
    size_t n = strcspn(*words, " "), cut = strcspn(*words, "=");
    if (n == 0)
        return false;
    CHECK(cut < n && n < size);
    memcpy(name, *words, cut);
    name[cut] = '\0';
    memcpy(value, *words + cut + 1, n - cut - 1);
    value[n - cut - 1] = '\0';
    for (char *p = value; *p; p++)
        *p = *p == '~' ? ' ' : *p;
    *words += n + ((*words)[n] == ' ');
    return true;
}

static inline void rw_labels(struct rw_writer *w, const char *words)
{
    char name[256], value[256];
    struct buf packed = BUF_INIT;
    while (rw_next_label(&words, name, value, sizeof name)) {
        if (w->kind == REMOTE_WRITE_2) {
            buf_add_uvarint(&packed, rw_symbol(w, name));
            buf_add_uvarint(&packed, rw_symbol(w, value));
            continue;
        }
        struct buf label = BUF_INIT;
        rw_put_bytes(&label, 1, str_from(name));
        rw_put_bytes(&label, 2, str_from(value));
        rw_put_bytes(&w->one, 1, buf_str(&label));
        buf_release(&label);
    }
    if (w->kind == REMOTE_WRITE_2)
        rw_put_bytes(&w->one, 1, buf_str(&packed));
    buf_release(&packed);
}

/* start_ms 0 = none; there is none in 1.0. */
static inline void rw_sample_from(struct rw_writer *w, int64_t start_ms, int64_t t_ms, double v)
{
    struct buf sample = BUF_INIT;
    rw_put_double(&sample, 1, v);
    rw_put_number(&sample, 2, (uint64_t)t_ms);
    if (start_ms != 0 && w->kind == REMOTE_WRITE_2)
        rw_put_number(&sample, 3, (uint64_t)start_ms);
    rw_put_bytes(&w->one, 2, buf_str(&sample));
    buf_release(&sample);
}

static inline void rw_put_sample(struct rw_writer *w, int64_t t_ms, double v)
{
    rw_sample_from(w, 0, t_ms, v);
}

/* Its one label is trace_id. */
static inline void rw_exemplar(struct rw_writer *w, const char *trace_id, int64_t t_ms, double v)
{
    struct buf exemplar = BUF_INIT, label = BUF_INIT;
    if (w->kind == REMOTE_WRITE_1) {
        rw_put_bytes(&label, 1, STR("trace_id"));
        rw_put_bytes(&label, 2, str_from(trace_id));
    } else {
        buf_add_uvarint(&label, rw_symbol(w, "trace_id"));
        buf_add_uvarint(&label, rw_symbol(w, trace_id));
    }
    rw_put_bytes(&exemplar, 1, buf_str(&label));
    rw_put_double(&exemplar, 2, v);
    rw_put_number(&exemplar, 3, (uint64_t)t_ms);
    buf_release(&label);
    rw_put_bytes(&w->one, w->kind == REMOTE_WRITE_1 ? 3 : 4, buf_str(&exemplar));
    buf_release(&exemplar);
}

static inline uint64_t rw_zigzag(int64_t v)
{
    return (uint64_t)v << 1 ^ (v < 0 ? UINT64_MAX : 0);
}

/* Fields first (spans), first + 1 (differences of integers) or first + 2 (floats). */
static inline void rw_side(struct buf *out, unsigned first, const struct histogram_side *s,
                           bool floats)
{
    struct buf packed = BUF_INIT;
    int64_t before = 0;
    for (uint32_t i = 0; i < s->n_spans; i++) {
        struct buf span = BUF_INIT;
        rw_put_number(&span, 1, rw_zigzag(s->spans[i].offset));
        rw_put_number(&span, 2, s->spans[i].length);
        rw_put_bytes(out, first, buf_str(&span));
        buf_release(&span);
    }
    for (uint32_t i = 0; i < s->n_buckets; i++) {
        if (floats) {
            buf_add(&packed, &s->buckets[i], sizeof(double));
            continue;
        }
        buf_add_uvarint(&packed, rw_zigzag((int64_t)s->buckets[i] - before));
        before = (int64_t)s->buckets[i];
    }
    if (packed.n > 0)
        rw_put_bytes(out, floats ? first + 2 : first + 1, buf_str(&packed));
    buf_release(&packed);
}

/* With integer counts, or floats. start_ms 0 = none. */
static inline void rw_histogram(struct rw_writer *w, int64_t start_ms, int64_t t_ms,
                                const struct histogram *h, bool floats)
{
    struct buf m = BUF_INIT;
    if (floats) {
        rw_put_double(&m, 2, h->count);
        rw_put_double(&m, 7, h->zero_count);
    } else {
        rw_put_number(&m, 1, (uint64_t)h->count);
        rw_put_number(&m, 6, (uint64_t)h->zero_count);
    }
    rw_put_double(&m, 3, h->sum);
    rw_put_number(&m, 4, rw_zigzag(h->schema));
    rw_put_double(&m, 5, h->zero_threshold);
    rw_side(&m, 8, &h->negative, floats);
    rw_side(&m, 11, &h->positive, floats);
    rw_put_number(&m, 14, (uint64_t)h->hint);
    rw_put_number(&m, 15, (uint64_t)t_ms);
    for (uint32_t i = 0; i < h->n_custom; i++)
        rw_put_double(&m, 16, h->custom[i]);
    if (start_ms != 0)
        rw_put_number(&m, 17, (uint64_t)start_ms);
    rw_put_bytes(&w->one, w->kind == REMOTE_WRITE_1 ? 4 : 3, buf_str(&m));
    buf_release(&m);
}

/* Of the series under way; 2.0 only. */
static inline void rw_metadata_of_series(struct rw_writer *w, uint64_t type, const char *help,
                                         const char *unit)
{
    struct buf metadata = BUF_INIT;
    rw_put_number(&metadata, 1, type);
    rw_put_number(&metadata, 3, rw_symbol(w, help));
    rw_put_number(&metadata, 4, rw_symbol(w, unit));
    rw_put_bytes(&w->one, 5, buf_str(&metadata));
    buf_release(&metadata);
}

static inline void rw_end_series(struct rw_writer *w)
{
    rw_put_bytes(&w->all, w->kind == REMOTE_WRITE_1 ? 1 : 5, buf_str(&w->one));
    buf_clear(&w->one);
}

/* A series of one sample. */
static inline void rw_one(struct rw_writer *w, const char *labels, int64_t t_ms, double v)
{
    rw_labels(w, labels);
    rw_put_sample(w, t_ms, v);
    rw_end_series(w);
}

/* The whole request. Symbols come last, to be found nevertheless. */
static inline struct str rw_request(struct rw_writer *w)
{
    buf_add_str(&w->all, buf_str(&w->symbols));
    buf_clear(&w->symbols);
    return buf_str(&w->all);
}

#endif
