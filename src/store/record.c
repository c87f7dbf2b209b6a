#include "store/record.h"

#include "base/hash.h"
#include "model/sample.h"

/* A series with more labels than this is no series; ingest's own limit is far lower. */
#define MAX_LABELS 100000

/* The first byte of a sample. */
#define SAMPLE_ORIGIN_ZERO 0x01
#define SAMPLE_KIND_SHIFT 1
#define SAMPLE_KIND_MASK 0x03
#define SAMPLE_SAME_TIME 0x08 /* as the sample before */
#define SAMPLE_NEXT_ID 0x10   /* one more than the sample before */
#define SAMPLE_MAY_BE_LATE 0x20
#define SAMPLE_KNOWN_BITS 0x3f

#define SAMPLE_MAX_BYTES 31 /* but a histogram: the first byte and three varints */

enum value_kind { VALUE_RAW, VALUE_INTEGER, VALUE_STALE, VALUE_HISTOGRAM };

const char *record_state_name(enum record_state state)
{
    static const char *const names[] = {
#define X(code, name) name,
        RECORD_STATES(X)
#undef X
    };
    return names[state];
}

void segment_header_add(struct buf *out)
{
    buf_add(out, SEGMENT_MAGIC, SEGMENT_HEADER_BYTES - 1);
    buf_add_char(out, SEGMENT_VERSION);
}

bool segment_header_is_good(struct str segment)
{
    return str_starts(segment, STR(SEGMENT_MAGIC)) && segment.n >= SEGMENT_HEADER_BYTES &&
           segment.p[SEGMENT_HEADER_BYTES - 1] == SEGMENT_VERSION;
}

static uint32_t get_u32(const char *p)
{
    uint32_t v = 0;
    for (int i = 3; i >= 0; i--)
        v = v << 8 | (uint8_t)p[i];
    return v;
}

static void put_u32(char *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (char)(v >> (8 * i));
}

/* The header's last word: the type, and 24 bits of checksum over the header itself, so that a
 * damaged length is never mistaken for a record whose end has not been written. */
static uint32_t seal_header(const char *header, uint32_t type)
{
    char type_byte = (char)type;
    uint32_t crc = crc32c(crc32c(0, header, 8), &type_byte, 1);
    return type | crc << 8;
}

static bool is_all_zero(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] != 0)
            return false;
    }
    return true;
}

/* After a power failure the file may have grown before its bytes arrived: zeros are torn too. */
enum record_state record_next(struct str *rest, struct record *out)
{
    if (rest->n == 0)
        return RECORD_END;
    if (rest->n < RECORD_HEADER_BYTES)
        return RECORD_TORN;
    uint32_t size = get_u32(rest->p), crc = get_u32(rest->p + 4), word = get_u32(rest->p + 8);
    uint32_t type = word & 0xff;
    if (word != seal_header(rest->p, type))
        return is_all_zero(*rest) ? RECORD_TORN : RECORD_BAD;
    if (size > RECORD_MAX_BYTES || type < RECORD_SERIES || type > RECORD_EXEMPLARS)
        return RECORD_BAD;
    if (size > rest->n - RECORD_HEADER_BYTES)
        return RECORD_TORN;
    struct str payload = str_make(rest->p + RECORD_HEADER_BYTES, size);
    struct str behind = str_make(payload.p + size, rest->n - RECORD_HEADER_BYTES - size);
    if (crc32c(0, payload.p, payload.n) != crc)
        return RECORD_BAD;
    *out = (struct record){(enum record_type)type, payload};
    *rest = behind;
    return RECORD_GOOD;
}

size_t record_begin(struct buf *out)
{
    static const char blank[RECORD_HEADER_BYTES];
    buf_add(out, blank, sizeof blank);
    return out->n;
}

bool record_end(struct buf *out, size_t begin, enum record_type type, struct err *err)
{
    size_t size = out->n - begin;
    if (size > RECORD_MAX_BYTES)
        return err_set(err, ERR_LIMIT, "a log record of %zu bytes is over the limit of %u", size,
                       RECORD_MAX_BYTES);
    char *header = out->p + begin - RECORD_HEADER_BYTES;
    put_u32(header, (uint32_t)size);
    put_u32(header + 4, crc32c(0, out->p + begin, size));
    put_u32(header + 8, seal_header(header, (uint32_t)type));
    return true;
}

