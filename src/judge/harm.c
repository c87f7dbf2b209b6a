#include "judge/harm.h"

#include "judge/logmath.h"

static const double grid[JUDGE_HARM_GRID] = {1.1, 1.2, 1.35, 1.5, 1.75, 2,  2.5, 3,
                                             4,   5,   7,    10,  15,   25, 50,  100};
/* Their logarithms; the same on every machine. */
static const double log_grid[JUDGE_HARM_GRID] = {
    0.09531017980432493, 0.1823215567939546, 0.30010459245033816, 0.4054651081081644,
    0.5596157879354227,  0.6931471805599453, 0.9162907318741551,  1.0986122886681098,
    1.3862943611198906,  1.6094379124341003, 1.9459101490553132,  2.302585092994046,
    2.70805020110221,    3.2188758248682006, 3.912023005428146,   4.605170185988092};
static const size_t risers[HARM_RISES] = {0, 5}; /* of the grid: 1.1 and 2 */
#define OF_ONE_EVENT 11                          /* 10 */
/* Logarithms of weights 4 4 3 2.5 2 2 1.5 1.5 1 1 1 1 .75 .75 .5 .5 of 27: small effects are slow
 * and gain most from weight, large ones have evidence to spare. */
static const double log_weights[JUDGE_HARM_GRID] = {
    -1.9095425048844386, -1.9095425048844386, -2.1972245773362196, -2.379546134130174,
    -2.6026896854443837, -2.6026896854443837, -2.890371757896165,  -2.890371757896165,
    -3.295836866004329,  -3.295836866004329,  -3.295836866004329,  -3.295836866004329,
    -3.58351893845611,   -3.58351893845611,   -3.9889840465642745, -3.9889840465642745};
#define LOG_GRID_SIZE 2.772588722239781

/* One bucket counts for at most so many times what was expected, so that a burst is one event. */
#define BURST 3.0
#define BURST_FLOOR 10.0

void harm_init(struct harm *h)
{
    *h = (struct harm){.unstarted = 1};
    for (size_t i = 0; i < JUDGE_HARM_GRID; i++)
        h->log_m[i] = LOG_ZERO;
}

/* Of what is not started yet, the part that bets from the next bucket on. */
static double start_some(struct harm *h, const struct harm_rules *rules)
{
    double v = h->begun ? h->unstarted * rules->onset_per_bucket : rules->start_mass;
    v = fmin(v, h->unstarted);
    h->begun = true;
    h->unstarted -= v;
    return v;
}

static double temper(const struct harm_rules *rules, const struct harm_bucket *b)
{
    double eta = 1 / rules->dispersion;
    double allowed = BURST * b->expected_bad + BURST_FLOOR;
    if (b->bad_both > 0 && allowed / b->bad_both < eta)
        eta = allowed / b->bad_both;
    return eta;
}

/* Each multiplier's wealth with what starts now, times its factor. The ratio of the two mixed rates
 * is 1 + slope (g - 1), which keeps its digits when the canary's share is tiny. */
static void grow(struct harm *h, const struct harm_rules *rules, const struct harm_bucket *b,
                 double starting)
{
    double eta = temper(rules, b), q = b->canary_share, r = rules->null_ratio;
    double slope = q * r / (1 - q + q * r);
    double log_starting = starting > 0 ? log(starting) + h->log_discount : LOG_ZERO;
    for (size_t i = 0; i < JUDGE_HARM_GRID; i++) {
        double inc = b->bad_canary * log_grid[i] - b->bad_both * log1p(slope * (grid[i] - 1));
        h->log_m[i] = log_add(h->log_m[i], log_starting) + eta * inc;
        for (size_t k = 0; k < HARM_RISES; k++)
            h->rise[k] = risers[k] == i ? fmax(0, h->rise[k] + eta * inc) : h->rise[k];
    }
}

/* Of the multipliers' wealth, by their weights. */
static double log_mean(const struct harm *h, bool even)
{
    double weighted[JUDGE_HARM_GRID];
    if (even)
        return log_sum(h->log_m, JUDGE_HARM_GRID) - LOG_GRID_SIZE;
    for (size_t i = 0; i < JUDGE_HARM_GRID; i++)
        weighted[i] = h->log_m[i] + log_weights[i];
    return log_sum(weighted, JUDGE_HARM_GRID);
}

void harm_feed(struct harm *h, const struct harm_rules *rules, const struct harm_bucket *b)
{
    double before = h->log_e;
    grow(h, rules, b, start_some(h, rules));
    double waiting = h->unstarted > 0 ? log(h->unstarted) + h->log_discount : LOG_ZERO;
    double e = log_add(log_mean(h, rules->even), waiting);
    double over = e - before - rules->max_increase;
    if (over > 0) {
        for (size_t i = 0; i < JUDGE_HARM_GRID; i++)
            h->log_m[i] -= over;
        h->log_discount -= over;
        e -= over;
    }
    h->log_e = e;
}

double harm_per_event(const struct harm_rules *rules, double canary_share)
{
    double q = canary_share, r = rules->null_ratio, g = grid[OF_ONE_EVENT];
    return (log_grid[OF_ONE_EVENT] - log1p(q * r / (1 - q + q * r) * (g - 1))) / rules->dispersion;
}
