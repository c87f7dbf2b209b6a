#include "scene.h"

#include "base/num.h"

#include <math.h>
#include <stdlib.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

void scene_init(struct scene *s, struct arena *arena)
{
    *s = (struct scene){.arena = arena,
                        .author = "ann",
                        .change_kind = "normal",
                        .read_ms = -1,
                        .age_ms = 1000,
                        .budget = 0.8,
                        .capacity_ok = true};
    s->policy = (struct rollout_policy){.name = "payments",
                                        .service = "payments",
                                        .automation = AUTOMATION_FULL,
                                        .cohort_label = "version",
                                        .traffic = {"fake", NULL, 30000},
                                        .steps = s->steps,
                                        .checks = s->checks,
                                        .false_rollback = 0.05,
                                        .missed_harm = 0.05,
                                        .dispersion = 2,
                                        .bucket_ms = 5000,
                                        .budget_keep = 0.1,
                                        .max_age_ms = 60000,
                                        .on_fail = RESPOND_ROLLBACK,
                                        .on_insufficient = RESPOND_HOLD,
                                        .on_blind = RESPOND_PAUSE,
                                        .on_error = RESPOND_PAUSE,
                                        .on_deadline = RESPOND_PAUSE,
                                        .quorum = 1,
                                        .bake_ms = 60000,
                                        .approvals = {s->approve_before, 0, 1, 3600000},
                                        .path = ""};
    struct words defaults;
    CHECK(words_split(&defaults, arena, "steps=5/60s,25/60s,100 checks=errors,latency"));
    CHECK(!scene_policy(s, &defaults));
}

/* --- policy --- */

static const char *set_steps(struct scene *s, const char *text)
{
    struct str rest = str_from(text), item;
    s->policy.n_steps = 0;
    while (str_cut(&rest, ',', &item)) {
        struct str weight;
        struct rollout_step step = {0, 0};
        if (s->policy.n_steps == SCENE_MAX_STEPS)
            return "too many steps";
        if (!str_cut(&item, '/', &weight) || !num_parse_double(weight, &step.weight_pct) ||
            (item.p && !num_parse_duration_ms(item, &step.hold_ms)))
            return "steps are WEIGHT/HOLD,WEIGHT/HOLD,...";
        s->steps[s->policy.n_steps++] = step;
    }
    return NULL;
}

static const char *set_checks(struct scene *s, const char *text)
{
    struct str rest = str_from(text), item;
    size_t n = 0;
    while (str_cut(&rest, ',', &item)) {
        if (n == SCENE_MAX_CHECKS)
            return "too many checks";
        bool critical = !str_ends(item, STR("?"));
        item.n -= !critical;
        s->checks[n] = (struct check_spec){.name = arena_cstr(s->arena, item),
                                           .slo = "some-slo",
                                           .against_stable = true,
                                           .below = (double)NAN,
                                           .above = (double)NAN,
                                           .critical = critical};
        s->evidence[n] = EVIDENCE_PASS;
        s->absent[n++] = false;
    }
    s->policy.n_checks = n;
    return NULL;
}

static const char *set_approvals_before(struct scene *s, const char *text)
{
    struct str rest = str_from(text), item;
    size_t n = 0;
    while (str_cut(&rest, ',', &item)) {
        if (n == SCENE_MAX_STEPS || !num_parse_double(item, &s->approve_before[n++]))
            return "before is WEIGHT,WEIGHT,...";
    }
    s->policy.approvals.n_before = n;
    return NULL;
}

static bool set_durations(struct rollout_policy *p, const char *key, const char *value, bool *good)
{
    struct {
        const char *key;
        int64_t *to;
    } table[] = {{"bake", &p->bake_ms},
                 {"maxage", &p->max_age_ms},
                 {"timeout", &p->traffic.timeout_ms},
                 {"deadline", &p->deadline_ms},
                 {"ttl", &p->approvals.ttl_ms}};
    for (size_t i = 0; i < COUNT(table); i++) {
        if (strcmp(key, table[i].key) == 0) {
            *good = num_parse_duration_ms(str_from(value), table[i].to);
            return true;
        }
    }
    return false;
}

static bool set_responses(struct rollout_policy *p, const char *key, const char *value, bool *good)
{
    struct {
        const char *key;
        enum policy_response *to;
    } table[] = {{"on.fail", &p->on_fail},
                 {"on.insufficient", &p->on_insufficient},
                 {"on.blind", &p->on_blind},
                 {"on.error", &p->on_error},
                 {"on.deadline", &p->on_deadline}};
    for (size_t i = 0; i < COUNT(table); i++) {
        if (strcmp(key, table[i].key) == 0) {
            *good = policy_response_parse(value, table[i].to);
            return true;
        }
    }
    return false;
}