static void add_string(struct buf *out, struct str s)
{
    buf_add_uvarint(out, s.n);
    buf_add_str(out, s);
}

void record_add_series(struct buf *out, struct labels labels)
{
    buf_add_uvarint(out, labels.n);
    for (size_t i = 0; i < labels.n; i++) {
        add_string(out, labels.v[i].name);
        add_string(out, labels.v[i].value);
    }
}

/* Whole numbers up to 2^53, where doubles have no gaps; -0 is not one, its sign would be lost. */
static bool is_integer(double v, int64_t *out)
{
    if (!(v >= -0x1p53 && v <= 0x1p53))
        return false;
    *out = (int64_t)v;
    double back = (double)*out;
    return memcmp(&back, &v, sizeof v) == 0;
}

/* A whole number doubled, or 1 and the eight bytes. */
static void add_count(struct buf *out, double v)
{
    int64_t integer;
    if (is_integer(v, &integer) && integer >= 0) {
        buf_add_uvarint(out, (uint64_t)integer << 1);
    } else {
        buf_add_uvarint(out, 1);
        buf_add(out, &v, sizeof v);
    }
}

static void add_side(struct buf *out, const struct histogram_side *s)
{
    buf_add_uvarint(out, s->n_spans);
    for (uint32_t i = 0; i < s->n_spans; i++) {
        buf_add_varint(out, s->spans[i].offset);
        buf_add_uvarint(out, s->spans[i].length);
    }
    for (uint32_t i = 0; i < s->n_buckets; i++)
        add_count(out, s->buckets[i]);
}

static void add_histogram(struct buf *out, const struct histogram *h)
{
    buf_add_char(out, (char)h->hint);
    buf_add_varint(out, h->schema);
    buf_add(out, &h->zero_threshold, sizeof h->zero_threshold);
    add_count(out, h->zero_count);
    add_count(out, h->count);
    buf_add(out, &h->sum, sizeof h->sum);
    add_side(out, &h->positive);
    add_side(out, &h->negative);
    buf_add_uvarint(out, h->n_custom);
    buf_add(out, h->custom, h->n_custom * sizeof *h->custom);
}

static char *put_varint(char *p, int64_t signed_v)
{
    uint64_t v = ((uint64_t)signed_v << 1) ^ (signed_v < 0 ? UINT64_MAX : 0);
    for (; v >= 0x80; v >>= 7)
        *p++ = (char)(v | 0x80);
    *p++ = (char)v;
    return p;
}

void record_add_sample(struct buf *out, struct record_cursor *last, const struct record_sample *s)
{
    int64_t integer = 0;
    enum value_kind kind = s->h                         ? VALUE_HISTOGRAM
                           : is_stale_nan(s->v)         ? VALUE_STALE
                           : is_integer(s->v, &integer) ? VALUE_INTEGER
                                                        : VALUE_RAW;
    unsigned head = (unsigned)kind << SAMPLE_KIND_SHIFT;
    head |= s->origin_zero ? SAMPLE_ORIGIN_ZERO : 0;
    head |= s->may_be_late ? SAMPLE_MAY_BE_LATE : 0;
    head |= s->t_ms == last->t_ms ? SAMPLE_SAME_TIME : 0;
    head |= (uint64_t)s->id == (uint64_t)last->id + 1 ? SAMPLE_NEXT_ID : 0;
    char *begin = buf_reserve(out, SAMPLE_MAX_BYTES), *p = begin;
    *p++ = (char)head;
    if (!(head & SAMPLE_NEXT_ID))
        p = put_varint(p, (int64_t)s->id - (int64_t)last->id);
    if (!(head & SAMPLE_SAME_TIME))
        p = put_varint(p, (int64_t)((uint64_t)s->t_ms - (uint64_t)last->t_ms));
    if (kind == VALUE_INTEGER)
        p = put_varint(p, integer);
    else if (kind == VALUE_RAW)
        p = mempcpy(p, &s->v, sizeof s->v);
    out->n += (size_t)(p - begin);
    if (kind == VALUE_HISTOGRAM)
        add_histogram(out, s->h);
    *last = (struct record_cursor){s->id, s->t_ms};
}

