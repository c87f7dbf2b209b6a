/* What is seen of a rollout: for each check the two arms' counters, cut into buckets, through the
 * judge. The buckets are read from the store's own SLI series and begin at the first exposure, so a
 * restarted process sees the same buckets and comes to the same verdict. */
#include "base/num.h"
#include "daemon/internal.h"

#include <math.h>
#include <stdlib.h>

#define CARRY_MS 60000        /* sums are written at least each 10 s */
#define LEARN_MS 600000       /* how far back stable is learned from */
#define N_POINTS 600          /* of a curve */
#define CURVE_BUCKETS 5       /* a curve's ratios are over so many buckets */
#define SPLIT_WINDOW_MS 15000 /* the measured split looks this far back */
#define SPLIT_GRACE_MS 3000   /* telemetry of the new weight needs this long to arrive */
#define SPLIT_ENOUGH 10.0     /* expected canary events before the split says anything */
#define N_SPLITS 64

struct point {
    int64_t t_ms;
    struct arm_counts stable, canary; /* cumulative */
    double effect, low, high;
};

struct check {
    const struct check_spec *spec;
    struct judge_stream *stream; /* NULL until there was exposure, and for queries */
    bool is_latency;
    size_t n_edges;
    double edges[JUDGE_MAX_EDGES];
    int64_t fed_until_ms;
    struct arm_counts stable, canary; /* cumulative */
    const char *refused;              /* why a bucket was impossible; NULL = none was */
    char refusal[512];
    struct point points[N_POINTS]; /* a ring */
    size_t n_points;
};

struct split {
    int64_t t_ms;
    double stable, canary; /* totals */
};

struct comparison {
    struct check *checks;
    size_t n_checks;
    double alpha; /* each arm comparison's share */
    struct split splits[N_SPLITS];
    size_t n_splits;
    double split_for_pct;
};

struct comparison *comparison_new(const struct rollout_policy *policy)
{
    struct comparison *c = calloc(1, sizeof *c);
    if (!c)
        check_no_memory(sizeof *c);
    c->checks = calloc(policy->n_checks, sizeof *c->checks);
    if (!c->checks)
        check_no_memory(policy->n_checks * sizeof *c->checks);
    size_t comparing = 0;
    for (size_t i = 0; i < policy->n_checks; i++) {
        c->checks[i].spec = &policy->checks[i];
        comparing += policy->checks[i].against_stable && policy->checks[i].critical ? 1 : 0;
    }
    c->n_checks = policy->n_checks;
    c->alpha = policy->false_rollback / (double)(comparing ? comparing : 1);
    c->split_for_pct = -1;
    return c;
}

void comparison_free(struct comparison *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->n_checks; i++)
        judge_stream_free(c->checks[i].stream);
    free(c->checks);
    free(c);
}

/* --- The arms' counters, from the store --- */

struct arm_series {
    struct promql_series *good, *total, *buckets;
    size_t n_good, n_total, n_buckets;
};

static bool select_metric(const struct daemon *d, struct arena *arena, const char *metric,
                          const char *slo, const char *version, int64_t from_ms, int64_t to_ms,
                          struct promql_series **out, size_t *n, struct err *err)
{
    struct matcher m[3];
    return matcher_init(&m[0], arena, MATCH_EQUAL, STR(LABEL_NAME), str_from(metric), err) &&
           matcher_init(&m[1], arena, MATCH_EQUAL, STR("slo"), str_from(slo), err) &&
           matcher_init(&m[2], arena, MATCH_EQUAL, STR("version"), str_from(version), err) &&
           d->source.select(d->source.self, arena, m, 3, from_ms, to_ms, out, n, err);
}

static bool select_arm(const struct daemon *d, struct arena *arena, const struct check *check,
                       const char *version, int64_t from_ms, int64_t to_ms, struct arm_series *out,
                       struct err *err)
{
    const char *slo = check->spec->slo;
    *out = (struct arm_series){0};
    return select_metric(d, arena, "cqed_sli_good_total", slo, version, from_ms, to_ms, &out->good,
                         &out->n_good, err) &&
           select_metric(d, arena, "cqed_sli_total", slo, version, from_ms, to_ms, &out->total,
                         &out->n_total, err) &&
           (!check->is_latency ||
            select_metric(d, arena, "cqed_sli_bucket_total", slo, version, from_ms, to_ms,
                          &out->buckets, &out->n_buckets, err));
}

/* A cumulative series' value at a time. Before its first sample it is what the first one says: a
 * series that really began there begins with a 0. */
