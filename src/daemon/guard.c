/* The traffic guard: a canary that had its share of the requests and lost it is harmful, though a
 * crash sends no errors. An e-process (judge.h, EVIDENCE_TRAFFIC) over the requests of both arms
 * with its own part of the false-rollback rate.
 *
 * What it must keep is the largest share that was measured and found to be as configured, the told
 * one at most: a weight that is told and has not arrived yet (long connections, caches of name
 * servers) is no harm, and the split's own check is blind meanwhile. A canary that is not heard is
 * not judged either. */
#include "base/log.h"
#include "daemon/comparison.h"

#include <math.h>

#define LEAST_BUCKET_MS 5000
/* Times what stable's requests may be of what the split foretells: sticky users make it wander, and
 * with the judge's usual 4/3 a share that wanders by 20% was called lost in 4 of 100 hours. */
#define STABLE_OVER 1.6
#define LEAST_LEARNED 8 /* buckets, */
#define LEARN_SPAN_MS 120000

static void begin_bucket(struct guard *g, const struct split *now, int64_t now_ms)
{
    g->last = *now;
    g->bucket_weight = g->weight;
    g->fed_until_ms = now_ms;
}

static int64_t span_ms(const struct heard *from, const struct heard *to)
{
    return to->newest_ms - from->newest_ms;
}

static double count_since(const struct heard *from, const struct heard *to)
{
    return to->total - from->total;
}

/* What was heard since the last bucket, when it is a whole one. Each arm's requests are of its own
 * event time, so the share that is expected of the canary goes by those. */
static bool read_bucket(const struct guard *g, const struct split *now, int64_t bucket_ms,
                        int64_t now_ms, struct judge_bucket *out)
{
    double stable_ms = (double)span_ms(&g->last.stable, &now->stable);
    double canary_ms = (double)span_ms(&g->last.canary, &now->canary);
    double canary = g->bucket_weight * canary_ms, stable = (1 - g->bucket_weight) * stable_ms;
    *out = (struct judge_bucket){.start_ms = g->fed_until_ms,
                                 .length_ms = now_ms - g->fed_until_ms,
                                 .stable_reported = true,
                                 .canary_reported = true,
                                 .stable = {count_since(&g->last.stable, &now->stable) +
                                                count_since(&g->last.baseline, &now->baseline),
                                            0},
                                 .canary = {count_since(&g->last.canary, &now->canary), 0},
                                 .weight = canary / (canary + stable)};
    return stable_ms >= (double)bucket_ms && canary_ms > 0 && out->length_ms > 0;
}

/* Two minutes of the split show how it varies: connections that carry many requests vote in blocks.
 */
static void learn_split(struct guard *g, const struct judge_bucket *b, double alpha)
{
    struct judge_config config = judge_config_default(EVIDENCE_TRAFFIC);
    config.alpha = alpha;
    config.harm_ratio = STABLE_OVER;
    g->learned[g->n_learned++] = *b;
    int64_t span = b->start_ms + b->length_ms - g->learned[0].start_ms;
    if (g->n_learned < GUARD_LEARNS && (g->n_learned < LEAST_LEARNED || span < LEARN_SPAN_MS))
        return;
    g->stream = judge_stream_new(&config);
    judge_stream_learn_split(g->stream, g->learned, g->n_learned);
}

static void feed_guard(struct guard *g, const struct split *now, int64_t bucket_ms, double alpha,
                       int64_t now_ms)
{
    struct judge_bucket b;
    struct err err = ERR_INIT;
    if (!read_bucket(g, now, bucket_ms > LEAST_BUCKET_MS ? bucket_ms : LEAST_BUCKET_MS, now_ms, &b))
        return;
    bool possible = b.stable.total >= 0 && b.canary.total >= 0; /* else an SLI was changed */
    if (possible && !g->stream)
        learn_split(g, &b, alpha);
    else if (possible && !judge_stream_feed(g->stream, &b, &err))
        log_warn("judge", "requests are not held against the weight: %s", err.message);
    begin_bucket(g, now, now_ms);
}

static void say_guard(const struct guard *g, struct arena *arena, struct evidence *e)
{
    struct evidence shown = *e;
    judge_stream_read(g->stream, arena, &shown);
    e->harm_log_e = shown.harm_log_e;
    e->harm_log_limit = shown.harm_log_limit;
    e->dispersion = shown.dispersion;
    e->learned_ms = shown.learned_ms;
    e->since_ms = shown.since_ms;
    e->observed_ms = shown.observed_ms;
    if (shown.state != EVIDENCE_FAIL)
        return;
    e->state = EVIDENCE_FAIL;
    e->code = shown.code;
    e->stable = shown.stable;
    e->canary = shown.canary;
    e->sentence = arena_printf(arena, "%s; it had %.3g%% before", shown.sentence, 100 * g->weight);
    e->would_change = shown.would_change;
}

void guard_traffic(struct rollout *r, struct arena *arena, int64_t now_ms, double measured_pct,
                   struct evidence *e)
{
    struct guard *g = &r->comparison->guard;
    const struct split *now = last_split(r->comparison);
    double told = r->exposure.observed_pct / 100, alpha = r->comparison->guard_alpha;
    bool as_configured = e->state == EVIDENCE_PASS && now && told < 1 && alpha > 0;
    bool begins = !g->begun && as_configured;
    g->begun |= begins;
    if (as_configured)
        g->weight = fmax(g->weight, measured_pct / 100);
    g->weight = fmin(g->weight, told);
    begins |= g->begun && g->last.stable.newest_ms == 0; /* taken up after a restart */
    if (g->begun && now && (begins || g->bucket_weight > told))
        begin_bucket(g, now, now_ms);
    if (g->begun && now && told < 1)
        feed_guard(g, now, r->policy->bucket_ms, alpha, now_ms);
    if (g->stream)
        say_guard(g, arena, e);
}
