/* sim.c -- whole rollouts under faults, by seed, and the invariants of architecture.md after every
 * turn.
 *
 *   decide_sim [--seeds N]             seeds 0..N-1 (10000); a failing seed tells its whole story
 *   decide_sim --seed N [--verbose]    that one
 *
 * The loop is the daemon's: look, decide, record, act, observe; a crash may come between any two of
 * them and leaves only the ledger and the world. */
#include "fake_actuator.h"
#include "fake_ledger.h"
#include "invariants.h"
#include "world.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define CALM_TICK 90
#define LAST_TICK 125
#define MAX_ACTS 4
#define REPLAY_EVERY 8 /* seeds; a replay costs more than the rollout itself */

#define N_STATES (ROLLOUT_SUPERSEDED + 1)

struct sim {
    uint64_t seed;
    bool verbose;
    const char *broken; /* the rule that does not hold; NULL */
    struct rng rng;
    struct arena arena; /* of the seed */
    struct world world;
    struct fake_actuator actuator;
    struct fake_ledger ledger;
    struct watch watch;

    /* The process's memory: lost in a crash. */
    struct arena memory;
    struct rollout_state state;
    struct exposure exposure; /* as of the last call of the actuator */

    struct act acts[MAX_ACTS]; /* acknowledged, so they survive */
    size_t n_acts;
};

static void tell(const struct sim *s, const char *format, ...) PRINTF_LIKE(2, 3);

static void tell(const struct sim *s, const char *format, ...)
{
    if (!s->verbose)
        return;
    va_list args;
    printf("  %4d %8.0fs  ", s->world.tick, (double)(s->world.now_ms - WORLD_EPOCH_MS) / 1000);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
}

static void check(struct sim *s, bool holds, const char *rule)
{
    if (!holds && !s->broken)
        s->broken = rule;
}

/* Everything the state points to, into the process's memory of the next tick. */
static void keep_state(struct sim *s, const struct rollout_state *answer)
{
    struct arena next = ARENA_INIT;
    struct rollout_state copy = *answer;
    struct approval *approvals = ARENA_ARRAY(&next, struct approval, answer->n_approvals);
    for (size_t i = 0; i < answer->n_approvals; i++)
        approvals[i] = (struct approval){arena_strdup(&next, answer->approvals[i].actor),
                                         answer->approvals[i].at_ms};
    copy.approvals = approvals;
    copy.id = arena_strdup(&next, answer->id);
    copy.service = arena_strdup(&next, answer->service);
    copy.canary_version = arena_strdup(&next, answer->canary_version);
    copy.stable_version = arena_strdup(&next, answer->stable_version);
    copy.author = arena_strdup(&next, answer->author);
    copy.change_kind = arena_strdup(&next, answer->change_kind);
    copy.pause_code = arena_strdup(&next, answer->pause_code);
    arena_release(&s->memory);
    s->memory = next;
    s->state = copy;
}

/* Only the ledger and the world are left. */
static void crash(struct sim *s, const char *where)
{
    struct arena arena = ARENA_INIT;
    struct rollout_state folded = fake_ledger_fold(&s->ledger, &arena);
    tell(s, "crash %s; folded: %s %g%%", where, rollout_state_text(folded.state),
         folded.desired_pct);
    keep_state(s, &folded);
    arena_release(&arena);
    s->exposure = (struct exposure){
        .observed_pct = (double)NAN, .measured_pct = (double)NAN, .error = "not asked yet"};
}

static void restart(struct sim *s)
{
    struct arena arena = ARENA_INIT;
    struct str live = canonical_in(&arena, rollout_state_to_json(&arena, &s->state));
    check(s, str_eq(live, fake_ledger_last_state(&s->ledger)),
          "the state in memory is not the fold of the ledger");
    arena_release(&arena);
    crash(s, "between ticks");
}

static void tell_decision(const struct sim *s, const struct decision *d)
{
    tell(s, "%s: %s %g%%", d->verdict, rollout_state_text(d->state.state), d->state.desired_pct);
    for (size_t i = 0; i < d->n_reasons; i++)
        tell(s, "    because %s: %s", d->reasons[i].code, d->reasons[i].sentence);
    for (size_t i = 0; i < d->n_actions; i++)
        tell(s, "    %s %g%% (%s)", action_kind_name(d->actions[i].kind), d->actions[i].weight_pct,
             d->actions[i].intent);
}

