#include "fake_actuator.h"

#include <math.h>

void fake_actuator_init(struct fake_actuator *a, struct rng *rng)
{
    *a = (struct fake_actuator){.pace_pct = rng_percent(rng, 50) ? 100 : rng_between(rng, 8, 60)};
}

static void start_faults(struct fake_actuator *a, struct rng *rng)
{
    if (rng_percent(rng, 1.5))
        a->lost_ticks = rng_between(rng, 1, 12);
    if (rng_percent(rng, 2))
        a->short_of_capacity = !a->short_of_capacity;
    if (rng_percent(rng, 0.2)) {
        a->foreign_hand = true;
        a->target_pct = rng_between(rng, 0, 100);
    }
}

void fake_actuator_tick(struct fake_actuator *a, struct rng *rng, bool calm)
{
    if (a->lost_ticks > 0)
        a->lost_ticks--;
    if (!calm)
        start_faults(a, rng);
    double way_pct = a->target_pct - a->actual_pct;
    a->actual_pct += fmax(-a->pace_pct, fmin(a->pace_pct, way_pct));
}

struct exposure fake_actuator_observe(const struct fake_actuator *a, int64_t now_ms)
{
    bool lost = a->lost_ticks > 0;
    return (struct exposure){!lost,       lost ? (double)NAN : a->actual_pct,
                             (double)NAN, !a->short_of_capacity,
                             now_ms,      lost ? "connection refused" : ""};
}

struct exposure fake_actuator_apply(struct fake_actuator *a, struct rng *rng, double weight_pct,
                                    int64_t now_ms)
{
    bool arrives = a->lost_ticks == 0 || rng_percent(rng, 30);
    if (arrives)
        a->target_pct = weight_pct;
    return fake_actuator_observe(a, now_ms);
}