static double value_at(const struct promql_series *series, int64_t t_ms)
{
    size_t low = 0, high = series->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (series->samples[middle].t_ms <= t_ms)
            low = middle + 1;
        else
            high = middle;
    }
    return series->samples[low ? low - 1 : 0].v;
}

static double increase(const struct promql_series *series, size_t n, int64_t from_ms, int64_t to_ms)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        if (series[i].n > 0)
            sum += fmax(0, value_at(&series[i], to_ms) - value_at(&series[i], from_ms));
    }
    return sum;
}

static struct arm_counts count_arm(const struct arm_series *arm, int64_t from_ms, int64_t to_ms)
{
    double total = increase(arm->total, arm->n_total, from_ms, to_ms);
    double good = increase(arm->good, arm->n_good, from_ms, to_ms);
    return (struct arm_counts){.total = total, .bad = total - good};
}

/* The series' cumulative buckets as events per bucket, in the order of the check's edges. */
static void count_buckets(const struct check *check, const struct arm_series *arm, int64_t from_ms,
                          int64_t to_ms, double *out)
{
    double below = 0;
    for (size_t e = 0; e < check->n_edges; e++) {
        double up_to = 0;
        for (size_t i = 0; i < arm->n_buckets; i++) {
            double le;
            struct str text = labels_get(arm->buckets[i].labels, "le");
            if (num_parse_double(text, &le) && le == check->edges[e])
                up_to += increase(&arm->buckets[i], 1, from_ms, to_ms);
        }
        out[e] = fmax(0, up_to - below);
        below = fmax(below, up_to);
    }
}

/* --- Feeding the judge --- */

static const struct slo_arm *find_arm(const struct slo_arm *arms, size_t n, const char *version)
{
    for (size_t i = 0; i < n; i++) {
        if (str_is(arms[i].version, version))
            return &arms[i];
    }
    return NULL;
}

/* False while stable has no histogram yet. */
static bool set_edges(struct daemon *d, struct check *check, const struct slo_arm *stable,
                      struct judge_config *config)
{
    check->is_latency = slo_engine_latency_edge(d->engine, check->spec->slo, &config->slo_edge);
    if (!check->is_latency)
        return true;
    if (!stable || stable->n_edges == 0 || stable->n_edges > JUDGE_MAX_EDGES)
        return false;
    check->n_edges = config->n_edges = stable->n_edges;
    memcpy(check->edges, stable->edges, stable->n_edges * sizeof *stable->edges);
    memcpy(config->edges, stable->edges, stable->n_edges * sizeof *stable->edges);
    return true;
}

static bool feed_bucket(struct check *check, const struct arm_series *stable,
                        const struct arm_series *canary, int64_t from_ms, int64_t to_ms,
                        struct err *err)
{
    double stable_hist[JUDGE_MAX_EDGES], canary_hist[JUDGE_MAX_EDGES];
    struct judge_bucket bucket = {.start_ms = from_ms,
                                  .length_ms = to_ms - from_ms,
                                  .stable = count_arm(stable, from_ms, to_ms),
                                  .canary = count_arm(canary, from_ms, to_ms)};
    bucket.stable_reported = bucket.stable.total > 0;
    bucket.canary_reported = bucket.canary.total > 0;
    if (check->is_latency) {
        count_buckets(check, stable, from_ms, to_ms, stable_hist);
        count_buckets(check, canary, from_ms, to_ms, canary_hist);
        bucket.stable_hist = stable_hist;
        bucket.canary_hist = canary_hist;
    }
    check->stable.total += bucket.stable.total;
    check->stable.bad += bucket.stable.bad;
    check->canary.total += bucket.canary.total;
    check->canary.bad += bucket.canary.bad;
    return judge_stream_feed(check->stream, &bucket, err);
}

static void add_point(struct check *check, int64_t t_ms)
{
    check->points[check->n_points++ % N_POINTS] = (struct point){.t_ms = t_ms,
                                                                 .stable = check->stable,
                                                                 .canary = check->canary,
                                                                 .effect = (double)NAN,
                                                                 .low = (double)NAN,
                                                                 .high = (double)NAN};
}

static void learn(struct check *check, const struct arm_series *stable, int64_t from_ms,
                  int64_t to_ms)
{
    double hist[JUDGE_MAX_EDGES];
    struct judge_bucket bucket = {.start_ms = from_ms,
                                  .length_ms = to_ms - from_ms,
                                  .stable_reported = true,
                                  .stable = count_arm(stable, from_ms, to_ms)};
    if (check->is_latency) {
        count_buckets(check, stable, from_ms, to_ms, hist);
        bucket.stable_hist = hist;
        bucket.canary_hist = hist;
    }
    judge_stream_learn(check->stream, &bucket);
}

