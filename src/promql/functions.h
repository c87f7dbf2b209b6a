/* functions.h -- what can be called: a function is one row of the table in functions.c, its code
 * stands in the file of its family. Private to promql/. */
#ifndef CQED_PROMQL_FUNCTIONS_H
#define CQED_PROMQL_FUNCTIONS_H

#include "promql/eval.h"

#include <limits.h>

#define MAX_ARGS 6
#define ANY_NUMBER UINT_MAX

/* What all windows of one series have in common. */
struct range_call {
    struct query *query;
    const struct promql_expr *expr; /* the call */
    struct labels labels;
    struct arena *room; /* for histograms that are made; NULL when the series has none */
};

/* The samples of one series in (start_ms, end_ms]; never empty. Histograms come second: what takes
 * them stands in native_range.c, and is asked only where there are some. */
struct window {
    const struct sample *v;
    size_t n;
    int64_t start_ms, end_ms;
    int64_t at_ms;            /* the step's own time; not end_ms under offset and @ */
    const size_t *falls;      /* the samples below the one before them, both in the window: ... */
    size_t n_falls;           /* ... v[falls[i] - first], oldest first */
    size_t first;             /* how many samples of the series are before v */
    size_t extreme;           /* of min and max: which sample is it */
    const double *parameters; /* the scalar arguments in their order */
    double *scratch;          /* room for n doubles */
    const int64_t *starts;    /* of the samples; NULL: not known */
    const struct histogram_sample *h;
    size_t n_h;
    const int64_t *h_starts;
    const struct range_call *call;
};

/* One value from a window; false: none. */
typedef bool range_fn(const struct window *, double *out);
/* Windows of one length, a step apart. */
struct windows {
    int64_t first_end_ms, step_ms, range_ms;
    size_t n;
};
/* The values of all windows over a series, ABSENT where there is none. A counter's has no falls. */
typedef void column_fn(const struct sample *, size_t n, const struct windows *, double *out);
/* One value of either kind from a window that holds histograms; false: none. */
typedef bool native_range_fn(const struct window *, struct value *out);
/* One value from one value and the scalar arguments; may be ABSENT. */
typedef double math_fn(double v, const double *parameters);
/* A scalar over all steps. */
typedef bool scalar_fn(struct evaluation *, const struct promql_expr *, double *out, struct err *);
/* Any vector. */
typedef bool call_fn(struct evaluation *, const struct promql_expr *, struct sink *, struct err *);

struct function {
    const char *name;
    enum promql_type returns;
    unsigned min_args, max_args;
    enum promql_type args[MAX_ARGS]; /* the last one repeats */
    /* exactly one of these */
    range_fn *range;
    math_fn *math;
    scalar_fn *scalar;
    call_fn *call;
    column_fn *column;       /* range: the same for many windows at once; may be NULL */
    native_range_fn *native; /* range: for windows with histograms. NULL: it ignores them */
    bool keeps_name;
    bool experimental;
    bool keyword;     /* its name may be written in any case */
    bool of_counter;  /* range: says when the metric's name is not a counter's */
    bool of_time;     /* range: the result depends on at_ms too; math: no argument means time() */
    bool of_quantile; /* range: the first parameter is a quantile */
    enum { USE_ANY, USE_STATS, USE_BUCKETS } histogram_use; /* of native ones below it */
    int extreme; /* range: needs the window's highest (1) or lowest (-1) sample */
};

const struct function *function_find(struct str name);
const char *function_nearest(struct str name); /* aggregations too */
enum promql_type function_arg(const struct function *, size_t i);

/* The scalar arguments of a call, over all steps, and the one that is none (NULL: all are). */
#define MAX_PARAMETERS 3
struct parameters {
    double *v[MAX_PARAMETERS];
    size_t n;
};
MUST_CHECK bool eval_parameters(struct evaluation *, const struct promql_expr *,
                                struct parameters *, const struct promql_expr **rest, struct err *);
void parameters_at(const struct parameters *, size_t step, double *out);

call_fn call_range; /* windows.c */
MUST_CHECK bool eval_call(struct evaluation *, const struct promql_expr *, struct sink *,
                          struct err *);
/* Says so when a quantile is no number from 0 to 1. */
void note_quantile(struct query *, double quantile, size_t position);
/* The phi-quantile, linear between ranks; sorts the values. */
double quantile_of(double phi, double *values, size_t n);
/* True when the label value is a number, as in le="0.5". */
bool parse_le(struct labels, double *le);

/* range.c */
range_fn range_rate, range_increase, range_delta, range_irate, range_idelta, range_resets,
    range_changes, range_deriv, range_predict_linear, range_smoothing;

column_fn column_rate, column_increase, column_delta;
/* How far a counter or gauge went between the first and the last sample of a window. */
struct gain {
    bool counter;
    size_t n; /* samples */
    int64_t first_ms, last_ms;
    int64_t start_ms; /* when the counter began, if it began in the window; else 0 */
    double first, gain;
};
/* What to multiply it with, so that it goes for the whole window. False: too few samples. */
bool extrapolation(const struct window *, const struct gain *, double *factor);
/* The first sample's start, where that is known and in the window before it; else 0. */
int64_t start_in_window(const struct window *, const int64_t *starts, int64_t first_ms);
/* The start timestamps say that a series was reset between two of its samples. */
bool is_restart(int64_t start_before, int64_t t_before, int64_t start, int64_t t);

/* native_range.c */
native_range_fn native_rate, native_increase, native_delta, native_irate, native_idelta,
    native_resets, native_changes, native_count, native_present, native_first, native_last,
    native_ts_first, native_ts_last, native_sum_over, native_avg;

/* over_time.c */
range_fn range_avg, range_sum, range_min, range_max, range_count, range_first, range_last,
    range_present, range_stddev, range_stdvar, range_quantile, range_mad, range_ts_first,
    range_ts_last, range_ts_min, range_ts_max;

/* math.c */
math_fn math_abs, math_ceil, math_floor, math_exp, math_sqrt, math_ln, math_log2, math_log10,
    math_round, math_sgn, math_clamp, math_clamp_min, math_clamp_max, math_deg, math_rad, math_sin,
    math_cos, math_tan, math_asin, math_acos, math_atan, math_sinh, math_cosh, math_tanh,
    math_asinh, math_acosh, math_atanh;

/* dates.c */
math_fn date_year, date_month, date_day_of_month, date_day_of_week, date_day_of_year,
    date_days_in_month, date_hour, date_minute;

/* calls.c */
scalar_fn scalar_time, scalar_pi, scalar_scalar, scalar_start, scalar_end, scalar_step,
    scalar_range, scalar_min_of, scalar_max_of;
call_fn call_vector, call_timestamp, call_start_timestamp, call_absent, call_absent_over_time,
    call_sort, call_sort_desc, call_sort_by_label, call_sort_by_label_desc;

/* relabel.c */
call_fn call_label_replace, call_label_join;

/* histogram.c */
call_fn call_histogram_quantile, call_histogram_quantiles, call_histogram_fraction;

/* native_functions.c */
call_fn call_histogram_avg, call_histogram_count, call_histogram_sum, call_histogram_stddev,
    call_histogram_stdvar;

/* info.c */
call_fn call_info;

#endif
