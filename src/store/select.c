#include "base/check.h"
#include "base/mem.h"
#include "codec/bits.h"
#include "store/internal.h"

#include <stdlib.h>

#define DEFAULT_MAX_SAMPLES 50000000

/* A float chunk, to be read without the lock: its bytes are pinned, but for the last one, which
 * goes on changing while the chunk is open. */
struct piece {
    struct chunk chunk;
    uint8_t last_byte;
    bool is_open;
};

/* A series, its labels once they are wanted, and what was found of it while it was locked. */
struct selected {
    struct series *series;
    struct labels labels;
    const struct piece *pieces;
    size_t n_pieces;
    const struct histogram_sample *histograms;
    size_t n_histograms;
    const struct sample *late;
    size_t n_late;
};

/* By ref or by labels; arena memory. */
struct selection {
    struct selected *v;
    size_t n;
    size_t capacity;
};

static void push(struct arena *arena, struct selection *s, struct series *series)
{
    s->v = arena_grow(arena, s->v, s->n, &s->capacity, sizeof *s->v);
    s->v[s->n++] = (struct selected){.series = series};
}

/* Whether a regular expression matches a label, asked once a label. Open addressing, at most half
 * full. */
struct memo {
    struct answer {
        uint32_t number; /* of the pair, plus one; 0 = free */
        bool matches;
    } * slots;
    size_t n_slots;
};

static void memo_init(struct memo *memo, struct arena *arena, const struct index_name *name)
{
    memo->n_slots = 4;
    while (memo->n_slots < 2 * ((size_t)name->n_pairs + 1))
        memo->n_slots *= 2;
    memo->slots = ARENA_ARRAY(arena, struct answer, memo->n_slots);
}

static bool memo_matches(struct memo *memo, const struct matcher *m, const struct index_pair *pair)
{
    size_t i = pair->number & (memo->n_slots - 1);
    for (; memo->slots[i].number != 0; i = (i + 1) & (memo->n_slots - 1)) {
        if (memo->slots[i].number == pair->number + 1)
            return memo->slots[i].matches;
    }
    memo->slots[i] = (struct answer){pair->number + 1, matcher_matches(m, pair->value)};
    return memo->slots[i].matches;
}

static bool is_regex(const struct matcher *m)
{
    return m->type == MATCH_REGEX || m->type == MATCH_NOT_REGEX;
}

static bool has_label(const struct series *s, uint32_t number)
{
    for (uint32_t i = 0; i < s->labels.n; i++) {
        if (s->labels.v[i] == number)
            return true;
    }
    return false;
}

/* NULL when it has no label of the name, which may be NULL. */
static const struct index_pair *label_of(const struct index *index, const struct series *s,
                                         const struct index_name *name)
{
    for (uint32_t i = 0; name && i < s->labels.n; i++) {
        const struct index_pair *pair = index_pair_of(index, s->labels.v[i]);
        if (pair->name == name)
            return pair;
    }
    return NULL;
}

/* Keep the series that have the label, or those that do not. */
static void filter_equal(struct selection *sel, const struct index_pair *pair, bool wanted)
{
    size_t kept = 0;
    for (size_t i = 0; i < sel->n; i++) {
        if ((pair && has_label(sel->v[i].series, pair->number)) == wanted)
            sel->v[kept++] = sel->v[i];
    }
    sel->n = kept;
}

/* Keep the series that one matcher accepts. */
static void filter(struct store *s, struct arena *arena, struct selection *sel,
                   const struct matcher *m)
{
    const struct index *index = &s->head.index;
    const struct index_name *name = index_find_name(index, m->name);
    struct memo memo = {0};
    size_t kept = 0;
    if (!is_regex(m) && m->value.n > 0) {
        filter_equal(sel, index_find(index, (struct label){m->name, m->value}),
                     m->type == MATCH_EQUAL);
        return;
    }
    if (is_regex(m) && name)
        memo_init(&memo, arena, name);
    bool empty_matches = matcher_matches(m, STR(""));
    for (size_t i = 0; i < sel->n; i++) {
        const struct index_pair *pair = label_of(index, sel->v[i].series, name);
        bool matches = !pair        ? empty_matches
                       : memo.slots ? memo_matches(&memo, m, pair)
                                    : matcher_matches(m, pair->value);
        if (matches)
            sel->v[kept++] = sel->v[i];
    }
    sel->n = kept;
}

