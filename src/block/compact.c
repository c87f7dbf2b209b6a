#include "block/compact.h"

#include "base/clock.h"
#include "base/fault.h"
#include "base/mem.h"
#include "block/walk.h"
#include "block/writer.h"

#include <stdlib.h>

/* --- Which --- */

int64_t block_align(int64_t t_ms, int64_t range_ms)
{
    int64_t over = t_ms % range_ms;
    if (over < 0)
        over += range_ms;
    return t_ms < INT64_MIN + over ? INT64_MIN : t_ms - over;
}

/* The first run of blocks of which each overlaps one before it. */
static bool plan_overlap(struct block *const *v, size_t n_blocks, size_t *first, size_t *n)
{
    size_t begin = 0;
    int64_t max_ms = INT64_MIN;
    for (size_t i = 0; i <= n_blocks; i++) {
        if (i < n_blocks && i > begin && v[i]->meta.min_ms < max_ms) {
            max_ms = v[i]->meta.max_ms > max_ms ? v[i]->meta.max_ms : max_ms;
            continue;
        }
        if (i > begin + 1) {
            *first = begin;
            *n = i - begin;
            return true;
        }
        if (i < n_blocks)
            max_ms = v[i]->meta.max_ms;
        begin = i;
    }
    return false;
}

/* How many from `begin` on lie in the same range; 0 when the block there does not. */
static size_t same_range(struct block *const *v, size_t n_blocks, size_t begin, int64_t range_ms)
{
    int64_t from_ms = block_align(v[begin]->meta.min_ms, range_ms);
    size_t n = 0;
    while (begin + n < n_blocks && v[begin + n]->meta.max_ms - from_ms <= range_ms)
        n++;
    return n;
}

static bool plan_range(struct block *const *v, size_t n_blocks, int64_t range_ms, size_t *first,
                       size_t *n)
{
    int64_t newest_ms = v[n_blocks - 2]->meta.min_ms; /* the very newest is left alone */
    for (size_t i = 0; i + 1 < n_blocks;) {
        size_t group = same_range(v, n_blocks - 1, i, range_ms);
        const struct block_meta *last = &v[i + (group ? group - 1 : 0)]->meta;
        bool full = last->max_ms - v[i]->meta.min_ms == range_ms;
        if (group > 1 && (full || last->max_ms <= newest_ms)) {
            *first = i;
            *n = group;
            return true;
        }
        i += group ? group : 1;
    }
    return false;
}

bool block_plan(struct block *const *blocks, size_t n_blocks, int64_t max_range_ms, size_t *first,
                size_t *n)
{
    if (n_blocks < 2)
        return false;
    if (plan_overlap(blocks, n_blocks, first, n))
        return true;
    for (int64_t range_ms = 3 * BLOCK_RANGE_MS; range_ms <= max_range_ms; range_ms *= 3) {
        if (plan_range(blocks, n_blocks, range_ms, first, n))
            return true;
    }
    return false;
}

/* --- How --- */

struct compaction {
    struct block *const *blocks;
    size_t n;
    struct block_walk *walks;
    bool *is_here; /* of each block: it has the series at hand */
    struct block **culprit;
    struct block_between between;
    const _Atomic bool *stop;
    struct points points;
    struct arena histograms; /* of one series */
};

static bool blame(struct compaction *c, struct block *b)
{
    *c->culprit = b;
    return false;
}

static struct str *all_symbols(const struct compaction *c, size_t *n)
{
    size_t total = 0;
    for (size_t i = 0; i < c->n; i++)
        total += block_index_n_symbols(c->blocks[i]->index);
    struct str *v = mem_array(total + 1, sizeof *v);
    total = 0;
    for (size_t i = 0; i < c->n; i++) {
        for (size_t k = 0; k < block_index_n_symbols(c->blocks[i]->index); k++)
            v[total++] = block_index_symbol(c->blocks[i]->index, k);
    }
    *n = str_sort_unique(v, total);
    return v;
}

/* The samples of all blocks that have the series; their labels are those of one walk, so the walks
 * move on only after it has been written. */
