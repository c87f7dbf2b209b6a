#include "decide/internal.h"

#include <math.h>

/* Room for one reason a check and one each of those below. */
#define MORE_REASONS 3

static void add(struct gate_decision *d, struct reason *reasons, enum evidence_state state,
                struct reason reason)
{
    reasons[d->n_reasons++] = reason;
    if (state > d->state)
        d->state = state;
}

static void add_checks(struct arena *arena, struct gate_decision *d, struct reason *reasons,
                       const struct gate_policy *policy, const struct snapshot *seen)
{
    for (size_t i = 0; i < seen->n_checks; i++) {
        const struct evidence *e = &seen->checks[i];
        add(d, reasons, EVIDENCE_PASS,
            (struct reason){e->code, arena_printf(arena, "%s: %s", e->check, e->sentence)});
    }
    const struct check_spec *missing = missing_check(policy->checks, policy->n_checks, seen);
    if (missing)
        add(d, reasons, EVIDENCE_BLIND,
            (struct reason){"no_evidence", arena_printf(arena, "%s: nothing is known of this check",
                                                        missing->name)});
}

static void add_budget(struct arena *arena, struct gate_decision *d, struct reason *reasons,
                       const struct gate_policy *policy, const struct snapshot *seen)
{
    const char *slo = policy->budget_slo;
    double left = seen->budget_remaining;
    if (!slo || left >= policy->budget_keep)
        return;
    if (isnan(left))
        add(d, reasons, EVIDENCE_BLIND,
            (struct reason){"budget_unknown",
                            arena_printf(arena, "the remaining budget of %s is not known", slo)});
    else
        add(d, reasons, EVIDENCE_FAIL,
            (struct reason){"budget_low",
                            arena_printf(arena,
                                         "%s has %.3g%% of its budget left; the gate keeps %.3g%%",
                                         slo, 100 * left, 100 * policy->budget_keep)});
}

static void add_freshness(struct arena *arena, struct gate_decision *d, struct reason *reasons,
                          const struct gate_policy *policy, const struct snapshot *seen)
{
    int64_t age_ms = seen->telemetry_age_ms;
    if (age_ms < 0)
        add(d, reasons, EVIDENCE_BLIND,
            (struct reason){"no_telemetry", "no telemetry has been seen"});
    else if (age_ms > policy->max_age_ms)
        add(d, reasons, EVIDENCE_BLIND,
            (struct reason){"stale", arena_printf(arena, "telemetry is %g s old, the limit is %g s",
                                                  (double)age_ms / 1000,
                                                  (double)policy->max_age_ms / 1000)});
}

struct gate_decision decide_gate(struct arena *arena, const struct gate_policy *policy,
                                 const struct snapshot *seen)
{
    struct gate_decision d = {.state = snapshot_worst(seen)};
    struct reason *reasons = ARENA_ARRAY(arena, struct reason, seen->n_checks + MORE_REASONS);
    add_checks(arena, &d, reasons, policy, seen);
    add_budget(arena, &d, reasons, policy, seen);
    add_freshness(arena, &d, reasons, policy, seen);
    d.reasons = reasons;
    return d;
}
