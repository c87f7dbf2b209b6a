/* clang-format off */
/* The rollout machine. Every function here is a pure function of the turn.
 *
 * Transitions (from -> to: condition; function):
 *   waiting      -> progressing   telemetry, exposure known, budget, approvals; raise_to_step
 *   waiting      -> promoting     the same, when the first step is 100; raise_to_step
 *   waiting      -> cancelled     human abort (acts.c), deadline; wait
 *   progressing  -> progressing   all pass, hold over, approvals in; raise_to_step
 *   progressing  -> promoting     the same, next weight is 100; raise_to_step
 *   progressing  -> paused        a cause that pauses (safety.c), human; pause_for
 *   paused       -> progressing   cause gone (automatic pauses), human resume or promote; resume
 *   paused       -> promoting     the same at 100; resume
 *   promoting    -> paused        as progressing
 *   promoting    -> succeeded     100 observed for `bake`, nothing against it; bake
 *   any with exposure -> rolling_back   a cause that rolls back, human abort, superseded; roll_back
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
/* clang-format on */
#include "decide/internal.h"

#include <math.h>

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

static struct action *find_set_weight(const struct turn *t)
{
    for (size_t i = 0; i < t->n_actions; i++) {
        if (t->actions[i].kind == ACTION_SET_WEIGHT)
            return &t->actions[i];
    }
    return NULL;
}

/* One weight a turn: when a turn changes its mind (promote, then harm), only the last one is asked
 * for, so that no exposure is asked for that the state after the turn does not allow. */
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
    t->s.unobserved_since_ms = t->in->now_ms;
    t->sum.observed = false;
    const char *text =
        arena_printf(t->arena, "send %g%% of traffic to %s", weight_pct, t->s.canary_version);
    struct action *earlier = find_set_weight(t);
    if (earlier) {
        earlier->weight_pct = weight_pct;
        earlier->text = text;
        return;
    }
    act_on(t, ACTION_SET_WEIGHT, weight_pct, "info", "%s", text);
}

void pause_for(struct turn *t, const char *code, const char *why)
{
    bool known = t->s.state == ROLLOUT_PAUSED && strcmp(t->s.pause_code, code) == 0;
    t->s.state = ROLLOUT_PAUSED;
    t->s.pause_code = code;
    t->verdict = "pause";
    if (!known)
        act_on(t, ACTION_NOTIFY, t->s.desired_pct, "warning", "rollout %s is paused at %g%%: %s",
               t->s.id, t->s.desired_pct, why);
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
void roll_back(struct turn *t, const char *code, const char *why)
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
           why);
}

/* --- One function a state --- */

/* What forbids a start, said; false when nothing does. Comparisons cannot be expected to have
 * anything to say before there is exposure, so `insufficient` and `blind` do not forbid it. */
static bool cannot_start(struct turn *t)
{
    const struct exposure *e = &t->in->seen->exposure;
    int64_t age_ms = t->in->seen->telemetry_age_ms;
    const struct evidence *against = t->sum.fail ? t->sum.fail : t->sum.error;
    if (!e->known)
        say(t, "actuator", "cannot start: the weight cannot be observed: %s", e->error);
    else if (!t->sum.observed)
        say(t, "actuator", "cannot start: %g%% of traffic is on the canary already",
            e->observed_pct);
    else if (age_ms < 0)
        say(t, "no_telemetry",
            "cannot start: no telemetry of %s has been seen; check its targets and selectors",
            t->s.service);
    else if (t->sum.stale)
        say(t, "stale", "cannot start: telemetry is %g s old, the limit is %g s",
            (double)age_ms / 1000, (double)t->policy->max_age_ms / 1000);
    else if (against)
        say(t, against->code, "cannot start: %s: %s", against->check, against->sentence);
    else
        return false;
    return true;
}

/* What is known to be weak about this rollout is said before and when it starts, and stops nothing.
 */
