/* otlp_points.h -- OTLP's metrics without an encoding: what both decoders make and the one
 * translator takes.
 *
 *     resource -> scope -> metric -> point, point, ...
 *
 * Strings are borrowed for the length of the call. Everything that input sizes has a limit here; a
 * decoder that meets more says so in the point (`refused`), which then counts as rejected. */
#ifndef CQED_INGEST_OTLP_POINTS_H
#define CQED_INGEST_OTLP_POINTS_H

#include "base/arena.h"
#include "base/str.h"
#include "ingest/ingest.h"

#include <stdint.h>

#define OTLP_MAX_ATTRIBUTES 128
#define OTLP_MAX_BUCKETS 1024
#define OTLP_MAX_EXEMPLARS 32 /* of a point */
#define OTLP_MAX_DEPTH 16     /* of values inside attribute values */

#define OTLP_NO_RECORDED_VALUE 1u /* DataPointFlags */

struct otlp_attribute {
    struct str key, value; /* values that are no strings are their JSON */
};

struct otlp_attributes {
    size_t n;
    bool too_many; /* more than fit */
    struct otlp_attribute v[OTLP_MAX_ATTRIBUTES];
};

struct otlp_scope {
    struct str name, version, schema_url;
    struct otlp_attributes attributes;
};

enum otlp_kind {
    OTLP_NOTHING, /* a metric without data, or with data of a later protocol */
    OTLP_GAUGE,
    OTLP_SUM,
    OTLP_HISTOGRAM,
    OTLP_EXPONENTIAL,
    OTLP_SUMMARY
};

/* The protocol's numbers. */
enum otlp_temporality { OTLP_UNSPECIFIED = 0, OTLP_DELTA = 1, OTLP_CUMULATIVE = 2 };

struct otlp_metric {
    struct str name, description, unit;
    enum otlp_kind kind;
    enum otlp_temporality temporality;
    bool monotonic;
};

/* One side of an exponential histogram: bucket i lies in (base^(offset+i), base^(offset+i+1)]. */
struct otlp_side {
    int64_t offset;
    size_t n;
    uint64_t counts[OTLP_MAX_BUCKETS];
};

/* What belongs to which trace. Its other attributes are not kept. */
struct otlp_exemplar {
    uint64_t t_ns; /* 0 = the point's */
    double v;
    char trace_id[33], span_id[17]; /* lower-case hexadecimal, or "" */
};

struct otlp_point {
    uint64_t start_ns, t_ns; /* 0 = not said */
    uint32_t flags;
    const char *refused; /* why it cannot be taken; NULL = it can */
    struct otlp_attributes attributes;

    bool has_value; /* gauge and sum */
    double value;

    uint64_t count; /* the others */
    double sum;
    bool has_sum;

    size_t n_exemplars; /* the first ones */
    struct otlp_exemplar exemplars[OTLP_MAX_EXEMPLARS];

    size_t n_bounds; /* histogram: bounds and counts; summary: quantiles and values */
    double bounds[OTLP_MAX_BUCKETS];
    size_t n_counts;
    uint64_t counts[OTLP_MAX_BUCKETS + 1];
    size_t n_values;
    double values[OTLP_MAX_BUCKETS];

    int64_t scale; /* exponential */
    uint64_t zero_count;
    double zero_threshold;
    struct otlp_side positive, negative;
};

/* Make it empty without touching the arrays. */
void otlp_point_reset(struct otlp_point *);

/* Room for one more; NULL when there is none. */
struct otlp_attribute *otlp_attributes_more(struct otlp_attributes *);

/* The protocol's numbers as ours; what it does not know is unspecified. */
enum otlp_temporality otlp_temporality_of(uint64_t number);

/* Attribute values that are no strings, written out: "200", "true", "[1,\"a\"]"
 * (opentelemetry-specification, common/README, "AnyValue representation for non-OTLP protocols").
 * What is a quoted string on the outside (bytes, NaN) loses its quotes. */
struct otlp_text {
    struct buf buf;
    struct json_writer writer;
};
void otlp_text_begin(struct otlp_text *);
struct str otlp_text_end(struct otlp_text *, struct arena *);
struct str otlp_int_text(struct arena *, int64_t);

/* One request under way. */
struct otlp_intake;

struct otlp_intake *otlp_intake_begin(struct otlp *, int64_t now_ms, struct otlp_result *);
void otlp_intake_resource(struct otlp_intake *, const struct otlp_attributes *);
void otlp_intake_scope(struct otlp_intake *, const struct otlp_scope *);
void otlp_intake_metric(struct otlp_intake *, const struct otlp_metric *);
void otlp_intake_point(struct otlp_intake *, const struct otlp_point *);
/* Ends it either way; commit is false when the store cannot write, and then nothing was taken. */
MUST_CHECK bool otlp_intake_commit(struct otlp_intake *, struct err *);
void otlp_intake_cancel(struct otlp_intake *);

#endif
