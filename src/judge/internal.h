/* internal.h -- what a stream remembers. */
#ifndef CQED_JUDGE_INTERNAL_H
#define CQED_JUDGE_INTERNAL_H

#include "judge/dispersion.h"
#include "judge/harm.h"
#include "judge/health.h"
#include "judge/latency.h"

/* Counts of both arms over some time. */
struct pair {
    struct arm_counts stable, canary;
    double stable_hist[JUDGE_MAX_EDGES], canary_hist[JUDGE_MAX_EDGES];
};

/* What was counted since a test's evidence last began to rise. */
struct recent {
    int64_t since_ms; /* 0 = it has risen from the first bucket on */
    struct arm_counts stable, canary;
};

struct judge_stream {
    struct judge_config config;
    int64_t first_ms, last_ms; /* of the buckets fed; 0 = none */
    int64_t learned_ms;        /* of A/A time that the dispersion rests on */
    bool against_baseline;     /* the arm called stable is a baseline of the canary's age */
    uint32_t buckets;          /* in which both arms had events (traffic: any) */
    struct pair waiting;       /* of buckets in which an arm was missing */
    struct pair all;           /* since the comparison began */
    struct arm_counts settled_stable, settled_canary; /* since the warm-up */
    struct arm_counts past; /* stable, learned and fed: what is expected of the next bucket */
    double past_hist[JUDGE_MAX_EDGES];
    double picked_hist[JUDGE_MAX_EDGES]; /* past_hist when the thresholds were picked */
    size_t n_thresholds;                 /* latency; 0 = not picked yet */
    struct threshold thresholds[JUDGE_THRESHOLDS];
    struct harm harm[JUDGE_THRESHOLDS]; /* a ratio uses the first */
    struct recent recent[JUDGE_THRESHOLDS][HARM_RISES];
    struct dispersion dispersion[JUDGE_THRESHOLDS];
    struct health health;                 /* of all bad events */
    struct health bank[JUDGE_THRESHOLDS]; /* per threshold */
};

/* When it began to rise. */
static inline int64_t judge_rise_began(const struct judge_stream *s, const struct recent *r)
{
    return r->since_ms > 0 ? r->since_ms : s->first_ms;
}

/* Both arms have had events since the reference was set (traffic: any bucket was fed). */
bool judge_has_events(const struct judge_stream *);
/* What tempers the counts that health is judged by. */
double judge_health_dispersion(const struct judge_stream *);
/* Choose the thresholds when there is enough to choose from. */
void judge_pick(struct judge_stream *);
enum dispersion_way judge_way(const struct judge_stream *);
/* e-processes in use: 1, or one a threshold. */
size_t judge_n_tests(const struct judge_stream *);
bool judge_counts_are_possible(const struct judge_config *, const struct arm_counts *);
void judge_learn_stable(struct judge_stream *, const struct arm_counts *, const double *hist);

/* sentence.c: counts and bounds in words. */
struct findings {
    double stable_rate, canary_rate;                         /* since the beginning */
    double canary_low, canary_high, stable_low, stable_high; /* of the rates, at any time */
    size_t worst;                                            /* the test with most evidence */
    double worst_quantile, worst_edge;                       /* latency: its threshold */
    const struct recent *recent;                             /* since its evidence rose */
    double recent_stable, recent_canary;
};
/* What one more bad event of the canary would add to the evidence of harm. */
double judge_per_event(const struct judge_stream *);

void judge_say(const struct judge_stream *, const struct findings *, struct arena *,
               struct evidence *);
void judge_say_traffic(const struct judge_stream *, const struct findings *, struct arena *,
                       struct evidence *);

/* What in a stream cannot be, in a few words; NULL when all is well. */
const char *judge_stream_problem(const struct judge_stream *);

#endif
