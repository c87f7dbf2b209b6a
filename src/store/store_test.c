#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "store/testing.h"

/* A tap that writes down what it is told, as text. */
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
    buf_printf(self, "%lld:%g+%g ", (long long)t_ms, is_stale_nan(v) ? -1 : v,
               isnan(increase) ? -1 : increase);
}

static void recovery_tells_the_tap_what_it_was_told_before(void **state)
{
    (void)state;
    struct buf told = BUF_INIT, again = BUF_INIT;
    struct store_tap tap = {.self = &told, .bind = bind_all, .feed = feed_text};
    struct err err = ERR_INIT;
    struct arena arena = ARENA_INIT;
    struct store_series_data *data;
    struct store_stats stats;
    struct store *s = test_open(&tap);
    assert_true(test_put(s, "\xe6\x97\xa5 \"\n", "a", 1, 5, STORE_ORIGIN_ZERO, &err));
    assert_true(test_put(s, "\xe6\x97\xa5 \"\n", "a", 2, 7.25, STORE_ORIGIN_UNKNOWN, &err));
    assert_true(test_put(s, "c", "a", 3, 100, STORE_ORIGIN_UNKNOWN, &err));
    assert_true(test_put(s, "c", "a", 4, stale_nan(), STORE_ORIGIN_ZERO, &err));
    assert_true(test_put(s, "c", "a", 5, 30, STORE_ORIGIN_ZERO, &err));
    assert_true(store_flush(s, &err));
    store_close(s);
    assert_string_equal(told.p, "1:5+5 2:7.25+2.25 3:100+-1 4:-1+-1 5:30+30 ");

    tap.self = &again;
    s = test_open(&tap);
    assert_string_equal(again.p, told.p);
    assert_int_equal(test_read(s, &arena, "\xe6\x97\xa5 \"\n", &data), 1);
    assert_int_equal(data[0].n, 2);
    assert_true(str_is(labels_get(data[0].labels, "job"), "a"));
    store_stats(s, &stats);
    assert_int_equal(stats.series, 2);
    assert_int_equal(stats.samples_appended, 0);
    assert_int_equal(stats.wal_corruptions, 0);
    assert_int_equal(stats.min_time_ms, 1);
    assert_int_equal(stats.max_time_ms, 5);
    assert_true(test_put(s, "c", "a", 6, 31, STORE_ORIGIN_ZERO, &err));
    assert_non_null(strstr(again.p, " 6:31+1 "));
    store_close(s);

    buf_clear(&again);
    s = test_open(&tap);
    assert_non_null(strstr(again.p, " 5:30+30 6:31+1 "));
    store_close(s);
    arena_release(&arena);
    buf_release(&told);
    buf_release(&again);
}

struct swapped {
    struct buf *told;
    size_t told_before;
};

static void note_swap(void *arg)
{
    struct swapped *s = arg;
    s->told_before = s->told->n;
}

static void a_new_tap_takes_over_where_the_old_one_ended(void **state)
{
    (void)state;
    struct buf old_told = BUF_INIT, new_told = BUF_INIT;
    struct store_tap old_tap = {.self = &old_told, .bind = bind_all, .feed = feed_text};
    struct store_tap new_tap = {.self = &new_told, .bind = bind_all, .feed = feed_text};
    struct swapped swapped = {&old_told, 0};
    struct err err = ERR_INIT;
    struct store *s = test_open(&old_tap);
    assert_true(test_put(s, "c", "a", 1, 5, STORE_ORIGIN_ZERO, &err));
    store_set_tap(s, &new_tap, note_swap, &swapped);
    assert_true(test_put(s, "c", "a", 2, 7, STORE_ORIGIN_UNKNOWN, &err));
    assert_string_equal(old_told.p, "1:5+5 ");
    assert_int_equal(swapped.told_before, old_told.n);
    assert_string_equal(new_told.p, "2:7+2 ");
    store_close(s);
    buf_release(&old_told);
    buf_release(&new_told);
}

