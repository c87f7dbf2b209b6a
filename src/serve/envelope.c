/* The envelope of Prometheus's API, and the parameters that its handlers share
 * (prometheus.io/docs/prometheus/latest/querying/api). */
#include "base/clock.h"
#include "base/num.h"
#include "serve/internal.h"

#include <math.h>
#include <stdlib.h>

#define MAX_TIME_MS INT64_C(253402300799000) /* the year 9999 */

void fail_prometheus(struct http_response *response, int status, const char *type,
                     const char *message)
{
    struct json_writer w;
    buf_clear(&response->body);
    response->status = status;
    json_writer_init(&w, &response->body);
    json_open_object(&w);
    json_key(&w, "status");
    json_put_cstr(&w, "error");
    json_key(&w, "errorType");
    json_put_cstr(&w, type);
    json_key(&w, "error");
    json_put_cstr(&w, message);
    json_close_object(&w);
    json_writer_end(&w);
}

void fail_prometheus_err(struct http_response *response, const struct err *err)
{
    switch (err->code) {
    case ERR_BAD_INPUT:
        fail_prometheus(response, 400, "bad_data", err->message);
        return;
    case ERR_CANCELLED:
        fail_prometheus(response, 499, "canceled", err->message);
        return;
    case ERR_TIMEOUT:
        fail_prometheus(response, 503, "timeout", err->message);
        return;
    case ERR_NOT_FOUND:
        fail_prometheus(response, 404, "not_found", err->message);
        return;
    case ERR_IO:
    case ERR_CORRUPT:
    case ERR_UNREACHABLE:
        fail_prometheus(response, 500, "internal", err->message);
        return;
    case ERR_NONE:
    case ERR_LIMIT:
    case ERR_CONFLICT:
    case ERR_DENIED:
    case ERR_NOT_IMPLEMENTED:
        fail_prometheus(response, 422, "execution", err->message);
        return;
    }
}

void open_success(struct json_writer *w, struct http_response *response)
{
    json_writer_init(w, &response->body);
    json_open_object(w);
    json_key(w, "status");
    json_put_cstr(w, "success");
    json_key(w, "data");
}

void close_success(struct json_writer *w)
{
    json_close_object(w);
    json_writer_end(w);
}

/* --- Parameters --- */

bool parse_api_time(const char *text, int64_t *out_ms)
{
    double seconds;
    if (num_parse_double(str_from(text), &seconds)) {
        if (!(fabs(seconds) <= (double)MAX_TIME_MS / 1000))
            return false;
        *out_ms = (int64_t)llround(seconds * 1000);
        return true;
    }
    return clock_parse_rfc3339(str_from(text), out_ms);
}

bool parse_api_duration(const char *text, int64_t *out_ms)
{
    double seconds;
    if (num_parse_double(str_from(text), &seconds)) {
        if (!(seconds >= 0 && seconds <= (double)MAX_TIME_MS / 1000))
            return false;
        *out_ms = (int64_t)llround(seconds * 1000);
        return true;
    }
    return num_parse_duration_ms(str_from(text), out_ms);
}

bool take_param(struct http_request *request, struct http_response *response, const char *name,
                parse_param_fn *parse, bool needed, int64_t *out)
{
    const char *text = http_param(request, name);
    char message[256];
    if (!text && !needed)
        return true;
    if (text && parse(text, out))
        return true;
    (void)snprintf(message, sizeof message, "invalid parameter \"%s\": %s \"%.100s\"", name,
                   text ? "cannot parse" : "it is missing;", text ? text : "");
    fail_prometheus(response, 400, "bad_data", message);
    return false;
}

void put_label_object(struct json_writer *w, struct labels labels)
{
    json_open_object(w);
    for (size_t i = 0; i < labels.n; i++) {
        json_key_str(w, labels.v[i].name);
        json_put_str(w, labels.v[i].value);
    }
    json_close_object(w);
}

void put_notes(struct json_writer *w, const char *key, const char *const *texts, size_t n)
{
    if (n == 0)
        return;
    json_key(w, key);
    json_open_array(w);
    for (size_t i = 0; i < n; i++)
        json_put_cstr(w, texts[i]);
    json_close_array(w);
}
