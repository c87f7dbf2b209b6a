#include "judge/dispersion.h"
#include "judge/harm.h"
#include "judge/health.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>

#define N 720
#define BUCKET_MS 5000

static void expect_near(double got, double want)
{
    if (!(fabs(got - want) <= 1e-9 * fmax(1, fabs(want))))
        fail_msg("got %.15g, want %.15g", got, want);
}

/* An hour of the same numbers as in the reference (bench/judge/bench.py vectors, section 10). */
static double share_at(int t)
{
    return 0.05 + 0.01 * (t % 3);
}

static struct block block_at(int t)
{
    double burst = t % 97 < 4 ? 6 : 0;
    double b = (t * 7) % 5 + burst, k = (t * 7) % 5 + (t * 13) % 23 + burst;
    return (struct block){b, k, k * share_at(t)};
}

static void a_split_matches_the_reference(void **state)
{
    struct block blocks[N];
    (void)state;
    for (int t = 0; t < N; t++)
        blocks[t] = block_at(t);
    expect_near(dispersion_of_split(blocks, N, BUCKET_MS, 1, DISPERSION_REFERENCE),
                2.800188190668255);
}

static void one_arm_matches_the_reference(void **state)
{
    struct tally tallies[N];
    (void)state;
    for (int t = 0; t < N; t++)
        tallies[t] = (struct tally){1000.0 + (t * 37) % 200, (t * 11) % 7 + (t % 50 < 5 ? 9 : 0)};
    expect_near(dispersion_of_one_arm(tallies, N, BUCKET_MS, 2, DISPERSION_REFERENCE),
                8.064925440691749);
}

/* Dispersion, burst cap, start mixture and the cap of a bucket together, an hour long. */
static void a_tempered_run_matches_the_reference(void **state)
{
    static const struct {
        int t;
        double phi, log_e, health, better;
    } want[] = {
        {5, 1.3, 1.8728755224110691, -4.4379975786015065, -0.9940365974698141},
        {29, 1.397492791442041, 5.062707719643893, -5.966524514542009, 1.5618841087197242},
        {119, 1.7154067135615365, 44.79162989662152, -11.791682405008345, 11.579302765816264},
        {719, 1.8364465660545224, 281.7594200140556, -49.31514615331824, 87.5256922559303}};
    struct harm harm;
    struct health health = {{0}}, better = {{0}};
    struct dispersion d;
    size_t next = 0;
    (void)state;
    harm_init(&harm);
    dispersion_init(&d, 1.3, DISPERSION_REFERENCE);
    for (int t = 0; t < N; t++) {
        struct block b = block_at(t);
        struct harm_rules rules = {1.1, d.now, 0.5, 1.0 / 120, 2, true};
        struct harm_bucket bucket = {b.bad_canary, b.bad_both, share_at(t), 12};
        harm_feed(&harm, &rules, &bucket);
        health_feed(&health, b.bad_canary, b.bad_both, share_at(t), 1.5, d.learned);
        health_feed(&better, b.bad_canary / 4, b.bad_both, share_at(t), 1.4, d.learned);
        dispersion_feed(&d, &b, t * BUCKET_MS, (t + 1) * BUCKET_MS);
        assert_true(dispersion_is_possible(&d));
        if (t != want[next].t)
            continue;
        expect_near(d.now, want[next].phi);
        expect_near(harm.log_e, want[next].log_e);
        expect_near(health_log_e(&health), want[next].health);
        expect_near(health_log_e(&better), want[next].better);
        next++;
    }
    assert_int_equal(next, 4);
}

/* xorshift64*: the same numbers everywhere. */
static double uniform(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return (double)((*state * UINT64_C(2685821657736338717)) >> 11) / 9007199254740992.0;
}

/* Errors that come `size` at once, about three times in a bucket. */
static double clustered(uint64_t *seed, double size)
{
    double n = 0;
    for (int i = 0; i < 30; i++)
        n += uniform(seed) < 0.1 ? size : 0;
    return n;
}

static void bursts_are_found_and_quiet_is_quiet(void **state)
{
    struct tally tallies[N];
    uint64_t seed = 11;
    (void)state;
    for (double size = 1; size <= 9; size += 4) {
        for (int t = 0; t < N; t++)
            tallies[t] = (struct tally){1000, clustered(&seed, size)};
        double phi = dispersion_of_one_arm(tallies, N, BUCKET_MS, 2, DISPERSION_IF_SHOWN);
        print_message("bursts of %g: phi %.2f\n", size, phi);
        assert_true(phi >= 0.75 * size && phi <= 2 * size + 0.5);
    }
}

/* A tide of 30% in half an hour, on which both neighbours ride, is not dispersion. */
static void drift_cancels(void **state)
{
    struct tally tallies[N];
    uint64_t seed = 3;
    (void)state;
    for (int t = 0; t < N; t++) {
        double n = 0, p = 0.02 * (1 + 0.3 * sin(t * 3.14159 / N));
        for (int i = 0; i < 1000; i++)
            n += uniform(&seed) < p ? 1 : 0;
        tallies[t] = (struct tally){1000, n};
    }
    double phi = dispersion_of_one_arm(tallies, N, BUCKET_MS, 1, DISPERSION_IF_SHOWN);
    print_message("drift: phi %.2f\n", phi);
    assert_true(phi < 2);
}

/* Noise alone makes the largest of three values larger than each; what stands out counts in full.
 */
static void only_what_stands_out_counts(void **state)
{
    double reference = 0, shown = 0;
    (void)state;
    for (uint64_t run = 1; run <= 40; run++) {
        struct block blocks[N], bursts[N];
        uint64_t seed = run;
        for (int t = 0; t < N; t++) {
            double k = 0, b = 0, size = t / 24 % 2 ? 6 : 1;
            for (int i = 0; i < 50; i++) {
                k += 1;
                b += uniform(&seed) < 0.05 ? 1 : 0;
            }
            blocks[t] = (struct block){b, k, k * 0.05};
            bursts[t] = (struct block){b * size, k * size, k * size * 0.05};
        }
        reference += dispersion_of_split(blocks, N, BUCKET_MS, 1, DISPERSION_REFERENCE) / 40;
        shown += dispersion_of_split(blocks, N, BUCKET_MS, 1, DISPERSION_IF_SHOWN) / 40;
        expect_near(dispersion_of_split(bursts, N, BUCKET_MS, 1, DISPERSION_IF_SHOWN) >= 3, 1);
    }
    print_message("no dispersion: %.3f as the largest, %.3f if shown\n", reference, shown);
    assert_true(shown < 1.12 && shown < reference);
}

static void nothing_is_the_prior(void **state)
{
    static const struct tally none[N];
    static const struct block empty[N];
    (void)state;
    expect_near(dispersion_of_one_arm(none, N, BUCKET_MS, 2, DISPERSION_IF_SHOWN), 2);
    expect_near(dispersion_of_one_arm(none, 0, BUCKET_MS, 2, DISPERSION_IF_SHOWN), 2);
    expect_near(dispersion_of_split(empty, N, 300000, 1, DISPERSION_IF_SHOWN), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_split_matches_the_reference),
        cmocka_unit_test(one_arm_matches_the_reference),
        cmocka_unit_test(a_tempered_run_matches_the_reference),
        cmocka_unit_test(bursts_are_found_and_quiet_is_quiet),
        cmocka_unit_test(drift_cancels),
        cmocka_unit_test(only_what_stands_out_counts),
        cmocka_unit_test(nothing_is_the_prior),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
