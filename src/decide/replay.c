#include "decide/replay.h"

#include "base/map.h"
#include "base/mem.h"

#include <math.h>
#include <stdlib.h>

#define MAX_WHOLE (INT64_C(1) << 53) /* what JSON readers agree on; sums of two cannot overflow */

/* One rollout, as far as its entries were read. */
struct replayed {
    struct arena arena;
    const struct rollout_policy *policy; /* NULL when its entry was malformed */
    struct buf state;                    /* canonical; after the last decision */
    double desired_pct;                  /* NaN = not known */
    struct buf acts;                     /* canonical, with commas; since the last decision */
};

/* --- JSON --- */

static struct str canonical(struct arena *arena, const json_t *json)
{
    struct buf bytes = BUF_INIT;
    json_canonical(json, &bytes);
    struct str text = arena_str(arena, buf_str(&bytes));
    buf_release(&bytes);
    return text;
}

/* Times and counts that were recorded are small; larger ones would overflow in decide(). */
static bool wholes_are_sane(const json_t *json)
{
    const char *key;
    json_t *value;
    size_t i;
    if (json_is_integer(json))
        return json_integer_value(json) >= -MAX_WHOLE && json_integer_value(json) <= MAX_WHOLE;
    json_object_foreach((json_t *)(uintptr_t)json, key, value)
    {
        if (!wholes_are_sane(value))
            return false;
    }
    json_array_foreach(json, i, value)
    {
        if (!wholes_are_sane(value))
            return false;
    }
    return true;
}

static const json_t *need(const json_t *body, const char *key, struct err *err)
{
    const json_t *value = json_object_get(body, key);
    if (!value)
        err_set(err, ERR_BAD_INPUT, "it has no \"%s\"", key);
    else if (!wholes_are_sane(value))
        err_set(err, ERR_BAD_INPUT, "\"%s\" has a number that is too large", key);
    else
        return value;
    return NULL;
}

/* --- Where two values differ --- */

/* RFC 6901: '~' and '/' in a key are escaped. */
static void add_key(struct buf *path, const char *key)
{
    buf_add_char(path, '/');
    for (; *key; key++) {
        if (*key == '~' || *key == '/')
            buf_add_cstr(path, *key == '~' ? "~0" : "~1");
        else
            buf_add_char(path, *key);
    }
}

static bool same(struct arena *arena, const json_t *a, const json_t *b)
{
    return a && b && str_eq(canonical(arena, a), canonical(arena, b));
}

/* The first key, in either, whose values differ; NULL when there is none. */
static const char *differing_key(struct arena *arena, const json_t *a, const json_t *b)
{
    const char *key, *first = NULL;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)a, key, value)
    {
        if (!same(arena, value, json_object_get(b, key)) && (!first || strcmp(key, first) < 0))
            first = key;
    }
    json_object_foreach((json_t *)(uintptr_t)b, key, value)
    {
        if (!json_object_get(a, key) && (!first || strcmp(key, first) < 0))
            first = key;
    }
    return first;
}

/* Follows the first difference down; *a and *b are then the values there, NULL where absent. */
static void first_difference(struct arena *arena, const json_t **a, const json_t **b,
                             struct buf *path)
{
    while (json_is_object(*a) && json_is_object(*b)) {
        const char *key = differing_key(arena, *a, *b);
        if (!key)
            return;
        add_key(path, key);
        *a = json_object_get(*a, key);
        *b = json_object_get(*b, key);
    }
    if (!json_is_array(*a) || !json_is_array(*b))
        return;
    size_t i = 0, n = json_array_size(*a);
    while (i < n && same(arena, json_array_get(*a, i), json_array_get(*b, i)))
        i++;
    buf_printf(path, "/%zu", i);
    *a = json_array_get(*a, i);
    *b = json_array_get(*b, i);
    if (*a && *b)
        first_difference(arena, a, b, path);
}

/* --- Findings --- */

