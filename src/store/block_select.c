/* The store's queries: what the head has, and what the blocks have, as one. The head is asked
 * first: samples move from it to the blocks, and are in both for a while. */
#include "store/block_select.h"
#include "base/check.h"
#include "base/mem.h"
#include "block/walk.h"
#include "store/internal.h"

#include <stdlib.h>

/* One query over head and blocks. */
struct merge {
    const struct block_question *q;
    struct arena *arena; /* of the answer */
    const struct store_series_data *head;
    size_t n_head, i_head;
    struct block **blocks;
    struct block_walk *walks;
    size_t n_blocks;
    struct block *culprit; /* whom the error is about */
    struct points points;
    uint64_t left;
    struct store_series_data *out;
    size_t n, capacity;
};

/* The least label set at which anything stands. The head's own labels need no copy. */
static bool least_labels(const struct merge *m, struct labels *out, bool *in_head)
{
    bool any = block_walk_least(m->walks, m->n_blocks, out);
    *in_head = false;
    if (m->i_head < m->n_head) {
        struct labels head = m->head[m->i_head].labels;
        *in_head = !any || labels_cmp(head, *out) <= 0;
        if (*in_head)
            *out = head;
        any = true;
    }
    return any;
}

static bool check_cost(const struct merge *m, struct err *err)
{
    if (m->points.n > m->left || (m->points.n_histograms > 0 && points_cost(&m->points) > m->left))
        return err_set(err, ERR_LIMIT, "the query reads more samples than its limit of %llu",
                       (unsigned long long)m->q->max_samples);
    return true;
}

static bool read_walk(struct merge *m, struct block_walk *w, struct err *err)
{
    const struct block_question *q = m->q;
    uint32_t ref = block_walk_ref(w);
    m->culprit = w->block;
    bool done =
        q->first_only
            ? block_read_first(w->block, ref, &w->series, q->mint_ms, q->maxt_ms, &m->points, err)
            : block_read(w->block, ref, &w->series, q->mint_ms, q->maxt_ms, &m->points, err);
    return done && check_cost(m, err) && block_walk_next(w, err);
}

static void add_head(struct merge *m)
{
    const struct store_series_data *d = &m->head[m->i_head++];
    for (size_t i = 0; i < d->n; i++)
        points_add(&m->points, d->samples[i]);
    for (size_t i = 0; i < d->n_histograms; i++)
        points_add_histogram(&m->points, d->histograms[i]);
}

/* The earliest only, of either kind. */
static void keep_first(struct points *p)
{
    p->n = p->n ? 1 : 0;
    p->n_histograms = p->n_histograms ? 1 : 0;
    if (p->n && p->n_histograms && p->samples[0].t_ms < p->histograms[0].t_ms)
        p->n_histograms = 0;
    else if (p->n_histograms)
        p->n = 0;
}

static void give(struct merge *m, struct labels labels)
{
    const struct points *p = &m->points;
    m->left -= points_cost(p) < m->left ? points_cost(p) : m->left;
    m->out = arena_grow(m->arena, m->out, m->n, &m->capacity, sizeof *m->out);
    m->out[m->n++] = (struct store_series_data){
        .labels = labels,
        .n = p->n,
        .samples = p->n ? arena_memdup(m->arena, p->samples, p->n * sizeof *p->samples) : NULL,
        .n_histograms = p->n_histograms,
        .histograms = p->n_histograms ? arena_memdup(m->arena, p->histograms,
                                                     p->n_histograms * sizeof *p->histograms)
                                      : NULL};
}

/* With `first_only` a block is not read once an older one has had a sample: blocks are by time, and
 * only those that overlap can be wrong about that. */
static bool is_settled(const struct merge *m, const struct block *b)
{
    const struct points *p = &m->points;
    return m->q->first_only && ((p->n > 0 && p->samples[0].t_ms < b->meta.min_ms) ||
                                (p->n_histograms > 0 && p->histograms[0].t_ms < b->meta.min_ms));
}

static bool merge_series(struct merge *m, struct labels labels, bool in_head, struct err *err)
{
    struct labels copy = in_head ? labels : labels_copy(m->arena, labels);
    points_clear(&m->points);
    for (size_t i = 0; i < m->n_blocks; i++) {
        struct block_walk *w = &m->walks[i];
        if (!block_walk_is_at(w, copy))
            continue;
        m->culprit = w->block;
        if (is_settled(m, w->block) ? !block_walk_next(w, err) : !read_walk(m, w, err))
            return false;
    }
    if (in_head)
        add_head(m);
    m->culprit = NULL;
    points_sort(&m->points);
    if (m->q->first_only)
        keep_first(&m->points);
    if (!check_cost(m, err))
        return false;
    if (m->points.n + m->points.n_histograms > 0)
        give(m, copy);
    return true;
}