static void add_postings(struct store *s, struct arena *arena, struct selection *sel,
                         const struct index_pair *pair)
{
    struct postings_cursor c = {pair, 0, 0};
    for (uint32_t slot; pair && postings_next(&c, &slot);) {
        struct series *series = head_in(&s->head, slot);
        if (series)
            push(arena, sel, series);
    }
}

/* The series that have a value which one matcher accepts; each is under one value only. */
static void collect(struct store *s, struct arena *arena, struct selection *sel,
                    const struct matcher *m)
{
    const struct index *index = &s->head.index;
    if (m->type == MATCH_EQUAL) {
        add_postings(s, arena, sel, index_find(index, (struct label){m->name, m->value}));
        return;
    }
    const struct index_name *name = index_find_name(index, m->name);
    for (uint32_t i = 0; name && i < name->n_pairs; i++) {
        const struct index_pair *pair = index_pair_of(index, name->pairs[i]);
        if (matcher_matches(m, pair->value))
            add_postings(s, arena, sel, pair);
    }
}

/* How many series a matcher would collect; regular expressions are not asked, they come last. */
static size_t estimate(struct store *s, const struct matcher *m)
{
    if (m->type != MATCH_EQUAL)
        return SIZE_MAX - (m->type == MATCH_REGEX ? 1 : 0);
    const struct index_pair *p = index_find(&s->head.index, (struct label){m->name, m->value});
    return p ? p->n : 0;
}

/* The cheapest matcher that does not accept the empty value, so that postings can answer it. */
static const struct matcher *choose_first(struct store *s, const struct matcher *m, size_t n)
{
    const struct matcher *best = NULL;
    size_t best_n = 0;
    for (size_t i = 0; i < n; i++) {
        if (matcher_matches(&m[i], STR("")))
            continue;
        size_t found = estimate(s, &m[i]);
        if (!best || found < best_n) {
            best = &m[i];
            best_n = found;
        }
    }
    return best;
}

static void collect_all(struct store *s, struct arena *arena, struct selection *sel)
{
    uint32_t n = atomic_load(&s->head.n_used);
    for (uint32_t slot = 1; slot <= n; slot++) {
        struct series *series = head_in(&s->head, slot);
        if (series)
            push(arena, sel, series);
    }
}

static const struct series_rest *rest_of(const struct series *s)
{
    return atomic_load_explicit(&s->rest, memory_order_relaxed);
}

static bool has_samples(const struct series *s)
{
    return series_n_chunks(s) > 0 || (rest_of(s) && rest_oldest(rest_of(s)) != INT64_MAX);
}

static void drop_empty(struct selection *sel)
{
    size_t kept = 0;
    for (size_t i = 0; i < sel->n; i++) {
        if (has_samples(sel->v[i].series))
            sel->v[kept++] = sel->v[i];
    }
    sel->n = kept;
}

/* The series that have samples and match; of all, without a matcher. `visible` is held. */
static bool resolve(struct store *s, struct arena *arena, const struct matcher *m, size_t n,
                    struct selection *sel, struct err *err)
{
    bool done = true;
    *sel = (struct selection){0};
    pthread_rwlock_rdlock(&s->head.index_lock);
    const struct matcher *first = choose_first(s, m, n);
    if (first)
        collect(s, arena, sel, first);
    else if (n == 0)
        collect_all(s, arena, sel);
    else
        done = err_set(err, ERR_BAD_INPUT,
                       "a selector needs at least one matcher that does not match the empty value");
    for (size_t i = 0; i < n && sel->n > 0; i++) {
        if (&m[i] != first)
            filter(s, arena, sel, &m[i]);
    }
    pthread_rwlock_unlock(&s->head.index_lock);
    drop_empty(sel);
    return done;
}

