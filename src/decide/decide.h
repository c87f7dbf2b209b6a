/* clang-format off: the diagram */
/* decide.h -- the pure core: what to do with a rollout, given the policy, where it stands, what is
 * seen and what people did. No clock, I/O, log, randomness or memory outside the arena: the same
 * arguments give the same answer, byte for byte, years later (cqed ledger replay).
 *
 *   waiting --gate pass--> progressing --all pass, hold over, approvals in--> (next step) ...
 *      |                     |   ^                              promoting --bake--> succeeded
 *      | human, deadline     v   | resume, evidence back            |
 *      v                    paused                                  |
 *   cancelled                |                                      |
 *                            +---- fail, abort, deadline policy ----+
 *                                               v
 *                                          rolling_back --0% observed--> rolled_back
 *
 * superseded is entered from every state that is not final, through weight 0 when there was
 * exposure. Safety never sleeps: evidence may roll back in every state with exposure, also while
 * waiting for an approval, while paused and in bake. Order of attention: fail > error > blind >
 * insufficient > pass; of several causes the strictest response is taken (rollback > pause >
 * hold), the first in that order among equals. */
/* clang-format on */
#ifndef CQED_DECIDE_DECIDE_H
#define CQED_DECIDE_DECIDE_H

#include "model/evidence.h"
#include "model/policy.h"
#include "model/rollout.h"

struct decide_input {
    const struct rollout_policy *policy;
    const struct rollout_state *state; /* before; its strings are borrowed into the answer */
    const struct snapshot *seen;
    const struct act *acts; /* since the last call, in order */
    size_t n_acts;
    int64_t now_ms;
};

/* Never fails: an input that makes no sense is a CHECK (our bug), a human act that the state does
 * not allow is answered with a reason ("act_refused"). The answer's memory is the arena's and the
 * input's. */
struct decision decide(struct arena *, const struct decide_input *);

/* The state of a rollout that was just asked for. */
struct rollout_state decide_start(const char *id, const char *service, const char *canary_version,
                                  const char *stable_version, const char *author,
                                  const char *change_kind, const struct rollout_policy *,
                                  int64_t now_ms);

/* The fact (the table is in decide.c) that a state breaks, in words; NULL when all hold. For states
 * that come from outside. */
const char *rollout_state_flaw(const struct rollout_state *, const struct rollout_policy *);

/* CHECK the same. */
void rollout_state_check(const struct rollout_state *, const struct rollout_policy *);

/* Gates: the same evidence, one question. Exit codes of `cqed gate` follow from the worst state. */
struct gate_decision {
    enum evidence_state state;
    const struct reason *reasons;
    size_t n_reasons;
};
struct gate_decision decide_gate(struct arena *, const struct gate_policy *,
                                 const struct snapshot *);

#endif
