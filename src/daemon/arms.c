/* An arm's counters between two times, from the SLI series that slo/ writes. */
#include "base/num.h"
#include "daemon/comparison.h"

#include <math.h>

static bool select_metric(const struct daemon *d, struct arena *arena, const char *metric,
                          const char *slo, const char *version, int64_t from_ms, int64_t to_ms,
                          struct promql_series **out, size_t *n, struct err *err)
{
    struct matcher m[3];
    return matcher_init(&m[0], arena, MATCH_EQUAL, STR(LABEL_NAME), str_from(metric), err) &&
           matcher_init(&m[1], arena, MATCH_EQUAL, STR("slo"), str_from(slo), err) &&
           matcher_init(&m[2], arena, MATCH_EQUAL, STR("version"), str_from(version), err) &&
           d->source.select(d->source.self, arena, m, 3, from_ms, to_ms, out, n, err);
}

bool select_arm(const struct daemon *d, struct arena *arena, const struct check *check,
                const char *version, int64_t from_ms, int64_t to_ms, struct arm_series *out,
                struct err *err)
{
    const char *slo = check->spec->slo;
    *out = (struct arm_series){0};
    return select_metric(d, arena, "cqed_sli_good_total", slo, version, from_ms, to_ms, &out->good,
                         &out->n_good, err) &&
           select_metric(d, arena, "cqed_sli_total", slo, version, from_ms, to_ms, &out->total,
                         &out->n_total, err) &&
           (!check->is_latency ||
            select_metric(d, arena, "cqed_sli_bucket_total", slo, version, from_ms, to_ms,
                          &out->buckets, &out->n_buckets, err));
}

/* A cumulative series' value at a time. Before its first sample it is what the first one says: a
 * series that really began there begins with a 0. */
static double value_at(const struct promql_series *series, int64_t t_ms)
{
    size_t low = 0, high = series->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (series->samples[middle].t_ms <= t_ms)
            low = middle + 1;
        else
            high = middle;
    }
    return series->samples[low ? low - 1 : 0].v;
}

/* Sums do not begin anew; good events, which are all but the bad, may fall for a moment. */
static double increase(const struct promql_series *series, size_t n, int64_t from_ms, int64_t to_ms)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        if (series[i].n > 0)
            sum += value_at(&series[i], to_ms) - value_at(&series[i], from_ms);
    }
    return sum;
}

struct arm_counts count_arm(const struct arm_series *arm, int64_t from_ms, int64_t to_ms)
{
    double total = increase(arm->total, arm->n_total, from_ms, to_ms);
    double good = increase(arm->good, arm->n_good, from_ms, to_ms);
    return (struct arm_counts){.total = total, .bad = total - good};
}

/* The series' cumulative buckets as events per bucket, in the order of the check's edges. */
void count_buckets(const struct check *check, const struct arm_series *arm, int64_t from_ms,
                   int64_t to_ms, double *out)
{
    double below = 0;
    for (size_t e = 0; e < check->n_edges; e++) {
        double up_to = 0;
        for (size_t i = 0; i < arm->n_buckets; i++) {
            double le;
            struct str text = labels_get(arm->buckets[i].labels, "le");
            if (num_parse_double(text, &le) && le == check->edges[e])
                up_to += increase(&arm->buckets[i], 1, from_ms, to_ms);
        }
        out[e] = fmax(0, up_to - below);
        below = fmax(below, up_to);
    }
}

const struct slo_arm *find_arm(const struct slo_arm *arms, size_t n, const char *version)
{
    for (size_t i = 0; i < n; i++) {
        if (str_is(arms[i].version, version))
            return &arms[i];
    }
    return NULL;
}
