/* eval.h -- an evaluation under way. Private to promql/.
 *
 * A value over all steps is a column: one double a step, ABSENT where there is none. Columns of an
 * instant vector are pushed one by one through sinks, so that sum(rate(x[5m])) never holds more
 * than one column of rates. Scalars are one array of a double a step. Everything lives in the
 * query's arena.
 *
 * A column that holds native histograms has a second array beside its floats; one that holds none,
 * as most do, has NULL there and costs nothing. A step has a float or a histogram, never both.
 * What looks at floats only need not know: where the histogram is, the float is ABSENT.
 *
 * Metric names go late, as in Prometheus 3: a column that lost its name keeps the label and has
 * drop_name set; query.c drops it when the result is made, unless label_replace() rescued it. */
#ifndef CQED_PROMQL_EVAL_H
#define CQED_PROMQL_EVAL_H

#include "promql/ast.h"
#include "promql/native.h"

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
    double *v;                  /* one a step */
    const struct histogram **h; /* the same; NULL: no histograms at all */
    bool lasting;               /* the histograms themselves live as long as the query */
};

/* A value of either kind; neither: v is ABSENT and h NULL. */
struct value {
    double v;
    const struct histogram *h;
};

static inline bool column_has(const struct column *c, size_t i)
{
    return !is_absent(c->v[i]) || (c->h && c->h[i]);
}
static inline struct value column_value(const struct column *c, size_t i)
{
    return (struct value){c->v[i], c->h ? c->h[i] : NULL};
}

/* Takes columns. `put` may change the column it gets, labels and values; the values are gone after
 * it returns, histograms too unless they are lasting, so who keeps them copies them
 * (column_keep()). */
struct sink {
    bool (*put)(struct sink *, struct column *, struct err *);
};

/* --- The query: what all evaluations in it share --- */

enum note_kind { NOTE_WARNING, NOTE_INFO };

/* Counts that fell from one bucket to the next and were lifted, over series and steps. */
struct mended {
    uint64_t n;                /* histograms */
    int64_t first_ms, last_ms; /* when */
    double low_le, high_le;    /* which buckets */
    double most;               /* by how much at most */
};

#define NOTHING_MENDED                                                                             \
    {                                                                                              \
        .low_le = (double)INFINITY, .high_le = -(double)INFINITY                                   \
    }

struct note {
    enum note_kind kind;
    const char *text;
    struct mended *mended; /* what the text says of them; NULL for other notes */
};

struct query {
    const struct promql_source *source;
    struct promql_options options; /* defaults filled in */
    struct arena *arena;
    struct str text;
    int64_t start_ms, end_ms, step_ms; /* of the question; @ start() and @ end() */
    uint64_t touched, held;            /* samples so far, and those in memory */
    uint64_t work;                     /* since the clock was read last */
    uint64_t memory_before;            /* of the arena, at the beginning */
    struct note *notes;
    size_t n_notes, note_capacity;
    struct arena *scratch; /* scratch_room() */
    struct arena **rooms;  /* that and all of new_room(): they count as the query's memory */
    size_t n_rooms, room_capacity;
};

/* Warnings and infos; each text once. `position` is that of what they are about. */
void add_note(struct query *, enum note_kind, size_t position, const char *format, ...)
    PRINTF_LIKE(4, 5);

/* The same for histogram_quantile's mended counts: what is said of one metric is put together. */
void add_mended_note(struct query *, size_t position, struct str metric, const struct mended *);

/* Where notes about an argument point: behind its parentheses; and to the query's beginning when it
 * is a subquery, as Prometheus does, for which a subquery's result comes from nowhere. */
size_t argument_position(const struct promql_expr *);

/* Count samples: ERR_LIMIT over max_samples, until they are let go. */
MUST_CHECK bool touch_samples(struct query *, uint64_t samples, struct err *);
static inline void let_go_samples(struct query *q, uint64_t samples)
{
    q->held -= samples;
}
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
bool column_has_any(const struct column *, size_t n);
bool column_has_histograms(const struct column *, size_t n);
/* No value of either kind at this step any more. */
void column_clear(struct column *, size_t step);
/* Room for a column's histograms, all NULL. */
MUST_CHECK bool new_histograms(struct evaluation *, const struct histogram ***out, struct err *);
/* A copy of the values in the query's arena. Counts as touched, histograms by their size. */
MUST_CHECK bool column_keep(struct evaluation *, struct column *to, const struct column *from,
                            struct err *);

/* --- Memory for histograms on their way --- */

/* An arena of its own that is released with the query: for what an operator makes of one column,
 * cleared when that has been put. */
struct arena *new_room(struct evaluation *);
/* For use within one computation, never over a put or another evaluation. Cleared by each call. */
struct arena *scratch_room(struct query *);

/* --- Matrices (select.c) --- */

struct matrix_series {
    struct labels labels;
    bool drop_name;
    size_t n, n_h;
    bool rises;                   /* no float is less than the one before; false: not known */
    const struct sample *samples; /* without stale markers */
    const struct histogram_sample *histograms;
    const int64_t *starts, *h_starts; /* by sample and histogram; NULL: not known of any */
};

struct matrix {
    struct matrix_series *v;
    size_t n;
};

/* A column's values as points, in the query's arena. */
MUST_CHECK bool column_points(const struct evaluation *, const struct column *,
                              struct matrix_series *, struct err *);
MUST_CHECK bool eval_matrix(struct evaluation *, const struct promql_expr *, struct matrix *,
                            struct err *);
/* The same one by one, sorted by labels: samples are gone when each was seen. */
struct matrix_visitor {
    bool (*see)(struct matrix_visitor *, const struct matrix_series *, struct err *);
};
MUST_CHECK bool visit_matrix(struct evaluation *, const struct promql_expr *,
                             struct matrix_visitor *, struct err *);

/* Hints in the place of unknown ones (native_hints.c). `earlier`: the same series right before
 * this part of it, or NULL. */
void native_mark_resets(struct query *, struct promql_series *, const struct promql_series *earlier,
                        bool stats);

/* Where a selector or subquery looks in this query. */
struct look {
    const struct promql_expr *expr;
    int64_t range_ms, step_ms, offset_ms; /* step_ms: 0 = the default */
};
MUST_CHECK bool look_at(const struct evaluation *, const struct promql_expr *, struct look *,
                        struct err *); /* duration.c */
/* The time that it looks back from, offset and @ applied. */
int64_t reference_time(const struct evaluation *, const struct look *, size_t step);
/* As eval_vector of a selector, or with the samples' times or start times, in seconds, in place of
 * their values. */
enum selected { SELECT_VALUES, SELECT_TIMES, SELECT_STARTS };
MUST_CHECK bool eval_selector(struct evaluation *, const struct promql_expr *, enum selected,
                              struct sink *, struct err *);

/* --- Operators --- */

MUST_CHECK bool eval_binary(struct evaluation *, const struct promql_expr *, struct sink *,
                            struct err *); /* binary.c */
double binary_value(enum binary_op, double l, double r, bool returns_bool, bool keep_right);
/* As above where a side may be a histogram; says what there is to say. What is new goes to the
 * arena. */
struct value native_binary(struct query *, const struct promql_expr *, struct arena *,
                           struct value l, struct value r, bool keep_right); /* native_binary.c */
/* Whether two values can meet in this operator at all; of vectors on both sides. */
bool binary_fits(enum binary_op, struct value l, struct value r);
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
