#include "model/policy.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const char rollout_text[] =
    "{\"approvals\":{\"beforePct\":[100],\"need\":1,\"ttlMs\":3600000},\"automation\":\"full"
    "\",\"bakeMs\":600000,\"baseline\":\"{{stable}}-baseline\",\"bucketMs\":5000,\"budgetKeep\":0."
    "1,\"budgetSlo\":\"payments-avail"
    "ability\",\"cohortLabel\":\"version\",\"deadlineMs\":7200000,\"dispersion\":2,\"evidence"
    "\":[{\"above\":\"NaN\",\"againstStable\":true,\"below\":\"NaN\",\"critical\":true,\"name"
    "\":\"payments-availability\",\"query\":null,\"slo\":\"payments-availability\",\"tolerate"
    "\":0.001},{\"above\":\"NaN\",\"againstStable\":false,\"below\":536870912,\"critical\":fa"
    "lse,\"name\":\"query-1\",\"query\":\"max(memory_bytes{version=\\\"{{canary}}\\\"})\",\"s"
    "lo\":null,\"tolerate\":0}],\"falseRollback\":0.01,\"maxAgeMs\":60000,\"missedHarm\":0.05"
    ",\"name\":\"payments\",\"onBlind\":\"pause\",\"onDeadline\":\"pause\",\"onError\":\"paus"
    "e\",\"onFail\":\"rollback\",\"onInsufficient\":\"hold\",\"quorum\":1,\"service\":\"payme"
    "nts\",\"steps\":[{\"holdMs\":120000,\"weightPct\":5},{\"holdMs\":300000,\"weightPct\":25"
    "},{\"holdMs\":600000,\"weightPct\":100}],\"traffic\":{\"config\":{\"backend\":\"payments"
    "\",\"canary\":\"c1\",\"socket\":\"/run/haproxy/admin.sock\",\"stable\":\"s1\"},\"kind\":"
    "\"haproxy\",\"timeoutMs\":30000}}";

static const char gate_text[] =
    "{\"budgetKeep\":0.1,\"budgetSlo\":\"payments-availability\",\"evidence\":[{\"above\":\"N"
    "aN\",\"againstStable\":false,\"below\":\"NaN\",\"critical\":true,\"name\":\"payments-ava"
    "ilability\",\"query\":null,\"slo\":\"payments-availability\",\"tolerate\":0.001}],\"maxA"
    "geMs\":60000,\"name\":\"payments-gate\",\"service\":\"payments\",\"windowMs\":300000}";

static void expect_text(json_t *json, const char *expected)
{
    struct buf out = BUF_INIT;
    json_canonical(json, &out);
    assert_string_equal(out.p, expected);
    buf_release(&out);
}

static void a_rollout_policy_survives_its_json(void **state)
{
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    (void)state;
    json_t *json = json_parse(&arena, str_from(rollout_text), NULL);
    struct rollout_policy *p = rollout_policy_from_json(&arena, json, &err);
    if (!p)
        fail_msg("%s", err.message);
    assert_int_equal(p->n_steps, 3);
    assert_true(p->steps[1].weight_pct == 25.0 && p->steps[1].hold_ms == 300000);
    assert_int_equal(p->n_checks, 2);
    assert_string_equal(p->checks[0].slo, "payments-availability");
    assert_null(p->checks[0].query);
    assert_true(isnan(p->checks[0].below) && isnan(p->checks[1].above));
    assert_true(p->checks[1].below == 536870912.0 && !p->checks[1].critical);
    assert_string_equal(p->traffic.kind, "haproxy");
    assert_string_equal(json_get_cstr(p->traffic.config, "backend", ""), "payments");
    assert_int_equal(p->approvals.n_before, 1);
    assert_int_equal(p->on_blind, RESPOND_PAUSE);
    expect_text(rollout_policy_to_json(&arena, p), rollout_text);
    arena_release(&arena);
}

static void a_gate_policy_survives_its_json(void **state)
{
    struct arena arena = ARENA_INIT;
    (void)state;
    json_t *json = json_parse(&arena, str_from(gate_text), NULL);
    struct gate_policy *p = gate_policy_from_json(&arena, json, NULL);
    assert_non_null(p);
    assert_int_equal(p->window_ms, 300000);
    expect_text(gate_policy_to_json(&arena, p), gate_text);
    arena_release(&arena);
}

static void expect_wrong(const char *key, const char *value, const char *message)
{
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    json_t *json = json_parse(&arena, str_from(rollout_text), NULL);
    json_object_set(json, key, json_parse(&arena, str_from(value), NULL));
    assert_null(rollout_policy_from_json(&arena, json, &err));
    assert_string_equal(err.message, message);
    arena_release(&arena);
}

/* What decide() relies on is checked when a record is read, too. */
static void policies_that_cannot_be_are_refused(void **state)
{
    (void)state;
    expect_wrong("steps", "[]", "policy.steps does not end at 100");
    expect_wrong("steps", "[{\"weightPct\":50,\"holdMs\":0}]", "policy.steps does not end at 100");
    expect_wrong("steps", "[{\"weightPct\":50,\"holdMs\":0},{\"weightPct\":50,\"holdMs\":0}]",
                 "policy.steps: weight 50 after 50");
    expect_wrong("steps", "[{\"weightPct\":\"NaN\",\"holdMs\":0}]",
                 "policy.steps: weight nan after 0");
    expect_wrong("evidence", "[{}]", "policy.evidence: \"name\" is missing");
    expect_wrong("traffic", "[]", "policy: \"traffic\" is not an object");
    expect_wrong("approvals", "{\"need\":1,\"ttlMs\":1}",
                 "policy.approvals: \"beforePct\" is not an array");
    expect_wrong("onFail", "\"panic\"", "policy: \"onFail\" is not of its type");
    expect_wrong("budgetSlo", "7", "policy: \"budgetSlo\" is not of its type");
}

static void a_digest_tells_policies_apart(void **state)
{
    struct arena arena = ARENA_INIT;
    (void)state;
    json_t *one = json_parse(&arena, str_from(rollout_text), NULL);
    json_t *same = json_parse(&arena, str_from(rollout_text), NULL);
    json_t *other = json_parse(&arena, str_from(rollout_text), NULL);
    json_object_set_new(other, "quorum", json_integer(2));
    struct sha256 a = policy_digest(one), b = policy_digest(same), c = policy_digest(other);
    assert_true(sha256_eq(&a, &b));
    assert_false(sha256_eq(&a, &c));
    arena_release(&arena);
}

static void names_read_back(void **state)
{
    enum automation level;
    enum policy_response response;
    (void)state;
    assert_true(automation_parse("approve", &level) && level == AUTOMATION_APPROVE);
    assert_false(automation_parse("Full", &level));
    assert_string_equal(automation_name(AUTOMATION_ADVISORY), "advisory");
    assert_true(policy_response_parse("rollback", &response) && response == RESPOND_ROLLBACK);
    assert_false(policy_response_parse("", &response));
    assert_string_equal(policy_response_name(RESPOND_HOLD), "hold");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rollout_policy_survives_its_json),
        cmocka_unit_test(a_gate_policy_survives_its_json),
        cmocka_unit_test(policies_that_cannot_be_are_refused),
        cmocka_unit_test(a_digest_tells_policies_apart),
        cmocka_unit_test(names_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
