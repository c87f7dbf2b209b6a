/* OTLP in, by HTTP and by gRPC (opentelemetry.io/docs/specs/otlp): one decoder, one set of answers.
 *
 *     taken             200, Export*ServiceResponse         OK
 *     some refused      200, partial_success                OK, partial_success
 *     malformed         400, google.rpc.Status              INVALID_ARGUMENT
 *     not now           503, Status, Retry-After            UNAVAILABLE, RetryInfo
 *     no room for any   429, Status, Retry-After            RESOURCE_EXHAUSTED, RetryInfo
 *     too large         413, Status                         RESOURCE_EXHAUSTED */
#include "base/clock.h"
#include "io/grpc_message.h"
#include "serve/internal.h"

#include <inttypes.h>
#include <stdio.h>

#define RETRY_MS 1000

/* --- Answers that both have --- */

static void add_proto_bytes(struct buf *out, unsigned field, struct str bytes)
{
    buf_add_uvarint(out, field << 3 | 2);
    buf_add_uvarint(out, bytes.n);
    buf_add_str(out, bytes);
}

/* Export*ServiceResponse: partial_success (1) with the number refused (1) and why (2). */
static void add_proto_response(struct buf *out, const struct otlp_result *r)
{
    struct buf partial = BUF_INIT;
    if (r->rejected == 0)
        return;
    buf_add_uvarint(&partial, 1 << 3);
    buf_add_uvarint(&partial, r->rejected);
    add_proto_bytes(&partial, 2, str_from(r->message));
    add_proto_bytes(out, 1, buf_str(&partial));
    buf_release(&partial);
}

static void add_json_response(struct buf *out, enum otlp_signal signal, const struct otlp_result *r)
{
    static const char *const rejected[] = {[OTLP_METRICS] = "rejectedDataPoints",
                                           [OTLP_TRACES] = "rejectedSpans",
                                           [OTLP_LOGS] = "rejectedLogRecords"};
    struct json_writer w;
    json_writer_init(&w, out);
    json_open_object(&w);
    if (r->rejected > 0) {
        char count[24];
        (void)snprintf(count, sizeof count, "%" PRIu64, r->rejected);
        json_key(&w, "partialSuccess");
        json_open_object(&w);
        json_key(&w, rejected[signal]);
        json_put_cstr(&w, count); /* 64-bit numbers are text in protobuf's JSON */
        json_key(&w, "errorMessage");
        json_put_cstr(&w, r->message);
        json_close_object(&w);
    }
    json_close_object(&w);
    json_writer_end(&w);
}

/* Decode and append. GRPC_OK with a result, or the status of a refusal, which err explains: what is
 * malformed, what has to wait, and what there is no room for at all. */
static enum grpc_status take(struct serve *s, enum otlp_signal signal, enum otlp_encoding encoding,
                             struct str body, struct otlp_result *result, struct err *err)
{
    if (!begin_intake(s, body.n, err))
        return err->code == ERR_BAD_INPUT ? GRPC_INVALID_ARGUMENT : GRPC_UNAVAILABLE;
    bool done = otlp_take(s->otlp, signal, encoding, body, clock_wall_ms(), result, err);
    end_intake(body.n);
    if (!done)
        return err->code == ERR_IO || err->code == ERR_LIMIT ? GRPC_UNAVAILABLE
                                                             : GRPC_INVALID_ARGUMENT;
    if (result->limited == 0 || result->limited < result->rejected || result->accepted > 0)
        return GRPC_OK;
    err_set(err, ERR_LIMIT, "%s", result->message);
    return GRPC_RESOURCE_EXHAUSTED;
}

/* --- HTTP --- */

static bool is_json(const char *content_type)
{
    return str_starts(str_from(content_type), STR("application/json"));
}

static bool is_protobuf(const char *content_type)
{
    return str_starts(str_from(content_type), STR("application/x-protobuf"));
}

static enum grpc_status code_of(int http_status)
{
    switch (http_status) {
    case 413:
    case 429:
        return GRPC_RESOURCE_EXHAUSTED;
    case 503:
        return GRPC_UNAVAILABLE;
    default:
        return GRPC_INVALID_ARGUMENT;
    }
}

static void add_json_status(struct buf *out, int code, const char *message)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_open_object(&w);
    json_key(&w, "code");
    json_put_i64(&w, code);
    json_key(&w, "message");
    json_put_cstr(&w, message);
    json_close_object(&w);
    json_writer_end(&w);
}

/* google.rpc.Status in the request's own encoding; JSON when that is neither. */
static void answer_refusal(const struct http_request *request, struct http_response *response,
                           int status, const char *message)
{
    bool again = status == 429 || status == 503;
    response->status = status;
    buf_clear(&response->body);
    if (again)
        http_add_header(response, "Retry-After", "1");
    if (is_protobuf(request->content_type)) {
        response->content_type = "application/x-protobuf";
        rpc_status_add(&response->body, (int)code_of(status), message, again ? RETRY_MS : 0);
    } else {
        response->content_type = "application/json";
        add_json_status(&response->body, (int)code_of(status), message);
    }
}

bool refuse_otlp(const struct http_request *request, struct http_response *response, int status,
                 const char *message)
{
    struct str path = str_from(request->path);
    if (!str_ends(path, STR("/v1/metrics")) && !str_ends(path, STR("/v1/traces")) &&
        !str_ends(path, STR("/v1/logs")))
        return false;
    answer_refusal(request, response, status, message);
    return true;
}

