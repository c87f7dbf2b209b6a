#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void new_memory_is_zero(void **state)
{
    (void)state;
    int *v = mem_array(100, sizeof *v);
    for (int i = 0; i < 100; i++)
        assert_int_equal(v[i], 0);
    free(v);
    free(mem_zalloc(0));
}

static void growing_keeps_what_is_there(void **state)
{
    (void)state;
    uint32_t *v = NULL;
    size_t capacity = 0, n = 0;
    for (; n < 1000; n++) {
        v = mem_grow(v, n, &capacity, sizeof *v);
        v[n] = (uint32_t)n;
    }
    assert_int_equal(capacity, 1024);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(v[i], i);
    free(v);
}

static void a_copy_is_its_own(void **state)
{
    (void)state;
    char text[] = "stable";
    char *copy = mem_strdup(text);
    text[0] = 'X';
    assert_string_equal(copy, "stable");
    free(copy);
    copy = mem_text(str_make("canary", 3));
    assert_string_equal(copy, "can");
    free(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_memory_is_zero),
        cmocka_unit_test(growing_keeps_what_is_there),
        cmocka_unit_test(a_copy_is_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
