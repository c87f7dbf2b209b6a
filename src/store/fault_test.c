/* The store under faults, by seed: kill -9, writes and syncs that fail or fall short, a torn tail,
 * a file that grew before its bytes came, a flipped bit; and snapshots of the head at any moment,
 * whole or damaged. What was acknowledged is there, nothing is there twice, nothing was invented.
 * CQED_STORE_SEEDS says how many seeds (500), CQED_STORE_SEED which one alone. Outcomes:
 * docs/format/wal.md. */
#include "base/fault.h"

#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "store/testing.h"

enum { SERIES = 5, TIMES = 240, STEP_MS = 10, SEGMENTS = 64, WINDOW = 60 };

enum fate { ABSENT, MAYBE, ACKNOWLEDGED }; /* maybe: it was sent and refused by the disk */

struct rig {
    unsigned random;
    struct store *store;
    bool always; /* fsync */
    bool fails;  /* the disk may */
    int clock;   /* samples are at most this new */
    enum fate fates[SERIES][TIMES];
    uint64_t segments[SERIES][TIMES]; /* where it may have been written, a bit each */
    bool safe[SERIES][TIMES];         /* acknowledged and synced */
    uint64_t synced_bytes[SEGMENTS];  /* of each segment */
};

static unsigned below(struct rig *r, unsigned n)
{
    return (unsigned)rand_r(&r->random) % n;
}

/* --- What stands at a place is always the same --- */

static bool is_histogram(int series, int t)
{
    return (t + series) % 3 == 0;
}

static double value_at(int series, int t)
{
    return series * 1000 + t + 0.25;
}

static struct histogram histogram_at(int series, int t, double *bucket)
{
    static const struct histogram_span span[] = {{0, 1}};
    *bucket = series * 1000 + t;
    return (struct histogram){
        .schema = t % 2, .count = *bucket, .sum = -*bucket, .positive = {1, 1, span, bucket}};
}

static void name_series(int series, char out[8])
{
    memcpy(out, "s0", 3);
    out[1] = (char)(out[1] + series);
}

/* --- Sending --- */

static void open_store(struct rig *r)
{
    struct err err = ERR_INIT;
    r->store = store_open(&(struct store_options){.path = test_folder,
                                                  .flush_ms = 10000,
                                                  .fsync_always = r->always,
                                                  .out_of_order_ms = WINDOW * STEP_MS,
                                                  .exemplars = 20},
                          &err);
    if (!r->store)
        fail_msg("%s", err.message);
}

static void note_segment(void *arg, const char *name)
{
    uint32_t number = (uint32_t)strtoul(name, NULL, 10), *highest = arg;
    if (strlen(name) == 8 && number > *highest)
        *highest = number;
}

static uint32_t newest_segment(void)
{
    uint32_t highest = 0;
    struct err err = ERR_INIT;
    assert_true(file_list(test_wal, note_segment, &highest, &err));
    assert_true(highest < SEGMENTS);
    return highest;
}

static enum store_result add(struct store_batch *b, int series, int t)
{
    char name[8];
    double bucket;
    struct histogram h = histogram_at(series, t, &bucket);
    name_series(series, name);
    uint64_t ref = test_series(b, name, NULL);
    if (is_histogram(series, t))
        return store_batch_add_histogram(b, ref, t * STEP_MS, &h, STORE_ORIGIN_UNKNOWN);
    return store_batch_add(b, ref, t * STEP_MS, value_at(series, t), STORE_ORIGIN_UNKNOWN);
}

static void add_exemplar(struct store_batch *b, int series, int t)
{
    char name[8];
    struct store_exemplar e = {.v = value_at(series, t), .t_ms = t * STEP_MS};
    name_series(series, name);
    (void)store_batch_add_exemplar(b, test_series(b, name, NULL), &e);
}

static void note_synced(struct rig *r);

/* At any moment; it syncs the log up to there. */
static void snapshot_now_and_then(struct rig *r)
{
    struct err err = ERR_INIT;
    if (below(r, 6) > 0)
        return;
    bool done = store_snapshot_head(r->store, &err);
    if (!done && !r->fails)
        fail_msg("%s", err.message);
    if (done && !r->fails)
        note_synced(r);
}

