/* replay.h -- the write-ahead log's reading side: fill the head from the segments, oldest first.
 * What was not wholly written is cut off; what is damaged is set aside as NNNNNNNN-<offset>.corrupt
 * with all that follows in its segment, and the other segments are served. */
#ifndef CQED_STORE_REPLAY_H
#define CQED_STORE_REPLAY_H

#include "store/head.h"
#include "store/wal.h"

struct replay {
    struct wal_segment *segments; /* what is left, for wal_new; owned */
    size_t n_segments;
    size_t capacity;
    uint32_t next_number;
    uint64_t samples;
    uint64_t corruptions;
    uint64_t torn;
};

/* One thread, before anyone else sees the head. Feeds the head's tap. False (ERR_IO) only when the
 * folder or a file in it cannot be read or repaired. */
MUST_CHECK bool wal_replay_folder(const char *folder, struct head *, struct replay *, struct err *);
void wal_replay_release(struct replay *);

#endif
