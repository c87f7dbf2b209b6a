/* kayenta.h -- Kayenta's NetflixACAJudge-v1.0 for those who come from it: the same classifications
 * and scores from the same canary configuration, what is known to be wrong in it included, and
 * beside each of them what cQED's own judge says of the same values and why Kayenta's word is to be
 * doubted. A second face of judge/; pure. Source: spinnaker/kayenta, kayenta-judge; its rules in
 * our words: docs/manual/judge.md. */
#ifndef CQED_JUDGE_KAYENTA_H
#define CQED_JUDGE_KAYENTA_H

#include "codec/json.h"

#define KAYENTA_JUDGE "NetflixACAJudge-v1.0"

/* Bounds of one request: beyond them ERR_LIMIT. */
#define KAYENTA_MAX_METRICS 10000
#define KAYENTA_MAX_VALUES 100000 /* a side of a metric */

/* The body of RemoteJudge's POST /judge, {"canaryConfig": {...}, "scoreThresholds": {"pass": 95,
 * "marginal": 75}, "metricSetPairList": [{"name": ..., "values": {"control": [...], "experiment":
 * [...]}}]}, answered with a CanaryJudgeResult. A value that is missing is null or "NaN". NULL with
 * ERR_BAD_INPUT naming the place. Both belong to the arena. */
json_t *kayenta_judge(struct arena *, const json_t *request, struct err *);

/* One side of a comparison as Kayenta's callers name it: what the templates of queries say
 * ${scope}, ${location} and ${KEY} of extendedScopeParams for. */
struct kayenta_scope {
    const char *scope;
    const char *location;
    const json_t *extended; /* object of texts, or NULL */
};

/* The PromQL of one metric of a canary configuration (query.type prometheus): customInlineTemplate
 * (with or without "PromQL:" in front), or metricName with labelBindings and the
 * customFilterTemplate that it names. ERR_BAD_INPUT names the metric and what is missing or not
 * known. */
MUST_CHECK bool kayenta_query(struct arena *, const json_t *config, const json_t *metric,
                              const struct kayenta_scope *, struct str *out, struct err *);

/* What every canary configuration must have: a name and metrics whose queries can be built. */
MUST_CHECK bool kayenta_check_config(struct arena *, const json_t *config, struct err *);

#endif
