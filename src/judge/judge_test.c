#include "judge/judge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* xorshift64*: the same numbers everywhere. */
static double uniform(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (double)((*state * UINT64_C(2685821657736338717)) >> 11) / 9007199254740992.0;
}

static double binomial(uint64_t *seed, double n, double p)
{
    double k = 0;
    for (double i = 0; i < n; i++)
        k += uniform(seed) < p ? 1 : 0;
    return k;
}

static struct judge_config demo_config(enum evidence_kind kind)
{
    struct judge_config c = judge_config_default(kind);
    c.alpha = 0.025;
    c.tolerate = 0.02;
    c.dispersion = 1;
    return c;
}

struct arms {
    double stable_rps, canary_rps, stable_bad, canary_bad;
};

/* Seconds until the stream leaves `insufficient`; limit when it does not. */
static int64_t decide_after(const struct arms *a, uint64_t seed, int64_t limit,
                            enum evidence_state *state)
{
    struct judge_config config = demo_config(EVIDENCE_RATIO);
    struct judge_stream *s = judge_stream_new(&config);
    struct arena arena = ARENA_INIT;
    int64_t t = 0;
    *state = EVIDENCE_INSUFFICIENT;
    for (; t < limit && *state == EVIDENCE_INSUFFICIENT; t++) {
        struct evidence e = {0};
        struct judge_bucket b = {
            .start_ms = 1000 + t * 1000,
            .length_ms = 1000,
            .stable_reported = true,
            .canary_reported = true,
            .stable = {a->stable_rps, binomial(&seed, a->stable_rps, a->stable_bad)},
            .canary = {a->canary_rps, binomial(&seed, a->canary_rps, a->canary_bad)}};
        assert_true(judge_stream_feed(s, &b, NULL));
        judge_stream_read(s, &arena, &e);
        *state = e.state;
    }
    judge_stream_free(s);
    arena_release(&arena);
    return t;
}

static void harm_is_found_within_seconds(void **state)
{
    const struct arms bad = {190, 10, 0.001, 0.04};
    double sum = 0;
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        enum evidence_state verdict;
        int64_t seconds = decide_after(&bad, seed, 120, &verdict);
        assert_int_equal(verdict, EVIDENCE_FAIL);
        sum += (double)seconds;
    }
    print_message("4%% errors at 10 rps of canary: %.1f s on average\n", sum / 40);
    assert_true(sum / 40 < 25);
}

static void health_is_shown_within_the_hour(void **state)
{
    const struct arms good = {190, 10, 0.001, 0.001};
    double sum = 0;
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        enum evidence_state verdict;
        int64_t seconds = decide_after(&good, seed, 3600, &verdict);
        assert_int_equal(verdict, EVIDENCE_PASS);
        sum += (double)seconds;
    }
    print_message("the same healthy: %.1f s on average\n", sum / 40);
}

/* 400 A/A runs of 10 minutes, looked at each second: at alpha = 2.5% at most 10 are expected, and
 * 20 is over three standard deviations more. */
static void false_alarms_stay_under_alpha(void **state)
{
    struct judge_config config = demo_config(EVIDENCE_RATIO);
    int alarms = 0;
    (void)state;
    config.tolerate = 0;
    for (uint64_t run = 1; run <= 400; run++) {
        uint64_t seed = run * 7919;
        struct judge_stream *s = judge_stream_new(&config);
        struct arena arena = ARENA_INIT;
        struct evidence e = {0};
        for (int64_t t = 0; t < 600; t++) {
            struct judge_bucket b = {.start_ms = 1000 + t * 1000,
                                     .length_ms = 1000,
                                     .stable_reported = true,
                                     .canary_reported = true,
                                     .stable = {40, binomial(&seed, 40, 0.02)},
                                     .canary = {10, binomial(&seed, 10, 0.02)}};
            assert_true(judge_stream_feed(s, &b, NULL));
        }
        judge_stream_read(s, &arena, &e);
        alarms += e.harm_log_e >= e.harm_log_limit ? 1 : 0;
        judge_stream_free(s);
        arena_release(&arena);
    }
    print_message("%d of 400 unchanged canaries look harmful\n", alarms);
    assert_true(alarms <= 20);
}

