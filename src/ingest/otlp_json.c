/* OTLP metrics in JSON: protobuf's JSON mapping with OTLP's own rules (opentelemetry.io/docs/specs/
 * otlp, "JSON Protobuf Encoding"): lowerCamelCase keys, 64-bit integers as strings or numbers,
 * unknown fields ignored. Enumerations are taken by name too. */
#include "base/mem.h"
#include "base/num.h"
#include "ingest/otlp_points.h"

#include <math.h>
#include <stdlib.h>

/* A tree of tiny values takes some 50 times its text. */
#define MAX_BODY_BYTES ((size_t)8 << 20)

struct decoder {
    struct otlp_intake *intake;
    struct err *err;
    bool failed;
    struct arena scratch; /* of one point, scope or resource: values that had to be written out */
    struct otlp_point point;
    struct otlp_attributes resource;
    struct otlp_scope scope;
};

static bool fail(struct decoder *d, const char *message, const char *key, const char *want)
{
    if (!d->failed)
        err_set(d->err, ERR_BAD_INPUT, "JSON %s.%s is not %s", message, key, want);
    d->failed = true;
    return false;
}

/* NULL when the key is absent or null, which mean the same. */
static const json_t *get(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);
    return json_is_null(v) ? NULL : v;
}

static struct str string_of(const json_t *v)
{
    return str_make(json_string_value(v), json_string_length(v));
}

static struct str take_text(struct decoder *d, const json_t *o, const char *message,
                            const char *key)
{
    const json_t *v = get(o, key);
    if (v && !json_is_string(v))
        fail(d, message, key, "a string");
    return json_is_string(v) ? string_of(v) : STR("");
}

static bool int_of(const json_t *v, int64_t *out)
{
    if (json_is_string(v))
        return num_parse_i64(string_of(v), out);
    if (json_is_integer(v))
        *out = json_integer_value(v);
    else if (json_is_real(v) && fabs(json_real_value(v)) < 0x1p63 &&
             json_real_value(v) == trunc(json_real_value(v)))
        *out = (int64_t)json_real_value(v);
    else
        return false;
    return true;
}

static bool uint_of(const json_t *v, uint64_t *out)
{
    int64_t i;
    if (json_is_string(v))
        return num_parse_u64(string_of(v), out);
    if (!int_of(v, &i) || i < 0)
        return false;
    *out = (uint64_t)i;
    return true;
}

static bool double_of(const json_t *v, double *out)
{
    if (json_is_string(v))
        return num_parse_double(string_of(v), out);
    if (!json_is_number(v))
        return false;
    *out = json_number_value(v);
    return true;
}

static uint64_t take_uint(struct decoder *d, const json_t *o, const char *message, const char *key)
{
    uint64_t out = 0;
    const json_t *v = get(o, key);
    if (v && !uint_of(v, &out))
        fail(d, message, key, "an unsigned 64-bit integer");
    return out;
}

static int64_t take_int(struct decoder *d, const json_t *o, const char *message, const char *key)
{
    int64_t out = 0;
    const json_t *v = get(o, key);
    if (v && !(int_of(v, &out) && out >= INT32_MIN && out <= INT32_MAX))
        fail(d, message, key, "a 32-bit integer");
    return out;
}

static double take_double(struct decoder *d, const json_t *o, const char *message, const char *key)
{
    double out = 0;
    const json_t *v = get(o, key);
    if (v && !double_of(v, &out))
        fail(d, message, key, "a number");
    return out;
}

/* An array, its items objects when `objects`; NULL when absent or wrong. */
static const json_t *take_list(struct decoder *d, const json_t *o, const char *message,
                               const char *key, bool objects)
{
    const json_t *v = get(o, key);
    if (v && !json_is_array(v)) {
        fail(d, message, key, "an array");
        return NULL;
    }
    for (size_t i = 0; objects && i < json_array_size(v); i++) {
        if (!json_is_object(json_array_get(v, i))) {
            fail(d, message, key, "an array of objects");
            return NULL;
        }
    }
    return v;
}

