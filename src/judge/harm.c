#include "judge/harm.h"

#include "judge/logmath.h"

static const double grid[JUDGE_HARM_GRID] = {1.1, 1.2, 1.35, 1.5, 1.75, 2,  2.5, 3,
                                             4,   5,   7,    10,  15,   25, 50,  100};

/* One bucket counts for at most so many times what was expected, so that a burst is one event. */
#define BURST 3.0
#define BURST_FLOOR 10.0

void harm_init(struct harm *h)
{
    *h = (struct harm){.unstarted = 1};
    for (size_t i = 0; i < JUDGE_HARM_GRID; i++)
        h->log_m[i] = LOG_ZERO;
}

static void start_some(struct harm *h, const struct harm_rules *rules)
{
    double v = h->begun ? h->unstarted * rules->onset_per_bucket : rules->start_mass;
    h->begun = true;
    if (v > h->unstarted)
        v = h->unstarted;
    h->unstarted -= v;
    if (v <= 0)
        return;
    for (size_t i = 0; i < JUDGE_HARM_GRID; i++)
        h->log_m[i] = log_add(h->log_m[i], log(v) + h->log_discount);
}

static double temper(const struct harm_rules *rules, const struct harm_bucket *b)
{
    double eta = 1 / rules->dispersion;
    double allowed = BURST * b->expected_bad + BURST_FLOOR;
    if (b->bad_both > 0 && allowed / b->bad_both < eta)
        eta = allowed / b->bad_both;
    return eta;
}

void harm_feed(struct harm *h, const struct harm_rules *rules, const struct harm_bucket *b)
{
    double eta = temper(rules, b), q = b->canary_share, r = rules->null_ratio;
    double before = h->log_e;
    start_some(h, rules);
    for (size_t i = 0; i < JUDGE_HARM_GRID; i++)
        h->log_m[i] += eta * (b->bad_canary * log(grid[i]) -
                              b->bad_both * log((1 - q + q * r * grid[i]) / (1 - q + q * r)));
    double waiting = h->unstarted > 0 ? log(h->unstarted) + h->log_discount : LOG_ZERO;
    double e = log_add(log_sum(h->log_m, JUDGE_HARM_GRID) - log((double)JUDGE_HARM_GRID), waiting);
    double over = e - before - rules->max_increase;
    if (over > 0) {
        for (size_t i = 0; i < JUDGE_HARM_GRID; i++)
            h->log_m[i] -= over;
        h->log_discount -= over;
        e -= over;
    }
    h->log_e = e;
}
