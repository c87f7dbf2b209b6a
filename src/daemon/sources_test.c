/* How old what evidence rests on is: of an arm that several instances feed, and of a query. */
#include "daemon/testing.h"

/* Counters of one instance, and that ingest heard of it. */
static void count_instance(struct world *w, const char *version, const char *instance, int64_t t_ms,
                           double all)
{
    static const char *const names[] = {"bad_total", "all_total"};
    struct err err = ERR_INIT;
    struct store_batch *b = store_batch_begin(w->d.store, t_ms);
    for (size_t i = 0; i < 2; i++) {
        struct label l[] = {{STR(LABEL_NAME), str_from(names[i])},
                            {STR("instance"), str_from(instance)},
                            {STR("job"), STR("shop")},
                            {STR("version"), str_from(version)}};
        uint64_t ref = store_series(b, (struct labels){4, l}, NULL);
        assert_int_equal(store_batch_add(b, ref, t_ms, i == 0 ? 0 : all, STORE_ORIGIN_ZERO),
                         STORE_OK);
    }
    assert_true(store_batch_commit(b, &err));
    freshness_note(w->d.freshness, FRESHNESS_SCRAPE, STR("shop"), str_from(instance), t_ms, t_ms,
                   1000);
}

/* Two instances an arm for two minutes, a scrape a second; the canary's second until then. */
static struct evidence look_after(struct world *w, int64_t second_until_s, int64_t at_s,
                                  const char *takes_over)
{
    int64_t begin_ms = clock_wall_ms() - 600000;
    struct rollout *r = test_start(w, "v2");
    w->d.freshness = freshness_new();
    r->exposed_since_ms = begin_ms + 1000;
    r->state.desired_pct = r->state.allowed_pct = 10;
    r->state.state = ROLLOUT_PROGRESSING;
    r->state.step = 0;
    test_observe(r, 10);
    for (int64_t s = 0; s < at_s; s++) {
        int64_t t_ms = begin_ms + s * 1000;
        count_instance(w, "v1", "s1", t_ms, 50 * (double)s);
        count_instance(w, "v1", "s2", t_ms, 50 * (double)s);
        count_instance(w, "v2", "c1", t_ms, 10 * (double)s);
        if (s < second_until_s)
            count_instance(w, "v2", "c2", t_ms, 10 * (double)s);
        else if (takes_over)
            count_instance(w, takes_over, "c2", t_ms, 10 * (double)s);
        flush_sums(&w->d, t_ms + 1);
    }
    struct snapshot seen = collect(&w->d, r, &w->arena, begin_ms + at_s * 1000);
    freshness_free(w->d.freshness);
    w->d.freshness = NULL;
    return seen.checks[0];
}

static void all_who_are_heard_may_pass(void **state)
{
    struct evidence e = look_after(*state, 1000, 120, NULL);
    assert_int_equal(e.state, EVIDENCE_PASS);
    assert_int_equal(e.fresh_ms, 1000);
}

static void a_canary_of_which_one_is_silent_does_not_pass(void **state)
{
    struct evidence e = look_after(*state, 110, 120, NULL);
    assert_int_equal(e.state, EVIDENCE_INSUFFICIENT);
    assert_string_equal(e.code, "partial");
    assert_string_equal(e.sentence, "1 of 2 sources of v2 are heard; c2 was not for 11 s");
    assert_int_equal(e.fresh_ms, 11000);
}

static void who_was_silent_for_long_has_gone(void **state)
{
    struct evidence e = look_after(*state, 60, 120, NULL);
    assert_int_equal(e.state, EVIDENCE_PASS);
    assert_int_equal(e.fresh_ms, 1000);
}

static void who_feeds_another_version_is_heard(void **state)
{
    struct evidence e = look_after(*state, 110, 120, "v3");
    assert_int_equal(e.state, EVIDENCE_PASS);
}

static const struct evidence *ask_at(struct world *w, const char *query, int64_t now_ms)
{
    struct check_spec spec = {
        .name = "q", .query = query, .below = 10, .above = (double)NAN, .critical = true};
    struct evidence e = answer_query(&w->d, &w->arena, &spec, query, 5000, now_ms);
    return arena_memdup(&w->arena, &e, sizeof e);
}

static void a_query_looks_back_as_far_as_the_policy_says(void **state)
{
    struct world *w = *state;
    int64_t t_ms = clock_wall_ms() - 60000;
    test_count(w, "v1", t_ms - 1000, 0, 1);
    test_count(w, "v1", t_ms, 0, 2);
    const struct evidence *e = ask_at(w, "all_total", t_ms + 4000);
    assert_int_equal(e->state, EVIDENCE_PASS);
    assert_int_equal(e->fresh_ms, 4000);
    e = ask_at(w, "all_total", t_ms + 6000);
    assert_int_equal(e->state, EVIDENCE_BLIND);
    assert_string_equal(e->code, "no_data");
    assert_string_equal(e->sentence, "the query has no value: no series has a sample of the last 5 "
                                     "s, or it is NaN");
    e = ask_at(w, "increase(all_total[1m])", t_ms + 4000);
    assert_int_equal(e->state, EVIDENCE_PASS);
    e = ask_at(w, "increase(all_total[1m])", t_ms + 6000);
    assert_int_equal(e->state, EVIDENCE_BLIND);
    assert_string_equal(e->code, "stale");
    assert_string_equal(e->sentence, "what the query reads is 6 s old; the limit is 5 s");
    e = ask_at(w, "all_total offset 10s", t_ms + 12000); /* fresh where it looks */
    assert_int_equal(e->state, EVIDENCE_PASS);
    assert_int_equal(e->fresh_ms, 2000);
    e = ask_at(w, "vector(1)", t_ms);
    assert_int_equal(e->state, EVIDENCE_PASS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(all_who_are_heard_may_pass), TEST(a_canary_of_which_one_is_silent_does_not_pass),
        TEST(who_was_silent_for_long_has_gone), TEST(who_feeds_another_version_is_heard),
        TEST(a_query_looks_back_as_far_as_the_policy_says)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
