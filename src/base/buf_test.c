#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void text_is_always_terminated(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    for (int i = 0; i < 100; i++)
        buf_printf(&b, "%d,", i);
    assert_int_equal(strlen(b.p), b.n);
    assert_memory_equal(b.p, "0,1,2,", 6);
    buf_clear(&b);
    assert_string_equal(b.p, "");
    char *owned = buf_detach(&b);
    assert_null(b.p);
    free(owned);
    owned = buf_detach(&b);
    assert_string_equal(owned, "");
    free(owned);
}

static void integers_have_a_fixed_form(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    buf_add_u32(&b, 0x04030201);
    buf_add_u64(&b, UINT64_C(0x0807060504030201));
    buf_add_uvarint(&b, 300);
    buf_add_uvarint(&b, UINT64_MAX);
    buf_add_varint(&b, -1);
    buf_add_varint(&b, 1);
    buf_add_varint(&b, INT64_MIN);
    static const unsigned char expected[] = {1,    2,    3,    4,    1,    2,    3,    4,    5,
                                             6,    7,    8,    0xac, 0x02, 0xff, 0xff, 0xff, 0xff,
                                             0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 1,    2,    0xff,
                                             0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01};
    assert_int_equal(b.n, sizeof expected);
    assert_memory_equal(b.p, expected, sizeof expected);
    buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_always_terminated),
        cmocka_unit_test(integers_have_a_fixed_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
