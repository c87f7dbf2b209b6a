/* A disk that is slow or says no, by fault points: the store asks senders to wait, and no longer
 * than that. */
#include "base/clock.h"
#include "base/fault.h"
#include "store/testing.h"

#include <pthread.h>

/* Whatever the flusher does meanwhile. */
static bool becomes(struct store *s, bool accepts, struct err *err)
{
    int64_t until_ns = clock_mono_ns() + INT64_C(20000000000);
    while (store_accepts(s, err) != accepts && clock_mono_ns() < until_ns)
        usleep(1000);
    return store_accepts(s, NULL) == accepts;
}

static void a_slow_sync_is_told_while_it_lasts(void **state)
{
    struct err err = ERR_INIT;
    struct store *s = test_open(NULL); /* flushes each 10 ms: 500 ms is too late */
    (void)state;
    assert_true(store_accepts(s, &err));
    assert_true(fault_arm("wal.fsync:delay=1500:once", &err));
    assert_true(test_put(s, "a", NULL, 1000, 1, STORE_ORIGIN_UNKNOWN, &err));
    assert_true(becomes(s, false, &err));
    assert_int_equal(err.code, ERR_IO);
    assert_non_null(strstr(err.message, "the disk is behind: a sync has taken"));
    assert_true(becomes(s, true, &err));
    fault_disarm_all();
    store_close(s);
}

static void a_failed_sync_is_told_until_one_is_done(void **state)
{
    struct err err = ERR_INIT;
    struct store *s = test_open(NULL);
    (void)state;
    assert_true(fault_arm("wal.fsync:errno=EIO", &err));
    for (int64_t t_ms = 1000; store_accepts(s, &err); t_ms++) {
        assert_true(test_put(s, "a", NULL, t_ms, 1, STORE_ORIGIN_UNKNOWN, &err));
        usleep(1000);
    }
    assert_string_equal(err.message, "the disk refused to sync the log; it is tried again");
    fault_disarm_all();
    assert_true(becomes(s, true, &err));
    store_close(s);
}

static void *put_one(void *arg)
{
    struct err err = ERR_INIT;
    assert_true(test_put(arg, "a", NULL, 1000, 1, STORE_ORIGIN_UNKNOWN, &err));
    return NULL;
}

static void a_slow_write_is_told_while_it_lasts(void **state)
{
    struct err err = ERR_INIT;
    struct store *s = test_open(NULL);
    pthread_t writer;
    (void)state;
    assert_true(fault_arm("wal.write:delay=1500:once", &err));
    assert_int_equal(pthread_create(&writer, NULL, put_one, s), 0);
    assert_true(becomes(s, false, &err));
    assert_non_null(strstr(err.message, "the disk is behind: a write has taken"));
    assert_int_equal(pthread_join(writer, NULL), 0);
    assert_true(becomes(s, true, &err));
    fault_disarm_all();
    store_close(s);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, test_make_folder, test_remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(a_slow_sync_is_told_while_it_lasts),
                                       TEST(a_failed_sync_is_told_until_one_is_done),
                                       TEST(a_slow_write_is_told_while_it_lasts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
