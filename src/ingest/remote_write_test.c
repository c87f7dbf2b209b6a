#include "base/fault.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ingest/remote_write.h"
#include "ingest/remote_write_testing.h"
#include "ingest/testing.h"

#define SINCE_MS 100000
#define NOW_MS 1000000

struct rig {
    struct test_store s;
    struct remote_write *rw;
    struct rw_writer *w;
    struct remote_write_result result;
    struct err err;
};

static void open_rig(struct rig *r, enum remote_write_message kind, uint64_t max_series)
{
    *r = (struct rig){.err = ERR_INIT};
    test_store_open(&r->s, max_series);
    r->rw = remote_write_new(r->s.store, r->s.metadata, SINCE_MS);
    r->w = rw_writer_new(kind);
}

static void close_rig(struct rig *r)
{
    rw_writer_free(r->w);
    remote_write_free(r->rw);
    test_store_close(&r->s);
}

static bool send_bytes(struct rig *r, struct str body)
{
    return remote_write_append(r->rw, r->w->kind, body, NOW_MS, &r->result, &r->err);
}

/* What was written so far; the writer begins anew. */
static bool send_all(struct rig *r)
{
    enum remote_write_message kind = r->w->kind;
    bool done = send_bytes(r, rw_request(r->w));
    rw_writer_free(r->w);
    r->w = rw_writer_new(kind);
    return done;
}

static void take(struct rig *r, uint64_t samples)
{
    if (!send_all(r))
        fail_msg("%s", r->err.message);
    assert_string_equal(r->result.message, "");
    assert_int_equal(r->result.samples, samples);
    assert_int_equal(r->result.samples_written, samples);
}

static void refuse(struct rig *r, uint64_t written, const char *message)
{
    if (!send_all(r))
        fail_msg("%s", r->err.message);
    assert_string_equal(r->result.message, message);
    assert_int_equal(r->result.samples_written, written);
}

#define assert_holds(r, names, expected)                                                           \
    assert_string_equal(test_dump(&(r)->s, (names)), (expected))

static void in_both(void (*scene)(struct rig *))
{
    for (enum remote_write_message kind = REMOTE_WRITE_1; kind <= REMOTE_WRITE_2; kind++) {
        struct rig r;
        open_rig(&r, kind, 0);
        scene(&r);
        close_rig(&r);
    }
}

/* --- Bytes made by hand --- */

static const char golden_1[] = "\x0a\x2d"
                               "\x0a\x0e\x0a\x08__name__\x12\x02up"
                               "\x0a\x08\x0a\x03job\x12\x01"
                               "a"
                               "\x12\x0c\x09\0\0\0\0\0\0\xf8\x3f\x10\xe8\x07"
                               "\x12\x03\x10\xd0\x0f"
                               "\x1a\x19\x08\x01\x12\x04hits\x22\x09"
                               "Hits.~1/s\x2a\x04"
                               "hits";

static const char golden_2[] = "\x22\0\x22\x08__name__\x22\x02up\x22\x03job\x22\x01"
                               "a\x22\x03Up?"
                               "\x2a\x1f"
                               "\x0a\x04\x01\x02\x03\x04"
                               "\x12\x0c\x09\0\0\0\0\0\0\xf8\x3f\x10\xe8\x07"
                               "\x12\x03\x10\xd0\x0f"
                               "\x2a\x04\x08\x02\x18\x05";

static void assert_metadata(struct rig *r, const char *expected)
{
    struct buf out = BUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &out);
    metadata_store_json(r->s.metadata, NULL, 0, &w);
    json_writer_end(&w);
    assert_string_equal(out.p, expected);
    buf_release(&out);
}

