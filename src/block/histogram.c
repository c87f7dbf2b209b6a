/* Native histograms in chunks: a layout that all of a chunk share, then per histogram the time, the
 * count, the zero count, the sum and each bucket. */
#include "base/check.h"
#include "block/chunk.h"

#include <math.h>

#define RESET_MASK 0xc0u
#define RESET_UNKNOWN 0x00u
#define RESET_YES 0x80u
#define RESET_NO 0x40u
#define RESET_GAUGE 0xc0u

#define CUSTOM_SCALE 1000
#define CUSTOM_MAX 33554430 /* scaled: what 25 bits hold, less one */

/* --- Bit fields of variable width: how many ones in front says how wide. --- */

static const unsigned varbit_widths[] = {0, 3, 6, 9, 12, 18, 25, 56, 64};

static uint64_t take_varbit_uint(struct bit_reader *r)
{
    unsigned width = varbit_widths[bit_take_ones(r, 8)];
    return width ? bit_take_wide(r, width) : 0;
}

static int64_t take_varbit_int(struct bit_reader *r)
{
    unsigned width = varbit_widths[bit_take_ones(r, 8)];
    uint64_t v = width ? bit_take_wide(r, width) : 0;
    if (width > 0 && width < 64 && v > UINT64_C(1) << (width - 1))
        v -= UINT64_C(1) << width;
    return (int64_t)v;
}

static void add_varbit(struct bit_writer *w, uint64_t v, unsigned ones)
{
    unsigned width = varbit_widths[ones];
    if (ones < 8)
        bit_add(w, ((UINT64_C(1) << ones) - 1) << 1, ones + 1);
    else
        bit_add(w, 0xff, 8);
    if (width > 0)
        bit_add(w, width < 64 ? v & ((UINT64_C(1) << width) - 1) : v, width);
}

static void add_varbit_uint(struct bit_writer *w, uint64_t v)
{
    unsigned ones = 0;
    while (ones < 8 && v >> varbit_widths[ones] != 0)
        ones++;
    add_varbit(w, v, ones);
}

static bool fits_varbit(int64_t v, unsigned width)
{
    if (width == 0)
        return v == 0;
    int64_t half = INT64_C(1) << (width - 1);
    return v > -half && v <= half;
}

static void add_varbit_int(struct bit_writer *w, int64_t v)
{
    unsigned ones = 0;
    while (ones < 8 && !fits_varbit(v, varbit_widths[ones]))
        ones++;
    add_varbit(w, (uint64_t)v, ones);
}

