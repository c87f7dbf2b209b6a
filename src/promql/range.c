/* Change over a range: rates, differences, trends. Each function sees one window of samples. */
#include "promql/functions.h"
#include "promql/sums.h"

#include <math.h>

/* --- rate, increase, delta --- */

static double seconds(int64_t ms)
{
    return (double)ms / 1000;
}

/* A start at the sample itself, or behind it, says nothing; one at the sample before is a reset
 * only when that one's own start is known, as it is in a series of deltas. */
bool is_restart(int64_t start_before, int64_t t_before, int64_t start, int64_t t)
{
    if (start == 0 || start >= t || start < t_before)
        return false;
    return start > t_before || (start_before != 0 && start_before < t_before);
}

/* After a reset a counter counts from 0, so what it had before is added again. */
static double add_resets(const struct window *w, double result)
{
    for (size_t i = 0; i < w->n_falls; i++)
        result += w->v[w->falls[i] - w->first - 1].v;
    return result;
}

/* How samples lie in their window. */
struct shape {
    int64_t to_start, sampled, to_end; /* ms */
    size_t n;                          /* samples; at least 2 */
};

static inline struct shape shape_of(const struct sample *first, size_t n, int64_t start_ms,
                                    int64_t end_ms)
{
    int64_t last_ms = first[n - 1].t_ms;
    return (struct shape){first->t_ms - start_ms, last_ms - first->t_ms, end_ms - last_ms, n};
}

/* What the difference of last and first sample is multiplied with for the whole window. */
struct stretch {
    double sampled, to_start, to_end, divisor, factor;
};

/* On each side the gap to the window's edge counts if it is small enough that the series probably
 * goes on there (under 1.1 average intervals), else half an interval does. Prometheus's
 * extrapolatedRate, as of its pull request 13725, divided by `per`. Times stay in milliseconds and
 * quotients are compared as products: a division costs as much as all the rest. */
static struct stretch stretch_of(const struct shape *s, double per)
{
    double to_start = (double)s->to_start, to_end = (double)s->to_end;
    double sampled = (double)s->sampled, intervals = (double)(s->n - 1);
    if (to_start * intervals >= 1.1 * sampled)
        to_start = sampled / (2 * intervals);
    if (to_end * intervals >= 1.1 * sampled)
        to_end = sampled / (2 * intervals);
    return (struct stretch){sampled, to_start, to_end, sampled * per,
                            (sampled + to_start + to_end) / (sampled * per)};
}

/* A counter never was below 0. */
static inline double stretched(double result, double first, const struct stretch *s, bool counter)
{
    if (!counter || !(result > 0 && first >= 0 && s->sampled * first < s->to_start * result))
        return result * s->factor;
    double to_start = s->sampled * (first / result);
    return result * ((s->sampled + to_start + s->to_end) / s->divisor);
}

/* The same in general, as a factor: for histograms, and for a counter whose start lies in the
 * window, which was 0 then and counts from there on. */
bool extrapolation(const struct window *w, const struct gain *g, double *factor)
{
    double to_start = seconds(g->first_ms - w->start_ms);
    double to_end = seconds(w->end_ms - g->last_ms);
    double sampled = seconds(g->last_ms - g->first_ms);
    double average = g->n > 1 ? sampled / (double)(g->n - 1) : 0;
    double threshold = average * 1.1;
    if (g->start_ms) {
        to_start = 0;
        sampled = seconds(g->last_ms - g->start_ms);
    } else if (g->n < 2) {
        return false;
    } else {
        if (to_start >= threshold)
            to_start = average / 2;
        if (g->counter && g->gain > 0 && g->first >= 0) {
            double to_zero = sampled * (g->first / g->gain);
            if (to_zero < to_start)
                to_start = to_zero;
        }
    }
    if (to_end >= threshold)
        to_end = average / 2;
    *factor = (sampled + to_start + to_end) / sampled;
    return true;
}

int64_t start_in_window(const struct window *w, const int64_t *starts, int64_t first_ms)
{
    if (!starts || starts[0] <= w->start_ms || starts[0] >= first_ms)
        return 0;
    return starts[0];
}

static bool extrapolate_from_start(const struct window *w, double per, double *out)
{
    const struct sample *first = &w->v[0], *last = &w->v[w->n - 1];
    double result = add_resets(w, last->v - first->v) + first->v, factor;
    struct gain g = {
        true,     w->n,  first->t_ms, last->t_ms, start_in_window(w, w->starts, first->t_ms),
        first->v, result};
    if (!extrapolation(w, &g, &factor))
        return false;
    *out = result * factor / per;
    return true;
}

static bool extrapolate(const struct window *w, bool counter, double per, double *out)
{
    if (counter && w->starts && start_in_window(w, w->starts, w->v[0].t_ms))
        return extrapolate_from_start(w, per, out);
    if (w->n < 2)
        return false;
    double result = w->v[w->n - 1].v - w->v[0].v;
    if (counter && w->n_falls > 0)
        result = add_resets(w, result);
    const struct shape shape = shape_of(w->v, w->n, w->start_ms, w->end_ms);
    const struct stretch stretch = stretch_of(&shape, per);
    *out = stretched(result, w->v[0].v, &stretch, counter);
    return true;
}

bool range_rate(const struct window *w, double *out)
{
    return extrapolate(w, true, seconds(w->end_ms - w->start_ms), out);
}

