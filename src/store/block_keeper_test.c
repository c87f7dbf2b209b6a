/* The store over hours and days: what was put in is read from head and blocks as one, whatever
 * happens meanwhile. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "store/internal.h"
#include "store/testing.h"

#include "base/budget.h"
#include "base/fault.h"
#include "block/compact.h"
#include "block/set.h"

#define HOUR_MS INT64_C(3600000)
#define STEP_MS INT64_C(60000)
#define SERIES 12

static const int64_t begin_ms = INT64_C(1700000000000) / (18 * HOUR_MS) * (18 * HOUR_MS);

static double value_at(int series, int64_t t_ms)
{
    return series * 1000 + (double)(t_ms / STEP_MS % 977);
}

static void name_series(char out[16], int i)
{
    snprintf(out, 16, "job-%02d", i);
}

/* All series, each minute of [from, to). */
static void fill(struct store *s, int64_t from_ms, int64_t to_ms)
{
    struct err err = ERR_INIT;
    uint64_t refs[SERIES];
    struct store_batch *b = store_batch_begin(s, to_ms);
    for (int i = 0; i < SERIES; i++) {
        char job[16];
        name_series(job, i);
        refs[i] = test_series(b, "m", job);
    }
    for (int64_t t = from_ms; t < to_ms; t += STEP_MS) {
        for (int i = 0; i < SERIES; i++)
            assert_int_equal(store_batch_add(b, refs[i], t, value_at(i, t), STORE_ORIGIN_UNKNOWN),
                             STORE_OK);
    }
    assert_true(store_batch_commit(b, &err));
}

/* That exactly this is there, each sample once. */
static void check(struct store *s, int64_t from_ms, int64_t to_ms)
{
    struct arena arena = ARENA_INIT;
    struct store_series_data *data;
    assert_int_equal(test_read(s, &arena, "m", &data), SERIES);
    for (int i = 0; i < SERIES; i++) {
        assert_int_equal(data[i].n, (to_ms - from_ms) / STEP_MS);
        for (size_t k = 0; k < data[i].n; k++) {
            int64_t t_ms = from_ms + (int64_t)k * STEP_MS;
            assert_int_equal(data[i].samples[k].t_ms, t_ms);
            assert_true(data[i].samples[k].v == value_at(i, t_ms));
        }
    }
    arena_release(&arena);
}

static struct store_stats stats_of(struct store *s)
{
    struct store_stats stats;
    store_stats(s, &stats);
    return stats;
}

static void maintain(struct store *s)
{
    struct err err = ERR_INIT;
    if (!store_maintain(s, &err))
        print_error("%s\n", err.message);
    assert_int_equal(err.code, ERR_NONE);
}

static void the_head_moves_to_blocks(void **state)
{
    (void)state;
    struct store *s = test_open(NULL);
    for (int64_t h = 0; h < 40; h++) {
        fill(s, begin_ms + h * HOUR_MS, begin_ms + (h + 1) * HOUR_MS);
        maintain(s);
        check(s, begin_ms, begin_ms + (h + 1) * HOUR_MS);
    }
    /* 38 h are in blocks: of 18, 18 and 2. */
    struct store_stats stats = stats_of(s);
    assert_int_equal(stats.blocks, 3);
    assert_int_equal(stats.min_time_ms, begin_ms);
    assert_int_equal(stats.max_time_ms, begin_ms + 40 * HOUR_MS - STEP_MS);
    assert_int_equal(stats.block_failures, 0);
    store_close(s);
    s = test_open(NULL);
    check(s, begin_ms, begin_ms + 40 * HOUR_MS);
    maintain(s);
    check(s, begin_ms, begin_ms + 40 * HOUR_MS);
    assert_int_equal(stats_of(s).blocks, 3);
    store_close(s);
}

