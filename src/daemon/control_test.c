#include "daemon/testing.h"

static json_t *asked(struct world *w, enum control_op op, const char *id, struct err *err)
{
    struct control_request request = {.op = op, .id = id, .check = "", .act = "pause"};
    struct control_answer answer = {NULL, false};
    bool done = control(&w->d, &request, &w->arena, &answer, err);
    assert_true(done == (answer.json != NULL));
    return answer.json;
}

/* One of our own series, as the store may have it. */
static void sum_is(struct world *w, const char *metric, int64_t t_ms, double v)
{
    struct err err = ERR_INIT;
    struct store_batch *b = store_batch_begin(w->d.store, t_ms);
    struct label l[] = {{STR(LABEL_NAME), str_from(metric)},
                        {STR("service"), STR("shop")},
                        {STR("slo"), STR("shop-availability")},
                        {STR("version"), STR("v1")}};
    uint64_t ref = store_series(b, (struct labels){4, l}, NULL);
    assert_int_equal(store_batch_add(b, ref, t_ms, v, STORE_ORIGIN_UNKNOWN), STORE_OK);
    assert_true(store_batch_commit(b, &err));
}

static void what_is_not_there_is_named(void **state)
{
    struct world *w = *state;
    struct err err = ERR_INIT;
    assert_null(asked(w, CONTROL_ROLLOUT, "shpo", &err));
    assert_true(err.code == ERR_NOT_FOUND && strstr(err.message, "'shpo'"));
    assert_null(asked(w, CONTROL_SLO, "shop-avialability", &err));
    assert_non_null(strstr(err.message, "did you mean 'shop-availability'?"));
    assert_null(asked(w, CONTROL_GATE, "pre-deply", &err));
    assert_true(err.code == ERR_NOT_FOUND && strstr(err.message, "'pre-deply'"));
}

static void a_gate_without_telemetry_is_blind_and_recorded(void **state)
{
    struct world *w = *state;
    struct err err = ERR_INIT;
    json_t *answer = asked(w, CONTROL_GATE, "pre-deploy", &err);
    assert_string_equal(json_get_cstr(answer, "state", ""), "blind");
    assert_int_equal(json_get_i64(answer, "exitCode", -1), 3);
    assert_int_equal(json_get_i64(answer, "seq", -1), 0);
    const json_t *check = json_array_get(json_object_get(answer, "checks"), 0);
    assert_true(json_is_null(json_object_get(check, "effect")));
    assert_int_equal(ledger_size(w->d.ledger), 1);
}

static void a_gate_follows_the_objective(void **state)
{
    struct world *w = *state;
    struct err err = ERR_INIT;
    int64_t now_ms = clock_wall_ms();
    test_count(w, "v1", now_ms - 20000, 0, 1000);
    flush_sums(&w->d, now_ms - 20000);
    test_count(w, "v1", now_ms - 10000, 1, 2000);
    flush_sums(&w->d, now_ms - 10000);
    json_t *answer = asked(w, CONTROL_GATE, "pre-deploy", &err);
    assert_string_equal(json_get_cstr(answer, "state", ""), "pass");
    test_count(w, "v1", now_ms - 5000, 201, 3000);
    flush_sums(&w->d, now_ms - 5000);
    answer = asked(w, CONTROL_GATE, "pre-deploy", &err);
    assert_string_equal(json_get_cstr(answer, "state", ""), "fail");
    assert_int_equal(json_get_i64(answer, "exitCode", -1), 1);
}

/* More good events than events: nothing follows from such counters, least of all a pass. */
static void impossible_counters_do_not_pass_a_gate(void **state)
{
    struct world *w = *state;
    struct err err = ERR_INIT;
    int64_t now_ms = clock_wall_ms();
    sum_is(w, "cqed_sli_good_total", now_ms - 20000, 0);
    sum_is(w, "cqed_sli_total", now_ms - 20000, 0);
    test_count(w, "v1", now_ms - 1000, 0, 1000);
    sum_is(w, "cqed_sli_good_total", now_ms - 500, 1200);
    sum_is(w, "cqed_sli_total", now_ms - 500, 1000);
    json_t *answer = asked(w, CONTROL_GATE, "pre-deploy", &err);
    assert_string_equal(json_get_cstr(answer, "state", ""), "blind");
    const json_t *check = json_array_get(json_object_get(answer, "checks"), 0);
    assert_string_equal(json_get_cstr(check, "code", ""), "impossible");
    assert_true(isnan(budget_remaining(&w->d, &w->arena, "shop-availability", now_ms)));
}

