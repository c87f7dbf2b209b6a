/* Sums of SLIs over restarts that read a snapshot and the log from there on: every increase is
 * counted once, whenever the snapshot was taken and whatever was written meanwhile. */
#include "base/file.h"
#include "slo/slo.h"
#include "store/store.h"

#include "daemon/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define SERIES 6

static const struct slo_spec spec = {.name = "shop",
                                     .display_name = "",
                                     .description = "",
                                     .service = "shop",
                                     .sli = {.kind = SLI_RATIO,
                                             .total_query = "requests_total",
                                             .bad_query = "requests_total{code=\"500\"}"},
                                     .target = 0.99,
                                     .window_ms = 3600000};

struct scene {
    unsigned random;
    char folder[64];
    struct slo_engine *engine;
    struct store_tap tap;
    struct store *store;
    int64_t now_ms;
    double counter[SERIES];
    double total, bad; /* as they must be */
};

static void open_all(struct scene *s)
{
    struct slo_setup setup = {&spec, "version"};
    struct err err = ERR_INIT;
    s->engine = slo_engine_new(&setup, 1, &err);
    s->tap = tap_of(s->engine);
    s->store = store_open(
        &(struct store_options){.path = s->folder, .flush_ms = 1000, .tap = &s->tap}, &err);
    if (!s->store)
        fail_msg("%s", err.message);
}

static void close_all(struct scene *s)
{
    store_close(s->store);
    slo_engine_free(s->engine);
}

/* Whole numbers, so that the order in which they are added up does not matter. */
static void count(struct scene *s)
{
    struct err err = ERR_INIT;
    struct store_batch *b = store_batch_begin(s->store, ++s->now_ms);
    for (unsigned i = 0; i < SERIES; i++) {
        char instance[2] = {(char)('a' + i), 0};
        double more = rand_r(&s->random) % 5;
        bool reset = rand_r(&s->random) % 20 == 0;
        struct label v[] = {{STR(LABEL_NAME), STR("requests_total")},
                            {STR("code"), i % 2 ? STR("500") : STR("200")},
                            {STR("instance"), str_from(instance)}};
        if (reset && s->counter[i] <= more)
            reset = false;
        s->counter[i] = reset ? more : s->counter[i] + more;
        s->total += more;
        s->bad += i % 2 ? more : 0;
        assert_int_equal(store_batch_add(b, store_series(b, (struct labels){3, v}, NULL), s->now_ms,
                                         s->counter[i], STORE_ORIGIN_ZERO),
                         STORE_OK);
    }
    assert_true(store_batch_commit(b, &err));
}

static void add_to_batch(void *batch, struct labels labels, int64_t t_ms, double v)
{
    (void)store_batch_add(batch, store_series(batch, labels, NULL), t_ms, v, STORE_ORIGIN_UNKNOWN);
}

/* As the daemon does, but that others count between reading and writing. */
static void write_sums(struct scene *s)
{
    struct err err = ERR_INIT;
    struct store_batch *b = store_batch_begin(s->store, ++s->now_ms);
    slo_engine_flush(s->engine, s->now_ms, add_to_batch, b);
    count(s);
    assert_true(store_batch_commit(b, &err));
}

static void check(struct scene *s)
{
    struct arena arena = ARENA_INIT;
    struct slo_arm *arms;
    size_t n;
    assert_true(slo_engine_arms(s->engine, &arena, "shop", &arms, &n));
    assert_int_equal(n, 1);
    assert_true(arms[0].total == s->total && arms[0].bad == s->bad);
    arena_release(&arena);
}

static void snapshot(struct scene *s)
{
    struct err err = ERR_INIT;
    if (!store_snapshot_head(s->store, &err))
        fail_msg("%s", err.message);
}

static void remove_one(void *folder, const char *name)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", (const char *)folder, name);
    (void)unlink(path);
}

static void remove_folder(char *folder)
{
    char wal[80];
    struct err err = ERR_INIT;
    (void)snprintf(wal, sizeof wal, "%s/wal", folder);
    assert_true(file_list(wal, remove_one, wal, &err) && rmdir(wal) == 0);
    assert_true(file_list(folder, remove_one, folder, &err) && rmdir(folder) == 0);
}

static void every_increase_is_counted_once(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 30; seed++) {
        struct scene s = {.random = seed, .now_ms = 1000, .folder = "/tmp/cqed-sums-XXXXXX"};
        assert_non_null(mkdtemp(s.folder));
        open_all(&s);
        count(&s);
        snapshot(&s);
        for (int i = 0; i < 40; i++) {
            switch (rand_r(&s.random) % 8) {
            case 0:
                close_all(&s);
                open_all(&s);
                check(&s);
                break;
            case 1:
                snapshot(&s);
                break;
            case 2:
            case 3:
                write_sums(&s);
                break;
            default:
                count(&s);
            }
        }
        check(&s);
        close_all(&s);
        remove_folder(s.folder);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_increase_is_counted_once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
