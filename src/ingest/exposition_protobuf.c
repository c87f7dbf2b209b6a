#include "ingest/exposition_protobuf.h"

#include <stdlib.h>

static const char *const type_names[] = {"counter", "gauge",     "summary",
                                         "unknown", "histogram", "gaugehistogram"};

const char *proto_type_name(enum proto_type type)
{
    return type_names[type];
}

static bool malformed(const struct proto_family *f, const char *what, struct err *err)
{
    return err_set(err, ERR_BAD_INPUT, "family '%.*s', metric %zu: %s",
                   (int)(f->name.n < 200 ? f->name.n : 200), f->name.p, f->number, what);
}

/* --- Small messages --- */

static double double_of(const struct pb_field *f)
{
    return f->type == PB_FIXED64 ? pb_double(f->value) : 0;
}

static uint64_t uint_of(const struct pb_field *f)
{
    return f->type == PB_VARINT ? f->value : 0;
}

/* A google.protobuf.Timestamp in milliseconds. */
static bool read_time(struct str message, int64_t *t_ms)
{
    struct pb in = pb_of(message);
    struct pb_field f = {0};
    int64_t seconds = 0, nanos = 0;
    while (pb_next(&in, &f)) {
        if (f.number == 1)
            seconds = (int64_t)uint_of(&f);
        else if (f.number == 2)
            nanos = (int32_t)uint_of(&f);
    }
    if (in.broken || seconds > INT64_MAX / 2000 || seconds < INT64_MIN / 2000 || nanos < 0 ||
        nanos > 999999999)
        return false;
    *t_ms = seconds * 1000 + nanos / 1000000;
    return true;
}

static int compare_names(const void *left, const void *right)
{
    const struct label *a = left, *b = right;
    return str_cmp(a->name, b->name);
}

static bool check_labels(const struct exposition_key *key, struct err *err)
{
    for (size_t i = 0; i < key->n; i++) {
        struct str name = key->labels[i].name;
        if (name.n == 0 || str_is(name, LABEL_NAME))
            return err_set(err, ERR_BAD_INPUT, "a label is called '" STR_FMT "'", STR_ARG(name));
        if (!str_is_utf8(name) || !str_is_utf8(key->labels[i].value))
            return err_set(err, ERR_BAD_INPUT, "a label is not valid UTF-8");
        if (i > 0 && str_eq(key->labels[i - 1].name, name))
            return err_set(err, ERR_BAD_INPUT, "label '" STR_FMT "' is there twice", STR_ARG(name));
    }
    return true;
}

bool proto_read_labels(struct str fields, struct exposition_key *key, struct err *err)
{
    struct pb in = pb_of(fields);
    struct pb_field f = {0};
    bool sorted = true;
    key->n = 0;
    while (pb_next(&in, &f)) {
        if (key->n == EXPOSITION_MAX_LABELS)
            return err_set(err, ERR_LIMIT, "over %d labels", EXPOSITION_MAX_LABELS);
        if (!pb_read_label(f.bytes, &key->labels[key->n]))
            return err_set(err, ERR_BAD_INPUT, "a label is malformed");
        sorted = sorted &&
                 (key->n == 0 || compare_names(&key->labels[key->n - 1], &key->labels[key->n]) < 0);
        key->n++;
    }
    CHECK(!in.broken); /* the fields were walked before */
    if (!sorted)
        qsort(key->labels, key->n, sizeof *key->labels, compare_names);
    return check_labels(key, err);
}

/* Label fields follow one another, mostly. */
static void add_fields(struct arena *arena, struct str *all, const unsigned char *begin,
                       const unsigned char *end)
{
    size_t n = (size_t)(end - begin);
    if (all->n == 0) {
        *all = str_make((const char *)begin, n);
    } else if ((const unsigned char *)all->p + all->n == begin) {
        all->n += n;
    } else {
        char *copy = arena_alloc(arena, all->n + n);
        memcpy(copy, all->p, all->n);
        memcpy(copy + all->n, begin, n);
        *all = str_make(copy, all->n + n);
    }
}

