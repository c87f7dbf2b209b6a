#include "daemon/testing.h"

/* Telemetry of both arms, a scrape a second, from `from_s` on; the canary's begins with its
 * exposure. A hundred requests a second, a tenth of them on the canary. */
struct traffic {
    int64_t begin_ms;
    double stable_bad_pct, canary_bad_pct;
    int64_t canary_from_s, canary_until_s; /* when it is heard of */
};

static void play(struct world *w, const struct traffic *t, int64_t from_s, int64_t to_s)
{
    for (int64_t s = from_s; s < to_s; s++) {
        int64_t at_ms = t->begin_ms + s * 1000;
        double stable = 90 * (double)s, canary = 10 * (double)(s - t->canary_from_s);
        test_count(w, "v1", at_ms, floor(stable * t->stable_bad_pct / 100), stable);
        if (s >= t->canary_from_s && s < t->canary_until_s)
            test_count(w, "v2", at_ms, floor(canary * t->canary_bad_pct / 100), canary);
        flush_sums(&w->d, at_ms + 1);
    }
}

/* A rollout of v2 whose canary has had traffic since that second. */
static struct rollout *expose(struct world *w, const struct traffic *t)
{
    struct rollout *r = test_start(w, "v2");
    r->exposed_since_ms = t->begin_ms + t->canary_from_s * 1000;
    r->state.desired_pct = r->state.allowed_pct = 10;
    r->state.state = ROLLOUT_PROGRESSING;
    r->state.step = 0;
    test_observe(r, 10);
    return r;
}

static struct evidence look(struct world *w, struct rollout *r, const struct traffic *t,
                            int64_t at_s)
{
    struct snapshot seen = collect(&w->d, r, &w->arena, t->begin_ms + at_s * 1000);
    assert_true(seen.n_checks >= 1);
    assert_string_equal(seen.checks[0].check, "shop-availability");
    return seen.checks[0];
}

static struct traffic traffic_of(double stable_bad_pct, double canary_bad_pct)
{
    return (struct traffic){.begin_ms = clock_wall_ms() - 600000,
                            .stable_bad_pct = stable_bad_pct,
                            .canary_bad_pct = canary_bad_pct,
                            .canary_from_s = 60,
                            .canary_until_s = 1000};
}

static void harm_is_found_and_stays_shown(void **state)
{
    struct world *w = *state;
    struct traffic t = traffic_of(0.5, 20);
    struct rollout *r = expose(w, &t);
    play(w, &t, 0, 90);
    struct evidence e = look(w, r, &t, 90);
    assert_int_equal(e.state, EVIDENCE_FAIL);
    assert_string_equal(e.code, "harm_shown");
    assert_true(e.low > 0 && e.canary.total > 200 && e.stable.total > 2000);
    e = look(w, r, &t, 200); /* telemetry is gone, what it showed is not */
    assert_int_equal(e.state, EVIDENCE_FAIL);
    assert_true(e.fresh_ms > 100000);
}

static void health_is_proven(void **state)
{
    struct world *w = *state;
    struct traffic t = traffic_of(0, 0);
    struct rollout *r = expose(w, &t);
    play(w, &t, 0, 70);
    assert_int_equal(look(w, r, &t, 70).state, EVIDENCE_INSUFFICIENT);
    play(w, &t, 70, 120);
    struct evidence e = look(w, r, &t, 120);
    assert_int_equal(e.state, EVIDENCE_PASS);
    assert_true(e.high <= e.tolerate && e.effect == 0);
}

/* Fifty good canary requests are told a second before their total. */
static void a_bucket_that_cannot_be_waits_for_the_next(void **state)
{
    struct world *w = *state;
    struct traffic t = traffic_of(0, 0);
    struct rollout *r = expose(w, &t);
    play(w, &t, 0, 120);
    assert_int_equal(look(w, r, &t, 120).state, EVIDENCE_PASS);
    test_count(w, "v2", t.begin_ms + 120100, 50, 600); /* 50 bad of no request */
    flush_sums(&w->d, t.begin_ms + 120200);
    struct evidence e = look(w, r, &t, 122);
    assert_int_equal(e.state, EVIDENCE_PASS);
    test_count(w, "v2", t.begin_ms + 122100, 50, 700);
    test_count(w, "v1", t.begin_ms + 122100, 0, 11000);
    flush_sums(&w->d, t.begin_ms + 122200);
    e = look(w, r, &t, 123);
    assert_true(e.unknown_ms == 0 && e.canary.bad == 50);
}

