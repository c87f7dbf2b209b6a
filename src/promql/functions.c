/* The table of functions, and how the three common kinds are called. */
#include "promql/functions.h"

#include "promql/edges.h"
#include "promql/labelset.h"
#include "promql/parse.h"

#include <math.h>
#include <stdlib.h>
#include <strings.h>

#define S PROMQL_SCALAR
#define T PROMQL_STRING
#define V PROMQL_VECTOR
#define M PROMQL_MATRIX

/* clang-format off */
#define RANGE(text, fn, ...) {.name = text, .returns = V, .min_args = 1, .max_args = 1, .args = {M}, .range = fn, __VA_ARGS__}
#define MATH(text, fn) {.name = text, .returns = V, .min_args = 1, .max_args = 1, .args = {V}, .math = fn}
#define DATE(text, fn) {.name = text, .returns = V, .min_args = 0, .max_args = 1, .args = {V}, .math = fn, .of_time = true}
#define SCALAR(text, fn, n, ...) {.name = text, .returns = S, .min_args = n, .max_args = n, .args = {__VA_ARGS__}, .scalar = fn}
#define EXPERIMENTAL(text, fn, low, high, ...) {.name = text, .returns = V, .min_args = low, .max_args = high, .args = {__VA_ARGS__}, .call = fn, .experimental = true}
#define KEYWORD(text, fn, n, ...) {.name = text, .returns = S, .min_args = n, .max_args = n, .args = {__VA_ARGS__}, .scalar = fn, .keyword = true, .experimental = true}
#define CALL(text, fn, low, high, ...) {.name = text, .returns = V, .min_args = low, .max_args = high, .args = {__VA_ARGS__}, .call = fn}

