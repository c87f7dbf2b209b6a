#include "store/block_keeper.h"

#include "base/budget.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "block/compact.h"
#include "block/walk.h"
#include "block/writer.h"
#include "store/block_admin.h"
#include "store/block_cut.h"
#include "store/head_snapshot.h"
#include "store/internal.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define ROUND_SECONDS 60
#define LOOK_SECONDS 5 /* meanwhile, whether memory runs short */
#define NICE 10
#define BORDER_BEHIND_MS (BLOCK_RANGE_MS / 2)
#define SHORT_BEHIND_MS (BLOCK_RANGE_MS / 12) /* when memory is short: 10 min, */
#define SHORT_RANGE_MS (BLOCK_RANGE_MS / 12)  /* of which borders are multiples then */
#define MAX_RANGE_SHARE 10                    /* of the retention a block may cover */

struct keeper {
    struct store *store;
    _Atomic int64_t retention_ms;     /* 0 = for ever */
    _Atomic uint64_t retention_bytes; /* 0 = any */

    pthread_mutex_t round_lock; /* one round at a time */
    bool is_behind;             /* a block could not be written since the round began */
    _Atomic bool stop;
    bool started;
    pthread_t thread;
    pthread_mutex_t wake_lock; /* for wake only */
    pthread_cond_t wake;

    _Atomic uint64_t written, compacted, expired, failures;
};

/* --- From the head to blocks --- */

static bool adopt(struct keeper *k, const struct ulid *ulid, struct block *const *out, size_t n,
                  struct err *err)
{
    struct buf path = BUF_INIT;
    buf_printf(&path, "%s/%s", k->store->folder, ulid->text);
    struct block *b = block_new(path.p, err);
    buf_release(&path);
    if (!b)
        return false;
    block_set_swap(k->store->blocks, b, out, n);
    return true;
}

/* The samples of the head in [mint, maxt] that no block has yet. */
static bool cut_range(struct keeper *k, int64_t mint_ms, int64_t maxt_ms, struct err *err)
{
    struct block_meta meta;
    if (!block_cut(k->store, k->store->folder, mint_ms, maxt_ms, &k->stop, &meta, err))
        return false;
    bool done = meta.n_series == 0 || adopt(k, &meta.ulid, NULL, 0, err);
    if (done && meta.n_series > 0) {
        atomic_fetch_add(&k->written, 1);
        log_info("store", "block written ulid=%s series=%llu samples=%llu", meta.ulid.text,
                 (unsigned long long)meta.n_series, (unsigned long long)meta.n_samples);
    }
    block_meta_release(&meta);
    return done;
}

/* All of [from, border), a range of 2 h at a time. *from is what is left when it fails. */
static bool cut_ranges(struct keeper *k, int64_t *from_ms, int64_t border_ms, struct err *err)
{
    for (;;) {
        int64_t oldest_ms = head_oldest_from(k->store, *from_ms);
        if (oldest_ms >= border_ms)
            return true;
        int64_t begin_ms = block_align(oldest_ms, BLOCK_RANGE_MS);
        int64_t end_ms = block_align(oldest_ms, BLOCK_RANGE_MS) + BLOCK_RANGE_MS;
        if (!cut_range(k, begin_ms, (end_ms < border_ms ? end_ms : border_ms) - 1, err))
            return false;
        *from_ms = end_ms;
    }
}

/* Past the soft mark of memory the head keeps as little as it can: blocks that overlap are made
 * one later. */
static int64_t next_border(struct head *h)
{
    int64_t newest_ms = atomic_load(&h->max_t_ms);
    if (newest_ms < INT64_MIN + BORDER_BEHIND_MS + BLOCK_RANGE_MS)
        return INT64_MIN;
    return budget_mark() == BUDGET_FREE ? block_align(newest_ms - BORDER_BEHIND_MS, BLOCK_RANGE_MS)
                                        : block_align(newest_ms - SHORT_BEHIND_MS, SHORT_RANGE_MS);
}

