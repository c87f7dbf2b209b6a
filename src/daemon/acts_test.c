#include "daemon/testing.h"

static void refused(struct world *w, struct rollout *r, const char *act, const char *body,
                    enum err_code code, const char *part)
{
    struct err err = ERR_INIT;
    assert_false(test_act(w, r, act, body, &err));
    assert_int_equal(err.code, code);
    if (!strstr(err.message, part))
        fail_msg("wanted '%s' in '%s'", part, err.message);
}

static void a_reason_and_an_actor_are_required(void **state)
{
    struct world *w = *state;
    struct rollout *r = test_start(w, "v2");
    uint64_t size = ledger_size(w->d.ledger);
    refused(w, r, "abort", "{}", ERR_BAD_INPUT, "actor is required");
    refused(w, r, "abort", "{\"actor\":\"ann\"}", ERR_BAD_INPUT, "reason is required");
    refused(w, r, "abort", "{\"actor\":\"ann\",\"reason\":\"\"}", ERR_BAD_INPUT,
            "reason must have");
    refused(w, r, "abort", "{\"actor\":\"ann\",\"reason\":\"x\",\"raeson\":\"y\"}", ERR_BAD_INPUT,
            "did you mean 'reason'?");
    refused(w, r, "explode", "{\"actor\":\"ann\",\"reason\":\"x\"}", ERR_NOT_FOUND, "'explode'");
    refused(w, r, "supersede", "{\"actor\":\"ann\",\"reason\":\"x\"}", ERR_NOT_FOUND,
            "'supersede'");
    assert_int_equal(ledger_size(w->d.ledger), size);
}

static void what_the_state_does_not_allow_is_a_conflict(void **state)
{
    struct world *w = *state;
    struct rollout *r = test_start(w, "v2");
    test_observe(r, 0);
    refused(w, r, "resume", "{\"actor\":\"ann\",\"reason\":\"x\"}", ERR_CONFLICT,
            "it is not paused");
    refused(w, r, "approve", "{\"actor\":\"ann\",\"reason\":\"x\"}", ERR_CONFLICT,
            "nothing is asked for");
}

static void an_ended_rollout_takes_no_acts(void **state)
{
    struct world *w = *state;
    struct err err = ERR_INIT;
    struct rollout *r = test_start(w, "v2");
    test_observe(r, 0);
    assert_true(test_act(w, r, "abort", "{\"actor\":\"ann\",\"reason\":\"x\"}", &err));
    assert_int_equal(r->state.state, ROLLOUT_CANCELLED);
    uint64_t size = ledger_size(w->d.ledger);
    refused(w, r, "abort", "{\"actor\":\"ann\",\"reason\":\"x\"}", ERR_CONFLICT,
            "has ended: it is cancelled");
    assert_int_equal(ledger_size(w->d.ledger), size);
}

static void a_promotion_by_hand_is_in_the_ledger_before_it_counts(void **state)
{
    struct world *w = *state;
    struct err err = ERR_INIT;
    struct rollout *r = test_start(w, "v2");
    test_count(w, "v1", clock_wall_ms(), 0, 100);
    test_observe(r, 0);
    assert_true(
        test_act(w, r, "promote", "{\"actor\":\"ann\",\"reason\":\"tested\",\"full\":true}", &err));
    assert_true(r->state.desired_pct == 100);
    assert_int_equal(r->state.state, ROLLOUT_PROMOTING);
    assert_int_equal(ledger_size(w->d.ledger), 4); /* rollout, human, decision, intent */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_reason_and_an_actor_are_required),
        TEST(what_the_state_does_not_allow_is_a_conflict),
        TEST(an_ended_rollout_takes_no_acts),
        TEST(a_promotion_by_hand_is_in_the_ledger_before_it_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
