/* exposition_check.h -- exposition text read strictly, for `cqed check metrics`: every problem with
 * its place, where the scraper's reader (exposition.h) takes what it can.
 *
 *     a line:    grammar                                            exposition_check_line.c
 *     a family:  metadata, suffixes, labels, order                  exposition_check.c
 *     a point:   the samples of one label set at one time together  exposition_check_point.c
 *     names:     what promtool's lint says too                      exposition_lint.c
 *
 * After a broken line reading goes on with the next; a family with a problem of order is not asked
 * for more, so that one mistake is one message. Memory: a few times the text, all in `arena`.
 * Rules: the OpenMetrics 1.0 specification, and prometheus.io/docs/instrumenting for text 0.0.4;
 * the MUSTs are errors, the SHOULDs and habits warnings. */
#ifndef CQED_INGEST_EXPOSITION_CHECK_H
#define CQED_INGEST_EXPOSITION_CHECK_H

#include "base/map.h"
#include "ingest/ingest.h"

/* X(enumerator, name in TYPE lines) */
#define METRIC_TYPES(X)                                                                            \
    X(METRIC_UNKNOWN, "unknown")                                                                   \
    X(METRIC_COUNTER, "counter")                                                                   \
    X(METRIC_GAUGE, "gauge")                                                                       \
    X(METRIC_HISTOGRAM, "histogram")                                                               \
    X(METRIC_GAUGE_HISTOGRAM, "gaugehistogram")                                                    \
    X(METRIC_SUMMARY, "summary")                                                                   \
    X(METRIC_INFO, "info")                                                                         \
    X(METRIC_STATESET, "stateset")

#define EXPOSITION_CHECK_MAX_LABELS 1000

enum metric_type {
#define X(code, name) code,
    METRIC_TYPES(X)
#undef X
};

/* X(enumerator, suffix): what a sample's name has behind its family's. */
#define METRIC_SUFFIXES(X)                                                                         \
    X(SUFFIX_NONE, "")                                                                             \
    X(SUFFIX_TOTAL, "_total")                                                                      \
    X(SUFFIX_CREATED, "_created")                                                                  \
    X(SUFFIX_BUCKET, "_bucket")                                                                    \
    X(SUFFIX_COUNT, "_count")                                                                      \
    X(SUFFIX_SUM, "_sum")                                                                          \
    X(SUFFIX_GCOUNT, "_gcount")                                                                    \
    X(SUFFIX_GSUM, "_gsum")                                                                        \
    X(SUFFIX_INFO, "_info")

enum metric_suffix {
#define X(code, name) code,
    METRIC_SUFFIXES(X)
#undef X
        N_SUFFIXES
};

const char *metric_type_name(enum metric_type);
const char *metric_suffix_text(enum metric_suffix);

/* What stands in the text, with its place: p points into it. */
struct checked_label {
    struct str name, value;
    const char *name_at, *value_at;
};

struct checked_number {
    double v;
    struct str text;
};

/* A line with a value. */
struct checked_sample {
    struct str name;
    const char *at;
    struct checked_label *labels; /* in their order in the text */
    size_t n_labels;
    struct checked_number value;
    bool timed;
    struct checked_number time; /* seconds, or milliseconds in text 0.0.4 */
    bool has_exemplar;
    const char *exemplar_at;
    struct checked_label *exemplar_labels;
    size_t n_exemplar_labels;
    struct checked_number exemplar_value;
};

enum comment_kind { COMMENT_TYPE, COMMENT_UNIT, COMMENT_HELP }; /* in the order they should have */

/* A comment that says something. */
struct checked_comment {
    enum comment_kind kind;
    struct str family, text;
    const char *family_at, *text_at;
};

struct checked_bucket {
    double le, count;
    const char *at;
    size_t line;
};

/* The samples of one label set (le, quantile and the state left out) at one time. */
struct checked_point {
    size_t line, column; /* of its first sample */
    struct str labels;   /* for messages */
    bool ended;          /* another label set's samples followed */
    bool timed;
    double time;
    struct checked_bucket *buckets;
    size_t n_buckets, bucket_capacity;
    bool has[N_SUFFIXES];
    double values[N_SUFFIXES];
};

struct checked_family {
    struct str name;
    enum metric_type type;
    size_t line;                            /* of its first line */
    size_t type_line, help_line, unit_line; /* 0 = none */
    struct str help, unit;
    size_t sample_line; /* of its first sample, 0 = none yet */
    bool ended;         /* another family followed */
    bool order_said;
    bool muddled;       /* its order was wrong once; its points are not judged */
    struct map *points; /* label set -> struct checked_point; NULL when it is not the present one */
    struct map *seen;   /* sample -> its line + 1 */
    struct checked_point *point; /* the present one */
    unsigned linted;             /* what was said of its labels already */
};

struct checker {
    enum exposition_format format;
    const char *path;
    struct diag_list *diags;
    struct arena arena;
    const char *p, *end; /* what is left of the line */
    const char *line_begin;
    size_t line; /* from 1 */
    bool eof, said_quotes;
    struct map *families;          /* name -> struct checked_family */
    struct map *taken;             /* sample name -> the family that has it */
    struct checked_family *family; /* the present one */
};

static inline bool check_is_openmetrics(const struct checker *c)
{
    return c->format == EXPOSITION_OPENMETRICS_1;
}

/* Say what is wrong at a place in the present line. Returns false. */
bool check_error(struct checker *, const char *at, const char *format, ...) PRINTF_LIKE(3, 4);
void check_warning(struct checker *, const char *at, const char *format, ...) PRINTF_LIKE(3, 4);
/* The same of a place that was noted. */
void check_error_at(struct checker *, size_t line, size_t column, const char *format, ...)
    PRINTF_LIKE(4, 5);
void check_warning_at(struct checker *, size_t line, size_t column, const char *format, ...)
    PRINTF_LIKE(4, 5);
size_t check_column(const struct checker *, const char *at);

/* --- exposition_check_line.c; false after saying why --- */
bool check_read_sample(struct checker *, struct checked_sample *);
/* *says is false for a comment that is only one. "# EOF" sets eof. */
bool check_read_comment(struct checker *, struct checked_comment *, bool *says);
/* A float as the text has it: decimal, inf or nan. */
bool check_parse_number(struct str text, double *out);

/* --- exposition_check_point.c --- */
void check_point_sample(struct checker *, struct checked_family *, enum metric_suffix,
                        const struct checked_sample *);
void check_points_end(struct checker *, struct checked_family *);

/* --- exposition_lint.c --- */
void lint_family(struct checker *, const struct checked_family *);
void lint_labels(struct checker *, struct checked_family *, const struct checked_sample *);

#endif
