/* A disk that is slow or says no, by fault points: the store asks senders to wait, and no longer
 * than that. */
#include "base/clock.h"
#include "base/fault.h"
#include "store/testing.h"

#include <pthread.h>

/* In the end, whatever this machine's own disk is doing meanwhile: NULL = that it accepts. The
 * faults last until they are disarmed. */
static void wait_until_it_says(struct store *s, const char *text)
{
    struct err err = ERR_INIT;
    int64_t until_ns = clock_mono_ns() + INT64_C(120000000000);
    while (store_accepts(s, &err) ? text != NULL : !text || !strstr(err.message, text)) {
        if (clock_mono_ns() > until_ns)
            fail_msg("it does not say '%s' but '%s'", text ? text : "fine", err.message);
        err = (struct err)ERR_INIT;
        usleep(1000);
    }
    assert_int_equal(err.code, text ? ERR_IO : ERR_NONE);
}

static void a_slow_sync_is_told_while_it_lasts(void **state)
{
    struct err err = ERR_INIT;
    struct store *s = test_open(NULL); /* flushes each 10 ms: 500 ms is too late */
    (void)state;
    wait_until_it_says(s, NULL);
    assert_true(fault_arm("wal.fsync:delay=3000000:once", &err));
    assert_true(test_put(s, "a", NULL, 1000, 1, STORE_ORIGIN_UNKNOWN, &err));
    wait_until_it_says(s, "the disk is behind: a sync has taken");
    fault_disarm_all();
    wait_until_it_says(s, NULL);
    store_close(s);
}

static void a_failed_sync_is_told_until_one_is_done(void **state)
{
    struct err err = ERR_INIT;
    struct store *s = test_open(NULL);
    (void)state;
    assert_true(fault_arm("wal.fsync:errno=EIO", &err));
    assert_true(test_put(s, "a", NULL, 1000, 1, STORE_ORIGIN_UNKNOWN, &err));
    wait_until_it_says(s, "the disk refused to sync the log; it is tried again");
    fault_disarm_all();
    assert_true(test_put(s, "a", NULL, 1001, 1, STORE_ORIGIN_UNKNOWN, &err));
    wait_until_it_says(s, NULL);
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
    assert_true(fault_arm("wal.write:delay=3000000:once", &err));
    assert_int_equal(pthread_create(&writer, NULL, put_one, s), 0);
    wait_until_it_says(s, "the disk is behind: a write has taken");
    fault_disarm_all();
    assert_int_equal(pthread_join(writer, NULL), 0);
    wait_until_it_says(s, NULL);
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
