#include "ingest/protobuf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define PB(literal) pb_of(str_make((literal), sizeof(literal) - 1))

static void every_type_is_read(void **state)
{
    (void)state;
    struct pb in = PB("\x08\x96\x01"
                      "\x11\x01\x02\x03\x04\x05\x06\x07\x08"
                      "\x1a\x02hi"
                      "\x25\x01\x00\x00\x80"
                      "\xf8\xff\xff\xff\x0f\x00");
    struct pb_field f = {0};
    assert_true(pb_next(&in, &f));
    assert_int_equal(f.number, 1);
    assert_int_equal(f.type, PB_VARINT);
    assert_int_equal(f.value, 150);
    assert_true(pb_next(&in, &f));
    assert_int_equal(f.number, 2);
    assert_int_equal(f.type, PB_FIXED64);
    assert_true(f.value == UINT64_C(0x0807060504030201));
    assert_true(pb_next(&in, &f));
    assert_int_equal(f.type, PB_BYTES);
    assert_true(str_is(f.bytes, "hi"));
    assert_true(pb_next(&in, &f));
    assert_int_equal(f.type, PB_FIXED32);
    assert_int_equal(f.value, UINT32_C(0x80000001));
    assert_true(pb_next(&in, &f));
    assert_int_equal(f.number, (1 << 29) - 1); /* the highest there is */
    assert_false(pb_next(&in, &f));
    assert_false(in.broken);
}

static void assert_broken(struct pb in)
{
    struct pb_field f = {0};
    while (pb_next(&in, &f))
        ;
    assert_true(in.broken);
    assert_true(in.p <= in.end);
    assert_false(pb_next(&in, &f));
}

static void what_is_broken_says_so(void **state)
{
    (void)state;
    assert_broken(PB("\x08"));                                             /* no value */
    assert_broken(PB("\x08\x80"));                                         /* half a varint */
    assert_broken(PB("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"));     /* 65 bits */
    assert_broken(PB("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00")); /* 11 bytes */
    assert_broken(PB("\x11\x01\x02\x03\x04\x05\x06\x07"));                 /* 7 of 8 */
    assert_broken(PB("\x25\x01\x02\x03"));                                 /* 3 of 4 */
    assert_broken(PB("\x1a\x03hi"));                                       /* 2 of 3 */
    assert_broken(PB("\x1a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01hi"));   /* 2^64-1 bytes */
    assert_broken(PB("\x00\x00"));                                         /* field 0 */
    assert_broken(PB("\x80\x80\x80\x80\x10\x00"));                         /* field 2^29 */
    assert_broken(PB("\x0b\x0c"));                                         /* a group */
    assert_broken(PB("\x0e\x00"));                                         /* type 6 */
}

static void packed_runs_are_read(void **state)
{
    (void)state;
    uint64_t v;
    struct pb varints = PB("\x01\xac\x02\x80");
    assert_true(pb_next_varint(&varints, &v) && v == 1);
    assert_true(pb_next_varint(&varints, &v) && v == 300);
    assert_false(pb_next_varint(&varints, &v));
    assert_true(varints.broken);
    struct pb fixed = PB("\x00\x00\x00\x00\x00\x00\xf0\x3f\x00");
    assert_true(pb_next_fixed64(&fixed, &v));
    assert_true(pb_double(v) == 1.0);
    assert_false(pb_next_fixed64(&fixed, &v));
    assert_true(fixed.broken);
    struct pb empty = pb_of(str_make(NULL, 0));
    assert_false(pb_next_fixed64(&empty, &v));
    assert_false(empty.broken);
}

static void zigzag_has_both_signs(void **state)
{
    (void)state;
    assert_int_equal(pb_zigzag(0), 0);
    assert_int_equal(pb_zigzag(1), -1);
    assert_int_equal(pb_zigzag(2), 1);
    assert_true(pb_zigzag(UINT64_MAX) == INT64_MIN);
    assert_true(pb_zigzag(UINT64_MAX - 1) == INT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_is_read),
        cmocka_unit_test(what_is_broken_says_so),
        cmocka_unit_test(packed_runs_are_read),
        cmocka_unit_test(zigzag_has_both_signs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
