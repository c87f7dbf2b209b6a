#include "ingest/series_cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ingest/testing.h"

static struct series_hash hash_of_number(const struct series_cache *c, unsigned i)
{
    char text[32];
    return series_cache_hash(c, str_make(text, (size_t)snprintf(text, sizeof text, "key %u", i)));
}

/* Twice in order, then in another, and with series that are not there. */
static void series_are_found_in_any_order(void **state)
{
    (void)state;
    struct series_cache *c = series_cache_new(NULL);
    uint32_t last = SERIES_CACHE_NONE;
    for (unsigned i = 0; i < 10000; i++) {
        struct series_hash h = hash_of_number(c, i);
        assert_int_equal(series_cache_find(c, last, &h), SERIES_CACHE_NONE);
        last = series_cache_add(c, last, &h, i + 1);
        assert_int_equal(last, i);
        assert_int_equal(series_cache_add(c, SERIES_CACHE_NONE, &h, i + 1), i);
    }
    for (unsigned round = 0; round < 5; round++) {
        last = SERIES_CACHE_NONE;
        for (unsigned i = 0; i < 11000; i++) {
            unsigned k = round < 2 ? i : (i * 7 + round) % 11000;
            struct series_hash h = hash_of_number(c, k);
            uint32_t found = series_cache_find(c, last, &h);
            assert_int_equal(found, k < 10000 ? k : SERIES_CACHE_NONE);
            if (found != SERIES_CACHE_NONE)
                assert_int_equal(series_cache_ref(c, found), k + 1);
            last = found;
        }
    }
    series_cache_unref(c);
}

static bool same(struct series_hash a, struct series_hash b)
{
    return a.high == b.high || a.low == b.low;
}

/* Every byte and the length count, in each of the blocks that a long key is hashed in. */
static void every_bit_of_the_key_counts(void **state)
{
    (void)state;
    struct series_cache *c = series_cache_new(NULL);
    char *key = calloc(1, 5000);
    const size_t lengths[] = {1, 15, 16, 17, 200, 1023, 1024, 1025, 4999};
    for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++) {
        size_t n = lengths[k];
        struct series_hash plain = series_cache_hash(c, str_make(key, n));
        assert_false(same(plain, series_cache_hash(c, str_make(key, n + 1))));
        assert_false(same(plain, series_cache_hash(c, str_make(key, n - 1))));
        for (size_t i = 0; i < n; i++) {
            key[i] = (char)(1 << i % 8);
            assert_false(same(plain, series_cache_hash(c, str_make(key, n))));
            key[i] = 0;
        }
        struct series_hash again = series_cache_hash(c, str_make(key, n));
        assert_true(again.high == plain.high && again.low == plain.low);
    }
    /* Blocks that change places are another key. */
    memset(key, 'a', 1024);
    memset(key + 1024, 'b', 1024);
    struct series_hash ab = series_cache_hash(c, str_make(key, 2048));
    memset(key, 'b', 1024);
    memset(key + 1024, 'a', 1024);
    assert_false(same(ab, series_cache_hash(c, str_make(key, 2048))));
    free(key);
    series_cache_unref(c);
}

static void what_was_said_is_news_once(void **state)
{
    (void)state;
    struct series_cache *c = series_cache_new(NULL);
    struct series_hash h = hash_of_number(c, 1);
    uint32_t entry = series_cache_add(c, SERIES_CACHE_NONE, &h, 7);
    assert_true(series_cache_is_news(c, entry, 5));
    assert_false(series_cache_is_news(c, entry, 5));
    assert_true(series_cache_is_news(c, entry, 6));
    series_cache_unref(c);
}

