#include "judge/judge.h"

#include "judge/internal.h"
#include "judge/logmath.h"

#include <stdlib.h>

#define MIN_BUCKETS 2
#define ENOUGH_TO_PICK 100.0 /* stable events before latency thresholds are chosen */
#define HEALTH_RATIO 1.5     /* a canary shown to be under this ratio is healthy */
#define MAX_INCREASE 2.0     /* nats a bucket: at least two must speak */
#define START_MASS 0.5
#define MAX_EVENTS 1e12        /* in one bucket; more is a broken counter */
#define MAX_MS (INT64_MAX / 4) /* so that sums of times do not overflow */

struct judge_config judge_config_default(enum evidence_kind kind)
{
    return (struct judge_config){.kind = kind,
                                 .alpha = 0.05,
                                 .beta = 0.05,
                                 .harm_ratio = kind == EVIDENCE_LATENCY ? 1.05 : 1.1,
                                 .dispersion = 2,
                                 .onset_per_bucket = 1.0 / 120,
                                 .slo_edge = (double)NAN};
}

struct judge_stream *judge_stream_new(const struct judge_config *config)
{
    struct judge_stream *s = calloc(1, sizeof *s);
    if (!s)
        check_no_memory(sizeof *s);
    s->config = *config;
    for (size_t i = 0; i < JUDGE_THRESHOLDS; i++)
        harm_init(&s->harm[i]);
    judge_stream_check(s);
    return s;
}

void judge_stream_free(struct judge_stream *s)
{
    free(s);
}

void judge_stream_check(const struct judge_stream *s)
{
    CHECK(!judge_stream_problem(s));
}

/* --- Adding up --- */

static void add_counts(struct arm_counts *to, const struct arm_counts *from)
{
    to->total += from->total;
    to->bad += from->bad;
}

static void add_hist(double *to, const double *from, size_t n)
{
    for (size_t i = 0; from && i < n; i++)
        to[i] += from[i];
}

static void learn_stable(struct judge_stream *s, const struct arm_counts *counts,
                         const double *hist)
{
    add_counts(&s->past, counts);
    add_hist(s->past_hist, hist, s->config.n_edges);
}

static void pick(struct judge_stream *s)
{
    const struct judge_config *c = &s->config;
    if (c->kind == EVIDENCE_LATENCY && s->n_thresholds == 0 && s->past.total >= ENOUGH_TO_PICK)
        s->n_thresholds =
            thresholds_pick(c->edges, c->n_edges, s->past_hist, c->harm_ratio, s->thresholds);
}

static bool counts_are_possible(const struct arm_counts *c)
{
    return c->total <= MAX_EVENTS && c->bad >= 0 && c->bad <= c->total; /* false for NaN */
}

void judge_stream_learn(struct judge_stream *s, const struct judge_bucket *b)
{
    CHECK(s->buckets == 0);
    if (!counts_are_possible(&b->stable))
        return;
    learn_stable(s, &b->stable, b->stable_hist);
    pick(s);
}

/* --- One bucket --- */

static bool is_possible(const struct judge_stream *s, const struct judge_bucket *b, struct err *err)
{
    const double *hists[] = {b->stable_hist, b->canary_hist};
    if (!counts_are_possible(&b->stable) || !counts_are_possible(&b->canary))
        return err_set(err, ERR_BAD_INPUT,
                       "impossible counts: stable %g bad of %g, canary %g bad of %g", b->stable.bad,
                       b->stable.total, b->canary.bad, b->canary.total);
    if (b->length_ms <= 0 || b->length_ms > MAX_MS || b->start_ms > MAX_MS ||
        b->start_ms < s->last_ms)
        return err_set(err, ERR_BAD_INPUT, "time goes back: a bucket at %lld after %lld",
                       (long long)b->start_ms, (long long)s->last_ms);
    for (size_t a = 0; a < 2 && s->config.kind == EVIDENCE_LATENCY; a++) {
        for (size_t i = 0; i < s->config.n_edges; i++) {
            if (!hists[a] || !(hists[a][i] >= 0 && hists[a][i] <= MAX_EVENTS))
                return err_set(err, ERR_BAD_INPUT, "an impossible histogram in bucket %zu", i);
        }
    }
    return true;
}

