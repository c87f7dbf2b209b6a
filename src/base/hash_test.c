#include "base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void crc32c_gives_the_values_of_rfc_3720(void **state)
{
    (void)state;
    unsigned char bytes[32];
    memset(bytes, 0, sizeof bytes);
    assert_int_equal(crc32c(0, bytes, 32), 0x8a9136aa);
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(crc32c(0, bytes, 32), 0x62a8ab43);
    for (unsigned i = 0; i < 32; i++)
        bytes[i] = (unsigned char)i;
    assert_int_equal(crc32c(0, bytes, 32), 0x46dd794e);
    assert_int_equal(crc32c(crc32c(0, bytes, 13), bytes + 13, 19), 0x46dd794e);
}

/* Flipping any input bit flips about half of the output bits. */
static void hash64_spreads_every_bit(void **state)
{
    (void)state;
    unsigned char bytes[40] = {0};
    for (size_t n = 1; n <= sizeof bytes; n++) {
        uint64_t base = hash64(bytes, n, 1);
        for (size_t bit = 0; bit < n * 8; bit++) {
            bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
            int changed = __builtin_popcountll(base ^ hash64(bytes, n, 1));
            bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
            assert_in_range(changed, 10, 54);
        }
    }
}

static void xxh64_is_that_of_others(void **state)
{
    (void)state;
    static const char text[] = "Nobody inspects the spammish repetition";
    assert_true(hash_xxh64("", 0, 0) == UINT64_C(0xef46db3751d8e999));
    assert_true(hash_xxh64("a", 1, 0) == UINT64_C(0xd24ec4f1a98c6e5b));
    assert_true(hash_xxh64("abc", 3, 0) == UINT64_C(0x44bc2cf5ad770999));
    assert_true(hash_xxh64(text, sizeof text - 1, 0) == UINT64_C(0xfbcea83c8a378bf1));
}

static void hash64_tells_lengths_and_seeds_apart(void **state)
{
    (void)state;
    unsigned char zeros[64] = {0};
    for (size_t n = 1; n < sizeof zeros; n++)
        assert_int_not_equal(hash64(zeros, n, 0), hash64(zeros, n - 1, 0));
    assert_int_not_equal(hash64("a", 1, 0), hash64("a", 1, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc32c_gives_the_values_of_rfc_3720),
        cmocka_unit_test(hash64_spreads_every_bit),
        cmocka_unit_test(xxh64_is_that_of_others),
        cmocka_unit_test(hash64_tells_lengths_and_seeds_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
