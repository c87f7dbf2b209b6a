/* slo.h -- a service level objective as the rest of the house uses it, whatever file it came from.
 * Source of the vocabulary: OpenSLO v1 (openslo.com). All memory belongs to the configuration's
 * arena. */
#ifndef CQED_MODEL_SLO_H
#define CQED_MODEL_SLO_H

#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

/* X(enumerator, name in configuration) */
#define BUDGETING_METHODS(X)                                                                       \
    X(BUDGETING_OCCURRENCES, "Occurrences")                                                        \
    X(BUDGETING_TIMESLICES, "Timeslices")                                                          \
    X(BUDGETING_RATIO_TIMESLICES, "RatioTimeslices")

enum budgeting_method {
#define X(code, name) code,
    BUDGETING_METHODS(X)
#undef X
};

enum threshold_op { THRESHOLD_LTE, THRESHOLD_GTE, THRESHOLD_LT, THRESHOLD_GT };

enum sli_kind {
    SLI_RATIO,    /* good/total or bad/total of counters */
    SLI_THRESHOLD /* each sample of a gauge is an occurrence, good when `value op limit` */
};

struct sli_spec {
    enum sli_kind kind;
    const char *total_query; /* SLI_RATIO */
    const char *good_query;  /* one of good and bad is NULL */
    const char *bad_query;
    const char *threshold_query; /* SLI_THRESHOLD */
    const char *source; /* which of telemetry.sources has its series; NULL = the embedded store */
    enum threshold_op threshold_op;
    double threshold;
};

struct slo_spec {
    const char *name;
    const char *display_name; /* name when the file has none */
    const char *description;  /* "" when the file has none */
    const char *service;
    struct sli_spec sli;
    enum budgeting_method budgeting;
    double target;     /* 0.999 */
    int64_t window_ms; /* rolling; 28 d when the file has none */
    const char *path;  /* where it was defined, for messages */
    int line;
};

const char *budgeting_method_name(enum budgeting_method);
const char *threshold_op_name(enum threshold_op); /* lte gte lt gt */

#endif
