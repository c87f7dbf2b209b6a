#include "slo/slo.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static const struct slo_spec errors = {.name = "shop-errors",
                                       .display_name = "",
                                       .description = "",
                                       .service = "shop",
                                       .sli = {.kind = SLI_RATIO,
                                               .total_query = "requests_total",
                                               .bad_query = "requests_total{code=~\"5..\"}"},
                                       .target = 0.99,
                                       .window_ms = 3600000};
static const struct slo_spec slow = {.name = "shop-latency",
                                     .display_name = "",
                                     .description = "",
                                     .service = "shop",
                                     .sli = {.kind = SLI_RATIO,
                                             .total_query = "seconds_count",
                                             .good_query = "seconds_bucket{le=\"0.25\"}"},
                                     .target = 0.99,
                                     .window_ms = 3600000};
static const struct slo_spec gauge = {.name = "shop-queue",
                                      .display_name = "",
                                      .description = "",
                                      .service = "shop",
                                      .sli = {.kind = SLI_THRESHOLD,
                                              .threshold_query = "queue_length",
                                              .threshold_op = THRESHOLD_LTE,
                                              .threshold = 10},
                                      .target = 0.99,
                                      .window_ms = 3600000};

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

static struct slo_engine *engine_of(const struct slo_spec *spec)
{
    struct err err = ERR_INIT;
    struct slo_setup setup = {spec, "version"};
    struct slo_engine *e = slo_engine_new(&setup, 1, &err);
    if (!e)
        fail_msg("%s", err.message);
    return e;
}

/* name, value, name, value, ..., NULL */
static uint32_t bind(struct slo_engine *e, const char *metric, ...)
{
    struct labels_builder b;
    va_list args;
    labels_builder_init(&b, &arena);
    labels_builder_set(&b, STR(LABEL_NAME), str_from(metric));
    va_start(args, metric);
    for (const char *name; (name = va_arg(args, const char *));)
        labels_builder_set(&b, str_from(name), str_from(va_arg(args, const char *)));
    va_end(args);
    return slo_engine_bind(e, labels_build(&b));
}

static void feed(struct slo_engine *e, uint32_t token, int64_t t_ms, double increase)
{
    slo_engine_feed(e, token, t_ms, 1, increase, false);
}

static struct slo_arm arm(struct slo_engine *e, const char *slo, const char *version)
{
    struct slo_arm *arms;
    size_t n;
    assert_true(slo_engine_arms(e, &arena, slo, &arms, &n));
    for (size_t i = 0; i < n; i++) {
        if (str_is(arms[i].version, version))
            return arms[i];
    }
    fail_msg("%s has no arm '%s'", slo, version);
    return arms[0];
}

/* A series of errors feeds both sums; each version has its own, and no version is one, too. */
static void increases_add_up_by_version(void **state)
{
    (void)state;
    struct slo_engine *e = engine_of(&errors);
    uint32_t fine = bind(e, "requests_total", "code", "200", "version", "v1", NULL);
    uint32_t bad = bind(e, "requests_total", "code", "503", "version", "v1", NULL);
    uint32_t canary = bind(e, "requests_total", "code", "500", "version", "v2", NULL);
    uint32_t none = bind(e, "requests_total", "code", "200", NULL);
    assert_int_equal(bind(e, "other_total", "version", "v1", NULL), 0);
    for (int i = 1; i <= 1000; i++)
        feed(e, fine, i, 0.1);
    feed(e, bad, 1500, 3);
    feed(e, canary, 1600, 0);
    feed(e, none, 1700, 9007199254740993.0);
    struct slo_arm a = arm(e, "shop-errors", "v1");
    assert_true(fabs(a.total - 103) < 1e-9 && a.bad == 3.0 && fabs(a.good - 100) < 1e-9);
    assert_int_equal(a.newest_ms, 1500);
    a = arm(e, "shop-errors", "v2");
    assert_true(a.total == 0.0 && a.newest_ms == 1600);
    assert_true(arm(e, "shop-errors", "").total == 9007199254740992.0);
    slo_engine_free(e);
}

