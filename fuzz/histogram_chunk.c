/* Histogram chunks: whatever sound histograms come, in the log's form, each comes back with every
 * bit. */
#include "fuzz.h"

#include "store/histogram_chunk.h"
#include "store/record.h"

#define MAX_CHUNKS 64

struct chunks {
    struct histogram_chunk v[MAX_CHUNKS];
    size_t n;
    struct histogram_tail tail;
};

static bool put(struct chunks *cs, int64_t t_ms, const struct histogram *h)
{
    struct histogram_chunk *c = cs->n > 0 ? &cs->v[cs->n - 1] : NULL;
    if (!c || !histogram_chunk_takes(c, &cs->tail, h)) {
        if (cs->n == MAX_CHUNKS)
            return false;
        if (c)
            histogram_chunk_seal(c);
        c = &cs->v[cs->n++];
        histogram_chunk_init(c, &cs->tail, h);
    }
    histogram_chunk_append(c, &cs->tail, t_ms, h);
    return true;
}

static void compare(const struct chunks *cs, struct arena *arena,
                    const struct histogram_sample *expected, size_t n)
{
    struct histogram_reader r;
    size_t at = 0;
    int64_t t_ms;
    for (size_t i = 0; i < cs->n; i++) {
        histogram_reader_init(&r, arena, &cs->v[i]);
        for (; histogram_reader_skip(&r, &t_ms); at++) {
            CHECK(at < n && t_ms == expected[at].t_ms);
            CHECK(histogram_identical(histogram_reader_current(&r), expected[at].h));
        }
    }
    CHECK(at == n);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct chunks cs = {.n = 0};
    struct arena arena = ARENA_INIT;
    struct str rest = fuzz_str(bytes, n);
    struct record_cursor cursor = {0};
    struct record_sample s;
    struct histogram_sample *expected = NULL;
    size_t count = 0, capacity = 0;
    bool bad;
    while (record_take_sample(&rest, &cursor, &arena, &s, &bad)) {
        if (!s.h || (count > 0 && s.t_ms <= expected[count - 1].t_ms))
            continue;
        if (!put(&cs, s.t_ms, s.h))
            break;
        expected = arena_grow(&arena, expected, count, &capacity, sizeof *expected);
        expected[count++] = (struct histogram_sample){s.t_ms, s.h};
    }
    compare(&cs, &arena, expected, count);
    for (size_t i = 0; i < cs.n; i++)
        histogram_chunk_release(&cs.v[i]);
    histogram_tail_release(&cs.tail);
    arena_release(&arena);
    return 0;
}
