/* Prometheus's API over a real store and real sockets: envelope, types, errors, limits. */
#include "base/clock.h"
#include "io/http_client.h"
#include "serve/internal.h"
#include "store/testing.h"

#define NOW INT64_C(1700000000000)

static const struct http_route routes[] = {
    {"GET", "/api/v1/query", handle_query, 0},
    {"POST", "/api/v1/query", handle_query, 0},
    {"GET", "/api/v1/query_range", handle_query_range, 0},
    {"GET", "/api/v1/labels", handle_labels, 0},
    {"GET", "/api/v1/series", handle_series, 0},
    {"GET", "/api/v1/label/:name/values", handle_label_values, 0},
    {"GET", "/api/v1/query_exemplars", handle_query_exemplars, 0},
    {"GET", "/api/v1/format_query", handle_format_query, 0},
    {"GET", "/api/v1/parse_query", handle_parse_query, 0},
    {"GET", "/api/v1/rules", handle_rules, 0},
    {"GET", "/api/v1/alerts", handle_alerts, 0},
};
#define N_SLOW 7

static struct serve serve;
static struct http_server *server;
static struct arena arena;

static void fill_store(struct store *store)
{
    struct store_batch *b = store_batch_begin(store, NOW);
    struct label odd[] = {{STR(LABEL_NAME), STR("odd")}, {STR("http.status"), STR("200")}};
    struct label trace[] = {{STR("trace_id"), STR("abc")}};
    struct err err = ERR_INIT;
    uint64_t up = test_series(b, "up", "a"), other = test_series(b, "up", "b");
    for (int i = 0; i < 10; i++) {
        int64_t t_ms = NOW - 90000 + i * 10000;
        assert_int_equal(store_batch_add(b, up, t_ms, i, STORE_ORIGIN_ZERO), STORE_OK);
        assert_int_equal(store_batch_add(b, other, t_ms, 1, STORE_ORIGIN_ZERO), STORE_OK);
    }
    struct labels labels = {2, odd};
    assert_int_equal(
        store_batch_add(b, store_series(b, labels, NULL), NOW, -0.5, STORE_ORIGIN_ZERO), STORE_OK);
    struct store_exemplar example = {{1, trace}, 2.5, NOW};
    assert_int_equal(store_batch_add_exemplar(b, up, &example), STORE_OK);
    assert_true(store_batch_commit(b, &err));
}

static int open_api(void **state)
{
    struct err err = ERR_INIT;
    struct http_server_options options = {.listen = "127.0.0.1:0",
                                          .routes = routes,
                                          .n_routes = sizeof routes / sizeof *routes,
                                          .n_slow_routes = N_SLOW,
                                          .workers = 2,
                                          .context = &serve};
    if (test_make_folder(state) != 0)
        return -1;
    struct store *store = store_open(
        &(struct store_options){.path = test_folder, .flush_ms = 10, .exemplars = 10}, &err);
    assert_non_null(store);
    arena_init(&arena);
    memset(&serve, 0, sizeof serve);
    serve.options = (struct serve_options){
        .store = store,
        .rules = rules_new(),
        .sources = remote_sources_new(NULL, 0),
        .query = {.timeout_ms = 10000, .max_samples = 100000, .max_memory_bytes = 1 << 20}};
    fill_store(store);
    server = http_server_start(&options, &err);
    return server ? 0 : -1;
}

static int close_api(void **state)
{
    http_server_stop(server);
    rules_free(serve.options.rules);
    remote_sources_free((struct remote_sources *)(uintptr_t)serve.options.sources);
    store_close(serve.options.store);
    arena_release(&arena);
    return test_remove_folder(state);
}

