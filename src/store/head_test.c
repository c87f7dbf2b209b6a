#include "store/head.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static uint32_t bind_counting(void *self, struct labels labels)
{
    unsigned *n = self;
    (void)labels;
    return ++*n;
}

static struct series *series_named(struct head *h, const char *name, bool *is_new)
{
    struct label l = {STR("__name__"), str_from(name)};
    return head_series(h, (struct labels){1, &l}, is_new);
}

static void a_series_is_made_and_bound_once(void **state)
{
    (void)state;
    struct head *h = calloc(1, sizeof *h);
    unsigned bound = 0;
    struct store_tap tap = {.self = &bound, .bind = bind_counting};
    bool is_new;
    head_init(h, &(struct store_options){.max_series = 1000, .tap = &tap});
    for (int round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 1000; i++) {
            char name[32];
            snprintf(name, sizeof name, "m%u", i);
            struct series *s = series_named(h, name, &is_new);
            assert_non_null(s);
            assert_int_equal(is_new, round == 0);
            assert_int_equal(s->ref, i + 1);
            assert_int_equal(s->token, i + 1);
            assert_ptr_equal(head_at(h, s->ref), s);
        }
    }
    assert_int_equal(bound, 1000);
    struct label next = {STR("__name__"), STR("m7")}, other = {STR("__name__"), STR("m9")};
    assert_ptr_equal(head_series_after(h, head_at(h, 7), (struct labels){1, &next}, &is_new),
                     head_at(h, 8));
    assert_ptr_equal(head_series_after(h, head_at(h, 7), (struct labels){1, &other}, &is_new),
                     head_at(h, 10));
    assert_ptr_equal(head_series_after(h, head_at(h, 1000), (struct labels){1, &next}, &is_new),
                     head_at(h, 8));
    assert_false(is_new);
    assert_null(series_named(h, "one too many", &is_new));
    assert_null(head_at(h, 0));
    assert_null(head_at(h, 1001));
    head_release(h);
    free(h);
}

static void increases_are_exact(void **state)
{
    (void)state;
    const struct {
        double v;
        bool origin_zero;
        double increase;
    } steps[] = {{NAN, true, NAN}, {5, true, 5},     {8, false, 3}, {8, true, 0},
                 {2, false, 2},    {NAN, true, NAN}, {7, true, 5},  {INFINITY, false, INFINITY},
                 {1, false, 1}};
    struct head *h = calloc(1, sizeof *h);
    bool is_new;
    double got;
    head_init(h, &(struct store_options){.max_series = 10});
    struct series *s = series_named(h, "c", &is_new);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        double v = isnan(steps[i].v) ? stale_nan() : steps[i].v;
        assert_true(head_append(h, s, (int64_t)i, v, steps[i].origin_zero, &got));
        if (isnan(steps[i].increase))
            assert_true(isnan(got));
        else
            assert_true(got == steps[i].increase);
    }
    s = series_named(h, "unknown", &is_new);
    assert_true(head_append(h, s, 1, 100, false, &got));
    assert_true(isnan(got));
    assert_true(head_append(h, s, 2, 101, true, &got));
    assert_true(got == 1);
    assert_false(head_append(h, s, 2, 102, true, &got));
    assert_false(head_append(h, s, 1, 102, true, &got));
    head_release(h);
    free(h);
}

static void a_sample_is_judged_by_the_newest(void **state)
{
    (void)state;
    const uint64_t bits = 4;
    assert_int_equal(head_judge(SERIES_EMPTY, 0, 5, 1), STORE_OK);
    assert_int_equal(head_judge(SERIES_EMPTY, 0, INT64_MIN, 0), STORE_OUT_OF_ORDER);
    assert_int_equal(head_judge(10, bits, 11, 1), STORE_OK);
    assert_int_equal(head_judge(10, bits, 10, 4), STORE_DUPLICATE);
    assert_int_equal(head_judge(10, bits, 10, 5), STORE_CONFLICTING);
    assert_int_equal(head_judge(10, bits, 9, 4), STORE_OUT_OF_ORDER);
}

static void what_is_in_blocks_goes_chunk_by_chunk(void **state)
{
    (void)state;
    const int64_t hour_ms = 3600000;
    struct head *h = calloc(1, sizeof *h);
    bool is_new;
    double increase;
    head_init(h, &(struct store_options){.max_series = 10});
    struct series *idle = series_named(h, "idle", &is_new);
    struct series *busy = series_named(h, "busy", &is_new);
    for (int64_t i = 0; i < 10; i++)
        assert_true(head_append(h, idle, i, 1, false, &increase));
    for (int64_t i = 0; i < 30 * 60; i++)
        assert_true(head_append(h, busy, hour_ms + i * 60000, 1, false, &increase));
    int64_t horizon = 7 * hour_ms;
    head_sweep(h);
    assert_int_equal(series_n_chunks(idle), 1);
    assert_int_equal(head_move_border(h, horizon), INT64_MAX);
    head_move_horizon(h);
    head_sweep(h);
    assert_int_equal(series_n_chunks(idle), 0);
    struct chunk oldest = series_chunk(busy, 0);
    assert_true(oldest.last_t_ms >= horizon);
    assert_true(oldest.first_t_ms < horizon + CHUNK_MAX_SAMPLES * 60000);
    assert_int_equal(atomic_load(&h->min_t_ms), oldest.first_t_ms);
    size_t bytes = 0;
    for (uint32_t i = 0; i < series_n_chunks(busy); i++) {
        struct chunk c = series_chunk(busy, i);
        bytes += chunk_memory(&c);
    }
    assert_int_equal(atomic_load(&h->chunk_bytes), bytes);
    assert_true(head_append(h, idle, 10, 3, false, &increase));
    assert_true(increase == 2);

    /* That one came late: it stays until it is written too. */
    assert_int_equal(atomic_load(&h->horizon_ms), 10);
    head_move_horizon(h);
    head_sweep(h);
    assert_int_equal(series_n_chunks(idle), 1);
    assert_int_equal(head_move_border(h, 0), 10);
    assert_int_equal(atomic_load(&h->border_ms), horizon);
    head_move_horizon(h);
    head_sweep(h);
    assert_int_equal(series_n_chunks(idle), 0);
    head_release(h);
    free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_series_is_made_and_bound_once),
        cmocka_unit_test(increases_are_exact),
        cmocka_unit_test(a_sample_is_judged_by_the_newest),
        cmocka_unit_test(what_is_in_blocks_goes_chunk_by_chunk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
