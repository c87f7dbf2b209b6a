#include "store/selection.h"

#include <stdlib.h>

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

/* Room for n more, no more than that. */
static void make_room(struct arena *arena, struct selection *s, size_t n)
{
    if (s->capacity - s->n >= n)
        return;
    struct selected *v = arena_alloc(arena, (s->n + n) * sizeof *v);
    if (s->n > 0)
        memcpy(v, s->v, s->n * sizeof *v);
    s->v = v;
    s->capacity = s->n + n;
}

static void add_postings(struct store *s, struct arena *arena, struct selection *sel,
                         const struct index_pair *pair)
{
    struct postings_cursor c = {pair, 0, 0};
    if (pair && pair->n > sel->n) /* it is most of all, or the first */
        make_room(arena, sel, pair->n);
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

/* Of what few series have, only the oldest sample is looked at. */
static bool has_samples(const struct series *s, int64_t mint_ms, int64_t maxt_ms)
{
    for (uint32_t i = series_n_chunks(s); i > 0; i--) {
        const struct chunk c = series_chunk(s, i - 1);
        if (c.last_t_ms >= mint_ms && c.first_t_ms <= maxt_ms)
            return true;
    }
    int64_t oldest_ms = rest_of(s) ? rest_oldest(rest_of(s)) : INT64_MAX;
    return oldest_ms != INT64_MAX && oldest_ms <= maxt_ms;
}

static void drop_others(struct selection *sel, int64_t mint_ms, int64_t maxt_ms)
{
    size_t kept = 0;
    for (size_t i = 0; i < sel->n; i++) {
        if (has_samples(sel->v[i].series, mint_ms, maxt_ms))
            sel->v[kept++] = sel->v[i];
    }
    sel->n = kept;
}

bool selection_find(struct store *s, struct arena *arena, const struct matcher *m, size_t n,
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
    drop_others(sel, INT64_MIN, INT64_MAX);
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

void selection_sort(struct store *s, struct arena *arena, struct selection *sel)
{
    write_labels(s, arena, sel);
    if (sel->n > 1)
        qsort(sel->v, sel->n, sizeof *sel->v, compare_series);
}

/* For what reads no samples. The arena holds what was found. */
static bool resolve_unordered(struct store *s, struct arena *arena, const struct block_question *q,
                              struct selection *sel, struct err *err)
{
    leases_take_for(s->head.readers, arena);
    pthread_rwlock_rdlock(&s->head.visible);
    bool done = selection_find(s, arena, q->matchers, q->n_matchers, sel, err);
    drop_others(sel, q->mint_ms, q->maxt_ms);
    pthread_rwlock_unlock(&s->head.visible);
    return done;
}

static bool resolve_in_order(struct store *s, struct arena *arena, const struct block_question *q,
                             struct selection *sel, struct err *err)
{
    bool done = resolve_unordered(s, arena, q, sel, err);
    if (done)
        selection_sort(s, arena, sel);
    return done;
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
    const struct block_question q = {
        .matchers = m, .n_matchers = n_matchers, .mint_ms = INT64_MIN, .maxt_ms = INT64_MAX};
    if (!resolve_in_order(s, arena, &q, &sel, err))
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

bool head_series_list(struct store *s, struct arena *arena, const struct block_question *q,
                      struct labels **out, size_t *n, struct err *err)
{
    struct selection sel;
    if (!resolve_in_order(s, arena, q, &sel, err))
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

bool head_label_names(struct store *s, struct arena *arena, const struct block_question *q,
                      struct str **out, size_t *n, struct err *err)
{
    struct selection sel;
    if (!resolve_unordered(s, arena, q, &sel, err))
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
                       const struct block_question *q, struct str **out, size_t *n, struct err *err)
{
    struct selection sel;
    if (!resolve_unordered(s, arena, q, &sel, err))
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
