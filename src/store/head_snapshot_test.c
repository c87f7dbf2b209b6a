/* Snapshots of the head: what is in them comes back, with what the log has since; and whatever is
 * wrong with one, all is there because the log is read. */
#include "base/fault.h"
#include "store/testing.h"

#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <sys/stat.h>

#define MINUTE_MS 60000

/* --- A tap that adds up what it is told, and can be saved --- */

struct sums {
    double sum[4];
    unsigned fed, newest;
    double newest_v;
    bool refuses;
};

static uint32_t bind_sum(void *self, struct labels labels)
{
    (void)self;
    struct str name = labels_get(labels, LABEL_NAME);
    return name.p[0] == 'h'                       ? 4
           : name.p[0] >= 'a' && name.p[0] <= 'c' ? (uint32_t)(name.p[0] - 'a') + 1
                                                  : 0;
}

static void feed_histogram_sum(void *self, uint32_t token, int64_t t_ms, const struct histogram *h,
                               const struct histogram *base, bool recovering)
{
    struct sums *s = self;
    (void)t_ms;
    (void)recovering;
    s->sum[token - 1] += base ? h->count - base->count : 0;
}

static void feed_sum(void *self, uint32_t token, int64_t t_ms, double v, double increase,
                     bool recovering)
{
    struct sums *s = self;
    (void)t_ms;
    (void)v;
    (void)recovering;
    s->sum[token - 1] += isnan(increase) ? 0 : increase;
    s->fed++;
}

static void save_sums(void *self, struct buf *out)
{
    const struct sums *s = self;
    buf_add(out, s->sum, sizeof s->sum);
}

static bool load_sums(void *self, struct str saved)
{
    struct sums *s = self;
    if (s->refuses || (saved.n != 0 && saved.n != sizeof s->sum))
        return false;
    if (saved.n > 0)
        memcpy(s->sum, saved.p, sizeof s->sum);
    return true;
}

static void newest_sum(void *self, uint32_t token, int64_t t_ms, double v)
{
    struct sums *s = self;
    (void)token;
    (void)t_ms;
    s->newest++;
    s->newest_v = v;
}

static struct store_tap tap_of(struct sums *s)
{
    return (struct store_tap){.self = s,
                              .bind = bind_sum,
                              .feed = feed_sum,
                              .feed_histogram = feed_histogram_sum,
                              .save = save_sums,
                              .load = load_sums,
                              .newest = newest_sum};
}

static struct store *open_with(const struct store_tap *tap)
{
    struct err err = ERR_INIT;
    struct store *s = store_open(&(struct store_options){.path = test_folder,
                                                         .flush_ms = 1000,
                                                         .tap = tap,
                                                         .out_of_order_ms = 60 * MINUTE_MS,
                                                         .exemplars = 10},
                                 &err);
    if (!s)
        print_error("%s\n", err.message);
    assert_non_null(s);
    return s;
}

static void put(struct store *s, const char *name, int64_t t_ms, double v)
{
    struct err err = ERR_INIT;
    assert_true(test_put(s, name, "x", t_ms, v, STORE_ORIGIN_ZERO, &err));
}

static void snapshot(struct store *s)
{
    struct err err = ERR_INIT;
    if (!store_snapshot_head(s, &err))
        fail_msg("%s", err.message);
}

static struct store_snapshot_stats stats_of(struct store *s)
{
    struct store_snapshot_stats stats;
    store_snapshot_stats(s, &stats);
    return stats;
}

/* All samples of a series as text: t=v, and t=h(count) of histograms. */
static void expect(struct store *s, const char *name, const char *expected)
{
    struct arena arena = ARENA_INIT;
    struct buf text = BUF_INIT;
    struct store_series_data *data;
    size_t n = test_read(s, &arena, name, &data);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < data[i].n; k++)
            buf_printf(&text, "%lld=%g ", (long long)data[i].samples[k].t_ms, data[i].samples[k].v);
        for (size_t k = 0; k < data[i].n_histograms; k++)
            buf_printf(&text, "%lld=h(%g) ", (long long)data[i].histograms[k].t_ms,
                       data[i].histograms[k].h->count);
    }
    assert_string_equal(text.p ? text.p : "", expected);
    buf_release(&text);
    arena_release(&arena);
}

