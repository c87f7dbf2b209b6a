/* head.h -- every series in memory: labels, chunks, and where the next increase counts from.
 *
 *     16 shards:  labels' hash -> ref              found without hindering one another
 *     table:      slot (1, 2, ...) -> series       read without a lock
 *     index:      name, value -> slots
 *     slab:       the bytes of float chunks
 *
 * Appending is bound by memory: of a series it reads and writes one cache line and the end of its
 * open chunk. Both lie in the order in which the series came, which is mostly the order in which
 * their samples come.
 *
 * A series whose samples are all in blocks leaves (removal.h) and its slot is used again, the
 * lowest one first. A reference is a slot and, in four bits above it, how often the slot was used
 * before: who uses one that is gone is found out, in debug builds, 15 times of 16. What keeps
 * references from being used when they are gone is the epoch (store.h).
 *
 * Locks, in this order: `making` (one new series at a time) > `tap_lock` > `visible` > `index_lock`
 * > a shard's lock. `visible` is what makes a batch appear as one: whoever appends holds it for
 * writing, whoever reads chunks for reading. Who goes on with a series, its labels or their strings
 * without a lock has a lease: of `batches`, who may append to it, or of `readers`. */
#ifndef CQED_STORE_HEAD_H
#define CQED_STORE_HEAD_H

#include "model/labels.h"
#include "store/chunk.h"
#include "store/exemplars.h"
#include "store/gone.h"
#include "store/index.h"
#include "store/leases.h"
#include "store/quota.h"
#include "store/removal.h"
#include "store/rest.h"
#include "store/slab.h"
#include "store/store.h"

#include "base/check.h"

#include <pthread.h>
#include <stdatomic.h>

#define HEAD_SHARDS 16
#define HEAD_BLOCK 16384 /* series a block of the table: 2 MiB, a huge page */
#define HEAD_BLOCKS 16384
#define HEAD_SLOT_BITS 28 /* of a reference; HEAD_BLOCK * HEAD_BLOCKS slots */
#define HEAD_SLOT_MASK ((UINT32_C(1) << HEAD_SLOT_BITS) - 1)
#define HEAD_GENERATIONS 16
#define HEAD_GONE 65536           /* series that left and whose base is remembered: 40 bytes each */
#define HEAD_GONE_HISTOGRAMS 4096 /* the same of histograms: about 1 kB each */
#define SERIES_EMPTY INT64_MIN    /* last_t_ms before the first sample */

struct series {
    /* --- The line that an append touches --- */

    /* Written under `visible`; read by batches without it, which is why a commit looks again. */
    _Alignas(64) _Atomic int64_t last_t_ms;
    _Atomic uint64_t last_bits;
    /* Guarded by `visible`. */
    double base; /* the last value that was a number, NaN = none: increases count from it */
    /* Its newest sample is the one of last_t_ms and last_bits; a histogram therefore closes it. */
    struct chunk_open open;
    /* Where the last batch that added to the series has the sample: a hint that makes duplicates
     * inside a batch visible; a lost hint is made good at commit. */
    _Atomic uint32_t pending;
    uint32_t token; /* the tap's; 0 = it is not interested. Guarded by `tap_lock` */
    /* Guarded by the log's lock: in which segment the series is defined, and its number there. */
    uint32_t wal_segment;
    uint32_t wal_id;

    /* --- The rest --- */

    /* NULL until needed, then for good; batches may read the pointer without the lock. */
    _Atomic(struct series_rest *) rest;
    struct chunk *chunks; /* sealed, by time; guarded by `visible` */
    uint32_t n_chunks;
    uint32_t chunk_capacity;
    struct label_set labels; /* by the index's numbers; the array is of head.label_sets */
    _Atomic uint32_t ref;    /* 0 = the slot is free: written last when a series is made, and under
                              * `visible` when it is removed */
    uint8_t generation;      /* of the next series in this slot, or of this one */
    _Atomic bool leaves;     /* removal.h; cleared under the shard's lock by who asks for it */
};

_Static_assert(sizeof(struct series) == 128, "two cache lines");
_Static_assert(offsetof(struct series, rest) == 64, "the first is what an append touches");
_Static_assert(HEAD_BLOCK *(uint64_t)HEAD_BLOCKS == HEAD_SLOT_MASK + UINT64_C(1), "28 bits");