static void send(struct rig *r)
{
    struct err err = ERR_INIT;
    snapshot_now_and_then(r);
    struct store_batch *b = store_batch_begin(r->store, TIMES * STEP_MS);
    uint64_t before[12];
    int places[12][2];
    size_t n = 0;
    r->clock += (int)below(r, 3);
    for (unsigned i = 1 + below(r, 12); i > 0; i--) {
        int series = (int)below(r, SERIES), t = r->clock - (int)below(r, WINDOW / 2);
        if (t < 0 || t >= TIMES)
            continue;
        enum store_result result = add(b, series, t);
        if (result != STORE_OK && result != STORE_DUPLICATE)
            fail_msg("series %d at %d is %s", series, t, store_result_name(result));
        if (below(r, 4) == 0)
            add_exemplar(b, series, t);
        if (result == STORE_OK) {
            places[n][0] = series;
            places[n++][1] = t;
        }
    }
    for (size_t i = 0; i < n; i++) { /* for who is killed in between */
        int series = places[i][0], t = places[i][1];
        before[i] = r->segments[series][t];
        r->fates[series][t] = MAYBE;
        r->segments[series][t] = UINT64_MAX;
    }
    bool done = store_batch_commit(b, &err);
    for (size_t i = 0; i < n; i++) {
        int series = places[i][0], t = places[i][1];
        r->fates[series][t] = done ? ACKNOWLEDGED : MAYBE;
        r->segments[series][t] = before[i] | UINT64_C(1) << newest_segment();
    }
}

/* --- Looking --- */

static void check_samples(struct rig *r, int series, const struct store_series_data *d, bool *there)
{
    int64_t last_ms = INT64_MIN;
    for (size_t i = 0; i < d->n; i++) {
        int t = (int)(d->samples[i].t_ms / STEP_MS);
        assert_true(d->samples[i].t_ms > last_ms && !is_histogram(series, t));
        assert_true(d->samples[i].v == value_at(series, t));
        last_ms = d->samples[i].t_ms;
        there[t] = true;
    }
    last_ms = INT64_MIN;
    for (size_t i = 0; i < d->n_histograms; i++) {
        double bucket;
        int t = (int)(d->histograms[i].t_ms / STEP_MS);
        struct histogram expected = histogram_at(series, t, &bucket);
        assert_true(d->histograms[i].t_ms > last_ms && is_histogram(series, t));
        assert_true(histogram_identical(d->histograms[i].h, &expected));
        last_ms = d->histograms[i].t_ms;
        there[t] = true;
    }
    for (int t = 0; t < TIMES; t++)
        assert_true(!there[t] || r->fates[series][t] != ABSENT);
}

static void check_exemplars(struct rig *r)
{
    struct arena arena = ARENA_INIT;
    struct store_series_exemplars *found;
    struct matcher m;
    struct err err = ERR_INIT;
    size_t n;
    assert_true(matcher_init(&m, &arena, MATCH_REGEX, STR(LABEL_NAME), STR("s."), &err));
    assert_true(
        store_select_exemplars(r->store, &arena, &m, 1, INT64_MIN, INT64_MAX, &found, &n, &err));
    for (size_t i = 0; i < n; i++) {
        int series = labels_get(found[i].labels, LABEL_NAME).p[1] - '0';
        for (size_t k = 0; k < found[i].n; k++)
            assert_true(found[i].exemplars[k].v ==
                        value_at(series, (int)(found[i].exemplars[k].t_ms / STEP_MS)));
    }
    arena_release(&arena);
}

/* A sample that is `needed` must be there; what is there is acknowledged from now on, and what is
 * not may be sent again. What was written but could not be synced is in the log all the same, it
 * may be before it was sent again: a snapshot is without it, and should that be damaged, it is
 * there. */
static void check(struct rig *r, bool (*needed)(const struct rig *, int series, int t))
{
    for (int series = 0; series < SERIES; series++) {
        struct arena arena = ARENA_INIT;
        struct store_series_data *d;
        bool there[TIMES] = {false};
        char name[8];
        name_series(series, name);
        size_t n = test_read(r->store, &arena, name, &d);
        assert_true(n <= 1);
        if (n == 1)
            check_samples(r, series, d, there);
        for (int t = 0; t < TIMES; t++) {
            if (!there[t] && needed(r, series, t))
                fail_msg("series %d at %d is lost", series, t);
            bool logged = r->always && r->fates[series][t] != ABSENT;
            r->fates[series][t] = there[t] ? ACKNOWLEDGED : logged ? MAYBE : ABSENT;
            r->segments[series][t] = there[t] || logged ? r->segments[series][t] : 0;
        }
        arena_release(&arena);
    }
    check_exemplars(r);
}

