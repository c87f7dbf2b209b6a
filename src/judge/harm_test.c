#include "judge/harm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>

struct seen {
    double b, k, q;
};

static const struct seen sequence[] = {{2, 10, 0.05}, {1, 12, 0.05}, {3, 9, 0.04}, {0, 8, 0.05},
                                       {4, 11, 0.06}, {2, 9, 0.05},  {3, 14, 0.05}};
#define N (sizeof sequence / sizeof *sequence)

static void expect_near(double got, double want)
{
    if (!(fabs(got - want) <= 1e-9 * fmax(1, fabs(want))))
        fail_msg("got %.12g, want %.12g", got, want);
}

static void run(struct harm_rules rules, double scale, double khat, double warm_ratio,
                const double *want)
{
    struct harm h;
    harm_init(&h);
    for (size_t i = 0; i < N; i++) {
        struct harm_bucket b = {scale * sequence[i].b, scale * sequence[i].k, sequence[i].q, khat};
        struct harm_rules now = rules;
        now.null_ratio *= 1 + (warm_ratio - 1) * exp(-(double)i * 5 / 30);
        harm_feed(&h, &now, &b);
        expect_near(h.log_e, want[i]);
    }
}

/* The reference prototype's numbers for the same buckets. */
static void plain_grid_matches_the_reference(void **state)
{
    static const double want[N] = {0.6982896723, 0.4236360448, 3.0184601491, 1.9581824184,
                                   5.3721787905, 6.8356112281, 8.9861881744};
    struct harm_rules rules = {1, 1, 1, 0, (double)INFINITY, true};
    (void)state;
    run(rules, 1, (double)INFINITY, 1, want);
}

static void start_mixture_matches_the_reference(void **state)
{
    static const double want[N] = {0.4088963726, 0.2329123305, 2.3822539574, 1.4001369084,
                                   4.6914672366, 6.1511188669, 8.3004271729};
    struct harm_rules rules = {1, 1, 0.5, 1.0 / 120, (double)INFINITY, true};
    (void)state;
    run(rules, 1, (double)INFINITY, 1, want);
}

static void caps_and_a_moving_null_match_the_reference(void **state)
{
    static const double want[N] = {-0.2790692228, -0.4764147361, 0.2904438959, -0.362336409,
                                   0.6314166072,  1.5174690236,  2.6129039384};
    struct harm_rules rules = {1.1, 1, 0.5, 1.0 / 120, 2, true};
    (void)state;
    run(rules, 4, 4, 3, want);
}

/* E[E] <= 1 when the canary's rate is the null's: exact, by enumerating one bucket's split of K bad
 * events over the arms as a binomial. */
static void expectation_is_at_most_one(void **state)
{
    (void)state;
    for (double k = 1; k <= 20; k++) {
        double mean = 0, q = 0.1;
        for (double b = 0; b <= k; b++) {
            struct harm h;
            struct harm_rules rules = {1, 1, 0.5, 1.0 / 120, 2, true};
            struct harm_bucket bucket = {b, k, q, (double)INFINITY};
            harm_init(&h);
            harm_feed(&h, &rules, &bucket);
            double log_p = lgamma(k + 1) - lgamma(b + 1) - lgamma(k - b + 1) + b * log(q) +
                           (k - b) * log1p(-q);
            mean += exp(log_p + h.log_e);
        }
        assert_true(mean <= 1 + 1e-12);
    }
}

static void no_bucket_adds_more_than_its_cap(void **state)
{
    struct harm h;
    struct harm_rules rules = {1.1, 1, 0.5, 1.0 / 120, 2, true};
    struct harm_bucket bucket = {1e9, 1e9, 0.01, (double)INFINITY};
    (void)state;
    harm_init(&h);
    harm_feed(&h, &rules, &bucket);
    expect_near(h.log_e, 2);
}

/* More bad events of the canary among as many never speak less for harm. */
static void evidence_is_monotone_in_the_canarys_share(void **state)
{
    (void)state;
    for (double q = 1e-6; q < 1; q = q < 0.1 ? q * 10 : q + 0.29) {
        double last = -(double)INFINITY;
        for (double b = 0; b <= 200; b += 4) {
            struct harm h;
            struct harm_rules rules = {1.1, 1.7, 0.5, 1.0 / 120, (double)INFINITY, true};
            harm_init(&h);
            for (int t = 0; t < 3; t++) {
                struct harm_bucket bucket = {b, 200, q, (double)INFINITY};
                harm_feed(&h, &rules, &bucket);
            }
            assert_true(isfinite(h.log_e) && h.log_e >= last);
            last = h.log_e;
        }
    }
}

/* The value is log(sum of 1/16 exp(...)) of numbers up to 1e9 times 1e9: checked against the one
 * term that is left, in closed form. */
static void extreme_counts_lose_nothing(void **state)
{
    static const struct {
        double b, k, q;
    } cases[] = {{0, 1e9, 0.5}, {1e9, 1e9, 0.5}, {0, 1e9, 1e-9}, {1e9, 1e9, 1e-9}, {1, 1e9, 1e-9}};
    struct harm_rules rules = {1, 1, 1, 0, (double)INFINITY, true};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct harm h;
        struct harm_bucket bucket = {cases[i].b, cases[i].k, cases[i].q, (double)INFINITY};
        double want = -(double)INFINITY,
               g[] = {1.1, 1.2, 1.35, 1.5, 1.75, 2, 2.5, 3, 4, 5, 7, 10, 15, 25, 50, 100};
        for (size_t k = 0; k < JUDGE_HARM_GRID; k++) {
            double one = cases[i].b * log(g[k]) - cases[i].k * log1p(cases[i].q * (g[k] - 1));
            want = fmax(want, one) + log1p(exp(-fabs(want - one)));
        }
        harm_init(&h);
        harm_feed(&h, &rules, &bucket);
        expect_near(h.log_e, want - log(16));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_grid_matches_the_reference),
        cmocka_unit_test(start_mixture_matches_the_reference),
        cmocka_unit_test(caps_and_a_moving_null_match_the_reference),
        cmocka_unit_test(expectation_is_at_most_one),
        cmocka_unit_test(evidence_is_monotone_in_the_canarys_share),
        cmocka_unit_test(extreme_counts_lose_nothing),
        cmocka_unit_test(no_bucket_adds_more_than_its_cap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
