/* The store's queries: what the head has, and what the blocks have, as one, series by series. The
 * head is asked first: samples move from it to the blocks, and are in both for a while. */
#include "store/block_select.h"
#include "base/check.h"
#include "base/mem.h"
#include "block/walk.h"
#include "store/selection.h"

#include <stdlib.h>

bool over_limit(uint64_t max, struct err *err)
{
    return err_set(err, ERR_LIMIT, "the query reads more samples than its limit of %llu",
                   (unsigned long long)max);
}

static bool check_matchers(const struct matcher *m, size_t n, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        if (!matcher_matches(&m[i], STR("")))
            return true;
    }
    return err_set(err, ERR_BAD_INPUT,
                   "a selector needs at least one matcher that does not match the empty value");
}

/* One query over head and blocks. */
struct merge {
    const struct block_question *q;
    struct arena *arena; /* of the answer */
    struct store_visitor *visitor;
    const struct block_head *head;
    size_t i_head;
    struct block_set *set;
    struct block **blocks;
    struct block_walk *walks;
    size_t n_blocks;
    struct block *culprit; /* whom the error is about */
    struct points points;  /* of one series */
    uint64_t histograms;   /* what those so far cost */
    bool any_given;
    struct labels given; /* the last ones; all before are done */
};

/* The least label set at which anything stands. The head's own labels need no copy. */
static bool least_labels(const struct merge *m, struct labels *out, bool *in_head)
{
    bool any = block_walk_least(m->walks, m->n_blocks, out);
    *in_head = false;
    if (m->i_head < m->head->n) {
        struct labels head = m->head->labels(m->head->self, m->i_head);
        *in_head = !any || labels_cmp(head, *out) <= 0;
        if (*in_head)
            *out = head;
        any = true;
    }
    return any;
}

static uint64_t cost_of_histograms(const struct points *p)
{
    return points_cost(p) - p->n;
}

static bool check_cost(const struct merge *m, struct err *err)
{
    const struct points *p = &m->points;
    if (p->n > m->q->max_samples ||
        (p->n_histograms > 0 && m->histograms + cost_of_histograms(p) > m->q->max_samples))
        return over_limit(m->q->max_samples, err);
    return true;
}

