/* The records that Debian's Prometheus does not write yet, and what makes no sense; what it writes
 * is read in tests/blocks/foreign.test.mjs and fuzz/corpora/prometheus_wal. */
#include "block/prometheus_record.h"

#include "block/prometheus_testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* What was heard, as text. */
static struct buf heard;

static void hear_series(void *self, uint64_t ref, struct labels l)
{
    (void)self;
    buf_printf(&heard, "series %d ", (int)ref);
    labels_print(l, &heard);
    buf_add_char(&heard, '\n');
}

static void hear_sample(void *self, uint64_t ref, struct sample s)
{
    (void)self;
    if (is_stale_nan(s.v))
        buf_printf(&heard, "stale %d %d\n", (int)ref, (int)s.t_ms);
    else
        buf_printf(&heard, "sample %d %d %g\n", (int)ref, (int)s.t_ms, s.v);
}

static void hear_histogram(void *self, uint64_t ref, struct histogram_sample s)
{
    (void)self;
    buf_printf(&heard, "histogram %d %d schema %d count %g sum %g", (int)ref, (int)s.t_ms,
               s.h->schema, s.h->count, s.h->sum);
    for (uint32_t i = 0; i < s.h->positive.n_buckets; i++)
        buf_printf(&heard, " +%g", s.h->positive.buckets[i]);
    for (uint32_t i = 0; i < s.h->negative.n_buckets; i++)
        buf_printf(&heard, " -%g", s.h->negative.buckets[i]);
    for (uint32_t i = 0; i < s.h->n_custom; i++)
        buf_printf(&heard, " <=%g", s.h->custom[i]);
    buf_add_char(&heard, '\n');
}

static void hear_stone(void *self, uint64_t ref, struct block_interval span)
{
    (void)self;
    buf_printf(&heard, "stone %d %d to %d\n", (int)ref, (int)span.min_ms, (int)span.max_ms);
}

static void hear_horizon(void *self, int64_t min_ms)
{
    (void)self;
    buf_printf(&heard, "horizon %d\n", (int)min_ms);
}

static const struct prometheus_sink sink = {NULL,           hear_series, hear_sample,
                                            hear_histogram, hear_stone,  hear_horizon};

/* Reads and releases; whether all of it made sense. */
static bool says(struct buf *record, const char *expected)
{
    buf_clear(&heard);
    buf_add_cstr(&heard, "");
    bool good = prometheus_record_read(buf_str(record), &sink, NULL);
    buf_add_char(&heard, 0);
    assert_string_equal(heard.p, expected);
    buf_release(record);
    return good;
}

static void series_and_deletions(void **state)
{
    struct buf r = BUF_INIT;
    (void)state;
    buf_add_char(&r, 1);
    put_series(&r, 7, "up", "a");
    put_series(&r, 300, "up", "b");
    assert_true(says(&r, "series 7 up{i=\"a\"}\nseries 300 up{i=\"b\"}\n"));
    buf_add_char(&r, 3);
    put_be(&r, 7, 8);
    buf_add_varint(&r, -5);
    buf_add_varint(&r, 100);
    assert_true(says(&r, "stone 7 -5 to 100\n"));
    buf_add_char(&r, 14);
    put_be(&r, 5000, 8);
    assert_true(says(&r, "horizon 5000\n"));
    put_sample(&r, 9, 1000, 2.5);
    assert_true(says(&r, "sample 9 1000 2.5\n"));
}

/* The second generation: each by the one before, each with a start time. */
static void samples_with_start_times(void **state)
{
    struct buf r = BUF_INIT;
    (void)state;
    buf_add_char(&r, 11);
    buf_add_varint(&r, 5);
    buf_add_varint(&r, 1000);
    buf_add_varint(&r, 900);
    put_double(&r, 1);
    int64_t refs[] = {2, -1, 1};
    for (int i = 0; i < 3; i++) {
        buf_add_varint(&r, refs[i]);
        buf_add_varint(&r, 10 * i);
        buf_add_char(&r, (char)i); /* none, the same, its own */
        if (i == 2)
            buf_add_varint(&r, 50);
        put_double(&r, i);
    }
    assert_true(says(&r, "sample 5 1000 1\nsample 7 1000 0\nsample 6 1010 1\nsample 7 1020 2\n"));
}

