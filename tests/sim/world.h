/* world.h -- everything around decide() in one simulated rollout: a random policy, telemetry that
 * goes away, harm that begins some day, people who interfere, and a clock that jumps. */
#ifndef CQED_TESTS_SIM_WORLD_H
#define CQED_TESTS_SIM_WORLD_H

#include "decide/decide.h"
#include "rng.h"

#define WORLD_MAX_CHECKS 3
#define WORLD_MAX_STEPS 5
#define WORLD_TICK_MS 5000
#define WORLD_EPOCH_MS INT64_C(1764000000000)

struct world {
    struct rng *rng;
    struct rollout_policy policy;
    struct rollout_step steps[WORLD_MAX_STEPS];
    struct check_spec checks[WORLD_MAX_CHECKS];
    double before_pct[1];

    int64_t now_ms;
    int tick;
    bool calm; /* no new faults and no people: what is under way may finish */

    int harm_tick;                     /* from this tick on the canary is harmful; -1 = healthy */
    int proof_ticks;                   /* exposed ticks before healthy checks pass */
    int exposed_ticks;                 /* at the present weight */
    bool failed[WORLD_MAX_CHECKS];     /* shown harm stays shown */
    int blind_ticks[WORLD_MAX_CHECKS]; /* this check's telemetry is away */
    int error_ticks[WORLD_MAX_CHECKS];
    int absent_ticks[WORLD_MAX_CHECKS]; /* nothing at all is said of it */
    int silent_ticks;                   /* all telemetry is away: its age grows */
    int64_t age_ms;
    double budget;
};

void world_init(struct world *, struct rng *);
void world_tick(struct world *, double exposure_pct);
struct snapshot world_look(struct world *, struct arena *, struct exposure);

/* A human act, now and then; false when nobody does anything. */
bool world_act(struct world *, struct arena *, struct act *);

#endif
