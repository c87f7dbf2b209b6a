/* store.h -- the time-series store: a sharded in-memory head of Gorilla-compressed chunks behind a
 * checksummed write-ahead log, and blocks on disk, in Prometheus's format, of all that is older
 * than one to three hours. What was acknowledged survives kill -9, and the machine's death except
 * for the last flush interval (storage.flush, 100 ms; `fsync: always` waits for the disk before
 * acknowledging).
 *
 *   batch: begin -> series -> add ... -> commit -> in the log (kernel), visible, fsynced soon
 *   a thread at low priority: head -> block of 2 h -> larger blocks -> deleted (retention)
 *
 * A block that turns out damaged is set aside (renamed *.corrupt), logged and counted; queries go
 * on without it.
 *
 * Threads: any thread may append (batches are per thread) and query. Formats: docs/format/wal.md,
 * docs/format/block.md. */
#ifndef CQED_STORE_STORE_H
#define CQED_STORE_STORE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "model/histogram.h"
#include "model/labels.h"
#include "model/sample.h"

#include <stdbool.h>
#include <stdint.h>

struct store;
struct store_batch;

/* Sees every sample of the series it binds, in append order, with the exact increase since the
 * series' previous sample (counter resets handled: a lower value counts from 0). That is how SLIs
 * become two counters without a query. Called on appending threads, one at a time, and during
 * recovery. Both may query the store, but must not append to it: commits wait for one another. */
struct store_tap {
    void *self;
    /* Once per series, when it is made or recovered: a token to be handed to feed, 0 = not
     * interested. A series that comes again after it left is bound again, and its increases count
     * from where they were. */
    uint32_t (*bind)(void *self, struct labels labels);
    /* The series has left: nothing is fed under this token any more, and bind may give it out
     * again. NULL = no matter. */
    void (*unbind)(void *self, uint32_t token);
    /* increase is NaN when unknown: the series' first sample of unknown origin, or a stale marker
     * (v is stale NaN then). recovering: the sample comes from the log, not from a client. */
    void (*feed)(void *self, uint32_t token, int64_t t_ms, double v, double increase,
                 bool recovering);
    /* The same for native histograms, in the same order with the floats; NULL = not interested.
     * The increase is h minus base: base is the series' previous histogram, an empty one when all
     * of h is new, NULL when that is unknown. Both are the caller's and gone afterwards. */
    void (*feed_histogram)(void *self, uint32_t token, int64_t t_ms, const struct histogram *h,
                           const struct histogram *base, bool recovering);
    /* For restarts that do not read the whole log: what has been fed so far, written out, and the
     * same taken up again: after every series is bound, before the log is fed from there on. load
     * leaves all as it was when the text makes no sense, and may be given "" (there was no tap).
     * newest follows, for each series of interest whose newest sample is a number or a marker: it
     * has been counted already or never will be. Without all three no snapshot is written or read.
     */
    void (*save)(void *self, struct buf *out);
    bool (*load)(void *self, struct str saved);
    void (*newest)(void *self, uint32_t token, int64_t t_ms, double v);
    /* Around the samples of one batch, so that nobody takes half of one for the whole; either may
     * be NULL. Not called during recovery. */
    void (*begin)(void *self);
    void (*end)(void *self);
};

/* Exchange the tap of an open store: the old one is told nothing more, swap(arg) runs while nobody
 * is told anything (so that sums can be carried over), then every series is bound to the new one.
 * Must not be called from a tap. */
void store_set_tap(struct store *, const struct store_tap *, void (*swap)(void *arg), void *arg);

struct store_options {
    const char *path;    /* folder, made if absent; locked: a second opener is ERR_CONFLICT */
    int64_t flush_ms;    /* fsync at least this often; 100 */
    bool fsync_always;   /* commit returns after fsync */
    uint64_t max_series; /* beyond: store_batch_add answers STORE_LIMIT; 0 = 2,000,000 */
    const struct store_tap *tap; /* borrowed for the store's life; NULL = none */
    int64_t out_of_order_ms;     /* the window for late samples, within the retention; 0 = none */
    uint32_t exemplars;          /* how many are kept, of all series together; 0 = none */
    int64_t retention_ms;        /* blocks wholly this far behind the newest sample go; 0 = never */
    uint64_t retention_bytes; /* while blocks and log are more, the oldest block goes; 0 = never */
    int64_t snapshot_ms; /* at least so long between two snapshots of the head; 0 = none are made */
};