#define N_EDGES 9
static const double edges[N_EDGES] = {0.005, 0.01, 0.025,           0.05, 0.1, 0.25,
                                      0.5,   1,    (double)INFINITY};

/* Latencies around 12 ms; a share of them between 250 and 500 ms. */
static void draw_latencies(uint64_t *seed, double n, double slow, double hist[N_EDGES])
{
    for (size_t i = 0; i < N_EDGES; i++)
        hist[i] = 0;
    for (double i = 0; i < n; i++) {
        double u = uniform(seed);
        bool is_slow = uniform(seed) < slow;
        hist[is_slow ? 6 : u < 0.3 ? 1 : u < 0.9 ? 2 : u < 0.99 ? 3 : 4] += 1;
    }
}

static struct judge_stream *latency_stream(uint64_t *seed)
{
    struct judge_config config = demo_config(EVIDENCE_LATENCY);
    double hist[N_EDGES];
    config.n_edges = N_EDGES;
    memcpy(config.edges, edges, sizeof edges);
    config.slo_edge = 0.25;
    struct judge_stream *s = judge_stream_new(&config);
    draw_latencies(seed, 6000, 0, hist);
    struct judge_bucket before = {.stable = {6000, 0}, .stable_hist = hist};
    judge_stream_learn(s, &before);
    return s;
}

static bool feed_latency(struct judge_stream *s, uint64_t *seed, int64_t t, double canary_slow)
{
    double stable[N_EDGES], canary[N_EDGES];
    draw_latencies(seed, 190, 0, stable);
    draw_latencies(seed, 10, canary_slow, canary);
    struct judge_bucket b = {.start_ms = 1000 + t * 1000,
                             .length_ms = 1000,
                             .stable_reported = true,
                             .canary_reported = true,
                             .stable = {190, stable[6]},
                             .canary = {10, canary[6]},
                             .stable_hist = stable,
                             .canary_hist = canary};
    return judge_stream_feed(s, &b, NULL);
}

static void a_slow_tail_is_found_though_the_median_stays(void **state)
{
    double sum = 0;
    (void)state;
    for (uint64_t run = 1; run <= 40; run++) {
        uint64_t seed = run;
        struct judge_stream *s = latency_stream(&seed);
        struct arena arena = ARENA_INIT;
        struct evidence e = {.state = EVIDENCE_INSUFFICIENT};
        int64_t t = 0;
        for (; t < 120 && e.state != EVIDENCE_FAIL; t++) {
            assert_true(feed_latency(s, &seed, t, 0.05));
            judge_stream_read(s, &arena, &e);
        }
        assert_int_equal(e.state, EVIDENCE_FAIL);
        sum += (double)t;
        judge_stream_free(s);
        arena_release(&arena);
    }
    print_message("5%% of canary requests slow: %.1f s on average\n", sum / 40);
    assert_true(sum / 40 < 40);
}

/* Errors triple after ten quiet minutes: diluted in all that was counted, yet shown with the time
 * it began and an interval that does not contain "no difference". */
