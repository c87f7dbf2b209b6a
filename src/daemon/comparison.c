#include "daemon/comparison.h"

#include <math.h>
#include <stdlib.h>

#define CARRY_MS 60000        /* sums are written at least each 10 s */
#define WAIT_TRIES 3          /* that contradict themselves may be made whole by the next */
#define LEARN_MS 3600000      /* how far back stable is learned from */
#define LEARN_BUCKET_MS 5000  /* in steps of at least that */
#define LEARN_LEAST_MS 180000 /* of history before a dispersion is learned */

/* --- Life --- */

bool is_controlled(const struct check_spec *spec)
{
    return spec->critical && (spec->gauge || (spec->slo && spec->against_stable));
}

/* The traffic guard rests on the requests of the first SLO that is compared. */
double alpha_of_guard(const struct rollout_policy *p)
{
    for (size_t i = 0; i < p->n_checks; i++) {
        if (p->checks[i].slo && p->checks[i].against_stable)
            return JUDGE_GUARD_PART * p->false_rollback;
    }
    return 0;
}

static size_t count_controlled(const struct rollout_policy *p)
{
    size_t n = 0;
    for (size_t i = 0; i < p->n_checks; i++)
        n += is_controlled(&p->checks[i]) ? 1 : 0;
    return n;
}

double alpha_of_checks(const struct rollout_policy *p)
{
    size_t n = count_controlled(p);
    return (p->false_rollback - alpha_of_guard(p)) / (double)(n ? n : 1);
}

struct comparison *comparison_new(const struct rollout_policy *policy)
{
    struct comparison *c = calloc(1, sizeof *c);
    if (!c)
        check_no_memory(sizeof *c);
    c->checks = calloc(policy->n_checks, sizeof *c->checks);
    if (!c->checks)
        check_no_memory(policy->n_checks * sizeof *c->checks);
    for (size_t i = 0; i < policy->n_checks; i++)
        c->checks[i].spec = &policy->checks[i];
    c->n_checks = policy->n_checks;
    c->alpha = alpha_of_checks(policy);
    c->guard_alpha = alpha_of_guard(policy);
    return c;
}

void comparison_free(struct comparison *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->n_checks; i++) {
        judge_stream_free(c->checks[i].stream);
        arena_release(&c->checks[i].kayenta.arena);
    }
    judge_stream_free(c->guard.stream);
    free(c->checks);
    free(c);
}

/* --- Feeding the judge --- */

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

static void add_counts(struct arm_counts *to, const struct arm_counts *from)
{
    to->total += from->total;
    to->bad += from->bad;
}

static const struct arm_series *reference_of(const struct check *check, const struct arms *arms)
{
    return check->against_baseline ? &arms->baseline : &arms->stable;
}

static bool feed_bucket(struct check *check, const struct arms *arms, int64_t from_ms,
                        int64_t to_ms, struct err *err)
{
    const struct arm_series *stable = reference_of(check, arms), *canary = &arms->canary;
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
    if (!judge_stream_feed(check->stream, &bucket, err))
        return false;
    if (bucket.stable_reported || bucket.canary_reported)
        check->is_unknown = false;
    add_counts(&check->stable, &bucket.stable);
    add_counts(&check->canary, &bucket.canary);
    return true;
}

void add_point(struct check *check, int64_t t_ms)
{
    check->points[check->n_points++ % N_POINTS] = (struct point){.t_ms = t_ms,
                                                                 .stable = check->stable,
                                                                 .canary = check->canary,
                                                                 .effect = (double)NAN,
                                                                 .low = (double)NAN,
                                                                 .high = (double)NAN,
                                                                 .log_e = (double)NAN};
}

/* Stable's buckets before the canary had traffic, from the first that has events on. */
static struct judge_bucket *history(struct arena *arena, const struct check *check,
                                    const struct arm_series *stable, int64_t to_ms,
                                    int64_t bucket_ms, size_t *n)
{
    size_t most = (size_t)(LEARN_MS / bucket_ms);
    struct judge_bucket *buckets = ARENA_ARRAY(arena, struct judge_bucket, most);
    *n = 0;
    for (size_t i = 0; i < most; i++) {
        int64_t start_ms = to_ms - (int64_t)(most - i) * bucket_ms;
        struct arm_counts counts = count_arm(stable, start_ms, start_ms + bucket_ms);
        if (*n == 0 && counts.total <= 0)
            continue;
        double *hist = ARENA_ARRAY(arena, double, check->n_edges + 1);
        if (check->is_latency)
            count_buckets(check, stable, start_ms, start_ms + bucket_ms, hist);
        buckets[(*n)++] = (struct judge_bucket){.start_ms = start_ms,
                                                .length_ms = bucket_ms,
                                                .stable_reported = true,
                                                .stable = counts,
                                                .stable_hist = hist,
                                                .canary_hist = hist};
    }
    return buckets;
}

