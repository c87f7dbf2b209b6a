#include "base/clock.h"
#include "promql/promql.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define N_SERIES 20
#define N_SAMPLES 100

/* 20 series of 100 samples, one a second from 1 s on, in no order; and what was asked of it. */
struct fixture {
    struct arena arena;
    struct promql_series series[N_SERIES];
    struct promql_source source;
    int64_t mint_ms, maxt_ms;
    int selects;
    bool fails;
};

static bool select_all(void *self, struct arena *arena, const struct matcher *m, size_t n_matchers,
                       int64_t mint_ms, int64_t maxt_ms, struct promql_series **out, size_t *n,
                       struct err *err)
{
    struct fixture *f = self;
    f->mint_ms = mint_ms;
    f->maxt_ms = maxt_ms;
    f->selects++;
    *out = ARENA_ARRAY(arena, struct promql_series, N_SERIES);
    *n = 0;
    for (size_t i = 0; i < N_SERIES; i++) {
        if (matchers_match(m, n_matchers, f->series[i].labels))
            (*out)[(*n)++] = f->series[i];
    }
    return !f->fails || err_set(err, ERR_UNREACHABLE, "the store is away");
}

static int setup(void **state)
{
    static struct fixture f;
    f = (struct fixture){.source = {.self = &f, .select = select_all}};
    for (size_t i = 0; i < N_SERIES; i++) {
        struct labels_builder b;
        struct sample *samples = ARENA_ARRAY(&f.arena, struct sample, N_SAMPLES);
        labels_builder_init(&b, &f.arena);
        labels_builder_set(&b, STR(LABEL_NAME), STR("x_total"));
        labels_builder_set(&b, STR("i"),
                           str_from(arena_printf(&f.arena, "%02zu", (i * 7) % N_SERIES)));
        for (size_t k = 0; k < N_SAMPLES; k++)
            samples[k] = (struct sample){(int64_t)(k + 1) * 1000, (double)k};
        f.series[i] =
            (struct promql_series){.labels = labels_build(&b), .n = N_SAMPLES, .samples = samples};
    }
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    arena_release(&f->arena);
    return 0;
}

static bool ask(struct fixture *f, const char *text, const struct promql_options *options,
                struct promql_result *out, struct err *err)
{
    const struct promql_expr *e = promql_parse(&f->arena, str_from(text), err);
    assert_non_null(e);
    return promql_range(e, &f->source, options, 10000, 100000, 1000, &f->arena, out, err);
}

static void results_are_sorted(void **state)
{
    struct fixture *f = *state;
    struct promql_result r;
    struct err err = ERR_INIT;
    assert_true(ask(f, "x_total", NULL, &r, &err));
    assert_int_equal(r.type, PROMQL_MATRIX);
    assert_int_equal(r.n_series, N_SERIES);
    for (size_t i = 0; i < r.n_series; i++) {
        assert_int_equal(r.series[i].n, 91);
        assert_int_equal(r.series[i].samples[0].t_ms, 10000);
        assert_true(i == 0 || labels_cmp(r.series[i - 1].labels, r.series[i].labels) < 0);
    }
}

static void the_source_is_asked_for_what_is_needed(void **state)
{
    struct fixture *f = *state;
    struct promql_result r;
    struct err err = ERR_INIT;
    assert_true(ask(f, "x_total", NULL, &r, &err));
    assert_int_equal(f->mint_ms, 10000 - 300000 + 1);
    assert_int_equal(f->maxt_ms, 100000);
    assert_true(ask(f, "rate(x_total[20s] offset 5s)", NULL, &r, &err));
    assert_int_equal(f->mint_ms, 10000 - 5000 - 20000 + 1);
    assert_int_equal(f->maxt_ms, 95000);
    struct promql_options options = {.lookback_ms = 3000};
    assert_true(ask(f, "x_total @ 50", &options, &r, &err));
    assert_int_equal(f->mint_ms, 47001);
    assert_int_equal(f->maxt_ms, 50000);
}