/* Before this nothing is kept, so nothing is written either. */
static int64_t oldest_kept(const struct keeper *k)
{
    int64_t newest_ms = atomic_load(&k->store->head.max_t_ms);
    int64_t keep_ms = atomic_load(&k->retention_ms);
    return keep_ms > 0 && newest_ms > INT64_MIN + keep_ms ? newest_ms - keep_ms : INT64_MIN;
}

static bool persist(struct keeper *k, struct err *err)
{
    struct head *h = &k->store->head;
    int64_t border_ms = next_border(h), before_ms = atomic_load(&h->border_ms);
    if (border_ms <= before_ms && atomic_load(&h->late_min_ms) == INT64_MAX)
        return true;
    int64_t from_ms = head_move_border(h, border_ms);
    border_ms = atomic_load(&h->border_ms);
    from_ms = from_ms < before_ms ? from_ms : before_ms;
    if (from_ms < oldest_kept(k))
        from_ms = oldest_kept(k);
    wal_cut(k->store->wal);
    bool done = cut_ranges(k, &from_ms, border_ms, err);
    if (!done)
        head_late_again(h, from_ms);
    head_move_horizon(h);
    if (done)
        store_sweep(k->store);
    return done;
}

/* --- Larger blocks --- */

static int64_t max_range(const struct keeper *k)
{
    int64_t share_ms = atomic_load(&k->retention_ms) / MAX_RANGE_SHARE;
    return share_ms == 0 || share_ms > BLOCK_MAX_RANGE_MS ? BLOCK_MAX_RANGE_MS : share_ms;
}

/* The head does not wait for a compaction, or it would hold samples for as long as that takes. What
 * fails is tried again in the next round. */
static void keep_up(void *self)
{
    struct keeper *k = self;
    struct head *h = &k->store->head;
    struct err err = ERR_INIT;
    if (k->is_behind || next_border(h) <= atomic_load(&h->border_ms))
        return;
    k->is_behind = !persist(k, &err);
    if (k->is_behind && err.code != ERR_TIMEOUT)
        log_error("store", "no block could be written during a compaction: %s", err.message);
    head_remove_dead(h, &k->stop);
}

static bool compact_some(struct keeper *k, struct block *const *v, size_t n, struct err *err)
{
    struct block_meta meta;
    struct block *culprit;
    struct err why = ERR_INIT;
    bool done = block_compact(k->store->folder, v, n, (struct block_between){keep_up, k}, &k->stop,
                              &meta, &culprit, &why);
    if (done && meta.n_series == 0) {
        block_set_swap(k->store->blocks, NULL, v, n);
    } else if (done) {
        done = adopt(k, &meta.ulid, v, n, &why);
        log_info("store", "blocks compacted ulid=%s from=%zu level=%d series=%llu samples=%llu",
                 meta.ulid.text, n, meta.level, (unsigned long long)meta.n_series,
                 (unsigned long long)meta.n_samples);
    }
    if (done) {
        atomic_fetch_add(&k->compacted, 1);
        block_meta_release(&meta);
    } else if (culprit && why.code == ERR_CORRUPT) {
        block_set_aside(k->store->blocks, culprit, &why);
    }
    if (!done && err)
        *err = why;
    return done;
}

/* *again: there may be more to do. */
static bool compact_next(struct keeper *k, bool *again, struct err *err)
{
    struct arena arena = ARENA_INIT;
    size_t n, first, n_planned;
    struct block **v = block_set_take(k->store->blocks, &arena, INT64_MIN, INT64_MAX, &n);
    bool done = true;
    *again = block_plan(v, n, max_range(k), &first, &n_planned);
    if (*again)
        done = compact_some(k, v + first, n_planned, err);
    block_set_give_back(v, n);
    arena_release(&arena);
    return done;
}

static bool compact_all(struct keeper *k, struct err *err)
{
    for (bool again = true; again;) {
        if (!compact_next(k, &again, err))
            return false;
    }
    return true;
}

