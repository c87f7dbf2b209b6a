#include "judge/latency.h"

#include "judge/logmath.h"

double exceedances(const double *hist, size_t n_edges, size_t edge)
{
    double sum = 0;
    for (size_t i = edge + 1; i < n_edges; i++)
        sum += hist[i];
    return sum;
}

/* Half an event is added so that the logarithm of an empty tail is a number. */
static double survival(const double *hist, size_t n_edges, size_t edge)
{
    double n = exceedances(hist, n_edges, edge);
    double total = n;
    for (size_t i = 0; i <= edge; i++)
        total += hist[i];
    return (n + 0.5) / (total + 1);
}

/* Between two edges, linear in the logarithms of both; constant beyond the outermost. */
static double survival_at(const double *edges, size_t n_finite, const double *hist, size_t n_edges,
                          double x)
{
    size_t j = 0;
    if (x <= edges[0] || n_finite == 1)
        return x < edges[0] ? fmin(1, survival(hist, n_edges, 0) * edges[0] / x)
                            : survival(hist, n_edges, 0);
    while (j + 2 < n_finite && edges[j + 1] <= x)
        j++;
    double f = (log(x) - log(edges[j])) / (log(edges[j + 1]) - log(edges[j]));
    double low = log(survival(hist, n_edges, j)), high = log(survival(hist, n_edges, j + 1));
    return exp(low + fmin(fmax(f, 0), 1) * (high - low));
}

size_t thresholds_pick(const double *edges, size_t n_edges, const double *hist, double scale,
                       struct threshold out[JUDGE_THRESHOLDS])
{
    static const double levels[JUDGE_THRESHOLDS] = {0.5, 0.25, 0.1, 0.05, 0.02, 0.01, 0.003};
    size_t n_finite = 0, n = 0;
    while (n_finite < n_edges && isfinite(edges[n_finite]) && edges[n_finite] > 0)
        n_finite++;
    for (size_t l = 0; l < JUDGE_THRESHOLDS && n_finite > 0; l++) {
        size_t best = 0;
        double miss = (double)INFINITY;
        for (size_t e = 0; e < n_finite; e++) {
            double d = fabs(log(survival(hist, n_edges, e)) - log(levels[l]));
            if (d < miss) {
                miss = d;
                best = e;
            }
        }
        if (n > 0 && out[n - 1].edge >= best)
            continue;
        double slower = survival_at(edges, n_finite, hist, n_edges, edges[best] / scale);
        out[n++] = (struct threshold){best, fmax(1, slower / survival(hist, n_edges, best))};
    }
    return n;
}
