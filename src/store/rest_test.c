#include "store/rest.h"

#include "base/buf.h"

#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "store/testing.h"

static const struct histogram_span span[] = {{0, 2}};
static const double counts[][2] = {{1, 2}, {4, 6}, {0, 1}};

/* Counts 3, 10 and 1: the third is after a restart. */
static struct histogram number(size_t i)
{
    return (struct histogram){.schema = 0,
                              .count = counts[i][0] + counts[i][1],
                              .sum = 1.5 * (double)(i + 1),
                              .positive = {1, 2, span, counts[i]}};
}

static enum store_result add(struct store_batch *b, const char *name, int64_t t_ms, size_t i,
                             enum store_origin origin)
{
    struct histogram h = number(i);
    return store_batch_add_histogram(b, test_series(b, name, NULL), t_ms, &h, origin);
}

static void put(struct store *s, const char *name, int64_t t_ms, size_t i, enum store_origin origin)
{
    struct err err = ERR_INIT;
    struct store_batch *b = store_batch_begin(s, t_ms);
    assert_int_equal(add(b, name, t_ms, i, origin), STORE_OK);
    assert_true(store_batch_commit(b, &err));
}

static void histograms_are_kept_beside_floats(void **state)
{
    (void)state;
    struct arena arena = ARENA_INIT;
    struct store_series_data *data;
    struct err err = ERR_INIT;
    struct store *s = test_open(NULL);
    put(s, "h", 10, 0, STORE_ORIGIN_UNKNOWN);
    put(s, "h", 20, 1, STORE_ORIGIN_UNKNOWN);
    assert_true(test_put(s, "h", NULL, 30, stale_nan(), STORE_ORIGIN_UNKNOWN, &err));
    put(s, "h", 40, 2, STORE_ORIGIN_UNKNOWN);
    assert_true(test_put(s, "h", NULL, 50, 7, STORE_ORIGIN_UNKNOWN, &err));
    for (int again = 0; again < 2; again++) {
        const int64_t times[] = {10, 20, 40};
        assert_int_equal(test_read(s, &arena, "h", &data), 1);
        assert_int_equal(data[0].n, 2);
        assert_int_equal(data[0].samples[0].t_ms, 30);
        assert_true(data[0].samples[1].v == 7);
        assert_int_equal(data[0].n_histograms, 3);
        for (size_t i = 0; i < 3; i++) {
            struct histogram expected = number(i);
            assert_int_equal(data[0].histograms[i].t_ms, times[i]);
            assert_true(histogram_identical(data[0].histograms[i].h, &expected));
        }
        store_close(s);
        s = test_open(NULL);
    }
    arena_release(&arena);
    store_close(s);
}

static void each_histogram_gets_its_fate(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct store *s = test_open(NULL);
    struct store_batch *b = store_batch_begin(s, 100);
    assert_int_equal(add(b, "a", 100, 0, STORE_ORIGIN_UNKNOWN), STORE_OK);
    assert_int_equal(add(b, "a", 100, 0, STORE_ORIGIN_UNKNOWN), STORE_DUPLICATE);
    assert_int_equal(add(b, "a", 100, 1, STORE_ORIGIN_UNKNOWN), STORE_CONFLICTING);
    assert_int_equal(store_batch_add(b, test_series(b, "a", NULL), 100, 3, STORE_ORIGIN_UNKNOWN),
                     STORE_CONFLICTING);
    assert_int_equal(add(b, "a", 99, 0, STORE_ORIGIN_UNKNOWN), STORE_OUT_OF_ORDER);
    assert_int_equal(add(b, "a", 600101, 0, STORE_ORIGIN_UNKNOWN), STORE_TOO_FAR_AHEAD);
    struct histogram h = number(0);
    assert_int_equal(store_batch_add_histogram(b, 0, 101, &h, STORE_ORIGIN_UNKNOWN), STORE_LIMIT);
    assert_true(store_batch_commit(b, &err));

    b = store_batch_begin(s, 100);
    h.hint = HISTOGRAM_HINT_NOT_RESET; /* says nothing of what was counted */
    assert_int_equal(
        store_batch_add_histogram(b, test_series(b, "a", NULL), 100, &h, STORE_ORIGIN_UNKNOWN),
        STORE_DUPLICATE);
    h.sum = 9;
    assert_int_equal(
        store_batch_add_histogram(b, test_series(b, "a", NULL), 100, &h, STORE_ORIGIN_UNKNOWN),
        STORE_CONFLICTING);
    assert_int_equal(store_batch_add(b, test_series(b, "a", NULL), 100, 3, STORE_ORIGIN_UNKNOWN),
                     STORE_CONFLICTING);
    assert_int_equal(add(b, "a", 99, 0, STORE_ORIGIN_UNKNOWN), STORE_OUT_OF_ORDER);
    store_batch_cancel(b);
    store_close(s);
}

