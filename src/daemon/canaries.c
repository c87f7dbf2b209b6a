/* `judge: kayenta-v1`: Kayenta's judge asked of a canary configuration each time so much more of
 * the canary was seen, as Spinnaker asks it. Nobody states its error rate, so beside its word
 * stands what cQED's judge makes of the same values, and why they differ. */
#include "base/clock.h"
#include "daemon/comparison.h"

#include <math.h>

#define ASK_MS 2000 /* all queries together, on the control thread */
#define SETTLE_MS 5000
#define POINTS 10 /* at least, in the first answer */
#define MAX_STEP_S 60
#define SHOWN 3 /* metrics of which it is told where the judges differ */

/* --- Asking --- */

static json_t *scope_of(const struct rollout *r, const struct check_spec *spec, const char *version,
                        int64_t to_ms)
{
    struct buf from = BUF_INIT, to = BUF_INIT;
    int64_t step_s = spec->kayenta.every_ms / POINTS / 1000;
    clock_format_ms(&from, r->exposed_since_ms);
    clock_format_ms(&to, to_ms);
    json_t *scope =
        json_pack("{s:s, s:s, s:s, s:s, s:I, s:{s:s, s:s}}", "scope", version, "location",
                  spec->kayenta.location, "start", from.p, "end", to.p, "step",
                  (json_int_t)(step_s < MAX_STEP_S ? step_s : MAX_STEP_S), "extendedScopeParams",
                  "service", r->state.service, "version", version);
    buf_release(&from);
    buf_release(&to);
    return scope;
}

/* Every scope that a metric names is the rollout's. */
static const json_t *request_of(struct arena *arena, const struct rollout *r,
                                const struct check_spec *spec, const json_t *config, int64_t to_ms)
{
    const char *baseline = baseline_of(arena, r->policy, r->state.stable_version);
    const char *control = baseline ? baseline : r->state.stable_version;
    const json_t *metrics = json_object_get(config, "metrics");
    json_t *scopes = json_object();
    for (size_t i = 0; i < json_array_size(metrics); i++)
        (void)json_object_set_new(
            scopes, json_get_cstr(json_array_get(metrics, i), "scopeName", "default"),
            json_pack("{s:o, s:o}", "controlScope", scope_of(r, spec, control, to_ms),
                      "experimentScope", scope_of(r, spec, r->state.canary_version, to_ms)));
    return json_own(arena, json_pack("{s:o, s:{s:f, s:f}}", "scopes", scopes, "thresholds", "pass",
                                     spec->kayenta.pass, "marginal", spec->kayenta.marginal));
}

static const json_t *find_canary(const struct daemon *d, const char *id)
{
    for (size_t i = 0; i < d->config->n_canaries; i++) {
        if (strcmp(d->config->canaries[i].id, id) == 0)
            return d->config->canaries[i].json;
    }
    return NULL;
}

static const json_t *ask(struct daemon *d, const struct rollout *r, const struct check_spec *spec,
                         struct arena *arena, int64_t to_ms, struct err *err)
{
    const json_t *config = find_canary(d, spec->kayenta.config);
    struct query_settings limits = d->config->query;
    if (!config) {
        err_set(err, ERR_NOT_FOUND, "kayenta.canaryConfigs has no configuration '%s' any more",
                spec->kayenta.config);
        return NULL;
    }
    limits.timeout_ms = limits.timeout_ms < ASK_MS ? limits.timeout_ms : ASK_MS;
    return judge_canary(d->store, &limits, arena, config, request_of(arena, r, spec, config, to_ms),
                        err);
}

/* --- The answer in words --- */

static bool is_nodata(const char *class)
{
    return strncmp(class, "Nodata", 6) == 0;
}

/* Kayenta's word on a metric and cQED's on the same values are not the same. */
static bool differs(const char *class, const char *verdict)
{
    bool passes = strcmp(class, "Pass") == 0;
    bool fails = strcmp(class, "High") == 0 || strcmp(class, "Low") == 0;
    return (passes && strcmp(verdict, "fail") == 0) || (fails && strcmp(verdict, "fail") != 0);
}

static const char *difference(struct arena *arena, const json_t *result, const json_t *beside)
{
    const char *doubt = json_string_value(json_array_get(json_object_get(beside, "doubts"), 0));
    return arena_printf(
        arena, "%s is %s for Kayenta and %s for cQED (%s%s%s)", json_get_cstr(result, "name", ""),
        json_get_cstr(result, "classification", ""), json_get_cstr(beside, "verdict", ""),
        json_get_cstr(beside, "sentence", ""), doubt ? "; " : "", doubt ? doubt : "");
}

struct seen {
    size_t n, nodata, failing, differing;
    const char *failed, *differ; /* the first few, in words */
};