static void path_of(const char *suffix, char out[128])
{
    snprintf(out, 128, "%s/head.snapshot%s", test_folder, suffix);
}

/* --- What comes back --- */

static void what_is_in_it_and_what_came_after_come_back(void **state)
{
    struct sums sums = {0}, again = {0};
    struct store_tap tap = tap_of(&sums), tap_again = tap_of(&again);
    (void)state;
    struct store *s = open_with(&tap);
    put(s, "a", 10, 1);
    put(s, "b", 10, 5);
    put(s, "a", 20, 3);
    put(s, "a", 15, 2); /* late */
    snapshot(s);
    put(s, "a", 30, 7);
    put(s, "c", 30, 100);
    put(s, "b", 20, 1); /* a reset */
    assert_true(sums.sum[0] == 7 && sums.sum[1] == 6 && sums.sum[2] == 100);
    store_close(s);
    s = open_with(&tap_again);
    assert_true(stats_of(s).set_aside == 0 && stats_of(s).size_bytes > 0);
    assert_int_equal(again.fed, 3);
    assert_int_equal(again.newest, 2);
    assert_memory_equal(again.sum, sums.sum, sizeof sums.sum);
    expect(s, "a", "10=1 15=2 20=3 30=7 ");
    expect(s, "b", "10=5 20=1 ");
    expect(s, "c", "30=100 ");
    put(s, "a", 40, 8);
    put(s, "a", 25, 6); /* late, and after what was late before */
    expect(s, "a", "10=1 15=2 20=3 25=6 30=7 40=8 ");
    assert_true(again.sum[0] == 8);
    store_close(s);
}

/* Chunks that are full, and one that is not at any bit of a byte. */
static void chunks_go_on_where_they_were(void **state)
{
    struct buf expected = BUF_INIT;
    (void)state;
    struct store *s = open_with(NULL);
    for (int t = 0; t < 600; t++) {
        double v = t % 7 == 0 ? t * 0.1 : t;
        put(s, "a", t * 1000, v);
        buf_printf(&expected, "%d=%g ", t * 1000, v);
        if (t % 53 == 0 || (t > 400 && t < 420)) {
            snapshot(s);
            store_close(s);
            s = open_with(NULL);
            assert_true(stats_of(s).size_bytes > 0 && stats_of(s).set_aside == 0);
            expect(s, "a", expected.p);
        }
    }
    expect(s, "a", expected.p);
    store_close(s);
    buf_release(&expected);
}

static void put_histogram(struct store *s, int64_t t_ms, double count)
{
    static const struct histogram_span span[] = {{0, 1}};
    struct err err = ERR_INIT;
    struct store_batch *b = store_batch_begin(s, t_ms + MINUTE_MS);
    const struct histogram h = {
        .count = count, .sum = count, .positive = {1, 1, span, (double[]){count}}};
    assert_int_equal(
        store_batch_add_histogram(b, test_series(b, "h", NULL), t_ms, &h, STORE_ORIGIN_UNKNOWN),
        STORE_OK);
    assert_true(store_batch_commit(b, &err));
}

static void put_exemplar(struct store *s, int64_t t_ms, double v)
{
    struct err err = ERR_INIT;
    struct label l = {STR("trace_id"), STR("abc")};
    struct store_batch *b = store_batch_begin(s, t_ms);
    const struct store_exemplar e = {{1, &l}, v, t_ms};
    uint64_t ref = test_series(b, "e", NULL);
    assert_int_equal(store_batch_add(b, ref, t_ms, v, STORE_ORIGIN_UNKNOWN), STORE_OK);
    assert_int_equal(store_batch_add_exemplar(b, ref, &e), STORE_OK);
    assert_true(store_batch_commit(b, &err));
}