static const char *ask(const char *path, const char *form, int status)
{
    static const char *const headers[] = {"Content-Type: application/x-www-form-urlencoded", NULL};
    struct http_answer answer;
    struct err err = ERR_INIT;
    const char *url = arena_printf(&arena, "http://127.0.0.1:%u%s", http_server_port(server), path);
    struct http_fetch fetch = {.url = url};
    if (form) {
        fetch.body = str_from(form);
        fetch.headers = headers;
    }
    if (!http_fetch_sync(&arena, &fetch, &answer, &err))
        fail_msg("%s: %s", path, err.message);
    if (answer.status != status)
        fail_msg("%s: status %d: " STR_FMT, path, answer.status, STR_ARG(answer.body));
    return arena_cstr(&arena, answer.body);
}

static void expect(const char *path, const char *body)
{
    assert_string_equal(ask(path, NULL, 200), body);
}

static void test_values(void **state)
{
    (void)state;
    expect("/api/v1/query?query=1%2B1&time=4",
           "{\"status\":\"success\",\"data\":{\"resultType\":\"scalar\",\"result\":[4,\"2\"]}}");
    expect("/api/v1/query?query=%22a%22&time=1.5",
           "{\"status\":\"success\",\"data\":{\"resultType\":\"string\",\"result\":[1.5,\"a\"]}}");
    expect("/api/v1/query?query=up&time=1700000000",
           "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":["
           "{\"metric\":{\"__name__\":\"up\",\"job\":\"a\"},\"value\":[1700000000,\"9\"]},"
           "{\"metric\":{\"__name__\":\"up\",\"job\":\"b\"},\"value\":[1700000000,\"1\"]}]}}");
    expect("/api/v1/query?query=nothing&time=1700000000",
           "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[]}}");
    expect("/api/v1/query?query=up{job=%22a%22}[15s]&time=2023-11-14T22:13:20Z",
           "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":["
           "{\"metric\":{\"__name__\":\"up\",\"job\":\"a\"},\"values\":[[1699999990,\"8\"],"
           "[1700000000,\"9\"]]}]}}");
    expect("/api/v1/query_range?query=sum(up)&start=1699999990&end=1700000000&step=10s",
           "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":["
           "{\"metric\":{},\"values\":[[1699999990,\"9\"],[1700000000,\"10\"]]}]}}");
    assert_string_equal(ask("/api/v1/query", "query=1&time=4", 200),
                        ask("/api/v1/query?query=1&time=4", NULL, 200));
}

static void expect_failure(const char *path, int status, const char *type, const char *part)
{
    const char *body = ask(path, NULL, status);
    const char *head =
        arena_printf(&arena, "{\"status\":\"error\",\"errorType\":\"%s\",\"error\":\"", type);
    assert_int_equal(strncmp(body, head, strlen(head)), 0);
    if (!strstr(body, part))
        fail_msg("%s: %s", path, body);
}

static void test_failures(void **state)
{
    (void)state;
    expect_failure("/api/v1/query?query=sum(", 400, "bad_data", "invalid parameter");
    expect_failure("/api/v1/query", 400, "bad_data", "invalid parameter");
    expect_failure("/api/v1/query?query=1&time=x", 400, "bad_data", "time");
    expect_failure("/api/v1/query_range?query=up&start=2&end=1&step=1", 400, "bad_data",
                   "end timestamp");
    expect_failure("/api/v1/query_range?query=up&end=1&step=1", 400, "bad_data", "start");
    expect_failure("/api/v1/query?query=up*on()up&time=1700000000", 422, "execution", "");
    expect_failure("/api/v1/query?query=up&source=x", 404, "not_found", "no source 'x'");
    expect_failure("/api/v1/series", 400, "bad_data", "match[]");
    expect_failure("/api/v1/rules?type=x", 400, "bad_data", "not supported value");
    expect_failure("/api/v1/query_range?query=up%2Bup[1m:1ms]&start=1&end=2&step=1", 400,
                   "bad_data", "");
    expect_failure("/api/v1/query?query=sum(sum_over_time(up[1h:1ms]))&time=1700000000", 422,
                   "execution", "limit");
}

static void test_labels_and_series(void **state)
{
    (void)state;
    expect("/api/v1/labels",
           "{\"status\":\"success\",\"data\":[\"__name__\",\"http.status\",\"job\"]}");
    expect("/api/v1/labels?limit=1", "{\"status\":\"success\",\"data\":[\"__name__\"],"
                                     "\"warnings\":[\"results truncated due to limit\"]}");
    expect("/api/v1/label/job/values?match[]=up",
           "{\"status\":\"success\",\"data\":[\"a\",\"b\"]}");
    expect("/api/v1/label/U__http_2e_status/values", "{\"status\":\"success\",\"data\":[\"200\"]}");
    expect("/api/v1/label/U__job/values?limit=1",
           "{\"status\":\"success\",\"data\":[\"a\"],"
           "\"warnings\":[\"results truncated due to limit\"]}");
    expect("/api/v1/series?match[]=up{job=%22a%22}&match[]=up{job!=%22b%22}",
           "{\"status\":\"success\",\"data\":[{\"__name__\":\"up\",\"job\":\"a\"}]}");
    expect("/api/v1/series?match[]=up&start=1700000001", "{\"status\":\"success\",\"data\":[]}");
    expect("/api/v1/series?match[]=up{job=%22a%22}&start=1699999990&end=1700000000",
           "{\"status\":\"success\",\"data\":[{\"__name__\":\"up\",\"job\":\"a\"}]}");
    expect("/api/v1/labels?end=1600000000", "{\"status\":\"success\",\"data\":[]}");
    expect("/api/v1/label/job/values?start=1700000001", "{\"status\":\"success\",\"data\":[]}");
    expect_failure("/api/v1/labels?start=x", 400, "bad_data", "start");
    expect(
        "/api/v1/query_exemplars?query=rate(up[1m])&start=1699999000&end=1700000001",
        "{\"status\":\"success\",\"data\":[{\"seriesLabels\":{\"__name__\":\"up\",\"job\":\"a\"},"
        "\"exemplars\":[{\"labels\":{\"trace_id\":\"abc\"},\"value\":\"2.5\","
        "\"timestamp\":1700000000}]}]}");
    expect("/api/v1/rules", "{\"status\":\"success\",\"data\":{\"groups\":[]}}");
    expect("/api/v1/alerts", "{\"status\":\"success\",\"data\":{\"alerts\":[]}}");
}

static void test_expressions(void **state)
{
    (void)state;
    expect("/api/v1/format_query?query=sum%20by(job)(up)",
           "{\"status\":\"success\",\"data\":\"sum by (job) (up)\"}");
    expect("/api/v1/parse_query?query=-up%20offset%201m",
           "{\"status\":\"success\",\"data\":{\"type\":\"unaryExpr\",\"op\":\"-\",\"expr\":{"
           "\"type\":\"vectorSelector\",\"name\":\"up\",\"matchers\":[{\"name\":\"__name__\","
           "\"value\":\"up\",\"type\":\"=\"}],\"offset\":60000,\"timestamp\":null,"
           "\"startOrEnd\":null,\"anchored\":false,\"smoothed\":false}}}");
    const char *tree =
        ask("/api/v1/parse_query?query=topk(2,rate(x[5m]))%20%2F%20on(a)%20y", NULL, 200);
    static const char *const parts[] = {
        "\"type\":\"binaryExpr\",\"op\":\"/\"",
        "\"type\":\"aggregation\",\"op\":\"topk\"",
        "\"param\":{\"type\":\"numberLiteral\",\"val\":\"2\"}",
        "\"func\":{\"name\":\"rate\",\"argTypes\":[\"matrix\"],\"variadic\":0,",
        "\"returnType\":\"vector\"}",
        "\"type\":\"matrixSelector\"",
        "\"range\":300000",
        "\"matching\":{\"card\":\"one-to-one\",\"labels\":[\"a\"],\"on\":true,\"include\":[]"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (!strstr(tree, parts[i]))
            fail_msg("no %s in %s", parts[i], tree);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_labels_and_series),
        cmocka_unit_test(test_expressions),
    };
    return cmocka_run_group_tests(tests, open_api, close_api);
}