static void samples_are_bounded(void **state)
{
    struct fixture *f = *state;
    struct promql_options options = {.max_samples = N_SERIES * N_SAMPLES - 1};
    struct promql_result r;
    struct err err = ERR_INIT;
    assert_false(ask(f, "sum(x_total)", &options, &r, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    options.max_samples = N_SERIES * N_SAMPLES + 1000;
    assert_true(ask(f, "sum(x_total)", &options, &r, &err));
    assert_false(ask(f, "max_over_time(vector(1)[1y:1ms])", &options, &r, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    options.max_samples = 0;
    assert_false(ask(f, "max_over_time(vector(1)[1y:1ms])", &options, &r, &err));
    assert_int_equal(err.code, ERR_LIMIT);
}

static void time_is_bounded(void **state)
{
    struct fixture *f = *state;
    struct promql_options options = {.deadline_mono_ns = clock_mono_ns() + 50000000};
    struct promql_result r;
    struct err err = ERR_INIT;
    assert_false(ask(f,
                     "sum(sum_over_time(x_total[100s])) + "
                     "max_over_time(sum(quantile_over_time(0.5, x_total[100s]))[1d:100ms])",
                     &options, &r, &err));
    assert_int_equal(err.code, ERR_TIMEOUT);
    assert_true(clock_mono_ns() < options.deadline_mono_ns + INT64_C(10000000000));
}

/* Values without order, NaN among them: the sliding extremes against a look at every window. */
static void extremes_slide(void **state)
{
    struct fixture *f = *state;
    struct sample v[N_SAMPLES];
    struct promql_result high, low;
    struct err err = ERR_INIT;
    for (size_t k = 0; k < N_SAMPLES; k++)
        v[k] = (struct sample){(int64_t)(k + 1) * 1000,
                               k % 7 == 3 ? (double)NAN : (double)((k * k * 31 + k) % 17)};
    f->series[0].samples = v;
    const char *matcher = arena_cstr(&f->arena, labels_get(f->series[0].labels, "i"));
    for (int seconds = 1; seconds < 20; seconds++) {
        assert_true(
            ask(f, arena_printf(&f->arena, "max_over_time(x_total{i='%s'}[%ds])", matcher, seconds),
                NULL, &high, &err));
        assert_true(
            ask(f, arena_printf(&f->arena, "min_over_time(x_total{i='%s'}[%ds])", matcher, seconds),
                NULL, &low, &err));
        for (int step = 0; step <= 90; step++) {
            double top = (double)NAN, bottom = (double)NAN;
            for (int k = 10 + step - seconds; k < 10 + step; k++) {
                top = k < 0 ? top : fmax(top, v[k].v);
                bottom = k < 0 ? bottom : fmin(bottom, v[k].v);
            }
            double got_top = high.series[0].samples[step].v,
                   got_bottom = low.series[0].samples[step].v;
            assert_true(got_top == top || (isnan(got_top) && isnan(top)));
            assert_true(got_bottom == bottom || (isnan(got_bottom) && isnan(bottom)));
        }
    }
}

static void points_are_bounded(void **state)
{
    struct fixture *f = *state;
    struct promql_result r;
    struct err err = ERR_INIT;
    const struct promql_expr *e = promql_parse(&f->arena, STR("x_total"), &err);
    const struct promql_source *s = &f->source;
    assert_true(promql_range(e, s, NULL, 0, 11000 * 15, 15, &f->arena, &r, &err));
    assert_false(promql_range(e, s, NULL, 0, 11001 * 15, 15, &f->arena, &r, &err));
    assert_int_equal(err.code, ERR_BAD_INPUT);
    assert_false(promql_range(e, s, NULL, 0, 10, 0, &f->arena, &r, &err));
    assert_false(promql_range(e, s, NULL, 10, 0, 1, &f->arena, &r, &err));
    assert_false(promql_range(e, s, NULL, INT64_MIN, INT64_MAX, 1, &f->arena, &r, &err));
    assert_false(promql_instant(e, s, NULL, INT64_MAX, &f->arena, &r, &err));
    e = promql_parse(&f->arena, STR("x_total[5m]"), &err);
    assert_false(promql_range(e, s, NULL, 0, 10, 1, &f->arena, &r, &err));
    assert_int_equal(err.code, ERR_BAD_INPUT);
}

static void errors_of_the_source_come_through(void **state)
{
    struct fixture *f = *state;
    struct promql_result r;
    struct err err = ERR_INIT;
    f->fails = true;
    assert_false(ask(f, "1 + sum(rate(x_total[5m]))", NULL, &r, &err));
    assert_int_equal(err.code, ERR_UNREACHABLE);
    assert_string_equal(err.message, "the store is away");
}

/* The deepest trees there can be, on a stack of 2 MiB. */
static void *ask_deep(void *fixture)
{
    static const struct {
        const char *before, *middle, *after;
        int times;
    } shapes[] = {{"abs(", "x_total", ")", 295},
                  {"sum by (i) (", "x_total", ")", 295},
                  {"", "x_total", " + x_total", 295},
                  {"x_total or (", "x_total", ")", 145},
                  {"label_replace(", "x_total", ", 'a', 'b', '', '')", 295},
                  {"max_over_time(", "x_total", "[2s:1s])", 145}};
    struct fixture *f = fixture;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct buf text = BUF_INIT;
        struct promql_result r;
        struct err err = ERR_INIT;
        struct promql_options options = {.max_samples = UINT64_MAX};
        for (int k = 0; k < shapes[i].times; k++)
            buf_add_cstr(&text, shapes[i].before);
        buf_add_cstr(&text, shapes[i].middle);
        for (int k = 0; k < shapes[i].times; k++)
            buf_add_cstr(&text, shapes[i].after);
        const struct promql_expr *e = promql_parse(&f->arena, buf_str(&text), &err);
        assert_non_null(e);
        assert_true(promql_instant(e, &f->source, &options, 50000, &f->arena, &r, &err));
        assert_int_equal(r.n_series, N_SERIES);
        buf_release(&text);
    }
    return NULL;
}

static void deep_trees_need_little_stack(void **state)
{
    pthread_attr_t attributes;
    pthread_t thread;
    assert_int_equal(pthread_attr_init(&attributes), 0);
    assert_int_equal(pthread_attr_setstacksize(&attributes, 2 << 20), 0);
    assert_int_equal(pthread_create(&thread, &attributes, ask_deep, *state), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(pthread_attr_destroy(&attributes), 0);
}

static void scalars_and_strings(void **state)
{
    struct fixture *f = *state;
    struct promql_result r;
    struct err err = ERR_INIT;
    const struct promql_expr *e = promql_parse(&f->arena, STR("1 + 2 * time()"), &err);
    assert_true(promql_instant(e, &f->source, NULL, 5000, &f->arena, &r, &err));
    assert_int_equal(r.type, PROMQL_SCALAR);
    assert_true(r.scalar == 11);
    assert_int_equal(r.t_ms, 5000);
    e = promql_parse(&f->arena, STR("('text')"), &err);
    assert_true(promql_instant(e, &f->source, NULL, 5000, &f->arena, &r, &err));
    assert_int_equal(r.type, PROMQL_STRING);
    assert_true(str_is(r.string, "text"));
    assert_int_equal(f->selects, 0);
}

static void notes_are_given_once_and_at_most_ten(void **state)
{
    struct fixture *f = *state;
    struct promql_result r;
    struct err err = ERR_INIT;
    assert_true(ask(f, "quantile(2, x_total)", NULL, &r, &err));
    assert_int_equal(r.n_warnings, 1);
    assert_string_equal(r.warnings[0],
                        "PromQL warning: quantile value should be between 0 and 1, got 2 (1:10)");
    assert_int_equal(r.n_infos, 0);
    assert_true(ask(f, "quantile(time(), x_total)", NULL, &r, &err));
    assert_int_equal(r.n_warnings, 11);
    assert_string_equal(r.warnings[10], "81 more warning annotations omitted");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(results_are_sorted, setup, teardown),
        cmocka_unit_test_setup_teardown(the_source_is_asked_for_what_is_needed, setup, teardown),
        cmocka_unit_test_setup_teardown(samples_are_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(time_is_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(extremes_slide, setup, teardown),
        cmocka_unit_test_setup_teardown(points_are_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(errors_of_the_source_come_through, setup, teardown),
        cmocka_unit_test_setup_teardown(deep_trees_need_little_stack, setup, teardown),
        cmocka_unit_test_setup_teardown(scalars_and_strings, setup, teardown),
        cmocka_unit_test_setup_teardown(notes_are_given_once_and_at_most_ten, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