static void histograms_late_ones_and_exemplars_come_back(void **state)
{
    struct store_stats stats;
    (void)state;
    struct store *s = open_with(NULL);
    put_histogram(s, 10, 1);
    put_histogram(s, 20, 2);
    put_histogram(s, 40, 4);
    put_histogram(s, 30, 3); /* late */
    put_exemplar(s, 10, 1);
    put_exemplar(s, 20, 2);
    snapshot(s);
    put_histogram(s, 50, 5);
    put_exemplar(s, 30, 3);
    for (int i = 0; i < 2; i++) {
        store_close(s);
        s = open_with(NULL);
        assert_true(stats_of(s).size_bytes > 0);
        store_stats(s, &stats);
        assert_int_equal(stats.exemplars, 3);
        expect(s, "h",
               i ? "10=h(1) 20=h(2) 25=h(9) 30=h(3) 40=h(4) 50=h(5) 60=h(6) "
                 : "10=h(1) 20=h(2) 30=h(3) 40=h(4) 50=h(5) ");
        if (i == 0) {
            put_histogram(s, 60, 6);
            put_histogram(s, 25, 9);
            snapshot(s);
        }
    }
    store_close(s);
}

/* Series whose samples are all in blocks have left; when they come again, what they count goes on
 * from where it was. */
static void series_that_left_go_on_where_they_were(void **state)
{
    const int64_t hour_ms = 60 * MINUTE_MS, begin_ms = 1000 * hour_ms;
    struct sums sums = {0}, again = {0};
    struct store_tap tap = tap_of(&sums), tap_again = tap_of(&again);
    struct store_stats stats;
    struct err err = ERR_INIT;
    (void)state;
    struct store *s = open_with(&tap);
    put(s, "a", begin_ms, 5);
    put_histogram(s, begin_ms, 7);
    put(s, "lives", begin_ms, 1);
    put(s, "lives", begin_ms + 6 * hour_ms, 1);
    assert_true(store_maintain(s, &err));
    store_stats(s, &stats);
    assert_int_equal(stats.series, 1);
    snapshot(s);
    store_close(s);
    s = open_with(&tap_again);
    assert_true(stats_of(s).size_bytes > 0);
    store_stats(s, &stats);
    assert_int_equal(stats.series, 1);
    put(s, "a", begin_ms + 7 * hour_ms, 9);
    put_histogram(s, begin_ms + 7 * hour_ms, 10);
    assert_true(again.sum[0] == 9 && again.sum[3] == 3);
    store_close(s);
}

static void an_empty_head_can_be_written(void **state)
{
    (void)state;
    struct store *s = open_with(NULL);
    snapshot(s);
    store_close(s);
    s = open_with(NULL);
    assert_int_equal(stats_of(s).set_aside, 0);
    put(s, "a", 10, 1);
    store_close(s);
    s = open_with(NULL);
    expect(s, "a", "10=1 ");
    store_close(s);
}

/* --- While others append --- */

enum { WRITERS = 3, WRITES = 400, SERIES_EACH = 20 };

struct writer {
    struct store *store;
    int number;
};

/* Counters a, b and c, one a writer, of many jobs; now and then a late one, or a new series. */
static void *write_many(void *arg)
{
    const struct writer *w = arg;
    char name[2] = {(char)('a' + w->number), 0}, job[16];
    for (int t = 1; t <= WRITES; t++) {
        struct err err = ERR_INIT;
        struct store_batch *b = store_batch_begin(w->store, (int64_t)WRITES * 1000);
        for (int i = 0; i < SERIES_EACH + t / 10; i++) {
            snprintf(job, sizeof job, "%d", i);
            int64_t t_ms = t % 50 == 0 && i == 0 ? t * 1000 - 1500 : t * 1000;
            (void)store_batch_add(b, test_series(b, name, job), t_ms, t, STORE_ORIGIN_ZERO);
        }
        if (!store_batch_commit(b, &err))
            return NULL;
    }
    return arg;
}

