/* gone.h -- what is remembered of series that the tap counts and that have left the head: where the
 * next increase counts from, should they come again. Without it a counter that was silent for hours
 * would be taken for a new one, and what it had counted before would be counted twice, or what it
 * counts next not at all. Bounded: the oldest is forgotten for the newest. One thread. */
#ifndef CQED_STORE_GONE_H
#define CQED_STORE_GONE_H

#include "store/rest.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gone_series {
    uint64_t hash; /* of its labels (labels_hash); two in 2^64 are the same */
    int64_t last_t_ms;
    uint64_t last_bits;
    double base;
    struct series_rest *rest; /* NULL = it had no histogram */
};

struct gone_place;

struct gone {
    uint32_t capacity; /* a power of two */
    struct gone_place *ring;
    uint32_t *slots; /* place in the ring + 1; open addressing, twice as many */
    uint32_t next;
    uint32_t n;
};

void gone_init(struct gone *, uint32_t capacity);
void gone_release(struct gone *);

void gone_put(struct gone *, const struct gone_series *); /* takes its rest */
/* False when it is not remembered; afterwards it is not either, and rest is the caller's. */
bool gone_take(struct gone *, uint64_t hash, struct gone_series *out);

/* All of them, the oldest first; the callback only looks. */
void gone_each(const struct gone *, void (*each)(void *arg, const struct gone_series *), void *arg);

#endif
