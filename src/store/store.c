#include "store/store.h"

#include "base/budget.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/block_keeper.h"
#include "store/head_snapshot.h"
#include "store/internal.h"
#include "store/replay.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define DEFAULT_FLUSH_MS 100
#define DEFAULT_MAX_SERIES 2000000
#define SWEEP_INTERVAL_NS (INT64_C(60) * 1000000000)

static void init_locks(struct store *s)
{
    pthread_condattr_t attr;
    pthread_mutex_init(&s->turn_lock, NULL);
    pthread_cond_init(&s->turn_passed, NULL);
    pthread_mutex_init(&s->stop_lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->stop_now, &attr);
    pthread_condattr_destroy(&attr);
}

/* Everything but the flusher, in whatever state opening reached. */
static void release(struct store *s)
{
    keeper_free(s->keeper);
    head_snapshot_free(s->snapshot);
    wal_free(s->wal);
    head_release(&s->head);
    block_set_close(s->blocks);
    block_erased_close(s->erased);
    pthread_cond_destroy(&s->stop_now);
    pthread_mutex_destroy(&s->stop_lock);
    pthread_cond_destroy(&s->turn_passed);
    pthread_mutex_destroy(&s->turn_lock);
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    free(s->folder);
    free(s);
}

static bool lock_folder(struct store *s, struct err *err)
{
    struct buf path = BUF_INIT;
    buf_printf(&path, "%s/wal", s->folder);
    bool done = file_make_folders(path.p, 0700, err);
    if (done) {
        buf_clear(&path);
        buf_printf(&path, "%s/lock", s->folder);
        s->lock_fd = file_lock(path.p, err);
        done = s->lock_fd >= 0;
    }
    buf_release(&path);
    return done;
}

/* Series that are on disk already are served even if the limit has been lowered since. */
static bool recover(struct store *s, const struct store_options *head, struct err *err)
{
    struct replay replay;
    struct replay_from from;
    struct buf folder = BUF_INIT;
    int64_t begin_ns = clock_mono_ns();
    uint64_t max_series = s->head.max_series;
    buf_printf(&folder, "%s/wal", s->folder);
    head_snapshot_load(s->snapshot, head, &from);
    s->head.max_series = HEAD_BLOCK * (uint64_t)HEAD_BLOCKS - 1;
    bool done = wal_replay_folder(folder.p, &from, &s->head, &replay, err);
    s->head.max_series = max_series;
    s->corruptions = replay.corruptions;
    s->replay_ms = (clock_mono_ns() - begin_ns) / 1000000;
    if (done) {
        s->wal = wal_new(&(struct wal_options){.folder = folder.p,
                                               .segment_bytes = WAL_SEGMENT_BYTES,
                                               .next_number = replay.next_number,
                                               .old = replay.segments,
                                               .n_old = replay.n_segments});
        log_info("store", "recovered segments=%zu samples=%llu corruptions=%llu ms=%lld",
                 replay.n_segments, (unsigned long long)replay.samples,
                 (unsigned long long)replay.corruptions, (long long)s->replay_ms);
    }
    replay_from_release(&from);
    wal_replay_release(&replay);
    buf_release(&folder);
    return done;
}

/* Before the log is read: what it has of times that are in blocks already counts as late. */
static bool open_blocks(struct store *s, const struct store_options *o, struct err *err)
{
    s->blocks = block_set_open(s->folder, false, err);
    s->erased = s->blocks ? block_erased_open(s->folder, err) : NULL;
    if (!s->erased)
        return false;
    s->keeper = keeper_new(s, o->retention_ms, o->retention_bytes);
    return true;
}

void store_set_retention(struct store *s, int64_t retention_ms, uint64_t retention_bytes)
{
    keeper_set_retention(s->keeper, retention_ms, retention_bytes);
}

bool store_delete(struct store *s, const struct matcher *m, size_t n_matchers, int64_t mint_ms,
                  int64_t maxt_ms, size_t *n, struct err *err)
{
    return keeper_delete(s->keeper, m, n_matchers, mint_ms, maxt_ms, n, err);
}

bool store_clean(struct store *s, struct err *err)
{
    return keeper_clean(s->keeper, err);
}

bool store_snapshot(struct store *s, struct arena *arena, bool head, const char **name,
                    struct err *err)
{
    return keeper_snapshot(s->keeper, arena, head, name, err);
}

bool store_maintain(struct store *s, struct err *err)
{
    return keeper_round(s->keeper, err);
}

/* True when it is time to go. */
static bool wait_interval(struct store *s)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + s->flush_ms % 1000 * 1000000;
    until.tv_sec += s->flush_ms / 1000 + ns / 1000000000;
    until.tv_nsec = ns % 1000000000;
    pthread_mutex_lock(&s->stop_lock);
    while (!s->stopping && pthread_cond_timedwait(&s->stop_now, &s->stop_lock, &until) == 0)
        continue;
    bool stopping = s->stopping;
    pthread_mutex_unlock(&s->stop_lock);
    return stopping;
}

void store_sweep(struct store *s)
{
    head_sweep(&s->head);
    wal_drop_before(s->wal, atomic_load(&s->head.horizon_ms));
}