/* Past the soft mark of memory the head keeps minutes only. */
static void little_memory_moves_the_head_sooner(void **state)
{
    (void)state;
    struct store *s = test_open(NULL);
    fill(s, begin_ms, begin_ms + HOUR_MS);
    maintain(s);
    assert_int_equal(stats_of(s).blocks, 0);
    budget_set(1 << 20);
    maintain(s);
    assert_int_equal(atomic_load(&s->head.horizon_ms), begin_ms + 40 * STEP_MS);
    assert_true(stats_of(s).blocks > 0);
    check(s, begin_ms, begin_ms + HOUR_MS);
    fill(s, begin_ms + HOUR_MS, begin_ms + 4 * HOUR_MS);
    maintain(s);
    assert_int_equal(atomic_load(&s->head.horizon_ms), begin_ms + 3 * HOUR_MS + 40 * STEP_MS);
    check(s, begin_ms, begin_ms + 4 * HOUR_MS);
    budget_set(0);
    fill(s, begin_ms + 4 * HOUR_MS, begin_ms + 8 * HOUR_MS);
    maintain(s);
    check(s, begin_ms, begin_ms + 8 * HOUR_MS);
    assert_int_equal(stats_of(s).block_failures, 0);
    store_close(s);
}

static void labels_come_from_blocks_too(void **state)
{
    (void)state;
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    struct labels *labels;
    struct str *strings;
    struct matcher m;
    size_t n;
    struct store *s = test_open(NULL);
    fill(s, begin_ms, begin_ms + 8 * HOUR_MS);
    maintain(s);
    assert_true(
        test_put(s, "late", "job-03", begin_ms + 8 * HOUR_MS, 1, STORE_ORIGIN_UNKNOWN, &err));
    assert_true(store_label_values(s, &arena, STR("job"), NULL, 0, INT64_MIN, INT64_MAX, &strings,
                                   &n, &err));
    assert_int_equal(n, SERIES);
    assert_true(str_is(strings[11], "job-11"));
    assert_true(store_label_names(s, &arena, NULL, 0, INT64_MIN, INT64_MAX, &strings, &n, &err));
    assert_int_equal(n, 2);
    assert_true(store_series_list(s, &arena, NULL, 0, INT64_MIN, INT64_MAX, &labels, &n, &err));
    assert_int_equal(n, SERIES + 1);
    assert_true(matcher_init(&m, &arena, MATCH_REGEX, STR("job"), STR("job-0.*"), &err));
    assert_true(
        store_label_values(s, &arena, STR("job"), &m, 1, INT64_MIN, INT64_MAX, &strings, &n, &err));
    assert_int_equal(n, 10);
    assert_true(store_series_list(s, &arena, &m, 1, INT64_MIN, INT64_MAX, &labels, &n, &err));
    assert_int_equal(n, 11);
    for (size_t i = 1; i < n; i++)
        assert_true(labels_cmp(labels[i - 1], labels[i]) < 0);
    arena_release(&arena);
    store_close(s);
}

/* One series has samples in the last hour only, which is in the head; all others before it. */
static void labels_are_those_of_a_time(void **state)
{
    (void)state;
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    struct labels *labels;
    struct str *strings;
    struct matcher any;
    size_t n;
    struct store *s = test_open(NULL);
    int64_t late_ms = begin_ms + 8 * HOUR_MS;
    fill(s, begin_ms, late_ms);
    assert_true(test_put(s, "late", "job-99", late_ms, 1, STORE_ORIGIN_UNKNOWN, &err));
    maintain(s);
    assert_true(matcher_init(&any, &arena, MATCH_REGEX, STR("job"), STR(".+"), &err));
    for (size_t k = 0; k < 2; k++) { /* without and with a matcher */
        assert_true(
            store_series_list(s, &arena, &any, k, begin_ms, late_ms - 1, &labels, &n, &err));
        assert_int_equal(n, SERIES);
        assert_true(store_label_values(s, &arena, STR("job"), &any, k, begin_ms, late_ms - 1,
                                       &strings, &n, &err));
        assert_int_equal(n, SERIES);
        assert_true(store_series_list(s, &arena, &any, k, late_ms, INT64_MAX, &labels, &n, &err));
        assert_int_equal(n, 1);
        assert_true(str_is(labels_get(labels[0], "job"), "job-99"));
        assert_true(store_label_values(s, &arena, STR("job"), &any, k, late_ms, INT64_MAX, &strings,
                                       &n, &err));
        assert_int_equal(n, 1);
        assert_true(
            store_label_names(s, &arena, &any, k, late_ms + 1, INT64_MAX, &strings, &n, &err));
        assert_int_equal(n, 0);
    }
    arena_release(&arena);
    store_close(s);
}