/* --- Retention --- */

static void expire(struct keeper *k, struct block *b, const char *why)
{
    log_info("store", "block deleted ulid=%s by=%s", b->meta.ulid.text, why);
    block_set_swap(k->store->blocks, NULL, &b, 1);
    atomic_fetch_add(&k->expired, 1);
}

/* Behind the newest sample, not behind the clock: a clock that jumps deletes nothing. */
static int64_t newest_sample(struct keeper *k, struct block **v, size_t n)
{
    int64_t newest_ms = atomic_load(&k->store->head.max_t_ms);
    for (size_t i = 0; i < n; i++)
        newest_ms = v[i]->meta.max_ms > newest_ms ? v[i]->meta.max_ms : newest_ms;
    return newest_ms;
}

static void retain(struct keeper *k)
{
    struct arena arena = ARENA_INIT;
    struct store_stats stats;
    size_t n, i = 0;
    struct block **v = block_set_take(k->store->blocks, &arena, INT64_MIN, INT64_MAX, &n);
    int64_t keep_ms = atomic_load(&k->retention_ms), newest_ms = newest_sample(k, v, n);
    uint64_t limit = atomic_load(&k->retention_bytes);
    bool bounded = keep_ms > 0 && newest_ms > INT64_MIN + keep_ms;
    for (; i < n && bounded && v[i]->meta.max_ms <= newest_ms - keep_ms; i++)
        expire(k, v[i], "time");
    store_stats(k->store, &stats);
    uint64_t bytes = stats.wal_bytes;
    for (size_t j = i; j < n; j++)
        bytes += v[j]->size_bytes;
    for (; i < n && limit > 0 && bytes > limit; i++) {
        bytes -= v[i]->size_bytes;
        expire(k, v[i], "size");
    }
    block_set_give_back(v, n);
    arena_release(&arena);
}

/* --- What operators ask for --- */

bool keeper_delete(struct keeper *k, const struct matcher *m, size_t n_matchers, int64_t mint_ms,
                   int64_t maxt_ms, size_t *n, struct err *err)
{
    struct block_interval span = {mint_ms, maxt_ms};
    pthread_mutex_lock(&k->round_lock);
    bool done = block_delete(k->store, m, n_matchers, span, n, err);
    pthread_mutex_unlock(&k->round_lock);
    return done;
}

bool keeper_clean(struct keeper *k, struct err *err)
{
    struct arena arena = ARENA_INIT;
    size_t n;
    bool done = true;
    pthread_mutex_lock(&k->round_lock);
    struct block **v = block_set_take(k->store->blocks, &arena, INT64_MIN, INT64_MAX, &n);
    for (size_t i = 0; done && i < n; i++)
        done = v[i]->meta.n_tombstones == 0 || compact_some(k, &v[i], 1, err);
    pthread_mutex_unlock(&k->round_lock);
    block_set_give_back(v, n);
    arena_release(&arena);
    return done;
}

bool keeper_snapshot(struct keeper *k, struct arena *arena, bool head, const char **name,
                     struct err *err)
{
    pthread_mutex_lock(&k->round_lock);
    bool done = block_snapshot(k->store, arena, head, &k->stop, name, err);
    pthread_mutex_unlock(&k->round_lock);
    return done;
}

bool keeper_snapshot_head(struct keeper *k, struct err *err)
{
    pthread_mutex_lock(&k->round_lock);
    bool done = head_snapshot_write(k->store->snapshot, &k->stop, false, err);
    pthread_mutex_unlock(&k->round_lock);
    return done;
}

/* --- The thread --- */

/* What the head or its snapshot may still have must stay hidden. */
static void forget_deletions(struct keeper *k)
{
    int64_t horizon_ms = atomic_load(&k->store->head.horizon_ms);
    int64_t snapshot_ms = head_snapshot_horizon(k->store->snapshot);
    block_erased_forget(k->store->erased, horizon_ms < snapshot_ms ? horizon_ms : snapshot_ms);
}

