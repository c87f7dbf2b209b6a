/* otlp_testing.h -- what OTLP's tests and measurements share: requests are written once, as OTLP's
 * JSON with ' for ", and sent as JSON, as protobuf, or as protobuf with every message's fields in
 * reverse; and what a store holds is told as text. */
#ifndef CQED_INGEST_OTLP_TESTING_H
#define CQED_INGEST_OTLP_TESTING_H

#include "base/check.h"
#include "base/num.h"
#include "codec/digest.h"
#include "codec/json.h"
#include "ingest/histogram_testing.h"
#include "model/labels.h"
#include "store/store.h"

#include <stdlib.h>

/* A field of a message: its key in JSON, its number and type on the wire. */
struct pb_key {
    const char *key;
    unsigned number;
    char type; /* s text, x bytes, h bytes told as hexadecimals, m message, f fixed64, i sfixed64, d
                  double, u varint, z zigzag */
    const struct pb_key *message;
};

static const struct pb_key pb_any[], pb_pair[];
static const struct pb_key pb_list[] = {{"values", 1, 'm', pb_any}, {NULL, 0, 0, NULL}};
static const struct pb_key pb_pairs[] = {{"values", 1, 'm', pb_pair}, {NULL, 0, 0, NULL}};
static const struct pb_key pb_any[] = {
    {"stringValue", 1, 's', NULL},   {"boolValue", 2, 'u', NULL},
    {"intValue", 3, 'u', NULL},      {"doubleValue", 4, 'd', NULL},
    {"arrayValue", 5, 'm', pb_list}, {"kvlistValue", 6, 'm', pb_pairs},
    {"bytesValue", 7, 'x', NULL},    {NULL, 0, 0, NULL}};
static const struct pb_key pb_pair[] = {
    {"key", 1, 's', NULL}, {"value", 2, 'm', pb_any}, {NULL, 0, 0, NULL}};
static const struct pb_key pb_resource[] = {{"attributes", 1, 'm', pb_pair}, {NULL, 0, 0, NULL}};
static const struct pb_key pb_scope[] = {{"name", 1, 's', NULL},
                                         {"version", 2, 's', NULL},
                                         {"attributes", 3, 'm', pb_pair},
                                         {NULL, 0, 0, NULL}};
static const struct pb_key pb_exemplar[] = {
    {"timeUnixNano", 2, 'f', NULL}, {"asDouble", 3, 'd', NULL}, {"spanId", 4, 'h', NULL},
    {"traceId", 5, 'h', NULL},      {"asInt", 6, 'i', NULL},    {NULL, 0, 0, NULL}};
static const struct pb_key pb_number[] = {{"startTimeUnixNano", 2, 'f', NULL},
                                          {"timeUnixNano", 3, 'f', NULL},
                                          {"asDouble", 4, 'd', NULL},
                                          {"exemplars", 5, 'm', pb_exemplar},
                                          {"asInt", 6, 'i', NULL},
                                          {"attributes", 7, 'm', pb_pair},
                                          {"flags", 8, 'u', NULL},
                                          {NULL, 0, 0, NULL}};
static const struct pb_key pb_histogram[] = {{"startTimeUnixNano", 2, 'f', NULL},
                                             {"timeUnixNano", 3, 'f', NULL},
                                             {"count", 4, 'f', NULL},
                                             {"sum", 5, 'd', NULL},
                                             {"bucketCounts", 6, 'f', NULL},
                                             {"explicitBounds", 7, 'd', NULL},
                                             {"exemplars", 8, 'm', pb_exemplar},
                                             {"attributes", 9, 'm', pb_pair},
                                             {"flags", 10, 'u', NULL},
                                             {NULL, 0, 0, NULL}};
static const struct pb_key pb_side[] = {
    {"offset", 1, 'z', NULL}, {"bucketCounts", 2, 'u', NULL}, {NULL, 0, 0, NULL}};
static const struct pb_key pb_exponential[] = {{"attributes", 1, 'm', pb_pair},
                                               {"startTimeUnixNano", 2, 'f', NULL},
                                               {"timeUnixNano", 3, 'f', NULL},
                                               {"count", 4, 'f', NULL},
                                               {"sum", 5, 'd', NULL},
                                               {"scale", 6, 'z', NULL},
                                               {"zeroCount", 7, 'f', NULL},
                                               {"positive", 8, 'm', pb_side},
                                               {"negative", 9, 'm', pb_side},
                                               {"exemplars", 11, 'm', pb_exemplar},
                                               {"flags", 10, 'u', NULL},
                                               {"zeroThreshold", 14, 'd', NULL},
                                               {NULL, 0, 0, NULL}};
