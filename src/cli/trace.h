/* trace.h -- counters of two arms from files, as buckets for the judge. Two forms: a trace of a
 * set that bench/judge/bench.py wrote, and two CSV files, one an arm (docs/manual/judge.md). A
 * counter that falls began anew; a time that only one arm has is a scrape that the other missed. */
#ifndef CQED_CLI_TRACE_H
#define CQED_CLI_TRACE_H

#include "base/arena.h"
#include "base/err.h"
#include "judge/judge.h"

struct trace {
    const char *id;
    struct judge_bucket *buckets; /* of A/A history, then of the comparison; arena memory */
    size_t n_history, n;
    int64_t start_ms; /* of the comparison: the time that verdicts are told from */
    bool warms_up;
    size_t n_edges; /* upper edges in seconds, the last +Inf; 0 = no latency */
    double edges[JUDGE_MAX_EDGES];
};

/* One trace, by its line of the manifest. */
MUST_CHECK bool trace_read(struct arena *, const char *folder, const json_t *line, struct trace *,
                           struct err *);

/* Two files with a header line of `time,total,bad[,le_SECONDS...,le_+Inf]`; times in seconds up to
 * start_s are history. NaN = there is none. */
MUST_CHECK bool trace_join(struct arena *, const char *stable_path, const char *canary_path,
                           double start_s, struct trace *, struct err *);

/* The same of texts; the names are for errors. */
struct trace_text {
    const char *name;
    struct str text;
};
MUST_CHECK bool trace_join_texts(struct arena *, const struct trace_text *stable,
                                 const struct trace_text *canary, double start_s, struct trace *,
                                 struct err *);

#endif
