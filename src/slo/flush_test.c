/* The sums as the store sees them: asking back while they are handed out must be possible. */
#include "slo/slo.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct slo_spec spec = {.name = "shop-availability",
                                     .display_name = "",
                                     .description = "",
                                     .service = "shop",
                                     .sli = {.kind = SLI_RATIO,
                                             .total_query = "requests_total",
                                             .bad_query = "requests_total{code=\"500\"}"},
                                     .target = 0.99,
                                     .window_ms = 3600000};

struct taken {
    struct slo_engine *engine;
    size_t n;
    double total;
};

/* What the store does with a series that is new to it. */
static void take(void *arg, struct labels labels, int64_t t_ms, double v)
{
    struct taken *t = arg;
    (void)t_ms;
    (void)slo_engine_bind(t->engine, labels);
    t->n++;
    if (str_is(labels_get(labels, LABEL_NAME), "cqed_sli_total"))
        t->total = v;
}

static void sums_can_be_bound_while_they_are_handed_out(void **state)
{
    struct slo_setup setup = {&spec, "version"};
    struct err err = ERR_INIT;
    struct label v[] = {{STR(LABEL_NAME), STR("requests_total")}, {STR("version"), STR("v1")}};
    (void)state;
    struct slo_engine *e = slo_engine_new(&setup, 1, &err);
    assert_non_null(e);
    uint32_t token = slo_engine_bind(e, (struct labels){2, v});
    assert_int_not_equal(token, 0);
    slo_engine_feed(e, token, 1000, 7, 7, false);
    struct taken taken = {.engine = e};
    slo_engine_flush(e, 2000, take, &taken);
    assert_int_equal(taken.n, 4); /* good and total, each with the 0 that it began at */
    assert_float_equal(taken.total, 7, 0);
    slo_engine_flush(e, 2500, take, &taken);
    assert_int_equal(taken.n, 4); /* nothing changed */
    slo_engine_free(e);
}

static const struct slo_spec latency = {.name = "shop-latency",
                                        .display_name = "",
                                        .description = "",
                                        .service = "shop",
                                        .sli = {.kind = SLI_RATIO,
                                                .total_query = "took_count",
                                                .good_query = "took_bucket{le=\"0.5\"}"},
                                        .target = 0.99,
                                        .window_ms = 3600000};

static uint32_t bind_bucket(struct slo_engine *e, const char *le)
{
    struct label v[] = {{STR(LABEL_NAME), STR("took_bucket")},
                        {STR("le"), str_from(le)},
                        {STR("version"), STR("v1")}};
    return slo_engine_bind(e, (struct labels){3, v});
}

static void a_histogram_with_too_many_buckets_is_none(void **state)
{
    struct slo_setup setup = {&latency, "version"};
    struct err err = ERR_INIT;
    struct arena arena = ARENA_INIT;
    struct slo_arm *arms;
    size_t n;
    (void)state;
    struct slo_engine *e = slo_engine_new(&setup, 1, &err);
    assert_non_null(e);
    for (int i = 1; i <= 65; i++)
        assert_true((bind_bucket(e, arena_printf(&arena, "%d", i)) != 0) == (i < 65));
    assert_true(slo_engine_arms(e, &arena, "shop-latency", &arms, &n));
    assert_int_equal(arms[0].n_edges, 0);
    arena_release(&arena);
    slo_engine_free(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_can_be_bound_while_they_are_handed_out),
        cmocka_unit_test(a_histogram_with_too_many_buckets_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
