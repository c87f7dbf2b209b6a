/* What is seen of a rollout: each check's answer, how fresh it is, and whether telemetry and
 * actuator agree on the split. */
#include "daemon/comparison.h"

#include <math.h>

/* --- Freshness --- */

/* The age of what an arm last said; an arm that must have begun and has not is as old as that. -1:
 * stable was never seen. */
static int64_t age_of(const struct slo_arm *arm, int64_t since_ms, int64_t now_ms)
{
    int64_t newest_ms = arm ? arm->newest_ms : 0;
    if (newest_ms < since_ms)
        newest_ms = since_ms;
    if (newest_ms == 0)
        return -1;
    return now_ms > newest_ms ? now_ms - newest_ms : 0;
}

void set_blind(struct evidence *e, const char *code, const char *sentence)
{
    e->state = EVIDENCE_BLIND;
    e->code = code;
    e->sentence = sentence;
    e->would_change = "telemetry of both arms, newer than the policy's limit";
}

struct evidence unknown_evidence(const struct check_spec *spec)
{
    const double nan_value = (double)NAN;
    return (struct evidence){.check = spec->name,
                             .kind = EVIDENCE_RATIO,
                             .state = EVIDENCE_INSUFFICIENT,
                             .critical = spec->critical,
                             .unit = "ratio",
                             .effect = nan_value,
                             .low = nan_value,
                             .high = nan_value,
                             .tolerate = spec->tolerate,
                             .harm_log_e = nan_value,
                             .harm_log_limit = nan_value,
                             .minimum_detectable_effect = nan_value,
                             .fresh_ms = -1,
                             .query = "",
                             .code = "no_exposure",
                             .sentence = "no traffic is on the canary yet",
                             .would_change = "the first step"};
}

/* A sample from further ahead than the limit says nothing about how old what is known is: a clock
 * was put back, or a sender's goes wrong. */
static bool is_ahead(const struct rollout *r, const struct slo_arm *arm, int64_t now_ms)
{
    return arm && arm->newest_ms > now_ms && arm->newest_ms - now_ms > r->policy->max_age_ms;
}

static void check_clocks(const struct rollout *r, struct evidence *e, const struct slo_arm *stable,
                         const struct slo_arm *canary, int64_t now_ms, struct arena *arena)
{
    const struct slo_arm *ahead = is_ahead(r, canary, now_ms)   ? canary
                                  : is_ahead(r, stable, now_ms) ? stable
                                                                : NULL;
    if (ahead)
        set_blind(e, "from_the_future",
                  arena_printf(arena, "the newest sample of %s is %lld s ahead of the clock",
                               arena_cstr(arena, ahead->version),
                               (long long)((ahead->newest_ms - now_ms) / 1000)));
}

static void check_freshness(const struct rollout *r, struct evidence *e, int64_t stable_ms,
                            int64_t canary_ms, struct arena *arena)
{
    const char *late = NULL;
    e->fresh_ms = stable_ms < 0 ? -1 : stable_ms > canary_ms ? stable_ms : canary_ms;
    if (stable_ms < 0)
        set_blind(e, "no_telemetry",
                  arena_printf(arena, "no telemetry of %s has been seen", r->state.stable_version));
    else if (canary_ms > r->policy->max_age_ms)
        late = r->state.canary_version;
    else if (stable_ms > r->policy->max_age_ms)
        late = r->state.stable_version;
    if (late)
        set_blind(e, "stale",
                  arena_printf(arena, "nothing was heard from %s for %lld s; the limit is %lld s",
                               late, (long long)(e->fresh_ms / 1000),
                               (long long)(r->policy->max_age_ms / 1000)));
}

/* --- One check --- */

static const char *counters_of(struct arena *arena, const struct rollout *r, const char *slo)
{
    const char *baseline = baseline_of(arena, r->policy, r->state.stable_version);
    return arena_printf(arena,
                        "cqed_sli_good_total, cqed_sli_total{slo=\"%s\",version=~\"%s|%s%s%s\"}",
                        slo, r->state.stable_version, r->state.canary_version, baseline ? "|" : "",
                        baseline ? baseline : "");
}

