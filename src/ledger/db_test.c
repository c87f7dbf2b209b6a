/* Disks that are full, files that are locked, write-protected or damaged. */
#include "ledger/db.h"

#include "ledger/internal.h"
#include "ledger/testing.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define NOBODY 65534

static char folder[FOLDER_BYTES];

static int make_ledger(void **state)
{
    (void)state;
    make_folder(folder);
    struct ledger *l = open_ledger(folder);
    append(l, 0, 20);
    ledger_close(l);
    return 0;
}

static int remove_ledger(void **state)
{
    (void)state;
    remove_folder(folder);
    return 0;
}

static void is_whole(struct ledger *l, uint64_t size)
{
    assert_int_equal(ledger_size(l), size);
    char *report = verify(l);
    assert_string_equal(report, "");
    free(report);
}

static void expect(const struct err *err, enum err_code code, const char *text)
{
    if (err->code != code || !strstr(err->message, text) || !strstr(err->message, folder))
        fail_msg("%s: %s", err_code_name(err->code), err->message);
}

/* --- Full --- */

static void limit_files(rlim_t size_bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = size_bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static uint64_t append_until_it_fails(struct ledger *l, struct err *err)
{
    uint64_t n = ledger_size(l);
    while (n < 100000 && try_append(l, (int64_t)n, err))
        n++;
    return n;
}

/* The write-ahead log reaches the limit in the middle of a transaction. */
static void a_file_that_cannot_grow_fails_cleanly(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct ledger *l = open_ledger(folder);
    append(l, 20, 25);
    int64_t wal = file_size(file_in(folder, "ledger.db-wal"));
    assert_true(wal > 0);
    assert_ptr_not_equal(signal(SIGXFSZ, SIG_IGN), SIG_ERR);
    limit_files((rlim_t)wal + 20000);
    uint64_t n = append_until_it_fails(l, &err);
    bool again = try_append(l, (int64_t)n, NULL);
    limit_files(RLIM_INFINITY);
    assert_true(n > 25);
    assert_false(again);
    expect(&err, ERR_IO, "cannot be written: disk I/O error");
    is_whole(l, n);
    append(l, (int64_t)n, (int64_t)n + 3);
    is_whole(l, n + 3);
    ledger_close(l);
    l = open_ledger(folder);
    is_whole(l, n + 3);
    ledger_close(l);
}

static void a_full_disk_fails_cleanly(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct ledger *l = open_ledger(folder);
    assert_int_equal(sqlite3_exec(l->writer->handle, "PRAGMA max_page_count=1", NULL, NULL, NULL),
                     SQLITE_OK); /* as many as there are: SQLITE_FULL, as ENOSPC gives */
    uint64_t n = append_until_it_fails(l, &err);
    expect(&err, ERR_IO, "full");
    is_whole(l, n);
    assert_int_equal(
        sqlite3_exec(l->writer->handle, "PRAGMA max_page_count=1000000", NULL, NULL, NULL),
        SQLITE_OK);
    append(l, (int64_t)n, (int64_t)n + 2);
    is_whole(l, n + 2);
    ledger_close(l);
}

/* --- Locked --- */

static void a_locked_file_is_waited_for_and_then_an_error(void **state)
{
    (void)state;
    sqlite3 *other;
    struct err err = ERR_INIT;
    struct ledger *l = open_ledger(folder);
    assert_int_equal(sqlite3_open(file_in(folder, "ledger.db"), &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_false(try_append(l, 20, &err));
    expect(&err, ERR_TIMEOUT, "locked");
    is_whole(l, 20); /* reading goes on */
    assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    append(l, 20, 21);
    is_whole(l, 21);
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
    ledger_close(l);
}

/* Who writes behind our back is noticed at the next append. */
static void a_row_of_somebody_else_is_corruption(void **state)
{
    (void)state;
    sqlite3 *other;
    struct err err = ERR_INIT;
    struct ledger *l = open_ledger(folder);
    assert_int_equal(sqlite3_open(file_in(folder, "ledger.db"), &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other,
                                  "INSERT INTO entry(seq, leaf, bytes) SELECT 20, leaf, bytes "
                                  "FROM entry WHERE seq = 3",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
    assert_false(try_append(l, 20, &err));
    expect(&err, ERR_CORRUPT, "UNIQUE");
    ledger_close(l);
}

/* --- Write-protected, as somebody without root's rights --- */

static int as_nobody(int (*run)(void))
{
    for (size_t i = 0; i < N_LEDGER_FILES && geteuid() == 0; i++) {
        if (file_exists(file_in(folder, ledger_files[i])))
            assert_int_equal(chown(file_in(folder, ledger_files[i]), NOBODY, NOBODY), 0);
    }
    if (geteuid() == 0)
        assert_int_equal(chown(folder, NOBODY, NOBODY), 0);
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(geteuid() == 0 && setuid(NOBODY) != 0 ? 99 : run());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static bool reads_all(void)
{
    struct ledger *l = ledger_open_readonly(folder, NULL);
    struct buf report = BUF_INIT;
    uint64_t checked = 0;
    bool good = l && ledger_size(l) == 20 && ledger_verify(l, NULL, &report, &checked, NULL);
    buf_release(&report);
    ledger_close(l);
    return good && checked == 20;
}

static int open_protected_file(void)
{
    struct err err = ERR_INIT;
    if (chmod(file_in(folder, "ledger.db"), 0444) != 0)
        return 1;
    struct ledger *l = ledger_open(folder, &err);
    if (l || err.code != ERR_DENIED || !strstr(err.message, "ledger.db"))
        return 2;
    return reads_all() ? 0 : 3;
}

static void a_protected_file_is_refused_but_can_be_read(void **state)
{
    (void)state;
    assert_int_equal(as_nobody(open_protected_file), 0);
}

/* As on a medium that cannot be written: SQLite may make no -shm file there. */
static int open_protected_folder(void)
{
    struct err err = ERR_INIT;
    (void)unlink(file_in(folder, "ledger.lock"));
    if (chmod(folder, 0555) != 0)
        return 1;
    struct ledger *l = ledger_open(folder, &err);
    if (l || !strstr(err.message, folder))
        return 2;
    int result = reads_all() ? 0 : 3;
    return chmod(folder, 0755) == 0 ? result : 4;
}

static void a_protected_folder_can_be_read(void **state)
{
    (void)state;
    assert_int_equal(as_nobody(open_protected_folder), 0);
}

/* The log of a server that died holds entries that the database does not: never half the truth. */
static int open_protected_folder_with_log(void)
{
    struct err err = ERR_INIT;
    if (chmod(folder, 0555) != 0)
        return 1;
    struct ledger *l = ledger_open_readonly(folder, &err);
    int result = l || !strstr(err.message, "ledger.db") ? 2 : 0;
    ledger_close(l);
    return chmod(folder, 0755) == 0 ? result : 3;
}

static void a_protected_log_is_not_passed_over(void **state)
{
    (void)state;
    char copy[FOLDER_BYTES], kept[FOLDER_BYTES];
    make_folder(copy);
    struct ledger *l = open_ledger(folder);
    append(l, 20, 22);
    copy_folder(folder, copy); /* as if it had died now */
    ledger_close(l);
    assert_int_equal(unlink(file_in(copy, "ledger.db-shm")), 0);
    memcpy(kept, folder, sizeof kept);
    memcpy(folder, copy, sizeof folder);
    assert_int_equal(as_nobody(open_protected_folder_with_log), 0);
    l = open_ledger(folder); /* with the right to write it is all there */
    is_whole(l, 22);
    ledger_close(l);
    remove_folder(folder);
    memcpy(folder, kept, sizeof folder);
}

/* --- Damaged --- */

static void overwrite(const char *name, int64_t at, const char *bytes)
{
    FILE *f = fopen(file_in(folder, name), "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, (long)at, SEEK_SET), 0);
    assert_int_equal(fwrite(bytes, 1, strlen(bytes), f), strlen(bytes));
    assert_int_equal(fclose(f), 0);
}

static void what_is_no_database_is_refused(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    overwrite("ledger.db", 0, "this is not SQLite format 3");
    assert_null(ledger_open(folder, &err));
    expect(&err, ERR_CORRUPT, "not a database");
    assert_null(ledger_open_readonly(folder, &err));
    expect(&err, ERR_CORRUPT, "not a database");
}

static void another_database_is_refused(void **state)
{
    (void)state;
    sqlite3 *other;
    struct err err = ERR_INIT;
    assert_int_equal(unlink(file_in(folder, "ledger.db")), 0);
    assert_int_equal(sqlite3_open(file_in(folder, "ledger.db"), &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "CREATE TABLE t(a)", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
    assert_null(ledger_open(folder, &err));
    expect(&err, ERR_CORRUPT, "not a cQED ledger");
}

static void a_short_file_is_refused(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    int64_t size = file_size(file_in(folder, "ledger.db"));
    assert_int_equal(truncate(file_in(folder, "ledger.db"), size / 2), 0);
    assert_null(ledger_open(folder, &err));
    expect(&err, ERR_CORRUPT, "malformed");
}

/* An emptied file is not a first start. */
static void an_empty_file_is_refused(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    assert_int_equal(truncate(file_in(folder, "ledger.db"), 0), 0);
    assert_null(ledger_open(folder, &err));
    expect(&err, ERR_CORRUPT, "removed");
}

static void a_damaged_page_is_named(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    struct buf report = BUF_INIT;
    uint64_t checked;
    struct ledger *l = open_ledger(folder);
    append(l, 20, 200); /* several pages */
    ledger_close(l);
    int64_t size = file_size(file_in(folder, "ledger.db"));
    for (int64_t page = 8; page < size / 4096; page += 5)
        overwrite("ledger.db", page * 4096, "\xff\xff\xff\xff\xff\xff\xff\xff");
    assert_null(ledger_open(folder, &err));
    expect(&err, ERR_CORRUPT, "entr");
    l = ledger_open_readonly(folder, &err);
    assert_non_null(l);
    assert_false(ledger_verify(l, NULL, &report, &checked, &err));
    if (!strstr(report.p, "unreadable") || !strstr(report.p, "database: "))
        fail_msg("%s", report.p);
    buf_release(&report);
    ledger_close(l);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_ledger, remove_ledger)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_file_that_cannot_grow_fails_cleanly),
        TEST(a_full_disk_fails_cleanly),
        TEST(a_locked_file_is_waited_for_and_then_an_error),
        TEST(a_row_of_somebody_else_is_corruption),
        TEST(a_protected_file_is_refused_but_can_be_read),
        TEST(a_protected_folder_can_be_read),
        TEST(a_protected_log_is_not_passed_over),
        TEST(what_is_no_database_is_refused),
        TEST(another_database_is_refused),
        TEST(a_short_file_is_refused),
        TEST(an_empty_file_is_refused),
        TEST(a_damaged_page_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
