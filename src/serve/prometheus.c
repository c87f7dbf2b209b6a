/* The HTTP API of Prometheus, as its clients use it: same paths, parameters, envelope and error
 * types (prometheus.io/docs/prometheus/latest/querying/api). */
#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/num.h"
#include "serve/internal.h"

#include <math.h>
#include <stdlib.h>

#define MAX_TIMEOUT_MS 120000

/* The expression and the limits that every query has. */
struct asked {
    struct promql_expr *expr;
    struct promql_options options;
    struct promql_source source;
};

static struct promql_series *as_promql(struct arena *arena, const struct store_series_data *found,
                                       size_t n)
{
    struct promql_series *series = ARENA_ARRAY(arena, struct promql_series, n);
    for (size_t i = 0; i < n; i++)
        series[i] = (struct promql_series){.labels = found[i].labels,
                                           .n = found[i].n,
                                           .samples = found[i].samples,
                                           .n_histograms = found[i].n_histograms,
                                           .histograms = found[i].histograms};
    return series;
}

bool store_promql_select(void *store, struct arena *arena, const struct matcher *matchers,
                         size_t n_matchers, int64_t mint_ms, int64_t maxt_ms,
                         struct promql_series **out, size_t *n, struct err *err)
{
    struct store_series_data *found;
    if (!store_select(store, arena, matchers, n_matchers, mint_ms, maxt_ms, 0, &found, n, err))
        return false;
    *out = as_promql(arena, found, *n);
    return true;
}

static bool store_promql_first(void *store, struct arena *arena, const struct matcher *matchers,
                               size_t n_matchers, int64_t mint_ms, int64_t maxt_ms,
                               struct promql_series **out, size_t *n, struct err *err)
{
    struct store_series_data *found;
    if (!store_select_first(store, arena, matchers, n_matchers, mint_ms, maxt_ms, &found, n, err))
        return false;
    *out = as_promql(arena, found, *n);
    return true;
}

struct promql_source store_promql_source(struct store *store)
{
    return (struct promql_source){store, store_promql_select, store_promql_first};
}

static bool take_query(struct serve *s, struct http_request *request,
                       struct http_response *response, struct asked *out)
{
    const char *text = http_param(request, "query");
    struct err err = ERR_INIT;
    int64_t timeout_ms = MAX_TIMEOUT_MS;
    *out = (struct asked){.source = store_promql_source(s->options.store)};
    if (!take_param(request, response, "timeout", parse_api_duration, false, &timeout_ms) ||
        !take_param(request, response, "lookback_delta", parse_api_duration, false,
                    &out->options.lookback_ms))
        return false;
    if (timeout_ms > MAX_TIMEOUT_MS)
        timeout_ms = MAX_TIMEOUT_MS;
    out->options.deadline_mono_ns = clock_mono_ns() + timeout_ms * 1000000;
    out->expr = promql_parse(request->arena, str_from(text ? text : ""), &err);
    if (out->expr)
        return true;
    err_prefix(&err, "invalid parameter \"query\": ");
    fail_prometheus_err(response, &err);
    return false;
}

/* --- Values --- */

static void put_point(struct json_writer *w, int64_t t_ms, double v)
{
    struct buf text = BUF_INIT;
    num_add_double(&text, v);
    json_open_array(w);
    json_put_double(w, (double)t_ms / 1000);
    json_put_str(w, buf_str(&text));
    json_close_array(w);
    buf_release(&text);
}

static void put_number(struct json_writer *w, double v)
{
    struct buf text = BUF_INIT;
    num_add_double(&text, v);
    json_put_str(w, buf_str(&text));
    buf_release(&text);
}

/* [rule, low, high, count]; the rule says which bounds belong to the bucket: 0 the upper one, 1 the
 * lower, 2 none, 3 both. */
static void put_bucket(struct json_writer *w, const struct promql_bucket *b)
{
    json_open_array(w);
    json_put_i64(w, b->low_inclusive ? 1 + 2 * b->high_inclusive : 2 - 2 * b->high_inclusive);
    put_number(w, b->low);
    put_number(w, b->high);
    put_number(w, b->count);
    json_close_array(w);
}

