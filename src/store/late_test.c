#include "store/late.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/testing.h"

static const struct histogram_span span[] = {{0, 1}};

/* One bucket; every seventh is of another layout. */
static struct histogram one_bucket(double *bucket, int64_t i)
{
    *bucket = (double)i;
    return (struct histogram){.schema = i % 7 == 0,
                              .count = (double)i,
                              .sum = 0.5 * (double)i,
                              .positive = {1, 1, span, bucket}};
}

static uint64_t bits_of(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

/* --- Alone: whatever order they come in, all are there, by time, and found --- */

enum { ALL = 1500 };

static void check_floats(const struct late *l, const bool *there)
{
    int64_t last_ms = INT64_MIN;
    size_t n = 0, expected = 0;
    uint64_t bits;
    for (size_t i = 0; i < l->n_chunks; i++) {
        struct sample v[CHUNK_MAX_SAMPLES];
        size_t in_chunk = chunk_read(&l->chunks[i], v);
        assert_true(l->chunks[i].first_t_ms > last_ms);
        for (size_t k = 0; k < in_chunk; k++, n++) {
            assert_true(v[k].t_ms > last_ms && v[k].v == (double)v[k].t_ms && there[v[k].t_ms]);
            last_ms = v[k].t_ms;
        }
    }
    for (int64_t t = 0; t < ALL; t++) {
        expected += there[t];
        assert_int_equal(late_find(l, t, &bits), there[t]);
        assert_true(!there[t] || bits == bits_of((double)t));
    }
    assert_int_equal(n, expected);
}

static void check_histograms(const struct late *l, const bool *there)
{
    struct arena arena = ARENA_INIT;
    int64_t last_ms = INT64_MIN, t_ms;
    size_t n = 0, expected = 0;
    uint64_t bits;
    double bucket;
    for (size_t i = 0; i < l->n_histograms; i++) {
        struct histogram_reader r;
        assert_true(l->histograms[i].first_t_ms > last_ms);
        histogram_reader_init(&r, &arena, &l->histograms[i]);
        for (; histogram_reader_skip(&r, &t_ms); n++) {
            struct histogram h = one_bucket(&bucket, t_ms);
            assert_true(t_ms > last_ms && there[t_ms]);
            assert_true(histogram_identical(histogram_reader_current(&r), &h));
            last_ms = t_ms;
        }
    }
    for (int64_t t = 0; t < ALL; t++) {
        struct histogram h = one_bucket(&bucket, t);
        expected += there[t];
        assert_int_equal(late_find(l, t, &bits), there[t]);
        assert_true(!there[t] || bits == histogram_hash(&h));
    }
    assert_int_equal(n, expected);
    arena_release(&arena);
}

static size_t memory_of(const struct late *l)
{
    size_t bytes = 0;
    for (size_t i = 0; i < l->n_chunks; i++)
        bytes += chunk_memory(&l->chunks[i]);
    for (size_t i = 0; i < l->n_histograms; i++)
        bytes += histogram_chunk_memory(&l->histograms[i]);
    return bytes;
}

static int64_t next_time(int order, int i, unsigned *seed)
{
    return order == 0 ? i : order == 1 ? ALL - 1 - i : rand_r(seed) % ALL;
}

static void whatever_the_order(void **state)
{
    (void)state;
    for (int order = 0; order < 3; order++) {
        struct late floats = {0}, histograms = {0};
        bool there[ALL] = {false};
        int64_t bytes = 0, histogram_bytes = 0;
        unsigned seed = 11;
        double bucket;
        for (int i = 0; i < ALL; i++) {
            int64_t t_ms = next_time(order, i, &seed);
            if (there[t_ms])
                continue;
            struct histogram h = one_bucket(&bucket, t_ms);
            there[t_ms] = true;
            late_insert(&floats, t_ms, (double)t_ms, &bytes);
            late_insert_histogram(&histograms, t_ms, &h, &histogram_bytes);
        }
        check_floats(&floats, there);
        check_histograms(&histograms, there);
        assert_int_equal(bytes, memory_of(&floats));
        assert_int_equal(histogram_bytes, memory_of(&histograms));

        late_drop_before(&floats, ALL / 2, &bytes);
        late_drop_before(&histograms, ALL / 2, &histogram_bytes);
        assert_true(late_oldest(&floats) > 0 && late_oldest(&floats) <= ALL / 2 + 1);
        late_drop_before(&floats, ALL, &bytes);
        late_drop_before(&histograms, ALL, &histogram_bytes);
        assert_true(late_is_empty(&floats) && late_is_empty(&histograms));
        assert_true(bytes == 0 && histogram_bytes == 0);
        late_release(&floats);
        late_release(&histograms);
    }
}

/* --- In a store --- */

static struct store *open_with(int64_t window_ms, const struct store_tap *tap)
{
    struct err err = ERR_INIT;
    struct store *s = store_open(
        &(struct store_options){
            .path = test_folder, .flush_ms = 10, .out_of_order_ms = window_ms, .tap = tap},
        &err);
    if (!s)
        print_error("%s\n", err.message);
    assert_non_null(s);
    return s;
}

static enum store_result add(struct store_batch *b, int64_t t_ms, double v)
{
    return store_batch_add(b, test_series(b, "a", NULL), t_ms, v, STORE_ORIGIN_UNKNOWN);
}

static enum store_result add_histogram(struct store_batch *b, int64_t t_ms, int64_t i)
{
    double bucket;
    struct histogram h = one_bucket(&bucket, i);
    return store_batch_add_histogram(b, test_series(b, "a", NULL), t_ms, &h, STORE_ORIGIN_UNKNOWN);
}

static void commit(struct store_batch *b)
{
    struct err err = ERR_INIT;
    assert_true(store_batch_commit(b, &err));
}

/* The series as "t:v ...", a histogram as "t:{count}". */
static void assert_reads(struct store *s, const char *expected)
{
    struct arena arena = ARENA_INIT;
    struct store_series_data *data;
    struct buf text = BUF_INIT;
    assert_int_equal(test_read(s, &arena, "a", &data), 1);
    for (size_t i = 0; i < data[0].n; i++)
        buf_printf(&text, "%lld:%g ", (long long)data[0].samples[i].t_ms, data[0].samples[i].v);
    for (size_t i = 0; i < data[0].n_histograms; i++)
        buf_printf(&text, "%lld:{%g} ", (long long)data[0].histograms[i].t_ms,
                   data[0].histograms[i].h->count);
    assert_string_equal(text.p, expected);
    buf_release(&text);
    arena_release(&arena);
}

static void late_samples_take_their_place(void **state)
{
    (void)state;
    const char *expected = "600:6 700:7 800:8 900:9 1000:10 650:{65} 850:{85} ";
    struct store *s = open_with(400, NULL);
    struct store_stats stats;
    struct store_batch *b = store_batch_begin(s, 1000);
    assert_int_equal(add(b, 800, 8), STORE_OK);
    assert_int_equal(add(b, 1000, 10), STORE_OK);
    commit(b);
    b = store_batch_begin(s, 1000);
    assert_int_equal(add(b, 700, 7), STORE_OK);
    assert_int_equal(add(b, 900, 9), STORE_OK);
    assert_int_equal(add(b, 700, 7), STORE_DUPLICATE);
    assert_int_equal(add(b, 700, 8), STORE_CONFLICTING);
    assert_int_equal(add_histogram(b, 900, 1), STORE_CONFLICTING);
    assert_int_equal(add_histogram(b, 850, 85), STORE_OK);
    assert_int_equal(add_histogram(b, 850, 85), STORE_DUPLICATE);
    assert_int_equal(add_histogram(b, 850, 84), STORE_CONFLICTING);
    assert_int_equal(add(b, 800, 8), STORE_DUPLICATE);
    assert_int_equal(add(b, 800, 9), STORE_CONFLICTING);
    assert_int_equal(add(b, 1000, 10), STORE_DUPLICATE);
    assert_int_equal(add(b, 600, 6), STORE_OK); /* the window's edge */
    assert_int_equal(add(b, 599, 5), STORE_OUT_OF_ORDER);
    commit(b);
    b = store_batch_begin(s, 1000);
    assert_int_equal(add(b, 700, 7), STORE_DUPLICATE);
    assert_int_equal(add(b, 900, 8), STORE_CONFLICTING);
    assert_int_equal(add_histogram(b, 850, 85), STORE_DUPLICATE);
    assert_int_equal(add(b, 850, 85), STORE_CONFLICTING);
    assert_int_equal(add_histogram(b, 650, 65), STORE_OK);
    commit(b);
    assert_reads(s, expected);
    store_stats(s, &stats);
    assert_int_equal(stats.samples_appended, 7);
    assert_int_equal(stats.samples_refused, 7);
    assert_int_equal(stats.min_time_ms, 600);
    store_close(s);

    s = open_with(0, NULL); /* what was taken stays, whatever the window is now */
    assert_reads(s, expected);
    b = store_batch_begin(s, 1000);
    assert_int_equal(add(b, 950, 9), STORE_OUT_OF_ORDER);
    store_batch_cancel(b);
    store_close(s);
}

static void a_sample_overtaken_before_its_commit_is_late(void **state)
{
    (void)state;
    struct store *s = open_with(1000, NULL);
    struct store_batch *slow = store_batch_begin(s, 1000), *fast = store_batch_begin(s, 1000);
    assert_int_equal(add(slow, 10, 1), STORE_OK);
    assert_int_equal(add(slow, 30, 3), STORE_OK);
    assert_int_equal(add(fast, 20, 2), STORE_OK);
    assert_int_equal(add(fast, 30, 4), STORE_OK);
    commit(fast);
    commit(slow); /* its 30 stands against another one, which was first */
    for (int again = 0; again < 2; again++) {
        assert_reads(s, "10:1 20:2 30:4 ");
        store_close(s);
        s = open_with(1000, NULL);
    }
    store_close(s);
}

static void only_the_first_is_asked_for(void **state)
{
    (void)state;
    struct arena arena = ARENA_INIT;
    struct store *s = open_with(1000, NULL);
    struct store_series_data *data;
    struct matcher m;
    struct err err = ERR_INIT;
    size_t n;
    struct store_batch *b = store_batch_begin(s, 1000);
    assert_int_equal(add(b, 800, 8), STORE_OK);
    assert_int_equal(add(b, 900, 9), STORE_OK);
    assert_int_equal(add(b, 850, 8.5), STORE_OK);
    assert_int_equal(add(b, 700, 7), STORE_OK);
    commit(b);
    assert_true(matcher_init(&m, &arena, MATCH_EQUAL, STR(LABEL_NAME), STR("a"), &err));
    const int64_t from[] = {0, 701, 801, 851}, expected[] = {700, 800, 850, 900};
    for (size_t i = 0; i < 4; i++) {
        assert_true(store_select_first(s, &arena, &m, 1, from[i], 9999, &data, &n, &err));
        assert_int_equal(data[0].n, 1);
        assert_int_equal(data[0].samples[0].t_ms, expected[i]);
    }
    arena_release(&arena);
    store_close(s);
}

static uint32_t bind_all(void *self, struct labels labels)
{
    (void)self;
    return labels.n > 0;
}

static void feed_text(void *self, uint32_t token, int64_t t_ms, double v, double increase,
                      bool recovering)
{
    (void)token;
    (void)recovering;
    (void)v;
    buf_printf(self, "%lld+%g ", (long long)t_ms, isnan(increase) ? -1 : increase);
}

static void taps_are_not_told_of_late_samples(void **state)
{
    (void)state;
    struct buf told = BUF_INIT;
    struct store_tap tap = {.self = &told, .bind = bind_all, .feed = feed_text};
    struct store *s = open_with(1000, &tap);
    const int64_t times[] = {100, 300, 200, 150, 400};
    for (size_t i = 0; i < 5; i++) {
        struct store_batch *b = store_batch_begin(s, 1000);
        assert_int_equal(add(b, times[i], (double)times[i]), STORE_OK);
        commit(b);
    }
    assert_string_equal(told.p, "100+-1 300+200 400+100 ");
    store_close(s);
    buf_clear(&told);
    s = open_with(1000, &tap);
    assert_string_equal(told.p, "100+-1 300+200 400+100 ");
    assert_reads(s, "100:100 150:150 200:200 300:300 400:400 ");
    buf_release(&told);
    store_close(s);
}

/* Times of 1970 beside now, over and over again, as conformance tests load them. */
static void a_wide_window_keeps_all(void **state)
{
    (void)state;
    const int64_t year_ms = INT64_C(365) * 24 * 3600 * 1000, now_ms = 56 * year_ms;
    struct arena arena = ARENA_INIT;
    struct store_series_data *data;
    struct store *s = open_with(100 * year_ms, NULL);
    struct store_batch *b = store_batch_begin(s, now_ms);
    assert_int_equal(add(b, now_ms, 1), STORE_OK);
    commit(b);
    for (int64_t load = 0; load < 3; load++) {
        b = store_batch_begin(s, now_ms);
        for (int64_t i = 0; i < 1000; i++)
            assert_int_equal(add(b, i * 300000 + load, (double)i), STORE_OK);
        commit(b);
    }
    store_close(s);
    s = open_with(100 * year_ms, NULL);
    assert_int_equal(test_read(s, &arena, "a", &data), 1);
    assert_int_equal(data[0].n, 3001);
    for (size_t i = 1; i < data[0].n; i++)
        assert_true(data[0].samples[i - 1].t_ms < data[0].samples[i].t_ms);
    arena_release(&arena);
    store_close(s);
}

/* What is late by days goes to blocks beside those of its time; where a block has a sample, that
 * one stays. */
static void late_samples_reach_the_blocks(void **state)
{
    (void)state;
    const int64_t hour_ms = 3600000, minute_ms = 60000;
    struct arena arena = ARENA_INIT;
    struct store_series_data *data;
    struct err err = ERR_INIT;
    struct store *s = open_with(100 * hour_ms, NULL);
    struct store_batch *b = store_batch_begin(s, 30 * hour_ms);
    for (int64_t i = 0; i < 15 * 60; i++) /* the even minutes */
        assert_int_equal(add(b, i * 2 * minute_ms, (double)i), STORE_OK);
    commit(b);
    assert_true(store_maintain(s, &err));
    b = store_batch_begin(s, 30 * hour_ms);
    for (int64_t i = 0; i < 15 * 60; i++)
        assert_int_equal(add(b, (i * 2 - 1) * minute_ms, -1), STORE_OK);
    assert_int_equal(add(b, 2 * minute_ms, 77), STORE_OK); /* in a block, so nobody can tell yet */
    commit(b);
    for (int round = 0; round < 3; round++) {
        assert_int_equal(test_read(s, &arena, "a", &data), 1);
        assert_int_equal(data[0].n, 2 * 15 * 60);
        for (int64_t i = 0; i < 2 * 15 * 60; i++) {
            assert_int_equal(data[0].samples[i].t_ms, (i - 1) * minute_ms);
            assert_true(data[0].samples[i].v == (i % 2 ? (double)(i / 2) : -1));
        }
        assert_true(store_maintain(s, &err));
        store_close(s);
        s = open_with(100 * hour_ms, NULL);
    }
    arena_release(&arena);
    store_close(s);
}

int main(void)
{
#define IN_FOLDER(f) cmocka_unit_test_setup_teardown(f, test_make_folder, test_remove_folder)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_the_order),
        IN_FOLDER(late_samples_take_their_place),
        IN_FOLDER(a_sample_overtaken_before_its_commit_is_late),
        IN_FOLDER(only_the_first_is_asked_for),
        IN_FOLDER(taps_are_not_told_of_late_samples),
        IN_FOLDER(a_wide_window_keeps_all),
        IN_FOLDER(late_samples_reach_the_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
