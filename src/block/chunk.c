#include "block/chunk.h"

#include "base/check.h"
#include "block/xor_run.h"

#define WINDOW_BITS 11  /* what a new window costs: 5 bits leading zeros, 6 bits width */
#define WINDOW_LOOK 96  /* samples that one choice of a window looks back over */
#define MAX_LEADING 31u /* 5 bits */
#define CHUNK_HEADER_BYTES 2

void points_release(struct points *p)
{
    free(p->samples);
    free(p->histograms);
    *p = (struct points){.arena = p->arena};
}

void points_add(struct points *p, struct sample s)
{
    p->samples = mem_grow(p->samples, p->n, &p->capacity, sizeof *p->samples);
    p->samples[p->n++] = s;
}

struct sample *points_room(struct points *p, size_t n)
{
    if (p->capacity - p->n < n) {
        p->capacity = (p->n + n) * 2;
        p->samples = mem_resize(p->samples, p->capacity, sizeof *p->samples);
    }
    return p->samples + p->n;
}

void points_append(struct points *p, const struct points *more)
{
    if (more->n > 0)
        memcpy(points_room(p, more->n), more->samples, more->n * sizeof *more->samples);
    p->n += more->n;
    for (size_t i = 0; i < more->n_histograms; i++)
        points_add_histogram(p, more->histograms[i]);
}

void points_add_histogram(struct points *p, struct histogram_sample h)
{
    p->histograms =
        mem_grow(p->histograms, p->n_histograms, &p->histogram_capacity, sizeof *p->histograms);
    p->histograms[p->n_histograms++] = h;
}

/* Both kinds begin with their time, so one sort serves both. Merging two halves keeps what was
 * added first in front. */
static void merge_sort(char *v, size_t n, size_t item_bytes, char *scratch)
{
    if (n < 2)
        return;
    size_t half = n / 2, a = 0, b = half;
    merge_sort(v, half, item_bytes, scratch);
    merge_sort(v + half * item_bytes, n - half, item_bytes, scratch);
    for (size_t i = 0; i < n; i++) {
        int64_t ta = INT64_MAX, tb = INT64_MAX;
        if (a < half)
            memcpy(&ta, v + a * item_bytes, sizeof ta);
        if (b < n)
            memcpy(&tb, v + b * item_bytes, sizeof tb);
        size_t from = b == n || (a < half && ta <= tb) ? a++ : b++;
        memcpy(scratch + i * item_bytes, v + from * item_bytes, item_bytes);
    }
    memcpy(v, scratch, n * item_bytes);
}

static int64_t time_at(const void *v, size_t i, size_t item_bytes)
{
    int64_t t_ms;
    memcpy(&t_ms, (const char *)v + i * item_bytes, sizeof t_ms);
    return t_ms;
}

/* How many are left. */
static size_t sort_unique(void *v, size_t n, size_t item_bytes)
{
    size_t i = 1, kept = 1;
    while (i < n && time_at(v, i - 1, item_bytes) < time_at(v, i, item_bytes))
        i++;
    if (i >= n)
        return n;
    char *scratch = mem_array(n, item_bytes);
    merge_sort(v, n, item_bytes, scratch);
    free(scratch);
    for (i = 1; i < n; i++) {
        if (time_at(v, i, item_bytes) == time_at(v, kept - 1, item_bytes))
            continue;
        memmove((char *)v + kept * item_bytes, (char *)v + i * item_bytes, item_bytes);
        kept++;
    }
    return kept;
}

_Static_assert(offsetof(struct sample, t_ms) == 0, "sorted by their first field");
_Static_assert(offsetof(struct histogram_sample, t_ms) == 0, "sorted by their first field");

void points_sort(struct points *p)
{
    p->n = sort_unique(p->samples, p->n, sizeof *p->samples);
    p->n_histograms = sort_unique(p->histograms, p->n_histograms, sizeof *p->histograms);
}

/* --- Reading --- */

