/* Checks of a rollout that are no ratio: gauges, thresholds, rates, and all of them together. */
#include "daemon/testing.h"

/* The shop's rollout with other checks. */
static void open_with(struct world *w, const char *evidence)
{
    const char *old = "  evidence: [{ slo: shop-availability, against: stable, tolerate: 2% }]\n";
    const char *at = strstr(test_shop, old);
    assert_non_null(at);
    test_close(w);
    test_write(w, "shop.yaml",
               arena_printf(&w->arena, "%.*s  evidence: [%s]\n%s", (int)(at - test_shop), test_shop,
                            evidence, at + strlen(old)));
    test_open(w);
}

static struct rollout *expose_at(struct world *w, int64_t at_ms)
{
    struct rollout *r = test_start(w, "v2");
    r->exposed_since_ms = at_ms;
    r->state.desired_pct = r->state.allowed_pct = 10;
    r->state.state = ROLLOUT_PROGRESSING;
    r->state.step = 0;
    test_observe(r, 10);
    return r;
}

static void set_gauge(struct world *w, const char *version, const char *instance, int64_t t_ms,
                      double v)
{
    struct err err = ERR_INIT;
    struct store_batch *b = store_batch_begin(w->d.store, t_ms);
    struct label l[] = {{STR(LABEL_NAME), STR("cpu")},
                        {STR("instance"), str_from(instance)},
                        {STR("version"), str_from(version)}};
    uint64_t ref = store_series(b, (struct labels){3, l}, NULL);
    assert_int_equal(store_batch_add(b, ref, t_ms, v, STORE_ORIGIN_UNKNOWN), STORE_OK);
    assert_true(store_batch_commit(b, &err));
}

static double wobble(uint64_t *seed)
{
    double sum = 0;
    for (int i = 0; i < 4; i++) {
        *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        sum += (double)(*seed >> 40) / (1 << 24);
    }
    return 1 + 0.1 * (sum - 2);
}

/* Four instances of stable for an hour, then one of the canary too. */
static struct evidence gauges(struct world *w, double factor, int minutes)
{
    static const char *const stable[] = {"a", "b", "c", "d"};
    int64_t begin_ms = clock_wall_ms() / 5000 * 5000 - INT64_C(10800000);
    int64_t start_ms = begin_ms + INT64_C(3600000);
    uint64_t seed = 7;
    open_with(w, "{ gauge: 'cpu{version=\"{{version}}\"}', against: stable, name: cpu }");
    for (int64_t t = begin_ms; t <= start_ms + minutes * INT64_C(60000); t += 5000) {
        double load = 1 + 0.3 * sin((double)(t - begin_ms) / 600000);
        for (size_t i = 0; i < 4; i++)
            set_gauge(w, "v1", stable[i], t, load * wobble(&seed));
        if (t >= start_ms)
            set_gauge(w, "v2", "e", t, load * factor * wobble(&seed));
    }
    struct rollout *r = expose_at(w, start_ms);
    struct snapshot seen = collect(&w->d, r, &w->arena, start_ms + minutes * INT64_C(60000));
    assert_string_equal(seen.checks[0].check, "cpu");
    assert_true(seen.harm_log_limit > 0 && seen.harm_log_e == seen.checks[0].harm_log_e);
    return seen.checks[0];
}

static void a_gauge_that_grew_is_harm(void **state)
{
    struct evidence e = gauges(*state, 1.6, 15);
    assert_int_equal(e.kind, EVIDENCE_GAUGE);
    assert_int_equal(e.state, EVIDENCE_FAIL);
    assert_true(fabs(e.effect - 0.6) < 0.05 && e.low >= 0.05 && e.learned_ms >= 3500000);
}

static void a_gauge_like_stable_is_healthy(void **state)
{
    struct evidence e = gauges(*state, 1, 15);
    assert_int_equal(e.state, EVIDENCE_PASS);
    assert_true(fabs(e.effect) < 0.05 && !e.uncontrolled);
}

static struct evidence at(struct world *w, struct rollout *r, int64_t t_ms)
{
    return collect(&w->d, r, &w->arena, t_ms).checks[0];
}

static void a_threshold_fails_after_so_many_times_in_a_row(void **state)
{
    struct world *w = *state;
    int64_t t_ms = clock_wall_ms() - 100000;
    open_with(w, "{ query: 'cpu{version=\"{{version}}\"}', against: stable, factor: 1.2, "
                 "failures: 3 }");
    struct rollout *r = expose_at(w, t_ms);
    set_gauge(w, "v1", "a", t_ms, 10);
    set_gauge(w, "v2", "b", t_ms, 11);
    struct evidence e = at(w, r, t_ms + 100);
    assert_int_equal(e.state, EVIDENCE_PASS);
    assert_true(e.uncontrolled && e.tolerate == 12);
    assert_non_null(strstr(e.sentence, "1.2 times stable's 10"));
    set_gauge(w, "v2", "b", t_ms + 1000, 13);
    assert_string_equal(at(w, r, t_ms + 1100).code, "failing");
    assert_string_equal(at(w, r, t_ms + 1200).code, "failing"); /* the same bucket */
    assert_string_equal(at(w, r, t_ms + 2200).code, "failing");
    assert_int_equal(at(w, r, t_ms + 3300).state, EVIDENCE_FAIL);
    set_gauge(w, "v1", "a", t_ms + 4000, 10); /* heard lately enough to be a limit */
    set_gauge(w, "v2", "b", t_ms + 4000, 9);
    assert_int_equal(at(w, r, t_ms + 4100).state, EVIDENCE_PASS);
    set_gauge(w, "v2", "b", t_ms + 5000, 13);
    assert_string_equal(at(w, r, t_ms + 5100).code, "failing");
    assert_true(isnan(collect(&w->d, r, &w->arena, t_ms + 5200).checks[0].harm_log_e));
}

