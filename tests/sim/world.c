#include "world.h"

#include <math.h>

static void make_steps(struct world *w)
{
    double weight_pct = 0;
    size_t n = (size_t)rng_between(w->rng, 1, WORLD_MAX_STEPS);
    for (size_t i = 0; i < n; i++) {
        weight_pct += rng_between(w->rng, 1, 20);
        w->steps[i] = (struct rollout_step){i + 1 == n ? 100 : weight_pct,
                                            WORLD_TICK_MS * rng_between(w->rng, 0, 5)};
    }
    w->policy.steps = w->steps;
    w->policy.n_steps = n;
}

static void make_checks(struct world *w)
{
    static const char *const names[] = {"errors", "latency", "memory"};
    size_t n = (size_t)rng_between(w->rng, 1, WORLD_MAX_CHECKS);
    for (size_t i = 0; i < n; i++)
        w->checks[i] = (struct check_spec){.name = names[i],
                                           .slo = "slo",
                                           .against_stable = true,
                                           .below = (double)NAN,
                                           .above = (double)NAN,
                                           .critical = i == 0 || rng_percent(w->rng, 80)};
    w->policy.checks = w->checks;
    w->policy.n_checks = n;
}

/* Mostly the usual response, sometimes any. */
static enum policy_response some_response(struct world *w, enum policy_response usual)
{
    return rng_percent(w->rng, 80) ? usual : (enum policy_response)rng_between(w->rng, 0, 2);
}

static void make_limits(struct world *w)
{
    struct rollout_policy *p = &w->policy;
    struct rng *rng = w->rng;
    p->automation =
        rng_percent(rng, 75) ? AUTOMATION_FULL : (enum automation)rng_between(rng, 0, 1);
    p->max_age_ms = WORLD_TICK_MS * rng_between(rng, 1, 4);
    p->traffic.timeout_ms = WORLD_TICK_MS * rng_between(rng, 2, 8);
    p->bake_ms = WORLD_TICK_MS * rng_between(rng, 0, 5);
    p->deadline_ms = rng_percent(rng, 30) ? WORLD_TICK_MS * rng_between(rng, 10, 60) : 0;
    p->quorum = rng_percent(rng, 80) ? 1 : 2;
    p->budget_slo = rng_percent(rng, 30) ? "slo" : NULL;
    p->budget_keep = 0.1;
    w->before_pct[0] = w->steps[rng_between(rng, 0, (int)p->n_steps - 1)].weight_pct;
    p->approvals =
        (struct approvals_spec){w->before_pct, rng_percent(rng, 20), rng_between(rng, 0, 2),
                                WORLD_TICK_MS * rng_between(rng, 4, 40)};
}

void world_init(struct world *w, struct rng *rng)
{
    *w = (struct world){.rng = rng, .now_ms = WORLD_EPOCH_MS, .harm_tick = -1, .budget = 0.5};
    w->policy = (struct rollout_policy){.name = "payments",
                                        .service = "payments",
                                        .cohort_label = "version",
                                        .traffic = {"fake", NULL, 0},
                                        .false_rollback = 0.05,
                                        .missed_harm = 0.05,
                                        .dispersion = 2,
                                        .bucket_ms = 5000,
                                        .path = ""};
    make_steps(w);
    make_checks(w);
    make_limits(w);
    w->policy.on_fail = some_response(w, RESPOND_ROLLBACK);
    w->policy.on_insufficient = some_response(w, RESPOND_HOLD);
    w->policy.on_blind = some_response(w, RESPOND_PAUSE);
    w->policy.on_error = some_response(w, RESPOND_PAUSE);
    w->policy.on_deadline = some_response(w, RESPOND_PAUSE);
    w->proof_ticks = rng_between(rng, 0, 6);
    if (rng_percent(rng, 35))
        w->harm_tick = rng_between(rng, 0, 60);
}

