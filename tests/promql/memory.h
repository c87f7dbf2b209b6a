/* memory.h -- series in memory as a source for queries. */
#ifndef CQED_TESTS_PROMQL_MEMORY_H
#define CQED_TESTS_PROMQL_MEMORY_H

#include "promql/promql.h"
#include "script.h"

struct memory_series {
    struct labels labels;
    struct sample *samples; /* ascending */
    size_t n, capacity;
    bool unsupported; /* holds histograms or start timestamps */
};

struct memory {
    struct arena arena;
    struct memory_series *v;
    size_t n, capacity;
    bool touched_unsupported; /* set by select */
};

void memory_init(struct memory *);
void memory_clear(struct memory *);
void memory_load(struct memory *, const struct load *);
struct promql_source memory_source(struct memory *);

#endif