static void the_first_sample_is_the_oldest(void **state)
{
    (void)state;
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    struct store_series_data *data;
    struct matcher m;
    size_t n;
    struct store *s = test_open(NULL);
    fill(s, begin_ms, begin_ms + 9 * HOUR_MS);
    maintain(s);
    assert_true(matcher_init(&m, &arena, MATCH_EQUAL, STR(LABEL_NAME), STR("m"), &err));
    for (int64_t h = 0; h < 9; h++) {
        int64_t from_ms = begin_ms + h * HOUR_MS + 1;
        assert_true(store_select_first(s, &arena, &m, 1, from_ms, INT64_MAX, &data, &n, &err));
        assert_int_equal(n, SERIES);
        assert_int_equal(data[7].n, 1);
        assert_int_equal(data[7].samples[0].t_ms, from_ms - 1 + STEP_MS);
    }
    assert_false(store_select(s, &arena, &m, 1, 0, INT64_MAX, 100, &data, &n, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    arena_release(&arena);
    store_close(s);
}

struct comparing {
    struct store_visitor visitor;
    const struct store_series_data *expected;
    size_t n, stop_at;
};

static bool see_the_same(struct store_visitor *visitor, const struct store_series_data *d,
                         struct err *err)
{
    struct comparing *c = (struct comparing *)visitor;
    const struct store_series_data *x = &c->expected[c->n];
    assert_true(labels_eq(d->labels, x->labels));
    assert_int_equal(d->n, x->n);
    assert_memory_equal(d->samples, x->samples, d->n * sizeof *d->samples);
    return ++c->n != c->stop_at || err_set(err, ERR_CANCELLED, "enough");
}

/* One by one they are what they are all at once, from blocks and head, whole or erased in part. */
static void visiting_sees_what_selecting_gives(void **state)
{
    (void)state;
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    struct store_series_data *data;
    struct matcher m;
    size_t n;
    struct store *s = test_open(NULL);
    fill(s, begin_ms, begin_ms + 9 * HOUR_MS);
    maintain(s);
    assert_true(matcher_init(&m, &arena, MATCH_EQUAL, STR(LABEL_NAME), STR("m"), &err));
    for (int erased = 0; erased < 2; erased++) {
        assert_true(store_select(s, &arena, &m, 1, 0, INT64_MAX, 0, &data, &n, &err));
        assert_int_equal(n, SERIES);
        assert_in_range(data[0].n, 8 * 60, 9 * 60);
        struct comparing c = {{see_the_same}, data, 0, 0};
        assert_true(store_visit(s, &arena, &m, 1, 0, INT64_MAX, data[0].n, &c.visitor, &err));
        assert_int_equal(c.n, SERIES);
        c = (struct comparing){{see_the_same}, data, 0, 3};
        assert_false(store_visit(s, &arena, &m, 1, 0, INT64_MAX, 0, &c.visitor, &err));
        assert_int_equal(err.code, ERR_CANCELLED);
        assert_int_equal(c.n, 3);
        c = (struct comparing){{see_the_same}, data, 0, 0};
        assert_false(store_visit(s, &arena, &m, 1, 0, INT64_MAX, 100, &c.visitor, &err));
        assert_int_equal(err.code, ERR_LIMIT);
        assert_int_equal(c.n, 0);
        int64_t newest_ms = data[0].samples[data[0].n - 1].t_ms;
        assert_true(
            store_delete(s, &m, 1, newest_ms - 5 * STEP_MS, newest_ms - 3 * STEP_MS, &n, &err));
    }
    arena_release(&arena);
    store_close(s);
}

/* A series that begins hours behind all others is neither lost nor there twice. */
static void late_samples_get_a_block_too(void **state)
{
    (void)state;
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    struct store_series_data *data;
    struct store *s = test_open(NULL);
    fill(s, begin_ms, begin_ms + 9 * HOUR_MS);
    maintain(s);
    for (int i = 0; i < 200; i++)
        assert_true(test_put(s, "late", "x", begin_ms + HOUR_MS + i * STEP_MS, i,
                             STORE_ORIGIN_UNKNOWN, &err));
    for (int round = 0; round < 3; round++) {
        assert_int_equal(test_read(s, &arena, "late", &data), 1);
        assert_int_equal(data[0].n, 200);
        check(s, begin_ms, begin_ms + 9 * HOUR_MS);
        if (round == 1) {
            store_close(s);
            s = test_open(NULL);
        }
        maintain(s);
    }
    fill(s, begin_ms + 9 * HOUR_MS, begin_ms + 20 * HOUR_MS);
    maintain(s);
    check(s, begin_ms, begin_ms + 20 * HOUR_MS);
    assert_int_equal(test_read(s, &arena, "late", &data), 1);
    assert_int_equal(data[0].n, 200);
    assert_true(data[0].samples[199].v == 199);
    arena_release(&arena);
    store_close(s);
}

static struct store *open_with(int64_t retention_ms, uint64_t retention_bytes)
{
    struct err err = ERR_INIT;
    struct store *s = store_open(&(struct store_options){.path = test_folder,
                                                         .flush_ms = 10,
                                                         .retention_ms = retention_ms,
                                                         .retention_bytes = retention_bytes},
                                 &err);
    assert_non_null(s);
    return s;
}

static void retention_is_by_time_and_size(void **state)
{
    (void)state;
    struct store *s = open_with(12 * HOUR_MS, 0);
    for (int64_t h = 0; h < 30; h += 2) {
        fill(s, begin_ms + h * HOUR_MS, begin_ms + (h + 2) * HOUR_MS);
        maintain(s);
    }
    /* Newest at 29:59; blocks of 2 h, for a tenth of 12 h is less than 6. */
    check(s, begin_ms + 16 * HOUR_MS, begin_ms + 30 * HOUR_MS);
    assert_int_equal(stats_of(s).blocks, 6);
    assert_int_equal(stats_of(s).blocks_expired, 8);
    uint64_t bytes = stats_of(s).block_bytes + stats_of(s).wal_bytes;
    store_close(s);
    s = open_with(0, bytes - 1);
    maintain(s);
    assert_int_equal(stats_of(s).blocks_expired, 1);
    store_close(s);
}

struct found {
    char path[256];
    int n;
};

static void find_block(void *arg, const char *name)
{
    struct found *f = arg;
    if (ulid_is_valid(str_from(name)))
        snprintf(f->path, sizeof f->path, "%s/%s", test_folder, name);
}

static void count_ending(void *arg, const char *name)
{
    struct found *f = arg;
    f->n += str_ends(str_from(name), STR(".corrupt"));
}

static int count_set_aside(void)
{
    struct found f = {.n = 0};
    struct err err = ERR_INIT;
    assert_true(file_list(test_folder, count_ending, &f, &err));
    return f.n;
}

/* One byte of the newest block changed: it is set aside, and the rest is served; of what it had,
 * the log may have the newest part still. */
static void damage_is_set_aside(void **state)
{
    (void)state;
    static const char *const files[] = {"index", "chunks/000001", "meta.json", "tombstones"};
    for (size_t i = 0; i < 4; i++) {
        struct err err = ERR_INIT;
        struct found f = {.n = 0};
        struct arena arena = ARENA_INIT;
        struct store_series_data *data;
        struct store *s = test_open(NULL);
        for (int64_t h = 0; h < 10; h++) {
            fill(s, begin_ms + h * HOUR_MS, begin_ms + (h + 1) * HOUR_MS);
            maintain(s);
        }
        store_close(s);
        assert_true(file_list(test_folder, find_block, &f, &err));
        struct buf bytes = BUF_INIT, path = BUF_INIT;
        buf_printf(&path, "%s/%s", f.path, files[i]);
        assert_true(file_read(path.p, 1 << 24, &bytes, &err));
        bytes.p[i == 0 ? 10 : bytes.n / 2] ^= 1; /* of an index: in the symbols */
        bytes.p[0] ^= i == 2;
        assert_true(file_replace(path.p, buf_str(&bytes), 0600, &err));
        s = test_open(NULL);
        assert_int_equal(test_read(s, &arena, "m", &data), SERIES);
        assert_in_range(data[SERIES - 1].n, 2 * 60, 10 * 60 - 1);
        assert_int_equal(stats_of(s).blocks_corrupt, 1);
        assert_int_equal(count_set_aside(), 1);
        maintain(s);
        store_close(s);
        buf_release(&bytes);
        buf_release(&path);
        arena_release(&arena);
        block_remove_folder(test_folder);
        assert_non_null(mkdtemp(strcpy(test_folder, "/tmp/cqed-store-test-XXXXXX")));
    }
}

/* A disk that is full: nothing is lost, nothing half-made stays, and it goes on when there is room
 * again. */
static void a_full_disk_is_survived(void **state)
{
    (void)state;
    static const char *const faults[] = {"block.write:errno=ENOSPC", "block.sync:errno=EIO",
                                         "block.rename:errno=ENOSPC"};
    struct store *s = test_open(NULL);
    int64_t h = 0;
    for (size_t i = 0; i < 3; i++, h += 8) {
        struct err err = ERR_INIT;
        assert_true(fault_arm(faults[i], &err));
        fill(s, begin_ms + h * HOUR_MS, begin_ms + (h + 8) * HOUR_MS);
        assert_false(store_maintain(s, &err));
        assert_int_equal(err.code, ERR_IO);
        check(s, begin_ms, begin_ms + (h + 8) * HOUR_MS);
        fault_disarm_all();
        maintain(s);
        check(s, begin_ms, begin_ms + (h + 8) * HOUR_MS);
    }
    assert_in_range(stats_of(s).block_failures, 3, 100);
    store_close(s);
}

/* A child that puts in 20 h and is killed at the n-th hit of a fault point. False: it lived. */
static bool run_and_kill(const char *point, int n)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct err err = ERR_INIT;
        char spec[80];
        snprintf(spec, sizeof spec, "%s:after=%d:kill", point, n);
        struct store *s = test_open(NULL);
        struct store_stats stats = stats_of(s);
        int64_t from_ms = stats.max_time_ms ? stats.max_time_ms + STEP_MS : begin_ms;
        if (!fault_arm(spec, &err))
            _exit(2);
        for (int64_t t = from_ms; t < from_ms + 20 * HOUR_MS; t += HOUR_MS) {
            fill(s, t, t + HOUR_MS);
            (void)!store_maintain(s, &err);
        }
        store_close(s);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status);
}

