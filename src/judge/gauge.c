#include "judge/judge.h"

#include "judge/logmath.h"

#define TOLERANCE 1.05
#define MARGIN 1.2
#define START_MASS 0.5
#define ONSET_PER_BLOCK (1.0 / 20)
#define LENGTHS 4 /* of blocks: 30, 60, 120 and 240 s */

static const double harm_effects[JUDGE_GAUGE_HARM] = {1.03, 1.05, 1.1, 1.2, 1.35, 1.6, 2, 3};
static const double health_effects[JUDGE_GAUGE_HEALTH] = {0.25, 0.5, 0.75, 1, 1.5}; /* margins */

/* Times k, the variance of means over k blocks: the same for every k when blocks are independent.
 */
static double variance_of_means(const double *v, size_t n, size_t k)
{
    size_t m = n / k;
    double sum = 0, squares = 0;
    for (size_t pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < m; i++) {
            double mean = 0;
            for (size_t j = 0; j < k; j++)
                mean += v[i * k + j] / (double)k;
            if (pass == 0)
                sum += mean;
            else
                squares += (mean - sum / (double)m) * (mean - sum / (double)m);
        }
    }
    return squares / (double)(m - 1) * (double)k;
}

/* The last length is extrapolated by its growth, and all of it widened for being an estimate of
 * few degrees of freedom. */
static double long_run_variance(const double *v, size_t n)
{
    double of[LENGTHS], most = 0;
    for (size_t l = 0; l < LENGTHS; l++) {
        of[l] = variance_of_means(v, n, (size_t)1 << l);
        most = fmax(most, of[l]);
    }
    double freedom = (double)(n / (1 << (LENGTHS - 1))) - 1;
    most = fmax(most, of[LENGTHS - 1] + fmax(of[LENGTHS - 1] - of[LENGTHS - 2], 0));
    return most * freedom / (freedom - 2);
}

bool judge_gauge_init(struct judge_gauge *g, const double *log_ratios, size_t n, struct err *err)
{
    if (n < JUDGE_GAUGE_LEAST)
        return err_set(err, ERR_BAD_INPUT, "%zu blocks of 30 s to learn from, %d are needed", n,
                       JUDGE_GAUGE_LEAST);
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(log_ratios[i]))
            return err_set(err, ERR_BAD_INPUT, "block %zu is no number", i);
    }
    double variance = long_run_variance(log_ratios, n);
    if (!(variance > 0 && isfinite(variance)))
        return err_set(err, ERR_BAD_INPUT, "a variance of %g: the gauge does not move", variance);
    *g = (struct judge_gauge){.variance = variance, .unstarted = 1};
    for (size_t i = 0; i < JUDGE_GAUGE_HARM; i++)
        g->log_harm[i] = LOG_ZERO;
    return true;
}

static void start_some(struct judge_gauge *g)
{
    double v = fmin(g->begun ? g->unstarted * ONSET_PER_BLOCK : START_MASS, g->unstarted);
    g->begun = true;
    g->unstarted -= v;
    for (size_t i = 0; i < JUDGE_GAUGE_HARM && v > 0; i++)
        g->log_harm[i] = log_add(g->log_harm[i], log(v));
}

void judge_gauge_feed(struct judge_gauge *g, double log_ratio)
{
    bool is_number = isfinite(log_ratio);
    start_some(g);
    for (size_t i = 0; i < JUDGE_GAUGE_HARM && is_number; i++) {
        double effect = log(harm_effects[i]), x = log_ratio - log(TOLERANCE);
        g->log_harm[i] += (effect * x - effect * effect / 2) / g->variance;
    }
    for (size_t i = 0; i < JUDGE_GAUGE_HEALTH && is_number; i++) {
        double effect = log(MARGIN) * health_effects[i], x = log(MARGIN) - log_ratio;
        g->log_health[i] += (effect * x - effect * effect / 2) / g->variance;
    }
    double waiting = g->unstarted > 0 ? log(g->unstarted) : LOG_ZERO;
    g->log_e = log_add(log_sum(g->log_harm, JUDGE_GAUGE_HARM) - log(JUDGE_GAUGE_HARM), waiting);
    g->health_log_e = log_sum(g->log_health, JUDGE_GAUGE_HEALTH) - log(JUDGE_GAUGE_HEALTH);
}