/* labels_cmp, with the short cut that equal strings are the same string here. */
static int compare_series(const void *left, const void *right)
{
    const struct labels a = ((const struct selected *)left)->labels;
    const struct labels b = ((const struct selected *)right)->labels;
    for (size_t i = 0; i < a.n && i < b.n; i++) {
        if (a.v[i].name.p != b.v[i].name.p)
            return str_cmp(a.v[i].name, b.v[i].name);
        if (a.v[i].value.p != b.v[i].value.p)
            return str_cmp(a.v[i].value, b.v[i].value);
    }
    return (a.n > b.n) - (a.n < b.n);
}

static void write_labels(struct store *s, struct arena *arena, struct selection *sel)
{
    for (size_t i = 0; i < sel->n; i++)
        sel->v[i].labels = head_labels(&s->head, arena, sel->v[i].series);
}

static void sort_series(struct store *s, struct arena *arena, struct selection *sel)
{
    write_labels(s, arena, sel);
    if (sel->n > 1)
        qsort(sel->v, sel->n, sizeof *sel->v, compare_series);
}

/* For what reads no samples. The arena holds what was found. */
static bool resolve_unordered(struct store *s, struct arena *arena, const struct matcher *m,
                              size_t n, struct selection *sel, struct err *err)
{
    leases_take_for(s->head.readers, arena);
    pthread_rwlock_rdlock(&s->head.visible);
    bool done = resolve(s, arena, m, n, sel, err);
    pthread_rwlock_unlock(&s->head.visible);
    return done;
}

static bool resolve_in_order(struct store *s, struct arena *arena, const struct matcher *m,
                             size_t n, struct selection *sel, struct err *err)
{
    bool done = resolve_unordered(s, arena, m, n, sel, err);
    if (done)
        sort_series(s, arena, sel);
    return done;
}

/* Samples on their way from chunks to the arena; one for a whole query. */
struct scratch {
    struct sample *v;
    size_t n;
    size_t capacity;
};

static void scratch_reserve(struct scratch *s, size_t more)
{
    if (s->n + more <= s->capacity)
        return;
    s->capacity = (s->n + more) * 2;
    s->v = mem_resize(s->v, s->capacity, sizeof *s->v);
}

static void read_chunk(struct scratch *s, const struct chunk *c, int64_t mint_ms, int64_t maxt_ms)
{
    scratch_reserve(s, c->n);
    struct sample *v = s->v + s->n;
    size_t from = 0, to = chunk_read(c, v);
    while (from < to && v[from].t_ms < mint_ms)
        from++;
    while (to > from && v[to - 1].t_ms > maxt_ms)
        to--;
    if (from > 0)
        memmove(v, v + from, (to - from) * sizeof *v);
    s->n += to - from;
}

static void read_piece(struct scratch *s, const struct piece *p, int64_t mint_ms, int64_t maxt_ms)
{
    uint8_t bytes[SLAB_MAX_BYTES + BITS_PAD_BYTES];
    struct chunk c = p->chunk;
    if (p->is_open) {
        memcpy(bytes, c.bytes, c.n_bits / 8);
        bytes[c.n_bits / 8] = p->last_byte;
        memset(bytes + c.n_bits / 8 + 1, 0, BITS_PAD_BYTES);
        c.bytes = bytes;
    }
    read_chunk(s, &c, mint_ms, maxt_ms);
}

static bool overlaps(const struct chunk *c, int64_t mint_ms, int64_t maxt_ms)
{
    return c->n > 0 && c->last_t_ms >= mint_ms && c->first_t_ms <= maxt_ms;
}

/* Put late samples, ascending as those there are, in their places. */
static void merge_late(struct scratch *s, const struct sample *late, size_t n)
{
    if (n == 0)
        return;
    scratch_reserve(s, n);
    size_t old = s->n, at = s->n + n;
    s->n = at;
    while (n > 0)
        s->v[--at] = old > 0 && s->v[old - 1].t_ms > late[n - 1].t_ms ? s->v[--old] : late[--n];
}

