#include "judge/rank_sum.h"

#include <float.h>
#include <math.h>

#define Z_98 2.3263478740408408 /* the normal's 99 % point: 98 % two-sided */
#define MAX_STEPS 1000

struct arms {
    const double *x, *y;
    size_t n_x, n_y;
};

/* The rank sum of x - shift among both, and the sum of t^3 - t over groups of t ties. */
struct ranks {
    double of_x;
    double ties;
};

static size_t take_tied(const double *v, size_t n, size_t from, double shift, double value)
{
    size_t i = from;
    while (i < n && v[i] - shift == value)
        i++;
    return i - from;
}

static struct ranks rank(const struct arms *a, double shift)
{
    struct ranks r = {0, 0};
    size_t i = 0, k = 0;
    while (i < a->n_x || k < a->n_y) {
        bool x_next = k == a->n_y || (i < a->n_x && a->x[i] - shift <= a->y[k]);
        double value = x_next ? a->x[i] - shift : a->y[k];
        size_t from_x = take_tied(a->x, a->n_x, i, shift, value);
        size_t from_y = take_tied(a->y, a->n_y, k, 0, value);
        double t = (double)(from_x + from_y);
        r.of_x += (double)from_x * ((double)(i + k) + (t + 1) / 2);
        r.ties += t * t * t - t;
        i += from_x;
        k += from_y;
    }
    return r;
}

/* How many sigmas x, shifted down, still is over y, less z. Falls with the shift. NaN when all
 * observations are tied. */
static double excess(const struct arms *a, double shift, double z)
{
    double n_x = (double)a->n_x, n_y = (double)a->n_y, n = n_x + n_y;
    struct ranks r = rank(a, shift);
    double over = r.of_x - n_x * (n_x + 1) / 2 - n_x * n_y / 2;
    double variance = n_x * n_y / 12 * (n + 1 - r.ties / (n * (n - 1)));
    double correction = over > 0 ? 0.5 : over < 0 ? -0.5 : 0;
    return variance > 0 ? (over - correction) / sqrt(variance) - z : NAN;
}

/* Where Brent's method looks next: by interpolation when that is inside the bracket and shrinks it
 * fast enough, else in its middle. c lies beyond the root, a was the last but one. */
static double next_step(double a, double b, double c, double fa, double fb, double fc, double least)
{
    double middle = (c - b) / 2, last = b - a, p, q;
    if (fabs(last) < least || fabs(fa) <= fabs(fb))
        return middle;
    if (a == c) {
        double t = fb / fa;
        p = (c - b) * t;
        q = 1 - t;
    } else {
        double s = fa / fc, t = fb / fc, u = fb / fa;
        p = u * ((c - b) * s * (s - t) - (b - a) * (t - 1));
        q = (s - 1) * (t - 1) * (u - 1);
    }
    if (p > 0)
        q = -q;
    else
        p = -p;
    bool inside = p < 0.75 * (c - b) * q - fabs(least * q) / 2 && p < fabs(last * q / 2);
    return inside ? p / q : middle;
}

static double root(const struct arms *arms, double a, double b, double fa, double fb, double z,
                   double tolerance)
{
    double c = a, fc = fa;
    if (fa == 0)
        return a;
    for (int i = 0; i < MAX_STEPS && fb != 0; i++) {
        if (fabs(fc) < fabs(fb)) { /* b is the best so far */
            a = b;
            b = c;
            c = a;
            fa = fb;
            fb = fc;
            fc = fa;
        }
        double least = 2 * DBL_EPSILON * fabs(b) + tolerance / 2;
        if (fabs((c - b) / 2) <= least || fb == 0)
            return b;
        double step = next_step(a, b, c, fa, fb, fc, least);
        if (fabs(step) < least)
            step = step > 0 ? least : -least;
        a = b;
        fa = fb;
        b += step;
        fb = excess(arms, b, z);
        if ((fb > 0 && fc > 0) || (fb < 0 && fc < 0)) {
            c = a;
            fc = fa;
        }
    }
    return b;
}

/* The shift at which the excess is z sigmas; an end of the search when it is beyond. */
static double shift_at(const struct arms *arms, double low, double high, double z, double tolerance)
{
    double at_low = excess(arms, low, z), at_high = excess(arms, high, z);
    if (at_low <= 0)
        return low;
    if (at_high >= 0)
        return high;
    return root(arms, low, high, at_low, at_high, z, tolerance);
}

bool rank_sum_interval(const double *x, size_t n_x, const double *y, size_t n_y, double tolerance,
                       struct rank_sum *out, struct err *err)
{
    const struct arms arms = {x, y, n_x, n_y};
    double low = x[0] - y[n_y - 1], high = x[n_x - 1] - y[0];
    double at_low = excess(&arms, low, 0), at_high = excess(&arms, high, 0);
    if (isnan(at_low) || isnan(at_high))
        return err_set(err, ERR_BAD_INPUT,
                       "no interval for the shift of %zu values against %zu: all are tied", n_x,
                       n_y);
    out->lower = shift_at(&arms, low, high, Z_98, tolerance);
    out->upper = shift_at(&arms, low, high, -Z_98, tolerance);
    out->estimate = root(&arms, low, high, at_low, at_high, 0, tolerance);
    return true;
}

double rank_sum_superiority(const double *x, size_t n_x, const double *y, size_t n_y)
{
    const struct arms arms = {x, y, n_x, n_y};
    double m = (double)n_x, n = (double)n_y;
    return (2 * rank(&arms, 0).of_x - m * (m + 1)) / (2 * n * m);
}