/* Sorted by name. */
static const struct function functions[] = {
    MATH("abs", math_abs),
    CALL("absent", call_absent, 1, 1, V),
    CALL("absent_over_time", call_absent_over_time, 1, 1, M),
    MATH("acos", math_acos),
    MATH("acosh", math_acosh),
    MATH("asin", math_asin),
    MATH("asinh", math_asinh),
    MATH("atan", math_atan),
    MATH("atanh", math_atanh),
    RANGE("avg_over_time", range_avg, .native = native_avg),
    MATH("ceil", math_ceil),
    RANGE("changes", range_changes, .native = native_changes),
    {.name = "clamp", .returns = V, .min_args = 3, .max_args = 3, .args = {V, S, S}, .math = math_clamp},
    {.name = "clamp_max", .returns = V, .min_args = 2, .max_args = 2, .args = {V, S}, .math = math_clamp_max},
    {.name = "clamp_min", .returns = V, .min_args = 2, .max_args = 2, .args = {V, S}, .math = math_clamp_min},
    MATH("cos", math_cos),
    MATH("cosh", math_cosh),
    RANGE("count_over_time", range_count, .native = native_count),
    DATE("day_of_month", date_day_of_month),
    DATE("day_of_week", date_day_of_week),
    DATE("day_of_year", date_day_of_year),
    DATE("days_in_month", date_days_in_month),
    MATH("deg", math_deg),
    RANGE("delta", range_delta, .native = native_delta, .column = column_delta),
    RANGE("deriv", range_deriv),
    {.name = "double_exponential_smoothing", .returns = V, .min_args = 3, .max_args = 3, .args = {M, S, S}, .range = range_smoothing, .experimental = true},
    KEYWORD("end", scalar_end, 0, S),
    MATH("exp", math_exp),
    RANGE("first_over_time", range_first, .native = native_first, .keeps_name = true),
    MATH("floor", math_floor),
    {.name = "histogram_avg", .returns = V, .min_args = 1, .max_args = 1, .args = {V}, .call = call_histogram_avg, .histogram_use = USE_STATS},
    {.name = "histogram_count", .returns = V, .min_args = 1, .max_args = 1, .args = {V}, .call = call_histogram_count, .histogram_use = USE_STATS},
    {.name = "histogram_fraction", .returns = V, .min_args = 3, .max_args = 3, .args = {S, S, V}, .call = call_histogram_fraction, .histogram_use = USE_BUCKETS},
    {.name = "histogram_quantile", .returns = V, .min_args = 2, .max_args = 2, .args = {S, V}, .call = call_histogram_quantile, .histogram_use = USE_BUCKETS},
    {.name = "histogram_quantiles", .returns = V, .min_args = 3, .max_args = ANY_NUMBER, .args = {V, T, S}, .call = call_histogram_quantiles, .histogram_use = USE_BUCKETS, .experimental = true},
    CALL("histogram_stddev", call_histogram_stddev, 1, 1, V),
    CALL("histogram_stdvar", call_histogram_stdvar, 1, 1, V),
    {.name = "histogram_sum", .returns = V, .min_args = 1, .max_args = 1, .args = {V}, .call = call_histogram_sum, .histogram_use = USE_STATS},
    DATE("hour", date_hour),
    RANGE("idelta", range_idelta, .native = native_idelta),
    RANGE("increase", range_increase, .native = native_increase, .column = column_increase, .of_counter = true),
    EXPERIMENTAL("info", call_info, 1, 2, V, V),
    RANGE("irate", range_irate, .native = native_irate),
    CALL("label_join", call_label_join, 3, ANY_NUMBER, V, T, T, T),
    CALL("label_replace", call_label_replace, 5, 5, V, T, T, T, T),
    RANGE("last_over_time", range_last, .native = native_last, .keeps_name = true),
    MATH("ln", math_ln),
    MATH("log10", math_log10),
    MATH("log2", math_log2),
    RANGE("mad_over_time", range_mad, .experimental = true),
    KEYWORD("max_of", scalar_max_of, 2, S, S),
    RANGE("max_over_time", range_max, .extreme = 1),
    KEYWORD("min_of", scalar_min_of, 2, S, S),
    RANGE("min_over_time", range_min, .extreme = -1),
    DATE("minute", date_minute),
    DATE("month", date_month),
    SCALAR("pi", scalar_pi, 0, S),
    {.name = "predict_linear", .returns = V, .min_args = 2, .max_args = 2, .args = {M, S}, .range = range_predict_linear, .of_time = true},
    RANGE("present_over_time", range_present, .native = native_present),
    {.name = "quantile_over_time", .returns = V, .min_args = 2, .max_args = 2, .args = {S, M}, .range = range_quantile, .of_quantile = true},
    MATH("rad", math_rad),
    KEYWORD("range", scalar_range, 0, S),
    RANGE("rate", range_rate, .native = native_rate, .column = column_rate, .of_counter = true),
    RANGE("resets", range_resets, .native = native_resets),
    {.name = "round", .returns = V, .min_args = 1, .max_args = 2, .args = {V, S}, .math = math_round},
    SCALAR("scalar", scalar_scalar, 1, V),
    MATH("sgn", math_sgn),
    MATH("sin", math_sin),
    MATH("sinh", math_sinh),
    CALL("sort", call_sort, 1, 1, V),
    EXPERIMENTAL("sort_by_label", call_sort_by_label, 2, ANY_NUMBER, V, T),
    EXPERIMENTAL("sort_by_label_desc", call_sort_by_label_desc, 2, ANY_NUMBER, V, T),
    CALL("sort_desc", call_sort_desc, 1, 1, V),
    MATH("sqrt", math_sqrt),
    KEYWORD("start", scalar_start, 0, S),
    EXPERIMENTAL("start_timestamp", call_start_timestamp, 1, 1, V),
    RANGE("stddev_over_time", range_stddev),
    RANGE("stdvar_over_time", range_stdvar),
    KEYWORD("step", scalar_step, 0, S),
    RANGE("sum_over_time", range_sum, .native = native_sum_over),
    MATH("tan", math_tan),
    MATH("tanh", math_tanh),
    SCALAR("time", scalar_time, 0, S),
    CALL("timestamp", call_timestamp, 1, 1, V),
    RANGE("ts_of_first_over_time", range_ts_first, .native = native_ts_first, .experimental = true),
    RANGE("ts_of_last_over_time", range_ts_last, .native = native_ts_last, .experimental = true),
    RANGE("ts_of_max_over_time", range_ts_max, .experimental = true),
    RANGE("ts_of_min_over_time", range_ts_min, .experimental = true),
    CALL("vector", call_vector, 1, 1, S),
    DATE("year", date_year),
};
/* clang-format on */
#define N_FUNCTIONS (sizeof functions / sizeof *functions)

#undef S
#undef T
#undef V
#undef M

const struct function *function_find(struct str name)
{
    for (size_t i = 0; i < N_FUNCTIONS; i++) {
        const struct function *f = &functions[i];
        if (f->keyword ? word_is(name, f->name) : str_is(name, f->name))
            return f;
    }
    return NULL;
}

const char *function_nearest(struct str name)
{
    static const char *const aggregates[] = {
#define X(code, text, parameter) text,
        AGGREGATE_OPS(X)
#undef X
    };
    const size_t n_aggregates = sizeof aggregates / sizeof *aggregates;
    const char *all[N_FUNCTIONS + sizeof aggregates / sizeof *aggregates];
    for (size_t i = 0; i < N_FUNCTIONS; i++)
        all[i] = functions[i].name;
    for (size_t i = 0; i < n_aggregates; i++)
        all[N_FUNCTIONS + i] = aggregates[i];
    return str_nearest(name, all, N_FUNCTIONS + n_aggregates);
}

enum promql_type function_arg(const struct function *f, size_t i)
{
    size_t known = f->max_args;
    if (f->max_args == ANY_NUMBER)
        known = f->min_args + (f->call == call_label_join);
    if (known > MAX_ARGS)
        known = MAX_ARGS;
    return f->args[i < known ? i : known - 1];
}

/* --- Scalar arguments --- */