static void start_faults(struct world *w)
{
    size_t i = (size_t)rng_between(w->rng, 0, (int)w->policy.n_checks - 1);
    if (rng_percent(w->rng, 1))
        w->blind_ticks[i] = rng_between(w->rng, 1, 8);
    if (rng_percent(w->rng, 0.5))
        w->error_ticks[i] = rng_between(w->rng, 1, 5);
    if (rng_percent(w->rng, 0.5))
        w->absent_ticks[i] = rng_between(w->rng, 1, 5);
    if (rng_percent(w->rng, 1))
        w->silent_ticks = rng_between(w->rng, 1, 10);
    if (rng_percent(w->rng, 2))
        w->budget = rng_percent(w->rng, 20) ? (double)NAN : rng_between(w->rng, -20, 80) / 100.0;
    if (rng_percent(w->rng, 0.5))
        w->now_ms += WORLD_TICK_MS * rng_between(w->rng, -700, 700);
}

static void count_down(int *ticks)
{
    if (*ticks > 0)
        (*ticks)--;
}

void world_tick(struct world *w, double exposure_pct)
{
    w->tick++;
    w->now_ms += WORLD_TICK_MS;
    if (!w->calm)
        start_faults(w);
    for (size_t i = 0; i < w->policy.n_checks; i++) {
        count_down(&w->blind_ticks[i]);
        count_down(&w->error_ticks[i]);
        count_down(&w->absent_ticks[i]);
        bool harmful = w->harm_tick >= 0 && w->tick >= w->harm_tick && exposure_pct > 0;
        w->failed[i] |= harmful && rng_percent(w->rng, 25);
    }
    count_down(&w->silent_ticks);
    w->age_ms = w->silent_ticks > 0 ? w->age_ms + WORLD_TICK_MS : 1000;
    w->exposed_ticks = exposure_pct > 0 ? w->exposed_ticks + 1 : 0;
}

static enum evidence_state state_of(const struct world *w, size_t i)
{
    if (w->error_ticks[i] > 0)
        return EVIDENCE_ERROR;
    if (w->blind_ticks[i] > 0)
        return EVIDENCE_BLIND;
    if (w->failed[i])
        return EVIDENCE_FAIL;
    return w->exposed_ticks < w->proof_ticks ? EVIDENCE_INSUFFICIENT : EVIDENCE_PASS;
}

struct snapshot world_look(struct world *w, struct arena *arena, struct exposure exposure)
{
    struct evidence *checks = ARENA_ARRAY(arena, struct evidence, w->policy.n_checks);
    size_t n = 0;
    for (size_t i = 0; i < w->policy.n_checks; i++) {
        if (w->absent_ticks[i] > 0)
            continue;
        enum evidence_state state = state_of(w, i);
        checks[n++] = (struct evidence){.check = w->checks[i].name,
                                        .state = state,
                                        .critical = w->checks[i].critical,
                                        .unit = "ratio",
                                        .query = "",
                                        .code = evidence_state_name(state),
                                        .sentence = "simulated",
                                        .would_change = ""};
    }
    return (struct snapshot){.at_ms = w->now_ms,
                             .checks = checks,
                             .n_checks = n,
                             .exposure = exposure,
                             .budget_remaining = w->policy.budget_slo ? w->budget : (double)NAN,
                             .telemetry_age_ms = w->tick < 3 && w->silent_ticks ? -1 : w->age_ms};
}

bool world_act(struct world *w, struct arena *arena, struct act *a)
{
    static const char *const people[] = {"ann", "bob", "eve"};
    if (w->calm || !rng_percent(w->rng, 6))
        return false;
    enum act_kind kind =
        rng_percent(w->rng, 50) ? ACT_APPROVE : (enum act_kind)rng_between(w->rng, 0, 6);
    bool rare = kind == ACT_ABORT || kind == ACT_SUPERSEDE;
    if (rare && !rng_percent(w->rng, 30))
        return false;
    *a = (struct act){.id = arena_printf(arena, "act-%d", w->tick),
                      .kind = kind,
                      .actor = people[rng_between(w->rng, 0, 2)],
                      .role = rng_percent(w->rng, 95) ? "operator" : "",
                      .reason = rng_percent(w->rng, 95) ? "simulated" : "",
                      .full = rng_percent(w->rng, 20),
                      .at_ms = w->now_ms};
    return true;
}
