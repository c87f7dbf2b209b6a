#include "invariants.h"

#include <math.h>

static bool was_taken(const struct decide_input *in, const struct decision *d, enum act_kind kind)
{
    struct arena arena = ARENA_INIT;
    bool found = false;
    for (size_t i = 0; i < in->n_acts && !found; i++) {
        if (in->acts[i].kind != kind)
            continue;
        const char *start =
            arena_printf(&arena, "%s by %s (", act_kind_name(kind), in->acts[i].actor);
        for (size_t k = 0; k < d->n_reasons && !found; k++)
            found = strcmp(d->reasons[k].code, "act_taken") == 0 &&
                    str_starts(str_from(d->reasons[k].sentence), str_from(start));
    }
    arena_release(&arena);
    return found;
}

static const struct evidence *find_evidence(const struct snapshot *seen, const char *check)
{
    for (size_t i = 0; i < seen->n_checks; i++) {
        if (strcmp(seen->checks[i].check, check) == 0)
            return &seen->checks[i];
    }
    return NULL;
}

static int count_failing(const struct snapshot *seen)
{
    int n = 0;
    for (size_t i = 0; i < seen->n_checks; i++)
        n += seen->checks[i].critical && seen->checks[i].state == EVIDENCE_FAIL;
    return n;
}

static bool is_urgent(const char *kind)
{
    return strcmp(kind, "fix") == 0 || strcmp(kind, "security") == 0 || strcmp(kind, "p0") == 0;
}

/* --- A weight raised by the machine itself --- */

static const char *evidence_for_raise(const struct decide_input *in)
{
    const struct rollout_policy *p = in->policy;
    bool first = in->state->desired_pct == 0;
    for (size_t i = 0; i < p->n_checks; i++) {
        if (!p->checks[i].critical)
            continue;
        const struct evidence *e = find_evidence(in->seen, p->checks[i].name);
        if (!first && !e)
            return "raised although a check says nothing";
        if (!first && e->state != EVIDENCE_PASS)
            return "raised although a check does not pass";
        if (e && (e->state == EVIDENCE_FAIL || e->state == EVIDENCE_ERROR))
            return "started against evidence";
    }
    if (in->seen->telemetry_age_ms < 0 || in->seen->telemetry_age_ms > p->max_age_ms)
        return "raised on stale telemetry";
    return NULL;
}

static const char *exposure_for_raise(const struct watch *w, const struct decide_input *in)
{
    const struct exposure *e = &in->seen->exposure;
    if (!e->known)
        return "raised although the exposure is unknown";
    if (!(fabs(e->observed_pct - in->state->desired_pct) <= 0.5))
        return "raised although the weight is not in force";
    if (!w->jumped && in->state->desired_pct > 0 && e->at_ms < w->asked_ms)
        return "raised on a reading from before the request";
    return NULL;
}

static const char *hold_for_raise(const struct watch *w, const struct decide_input *in,
                                  const struct decision *d)
{
    const struct rollout_policy *p = in->policy;
    if (in->state->desired_pct == 0 || w->jumped || w->skipped || was_taken(in, d, ACT_SKIP_HOLD))
        return NULL;
    for (size_t i = 0; i < p->n_steps; i++) {
        if (p->steps[i].weight_pct == in->state->desired_pct && p->steps[i].hold_ms > 0 &&
            (w->in_force_ms == 0 || in->now_ms - w->in_force_ms < p->steps[i].hold_ms))
            return "raised before the hold was over";
    }
    return NULL;
}

static size_t add_approver(const char **people, size_t n, const struct act *a, const char *author)
{
    if (a->kind != ACT_APPROVE || !a->reason[0] || !a->role[0] || strcmp(a->actor, author) == 0)
        return n;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(people[i], a->actor) == 0)
            return n;
    }
    people[n] = a->actor;
    return n + 1;
}

static const char *approval_for_raise(const struct watch *w, const struct decide_input *in,
                                      double after_pct)
{
    const struct rollout_policy *p = in->policy;
    bool asked = p->automation == AUTOMATION_APPROVE;
    for (size_t i = 0; i < p->approvals.n_before; i++)
        asked |= p->approvals.before_pct[i] == after_pct;
    if (p->automation == AUTOMATION_ADVISORY)
        return "advisory automation raised the weight";
    const char *people[WATCH_MAX_PEOPLE + 8];
    size_t n = w->n_approvers;
    memcpy(people, w->approvers, sizeof w->approvers);
    for (size_t i = 0; i < in->n_acts; i++)
        n = add_approver(people, n, &in->acts[i], in->state->author);
    size_t need = p->approvals.need > 0 ? (size_t)p->approvals.need : 1;
    return asked && n < need ? "raised without the approvals it needs" : NULL;
}

static const char *step_for_raise(const struct decide_input *in, double after_pct)
{
    const struct rollout_policy *p = in->policy;
    double budget = in->seen->budget_remaining;
    size_t i = 0;
    while (i < p->n_steps && p->steps[i].weight_pct <= in->state->desired_pct)
        i++;
    if (i == p->n_steps || p->steps[i].weight_pct != after_pct)
        return "raised to something else than the next step";
    if (p->budget_slo && !(budget >= p->budget_keep) && !is_urgent(in->state->change_kind))
        return "raised on a low or unknown budget";
    return NULL;
}

