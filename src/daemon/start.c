/* A rollout is asked for: what it needs to know is checked, recorded, and then it waits for its
 * turn. */
#include "base/clock.h"
#include "base/log.h"
#include "daemon/comparison.h"

#define MAX_VERSION 128
#define MAX_KEY 1000

bool supersede_older(struct rollout *r, struct err *err)
{
    for (struct rollout *older = r->next; older; older = older->next) {
        bool told = older->superseded;
        if (!same_service(older, r) || rollout_state_is_final(older->state.state) || told)
            continue;
        struct act act = {
            .kind = ACT_SUPERSEDE,
            .actor = arena_strdup(&older->arena, r->state.author),
            .role = "ci",
            .reason = arena_printf(&older->arena, "version %s takes over", r->state.canary_version),
            .at_ms = clock_wall_ms()};
        if (!take_act(older, act, err))
            return false;
        older->superseded = true;
    }
    return true;
}

static bool check_version(const char *key, const char *version, struct err *err)
{
    size_t n = strlen(version);
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)version[i] <= ' ' || version[i] == 0x7f)
            return err_set(err, ERR_BAD_INPUT, "%s must not contain white space", key);
    }
    if (n > MAX_VERSION)
        return err_set(err, ERR_BAD_INPUT, "%s has %zu bytes, the limit is %d", key, n,
                       MAX_VERSION);
    return true;
}

/* A version's baseline is not a version. */
static bool is_baseline(struct arena *arena, const struct rollout_policy *policy,
                        const struct slo_arm *arms, size_t n, struct str version)
{
    for (size_t i = 0; policy->baseline && i < n; i++) {
        if (str_is(version, baseline_of(arena, policy, arena_cstr(arena, arms[i].version))))
            return true;
    }
    return false;
}

/* The only version that telemetry knows besides the new one; NULL when there is no such. */
static const char *version_in_telemetry(struct daemon *d, struct arena *arena,
                                        const struct rollout_policy *policy, const char *canary)
{
    struct slo_arm *arms;
    size_t n;
    const char *only = NULL;
    for (size_t i = 0; i < policy->n_checks; i++) {
        if (!policy->checks[i].slo ||
            !slo_engine_arms(d->engine, arena, policy->checks[i].slo, &arms, &n))
            continue;
        for (size_t k = 0; k < n; k++) {
            if (arms[k].version.n == 0 || str_is(arms[k].version, canary) ||
                is_baseline(arena, policy, arms, n, arms[k].version))
                continue;
            if (only && !str_is(arms[k].version, only))
                return NULL;
            only = arena_cstr(arena, arms[k].version);
        }
    }
    return only;
}

const char *find_stable(struct daemon *d, struct arena *arena, const json_t *body,
                        const struct rollout_policy *policy, const char *canary, struct err *err)
{
    if (json_object_get(body, "stableVersion"))
        return take_text(body, "stableVersion", NULL, err);
    for (struct rollout *r = d->rollouts; r; r = r->next) {
        if (strcmp(r->state.service, policy->service) == 0 && r->state.state == ROLLOUT_SUCCEEDED)
            return arena_strdup(arena, r->state.canary_version);
    }
    const char *known = version_in_telemetry(d, arena, policy, canary);
    if (!known)
        err_set(err, ERR_BAD_INPUT,
                "stableVersion is required: telemetry does not know exactly one other version of "
                "'%s'",
                policy->service);
    return known;
}

const struct rollout_policy *find_policy(struct daemon *d, const char *service, struct err *err)
{
    const struct rollout_policy *policy = config_find_rollout(d->config, service);
    const char *names[64];
    size_t n = d->config->n_rollouts < 64 ? d->config->n_rollouts : 64;
    if (policy)
        return policy;
    for (size_t i = 0; i < n; i++)
        names[i] = d->config->rollouts[i].service;
    const char *near = str_nearest(str_from(service), names, n);
    err_set(err, ERR_NOT_FOUND, "no rollout policy is for the service '%.100s'%s%s%s", service,
            near ? "; did you mean '"
            : n  ? ""
                 : ": no policies are loaded",
            near ? near : "", near ? "'?" : "");
    return NULL;
}

static bool check_kind(const char *kind, struct err *err)
{
    static const char *const kinds[] = {"normal", "fix", "security", "p0"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(kind, kinds[i]) == 0)
            return true;
    }
    return err_set(err, ERR_BAD_INPUT, "changeKind is normal, fix, security or p0, not '%.60s'",
                   kind);
}

static const char *make_id(struct arena *arena, const char *service, int64_t now_ms)
{
    uint8_t random[3];
    struct buf text = BUF_INIT, hex = BUF_INIT;
    clock_format_ms(&text, now_ms); /* 2026-11-23T14:47:00.123Z */
    random_bytes(random, sizeof random);
    hex_add(&hex, random, sizeof random);
    const char *id =
        arena_printf(arena, "%s-%.4s%.2s%.2sT%.2s%.2s%.2s-%s", service, text.p, text.p + 5,
                     text.p + 8, text.p + 11, text.p + 14, text.p + 17, hex.p);
    buf_release(&text);
    buf_release(&hex);
    return id;
}

