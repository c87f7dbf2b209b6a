/* memory.h -- series in memory as a source for queries. */
#ifndef CQED_TESTS_PROMQL_MEMORY_H
#define CQED_TESTS_PROMQL_MEMORY_H

#include "promql/promql.h"
#include "script.h"

struct memory_series {
    struct labels labels;
    struct sample *samples; /* ascending */
    size_t n, capacity;
    struct histogram_sample *histograms; /* ascending */
    size_t n_histograms, histogram_capacity;
    struct promql_start *starts; /* ascending */
    size_t n_starts, start_capacity;
};

struct memory {
    struct arena arena;
    struct memory_series *v;
    size_t n, capacity;
};

void memory_init(struct memory *);
void memory_clear(struct memory *);
void memory_load(struct memory *, const struct load *);
void memory_add_histogram(struct memory *, struct labels, int64_t t_ms, const struct histogram *);
/* The histograms x with custom bounds that x_bucket, x_sum and x_count make (histograms.c). */
void memory_load_custom(struct memory *, const struct load *);
struct promql_source memory_source(struct memory *);

#endif
