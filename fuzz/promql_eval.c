/* Any expression over a few series, at one time and over some steps: every answer is sorted, has
 * its points in order, and comes within the limits. */
#include "base/clock.h"
#include "promql/promql.h"

#define N_SERIES 12
#define N_SAMPLES 40

static struct promql_series series[N_SERIES];

static bool select_series(void *self, struct arena *arena, const struct matcher *m,
                          size_t n_matchers, int64_t mint_ms, int64_t maxt_ms,
                          struct promql_series **out, size_t *n, struct err *err)
{
    (void)self, (void)err;
    *out = ARENA_ARRAY(arena, struct promql_series, N_SERIES);
    *n = 0;
    for (size_t i = 0; i < N_SERIES; i++) {
        size_t from = 0, to = N_SAMPLES;
        if (!matchers_match(m, n_matchers, series[i].labels))
            continue;
        while (from < to && series[i].samples[from].t_ms < mint_ms)
            from++;
        while (to > from && series[i].samples[to - 1].t_ms > maxt_ms)
            to--;
        (*out)[(*n)++] =
            (struct promql_series){series[i].labels, to - from, series[i].samples + from};
    }
    return true;
}

/* Counters with resets, gaps, stale markers, NaN and infinities; buckets of a histogram. */
static void make_series(void)
{
    static const char *const names[] = {"a", "b_total", "c_bucket", "d"};
    static const char *const le[] = {"0.1", "1", "+Inf"};
    static struct arena arena;
    static struct sample samples[N_SERIES][N_SAMPLES];
    for (size_t i = 0; i < N_SERIES; i++) {
        struct labels_builder b;
        labels_builder_init(&b, &arena);
        labels_builder_set(&b, STR(LABEL_NAME), str_from(names[i % 4]));
        labels_builder_set(&b, STR("l"), str_from(arena_printf(&arena, "%zu", i / 4)));
        if (i % 4 == 2)
            labels_builder_set(&b, STR("le"), str_from(le[i / 4]));
        for (size_t k = 0; k < N_SAMPLES; k++) {
            double v = (double)((i * 7 + k * 3) % 23) - (i % 4 == 0 ? 5 : 0);
            if (i % 4 == 2)
                v = (double)(k * (i / 4 + 1));
            if (i % 4 == 3 && k % 9 == 4)
                v = k % 2 ? stale_nan() : 1 / (double)(k % 4 == 0 ? 0 : -0.0);
            samples[i][k] = (struct sample){(int64_t)(k * 15000 + (k > 20 ? 90000 : 0) + i), v};
        }
        series[i] = (struct promql_series){labels_build(&b), N_SAMPLES, samples[i]};
    }
}

static void check_result(const struct promql_result *r)
{
    for (size_t i = 0; i < r->n_series; i++) {
        CHECK(r->series[i].n > 0);
        for (size_t k = 1; k < r->series[i].n; k++)
            CHECK(r->series[i].samples[k - 1].t_ms < r->series[i].samples[k].t_ms);
        for (size_t k = 0; k < r->series[i].n; k++)
            CHECK(!is_stale_nan(r->series[i].samples[k].v));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    struct promql_source source = {NULL, select_series};
    struct promql_result r;
    struct promql_options options = {.max_samples = 200000,
                                     .deadline_mono_ns = clock_mono_ns() + 200000000};
    if (series[0].n == 0)
        make_series();
    const struct promql_expr *e = promql_parse(&arena, str_make((const char *)data, size), &err);
    if (e && promql_instant(e, &source, &options, 400000, &arena, &r, &err))
        check_result(&r);
    if (e && promql_range(e, &source, &options, 100000, 700000, 20000, &arena, &r, &err)) {
        check_result(&r);
        for (size_t i = 1; i < r.n_series; i++)
            CHECK(labels_cmp(r.series[i - 1].labels, r.series[i].labels) < 0);
    }
    arena_release(&arena);
    return 0;
}
