/* Two generations of sample records. In the first, series and time of all are told by their
 * difference to numbers in front; in the second (types 11 to 13) the series by the difference to
 * the sample before, the time to the first one's, and each has a start time. */
#include "block/prometheus_record.h"

#include "block/cursor.h"

#define RECORD_TYPES(X)                                                                            \
    X(SERIES, 1)                                                                                   \
    X(SAMPLES, 2)                                                                                  \
    X(TOMBSTONES, 3)                                                                               \
    X(HISTOGRAMS, 7)                                                                               \
    X(FLOAT_HISTOGRAMS, 8)                                                                         \
    X(CUSTOM_HISTOGRAMS, 9)                                                                        \
    X(CUSTOM_FLOAT_HISTOGRAMS, 10)                                                                 \
    X(SAMPLES_2, 11)                                                                               \
    X(HISTOGRAMS_2, 12)                                                                            \
    X(FLOAT_HISTOGRAMS_2, 13)                                                                      \
    X(HORIZON, 14)

enum {
#define X(name, number) name = number,
    RECORD_TYPES(X)
#undef X
};

enum { NO_START, SAME_START, OWN_START };

static double take_double(struct block_cursor *c)
{
    uint64_t bits = cursor_u64(c);
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static uint8_t take_byte(struct block_cursor *c)
{
    struct str s = cursor_bytes(c, 1);
    return s.n ? (uint8_t)*s.p : 0;
}

/* How many things of at least `bytes` each follow. */
static size_t take_count(struct block_cursor *c, size_t bytes)
{
    uint64_t n = cursor_uvarint(c);
    if (n > c->n / bytes || n > HISTOGRAM_MAX_BUCKETS) {
        c->bad = true;
        return 0;
    }
    return (size_t)n;
}

/* --- Series --- */

static struct labels take_labels(struct block_cursor *c, struct arena *arena)
{
    struct labels_builder b;
    size_t n = take_count(c, 2);
    labels_builder_init(&b, arena);
    for (size_t i = 0; i < n && !c->bad; i++) {
        struct str name = cursor_string(c), value = cursor_string(c);
        if (name.n == 0 || !str_is_utf8(name) || !str_is_utf8(value))
            c->bad = true;
        labels_builder_set(&b, name, value);
    }
    return labels_build(&b);
}

static void read_series(struct block_cursor *c, struct arena *arena,
                        const struct prometheus_sink *sink)
{
    while (c->n > 0 && !c->bad) {
        uint64_t ref = cursor_u64(c);
        struct labels labels = take_labels(c, arena);
        if (!c->bad && sink->series)
            sink->series(sink->self, ref, labels);
        arena_clear(arena);
    }
}

/* --- What samples are of, and when --- */

struct place {
    bool second; /* the generation */
    bool begun;
    uint64_t base_ref, base_t, ref, t;
};

static struct place take_base(struct block_cursor *c, bool second)
{
    struct place p = {.second = second};
    if (c->n > 0 && !second) {
        p.base_ref = cursor_u64(c);
        p.base_t = cursor_u64(c);
    }
    return p;
}

static void take_start(struct block_cursor *c)
{
    if (take_byte(c) >= OWN_START)
        (void)cursor_varint(c);
}

static void take_place(struct block_cursor *c, struct place *p)
{
    uint64_t ref = (uint64_t)cursor_varint(c), t = (uint64_t)cursor_varint(c);
    if (!p->second) {
        p->ref = p->base_ref + ref;
        p->t = p->base_t + t;
    } else if (p->begun) {
        p->ref += ref;
        p->t = p->base_t + t;
        take_start(c);
    } else {
        p->ref = ref;
        p->t = p->base_t = t;
        (void)cursor_varint(c);
        p->begun = true;
    }
}

static void read_samples(struct block_cursor *c, bool second, const struct prometheus_sink *sink)
{
    struct place p = take_base(c, second);
    while (c->n > 0 && !c->bad) {
        take_place(c, &p);
        struct sample s = {(int64_t)p.t, take_double(c)};
        if (!c->bad && sink->sample)
            sink->sample(sink->self, p.ref, s);
    }
}

/* --- Histograms --- */

static void take_spans(struct block_cursor *c, struct arena *arena, struct histogram_side *out)
{
    size_t n = take_count(c, 2);
    struct histogram_span *spans = ARENA_ARRAY(arena, struct histogram_span, n);
    for (size_t i = 0; i < n; i++) {
        spans[i].offset = (int32_t)cursor_varint(c);
        spans[i].length = (uint32_t)cursor_uvarint(c);
    }
    out->spans = spans;
    out->n_spans = (uint32_t)n;
}

/* Integers are told by their difference to the bucket before. */
static void take_buckets(struct block_cursor *c, struct arena *arena, bool floats,
                         struct histogram_side *out)
{
    size_t n = take_count(c, floats ? sizeof(double) : 1);
    double *v = ARENA_ARRAY(arena, double, n);
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        if (!floats)
            sum += (uint64_t)cursor_varint(c);
        v[i] = floats ? take_double(c) : (double)(int64_t)sum;
    }
    out->buckets = v;
    out->n_buckets = (uint32_t)n;
}

