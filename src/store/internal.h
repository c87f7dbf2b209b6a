/* internal.h -- what the store's own files share: the store itself and its batches.
 *
 * A commit goes: log (in the log's order, which gives a ticket) -> its turn -> head -> tap -> next
 * turn. So head and tap see samples in the log's order, and recovery, which reads that order, ends
 * where the process ended. */
#ifndef CQED_STORE_INTERNAL_H
#define CQED_STORE_INTERNAL_H

#include "block/set.h"
#include "store/erased.h"
#include "store/head.h"
#include "store/pressure.h"
#include "store/store.h"
#include "store/wal.h"

struct store {
    struct head head;
    struct wal *wal;
    struct block_set *blocks;
    struct block_erased *erased;
    struct head_snapshot *snapshot;
    struct keeper *keeper; /* moves samples from the head to blocks (block_keeper.c) */
    char *folder;
    int lock_fd;
    bool fsync_always;
    int64_t flush_ms;
    struct pressure pressure;

    pthread_mutex_t turn_lock; /* guards turn; held for moments only */
    pthread_cond_t turn_passed;
    uint64_t turn; /* the ticket whose commit may touch the head */

    pthread_t flusher;
    pthread_mutex_t stop_lock; /* guards stopping */
    pthread_cond_t stop_now;
    bool stopping;

    _Atomic uint64_t appended;
    _Atomic uint64_t refused;
    uint64_t corruptions;
    int64_t replay_ms;
};

/* Until the ticket's turn has come; and on to the next. Between the two nobody appends. */
void store_wait_for_turn(struct store *, uint64_t ticket);
void store_pass_turn(struct store *);

/* What the head alone has (select.c), as the functions of store.h without `head_`. */
struct block_question;
MUST_CHECK bool head_series_list(struct store *, struct arena *, const struct block_question *,
                                 struct labels **out, size_t *n, struct err *);
MUST_CHECK bool head_label_names(struct store *, struct arena *, const struct block_question *,
                                 struct str **out, size_t *n, struct err *);
MUST_CHECK bool head_label_values(struct store *, struct arena *, struct str name,
                                  const struct block_question *, struct str **out, size_t *n,
                                  struct err *);

/* How the head meets the blocks (head_read.c): the series that have samples, by labels, and one's
 * samples in [mint, maxt], ascending. Takes `visible` for one series at a time. */
uint32_t *head_refs(struct store *, struct arena *, size_t *n);
void head_read(struct store *, struct arena *, uint32_t ref, int64_t mint_ms, int64_t maxt_ms,
               struct points *);

/* The oldest sample at or after t_ms; INT64_MAX when there is none. */
int64_t head_oldest_from(struct store *, int64_t t_ms);

/* Let go of what lies before the head's horizon: chunks and segments of the log. */
void store_sweep(struct store *);

#endif
