#include "decide/replay.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define ID "pay-1"
#define MAX_ENTRIES 64
#define MAX_FINDINGS 8

/* A whole rollout, recorded as the daemon does. */
struct entry {
    const char *kind, *subject;
    json_t *body;
};

static struct arena arena;
static struct entry entries[MAX_ENTRIES];
static size_t n_entries;

static const struct rollout_step steps[] = {{10, 60000}, {50, 60000}, {100, 60000}};
static const struct check_spec checks[] = {{.name = "availability",
                                            .slo = "availability",
                                            .against_stable = true,
                                            .tolerate = 0.001,
                                            .below = (double)NAN,
                                            .above = (double)NAN,
                                            .critical = true}};
static const struct rollout_policy policy = {.name = "pay",
                                             .service = "pay",
                                             .automation = AUTOMATION_FULL,
                                             .cohort_label = "version",
                                             .traffic = {.kind = "webhook", .timeout_ms = 30000},
                                             .steps = steps,
                                             .n_steps = 3,
                                             .checks = checks,
                                             .n_checks = 1,
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

static void record(const char *kind, const char *subject, json_t *body)
{
    assert_true(n_entries < MAX_ENTRIES);
    assert_non_null(body);
    entries[n_entries++] = (struct entry){kind, subject, body};
}

static struct evidence evidence_in(enum evidence_state state)
{
    return (struct evidence){.check = "availability",
                             .kind = EVIDENCE_RATIO,
                             .state = state,
                             .critical = true,
                             .unit = "ratio",
                             .effect = 0.25,
                             .low = (double)NAN,
                             .high = (double)INFINITY,
                             .tolerate = 0.001,
                             .stable = {1000, 1},
                             .canary = {100, 0},
                             .query = "",
                             .code = "told",
                             .sentence = "as the test says",
                             .would_change = ""};
}

static void record_decision(const struct decide_input *in, const struct decision *answer)
{
    json_t *acts = json_array();
    for (size_t i = 0; i < in->n_acts; i++)
        (void)json_array_append(acts, act_to_json(&arena, &in->acts[i]));
    json_t *body =
        json_pack("{s:O, s:O, s:o, s:I, s:O}", "state", rollout_state_to_json(&arena, in->state),
                  "seen", snapshot_to_json(&arena, in->seen), "acts", acts, "nowMs",
                  (json_int_t)in->now_ms, "decision", decision_to_json(&arena, answer));
    record("decision", ID, json_own(&arena, body));
}

static void look(struct rollout_state *state, enum evidence_state evidence, const struct act *acts,
                 size_t n_acts, int64_t now_ms)
{
    struct evidence *check = arena_memdup(&arena, &(struct evidence){0}, sizeof *check);
    *check = evidence_in(evidence);
    struct snapshot seen = {.at_ms = now_ms,
                            .checks = check,
                            .n_checks = 1,
                            .exposure = {true, state->desired_pct, (double)NAN, true, now_ms, ""},
                            .budget_remaining = (double)NAN,
                            .telemetry_age_ms = 1000};
    struct decide_input in = {&policy, state, &seen, acts, n_acts, now_ms};
    struct decision answer = decide(&arena, &in);
    if (!answer.changed)
        return;
    record_decision(&in, &answer);
    bool moved = answer.state.desired_pct != state->desired_pct;
    *state = answer.state;
    if (moved)
        record("intent", ID,
               json_own(&arena,
                        json_pack("{s:s, s:f}", "intent", "x", "weightPct", state->desired_pct)));
}

static void record_start(struct rollout_state *first)
{
    struct buf hex = BUF_INIT;
    json_t *json = rollout_policy_to_json(&arena, &policy);
    struct sha256 sha = policy_digest(json);
    hex_add(&hex, sha.b, sizeof sha.b);
    *first = decide_start(ID, "pay", "v2", "v1", "ann", "normal", &policy, 1000);
    record("rollout", ID,
           json_own(&arena, json_pack("{s:O, s:s, s:O}", "policy", json, "policyDigest", hex.p,
                                      "state", rollout_state_to_json(&arena, first))));
    buf_release(&hex);
}

static void record_gate(enum evidence_state evidence)
{
    struct gate_policy gate = {.name = "g",
                               .service = "pay",
                               .checks = checks,
                               .n_checks = 1,
                               .window_ms = 300000,
                               .max_age_ms = 60000,
                               .path = ""};
    struct evidence check = evidence_in(evidence);
    struct snapshot seen = {
        .at_ms = 5,
        .checks = &check,
        .n_checks = 1,
        .exposure = {.observed_pct = (double)NAN, .measured_pct = (double)NAN, .error = "none"},
        .budget_remaining = (double)NAN,
        .telemetry_age_ms = 70000};
    struct gate_decision d = decide_gate(&arena, &gate, &seen);
    json_t *reasons = json_array();
    for (size_t i = 0; i < d.n_reasons; i++)
        (void)json_array_append_new(reasons, json_pack("{s:s, s:s}", "code", d.reasons[i].code,
                                                       "sentence", d.reasons[i].sentence));
    record("gate", "g",
           json_own(&arena,
                    json_pack("{s:O, s:O, s:s, s:o}", "policy", gate_policy_to_json(&arena, &gate),
                              "seen", snapshot_to_json(&arena, &seen), "state",
                              evidence_state_name(d.state), "reasons", reasons)));
}

/* Entries: 0 start, 1 rollout, 2.. the way to 100% with a pause by a human, a gate at the end. */
static int record_rollout(void **unused)
{
    struct rollout_state state;
    struct act pause = {"a/0", ACT_PAUSE, "bob", "operator", "lunch", false, 100000};
    struct act resume = {"a/1", ACT_RESUME, "bob", "operator", "back", false, 110000};
    (void)unused;
    arena_init(&arena);
    n_entries = 0;
    record("start", "", json_own(&arena, json_object()));
    record_start(&state);
    for (int64_t t = 2000; t < 90000; t += 1000)
        look(&state, t < 30000 ? EVIDENCE_INSUFFICIENT : EVIDENCE_PASS, NULL, 0, t);
    record("human", ID, json_own(&arena, json_pack("{s:O}", "act", act_to_json(&arena, &pause))));
    look(&state, EVIDENCE_PASS, &pause, 1, 100000);
    record("human", ID, json_own(&arena, json_pack("{s:O}", "act", act_to_json(&arena, &resume))));
    look(&state, EVIDENCE_PASS, &resume, 1, 110000);
    for (int64_t t = 111000; t < 600000; t += 1000)
        look(&state, EVIDENCE_PASS, NULL, 0, t);
    assert_int_equal(state.state, ROLLOUT_SUCCEEDED);
    record_gate(EVIDENCE_PASS);
    return 0;
}

static int release_rollout(void **unused)
{
    (void)unused;
    arena_release(&arena);
    return 0;
}

/* --- Findings --- */

struct findings {
    size_t n;
    uint64_t seq[MAX_FINDINGS];
    char path[MAX_FINDINGS][100], text[MAX_FINDINGS][300];
};

static void keep(void *arg, const struct replay_finding *f)
{
    struct findings *all = arg;
    if (all->n < MAX_FINDINGS) {
        all->seq[all->n] = f->seq;
        (void)snprintf(all->path[all->n], sizeof all->path[0], "%s", f->path);
        (void)snprintf(all->text[all->n], sizeof all->text[0], "%s", f->text);
    }
    all->n++;
}

static struct findings replay_all(struct replay *replay)
{
    struct findings all = {0};
    replay_init(replay, keep, &all);
    for (size_t i = 0; i < n_entries; i++) {
        size_t before = all.n;
        bool good = replay_entry(replay, i, entries[i].kind, entries[i].subject, entries[i].body);
        assert_int_equal(good, all.n == before);
    }
    assert_int_equal(replay->n_findings, all.n);
    replay_release(replay);
    return all;
}

static size_t nth(const char *kind, size_t n)
{
    for (size_t i = 0; i < n_entries; i++) {
        if (strcmp(entries[i].kind, kind) == 0 && n-- == 0)
            return i;
    }
    fail_msg("there is no such %s", kind);
    return 0;
}

/* What an editor would do to entry i: set a value deep inside. Takes the value over. */
static json_t *edit(size_t i, const char *first, const char *second, json_t *value)
{
    json_t *body = json_own(&arena, json_deep_copy(entries[i].body));
    json_t *object = second ? json_object_get(body, first) : body;
    assert_int_equal(json_object_set_new(object, second ? second : first, value), 0);
    json_t *before = entries[i].body;
    entries[i].body = body;
    return before;
}

static void expect_one(const struct findings *all, size_t seq, const char *path, const char *text)
{
    if (all->n != 1 || all->seq[0] != seq || strcmp(all->path[0], path) != 0 ||
        !strstr(all->text[0], text))
        fail_msg("%zu findings, the first of entry %d at '%s': %s", all->n, (int)all->seq[0],
                 all->path[0], all->text[0]);
}

/* --- Tests --- */

static void what_was_decided_is_decided_again(void **state)
{
    (void)state;
    struct replay replay;
    struct findings all = replay_all(&replay);
    if (all.n)
        fail_msg("entry %d at %s: %s", (int)all.seq[0], all.path[0], all.text[0]);
    assert_int_equal(replay.n_rollouts, 1);
    assert_int_equal(replay.n_gates, 1);
    assert_true(replay.n_decisions > 6);
}

static void entries_read_from_bytes_replay_the_same(void **state)
{
    (void)state;
    struct replay replay;
    for (size_t i = 0; i < n_entries; i++) {
        struct buf bytes = BUF_INIT;
        json_canonical(entries[i].body, &bytes);
        entries[i].body = json_parse(&arena, buf_str(&bytes), NULL);
        assert_non_null(entries[i].body);
        buf_release(&bytes);
    }
    struct findings all = replay_all(&replay);
    assert_int_equal(all.n, 0);
}

static void a_changed_answer_is_found_where_it_differs(void **state)
{
    (void)state;
    struct replay replay;
    size_t i = nth("decision", 1);
    json_t *before = edit(i, "decision", "verdict", json_string("promote"));
    struct findings all = replay_all(&replay);
    expect_one(&all, i, "/decision/verdict", "recorded \"promote\", recomputed \"");
    entries[i].body = before;

    i = nth("decision", 0);
    json_t *reasons =
        json_deep_copy(json_object_get(json_object_get(before, "decision"), "reasons"));
    i = nth("decision", 1);
    assert_int_equal(json_object_set_new(json_array_get(reasons, 0), "code", json_string("luck")),
                     0);
    before = edit(i, "decision", "reasons", reasons);
    all = replay_all(&replay);
    expect_one(&all, i, "/decision/reasons/0/code", "recorded \"luck\"");
    entries[i].body = before;
}

static void changed_evidence_gives_another_answer(void **state)
{
    (void)state;
    struct replay replay;
    size_t i = nth("decision", 2);
    json_t *seen = json_deep_copy(json_object_get(entries[i].body, "seen"));
    json_t *check = json_array_get(json_object_get(seen, "checks"), 0);
    assert_int_equal(json_object_set_new(check, "state", json_string("fail")), 0);
    json_t *before = edit(i, "seen", NULL, seen);
    struct findings all = replay_all(&replay);
    assert_int_equal(all.n, 1);
    assert_int_equal(all.seq[0], i);
    assert_int_equal(strncmp(all.path[0], "/decision/", 10), 0);
    entries[i].body = before;
}

static void a_gap_between_decisions_is_found(void **state)
{
    (void)state;
    struct replay replay;
    size_t i = nth("decision", 2);
    struct entry gone = entries[i];
    memmove(&entries[i], &entries[i + 1], (n_entries - i - 1) * sizeof *entries);
    n_entries--;
    struct findings all = replay_all(&replay);
    assert_true(all.n > 0);
    memmove(&entries[i + 1], &entries[i], (n_entries - i) * sizeof *entries);
    entries[i] = gone;
    n_entries++;
}

static void acts_must_be_those_that_people_did(void **state)
{
    (void)state;
    struct replay replay;
    size_t i = nth("human", 0), after = i + 1;
    json_t *before = edit(i, "act", "actor", json_string("eve"));
    struct findings all = replay_all(&replay);
    expect_one(&all, after, "/acts/0/actor", "recorded \"bob\", people had done \"eve\"");
    entries[i].body = before;
    entries[i].kind = "observation"; /* never recorded */
    all = replay_all(&replay);
    expect_one(&all, after, "/acts/0", "people had done nothing");
    entries[i].kind = "human";
}

static void an_intent_asks_for_what_was_decided(void **state)
{
    (void)state;
    struct replay replay;
    size_t i = nth("intent", 0);
    json_t *before = edit(i, "weightPct", NULL, json_real(90));
    struct findings all = replay_all(&replay);
    expect_one(&all, i, "/weightPct", "recorded 90, the decision before it asks for 10");
    entries[i].body = before;
}

static void a_start_is_checked(void **state)
{
    (void)state;
    struct replay replay;
    json_t *before = edit(1, "policyDigest", NULL, json_string("00"));
    struct findings all = replay_all(&replay);
    expect_one(&all, 1, "/policyDigest", "recorded \"00\"");
    entries[1].body = before;
    before = edit(1, "state", "automation", json_string("advisory"));
    all = replay_all(&replay);
    assert_true(all.n >= 1);
    assert_string_equal(all.path[0], "/state/automation");
    entries[1].body = before;
}

static void gates_are_asked_again(void **state)
{
    (void)state;
    struct replay replay;
    size_t i = nth("gate", 0);
    json_t *before = edit(i, "state", NULL, json_string("pass")); /* telemetry is stale: blind */
    struct findings all = replay_all(&replay);
    expect_one(&all, i, "/state", "recorded \"pass\", recomputed \"blind\"");
    entries[i].body = before;
}

static void an_unknown_rollout_is_a_finding(void **state)
{
    (void)state;
    struct replay replay;
    size_t i = nth("decision", 0);
    entries[i].subject = "nobody";
    struct findings all = replay_all(&replay);
    assert_true(all.n >= 1);
    assert_int_equal(all.seq[0], i);
    assert_string_equal(all.text[0], "no rollout of this id was recorded before");
    entries[i].subject = ID;
    struct entry twice = entries[n_entries - 1];
    entries[n_entries - 1] = entries[1];
    all = replay_all(&replay);
    expect_one(&all, n_entries - 1, "", "recorded before");
    entries[n_entries - 1] = twice;
}

/* --- Malformed bodies: findings, never a crash --- */

static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15); /* SplitMix64 */
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static json_t *strange_value(uint64_t *random)
{
    static const double reals[] = {-1, 0.5, 1e300, -1e300, 50, 100, 101};
    static const int64_t wholes[] = {INT64_MIN, INT64_MAX, 0, -1, 1, 100, INT64_C(1) << 53};
    static const char *const texts[] = {"", "NaN", "+Inf", "paused", "promoting", "fail", "full"};
    uint64_t r = next_random(random);
    switch (r % 8) {
    case 0:
        return json_real(reals[(r >> 8) % 7]);
    case 1:
    case 2:
        return json_integer(wholes[(r >> 8) % 7]);
    case 3:
    case 4:
        return json_string(texts[(r >> 8) % 7]);
    case 5:
        return (r >> 8) & 1 ? json_object() : json_array();
    case 6:
        return (r >> 8) & 1 ? json_true() : json_false();
    default:
        return json_null();
    }
}

