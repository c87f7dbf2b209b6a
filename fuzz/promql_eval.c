/* Any expression over a few series, over some steps and at each of them alone: the answers are
 * sorted, have their points in order, come within the limits, and are the same either way. */
#include "base/clock.h"
#include "promql/promql.h"

#include <math.h>

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
        (*out)[(*n)++] = (struct promql_series){
            .labels = series[i].labels, .n = to - from, .samples = series[i].samples + from};
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
            size_t per_step = i / 4 + 1;
            if (i % 4 == 2)
                v = (double)(k * per_step);
            if (i % 4 == 3 && k % 9 == 4)
                v = k % 2 ? stale_nan() : 1 / (double)(k % 4 == 0 ? 0 : -0.0);
            samples[i][k] = (struct sample){(int64_t)(k * 15000 + (k > 20 ? 90000 : 0) + i), v};
        }
        series[i] = (struct promql_series){
            .labels = labels_build(&b), .n = N_SAMPLES, .samples = samples[i]};
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

static const struct promql_source source = {.select = select_series};

static struct promql_options limits(void)
{
    return (struct promql_options){.max_samples = 200000,
                                   .deadline_mono_ns = clock_mono_ns() + 200000000};
}

/* --- One step of a range is what an instant query says at that time --- */

#define START_MS 100000
#define STEP_MS 40000
#define N_STEPS 16

static const struct sample *at(const struct promql_series *s, int64_t t_ms)
{
    for (size_t i = 0; i < s->n; i++) {
        if (s->samples[i].t_ms == t_ms)
            return &s->samples[i];
    }
    return NULL;
}

static const struct promql_series *find(const struct promql_result *r, struct labels labels)
{
    for (size_t i = 0; i < r->n_series; i++) {
        if (labels_eq(r->series[i].labels, labels))
            return &r->series[i];
    }
    return NULL;
}

/* But for the last bits: groups may come in another order, and so be summed in another one. */
static bool same(double a, double b)
{
    return a == b || (isnan(a) && isnan(b)) || fabs(a - b) <= 1e-9 * fmax(fabs(a), fabs(b)) + 1e-12;
}

static void compare(const struct promql_result *range, const struct promql_result *instant,
                    int64_t t_ms)
{
    size_t n = 0;
    for (size_t i = 0; i < range->n_series; i++) {
        const struct sample *in_range = at(&range->series[i], t_ms);
        if (!in_range)
            continue;
        n++;
        if (instant->type == PROMQL_SCALAR) {
            CHECK(same(in_range->v, instant->scalar));
            continue;
        }
        const struct promql_series *alone = find(instant, range->series[i].labels);
        CHECK(alone && same(alone->samples[0].v, in_range->v));
    }
    CHECK(n == (instant->type == PROMQL_SCALAR ? 1 : instant->n_series));
}

static bool has_word(struct str text, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (memmem(text.p, text.n, words[i], strlen(words[i])))
            return true;
    }
    return false;
}

/* Some functions tell the bounds of the question. Instant answers may be in order of rank, which
 * decides between equals, and changes the last bits of what is summed over them. A group by name
 * loses its name if a member does at any step. */
static bool may_differ(const struct promql_expr *e)
{
    static const char *const always[] = {"start()", "end()", "step()", "range()", "sort"};
    static const char *const orders[] = {"topk", "bottomk"};
    static const char *const users[] = {"sum", "avg", "stddev", "stdvar", "limit"};
    static const char *const unions[] = {" or ", " fill"};
    static const char *const named[] = {"__name__"};
    struct buf text = BUF_INIT;
    promql_print(e, &text);
    bool differ = has_word(buf_str(&text), always, 5) ||
                  (has_word(buf_str(&text), orders, 2) && has_word(buf_str(&text), users, 5)) ||
                  (has_word(buf_str(&text), unions, 2) && has_word(buf_str(&text), named, 1));
    buf_release(&text);
    return differ;
}

static void compare_steps(const struct promql_expr *e, const struct promql_result *range)
{
    for (int i = 0; i < N_STEPS; i++) {
        struct arena arena = ARENA_INIT;
        struct promql_options options = limits();
        struct promql_result instant;
        struct err err = ERR_INIT;
        int64_t t_ms = START_MS + i * STEP_MS;
        if (promql_instant(e, &source, &options, t_ms, &arena, &instant, &err))
            compare(range, &instant, t_ms);
        else
            CHECK(err.code == ERR_LIMIT || err.code == ERR_TIMEOUT);
        arena_release(&arena);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    struct promql_result r;
    struct promql_options options = limits();
    if (series[0].n == 0)
        make_series();
    const struct promql_expr *e = promql_parse(&arena, str_make((const char *)data, size), &err);
    if (e && promql_instant(e, &source, &options, 400000, &arena, &r, &err))
        check_result(&r);
    if (e && promql_range(e, &source, &options, START_MS, START_MS + (N_STEPS - 1) * STEP_MS,
                          STEP_MS, &arena, &r, &err)) {
        check_result(&r);
        for (size_t i = 1; i < r.n_series; i++)
            CHECK(labels_cmp(r.series[i - 1].labels, r.series[i].labels) < 0);
        if (!may_differ(e))
            compare_steps(e, &r);
    }
    arena_release(&arena);
    return 0;
}
