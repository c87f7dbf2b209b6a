#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void memory_is_aligned_and_apart(void **state)
{
    (void)state;
    struct arena a = ARENA_INIT;
    for (size_t i = 1; i < 20000; i = i * 3 + 1) {
        unsigned char *p = arena_zalloc(&a, i), *q = arena_zalloc(&a, i);
        assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
        memset(p, 0xff, i);
        for (size_t k = 0; k < i; k++)
            assert_int_equal(q[k], 0);
    }
    assert_non_null(arena_alloc(&a, 0));
    assert_non_null(arena_alloc(&a, 5 << 20));
    arena_release(&a);
    assert_int_equal(a.used_bytes, 0);
}

static void add_digit(void *object)
{
    int *number = object;
    *number = *number * 10 + 1 + *number % 10;
}

static void remember_two(void *object)
{
    int *number = object;
    *number = 2;
}

static void cleanups_run_newest_first(void **state)
{
    (void)state;
    struct arena a = ARENA_INIT;
    int number = 0;
    arena_on_release(&a, add_digit, &number);
    arena_on_release(&a, remember_two, &number);
    arena_clear(&a);
    assert_int_equal(number, 23);
    arena_release(&a);
    assert_int_equal(number, 23);
}

static void an_array_grows_and_keeps_its_items(void **state)
{
    (void)state;
    struct arena a = ARENA_INIT;
    int *items = NULL;
    size_t capacity = 0;
    for (int i = 0; i < 1000; i++) {
        items = arena_grow(&a, items, (size_t)i, &capacity, sizeof *items);
        items[i] = i;
    }
    for (int i = 0; i < 1000; i++)
        assert_int_equal(items[i], i);
    arena_release(&a);
}

static void texts_are_copied(void **state)
{
    (void)state;
    struct arena a = ARENA_INIT;
    char source[] = "abc";
    struct str copy = arena_str(&a, str_make(source, 2));
    source[0] = 'x';
    assert_string_equal(copy.p, "ab");
    assert_string_equal(arena_printf(&a, "%s-%d", "n", 7), "n-7");
    assert_string_equal(arena_strdup(&a, ""), "");
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_aligned_and_apart),
        cmocka_unit_test(cleanups_run_newest_first),
        cmocka_unit_test(an_array_grows_and_keeps_its_items),
        cmocka_unit_test(texts_are_copied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
