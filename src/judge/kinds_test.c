/* Streams of every kind: what they learn before, warm-up, traffic, counter rates, the bank. */
#include "judge/judge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>

#define BUCKET_MS 5000
#define HOUR 720 /* buckets */

/* xorshift64*: the same numbers everywhere. */
static double uniform(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (double)((*state * UINT64_C(2685821657736338717)) >> 11) / 9007199254740992.0;
}

/* Knuth's product of uniforms; means up to some hundreds. */
static double poisson(uint64_t *seed, double mean)
{
    double n = -1, left = 1, limit = exp(-mean);
    for (; left > limit; n++)
        left *= uniform(seed);
    return n;
}

/* Errors that come `size` at once. */
static double errors(uint64_t *seed, double mean, double size)
{
    return size * poisson(seed, mean / size);
}

struct shape {
    double stable, canary; /* requests a bucket */
    double rate, ratio;    /* of errors */
    double burst;
};

static struct judge_bucket draw(uint64_t *seed, const struct shape *s, int t)
{
    struct judge_bucket b = {.start_ms = 1000 + (int64_t)t * BUCKET_MS,
                             .length_ms = BUCKET_MS,
                             .stable_reported = true,
                             .canary_reported = true,
                             .weight = s->canary / (s->canary + s->stable)};
    b.stable = (struct arm_counts){s->stable,
                                   fmin(s->stable, errors(seed, s->stable * s->rate, s->burst))};
    b.canary = (struct arm_counts){
        s->canary, fmin(s->canary, errors(seed, s->canary * s->rate * s->ratio, s->burst))};
    return b;
}

static void calibrate(struct judge_stream *s, uint64_t *seed, const struct shape *shape, bool split)
{
    struct judge_bucket *before = calloc(HOUR, sizeof *before);
    assert_non_null(before);
    for (int t = 0; t < HOUR; t++) {
        before[t] = draw(seed, shape, t - HOUR);
        if (!split) {
            before[t].canary_reported = false;
            before[t].canary = (struct arm_counts){0};
        }
    }
    judge_stream_calibrate(s, before, HOUR);
    free(before);
}

static struct evidence read_now(const struct judge_stream *s, struct arena *arena)
{
    struct evidence e = {0};
    judge_stream_read(s, arena, &e);
    assert_non_null(e.sentence);
    assert_non_null(e.would_change);
    return e;
}

/* Bursts of five among 40 unchanged canaries: what is learned from the hour before keeps the alarms
 * away that dispersion 1 gives. */
static void what_is_learned_keeps_bursts_from_being_harm(void **state)
{
    static const struct shape bursty = {950, 50, 0.02, 1, 5};
    int alarms[3] = {0};
    (void)state;
    for (uint64_t run = 1; run <= 40; run++) {
        for (int how = 0; how < 3; how++) {
            uint64_t seed = run * 7919;
            struct judge_config config = judge_config_default(EVIDENCE_RATIO);
            config.dispersion = how == 0 ? 1 : 2;
            struct judge_stream *s = judge_stream_new(&config);
            if (how > 0) {
                calibrate(s, &seed, &bursty, how == 1);
                assert_true(judge_stream_dispersion(s) > 3 && judge_stream_dispersion(s) < 20);
                assert_int_equal(judge_stream_learned_ms(s), HOUR * BUCKET_MS);
            }
            for (int t = 0; t < HOUR; t++) {
                struct judge_bucket b = draw(&seed, &bursty, t);
                assert_true(judge_stream_feed(s, &b, NULL));
                if (judge_stream_log_e(s) >= log(20)) {
                    alarms[how]++;
                    break;
                }
            }
            judge_stream_free(s);
        }
    }
    print_message("false alarms of 40: not learned %d, from a split %d, from stable alone %d\n",
                  alarms[0], alarms[1], alarms[2]);
    assert_true(alarms[0] > 5 && alarms[1] <= 3 && alarms[2] <= 3);
}

/* Three times the errors, fading with 30 s: harm to who expects none, not to who was told. */
static void a_declared_warmup_is_no_harm(void **state)
{
    (void)state;
    for (int declared = 0; declared < 2; declared++) {
        struct judge_config config = judge_config_default(EVIDENCE_RATIO);
        struct arena arena = ARENA_INIT;
        uint64_t seed = 99;
        config.dispersion = 1;
        config.warmup_ms = declared ? 120000 : 0;
        config.tolerate = 0.002;
        struct judge_stream *s = judge_stream_new(&config);
        bool harm = false;
        for (int t = 0; t < HOUR; t++) {
            struct shape warm = {4750, 250, 0.01, 1 + 2 * exp(-t * 5.0 / 30), 1};
            struct judge_bucket b = draw(&seed, &warm, t);
            assert_true(judge_stream_feed(s, &b, NULL));
            harm |= judge_stream_log_e(s) >= log(20);
            if (declared && t < 24)
                assert_false(judge_stream_is_healthy(s));
        }
        assert_int_equal(harm, !declared);
        if (declared)
            assert_int_equal(read_now(s, &arena).state, EVIDENCE_PASS);
        judge_stream_free(s);
        arena_release(&arena);
    }
}

