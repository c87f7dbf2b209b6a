#include "promql/labelset.h"

#include <stdlib.h>

/* --- Subsets --- */

static bool is_metadata(struct str name)
{
    return str_is(name, LABEL_NAME) || str_is(name, "__type__") || str_is(name, "__unit__");
}

static bool has_name(const struct names *names, struct str name)
{
    for (size_t i = 0; i < names->n; i++) {
        if (str_eq(names->v[i], name))
            return true;
    }
    return false;
}

struct labels labels_keep(struct arena *arena, struct labels ls, const struct names *names)
{
    struct label *v = ARENA_ARRAY(arena, struct label, ls.n);
    size_t n = 0;
    for (size_t i = 0; i < ls.n; i++) {
        if (has_name(names, ls.v[i].name))
            v[n++] = ls.v[i];
    }
    return (struct labels){n, v};
}

struct labels labels_without(struct arena *arena, struct labels ls, const struct names *names)
{
    struct label *v = ARENA_ARRAY(arena, struct label, ls.n);
    size_t n = 0;
    for (size_t i = 0; i < ls.n; i++) {
        if (!has_name(names, ls.v[i].name))
            v[n++] = ls.v[i];
    }
    return (struct labels){n, v};
}

struct labels labels_drop_name(struct arena *arena, struct labels ls)
{
    struct label *v = ARENA_ARRAY(arena, struct label, ls.n);
    size_t n = 0;
    for (size_t i = 0; i < ls.n; i++) {
        if (!is_metadata(ls.v[i].name))
            v[n++] = ls.v[i];
    }
    return (struct labels){n, v};
}

struct labels labels_with(struct arena *arena, struct labels ls, struct str name, struct str value)
{
    struct labels_builder b;
    labels_builder_from(&b, arena, ls);
    labels_builder_set(&b, name, value);
    return labels_build(&b);
}

struct labels labels_keep_copy(struct arena *arena, struct labels ls)
{
    return (struct labels){ls.n, arena_memdup(arena, ls.v, ls.n * sizeof *ls.v)};
}

/* --- Numbers of label sets --- */

void label_index_init(struct label_index *x, struct arena *arena)
{
    *x = (struct label_index){.arena = arena, .n_slots = 64};
    x->slots = ARENA_ARRAY(arena, size_t, x->n_slots);
}

/* The slot that holds the set, or the free one where it belongs. */
static size_t *find_slot(const struct label_index *x, struct labels key, uint64_t hash)
{
    for (size_t i = hash & (x->n_slots - 1);; i = (i + 1) & (x->n_slots - 1)) {
        size_t at = x->slots[i];
        if (at == 0 || (x->hashes[at - 1] == hash && labels_eq(x->keys[at - 1], key)))
            return &x->slots[i];
    }
}

static void grow_slots(struct label_index *x)
{
    x->n_slots *= 4;
    x->slots = ARENA_ARRAY(x->arena, size_t, x->n_slots);
    for (size_t k = 0; k < x->n; k++) {
        size_t i = x->hashes[k] & (x->n_slots - 1);
        while (x->slots[i])
            i = (i + 1) & (x->n_slots - 1);
        x->slots[i] = k + 1;
    }
}

size_t label_index_find(const struct label_index *x, struct labels key)
{
    return *find_slot(x, key, labels_hash(key)) - 1; /* 0 - 1 is SIZE_MAX */
}

size_t label_index_put(struct label_index *x, struct labels key, bool *added)
{
    uint64_t hash = labels_hash(key);
    size_t *slot = find_slot(x, key, hash);
    *added = *slot == 0;
    if (!*added)
        return *slot - 1;
    size_t capacity = x->key_capacity;
    x->keys = arena_grow(x->arena, x->keys, x->n, &capacity, sizeof *x->keys);
    x->hashes = arena_grow(x->arena, x->hashes, x->n, &x->key_capacity, sizeof *x->hashes);
    x->keys[x->n] = key;
    x->hashes[x->n++] = hash;
    *slot = x->n;
    if (x->n * 2 > x->n_slots)
        grow_slots(x);
    return x->n - 1;
}

static int compare_keys(const void *a, const void *b, void *index)
{
    const struct label_index *x = index;
    return labels_cmp(x->keys[*(const size_t *)a], x->keys[*(const size_t *)b]);
}