static void a_time_that_cannot_be_is_unknown_and_the_rest_counts(void **state)
{
    struct world *w = *state;
    struct traffic t = traffic_of(0, 0);
    struct rollout *r = expose(w, &t);
    play(w, &t, 0, 120);
    test_count(w, "v2", t.begin_ms + 120100, 50, 600);
    for (int64_t s = 121; s < 124; s++)
        flush_sums(&w->d, t.begin_ms + s * 1000);
    struct evidence e = look(w, r, &t, 124);
    assert_int_equal(e.state, EVIDENCE_BLIND);
    assert_string_equal(e.code, "impossible");
    assert_int_equal(e.unknown_ms, 3000);
    for (int64_t s = 124; s < 140; s++) { /* as before, the 50 stay counted */
        test_count(w, "v2", t.begin_ms + s * 1000, 50, 600 + 10 * (double)(s - 123));
        test_count(w, "v1", t.begin_ms + s * 1000, 0, 90 * (double)s);
        flush_sums(&w->d, t.begin_ms + s * 1000 + 1);
    }
    e = look(w, r, &t, 140);
    assert_int_equal(e.state, EVIDENCE_PASS);
    assert_int_equal(e.unknown_ms, 3000);
    assert_non_null(strstr(e.sentence, "3 s of it are not known"));
    assert_true(e.canary.bad == 0 && e.canary.total > 700);
}

static void a_silent_arm_is_blind(void **state)
{
    struct world *w = *state;
    struct traffic t = traffic_of(0, 0);
    t.canary_until_s = 100;
    struct rollout *r = expose(w, &t);
    play(w, &t, 0, 120);
    struct evidence e = look(w, r, &t, 120);
    assert_int_equal(e.state, EVIDENCE_BLIND);
    assert_string_equal(e.code, "stale");
    assert_non_null(strstr(e.sentence, "v2"));
}

static void an_arm_never_heard_of_is_blind(void **state)
{
    struct world *w = *state;
    struct traffic t = traffic_of(0, 0);
    t.canary_until_s = 0;
    struct rollout *r = expose(w, &t);
    play(w, &t, 0, 120);
    assert_int_equal(look(w, r, &t, 120).state, EVIDENCE_BLIND);
}

/* The clock was put back: what was heard is from the future and says nothing about now. */
static void telemetry_from_the_future_is_blind(void **state)
{
    struct world *w = *state;
    struct traffic t = traffic_of(0, 0);
    struct rollout *r = expose(w, &t);
    play(w, &t, 0, 120);
    assert_int_equal(look(w, r, &t, 120).state, EVIDENCE_PASS);
    assert_int_equal(look(w, r, &t, 116).state, EVIDENCE_PASS);
    struct evidence e = look(w, r, &t, 90);
    assert_int_equal(e.state, EVIDENCE_BLIND);
    assert_string_equal(e.code, "from_the_future");
}

/* One instance on each side, scraped each 15 s at different moments: no bucket of a second ever has
 * events of both. */
static void scrapes_at_different_moments_are_compared(void **state)
{
    struct world *w = *state;
    struct traffic t = traffic_of(0, 20);
    struct rollout *r = expose(w, &t);
    r->state.step_since_ms = 0;
    for (int64_t s = 0; s < 240; s++) {
        int64_t at_ms = t.begin_ms + s * 1000;
        if (s % 15 == 0)
            test_count(w, "v1", at_ms, 0, 90 * (double)s);
        if (s >= 60 && s % 15 == 7)
            test_count(w, "v2", at_ms, 2 * (double)(s - 60), 10 * (double)(s - 60));
        flush_sums(&w->d, at_ms + 1);
    }
    struct evidence e = look(w, r, &t, 240);
    assert_true(e.canary.total > 1400 && e.stable.total > 13000);
    assert_string_equal(e.code, "harm_shown");
}

static void a_restart_comes_to_the_same_verdict(void **state)
{
    struct world *w = *state;
    struct traffic t = traffic_of(1, 3);
    struct rollout *r = expose(w, &t);
    play(w, &t, 0, 130);
    struct evidence before = look(w, r, &t, 130);
    json_t *first = evidence_to_json(&w->arena, &before);
    test_close(w);
    test_open(w);
    r = w->d.rollouts;
    r->exposed_since_ms = t.begin_ms + t.canary_from_s * 1000;
    test_observe(r, 10);
    struct evidence after = look(w, r, &t, 130);
    assert_true(json_equal(first, evidence_to_json(&w->arena, &after)));
    assert_true(before.canary.total > 500);
}

static const char test_latency[] =
    "apiVersion: openslo/v1\n"
    "kind: SLO\n"
    "metadata: { name: shop-availability }\n"
    "spec:\n"
    "  service: shop\n"
    "  budgetingMethod: Occurrences\n"
    "  indicator:\n"
    "    metadata: { name: fast }\n"
    "    spec:\n"
    "      ratioMetric:\n"
    "        counter: true\n"
    "        good: { metricSource: { type: Prometheus, spec: { query: 'took_bucket{le=\"0.5\"}' "
    "} } }\n"
    "        total: { metricSource: { type: Prometheus, spec: { query: 'took_count' } } }\n"
    "  timeWindow: [{ duration: 28d, isRolling: true }]\n"
    "  objectives: [{ target: 0.99 }]\n";