/* True when what is asked for is what this rollout was made for. */
static bool is_the_same(const struct rollout *r, const char *service, const char *version)
{
    return strcmp(r->state.service, service) == 0 && strcmp(r->state.canary_version, version) == 0;
}

static bool check_key(const char *key, struct err *err)
{
    if (key && !str_is_utf8(str_from(key)))
        return err_set(err, ERR_BAD_INPUT, "the idempotency key is not UTF-8");
    if (key && strlen(key) > MAX_KEY)
        return err_set(err, ERR_BAD_INPUT, "the idempotency key has %zu bytes, the limit is %d",
                       strlen(key), MAX_KEY);
    return true;
}

static struct rollout *find_by_key(struct daemon *d, const char *key)
{
    for (struct rollout *r = d->rollouts; r && key; r = r->next) {
        if (strcmp(r->idempotency_key, key) == 0)
            return r;
    }
    return NULL;
}

static bool record_rollout(struct daemon *d, struct arena *arena, const struct rollout_state *state,
                           const json_t *policy, const char *key, struct err *err)
{
    struct buf digest = BUF_INIT;
    struct sha256 sha = policy_digest(policy);
    hex_add(&digest, sha.b, sizeof sha.b);
    json_t *body = json_own(
        arena, json_pack("{s:O, s:s, s:O, s:s}", "policy", policy, "policyDigest", digest.p,
                         "state", rollout_state_to_json(arena, state), "idempotencyKey", key));
    buf_release(&digest);
    return record(d, LEDGER_ROLLOUT, state->id, state->created_ms, body, NULL, err);
}

/* The first state of what is asked for; strings are the arena's or the request's. */
static bool read_start(struct daemon *d, struct arena *arena, const json_t *body,
                       const struct rollout_policy **policy, struct rollout_state *out,
                       struct err *err)
{
    static const char *const keys[] = {"service", "version", "stableVersion", "author",
                                       "changeKind"};
    if (!known_keys(body, keys, sizeof keys / sizeof *keys, err))
        return false;
    const char *service = take_text(body, "service", NULL, err);
    const char *version = service ? take_text(body, "version", NULL, err) : NULL;
    const char *author = version ? take_text(body, "author", "unknown", err) : NULL;
    const char *kind = author ? take_text(body, "changeKind", "normal", err) : NULL;
    if (!kind || !check_kind(kind, err) || !(*policy = find_policy(d, service, err)))
        return false;
    const char *stable = find_stable(d, arena, body, *policy, version, err);
    if (!stable || !check_version("version", version, err) ||
        !check_version("stableVersion", stable, err))
        return false;
    if (strcmp(stable, version) == 0)
        return err_set(err, ERR_BAD_INPUT, "version and stableVersion are both '%s'", version);
    int64_t now_ms = clock_wall_ms();
    *out = decide_start(make_id(arena, service, now_ms), service, version, stable, author, kind,
                        *policy, now_ms);
    return true;
}

static struct rollout *begin(struct daemon *d, struct arena *arena,
                             const struct control_request *asked, struct err *err)
{
    const struct rollout_policy *policy;
    struct rollout_state state;
    const char *key = asked->idempotency_key ? asked->idempotency_key : "";
    if (!read_start(d, arena, asked->body, &policy, &state, err))
        return NULL;
    const json_t *policy_json = rollout_policy_to_json(arena, policy);
    if (!record_rollout(d, arena, &state, policy_json, key, err))
        return NULL;
    struct rollout *r = rollout_new(d, state.id);
    CHECK(rollout_set_policy(r, policy_json, err));
    r->idempotency_key = arena_strdup(&r->arena, key);
    rollout_adopt(r, &state);
    open_actuator(d, r);
    log_info("decide", "rollout asked for id=%s version=%s stable=%s author=%s", r->id,
             r->state.canary_version, r->state.stable_version, r->state.author);
    return r;
}

struct rollout *rollout_begin(struct daemon *d, const struct control_request *asked, bool *created,
                              struct err *err)
{
    struct arena arena = ARENA_INIT;
    *created = false;
    if (!check_key(asked->idempotency_key, err))
        return NULL;
    struct rollout *r = find_by_key(d, asked->idempotency_key);
    if (r && !is_the_same(r, json_get_cstr(asked->body, "service", ""),
                          json_get_cstr(asked->body, "version", ""))) {
        err_set(err, ERR_CONFLICT,
                "the idempotency key belongs to rollout %s of another service or version", r->id);
        return NULL;
    }
    if (!r) {
        r = begin(d, &arena, asked, err);
        *created = r != NULL;
    }
    arena_release(&arena);
    if (*created)
        rollouts_forget(d);
    return r;
}
