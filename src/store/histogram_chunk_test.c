#include "store/histogram_chunk.h"

#include "model/sample.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct histogram_span spans[] = {{-2, 2}, {1, 1}};

/* Buckets -2, -1, 1 and one below zero, and counts that grow with `step`. */
static struct histogram growing(double *buckets, size_t i, double step)
{
    for (size_t k = 0; k < 4; k++)
        buckets[k] = (double)(i * (k + 1)) * step;
    return (struct histogram){.schema = 3,
                              .zero_threshold = 1e-128,
                              .zero_count = (double)i * step,
                              .count = (double)i * 11 * step,
                              .sum = (double)i * 0.1,
                              .positive = {2, 3, spans, buckets},
                              .negative = {1, 1, &spans[1], buckets + 3}};
}

struct rig {
    struct histogram_chunk chunk;
    struct histogram_tail tail;
    struct arena arena;
    struct histogram_sample expected[HISTOGRAM_CHUNK_MAX_SAMPLES];
    size_t n;
};

static void put(struct rig *r, int64_t t_ms, const struct histogram *h)
{
    if (r->n == 0)
        histogram_chunk_init(&r->chunk, &r->tail, h);
    assert_true(histogram_chunk_takes(&r->chunk, &r->tail, h));
    histogram_chunk_append(&r->chunk, &r->tail, t_ms, h);
    r->expected[r->n++] = (struct histogram_sample){t_ms, histogram_copy(&r->arena, h)};
}

/* What went in comes out; how many bits it took. */
static uint32_t check(struct rig *r)
{
    struct histogram_reader reader;
    struct histogram newest;
    int64_t t_ms;
    assert_true(histogram_tail_newest(&r->tail, &newest));
    assert_true(histogram_identical(&newest, r->expected[r->n - 1].h));
    histogram_chunk_seal(&r->chunk);
    assert_int_equal(r->chunk.n, r->n);
    histogram_reader_init(&reader, &r->arena, &r->chunk);
    for (size_t i = 0; i < r->n; i++) {
        assert_true(histogram_reader_skip(&reader, &t_ms));
        assert_int_equal(t_ms, r->expected[i].t_ms);
        assert_true(histogram_identical(histogram_reader_current(&reader), r->expected[i].h));
    }
    assert_false(histogram_reader_skip(&reader, &t_ms));
    uint32_t n_bits = r->chunk.n_bits;
    histogram_chunk_release(&r->chunk);
    histogram_tail_release(&r->tail);
    arena_release(&r->arena);
    return n_bits;
}

static void whole_counts_are_small_and_come_back(void **state)
{
    (void)state;
    struct rig r = {0};
    double buckets[4];
    for (size_t i = 0; i < 120; i++) {
        struct histogram h = growing(buckets, i, 3);
        put(&r, 1700000000000 + (int64_t)i * 15000, &h);
    }
    uint32_t n_bits = check(&r);
    /* A steady rate: a bit a column; but for the sum, an XOR that jumps. */
    assert_true(n_bits / 8 / 120 < 12);
}

static void any_number_comes_back(void **state)
{
    (void)state;
    struct rig r = {0};
    double buckets[4];
    const double odd[] = {0.5, 1e300, 5e-324, 0x1p53, 0x1p53 + 2, INFINITY, 7, 0};
    const double sums[] = {NAN, stale_nan(), -INFINITY, -0.0, 1e-300, 12, -7, 0};
    for (size_t i = 0; i < 64; i++) {
        struct histogram h = growing(buckets, i, 0.3);
        buckets[i % 4] = odd[i % 8];
        h.sum = sums[(i * 3) % 8];
        h.hint = (enum histogram_hint)(i / 2 % 4);
        put(&r, INT64_MIN + 1 + (int64_t)(i * i * i) * 1000003, &h);
    }
    check(&r);
}

static void whole_counts_may_jump(void **state)
{
    (void)state;
    struct rig r = {0};
    const double jumps[] = {0, 1, 0x1p53, 0, 8, 71, 0x1p13, 0x1p31, 3, 0x1p19, 0x1p32 + 1, 0x1p53};
    double buckets[4];
    for (size_t i = 0; i < 48; i++) {
        struct histogram h = growing(buckets, 1, 1);
        for (size_t k = 0; k < 4; k++)
            buckets[k] = jumps[(i * (k + 1) + k) % 12];
        put(&r, (int64_t)i, &h);
    }
    check(&r);
}

