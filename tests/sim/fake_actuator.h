/* fake_actuator.h -- a balancer that may be slow, lost, or turned by somebody else. One weight is
 * asked for and the actual one follows; an answer carries the actual weight, like the real ones. */
#ifndef CQED_TESTS_SIM_FAKE_ACTUATOR_H
#define CQED_TESTS_SIM_FAKE_ACTUATOR_H

#include "model/evidence.h"
#include "rng.h"

struct fake_actuator {
    double actual_pct;
    double target_pct;
    int lost_ticks;  /* it does not answer; what it is told may still arrive */
    double pace_pct; /* how far the weight moves in a tick */
    bool short_of_capacity;
    bool foreign_hand; /* somebody else has moved the weight in this rollout */
};

void fake_actuator_init(struct fake_actuator *, struct rng *);
void fake_actuator_tick(struct fake_actuator *, struct rng *, bool calm);
struct exposure fake_actuator_apply(struct fake_actuator *, struct rng *, double weight_pct,
                                    int64_t now_ms);
struct exposure fake_actuator_observe(const struct fake_actuator *, int64_t now_ms);

#endif