static void take_bounds(struct block_cursor *c, struct arena *arena, struct histogram *h)
{
    size_t n = take_count(c, sizeof(double));
    double *v = ARENA_ARRAY(arena, double, n);
    for (size_t i = 0; i < n; i++)
        v[i] = take_double(c);
    h->custom = n ? v : NULL;
    h->n_custom = (uint32_t)n;
}

static void take_histogram(struct block_cursor *c, struct arena *arena, bool floats,
                           struct histogram *h)
{
    static const enum histogram_hint hints[] = {HISTOGRAM_HINT_UNKNOWN, HISTOGRAM_HINT_RESET,
                                                HISTOGRAM_HINT_NOT_RESET, HISTOGRAM_HINT_GAUGE};
    *h = (struct histogram){.hint = hints[take_byte(c) & 3]};
    h->schema = (int32_t)cursor_varint(c);
    h->zero_threshold = take_double(c);
    h->zero_count = floats ? take_double(c) : (double)cursor_uvarint(c);
    h->count = floats ? take_double(c) : (double)cursor_uvarint(c);
    h->sum = take_double(c);
    take_spans(c, arena, &h->positive);
    take_spans(c, arena, &h->negative);
    take_buckets(c, arena, floats, &h->positive);
    take_buckets(c, arena, floats, &h->negative);
    if (h->schema == HISTOGRAM_SCHEMA_CUSTOM)
        take_bounds(c, arena, h);
}

#define SCHEMA_RESERVED_MAX 52 /* finer than ours, to be reduced */

/* NULL when it makes no sense. */
static const struct histogram *in_our_hands(struct arena *arena, struct histogram *h)
{
    int32_t schema = h->schema;
    bool finer = schema > HISTOGRAM_SCHEMA_MAX && schema <= SCHEMA_RESERVED_MAX;
    if (finer)
        h->schema = HISTOGRAM_SCHEMA_MAX; /* all else can be looked at */
    if (!histogram_validate(h, NULL))
        return NULL;
    h->schema = schema;
    return finer ? histogram_reduce(arena, h, HISTOGRAM_SCHEMA_MAX) : h;
}

/* One that makes no sense is passed over, as Prometheus passes over what it does not know. A stale
 * one is a stale sample. */
static void give_histogram(const struct prometheus_sink *sink, struct arena *arena,
                           const struct place *p, struct histogram *h)
{
    if (is_stale_nan(h->sum)) {
        if (sink->sample)
            sink->sample(sink->self, p->ref, (struct sample){(int64_t)p->t, h->sum});
        return;
    }
    const struct histogram *known = in_our_hands(arena, h);
    if (known && sink->histogram)
        sink->histogram(sink->self, p->ref, (struct histogram_sample){(int64_t)p->t, known});
}

static void read_histograms(struct block_cursor *c, struct arena *arena, bool floats, bool second,
                            const struct prometheus_sink *sink)
{
    struct place p = take_base(c, second);
    struct histogram h;
    while (c->n > 0 && !c->bad) {
        take_place(c, &p);
        take_histogram(c, arena, floats, &h);
        if (!c->bad)
            give_histogram(sink, arena, &p, &h);
        arena_clear(arena);
    }
}

/* --- The rest --- */

static void read_tombstones(struct block_cursor *c, const struct prometheus_sink *sink)
{
    while (c->n > 0 && !c->bad) {
        uint64_t ref = cursor_u64(c);
        struct block_interval span = {.min_ms = cursor_varint(c)};
        span.max_ms = cursor_varint(c);
        if (!c->bad && sink->stone)
            sink->stone(sink->self, ref, span);
    }
}

static void read_horizon(struct block_cursor *c, const struct prometheus_sink *sink)
{
    int64_t min_ms = (int64_t)cursor_u64(c);
    if (!c->bad && sink->horizon)
        sink->horizon(sink->self, min_ms);
}

static void read_typed(struct block_cursor *c, uint8_t type, struct arena *arena,
                       const struct prometheus_sink *sink)
{
    switch (type) {
    case SERIES:
        read_series(c, arena, sink);
        break;
    case SAMPLES:
    case SAMPLES_2:
        read_samples(c, type == SAMPLES_2, sink);
        break;
    case TOMBSTONES:
        read_tombstones(c, sink);
        break;
    case HISTOGRAMS:
    case CUSTOM_HISTOGRAMS:
    case HISTOGRAMS_2:
        read_histograms(c, arena, false, type == HISTOGRAMS_2, sink);
        break;
    case FLOAT_HISTOGRAMS:
    case CUSTOM_FLOAT_HISTOGRAMS:
    case FLOAT_HISTOGRAMS_2:
        read_histograms(c, arena, true, type == FLOAT_HISTOGRAMS_2, sink);
        break;
    case HORIZON:
        read_horizon(c, sink);
        break;
    default:
        break;
    }
}

bool prometheus_record_read(struct str record, const struct prometheus_sink *sink, struct err *err)
{
    struct arena arena = ARENA_INIT;
    struct block_cursor c = cursor_of(record);
    if (record.n == 0)
        return true;
    uint8_t type = take_byte(&c);
    read_typed(&c, type, &arena, sink);
    arena_release(&arena);
    return !c.bad || err_set(err, ERR_CORRUPT, "a record of type %d makes no sense", type);
}
