/* The rollout machine. Every function here is a pure function of the turn.
 *
 * Transitions (from -> to: condition; function):
 *   waiting      -> progressing   telemetry, exposure known, budget, approvals; raise_to_step
 *   waiting      -> promoting     the same, when the first step is 100; raise_to_step
 *   waiting      -> cancelled     human abort (acts.c), deadline; take_deadline
 *   progressing  -> progressing   all pass, hold over, approvals in; raise_to_step
 *   progressing  -> promoting     the same, next weight is 100; raise_to_step
 *   progressing  -> paused        `on:` says pause, quorum not reached, actuator silent, human;
 * pause_for paused       -> progressing   cause gone (automatic pauses), human resume or promote;
 * resume paused       -> promoting     the same at 100; resume promoting    -> paused        as
 * progressing promoting    -> succeeded     100 observed for `bake`, nothing against it; bake any
 * with exposure -> rolling_back   fail, human abort, `on:` says rollback, superseded; roll_back
 *   rolling_back -> rolled_back   0 observed; leave
 *   rolling_back -> superseded    0 observed, after a newer version took over; leave
 *
 * Facts:
 *   waiting       desired 0, step -1
 *   progressing   desired = steps[step].weight < 100, or a human's choice
 *   promoting     desired 100
 *   paused        pause_code not empty, desired > 0
 *   rolling_back  desired 0, pause_code says why
 *   final         ended_ms set, desired 0 except succeeded (100) */
#include "decide/decide.h"

#include "decide/internal.h"

#include <math.h>

#define OBSERVED_WITHIN_PCT 0.5

/* --- Building the answer --- */

void say(struct turn *t, const char *code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const char *sentence = arena_vprintf(t->arena, format, args);
    va_end(args);
    t->reasons =
        arena_grow(t->arena, t->reasons, t->n_reasons, &t->reason_capacity, sizeof *t->reasons);
    t->reasons[t->n_reasons++] = (struct reason){code, sentence};
}

void act_on(struct turn *t, enum action_kind kind, double weight_pct, const char *severity,
            const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const char *text = arena_vprintf(t->arena, format, args);
    va_end(args);
    const char *intent = arena_printf(t->arena, "%s/%u/%zu", t->s.id, t->s.decisions, t->n_actions);
    t->actions =
        arena_grow(t->arena, t->actions, t->n_actions, &t->action_capacity, sizeof *t->actions);
    t->actions[t->n_actions++] = (struct action){kind, intent, weight_pct, severity, text};
}

bool has_exposure(const struct turn *t)
{
    const struct exposure *e = &t->in->seen->exposure;
    return t->s.desired_pct > 0 || (e->known && e->observed_pct > 0);
}

int next_step(const struct turn *t)
{
    size_t i = 0;
    while (i < t->policy->n_steps && t->policy->steps[i].weight_pct <= t->s.desired_pct)
        i++;
    return (int)i;
}

void set_weight(struct turn *t, double weight_pct)
{
    t->s.desired_pct = weight_pct;
    t->s.allowed_pct = weight_pct;
    t->s.desired_since_ms = t->in->now_ms;
    t->s.step_since_ms = 0;
    t->s.skip_hold = false;
    t->s.actuator_failing = false;
    t->s.proposed_pct = -1;
    t->s.proposed_since_ms = 0;
    t->s.approvals = NULL;
    t->s.n_approvals = 0;
    t->sum.observed = false;
    act_on(t, ACTION_SET_WEIGHT, weight_pct, "info", "send %g%% of traffic to %s", weight_pct,
           t->s.canary_version);
}

void pause_for(struct turn *t, const char *code)
{
    bool was_paused = t->s.state == ROLLOUT_PAUSED;
    t->s.state = ROLLOUT_PAUSED;
    t->s.pause_code = code;
    t->verdict = "pause";
    if (!was_paused)
        act_on(t, ACTION_NOTIFY, t->s.desired_pct, "warning", "rollout %s is paused at %g%%: %s",
               t->s.id, t->s.desired_pct,
               t->n_reasons ? t->reasons[t->n_reasons - 1].sentence : code);
}

