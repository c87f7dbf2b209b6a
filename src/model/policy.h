/* policy.h -- what a team wrote: rollout and gate policies after validation. decide/ sees only
 * this, never YAML. Durations in milliseconds, weights in percent of traffic on the canary, ratios
 * as fractions. Strings and arrays belong to the arena of whoever made the policy. */
#ifndef CQED_MODEL_POLICY_H
#define CQED_MODEL_POLICY_H

#include "base/arena.h"
#include "codec/digest.h"
#include "codec/json.h"

#include <stdbool.h>
#include <stdint.h>

/* X(enumerator, name). Order matters: a higher level may do more by itself. */
#define AUTOMATION_LEVELS(X)                                                                       \
    X(AUTOMATION_ADVISORY, "advisory") /* says what it would do */                                 \
    X(AUTOMATION_APPROVE, "approve")   /* asks a human */                                          \
    X(AUTOMATION_FULL, "full")         /* acts */

enum automation {
#define X(code, name) code,
    AUTOMATION_LEVELS(X)
#undef X
};

/* What the policy does on an evidence state. */
#define POLICY_RESPONSES(X)                                                                        \
    X(RESPOND_HOLD, "hold")         /* stay at this exposure, keep judging */                      \
    X(RESPOND_PAUSE, "pause")       /* stay until a human or returning evidence resumes */         \
    X(RESPOND_ROLLBACK, "rollback") /* exposure to 0 */

enum policy_response {
#define X(code, name) code,
    POLICY_RESPONSES(X)
#undef X
};

const char *automation_name(enum automation);
bool automation_parse(const char *, enum automation *out);
const char *policy_response_name(enum policy_response);
bool policy_response_parse(const char *, enum policy_response *out);

struct rollout_step {
    double weight_pct;
    int64_t hold_ms;
};

#define CHECK_MAX_FAILURES 1000

#define KAYENTA_LEAST_MS 60000

/* What Kayenta's judge is asked of a canary configuration; no error rate is stated for it. */
struct kayenta_spec {
    const char *config;    /* its id; NULL = this check is another one */
    const char *location;  /* what templates say ${location} for; "" */
    int64_t every_ms;      /* judged each time so much more of the canary was seen */
    double pass, marginal; /* scores from which it is so, of 100 */
};

/* One line of `evidence:`. An SLO compared between arms (rollouts) or held against its own target
 * (gates); a gauge compared between arms; or a PromQL query held against limits, or against
 * `factor` times what it says of stable: a threshold, whose error rate nobody controls. */
struct check_spec {
    const char *name;    /* given, or the SLO's name, or "query-1" */
    const char *slo;     /* NULL for a query */
    bool against_stable; /* compare canary with stable */
    double tolerate;     /* how much worse in points of the bad ratio still counts as healthy */
    bool is_rate;        /* the SLO's total is exposure, which does not limit its bad events */
    const char *query;   /* NULL for an SLO; {{canary}}, {{stable}}, {{service}} are replaced */
    const char *source;  /* which of telemetry.sources a query asks; NULL = the embedded store */
    const char *gauge;   /* PromQL of one arm, {{version}}; a value an instance; else NULL */
    double below, above; /* the value must be < below and > above; NaN = not asked */
    double factor;       /* a query of {{version}}: the canary's value must be < factor times
                            stable's; 0 = not asked */
    int failures;        /* so many times in a row, a bucket apart, before it fails; 0 = at once */
    struct kayenta_spec kayenta;
    bool critical; /* true unless the policy says false */
};

/* The actuator, as its own file in enforce/ reads it. */
struct traffic_spec {
    const char *kind;     /* "haproxy", "webhook" */
    const json_t *config; /* the mapping under traffic.<kind> */
    int64_t timeout_ms;   /* for a weight to be observed; 30 s */
};

struct approvals_spec {
    const double *before_pct; /* weights that need approval before they are applied */
    size_t n_before;
    int need;       /* distinct approvers */
    int64_t ttl_ms; /* an unanswered request expires; 1 h */
};

struct rollout_policy {
    const char *name;
    const char *service;
    enum automation automation;
    const char *cohort_label; /* "version" */
    const char *baseline;     /* the label's value of stable's fresh instances beside the canary;
                                 {{stable}} is replaced; NULL = there are none */
    struct traffic_spec traffic;
    const struct rollout_step *steps;
    size_t n_steps;
    const struct check_spec *checks;
    size_t n_checks;
    double false_rollback;  /* alpha over all checks and looks together; 0.05 */
    double missed_harm;     /* beta of each promotion; 0.05 */
    double dispersion;      /* variance of event counts over binomial; NaN = learned, else 2 */
    int64_t warmup_ms;      /* so long a new version may be worse, fading; 0 = not */
    int64_t bucket_ms;      /* judging bucket; 5 s */
    const char *budget_slo; /* NULL = none */
    double budget_keep;
    int64_t max_age_ms; /* telemetry older than this is blind; 60 s */
    enum policy_response on_fail, on_insufficient, on_blind, on_error;
    int64_t deadline_ms;              /* 2 h; 0 = none */
    enum policy_response on_deadline; /* pause unless given */
    int quorum;                       /* failing checks for an automatic rollback; 1 */
    int64_t bake_ms;                  /* at 100% before `succeeded`; the last step's hold */
    struct approvals_spec approvals;
    const char *path; /* where it was defined */
    int line;
};

struct gate_policy {
    const char *name;
    const char *service;
    const struct check_spec *checks;
    size_t n_checks;
    int64_t window_ms; /* how far back SLO checks look; 5 min */
    const char *budget_slo;
    double budget_keep;
    int64_t max_age_ms;
    const char *path;
    int line;
};

/* The policy as canonical data: what a decision record holds and replays from. path and line are
 * not part of it. */
json_t *rollout_policy_to_json(struct arena *, const struct rollout_policy *);
struct rollout_policy *rollout_policy_from_json(struct arena *, const json_t *, struct err *);
json_t *gate_policy_to_json(struct arena *, const struct gate_policy *);
struct gate_policy *gate_policy_from_json(struct arena *, const json_t *, struct err *);
struct sha256 policy_digest(const json_t *policy); /* of the canonical bytes */

#endif