static const struct sample *take_late(struct arena *arena, const struct series *series,
                                      int64_t mint_ms, int64_t maxt_ms, uint64_t max, size_t *n)
{
    *n = 0;
    return rest_of(series) ? late_read(&rest_of(series)->late, arena, mint_ms, maxt_ms, max, n)
                           : NULL;
}

/* Stops soon after `max`, so that one enormous series cannot eat the memory either. */
static void read_series(struct scratch *s, const struct series *series, int64_t mint_ms,
                        int64_t maxt_ms, uint64_t max)
{
    s->n = 0;
    for (uint32_t i = 0; i < series_n_chunks(series) && s->n <= max; i++) {
        const struct chunk c = series_chunk(series, i);
        if (overlaps(&c, mint_ms, maxt_ms))
            read_chunk(s, &c, mint_ms, maxt_ms);
    }
}

/* Histograms go to the arena at once. *cost is what the query pays for them. */
static void read_histograms(struct arena *arena, const struct series *series, int64_t mint_ms,
                            int64_t maxt_ms, uint64_t max, size_t max_n,
                            const struct histogram_sample **out, size_t *n, uint64_t *cost)
{
    *cost = 0;
    *n = 0;
    if (rest_of(series))
        rest_read(rest_of(series), arena, mint_ms, maxt_ms, max, max_n, out, n, cost);
}

static void read_first(struct scratch *s, const struct series *series, int64_t mint_ms,
                       int64_t maxt_ms)
{
    s->n = 0;
    for (uint32_t i = 0; i < series_n_chunks(series) && s->n == 0; i++) {
        const struct chunk c = series_chunk(series, i);
        if (overlaps(&c, mint_ms, maxt_ms))
            read_chunk(s, &c, mint_ms, maxt_ms);
    }
    s->n = s->n ? 1 : 0;
}

/* What a query wants of the series that it selects. */
struct wanted {
    int64_t mint_ms, maxt_ms;
    uint64_t max;        /* samples, of all */
    bool first_only;     /* of each */
    uint64_t histograms; /* what these cost so far */
    uint64_t noted;      /* samples of chunks that lie wholly in the range, so far */
};

static void take_pieces(struct arena *arena, struct selected *sel, struct wanted *w)
{
    const struct series *series = sel->series;
    uint32_t from = 0, to = series_n_chunks(series);
    while (from < series->n_chunks && series->chunks[from].last_t_ms < w->mint_ms)
        from++;
    while (to > from && series_chunk(series, to - 1).first_t_ms > w->maxt_ms)
        to--;
    if (w->first_only && to > from)
        to = from + 1;
    struct piece *pieces = to > from ? arena_alloc(arena, (to - from) * sizeof *pieces) : NULL;
    for (uint32_t i = from; i < to; i++) {
        struct piece *p = &pieces[sel->n_pieces];
        *p = (struct piece){.chunk = series_chunk(series, i), .is_open = i == series->n_chunks};
        if (!overlaps(&p->chunk, w->mint_ms, w->maxt_ms))
            continue;
        if (p->is_open)
            p->last_byte = p->chunk.bytes[p->chunk.n_bits / 8];
        if (p->chunk.first_t_ms >= w->mint_ms && p->chunk.last_t_ms <= w->maxt_ms)
            w->noted += p->chunk.n;
        sel->n_pieces++;
    }
    sel->pieces = pieces;
}

static bool too_much(const struct wanted *w, struct err *err)
{
    return err_set(err, ERR_LIMIT, "the query reads more samples than its limit of %llu",
                   (unsigned long long)w->max);
}

/* All that is not safe without the lock. Few series have histograms or late samples: they are read
 * here. */
