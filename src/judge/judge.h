/* judge.h -- is the canary worse than stable? Sequential tests that may be looked at after every
 * bucket and keep their error rate. Pure: counts and histograms of two arms in, evidence out; a
 * stream is a few doubles that can be stored and taken up again.
 *
 * Harm: mixture e-process over rate ratios with a start mixture and dispersion tempering; `fail`
 * when E >= 1/alpha (Ville's inequality: P(ever) <= alpha under no harm). Health: anytime-valid
 * bounds for the difference of bad ratios; `pass` when the upper bound is within `tolerate` at
 * level beta, or the ratio is shown to be under 1.5. Traffic: the same test on the requests
 * themselves against the configured weight. Methods, sources and measurements:
 * docs/manual/judge.md.
 *
 * Order of calls: new, then learn or calibrate or neither, then feed; read at any time. */
#ifndef CQED_JUDGE_JUDGE_H
#define CQED_JUDGE_JUDGE_H

#include "model/evidence.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JUDGE_MAX_EDGES 64 /* latency bucket edges, +Inf included */
#define JUDGE_HARM_GRID 16 /* multipliers of the harm mixture */
#define JUDGE_THRESHOLDS 7 /* latency thresholds: exceeded by 50 25 10 5 2 1 0.3 % of stable */
#define JUDGE_BANK 6       /* of them, those that `bank_tolerate` is about: up to 1 % */
#define JUDGE_DISPERSION 2 /* phi when nothing was learned */

struct judge_config {
    enum evidence_kind kind; /* EVIDENCE_RATIO, EVIDENCE_LATENCY or EVIDENCE_TRAFFIC */
    bool is_rate;            /* ratio: `total` is exposure (pod-seconds, requests), which does not
                                limit `bad`; tolerate is then events per unit of exposure */
    double alpha;            /* this check's share of the false-rollback rate */
    double beta;             /* probability of passing a canary that is worse than `tolerate` */
    double tolerate;         /* points of the bad ratio; >= 0 */
    double harm_ratio;       /* null: rate ratio <= this; 1.1 for ratios, latency scale 1.05,
                                stable's requests over their share 4/3 */
    double dispersion;       /* phi >= 1 until calibrate learns it */
    double onset_per_bucket; /* hazard of harm that begins later; 1/120 */
    int64_t warmup_ms;       /* so long new instances may be worse: up to 3 times the errors and
                                twice the latency, fading; health counts from then on. 0 = not */
    double bank_tolerate;    /* latency: NaN judges health at slo_edge alone, else at p50..p99,
                                each within odds of 1.5 or these points; 0.002 */
    size_t n_edges;          /* latency: upper edges in seconds, ascending, last +Inf */
    double edges[JUDGE_MAX_EDGES];
    double slo_edge; /* latency: the SLO's threshold; must be one of the edges */
    bool is_strict;  /* what an A/A time shows of unequal instances is not tolerated */
    bool reference;  /* without what docs/decisions/0009-judge-improved.md changed; to compare */
};

/* The default configuration of a kind; the caller then sets alpha, beta, tolerate and edges. */
struct judge_config judge_config_default(enum evidence_kind);

/* Increments of both arms in one bucket. When an arm did not report, its counts are 0 and
 * `reported` is false: the stream waits and the next full bucket carries what was missed. */
struct judge_bucket {
    int64_t start_ms;
    int64_t length_ms;
    bool stable_reported, canary_reported;
    struct arm_counts stable, canary;
    const double *stable_hist, *canary_hist; /* latency: n_edges increments each; NULL for ratios */
    double weight; /* traffic: the share of requests that the canary is meant to have, 0..1 */
};

struct judge_stream; /* opaque; made in an arena or by judge_stream_new */

struct judge_stream *judge_stream_new(const struct judge_config *);
void judge_stream_free(struct judge_stream *);
void judge_stream_check(const struct judge_stream *);

/* Learn from the time before the canary had traffic: stable's histogram sets the latency
 * thresholds, its error rate the expected count. Optional, before the first feed; buckets as fed,
 * canary ignored; a bucket that cannot be is left out. */
void judge_stream_learn(struct judge_stream *, const struct judge_bucket *);

/* Learn all that an A/A time tells: what judge_stream_learn does, and the dispersion. The "canary"
 * of these buckets is a part of stable, about as large as the canary will be; when it reported in
 * none of them, neighbouring times of stable are compared instead and the configured dispersion is
 * the prior. In time order, of about one length. Before the first feed, instead of learn. */