static const char *set_policy(struct scene *s, const char *key, const char *value)
{
    struct rollout_policy *p = &s->policy;
    bool good = true;
    if (strcmp(key, "steps") == 0)
        return set_steps(s, value);
    if (strcmp(key, "checks") == 0)
        return set_checks(s, value);
    if (strcmp(key, "before") == 0)
        return set_approvals_before(s, value);
    if (strcmp(key, "automation") == 0)
        good = automation_parse(value, &p->automation);
    else if (strcmp(key, "need") == 0)
        p->approvals.need = atoi(value);
    else if (strcmp(key, "quorum") == 0)
        p->quorum = atoi(value);
    else if (strcmp(key, "budget") == 0)
        p->budget_slo = value;
    else if (strcmp(key, "keep") == 0)
        good = num_parse_ratio(str_from(value), &p->budget_keep);
    else if (!set_durations(p, key, value, &good) && !set_responses(p, key, value, &good))
        return arena_printf(s->arena, "unknown policy keyword '%s'", key);
    return good ? NULL : arena_printf(s->arena, "%s cannot be '%s'", key, value);
}

const char *scene_policy(struct scene *s, struct words *w)
{
    const char *key, *value, *wrong = NULL;
    while (!wrong && w->next < w->n) {
        const char *word = words_take(w);
        if (!words_pair(s->arena, word, &key, &value))
            return arena_printf(s->arena, "'%s' is not key=value", word);
        wrong = set_policy(s, key, value);
    }
    return wrong;
}

const char *scene_rollout(struct scene *s, struct words *w)
{
    const char *key, *value;
    while (w->next < w->n) {
        const char *word = words_take(w);
        if (!words_pair(s->arena, word, &key, &value))
            return arena_printf(s->arena, "'%s' is not key=value", word);
        if (strcmp(key, "author") == 0)
            s->author = value;
        else if (strcmp(key, "kind") == 0)
            s->change_kind = value;
        else
            return arena_printf(s->arena, "unknown rollout keyword '%s'", key);
    }
    return NULL;
}

/* --- seen --- */

static const char *see_exposure(struct scene *s, const char *value)
{
    s->exposure = EXPOSURE_FIXED;
    if (strcmp(value, "follows") == 0)
        s->exposure = EXPOSURE_FOLLOWS;
    else if (strcmp(value, "lost") == 0)
        s->exposure = EXPOSURE_LOST;
    else if (!num_parse_double(str_from(value), &s->observed_pct))
        return "exposure is a weight, follows or lost";
    return NULL;
}

static const char *see_check(struct scene *s, const char *key, const char *value)
{
    for (size_t i = 0; i < s->policy.n_checks; i++) {
        if (strcmp(s->checks[i].name, key) != 0)
            continue;
        s->absent[i] = strcmp(value, "absent") == 0;
        if (s->absent[i] || evidence_state_parse(value, &s->evidence[i]))
            return NULL;
        return arena_printf(s->arena, "%s cannot be '%s'", key, value);
    }
    return arena_printf(s->arena, "nothing called '%s' is seen", key);
}

static const char *see(struct scene *s, const char *key, const char *value)
{
    bool good = true;
    if (strcmp(key, "exposure") == 0)
        return see_exposure(s, value);
    if (strcmp(key, "budget") == 0)
        good = num_parse_double(str_from(value), &s->budget);
    else if (strcmp(key, "anomaly") == 0)
        s->anomaly = strcmp(value, "none") == 0 ? NULL : value;
    else if (strcmp(key, "notice") == 0)
        s->notice = (struct notice){value, "a doubling would not be seen in the step"};
    else if (strcmp(key, "capacity") == 0)
        s->capacity_ok = strcmp(value, "ok") == 0;
    else if (strcmp(key, "age") == 0 && strcmp(value, "never") == 0)
        s->age_ms = -1;
    else if (strcmp(key, "age") == 0)
        good = num_parse_duration_ms(str_from(value), &s->age_ms);
    else if (strcmp(key, "read") == 0 && strcmp(value, "now") == 0)
        s->read_ms = -1;
    else if (strcmp(key, "read") == 0)
        good = num_parse_duration_ms(str_from(value), &s->read_ms);
    else
        return see_check(s, key, value);
    return good ? NULL : arena_printf(s->arena, "%s cannot be '%s'", key, value);
}

const char *scene_seen(struct scene *s, struct words *w)
{
    const char *key, *value, *wrong = NULL;
    while (!wrong && w->next < w->n && words_pair(s->arena, words_peek(w), &key, &value)) {
        (void)words_take(w);
        wrong = see(s, key, value);
    }
    return wrong;
}

