/* What the page draws of a check. */
#include "daemon/comparison.h"

#include <math.h>

#define CURVE_BUCKETS 5 /* a curve's ratios are over so many buckets */

static double ratio_between(const struct arm_counts *from, const struct arm_counts *to)
{
    double total = to->total - from->total;
    return total > 0 ? (to->bad - from->bad) / total : (double)NAN;
}

static void put_point(json_t *curves, const struct point *from, const struct point *to)
{
    const struct {
        const char *key;
        double v;
    } columns[] = {{"stable", ratio_between(&from->stable, &to->stable)},
                   {"canary", ratio_between(&from->canary, &to->canary)},
                   {"effect", to->effect},
                   {"low", to->low},
                   {"high", to->high},
                   {"logE", to->log_e}};
    (void)json_array_append_new(json_object_get(curves, "t"), json_integer(to->t_ms));
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        (void)json_array_append_new(json_object_get(curves, columns[i].key),
                                    isfinite(columns[i].v) ? json_real(columns[i].v) : json_null());
}

json_t *comparison_curves(const struct comparison *c, struct arena *arena, const char *name)
{
    static const char *const columns[] = {"t", "stable", "canary", "effect", "low", "high", "logE"};
    const struct check *check = NULL;
    for (size_t i = 0; c && i < c->n_checks; i++) {
        if (strcmp(c->checks[i].spec->name, name) == 0)
            check = &c->checks[i];
    }
    if (!check)
        return NULL;
    json_t *curves = json_pack("{s:s, s:s, s:f, s:f}", "check", name, "unit", "ratio", "tolerate",
                               check->spec->tolerate, "logLimit", -log(c->alpha));
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        (void)json_object_set_new(curves, columns[i], json_array());
    size_t n = check->n_points < N_POINTS ? check->n_points : N_POINTS;
    size_t first = check->n_points - n;
    static const struct point zero = {0};
    for (size_t i = first; i < check->n_points; i++) {
        bool whole = i >= first + CURVE_BUCKETS;
        const struct point *from = whole ? &check->points[(i - CURVE_BUCKETS) % N_POINTS]
                                         : (first == 0 ? &zero : &check->points[first % N_POINTS]);
        put_point(curves, from, &check->points[i % N_POINTS]);
    }
    return json_own(arena, curves);
}
