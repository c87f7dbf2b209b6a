/* After a restart: rollouts are a fold over the ledger's entries, in their order.
 *
 *   rollout      -> a new rollout: its policy, its first state
 *   human        -> an act that waits for a decision
 *   decision     -> the state after it; the acts before it are decided on
 *   intent       -> recorded: the actuator may have been told
 *   anomaly      -> the service's alarm is open, or over
 *
 * Observations are not folded: the actuators are opened and asked anew, and the next tick goes on
 * where the last one ended. */
#include "base/log.h"
#include "daemon/internal.h"

#include <stdio.h>

struct fold {
    struct daemon *daemon;
    struct err *err;
};

static bool fold_rollout(struct fold *f, const char *id, const json_t *body)
{
    struct arena scratch = ARENA_INIT;
    struct rollout_state state;
    bool done = rollout_state_from_json(&scratch, json_object_get(body, "state"), &state, f->err);
    if (done) {
        struct rollout *r = rollout_new(f->daemon, id);
        rollout_adopt(r, &state);
        r->idempotency_key = arena_strdup(&r->arena, json_get_cstr(body, "idempotencyKey", ""));
        done = rollout_set_policy(r, json_object_get(body, "policy"), f->err);
    }
    arena_release(&scratch);
    return done;
}

static bool fold_human(struct fold *f, struct rollout *r, const json_t *body)
{
    struct act act;
    if (!act_from_json(&r->arena, json_object_get(body, "act"), &act, f->err))
        return false;
    if (r->n_acts == MAX_ACTS)
        return err_set(f->err, ERR_CORRUPT, "over %d acts without a decision", MAX_ACTS);
    r->acts_taken++;
    r->acts[r->n_acts++] = act;
    r->superseded |= act.kind == ACT_SUPERSEDE;
    return true;
}

/* The last SET_WEIGHT of a decision is what the actuator is to be told next. */
static void fold_intended(struct rollout *r, const json_t *actions)
{
    size_t i;
    json_t *action;
    json_array_foreach((json_t *)actions, i, action)
    {
        if (strcmp(json_get_cstr(action, "kind", ""), action_kind_name(ACTION_SET_WEIGHT)) != 0)
            continue;
        (void)snprintf(r->intent, sizeof r->intent, "%s", json_get_cstr(action, "intent", ""));
        r->intent_recorded = false;
    }
}

/* What the page shows of it until the next look. */
static void fold_shown(struct rollout *r, const json_t *body, const json_t *decision)
{
    struct arena fresh = ARENA_INIT;
    const json_t *reasons = json_object_get(decision, "reasons");
    r->snapshot_json = json_own(&fresh, json_deep_copy(json_object_get(body, "seen")));
    r->reasons_json = json_own(&fresh, json_deep_copy(reasons));
    r->verdict = arena_strdup(&fresh, json_get_cstr(decision, "verdict", ""));
    arena_release(&r->seen_arena);
    r->seen_arena = fresh;
}

static bool fold_decision(struct fold *f, struct rollout *r, const struct ledger_entry *e,
                          const json_t *body)
{
    struct arena scratch = ARENA_INIT;
    struct rollout_state after;
    const json_t *decision = json_object_get(body, "decision");
    const json_t *first = json_array_get(json_object_get(decision, "reasons"), 0);
    bool done =
        rollout_state_from_json(&scratch, json_object_get(decision, "state"), &after, f->err);
    if (done) {
        if (r->state.desired_pct == 0 && after.desired_pct > 0 && r->exposed_since_ms == 0)
            r->exposed_since_ms = json_get_i64(body, "nowMs", e->at_ms);
        rollout_adopt(r, &after);
        r->n_acts = 0;
        fold_intended(r, json_object_get(decision, "actions"));
        fold_shown(r, body, decision);
        rollout_remember(r, e->seq, e->at_ms, r->verdict,
                         json_get_cstr(first, "sentence", r->verdict));
    }
    arena_release(&scratch);
    return done;
}

static bool fold_entry(struct fold *f, const struct ledger_entry *e, const json_t *body)
{
    struct rollout *r = rollout_find(f->daemon, e->subject);
    if (strcmp(e->kind, ledger_kind_name(LEDGER_ROLLOUT)) == 0)
        return fold_rollout(f, e->subject, body);
    if (strcmp(e->kind, ledger_kind_name(LEDGER_ANOMALY)) == 0)
        anomaly_recover(f->daemon, e->subject, e->at_ms, body);
    if (!r || strcmp(r->id, e->subject) != 0)
        return true;
    if (strcmp(e->kind, ledger_kind_name(LEDGER_HUMAN)) == 0)
        return fold_human(f, r, body);
    if (strcmp(e->kind, ledger_kind_name(LEDGER_DECISION)) == 0)
        return fold_decision(f, r, e, body);
    if (strcmp(e->kind, ledger_kind_name(LEDGER_INTENT)) == 0)
        r->intent_recorded = strcmp(json_get_cstr(body, "intent", ""), r->intent) == 0;
    return true;
}

static bool take_entry(void *arg, const struct ledger_entry *e)
{
    struct fold *f = arg;
    struct arena arena = ARENA_INIT;
    const json_t *entry = json_parse(&arena, e->bytes, f->err);
    bool done = entry && fold_entry(f, e, json_object_get(entry, "body"));
    if (!done)
        err_prefix(f->err, "ledger entry %llu: ", (unsigned long long)e->seq);
    arena_release(&arena);
    return done;
}

bool rollouts_recover(struct daemon *d, struct err *err)
{
    struct err why = ERR_INIT;
    struct fold f = {d, &why};
    size_t live = 0;
    if (!ledger_read(d->ledger, 0, UINT64_MAX, NULL, take_entry, &f, err))
        return false;
    if (why.code != ERR_NONE)
        return err_set(err, why.code, "%s", why.message);
    rollouts_forget(d);
    for (struct rollout *r = d->rollouts; r; r = r->next) {
        bool is_live = !rollout_state_is_final(r->state.state);
        live += is_live ? 1 : 0;
        if (is_live || rollout_is_guarding(d, r))
            open_actuator(d, r);
    }
    if (live)
        log_info("decide", "took up %zu live rollouts from the ledger", live);
    return true;
}