static void put_histogram(struct json_writer *w, struct arena *arena,
                          const struct histogram_sample *s)
{
    size_t n;
    const struct promql_bucket *buckets = promql_buckets(arena, s->h, &n);
    json_open_array(w);
    json_put_double(w, (double)s->t_ms / 1000);
    json_open_object(w);
    json_key(w, "count");
    put_number(w, s->h->count);
    json_key(w, "sum");
    put_number(w, s->h->sum);
    if (n > 0) {
        json_key(w, "buckets");
        json_open_array(w);
        for (size_t i = 0; i < n; i++)
            put_bucket(w, &buckets[i]);
        json_close_array(w);
    }
    json_close_object(w);
    json_close_array(w);
}

static void put_floats(struct json_writer *w, const struct promql_series *s, bool matrix)
{
    json_key(w, matrix ? "values" : "value");
    if (matrix)
        json_open_array(w);
    for (size_t i = 0; i < s->n; i++)
        put_point(w, s->samples[i].t_ms, s->samples[i].v);
    if (matrix)
        json_close_array(w);
}

static void put_histograms(struct json_writer *w, struct arena *arena,
                           const struct promql_series *s, bool matrix)
{
    json_key(w, matrix ? "histograms" : "histogram");
    if (matrix)
        json_open_array(w);
    for (size_t i = 0; i < s->n_histograms; i++)
        put_histogram(w, arena, &s->histograms[i]);
    if (matrix)
        json_close_array(w);
}

static void put_series(struct json_writer *w, struct arena *arena, const struct promql_result *r)
{
    bool matrix = r->type == PROMQL_MATRIX;
    json_open_array(w);
    for (size_t i = 0; i < r->n_series; i++) {
        const struct promql_series *series = &r->series[i];
        json_open_object(w);
        json_key(w, "metric");
        put_label_object(w, series->labels);
        if (series->n > 0)
            put_floats(w, series, matrix);
        if (series->n_histograms > 0)
            put_histograms(w, arena, series, matrix);
        json_close_object(w);
    }
    json_close_array(w);
}

static void put_result(struct json_writer *w, struct arena *arena, const struct promql_result *r)
{
    static const char *const types[] = {"scalar", "string", "vector", "matrix"};
    json_open_object(w);
    json_key(w, "resultType");
    json_put_cstr(w, types[r->type]);
    json_key(w, "result");
    if (r->type == PROMQL_SCALAR) {
        put_point(w, r->t_ms, r->scalar);
    } else if (r->type == PROMQL_STRING) {
        json_open_array(w);
        json_put_double(w, (double)r->t_ms / 1000);
        json_put_str(w, r->string);
        json_close_array(w);
    } else {
        put_series(w, arena, r);
    }
    json_close_object(w);
}

static void respond_result(struct http_response *response, struct arena *arena,
                           const struct promql_result *r)
{
    struct json_writer w;
    open_success(&w, response);
    put_result(&w, arena, r);
    put_notes(&w, "warnings", r->warnings, r->n_warnings);
    put_notes(&w, "infos", r->infos, r->n_infos);
    close_success(&w);
}

/* --- Queries --- */

void handle_query(void *context, struct http_request *request, struct http_response *response)
{
    struct asked asked;
    struct promql_result result;
    struct err err = ERR_INIT;
    int64_t t_ms = clock_wall_ms();
    if (!take_param(request, response, "time", parse_api_time, false, &t_ms) ||
        !take_query(context, request, response, &asked))
        return;
    if (promql_instant(asked.expr, &asked.source, &asked.options, t_ms, request->arena, &result,
                       &err))
        respond_result(response, request->arena, &result);
    else
        fail_prometheus_err(response, &err);
}

void handle_query_range(void *context, struct http_request *request, struct http_response *response)
{
    struct asked asked;
    struct promql_result result;
    struct err err = ERR_INIT;
    int64_t start_ms, end_ms, step_ms;
    if (!take_param(request, response, "start", parse_api_time, true, &start_ms) ||
        !take_param(request, response, "end", parse_api_time, true, &end_ms) ||
        !take_param(request, response, "step", parse_api_duration, true, &step_ms) ||
        !take_query(context, request, response, &asked))
        return;
    if (promql_range(asked.expr, &asked.source, &asked.options, start_ms, end_ms, step_ms,
                     request->arena, &result, &err))
        respond_result(response, request->arena, &result);
    else
        fail_prometheus_err(response, &err);
}
