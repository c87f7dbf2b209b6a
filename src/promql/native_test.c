#include "promql/native.h"

#include "promql/promql.h"

#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct arena arena;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_release(&arena);
    return 0;
}

/* --- Histograms of chance --- */

static uint64_t seed = 88172645463325252u;

static uint32_t chance(uint32_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed % n);
}

static struct histogram_side make_side(uint32_t most)
{
    uint32_t n = chance(most + 1), spans = 0;
    struct histogram_span *span = ARENA_ARRAY(&arena, struct histogram_span, n + 1);
    double *v = ARENA_ARRAY(&arena, double, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        if (i == 0 || chance(3) == 0)
            span[spans++].offset = i == 0 ? (int32_t)chance(21) - 10 : 1 + (int32_t)chance(4);
        span[spans - 1].length++;
        v[i] = chance(8);
    }
    return (struct histogram_side){spans, n, span, v};
}

static struct histogram make_histogram(void)
{
    static const double widths[] = {0, 0.001, 0.25, 1, 1.3};
    struct histogram h = {.schema = (int32_t)chance(6) - 2,
                          .zero_threshold = widths[chance(5)],
                          .zero_count = chance(4),
                          .sum = chance(100)};
    h.positive = make_side(10);
    h.negative = make_side(4);
    h.count = h.zero_count;
    for (uint32_t i = 0; i < h.positive.n_buckets; i++)
        h.count += h.positive.buckets[i];
    for (uint32_t i = 0; i < h.negative.n_buckets; i++)
        h.count += h.negative.buckets[i];
    return h;
}

static double counted(const struct histogram *h)
{
    size_t n;
    double sum = 0;
    const struct promql_bucket *b = promql_buckets(&arena, h, &n);
    for (size_t i = 0; i < n; i++)
        sum += b[i].count;
    return sum;
}

static struct histogram *added(const struct histogram *a, const struct histogram *b, double sign)
{
    struct meeting met = {0};
    struct native n = native_copy(&arena, a);
    assert_true(native_add(&n, b, sign, &arena, &met));
    native_compact(&n);
    return native_value(&arena, &n);
}

/* --- Tests --- */

static void sums_lose_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < 3000; i++) {
        struct histogram a = make_histogram(), b = make_histogram();
        const struct histogram *ab = added(&a, &b, 1), *ba = added(&b, &a, 1);
        assert_true(ab->count == a.count + b.count && counted(ab) == ab->count);
        assert_true(ab->schema == (a.schema < b.schema ? a.schema : b.schema));
        assert_true(ab->zero_threshold >= a.zero_threshold);
        assert_true(ab->zero_threshold >= b.zero_threshold);
        assert_true(native_equal(ab, ba));
        const struct histogram *back = added(ab, &b, -1);
        assert_true(back->count == a.count && counted(back) == a.count);
        arena_clear(&arena);
    }
}

static void buckets_are_in_order(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        struct histogram h = make_histogram();
        size_t n;
        h.zero_threshold = 0;
        const struct promql_bucket *b = promql_buckets(&arena, &h, &n);
        for (size_t k = 0; k < n; k++) {
            assert_true(b[k].low <= b[k].high && b[k].count > 0);
            assert_true(k == 0 || b[k - 1].high <= b[k].low);
        }
        arena_clear(&arena);
    }
}

/* More of the same is no reset, less is one, whatever the buckets. (Where resolutions differ, too,
 * a zero bucket may cut a coarse one; Prometheus then takes that for a reset, and so do we.) */
static void resets(void **state)
{
    (void)state;
    for (int i = 0; i < 3000; i++) {
        struct histogram a = make_histogram(), b = make_histogram();
        b.schema = a.schema;
        const struct histogram *more = added(&a, &b, 1);
        assert_false(native_is_reset(&arena, more, &a));
        assert_int_equal(native_is_reset(&arena, &a, more),
                         b.count > 0 || a.zero_threshold < more->zero_threshold);
        assert_false(native_is_reset(&arena, &a, &a));
        arena_clear(&arena);
    }
    struct histogram h = {.schema = 0, .count = 3, .hint = HISTOGRAM_HINT_RESET};
    assert_true(native_is_reset(&arena, &h, &h));
    h.hint = HISTOGRAM_HINT_NOT_RESET;
    assert_false(native_is_reset(&arena, &(struct histogram){.hint = h.hint}, &h));
}

