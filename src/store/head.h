/* head.h -- every series in memory: labels, chunks, and where the next increase counts from.
 *
 *     16 shards:  labels' hash -> ref              found without hindering one another
 *     table:      ref (1, 2, ...) -> series        read without a lock, grows only
 *     index:      name, value -> refs
 *     slab:       the bytes of float chunks
 *
 * Appending is bound by memory: of a series it reads and writes one cache line and the end of its
 * open chunk. Both lie in the order in which the series came, which is mostly the order in which
 * their samples come.
 *
 * Locks, in this order: `making` (one new series at a time) > `tap_lock` > `visible` > `index_lock`
 * > a shard's lock. `visible` is what makes a batch appear as one: whoever appends holds it for
 * writing, whoever reads chunks for reading. A series lives until head_release, even when its
 * samples are gone. */
#ifndef CQED_STORE_HEAD_H
#define CQED_STORE_HEAD_H

#include "model/labels.h"
#include "store/chunk.h"
#include "store/exemplars.h"
#include "store/index.h"
#include "store/quota.h"
#include "store/rest.h"
#include "store/slab.h"
#include "store/store.h"

#include <pthread.h>
#include <stdatomic.h>

#define HEAD_SHARDS 16
#define HEAD_BLOCK 16384 /* series a block of the table: 2 MiB, a huge page */
#define HEAD_BLOCKS 16384
#define SERIES_EMPTY INT64_MIN /* last_t_ms before the first sample */

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
    struct label_set labels; /* by the index's numbers; the array is the head's */
    uint32_t ref;
};

_Static_assert(sizeof(struct series) == 128, "two cache lines");
_Static_assert(offsetof(struct series, rest) == 64, "the first is what an append touches");

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
    struct arena label_sets;                /* guarded by `making` */
    struct slab slab;                       /* guarded by `visible` */
    _Atomic(struct series_block *) *blocks; /* HEAD_BLOCKS of them */
    _Atomic uint32_t n_series;
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

/* As store_set_tap. */
void head_set_tap(struct head *, const struct store_tap *, void (*swap)(void *arg), void *arg);

/* By reference; NULL when there is none. */
static inline struct series *head_at(struct head *h, uint64_t ref)
{
    if (ref == 0 || ref > atomic_load_explicit(&h->n_series, memory_order_acquire))
        return NULL;
    struct series_block *block =
        atomic_load_explicit(&h->blocks[ref / HEAD_BLOCK], memory_order_acquire);
    return &block->series[ref % HEAD_BLOCK];
}

/* A series' labels written out: their array is the arena's, the strings are the index's. */
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