bool range_increase(const struct window *w, double *out)
{
    return extrapolate(w, true, 1, out);
}

bool range_delta(const struct window *w, double *out)
{
    return extrapolate(w, false, 1, out);
}

/* The same over all steps. Where samples come regularly they mostly lie in each window as in the
 * one before, and nothing is to be divided. */
static inline void extrapolate_all(const struct sample *v, size_t n, const struct windows *w,
                                   bool counter, double per, double *out)
{
    size_t from = 0, to = 0;
    struct shape known = {0};
    struct stretch stretch = {0};
    int64_t end_ms = w->first_end_ms, start_ms = end_ms - w->range_ms;
    for (size_t i = 0; i < w->n; i++, start_ms += w->step_ms, end_ms += w->step_ms) {
        while (to < n && v[to].t_ms <= end_ms)
            to++;
        while (from < to && v[from].t_ms <= start_ms)
            from++;
        if (to - from < 2) {
            out[i] = ABSENT;
            continue;
        }
        const struct shape shape = shape_of(&v[from], to - from, start_ms, end_ms);
        if (shape.to_start != known.to_start || shape.sampled != known.sampled ||
            shape.to_end != known.to_end || shape.n != known.n) {
            known = shape;
            stretch = stretch_of(&known, per);
        }
        out[i] = stretched(v[to - 1].v - v[from].v, v[from].v, &stretch, counter);
    }
}

void column_rate(const struct sample *v, size_t n, const struct windows *w, double *out)
{
    extrapolate_all(v, n, w, true, seconds(w->range_ms), out);
}

void column_increase(const struct sample *v, size_t n, const struct windows *w, double *out)
{
    extrapolate_all(v, n, w, true, 1, out);
}

void column_delta(const struct sample *v, size_t n, const struct windows *w, double *out)
{
    extrapolate_all(v, n, w, false, 1, out);
}

/* --- The last two samples --- */

bool range_irate(const struct window *w, double *out)
{
    if (w->n < 2)
        return false;
    const struct sample *a = &w->v[w->n - 2], *b = &w->v[w->n - 1];
    bool reset = b->v < a->v || (w->starts && is_restart(w->starts[w->n - 2], a->t_ms,
                                                         w->starts[w->n - 1], b->t_ms));
    *out = (reset ? b->v : b->v - a->v) / seconds(b->t_ms - a->t_ms);
    return true;
}

bool range_idelta(const struct window *w, double *out)
{
    if (w->n < 2)
        return false;
    *out = w->v[w->n - 1].v - w->v[w->n - 2].v;
    return true;
}

/* --- Counting --- */

bool range_resets(const struct window *w, double *out)
{
    *out = (double)w->n_falls;
    return true;
}

bool range_changes(const struct window *w, double *out)
{
    size_t changes = 0;
    for (size_t i = 1; i < w->n; i++) {
        double a = w->v[i - 1].v, b = w->v[i].v;
        changes += a != b && !(isnan(a) && isnan(b));
    }
    *out = (double)changes;
    return true;
}

/* --- Trends --- */

struct line {
    double slope, intercept; /* at the intercept time */
};

static bool is_constant(const struct window *w)
{
    for (size_t i = 1; i < w->n; i++) {
        if (w->v[i].v != w->v[0].v)
            return false;
    }
    return true;
}

/* Least squares. Times count from `at_ms`, so that the intercept is the value there. */
static struct line fit_line(const struct window *w, int64_t at_ms)
{
    double n = (double)w->n;
    double x = 0, y = 0, xy = 0, xx = 0, lost_x = 0, lost_y = 0, lost_xy = 0, lost_xx = 0;
    if (is_constant(w))
        return isinf(w->v[0].v) ? (struct line){(double)NAN, (double)NAN}
                                : (struct line){0, w->v[0].v};
    for (size_t i = 0; i < w->n; i++) {
        double t = seconds(w->v[i].t_ms - at_ms), v = w->v[i].v;
        sum_add(t, &x, &lost_x);
        sum_add(v, &y, &lost_y);
        sum_add(t * v, &xy, &lost_xy);
        sum_add(t * t, &xx, &lost_xx);
    }
    x += lost_x;
    y += lost_y;
    xy += lost_xy;
    xx += lost_xx;
    double slope = (xy - x * y / n) / (xx - x * x / n);
    return (struct line){slope, y / n - slope * x / n};
}

bool range_deriv(const struct window *w, double *out)
{
    if (w->n < 2)
        return false;
    *out = fit_line(w, w->v[0].t_ms).slope;
    return true;
}

bool range_predict_linear(const struct window *w, double *out)
{
    if (w->n < 2)
        return false;
    struct line line = fit_line(w, w->at_ms);
    *out = line.slope * w->parameters[0] + line.intercept;
    return true;
}

/* Holt's linear method: parameters are the smoothing of level and of trend. */
bool range_smoothing(const struct window *w, double *out)
{
    double level_factor = w->parameters[0], trend_factor = w->parameters[1];
    if (w->n < 2)
        return false;
    double level = w->v[0].v, trend = w->v[1].v - w->v[0].v, before = 0;
    for (size_t i = 1; i < w->n; i++) {
        if (i > 1)
            trend = trend_factor * (level - before) + (1 - trend_factor) * trend;
        before = level;
        level = level_factor * w->v[i].v + (1 - level_factor) * (level + trend);
    }
    *out = level;
    return true;
}
