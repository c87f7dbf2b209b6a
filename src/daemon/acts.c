/* What people and CI do to a rollout: read, recorded, and then decided on. */
#include "base/clock.h"
#include "daemon/internal.h"

static json_t *act_record(struct arena *arena, const struct act *act)
{
    return json_own(arena, json_pack("{s:O}", "act", act_to_json(arena, act)));
}

/* Recorded before it is decided on; `act`'s strings are the rollout's from here. */
bool take_act(struct rollout *r, struct act act, struct err *err)
{
    struct arena scratch = ARENA_INIT;
    if (r->n_acts == MAX_ACTS)
        return err_set(err, ERR_LIMIT, "%d acts on rollout %s wait to be decided on", MAX_ACTS,
                       r->id);
    act.id = arena_printf(&r->arena, "%s/act/%u", r->id, r->acts_taken);
    bool done =
        record(r->daemon, LEDGER_HUMAN, r->id, act.at_ms, act_record(&scratch, &act), NULL, err);
    arena_release(&scratch);
    if (!done)
        return false;
    r->acts_taken++;
    r->acts[r->n_acts++] = act;
    return true;
}

bool known_keys(const json_t *body, const char *const *keys, size_t n, struct err *err)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)body, key, value)
    {
        size_t i = 0;
        while (i < n && strcmp(keys[i], key) != 0)
            i++;
        const char *near = str_nearest(str_from(key), keys, n);
        if (i == n)
            return err_set(err, ERR_BAD_INPUT, "'%.60s' is not known here%s%s%s", key,
                           near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    }
    return true;
}

/* Text under key, the fallback when it is absent; NULL with an error when it is not short text. */
const char *take_text(const json_t *body, const char *key, const char *fallback, struct err *err)
{
    const json_t *value = json_object_get(body, key);
    const char *text = value ? json_string_value(value) : fallback;
    if (!text)
        err_set(err, ERR_BAD_INPUT, "%s %s", key, value ? "must be text" : "is required");
    else if (value && (text[0] == '\0' || json_string_length(value) > 1000))
        err_set(err, ERR_BAD_INPUT, "%s must have from 1 to 1000 bytes", key);
    else
        return text;
    return NULL;
}

static bool read_act(struct rollout *r, const struct control_request *asked, struct act *out,
                     struct err *err)
{
    static const char *const keys[] = {"actor", "reason", "role", "full"};
    if (!act_kind_parse(asked->act, &out->kind) || out->kind == ACT_SUPERSEDE)
        return err_set(err, ERR_NOT_FOUND,
                       "'%.60s' cannot be done to a rollout; promote, skip_hold, pause, resume, "
                       "abort and approve can",
                       asked->act);
    const char *actor = take_text(asked->body, "actor", NULL, err);
    const char *reason = actor ? take_text(asked->body, "reason", NULL, err) : NULL;
    const char *role = reason ? take_text(asked->body, "role", "operator", err) : NULL;
    if (!role || !known_keys(asked->body, keys, sizeof keys / sizeof *keys, err))
        return false;
    out->actor = arena_strdup(&r->arena, actor);
    out->reason = arena_strdup(&r->arena, reason);
    out->role = arena_strdup(&r->arena, role);
    out->full = json_get_bool(asked->body, "full", false);
    out->at_ms = clock_wall_ms();
    return true;
}

/* What decide() said about the acts just taken: a refusal is the answer to who acted. */
static bool was_allowed(const struct rollout *r, struct err *err)
{
    size_t i;
    json_t *reason;
    json_array_foreach((json_t *)r->reasons_json, i, reason)
    {
        if (strcmp(json_get_cstr(reason, "code", ""), "act_refused") == 0)
            return err_set(err, ERR_CONFLICT, "%s", json_get_cstr(reason, "sentence", ""));
    }
    return true;
}

bool rollout_act(struct daemon *d, struct rollout *r, const struct control_request *asked,
                 struct err *err)
{
    struct act act = {0};
    if (rollout_state_is_final(r->state.state))
        return err_set(err, ERR_CONFLICT, "rollout %s has ended: it is %s", r->id,
                       rollout_state_text(r->state.state));
    if (!read_act(r, asked, &act, err) || !take_act(r, act, err))
        return false;
    if (!rollout_is_next(d, r))
        return true;
    decide_on(d, r, clock_wall_ms());
    if (r->n_acts > 0)
        return err_set(err, ERR_IO, "the act is recorded, the decision on it could not be");
    return was_allowed(r, err);
}
