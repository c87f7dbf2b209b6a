#include "judge/judge.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>

#define LEAST_HISTORY 180 /* buckets before the first trial: 15 min */
#define WAYS 2
#define CHANCE 0.01
#define MOST_DISPERSION                                                                            \
    30.0 /* a doubling at 1% then takes half an hour at 50 canary requests/s                       \
          */

struct counted {
    int64_t start_ms, length_ms;
    struct arm_counts half[2];
};

struct judge_aa {
    struct counted past[JUDGE_AA_HOUR]; /* a ring */
    size_t n_past;
    struct judge_stream *streams[WAYS]; /* NULL between trials */
    bool alarmed[WAYS];
    size_t n_trial; /* buckets of the present one */
    uint64_t trials, alarms;
    double dispersion;
    bool seen[2];
};

struct judge_aa *judge_aa_new(void)
{
    return mem_zalloc(sizeof(struct judge_aa));
}

static void end_trial(struct judge_aa *aa)
{
    for (size_t way = 0; way < WAYS; way++) {
        judge_stream_free(aa->streams[way]);
        aa->streams[way] = NULL;
        aa->alarmed[way] = false;
    }
    aa->n_trial = 0;
}

void judge_aa_free(struct judge_aa *aa)
{
    if (!aa)
        return;
    end_trial(aa);
    free(aa);
}

static struct judge_bucket bucket_of(const struct counted *c, size_t way)
{
    return (struct judge_bucket){.start_ms = c->start_ms,
                                 .length_ms = c->length_ms,
                                 .stable_reported = c->half[way].total > 0,
                                 .canary_reported = c->half[1 - way].total > 0,
                                 .stable = c->half[way],
                                 .canary = c->half[1 - way]};
}

static void begin_trial(struct judge_aa *aa)
{
    struct judge_config config = judge_config_default(EVIDENCE_RATIO);
    size_t n = aa->n_past < JUDGE_AA_HOUR ? aa->n_past : JUDGE_AA_HOUR, first = aa->n_past - n;
    struct judge_bucket *past = mem_array(n, sizeof *past);
    config.alpha = JUDGE_AA_ALPHA;
    config.is_strict = true; /* a live rollout knows stable as one, and learns no tolerance */
    aa->dispersion = 1;
    for (size_t way = 0; way < WAYS; way++) {
        for (size_t i = 0; i < n; i++)
            past[i] = bucket_of(&aa->past[(first + i) % JUDGE_AA_HOUR], way);
        aa->streams[way] = judge_stream_new(&config);
        judge_stream_calibrate(aa->streams[way], past, n);
        aa->dispersion = fmax(aa->dispersion, judge_stream_dispersion(aa->streams[way]));
    }
    free(past);
}

static void feed_trial(struct judge_aa *aa, const struct counted *c)
{
    for (size_t way = 0; way < WAYS; way++) {
        struct judge_bucket b = bucket_of(c, way);
        if (!aa->alarmed[way] && judge_stream_feed(aa->streams[way], &b, NULL) &&
            judge_stream_log_e(aa->streams[way]) >= -log(JUDGE_AA_ALPHA))
            aa->alarmed[way] = true;
    }
    if (++aa->n_trial < JUDGE_AA_HOUR)
        return;
    aa->trials += WAYS;
    for (size_t way = 0; way < WAYS; way++)
        aa->alarms += aa->alarmed[way] ? 1 : 0;
    end_trial(aa);
}

static bool can_be(const struct arm_counts *c)
{
    return c->total >= 0 && c->bad >= 0 && c->bad <= c->total && c->total < 1e12;
}

void judge_aa_feed(struct judge_aa *aa, const struct judge_bucket *b)
{
    struct counted c = {b->start_ms, b->length_ms, {b->stable, b->canary}};
    if (!can_be(&b->stable) || !can_be(&b->canary) || b->length_ms <= 0)
        return;
    for (size_t h = 0; h < 2; h++)
        aa->seen[h] |= c.half[h].total > 0;
    if (!aa->streams[0] && aa->n_past >= LEAST_HISTORY && aa->seen[0] && aa->seen[1])
        begin_trial(aa);
    if (aa->streams[0])
        feed_trial(aa, &c);
    aa->past[aa->n_past++ % JUDGE_AA_HOUR] = c;
}

void judge_aa_restore(struct judge_aa *aa, uint64_t trials, uint64_t alarms, double dispersion)
{
    CHECK(aa->n_past == 0 && alarms <= trials);
    aa->trials = trials;
    aa->alarms = alarms;
    aa->dispersion = dispersion;
}

/* P(at least k of n at probability p), by adding up logarithms of the binomial's terms. */
static double tail(uint64_t n, uint64_t k, double p)
{
    double sum = 0;
    for (uint64_t i = k; i <= n; i++) {
        double term = lgamma((double)n + 1) - lgamma((double)i + 1) - lgamma((double)(n - i) + 1) +
                      (double)i * log(p) + (double)(n - i) * log1p(-p);
        sum += exp(term);
    }
    return sum;
}

void judge_aa_read(const struct judge_aa *aa, struct judge_aa_result *out)
{
    *out = (struct judge_aa_result){.trials = aa->trials,
                                    .alarms = aa->alarms,
                                    .dispersion = aa->dispersion,
                                    .is_split = aa->seen[0] && aa->seen[1]};
    if (aa->alarms > 0 && tail(aa->trials, aa->alarms, JUDGE_AA_ALPHA) < CHANCE)
        out->noisy = "stable is called harmful against itself more often than the stated rate";
    else if (aa->dispersion > MOST_DISPERSION)
        out->noisy = "its bad events come in such bursts that nothing would be shown in time";
}