/* The dispersion is learned when the policy gives none and there is enough to learn from. */
static void learn(const struct opening *o, struct check *check, const struct arm_series *stable,
                  struct arena *arena)
{
    size_t n;
    int64_t bucket_ms =
        o->policy->bucket_ms > LEARN_BUCKET_MS ? o->policy->bucket_ms : LEARN_BUCKET_MS;
    const struct judge_bucket *buckets = history(arena, check, stable, o->start_ms, bucket_ms, &n);
    if (isnan(o->policy->dispersion) && (int64_t)n * bucket_ms >= LEARN_LEAST_MS) {
        judge_stream_calibrate(check->stream, buckets, n);
        return;
    }
    for (size_t i = 0; i < n; i++)
        judge_stream_learn(check->stream, &buckets[i]);
}

bool start_stream(struct daemon *d, const struct opening *o, struct check *check,
                  const struct slo_arm *stable, struct arena *arena, struct err *err)
{
    struct judge_config config = judge_config_default(EVIDENCE_RATIO);
    double edge;
    if (slo_engine_latency_edge(d->engine, check->spec->slo, &edge))
        config = judge_config_default(EVIDENCE_LATENCY);
    config.alpha = o->alpha;
    config.is_rate = check->spec->is_rate && config.kind == EVIDENCE_RATIO;
    /* A reference that may change once has two tries to prove health: each has half. */
    config.beta = o->policy->baseline ? o->policy->missed_harm / 2 : o->policy->missed_harm;
    config.tolerate = check->spec->tolerate;
    if (!isnan(o->policy->dispersion))
        config.dispersion = o->policy->dispersion;
    config.warmup_ms = o->policy->warmup_ms;
    if (!set_edges(d, check, stable, &config))
        return false;
    check->stream = judge_stream_new(&config);
    check->begun_ms = check->fed_until_ms = check->tried_until_ms = o->start_ms;
    check->against_baseline = o->policy->baseline != NULL;
    if (check->against_baseline)
        judge_stream_set_reference(check->stream, true);
    struct arm_series before;
    int64_t from_ms = o->start_ms - LEARN_MS;
    if (!select_arm(d, arena, check, o->stable_version, from_ms, o->start_ms, &before, err))
        return false;
    learn(o, check, &before, arena);
    return true;
}

static bool is_possible(const struct check *check, const struct arm_counts *c)
{
    return c->bad >= 0 && (check->spec->is_rate || c->bad <= c->total);
}

/* Of two instances that are scraped at different moments one is always heard first: what only one
 * arm has events in waits for the other. */
static bool waits_for_the_other(const struct check *check, const struct arms *arms, int64_t to_ms)
{
    int64_t from_ms = check->fed_until_ms;
    struct arm_counts a = count_arm(reference_of(check, arms), from_ms, to_ms);
    struct arm_counts b = count_arm(&arms->canary, from_ms, to_ms);
    return (a.total > 0) != (b.total > 0) && to_ms - from_ms < HOLD_MS && is_possible(check, &a) &&
           is_possible(check, &b);
}

/* Counters that contradict each other are often only seen at two moments: good events before their
 * total. So a bucket that cannot be is taken together with the ones after it; when they cannot be
 * either, that time is not known, and the rest counts. */
static void feed_up_to(struct check *check, const struct arms *arms, int64_t to_ms)
{
    struct err refusal = ERR_INIT;
    int64_t from_ms = check->fed_until_ms;
    watch_baseline(check, arms, to_ms);
    if (waits_for_the_other(check, arms, to_ms))
        return;
    if (!feed_bucket(check, arms, from_ms, to_ms, &refusal)) {
        if (++check->refusals < WAIT_TRIES)
            return;
        (void)snprintf(check->refusal, sizeof check->refusal, "%s", refusal.message);
        check->unknown_ms += to_ms - from_ms;
        check->is_unknown = true;
    }
    check->refusals = 0;
    check->fed_until_ms = to_ms;
}

static bool select_arms(struct daemon *d, const struct rollout *r, const struct check *check,
                        struct arena *arena, int64_t now_ms, struct arms *out, struct err *err)
{
    int64_t from_ms = check->fed_until_ms - CARRY_MS;
    *out = (struct arms){0};
    return select_arm(d, arena, check, r->state.stable_version, from_ms, now_ms, &out->stable,
                      err) &&
           select_arm(d, arena, check, r->state.canary_version, from_ms, now_ms, &out->canary,
                      err) &&
           (!check->against_baseline ||
            select_arm(d, arena, check, baseline_of(arena, r->policy, r->state.stable_version),
                       from_ms, now_ms, &out->baseline, err));
}

bool feed(struct daemon *d, struct rollout *r, struct check *check, struct arena *arena,
          int64_t now_ms, struct err *err)
{
    struct arms arms;
    int64_t bucket_ms = r->policy->bucket_ms;
    if (now_ms < check->tried_until_ms + bucket_ms)
        return true;
    if (!select_arms(d, r, check, arena, now_ms, &arms, err))
        return false;
    while (check->tried_until_ms + bucket_ms <= now_ms) {
        check->tried_until_ms += bucket_ms;
        feed_up_to(check, &arms, check->tried_until_ms);
        add_point(check, check->tried_until_ms);
    }
    return true;
}
