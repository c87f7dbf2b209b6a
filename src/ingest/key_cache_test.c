#include "ingest/key_cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

static struct str key_of(char *text, size_t size, int i)
{
    return str_make(text, (size_t)snprintf(text, size, "key %d", i));
}

static void what_was_added_is_found(void **state)
{
    struct key_cache *c = key_cache_new();
    char text[32];
    uint32_t id, last = 0;
    (void)state;
    key_cache_lock(c);
    for (int i = 0; i < 5000; i++) {
        struct str key = key_of(text, sizeof text, i);
        uint64_t hash = key_cache_hash(c, key);
        assert_null(key_cache_find(c, key, hash, &id));
        int *payload = key_cache_add(c, key, hash, sizeof *payload, &id);
        assert_int_equal(*payload, 0);
        assert_true(id > last);
        last = id;
        *payload = i;
    }
    for (int i = 0; i < 5000; i++) {
        struct str key = key_of(text, sizeof text, i);
        int *payload = key_cache_find(c, key, key_cache_hash(c, key), &id);
        assert_non_null(payload);
        assert_int_equal(*payload, i);
    }
    key_cache_unlock(c);
    key_cache_unref(c);
}

/* Two keys of one hash, as if they collided. */
static void keys_are_compared_whole(void **state)
{
    struct key_cache *c = key_cache_new();
    uint32_t id;
    (void)state;
    key_cache_lock(c);
    void *a = key_cache_add(c, STR("a"), 7, 1, &id);
    assert_null(key_cache_find(c, STR("b"), 7, &id));
    void *b = key_cache_add(c, STR("b"), 7, 1, &id);
    assert_ptr_equal(key_cache_find(c, STR("a"), 7, &id), a);
    assert_ptr_equal(key_cache_find(c, STR("b"), 7, &id), b);
    key_cache_alias(c, STR("c"), 7, a);
    key_cache_alias(c, STR("c"), 7, b);
    assert_ptr_equal(key_cache_find(c, STR("c"), 7, &id), b);
    key_cache_unlock(c);
    key_cache_unref(c);
}

static void it_fills_up_and_lives_while_referenced(void **state)
{
    struct key_cache *c = key_cache_new();
    char text[32];
    uint32_t id;
    int i = 0;
    (void)state;
    key_cache_lock(c);
    for (; !key_cache_is_full(c); i++) {
        struct str key = key_of(text, sizeof text, i);
        (void)key_cache_add(c, key, key_cache_hash(c, key), (size_t)1 << 20, &id);
    }
    key_cache_unlock(c);
    assert_in_range(i, 32, 64);
    assert_ptr_equal(key_cache_ref(c), c);
    key_cache_unref(c);
    struct str key = key_of(text, sizeof text, 0);
    assert_non_null(key_cache_find(c, key, key_cache_hash(c, key), &id));
    key_cache_unref(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_added_is_found),
        cmocka_unit_test(keys_are_compared_whole),
        cmocka_unit_test(it_fills_up_and_lives_while_referenced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