static bool take_uvarint(struct str *s, uint64_t *out)
{
    *out = 0;
    for (unsigned shift = 0; shift < 64 && s->n > 0; shift += 7) {
        uint8_t byte = (uint8_t)s->p[0];
        *s = str_make(s->p + 1, s->n - 1);
        *out |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return shift < 63 || byte <= 1;
    }
    return false;
}

static bool take_varint(struct str *s, int64_t *out)
{
    uint64_t raw;
    if (!take_uvarint(s, &raw))
        return false;
    *out = (int64_t)(raw >> 1 ^ (raw & 1 ? UINT64_MAX : 0));
    return true;
}

static bool take_string(struct str *s, struct str *out)
{
    uint64_t n;
    if (!take_uvarint(s, &n) || n > s->n)
        return false;
    *out = str_make(s->p, (size_t)n);
    *s = str_make(s->p + n, s->n - (size_t)n);
    return true;
}

static bool take_labels(struct str *payload, struct arena *arena, struct labels *out)
{
    uint64_t n;
    if (!take_uvarint(payload, &n) || n > MAX_LABELS || n > payload->n)
        return false;
    struct label *v = ARENA_ARRAY(arena, struct label, n);
    for (size_t i = 0; i < n; i++) {
        if (!take_string(payload, &v[i].name) || !take_string(payload, &v[i].value))
            return false;
        if (v[i].value.n == 0 || (i > 0 && str_cmp(v[i - 1].name, v[i].name) >= 0))
            return false;
    }
    *out = (struct labels){(size_t)n, v};
    return true;
}

bool record_take_series(struct str *payload, struct arena *arena, struct labels *out, bool *bad)
{
    *bad = payload->n > 0;
    if (payload->n == 0 || !take_labels(payload, arena, out))
        return false;
    *bad = false;
    return true;
}

static bool take_id(struct str *payload, unsigned head, uint32_t last, uint32_t *out)
{
    int64_t step = 1;
    if (!(head & SAMPLE_NEXT_ID) && !take_varint(payload, &step))
        return false;
    if (step < -(int64_t)last || step > (int64_t)UINT32_MAX - (int64_t)last)
        return false;
    *out = (uint32_t)((int64_t)last + step);
    return true;
}

static bool take_bytes(struct str *s, void *out, size_t n)
{
    if (n > s->n)
        return false;
    if (n > 0)
        memcpy(out, s->p, n);
    *s = str_make(s->p + n, s->n - n);
    return true;
}

static bool take_double(struct str *s, double *out)
{
    return take_bytes(s, out, sizeof *out);
}

static bool take_count(struct str *s, double *out)
{
    uint64_t raw;
    if (!take_uvarint(s, &raw))
        return false;
    *out = (double)(raw >> 1);
    return raw & 1 ? raw == 1 && take_double(s, out) : true;
}

/* Nothing is allocated that the bytes left could not fill. */
static bool take_number(struct str *s, size_t item_bytes, uint32_t *out)
{
    uint64_t n;
    if (!take_uvarint(s, &n) || n > HISTOGRAM_MAX_BUCKETS || n * item_bytes > s->n)
        return false;
    *out = (uint32_t)n;
    return true;
}

static bool take_span(struct str *s, struct histogram_span *out)
{
    int64_t offset;
    uint64_t length;
    if (!take_varint(s, &offset) || !take_uvarint(s, &length))
        return false;
    *out = (struct histogram_span){(int32_t)offset, (uint32_t)length};
    return out->offset == offset && length <= HISTOGRAM_MAX_BUCKETS;
}

static bool take_side(struct str *s, struct arena *arena, struct histogram_side *out)
{
    if (!take_number(s, 2, &out->n_spans))
        return false;
    struct histogram_span *spans = ARENA_ARRAY(arena, struct histogram_span, out->n_spans);
    uint64_t n = 0;
    for (uint32_t i = 0; i < out->n_spans; i++) {
        if (!take_span(s, &spans[i]))
            return false;
        n += spans[i].length;
    }
    if (n > HISTOGRAM_MAX_BUCKETS || n > s->n)
        return false;
    double *buckets = ARENA_ARRAY(arena, double, n);
    for (uint32_t i = 0; i < n; i++) {
        if (!take_count(s, &buckets[i]))
            return false;
    }
    *out = (struct histogram_side){out->n_spans, (uint32_t)n, spans, buckets};
    return true;
}

