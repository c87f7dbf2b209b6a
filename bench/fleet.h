/* fleet.h -- the telemetry of a make-believe fleet: which series there are and what each says at a
 * time. A pure function of the two, so that two servers can be told the same.
 *
 * A cell is one route of one instance: 4 counters of requests (2 methods, 2 codes), a histogram of
 * durations (12 buckets, sum, count) and 2 gauges: 20 series. */
#ifndef CQED_BENCH_FLEET_H
#define CQED_BENCH_FLEET_H

#include "base/buf.h"

#include <stdint.h>

#define FLEET_KINDS 20
#define FLEET_VALUE_DIGITS 10 /* every value is this wide in text, so that pages can be patched */

/* How many instances and routes there are, how many cells have a histogram too, and whether sums,
 * counts and gauges are told. */
struct fleet {
    unsigned instances, routes, histograms;
    bool buckets_only;
    int64_t origin_ms; /* when every counter was at its start */
};

struct fleet_series {
    unsigned kind, cell;
};

/* Calls each with every series, families together, as an exposition has them. */
void fleet_each(const struct fleet *, void (*each)(void *arg, const struct fleet_series *),
                void *arg);
size_t fleet_size(const struct fleet *);

const char *fleet_name(const struct fleet_series *);
/* Labels but the name, sorted; at most 5. */
struct fleet_label {
    const char *name;
    char value[24];
};
size_t fleet_labels(const struct fleet *, const struct fleet_series *, struct fleet_label out[5]);

/* An integer of FLEET_VALUE_DIGITS digits; never less than at an earlier second, unless a gauge. */
uint64_t fleet_value(const struct fleet *, const struct fleet_series *, int64_t t_ms);

/* The fleet whose past is loaded: 10,000 counters and 10,000 buckets. END_MS is its newest time. */
struct fleet fleet_of_history(int64_t end_ms);
/* The services whose past is loaded: 1,000 of one pod and one route, and their requests alone. */
struct fleet fleet_of_services(int64_t end_ms);
/* One target of `series` series. */
struct fleet fleet_of_target(unsigned series, int64_t end_ms);

#define HISTORY_STEP_MS 15000

#endif
