#include "store/chunk.h"

#include "base/check.h"
#include "base/mem.h"
#include "block/xor_run.h"

#include <stdlib.h>

/* The longest sample: 4 + 64 bits of time, 2 + 5 + 6 + 64 of value. */
#define SAMPLE_MAX_BITS 145
#define FIRST_CAPACITY_BYTES 48

_Static_assert(CHUNK_MAX_SAMPLES *SAMPLE_MAX_BITS / 8 + 256 < UINT16_MAX, "capacity fits");

void chunk_init(struct chunk *c)
{
    *c = (struct chunk){0};
}

void chunk_release(struct chunk *c)
{
    free(c->bytes);
    chunk_init(c);
}

bool chunk_is_full(const struct chunk *c)
{
    return c->n >= CHUNK_MAX_SAMPLES ||
           (c->n >= CHUNK_MIN_SAMPLES && c->n_bits >= 8 * CHUNK_BIG_BYTES);
}

size_t chunk_memory(const struct chunk *c)
{
    return c->bytes ? (size_t)c->capacity_bytes + BITS_PAD_BYTES : 0;
}

static void resize(struct chunk *c, size_t capacity_bytes)
{
    c->bytes = mem_resize(c->bytes, capacity_bytes + BITS_PAD_BYTES, 1);
    c->capacity_bytes = (uint16_t)capacity_bytes;
}

static void make_room(struct chunk *c)
{
    size_t need = (c->n_bits + SAMPLE_MAX_BITS) / 8 + 1;
    if (need <= c->capacity_bytes)
        return;
    size_t capacity = c->capacity_bytes ? c->capacity_bytes : FIRST_CAPACITY_BYTES;
    while (capacity < need)
        capacity += capacity / 2;
    resize(c, capacity);
}

void chunk_seal(struct chunk *c)
{
    if (c->bytes)
        resize(c, (c->n_bits + 7) / 8);
}

static const struct dod_class {
    uint64_t prefix;
    unsigned prefix_bits;
    unsigned bits;
} dod_classes[] = {{2, 2, 14}, {6, 3, 17}, {14, 4, 20}, {15, 4, 64}};

static bool fits(int64_t v, unsigned bits)
{
    if (bits == 64)
        return true;
    int64_t half = INT64_C(1) << (bits - 1);
    return v >= -half && v < half;
}

/* One field or two that are written as one. */
struct code {
    uint64_t prefix, value;
    unsigned prefix_bits, bits;
};

static void put_code(uint8_t *bytes, size_t *at, const struct code *c)
{
    bits_put(bytes, at, c->prefix, c->prefix_bits);
    if (c->bits > 0)
        bits_put_wide(bytes, at, c->value, c->bits);
}

static struct code code_dod(int64_t dod)
{
    if (dod == 0)
        return (struct code){.prefix_bits = 1};
    const struct dod_class *c = dod_classes;
    while (!fits(dod, c->bits))
        c++;
    uint64_t mask = c->bits == 64 ? UINT64_MAX : (UINT64_C(1) << c->bits) - 1;
    return (struct code){c->prefix, (uint64_t)dod & mask, c->prefix_bits, c->bits};
}

static uint64_t get_dod(const uint8_t *bytes, size_t *at)
{
    size_t ones = 0;
    while (ones < 4 && bits_get(bytes, at, 1) == 1)
        ones++;
    if (ones == 0)
        return 0;
    unsigned bits = dod_classes[ones - 1].bits;
    uint64_t v = bits_get_wide(bytes, at, bits);
    bool negative = bits < 64 && v >> (bits - 1) != 0;
    return negative ? v - (UINT64_C(1) << bits) : v;
}

static struct code code_xor(uint64_t x, uint8_t *window_leading, uint8_t *window_width)
{
    if (x == 0)
        return (struct code){.prefix_bits = 1};
    unsigned leading = (unsigned)__builtin_clzll(x);
    unsigned trailing = (unsigned)__builtin_ctzll(x);
    if (leading > 31)
        leading = 31;
    unsigned window_trailing = 64u - *window_leading - *window_width;
    if (*window_width > 0 && leading >= *window_leading && trailing >= window_trailing)
        return (struct code){2, x >> window_trailing, 2, *window_width};
    unsigned width = 64 - leading - trailing;
    *window_leading = (uint8_t)leading;
    *window_width = (uint8_t)width;
    return (struct code){3u << 11 | leading << 6 | (width & 63u), x >> trailing, 13, width};
}