static void death_at_any_point_loses_nothing(void **state)
{
    (void)state;
    static const char *const points[] = {"block.write", "block.sync", "block.rename", "block.swap"};
    int killed = 0;
    for (int i = 0; i < 12; i++)
        killed += run_and_kill(points[i % 4], i / 4 * 7);
    assert_in_range(killed, 8, 12);
    struct store *s = test_open(NULL);
    int64_t end_ms = stats_of(s).max_time_ms + STEP_MS;
    check(s, begin_ms, end_ms);
    maintain(s);
    check(s, begin_ms, end_ms);
    store_close(s);
}

struct housekeeping {
    struct store *store;
    _Atomic bool stop;
    bool failed;
};

static void *keep_house(void *arg)
{
    struct housekeeping *k = arg;
    struct err err = ERR_INIT;
    while (!atomic_load(&k->stop))
        k->failed = !store_maintain(k->store, &err) || k->failed;
    return NULL;
}

/* Samples move from head to block to larger block while they are asked for. */
static void nothing_is_missed_on_its_way(void **state)
{
    (void)state;
    struct housekeeping k = {.store = test_open(NULL)};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, keep_house, &k), 0);
    for (int64_t h = 0; h < 30; h++) {
        fill(k.store, begin_ms + h * HOUR_MS, begin_ms + (h + 1) * HOUR_MS);
        for (int i = 0; i < 3; i++)
            check(k.store, begin_ms, begin_ms + (h + 1) * HOUR_MS);
    }
    atomic_store(&k.stop, true);
    pthread_join(thread, NULL);
    assert_false(k.failed);
    maintain(k.store);
    check(k.store, begin_ms, begin_ms + 30 * HOUR_MS);
    assert_true(stats_of(k.store).compactions > 0);
    store_close(k.store);
}

