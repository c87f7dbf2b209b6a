/* What a body says beyond its samples: exemplars, creation times, and everything in protobuf. */
#include "ingest/exposition_protobuf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "ingest/protobuf_testing.h"
#include "ingest/target_testing.h"

#define OPENMETRICS "application/openmetrics-text; version=1.0.0"
#define PROTOBUF                                                                                   \
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"

/* The exemplars of series whose name matches, a line each. */
static const char *exemplars_of(struct fixture *f, const char *names)
{
    struct matcher m;
    struct err err = ERR_INIT;
    struct store_series_exemplars *found;
    struct buf out = BUF_INIT;
    size_t n = 0;
    if (!matcher_init(&m, &f->s.arena, MATCH_REGEX, STR(LABEL_NAME), str_from(names), &err) ||
        !store_select_exemplars(f->s.store, &f->s.arena, &m, 1, INT64_MIN, INT64_MAX, &found, &n,
                                &err))
        fail_msg("%s", err.message);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < found[i].n; k++) {
            const struct store_exemplar *e = &found[i].exemplars[k];
            buf_add_str(&out, labels_get(found[i].labels, LABEL_NAME));
            buf_printf(&out, " %lld:%g ", (long long)e->t_ms, e->v);
            labels_print(e->labels, &out);
            buf_add_char(&out, '\n');
        }
    }
    const char *text = arena_cstr(&f->s.arena, buf_str(&out));
    buf_release(&out);
    return text;
}

static void begin(struct fixture *f, int64_t since_ms)
{
    start(f);
    f->target.since_ms = since_ms;
}

/* --- Text --- */

static void exemplars_of_text_are_kept(void **state)
{
    struct fixture *f = *state;
    static const char *const body =
        "# TYPE a counter\na_total{x=\"1\"} 5 # {trace_id=\"t1\",empty=\"\"} 0.5 0.9\n"
        "# TYPE b histogram\nb_bucket{le=\"1.0\"} 2 # {trace_id=\"t2\"} 0.7\n"
        "b_bucket{le=\"+Inf\"} 2\n# EOF\n";
    begin(f, INT64_MAX);
    take(f, 1000, OPENMETRICS, body);
    take(f, 2000, OPENMETRICS, body);
    assert_string_equal(f->target.last_error, "");
    assert_string_equal(exemplars_of(f, "a_total|b_bucket"),
                        "a_total 900:0.5 {trace_id=\"t1\"}\n"
                        "b_bucket 1000:0.7 {trace_id=\"t2\"}\n");
    take(f, 3000, OPENMETRICS,
         "# TYPE b histogram\nb_bucket{le=\"1.0\"} 3 # {trace_id=\"t3\"} 0.7\n# EOF\n");
    assert_string_equal(exemplars_of(f, "b_bucket"), "b_bucket 1000:0.7 {trace_id=\"t2\"}\n"
                                                     "b_bucket 3000:0.7 {trace_id=\"t3\"}\n");
}

static void counters_begin_when_they_were_created(void **state)
{
    struct fixture *f = *state;
    begin(f, 5000);
    take(f, 10000, OPENMETRICS,
         "# TYPE counted counter\ncounted_total{x=\"new\"} 7\ncounted_created{x=\"new\"} 6\n"
         "counted_total{x=\"old\"} 9\ncounted_created{x=\"old\"} 4\n# EOF\n");
    assert_string_equal(f->target.last_error, "");
    assert_holds(f, "counted_total",
                 "counted_total{" OWN ", x=\"new\"} 6000:0 10000:7\n"
                 "counted_total{" OWN ", x=\"old\"} 10000:9\n");
    assert_true(f->s.sum.increase == 7);
}

static const char restarted[] =
    "# TYPE counted counter\ncounted_total{x=\"1\"} 8\ncounted_created{x=\"1\"} 12.5\n"
    "# TYPE h histogram\nh_bucket{le=\"1.0\"} 4\nh_bucket{le=\"+Inf\"} 4\nh_count 4\nh_sum 1\n"
    "h_created 12.5\n# EOF\n";