/* Replaces or removes one value somewhere below. */
static void mangle(json_t *value, uint64_t *random)
{
    for (;;) {
        size_t n = json_is_object(value) ? json_object_size(value) : json_array_size(value);
        if (n == 0)
            return;
        size_t at = next_random(random) % n;
        void *iter = json_is_object(value) ? json_object_iter(value) : NULL;
        for (size_t i = 0; iter && i < at; i++)
            iter = json_object_iter_next(value, iter);
        json_t *child = iter ? json_object_iter_value(iter) : json_array_get(value, at);
        size_t below = json_is_object(child) ? json_object_size(child) : json_array_size(child);
        if (below > 0 && next_random(random) % 8 != 0) {
            value = child;
            continue;
        }
        if (iter && next_random(random) % 8 == 0)
            json_object_del(value, json_object_iter_key(iter));
        else if (iter)
            json_object_iter_set_new(value, iter, strange_value(random));
        else
            json_array_set_new(value, at, strange_value(random));
        return;
    }
}

static void mangled_bodies_never_crash(void **state)
{
    (void)state;
    uint64_t random = 20261124;
    int found = 0;
    for (int round = 0; round < 2000; round++) {
        size_t i = next_random(&random) % n_entries;
        json_t *before = entries[i].body, *body = json_deep_copy(before);
        struct replay replay;
        for (uint64_t k = 0; k <= next_random(&random) % 3; k++)
            mangle(body, &random);
        entries[i].body = body;
        found += replay_all(&replay).n > 0;
        entries[i].body = before;
        json_decref(body);
    }
    assert_true(found > 1000);
    struct replay replay;
    json_t *whole = entries[2].body;
    entries[2].body = NULL;
    assert_true(replay_all(&replay).n > 0);
    entries[2].body = json_own(&arena, json_array());
    assert_true(replay_all(&replay).n > 0);
    entries[2].body = whole;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_decided_is_decided_again),
        cmocka_unit_test(entries_read_from_bytes_replay_the_same),
        cmocka_unit_test(a_changed_answer_is_found_where_it_differs),
        cmocka_unit_test(changed_evidence_gives_another_answer),
        cmocka_unit_test(a_gap_between_decisions_is_found),
        cmocka_unit_test(acts_must_be_those_that_people_did),
        cmocka_unit_test(an_intent_asks_for_what_was_decided),
        cmocka_unit_test(a_start_is_checked),
        cmocka_unit_test(gates_are_asked_again),
        cmocka_unit_test(an_unknown_rollout_is_a_finding),
        cmocka_unit_test(mangled_bodies_never_crash),
    };
    return cmocka_run_group_tests(tests, record_rollout, release_rollout);
}
