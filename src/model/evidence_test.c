#include "model/evidence.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct evidence fail_evidence(void)
{
    return (struct evidence){.check = "payments-availability",
                             .kind = EVIDENCE_RATIO,
                             .state = EVIDENCE_FAIL,
                             .critical = true,
                             .unit = "ratio",
                             .effect = 0.03,
                             .low = -(double)INFINITY,
                             .high = (double)INFINITY,
                             .tolerate = 0.001,
                             .stable = {4000, 4},
                             .canary = {200, 8},
                             .against = "v1-baseline",
                             .harm_log_e = 4.25,
                             .harm_log_limit = 3.9,
                             .minimum_detectable_effect = (double)NAN,
                             .dispersion = 2.625,
                             .learned_ms = 3600000,
                             .fresh_ms = -1,
                             .observed_ms = 60000,
                             .query = "up{job=\"x\"}",
                             .code = "harm_shown",
                             .sentence = "The canary fails 4%.",
                             .would_change = ""};
}

static void evidence_survives_its_json(void **state)
{
    struct arena arena = ARENA_INIT;
    struct evidence e = fail_evidence(), back = {0};
    struct buf first = BUF_INIT, second = BUF_INIT;
    (void)state;
    const json_t *json = evidence_to_json(&arena, &e);
    assert_true(evidence_from_json(&arena, json, &back, NULL));
    assert_string_equal(back.check, e.check);
    assert_string_equal(back.would_change, "");
    assert_string_equal(back.against, "v1-baseline");
    assert_int_equal(back.state, EVIDENCE_FAIL);
    assert_true(back.dispersion == 2.625 && back.learned_ms == 3600000);
    assert_true(isnan(back.minimum_detectable_effect) && isinf(back.low) && back.low < 0);
    assert_true(back.canary.bad == 8.0 && back.fresh_ms == -1 && back.critical);
    json_canonical(json, &first);
    json_canonical(evidence_to_json(&arena, &back), &second);
    assert_string_equal(first.p, second.p);
    assert_non_null(strstr(first.p, "\"minimumDetectableEffect\":\"NaN\""));
    assert_non_null(strstr(first.p, "\"low\":\"-Inf\""));
    buf_release(&first);
    buf_release(&second);
    arena_release(&arena);
}

static void snapshot_survives_its_json(void **state)
{
    struct arena arena = ARENA_INIT;
    struct evidence checks[2] = {fail_evidence(), fail_evidence()};
    struct snapshot back, s = {.at_ms = 1764000000000,
                               .checks = checks,
                               .n_checks = 2,
                               .exposure = {true, 5, (double)NAN, true, 1764000000000, ""},
                               .budget_remaining = (double)NAN,
                               .telemetry_age_ms = 1200};
    struct buf first = BUF_INIT, second = BUF_INIT;
    (void)state;
    json_canonical(snapshot_to_json(&arena, &s), &first);
    json_t *json = json_parse(&arena, buf_str(&first), NULL);
    assert_true(snapshot_from_json(&arena, json, &back, NULL));
    assert_int_equal(back.n_checks, 2);
    assert_true(back.exposure.known && back.exposure.observed_pct == 5.0);
    json_canonical(snapshot_to_json(&arena, &back), &second);
    assert_string_equal(first.p, second.p);
    buf_release(&first);
    buf_release(&second);
    arena_release(&arena);
}

/* A member taken out or of another type is named with its place. */
static void what_is_wrong_is_named(void **state)
{
    static const struct {
        const char *key, *value, *message;
    } cases[] = {
        {"check", NULL, "evidence: \"check\" is missing"},
        {"check", "1", "evidence: \"check\" is not of its type"},
        {"check", "\"a\\u0000b\"", "evidence: \"check\" is not of its type"},
        {"state", "\"perfect\"", "evidence: \"state\" is not of its type"},
        {"effect", "\"much\"", "evidence: \"effect\" is not of its type"},
        {"effect", "\"1.5\"", "evidence: \"effect\" is not of its type"},
        {"freshMs", "1.5", "evidence: \"freshMs\" is not of its type"},
        {"critical", "1", "evidence: \"critical\" is not of its type"},
        {"stable", "{}", "evidence.stable: \"total\" is missing"},
        {"canary", "[]", "evidence.canary is not a JSON object"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena arena = ARENA_INIT;
        struct err err = ERR_INIT;
        struct evidence e = fail_evidence(), back;
        json_t *json = evidence_to_json(&arena, &e);
        if (cases[i].value)
            json_object_set(json, cases[i].key, json_parse(&arena, str_from(cases[i].value), NULL));
        else
            json_object_del(json, cases[i].key);
        assert_false(evidence_from_json(&arena, json, &back, &err));
        assert_int_equal(err.code, ERR_BAD_INPUT);
        assert_string_equal(err.message, cases[i].message);
        arena_release(&arena);
    }
}

static void the_worst_critical_state_counts(void **state)
{
    struct evidence checks[3] = {fail_evidence(), fail_evidence(), fail_evidence()};
    struct snapshot s = {.checks = checks, .n_checks = 3};
    (void)state;
    checks[0].critical = false;
    checks[1].state = EVIDENCE_INSUFFICIENT;
    checks[2].state = EVIDENCE_BLIND;
    assert_int_equal(snapshot_worst(&s), EVIDENCE_BLIND);
    checks[1].state = EVIDENCE_ERROR;
    assert_int_equal(snapshot_worst(&s), EVIDENCE_ERROR);
    s.n_checks = 1;
    assert_int_equal(snapshot_worst(&s), EVIDENCE_PASS);
    s.n_checks = 0;
    assert_int_equal(snapshot_worst(&s), EVIDENCE_PASS);
}

static void names_read_back(void **state)
{
    enum evidence_state e;
    (void)state;
    for (int i = EVIDENCE_PASS; i <= EVIDENCE_FAIL; i++) {
        assert_true(evidence_state_parse(evidence_state_name((enum evidence_state)i), &e));
        assert_int_equal(e, i);
    }
    assert_false(evidence_state_parse("Pass", &e) || evidence_state_parse(NULL, &e));
    assert_string_equal(evidence_kind_name(EVIDENCE_TRAFFIC), "traffic");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(evidence_survives_its_json),
        cmocka_unit_test(snapshot_survives_its_json),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(the_worst_critical_state_counts),
        cmocka_unit_test(names_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
