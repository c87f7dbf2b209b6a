/* testing.h -- what the scraper's tests share: a store in a folder that goes away, a tap that sums
 * increases, and everything that the store holds as text. Included by tests only, after cmocka.h.
 */
#ifndef CQED_INGEST_TESTING_H
#define CQED_INGEST_TESTING_H

#include "base/file.h"
#include "base/num.h"
#include "ingest/histogram_testing.h"
#include "ingest/ingest.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Sums the known increases of the series named `counted`. */
struct test_tap {
    const char *counted;
    double increase;
    int fed;
};

struct test_store {
    char folder[64];
    struct arena arena;
    struct store *store;
    struct metadata_store *metadata;
    struct test_tap sum;
    struct store_tap tap;
};

static inline uint32_t test_bind(void *self, struct labels labels)
{
    const struct test_tap *t = self;
    return str_is(labels_get(labels, LABEL_NAME), t->counted);
}

static inline void test_feed(void *self, uint32_t token, int64_t t_ms, double v, double increase,
                             bool recovering)
{
    struct test_tap *t = self;
    (void)token;
    (void)t_ms;
    (void)v;
    (void)recovering;
    t->fed++;
    if (increase == increase)
        t->increase += increase;
}

static inline void test_remove_tree(const char *folder);

static inline void test_remove_entry(void *arg, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", (const char *)arg, name);
    if (file_is_folder(path))
        test_remove_tree(path);
    else
        unlink(path);
}

static inline void test_remove_tree(const char *folder)
{
    char path[512];
    snprintf(path, sizeof path, "%s", folder);
    (void)!file_list(path, test_remove_entry, path, NULL);
    rmdir(path);
}

static inline void test_store_open(struct test_store *s, uint64_t max_series)
{
    struct err err = ERR_INIT;
    snprintf(s->folder, sizeof s->folder, "/tmp/cqed-scrape-test-XXXXXX");
    assert_non_null(mkdtemp(s->folder));
    s->sum.counted = "counted_total";
    s->tap = (struct store_tap){.self = &s->sum, .bind = test_bind, .feed = test_feed};
    s->store = store_open(&(struct store_options){.path = s->folder,
                                                  .flush_ms = 1000,
                                                  .tap = &s->tap,
                                                  .max_series = max_series,
                                                  .exemplars = 100},
                          &err);
    if (!s->store)
        fail_msg("%s", err.message);
    s->metadata = metadata_store_new();
}

/* Another series gets a sample at this time, so that those without one for hours leave the head. */
static inline void test_age(struct store *store, int64_t t_ms)
{
    struct err err = ERR_INIT;
    struct label name = {STR(LABEL_NAME), STR("tick")};
    struct store_stats stats;
    struct store_batch *b = store_batch_begin(store, t_ms);
    uint64_t ref = store_series(b, (struct labels){1, &name}, NULL);
    if (store_batch_add(b, ref, t_ms, 1, STORE_ORIGIN_UNKNOWN) != STORE_OK ||
        !store_batch_commit(b, &err) || !store_maintain(store, &err))
        fail_msg("%s", err.message);
    store_stats(store, &stats);
    assert_int_equal(stats.series, 1);
    assert_true(stats.series_removed > 0);
}

static inline void test_store_close(struct test_store *s)
{
    store_close(s->store);
    metadata_store_free(s->metadata);
    arena_release(&s->arena);
    test_remove_tree(s->folder);
}

/* The series whose name matches the expression, a line each: labels, then time:value pairs, then
 * histograms. */
static inline const char *test_dump(struct test_store *s, const char *names)
{
    struct matcher m;
    struct err err = ERR_INIT;
    struct store_series_data *found;
    size_t n = 0;
    struct buf out = BUF_INIT;
    if (!matcher_init(&m, &s->arena, MATCH_REGEX, STR(LABEL_NAME), str_from(names), &err) ||
        !store_select(s->store, &s->arena, &m, 1, INT64_MIN, INT64_MAX, 0, &found, &n, &err))
        fail_msg("%s", err.message);
    for (size_t i = 0; i < n; i++) {
        labels_print(found[i].labels, &out);
        for (size_t k = 0; k < found[i].n; k++) {
            const struct sample *p = &found[i].samples[k];
            buf_printf(&out, " %lld:", (long long)p->t_ms);
            if (is_stale_nan(p->v))
                buf_add_cstr(&out, "stale");
            else
                num_add_double(&out, p->v);
        }
        for (size_t k = 0; k < found[i].n_histograms; k++)
            test_dump_histogram(&out, &found[i].histograms[k]);
        buf_add_char(&out, '\n');
    }
    const char *text = arena_cstr(&s->arena, buf_str(&out));
    buf_release(&out);
    return text;
}

#endif
