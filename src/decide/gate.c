#include "decide/decide.h"

#include <math.h>

struct gate_decision decide_gate(struct arena *arena, const struct gate_policy *policy,
                                 const struct snapshot *seen)
{
    struct gate_decision d = {.state = snapshot_worst(seen)};
    struct reason *reasons = ARENA_ARRAY(arena, struct reason, seen->n_checks + 2);
    for (size_t i = 0; i < seen->n_checks; i++) {
        const struct evidence *e = &seen->checks[i];
        reasons[d.n_reasons++] =
            (struct reason){e->code, arena_printf(arena, "%s: %s", e->check, e->sentence)};
    }
    enum evidence_state budget = EVIDENCE_PASS;
    if (policy->budget_slo && isnan(seen->budget_remaining)) {
        budget = EVIDENCE_BLIND;
        reasons[d.n_reasons++] = (struct reason){
            "budget_unknown",
            arena_printf(arena, "the remaining budget of %s is not known", policy->budget_slo)};
    } else if (policy->budget_slo && seen->budget_remaining < policy->budget_keep) {
        budget = EVIDENCE_FAIL;
        reasons[d.n_reasons++] = (struct reason){
            "budget_low",
            arena_printf(arena, "%s has %.3g%% of its budget left; the gate keeps %.3g%%",
                         policy->budget_slo, 100 * seen->budget_remaining,
                         100 * policy->budget_keep)};
    }
    if (budget > d.state)
        d.state = budget;
    if (seen->telemetry_age_ms < 0 || seen->telemetry_age_ms > policy->max_age_ms) {
        reasons[d.n_reasons++] =
            seen->telemetry_age_ms < 0
                ? (struct reason){"no_telemetry", "no telemetry has been seen"}
                : (struct reason){"stale",
                                  arena_printf(arena, "telemetry is %g s old, the limit is %g s",
                                               (double)seen->telemetry_age_ms / 1000,
                                               (double)policy->max_age_ms / 1000)};
        if (d.state < EVIDENCE_BLIND)
            d.state = EVIDENCE_BLIND;
    }
    d.reasons = reasons;
    return d;
}