/* --- Exemplars --- */

bool proto_read_exemplar(struct proto_exemplar exemplar, struct exposition_key *key, double *v,
                         int64_t *t_ms, struct err *err)
{
    struct pb in = pb_of(exemplar.message);
    struct pb_field f = {0};
    bool sorted = true;
    key->n = 0;
    *v = 0;
    *t_ms = EXPOSITION_NO_TIME;
    while (pb_next(&in, &f)) {
        if (f.number == 2)
            *v = double_of(&f);
        else if (f.number == 3 && (f.type != PB_BYTES || !read_time(f.bytes, t_ms)))
            return err_set(err, ERR_BAD_INPUT, "an exemplar's timestamp is none");
        if (f.number != 1)
            continue;
        if (key->n == EXPOSITION_MAX_LABELS || f.type != PB_BYTES ||
            !pb_read_label(f.bytes, &key->labels[key->n]))
            return err_set(err, ERR_BAD_INPUT, "an exemplar's labels are malformed");
        key->n++;
        sorted = false;
    }
    if (in.broken)
        return err_set(err, ERR_BAD_INPUT, "an exemplar is malformed");
    if (!sorted)
        qsort(key->labels, key->n, sizeof *key->labels, compare_names);
    return check_labels(key, err);
}

/* --- Histograms --- */

/* One side while it is read. */
struct side {
    struct histogram_span *spans;
    size_t n_spans, span_capacity;
    double *buckets;
    size_t n_buckets, bucket_capacity;
    double delta_sum;
};

struct native {
    bool is_float, any; /* any: it has a field that only native histograms have */
    uint64_t schema, zero_count, count;
    double zero_threshold, zero_count_float, count_float;
    struct side positive, negative;
};

static bool read_span(struct arena *arena, struct side *s, struct str message)
{
    struct pb in = pb_of(message);
    struct pb_field f = {0};
    int64_t offset = 0;
    uint64_t length = 0;
    while (pb_next(&in, &f)) {
        if (f.number == 1)
            offset = pb_zigzag(uint_of(&f));
        else if (f.number == 2)
            length = uint_of(&f);
    }
    if (in.broken || offset < INT32_MIN || offset > INT32_MAX || length > HISTOGRAM_MAX_BUCKETS ||
        s->n_spans == HISTOGRAM_MAX_BUCKETS)
        return false;
    s->spans = arena_grow(arena, s->spans, s->n_spans, &s->span_capacity, sizeof *s->spans);
    s->spans[s->n_spans++] = (struct histogram_span){(int32_t)offset, (uint32_t)length};
    return true;
}

static bool add_bucket(struct arena *arena, struct side *s, double v)
{
    if (s->n_buckets == HISTOGRAM_MAX_BUCKETS)
        return false;
    s->buckets =
        arena_grow(arena, s->buckets, s->n_buckets, &s->bucket_capacity, sizeof *s->buckets);
    s->buckets[s->n_buckets++] = v;
    return true;
}

/* Counts are differences to the bucket before; packed or not. */
static bool read_deltas(struct arena *arena, struct side *s, const struct pb_field *f)
{
    struct pb in = pb_of(f->bytes);
    uint64_t raw = f->value;
    bool one = f->type == PB_VARINT;
    if (!one && f->type != PB_BYTES)
        return false;
    while (one || pb_next_varint(&in, &raw)) {
        s->delta_sum += (double)pb_zigzag(raw);
        if (!add_bucket(arena, s, s->delta_sum))
            return false;
        if (one)
            return true;
    }
    return !in.broken;
}

static bool read_counts(struct arena *arena, struct side *s, const struct pb_field *f)
{
    struct pb in = pb_of(f->bytes);
    uint64_t raw = f->value;
    bool one = f->type == PB_FIXED64;
    if (!one && f->type != PB_BYTES)
        return false;
    while (one || pb_next_fixed64(&in, &raw)) {
        if (!add_bucket(arena, s, pb_double(raw)))
            return false;
        if (one)
            return true;
    }
    return !in.broken;
}

