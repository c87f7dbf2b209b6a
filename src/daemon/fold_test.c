#include "daemon/testing.h"

/* Two seconds of healthy telemetry of v1, up to now. */
static void make_ready(struct world *w, struct rollout *r)
{
    int64_t now_ms = clock_wall_ms();
    test_count(w, "v1", now_ms - 1000, 0, 100);
    test_count(w, "v1", now_ms, 0, 200);
    test_observe(r, 0);
}

/* Close everything as a crash would, open it again: the same rollout from the ledger alone. */
static struct rollout *restart(struct world *w)
{
    test_close(w);
    test_open(w);
    return w->d.rollouts;
}

static void a_rollout_on_its_step_is_taken_up(void **state)
{
    struct world *w = *state;
    struct rollout *r = test_start(w, "v2");
    make_ready(w, r);
    decide_on(&w->d, r, clock_wall_ms());
    assert_int_equal(r->state.state, ROLLOUT_PROGRESSING);
    test_observe(r, 10);
    decide_on(&w->d, r, clock_wall_ms());
    const char *before = test_state(w, r), *intent = arena_strdup(&w->arena, r->intent);
    int64_t exposed_ms = r->exposed_since_ms;
    size_t history = json_array_size(r->history);
    assert_true(exposed_ms > 0 && history == 2);

    r = restart(w);
    assert_string_equal(test_state(w, r), before);
    assert_string_equal(r->intent, intent);
    assert_true(r->intent_recorded);
    assert_int_equal(r->exposed_since_ms, exposed_ms);
    assert_int_equal(json_array_size(r->history), history);
    assert_string_equal(r->verdict, "hold");
    assert_int_equal(r->policy->steps[0].weight_pct, 10);
}

static void an_intent_that_was_not_recorded_is_due(void **state)
{
    struct world *w = *state;
    struct rollout *r = test_start(w, "v2");
    make_ready(w, r);
    close_actuator(r); /* so that the intent stays due */
    decide_on(&w->d, r, clock_wall_ms());
    assert_true(r->state.desired_pct == 10 && !r->intent_recorded);
    r = restart(w);
    assert_true(r->state.desired_pct == 10);
    assert_false(r->intent_recorded);
    assert_non_null(strstr(r->intent, "/0/0"));
}

static void an_act_without_a_decision_waits_for_one(void **state)
{
    struct world *w = *state;
    struct err err = ERR_INIT;
    struct rollout *r = test_start(w, "v2");
    make_ready(w, r);
    struct act act = {.kind = ACT_ABORT,
                      .actor = "ann",
                      .role = "operator",
                      .reason = "wrong build",
                      .at_ms = clock_wall_ms()};
    assert_true(take_act(r, act, &err));
    r = restart(w);
    assert_int_equal(r->n_acts, 1);
    assert_string_equal(r->acts[0].actor, "ann");
    test_observe(r, 0);
    decide_on(&w->d, r, clock_wall_ms());
    assert_int_equal(r->state.state, ROLLOUT_CANCELLED);
    r = restart(w);
    assert_int_equal(r->n_acts, 0);
    assert_int_equal(r->acts_taken, 1);
    assert_int_equal(r->state.state, ROLLOUT_CANCELLED);
}

static void a_newer_version_supersedes_once(void **state)
{
    struct world *w = *state;
    struct err err = ERR_INIT;
    struct rollout *older = test_start(w, "v2");
    struct rollout *newer = test_start(w, "v3");
    assert_true(rollout_is_next(&w->d, older));
    assert_false(rollout_is_next(&w->d, newer));
    assert_true(supersede_older(newer, &err) && supersede_older(newer, &err));
    assert_int_equal(older->n_acts, 1);
    newer = restart(w);
    older = newer->next;
    assert_string_equal(older->state.canary_version, "v2");
    assert_true(older->superseded && older->n_acts == 1);
    decide_on(&w->d, older, clock_wall_ms());
    assert_int_equal(older->state.state, ROLLOUT_SUPERSEDED);
    assert_true(rollout_is_next(&w->d, newer));
    assert_ptr_equal(rollout_find(&w->d, "shop"), newer);
    assert_ptr_equal(rollout_find(&w->d, older->id), older);
}

static void a_decision_that_cannot_be_recorded_is_not_taken(void **state)
{
    struct world *w = *state;
    struct err err = ERR_INIT;
    struct rollout *r = test_start(w, "v2");
    make_ready(w, r);
    const char *before = test_state(w, r);
    assert_true(fault_arm("ledger.append:errno=EIO", &err));
    decide_on(&w->d, r, clock_wall_ms());
    fault_disarm_all();
    assert_string_equal(test_state(w, r), before);
    decide_on(&w->d, r, clock_wall_ms());
    assert_int_equal(r->state.state, ROLLOUT_PROGRESSING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_rollout_on_its_step_is_taken_up),
        TEST(an_intent_that_was_not_recorded_is_due),
        TEST(an_act_without_a_decision_waits_for_one),
        TEST(a_newer_version_supersedes_once),
        TEST(a_decision_that_cannot_be_recorded_is_not_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