/* The entry that is being looked at. */
struct look {
    struct replay *replay;
    struct arena *arena;
    uint64_t seq;
    const char *subject;
    const json_t *body;
};

static bool find(const struct look *l, const char *path, const char *text)
{
    struct replay_finding finding = {l->seq, l->subject, path, text};
    l->replay->n_findings++;
    if (l->replay->found)
        l->replay->found(l->replay->arg, &finding);
    return false;
}

static const char *shown(struct arena *arena, const json_t *value)
{
    if (!value)
        return "nothing";
    struct str text = canonical(arena, value);
    return arena_printf(arena, "%.100s%s", text.p, text.n > 100 ? "..." : "");
}

/* True when they are the same; otherwise a finding that starts at `path`. */
static bool hold(const struct look *l, const char *path, const json_t *recorded,
                 const json_t *expected, const char *how)
{
    struct buf where = BUF_INIT;
    if (same(l->arena, recorded, expected))
        return true;
    buf_add_cstr(&where, path);
    first_difference(l->arena, &recorded, &expected, &where);
    find(l, where.p,
         arena_printf(l->arena, "recorded %s, %s %s", shown(l->arena, recorded), how,
                      shown(l->arena, expected)));
    buf_release(&where);
    return false;
}

/* Bytes that this module made, as a value again. */
static const json_t *value_of(struct arena *arena, const struct buf *bytes)
{
    return json_parse(arena, buf_str(bytes), NULL);
}

/* --- Asking again --- */

static bool read_state(struct arena *arena, const struct rollout_policy *policy, const json_t *body,
                       struct rollout_state *out, struct err *err)
{
    const json_t *json = need(body, "state", err);
    if (!json || !rollout_state_from_json(arena, json, out, err))
        return false;
    const char *flaw = rollout_state_flaw(out, policy);
    return !flaw || err_set(err, ERR_BAD_INPUT, "its state cannot be: %s", flaw);
}

static bool read_seen(struct arena *arena, const json_t *body, struct snapshot *out,
                      struct err *err)
{
    const json_t *json = need(body, "seen", err);
    memset(out, 0, sizeof *out);
    return json && snapshot_from_json(arena, json, out, err);
}

static bool read_acts(struct arena *arena, const json_t *body, struct act **out, size_t *n,
                      struct err *err)
{
    const json_t *json = need(body, "acts", err);
    if (!json)
        return false;
    if (!json_is_array(json))
        return err_set(err, ERR_BAD_INPUT, "its \"acts\" are no array");
    *n = json_array_size(json);
    *out = ARENA_ARRAY(arena, struct act, *n);
    for (size_t i = 0; i < *n; i++) {
        if (!act_from_json(arena, json_array_get(json, i), &(*out)[i], err))
            return false;
    }
    return true;
}

bool decide_replay(struct arena *arena, const struct rollout_policy *policy, const json_t *body,
                   struct buf *recorded, struct buf *recomputed, struct err *err)
{
    struct rollout_state state;
    struct snapshot seen;
    struct act *acts = NULL;
    size_t n_acts = 0;
    const json_t *now = need(body, "nowMs", err);
    const json_t *answer = now ? need(body, "decision", err) : NULL;
    if (!answer || !read_state(arena, policy, body, &state, err) ||
        !read_seen(arena, body, &seen, err) || !read_acts(arena, body, &acts, &n_acts, err))
        return false;
    if (!json_is_integer(now) || json_integer_value(now) <= 0)
        return err_set(err, ERR_BAD_INPUT, "its \"nowMs\" is no time");
    struct decide_input in = {policy, &state, &seen, acts, n_acts, json_integer_value(now)};
    struct decision again = decide(arena, &in);
    json_canonical(answer, recorded);
    json_canonical(decision_to_json(arena, &again), recomputed);
    return true;
}

