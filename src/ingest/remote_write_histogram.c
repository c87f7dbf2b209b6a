/* A native histogram of either message: the two have the same fields. */
#include "ingest/remote_write.h"

#include <math.h>

#define SCHEMA_RESERVED_MAX 52 /* finer than ours, to be reduced */

/* One side as it was sent: integer counts as differences to the bucket before, or floats. */
struct side {
    struct histogram_span *spans;
    int64_t *deltas;
    double *counts;
    size_t n_spans, span_capacity;
    size_t n_deltas, delta_capacity;
    size_t n_counts, count_capacity;
};

struct message {
    bool is_float;
    uint64_t count, zero_count;
    double float_count, float_zero_count;
    double sum, zero_threshold;
    int64_t schema;
    uint64_t hint;
    struct side positive, negative;
    double *custom;
    size_t n_custom, custom_capacity;
};

/* --- Reading --- */

static bool take_span(struct arena *arena, struct side *s, struct str message)
{
    struct pb in = pb_of(message);
    struct pb_field f = {0};
    struct histogram_span span = {0, 0};
    while (pb_next(&in, &f)) {
        if (f.number <= 2 && f.type != PB_VARINT)
            return false;
        if (f.number == 1)
            span.offset = (int32_t)pb_zigzag(f.value);
        else if (f.number == 2)
            span.length = (uint32_t)f.value;
    }
    s->spans = arena_grow(arena, s->spans, s->n_spans, &s->span_capacity, sizeof *s->spans);
    s->spans[s->n_spans++] = span;
    return !in.broken;
}

static void push_delta(struct arena *arena, struct side *s, uint64_t raw)
{
    s->deltas = arena_grow(arena, s->deltas, s->n_deltas, &s->delta_capacity, sizeof *s->deltas);
    s->deltas[s->n_deltas++] = pb_zigzag(raw);
}

/* Packed, as they mostly are, or one by one. */
static bool take_deltas(struct arena *arena, struct side *s, const struct pb_field *f)
{
    uint64_t raw;
    if (f->type == PB_VARINT) {
        push_delta(arena, s, f->value);
        return true;
    }
    struct pb in = pb_of(f->bytes);
    if (f->type != PB_BYTES)
        return false;
    while (pb_next_varint(&in, &raw))
        push_delta(arena, s, raw);
    return !in.broken;
}

static void push_double(struct arena *arena, double **v, size_t *n, size_t *capacity, uint64_t bits)
{
    *v = arena_grow(arena, *v, *n, capacity, sizeof **v);
    (*v)[(*n)++] = pb_double(bits);
}

static bool take_doubles(struct arena *arena, double **v, size_t *n, size_t *capacity,
                         const struct pb_field *f)
{
    uint64_t bits;
    if (f->type == PB_FIXED64) {
        push_double(arena, v, n, capacity, f->value);
        return true;
    }
    struct pb in = pb_of(f->bytes);
    if (f->type != PB_BYTES)
        return false;
    while (pb_next_fixed64(&in, &bits))
        push_double(arena, v, n, capacity, bits);
    return !in.broken;
}

/* Fields 8 to 10 are the negative side's, 11 to 13 the positive one's. */
static bool take_side(struct arena *arena, struct side *s, unsigned part, const struct pb_field *f)
{
    if (part == 0)
        return f->type == PB_BYTES && take_span(arena, s, f->bytes);
    if (part == 1)
        return take_deltas(arena, s, f);
    return take_doubles(arena, &s->counts, &s->n_counts, &s->count_capacity, f);
}

static bool take_number(struct message *m, struct rw_histogram *out, const struct pb_field *f)
{
    bool is_double = f->number == 2 || f->number == 3 || f->number == 5 || f->number == 7;
    if (f->type != (is_double ? PB_FIXED64 : PB_VARINT))
        return false;
    switch (f->number) {
    case 1:
    case 2: /* one of them; the later counts */
        m->is_float = f->number == 2;
        m->count = f->value;
        m->float_count = pb_double(f->value);
        break;
    case 3:
        m->sum = pb_double(f->value);
        break;
    case 4:
        m->schema = (int32_t)pb_zigzag(f->value);
        break;
    case 5:
        m->zero_threshold = pb_double(f->value);
        break;
    case 6:
        m->zero_count = f->value;
        break;
    case 7:
        m->float_zero_count = pb_double(f->value);
        break;
    case 14:
        m->hint = f->value;
        break;
    case 15:
        out->t_ms = (int64_t)f->value;
        break;
    case 17:
        out->start_ms = (int64_t)f->value;
        break;
    default:
        break;
    }
    return true;
}

