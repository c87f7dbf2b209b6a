/* promql.h -- PromQL, from text to values, over any source of series. Semantics: Prometheus 3
 * (../../docs/manual/promql.md). Parse once, evaluate often; an expression is immutable and shared
 * between threads. */
#ifndef CQED_PROMQL_PROMQL_H
#define CQED_PROMQL_PROMQL_H

#include "base/arena.h"
#include "base/err.h"
#include "codec/json.h"
#include "model/histogram.h"
#include "model/labels.h"
#include "model/sample.h"

#include <stdbool.h>
#include <stdint.h>

/* When a series began to count: holds for its samples from t_ms on, until the next of these. */
struct promql_start {
    int64_t t_ms, start_ms; /* start_ms 0: not known */
};

/* Where series come from: the embedded store or a remote Prometheus. Memory goes to the arena. */
struct promql_series {
    struct labels labels;
    size_t n;
    const struct sample *samples; /* ascending, stale markers included */
    size_t n_histograms;          /* native ones; a series may hold both, at different times */
    const struct histogram_sample *histograms; /* ascending */
    size_t n_starts;                           /* changes only: mostly none or one */
    const struct promql_start *starts;         /* ascending */
};

/* Sees one series after another. */
struct promql_visitor {
    bool (*see)(struct promql_visitor *, const struct promql_series *, struct err *);
};

struct promql_source {
    void *self;
    bool (*select)(void *self, struct arena *, const struct matcher *, size_t n_matchers,
                   int64_t mint_ms, int64_t maxt_ms, struct promql_series **out, size_t *n,
                   struct err *);
    /* As select, but of each series only its first sample in the range: where a window begins that
     * reaches back before its series. NULL: select is asked
     * instead. */
    bool (*select_first)(void *self, struct arena *, const struct matcher *, size_t n_matchers,
                         int64_t mint_ms, int64_t maxt_ms, struct promql_series **out, size_t *n,
                         struct err *);
    /* As select, but series by series, ordered by labels: samples and the arrays of histograms are
     * gone when each was seen, labels and histograms themselves are the arena's. The source may be
     * asked other questions meanwhile. NULL: select is asked instead. */
    bool (*visit)(void *self, struct arena *, const struct matcher *, size_t n_matchers,
                  int64_t mint_ms, int64_t maxt_ms, struct promql_visitor *, struct err *);
};

/* The buckets of a histogram that are not empty, from the lowest to the highest. */
struct promql_bucket {
    double low, high, count;
    bool low_inclusive, high_inclusive;
};
const struct promql_bucket *promql_buckets(struct arena *, const struct histogram *, size_t *n);

struct promql_expr;

/* ERR_BAD_INPUT with "line:column: what" on a syntax or type error. The expression lives in the
 * arena. */
struct promql_expr *promql_parse(struct arena *, struct str text, struct err *);

/* The same, and with `stable_only` (query.experimental is off) what is experimental is an error,
 * too.
 */
struct promql_expr *promql_parse_allowed(struct arena *, struct str text, bool stable_only,
                                         struct err *);

/* The canonical text of an expression (Prometheus's formatting on one line). */
void promql_print(const struct promql_expr *, struct buf *);

/* The tree of an expression as Prometheus's /api/v1/parse_query shows it. */
void promql_tree(const struct promql_expr *, struct json_writer *);

/* The matchers of every selector in it, in the order of the text. */
struct promql_selector {
    const struct matcher *matchers;
    size_t n;
};
void promql_selectors(const struct promql_expr *, struct arena *, const struct promql_selector **,
                      size_t *n);

enum promql_type { PROMQL_SCALAR, PROMQL_STRING, PROMQL_VECTOR, PROMQL_MATRIX };
enum promql_type promql_expr_type(const struct promql_expr *);

/* What in it is experimental in Prometheus 3, by name; NULL: nothing. */
const char *promql_experimental(const struct promql_expr *);

/* When the whole expression is one instant vector selector: its matchers (the name included) and
 * true. Also looks through sum(...), rate(...[w]), increase(...[w]) and parentheses, since an SLI's
 * counters are the same under them; `by` and arithmetic are not looked through. */
bool promql_as_counter_selector(const struct promql_expr *, const struct matcher **out, size_t *n);

struct promql_options {
    int64_t lookback_ms;      /* 0 = 5 min */
    uint64_t max_samples;     /* in memory at one time; 0 = 50,000,000; more is ERR_LIMIT */
    int64_t deadline_mono_ns; /* 0 = none; past it ERR_TIMEOUT */
    uint64_t
        max_memory_bytes; /* of the arena, counted from the beginning; 0 = no limit; ERR_LIMIT */
    /* Asked every few milliseconds; true ends the evaluation with ERR_CANCELLED. NULL = never. */
    bool (*cancelled)(void *self);
    void *cancelled_self;
};

struct promql_result {
    enum promql_type type;
    double scalar; /* PROMQL_SCALAR, instant queries */
    int64_t t_ms;
    struct str string;
    /* PROMQL_VECTOR: one sample a series; PROMQL_MATRIX: many. Sorted by labels in range queries,
     * in evaluation order (sort(), topk()) in instant ones. */
    struct promql_series *series;
    size_t n_series;
    uint64_t touched; /* samples, those that were let go too */
    const char **warnings;
    size_t n_warnings;
    const char **infos;
    size_t n_infos;
};

/* Value at one time, or over start..end by step (at most 11,000 points a series, else
 * ERR_BAD_INPUT). ERR_BAD_INPUT = the question is wrong, others = it could not be answered. */
MUST_CHECK bool promql_instant(const struct promql_expr *, const struct promql_source *,
                               const struct promql_options *, int64_t t_ms, struct arena *,
                               struct promql_result *out, struct err *);
MUST_CHECK bool promql_range(const struct promql_expr *, const struct promql_source *,
                             const struct promql_options *, int64_t start_ms, int64_t end_ms,
                             int64_t step_ms, struct arena *, struct promql_result *out,
                             struct err *);

/* As the `data` of Prometheus's HTTP API: {"resultType","result"}. False when text and arena are
 * over max_bytes (0 = any): series are missing then. */
MUST_CHECK bool promql_put_result(struct json_writer *, struct arena *,
                                  const struct promql_result *, uint64_t max_bytes);

#endif