static bool take(struct arena *arena, struct selection *sel, struct wanted *w, struct err *err)
{
    uint64_t cost;
    for (size_t i = 0; i < sel->n; i++) {
        struct selected *one = &sel->v[i];
        take_pieces(arena, one, w);
        read_histograms(arena, one->series, w->mint_ms, w->maxt_ms, w->max - w->histograms,
                        w->first_only ? 1 : SIZE_MAX, &one->histograms, &one->n_histograms, &cost);
        one->late = take_late(arena, one->series, w->mint_ms, w->maxt_ms, w->max, &one->n_late);
        if (cost > w->max - w->histograms || w->noted > w->max)
            return too_much(w, err);
        w->histograms += cost;
    }
    return true;
}

/* Of the first of either kind. */
static void keep_earlier(struct store_series_data *d)
{
    if (d->n > 0 && d->n_histograms > 0) {
        if (d->samples[0].t_ms < d->histograms[0].t_ms)
            d->n_histograms = 0;
        else
            d->n = 0;
    }
}

/* Decodes what was taken. The lock is not held. */
static bool read_all(struct arena *arena, const struct selection *sel, const struct wanted *w,
                     struct store_series_data *out, size_t *n, struct err *err)
{
    struct scratch scratch = {0};
    uint64_t left = w->max - w->histograms;
    bool done = true;
    for (size_t i = 0; done && i < sel->n; i++) {
        const struct selected *one = &sel->v[i];
        struct store_series_data d = {.labels = one->labels,
                                      .histograms = one->histograms,
                                      .n_histograms = one->n_histograms};
        scratch.n = 0;
        for (size_t k = 0; k < one->n_pieces && scratch.n <= left; k++)
            read_piece(&scratch, &one->pieces[k], w->mint_ms, w->maxt_ms);
        merge_late(&scratch, one->late, one->n_late);
        d.n = w->first_only && scratch.n > 0 ? 1 : scratch.n;
        done = d.n <= left;
        if (done && d.n > 0)
            d.samples = arena_memdup(arena, scratch.v, d.n * sizeof *d.samples);
        if (w->first_only)
            keep_earlier(&d);
        if (done && d.n + d.n_histograms > 0)
            out[(*n)++] = d;
        left -= done ? d.n : 0;
    }
    free(scratch.v);
    return done || too_much(w, err);
}

/* Appends wait while the series are looked up and noted, not while they are decoded. */
static bool select_samples(struct store *s, struct arena *arena, const struct matcher *m,
                           size_t n_matchers, struct wanted *w, struct store_series_data **out,
                           size_t *n, struct err *err)
{
    struct selection sel;
    struct slab *slab = &s->head.slab;
    *n = 0;
    if (n_matchers == 0)
        return err_set(err, ERR_BAD_INPUT, "a selector needs at least one matcher");
    leases_take_for(s->head.readers, arena);
    pthread_rwlock_rdlock(&s->head.visible);
    unsigned pin = slab_pin(slab);
    bool done = resolve(s, arena, m, n_matchers, &sel, err) && take(arena, &sel, w, err);
    pthread_rwlock_unlock(&s->head.visible);
    if (done) {
        sort_series(s, arena, &sel);
        *out = ARENA_ARRAY(arena, struct store_series_data, sel.n);
        done = read_all(arena, &sel, w, *out, n, err);
    }
    slab_unpin(slab, pin);
    return done;
}

bool head_select(struct store *s, struct arena *arena, const struct matcher *m, size_t n_matchers,
                 int64_t mint_ms, int64_t maxt_ms, uint64_t max_samples,
                 struct store_series_data **out, size_t *n, struct err *err)
{
    struct wanted w = {.mint_ms = mint_ms,
                       .maxt_ms = maxt_ms,
                       .max = max_samples ? max_samples : DEFAULT_MAX_SAMPLES};
    return select_samples(s, arena, m, n_matchers, &w, out, n, err);
}

bool head_select_first(struct store *s, struct arena *arena, const struct matcher *m,
                       size_t n_matchers, int64_t mint_ms, int64_t maxt_ms,
                       struct store_series_data **out, size_t *n, struct err *err)
{
    struct wanted w = {
        .mint_ms = mint_ms, .maxt_ms = maxt_ms, .max = UINT64_MAX, .first_only = true};
    return select_samples(s, arena, m, n_matchers, &w, out, n, err);
}

