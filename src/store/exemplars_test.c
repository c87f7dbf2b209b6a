#include "store/exemplars.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/testing.h"

static struct store_exemplar trace(struct label *l, const char *id, double v, int64_t t_ms)
{
    *l = (struct label){STR("trace_id"), str_from(id)};
    return (struct store_exemplar){{1, l}, v, t_ms};
}

static enum store_result add(struct exemplars *x, uint32_t ref, const char *id, double v,
                             int64_t t_ms)
{
    struct label l;
    struct store_exemplar e = trace(&l, id, v, t_ms);
    enum store_result foretold = exemplars_judge(x, ref, &e);
    assert_int_equal(exemplars_add(x, ref, &e), foretold);
    return foretold;
}

static void each_exemplar_gets_its_fate(void **state)
{
    (void)state;
    struct exemplars x;
    char longest[STORE_EXEMPLAR_MAX_LENGTH * 2];
    exemplars_init(&x, 8);
    assert_int_equal(add(&x, 1, "a", 5, 10), STORE_OK);
    assert_int_equal(add(&x, 1, "a", 5, 10), STORE_DUPLICATE);
    assert_int_equal(add(&x, 1, "a", 5, 9), STORE_OUT_OF_ORDER);
    assert_int_equal(add(&x, 2, "a", 5, 9), STORE_OK);
    assert_int_equal(add(&x, 1, "a", 4, 10), STORE_OUT_OF_ORDER);
    assert_int_equal(add(&x, 1, "a", 6, 10), STORE_OK);
    assert_int_equal(add(&x, 1, "A", 6, 10), STORE_OUT_OF_ORDER);
    assert_int_equal(add(&x, 1, "b", 6, 10), STORE_OK);
    assert_int_equal(add(&x, 1, "b", NAN, 11), STORE_OK);
    assert_int_equal(add(&x, 1, "b", NAN, 11), STORE_DUPLICATE);
    assert_int_equal(add(&x, 1, "b", -INFINITY, 11), STORE_OK);
    assert_int_equal(exemplars_count(&x), 6);

    memset(longest, 0, sizeof longest);
    for (size_t i = 0; i < STORE_EXEMPLAR_MAX_LENGTH - strlen("trace_id"); i++)
        memcpy(longest + 2 * i, "\xc3\xa9", 2);
    assert_int_equal(add(&x, 1, longest, 5, 20), STORE_OK);
    longest[strlen(longest)] = '!';
    assert_int_equal(add(&x, 1, longest, 5, 21), STORE_LIMIT);
    exemplars_release(&x);
}

static void a_ring_of_none_keeps_none(void **state)
{
    (void)state;
    struct exemplars x;
    exemplars_init(&x, 0);
    assert_int_equal(add(&x, 1, "a", 5, 10), STORE_LIMIT);
    assert_int_equal(exemplars_count(&x), 0);
    exemplars_release(&x);
}

/* Against a plain list of all that came: the last 7 of them are there, by ref and in order. */
static void the_newest_stay(void **state)
{
    (void)state;
    enum { KEEP = 7, ALL = 500 };
    struct exemplars x;
    unsigned seed = 3;
    uint32_t refs[ALL], of_all[] = {1, 2, 3, 4, 5};
    exemplars_init(&x, KEEP);
    for (int i = 0; i < ALL; i++) {
        struct arena arena = ARENA_INIT;
        struct store_exemplar *found;
        uint32_t *found_refs;
        refs[i] = 1 + (uint32_t)rand_r(&seed) % 5;
        assert_int_equal(add(&x, refs[i], "t", i, i), STORE_OK);
        assert_int_equal(add(&x, refs[i], "t", i - 1, i - 1), STORE_OUT_OF_ORDER);
        size_t n = exemplars_find(&x, &arena, of_all, 5, INT64_MIN, INT64_MAX, &found, &found_refs);
        assert_int_equal(n, i + 1 < KEEP ? i + 1 : KEEP);
        size_t at = 0;
        for (uint32_t ref = 1; ref <= 5; ref++) {
            for (int k = i + 1 < KEEP ? 0 : i + 1 - KEEP; k <= i; k++) {
                if (refs[k] != ref)
                    continue;
                assert_int_equal(found_refs[at], ref);
                assert_int_equal(found[at++].t_ms, k);
            }
        }
        assert_int_equal(at, n);
        arena_release(&arena);
    }
    exemplars_release(&x);
}