/* An objective of which nothing was ever heard has no full budget. */
static void a_budget_of_nothing_is_not_known(void **state)
{
    struct world *w = *state;
    int64_t now_ms = clock_wall_ms();
    assert_true(isnan(budget_remaining(&w->d, &w->arena, "shop-availability", now_ms)));
    test_count(w, "v1", now_ms - 2000, 0, 1000);
    flush_sums(&w->d, now_ms - 2000);
    assert_true(budget_remaining(&w->d, &w->arena, "shop-availability", now_ms) == 1);
}

static void services_have_their_objectives_and_newest_rollout(void **state)
{
    struct world *w = *state;
    struct err err = ERR_INIT;
    json_t *services = json_object_get(asked(w, CONTROL_SERVICES, NULL, &err), "services");
    assert_int_equal(json_array_size(services), 1);
    json_t *shop = json_array_get(services, 0);
    assert_true(json_is_null(json_object_get(shop, "rollout")));
    json_t *slo = json_array_get(json_object_get(shop, "slos"), 0);
    assert_true(json_is_null(json_object_get(slo, "ratio")));
    assert_true(json_is_null(json_object_get(slo, "freshMs")));
    struct rollout *r = test_start(w, "v2");
    shop = json_array_get(json_object_get(asked(w, CONTROL_SERVICES, NULL, &err), "services"), 0);
    assert_string_equal(json_get_cstr(shop, "rollout", ""), r->id);
}

static void a_rollout_shows_its_history_and_no_text_for_numbers(void **state)
{
    struct world *w = *state;
    struct err err = ERR_INIT;
    struct rollout *r = test_start(w, "v2");
    test_observe(r, 0);
    decide_on(&w->d, r, clock_wall_ms());
    assert_true(test_act(w, r, "abort", "{\"actor\":\"ann\",\"reason\":\"wrong build\"}", &err));
    json_t *view = asked(w, CONTROL_ROLLOUT, "shop", &err);
    assert_string_equal(json_get_cstr(json_object_get(view, "state"), "state", ""), "cancelled");
    assert_true(json_array_size(json_object_get(view, "history")) >= 1);
    assert_int_equal(json_array_size(json_object_get(view, "steps")), 2);
    json_t *seen = json_object_get(view, "snapshot");
    assert_true(json_is_null(json_object_get(json_object_get(seen, "exposure"), "measuredPct")));
    assert_true(json_is_null(json_object_get(seen, "budgetRemaining")));
    json_t *list = json_object_get(asked(w, CONTROL_ROLLOUTS, NULL, &err), "rollouts");
    assert_null(json_object_get(json_array_get(list, 0), "history"));
}

/* Views are written out on HTTP threads while the control thread goes on. */
static void what_is_shown_is_not_what_goes_on_changing(void **state)
{
    struct world *w = *state;
    struct rollout *r = test_start(w, "v2");
    rollout_remember(r, 1, 1000, "wait", "first");
    json_t *history = json_object_get(rollout_view(&w->arena, r, true), "history");
    rollout_remember(r, 2, 2000, "wait", "second");
    assert_int_equal(json_array_size(history), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_not_there_is_named),
        TEST(a_gate_without_telemetry_is_blind_and_recorded),
        TEST(a_gate_follows_the_objective),
        TEST(impossible_counters_do_not_pass_a_gate),
        TEST(a_budget_of_nothing_is_not_known),
        TEST(services_have_their_objectives_and_newest_rollout),
        TEST(a_rollout_shows_its_history_and_no_text_for_numbers),
        TEST(what_is_shown_is_not_what_goes_on_changing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
