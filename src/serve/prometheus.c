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
#define MAX_TIME_MS INT64_C(253402300799000) /* the year 9999 */

/* --- The envelope --- */

static void fail(struct http_response *response, int status, const char *type, const char *message)
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

void fail_prometheus(struct http_response *response, int status, const char *type,
                     const char *message)
{
    fail(response, status, type, message);
}

static void fail_query(struct http_response *response, const struct err *err)
{
    switch (err->code) {
    case ERR_BAD_INPUT:
        fail(response, 400, "bad_data", err->message);
        return;
    case ERR_TIMEOUT:
        fail(response, 503, "timeout", err->message);
        return;
    case ERR_NOT_FOUND:
        fail(response, 404, "not_found", err->message);
        return;
    case ERR_IO:
    case ERR_CORRUPT:
    case ERR_UNREACHABLE:
        fail(response, 500, "internal", err->message);
        return;
    case ERR_NONE:
    case ERR_LIMIT:
    case ERR_CONFLICT:
    case ERR_DENIED:
    case ERR_NOT_IMPLEMENTED:
        fail(response, 422, "execution", err->message);
        return;
    }
}

static void open_success(struct json_writer *w, struct http_response *response)
{
    json_writer_init(w, &response->body);
    json_open_object(w);
    json_key(w, "status");
    json_put_cstr(w, "success");
    json_key(w, "data");
}

static void close_success(struct json_writer *w)
{
    json_close_object(w);
    json_writer_end(w);
}

/* --- Parameters --- */

/* Seconds since 1970 with a fraction, or RFC 3339. */
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

/* Seconds with a fraction, or a duration like 1m30s. */
static bool parse_duration(const char *text, int64_t *out_ms)
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

typedef bool parse_fn(const char *, int64_t *);

/* False with an answered error when the parameter is there and wrong, or needed and absent. */
static bool take(struct http_request *request, struct http_response *response, const char *name,
                 parse_fn *parse, bool needed, int64_t *out)
{
    const char *text = http_param(request, name);
    char message[256];
    if (!text && !needed)
        return true;
    if (text && parse(text, out))
        return true;
    (void)snprintf(message, sizeof message, "invalid parameter \"%s\": %s \"%.100s\"", name,
                   text ? "cannot parse" : "it is missing;", text ? text : "");
    fail(response, 400, "bad_data", message);
    return false;
}

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
    if (!take(request, response, "timeout", parse_duration, false, &timeout_ms) ||
        !take(request, response, "lookback_delta", parse_duration, false,
              &out->options.lookback_ms))
        return false;
    if (timeout_ms > MAX_TIMEOUT_MS)
        timeout_ms = MAX_TIMEOUT_MS;
    out->options.deadline_mono_ns = clock_mono_ns() + timeout_ms * 1000000;
    out->expr = promql_parse(request->arena, str_from(text ? text : ""), &err);
    if (out->expr)
        return true;
    err_prefix(&err, "invalid parameter \"query\": ");
    fail_query(response, &err);
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

