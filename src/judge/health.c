#include "judge/health.h"

#include "judge/logmath.h"

static const double multipliers[HEALTH_GRID] = {0.02, 0.1,       0.25, 0.4,  0.5,
                                                0.6,  2.0 / 3.0, 0.75, 0.85, 0.93};
static const double weights[HEALTH_GRID] = {0.06, 0.06, 0.08, 0.1,  0.1,
                                            0.15, 0.2,  0.15, 0.06, 0.04};

void health_feed(struct health *h, double bad_canary, double bad_both, double canary_share,
                 double margin_ratio, double dispersion)
{
    double q = canary_share, r = margin_ratio;
    for (size_t i = 0; i < HEALTH_GRID; i++) {
        double m = multipliers[i];
        h->log_e[i] +=
            (bad_canary * log(m) - bad_both * log((1 - q + q * m * r) / (1 - q + q * r))) /
            dispersion;
    }
}

double health_log_e(const struct health *h)
{
    double weighted[HEALTH_GRID];
    for (size_t i = 0; i < HEALTH_GRID; i++)
        weighted[i] = log(weights[i]) + h->log_e[i];
    return log_sum(weighted, HEALTH_GRID);
}

/* --- Bounds --- */

#define N_UPPER 6
#define N_LOWER 8
#define STEPS 60 /* of bisection on log p, from a factor of 1e7 to 1e-9 */

static double upper_log_e(double bad, double good, double p)
{
    static const double c[N_UPPER] = {0.01, 0.1, 0.25, 0.5, 0.75, 0.9};
    static const double w[N_UPPER] = {0.2, 0.15, 0.2, 0.2, 0.15, 0.1};
    double e[N_UPPER];
    for (size_t i = 0; i < N_UPPER; i++)
        e[i] = log(w[i]) + bad * log(c[i]) + good * (log1p(-c[i] * p) - log1p(-p));
    return log_sum(e, N_UPPER);
}

static double lower_log_e(double bad, double good, double p)
{
    static const double c[N_LOWER] = {1.05, 1.1, 1.25, 1.5, 2, 4, 10, 100};
    double e[N_LOWER];
    for (size_t i = 0; i < N_LOWER; i++) {
        double other = fmin(c[i] * p, 0.999);
        e[i] = -log((double)N_LOWER) + bad * log(other / p) + good * (log1p(-other) - log1p(-p));
    }
    return log_sum(e, N_LOWER);
}

double rate_upper(double bad, double good, double beta)
{
    double low = 1e-7, high = 0.999, limit = -log(beta);
    for (int i = 0; i < STEPS; i++) {
        double middle = sqrt(low * high);
        if (upper_log_e(bad, good, middle) >= limit)
            high = middle;
        else
            low = middle;
    }
    return high;
}

double rate_lower(double bad, double good, double beta)
{
    double total = bad + good, low = 1e-8, limit = -log(beta);
    double high = fmax(total > 0 ? bad / total : 0, 2e-8);
    for (int i = 0; i < STEPS; i++) {
        double middle = sqrt(low * high);
        if (lower_log_e(bad, good, middle) >= limit)
            low = middle;
        else
            high = middle;
    }
    return low;
}
