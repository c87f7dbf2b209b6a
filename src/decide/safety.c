/* What is seen, and what it asks for in every state with exposure. */
#include "decide/internal.h"

#include <math.h>

#define OBSERVED_WITHIN_PCT 0.5

/* --- What is seen --- */

static void keep_first(const struct evidence **slot, const struct evidence *e)
{
    if (!*slot)
        *slot = e;
}

static void count_evidence(struct summary *sum, const struct evidence *e)
{
    switch (e->state) {
    case EVIDENCE_FAIL:
        sum->failing++;
        keep_first(&sum->fail, e);
        break;
    case EVIDENCE_ERROR:
        keep_first(&sum->error, e);
        break;
    case EVIDENCE_BLIND:
        keep_first(&sum->blind, e);
        break;
    case EVIDENCE_INSUFFICIENT:
        keep_first(&sum->insufficient, e);
        break;
    case EVIDENCE_PASS:
        break;
    }
}

/* A check that says nothing at all must not read as one that passes. */
const struct check_spec *missing_check(const struct check_spec *specs, size_t n,
                                       const struct snapshot *seen)
{
    for (size_t i = 0; i < n; i++) {
        size_t k = 0;
        while (k < seen->n_checks && strcmp(seen->checks[k].check, specs[i].name) != 0)
            k++;
        if (k == seen->n_checks && specs[i].critical)
            return &specs[i];
    }
    return NULL;
}

/* Balancers round weights, the more visibly the smaller they are; 0 is exactly 0. */
static bool is_in_force(double observed_pct, double desired_pct)
{
    double slack = fmin(OBSERVED_WITHIN_PCT, desired_pct / 4);
    return fabs(observed_pct - desired_pct) <= slack + 1e-6;
}

/* A reading from before the weight was asked for says nothing about it. When the clock went back,
 * times cannot be compared and the reading has to be believed. */
static bool is_observed(const struct turn *t)
{
    const struct exposure *e = &t->in->seen->exposure;
    bool outdated = e->at_ms < t->s.desired_since_ms && t->s.desired_since_ms <= t->in->now_ms;
    return e->known && !outdated && is_in_force(e->observed_pct, t->s.desired_pct);
}

/* The effective level: what was configured, and no more than `approve` while telemetry cannot be
 * trusted. Without exposure there is nothing to see, and nothing is learned about telemetry. */
static void set_automation(struct turn *t)
{
    bool blind = t->sum.stale || t->sum.blind || t->sum.missing;
    if (!has_exposure(t))
        return;
    enum automation level = t->policy->automation;
    if (blind && level > AUTOMATION_APPROVE)
        level = AUTOMATION_APPROVE;
    if (blind && t->s.blind_since_ms == 0)
        t->s.blind_since_ms = t->in->now_ms;
    if (!blind)
        t->s.blind_since_ms = 0;
    if (level < t->s.automation)
        say(t, "automation_lowered", "automation is lowered from %s to %s until telemetry is back",
            automation_name(t->s.automation), automation_name(level));
    else if (level > t->s.automation)
        say(t, "automation_restored", "telemetry is back: automation is %s again",
            automation_name(level));
    t->s.automation = level;
}

void see(struct turn *t)
{
    const struct snapshot *seen = t->in->seen;
    for (size_t i = 0; i < seen->n_checks; i++) {
        if (seen->checks[i].critical)
            count_evidence(&t->sum, &seen->checks[i]);
    }
    t->sum.missing = missing_check(t->policy->checks, t->policy->n_checks, seen);
    t->sum.stale = seen->telemetry_age_ms < 0 || seen->telemetry_age_ms > t->policy->max_age_ms;
    t->sum.observed = is_observed(t);
    set_automation(t);
}

/* --- The actuator --- */

static void report_actuator(struct turn *t, int64_t waited_ms)
{
    const struct exposure *e = &t->in->seen->exposure;
    const char *why =
        e->known ? arena_printf(t->arena, "the weight is %g%%, not %g%%, for %g s", e->observed_pct,
                                t->s.desired_pct, (double)waited_ms / 1000)
                 : arena_printf(t->arena, "the weight cannot be observed: %s", e->error);
    say(t, "actuator", "%s", why);
    act_on(t, ACTION_NOTIFY, t->s.desired_pct, "page", "rollout %s: %s", t->s.id, why);
}

/* A step begins when its weight is observed, not when it was asked for. Afterwards one missed
 * reading is not a failure yet, but nothing is raised on it either. */
void watch_actuator(struct turn *t)
{
    if (t->sum.observed) {
        if (t->s.step_since_ms == 0 && t->s.desired_pct > 0) {
            t->s.step_since_ms = t->in->now_ms;
            say(t, "weight_observed", "%g%% is in force", t->in->seen->exposure.observed_pct);
        }
        t->s.actuator_failing = false;
        t->s.unobserved_since_ms = 0;
        return;
    }
    if (t->s.unobserved_since_ms == 0)
        t->s.unobserved_since_ms = t->in->now_ms;
    int64_t waited_ms = t->in->now_ms - t->s.unobserved_since_ms;
    if (t->s.actuator_failing || waited_ms < t->policy->traffic.timeout_ms)
        return;
    t->s.actuator_failing = true;
    report_actuator(t, waited_ms);
}

/* --- Causes and the response to them --- */

