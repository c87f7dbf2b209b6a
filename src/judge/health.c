#include "judge/health.h"

#include "judge/logmath.h"

static const double multipliers[HEALTH_GRID] = {0.02, 0.1,       0.25, 0.4,  0.5,
                                                0.6,  2.0 / 3.0, 0.75, 0.85, 0.93};
static const double log_multipliers[HEALTH_GRID] = {
    -3.912023005428146,   -2.3025850929940455, -1.3862943611198906,  -0.916290731874155,
    -0.6931471805599453,  -0.5108256237659907, -0.40546510810816444, -0.2876820724517809,
    -0.16251892949777494, -0.07257069283483537};
/* Of the weights .06 .06 .08 .1 .1 .15 .2 .15 .06 .04. */
static const double log_weights[HEALTH_GRID] = {
    -2.8134107167600364, -2.8134107167600364, -2.5257286443082556, -2.3025850929940455,
    -2.3025850929940455, -1.8971199848858813, -1.6094379124341003, -1.8971199848858813,
    -2.8134107167600364, -3.2188758248682006};

void health_feed(struct health *h, double bad_canary, double bad_both, double canary_share,
                 double margin_ratio, double dispersion)
{
    double q = canary_share, r = margin_ratio;
    double slope = q * r / (1 - q + q * r);
    for (size_t i = 0; i < HEALTH_GRID; i++)
        h->log_e[i] +=
            (bad_canary * log_multipliers[i] - bad_both * log1p(slope * (multipliers[i] - 1))) /
            dispersion;
}

double health_log_e(const struct health *h)
{
    double weighted[HEALTH_GRID];
    for (size_t i = 0; i < HEALTH_GRID; i++)
        weighted[i] = log_weights[i] + h->log_e[i];
    return log_sum(weighted, HEALTH_GRID);
}

/* --- Bounds --- */

#define N_UPPER 6
#define N_LOWER 8
#define STEPS 60 /* of bisection on log p, from a factor of 1e7 to 1e-9 */
#define LEAST_COUNT 1e-8
#define MOST_RATE 0.999

static const double under[N_UPPER] = {0.01, 0.1, 0.25, 0.5, 0.75, 0.9};
static const double under_weights[N_UPPER] = {0.2, 0.15, 0.2, 0.2, 0.15, 0.1};
static const double over[N_LOWER] = {1.05, 1.1, 1.25, 1.5, 2, 4, 10, 100};

static double upper_log_e(double bad, double good, double p)
{
    double e[N_UPPER];
    for (size_t i = 0; i < N_UPPER; i++)
        e[i] =
            log(under_weights[i]) + bad * log(under[i]) + good * (log1p(-under[i] * p) - log1p(-p));
    return log_sum(e, N_UPPER);
}

static double lower_log_e(double bad, double good, double p)
{
    double e[N_LOWER];
    for (size_t i = 0; i < N_LOWER; i++) {
        double other = fmin(over[i] * p, MOST_RATE);
        e[i] = -log((double)N_LOWER) + bad * log(other / p) + good * (log1p(-other) - log1p(-p));
    }
    return log_sum(e, N_LOWER);
}

double rate_upper(double bad, double good, double beta)
{
    double low = 1e-7, high = MOST_RATE, limit = -log(beta);
    if (upper_log_e(bad, good, MOST_RATE) < limit)
        return 1;
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

/* The upper bound is at most p when p is rejected; bounds never lie on the wrong side of the point
 * estimate, so that most questions are answered without bisection. */
bool rate_is_within(double bad_canary, double good_canary, double bad_stable, double good_stable,
                    double tolerate, double beta)
{
    double limit = -log(beta);
    double stable = bad_stable / (bad_stable + good_stable);
    double most = fmin(stable + tolerate, MOST_RATE);
    if (!(bad_canary <= most * (bad_canary + good_canary)) ||
        upper_log_e(bad_canary, good_canary, most) < limit)
        return false;
    double low = rate_lower(bad_stable, good_stable, beta);
    return upper_log_e(bad_canary, good_canary, fmin(low + tolerate, MOST_RATE)) >= limit;
}

/* --- Poisson counts: likelihood ratios c^events exp(mean (1 - c)) --- */

static double count_log_e(double events, double mean, bool upper)
{
    double e[N_LOWER];
    size_t n = upper ? N_UPPER : N_LOWER;
    for (size_t i = 0; i < n; i++) {
        double c = upper ? under[i] : over[i];
        double weight = upper ? under_weights[i] : 1.0 / N_LOWER;
        e[i] = log(weight) + events * log(c) + mean * (1 - c);
    }
    return log_sum(e, n);
}

double count_upper(double events, double beta)
{
    double low = fmax(events, LEAST_COUNT), high = 2 * (events - 16 * log(beta) + 16);
    for (int i = 0; i < STEPS; i++) {
        double middle = sqrt(low * high);
        if (count_log_e(events, middle, true) >= -log(beta))
            high = middle;
        else
            low = middle;
    }
    return high;
}

double count_lower(double events, double beta)
{
    double low = LEAST_COUNT, high = fmax(events, LEAST_COUNT);
    for (int i = 0; i < STEPS; i++) {
        double middle = sqrt(low * high);
        if (count_log_e(events, middle, false) >= -log(beta))
            low = middle;
        else
            high = middle;
    }
    return low;
}
