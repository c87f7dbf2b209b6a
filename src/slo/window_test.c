#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "slo/slo.h"

#define N_SAMPLES 40000
#define STEP_MS 1000

/* One arm's good and total: a sample each second from `born_ms` on, 2 events a second of which one
 * in ten is bad; counts what is read. */
struct fake_source {
    int64_t born_ms;
    double born_with; /* what the counters say at birth */
    size_t read;
};

static double total_at(const struct fake_source *f, int64_t t_ms)
{
    return f->born_with + 2 * (double)((t_ms - f->born_ms) / STEP_MS);
}

static bool select_some(struct fake_source *f, struct arena *arena, const struct matcher *m,
                        int64_t mint_ms, int64_t maxt_ms, size_t max, struct promql_series **out,
                        size_t *n)
{
    bool good = str_is(m[0].value, "cqed_sli_good_total");
    struct sample *samples = ARENA_ARRAY(arena, struct sample, N_SAMPLES);
    struct label *l = ARENA_ARRAY(arena, struct label, 1);
    struct promql_series *series = ARENA_NEW(arena, struct promql_series);
    l[0] = (struct label){STR(LABEL_NAME), m[0].value};
    *series = (struct promql_series){.labels = {1, l}, .samples = samples};
    int64_t t =
        mint_ms < f->born_ms ? f->born_ms : mint_ms + (STEP_MS - mint_ms % STEP_MS) % STEP_MS;
    for (; t <= maxt_ms && series->n < max; t += STEP_MS)
        samples[series->n++] = (struct sample){t, (good ? 0.9 : 1) * total_at(f, t)};
    f->read += series->n;
    *out = series;
    *n = series->n ? 1 : 0;
    return true;
}

static bool select_range(void *self, struct arena *arena, const struct matcher *m,
                         size_t n_matchers, int64_t mint_ms, int64_t maxt_ms,
                         struct promql_series **out, size_t *n, struct err *err)
{
    (void)n_matchers;
    (void)err;
    return select_some(self, arena, m, mint_ms, maxt_ms, N_SAMPLES, out, n);
}

static bool select_first(void *self, struct arena *arena, const struct matcher *m,
                         size_t n_matchers, int64_t mint_ms, int64_t maxt_ms,
                         struct promql_series **out, size_t *n, struct err *err)
{
    (void)n_matchers;
    (void)err;
    return select_some(self, arena, m, mint_ms, maxt_ms, 1, out, n);
}

static const struct slo_spec spec = {
    .name = "s", .service = "shop", .target = 0.8, .window_ms = INT64_C(28) * 86400000};

static struct slo_window window(struct fake_source *f, int64_t from_ms, int64_t to_ms)
{
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    struct slo_window w;
    struct promql_source source = {f, select_range, select_first, NULL};
    assert_true(slo_window(&source, &arena, &spec, NULL, from_ms, to_ms, &w, &err));
    arena_release(&arena);
    return w;
}

static void a_window_is_a_subtraction(void **state)
{
    (void)state;
    struct fake_source f = {1000000, 500, 0};
    struct slo_window w = window(&f, 2000000, 2300000);
    assert_true(fabs(w.total - 600) < 1e-9 && fabs(w.good - 540) < 1e-9 && fabs(w.bad - 60) < 1e-9);
    assert_false(w.partial);
    assert_int_equal(w.newest_ms, 2300000);
    assert_true(f.read < 300); /* the ends, not the 300 s between them */
}

static void a_window_before_the_series_begins_where_they_do(void **state)
{
    (void)state;
    struct fake_source f = {1000000, 500, 0};
    struct slo_window w = window(&f, -5000000, 1100000);
    assert_true(fabs(w.total - 200) < 1e-9);
    assert_true(w.partial);
    assert_int_equal(w.from_ms, 1000000);
}

static void nothing_is_no_event(void **state)
{
    (void)state;
    struct fake_source f = {1000000, 0, 0};
    struct slo_window w = window(&f, 0, 900000);
    assert_true(w.total == 0 && w.bad == 0 && w.newest_ms == 0);
}

static void the_budget_and_its_burn(void **state)
{
    (void)state;
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    struct fake_source f = {1000000, 0, 0};
    struct slo_status s;
    struct promql_source source = {&f, select_range, NULL, NULL};
    assert_true(slo_status(&source, &arena, &spec, 8200000, &s, &err));
    assert_true(fabs(s.ratio - 0.9) < 1e-9);
    assert_true(fabs(s.budget_remaining - 0.5) < 1e-9); /* 10% bad of 20% allowed */
    assert_true(fabs(s.burn_5m - 0.5) < 1e-9 && fabs(s.burn_6h - 0.5) < 1e-9);
    assert_true(s.window.partial);
    assert_true(slo_status(&source, &arena, &spec, 900000, &s, &err));
    assert_true(isnan(s.ratio) && isnan(s.burn_1h) && isnan(s.budget_remaining));
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_window_is_a_subtraction),
        cmocka_unit_test(a_window_before_the_series_begins_where_they_do),
        cmocka_unit_test(nothing_is_no_event),
        cmocka_unit_test(the_budget_and_its_burn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