static void wait_for(struct judge_stream *s, const struct judge_bucket *b)
{
    size_t n = s->config.n_edges;
    if (b->stable_reported) {
        add_counts(&s->waiting.stable, &b->stable);
        add_hist(s->waiting.stable_hist, b->stable_hist, n);
    }
    if (b->canary_reported) {
        add_counts(&s->waiting.canary, &b->canary);
        add_hist(s->waiting.canary_hist, b->canary_hist, n);
    }
}

static void feed_harm(struct judge_stream *s, size_t i, double null_ratio, double bad_stable,
                      double bad_canary, double past_bad)
{
    const struct pair *w = &s->waiting;
    double n = w->stable.total + w->canary.total;
    struct harm_rules rules = {.null_ratio = null_ratio,
                               .dispersion = s->config.dispersion,
                               .start_mass = START_MASS,
                               .onset_per_bucket = s->config.onset_per_bucket,
                               .max_increase = MAX_INCREASE};
    struct harm_bucket b = {.bad_canary = bad_canary,
                            .bad_both = bad_stable + bad_canary,
                            .canary_share = w->canary.total / n,
                            .expected_bad = (past_bad + 0.5) / (s->past.total + 50) * n};
    harm_feed(&s->harm[i], &rules, &b);
}

static void feed_latency(struct judge_stream *s)
{
    size_t n = s->config.n_edges;
    for (size_t i = 0; i < s->n_thresholds; i++) {
        const struct threshold *t = &s->thresholds[i];
        feed_harm(s, i, t->null_ratio, exceedances(s->waiting.stable_hist, n, t->edge),
                  exceedances(s->waiting.canary_hist, n, t->edge),
                  exceedances(s->past_hist, n, t->edge));
    }
}

/* Everything that waited, at once. */
static void take_waiting(struct judge_stream *s)
{
    struct pair *w = &s->waiting;
    size_t n = s->config.n_edges;
    double share = w->canary.total / (w->canary.total + w->stable.total);
    if (s->config.kind == EVIDENCE_LATENCY)
        feed_latency(s);
    else
        feed_harm(s, 0, s->config.harm_ratio, w->stable.bad, w->canary.bad, s->past.bad);
    health_feed(&s->health, w->canary.bad, w->canary.bad + w->stable.bad, share, HEALTH_RATIO,
                s->config.dispersion);
    add_counts(&s->all.stable, &w->stable);
    add_counts(&s->all.canary, &w->canary);
    add_hist(s->all.stable_hist, w->stable_hist, n);
    add_hist(s->all.canary_hist, w->canary_hist, n);
    learn_stable(s, &w->stable, w->stable_hist);
    pick(s);
    *w = (struct pair){0};
    s->buckets++;
}

bool judge_stream_feed(struct judge_stream *s, const struct judge_bucket *b, struct err *err)
{
    if (!is_possible(s, b, err))
        return false;
    if (s->first_ms == 0)
        s->first_ms = b->start_ms;
    s->last_ms = b->start_ms + b->length_ms;
    wait_for(s, b);
    if (b->stable_reported && b->canary_reported && s->waiting.stable.total > 0 &&
        s->waiting.canary.total > 0)
        take_waiting(s);
    return true;
}

/* --- Reading --- */

double judge_log_e(const struct judge_stream *s)
{
    double e[JUDGE_THRESHOLDS];
    if (s->config.kind == EVIDENCE_RATIO)
        return s->harm[0].log_e;
    if (s->n_thresholds == 0)
        return 0;
    for (size_t i = 0; i < s->n_thresholds; i++)
        e[i] = s->harm[i].log_e;
    return log_sum(e, s->n_thresholds) - log((double)s->n_thresholds);
}

static double rate(const struct arm_counts *c)
{
    return c->total > 0 ? c->bad / c->total : (double)NAN;
}

