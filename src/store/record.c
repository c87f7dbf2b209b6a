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
#define SAMPLE_KNOWN_BITS 0x1f

enum value_kind { VALUE_RAW, VALUE_INTEGER, VALUE_STALE };

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
    if (size > RECORD_MAX_BYTES || (type != RECORD_SERIES && type != RECORD_SAMPLES))
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

void record_add_sample(struct buf *out, struct record_cursor *last, const struct record_sample *s)
{
    int64_t integer = 0;
    enum value_kind kind = is_stale_nan(s->v)           ? VALUE_STALE
                           : is_integer(s->v, &integer) ? VALUE_INTEGER
                                                        : VALUE_RAW;
    unsigned head = (unsigned)kind << SAMPLE_KIND_SHIFT;
    head |= s->origin_zero ? SAMPLE_ORIGIN_ZERO : 0;
    head |= s->t_ms == last->t_ms ? SAMPLE_SAME_TIME : 0;
    head |= (uint64_t)s->id == (uint64_t)last->id + 1 ? SAMPLE_NEXT_ID : 0;
    buf_add_char(out, (char)head);
    if (!(head & SAMPLE_NEXT_ID))
        buf_add_varint(out, (int64_t)s->id - (int64_t)last->id);
    if (!(head & SAMPLE_SAME_TIME))
        buf_add_varint(out, (int64_t)((uint64_t)s->t_ms - (uint64_t)last->t_ms));
    if (kind == VALUE_INTEGER)
        buf_add_varint(out, integer);
    else if (kind == VALUE_RAW)
        buf_add(out, &s->v, sizeof s->v);
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

bool record_take_series(struct str *payload, struct arena *arena, struct labels *out, bool *bad)
{
    uint64_t n;
    *bad = false;
    if (payload->n == 0)
        return false;
    *bad = true;
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

static bool take_value(struct str *payload, unsigned head, double *out)
{
    int64_t integer;
    switch (head >> SAMPLE_KIND_SHIFT & SAMPLE_KIND_MASK) {
    case VALUE_STALE:
        *out = stale_nan();
        return true;
    case VALUE_INTEGER:
        if (!take_varint(payload, &integer))
            return false;
        *out = (double)integer;
        return true;
    case VALUE_RAW:
        if (payload->n < sizeof *out)
            return false;
        memcpy(out, payload->p, sizeof *out);
        *payload = str_make(payload->p + sizeof *out, payload->n - sizeof *out);
        return true;
    }
    return false;
}

bool record_take_sample(struct str *payload, struct record_cursor *last, struct record_sample *out,
                        bool *bad)
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
    if (!take_value(payload, head, &out->v))
        return false;
    out->t_ms = (int64_t)((uint64_t)last->t_ms + (uint64_t)step);
    out->origin_zero = head & SAMPLE_ORIGIN_ZERO;
    *last = (struct record_cursor){out->id, out->t_ms};
    *bad = false;
    return true;
}