static bool take_bounds(struct str *s, struct arena *arena, struct histogram *h)
{
    if (!take_number(s, sizeof(double), &h->n_custom))
        return false;
    if (h->n_custom == 0)
        return true;
    double *bounds = ARENA_ARRAY(arena, double, h->n_custom);
    h->custom = bounds;
    return take_bytes(s, bounds, h->n_custom * sizeof *bounds);
}

static bool take_histogram(struct str *s, struct arena *arena, const struct histogram **out)
{
    struct histogram *h = ARENA_NEW(arena, struct histogram);
    struct err err = ERR_INIT;
    uint8_t hint = 0;
    int64_t schema = 0;
    *out = h;
    if (!take_bytes(s, &hint, 1) || hint > HISTOGRAM_HINT_GAUGE || !take_varint(s, &schema) ||
        !take_double(s, &h->zero_threshold) || !take_count(s, &h->zero_count) ||
        !take_count(s, &h->count) || !take_double(s, &h->sum))
        return false;
    h->hint = (enum histogram_hint)hint;
    h->schema = (int32_t)schema;
    return h->schema == schema && take_side(s, arena, &h->positive) &&
           take_side(s, arena, &h->negative) && take_bounds(s, arena, h) &&
           histogram_validate(h, &err);
}

void record_add_exemplar(struct buf *out, const struct record_exemplar *e)
{
    buf_add_uvarint(out, e->id);
    buf_add_varint(out, e->t_ms);
    buf_add(out, &e->v, sizeof e->v);
    record_add_series(out, e->labels);
}

bool record_take_exemplar(struct str *payload, struct arena *arena, struct record_exemplar *out,
                          bool *bad)
{
    uint64_t id;
    *bad = payload->n > 0;
    if (payload->n == 0 || !take_uvarint(payload, &id) || id > UINT32_MAX ||
        !take_varint(payload, &out->t_ms) || !take_double(payload, &out->v) ||
        !take_labels(payload, arena, &out->labels))
        return false;
    out->id = (uint32_t)id;
    *bad = false;
    return true;
}

static bool take_value(struct str *payload, unsigned head, struct arena *arena,
                       struct record_sample *out)
{
    int64_t integer;
    out->v = 0;
    out->h = NULL;
    switch (head >> SAMPLE_KIND_SHIFT & SAMPLE_KIND_MASK) {
    case VALUE_STALE:
        out->v = stale_nan();
        return true;
    case VALUE_INTEGER:
        if (!take_varint(payload, &integer))
            return false;
        out->v = (double)integer;
        return true;
    case VALUE_RAW:
        return take_double(payload, &out->v);
    case VALUE_HISTOGRAM:
        return take_histogram(payload, arena, &out->h);
    }
    return false;
}

bool record_take_sample(struct str *payload, struct record_cursor *last, struct arena *arena,
                        struct record_sample *out, bool *bad)
{
    int64_t step = 0;
    *bad = false;
    if (payload->n == 0)
        return false;
    unsigned head = (uint8_t)payload->p[0];
    *payload = str_make(payload->p + 1, payload->n - 1);
    *bad = true;
    if ((head & ~(unsigned)SAMPLE_KNOWN_BITS) || !take_id(payload, head, last->id, &out->id))
        return false;
    if (!(head & SAMPLE_SAME_TIME) && !take_varint(payload, &step))
        return false;
    if (!take_value(payload, head, arena, out))
        return false;
    out->t_ms = (int64_t)((uint64_t)last->t_ms + (uint64_t)step);
    out->origin_zero = head & SAMPLE_ORIGIN_ZERO;
    out->may_be_late = head & SAMPLE_MAY_BE_LATE;
    *last = (struct record_cursor){out->id, out->t_ms};
    *bad = false;
    return true;
}
