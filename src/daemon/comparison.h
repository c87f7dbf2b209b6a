/* comparison.h -- the streams of one rollout: for each check the two arms' counters, cut into
 * buckets, through the judge. Private to daemon/.
 *
 * The buckets are read from the store's own SLI series and begin at the first exposure, so that a
 * restarted process sees the same buckets and comes to the same verdict. */
#ifndef CQED_DAEMON_COMPARISON_H
#define CQED_DAEMON_COMPARISON_H

#include "daemon/internal.h"

#define N_POINTS 600 /* of a curve */
#define N_SPLITS 256

/* One bucket of a curve. */
struct point {
    int64_t t_ms;
    struct arm_counts stable, canary; /* cumulative */
    double effect, low, high;
    double log_e; /* evidence of harm */
};

/* Of a check that compares a gauge. */
struct gauge_state {
    bool is_learned;
    int64_t learn_until_ms; /* stable's past is tried up to here; 0 = not yet */
    int64_t fed_until_ms;
    int64_t learned_ms;
    struct judge_gauge judge;
};

/* Of a check that Kayenta's judge answers: what it said last. */
struct kayenta_state {
    int64_t judged_until_ms; /* what it was asked about; 0 = it was not yet */
    struct arena arena;
    struct evidence last; /* strings in arena */
};

struct check {
    const struct check_spec *spec;
    struct judge_stream *stream; /* NULL until there was exposure, and for queries */
    bool is_latency;
    size_t n_edges;
    double edges[JUDGE_MAX_EDGES];
    int64_t begun_ms;
    int64_t fed_until_ms;   /* what is behind it was judged, or is known not to be */
    int64_t tried_until_ms; /* a bucket that cannot be waits for the next one to make it whole */
    int refusals;           /* of what is behind fed_until_ms, in a row */
    bool against_baseline;  /* the policy's baseline stands for stable */
    char no_baseline[200];  /* why it does not though the policy names one; "" = it does */
    struct arm_counts stable, canary; /* cumulative */
    int64_t unknown_ms;               /* of time whose counters could not be */
    bool is_unknown;                  /* what was counted last could not be */
    char refusal[512];                /* why */
    struct gauge_state gauge;
    struct kayenta_state kayenta;
    int failures;                  /* of a threshold, in a row */
    int64_t counted_ms;            /* when the last was counted */
    struct point points[N_POINTS]; /* a ring */
    size_t n_points;
};

/* What one arm had counted when something new was heard of it. */
struct heard {
    double total;
    int64_t newest_ms; /* event time of its newest sample */
    uint32_t times;    /* how often something new was heard since the ring began */
};

struct split {
    struct heard stable, canary, baseline;
};

/* guard.c: has the canary lost traffic that it had? */
#define GUARD_LEARNS 24 /* buckets */

struct guard {
    bool begun;                  /* the split was once as configured */
    struct judge_stream *stream; /* NULL until it was learned how the split varies */
    struct judge_bucket learned[GUARD_LEARNS];
    size_t n_learned;
    double weight;        /* 0..1: the share that it has had and must keep */
    double bucket_weight; /* the same when the present bucket began */
    struct split last;    /* then */
    int64_t fed_until_ms;
};

struct comparison {
    struct check *checks;
    size_t n_checks;
    double alpha;       /* each arm comparison's share */
    double guard_alpha; /* the guard's; 0 = there is none */
    struct guard guard;
    struct split splits[N_SPLITS]; /* a ring */
    size_t n_splits;
    struct split split_base; /* the step's first */
    int64_t split_since_ms;  /* the step it belongs to */
};

/* arms.c: the arms' counters, from the store. */
struct arm_series {
    struct promql_series *good, *total, *buckets;
    size_t n_good, n_total, n_buckets;
};

/* The arms of a rollout; of the baseline only where it stands for stable. */
struct arms {
    struct arm_series stable, canary, baseline;
};

bool select_arm(const struct daemon *, struct arena *, const struct check *, const char *version,
                int64_t from_ms, int64_t to_ms, struct arm_series *, struct err *);
/* In (from_ms, to_ms]. */
struct arm_counts count_arm(const struct arm_series *, int64_t from_ms, int64_t to_ms);
void count_buckets(const struct check *, const struct arm_series *, int64_t from_ms, int64_t to_ms,
                   double *out);
/* NULL when nothing was ever heard of that version. */
const struct slo_arm *find_arm(const struct slo_arm *, size_t n, const char *version);

/* baseline.c: instances of stable that began beside the canary. */
#define HOLD_MS 60000 /* that one arm is waited for while the other one has events */

/* What the policy calls them for that version; NULL when it names none. */
const char *baseline_of(struct arena *, const struct rollout_policy *, const char *stable_version);
/* Before (fed_until_ms, to_ms] is fed: stable takes its place when it is missing or too small. Only
 * totals are looked at, so that the choice says nothing about the errors. */
void watch_baseline(struct check *, const struct arms *, int64_t to_ms);
/* Whom the canary is compared with, as a field and in words. */
void say_reference(struct evidence *, const struct check *, const struct rollout *, struct arena *,
                   int64_t now_ms);

/* comparison.c: feeding the judge. What is known when a comparison begins. */
struct opening {
    const struct rollout_policy *policy;
    double alpha;
    const char *stable_version;
    int64_t start_ms;
};

/* False with ERR_NONE while stable has no histogram yet. */
bool start_stream(struct daemon *, const struct opening *, struct check *,
                  const struct slo_arm *stable, struct arena *, struct err *);
/* All whole buckets up to now. */
bool feed(struct daemon *, struct rollout *, struct check *, struct arena *, int64_t now_ms,
          struct err *);

/* split.c: the measured split. */
void note_split(struct daemon *, struct rollout *, const char *slo, struct arena *);
/* Insufficient until it was measured at this weight: nothing is raised before. */
struct evidence judge_split(const struct rollout *, struct arena *, int64_t now_ms,
                            double *measured_pct);

const struct split *last_split(const struct comparison *); /* NULL = none yet */

/* guard.c: what was heard since the last look, and its word where it has one; `e` is judge_split's.
 */
void guard_traffic(struct rollout *, struct arena *, int64_t now_ms, double measured_pct,
                   struct evidence *e);

/* Counts towards the stated false-rollback rate. */
bool is_controlled(const struct check_spec *);
/* Each such check's part of it, besides the guard's. */
double alpha_of_checks(const struct rollout_policy *);
double alpha_of_guard(const struct rollout_policy *);
void add_point(struct check *, int64_t t_ms);

/* sources.c: what some of an arm's sources are late for is no pass, and as old as they are. */
void check_sources(struct daemon *, const struct rollout *, struct evidence *,
                   const struct slo_arm *, int64_t now_ms, struct arena *);

/* gauges.c */
struct evidence compare_gauge(struct daemon *, struct rollout *, struct check *, struct arena *,
                              int64_t now_ms);

/* canaries.c: Kayenta's judge as a check. */
struct evidence ask_kayenta(struct daemon *, struct rollout *, struct check *, struct arena *,
                            int64_t now_ms);

/* thresholds.c */
struct evidence hold_against_limit(struct daemon *, struct rollout *, struct check *,
                                   struct arena *, int64_t now_ms);

/* evidence.c */
/* {{canary}}, {{stable}}, {{service}}, and {{version}} with `version` (NULL: it stays). */
const char *fill_in(struct arena *, const struct rollout *, const char *query, const char *version);
struct evidence broken(const struct check_spec *, struct arena *, const char *why);
struct evidence unknown_evidence(const struct check_spec *);
void set_blind(struct evidence *, const char *code, const char *sentence);

#endif
