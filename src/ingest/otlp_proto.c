/* OTLP metrics in protobuf (opentelemetry-proto, collector/metrics/v1 and metrics/v1). A message's
 * fields may come in any order, so what the later ones need is looked for first. */
#include "base/mem.h"
#include "codec/digest.h"
#include "ingest/otlp_points.h"
#include "ingest/otlp_wire.h"

#include <stdlib.h>

struct decoder {
    struct otlp_intake *intake;
    struct str body;
    struct err *err;
    bool failed;
    struct arena scratch; /* of one point, scope or resource: values that had to be written out */
    struct otlp_point point;
    struct otlp_attributes resource;
    struct otlp_scope scope;
};

/* Which type each known field has; ANY also for the numbers between them. */
#define ANY (-1)
#define PACKED (-2)  /* PB_BYTES, or one PB_FIXED64 */
#define VARINTS (-3) /* PB_BYTES, or one PB_VARINT */

struct message {
    const char *name;
    size_t n;
    const signed char *types;
};

#define MESSAGE(variable, name, ...)                                                               \
    static const signed char variable##_types[] = {ANY, __VA_ARGS__};                              \
    static const struct message variable = {name, sizeof variable##_types, variable##_types}

MESSAGE(export_request, "ExportMetricsServiceRequest", PB_BYTES);
MESSAGE(resource_metrics, "ResourceMetrics", PB_BYTES, PB_BYTES, PB_BYTES);
MESSAGE(resource_message, "Resource", PB_BYTES, PB_VARINT);
MESSAGE(scope_metrics, "ScopeMetrics", PB_BYTES, PB_BYTES, PB_BYTES);
MESSAGE(scope_message, "InstrumentationScope", PB_BYTES, PB_BYTES, PB_BYTES, PB_VARINT);
MESSAGE(metric_message, "Metric", PB_BYTES, PB_BYTES, PB_BYTES, ANY, PB_BYTES, ANY, PB_BYTES, ANY,
        PB_BYTES, PB_BYTES, PB_BYTES, PB_BYTES);
MESSAGE(data_message, "Metric.data", PB_BYTES, PB_VARINT, PB_VARINT);
MESSAGE(number_point, "NumberDataPoint", ANY, PB_FIXED64, PB_FIXED64, PB_FIXED64, PB_BYTES,
        PB_FIXED64, PB_BYTES, PB_VARINT);
MESSAGE(histogram_point, "HistogramDataPoint", ANY, PB_FIXED64, PB_FIXED64, PB_FIXED64, PB_FIXED64,
        PACKED, PACKED, PB_BYTES, PB_BYTES, PB_VARINT, PB_FIXED64, PB_FIXED64);
MESSAGE(exponential_point, "ExponentialHistogramDataPoint", PB_BYTES, PB_FIXED64, PB_FIXED64,
        PB_FIXED64, PB_FIXED64, PB_VARINT, PB_FIXED64, PB_BYTES, PB_BYTES, PB_VARINT, PB_BYTES,
        PB_FIXED64, PB_FIXED64, PB_FIXED64);
MESSAGE(side_message, "Buckets", PB_VARINT, VARINTS);
MESSAGE(summary_point, "SummaryDataPoint", ANY, PB_FIXED64, PB_FIXED64, PB_FIXED64, PB_FIXED64,
        PB_BYTES, PB_BYTES, PB_VARINT);
MESSAGE(quantile_message, "ValueAtQuantile", PB_FIXED64, PB_FIXED64);
MESSAGE(key_value, "KeyValue", PB_BYTES, PB_BYTES);
MESSAGE(any_value, "AnyValue", PB_BYTES, PB_VARINT, PB_VARINT, PB_FIXED64, PB_BYTES, PB_BYTES,
        PB_BYTES);
MESSAGE(list_message, "ArrayValue", PB_BYTES);

static bool fail(struct decoder *d, const struct message *m, const struct pb *in, const char *what)
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

/* The message's next field; false at its end and on failure. */
static bool take(struct decoder *d, const struct message *m, struct pb *in, struct pb_field *f)
{
    if (d->failed)
        return false;
    if (!pb_next(in, f))
        return in->broken && fail(d, m, in, "truncated or malformed field");
    if (f->number < m->n && !has_type(m->types[f->number], f->type))
        return fail(d, m, in, "a field has the wrong wire type");
    return true;
}

/* --- Attributes --- */

static void write_value(struct decoder *, struct str message, int depth, struct json_writer *);

static void write_pair(struct decoder *d, struct str message, int depth, struct json_writer *w)
{
    struct pb in = pb_of(message);
    struct pb_field f;
    struct str key = STR(""), value = STR("");
    while (take(d, &key_value, &in, &f)) {
        if (f.number == 1)
            key = f.bytes;
        else if (f.number == 2)
            value = f.bytes;
    }
    json_key_str(w, key);
    write_value(d, value, depth, w);
}

static void write_list(struct decoder *d, struct str message, bool pairs, int depth,
                       struct json_writer *w)
{
    struct pb in = pb_of(message);
    struct pb_field f;
    if (pairs)
        json_open_object(w);
    else
        json_open_array(w);
    while (take(d, &list_message, &in, &f)) {
        if (f.number == 1 && pairs)
            write_pair(d, f.bytes, depth, w);
        else if (f.number == 1)
            write_value(d, f.bytes, depth, w);
    }
    if (pairs)
        json_close_object(w);
    else
        json_close_array(w);
}

static void write_base64(struct json_writer *w, struct str bytes)
{
    struct buf text = BUF_INIT;
    base64_add(&text, bytes.p, bytes.n);
    json_put_str(w, buf_str(&text));
    buf_release(&text);
}

static void write_value(struct decoder *d, struct str message, int depth, struct json_writer *w)
{
    struct pb in = pb_of(message);
    struct pb_field f, last = {.number = 0};
    while (take(d, &any_value, &in, &f)) {
        if (f.number <= 7)
            last = f;
    }
    if (depth >= OTLP_MAX_DEPTH) {
        fail(d, &any_value, &in, "values nest over 16 deep");
        last.number = 0;
    }
    switch (last.number) {
    case 1:
        json_put_str(w, last.bytes);
        break;
    case 2:
        json_put_bool(w, last.value != 0);
        break;
    case 3:
        json_put_i64(w, (int64_t)last.value);
        break;
    case 4:
        json_put_double(w, pb_double(last.value));
        break;
    case 5:
    case 6:
        write_list(d, last.bytes, last.number == 6, depth + 1, w);
        break;
    case 7:
        write_base64(w, last.bytes);
        break;
    default:
        json_put_null(w);
    }
}

/* A string as it is, nothing as nothing, all else as JSON (OpenTelemetry's common/README,
 * "AnyValue representation for non-OTLP protocols"). */
static struct str value_text(struct decoder *d, struct str message)
{
    struct pb in = pb_of(message);
    struct pb_field f, last = {.number = 0};
    while (take(d, &any_value, &in, &f)) {
        if (f.number <= 7)
            last = f;
    }
    if (last.number == 1)
        return last.bytes;
    if (last.number == 0)
        return STR("");
    if (last.number == 3)
        return otlp_int_text(&d->scratch, (int64_t)last.value);
    struct otlp_text text;
    otlp_text_begin(&text);
    write_value(d, message, 0, &text.writer);
    return otlp_text_end(&text, &d->scratch);
}

static void take_attribute(struct decoder *d, struct str message, struct otlp_attributes *out)
{
    struct otlp_attribute *a = otlp_attributes_more(out), over;
    struct pb in = pb_of(message);
    struct pb_field f;
    if (!a)
        a = &over;
    *a = (struct otlp_attribute){STR(""), STR("")};
    while (take(d, &key_value, &in, &f)) {
        if (f.number == 1)
            a->key = f.bytes;
        else if (f.number == 2)
            a->value = value_text(d, f.bytes);
    }
}

/* --- Points --- */

/* The elements of a repeated number: a packed run, or the one of this field. */
struct elements {
    struct pb run;
    bool single, varints;
    uint64_t value;
};

static struct elements elements_of(const struct pb_field *f, bool varints)
{
    struct elements e = {.single = f->type != PB_BYTES, .varints = varints, .value = f->value};
    if (!e.single)
        e.run = pb_of(f->bytes);
    return e;
}

static bool next_element(struct decoder *d, struct elements *e, uint64_t *out)
{
    if (e->single) {
        bool first = !e->run.broken;
        e->run.broken = true;
        *out = e->value;
        return first;
    }
    if (e->varints ? pb_next_varint(&e->run, out) : pb_next_fixed64(&e->run, out))
        return true;
    return e->run.broken && fail(d, &histogram_point, &e->run, "a packed run is truncated");
}

/* A place for one more, or NULL; then the point says why. */
static bool has_room(struct otlp_point *p, size_t n, size_t max)
{
    if (n < max)
        return true;
    p->refused = "it has over 1024 buckets or quantiles";
    return false;
}

static void take_counts(struct decoder *d, const struct pb_field *f)
{
    struct otlp_point *p = &d->point;
    struct elements e = elements_of(f, false);
    uint64_t v;
    while (next_element(d, &e, &v) && has_room(p, p->n_counts, OTLP_MAX_BUCKETS + 1))
        p->counts[p->n_counts++] = v;
}

static void take_bounds(struct decoder *d, const struct pb_field *f)
{
    struct otlp_point *p = &d->point;
    struct elements e = elements_of(f, false);
    uint64_t bits;
    while (next_element(d, &e, &bits) && has_room(p, p->n_bounds, OTLP_MAX_BUCKETS))
        p->bounds[p->n_bounds++] = pb_double(bits);
}

static void take_number_point(struct decoder *d, struct str message)
{
    struct otlp_point *p = &d->point;
    struct pb in = pb_of(message);
    struct pb_field f;
    while (take(d, &number_point, &in, &f)) {
        switch (f.number) {
        case 2:
            p->start_ns = f.value;
            break;
        case 3:
            p->t_ns = f.value;
            break;
        case 4:
        case 6:
            p->value = f.number == 4 ? pb_double(f.value) : (double)(int64_t)f.value;
            p->has_value = true;
            break;
        case 7:
            take_attribute(d, f.bytes, &p->attributes);
            break;
        case 8:
            p->flags = (uint32_t)f.value;
            break;
        default: /* exemplars; what a later protocol adds */
            break;
        }
    }
}

static void take_histogram_point(struct decoder *d, struct str message)
{
    struct otlp_point *p = &d->point;
    struct pb in = pb_of(message);
    struct pb_field f;
    while (take(d, &histogram_point, &in, &f)) {
        switch (f.number) {
        case 2:
            p->start_ns = f.value;
            break;
        case 3:
            p->t_ns = f.value;
            break;
        case 4:
            p->count = f.value;
            break;
        case 5:
            p->sum = pb_double(f.value);
            p->has_sum = true;
            break;
        case 6:
            take_counts(d, &f);
            break;
        case 7:
            take_bounds(d, &f);
            break;
        case 9:
            take_attribute(d, f.bytes, &p->attributes);
            break;
        case 10:
            p->flags = (uint32_t)f.value;
            break;
        default: /* exemplars, min, max */
            break;
        }
    }
}

static void take_side(struct decoder *d, struct str message, struct otlp_side *side)
{
    struct pb in = pb_of(message);
    struct pb_field f;
    uint64_t v;
    while (take(d, &side_message, &in, &f)) {
        if (f.number == 1)
            side->offset = (int32_t)pb_zigzag(f.value);
        if (f.number != 2)
            continue;
        struct elements e = elements_of(&f, true);
        while (next_element(d, &e, &v) && has_room(&d->point, side->n, OTLP_MAX_BUCKETS))
            side->counts[side->n++] = v;
    }
}

static void take_exponential_point(struct decoder *d, struct str message)
{
    struct otlp_point *p = &d->point;
    struct pb in = pb_of(message);
    struct pb_field f;
    while (take(d, &exponential_point, &in, &f)) {
        switch (f.number) {
        case 1:
            take_attribute(d, f.bytes, &p->attributes);
            break;
        case 2:
            p->start_ns = f.value;
            break;
        case 3:
            p->t_ns = f.value;
            break;
        case 4:
            p->count = f.value;
            break;
        case 5:
            p->sum = pb_double(f.value);
            p->has_sum = true;
            break;
        case 6:
            p->scale = (int32_t)pb_zigzag(f.value);
            break;
        case 7:
            p->zero_count = f.value;
            break;
        case 8:
        case 9:
            take_side(d, f.bytes, f.number == 8 ? &p->positive : &p->negative);
            break;
        case 10:
            p->flags = (uint32_t)f.value;
            break;
        case 14:
            p->zero_threshold = pb_double(f.value);
            break;
        default: /* exemplars, min, max */
            break;
        }
    }
}

static void take_quantile(struct decoder *d, struct str message)
{
    struct otlp_point *p = &d->point;
    struct pb in = pb_of(message);
    struct pb_field f;
    if (!has_room(p, p->n_bounds, OTLP_MAX_BUCKETS))
        return;
    double *quantile = &p->bounds[p->n_bounds++], *value = &p->values[p->n_values++];
    *quantile = *value = 0;
    while (take(d, &quantile_message, &in, &f)) {
        if (f.number == 1)
            *quantile = pb_double(f.value);
        else if (f.number == 2)
            *value = pb_double(f.value);
    }
}

static void take_summary_point(struct decoder *d, struct str message)
{
    struct otlp_point *p = &d->point;
    struct pb in = pb_of(message);
    struct pb_field f;
    while (take(d, &summary_point, &in, &f)) {
        switch (f.number) {
        case 2:
            p->start_ns = f.value;
            break;
        case 3:
            p->t_ns = f.value;
            break;
        case 4:
            p->count = f.value;
            break;
        case 5:
            p->sum = pb_double(f.value);
            break;
        case 6:
            take_quantile(d, f.bytes);
            break;
        case 7:
            take_attribute(d, f.bytes, &p->attributes);
            break;
        case 8:
            p->flags = (uint32_t)f.value;
            break;
        default:
            break;
        }
    }
}

/* --- What holds the points --- */

static void take_point(struct decoder *d, enum otlp_kind kind, struct str message)
{
    arena_clear(&d->scratch);
    otlp_point_reset(&d->point);
    switch (kind) {
    case OTLP_GAUGE:
    case OTLP_SUM:
        take_number_point(d, message);
        break;
    case OTLP_HISTOGRAM:
        take_histogram_point(d, message);
        break;
    case OTLP_EXPONENTIAL:
        take_exponential_point(d, message);
        break;
    case OTLP_SUMMARY:
        take_summary_point(d, message);
        break;
    case OTLP_NOTHING:
        break;
    }
    if (!d->failed)
        otlp_intake_point(d->intake, &d->point);
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

static void take_data(struct decoder *d, struct otlp_metric *m, struct str message)
{
    struct pb in = pb_of(message);
    struct pb_field f;
    size_t n_points = 0;
    while (take(d, &data_message, &in, &f)) {
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
    while (take(d, &data_message, &in, &f)) {
        if (f.number == 1)
            take_point(d, m->kind, f.bytes);
    }
}

static void take_metric(struct decoder *d, struct str message)
{
    struct otlp_metric m = {.name = STR(""), .description = STR(""), .unit = STR("")};
    struct pb in = pb_of(message);
    struct pb_field f;
    struct str data = STR("");
    while (take(d, &metric_message, &in, &f)) {
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

static void take_scope(struct decoder *d, struct str message)
{
    struct pb in = pb_of(message);
    struct pb_field f;
    while (take(d, &scope_message, &in, &f)) {
        if (f.number == 1)
            d->scope.name = f.bytes;
        else if (f.number == 2)
            d->scope.version = f.bytes;
        else if (f.number == 3)
            take_attribute(d, f.bytes, &d->scope.attributes);
    }
}

static void take_scope_metrics(struct decoder *d, struct str message)
{
    struct pb in = pb_of(message);
    struct pb_field f;
    arena_clear(&d->scratch);
    d->scope.name = d->scope.version = d->scope.schema_url = STR("");
    d->scope.attributes.n = 0;
    d->scope.attributes.too_many = false;
    while (take(d, &scope_metrics, &in, &f)) {
        if (f.number == 1)
            take_scope(d, f.bytes);
        else if (f.number == 3)
            d->scope.schema_url = f.bytes;
    }
    if (d->failed)
        return;
    otlp_intake_scope(d->intake, &d->scope);
    in = pb_of(message);
    while (take(d, &scope_metrics, &in, &f)) {
        if (f.number == 2)
            take_metric(d, f.bytes);
    }
}

static void take_resource(struct decoder *d, struct str message)
{
    struct pb in = pb_of(message);
    struct pb_field f;
    while (take(d, &resource_message, &in, &f)) {
        if (f.number == 1)
            take_attribute(d, f.bytes, &d->resource);
    }
}

static void take_resource_metrics(struct decoder *d, struct str message)
{
    struct pb in = pb_of(message);
    struct pb_field f;
    arena_clear(&d->scratch);
    d->resource.n = 0;
    d->resource.too_many = false;
    while (take(d, &resource_metrics, &in, &f)) {
        if (f.number == 1)
            take_resource(d, f.bytes);
    }
    if (d->failed)
        return;
    otlp_intake_resource(d->intake, &d->resource);
    in = pb_of(message);
    while (take(d, &resource_metrics, &in, &f)) {
        if (f.number == 2)
            take_scope_metrics(d, f.bytes);
    }
}

bool otlp_metrics_protobuf(struct otlp *o, struct str body, int64_t now_ms,
                           struct otlp_result *result, struct err *err)
{
    struct decoder *d = mem_zalloc(sizeof *d);
    struct pb in = pb_of(body);
    struct pb_field f;
    d->body = body;
    d->err = err;
    d->intake = otlp_intake_begin(o, now_ms, result);
    arena_init(&d->scratch);
    while (take(d, &export_request, &in, &f)) {
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