bool xor_take(struct bit_reader *r, struct xor_state *s)
{
    if (bit_take(r, 1) == 0)
        return true;
    if (bit_take(r, 1) == 1) {
        uint64_t window = bit_take(r, WINDOW_BITS);
        s->leading = (uint8_t)(window >> 6);
        s->width = (uint8_t)(window & 63 ? window & 63 : 64);
    }
    if (s->width == 0 || s->leading + s->width > 64)
        return false;
    s->bits ^= bit_take_wide(r, s->width) << (64 - s->leading - s->width);
    return true;
}

/* Go's varints, which begin anywhere in the bit stream. */
static uint64_t take_uvarint(struct bit_reader *r, bool *bad)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        uint64_t byte = bit_take(r, 8);
        if (shift == 63 && byte > 1)
            break;
        v |= (byte & 127) << shift;
        if (byte < 128)
            return v;
    }
    *bad = true;
    return 0;
}

static int64_t unzigzag(uint64_t v)
{
    return (int64_t)(v >> 1 ^ -(v & 1));
}

/* Widths of the delta of deltas by how many ones are in front. Unlike two's complement the highest
 * bit alone is positive. */
static uint64_t take_dod(struct bit_reader *r)
{
    static const unsigned widths[] = {0, 14, 17, 20, 64};
    unsigned width = widths[bit_take_ones(r, 4)];
    if (width == 0)
        return 0;
    uint64_t v = bit_take_wide(r, width);
    if (width < 64 && v > UINT64_C(1) << (width - 1))
        v -= UINT64_C(1) << width;
    return v;
}

static bool corrupt_chunk(struct err *err, size_t i, size_t n)
{
    return err_set(err, ERR_CORRUPT, "chunk: sample %zu of %zu makes no sense", i, n);
}

/* Of any kind. The first has all of its time and value, the second its distance. */
static bool take_sample(struct bit_reader *r, size_t i, struct xor_run *run)
{
    struct xor_state s = {run->value, run->leading, run->width};
    int64_t before_ms = run->t_ms;
    bool bad = false;
    if (i == 0) {
        run->t_ms = unzigzag(take_uvarint(r, &bad));
        run->value = bit_take_wide(r, 64);
        return !bad && !r->overrun;
    }
    uint64_t delta = i == 1 ? take_uvarint(r, &bad) : (uint64_t)run->delta_ms + take_dod(r);
    run->delta_ms = (int64_t)delta;
    run->t_ms = (int64_t)((uint64_t)before_ms + delta);
    bad = !xor_take(r, &s) || bad;
    run->value = s.bits;
    run->leading = s.leading;
    run->width = s.width;
    return !bad && !r->overrun && run->t_ms > before_ms;
}

#define PLAIN_DELTA_MAX_MS (INT64_C(1) << 40) /* 65,535 of them are no overflow */

/* How many plain samples follow; none near the end, where a load could go too far. */
static size_t take_plain(struct bit_reader *r, struct xor_run *run, struct sample *out, size_t n)
{
    int64_t far_ms = INT64_C(1) << 60;
    if (run->delta_ms <= 0 || run->delta_ms > PLAIN_DELTA_MAX_MS || run->t_ms > far_ms ||
        run->t_ms < -far_ms || r->n_bytes < BITS_PAD_BYTES)
        return 0;
    run->at = r->at;
    run->end = (r->n_bytes - BITS_PAD_BYTES) * 8;
    size_t taken = xor_run_take(run, out, n);
    if (run->at > r->n_bytes * 8)
        r->overrun = true;
    else
        r->at = run->at;
    return taken;
}

/* Only those of [mint, maxt] stay. */
static void keep_range(struct points *p, size_t begin, int64_t mint_ms, int64_t maxt_ms)
{
    struct sample *v = p->samples + begin;
    size_t from = 0, to = p->n - begin;
    while (from < to && v[from].t_ms < mint_ms)
        from++;
    while (to > from && v[to - 1].t_ms > maxt_ms)
        to--;
    if (from > 0)
        memmove(v, v + from, (to - from) * sizeof *v);
    p->n = begin + to - from;
}