static void bound_rates(const struct judge_stream *s, struct findings *f)
{
    double phi = s->config.dispersion, beta = s->config.beta / 4;
    const struct arm_counts *a = &s->all.stable, *b = &s->all.canary;
    f->stable_rate = rate(a);
    f->canary_rate = rate(b);
    f->stable_low = rate_lower(a->bad / phi, (a->total - a->bad) / phi, beta);
    f->stable_high = rate_upper(a->bad / phi, (a->total - a->bad) / phi, beta);
    f->canary_low = rate_lower(b->bad / phi, (b->total - b->bad) / phi, beta);
    f->canary_high = rate_upper(b->bad / phi, (b->total - b->bad) / phi, beta);
}

/* The latency threshold with most evidence: what the sentence is about. */
static void find_worst(const struct judge_stream *s, struct findings *f)
{
    size_t n = s->config.n_edges, worst = 0;
    if (s->n_thresholds == 0)
        return;
    for (size_t i = 1; i < s->n_thresholds; i++) {
        if (s->harm[i].log_e > s->harm[worst].log_e)
            worst = i;
    }
    size_t edge = s->thresholds[worst].edge;
    f->worst_edge = s->config.edges[edge];
    f->worst_quantile = 1 - exceedances(s->past_hist, n, edge) / s->past.total;
    f->worst_stable = exceedances(s->all.stable_hist, n, edge) / s->all.stable.total;
    f->worst_canary = exceedances(s->all.canary_hist, n, edge) / s->all.canary.total;
}

static bool harm_is_shown(const struct judge_stream *s, const struct findings *f)
{
    if (s->buckets < MIN_BUCKETS || judge_log_e(s) < -log(s->config.alpha))
        return false;
    return s->config.kind == EVIDENCE_LATENCY
               ? f->worst_canary > f->worst_stable
               : f->canary_rate - f->stable_rate > s->config.tolerate;
}

static bool health_is_shown(const struct judge_stream *s, const struct findings *f)
{
    if (s->buckets < MIN_BUCKETS)
        return false;
    return f->canary_high <= f->stable_low + s->config.tolerate ||
           health_log_e(&s->health) >= log(2 / s->config.beta);
}

/* What an effect must be at least to be seen now with probability 1 - beta: normal approximation
 * with the price of looking at any time, sqrt(2 ln 1/alpha), in place of a fixed-time quantile. */
static double detectable(const struct judge_stream *s)
{
    const struct arm_counts *a = &s->all.stable, *b = &s->all.canary;
    if (a->total <= 0 || b->total <= 0)
        return (double)NAN;
    double p = (a->bad + b->bad + 1) / (a->total + b->total + 2);
    double se = sqrt(s->config.dispersion * p * (1 - p) * (1 / a->total + 1 / b->total));
    return (sqrt(2 * -log(s->config.alpha)) + sqrt(2 * -log(s->config.beta))) * se;
}

void judge_stream_read(const struct judge_stream *s, struct arena *arena, struct evidence *e)
{
    struct findings f = {.worst_edge = (double)NAN};
    judge_stream_check(s);
    e->kind = s->config.kind;
    e->unit = "ratio";
    e->tolerate = s->config.tolerate;
    e->stable = s->all.stable;
    e->canary = s->all.canary;
    e->harm_log_e = judge_log_e(s);
    e->harm_log_limit = -log(s->config.alpha);
    e->observed_ms = s->last_ms - s->first_ms;
    e->minimum_detectable_effect = detectable(s);
    e->effect = e->low = e->high = (double)NAN;
    e->state = EVIDENCE_INSUFFICIENT;
    e->code = s->buckets == 0 ? "no_traffic" : "not_proven";
    if (s->buckets > 0) {
        bound_rates(s, &f);
        find_worst(s, &f);
        e->effect = f.canary_rate - f.stable_rate;
        e->low = f.canary_low - f.stable_high;
        e->high = f.canary_high - f.stable_low;
    }
    if (harm_is_shown(s, &f)) {
        e->state = EVIDENCE_FAIL;
        e->code = "harm_shown";
    } else if (health_is_shown(s, &f)) {
        e->state = EVIDENCE_PASS;
        e->code = "within_tolerance";
    }
    judge_say(s, &f, arena, e);
}
