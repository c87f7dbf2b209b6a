/* snapshot.h -- the head at one instant as a file, <data>/head.snapshot, so that a start reads that
 * and the log since, not the whole log. The log stays the truth: nothing is deleted because a
 * snapshot has it, and a snapshot that is not right is no more than not read.
 *
 *     capture: mark in the log -> its turn -> one line a series, the rest of few, the tap's sums
 *              (appends wait: some 30 ms of a million series)
 *     write:   the lines, the labels, and the bytes of chunks, which are pinned, in peace
 *     open:    the frame of facts: does it fit the log?      load: two threads, frame by frame
 *
 * Format: docs/format/snapshot.md. */
#ifndef CQED_STORE_SNAPSHOT_H
#define CQED_STORE_SNAPSHOT_H

#include "base/buf.h"
#include "block/file.h"
#include "store/head.h"
#include "store/wal.h"

struct store;

#define SNAPSHOT_FILE "head.snapshot"
#define SNAPSHOT_MAGIC "cQEDSNP"
#define SNAPSHOT_VERSION 1
#define SNAPSHOT_HEADER_BYTES 8 /* the magic's 7 bytes, the version's 1 */
#define SNAPSHOT_FRAME_BYTES 12 /* in front of a payload: its length, its checksum, its type */

/* Persisted: never renumber. */
enum snapshot_frame_type {
    SNAPSHOT_FACTS = 1, /* the first */
    SNAPSHOT_LABELS,    /* pairs of name and value, numbered from 0 */
    SNAPSHOT_SERIES,    /* their labels, by those numbers; from 1 */
    SNAPSHOT_DATA,      /* as many series' states and float chunks, in the same order */
    SNAPSHOT_REST,      /* histograms and late samples, each with the series' number */
    SNAPSHOT_GONE,      /* series that left and whose increases may go on */
    SNAPSHOT_EXEMPLARS,
    SNAPSHOT_TAP,
    SNAPSHOT_END, /* the last: counts */
};

/* What stands in the first frame. */
struct snapshot_facts {
    uint32_t segment; /* the log from there on is not in it */
    uint64_t offset;
    uint32_t next_id;
    uint32_t n_series, n_pairs; /* at most; n_series counts slots */
    int64_t border_ms, late_min_ms, horizon_ms, min_t_ms, max_t_ms;
    int64_t blocks_max_ms;        /* block_set_stats.max_ms then */
    struct wal_segment *segments; /* the log up to there */
    size_t n_segments;
};

/* --- The instant (snapshot_capture.c) --- */

/* A slot as it was. Its bytes are the slab's, pinned; they may have become more since. */
struct capture_line {
    int64_t last_t_ms;
    uint64_t last_bits;
    double base;
    const uint8_t *bytes; /* of the open chunk */
    uint16_t n_bits;
    uint8_t n;
    bool is_free;    /* no series was in it */
    uint32_t wal_id; /* in the marked segment, plus 1; 0 = none */
    uint32_t rest;   /* place in `rests`, plus 1; 0 = none */
    uint32_t number; /* in the file; 0 = not there (snapshot_write.c) */
};

/* Of a series with histograms or late samples: all that an append may change. */
struct capture_rest {
    int64_t histogram_t_ms;
    int64_t newest_first_t_ms; /* of the open histogram chunk; n = 0: there is none */
    uint32_t n, n_bits;
    size_t text, text_bytes; /* in capture.text: the tail, late samples, as in the file */
};

struct capture {
    struct snapshot_facts facts;
    uint64_t position; /* of the log */
    struct capture_line *lines;
    size_t n, capacity;
    struct capture_rest *rests;
    size_t n_rests, rest_capacity;
    struct buf text;
    struct arena arena; /* exemplars */
    struct store_exemplar *exemplars;
    uint32_t *exemplar_refs;
    size_t n_exemplars;
    struct buf gone; /* as in the file */
    bool has_tap;
    struct buf tap;
    bool pinned;
    unsigned pin;
    int64_t pause_ns; /* how long appends stood */
};

/* Under the lock of the keeper's rounds, until the release: no series leaves the head meanwhile.
 * ERR_CONFLICT: not now, another time may do. Release in any case. */
MUST_CHECK bool capture_take(struct store *, struct capture *, struct err *);
void capture_release(struct store *, struct capture *);

/* --- Writing (snapshot_write.c) --- */

struct snapshot_writing {
    uint64_t bytes_a_second;  /* 0 = as fast as it goes */
    const _Atomic bool *stop; /* set: ERR_TIMEOUT; NULL = nobody will */
};

/* To `path`, whole and on disk; *size_bytes of it. On failure there is no such file. Fault points:
 * block.write, block.sync. */
MUST_CHECK bool snapshot_write(struct store *, struct capture *, const char *path,
                               const struct snapshot_writing *, uint64_t *size_bytes, struct err *);

/* --- Reading (snapshot_read.c) --- */

struct snapshot;

/* Maps the file; the frames are there and the first one makes sense. ERR_NOT_FOUND: no file. Else
 * ERR_CORRUPT, ERR_IO. */
struct snapshot *snapshot_open(const char *path, struct err *);
const struct snapshot_facts *snapshot_facts(const struct snapshot *);
uint64_t snapshot_size(const struct snapshot *);
void snapshot_close(struct snapshot *);

/* Fill an empty head. *defined is what facts.segment defines so far, next_id of them, the caller's
 * to free. False (ERR_CORRUPT): the head is in no state but to be released. */
MUST_CHECK bool snapshot_load(struct snapshot *, struct head *, struct series ***defined,
                              struct err *);

#endif
