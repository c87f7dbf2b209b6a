/* Deletions and snapshots, of head and blocks. */
#include "store/testing.h"

#include "block/set.h"

#define HOUR_MS INT64_C(3600000)
#define STEP_MS INT64_C(60000)

/* a and b, a sample a minute, hours [from, to). */
static void fill(struct store *s, int64_t from, int64_t to)
{
    struct err err = ERR_INIT;
    struct store_batch *batch = store_batch_begin(s, to * HOUR_MS);
    uint64_t a = test_series(batch, "m", "a"), b = test_series(batch, "m", "b");
    for (int64_t t = from * HOUR_MS; t < to * HOUR_MS; t += STEP_MS) {
        double v = (double)t;
        assert_int_equal(store_batch_add(batch, a, t, v, STORE_ORIGIN_UNKNOWN), STORE_OK);
        assert_int_equal(store_batch_add(batch, b, t, -v, STORE_ORIGIN_UNKNOWN), STORE_OK);
    }
    assert_true(store_batch_commit(batch, &err));
}

static struct store *open_filled(void)
{
    struct err err = ERR_INIT;
    struct store *s = test_open(NULL);
    fill(s, 0, 9);
    assert_true(store_maintain(s, &err));
    return s;
}

static size_t delete_job(struct store *s, const char *job, int64_t mint_ms, int64_t maxt_ms)
{
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    struct matcher m;
    size_t n;
    assert_true(matcher_init(&m, &arena, MATCH_EQUAL, STR("job"), str_from(job), &err));
    assert_true(store_delete(s, &m, 1, mint_ms, maxt_ms, &n, &err));
    arena_release(&arena);
    return n;
}

/* Samples of a and of b. */
static void assert_left(struct store *s, size_t a, size_t b)
{
    struct arena arena = ARENA_INIT;
    struct store_series_data *data;
    size_t n = test_read(s, &arena, "m", &data);
    assert_int_equal(n, (a > 0) + (b > 0));
    if (a > 0)
        assert_int_equal(data[0].n, a);
    if (b > 0)
        assert_int_equal(data[a > 0].n, b);
    arena_release(&arena);
}

static void deleted_samples_stay_away(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct store *s = open_filled();
    assert_left(s, 540, 540);
    /* 1:30 to 8:29, that is from the first block into the head */
    assert_int_equal(delete_job(s, "a", 90 * STEP_MS, 509 * STEP_MS), 1);
    assert_left(s, 120, 540);
    assert_int_equal(delete_job(s, "c", 0, INT64_MAX), 0);
    assert_int_equal(delete_job(s, "b", INT64_MIN, INT64_MAX), 1);
    assert_left(s, 120, 0);
    for (int round = 0; round < 2; round++) {
        store_close(s);
        s = test_open(NULL);
        assert_left(s, 120, 0);
        assert_true(store_maintain(s, &err));
        assert_left(s, 120, 0);
    }
    /* What comes later is not concerned, and compaction brings nothing back. */
    fill(s, 9, 12);
    assert_left(s, 300, 180);
    assert_true(store_maintain(s, &err));
    assert_left(s, 300, 180);
    assert_true(store_clean(s, &err));
    assert_left(s, 300, 180);
    for (int64_t h = 12; h < 40; h += 2) {
        fill(s, h, h + 2);
        assert_true(store_maintain(s, &err));
    }
    assert_left(s, 300 + 28 * 60, 180 + 28 * 60);
    store_close(s);
    s = test_open(NULL);
    assert_true(store_maintain(s, &err));
    assert_left(s, 300 + 28 * 60, 180 + 28 * 60);
    store_close(s);
}

static void the_first_is_one_that_is_left(void **state)
{
    (void)state;
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    struct store_series_data *data;
    struct matcher m;
    size_t n;
    struct store *s = test_open(NULL);
    fill(s, 0, 1);
    assert_int_equal(delete_job(s, "a", 0, 9 * STEP_MS), 1);
    assert_true(matcher_init(&m, &arena, MATCH_EQUAL, STR("job"), STR("a"), &err));
    assert_true(store_select_first(s, &arena, &m, 1, 0, INT64_MAX, &data, &n, &err));
    assert_int_equal(n, 1);
    assert_int_equal(data[0].n, 1);
    assert_int_equal(data[0].samples[0].t_ms, 10 * STEP_MS);
    arena_release(&arena);
    store_close(s);
}

static void cleaning_gives_the_room_back(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct store_stats before, after;
    struct store *s = open_filled();
    store_stats(s, &before);
    assert_int_equal(delete_job(s, "b", INT64_MIN, INT64_MAX), 1);
    assert_true(store_clean(s, &err));
    store_stats(s, &after);
    assert_true(after.block_bytes < before.block_bytes);
    assert_int_equal(after.blocks, before.blocks);
    assert_left(s, 540, 0);
    assert_int_equal(delete_job(s, "a", INT64_MIN, INT64_MAX), 1);
    assert_true(store_clean(s, &err));
    store_stats(s, &after);
    assert_int_equal(after.blocks, 0);
    assert_left(s, 0, 0);
    store_close(s);
}

static void a_snapshot_is_a_store_of_its_own(void **state)
{
    (void)state;
    for (int head = 0; head < 2; head++) {
        struct arena arena = ARENA_INIT;
        struct err err = ERR_INIT;
        const char *name;
        struct store *s = open_filled();
        assert_int_equal(delete_job(s, "b", 530 * STEP_MS, INT64_MAX), 1);
        assert_true(store_snapshot(s, &arena, head, &name, &err));
        fill(s, 9, 10);
        const char *path = arena_printf(&arena, "%s/snapshots/%s", test_folder, name);
        struct store *copy =
            store_open(&(struct store_options){.path = path, .flush_ms = 10}, &err);
        assert_non_null(copy);
        assert_left(copy, head ? 540 : 360, head ? 530 : 360);
        store_close(copy);
        store_close(s);
        block_remove_folder(test_folder);
        assert_non_null(mkdtemp(strcpy(test_folder, "/tmp/cqed-store-test-XXXXXX")));
        arena_release(&arena);
    }
}

static void damaged_deletions_are_set_aside(void **state)
{
    (void)state;
    char path[128];
    struct err err = ERR_INIT;
    snprintf(path, sizeof path, "%s/deletions", test_folder);
    assert_true(file_replace(path, STR("[{\"labels\":{},\"mint\":2"), 0600, &err));
    struct store *s = test_open(NULL);
    assert_false(file_exists(path));
    store_close(s);
    snprintf(path, sizeof path, "%s/deletions.corrupt", test_folder);
    assert_true(file_exists(path));
}

int main(void)
{
#define IN_FOLDER(f) cmocka_unit_test_setup_teardown(f, test_make_folder, test_remove_folder)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(deleted_samples_stay_away),       IN_FOLDER(the_first_is_one_that_is_left),
        IN_FOLDER(cleaning_gives_the_room_back),    IN_FOLDER(a_snapshot_is_a_store_of_its_own),
        IN_FOLDER(damaged_deletions_are_set_aside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