/* 8 is more than 7, and yet all of it is new. */
static void a_restart_shows_although_the_counter_is_higher(void **state)
{
    struct fixture *f = *state;
    begin(f, 5000);
    take(f, 10000, OPENMETRICS,
         "# TYPE counted counter\ncounted_total{x=\"1\"} 7\ncounted_created{x=\"1\"} 6\n"
         "# TYPE h histogram\nh_bucket{le=\"1.0\"} 4\nh_bucket{le=\"+Inf\"} 4\nh_count 4\nh_sum 1\n"
         "h_created 6\n# EOF\n");
    take(f, 15000, OPENMETRICS, restarted);
    take(f, 20000, OPENMETRICS, restarted);
    assert_holds(f, "counted_total|h_count",
                 "counted_total{" OWN ", x=\"1\"} 6000:0 10000:7 12500:0 15000:8 20000:8\n"
                 "h_count{" OWN "} 6000:0 10000:4 12500:0 15000:4 20000:4\n");
    assert_true(f->s.sum.increase == 15);
    assert_int_equal(f->target.samples, 7);
}

static void a_body_without_a_known_type_needs_a_fallback(void **state)
{
    struct fixture *f = *state;
    begin(f, INT64_MAX);
    take(f, 1000, "", "a 1\n");
    assert_false(f->target.up);
    f->config.fallback = SCRAPE_TEXT_0;
    take(f, 2000, "", "a 1\n");
    assert_true(f->target.up);
    f->config.fallback = SCRAPE_OPENMETRICS_1;
    take(f, 3000, "x/y", "a 1\n");
    assert_false(f->target.up);
    take(f, 4000, "x/y", "a 1\n# EOF\n");
    assert_true(f->target.up);
}

static void times_of_their_own_end_too_when_asked(void **state)
{
    struct fixture *f = *state;
    f->config.track_timestamps = true;
    begin(f, INT64_MAX);
    take(f, 1000, "text/plain", "a 1 900\nb 1 900\n");
    take(f, 2000, "text/plain", "a 2 1900\n");
    assert_holds(f, MINE,
                 "a{" OWN "} 900:1 1900:2\n"
                 "b{" OWN "} 900:1 2000:stale\n");
}

/* --- Protobuf --- */

static void take_proto(struct fixture *f, int64_t t_ms, struct buf *body)
{
    take_bytes(f, t_ms, PROTOBUF, buf_str(body));
    buf_release(body);
}

static void put_value(struct buf *metric, uint32_t field, double v)
{
    struct buf value = BUF_INIT;
    put_double(&value, 1, v);
    put_message(metric, field, &value);
}

static void put_plain(struct buf *body, const char *name, uint64_t type, double v)
{
    static const uint32_t fields[] = {3, 2, 4, 5};
    struct buf metric = BUF_INIT;
    put_label(&metric, "x", "1");
    put_value(&metric, fields[type], v);
    put_family(body, name, type, &metric);
}

static void plain_values_of_protobuf(void **state)
{
    struct fixture *f = *state;
    begin(f, INT64_MAX);
    for (int i = 1; i <= 2; i++) {
        struct buf body = BUF_INIT;
        put_plain(&body, "a_total", PROTO_COUNTER, i);
        put_plain(&body, "b", PROTO_GAUGE, -i);
        if (i == 1)
            put_plain(&body, "c", PROTO_UNTYPED, 0.5);
        take_proto(f, i * 1000, &body);
    }
    assert_string_equal(f->target.last_error, "");
    assert_int_equal(f->target.samples, 2);
    assert_holds(f, "a_total|b|c",
                 "a_total{" OWN ", x=\"1\"} 1000:1 2000:2\n"
                 "b{" OWN ", x=\"1\"} 1000:-1 2000:-2\n"
                 "c{" OWN ", x=\"1\"} 1000:0.5 2000:stale\n");
}

static void put_quantile(struct buf *summary, double quantile, double v)
{
    struct buf q = BUF_INIT;
    put_double(&q, 1, quantile);
    put_double(&q, 2, v);
    put_message(summary, 3, &q);
}

