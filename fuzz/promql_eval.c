/* Any expression over a few series, over some steps and at each of them alone: the answers are
 * sorted, have their points in order, come within the limits, and are the same either way. */
#include "base/clock.h"
#include "promql/promql.h"

#include <math.h>

#define N_NAMES 6
#define N_SERIES 18
#define N_SAMPLES 40

static struct promql_series series[N_SERIES];

static void cut_histograms(struct promql_series *out, const struct promql_series *s,
                           int64_t mint_ms, int64_t maxt_ms)
{
    size_t from = 0, to = s->n_histograms;
    while (from < to && s->histograms[from].t_ms < mint_ms)
        from++;
    while (to > from && s->histograms[to - 1].t_ms > maxt_ms)
        to--;
    out->n_histograms = to - from;
    out->histograms = to > from ? s->histograms + from : NULL;
    out->n_starts = s->n_starts;
    out->starts = s->starts;
}

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
        to = series[i].n;
        while (from < to && series[i].samples[from].t_ms < mint_ms)
            from++;
        while (to > from && series[i].samples[to - 1].t_ms > maxt_ms)
            to--;
        struct promql_series *s = &(*out)[(*n)++];
        *s = (struct promql_series){
            .labels = series[i].labels, .n = to - from, .samples = series[i].samples + from};
        cut_histograms(s, &series[i], mint_ms, maxt_ms);
    }
    return true;
}

/* Schemas, zero buckets and custom bounds that change, resets, gauges, NaN sums. */
static const struct histogram *make_histogram(struct arena *arena, size_t i, size_t k)
{
    static const double bounds[] = {-1, 0, 0.5, 2, 5, 10};
    struct histogram *h = ARENA_NEW(arena, struct histogram);
    struct histogram_span *spans = ARENA_ARRAY(arena, struct histogram_span, 2);
    double *v = ARENA_ARRAY(arena, double, 5);
    bool custom = i % N_NAMES == 5 && k % 11 != 10;
    spans[0] = (struct histogram_span){custom ? (int32_t)(k % 2) : (int32_t)(k % 5) - 3, 2};
    spans[1] = (struct histogram_span){1 + (int32_t)(i % 2), 1};
    for (size_t b = 0; b < 3; b++)
        v[b] = (double)((k % 13) * (b + i) % 17);
    h->schema = custom ? HISTOGRAM_SCHEMA_CUSTOM : (int32_t)(k / 10 % 3) - 1 + (int32_t)(i / 7);
    h->hint = k % 19 == 7   ? HISTOGRAM_HINT_GAUGE
              : k % 17 == 5 ? HISTOGRAM_HINT_RESET
                            : HISTOGRAM_HINT_UNKNOWN;
    h->positive = (struct histogram_side){2, 3, spans, v};
    if (custom) {
        h->n_custom = k % 16 < 8 ? 6 : 5;
        h->custom = bounds;
    } else {
        h->zero_threshold = k % 4 == 0 ? 0 : k % 4 == 1 ? 0.001 : 0.3;
        h->zero_count = (double)(k % 3);
    }
    if (!custom && i % 2)
        h->negative = (struct histogram_side){1, 2, spans, v};
    h->count = h->zero_count + v[0] + v[1] + v[2] + (double)(k % 23 == 22);
    h->sum = k % 23 == 22 ? (double)NAN : (double)k - 3;
    return h;
}

static void add_histograms(struct arena *arena, struct promql_series *s, size_t i)
{
    struct histogram_sample *h = ARENA_ARRAY(arena, struct histogram_sample, N_SAMPLES);
    struct promql_start *starts = ARENA_ARRAY(arena, struct promql_start, 2);
    for (size_t k = 0; k < N_SAMPLES; k++) {
        struct err err = ERR_INIT;
        h[k] = (struct histogram_sample){s->samples[k].t_ms, make_histogram(arena, i, k)};
        CHECK(histogram_validate(h[k].h, &err));
    }
    /* The last ones of each third series stay floats. */
    s->n_histograms = i % 3 == 2 ? N_SAMPLES - 9 : N_SAMPLES;
    s->histograms = h;
    s->n = N_SAMPLES - s->n_histograms;
    s->samples += s->n_histograms;
    starts[0] = (struct promql_start){h[8].t_ms, h[3].t_ms};
    starts[1] = (struct promql_start){h[20].t_ms, h[19].t_ms + 1};
    s->starts = starts;
    s->n_starts = 2;
}