static void *one_round(void *arg)
{
    maintain(arg);
    return NULL;
}

/* A compaction that takes long, and samples that come meanwhile. */
static void the_head_does_not_wait_for_a_compaction(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct store *s = test_open(NULL);
    pthread_t thread;
    fill(s, begin_ms, begin_ms + 11 * HOUR_MS);
    assert_true(fault_arm("block.compact:delay=3000000:once", &err));
    assert_int_equal(pthread_create(&thread, NULL, one_round, s), 0);
    while (stats_of(s).blocks < 4)
        usleep(1000);
    fill(s, begin_ms + 11 * HOUR_MS, begin_ms + 17 * HOUR_MS);
    fault_disarm_all();
    pthread_join(thread, NULL);
    assert_int_equal(stats_of(s).blocks_written, 7);
    check(s, begin_ms, begin_ms + 17 * HOUR_MS);
    store_close(s);
}

/* The plan alone, over metas of given hours. */
static bool plan(const int64_t hours[][2], size_t n, int64_t max_hours, size_t *first,
                 size_t *count)
{
    struct block blocks[16] = {0}, *v[16];
    for (size_t i = 0; i < n; i++) {
        blocks[i].meta.min_ms = hours[i][0] * HOUR_MS;
        blocks[i].meta.max_ms = hours[i][1] * HOUR_MS;
        v[i] = &blocks[i];
    }
    return block_plan(v, n, max_hours * HOUR_MS, first, count);
}