static const struct pb_key pb_quantile[] = {
    {"quantile", 1, 'd', NULL}, {"value", 2, 'd', NULL}, {NULL, 0, 0, NULL}};
static const struct pb_key pb_summary[] = {{"startTimeUnixNano", 2, 'f', NULL},
                                           {"timeUnixNano", 3, 'f', NULL},
                                           {"count", 4, 'f', NULL},
                                           {"sum", 5, 'd', NULL},
                                           {"quantileValues", 6, 'm', pb_quantile},
                                           {"attributes", 7, 'm', pb_pair},
                                           {"flags", 8, 'u', NULL},
                                           {NULL, 0, 0, NULL}};
#define PB_DATA(variable, point)                                                                   \
    static const struct pb_key variable[] = {{"dataPoints", 1, 'm', point},                        \
                                             {"aggregationTemporality", 2, 'u', NULL},             \
                                             {"isMonotonic", 3, 'u', NULL},                        \
                                             {NULL, 0, 0, NULL}}
PB_DATA(pb_numbers, pb_number);
PB_DATA(pb_histograms, pb_histogram);
PB_DATA(pb_exponentials, pb_exponential);
PB_DATA(pb_summaries, pb_summary);
static const struct pb_key pb_metric[] = {{"name", 1, 's', NULL},
                                          {"description", 2, 's', NULL},
                                          {"unit", 3, 's', NULL},
                                          {"gauge", 5, 'm', pb_numbers},
                                          {"sum", 7, 'm', pb_numbers},
                                          {"histogram", 9, 'm', pb_histograms},
                                          {"exponentialHistogram", 10, 'm', pb_exponentials},
                                          {"summary", 11, 'm', pb_summaries},
                                          {NULL, 0, 0, NULL}};
static const struct pb_key pb_scope_metrics[] = {{"scope", 1, 'm', pb_scope},
                                                 {"metrics", 2, 'm', pb_metric},
                                                 {"schemaUrl", 3, 's', NULL},
                                                 {NULL, 0, 0, NULL}};
static const struct pb_key pb_resource_metrics[] = {{"resource", 1, 'm', pb_resource},
                                                    {"scopeMetrics", 2, 'm', pb_scope_metrics},
                                                    {NULL, 0, 0, NULL}};
static const struct pb_key pb_request[] = {{"resourceMetrics", 1, 'm', pb_resource_metrics},
                                           {NULL, 0, 0, NULL}};

static inline uint64_t pb_number_of(const json_t *v, char type)
{
    uint64_t bits;
    int64_t i = 0;
    double x = 0;
    if (type == 'd') {
        x = json_is_string(v) ? 0 : json_number_value(v);
        CHECK(!json_is_string(v) || num_parse_double(str_from(json_string_value(v)), &x));
        memcpy(&bits, &x, sizeof bits);
        return bits;
    }
    if (json_is_boolean(v))
        return json_is_true(v);
    i = json_integer_value(v);
    if (json_is_string(v) && num_parse_u64(str_from(json_string_value(v)), &bits))
        return bits;
    CHECK(!json_is_string(v) || num_parse_i64(str_from(json_string_value(v)), &i));
    return type == 'z' ? (uint64_t)i << 1 ^ (uint64_t)(i >> 63) : (uint64_t)i;
}

static inline void pb_add_number(struct buf *out, const json_t *v, char type)
{
    if (type == 'u' || type == 'z')
        buf_add_uvarint(out, pb_number_of(v, type));
    else
        buf_add_u64(out, pb_number_of(v, type));
}

static inline void pb_add_bytes(struct buf *out, unsigned number, struct str bytes)
{
    buf_add_uvarint(out, number << 3 | 2);
    buf_add_uvarint(out, bytes.n);
    buf_add_str(out, bytes);
}

static inline void pb_encode(struct buf *out, const struct pb_key *, const json_t *, bool reverse);