static bool start_stream(struct daemon *d, struct rollout *r, struct check *check,
                         const struct slo_arm *stable, struct arena *arena, struct err *err)
{
    struct judge_config config = judge_config_default(EVIDENCE_RATIO);
    double edge;
    if (slo_engine_latency_edge(d->engine, check->spec->slo, &edge))
        config = judge_config_default(EVIDENCE_LATENCY);
    config.alpha = r->comparison->alpha;
    config.beta = r->policy->missed_harm;
    config.tolerate = check->spec->tolerate;
    config.dispersion = r->policy->dispersion;
    if (!set_edges(d, check, stable, &config))
        return false;
    check->stream = judge_stream_new(&config);
    check->fed_until_ms = r->exposed_since_ms;
    struct arm_series before;
    int64_t from_ms = r->exposed_since_ms - LEARN_MS;
    if (!select_arm(d, arena, check, r->state.stable_version, from_ms, r->exposed_since_ms, &before,
                    err))
        return false;
    learn(check, &before, from_ms, r->exposed_since_ms);
    return true;
}

/* All whole buckets up to now. */
static bool feed(struct daemon *d, struct rollout *r, struct check *check, struct arena *arena,
                 int64_t now_ms, struct err *err)
{
    struct arm_series stable, canary;
    int64_t bucket_ms = r->policy->bucket_ms;
    if (now_ms < check->fed_until_ms + bucket_ms)
        return true;
    int64_t from_ms = check->fed_until_ms - CARRY_MS;
    if (!select_arm(d, arena, check, r->state.stable_version, from_ms, now_ms, &stable, err) ||
        !select_arm(d, arena, check, r->state.canary_version, from_ms, now_ms, &canary, err))
        return false;
    while (check->fed_until_ms + bucket_ms <= now_ms) {
        int64_t to_ms = check->fed_until_ms + bucket_ms;
        struct err refusal = ERR_INIT;
        if (!feed_bucket(check, &stable, &canary, check->fed_until_ms, to_ms, &refusal)) {
            (void)snprintf(check->refusal, sizeof check->refusal, "%s", refusal.message);
            check->refused = check->refusal;
        }
        check->fed_until_ms = to_ms;
        add_point(check, to_ms);
    }
    return true;
}

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

static void blind(struct evidence *e, const char *code, const char *sentence)
{
    e->state = EVIDENCE_BLIND;
    e->code = code;
    e->sentence = sentence;
    e->would_change = "telemetry of both arms, newer than the policy's limit";
}

static struct evidence unknown_evidence(const struct check_spec *spec)
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

static void check_freshness(const struct rollout *r, struct evidence *e, int64_t stable_ms,
                            int64_t canary_ms, struct arena *arena)
{
    const char *late = NULL;
    e->fresh_ms = stable_ms > canary_ms ? stable_ms : canary_ms;
    if (stable_ms < 0)
        blind(e, "no_telemetry",
              arena_printf(arena, "no telemetry of %s has been seen", r->state.stable_version));
    else if (canary_ms > r->policy->max_age_ms)
        late = r->state.canary_version;
    else if (stable_ms > r->policy->max_age_ms)
        late = r->state.stable_version;
    if (late)
        blind(e, "stale",
              arena_printf(arena, "nothing was heard from %s for %lld s; the limit is %lld s", late,
                           (long long)(e->fresh_ms / 1000),
                           (long long)(r->policy->max_age_ms / 1000)));
}

/* --- One check --- */

static const char *counters_of(struct arena *arena, const struct rollout *r, const char *slo)
{
    return arena_printf(arena, "cqed_sli_good_total, cqed_sli_total{slo=\"%s\",version=~\"%s|%s\"}",
                        slo, r->state.stable_version, r->state.canary_version);
}

static struct evidence broken(const struct check_spec *spec, struct arena *arena, const char *why)
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
}

