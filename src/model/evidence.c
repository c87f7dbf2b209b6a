#include "model/evidence.h"

#include "model/fields.h"

#define X(code, name) name,
static const char *const state_names[] = {EVIDENCE_STATES(X)};
static const char *const kind_names[] = {EVIDENCE_KINDS(X)};
#undef X

static const struct field evidence_fields[] = {
    FIELD(evidence, check, "check", FIELD_TEXT),
    FIELD_ENUM(evidence, kind, "kind", kind_names),
    FIELD_ENUM(evidence, state, "state", state_names),
    FIELD(evidence, critical, "critical", FIELD_BOOL),
    FIELD(evidence, unit, "unit", FIELD_TEXT),
    FIELD(evidence, effect, "effect", FIELD_DOUBLE),
    FIELD(evidence, low, "low", FIELD_DOUBLE),
    FIELD(evidence, high, "high", FIELD_DOUBLE),
    FIELD(evidence, tolerate, "tolerate", FIELD_DOUBLE),
    FIELD(evidence, harm_log_e, "harmLogE", FIELD_DOUBLE),
    FIELD(evidence, harm_log_limit, "harmLogLimit", FIELD_DOUBLE),
    FIELD(evidence, minimum_detectable_effect, "minimumDetectableEffect", FIELD_DOUBLE),
    FIELD(evidence, fresh_ms, "freshMs", FIELD_I64),
    FIELD(evidence, observed_ms, "observedMs", FIELD_I64),
    FIELD(evidence, query, "query", FIELD_TEXT),
    FIELD(evidence, code, "code", FIELD_TEXT),
    FIELD(evidence, sentence, "sentence", FIELD_TEXT),
    FIELD(evidence, would_change, "wouldChange", FIELD_TEXT),
};

static const struct field arm_fields[] = {
    FIELD(arm_counts, total, "total", FIELD_DOUBLE),
    FIELD(arm_counts, bad, "bad", FIELD_DOUBLE),
};

static const struct field exposure_fields[] = {
    FIELD(exposure, known, "known", FIELD_BOOL),
    FIELD(exposure, observed_pct, "observedPct", FIELD_DOUBLE),
    FIELD(exposure, measured_pct, "measuredPct", FIELD_DOUBLE),
    FIELD(exposure, capacity_ok, "capacityOk", FIELD_BOOL),
    FIELD(exposure, at_ms, "atMs", FIELD_I64),
    FIELD(exposure, error, "error", FIELD_TEXT),
};

static const struct field notice_fields[] = {
    FIELD(notice, code, "code", FIELD_TEXT),
    FIELD(notice, sentence, "sentence", FIELD_TEXT),
};

static const struct field snapshot_fields[] = {
    FIELD(snapshot, at_ms, "atMs", FIELD_I64),
    FIELD(snapshot, budget_remaining, "budgetRemaining", FIELD_DOUBLE),
    FIELD(snapshot, telemetry_age_ms, "telemetryAgeMs", FIELD_I64),
};

const char *evidence_state_name(enum evidence_state state)
{
    return state_names[state];
}

bool evidence_state_parse(const char *name, enum evidence_state *out)
{
    int index;
    if (!name_index(state_names, FIELDS_COUNT(state_names), name, &index))
        return false;
    *out = (enum evidence_state)index;
    return true;
}

const char *evidence_kind_name(enum evidence_kind kind)
{
    return kind_names[kind];
}

static json_t *new_evidence(const struct evidence *e)
{
    json_t *json = fields_to_json(evidence_fields, FIELDS_COUNT(evidence_fields), e);
    if (e->dispersion > 0) {
        object_set(json, "dispersion", json_from_double(e->dispersion));
        object_set(json, "learnedMs", json_integer((json_int_t)e->learned_ms));
        object_set(json, "sinceMs", json_integer((json_int_t)e->since_ms));
        object_set(json, "unknownMs", json_integer((json_int_t)e->unknown_ms));
    }
    if (e->uncontrolled)
        object_set(json, "uncontrolled", json_true());
    if (e->against)
        object_set(json, "against", json_string_nocheck(e->against));
    object_set(json, "stable", fields_to_json(arm_fields, FIELDS_COUNT(arm_fields), &e->stable));
    object_set(json, "canary", fields_to_json(arm_fields, FIELDS_COUNT(arm_fields), &e->canary));
    return json;
}

json_t *evidence_to_json(struct arena *arena, const struct evidence *e)
{
    return json_own(arena, new_evidence(e));
}