static const json_t *take_object(struct decoder *d, const json_t *o, const char *message,
                                 const char *key)
{
    const json_t *v = get(o, key);
    if (v && !json_is_object(v)) {
        fail(d, message, key, "an object");
        return NULL;
    }
    return v;
}

/* --- Attributes --- */

enum value_kind {
    VALUE_EMPTY,
    VALUE_STRING,
    VALUE_BOOL,
    VALUE_INT,
    VALUE_DOUBLE,
    VALUE_ARRAY,
    VALUE_PAIRS,
    VALUE_BYTES
};

/* Which value an AnyValue object holds. */
static enum value_kind value_of(const json_t *any, const json_t **out)
{
    static const char *const keys[] = {NULL,          "stringValue", "boolValue",   "intValue",
                                       "doubleValue", "arrayValue",  "kvlistValue", "bytesValue"};
    for (int kind = VALUE_STRING; kind <= VALUE_BYTES; kind++) {
        if ((*out = get(any, keys[kind])) != NULL)
            return (enum value_kind)kind;
    }
    return VALUE_EMPTY;
}

static void write_value(struct decoder *, const json_t *any, int depth, struct json_writer *);

static void write_pairs(struct decoder *d, const json_t *list, int depth, struct json_writer *w)
{
    const json_t *values = take_list(d, list, "KeyValueList", "values", true);
    json_open_object(w);
    for (size_t i = 0; i < json_array_size(values); i++) {
        const json_t *pair = json_array_get(values, i);
        json_key_str(w, take_text(d, pair, "KeyValue", "key"));
        write_value(d, take_object(d, pair, "KeyValue", "value"), depth, w);
    }
    json_close_object(w);
}

static void write_array(struct decoder *d, const json_t *list, int depth, struct json_writer *w)
{
    const json_t *values = take_list(d, list, "ArrayValue", "values", true);
    json_open_array(w);
    for (size_t i = 0; i < json_array_size(values); i++)
        write_value(d, json_array_get(values, i), depth, w);
    json_close_array(w);
}

static void write_scalar(struct decoder *d, enum value_kind kind, const json_t *v,
                         struct json_writer *w)
{
    int64_t i;
    double x;
    if ((kind == VALUE_STRING || kind == VALUE_BYTES) && json_is_string(v)) {
        json_put_str(w, string_of(v));
    } else if (kind == VALUE_BOOL && json_is_boolean(v)) {
        json_put_bool(w, json_is_true(v));
    } else if (kind == VALUE_INT && int_of(v, &i)) {
        json_put_i64(w, i);
    } else if (kind == VALUE_DOUBLE && double_of(v, &x)) {
        json_put_double(w, x);
    } else {
        json_put_null(w);
        fail(d, "AnyValue", "value", "of the type that its key says");
    }
}

static void write_value(struct decoder *d, const json_t *any, int depth, struct json_writer *w)
{
    const json_t *v;
    enum value_kind kind = value_of(any, &v);
    if (depth >= OTLP_MAX_DEPTH)
        fail(d, "AnyValue", "value", "at most 16 deep");
    if (kind == VALUE_EMPTY || d->failed)
        json_put_null(w);
    else if (kind == VALUE_ARRAY)
        write_array(d, v, depth + 1, w);
    else if (kind == VALUE_PAIRS)
        write_pairs(d, v, depth + 1, w);
    else
        write_scalar(d, kind, v, w);
}

static struct str value_text(struct decoder *d, const json_t *any)
{
    const json_t *v;
    enum value_kind kind = value_of(any, &v);
    if (kind == VALUE_STRING && json_is_string(v))
        return string_of(v);
    if (kind == VALUE_EMPTY)
        return STR("");
    struct otlp_text text;
    otlp_text_begin(&text);
    write_value(d, any, 0, &text.writer);
    return otlp_text_end(&text, &d->scratch);
}

