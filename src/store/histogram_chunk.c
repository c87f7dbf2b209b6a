#include "store/histogram_chunk.h"

#include "base/check.h"
#include "base/hash.h"
#include "base/mem.h"
#include "block/cursor.h"
#include "codec/bits.h"
#include "store/record.h"

#include <stdlib.h>

#define FIRST_CAPACITY_BYTES 64
#define COLUMN_MAX_BITS 77 /* 1 + 6 + 6 + 64 of an XOR; a difference has 71 */
#define ENTRY_MAX_BITS 80  /* time and hint */
/* Of a chunk: a column that begins within its bits may be read to its end. */
#define PAD_BYTES ((ENTRY_MAX_BITS + COLUMN_MAX_BITS) / 8 + 1 + BITS_PAD_BYTES)

/* The columns before the buckets. */
enum { COLUMN_COUNT, COLUMN_ZERO, COLUMN_SUM, COLUMN_BUCKETS };

struct histogram_layout {
    size_t refs;
    bool whole;         /* all counts are whole numbers up to 2^53 */
    struct histogram h; /* counts and buckets blank; the arrays stand behind the struct */
};

static void layout_unref(struct histogram_layout *l)
{
    if (l && --l->refs == 0)
        free(l);
}

static size_t layout_bytes(const struct histogram *h)
{
    size_t spans = (size_t)h->positive.n_spans + h->negative.n_spans;
    return h->n_custom * sizeof(double) + spans * sizeof(struct histogram_span);
}

static const void *put_bytes(char **at, const void *from, size_t n_bytes)
{
    char *to = *at;
    if (n_bytes > 0)
        memcpy(to, from, n_bytes);
    *at += n_bytes;
    return to;
}

static struct histogram_layout *layout_new(const struct histogram *h, bool whole)
{
    struct histogram_layout *l = mem_zalloc(sizeof *l + layout_bytes(h));
    char *at = (char *)(l + 1);
    l->refs = 1;
    l->whole = whole;
    l->h = (struct histogram){.schema = h->schema,
                              .zero_threshold = h->zero_threshold,
                              .positive = h->positive,
                              .negative = h->negative,
                              .n_custom = h->n_custom};
    if (h->n_custom > 0)
        l->h.custom = put_bytes(&at, h->custom, h->n_custom * sizeof *h->custom);
    l->h.positive.spans =
        put_bytes(&at, h->positive.spans, h->positive.n_spans * sizeof *h->positive.spans);
    l->h.negative.spans =
        put_bytes(&at, h->negative.spans, h->negative.n_spans * sizeof *h->negative.spans);
    l->h.positive.buckets = l->h.negative.buckets = NULL;
    return l;
}

static size_t n_columns(const struct histogram *h)
{
    return COLUMN_BUCKETS + (size_t)h->positive.n_buckets + h->negative.n_buckets;
}

/* The histogram of these columns; it borrows them. */
static struct histogram assemble(const struct histogram *layout, const double *values,
                                 enum histogram_hint hint)
{
    struct histogram h = *layout;
    h.hint = hint;
    h.count = values[COLUMN_COUNT];
    h.zero_count = values[COLUMN_ZERO];
    h.sum = values[COLUMN_SUM];
    h.positive.buckets = values + COLUMN_BUCKETS;
    h.negative.buckets = values + COLUMN_BUCKETS + h.positive.n_buckets;
    return h;
}

static double column(const struct histogram *h, size_t i)
{
    if (i == COLUMN_COUNT)
        return h->count;
    if (i == COLUMN_ZERO)
        return h->zero_count;
    if (i == COLUMN_SUM)
        return h->sum;
    i -= COLUMN_BUCKETS;
    return i < h->positive.n_buckets ? h->positive.buckets[i]
                                     : h->negative.buckets[i - h->positive.n_buckets];
}

/* Up to 2^53 doubles have no gaps; -0 is not whole, its sign would be lost. */
static bool is_whole(double v)
{
    if (!(v >= 0 && v <= 0x1p53))
        return false;
    double back = (double)(int64_t)v;
    return memcmp(&back, &v, sizeof v) == 0;
}