const char *scene_act(struct scene *s, struct words *w, struct act *a)
{
    const char *kind = words_take(w);
    *a = (struct act){.id = arena_printf(s->arena, "act-%zu", w->next),
                      .role = "operator",
                      .reason = "",
                      .at_ms = s->now_ms};
    if (!act_kind_parse(kind, &a->kind))
        return arena_printf(s->arena, "nobody can '%s'", kind);
    a->full = words_take_if(w, "full");
    if (!words_take_if(w, "by"))
        return "an act is KIND [full] by NAME [as ROLE] [\"reason\"]";
    a->actor = words_take(w);
    if (words_take_if(w, "as"))
        a->role = words_take(w);
    if (words_next_is_quoted(w))
        a->reason = words_take(w);
    return NULL;
}

/* --- the turn --- */

static struct evidence make_evidence(const struct scene *s, size_t i)
{
    static const char *const codes[] = {"within_tolerance", "not_proven", "no_data", "query_failed",
                                        "harm_shown"};
    return (struct evidence){.check = s->checks[i].name,
                             .kind = EVIDENCE_RATIO,
                             .state = s->evidence[i],
                             .critical = s->checks[i].critical,
                             .unit = "ratio",
                             .query = "",
                             .code = codes[s->evidence[i]],
                             .sentence = evidence_state_name(s->evidence[i]),
                             .would_change = ""};
}

static struct snapshot take_snapshot(struct scene *s)
{
    struct evidence *checks = ARENA_ARRAY(s->arena, struct evidence, s->policy.n_checks);
    size_t n = 0;
    for (size_t i = 0; i < s->policy.n_checks; i++) {
        if (!s->absent[i])
            checks[n++] = make_evidence(s, i);
    }
    bool lost = s->exposure == EXPOSURE_LOST;
    double observed_pct = s->exposure == EXPOSURE_FOLLOWS ? s->state.desired_pct : s->observed_pct;
    return (struct snapshot){.at_ms = s->now_ms,
                             .checks = checks,
                             .n_checks = n,
                             .exposure = {!lost, lost ? (double)NAN : observed_pct, (double)NAN,
                                          s->capacity_ok,
                                          s->read_ms < 0 ? s->now_ms : SCENE_EPOCH_MS + s->read_ms,
                                          lost ? "connection refused" : ""},
                             .budget_remaining = s->policy.budget_slo ? s->budget : (double)NAN,
                             .telemetry_age_ms = s->age_ms,
                             .anomaly = s->anomaly,
                             .notices = &s->notice,
                             .n_notices = s->notice.code ? 1 : 0};
}

static const char *bytes_of(struct arena *arena, const json_t *json)
{
    struct buf out = BUF_INIT;
    json_canonical(json, &out);
    const char *text = arena_strdup(arena, out.p);
    buf_release(&out);
    return text;
}

static const char *bytes_of_decision(struct arena *arena, const struct decision *d)
{
    return bytes_of(arena, decision_to_json(arena, d));
}

static const char *through_json(struct scene *s, struct rollout_policy **policy,
                                struct rollout_state *state, struct snapshot *seen)
{
    struct err err = ERR_INIT;
    *policy =
        rollout_policy_from_json(s->arena, rollout_policy_to_json(s->arena, &s->policy), &err);
    if (!*policy ||
        !rollout_state_from_json(s->arena, rollout_state_to_json(s->arena, &s->state), state,
                                 &err) ||
        !snapshot_from_json(s->arena, snapshot_to_json(s->arena, seen), seen, &err))
        return arena_strdup(s->arena, err.message);
    return NULL;
}

const char *scene_decide(struct scene *s, const struct act *acts, size_t n_acts,
                         struct decision *out)
{
    if (!s->started)
        s->state = decide_start("r1", "payments", "v2", "v1", s->author, s->change_kind, &s->policy,
                                SCENE_EPOCH_MS);
    s->started = true;
    struct snapshot seen = take_snapshot(s), replayed_seen = seen;
    struct rollout_policy *policy;
    struct rollout_state state;
    const char *wrong = through_json(s, &policy, &state, &replayed_seen);
    if (wrong)
        return wrong;
    struct decide_input live = {&s->policy, &s->state, &seen, acts, n_acts, s->now_ms};
    struct decide_input replay = {policy, &state, &replayed_seen, acts, n_acts, s->now_ms};
    struct decision again = decide(s->arena, &replay);
    *out = decide(s->arena, &live);
    s->state = out->state;
    if (strcmp(bytes_of_decision(s->arena, out), bytes_of_decision(s->arena, &again)) != 0)
        return "the replay of this decision differs";
    return NULL;
}