static void both_messages_are_read(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, REMOTE_WRITE_1, 0);
    assert_true(send_bytes(&r, str_make(golden_1, sizeof golden_1 - 1)));
    assert_string_equal(r.result.message, "");
    assert_holds(&r, ".+", "up{job=\"a\"} 1000:1.5 2000:0\n");
    assert_metadata(&r,
                    "{\"hits\":[{\"type\":\"counter\",\"help\":\"Hits.~1/s\",\"unit\":\"hits\"}]}");
    close_rig(&r);
    open_rig(&r, REMOTE_WRITE_2, 0);
    assert_true(send_bytes(&r, str_make(golden_2, sizeof golden_2 - 1)));
    assert_string_equal(r.result.message, "");
    assert_holds(&r, ".+", "up{job=\"a\"} 1000:1.5 2000:0\n");
    assert_metadata(&r, "{\"up\":[{\"type\":\"gauge\",\"help\":\"Up?\",\"unit\":\"\"}]}");
    close_rig(&r);
}

/* Each cut is refused or takes a whole beginning; nothing of a refused one is in the store. */
static void what_is_cut_is_taken_whole_or_not(void **state)
{
    const struct str golden[] = {str_make(golden_1, sizeof golden_1 - 1),
                                 str_make(golden_2, sizeof golden_2 - 1)};
    (void)state;
    for (enum remote_write_message kind = REMOTE_WRITE_1; kind <= REMOTE_WRITE_2; kind++) {
        int refused = 0;
        for (size_t n = 0; n < golden[kind].n; n++) {
            struct rig r;
            open_rig(&r, kind, 0);
            bool done = send_bytes(&r, str_make(golden[kind].p, n));
            refused += !done;
            assert_true(done || r.err.code == ERR_BAD_INPUT);
            bool whole = done && r.result.samples == 2;
            assert_holds(&r, ".+", whole ? "up{job=\"a\"} 1000:1.5 2000:0\n" : "");
            close_rig(&r);
        }
        assert_true(refused > 40);
    }
}

/* --- Samples --- */

static void samples_follow(struct rig *r)
{
    rw_one(r->w, "__name__=a job=x", 1000, 1);
    rw_one(r->w, "__name__=b~c job=x", 1000, -2.5);
    take(r, 2);
    rw_labels(r->w, "__name__=a job=x");
    rw_put_sample(r->w, 2000, 2);
    rw_put_sample(r->w, 3000, INFINITY);
    rw_end_series(r->w);
    rw_one(r->w, "__name__=a job=x", 4000, stale_nan());
    take(r, 3);
    assert_holds(r, ".+",
                 "a{job=\"x\"} 1000:1 2000:2 3000:+Inf 4000:stale\n"
                 "b c{job=\"x\"} 1000:-2.5\n");
}

static void samples_follow_in_both(void **state)
{
    (void)state;
    in_both(samples_follow);
}

static void repeated(struct rig *r)
{
    for (int i = 0; i < 2; i++) {
        rw_one(r->w, "__name__=a", 1000, 1);
        rw_one(r->w, "__name__=b", 1000, NAN);
        take(r, 2);
    }
    assert_holds(r, ".+", "a 1000:1\nb 1000:NaN\n");
}

static void what_is_repeated_is_fine(void **state)
{
    (void)state;
    in_both(repeated);
}

static void left(struct rig *r)
{
    for (int64_t i = 0; i < 3; i++) {
        rw_one(r->w, "__name__=a", 1000 * (i + 1), 1);
        rw_one(r->w, "__name__=b", 1000 * (i + 1), 2);
        take(r, 2);
        test_age(r->s.store, (i + 1) * 86400000);
    }
    assert_holds(r, "a|b", "a 1000:1 2000:1 3000:1\nb 1000:2 2000:2 3000:2\n");
}

static void series_that_left_come_again(void **state)
{
    (void)state;
    in_both(left);
}

static void partly_refused(struct rig *r)
{
    rw_one(r->w, "__name__=a", 5000, 1);
    take(r, 1);
    rw_one(r->w, "__name__=a", 4000, 1);
    rw_one(r->w, "__name__=a", 5000, 2);
    rw_one(r->w, "__name__=a", NOW_MS + STORE_AHEAD_MAX_MS + 1, 2);
    rw_one(r->w, "__name__=a", -1, 2);
    rw_one(r->w, "__name__=a", 6000, 3);
    refuse(r, 1,
           "refused 4 of 5 samples (conflicting 1, out_of_order 1, too_far_ahead 1, invalid 1); "
           "the rest is stored; first: series 1, a: out_of_order: sample at 4000 ms: the series "
           "has a newer sample");
    assert_holds(r, ".+", "a 5000:1 6000:3\n");
}