static bool is_whole_histogram(const struct histogram *h)
{
    for (size_t i = 0; i < n_columns(h); i++) {
        if (i != COLUMN_SUM && !is_whole(column(h, i)))
            return false;
    }
    return true;
}

static bool same_bytes(const void *a, const void *b, size_t n_bytes)
{
    return n_bytes == 0 || memcmp(a, b, n_bytes) == 0;
}

static bool same_side(const struct histogram_side *a, const struct histogram_side *b)
{
    return a->n_spans == b->n_spans && a->n_buckets == b->n_buckets &&
           same_bytes(a->spans, b->spans, a->n_spans * sizeof *a->spans);
}

/* Counts may be whole by chance: a layout of other numbers takes them too. */
static bool layout_takes(const struct histogram_layout *l, const struct histogram *h)
{
    return l->h.schema == h->schema && l->h.n_custom == h->n_custom &&
           same_bytes(&l->h.zero_threshold, &h->zero_threshold, sizeof(double)) &&
           same_side(&l->h.positive, &h->positive) && same_side(&l->h.negative, &h->negative) &&
           same_bytes(l->h.custom, h->custom, h->n_custom * sizeof *h->custom) &&
           (!l->whole || is_whole_histogram(h));
}

void histogram_tail_release(struct histogram_tail *tail)
{
    layout_unref(tail->layout);
    free(tail->values);
    *tail = (struct histogram_tail){0};
}

size_t histogram_tail_memory(const struct histogram_tail *tail)
{
    return tail->layout ? n_columns(&tail->layout->h) * (sizeof(double) + sizeof(int64_t)) : 0;
}

bool histogram_tail_newest(const struct histogram_tail *tail, struct histogram *out)
{
    if (tail->layout)
        *out = assemble(&tail->layout->h, tail->values, tail->hint);
    return tail->layout != NULL;
}

void histogram_chunk_init(struct histogram_chunk *c, struct histogram_tail *tail,
                          const struct histogram *h)
{
    if (!tail->layout || !layout_takes(tail->layout, h)) {
        histogram_tail_release(tail);
        tail->layout = layout_new(h, is_whole_histogram(h));
        tail->values = mem_array(n_columns(h), sizeof *tail->values + sizeof *tail->deltas);
        tail->deltas = (int64_t *)(tail->values + n_columns(h));
    }
    memset(tail->values, 0, histogram_tail_memory(tail));
    tail->delta_ms = 0;
    tail->hint = HISTOGRAM_HINT_UNKNOWN;
    tail->layout->refs++;
    *c = (struct histogram_chunk){.layout = tail->layout};
}

void histogram_chunk_release(struct histogram_chunk *c)
{
    layout_unref(c->layout);
    free(c->bytes);
    *c = (struct histogram_chunk){0};
}

bool histogram_chunk_takes(const struct histogram_chunk *c, const struct histogram_tail *tail,
                           const struct histogram *h)
{
    return c->n < HISTOGRAM_CHUNK_MAX_SAMPLES && c->n_bits < 8 * HISTOGRAM_CHUNK_BIG_BYTES &&
           c->layout == tail->layout && layout_takes(c->layout, h);
}

static void resize(struct histogram_chunk *c, size_t capacity_bytes)
{
    size_t before = c->bytes ? (size_t)c->capacity_bytes + PAD_BYTES : 0;
    size_t after = capacity_bytes + PAD_BYTES;
    c->bytes = mem_resize(c->bytes, after, 1);
    if (after > before)
        memset(c->bytes + before, 0, after - before);
    c->capacity_bytes = (uint32_t)capacity_bytes;
}

static void make_room(struct histogram_chunk *c)
{
    size_t need = (c->n_bits + ENTRY_MAX_BITS + n_columns(&c->layout->h) * COLUMN_MAX_BITS) / 8 + 1;
    if (c->bytes && need <= c->capacity_bytes)
        return;
    size_t capacity = c->capacity_bytes ? c->capacity_bytes : FIRST_CAPACITY_BYTES;
    while (capacity < need)
        capacity += capacity / 2;
    resize(c, capacity);
}