static json_t *gate_answer(struct arena *arena, const struct gate_decision *d)
{
    json_t *reasons = json_array();
    for (size_t i = 0; i < d->n_reasons; i++)
        (void)json_array_append_new(reasons, json_pack("{s:s, s:s}", "code", d->reasons[i].code,
                                                       "sentence", d->reasons[i].sentence));
    return json_own(
        arena, json_pack("{s:s, s:o}", "state", evidence_state_name(d->state), "reasons", reasons));
}

bool gate_replay(struct arena *arena, const json_t *body, struct buf *recorded,
                 struct buf *recomputed, struct err *err)
{
    struct snapshot seen;
    const json_t *policy_json = need(body, "policy", err);
    const json_t *state = policy_json ? need(body, "state", err) : NULL;
    const json_t *reasons = state ? need(body, "reasons", err) : NULL;
    if (!reasons || !read_seen(arena, body, &seen, err))
        return false;
    const struct gate_policy *policy = gate_policy_from_json(arena, policy_json, err);
    if (!policy)
        return false;
    struct gate_decision again = decide_gate(arena, policy, &seen);
    json_canonical(json_own(arena, json_pack("{s:O, s:O}", "state", state, "reasons", reasons)),
                   recorded);
    json_canonical(gate_answer(arena, &again), recomputed);
    return true;
}

/* --- The fold --- */

static void free_replayed(struct replayed *r)
{
    arena_release(&r->arena);
    buf_release(&r->state);
    buf_release(&r->acts);
    free(r);
}

static struct replayed *new_replayed(struct replay *replay, const char *id)
{
    struct replayed *r = mem_zalloc(sizeof *r);
    struct replayed *old = map_set(replay->rollouts, str_from(id), r);
    if (old)
        free_replayed(old);
    return r;
}

static void adopt_state(struct replayed *r, const json_t *state)
{
    buf_clear(&r->state);
    buf_clear(&r->acts);
    r->desired_pct = json_to_double(json_object_get(state, "desiredPct"), (double)NAN);
    if (state)
        json_canonical(state, &r->state);
}

static bool check_digest(const struct look *l, const json_t *policy)
{
    struct buf hex = BUF_INIT;
    const json_t *digest = json_object_get(l->body, "policyDigest");
    struct sha256 sha = policy_digest(policy);
    hex_add(&hex, sha.b, sizeof sha.b);
    bool fits = !digest || hold(l, "/policyDigest", digest, json_own(l->arena, json_string(hex.p)),
                                "the policy's is");
    buf_release(&hex);
    return fits;
}

static bool check_first_state(const struct look *l, const struct rollout_policy *policy,
                              const json_t *recorded)
{
    struct err err = ERR_INIT;
    struct rollout_state s;
    if (!read_state(l->arena, policy, l->body, &s, &err))
        return find(l, "/state", err.message);
    struct rollout_state first = decide_start(s.id, s.service, s.canary_version, s.stable_version,
                                              s.author, s.change_kind, policy, s.created_ms);
    return hold(l, "/state", recorded, rollout_state_to_json(l->arena, &first), "recomputed");
}

static bool take_rollout(const struct look *l)
{
    struct err err = ERR_INIT;
    bool known = map_get(l->replay->rollouts, str_from(l->subject)) != NULL;
    if (known)
        return find(l, "", "a rollout of this id was recorded before");
    struct replayed *r = new_replayed(l->replay, l->subject);
    const json_t *policy = need(l->body, "policy", &err),
                 *state = json_object_get(l->body, "state");
    l->replay->n_rollouts++;
    adopt_state(r, state);
    if (policy)
        r->policy = rollout_policy_from_json(&r->arena, policy, &err);
    if (!r->policy)
        return find(l, "/policy", err.message);
    bool fits = check_digest(l, policy);
    return check_first_state(l, r->policy, state) && fits;
}

static bool take_human(const struct look *l, struct replayed *r)
{
    const json_t *act = json_object_get(l->body, "act");
    if (!act)
        return find(l, "/act", "it has no \"act\"");
    if (r->acts.n > 0)
        buf_add_char(&r->acts, ',');
    json_canonical(act, &r->acts);
    return true;
}