static bool decode_xor(struct str data, int64_t mint_ms, int64_t maxt_ms, struct points *out,
                       struct err *err)
{
    struct bit_reader r = bit_reader_of(data);
    size_t n = bit_take(&r, 16), begin = out->n, i = 0;
    struct xor_run run = {.bytes = r.bytes};
    struct sample *v = points_room(out, n);
    while (i < n) {
        if (i > 1)
            i += take_plain(&r, &run, v + i, n - i);
        if (i == n || (i > 0 && v[i - 1].t_ms > maxt_ms))
            break;
        if (r.overrun || !take_sample(&r, i, &run))
            return corrupt_chunk(err, i, n);
        v[i].t_ms = run.t_ms;
        memcpy(&v[i++].v, &run.value, sizeof run.value);
    }
    if (n == 0 || r.overrun)
        return corrupt_chunk(err, i, n);
    out->n += i;
    keep_range(out, begin, mint_ms, maxt_ms);
    return true;
}

bool block_chunk_decode(uint8_t encoding, struct str data, int64_t mint_ms, int64_t maxt_ms,
                        struct points *out, struct err *err)
{
    switch (encoding) {
    case BLOCK_XOR:
        return decode_xor(data, mint_ms, maxt_ms, out, err);
    case BLOCK_HISTOGRAM:
    case BLOCK_FLOAT_HISTOGRAM:
        return block_histogram_decode(encoding, data, mint_ms, maxt_ms, out, err);
    default:
        return err_set(err, ERR_CORRUPT, "chunk: encoding %d is not known", encoding);
    }
}

/* --- Writing --- */

struct window {
    uint8_t leading;
    uint8_t width; /* 0 = as before */
};

static void add_xor(struct bit_writer *w, struct xor_state *s, uint64_t bits, struct window next)
{
    uint64_t x = bits ^ s->bits;
    s->bits = bits;
    if (x == 0) {
        bit_add(w, 0, 1);
        return;
    }
    if (next.width == 0) {
        bit_add(w, 2, 2);
    } else {
        s->leading = next.leading;
        s->width = next.width;
        bit_add(w, 3, 2);
        bit_add(w, (uint64_t)next.leading << 6 | (next.width & 63u), WINDOW_BITS);
    }
    bit_add(w, x >> (64 - s->leading - s->width), s->width);
}

static unsigned leading_of(uint64_t x)
{
    unsigned n = (unsigned)__builtin_clzll(x);
    return n < MAX_LEADING ? n : MAX_LEADING;
}

/* Sample by sample, as Gorilla does: a new window only when the old one does not fit. */
void xor_add(struct bit_writer *w, struct xor_state *s, uint64_t bits)
{
    uint64_t x = bits ^ s->bits;
    struct window next = {0};
    if (x != 0) {
        unsigned leading = leading_of(x), trailing = (unsigned)__builtin_ctzll(x);
        bool fits =
            s->width > 0 && leading >= s->leading && trailing >= 64u - s->leading - s->width;
        if (!fits)
            next = (struct window){(uint8_t)leading, (uint8_t)(64 - leading - trailing)};
    }
    add_xor(w, s, bits, next);
}

/* The run of non-zero differences is cut into stretches, each with one window that covers all of
 * its members. cost[k] is the least number of bits that the first k take; the last stretch of that
 * solution begins at from[k]. */
struct plan {
    uint64_t *cost;
    uint32_t *from;
    struct window *windows; /* of the stretch that ends before k */
};