static void the_rest_of_a_bad_request_is_stored(void **state)
{
    (void)state;
    in_both(partly_refused);
}

/* --- Labels --- */

static void labels_in_any_order(struct rig *r)
{
    rw_one(r->w, "job=x __name__=a code=200", 1000, 1);
    rw_one(r->w, "__name__=a code=200 empty= job=x", 2000, 2);
    take(r, 2);
    assert_holds(r, ".+", "a{code=\"200\", job=\"x\"} 1000:1 2000:2\n");
}

static void labels_are_sorted_and_empty_ones_are_none(void **state)
{
    (void)state;
    in_both(labels_in_any_order);
}

static void assert_invalid(struct rig *r, const char *labels, const char *why)
{
    char message[512];
    rw_one(r->w, "__name__=good", r->s.sum.fed + 1000, 1);
    rw_one(r->w, labels, 1000, 1);
    snprintf(message, sizeof message,
             "refused 1 of 2 samples (invalid 1), 1 invalid series; the rest is stored; first: "
             "series 2, %s",
             why);
    refuse(r, 1, message);
}

static void impossible_labels(struct rig *r)
{
    assert_invalid(r, "job=x", "{job=\"x\"}: invalid: it has no metric name");
    assert_invalid(r, "__name__= job=x", "{job=\"x\"}: invalid: it has no metric name");
    assert_invalid(r, "__name__=a job=x job=y",
                   "a{job=\"x\", job=\"y\"}: invalid: a label is there twice");
    assert_invalid(r, "__name__=a =x", "a{=\"x\"}: invalid: a label has no name");
    assert_invalid(r, "__name__=a job=\xff", "a{job=\"?\"}: invalid: a label is not UTF-8");
    assert_invalid(r, "", "{}: invalid: it has no metric name");
    assert_holds(r, "a", "");
}

static void labels_that_are_no_series_are_refused(void **state)
{
    (void)state;
    in_both(impossible_labels);
}

static void labels_elsewhere_in_the_series_are_found(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, REMOTE_WRITE_1, 0);
    for (int i = 1; i <= 2; i++) {
        rw_labels(r.w, "__name__=a");
        rw_put_sample(r.w, 1000 * i, i);
        rw_labels(r.w, "job=x");
        rw_labels(r.w, "zone=z");
        rw_end_series(r.w);
    }
    rw_one(r.w, "__name__=a job=x zone=z", 3000, 3);
    take(&r, 3);
    assert_holds(&r, ".+", "a{job=\"x\", zone=\"z\"} 1000:1 2000:2 3000:3\n");
    close_rig(&r);
}

/* --- 2.0's symbols --- */

static void send_series_2(struct rig *r, const char *references)
{
    rw_put_bytes(&r->w->one, 1, str_from(references));
    rw_put_sample(r->w, 1000, 1);
    rw_end_series(r->w);
}

static void references_that_lead_nowhere_are_refused(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, REMOTE_WRITE_2, 0);
    rw_one(r.w, "__name__=good", 1000, 1);
    send_series_2(&r, "\x01\x03");
    refuse(&r, 1,
           "refused 1 of 2 samples (invalid 1), 1 invalid series; the rest is stored; first: "
           "series 2, {}: invalid: a label refers to a symbol that is not there");
    rw_one(r.w, "__name__=good", 2000, 1);
    send_series_2(&r, "\x01\x02\x01");
    refuse(&r, 1,
           "refused 1 of 2 samples (invalid 1), 1 invalid series; the rest is stored; first: "
           "series 2, good: invalid: a label has a name and no value");
    rw_labels(r.w, "__name__=a");
    rw_end_series(r.w);
    refuse(&r, 0,
           "refused 0 of 0 samples, 1 invalid series; first: series 1, a: invalid: it has neither "
           "samples nor histograms");
    close_rig(&r);
}

