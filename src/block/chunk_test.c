#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "block/chunk.h"

static uint64_t rng_state;

static uint64_t rng(void)
{
    rng_state ^= rng_state << 13;
    rng_state ^= rng_state >> 7;
    rng_state ^= rng_state << 17;
    return rng_state;
}

static double any_double(void)
{
    static const double special[] = {0, -0.0, 1, INFINITY, -INFINITY, NAN, 1e-310};
    uint64_t bits = rng();
    double v;
    switch (bits % 5) {
    case 0:
        return special[rng() % 7];
    case 1:
        return stale_nan();
    case 2:
        return (double)(rng() % 100000);
    case 3:
        return (double)(rng() % 1000) / 10;
    default:
        memcpy(&v, &bits, sizeof v);
        return v;
    }
}

/* Steps at the edges of every width of the delta of deltas. */
static int64_t any_step(void)
{
    static const int64_t around[] = {15000, 8191,   8192,   8193,   65535,   65536,
                                     65537, 524287, 524288, 524289, 1 << 30, 1};
    return around[rng() % 12] + (int64_t)(rng() % 3) + (int64_t)1;
}

static void samples_come_back_bit_by_bit(void **state)
{
    (void)state;
    struct bit_writer w = {0};
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct sample v[1500];
        struct points out = {0};
        struct err err = ERR_INIT;
        rng_state = seed * 0x9e3779b97f4a7c15;
        size_t n = 1 + rng() % 1500;
        int64_t t = seed % 7 == 0 ? INT64_MIN : (int64_t)(rng() % 2000000000000) - 1000000000;
        for (size_t i = 0; i < n; i++) {
            double same = i > 0 ? v[i - 1].v : 7;
            v[i] = (struct sample){t, rng() % 3 == 0 ? same : any_double()};
            t += any_step();
        }
        block_xor_encode(&w, v, n);
        struct str data = bit_writer_str(&w);
        assert_true(block_chunk_decode(BLOCK_XOR, data, INT64_MIN, INT64_MAX, &out, &err));
        assert_int_equal(out.n, n);
        assert_memory_equal(out.samples, v, n * sizeof *v);
        points_clear(&out);
        assert_true(block_chunk_decode(BLOCK_XOR, data, v[n / 2].t_ms, v[n / 2].t_ms, &out, &err));
        assert_int_equal(out.n, 1);
        points_clear(&out);
        if (n > 1)
            assert_false(block_chunk_decode(BLOCK_XOR, str_make(data.p, data.n / 2), INT64_MIN,
                                            INT64_MAX, &out, &err));
        points_release(&out);
    }
    bit_writer_release(&w);
}

/* Choosing windows over the run is never worse than Gorilla's way, and better on the first noise
 * that a long-lived wide window would make dear. */
static void chosen_windows_are_smaller(void **state)
{
    (void)state;
    struct bit_writer planned = {0}, greedy = {0};
    struct sample v[480];
    struct xor_state s = {0};
    rng_state = 42;
    double total = 1e6;
    for (int i = 0; i < 480; i++) {
        total += (double)(rng() % 50) + (i % 60 == 0 ? 0.3 : 0);
        v[i] = (struct sample){i * 15000, total};
    }
    block_xor_encode(&planned, v, 480);
    for (int i = 0; i < 480; i++) {
        uint64_t bits;
        memcpy(&bits, &v[i].v, sizeof bits);
        xor_add(&greedy, &s, bits);
    }
    assert_true(planned.at < greedy.at);
    bit_writer_release(&planned);
    bit_writer_release(&greedy);
}