static void a_full_one_is_left_for_an_empty_one(void **state)
{
    (void)state;
    struct test_store store = {0};
    test_store_open(&store, 0);
    struct store_batch *b = store_batch_begin(store.store, 1);
    struct series_cache *c = series_cache_new(NULL), *old = c;
    for (uint32_t i = 0; i < SERIES_CACHE_MAX; i++) {
        struct series_hash h = {i * UINT64_C(0x9e3779b97f4a7c15), i};
        assert_int_equal(series_cache_add(c, SERIES_CACHE_NONE, &h, i + 1), i);
    }
    struct series_hash more = {1, 1};
    assert_int_equal(series_cache_add(c, SERIES_CACHE_NONE, &more, 1), SERIES_CACHE_NONE);
    struct series_cache *taken = series_cache_take(&c, b);
    assert_ptr_not_equal(taken, old);
    assert_ptr_equal(taken, c);
    assert_int_equal(series_cache_add(taken, SERIES_CACHE_NONE, &more, 1), 0);
    series_cache_unref(taken);
    series_cache_unref(c);
    store_batch_cancel(b);
    test_store_close(&store);
}

#define N 100

static uint64_t series_named(struct store_batch *b, unsigned i)
{
    char text[16];
    (void)snprintf(text, sizeof text, "s%u", i);
    struct label name = {STR(LABEL_NAME), str_from(text)};
    return store_series(b, (struct labels){1, &name}, NULL);
}

/* The odd ones end, the even ones go on for a day. */
static void fill(struct test_store *s, struct series_cache *c, uint64_t refs[N])
{
    struct err err = ERR_INIT;
    const int64_t day_ms = INT64_C(86400000);
    uint32_t last = SERIES_CACHE_NONE;
    struct store_batch *b = store_batch_begin(s->store, day_ms);
    for (unsigned i = 0; i < N; i++) {
        struct series_hash h = hash_of_number(c, i);
        refs[i] = series_named(b, i);
        assert_int_equal(store_batch_add(b, refs[i], 1, 1, STORE_ORIGIN_UNKNOWN), STORE_OK);
        if (i % 2 == 0)
            assert_int_equal(store_batch_add(b, refs[i], day_ms, 1, STORE_ORIGIN_UNKNOWN),
                             STORE_OK);
        last = series_cache_add(c, last, &h, refs[i]);
    }
    assert_true(store_batch_commit(b, &err));
    assert_true(store_maintain(s->store, &err));
}

static void series_that_left_are_not_in_the_next_one(void **state)
{
    (void)state;
    struct test_store s = {0};
    uint64_t refs[N];
    uint32_t last = SERIES_CACHE_NONE;
    test_store_open(&s, 0);
    struct series_cache *c = series_cache_new(s.store);
    struct store_batch *b = store_batch_begin(s.store, 1);
    series_cache_unref(series_cache_take(&c, b)); /* of the present epoch */
    store_batch_cancel(b);
    fill(&s, c, refs);
    struct series_cache *old = c;
    b = store_batch_begin(s.store, 1);
    struct series_cache *taken = series_cache_take(&c, b);
    assert_ptr_not_equal(taken, old);
    for (unsigned i = 0; i < N; i++) {
        struct series_hash h = hash_of_number(taken, i);
        uint32_t entry = series_cache_find(taken, last, &h);
        assert_int_equal(entry, i % 2 ? SERIES_CACHE_NONE : i / 2);
        if (entry != SERIES_CACHE_NONE)
            assert_int_equal(series_cache_ref(taken, entry), refs[i]);
        last = entry != SERIES_CACHE_NONE ? entry : last;
    }
    struct series_cache *again = series_cache_take(&c, b);
    assert_ptr_equal(again, taken);
    series_cache_unref(again);
    series_cache_unref(taken);
    series_cache_unref(c);
    store_batch_cancel(b);
    test_store_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(series_are_found_in_any_order),
        cmocka_unit_test(every_bit_of_the_key_counts),
        cmocka_unit_test(what_was_said_is_news_once),
        cmocka_unit_test(a_full_one_is_left_for_an_empty_one),
        cmocka_unit_test(series_that_left_are_not_in_the_next_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
