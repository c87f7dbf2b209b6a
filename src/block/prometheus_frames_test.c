#include "block/prometheus_testing.h"

#include "base/mem.h"
#include "codec/compress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <zstd.h>

struct reading {
    size_t records, bytes;
    enum prometheus_frame end;
    struct err err;
};

/* All of a segment's first n bytes, from *at on. */
static struct reading read_on(struct prometheus_frames *f, const struct buf *segment, size_t n,
                              size_t *at)
{
    struct reading r = {0};
    struct str record;
    for (;;) {
        size_t page = *at / PROMETHEUS_PAGE_BYTES * PROMETHEUS_PAGE_BYTES, in_page = *at - page;
        size_t there = n - page < PROMETHEUS_PAGE_BYTES ? n - page : PROMETHEUS_PAGE_BYTES;
        struct str bytes = str_make(segment->p + page, there);
        while ((r.end = prometheus_frames_next(f, bytes, &in_page, &record, &r.err)) ==
               PROMETHEUS_RECORD) {
            r.records++;
            r.bytes += record.n;
            for (size_t i = 0; i < record.n; i++)
                assert_int_equal(record.p[i], 'x');
        }
        *at = page + in_page;
        if (r.end == PROMETHEUS_DAMAGED || in_page != PROMETHEUS_PAGE_BYTES || *at >= n)
            return r;
    }
}

static struct reading read_all(const struct buf *segment)
{
    struct prometheus_frames f = {0};
    size_t at = 0;
    struct reading r = read_on(&f, segment, segment->n, &at);
    prometheus_frames_release(&f);
    return r;
}

static void put_xs(struct buf *segment, size_t n, unsigned flags)
{
    struct buf xs = BUF_INIT, packed = BUF_INIT;
    for (size_t i = 0; i < n; i++)
        buf_add_char(&xs, 'x');
    if (flags == 8) {
        snappy_encode(buf_str(&xs), &packed);
    } else if (flags == 16) {
        char *room = buf_reserve(&packed, ZSTD_compressBound(n));
        packed.n += ZSTD_compress(room, ZSTD_compressBound(n), xs.p, n, 1);
    }
    put_record(segment, buf_str(flags ? &packed : &xs), flags);
    buf_release(&xs);
    buf_release(&packed);
}

static void records_of_every_size_and_compression(void **state)
{
    struct buf segment = BUF_INIT;
    (void)state;
    size_t bytes = 0, sizes[] = {0, 1, 30000, 2700, 5, 100000, 32761, 3, 70000};
    for (size_t i = 0; i < 9; i++) {
        put_xs(&segment, sizes[i], 0);
        put_xs(&segment, sizes[i] + 1, 8);
        put_xs(&segment, sizes[i] + 2, 16);
        bytes += 3 * sizes[i] + 3;
    }
    struct reading r = read_all(&segment);
    assert_int_equal(r.end, PROMETHEUS_WAIT);
    assert_int_equal(r.records, 27);
    assert_int_equal(r.bytes, bytes);
    buf_release(&segment);
}

/* Wherever a writer is when we look, the next look goes on there. */
static void what_is_not_whole_waits(void **state)
{
    struct buf segment = BUF_INIT;
    (void)state;
    put_xs(&segment, 100, 0);
    put_xs(&segment, 33000, 0);
    put_xs(&segment, 10, 8);
    for (size_t cut = 0; cut <= segment.n; cut += 1 + cut / 50) {
        struct prometheus_frames f = {0};
        size_t at = 0;
        struct reading first = read_on(&f, &segment, cut, &at);
        struct reading rest = read_on(&f, &segment, segment.n, &at);
        assert_int_equal(first.end, PROMETHEUS_WAIT);
        assert_int_equal(first.records + rest.records, 3);
        assert_int_equal(first.bytes + rest.bytes, 33110);
        prometheus_frames_release(&f);
    }
    buf_release(&segment);
}

static void assert_damaged(struct buf *segment, size_t records, const char *why)
{
    struct reading r = read_all(segment);
    assert_int_equal(r.end, PROMETHEUS_DAMAGED);
    assert_int_equal(r.err.code, ERR_CORRUPT);
    assert_int_equal(r.records, records);
    assert_non_null(strstr(r.err.message, why));
    buf_release(segment);
}

static void damage_is_seen(void **state)
{
    struct buf s = BUF_INIT;
    (void)state;
    put_xs(&s, 10, 0);
    put_xs(&s, 10, 0);
    s.p[30] ^= 1;
    assert_damaged(&s, 1, "fragment at 17");
    put_fragment(&s, 3, STR("xx")); /* a middle without a first */
    assert_damaged(&s, 0, "makes no sense");
    put_fragment(&s, 2, STR("xx"));
    put_fragment(&s, 1, STR("xx")); /* a first without a last */
    assert_damaged(&s, 0, "fragment at 9");
    put_fragment(&s, 5, STR("xx"));
    assert_damaged(&s, 0, "makes no sense");
    put_xs(&s, 10, 0);
    put_be(&s, 0, 4);
    buf_add_char(&s, 'y');
    assert_damaged(&s, 1, "rest is not empty at 21");
    put_be(&s, UINT64_C(0x01ffff00000000), 7); /* longer than its page */
    assert_damaged(&s, 0, "fragment at 0");
}

static void what_does_not_decompress_is_damage(void **state)
{
    struct buf s = BUF_INIT;
    (void)state;
    put_record(&s, STR("\xff\xff no snappy"), 8);
    struct reading r = read_all(&s);
    assert_int_equal(r.end, PROMETHEUS_DAMAGED);
    assert_int_equal(r.records, 0);
    buf_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_of_every_size_and_compression),
        cmocka_unit_test(what_is_not_whole_waits),
        cmocka_unit_test(damage_is_seen),
        cmocka_unit_test(what_does_not_decompress_is_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