bool eval_parameters(struct evaluation *e, const struct promql_expr *expr, struct parameters *out,
                     const struct promql_expr **rest, struct err *err)
{
    *out = (struct parameters){.n = 0};
    *rest = NULL;
    for (size_t i = 0; i < expr->n_args; i++) {
        if (expr->args[i]->type != PROMQL_SCALAR) {
            *rest = expr->args[i];
            continue;
        }
        CHECK(out->n < MAX_PARAMETERS);
        if (!eval_scalar(e, expr->args[i], &out->v[out->n++], err))
            return false;
    }
    return true;
}

void parameters_at(const struct parameters *p, size_t step, double *out)
{
    for (size_t i = 0; i < p->n; i++)
        out[i] = p->v[i][step];
}

/* --- Functions of one value --- */

struct mapper {
    struct sink sink;
    struct evaluation *e;
    struct sink *next;
    math_fn *fn;
    struct parameters parameters;
};

static bool map_column(struct sink *sink, struct column *column, struct err *err)
{
    struct mapper *m = (struct mapper *)sink;
    double parameters[MAX_PARAMETERS] = {0};
    for (size_t i = 0; i < m->e->n_steps; i++) {
        if (is_absent(column->v[i]))
            continue;
        parameters_at(&m->parameters, i, parameters);
        column->v[i] = m->fn(column->v[i], parameters);
    }
    column->h = NULL;
    column->drop_name = true;
    return spend(m->e->query, m->e->n_steps, err) && m->next->put(m->next, column, err);
}

static bool put_time(struct evaluation *e, struct sink *sink, struct err *err)
{
    struct column column = {.labels = {0}};
    if (!new_values(e, &column.v, err))
        return false;
    for (size_t i = 0; i < e->n_steps; i++)
        column.v[i] = (double)step_time(e, i) / 1000;
    return sink->put(sink, &column, err);
}

/* round() has a default that is not 0. */
static bool default_parameters(struct evaluation *e, struct mapper *m, struct err *err)
{
    if (m->fn != math_round || m->parameters.n > 0)
        return true;
    m->parameters.n = 1;
    if (!new_values(e, &m->parameters.v[0], err))
        return false;
    for (size_t i = 0; i < e->n_steps; i++)
        m->parameters.v[0][i] = 1;
    return true;
}

static bool call_math(struct evaluation *e, const struct promql_expr *expr, struct sink *sink,
                      struct err *err)
{
    struct mapper m = {{map_column}, e, sink, expr->function->math, {.n = 0}};
    const struct promql_expr *vector;
    if (!eval_parameters(e, expr, &m.parameters, &vector, err) || !default_parameters(e, &m, err))
        return false;
    return vector ? eval_vector(e, vector, &m.sink, err) : put_time(e, &m.sink, err);
}

/* --- Any function --- */

static bool check_edges(const struct promql_expr *expr, struct err *err)
{
    const struct function *f = expr->function;
    enum edges edges = EDGES_EXTRAPOLATED;
    const char *allowed;
    for (size_t i = 0; i < expr->n_args; i++) {
        if (expr->args[i]->type == PROMQL_MATRIX)
            edges = without_parens(expr->args[i])->edges;
    }
    if (edges == EDGES_EXTRAPOLATED || edges_allowed(f, edges, &allowed))
        return true;
    return err_set(err, ERR_CONFLICT, "%s modifier can only be used with: %s - not with %s",
                   edges == EDGES_ANCHORED ? "anchored" : "smoothed", allowed, f->name);
}

bool eval_call(struct evaluation *e, const struct promql_expr *expr, struct sink *sink,
               struct err *err)
{
    const struct function *f = expr->function;
    if (!check_edges(expr, err))
        return false;
    if (f->math)
        return call_math(e, expr, sink, err);
    if (f->range)
        return call_range(e, expr, sink, err);
    return f->call(e, expr, sink, err);
}

/* --- Quantiles --- */

void note_quantile(struct query *q, double quantile, size_t position)
{
    if (!(quantile >= 0 && quantile <= 1))
        add_note(q, NOTE_WARNING, position, "quantile value should be between 0 and 1, got %s",
                 isnan(quantile)   ? "NaN"
                 : isinf(quantile) ? (quantile > 0 ? "+Inf" : "-Inf")
                                   : arena_printf(q->arena, "%g", quantile));
}

/* NaN sorts lowest. */
static int compare_values(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    if (isnan(x) || isnan(y))
        return isnan(y) - isnan(x);
    return (x > y) - (x < y);
}

double quantile_of(double phi, double *values, size_t n)
{
    if (n == 0 || isnan(phi))
        return (double)NAN;
    if (phi < 0)
        return -(double)INFINITY;
    if (phi > 1)
        return (double)INFINITY;
    qsort(values, n, sizeof *values, compare_values);
    double rank = phi * (double)(n - 1);
    size_t low = (size_t)floor(rank);
    size_t high = low + 1 < n ? low + 1 : n - 1;
    double weight = rank - floor(rank);
    return values[low] * (1 - weight) + values[high] * weight;
}