/* How many samples there are, and their sum. */
static void sum_up(struct store *s, double out[2])
{
    static const char *const names[] = {"a", "b", "c"};
    out[0] = out[1] = 0;
    for (size_t i = 0; i < 3; i++) {
        struct arena arena = ARENA_INIT;
        struct store_series_data *data;
        size_t n = test_read(s, &arena, names[i], &data);
        assert_int_equal(n, SERIES_EACH + WRITES / 10);
        for (size_t k = 0; k < n; k++) {
            out[0] += (double)data[k].n;
            for (size_t at = 0; at < data[k].n; at++)
                out[1] += data[k].samples[at].v * (double)data[k].samples[at].t_ms;
        }
        arena_release(&arena);
    }
}

static void others_may_append_meanwhile(void **state)
{
    struct sums sums = {0};
    struct store_tap tap = tap_of(&sums);
    struct writer writers[WRITERS];
    pthread_t threads[WRITERS];
    double before[2], after[2];
    (void)state;
    struct store *s = open_with(&tap);
    for (int i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){s, i};
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, &writers[i]), 0);
    }
    for (int i = 0; i < 20; i++) {
        struct err err = ERR_INIT;
        if (!store_snapshot_head(s, &err)) /* the log may begin a segment just then */
            assert_int_equal(err.code, ERR_CONFLICT);
    }
    for (int i = 0; i < WRITERS; i++) {
        void *done;
        assert_int_equal(pthread_join(threads[i], &done), 0);
        assert_non_null(done);
    }
    sum_up(s, before);
    store_close(s);
    struct sums again = {0};
    tap = tap_of(&again);
    s = open_with(&tap);
    assert_true(stats_of(s).size_bytes > 0 && stats_of(s).set_aside == 0);
    sum_up(s, after);
    assert_memory_equal(after, before, sizeof before);
    assert_memory_equal(again.sum, sums.sum, sizeof sums.sum);
    store_close(s);
}

/* --- What is wrong with one --- */

static void write_two(struct sums *sums)
{
    struct store_tap tap = tap_of(sums);
    struct store *s = open_with(&tap);
    put(s, "a", 10, 1);
    put_histogram(s, 10, 1);
    put(s, "b", 10, 2);
    put(s, "a", 5, 2);
    put_exemplar(s, 10, 1);
    snapshot(s);
    put(s, "a", 20, 4);
    store_close(s);
}

static void expect_all_from_the_log(bool set_aside)
{
    struct sums sums = {0};
    struct store_tap tap = tap_of(&sums);
    struct store *s = open_with(&tap);
    assert_int_equal(stats_of(s).set_aside, set_aside);
    expect(s, "a", "5=2 10=1 20=4 ");
    expect(s, "b", "10=2 ");
    expect(s, "h", "10=h(1) ");
    assert_true(sums.sum[0] == 4 && sums.sum[1] == 2);
    store_close(s);
}

static void any_byte_may_be_damaged(void **state)
{
    char path[128], aside[128];
    struct sums sums = {0};
    struct buf text = BUF_INIT;
    struct err err = ERR_INIT;
    (void)state;
    write_two(&sums);
    path_of("", path);
    path_of(".corrupt", aside);
    assert_true(file_read(path, 1 << 20, &text, &err));
    for (size_t i = 0; i < 2 * text.n; i++) {
        char bit = (char)(i < text.n ? 1u << i % 8 : 1);
        text.p[i % text.n] ^= bit;
        assert_true(file_replace(path, buf_str(&text), 0600, &err));
        text.p[i % text.n] ^= bit;
        expect_all_from_the_log(true);
        assert_false(file_exists(path));
        assert_true(file_exists(aside));
    }
    for (size_t n = 0; n < text.n; n += 1 + n % 7) {
        assert_true(file_replace(path, str_make(text.p, n), 0600, &err));
        expect_all_from_the_log(true);
    }
    assert_true(file_replace(path, buf_str(&text), 0600, &err));
    expect_all_from_the_log(false);
    buf_release(&text);
}

/* The log that it goes on from was cut or is gone. */
static void a_log_that_does_not_go_on_from_it(void **state)
{
    char segment[128];
    struct sums sums = {0};
    (void)state;
    write_two(&sums);
    snprintf(segment, sizeof segment, "%s/00000001", test_wal);
    assert_int_equal(truncate(segment, 20), 0);
    struct store *s = open_with(NULL);
    assert_int_equal(stats_of(s).set_aside, 1);
    expect(s, "a", "");
    store_close(s);
}

