/* kayenta_rules.h -- NetflixACAJudge's rules on numbers: one metric classified, many scored.
 *
 *     values -> missing ones out (or 0) -> outliers out -> short cuts -> rank-sum interval
 *            -> Pass, High, Low, Nodata, NodataFailMetric or Error
 *
 * High: the interval of the shift is above a quarter of its own estimate and the effect reaches
 * what is allowed; Low mirrors it. A group's score is its share of passing metrics; the canary's
 * the weighted sum, 0 when a critical metric fails or half of them have no data. Private to judge/.
 * Source: spinnaker/kayenta at a69573b: MannWhitneyClassifier, IQRDetector, WeightedSumScorer. */
#ifndef CQED_JUDGE_KAYENTA_RULES_H
#define CQED_JUDGE_KAYENTA_RULES_H

#include "base/arena.h"

#include <stdbool.h>
#include <stddef.h>

#define KAYENTA_CLASSES(X)                                                                         \
    X(KAYENTA_PASS, "Pass")                                                                        \
    X(KAYENTA_HIGH, "High")                                                                        \
    X(KAYENTA_LOW, "Low")                                                                          \
    X(KAYENTA_NODATA, "Nodata")                                                                    \
    X(KAYENTA_NODATA_FAIL, "NodataFailMetric")                                                     \
    X(KAYENTA_ERROR, "Error") /* no interval could be computed */

enum kayenta_class {
#define X(code, name) code,
    KAYENTA_CLASSES(X)
#undef X
};

const char *kayenta_class_name(enum kayenta_class);

/* What differs between two tolerances of the root search; Kayenta's is 1e-4, absolutely. */
#define KAYENTA_TOLERANCE 1e-4

/* In time order; NaN is missing. */
struct kayenta_values {
    const double *v;
    size_t n;
};

struct kayenta_metric {
    const char *name;
    bool up_is_bad, down_is_bad; /* direction: increase, decrease or either */
    bool zero_for_missing;       /* nanStrategy: replace */
    bool drops_outliers;
    double outlier_factor; /* interquartile ranges outside the quartiles */
    bool critical, must_have_data, muted;
    bool is_cles; /* effect: the share of pairs in which the canary is over; else ratio of means */
    double allowed_increase, allowed_decrease;
    double critical_increase, critical_decrease;
    size_t n_groups;
    const char *const *groups;
    struct kayenta_values control, experiment;
};

/* Of the values that were judged. */
struct kayenta_stats {
    double min, max, mean, std;
    size_t count;
};

struct kayenta_answer {
    enum kayenta_class class;
    const char *reason; /* or NULL */
    bool critical;      /* unless Pass, it fails the canary by itself */
    double effect;      /* NaN: a mean is 0, there is no ratio */
    struct kayenta_stats control, experiment;
};

struct kayenta_answer kayenta_classify(struct arena *, const struct kayenta_metric *,
                                       double tolerance);

struct kayenta_group {
    const char *name;
    double weight; /* percent; NaN = it has none of its own */
    bool has_data;
    double score; /* percent of its metrics that pass */
};

struct kayenta_score {
    double score;       /* percent, to two places */
    const char *class;  /* "Pass", "Marginal", "Fail" */
    const char *reason; /* or NULL */
    size_t n_groups;
    struct kayenta_group *groups;
};

struct kayenta_weight {
    const char *group;
    double percent;
};

struct kayenta_score kayenta_score(struct arena *, const struct kayenta_metric *,
                                   const struct kayenta_answer *, size_t n,
                                   const struct kayenta_weight *, size_t n_weights, double pass,
                                   double marginal);

/* What cQED says of the same values. */
struct kayenta_beside {
    const char *verdict; /* pass, fail or insufficient */
    const char *sentence;
    size_t n_doubts; /* of Kayenta's classification */
    const char **doubts;
};

struct kayenta_beside kayenta_beside(struct arena *, const struct kayenta_metric *,
                                     const struct kayenta_answer *);

#endif