void judge_stream_calibrate(struct judge_stream *, const struct judge_bucket *, size_t n);

/* Traffic: the dispersion of a time in which the split was `weight`, as when each connection's
 * requests go one way. Possible counts; n at least 1; before the first feed. */
void judge_stream_learn_split(struct judge_stream *, const struct judge_bucket *, size_t n);

/* phi in use; for latency the largest of the thresholds. Learned over how much time; 0 = not. */
double judge_stream_dispersion(const struct judge_stream *);
int64_t judge_stream_learned_ms(const struct judge_stream *);

/* One bucket, in time order. False with ERR_BAD_INPUT when it is impossible (bad > total, negative,
 * not finite, time going back); the stream is then unchanged and the caller's evidence is `blind`.
 */
MUST_CHECK bool judge_stream_feed(struct judge_stream *, const struct judge_bucket *, struct err *);

/* The buckets from here on have another arm for stable: instances of the canary's age, or all of
 * stable. Evidence goes on, for each bucket's is about its own two arms; what the bounds of health
 * and the effect rest on begins anew. Sound when the arm is chosen without a look at bad events. */
void judge_stream_set_reference(struct judge_stream *, bool baseline);

/* The verdict now: fills state (pass, insufficient or fail), effect, interval, counts, harm_log_e
 * and limit, minimum detectable effect, code, sentence and would_change. The caller has set check,
 * critical, query and freshness, and may override the state with blind or error. */
void judge_stream_read(const struct judge_stream *, struct arena *, struct evidence *);

/* Other checks' evidence and this one's are harm together, and this one has most of it: fails, too,
 * unless its difference is tolerated or only one bucket has spoken. False when it does not. */
bool judge_stream_fail_together(const struct judge_stream *, struct arena *, struct evidence *);

/* The two halves of the verdict without words, for panels of streams and for speed: the
 * e-value's logarithm against "no harm", and whether health is shown now. */
double judge_stream_log_e(const struct judge_stream *);
bool judge_stream_is_healthy(const struct judge_stream *);

/* The stream's numbers, exactly (doubles as hexadecimal text), and back. */
json_t *judge_stream_to_json(struct arena *, const struct judge_stream *);
struct judge_stream *judge_stream_from_json(const json_t *, struct err *);

/* --- Several checks, one false-rollback rate: combine.c ---
 *
 * The weighted average of e-values is an e-value under any dependence (Vovk and Wang 2021), so
 * sum w_i E_i >= 1/alpha is wrong at any time with probability at most alpha, and finds harm a
 * little sooner than alpha split over the checks does. A check caused it by itself when its own
 * w_i E_i reaches 1/alpha (Bonferroni). */
struct combined {
    double log_e;
    bool is_harm;
    size_t worst; /* the check with most weighted evidence */
    bool alone;   /* that check's evidence is enough by itself */
};

/* The traffic guard's part of a live rollout's rate: requests are many and soon say much. */
#define JUDGE_GUARD_PART 0.1

/* Weights add up to 1 and n is at least 1. */
struct combined judge_combine(const double *log_e, const double *weights, size_t n, double alpha);

/* --- Several streams asked together: panel.c ---
 *
 * Harm is the combined evidence of all; health is each stream's own (intersection-union: no
 * correction is needed), after `dwell_ms`. What is promoted is watched on. */
#define JUDGE_PANEL_MAX 8

struct judge_panel {
    struct judge_stream *streams[JUDGE_PANEL_MAX]; /* the panel's */
    size_t n;
    double alpha;
    int64_t dwell_ms;
    bool latch; /* a stream's health once shown stays; else all must show it at one time */
    bool healthy[JUDGE_PANEL_MAX];
    struct combined combined;
    int64_t harm_ms, health_ms; /* since the start; -1 = not shown */
};

void judge_panel_init(struct judge_panel *, double alpha, int64_t dwell_ms, bool latch);
void judge_panel_add(struct judge_panel *, struct judge_stream *); /* takes it */
void judge_panel_release(struct judge_panel *);
/* One bucket a stream, in the order of adding, that ends now_ms after the start. False when one is
 * impossible. */
MUST_CHECK bool judge_panel_feed(struct judge_panel *, const struct judge_bucket *, int64_t now_ms,
                                 struct err *);
