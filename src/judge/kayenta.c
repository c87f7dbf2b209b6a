/* Kayenta's JSON: canary configurations in, CanaryJudgeResults out. What is absent has Kayenta's
 * default; what is there and of another type is an error that names the place. */
#include "judge/kayenta.h"

#include "judge/kayenta_rules.h"

#include <math.h>
#include <string.h>

#define DEFAULT_OUTLIER_FACTOR 3.0

struct request {
    struct kayenta_metric *metrics;
    struct kayenta_answer *answers;
    const json_t **pairs; /* of the request, one a metric */
    size_t n;
    struct kayenta_weight *weights;
    size_t n_weights;
    double pass, marginal;
    const char *judge_name;
};

/* --- Reading --- */

static bool take_number(const json_t *object, const char *key, const char *place, double *out,
                        struct err *err)
{
    const json_t *v = json_object_get(object, key);
    if (!v || json_is_null(v))
        return true;
    if (!json_is_number(v))
        return err_set(err, ERR_BAD_INPUT, "%s.%s must be a number", place, key);
    *out = json_number_value(v);
    return true;
}

static bool take_bool(const json_t *object, const char *key, const char *place, bool *out,
                      struct err *err)
{
    const json_t *v = json_object_get(object, key);
    if (!v || json_is_null(v))
        return true;
    if (!json_is_boolean(v))
        return err_set(err, ERR_BAD_INPUT, "%s.%s must be true or false", place, key);
    *out = json_is_true(v);
    return true;
}

static bool is_text(const json_t *object, const char *key, const char *text)
{
    const char *v = json_get_cstr(object, key, "");
    return strcmp(v, text) == 0;
}

static bool read_effect(const json_t *effect, const char *place, struct kayenta_metric *m,
                        struct err *err)
{
    m->is_cles = is_text(effect, "measure", "cles");
    double none = m->is_cles ? 0.5 : 1;
    m->allowed_increase = m->allowed_decrease = none;
    m->critical_increase = m->critical_decrease = none;
    return take_number(effect, "allowedIncrease", place, &m->allowed_increase, err) &&
           take_number(effect, "allowedDecrease", place, &m->allowed_decrease, err) &&
           take_number(effect, "criticalIncrease", place, &m->critical_increase, err) &&
           take_number(effect, "criticalDecrease", place, &m->critical_decrease, err);
}

static bool read_groups(struct arena *arena, const json_t *config, struct kayenta_metric *m,
                        struct err *err)
{
    const json_t *groups = json_object_get(config, "groups");
    size_t n = json_array_size(groups);
    const char **names = ARENA_ARRAY(arena, const char *, n);
    if (groups && !json_is_array(groups) && !json_is_null(groups))
        return err_set(err, ERR_BAD_INPUT, "metric \"%s\": groups must be a list", m->name);
    for (size_t i = 0; i < n; i++) {
        names[i] = json_string_value(json_array_get(groups, i));
        if (!names[i])
            return err_set(err, ERR_BAD_INPUT, "metric \"%s\": groups[%zu] must be text", m->name,
                           i);
    }
    m->groups = names;
    m->n_groups = n;
    return true;
}

/* analysisConfigurations.canary of one metric. */
static bool read_metric(struct arena *arena, const json_t *config, struct kayenta_metric *m,
                        struct err *err)
{
    const json_t *canary =
        json_object_get(json_object_get(config, "analysisConfigurations"), "canary");
    const json_t *outliers = json_object_get(canary, "outliers");
    const char *place =
        arena_printf(arena, "metric \"%s\": analysisConfigurations.canary", m->name);
    m->up_is_bad = !is_text(canary, "direction", "decrease");
    m->down_is_bad = !is_text(canary, "direction", "increase");
    m->zero_for_missing = is_text(canary, "nanStrategy", "replace");
    m->drops_outliers = is_text(outliers, "strategy", "remove");
    m->outlier_factor = DEFAULT_OUTLIER_FACTOR;
    return take_bool(canary, "critical", place, &m->critical, err) &&
           take_bool(canary, "mustHaveData", place, &m->must_have_data, err) &&
           take_bool(canary, "muted", place, &m->muted, err) &&
           take_number(outliers, "outlierFactor", place, &m->outlier_factor, err) &&
           read_effect(json_object_get(canary, "effectSize"), place, m, err) &&
           read_groups(arena, config, m, err);
}

static const json_t *metric_called(const json_t *config, const char *name)
{
    const json_t *metrics = json_object_get(config, "metrics");
    for (size_t i = 0; i < json_array_size(metrics); i++) {
        const json_t *metric = json_array_get(metrics, i);
        if (is_text(metric, "name", name))
            return metric;
    }
    return NULL;
}

