#include "store/record.h"

#include "model/sample.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static struct buf two_records(void)
{
    struct buf b = BUF_INIT;
    struct err err = ERR_INIT;
    struct label l[] = {{STR("__name__"), STR("up")}, {STR("job"), STR("\xc3\xa9{}\n")}};
    size_t begin = record_begin(&b);
    record_add_series(&b, (struct labels){2, l});
    record_add_series(&b, (struct labels){1, l});
    assert_true(record_end(&b, begin, RECORD_SERIES, &err));
    begin = record_begin(&b);
    struct record_cursor cursor = {0};
    struct record_sample s = {.id = 1, .origin_zero = true, .t_ms = 1700000000000, .v = 42};
    record_add_sample(&b, &cursor, &s);
    assert_true(record_end(&b, begin, RECORD_SAMPLES, &err));
    return b;
}

static void series_come_back(void **state)
{
    (void)state;
    struct buf b = two_records();
    struct arena arena = ARENA_INIT;
    struct str rest = buf_str(&b);
    struct record r;
    struct labels labels;
    bool bad;
    assert_int_equal(record_next(&rest, &r), RECORD_GOOD);
    assert_int_equal(r.type, RECORD_SERIES);
    assert_true(record_take_series(&r.payload, &arena, &labels, &bad));
    assert_int_equal(labels.n, 2);
    assert_true(str_is(labels_get(labels, "job"), "\xc3\xa9{}\n"));
    assert_true(record_take_series(&r.payload, &arena, &labels, &bad));
    assert_int_equal(labels.n, 1);
    assert_false(record_take_series(&r.payload, &arena, &labels, &bad));
    assert_false(bad);
    assert_int_equal(record_next(&rest, &r), RECORD_GOOD);
    assert_int_equal(r.type, RECORD_SAMPLES);
    assert_int_equal(record_next(&rest, &r), RECORD_END);
    arena_release(&arena);
    buf_release(&b);
}

static const struct histogram_span spans[] = {{-2, 2}, {1, 1}, {0, 3}};
static const double counts[] = {1, 0.5, 1e300}, bounds[] = {0.1, 0.5};
static const struct histogram histograms[] = {
    {.schema = 3,
     .hint = HISTOGRAM_HINT_GAUGE,
     .zero_threshold = 1e-128,
     .zero_count = 1,
     .count = 7,
     .sum = -12.5,
     .positive = {2, 3, spans, counts},
     .negative = {1, 1, &spans[1], counts}},
    {.schema = HISTOGRAM_SCHEMA_CUSTOM,
     .count = 0x1p53 + 2,
     .sum = NAN,
     .positive = {1, 3, &spans[2], counts},
     .n_custom = 2,
     .custom = bounds},
    {.schema = -4, .count = INFINITY},
    {.schema = 8, .hint = HISTOGRAM_HINT_RESET, .zero_count = -0.0},
};

static void samples_come_back_bit_for_bit(void **state)
{
    (void)state;
    const double values[] = {0,   -0.0,     1,         -7,  0x1p53,      -0x1p53, 0x1p53 + 2,
                             0.1, INFINITY, -INFINITY, NAN, stale_nan(), 5e-324,  1e300};
    const int64_t times[] = {0, 0, 1, -5, INT64_MAX, INT64_MIN + 1, 1700000000000};
    const uint32_t ids[] = {0, 1, 1, 7, UINT32_MAX, 0, 3, 4};
    struct buf b = BUF_INIT;
    struct record_cursor cursor = {0};
    for (size_t i = 0; i < 200; i++) {
        struct record_sample s = {.id = ids[i % 8],
                                  .origin_zero = i % 3 == 0,
                                  .may_be_late = i % 4 == 1,
                                  .t_ms = times[i % 7],
                                  .v = values[i % 14],
                                  .h = i % 5 == 0 ? &histograms[i % 4] : NULL};
        record_add_sample(&b, &cursor, &s);
    }
    struct arena arena = ARENA_INIT;
    struct str rest = buf_str(&b);
    struct record_sample got;
    bool bad;
    cursor = (struct record_cursor){0};
    for (size_t i = 0; i < 200; i++) {
        assert_true(record_take_sample(&rest, &cursor, &arena, &got, &bad));
        assert_int_equal(got.id, ids[i % 8]);
        assert_int_equal(got.t_ms, times[i % 7]);
        assert_int_equal(got.origin_zero, i % 3 == 0);
        assert_int_equal(got.may_be_late, i % 4 == 1);
        if (i % 5 == 0)
            assert_true(histogram_identical(got.h, &histograms[i % 4]));
        else
            assert_memory_equal(&got.v, &values[i % 14], sizeof got.v);
    }
    assert_false(record_take_sample(&rest, &cursor, &arena, &got, &bad));
    assert_false(bad);
    arena_release(&arena);
    buf_release(&b);
}

