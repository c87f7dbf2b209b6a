#include "store/foreign.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "block/walk.h"
#include "store/block_select.h"
#include "store/foreign_head.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FOLLOW_EVERY_NS INT64_C(20000000)
#define BLOCKS_EVERY_NS INT64_C(1000000000)
#define AFTER_FAILURE_NS INT64_C(10000000000)
#define ATTEMPTS 3

struct store_folder {
    char *path;
    struct block_set *blocks;
    pthread_rwlock_t lock;     /* guards the rest; reading is asking, writing taking in */
    struct foreign_head *head; /* NULL = a cQED's folder */
    int64_t followed_ns, listed_ns;
    int64_t failed_ns; /* when `failure` came about; 0 = it did not */
    struct err failure;
};

/* --- What a folder is --- */

struct seen {
    const char *folder;
    bool has_wal, has_block, is_cqed;
};

static bool is_of_cqed(const char *segment)
{
    char magic[7];
    FILE *f = fopen(segment, "rbe");
    bool is = f && fread(magic, 1, sizeof magic, f) == sizeof magic &&
              memcmp(magic, "cQEDWAL", sizeof magic) == 0;
    if (f)
        (void)fclose(f);
    return is;
}

static void look_at_segment(void *arg, const char *name)
{
    struct seen *s = arg;
    struct buf path = BUF_INIT;
    buf_printf(&path, "%s/wal/%s", s->folder, name);
    s->is_cqed = s->is_cqed || is_of_cqed(path.p);
    buf_release(&path);
}

static void look_at(void *arg, const char *name)
{
    struct seen *s = arg;
    s->has_wal = s->has_wal || strcmp(name, "wal") == 0;
    s->has_block = s->has_block || ulid_is_valid(str_from(name));
    s->is_cqed = s->is_cqed || strcmp(name, "ledger.db") == 0 || strcmp(name, "ledger") == 0;
}

static bool may_read(const char *path, struct err *err)
{
    if (access(path, R_OK | X_OK) == 0)
        return true;
    return errno == EACCES
               ? err_set(err, ERR_DENIED, "'%s' may not be read: permission denied", path)
               : err_errno(err, "'%s' cannot be read", path);
}

bool store_folder_check(const char *path, bool *is_cqed, struct err *err)
{
    struct buf wal = BUF_INIT;
    struct seen seen = {.folder = path};
    if (access(path, F_OK) != 0 && errno == ENOENT)
        return err_set(err, ERR_NOT_FOUND, "there is no folder '%s'", path);
    if (access(path, F_OK) == 0 && !file_is_folder(path))
        return err_set(err, ERR_BAD_INPUT, "'%s' is no folder", path);
    if (!may_read(path, err))
        return false;
    buf_printf(&wal, "%s/wal", path);
    bool done =
        file_list(path, look_at, &seen, err) &&
        (!seen.has_wal || (may_read(wal.p, err) && file_list(wal.p, look_at_segment, &seen, err)));
    buf_release(&wal);
    if (is_cqed)
        *is_cqed = seen.is_cqed;
    if (done && !seen.has_wal && !seen.has_block)
        return err_set(err, ERR_BAD_INPUT,
                       "'%s' is no data folder of a Prometheus: there is neither wal nor a block "
                       "in it",
                       path);
    return done;
}

/* --- Life --- */

struct store_folder *store_folder_open(const char *path, uint64_t max_bytes, struct err *err)
{
    bool is_cqed;
    if (!store_folder_check(path, &is_cqed, err))
        return NULL;
    struct block_set *blocks = block_set_open(path, true, err);
    if (!blocks)
        return NULL;
    struct store_folder *f = mem_zalloc(sizeof *f);
    f->path = mem_strdup(path);
    f->blocks = blocks;
    f->head = is_cqed ? NULL : foreign_head_new(path, max_bytes);
    pthread_rwlock_init(&f->lock, NULL);
    return f;
}

void store_folder_close(struct store_folder *f)
{
    if (!f)
        return;
    block_set_close(f->blocks);
    foreign_head_free(f->head);
    pthread_rwlock_destroy(&f->lock);
    free(f->path);
    free(f);
}

/* --- Taking in --- */

/* The log before the blocks: what has left it by then is in them. */
static bool take_in(struct store_folder *f, int64_t now_ns, struct err *err)
{
    bool anew = false;
    if (f->head && !foreign_head_follow(f->head, &anew, err))
        return false;
    f->followed_ns = now_ns;
    if (!anew && f->listed_ns != 0 && now_ns - f->listed_ns < BLOCKS_EVERY_NS)
        return true;
    if (!store_folder_check(f->path, NULL, err) || !block_set_refresh(f->blocks, err))
        return false;
    f->listed_ns = now_ns;
    return true;
}

/* A log that does not fit is not read again with each question. */
static bool refresh(struct store_folder *f, struct err *err)
{
    bool done = true;
    pthread_rwlock_wrlock(&f->lock);
    int64_t now_ns = clock_mono_ns();
    if (f->failed_ns != 0 && now_ns - f->failed_ns < AFTER_FAILURE_NS) {
        done = false;
    } else if (f->followed_ns == 0 || now_ns - f->followed_ns >= FOLLOW_EVERY_NS) {
        done = take_in(f, now_ns, &f->failure);
        f->failed_ns = !done && f->failure.code == ERR_LIMIT ? clock_mono_ns() : 0;
    }
    if (!done && err)
        *err = f->failure;
    pthread_rwlock_unlock(&f->lock);
    return done;
}

/* --- Asking --- */

