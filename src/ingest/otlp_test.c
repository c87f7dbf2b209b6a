/* Whole requests against a real store, each in three encodings: what the store then holds, as text.
 */
#include "ingest/ingest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ingest/otlp_rig_testing.h"

static void assert_metadata(struct rig *r, const char *expected)
{
    struct buf out = BUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &out);
    metadata_store_json(r->metadata, NULL, 0, &w);
    json_writer_end(&w);
    assert_string_equal(out.p, expected);
    buf_release(&out);
}

/* --- Names and labels --- */

static void resource_scene(struct rig *r)
{
    take(r,
         "{'resourceMetrics':[{'resource':{'attributes':["
         "{'key':'service.name','value':{'stringValue':'pay'}},"
         "{'key':'service.namespace','value':{'stringValue':'shop'}},"
         "{'key':'service.instance.id','value':{'stringValue':'i-1'}},"
         "{'key':'service.version','value':{'stringValue':'v2'}},"
         "{'key':'host.cpus','value':{'intValue':'8'}}]},"
         "'scopeMetrics':[{'schemaUrl':'http://s/1','scope':{'name':'http','version':'1.2',"
         "'attributes':[{'key':'tier','value':{'stringValue':'a'}}]},"
         "'metrics':[{'name':'http.server.active','description':'Now.','unit':'{request}',"
         "'gauge':{'dataPoints':[{" AT(
             200000) ",'asInt':'7','attributes':["
                     "{'key':'http.method','value':{'stringValue':'GET'}},"
                     "{'key':'job','value':{'stringValue':'mine'}}]},"
                     "{" AT(200000) ",'asInt':'8','attributes':["
                                    "{'key':'version','value':{'stringValue':'own'}}]}]}}]}]}]}");
    assert_int_equal(r->result.accepted, 2);
#define IDENTITY                                                                                   \
    "instance=\"i-1\", job=\"shop/pay\", otel_scope_name=\"http\", "                               \
    "otel_scope_schema_url=\"http://s/1\", otel_scope_tier=\"a\", otel_scope_version=\"1.2\", "
    assert_holds(r, "http_server_active{http_method=\"GET\", " IDENTITY "version=\"v2\"} 200000:7\n"
                    "http_server_active{" IDENTITY "version=\"own\"} 200000:8\n"
                    "target_info{host_cpus=\"8\", instance=\"i-1\", job=\"shop/pay\", "
                    "service_version=\"v2\"} 200000:1\n");
    assert_metadata(r, "{\"http_server_active\":[{\"type\":\"gauge\",\"help\":\"Now.\","
                       "\"unit\":\"\"}]}");
}

static void a_resource_becomes_job_instance_version_and_target_info(void **state)
{
    (void)state;
    in_each_encoding(resource_scene);
}

static void values_scene(struct rig *r)
{
    take(r, BARE("{'name':'x','gauge':{'dataPoints':[{" AT(
                1000) ",'asDouble':0.5,'attributes':["
                      "{'key':'b.t','value':{'boolValue':true}},"
                      "{'key':'i','value':{'intValue':-3}},"
                      "{'key':'d','value':{'doubleValue':2.5}},"
                      "{'key':'n','value':{'doubleValue':'NaN'}},"
                      "{'key':'y','value':{'bytesValue':'AQI='}},"
                      "{'key':'empty','value':{}},"
                      "{'key':'same.key','value':{'stringValue':'2'}},"
                      "{'key':'same-key','value':{'stringValue':'1'}},"
                      "{'key':'__name__','value':{'stringValue':'evil'}},"
                      "{'key':'list','value':{'arrayValue':{'values':[{'stringValue':'a'},"
                      "{'intValue':'1'},{'bytesValue':'AQI='},{}]}}},"
                      "{'key':'map','value':{'kvlistValue':{'values':["
                      "{'key':'k','value':{'boolValue':false}}]}}}]}]}}"));
    assert_holds(r, "x{b_t=\"true\", d=\"2.5\", i=\"-3\", key_name_=\"evil\", "
                    "list=\"[\\\"a\\\",1,\\\"AQI=\\\",null]\", map=\"{\\\"k\\\":false}\", "
                    "n=\"NaN\", same_key=\"1;2\", y=\"AQI=\"} 1000:0.5\n");
}