static void a_second_opener_is_turned_away(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct store *s = test_open(NULL);
    assert_null(store_open(&(struct store_options){.path = test_folder}, &err));
    assert_int_equal(err.code, ERR_CONFLICT);
    store_close(s);
    s = test_open(NULL);
    store_close(s);
}

/* n batches of one sample each in segment 00000001, at t = 1, 2, ... */
static void write_segment(int64_t n)
{
    struct err err = ERR_INIT;
    struct store *s = test_open(NULL);
    for (int64_t t = 1; t <= n; t++)
        assert_true(test_put(s, "a", NULL, t, (double)t, STORE_ORIGIN_UNKNOWN, &err));
    store_close(s);
}

static size_t count_samples(struct store *s)
{
    struct arena arena = ARENA_INIT;
    struct store_series_data *data;
    size_t n = test_read(s, &arena, "a", &data);
    size_t samples = n ? data[0].n : 0;
    for (size_t i = 0; i < samples; i++)
        assert_true(data[0].samples[i].v == (double)data[0].samples[i].t_ms);
    arena_release(&arena);
    return samples;
}

static void read_segment(struct buf *out, char *path, size_t path_bytes)
{
    struct err err = ERR_INIT;
    snprintf(path, path_bytes, "%s/00000001", test_wal);
    assert_true(file_read(path, 1 << 20, out, &err));
}

static void a_torn_tail_is_cut(void **state)
{
    (void)state;
    struct buf bytes = BUF_INIT;
    struct err err = ERR_INIT;
    struct store_stats stats;
    char path[128];
    write_segment(3);
    read_segment(&bytes, path, sizeof path);
    size_t whole = 3;
    for (size_t n = bytes.n; n-- > 0;) {
        assert_true(file_replace(path, str_make(bytes.p, n), 0600, &err));
        struct store *s = test_open(NULL);
        size_t found = count_samples(s);
        assert_true(found == whole || found + 1 == whole);
        whole = found;
        store_stats(s, &stats);
        assert_int_equal(stats.wal_corruptions, 0);
        if (n % 10 == 0 && found > 0) {
            assert_true(test_put(s, "a", NULL, 100, 100, STORE_ORIGIN_UNKNOWN, &err));
            store_close(s);
            s = test_open(NULL);
            assert_int_equal(count_samples(s), found + 1);
            char second[96];
            snprintf(second, sizeof second, "%s/00000002", test_wal);
            assert_int_equal(unlink(second), 0);
        }
        store_close(s);
    }
    assert_int_equal(whole, 0);
    buf_release(&bytes);
}

static void count_corrupt(void *arg, const char *name)
{
    *(size_t *)arg += str_ends(str_from(name), STR(".corrupt"));
}

static void a_flipped_bit_sets_the_rest_aside_and_the_next_segment_is_served(void **state)
{
    (void)state;
    struct buf bytes = BUF_INIT;
    struct err err = ERR_INIT;
    struct store_stats stats;
    char path[128];
    write_segment(3);
    read_segment(&bytes, path, sizeof path);
    struct store *s = test_open(NULL);
    assert_true(test_put(s, "a", NULL, 4, 4, STORE_ORIGIN_UNKNOWN, &err));
    store_close(s);
    for (size_t i = 0; i < bytes.n; i += 3) {
        char flipped = bytes.p[i];
        bytes.p[i] = (char)(flipped ^ 0x10);
        assert_true(file_replace(path, buf_str(&bytes), 0600, &err));
        s = test_open(NULL);
        size_t found = count_samples(s);
        assert_true(found >= 1 && found <= 3);
        store_stats(s, &stats);
        assert_int_equal(stats.wal_corruptions, 1);
        store_close(s);
        size_t aside = 0;
        assert_true(file_list(test_wal, count_corrupt, &aside, &err));
        assert_true(aside >= 1);
        s = test_open(NULL);
        assert_int_equal(count_samples(s), found);
        store_stats(s, &stats);
        assert_int_equal(stats.wal_corruptions, 0);
        store_close(s);
        bytes.p[i] = flipped;
    }
    buf_release(&bytes);
}

