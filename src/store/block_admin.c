#include "store/block_admin.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/map.h"
#include "block/file.h"
#include "block/walk.h"
#include "block/writer.h"
#include "codec/digest.h"
#include "store/block_cut.h"
#include "store/block_select.h"
#include "store/internal.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- Deleting --- */

/* The series of both head and blocks, counted once. */
static void count(struct map *seen, struct labels labels)
{
    struct buf text = BUF_INIT;
    labels_print(labels, &text);
    (void)map_set(seen, buf_str(&text), seen);
    buf_release(&text);
}

static int64_t min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Up to the newest sample there is: what comes later is not deleted. */
static bool delete_from_head(struct store *s, const struct matcher *m, size_t n_matchers,
                             struct block_interval span, struct map *seen, struct err *err)
{
    struct arena arena = ARENA_INIT;
    struct labels *v;
    size_t n;
    bool is_new, any = false;
    const struct block_question all = {
        .matchers = m, .n_matchers = n_matchers, .mint_ms = INT64_MIN, .maxt_ms = INT64_MAX};
    bool done = head_series_list(s, &arena, &all, &v, &n, err);
    for (size_t i = 0; done && i < n; i++) {
        const struct series *series = head_series(&s->head, v[i], &is_new);
        int64_t last_ms = series ? atomic_load(&series->last_t_ms) : INT64_MIN;
        struct block_interval own = {span.min_ms, min_i64(span.max_ms, last_ms)};
        if (own.min_ms > own.max_ms)
            continue;
        block_erased_add(s->erased, v[i], own);
        count(seen, v[i]);
        any = true;
    }
    arena_release(&arena);
    return done && (!any || block_erased_save(s->erased, err));
}

static bool write_file(const struct block *b, const char *name, const struct buf *content,
                       struct err *err)
{
    struct buf path = BUF_INIT;
    buf_printf(&path, "%s/%s", b->path, name);
    bool done = file_replace(path.p, buf_str(content), 0600, err);
    buf_release(&path);
    return done;
}

/* The tombstones first: meta.json only counts them. */
static bool save_stones(struct store *s, const struct block *b, struct block_tombstones *t,
                        struct err *err)
{
    struct buf stones = BUF_INIT, text = BUF_INIT;
    struct block_meta meta = b->meta;
    block_tombstones_settle(t);
    block_tombstones_write(t, &stones);
    meta.n_tombstones = t->n;
    block_meta_write(&meta, &text);
    bool done = write_file(b, "tombstones", &stones, err) &&
                write_file(b, "meta.json", &text, err) && block_set_reload(s->blocks, b, err);
    buf_release(&stones);
    buf_release(&text);
    return done;
}

static bool add_stones(struct block_walk *w, struct block_interval span,
                       struct block_tombstones *out, struct map *seen, struct err *err)
{
    while (!block_walk_at_end(w)) {
        bool any = false;
        for (size_t i = 0; i < w->series.n_chunks; i++) {
            const struct block_chunk_place *c = &w->series.chunks[i];
            any = any || (c->min_ms <= span.max_ms && c->max_ms >= span.min_ms);
        }
        if (any) {
            block_tombstones_add(out, block_walk_ref(w), span);
            count(seen, w->series.labels);
        }
        if (!block_walk_next(w, err))
            return false;
    }
    return true;
}

static bool delete_from_block(struct store *s, struct block *b, const struct matcher *m,
                              size_t n_matchers, struct block_interval span, struct map *seen,
                              struct err *err)
{
    struct arena arena = ARENA_INIT;
    struct block_walk w;
    struct block_tombstones t = {0};
    struct err why = ERR_INIT;
    struct block_interval own = {span.min_ms > b->meta.min_ms ? span.min_ms : b->meta.min_ms,
                                 min_i64(span.max_ms, b->meta.max_ms - 1)};
    bool done =
        block_walk_begin(&w, b, &arena, m, n_matchers, &why) && add_stones(&w, own, &t, seen, &why);
    size_t added = t.n;
    for (size_t i = 0; done && i < b->stones.n; i++)
        block_tombstones_add(&t, b->stones.v[i].ref, b->stones.v[i].span);
    if (!done && why.code == ERR_CORRUPT) {
        block_set_aside(s->blocks, b, &why); /* what is not served is deleted too */
        done = true;
    } else if (done && added > 0) {
        done = save_stones(s, b, &t, &why);
    }
    if (!done && err)
        *err = why;
    block_walk_release(&w);
    block_tombstones_release(&t);
    arena_release(&arena);
    return done;
}