static struct evidence compare(struct daemon *d, struct rollout *r, struct check *check,
                               struct arena *arena, int64_t now_ms)
{
    struct evidence e = unknown_evidence(check->spec);
    struct slo_arm *arms;
    size_t n;
    struct err err = ERR_INIT;
    if (!slo_engine_arms(d->engine, arena, check->spec->slo, &arms, &n))
        return broken(check->spec, arena,
                      arena_printf(arena, "there is no SLO '%s' any more", check->spec->slo));
    const struct slo_arm *stable = find_arm(arms, n, r->state.stable_version);
    const struct slo_arm *canary = find_arm(arms, n, r->state.canary_version);
    bool exposed = r->exposed_since_ms > 0;
    int64_t stable_ms = age_of(stable, 0, now_ms);
    int64_t canary_ms = exposed ? age_of(canary, r->exposed_since_ms, now_ms) : 0;
    e.query = counters_of(arena, r, check->spec->slo);
    if (exposed && !check->stream && !start_stream(d, r, check, stable, arena, &err) &&
        err.code != ERR_NONE)
        return broken(check->spec, arena, err.message);
    if (check->stream) {
        if (!feed(d, r, check, arena, now_ms, &err))
            return broken(check->spec, arena, err.message);
        judge_stream_read(check->stream, arena, &e);
        keep_interval(check, &e);
    }
    if (check->refused && e.state != EVIDENCE_FAIL)
        blind(&e, "impossible", arena_strdup(arena, check->refused));
    /* Harm that was shown stays shown when telemetry then goes away. */
    if (e.state != EVIDENCE_FAIL)
        check_freshness(r, &e, stable_ms, canary_ms, arena);
    else
        e.fresh_ms = stable_ms > canary_ms ? stable_ms : canary_ms;
    return e;
}

/* {{canary}}, {{stable}} and {{service}} in a query. */
static const char *fill_in(struct arena *arena, const struct rollout *r, const char *query)
{
    const struct {
        const char *name, *value;
    } words[] = {{"{{canary}}", r->state.canary_version},
                 {"{{stable}}", r->state.stable_version},
                 {"{{service}}", r->state.service}};
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

/* --- The measured split --- */

/* Remember the totals; the window begins anew with each weight. */
static void note_split(struct daemon *d, struct rollout *r, const char *slo, struct arena *arena,
                       int64_t now_ms)
{
    struct comparison *c = r->comparison;
    struct slo_arm *arms;
    size_t n;
    if (c->split_for_pct != r->state.desired_pct || r->state.step_since_ms == 0) {
        c->split_for_pct = r->state.desired_pct;
        c->n_splits = 0;
    }
    if (r->state.step_since_ms == 0 || now_ms < r->state.step_since_ms + SPLIT_GRACE_MS ||
        !slo_engine_arms(d->engine, arena, slo, &arms, &n))
        return;
    const struct slo_arm *stable = find_arm(arms, n, r->state.stable_version);
    const struct slo_arm *canary = find_arm(arms, n, r->state.canary_version);
    c->splits[c->n_splits++ % N_SPLITS] =
        (struct split){now_ms, stable ? stable->total : 0, canary ? canary->total : 0};
}

static const struct split *oldest_split(const struct comparison *c, int64_t now_ms)
{
    size_t n = c->n_splits < N_SPLITS ? c->n_splits : N_SPLITS;
    for (size_t i = c->n_splits - n; i < c->n_splits; i++) {
        if (c->splits[i % N_SPLITS].t_ms >= now_ms - SPLIT_WINDOW_MS)
            return &c->splits[i % N_SPLITS];
    }
    return NULL;
}

/* True when there is enough traffic to say something. Five standard deviations and a quarter are
 * allowed: balancers are not dice. */
static bool judge_split(const struct rollout *r, struct arena *arena, int64_t now_ms,
                        double *measured_pct, struct evidence *e)
{
    static const struct check_spec spec = {.name = "traffic", .critical = true};
    const struct comparison *c = r->comparison;
    const struct split *first = oldest_split(c, now_ms);
    if (!first || c->n_splits < 2)
        return false;
    const struct split *last = &c->splits[(c->n_splits - 1) % N_SPLITS];
    double canary = last->canary - first->canary, stable = last->stable - first->stable;
    double total = canary + stable, share = r->exposure.observed_pct / 100;
    if (total > 0)
        *measured_pct = 100 * canary / total;
    if (total * share < SPLIT_ENOUGH)
        return false;
    double seconds = (double)(last->t_ms - first->t_ms) / 1000;
    double slack = 5 * sqrt(total * share * (1 - share)) + 0.25 * total * share;
    *e = unknown_evidence(&spec);
    e->kind = EVIDENCE_TRAFFIC;
    e->unit = "percent";
    e->effect = *measured_pct - r->exposure.observed_pct;
    e->tolerate = 100 * slack / total;
    e->stable.total = stable;
    e->canary.total = canary;
    e->fresh_ms = now_ms - last->t_ms;
    e->state = EVIDENCE_PASS;
    e->code = "split_as_configured";
    e->sentence = arena_printf(arena, "%.3g%% of requests are on the canary, %.3g%% are configured",
                               *measured_pct, r->exposure.observed_pct);
    e->would_change = "a split that telemetry and the actuator do not agree on";
    if (fabs(canary - total * share) <= slack)
        return true;
    blind(e, canary > 0 ? "split_differs" : "no_canary_traffic",
          canary > 0 ? arena_printf(arena,
                                    "telemetry counts %.3g%% of requests on the canary where "
                                    "%.3g%% are configured",
                                    *measured_pct, r->exposure.observed_pct)
                     : arena_printf(arena,
                                    "no canary request was counted in %.0f s, where about %.0f "
                                    "are expected",
                                    seconds, total * share));
    return true;
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
        if (checks[i].kind != EVIDENCE_RATIO && checks[i].kind != EVIDENCE_LATENCY)
            continue;
        if (checks[i].fresh_ms < 0)
            return -1;
        any = true;
        oldest = checks[i].fresh_ms > oldest ? checks[i].fresh_ms : oldest;
    }
    return any ? oldest : 0;
}