bool evidence_from_json(struct arena *arena, const json_t *json, struct evidence *out,
                        struct err *err)
{
    const char *against = json_get_cstr(json, "against", NULL);
    out->against = against ? arena_strdup(arena, against) : NULL;
    out->dispersion = json_get_double(json, "dispersion", 0);
    out->learned_ms = json_get_i64(json, "learnedMs", 0);
    out->since_ms = json_get_i64(json, "sinceMs", 0);
    out->unknown_ms = json_get_i64(json, "unknownMs", 0);
    out->uncontrolled = json_get_bool(json, "uncontrolled", false);
    return fields_from_json(evidence_fields, FIELDS_COUNT(evidence_fields), arena, json, "evidence",
                            out, err) &&
           fields_from_json(arm_fields, FIELDS_COUNT(arm_fields), arena,
                            json_object_get(json, "stable"), "evidence.stable", &out->stable,
                            err) &&
           fields_from_json(arm_fields, FIELDS_COUNT(arm_fields), arena,
                            json_object_get(json, "canary"), "evidence.canary", &out->canary, err);
}

static json_t *notices_to_json(const struct snapshot *s)
{
    json_t *notices = new_array();
    for (size_t i = 0; i < s->n_notices; i++)
        array_add(notices,
                  fields_to_json(notice_fields, FIELDS_COUNT(notice_fields), &s->notices[i]));
    return notices;
}

/* Most snapshots have none. */
static bool notices_from_json(struct arena *arena, const json_t *json, struct snapshot *out,
                              struct err *err)
{
    const json_t *notices = json_object_get(json, "notices");
    size_t n = json_array_size(notices);
    struct notice *items = ARENA_ARRAY(arena, struct notice, n + 1);
    for (size_t i = 0; i < n; i++) {
        if (!fields_from_json(notice_fields, FIELDS_COUNT(notice_fields), arena,
                              json_array_get(notices, i), "snapshot.notices", &items[i], err))
            return false;
    }
    out->notices = items;
    out->n_notices = n;
    return true;
}

json_t *snapshot_to_json(struct arena *arena, const struct snapshot *s)
{
    json_t *json = fields_to_json(snapshot_fields, FIELDS_COUNT(snapshot_fields), s);
    json_t *checks = new_array();
    for (size_t i = 0; i < s->n_checks; i++)
        array_add(checks, new_evidence(&s->checks[i]));
    object_set(json, "checks", checks);
    if (s->harm_log_limit > 0) {
        object_set(json, "harmLogE", json_from_double(s->harm_log_e));
        object_set(json, "harmLogLimit", json_from_double(s->harm_log_limit));
    }
    if (s->anomaly)
        object_set(json, "anomaly", json_string_nocheck(s->anomaly));
    if (s->n_notices > 0)
        object_set(json, "notices", notices_to_json(s));
    object_set(json, "exposure",
               fields_to_json(exposure_fields, FIELDS_COUNT(exposure_fields), &s->exposure));
    return json_own(arena, json);
}

bool snapshot_from_json(struct arena *arena, const json_t *json, struct snapshot *out,
                        struct err *err)
{
    if (!fields_from_json(snapshot_fields, FIELDS_COUNT(snapshot_fields), arena, json, "snapshot",
                          out, err) ||
        !fields_from_json(exposure_fields, FIELDS_COUNT(exposure_fields), arena,
                          json_object_get(json, "exposure"), "snapshot.exposure", &out->exposure,
                          err) ||
        !notices_from_json(arena, json, out, err))
        return false;
    const char *anomaly = json_get_cstr(json, "anomaly", NULL);
    out->anomaly = anomaly ? arena_strdup(arena, anomaly) : NULL;
    out->harm_log_e = json_get_double(json, "harmLogE", 0);
    out->harm_log_limit = json_get_double(json, "harmLogLimit", 0);
    const json_t *checks = need_array(json, "checks", "snapshot", err);
    if (!checks)
        return false;
    size_t n = json_array_size(checks);
    struct evidence *items = ARENA_ARRAY(arena, struct evidence, n);
    for (size_t i = 0; i < n; i++) {
        if (!evidence_from_json(arena, json_array_get(checks, i), &items[i], err))
            return false;
    }
    out->checks = items;
    out->n_checks = n;
    return true;
}

enum evidence_state snapshot_worst(const struct snapshot *s)
{
    enum evidence_state worst = EVIDENCE_PASS;
    for (size_t i = 0; i < s->n_checks; i++) {
        if (s->checks[i].critical && s->checks[i].state > worst)
            worst = s->checks[i].state;
    }
    return worst;
}