bool block_delete(struct store *s, const struct matcher *m, size_t n_matchers,
                  struct block_interval span, size_t *n, struct err *err)
{
    struct arena arena = ARENA_INIT;
    struct map *seen = map_new();
    struct block **blocks;
    size_t n_blocks = 0;
    bool done =
        n_matchers > 0 || err_set(err, ERR_BAD_INPUT, "a selector needs at least one matcher");
    done = done && delete_from_head(s, m, n_matchers, span, seen, err);
    blocks = block_set_take(s->blocks, &arena, span.min_ms, span.max_ms, &n_blocks);
    for (size_t i = 0; done && i < n_blocks; i++)
        done = delete_from_block(s, blocks[i], m, n_matchers, span, seen, err);
    block_set_give_back(blocks, n_blocks);
    *n = map_count(seen);
    map_free(seen);
    arena_release(&arena);
    return done;
}

/* --- Snapshots --- */

static const char *snapshot_name(struct arena *arena)
{
    uint8_t random[8];
    struct buf time = BUF_INIT, hex = BUF_INIT;
    clock_format_ms(&time, clock_wall_ms()); /* 2026-11-23T14:47:00.123Z */
    random_bytes(random, sizeof random);
    hex_add(&hex, random, sizeof random);
    const char *name = arena_printf(arena, "%.4s%.2s%.2sT%.2s%.2s%.2sZ-%s", time.p, time.p + 5,
                                    time.p + 8, time.p + 11, time.p + 14, time.p + 17, hex.p);
    buf_release(&time);
    buf_release(&hex);
    return name;
}

struct linking {
    const char *from, *to;
    bool done;
    struct err *err;
};

static bool link_folder(const char *from, const char *to, struct err *err);

static void link_one(void *arg, const char *name)
{
    struct linking *l = arg;
    struct buf from = BUF_INIT, to = BUF_INIT;
    buf_printf(&from, "%s/%s", l->from, name);
    buf_printf(&to, "%s/%s", l->to, name);
    if (l->done && file_is_folder(from.p))
        l->done = link_folder(from.p, to.p, l->err);
    else if (l->done && link(from.p, to.p) != 0)
        l->done = err_errno(l->err, "cannot link %s to %s", from.p, to.p);
    buf_release(&from);
    buf_release(&to);
}

static bool link_folder(const char *from, const char *to, struct err *err)
{
    struct linking l = {from, to, true, err};
    return file_make_folders(to, 0700, err) && file_list(from, link_one, &l, err) && l.done &&
           file_sync_folder(to, err);
}

static bool link_blocks(struct store *s, const char *folder, struct err *err)
{
    struct arena arena = ARENA_INIT;
    size_t n;
    bool done = true;
    struct block **v = block_set_take(s->blocks, &arena, INT64_MIN, INT64_MAX, &n);
    for (size_t i = 0; done && i < n; i++)
        done = link_folder(v[i]->path, arena_printf(&arena, "%s/%s", folder, v[i]->meta.ulid.text),
                           err);
    block_set_give_back(v, n);
    arena_release(&arena);
    return done;
}

static bool copy_head(struct store *s, const char *folder, const _Atomic bool *stop,
                      struct err *err)
{
    struct block_meta meta;
    int64_t oldest_ms = head_oldest_from(s, INT64_MIN);
    if (oldest_ms == INT64_MAX)
        return true;
    if (!block_cut(s, folder, oldest_ms, atomic_load(&s->head.max_t_ms), stop, &meta, err))
        return false;
    block_meta_release(&meta);
    return true;
}

static void remove_unfinished(void *arg, const char *name)
{
    struct buf path = BUF_INIT;
    buf_printf(&path, "%s/%s", (const char *)arg, name);
    if (str_ends(str_from(name), STR(BLOCK_TEMPORARY)))
        block_remove_folder(path.p);
    buf_release(&path);
}

bool block_snapshot(struct store *s, struct arena *arena, bool head, const _Atomic bool *stop,
                    const char **name, struct err *err)
{
    const char *own = snapshot_name(arena);
    char *parent = arena_printf(arena, "%s/snapshots", s->folder);
    const char *path = arena_printf(arena, "%s/%s", parent, own);
    const char *temporary = arena_printf(arena, "%s" BLOCK_TEMPORARY, path);
    bool done = file_make_folders(parent, 0700, err) &&
                file_list(parent, remove_unfinished, parent, err) &&
                file_make_folders(arena_printf(arena, "%s/wal", temporary), 0700, err) &&
                link_blocks(s, temporary, err) && (!head || copy_head(s, temporary, stop, err)) &&
                file_sync_folder(temporary, err) && block_rename(temporary, path, err) &&
                file_sync_folder(parent, err);
    if (!done)
        block_remove_folder(temporary);
    *name = own;
    return done;
}