/* Requests of one version so far, all of them under 0.4 s; edges end with NULL. */
static void time_requests(struct world *w, const char *version, const char *const *edges,
                          int64_t t_ms, double n)
{
    struct err err = ERR_INIT;
    struct store_batch *b = store_batch_begin(w->d.store, t_ms);
    for (size_t i = 0;; i++) {
        struct label l[] = {{STR(LABEL_NAME), edges[i] ? STR("took_bucket") : STR("took_count")},
                            {STR("le"), str_from(edges[i] ? edges[i] : "")},
                            {STR("version"), str_from(version)}};
        struct labels labels = {3, l};
        if (!edges[i]) {
            l[1] = l[2];
            labels.n = 2;
        }
        double under = edges[i] && strtod(edges[i], NULL) < 0.4 ? 0 : n;
        uint64_t ref = store_series(b, labels, NULL);
        assert_int_equal(store_batch_add(b, ref, t_ms, under, STORE_ORIGIN_ZERO), STORE_OK);
        if (!edges[i])
            break;
    }
    assert_true(store_batch_commit(b, &err));
}

static struct evidence time_both(struct world *w, const char *const *stable,
                                 const char *const *canary)
{
    test_close(w);
    const char *policies = strstr(test_shop, "---");
    test_write(w, "shop.yaml", arena_printf(&w->arena, "%s%s", test_latency, policies));
    test_open(w);
    struct traffic t = traffic_of(0, 0);
    struct rollout *r = expose(w, &t);
    for (int64_t s = 0; s < 120; s++) {
        time_requests(w, "v1", stable, t.begin_ms + s * 1000, 90 * (double)s);
        if (s >= 60)
            time_requests(w, "v2", canary, t.begin_ms + s * 1000, 10 * (double)(s - 60));
        flush_sums(&w->d, t.begin_ms + s * 1000 + 1);
    }
    return look(w, r, &t, 120);
}

static void histograms_are_compared(void **state)
{
    static const char *const edges[] = {"0.1", "0.4", "0.5", "1", "+Inf", NULL};
    assert_int_equal(time_both(*state, edges, edges).state, EVIDENCE_PASS);
}

/* What lies between two edges of one cannot be told from the edges of the other. */
static void histograms_with_other_buckets_are_not_compared(void **state)
{
    static const char *const edges[] = {"0.1", "0.4", "0.5", "1", "+Inf", NULL};
    static const char *const other[] = {"0.1", "0.5", "1", "+Inf", NULL};
    struct evidence e = time_both(*state, edges, other);
    assert_int_equal(e.state, EVIDENCE_BLIND);
    assert_string_equal(e.code, "other_buckets");
}

static void counters_without_a_histogram_are_blind(void **state)
{
    static const char *const none[] = {NULL};
    struct evidence e = time_both(*state, none, none);
    assert_int_equal(e.state, EVIDENCE_BLIND);
    assert_string_equal(e.code, "no_histogram");
}

static void curves_follow_the_arms(void **state)
{
    struct world *w = *state;
    struct traffic t = traffic_of(0, 20);
    struct rollout *r = expose(w, &t);
    play(w, &t, 0, 90);
    (void)look(w, r, &t, 90);
    json_t *curves = comparison_curves(r->comparison, &w->arena, "shop-availability");
    json_t *canary = json_object_get(curves, "canary");
    size_t n = json_array_size(canary);
    assert_true(n > 20 && json_array_size(json_object_get(curves, "t")) == n);
    assert_true(fabs(json_number_value(json_array_get(canary, n - 1)) - 0.2) < 0.05);
    json_t *log_e = json_object_get(curves, "logE");
    assert_true(json_array_size(log_e) == n);
    assert_true(json_number_value(json_array_get(log_e, n - 1)) >=
                json_get_double(curves, "logLimit", 1e9));
    assert_null(comparison_curves(r->comparison, &w->arena, "nothing"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(harm_is_found_and_stays_shown),
        TEST(health_is_proven),
        TEST(a_bucket_that_cannot_be_waits_for_the_next),
        TEST(a_time_that_cannot_be_is_unknown_and_the_rest_counts),
        TEST(a_silent_arm_is_blind),
        TEST(an_arm_never_heard_of_is_blind),
        TEST(telemetry_from_the_future_is_blind),
        TEST(scrapes_at_different_moments_are_compared),
        TEST(a_restart_comes_to_the_same_verdict),
        TEST(histograms_are_compared),
        TEST(histograms_with_other_buckets_are_not_compared),
        TEST(counters_without_a_histogram_are_blind),
        TEST(curves_follow_the_arms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
