/* testing.h -- ledgers in folders of their own, for the tests of ledger/. */
#ifndef CQED_LEDGER_TESTING_H
#define CQED_LEDGER_TESTING_H

#include "base/file.h"
#include "ledger/ledger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define FOLDER_BYTES 64

static const char *const ledger_files[] = {"ledger.db",  "ledger.db-wal", "ledger.db-shm",
                                           "ledger.key", "ledger.pub",    "ledger.lock"};
#define N_LEDGER_FILES (sizeof ledger_files / sizeof *ledger_files)

static inline void make_folder(char folder[FOLDER_BYTES])
{
    (void)snprintf(folder, FOLDER_BYTES, "/tmp/cqed_ledger_XXXXXX");
    assert_non_null(mkdtemp(folder));
}

static inline const char *file_in(const char *folder, const char *name)
{
    static char path[4][FOLDER_BYTES + 32];
    static unsigned next;
    char *p = path[next++ % 4];
    (void)snprintf(p, sizeof path[0], "%s/%s", folder, name);
    return p;
}

static inline void remove_folder(const char *folder)
{
    for (size_t i = 0; i < N_LEDGER_FILES; i++)
        (void)unlink(file_in(folder, ledger_files[i]));
    assert_int_equal(rmdir(folder), 0);
}

static inline void write_file(const char *path, struct str bytes, mode_t mode)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes.p, 1, bytes.n, f), bytes.n);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static inline void copy_file(const char *from, const char *to)
{
    struct buf bytes = BUF_INIT;
    struct stat st;
    struct err err = ERR_INIT;
    assert_int_equal(stat(from, &st), 0);
    assert_true(file_read(from, 1u << 30, &bytes, &err));
    write_file(to, buf_str(&bytes), st.st_mode & 07777);
    buf_release(&bytes);
}

/* A copy of a ledger that is closed. */
static inline void copy_folder(const char *from, const char *to)
{
    for (size_t i = 0; i < N_LEDGER_FILES; i++) {
        (void)unlink(file_in(to, ledger_files[i]));
        if (file_exists(file_in(from, ledger_files[i])))
            copy_file(file_in(from, ledger_files[i]), file_in(to, ledger_files[i]));
    }
}

static inline struct ledger *open_ledger(const char *folder)
{
    struct err err = ERR_INIT;
    struct ledger *l = ledger_open(folder, &err);
    if (!l)
        print_error("%s\n", err.message);
    assert_non_null(l);
    return l;
}

static inline bool try_append(struct ledger *l, int64_t n, struct err *err)
{
    char subject[32];
    (void)snprintf(subject, sizeof subject, "rollout-%lld", (long long)(n % 3));
    json_t *body = json_pack("{s:I, s:f, s:s}", "n", (json_int_t)n, "half", (double)n / 2, "text",
                             "\xc3\xa4\n\"quoted\"");
    uint64_t seq;
    bool done =
        ledger_append(l, (enum ledger_kind)(n % 8), subject, 1700000000000 + n, body, &seq, err);
    json_decref(body);
    return done;
}

static inline void append(struct ledger *l, int64_t from, int64_t to)
{
    struct err err = ERR_INIT;
    for (int64_t n = from; n < to; n++) {
        bool done = try_append(l, n, &err);
        if (!done)
            print_error("%s\n", err.message);
        assert_true(done);
    }
}

/* The report, without a finding when it is "". The caller frees. */
static inline char *verify(struct ledger *l)
{
    struct buf report = BUF_INIT;
    struct err err = ERR_INIT;
    uint64_t checked;
    bool good = ledger_verify(l, NULL, &report, &checked, &err);
    if (!good && report.n == 0)
        buf_printf(&report, "failed: %s\n", err.message);
    assert_int_equal(good, report.n == 0);
    char *text = report.n > 0 ? buf_detach(&report) : calloc(1, 1);
    buf_release(&report);
    if (!text)
        abort();
    return text;
}

#endif
