/* native_aggregate.h -- sums and means of histograms, compensated as those of floats are. Private
 * to promql/. */
#ifndef CQED_PROMQL_NATIVE_AGGREGATE_H
#define CQED_PROMQL_NATIVE_AGGREGATE_H

#include "promql/eval.h"

/* A sum that becomes a running mean before it would overflow. */
struct native_sum {
    struct native total; /* or the mean */
    double count;        /* 0: nothing yet */
    bool is_mean;
    bool resets, no_resets; /* hints that were seen */
    bool bounds_differ;
};

/* False when custom and exponential bounds would meet; then it is of no use any more. */
MUST_CHECK bool native_sum_add(struct query *, struct arena *, struct native_sum *,
                               const struct histogram *, bool averages);
/* The sum or the mean, where averages were asked for; the struct is of no use afterwards. */
struct native *native_sum_result(struct native_sum *, bool averages);
/* Conflicting hints, reconciled bounds. */
void native_sum_notes(struct query *, const struct native_sum *, size_t position);

/* --- One group of sum() or avg(), over all steps --- */

struct native_group;

/* `floats`: what the group's floats add up to so far; ABSENT where there are none. */
struct native_group *native_group_new(struct evaluation *, const struct promql_expr *,
                                      double *floats);
/* Takes the column's histograms; where floats cannot be added any more, it takes them out. */
MUST_CHECK bool native_group_add(struct native_group *, struct column *, struct err *);
/* The histograms go to the column; steps that have both kinds are cleared. */
MUST_CHECK bool native_group_finish(struct native_group *, struct column *, struct err *);

#endif
