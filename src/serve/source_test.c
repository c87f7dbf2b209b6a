/* The store as a source of PromQL: windows of days and weeks are whole, whether their samples lie
 * in the head or in blocks, and after a restart. */
#include "serve/serve.h"
#include "slo/slo.h"
#include "store/testing.h"

#define MINUTE_MS INT64_C(60000)
#define HOUR_MS (60 * MINUTE_MS)

static const int64_t begin_ms = INT64_C(1700000000000) / HOUR_MS * HOUR_MS;

/* 10 events a minute, 1 of them bad. */
static void fill(struct store *s, int64_t from_ms, int64_t to_ms)
{
    static const char *const names[] = {"cqed_sli_good_total", "cqed_sli_total"};
    static const int rates[] = {9, 10};
    struct err err = ERR_INIT;
    struct store_batch *b = store_batch_begin(s, to_ms);
    for (int i = 0; i < 2; i++) {
        struct label l[] = {{STR(LABEL_NAME), str_from(names[i])}, {STR("slo"), STR("shop")}};
        uint64_t ref = store_series(b, (struct labels){2, l}, NULL);
        for (int64_t t = from_ms; t < to_ms; t += MINUTE_MS) {
            double v = (double)(rates[i] * ((t - begin_ms) / MINUTE_MS));
            assert_int_equal(store_batch_add(b, ref, t, v, STORE_ORIGIN_UNKNOWN), STORE_OK);
        }
    }
    assert_true(store_batch_commit(b, &err));
}

static void check_window(struct store *s, int64_t hours, int64_t end_ms, bool partial)
{
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    struct promql_source source = store_promql_source(s);
    struct slo_spec spec = {
        .name = "shop", .service = "shop", .target = 0.9, .window_ms = hours * HOUR_MS};
    struct slo_window w;
    assert_true(
        slo_window(&source, &arena, &spec, NULL, end_ms - hours * HOUR_MS, end_ms, &w, &err));
    assert_int_equal(w.partial, partial);
    double minutes = (double)((end_ms - w.from_ms) / MINUTE_MS);
    assert_true(w.total == minutes * 10 && w.good == minutes * 9);
    arena_release(&arena);
}

static void windows_of_days_are_whole(void **state)
{
    (void)state;
    const int64_t days = 6;
    struct err err = ERR_INIT;
    struct store *s = test_open(NULL);
    for (int64_t h = 0; h < days * 24; h += 36) {
        fill(s, begin_ms + h * HOUR_MS, begin_ms + (h + 36) * HOUR_MS);
        assert_true(store_maintain(s, &err));
    }
    int64_t end_ms = begin_ms + days * 24 * HOUR_MS - MINUTE_MS;
    for (int round = 0; round < 2; round++) {
        check_window(s, 1, end_ms, false);
        check_window(s, 30, end_ms, false);
        check_window(s, 5 * 24, end_ms, false);
        check_window(s, 7 * 24, end_ms, true);
        store_close(s);
        s = test_open(NULL);
    }
    store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(windows_of_days_are_whole, test_make_folder,
                                        test_remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
