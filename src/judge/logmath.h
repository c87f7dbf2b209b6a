/* logmath.h -- sums of numbers that are kept as logarithms. */
#ifndef CQED_JUDGE_LOGMATH_H
#define CQED_JUDGE_LOGMATH_H

#include <math.h>
#include <stddef.h>

#define LOG_ZERO (-(double)INFINITY)

static inline double log_add(double a, double b)
{
    double high = a > b ? a : b, low = a > b ? b : a;
    return high == LOG_ZERO ? LOG_ZERO : high + log1p(exp(low - high));
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