static void times_may_lie_apart(void **state)
{
    (void)state;
    struct rig r = {0};
    double buckets[4];
    struct histogram h = growing(buckets, 1, 1);
    put(&r, INT64_MIN, &h);
    put(&r, 0, &h);
    put(&r, INT64_MAX, &h);
    check(&r);
}

static void custom_bounds_stand_in_the_layout(void **state)
{
    (void)state;
    static const double bounds[] = {0.1, 0.5}, counts[] = {1, 2, 3};
    static const struct histogram_span three[] = {{0, 3}};
    struct histogram h = {.schema = HISTOGRAM_SCHEMA_CUSTOM,
                          .count = 6,
                          .sum = 2,
                          .positive = {1, 3, three, counts},
                          .n_custom = 2,
                          .custom = bounds};
    struct rig r = {0};
    for (int64_t t = 0; t < 10; t++)
        put(&r, t, &h);
    check(&r);
}

static void an_empty_histogram_is_one(void **state)
{
    (void)state;
    struct rig r = {0};
    struct histogram h = {.schema = 0};
    put(&r, 5, &h);
    put(&r, 6, &h);
    check(&r);
}

static void another_layout_needs_another_chunk(void **state)
{
    (void)state;
    struct rig r = {0};
    double buckets[4];
    struct histogram h = growing(buckets, 1, 1), other;
    put(&r, 1, &h);
    other = h;
    other.schema = 4;
    assert_false(histogram_chunk_takes(&r.chunk, &r.tail, &other));
    other = h;
    other.zero_threshold = 0.5;
    assert_false(histogram_chunk_takes(&r.chunk, &r.tail, &other));
    other = h;
    other.negative.n_buckets = other.negative.n_spans = 0;
    assert_false(histogram_chunk_takes(&r.chunk, &r.tail, &other));
    other = h;
    other.count = 11.5;
    assert_false(histogram_chunk_takes(&r.chunk, &r.tail, &other));
    assert_true(histogram_chunk_takes(&r.chunk, &r.tail, &h));
    check(&r);
}

static void neighbours_share_a_layout(void **state)
{
    (void)state;
    struct rig r = {0};
    double buckets[4];
    struct histogram h = growing(buckets, 3, 1);
    put(&r, 1, &h);
    struct histogram_chunk first = r.chunk;
    r.n = 0;
    put(&r, 2, &h);
    assert_ptr_equal(first.layout, r.chunk.layout);
    histogram_chunk_release(&first);
    check(&r);
}

static void a_chunk_fills(void **state)
{
    (void)state;
    struct rig r = {0};
    double buckets[4];
    struct histogram h = growing(buckets, 1, 1);
    for (int64_t t = 0; t < HISTOGRAM_CHUNK_MAX_SAMPLES; t++)
        put(&r, t, &h);
    assert_false(histogram_chunk_takes(&r.chunk, &r.tail, &h));
    check(&r);

    static double wide[4000];
    const struct histogram_span span[] = {{0, 4000}};
    h.positive = (struct histogram_side){1, 4000, span, wide};
    r = (struct rig){0};
    size_t n = 0;
    for (; n == 0 || histogram_chunk_takes(&r.chunk, &r.tail, &h); n++) {
        for (size_t i = 0; i < 4000; i++)
            wide[i] = (double)(i * n * n);
        put(&r, (int64_t)n, &h);
    }
    assert_true(n < 20);
    check(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_counts_are_small_and_come_back),
        cmocka_unit_test(any_number_comes_back),
        cmocka_unit_test(whole_counts_may_jump),
        cmocka_unit_test(times_may_lie_apart),
        cmocka_unit_test(custom_bounds_stand_in_the_layout),
        cmocka_unit_test(an_empty_histogram_is_one),
        cmocka_unit_test(another_layout_needs_another_chunk),
        cmocka_unit_test(neighbours_share_a_layout),
        cmocka_unit_test(a_chunk_fills),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