static void what_is_compacted_next(void **state)
{
    (void)state;
    size_t first, n;
    const int64_t three[][2] = {{0, 2}, {2, 4}, {4, 6}};
    const int64_t four[][2] = {{0, 2}, {2, 4}, {4, 6}, {6, 8}};
    const int64_t gap[][2] = {{0, 2}, {4, 6}, {8, 10}};
    const int64_t overlap[][2] = {{0, 6}, {6, 8}, {7, 9}, {9, 10}};
    const int64_t large[][2] = {{0, 6}, {6, 12}, {12, 18}, {18, 20}};
    assert_false(plan(three, 1, 100, &first, &n));
    assert_false(plan(three, 3, 100, &first, &n)); /* the newest waits */
    assert_true(plan(four, 4, 100, &first, &n));
    assert_true(first == 0 && n == 3);
    assert_false(plan(four, 4, 5, &first, &n));
    assert_true(plan(gap, 3, 100, &first, &n));
    assert_true(first == 0 && n == 2);
    assert_true(plan(overlap, 4, 100, &first, &n));
    assert_true(first == 1 && n == 2);
    assert_true(plan(large, 4, 100, &first, &n));
    assert_true(first == 0 && n == 3);
    assert_false(plan(large, 4, 17, &first, &n));
    assert_int_equal(block_align(-1, 10), -10);
    assert_int_equal(block_align(-10, 10), -10);
    assert_int_equal(block_align(19, 10), 10);
}

int main(void)
{
#define IN_FOLDER(f) cmocka_unit_test_setup_teardown(f, test_make_folder, test_remove_folder)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(the_head_moves_to_blocks),
        IN_FOLDER(little_memory_moves_the_head_sooner),
        IN_FOLDER(labels_come_from_blocks_too),
        IN_FOLDER(labels_are_those_of_a_time),
        IN_FOLDER(the_first_sample_is_the_oldest),
        IN_FOLDER(visiting_sees_what_selecting_gives),
        IN_FOLDER(late_samples_get_a_block_too),
        IN_FOLDER(retention_is_by_time_and_size),
        IN_FOLDER(damage_is_set_aside),
        IN_FOLDER(a_full_disk_is_survived),
        IN_FOLDER(death_at_any_point_loses_nothing),
        IN_FOLDER(nothing_is_missed_on_its_way),
        IN_FOLDER(the_head_does_not_wait_for_a_compaction),
        cmocka_unit_test(what_is_compacted_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
