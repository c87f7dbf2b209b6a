/* scene.h -- what a case has set up so far: a policy, a rollout, and a world that stays as it is
 * until a line changes it. Language: README.md. */
#ifndef CQED_TESTS_DECIDE_SCENE_H
#define CQED_TESTS_DECIDE_SCENE_H

#include "decide/decide.h"
#include "words.h"

#define SCENE_MAX_CHECKS 8
#define SCENE_MAX_STEPS 16
#define SCENE_EPOCH_MS INT64_C(1764000000000) /* "at 0s" */

enum exposure_kind {
    EXPOSURE_FOLLOWS, /* the weight asked for before this line */
    EXPOSURE_FIXED,
    EXPOSURE_LOST
};

struct scene {
    struct arena *arena;
    struct rollout_policy policy;
    struct check_spec checks[SCENE_MAX_CHECKS];
    struct rollout_step steps[SCENE_MAX_STEPS];
    double approve_before[SCENE_MAX_STEPS];
    const char *author, *change_kind;
    bool started;
    struct rollout_state state;

    /* The world. */
    bool absent[SCENE_MAX_CHECKS]; /* nothing is seen of the check */
    enum evidence_state evidence[SCENE_MAX_CHECKS];
    enum exposure_kind exposure;
    double observed_pct;
    int64_t read_ms; /* when the exposure was read; -1 = now */
    int64_t age_ms;  /* of telemetry; -1 = never seen */
    double budget;
    struct notice notice; /* code NULL = none */
    const char *anomaly;
    bool capacity_ok;
    int64_t now_ms;
};

void scene_init(struct scene *, struct arena *);

/* The rest of a `policy`, `rollout` or `seen` line. NULL when understood, else what is wrong. */
const char *scene_policy(struct scene *, struct words *);
const char *scene_rollout(struct scene *, struct words *);
const char *scene_seen(struct scene *, struct words *);

/* One `act`, behind the keyword: promote [full] by NAME [as ROLE] "reason". */
const char *scene_act(struct scene *, struct words *, struct act *);

/* One turn of decide() at now_ms. The policy and the state go through their JSON forms, as they do
 * between a ledger and its replay; the answer is asked for twice and must be the same. NULL when
 * fine. */
const char *scene_decide(struct scene *, const struct act *, size_t n_acts, struct decision *);

#endif
