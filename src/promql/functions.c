/* The table of functions, and how the three common kinds are called. */
#include "promql/functions.h"

#include "promql/edges.h"
#include "promql/labelset.h"
#include "promql/native_notes.h"
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

#define MAX_PARAMETERS 3

struct parameters {
    double *v[MAX_PARAMETERS];
    size_t n;
};

static bool eval_parameters(struct evaluation *e, const struct promql_expr *expr,
                            struct parameters *out, const struct promql_expr **rest,
                            struct err *err)
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

static void parameters_at(const struct parameters *p, size_t step, double *out)
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

/* --- Functions of a range --- */

struct ranger {
    struct matrix_visitor visitor;
    struct evaluation *e;
    const struct promql_expr *expr; /* the call */
    struct sink *sink;
    struct look look; /* of the selector or subquery */
    struct parameters parameters;
    double *v;
    size_t room; /* how many samples of a series there is for in the next three */
    double *scratch;
    size_t *falls, *chain; /* see struct mover */
    bool quantiles_noted;
    const struct histogram **h; /* of a result; made when there are histograms */
    struct range_call call;
    struct window window; /* at the step at hand */
    double parameters_now[MAX_PARAMETERS];
};

/* The window of each step moves on from that of the step before: both bounds only grow. */
struct mover {
    const struct matrix_series *s;
    size_t *falls;
    size_t from, to, first_fall, end_fall;
    size_t h_from, h_to;
    int extreme;   /* 1: the highest sample is wanted, -1: the lowest, 0: neither */
    size_t *chain; /* samples that are or may become it: each beats all behind it */
    size_t first_link, end_link;
};

/* NaN is beaten by anything, and equal ones by the newer. */
static bool is_beaten(double old, double new, int extreme)
{
    if (isnan(old) || isnan(new))
        return isnan(old);
    return extreme > 0 ? old <= new : old >= new;
}

/* A monotonic queue: adding a sample removes those that it outlives and beats. */
static void slide(struct mover *m, size_t old_to)
{
    const struct sample *v = m->s->samples;
    for (size_t i = old_to; i < m->to; i++) {
        while (m->end_link > m->first_link &&
               is_beaten(v[m->chain[m->end_link - 1]].v, v[i].v, m->extreme))
            m->end_link--;
        m->chain[m->end_link++] = i;
    }
    while (m->first_link < m->end_link && m->chain[m->first_link] < m->from)
        m->first_link++;
}

static bool restarted(const struct matrix_series *s, size_t i)
{
    return is_restart(s->starts[i - 1], s->samples[i - 1].t_ms, s->starts[i], s->samples[i].t_ms);
}

static void move(struct mover *m, int64_t start_ms, int64_t end_ms)
{
    const struct sample *v = m->s->samples;
    size_t old_to = m->to;
    for (; m->to < m->s->n && v[m->to].t_ms <= end_ms; m->to++) {
        if (m->to > 0 && (v[m->to].v < v[m->to - 1].v || (m->s->starts && restarted(m->s, m->to))))
            m->falls[m->end_fall++] = m->to;
    }
    while (m->from < m->to && v[m->from].t_ms <= start_ms)
        m->from++;
    while (m->first_fall < m->end_fall && m->falls[m->first_fall] <= m->from)
        m->first_fall++;
    if (m->extreme)
        slide(m, old_to);
    if (m->s->n_h == 0)
        return;
    while (m->h_to < m->s->n_h && m->s->histograms[m->h_to].t_ms <= end_ms)
        m->h_to++;
    while (m->h_from < m->h_to && m->s->histograms[m->h_from].t_ms <= start_ms)
        m->h_from++;
}

static void add_edge_histograms(const struct ranger *r, const struct mover *m, struct window *w)
{
    const struct histogram_sample *h = m->s->histograms;
    int64_t lookback_ms = r->e->query->options.lookback_ms;
    size_t from = m->h_from, to = m->h_to;
    if (from > 0 && h[from - 1].t_ms > w->start_ms - lookback_ms)
        from--;
    if (r->look.expr->edges == EDGES_SMOOTHED && to < m->s->n_h &&
        h[to].t_ms <= w->end_ms + lookback_ms)
        to++;
    w->h = h + from;
    w->n_h = to - from;
}