static bool write_series(struct compaction *c, struct block_writer *w, struct labels labels,
                         struct err *err)
{
    points_clear(&c->points);
    arena_clear(&c->histograms);
    for (size_t i = 0; i < c->n; i++) {
        struct block_walk *walk = &c->walks[i];
        c->is_here[i] = block_walk_is_at(walk, labels);
        if (c->is_here[i] && !block_read(walk->block, block_walk_ref(walk), &walk->series,
                                         INT64_MIN, INT64_MAX, &c->points, err))
            return blame(c, walk->block);
    }
    points_sort(&c->points);
    if (!block_writer_add(w, labels, &c->points, err))
        return false;
    for (size_t i = 0; i < c->n; i++) {
        if (c->is_here[i] && !block_walk_next(&c->walks[i], err))
            return blame(c, c->walks[i].block);
    }
    return true;
}

static bool write_all(struct compaction *c, struct block_writer *w, struct err *err)
{
    struct labels least;
    while (block_walk_least(c->walks, c->n, &least)) {
        if (atomic_load_explicit(c->stop, memory_order_relaxed))
            return err_set(err, ERR_TIMEOUT, "the store is closing");
        if (!write_series(c, w, least, err))
            return false;
        (void)fault_hit("block.compact"); /* a place to be slow at */
        if (c->between.fn)
            c->between.fn(c->between.self);
    }
    return true;
}

static void fill_meta(const struct compaction *c, struct block_meta *m, struct ulid ulid)
{
    *m = (struct block_meta){.ulid = ulid, .min_ms = INT64_MAX, .max_ms = INT64_MIN};
    for (size_t i = 0; i < c->n; i++) {
        const struct block_meta *parent = &c->blocks[i]->meta;
        m->min_ms = parent->min_ms < m->min_ms ? parent->min_ms : m->min_ms;
        m->max_ms = parent->max_ms > m->max_ms ? parent->max_ms : m->max_ms;
        m->level = parent->level > m->level ? parent->level : m->level;
        for (size_t k = 0; k < parent->n_sources; k++)
            block_meta_add_source(m, parent->sources[k]);
        block_meta_add_parent(m, parent);
    }
    m->level++;
}

static bool begin_walks(struct compaction *c, struct arena *arena, struct err *err)
{
    for (size_t i = 0; i < c->n; i++) {
        if (!block_walk_begin(&c->walks[i], c->blocks[i], arena, NULL, 0, err))
            return blame(c, c->blocks[i]);
    }
    return true;
}

static bool compact(struct compaction *c, const char *folder, struct block_meta *out,
                    struct err *err)
{
    struct ulid ulid = ulid_new(clock_wall_ms());
    size_t n_symbols;
    struct str *symbols = all_symbols(c, &n_symbols);
    struct block_writer *w =
        block_writer_new(folder, ulid, symbols, n_symbols, BLOCK_COMPACTED_CHUNK_SAMPLES, err);
    bool done = w && write_all(c, w, err);
    fill_meta(c, out, ulid);
    if (done && block_writer_samples(w) > 0)
        done = block_writer_finish(w, out, err);
    if (!done)
        block_meta_release(out);
    block_writer_free(w);
    free(symbols);
    return done;
}

bool block_compact(const char *folder, struct block *const *blocks, size_t n,
                   struct block_between between, const _Atomic bool *stop, struct block_meta *out,
                   struct block **culprit, struct err *err)
{
    struct arena arena = ARENA_INIT;
    struct compaction c = {.blocks = blocks,
                           .n = n,
                           .culprit = culprit,
                           .between = between,
                           .stop = stop,
                           .walks = mem_array(n + 1, sizeof *c.walks),
                           .is_here = mem_array(n + 1, sizeof *c.is_here)};
    c.points.arena = &c.histograms;
    *culprit = NULL;
    bool done = begin_walks(&c, &arena, err) && compact(&c, folder, out, err);
    for (size_t i = 0; i < n; i++)
        block_walk_release(&c.walks[i]);
    free(c.walks);
    free(c.is_here);
    points_release(&c.points);
    arena_release(&c.histograms);
    arena_release(&arena);
    return done;
}