static void take_attributes(struct decoder *d, const json_t *o, const char *message,
                            struct otlp_attributes *out)
{
    const json_t *list = take_list(d, o, message, "attributes", true);
    out->n = 0;
    out->too_many = false;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *pair = json_array_get(list, i);
        struct otlp_attribute *a = otlp_attributes_more(out);
        if (!a)
            return;
        a->key = take_text(d, pair, "KeyValue", "key");
        a->value = value_text(d, take_object(d, pair, "KeyValue", "value"));
    }
}

/* --- Points --- */

static bool has_room(struct otlp_point *p, size_t n, size_t max)
{
    if (n <= max)
        return true;
    p->refused = "it has over 1024 buckets or quantiles";
    return false;
}

static size_t take_counts(struct decoder *d, const json_t *o, const char *message, size_t max,
                          uint64_t *out)
{
    const json_t *list = take_list(d, o, message, "bucketCounts", false);
    size_t n = json_array_size(list);
    if (!has_room(&d->point, n, max))
        return 0;
    for (size_t i = 0; i < n; i++) {
        if (!uint_of(json_array_get(list, i), &out[i]))
            fail(d, message, "bucketCounts", "an array of unsigned 64-bit integers");
    }
    return n;
}

static size_t take_bounds(struct decoder *d, const json_t *o, double *out)
{
    const json_t *list = take_list(d, o, "HistogramDataPoint", "explicitBounds", false);
    size_t n = json_array_size(list);
    if (!has_room(&d->point, n, OTLP_MAX_BUCKETS))
        return 0;
    for (size_t i = 0; i < n; i++) {
        if (!double_of(json_array_get(list, i), &out[i]))
            fail(d, "HistogramDataPoint", "explicitBounds", "an array of numbers");
    }
    return n;
}

static void take_number(struct decoder *d, const json_t *o)
{
    struct otlp_point *p = &d->point;
    const json_t *i = get(o, "asInt"), *x = get(o, "asDouble");
    int64_t v = 0;
    p->has_value = i || x;
    if (x) {
        p->value = take_double(d, o, "NumberDataPoint", "asDouble");
    } else if (i) {
        if (!int_of(i, &v))
            fail(d, "NumberDataPoint", "asInt", "a 64-bit integer");
        p->value = (double)v;
    }
}

static void take_histogram(struct decoder *d, const json_t *o)
{
    struct otlp_point *p = &d->point;
    p->n_counts = take_counts(d, o, "HistogramDataPoint", OTLP_MAX_BUCKETS + 1, p->counts);
    p->n_bounds = take_bounds(d, o, p->bounds);
}

static void take_side(struct decoder *d, const json_t *o, const char *key, struct otlp_side *side)
{
    const json_t *buckets = take_object(d, o, "ExponentialHistogramDataPoint", key);
    side->offset = take_int(d, buckets, "Buckets", "offset");
    side->n = take_counts(d, buckets, "Buckets", OTLP_MAX_BUCKETS, side->counts);
}

static void take_exponential(struct decoder *d, const json_t *o)
{
    static const char message[] = "ExponentialHistogramDataPoint";
    struct otlp_point *p = &d->point;
    p->scale = take_int(d, o, message, "scale");
    p->zero_count = take_uint(d, o, message, "zeroCount");
    p->zero_threshold = take_double(d, o, message, "zeroThreshold");
    take_side(d, o, "positive", &p->positive);
    take_side(d, o, "negative", &p->negative);
}