/* A sample after the first. */
struct sample_code {
    struct code time, value;
};

static size_t code_bits(const struct sample_code *c)
{
    return c->time.prefix_bits + c->time.bits + c->value.prefix_bits + c->value.bits;
}

/* Mostly all of it is one write. */
static void put_sample(uint8_t *bytes, size_t *at, const struct sample_code *c)
{
    size_t n = code_bits(c);
    if (n <= BITS_MAX) {
        uint64_t word = c->time.prefix << c->time.bits | c->time.value;
        word = word << c->value.prefix_bits | c->value.prefix;
        bits_put(bytes, at, word << c->value.bits | c->value.value, (unsigned)n);
        return;
    }
    put_code(bytes, at, &c->time);
    put_code(bytes, at, &c->value);
}

void chunk_append(struct chunk *c, struct chunk_tail *tail, int64_t t_ms, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    make_room(c);
    size_t at = c->n_bits;
    if (c->n == 0) {
        *tail = (struct chunk_tail){0};
        c->first_t_ms = t_ms;
        bits_put_wide(c->bytes, &at, (uint64_t)t_ms, 64);
        bits_put_wide(c->bytes, &at, bits, 64);
    } else {
        CHECK(t_ms > c->last_t_ms && c->n < CHUNK_MAX_SAMPLES);
        uint64_t delta = (uint64_t)t_ms - (uint64_t)c->last_t_ms;
        struct sample_code code = {code_dod((int64_t)(delta - tail->delta_ms)),
                                   code_xor(bits ^ tail->bits, &tail->leading, &tail->width)};
        put_sample(c->bytes, &at, &code);
        tail->delta_ms = delta;
    }
    tail->bits = bits;
    c->last_t_ms = t_ms;
    c->n_bits = (uint32_t)at;
    c->n++;
}

/* --- The open chunk --- */

#define OPEN_FIRST_BYTES 48

_Static_assert(sizeof(struct chunk_open) == 24, "it shares a cache line with its series");
_Static_assert((CHUNK_MIN_SAMPLES + 1) * SAMPLE_MAX_BITS < UINT16_MAX, "n_bits fits");
_Static_assert((CHUNK_MIN_SAMPLES + 1) * SAMPLE_MAX_BITS / 8 * 5 / 4 < UINT8_MAX * SLAB_STEP_BYTES,
               "room fits");

bool chunk_open_takes(const struct chunk_open *c, int64_t last_t_ms, int64_t t_ms)
{
    if (c->n == 0)
        return true;
    if (c->n >= CHUNK_MAX_SAMPLES ||
        (c->n >= CHUNK_MIN_SAMPLES && c->n_bits >= 8 * CHUNK_BIG_BYTES))
        return false;
    return (uint64_t)t_ms - (uint64_t)last_t_ms <= UINT32_MAX;
}

static void move_open(struct chunk_open *c, struct slab *slab, size_t size_bytes)
{
    uint8_t *bytes = slab_alloc(slab, size_bytes);
    if (c->bytes)
        memcpy(bytes, c->bytes, (c->n_bits + 7u) / 8);
    slab_free(slab, c->bytes, chunk_open_memory(c));
    c->bytes = bytes;
    c->room = (uint8_t)(slab_room(size_bytes) / SLAB_STEP_BYTES);
}

/* A fifth more each time: a copy in so many samples, and little that lies idle. */
static void make_open_room(struct chunk_open *c, struct slab *slab, size_t more_bits)
{
    size_t have = chunk_open_memory(c);
    size_t need = (c->n_bits + more_bits + 7) / 8 + BITS_PAD_BYTES;
    if (need <= have)
        return;
    size_t more = have ? have + have / 5 : OPEN_FIRST_BYTES;
    move_open(c, slab, more > need ? more : need);
}

