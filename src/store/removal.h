/* removal.h -- dead series leave the head: those without a sample in it, whose newest one lies
 * before the horizon, an hour at least behind the newest sample of all; and those that never got
 * one.
 *
 *     idle --mark--> marked --all batches that were open have ended--> unlinked --all queries
 *       ^            findable;                                         out of table, index and tap
 * | |            who asks for one by its labels keeps it                                        |
 *       +------------------------- its memory is freed and its slot is free <---- that ran have
 * ended
 *
 * With the marks the epoch moves on: a batch that begins from then on asks head_lives before it
 * uses a reference that was kept, and takes none that is marked. A batch that was open may still
 * append to one; then it is not dead any more and stays. So nobody ever waits but the keeper's
 * thread, on which all of this runs, under the lock of its rounds. */
#ifndef CQED_STORE_REMOVAL_H
#define CQED_STORE_REMOVAL_H

#include "store/index.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct head;

/* X(enumerator, name) */
#define REMOVAL_STATES(X)                                                                          \
    X(REMOVAL_IDLE, "idle")                                                                        \
    X(REMOVAL_MARKED, "marked")                                                                    \
    X(REMOVAL_UNLINKED, "unlinked")

enum removal_state {
#define X(code, name) code,
    REMOVAL_STATES(X)
#undef X
};

const char *removal_state_name(enum removal_state);

struct removal { /* zero-initialised */
    enum removal_state state;
    int64_t horizon_ms; /* of the last marks */
    bool marked_before; /* there were some */
    uint32_t *slots;    /* marked, or unlinked; ascending */
    size_t n, capacity;
    struct index_withdrawn withdrawn;
    _Atomic uint64_t removed; /* series so far */
};

/* As many steps as can be done without waiting for more than moments. Chunks must have been swept.
 */
void head_remove_dead(struct head *, const _Atomic bool *stop);

void removal_release(struct head *); /* head_release's part */

#endif