uint32_t *head_refs(struct store *s, struct arena *arena, size_t *n)
{
    struct selection sel;
    struct err err = ERR_INIT;
    CHECK(resolve_in_order(s, arena, NULL, 0, &sel, &err));
    uint32_t *refs = ARENA_ARRAY(arena, uint32_t, sel.n);
    for (size_t i = 0; i < sel.n; i++)
        refs[i] = sel.v[i].series->ref;
    *n = sel.n;
    return refs;
}

void head_read(struct store *s, struct arena *arena, uint32_t ref, int64_t mint_ms, int64_t maxt_ms,
               struct points *out)
{
    struct scratch scratch = {0};
    const struct histogram_sample *histograms = NULL;
    size_t n_histograms, n_late;
    uint64_t cost;
    pthread_rwlock_rdlock(&s->head.visible);
    const struct series *series = head_at(&s->head, ref);
    read_series(&scratch, series, mint_ms, maxt_ms, UINT64_MAX - 1);
    const struct sample *late = take_late(arena, series, mint_ms, maxt_ms, UINT64_MAX - 1, &n_late);
    read_histograms(arena, series, mint_ms, maxt_ms, UINT64_MAX, SIZE_MAX, &histograms,
                    &n_histograms, &cost);
    pthread_rwlock_unlock(&s->head.visible);
    merge_late(&scratch, late, n_late);
    for (size_t i = 0; i < scratch.n; i++)
        points_add(out, scratch.v[i]);
    for (size_t i = 0; i < n_histograms; i++)
        points_add_histogram(out, histograms[i]);
    free(scratch.v);
}

/* The series' first sample at or after t_ms, when it is before `best`; else `best`. */
static int64_t oldest_of(const struct series *series, int64_t t_ms, int64_t best,
                         struct scratch *scratch, struct arena *arena)
{
    const struct histogram_sample *histograms = NULL;
    size_t n_histograms, n_late;
    uint64_t cost;
    read_first(scratch, series, t_ms, best);
    if (scratch->n > 0 && scratch->v[0].t_ms < best)
        best = scratch->v[0].t_ms;
    read_histograms(arena, series, t_ms, best, UINT64_MAX, 1, &histograms, &n_histograms, &cost);
    if (n_histograms > 0 && histograms[0].t_ms < best)
        best = histograms[0].t_ms;
    const struct sample *late = take_late(arena, series, t_ms, best, 0, &n_late);
    return n_late > 0 && late[0].t_ms < best ? late[0].t_ms : best;
}

int64_t head_oldest_from(struct store *s, int64_t t_ms)
{
    struct arena arena = ARENA_INIT;
    struct scratch scratch = {0};
    int64_t best = INT64_MAX;
    uint32_t n = atomic_load(&s->head.n_used);
    for (uint32_t slot = 1; slot <= n && best > t_ms; slot++) {
        pthread_rwlock_rdlock(&s->head.visible);
        const struct series *series = head_in(&s->head, slot);
        best = series ? oldest_of(series, t_ms, best, &scratch, &arena) : best;
        pthread_rwlock_unlock(&s->head.visible);
        arena_clear(&arena);
    }
    free(scratch.v);
    arena_release(&arena);
    return best;
}