static void tell_world(const struct sim *s, const struct snapshot *seen)
{
    for (size_t i = 0; i < seen->n_checks; i++) {
        if (seen->checks[i].state != EVIDENCE_PASS)
            tell(s, "  %s is %s%s", seen->checks[i].check,
                 evidence_state_name(seen->checks[i].state),
                 seen->checks[i].critical ? "" : " (not critical)");
    }
    if (seen->n_checks < s->world.policy.n_checks)
        tell(s, "  %zu of %zu checks say nothing", s->world.policy.n_checks - seen->n_checks,
             s->world.policy.n_checks);
    if (seen->telemetry_age_ms != 1000)
        tell(s, "  telemetry is %g s old", (double)seen->telemetry_age_ms / 1000);
    if (!seen->exposure.known || seen->exposure.observed_pct != s->state.desired_pct)
        tell(s, "  exposure seen %g%%, actual %g%%, desired %g%%", seen->exposure.observed_pct,
             s->actuator.actual_pct, s->state.desired_pct);
}

/* The desired weight, under the intent that the ledger holds for it. */
static void actuate(struct sim *s)
{
    const struct intent *intent = fake_ledger_last_intent(&s->ledger);
    if (rollout_state_is_final(s->state.state))
        return;
    if (!intent) {
        s->exposure = fake_actuator_observe(&s->actuator, s->world.now_ms);
        return;
    }
    check(s, intent->weight_pct == s->state.desired_pct, "applied a weight that no intent names");
    check(s, s->state.desired_pct <= s->watch.highest_allowed_pct,
          "applied more than any decision allowed");
    s->exposure = fake_actuator_apply(&s->actuator, &s->rng, s->state.desired_pct, s->world.now_ms);
}

/* False when the process crashed before the record was safe. */
static bool record(struct sim *s, const struct decide_input *in, const struct decision *d)
{
    if (!s->world.calm && rng_percent(&s->rng, 1)) {
        crash(s, "before the record");
        return false;
    }
    for (size_t i = 0; i < d->n_actions; i++)
        check(s, !fake_ledger_find_intent(&s->ledger, d->actions[i].intent),
              "an intent is used twice");
    fake_ledger_append(&s->ledger, in, d);
    invariants_remember(&s->watch, in, d);
    s->n_acts = 0;
    return true;
}

static void turn(struct sim *s)
{
    struct arena arena = ARENA_INIT;
    struct snapshot seen = world_look(&s->world, &arena, s->exposure);
    struct decide_input in = {&s->world.policy, &s->state, &seen,
                              s->acts,          s->n_acts, s->world.now_ms};
    struct decision d = decide(&arena, &in);
    if (s->verbose) {
        tell_world(s, &seen);
        if (d.changed)
            tell_decision(s, &d);
    }
    const char *broken = invariants_of_turn(&s->watch, &in, &d);
    check(s, !broken, broken);
    if (!d.changed || record(s, &in, &d)) {
        keep_state(s, &d.state);
        if (!s->world.calm && rng_percent(&s->rng, 1))
            crash(s, "before the actuator was told");
        else
            actuate(s);
        if (!s->world.calm && rng_percent(&s->rng, 1))
            crash(s, "before the observation was kept");
    }
    arena_release(&arena);
}

static void tick(struct sim *s)
{
    s->world.calm = s->world.tick >= CALM_TICK;
    world_tick(&s->world, s->actuator.actual_pct);
    fake_actuator_tick(&s->actuator, &s->rng, s->world.calm);
    check(s,
          s->actuator.foreign_hand || s->actuator.actual_pct <= s->watch.highest_allowed_pct + 1e-9,
          "exposure is over what any decision allowed");
    if (s->n_acts < MAX_ACTS && world_act(&s->world, &s->arena, &s->acts[s->n_acts])) {
        const struct act *a = &s->acts[s->n_acts++];
        tell(s, "  %s does %s%s (reason '%s', role '%s')", a->actor, act_kind_name(a->kind),
             a->full ? " full" : "", a->reason, a->role);
    }
    if (!s->world.calm && rng_percent(&s->rng, 2))
        restart(s);
    turn(s);
}

static void check_ending(struct sim *s)
{
    enum rollout_state_name state = s->state.state;
    check(s, state != ROLLOUT_ROLLING_BACK || s->actuator.foreign_hand,
          "a rollback does not end although nothing is in its way");
    check(s,
          (state != ROLLOUT_ROLLED_BACK && state != ROLLOUT_SUPERSEDED) ||
              s->actuator.actual_pct == 0 || s->actuator.foreign_hand,
          "rolled back and the canary has traffic");
    check(s, s->seed % REPLAY_EVERY != 0 || fake_ledger_replays(&s->ledger),
          "a replayed decision differs");
}