void chunk_open_append(struct chunk_open *c, struct slab *slab, int64_t last_t_ms,
                       uint64_t last_bits, int64_t t_ms, uint64_t bits)
{
    size_t at = c->n_bits;
    if (c->n == 0) {
        make_open_room(c, slab, 128);
        bits_put_wide(c->bytes, &at, (uint64_t)t_ms, 64);
        bits_put_wide(c->bytes, &at, bits, 64);
    } else {
        uint64_t delta = (uint64_t)t_ms - (uint64_t)last_t_ms;
        struct sample_code code = {code_dod((int64_t)(delta - c->delta_ms)),
                                   code_xor(bits ^ last_bits, &c->leading, &c->width)};
        make_open_room(c, slab, code_bits(&code));
        put_sample(c->bytes, &at, &code);
        c->delta_ms = (uint32_t)delta;
    }
    c->n_bits = (uint16_t)at;
    c->n++;
}

size_t chunk_open_memory(const struct chunk_open *c)
{
    return (size_t)c->room * SLAB_STEP_BYTES;
}

struct chunk chunk_open_view(const struct chunk_open *c, int64_t last_t_ms)
{
    size_t at = 0;
    if (c->n == 0)
        return (struct chunk){0};
    return (struct chunk){.first_t_ms = (int64_t)bits_get_wide(c->bytes, &at, 64),
                          .last_t_ms = last_t_ms,
                          .bytes = c->bytes,
                          .n_bits = c->n_bits,
                          .capacity_bytes = (uint16_t)(chunk_open_memory(c) - BITS_PAD_BYTES),
                          .n = c->n};
}

struct chunk chunk_open_seal(struct chunk_open *c, struct slab *slab, int64_t last_t_ms)
{
    size_t need = slab_room((c->n_bits + 7u) / 8 + BITS_PAD_BYTES);
    if (c->n > 0 && need < chunk_open_memory(c))
        move_open(c, slab, need);
    struct chunk sealed = chunk_open_view(c, last_t_ms);
    *c = (struct chunk_open){0};
    return sealed;
}

void chunk_open_release(struct chunk_open *c, struct slab *slab)
{
    slab_free(slab, c->bytes, chunk_open_memory(c));
    *c = (struct chunk_open){0};
}

void chunk_release_sealed(struct chunk *c, struct slab *slab)
{
    slab_free(slab, c->bytes, chunk_memory(c));
    chunk_init(c);
}

static struct sample sample_of(const struct xor_run *r)
{
    struct sample s = {.t_ms = r->t_ms};
    memcpy(&s.v, &r->value, sizeof s.v);
    return s;
}

/* One that is not plain. */
static void take_sample(struct xor_run *r)
{
    r->delta_ms = (int64_t)((uint64_t)r->delta_ms + get_dod(r->bytes, &r->at));
    r->t_ms = (int64_t)((uint64_t)r->t_ms + (uint64_t)r->delta_ms);
    if (bits_get(r->bytes, &r->at, 1) == 0)
        return;
    if (bits_get(r->bytes, &r->at, 1) == 1) {
        r->leading = (uint8_t)bits_get(r->bytes, &r->at, 5);
        r->width = (uint8_t)bits_get(r->bytes, &r->at, 6);
        r->width = r->width ? r->width : 64;
    }
    r->value ^= bits_get_wide(r->bytes, &r->at, r->width) << (64u - r->leading - r->width);
}

size_t chunk_read(const struct chunk *c, struct sample *out)
{
    struct xor_run r = {.bytes = c->bytes, .end = SIZE_MAX};
    if (c->n == 0)
        return 0;
    r.t_ms = (int64_t)bits_get_wide(c->bytes, &r.at, 64);
    r.value = bits_get_wide(c->bytes, &r.at, 64);
    out[0] = sample_of(&r);
    for (size_t i = 1; i < c->n;) {
        i += xor_run_take(&r, out + i, c->n - i);
        if (i == c->n)
            break;
        take_sample(&r);
        out[i++] = sample_of(&r);
    }
    return c->n;
}

/* --- From a file --- */

/* At least 57 bits from `at` on, the first of them on top. */
static uint64_t peek(const uint8_t *bytes, size_t at)
{
    uint64_t word;
    memcpy(&word, bytes + at / 8, sizeof word);
    return be64toh(word) << at % 8;
}

