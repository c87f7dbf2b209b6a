/* evidence.h -- what was seen and what it shows: one `struct evidence` a check, one `struct
 * snapshot` a decision. The same structure serves rollouts, gates, the ledger, the API and the UI,
 * and is stored as it was judged. Strings are arena memory. */
#ifndef CQED_MODEL_EVIDENCE_H
#define CQED_MODEL_EVIDENCE_H

#include "base/arena.h"
#include "codec/json.h"

#include <stdbool.h>
#include <stdint.h>

/* The five states, in rising order of attention; never folded into one another. X(enumerator, name)
 */
#define EVIDENCE_STATES(X)                                                                         \
    X(EVIDENCE_PASS, "pass")                 /* shown to be within tolerance */                    \
    X(EVIDENCE_INSUFFICIENT, "insufficient") /* nothing wrong seen, not proven yet */              \
    X(EVIDENCE_BLIND, "blind")               /* telemetry missing, stale or impossible */          \
    X(EVIDENCE_ERROR, "error")               /* the question itself is broken */                   \
    X(EVIDENCE_FAIL, "fail")                 /* harm shown at the configured error rate */

enum evidence_state {
#define X(code, name) code,
    EVIDENCE_STATES(X)
#undef X
};

const char *evidence_state_name(enum evidence_state);
bool evidence_state_parse(const char *name, enum evidence_state *out);

/* X(enumerator, name): what kind of question a check asks. */
#define EVIDENCE_KINDS(X)                                                                          \
    X(EVIDENCE_RATIO, "ratio")     /* bad events of two arms */                                    \
    X(EVIDENCE_LATENCY, "latency") /* latency histograms of two arms */                            \
    X(EVIDENCE_QUERY, "query")     /* a PromQL value against a limit */                            \
    X(EVIDENCE_SLO, "slo")         /* one service's SLI against its own target (gates) */          \
    X(EVIDENCE_BUDGET, "budget")   /* remaining error budget against `keep` */                     \
    X(EVIDENCE_TRAFFIC, "traffic") /* measured split against the configured one */                 \
    X(EVIDENCE_GAUGE, "gauge")     /* a gauge of two arms */                                       \
    X(EVIDENCE_RATE, "rate")       /* events of two arms per exposure */                           \
    X(EVIDENCE_KAYENTA, "kayenta") /* the score of Kayenta's judge */

enum evidence_kind {
#define X(code, name) code,
    EVIDENCE_KINDS(X)
#undef X
};

const char *evidence_kind_name(enum evidence_kind);

/* One arm's counts since the comparison began. */
struct arm_counts {
    double total; /* events */
    double bad;   /* of them bad (over the SLO's threshold for latency) */
};

/* All numbers may be NaN where they do not apply or are not known; NaN never makes a verdict. */
struct evidence {
    const char *check; /* the check's name in the policy, e.g. "payments-availability" */
    enum evidence_kind kind;
    enum evidence_state state;
    bool critical; /* non-critical checks inform only */

    const char *unit; /* of effect, low, high, tolerate, value: "ratio", "seconds", "1", ... */
    double effect;    /* canary minus stable, or the query's value */
    double low, high; /* its interval, valid at any time (see judge.h) */
    double tolerate;  /* the margin, or the limit it is held against */
    struct arm_counts stable, canary;
    const char *against; /* the cohort that the canary is compared with, where the policy names a
                            baseline: its or stable's; NULL = no baseline is named */
    double harm_log_e;   /* ln of the e-value against "no harm"; fail at or above harm_log_limit */
    double harm_log_limit;
    double minimum_detectable_effect; /* same unit as effect, at the present sample sizes */
    double dispersion;                /* that tempered the counts, >= 1; 0 = no arms are compared */
    int64_t learned_ms;  /* of history that the dispersion was learned from; 0 = given or assumed */
    int64_t since_ms;    /* when what `effect` is about began; 0 = no arms are compared */
    int64_t unknown_ms;  /* of it in which counters could not be; not counted */
    bool uncontrolled;   /* a limit held against a value: no error rate is stated for it */
    int64_t fresh_ms;    /* age of the oldest source it rests on; -1 = never seen */
    int64_t observed_ms; /* how long the arms have been compared */

    const char *query;    /* exactly what was asked: PromQL or the SLI's selectors */
    const char *code;     /* stable reason code: "harm_shown", "stale", "no_traffic", ... */
    const char *sentence; /* the verdict in words, with numbers */
    const char
        *would_change; /* what would change it: "about 40 more canary requests without an error" */
};

/* What the actuator and telemetry say about exposure. Percent of traffic on the canary. */
struct exposure {
    bool known;          /* false: could not be observed; error says why */
    double observed_pct; /* as the actuator reports it */
    double measured_pct; /* from telemetry; NaN when there is none yet */
    bool capacity_ok;    /* stable can take all traffic */
    int64_t at_ms;
    const char *error; /* "" when known */
};

/* What people should know before traffic moves; it forbids nothing. */
struct notice {
    const char *code; /* stable: "forecast_doubling_unseen", ... */
    const char *sentence;
};

/* Everything one decision rests on. */
struct snapshot {
    int64_t at_ms;
    const struct evidence *checks;
    size_t n_checks;
    struct exposure exposure;
    double harm_log_e;        /* of all critical comparisons together */
    double harm_log_limit;    /* 0 = there are none */
    double budget_remaining;  /* 0..1 of the policy's budget SLO; NaN when none is named or known */
    int64_t telemetry_age_ms; /* the oldest source any check rests on; -1 = nothing ever seen */
    const char *anomaly;      /* how the service departs from its own past; NULL = it does not */
    const struct notice *notices; /* before the start */
    size_t n_notices;
};

/* JSON as the API, the UI and the ledger show it (camelCase keys; docs/manual/api.md). Reading
 * accepts exactly what writing made; NULL/false with ERR_BAD_INPUT otherwise. The arena owns the
 * values. */
json_t *evidence_to_json(struct arena *, const struct evidence *);
bool evidence_from_json(struct arena *, const json_t *, struct evidence *out, struct err *);
json_t *snapshot_to_json(struct arena *, const struct snapshot *);
bool snapshot_from_json(struct arena *, const json_t *, struct snapshot *out, struct err *);

/* The state that needs attention most among the critical checks; PASS when there are none. */
enum evidence_state snapshot_worst(const struct snapshot *);

#endif