static bool read_part(struct arena *arena, struct proto_metric *m, size_t *capacity,
                      struct str message, bool bucket)
{
    struct pb in = pb_of(message);
    struct pb_field f = {0};
    struct proto_part p = {.exemplar = {STR("")}};
    if (m->n_parts == PROTO_MAX_PARTS)
        return false;
    while (pb_next(&in, &f)) {
        if (!bucket && f.number <= 2) /* Quantile: quantile, value */
            *(f.number == 1 ? &p.bound : &p.v) = double_of(&f);
        else if (f.number == 1)
            p.v = p.v > 0 ? p.v : (double)uint_of(&f);
        else if (f.number == 2)
            p.bound = double_of(&f);
        else if (f.number == 3 && f.type == PB_BYTES)
            p.exemplar.message = f.bytes;
        else if (f.number == 4 && double_of(&f) > 0)
            p.v = double_of(&f);
    }
    m->parts = arena_grow(arena, m->parts, m->n_parts, capacity, sizeof *m->parts);
    m->parts[m->n_parts++] = p;
    return !in.broken;
}

static bool add_exemplar(struct arena *arena, struct proto_metric *m, size_t *capacity,
                         const struct pb_field *f)
{
    if (f->type != PB_BYTES || m->n_exemplars == PROTO_MAX_PARTS)
        return false;
    m->exemplars = arena_grow(arena, m->exemplars, m->n_exemplars, capacity, sizeof *m->exemplars);
    m->exemplars[m->n_exemplars++] = (struct proto_exemplar){f->bytes};
    return true;
}

static struct histogram_side side_of(const struct side *s)
{
    return (struct histogram_side){.n_spans = (uint32_t)s->n_spans,
                                   .n_buckets = (uint32_t)s->n_buckets,
                                   .spans = s->spans,
                                   .buckets = s->buckets};
}

/* A span of no buckets is how an empty native histogram tells that it is one. */
static void drop_empty_spans(struct side *s)
{
    if (s->n_spans == 1 && s->spans[0].length == 0)
        s->n_spans = 0;
}

static bool make_native(const struct proto_family *family, struct proto_metric *m, struct native *n,
                        struct err *err)
{
    int64_t schema = pb_zigzag(n->schema);
    bool gauge = family->type == PROTO_GAUGE_HISTOGRAM;
    drop_empty_spans(&n->positive);
    drop_empty_spans(&n->negative);
    m->is_native = true;
    m->native = (struct histogram){
        .schema = schema < INT32_MIN || schema > INT32_MAX ? INT32_MAX : (int32_t)schema,
        .hint = gauge ? HISTOGRAM_HINT_GAUGE : HISTOGRAM_HINT_UNKNOWN,
        .zero_threshold = n->zero_threshold,
        .zero_count = n->zero_count_float > 0 ? n->zero_count_float : (double)n->zero_count,
        .count = m->count,
        .sum = m->sum,
        .positive = side_of(&n->positive),
        .negative = side_of(&n->negative)};
    struct err why = ERR_INIT;
    if (histogram_validate(&m->native, &why))
        return true;
    return malformed(family, why.message, err);
}

/* The fields of Histogram that a native one has, all but its exemplars. */
static bool read_native_field(struct arena *arena, struct native *n, const struct pb_field *f)
{
    bool negative = f->number >= 9 && f->number <= 11;
    struct side *side = negative ? &n->negative : &n->positive;
    switch (f->number) {
    case 5:
        n->schema = uint_of(f);
        return f->type == PB_VARINT;
    case 6:
        n->zero_threshold = double_of(f);
        n->any = n->any || n->zero_threshold > 0;
        return f->type == PB_FIXED64;
    case 7:
        n->zero_count = uint_of(f);
        n->any = n->any || n->zero_count > 0;
        return f->type == PB_VARINT;
    case 8:
        n->zero_count_float = double_of(f);
        n->any = n->any || n->zero_count_float > 0;
        return f->type == PB_FIXED64;
    case 9:
    case 12:
        n->any = true;
        return f->type == PB_BYTES && read_span(arena, side, f->bytes);
    case 10:
    case 13:
        return read_deltas(arena, side, f);
    case 11:
    case 14:
        return read_counts(arena, side, f);
    default:
        return true;
    }
}

