/* The states of alerts over time, what is told, and what survives a restart and a reload. */
#include "rules/memory.h"
#include "rules/rules.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MINUTE 60000
#define START (INT64_C(1700000000) * 1000)

struct rig {
    struct arena arena;
    struct memory_store *memory;
    struct rules *rules;
    struct rule_world world;
    struct rule_group *groups;
    size_t n_groups;
    struct alert told[64];
    size_t n_told;
};

static bool write_memory(void *self, const struct rule_sample *samples, size_t n, struct err *err)
{
    struct rig *r = self;
    (void)err;
    for (size_t i = 0; i < n; i++)
        memory_store_add(r->memory, &samples[i]);
    return true;
}

static void note_alerts(void *self, const struct alert *alerts, size_t n)
{
    struct rig *r = self;
    for (size_t i = 0; i < n && r->n_told < 64; i++)
        r->told[r->n_told++] = (struct alert){labels_copy(&r->arena, alerts[i].labels),
                                              labels_copy(&r->arena, alerts[i].annotations),
                                              alerts[i].starts_ms, alerts[i].ends_ms, NULL};
}

static void read_groups(struct rig *r, const char *text)
{
    struct diag_list diags;
    struct yaml_node **documents;
    struct rule_defaults defaults = {.interval_ms = MINUTE};
    struct buf out = BUF_INIT;
    size_t n, capacity = 0;
    r->groups = NULL;
    r->n_groups = 0;
    diag_init(&diags, &r->arena);
    assert_true(yaml_parse(&r->arena, "rules.yml", str_from(text), &documents, &n, &diags));
    rules_read(&r->arena, "rules.yml", documents[0], &defaults, &r->groups, &r->n_groups, &capacity,
               &diags);
    diag_print(&diags, &out);
    if (diags.errors)
        fail_msg("%s", out.p);
    buf_release(&out);
}

static void open_rig(struct rig *r, const char *text, bool restore)
{
    *r = (struct rig){.n_told = 0};
    arena_init(&r->arena);
    r->memory = memory_store_new();
    r->rules = rules_new();
    r->world = (struct rule_world){.self = r,
                                   .source = memory_store_source(r->memory),
                                   .external_url = "",
                                   .resend_ms = MINUTE,
                                   .grace_ms = 0,
                                   .outage_tolerance_ms = 60 * MINUTE,
                                   .write = write_memory,
                                   .notify = note_alerts};
    read_groups(r, text);
    rules_apply(r->rules, r->groups, r->n_groups, &r->world, restore, START);
}

static void close_rig(struct rig *r)
{
    rules_free(r->rules);
    memory_store_free(r->memory);
    arena_release(&r->arena);
}

/* The process dies and starts again over the same store. */
static void restart(struct rig *r)
{
    rules_free(r->rules);
    r->rules = rules_new();
    rules_apply(r->rules, r->groups, r->n_groups, &r->world, true, START);
}

static void set(struct rig *r, const char *name, int64_t t_ms, double v)
{
    struct label label[] = {{STR(LABEL_NAME), str_from(name)}};
    memory_store_add(r->memory, &(struct rule_sample){{1, label}, t_ms, v, NULL});
}

static void evaluate(struct rig *r, int64_t t_ms)
{
    struct arena scratch = ARENA_INIT;
    rules_evaluate_at(r->rules, 0, &r->world, t_ms, &scratch);
    arena_release(&scratch);
}

static double value_of(struct rig *r, const char *query, int64_t t_ms)
{
    struct err err = ERR_INIT;
    struct promql_result result;
    struct promql_expr *expr = promql_parse(&r->arena, str_from(query), &err);
    assert_non_null(expr);
    assert_true(promql_instant(expr, &r->world.source, NULL, t_ms, &r->arena, &result, &err));
    return result.n_series > 0 ? result.series[0].samples[0].v : (double)NAN;
}

static const char *const down =
    "groups: [{name: g, rules: [{alert: Down, expr: up == 0, for: 5m}]}]";

/* --- --- */

