/* fake_ledger.h -- decisions and intents as bytes, appended before anything is done. Holds what a
 * replay needs and nothing else, so that a restart has only this to start from. */
#ifndef CQED_TESTS_SIM_FAKE_LEDGER_H
#define CQED_TESTS_SIM_FAKE_LEDGER_H

#include "decide/decide.h"

struct fake_ledger {
    struct arena *arena;
    struct str policy;
    struct record {
        struct str before, seen, acts, decision, after; /* canonical JSON */
        int64_t now_ms;
    } * records;
    size_t n, capacity;
    struct intent {
        const char *id;
        double weight_pct;
    } * intents;
    size_t n_intents, intent_capacity;
};

void fake_ledger_init(struct fake_ledger *, struct arena *, const struct rollout_policy *,
                      const struct rollout_state *first);
void fake_ledger_append(struct fake_ledger *, const struct decide_input *, const struct decision *);

/* The state after the last record, in the given arena. */
struct rollout_state fake_ledger_fold(const struct fake_ledger *, struct arena *);
struct str fake_ledger_last_state(const struct fake_ledger *);

/* NULL when no intent was recorded yet. */
const struct intent *fake_ledger_last_intent(const struct fake_ledger *);
const struct intent *fake_ledger_find_intent(const struct fake_ledger *, const char *id);

/* Ask decide() again for every record; false when an answer differs. */
bool fake_ledger_replays(const struct fake_ledger *);

struct str canonical_in(struct arena *, const json_t *);

#endif