static void five_times_the_errors_are_found_in_the_warmup_too(void **state)
{
    static const struct shape worse = {4750, 250, 0.01, 8, 1};
    struct judge_config config = judge_config_default(EVIDENCE_RATIO);
    uint64_t seed = 4;
    int t = 0;
    (void)state;
    config.warmup_ms = 120000;
    struct judge_stream *s = judge_stream_new(&config);
    for (; t < 12 && judge_stream_log_e(s) < log(20); t++) {
        struct judge_bucket b = draw(&seed, &worse, t);
        assert_true(judge_stream_feed(s, &b, NULL));
    }
    assert_true(t < 12);
    judge_stream_free(s);
}

/* A canary of weight 10% that dies at minute 5 sends no errors and no requests. */
static void a_dead_canary_is_seen_by_its_traffic(void **state)
{
    struct judge_config config = judge_config_default(EVIDENCE_TRAFFIC);
    struct judge_stream *s = judge_stream_new(&config);
    struct arena arena = ARENA_INIT;
    uint64_t seed = 17;
    int t = 0;
    (void)state;
    for (; t < 600; t++) {
        bool dead = t >= 60;
        struct judge_bucket b = {.start_ms = 1000 + t * BUCKET_MS,
                                 .length_ms = BUCKET_MS,
                                 .stable_reported = true,
                                 .canary_reported = true,
                                 .stable = {poisson(&seed, dead ? 500 : 450), 0},
                                 .canary = {dead ? 0 : poisson(&seed, 50), 0},
                                 .weight = 0.1};
        assert_true(judge_stream_feed(s, &b, NULL));
        struct evidence e = read_now(s, &arena);
        if (t == 59)
            assert_int_equal(e.state, EVIDENCE_PASS);
        if (e.state == EVIDENCE_FAIL)
            break;
    }
    print_message("%d s after the canary died\n", (t + 1 - 60) * 5);
    assert_true(t >= 60 && t < 66);
    assert_string_equal(read_now(s, &arena).code, "too_little_traffic");
    judge_stream_free(s);
    arena_release(&arena);
}

/* A canary that never got a request, and one with all it should have. */
static void traffic_counts_from_the_start(void **state)
{
    struct judge_config config = judge_config_default(EVIDENCE_TRAFFIC);
    struct arena arena = ARENA_INIT;
    (void)state;
    for (int there = 0; there < 2; there++) {
        struct judge_stream *s = judge_stream_new(&config);
        struct judge_bucket b = {.length_ms = BUCKET_MS,
                                 .stable_reported = true,
                                 .canary_reported = true,
                                 .stable = {450, 0},
                                 .canary = {there ? 50 : 0, 0},
                                 .weight = 0.1};
        for (int t = 0; t < 60; t++) {
            b.start_ms = 1000 + t * BUCKET_MS;
            assert_true(judge_stream_feed(s, &b, NULL));
        }
        assert_int_equal(read_now(s, &arena).state, there ? EVIDENCE_PASS : EVIDENCE_FAIL);
        b.start_ms += BUCKET_MS;
        b.weight = 1.5;
        assert_false(judge_stream_feed(s, &b, NULL));
        judge_stream_free(s);
    }
    arena_release(&arena);
}

/* Restarts by pod-second: exposure is not a limit of how many there may be. */
static void rates_of_events_have_no_limit(void **state)
{
    struct arena arena = ARENA_INIT;
    (void)state;
    for (int harm = 0; harm < 2; harm++) {
        struct judge_config config = judge_config_default(EVIDENCE_RATIO);
        uint64_t seed = 5;
        config.is_rate = true;
        config.tolerate = 0.5;
        config.dispersion = 1;
        struct judge_stream *s = judge_stream_new(&config);
        for (int t = 0; t < 200; t++) {
            struct judge_bucket b = {.start_ms = 1000 + t * BUCKET_MS,
                                     .length_ms = BUCKET_MS,
                                     .stable_reported = true,
                                     .canary_reported = true,
                                     .stable = {45, poisson(&seed, 90)},
                                     .canary = {5, poisson(&seed, harm ? 25 : 10)}};
            assert_true(judge_stream_feed(s, &b, NULL));
        }
        struct evidence e = read_now(s, &arena);
        assert_int_equal(e.state, harm ? EVIDENCE_FAIL : EVIDENCE_PASS);
        assert_string_equal(e.unit, "1");
        assert_true(e.low <= e.effect && e.effect <= e.high);
        judge_stream_free(s);
    }
    arena_release(&arena);
}

