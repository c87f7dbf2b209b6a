/* Functions of a range: a window moves over the samples of each series from step to step. */
#include "promql/edges.h"
#include "promql/functions.h"
#include "promql/native_notes.h"

#include <math.h>

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

bool call_range(struct evaluation *e, const struct promql_expr *expr, struct sink *sink,
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
