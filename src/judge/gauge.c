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

/* Twice the same of one arm's logarithms: later halves of neighbouring pairs less the earlier ones.
 */
static double variance_of_pairs(const double *v, size_t n, size_t k)
{
    size_t m = n / (2 * k);
    double squares = 0;
    for (size_t i = 0; i < m; i++) {
        double difference = 0;
        for (size_t j = 0; j < k; j++)
            difference += (v[(2 * i + 1) * k + j] - v[2 * i * k + j]) / (double)k;
        squares += difference * difference;
    }
    return squares / (double)m * (double)k;
}

/* The last length is extrapolated by its growth, and all of it widened for being an estimate of
 * few degrees of freedom. */
static double long_run_variance(const double *v, size_t n, bool alone)
{
    double of[LENGTHS], most = 0;
    for (size_t l = 0; l < LENGTHS; l++) {
        size_t k = (size_t)1 << l;
        of[l] = alone ? variance_of_pairs(v, n, k) : variance_of_means(v, n, k);
        most = fmax(most, of[l]);
    }
    double freedom = (double)(n / (1 << (LENGTHS - 1)) / (alone ? 2 : 1)) - 1;
    most = fmax(most, of[LENGTHS - 1] + fmax(of[LENGTHS - 1] - of[LENGTHS - 2], 0));
    return most * fmax(freedom, 3) / (fmax(freedom, 3) - 2);
}

static bool init(struct judge_gauge *g, const double *v, size_t n, bool alone, struct err *err)
{
    if (n < JUDGE_GAUGE_LEAST)
        return err_set(err, ERR_BAD_INPUT, "%zu blocks of 30 s to learn from, %d are needed", n,
                       JUDGE_GAUGE_LEAST);
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(v[i]))
            return err_set(err, ERR_BAD_INPUT, "block %zu is no number", i);
    }
    double variance = long_run_variance(v, n, alone);
    if (!(variance > 0 && isfinite(variance)))
        return err_set(err, ERR_BAD_INPUT, "a variance of %g: the gauge does not move", variance);
    *g = (struct judge_gauge){.variance = variance, .unstarted = 1};
    for (size_t i = 0; i < JUDGE_GAUGE_HARM; i++)
        g->log_harm[i] = LOG_ZERO;
    return true;
}

bool judge_gauge_init_alone(struct judge_gauge *g, const double *logs, size_t n, struct err *err)
{
    return init(g, logs, n, true, err);
}

bool judge_gauge_init(struct judge_gauge *g, const double *log_ratios, size_t n, struct err *err)
{
    return init(g, log_ratios, n, false, err);
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
    g->n += is_number ? 1 : 0;
    g->sum += is_number ? log_ratio : 0;
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

/* --- Reading --- */

/* Half the width of Robbins' normal mixture interval of the mean, valid at all times; narrowest
 * about MIXED_AT blocks in. H. Robbins, Ann. Math. Stat. 41, 1970. */
#define MIXED_AT 20.0
static double half_width(const struct judge_gauge *g, double alpha)
{
    double v = g->n * g->variance, rho = MIXED_AT * g->variance;
    return sqrt((v + rho) * (log((v + rho) / rho) + 2 * log(2 / alpha))) / g->n;
}

static void say_gauge(const struct judge_gauge *g, double beta, struct arena *arena,
                      struct evidence *e)
{
    double missing = fmax(0, -log(beta) - g->health_log_e);
    double each = g->n > 0 ? g->health_log_e / g->n : 0;
    e->sentence = arena_printf(
        arena,
        "%+.3g%% of stable's value on the canary, between %+.3g and %+.3g, over %.0f blocks "
        "of 30 s%s",
        100 * e->effect, 100 * e->low, 100 * e->high, g->n,
        e->state == EVIDENCE_INSUFFICIENT ? ": not proven yet" : "");
    if (e->state == EVIDENCE_FAIL)
        e->would_change = "nothing: harm was shown at the stated error rate";
    else if (e->state == EVIDENCE_PASS)
        e->would_change = "harm that shows later";
    else if (each > 0)
        e->would_change =
            arena_printf(arena, "about %.0f more minutes like these", ceil(missing / each / 2));
    else
        e->would_change = arena_printf(arena, "a value under %.0f%% more than stable's, for longer",
                                       100 * (MARGIN - 1));
}

void judge_gauge_read(const struct judge_gauge *g, double alpha, double beta, struct arena *arena,
                      struct evidence *e)
{
    e->kind = EVIDENCE_GAUGE;
    e->unit = "ratio";
    e->tolerate = MARGIN - 1;
    e->harm_log_e = g->log_e;
    e->harm_log_limit = -log(alpha);
    e->state = EVIDENCE_INSUFFICIENT;
    e->code = g->n < 1 ? "no_traffic" : "not_proven";
    if (g->n < 1) {
        e->sentence = "no block of 30 s has a value of both arms yet";
        e->would_change = "values of both arms";
        return;
    }
    double mean = g->sum / g->n, half = half_width(g, alpha);
    e->effect = expm1(mean);
    e->low = expm1(mean - half);
    e->high = expm1(mean + half);
    e->minimum_detectable_effect = expm1(
        log(TOLERANCE) + (sqrt(2 * -log(alpha)) + sqrt(2 * -log(beta))) * sqrt(g->variance / g->n));
    if (g->n >= 2 && g->log_e >= -log(alpha)) {
        e->state = EVIDENCE_FAIL;
        e->code = "harm_shown";
        e->low = fmin(e->effect, fmax(e->low, TOLERANCE - 1)); /* what the test has shown */
    } else if (g->n >= 2 && g->health_log_e >= -log(beta)) {
        e->state = EVIDENCE_PASS;
        e->code = "within_tolerance";
    }
    say_gauge(g, beta, arena, e);
}
