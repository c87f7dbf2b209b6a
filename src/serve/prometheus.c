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
    const char *source = http_param(request, "source");
    if (source && *source && !remote_source_find(s->options.sources, source, &out->source, &err)) {
        fail_prometheus_err(response, &err);
        return false;
    }
    out->expr = promql_parse_allowed(request->arena, str_from(out->text),
                                     s->options.query.stable_only, &err);
    if (out->expr)
        return true;
    err_prefix(&err, "invalid parameter \"query\": ");
    fail_prometheus_err(response, &err);
    return false;
}

/* --- Values --- */

/* The text of the answer counts against query.maxMemory too. */
static bool respond_result(struct http_response *response, const struct asked *a,
                           const struct promql_result *r, struct err *err)
{
    struct json_writer w;
    open_success(&w, response);
    bool fits = promql_put_result(&w, a->request->arena, r,
                                  a->store.memory_before + a->options.max_memory_bytes);
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
