#include "daemon/testing.h"

/* A hundred requests a second of both arms, scraped each second, seen as the loop sees them. */
struct road {
    struct world *w;
    struct rollout *r;
    int64_t begin_ms, now_s;
    double stable, canary; /* requests so far */
    uint64_t seed;
    bool canary_is_silent;
};

static double draw(struct road *road)
{
    road->seed ^= road->seed >> 12;
    road->seed ^= road->seed << 25;
    road->seed ^= road->seed >> 27;
    return (double)((road->seed * UINT64_C(2685821657736338717)) >> 11) / 9007199254740992.0;
}

static struct road open_road(struct world *w, double told_pct)
{
    struct road road = {.w = w, .begin_ms = clock_wall_ms() - 3600000, .seed = 7};
    road.r = test_start(w, "v2");
    road.r->exposed_since_ms = road.r->state.step_since_ms = road.begin_ms;
    road.r->state.state = ROLLOUT_PROGRESSING;
    road.r->state.desired_pct = road.r->state.allowed_pct = told_pct;
    road.r->state.step = 0;
    test_observe(road.r, told_pct);
    return road;
}

static void tell_weight(struct road *road, double pct)
{
    road->r->state.desired_pct = road->r->state.allowed_pct = pct;
    road->r->state.step_since_ms = road->begin_ms + road->now_s * 1000;
    test_observe(road->r, pct);
}

/* So many seconds with that share of requests on the canary, in clusters; ends early on `fail`. */
static struct evidence drive(struct road *road, int64_t seconds, double share, double cluster)
{
    struct evidence e = {.state = EVIDENCE_INSUFFICIENT};
    for (int64_t i = 0; i < seconds && e.state != EVIDENCE_FAIL; i++) {
        int64_t at_ms = road->begin_ms + ++road->now_s * 1000;
        for (double n = 0; n < 100; n += cluster) {
            double *arm = draw(road) < share ? &road->canary : &road->stable;
            *arm += cluster;
        }
        test_count(road->w, "v1", at_ms, 0, road->stable);
        if (!road->canary_is_silent)
            test_count(road->w, "v2", at_ms, 0, road->canary);
        flush_sums(&road->w->d, at_ms + 1);
        note_split(&road->w->d, road->r, "shop-availability", &road->w->arena);
        double measured = (double)NAN;
        e = judge_split(road->r, &road->w->arena, at_ms, &measured);
        guard_traffic(road->r, &road->w->arena, at_ms, measured, &e);
    }
    return e;
}

static void lost_traffic_is_harm(void **state)
{
    struct road road = open_road(*state, 10);
    assert_int_equal(drive(&road, 180, 0.1, 1).state, EVIDENCE_PASS);
    struct evidence e = drive(&road, 60, 0, 1);
    assert_int_equal(e.state, EVIDENCE_FAIL);
    assert_string_equal(e.code, "too_little_traffic");
    assert_non_null(strstr(e.sentence, "0% of"));
    assert_non_null(strstr(e.sentence, "% before"));
    assert_true(road.now_s <= 210 && e.harm_log_e >= e.harm_log_limit);
    assert_true(e.harm_log_limit > -log(0.05 * JUDGE_GUARD_PART) - 1e-9);
}

static void half_of_it_is_harm_too(void **state)
{
    struct road road = open_road(*state, 10);
    (void)drive(&road, 180, 0.1, 1);
    struct evidence e = drive(&road, 900, 0.05, 1);
    assert_int_equal(e.state, EVIDENCE_FAIL);
    assert_true(e.since_ms > road.begin_ms);
}

/* Long connections: the new weight arrives within three minutes. */
static void a_weight_that_arrives_slowly_is_no_harm(void **state)
{
    struct road road = open_road(*state, 10);
    (void)drive(&road, 180, 0.1, 1);
    tell_weight(&road, 50);
    for (int64_t s = 0; s < 36; s++) {
        struct evidence e = drive(&road, 5, 0.1 + 0.4 * (double)s / 36, 1);
        assert_int_not_equal(e.state, EVIDENCE_FAIL);
    }
    assert_int_equal(drive(&road, 180, 0.5, 1).state, EVIDENCE_PASS);
    assert_true(road.r->comparison->guard.weight > 0.48);
    assert_int_equal(drive(&road, 60, 0.1, 1).state, EVIDENCE_FAIL); /* now it had them */
}

