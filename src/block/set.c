#include "block/set.h"

#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "block/file.h"
#include "block/writer.h"

#include <stdlib.h>

#define CORRUPT_ENDING ".corrupt"
#define MAX_ROUNDS 10 /* of looking at a folder that others change */

struct block_set {
    char *folder;
    bool read_only;
    pthread_mutex_t lock; /* guards the rest */
    struct block **v;     /* by min_ms, then max_ms; each with a reference */
    size_t n, capacity;
    uint64_t corrupt;
    struct map *refused; /* read-only: paths of what is damaged */
    uint64_t vanished;   /* read-only: blocks that were deleted before they were opened */
    bool changed;        /* by the present round of refreshing */
};

static int compare_blocks(const void *left, const void *right)
{
    const struct block_meta *a = &(*(struct block *const *)left)->meta;
    const struct block_meta *b = &(*(struct block *const *)right)->meta;
    if (a->min_ms != b->min_ms)
        return a->min_ms < b->min_ms ? -1 : 1;
    if (a->max_ms != b->max_ms)
        return a->max_ms < b->max_ms ? -1 : 1;
    return strcmp(a->ulid.text, b->ulid.text);
}

static void insert(struct block_set *s, struct block *b)
{
    s->v = mem_grow(s->v, s->n, &s->capacity, sizeof *s->v);
    s->v[s->n++] = b;
    qsort(s->v, s->n, sizeof *s->v, compare_blocks);
}

/* Without its reference. */
static bool take_out(struct block_set *s, const struct block *b)
{
    for (size_t i = 0; i < s->n; i++) {
        if (s->v[i] != b)
            continue;
        memmove(s->v + i, s->v + i + 1, (s->n - i - 1) * sizeof *s->v);
        s->n--;
        return true;
    }
    return false;
}

/* Renamed first, so that a half-deleted block is never taken for a damaged one. */
static void delete_folder(const struct block_set *s, const char *path)
{
    struct buf doomed = BUF_INIT;
    struct err err = ERR_INIT;
    buf_printf(&doomed, "%s" BLOCK_DOOMED, path);
    if (block_rename(path, doomed.p, &err) && file_sync_folder(s->folder, &err))
        block_remove_folder(doomed.p);
    else
        log_warn("store", "a block is not deleted: %s", err.message);
    buf_release(&doomed);
}

static void set_path_aside(struct block_set *s, const char *path, const struct err *why)
{
    struct buf aside = BUF_INIT;
    struct err err = ERR_INIT;
    if (s->read_only && !file_is_folder(path)) {
        s->vanished++;
        return;
    }
    s->corrupt++;
    buf_printf(&aside, "%s" CORRUPT_ENDING, path);
    if (s->read_only) {
        (void)map_set(s->refused, str_from(path), s);
        log_error("store", "block damaged, not served folder=%s why=%s", path, why->message);
    } else if (block_rename(path, aside.p, &err) && file_sync_folder(s->folder, &err))
        log_error("store", "block damaged, set aside folder=%s why=%s", aside.p, why->message);
    else
        log_error("store", "block damaged, not served why=%s; %s", why->message, err.message);
    buf_release(&aside);
}

/* --- Opening --- */

static bool is_known(const struct block_set *s, const char *path)
{
    for (size_t i = 0; i < s->n; i++) {
        if (strcmp(s->v[i]->path, path) == 0)
            return true;
    }
    return map_get(s->refused, str_from(path)) != NULL;
}

static void consider(void *arg, const char *name)
{
    struct block_set *s = arg;
    struct buf path = BUF_INIT;
    struct err err = ERR_INIT;
    struct str text = str_from(name);
    buf_printf(&path, "%s/%s", s->folder, name);
    bool left_over = str_ends(text, STR(BLOCK_TEMPORARY)) || str_ends(text, STR(BLOCK_DOOMED));
    if (left_over && !s->read_only) {
        log_info("store", "an unfinished block is removed folder=%s", path.p);
        block_remove_folder(path.p);
    } else if (ulid_is_valid(text) && file_is_folder(path.p) && !is_known(s, path.p)) {
        struct block *b = block_new(path.p, &err);
        s->changed = true;
        if (b)
            insert(s, b);
        else if (!file_is_folder(path.p)) /* deleted meanwhile */
            s->vanished++;
        else if (err.code == ERR_CORRUPT)
            set_path_aside(s, path.p, &err);
        else
            log_error("store", "block not served: %s", err.message);
    }
    buf_release(&path);
}

static bool has_parent(const struct block *child, const struct block *b)
{
    for (size_t i = 0; i < child->meta.n_parents; i++) {
        if (child != b && strcmp(child->meta.parents[i].ulid.text, b->meta.ulid.text) == 0)
            return true;
    }
    return false;
}

static bool is_replaced(const struct block_set *s, const struct block *b)
{
    for (size_t i = 0; i < s->n; i++) {
        if (has_parent(s->v[i], b))
            return true;
    }
    return false;
}

