#include "base/fault.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/testing.h"

static void each_sample_gets_its_fate(void **state)
{
    (void)state;
    struct store *s = test_open(NULL);
    struct err err = ERR_INIT;
    struct store_stats stats;
    const int64_t now = 1000000;
    struct store_batch *b = store_batch_begin(s, now);
    uint64_t a = test_series(b, "a", NULL);
    assert_int_equal(store_batch_add(b, a, now, 1, STORE_ORIGIN_UNKNOWN), STORE_OK);
    assert_int_equal(store_batch_add(b, a, now, 1, STORE_ORIGIN_UNKNOWN), STORE_DUPLICATE);
    assert_int_equal(store_batch_add(b, a, now, 2, STORE_ORIGIN_UNKNOWN), STORE_CONFLICTING);
    assert_int_equal(store_batch_add(b, a, now - 1, 1, STORE_ORIGIN_UNKNOWN), STORE_OUT_OF_ORDER);
    assert_int_equal(store_batch_add(b, a, now + 600001, 1, STORE_ORIGIN_UNKNOWN),
                     STORE_TOO_FAR_AHEAD);
    assert_int_equal(store_batch_add(b, a, now + 600000, 3, STORE_ORIGIN_UNKNOWN), STORE_OK);
    assert_int_equal(store_batch_add(b, a, INT64_MAX, 3, STORE_ORIGIN_UNKNOWN),
                     STORE_TOO_FAR_AHEAD);
    assert_true(store_batch_commit(b, &err));

    b = store_batch_begin(s, now);
    assert_int_equal(store_batch_add(b, a, now + 600000, 3, STORE_ORIGIN_UNKNOWN), STORE_DUPLICATE);
    assert_int_equal(store_batch_add(b, a, now, 3, STORE_ORIGIN_UNKNOWN), STORE_OUT_OF_ORDER);
    assert_true(store_batch_commit(b, &err));
    store_stats(s, &stats);
    assert_int_equal(stats.samples_appended, 2);
    assert_int_equal(stats.samples_refused, 5);
    assert_int_equal(stats.min_time_ms, now);
    assert_int_equal(stats.max_time_ms, now + 600000);
    assert_string_equal(store_result_name(STORE_TOO_FAR_AHEAD), "too_far_ahead");
    store_close(s);
}

static void the_newest_sample_is_the_batchs_own(void **state)
{
    (void)state;
    struct store *s = test_open(NULL);
    struct err err = ERR_INIT;
    struct sample newest;
    struct store_batch *b = store_batch_begin(s, 1000);
    uint64_t a = test_series(b, "a", NULL);
    assert_false(store_batch_newest(b, a, &newest));
    assert_int_equal(store_batch_add(b, a, 500, 7, STORE_ORIGIN_UNKNOWN), STORE_OK);
    assert_true(store_batch_newest(b, a, &newest));
    assert_int_equal(newest.t_ms, 500);
    assert_true(newest.v == 7);
    store_batch_cancel(b);

    b = store_batch_begin(s, 1000);
    assert_false(store_batch_newest(b, a, &newest));
    assert_int_equal(store_batch_add(b, a, 600, 8, STORE_ORIGIN_UNKNOWN), STORE_OK);
    assert_true(store_batch_commit(b, &err));
    b = store_batch_begin(s, 1000);
    assert_true(store_batch_newest(b, a, &newest));
    assert_int_equal(newest.t_ms, 600);
    assert_true(newest.v == 8);
    store_batch_cancel(b);
    store_close(s);
}

static void a_full_head_says_limit(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct store *s =
        store_open(&(struct store_options){.path = test_folder, .max_series = 1}, &err);
    struct store_batch *b = store_batch_begin(s, 10);
    uint64_t a = test_series(b, "a", NULL);
    assert_int_equal(test_series(b, "a", NULL), a);
    uint64_t more = test_series(b, "b", NULL);
    assert_int_equal(more, 0);
    assert_int_equal(store_batch_add(b, more, 10, 1, STORE_ORIGIN_UNKNOWN), STORE_LIMIT);
    assert_int_equal(store_batch_add(b, a, 10, 1, STORE_ORIGIN_UNKNOWN), STORE_OK);
    assert_true(store_batch_commit(b, &err));
    store_close(s);
}