/* Opens, reads the head's snapshot if there is one and the log from there on, and starts the
 * flusher. A snapshot that is damaged, or that the log does not go on from, is set aside (renamed
 * *.corrupt), counted, and the whole log is read. A torn tail of the log is cut and reported in the
 * log output; a record whose checksum is wrong is quarantined with what follows in its segment
 * (renamed
 * *.corrupt), counted, and the rest is served. */
struct store *store_open(const struct store_options *, struct err *);
void store_close(struct store *); /* flushes; no batch or query may be running */

/* X(enumerator, name): the fate of one sample. */
#define STORE_RESULTS(X)                                                                           \
    X(STORE_OK, "ok")                                                                              \
    X(STORE_DUPLICATE, "duplicate")         /* same time, same value: fine, nothing to do */       \
    X(STORE_CONFLICTING, "conflicting")     /* same time, other value: refused */                  \
    X(STORE_OUT_OF_ORDER, "out_of_order")   /* older than the series' newest, or the window */     \
    X(STORE_TOO_FAR_AHEAD, "too_far_ahead") /* over 10 minutes in the future: refused */           \
    X(STORE_LIMIT, "limit")                 /* the head is full: refused */

enum store_result {
#define X(code, name) code,
    STORE_RESULTS(X)
#undef X
};

const char *store_result_name(enum store_result);

/* Counter origin: what the first sample of a new series says about its increase. */
enum store_origin {
    STORE_ORIGIN_UNKNOWN, /* it only sets the baseline */
    STORE_ORIGIN_ZERO     /* the counter is known to have started at 0 since the last look */
};

/* How far ahead of the receive time a sample may be. */
#define STORE_AHEAD_MAX_MS 600000

/* Late samples: what is older than its series' newest is refused, but for what is at most
 * store_options.out_of_order_ms behind the newest sample of all. That is kept, in the log and read
 * in its place, and the tap is not told of it: a counter's later samples hold what it counted
 * before, so that sums stay exact; that there was a reset in between is not seen. At a
 * time of which there is a sample in a block already, that one stays, and nobody is told. */

/* All samples of one scrape or request become visible together. The batch belongs to the calling
 * thread; now_ms is the receive time. When two threads append to one series at once, a sample that
 * the other overtook between add and commit is dropped and counted as refused. */
struct store_batch *store_batch_begin(struct store *, int64_t now_ms);

/* The series' reference, over 0 and below 2^32; good for this batch. Made if absent (labels are
 * copied). 0 when the head is full. */
uint64_t store_series(struct store_batch *, struct labels, bool *is_new);

/* References are kept to append without hashing labels again. But a series that has no sample in
 * the head any more (for an hour at least; all it had is in blocks) leaves, and its reference means
 * nothing then. So whoever keeps references keeps with them the epoch of the batch that they are
 * from, and when a later batch has another one, uses only those that it knows, and asks
 * store_series for the others. Epochs change about each two hours. A reference that is gone is a
 * bug: CHECKed in debug builds. */
uint64_t store_batch_epoch(const struct store_batch *);
bool store_batch_knows(const struct store_batch *, uint64_t ref, uint64_t since_epoch);

/* Something is about to be added to this series: its memory may be fetched meanwhile. */
void store_prefetch(struct store *, uint64_t ref);

/* Why store_series gave this batch 0 the last time, in words: the quota of its owner, memory, or
 * the store's limit. */
const char *store_series_refusal(const struct store_batch *);

enum store_result store_batch_add(struct store_batch *, uint64_t ref, int64_t t_ms, double v,
                                  enum store_origin);

/* A native histogram that has passed histogram_validate; copied. Same verdicts, against the series'
 * floats too: at one time it has one or the other. The hint does not tell two histograms apart. */
enum store_result store_batch_add_histogram(struct store_batch *, uint64_t ref, int64_t t_ms,
                                            const struct histogram *, enum store_origin);

/* The series' newest sample as this batch sees it, its own included; false when it has none or it
 * is a histogram. For senders of differences: who adds to the newest value must let no one else
 * append to the series until the batch is committed. */
bool store_batch_newest(const struct store_batch *, uint64_t ref, struct sample *out);
/* The newest sample's time, of either kind. */
bool store_batch_newest_time(const struct store_batch *, uint64_t ref, int64_t *t_ms);
/* The same when it is a histogram, copied into the arena; false when it is not. */
bool store_batch_newest_histogram(const struct store_batch *, uint64_t ref, struct arena *,
                                  struct histogram_sample *out);

/* An example of what a sample counts, mostly the trace it belongs to. */
struct store_exemplar {
    struct labels labels; /* as labels_build leaves them; may be none */
    double v;
    int64_t t_ms;
};

/* Characters of all names and values together (OpenMetrics 1.0). */
#define STORE_EXEMPLAR_MAX_LENGTH 128

