#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ingest/otlp_rig_testing.h"

#define TRACE "0123456789abcdef0123456789abcdef"
#define IDS ",'traceId':'" TRACE "','spanId':'00000000000000aa'}"

/* All exemplars, a line a series: "name{labels} time:value{labels} ..." */
static void assert_exemplars(struct rig *r, const char *expected)
{
    struct arena arena = ARENA_INIT;
    struct store_series_exemplars *found;
    struct matcher m;
    struct buf out = BUF_INIT;
    size_t n;
    buf_add_cstr(&out, "");
    assert_true(matcher_init(&m, &arena, MATCH_REGEX, STR(LABEL_NAME), STR(".+"), &r->err));
    assert_true(
        store_select_exemplars(r->store, &arena, &m, 1, INT64_MIN, INT64_MAX, &found, &n, &r->err));
    for (size_t i = 0; i < n; i++) {
        labels_print(found[i].labels, &out);
        for (size_t k = 0; k < found[i].n; k++) {
            const struct store_exemplar *e = &found[i].exemplars[k];
            buf_printf(&out, " %lld:%g", (long long)e->t_ms, e->v);
            labels_print(e->labels, &out);
        }
        buf_add_char(&out, '\n');
    }
    assert_string_equal(out.p, expected);
    buf_release(&out);
    arena_release(&arena);
}

static void counter_scene(struct rig *r)
{
    take(r, BARE(SUM("c", CUMULATIVE,
                     "{" AT(200000) ",'asInt':'3','exemplars':["
                                    "{'timeUnixNano':'199000000000','asInt':'2'" IDS
                                    ",{'timeUnixNano':'198000000000','asDouble':0.5,"
                                    "'traceId':'0123'},{'asDouble':7}]}")));
    assert_exemplars(r,
                     "c_total 198000:0.5{} 199000:2{span_id=\"00000000000000aa\", trace_id=\"" TRACE
                     "\"} 200000:7{}\n");
}

static void a_counter_has_exemplars(void **state)
{
    (void)state;
    in_each_encoding(counter_scene);
}

static void bucket_scene(struct rig *r)
{
    take(r, BARE("{'name':'h','histogram':{'aggregationTemporality':2,'dataPoints':[{" AT(
                200000) ",'count':'3','sum':1,'bucketCounts':['1','1','1'],'explicitBounds':[1,2],"
                        "'exemplars':[{'asDouble':1},{'asDouble':1.5},{'asDouble':9}]}]}}"));
    assert_exemplars(r, "h_bucket{le=\"+Inf\"} 200000:9{}\nh_bucket{le=\"1\"} 200000:1{}\n"
                        "h_bucket{le=\"2\"} 200000:1.5{}\n");
}

static void a_classic_histograms_are_in_their_buckets(void **state)
{
    (void)state;
    in_each_encoding(bucket_scene);
}

static void native_scene(struct rig *r)
{
    take(r,
         BARE("{'name':'e','exponentialHistogram':{'aggregationTemporality':2,'dataPoints':[{" AT(
             200000) ",'count':1,'positive':{'bucketCounts':[1]},'exemplars':[{'asDouble':2,"
                     "'timeUnixNano':'150000000000'" IDS ",{'asDouble':1}]}]}}"));
    take(r, BARE("{'name':'g','gauge':{'dataPoints':[{" AT(
                200000) ",'asInt':'3','exemplars':[{'asDouble':1}]}]}}"));
    assert_exemplars(r, "e 150000:2{span_id=\"00000000000000aa\", trace_id=\"" TRACE
                        "\"} 200000:1{}\n");
}

static void a_native_histogram_has_them_all_and_a_gauge_none(void **state)
{
    (void)state;
    in_each_encoding(native_scene);
}

/* Only the first ones of a point are read. */
static void many_are_too_many(void **state)
{
    struct rig r = {.err = ERR_INIT};
    struct buf request = BUF_INIT;
    struct store_stats stats;
    void *folder = NULL;
    (void)state;
    assert_int_equal(test_make_folder(&folder), 0);
    rig_open(&r, NULL);
    buf_add_cstr(&request, "{'resourceMetrics':[{'scopeMetrics':[{'metrics':[{'name':'c','sum':{"
                           "'isMonotonic':true,'aggregationTemporality':2,'dataPoints':[{" AT(
                               200000) ",'asInt':'3','exemplars':[{'asDouble':0}");
    for (int i = 1; i < 50; i++)
        buf_printf(&request, ",{'asDouble':%d}", i);
    buf_add_cstr(&request, "]}]}}]}]}]}");
    take(&r, request.p);
    store_stats(r.store, &stats);
    assert_int_equal(stats.exemplars, 32);
    buf_release(&request);
    rig_close(&r);
    assert_int_equal(test_remove_folder(&folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_counter_has_exemplars),
        cmocka_unit_test(a_classic_histograms_are_in_their_buckets),
        cmocka_unit_test(a_native_histogram_has_them_all_and_a_gauge_none),
        cmocka_unit_test(many_are_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