static void attribute_values_of_all_types_are_written_out(void **state)
{
    (void)state;
    in_each_encoding(values_scene);
}

/* --- Sums --- */

static void cumulative_scene(struct rig *r)
{
    take(r, BARE(SUM("http.requests", CUMULATIVE, "{" FROM(50000) AT(200000) ",'asInt':'5'}")));
    take(r, BARE(SUM("http.requests", CUMULATIVE, "{" FROM(50000) AT(210000) ",'asInt':'9'}")));
    assert_holds(r, "http_requests_total 200000:5 210000:9\n");
    assert_metadata(
        r, "{\"http_requests_total\":[{\"type\":\"counter\",\"help\":\"\",\"unit\":\"\"}]}");

    /* The same again is fine, another value at the same time is not, nor is an older one. */
    take(r, BARE(SUM("http.requests", CUMULATIVE, "{" FROM(50000) AT(210000) ",'asInt':'9'}")));
    refuse(r, 1, "http.requests: conflicting: the series has another value at this time",
           BARE(SUM("http.requests", CUMULATIVE, "{" FROM(50000) AT(210000) ",'asInt':'8'}")));
    refuse(r, 1, "http.requests: out_of_order: the series has a newer sample",
           BARE(SUM("http.requests", CUMULATIVE, "{" FROM(50000) AT(205000) ",'asInt':'7'}")));
    refuse(r, 1, "http.requests: too_far_ahead: over 10 minutes in the future",
           BARE(SUM("http.requests", CUMULATIVE,
                    "{" FROM(50000) AT(1600001) ",'asInt':'7'},{" FROM(50000)
                        AT(1600000) ",'asInt':'11'}")));
    assert_int_equal(r->result.accepted, 1);
    assert_holds(r, "http_requests_total 200000:5 210000:9 1600000:11\n");
}

static void a_cumulative_sum_is_a_counter(void **state)
{
    (void)state;
    in_each_encoding(cumulative_scene);
}

static void start_scene(struct rig *r)
{
    /* Began before the watch: where it stood is not known. */
    take(r, BARE(SUM("old", CUMULATIVE, "{" FROM(99000) AT(200000) ",'asInt':'5'}")));
    /* Began under our eyes. */
    take(r, BARE(SUM("new", CUMULATIVE, "{" FROM(150000) AT(200000) ",'asInt':'5'}")));
    /* Restarted, and counted past its predecessor before we looked. */
    take(r, BARE(SUM("new", CUMULATIVE, "{" FROM(150000) AT(210000) ",'asInt':'6'}")));
    take(r, BARE(SUM("new", CUMULATIVE, "{" FROM(215000) AT(220000) ",'asInt':'9'}")));
    assert_holds(r, "new_total 150000:0 200000:5 210000:6 215000:0 220000:9\n"
                    "old_total 200000:5\n");
}

static void start_times_tell_new_and_restarted_counters(void **state)
{
    (void)state;
    in_each_encoding(start_scene);
}

#define WITH(value) ",'attributes':[{'key':'code','value':{'stringValue':'" value "'}}]}"

#define OF_INSTANCE(metrics)                                                                       \
    "{'resourceMetrics':[{'resource':{'attributes':[{'key':'service.instance.id','value':{"        \
    "'stringValue':'i'}}]},'scopeMetrics':[{'metrics':[" metrics "]}]}]}"
#define HIT(t, n, code) "{" FROM(1000) AT(t) ",'asInt':'" #n "'" WITH(code)

