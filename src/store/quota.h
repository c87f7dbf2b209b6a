/* quota.h -- whether one more series may be made: the head's limit, the memory's soft mark
 * (base/budget.h), and how many its owner may have. An owner is a value of one label; how many
 * series it has is counted by the index, so that nothing is counted twice or forgotten.
 * Guarded by `lock`, under which only the index lock is taken. */
#ifndef CQED_STORE_QUOTA_H
#define CQED_STORE_QUOTA_H

#include "base/map.h"
#include "model/labels.h"
#include "store/store.h"

#include <pthread.h>
#include <stdatomic.h>

#define QUOTA_MAX_OWNERS 10000 /* that are remembered: with a limit of their own, or refused */

/* X(enumerator, name): why a series is not made. */
#define REFUSALS(X)                                                                                \
    X(REFUSED_LIMIT, "limit")                                                                      \
    X(REFUSED_MEMORY, "memory")                                                                    \
    X(REFUSED_QUOTA, "quota")

enum refusal {
#define X(code, name) code,
    REFUSALS(X)
#undef X
        N_REFUSALS
};

struct head;

struct quotas {
    pthread_mutex_t lock;
    char *label;        /* NULL = no quotas */
    uint64_t limit;     /* of an owner without one of its own; 0 = none */
    struct map *owners; /* value -> struct owner */
    _Atomic uint64_t refused[N_REFUSALS];
};

void quotas_init(struct quotas *);
void quotas_release(struct quotas *);

/* Whether the head may make these. Counts what it refuses. `making` must be held. */
bool quotas_admit(struct head *, struct labels);

/* Why these were refused, in words. */
void quotas_explain(struct head *, struct labels, char *out, size_t size);

#endif
