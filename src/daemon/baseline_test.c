#include "daemon/testing.h"

/* 80 requests a second on stable, 10 each on the canary and on the baseline, scraped each second.
 * What is new has `warm_bad_pct` errors in its first minute. */
struct fleet {
    int64_t begin_ms;
    double stable_bad_pct, warm_bad_pct, canary_bad_pct;
    double baseline_per_s;
    int64_t baseline_from_s, baseline_until_s;
};

#define EXPOSED_S 60

static double bad_since(double per_s, double since_s, double warm_pct, double later_pct)
{
    double warm = fmin(since_s, 60), later = fmax(since_s - 60, 0);
    return floor(per_s * (warm * warm_pct + later * later_pct) / 100);
}

static void play(struct world *w, const struct fleet *f, int64_t from_s, int64_t to_s)
{
    for (int64_t s = from_s; s < to_s; s++) {
        int64_t at_ms = f->begin_ms + s * 1000;
        double canary = (double)(s - EXPOSED_S), baseline = (double)(s - f->baseline_from_s);
        test_count(w, "v1", at_ms, floor(80 * (double)s * f->stable_bad_pct / 100), 80 * (double)s);
        if (s >= EXPOSED_S)
            test_count(w, "v2", at_ms, bad_since(10, canary, f->warm_bad_pct, f->canary_bad_pct),
                       10 * canary);
        if (s >= f->baseline_from_s && s < f->baseline_until_s)
            test_count(w, "v1-fresh", at_ms,
                       bad_since(f->baseline_per_s, baseline, f->warm_bad_pct, f->stable_bad_pct),
                       floor(f->baseline_per_s * baseline));
        flush_sums(&w->d, at_ms + 1);
    }
}

static struct fleet warming_fleet(void)
{
    return (struct fleet){.begin_ms = clock_wall_ms() - 600000,
                          .stable_bad_pct = 0.5,
                          .warm_bad_pct = 15,
                          .canary_bad_pct = 0.5,
                          .baseline_per_s = 10,
                          .baseline_from_s = EXPOSED_S,
                          .baseline_until_s = 1000};
}

/* The world with a policy that names a baseline, and a canary that has traffic from EXPOSED_S on.
 */
static struct rollout *open_with(struct world *w, const char *cohorts, const struct fleet *f)
{
    const char *at = strstr(test_shop, "  evidence:");
    test_close(w);
    test_write(w, "shop.yaml",
               arena_printf(&w->arena, "%.*s%s%s", (int)(at - test_shop), test_shop, cohorts, at));
    test_open(w);
    struct rollout *r = test_start(w, "v2");
    r->exposed_since_ms = f->begin_ms + EXPOSED_S * 1000;
    r->state.desired_pct = r->state.allowed_pct = 10;
    r->state.state = ROLLOUT_PROGRESSING;
    r->state.step = 0;
    test_observe(r, 10);
    return r;
}

static const char named[] = "  cohorts: { baseline: '{{stable}}-fresh' }\n";

static struct evidence look(struct world *w, struct rollout *r, const struct fleet *f, int64_t at_s)
{
    struct snapshot seen = collect(&w->d, r, &w->arena, f->begin_ms + at_s * 1000);
    assert_string_equal(seen.checks[0].check, "shop-availability");
    return seen.checks[0];
}

/* The state is asked for after every second, as a rollout does. */
static struct evidence watch(struct world *w, struct rollout *r, const struct fleet *f,
                             int64_t until_s)
{
    struct evidence e = {.state = EVIDENCE_INSUFFICIENT};
    play(w, f, 0, EXPOSED_S);
    for (int64_t s = EXPOSED_S; s < until_s && e.state != EVIDENCE_FAIL; s++) {
        play(w, f, s, s + 1);
        e = look(w, r, f, s + 1);
    }
    return e;
}

static void a_warm_up_that_nobody_declared_looks_like_harm_without_one(void **state)
{
    struct fleet f = warming_fleet();
    struct evidence e = watch(*state, open_with(*state, "", &f), &f, 120);
    assert_int_equal(e.state, EVIDENCE_FAIL);
    assert_null(e.against);
}

static void a_warm_up_of_both_cancels(void **state)
{
    struct fleet f = warming_fleet();
    struct evidence e = watch(*state, open_with(*state, named, &f), &f, 600);
    assert_int_equal(e.state, EVIDENCE_PASS);
    assert_string_equal(e.against, "v1-fresh");
    assert_non_null(strstr(e.sentence, "on the baseline"));
    assert_non_null(strstr(e.query, "v1-fresh"));
    assert_true(e.stable.total > 5000 && e.stable.total < 5500);
}