/* Jackson writes "NaN" and "Infinity" as text. */
static bool read_value(const json_t *v, double *out)
{
    if (json_is_number(v)) {
        *out = json_number_value(v);
        return true;
    }
    *out = NAN;
    const char *text = json_string_value(v);
    return json_is_null(v) || (text && (strcmp(text, "NaN") == 0 || strcmp(text, "Infinity") == 0 ||
                                        strcmp(text, "-Infinity") == 0));
}

static bool read_values(struct arena *arena, const json_t *pair, size_t index, const char *side,
                        struct kayenta_values *out, struct err *err)
{
    const json_t *list = json_object_get(json_object_get(pair, "values"), side);
    size_t n = json_array_size(list);
    double *v = ARENA_ARRAY(arena, double, n < KAYENTA_MAX_VALUES ? n : 0);
    if (!json_is_array(list))
        return err_set(err, ERR_BAD_INPUT, "metricSetPairList[%zu].values.%s must be a list", index,
                       side);
    if (n >= KAYENTA_MAX_VALUES)
        return err_set(err, ERR_LIMIT,
                       "metricSetPairList[%zu].values.%s has %zu values, %d are "
                       "too many",
                       index, side, n, KAYENTA_MAX_VALUES);
    for (size_t i = 0; i < n; i++) {
        if (!read_value(json_array_get(list, i), &v[i]))
            return err_set(
                err, ERR_BAD_INPUT,
                "metricSetPairList[%zu].values.%s[%zu] must be a number, null or \"NaN\"", index,
                side, i);
    }
    *out = (struct kayenta_values){v, n};
    return true;
}

static bool read_pair(struct arena *arena, const json_t *config, struct request *r, size_t index,
                      struct err *err)
{
    const json_t *pair = r->pairs[index];
    struct kayenta_metric *m = &r->metrics[index];
    const char *name = json_string_value(json_object_get(pair, "name"));
    if (!name)
        return err_set(err, ERR_BAD_INPUT, "metricSetPairList[%zu] has no name", index);
    const json_t *metric = metric_called(config, name);
    if (!metric)
        return err_set(err, ERR_BAD_INPUT,
                       "metricSetPairList[%zu]: canaryConfig has no metric \"%s\"", index, name);
    m->name = name;
    return read_metric(arena, metric, m, err) &&
           read_values(arena, pair, index, "control", &m->control, err) &&
           read_values(arena, pair, index, "experiment", &m->experiment, err);
}

static bool read_weights(struct arena *arena, const json_t *config, struct request *r,
                         struct err *err)
{
    const json_t *weights = json_object_get(json_object_get(config, "classifier"), "groupWeights");
    void *at = json_object_iter((json_t *)(uintptr_t)weights);
    r->weights = ARENA_ARRAY(arena, struct kayenta_weight, json_object_size(weights));
    for (; at; at = json_object_iter_next((json_t *)(uintptr_t)weights, at)) {
        const char *group = json_object_iter_key(at);
        if (!json_is_number(json_object_iter_value(at)))
            return err_set(err, ERR_BAD_INPUT,
                           "canaryConfig.classifier.groupWeights.%s must be a number", group);
        r->weights[r->n_weights++] =
            (struct kayenta_weight){group, json_number_value(json_object_iter_value(at))};
    }
    return true;
}

static bool read_thresholds(const json_t *request, struct request *r, struct err *err)
{
    const json_t *thresholds = json_object_get(request, "scoreThresholds");
    r->pass = r->marginal = NAN;
    if (!take_number(thresholds, "pass", "scoreThresholds", &r->pass, err) ||
        !take_number(thresholds, "marginal", "scoreThresholds", &r->marginal, err))
        return false;
    if (isnan(r->pass) || isnan(r->marginal))
        return err_set(err, ERR_BAD_INPUT, "scoreThresholds.pass and .marginal must be given");
    return true;
}

static bool read_request(struct arena *arena, const json_t *request, struct request *r,
                         struct err *err)
{
    const json_t *config = json_object_get(request, "canaryConfig");
    const json_t *pairs = json_object_get(request, "metricSetPairList");
    if (!json_is_object(config))
        return err_set(err, ERR_BAD_INPUT, "canaryConfig must be an object");
    if (!json_is_array(pairs))
        return err_set(err, ERR_BAD_INPUT, "metricSetPairList must be a list");
    *r = (struct request){.n = json_array_size(pairs)};
    if (r->n > KAYENTA_MAX_METRICS)
        return err_set(err, ERR_LIMIT, "metricSetPairList has %zu metrics, the limit is %d", r->n,
                       KAYENTA_MAX_METRICS);
    r->judge_name = json_get_cstr(json_object_get(config, "judge"), "name", KAYENTA_JUDGE);
    r->metrics = ARENA_ARRAY(arena, struct kayenta_metric, r->n);
    r->answers = ARENA_ARRAY(arena, struct kayenta_answer, r->n);
    r->pairs = ARENA_ARRAY(arena, const json_t *, r->n);
    for (size_t i = 0; i < r->n; i++) {
        r->pairs[i] = json_array_get(pairs, i);
        if (!read_pair(arena, config, r, i, err))
            return false;
    }
    return read_thresholds(request, r, err) && read_weights(arena, config, r, err);
}