/* Syncs the log at least each interval, and forgets what is old about once a minute. */
static void *flusher_main(void *arg)
{
    struct store *s = arg;
    struct err err = ERR_INIT;
    int64_t swept_ns = clock_mono_ns();
    while (!wait_interval(s)) {
        pressure_sync_begins(&s->pressure);
        bool done = wal_sync(s->wal, &err);
        pressure_sync_ends(&s->pressure, done);
        if (!done)
            log_error("store", "samples may be lost if the machine stops: %s", err.message);
        budget_relieve();
        if (clock_mono_ns() - swept_ns < SWEEP_INTERVAL_NS)
            continue;
        store_sweep(s);
        swept_ns = clock_mono_ns();
    }
    return NULL;
}

static void stop_flusher(struct store *s)
{
    pthread_mutex_lock(&s->stop_lock);
    s->stopping = true;
    pthread_cond_signal(&s->stop_now);
    pthread_mutex_unlock(&s->stop_lock);
    pthread_join(s->flusher, NULL);
}

static bool start_flusher(struct store *s, struct err *err)
{
    int why = pthread_create(&s->flusher, NULL, flusher_main, s);
    if (why != 0)
        return err_set(err, ERR_IO, "cannot start the store's flusher: %s", strerror(why));
    return true;
}

struct store *store_open(const struct store_options *o, struct err *err)
{
    struct store *s = mem_zalloc(sizeof *s);
    s->lock_fd = -1;
    s->folder = mem_strdup(o->path);
    s->fsync_always = o->fsync_always;
    s->flush_ms = o->flush_ms > 0 ? o->flush_ms : DEFAULT_FLUSH_MS;
    init_locks(s);
    struct store_options head = *o;
    head.max_series = o->max_series ? o->max_series : DEFAULT_MAX_SERIES;
    if (o->retention_ms > 0 && head.out_of_order_ms > o->retention_ms)
        head.out_of_order_ms = o->retention_ms; /* older ones would not be kept */
    head_init(&s->head, &head);
    s->snapshot = head_snapshot_new(s, o->snapshot_ms);
    if (lock_folder(s, err) && open_blocks(s, o, err) && recover(s, &head, err) &&
        start_flusher(s, err)) {
        if (keeper_start(s->keeper, err))
            return s;
        stop_flusher(s);
    }
    release(s);
    return NULL;
}

void store_close(struct store *s)
{
    struct err err = ERR_INIT;
    if (!s)
        return;
    keeper_free(s->keeper);
    s->keeper = NULL;
    stop_flusher(s);
    if (!wal_sync(s->wal, &err))
        log_error("store", "samples may be lost if the machine stops: %s", err.message);
    head_snapshot_round(s->snapshot, true, NULL);
    release(s);
}

bool store_snapshot_head(struct store *s, struct err *err)
{
    return keeper_snapshot_head(s->keeper, err);
}

void store_snapshot_stats(struct store *s, struct store_snapshot_stats *out)
{
    head_snapshot_stats(s->snapshot, out);
}

void store_set_tap(struct store *s, const struct store_tap *tap, void (*swap)(void *arg), void *arg)
{
    head_set_tap(&s->head, tap, swap, arg);
}

bool store_may_be_late(struct store *s, int64_t t_ms)
{
    return t_ms >= head_late_limit(&s->head);
}

bool store_flush(struct store *s, struct err *err)
{
    return wal_sync(s->wal, err);
}

static void stats_of_blocks(struct store *s, struct store_stats *out)
{
    struct block_set_stats blocks;
    struct keeper_stats kept;
    block_set_stats(s->blocks, &blocks);
    keeper_stats(s->keeper, &kept);
    out->blocks = blocks.blocks;
    out->block_bytes = blocks.size_bytes;
    out->blocks_corrupt = blocks.corrupt;
    out->blocks_written = kept.written;
    out->compactions = kept.compacted;
    out->blocks_expired = kept.expired;
    out->block_failures = kept.failures;
    if (blocks.blocks > 0 && (out->max_time_ms == 0 || blocks.min_ms < out->min_time_ms))
        out->min_time_ms = blocks.min_ms;
    if (blocks.blocks > 0 && out->max_time_ms == 0)
        out->max_time_ms = blocks.max_ms - 1;
}

void store_stats(struct store *s, struct store_stats *out)
{
    int64_t min_t_ms = atomic_load(&s->head.min_t_ms), max_t_ms = atomic_load(&s->head.max_t_ms);
    bool empty = min_t_ms > max_t_ms;
    *out = (struct store_stats){
        .series = atomic_load(&s->head.n_living),
        .series_removed = atomic_load(&s->head.removal.removed),
        .samples_appended = atomic_load(&s->appended),
        .samples_refused = atomic_load(&s->refused),
        .exemplars = exemplars_count(&s->head.exemplars),
        .chunk_bytes = (uint64_t)atomic_load(&s->head.chunk_bytes),
        .wal_corruptions = s->corruptions,
        .min_time_ms = empty ? 0 : min_t_ms,
        .max_time_ms = empty ? 0 : max_t_ms,
        .replay_ms = s->replay_ms,
    };
    wal_stats(s->wal, &out->wal_bytes, &out->wal_fsyncs);
    stats_of_blocks(s, out);
}
