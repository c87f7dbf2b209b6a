#include "model/policy.h"

#include "model/fields.h"

#define X(code, name) name,
static const char *const automation_names[] = {AUTOMATION_LEVELS(X)};
static const char *const response_names[] = {POLICY_RESPONSES(X)};
#undef X

static const struct field rollout_fields[] = {
    FIELD(rollout_policy, name, "name", FIELD_TEXT),
    FIELD(rollout_policy, service, "service", FIELD_TEXT),
    FIELD_ENUM(rollout_policy, automation, "automation", automation_names),
    FIELD(rollout_policy, cohort_label, "cohortLabel", FIELD_TEXT),
    FIELD(rollout_policy, false_rollback, "falseRollback", FIELD_DOUBLE),
    FIELD(rollout_policy, missed_harm, "missedHarm", FIELD_DOUBLE),
    FIELD(rollout_policy, dispersion, "dispersion", FIELD_DOUBLE),
    FIELD(rollout_policy, bucket_ms, "bucketMs", FIELD_I64),
    FIELD(rollout_policy, budget_slo, "budgetSlo", FIELD_OPTIONAL_TEXT),
    FIELD(rollout_policy, budget_keep, "budgetKeep", FIELD_DOUBLE),
    FIELD(rollout_policy, max_age_ms, "maxAgeMs", FIELD_I64),
    FIELD_ENUM(rollout_policy, on_fail, "onFail", response_names),
    FIELD_ENUM(rollout_policy, on_insufficient, "onInsufficient", response_names),
    FIELD_ENUM(rollout_policy, on_blind, "onBlind", response_names),
    FIELD_ENUM(rollout_policy, on_error, "onError", response_names),
    FIELD(rollout_policy, deadline_ms, "deadlineMs", FIELD_I64),
    FIELD_ENUM(rollout_policy, on_deadline, "onDeadline", response_names),
    FIELD(rollout_policy, quorum, "quorum", FIELD_INT),
    FIELD(rollout_policy, bake_ms, "bakeMs", FIELD_I64),
};

static const struct field gate_fields[] = {
    FIELD(gate_policy, name, "name", FIELD_TEXT),
    FIELD(gate_policy, service, "service", FIELD_TEXT),
    FIELD(gate_policy, window_ms, "windowMs", FIELD_I64),
    FIELD(gate_policy, budget_slo, "budgetSlo", FIELD_OPTIONAL_TEXT),
    FIELD(gate_policy, budget_keep, "budgetKeep", FIELD_DOUBLE),
    FIELD(gate_policy, max_age_ms, "maxAgeMs", FIELD_I64),
};

static const struct field check_fields[] = {
    FIELD(check_spec, name, "name", FIELD_TEXT),
    FIELD(check_spec, slo, "slo", FIELD_OPTIONAL_TEXT),
    FIELD(check_spec, against_stable, "againstStable", FIELD_BOOL),
    FIELD(check_spec, tolerate, "tolerate", FIELD_DOUBLE),
    FIELD(check_spec, query, "query", FIELD_OPTIONAL_TEXT),
    FIELD(check_spec, below, "below", FIELD_DOUBLE),
    FIELD(check_spec, above, "above", FIELD_DOUBLE),
    FIELD(check_spec, critical, "critical", FIELD_BOOL),
};

/* Of checks that Kayenta's judge answers. */
static const struct field kayenta_fields[] = {
    FIELD(kayenta_spec, config, "config", FIELD_TEXT),
    FIELD(kayenta_spec, location, "location", FIELD_TEXT),
    FIELD(kayenta_spec, every_ms, "everyMs", FIELD_I64),
    FIELD(kayenta_spec, pass, "pass", FIELD_DOUBLE),
    FIELD(kayenta_spec, marginal, "marginal", FIELD_DOUBLE),
};

static const struct field step_fields[] = {
    FIELD(rollout_step, weight_pct, "weightPct", FIELD_DOUBLE),
    FIELD(rollout_step, hold_ms, "holdMs", FIELD_I64),
};

static const struct field traffic_fields[] = {
    FIELD(traffic_spec, kind, "kind", FIELD_TEXT),
    FIELD(traffic_spec, timeout_ms, "timeoutMs", FIELD_I64),
};

static const struct field approvals_fields[] = {
    FIELD(approvals_spec, need, "need", FIELD_INT),
    FIELD(approvals_spec, ttl_ms, "ttlMs", FIELD_I64),
};

const char *automation_name(enum automation level)
{
    return automation_names[level];
}

bool automation_parse(const char *name, enum automation *out)
{
    int index;
    if (!name_index(automation_names, FIELDS_COUNT(automation_names), name, &index))
        return false;
    *out = (enum automation)index;
    return true;
}