static void the_newest_may_be_a_histogram(void **state)
{
    (void)state;
    struct arena arena = ARENA_INIT;
    struct histogram_sample newest;
    struct sample sample;
    struct histogram first = number(0), second = number(1);
    struct err err = ERR_INIT;
    struct store *s = test_open(NULL);
    struct store_batch *b = store_batch_begin(s, 100);
    uint64_t a = test_series(b, "a", NULL);
    assert_false(store_batch_newest_histogram(b, a, &arena, &newest));
    assert_int_equal(add(b, "a", 1, 0, STORE_ORIGIN_UNKNOWN), STORE_OK);
    assert_true(store_batch_newest_histogram(b, a, &arena, &newest));
    assert_true(histogram_identical(newest.h, &first));
    assert_false(store_batch_newest(b, a, &sample));
    assert_true(store_batch_commit(b, &err));

    b = store_batch_begin(s, 100);
    assert_true(store_batch_newest_histogram(b, a, &arena, &newest));
    assert_int_equal(newest.t_ms, 1);
    assert_true(histogram_identical(newest.h, &first));
    assert_false(store_batch_newest(b, a, &sample));
    assert_int_equal(add(b, "a", 2, 1, STORE_ORIGIN_UNKNOWN), STORE_OK);
    assert_true(store_batch_newest_histogram(b, a, &arena, &newest));
    assert_true(histogram_identical(newest.h, &second));
    assert_int_equal(store_batch_add(b, a, 3, 7, STORE_ORIGIN_UNKNOWN), STORE_OK);
    assert_false(store_batch_newest_histogram(b, a, &arena, &newest));
    assert_true(store_batch_newest(b, a, &sample) && sample.v == 7);
    assert_true(store_batch_commit(b, &err));

    b = store_batch_begin(s, 100);
    assert_false(store_batch_newest_histogram(b, a, &arena, &newest));
    assert_true(store_batch_newest(b, a, &sample) && sample.v == 7);
    store_batch_cancel(b);
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
    (void)increase;
    buf_printf(self, "%lld:%s ", (long long)t_ms, is_stale_nan(v) ? "stale" : "float");
}

static void feed_histogram_text(void *self, uint32_t token, int64_t t_ms, const struct histogram *h,
                                const struct histogram *base, bool recovering)
{
    (void)token;
    (void)recovering;
    buf_printf(self, "%lld:%g-%g ", (long long)t_ms, h->count, base ? base->count : -1);
}

static void the_tap_sees_histograms_with_their_base(void **state)
{
    (void)state;
    struct buf told = BUF_INIT;
    struct store_tap tap = {
        .self = &told, .bind = bind_all, .feed = feed_text, .feed_histogram = feed_histogram_text};
    struct err err = ERR_INIT;
    const char *expected = "1:3-0 2:10-3 3:stale 4:1-10 5:3--1 ";
    struct store *s = test_open(&tap);
    put(s, "h", 1, 0, STORE_ORIGIN_ZERO);
    put(s, "h", 2, 1, STORE_ORIGIN_ZERO);
    assert_true(test_put(s, "h", NULL, 3, stale_nan(), STORE_ORIGIN_UNKNOWN, &err));
    put(s, "h", 4, 2, STORE_ORIGIN_ZERO);
    put(s, "g", 5, 0, STORE_ORIGIN_UNKNOWN);
    assert_string_equal(told.p, expected);
    store_close(s);
    buf_clear(&told);
    s = test_open(&tap);
    assert_string_equal(told.p, expected);
    store_close(s);

    tap.feed_histogram = NULL;
    buf_clear(&told);
    s = test_open(&tap);
    put(s, "h", 6, 0, STORE_ORIGIN_UNKNOWN);
    assert_string_equal(told.p, "3:stale ");
    store_close(s);
    buf_release(&told);
}