static void put_labels(struct json_writer *w, struct labels labels)
{
    json_open_object(w);
    for (size_t i = 0; i < labels.n; i++) {
        json_key_str(w, labels.v[i].name);
        json_put_str(w, labels.v[i].value);
    }
    json_close_object(w);
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
        put_labels(w, series->labels);
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

static void put_texts(struct json_writer *w, const char *key, const char *const *texts, size_t n)
{
    if (n == 0)
        return;
    json_key(w, key);
    json_open_array(w);
    for (size_t i = 0; i < n; i++)
        json_put_cstr(w, texts[i]);
    json_close_array(w);
}

static void respond_result(struct http_response *response, struct arena *arena,
                           const struct promql_result *r)
{
    struct json_writer w;
    open_success(&w, response);
    put_result(&w, arena, r);
    put_texts(&w, "warnings", r->warnings, r->n_warnings);
    put_texts(&w, "infos", r->infos, r->n_infos);
    close_success(&w);
}

/* --- Queries --- */

void handle_query(void *context, struct http_request *request, struct http_response *response)
{
    struct asked asked;
    struct promql_result result;
    struct err err = ERR_INIT;
    int64_t t_ms = clock_wall_ms();
    if (!take(request, response, "time", parse_api_time, false, &t_ms) ||
        !take_query(context, request, response, &asked))
        return;
    if (promql_instant(asked.expr, &asked.source, &asked.options, t_ms, request->arena, &result,
                       &err))
        respond_result(response, request->arena, &result);
    else
        fail_query(response, &err);
}

void handle_query_range(void *context, struct http_request *request, struct http_response *response)
{
    struct asked asked;
    struct promql_result result;
    struct err err = ERR_INIT;
    int64_t start_ms, end_ms, step_ms;
    if (!take(request, response, "start", parse_api_time, true, &start_ms) ||
        !take(request, response, "end", parse_api_time, true, &end_ms) ||
        !take(request, response, "step", parse_duration, true, &step_ms) ||
        !take_query(context, request, response, &asked))
        return;
    if (promql_range(asked.expr, &asked.source, &asked.options, start_ms, end_ms, step_ms,
                     request->arena, &result, &err))
        respond_result(response, request->arena, &result);
    else
        fail_query(response, &err);
}

/* --- Series and labels --- */

struct selectors {
    struct {
        const struct matcher *matchers;
        size_t n;
    } v[64];
    size_t n;
};

static bool take_selectors(struct http_request *request, struct http_response *response,
                           struct selectors *out)
{
    const char *const *texts;
    size_t n = http_params(request, "match[]", &texts);
    struct err err = ERR_INIT;
    out->n = 0;
    for (size_t i = 0; i < n; i++) {
        struct promql_expr *expr = promql_parse(request->arena, str_from(texts[i]), &err);
        bool good = expr != NULL;
        if (good && i == sizeof out->v / sizeof *out->v)
            good = err_set(&err, ERR_BAD_INPUT, "over 64 selectors");
        if (good && !promql_as_counter_selector(expr, &out->v[i].matchers, &out->v[i].n))
            good = err_set(&err, ERR_BAD_INPUT, "'%.100s' is not a series selector", texts[i]);
        if (!good) {
            err_prefix(&err, "invalid parameter \"match[]\": ");
            fail_query(response, &err);
            return false;
        }
        out->n++;
    }
    return true;
}

static int cmp_str(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static void respond_strings(struct http_response *response, struct str *v, size_t n)
{
    struct json_writer w;
    if (n > 0)
        qsort(v, n, sizeof *v, cmp_str);
    open_success(&w, response);
    json_open_array(&w);
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || !str_eq(v[i], v[i - 1]))
            json_put_str(&w, v[i]);
    }
    json_close_array(&w);
    close_success(&w);
}

/* Names (name == NULL) or values of one label, over the union of the selectors. */
static void answer_strings(struct serve *s, struct http_request *request,
                           struct http_response *response, const char *name)
{
    struct selectors selectors;
    struct str *all = NULL;
    size_t n = 0, capacity = 0;
    if (!take_selectors(request, response, &selectors))
        return;
    for (size_t i = 0; i < (selectors.n ? selectors.n : 1); i++) {
        const struct matcher *m = selectors.n ? selectors.v[i].matchers : NULL;
        size_t n_matchers = selectors.n ? selectors.v[i].n : 0, found_n = 0;
        struct str *found = NULL;
        struct err err = ERR_INIT;
        bool good = name ? store_label_values(s->options.store, request->arena, str_from(name), m,
                                              n_matchers, &found, &found_n, &err)
                         : store_label_names(s->options.store, request->arena, m, n_matchers,
                                             &found, &found_n, &err);
        if (!good) {
            fail_query(response, &err);
            return;
        }
        for (size_t k = 0; k < found_n; k++) {
            all = arena_grow(request->arena, all, n, &capacity, sizeof *all);
            all[n++] = found[k];
        }
    }
    respond_strings(response, all, n);
}

void handle_labels(void *context, struct http_request *request, struct http_response *response)
{
    answer_strings(context, request, response, NULL);
}

void handle_label_values(void *context, struct http_request *request,
                         struct http_response *response)
{
    const char *name = http_capture(request, "name");
    if (*name == '\0' || !str_is_utf8(str_from(name)))
        fail(response, 400, "bad_data", "invalid label name");
    else
        answer_strings(context, request, response, name);
}

void handle_series(void *context, struct http_request *request, struct http_response *response)
{
    struct serve *s = context;
    struct selectors selectors;
    struct json_writer w;
    if (!take_selectors(request, response, &selectors))
        return;
    if (selectors.n == 0) {
        fail(response, 400, "bad_data", "no match[] parameter provided");
        return;
    }
    struct map *seen = map_new();
    open_success(&w, response);
    json_open_array(&w);
    for (size_t i = 0; i < selectors.n; i++) {
        struct labels *found;
        size_t n;
        struct err err = ERR_INIT;
        if (!store_series_list(s->options.store, request->arena, selectors.v[i].matchers,
                               selectors.v[i].n, &found, &n, &err)) {
            fail_query(response, &err);
            goto out;
        }
        for (size_t k = 0; k < n; k++) {
            struct buf text = BUF_INIT;
            labels_print(found[k], &text);
            if (!map_set(seen, buf_str(&text), s))
                put_labels(&w, found[k]);
            buf_release(&text);
        }
    }
    json_close_array(&w);
    close_success(&w);
out:
    map_free(seen);
}