bool keeper_round(struct keeper *k, struct err *err)
{
    struct err why = ERR_INIT;
    pthread_mutex_lock(&k->round_lock);
    bool done = persist(k, &why);
    k->is_behind = !done;
    head_remove_dead(&k->store->head, &k->stop);
    retain(k); /* also when the disk is full: it may make room */
    done = done && compact_all(k, &why);
    forget_deletions(k);
    if (!done && why.code != ERR_TIMEOUT)
        atomic_fetch_add(&k->failures, 1);
    head_snapshot_round(k->store->snapshot, false, &k->stop);
    pthread_mutex_unlock(&k->round_lock);
    if (!done && err)
        *err = why;
    return done;
}

/* True when it is time to stop. */
static bool wait_seconds(struct keeper *k, int seconds)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += seconds;
    pthread_mutex_lock(&k->wake_lock);
    while (!atomic_load(&k->stop) && pthread_cond_timedwait(&k->wake, &k->wake_lock, &until) == 0)
        continue;
    pthread_mutex_unlock(&k->wake_lock);
    return atomic_load(&k->stop);
}

static void wait_a_while(struct keeper *k)
{
    int64_t most_s = head_snapshot_wait_s(k->store->snapshot, ROUND_SECONDS);
    for (int64_t waited_s = 0; waited_s < most_s; waited_s += LOOK_SECONDS) {
        if (wait_seconds(k, LOOK_SECONDS) || budget_mark() != BUDGET_FREE)
            return;
    }
}

static void *keeper_main(void *arg)
{
    struct keeper *k = arg;
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), NICE); /* of this thread, on Linux */
    while (!atomic_load(&k->stop)) {
        struct err err = ERR_INIT;
        if (!keeper_round(k, &err) && err.code != ERR_TIMEOUT)
            log_error("store", "blocks are not kept up, next try in %d s: %s", ROUND_SECONDS,
                      err.message);
        wait_a_while(k);
    }
    return NULL;
}

void keeper_set_retention(struct keeper *k, int64_t retention_ms, uint64_t retention_bytes)
{
    atomic_store(&k->retention_ms, retention_ms);
    atomic_store(&k->retention_bytes, retention_bytes);
}

struct keeper *keeper_new(struct store *s, int64_t retention_ms, uint64_t retention_bytes)
{
    struct keeper *k = mem_zalloc(sizeof *k);
    struct block_set_stats stats;
    pthread_condattr_t attr;
    k->store = s;
    keeper_set_retention(k, retention_ms, retention_bytes);
    pthread_mutex_init(&k->round_lock, NULL);
    pthread_mutex_init(&k->wake_lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&k->wake, &attr);
    pthread_condattr_destroy(&attr);
    block_set_stats(s->blocks, &stats);
    if (stats.blocks > 0)
        (void)head_move_border(&s->head, stats.max_ms);
    return k;
}

bool keeper_start(struct keeper *k, struct err *err)
{
    int why = pthread_create(&k->thread, NULL, keeper_main, k);
    if (why != 0)
        return err_set(err, ERR_IO, "cannot start the store's keeper: %s", strerror(why));
    k->started = true;
    return true;
}

void keeper_free(struct keeper *k)
{
    if (!k)
        return;
    pthread_mutex_lock(&k->wake_lock);
    atomic_store(&k->stop, true);
    pthread_cond_signal(&k->wake);
    pthread_mutex_unlock(&k->wake_lock);
    if (k->started)
        pthread_join(k->thread, NULL);
    pthread_cond_destroy(&k->wake);
    pthread_mutex_destroy(&k->wake_lock);
    pthread_mutex_destroy(&k->round_lock);
    free(k);
}

void keeper_stats(struct keeper *k, struct keeper_stats *out)
{
    *out = (struct keeper_stats){.written = atomic_load(&k->written),
                                 .compacted = atomic_load(&k->compacted),
                                 .expired = atomic_load(&k->expired),
                                 .failures = atomic_load(&k->failures)};
}