#define N_EDGES 9

/* Requests by latency; the canary's slow share is moved one bucket up. */
static void draw_hist(uint64_t *seed, double n, double slower, double out[N_EDGES])
{
    static const double parts[N_EDGES] = {0.1, 0.2, 0.3, 0.2, 0.1, 0.06, 0.03, 0.009, 0.001};
    for (size_t i = 0; i < N_EDGES; i++) {
        double moved = i > 0 ? parts[i - 1] * slower : 0;
        out[i] = poisson(seed, n * (parts[i] * (i + 1 < N_EDGES ? 1 - slower : 1) + moved));
    }
}

static double sum(const double *hist)
{
    double n = 0;
    for (size_t i = 0; i < N_EDGES; i++)
        n += hist[i];
    return n;
}

static void the_bank_promotes_only_what_is_as_fast_everywhere(void **state)
{
    static const double edges[N_EDGES] = {
        0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, (double)INFINITY};
    struct arena arena = ARENA_INIT;
    (void)state;
    for (int slower = 0; slower < 2; slower++) {
        struct judge_config config = judge_config_default(EVIDENCE_LATENCY);
        uint64_t seed = 8;
        config.n_edges = N_EDGES;
        memcpy(config.edges, edges, sizeof edges);
        config.slo_edge = 0.64;
        config.dispersion = 1;
        config.bank_tolerate = 0.002;
        struct judge_stream *s = judge_stream_new(&config);
        for (int t = 0; t < HOUR; t++) {
            double stable[N_EDGES], canary[N_EDGES];
            draw_hist(&seed, 900, 0, stable);
            draw_hist(&seed, 100, slower ? 0.3 : 0, canary);
            struct judge_bucket b = {.start_ms = 1000 + t * BUCKET_MS,
                                     .length_ms = BUCKET_MS,
                                     .stable_reported = true,
                                     .canary_reported = true,
                                     .stable = {sum(stable), 0},
                                     .canary = {sum(canary), 0},
                                     .stable_hist = stable,
                                     .canary_hist = canary};
            assert_true(judge_stream_feed(s, &b, NULL));
            assert_false(slower && judge_stream_is_healthy(s));
        }
        struct evidence e = read_now(s, &arena);
        assert_int_equal(e.state, slower ? EVIDENCE_FAIL : EVIDENCE_PASS);
        judge_stream_free(s);
    }
    arena_release(&arena);
}

/* Through JSON after every bucket, or never: the same state. */
static void copies_of_every_kind_go_on_exactly(void **state)
{
    static const enum evidence_kind kinds[] = {EVIDENCE_RATIO, EVIDENCE_TRAFFIC};
    static const struct shape shape = {950, 50, 0.02, 1.3, 3};
    struct arena arena = ARENA_INIT;
    (void)state;
    for (size_t k = 0; k < 2; k++) {
        struct judge_config config = judge_config_default(kinds[k]);
        struct buf one = BUF_INIT, other = BUF_INIT;
        uint64_t seed = 21;
        config.warmup_ms = 60000;
        struct judge_stream *s = judge_stream_new(&config);
        if (kinds[k] == EVIDENCE_RATIO)
            calibrate(s, &seed, &shape, true);
        struct judge_stream *copy = judge_stream_from_json(judge_stream_to_json(&arena, s), NULL);
        for (int t = 0; t < 60; t++) {
            struct judge_bucket b = draw(&seed, &shape, t);
            b.canary_reported = t % 7 != 0;
            assert_true(judge_stream_feed(s, &b, NULL) && judge_stream_feed(copy, &b, NULL));
            struct judge_stream *next =
                judge_stream_from_json(judge_stream_to_json(&arena, copy), NULL);
            assert_non_null(next);
            judge_stream_free(copy);
            copy = next;
        }
        json_canonical(judge_stream_to_json(&arena, s), &one);
        json_canonical(judge_stream_to_json(&arena, copy), &other);
        assert_string_equal(one.p, other.p);
        buf_release(&one);
        buf_release(&other);
        judge_stream_free(s);
        judge_stream_free(copy);
    }
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_learned_keeps_bursts_from_being_harm),
        cmocka_unit_test(a_declared_warmup_is_no_harm),
        cmocka_unit_test(five_times_the_errors_are_found_in_the_warmup_too),
        cmocka_unit_test(a_dead_canary_is_seen_by_its_traffic),
        cmocka_unit_test(traffic_counts_from_the_start),
        cmocka_unit_test(rates_of_events_have_no_limit),
        cmocka_unit_test(the_bank_promotes_only_what_is_as_fast_everywhere),
        cmocka_unit_test(copies_of_every_kind_go_on_exactly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