static enum record_state state_of(struct str rest)
{
    struct record r;
    enum record_state state;
    do
        state = record_next(&rest, &r);
    while (state == RECORD_GOOD);
    return state;
}

static void any_cut_is_torn(void **state)
{
    (void)state;
    struct buf b = two_records();
    struct str rest = buf_str(&b);
    struct record r;
    assert_int_equal(record_next(&rest, &r), RECORD_GOOD);
    size_t boundary = b.n - rest.n;
    for (size_t n = 1; n < b.n; n++)
        assert_int_equal(state_of(str_make(b.p, n)), n == boundary ? RECORD_END : RECORD_TORN);
    static const char zeros[40];
    buf_add(&b, zeros, sizeof zeros);
    assert_int_equal(state_of(buf_str(&b)), RECORD_TORN);
    buf_release(&b);
}

static void any_flipped_bit_is_bad(void **state)
{
    (void)state;
    struct buf b = two_records();
    for (size_t bit = 0; bit < b.n * 8; bit++) {
        b.p[bit / 8] = (char)(b.p[bit / 8] ^ 1 << bit % 8);
        assert_int_equal(state_of(buf_str(&b)), RECORD_BAD);
        b.p[bit / 8] = (char)(b.p[bit / 8] ^ 1 << bit % 8);
    }
    assert_int_equal(state_of(buf_str(&b)), RECORD_END);
    buf_release(&b);
}

/* What a right checksum covers is still not trusted. */
static void random_payloads_are_refused_or_read_within_bounds(void **state)
{
    (void)state;
    unsigned seed = 7;
    size_t refused = 0;
    for (int run = 0; run < 20000; run++) {
        size_t n = 1 + (size_t)(rand_r(&seed) % 24);
        char *bytes = malloc(n);
        assert_non_null(bytes);
        for (size_t i = 0; i < n; i++)
            bytes[i] = (char)(rand_r(&seed) % (run % 2 ? 256 : 8));
        struct arena arena = ARENA_INIT;
        struct record_cursor cursor = {0};
        struct record_sample sample;
        struct labels labels;
        struct str rest = str_make(bytes, n);
        bool bad;
        while (record_take_series(&rest, &arena, &labels, &bad))
            continue;
        refused += bad;
        rest = str_make(bytes, n);
        while (record_take_sample(&rest, &cursor, &arena, &sample, &bad))
            continue;
        refused += bad;
        arena_release(&arena);
        free(bytes);
    }
    assert_true(refused > 10000);
}

/* Each of the bytes changed to each value: what still reads has passed histogram_validate. */
static void damaged_histograms_are_refused_or_sound(void **state)
{
    (void)state;
    size_t refused = 0;
    for (size_t i = 0; i < 4 * 255; i++) {
        struct buf b = BUF_INIT;
        struct arena arena = ARENA_INIT;
        struct record_cursor cursor = {0};
        struct record_sample s = {.id = 1, .h = &histograms[i % 4]}, got;
        struct err err = ERR_INIT;
        bool bad;
        record_add_sample(&b, &cursor, &s);
        for (size_t at = 0; at < b.n; at++) {
            char before = b.p[at];
            struct str rest = buf_str(&b);
            b.p[at] = (char)(before + (char)(i / 4 + 1));
            cursor = (struct record_cursor){0};
            if (record_take_sample(&rest, &cursor, &arena, &got, &bad))
                assert_true(!got.h || histogram_validate(got.h, &err));
            refused += bad;
            b.p[at] = before;
            arena_clear(&arena);
        }
        arena_release(&arena);
        buf_release(&b);
    }
    assert_true(refused > 1000);
}

static void unsorted_or_empty_labels_are_refused(void **state)
{
    (void)state;
    struct label wrong[][2] = {{{STR("b"), STR("1")}, {STR("a"), STR("1")}},
                               {{STR("a"), STR("1")}, {STR("a"), STR("2")}},
                               {{STR("a"), STR("1")}, {STR("b"), STR("")}}};
    for (size_t i = 0; i < 3; i++) {
        struct buf b = BUF_INIT;
        struct arena arena = ARENA_INIT;
        struct labels labels;
        bool bad;
        record_add_series(&b, (struct labels){2, wrong[i]});
        struct str rest = buf_str(&b);
        assert_false(record_take_series(&rest, &arena, &labels, &bad));
        assert_true(bad);
        arena_release(&arena);
        buf_release(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(series_come_back),
        cmocka_unit_test(samples_come_back_bit_for_bit),
        cmocka_unit_test(any_cut_is_torn),
        cmocka_unit_test(any_flipped_bit_is_bad),
        cmocka_unit_test(random_payloads_are_refused_or_read_within_bounds),
        cmocka_unit_test(damaged_histograms_are_refused_or_sound),
        cmocka_unit_test(unsorted_or_empty_labels_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