static bool merge_all(struct merge *m, struct err *err)
{
    struct labels least;
    bool in_head;
    for (size_t i = 0; i < m->n_blocks; i++) {
        m->culprit = m->blocks[i];
        if (!block_walk_begin(&m->walks[i], m->blocks[i], m->arena, m->q->matchers,
                              m->q->n_matchers, err))
            return false;
    }
    m->culprit = NULL;
    while (least_labels(m, &least, &in_head)) {
        if (!merge_series(m, least, in_head, err))
            return false;
    }
    return true;
}

static void merge_release(struct merge *m)
{
    for (size_t i = 0; i < m->n_blocks; i++)
        block_walk_release(&m->walks[i]);
    free(m->walks);
    points_release(&m->points);
}

/* Once; *damaged: a block was, it has been set aside, and the question may be asked again. */
static bool ask_once(struct block_set *blocks, const struct block_question *q, struct arena *arena,
                     const struct store_series_data *head, size_t n_head,
                     struct store_series_data **out, size_t *n, bool *damaged, struct err *err)
{
    struct merge m = {.q = q, .arena = arena, .head = head, .n_head = n_head};
    struct err why = ERR_INIT;
    m.points.arena = arena;
    m.left = q->max_samples;
    m.blocks = block_set_take(blocks, arena, q->mint_ms, q->maxt_ms, &m.n_blocks);
    m.walks = mem_array(m.n_blocks + 1, sizeof *m.walks);
    bool done = m.n_blocks == 0 || merge_all(&m, &why);
    *out = m.n_blocks == 0 ? (struct store_series_data *)(uintptr_t)head : m.out;
    *n = m.n_blocks == 0 ? n_head : m.n;
    *damaged = !done && m.culprit && why.code == ERR_CORRUPT;
    if (*damaged)
        block_set_aside(blocks, m.culprit, &why);
    if (!done && err)
        *err = why;
    merge_release(&m);
    block_set_give_back(m.blocks, m.n_blocks);
    return done;
}

bool block_ask(struct block_set *blocks, const struct block_question *q, struct arena *arena,
               const struct store_series_data *head, size_t n_head, struct store_series_data **out,
               size_t *n, struct err *err)
{
    bool done, damaged;
    do
        done = ask_once(blocks, q, arena, head, n_head, out, n, &damaged, err);
    while (damaged);
    return done;
}

/* What is deleted of the head. */
static void erase(struct store *s, const struct block_question *q, struct arena *arena,
                  struct store_series_data *v, size_t *n)
{
    struct points p = {.arena = arena};
    size_t kept = 0;
    for (size_t i = 0; i < *n; i++) {
        struct merge m = {.arena = arena, .head = &v[i], .points = p};
        points_clear(&m.points);
        add_head(&m);
        block_erased_apply(s->erased, v[i].labels, &m.points);
        if (q->first_only)
            keep_first(&m.points);
        p = m.points;
        if (p.n + p.n_histograms == 0)
            continue;
        if (p.n + p.n_histograms < v[i].n + v[i].n_histograms) {
            struct merge one = {.arena = arena, .points = p};
            give(&one, v[i].labels);
            v[i] = one.out[0];
        }
        v[kept++] = v[i];
    }
    *n = kept;
    points_release(&p);
}

/* Blocks have all before the horizon; the head only some. */
static int64_t head_from(struct store *s, int64_t mint_ms)
{
    int64_t horizon_ms = atomic_load(&s->head.horizon_ms);
    return mint_ms < horizon_ms ? horizon_ms : mint_ms;
}

static bool ask(struct store *s, const struct block_question *q, struct arena *arena,
                struct store_series_data **out, size_t *n, struct err *err)
{
    struct store_series_data *head;
    size_t n_head;
    int64_t from_ms = head_from(s, q->mint_ms);
    bool done = q->first_only && block_erased_is_empty(s->erased)
                    ? head_select_first(s, arena, q->matchers, q->n_matchers, from_ms, q->maxt_ms,
                                        &head, &n_head, err)
                    : head_select(s, arena, q->matchers, q->n_matchers, from_ms, q->maxt_ms,
                                  q->max_samples, &head, &n_head, err);
    if (!done)
        return false;
    if (!block_erased_is_empty(s->erased))
        erase(s, q, arena, head, &n_head);
    return block_ask(s->blocks, q, arena, head, n_head, out, n, err);
}

bool store_select(struct store *s, struct arena *arena, const struct matcher *m, size_t n_matchers,
                  int64_t mint_ms, int64_t maxt_ms, uint64_t max_samples,
                  struct store_series_data **out, size_t *n, struct err *err)
{
    struct block_question q = {.matchers = m,
                               .n_matchers = n_matchers,
                               .mint_ms = mint_ms,
                               .maxt_ms = maxt_ms,
                               .max_samples = max_samples ? max_samples : BLOCK_MAX_SAMPLES};
    return ask(s, &q, arena, out, n, err);
}

