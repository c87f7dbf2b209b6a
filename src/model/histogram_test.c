#include "model/histogram.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct histogram_span two_spans[] = {{-2, 2}, {1, 1}};
static const double three[] = {1, 2, 3};
static const double bounds[] = {0.1, 0.5};

static struct histogram exponential(void)
{
    return (struct histogram){.schema = 3,
                              .zero_threshold = 1e-128,
                              .zero_count = 1,
                              .count = 7,
                              .sum = 12.5,
                              .positive = {2, 3, two_spans, three}};
}

static struct histogram custom(void)
{
    static const struct histogram_span span[] = {{0, 3}};
    return (struct histogram){.schema = HISTOGRAM_SCHEMA_CUSTOM,
                              .count = 6,
                              .sum = 2,
                              .positive = {1, 3, span, three},
                              .n_custom = 2,
                              .custom = bounds};
}

static void refused(struct histogram h, const char *why)
{
    struct err err = ERR_INIT;
    assert_false(histogram_validate(&h, &err));
    assert_int_equal(err.code, ERR_BAD_INPUT);
    if (!strstr(err.message, why))
        fail_msg("\"%s\" does not say \"%s\"", err.message, why);
}

static void sound_ones_pass(void **state)
{
    (void)state;
    struct histogram e = exponential(), c = custom(), empty = {0};
    assert_true(histogram_validate(&e, NULL));
    assert_true(histogram_validate(&c, NULL));
    assert_true(histogram_validate(&empty, NULL));
}

static void unsound_ones_say_what(void **state)
{
    (void)state;
    static const struct histogram_span back[] = {{0, 2}, {-1, 1}}, far[] = {{INT32_MAX, 3}};
    static const double falling[] = {0.5, 0.1}, negative[] = {1, -2, 3};
    struct histogram h = exponential();
    h.schema = 9;
    refused(h, "schema 9");
    h = exponential();
    h.count = NAN;
    refused(h, "count is nan");
    h = exponential();
    h.positive.buckets = negative;
    refused(h, "a bucket is -2");
    h = exponential();
    h.positive.n_buckets = 2;
    refused(h, "the positive spans hold 3 buckets, 2 are there");
    h = exponential();
    h.positive.spans = back;
    refused(h, "positive span 1 has the offset -1");
    h = exponential();
    h.positive = (struct histogram_side){1, 3, far, three};
    refused(h, "ends at bucket");
    h = exponential();
    h.zero_threshold = -1;
    refused(h, "zero threshold -1");
    h = custom();
    h.custom = falling;
    refused(h, "custom bound 1 is 0.1");
    h = custom();
    h.n_custom = 1;
    refused(h, "3 custom buckets, the bounds give 2");
    h = custom();
    h.zero_count = 1;
    refused(h, "zero bucket");
}

static void a_copy_is_identical_and_its_own(void **state)
{
    (void)state;
    struct arena arena = ARENA_INIT;
    struct histogram e = exponential(), c = custom();
    struct histogram *e2 = histogram_copy(&arena, &e), *c2 = histogram_copy(&arena, &c);
    assert_true(histogram_identical(&e, e2));
    assert_true(histogram_identical(&c, c2));
    assert_ptr_not_equal(e2->positive.buckets, e.positive.buckets);
    assert_false(histogram_identical(&e, &c));
    e2->hint = HISTOGRAM_HINT_RESET;
    assert_false(histogram_identical(&e, e2));
    arena_release(&arena);
}

static void bounds_are_powers(void **state)
{
    (void)state;
    struct histogram h = {.schema = 0}, c = custom();
    assert_true(histogram_bound(&h, 0) == 1 && histogram_bound(&h, -3) == 0.125);
    h.schema = 2;
    assert_true(histogram_bound(&h, 4) == 2 && histogram_bound(&h, -4) == 0.5);
    assert_true(histogram_bound(&h, 2) == M_SQRT2 && histogram_bound(&h, -2) == M_SQRT1_2);
    h.schema = -4;
    assert_true(histogram_bound(&h, 1) == 65536 && isinf(histogram_bound(&h, INT32_MAX)));
    assert_true(histogram_bound(&h, INT32_MIN) == 0);
    assert_true(histogram_bound(&c, 1) == 0.5 && isinf(histogram_bound(&c, 2)));
    assert_true(histogram_bound(&c, -1) < -DBL_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sound_ones_pass),
        cmocka_unit_test(unsound_ones_say_what),
        cmocka_unit_test(a_copy_is_identical_and_its_own),
        cmocka_unit_test(bounds_are_powers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