static void test_told_again_and_resolved(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, "groups: [{name: g, interval: 30s, rules: [{alert: Down, expr: up == 0}]}]",
             false);
    for (int i = 0; i <= 4; i++) {
        set(&r, "up", START + i * 30000, 0);
        evaluate(&r, START + i * 30000);
    }
    /* At 0, and when more than a minute went by: 90 s. */
    assert_int_equal(r.n_told, 2);
    assert_int_equal(r.told[1].starts_ms, START);
    assert_int_equal(r.told[1].ends_ms, START + 90000 + 4 * MINUTE);
    set(&r, "up", START + 150000, 1);
    evaluate(&r, START + 150000);
    assert_int_equal(r.n_told, 3);
    assert_int_equal(r.told[2].ends_ms, START + 150000);
    /* Resolved is told again for 15 minutes, and then forgotten. */
    size_t before = r.n_told;
    for (int i = 1; i <= 40; i++) {
        set(&r, "up", START + 150000 + i * MINUTE, 1);
        evaluate(&r, START + 150000 + i * MINUTE);
    }
    assert_in_range(r.n_told - before, 7, 15);
    for (size_t i = before; i < r.n_told; i++)
        assert_int_equal(r.told[i].ends_ms, START + 150000);
    close_rig(&r);
}

static void test_for_goes_on_after_a_restart(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, down, false);
    for (int i = 0; i <= 3; i++) {
        set(&r, "up", START + i * MINUTE, 0);
        evaluate(&r, START + i * MINUTE);
    }
    assert_int_equal(r.n_told, 0);
    restart(&r);
    /* Two minutes of outage do not count: 3 are over, 2 remain. */
    int64_t back = START + 5 * MINUTE;
    for (int i = 0; i <= 3; i++) {
        struct arena scratch = ARENA_INIT;
        size_t group = 0;
        set(&r, "up", back + i * MINUTE, 0);
        int64_t due = rules_next(r.rules, &group);
        /* Its own times; the store's samples stand at whole minutes before. */
        while (due < back + i * MINUTE) {
            rules_evaluate(r.rules, 0, &r.world, due, &scratch);
            due = rules_next(r.rules, &group);
        }
        arena_release(&scratch);
    }
    double since = value_of(&r, "ALERTS_FOR_STATE", back + 3 * MINUTE);
    /* Shifted by the outage, between the last sample before and the restoration. */
    assert_true(since > START / 1000 && since < (double)(START + 4 * MINUTE) / 1000);
    close_rig(&r);
}

static void test_nothing_is_restored_after_a_long_outage(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r, down, false);
    set(&r, "up", START, 0);
    evaluate(&r, START);
    restart(&r);
    int64_t back = START + 70 * MINUTE;
    struct arena scratch = ARENA_INIT;
    size_t group = 0;
    for (int i = 0; i <= 3; i++) {
        set(&r, "up", back + i * MINUTE, 0);
        int64_t due = rules_next(r.rules, &group);
        while (due < back + i * MINUTE) {
            rules_evaluate(r.rules, 0, &r.world, back + i * MINUTE, &scratch);
            due = rules_next(r.rules, &group);
        }
    }
    assert_true(value_of(&r, "ALERTS_FOR_STATE", back + 3 * MINUTE) >= (double)back / 1000 - 60);
    arena_release(&scratch);
    close_rig(&r);
}

static void test_missed_times_are_counted(void **state)
{
    struct rig r;
    struct rules_stats stats;
    struct arena scratch = ARENA_INIT;
    size_t group = 9;
    (void)state;
    open_rig(&r, down, false);
    int64_t due = rules_next(r.rules, &group);
    assert_int_equal(group, 0);
    assert_in_range(due - START, 0, MINUTE);
    rules_evaluate(r.rules, 0, &r.world, due + 5, &scratch);
    assert_int_equal(rules_next(r.rules, &group), due + MINUTE);
    rules_evaluate(r.rules, 0, &r.world, due + 4 * MINUTE + 10, &scratch);
    rules_stats(r.rules, &stats);
    assert_int_equal(stats.missed, 3);
    assert_int_equal(rules_next(r.rules, &group), due + 5 * MINUTE);
    /* The clock is set back by an hour. */
    rules_evaluate(r.rules, 0, &r.world, due - 60 * MINUTE, &scratch);
    assert_true(rules_next(r.rules, &group) <= due - 59 * MINUTE);
    arena_release(&scratch);
    close_rig(&r);
}

