#include "base/diag.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void all_problems_are_told_in_order_of_place(void **state)
{
    (void)state;
    struct arena a = ARENA_INIT;
    struct diag_list list;
    struct buf b = BUF_INIT;
    diag_init(&list, &a);
    diag_add(&list, DIAG_ERROR, "b.yaml", 3, 1, "unknown key '%s'", "x");
    diag_add(&list, DIAG_WARNING, "a.yaml", 9, 2, "old");
    diag_add(&list, DIAG_ERROR, "a.yaml", 0, 0, "empty");
    diag_sort(&list);
    diag_print(&list, &b);
    assert_string_equal(b.p, "a.yaml: error: empty\n"
                             "a.yaml:9:2: warning: old\n"
                             "b.yaml:3:1: error: unknown key 'x'\n");
    assert_int_equal(list.errors, 2);
    buf_release(&b);
    arena_release(&a);
}

static void a_flood_is_counted_not_printed(void **state)
{
    (void)state;
    struct arena a = ARENA_INIT;
    struct diag_list list;
    struct buf b = BUF_INIT;
    diag_init(&list, &a);
    for (int i = 0; i < DIAG_MAX + 7; i++)
        diag_add(&list, DIAG_ERROR, "a", i + 1, 1, "bad");
    diag_print(&list, &b);
    assert_true(str_ends(buf_str(&b), STR("and 7 more errors\n")));
    assert_int_equal(list.n, DIAG_MAX);
    buf_release(&b);
    arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_problems_are_told_in_order_of_place),
        cmocka_unit_test(a_flood_is_counted_not_printed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