static struct histogram *any_histogram(struct arena *arena, bool custom)
{
    static const double thresholds[] = {0, 0x1p-128, 0.001, 1024, 2048};
    struct histogram *h = ARENA_NEW(arena, struct histogram);
    struct histogram_span *spans = ARENA_ARRAY(arena, struct histogram_span, 2);
    double *buckets = ARENA_ARRAY(arena, double, 5);
    spans[0] = (struct histogram_span){custom ? 0 : -3, 2};
    spans[1] = (struct histogram_span){1, 3};
    for (int i = 0; i < 5; i++)
        buckets[i] = (double)(rng() % 1000);
    h->schema = custom ? HISTOGRAM_SCHEMA_CUSTOM : (int32_t)(rng() % 13) - 4;
    h->zero_threshold = custom ? 0 : thresholds[rng() % 5];
    h->zero_count = custom ? 0 : (double)(rng() % 10);
    h->count = (double)(rng() % 100000);
    h->sum = any_double();
    if (is_stale_nan(h->sum))
        h->sum = 1;
    h->positive = (struct histogram_side){2, 5, spans, buckets};
    if (custom) {
        double *bounds = ARENA_ARRAY(arena, double, 6);
        for (int i = 0; i < 6; i++)
            bounds[i] = i * 0.025 + (i == 3 ? 1.0 / 3 : 0) - (i == 0);
        bounds[4] = 1;
        bounds[5] = 1e9;
        h->n_custom = 6;
        h->custom = bounds;
    } else {
        h->negative = h->positive;
    }
    return h;
}

/* The same but for the hint, of which a chunk keeps less. */
static void assert_same_histogram(const struct histogram *a, const struct histogram *b)
{
    struct histogram copy = *a;
    copy.hint = b->hint;
    assert_true(histogram_identical(&copy, b));
}

static void histograms_come_back(void **state)
{
    (void)state;
    struct bit_writer w = {0};
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct arena arena = ARENA_INIT;
        struct points out = {.arena = &arena};
        struct err err = ERR_INIT;
        struct histogram_sample v[40];
        rng_state = seed * 0x9e3779b97f4a7c15;
        size_t n = 1 + rng() % 40, done = 0;
        for (size_t i = 0; i < n; i++) {
            struct histogram *h = i > 0 && rng() % 4 != 0 ? histogram_copy(&arena, v[i - 1].h)
                                                          : any_histogram(&arena, seed % 2);
            h->hint = (enum histogram_hint)(rng() % 8 < 4 ? rng() % 4 : 0);
            h->count += (double)(rng() % 9) / 2;
            v[i] = (struct histogram_sample){i ? v[i - 1].t_ms + any_step() : -5, h};
        }
        while (done < n) {
            size_t took = block_histogram_encode(&w, NULL, v + done, n - done, 30);
            assert_in_range(took, 1, 30);
            assert_true(block_chunk_decode(BLOCK_FLOAT_HISTOGRAM, bit_writer_str(&w), INT64_MIN,
                                           INT64_MAX, &out, &err));
            done += took;
            assert_int_equal(out.n_histograms, done);
        }
        for (size_t i = 0; i < n; i++) {
            const struct histogram *h = out.histograms[i].h;
            assert_int_equal(out.histograms[i].t_ms, v[i].t_ms);
            assert_same_histogram(h, v[i].h);
            assert_int_equal(h->hint == HISTOGRAM_HINT_GAUGE, v[i].h->hint == HISTOGRAM_HINT_GAUGE);
            if (v[i].h->hint == HISTOGRAM_HINT_RESET)
                assert_int_equal(h->hint, HISTOGRAM_HINT_RESET);
        }
        points_release(&out);
        arena_release(&arena);
    }
    bit_writer_release(&w);
}

/* Written by hand from the format's description: schema 3, one span of two buckets, counts 3 and 5,
 * then a stale marker. */