static void test_reload_keeps_state_and_ends_series(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r,
             "groups: [{name: g, rules: [{record: a, expr: up}, {record: b, expr: up},"
             " {alert: Down, expr: up == 0, for: 1m}]}]",
             false);
    for (int i = 0; i <= 1; i++) {
        set(&r, "up", START + i * MINUTE, 0);
        evaluate(&r, START + i * MINUTE);
    }
    assert_int_equal(r.n_told, 1);
    read_groups(&r, "groups: [{name: g, rules: [{record: b, expr: up + 1},"
                    " {alert: Down, expr: up == 0, for: 1m}]}]");
    rules_apply(r.rules, r.groups, r.n_groups, &r.world, false, START + MINUTE + 1000);
    assert_true(isnan(value_of(&r, "a", START + MINUTE + 1000)));
    assert_true(value_of(&r, "b", START + MINUTE + 1000) == 0);
    set(&r, "up", START + 2 * MINUTE + 1, 0);
    evaluate(&r, START + 2 * MINUTE + 1);
    assert_true(value_of(&r, "b", START + 2 * MINUTE + 1) == 1);
    /* Still the alert that fired at 1m. */
    assert_int_equal(r.n_told, 2);
    assert_int_equal(r.told[1].starts_ms, START + MINUTE);
    rules_apply(r.rules, NULL, 0, &r.world, false, START + 3 * MINUTE);
    assert_true(isnan(value_of(&r, "ALERTS", START + 3 * MINUTE)));
    assert_int_equal(rules_count(r.rules), 0);
    close_rig(&r);
}

static void test_mistakes_fail_the_rule_alone(void **state)
{
    struct rig r;
    struct arena arena = ARENA_INIT;
    (void)state;
    open_rig(&r,
             "groups: [{name: g, limit: 1, rules: ["
             "{alert: Same, expr: '{__name__=~\"up|down\"}'}, {record: many, expr: "
             "'{__name__=~\"up|down\"}'}, {record: good, expr: up}]}]",
             false);
    set(&r, "up", START, 1);
    set(&r, "down", START, 2);
    evaluate(&r, START);
    assert_non_null(strstr(rules_first_error(r.rules, &arena), "the same labelset"));
    assert_true(isnan(value_of(&r, "many", START)));
    assert_true(value_of(&r, "good", START) == 1);
    arena_release(&arena);
    close_rig(&r);
}

static void test_view(void **state)
{
    struct rig r;
    struct buf out = BUF_INIT;
    struct json_writer w;
    struct err err = ERR_INIT;
    const char *const names[] = {"Down"};
    struct rule_filter filter = {.kinds = RULES_ALERTING, .names = names, .n_names = 1};
    (void)state;
    open_rig(&r,
             "groups: [{name: g, rules: [{alert: Down, expr: up==0, annotations: {x: '{{ $value "
             "}}'}}, {record: a, expr: up}]}]",
             false);
    set(&r, "up", START, 0);
    evaluate(&r, START);
    json_writer_init(&w, &out);
    assert_true(rules_view(r.rules, &filter, &w, &err));
    json_writer_end(&w);
    json_t *data = json_parse(&r.arena, buf_str(&out), &err);
    assert_non_null(data);
    json_t *group = json_array_get(json_object_get(data, "groups"), 0);
    json_t *rule = json_array_get(json_object_get(group, "rules"), 0);
    assert_int_equal(json_array_size(json_object_get(group, "rules")), 1);
    assert_string_equal(json_get_cstr(rule, "state", ""), "firing");
    assert_string_equal(json_get_cstr(rule, "query", ""), "up == 0");
    assert_string_equal(json_get_cstr(rule, "health", ""), "ok");
    json_t *alert = json_array_get(json_object_get(rule, "alerts"), 0);
    assert_string_equal(json_get_cstr(alert, "value", ""), "0e+00");
    assert_string_equal(json_get_cstr(json_object_get(alert, "annotations"), "x", ""), "0");
    filter.group_next_token = "nope";
    buf_clear(&out);
    json_writer_init(&w, &out);
    assert_false(rules_view(r.rules, &filter, &w, &err));
    buf_release(&out);
    close_rig(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_told_again_and_resolved),
        cmocka_unit_test(test_for_goes_on_after_a_restart),
        cmocka_unit_test(test_nothing_is_restored_after_a_long_outage),
        cmocka_unit_test(test_missed_times_are_counted),
        cmocka_unit_test(test_reload_keeps_state_and_ends_series),
        cmocka_unit_test(test_mistakes_fail_the_rule_alone),
        cmocka_unit_test(test_view),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