/* A change of the value, behind its first bit; `word` begins with it. False: no such window. */
static bool walk_change(const uint8_t *bytes, size_t *at, uint64_t word, struct chunk_tail *tail)
{
    if (word >> 63) {
        tail->leading = word >> 58 & 31;
        tail->width = word >> 52 & 63;
        tail->width = tail->width ? tail->width : 64;
        *at += 11;
    }
    (*at)++;
    if (tail->width == 0 || tail->leading + tail->width > 64)
        return false;
    tail->bits ^= bits_get_wide(bytes, at, tail->width) << (64u - tail->leading - tail->width);
    return true;
}

static bool walk_sample(const uint8_t *bytes, size_t *at, struct chunk_walk *w)
{
    if (peek(bytes, *at) >> 63)
        w->tail.delta_ms += get_dod(bytes, at);
    else
        (*at)++;
    int64_t t_ms = (int64_t)((uint64_t)w->last_t_ms + w->tail.delta_ms);
    if (t_ms <= w->last_t_ms)
        return false;
    w->last_t_ms = t_ms;
    uint64_t word = peek(bytes, (*at)++);
    return word >> 63 == 0 || walk_change(bytes, at, word << 1, &w->tail);
}

/* A sample that begins within the bits ends at most SAMPLE_MAX_BITS later: that is in the pad. */
bool chunk_walk(const uint8_t *bytes, size_t n_bits, unsigned n, struct chunk_walk *w)
{
    size_t at = 0;
    *w = (struct chunk_walk){0};
    if (n == 0 || n > CHUNK_MAX_SAMPLES || n_bits < 128)
        return false;
    w->first_t_ms = w->last_t_ms = (int64_t)bits_get_wide(bytes, &at, 64);
    w->tail.bits = bits_get_wide(bytes, &at, 64);
    for (unsigned i = 1; i < n; i++) {
        if (at > n_bits || !walk_sample(bytes, &at, w))
            return false;
    }
    return at == n_bits;
}

/* With zeros behind the last bit, as appending expects. */
static uint8_t *copy_bits(struct slab *slab, size_t room, const uint8_t *bytes, size_t n_bits)
{
    uint8_t *copy = slab_alloc(slab, room);
    size_t n = (n_bits + 7) / 8;
    memcpy(copy, bytes, n);
    memset(copy + n, 0, BITS_PAD_BYTES);
    if (n_bits % 8)
        copy[n - 1] &= (uint8_t)(0xff00u >> n_bits % 8);
    return copy;
}

bool chunk_open_from(struct chunk_open *c, struct slab *slab, const uint8_t *bytes, size_t n_bits,
                     unsigned n, const struct chunk_walk *w)
{
    size_t room = slab_room((n_bits + 7) / 8 + BITS_PAD_BYTES);
    if (n_bits > UINT16_MAX || room > UINT8_MAX * SLAB_STEP_BYTES ||
        w->tail.delta_ms > UINT32_MAX || n > UINT8_MAX)
        return false;
    *c = (struct chunk_open){.bytes = copy_bits(slab, room, bytes, n_bits),
                             .delta_ms = (uint32_t)w->tail.delta_ms,
                             .n_bits = (uint16_t)n_bits,
                             .n = (uint8_t)n,
                             .room = (uint8_t)(room / SLAB_STEP_BYTES),
                             .leading = w->tail.leading,
                             .width = w->tail.width};
    return true;
}

bool chunk_sealed_from(struct chunk *c, struct slab *slab, const uint8_t *bytes, size_t n_bits,
                       unsigned n, const struct chunk_walk *w)
{
    size_t room = slab_room((n_bits + 7) / 8 + BITS_PAD_BYTES);
    if (room > SLAB_MAX_BYTES)
        return false;
    *c = (struct chunk){.first_t_ms = w->first_t_ms,
                        .last_t_ms = w->last_t_ms,
                        .bytes = copy_bits(slab, room, bytes, n_bits),
                        .n_bits = (uint32_t)n_bits,
                        .capacity_bytes = (uint16_t)(room - BITS_PAD_BYTES),
                        .n = (uint16_t)n};
    return true;
}