/* Nothing more can change: harm is shown. */
bool judge_panel_is_over(const struct judge_panel *);

/* --- Stable against stable: aa.c ---
 *
 * Trials of an hour, one after another, of one half of stable's instances against the other, both
 * ways, as a rollout would judge them: how often the judge is wrong on this metric, and its
 * dispersion. */
#define JUDGE_AA_ALPHA 0.05
#define JUDGE_AA_HOUR 720 /* buckets of a trial */

struct judge_aa;
struct judge_aa *judge_aa_new(void);
void judge_aa_free(struct judge_aa *);
/* One bucket; the "canary" is the second half. What cannot be is left out. */
void judge_aa_feed(struct judge_aa *, const struct judge_bucket *);

struct judge_aa_result {
    uint64_t trials, alarms; /* whole trials, and those that called stable harmful */
    double dispersion;       /* as last learned; 0 = not yet */
    bool is_split;           /* both halves have had events */
    /* The alarms are more than chance would have at JUDGE_AA_ALPHA (one in a hundred), or counts
     * vary so much that no rollout could show anything. NULL = fit to gate on. */
    const char *noisy;
};
void judge_aa_read(const struct judge_aa *, struct judge_aa_result *);

/* What an earlier process counted of the same version; before the first feed. The trial that was
 * under way begins anew. alarms are at most trials. */
void judge_aa_restore(struct judge_aa *, uint64_t trials, uint64_t alarms, double dispersion);

/* --- What a restart must not lose: kept.c ---
 *
 * Read from a file, so everything is bounded; ERR_BAD_INPUT says what cannot be. Strings and
 * streams belong to the arena or the JSON that they were read from. */
#define JUDGE_KEPT_MAX 10000 /* of each */

struct judge_kept_aa {
    const char *slo, *version;
    uint64_t trials, alarms;
    double dispersion; /* 0 = not known yet */
};

/* A threshold's, in a row. */
struct judge_kept_failures {
    const char *rollout, *check;
    int failures;
    int64_t counted_ms;
};

/* A live rollout's traffic guard. */
struct judge_kept_guard {
    const char *rollout;
    double weight;  /* the share that the canary must keep */
    json_t *stream; /* for judge_stream_from_json, which takes it */
};

struct judge_kept {
    struct judge_kept_aa *aa;
    size_t n_aa;
    struct judge_kept_failures *failures;
    size_t n_failures;
    struct judge_kept_guard *guards;
    size_t n_guards;
};

json_t *judge_kept_to_json(struct arena *, const struct judge_kept *);
MUST_CHECK bool judge_kept_from_json(struct arena *, const json_t *, struct judge_kept *,
                                     struct err *);

/* --- A live service against its own past: anomaly.c ---
 *
 * Baseline: by hour of the week (UTC), the median of up to five weeks' bad ratios with their median
 * absolute deviation, or of the last day's hours while there are fewer than three weeks. Detector:
 * for each multiplier g of harm.h's grid M_g = (M_g + 1) e^inc_g, an e-detector (Shin, Ramdas,
 * Rinaldo 2022): raising the alarm when their mean reaches A keeps the average run length between
 * false alarms at A buckets or more, whatever the shape of the counts as long as the baseline
 * holds. inc is Poisson's, of counts tempered by the dispersion of the past hour, against the
 * baseline times 1.1 or more: what four deviations of all the week's hours allow. */
#define JUDGE_HOURS 168 /* of a week */
#define JUDGE_WEEKS 5

struct judge_anomaly;
struct judge_anomaly *judge_anomaly_new(void);
void judge_anomaly_free(struct judge_anomaly *);
/* What an hour of the past counted; in time order, before the first feed. */
void judge_anomaly_learn(struct judge_anomaly *, int64_t hour_start_ms, const struct arm_counts *);
/* One bucket; whole hours are learned from by themselves, unless they were alarming. */
void judge_anomaly_feed(struct judge_anomaly *, const struct judge_bucket *);
/* ln of the mean of the e-detector; -infinity before anything was fed. */
double judge_anomaly_log_e(const struct judge_anomaly *);
/* The present hour is not one to learn from. */
void judge_anomaly_do_not_learn(struct judge_anomaly *);
/* After an alarm: the detector begins again. */
void judge_anomaly_restart(struct judge_anomaly *);