static bool read_histogram(const struct proto_family *family, struct arena *arena,
                           struct proto_metric *m, struct str message, struct err *err)
{
    struct pb in = pb_of(message);
    struct pb_field f = {0};
    struct native n = {0};
    size_t parts = 0, exemplars = 0;
    bool good = true;
    while (good && pb_next(&in, &f)) {
        if (f.number == 1 && f.type == PB_VARINT)
            n.count = f.value;
        else if (f.number == 2)
            m->sum = double_of(&f);
        else if (f.number == 3)
            good = f.type == PB_BYTES && read_part(arena, m, &parts, f.bytes, true);
        else if (f.number == 4)
            n.count_float = double_of(&f);
        else if (f.number == 15)
            good = f.type == PB_BYTES && read_time(f.bytes, &m->created_ms);
        else if (f.number == 16)
            good = add_exemplar(arena, m, &exemplars, &f);
        else
            good = read_native_field(arena, &n, &f);
    }
    if (!good || in.broken)
        return malformed(family, "its histogram is malformed, or too big", err);
    m->count = n.count_float > 0 ? n.count_float : (double)n.count;
    return !n.any || make_native(family, m, &n, err);
}

/* --- The other values --- */

static bool read_counter(struct proto_metric *m, struct str message)
{
    struct pb in = pb_of(message);
    struct pb_field f = {0};
    while (pb_next(&in, &f)) {
        if (f.number == 1)
            m->v = double_of(&f);
        else if (f.number == 2 && f.type == PB_BYTES)
            m->exemplar.message = f.bytes;
        else if (f.number == 3 && (f.type != PB_BYTES || !read_time(f.bytes, &m->created_ms)))
            return false;
    }
    return !in.broken;
}

static bool read_plain(struct proto_metric *m, struct str message)
{
    struct pb in = pb_of(message);
    struct pb_field f = {0};
    while (pb_next(&in, &f)) {
        if (f.number == 1)
            m->v = double_of(&f);
    }
    return !in.broken;
}

static bool read_summary(struct arena *arena, struct proto_metric *m, struct str message)
{
    struct pb in = pb_of(message);
    struct pb_field f = {0};
    size_t parts = 0;
    bool good = true;
    while (good && pb_next(&in, &f)) {
        if (f.number == 1)
            m->count = (double)uint_of(&f);
        else if (f.number == 2)
            m->sum = double_of(&f);
        else if (f.number == 3)
            good = f.type == PB_BYTES && read_part(arena, m, &parts, f.bytes, false);
        else if (f.number == 4)
            good = f.type == PB_BYTES && read_time(f.bytes, &m->created_ms);
    }
    return good && !in.broken;
}

/* The field of Metric that a type's value stands in. */
static uint32_t value_field(enum proto_type type)
{
    static const uint32_t fields[] = {
        [PROTO_COUNTER] = 3, [PROTO_GAUGE] = 2,     [PROTO_SUMMARY] = 4,
        [PROTO_UNTYPED] = 5, [PROTO_HISTOGRAM] = 7, [PROTO_GAUGE_HISTOGRAM] = 7};
    return fields[type];
}

