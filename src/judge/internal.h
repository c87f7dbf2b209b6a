/* internal.h -- what a stream remembers. */
#ifndef CQED_JUDGE_INTERNAL_H
#define CQED_JUDGE_INTERNAL_H

#include "judge/harm.h"
#include "judge/health.h"
#include "judge/latency.h"

/* Counts of both arms over some time. */
struct pair {
    struct arm_counts stable, canary;
    double stable_hist[JUDGE_MAX_EDGES], canary_hist[JUDGE_MAX_EDGES];
};

struct judge_stream {
    struct judge_config config;
    int64_t first_ms, last_ms; /* of the buckets fed; 0 = none */
    uint32_t buckets;          /* in which both arms had events */
    struct pair waiting;       /* of buckets in which an arm was missing */
    struct pair all;           /* since the comparison began */
    struct arm_counts past;    /* stable, learned and fed: what is expected of the next bucket */
    double past_hist[JUDGE_MAX_EDGES];
    size_t n_thresholds; /* latency; 0 = not picked yet */
    struct threshold thresholds[JUDGE_THRESHOLDS];
    struct harm harm[JUDGE_THRESHOLDS]; /* a ratio uses the first */
    struct health health;
};

/* sentence.c: counts and bounds in words. */
struct findings {
    double stable_rate, canary_rate;
    double canary_low, canary_high, stable_low, stable_high; /* of the rates, at any time */
    const char *what;                                        /* "fail" or "take over 250 ms" */
    double worst_quantile, worst_edge; /* latency: the threshold with most evidence */
    double worst_stable, worst_canary;
};
void judge_say(const struct judge_stream *, const struct findings *, struct arena *,
               struct evidence *);

/* What in a stream cannot be, in a few words; NULL when all is well. */
const char *judge_stream_problem(const struct judge_stream *);

/* The log e-value against "no harm". */
double judge_log_e(const struct judge_stream *);

#endif