struct evidence broken(const struct check_spec *spec, struct arena *arena, const char *why)
{
    struct evidence e = unknown_evidence(spec);
    e.state = EVIDENCE_ERROR;
    e.code = "question_broken";
    e.sentence = arena_strdup(arena, why);
    e.would_change = "a question that can be answered";
    return e;
}

static void keep_interval(struct check *check, const struct evidence *e)
{
    if (check->n_points == 0)
        return;
    struct point *last = &check->points[(check->n_points - 1) % N_POINTS];
    last->effect = e->effect;
    last->low = e->low;
    last->high = e->high;
    last->log_e = e->harm_log_e;
}

static bool has_edges(const struct check *check, const struct slo_arm *arm)
{
    size_t bytes = check->n_edges * sizeof *check->edges;
    if (!check->is_latency || !arm || arm->newest_ms == 0)
        return true;
    return arm->n_edges == check->n_edges && memcmp(arm->edges, check->edges, bytes) == 0;
}

/* The arms of one check as the SLI engine knows them; NULL = nothing was ever heard. */
struct heard_arms {
    const struct slo_arm *stable, *canary, *baseline;
};

static bool hear_arms(struct daemon *d, const struct rollout *r, const char *slo,
                      struct arena *arena, struct heard_arms *out)
{
    struct slo_arm *arms;
    size_t n;
    const char *baseline = baseline_of(arena, r->policy, r->state.stable_version);
    if (!slo_engine_arms(d->engine, arena, slo, &arms, &n))
        return false;
    *out = (struct heard_arms){find_arm(arms, n, r->state.stable_version),
                               find_arm(arms, n, r->state.canary_version),
                               baseline ? find_arm(arms, n, baseline) : NULL};
    return true;
}

/* What the judge says, after all that came in since; nothing is fed of histograms that cannot be
 * laid over one another. */
static bool judge_arms(struct daemon *d, struct rollout *r, struct check *check,
                       const struct heard_arms *arms, struct arena *arena, int64_t now_ms,
                       struct evidence *e, struct err *err)
{
    const struct slo_arm *other = !has_edges(check, arms->canary)   ? arms->canary
                                  : !has_edges(check, arms->stable) ? arms->stable
                                  : check->against_baseline && !has_edges(check, arms->baseline)
                                      ? arms->baseline
                                      : NULL;
    if (!other && !feed(d, r, check, arena, now_ms, err))
        return false;
    judge_stream_read(check->stream, arena, e);
    if (check->spec->is_rate && !check->is_latency)
        e->kind = EVIDENCE_RATE;
    keep_interval(check, e);
    say_reference(e, check, r, arena, now_ms);
    if (other && e->state != EVIDENCE_FAIL)
        set_blind(e, "other_buckets",
                  arena_printf(arena, "the histogram of %s has other buckets than were compared",
                               arena_cstr(arena, other->version)));
    return true;
}

static void check_unknown(const struct check *check, struct evidence *e, struct arena *arena)
{
    e->unknown_ms = check->unknown_ms;
    if (check->is_unknown && e->state != EVIDENCE_FAIL)
        set_blind(e, "impossible", arena_strdup(arena, check->refusal));
    else if (check->unknown_ms > 0)
        e->sentence = arena_printf(arena, "%s; %lld s of it are not known: %s", e->sentence,
                                   (long long)(check->unknown_ms / 1000), check->refusal);
}

/* Harm that was shown stays shown when telemetry then goes away. A baseline that falls silent is
 * watch_baseline's matter. */
static void check_arms(struct daemon *d, const struct rollout *r, struct evidence *e,
                       const struct heard_arms *arms, int64_t now_ms, struct arena *arena)
{
    bool exposed = r->exposed_since_ms > 0;
    int64_t stable_ms = age_of(arms->stable, 0, now_ms);
    int64_t canary_ms = exposed ? age_of(arms->canary, r->exposed_since_ms, now_ms) : 0;
    if (e->state == EVIDENCE_FAIL) {
        e->fresh_ms = stable_ms > canary_ms ? stable_ms : canary_ms;
        return;
    }
    check_clocks(r, e, arms->stable, arms->canary, now_ms, arena);
    check_freshness(r, e, stable_ms, canary_ms, arena);
    check_sources(d, r, e, arms->stable, now_ms, arena);
    if (exposed)
        check_sources(d, r, e, arms->canary, now_ms, arena);
}

