/* Functions of one number. Parameters are the scalar arguments of the call. */
#include "promql/functions.h"

#include <math.h>

/* X(function, what libm calls it) */
#define LIBM(X)                                                                                    \
    X(math_abs, fabs)                                                                              \
    X(math_ceil, ceil)                                                                             \
    X(math_floor, floor)                                                                           \
    X(math_exp, exp)                                                                               \
    X(math_sqrt, sqrt)                                                                             \
    X(math_ln, log)                                                                                \
    X(math_log2, log2)                                                                             \
    X(math_log10, log10)                                                                           \
    X(math_sin, sin)                                                                               \
    X(math_cos, cos)                                                                               \
    X(math_tan, tan)                                                                               \
    X(math_asin, asin)                                                                             \
    X(math_acos, acos)                                                                             \
    X(math_atan, atan)                                                                             \
    X(math_sinh, sinh)                                                                             \
    X(math_cosh, cosh)                                                                             \
    X(math_tanh, tanh)                                                                             \
    X(math_asinh, asinh)                                                                           \
    X(math_acosh, acosh)                                                                           \
    X(math_atanh, atanh)

#define X(name, fn)                                                                                \
    double name(double v, const double *parameters)                                                \
    {                                                                                              \
        (void)parameters;                                                                          \
        return fn(v);                                                                              \
    }
LIBM(X)
#undef X

double math_sgn(double v, const double *parameters)
{
    (void)parameters;
    return v > 0 ? 1 : v < 0 ? -1 : v;
}

double math_deg(double v, const double *parameters)
{
    (void)parameters;
    return v * 180 / M_PI;
}

double math_rad(double v, const double *parameters)
{
    (void)parameters;
    return v * M_PI / 180;
}

/* Half rounds up. Working with the inverse keeps round(x, 0.1) exact where it can be. */
double math_round(double v, const double *parameters)
{
    double inverse = 1 / parameters[0];
    return floor(v * inverse + 0.5) / inverse;
}

/* NaN on either side wins, as in Go's math.Min and math.Max. */
static double lower(double a, double b)
{
    return isnan(a) || isnan(b) ? (double)NAN : a < b ? a : b;
}

static double higher(double a, double b)
{
    return isnan(a) || isnan(b) ? (double)NAN : a > b ? a : b;
}

double math_clamp_min(double v, const double *parameters)
{
    return higher(parameters[0], v);
}

double math_clamp_max(double v, const double *parameters)
{
    return lower(parameters[0], v);
}

double math_clamp(double v, const double *parameters)
{
    if (parameters[1] < parameters[0])
        return ABSENT;
    return higher(parameters[0], lower(parameters[1], v));
}