/* Why a turn does not simply go on. */
struct cause {
    enum policy_response response;
    const char *code; /* NULL: there is no cause */
    const char *why;
    bool is_deadline;
};

/* Every cause is said; the strictest is kept, the first among equals. */
static void weigh(struct turn *t, struct cause *worst, enum policy_response response,
                  const char *code, const char *reason_code, const char *why)
{
    say(t, reason_code, "%s", why);
    if (!worst->code || response > worst->response)
        *worst = (struct cause){response, code, why, strcmp(code, "deadline") == 0};
}

static const char *sentence_of(struct turn *t, const struct evidence *e)
{
    return arena_printf(t->arena, "%s: %s", e->check, e->sentence);
}

static void weigh_fail(struct turn *t, struct cause *worst)
{
    const struct evidence *e = t->sum.fail;
    if (!e)
        return;
    bool enough = t->sum.failing >= t->policy->quorum;
    weigh(t, worst, enough ? t->policy->on_fail : RESPOND_PAUSE, enough ? "fail" : "below_quorum",
          e->code, sentence_of(t, e));
    if (!enough)
        say(t, "below_quorum", "%d failing check of the %d that roll back", t->sum.failing,
            t->policy->quorum);
}

bool deadline_is_over(const struct turn *t)
{
    int64_t limit_ms = t->policy->deadline_ms;
    return limit_ms != 0 && !t->s.deadline_taken && t->in->now_ms - t->s.created_ms >= limit_ms;
}

static void weigh_deadline(struct turn *t, struct cause *worst)
{
    if (deadline_is_over(t))
        weigh(t, worst, t->policy->on_deadline, "deadline", "deadline",
              arena_printf(t->arena, "not finished within %g min",
                           (double)t->policy->deadline_ms / 60000));
}

static void weigh_actuator(struct turn *t, struct cause *worst)
{
    const struct exposure *e = &t->in->seen->exposure;
    if (t->s.actuator_failing)
        weigh(t, worst, RESPOND_PAUSE, "actuator", "actuator",
              arena_printf(t->arena, "waiting for the actuator: %s",
                           e->known ? "its weight is not what was asked" : e->error));
}

static void weigh_blind(struct turn *t, struct cause *worst)
{
    int64_t age_ms = t->in->seen->telemetry_age_ms;
    enum policy_response response = t->policy->on_blind;
    if (t->sum.blind)
        weigh(t, worst, response, "blind", t->sum.blind->code, sentence_of(t, t->sum.blind));
    else if (t->sum.missing)
        weigh(t, worst, response, "blind", "no_evidence",
              arena_printf(t->arena, "%s: nothing is known of this check", t->sum.missing->name));
    else if (age_ms < 0)
        weigh(t, worst, response, "blind", "no_telemetry",
              arena_printf(t->arena, "no telemetry of %s has been seen", t->s.service));
    else if (t->sum.stale)
        weigh(t, worst, response, "blind", "stale",
              arena_printf(t->arena, "telemetry is %g s old, the limit is %g s",
                           (double)age_ms / 1000, (double)t->policy->max_age_ms / 1000));
}

/* Advice is given once per weight. */
static void advise_rollback(struct turn *t)
{
    t->verdict = "would";
    if (t->s.proposed_pct == 0)
        return;
    t->s.proposed_pct = 0;
    t->s.proposed_since_ms = t->in->now_ms;
    act_on(t, ACTION_WOULD, 0, "warning", "would roll back %s; automation is advisory", t->s.id);
}

/* Only a human ends a human's pause and the deadline's: no other cause takes their place, else its
 * end would end them too. */
static bool waits_for_a_human(const struct turn *t)
{
    return t->s.state == ROLLOUT_PAUSED &&
           (t->s.paused_by_human || strcmp(t->s.pause_code, "deadline") == 0);
}

/* True when the response ends the turn. */
static bool respond(struct turn *t, const struct cause *cause)
{
    if (cause->is_deadline)
        t->s.deadline_taken = true;
    switch (cause->response) {
    case RESPOND_HOLD:
        t->verdict = "hold";
        return t->s.state != ROLLOUT_PAUSED;
    case RESPOND_PAUSE:
        if (waits_for_a_human(t))
            return false;
        pause_for(t, cause->code, cause->why);
        return true;
    case RESPOND_ROLLBACK:
        if (t->s.automation == AUTOMATION_ADVISORY)
            advise_rollback(t);
        else
            roll_back(t, cause->code, cause->why);
        return true;
    }
    return false;
}

bool keep_safe(struct turn *t)
{
    struct cause worst = {0};
    weigh_fail(t, &worst);
    weigh_deadline(t, &worst);
    weigh_actuator(t, &worst);
    if (t->sum.error)
        weigh(t, &worst, t->policy->on_error, "error", t->sum.error->code,
              sentence_of(t, t->sum.error));
    weigh_blind(t, &worst);
    if (t->sum.insufficient && t->s.desired_pct < 100)
        weigh(t, &worst, t->policy->on_insufficient, "insufficient", t->sum.insufficient->code,
              sentence_of(t, t->sum.insufficient));
    return worst.code && respond(t, &worst);
}

bool stop_early_harm(struct turn *t)
{
    struct cause worst = {0};
    if (!has_exposure(t) || t->sum.failing < t->policy->quorum ||
        t->policy->on_fail != RESPOND_ROLLBACK)
        return false;
    weigh_fail(t, &worst);
    return worst.code && respond(t, &worst);
}