static void nothing_is_visible_before_commit_or_after_cancel(void **state)
{
    (void)state;
    struct store *s = test_open(NULL);
    struct arena arena = ARENA_INIT;
    struct store_series_data *data;
    struct err err = ERR_INIT;
    struct str *names;
    size_t n;
    struct store_batch *b = store_batch_begin(s, 10);
    uint64_t a = test_series(b, "a", NULL);
    assert_int_equal(store_batch_add(b, a, 10, 1, STORE_ORIGIN_UNKNOWN), STORE_OK);
    assert_int_equal(test_read(s, &arena, "a", &data), 0);
    assert_true(store_label_names(s, &arena, NULL, 0, INT64_MIN, INT64_MAX, &names, &n, &err));
    assert_int_equal(n, 0);
    store_batch_cancel(b);
    assert_int_equal(test_read(s, &arena, "a", &data), 0);
    assert_true(test_put(s, "a", NULL, 5, 1, STORE_ORIGIN_UNKNOWN, &err));
    assert_int_equal(test_read(s, &arena, "a", &data), 1);
    arena_release(&arena);
    store_close(s);
}

static void a_batch_that_another_overtook_loses_its_samples_only(void **state)
{
    (void)state;
    struct store *s = test_open(NULL);
    struct arena arena = ARENA_INIT;
    struct store_series_data *data;
    struct err err = ERR_INIT;
    for (int again = 0; again < 2; again++) {
        if (again == 0) {
            struct store_batch *slow = store_batch_begin(s, 20);
            uint64_t a = test_series(slow, "a", NULL), b = test_series(slow, "b", NULL);
            assert_int_equal(store_batch_add(slow, a, 10, 1, STORE_ORIGIN_UNKNOWN), STORE_OK);
            assert_int_equal(store_batch_add(slow, b, 10, 1, STORE_ORIGIN_UNKNOWN), STORE_OK);
            assert_true(test_put(s, "a", NULL, 20, 2, STORE_ORIGIN_UNKNOWN, &err));
            assert_true(store_batch_commit(slow, &err));
        }
        assert_int_equal(test_read(s, &arena, "a", &data), 1);
        assert_int_equal(data[0].n, 1);
        assert_int_equal(data[0].samples[0].t_ms, 20);
        assert_int_equal(test_read(s, &arena, "b", &data), 1);
        store_close(s);
        s = test_open(NULL);
    }
    arena_release(&arena);
    store_close(s);
}

static void a_failed_log_acknowledges_and_shows_nothing(void **state)
{
    (void)state;
    const char *const faults[] = {"wal.write:once:errno=ENOSPC", "wal.fsync:once:errno=EIO"};
    for (size_t i = 0; i < 2; i++) {
        struct arena arena = ARENA_INIT;
        struct store_series_data *data;
        struct err err = ERR_INIT;
        struct store *s = store_open(
            &(struct store_options){.path = test_folder, .flush_ms = 60000, .fsync_always = true},
            &err);
        assert_non_null(s);
        int64_t t = 1000 * (int64_t)(i + 1);
        assert_true(test_put(s, "a", NULL, t, 1, STORE_ORIGIN_UNKNOWN, &err));
        assert_true(fault_arm(faults[i], &err));
        assert_false(test_put(s, "a", NULL, t + 1, 2, STORE_ORIGIN_UNKNOWN, &err));
        assert_int_equal(err.code, ERR_IO);
        fault_disarm_all();
        assert_int_equal(test_read(s, &arena, "a", &data), 1);
        assert_int_equal(data[0].samples[data[0].n - 1].t_ms, t);
        assert_true(test_put(s, "a", NULL, t + 1, 2, STORE_ORIGIN_UNKNOWN, &err));
        assert_int_equal(test_read(s, &arena, "a", &data), 1);
        assert_int_equal(data[0].samples[data[0].n - 1].t_ms, t + 1);
        arena_release(&arena);
        store_close(s);
    }
}

