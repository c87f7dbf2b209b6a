/* native_notes.h -- what a query says about histograms that it met where they do not fit. Wording:
 * Prometheus, util/annotations. Private to promql/. */
#ifndef CQED_PROMQL_NATIVE_NOTES_H
#define CQED_PROMQL_NATIVE_NOTES_H

#include "promql/eval.h"

/* X(enumerator, kind, text in front of the metric's name): about one metric. */
#define METRIC_NOTES(X)                                                                            \
    X(NOTE_MIXED_KINDS, NOTE_WARNING,                                                              \
      "encountered a mix of histograms and floats for metric name")                                \
    X(NOTE_NOT_COUNTER, NOTE_WARNING, "this native histogram metric is not a counter:")            \
    X(NOTE_NOT_GAUGE, NOTE_WARNING, "this native histogram metric is not a gauge:")                \
    X(NOTE_MIXED_SCHEMAS, NOTE_WARNING,                                                            \
      "vector contains a mix of histograms with exponential and custom buckets schemas for "       \
      "metric name")                                                                               \
    X(NOTE_IGNORED_IN_RANGE, NOTE_INFO,                                                            \
      "ignored histograms in a range containing both floats and histograms for metric name")

enum metric_note {
#define X(code, kind, text) code,
    METRIC_NOTES(X)
#undef X
};

/* X(enumerator, kind, text): "... for metric name" follows where there is one. */
#define OPTIONAL_NOTES(X)                                                                          \
    X(NOTE_MIXED_CLASSIC, NOTE_WARNING, "vector contains a mix of classic and native histograms")  \
    X(NOTE_QUANTILE_NAN, NOTE_INFO,                                                                \
      "input to histogram_quantile has NaN observations, result is NaN")                           \
    X(NOTE_QUANTILE_SKEW, NOTE_INFO,                                                               \
      "input to histogram_quantile has NaN observations, result is skewed higher")                 \
    X(NOTE_FRACTION_NANS, NOTE_INFO,                                                               \
      "input to histogram_fraction has NaN observations, which are excluded from all fractions")

enum optional_note {
#define X(code, kind, text) code,
    OPTIONAL_NOTES(X)
#undef X
};

void note_metric(struct query *, enum metric_note, struct labels, size_t position);
void note_optional(struct query *, enum optional_note, struct labels, size_t position);

void note_mixed_aggregation(struct query *, size_t position);
void note_ignored_in_aggregation(struct query *, const char *name, size_t position);
/* `operation`: addition, subtraction or aggregation. */
void note_meeting(struct query *, const struct meeting *, const char *operation, size_t position);
void note_incompatible_types(struct query *, const struct promql_expr *, bool left_is_histogram,
                             bool right_is_histogram);
void note_incompatible_layout(struct query *, const struct promql_expr *);

#endif