static bool acknowledged(const struct rig *r, int series, int t)
{
    return r->fates[series][t] == ACKNOWLEDGED;
}

static bool synced(const struct rig *r, int series, int t)
{
    return r->safe[series][t];
}

static uint32_t damaged_segment;

static bool in_another_segment(const struct rig *r, int series, int t)
{
    return r->fates[series][t] == ACKNOWLEDGED && !(r->segments[series][t] >> damaged_segment & 1);
}

static void reopen(struct rig *r, bool (*needed)(const struct rig *, int series, int t))
{
    fault_disarm_all();
    store_close(r->store);
    open_store(r);
    check(r, needed);
}

/* --- Damage --- */

static void segment_path(char out[128], uint32_t number)
{
    snprintf(out, 128, "%s/%08u", test_wal, number);
}

static uint64_t size_of(uint32_t number)
{
    char path[128];
    struct stat st;
    segment_path(path, number);
    return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static void note_synced(struct rig *r)
{
    struct err err = ERR_INIT;
    bool done = store_flush(r->store, &err);
    for (uint32_t i = 0; i < SEGMENTS; i++)
        r->synced_bytes[i] = size_of(i);
    for (int series = 0; series < SERIES; series++) {
        for (int t = 0; t < TIMES; t++)
            r->safe[series][t] = done && acknowledged(r, series, t);
    }
}

/* The machine dies: of the newest segment some bytes came, or zeros where bytes should be. */
static void tear(struct rig *r)
{
    char path[128];
    uint32_t number = newest_segment();
    if (number == 0)
        return;
    uint64_t from = r->synced_bytes[number], size = size_of(number);
    uint64_t keep = from + (size > from ? below(r, (unsigned)(size - from + 1)) : 0);
    segment_path(path, number);
    assert_int_equal(truncate(path, (off_t)keep), 0);
    if (below(r, 2))
        assert_int_equal(truncate(path, (off_t)(keep + 1 + below(r, 5000))), 0);
}

static void flip_at(const char *path, off_t at, unsigned bit)
{
    uint8_t byte;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= (uint8_t)(1u << bit);
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    assert_int_equal(close(fd), 0);
}

static bool has_snapshot(char path[128])
{
    snprintf(path, 128, "%s/head.snapshot", test_folder);
    return file_exists(path);
}

/* Returns false when there is none. */
static bool damage_snapshot(struct rig *r)
{
    char path[128];
    if (!has_snapshot(path))
        return false;
    unsigned size = (unsigned)file_size(path), at = below(r, size);
    if (below(r, 3) > 0)
        flip_at(path, (off_t)at, below(r, 8));
    else
        assert_int_equal(truncate(path, (off_t)at), 0);
    return true;
}

/* Returns false when there is nothing to flip. */
static bool flip_bit(struct rig *r, char path[128], off_t *at, unsigned *bit)
{
    damaged_segment = newest_segment();
    while (damaged_segment > 1 && (size_of(damaged_segment) == 0 || below(r, 2)))
        damaged_segment--;
    uint64_t size = size_of(damaged_segment);
    if (size == 0)
        return false;
    segment_path(path, damaged_segment);
    *at = (off_t)below(r, (unsigned)size);
    *bit = below(r, 8);
    flip_at(path, *at, *bit);
    return true;
}

/* --- Scenes --- */

static void arm(struct rig *r)
{
    char spec[400];
    struct err err = ERR_INIT;
    snprintf(spec, sizeof spec,
             "wal.write:p=0.%u:seed=%u:errno=%s:short=%u;wal.fsync:p=0.%u:seed=%u;"
             "block.write:p=0.3:seed=%u:short=%u;block.sync:p=0.3:seed=%u;"
             "block.rename:p=0.3:seed=%u",
             1 + below(r, 4), r->random, below(r, 2) ? "ENOSPC" : "EIO", below(r, 300),
             1 + below(r, 4), r->random + 1, r->random + 2, below(r, 500), r->random + 3,
             r->random + 4);
    if (!fault_arm(spec, &err))
        fail_msg("%s: %s", spec, err.message);
}

static void send_some(struct rig *r)
{
    for (unsigned i = 2 + below(r, 8); i > 0; i--)
        send(r);
}

/* The disk refuses at random; the store goes on, and begins anew. */
static void failing_disk(struct rig *r)
{
    arm(r);
    r->fails = true;
    send_some(r);
    fault_disarm_all();
    r->fails = false;
    send_some(r);
    reopen(r, acknowledged);
}

static void torn_tail(struct rig *r)
{
    send_some(r);
    note_synced(r);
    send_some(r);
    store_close(r->store);
    tear(r);
    open_store(r);
    check(r, synced);
}

/* What a snapshot has is not read in the log, so that a flip there shows only when the snapshot is
 * damaged too; else it is taken back. */
static void flipped_bit(struct rig *r)
{
    struct store_stats stats;
    struct store_snapshot_stats snapshot;
    char path[128];
    off_t at;
    unsigned bit;
    send_some(r);
    store_close(r->store);
    bool flipped = flip_bit(r, path, &at, &bit);
    bool damaged = below(r, 2) && damage_snapshot(r);
    open_store(r);
    store_stats(r->store, &stats);
    store_snapshot_stats(r->store, &snapshot);
    assert_int_equal(snapshot.set_aside, damaged);
    if (snapshot.size_bytes == 0)
        assert_int_equal(stats.wal_corruptions, flipped);
    bool hidden = flipped && stats.wal_corruptions == 0;
    check(r, flipped && !hidden ? in_another_segment : acknowledged);
    if (hidden)
        flip_at(path, at, bit);
}

static void damaged_snapshot(struct rig *r)
{
    struct store_snapshot_stats snapshot;
    send_some(r);
    store_close(r->store);
    bool damaged = damage_snapshot(r);
    open_store(r);
    store_snapshot_stats(r->store, &snapshot);
    assert_int_equal(snapshot.set_aside, damaged);
    check(r, acknowledged);
}

/* In memory where that can be: what the disk would do is injected. */
static void make_folder(void)
{
    bool memory = access("/dev/shm", W_OK) == 0;
    snprintf(test_folder, sizeof test_folder, "%s/cqed-store-test-XXXXXX",
             memory ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(test_folder));
    snprintf(test_wal, sizeof test_wal, "%s/wal", test_folder);
}

/* kill -9 in the midst of it: what the child noted as acknowledged, in memory that it shares, must
 * be there. */
static void killed(struct rig *r)
{
    int status;
    store_close(r->store);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        open_store(r);
        for (int i = 0; i < 100; i++)
            send(r);
        _exit(0);
    }
    usleep(below(r, 20000));
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
    open_store(r);
    check(r, acknowledged);
}