static void harm_beyond_the_baseline_is_found(void **state)
{
    struct fleet f = warming_fleet();
    f.canary_bad_pct = 10;
    struct evidence e = watch(*state, open_with(*state, named, &f), &f, 360);
    assert_int_equal(e.state, EVIDENCE_FAIL);
    assert_true(e.observed_ms > 60000 && e.since_ms > f.begin_ms + (EXPOSED_S + 50) * 1000);
}

static void a_baseline_is_awaited_then_stable_takes_its_place(void **state)
{
    struct world *w = *state;
    struct fleet f = warming_fleet();
    f.baseline_until_s = 0;
    f.warm_bad_pct = 0.5;
    struct rollout *r = open_with(w, named, &f);
    struct evidence e = watch(w, r, &f, 80);
    assert_int_equal(e.state, EVIDENCE_INSUFFICIENT);
    assert_string_equal(e.code, "baseline_awaited");
    play(w, &f, 80, 240);
    e = look(w, r, &f, 240);
    assert_int_equal(e.state, EVIDENCE_PASS);
    assert_string_equal(e.against, "v1");
    assert_non_null(strstr(e.sentence, "not with the baseline v1-fresh: it had none within 60 s"));
    assert_true(e.stable.total > 12000 && e.canary.total > 1700); /* all that was held back */
}

static void a_small_baseline_gives_way(void **state)
{
    struct world *w = *state;
    struct fleet f = warming_fleet();
    f.warm_bad_pct = 0.5;
    f.baseline_per_s = 1;
    struct rollout *r = open_with(w, named, &f);
    struct evidence e = watch(w, r, &f, 240);
    assert_string_equal(e.against, "v1");
    assert_non_null(strstr(e.sentence, "under a quarter of the canary's"));
    assert_int_equal(e.state, EVIDENCE_PASS);
}

static void a_baseline_that_ends_gives_way(void **state)
{
    struct world *w = *state;
    struct fleet f = warming_fleet();
    f.baseline_until_s = 150;
    struct rollout *r = open_with(w, named, &f);
    struct evidence e = watch(w, r, &f, 330);
    assert_string_equal(e.against, "v1");
    assert_non_null(strstr(e.sentence, "it had no events for 60 s"));
    assert_int_equal(e.state, EVIDENCE_PASS);
}

static void a_restart_chooses_the_same(void **state)
{
    struct world *w = *state;
    struct fleet f = warming_fleet();
    f.baseline_until_s = 150;
    struct rollout *r = open_with(w, named, &f);
    struct evidence e = watch(w, r, &f, 300);
    const json_t *before = evidence_to_json(&w->arena, &e);
    test_close(w);
    test_open(w);
    r = w->d.rollouts;
    r->exposed_since_ms = f.begin_ms + EXPOSED_S * 1000;
    test_observe(r, 10);
    e = look(w, r, &f, 300);
    assert_true(json_equal(before, evidence_to_json(&w->arena, &e)));
}

/* Its requests are none of the canary's: the split is what was told. */
static void the_baseline_counts_in_the_split(void **state)
{
    struct world *w = *state;
    struct fleet f = warming_fleet();
    struct rollout *r = open_with(w, named, &f);
    r->state.step_since_ms = r->exposed_since_ms;
    (void)watch(w, r, &f, 120);
    struct snapshot seen = collect(&w->d, r, &w->arena, f.begin_ms + 120000);
    assert_int_equal(seen.n_checks, 2);
    assert_int_equal(seen.checks[1].state, EVIDENCE_PASS);
    assert_true(fabs(seen.exposure.measured_pct - 10) < 0.5);
}

/* Telemetry knows v1 and its baseline: there is one version. */
static void a_baseline_is_no_version(void **state)
{
    struct world *w = *state;
    struct fleet f = warming_fleet();
    struct err err = ERR_INIT;
    (void)open_with(w, named, &f);
    play(w, &f, 0, 70);
    const json_t *nothing = json_own(&w->arena, json_object());
    const char *stable = find_stable(&w->d, &w->arena, nothing, w->d.config->rollouts, "v2", &err);
    assert_non_null(stable);
    assert_string_equal(stable, "v1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_warm_up_that_nobody_declared_looks_like_harm_without_one),
        TEST(a_warm_up_of_both_cancels),
        TEST(harm_beyond_the_baseline_is_found),
        TEST(a_baseline_is_awaited_then_stable_takes_its_place),
        TEST(a_small_baseline_gives_way),
        TEST(a_baseline_that_ends_gives_way),
        TEST(a_restart_chooses_the_same),
        TEST(the_baseline_counts_in_the_split),
        TEST(a_baseline_is_no_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
