#include "store/chunk.h"

#include "base/check.h"
#include "base/mem.h"
#include "store/bits.h"

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
    size_t before = chunk_memory(c);
    size_t after = capacity_bytes + BITS_PAD_BYTES;
    c->bytes = mem_resize(c->bytes, after, 1);
    if (after > before)
        memset(c->bytes + before, 0, after - before);
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

static void put_dod(uint8_t *bytes, size_t *at, int64_t dod)
{
    if (dod == 0) {
        bits_put(bytes, at, 0, 1);
        return;
    }
    const struct dod_class *c = dod_classes;
    while (!fits(dod, c->bits))
        c++;
    uint64_t mask = c->bits == 64 ? UINT64_MAX : (UINT64_C(1) << c->bits) - 1;
    bits_put(bytes, at, c->prefix, c->prefix_bits);
    bits_put_wide(bytes, at, (uint64_t)dod & mask, c->bits);
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

static void put_xor(uint8_t *bytes, size_t *at, struct chunk_tail *tail, uint64_t x)
{
    if (x == 0) {
        bits_put(bytes, at, 0, 1);
        return;
    }
    unsigned leading = (unsigned)__builtin_clzll(x);
    unsigned trailing = (unsigned)__builtin_ctzll(x);
    if (leading > 31)
        leading = 31;
    unsigned window_trailing = 64u - tail->leading - tail->width;
    if (tail->width > 0 && leading >= tail->leading && trailing >= window_trailing) {
        bits_put(bytes, at, 2, 2);
    } else {
        tail->leading = (uint8_t)leading;
        tail->width = (uint8_t)(64 - leading - trailing);
        window_trailing = trailing;
        bits_put(bytes, at, 3, 2);
        bits_put(bytes, at, leading, 5);
        bits_put(bytes, at, tail->width & 63u, 6);
    }
    bits_put_wide(bytes, at, x >> window_trailing, tail->width);
}

static uint64_t get_xor(const uint8_t *bytes, size_t *at, struct chunk_tail *tail)
{
    if (bits_get(bytes, at, 1) == 0)
        return 0;
    if (bits_get(bytes, at, 1) == 1) {
        tail->leading = (uint8_t)bits_get(bytes, at, 5);
        unsigned width = (unsigned)bits_get(bytes, at, 6);
        tail->width = (uint8_t)(width ? width : 64);
    }
    return bits_get_wide(bytes, at, tail->width) << (64 - tail->leading - tail->width);
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
        put_dod(c->bytes, &at, (int64_t)(delta - tail->delta_ms));
        put_xor(c->bytes, &at, tail, bits ^ tail->bits);
        tail->delta_ms = delta;
    }
    tail->bits = bits;
    c->last_t_ms = t_ms;
    c->n_bits = (uint32_t)at;
    c->n++;
}

void chunk_reader_init(struct chunk_reader *r, const struct chunk *c)
{
    *r = (struct chunk_reader){.chunk = c};
}

bool chunk_reader_next(struct chunk_reader *r, struct sample *out)
{
    const uint8_t *bytes = r->chunk->bytes;
    if (r->i == r->chunk->n)
        return false;
    if (r->i == 0) {
        r->t_ms = (int64_t)bits_get_wide(bytes, &r->at, 64);
        r->tail.bits = bits_get_wide(bytes, &r->at, 64);
    } else {
        r->tail.delta_ms += get_dod(bytes, &r->at);
        r->t_ms = (int64_t)((uint64_t)r->t_ms + r->tail.delta_ms);
        r->tail.bits ^= get_xor(bytes, &r->at, &r->tail);
    }
    r->i++;
    out->t_ms = r->t_ms;
    memcpy(&out->v, &r->tail.bits, sizeof out->v);
    return true;
}