static inline void pb_add_one(struct buf *out, const struct pb_key *k, const json_t *v,
                              bool reverse)
{
    struct buf inner = BUF_INIT;
    if (k->type == 'm')
        pb_encode(&inner, k->message, v, reverse);
    else if (k->type == 's')
        buf_add_str(&inner, str_make(json_string_value(v), json_string_length(v)));
    else if (k->type == 'h') {
        size_t n = json_string_length(v) / 2;
        CHECK(hex_parse(str_from(json_string_value(v)), buf_reserve(&inner, n), n));
        inner.n = n;
    } else
        CHECK(base64_parse(str_from(json_string_value(v)), &inner));
    pb_add_bytes(out, k->number, buf_str(&inner));
    buf_release(&inner);
}

/* Repeated numbers are packed, or not when everything is in reverse. */
static inline void pb_add_numbers(struct buf *out, const struct pb_key *k, const json_t *list,
                                  bool reverse)
{
    struct buf inner = BUF_INIT;
    unsigned type = k->type == 'u' || k->type == 'z' ? 0 : 1;
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (reverse)
            buf_add_uvarint(out, k->number << 3 | type);
        pb_add_number(reverse ? out : &inner, json_array_get(list, i), k->type);
    }
    if (!reverse)
        pb_add_bytes(out, k->number, buf_str(&inner));
    buf_release(&inner);
}

static inline void pb_add_field(struct buf *out, const struct pb_key *k, const json_t *v,
                                bool reverse)
{
    bool plain = k->type != 'm' && k->type != 's' && k->type != 'x' && k->type != 'h';
    if (plain && json_is_array(v)) {
        pb_add_numbers(out, k, v, reverse);
    } else if (plain) {
        buf_add_uvarint(out, k->number << 3 | (k->type == 'u' || k->type == 'z' ? 0 : 1));
        pb_add_number(out, v, k->type);
    } else if (json_is_array(v)) {
        for (size_t i = 0; i < json_array_size(v); i++)
            pb_add_one(out, k, json_array_get(v, i), reverse);
    } else {
        pb_add_one(out, k, v, reverse);
    }
}

static inline void pb_encode(struct buf *out, const struct pb_key *keys, const json_t *object,
                             bool reverse)
{
    size_t n = 0;
    while (keys[n].key)
        n++;
    for (size_t i = 0; i < n; i++) {
        const struct pb_key *k = &keys[reverse ? n - 1 - i : i];
        const json_t *v = json_object_get(object, k->key);
        if (v)
            pb_add_field(out, k, v, reverse);
    }
}

/* JSON with ' for " as proper JSON; the caller frees. */
static inline char *otlp_unquote(const char *text)
{
    char *copy = strdup(text);
    CHECK(copy);
    for (char *p = copy; *p; p++)
        *p = *p == '\'' ? '"' : *p;
    return copy;
}

/* That request in protobuf. */
static inline void otlp_encode(struct buf *out, const char *json, bool reverse)
{
    json_error_t why;
    json_t *root = json_loads(json, JSON_ALLOW_NUL, &why);
    CHECK(root);
    pb_encode(out, pb_request, root, reverse);
    json_decref(root);
}

/* All that the store holds, a line a series: name{labels} time:value ..., stale markers as such. */
static inline void otlp_dump(struct store *store, struct buf *out)
{
    struct arena arena = ARENA_INIT;
    struct matcher m;
    struct store_series_data *series;
    size_t n;
    buf_add_cstr(out, "");
    CHECK(matcher_init(&m, &arena, MATCH_REGEX, STR(LABEL_NAME), STR(".+"), NULL));
    CHECK(store_select(store, &arena, &m, 1, INT64_MIN, INT64_MAX, 0, &series, &n, NULL));
    for (size_t i = 0; i < n; i++) {
        labels_print(series[i].labels, out);
        for (size_t k = 0; k < series[i].n; k++) {
            buf_printf(out, " %lld:", (long long)series[i].samples[k].t_ms);
            if (is_stale_nan(series[i].samples[k].v))
                buf_add_cstr(out, "stale");
            else
                num_add_double(out, series[i].samples[k].v);
        }
        for (size_t k = 0; k < series[i].n_histograms; k++)
            test_dump_histogram(out, &series[i].histograms[k]);
        buf_add_char(out, '\n');
    }
    arena_release(&arena);
}

#endif
