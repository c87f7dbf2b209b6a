#include "judge/judge.h"

#include "base/mem.h"
#include "judge/internal.h"
#include "judge/logmath.h"

#include <stdlib.h>

#define HEALTH_RATIO 1.5 /* a canary shown to be under this ratio is healthy */
#define MAX_INCREASE 2.0 /* nats a bucket: at least two must speak */
#define START_MASS 0.5
#define MAX_EVENTS 1e12        /* in one bucket; more is a broken counter */
#define MAX_MS (INT64_MAX / 4) /* so that sums of times do not overflow */
#define WARM_ERRORS 3.0        /* times the errors that a new instance may have at first */
#define WARM_LATENCY 2.0       /* times the latency */
#define WARM_FADES 4.0         /* time constants in the declared warm-up */
#define WARM_NEGLIGIBLE 1e-4

static double default_ratio(enum evidence_kind kind)
{
    if (kind == EVIDENCE_TRAFFIC)
        return 4.0 / 3;
    return kind == EVIDENCE_LATENCY ? 1.05 : 1.1;
}

struct judge_config judge_config_default(enum evidence_kind kind)
{
    return (struct judge_config){.kind = kind,
                                 .alpha = 0.05,
                                 .beta = 0.05,
                                 .harm_ratio = default_ratio(kind),
                                 .dispersion = JUDGE_DISPERSION,
                                 .onset_per_bucket = 1.0 / 120,
                                 .bank_tolerate = (double)NAN,
                                 .slo_edge = (double)NAN};
}

struct judge_stream *judge_stream_new(const struct judge_config *config)
{
    struct judge_stream *s = mem_zalloc(sizeof *s);
    s->config = *config;
    for (size_t i = 0; i < JUDGE_THRESHOLDS; i++) {
        harm_init(&s->harm[i]);
        dispersion_init(&s->dispersion[i], config->dispersion, judge_way(s));
    }
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

enum dispersion_way judge_way(const struct judge_stream *s)
{
    return s->config.reference ? DISPERSION_REFERENCE : DISPERSION_IF_SHOWN;
}

size_t judge_n_tests(const struct judge_stream *s)
{
    return s->config.kind == EVIDENCE_LATENCY ? s->n_thresholds : 1;
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

void judge_learn_stable(struct judge_stream *s, const struct arm_counts *counts, const double *hist)
{
    add_counts(&s->past, counts);
    add_hist(s->past_hist, hist, s->config.n_edges);
}

/* --- One bucket --- */

bool judge_counts_are_possible(const struct judge_config *config, const struct arm_counts *c)
{
    double most_bad = config->is_rate ? MAX_EVENTS : c->total;
    return c->total <= MAX_EVENTS && c->total >= 0 && c->bad >= 0 && c->bad <= most_bad;
}

static bool hist_is_possible(const double *hist, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!hist || !(hist[i] >= 0 && hist[i] <= MAX_EVENTS))
            return false;
    }
    return true;
}