static void summaries_of_protobuf(void **state)
{
    struct fixture *f = *state;
    struct buf summary = BUF_INIT, metric = BUF_INIT, body = BUF_INIT;
    put_uint(&summary, 1, 7);
    put_double(&summary, 2, 3.5);
    put_quantile(&summary, 0.5, 0.25);
    put_quantile(&summary, 1, 2);
    put_time(&summary, 4, 6000);
    put_message(&metric, 4, &summary);
    put_family(&body, "s", PROTO_SUMMARY, &metric);
    begin(f, 5000);
    take_proto(f, 10000, &body);
    assert_string_equal(f->target.last_error, "");
    assert_holds(f, "s|s_.*",
                 "s{" OWN ", quantile=\"0.5\"} 10000:0.25\n"
                 "s{" OWN ", quantile=\"1.0\"} 10000:2\n"
                 "s_count{" OWN "} 6000:0 10000:7\n"
                 "s_sum{" OWN "} 6000:0 10000:3.5\n");
}

static void put_bucket(struct buf *histogram, double le, uint64_t count, const char *trace)
{
    struct buf b = BUF_INIT;
    put_uint(&b, 1, count);
    put_double(&b, 2, le);
    if (trace)
        put_exemplar(&b, 3, trace, le / 2, 900);
    put_message(histogram, 3, &b);
}

/* Buckets 1 -> 2 and 2 -> 5 of schema 0, the zero bucket 1; the classic ones beside them. */
static void put_histogram(struct buf *body, uint64_t count, bool classic, uint64_t type)
{
    struct buf histogram = BUF_INIT, metric = BUF_INIT, deltas = BUF_INIT;
    put_uint(&histogram, 1, count);
    put_double(&histogram, 2, 12.5);
    if (classic) {
        put_bucket(&histogram, 1, 3, NULL);
        put_bucket(&histogram, 2.5, count, "t1");
    }
    put_time(&histogram, 15, 700);
    put_sint(&histogram, 5, 0);
    put_double(&histogram, 6, 0.001);
    put_uint(&histogram, 7, 1);
    put_span(&histogram, 12, 1, 2);
    buf_add_varint(&deltas, 2);
    buf_add_varint(&deltas, (int64_t)count - 5);
    put_bytes(&histogram, 13, buf_str(&deltas));
    buf_release(&deltas);
    put_message(&metric, 7, &histogram);
    put_family(body, "h", type, &metric);
}

static void native_histograms_of_protobuf(void **state)
{
    struct fixture *f = *state;
    struct buf body = BUF_INIT, next = BUF_INIT, none = BUF_INIT, metric = BUF_INIT;
    f->config.native_histograms = true;
    begin(f, INT64_MAX);
    put_histogram(&body, 8, true, PROTO_HISTOGRAM);
    take_proto(f, 1000, &body);
    put_histogram(&next, 9, true, PROTO_HISTOGRAM);
    take_proto(f, 2000, &next);
    assert_string_equal(f->target.last_error, "");
    assert_holds(f, "h",
                 "h{" OWN "} 1000:{s 0 z 0.001:1 c 8 sum 12.5 + 1:2,5} "
                 "2000:{s 0 z 0.001:1 c 9 sum 12.5 + 1:2,6}\n");
    assert_holds(f, "h_.*", "");
    assert_string_equal(exemplars_of(f, "h"), "h 900:1.25 {trace_id=\"t1\"}\n");
    put_value(&metric, 2, 1);
    put_family(&none, "g", PROTO_GAUGE, &metric);
    take_proto(f, 3000, &none);
    assert_non_null(strstr(test_dump(&f->s, "h"), " 3000:stale"));
}

static void classic_buckets_beside_and_instead(void **state)
{
    struct fixture *f = *state;
    static const char *const classic = "h_bucket{" OWN ", le=\"+Inf\"} 1000:8\n"
                                       "h_bucket{" OWN ", le=\"1.0\"} 1000:3\n"
                                       "h_bucket{" OWN ", le=\"2.5\"} 1000:8\n"
                                       "h_count{" OWN "} 1000:8\n"
                                       "h_sum{" OWN "} 1000:12.5\n";
    struct buf body = BUF_INIT, both = BUF_INIT;
    begin(f, INT64_MAX);
    put_histogram(&body, 8, true, PROTO_HISTOGRAM);
    take_proto(f, 1000, &body);
    assert_holds(f, "h", "");
    assert_holds(f, "h_.*", classic);
    assert_string_equal(exemplars_of(f, "h.*"), "h_bucket 900:1.25 {trace_id=\"t1\"}\n");
    f->config.native_histograms = f->config.classic_histograms = true;
    put_histogram(&both, 8, true, PROTO_GAUGE_HISTOGRAM);
    take_proto(f, 2000, &both);
    assert_holds(f, "h", "h{" OWN "} 2000:{s 0 z 0.001:1 c 8 sum 12.5 gauge + 1:2,5}\n");
    assert_int_equal(f->target.samples, 6);
}

