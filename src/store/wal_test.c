#include "store/wal.h"

#include "base/fault.h"
#include "base/file.h"
#include "store/record.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];

static void remove_one(void *arg, const char *name)
{
    char path[512];
    (void)arg;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    unlink(path);
}

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/cqed-wal-test-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    fault_disarm_all();
    if (!file_list(folder, remove_one, NULL, NULL))
        return -1;
    return rmdir(folder);
}

static struct wal *open_wal(uint64_t segment_bytes)
{
    return wal_new(&(struct wal_options){folder, segment_bytes, 1, NULL, 0});
}

static bool make_record(void *arg, struct wal_draft *d, struct err *err)
{
    const int64_t *t_ms = arg;
    struct record_cursor cursor = {0};
    struct record_sample s = {.t_ms = *t_ms, .v = 1};
    size_t begin = record_begin(d->out);
    record_add_sample(d->out, &cursor, &s);
    d->max_t_ms = *t_ms;
    return record_end(d->out, begin, RECORD_SAMPLES, err);
}

static bool write_at(struct wal *w, int64_t t_ms, struct wal_receipt *r, struct err *err)
{
    return wal_write(w, make_record, &t_ms, r, err);
}

static size_t count_records(uint32_t number, enum record_state *end)
{
    struct buf path = BUF_INIT, bytes = BUF_INIT;
    struct err err = ERR_INIT;
    struct record record;
    size_t n = 0;
    wal_segment_path(&path, folder, number);
    assert_true(file_read(path.p, 1 << 20, &bytes, &err));
    assert_true(segment_header_is_good(buf_str(&bytes)));
    struct str rest = str_make(bytes.p + SEGMENT_HEADER_BYTES, bytes.n - SEGMENT_HEADER_BYTES);
    while ((*end = record_next(&rest, &record)) == RECORD_GOOD)
        n++;
    buf_release(&path);
    buf_release(&bytes);
    return n;
}

static bool has_segment(uint32_t number)
{
    struct buf path = BUF_INIT;
    wal_segment_path(&path, folder, number);
    bool found = file_exists(path.p);
    buf_release(&path);
    return found;
}

static void segments_turn_over_and_are_dropped_by_time(void **state)
{
    (void)state;
    struct wal *w = open_wal(60);
    struct wal_receipt r;
    struct err err = ERR_INIT;
    enum record_state end;
    uint64_t size_bytes, fsyncs;
    for (int64_t t = 0; t < 30; t++) {
        assert_true(write_at(w, t * 100, &r, &err));
        assert_int_equal(r.ticket, t);
    }
    assert_true(has_segment(2));
    assert_true(count_records(1, &end) >= 3);
    assert_int_equal(end, RECORD_END);
    assert_true(wal_sync(w, &err));
    wal_stats(w, &size_bytes, &fsyncs);
    assert_true(size_bytes > 30 * RECORD_HEADER_BYTES && fsyncs >= 2);
    wal_drop_before(w, 0);
    assert_true(has_segment(1));
    wal_drop_before(w, 1000);
    assert_false(has_segment(1));
    wal_drop_before(w, INT64_MAX);
    assert_true(write_at(w, 5000, &r, &err));
    wal_free(w);
}

static void a_failed_write_leaves_no_trace_and_the_next_one_works(void **state)
{
    (void)state;
    struct wal *w = open_wal(1 << 20);
    struct wal_receipt r;
    struct err err = ERR_INIT;
    enum record_state end;
    assert_true(write_at(w, 1, &r, &err));
    assert_true(fault_arm("wal.write:once:errno=ENOSPC:short=9", &err));
    assert_false(write_at(w, 2, &r, &err));
    assert_int_equal(err.code, ERR_IO);
    assert_non_null(strstr(err.message, "No space left"));
    assert_true(write_at(w, 3, &r, &err));
    assert_int_equal(r.ticket, 1);
    assert_int_equal(count_records(1, &end), 1);
    assert_int_equal(end, RECORD_END);
    assert_int_equal(count_records(2, &end), 1);
    wal_free(w);
}

static void no_segment_is_begun_on_a_full_disk(void **state)
{
    (void)state;
    struct wal *w = open_wal(1 << 20);
    struct wal_receipt r;
    struct err err = ERR_INIT;
    assert_true(fault_arm("wal.write:errno=ENOSPC", &err));
    assert_false(write_at(w, 1, &r, &err));
    assert_false(has_segment(1));
    fault_disarm_all();
    assert_true(write_at(w, 1, &r, &err));
    assert_true(has_segment(1));
    wal_free(w);
}

static void a_failed_sync_is_told_and_its_segment_given_up(void **state)
{
    (void)state;
    struct wal *w = open_wal(1 << 20);
    struct wal_receipt r;
    struct err err = ERR_INIT;
    assert_true(write_at(w, 1, &r, &err));
    assert_true(fault_arm("wal.fsync:once", &err));
    assert_false(wal_sync_to(w, r.position, &err));
    assert_int_equal(err.code, ERR_IO);
    assert_true(write_at(w, 2, &r, &err));
    assert_true(wal_sync_to(w, r.position, &err));
    assert_true(has_segment(2));
    wal_free(w);
}

static void *write_and_sync(void *arg)
{
    struct wal_receipt r;
    for (int64_t t = 0; t < 200; t++) {
        struct err err = ERR_INIT;
        assert_true(write_at(arg, t, &r, &err));
        assert_true(wal_sync_to(arg, r.position, &err));
    }
    return NULL;
}

static void threads_share_syncs_across_segments(void **state)
{
    (void)state;
    struct wal *w = open_wal(2000);
    pthread_t threads[4];
    uint64_t size_bytes, fsyncs;
    size_t records = 0;
    enum record_state end;
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_and_sync, w), 0);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    wal_stats(w, &size_bytes, &fsyncs);
    assert_true(fsyncs <= 900);
    for (uint32_t number = 1; has_segment(number); number++) {
        records += count_records(number, &end);
        assert_int_equal(end, RECORD_END);
    }
    assert_int_equal(records, 800);
    wal_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(segments_turn_over_and_are_dropped_by_time, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(a_failed_write_leaves_no_trace_and_the_next_one_works,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(no_segment_is_begun_on_a_full_disk, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(a_failed_sync_is_told_and_its_segment_given_up, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(threads_share_syncs_across_segments, make_folder,
                                        remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