void resume(struct turn *t, const char *why)
{
    t->s.state = t->s.desired_pct >= 100 ? ROLLOUT_PROMOTING : ROLLOUT_PROGRESSING;
    t->s.pause_code = "";
    t->s.paused_by_human = false;
    t->verdict = "resume";
    say(t, "resumed", "resumed at %g%%: %s", t->s.desired_pct, why);
}

void end(struct turn *t, enum rollout_state_name state)
{
    t->s.state = state;
    t->s.ended_ms = t->in->now_ms;
}

/* Exposure to 0. When stable cannot take all of it people are paged, and the weight is still asked
 * for: a harmful canary is worse than a crowded stable. */
void roll_back(struct turn *t, const char *code)
{
    double from = t->s.desired_pct;
    if (t->in->seen->exposure.known && !t->in->seen->exposure.capacity_ok) {
        say(t, "stable_capacity", "not every server of stable can take traffic");
        act_on(t, ACTION_NOTIFY, 0, "page",
               "rolling back %s although not every server of stable can take traffic", t->s.id);
    }
    t->s.state = ROLLOUT_ROLLING_BACK;
    t->s.pause_code = code;
    t->s.paused_by_human = false;
    set_weight(t, 0);
    t->verdict = "rollback";
    act_on(t, ACTION_NOTIFY, 0, "page", "rollout %s is rolled back from %g%%: %s", t->s.id, from,
           t->n_reasons ? t->reasons[0].sentence : code);
}

/* --- What is seen --- */

static void keep_first(const struct evidence **slot, const struct evidence *e)
{
    if (!*slot)
        *slot = e;
}

static void summarise(struct turn *t)
{
    const struct snapshot *seen = t->in->seen;
    for (size_t i = 0; i < seen->n_checks; i++) {
        const struct evidence *e = &seen->checks[i];
        if (!e->critical)
            continue;
        switch (e->state) {
        case EVIDENCE_FAIL:
            t->sum.failing++;
            keep_first(&t->sum.fail, e);
            break;
        case EVIDENCE_ERROR:
            keep_first(&t->sum.error, e);
            break;
        case EVIDENCE_BLIND:
            keep_first(&t->sum.blind, e);
            break;
        case EVIDENCE_INSUFFICIENT:
            keep_first(&t->sum.insufficient, e);
            break;
        case EVIDENCE_PASS:
            break;
        }
    }
    t->sum.stale = seen->telemetry_age_ms < 0 || seen->telemetry_age_ms > t->policy->max_age_ms;
    t->sum.observed = seen->exposure.known &&
                      fabs(seen->exposure.observed_pct - t->s.desired_pct) <= OBSERVED_WITHIN_PCT;
}

/* The effective level: what was configured, and no more than `approve` while telemetry cannot be
 * trusted. */
