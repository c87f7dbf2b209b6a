/* Change over a range: rates, differences, trends. Each function sees one window of samples. */
#include "promql/functions.h"
#include "promql/sums.h"

#include <math.h>

/* --- rate, increase, delta --- */

static double seconds(int64_t ms)
{
    return (double)ms / 1000;
}

/* After a reset a counter counts from 0, so what it had before is added again. */
static double add_resets(const struct window *w, double result)
{
    for (size_t i = 0; i < w->n_falls; i++)
        result += w->v[w->falls[i] - w->first - 1].v;
    return result;
}

/* The difference of last and first sample stretched to the whole window: on each side by the gap
 * to the window's edge if that is small enough that the series probably goes on there (under 1.1
 * average intervals), else by half an interval; and a counter never below 0. Prometheus's
 * extrapolatedRate, as of its pull request 13725. */
static bool extrapolate(const struct window *w, bool counter, double *out)
{
    if (w->n < 2)
        return false;
    const struct sample *first = &w->v[0], *last = &w->v[w->n - 1];
    double result = last->v - first->v;
    if (counter)
        result = add_resets(w, result);
    double to_start = seconds(first->t_ms - w->start_ms);
    double to_end = seconds(w->end_ms - last->t_ms);
    double sampled = seconds(last->t_ms - first->t_ms);
    double average = sampled / (double)(w->n - 1);
    double threshold = average * 1.1;
    if (to_start >= threshold)
        to_start = average / 2;
    if (counter && result > 0 && first->v >= 0) {
        double to_zero = sampled * (first->v / result);
        if (to_zero < to_start)
            to_start = to_zero;
    }
    if (to_end >= threshold)
        to_end = average / 2;
    *out = result * ((sampled + to_start + to_end) / sampled);
    return true;
}

bool range_rate(const struct window *w, double *out)
{
    if (!extrapolate(w, true, out))
        return false;
    *out /= seconds(w->end_ms - w->start_ms);
    return true;
}

bool range_increase(const struct window *w, double *out)
{
    return extrapolate(w, true, out);
}

bool range_delta(const struct window *w, double *out)
{
    return extrapolate(w, false, out);
}

/* --- The last two samples --- */

bool range_irate(const struct window *w, double *out)
{
    if (w->n < 2)
        return false;
    const struct sample *a = &w->v[w->n - 2], *b = &w->v[w->n - 1];
    *out = (b->v < a->v ? b->v : b->v - a->v) / seconds(b->t_ms - a->t_ms);
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
