/* exposition.h -- a cursor over exposition text, one line at a time: what exposition_parse is made
 * of, and what lets the scraper skip the parts of a line that it has seen before.
 *
 *     # TYPE http_requests_total counter        a comment: exposition_read_comment
 *     http_requests_total{code="200"} 1027 17.5 # {trace_id="a"} 1
 *     '------------- key -----------' '--- exposition_read_value -'
 *
 * The text is borrowed and need not end in NUL. Nothing is copied but what has escapes, which goes
 * to the arena. Bounds: a line, the labels of a series; everything else is bounded by the text.
 * Grammar: prometheus.io/docs/instrumenting/exposition_formats and the OpenMetrics 1.0
 * specification; where Prometheus's own parser takes more (quoted UTF-8 names, a comma before the
 * brace), so does this one. */
#ifndef CQED_INGEST_EXPOSITION_H
#define CQED_INGEST_EXPOSITION_H

#include "ingest/ingest.h"

#define EXPOSITION_MAX_LINE_BYTES ((size_t)256 << 10)
#define EXPOSITION_MAX_LABELS 256
#define EXPOSITION_NO_TIME INT64_MIN
/* Seconds from here on, or up to its negative, cannot be a time in milliseconds. */
#define EXPOSITION_SECONDS_END 9e15

enum exposition_line { EXPOSITION_END, EXPOSITION_COMMENT, EXPOSITION_SERIES };

struct exposition {
    enum exposition_format format;
    const char *p; /* the next byte to read */
    const char *end;
    size_t line;                /* of p, from 1 */
    bool eof;                   /* "# EOF" was seen */
    struct str family, type;    /* of the last TYPE comment; n == 0 before the first */
    struct arena *arena;        /* for what has escapes */
    struct exposition_key *key; /* room that exemplars use */
    bool has_exemplar;          /* of the line last read; its labels are in `key` */
    double exemplar_v;
    int64_t exemplar_t_ms; /* EXPOSITION_NO_TIME when there is none */
};

/* name{labels} as it stands in the text, and what it means. Labels with an empty value are still in
 * the list: with honor_labels they keep a target's label away. */
struct exposition_key {
    struct str bytes;
    struct str name;
    size_t n;
    struct label labels[EXPOSITION_MAX_LABELS]; /* sorted by name, each once */
};

/* What a comment says; n == 0 where it says nothing. */
struct exposition_comment {
    struct str family, type, help, unit;
};

/* `room` is scratch for exemplars. */
void exposition_init(struct exposition *, enum exposition_format, struct str text, struct arena *,
                     struct exposition_key *room);

/* Go to the first byte of the next line that says something, and tell what it is. */
MUST_CHECK bool exposition_next(struct exposition *, enum exposition_line *, struct err *);

/* At a comment: the bytes of its line, without moving. */
struct str exposition_peek_line(const struct exposition *);
void exposition_skip_line(struct exposition *, struct str line); /* what the above gave */

/* At a comment: read it and go behind its line. */
MUST_CHECK bool exposition_read_comment(struct exposition *, struct exposition_comment *,
                                        struct err *);

/* At a series: read its name and labels, and stop behind them. */
MUST_CHECK bool exposition_read_key(struct exposition *, struct exposition_key *, struct err *);

/* Behind a key: read the rest of the line. *t_ms is EXPOSITION_NO_TIME when there is none. */
MUST_CHECK bool exposition_read_value(struct exposition *, double *v, int64_t *t_ms, struct err *);

/* Whether a series of this name counts from zero by what the last TYPE comment says: a counter, or
 * the buckets, count and sum of a histogram, or the count and sum of a summary. */
bool exposition_counts(const struct exposition *, struct str name);

/* A bound as Prometheus 3 writes le and quantile labels: "1.0", "0.25", "1e+06", "+Inf". */
struct str exposition_bound(struct arena *, double);

#endif