void histogram_chunk_seal(struct histogram_chunk *c)
{
    if (c->bytes)
        resize(c, (c->n_bits + 7) / 8);
}

size_t histogram_chunk_memory(const struct histogram_chunk *c)
{
    size_t layout = c->layout ? sizeof *c->layout + layout_bytes(&c->layout->h) : 0;
    return layout + (c->bytes ? (size_t)c->capacity_bytes + PAD_BYTES : 0);
}

/* The class is told by as many ones, and a zero unless it is the last. */
static const unsigned difference_bits[] = {4, 7, 10, 14, 20, 32, 64};
#define N_CLASSES (sizeof difference_bits / sizeof difference_bits[0])

static bool fits(int64_t v, unsigned bits)
{
    return bits == 64 || (v >= -(INT64_C(1) << (bits - 1)) && v < INT64_C(1) << (bits - 1));
}

static void put_difference(uint8_t *bytes, size_t *at, int64_t v)
{
    size_t class = 0;
    if (v == 0) {
        bits_put(bytes, at, 0, 1);
        return;
    }
    while (!fits(v, difference_bits[class]))
        class ++;
    unsigned bits = difference_bits[class];
    bool last = class == N_CLASSES - 1;
    bits_put(bytes, at, (UINT64_C(1) << (class + 1)) - 1, (unsigned)class + 1);
    if (!last)
        bits_put(bytes, at, 0, 1);
    bits_put_wide(bytes, at, last ? (uint64_t)v : (uint64_t)v & ((UINT64_C(1) << bits) - 1), bits);
}

static int64_t get_difference(const uint8_t *bytes, size_t *at)
{
    size_t ones = 0;
    while (ones < N_CLASSES && bits_get(bytes, at, 1) == 1)
        ones++;
    if (ones == 0)
        return 0;
    unsigned bits = difference_bits[ones - 1];
    uint64_t v = bits_get_wide(bytes, at, bits);
    bool negative = bits < 64 && v >> (bits - 1) != 0;
    return (int64_t)(negative ? v - (UINT64_C(1) << bits) : v);
}

static void put_xor(uint8_t *bytes, size_t *at, double v, double last)
{
    uint64_t a, b;
    memcpy(&a, &v, sizeof a);
    memcpy(&b, &last, sizeof b);
    uint64_t x = a ^ b;
    bits_put(bytes, at, x != 0, 1);
    if (x == 0)
        return;
    unsigned leading = (unsigned)__builtin_clzll(x), trailing = (unsigned)__builtin_ctzll(x);
    unsigned width = 64 - leading - trailing;
    bits_put(bytes, at, leading, 6);
    bits_put(bytes, at, width - 1, 6);
    bits_put_wide(bytes, at, x >> trailing, width);
}

static double get_xor(const uint8_t *bytes, size_t *at, double last)
{
    uint64_t bits;
    if (bits_get(bytes, at, 1) == 0)
        return last;
    unsigned leading = (unsigned)bits_get(bytes, at, 6);
    unsigned width = (unsigned)bits_get(bytes, at, 6) + 1;
    if (width > 64 - leading) /* never written */
        width = 64 - leading;
    memcpy(&bits, &last, sizeof bits);
    bits ^= bits_get_wide(bytes, at, width) << (64 - leading - width);
    memcpy(&last, &bits, sizeof last);
    return last;
}

static void put_whole(uint8_t *bytes, size_t *at, double v, double last, int64_t *delta, bool first)
{
    int64_t now = (int64_t)v - (int64_t)last;
    put_difference(bytes, at, now - *delta);
    *delta = first ? 0 : now; /* from nothing to the first value says nothing of the next */
}

static double get_whole(const uint8_t *bytes, size_t *at, double last, int64_t *delta, bool first)
{
    /* Whole numbers are at most 2^53: the mask is for what was never written. */
    uint64_t now = (uint64_t)*delta + (uint64_t)get_difference(bytes, at);
    *delta = first ? 0 : (int64_t)now;
    return (double)(((uint64_t)last + now) & ((UINT64_C(1) << 54) - 1));
}