static void late_harm_is_shown_with_its_beginning(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct judge_config config = demo_config(EVIDENCE_RATIO);
        struct judge_stream *s = judge_stream_new(&config);
        struct arena arena = ARENA_INIT;
        struct evidence e = {0};
        uint64_t draws = seed;
        int64_t t = 0;
        for (; t < 1200 && e.state != EVIDENCE_FAIL; t++) {
            double p = t < 600 ? 0.02 : 0.06;
            struct judge_bucket b = {.start_ms = 1000 + t * 1000,
                                     .length_ms = 1000,
                                     .stable_reported = true,
                                     .canary_reported = true,
                                     .stable = {100, binomial(&draws, 100, 0.02)},
                                     .canary = {20, binomial(&draws, 20, p)}};
            assert_true(judge_stream_feed(s, &b, NULL));
            judge_stream_read(s, &arena, &e);
        }
        assert_int_equal(e.state, EVIDENCE_FAIL);
        assert_true(t > 600 && t < 800);
        assert_true(e.low > 0 && e.low <= e.effect && e.effect <= e.high);
        assert_true(e.effect > 0.02 && llabs(e.since_ms - 601000) < 60000);
        judge_stream_free(s);
        arena_release(&arena);
    }
}

static void a_copy_goes_on_exactly(void **state)
{
    uint64_t seed = 5;
    struct judge_stream *s = latency_stream(&seed);
    struct arena arena = ARENA_INIT;
    struct buf a = BUF_INIT, b = BUF_INIT;
    (void)state;
    for (int64_t t = 0; t < 20; t++)
        assert_true(feed_latency(s, &seed, t, 0.02));
    struct judge_stream *copy = judge_stream_from_json(judge_stream_to_json(&arena, s), NULL);
    assert_non_null(copy);
    uint64_t same_seed = seed;
    for (int64_t t = 20; t < 40; t++) {
        assert_true(feed_latency(s, &seed, t, 0.02));
        assert_true(feed_latency(copy, &same_seed, t, 0.02));
    }
    json_canonical(judge_stream_to_json(&arena, s), &a);
    json_canonical(judge_stream_to_json(&arena, copy), &b);
    assert_string_equal(a.p, b.p);
    buf_release(&a);
    buf_release(&b);
    judge_stream_free(s);
    judge_stream_free(copy);
    arena_release(&arena);
}

/* As when a baseline falls silent: what harm was shown by stays, what is counted begins anew. */
static void another_reference_keeps_the_evidence_of_harm(void **state)
{
    struct judge_config config = demo_config(EVIDENCE_RATIO);
    struct judge_stream *s = judge_stream_new(&config);
    struct arena arena = ARENA_INIT;
    struct evidence e = {0};
    struct judge_bucket b = {.start_ms = 1000,
                             .length_ms = 1000,
                             .stable_reported = true,
                             .canary_reported = true,
                             .stable = {100, 1},
                             .canary = {100, 4}};
    (void)state;
    judge_stream_set_reference(s, true);
    for (; b.start_ms <= 4000; b.start_ms += 1000)
        assert_true(judge_stream_feed(s, &b, NULL));
    judge_stream_read(s, &arena, &e);
    double before = e.harm_log_e;
    assert_true(before > 0.5 && e.state == EVIDENCE_INSUFFICIENT && e.stable.total == 400);
    assert_non_null(strstr(e.sentence, "on the baseline"));
    judge_stream_set_reference(s, false);
    judge_stream_read(s, &arena, &e);
    assert_true(e.harm_log_e == before && e.stable.total == 0 && isnan(e.effect));
    assert_string_equal(e.code, "no_traffic");
    assert_false(judge_stream_is_healthy(s));
    b.stable = (struct arm_counts){1000, 10};
    assert_true(judge_stream_feed(s, &b, NULL));
    judge_stream_read(s, &arena, &e);
    assert_true(e.harm_log_e > before && e.stable.total == 1000 && e.canary.total == 100);
    assert_non_null(strstr(e.sentence, "on stable"));
    judge_stream_free(s);
    arena_release(&arena);
}