/* Whether the question follows from the entries before it. */
static bool check_question(const struct look *l, const struct replayed *r)
{
    struct buf acts = BUF_INIT;
    buf_add_char(&acts, '[');
    buf_add_str(&acts, buf_str(&r->acts));
    buf_add_char(&acts, ']');
    bool fits = hold(l, "/state", json_object_get(l->body, "state"), value_of(l->arena, &r->state),
                     "after the decision before it");
    fits &= hold(l, "/acts", json_object_get(l->body, "acts"), value_of(l->arena, &acts),
                 "people had done");
    buf_release(&acts);
    return fits;
}

/* Whether the answer follows from the question. */
static bool check_answer(const struct look *l, const struct replayed *r)
{
    struct err err = ERR_INIT;
    struct buf recorded = BUF_INIT, recomputed = BUF_INIT;
    bool fits;
    if (!r->policy)
        fits = find(l, "", "it cannot be asked again: its rollout's policy is malformed");
    else if (!decide_replay(l->arena, r->policy, l->body, &recorded, &recomputed, &err))
        fits = find(l, "", err.message);
    else
        fits = str_eq(buf_str(&recorded), buf_str(&recomputed)) ||
               hold(l, "/decision", value_of(l->arena, &recorded), value_of(l->arena, &recomputed),
                    "recomputed");
    buf_release(&recorded);
    buf_release(&recomputed);
    return fits;
}

static bool take_decision(const struct look *l, struct replayed *r)
{
    l->replay->n_decisions++;
    bool fits = check_question(l, r);
    fits &= check_answer(l, r);
    adopt_state(r, json_object_get(json_object_get(l->body, "decision"), "state"));
    return fits;
}

static bool take_intent(const struct look *l, const struct replayed *r)
{
    json_t *desired = json_own(l->arena, json_from_double(r->desired_pct));
    return hold(l, "/weightPct", json_object_get(l->body, "weightPct"), desired,
                "the decision before it asks for");
}

static bool take_gate(const struct look *l)
{
    struct err err = ERR_INIT;
    struct buf recorded = BUF_INIT, recomputed = BUF_INIT;
    l->replay->n_gates++;
    bool fits = gate_replay(l->arena, l->body, &recorded, &recomputed, &err);
    if (!fits)
        find(l, "", err.message);
    else
        fits = hold(l, "", value_of(l->arena, &recorded), value_of(l->arena, &recomputed),
                    "recomputed");
    buf_release(&recorded);
    buf_release(&recomputed);
    return fits;
}

static bool take(const struct look *l, const char *kind)
{
    bool human = strcmp(kind, "human") == 0, decision = strcmp(kind, "decision") == 0;
    bool intent = strcmp(kind, "intent") == 0;
    if (strcmp(kind, "rollout") == 0)
        return take_rollout(l);
    if (strcmp(kind, "gate") == 0)
        return take_gate(l);
    if (!human && !decision && !intent)
        return true;
    struct replayed *r = map_get(l->replay->rollouts, str_from(l->subject));
    if (!r)
        return find(l, "", "no rollout of this id was recorded before");
    return human ? take_human(l, r) : decision ? take_decision(l, r) : take_intent(l, r);
}

/* --- The face --- */

void replay_init(struct replay *replay, void (*found)(void *arg, const struct replay_finding *),
                 void *arg)
{
    *replay = (struct replay){.rollouts = map_new(), .found = found, .arg = arg};
}

void replay_release(struct replay *replay)
{
    struct str id;
    void *r;
    for (size_t i = 0; map_next(replay->rollouts, &i, &id, &r);)
        free_replayed(r);
    map_free(replay->rollouts);
    replay->rollouts = NULL;
}

bool replay_entry(struct replay *replay, uint64_t seq, const char *kind, const char *subject,
                  const json_t *body)
{
    struct arena arena = ARENA_INIT;
    struct look l = {replay, &arena, seq, subject, body};
    bool fits = take(&l, kind);
    arena_release(&arena);
    return fits;
}