static void put_columns(struct histogram_chunk *c, struct histogram_tail *tail, size_t *at,
                        const struct histogram *h)
{
    for (size_t i = 0; i < n_columns(h); i++) {
        double v = column(h, i);
        if (i != COLUMN_SUM && c->layout->whole)
            put_whole(c->bytes, at, v, tail->values[i], &tail->deltas[i], c->n == 0);
        else
            put_xor(c->bytes, at, v, tail->values[i]);
        tail->values[i] = v;
    }
}

void histogram_chunk_append(struct histogram_chunk *c, struct histogram_tail *tail, int64_t t_ms,
                            const struct histogram *h)
{
    CHECK(c->layout == tail->layout && c->n < HISTOGRAM_CHUNK_MAX_SAMPLES);
    make_room(c);
    size_t at = c->n_bits;
    if (c->n == 0) {
        c->first_t_ms = t_ms;
    } else {
        CHECK(t_ms > c->last_t_ms);
        uint64_t delta_ms = (uint64_t)t_ms - (uint64_t)c->last_t_ms;
        put_difference(c->bytes, &at, (int64_t)(delta_ms - tail->delta_ms));
        tail->delta_ms = delta_ms;
    }
    bits_put(c->bytes, &at, h->hint != tail->hint, 1);
    if (h->hint != tail->hint)
        bits_put(c->bytes, &at, (uint64_t)h->hint, 2);
    tail->hint = h->hint;
    put_columns(c, tail, &at, h);
    c->last_t_ms = t_ms;
    c->n_bits = (uint32_t)at;
    c->n++;
}

void histogram_reader_init(struct histogram_reader *r, struct arena *arena,
                           const struct histogram_chunk *c)
{
    const struct histogram *l = &c->layout->h;
    struct histogram_side p = l->positive, n = l->negative;
    *r = (struct histogram_reader){.chunk = c, .arena = arena, .layout = *l, .t_ms = c->first_t_ms};
    r->layout.positive.spans = arena_memdup(arena, p.spans, p.n_spans * sizeof *p.spans);
    r->layout.negative.spans = arena_memdup(arena, n.spans, n.n_spans * sizeof *n.spans);
    if (l->n_custom > 0)
        r->layout.custom = arena_memdup(arena, l->custom, l->n_custom * sizeof *l->custom);
    r->values = ARENA_ARRAY(arena, double, n_columns(l));
    r->deltas = ARENA_ARRAY(arena, int64_t, n_columns(l));
}

bool histogram_reader_skip(struct histogram_reader *r, int64_t *t_ms)
{
    const uint8_t *bytes = r->chunk->bytes;
    if (r->i == r->chunk->n || r->at > r->chunk->n_bits)
        return false;
    if (r->i > 0) {
        r->delta_ms += (uint64_t)get_difference(bytes, &r->at);
        r->t_ms = (int64_t)((uint64_t)r->t_ms + r->delta_ms);
    }
    if (bits_get(bytes, &r->at, 1) == 1)
        r->hint = (enum histogram_hint)bits_get(bytes, &r->at, 2);
    for (size_t i = 0; i < n_columns(&r->layout); i++) {
        double last = r->values[i];
        if (r->at > r->chunk->n_bits)
            return false;
        r->values[i] = i != COLUMN_SUM && r->chunk->layout->whole
                           ? get_whole(bytes, &r->at, last, &r->deltas[i], r->i == 0)
                           : get_xor(bytes, &r->at, last);
    }
    r->i++;
    *t_ms = r->t_ms;
    return true;
}

struct histogram *histogram_reader_current(const struct histogram_reader *r)
{
    size_t n = n_columns(&r->layout);
    const double *values = arena_memdup(r->arena, r->values, n * sizeof *values);
    struct histogram h = assemble(&r->layout, values, r->hint);
    return arena_memdup(r->arena, &h, sizeof h);
}

static uint64_t hash_side(const struct histogram_side *s, uint64_t hash)
{
    hash = hash64(s->spans, s->n_spans * sizeof *s->spans, hash);
    return hash64(s->buckets, s->n_buckets * sizeof *s->buckets, hash);
}