static void absent_scene(struct rig *r)
{
    /* The process is older than the watch; a new code was in neither export before, so it began
     * after the newer one. A single export before does not prove that: it may have been half of
     * one. */
    take(r, OF_INSTANCE(SUM("hits", CUMULATIVE, HIT(200000, 5, "200"))));
    take(r, OF_INSTANCE(SUM("hits", CUMULATIVE, HIT(210000, 6, "200") "," HIT(210000, 1, "404"))));
    take(r, OF_INSTANCE(SUM("hits", CUMULATIVE, HIT(220000, 7, "200") "," HIT(220000, 3, "500"))));
    assert_holds(r, "hits_total{code=\"200\", instance=\"i\"} 200000:5 210000:6 220000:7\n"
                    "hits_total{code=\"404\", instance=\"i\"} 210000:1\n"
                    "hits_total{code=\"500\", instance=\"i\"} 210000:0 220000:3\n");
    /* Exports that several processes may have made say nothing. */
    take(r, BARE(SUM("anon", CUMULATIVE, HIT(200000, 5, "200"))));
    take(r, BARE(SUM("anon", CUMULATIVE, HIT(210000, 6, "200"))));
    take(r, BARE(SUM("anon", CUMULATIVE, HIT(220000, 3, "500"))));
    assert_holds(r, "anon_total{code=\"200\"} 200000:5 210000:6\n"
                    "anon_total{code=\"500\"} 220000:3\n"
                    "hits_total{code=\"200\", instance=\"i\"} 200000:5 210000:6 220000:7\n"
                    "hits_total{code=\"404\", instance=\"i\"} 210000:1\n"
                    "hits_total{code=\"500\", instance=\"i\"} 210000:0 220000:3\n");
}

static void a_series_that_two_exports_lacked_began_at_zero(void **state)
{
    (void)state;
    in_each_encoding(absent_scene);
}

static void delta_scene(struct rig *r)
{
    take(r, BARE(SUM("hits", DELTA, "{" FROM(190000) AT(200000) ",'asInt':'5'}")));
    take(r, BARE(SUM("hits", DELTA,
                     "{" FROM(200000) AT(210000) ",'asInt':'2'},{" FROM(210000)
                         AT(220000) ",'asInt':'3'}")));
    assert_holds(r, "hits_total 190000:0 200000:5 210000:7 220000:10\n");

    /* A difference that was taken is not taken twice, and none may be negative or no number. */
    refuse(r, 1, "hits: out_of_order: the series has a newer sample",
           BARE(SUM("hits", DELTA, "{" FROM(210000) AT(220000) ",'asInt':'3'}")));
    refuse(r, 2, "hits: a counter's difference is negative",
           BARE(SUM("hits", DELTA,
                    "{" AT(230000) ",'asInt':'-1'},{" AT(230000) ",'asDouble':'NaN'}")));
    assert_holds(r, "hits_total 190000:0 200000:5 210000:7 220000:10\n");

    /* What was added up outlives the process. */
    rig_close(r);
    rig_open(r, NULL);
    take(r, BARE(SUM("hits", DELTA, "{" FROM(220000) AT(240000) ",'asInt':'1'}")));
    assert_holds(r, "hits_total 190000:0 200000:5 210000:7 220000:10 240000:11\n");
}

static void differences_are_added_up(void **state)
{
    (void)state;
    in_each_encoding(delta_scene);
}

static void delta_stale_scene(struct rig *r)
{
    take(r, BARE(SUM("hits", DELTA, "{" AT(200000) ",'asInt':'5'}")));
    take(r, BARE(SUM("hits", DELTA, "{" AT(210000) ",'flags':1}")));
    take(r, BARE(SUM("hits", DELTA, "{" FROM(215000) AT(220000) ",'asInt':'9'}")));
    assert_holds(r, "hits_total 200000:5 210000:stale 215000:0 220000:9\n");
}

static void a_series_that_ended_is_added_up_anew(void **state)
{
    (void)state;
    in_each_encoding(delta_stale_scene);
}

static void up_down_scene(struct rig *r)
{
    take(r, BARE("{'name':'queue','unit':'By','sum':{'aggregationTemporality':2,'dataPoints':["
                 "{" FROM(150000) AT(200000) ",'asInt':'5'}]}}"));
    take(r, BARE("{'name':'jobs','sum':{'aggregationTemporality':1,'dataPoints':["
                 "{" FROM(150000) AT(200000) ",'asInt':'5'},{" AT(210000) ",'asInt':'-2'}]}}"));
    assert_holds(r, "jobs 200000:5 210000:3\nqueue_bytes 200000:5\n");
}

