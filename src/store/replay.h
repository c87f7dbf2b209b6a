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

/* From where the log is read: what comes before is in the head already. All zero = all of it. */
struct replay_from {
    uint32_t segment;
    uint64_t offset;         /* in it */
    struct series **defined; /* what it defines up to there; NULL = it has left; owned */
    size_t n_defined;
    struct wal_segment *segments; /* the log up to there; owned */
    size_t n_segments;
};
void replay_from_release(struct replay_from *);

/* Whether the log in the folder's `wal` goes on from where the snapshot was taken. False
 * (ERR_CORRUPT): err says what is missing. */
struct snapshot_facts;
MUST_CHECK bool replay_from_fits(const struct snapshot_facts *, const char *folder, struct err *);

/* One thread, before anyone else sees the head. Feeds the head's tap. False (ERR_IO) only when the
 * folder or a file in it cannot be read or repaired. */
MUST_CHECK bool wal_replay_folder(const char *folder, const struct replay_from *, struct head *,
                                  struct replay *, struct err *);
void wal_replay_release(struct replay *);

#endif
