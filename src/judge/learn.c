/* What a stream takes from the time before it: thresholds, expected counts, dispersion. */
#include "base/mem.h"
#include "judge/internal.h"

#include <math.h>
#include <stdlib.h>

#define MOST_DIFFERENCE 2.0  /* of instances, that is tolerated at most */
#define ENOUGH_TO_PICK 100.0 /* stable events before latency thresholds are chosen */

void judge_pick(struct judge_stream *s)
{
    const struct judge_config *c = &s->config;
    if (c->kind != EVIDENCE_LATENCY || s->n_thresholds > 0 || s->past.total < ENOUGH_TO_PICK)
        return;
    memcpy(s->picked_hist, s->past_hist, sizeof s->picked_hist);
    s->n_thresholds = thresholds_pick(c->edges, c->n_edges, s->past_hist, c->harm_ratio,
                                      c->bank_tolerate, s->thresholds);
}

void judge_stream_learn(struct judge_stream *s, const struct judge_bucket *b)
{
    CHECK(s->buckets == 0);
    if (judge_counts_are_possible(&s->config, &b->stable))
        judge_learn_stable(s, &b->stable, b->stable_hist);
}

/* --- Dispersion --- */

/* Of one arm, what the i-th test counts as bad. */
static double bad_of(const struct judge_stream *s, size_t i, const struct arm_counts *counts,
                     const double *hist)
{
    return s->config.kind == EVIDENCE_LATENCY
               ? exceedances(hist, s->config.n_edges, s->thresholds[i].edge)
               : counts->bad;
}

/* Counts of an arm that missed a bucket come with the next one that both report. */
static void blocks_of(const struct judge_stream *s, size_t i, const struct judge_bucket *b,
                      size_t n, struct block *out)
{
    double canary_bad = 0, stable_bad = 0, canary = 0, stable = 0;
    for (size_t t = 0; t < n; t++) {
        if (b[t].stable_reported) {
            stable_bad += bad_of(s, i, &b[t].stable, b[t].stable_hist);
            stable += b[t].stable.total;
        }
        if (b[t].canary_reported) {
            canary_bad += bad_of(s, i, &b[t].canary, b[t].canary_hist);
            canary += b[t].canary.total;
        }
        out[t] = (struct block){0};
        if (!b[t].stable_reported || !b[t].canary_reported || stable + canary <= 0)
            continue;
        double both = stable_bad + canary_bad;
        out[t] = (struct block){canary_bad, both, both * canary / (stable + canary)};
        canary_bad = stable_bad = canary = stable = 0;
    }
}

static int64_t mean_length_ms(const struct judge_bucket *b, size_t n)
{
    int64_t span_ms = b[n - 1].start_ms + b[n - 1].length_ms - b[0].start_ms;
    return span_ms > (int64_t)n ? span_ms / (int64_t)n : 1;
}

static double learn_from_split(const struct judge_stream *s, size_t i, const struct judge_bucket *b,
                               size_t n)
{
    struct block *blocks = mem_array(n, sizeof *blocks);
    blocks_of(s, i, b, n, blocks);
    double phi = dispersion_of_split(blocks, n, mean_length_ms(b, n), 1, judge_way(s));
    free(blocks);
    return phi;
}

static double learn_from_stable(const struct judge_stream *s, size_t i,
                                const struct judge_bucket *b, size_t n)
{
    struct tally *tallies = mem_array(n, sizeof *tallies);
    for (size_t t = 0; t < n; t++)
        tallies[t] =
            (struct tally){b[t].stable.total, bad_of(s, i, &b[t].stable, b[t].stable_hist)};
    double phi =
        dispersion_of_one_arm(tallies, n, mean_length_ms(b, n), s->config.dispersion, judge_way(s));
    free(tallies);
    return phi;
}

/* Two parts of stable that differed by more than chance in the A/A time say that instances do, and
 * that the canary's may: what is over two standard errors, and half as much again, is tolerated. */
static double learn_difference(const struct judge_stream *s, const struct judge_bucket *b, size_t n)
{
    struct arm_counts part = {0}, rest = {0};
    for (size_t t = 0; t < n; t++) {
        part.total += b[t].canary.total;
        part.bad += b[t].canary.bad;
        rest.total += b[t].stable.total;
        rest.bad += b[t].stable.bad;
    }
    if (!(part.bad > 0 && rest.bad > 0 && part.total > 0 && rest.total > 0))
        return 1;
    double error = sqrt(s->dispersion[0].learned * (1 / part.bad + 1 / rest.bad));
    double difference = fabs(log(part.bad / part.total / (rest.bad / rest.total)));
    double over = difference - 2 * error;
    return over > 0 ? fmin(exp(1.5 * over), MOST_DIFFERENCE) : 1;
}

static void learn_dispersion(struct judge_stream *s, const struct judge_bucket *b, size_t n,
                             bool split)
{
    for (size_t i = 0; i < judge_n_tests(s); i++)
        dispersion_init(&s->dispersion[i],
                        split ? learn_from_split(s, i, b, n) : learn_from_stable(s, i, b, n),
                        judge_way(s));
}

void judge_stream_calibrate(struct judge_stream *s, const struct judge_bucket *b, size_t n)
{
    bool any = false, split = false;
    for (size_t t = 0; t < n; t++) {
        if (!judge_counts_are_possible(&s->config, &b[t].stable) ||
            !judge_counts_are_possible(&s->config, &b[t].canary))
            return;
        split |= b[t].canary_reported;
    }
    for (size_t t = 0; t < n; t++) {
        judge_stream_learn(s, &b[t]);
        any |= b[t].stable.total > 0;
    }
    judge_pick(s);
    if (!any || s->config.kind == EVIDENCE_TRAFFIC || judge_n_tests(s) == 0)
        return;
    learn_dispersion(s, b, n, split);
    if (split && s->config.kind == EVIDENCE_RATIO && !s->config.reference && !s->config.is_strict)
        s->config.harm_ratio *= learn_difference(s, b, n);
    s->learned_ms = b[n - 1].start_ms + b[n - 1].length_ms - b[0].start_ms;
}

void judge_stream_learn_split(struct judge_stream *s, const struct judge_bucket *b, size_t n)
{
    struct block *blocks = mem_array(n, sizeof *blocks);
    CHECK(s->config.kind == EVIDENCE_TRAFFIC && s->buckets == 0 && n > 0);
    for (size_t t = 0; t < n; t++) {
        double both = b[t].stable.total + b[t].canary.total;
        blocks[t] = (struct block){b[t].stable.total, both, both * (1 - b[t].weight)};
    }
    dispersion_init(
        &s->dispersion[0],
        dispersion_of_split(blocks, n, mean_length_ms(b, n), s->config.dispersion, judge_way(s)),
        judge_way(s));
    s->learned_ms = b[n - 1].start_ms + b[n - 1].length_ms - b[0].start_ms;
    free(blocks);
}

double judge_stream_dispersion(const struct judge_stream *s)
{
    double most =
        s->config.kind == EVIDENCE_LATENCY && s->n_thresholds == 0 ? s->config.dispersion : 1;
    for (size_t i = 0; i < judge_n_tests(s); i++)
        most = fmax(most, s->dispersion[i].now);
    return most;
}

int64_t judge_stream_learned_ms(const struct judge_stream *s)
{
    return s->learned_ms;
}