/* As the window, but with the sample before it and, for smoothed edges, the one behind it. */
static bool value_with_edges(const struct ranger *r, const struct mover *m, int64_t start_ms,
                             int64_t end_ms, struct value *out)
{
    const struct sample *v = m->s->samples;
    int64_t lookback_ms = r->e->query->options.lookback_ms;
    enum edges edges = r->look.expr->edges;
    size_t from = m->from, to = m->to;
    if (from > 0 && v[from - 1].t_ms > start_ms - lookback_ms)
        from--;
    if (edges == EDGES_SMOOTHED && to < m->s->n && v[to].t_ms <= end_ms + lookback_ms)
        to++;
    struct window w = {
        .v = v + from, .n = to - from, .start_ms = start_ms, .end_ms = end_ms, .call = &r->call};
    if (m->s->n_h > 0)
        add_edge_histograms(r, m, &w);
    if (w.n_h > 0)
        return native_with_edges(r->expr->function, edges, &w, out);
    return range_with_edges(r->expr->function, edges, w.v, w.n, start_ms, end_ms, &out->v);
}

/* Where the function has nothing to do with histograms. */
static bool value_of_floats(const struct ranger *r, const struct window *w, double *out)
{
    if (w->n == 0)
        return false;
    note_metric(r->e->query, NOTE_IGNORED_IN_RANGE, r->call.labels,
                argument_position(r->expr->args[0]));
    return r->expr->function->range(w, out);
}

static bool value_of_any(struct ranger *r, const struct mover *m, struct value *out)
{
    const struct function *f = r->expr->function;
    struct window *w = &r->window;
    w->h = m->s->histograms + m->h_from;
    w->n_h = m->h_to - m->h_from;
    w->h_starts = m->s->h_starts ? m->s->h_starts + m->h_from : NULL;
    return f->native ? f->native(w, out) : value_of_floats(r, w, &out->v);
}

/* Of the window only what moves is set: there are as many of these as there are points. */
static bool value_of(struct ranger *r, const struct mover *m, int64_t start_ms, int64_t end_ms,
                     size_t step, struct value *out)
{
    struct window *w = &r->window;
    if (r->look.expr->edges != EDGES_EXTRAPOLATED)
        return value_with_edges(r, m, start_ms, end_ms, out);
    parameters_at(&r->parameters, step, r->parameters_now);
    w->v = m->s->samples + m->from;
    w->n = m->to - m->from;
    w->start_ms = start_ms;
    w->end_ms = end_ms;
    w->at_ms = step_time(r->e, step);
    w->falls = m->falls + m->first_fall;
    w->n_falls = m->end_fall - m->first_fall;
    w->first = m->from;
    w->starts = m->s->starts ? m->s->starts + m->from : NULL;
    if (m->extreme && w->n > 0)
        w->extreme = m->chain[m->first_link] - m->from;
    if (m->h_to != m->h_from)
        return value_of_any(r, m, out);
    return w->n > 0 && r->expr->function->range(w, &out->v);
}

static bool has_falls(const struct matrix_series *s)
{
    bool falls = false;
    for (size_t i = 1; i < s->n; i++)
        falls |= s->samples[i].v < s->samples[i - 1].v;
    return falls;
}

/* What most series are asked, without looking at each window. */
static bool all_at_once(struct ranger *r, const struct matrix_series *s, double *out)
{
    const struct function *f = r->expr->function;
    if (!f->column || r->look.expr->edges != EDGES_EXTRAPOLATED || r->look.expr->at != AT_NONE ||
        s->n_h > 0 || s->starts || (f->of_counter && !s->rises && has_falls(s)))
        return false;
    const struct windows w = {reference_time(r->e, &r->look, 0), r->e->step_ms, r->look.range_ms,
                              r->e->n_steps};
    f->column(s->samples, s->n, &w, out);
    return true;
}

/* What is made takes memory, which is looked at now and then, too. */
static uint64_t work_of(const struct mover *m, const struct value *v)
{
    return m->to - m->from + 20 * (m->h_to - m->h_from) + (v->h ? 16 * native_size(v->h) : 0);
}

static bool range_column(struct ranger *r, const struct matrix_series *s, struct column *out,
                         struct err *err)
{
    struct mover m = {
        .s = s, .falls = r->falls, .chain = r->chain, .extreme = r->expr->function->extreme};
    if (all_at_once(r, s, out->v))
        return spend(r->e->query, r->e->n_steps + s->n, err);
    bool same = r->look.expr->at != AT_NONE && !r->expr->function->of_time && r->parameters.n == 0;
    for (size_t i = 0; i < r->e->n_steps; i++) {
        struct value v = {ABSENT, NULL};
        if (same && i > 0) {
            out->v[i] = out->v[0];
            if (out->h)
                out->h[i] = out->h[0];
            continue;
        }
        int64_t end_ms = reference_time(r->e, &r->look, i), start_ms = end_ms - r->look.range_ms;
        move(&m, start_ms, end_ms);
        if (!value_of(r, &m, start_ms, end_ms, i, &v))
            v = (struct value){ABSENT, NULL};
        out->v[i] = v.v;
        if (out->h)
            out->h[i] = v.h;
        if (!spend(r->e->query, work_of(&m, &v), err))
            return false;
    }
    return true;
}

