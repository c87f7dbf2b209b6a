#include "block/walk.h"

bool block_walk_begin(struct block_walk *w, struct block *b, struct arena *arena,
                      const struct matcher *m, size_t n_matchers, struct err *err)
{
    *w = (struct block_walk){.block = b, .arena = ARENA_INIT};
    if (!block_open(b, err))
        return false;
    if (!block_index_select(b->index, arena, m, n_matchers, &w->refs, &w->n, err))
        return err_prefix(err, "block %s: ", b->meta.ulid.text);
    return block_walk_next(w, err);
}

bool block_walk_next(struct block_walk *w, struct err *err)
{
    arena_clear(&w->arena);
    w->i++;
    if (block_walk_at_end(w))
        return true;
    return block_index_series(w->block->index, &w->arena, block_walk_ref(w), &w->series, err) ||
           err_prefix(err, "block %s: ", w->block->meta.ulid.text);
}

void block_walk_release(struct block_walk *w)
{
    arena_release(&w->arena);
}

bool block_walk_least(const struct block_walk *v, size_t n, struct labels *least)
{
    const struct block_walk *best = NULL;
    for (size_t i = 0; i < n; i++) {
        if (block_walk_at_end(&v[i]))
            continue;
        if (!best || labels_cmp(v[i].series.labels, best->series.labels) < 0)
            best = &v[i];
    }
    if (best)
        *least = best->series.labels;
    return best != NULL;
}
