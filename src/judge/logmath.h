/* logmath.h -- sums of numbers that are kept as logarithms. */
#ifndef CQED_JUDGE_LOGMATH_H
#define CQED_JUDGE_LOGMATH_H

#include <math.h>
#include <stddef.h>

#define LOG_ZERO (-(double)INFINITY)

/* Under this the smaller of two sums changes no digit of the larger: e^-40 < 2^-57. */
#define LOG_NEGLIGIBLE (-40.0)

static inline double log_add(double a, double b)
{
    double high = a > b ? a : b, low = a > b ? b : a;
    if (high == LOG_ZERO || low - high < LOG_NEGLIGIBLE)
        return high;
    return high + log1p(exp(low - high));
}

static inline double log_sum(const double *v, size_t n)
{
    double high = LOG_ZERO, sum = 0;
    for (size_t i = 0; i < n; i++)
        high = v[i] > high ? v[i] : high;
    if (high == LOG_ZERO)
        return LOG_ZERO;
    for (size_t i = 0; i < n; i++)
        sum += exp(v[i] - high);
    return high + log(sum);
}

#endif
