#include "judge/latency.h"

#include "judge/logmath.h"

#define MARGIN_ODDS 1.5
#define LEAST_EXCEEDANCE 1e-9

double exceedances(const double *hist, size_t n_edges, size_t edge)
{
    double sum = 0;
    for (size_t i = edge + 1; i < n_edges; i++)
        sum += hist[i];
    return sum;
}

void exceedances_all(const double *hist, size_t n_edges, double *out)
{
    double sum = 0;
    for (size_t i = n_edges; i > 0; i--) {
        out[i - 1] = sum;
        sum += hist[i - 1];
    }
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

static size_t count_finite(const double *edges, size_t n_edges)
{
    size_t n = 0;
    while (n < n_edges && isfinite(edges[n]) && edges[n] > 0)
        n++;
    return n;
}

double threshold_null_ratio(const double *edges, size_t n_edges, const double *hist, size_t edge,
                            double scale)
{
    double slower =
        survival_at(edges, count_finite(edges, n_edges), hist, n_edges, edges[edge] / scale);
    return fmax(1, slower / survival(hist, n_edges, edge));
}

static size_t nearest_edge(const double *exceeded, size_t n_finite, double level)
{
    size_t best = 0;
    double miss = (double)INFINITY;
    for (size_t e = 0; e < n_finite; e++) {
        double d = fabs(log(fmax(exceeded[e], LEAST_EXCEEDANCE) / level));
        if (d < miss) {
            miss = d;
            best = e;
        }
    }
    return best;
}

/* The ratio of exceedances at odds of 1.5, or with `tolerate` more of them. */
static double margin(double exceeded, double tolerate)
{
    double odds = MARGIN_ODDS / (1 - exceeded + MARGIN_ODDS * exceeded);
    return fmax(odds, 1 + tolerate / fmax(exceeded, LEAST_EXCEEDANCE));
}

size_t thresholds_pick(const double *edges, size_t n_edges, const double *hist, double scale,
                       double tolerate, struct threshold out[JUDGE_THRESHOLDS])
{
    static const double levels[JUDGE_THRESHOLDS] = {0.5, 0.25, 0.1, 0.05, 0.02, 0.01, 0.003};
    double exceeded[JUDGE_MAX_EDGES], total = 0;
    size_t n_finite = count_finite(edges, n_edges), n = 0;
    for (size_t e = 0; e < n_edges; e++)
        total += hist[e];
    if (n_finite == 0 || total <= 0)
        return 0;
    exceedances_all(hist, n_edges, exceeded);
    for (size_t e = 0; e < n_finite; e++)
        exceeded[e] /= total;
    for (size_t l = 0; l < JUDGE_THRESHOLDS; l++) {
        size_t best = nearest_edge(exceeded, n_finite, levels[l]);
        if (n > 0 && out[n - 1].edge >= best)
            continue;
        bool asked = !isnan(tolerate) && l < JUDGE_BANK;
        out[n++] = (struct threshold){best, threshold_null_ratio(edges, n_edges, hist, best, scale),
                                      asked ? margin(exceeded[best], tolerate) : 0};
    }
    return n;
}