const size_t *label_index_order(const struct label_index *x)
{
    struct label_index view = *x;
    size_t *order = ARENA_ARRAY(x->arena, size_t, x->n);
    for (size_t i = 0; i < x->n; i++)
        order[i] = i;
    if (x->n > 1)
        qsort_r(order, x->n, sizeof *order, compare_keys, &view);
    return order;
}

/* --- Keys --- */

static int compare_names(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

void label_key_init(struct label_key *k, struct arena *arena, const struct names *names, bool only)
{
    struct str *v = ARENA_ARRAY(arena, struct str, names->n);
    for (size_t i = 0; i < names->n; i++)
        v[i] = names->v[i];
    if (names->n > 1)
        qsort(v, names->n, sizeof *v, compare_names);
    *k = (struct label_key){.arena = arena, .names = {v, names->n}, .only = only};
}

/* Both lists are sorted, so one pass does. */
struct labels label_key_of(struct label_key *k, struct labels ls)
{
    size_t n = 0, next = 0;
    if (ls.n > k->capacity) {
        k->capacity = ls.n + 16;
        k->scratch = ARENA_ARRAY(k->arena, struct label, k->capacity);
    }
    for (size_t i = 0; i < ls.n; i++) {
        int order = 1;
        while (next < k->names.n && (order = str_cmp(k->names.v[next], ls.v[i].name)) < 0)
            next++;
        bool listed = next < k->names.n && order == 0;
        if (k->only ? listed : !listed && !is_metadata(ls.v[i].name))
            k->scratch[n++] = ls.v[i];
    }
    return (struct labels){n, k->scratch};
}

/* --- Columns that must not overlap --- */

void merger_init(struct merger *m, struct evaluation *e)
{
    *m = (struct merger){.e = e};
    label_index_init(&m->by_drop_name[0].index, e->arena);
    label_index_init(&m->by_drop_name[1].index, e->arena);
}

static bool overlaps(const struct column *a, const struct column *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (column_has(a, i) && column_has(b, i))
            return true;
    }
    return false;
}

static bool merger_add(struct merger *m, const struct column *column, enum merger_values values,
                       struct err *err)
{
    struct columns *to = &m->columns;
    to->v = arena_grow(m->e->arena, to->v, to->n, &to->capacity, sizeof *to->v);
    if (values == VALUES_COPIED)
        return column_keep(m->e, &to->v[to->n++], column, err);
    to->v[to->n++] = *column;
    return true;
}

static bool merge_histograms(struct merger *m, struct column *to, const struct column *from,
                             struct err *err)
{
    if (!to->h && !new_histograms(m->e, &to->h, err))
        return false;
    to->lasting = true;
    for (size_t i = 0; i < m->e->n_steps; i++) {
        const struct histogram *h = from->h[i];
        if (h && !touch_samples(m->e->query, native_size(h), err))
            return false;
        if (h)
            to->h[i] = from->lasting ? h : histogram_copy(m->e->arena, h);
    }
    return true;
}

bool merger_put(struct merger *m, const struct column *column, enum merger_values values,
                bool *overlap, struct err *err)
{
    size_t n = m->e->n_steps;
    bool added;
    *overlap = false;
    if (!spend(m->e->query, n, err))
        return false;
    if (!column_has_any(column, n))
        return true;
    struct merged *with = &m->by_drop_name[column->drop_name];
    size_t at = label_index_put(&with->index, column->labels, &added);
    if (added) {
        with->columns =
            arena_grow(m->e->arena, with->columns, at, &with->capacity, sizeof *with->columns);
        with->columns[at] = m->columns.n;
        return merger_add(m, column, values, err);
    }
    struct column *have = &m->columns.v[with->columns[at]];
    *overlap = overlaps(have, column, n);
    if (*overlap)
        return true;
    for (size_t i = 0; i < n; i++) {
        if (!is_absent(column->v[i]))
            have->v[i] = column->v[i];
    }
    return !column->h || merge_histograms(m, have, column, err);
}

bool same_labelset(struct err *err)
{
    return err_set(err, ERR_CONFLICT, "vector cannot contain metrics with the same labelset");
}

bool merger_put_unique(struct merger *m, const struct column *column, enum merger_values values,
                       struct err *err)
{
    bool overlap;
    if (!merger_put(m, column, values, &overlap, err))
        return false;
    return !overlap || same_labelset(err);
}

bool merger_drain(struct merger *m, struct sink *sink, struct err *err)
{
    for (size_t i = 0; i < m->columns.n; i++) {
        if (!sink->put(sink, &m->columns.v[i], err))
            return false;
    }
    return true;
}