static void a_sum_that_may_fall_is_a_gauge(void **state)
{
    (void)state;
    in_each_encoding(up_down_scene);
}

/* --- Histograms and summaries --- */

#define HISTOGRAM(temporality, points)                                                             \
    BARE("{'name':'lat','unit':'s','histogram':{'aggregationTemporality':" temporality             \
         ",'dataPoints':[" points "]}}")

static void histogram_scene(struct rig *r)
{
    take(r, HISTOGRAM(CUMULATIVE, "{" AT(200000) ",'count':'6','sum':1.5,'bucketCounts':['1','2',"
                                                 "'3'],'explicitBounds':[0.1,1]}"));
    assert_holds(r, "lat_seconds_bucket{le=\"+Inf\"} 200000:6\n"
                    "lat_seconds_bucket{le=\"0.1\"} 200000:1\n"
                    "lat_seconds_bucket{le=\"1\"} 200000:3\n"
                    "lat_seconds_count 200000:6\n"
                    "lat_seconds_sum 200000:1.5\n");
    assert_metadata(
        r, "{\"lat_seconds\":[{\"type\":\"histogram\",\"help\":\"\",\"unit\":\"seconds\"}]}");
    /* An end without bounds ends all of its series. */
    take(r, HISTOGRAM(CUMULATIVE, "{" AT(210000) ",'flags':1}"));
    assert_holds(r, "lat_seconds_bucket{le=\"+Inf\"} 200000:6 210000:stale\n"
                    "lat_seconds_bucket{le=\"0.1\"} 200000:1 210000:stale\n"
                    "lat_seconds_bucket{le=\"1\"} 200000:3 210000:stale\n"
                    "lat_seconds_count 200000:6 210000:stale\n"
                    "lat_seconds_sum 200000:1.5 210000:stale\n");
}

static void a_histogram_is_classic_buckets(void **state)
{
    (void)state;
    in_each_encoding(histogram_scene);
}

static void delta_histogram_scene(struct rig *r)
{
    take(r, HISTOGRAM(DELTA, "{" FROM(190000) AT(200000) ",'count':3,'sum':2,'bucketCounts':[1,2],"
                                                         "'explicitBounds':[0.5]}"));
    take(r, HISTOGRAM(DELTA, "{" FROM(200000) AT(210000) ",'count':1,'sum':0.25,'bucketCounts':[1,"
                                                         "0],'explicitBounds':[0.5]}"));
    assert_holds(r, "lat_seconds_bucket{le=\"+Inf\"} 190000:0 200000:3 210000:4\n"
                    "lat_seconds_bucket{le=\"0.5\"} 190000:0 200000:1 210000:2\n"
                    "lat_seconds_count 190000:0 200000:3 210000:4\n"
                    "lat_seconds_sum 190000:0 200000:2 210000:2.25\n");
}

static void differences_of_histograms_are_added_up(void **state)
{
    (void)state;
    in_each_encoding(delta_histogram_scene);
}

static void bad_histogram_scene(struct rig *r)
{
    refuse(r, 1, "lat: there is not one bucket count more than there are bounds",
           HISTOGRAM(CUMULATIVE, "{" AT(200000) ",'count':3,'bucketCounts':[1,2],"
                                                "'explicitBounds':[1,2]}"));
    refuse(r, 1, "lat: bucket counts do not add up to the count",
           HISTOGRAM(CUMULATIVE, "{" AT(200000) ",'count':4,'bucketCounts':[1,2],"
                                                "'explicitBounds':[1]}"));
    refuse(r, 1, "lat: bucket counts do not add up to the count",
           HISTOGRAM(CUMULATIVE, "{" AT(200000) ",'count':1,'bucketCounts':"
                                                "['18446744073709551615','2'],"
                                                "'explicitBounds':[1]}"));
    refuse(r, 1, "lat: bucket bounds are not finite and ascending",
           HISTOGRAM(CUMULATIVE, "{" AT(200000) ",'count':3,'bucketCounts':[1,1,1],"
                                                "'explicitBounds':[1,1]}"));
    refuse(r, 1, "lat: its aggregation temporality is neither delta nor cumulative",
           HISTOGRAM("0", "{" AT(200000) ",'count':3}"));
    refuse(r, 1, "lat: it has no time", HISTOGRAM(CUMULATIVE, "{'count':3}"));
    assert_holds(r, "");
}