static struct store *open_with(uint32_t exemplars)
{
    struct err err = ERR_INIT;
    struct store *s = store_open(
        &(struct store_options){.path = test_folder, .flush_ms = 10, .exemplars = exemplars}, &err);
    assert_non_null(s);
    return s;
}

static enum store_result put(struct store_batch *b, const char *job, const char *id, double v,
                             int64_t t_ms)
{
    struct label l;
    struct store_exemplar e = trace(&l, id, v, t_ms);
    return store_batch_add_exemplar(b, test_series(b, "m", job), &e);
}

static size_t get(struct store *s, struct arena *arena, int64_t mint_ms, int64_t maxt_ms,
                  struct store_series_exemplars **out)
{
    struct matcher m;
    struct err err = ERR_INIT;
    size_t n;
    assert_true(matcher_init(&m, arena, MATCH_EQUAL, STR(LABEL_NAME), STR("m"), &err));
    assert_true(store_select_exemplars(s, arena, &m, 1, mint_ms, maxt_ms, out, &n, &err));
    return n;
}

static void a_batch_brings_them_and_the_log_keeps_them(void **state)
{
    (void)state;
    struct arena arena = ARENA_INIT;
    struct store_series_exemplars *found;
    struct err err = ERR_INIT;
    struct store *s = open_with(10);
    struct store_batch *b = store_batch_begin(s, 100);
    for (int i = 0; i < 2; i++)
        assert_int_equal(
            store_batch_add(b, test_series(b, "m", i ? "b" : "a"), 100, 1, STORE_ORIGIN_UNKNOWN),
            STORE_OK);
    assert_int_equal(put(b, "b", "t1", 0.5, 10), STORE_OK);
    assert_int_equal(put(b, "b", "t1", 0.5, 10), STORE_DUPLICATE);
    assert_int_equal(put(b, "a", "t2", 0.25, 20), STORE_OK);
    assert_int_equal(put(b, "a", "t3", 0.25, 19), STORE_OUT_OF_ORDER);
    assert_int_equal(put(b, "b", "t4", 0.5, 30), STORE_OK);
    assert_int_equal(put(b, "b", "t5", 0.5, 101 + STORE_AHEAD_MAX_MS), STORE_TOO_FAR_AHEAD);
    assert_int_equal(get(s, &arena, 0, 100, &found), 0);
    assert_true(store_batch_commit(b, &err));
    for (int again = 0; again < 2; again++) {
        assert_int_equal(get(s, &arena, 0, 100, &found), 2);
        assert_true(str_is(labels_get(found[0].labels, "job"), "a"));
        assert_int_equal(found[0].n, 1);
        assert_true(str_is(labels_get(found[0].exemplars[0].labels, "trace_id"), "t2"));
        assert_int_equal(found[1].n, 2);
        assert_true(found[1].exemplars[0].v == 0.5);
        assert_int_equal(found[1].exemplars[1].t_ms, 30);
        assert_int_equal(get(s, &arena, 21, 30, &found), 1);
        store_close(s);
        s = open_with(10);
    }
    b = store_batch_begin(s, 200); /* no sample with it */
    assert_int_equal(put(b, "a", "t6", 7, 20), STORE_OK);
    assert_true(store_batch_commit(b, &err));
    store_close(s);
    s = open_with(1);
    assert_int_equal(get(s, &arena, 0, 100, &found), 1);
    assert_true(found[0].exemplars[0].v == 7);
    arena_release(&arena);
    store_close(s);
}

int main(void)
{
#define IN_FOLDER(f) cmocka_unit_test_setup_teardown(f, test_make_folder, test_remove_folder)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_exemplar_gets_its_fate),
        cmocka_unit_test(a_ring_of_none_keeps_none),
        cmocka_unit_test(the_newest_stay),
        IN_FOLDER(a_batch_brings_them_and_the_log_keeps_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
