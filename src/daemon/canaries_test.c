#include "daemon/testing.h"

/* Errors of ten requests a second on the canary and ninety on stable, a scrape a second. */
static void play(struct world *w, int64_t begin_ms, int64_t to_s, double canary_bad_pct)
{
    for (int64_t s = 0; s < to_s; s++) {
        int64_t at_ms = begin_ms + s * 1000;
        double wave = 1 + 0.2 * sin((double)s / 7), n = (double)s;
        test_count(w, "v1", at_ms, n * 90 * 0.02 * wave, n * 90);
        test_count(w, "v2", at_ms, n * 10 * canary_bad_pct / 100 * wave, n * 10);
        flush_sums(&w->d, at_ms + 1);
    }
}

static const char canary[] =
    "{\"name\":\"shop\",\"metrics\":[{\"name\":\"errors\",\"groups\":[\"all\"],"
    "\"query\":{\"type\":\"prometheus\",\"customInlineTemplate\":\"PromQL:"
    "max_over_time(bad_total{version=\\\"${scope}\\\"}[5s]) / "
    "(max_over_time(all_total{version=\\\"${version}\\\"}[5s]) > 0)\"},"
    "\"analysisConfigurations\":{\"canary\":{\"direction\":\"increase\"}}}],"
    "\"classifier\":{\"groupWeights\":{\"all\":100}}}";

static struct rollout *open_with(struct world *w, const char *check, int64_t begin_ms)
{
    const char *at = strstr(test_shop, "[{ slo: shop-availability, against");
    test_close(w);
    test_write(w, "canary.json", canary);
    test_write(w, "cqed.yaml",
               "policies: [shop.yaml]\nkayenta: { canaryConfigs: [canary.json] }\n");
    test_write(
        w, "shop.yaml",
        arena_printf(&w->arena, "%.*s[%s, %s", (int)(at - test_shop), test_shop, check, at + 1));
    test_open(w);
    struct rollout *r = test_start(w, "v2");
    r->exposed_since_ms = begin_ms;
    r->state.desired_pct = r->state.allowed_pct = 10;
    r->state.state = ROLLOUT_PROGRESSING;
    r->state.step = 0;
    test_observe(r, 10);
    return r;
}

static const char asked[] = "{ judge: kayenta-v1, canaryConfig: canary, every: 1m }";

static struct evidence look(struct world *w, struct rollout *r, int64_t at_ms)
{
    struct snapshot seen = collect(&w->d, r, &w->arena, at_ms);
    assert_string_equal(seen.checks[0].check, "canary");
    assert_int_equal(seen.checks[0].kind, EVIDENCE_KAYENTA);
    assert_true(seen.checks[0].uncontrolled);
    return seen.checks[0];
}

static int64_t an_hour_ago(void)
{
    return clock_wall_ms() - 3600000;
}

static void it_waits_for_its_interval(void **state)
{
    struct world *w = *state;
    int64_t begin_ms = an_hour_ago();
    struct rollout *r = open_with(w, asked, begin_ms);
    play(w, begin_ms, 60, 2);
    struct evidence e = look(w, r, begin_ms + 60000);
    assert_int_equal(e.state, EVIDENCE_INSUFFICIENT);
    assert_string_equal(e.code, "kayenta_waits");
}

static void equal_sides_pass(void **state)
{
    struct world *w = *state;
    int64_t begin_ms = an_hour_ago();
    struct rollout *r = open_with(w, asked, begin_ms);
    play(w, begin_ms, 130, 2);
    struct evidence e = look(w, r, begin_ms + 130000);
    assert_int_equal(e.state, EVIDENCE_PASS);
    assert_true(e.effect == 100 && e.observed_ms == 120000);
    assert_string_equal(e.code, "kayenta_pass");
}

/* It rolls back alone, and says what cQED thinks of it. */
static void a_worse_canary_fails_and_the_other_judge_is_heard(void **state)
{
    struct world *w = *state;
    int64_t begin_ms = an_hour_ago();
    struct rollout *r = open_with(w, asked, begin_ms);
    play(w, begin_ms, 130, 4);
    struct evidence e = look(w, r, begin_ms + 130000);
    assert_int_equal(e.state, EVIDENCE_FAIL);
    assert_true(e.effect == 0);
    assert_non_null(strstr(e.sentence, "errors High"));
    assert_non_null(strstr(e.sentence, "errors is High for Kayenta and insufficient for cQED"));
    assert_non_null(strstr(e.sentence, "few values"));
}

/* Between two intervals its last word stands, whatever comes in. */
static void its_word_stands_until_the_next_interval(void **state)
{
    struct world *w = *state;
    int64_t begin_ms = an_hour_ago();
    struct rollout *r = open_with(w, asked, begin_ms);
    play(w, begin_ms, 70, 2);
    const char *first = look(w, r, begin_ms + 66000).sentence;
    struct evidence e = look(w, r, begin_ms + 110000);
    assert_string_equal(e.sentence, first);
    assert_true(e.observed_ms == 60000 && e.fresh_ms == 50000);
}

static void no_data_is_blind(void **state)
{
    struct world *w = *state;
    int64_t begin_ms = an_hour_ago();
    struct rollout *r = open_with(w, asked, begin_ms);
    struct evidence e = look(w, r, begin_ms + 130000);
    assert_int_equal(e.state, EVIDENCE_BLIND);
    assert_string_equal(e.code, "no_data");
}

/* A restart of the policy: what is in the ledger asks the same. */
static void the_policy_survives_a_restart(void **state)
{
    struct world *w = *state;
    int64_t begin_ms = an_hour_ago();
    (void)open_with(w,
                    "{ name: old-judge, judge: kayenta-v1, canaryConfig: canary, every: 2m, "
                    "pass: 90, marginal: 60, location: prod, critical: false }",
                    begin_ms);
    test_close(w);
    test_open(w);
    const struct check_spec *spec = &w->d.rollouts->policy->checks[0];
    assert_string_equal(spec->name, "old-judge");
    assert_string_equal(spec->kayenta.config, "canary");
    assert_string_equal(spec->kayenta.location, "prod");
    assert_true(spec->kayenta.every_ms == 120000 && spec->kayenta.pass == 90);
    assert_true(spec->kayenta.marginal == 60 && !spec->critical);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_waits_for_its_interval),
        TEST(equal_sides_pass),
        TEST(a_worse_canary_fails_and_the_other_judge_is_heard),
        TEST(its_word_stands_until_the_next_interval),
        TEST(no_data_is_blind),
        TEST(the_policy_survives_a_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
