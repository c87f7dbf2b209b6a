/* internal.h -- one call of decide() under way. Private to decide/. */
#ifndef CQED_DECIDE_INTERNAL_H
#define CQED_DECIDE_INTERNAL_H

#include "decide/decide.h"

/* What the snapshot says, boiled down for the machine. Critical checks only. */
struct summary {
    int failing;
    const struct evidence *fail; /* the first of each, or NULL */
    const struct evidence *error;
    const struct evidence *blind;
    const struct evidence *insufficient;
    const struct check_spec *missing; /* the first check of the policy that nothing was seen of */
    bool stale;                       /* telemetry older than the policy's limit, or never seen */
    bool observed; /* the desired weight is the actual one, read after it was asked for */
};

struct turn {
    struct arena *arena;
    const struct decide_input *in;
    const struct rollout_policy *policy;
    struct rollout_state s; /* becomes the answer's state */
    struct summary sum;
    struct action *actions;
    size_t n_actions, action_capacity;
    struct reason *reasons;
    size_t n_reasons, reason_capacity;
    const char *verdict; /* the last one set wins; safety returns early */
};

/* decide.c */
void say(struct turn *, const char *code, const char *format, ...) PRINTF_LIKE(3, 4);
void act_on(struct turn *, enum action_kind, double weight_pct, const char *severity,
            const char *format, ...) PRINTF_LIKE(5, 6);
void set_weight(struct turn *, double weight_pct);
void pause_for(struct turn *, const char *code, const char *why);
void resume(struct turn *, const char *why);
void roll_back(struct turn *, const char *code, const char *why);
void end(struct turn *, enum rollout_state_name);
bool has_exposure(const struct turn *);
int next_step(const struct turn *); /* index; n_steps when there is none */

/* safety.c: what is seen, and what it asks for whatever else is going on. */
void see(struct turn *);            /* fills t->sum; sets the effective automation level */
void watch_actuator(struct turn *); /* begins the step when its weight is observed */
bool keep_safe(struct turn *);      /* true when safety decided the turn */
/* The same before the start, when somebody else has put traffic on the canary already. */
bool stop_early_harm(struct turn *);
bool deadline_is_over(const struct turn *);
const struct check_spec *missing_check(const struct check_spec *, size_t n,
                                       const struct snapshot *);

/* raise.c: everything between "all is well" and a higher weight: budget, approvals, automation.
 * Takes the step when nothing stands in the way; says what does otherwise. */
void raise_to_step(struct turn *, int step);

/* acts.c: what people did since the last call. */
void take_acts(struct turn *);

#endif
