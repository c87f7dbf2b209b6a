/* The labels that the head and the blocks have, of the series with samples in a range of time. A
 * block that is asked for all its labels is taken as a whole. */
#include "block/walk.h"
#include "store/selection.h"

#include <stdlib.h>

static bool overlaps(const struct block_series *s, const struct block_question *q)
{
    for (size_t i = 0; i < s->n_chunks; i++) {
        if (s->chunks[i].max_ms >= q->mint_ms && s->chunks[i].min_ms <= q->maxt_ms)
            return true;
    }
    return false;
}

struct strings {
    struct str *v;
    size_t n, capacity;
};

static void push_string(struct strings *s, struct arena *arena, struct str text)
{
    s->v = arena_grow(arena, s->v, s->n, &s->capacity, sizeof *s->v);
    s->v[s->n++] = text;
}

/* Of the series that match: the values of `name`, or all names when it is empty. */
static bool strings_of_matches(const struct block_index *x, struct arena *arena, struct str name,
                               const struct block_question *q, struct str **out, size_t *n,
                               struct err *err)
{
    struct strings found = {0};
    struct block_series series;
    uint32_t *refs;
    size_t n_refs;
    bool done = block_index_select(x, arena, q->matchers, q->n_matchers, &refs, &n_refs, err);
    for (size_t i = 0; done && i < n_refs; i++) {
        done = block_index_series(x, arena, refs[i], &series, err);
        if (done && !overlaps(&series, q))
            continue;
        if (done && name.n > 0 && labels_get_str(series.labels, name).n > 0)
            push_string(&found, arena, labels_get_str(series.labels, name));
        for (size_t k = 0; done && name.n == 0 && k < series.labels.n; k++)
            push_string(&found, arena, series.labels.v[k].name);
    }
    *out = found.v;
    *n = found.n;
    return done;
}

static bool block_strings(const struct block_index *x, struct arena *arena, struct str name,
                          const struct block_question *q, struct str **out, size_t *n,
                          struct err *err)
{
    if (q->n_matchers > 0)
        return strings_of_matches(x, arena, name, q, out, n, err);
    return name.n > 0 ? block_index_values(x, arena, name, out, n, err)
                      : block_index_names(x, arena, out, n, err);
}

/* Both are sorted, each string once. What is new is copied, for the block may go. */
static void add_new_strings(struct strings *all, const struct strings *found, struct arena *arena)
{
    size_t n = all->n, i = 0;
    for (size_t k = 0; k < found->n; k++) {
        while (i < n && str_cmp(all->v[i], found->v[k]) < 0)
            i++;
        if (i == n || !str_eq(all->v[i], found->v[k]))
            push_string(all, arena, arena_str(arena, found->v[k]));
    }
    all->n = str_sort_unique(all->v, all->n);
}

/* Add what each block has; a damaged one adds nothing and is set aside. */
static void add_block_strings(struct store *s, struct arena *arena, struct str name,
                              const struct block_question *q, struct strings *all)
{
    struct arena each = ARENA_INIT;
    size_t n_blocks;
    struct block **blocks = block_set_take(s->blocks, arena, q->mint_ms, q->maxt_ms, &n_blocks);
    for (size_t i = 0; i < n_blocks; i++) {
        struct err err = ERR_INIT;
        struct strings found = {0};
        bool done = block_open(blocks[i], &err) &&
                    block_strings(blocks[i]->index, &each, name, q, &found.v, &found.n, &err);
        if (!done && err.code == ERR_CORRUPT)
            block_set_aside(s->blocks, blocks[i], &err);
        if (done) {
            found.n = str_sort_unique(found.v, found.n);
            add_new_strings(all, &found, arena);
        }
        arena_clear(&each);
    }
    arena_release(&each);
    block_set_give_back(blocks, n_blocks);
}

static void merge_strings(struct store *s, struct arena *arena, struct str name,
                          const struct block_question *q, struct str **out, size_t *n)
{
    struct strings all = {0};
    for (size_t i = 0; i < *n; i++)
        push_string(&all, arena, (*out)[i]);
    add_block_strings(s, arena, name, q, &all);
    *out = all.v;
    *n = all.n;
}

