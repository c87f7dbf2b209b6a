/* OTLP metrics in protobuf (opentelemetry-proto, collector/metrics/v1 and metrics/v1). A message's
 * fields may come in any order, so what the later ones need is looked for first. */
#include "ingest/otlp_proto.h"

#include "base/mem.h"

#include <stdlib.h>

MESSAGE(export_request, "ExportMetricsServiceRequest", PB_BYTES);
MESSAGE(resource_metrics, "ResourceMetrics", PB_BYTES, PB_BYTES, PB_BYTES);
MESSAGE(resource_message, "Resource", PB_BYTES, PB_VARINT);
MESSAGE(scope_metrics, "ScopeMetrics", PB_BYTES, PB_BYTES, PB_BYTES);
MESSAGE(scope_message, "InstrumentationScope", PB_BYTES, PB_BYTES, PB_BYTES, PB_VARINT);
MESSAGE(metric_message, "Metric", PB_BYTES, PB_BYTES, PB_BYTES, ANY, PB_BYTES, ANY, PB_BYTES, ANY,
        PB_BYTES, PB_BYTES, PB_BYTES, PB_BYTES);
MESSAGE(data_message, "Metric.data", PB_BYTES, PB_VARINT, PB_VARINT);

bool otlp_proto_fail(struct otlp_proto *d, const struct pb_message *m, const struct pb *in,
                     const char *what)
{
    if (!d->failed)
        err_set(d->err, ERR_BAD_INPUT, "protobuf %s, byte %zu of %zu: %s", m->name,
                (size_t)((const char *)in->p - d->body.p), d->body.n, what);
    d->failed = true;
    return false;
}

static bool has_type(signed char want, enum pb_type type)
{
    if (want == PACKED)
        return type == PB_BYTES || type == PB_FIXED64;
    if (want == VARINTS)
        return type == PB_BYTES || type == PB_VARINT;
    return want == ANY || want == (signed char)type;
}

bool otlp_proto_take(struct otlp_proto *d, const struct pb_message *m, struct pb *in,
                     struct pb_field *f)
{
    if (d->failed)
        return false;
    if (!pb_next(in, f))
        return in->broken && otlp_proto_fail(d, m, in, "truncated or malformed field");
    if (f->number < m->n && !has_type(m->types[f->number], f->type))
        return otlp_proto_fail(d, m, in, "a field has the wrong wire type");
    return true;
}

static enum otlp_kind kind_of(uint32_t field)
{
    switch (field) {
    case 5:
        return OTLP_GAUGE;
    case 7:
        return OTLP_SUM;
    case 9:
        return OTLP_HISTOGRAM;
    case 10:
        return OTLP_EXPONENTIAL;
    case 11:
        return OTLP_SUMMARY;
    default:
        return OTLP_NOTHING;
    }
}

static void take_data(struct otlp_proto *d, struct otlp_metric *m, struct str message)
{
    struct pb in = pb_of(message);
    struct pb_field f = {0};
    size_t n_points = 0;
    while (otlp_proto_take(d, &data_message, &in, &f)) {
        if (f.number == 1)
            n_points++;
        else if (f.number == 2)
            m->temporality = otlp_temporality_of(f.value);
        else if (f.number == 3)
            m->monotonic = f.value != 0;
    }
    if (n_points == 0 || d->failed)
        return;
    otlp_intake_metric(d->intake, m);
    in = pb_of(message);
    while (otlp_proto_take(d, &data_message, &in, &f)) {
        if (f.number == 1)
            otlp_proto_point(d, m->kind, f.bytes);
    }
}

static void take_metric(struct otlp_proto *d, struct str message)
{
    struct otlp_metric m = {.name = STR(""), .description = STR(""), .unit = STR("")};
    struct pb in = pb_of(message);
    struct pb_field f = {0};
    struct str data = STR("");
    while (otlp_proto_take(d, &metric_message, &in, &f)) {
        if (f.number == 1) {
            m.name = f.bytes;
        } else if (f.number == 2) {
            m.description = f.bytes;
        } else if (f.number == 3) {
            m.unit = f.bytes;
        } else if (kind_of(f.number) != OTLP_NOTHING) {
            m.kind = kind_of(f.number);
            data = f.bytes;
        }
    }
    if (!d->failed)
        take_data(d, &m, data);
}

static void take_scope(struct otlp_proto *d, struct str message)
{
    struct pb in = pb_of(message);
    struct pb_field f = {0};
    while (otlp_proto_take(d, &scope_message, &in, &f)) {
        if (f.number == 1)
            d->scope.name = f.bytes;
        else if (f.number == 2)
            d->scope.version = f.bytes;
        else if (f.number == 3)
            otlp_proto_attribute(d, f.bytes, &d->scope.attributes);
    }
}

static void take_scope_metrics(struct otlp_proto *d, struct str message)
{
    struct pb in = pb_of(message);
    struct pb_field f = {0};
    arena_clear(&d->scratch);
    d->scope.name = d->scope.version = d->scope.schema_url = STR("");
    d->scope.attributes.n = 0;
    d->scope.attributes.too_many = false;
    while (otlp_proto_take(d, &scope_metrics, &in, &f)) {
        if (f.number == 1)
            take_scope(d, f.bytes);
        else if (f.number == 3)
            d->scope.schema_url = f.bytes;
    }
    if (d->failed)
        return;
    otlp_intake_scope(d->intake, &d->scope);
    in = pb_of(message);
    while (otlp_proto_take(d, &scope_metrics, &in, &f)) {
        if (f.number == 2)
            take_metric(d, f.bytes);
    }
}

static void take_resource(struct otlp_proto *d, struct str message)
{
    struct pb in = pb_of(message);
    struct pb_field f = {0};
    while (otlp_proto_take(d, &resource_message, &in, &f)) {
        if (f.number == 1)
            otlp_proto_attribute(d, f.bytes, &d->resource);
    }
}

static void take_resource_metrics(struct otlp_proto *d, struct str message)
{
    struct pb in = pb_of(message);
    struct pb_field f = {0};
    arena_clear(&d->scratch);
    d->resource.n = 0;
    d->resource.too_many = false;
    while (otlp_proto_take(d, &resource_metrics, &in, &f)) {
        if (f.number == 1)
            take_resource(d, f.bytes);
    }
    if (d->failed)
        return;
    otlp_intake_resource(d->intake, &d->resource);
    in = pb_of(message);
    while (otlp_proto_take(d, &resource_metrics, &in, &f)) {
        if (f.number == 2)
            take_scope_metrics(d, f.bytes);
    }
}

bool otlp_metrics_protobuf(struct otlp *o, struct str body, int64_t now_ms,
                           struct otlp_result *result, struct err *err)
{
    struct otlp_proto *d = mem_zalloc(sizeof *d);
    struct pb in = pb_of(body);
    struct pb_field f = {0};
    d->body = body;
    d->err = err;
    d->intake = otlp_intake_begin(o, now_ms, result);
    arena_init(&d->scratch);
    while (otlp_proto_take(d, &export_request, &in, &f)) {
        if (f.number == 1)
            take_resource_metrics(d, f.bytes);
    }
    bool done = !d->failed && otlp_intake_commit(d->intake, err);
    if (d->failed)
        otlp_intake_cancel(d->intake);
    arena_release(&d->scratch);
    free(d);
    return done;
}