static struct evidence compare(struct daemon *d, struct rollout *r, struct check *check,
                               struct arena *arena, int64_t now_ms)
{
    struct evidence e = unknown_evidence(check->spec);
    struct heard_arms arms;
    struct err err = ERR_INIT;
    if (!hear_arms(d, r, check->spec->slo, arena, &arms))
        return broken(check->spec, arena,
                      arena_printf(arena, "there is no SLO '%s' any more", check->spec->slo));
    bool exposed = r->exposed_since_ms > 0;
    e.query = counters_of(arena, r, check->spec->slo);
    struct opening opening = {r->policy, r->comparison->alpha, r->state.stable_version,
                              r->exposed_since_ms};
    if (exposed && !check->stream && !start_stream(d, &opening, check, arms.stable, arena, &err) &&
        err.code != ERR_NONE)
        return broken(check->spec, arena, err.message);
    if (exposed && !check->stream)
        set_blind(&e, "no_histogram",
                  arena_printf(arena, "no histogram of %s has been seen, or it has over %d buckets",
                               r->state.stable_version, JUDGE_MAX_EDGES));
    if (check->stream && !judge_arms(d, r, check, &arms, arena, now_ms, &e, &err))
        return broken(check->spec, arena, err.message);
    check_unknown(check, &e, arena);
    check_arms(d, r, &e, &arms, now_ms, arena);
    blame_source(d, arena, check->spec->slo, &e);
    return e;
}

const char *fill_in(struct arena *arena, const struct rollout *r, const char *query,
                    const char *version)
{
    const struct {
        const char *name, *value;
    } words[] = {{"{{canary}}", r->state.canary_version},
                 {"{{stable}}", r->state.stable_version},
                 {"{{service}}", r->state.service},
                 {"{{version}}", version ? version : "{{version}}"}};
    struct buf out = BUF_INIT;
    for (const char *p = query; *p;) {
        size_t skip = 0;
        for (size_t i = 0; i < sizeof words / sizeof *words && !skip; i++) {
            if (strncmp(p, words[i].name, strlen(words[i].name)) == 0) {
                buf_add_cstr(&out, words[i].value);
                skip = strlen(words[i].name);
            }
        }
        if (!skip)
            buf_add_char(&out, *p);
        p += skip ? skip : 1;
    }
    char *text = arena_strdup(arena, out.p ? out.p : "");
    buf_release(&out);
    return text;
}

/* --- All checks together --- */

/* The average of the critical comparisons' e-values, with the traffic guard's, has the policy's
 * false-rollback rate: many small signs add up to harm that none shows alone. The one with most of
 * it then fails. */
static void add_up(const struct rollout *r, struct arena *arena, struct snapshot *seen,
                   struct evidence *checks)
{
    const struct comparison *c = r->comparison;
    /* Before the guard is among the checks its part counts nothing. */
    double *log_e = ARENA_ARRAY(arena, double, seen->n_checks + 1);
    double *weights = ARENA_ARRAY(arena, double, seen->n_checks + 1);
    size_t *which = ARENA_ARRAY(arena, size_t, seen->n_checks + 1), n = 0;
    bool failed = false;
    for (size_t i = 0; i < seen->n_checks; i++) {
        bool guard = i == c->n_checks;
        if (!guard && !is_controlled(c->checks[i].spec))
            continue;
        log_e[n] = isnan(checks[i].harm_log_e) ? 0 : checks[i].harm_log_e;
        weights[n] = (guard ? c->guard_alpha : c->alpha) / r->policy->false_rollback;
        which[n++] = i;
        failed |= checks[i].state == EVIDENCE_FAIL;
    }
    if (n == 0)
        return;
    struct combined all = judge_combine(log_e, weights, n, r->policy->false_rollback);
    size_t worst = which[all.worst];
    seen->harm_log_e = all.log_e;
    seen->harm_log_limit = -log(r->policy->false_rollback);
    if (all.is_harm && !failed && worst < c->n_checks && c->checks[worst].stream)
        (void)judge_stream_fail_together(c->checks[worst].stream, arena, &checks[worst]);
}