static void run(unsigned seed)
{
    static void (*const scenes[])(struct rig *) = {failing_disk, torn_tail, flipped_bit,
                                                   damaged_snapshot, killed};
    struct rig *r =
        mmap(NULL, sizeof *r, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    void *state = NULL;
    assert_ptr_not_equal(r, MAP_FAILED);
    r->random = seed * 2654435761u + 1;
    r->always = seed % 4 == 0;
    r->clock = WINDOW / 2;
    make_folder();
    open_store(r);
    for (int i = 0; i < 3; i++)
        scenes[below(r, 5)](r);
    send_some(r);
    reopen(r, acknowledged);
    store_close(r->store);
    assert_int_equal(test_remove_folder(&state), 0);
    assert_int_equal(munmap(r, sizeof *r), 0);
}

static unsigned number_from(const char *name, unsigned otherwise)
{
    const char *text = getenv(name);
    return text ? (unsigned)strtoul(text, NULL, 10) : otherwise;
}

static void nothing_is_lost_doubled_or_invented(void **state)
{
    unsigned only = number_from("CQED_STORE_SEED", 0), n = number_from("CQED_STORE_SEEDS", 500);
    (void)state;
    for (unsigned seed = only ? only : 1; seed <= (only ? only : n); seed++) {
        print_message("seed %u\n", seed);
        run(seed);
    }
}

/* --- Outcomes that need no seed --- */

static void a_place_that_cannot_be_written_is_no_store(void **state)
{
    struct err err = ERR_INIT;
    (void)state;
    assert_null(store_open(&(struct store_options){.path = "/proc/self/no-store"}, &err));
    assert_int_not_equal(err.code, ERR_NONE);
    assert_non_null(strstr(err.message, "/proc/self/no-store"));
}

/* The disk became read-only: senders are told, what is there is served, and later all is well. */
static void a_disk_that_becomes_read_only_refuses_and_serves(void **state)
{
    struct arena arena = ARENA_INIT;
    struct store_series_data *data;
    struct err err = ERR_INIT;
    (void)state;
    struct store *s = test_open(NULL);
    assert_true(test_put(s, "a", NULL, 10, 1, STORE_ORIGIN_UNKNOWN, &err));
    assert_true(fault_arm("wal.write:errno=EROFS", &err));
    for (int64_t t = 20; t < 50; t += 10)
        assert_false(test_put(s, "a", NULL, t, 2, STORE_ORIGIN_UNKNOWN, &err));
    assert_int_equal(err.code, ERR_IO);
    assert_int_equal(test_read(s, &arena, "a", &data), 1);
    assert_int_equal(data[0].n, 1);
    fault_disarm_all();
    assert_true(test_put(s, "a", NULL, 20, 3, STORE_ORIGIN_UNKNOWN, &err));
    store_close(s);
    s = test_open(NULL);
    assert_int_equal(test_read(s, &arena, "a", &data), 1);
    assert_int_equal(data[0].n, 2);
    assert_true(data[0].samples[1].v == 3);
    arena_release(&arena);
    store_close(s);
}

static enum store_result put_at(struct store *s, int64_t now_ms, int64_t t_ms)
{
    struct err err = ERR_INIT;
    struct store_batch *b = store_batch_begin(s, now_ms);
    enum store_result result =
        store_batch_add(b, test_series(b, "a", NULL), t_ms, 1, STORE_ORIGIN_UNKNOWN);
    assert_true(store_batch_commit(b, &err));
    return result;
}

/* A clock that jumps back makes what follows older than what is there, until it has caught up; one
 * that jumped ahead leaves a sample in the future, and what comes after its return is late. */
static void a_clock_may_jump(void **state)
{
    const int64_t hour_ms = 3600000, day_ms = 24 * hour_ms, now_ms = 1000 * day_ms;
    struct err err = ERR_INIT;
    (void)state;
    for (int late = 0; late < 2; late++) {
        struct arena arena = ARENA_INIT;
        struct store_series_data *data;
        struct store *s = store_open(
            &(struct store_options){.path = test_folder, .out_of_order_ms = late * 2 * day_ms},
            &err);
        int64_t begin_ms = now_ms + late * 10 * day_ms;
        assert_non_null(s);
        assert_int_equal(put_at(s, begin_ms, begin_ms), STORE_OK);
        assert_int_equal(put_at(s, begin_ms - hour_ms, begin_ms - hour_ms),
                         late ? STORE_OK : STORE_OUT_OF_ORDER);
        assert_int_equal(put_at(s, begin_ms - hour_ms, begin_ms), STORE_TOO_FAR_AHEAD);
        assert_int_equal(put_at(s, begin_ms + day_ms, begin_ms + day_ms), STORE_OK);
        assert_int_equal(put_at(s, begin_ms + 1, begin_ms + 1),
                         late ? STORE_OK : STORE_OUT_OF_ORDER);
        assert_true(store_maintain(s, &err));
        assert_int_equal(test_read(s, &arena, "a", &data), 1);
        assert_int_equal(data[0].n, late ? 2 + 4 : 2);
        arena_release(&arena);
        store_close(s);
    }
}

int main(void)
{
#define IN_FOLDER(f) cmocka_unit_test_setup_teardown(f, test_make_folder, test_remove_folder)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_lost_doubled_or_invented),
        cmocka_unit_test(a_place_that_cannot_be_written_is_no_store),
        IN_FOLDER(a_disk_that_becomes_read_only_refuses_and_serves),
        IN_FOLDER(a_clock_may_jump),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