static void the_first_symbol_must_be_empty(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, REMOTE_WRITE_2, 0);
    assert_true(send_bytes(&r, STR("")));
    assert_false(send_bytes(&r, STR("\x22\x01"
                                    "a\x2a\x00")));
    assert_string_equal(r.err.message, "the first of the request's symbols must be empty");
    assert_false(send_bytes(&r, str_make("\x2a\x00", 2)));
    close_rig(&r);
}

/* Few bytes that stand for many: each series names a long symbol. */
static void symbols_do_not_make_memory_of_nothing(void **state)
{
    struct rig r;
    char *text = malloc(60001);
    struct buf packed = BUF_INIT;
    (void)state;
    assert_non_null(text);
    memset(text, 'x', 60000);
    text[60000] = '\0';
    open_rig(&r, REMOTE_WRITE_2, 0);
    uint64_t name = rw_symbol(r.w, LABEL_NAME), value = rw_symbol(r.w, text);
    buf_add_uvarint(&packed, name);
    buf_add_uvarint(&packed, value);
    for (int i = 0; i < 3000; i++) {
        rw_put_bytes(&r.w->one, 1, buf_str(&packed));
        rw_put_sample(r.w, 1000 + i, 1);
        rw_end_series(r.w);
    }
    assert_true(send_all(&r));
    assert_int_equal(r.result.samples_written, RW_MAX_LABEL_BYTES / 60017);
    assert_non_null(strstr(r.result.message, "limit: the labels of the request are over 128 MiB"));
    buf_release(&packed);
    free(text);
    close_rig(&r);
}

/* --- Native histograms --- */

static const struct histogram_span two_spans[] = {{-2, 2}, {1, 1}};
static const struct histogram_span one_span[] = {{0, 3}};
static const double some_counts[] = {1, 2, 3}, some_bounds[] = {0.1, 0.5};
static const struct histogram exponential = {.schema = 3,
                                             .zero_threshold = 0.001,
                                             .zero_count = 1,
                                             .count = 8,
                                             .sum = 12.5,
                                             .positive = {2, 3, two_spans, some_counts},
                                             .negative = {1, 1, &two_spans[1], some_counts}};

static void put_histogram(struct rig *r, int64_t t_ms, const struct histogram *h, bool floats)
{
    rw_labels(r->w, "__name__=h");
    rw_histogram(r->w, 0, t_ms, h, floats);
    rw_end_series(r->w);
}

static void take_histograms(struct rig *r, uint64_t n)
{
    take(r, 0);
    assert_int_equal(r->result.histograms, n);
    assert_int_equal(r->result.histograms_written, n);
}

static void native(struct rig *r)
{
    struct histogram h = exponential;
    struct histogram custom = {.schema = HISTOGRAM_SCHEMA_CUSTOM,
                               .count = 6,
                               .sum = 2,
                               .positive = {1, 3, one_span, some_counts},
                               .n_custom = 2,
                               .custom = some_bounds};
    put_histogram(r, 1000, &h, false);
    h.hint = HISTOGRAM_HINT_GAUGE;
    h.count = 8.5; /* floats need not add up */
    put_histogram(r, 2000, &h, true);
    put_histogram(r, 3000, &custom, false);
    h.sum = stale_nan();
    put_histogram(r, 4000, &h, true);
    h = exponential;
    h.schema = 9; /* -2 -1 1 and -1 become -1 -1+0 1 ... */
    put_histogram(r, 5000, &h, false);
    put_histogram(r, 5000, &h, false); /* sent again */
    h.sum = NAN;                       /* observations of NaN are in no bucket */
    h.count = 9;
    put_histogram(r, 6000, &h, false);
    take_histograms(r, 7);
    assert_holds(r, "h",
                 "h 4000:stale"
                 " 1000:{s 3 z 0.001:1 c 8 sum 12.5 + -2:1,2 1:3 - 1:1}"
                 " 2000:{s 3 z 0.001:1 c 8.5 sum 12.5 gauge + -2:1,2 1:3 - 1:1}"
                 " 3000:{s -53 c 6 sum 2 + 0:1,2,3 custom 0.1,0.5}"
                 " 5000:{s 8 z 0.001:1 c 8 sum 12.5 + -1:1,2,3 - 1:1}"
                 " 6000:{s 8 z 0.001:1 c 9 sum nan + -1:1,2,3 - 1:1}\n");
}