static void float_counts_override(void **state)
{
    struct fixture *f = *state;
    struct buf histogram = BUF_INIT, metric = BUF_INIT, body = BUF_INIT;
    f->config.native_histograms = true;
    put_uint(&histogram, 1, 99);
    put_double(&histogram, 4, 4.5);
    put_double(&histogram, 2, 1);
    put_sint(&histogram, 5, 3);
    put_double(&histogram, 8, 0.5);
    put_span(&histogram, 12, -2, 1);
    put_span(&histogram, 12, 3, 1);
    put_double(&histogram, 14, 1.5);
    put_double(&histogram, 14, 2.5);
    put_exemplar(&histogram, 16, "late", 2, 950);
    put_exemplar(&histogram, 16, "early", 1, 940);
    put_exemplar(&histogram, 16, "timeless", 1, 0);
    put_message(&metric, 7, &histogram);
    put_family(&body, "h", PROTO_HISTOGRAM, &metric);
    begin(f, INT64_MAX);
    take_proto(f, 1000, &body);
    assert_string_equal(f->target.last_error, "");
    assert_holds(f, "h", "h{" OWN "} 1000:{s 3 z 0:0.5 c 4.5 sum 1 + -2:1.5 3:2.5}\n");
    assert_string_equal(exemplars_of(f, "h"), "h 940:1 {trace_id=\"early\"}\n"
                                              "h 950:2 {trace_id=\"late\"}\n");
}

static void a_counter_of_protobuf_has_an_exemplar_and_a_beginning(void **state)
{
    struct fixture *f = *state;
    begin(f, 5000);
    for (int i = 0; i < 2; i++) {
        struct buf counter = BUF_INIT, metric = BUF_INIT, body = BUF_INIT;
        put_double(&counter, 1, 7 + i);
        put_exemplar(&counter, 2, "t1", 1, 9500);
        put_time(&counter, 3, i == 0 ? 6000 : 12500);
        put_message(&metric, 3, &counter);
        put_family(&body, "counted_total", PROTO_COUNTER, &metric);
        take_proto(f, i == 0 ? 10000 : 15000, &body);
    }
    assert_holds(f, "counted_total", "counted_total{" OWN "} 6000:0 10000:7 12500:0 15000:8\n");
    assert_true(f->s.sum.increase == 15);
    assert_string_equal(exemplars_of(f, "counted_total"),
                        "counted_total 9500:1 {trace_id=\"t1\"}\n");
}

static void times_names_and_metadata_of_protobuf(void **state)
{
    struct fixture *f = *state;
    struct buf metric = BUF_INIT, body = BUF_INIT, out = BUF_INIT;
    struct json_writer w;
    put_label(&metric, "z.z", "ü");
    put_label(&metric, "a", "");
    put_label(&metric, "job", "theirs");
    put_value(&metric, 2, 1);
    put_uint(&metric, 6, 900);
    put_family(&body, "a.b", PROTO_GAUGE, &metric);
    begin(f, INT64_MAX);
    take_proto(f, 1000, &body);
    assert_string_equal(f->target.last_error, "");
    assert_holds(f, "a.b",
                 "a.b{exported_job=\"theirs\", instance=\"h:1\", job=\"j\", z.z=\"ü\"} 900:1\n");
    json_writer_init(&w, &out);
    metadata_store_json(f->s.metadata, "a.b", 0, &w);
    json_writer_end(&w);
    assert_string_equal(out.p, "{\"a.b\":[{\"type\":\"gauge\",\"help\":\"Help.\",\"unit\":\"\"}]}");
    buf_release(&out);
}

