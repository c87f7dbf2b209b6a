/* exemplars.h -- the newest exemplars of all series, in a ring of a fixed number: a new one takes
 * the place of the oldest. A query walks all of it.
 *
 *     entries:  [ 7 | 8 | 3 | 4 | 5 | 6 ]     next to be replaced: 3
 *     buckets:  hash of the ref -> entries, newest first     for the newest of a series
 *
 * Rules: Prometheus, tsdb/exemplar.go. Any thread; has its own lock, under which no other is taken.
 */
#ifndef CQED_STORE_EXEMPLARS_H
#define CQED_STORE_EXEMPLARS_H

#include "store/store.h"

#include <pthread.h>

struct exemplar_entry;

struct exemplars {
    pthread_mutex_t lock; /* guards the rest */
    struct exemplar_entry *entries;
    uint32_t *buckets; /* capacity of them: entry + 1, 0 = none */
    uint32_t capacity; /* 0 = none are kept */
    uint32_t n;
    uint32_t next;
    uint32_t n_forgotten; /* of the n */
};

/* What would become of it after `newest`, NULL = none. */
enum store_result exemplar_judge(const struct store_exemplar *newest,
                                 const struct store_exemplar *);

void exemplars_init(struct exemplars *, uint32_t capacity);
void exemplars_release(struct exemplars *);

/* What would become of it, given the series' newest. */
enum store_result exemplars_judge(struct exemplars *, uint32_t ref, const struct store_exemplar *);

/* What becomes of it: copied on STORE_OK. */
enum store_result exemplars_add(struct exemplars *, uint32_t ref, const struct store_exemplar *);

/* Those in [mint, maxt] whose ref is among the n ascending ones, by ref, then in the order of
 * coming; arena memory. out_refs[i] tells whose out[i] is. */
size_t exemplars_find(struct exemplars *, struct arena *, const uint32_t *refs, size_t n,
                      int64_t mint_ms, int64_t maxt_ms, struct store_exemplar **out,
                      uint32_t **out_refs);

/* Forget those of the series in these ascending slots (head.h): their references will mean others.
 */
void exemplars_forget(struct exemplars *, const uint32_t *slots, size_t n);

/* All of them, in the order of coming; arena memory. */
size_t exemplars_all(struct exemplars *, struct arena *, struct store_exemplar **out,
                     uint32_t **out_refs);

uint32_t exemplars_count(struct exemplars *);

#endif