static void histograms_that_cannot_be_are_refused(void **state)
{
    (void)state;
    in_each_encoding(bad_histogram_scene);
}

/* Scale 1: bounds at 2^(i/2). Offset -1: buckets (2^-0.5,1], (1,2^0.5], (2^0.5,2], (2,2^1.5]. */
static void exponential_scene(struct rig *r)
{
    struct buf out = BUF_INIT;
    otlp_keep_classic(r->otlp);
    take(
        r,
        BARE("{'name':'size','exponentialHistogram':{'aggregationTemporality':2,'dataPoints':[{" AT(
            200000) ",'count':'22','sum':9,'scale':1,'zeroCount':'2','positive':{"
                    "'offset':-1,'bucketCounts':['1','2','4','8']},'negative':{'offset':0,"
                    "'bucketCounts':['5']}}]}}"));
    otlp_dump(r->store, &out);
    assert_non_null(strstr(out.p, "size_bucket{le=\"0.00006103515625\"} 200000:7\n"));
    assert_non_null(strstr(out.p, "size_bucket{le=\"0.5\"} 200000:7\n"));
    assert_non_null(strstr(out.p, "size_bucket{le=\"1\"} 200000:8\n"));
    assert_non_null(strstr(out.p, "size_bucket{le=\"2\"} 200000:14\n"));
    assert_non_null(strstr(out.p, "size_bucket{le=\"4\"} 200000:22\n"));
    assert_non_null(strstr(out.p, "size_bucket{le=\"1073741824\"} 200000:22\n"));
    assert_non_null(strstr(out.p, "size_bucket{le=\"+Inf\"} 200000:22\n"));
    assert_non_null(strstr(out.p, "size_count 200000:22\n"));
    assert_non_null(strstr(out.p, "size_sum 200000:9\n"));
    buf_release(&out);
    refuse(
        r, 1, "size: its scale is below 0: coarser than powers of two",
        BARE("{'name':'size','exponentialHistogram':{'aggregationTemporality':2,'dataPoints':[{" AT(
            210000) ",'count':1,'scale':-1,'positive':{'offset':0,'bucketCounts':[1]}}]}}"));
    refuse(
        r, 1, "size: bucket counts do not add up to the count",
        BARE("{'name':'size','exponentialHistogram':{'aggregationTemporality':2,'dataPoints':[{" AT(
            210000) ",'count':2,'scale':0,'positive':{'offset':0,'bucketCounts':[1]}}]}}"));
}

static void an_exponential_histogram_may_have_classic_buckets_at_powers_of_two(void **state)
{
    (void)state;
    in_each_encoding(exponential_scene);
}

static void summary_scene(struct rig *r)
{
    take(r, BARE("{'name':'rpc','summary':{'dataPoints':[{" AT(
                200000) ",'count':'4','sum':2,'quantileValues':[{'quantile':0.5,'value':0.25},"
                        "{'quantile':0.99,'value':1}]}]}}"));
    assert_holds(r, "rpc{quantile=\"0.5\"} 200000:0.25\nrpc{quantile=\"0.99\"} 200000:1\n"
                    "rpc_count 200000:4\nrpc_sum 200000:2\n");
    refuse(r, 1, "rpc: quantiles are not ascending from 0 to 1",
           BARE("{'name':'rpc','summary':{'dataPoints':[{" AT(
               210000) ",'quantileValues':[{'quantile':0.5,'value':0.25},"
                       "{'quantile':0.5,'value':1}]}]}}"));
    /* A point is taken whole or not at all: its count is new, one quantile is not. */
    take(r, BARE("{'name':'rpc','gauge':{'dataPoints':[{" AT(
                220000) ",'asDouble':7,'attributes':[{'key':'quantile',"
                        "'value':{'stringValue':'0.5'}}]}]}}"));
    refuse(
        r, 1, "rpc: conflicting: the series has another value at this time",
        BARE("{'name':'rpc','summary':{'dataPoints':[{" AT(
            220000) ",'count':'5','sum':3,'quantileValues':[{'quantile':0.5,'value':0.25}]}]}}"));
    assert_holds(r, "rpc{quantile=\"0.5\"} 200000:0.25 220000:7\nrpc{quantile=\"0.99\"} 200000:1\n"
                    "rpc_count 200000:4\nrpc_sum 200000:2\n");
}