static bool read_walk(struct merge *m, struct block_walk *w, struct err *err)
{
    const struct block_question *q = m->q;
    uint32_t ref = block_walk_ref(w);
    bool done =
        q->first_only
            ? block_read_first(w->block, ref, &w->series, q->mint_ms, q->maxt_ms, &m->points, err)
            : block_read(w->block, ref, &w->series, q->mint_ms, q->maxt_ms, &m->points, err);
    return done && check_cost(m, err) && block_walk_next(w, err);
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

static bool give(struct merge *m, struct labels labels, struct err *err)
{
    const struct points *p = &m->points;
    m->any_given = true;
    m->given = labels;
    if (p->n + p->n_histograms == 0)
        return true;
    if (p->n_histograms > 0)
        m->histograms += cost_of_histograms(p);
    return m->visitor->see(m->visitor,
                           &(struct store_series_data){.labels = labels,
                                                       .n = p->n,
                                                       .samples = p->samples,
                                                       .n_histograms = p->n_histograms,
                                                       .histograms = p->histograms},
                           err);
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
    m->culprit = NULL;
    if (in_head)
        m->head->read(m->head->self, m->i_head++, &m->points);
    points_sort(&m->points);
    if (m->q->first_only)
        keep_first(&m->points);
    return check_cost(m, err) && give(m, copy, err);
}

/* Before its first series that has not been given yet. */
static bool begin_walk(struct merge *m, size_t i, struct err *err)
{
    struct block_walk *w = &m->walks[i];
    m->culprit = m->blocks[i];
    bool done = block_walk_begin(w, m->blocks[i], m->arena, m->q->matchers, m->q->n_matchers, err);
    while (done && m->any_given && !block_walk_at_end(w) &&
           labels_cmp(w->series.labels, m->given) <= 0)
        done = block_walk_next(w, err);
    return done;
}

static bool merge_all(struct merge *m, struct err *err)
{
    struct labels least;
    bool in_head, done = true;
    m->blocks = block_set_take(m->set, m->arena, m->q->mint_ms, m->q->maxt_ms, &m->n_blocks);
    m->walks = mem_array(m->n_blocks + 1, sizeof *m->walks);
    for (size_t i = 0; done && i < m->n_blocks; i++)
        done = begin_walk(m, i, err);
    if (done)
        m->culprit = NULL;
    while (done && least_labels(m, &least, &in_head))
        done = merge_series(m, least, in_head, err);
    return done;
}

static void end_walks(struct merge *m)
{
    for (size_t i = 0; i < m->n_blocks; i++)
        block_walk_release(&m->walks[i]);
    free(m->walks);
    block_set_give_back(m->blocks, m->n_blocks);
}

bool block_visit(struct block_set *blocks, const struct block_question *q, struct arena *arena,
                 const struct block_head *head, struct store_visitor *visitor, struct err *err)
{
    struct merge m = {.q = q,
                      .arena = arena,
                      .visitor = visitor,
                      .head = head,
                      .set = blocks,
                      .points = {.arena = arena}};
    bool done, damaged;
    do {
        struct err why = ERR_INIT;
        m.culprit = NULL;
        done = merge_all(&m, &why);
        damaged = !done && m.culprit && why.code == ERR_CORRUPT;
        if (damaged)
            block_set_aside(blocks, m.culprit, &why);
        else if (!done && err)
            *err = why;
        end_walks(&m);
    } while (damaged);
    points_release(&m.points);
    return done;
}

/* --- The store's own head --- */

/* Blocks have all before the horizon; the head only some. */
static int64_t head_from(struct store *s, int64_t mint_ms)
{
    int64_t horizon_ms = atomic_load(&s->head.horizon_ms);
    return mint_ms < horizon_ms ? horizon_ms : mint_ms;
}

struct own_head {
    struct selection found;
    struct block_question q;
    struct block_erased *erased; /* NULL: nothing */
    struct points points;        /* of one series, while something is erased */
};

static struct labels own_labels(void *self, size_t i)
{
    const struct own_head *h = self;
    return h->found.v[i].labels;
}

static void read_own(void *self, size_t i, struct points *out)
{
    struct own_head *h = self;
    const struct selected *one = &h->found.v[i];
    if (!h->erased) {
        selection_read(one, &h->q, out);
        return;
    }
    points_clear(&h->points);
    selection_read(one, &h->q, &h->points);
    block_erased_apply(h->erased, one->labels, &h->points);
    points_append(out, &h->points);
}

static bool visit(struct store *s, const struct block_question *q, struct arena *arena,
                  struct store_visitor *visitor, struct err *err)
{
    struct own_head h = {.q = *q, .points = {.arena = arena}};
    if (!check_matchers(q->matchers, q->n_matchers, err))
        return false;
    if (!block_erased_is_empty(s->erased)) {
        h.erased = s->erased;
        h.q.first_only = false;
    }
    h.q.mint_ms = head_from(s, q->mint_ms);
    if (h.q.mint_ms <= q->maxt_ms && !selection_take(s, arena, &h.q, &h.found, err))
        return false;
    const struct block_head head = {&h, h.found.n, own_labels, read_own};
    bool done = block_visit(s->blocks, q, arena, &head, visitor, err);
    points_release(&h.points);
    return done;
}

bool store_visit(struct store *s, struct arena *arena, const struct matcher *m, size_t n_matchers,
                 int64_t mint_ms, int64_t maxt_ms, uint64_t max_samples,
                 struct store_visitor *visitor, struct err *err)
{
    struct block_question q = {.matchers = m,
                               .n_matchers = n_matchers,
                               .mint_ms = mint_ms,
                               .maxt_ms = maxt_ms,
                               .max_samples = max_samples ? max_samples : BLOCK_MAX_SAMPLES};
    return visit(s, &q, arena, visitor, err);
}

/* --- All at once --- */

static struct points points_of(const struct store_series_data *d)
{
    return (struct points){.samples = (struct sample *)(uintptr_t)d->samples,
                           .n = d->n,
                           .histograms = (struct histogram_sample *)(uintptr_t)d->histograms,
                           .n_histograms = d->n_histograms};
}

struct collector {
    struct store_visitor visitor;
    struct arena *arena;
    uint64_t max, left;
    struct store_series_data *v;
    size_t n, capacity;
};

static bool collect(struct store_visitor *visitor, const struct store_series_data *d,
                    struct err *err)
{
    struct collector *c = (struct collector *)visitor;
    struct points p = points_of(d);
    uint64_t cost = points_cost(&p);
    if (cost > c->left)
        return over_limit(c->max, err);
    c->left -= cost;
    c->v = arena_grow(c->arena, c->v, c->n, &c->capacity, sizeof *c->v);
    struct store_series_data *out = &c->v[c->n++];
    *out = *d;
    if (d->n > 0)
        out->samples = arena_memdup(c->arena, d->samples, d->n * sizeof *d->samples);
    if (d->n_histograms > 0)
        out->histograms =
            arena_memdup(c->arena, d->histograms, d->n_histograms * sizeof *d->histograms);
    return true;
}

static struct collector collector_of(struct arena *arena, uint64_t max)
{
    return (struct collector){.visitor = {collect}, .arena = arena, .max = max, .left = max};
}

static bool select_all(struct store *s, const struct block_question *q, struct arena *arena,
                       struct store_series_data **out, size_t *n, struct err *err)
{
    struct collector c = collector_of(arena, q->max_samples);
    bool done = visit(s, q, arena, &c.visitor, err);
    *out = c.v;
    *n = c.n;
    return done;
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
    return select_all(s, &q, arena, out, n, err);
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
    return select_all(s, &q, arena, out, n, err);
}

/* --- A head that is there as series already --- */

static struct labels labels_of(void *self, size_t i)
{
    return ((const struct store_series_data *)self)[i].labels;
}

static void read_series(void *self, size_t i, struct points *out)
{
    struct points p = points_of(&((const struct store_series_data *)self)[i]);
    points_append(out, &p);
}

bool block_ask(struct block_set *blocks, const struct block_question *q, struct arena *arena,
               const struct store_series_data *head, size_t n_head, struct store_series_data **out,
               size_t *n, struct err *err)
{
    struct collector c = collector_of(arena, q->max_samples);
    const struct block_head series = {(void *)(uintptr_t)head, n_head, labels_of, read_series};
    bool done = block_visit(blocks, q, arena, &series, &c.visitor, err);
    *out = c.v;
    *n = c.n;
    return done;
}