static double take_double(struct bit_reader *r)
{
    uint64_t bits = bit_take_wide(r, 64);
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static uint64_t bits_of(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

/* --- Reading --- */

static double take_zero_threshold(struct bit_reader *r)
{
    uint64_t byte = bit_take(r, 8);
    if (byte == 0)
        return 0;
    return byte == 255 ? take_double(r) : ldexp(0.5, (int)byte - 243);
}

static double take_custom_bound(struct bit_reader *r)
{
    uint64_t v = take_varbit_uint(r);
    return v == 0 ? take_double(r) : (double)(v - 1) / CUSTOM_SCALE;
}

/* Each span and bucket takes a bit at least, which bounds what is allocated. */
static bool is_plausible(const struct bit_reader *r, uint64_t n)
{
    return !r->overrun && n <= HISTOGRAM_MAX_BUCKETS && n <= r->n_bytes * 8 - r->at;
}

static bool take_side(struct bit_reader *r, struct arena *arena, struct histogram_side *out)
{
    uint64_t n = take_varbit_uint(r), buckets = 0;
    if (!is_plausible(r, n))
        return false;
    struct histogram_span *spans = ARENA_ARRAY(arena, struct histogram_span, n);
    for (uint64_t i = 0; i < n; i++) {
        uint64_t length = take_varbit_uint(r);
        int64_t offset = take_varbit_int(r);
        buckets += length;
        if (length > HISTOGRAM_MAX_BUCKETS || buckets > HISTOGRAM_MAX_BUCKETS ||
            offset > INT32_MAX || offset < INT32_MIN)
            return false;
        spans[i] = (struct histogram_span){(int32_t)offset, (uint32_t)length};
    }
    *out = (struct histogram_side){
        .n_spans = (uint32_t)n, .n_buckets = (uint32_t)buckets, .spans = spans};
    return is_plausible(r, buckets);
}

static bool take_custom(struct bit_reader *r, struct arena *arena, struct histogram *out)
{
    uint64_t n = take_varbit_uint(r);
    if (!is_plausible(r, n))
        return false;
    double *bounds = ARENA_ARRAY(arena, double, n);
    for (uint64_t i = 0; i < n; i++)
        bounds[i] = take_custom_bound(r);
    out->n_custom = (uint32_t)n;
    out->custom = n ? bounds : NULL;
    return !r->overrun;
}

static bool take_layout(struct bit_reader *r, struct arena *arena, struct histogram *out)
{
    out->zero_threshold = take_zero_threshold(r);
    int64_t schema = take_varbit_int(r);
    if (r->overrun || schema < INT32_MIN || schema > INT32_MAX)
        return false;
    out->schema = (int32_t)schema;
    return take_side(r, arena, &out->positive) && take_side(r, arena, &out->negative) &&
           (out->schema != HISTOGRAM_SCHEMA_CUSTOM || take_custom(r, arena, out));
}

/* One number as it stands after the histogram read last; which fields count depends on the
 * encoding. */
struct field {
    struct xor_state x; /* floats: the value */
    uint64_t v, delta;  /* integers: the value and its change */
};

struct decoder {
    struct bit_reader bits;
    bool integers;
    uint8_t reset;
    struct histogram layout;
    uint64_t t, t_delta;
    struct field count, zero, sum;
    struct field *positive, *negative;
};

static bool take_field(struct decoder *d, struct field *f, bool first, bool is_count)
{
    if (!d->integers) {
        if (first)
            f->x.bits = bit_take_wide(&d->bits, 64);
        return first || xor_take(&d->bits, &f->x);
    }
    if (first) {
        f->v = is_count ? take_varbit_uint(&d->bits) : (uint64_t)take_varbit_int(&d->bits);
    } else {
        f->delta += (uint64_t)take_varbit_int(&d->bits);
        f->v += f->delta;
    }
    return true;
}

static double value_of(const struct decoder *d, const struct field *f)
{
    double v;
    memcpy(&v, &f->x.bits, sizeof v);
    return d->integers ? (double)f->v : v;
}

static bool take_buckets(struct decoder *d, struct field *fields, uint32_t n, bool first)
{
    for (uint32_t i = 0; i < n; i++) {
        if (!take_field(d, &fields[i], first, false))
            return false;
    }
    return true;
}

/* The sum is a float in both encodings. Buckets of a stale marker are only there in a first one. */
static bool take_histogram(struct decoder *d, bool first, bool *stale)
{
    uint64_t dod = (uint64_t)take_varbit_int(&d->bits);
    if (first) {
        d->t = dod;
    } else {
        d->t_delta += dod;
        d->t += d->t_delta;
    }
    if (!take_field(d, &d->count, first, true) || !take_field(d, &d->zero, first, true))
        return false;
    if (first)
        d->sum.x.bits = bit_take_wide(&d->bits, 64);
    else if (!xor_take(&d->bits, &d->sum.x))
        return false;
    *stale = d->sum.x.bits == STALE_NAN_BITS;
    if (*stale && !first)
        return true;
    return take_buckets(d, d->positive, d->layout.positive.n_buckets, first) &&
           take_buckets(d, d->negative, d->layout.negative.n_buckets, first);
}

/* Integer buckets are told by their difference to the bucket before. */
static const double *buckets_of(const struct decoder *d, struct arena *arena,
                                const struct field *fields, uint32_t n)
{
    double *v = ARENA_ARRAY(arena, double, n);
    uint64_t sum = 0;
    for (uint32_t i = 0; i < n; i++) {
        sum += fields[i].v;
        v[i] = d->integers ? (double)(int64_t)sum : value_of(d, &fields[i]);
    }
    return v;
}

/* The chunk before may be gone, so that "no reset" at a chunk's beginning says nothing. */
static enum histogram_hint hint_of(const struct decoder *d, bool first)
{
    if (d->reset == RESET_GAUGE)
        return HISTOGRAM_HINT_GAUGE;
    if (!first)
        return HISTOGRAM_HINT_NOT_RESET;
    return d->reset == RESET_YES ? HISTOGRAM_HINT_RESET : HISTOGRAM_HINT_UNKNOWN;
}

static bool give_histogram(const struct decoder *d, bool first, struct points *out, struct err *err)
{
    struct histogram *h = arena_memdup(out->arena, &d->layout, sizeof *h);
    struct err why = ERR_INIT;
    h->hint = hint_of(d, first);
    h->count = value_of(d, &d->count);
    h->zero_count = value_of(d, &d->zero);
    memcpy(&h->sum, &d->sum.x.bits, sizeof h->sum);
    h->positive.buckets = buckets_of(d, out->arena, d->positive, h->positive.n_buckets);
    h->negative.buckets = buckets_of(d, out->arena, d->negative, h->negative.n_buckets);
    if (!histogram_validate(h, &why))
        return err_set(err, ERR_CORRUPT, "chunk: %s", why.message);
    points_add_histogram(out, (struct histogram_sample){(int64_t)d->t, h});
    return true;
}

static bool decode_all(struct decoder *d, size_t n, int64_t mint_ms, int64_t maxt_ms,
                       struct points *out, struct err *err)
{
    bool stale;
    for (size_t i = 0; i < n; i++) {
        int64_t before_ms = (int64_t)d->t;
        bool good = take_histogram(d, i == 0, &stale) && !d->bits.overrun;
        int64_t t_ms = (int64_t)d->t;
        if (!good || (i > 0 && t_ms <= before_ms))
            return err_set(err, ERR_CORRUPT, "chunk: histogram %zu of %zu makes no sense", i, n);
        if (t_ms > maxt_ms)
            return true;
        if (t_ms < mint_ms)
            continue;
        if (stale)
            points_add(out, (struct sample){t_ms, stale_nan()});
        else if (!give_histogram(d, i == 0, out, err))
            return false;
    }
    return true;
}

bool block_histogram_decode(uint8_t encoding, struct str data, int64_t mint_ms, int64_t maxt_ms,
                            struct points *out, struct err *err)
{
    struct decoder d = {.bits = bit_reader_of(data), .integers = encoding == BLOCK_HISTOGRAM};
    size_t n = bit_take(&d.bits, 16);
    d.reset = (uint8_t)(bit_take(&d.bits, 8) & RESET_MASK);
    if (n == 0 || !take_layout(&d.bits, out->arena, &d.layout))
        return err_set(err, ERR_CORRUPT, "chunk: the layout of its histograms makes no sense");
    d.positive = mem_array(d.layout.positive.n_buckets + 1, sizeof *d.positive);
    d.negative = mem_array(d.layout.negative.n_buckets + 1, sizeof *d.negative);
    bool done = decode_all(&d, n, mint_ms, maxt_ms, out, err);
    free(d.positive);
    free(d.negative);
    return done;
}

/* --- Writing --- */

static void add_zero_threshold(struct bit_writer *w, double v)
{
    int exponent;
    if (v == 0) {
        bit_add(w, 0, 8);
    } else if (frexp(v, &exponent) != 0.5 || exponent < -242 || exponent > 11) {
        bit_add(w, 255, 8);
        bit_add(w, bits_of(v), 64);
    } else {
        bit_add(w, (uint64_t)exponent + 243, 8);
    }
}

static void add_custom_bound(struct bit_writer *w, double v)
{
    double scaled = v * CUSTOM_SCALE;
    if (scaled >= 0 && scaled <= CUSTOM_MAX && round(scaled) / CUSTOM_SCALE == v) {
        add_varbit_uint(w, (uint64_t)round(scaled) + 1);
        return;
    }
    bit_add(w, 0, 1);
    bit_add(w, bits_of(v), 64);
}

static void add_spans(struct bit_writer *w, const struct histogram_side *s)
{
    add_varbit_uint(w, s->n_spans);
    for (uint32_t i = 0; i < s->n_spans; i++) {
        add_varbit_uint(w, s->spans[i].length);
        add_varbit_int(w, s->spans[i].offset);
    }
}

static void add_layout(struct bit_writer *w, const struct histogram *h)
{
    add_zero_threshold(w, h->zero_threshold);
    add_varbit_int(w, h->schema);
    add_spans(w, &h->positive);
    add_spans(w, &h->negative);
    if (h->schema != HISTOGRAM_SCHEMA_CUSTOM)
        return;
    add_varbit_uint(w, h->n_custom);
    for (uint32_t i = 0; i < h->n_custom; i++)
        add_custom_bound(w, h->custom[i]);
}

static bool same_bits(const void *a, const void *b, size_t n_bytes)
{
    return n_bytes == 0 || memcmp(a, b, n_bytes) == 0;
}

static bool same_spans(const struct histogram_side *a, const struct histogram_side *b)
{
    return a->n_spans == b->n_spans && same_bits(a->spans, b->spans, a->n_spans * sizeof *a->spans);
}

static bool same_layout(const struct histogram *a, const struct histogram *b)
{
    return a->schema == b->schema && a->zero_threshold == b->zero_threshold &&
           a->n_custom == b->n_custom &&
           same_bits(a->custom, b->custom, a->n_custom * sizeof *a->custom) &&
           same_spans(&a->positive, &b->positive) && same_spans(&a->negative, &b->negative);
}

static bool any_fell(const struct histogram_side *a, const struct histogram_side *b)
{
    for (uint32_t i = 0; i < a->n_buckets; i++) {
        if (b->buckets[i] < a->buckets[i])
            return true;
    }
    return false;
}

/* For two of one layout. */
static bool was_reset(const struct histogram *before, const struct histogram *h)
{
    return h->count < before->count || h->zero_count < before->zero_count ||
           any_fell(&before->positive, &h->positive) || any_fell(&before->negative, &h->negative);
}

static bool is_gauge(const struct histogram *h)
{
    return h->hint == HISTOGRAM_HINT_GAUGE;
}

/* Whether h may stand in the chunk in which `before` is the last. */
static bool continues(const struct histogram *before, const struct histogram *h)
{
    if (is_gauge(before) != is_gauge(h) || !same_layout(before, h))
        return false;
    return is_gauge(h) || (h->hint != HISTOGRAM_HINT_RESET && !was_reset(before, h));
}

static uint8_t reset_header(const struct histogram *before, const struct histogram *h)
{
    if (is_gauge(h))
        return RESET_GAUGE;
    if (h->hint == HISTOGRAM_HINT_RESET)
        return RESET_YES;
    if (!before || is_gauge(before) || !same_layout(before, h))
        return RESET_UNKNOWN;
    return was_reset(before, h) ? RESET_YES : RESET_NO;
}

struct encoder {
    struct bit_writer *w;
    struct xor_state count, zero, sum;
    struct xor_state *positive, *negative;
};

static void add_field(struct encoder *e, struct xor_state *s, double v, bool first)
{
    if (first) {
        s->bits = bits_of(v);
        bit_add(e->w, s->bits, 64);
    } else {
        xor_add(e->w, s, bits_of(v));
    }
}

static void add_buckets(struct encoder *e, struct xor_state *states, const struct histogram_side *s,
                        bool first)
{
    for (uint32_t i = 0; i < s->n_buckets; i++)
        add_field(e, &states[i], s->buckets[i], first);
}

static void add_values(struct encoder *e, const struct histogram *h, bool first)
{
    add_field(e, &e->count, h->count, first);
    add_field(e, &e->zero, h->zero_count, first);
    add_field(e, &e->sum, h->sum, first);
    add_buckets(e, e->positive, &h->positive, first);
    add_buckets(e, e->negative, &h->negative, first);
}

static void write_run(struct bit_writer *w, uint8_t reset, const struct histogram_sample *v,
                      size_t n)
{
    const struct histogram *layout = v[0].h;
    struct encoder e = {.w = w,
                        .positive = mem_array(layout->positive.n_buckets + 1, sizeof *e.positive),
                        .negative = mem_array(layout->negative.n_buckets + 1, sizeof *e.negative)};
    uint64_t delta = 0, t = 0;
    bit_writer_clear(w);
    bit_add(w, n, 16);
    bit_add(w, reset, 8);
    add_layout(w, layout);
    for (size_t i = 0; i < n; i++) {
        uint64_t next = (uint64_t)v[i].t_ms - t;
        add_varbit_int(w, (int64_t)(i < 2 ? next : next - delta));
        delta = i == 0 ? 0 : next;
        t = (uint64_t)v[i].t_ms;
        add_values(&e, v[i].h, i == 0);
    }
    free(e.positive);
    free(e.negative);
}

size_t block_histogram_encode(struct bit_writer *w, const struct histogram *before,
                              const struct histogram_sample *v, size_t n, size_t max)
{
    size_t run = 1;
    CHECK(n > 0 && max > 0 && max <= BLOCK_CHUNK_MAX_SAMPLES);
    while (run < n && run < max && continues(v[run - 1].h, v[run].h))
        run++;
    write_run(w, reset_header(before, v[0].h), v, run);
    return run;
}