static void set_automation(struct turn *t)
{
    bool blind = has_exposure(t) && (t->sum.stale || t->sum.blind);
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

/* A step begins when its weight is observed, not when it was asked for. */
static void watch_actuator(struct turn *t)
{
    const struct exposure *e = &t->in->seen->exposure;
    if (t->sum.observed) {
        if (t->s.step_since_ms == 0 && t->s.desired_pct > 0) {
            t->s.step_since_ms = t->in->now_ms;
            say(t, "weight_observed", "%g%% is in force", e->observed_pct);
        }
        t->s.actuator_failing = false;
        return;
    }
    int64_t waited = t->in->now_ms - t->s.desired_since_ms;
    if (t->s.actuator_failing || waited < t->policy->traffic.timeout_ms)
        return;
    t->s.actuator_failing = true;
    if (e->known)
        say(t, "actuator", "the weight is %g%%, not %g%%, for %g s", e->observed_pct,
            t->s.desired_pct, (double)waited / 1000);
    else
        say(t, "actuator", "the weight cannot be observed: %s", e->error);
    act_on(t, ACTION_NOTIFY, t->s.desired_pct, "page", "rollout %s: %s", t->s.id,
           t->reasons[t->n_reasons - 1].sentence);
}

/* --- Safety: looked at in every state with exposure --- */

/* Advice is given once per weight. */
static void advise(struct turn *t, double weight_pct, const char *text)
{
    t->verdict = "would";
    if (t->s.proposed_pct == weight_pct)
        return;
    t->s.proposed_pct = weight_pct;
    t->s.proposed_since_ms = t->in->now_ms;
    act_on(t, ACTION_WOULD, weight_pct, "warning", "%s", text);
}

/* True when the response ends the turn. */
static bool respond(struct turn *t, enum policy_response response, const char *code)
{
    switch (response) {
    case RESPOND_HOLD:
        t->verdict = "hold";
        return t->s.state != ROLLOUT_PAUSED;
    case RESPOND_PAUSE:
        if (t->s.state == ROLLOUT_PAUSED && t->s.paused_by_human)
            return false;
        pause_for(t, code);
        return true;
    case RESPOND_ROLLBACK:
        if (t->s.automation == AUTOMATION_ADVISORY)
            advise(t, 0, "would roll back; automation is advisory");
        else
            roll_back(t, code);
        return true;
    }
    return false;
}

static bool respond_to_fail(struct turn *t)
{
    const struct evidence *e = t->sum.fail;
    say(t, e->code, "%s: %s", e->check, e->sentence);
    if (t->sum.failing < t->policy->quorum) {
        say(t, "below_quorum", "%d failing check of the %d that roll back", t->sum.failing,
            t->policy->quorum);
        return respond(t, RESPOND_PAUSE, "below_quorum");
    }
    return respond(t, t->policy->on_fail, "fail");
}

static bool respond_to_blind(struct turn *t)
{
    const struct evidence *e = t->sum.blind;
    int64_t age = t->in->seen->telemetry_age_ms;
    if (e)
        say(t, e->code, "%s: %s", e->check, e->sentence);
    else if (age < 0)
        say(t, "no_telemetry", "no telemetry of %s has been seen", t->s.service);
    else
        say(t, "stale", "telemetry is %g s old, the limit is %g s", (double)age / 1000,
            (double)t->policy->max_age_ms / 1000);
    return respond(t, t->policy->on_blind, "blind");
}

static bool take_deadline(struct turn *t)
{
    int64_t limit = t->policy->deadline_ms;
    if (limit == 0 || t->s.deadline_taken || t->in->now_ms - t->s.created_ms < limit)
        return false;
    t->s.deadline_taken = true;
    say(t, "deadline", "not finished within %g min", (double)limit / 60000);
    if (t->s.state == ROLLOUT_WAITING) {
        t->verdict = "cancel";
        end(t, ROLLOUT_CANCELLED);
        return true;
    }
    return respond(t, t->policy->on_deadline, "deadline");
}

/* In order of attention: fail > error > blind > insufficient. True when the turn is over. */
static bool keep_safe(struct turn *t)
{
    if (t->sum.fail)
        return respond_to_fail(t);
    if (take_deadline(t))
        return true;
    if (t->s.actuator_failing) {
        say(t, "actuator", "waiting for the actuator: %s",
            t->in->seen->exposure.known ? "its weight is not what was asked"
                                        : t->in->seen->exposure.error);
        return respond(t, RESPOND_PAUSE, "actuator");
    }
    if (t->sum.error) {
        say(t, t->sum.error->code, "%s: %s", t->sum.error->check, t->sum.error->sentence);
        return respond(t, t->policy->on_error, "error");
    }
    if (t->sum.blind || t->sum.stale)
        return respond_to_blind(t);
    if (t->sum.insufficient && t->s.desired_pct < 100) {
        say(t, t->sum.insufficient->code, "%s: %s", t->sum.insufficient->check,
            t->sum.insufficient->sentence);
        return respond(t, t->policy->on_insufficient, "insufficient");
    }
    return false;
}

/* --- One function a state --- */

static void wait(struct turn *t)
{
    t->verdict = "wait";
    if (take_deadline(t))
        return;
    if (!t->in->seen->exposure.known)
        say(t, "actuator", "cannot start: the weight cannot be observed: %s",
            t->in->seen->exposure.error);
    else if (!t->sum.observed)
        say(t, "actuator", "cannot start: %g%% of traffic is on the canary already",
            t->in->seen->exposure.observed_pct);
    else if (t->in->seen->telemetry_age_ms < 0)
        say(t, "no_telemetry",
            "cannot start: no telemetry of %s has been seen; check its targets and selectors",
            t->s.service);
    else if (t->sum.stale)
        say(t, "stale", "cannot start: telemetry is %g s old, the limit is %g s",
            (double)t->in->seen->telemetry_age_ms / 1000, (double)t->policy->max_age_ms / 1000);
    else if (t->sum.error)
        say(t, t->sum.error->code, "cannot start: %s: %s", t->sum.error->check,
            t->sum.error->sentence);
    else
        raise_to_step(t, 0);
}

static bool hold_is_over(struct turn *t, int64_t hold_ms)
{
    int64_t held = t->in->now_ms - t->s.step_since_ms;
    if (t->s.step_since_ms == 0) {
        say(t, "weight_pending", "waiting until %g%% is in force", t->s.desired_pct);
        return false;
    }
    if (held >= hold_ms || t->s.skip_hold)
        return true;
    say(t, "hold_not_over", "held %g s of %g s", floor((double)held / 1000),
        (double)hold_ms / 1000);
    return false;
}

static int64_t present_hold_ms(const struct turn *t)
{
    int step = t->s.step;
    return step >= 0 && (size_t)step < t->policy->n_steps ? t->policy->steps[step].hold_ms : 0;
}

static void progress(struct turn *t)
{
    t->verdict = "hold";
    if (hold_is_over(t, present_hold_ms(t)))
        raise_to_step(t, next_step(t));
}

static void bake(struct turn *t)
{
    t->verdict = "bake";
    if (!hold_is_over(t, t->policy->bake_ms))
        return;
    t->verdict = "succeed";
    say(t, "succeeded", "%s took all traffic for %g s with nothing against it", t->s.canary_version,
        (double)(t->in->now_ms - t->s.step_since_ms) / 1000);
    act_on(t, ACTION_NOTIFY, 100, "info", "rollout %s succeeded", t->s.id);
    end(t, ROLLOUT_SUCCEEDED);
}

/* Nobody's pause lifts itself when its cause is gone; a human's and the deadline's stay. */
static void stay_paused(struct turn *t)
{
    t->verdict = "pause";
    if (t->s.paused_by_human) {
        say(t, "paused_by_human", "paused at %g%% until a human resumes", t->s.desired_pct);
        return;
    }
    if (strcmp(t->s.pause_code, "deadline") == 0) {
        say(t, "deadline", "paused at %g%% past the deadline, until a human resumes or aborts",
            t->s.desired_pct);
        return;
    }
    resume(t, "what it was paused for is gone");
}

static void leave(struct turn *t)
{
    t->verdict = "rollback";
    const struct exposure *e = &t->in->seen->exposure;
    if (!e->known || e->observed_pct > 1e-6) {
        say(t, "rolling_back", "waiting until no traffic is on %s", t->s.canary_version);
        return;
    }
    bool superseded = strcmp(t->s.pause_code, "superseded") == 0;
    t->verdict = superseded ? "supersede" : "rolled_back";
    say(t, t->verdict, "no traffic is on %s", t->s.canary_version);
    end(t, superseded ? ROLLOUT_SUPERSEDED : ROLLOUT_ROLLED_BACK);
}

static void take_turn(struct turn *t)
{
    if (t->s.state == ROLLOUT_ROLLING_BACK) {
        leave(t);
        return;
    }
    if (t->s.state == ROLLOUT_WAITING) {
        wait(t);
        return;
    }
    if (keep_safe(t))
        return;
    if (t->s.state == ROLLOUT_PAUSED)
        stay_paused(t);
    else if (t->s.state == ROLLOUT_PROMOTING)
        bake(t);
    else
        progress(t);
}

/* --- The face --- */

/* Equal in everything that is remembered; pointers are compared by what they point to. */
static bool same_state(const struct rollout_state *a, const struct rollout_state *b)
{
    return a->state == b->state && a->step == b->step && a->desired_pct == b->desired_pct &&
           a->allowed_pct == b->allowed_pct && a->desired_since_ms == b->desired_since_ms &&
           a->step_since_ms == b->step_since_ms && a->automation == b->automation &&
           strcmp(a->pause_code, b->pause_code) == 0 && a->paused_by_human == b->paused_by_human &&
           a->actuator_failing == b->actuator_failing && a->skip_hold == b->skip_hold &&
           a->deadline_taken == b->deadline_taken && a->proposed_pct == b->proposed_pct &&
           a->proposed_since_ms == b->proposed_since_ms && a->n_approvals == b->n_approvals &&
           a->blind_since_ms == b->blind_since_ms;
}

struct decision decide(struct arena *arena, const struct decide_input *in)
{
    struct turn t = {.arena = arena, .in = in, .policy = in->policy, .s = *in->state};
    rollout_state_check(&t.s, t.policy);
    t.verdict = "done";
    if (!rollout_state_is_final(t.s.state)) {
        summarise(&t);
        set_automation(&t);
        take_acts(&t);
    }
    if (!rollout_state_is_final(t.s.state)) {
        watch_actuator(&t);
        take_turn(&t);
    }
    bool changed = t.n_actions > 0 || in->n_acts > 0 || !same_state(&t.s, in->state);
    if (changed)
        t.s.decisions++;
    rollout_state_check(&t.s, t.policy);
    return (struct decision){t.s,         t.actions, t.n_actions, t.reasons,
                             t.n_reasons, t.verdict, changed};
}

struct rollout_state decide_start(const char *id, const char *service, const char *canary_version,
                                  const char *stable_version, const char *author,
                                  const char *change_kind, const struct rollout_policy *policy,
                                  int64_t now_ms)
{
    return (struct rollout_state){.id = id,
                                  .service = service,
                                  .canary_version = canary_version,
                                  .stable_version = stable_version,
                                  .author = author,
                                  .change_kind = change_kind,
                                  .state = ROLLOUT_WAITING,
                                  .step = -1,
                                  .created_ms = now_ms,
                                  .desired_since_ms = now_ms,
                                  .automation = policy->automation,
                                  .pause_code = "",
                                  .proposed_pct = -1};
}

void rollout_state_check(const struct rollout_state *s, const struct rollout_policy *policy)
{
    CHECK(s->desired_pct >= 0 && s->desired_pct <= 100);
    CHECK(s->desired_pct <= s->allowed_pct);
    CHECK(s->step >= -1 && s->step < (int)policy->n_steps);
    CHECK(rollout_state_is_final(s->state) == (s->ended_ms != 0));
    switch (s->state) {
    case ROLLOUT_WAITING:
        CHECK(s->desired_pct == 0 && s->step == -1);
        break;
    case ROLLOUT_PROGRESSING:
        CHECK(s->desired_pct > 0 && s->desired_pct < 100);
        break;
    case ROLLOUT_PROMOTING:
    case ROLLOUT_SUCCEEDED:
        CHECK(s->desired_pct == 100);
        break;
    case ROLLOUT_PAUSED:
        CHECK(s->pause_code[0] != '\0' && s->desired_pct > 0);
        break;
    case ROLLOUT_ROLLING_BACK:
    case ROLLOUT_ROLLED_BACK:
    case ROLLOUT_CANCELLED:
    case ROLLOUT_SUPERSEDED:
        CHECK(s->desired_pct == 0);
        break;
    }
}