static void native_histograms_are_taken(void **state)
{
    (void)state;
    in_both(native);
}

static void refuse_histogram(struct rig *r, const struct histogram *h, bool floats, const char *why)
{
    put_histogram(r, 1000, &exponential, false);
    put_histogram(r, 9000, h, floats);
    assert_true(send_all(r));
    assert_int_equal(r->result.histograms, 2);
    assert_int_equal(r->result.histograms_written, 1);
    if (!strstr(r->result.message, why))
        fail_msg("\"%s\" does not say \"%s\"", r->result.message, why);
}

static void unsound(struct rig *r)
{
    const double negative[] = {1, -2, 3};
    struct histogram h = exponential;
    h.count = 9;
    refuse_histogram(r, &h, false,
                     "refused 1 of 2 samples (invalid 1); the rest is stored; first: series 2, h: "
                     "invalid: histogram at 9000 ms: native histogram: its buckets do not add up "
                     "to its count");
    h.count = 7;
    h.sum = NAN;
    refuse_histogram(r, &h, false, "its buckets hold more than its count");
    h = exponential;
    h.schema = 53;
    refuse_histogram(r, &h, false, "schema 53");
    h.schema = -5;
    refuse_histogram(r, &h, false, "schema -5");
    h = exponential;
    h.positive.buckets = negative;
    refuse_histogram(r, &h, false, "a bucket is -2");
    refuse_histogram(r, &h, true, "a bucket is -2");
    h = exponential;
    h.positive.n_spans = 1;
    refuse_histogram(r, &h, true, "the positive spans hold 2 buckets, 3 are there");
    h = exponential;
    h.sum = 99;
    put_histogram(r, 1000, &h, false);
    assert_true(send_all(r));
    assert_non_null(strstr(r->result.message, "conflicting: sample at 1000 ms"));
    assert_int_equal(r->result.histograms_written, 0);
    put_histogram(r, 999, &h, false);
    assert_true(send_all(r));
    assert_non_null(strstr(r->result.message, "out_of_order: sample at 999 ms"));
    assert_holds(r, "h", "h 1000:{s 3 z 0.001:1 c 8 sum 12.5 + -2:1,2 1:3 - 1:1}\n");
}

static void unsound_histograms_are_refused(void **state)
{
    (void)state;
    in_both(unsound);
}

/* Count and buckets as varints that no double holds exactly: they are compared as they came. */
static void integer_counts_are_compared_exactly(void **state)
{
    (void)state;
    for (uint64_t off = 0; off < 2; off++) {
        struct rig r;
        struct buf m = BUF_INIT, span = BUF_INIT, packed = BUF_INIT;
        open_rig(&r, REMOTE_WRITE_1, 0);
        rw_put_number(&m, 1, (UINT64_C(1) << 60) + 1 + off);
        rw_put_number(&span, 2, 1);
        rw_put_bytes(&m, 11, buf_str(&span));
        buf_add_uvarint(&packed, rw_zigzag((INT64_C(1) << 60) + 1));
        rw_put_bytes(&m, 12, buf_str(&packed));
        rw_put_number(&m, 15, 5000);
        rw_labels(r.w, "__name__=h");
        rw_put_bytes(&r.w->one, 4, buf_str(&m));
        rw_end_series(r.w);
        assert_true(send_all(&r));
        assert_int_equal(r.result.histograms_written, 1 - off);
        buf_release(&m);
        buf_release(&span);
        buf_release(&packed);
        close_rig(&r);
    }
}