static void a_share_that_it_never_had_is_blind(void **state)
{
    struct road road = open_road(*state, 50);
    struct evidence e = drive(&road, 300, 0.05, 1);
    assert_int_equal(e.state, EVIDENCE_BLIND);
    assert_string_equal(e.code, "split_differs");
    assert_null(road.r->comparison->guard.stream);
}

static void a_weight_that_is_lowered_is_no_harm(void **state)
{
    struct road road = open_road(*state, 50);
    (void)drive(&road, 180, 0.5, 1);
    tell_weight(&road, 10);
    assert_int_equal(drive(&road, 300, 0.1, 1).state, EVIDENCE_PASS);
}

/* Whether it still gets requests is not known: freshness speaks. */
static void a_canary_that_is_not_heard_is_not_judged(void **state)
{
    struct road road = open_road(*state, 10);
    (void)drive(&road, 180, 0.1, 1);
    double before = road.r->comparison->guard.stream ? 1 : 0;
    road.canary_is_silent = true;
    struct evidence e = drive(&road, 120, 0, 1);
    assert_true(before > 0);
    assert_int_not_equal(e.state, EVIDENCE_FAIL);
}

/* Users whose requests all go one way: 20 at once, for an hour. */
static void clusters_are_no_harm(void **state)
{
    struct road road = open_road(*state, 10);
    assert_int_not_equal(drive(&road, 3600, 0.1, 20).state, EVIDENCE_FAIL);
    assert_true(road.r->comparison->guard.stream);
}

/* What it had and how it varies is known after a restart, and the loss is still found. */
static void it_survives_a_restart(void **state)
{
    struct world *w = *state;
    struct road road = open_road(w, 10);
    (void)drive(&road, 300, 0.1, 1);
    double before = judge_stream_log_e(road.r->comparison->guard.stream);
    keep_now(&w->d);
    test_close(w);
    test_open(w);
    road.r = w->d.rollouts;
    road.r->state.step_since_ms = road.begin_ms;
    test_observe(road.r, 10);
    const struct guard *g = &road.r->comparison->guard;
    assert_true(g->stream && judge_stream_log_e(g->stream) == before && g->weight > 0.08);
    assert_int_not_equal(drive(&road, 30, 0.1, 1).state, EVIDENCE_FAIL);
    assert_int_equal(drive(&road, 60, 0, 1).state, EVIDENCE_FAIL);
}

/* The whole way: seen, decided. */
static void lost_traffic_rolls_back(void **state)
{
    struct world *w = *state;
    struct road road = open_road(w, 10);
    struct snapshot seen = {0};
    bool failed = false;
    for (int64_t s = 0; s < 210 && !failed; s++) {
        int64_t at_ms = road.begin_ms + ++road.now_s * 1000;
        road.stable += s < 180 ? 90 : 100;
        road.canary += s < 180 ? 10 : 0;
        test_count(w, "v1", at_ms, 0, road.stable);
        test_count(w, "v2", at_ms, 0, road.canary);
        flush_sums(&w->d, at_ms + 1);
        seen = collect(&w->d, road.r, &w->arena, at_ms);
        failed = seen.checks[seen.n_checks - 1].state == EVIDENCE_FAIL;
    }
    assert_true(failed && seen.checks[0].state != EVIDENCE_FAIL);
    assert_true(seen.harm_log_e >= seen.harm_log_limit);
    struct decide_input in = {road.r->policy, &road.r->state, &seen, NULL, 0, seen.at_ms};
    struct decision answer = decide(&w->arena, &in);
    assert_string_equal(answer.verdict, "rollback");
    assert_string_equal(answer.reasons[0].code, "too_little_traffic");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lost_traffic_is_harm),
        TEST(half_of_it_is_harm_too),
        TEST(a_weight_that_arrives_slowly_is_no_harm),
        TEST(a_share_that_it_never_had_is_blind),
        TEST(a_weight_that_is_lowered_is_no_harm),
        TEST(a_canary_that_is_not_heard_is_not_judged),
        TEST(clusters_are_no_harm),
        TEST(it_survives_a_restart),
        TEST(lost_traffic_rolls_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
