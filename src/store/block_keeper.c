#include "store/block_keeper.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/block_compact.h"
#include "store/block_walk.h"
#include "store/block_writer.h"
#include "store/internal.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define ROUND_SECONDS 60
#define NICE 10
#define BORDER_BEHIND_MS (BLOCK_RANGE_MS / 2)
#define MAX_RANGE_SHARE 10 /* of the retention a block may cover */

struct keeper {
    struct store *store;
    int64_t retention_ms;     /* 0 = for ever */
    uint64_t retention_bytes; /* 0 = any */

    pthread_mutex_t round_lock; /* one round at a time */
    _Atomic bool stop;
    bool started;
    pthread_t thread;
    pthread_mutex_t wake_lock; /* for wake only */
    pthread_cond_t wake;

    _Atomic uint64_t written, compacted, expired, failures;
};

/* --- From the head to a block --- */

/* Strings of the head, which has each once: so pointers tell them apart. */
struct string_set {
    const char **slots; /* open addressing, at most half full; NULL = free */
    size_t n_slots;
    struct str *v;
    size_t n, capacity;
};

static size_t find_string(const struct string_set *s, const char *p)
{
    size_t i = ((uintptr_t)p * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (s->n_slots - 1);
    while (s->slots[i] && s->slots[i] != p)
        i = (i + 1) & (s->n_slots - 1);
    return i;
}

static void add_string(struct string_set *s, struct str text)
{
    if (2 * s->n >= s->n_slots) {
        free(s->slots);
        s->n_slots = s->n_slots ? s->n_slots * 2 : 1024;
        s->slots = mem_array(s->n_slots, sizeof *s->slots);
        for (size_t i = 0; i < s->n; i++)
            s->slots[find_string(s, s->v[i].p)] = s->v[i].p;
    }
    size_t slot = find_string(s, text.p);
    if (s->slots[slot])
        return;
    s->slots[slot] = text.p;
    s->v = mem_grow(s->v, s->n, &s->capacity, sizeof *s->v);
    s->v[s->n++] = text;
}

static int compare_strings(const void *left, const void *right)
{
    return str_cmp(*(const struct str *)left, *(const struct str *)right);
}

/* Pointers differ for a name and a value of the same text. */
static void sort_strings(struct string_set *s)
{
    size_t kept = 0;
    if (s->n > 1)
        qsort(s->v, s->n, sizeof *s->v, compare_strings);
    for (size_t i = 0; i < s->n; i++) {
        if (kept == 0 || !str_eq(s->v[kept - 1], s->v[i]))
            s->v[kept++] = s->v[i];
    }
    s->n = kept;
}

/* A range of the head on its way to a block; the blocks that have some of the range already (late
 * samples come after theirs was written) are walked along, and what they have is left out. */
struct cut {
    struct keeper *keeper;
    int64_t mint_ms, maxt_ms; /* both inside */
    struct arena arena;
    uint32_t *refs;
    size_t n_refs;
    struct block **blocks;
    struct block_walk *walks;
    size_t n_blocks;
    struct block *culprit;
    struct points points, there;
    struct arena series; /* what one of them needs */
};

/* Their array is gone with the next series. */
static struct labels labels_of(struct cut *c, uint32_t ref)
{
    struct head *h = &c->keeper->store->head;
    arena_clear(&c->series);
    return head_labels(h, &c->series, head_at(h, ref));
}

/* Drop the points of p whose times `there`, sorted, has too. */
static void subtract(struct points *p, const struct points *there)
{
    size_t kept = 0, k = 0;
    for (size_t i = 0; i < p->n; i++) {
        while (k < there->n && there->samples[k].t_ms < p->samples[i].t_ms)
            k++;
        if (k == there->n || there->samples[k].t_ms != p->samples[i].t_ms)
            p->samples[kept++] = p->samples[i];
    }
    p->n = kept;
    kept = k = 0;
    for (size_t i = 0; i < p->n_histograms; i++) {
        while (k < there->n_histograms && there->histograms[k].t_ms < p->histograms[i].t_ms)
            k++;
        if (k == there->n_histograms || there->histograms[k].t_ms != p->histograms[i].t_ms)
            p->histograms[kept++] = p->histograms[i];
    }
    p->n_histograms = kept;
}

static bool leave_out(struct cut *c, struct block_walk *w, struct labels labels, struct err *err)
{
    c->culprit = w->block;
    while (!block_walk_at_end(w) && labels_cmp(w->series.labels, labels) < 0) {
        if (!block_walk_next(w, err))
            return false;
    }
    if (!block_walk_is_at(w, labels))
        return true;
    points_clear(&c->there);
    if (!block_read_raw(w->block, &w->series, c->mint_ms, c->maxt_ms, &c->there, err))
        return false;
    points_sort(&c->there);
    subtract(&c->points, &c->there);
    return true;
}

static bool write_series(struct cut *c, struct block_writer *w, uint32_t ref, struct err *err)
{
    struct labels labels = labels_of(c, ref);
    points_clear(&c->points);
    head_read(c->keeper->store, &c->series, ref, c->mint_ms, c->maxt_ms, &c->points);
    points_sort(&c->points);
    for (size_t i = 0; c->points.n + c->points.n_histograms > 0 && i < c->n_blocks; i++) {
        if (!leave_out(c, &c->walks[i], labels, err))
            return false;
    }
    c->culprit = NULL;
    return block_writer_add(w, labels, &c->points, err);
}

static bool write_all(struct cut *c, struct block_writer *w, struct err *err)
{
    for (size_t i = 0; i < c->n_refs; i++) {
        if (atomic_load_explicit(&c->keeper->stop, memory_order_relaxed))
            return err_set(err, ERR_TIMEOUT, "the store is closing");
        if (!write_series(c, w, c->refs[i], err))
            return false;
    }
    return true;
}

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

static bool write_block(struct cut *c, struct err *err)
{
    struct keeper *k = c->keeper;
    struct string_set symbols = {0};
    struct block_meta meta = {.min_ms = c->mint_ms, .max_ms = c->maxt_ms + 1, .level = 1};
    struct ulid ulid = ulid_new(clock_wall_ms());
    for (size_t i = 0; i < c->n_refs; i++) {
        struct labels l = labels_of(c, c->refs[i]);
        for (size_t j = 0; j < l.n; j++) {
            add_string(&symbols, l.v[j].name);
            add_string(&symbols, l.v[j].value);
        }
    }
    sort_strings(&symbols);
    block_meta_add_source(&meta, ulid);
    struct block_writer *w = block_writer_new(k->store->folder, ulid, symbols.v, symbols.n,
                                              BLOCK_HEAD_CHUNK_SAMPLES, err);
    bool done = w && write_all(c, w, err);
    if (done && block_writer_samples(w) > 0) {
        done = block_writer_finish(w, &meta, err) && adopt(k, &ulid, NULL, 0, err);
        if (done) {
            atomic_fetch_add(&k->written, 1);
            log_info("store", "block written ulid=%s series=%llu samples=%llu", ulid.text,
                     (unsigned long long)meta.n_series, (unsigned long long)meta.n_samples);
        }
    }
    block_writer_free(w);
    block_meta_release(&meta);
    free(symbols.slots);
    free(symbols.v);
    return done;
}

static bool begin_walks(struct cut *c, struct err *err)
{
    for (size_t i = 0; i < c->n_blocks; i++) {
        c->culprit = c->blocks[i];
        if (!block_walk_begin(&c->walks[i], c->blocks[i], &c->arena, NULL, 0, err))
            return false;
    }
    c->culprit = NULL;
    return true;
}

static bool cut_range(struct keeper *k, int64_t mint_ms, int64_t maxt_ms, struct err *err)
{
    struct store *s = k->store;
    struct cut c = {.keeper = k, .mint_ms = mint_ms, .maxt_ms = maxt_ms};
    c.points.arena = c.there.arena = &c.series;
    c.refs = head_refs(s, &c.arena, &c.n_refs);
    c.blocks = block_set_take(s->blocks, &c.arena, mint_ms, maxt_ms, &c.n_blocks);
    c.walks = mem_array(c.n_blocks + 1, sizeof *c.walks);
    struct err why = ERR_INIT;
    bool done = begin_walks(&c, &why) && write_block(&c, &why);
    if (!done && c.culprit && why.code == ERR_CORRUPT)
        block_set_aside(s->blocks, c.culprit, &why);
    if (!done && err)
        *err = why;
    for (size_t i = 0; i < c.n_blocks; i++)
        block_walk_release(&c.walks[i]);
    free(c.walks);
    block_set_give_back(c.blocks, c.n_blocks);
    points_release(&c.points);
    points_release(&c.there);
    arena_release(&c.series);
    arena_release(&c.arena);
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

static int64_t next_border(struct head *h)
{
    int64_t newest_ms = atomic_load(&h->max_t_ms);
    if (newest_ms < INT64_MIN + BORDER_BEHIND_MS + BLOCK_RANGE_MS)
        return INT64_MIN;
    return block_align(newest_ms - BORDER_BEHIND_MS, BLOCK_RANGE_MS);
}

/* Before this nothing is kept, so nothing is written either. */
static int64_t oldest_kept(const struct keeper *k)
{
    int64_t newest_ms = atomic_load(&k->store->head.max_t_ms);
    bool bounded = k->retention_ms > 0 && newest_ms > INT64_MIN + k->retention_ms;
    return bounded ? newest_ms - k->retention_ms : INT64_MIN;
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
    if (k->retention_ms == 0 || k->retention_ms / MAX_RANGE_SHARE > BLOCK_MAX_RANGE_MS)
        return BLOCK_MAX_RANGE_MS;
    return k->retention_ms / MAX_RANGE_SHARE;
}

static bool compact_some(struct keeper *k, struct block *const *v, size_t n, struct err *err)
{
    struct block_meta meta;
    struct block *culprit;
    struct err why = ERR_INIT;
    bool done = block_compact(k->store->folder, v, n, &k->stop, &meta, &culprit, &why);
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
    int64_t newest_ms = newest_sample(k, v, n);
    bool bounded = k->retention_ms > 0 && newest_ms > INT64_MIN + k->retention_ms;
    for (; i < n && bounded && v[i]->meta.max_ms <= newest_ms - k->retention_ms; i++)
        expire(k, v[i], "time");
    store_stats(k->store, &stats);
    uint64_t bytes = stats.wal_bytes;
    for (size_t j = i; j < n; j++)
        bytes += v[j]->size_bytes;
    for (; i < n && k->retention_bytes > 0 && bytes > k->retention_bytes; i++) {
        bytes -= v[i]->size_bytes;
        expire(k, v[i], "size");
    }
    block_set_give_back(v, n);
    arena_release(&arena);
}

/* --- The thread --- */

bool keeper_round(struct keeper *k, struct err *err)
{
    struct err why = ERR_INIT;
    pthread_mutex_lock(&k->round_lock);
    bool done = persist(k, &why);
    retain(k); /* also when the disk is full: it may make room */
    done = done && compact_all(k, &why);
    if (!done && why.code != ERR_TIMEOUT)
        atomic_fetch_add(&k->failures, 1);
    pthread_mutex_unlock(&k->round_lock);
    if (!done && err)
        *err = why;
    return done;
}

static void wait_a_while(struct keeper *k)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ROUND_SECONDS;
    pthread_mutex_lock(&k->wake_lock);
    while (!atomic_load(&k->stop) && pthread_cond_timedwait(&k->wake, &k->wake_lock, &until) == 0)
        continue;
    pthread_mutex_unlock(&k->wake_lock);
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

struct keeper *keeper_new(struct store *s, int64_t retention_ms, uint64_t retention_bytes)
{
    struct keeper *k = mem_zalloc(sizeof *k);
    struct block_set_stats stats;
    pthread_condattr_t attr;
    k->store = s;
    k->retention_ms = retention_ms;
    k->retention_bytes = retention_bytes;
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