static void a_series_has_samples_or_histograms(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, REMOTE_WRITE_2, 0);
    rw_labels(r.w, "__name__=h");
    rw_put_sample(r.w, 1000, 1);
    rw_histogram(r.w, 0, 2000, &exponential, false);
    rw_end_series(r.w);
    refuse(&r, 0,
           "refused 2 of 2 samples (invalid 2), 1 invalid series; first: series 1, h: invalid: it "
           "has both samples and histograms");
    close_rig(&r);
}

/* Where it began there is an empty one; of a gauge there is none. */
static void a_histograms_start_is_an_empty_one(void **state)
{
    struct rig r;
    struct histogram h = exponential;
    (void)state;
    open_rig(&r, REMOTE_WRITE_2, 0);
    rw_labels(r.w, "__name__=h");
    rw_histogram(r.w, SINCE_MS + 1, SINCE_MS + 500, &h, false);
    rw_histogram(r.w, SINCE_MS + 1, SINCE_MS + 600, &h, false);
    rw_histogram(r.w, SINCE_MS + 700, SINCE_MS + 800, &h, false);
    h.hint = HISTOGRAM_HINT_GAUGE;
    rw_histogram(r.w, SINCE_MS + 850, SINCE_MS + 900, &h, false);
    rw_end_series(r.w);
    take_histograms(&r, 4);
    assert_holds(&r, "h",
                 "h 100001:{s 3 z 0.001:0 c 0 sum 0}"
                 " 100500:{s 3 z 0.001:1 c 8 sum 12.5 + -2:1,2 1:3 - 1:1}"
                 " 100600:{s 3 z 0.001:1 c 8 sum 12.5 + -2:1,2 1:3 - 1:1}"
                 " 100700:{s 3 z 0.001:0 c 0 sum 0}"
                 " 100800:{s 3 z 0.001:1 c 8 sum 12.5 + -2:1,2 1:3 - 1:1}"
                 " 100900:{s 3 z 0.001:1 c 8 sum 12.5 gauge + -2:1,2 1:3 - 1:1}\n");
    close_rig(&r);
}

/* --- Exemplars --- */

static const char *exemplars_of(struct rig *r, const char *name)
{
    struct matcher m;
    struct store_series_exemplars *found;
    size_t n;
    struct buf out = BUF_INIT;
    assert_true(
        matcher_init(&m, &r->s.arena, MATCH_EQUAL, STR(LABEL_NAME), str_from(name), &r->err));
    assert_true(store_select_exemplars(r->s.store, &r->s.arena, &m, 1, INT64_MIN, INT64_MAX, &found,
                                       &n, &r->err));
    for (size_t i = 0; n == 1 && i < found[0].n; i++) {
        const struct store_exemplar *e = &found[0].exemplars[i];
        buf_printf(&out, "%lld:%g", (long long)e->t_ms, e->v);
        labels_print(e->labels, &out);
    }
    const char *text = arena_cstr(&r->s.arena, buf_str(&out));
    buf_release(&out);
    return text;
}

static void exemplars(struct rig *r)
{
    char longer[STORE_EXEMPLAR_MAX_LENGTH + 1];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    rw_labels(r->w, "__name__=a");
    rw_put_sample(r->w, 1000, 1);
    rw_exemplar(r->w, "t1", 900, 0.5);
    rw_exemplar(r->w, "t2", 950, 0.25);
    rw_exemplar(r->w, "t2", 950, 0.25);
    rw_exemplar(r->w, "t0", 100, 0.25);
    rw_exemplar(r->w, longer, 960, 0.25);
    rw_exemplar(r->w, "bad\xff", 970, 0.25);
    rw_end_series(r->w);
    rw_labels(r->w, "__name__=h");
    rw_histogram(r->w, 0, 1000, &exponential, false);
    rw_exemplar(r->w, "t3", 990, 7);
    rw_end_series(r->w);
    take(r, 1);
    assert_int_equal(r->result.exemplars, 7);
    assert_int_equal(r->result.exemplars_written, 4);
    assert_string_equal(exemplars_of(r, "a"), "900:0.5{trace_id=\"t1\"}950:0.25{trace_id=\"t2\"}");
    assert_string_equal(exemplars_of(r, "h"), "990:7{trace_id=\"t3\"}");
}