static void setup(struct sim *s, uint64_t seed, bool verbose)
{
    static const char *const kinds[] = {"normal", "normal", "normal", "fix", "security", "p0"};
    *s = (struct sim){.seed = seed, .verbose = verbose, .rng = {seed * 7919 + 1}};
    world_init(&s->world, &s->rng);
    fake_actuator_init(&s->actuator, &s->rng);
    struct rollout_state first =
        decide_start("r", "payments", "v2", "v1", "ann", kinds[rng_between(&s->rng, 0, 5)],
                     &s->world.policy, s->world.now_ms);
    fake_ledger_init(&s->ledger, &s->arena, &s->world.policy, &first);
    keep_state(s, &first);
    crash(s, "is how every process begins");
}

static void tell_policy(const struct sim *s)
{
    printf("seed %llu\n  policy " STR_FMT "\n", (unsigned long long)s->seed,
           STR_ARG(s->ledger.policy));
    printf("  pace %g%% a tick, harm from tick %d, proof after %d ticks\n", s->actuator.pace_pct,
           s->world.harm_tick, s->world.proof_ticks);
}

/* NULL, or the broken rule. */
static const char *run_seed(uint64_t seed, bool verbose, int outcomes[N_STATES])
{
    struct sim s;
    setup(&s, seed, verbose);
    if (verbose)
        tell_policy(&s);
    int after_end = 0; /* a few turns more: what ended must stay so */
    while (s.world.tick < LAST_TICK && !s.broken && after_end < 4) {
        tick(&s);
        after_end += rollout_state_is_final(s.state.state);
    }
    if (!s.broken)
        check_ending(&s);
    outcomes[s.state.state]++;
    tell(&s, "ends %s at %g%%: %s", rollout_state_text(s.state.state), s.state.desired_pct,
         s.broken ? s.broken : "all invariants hold");
    arena_release(&s.memory);
    arena_release(&s.arena);
    return s.broken;
}

/* A simulation that never gets anywhere proves nothing. */
static bool reached_everything(const int outcomes[N_STATES], uint64_t n_seeds)
{
    static const enum rollout_state_name expected[] = {ROLLOUT_PROGRESSING, ROLLOUT_PAUSED,
                                                       ROLLOUT_SUCCEEDED,   ROLLOUT_ROLLED_BACK,
                                                       ROLLOUT_CANCELLED,   ROLLOUT_SUPERSEDED};
    bool all = true;
    for (int i = 0; i < N_STATES; i++)
        printf("%-12s %d\n", rollout_state_text((enum rollout_state_name)i), outcomes[i]);
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        if (n_seeds >= 1000 && outcomes[expected[i]] == 0) {
            printf("no seed ended %s\n", rollout_state_text(expected[i]));
            all = false;
        }
    }
    return all;
}

static bool run_seeds(uint64_t n)
{
    int outcomes[N_STATES] = {0}, again[N_STATES] = {0};
    for (uint64_t seed = 0; seed < n; seed++) {
        const char *broken = run_seed(seed, false, outcomes);
        if (!broken)
            continue;
        (void)run_seed(seed, true, again);
        printf("seed %llu: %s\nagain with: decide_sim --seed %llu --verbose\n",
               (unsigned long long)seed, broken, (unsigned long long)seed);
        return false;
    }
    printf("%llu seeds, all invariants hold\n", (unsigned long long)n);
    return reached_everything(outcomes, n);
}

int main(int argc, char **argv)
{
    uint64_t n = 10000, seed = 0;
    bool one = false, verbose = false;
    int outcomes[N_STATES] = {0};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--verbose") == 0)
            verbose = true;
        else if (strcmp(argv[i], "--seeds") == 0 && i + 1 < argc)
            n = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) {
            seed = strtoull(argv[++i], NULL, 10);
            one = true;
        } else {
            fprintf(stderr, "usage: decide_sim [--seeds N] [--seed N] [--verbose]\n");
            return 2;
        }
    }
    if (!one)
        return run_seeds(n) ? EXIT_SUCCESS : EXIT_FAILURE;
    const char *broken = run_seed(seed, verbose, outcomes);
    printf("seed %llu: %s\n", (unsigned long long)seed, broken ? broken : "all invariants hold");
    return broken ? EXIT_FAILURE : EXIT_SUCCESS;
}
