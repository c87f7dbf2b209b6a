/* exposition_protobuf.h -- a cursor over Prometheus's protobuf exposition: messages of
 * io.prometheus.client.MetricFamily, each behind its length as a varint.
 *
 *     family -> metric -> series: name{labels} value, or a native histogram
 *
 *     counter, gauge, untyped   name
 *     summary                   name{quantile}  name_sum  name_count
 *     histogram                 name_bucket{le} name_sum  name_count     (gauge too, as Prometheus)
 *     the same with spans       name, a native histogram
 *
 * The body is borrowed, strings point into it; arrays go to an arena. Nothing is trusted: every
 * length is checked, native histograms pass histogram_validate. Bounds: buckets of a histogram as
 * in model/histogram.h, a metric's labels as in exposition.h; the rest by the body.
 * Source: prometheus/client_model, io/prometheus/client/metrics.proto. */
#ifndef CQED_INGEST_EXPOSITION_PROTOBUF_H
#define CQED_INGEST_EXPOSITION_PROTOBUF_H

#include "ingest/exposition.h"
#include "ingest/protobuf.h"
#include "model/histogram.h"

#define PROTO_MAX_PARTS 10000 /* classic buckets, or quantiles, of one metric */

/* In the numbers of MetricType. */
enum proto_type {
    PROTO_COUNTER,
    PROTO_GAUGE,
    PROTO_SUMMARY,
    PROTO_UNTYPED,
    PROTO_HISTOGRAM,
    PROTO_GAUGE_HISTOGRAM
};

struct proto_family {
    struct str name, help, unit;
    enum proto_type type;
    struct str head;   /* what stands before the first metric: all of the above, mostly */
    struct pb metrics; /* what is left of the message */
    size_t number;     /* of the metric last read, from 1 */
};

struct proto_exemplar {
    struct str message; /* for proto_read_exemplar; n == 0 = none */
};

/* A classic bucket or a quantile. */
struct proto_part {
    double bound; /* le, or the quantile */
    double v;     /* cumulative count, or value */
    struct proto_exemplar exemplar;
};

struct proto_metric {
    struct str labels;  /* the label fields, one behind the other */
    int64_t t_ms;       /* EXPOSITION_NO_TIME when there is none */
    int64_t created_ms; /* 0 = not said */
    double v;           /* of what has one value */
    struct proto_exemplar exemplar;
    double count, sum;
    struct proto_part *parts;
    size_t n_parts;
    bool is_native;
    struct histogram native;          /* valid */
    struct proto_exemplar *exemplars; /* of the native histogram */
    size_t n_exemplars;
};

/* The next family; false at the end (err untouched) and when the body is malformed. */
bool proto_next_family(struct pb *body, struct proto_family *, struct err *);

/* The next metric of a family, in the same way. Its arrays belong to the arena. */
bool proto_next_metric(struct proto_family *, struct arena *, struct proto_metric *, struct err *);

/* What the family is called in TYPE lines. */
const char *proto_type_name(enum proto_type);

/* Fill a key's labels, sorted, from label fields; its name is left alone. */
MUST_CHECK bool proto_read_labels(struct str fields, struct exposition_key *, struct err *);

/* *t_ms is EXPOSITION_NO_TIME when there is none. */
MUST_CHECK bool proto_read_exemplar(struct proto_exemplar, struct exposition_key *, double *v,
                                    int64_t *t_ms, struct err *);

#endif