static void failures_in_a_row_survive_a_restart(void **state)
{
    struct world *w = *state;
    int64_t t_ms = clock_wall_ms() - 100000;
    open_with(w, "{ query: 'cpu{version=\"{{version}}\"}', against: stable, factor: 1.2, "
                 "failures: 3 }");
    struct rollout *r = expose_at(w, t_ms);
    set_gauge(w, "v1", "a", t_ms, 10);
    set_gauge(w, "v2", "b", t_ms, 13);
    assert_string_equal(at(w, r, t_ms + 100).code, "failing");
    assert_string_equal(at(w, r, t_ms + 1200).code, "failing");
    keep_now(&w->d);
    test_close(w);
    test_open(w);
    r = w->d.rollouts;
    r->exposed_since_ms = t_ms;
    assert_int_equal(at(w, r, t_ms + 2300).state, EVIDENCE_FAIL);
}

static void nothing_of_stable_is_no_limit(void **state)
{
    struct world *w = *state;
    int64_t t_ms = clock_wall_ms() - 100000;
    open_with(w, "{ query: 'cpu{version=\"{{version}}\"}', against: stable, factor: 1.2 }");
    struct rollout *r = expose_at(w, t_ms);
    set_gauge(w, "v2", "b", t_ms, 11);
    assert_int_equal(at(w, r, t_ms + 100).state, EVIDENCE_BLIND);
}

/* Three restarts a request: more events than exposure. */
static void a_rate_may_be_over_one(void **state)
{
    struct world *w = *state;
    int64_t t_ms = clock_wall_ms() - 600000;
    open_with(w, "{ slo: shop-availability, against: stable, rate: true, tolerate: 100% }");
    for (int64_t s = 0; s < 120; s++) {
        test_count(w, "v1", t_ms + s * 1000, 3 * 90 * (double)s, 90 * (double)s);
        if (s >= 60)
            test_count(w, "v2", t_ms + s * 1000, 9 * 10 * (double)(s - 60), 10 * (double)(s - 60));
        flush_sums(&w->d, t_ms + s * 1000 + 1);
    }
    struct evidence e = at(w, expose_at(w, t_ms + 60000), t_ms + 120000);
    assert_int_equal(e.kind, EVIDENCE_RATE);
    assert_int_equal(e.state, EVIDENCE_FAIL);
    assert_true(fabs(e.effect - 6) < 0.5);
}

/* The same counters under three names: each is short of its own third, together they are over. */
static void small_signs_add_up(void **state)
{
    struct world *w = *state;
    bool together = false;
    int64_t t_ms = clock_wall_ms() - 600000;
    open_with(w, "{ slo: shop-availability, against: stable, name: a }, "
                 "{ slo: shop-availability, against: stable, name: b }, "
                 "{ slo: shop-availability, against: stable, name: c }");
    struct rollout *r = NULL;
    for (int64_t s = 0; s < 300; s++) {
        test_count(w, "v1", t_ms + s * 1000, floor(90 * (double)s * 0.05), 90 * (double)s);
        if (s >= 60)
            test_count(w, "v2", t_ms + s * 1000, floor(10 * (double)(s - 60) * 0.15),
                       10 * (double)(s - 60));
        flush_sums(&w->d, t_ms + s * 1000 + 1);
        if (s < 60)
            continue;
        if (!r)
            r = expose_at(w, t_ms + 60000);
        struct snapshot seen = collect(&w->d, r, &w->arena, t_ms + s * 1000);
        bool any = false;
        for (size_t i = 0; i < 3; i++)
            any |= seen.checks[i].state == EVIDENCE_FAIL;
        assert_int_equal(any, seen.harm_log_e >= seen.harm_log_limit);
        for (size_t i = 0; i < 3 && any; i++)
            together |= strcmp(seen.checks[i].code, "harm_shown_together") == 0;
        if (any)
            break;
    }
    assert_true(together);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_gauge_that_grew_is_harm),
        TEST(a_gauge_like_stable_is_healthy),
        TEST(a_threshold_fails_after_so_many_times_in_a_row),
        TEST(failures_in_a_row_survive_a_restart),
        TEST(nothing_of_stable_is_no_limit),
        TEST(a_rate_may_be_over_one),
        TEST(small_signs_add_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