static bool read_message(struct arena *arena, struct str bytes, struct message *m,
                         struct rw_histogram *out)
{
    struct pb in = pb_of(bytes);
    struct pb_field f = {0};
    bool good = true;
    while (good && pb_next(&in, &f)) {
        if (f.number >= 8 && f.number <= 13)
            good = take_side(arena, f.number < 11 ? &m->negative : &m->positive, (f.number - 8) % 3,
                             &f);
        else if (f.number == 16)
            good = take_doubles(arena, &m->custom, &m->n_custom, &m->custom_capacity, &f);
        else if (f.number <= 17)
            good = take_number(m, out, &f);
    }
    return good && !in.broken;
}

/* --- Making sense of it --- */

static uint32_t clamp_u32(size_t n)
{
    return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

/* *sum adds up the integer counts; *wrapped when that or a count cannot be. */
static struct histogram_side side_of(struct arena *arena, const struct side *s, bool is_float,
                                     uint64_t *sum, bool *wrapped)
{
    struct histogram_side out = {.n_spans = clamp_u32(s->n_spans), .spans = s->spans};
    if (is_float) {
        out.n_buckets = clamp_u32(s->n_counts);
        out.buckets = s->counts;
        return out;
    }
    double *buckets = ARENA_ARRAY(arena, double, s->n_deltas);
    int64_t count = 0;
    for (size_t i = 0; i < s->n_deltas; i++) {
        *wrapped |= __builtin_add_overflow(count, s->deltas[i], &count);
        *wrapped |= __builtin_add_overflow(*sum, (uint64_t)count, sum);
        buckets[i] = (double)count;
    }
    out.n_buckets = clamp_u32(s->n_deltas);
    out.buckets = buckets;
    return out;
}

/* Observations of NaN are in the count and in no bucket, and make the sum NaN (Prometheus,
 * model/histogram/histogram.go, Validate). */
static const char *check_sum(const struct message *m, uint64_t sum, bool wrapped)
{
    if (m->is_float)
        return NULL;
    if (wrapped || (isnan(m->sum) && sum > m->count))
        return "native histogram: its buckets hold more than its count";
    return !isnan(m->sum) && sum != m->count
               ? "native histogram: its buckets do not add up to its count"
               : NULL;
}

static const char *refuse(struct arena *arena, int64_t t_ms, const char *why)
{
    return arena_printf(arena, "invalid: histogram at %lld ms: %s", (long long)t_ms, why);
}

static void make(struct arena *arena, const struct message *m, struct rw_histogram *out)
{
    struct histogram *h = ARENA_NEW(arena, struct histogram);
    struct err err = ERR_INIT;
    uint64_t sum = m->zero_count;
    bool wrapped = false;
    bool fine = m->schema > HISTOGRAM_SCHEMA_MAX && m->schema <= SCHEMA_RESERVED_MAX;
    h->schema = fine ? HISTOGRAM_SCHEMA_MAX : (int32_t)m->schema;
    h->hint =
        m->hint <= HISTOGRAM_HINT_GAUGE ? (enum histogram_hint)m->hint : HISTOGRAM_HINT_UNKNOWN;
    h->zero_threshold = m->zero_threshold;
    h->zero_count = m->is_float ? m->float_zero_count : (double)m->zero_count;
    h->count = m->is_float ? m->float_count : (double)m->count;
    h->sum = m->sum;
    h->positive = side_of(arena, &m->positive, m->is_float, &sum, &wrapped);
    h->negative = side_of(arena, &m->negative, m->is_float, &sum, &wrapped);
    h->n_custom = clamp_u32(m->n_custom);
    h->custom = m->n_custom > 0 ? m->custom : NULL;
    out->h = h;
    if (is_stale_nan(h->sum)) /* the series ends; nothing else of it counts */
        return;
    if (!histogram_validate(h, &err))
        out->refused = refuse(arena, out->t_ms, err.message);
    else if (check_sum(m, sum, wrapped))
        out->refused = refuse(arena, out->t_ms, check_sum(m, sum, wrapped));
    h->schema = (int32_t)m->schema;
    if (!out->refused)
        out->h = histogram_reduce(arena, h, HISTOGRAM_SCHEMA_MAX);
}

bool rw_parse_histogram(struct arena *arena, struct str message, struct rw_histogram *out)
{
    struct message m = {0};
    *out = (struct rw_histogram){0};
    if (!read_message(arena, message, &m, out))
        return false;
    make(arena, &m, out);
    return true;
}

bool rw_read_histogram(struct rw_reader *r, struct str message)
{
    struct rw_series *s = &r->series;
    s->histograms = arena_grow(&r->scratch, s->histograms, s->n_histograms, &s->histogram_capacity,
                               sizeof *s->histograms);
    return rw_parse_histogram(&r->scratch, message, &s->histograms[s->n_histograms++]);
}
