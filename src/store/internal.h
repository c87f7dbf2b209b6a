/* internal.h -- what the store's own files share: the store itself and its batches.
 *
 * A commit goes: log (in the log's order, which gives a ticket) -> its turn -> head -> tap -> next
 * turn. So head and tap see samples in the log's order, and recovery, which reads that order, ends
 * where the process ended. */
#ifndef CQED_STORE_INTERNAL_H
#define CQED_STORE_INTERNAL_H

#include "store/head.h"
#include "store/store.h"
#include "store/wal.h"

struct store {
    struct head head;
    struct wal *wal;
    char *folder;
    int lock_fd;
    bool fsync_always;
    int64_t flush_ms;

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

#endif
