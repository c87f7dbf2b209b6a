/* wal.h -- the write-ahead log's writing side: segments wal/00000001, ... of checksummed records.
 * A write goes to the kernel before it is acknowledged, so that kill -9 loses nothing; syncing
 * follows at the flusher's pace, or before the acknowledgement, one fdatasync for all who wait.
 *
 *     wal_write ... wal_write   -> kernel      order = position = ticket
 *             wal_sync          -> disk        everything written before the call
 *
 * A segment stands alone: it defines every series it has samples of. So old ones are simply
 * deleted, and damage to one never spreads. After any failed write or sync the segment is given up
 * and the next write begins a new one. Any thread. Format: docs/format/wal.md.
 * Fault points: wal.write, wal.fsync. */
#ifndef CQED_STORE_WAL_H
#define CQED_STORE_WAL_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define WAL_SEGMENT_BYTES (UINT64_C(64) << 20)

struct wal;

/* A finished segment, by number. */
struct wal_segment {
    uint32_t number;
    int64_t max_t_ms; /* of its samples; INT64_MIN = none */
    uint64_t size_bytes;
};

struct wal_options {
    const char *folder;            /* exists */
    uint64_t segment_bytes;        /* of samples; definitions count once they are more */
    uint32_t next_number;          /* the first segment to be written, over all existing ones */
    const struct wal_segment *old; /* copied */
    size_t n_old;
};

/* Nothing is made on disk before the first write. */
struct wal *wal_new(const struct wal_options *);
void wal_free(struct wal *); /* without a sync */

/* What one write is made from, under the log's lock, in the order of the log. */
struct wal_draft {
    struct buf *out;   /* whole records go here */
    uint32_t segment;  /* where they will stand; a series not defined there must be, once, */
    uint32_t *next_id; /* as this number, counted up */
    size_t definition_bytes;
    int64_t max_t_ms; /* newest sample */
};

struct wal_receipt {
    uint64_t position; /* end of what was written, for wal_sync_to */
    uint64_t ticket;   /* 0, 1, 2 ... in the order of the log */
};

/* False: nothing was written that a later replay would see, and no ticket was given. */
MUST_CHECK bool wal_write(struct wal *, bool (*make)(void *arg, struct wal_draft *, struct err *),
                          void *arg, struct wal_receipt *, struct err *);

/* A place in the log between two writes. It has a ticket of its own, so that whoever waits for its
 * turn finds the head as a replay up to here would leave it. */
struct wal_mark {
    uint32_t segment;  /* where the next write may go; it may not be there yet */
    uint64_t offset;   /* in it; 0 = it is not there yet */
    uint32_t next_id;  /* what is defined in it has lower numbers */
    uint64_t position; /* for wal_sync_to */
    uint64_t ticket;
    struct wal_segment *segments; /* all up to here, the caller's to free */
    size_t n_segments;
};
void wal_mark(struct wal *, struct wal_mark *);

/* Keep others from writing, and so from numbering series anew. False, and nothing is held: that
 * has happened since the mark, so that the series' numbers are not the marked segment's. */
bool wal_hold(struct wal *, const struct wal_mark *);
void wal_let_go(struct wal *);

/* Bytes in the log from there on; how many a replay would read. */
uint64_t wal_bytes_from(struct wal *, uint32_t segment, uint64_t offset);
/* The lowest number there is or, without segments, will be. */
uint32_t wal_first_segment(struct wal *);

/* Wait until all up to the position is on disk. Callers share an fdatasync. False (ERR_IO): it may
 * not be, now or ever. */
MUST_CHECK bool wal_sync_to(struct wal *, uint64_t position, struct err *);
MUST_CHECK bool wal_sync(struct wal *, struct err *);

/* The next write begins a new segment, so that this one can be deleted in time. */
void wal_cut(struct wal *);

/* Delete finished segments, oldest first, while all their samples are older. */
void wal_drop_before(struct wal *, int64_t t_ms);

void wal_stats(struct wal *, uint64_t *size_bytes, uint64_t *fsyncs);

/* folder/00000001 */
void wal_segment_path(struct buf *, const char *folder, uint32_t number);

#endif
