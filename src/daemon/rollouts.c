/* The rollouts that this process knows: made when people ask for one, found, acted on. What each of
 * them is follows from the ledger alone; fold.c makes the same structures from its entries. */
#include "daemon/internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_ENDED 200    /* kept in memory; the ledger has all */
#define MAX_HISTORY 1000 /* decisions of one rollout that are shown */

/* --- One rollout --- */

struct rollout *rollout_new(struct daemon *d, const char *id)
{
    struct rollout *r = calloc(1, sizeof *r);
    if (!r)
        check_no_memory(sizeof *r);
    r->daemon = d;
    r->id = arena_strdup(&r->arena, id);
    r->idempotency_key = "";
    r->verdict = "wait";
    r->history = json_array();
    (void)snprintf(r->intent, sizeof r->intent, "%s/start", id);
    r->next = d->rollouts;
    d->rollouts = r;
    return r;
}

bool rollout_set_policy(struct rollout *r, const json_t *policy, struct err *err)
{
    r->policy_json = json_own(&r->arena, json_deep_copy(policy));
    r->policy = rollout_policy_from_json(&r->arena, r->policy_json, err);
    if (!r->policy)
        return false;
    r->comparison = comparison_new(r->policy);
    return true;
}

static void rollout_free(struct rollout *r)
{
    close_actuator(r);
    comparison_free(r->comparison);
    json_decref(r->history);
    arena_release(&r->seen_arena);
    arena_release(&r->state_arena);
    arena_release(&r->arena);
    free(r);
}

void rollouts_free(struct daemon *d)
{
    while (d->rollouts) {
        struct rollout *next = d->rollouts->next;
        rollout_free(d->rollouts);
        d->rollouts = next;
    }
}

/* The oldest ended ones go first; what guards its service's weight stays. */
void rollouts_forget(struct daemon *d)
{
    size_t ended = 0;
    for (struct rollout **at = &d->rollouts; *at;) {
        struct rollout *r = *at;
        ended += rollout_state_is_final(r->state.state) ? 1 : 0;
        if (ended <= MAX_ENDED || !rollout_state_is_final(r->state.state) ||
            rollout_is_guarding(d, r)) {
            at = &r->next;
            continue;
        }
        *at = r->next;
        rollout_free(r);
    }
}

/* The state is written and read back: what is kept is exactly what the ledger says. */
void rollout_adopt(struct rollout *r, const struct rollout_state *state)
{
    struct arena fresh = ARENA_INIT;
    struct rollout_state copy;
    struct err err = ERR_INIT;
    CHECK(rollout_state_from_json(&fresh, rollout_state_to_json(&fresh, state), &copy, &err));
    arena_release(&r->state_arena);
    r->state_arena = fresh;
    r->state = copy;
}

void rollout_remember(struct rollout *r, uint64_t seq, int64_t at_ms, const char *verdict,
                      const char *sentence)
{
    if (json_array_size(r->history) == MAX_HISTORY)
        (void)json_array_remove(r->history, 0);
    (void)json_array_append_new(
        r->history,
        json_pack("{s:I, s:I, s:s, s:o, s:f, s:s}", "seq", (json_int_t)seq, "atMs",
                  (json_int_t)at_ms, "verdict", verdict, "sentence", json_string_nocheck(sentence),
                  "weightPct", r->state.desired_pct, "state", rollout_state_text(r->state.state)));
}

/* --- Which one --- */

struct rollout *rollout_find(struct daemon *d, const char *id_or_service)
{
    for (struct rollout *r = d->rollouts; r; r = r->next) {
        if (strcmp(r->id, id_or_service) == 0)
            return r;
    }
    for (struct rollout *r = d->rollouts; r; r = r->next) {
        if (strcmp(r->state.service, id_or_service) == 0)
            return r;
    }
    return NULL;
}

bool same_service(const struct rollout *a, const struct rollout *b)
{
    return strcmp(a->state.service, b->state.service) == 0;
}

/* The newest of its service, ended after it had exposure: its last weight stays in force, also over
 * a restart of the proxy, until the next rollout of the service begins. */
bool rollout_is_guarding(const struct daemon *d, const struct rollout *r)
{
    for (const struct rollout *newer = d->rollouts; newer != r; newer = newer->next) {
        if (same_service(newer, r))
            return false;
    }
    return rollout_state_is_final(r->state.state) && r->exposed_since_ms > 0;
}

/* One at a time: the oldest of a service that has not ended. The next waits until it is gone. */
bool rollout_is_next(const struct daemon *d, const struct rollout *r)
{
    (void)d;
    if (rollout_state_is_final(r->state.state))
        return false;
    for (const struct rollout *older = r->next; older; older = older->next) {
        if (same_service(older, r) && !rollout_state_is_final(older->state.state))
            return false;
    }
    return true;
}
