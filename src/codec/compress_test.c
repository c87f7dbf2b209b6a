#include "codec/compress.h"

#include <setjmp.h>
#include <snappy-c.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <zstd.h>

#include <cmocka.h>

#define BOMB_BYTES ((size_t)8 << 20)

typedef bool decoder(struct str, size_t, struct buf *, struct err *);

static void pack_gzip(struct str text, struct buf *out)
{
    gzip_encode(text, out);
}

static void pack_zstd(struct str text, struct buf *out)
{
    size_t room = ZSTD_compressBound(text.n);
    size_t n = ZSTD_compress(buf_reserve(out, room), room, text.p, text.n, 3);
    assert_false(ZSTD_isError(n));
    out->n += n;
}

static void pack_snappy(struct str text, struct buf *out)
{
    size_t n = snappy_max_compressed_length(text.n);
    assert_int_equal(snappy_compress(text.p, text.n, buf_reserve(out, n), &n), SNAPPY_OK);
    out->n += n;
}

static const struct {
    void (*pack)(struct str, struct buf *);
    decoder *decode;
} codecs[] = {{pack_gzip, gzip_decode}, {pack_zstd, zstd_decode}, {pack_snappy, snappy_decode}};
#define N_CODECS (sizeof codecs / sizeof *codecs)

/* At the cap it is taken, a byte below it is refused; and a bomb costs no more than the cap. */
static void output_has_a_cap(void **state)
{
    char *bomb = calloc(1, BOMB_BYTES);
    (void)state;
    assert_non_null(bomb);
    for (size_t i = 0; i < N_CODECS; i++) {
        struct buf packed = BUF_INIT, out = BUF_INIT;
        struct err err = ERR_INIT;
        codecs[i].pack(str_make(bomb, BOMB_BYTES), &packed);
        assert_true(codecs[i].decode(buf_str(&packed), BOMB_BYTES, &out, &err));
        assert_int_equal(out.n, BOMB_BYTES);
        buf_release(&out);
        assert_false(codecs[i].decode(buf_str(&packed), BOMB_BYTES - 1, &out, &err));
        assert_int_equal(err.code, ERR_LIMIT);
        buf_release(&out);
        assert_false(codecs[i].decode(buf_str(&packed), 1000, &out, &err));
        assert_int_equal(err.code, ERR_LIMIT);
        assert_true(out.capacity < 200000);
        buf_release(&out);
        buf_release(&packed);
    }
    free(bomb);
}

/* Every cut and every flipped byte is an error or, where the format has no checksum, other bytes;
 * what stood in the buffer stays. */
static void damage_is_told(void **state)
{
    struct str text =
        STR("http_requests_total{code=\"200\"} 42\nhttp_requests_total{code=\"500\"} 1\n");
    (void)state;
    for (size_t i = 0; i < N_CODECS; i++) {
        struct buf packed = BUF_INIT, out = BUF_INIT;
        codecs[i].pack(text, &packed);
        buf_add_cstr(&out, "before ");
        assert_true(codecs[i].decode(buf_str(&packed), 1000, &out, NULL));
        assert_true(str_starts(buf_str(&out), STR("before http_")));
        for (size_t n = 0; n < packed.n; n++) {
            struct err err = ERR_INIT;
            buf_clear(&out);
            assert_false(codecs[i].decode(str_make(packed.p, n), 1000, &out, &err));
            assert_int_equal(err.code, ERR_BAD_INPUT);
        }
        for (size_t n = 0; n < packed.n; n++) {
            packed.p[n] ^= 0x20;
            buf_clear(&out);
            if (codecs[i].decode(buf_str(&packed), 1000, &out, NULL))
                assert_true(out.n <= 1000);
            packed.p[n] ^= 0x20;
        }
        buf_release(&packed);
        buf_release(&out);
    }
}

/* RFC 1952: a file is a run of members. */
static void gzip_members_add_up(void **state)
{
    struct buf packed = BUF_INIT, out = BUF_INIT;
    (void)state;
    gzip_encode(STR("first "), &packed);
    gzip_encode(STR(""), &packed);
    gzip_encode(STR("second"), &packed);
    assert_true(gzip_decode(buf_str(&packed), 100, &out, NULL));
    assert_string_equal(out.p, "first second");
    buf_add_cstr(&packed, "rest");
    buf_clear(&out);
    assert_false(gzip_decode(buf_str(&packed), 100, &out, NULL));
    buf_release(&packed);
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(output_has_a_cap),
        cmocka_unit_test(damage_is_told),
        cmocka_unit_test(gzip_members_add_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
