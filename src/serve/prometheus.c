/* The HTTP API of Prometheus, as its clients use it: same paths, parameters, envelope and error
 * types (prometheus.io/docs/prometheus/latest/querying/api). */
#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/num.h"
#include "serve/internal.h"

#include <math.h>
#include <stdlib.h>

/* The expression and the limits that every query has. */
struct asked {
    struct http_request *request;
    struct serve *serve;
    struct bounded_source store;
    const char *kind, *text;
    int64_t start_ms, end_ms, step_ms;
    int64_t began_ns;
    struct promql_expr *expr;
    struct promql_options options;
    struct promql_source source;
};

static bool is_gone(void *self)
{
    return http_client_gone(self);
}

static void set_limits(struct asked *a, int64_t timeout_ms)
{
    const struct query_settings *q = &a->serve->options.query;
    if (timeout_ms > q->timeout_ms)
        timeout_ms = q->timeout_ms;
    a->began_ns = clock_mono_ns();
    a->options.deadline_mono_ns = a->began_ns + timeout_ms * 1000000;
    a->options.max_samples = q->max_samples;
    a->options.max_memory_bytes = q->max_memory_bytes;
    a->options.cancelled = is_gone;
    a->options.cancelled_self = a->request;
    a->store = (struct bounded_source){a->serve->options.store, q->max_samples, q->max_memory_bytes,
                                       a->request->arena->used_bytes};
    a->source = bounded_promql_source(&a->store);
}

static bool take_query(struct serve *s, struct http_request *request,
                       struct http_response *response, struct asked *out)
{
    const char *text = http_param(request, "query");
    struct err err = ERR_INIT;
    int64_t timeout_ms = s->options.query.timeout_ms;
    out->serve = s;
    out->request = request;
    out->text = text ? text : "";
    if (!take_param(request, response, "timeout", parse_api_duration, false, &timeout_ms) ||
        !take_param(request, response, "lookback_delta", parse_api_duration, false,
                    &out->options.lookback_ms))
        return false;
    set_limits(out, timeout_ms);
    out->expr = promql_parse(request->arena, str_from(out->text), &err);
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

/* The answer's text counts against query.maxMemory too. False: over it. */
static bool put_series(struct json_writer *w, const struct asked *a, const struct promql_result *r)
{
    bool matrix = r->type == PROMQL_MATRIX, fits = true;
    struct arena *arena = a->request->arena;
    json_open_array(w);
    for (size_t i = 0; i < r->n_series && fits; i++) {
        const struct promql_series *series = &r->series[i];
        json_open_object(w);
        json_key(w, "metric");
        put_label_object(w, series->labels);
        if (series->n > 0)
            put_floats(w, series, matrix);
        if (series->n_histograms > 0)
            put_histograms(w, arena, series, matrix);
        json_close_object(w);
        fits =
            w->out->n + arena->used_bytes - a->store.memory_before <= a->options.max_memory_bytes;
    }
    json_close_array(w);
    return fits;
}

static bool put_result(struct json_writer *w, const struct asked *a, const struct promql_result *r)
{
    bool fits = true;
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
        fits = put_series(w, a, r);
    }
    json_close_object(w);
    return fits;
}

static bool respond_result(struct http_response *response, const struct asked *a,
                           const struct promql_result *r, struct err *err)
{
    struct json_writer w;
    open_success(&w, response);
    bool fits = put_result(&w, a, r);
    put_notes(&w, "warnings", r->warnings, r->n_warnings);
    put_notes(&w, "infos", r->infos, r->n_infos);
    close_success(&w);
    return fits || err_set(err, ERR_LIMIT,
                           "the answer needs over %llu bytes of memory, the limit "
                           "(query.maxMemory)",
                           (unsigned long long)a->options.max_memory_bytes);
}

/* --- Queries --- */

static void answer_query(struct asked *a, struct http_response *response, bool good,
                         const struct promql_result *result, struct err *err)
{
    good = good && respond_result(response, a, result, err);
    if (!good) {
        buf_release(&response->body);
        fail_prometheus_err(response, err);
    }
    slow_log_note(a->serve->slow_log, &(struct slow_query){.kind = a->kind,
                                                           .query = a->text,
                                                           .peer = a->request->peer,
                                                           .start_ms = a->start_ms,
                                                           .end_ms = a->end_ms,
                                                           .step_ms = a->step_ms,
                                                           .took_ns = clock_mono_ns() - a->began_ns,
                                                           .samples = result->touched,
                                                           .bytes = a->request->arena->used_bytes,
                                                           .error = good ? NULL : err->message});
}

void handle_query(void *context, struct http_request *request, struct http_response *response)
{
    struct asked a = {.kind = "instant", .end_ms = clock_wall_ms()};
    struct promql_result result = {0};
    struct err err = ERR_INIT;
    if (!take_param(request, response, "time", parse_api_time, false, &a.end_ms) ||
        !take_query(context, request, response, &a))
        return;
    a.start_ms = a.end_ms;
    bool good =
        promql_instant(a.expr, &a.source, &a.options, a.end_ms, request->arena, &result, &err);
    answer_query(&a, response, good, &result, &err);
}

void handle_query_range(void *context, struct http_request *request, struct http_response *response)
{
    struct asked a = {.kind = "range"};
    struct promql_result result = {0};
    struct err err = ERR_INIT;
    if (!take_param(request, response, "start", parse_api_time, true, &a.start_ms) ||
        !take_param(request, response, "end", parse_api_time, true, &a.end_ms) ||
        !take_param(request, response, "step", parse_api_duration, true, &a.step_ms) ||
        !take_query(context, request, response, &a))
        return;
    bool good = promql_range(a.expr, &a.source, &a.options, a.start_ms, a.end_ms, a.step_ms,
                             request->arena, &result, &err);
    answer_query(&a, response, good, &result, &err);
}