/* The store keeps the newest ones only (store_options.exemplars). Each must come after the series'
 * last one, by time, value and labels: STORE_DUPLICATE, STORE_OUT_OF_ORDER. STORE_LIMIT: the labels
 * are too long, or none are kept. In the log and visible with the batch; copied. */
enum store_result store_batch_add_exemplar(struct store_batch *, uint64_t ref,
                                           const struct store_exemplar *);

/* Frees the batch. False (ERR_IO) when the log cannot be written: nothing of the batch is
 * acknowledged; the sender should try again. */
MUST_CHECK bool store_batch_commit(struct store_batch *, struct err *);
void store_batch_cancel(struct store_batch *);

/* One series with its samples in [mint, maxt], ascending, stale markers included. Samples are arena
 * memory; labels and strings, here and below, are valid as long as both the arena and the store:
 * what series that leave had is freed when the arenas of all queries that ran then have been
 * cleared, so an arena with an answer in it is not to be kept for long. */
struct store_series_data {
    struct labels labels;
    size_t n;
    const struct sample *samples;
    size_t n_histograms; /* native ones; a series may hold both kinds, at different times */
    const struct histogram_sample *histograms;
};

/* All series that match and have samples in the range, ordered by labels. At least one matcher must
 * not match the empty value (ERR_BAD_INPUT). Over max_samples (0 = 50,000,000): ERR_LIMIT; a
 * histogram counts as one sample and one more for each bucket. */
MUST_CHECK bool store_select(struct store *, struct arena *, const struct matcher *,
                             size_t n_matchers, int64_t mint_ms, int64_t maxt_ms,
                             uint64_t max_samples, struct store_series_data **out, size_t *n,
                             struct err *);

/* Sees one series after another. */
struct store_visitor {
    /* What it gets is gone afterwards, but for labels, and histograms themselves, which are the
     * arena's. False ends the query. It may ask the store other questions; it holds up no one. */
    bool (*see)(struct store_visitor *, const struct store_series_data *, struct err *);
};

/* As store_select, but for the memory: a series' samples are there only while it is seen. The limit
 * is for the samples of one series, and for the histograms of all. When a block turns out damaged
 * midway, the series before have its samples and those after do not. */
MUST_CHECK bool store_visit(struct store *, struct arena *, const struct matcher *,
                            size_t n_matchers, int64_t mint_ms, int64_t maxt_ms,
                            uint64_t max_samples, struct store_visitor *, struct err *);

/* As store_select, but of each series only its first sample in the range: at most one chunk a
 * series is read, however long the range. */
MUST_CHECK bool store_select_first(struct store *, struct arena *, const struct matcher *,
                                   size_t n_matchers, int64_t mint_ms, int64_t maxt_ms,
                                   struct store_series_data **out, size_t *n, struct err *);

struct store_series_exemplars {
    struct labels labels; /* as in store_series_data */
    size_t n;
    const struct store_exemplar *exemplars; /* in the order they came, that is of time */
};

/* The exemplars in [mint, maxt] of all series that match, ordered by labels, without series that
 * have none. Matchers as for store_select. */
MUST_CHECK bool store_select_exemplars(struct store *, struct arena *, const struct matcher *,
                                       size_t n_matchers, int64_t mint_ms, int64_t maxt_ms,
                                       struct store_series_exemplars **out, size_t *n,
                                       struct err *);

/* Label names, or the values of one label, sorted, of the series that match (no matchers: of all)
 * and have samples in the range; from blocks without matchers, of all that a block has which
 * overlaps it. */
MUST_CHECK bool store_label_names(struct store *, struct arena *, const struct matcher *,
                                  size_t n_matchers, int64_t mint_ms, int64_t maxt_ms,
                                  struct str **out, size_t *n, struct err *);
MUST_CHECK bool store_label_values(struct store *, struct arena *, struct str name,
                                   const struct matcher *, size_t n_matchers, int64_t mint_ms,
                                   int64_t maxt_ms, struct str **out, size_t *n, struct err *);
/* Label sets of the series that match, looked at chunk by chunk. */
MUST_CHECK bool store_series_list(struct store *, struct arena *, const struct matcher *,
                                  size_t n_matchers, int64_t mint_ms, int64_t maxt_ms,
                                  struct labels **out, size_t *n, struct err *);

/* As in store_options; holds from the next round on. */
void store_set_retention(struct store *, int64_t retention_ms, uint64_t retention_bytes);

/* One round of what the low-priority thread does each minute: blocks from the head, larger blocks,
 * retention. Any thread. */
MUST_CHECK bool store_maintain(struct store *, struct err *);

