/* decisions.c -- what one decision costs: decide() on a rollout with five checks, and its whole
 * question and answer in the ledger, hashed, signed and on disk. Prints one JSON object.
 *
 *     decisions FOLDER COUNT */
#include "base/clock.h"
#include "base/mem.h"
#include "decide/decide.h"
#include "ledger/ledger.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define CHECKS 5

static const struct rollout_step steps[] = {{10, 60000}, {50, 60000}, {100, 60000}};
static struct check_spec checks[CHECKS];
static struct evidence evidence[CHECKS];
static struct rollout_policy policy = {.name = "pay",
                                       .service = "pay",
                                       .automation = AUTOMATION_FULL,
                                       .cohort_label = "version",
                                       .traffic = {.kind = "webhook", .timeout_ms = 30000},
                                       .steps = steps,
                                       .n_steps = 3,
                                       .checks = checks,
                                       .n_checks = CHECKS,
                                       .false_rollback = 0.05,
                                       .missed_harm = 0.05,
                                       .dispersion = 2,
                                       .bucket_ms = 5000,
                                       .max_age_ms = 60000,
                                       .on_fail = RESPOND_ROLLBACK,
                                       .on_insufficient = RESPOND_HOLD,
                                       .on_blind = RESPOND_PAUSE,
                                       .on_error = RESPOND_PAUSE,
                                       .quorum = 1,
                                       .bake_ms = 60000,
                                       .path = ""};

static void set_checks(void)
{
    static const char *const names[CHECKS] = {"availability", "latency", "freshness", "errors",
                                              "saturation"};
    for (int i = 0; i < CHECKS; i++) {
        checks[i] = (struct check_spec){.name = names[i],
                                        .slo = names[i],
                                        .against_stable = true,
                                        .tolerate = 0.001,
                                        .below = (double)NAN,
                                        .above = (double)NAN,
                                        .critical = true};
        evidence[i] = (struct evidence){.check = names[i],
                                        .kind = EVIDENCE_RATIO,
                                        .state = EVIDENCE_INSUFFICIENT,
                                        .critical = true,
                                        .unit = "ratio",
                                        .effect = 0.0002,
                                        .low = -0.001,
                                        .high = 0.003,
                                        .tolerate = 0.001,
                                        .stable = {100000, 100},
                                        .canary = {5000, 6},
                                        .query = "",
                                        .code = "not_proven",
                                        .sentence = "healthy so far, not proven yet",
                                        .would_change = "4,000 more requests without harm"};
    }
}

static double cpu_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static json_t *record_of(struct arena *arena, const struct decide_input *in,
                         const struct decision *answer)
{
    json_t *acts = json_array();
    for (size_t i = 0; i < in->n_acts; i++)
        (void)json_array_append(acts, act_to_json(arena, &in->acts[i]));
    return json_own(arena,
                    json_pack("{s:O, s:O, s:o, s:I, s:O}", "state",
                              rollout_state_to_json(arena, in->state), "seen",
                              snapshot_to_json(arena, in->seen), "acts", acts, "nowMs",
                              (json_int_t)in->now_ms, "decision", decision_to_json(arena, answer)));
}

struct cost {
    double *decide_us, *append_us; /* wall time of each */
    double cpu_us;                 /* of all of them */
};

/* A human pauses and resumes in turn, so that every call is a new decision. */
static bool one(struct ledger *ledger, struct rollout_state *state, int i, struct arena *arena,
                struct cost *cost, struct err *err)
{
    int64_t now_ms = 2000 + i * (int64_t)100;
    struct act act = {"a/0", i % 2 ? ACT_RESUME : ACT_PAUSE, "ann", "operator", "bench", false,
                      now_ms};
    struct snapshot seen = {.at_ms = now_ms,
                            .checks = evidence,
                            .n_checks = CHECKS,
                            .exposure = {true, state->desired_pct, (double)NAN, true, now_ms, ""},
                            .budget_remaining = 0.9,
                            .telemetry_age_ms = 1000};
    struct decide_input in = {&policy, state, &seen, &act, 1, now_ms};
    int64_t begin_ns = clock_mono_ns();
    struct decision answer = decide(arena, &in);
    int64_t decided_ns = clock_mono_ns();
    bool done = answer.changed || err_set(err, ERR_BAD_INPUT, "decision %d changed nothing", i);
    if (done)
        done = ledger_append(ledger, LEDGER_DECISION, "pay-1", now_ms,
                             record_of(arena, &in, &answer), NULL, err);
    cost->append_us[i] = (double)(clock_mono_ns() - decided_ns) / 1e3;
    cost->decide_us[i] = (double)(decided_ns - begin_ns) / 1e3;
    *state = answer.state;
    return done;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_cost(struct cost *cost, int n)
{
    qsort(cost->decide_us, (size_t)n, sizeof(double), by_size);
    qsort(cost->append_us, (size_t)n, sizeof(double), by_size);
    (void)printf("{\"decideUs\":%.1f,\"appendUs\":%.1f,\"appendP99Us\":%.1f,\"cpuUs\":%.1f}\n",
                 cost->decide_us[n / 2], cost->append_us[n / 2], cost->append_us[n * 99 / 100],
                 cost->cpu_us / n);
}

static bool run(const char *folder, int n, struct cost *cost, struct err *err)
{
    struct ledger *ledger = ledger_open(folder, err);
    if (!ledger)
        return false;
    struct arena arena = ARENA_INIT; /* the state's strings live as long as the run */
    struct rollout_state state =
        decide_start("pay-1", "pay", "v2", "v1", "ann", "normal", &policy, 1000);
    double begin_us = cpu_us();
    bool done = true;
    for (int i = 0; done && i < n; i++)
        done = one(ledger, &state, i, &arena, cost, err);
    cost->cpu_us = cpu_us() - begin_us;
    arena_release(&arena);
    ledger_close(ledger);
    return done;
}

int main(int argc, char **argv)
{
    struct err err = ERR_INIT;
    int n = argc == 3 ? atoi(argv[2]) : 0;
    if (n < 1 || n > 1000000) {
        (void)fprintf(stderr, "decisions FOLDER COUNT\n");
        return 2;
    }
    struct cost cost = {mem_array((size_t)n, sizeof(double)), mem_array((size_t)n, sizeof(double)),
                        0};
    set_checks();
    bool done = run(argv[1], n, &cost, &err);
    if (done)
        print_cost(&cost, n);
    else
        (void)fprintf(stderr, "decisions: %s\n", err.message);
    free(cost.decide_us);
    free(cost.append_us);
    return done ? 0 : 1;
}