bool store_folder_range(struct store_folder *f, bool *any, int64_t *min_ms, int64_t *max_ms,
                        struct err *err)
{
    struct block_set_stats stats;
    int64_t newest_ms, oldest_ms;
    if (!refresh(f, err))
        return false;
    pthread_rwlock_rdlock(&f->lock);
    block_set_stats(f->blocks, &stats);
    bool in_head = f->head && foreign_head_range(f->head, &oldest_ms, &newest_ms);
    pthread_rwlock_unlock(&f->lock);
    *any = stats.blocks > 0 || in_head;
    *min_ms = stats.blocks > 0 ? stats.min_ms : in_head ? oldest_ms : 0;
    *max_ms =
        in_head && (stats.blocks == 0 || newest_ms >= stats.max_ms) ? newest_ms + 1 : stats.max_ms;
    return true;
}

/* Before the end of the newest block all in order is in blocks; but where samples come late, a
 * block may be of those alone and tell nothing (older ones have no hint of it). */
static int64_t horizon_of(const struct store_folder *f, const struct block_set_stats *stats)
{
    struct buf wbl = BUF_INIT;
    buf_printf(&wbl, "%s/wbl", f->path);
    int64_t horizon_ms = file_exists(wbl.p) ? INT64_MIN : stats->in_order_ms;
    buf_release(&wbl);
    return horizon_ms;
}

/* Take out what a block says was deleted. */
static void drop_deleted(struct store_series_data *d, const struct block *b, uint32_t ref,
                         struct arena *arena)
{
    struct points p = {.arena = arena};
    for (size_t i = 0; i < d->n; i++)
        points_add(&p, d->samples[i]);
    for (size_t i = 0; i < d->n_histograms; i++)
        points_add_histogram(&p, d->histograms[i]);
    block_tombstones_apply(&b->stones, ref, &p);
    d->samples = p.n ? arena_memdup(arena, p.samples, p.n * sizeof *p.samples) : NULL;
    d->histograms = p.n_histograms
                        ? arena_memdup(arena, p.histograms, p.n_histograms * sizeof *p.histograms)
                        : NULL;
    d->n = p.n;
    d->n_histograms = p.n_histograms;
    points_release(&p);
}

/* Both are ordered by labels. */
static bool hide_by(struct block *b, const struct block_question *q, struct arena *arena,
                    struct store_series_data *head, size_t n_head, struct err *err)
{
    struct block_walk w = {0};
    if (!block_open(b, err))
        return false;
    if (b->stones.n == 0)
        return true;
    bool done = block_walk_begin(&w, b, arena, q->matchers, q->n_matchers, err);
    for (size_t i = 0; done && i < n_head && !block_walk_at_end(&w);) {
        int order = labels_cmp(head[i].labels, w.series.labels);
        if (order == 0)
            drop_deleted(&head[i], b, block_walk_ref(&w), arena);
        if (order <= 0)
            i++;
        else
            done = block_walk_next(&w, err);
    }
    block_walk_release(&w);
    return done;
}

/* The log still has what was deleted of a block. A block that is damaged is block_ask's matter. */
static void hide_deleted(struct store_folder *f, const struct block_question *q,
                         struct arena *arena, struct store_series_data *head, size_t n_head)
{
    size_t n;
    struct block **blocks = block_set_take(f->blocks, arena, q->mint_ms, q->maxt_ms, &n);
    for (size_t i = 0; i < n && n_head > 0; i++)
        (void)!hide_by(blocks[i], q, arena, head, n_head, NULL);
    block_set_give_back(blocks, n);
}

static bool ask(struct store_folder *f, const struct block_question *q, struct arena *arena,
                struct store_series_data **out, size_t *n, struct err *err)
{
    struct block_set_stats stats, after;
    struct store_series_data *head = NULL;
    size_t n_head = 0;
    pthread_rwlock_rdlock(&f->lock);
    block_set_stats(f->blocks, &stats);
    bool done = !f->head || foreign_head_select(f->head, arena, q->matchers, q->n_matchers,
                                                q->mint_ms, q->maxt_ms, horizon_of(f, &stats),
                                                q->max_samples, &head, &n_head, err);
    if (done)
        hide_deleted(f, q, arena, head, n_head);
    done = done && block_ask(f->blocks, q, arena, head, n_head, out, n, err);
    block_set_stats(f->blocks, &after);
    if (done && after.vanished != stats.vanished)
        done =
            err_set(err, ERR_NOT_FOUND, "blocks of '%s' go faster than they can be read", f->path);
    pthread_rwlock_unlock(&f->lock);
    return done;
}

static bool selects(const struct matcher *m, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!matcher_matches(&m[i], STR("")))
            return true;
    }
    return false;
}

/* A block may be deleted between its listing and its opening: then all is looked at again. */
bool store_folder_select(struct store_folder *f, struct arena *arena, const struct matcher *m,
                         size_t n_matchers, int64_t mint_ms, int64_t maxt_ms, bool first_only,
                         struct store_series_data **out, size_t *n, struct err *err)
{
    struct block_question q = {.matchers = m,
                               .n_matchers = n_matchers,
                               .mint_ms = mint_ms,
                               .maxt_ms = maxt_ms,
                               .max_samples = BLOCK_MAX_SAMPLES,
                               .first_only = first_only};
    if (!selects(m, n_matchers))
        return err_set(err, ERR_BAD_INPUT,
                       "a selector needs at least one matcher that does not match the empty value");
    for (int i = 0;; i++) {
        struct err why = ERR_INIT;
        if (!refresh(f, err))
            return false;
        if (ask(f, &q, arena, out, n, &why))
            return true;
        if (why.code != ERR_NOT_FOUND || i + 1 == ATTEMPTS) {
            if (err)
                *err = why;
            return false;
        }
        pthread_rwlock_wrlock(&f->lock);
        f->listed_ns = f->followed_ns = 0;
        pthread_rwlock_unlock(&f->lock);
    }
}