static void limits_hold_in_protobuf(void **state)
{
    struct fixture *f = *state;
    struct buf body = BUF_INIT, again = BUF_INIT;
    f->config.sample_limit = 1;
    begin(f, INT64_MAX);
    put_plain(&body, "a", PROTO_GAUGE, 1);
    put_plain(&body, "b", PROTO_GAUGE, 1);
    take_proto(f, 1000, &body);
    assert_string_equal(f->target.last_error, "2 samples, over the sample_limit of 1");
    f->config.sample_limit = 0;
    f->config.label_limit = 2;
    put_plain(&again, "a", PROTO_GAUGE, 1);
    take_proto(f, 2000, &again);
    assert_string_equal(f->target.last_error,
                        "family 'a', metric 1: a has 4 labels, label_limit is 2");
}

/* One metric whose value field holds this. */
static void assert_refused(struct fixture *f, uint64_t type, uint32_t field, struct buf *value,
                           const char *why)
{
    static int64_t t_ms = 100000;
    struct buf metric = BUF_INIT, body = BUF_INIT;
    put_message(&metric, field, value);
    put_family(&body, "a", type, &metric);
    take_proto(f, t_ms++, &body);
    assert_string_equal(f->target.last_error, why);
}

static void malformed_protobuf_is_refused(void **state)
{
    struct fixture *f = *state;
    struct buf value = BUF_INIT, body = BUF_INIT, cut = BUF_INIT;
    f->config.native_histograms = true;
    begin(f, INT64_MAX);
    put_double(&value, 1, 1);
    assert_refused(f, PROTO_GAUGE, 3, &value,
                   "family 'a', metric 1: it has no value of its family's type");
    put_uint(&value, 1, 5);
    put_span(&value, 12, 0, 2);
    put_sint(&value, 13, 5);
    assert_refused(f, PROTO_HISTOGRAM, 7, &value,
                   "family 'a', metric 1: native histogram: the positive spans hold 2 buckets, 1 "
                   "are there");
    put_uint(&value, 1, 5);
    put_sint(&value, 5, 99);
    put_span(&value, 12, 0, 0);
    assert_refused(f, PROTO_HISTOGRAM, 7, &value,
                   "family 'a', metric 1: native histogram: schema 99, known are -4 to 8 and -53");
    buf_add_cstr(&value, "\xff");
    assert_refused(f, PROTO_GAUGE, 2, &value, "family 'a', metric 1: its value is malformed");
    put_plain(&body, "a", PROTO_GAUGE, 1);
    buf_add(&cut, body.p, body.n - 1);
    buf_release(&body);
    take_proto(f, 200000, &cut);
    assert_non_null(strstr(f->target.last_error, "it may be cut off"));
}

/* A text body and the same in protobuf are the same series: nothing ends. */
static void a_target_may_change_its_format(void **state)
{
    struct fixture *f = *state;
    struct buf body = BUF_INIT;
    begin(f, INT64_MAX);
    take(f, 1000, "text/plain", "# TYPE a_total counter\na_total{x=\"1\"} 1\n");
    put_plain(&body, "a_total", PROTO_COUNTER, 2);
    take_proto(f, 2000, &body);
    take(f, 3000, "text/plain", "# TYPE a_total counter\na_total{x=\"1\"} 3\n");
    assert_holds(f, "a_total", "a_total{" OWN ", x=\"1\"} 1000:1 2000:2 3000:3\n");
}

#define WITH_TARGET(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_TARGET(exemplars_of_text_are_kept),
        WITH_TARGET(counters_begin_when_they_were_created),
        WITH_TARGET(a_restart_shows_although_the_counter_is_higher),
        WITH_TARGET(a_body_without_a_known_type_needs_a_fallback),
        WITH_TARGET(times_of_their_own_end_too_when_asked),
        WITH_TARGET(plain_values_of_protobuf),
        WITH_TARGET(summaries_of_protobuf),
        WITH_TARGET(native_histograms_of_protobuf),
        WITH_TARGET(classic_buckets_beside_and_instead),
        WITH_TARGET(float_counts_override),
        WITH_TARGET(a_counter_of_protobuf_has_an_exemplar_and_a_beginning),
        WITH_TARGET(times_names_and_metadata_of_protobuf),
        WITH_TARGET(limits_hold_in_protobuf),
        WITH_TARGET(malformed_protobuf_is_refused),
        WITH_TARGET(a_target_may_change_its_format),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
