#include "fake_ledger.h"

#include "decide/replay.h"

struct str canonical_in(struct arena *arena, const json_t *json)
{
    struct buf bytes = BUF_INIT;
    json_canonical(json, &bytes);
    struct str text = arena_str(arena, buf_str(&bytes));
    buf_release(&bytes);
    return text;
}

void fake_ledger_init(struct fake_ledger *l, struct arena *arena,
                      const struct rollout_policy *policy, const struct rollout_state *first)
{
    struct arena scratch = ARENA_INIT;
    *l = (struct fake_ledger){.arena = arena};
    l->policy = canonical_in(arena, rollout_policy_to_json(&scratch, policy));
    l->records = arena_grow(arena, NULL, 0, &l->capacity, sizeof *l->records);
    l->records[l->n++] =
        (struct record){.after = canonical_in(arena, rollout_state_to_json(&scratch, first))};
    arena_release(&scratch);
}

static void append_intents(struct fake_ledger *l, const struct decision *d)
{
    for (size_t i = 0; i < d->n_actions; i++) {
        if (d->actions[i].kind != ACTION_SET_WEIGHT)
            continue;
        l->intents =
            arena_grow(l->arena, l->intents, l->n_intents, &l->intent_capacity, sizeof *l->intents);
        l->intents[l->n_intents++] =
            (struct intent){arena_strdup(l->arena, d->actions[i].intent), d->actions[i].weight_pct};
    }
}

void fake_ledger_append(struct fake_ledger *l, const struct decide_input *in,
                        const struct decision *d)
{
    struct arena scratch = ARENA_INIT;
    json_t *acts = json_own(&scratch, json_array());
    for (size_t i = 0; i < in->n_acts; i++)
        CHECK(json_array_append(acts, act_to_json(&scratch, &in->acts[i])) == 0);
    struct record r = {
        .before = canonical_in(l->arena, rollout_state_to_json(&scratch, in->state)),
        .seen = canonical_in(l->arena, snapshot_to_json(&scratch, in->seen)),
        .acts = canonical_in(l->arena, acts),
        .decision = canonical_in(l->arena, decision_to_json(&scratch, d)),
        .after = canonical_in(l->arena, rollout_state_to_json(&scratch, &d->state)),
        .now_ms = in->now_ms,
    };
    l->records = arena_grow(l->arena, l->records, l->n, &l->capacity, sizeof *l->records);
    l->records[l->n++] = r;
    append_intents(l, d);
    arena_release(&scratch);
}

static struct rollout_state read_state(struct arena *arena, struct str text)
{
    struct rollout_state s;
    struct err err = ERR_INIT;
    json_t *json = json_parse(arena, text, &err);
    CHECK(json && rollout_state_from_json(arena, json, &s, &err));
    return s;
}

struct str fake_ledger_last_state(const struct fake_ledger *l)
{
    return l->records[l->n - 1].after;
}

struct rollout_state fake_ledger_fold(const struct fake_ledger *l, struct arena *arena)
{
    return read_state(arena, fake_ledger_last_state(l));
}

const struct intent *fake_ledger_last_intent(const struct fake_ledger *l)
{
    return l->n_intents ? &l->intents[l->n_intents - 1] : NULL;
}

const struct intent *fake_ledger_find_intent(const struct fake_ledger *l, const char *id)
{
    for (size_t i = 0; i < l->n_intents; i++) {
        if (strcmp(l->intents[i].id, id) == 0)
            return &l->intents[i];
    }
    return NULL;
}

static json_t *parse_in(struct arena *arena, struct str text)
{
    struct err err = ERR_INIT;
    json_t *json = json_parse(arena, text, &err);
    CHECK(json);
    return json;
}

static bool replay_one(const struct rollout_policy *policy, const struct record *r)
{
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    struct buf recorded = BUF_INIT, recomputed = BUF_INIT;
    json_t *body = json_own(
        &arena, json_pack("{s:O, s:O, s:O, s:I, s:O}", "state", parse_in(&arena, r->before), "seen",
                          parse_in(&arena, r->seen), "acts", parse_in(&arena, r->acts), "nowMs",
                          (json_int_t)r->now_ms, "decision", parse_in(&arena, r->decision)));
    CHECK(decide_replay(&arena, policy, body, &recorded, &recomputed, &err));
    bool same = str_eq(buf_str(&recorded), buf_str(&recomputed));
    buf_release(&recorded);
    buf_release(&recomputed);
    arena_release(&arena);
    return same;
}

bool fake_ledger_replays(const struct fake_ledger *l)
{
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    json_t *json = json_parse(&arena, l->policy, &err);
    struct rollout_policy *policy = json ? rollout_policy_from_json(&arena, json, &err) : NULL;
    CHECK(policy);
    bool same = true;
    for (size_t i = 1; i < l->n && same; i++)
        same = replay_one(policy, &l->records[i]);
    arena_release(&arena);
    return same;
}