bool store_select_first(struct store *s, struct arena *arena, const struct matcher *m,
                        size_t n_matchers, int64_t mint_ms, int64_t maxt_ms,
                        struct store_series_data **out, size_t *n, struct err *err)
{
    struct block_question q = {.matchers = m,
                               .n_matchers = n_matchers,
                               .mint_ms = mint_ms,
                               .maxt_ms = maxt_ms,
                               .max_samples = BLOCK_MAX_SAMPLES,
                               .first_only = true};
    return ask(s, &q, arena, out, n, err);
}

/* --- Labels, of all times --- */

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
                               const struct matcher *m, size_t n_matchers, struct str **out,
                               size_t *n, struct err *err)
{
    struct strings found = {0};
    struct block_series series;
    uint32_t *refs;
    size_t n_refs;
    bool done = block_index_select(x, arena, m, n_matchers, &refs, &n_refs, err);
    for (size_t i = 0; done && i < n_refs; i++) {
        done = block_index_series(x, arena, refs[i], &series, err);
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
                          const struct matcher *m, size_t n_matchers, struct str **out, size_t *n,
                          struct err *err)
{
    if (n_matchers > 0)
        return strings_of_matches(x, arena, name, m, n_matchers, out, n, err);
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
                              const struct matcher *m, size_t n_matchers, struct strings *all)
{
    struct arena each = ARENA_INIT;
    size_t n_blocks;
    struct block **blocks = block_set_take(s->blocks, arena, INT64_MIN, INT64_MAX, &n_blocks);
    for (size_t i = 0; i < n_blocks; i++) {
        struct err err = ERR_INIT;
        struct strings found = {0};
        bool done =
            block_open(blocks[i], &err) &&
            block_strings(blocks[i]->index, &each, name, m, n_matchers, &found.v, &found.n, &err);
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
                          const struct matcher *m, size_t n_matchers, struct str **out, size_t *n)
{
    struct strings all = {0};
    for (size_t i = 0; i < *n; i++)
        push_string(&all, arena, (*out)[i]);
    add_block_strings(s, arena, name, m, n_matchers, &all);
    *out = all.v;
    *n = all.n;
}

bool store_label_names(struct store *s, struct arena *arena, const struct matcher *m,
                       size_t n_matchers, struct str **out, size_t *n, struct err *err)
{
    if (!head_label_names(s, arena, m, n_matchers, out, n, err))
        return false;
    merge_strings(s, arena, STR(""), m, n_matchers, out, n);
    return true;
}

bool store_label_values(struct store *s, struct arena *arena, struct str name,
                        const struct matcher *m, size_t n_matchers, struct str **out, size_t *n,
                        struct err *err)
{
    if (!head_label_values(s, arena, name, m, n_matchers, out, n, err))
        return false;
    if (name.n > 0)
        merge_strings(s, arena, name, m, n_matchers, out, n);
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
static bool add_block_series(struct block *b, struct arena *arena, const struct matcher *m,
                             size_t n_matchers, const struct label_sets *sorted,
                             struct label_sets *out, struct err *err)
{
    struct block_walk w;
    struct arena refs = ARENA_INIT;
    bool done = block_walk_begin(&w, b, &refs, m, n_matchers, err);
    for (size_t i = 0; done && !block_walk_at_end(&w);) {
        while (i < sorted->n && labels_cmp(sorted->v[i], w.series.labels) < 0)
            i++;
        if (i == sorted->n || labels_cmp(sorted->v[i], w.series.labels) != 0)
            push_labels(out, arena, labels_copy(arena, w.series.labels));
        done = block_walk_next(&w, err);
    }
    block_walk_release(&w);
    arena_release(&refs);
    return done;
}

bool store_series_list(struct store *s, struct arena *arena, const struct matcher *m,
                       size_t n_matchers, struct labels **out, size_t *n, struct err *err)
{
    struct label_sets all = {0};
    size_t n_blocks;
    if (!head_series_list(s, arena, m, n_matchers, out, n, err))
        return false;
    struct block **blocks = block_set_take(s->blocks, arena, INT64_MIN, INT64_MAX, &n_blocks);
    for (size_t i = 0; i < *n; i++)
        push_labels(&all, arena, (*out)[i]);
    for (size_t i = 0; i < n_blocks; i++) {
        struct label_sets more = {0};
        struct err why = ERR_INIT;
        if (!add_block_series(blocks[i], arena, m, n_matchers, &all, &more, &why)) {
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
