/* rollout.h -- the nouns of a decision: a rollout's state, what people did, what cQED does and why.
 * All of them are data with a JSON form, so that a decision can be stored, shown and asked again.
 */
#ifndef CQED_MODEL_ROLLOUT_H
#define CQED_MODEL_ROLLOUT_H

#include "base/arena.h"
#include "codec/json.h"
#include "model/policy.h"

#include <stdbool.h>
#include <stdint.h>

/* X(enumerator, persisted name). Diagram and transitions: decide/decide.h. */
#define ROLLOUT_STATES(X)                                                                          \
    X(ROLLOUT_WAITING, "waiting")           /* asked for; no exposure yet */                       \
    X(ROLLOUT_PROGRESSING, "progressing")   /* on a step */                                        \
    X(ROLLOUT_PAUSED, "paused")             /* exposure kept, judged, not raised */                \
    X(ROLLOUT_PROMOTING, "promoting")       /* 100% asked for or in bake */                        \
    X(ROLLOUT_SUCCEEDED, "succeeded")       /* final */                                            \
    X(ROLLOUT_ROLLING_BACK, "rolling_back") /* weight 0 asked for, not observed yet */             \
    X(ROLLOUT_ROLLED_BACK, "rolled_back")   /* final */                                            \
    X(ROLLOUT_CANCELLED, "cancelled")       /* final: ended before any exposure */                 \
    X(ROLLOUT_SUPERSEDED, "superseded")     /* final: a newer version took over */

enum rollout_state_name {
#define X(code, name) code,
    ROLLOUT_STATES(X)
#undef X
};

const char *rollout_state_text(enum rollout_state_name);
bool rollout_state_parse(const char *, enum rollout_state_name *out);
bool rollout_state_is_final(enum rollout_state_name);

struct approval {
    const char *actor;
    int64_t at_ms;
};

/* All that decide() remembers from one call to the next. Times are wall-clock milliseconds, 0 = not
 * yet. */
struct rollout_state {
    const char *id; /* "payments-20261123T144700-7f3a" */
    const char *service;
    const char *canary_version;
    const char *stable_version;
    const char *author; /* who asked for the change; may not approve it */
    const char
        *change_kind; /* "normal", "fix", "security", "p0": the last three pass a low budget */
    enum rollout_state_name state;
    int step;           /* index into the policy's steps; -1 before the first */
    double desired_pct; /* what the actuator is told, every tick */
    double allowed_pct; /* the highest exposure a recorded decision allowed */
    int64_t created_ms;
    int64_t desired_since_ms; /* when desired_pct was last changed */
    int64_t step_since_ms;    /* when this step's weight was first observed */
    int64_t ended_ms;
    enum automation automation; /* effective level now */
    const char *pause_code;     /* why paused: reason code; "" when not paused */
    bool paused_by_human;       /* only a human resumes */
    bool actuator_failing;      /* weight not observed within traffic.timeout */
    bool skip_hold;             /* a human skipped the present step's hold */
    bool deadline_taken;        /* the deadline's response was taken; it is not taken twice */
    double proposed_pct;        /* the weight asked or advised for; -1 = none */
    int64_t proposed_since_ms;
    const struct approval *approvals;
    size_t n_approvals;
    int64_t blind_since_ms;      /* first of the uninterrupted blind ticks; 0 = sighted */
    int64_t unobserved_since_ms; /* since when the desired weight is not in force; 0 = it is */
    uint32_t decisions;          /* how many were recorded; part of intent ids */
};

/* X(enumerator, name): what a human (or CI) did. */
#define ACT_KINDS(X)                                                                               \
    X(ACT_PROMOTE, "promote") /* next step now, or all the way with `full` */                      \
    X(ACT_SKIP_HOLD, "skip_hold")                                                                  \
    X(ACT_PAUSE, "pause")                                                                          \
    X(ACT_RESUME, "resume")                                                                        \
    X(ACT_ABORT, "abort")                                                                          \
    X(ACT_APPROVE, "approve")                                                                      \
    X(ACT_SUPERSEDE, "supersede") /* a newer version of the service starts */

enum act_kind {
#define X(code, name) code,
    ACT_KINDS(X)
#undef X
};

const char *act_kind_name(enum act_kind);
bool act_kind_parse(const char *, enum act_kind *out);

struct act {
    const char *id; /* unique; the ledger's entry names it */
    enum act_kind kind;
    const char *actor;
    const char *role;   /* "operator", "approver", "ci" */
    const char *reason; /* required, not empty */
    bool full;          /* with promote: to 100% */
    int64_t at_ms;
};

/* What decide() wants done, in this order. X(enumerator, name) */
#define ACTION_KINDS(X)                                                                            \
    X(ACTION_SET_WEIGHT, "set_weight") /* tell the actuator weight_pct */                          \
    X(ACTION_NOTIFY, "notify")         /* tell people; severity in `severity` */                   \
    X(ACTION_ASK, "ask")               /* ask for approval of weight_pct */                        \
    X(ACTION_WOULD, "would")           /* advisory: would have set weight_pct */

enum action_kind {
#define X(code, name) code,
    ACTION_KINDS(X)
#undef X
};

const char *action_kind_name(enum action_kind);

struct action {
    enum action_kind kind;
    const char *intent; /* "<rollout id>/<decision number>/<index>": same intent, same effect */
    double weight_pct;
    const char *severity; /* "info", "warning", "page" */
    const char *text;
};

struct reason {
    const char *code; /* stable: "harm_shown", "all_pass", "hold_not_over", ... */
    const char *sentence;
};

/* What one call of decide() answers. */
struct decision {
    struct rollout_state state; /* after */
    const struct action *actions;
    size_t n_actions;
    const struct reason *reasons;
    size_t n_reasons;
    const char *verdict; /* "promote", "advance", "hold", "pause", "resume", "rollback", "ask",
                            "end", ... */
    bool changed;        /* worth a ledger record: state, actions or verdict differ from before */
};

json_t *rollout_state_to_json(struct arena *, const struct rollout_state *);
bool rollout_state_from_json(struct arena *, const json_t *, struct rollout_state *out,
                             struct err *);
json_t *act_to_json(struct arena *, const struct act *);
bool act_from_json(struct arena *, const json_t *, struct act *out, struct err *);
json_t *decision_to_json(struct arena *,
                         const struct decision *); /* verdict, state, actions, reasons */

#endif
