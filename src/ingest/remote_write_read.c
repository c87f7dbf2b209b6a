/* A TimeSeries of either message, without an allocation a sample. */
#include "ingest/remote_write.h"

/* --- Samples --- */

/* 2 is the timestamp of both messages, 3 is only in 2.0. */
/* As everyone writes it: a value, a time of six bytes (1971 to 2109), nothing else. */
static bool read_plain_sample(struct str message, struct rw_sample *out)
{
    const unsigned char *p = (const unsigned char *)message.p;
    uint64_t word, t_ms = 0;
    if (message.n != 16 || p[0] != (1 << 3 | PB_FIXED64) || p[9] != (2 << 3 | PB_VARINT))
        return false;
    for (unsigned i = 0; i < 6; i++) {
        if ((p[10 + i] >= 0x80) != (i < 5))
            return false;
        t_ms |= (uint64_t)(p[10 + i] & 0x7f) << 7 * i;
    }
    memcpy(&word, p + 1, sizeof word);
    *out = (struct rw_sample){pb_double(le64toh(word)), (int64_t)t_ms, 0};
    return true;
}

static bool read_sample(struct rw_reader *r, struct str message)
{
    struct rw_series *s = &r->series;
    struct pb in = pb_of(message);
    struct pb_field f = {0};
    if (s->n_samples == r->sample_capacity)
        s->samples =
            arena_grow(r->arena, s->samples, s->n_samples, &r->sample_capacity, sizeof *s->samples);
    struct rw_sample *out = &s->samples[s->n_samples++];
    *out = (struct rw_sample){0, 0, 0};
    if (read_plain_sample(message, out))
        return true;
    while (pb_next(&in, &f)) {
        if (f.number == 1 && f.type == PB_FIXED64)
            out->v = pb_double(f.value);
        else if (f.number == 2 && f.type == PB_VARINT)
            out->t_ms = (int64_t)f.value;
        else if (f.number == 3 && f.type == PB_VARINT)
            out->start_ms = (int64_t)f.value;
        else if (f.number <= 3)
            return false;
    }
    return !in.broken;
}

/* --- Labels --- */

/* Labels mostly follow one another, and are their own key where they lie. */
static void extend_key(struct rw_reader *r, const unsigned char *begin, const unsigned char *end)
{
    struct str *key = &r->series.key;
    const char *p = (const char *)begin;
    size_t n = (size_t)(end - begin);
    bool copied = key->n > 0 && key->p == r->key.p;
    if (key->n == 0) {
        *key = str_make(p, n);
        return;
    }
    if (!copied && key->p + key->n == p) {
        key->n += n;
        return;
    }
    if (!copied) {
        buf_clear(&r->key);
        buf_add_str(&r->key, *key);
    }
    buf_add(&r->key, p, n);
    *key = buf_str(&r->key);
}

static size_t varint_bytes(size_t v)
{
    size_t n = 1;
    for (; v >= 0x80; v >>= 7)
        n++;
    return n;
}

static char *put_varint(char *p, size_t v)
{
    for (; v >= 0x80; v >>= 7)
        *p++ = (char)(v | 0x80);
    *p++ = (char)v;
    return p;
}

static char *put_text(char *p, char tag, struct str s)
{
    *p++ = tag;
    p = put_varint(p, s.n);
    return mempcpy(p, s.p, s.n);
}

/* As 1.0 has it: field 1 with a name as field 1 and a value as field 2. */
static void add_label(struct rw_reader *r, struct str name, struct str value)
{
    size_t n = 2 + varint_bytes(name.n) + name.n + varint_bytes(value.n) + value.n;
    char *begin = buf_reserve(&r->key, 1 + varint_bytes(n) + n), *p = begin;
    *p++ = 1 << 3 | PB_BYTES;
    p = put_varint(p, n);
    p = put_text(p, 1 << 3 | PB_BYTES, name);
    p = put_text(p, 2 << 3 | PB_BYTES, value);
    r->key.n += (size_t)(p - begin);
}

/* References come in pairs; *name is the half of one. */
static void take_reference(struct rw_reader *r, uint64_t reference, const struct str **name)
{
    struct rw_series *s = &r->series;
    if (s->refused)
        return;
    if (reference >= r->n_symbols) {
        s->refused = "invalid: a label refers to a symbol that is not there";
        return;
    }
    const struct str *symbol = &r->symbols[reference];
    if (!*name) {
        *name = symbol;
        return;
    }
    if (r->key.n + (*name)->n + symbol->n > RW_MAX_KEY_BYTES)
        s->refused = "limit: its labels are over 65536 bytes";
    else
        add_label(r, **name, *symbol);
    *name = NULL;
}

static bool take_references(struct rw_reader *r, const struct pb_field *f, const struct str **name)
{
    uint64_t reference;
    if (f->type == PB_VARINT) {
        take_reference(r, f->value, name);
        return true;
    }
    struct pb in = pb_of(f->bytes);
    if (f->type != PB_BYTES)
        return false;
    while (pb_next_varint(&in, &reference))
        take_reference(r, reference, name);
    return !in.broken;
}