static void give_notice(struct turn *t)
{
    const struct snapshot *seen = t->in->seen;
    for (size_t i = 0; i < seen->n_notices; i++) {
        say(t, seen->notices[i].code, "%s", seen->notices[i].sentence);
        if (t->s.step == 0)
            act_on(t, ACTION_NOTIFY, t->s.desired_pct, "warning", "%s", seen->notices[i].sentence);
    }
}

static void wait(struct turn *t)
{
    t->verdict = "wait";
    if (deadline_is_over(t)) {
        t->s.deadline_taken = true;
        t->verdict = "cancel";
        say(t, "deadline", "not started within %g min", (double)t->policy->deadline_ms / 60000);
        end(t, ROLLOUT_CANCELLED);
        return;
    }
    if (stop_early_harm(t))
        return;
    if (cannot_start(t))
        return;
    raise_to_step(t, 0);
    give_notice(t);
}

static bool hold_is_over(struct turn *t, int64_t hold_ms)
{
    int64_t held = t->in->now_ms - t->s.step_since_ms;
    if (t->s.step_since_ms == 0 || !t->sum.observed) {
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
    if (!t->sum.observed) {
        say(t, "rolling_back", "waiting until no traffic is on %s", t->s.canary_version);
        return;
    }
    bool superseded = strcmp(t->s.pause_code, "superseded") == 0;
    t->verdict = superseded ? "supersede" : "rolled_back";
    say(t, superseded ? "superseded" : "rolled_back", "no traffic is on %s", t->s.canary_version);
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
           a->blind_since_ms == b->blind_since_ms &&
           a->unobserved_since_ms == b->unobserved_since_ms;
}

struct decision decide(struct arena *arena, const struct decide_input *in)
{
    struct turn t = {.arena = arena, .in = in, .policy = in->policy, .s = *in->state};
    rollout_state_check(&t.s, t.policy);
    t.verdict = "done";
    if (!rollout_state_is_final(t.s.state))
        see(&t);
    take_acts(&t);
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
                                  .unobserved_since_ms = now_ms,
                                  .automation = policy->automation,
                                  .pause_code = "",
                                  .proposed_pct = -1};
}

static const char *flaw_in_state(const struct rollout_state *s)
{
    switch (s->state) {
    case ROLLOUT_WAITING:
        return s->desired_pct == 0 && s->step == -1 ? NULL : "waiting with exposure asked for";
    case ROLLOUT_PROGRESSING:
        return s->desired_pct > 0 && s->desired_pct < 100 ? NULL : "progressing outside 0..100%";
    case ROLLOUT_PROMOTING:
    case ROLLOUT_SUCCEEDED:
        return s->desired_pct == 100 ? NULL : "promoted without all traffic";
    case ROLLOUT_PAUSED:
        return s->pause_code[0] != '\0' && s->desired_pct > 0 ? NULL : "paused without a cause";
    case ROLLOUT_ROLLING_BACK:
    case ROLLOUT_ROLLED_BACK:
    case ROLLOUT_CANCELLED:
    case ROLLOUT_SUPERSEDED:
        return s->desired_pct == 0 ? NULL : "ended with exposure asked for";
    }
    return "no state";
}

const char *rollout_state_flaw(const struct rollout_state *s, const struct rollout_policy *policy)
{
    if (!(s->desired_pct >= 0 && s->desired_pct <= 100))
        return "the desired weight is no percentage";
    if (!(s->desired_pct <= s->allowed_pct && s->allowed_pct <= 100))
        return "the desired weight is over the allowed one";
    if (!(s->step >= -1 && s->step < (int)policy->n_steps))
        return "the step is none of the policy's";
    if (rollout_state_is_final(s->state) != (s->ended_ms != 0))
        return "the end is not that of a final state";
    return flaw_in_state(s);
}

void rollout_state_check(const struct rollout_state *s, const struct rollout_policy *policy)
{
    const char *flaw = rollout_state_flaw(s, policy);
    if (flaw)
        check_failed(__FILE__, __LINE__, flaw);
}