const char *policy_response_name(enum policy_response response)
{
    return response_names[response];
}

bool policy_response_parse(const char *name, enum policy_response *out)
{
    int index;
    if (!name_index(response_names, FIELDS_COUNT(response_names), name, &index))
        return false;
    *out = (enum policy_response)index;
    return true;
}

/* What few checks have is only written where it is: digests of older policies stay what they were.
 */
static json_t *check_to_json(const struct check_spec *c)
{
    json_t *json = fields_to_json(check_fields, FIELDS_COUNT(check_fields), c);
    if (c->is_rate)
        object_set(json, "isRate", json_true());
    if (c->gauge)
        object_set(json, "gauge", json_string(c->gauge));
    if (c->source)
        object_set(json, "source", json_string(c->source));
    if (c->factor > 0)
        object_set(json, "factor", json_from_double(c->factor));
    if (c->failures > 0)
        object_set(json, "failures", json_integer(c->failures));
    if (c->kayenta.config)
        object_set(json, "kayenta",
                   fields_to_json(kayenta_fields, FIELDS_COUNT(kayenta_fields), &c->kayenta));
    return json;
}

static json_t *checks_to_json(const struct check_spec *checks, size_t n)
{
    json_t *array = new_array();
    for (size_t i = 0; i < n; i++)
        array_add(array, check_to_json(&checks[i]));
    return array;
}

static bool check_from_json(struct arena *arena, const json_t *json, struct check_spec *out,
                            struct err *err)
{
    const char *gauge = json_get_cstr(json, "gauge", NULL);
    const char *source = json_get_cstr(json, "source", NULL);
    out->is_rate = json_get_bool(json, "isRate", false);
    out->gauge = gauge ? arena_strdup(arena, gauge) : NULL;
    out->source = source ? arena_strdup(arena, source) : NULL;
    out->factor = json_get_double(json, "factor", 0);
    int64_t failures = json_get_i64(json, "failures", 0);
    if (failures < 0 || failures > CHECK_MAX_FAILURES)
        return err_set(err, ERR_BAD_INPUT, "policy.evidence: failures are %lld, the limit is %d",
                       (long long)failures, CHECK_MAX_FAILURES);
    out->failures = (int)failures;
    const json_t *kayenta = json_object_get(json, "kayenta");
    if (kayenta && !fields_from_json(kayenta_fields, FIELDS_COUNT(kayenta_fields), arena, kayenta,
                                     "policy.evidence.kayenta", &out->kayenta, err))
        return false;
    if (kayenta && out->kayenta.every_ms < KAYENTA_LEAST_MS)
        return err_set(err, ERR_BAD_INPUT, "policy.evidence.kayenta: every %lld ms",
                       (long long)out->kayenta.every_ms);
    return fields_from_json(check_fields, FIELDS_COUNT(check_fields), arena, json,
                            "policy.evidence", out, err);
}

static bool checks_from_json(struct arena *arena, const json_t *json, const struct check_spec **out,
                             size_t *n, struct err *err)
{
    const json_t *array = need_array(json, "evidence", "policy", err);
    if (!array)
        return false;
    *n = json_array_size(array);
    struct check_spec *checks = ARENA_ARRAY(arena, struct check_spec, *n);
    for (size_t i = 0; i < *n; i++) {
        if (!check_from_json(arena, json_array_get(array, i), &checks[i], err))
            return false;
    }
    *out = checks;
    return true;
}

static json_t *traffic_to_json(const struct traffic_spec *t)
{
    json_t *json = fields_to_json(traffic_fields, FIELDS_COUNT(traffic_fields), t);
    json_t *config = t->config ? json_deep_copy(t->config) : json_object();
    object_set(json, "config", config);
    return json;
}

static json_t *approvals_to_json(const struct approvals_spec *a)
{
    json_t *json = fields_to_json(approvals_fields, FIELDS_COUNT(approvals_fields), a);
    json_t *before = new_array();
    for (size_t i = 0; i < a->n_before; i++)
        array_add(before, json_from_double(a->before_pct[i]));
    object_set(json, "beforePct", before);
    return json;
}

json_t *rollout_policy_to_json(struct arena *arena, const struct rollout_policy *p)
{
    json_t *json = fields_to_json(rollout_fields, FIELDS_COUNT(rollout_fields), p);
    json_t *steps = new_array();
    for (size_t i = 0; i < p->n_steps; i++)
        array_add(steps, fields_to_json(step_fields, FIELDS_COUNT(step_fields), &p->steps[i]));
    if (p->warmup_ms > 0)
        object_set(json, "warmupMs", json_integer((json_int_t)p->warmup_ms));
    if (p->baseline)
        object_set(json, "baseline", json_string(p->baseline));
    object_set(json, "steps", steps);
    object_set(json, "evidence", checks_to_json(p->checks, p->n_checks));
    object_set(json, "traffic", traffic_to_json(&p->traffic));
    object_set(json, "approvals", approvals_to_json(&p->approvals));
    return json_own(arena, json);
}

