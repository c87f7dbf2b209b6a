#include "judge/kayenta_rules.h"

#include "base/buf.h"
#include "base/num.h"
#include "judge/rank_sum.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BAND 0.25       /* of the estimated shift, that the interval must leave behind */
#define NOISE 1e-5      /* of a constant's own size */
#define NODATA_LIMIT 50 /* percent of the metrics */

const char *kayenta_class_name(enum kayenta_class class)
{
    static const char *const names[] = {
#define X(code, name) name,
        KAYENTA_CLASSES(X)
#undef X
    };
    return names[class];
}

/* --- Values --- */

/* Judged values of one side, ascending. */
struct side {
    double *v;
    size_t n;
};

static int compare_doubles(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static void sort(struct side *s)
{
    if (s->n > 1)
        qsort(s->v, s->n, sizeof *s->v, compare_doubles);
}

static struct side clean(struct arena *arena, struct kayenta_values values, bool zero_for_missing)
{
    struct side s = {ARENA_ARRAY(arena, double, values.n), 0};
    for (size_t i = 0; i < values.n; i++) {
        if (isfinite(values.v[i]))
            s.v[s.n++] = values.v[i];
        else if (zero_for_missing)
            s.v[s.n++] = 0;
    }
    sort(&s);
    return s;
}

/* Between neighbours, as R's type 7 (Hyndman and Fan 1996). */
static double percentile(const struct side *s, double p)
{
    double at = (double)(s->n - 1) * p;
    size_t low = (size_t)at;
    size_t high = low + 1 < s->n ? low + 1 : low;
    return s->v[low] + (at - (double)low) * (s->v[high] - s->v[low]);
}

static void drop_outliers(struct side *s, double factor)
{
    if (s->n == 0)
        return;
    double q1 = percentile(s, 0.25), q3 = percentile(s, 0.75);
    double low = fmin(q1 - factor * (q3 - q1), percentile(s, 0.01));
    double high = fmax(q3 + factor * (q3 - q1), percentile(s, 0.99));
    size_t kept = 0;
    for (size_t i = 0; i < s->n; i++) {
        if (s->v[i] >= low && s->v[i] <= high)
            s->v[kept++] = s->v[i];
    }
    s->n = kept;
}

static double mean_of(const struct side *s)
{
    double sum = 0;
    for (size_t i = 0; i < s->n; i++)
        sum += s->v[i];
    return s->n > 0 ? sum / (double)s->n : 0;
}

static struct kayenta_stats stats_of(const struct side *s)
{
    struct kayenta_stats stats = {.count = s->n, .mean = mean_of(s)};
    double squares = 0;
    if (s->n == 0)
        return stats;
    for (size_t i = 0; i < s->n; i++)
        squares += (s->v[i] - stats.mean) * (s->v[i] - stats.mean);
    stats.min = s->v[0];
    stats.max = s->v[s->n - 1];
    stats.std = s->n > 1 ? sqrt(squares / (double)(s->n - 1)) : 0;
    return stats;
}

static bool is_constant(const struct side *s)
{
    return s->n > 0 && s->v[0] == s->v[s->n - 1];
}

static bool are_equal(const struct side *a, const struct side *b)
{
    for (size_t i = 0; i < a->n && i < b->n; i++) {
        if (a->v[i] != b->v[i])
            return false;
    }
    return a->n == b->n;
}

/* --- Classification --- */

/* A normal deviate of a fixed sequence (splitmix64, Box and Muller): Kayenta's noise is another one
 * each time, ours the same, so that a verdict can be had again. */
static double noise(uint64_t *state)
{
    double u[2];
    for (size_t i = 0; i < 2; i++) {
        uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
        z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
        u[i] = ((double)((z ^ z >> 31) >> 11) + 0.5) * 0x1p-53;
    }
    return sqrt(-2 * log(u[0])) * cos(2 * M_PI * u[1]);
}

static void unsettle(struct side *s, uint64_t seed)
{
    for (size_t i = 0; i < s->n; i++)
        s->v[i] += s->v[i] * NOISE * noise(&seed);
    sort(s);
}

static double effect_of(const struct kayenta_metric *m, const struct side *control,
                        const struct side *experiment)
{
    if (m->is_cles)
        return rank_sum_superiority(experiment->v, experiment->n, control->v, control->n);
    double c = mean_of(control), e = mean_of(experiment);
    return c == 0 || e == 0 ? NAN : e / c;
}

/* An effect that there is none of does not stand in the way. */
static bool reaches(double effect, double bound)
{
    return isnan(effect) || effect >= bound;
}

static bool falls_to(double effect, double bound)
{
    return isnan(effect) || effect <= bound;
}

static void compare(struct arena *arena, const struct kayenta_metric *m, const struct side *control,
                    const struct side *experiment, double tolerance, struct kayenta_answer *a)
{
    struct rank_sum r;
    if (!rank_sum_interval(experiment->v, experiment->n, control->v, control->n, tolerance, &r,
                           NULL)) {
        a->class = KAYENTA_ERROR;
        a->reason = "Metric Classification Failed";
        return;
    }
    double band = BAND * fabs(r.estimate);
    a->effect = effect_of(m, control, experiment);
    if (m->up_is_bad && r.lower > band && reaches(a->effect, m->allowed_increase)) {
        a->class = KAYENTA_HIGH;
        a->critical = m->critical && reaches(a->effect, m->critical_increase);
    } else if (m->down_is_bad && r.upper < -band && falls_to(a->effect, m->allowed_decrease)) {
        a->class = KAYENTA_LOW;
        a->critical = m->critical && falls_to(a->effect, m->critical_decrease);
    }
    if (a->class != KAYENTA_PASS)
        a->reason = a->critical
                        ? arena_printf(arena, "The metric %s was classified as %s (Critical)",
                                       m->name, kayenta_class_name(a->class))
                        : arena_printf(arena, "%s was classified as %s", m->name,
                                       kayenta_class_name(a->class));
}

static void without_data(struct arena *arena, const struct kayenta_metric *m,
                         struct kayenta_answer *a)
{
    if (m->zero_for_missing)
        return;
    a->reason = arena_printf(arena, "Missing data for %s", m->name);
    a->class = m->must_have_data && !m->critical ? KAYENTA_NODATA_FAIL : KAYENTA_NODATA;
    a->critical = m->critical;
}

struct kayenta_answer kayenta_classify(struct arena *arena, const struct kayenta_metric *m,
                                       double tolerance)
{
    struct kayenta_answer a = {.class = KAYENTA_PASS, .effect = 1};
    struct side control = clean(arena, m->control, m->zero_for_missing);
    struct side experiment = clean(arena, m->experiment, m->zero_for_missing);
    if (m->drops_outliers) {
        drop_outliers(&control, m->outlier_factor);
        drop_outliers(&experiment, m->outlier_factor);
    }
    a.control = stats_of(&control);
    a.experiment = stats_of(&experiment);
    if (control.n == 0 || experiment.n == 0) {
        without_data(arena, m, &a);
        return a;
    }
    if (are_equal(&control, &experiment)) {
        a.reason = "The Canary and Baseline data are identical";
        return a;
    }
    if (is_constant(&control) && is_constant(&experiment)) {
        if (control.v[0] == experiment.v[0])
            return a;
        unsettle(&control, 1);
        unsettle(&experiment, 2);
    }
    compare(arena, m, &control, &experiment, tolerance, &a);
    return a;
}

/* --- Score --- */

static struct kayenta_group *group_of(struct kayenta_score *s, const char *name)
{
    for (size_t i = 0; i < s->n_groups; i++) {
        if (strcmp(s->groups[i].name, name) == 0)
            return &s->groups[i];
    }
    s->groups[s->n_groups] = (struct kayenta_group){.name = name, .weight = NAN};
    return &s->groups[s->n_groups++];
}

struct tally {
    double passed, counted;
};

static void tally_groups(struct arena *arena, struct kayenta_score *s,
                         const struct kayenta_metric *metrics, const struct kayenta_answer *answers,
                         size_t n)
{
    size_t most = 0;
    for (size_t i = 0; i < n; i++)
        most += metrics[i].n_groups;
    struct tally *tallies = ARENA_ARRAY(arena, struct tally, most);
    s->groups = ARENA_ARRAY(arena, struct kayenta_group, most);
    for (size_t i = 0; i < n; i++) {
        for (size_t g = 0; !metrics[i].muted && g < metrics[i].n_groups; g++) {
            struct tally *t = &tallies[group_of(s, metrics[i].groups[g]) - s->groups];
            enum kayenta_class class = answers[i].class;
            t->passed += class == KAYENTA_PASS;
            t->counted += class != KAYENTA_NODATA && class != KAYENTA_ERROR;
        }
    }
    for (size_t g = 0; g < s->n_groups; g++) {
        s->groups[g].has_data = tallies[g].counted > 0;
        s->groups[g].score =
            s->groups[g].has_data ? tallies[g].passed / tallies[g].counted * 100 : 0;
    }
}

/* Groups that the configuration does not weigh share what the others leave of 100. */
static double weighted_sum(const struct kayenta_score *s, const struct kayenta_weight *weights,
                           size_t n_weights)
{
    double given = 0, sum = 0, others = 0;
    for (size_t i = 0; i < n_weights; i++) {
        given += weights[i].percent;
        for (size_t g = 0; g < s->n_groups; g++) {
            if (strcmp(s->groups[g].name, weights[i].group) == 0)
                s->groups[g].weight = weights[i].percent;
        }
    }
    for (size_t g = 0; g < s->n_groups; g++)
        others += isnan(s->groups[g].weight) ? 1 : 0;
    for (size_t g = 0; g < s->n_groups; g++) {
        const struct kayenta_group *group = &s->groups[g];
        double weight = isnan(group->weight) ? (100 - given) / others : group->weight;
        sum += (group->has_data ? group->score : 100) * (weight / 100);
    }
    return sum;
}

/* Half away from zero on the shortest decimal, as Java's BigDecimal does it: 33.335 is 33.34,
 * though the double lies under it. */
static double two_places(double v)
{
    struct buf text = BUF_INIT;
    num_add_double(&text, v);
    char *point = strchr(text.p, '.');
    if (point && strlen(point) > 3) {
        bool up = point[3] >= '5';
        point[3] = '\0';
        v = round(strtod(text.p, NULL) * 100 + (up ? 1 : 0)) / 100;
    }
    buf_release(&text);
    return v;
}

static bool is_critical_failure(const struct kayenta_metric *m, const struct kayenta_answer *a)
{
    return !m->muted && a->critical && a->class != KAYENTA_PASS;
}

/* Why the score is 0 whatever the groups say; NULL = it is not. */
static const char *failed_by_rule(struct arena *arena, const struct kayenta_metric *metrics,
                                  const struct kayenta_answer *answers, size_t n)
{
    double heard = 0, nodata = 0;
    for (size_t i = 0; i < n; i++) {
        if (is_critical_failure(&metrics[i], &answers[i]))
            return arena_printf(arena, "Canary Failed: %s", answers[i].reason);
        heard += metrics[i].muted ? 0 : 1;
        nodata += !metrics[i].muted && answers[i].class == KAYENTA_NODATA ? 1 : 0;
    }
    if (heard > 0 && nodata / heard * 100 >= NODATA_LIMIT)
        return arena_printf(arena, "Canary Failed: %d%% or more metrics returned NODATA",
                            NODATA_LIMIT);
    return NULL;
}

struct kayenta_score kayenta_score(struct arena *arena, const struct kayenta_metric *metrics,
                                   const struct kayenta_answer *answers, size_t n,
                                   const struct kayenta_weight *weights, size_t n_weights,
                                   double pass, double marginal)
{
    struct kayenta_score s = {0};
    tally_groups(arena, &s, metrics, answers, n);
    s.reason = failed_by_rule(arena, metrics, answers, n);
    s.score = s.reason ? 0 : two_places(weighted_sum(&s, weights, n_weights));
    s.class = s.score >= pass ? "Pass" : s.score >= marginal ? "Marginal" : "Fail";
    return s;
}