/* --- Writing --- */

static void set(json_t *object, const char *key, json_t *value)
{
    CHECK(json_object_set_new(object, key, value) == 0);
}

static json_t *text_or_null(const char *text)
{
    return text ? json_string_nocheck(text) : json_null();
}

static json_t *stats_to_json(const struct kayenta_stats *s)
{
    json_t *stats = json_object(), *out = json_object();
    set(stats, "count", json_integer((json_int_t)s->count));
    set(stats, "mean", json_from_double(s->mean));
    set(stats, "min", json_from_double(s->min));
    set(stats, "max", json_from_double(s->max));
    set(stats, "std", json_from_double(s->std));
    set(out, "stats", stats);
    return out;
}

static json_t *beside_to_json(const struct kayenta_beside *b)
{
    json_t *out = json_object(), *doubts = json_array();
    for (size_t i = 0; i < b->n_doubts; i++)
        CHECK(json_array_append_new(doubts, json_string_nocheck(b->doubts[i])) == 0);
    set(out, "verdict", json_string_nocheck(b->verdict));
    set(out, "sentence", json_string_nocheck(b->sentence));
    set(out, "doubts", doubts);
    return out;
}

static json_t *metric_to_json(struct arena *arena, const struct request *r, size_t i)
{
    const struct kayenta_metric *m = &r->metrics[i];
    const struct kayenta_answer *a = &r->answers[i];
    struct kayenta_beside beside = kayenta_beside(arena, m, a);
    json_t *out = json_object(), *groups = json_array(), *metadata = json_object();
    const json_t *tags = json_object_get(r->pairs[i], "tags");
    for (size_t g = 0; g < m->n_groups; g++)
        CHECK(json_array_append_new(groups, json_string_nocheck(m->groups[g])) == 0);
    set(metadata, "ratio", json_from_double(a->effect));
    set(metadata, "cqed", beside_to_json(&beside));
    set(out, "name", json_string_nocheck(m->name));
    set(out, "id", text_or_null(json_string_value(json_object_get(r->pairs[i], "id"))));
    set(out, "tags", tags ? json_deep_copy(tags) : json_object());
    set(out, "classification", json_string_nocheck(kayenta_class_name(a->class)));
    set(out, "classificationReason", text_or_null(a->reason));
    set(out, "groups", groups);
    set(out, "experimentMetadata", stats_to_json(&a->experiment));
    set(out, "controlMetadata", stats_to_json(&a->control));
    set(out, "resultMetadata", metadata);
    set(out, "critical", json_boolean(a->critical));
    set(out, "muted", json_boolean(m->muted));
    return out;
}

static json_t *score_to_json(double score, const char *class, const char *reason)
{
    json_t *out = json_object();
    set(out, "score", json_from_double(score));
    set(out, "classification", json_string_nocheck(class));
    set(out, "classificationReason", json_string_nocheck(reason ? reason : ""));
    return out;
}

json_t *kayenta_judge(struct arena *arena, const json_t *request, struct err *err)
{
    struct request r;
    if (!read_request(arena, request, &r, err))
        return NULL;
    for (size_t i = 0; i < r.n; i++)
        r.answers[i] = kayenta_classify(arena, &r.metrics[i], KAYENTA_TOLERANCE);
    struct kayenta_score s =
        kayenta_score(arena, r.metrics, r.answers, r.n, r.weights, r.n_weights, r.pass, r.marginal);
    json_t *out = json_own(arena, json_object());
    json_t *results = json_array(), *groups = json_array();
    for (size_t i = 0; i < r.n; i++)
        CHECK(json_array_append_new(results, metric_to_json(arena, &r, i)) == 0);
    for (size_t g = 0; g < s.n_groups; g++) {
        json_t *group = score_to_json(s.groups[g].score, "", "");
        set(group, "name", json_string_nocheck(s.groups[g].name));
        CHECK(json_array_append_new(groups, group) == 0);
    }
    set(out, "judgeName", json_string_nocheck(r.judge_name));
    set(out, "results", results);
    set(out, "groupScores", groups);
    set(out, "score", score_to_json(s.score, s.class, s.reason));
    return out;
}
