/* Attributes in protobuf: opentelemetry-proto, common/v1. */
#include "codec/digest.h"
#include "ingest/otlp_proto.h"

MESSAGE(key_value, "KeyValue", PB_BYTES, PB_BYTES);
MESSAGE(any_value, "AnyValue", PB_BYTES, PB_VARINT, PB_VARINT, PB_FIXED64, PB_BYTES, PB_BYTES,
        PB_BYTES);
MESSAGE(list_message, "ArrayValue", PB_BYTES);

static void write_value(struct otlp_proto *, struct str message, int depth, struct json_writer *);

static void write_pair(struct otlp_proto *d, struct str message, int depth, struct json_writer *w)
{
    struct pb in = pb_of(message);
    struct pb_field f = {0};
    struct str key = STR(""), value = STR("");
    while (otlp_proto_take(d, &key_value, &in, &f)) {
        if (f.number == 1)
            key = f.bytes;
        else if (f.number == 2)
            value = f.bytes;
    }
    json_key_str(w, key);
    write_value(d, value, depth, w);
}

static void write_list(struct otlp_proto *d, struct str message, bool pairs, int depth,
                       struct json_writer *w)
{
    struct pb in = pb_of(message);
    struct pb_field f = {0};
    if (pairs)
        json_open_object(w);
    else
        json_open_array(w);
    while (otlp_proto_take(d, &list_message, &in, &f)) {
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

static void write_value(struct otlp_proto *d, struct str message, int depth, struct json_writer *w)
{
    struct pb in = pb_of(message);
    struct pb_field f, last = {.number = 0};
    while (otlp_proto_take(d, &any_value, &in, &f)) {
        if (f.number <= 7)
            last = f;
    }
    if (depth >= OTLP_MAX_DEPTH) {
        otlp_proto_fail(d, &any_value, &in, "values nest over 16 deep");
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
static struct str value_text(struct otlp_proto *d, struct str message)
{
    struct pb in = pb_of(message);
    struct pb_field f, last = {.number = 0};
    while (otlp_proto_take(d, &any_value, &in, &f)) {
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

void otlp_proto_attribute(struct otlp_proto *d, struct str message, struct otlp_attributes *out)
{
    struct otlp_attribute *a = otlp_attributes_more(out), over;
    struct pb in = pb_of(message);
    struct pb_field f = {0};
    if (!a)
        a = &over;
    *a = (struct otlp_attribute){STR(""), STR("")};
    while (otlp_proto_take(d, &key_value, &in, &f)) {
        if (f.number == 1)
            a->key = f.bytes;
        else if (f.number == 2)
            a->value = value_text(d, f.bytes);
    }
}