/* Counters with resets, gaps, stale markers, NaN and infinities; buckets of a histogram; native
 * histograms. */
static void make_series(void)
{
    static const char *const names[] = {"a", "b_total", "c_bucket", "d", "e", "f"};
    static const char *const le[] = {"0.1", "1", "+Inf"};
    static struct arena arena;
    static struct sample samples[N_SERIES][N_SAMPLES];
    for (size_t i = 0; i < N_SERIES; i++) {
        struct labels_builder b;
        labels_builder_init(&b, &arena);
        labels_builder_set(&b, STR(LABEL_NAME), str_from(names[i % N_NAMES]));
        labels_builder_set(&b, STR("l"), str_from(arena_printf(&arena, "%zu", i / N_NAMES)));
        if (i % N_NAMES == 2)
            labels_builder_set(&b, STR("le"), str_from(le[i / N_NAMES]));
        for (size_t k = 0; k < N_SAMPLES; k++) {
            double v = (double)((i * 7 + k * 3) % 23) - (i % N_NAMES == 0 ? 5 : 0);
            size_t per_step = i / N_NAMES + 1;
            if (i % N_NAMES == 2)
                v = (double)(k * per_step);
            if (i % N_NAMES == 3 && k % 9 == 4)
                v = k % 2 ? stale_nan() : 1 / (double)(k % 4 == 0 ? 0 : -0.0);
            samples[i][k] = (struct sample){(int64_t)(k * 15000 + (k > 20 ? 90000 : 0) + i), v};
        }
        series[i] = (struct promql_series){
            .labels = labels_build(&b), .n = N_SAMPLES, .samples = samples[i]};
        if (i % N_NAMES >= 4)
            add_histograms(&arena, &series[i], i);
    }
}

static void check_result(const struct promql_result *r)
{
    for (size_t i = 0; i < r->n_series; i++) {
        CHECK(r->series[i].n + r->series[i].n_histograms > 0);
        for (size_t k = 1; k < r->series[i].n_histograms; k++)
            CHECK(r->series[i].histograms[k - 1].t_ms < r->series[i].histograms[k].t_ms);
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

static const struct histogram *histogram_at(const struct promql_series *s, int64_t t_ms)
{
    for (size_t i = 0; i < s->n_histograms; i++) {
        if (s->histograms[i].t_ms == t_ms)
            return s->histograms[i].h;
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

static void compare_histograms(const struct histogram *h, const struct promql_series *alone)
{
    CHECK(alone && alone->n_histograms == 1);
    const struct histogram *a = alone->histograms[0].h;
    CHECK(same(h->count, a->count) && same(h->sum, a->sum) && same(h->zero_count, a->zero_count));
    CHECK(h->schema == a->schema && h->n_custom == a->n_custom);
}

static void compare(const struct promql_result *range, const struct promql_result *instant,
                    int64_t t_ms)
{
    size_t n = 0;
    for (size_t i = 0; i < range->n_series; i++) {
        const struct sample *in_range = at(&range->series[i], t_ms);
        const struct histogram *h = histogram_at(&range->series[i], t_ms);
        if (h)
            compare_histograms(h, find(instant, range->series[i].labels));
        n += h != NULL;
        if (!in_range)
            continue;
        n++;
        if (instant->type == PROMQL_SCALAR) {
            CHECK(same(in_range->v, instant->scalar));
            continue;
        }
        const struct promql_series *alone = find(instant, range->series[i].labels);
        CHECK(alone && alone->n == 1 && same(alone->samples[0].v, in_range->v));
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