static void exemplars_are_kept_and_refuse_nothing(void **state)
{
    (void)state;
    in_both(exemplars);
}

static void full(struct rig *r)
{
    for (int i = 0; i < 12; i++) {
        char labels[40];
        snprintf(labels, sizeof labels, "__name__=a n=%d", i);
        rw_one(r->w, labels, 1000, 1);
    }
    refuse(r, 10,
           "refused 2 of 12 samples (limit 2); the rest is stored; first: series 11, a{n=\"10\"}: "
           "limit: the store has no room for more series");
}

static void a_full_store_says_so(void **state)
{
    (void)state;
    for (enum remote_write_message kind = REMOTE_WRITE_1; kind <= REMOTE_WRITE_2; kind++) {
        struct rig r;
        open_rig(&r, kind, 10);
        full(&r);
        close_rig(&r);
    }
}

static void unwritable(struct rig *r)
{
    rw_one(r->w, "__name__=a", 1000, 1);
    assert_true(fault_arm("wal.write:errno=ENOSPC", &r->err));
    assert_false(send_all(r));
    assert_int_equal(r->err.code, ERR_IO);
    assert_int_equal(r->result.samples_written, 0);
    fault_disarm_all();
    assert_holds(r, ".+", "");
    rw_one(r->w, "__name__=a", 1000, 1);
    take(r, 1);
    assert_holds(r, ".+", "a 1000:1\n");
}

static void what_was_not_written_can_be_sent_again(void **state)
{
    (void)state;
    in_both(unwritable);
}

/* --- Start timestamps --- */

static void put(struct rig *r, uint64_t type, int64_t start_ms, int64_t t_ms, double v)
{
    rw_labels(r->w, "__name__=counted_total");
    rw_sample_from(r->w, start_ms, t_ms, v);
    rw_metadata_of_series(r->w, type, "", "");
    rw_end_series(r->w);
    take(r, 1);
}

static void assert_increase(double expected, uint64_t type, int64_t start_ms)
{
    struct rig r;
    open_rig(&r, REMOTE_WRITE_2, 0);
    put(&r, type, start_ms, 200000, 5);
    assert_true(r.s.sum.increase == expected);
    put(&r, type, start_ms, 210000, 7);
    assert_true(r.s.sum.increase == expected + 2);
    close_rig(&r);
}

static void a_start_in_our_watch_is_a_zero(void **state)
{
    (void)state;
    assert_increase(5, RW_COUNTER, SINCE_MS + 50000);
    assert_increase(5, RW_UNKNOWN, SINCE_MS);
    assert_increase(0, RW_COUNTER, SINCE_MS - 1);
    assert_increase(0, RW_COUNTER, 0);
    assert_increase(0, RW_COUNTER, 200000); /* it says nothing */
    assert_increase(0, RW_GAUGE, SINCE_MS + 50000);
}

static void a_restart_past_the_last_value_is_seen(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, REMOTE_WRITE_2, 0);
    put(&r, RW_COUNTER, SINCE_MS, 200000, 5);
    put(&r, RW_COUNTER, 205000, 210000, 9);
    assert_true(r.s.sum.increase == 14);
    assert_holds(&r, ".+", "counted_total 100000:0 200000:5 205000:0 210000:9\n");
    put(&r, RW_COUNTER, 205000, 210000, 9); /* repeated */
    assert_true(r.s.sum.increase == 14);
    close_rig(&r);
}

static void created_of_older_senders_is_a_start(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, REMOTE_WRITE_2, 0);
    rw_labels(r.w, "__name__=counted_total");
    rw_put_sample(r.w, 200000, 5);
    rw_put_number(&r.w->one, 6, 150000);
    rw_end_series(r.w);
    take(&r, 1);
    assert_true(r.s.sum.increase == 5);
    close_rig(&r);
}