static void note_counter(struct ranger *r, struct labels labels)
{
    static const char *const suffixes[] = {"_total", "_sum", "_count", "_bucket"};
    struct str name = labels_get(labels, LABEL_NAME);
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        if (str_ends(name, str_from(suffixes[i])))
            return;
    }
    if (name.n > 0)
        add_note(r->e->query, NOTE_INFO, argument_position(r->expr->args[0]),
                 "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: "
                 "\"%.200s\"",
                 arena_cstr(r->e->arena, name));
}

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

static void make_room(struct ranger *r, size_t n)
{
    if (n <= r->room)
        return;
    r->room = 2 * n;
    r->scratch = ARENA_ARRAY(r->e->arena, double, r->room);
    r->falls = ARENA_ARRAY(r->e->arena, size_t, r->room);
    r->chain = ARENA_ARRAY(r->e->arena, size_t, r->room);
    r->window.scratch = r->scratch;
}

static void note_quantiles(struct ranger *r)
{
    for (size_t i = 0; !r->quantiles_noted && i < r->e->n_steps; i++)
        note_quantile(r->e->query, r->parameters.v[0][i], argument_position(r->expr->args[0]));
    r->quantiles_noted = true;
}

/* double_exponential_smoothing()'s, looked at when there is something to smooth. */
static bool check_factors(const struct ranger *r, struct err *err)
{
    static const char *const names[] = {"smoothing", "trend"}, *const short_names[] = {"sf", "tf"};
    if (r->expr->function->range != range_smoothing)
        return true;
    for (size_t k = 0; k < 2; k++) {
        for (size_t i = 0; i < r->e->n_steps; i++) {
            double factor = r->parameters.v[k][i];
            if (factor <= 0 || factor >= 1)
                return err_set(err, ERR_CONFLICT,
                               "invalid %s factor. Expected: 0 < %s < 1, got: %f", names[k],
                               short_names[k], factor);
        }
    }
    return true;
}

/* Histograms of the series before have been put, and go. */
static bool begin_series(struct ranger *r, const struct matrix_series *s, struct column *column,
                         struct err *err)
{
    r->call.labels = s->labels;
    make_room(r, s->n);
    if (r->expr->function->of_quantile && s->n > 0)
        note_quantiles(r);
    if (!check_factors(r, err))
        return false;
    if (s->n_h == 0)
        return true;
    if (!r->h) {
        r->call.room = new_room(r->e);
        if (!new_histograms(r->e, &r->h, err))
            return false;
    }
    arena_clear(r->call.room);
    column->h = r->h;
    return true;
}

static bool range_series(struct matrix_visitor *visitor, const struct matrix_series *s,
                         struct err *err)
{
    struct ranger *r = (struct ranger *)visitor;
    const struct function *f = r->expr->function;
    struct column column = {
        .labels = s->labels, .drop_name = !f->keeps_name || s->drop_name, .v = r->v};
    if (!begin_series(r, s, &column, err) || !range_column(r, s, &column, err))
        return false;
    if (!column_has_any(&column, r->e->n_steps))
        return true;
    if (f->of_counter && !s->drop_name && (!column.h || has_values(r->v, r->e->n_steps)))
        note_counter(r, s->labels);
    return r->sink->put(r->sink, &column, err);
}

static bool call_range(struct evaluation *e, const struct promql_expr *expr, struct sink *sink,
                       struct err *err)
{
    struct ranger r = {.visitor = {range_series},
                       .e = e,
                       .expr = expr,
                       .sink = sink,
                       .call = {.query = e->query, .expr = expr}};
    const struct promql_expr *range;
    if (!eval_parameters(e, expr, &r.parameters, &range, err))
        return false;
    CHECK(range);
    range = without_parens(range);
    r.window = (struct window){.parameters = r.parameters_now, .call = &r.call};
    return look_at(e, range, &r.look, err) && new_values(e, &r.v, err) &&
           visit_matrix(e, range, &r.visitor, err);
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