/* --- For operators: storage.adminApi --- */

static bool may_administer(struct serve *s, struct http_response *response)
{
    if (!s->options.admin_api)
        fail(response, 503, "unavailable",
             "the admin API is off; storage.adminApi: true turns it on");
    return s->options.admin_api;
}

void handle_delete_series(void *context, struct http_request *request,
                          struct http_response *response)
{
    struct serve *s = context;
    struct selectors selectors;
    int64_t mint_ms = INT64_MIN, maxt_ms = INT64_MAX;
    if (!may_administer(s, response) || !take_selectors(request, response, &selectors) ||
        !take(request, response, "start", parse_api_time, false, &mint_ms) ||
        !take(request, response, "end", parse_api_time, false, &maxt_ms))
        return;
    if (selectors.n == 0) {
        fail(response, 400, "bad_data", "no match[] parameter provided");
        return;
    }
    for (size_t i = 0; i < selectors.n; i++) {
        struct buf text = BUF_INIT;
        struct err err = ERR_INIT;
        size_t n;
        if (!store_delete(s->options.store, selectors.v[i].matchers, selectors.v[i].n, mint_ms,
                          maxt_ms, &n, &err)) {
            fail_query(response, &err);
            return;
        }
        matchers_print(selectors.v[i].matchers, selectors.v[i].n, &text);
        log_info("serve", "series deleted by an operator selector=%s series=%zu from=%lld to=%lld",
                 text.p, n, (long long)mint_ms, (long long)maxt_ms);
        buf_release(&text);
    }
    response->status = 204;
}

void handle_clean_tombstones(void *context, struct http_request *request,
                             struct http_response *response)
{
    struct serve *s = context;
    struct err err = ERR_INIT;
    (void)request;
    if (!may_administer(s, response))
        return;
    if (store_clean(s->options.store, &err))
        response->status = 204;
    else
        fail_query(response, &err);
}

void handle_snapshot(void *context, struct http_request *request, struct http_response *response)
{
    struct serve *s = context;
    const char *skip = http_param(request, "skip_head"), *name;
    bool head = !skip || strcmp(skip, "true") != 0;
    struct json_writer w;
    struct err err = ERR_INIT;
    if (!may_administer(s, response))
        return;
    if (!store_snapshot(s->options.store, request->arena, head, &name, &err)) {
        fail_query(response, &err);
        return;
    }
    log_info("serve", "snapshot taken for an operator name=%s", name);
    open_success(&w, response);
    json_open_object(&w);
    json_key(&w, "name");
    json_put_cstr(&w, name);
    json_close_object(&w);
    close_success(&w);
}

/* --- About --- */

void handle_metadata(void *context, struct http_request *request, struct http_response *response)
{
    struct serve *s = context;
    struct json_writer w;
    uint64_t limit = 0;
    const char *text = http_param(request, "limit");
    if (text && !num_parse_u64(str_from(text), &limit)) {
        fail(response, 400, "bad_data", "limit must be a whole number");
        return;
    }
    open_success(&w, response);
    metadata_store_json(s->options.metadata, http_param(request, "metric"), (size_t)limit, &w);
    close_success(&w);
}

void handle_targets(void *context, struct http_request *request, struct http_response *response)
{
    struct control_request asked = {.op = CONTROL_TARGETS};
    struct control_answer answer = {NULL, false};
    struct err err = ERR_INIT;
    struct json_writer w;
    if (!ask_control(context, &asked, request->arena, &answer, &err)) {
        fail_query(response, &err);
        return;
    }
    open_success(&w, response);
    json_put_value(&w, answer.json);
    close_success(&w);
}

void handle_buildinfo(void *context, struct http_request *request, struct http_response *response)
{
    static const char *const pairs[][2] = {
        {"application", "cQED"}, {"version", CQED_VERSION}, {"revision", ""},  {"branch", ""},
        {"buildUser", ""},       {"buildDate", ""},         {"goVersion", ""},
    };
    struct json_writer w;
    (void)context;
    (void)request;
    open_success(&w, response);
    json_open_object(&w);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        json_key(&w, pairs[i][0]);
        json_put_cstr(&w, pairs[i][1]);
    }
    json_close_object(&w);
    close_success(&w);
}
