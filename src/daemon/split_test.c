#include "daemon/testing.h"

struct arm_scrape {
    const char *version;
    int64_t phase_ms; /* of its first scrape */
    double per_second;
};

/* A step at 10% that began at 0; each arm is scraped at its own moments. */
static struct evidence split_after(struct world *w, struct rollout *r,
                                   const struct arm_scrape arms[2], int64_t interval_ms,
                                   int64_t until_ms)
{
    double measured;
    int64_t begin_ms = 1000000;
    r->state.step_since_ms = begin_ms;
    r->state.desired_pct = 10;
    test_observe(r, 10);
    for (int64_t t = begin_ms; t < begin_ms + until_ms; t += 500) {
        for (size_t i = 0; i < 2; i++) {
            int64_t due = t - begin_ms - arms[i].phase_ms;
            if (due >= 0 && due % interval_ms == 0)
                test_count(w, arms[i].version, t, 0,
                           floor(arms[i].per_second * (double)due / 1000));
        }
        note_split(&w->d, r, "shop-availability", &w->arena);
    }
    return judge_split(r, &w->arena, begin_ms + until_ms, &measured);
}

static void scrapes_far_apart_do_not_bend_it(void **state)
{
    struct world *w = *state;
    struct rollout *r = test_start(w, "v2");
    const struct arm_scrape arms[2] = {{"v1", 0, 90}, {"v2", 7500, 10}};
    struct evidence e = split_after(w, r, arms, 15000, 150000);
    assert_int_equal(e.state, EVIDENCE_PASS);
    assert_true(fabs(e.effect) < 0.5);
}

static void a_few_scrapes_are_not_enough(void **state)
{
    struct world *w = *state;
    struct rollout *r = test_start(w, "v2");
    const struct arm_scrape arms[2] = {{"v1", 0, 90}, {"v2", 7500, 10}};
    struct evidence e = split_after(w, r, arms, 15000, 60000);
    assert_int_equal(e.state, EVIDENCE_INSUFFICIENT);
    assert_true(e.critical);
    assert_string_equal(e.code, "split_not_measured");
}

static void little_traffic_is_measured_at_last(void **state)
{
    struct world *w = *state;
    struct rollout *r = test_start(w, "v2");
    const struct arm_scrape arms[2] = {{"v1", 0, 2.7}, {"v2", 500, 0.3}};
    struct evidence e = split_after(w, r, arms, 1000, 400000);
    assert_int_equal(e.state, EVIDENCE_PASS);
    assert_true(e.canary.total >= 45);
}

static void other_traffic_than_configured_is_blind(void **state)
{
    struct world *w = *state;
    struct rollout *r = test_start(w, "v2");
    const struct arm_scrape arms[2] = {{"v1", 0, 50}, {"v2", 500, 50}};
    struct evidence e = split_after(w, r, arms, 1000, 30000);
    assert_int_equal(e.state, EVIDENCE_BLIND);
    assert_string_equal(e.code, "split_differs");
}

static void a_canary_without_requests_is_blind(void **state)
{
    struct world *w = *state;
    struct rollout *r = test_start(w, "v2");
    const struct arm_scrape arms[2] = {{"v1", 0, 100}, {"v2", 500, 0}};
    struct evidence e = split_after(w, r, arms, 1000, 30000);
    assert_int_equal(e.state, EVIDENCE_BLIND);
    assert_string_equal(e.code, "no_canary_traffic");
}

static void a_canary_never_heard_of_is_blind(void **state)
{
    struct world *w = *state;
    struct rollout *r = test_start(w, "v2");
    const struct arm_scrape arms[2] = {{"v1", 0, 100}, {"v2", 1000000, 0}};
    struct evidence e = split_after(w, r, arms, 1000, 30000);
    assert_string_equal(e.code, "no_canary_traffic");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(scrapes_far_apart_do_not_bend_it),   TEST(a_few_scrapes_are_not_enough),
        TEST(little_traffic_is_measured_at_last), TEST(other_traffic_than_configured_is_blind),
        TEST(a_canary_without_requests_is_blind), TEST(a_canary_never_heard_of_is_blind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