static void plan_step(struct plan *p, const uint64_t *x, size_t k)
{
    unsigned leading = MAX_LEADING, trailing = 63;
    size_t oldest = k > WINDOW_LOOK ? k - WINDOW_LOOK : 0;
    p->cost[k] = UINT64_MAX;
    for (size_t j = k; j-- > oldest;) {
        unsigned l = leading_of(x[j]), t = (unsigned)__builtin_ctzll(x[j]);
        leading = l < leading ? l : leading;
        trailing = t < trailing ? t : trailing;
        unsigned width = 64 - leading - trailing;
        uint64_t cost = p->cost[j] + WINDOW_BITS + (k - j) * (2 + width);
        if (cost >= p->cost[k])
            continue;
        p->cost[k] = cost;
        p->from[k] = (uint32_t)j;
        p->windows[k] = (struct window){(uint8_t)leading, (uint8_t)width};
    }
}

/* choice[i] for the i-th non-zero difference. */
static void plan_windows(const uint64_t *x, size_t n, struct window *choice)
{
    struct plan p = {.cost = mem_array(n + 1, sizeof *p.cost),
                     .from = mem_array(n + 1, sizeof *p.from),
                     .windows = mem_array(n + 1, sizeof *p.windows)};
    for (size_t k = 1; k <= n; k++)
        plan_step(&p, x, k);
    for (size_t k = n; k > 0; k = p.from[k])
        choice[p.from[k]] = p.windows[k];
    free(p.cost);
    free(p.from);
    free(p.windows);
}

static uint64_t bits_of(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

static void add_uvarint(struct bit_writer *w, uint64_t v)
{
    for (; v >= 128; v >>= 7)
        bit_add(w, (v & 127) | 128, 8);
    bit_add(w, v, 8);
}

static bool fits_dod(int64_t dod, unsigned width)
{
    int64_t half = INT64_C(1) << (width - 1);
    return dod > -half && dod <= half;
}

static void add_dod(struct bit_writer *w, uint64_t v)
{
    static const struct {
        unsigned prefix, prefix_bits, width;
    } classes[] = {{2, 2, 14}, {6, 3, 17}, {14, 4, 20}};
    int64_t dod = (int64_t)v;
    if (dod == 0) {
        bit_add(w, 0, 1);
        return;
    }
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        if (!fits_dod(dod, classes[i].width))
            continue;
        bit_add(w, classes[i].prefix, classes[i].prefix_bits);
        bit_add(w, v & ((UINT64_C(1) << classes[i].width) - 1), classes[i].width);
        return;
    }
    bit_add(w, 15, 4);
    bit_add(w, v, 64);
}

static void write_xor(struct bit_writer *w, const struct sample *v, size_t n,
                      const struct window *choice)
{
    struct xor_state value = {.bits = bits_of(v[0].v)};
    uint64_t delta = 0;
    int64_t first_ms = v[0].t_ms;
    bit_add(w, n, 16);
    add_uvarint(w, (uint64_t)first_ms << 1 ^ (first_ms < 0 ? UINT64_MAX : 0));
    bit_add(w, value.bits, 64);
    for (size_t i = 1; i < n; i++) {
        uint64_t next = (uint64_t)v[i].t_ms - (uint64_t)v[i - 1].t_ms;
        if (i == 1)
            add_uvarint(w, next);
        else
            add_dod(w, next - delta);
        delta = next;
        bool changes = bits_of(v[i].v) != value.bits;
        add_xor(w, &value, bits_of(v[i].v), changes ? *choice : (struct window){0});
        choice += changes;
    }
}

void block_xor_encode(struct bit_writer *w, const struct sample *v, size_t n)
{
    uint64_t *x = mem_array(n, sizeof *x);
    struct window *choice = mem_array(n, sizeof *choice);
    size_t changes = 0;
    CHECK(n > 0 && n <= BLOCK_CHUNK_MAX_SAMPLES);
    for (size_t i = 1; i < n; i++) {
        uint64_t difference = bits_of(v[i].v) ^ bits_of(v[i - 1].v);
        if (difference != 0)
            x[changes++] = difference;
    }
    plan_windows(x, changes, choice);
    bit_writer_clear(w);
    write_xor(w, v, n, choice);
    free(choice);
    free(x);
}
