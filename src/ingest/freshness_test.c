#include "ingest/ingest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define SHOP STR("shop"), STR("a:1")

static struct freshness_source only(struct freshness *f, struct arena *arena)
{
    struct freshness_source *v;
    size_t n;
    freshness_list(f, arena, &v, &n);
    assert_int_equal(n, 1);
    return v[0];
}

static void a_target_is_visible_up_to_its_last_good_scrape(void **state)
{
    struct arena arena = ARENA_INIT;
    struct freshness *f = freshness_new();
    (void)state;
    assert_int_equal(freshness_newest(f, SHOP), 0);
    freshness_note(f, FRESHNESS_SCRAPE, SHOP, 10000, 10004, 5000);
    freshness_note(f, FRESHNESS_SCRAPE, SHOP, 15000, 15300, 5000);
    struct freshness_source s = only(f, &arena);
    assert_int_equal(s.watermark_ms, 15000);
    assert_int_equal(s.interval_ms, 5000);
    assert_int_equal(s.count, 2);
    assert_int_equal(s.buckets[0], 1); /* 4 ms */
    assert_int_equal(s.buckets[6], 1); /* 300 ms */
    assert_true(s.sum_seconds > 0.3039 && s.sum_seconds < 0.3041);
    assert_int_equal(freshness_newest(f, SHOP), 15000);
    freshness_forget(f, FRESHNESS_SCRAPE, SHOP);
    assert_int_equal(freshness_newest(f, SHOP), 0);
    arena_release(&arena);
    freshness_free(f);
}

static void what_is_pushed_lags_by_an_interval_that_is_learned(void **state)
{
    struct arena arena = ARENA_INIT;
    struct freshness *f = freshness_new();
    (void)state;
    freshness_note(f, FRESHNESS_OTLP, SHOP, 10000, 10000, 0);
    assert_int_equal(only(f, &arena).watermark_ms, 10000); /* nothing is known yet */
    freshness_note(f, FRESHNESS_OTLP, SHOP, 12000, 12000, 0);
    assert_int_equal(only(f, &arena).watermark_ms, 10000);
    freshness_note(f, FRESHNESS_OTLP, SHOP, 11000, 12500, 0); /* late: nothing moves back */
    assert_int_equal(only(f, &arena).newest_ms, 12000);
    assert_int_equal(only(f, &arena).visible_ms, 12500);
    freshness_note(f, FRESHNESS_OTLP, SHOP, 22000, 22000, 0);
    assert_int_equal(only(f, &arena).interval_ms, 10000);
    freshness_note(f, FRESHNESS_OTLP, SHOP, 24000, 24000, 0);
    assert_int_equal(only(f, &arena).interval_ms, 9000);
    freshness_note(f, FRESHNESS_OTLP, SHOP, 99000000, 24000, 0); /* ahead: no longer than an hour */
    assert_int_equal(only(f, &arena).interval_ms, 3600000);
    arena_release(&arena);
    freshness_free(f);
}

static void sources_are_bounded_and_the_silent_make_room(void **state)
{
    struct arena arena = ARENA_INIT;
    struct freshness *f = freshness_new();
    struct freshness_source *v;
    char name[16];
    size_t n;
    (void)state;
    for (int i = 0; i < 10002; i++) {
        (void)snprintf(name, sizeof name, "%05d", i);
        freshness_note(f, FRESHNESS_OTLP, STR("j"), str_from(name), 1000, i == 7 ? 1 : 5000000, 0);
    }
    freshness_list(f, &arena, &v, &n);
    assert_int_equal(n, 10000);
    assert_int_equal(freshness_newest(f, STR("j"), STR("00007")), 0); /* for 10000 */
    assert_int_equal(freshness_newest(f, STR("j"), STR("10000")), 1000);
    assert_int_equal(freshness_newest(f, STR("j"), STR("10001")), 0);
    assert_true(str_is(v[0].instance, "00000") && str_is(v[9999].instance, "10000"));
    arena_release(&arena);
    freshness_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_target_is_visible_up_to_its_last_good_scrape),
        cmocka_unit_test(what_is_pushed_lags_by_an_interval_that_is_learned),
        cmocka_unit_test(sources_are_bounded_and_the_silent_make_room)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