static void integer_histograms_are_read(void **state)
{
    (void)state;
    struct bit_writer w = {0};
    struct arena arena = ARENA_INIT;
    struct points out = {.arena = &arena};
    struct err err = ERR_INIT;
    uint64_t sum_bits;
    double sum = 12.5;
    memcpy(&sum_bits, &sum, sizeof sum_bits);
    bit_add(&w, 2, 16);                    /* histograms */
    bit_add(&w, 0x80, 8);                  /* after a reset */
    bit_add(&w, 0, 8);                     /* zero threshold 0 */
    bit_add(&w, 0x13, 5);                  /* schema 3: '10' 011 */
    bit_add(&w, 0x11, 5);                  /* one span: '10' 001 */
    bit_add(&w, 0x12, 5);                  /* of length 2 */
    bit_add(&w, 0, 1);                     /* at offset 0 */
    bit_add(&w, 0, 1);                     /* no negative spans */
    bit_add(&w, 6, 3), bit_add(&w, 20, 6); /* time 20 */
    bit_add(&w, 6, 3), bit_add(&w, 8, 6);  /* count 8 */
    bit_add(&w, 0, 1);                     /* zero count 0 */
    bit_add(&w, sum_bits, 64);
    bit_add(&w, 2, 2), bit_add(&w, 3, 3);  /* bucket 3 */
    bit_add(&w, 2, 2), bit_add(&w, 2, 3);  /* and 2 more */
    bit_add(&w, 6, 3), bit_add(&w, 10, 6); /* 10 later */
    bit_add(&w, 0, 1), bit_add(&w, 0, 1);  /* counts as before */
    uint64_t x = sum_bits ^ STALE_NAN_BITS;
    bit_add(&w, 3, 2), bit_add(&w, 0, 5), bit_add(&w, 0, 6), bit_add(&w, x, 64);
    assert_true(
        block_chunk_decode(BLOCK_HISTOGRAM, bit_writer_str(&w), INT64_MIN, INT64_MAX, &out, &err));
    assert_int_equal(out.n_histograms, 1);
    const struct histogram *h = out.histograms[0].h;
    assert_int_equal(out.histograms[0].t_ms, 20);
    assert_int_equal(h->hint, HISTOGRAM_HINT_RESET);
    assert_int_equal(h->schema, 3);
    assert_true(h->count == 8 && h->sum == 12.5 && h->zero_count == 0);
    assert_int_equal(h->positive.n_buckets, 2);
    assert_true(h->positive.buckets[0] == 3 && h->positive.buckets[1] == 5);
    assert_int_equal(out.n, 1);
    assert_int_equal(out.samples[0].t_ms, 30);
    assert_true(is_stale_nan(out.samples[0].v));
    points_release(&out);
    arena_release(&arena);
    bit_writer_release(&w);
}

static void points_are_sorted_and_unique(void **state)
{
    (void)state;
    struct points p = {0};
    static const int64_t times[] = {5, 1, 5, 3, 1, 9};
    for (int i = 0; i < 6; i++)
        points_add(&p, (struct sample){times[i], i});
    points_sort(&p);
    assert_int_equal(p.n, 4);
    assert_true(p.samples[0].t_ms == 1 && p.samples[0].v == 1);
    assert_true(p.samples[1].t_ms == 3 && p.samples[2].t_ms == 5 && p.samples[2].v == 0);
    assert_true(p.samples[3].t_ms == 9);
    points_release(&p);
}

static void wild_bytes_are_refused(void **state)
{
    (void)state;
    struct arena arena = ARENA_INIT;
    for (uint64_t seed = 1; seed <= 2000; seed++) {
        uint8_t bytes[96];
        struct points out = {.arena = &arena};
        struct err err = ERR_INIT;
        rng_state = seed * 0x9e3779b97f4a7c15;
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (uint8_t)rng();
        bytes[0] = 0;
        size_t n = rng() % sizeof bytes;
        if (!block_chunk_decode((uint8_t)(seed % 5), str_make((char *)bytes, n), INT64_MIN,
                                INT64_MAX, &out, &err))
            assert_int_equal(err.code, ERR_CORRUPT);
        points_release(&out);
        arena_clear(&arena);
    }
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_come_back_bit_by_bit),
        cmocka_unit_test(chosen_windows_are_smaller),
        cmocka_unit_test(histograms_come_back),
        cmocka_unit_test(integer_histograms_are_read),
        cmocka_unit_test(points_are_sorted_and_unique),
        cmocka_unit_test(wild_bytes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
