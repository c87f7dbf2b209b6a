#include "model/rollout.h"

#include "model/fields.h"

#define X(code, name) name,
static const char *const state_names[] = {ROLLOUT_STATES(X)};
static const char *const act_names[] = {ACT_KINDS(X)};
static const char *const action_names[] = {ACTION_KINDS(X)};
static const char *const automation_names[] = {AUTOMATION_LEVELS(X)};
#undef X

static const struct field state_fields[] = {
    FIELD(rollout_state, id, "id", FIELD_TEXT),
    FIELD(rollout_state, service, "service", FIELD_TEXT),
    FIELD(rollout_state, canary_version, "canaryVersion", FIELD_TEXT),
    FIELD(rollout_state, stable_version, "stableVersion", FIELD_TEXT),
    FIELD(rollout_state, author, "author", FIELD_TEXT),
    FIELD(rollout_state, change_kind, "changeKind", FIELD_TEXT),
    FIELD_ENUM(rollout_state, state, "state", state_names),
    FIELD(rollout_state, step, "step", FIELD_INT),
    FIELD(rollout_state, desired_pct, "desiredPct", FIELD_DOUBLE),
    FIELD(rollout_state, allowed_pct, "allowedPct", FIELD_DOUBLE),
    FIELD(rollout_state, created_ms, "createdMs", FIELD_I64),
    FIELD(rollout_state, desired_since_ms, "desiredSinceMs", FIELD_I64),
    FIELD(rollout_state, step_since_ms, "stepSinceMs", FIELD_I64),
    FIELD(rollout_state, ended_ms, "endedMs", FIELD_I64),
    FIELD_ENUM(rollout_state, automation, "automation", automation_names),
    FIELD(rollout_state, pause_code, "pauseCode", FIELD_TEXT),
    FIELD(rollout_state, paused_by_human, "pausedByHuman", FIELD_BOOL),
    FIELD(rollout_state, actuator_failing, "actuatorFailing", FIELD_BOOL),
    FIELD(rollout_state, skip_hold, "skipHold", FIELD_BOOL),
    FIELD(rollout_state, deadline_taken, "deadlineTaken", FIELD_BOOL),
    FIELD(rollout_state, proposed_pct, "proposedPct", FIELD_DOUBLE),
    FIELD(rollout_state, proposed_since_ms, "proposedSinceMs", FIELD_I64),
    FIELD(rollout_state, blind_since_ms, "blindSinceMs", FIELD_I64),
    FIELD(rollout_state, unobserved_since_ms, "unobservedSinceMs", FIELD_I64),
    FIELD(rollout_state, decisions, "decisions", FIELD_U32),
};

static const struct field approval_fields[] = {
    FIELD(approval, actor, "actor", FIELD_TEXT),
    FIELD(approval, at_ms, "atMs", FIELD_I64),
};

static const struct field act_fields[] = {
    FIELD(act, id, "id", FIELD_TEXT),         FIELD_ENUM(act, kind, "kind", act_names),
    FIELD(act, actor, "actor", FIELD_TEXT),   FIELD(act, role, "role", FIELD_TEXT),
    FIELD(act, reason, "reason", FIELD_TEXT), FIELD(act, full, "full", FIELD_BOOL),
    FIELD(act, at_ms, "atMs", FIELD_I64),
};

static const struct field action_fields[] = {
    FIELD_ENUM(action, kind, "kind", action_names),
    FIELD(action, intent, "intent", FIELD_TEXT),
    FIELD(action, weight_pct, "weightPct", FIELD_DOUBLE),
    FIELD(action, severity, "severity", FIELD_TEXT),
    FIELD(action, text, "text", FIELD_TEXT),
};

static const struct field reason_fields[] = {
    FIELD(reason, code, "code", FIELD_TEXT),
    FIELD(reason, sentence, "sentence", FIELD_TEXT),
};

const char *rollout_state_text(enum rollout_state_name state)
{
    return state_names[state];
}

bool rollout_state_parse(const char *name, enum rollout_state_name *out)
{
    int index;
    if (!name_index(state_names, FIELDS_COUNT(state_names), name, &index))
        return false;
    *out = (enum rollout_state_name)index;
    return true;
}

bool rollout_state_is_final(enum rollout_state_name state)
{
    switch (state) {
    case ROLLOUT_SUCCEEDED:
    case ROLLOUT_ROLLED_BACK:
    case ROLLOUT_CANCELLED:
    case ROLLOUT_SUPERSEDED:
        return true;
    case ROLLOUT_WAITING:
    case ROLLOUT_PROGRESSING:
    case ROLLOUT_PAUSED:
    case ROLLOUT_PROMOTING:
    case ROLLOUT_ROLLING_BACK:
        return false;
    }
    return false;
}

const char *act_kind_name(enum act_kind kind)
{
    return act_names[kind];
}

bool act_kind_parse(const char *name, enum act_kind *out)
{
    int index;
    if (!name_index(act_names, FIELDS_COUNT(act_names), name, &index))
        return false;
    *out = (enum act_kind)index;
    return true;
}

const char *action_kind_name(enum action_kind kind)
{
    return action_names[kind];
}

static json_t *new_state(const struct rollout_state *s)
{
    json_t *json = fields_to_json(state_fields, FIELDS_COUNT(state_fields), s);
    json_t *approvals = new_array();
    for (size_t i = 0; i < s->n_approvals; i++)
        array_add(approvals,
                  fields_to_json(approval_fields, FIELDS_COUNT(approval_fields), &s->approvals[i]));
    object_set(json, "approvals", approvals);
    return json;
}

json_t *rollout_state_to_json(struct arena *arena, const struct rollout_state *s)
{
    return json_own(arena, new_state(s));
}

bool rollout_state_from_json(struct arena *arena, const json_t *json, struct rollout_state *out,
                             struct err *err)
{
    if (!fields_from_json(state_fields, FIELDS_COUNT(state_fields), arena, json, "state", out, err))
        return false;
    const json_t *array = need_array(json, "approvals", "state", err);
    if (!array)
        return false;
    size_t n = json_array_size(array);
    struct approval *approvals = ARENA_ARRAY(arena, struct approval, n);
    for (size_t i = 0; i < n; i++) {
        if (!fields_from_json(approval_fields, FIELDS_COUNT(approval_fields), arena,
                              json_array_get(array, i), "state.approvals", &approvals[i], err))
            return false;
    }
    out->approvals = approvals;
    out->n_approvals = n;
    return true;
}

json_t *act_to_json(struct arena *arena, const struct act *a)
{
    return json_own(arena, fields_to_json(act_fields, FIELDS_COUNT(act_fields), a));
}

bool act_from_json(struct arena *arena, const json_t *json, struct act *out, struct err *err)
{
    return fields_from_json(act_fields, FIELDS_COUNT(act_fields), arena, json, "act", out, err);
}

json_t *decision_to_json(struct arena *arena, const struct decision *d)
{
    json_t *json = json_object(), *actions = new_array(), *reasons = new_array();
    if (!json)
        check_no_memory(sizeof json);
    for (size_t i = 0; i < d->n_actions; i++)
        array_add(actions,
                  fields_to_json(action_fields, FIELDS_COUNT(action_fields), &d->actions[i]));
    for (size_t i = 0; i < d->n_reasons; i++)
        array_add(reasons,
                  fields_to_json(reason_fields, FIELDS_COUNT(reason_fields), &d->reasons[i]));
    object_set(json, "verdict", json_string_nocheck(d->verdict));
    object_set(json, "state", new_state(&d->state));
    object_set(json, "actions", actions);
    object_set(json, "reasons", reasons);
    return json_own(arena, json);
}
