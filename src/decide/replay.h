/* clang-format off */
/* replay.h -- every recorded decision, asked again: the same evidence and policy must give the same
 * answer, byte for byte in canonical JSON (codec/json.h), years later. Pure; entries come as data,
 * whoever read them, so that a ledger in a folder and one behind the API replay alike.
 *
 * What is held against what, as entries go by in order:
 *
 *   rollout    its first state is the one decide_start() makes; its policy digest is the policy's
 *   human      kept: the next decision must answer exactly these acts
 *   decision   `state` is the state after the decision before it (no gap), `acts` are the acts since
 *              then, `decision` is what decide() answers now
 *   intent     asks the actuator for the weight of the last decision
 *   gate       `state` and `reasons` are what decide_gate() answers now
 *
 * Other kinds say nothing about decisions. Entries are outside data: what is malformed or of an
 * unknown rollout is a finding. After a finding the fold goes on with what was recorded, so one
 * difference is one finding. */
/* clang-format on */
#ifndef CQED_DECIDE_REPLAY_H
#define CQED_DECIDE_REPLAY_H

#include "decide/decide.h"

struct map;

/* Ask decide() again. `body` is a decision entry's: {"state","seen","acts","nowMs","decision"}. The
 * canonical bytes of the recorded and of the recomputed "decision" are appended to the buffers.
 * False when the body is malformed. */
MUST_CHECK bool decide_replay(struct arena *, const struct rollout_policy *, const json_t *body,
                              struct buf *recorded, struct buf *recomputed, struct err *);

/* The same for a gate entry's body: {"policy","seen","state","reasons"}; what is compared is
 * {"reasons","state"}. */
MUST_CHECK bool gate_replay(struct arena *, const json_t *body, struct buf *recorded,
                            struct buf *recomputed, struct err *);

struct replay_finding { /* borrowed for the call */
    uint64_t seq;
    const char *subject;
    const char *path; /* JSON pointer into the entry's body: the first value that differs */
    const char *text; /* "recorded 50, recomputed 10" */
};

struct replay {
    struct map *rollouts; /* id -> struct replayed, owned */
    void (*found)(void *arg, const struct replay_finding *);
    void *arg;
    uint64_t n_rollouts, n_decisions, n_gates; /* asked again so far */
    uint64_t n_findings;
};

/* found may be NULL: then only the count tells. */
void replay_init(struct replay *, void (*found)(void *arg, const struct replay_finding *),
                 void *arg);
void replay_release(struct replay *);

/* The next entry, in the ledger's order. `kind` and `subject` as recorded, body NULL when it has
 * none. False when something was found. */
bool replay_entry(struct replay *, uint64_t seq, const char *kind, const char *subject,
                  const json_t *body);

#endif
