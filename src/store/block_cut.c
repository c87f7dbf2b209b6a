#include "store/block_cut.h"

#include "base/clock.h"
#include "base/mem.h"
#include "block/compact.h"
#include "block/walk.h"
#include "block/writer.h"
#include "store/internal.h"

#include <stdlib.h>

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

/* A range of the head on its way to a block; the blocks that have some of the range already (late
 * samples come after theirs was written) are walked along, and what they have is left out. */
struct cut {
    struct store *store;
    const char *folder;
    const _Atomic bool *stop;
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
    struct head *h = &c->store->head;
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
    head_read(c->store, &c->series, ref, c->mint_ms, c->maxt_ms, &c->points);
    points_sort(&c->points);
    block_erased_apply(c->store->erased, labels, &c->points);
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
        if (atomic_load_explicit(c->stop, memory_order_relaxed))
            return err_set(err, ERR_TIMEOUT, "the store is closing");
        if (!write_series(c, w, c->refs[i], err))
            return false;
    }
    return true;
}

static void gather_symbols(struct cut *c, struct string_set *out)
{
    for (size_t i = 0; i < c->n_refs; i++) {
        struct labels l = labels_of(c, c->refs[i]);
        for (size_t k = 0; k < l.n; k++) {
            add_string(out, l.v[k].name);
            add_string(out, l.v[k].value);
        }
    }
    out->n = str_sort_unique(out->v, out->n); /* a name and a value may be the same text */
}

static bool write_block(struct cut *c, struct block_meta *meta, struct err *err)
{
    struct string_set symbols = {0};
    struct ulid ulid = ulid_new(clock_wall_ms());
    *meta = (struct block_meta){
        .ulid = ulid, .min_ms = c->mint_ms, .max_ms = c->maxt_ms + 1, .level = 1};
    block_meta_add_source(meta, ulid);
    gather_symbols(c, &symbols);
    struct block_writer *w =
        block_writer_new(c->folder, ulid, symbols.v, symbols.n, BLOCK_HEAD_CHUNK_SAMPLES, err);
    bool done = w && write_all(c, w, err);
    if (done && block_writer_samples(w) > 0)
        done = block_writer_finish(w, meta, err);
    if (!done)
        block_meta_release(meta);
    block_writer_free(w);
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

bool block_cut(struct store *s, const char *folder, int64_t mint_ms, int64_t maxt_ms,
               const _Atomic bool *stop, struct block_meta *out, struct err *err)
{
    struct cut c = {
        .store = s, .folder = folder, .stop = stop, .mint_ms = mint_ms, .maxt_ms = maxt_ms};
    struct err why = ERR_INIT;
    c.points.arena = c.there.arena = &c.series;
    c.refs = head_refs(s, &c.arena, &c.n_refs);
    c.blocks = block_set_take(s->blocks, &c.arena, mint_ms, maxt_ms, &c.n_blocks);
    c.walks = mem_array(c.n_blocks + 1, sizeof *c.walks);
    bool done = begin_walks(&c, &why) && write_block(&c, out, &why);
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