static int http_status_of(enum grpc_status status)
{
    return status == GRPC_UNAVAILABLE ? 503 : status == GRPC_RESOURCE_EXHAUSTED ? 429 : 400;
}

static void take_http(struct serve *s, enum otlp_signal signal, struct http_request *request,
                      struct http_response *response)
{
    struct otlp_result result;
    struct err err = ERR_INIT;
    bool json = is_json(request->content_type);
    if (!json && !is_protobuf(request->content_type)) {
        err_set(&err, ERR_BAD_INPUT,
                "Content-Type must be application/x-protobuf or application/json, not '%.100s'",
                request->content_type);
        answer_refusal(request, response, 415, err.message);
        return;
    }
    enum grpc_status status =
        take(s, signal, json ? OTLP_JSON : OTLP_PROTOBUF, request->body, &result, &err);
    if (status != GRPC_OK) {
        answer_refusal(request, response, http_status_of(status), err.message);
        return;
    }
    response->content_type = json ? "application/json" : "application/x-protobuf";
    if (json)
        add_json_response(&response->body, signal, &result);
    else
        add_proto_response(&response->body, &result);
}

void handle_otlp_metrics(void *context, struct http_request *request,
                         struct http_response *response)
{
    take_http(context, OTLP_METRICS, request, response);
}

void handle_otlp_traces(void *context, struct http_request *request, struct http_response *response)
{
    take_http(context, OTLP_TRACES, request, response);
}

void handle_otlp_logs(void *context, struct http_request *request, struct http_response *response)
{
    take_http(context, OTLP_LOGS, request, response);
}

/* --- gRPC --- */

static void take_grpc(struct serve *s, enum otlp_signal signal, const struct grpc_request *request,
                      struct grpc_response *response)
{
    struct otlp_result result;
    struct err err = ERR_INIT;
    response->status = take(s, signal, OTLP_PROTOBUF, request->message, &result, &err);
    if (response->status == GRPC_OK) {
        add_proto_response(&response->message, &result);
        return;
    }
    response->why = arena_strdup(request->arena, err.message);
    response->retry_after_ms = response->status == GRPC_INVALID_ARGUMENT ? 0 : RETRY_MS;
}

static void export_metrics(void *context, const struct grpc_request *request,
                           struct grpc_response *response)
{
    take_grpc(context, OTLP_METRICS, request, response);
}

static void export_traces(void *context, const struct grpc_request *request,
                          struct grpc_response *response)
{
    take_grpc(context, OTLP_TRACES, request, response);
}

static void export_logs(void *context, const struct grpc_request *request,
                        struct grpc_response *response)
{
    take_grpc(context, OTLP_LOGS, request, response);
}

/* --- Ports of their own --- */

#define COLLECTOR "/opentelemetry.proto.collector."

static const struct grpc_method methods[] = {
    {COLLECTOR "metrics.v1.MetricsService/Export", export_metrics},
    {COLLECTOR "trace.v1.TraceService/Export", export_traces},
    {COLLECTOR "logs.v1.LogsService/Export", export_logs},
};

static const struct http_route routes[] = {OTLP_ROUTES("")};

static bool start_http(struct serve *s, const struct otlp_ports *o, struct err *err)
{
    struct http_server_options http = {.listen = o->http,
                                       .routes = routes,
                                       .n_routes = sizeof routes / sizeof *routes,
                                       .context = s,
                                       .refuse = refuse_otlp,
                                       .tls_cert_file = o->tls_cert_file,
                                       .tls_key_file = o->tls_key_file};
    s->otlp_http = http_server_start(&http, err);
    return s->otlp_http != NULL;
}

static bool start_grpc(struct serve *s, const struct otlp_ports *o, struct err *err)
{
    struct grpc_server_options grpc = {.listen = o->grpc,
                                       .methods = methods,
                                       .n_methods = sizeof methods / sizeof *methods,
                                       .context = s,
                                       .tls_cert_file = o->tls_cert_file,
                                       .tls_key_file = o->tls_key_file,
                                       .max_message_bytes = OTLP_MAX_BYTES};
    s->otlp_grpc = grpc_server_start(&grpc, err);
    return s->otlp_grpc != NULL;
}

bool start_otlp_ports(struct serve *s, struct err *err)
{
    const struct otlp_ports *o = &s->options.otlp;
    if ((!o->http || start_http(s, o, err)) && (!o->grpc || start_grpc(s, o, err)))
        return true;
    err_prefix(err,
               "%s: ", s->otlp_http || !o->http ? "telemetry.otlp.grpc" : "telemetry.otlp.http");
    stop_otlp_ports(s);
    return false;
}

void stop_otlp_ports(struct serve *s)
{
    grpc_server_stop(s->otlp_grpc);
    http_server_stop(s->otlp_http);
    s->otlp_grpc = NULL;
    s->otlp_http = NULL;
}

uint16_t serve_otlp_http_port(const struct serve *s)
{
    return s->otlp_http ? http_server_port(s->otlp_http) : 0;
}

uint16_t serve_otlp_grpc_port(const struct serve *s)
{
    return s->otlp_grpc ? grpc_server_port(s->otlp_grpc) : 0;
}