static void take_quantiles(struct decoder *d, const json_t *o)
{
    struct otlp_point *p = &d->point;
    const json_t *list = take_list(d, o, "SummaryDataPoint", "quantileValues", true);
    size_t n = json_array_size(list);
    if (!has_room(p, n, OTLP_MAX_BUCKETS))
        return;
    for (size_t i = 0; i < n; i++) {
        const json_t *one = json_array_get(list, i);
        p->bounds[i] = take_double(d, one, "ValueAtQuantile", "quantile");
        p->values[i] = take_double(d, one, "ValueAtQuantile", "value");
    }
    p->n_bounds = p->n_values = n;
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* An id of another length, or that is no hexadecimal number, is none. */
static void put_id(struct str id, char *out, size_t n)
{
    size_t i = 0;
    for (; id.n == n && i < n && is_hex(id.p[i]); i++)
        out[i] = id.p[i] >= 'A' && id.p[i] <= 'F' ? (char)(id.p[i] + 'a' - 'A') : id.p[i];
    out[i == n ? n : 0] = '\0';
}

static void take_exemplars(struct decoder *d, const json_t *o, const char *message)
{
    struct otlp_point *p = &d->point;
    const json_t *list = take_list(d, o, message, "exemplars", true);
    for (size_t i = 0; i < json_array_size(list) && p->n_exemplars < OTLP_MAX_EXEMPLARS; i++) {
        const json_t *one = json_array_get(list, i);
        struct otlp_exemplar *e = &p->exemplars[p->n_exemplars++];
        *e = (struct otlp_exemplar){.t_ns = take_uint(d, one, "Exemplar", "timeUnixNano")};
        e->v = get(one, "asDouble") ? take_double(d, one, "Exemplar", "asDouble")
                                    : (double)take_int(d, one, "Exemplar", "asInt");
        put_id(take_text(d, one, "Exemplar", "traceId"), e->trace_id, 32);
        put_id(take_text(d, one, "Exemplar", "spanId"), e->span_id, 16);
    }
}

static void take_point(struct decoder *d, enum otlp_kind kind, const json_t *o)
{
    static const char message[] = "dataPoint";
    struct otlp_point *p = &d->point;
    arena_clear(&d->scratch);
    otlp_point_reset(p);
    p->start_ns = take_uint(d, o, message, "startTimeUnixNano");
    p->t_ns = take_uint(d, o, message, "timeUnixNano");
    p->flags = (uint32_t)take_uint(d, o, message, "flags");
    take_attributes(d, o, message, &p->attributes);
    if (kind == OTLP_GAUGE || kind == OTLP_SUM) {
        take_number(d, o);
    } else {
        p->count = take_uint(d, o, message, "count");
        p->has_sum = kind != OTLP_SUMMARY && get(o, "sum");
        p->sum = take_double(d, o, message, "sum");
    }
    if (kind != OTLP_SUMMARY)
        take_exemplars(d, o, message);
    if (kind == OTLP_HISTOGRAM)
        take_histogram(d, o);
    else if (kind == OTLP_EXPONENTIAL)
        take_exponential(d, o);
    else if (kind == OTLP_SUMMARY)
        take_quantiles(d, o);
    if (!d->failed)
        otlp_intake_point(d->intake, p);
}

/* --- What holds the points --- */

static enum otlp_temporality take_temporality(struct decoder *d, const json_t *data)
{
    static const char key[] = "aggregationTemporality";
    const json_t *v = get(data, key);
    if (json_is_string(v) && str_eq(string_of(v), STR("AGGREGATION_TEMPORALITY_DELTA")))
        return OTLP_DELTA;
    if (json_is_string(v) && str_eq(string_of(v), STR("AGGREGATION_TEMPORALITY_CUMULATIVE")))
        return OTLP_CUMULATIVE;
    if (json_is_string(v) && str_eq(string_of(v), STR("AGGREGATION_TEMPORALITY_UNSPECIFIED")))
        return OTLP_UNSPECIFIED;
    return otlp_temporality_of(take_uint(d, data, "Metric.data", key));
}

static const json_t *take_data(struct decoder *d, const json_t *o, enum otlp_kind *kind)
{
    static const char *const keys[] = {
        NULL, "gauge", "sum", "histogram", "exponentialHistogram", "summary"};
    for (int k = OTLP_GAUGE; k <= OTLP_SUMMARY; k++) {
        const json_t *data = take_object(d, o, "Metric", keys[k]);
        if (data) {
            *kind = (enum otlp_kind)k;
            return data;
        }
    }
    return NULL;
}

static void take_metric(struct decoder *d, const json_t *o)
{
    struct otlp_metric m = {.name = take_text(d, o, "Metric", "name"),
                            .description = take_text(d, o, "Metric", "description"),
                            .unit = take_text(d, o, "Metric", "unit")};
    const json_t *data = take_data(d, o, &m.kind);
    const json_t *points = take_list(d, data, "Metric.data", "dataPoints", true);
    m.temporality = take_temporality(d, data);
    m.monotonic = json_is_true(get(data, "isMonotonic"));
    if (d->failed || json_array_size(points) == 0)
        return;
    otlp_intake_metric(d->intake, &m);
    for (size_t i = 0; !d->failed && i < json_array_size(points); i++)
        take_point(d, m.kind, json_array_get(points, i));
}

static void take_scope_metrics(struct decoder *d, const json_t *o)
{
    static const char message[] = "InstrumentationScope";
    const json_t *scope = take_object(d, o, "ScopeMetrics", "scope");
    const json_t *metrics = take_list(d, o, "ScopeMetrics", "metrics", true);
    arena_clear(&d->scratch);
    d->scope.name = take_text(d, scope, message, "name");
    d->scope.version = take_text(d, scope, message, "version");
    d->scope.schema_url = take_text(d, o, "ScopeMetrics", "schemaUrl");
    take_attributes(d, scope, message, &d->scope.attributes);
    if (d->failed)
        return;
    otlp_intake_scope(d->intake, &d->scope);
    for (size_t i = 0; !d->failed && i < json_array_size(metrics); i++)
        take_metric(d, json_array_get(metrics, i));
}

static void take_resource_metrics(struct decoder *d, const json_t *o)
{
    const json_t *resource = take_object(d, o, "ResourceMetrics", "resource");
    const json_t *scopes = take_list(d, o, "ResourceMetrics", "scopeMetrics", true);
    arena_clear(&d->scratch);
    take_attributes(d, resource, "Resource", &d->resource);
    if (d->failed)
        return;
    otlp_intake_resource(d->intake, &d->resource);
    for (size_t i = 0; !d->failed && i < json_array_size(scopes); i++)
        take_scope_metrics(d, json_array_get(scopes, i));
}

static void take_request(struct decoder *d, const json_t *root)
{
    static const char message[] = "ExportMetricsServiceRequest";
    const json_t *list = take_list(d, root, message, "resourceMetrics", true);
    for (size_t i = 0; !d->failed && i < json_array_size(list); i++)
        take_resource_metrics(d, json_array_get(list, i));
}

static const json_t *parse(struct arena *arena, struct str body, struct err *err)
{
    if (body.n > MAX_BODY_BYTES) {
        err_set(err, ERR_BAD_INPUT, "JSON body is %zu bytes, the limit is %zu: send protobuf",
                body.n, MAX_BODY_BYTES);
        return NULL;
    }
    const json_t *root = json_parse(arena, body, err);
    if (!root && err && err->code == ERR_LIMIT)
        err->code = ERR_BAD_INPUT; /* sending it again will not help */
    if (!root || json_is_object(root))
        return root;
    err_set(err, ERR_BAD_INPUT, "JSON body is not an object");
    return NULL;
}

bool otlp_metrics_json(struct otlp *o, struct str body, int64_t now_ms, struct otlp_result *result,
                       struct err *err)
{
    struct arena arena = ARENA_INIT;
    bool done = false;
    const json_t *root = parse(&arena, body, err);
    *result = (struct otlp_result){0};
    if (root) {
        struct decoder *d = mem_zalloc(sizeof *d);
        d->err = err;
        d->intake = otlp_intake_begin(o, now_ms, result);
        arena_init(&d->scratch);
        take_request(d, root);
        done = !d->failed && otlp_intake_commit(d->intake, err);
        if (d->failed)
            otlp_intake_cancel(d->intake);
        arena_release(&d->scratch);
        free(d);
    }
    arena_release(&arena);
    return done;
}