/* What decide/ relies on: weights rise and the last one is 100. */
static bool check_steps(const struct rollout_policy *p, struct err *err)
{
    double previous_pct = 0;
    for (size_t i = 0; i < p->n_steps; i++) {
        double weight_pct = p->steps[i].weight_pct;
        if (!(weight_pct > previous_pct && weight_pct <= 100))
            return err_set(err, ERR_BAD_INPUT, "policy.steps: weight %g after %g", weight_pct,
                           previous_pct);
        previous_pct = weight_pct;
    }
    return previous_pct == 100 || err_set(err, ERR_BAD_INPUT, "policy.steps does not end at 100");
}

static bool steps_from_json(struct arena *arena, const json_t *json, struct rollout_policy *p,
                            struct err *err)
{
    const json_t *array = need_array(json, "steps", "policy", err);
    if (!array)
        return false;
    p->n_steps = json_array_size(array);
    struct rollout_step *steps = ARENA_ARRAY(arena, struct rollout_step, p->n_steps);
    for (size_t i = 0; i < p->n_steps; i++) {
        if (!fields_from_json(step_fields, FIELDS_COUNT(step_fields), arena,
                              json_array_get(array, i), "policy.steps", &steps[i], err))
            return false;
    }
    p->steps = steps;
    return check_steps(p, err);
}

static bool approvals_from_json(struct arena *arena, const json_t *json, struct approvals_spec *a,
                                struct err *err)
{
    const json_t *object = need_object(json, "approvals", "policy", err);
    if (!object || !fields_from_json(approvals_fields, FIELDS_COUNT(approvals_fields), arena,
                                     object, "policy.approvals", a, err))
        return false;
    const json_t *before = need_array(object, "beforePct", "policy.approvals", err);
    if (!before)
        return false;
    a->n_before = json_array_size(before);
    double *weights = ARENA_ARRAY(arena, double, a->n_before);
    for (size_t i = 0; i < a->n_before; i++)
        weights[i] = json_to_double(json_array_get(before, i), 0);
    a->before_pct = weights;
    return true;
}

static bool traffic_from_json(struct arena *arena, const json_t *json, struct traffic_spec *t,
                              struct err *err)
{
    const json_t *object = need_object(json, "traffic", "policy", err);
    if (!object || !fields_from_json(traffic_fields, FIELDS_COUNT(traffic_fields), arena, object,
                                     "policy.traffic", t, err))
        return false;
    const json_t *config = need_object(object, "config", "policy.traffic", err);
    if (!config)
        return false;
    t->config = json_own(arena, json_deep_copy(config));
    return true;
}

struct rollout_policy *rollout_policy_from_json(struct arena *arena, const json_t *json,
                                                struct err *err)
{
    struct rollout_policy *p = ARENA_NEW(arena, struct rollout_policy);
    p->path = "";
    p->warmup_ms = json_get_i64(json, "warmupMs", 0);
    const char *baseline = json_get_cstr(json, "baseline", NULL);
    p->baseline = baseline ? arena_strdup(arena, baseline) : NULL;
    if (fields_from_json(rollout_fields, FIELDS_COUNT(rollout_fields), arena, json, "policy", p,
                         err) &&
        steps_from_json(arena, json, p, err) &&
        checks_from_json(arena, json, &p->checks, &p->n_checks, err) &&
        traffic_from_json(arena, json, &p->traffic, err) &&
        approvals_from_json(arena, json, &p->approvals, err))
        return p;
    return NULL;
}

json_t *gate_policy_to_json(struct arena *arena, const struct gate_policy *p)
{
    json_t *json = fields_to_json(gate_fields, FIELDS_COUNT(gate_fields), p);
    object_set(json, "evidence", checks_to_json(p->checks, p->n_checks));
    return json_own(arena, json);
}

struct gate_policy *gate_policy_from_json(struct arena *arena, const json_t *json, struct err *err)
{
    struct gate_policy *p = ARENA_NEW(arena, struct gate_policy);
    p->path = "";
    if (fields_from_json(gate_fields, FIELDS_COUNT(gate_fields), arena, json, "policy", p, err) &&
        checks_from_json(arena, json, &p->checks, &p->n_checks, err))
        return p;
    return NULL;
}

struct sha256 policy_digest(const json_t *policy)
{
    struct buf bytes = BUF_INIT;
    json_canonical(policy, &bytes);
    struct sha256 digest = sha256_of(bytes.p, bytes.n);
    buf_release(&bytes);
    return digest;
}