/* A crash between a child and the end of its parents leaves both. */
static void drop_replaced(struct block_set *s)
{
    for (size_t i = 0; i < s->n;) {
        struct block *b = s->v[i];
        if (!is_replaced(s, b)) {
            i++;
            continue;
        }
        (void)take_out(s, b);
        if (!s->read_only)
            delete_folder(s, b->path);
        block_unref(b);
    }
}

struct block_set *block_set_open(const char *folder, bool read_only, struct err *err)
{
    struct block_set *s = mem_zalloc(sizeof *s);
    s->folder = mem_strdup(folder);
    s->read_only = read_only;
    s->refused = map_new();
    pthread_mutex_init(&s->lock, NULL);
    if (!file_list(folder, consider, s, err)) {
        block_set_close(s);
        return NULL;
    }
    drop_replaced(s);
    return s;
}

void block_set_close(struct block_set *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n; i++)
        block_unref(s->v[i]);
    pthread_mutex_destroy(&s->lock);
    map_free(s->refused);
    free(s->v);
    free(s->folder);
    free(s);
}

/* Those whose folder is gone, or not as it was when it was opened. */
static void drop_changed(struct block_set *s)
{
    for (size_t i = 0; i < s->n;) {
        struct block *b = s->v[i];
        if (file_is_folder(b->path) && block_stones_bytes(b) == b->stones_bytes) {
            i++;
            continue;
        }
        (void)take_out(s, b);
        block_unref(b);
        s->changed = true;
    }
}

/* A listing may have been made before a block came that takes the place of those that then went: it
 * is made anew until nothing changes. */
bool block_set_refresh(struct block_set *s, struct err *err)
{
    bool done;
    int rounds = 0;
    pthread_mutex_lock(&s->lock);
    do {
        s->changed = false;
        drop_changed(s);
        done = file_list(s->folder, consider, s, err);
        drop_replaced(s);
    } while (done && s->changed && ++rounds < MAX_ROUNDS);
    pthread_mutex_unlock(&s->lock);
    return done;
}

/* --- Daily work --- */

/* maxTime is outside, but a block of one instant says so with both the same. */
static bool overlaps(const struct block *b, int64_t mint_ms, int64_t maxt_ms)
{
    return b->meta.min_ms <= maxt_ms && (b->meta.max_ms > mint_ms || b->meta.min_ms == mint_ms);
}

struct block **block_set_take(struct block_set *s, struct arena *arena, int64_t mint_ms,
                              int64_t maxt_ms, size_t *n)
{
    struct block **out;
    *n = 0;
    pthread_mutex_lock(&s->lock);
    out = ARENA_ARRAY(arena, struct block *, s->n);
    for (size_t i = 0; i < s->n; i++) {
        if (overlaps(s->v[i], mint_ms, maxt_ms))
            out[(*n)++] = block_ref(s->v[i]);
    }
    pthread_mutex_unlock(&s->lock);
    return out;
}

void block_set_give_back(struct block **v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        block_unref(v[i]);
}

void block_set_swap(struct block_set *s, struct block *in, struct block *const *out, size_t n)
{
    pthread_mutex_lock(&s->lock);
    if (in)
        insert(s, in);
    (void)fault_hit("block.swap"); /* the child is durable, its parents are there: a place to die */
    for (size_t i = 0; i < n; i++) {
        if (!take_out(s, out[i]))
            continue;
        delete_folder(s, out[i]->path);
        block_unref(out[i]);
    }
    pthread_mutex_unlock(&s->lock);
}

bool block_set_reload(struct block_set *s, const struct block *old, struct err *err)
{
    struct block *b = block_new(old->path, err);
    if (!b)
        return false;
    pthread_mutex_lock(&s->lock);
    bool there = take_out(s, old);
    if (there)
        insert(s, b);
    pthread_mutex_unlock(&s->lock);
    block_unref(there ? (struct block *)(uintptr_t)old : b);
    return true;
}

void block_set_aside(struct block_set *s, struct block *b, const struct err *why)
{
    pthread_mutex_lock(&s->lock);
    bool there = take_out(s, b);
    if (there)
        set_path_aside(s, b->path, why);
    pthread_mutex_unlock(&s->lock);
    if (there)
        block_unref(b);
}

void block_set_stats(struct block_set *s, struct block_set_stats *out)
{
    *out = (struct block_set_stats){.in_order_ms = INT64_MIN};
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->n; i++) {
        const struct block *b = s->v[i];
        out->size_bytes += b->size_bytes;
        if (i == 0)
            out->min_ms = b->meta.min_ms;
        if (i == 0 || b->meta.max_ms > out->max_ms)
            out->max_ms = b->meta.max_ms;
        if (!b->meta.is_late && b->meta.max_ms > out->in_order_ms)
            out->in_order_ms = b->meta.max_ms;
    }
    out->blocks = s->n;
    out->corrupt = s->corrupt;
    out->vanished = s->vanished;
    pthread_mutex_unlock(&s->lock);
}