/* The part below the phi-quantile is phi. */
static void quantiles_and_fractions(void **state)
{
    (void)state;
    for (int i = 0; i < 3000; i++) {
        struct histogram h = make_histogram();
        double phi = (1 + chance(99)) / 100.0;
        enum nan_note note;
        bool nans;
        h.zero_threshold = 0;
        double q = native_quantile(&arena, &h, phi, &note);
        if (h.count == 0) {
            assert_true(isnan(q));
            continue;
        }
        double below = native_fraction(&arena, &h, -INFINITY, q, &nans);
        assert_true(q == 0 || fabs(below - phi) < 1e-9); /* the zero bucket has no width here */
        assert_true(native_fraction(&arena, &h, -INFINITY, INFINITY, &nans) == 1);
        arena_clear(&arena);
    }
}

/* What is below and what is above are all there is. */
static void trims(void **state)
{
    (void)state;
    for (int i = 0; i < 3000; i++) {
        struct histogram h = make_histogram();
        double limit = (chance(2001) - 1000.0) / 100;
        struct native below = native_trim(&arena, &h, limit, true);
        struct native above = native_trim(&arena, &h, limit, false);
        assert_true(fabs(below.count.sum + above.count.sum - h.count) < 1e-9);
        arena_clear(&arena);
    }
}

static void bounds_at_the_end_of_doubles(void **state)
{
    (void)state;
    struct native n = {.schema = 0};
    assert_true(native_bound(&n, 1023) == 0x1p1023 && native_bound(&n, 1024) == DBL_MAX);
    assert_true(isinf(native_bound(&n, 1025)));
    n.schema = -2;
    assert_true(native_bound(&n, 255) == 0x1p1020 && native_bound(&n, 256) == DBL_MAX);
    n.schema = 3;
    assert_true(native_bound(&n, 8) == 2 && native_bound(&n, -8) == 0.5);
}

/* Hostile indexes: every double is in another bucket. */
static void far_buckets(void **state)
{
    (void)state;
    struct histogram_span low = {INT32_MIN, 2}, high = {INT32_MAX - 3, 2};
    const double v[] = {1, 2};
    struct histogram a = {.schema = 8, .count = 3, .positive = {1, 2, &low, v}};
    struct histogram b = {.schema = -4, .count = 3, .positive = {1, 2, &high, v}};
    struct err err = ERR_INIT;
    assert_true(histogram_validate(&a, &err) && histogram_validate(&b, &err));
    const struct histogram *sum = added(&a, &b, 1);
    assert_true(sum->count == 6 && sum->schema == -4);
    (void)native_is_reset(&arena, &b, &a);
    (void)native_variance(&arena, sum);
}

static void text(void **state)
{
    (void)state;
    struct histogram_span span = {-1, 2};
    const double v[] = {1e6, 0.5};
    struct histogram h = {.schema = 0,
                          .count = 1000001.5,
                          .sum = -1e-5,
                          .zero_threshold = 0.001,
                          .zero_count = 1,
                          .positive = {1, 2, &span, v}};
    assert_string_equal(native_text(&arena, &h),
                        "{count:1.0000015e+06, sum:-1e-05, [-0.001,0.001]:1, (0.25,0.5]:1e+06, "
                        "(0.5,1]:0.5}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(sums_lose_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(buckets_are_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(resets, setup, teardown),
        cmocka_unit_test_setup_teardown(quantiles_and_fractions, setup, teardown),
        cmocka_unit_test_setup_teardown(trims, setup, teardown),
        cmocka_unit_test_setup_teardown(bounds_at_the_end_of_doubles, setup, teardown),
        cmocka_unit_test_setup_teardown(far_buckets, setup, teardown),
        cmocka_unit_test_setup_teardown(text, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
