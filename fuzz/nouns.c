/* The nouns that a ledger entry holds: whatever is accepted is written back as the same bytes. */
#include "fuzz.h"

#include "model/evidence.h"
#include "model/policy.h"
#include "model/rollout.h"

/* Read the JSON as one kind of noun and write it; NULL when it is none. */
typedef json_t *rewrite(struct arena *, const json_t *, struct err *);

static json_t *as_snapshot(struct arena *arena, const json_t *json, struct err *err)
{
    struct snapshot s;
    return snapshot_from_json(arena, json, &s, err) ? snapshot_to_json(arena, &s) : NULL;
}

static json_t *as_state(struct arena *arena, const json_t *json, struct err *err)
{
    struct rollout_state s;
    return rollout_state_from_json(arena, json, &s, err) ? rollout_state_to_json(arena, &s) : NULL;
}

static json_t *as_act(struct arena *arena, const json_t *json, struct err *err)
{
    struct act a;
    return act_from_json(arena, json, &a, err) ? act_to_json(arena, &a) : NULL;
}

static json_t *as_rollout_policy(struct arena *arena, const json_t *json, struct err *err)
{
    struct rollout_policy *p = rollout_policy_from_json(arena, json, err);
    return p ? rollout_policy_to_json(arena, p) : NULL;
}

static json_t *as_gate_policy(struct arena *arena, const json_t *json, struct err *err)
{
    struct gate_policy *p = gate_policy_from_json(arena, json, err);
    return p ? gate_policy_to_json(arena, p) : NULL;
}

static void check(struct arena *arena, rewrite *as, const json_t *json)
{
    struct err err = ERR_INIT;
    struct buf first = BUF_INIT, second = BUF_INIT;
    const json_t *once = as(arena, json, &err);
    CHECK(once || err.message[0]);
    if (once) {
        const json_t *twice = as(arena, once, &err);
        CHECK(twice);
        json_canonical(once, &first);
        json_canonical(twice, &second);
        CHECK(str_eq(buf_str(&first), buf_str(&second)));
    }
    buf_release(&first);
    buf_release(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static rewrite *const nouns[] = {as_snapshot, as_state, as_act, as_rollout_policy,
                                     as_gate_policy};
    struct arena arena = ARENA_INIT;
    const json_t *json = json_parse(&arena, fuzz_str(bytes, n), NULL);
    for (size_t i = 0; json && i < sizeof nouns / sizeof *nouns; i++)
        check(&arena, nouns[i], json);
    arena_release(&arena);
    return 0;
}