/* Hide the samples in [mint, maxt] of all series that match, now and for good; what arrives later
 * is not concerned. Matchers as for store_select. They are still on disk until compaction, or
 * store_clean. *n counts the series. */
MUST_CHECK bool store_delete(struct store *, const struct matcher *, size_t n_matchers,
                             int64_t mint_ms, int64_t maxt_ms, size_t *n, struct err *);

/* Rewrite the blocks that have deleted samples, without them. */
MUST_CHECK bool store_clean(struct store *, struct err *);

/* <folder>/snapshots/<name>: blocks of everything, hard links where they exist already, the head
 * written as one more (`head` = also what is newer than the blocks). Prometheus can be started on
 * it. The name, which begins with the time in UTC, is the arena's. */
MUST_CHECK bool store_snapshot(struct store *, struct arena *, bool head, const char **name,
                               struct err *);

/* The head as it is now to <data>/head.snapshot, so that the next start reads the log from here on
 * only. The keeper does it by itself (store_options.snapshot_ms). */
MUST_CHECK bool store_snapshot_head(struct store *, struct err *);

/* Whether a sample of this time may be late. */
bool store_may_be_late(struct store *, int64_t t_ms);

/* Wait until everything committed so far is on disk. */
MUST_CHECK bool store_flush(struct store *, struct err *);

/* --- What the store takes, and of whom --- */

/* Whether telemetry is to be taken now. False: senders are asked to wait, and err says for what:
 * memory (ERR_LIMIT), the disk (ERR_IO). Cheap; what is appended all the same is not lost. */
bool store_accepts(struct store *, struct err *);

/* How many series the owner of each may have, an owner being a value of `label`: new ones beyond
 * are refused. What is there already stays. Copied; replaces what was set before. */
struct store_quota {
    const char *value;
    uint64_t series; /* 0 = as many as it likes */
};
struct store_quotas {
    const char *label; /* NULL = no quotas */
    uint64_t series;   /* of owners not named below; 0 = as many as they like */
    const struct store_quota *own;
    size_t n_own;
};
void store_set_quotas(struct store *, const struct store_quotas *);

/* Owners that asked for more than their quota since it was set, most refused first; and the label,
 * NULL = no quotas are set. */
struct store_owner {
    struct str value;
    uint64_t series, limit;
    uint64_t refused; /* attempts to make a series */
};
const char *store_owners_refused(struct store *, struct arena *, struct store_owner **out,
                                 size_t *n);

/* Attempts to make a series that were refused so far, by reason. */
void store_refusals(struct store *, uint64_t *limit, uint64_t *memory, uint64_t *quota);

/* Where the series of the head come from: the greatest `most` of each count, falling. Reads the
 * whole index; new series wait meanwhile. */
struct store_count {
    struct str name, value; /* value of pairs only */
    uint64_t count;
};
struct store_counts {
    const struct store_count *v;
    size_t n;
};
struct store_cardinality {
    uint64_t label_pairs, chunks;
    struct store_counts series_by_name, values_by_label, bytes_by_label, series_by_pair;
};
void store_cardinality(struct store *, struct arena *, size_t most, struct store_cardinality *);

struct store_stats {
    uint64_t series;         /* in the head now */
    uint64_t series_removed; /* left the head since the store was opened */
    uint64_t samples_appended;
    uint64_t samples_refused;
    uint64_t exemplars; /* there now */
    uint64_t chunk_bytes;
    uint64_t wal_bytes;
    uint64_t wal_fsyncs;
    uint64_t wal_corruptions;
    uint64_t blocks;
    uint64_t block_bytes;
    uint64_t blocks_corrupt; /* set aside since the store was opened */
    uint64_t blocks_written, compactions, blocks_expired;
    uint64_t block_failures;          /* rounds of store_maintain that failed */
    int64_t min_time_ms, max_time_ms; /* 0 when empty */
    int64_t replay_ms;                /* how long recovery took */
};
void store_stats(struct store *, struct store_stats *);

/* Of snapshots of the head, since the store was opened; of the newest, where it says so. */
struct store_snapshot_stats {
    uint64_t written, failures;
    uint64_t skipped;    /* for want of memory or disk */
    uint64_t set_aside;  /* at the start: damaged, or of another log */
    uint64_t size_bytes; /* of the newest; 0 = there is none */
    int64_t made_ms;     /* when it was written; 0 = not since the store was opened */
    int64_t pause_ns;    /* how long appends had to wait */
    int64_t write_ms;
    int64_t load_ms; /* at the start; 0 = none was read */
};
void store_snapshot_stats(struct store *, struct store_snapshot_stats *);

#endif