static int compare_refs(const void *left, const void *right)
{
    const uint32_t *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

static uint32_t *sorted_refs(struct arena *arena, const struct selection *sel)
{
    uint32_t *refs = ARENA_ARRAY(arena, uint32_t, sel->n);
    for (size_t i = 0; i < sel->n; i++)
        refs[i] = sel->v[i].series->ref;
    if (sel->n > 1)
        qsort(refs, sel->n, sizeof *refs, compare_refs);
    return refs;
}

/* Where the exemplars of a ref, or of the next one, begin. */
static size_t lower_bound(const uint32_t *refs, size_t n, uint32_t ref)
{
    size_t low = 0;
    while (n > 0) {
        size_t half = n / 2;
        bool below = refs[low + half] < ref;
        low += below ? half + 1 : 0;
        n = below ? n - half - 1 : half;
    }
    return low;
}

bool store_select_exemplars(struct store *s, struct arena *arena, const struct matcher *m,
                            size_t n_matchers, int64_t mint_ms, int64_t maxt_ms,
                            struct store_series_exemplars **out, size_t *n, struct err *err)
{
    struct selection sel;
    struct store_exemplar *found;
    uint32_t *refs;
    *n = 0;
    if (n_matchers == 0)
        return err_set(err, ERR_BAD_INPUT, "a selector needs at least one matcher");
    if (!resolve_in_order(s, arena, m, n_matchers, &sel, err))
        return false;
    size_t n_found = exemplars_find(&s->head.exemplars, arena, sorted_refs(arena, &sel), sel.n,
                                    mint_ms, maxt_ms, &found, &refs);
    *out = ARENA_ARRAY(arena, struct store_series_exemplars, sel.n);
    for (size_t i = 0; i < sel.n; i++) {
        uint32_t ref = sel.v[i].series->ref;
        size_t begin = lower_bound(refs, n_found, ref), end = begin;
        while (end < n_found && refs[end] == ref)
            end++;
        if (end > begin)
            (*out)[(*n)++] =
                (struct store_series_exemplars){sel.v[i].labels, end - begin, found + begin};
    }
    return true;
}

bool head_series_list(struct store *s, struct arena *arena, const struct matcher *m,
                      size_t n_matchers, struct labels **out, size_t *n, struct err *err)
{
    struct selection sel;
    if (!resolve_in_order(s, arena, m, n_matchers, &sel, err))
        return false;
    *out = ARENA_ARRAY(arena, struct labels, sel.n);
    for (size_t i = 0; i < sel.n; i++)
        (*out)[i] = sel.v[i].labels;
    *n = sel.n;
    return true;
}

static int compare_strings(const void *left, const void *right)
{
    const struct str *a = left, *b = right;
    return str_cmp(*a, *b);
}

/* The keys of a set, sorted. They are borrowed from the index. */
static void sorted_keys(const struct map *set, struct arena *arena, struct str **out, size_t *n)
{
    struct str key;
    void *label;
    *n = 0;
    *out = ARENA_ARRAY(arena, struct str, map_count(set));
    for (size_t i = 0; map_next(set, &i, &key, &label);)
        (*out)[(*n)++] = str_make(label, key.n);
    if (*n > 1)
        qsort(*out, *n, sizeof **out, compare_strings);
}

static void add_key(struct map *set, struct str key)
{
    if (!map_get(set, key))
        (void)map_set(set, key, (void *)(uintptr_t)key.p);
}

bool head_label_names(struct store *s, struct arena *arena, const struct matcher *m,
                      size_t n_matchers, struct str **out, size_t *n, struct err *err)
{
    struct selection sel;
    if (!resolve_unordered(s, arena, m, n_matchers, &sel, err))
        return false;
    write_labels(s, arena, &sel);
    struct map *set = map_new();
    for (size_t i = 0; i < sel.n; i++) {
        for (size_t k = 0; k < sel.v[i].labels.n; k++)
            add_key(set, sel.v[i].labels.v[k].name);
    }
    sorted_keys(set, arena, out, n);
    map_free(set);
    return true;
}

bool head_label_values(struct store *s, struct arena *arena, struct str name,
                       const struct matcher *m, size_t n_matchers, struct str **out, size_t *n,
                       struct err *err)
{
    struct selection sel;
    if (!resolve_unordered(s, arena, m, n_matchers, &sel, err))
        return false;
    write_labels(s, arena, &sel);
    struct map *set = map_new();
    for (size_t i = 0; i < sel.n; i++) {
        struct str value = labels_get_str(sel.v[i].labels, name);
        if (value.n > 0)
            add_key(set, value);
    }
    sorted_keys(set, arena, out, n);
    map_free(set);
    return true;
}
