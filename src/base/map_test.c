#include "base/map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static struct str key_of(int i, char text[16])
{
    return str_make(text, (size_t)snprintf(text, 16, "key-%d", i));
}

static void what_is_set_is_found(void **state)
{
    (void)state;
    struct map *m = map_new();
    int values[5000];
    char text[16];
    for (int i = 0; i < 5000; i++)
        assert_null(map_set(m, key_of(i, text), &values[i]));
    for (int i = 0; i < 5000; i++)
        assert_ptr_equal(map_get(m, key_of(i, text)), &values[i]);
    assert_null(map_get(m, STR("key-5000")));
    assert_ptr_equal(map_set(m, STR("key-7"), &values[0]), &values[7]);
    assert_int_equal(map_count(m), 5000);
    map_free(m);
}

static void order_is_that_of_insertion_also_after_removals(void **state)
{
    (void)state;
    struct map *m = map_new();
    int values[2000];
    char text[16];
    for (int i = 0; i < 2000; i++) {
        map_set(m, key_of(i, text), &values[i]);
        if (i % 3 != 0)
            assert_ptr_equal(map_remove(m, key_of(i, text)), &values[i]);
    }
    assert_null(map_remove(m, STR("key-1")));
    struct str key;
    void *value;
    int expected = 0;
    for (size_t cursor = 0; map_next(m, &cursor, &key, &value); expected += 3) {
        assert_ptr_equal(value, &values[expected]);
        assert_true(str_eq(key, key_of(expected, text)));
    }
    assert_int_equal(expected, 2001);
    assert_int_equal(map_count(m), 667);
    map_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_set_is_found),
        cmocka_unit_test(order_is_that_of_insertion_also_after_removals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