/* Commits until it is killed, telling the pipe each time that a batch was acknowledged. */
static void write_until_killed(int pipe_fd)
{
    struct err err = ERR_INIT;
    struct store *s = store_open(&(struct store_options){.path = test_folder, .flush_ms = 1}, &err);
    for (int64_t t = 1; s; t++) {
        struct store_batch *b = store_batch_begin(s, t);
        (void)store_batch_add(b, test_series(b, "a", NULL), t, (double)t, STORE_ORIGIN_UNKNOWN);
        (void)store_batch_add(b, test_series(b, "b", NULL), t, (double)t, STORE_ORIGIN_UNKNOWN);
        if (!store_batch_commit(b, &err) || write(pipe_fd, "", 1) != 1)
            break;
    }
    _exit(1);
}

static void kill_loses_nothing_acknowledged(void **state)
{
    (void)state;
    int fds[2], status;
    char byte;
    assert_int_equal(pipe(fds), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(fds[0]);
        write_until_killed(fds[1]);
    }
    close(fds[1]);
    size_t acknowledged = 0;
    while (acknowledged < 500 && read(fds[0], &byte, 1) == 1)
        acknowledged++;
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    while (read(fds[0], &byte, 1) == 1)
        acknowledged++;
    close(fds[0]);

    struct store *s = test_open(NULL);
    struct arena arena = ARENA_INIT;
    struct store_series_data *data;
    size_t found = count_samples(s);
    assert_true(acknowledged >= 500 && found >= acknowledged);
    assert_int_equal(test_read(s, &arena, "b", &data), 1);
    assert_int_equal(data[0].n, found);
    arena_release(&arena);
    store_close(s);
}

static void many_series_and_chunks_come_back(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct store_stats stats;
    struct arena arena = ARENA_INIT;
    struct store_series_data *data;
    struct store *s = test_open(NULL);
    for (int64_t t = 1; t <= 500; t++) {
        struct store_batch *b = store_batch_begin(s, t * 15000);
        for (int i = 0; i < 50; i++) {
            char job[16];
            snprintf(job, sizeof job, "%d", i);
            (void)store_batch_add(b, test_series(b, "m", job), t * 15000, (double)(t * i) / 3,
                                  STORE_ORIGIN_UNKNOWN);
        }
        assert_true(store_batch_commit(b, &err));
    }
    store_close(s);
    s = test_open(NULL);
    assert_int_equal(test_read(s, &arena, "m", &data), 50);
    for (size_t i = 0; i < 50; i++) {
        int job = atoi(labels_get(data[i].labels, "job").p);
        assert_int_equal(data[i].n, 500);
        for (int64_t t = 1; t <= 500; t++)
            assert_true(data[i].samples[t - 1].v == (double)(t * job) / 3);
    }
    store_stats(s, &stats);
    assert_true(stats.chunk_bytes > 0 && stats.chunk_bytes < 50 * 500 * 12);
    assert_true(stats.wal_bytes > 0);
    arena_release(&arena);
    store_close(s);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, test_make_folder, test_remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(recovery_tells_the_tap_what_it_was_told_before),
        IN_FOLDER(a_new_tap_takes_over_where_the_old_one_ended),
        IN_FOLDER(a_second_opener_is_turned_away),
        IN_FOLDER(a_torn_tail_is_cut),
        IN_FOLDER(a_flipped_bit_sets_the_rest_aside_and_the_next_segment_is_served),
        IN_FOLDER(kill_loses_nothing_acknowledged),
        IN_FOLDER(many_series_and_chunks_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
