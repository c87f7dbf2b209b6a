/* eval.h -- an evaluation under way. Private to promql/.
 *
 * A value over all steps is a column: one double a step, ABSENT where there is none. Columns of an
 * instant vector are pushed one by one through sinks, so that sum(rate(x[5m])) never holds more
 * than one column of rates. Scalars are one array of a double a step. Everything lives in the
 * query's arena.
 *
 * Metric names go late, as in Prometheus 3: a column that lost its name keeps the label and has
 * drop_name set; query.c drops it when the result is made, unless label_replace() rescued it. */
#ifndef CQED_PROMQL_EVAL_H
#define CQED_PROMQL_EVAL_H

#include "promql/ast.h"

#define DEFAULT_SUBQUERY_STEP_MS 60000

/* The stale marker: it is never a value. Do no arithmetic on it. */
#define ABSENT stale_nan()
static inline bool is_absent(double v)
{
    return is_stale_nan(v);
}

struct column {
    struct labels labels; /* in the query's arena */
    bool drop_name;
    double *v; /* one a step */
};

/* Takes columns. `put` may change the column it gets, labels and values; the values are gone after
 * it returns, so who keeps them copies them. */
struct sink {
    bool (*put)(struct sink *, struct column *, struct err *);
};

/* --- The query: what all evaluations in it share --- */

enum note_kind { NOTE_WARNING, NOTE_INFO };

struct note {
    enum note_kind kind;
    const char *text;
};

struct query {
    const struct promql_source *source;
    struct promql_options options; /* defaults filled in */
    struct arena *arena;
    struct str text;
    int64_t start_ms, end_ms, step_ms; /* of the question; @ start() and @ end() */
    uint64_t touched;                  /* samples so far */
    uint64_t work;                     /* since the clock was read last */
    struct note *notes;
    size_t n_notes, note_capacity;
};

/* Warnings and infos; each text once. `position` is that of what they are about. */
void add_note(struct query *, enum note_kind, size_t position, const char *format, ...)
    PRINTF_LIKE(4, 5);

/* Count samples: ERR_LIMIT over max_samples. */
MUST_CHECK bool touch_samples(struct query *, uint64_t samples, struct err *);
/* Count work, in anything like loop turns: ERR_TIMEOUT past the deadline. */
MUST_CHECK bool spend_slow(struct query *, struct err *);
MUST_CHECK static inline bool spend(struct query *q, uint64_t work, struct err *err)
{
    q->work += work + 1;
    return q->work < (1 << 18) || spend_slow(q, err);
}

/* --- One evaluation: the query's own steps, or those of a subquery --- */

struct evaluation {
    struct query *query;
    struct arena *arena; /* the query's */
    int64_t start_ms, step_ms;
    size_t n_steps;
};

static inline int64_t step_time(const struct evaluation *e, size_t i)
{
    return e->start_ms + (int64_t)i * e->step_ms;
}

/* By the type of the expression. */
MUST_CHECK bool eval_vector(struct evaluation *, const struct promql_expr *, struct sink *,
                            struct err *);
MUST_CHECK bool eval_scalar(struct evaluation *, const struct promql_expr *, double **out,
                            struct err *);
struct str eval_string(const struct promql_expr *);

/* All columns of a vector at once. */
struct columns {
    struct column *v;
    size_t n, capacity;
};
MUST_CHECK bool eval_columns(struct evaluation *, const struct promql_expr *, struct columns *,
                             struct err *);

/* Room for a column's values, not filled; counts as touched. */
MUST_CHECK bool new_values(struct evaluation *, double **out, struct err *);
void fill_absent(double *v, size_t n);
bool has_values(const double *v, size_t n);

/* --- Matrices (select.c) --- */

struct matrix_series {
    struct labels labels;
    bool drop_name;
    size_t n;
    const struct sample *samples; /* without stale markers */
};

struct matrix {
    struct matrix_series *v;
    size_t n;
};

MUST_CHECK bool eval_matrix(struct evaluation *, const struct promql_expr *, struct matrix *,
                            struct err *);

/* Where a selector or subquery looks in this query. */
struct look {
    const struct promql_expr *expr;
    int64_t range_ms, step_ms, offset_ms; /* step_ms: 0 = the default */
};
MUST_CHECK bool look_at(const struct evaluation *, const struct promql_expr *, struct look *,
                        struct err *); /* duration.c */
/* The time that it looks back from, offset and @ applied. */
int64_t reference_time(const struct evaluation *, const struct look *, size_t step);
/* As eval_vector of a selector, with the samples' times in seconds in place of their values. */
MUST_CHECK bool eval_selector(struct evaluation *, const struct promql_expr *, bool times,
                              struct sink *, struct err *);

/* --- Operators --- */

MUST_CHECK bool eval_binary(struct evaluation *, const struct promql_expr *, struct sink *,
                            struct err *); /* binary.c */
double binary_value(enum binary_op, double l, double r, bool returns_bool, bool keep_right);
MUST_CHECK bool eval_vectors(struct evaluation *, const struct promql_expr *, struct sink *,
                             struct err *); /* matching.c */
MUST_CHECK bool eval_set(struct evaluation *, const struct promql_expr *, struct sink *,
                         struct err *); /* sets.c */
MUST_CHECK bool eval_aggregate(struct evaluation *, const struct promql_expr *, struct sink *,
                               struct err *); /* aggregate.c */
MUST_CHECK bool eval_ranked(struct evaluation *, const struct promql_expr *, struct sink *,
                            struct err *); /* ranked.c */
MUST_CHECK bool eval_count_values(struct evaluation *, const struct promql_expr *, struct sink *,
                                  struct err *); /* count_values.c */

#endif