/* --- All of it --- */

static const char *first_slo(const struct rollout_policy *p)
{
    for (size_t i = 0; i < p->n_checks; i++) {
        if (p->checks[i].slo && p->checks[i].against_stable)
            return p->checks[i].slo;
    }
    return NULL;
}

/* The oldest source that an arm comparison rests on; never seen outweighs everything. */
static int64_t oldest_age(const struct evidence *checks, size_t n)
{
    int64_t oldest = 0;
    bool any = false;
    for (size_t i = 0; i < n; i++) {
        if (checks[i].kind != EVIDENCE_RATIO && checks[i].kind != EVIDENCE_LATENCY &&
            checks[i].kind != EVIDENCE_RATE)
            continue;
        if (checks[i].fresh_ms < 0)
            return -1;
        any = true;
        oldest = checks[i].fresh_ms > oldest ? checks[i].fresh_ms : oldest;
    }
    return any ? oldest : 0;
}

/* What the actuator said last, unless it has not answered for so long that it says nothing now. */
static struct exposure present_exposure(const struct rollout *r, struct arena *arena,
                                        int64_t now_ms)
{
    struct exposure e = r->exposure;
    int64_t age_ms = now_ms - e.at_ms;
    e.error = arena_strdup(arena, e.error);
    e.measured_pct = (double)NAN;
    if (!e.known || age_ms <= r->policy->traffic.timeout_ms)
        return e;
    e.known = false;
    e.observed_pct = (double)NAN;
    e.error =
        arena_printf(arena, "the actuator has not answered for %lld s", (long long)(age_ms / 1000));
    return e;
}

static struct evidence look_at(struct daemon *d, struct rollout *r, struct check *check,
                               struct arena *arena, int64_t now_ms)
{
    if (check->spec->query)
        return hold_against_limit(d, r, check, arena, now_ms);
    if (check->spec->kayenta.config)
        return ask_kayenta(d, r, check, arena, now_ms);
    if (!check->spec->gauge)
        return compare(d, r, check, arena, now_ms);
    struct evidence e = compare_gauge(d, r, check, arena, now_ms);
    keep_interval(check, &e);
    return e;
}

struct snapshot collect(struct daemon *d, struct rollout *r, struct arena *arena, int64_t now_ms)
{
    struct comparison *c = r->comparison;
    struct evidence *checks = ARENA_ARRAY(arena, struct evidence, c->n_checks + 1);
    struct snapshot seen = {
        .at_ms = now_ms, .checks = checks, .exposure = present_exposure(r, arena, now_ms)};
    for (size_t i = 0; i < c->n_checks; i++) {
        checks[seen.n_checks++] = look_at(d, r, &c->checks[i], arena, now_ms);
    }
    const char *slo = first_slo(r->policy);
    if (slo && seen.exposure.known && seen.exposure.observed_pct > 0) {
        note_split(d, r, slo, arena);
        struct evidence split = judge_split(r, arena, now_ms, &seen.exposure.measured_pct);
        guard_traffic(r, arena, now_ms, seen.exposure.measured_pct, &split);
        checks[seen.n_checks++] = split;
    }
    add_up(r, arena, &seen, checks);
    seen.telemetry_age_ms = oldest_age(checks, seen.n_checks);
    seen.budget_remaining = r->policy->budget_slo
                                ? budget_remaining(d, arena, r->policy->budget_slo, now_ms)
                                : (double)NAN;
    const char *anomaly = anomaly_of(d, r->state.service);
    seen.anomaly = anomaly ? arena_strdup(arena, anomaly) : NULL;
    if (r->state.state == ROLLOUT_WAITING)
        seen.notices = start_notices(d, r, arena, now_ms, &seen.n_notices);
    return seen;
}