static const char *of_raise(const struct watch *w, const struct decide_input *in,
                            const struct decision *d)
{
    double after_pct = d->state.desired_pct;
    const char *broken = evidence_for_raise(in);
    if (in->state->state == ROLLOUT_PAUSED && !was_taken(in, d, ACT_RESUME))
        return "raised out of a pause";
    broken = broken ? broken : exposure_for_raise(w, in);
    broken = broken ? broken : hold_for_raise(w, in, d);
    broken = broken ? broken : approval_for_raise(w, in, after_pct);
    return broken ? broken : step_for_raise(in, after_pct);
}

/* --- Every turn --- */

static const char *of_actions(const struct decide_input *in, const struct decision *d)
{
    size_t weights = 0;
    bool paged = false;
    for (size_t i = 0; i < d->n_actions; i++) {
        const struct action *a = &d->actions[i];
        paged |= a->kind == ACTION_NOTIFY && strcmp(a->severity, "page") == 0;
        for (size_t k = 0; k < i; k++) {
            if (strcmp(d->actions[k].intent, a->intent) == 0)
                return "two actions share an intent";
        }
        if (a->kind != ACTION_SET_WEIGHT)
            continue;
        weights++;
        if (a->weight_pct != d->state.desired_pct)
            return "a weight is asked for that is not desired";
    }
    if (weights > 1)
        return "two weights are asked for in one turn";
    if (weights == 0 && d->state.desired_pct != in->state->desired_pct)
        return "the desired weight changed without an intent";
    if (!d->changed && d->n_actions > 0)
        return "actions without a record";
    if (d->state.decisions != in->state->decisions + d->changed)
        return "decisions are not counted one by one";
    bool began_rollback =
        d->state.state == ROLLOUT_ROLLING_BACK && in->state->state != ROLLOUT_ROLLING_BACK;
    if (began_rollback && !paged)
        return "a rollback began and nobody was paged";
    return NULL;
}

/* Safety never sleeps. */
static const char *of_safety(const struct decide_input *in, const struct decision *d)
{
    const struct rollout_policy *p = in->policy;
    bool exposed = in->state->desired_pct > 0 && !rollout_state_is_final(in->state->state);
    bool harm = count_failing(in->seen) >= p->quorum;
    if (exposed && harm && p->on_fail == RESPOND_ROLLBACK && p->automation != AUTOMATION_ADVISORY &&
        d->state.desired_pct > 0)
        return "harm is shown and the canary still gets traffic";
    if (exposed && count_failing(in->seen) > 0 && d->state.desired_pct > in->state->desired_pct)
        return "harm is shown and the weight is raised";
    if ((was_taken(in, d, ACT_ABORT) || was_taken(in, d, ACT_SUPERSEDE)) &&
        d->state.desired_pct > 0)
        return "aborted or superseded and the canary still gets traffic";
    bool blind = in->seen->telemetry_age_ms < 0 || in->seen->telemetry_age_ms > p->max_age_ms;
    if (exposed && blind && d->state.automation == AUTOMATION_FULL)
        return "full automation on stale telemetry";
    return NULL;
}

static const char *of_endings(const struct watch *w, const struct decide_input *in,
                              const struct decision *d)
{
    enum rollout_state_name before = in->state->state, after = d->state.state;
    const struct exposure *e = &in->seen->exposure;
    if (rollout_state_is_final(before) && (after != before || d->n_actions > 0))
        return "an ended rollout moved";
    if (before != ROLLOUT_ROLLING_BACK)
        return NULL;
    if (d->state.desired_pct != 0)
        return "the weight rose after a rollback";
    if (after == before)
        return NULL;
    if (after != ROLLOUT_ROLLED_BACK && after != ROLLOUT_SUPERSEDED)
        return "a rollback became something else";
    if (!e->known || !(e->observed_pct <= 1e-6))
        return "a rollback ended with traffic on the canary";
    if (!w->jumped && e->at_ms < w->asked_ms)
        return "a rollback ended on a reading from before it";
    return NULL;
}

const char *invariants_of_turn(struct watch *w, const struct decide_input *in,
                               const struct decision *d)
{
    if (w->last_now_ms != 0 && (in->now_ms < w->last_now_ms || in->now_ms > w->last_now_ms + 60000))
        w->jumped = true;
    w->last_now_ms = in->now_ms;
    const struct exposure *e = &in->seen->exposure;
    if (w->in_force_ms == 0 && e->known && fabs(e->observed_pct - in->state->desired_pct) <= 0.5 &&
        e->at_ms >= w->asked_ms)
        w->in_force_ms = in->now_ms;
    const char *broken = of_actions(in, d);
    broken = broken ? broken : of_safety(in, d);
    broken = broken ? broken : of_endings(w, in, d);
    if (!broken && d->state.desired_pct > in->state->desired_pct && !was_taken(in, d, ACT_PROMOTE))
        broken = of_raise(w, in, d);
    return broken;
}

void invariants_remember(struct watch *w, const struct decide_input *in, const struct decision *d)
{
    if (d->state.allowed_pct > w->highest_allowed_pct)
        w->highest_allowed_pct = d->state.allowed_pct;
    for (size_t i = 0; i < in->n_acts; i++)
        w->n_approvers =
            add_approver(w->approvers, w->n_approvers, &in->acts[i], in->state->author);
    w->skipped |= was_taken(in, d, ACT_SKIP_HOLD);
    if (d->state.desired_since_ms == in->state->desired_since_ms &&
        d->state.desired_pct == in->state->desired_pct)
        return;
    w->asked_ms = in->now_ms;
    w->in_force_ms = 0;
    w->jumped = false;
    w->skipped = false;
    w->n_approvers = 0;
}