static bool is_possible(const struct judge_stream *s, const struct judge_bucket *b, struct err *err)
{
    const struct judge_config *c = &s->config;
    if (!judge_counts_are_possible(c, &b->stable) || !judge_counts_are_possible(c, &b->canary))
        return err_set(err, ERR_BAD_INPUT,
                       "impossible counts: stable %g bad of %g, canary %g bad of %g", b->stable.bad,
                       b->stable.total, b->canary.bad, b->canary.total);
    if (b->length_ms <= 0 || b->length_ms > MAX_MS || b->start_ms > MAX_MS ||
        b->start_ms < s->last_ms)
        return err_set(err, ERR_BAD_INPUT, "time goes back: a bucket at %lld after %lld",
                       (long long)b->start_ms, (long long)s->last_ms);
    if (c->kind == EVIDENCE_TRAFFIC && !(b->weight > 0 && b->weight < 1))
        return err_set(err, ERR_BAD_INPUT, "a weight of %g: it must be between 0 and 1", b->weight);
    if (c->kind == EVIDENCE_LATENCY && (!hist_is_possible(b->stable_hist, c->n_edges) ||
                                        !hist_is_possible(b->canary_hist, c->n_edges)))
        return err_set(err, ERR_BAD_INPUT, "an impossible histogram");
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

/* How much more than in the long run is tolerated at the bucket's time: 0 without a warm-up. */
static double warmth(const struct judge_stream *s, const struct judge_bucket *b)
{
    if (s->config.warmup_ms == 0)
        return 0;
    double t = (double)(b->start_ms - s->first_ms) / (double)s->config.warmup_ms;
    double left = exp(-WARM_FADES * t);
    return left < WARM_NEGLIGIBLE ? 0 : left;
}

static void note_recent(struct judge_stream *s, size_t i, const struct harm_bucket *b,
                        const struct judge_bucket *at)
{
    for (size_t k = 0; k < HARM_RISES; k++) {
        struct recent *r = &s->recent[i][k];
        if (s->harm[i].rise[k] <= 0) {
            *r = (struct recent){.since_ms = at->start_ms + at->length_ms};
        } else if (b->bad_both > 0 || b->canary_share > 0) {
            r->stable.total += s->waiting.stable.total;
            r->canary.total += s->waiting.canary.total;
            r->stable.bad += b->bad_both - b->bad_canary;
            r->canary.bad += b->bad_canary;
        }
    }
}

/* One e-process and what it sees of dispersion. K = 0 only lets time pass. */
static void feed_test(struct judge_stream *s, size_t i, double null_ratio,
                      const struct harm_bucket *b, const struct judge_bucket *at)
{
    struct dispersion *d = &s->dispersion[i];
    struct harm_rules rules = {.null_ratio = null_ratio,
                               .dispersion = d->now,
                               .start_mass = START_MASS,
                               .onset_per_bucket = s->config.onset_per_bucket,
                               .max_increase = MAX_INCREASE,
                               .even = s->config.reference};
    struct block block = {b->bad_canary, b->bad_both, b->bad_both * b->canary_share};
    harm_feed(&s->harm[i], &rules, b);
    note_recent(s, i, b, at);
    dispersion_feed(d, &block, at->start_ms - s->first_ms,
                    at->start_ms - s->first_ms + at->length_ms);
}

static struct harm_bucket harm_bucket(const struct judge_stream *s, double bad_stable,
                                      double bad_canary, double past_bad)
{
    const struct pair *w = &s->waiting;
    double n = w->stable.total + w->canary.total;
    return (struct harm_bucket){.bad_canary = bad_canary,
                                .bad_both = bad_stable + bad_canary,
                                .canary_share = w->canary.total / n,
                                .expected_bad = (past_bad + 0.5) / (s->past.total + 50) * n};
}

static void feed_ratio(struct judge_stream *s, const struct judge_bucket *at, bool settled)
{
    const struct pair *w = &s->waiting;
    struct harm_bucket b = harm_bucket(s, w->stable.bad, w->canary.bad, s->past.bad);
    double warm = 1 + (WARM_ERRORS - 1) * warmth(s, at);
    feed_test(s, 0, s->config.harm_ratio * warm, &b, at);
    if (settled)
        health_feed(&s->health, b.bad_canary, b.bad_both, b.canary_share, HEALTH_RATIO,
                    s->dispersion[0].learned);
}

/* The canary's requests are too few when stable's are too many: the test with the arms swapped and
 * the requests as the events. */
static void feed_traffic(struct judge_stream *s, const struct judge_bucket *at, bool settled)
{
    const struct pair *w = &s->waiting;
    struct harm_bucket b = {.bad_canary = w->stable.total,
                            .bad_both = w->stable.total + w->canary.total,
                            .canary_share = 1 - at->weight,
                            .expected_bad = (double)INFINITY};
    feed_test(s, 0, s->config.harm_ratio, &b, at);
    if (settled)
        health_feed(&s->health, b.bad_canary, b.bad_both, b.canary_share, s->config.harm_ratio,
                    s->dispersion[0].learned);
}

static void feed_latency(struct judge_stream *s, const struct judge_bucket *at, bool settled)
{
    const struct judge_config *c = &s->config;
    const struct pair *w = &s->waiting;
    double stable[JUDGE_MAX_EDGES], canary[JUDGE_MAX_EDGES], past[JUDGE_MAX_EDGES];
    double warm = warmth(s, at), scale = c->harm_ratio * (1 + (WARM_LATENCY - 1) * warm);
    exceedances_all(w->stable_hist, c->n_edges, stable);
    exceedances_all(w->canary_hist, c->n_edges, canary);
    exceedances_all(s->past_hist, c->n_edges, past);
    for (size_t i = 0; i < s->n_thresholds; i++) {
        const struct threshold *t = &s->thresholds[i];
        struct harm_bucket b = harm_bucket(s, stable[t->edge], canary[t->edge], past[t->edge]);
        double null_ratio =
            warm > 0 ? threshold_null_ratio(c->edges, c->n_edges, s->picked_hist, t->edge, scale)
                     : t->null_ratio;
        feed_test(s, i, null_ratio, &b, at);
        if (settled && t->margin_ratio > 0)
            health_feed(&s->bank[i], b.bad_canary, b.bad_both, b.canary_share, t->margin_ratio,
                        s->dispersion[i].learned);
    }
    double share = w->canary.total / (w->canary.total + w->stable.total);
    if (settled)
        health_feed(&s->health, w->canary.bad, w->canary.bad + w->stable.bad, share, HEALTH_RATIO,
                    judge_health_dispersion(s));
}

/* Everything that waited, at once. */
static void take_waiting(struct judge_stream *s, const struct judge_bucket *at)
{
    struct pair *w = &s->waiting;
    size_t n = s->config.n_edges;
    bool settled = at->start_ms - s->first_ms >= s->config.warmup_ms;
    bool both = w->stable.total > 0 && w->canary.total > 0;
    judge_pick(s);
    if (s->config.kind == EVIDENCE_LATENCY)
        feed_latency(s, at, settled);
    else if (s->config.kind == EVIDENCE_TRAFFIC)
        feed_traffic(s, at, settled);
    else
        feed_ratio(s, at, settled);
    if (settled) {
        add_counts(&s->settled_stable, &w->stable);
        add_counts(&s->settled_canary, &w->canary);
    }
    add_counts(&s->all.stable, &w->stable);
    add_counts(&s->all.canary, &w->canary);
    add_hist(s->all.stable_hist, w->stable_hist, n);
    add_hist(s->all.canary_hist, w->canary_hist, n);
    judge_learn_stable(s, &w->stable, w->stable_hist);
    *w = (struct pair){0};
    s->buckets += both || s->config.kind == EVIDENCE_TRAFFIC ? 1 : 0;
}

static void let_time_pass(struct judge_stream *s, const struct judge_bucket *at)
{
    static const struct harm_bucket nothing = {0};
    for (size_t i = 0; i < judge_n_tests(s); i++)
        feed_test(s, i, s->config.harm_ratio, &nothing, at);
}

void judge_stream_set_reference(struct judge_stream *s, bool baseline)
{
    s->against_baseline = baseline;
    s->settled_stable = s->settled_canary = (struct arm_counts){0};
    s->all = s->waiting = (struct pair){0};
}

bool judge_stream_feed(struct judge_stream *s, const struct judge_bucket *b, struct err *err)
{
    if (!is_possible(s, b, err))
        return false;
    if (s->first_ms == 0)
        s->first_ms = b->start_ms;
    s->last_ms = b->start_ms + b->length_ms;
    wait_for(s, b);
    if (b->stable_reported && b->canary_reported &&
        s->waiting.stable.total + s->waiting.canary.total > 0)
        take_waiting(s, b);
    else
        let_time_pass(s, b);
    return true;
}