static void a_summary_keeps_its_quantiles(void **state)
{
    (void)state;
    in_each_encoding(summary_scene);
}

/* --- What is refused --- */

static void partial_scene(struct rig *r)
{
    refuse(r, 2, "bad: it has no value",
           BARE("{'name':'bad','gauge':{'dataPoints':[{" AT(200000) "},{" AT(
               200000) "}]}},"
                       "{'name':'good','gauge':{'dataPoints':[{" AT(200000) ",'asInt':'1'}]}},"
                                                                            "{'name':'empty'}"));
    assert_int_equal(r->result.accepted, 1);
    refuse(r, 1, "...: its name has no letter or digit",
           BARE("{'name':'...','gauge':{'dataPoints':[{" AT(200000) ",'asInt':'1'}]}}"));
    assert_holds(r, "good 200000:1\n");
    take(r, "{}");
    take(r, "{'resourceMetrics':[]}");
}

static void the_rest_of_a_request_is_taken(void **state)
{
    (void)state;
    in_each_encoding(partial_scene);
}

static void a_full_store_refuses_by_name(void **state)
{
    struct rig r = {.encoding = AS_PROTOBUF, .err = ERR_INIT};
    (void)state;
    r.store = store_open(&(struct store_options){.path = test_folder, .max_series = 1}, &r.err);
    r.metadata = metadata_store_new();
    r.otlp = otlp_new(r.store, r.metadata, 0);
    refuse(&r, 1, "b: limit: the store has no room for more series",
           BARE("{'name':'a','gauge':{'dataPoints':[{" AT(
               200000) ",'asInt':'1'}]}},"
                       "{'name':'b','gauge':{'dataPoints':[{" AT(200000) ",'asInt':'1'}]}}"));
    assert_holds(&r, "a 200000:1\n");
    rig_close(&r);
}

static void too_many_attributes_are_refused(void **state)
{
    struct rig r = {.encoding = AS_JSON, .err = ERR_INIT};
    struct buf request = BUF_INIT;
    (void)state;
    rig_open(&r, NULL);
    buf_add_cstr(&request, "{'resourceMetrics':[{'scopeMetrics':[{'metrics':[{'name':'a','gauge':{"
                           "'dataPoints':[{" AT(200000) ",'asInt':'1','attributes':[");
    for (int i = 0; i < 129; i++)
        buf_printf(&request, "%s{'key':'k%d','value':{'stringValue':'v'}}", i ? "," : "", i);
    buf_add_cstr(&request, "]}]}}]}]}]}");
    refuse(&r, 1, "a: it has more than 128 attributes", request.p);
    r.encoding = AS_PROTOBUF;
    refuse(&r, 1, "a: it has more than 128 attributes", request.p);
    buf_release(&request);
    rig_close(&r);
}

/* --- Malformed bodies take nothing --- */

static void assert_malformed_json(struct rig *r, const char *text, const char *message)
{
    char *json = otlp_unquote(text);
    assert_false(otlp_metrics_json(r->otlp, str_from(json), 1000000, &r->result, &r->err));
    assert_int_equal(r->err.code, ERR_BAD_INPUT);
    assert_non_null(strstr(r->err.message, message));
    free(json);
}