/* A tap that sees one series' samples and CHECKs their order. */
struct seen {
    int64_t last_t_ms;
    double sum;
    unsigned n;
};

static uint32_t bind_counter(void *self, struct labels labels)
{
    (void)self;
    return str_is(labels_get(labels, LABEL_NAME), "c");
}

static void feed_in_order(void *self, uint32_t token, int64_t t_ms, double v, double increase,
                          bool recovering)
{
    struct seen *seen = self;
    (void)v;
    assert_int_equal(token, 1);
    assert_false(recovering);
    assert_true(t_ms > seen->last_t_ms);
    seen->last_t_ms = t_ms;
    seen->n++;
    if (!isnan(increase))
        seen->sum += increase;
}

struct writer {
    struct store *store;
    _Atomic int64_t *clock;
    unsigned committed;
};

static void *write_counter(void *arg)
{
    struct writer *w = arg;
    struct err err = ERR_INIT;
    for (int i = 0; i < 300; i++) {
        int64_t t = ++*w->clock;
        struct store_batch *b = store_batch_begin(w->store, t);
        uint64_t c = test_series(b, "c", NULL), x = test_series(b, "x", "1"),
                 y = test_series(b, "y", "1");
        (void)store_batch_add(b, c, t, (double)t, STORE_ORIGIN_ZERO);
        (void)store_batch_add(b, x, t, (double)t, STORE_ORIGIN_UNKNOWN);
        (void)store_batch_add(b, y, t, (double)t, STORE_ORIGIN_UNKNOWN);
        w->committed += store_batch_commit(b, &err);
    }
    return NULL;
}

static void check_together(struct store *s)
{
    struct arena arena = ARENA_INIT;
    struct matcher m;
    struct store_series_data *data;
    struct err err = ERR_INIT;
    size_t n;
    assert_true(matcher_init(&m, &arena, MATCH_EQUAL, STR("job"), STR("1"), &err));
    assert_true(store_select(s, &arena, &m, 1, 0, INT64_MAX, 0, &data, &n, &err));
    if (n > 0) {
        assert_int_equal(n, 2);
        assert_int_equal(data[0].n, data[1].n);
        assert_memory_equal(data[0].samples, data[1].samples, data[0].n * sizeof *data[0].samples);
    }
    arena_release(&arena);
}

static void threads_see_whole_batches_and_the_tap_sees_order(void **state)
{
    (void)state;
    struct seen seen = {.last_t_ms = -1};
    struct store_tap tap = {.self = &seen, .bind = bind_counter, .feed = feed_in_order};
    _Atomic int64_t clock = 0;
    struct store *s = test_open(&tap);
    struct writer w[3];
    pthread_t threads[3];
    struct store_stats stats;
    for (size_t i = 0; i < 3; i++) {
        w[i] = (struct writer){s, &clock, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, write_counter, &w[i]), 0);
    }
    for (int i = 0; i < 100; i++)
        check_together(s);
    for (size_t i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(w[i].committed, 300);
    }
    store_stats(s, &stats);
    assert_int_equal(stats.samples_appended + stats.samples_refused, 2700);
    assert_int_equal(seen.n * 3, stats.samples_appended);
    assert_true(seen.sum == (double)seen.last_t_ms);
    store_close(s);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, test_make_folder, test_remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(each_sample_gets_its_fate),
        IN_FOLDER(the_newest_sample_is_the_batchs_own),
        IN_FOLDER(a_full_head_says_limit),
        IN_FOLDER(nothing_is_visible_before_commit_or_after_cancel),
        IN_FOLDER(a_batch_that_another_overtook_loses_its_samples_only),
        IN_FOLDER(a_failed_log_acknowledges_and_shows_nothing),
        IN_FOLDER(threads_see_whole_batches_and_the_tap_sees_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
