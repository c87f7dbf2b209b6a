/* Gorilla chunks: every sample comes back with every bit, however times and values jump. */
#include "fuzz.h"

#include "store/chunk.h"

/* One sample of the input: how far the time moves (1, 2, 4 or 8 bytes) and the value's 8 bytes, or
 * the value before it again. */
static bool take_sample(struct str *rest, struct sample *s)
{
    static const size_t widths[] = {1, 2, 4, 8};
    if (rest->n < 1)
        return false;
    uint8_t head = (uint8_t)rest->p[0];
    size_t width = widths[head & 3], value = head & 4 ? sizeof s->v : 0;
    if (rest->n < 1 + width + value)
        return false;
    uint64_t step = 0;
    memcpy(&step, rest->p + 1, width);
    if (value)
        memcpy(&s->v, rest->p + 1 + width, sizeof s->v);
    *rest = str_make(rest->p + 1 + width + value, rest->n - 1 - width - value);
    int64_t t_ms = (int64_t)((uint64_t)s->t_ms + step);
    if (t_ms <= s->t_ms)
        return false;
    s->t_ms = t_ms;
    return true;
}

static uint64_t bits_of(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

static void compare(const struct chunk *c, const struct sample *expected, size_t n)
{
    struct sample got[CHUNK_MAX_SAMPLES];
    CHECK(c->n == n && chunk_read(c, got) == n);
    for (size_t i = 0; i < n; i++)
        CHECK(got[i].t_ms == expected[i].t_ms && bits_of(got[i].v) == bits_of(expected[i].v));
}

/* The same samples as a series in the head has them, which begins a chunk where one takes no more.
 */
static void open_round_trip(const struct sample *v, size_t n)
{
    struct slab slab;
    struct chunk_open open = {0};
    size_t from = 0;
    slab_init(&slab);
    for (size_t i = 0; i < n; i++) {
        int64_t last_t_ms = i > from ? v[i - 1].t_ms : 0;
        if (!chunk_open_takes(&open, last_t_ms, v[i].t_ms)) {
            struct chunk sealed = chunk_open_seal(&open, &slab, last_t_ms);
            compare(&sealed, v + from, i - from);
            chunk_release_sealed(&sealed, &slab);
            from = i;
        }
        chunk_open_append(&open, &slab, last_t_ms, i > from ? bits_of(v[i - 1].v) : 0, v[i].t_ms,
                          bits_of(v[i].v));
    }
    if (n > 0) {
        struct chunk view = chunk_open_view(&open, v[n - 1].t_ms);
        compare(&view, v + from, n - from);
    }
    chunk_open_release(&open, &slab);
    slab_release(&slab);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct sample expected[CHUNK_MAX_SAMPLES];
    struct str rest = fuzz_str(bytes, n);
    struct sample s = {.t_ms = INT64_MIN, .v = 0};
    struct chunk c;
    struct chunk_tail tail = {0};
    size_t count = 0;
    chunk_init(&c);
    while (!chunk_is_full(&c) && take_sample(&rest, &s)) {
        chunk_append(&c, &tail, s.t_ms, s.v);
        expected[count++] = s;
    }
    chunk_seal(&c);
    compare(&c, expected, count);
    open_round_trip(expected, count);
    chunk_release(&c);
    return 0;
}