static void a_query_pays_for_buckets(void **state)
{
    (void)state;
    struct arena arena = ARENA_INIT;
    struct store_series_data *data;
    struct matcher m;
    struct err err = ERR_INIT;
    size_t n;
    struct store *s = test_open(NULL);
    for (size_t i = 0; i < 3; i++)
        put(s, "h", (int64_t)i, i, STORE_ORIGIN_UNKNOWN);
    assert_true(matcher_init(&m, &arena, MATCH_EQUAL, STR(LABEL_NAME), STR("h"), &err));
    assert_true(store_select(s, &arena, &m, 1, 0, 9, 9, &data, &n, &err));
    assert_int_equal(data[0].n_histograms, 3);
    assert_false(store_select(s, &arena, &m, 1, 0, 9, 8, &data, &n, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_true(store_select(s, &arena, &m, 1, 1, 1, 8, &data, &n, &err));
    assert_int_equal(data[0].n_histograms, 1);
    assert_int_equal(data[0].histograms[0].t_ms, 1);
    assert_true(store_select(s, &arena, &m, 1, 3, 9, 8, &data, &n, &err));
    assert_int_equal(n, 0);
    arena_release(&arena);
    store_close(s);
}

static void the_first_is_of_either_kind(void **state)
{
    (void)state;
    struct arena arena = ARENA_INIT;
    struct store_series_data *data;
    struct matcher m;
    struct err err = ERR_INIT;
    size_t n;
    struct store *s = test_open(NULL);
    put(s, "h", 1, 0, STORE_ORIGIN_UNKNOWN);
    assert_true(test_put(s, "h", NULL, 2, 5, STORE_ORIGIN_UNKNOWN, &err));
    put(s, "h", 3, 1, STORE_ORIGIN_UNKNOWN);
    assert_true(matcher_init(&m, &arena, MATCH_EQUAL, STR(LABEL_NAME), STR("h"), &err));
    assert_true(store_select_first(s, &arena, &m, 1, 0, 9, &data, &n, &err));
    assert_int_equal(data[0].n, 0);
    assert_int_equal(data[0].n_histograms, 1);
    assert_int_equal(data[0].histograms[0].t_ms, 1);
    assert_true(store_select_first(s, &arena, &m, 1, 2, 9, &data, &n, &err));
    assert_int_equal(data[0].n, 1);
    assert_int_equal(data[0].n_histograms, 0);
    arena_release(&arena);
    store_close(s);
}

/* Out of the head and into a block, but what follows still knows what it follows. */
static void old_histograms_move_to_a_block(void **state)
{
    (void)state;
    const int64_t day_ms = 24 * 3600 * 1000;
    struct arena arena = ARENA_INIT;
    struct store_series_data *data;
    struct buf told = BUF_INIT;
    struct store_tap tap = {
        .self = &told, .bind = bind_all, .feed = feed_text, .feed_histogram = feed_histogram_text};
    struct err err = ERR_INIT;
    struct store_stats stats;
    struct store *s = test_open(&tap);
    put(s, "h", 1, 0, STORE_ORIGIN_UNKNOWN);
    put(s, "other", day_ms + 2, 0, STORE_ORIGIN_UNKNOWN);
    assert_true(store_maintain(s, &err));
    store_stats(s, &stats);
    assert_int_equal(stats.blocks, 1);
    assert_int_equal(stats.min_time_ms, 0);
    assert_int_equal(test_read(s, &arena, "h", &data), 1);
    assert_int_equal(data[0].histograms[0].t_ms, 1);
    put(s, "h", day_ms + 3, 1, STORE_ORIGIN_UNKNOWN);
    assert_non_null(strstr(told.p, "86400003:10-3 "));
    assert_int_equal(test_read(s, &arena, "h", &data), 1);
    assert_int_equal(data[0].n_histograms, 2);
    assert_int_equal(data[0].histograms[1].t_ms, day_ms + 3);
    arena_release(&arena);
    store_close(s);
    buf_release(&told);
}

int main(void)
{
#define IN_FOLDER(f) cmocka_unit_test_setup_teardown(f, test_make_folder, test_remove_folder)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(histograms_are_kept_beside_floats),
        IN_FOLDER(each_histogram_gets_its_fate),
        IN_FOLDER(the_newest_may_be_a_histogram),
        IN_FOLDER(the_tap_sees_histograms_with_their_base),
        IN_FOLDER(a_query_pays_for_buckets),
        IN_FOLDER(the_first_is_of_either_kind),
        IN_FOLDER(old_histograms_move_to_a_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
