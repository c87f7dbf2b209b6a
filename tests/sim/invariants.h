/* invariants.h -- what must hold of every turn, told apart from how decide() does it. */
#ifndef CQED_TESTS_SIM_INVARIANTS_H
#define CQED_TESTS_SIM_INVARIANTS_H

#include "decide/decide.h"

#define WATCH_MAX_PEOPLE 8

/* What has to be remembered between turns to judge the next one. */
struct watch {
    double highest_allowed_pct; /* of all recorded decisions */
    int64_t asked_ms;           /* when the present weight was asked for */
    int64_t in_force_ms;        /* when it was first seen in force; 0 = not yet */
    int64_t last_now_ms;
    bool jumped;                             /* the clock jumped at this weight */
    bool skipped;                            /* a human skipped this weight's hold */
    const char *approvers[WATCH_MAX_PEOPLE]; /* since the present weight was asked for */
    size_t n_approvers;
};

/* NULL when all is well, else which rule is broken. Call for every turn, recorded or not. */
const char *invariants_of_turn(struct watch *, const struct decide_input *,
                               const struct decision *);

/* Call when a decision was recorded: the watch remembers it. */
void invariants_remember(struct watch *, const struct decide_input *, const struct decision *);

#endif