static void impossible_buckets_change_nothing(void **state)
{
    struct judge_config config = demo_config(EVIDENCE_RATIO);
    struct judge_stream *s = judge_stream_new(&config);
    struct arena arena = ARENA_INIT;
    struct buf before = BUF_INIT, after = BUF_INIT;
    const struct judge_bucket good = {.start_ms = 5000,
                                      .length_ms = 1000,
                                      .stable_reported = true,
                                      .canary_reported = true,
                                      .stable = {100, 1},
                                      .canary = {10, 0}};
    (void)state;
    assert_true(judge_stream_feed(s, &good, NULL));
    json_canonical(judge_stream_to_json(&arena, s), &before);
    struct judge_bucket bad[4];
    for (size_t i = 0; i < 4; i++) {
        bad[i] = good;
        bad[i].start_ms = 6000;
    }
    bad[0].canary.bad = 11;
    bad[1].stable.total = (double)NAN;
    bad[2].canary.bad = -1;
    bad[3].start_ms = 4000;
    for (size_t i = 0; i < 4; i++) {
        struct err err = ERR_INIT;
        assert_false(judge_stream_feed(s, &bad[i], &err));
        assert_int_equal(err.code, ERR_BAD_INPUT);
    }
    json_canonical(judge_stream_to_json(&arena, s), &after);
    assert_string_equal(before.p, after.p);
    buf_release(&before);
    buf_release(&after);
    judge_stream_free(s);
    arena_release(&arena);
}

/* A missed scrape's events come with the next one; nothing is lost or counted twice. */
static void a_missing_arm_is_waited_for(void **state)
{
    struct judge_config config = demo_config(EVIDENCE_RATIO);
    struct judge_stream *s = judge_stream_new(&config);
    struct arena arena = ARENA_INIT;
    struct evidence e = {0};
    (void)state;
    for (int64_t t = 0; t < 10; t++) {
        bool there = t % 3 == 2;
        struct judge_bucket b = {.start_ms = 1000 + t * 1000,
                                 .length_ms = 1000,
                                 .stable_reported = true,
                                 .canary_reported = there,
                                 .stable = {100, 1},
                                 .canary = {there ? 30 : 0, 0}};
        assert_true(judge_stream_feed(s, &b, NULL));
    }
    judge_stream_read(s, &arena, &e);
    assert_true(e.stable.total == 900 && e.canary.total == 90 && e.stable.bad == 9);
    assert_string_equal(e.code, "not_proven");
    assert_non_null(strstr(e.would_change, "more canary events"));
    judge_stream_free(s);
    arena_release(&arena);
}

/* Harm from the first bucket on began with the comparison, not in 1970. */
static void harm_from_the_start_began_then(void **state)
{
    (void)state;
    struct judge_config config = demo_config(EVIDENCE_RATIO);
    struct judge_stream *s = judge_stream_new(&config);
    struct arena arena = ARENA_INIT;
    struct evidence e = {0};
    for (int64_t t = 0; t < 5; t++) {
        struct judge_bucket b = {.start_ms = 7000000 + t * 1000,
                                 .length_ms = 1000,
                                 .stable_reported = true,
                                 .canary_reported = true,
                                 .stable = {1000, 1},
                                 .canary = {300, 60}};
        assert_true(judge_stream_feed(s, &b, NULL));
    }
    judge_stream_read(s, &arena, &e);
    assert_int_equal(e.state, EVIDENCE_FAIL);
    assert_int_equal(e.since_ms, 7000000);
    assert_true(strncmp(e.sentence, "for 4 s ", 8) == 0 || strncmp(e.sentence, "for 5 s ", 8) == 0);
    judge_stream_free(s);
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(harm_is_found_within_seconds),
        cmocka_unit_test(health_is_shown_within_the_hour),
        cmocka_unit_test(false_alarms_stay_under_alpha),
        cmocka_unit_test(a_slow_tail_is_found_though_the_median_stays),
        cmocka_unit_test(late_harm_is_shown_with_its_beginning),
        cmocka_unit_test(a_copy_goes_on_exactly),
        cmocka_unit_test(another_reference_keeps_the_evidence_of_harm),
        cmocka_unit_test(impossible_buckets_change_nothing),
        cmocka_unit_test(a_missing_arm_is_waited_for),
        cmocka_unit_test(harm_from_the_start_began_then),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