/* hint, schema, threshold, zero, count, sum, one span of n buckets from 0 */
static void put_head(struct buf *r, int schema, bool floats, double sum, size_t n)
{
    buf_add_char(r, 0);
    buf_add_varint(r, schema);
    put_double(r, 0);
    if (floats) {
        put_double(r, 0);
        put_double(r, 6);
    } else {
        buf_add_uvarint(r, 0);
        buf_add_uvarint(r, 6);
    }
    put_double(r, sum);
    buf_add_uvarint(r, 1);
    buf_add_varint(r, 0);
    buf_add_uvarint(r, n);
    buf_add_uvarint(r, 0);
    buf_add_uvarint(r, n);
}

static void put_integers(struct buf *r, int schema, double sum)
{
    put_head(r, schema, false, sum, 3);
    buf_add_varint(r, 1); /* 1, 2, 3 */
    buf_add_varint(r, 1);
    buf_add_varint(r, 1);
    buf_add_uvarint(r, 0);
}

static void put_custom_floats(struct buf *r)
{
    put_head(r, -53, true, 1.5, 2);
    put_double(r, 2.5);
    put_double(r, 3.5);
    buf_add_uvarint(r, 0);
    buf_add_uvarint(r, 1);
    put_double(r, 0.25);
}

static void put_place(struct buf *r, char type)
{
    buf_add_char(r, type);
    put_be(r, 4, 8);
    put_be(r, 1000, 8);
    buf_add_varint(r, 0);
    buf_add_varint(r, 5);
}

static void histograms_of_all_kinds(void **state)
{
    struct buf r = BUF_INIT;
    (void)state;
    put_place(&r, 7);
    put_integers(&r, 3, 12);
    assert_true(says(&r, "histogram 4 1005 schema 3 count 6 sum 12 +1 +2 +3\n"));
    put_place(&r, 10);
    put_custom_floats(&r);
    assert_true(says(&r, "histogram 4 1005 schema -53 count 6 sum 1.5 +2.5 +3.5 <=0.25\n"));
    buf_add_char(&r, 13);
    for (int i = 0; i < 2; i++) {
        buf_add_varint(&r, i == 0 ? 4 : -1);
        buf_add_varint(&r, i == 0 ? 1000 : 7);
        if (i == 0)
            buf_add_varint(&r, 900);
        else
            buf_add_char(&r, 1);
        put_custom_floats(&r);
    }
    assert_true(says(&r, "histogram 4 1000 schema -53 count 6 sum 1.5 +2.5 +3.5 <=0.25\n"
                         "histogram 3 1007 schema -53 count 6 sum 1.5 +2.5 +3.5 <=0.25\n"));
}

/* Finer than ours is made coarser, unknown is passed over, a stale one is a stale sample. */
static void histograms_that_are_not_ours(void **state)
{
    struct buf r = BUF_INIT;
    (void)state;
    put_place(&r, 7);
    put_integers(&r, 9, 12);
    assert_true(says(&r, "histogram 4 1005 schema 8 count 6 sum 12 +1 +5\n"));
    put_place(&r, 7);
    put_integers(&r, -9, 12);
    assert_true(says(&r, ""));
    put_place(&r, 7);
    put_integers(&r, 3, stale_nan());
    assert_true(says(&r, "stale 4 1005\n"));
}

static void what_makes_no_sense(void **state)
{
    struct buf r = BUF_INIT;
    (void)state;
    put_sample(&r, 9, 1000, 2.5);
    buf_add_varint(&r, 1); /* half a sample more */
    assert_false(says(&r, "sample 9 1000 2.5\n"));
    buf_add_char(&r, 1);
    put_be(&r, 7, 8);
    buf_add_uvarint(&r, 1000000000); /* labels */
    assert_false(says(&r, ""));
    put_place(&r, 7);
    put_head(&r, 3, false, 1, 1000000000);
    assert_false(says(&r, ""));
    buf_add_char(&r, 1);
    put_series(&r, 7, "up", "\xff");
    assert_false(says(&r, ""));
    buf_add_cstr(&r, "\x2a of a later version");
    assert_true(says(&r, ""));
    assert_true(says(&r, ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(series_and_deletions),    cmocka_unit_test(samples_with_start_times),
        cmocka_unit_test(histograms_of_all_kinds), cmocka_unit_test(histograms_that_are_not_ours),
        cmocka_unit_test(what_makes_no_sense),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    buf_release(&heard);
    return failed;
}
