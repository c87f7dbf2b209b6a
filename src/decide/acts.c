#include "decide/internal.h"

static void refuse(struct turn *t, const struct act *a, const char *why)
{
    say(t, "act_refused", "%s by %s is refused: %s", act_kind_name(a->kind), a->actor, why);
}

static void accept(struct turn *t, const struct act *a)
{
    say(t, "act_taken", "%s by %s (%s): %s", act_kind_name(a->kind), a->actor, a->role, a->reason);
}

/* A human may step over holds, missing proof and approvals, never over shown harm. */
static void promote(struct turn *t, const struct act *a)
{
    if (t->sum.fail) {
        refuse(t, a, "harm is shown");
        return;
    }
    if (t->s.desired_pct >= 100) {
        refuse(t, a, "all traffic is asked for already");
        return;
    }
    int step = a->full ? (int)t->policy->n_steps - 1 : next_step(t);
    double weight_pct = t->policy->steps[step].weight_pct;
    accept(t, a);
    t->s.pause_code = "";
    t->s.paused_by_human = false;
    set_weight(t, weight_pct);
    t->s.step = step;
    t->s.state = weight_pct >= 100 ? ROLLOUT_PROMOTING : ROLLOUT_PROGRESSING;
    t->verdict = "promote";
}

static void pause_by_human(struct turn *t, const struct act *a)
{
    if (t->s.state == ROLLOUT_WAITING) {
        refuse(t, a, "there is no exposure yet; abort cancels it");
        return;
    }
    accept(t, a);
    pause_for(t, "human", arena_printf(t->arena, "%s: %s", a->actor, a->reason));
    t->s.paused_by_human = true;
}

static void resume_by_human(struct turn *t, const struct act *a)
{
    if (t->s.state != ROLLOUT_PAUSED) {
        refuse(t, a, "it is not paused");
        return;
    }
    accept(t, a);
    resume(t, a->reason);
}

static void abort_by_human(struct turn *t, const struct act *a)
{
    accept(t, a);
    if (has_exposure(t)) {
        roll_back(t, "aborted", arena_printf(t->arena, "%s: %s", a->actor, a->reason));
        return;
    }
    t->verdict = "cancel";
    end(t, ROLLOUT_CANCELLED);
}

static bool has_approved(const struct turn *t, const char *actor)
{
    for (size_t i = 0; i < t->s.n_approvals; i++) {
        if (strcmp(t->s.approvals[i].actor, actor) == 0)
            return true;
    }
    return false;
}

static void approve(struct turn *t, const struct act *a)
{
    if (t->s.proposed_pct <= 0 || t->s.automation == AUTOMATION_ADVISORY) {
        refuse(t, a, "nothing is asked for");
        return;
    }
    if (t->in->now_ms - t->s.proposed_since_ms >= t->policy->approvals.ttl_ms) {
        refuse(t, a, "the request has expired");
        return;
    }
    if (strcmp(a->actor, t->s.author) == 0) {
        refuse(t, a, "the author of a change cannot approve it");
        return;
    }
    if (has_approved(t, a->actor)) {
        refuse(t, a, "each approver counts once");
        return;
    }
    accept(t, a);
    struct approval *grown = ARENA_ARRAY(t->arena, struct approval, t->s.n_approvals + 1);
    if (t->s.n_approvals > 0)
        memcpy(grown, t->s.approvals, t->s.n_approvals * sizeof *grown);
    grown[t->s.n_approvals++] = (struct approval){a->actor, a->at_ms};
    t->s.approvals = grown;
}

static void skip_hold(struct turn *t, const struct act *a)
{
    if (t->s.desired_pct <= 0) {
        refuse(t, a, "no step is held");
        return;
    }
    accept(t, a);
    t->s.skip_hold = true;
}

static void supersede(struct turn *t, const struct act *a)
{
    accept(t, a);
    if (has_exposure(t)) {
        roll_back(t, "superseded", a->reason);
        return;
    }
    t->verdict = "supersede";
    end(t, ROLLOUT_SUPERSEDED);
}

static void take_act(struct turn *t, const struct act *a)
{
    if (rollout_state_is_final(t->s.state)) {
        refuse(t, a, "the rollout has ended");
        return;
    }
    if (t->s.state == ROLLOUT_ROLLING_BACK) {
        refuse(t, a, "it is rolling back");
        return;
    }
    if (a->reason[0] == '\0' || a->role[0] == '\0') {
        refuse(t, a, a->role[0] ? "a reason is required" : "a role is required");
        return;
    }
    switch (a->kind) {
    case ACT_PROMOTE:
        promote(t, a);
        break;
    case ACT_SKIP_HOLD:
        skip_hold(t, a);
        break;
    case ACT_PAUSE:
        pause_by_human(t, a);
        break;
    case ACT_RESUME:
        resume_by_human(t, a);
        break;
    case ACT_ABORT:
        abort_by_human(t, a);
        break;
    case ACT_APPROVE:
        approve(t, a);
        break;
    case ACT_SUPERSEDE:
        supersede(t, a);
        break;
    }
}

void take_acts(struct turn *t)
{
    for (size_t i = 0; i < t->in->n_acts; i++)
        take_act(t, &t->in->acts[i]);
}
