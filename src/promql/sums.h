/* sums.h -- sums and means that lose little: Neumaier's variant of Kahan summation ("Rundungs-
 * fehleranalyse einiger Verfahren zur Summation endlicher Summen", ZAMM 54, 1974). State is loose
 * doubles, so that aggregations can keep it in one array a variable. Private to promql/. */
#ifndef CQED_PROMQL_SUMS_H
#define CQED_PROMQL_SUMS_H

#include <math.h>

static inline void sum_add(double v, double *sum, double *lost)
{
    double t = *sum + v;
    if (isinf(t))
        *lost = 0;
    else if (fabs(*sum) >= fabs(v))
        *lost += *sum - t + v;
    else
        *lost += v - t + *sum;
    *sum = t;
}

static inline double sum_total(double sum, double lost)
{
    return isinf(sum) ? sum : sum + lost;
}

/* A mean is a sum and a count, until the sum would overflow: from then on `sum` is the mean itself
 * and count is negative. All start at 0. */
struct mean {
    double sum, lost, count;
};

static inline void mean_add_directly(double v, double *mean, double *lost, double n)
{
    if (isinf(*mean) && !isnan(v) && (!isinf(v) || (*mean > 0) == (v > 0)))
        return;
    double kept = (n - 1) / n;
    *mean *= kept;
    *lost *= kept;
    sum_add(v / n, mean, lost);
}

static inline void mean_add(double v, double *sum, double *lost, double *count)
{
    if (*count >= 0) {
        double next = *sum, next_lost = *lost;
        sum_add(v, &next, &next_lost);
        *count += 1;
        if (!isinf(next) || *count == 1) {
            *sum = next;
            *lost = next_lost;
            return;
        }
        *sum /= *count - 1;
        *lost /= *count - 1;
        *count = -*count;
    } else {
        *count -= 1;
    }
    mean_add_directly(v, sum, lost, -*count);
}

static inline double mean_total(double sum, double lost, double count)
{
    if (count < 0)
        return sum_total(sum, lost);
    return isinf(sum) ? sum / count : sum / count + lost / count;
}

#endif
