#include "slo/native.h"

#include "slo/slo.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct histogram_span two[] = {{0, 2}}, three[] = {{0, 3}};
static const double counts[] = {4, 8, 16}, more[] = {5, 10, 16}, bounds[] = {0.5, 2};

static void close_to(double got, double expected)
{
    if (!(fabs(got - expected) < 1e-9))
        fail_msg("%g, not %g", got, expected);
}

static void counts_at_edges_are_exact_and_between_them_shares(void **state)
{
    (void)state;
    struct arena arena = ARENA_INIT;
    /* (0.5, 1]: 4, (1, 2]: 8, two in [0, 0.25], as many as that are NaN */
    struct histogram h = {
        .zero_threshold = 0.25, .zero_count = 2, .count = 16, .positive = {1, 2, two, counts}};
    const double edges[] = {-1, 0, 0.125, 0.25, 0.5, 0.75, 1, 1.5, 2, 4, INFINITY};
    const double expected[] = {0, 0, 1, 2, 2, 2 + 4 * log2(1.5), 6, 6 + 8 * log2(1.5), 14, 14, 16};
    double got[11];
    slo_native_at_most(&arena, &h, edges, 11, got);
    for (size_t i = 0; i < 11; i++)
        close_to(got[i], expected[i]);

    h.negative = h.positive; /* [-1, -0.5): 4, [-2, -1): 8; then zeros are on both sides */
    const double around[] = {-4, -2, -1.5, -1, -0.5, -0.25, 0, 0.25};
    const double below[] = {0, 0, 8 * (1 - log2(1.5)), 8, 12, 12, 13, 14};
    slo_native_at_most(&arena, &h, around, 8, got);
    for (size_t i = 0; i < 8; i++)
        close_to(got[i], below[i]);

    h = (struct histogram){.schema = HISTOGRAM_SCHEMA_CUSTOM, /* to 0.5: 4, to 2: 8, over: 16 */
                           .count = 28,
                           .positive = {1, 3, three, counts},
                           .n_custom = 2,
                           .custom = bounds};
    const double custom[] = {0, 0.25, 0.5, 1.25, 2, 100, INFINITY};
    const double linear[] = {0, 2, 4, 8, 12, 12, 28};
    slo_native_at_most(&arena, &h, custom, 7, got);
    for (size_t i = 0; i < 7; i++)
        close_to(got[i], linear[i]);
    arena_release(&arena);
}

static void increases_count_from_the_base_or_from_zero(void **state)
{
    (void)state;
    struct arena arena = ARENA_INIT;
    struct histogram base = {.count = 12, .positive = {1, 2, two, counts}};
    struct histogram h = {.count = 15, .positive = {1, 2, two, more}}, nothing = {0};
    struct histogram finer = {.schema = 1, .count = 31, .positive = {1, 3, three, more}};
    struct histogram custom = {.schema = HISTOGRAM_SCHEMA_CUSTOM};
    const double edges[] = {1, 2};
    double got[2], count;
    assert_true(slo_native_increase(&arena, &h, &base, edges, 2, got, &count));
    assert_true(got[0] == 1 && got[1] == 3 && count == 3);
    assert_true(slo_native_increase(&arena, &h, &nothing, edges, 2, got, &count));
    assert_true(got[0] == 5 && got[1] == 15 && count == 15);
    assert_true(slo_native_increase(&arena, &base, &h, edges, 2, got, &count)); /* it fell */
    assert_true(got[0] == 4 && got[1] == 12 && count == 12);
    h.hint = HISTOGRAM_HINT_RESET;
    assert_true(slo_native_increase(&arena, &h, &base, edges, 2, got, &count));
    assert_true(got[0] == 5 && got[1] == 15 && count == 15);
    /* 0 is (0.7, 1], 1 and 2 are (1, 2]: 5, 26 of schema 0 */
    assert_true(slo_native_increase(&arena, &finer, &base, edges, 2, got, &count));
    assert_true(got[0] == 1 && got[1] == 19 && count == 19);
    assert_true(slo_native_increase(&arena, &finer, &custom, edges, 2, got, &count)); /* empty */
    custom.count = 1;
    assert_false(slo_native_increase(&arena, &finer, &custom, edges, 2, got, &count));
    arena_release(&arena);
}

/* --- In the engine --- */

