/* pressure.h -- whether the disk keeps up: how long a sync is under way, whether the last one
 * failed, how long the last write to the log took. Written by the flusher and by commits, read by
 * who asks; no lock. */
#ifndef CQED_STORE_PRESSURE_H
#define CQED_STORE_PRESSURE_H

#include "base/err.h"

#include <stdatomic.h>
#include <stdint.h>

struct pressure {
    _Atomic int64_t syncing_since_ns; /* 0 = no sync is under way */
    _Atomic int64_t
        writing_since_ns;     /* of the oldest write that may still be under way; 0 = none */
    _Atomic uint32_t writing; /* commits that write to the log */
    _Atomic bool sync_failed; /* the last one, and nothing was synced since */
};

void pressure_write_begins(struct pressure *);
void pressure_write_ends(struct pressure *);
void pressure_sync_begins(struct pressure *);
void pressure_sync_ends(struct pressure *, bool done);

/* False: the disk is behind, and err (ERR_IO) says by how much. */
bool pressure_is_low(const struct pressure *, int64_t flush_ms, struct err *);

#endif