static void malformed_json_names_the_field(void **state)
{
    struct rig r = {.err = ERR_INIT};
    struct buf deep = BUF_INIT;
    (void)state;
    rig_open(&r, NULL);
    assert_malformed_json(&r, "", "");
    assert_malformed_json(&r, "[]", "not an object");
    assert_malformed_json(&r, "{'resourceMetrics':{}}", "resourceMetrics is not an array");
    assert_malformed_json(&r, "{'resourceMetrics':[1]}", "not an array of objects");
    assert_malformed_json(&r, BARE("{'name':5}"), "Metric.name is not a string");
    assert_malformed_json(&r,
                          BARE("{'name':'ok','gauge':{'dataPoints':[{" AT(
                              1000) ",'asInt':'1'}]}},"
                                    "{'name':'a','gauge':{'dataPoints':[{'timeUnixNano':-1}]}}"),
                          "timeUnixNano is not an unsigned");
    assert_malformed_json(&r, BARE("{'name':'a','gauge':{'dataPoints':[{'asInt':'x'}]}}"),
                          "asInt is not a 64-bit integer");
    for (int i = 0; i < 100; i++)
        buf_add_cstr(&deep, "[");
    assert_malformed_json(&r, deep.p, "deeper");
    buf_release(&deep);
    assert_holds(&r, "");
    rig_close(&r);
}

static void assert_malformed(struct rig *r, const void *bytes, size_t n, const char *message)
{
    struct str body = {bytes, n};
    assert_false(otlp_metrics_protobuf(r->otlp, body, 1000000, &r->result, &r->err));
    assert_int_equal(r->err.code, ERR_BAD_INPUT);
    if (!strstr(r->err.message, message))
        print_error("%s\n", r->err.message);
    assert_non_null(strstr(r->err.message, message));
}
#define ASSERT_MALFORMED(r, literal, message)                                                      \
    assert_malformed((r), (literal), sizeof(literal) - 1, (message))