static struct seen look_through(struct arena *arena, const json_t *answer)
{
    struct seen s = {.failed = "", .differ = ""};
    const json_t *results = json_object_get(answer, "results");
    for (; s.n < json_array_size(results); s.n++) {
        const json_t *result = json_array_get(results, s.n);
        const json_t *beside = json_object_get(json_object_get(result, "resultMetadata"), "cqed");
        const char *class = json_get_cstr(result, "classification", "");
        s.nodata += is_nodata(class) ? 1 : 0;
        if (strcmp(class, "Pass") != 0 && s.failing++ < SHOWN)
            s.failed = arena_printf(arena, "%s%s%s %s", s.failed, s.failed[0] ? ", " : "",
                                    json_get_cstr(result, "name", ""), class);
        if (differs(class, json_get_cstr(beside, "verdict", "")) && s.differing++ < SHOWN)
            s.differ = arena_printf(arena, "%s; %s", s.differ, difference(arena, result, beside));
    }
    return s;
}

static void say_kayenta(struct evidence *e, const struct kayenta_spec *k, const json_t *answer,
                        struct arena *arena)
{
    const json_t *score = json_object_get(answer, "score");
    const char *class = json_get_cstr(score, "classification", "");
    struct seen s = look_through(arena, answer);
    e->effect = json_get_double(score, "score", (double)NAN);
    e->state = strcmp(class, "Pass") == 0   ? EVIDENCE_PASS
               : strcmp(class, "Fail") == 0 ? EVIDENCE_FAIL
                                            : EVIDENCE_INSUFFICIENT;
    e->code = e->state == EVIDENCE_PASS   ? "kayenta_pass"
              : e->state == EVIDENCE_FAIL ? "kayenta_fail"
                                          : "kayenta_marginal";
    e->sentence = arena_printf(
        arena, "Kayenta's judge: %s, %.4g of 100 (pass from %g, marginal from %g)%s%s%s", class,
        e->effect, k->pass, k->marginal, s.failed[0] ? ": " : "", s.failed,
        s.differing ? s.differ : "; cQED's judge of the same values does not contradict it");
    e->would_change =
        arena_printf(arena, "another %lld min of values", (long long)(k->every_ms / 60000));
    if (s.n == 0 || s.nodata < s.n)
        return;
    e->state = EVIDENCE_BLIND;
    e->code = "no_data";
    e->sentence = arena_printf(arena, "none of the %zu metrics of '%s' has values of both sides",
                               s.n, k->config);
}

/* --- The face --- */

static struct evidence not_asked_yet(const struct check_spec *spec, struct arena *arena,
                                     const struct rollout *r)
{
    struct evidence e = unknown_evidence(spec);
    e.kind = EVIDENCE_KAYENTA;
    e.unit = "score";
    e.tolerate = spec->kayenta.pass;
    e.uncontrolled = true;
    e.query = spec->kayenta.config;
    if (r->exposed_since_ms == 0)
        return e;
    e.code = "kayenta_waits";
    e.sentence = arena_printf(arena, "Kayenta's judge is asked after %lld min of the canary",
                              (long long)(spec->kayenta.every_ms / 60000));
    e.would_change = "time";
    return e;
}

/* The last whole interval that has settled; 0 = none yet. */
static int64_t due_ms(const struct rollout *r, const struct check_spec *spec, int64_t now_ms)
{
    int64_t since_ms = now_ms - SETTLE_MS - r->exposed_since_ms, every_ms = spec->kayenta.every_ms;
    return r->exposed_since_ms > 0 && since_ms >= every_ms
               ? r->exposed_since_ms + since_ms / every_ms * every_ms
               : 0;
}

struct evidence ask_kayenta(struct daemon *d, struct rollout *r, struct check *check,
                            struct arena *arena, int64_t now_ms)
{
    struct kayenta_state *k = &check->kayenta;
    int64_t until_ms = due_ms(r, check->spec, now_ms);
    if (until_ms > k->judged_until_ms) {
        struct err err = ERR_INIT;
        arena_release(&k->arena);
        k->judged_until_ms = until_ms;
        const json_t *answer = ask(d, r, check->spec, &k->arena, until_ms, &err);
        k->last = not_asked_yet(check->spec, &k->arena, r);
        k->last.observed_ms = until_ms - r->exposed_since_ms;
        if (answer) {
            say_kayenta(&k->last, &check->spec->kayenta, answer, &k->arena);
        } else {
            k->last.state = EVIDENCE_ERROR;
            k->last.code = "query_failed";
            k->last.sentence =
                arena_printf(&k->arena, "Kayenta's judge cannot be asked: %s", err.message);
        }
    }
    if (k->judged_until_ms == 0)
        return not_asked_yet(check->spec, arena, r);
    struct evidence e = k->last;
    e.fresh_ms = now_ms - k->judged_until_ms;
    e.sentence = arena_strdup(arena, e.sentence);
    e.would_change = arena_strdup(arena, e.would_change);
    return e;
}
