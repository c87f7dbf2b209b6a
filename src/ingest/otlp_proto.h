/* otlp_proto.h -- what the files of the protobuf decoder share: messages whose fields' wire types
 * are checked, and the decoder under way. The first failure sticks: from then on no message has
 * fields any more, so that loops end by themselves. */
#ifndef CQED_INGEST_OTLP_PROTO_H
#define CQED_INGEST_OTLP_PROTO_H

#include "ingest/otlp_points.h"
#include "ingest/protobuf.h"

struct otlp_proto {
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

struct pb_message {
    const char *name;
    size_t n;
    const signed char *types;
};

#define MESSAGE(variable, name, ...)                                                               \
    static const signed char variable##_types[] = {ANY, __VA_ARGS__};                              \
    static const struct pb_message variable = {name, sizeof variable##_types, variable##_types}

/* The message's next field; false at its end and on failure. */
bool otlp_proto_take(struct otlp_proto *, const struct pb_message *, struct pb *,
                     struct pb_field *);

/* Fail, unless it has already; false. */
bool otlp_proto_fail(struct otlp_proto *, const struct pb_message *, const struct pb *,
                     const char *what);

/* A KeyValue message. */
void otlp_proto_attribute(struct otlp_proto *, struct str message, struct otlp_attributes *);

/* A data point of a metric of this kind, handed to the intake. */
void otlp_proto_point(struct otlp_proto *, enum otlp_kind, struct str message);

#endif