/* What is no increase is counted apart and never added. */
static void impossible_increases_are_counted(void **state)
{
    (void)state;
    struct slo_engine *e = engine_of(&errors);
    uint32_t token = bind(e, "requests_total", "code", "200", NULL);
    feed(e, token, 1, 5);
    feed(e, token, 2, -1);
    feed(e, token, 3, (double)INFINITY);
    feed(e, token, 4, (double)NAN); /* the first sample of a series: it is fresh, nothing more */
    struct slo_arm a = arm(e, "shop-errors", "");
    assert_true(a.total == 5.0);
    assert_int_equal(a.impossible, 2);
    assert_int_equal(a.newest_ms, 4);
    slo_engine_free(e);
}

static void buckets_stand_in_order(void **state)
{
    double edge;
    (void)state;
    struct slo_engine *e = engine_of(&slow);
    static const char *const les[] = {"+Inf", "0.25", "0.1", "1", "0.50", "0.5"};
    for (size_t i = 0; i < 6; i++) {
        uint32_t token = bind(e, "seconds_bucket", "le", les[i], NULL);
        assert_int_not_equal(token, 0);
        feed(e, token, 10, (double)(i + 1));
    }
    assert_true(slo_engine_latency_edge(e, "shop-latency", &edge) && edge == 0.25);
    struct slo_arm a = arm(e, "shop-latency", "");
    assert_int_equal(a.n_edges, 5);
    assert_true(a.edges[0] == 0.1 && a.edges[1] == 0.25 && a.edges[2] == 0.5 && a.edges[3] == 1.0);
    assert_true(isinf(a.edges[4]));
    assert_true(a.cumulative[0] == 3.0 && a.cumulative[1] == 2.0 && a.cumulative[2] == 11.0);
    assert_true(a.good == 2.0);
    slo_engine_free(e);
}

/* Outside data: a target may expose any le. */
static void an_edge_that_is_no_number_is_no_bucket(void **state)
{
    static const char *const les[] = {"NaN", "nan", "", "x", "1e"};
    (void)state;
    struct slo_engine *e = engine_of(&slow);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(bind(e, "seconds_bucket", "le", les[i], NULL), 0);
    slo_engine_free(e);
}

static void a_gauge_counts_its_samples(void **state)
{
    (void)state;
    struct slo_engine *e = engine_of(&gauge);
    uint32_t token = bind(e, "queue_length", NULL);
    slo_engine_feed(e, token, 1, 10, (double)NAN, false);
    slo_engine_feed(e, token, 2, 10.5, (double)NAN, false);
    slo_engine_feed(e, token, 3, (double)NAN, (double)NAN, false);
    struct slo_arm a = arm(e, "shop-queue", "");
    assert_true(a.total == 2.0 && a.good == 1.0);
    assert_int_equal(a.newest_ms, 2);
    slo_engine_free(e);
}

/* A reload keeps the sums of an SLI that stayed, and begins anew with one that changed. */
static void a_reload_keeps_what_is_the_same(void **state)
{
    struct slo_spec other = slow;
    (void)state;
    struct slo_engine *old = engine_of(&slow);
    feed(old, bind(old, "seconds_bucket", "le", "0.25", "version", "v1", NULL), 5, 7);
    feed(old, bind(old, "seconds_count", "version", "v1", NULL), 5, 9);
    feed(old, bind(old, "seconds_count", "version", "v0", NULL), 5, 1);

    other.target = 0.5; /* not a part of the SLI */
    struct slo_engine *same = engine_of(&other);
    slo_engine_adopt(same, old);
    other.sli.good_query = "seconds_bucket{le=\"0.5\"}";
    struct slo_engine *changed = engine_of(&other);
    slo_engine_adopt(changed, old);
    slo_engine_free(old);

    struct slo_arm a = arm(same, "shop-latency", "v1");
    assert_true(a.good == 7.0 && a.total == 9.0 && a.n_edges == 1 && a.cumulative[0] == 7.0);
    assert_true(arm(same, "shop-latency", "v0").total == 1.0);
    feed(same, bind(same, "seconds_count", "version", "v1", NULL), 6, 1);
    assert_true(arm(same, "shop-latency", "v1").total == 10.0);
    struct slo_arm *arms;
    size_t n;
    assert_true(slo_engine_arms(changed, &arena, "shop-latency", &arms, &n));
    assert_int_equal(n, 0);
    slo_engine_free(same);
    slo_engine_free(changed);
}

