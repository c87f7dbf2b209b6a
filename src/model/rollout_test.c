#include "model/rollout.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const char state_text[] =
    "{\"actuatorFailing\":false,\"allowedPct\":25,\"approvals\":[{\"actor\":\"ann\",\"atMs\":"
    "1764000000001}],\"author\":\"ci\",\"automation\":\"approve\",\"blindSinceMs\":0,"
    "\"canaryVersion\":\"v2\",\"changeKind\":\"normal\",\"createdMs\":1764000000000,"
    "\"deadlineTaken\":true,\"decisions\":4294967295,\"desiredPct\":12.5,\"desiredSinceMs\":"
    "1764000005000,\"endedMs\":0,\"id\":\"payments-1\",\"pauseCode\":\"blind\",\"pausedByHuman\":"
    "true,\"proposedPct\":-1,\"proposedSinceMs\":0,\"service\":\"payments\",\"skipHold\":false,"
    "\"stableVersion\":\"v1\",\"state\":\"paused\",\"step\":-1,\"stepSinceMs\":1764000006000,"
    "\"unobservedSinceMs\":7}";

static const char act_text[] =
    "{\"actor\":\"ann\",\"atMs\":1764000000002,\"full\":true,\"id\":\"a-1\",\"kind\":\"promote\","
    "\"reason\":\"the fix is in\",\"role\":\"operator\"}";

static void expect_text(json_t *json, const char *expected)
{
    struct buf out = BUF_INIT;
    json_canonical(json, &out);
    assert_string_equal(out.p, expected);
    buf_release(&out);
}

static void a_state_survives_its_json(void **state)
{
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    struct rollout_state s;
    (void)state;
    if (!rollout_state_from_json(&arena, json_parse(&arena, str_from(state_text), NULL), &s, &err))
        fail_msg("%s", err.message);
    assert_int_equal(s.state, ROLLOUT_PAUSED);
    assert_int_equal(s.automation, AUTOMATION_APPROVE);
    assert_int_equal(s.step, -1);
    assert_int_equal(s.decisions, UINT32_MAX);
    assert_int_equal(s.n_approvals, 1);
    assert_string_equal(s.approvals[0].actor, "ann");
    assert_true(s.desired_pct == 12.5 && s.paused_by_human && s.deadline_taken);
    expect_text(rollout_state_to_json(&arena, &s), state_text);
    arena_release(&arena);
}

static void an_act_survives_its_json(void **state)
{
    struct arena arena = ARENA_INIT;
    struct act a;
    (void)state;
    assert_true(act_from_json(&arena, json_parse(&arena, str_from(act_text), NULL), &a, NULL));
    assert_int_equal(a.kind, ACT_PROMOTE);
    assert_true(a.full);
    expect_text(act_to_json(&arena, &a), act_text);
    arena_release(&arena);
}

static void a_decision_as_json(void **state)
{
    struct arena arena = ARENA_INIT;
    struct action action = {ACTION_SET_WEIGHT, "payments-1/3/0", 25, "info", "to 25%"};
    struct reason reason = {"all_pass", "Every check passes."};
    struct decision d = {.actions = &action,
                         .n_actions = 1,
                         .reasons = &reason,
                         .n_reasons = 1,
                         .verdict = "advance",
                         .changed = true};
    struct buf out = BUF_INIT;
    (void)state;
    assert_true(rollout_state_from_json(&arena, json_parse(&arena, str_from(state_text), NULL),
                                        &d.state, NULL));
    json_canonical(decision_to_json(&arena, &d), &out);
    struct str text = buf_str(&out);
    assert_true(str_starts(
        text,
        STR("{\"actions\":[{\"intent\":\"payments-1/3/0\",\"kind\":\"set_weight\",\"severity\":"
            "\"info\",\"text\":\"to 25%\",\"weightPct\":25}],\"reasons\":[{\"code\":"
            "\"all_pass\",\"sentence\":\"Every check passes.\"}],\"state\":{")));
    assert_true(str_ends(text, STR("},\"verdict\":\"advance\"}")));
    buf_release(&out);
    arena_release(&arena);
}

static void expect_wrong(const char *key, const char *value, const char *message)
{
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    struct rollout_state s;
    json_t *json = json_parse(&arena, str_from(state_text), NULL);
    json_object_set(json, key, json_parse(&arena, str_from(value), NULL));
    assert_false(rollout_state_from_json(&arena, json, &s, &err));
    assert_string_equal(err.message, message);
    arena_release(&arena);
}

static void numbers_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    expect_wrong("step", "2147483648", "state: \"step\" is not of its type");
    expect_wrong("decisions", "-1", "state: \"decisions\" is not of its type");
    expect_wrong("decisions", "4294967296", "state: \"decisions\" is not of its type");
    expect_wrong("createdMs", "9223372036854775808", "state: \"createdMs\" is not of its type");
    expect_wrong("state", "\"asleep\"", "state: \"state\" is not of its type");
    expect_wrong("approvals", "{}", "state: \"approvals\" is not an array");
    expect_wrong("approvals", "[1]", "state.approvals is not a JSON object");
}

static void final_states(void **state)
{
    enum rollout_state_name name;
    int n_final = 0;
    (void)state;
    for (int i = ROLLOUT_WAITING; i <= ROLLOUT_SUPERSEDED; i++) {
        assert_true(rollout_state_parse(rollout_state_text((enum rollout_state_name)i), &name));
        assert_int_equal(name, i);
        n_final += rollout_state_is_final(name);
    }
    assert_int_equal(n_final, 4);
    assert_false(rollout_state_is_final(ROLLOUT_ROLLING_BACK));
    assert_false(rollout_state_parse("", &name));
}

static void acts_and_actions_have_names(void **state)
{
    enum act_kind kind;
    (void)state;
    for (int i = ACT_PROMOTE; i <= ACT_SUPERSEDE; i++) {
        assert_true(act_kind_parse(act_kind_name((enum act_kind)i), &kind));
        assert_int_equal(kind, i);
    }
    assert_false(act_kind_parse("destroy", &kind));
    assert_string_equal(action_kind_name(ACTION_WOULD), "would");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_state_survives_its_json),
        cmocka_unit_test(an_act_survives_its_json),
        cmocka_unit_test(a_decision_as_json),
        cmocka_unit_test(numbers_that_do_not_fit_are_refused),
        cmocka_unit_test(final_states),
        cmocka_unit_test(acts_and_actions_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