struct shard_slot {
    uint32_t hash; /* the low half */
    uint32_t ref;  /* 0 = free */
};

struct shard {
    pthread_mutex_t lock;     /* guards the rest */
    struct shard_slot *slots; /* open addressing, a power of two */
    size_t n_slots;
    size_t n;
};

struct series_block {
    struct series series[HEAD_BLOCK];
};

struct head {
    struct shard shards[HEAD_SHARDS];
    pthread_mutex_t making;
    pthread_mutex_t tap_lock; /* held while the tap is told anything */
    pthread_rwlock_t visible;
    pthread_rwlock_t index_lock;
    struct index index;
    struct slab label_sets;                 /* guarded by `making` */
    struct slab slab;                       /* guarded by `visible` */
    _Atomic(struct series_block *) *blocks; /* HEAD_BLOCKS of them */
    _Atomic uint32_t n_used;                /* slots that were ever used: 1 .. n_used */
    _Atomic uint32_t n_living;              /* series there are */
    /* These are guarded by `making`. */
    uint32_t *free_slots; /* falling */
    size_t n_free, free_capacity;
    uint32_t newest; /* slot of the series that was made last; 0 = it has left */
    struct gone gone, gone_histograms;

    _Atomic uint64_t epoch; /* counts the rounds in which series leave */
    struct leases *batches, *readers;
    struct removal removal;
    uint64_t max_series;
    int64_t window_ms; /* how far behind the newest sample others may be late; 0 = not at all */
    struct quotas quotas;
    const struct store_tap *tap; /* or NULL */
    struct exemplars exemplars;
    _Atomic int64_t chunk_bytes;
    _Atomic int64_t min_t_ms; /* INT64_MAX when empty; exact after each sweep */
    _Atomic int64_t max_t_ms; /* INT64_MIN when empty */

    /* What lies before the border is or soon will be in blocks; what came late, after its border
     * had passed, begins at late_min_ms (INT64_MAX = none did). All before the horizon is in
     * blocks for sure and may be dropped. Written under `visible`. INT64_MIN at first. */
    _Atomic int64_t border_ms;
    _Atomic int64_t late_min_ms;
    _Atomic int64_t horizon_ms;
};

void head_init(struct head *, const struct store_options *); /* all but path and flushing */
void head_release(struct head *);

/* The series of these labels, made and bound to the tap if absent. NULL when the head is full and
 * it would have to be made. */
struct series *head_series(struct head *, struct labels, bool *is_new);
/* The same, quicker when it is the one that was made after `before`, which may be NULL. */
struct series *head_series_after(struct head *, const struct series *before, struct labels,
                                 bool *is_new);

/* For removal.h: out of the shard, so that its labels make a new one; false when somebody asked for
 * it since it was marked. Later, what it had is freed and its slot is as new (`making` is held). */
bool head_unpublish(struct head *, struct series *, uint64_t hash);
void head_clear_slot(struct head *, uint32_t slot);
/* Where its increases count from is remembered, if the tap wants to know. */
void head_remember(struct head *, struct series *, uint64_t hash);

/* Whether there may be one more. `making` is held. */
static inline bool head_has_room(const struct head *h)
{
    return atomic_load(&h->n_living) < h->max_series &&
           (h->n_free > 0 || atomic_load(&h->n_used) < HEAD_SLOT_MASK);
}

/* As store_set_tap. */
void head_set_tap(struct head *, const struct store_tap *, void (*swap)(void *arg), void *arg);

static inline uint32_t head_slot(uint64_t ref)
{
    return (uint32_t)ref & HEAD_SLOT_MASK;
}

static inline struct series *head_place(const struct head *h, uint32_t slot)
{
    struct series_block *block =
        atomic_load_explicit(&h->blocks[slot / HEAD_BLOCK], memory_order_acquire);
    return &block->series[slot % HEAD_BLOCK];
}

/* The series in a slot from 1 to n_used; NULL when it is free. */
static inline struct series *head_in(const struct head *h, uint32_t slot)
{
    struct series *s = head_place(h, slot);
    return atomic_load_explicit(&s->ref, memory_order_acquire) != 0 ? s : NULL;
}

/* By reference, which must not be gone (CHECKed in debug builds); NULL when there never was such
 * a one. */
