#include "judge/judge.h"

#include "model/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>

#define HOUR_MS 3600000

static struct judge_plan plan_of(double requests_per_s, double bad_ratio)
{
    return (struct judge_plan){.basis = {.check = "shop-availability",
                                         .requests_per_s = requests_per_s,
                                         .bad_ratio = bad_ratio,
                                         .dispersion = 1,
                                         .tolerate = 0.0005},
                               .alpha = 0.05,
                               .beta = 0.05,
                               .bucket_ms = 5000};
}

/* Medians of 4,000 runs each with independent requests, dispersion learned (make bench-judge); the
 * learned dispersion is a little over 1, so the forecast is the sooner one. */
static void it_lies_near_what_happens(void **state)
{
    static const struct {
        double p, weight, ratio, median_s;
    } cases[] = {{0.01, 0.05, 2, 45},   {0.01, 0.05, 1.5, 190}, {0.01, 0.05, 1.25, 1245},
                 {0.001, 0.05, 2, 380}, {0.0001, 0.05, 10, 95}, {0.05, 0.05, 2, 15}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct judge_plan plan = plan_of(1000, cases[i].p);
        double s = (double)judge_time_to_detect(&plan, cases[i].weight, cases[i].ratio, HOUR_MS);
        s /= 1000;
        if (!(s >= cases[i].median_s * 0.6 && s <= cases[i].median_s * 1.3 + 5))
            fail_msg("x%g at %g: forecast %g s, happens in %g s", cases[i].ratio, cases[i].p, s,
                     cases[i].median_s);
    }
}

static void more_of_anything_is_sooner(void **state)
{
    (void)state;
    int64_t last = INT64_MAX;
    for (double weight = 0.01; weight <= 0.5; weight *= 2) {
        struct judge_plan plan = plan_of(100, 0.01);
        int64_t ms = judge_time_to_detect(&plan, weight, 2, 24 * (int64_t)HOUR_MS);
        assert_true(ms > 0 && ms <= last);
        last = ms;
    }
    struct judge_plan plan = plan_of(100, 0.01);
    double ratio = judge_least_ratio(&plan, 0.05, HOUR_MS / 2);
    assert_true(judge_time_to_detect(&plan, 0.05, ratio * 1.02, HOUR_MS / 2) > 0);
    assert_true(judge_time_to_detect(&plan, 0.05, ratio * 0.95, HOUR_MS / 2) < 0);
    plan = plan_of(100, 0.0001); /* too few bad events to prove a ratio */
    double tolerance = judge_least_tolerance(&plan, 0.05, HOUR_MS);
    plan.basis.tolerate = tolerance * 1.01;
    assert_true(judge_time_to_pass(&plan, 0.05, HOUR_MS) > 0);
    plan.basis.tolerate = tolerance * 0.9;
    assert_true(judge_time_to_pass(&plan, 0.05, HOUR_MS) < 0);
}

static void nothing_can_be_said_without_traffic(void **state)
{
    struct judge_plan plan = plan_of(0, 0.01);
    (void)state;
    assert_int_equal(judge_time_to_detect(&plan, 0.05, 2, HOUR_MS), -1);
    assert_int_equal(judge_time_to_pass(&plan, 0.05, HOUR_MS), -1);
    assert_true(isinf(judge_least_ratio(&plan, 0.05, HOUR_MS)));
    assert_true(isinf(judge_least_tolerance(&plan, 0.05, HOUR_MS)));
}

static json_t *forecast(struct arena *arena, double requests_per_s)
{
    static const struct rollout_step steps[] = {{5, 300000}, {50, 600000}, {100, 0}};
    static const struct rollout_policy policy = {.service = "shop",
                                                 .steps = steps,
                                                 .n_steps = 3,
                                                 .false_rollback = 0.05,
                                                 .missed_harm = 0.05,
                                                 .bucket_ms = 5000,
                                                 .deadline_ms = 7200000};
    struct judge_plan plan = plan_of(requests_per_s, 0.01);
    return judge_forecast(arena, &policy, &plan.basis, 1);
}

static void too_little_traffic_is_told_with_what_would_do(void **state)
{
    struct arena arena = ARENA_INIT;
    (void)state;
    json_t *warnings = json_object_get(forecast(&arena, 3), "warnings");
    assert_true(json_array_size(warnings) >= 2);
    const json_t *first = json_array_get(warnings, 0);
    assert_string_equal(json_get_cstr(first, "code", ""), "forecast_doubling_unseen");
    assert_non_null(strstr(json_get_cstr(first, "sentence", ""), "at 3.0 requests/s"));
    json_t *plenty = forecast(&arena, 2000);
    assert_int_equal(json_array_size(json_object_get(plenty, "warnings")), 0);
    const json_t *check = json_array_get(json_object_get(plenty, "checks"), 0);
    assert_int_equal(json_array_size(json_object_get(check, "steps")), 2);
    json_t *none = json_object_get(forecast(&arena, 0), "warnings");
    assert_string_equal(json_get_cstr(json_array_get(none, 0), "code", ""), "forecast_no_traffic");
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_lies_near_what_happens),
        cmocka_unit_test(more_of_anything_is_sooner),
        cmocka_unit_test(nothing_can_be_said_without_traffic),
        cmocka_unit_test(too_little_traffic_is_told_with_what_would_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