/* --- The series --- */

static struct str symbol_of(struct rw_reader *r, uint64_t reference)
{
    if (reference < r->n_symbols)
        return r->symbols[reference];
    r->series.refused = "invalid: its metadata refers to a symbol that is not there";
    return str_make("", 0);
}

static bool read_metadata(struct rw_reader *r, struct str message)
{
    struct rw_series *s = &r->series;
    struct pb in = pb_of(message);
    struct pb_field f = {0};
    while (pb_next(&in, &f)) {
        if (f.number <= 4 && f.type != PB_VARINT)
            return false;
        if (f.number == 1)
            s->type = f.value;
        else if (f.number == 3)
            s->help = symbol_of(r, f.value);
        else if (f.number == 4)
            s->unit = symbol_of(r, f.value);
    }
    return !in.broken;
}

/* Labels come first, short ones, and are the key. */
static void skip_labels(struct rw_reader *r, struct pb *in)
{
    const unsigned char *p = in->p;
    while (in->end - p >= 2 && p[0] == (1 << 3 | PB_BYTES) && p[1] < 0x80 &&
           p[1] <= in->end - p - 2)
        p += 2 + p[1];
    if (p > in->p)
        extend_key(r, in->p, p);
    in->p = p;
}

static bool read_series_1(struct rw_reader *r, struct pb in)
{
    struct pb_field f = {0};
    skip_labels(r, &in);
    for (const unsigned char *begin = in.p; pb_next(&in, &f); begin = in.p) {
        if (f.number <= 4 && f.type != PB_BYTES)
            return false;
        if (f.number == 1)
            extend_key(r, begin, in.p);
        if ((f.number == 2 && !read_sample(r, f.bytes)) ||
            (f.number == 3 && !rw_read_exemplar(r, REMOTE_WRITE_1, f.bytes)) ||
            (f.number == 4 && !rw_read_histogram(r, f.bytes)))
            return false;
    }
    return !in.broken;
}

static void set_start(struct rw_series *s, int64_t created_ms)
{
    for (size_t i = 0; created_ms > 0 && i < s->n_samples; i++) {
        if (s->samples[i].start_ms == 0)
            s->samples[i].start_ms = created_ms;
    }
    for (size_t i = 0; created_ms > 0 && i < s->n_histograms; i++) {
        if (s->histograms[i].start_ms == 0)
            s->histograms[i].start_ms = created_ms;
    }
}

/* Field 6 is what 2.0-rc.3 and earlier said of all samples: when the series was created. */
static bool read_series_2(struct rw_reader *r, struct pb in)
{
    struct rw_series *s = &r->series;
    const struct str *name = NULL;
    struct pb_field f = {0};
    int64_t created_ms = 0;
    buf_clear(&r->key);
    while (pb_next(&in, &f)) {
        if (f.number >= 2 && f.number <= 5 && f.type != PB_BYTES)
            return false;
        if (f.number == 1 && !take_references(r, &f, &name))
            return false;
        if (f.number == 2 && !read_sample(r, f.bytes))
            return false;
        if (f.number == 5 && !read_metadata(r, f.bytes))
            return false;
        if (f.number == 6 && f.type == PB_VARINT)
            created_ms = (int64_t)f.value;
        if (f.number == 3 && !rw_read_histogram(r, f.bytes))
            return false;
        if (f.number == 4 && !rw_read_exemplar(r, REMOTE_WRITE_2, f.bytes))
            return false;
    }
    s->key = buf_str(&r->key);
    if (name && !s->refused)
        s->refused = "invalid: a label has a name and no value";
    set_start(s, created_ms);
    if (!s->refused && s->n_samples > 0 && s->n_histograms > 0)
        s->refused = "invalid: it has both samples and histograms";
    if (!s->refused && s->n_samples + s->n_histograms + s->n_exemplars == 0)
        s->refused = "invalid: it has neither samples nor histograms";
    return !in.broken;
}

bool rw_read_series(struct rw_reader *r, enum remote_write_message kind, struct str message)
{
    struct rw_series *s = &r->series;
    if (s->n_histograms + s->n_exemplars > 0)
        arena_clear(&r->scratch);
    *s =
        (struct rw_series){.key = {"", 0}, .samples = s->samples, .help = {"", 0}, .unit = {"", 0}};
    bool done = kind == REMOTE_WRITE_1 ? read_series_1(r, pb_of(message))
                                       : read_series_2(r, pb_of(message));
    r->label_bytes += s->key.n;
    if (!s->refused && s->key.n > RW_MAX_KEY_BYTES)
        s->refused = "limit: its labels are over 65536 bytes";
    else if (!s->refused && r->label_bytes > RW_MAX_LABEL_BYTES)
        s->refused = "limit: the labels of the request are over 128 MiB";
    return done;
}
