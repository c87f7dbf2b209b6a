/* testing.h -- what the store's tests share: a folder that goes away, batches in one line, and a
 * look at one series. Included by tests only. */
#ifndef CQED_STORE_TESTING_H
#define CQED_STORE_TESTING_H

#include "base/file.h"
#include "block/file.h"
#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char test_folder[64];
static char test_wal[80];

static inline int test_make_folder(void **state)
{
    (void)state;
    snprintf(test_folder, sizeof test_folder, "/tmp/cqed-store-test-XXXXXX");
    if (!mkdtemp(test_folder))
        return -1;
    snprintf(test_wal, sizeof test_wal, "%s/wal", test_folder);
    return 0;
}

static inline int test_remove_folder(void **state)
{
    (void)state;
    block_remove_folder(test_folder);
    return file_is_folder(test_folder) ? -1 : 0;
}

static inline struct store *test_open(const struct store_tap *tap)
{
    struct err err = ERR_INIT;
    struct store *s = store_open(
        &(struct store_options){.path = test_folder, .flush_ms = 10, .tap = tap, .exemplars = 100},
        &err);
    if (!s)
        print_error("%s\n", err.message);
    assert_non_null(s);
    return s;
}

/* The ref of name{job="..."}; without the label when job is NULL. */
static inline uint64_t test_series(struct store_batch *b, const char *name, const char *job)
{
    struct label l[2] = {{STR(LABEL_NAME), str_from(name)}};
    if (job)
        l[1] = (struct label){STR("job"), str_from(job)};
    return store_series(b, (struct labels){job ? 2 : 1, l}, NULL);
}

static inline bool test_put(struct store *s, const char *name, const char *job, int64_t t_ms,
                            double v, enum store_origin origin, struct err *err)
{
    struct store_batch *b = store_batch_begin(s, t_ms);
    enum store_result result = store_batch_add(b, test_series(b, name, job), t_ms, v, origin);
    assert_int_equal(result, STORE_OK);
    return store_batch_commit(b, err);
}

/* The samples of the series of this name, all times; how many series there are. */
static inline size_t test_read(struct store *s, struct arena *arena, const char *name,
                               struct store_series_data **out)
{
    struct matcher m;
    struct err err = ERR_INIT;
    size_t n = 0;
    assert_true(matcher_init(&m, arena, MATCH_EQUAL, STR(LABEL_NAME), str_from(name), &err));
    assert_true(store_select(s, arena, &m, 1, INT64_MIN, INT64_MAX, 0, out, &n, &err));
    return n;
}

#endif
