#include "model/histogram.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void neighbours_become_one(void **state)
{
    (void)state;
    const struct histogram_span spans[] = {{-3, 4}, {2, 2}};
    const double counts[] = {1, 2, 4, 8, 16, 32}; /* -3 -2 -1 0, 3 4 */
    const struct histogram h = {.schema = 2, .positive = {2, 6, spans, counts}, .count = 63};
    struct arena arena = ARENA_INIT;
    const struct histogram *r = histogram_reduce(&arena, &h, 1); /* -1: 1 2, 0: 4 8, 2: 16 32 */
    assert_int_equal(r->schema, 1);
    assert_int_equal(r->positive.n_spans, 2);
    assert_int_equal(r->positive.spans[0].offset, -1);
    assert_int_equal(r->positive.spans[0].length, 2);
    assert_int_equal(r->positive.spans[1].offset, 1);
    assert_int_equal(r->positive.n_buckets, 3);
    assert_true(r->positive.buckets[0] == 3 && r->positive.buckets[1] == 12);
    assert_true(r->positive.buckets[2] == 48 && r->count == 63);
    assert_ptr_equal(histogram_reduce(&arena, &h, 2), &h);
    assert_ptr_equal(histogram_reduce(&arena, &h, 8), &h);
    arena_release(&arena);
}

/* What lies at or below a bound that both schemas have. */
static double below(const struct histogram *h, double bound)
{
    double sum = 0;
    int32_t i = 0;
    uint32_t at = 0;
    for (uint32_t k = 0; k < h->positive.n_spans; k++) {
        i += h->positive.spans[k].offset;
        for (uint32_t n = 0; n < h->positive.spans[k].length; n++, i++)
            sum += histogram_bound(h, i) <= bound ? h->positive.buckets[at + n] : 0;
        at += h->positive.spans[k].length;
    }
    return sum;
}

static void counts_below_common_bounds_stay(void **state)
{
    (void)state;
    unsigned seed = 5;
    for (int run = 0; run < 300; run++) {
        struct arena arena = ARENA_INIT;
        struct histogram_span spans[4];
        double counts[40];
        uint32_t n = 0;
        for (int k = 0; k < 4; k++) {
            spans[k].offset = rand_r(&seed) % 9 - (k == 0 ? 30 : 0);
            spans[k].length = (uint32_t)rand_r(&seed) % 10;
            for (uint32_t i = 0; i < spans[k].length; i++)
                counts[n++] = rand_r(&seed) % 100;
        }
        int32_t from = rand_r(&seed) % 9, to = rand_r(&seed) % 13 - 4;
        const struct histogram h = {.schema = from, .positive = {4, n, spans, counts}};
        struct histogram *r = histogram_copy(&arena, histogram_reduce(&arena, &h, to));
        struct err err = ERR_INIT;
        assert_true(histogram_validate(r, &err));
        assert_int_equal(r->schema, to < from ? to : from);
        for (int32_t i = -70; i < 70; i++)
            assert_true(below(&h, histogram_bound(r, i)) == below(r, histogram_bound(r, i)));
        arena_release(&arena);
    }
}

/* Schemas that only senders have. */
static void the_finest_schemas_end_in_two_buckets(void **state)
{
    (void)state;
    const struct histogram_span spans[] = {{INT32_MIN, 1}, {INT32_MAX, 1}, {INT32_MAX, 1}};
    const double counts[] = {1, 2, 4};
    const struct histogram h = {.schema = 52, .positive = {3, 3, spans, counts}};
    struct arena arena = ARENA_INIT;
    const struct histogram *r = histogram_reduce(&arena, &h, -4);
    assert_int_equal(r->positive.n_buckets, 2);
    assert_int_equal(r->positive.spans[0].offset, 0);
    assert_true(r->positive.buckets[0] == 3 && r->positive.buckets[1] == 4);
    arena_release(&arena);
}

static void the_sum_has_the_buckets_of_both(void **state)
{
    (void)state;
    const struct histogram_span x_spans[] = {{-1, 2}, {2, 1}}, y_spans[] = {{0, 1}, {0, 0}, {1, 3}};
    const double x_counts[] = {1, 2, 4}, y_counts[] = {8, 16, 32, 64}; /* -1 0 3; 0 2 3 4 */
    struct histogram x = {
        .zero_count = 1, .count = 8, .sum = 0.5, .positive = {2, 3, x_spans, x_counts}};
    struct histogram y = {.zero_count = 2,
                          .count = 122,
                          .sum = 7,
                          .positive = {3, 4, y_spans, y_counts},
                          .negative = {1, 2, x_spans, x_counts}};
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    const struct histogram *sum = histogram_add(&arena, &x, &y);
    const struct histogram *back = histogram_add(&arena, &y, &x);
    const double expected[] = {1, 10, 16, 36, 64}; /* -1 0, 2 3 4 */
    assert_true(histogram_validate(sum, &err) && histogram_identical(sum, back));
    assert_int_equal(sum->positive.n_spans, 2);
    assert_int_equal(sum->positive.spans[1].offset, 1);
    assert_int_equal(sum->positive.n_buckets, 5);
    assert_memory_equal(sum->positive.buckets, expected, sizeof expected);
    assert_int_equal(sum->negative.n_buckets, 2);
    assert_true(sum->count == 130 && sum->sum == 7.5 && sum->zero_count == 3);

    y.zero_threshold = 0.5; /* bucket -1 ends there */
    sum = histogram_add(&arena, &x, &y);
    assert_true(sum->zero_threshold == 0.5 && sum->zero_count == 3 + 1 + 1);
    assert_int_equal(sum->positive.n_buckets, 4);
    assert_int_equal(sum->negative.n_buckets, 1);

    y.zero_threshold = 0;
    y.schema = 1; /* its 0 2 3 4 are 0 1 2 2 of schema 0 */
    sum = histogram_add(&arena, &y, &x);
    const double reduced[] = {1, 10, 16, 96, 4};
    assert_int_equal(sum->schema, 0);
    assert_memory_equal(sum->positive.buckets, reduced, sizeof reduced);
    arena_release(&arena);
}

static void other_bounds_do_not_add(void **state)
{
    (void)state;
    const double bounds[] = {1, 2}, others[] = {1, 3}, counts[] = {1, 2};
    const struct histogram_span span[] = {{1, 2}};
    struct histogram x = {.schema = HISTOGRAM_SCHEMA_CUSTOM,
                          .count = 3,
                          .positive = {1, 2, span, counts},
                          .n_custom = 2,
                          .custom = bounds};
    struct histogram y = x, plain = {0};
    struct arena arena = ARENA_INIT;
    const struct histogram *sum = histogram_add(&arena, &x, &y);
    assert_true(sum->positive.n_spans == 1 && sum->positive.buckets[1] == 4 && sum->n_custom == 2);
    y.custom = others;
    assert_null(histogram_add(&arena, &x, &y));
    assert_null(histogram_add(&arena, &x, &plain));
    assert_null(histogram_add(&arena, &plain, &x));
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(neighbours_become_one),
        cmocka_unit_test(counts_below_common_bounds_stay),
        cmocka_unit_test(the_sum_has_the_buckets_of_both),
        cmocka_unit_test(other_bounds_do_not_add),
        cmocka_unit_test(the_finest_schemas_end_in_two_buckets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