static const struct slo_spec slow = {.name = "shop-latency",
                                     .display_name = "",
                                     .description = "",
                                     .service = "shop",
                                     .sli = {.kind = SLI_RATIO,
                                             .total_query = "seconds_count{path=\"/\"}",
                                             .good_query = "seconds_bucket{path=\"/\",le=\"2\"}"},
                                     .target = 0.99,
                                     .window_ms = 3600000};

static uint32_t bind(struct slo_engine *e, const char *name, const char *path, const char *le)
{
    struct label l[3] = {{STR(LABEL_NAME), str_from(name)}};
    size_t n = 1;
    if (le)
        l[n++] = (struct label){STR("le"), str_from(le)};
    l[n++] = (struct label){STR("path"), str_from(path)};
    return slo_engine_bind(e, (struct labels){n, l});
}

static struct slo_engine *engine(void)
{
    struct err err = ERR_INIT;
    struct slo_setup setup = {&slow, "version"};
    struct slo_engine *e = slo_engine_new(&setup, 1, &err);
    assert_non_null(e);
    return e;
}

static struct slo_arm only_arm(struct slo_engine *e, struct arena *arena)
{
    struct slo_arm *arms;
    size_t n;
    assert_true(slo_engine_arms(e, arena, "shop-latency", &arms, &n));
    assert_int_equal(n, 1);
    return arms[0];
}

static const struct histogram before = {.count = 29, .positive = {1, 3, three, counts}};
static const struct histogram after = {.count = 32, .positive = {1, 3, three, more}};

static void a_latency_sli_counts_native_histograms(void **state)
{
    (void)state;
    struct arena arena = ARENA_INIT;
    struct slo_engine *e = engine();
    assert_int_equal(bind(e, "seconds", "/other", NULL), 0);
    assert_int_equal(bind(e, "seconds_sum", "/", NULL), 0);
    uint32_t token = bind(e, "seconds", "/", NULL);
    assert_int_not_equal(token, 0);
    slo_engine_feed_histogram(e, token, 5, &before, NULL, false); /* of unknown origin */
    assert_true(only_arm(e, &arena).total == 0 && only_arm(e, &arena).newest_ms == 5);
    slo_engine_feed_histogram(e, token, 10, &after, &before, false);
    slo_engine_feed(e, token, 20, NAN, NAN, false); /* the series ended */
    struct slo_arm arm = only_arm(e, &arena);
    assert_true(arm.good == 3 && arm.total == 3 && arm.bad == 0 && arm.impossible == 0);
    assert_int_equal(arm.newest_ms, 10);
    assert_int_equal(arm.n_edges, 46); /* the threshold is one of the powers of two */
    for (size_t i = 0; i < arm.n_edges; i++)
        assert_true(arm.cumulative[i] == (arm.edges[i] < 1 ? 0 : arm.edges[i] < 2 ? 1 : 3));
    assert_true(isinf(arm.edges[45]));

    struct histogram gauge = after;
    gauge.hint = HISTOGRAM_HINT_GAUGE;
    slo_engine_feed_histogram(e, token, 30, &gauge, &before, false);
    assert_true(only_arm(e, &arena).total == 3);
    arena_release(&arena);
    slo_engine_free(e);
}

/* What is exposed in both ways is counted once. */
static void classic_series_stand_for_native_ones(void **state)
{
    (void)state;
    struct arena arena = ARENA_INIT;
    struct slo_engine *e = engine();
    uint32_t native = bind(e, "seconds", "/", NULL);
    uint32_t count = bind(e, "seconds_count", "/", NULL);
    uint32_t bucket = bind(e, "seconds_bucket", "/", "2");
    slo_engine_feed(e, count, 1000, 50, 10, false);
    slo_engine_feed(e, bucket, 1000, 50, 9, false);
    slo_engine_feed_histogram(e, native, 1000, &after, &before, false);
    struct slo_arm arm = only_arm(e, &arena);
    assert_true(arm.good == 9 && arm.total == 10);
    assert_int_equal(arm.n_edges, 0);
    slo_engine_feed_histogram(e, native, 301001, &after, &before, false);
    arm = only_arm(e, &arena);
    assert_true(arm.good == 12 && arm.total == 13);
    arena_release(&arena);
    slo_engine_free(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_at_edges_are_exact_and_between_them_shares),
        cmocka_unit_test(increases_count_from_the_base_or_from_zero),
        cmocka_unit_test(a_latency_sli_counts_native_histograms),
        cmocka_unit_test(classic_series_stand_for_native_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