/* After a restart our own series say where the sums stood; a target's of the same name do not. */
static void own_series_restore_the_sums(void **state)
{
    (void)state;
    struct slo_engine *e = engine_of(&errors);
    uint32_t total =
        bind(e, "cqed_sli_total", "slo", "shop-errors", "service", "shop", "version", "v1", NULL);
    uint32_t good = bind(e, "cqed_sli_good_total", "slo", "shop-errors", "service", "shop",
                         "version", "v1", NULL);
    assert_int_equal(bind(e, "cqed_sli_total", "slo", "shop-errors", "version", "v1", "job", "shop",
                          "instance", "a:1", NULL),
                     0);
    slo_engine_feed(e, total, 100, 50, (double)NAN, true);
    slo_engine_feed(e, good, 100, 48, (double)NAN, true);
    slo_engine_feed(e, total, 200, 1000, 950, false); /* our own flush coming round */
    uint32_t token = bind(e, "requests_total", "code", "500", "version", "v1", NULL);
    feed(e, token, 300, 1);
    struct slo_arm a = arm(e, "shop-errors", "v1");
    assert_true(a.total == 51.0 && a.bad == 3.0 && a.good == 48.0);
    slo_engine_free(e);
}

/* Pods come and go: tokens and sources are used again, and what was counted stays counted. */
static void what_has_left_takes_no_room(void **state)
{
    (void)state;
    struct slo_engine *e = engine_of(&slow);
    uint32_t highest = 0;
    for (int round = 0; round < 2000; round++) {
        char pod[16];
        (void)snprintf(pod, sizeof pod, "pod-%d", round);
        uint32_t count = bind(e, "seconds_count", "job", "shop", "instance", pod, NULL);
        uint32_t good =
            bind(e, "seconds_bucket", "le", "0.25", "job", "shop", "instance", pod, NULL);
        uint32_t native = bind(e, "seconds", "job", "shop", "instance", pod, NULL);
        assert_true(count > 0 && good > 0 && native > 0);
        feed(e, count, round + 1, 2);
        feed(e, good, round + 1, 1);
        struct slo_arm a = arm(e, "shop-latency", "");
        assert_int_equal(a.n_sources, 1);
        assert_true(str_is(a.sources[0].instance, pod));
        highest = count > highest ? count : highest;
        highest = native > highest ? native : highest;
        slo_engine_unbind(e, good);
        assert_int_equal(arm(e, "shop-latency", "").n_sources, 1);
        slo_engine_unbind(e, native);
        slo_engine_unbind(e, count);
        assert_int_equal(arm(e, "shop-latency", "").n_sources, 0);
        arena_clear(&arena);
    }
    struct slo_arm a = arm(e, "shop-latency", "");
    assert_true(a.total == 4000 && a.good == 2000);
    assert_int_equal(highest, 3);
    slo_engine_free(e);
}

static void an_unknown_slo_is_told(void **state)
{
    struct slo_arm *arms;
    size_t n;
    double edge;
    (void)state;
    struct slo_engine *e = engine_of(&errors);
    assert_false(slo_engine_arms(e, &arena, "nothing", &arms, &n));
    assert_false(slo_engine_latency_edge(e, "shop-errors", &edge));
    slo_engine_free(e);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(increases_add_up_by_version), TEST(impossible_increases_are_counted),
        TEST(buckets_stand_in_order),      TEST(an_edge_that_is_no_number_is_no_bucket),
        TEST(a_gauge_counts_its_samples),  TEST(a_reload_keeps_what_is_the_same),
        TEST(own_series_restore_the_sums), TEST(what_has_left_takes_no_room),
        TEST(an_unknown_slo_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
