#include "decide/internal.h"

#include <math.h>

static bool is_urgent(const struct rollout_state *s)
{
    return strcmp(s->change_kind, "fix") == 0 || strcmp(s->change_kind, "security") == 0 ||
           strcmp(s->change_kind, "p0") == 0;
}

/* No start and no step up on a low or unknown budget, except for what mends it. */
static bool budget_allows(struct turn *t)
{
    const struct rollout_policy *p = t->policy;
    double left = t->in->seen->budget_remaining;
    const char *slo = p->budget_slo;
    if (!slo || left >= p->budget_keep)
        return true;
    if (is_urgent(&t->s)) {
        say(t, "budget_excepted", "the budget of %s is low or not known; allowed as '%s'", slo,
            t->s.change_kind);
        return true;
    }
    if (isnan(left))
        say(t, "budget_unknown", "the remaining budget of %s is not known", slo);
    else
        say(t, "budget_low", "%s has %.3g%% of its budget left; the policy keeps %.3g%%", slo,
            100 * left, 100 * p->budget_keep);
    return false;
}

static bool approval_is_asked_before(const struct rollout_policy *p, double weight_pct)
{
    for (size_t i = 0; i < p->approvals.n_before; i++) {
        if (fabs(p->approvals.before_pct[i] - weight_pct) < 1e-9)
            return true;
    }
    return false;
}

static int approvals_needed(const struct rollout_policy *p)
{
    return p->approvals.need > 0 ? p->approvals.need : 1;
}

static void ask(struct turn *t, double weight_pct)
{
    t->s.proposed_pct = weight_pct;
    t->s.proposed_since_ms = t->in->now_ms;
    t->s.approvals = NULL;
    t->s.n_approvals = 0;
    act_on(t, ACTION_ASK, weight_pct, "warning", "approve %g%% of traffic for %s of %s?",
           weight_pct, t->s.canary_version, t->s.service);
}

/* True when the weight is approved; asks, or says how many approvals are missing, otherwise. */
static bool is_approved(struct turn *t, double weight_pct)
{
    int need = approvals_needed(t->policy);
    t->verdict = "ask";
    if (t->s.proposed_pct != weight_pct) {
        ask(t, weight_pct);
    } else if (t->in->now_ms - t->s.proposed_since_ms >= t->policy->approvals.ttl_ms) {
        say(t, "approval_expired", "nobody approved in time; asking anew");
        ask(t, weight_pct);
    } else if ((int)t->s.n_approvals >= need) {
        return true;
    }
    say(t, "approval_pending", "%zu of %d approvals for %g%%", t->s.n_approvals, need, weight_pct);
    return false;
}

static void advise(struct turn *t, double weight_pct)
{
    t->verdict = "would";
    say(t, "advisory", "would send %g%% of traffic to %s; automation is advisory", weight_pct,
        t->s.canary_version);
    if (t->s.proposed_pct == weight_pct)
        return;
    t->s.proposed_pct = weight_pct;
    t->s.proposed_since_ms = t->in->now_ms;
    act_on(t, ACTION_WOULD, weight_pct, "info", "would send %g%% of traffic to %s", weight_pct,
           t->s.canary_version);
}

/* A service that departs from its own past is no ground to stand on: no start and no step up,
 * except for what mends it. It proves nothing against the canary, so nothing is taken back for it.
 */
static bool is_usual(struct turn *t)
{
    const char *anomaly = t->in->seen->anomaly;
    if (!anomaly)
        return true;
    bool excepted = is_urgent(&t->s);
    say(t, excepted ? "anomaly_excepted" : "anomaly", "%s departs from its own past%s: %s",
        t->s.service, excepted ? "; allowed as a fix" : "", anomaly);
    return excepted;
}

void raise_to_step(struct turn *t, int step)
{
    CHECK(step >= 0 && (size_t)step < t->policy->n_steps);
    double weight_pct = t->policy->steps[step].weight_pct;
    if (!budget_allows(t) || !is_usual(t))
        return;
    if (t->s.automation == AUTOMATION_ADVISORY) {
        advise(t, weight_pct);
        return;
    }
    if ((t->s.automation == AUTOMATION_APPROVE ||
         approval_is_asked_before(t->policy, weight_pct)) &&
        !is_approved(t, weight_pct))
        return;
    bool first = t->s.state == ROLLOUT_WAITING;
    say(t, first ? "started" : "all_pass",
        first ? "starting with %g%%" : "all checks pass: on to %g%%", weight_pct);
    set_weight(t, weight_pct);
    t->s.step = step;
    t->s.state = weight_pct >= 100 ? ROLLOUT_PROMOTING : ROLLOUT_PROGRESSING;
    t->verdict = weight_pct >= 100 ? "promote" : first ? "start" : "advance";
}