static struct block_question question_of(const struct matcher *m, size_t n_matchers,
                                         int64_t mint_ms, int64_t maxt_ms)
{
    return (struct block_question){
        .matchers = m, .n_matchers = n_matchers, .mint_ms = mint_ms, .maxt_ms = maxt_ms};
}

bool store_label_names(struct store *s, struct arena *arena, const struct matcher *m,
                       size_t n_matchers, int64_t mint_ms, int64_t maxt_ms, struct str **out,
                       size_t *n, struct err *err)
{
    struct block_question q = question_of(m, n_matchers, mint_ms, maxt_ms);
    if (!head_label_names(s, arena, &q, out, n, err))
        return false;
    merge_strings(s, arena, STR(""), &q, out, n);
    return true;
}

bool store_label_values(struct store *s, struct arena *arena, struct str name,
                        const struct matcher *m, size_t n_matchers, int64_t mint_ms,
                        int64_t maxt_ms, struct str **out, size_t *n, struct err *err)
{
    struct block_question q = question_of(m, n_matchers, mint_ms, maxt_ms);
    if (!head_label_values(s, arena, name, &q, out, n, err))
        return false;
    if (name.n > 0)
        merge_strings(s, arena, name, &q, out, n);
    return true;
}

static int compare_labels(const void *left, const void *right)
{
    return labels_cmp(*(const struct labels *)left, *(const struct labels *)right);
}

struct label_sets {
    struct labels *v;
    size_t n, capacity;
};

static void push_labels(struct label_sets *s, struct arena *arena, struct labels l)
{
    s->v = arena_grow(arena, s->v, s->n, &s->capacity, sizeof *s->v);
    s->v[s->n++] = l;
}

/* `sorted` is what was there before; only what it lacks is copied. */
static bool add_block_series(struct block *b, struct arena *arena, const struct block_question *q,
                             const struct label_sets *sorted, struct label_sets *out,
                             struct err *err)
{
    struct block_walk w;
    struct arena refs = ARENA_INIT;
    bool done = block_walk_begin(&w, b, &refs, q->matchers, q->n_matchers, err);
    for (size_t i = 0; done && !block_walk_at_end(&w);) {
        while (i < sorted->n && labels_cmp(sorted->v[i], w.series.labels) < 0)
            i++;
        bool known = i < sorted->n && labels_cmp(sorted->v[i], w.series.labels) == 0;
        if (!known && overlaps(&w.series, q))
            push_labels(out, arena, labels_copy(arena, w.series.labels));
        done = block_walk_next(&w, err);
    }
    block_walk_release(&w);
    arena_release(&refs);
    return done;
}

bool store_series_list(struct store *s, struct arena *arena, const struct matcher *m,
                       size_t n_matchers, int64_t mint_ms, int64_t maxt_ms, struct labels **out,
                       size_t *n, struct err *err)
{
    struct block_question q = question_of(m, n_matchers, mint_ms, maxt_ms);
    struct label_sets all = {0};
    size_t n_blocks;
    if (!head_series_list(s, arena, &q, out, n, err))
        return false;
    struct block **blocks = block_set_take(s->blocks, arena, q.mint_ms, q.maxt_ms, &n_blocks);
    for (size_t i = 0; i < *n; i++)
        push_labels(&all, arena, (*out)[i]);
    for (size_t i = 0; i < n_blocks; i++) {
        struct label_sets more = {0};
        struct err why = ERR_INIT;
        if (!add_block_series(blocks[i], arena, &q, &all, &more, &why)) {
            if (why.code == ERR_CORRUPT)
                block_set_aside(s->blocks, blocks[i], &why);
            continue;
        }
        for (size_t k = 0; k < more.n; k++)
            push_labels(&all, arena, more.v[k]);
        if (more.n > 0)
            qsort(all.v, all.n, sizeof *all.v, compare_labels);
    }
    block_set_give_back(blocks, n_blocks);
    *out = all.v;
    *n = all.n;
    return true;
}