/* Bytes by hand: request 1 -> resource metrics 2 -> scope metrics 2 -> metric. */
static void malformed_protobuf_names_the_message(void **state)
{
    struct rig r = {.err = ERR_INIT};
    (void)state;
    rig_open(&r, NULL);
    ASSERT_MALFORMED(&r, "\x0a", "ExportMetricsServiceRequest, byte 1 of 1");
    ASSERT_MALFORMED(&r, "\x0a\x05\x12", "truncated");
    ASSERT_MALFORMED(&r, "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "truncated");
    ASSERT_MALFORMED(&r, "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "truncated");
    ASSERT_MALFORMED(&r, "\x08\x01",
                     "ExportMetricsServiceRequest, byte 2 of 2: a field has the "
                     "wrong wire type");
    ASSERT_MALFORMED(&r, "\x0b\x0c", "malformed");               /* a group */
    ASSERT_MALFORMED(&r, "\x02\x00", "malformed");               /* field 0 */
    ASSERT_MALFORMED(&r, "\x0a\x02\x10\x01", "ResourceMetrics"); /* scope_metrics as a varint */
    /* A good metric and then a gauge whose point's time is a varint. */
    ASSERT_MALFORMED(&r,
                     "\x0a\x29\x12\x27"
                     "\x12\x19\x0a\x01"
                     "a\x2a\x14\x0a\x12\x19\x00\xca\x9a\x3b\x00\x00\x00\x00\x31\x01\x00\x00\x00"
                     "\x00\x00\x00\x00"
                     "\x12\x0a\x0a\x01"
                     "b\x2a\x05\x0a\x03\x18\x80\x01",
                     "NumberDataPoint");
    assert_holds(&r, "");
    rig_close(&r);
}

static void a_golden_request_is_read(void **state)
{
    static const char golden[] = "\x0a\x1d\x12\x1b"
                                 "\x12\x19\x0a\x01"
                                 "a\x2a\x14\x0a\x12\x19\x00\xca\x9a\x3b\x00\x00\x00\x00\x31\x01"
                                 "\x00\x00\x00\x00\x00\x00\x00";
    struct rig r = {.err = ERR_INIT};
    (void)state;
    rig_open(&r, NULL);
    assert_true(otlp_metrics_protobuf(r.otlp, str_make(golden, sizeof golden - 1), 1000000,
                                      &r.result, &r.err));
    assert_int_equal(r.result.accepted, 1);
    assert_holds(&r, "a 1000:1\n");
    rig_close(&r);
}

/* Every prefix of a rich request is malformed or shorter, never worse; so is every byte changed. */
static void damaged_requests_do_no_harm(void **state)
{
    static const char request[] =
        "{'resourceMetrics':[{'resource':{'attributes':[{'key':'service.name','value':{"
        "'stringValue':'s'}}]},'scopeMetrics':[{'scope':{'name':'n'},'metrics':[" SUM(
            "a", DELTA,
            "{" AT(200000) ",'asInt':'1'" WITH(
                "200")) ",{'name':'h','histogram':{"
                        "'aggregationTemporality':1,'dataPoints':[{" AT(
                            200000) ",'count':'3','sum':1,'bucketCounts':['1','2'],'explicitBounds'"
                                    ":[1]}]}},"
                                    "{'name':'e','exponentialHistogram':{'aggregationTemporality':"
                                    "2,'dataPoints':[{" AT(
                                        200000) ",'count':'3','scale':3,'positive':{'offset':1,'"
                                                "bucketCounts':['1','2']}}]}},"
                                                "{'name':'q','summary':{'dataPoints':[{" AT(
                                                    200000) ",'quantileValues':[{'quantile':0.5,'"
                                                            "value':1}]}]}}]}]}]}";
    struct rig r = {.err = ERR_INIT};
    struct buf body = BUF_INIT;
    char *json = otlp_unquote(request);
    (void)state;
    rig_open(&r, NULL);
    otlp_encode(&body, json, false);
    for (size_t n = 0; n < body.n; n++) {
        char *exact = malloc(n ? n : 1); /* so that ASan sees one byte too far */
        memcpy(exact, body.p, n);
        if (otlp_metrics_protobuf(r.otlp, str_make(exact, n), 1000000, &r.result, &r.err))
            assert_int_equal(n, 0);
        free(exact);
    }
    for (size_t i = 0; i < body.n * 8; i++) {
        body.p[i / 8] = (char)(body.p[i / 8] ^ 1 << i % 8);
        bool done = otlp_metrics_protobuf(r.otlp, buf_str(&body), 1000000, &r.result, &r.err);
        assert_true(done || r.err.code == ERR_BAD_INPUT);
        body.p[i / 8] = (char)(body.p[i / 8] ^ 1 << i % 8);
    }
    buf_release(&body);
    free(json);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_resource_becomes_job_instance_version_and_target_info),
        cmocka_unit_test(attribute_values_of_all_types_are_written_out),
        cmocka_unit_test(a_cumulative_sum_is_a_counter),
        cmocka_unit_test(start_times_tell_new_and_restarted_counters),
        cmocka_unit_test(a_series_that_two_exports_lacked_began_at_zero),
        cmocka_unit_test(differences_are_added_up),
        cmocka_unit_test(a_series_that_ended_is_added_up_anew),
        cmocka_unit_test(a_sum_that_may_fall_is_a_gauge),
        cmocka_unit_test(a_histogram_is_classic_buckets),
        cmocka_unit_test(differences_of_histograms_are_added_up),
        cmocka_unit_test(histograms_that_cannot_be_are_refused),
        cmocka_unit_test(an_exponential_histogram_may_have_classic_buckets_at_powers_of_two),
        cmocka_unit_test(a_summary_keeps_its_quantiles),
        cmocka_unit_test(the_rest_of_a_request_is_taken),
        IN_FOLDER(a_full_store_refuses_by_name),
        IN_FOLDER(too_many_attributes_are_refused),
        IN_FOLDER(malformed_json_names_the_field),
        IN_FOLDER(malformed_protobuf_names_the_message),
        IN_FOLDER(a_golden_request_is_read),
        IN_FOLDER(damaged_requests_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