static inline struct series *head_at(const struct head *h, uint64_t ref)
{
    uint32_t slot = head_slot(ref);
    if (slot == 0 || slot > atomic_load_explicit(&h->n_used, memory_order_acquire))
        return NULL;
    struct series *s = head_place(h, slot);
    DCHECK(atomic_load_explicit(&s->ref, memory_order_acquire) == ref);
    return s;
}

/* Whether it is still there, to be kept beyond a batch. */
bool head_lives(const struct head *, uint64_t ref);

/* What chunks and histograms hold grew by this much. */
static inline void head_count_bytes(struct head *h, int64_t more)
{
    if (more != 0)
        atomic_fetch_add_explicit(&h->chunk_bytes, more, memory_order_relaxed);
}

/* A series' labels written out: their array is the arena's, the strings are the index's: good as
 * long as the series is there or a lease is held. */
struct labels head_labels(const struct head *, struct arena *, const struct series *);

/* The float chunks of a series, oldest first, the open one included: it borrows its bytes.
 * `visible` must be held. */
static inline uint32_t series_n_chunks(const struct series *s)
{
    return s->n_chunks + (s->open.n > 0);
}
static inline struct chunk series_chunk(const struct series *s, uint32_t i)
{
    if (i < s->n_chunks)
        return s->chunks[i];
    return chunk_open_view(&s->open, atomic_load_explicit(&s->last_t_ms, memory_order_relaxed));
}

/* What a sample at t_ms would be, given the newest one. Bits are a float's, or the hash of a
 * histogram: that the two are the same for different samples is as unlikely as it is harmless. */
enum store_result head_judge(int64_t last_t_ms, uint64_t last_bits, int64_t t_ms, uint64_t bits);

/* Append if the series' newest sample allows it; `visible` must be held for writing. *increase is
 * what the tap is to be told. */
bool head_append(struct head *, struct series *, int64_t t_ms, double v, bool origin_zero,
                 double *increase);

/* The same for a histogram: the increase is what it has more than *base (store_tap.feed_histogram),
 * arena memory or static. */
bool head_append_histogram(struct head *, struct series *, int64_t t_ms, const struct histogram *,
                           bool origin_zero, struct arena *, const struct histogram **base);

/* What a sample would be that is older than the series' newest one: STORE_OK when it is within the
 * window and there is none at its time. `visible` must be held. */
enum store_result head_judge_late(struct head *, const struct series *, int64_t t_ms,
                                  uint64_t bits);

/* Put it, h or else v, among the late ones; false when there is one at its time or it is not late.
 * The window is not looked at: that was done before it went to the log. The tap is not told, since
 * what was counted later holds what was counted before. `visible` must be held for writing. */
bool head_append_late(struct head *, struct series *, int64_t t_ms, double v,
                      const struct histogram *h);

/* The oldest time that may be late; INT64_MAX = none may. */
int64_t head_late_limit(struct head *);

/* Whether the series' newest sample is a histogram. Any thread. */
bool head_newest_is_histogram(const struct series *);

/* --- For who fills a head from a snapshot, before anyone else sees it --- */

/* Series without labels or samples in slots 1 to n. */
void head_reserve(struct head *, uint32_t n);
/* The labels of the next of them, from 1; their numbers are copied. */
void head_name(struct head *, uint32_t slot, struct label_set);
/* Then, once, all of them can be found: the hashes (labels_hash) of slots 1 to n. False: two have
 * the same labels. */
bool head_publish(struct head *, const uint64_t *hashes, uint32_t n);
/* Ask the tap whether it is interested. Its other threads may be filling in samples meanwhile. */
void head_bind(struct head *, struct series *, struct labels);
/* Those after slot n are not needed. */
void head_reserve_end(struct head *, uint32_t n);
struct series_rest *head_need_rest(struct series *);
/* A series' first samples come from there: all before the border counts as late. */
void head_note_loaded(struct head *, int64_t t_ms);

/* Drop the chunks that lie wholly before the horizon and look for the oldest time again. Takes
 * `visible` for a thousand series at a time. */
void head_sweep(struct head *);

/* Samples from here on are not in a block yet; for the blocks' keeper, which alone moves it on.
 * head_move_border: what comes for before from now on counts as late; gives what did until now.
 * head_move_horizon: all before the border but what is late has arrived in blocks. */
int64_t head_move_border(struct head *, int64_t border_ms);
void head_late_again(struct head *, int64_t t_ms); /* it did not arrive after all */
void head_move_horizon(struct head *);

#endif