uint64_t histogram_hash(const struct histogram *h)
{
    const double numbers[] = {h->schema, h->zero_threshold, h->zero_count, h->count, h->sum};
    uint64_t hash = hash64(numbers, sizeof numbers, h->positive.n_spans);
    hash = hash_side(&h->negative, hash_side(&h->positive, hash));
    return hash64(h->custom, h->n_custom * sizeof *h->custom, hash);
}

/* --- From and to a file --- */

/* The first sample brings the layout. */
void histogram_chunk_add(struct buf *out, const struct histogram_chunk *c)
{
    struct arena arena = ARENA_INIT;
    struct histogram_reader r;
    struct record_cursor cursor = {0};
    int64_t t_ms;
    histogram_reader_init(&r, &arena, c);
    CHECK(histogram_reader_skip(&r, &t_ms));
    record_add_sample(out, &cursor,
                      &(struct record_sample){.t_ms = t_ms, .h = histogram_reader_current(&r)});
    buf_add_char(out, (char)c->layout->whole);
    buf_add_uvarint(out, c->n);
    buf_add_uvarint(out, c->n_bits);
    buf_add(out, c->bytes, (c->n_bits + 7) / 8);
    arena_release(&arena);
}

static bool same_layout(const struct histogram_chunk *before, const struct histogram *h, bool whole)
{
    return before && before->layout->whole == whole && layout_takes(before->layout, h);
}

/* Reads all of it, which also finds the last time. */
static bool is_sound(struct histogram_chunk *c)
{
    struct arena arena = ARENA_INIT;
    struct histogram_reader r;
    struct err err = ERR_INIT;
    bool sound = true;
    uint32_t n = 0;
    int64_t t_ms;
    histogram_reader_init(&r, &arena, c);
    for (; sound && histogram_reader_skip(&r, &t_ms); n++) {
        struct histogram h = assemble(&r.layout, r.values, r.hint);
        sound = (n == 0 || t_ms > c->last_t_ms) && histogram_validate(&h, &err);
        c->last_t_ms = t_ms;
    }
    arena_release(&arena);
    return sound && n == c->n && r.at == c->n_bits;
}

bool histogram_chunk_take(struct str *from, const struct histogram_chunk *before,
                          struct histogram_chunk *out)
{
    struct arena arena = ARENA_INIT;
    struct record_cursor cursor = {0};
    struct record_sample first;
    bool bad;
    if (!record_take_sample(from, &cursor, &arena, &first, &bad) || !first.h) {
        arena_release(&arena);
        return false;
    }
    struct block_cursor c = cursor_of(*from);
    struct str flag = cursor_bytes(&c, 1);
    bool whole = flag.n > 0 && flag.p[0];
    uint64_t n = cursor_uvarint(&c), n_bits = cursor_uvarint(&c);
    struct str bytes = cursor_bytes(&c, (n_bits + 7) / 8);
    *from = str_make(c.p, c.n);
    bool done = !c.bad && n > 0 && n <= HISTOGRAM_CHUNK_MAX_SAMPLES && n_bits <= UINT32_MAX;
    if (done) {
        *out = (struct histogram_chunk){
            .first_t_ms = first.t_ms, .n_bits = (uint32_t)n_bits, .n = (uint32_t)n};
        out->layout = same_layout(before, first.h, whole) ? before->layout : NULL;
        if (out->layout)
            out->layout->refs++;
        else
            out->layout = layout_new(first.h, whole);
        resize(out, bytes.n);
        memcpy(out->bytes, bytes.p, bytes.n);
        done = is_sound(out);
        if (!done)
            histogram_chunk_release(out);
    }
    arena_release(&arena);
    return done;
}

void histogram_tail_set(struct histogram_tail *tail, const struct histogram *h)
{
    struct histogram_chunk none;
    histogram_tail_release(tail);
    histogram_chunk_init(&none, tail, h);
    for (size_t i = 0; i < n_columns(h); i++)
        tail->values[i] = column(h, i);
    tail->hint = h->hint;
    histogram_chunk_release(&none);
}