struct snapshot collect(struct daemon *d, struct rollout *r, struct arena *arena, int64_t now_ms)
{
    struct comparison *c = r->comparison;
    struct evidence *checks = ARENA_ARRAY(arena, struct evidence, c->n_checks + 1);
    struct snapshot seen = {.at_ms = now_ms, .checks = checks, .exposure = r->exposure};
    for (size_t i = 0; i < c->n_checks; i++) {
        const struct check_spec *spec = c->checks[i].spec;
        checks[seen.n_checks++] =
            spec->query ? answer_query(d, arena, spec, fill_in(arena, r, spec->query), now_ms)
                        : compare(d, r, &c->checks[i], arena, now_ms);
    }
    seen.exposure.error = arena_strdup(arena, r->exposure.error);
    seen.exposure.measured_pct = (double)NAN;
    const char *slo = first_slo(r->policy);
    if (slo && r->exposure.known && r->exposure.observed_pct > 0) {
        note_split(d, r, slo, arena, now_ms);
        if (judge_split(r, arena, now_ms, &seen.exposure.measured_pct, &checks[seen.n_checks]))
            seen.n_checks++;
    }
    seen.telemetry_age_ms = oldest_age(checks, seen.n_checks);
    seen.budget_remaining = r->policy->budget_slo
                                ? budget_remaining(d, arena, r->policy->budget_slo, now_ms)
                                : (double)NAN;
    return seen;
}

/* --- Curves --- */

static double ratio_between(const struct arm_counts *from, const struct arm_counts *to)
{
    double total = to->total - from->total;
    return total > 0 ? (to->bad - from->bad) / total : (double)NAN;
}

static void put_point(json_t *curves, const struct point *from, const struct point *to)
{
    const struct {
        const char *key;
        double v;
    } columns[] = {{"stable", ratio_between(&from->stable, &to->stable)},
                   {"canary", ratio_between(&from->canary, &to->canary)},
                   {"effect", to->effect},
                   {"low", to->low},
                   {"high", to->high}};
    (void)json_array_append_new(json_object_get(curves, "t"), json_integer(to->t_ms));
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        (void)json_array_append_new(json_object_get(curves, columns[i].key),
                                    isfinite(columns[i].v) ? json_real(columns[i].v) : json_null());
}

json_t *comparison_curves(const struct comparison *c, struct arena *arena, const char *name)
{
    static const char *const columns[] = {"t", "stable", "canary", "effect", "low", "high"};
    const struct check *check = NULL;
    for (size_t i = 0; c && i < c->n_checks; i++) {
        if (strcmp(c->checks[i].spec->name, name) == 0)
            check = &c->checks[i];
    }
    if (!check)
        return NULL;
    json_t *curves = json_pack("{s:s, s:s, s:f}", "check", name, "unit", "ratio", "tolerate",
                               check->spec->tolerate);
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        (void)json_object_set_new(curves, columns[i], json_array());
    size_t n = check->n_points < N_POINTS ? check->n_points : N_POINTS;
    size_t first = check->n_points - n;
    static const struct point zero = {0};
    for (size_t i = first; i < check->n_points; i++) {
        bool whole = i >= first + CURVE_BUCKETS;
        const struct point *from = whole ? &check->points[(i - CURVE_BUCKETS) % N_POINTS]
                                         : (first == 0 ? &zero : &check->points[first % N_POINTS]);
        put_point(curves, from, &check->points[i % N_POINTS]);
    }
    return json_own(arena, curves);
}