/* --- Metadata --- */

static void metadata_of_a_series_is_its_familys(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, REMOTE_WRITE_2, 0);
    for (int i = 0; i < 2; i++) {
        rw_labels(r.w, "__name__=latency_seconds_bucket le=1");
        rw_put_sample(r.w, 1000, 1);
        rw_metadata_of_series(r.w, RW_HISTOGRAM, i ? "How long." : "Old.", "seconds");
        rw_end_series(r.w);
        take(&r, 1);
    }
    assert_metadata(&r, "{\"latency_seconds\":[{\"type\":\"histogram\",\"help\":\"How long.\","
                        "\"unit\":\"seconds\"}]}");
    assert_true(str_is(rw_family_of(STR("a_count"), RW_SUMMARY), "a"));
    assert_true(str_is(rw_family_of(STR("a_bucket"), RW_SUMMARY), "a_bucket"));
    assert_true(str_is(rw_family_of(STR("a_count"), RW_COUNTER), "a_count"));
    assert_true(str_is(rw_family_of(STR("_sum"), RW_HISTOGRAM), "_sum"));
    close_rig(&r);
}

/* --- The content type --- */

static void the_content_type_names_the_message(void **state)
{
    static const struct {
        const char *type;
        int kind; /* -1 = refused */
    } cases[] = {
        {"application/x-protobuf", REMOTE_WRITE_1},
        {"Application/X-Protobuf ", REMOTE_WRITE_1},
        {"application/x-protobuf;proto=prometheus.WriteRequest", REMOTE_WRITE_1},
        {"application/x-protobuf;proto=io.prometheus.write.v2.Request", REMOTE_WRITE_2},
        {"application/x-protobuf; charset=x; PROTO=\"io.prometheus.write.v2.Request\"",
         REMOTE_WRITE_2},
        {"application/x-protobuf;proto=io.prometheus.write.v3.Request", -1},
        {"application/x-protobuf;proto=", -1},
        {"application/x-protobuf;proto", -1},
        {"application/x-protobuffer", -1},
        {"application/json", -1},
        {"", -1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        enum remote_write_message kind = REMOTE_WRITE_1;
        bool known = remote_write_message_of(cases[i].type, &kind);
        if (known != (cases[i].kind >= 0) || (known && (int)kind != cases[i].kind))
            fail_msg("%s", cases[i].type);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_messages_are_read),
        cmocka_unit_test(what_is_cut_is_taken_whole_or_not),
        cmocka_unit_test(samples_follow_in_both),
        cmocka_unit_test(what_is_repeated_is_fine),
        cmocka_unit_test(series_that_left_come_again),
        cmocka_unit_test(the_rest_of_a_bad_request_is_stored),
        cmocka_unit_test(labels_are_sorted_and_empty_ones_are_none),
        cmocka_unit_test(labels_that_are_no_series_are_refused),
        cmocka_unit_test(labels_elsewhere_in_the_series_are_found),
        cmocka_unit_test(references_that_lead_nowhere_are_refused),
        cmocka_unit_test(the_first_symbol_must_be_empty),
        cmocka_unit_test(symbols_do_not_make_memory_of_nothing),
        cmocka_unit_test(native_histograms_are_taken),
        cmocka_unit_test(unsound_histograms_are_refused),
        cmocka_unit_test(integer_counts_are_compared_exactly),
        cmocka_unit_test(a_series_has_samples_or_histograms),
        cmocka_unit_test(a_histograms_start_is_an_empty_one),
        cmocka_unit_test(exemplars_are_kept_and_refuse_nothing),
        cmocka_unit_test(a_full_store_says_so),
        cmocka_unit_test(what_was_not_written_can_be_sent_again),
        cmocka_unit_test(a_start_in_our_watch_is_a_zero),
        cmocka_unit_test(a_restart_past_the_last_value_is_seen),
        cmocka_unit_test(created_of_older_senders_is_a_start),
        cmocka_unit_test(metadata_of_a_series_is_its_familys),
        cmocka_unit_test(the_content_type_names_the_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
