/* Statistics of a range: sum_over_time() and its kin. */
#include "promql/functions.h"
#include "promql/sums.h"

#include <math.h>

bool range_sum(const struct window *w, double *out)
{
    double sum = 0, lost = 0;
    for (size_t i = 0; i < w->n; i++)
        sum_add(w->v[i].v, &sum, &lost);
    *out = sum_total(sum, lost);
    return true;
}

bool range_avg(const struct window *w, double *out)
{
    struct mean mean = {0};
    for (size_t i = 0; i < w->n; i++)
        mean_add(w->v[i].v, &mean.sum, &mean.lost, &mean.count);
    *out = mean_total(mean.sum, mean.lost, mean.count);
    return true;
}

/* NaN loses to anything. */
bool range_min(const struct window *w, double *out)
{
    *out = w->v[w->extreme].v;
    return true;
}

bool range_max(const struct window *w, double *out)
{
    *out = w->v[w->extreme].v;
    return true;
}

bool range_count(const struct window *w, double *out)
{
    *out = (double)w->n;
    return true;
}

bool range_first(const struct window *w, double *out)
{
    *out = w->v[0].v;
    return true;
}

bool range_last(const struct window *w, double *out)
{
    *out = w->v[w->n - 1].v;
    return true;
}

bool range_present(const struct window *w, double *out)
{
    (void)w;
    *out = 1;
    return true;
}

/* Welford's method with compensated sums. */
bool range_stdvar(const struct window *w, double *out)
{
    double mean = 0, lost_mean = 0, squares = 0, lost_squares = 0;
    for (size_t i = 0; i < w->n; i++) {
        double delta = w->v[i].v - (mean + lost_mean);
        sum_add(delta / (double)(i + 1), &mean, &lost_mean);
        sum_add(delta * (w->v[i].v - (mean + lost_mean)), &squares, &lost_squares);
    }
    *out = (squares + lost_squares) / (double)w->n;
    return true;
}

bool range_stddev(const struct window *w, double *out)
{
    (void)range_stdvar(w, out);
    *out = sqrt(*out);
    return true;
}

static double quantile_of_window(const struct window *w, double phi)
{
    for (size_t i = 0; i < w->n; i++)
        w->scratch[i] = w->v[i].v;
    return quantile_of(phi, w->scratch, w->n);
}

bool range_quantile(const struct window *w, double *out)
{
    *out = quantile_of_window(w, w->parameters[0]);
    return true;
}

/* Median absolute deviation. */
bool range_mad(const struct window *w, double *out)
{
    double median = quantile_of_window(w, 0.5);
    bool nan = false;
    for (size_t i = 0; i < w->n; i++) {
        nan |= isnan(w->v[i].v);
        w->scratch[i] = fabs(w->v[i].v - median);
    }
    *out = nan ? (double)NAN : quantile_of(0.5, w->scratch, w->n);
    return true;
}

/* --- When --- */

static double when(const struct window *w, size_t i)
{
    return (double)w->v[i].t_ms / 1000;
}

bool range_ts_first(const struct window *w, double *out)
{
    *out = when(w, 0);
    return true;
}

bool range_ts_last(const struct window *w, double *out)
{
    *out = when(w, w->n - 1);
    return true;
}

/* The last of equals. */
bool range_ts_min(const struct window *w, double *out)
{
    size_t at = 0;
    for (size_t i = 1; i < w->n; i++) {
        if (w->v[i].v <= w->v[at].v || isnan(w->v[at].v))
            at = i;
    }
    *out = when(w, at);
    return true;
}

bool range_ts_max(const struct window *w, double *out)
{
    size_t at = 0;
    for (size_t i = 1; i < w->n; i++) {
        if (w->v[i].v >= w->v[at].v || isnan(w->v[at].v))
            at = i;
    }
    *out = when(w, at);
    return true;
}
