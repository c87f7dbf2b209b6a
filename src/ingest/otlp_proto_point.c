/* Data points in protobuf: opentelemetry-proto, metrics/v1. */
#include "ingest/otlp_proto.h"

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

MESSAGE(exemplar_message, "Exemplar", ANY, PB_FIXED64, PB_FIXED64, PB_BYTES, PB_BYTES, PB_FIXED64,
        PB_BYTES);

static void put_id(struct str id, char *out, size_t n_bytes)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; id.n == n_bytes && i < n_bytes; i++) {
        out[2 * i] = digits[(uint8_t)id.p[i] >> 4];
        out[2 * i + 1] = digits[(uint8_t)id.p[i] & 15];
    }
    out[id.n == n_bytes ? 2 * n_bytes : 0] = '\0';
}

static void take_exemplar(struct otlp_proto *d, struct str message)
{
    struct pb in = pb_of(message);
    struct pb_field f = {0};
    struct otlp_exemplar e = {.v = 0};
    while (otlp_proto_take(d, &exemplar_message, &in, &f)) {
        if (f.number == 2)
            e.t_ns = f.value;
        else if (f.number == 3)
            e.v = pb_double(f.value);
        else if (f.number == 4)
            put_id(f.bytes, e.span_id, 8);
        else if (f.number == 5)
            put_id(f.bytes, e.trace_id, 16);
        else if (f.number == 6)
            e.v = (double)(int64_t)f.value;
    }
    if (d->point.n_exemplars < OTLP_MAX_EXEMPLARS)
        d->point.exemplars[d->point.n_exemplars++] = e;
}

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

static bool next_element(struct otlp_proto *d, struct elements *e, uint64_t *out)
{
    if (e->single) {
        bool first = !e->run.broken;
        e->run.broken = true;
        *out = e->value;
        return first;
    }
    if (e->varints ? pb_next_varint(&e->run, out) : pb_next_fixed64(&e->run, out))
        return true;
    return e->run.broken &&
           otlp_proto_fail(d, &histogram_point, &e->run, "a packed run is truncated");
}

/* A place for one more, or NULL; then the point says why. */
static bool has_room(struct otlp_point *p, size_t n, size_t max)
{
    if (n < max)
        return true;
    p->refused = "it has over 1024 buckets or quantiles";
    return false;
}

static void take_counts(struct otlp_proto *d, const struct pb_field *f)
{
    struct otlp_point *p = &d->point;
    struct elements e = elements_of(f, false);
    uint64_t v;
    while (next_element(d, &e, &v) && has_room(p, p->n_counts, OTLP_MAX_BUCKETS + 1))
        p->counts[p->n_counts++] = v;
}

static void take_bounds(struct otlp_proto *d, const struct pb_field *f)
{
    struct otlp_point *p = &d->point;
    struct elements e = elements_of(f, false);
    uint64_t bits;
    while (next_element(d, &e, &bits) && has_room(p, p->n_bounds, OTLP_MAX_BUCKETS))
        p->bounds[p->n_bounds++] = pb_double(bits);
}

static void take_number_point(struct otlp_proto *d, struct str message)
{
    struct otlp_point *p = &d->point;
    struct pb in = pb_of(message);
    struct pb_field f = {0};
    while (otlp_proto_take(d, &number_point, &in, &f)) {
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
            otlp_proto_attribute(d, f.bytes, &p->attributes);
            break;
        case 8:
            p->flags = (uint32_t)f.value;
            break;
        case 5:
            take_exemplar(d, f.bytes);
            break;
        default: /* what a later protocol adds */
            break;
        }
    }
}

static void take_histogram_point(struct otlp_proto *d, struct str message)
{
    struct otlp_point *p = &d->point;
    struct pb in = pb_of(message);
    struct pb_field f = {0};
    while (otlp_proto_take(d, &histogram_point, &in, &f)) {
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
            otlp_proto_attribute(d, f.bytes, &p->attributes);
            break;
        case 10:
            p->flags = (uint32_t)f.value;
            break;
        case 8:
            take_exemplar(d, f.bytes);
            break;
        default: /* min, max */
            break;
        }
    }
}

static void take_side(struct otlp_proto *d, struct str message, struct otlp_side *side)
{
    struct pb in = pb_of(message);
    struct pb_field f = {0};
    uint64_t v;
    while (otlp_proto_take(d, &side_message, &in, &f)) {
        if (f.number == 1)
            side->offset = (int32_t)pb_zigzag(f.value);
        if (f.number != 2)
            continue;
        struct elements e = elements_of(&f, true);
        while (next_element(d, &e, &v) && has_room(&d->point, side->n, OTLP_MAX_BUCKETS))
            side->counts[side->n++] = v;
    }
}

static void take_exponential_point(struct otlp_proto *d, struct str message)
{
    struct otlp_point *p = &d->point;
    struct pb in = pb_of(message);
    struct pb_field f = {0};
    while (otlp_proto_take(d, &exponential_point, &in, &f)) {
        switch (f.number) {
        case 1:
            otlp_proto_attribute(d, f.bytes, &p->attributes);
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
        case 11:
            take_exemplar(d, f.bytes);
            break;
        default: /* min, max */
            break;
        }
    }
}

static void take_quantile(struct otlp_proto *d, struct str message)
{
    struct otlp_point *p = &d->point;
    struct pb in = pb_of(message);
    struct pb_field f = {0};
    if (!has_room(p, p->n_bounds, OTLP_MAX_BUCKETS))
        return;
    double *quantile = &p->bounds[p->n_bounds++], *value = &p->values[p->n_values++];
    *quantile = *value = 0;
    while (otlp_proto_take(d, &quantile_message, &in, &f)) {
        if (f.number == 1)
            *quantile = pb_double(f.value);
        else if (f.number == 2)
            *value = pb_double(f.value);
    }
}

static void take_summary_point(struct otlp_proto *d, struct str message)
{
    struct otlp_point *p = &d->point;
    struct pb in = pb_of(message);
    struct pb_field f = {0};
    while (otlp_proto_take(d, &summary_point, &in, &f)) {
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
            otlp_proto_attribute(d, f.bytes, &p->attributes);
            break;
        case 8:
            p->flags = (uint32_t)f.value;
            break;
        default:
            break;
        }
    }
}

void otlp_proto_point(struct otlp_proto *d, enum otlp_kind kind, struct str message)
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
