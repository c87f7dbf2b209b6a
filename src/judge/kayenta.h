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

#endif