struct judge_anomaly_state {
    bool has_baseline;
    double expected, tolerated; /* bad ratio, now */
    double seen;                /* since the likeliest change */
    int64_t since_ms;           /* of the change; now when nothing rises */
    struct arm_counts counts;   /* since then */
    bool rises;                 /* the evidence is above nothing */
    double dispersion;
};
void judge_anomaly_read(const struct judge_anomaly *, struct judge_anomaly_state *);

/* Several SLIs of a service: the mean of e-detectors is one. n at least 1. */
double judge_anomaly_mean(const double *log_e, size_t n);

/* --- Before the start: forecast.c ---
 *
 * What a policy can show with the traffic that there is, before anything is risked. The judge
 * itself is fed with the counts that are expected, so that a forecast is of the same tests, caps
 * and dispersion as the rollout; it lies near the median of what then happens. */
struct judge_basis {
    const char *check;
    bool is_latency;       /* bad = slower than the SLO's threshold; the test has seven of them */
    double requests_per_s; /* of all arms; 0 = no traffic was seen */
    double bad_ratio;
    double dispersion;
    int64_t learned_ms; /* of history behind it; 0 = assumed */
    double tolerate;
};

struct judge_plan {
    struct judge_basis basis;
    double alpha, beta;
    int64_t bucket_ms;
    bool beside_baseline; /* as many requests as the canary's are what it is compared with */
};

/* Until a canary with `ratio` times the bad events is found at this weight (0..1); -1 = not within
 * limit_ms. */
int64_t judge_time_to_detect(const struct judge_plan *, double weight, double ratio,
                             int64_t limit_ms);
/* Until a canary without a change is shown to be healthy; -1 = not within limit_ms. */
int64_t judge_time_to_pass(const struct judge_plan *, double weight, int64_t limit_ms);
/* The least ratio that is found within that time, and the least tolerance that is proven within
 * it, in points; INFINITY when there is none up to 100 times, or all. */
double judge_least_ratio(const struct judge_plan *, double weight, int64_t within_ms);
double judge_least_tolerance(const struct judge_plan *, double weight, int64_t within_ms);

struct rollout_policy;

/* The forecast of a whole policy as JSON, with sentences: "forecast" in docs/manual/api.md. A basis
 * a comparing check. `warnings` are {code, sentence}: what the policy cannot show, and the weights
 * and holds that could. */
json_t *judge_forecast(struct arena *, const struct rollout_policy *, const struct judge_basis *,
                       size_t n);

/* --- Gauges (CPU, memory, queue depth): gauge.c ---
 *
 * Means over 30 s of ln(canary / stable); harm is a canary over 1.05 times stable, health under 1.2
 * times. A Gaussian mixture e-process with the long-run variance of an A/A time, a start mixture
 * over harm, dwell left to the caller. Asymptotic: unlike counts it rests on that variance. */
#define JUDGE_GAUGE_BLOCK_MS 30000
#define JUDGE_GAUGE_LEAST 32 /* blocks to learn from */
#define JUDGE_GAUGE_HARM 8
#define JUDGE_GAUGE_HEALTH 5

struct judge_gauge {
    double variance;
    double log_harm[JUDGE_GAUGE_HARM], log_health[JUDGE_GAUGE_HEALTH];
    double unstarted; /* of the harm mixture */
    bool begun;
    double log_e;        /* against "no harm"; fail at ln 1/alpha */
    double health_log_e; /* against "harmful"; pass at ln 1/beta */
    double n, sum;       /* of the block means */
};

/* From n block means of an A/A time. False with ERR_BAD_INPUT when they are too few, no numbers, or
 * all the same. */
MUST_CHECK bool judge_gauge_init(struct judge_gauge *, const double *log_ratios, size_t n,
                                 struct err *);
/* From stable alone: n block means of ln(stable), of which neighbours are compared, so that drift
 * cancels. */
MUST_CHECK bool judge_gauge_init_alone(struct judge_gauge *, const double *logs, size_t n,
                                       struct err *);
/* State, effect (canary / stable - 1), its interval at any time, evidence and sentence. */
void judge_gauge_read(const struct judge_gauge *, double alpha, double beta, struct arena *,
                      struct evidence *);
/* A block mean; one that is no number only lets time pass. */
void judge_gauge_feed(struct judge_gauge *, double log_ratio);

#endif