static bool read_value(const struct proto_family *family, struct arena *arena,
                       struct proto_metric *m, struct str message, struct err *err)
{
    bool good = false;
    switch (family->type) {
    case PROTO_COUNTER:
        good = read_counter(m, message);
        break;
    case PROTO_GAUGE:
    case PROTO_UNTYPED:
        good = read_plain(m, message);
        break;
    case PROTO_SUMMARY:
        good = read_summary(arena, m, message);
        break;
    case PROTO_HISTOGRAM:
    case PROTO_GAUGE_HISTOGRAM:
        return read_histogram(family, arena, m, message, err);
    }
    return good || malformed(family, "its value is malformed", err);
}

/* --- Metrics and families --- */

static bool read_metric(const struct proto_family *family, struct arena *arena, struct str message,
                        struct proto_metric *m, struct err *err)
{
    struct pb in = pb_of(message);
    struct pb_field f = {0};
    struct str value = {NULL, 0};
    *m =
        (struct proto_metric){.labels = STR(""), .t_ms = EXPOSITION_NO_TIME, .exemplar = {STR("")}};
    for (const unsigned char *begin = in.p; pb_next(&in, &f); begin = in.p) {
        if (f.number == 6 ? f.type != PB_VARINT : f.number <= 7 && f.type != PB_BYTES)
            return malformed(family, "a field is of a wrong type", err);
        if (f.number == 1)
            add_fields(arena, &m->labels, begin, in.p);
        else if (f.number == 6)
            m->t_ms = (int64_t)f.value;
        else if (f.number == value_field(family->type))
            value = f.bytes;
    }
    if (in.broken)
        return malformed(family, "it is malformed", err);
    if (!value.p)
        return malformed(family, "it has no value of its family's type", err);
    return read_value(family, arena, m, value, err);
}

bool proto_next_metric(struct proto_family *family, struct arena *arena, struct proto_metric *m,
                       struct err *err)
{
    struct pb_field f = {0};
    while (pb_next(&family->metrics, &f)) {
        if (f.number != 4)
            continue;
        family->number++;
        return read_metric(family, arena, f.bytes, m, err);
    }
    return false; /* the message was walked before */
}

static bool read_family(struct str message, struct proto_family *family)
{
    struct pb_field f = {0};
    struct pb in = pb_of(message);
    *family = (struct proto_family){.name = STR(""),
                                    .help = STR(""),
                                    .unit = STR(""),
                                    .head = message,
                                    .metrics = pb_of(message)};
    for (const unsigned char *begin = in.p; pb_next(&in, &f); begin = in.p) {
        if (f.number == 4 && family->head.n == message.n)
            family->head.n = (size_t)(begin - (const unsigned char *)message.p);
        if (f.number <= 5 && f.type != (f.number == 3 ? PB_VARINT : PB_BYTES))
            return false;
        if (f.number == 1)
            family->name = f.bytes;
        else if (f.number == 2)
            family->help = f.bytes;
        else if (f.number == 3 && f.value > PROTO_GAUGE_HISTOGRAM)
            return false;
        else if (f.number == 3)
            family->type = (enum proto_type)f.value;
        else if (f.number == 5)
            family->unit = f.bytes;
    }
    return !in.broken && family->name.n > 0 && str_is_utf8(family->name) &&
           str_is_utf8(family->help) && str_is_utf8(family->unit);
}

bool proto_next_family(struct pb *body, struct proto_family *family, struct err *err)
{
    uint64_t n;
    if (body->p == body->end)
        return false;
    if (!pb_next_varint(body, &n) || n > (uint64_t)(body->end - body->p))
        return err_set(err, ERR_BAD_INPUT,
                       "the message ends %zu bytes into a family; it may be cut off",
                       (size_t)(body->end - body->p));
    struct str message = str_make((const char *)body->p, (size_t)n);
    body->p += n;
    if (read_family(message, family))
        return true;
    return err_set(err, ERR_BAD_INPUT, "a family of %zu bytes is malformed (name '%.*s')",
                   (size_t)n, (int)(family->name.n < 100 ? family->name.n : 100),
                   str_is_utf8(family->name) ? family->name.p : "");
}
