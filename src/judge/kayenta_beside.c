/* What cQED says of values that Kayenta classified, and what speaks against the classification.
 * Values are all there is (no counts), so the judge of gauges answers: means of ln(canary/stable),
 * with the variance that stable's own neighbouring values show. */
#include "judge/judge.h"
#include "judge/kayenta_rules.h"

#include <math.h>

#define ALPHA 0.01
#define BETA 0.05
#define EXACT_TOLERANCE 1e-12 /* of the larger arm's mean */
#define FEW_VALUES 50         /* Spinnaker's advice; nothing enforces it */
#define MAX_DOUBTS 6

static void doubt(struct kayenta_beside *b, const char *text)
{
    b->doubts[b->n_doubts++] = text;
}

/* Kayenta's root search stops within 1e-4, so that small values are not compared at all. */
static void doubt_scale(struct arena *arena, struct kayenta_beside *b,
                        const struct kayenta_metric *m, const struct kayenta_answer *a)
{
    double size = fmax(fabs(a->control.mean), fabs(a->experiment.mean));
    if (!(size > 0))
        return;
    struct kayenta_answer exact = kayenta_classify(arena, m, size * EXACT_TOLERANCE);
    if (exact.class != a->class)
        doubt(b, arena_printf(arena,
                              "scale: Kayenta compares to within 0.0001, the values are about %g; "
                              "computed exactly the metric is %s",
                              size, kayenta_class_name(exact.class)));
}

/* Values that tie with another one, of both sides. */
static size_t count_zeros(struct kayenta_values v)
{
    size_t zeros = 0;
    for (size_t i = 0; i < v.n; i++)
        zeros += v.v[i] == 0 ? 1 : 0;
    return zeros;
}

static void doubt_data(struct arena *arena, struct kayenta_beside *b,
                       const struct kayenta_metric *m, const struct kayenta_answer *a)
{
    size_t fewest = a->control.count < a->experiment.count ? a->control.count : a->experiment.count;
    size_t all = a->control.count + a->experiment.count;
    if (fewest > 0 && fewest < FEW_VALUES)
        doubt(b,
              arena_printf(arena,
                           "few values: %zu on a side; 50 are asked for, and with 2 or 3 Kayenta "
                           "is wrong about equal canaries in 23 or 4 of 100 cases",
                           fewest));
    if ((count_zeros(m->control) + count_zeros(m->experiment)) * 2 > all)
        doubt(b, "ties: over half of the values are 0, where Kayenta's verdict does not rise with "
                 "the harm");
    if (a->control.std == 0 && a->experiment.std == 0 && a->class != KAYENTA_PASS &&
        a->control.count > 0 && a->experiment.count > 0)
        doubt(b,
              "noise: both sides are constant, and Kayenta adds random noise before it compares");
}

static void doubt_rules(struct kayenta_beside *b, const struct kayenta_metric *m,
                        const struct kayenta_answer *a)
{
    if (a->class == KAYENTA_ERROR)
        doubt(b, "error: a metric that Kayenta cannot classify counts as if it were not there, and "
                 "a group of such metrics as 100");
    if (a->class == KAYENTA_NODATA && !m->critical)
        doubt(b, "no data: a group without data counts as 100");
}

/* ln(a/b), NaN when either is not over 0: that value then only lets time pass. */
static double log_ratio(double a, double b)
{
    return a > 0 && b > 0 && isfinite(a) && isfinite(b) ? log(a / b) : NAN;
}

/* How stable's values differ from the ones before them: noise of two values, as canary against
 * stable has it. */
static bool calibrate(struct arena *arena, const struct kayenta_metric *m, struct judge_gauge *g)
{
    double *steps = ARENA_ARRAY(arena, double, m->control.n);
    size_t n = 0;
    for (size_t i = 1; i < m->control.n; i++) {
        double step = log_ratio(m->control.v[i], m->control.v[i - 1]);
        if (isfinite(step))
            steps[n++] = step;
    }
    return judge_gauge_init(g, steps, n, NULL);
}

struct shown {
    bool harm, health;
};

/* The harm of one direction: sign 1 = more is bad. */
static struct shown judge_side(struct judge_gauge g, const struct kayenta_metric *m, double sign,
                               double alpha)
{
    struct shown s = {false, false};
    size_t n = m->control.n < m->experiment.n ? m->control.n : m->experiment.n;
    for (size_t i = 0; i < n; i++) {
        judge_gauge_feed(&g, sign * log_ratio(m->experiment.v[i], m->control.v[i]));
        s.harm = s.harm || g.log_e >= -log(alpha);
    }
    s.health = g.health_log_e >= -log(BETA);
    return s;
}

static void judge_values(struct arena *arena, struct kayenta_beside *b,
                         const struct kayenta_metric *m)
{
    struct judge_gauge g;
    double alpha = m->up_is_bad && m->down_is_bad ? ALPHA / 2 : ALPHA;
    struct shown up = {false, true}, down = {false, true};
    b->verdict = "insufficient";
    if (!calibrate(arena, m, &g)) {
        b->sentence = arena_printf(arena,
                                   "not judged: %d moving values over 0 of the control are needed "
                                   "to learn its noise from; give counts to `cqed judge` instead",
                                   JUDGE_GAUGE_LEAST + 1);
        return;
    }
    if (m->up_is_bad)
        up = judge_side(g, m, 1, alpha);
    if (m->down_is_bad)
        down = judge_side(g, m, -1, alpha);
    if (up.harm || down.harm) {
        b->verdict = "fail";
        b->sentence = arena_printf(arena, "%s than the control, shown at a false-alarm rate of %g",
                                   up.harm ? "higher" : "lower", ALPHA);
    } else if (up.health && down.health) {
        b->verdict = "pass";
        b->sentence = "shown to be within 1.2 times the control";
    } else {
        b->sentence = "neither over 1.05 times the control nor within 1.2 times of it is shown";
    }
}

struct kayenta_beside kayenta_beside(struct arena *arena, const struct kayenta_metric *m,
                                     const struct kayenta_answer *a)
{
    struct kayenta_beside b = {.doubts = ARENA_ARRAY(arena, const char *, MAX_DOUBTS)};
    judge_values(arena, &b, m);
    doubt_scale(arena, &b, m, a);
    doubt_data(arena, &b, m, a);
    doubt_rules(&b, m, a);
    return b;
}