static void a_segment_that_it_does_not_know(void **state)
{
    char from[128], to[128];
    struct sums sums = {0};
    struct err err = ERR_INIT;
    (void)state;
    write_two(&sums); /* 1 */
    struct store *s = open_with(NULL);
    put(s, "a", 30, 5); /* 2 */
    snapshot(s);
    store_close(s);
    snprintf(from, sizeof from, "%s/00000001", test_wal);
    snprintf(to, sizeof to, "%s/00000000", test_wal);
    assert_true(block_rename(from, to, &err)); /* no number of a segment: as if it were gone */
    s = open_with(NULL);
    assert_int_equal(stats_of(s).set_aside, 0);
    expect(s, "a", "5=2 10=1 20=4 30=5 ");
    store_close(s);
    snprintf(to, sizeof to, "%s/00000003", test_wal);
    snprintf(from, sizeof from, "%s/00000002", test_wal);
    assert_int_equal(unlink(from), 0);
    s = open_with(NULL);
    assert_int_equal(stats_of(s).set_aside, 1);
    store_close(s);
}

static void sums_that_make_no_sense_are_counted_anew(void **state)
{
    struct sums sums = {0}, refusing = {.refuses = true};
    struct store_tap tap = tap_of(&refusing);
    (void)state;
    write_two(&sums);
    struct store *s = open_with(&tap);
    assert_int_equal(stats_of(s).set_aside, 1);
    assert_true(refusing.sum[0] == 4 && refusing.sum[1] == 2);
    store_close(s);
}

/* A tap that cannot be saved reads the whole log and has nothing written. */
static void a_tap_without_a_memory_takes_no_part(void **state)
{
    struct sums sums = {0}, other = {0};
    struct store_tap tap = {.self = &other, .bind = bind_sum, .feed = feed_sum};
    struct err err = ERR_INIT;
    (void)state;
    write_two(&sums);
    struct store *s = open_with(&tap);
    assert_int_equal(stats_of(s).set_aside, 0);
    assert_true(other.sum[0] == 4);
    assert_false(store_snapshot_head(s, &err));
    assert_int_equal(err.code, ERR_CONFLICT);
    store_close(s);
}

/* --- Faults while it is written --- */

static void a_disk_that_fails_leaves_the_one_before(void **state)
{
    static const char *const faults[] = {"block.write:short=100", "block.sync", "block.rename",
                                         "wal.fsync"};
    struct sums sums = {0};
    char temporary[128];
    (void)state;
    write_two(&sums);
    path_of(".tmp", temporary);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        struct store_tap tap = tap_of(&(struct sums){0});
        struct err err = ERR_INIT;
        struct store *s = open_with(&tap);
        put(s, "z", 10 + (int64_t)i, 1);
        assert_true(fault_arm(faults[i], &err));
        assert_false(store_snapshot_head(s, &err));
        assert_int_equal(err.code, ERR_IO);
        fault_disarm_all();
        assert_false(file_exists(temporary));
        store_close(s);
        expect_all_from_the_log(false);
    }
}

int main(void)
{
#define IN_FOLDER(f) cmocka_unit_test_setup_teardown(f, test_make_folder, test_remove_folder)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(what_is_in_it_and_what_came_after_come_back),
        IN_FOLDER(chunks_go_on_where_they_were),
        IN_FOLDER(histograms_late_ones_and_exemplars_come_back),
        IN_FOLDER(series_that_left_go_on_where_they_were),
        IN_FOLDER(an_empty_head_can_be_written),
        IN_FOLDER(others_may_append_meanwhile),
        IN_FOLDER(any_byte_may_be_damaged),
        IN_FOLDER(a_log_that_does_not_go_on_from_it),
        IN_FOLDER(a_segment_that_it_does_not_know),
        IN_FOLDER(sums_that_make_no_sense_are_counted_anew),
        IN_FOLDER(a_tap_without_a_memory_takes_no_part),
        IN_FOLDER(a_disk_that_fails_leaves_the_one_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
