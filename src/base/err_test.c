#include "base/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void a_failure_names_code_and_value(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    assert_false(err_set(&err, ERR_LIMIT, "body is %d bytes, the limit is %d", 9, 8));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_string_equal(err.message, "body is 9 bytes, the limit is 8");
    assert_string_equal(err_code_name(err.code), "limit");
}

static void errno_is_spelled_out(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    errno = ENOSPC;
    assert_false(err_errno(&err, "cannot write %s", "wal"));
    assert_string_equal(err.message, "cannot write wal: No space left on device");
}

static void a_prefix_goes_in_front_and_long_texts_are_cut(void **state)
{
    (void)state;
    struct err err = ERR_INIT;
    char longest[1000];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    err_set(&err, ERR_BAD_INPUT, "%s", longest);
    assert_false(err_prefix(&err, "a.yaml: "));
    assert_memory_equal(err.message, "a.yaml: xxx", 11);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
}

static void nobody_needs_to_listen(void **state)
{
    (void)state;
    assert_false(err_set(NULL, ERR_IO, "x"));
    assert_false(err_prefix(NULL, "x"));
    assert_false(err_errno(NULL, "x"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_names_code_and_value),
        cmocka_unit_test(errno_is_spelled_out),
        cmocka_unit_test(a_prefix_goes_in_front_and_long_texts_are_cut),
        cmocka_unit_test(nobody_needs_to_listen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
