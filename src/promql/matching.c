/* Arithmetic and comparison between vectors: columns match by a part of their labels, one to one
 * or many to one. Within a match group several columns may take turns over the steps, so matching
 * is decided step by step. */
#include "promql/labelset.h"
#include "promql/native_notes.h"

/* One value of labels that match. `many` and `one` are the sides of group_left; without grouping
 * they are left and right. */
struct group {
    size_t *many, *one; /* columns */
    size_t n_many, n_one, many_capacity, one_capacity;
};

struct matcher_state {
    struct evaluation *e;
    const struct promql_expr *expr;
    bool swapped; /* the left side is the one */
    struct columns many, one;
    uint8_t *both; /* steps where both sides have something */
    struct label_key key;
    struct label_index index;
    struct group *groups;
    size_t group_capacity;
    struct merger out;
    double *v;
};

/* --- Groups --- */

static struct group *group_of(struct matcher_state *m, struct labels labels)
{
    struct labels key = label_key_of(&m->key, labels);
    size_t at = label_index_find(&m->index, key);
    bool added;
    if (at != SIZE_MAX)
        return &m->groups[at];
    at = label_index_put(&m->index, labels_keep_copy(m->e->arena, key), &added);
    m->groups = arena_grow(m->e->arena, m->groups, at, &m->group_capacity, sizeof *m->groups);
    m->groups[at] = (struct group){0};
    return &m->groups[at];
}

static void add_index(struct arena *arena, size_t **v, size_t *n, size_t *capacity, size_t value)
{
    *v = arena_grow(arena, *v, *n, capacity, sizeof **v);
    (*v)[(*n)++] = value;
}

static void make_groups(struct matcher_state *m)
{
    for (size_t i = 0; i < m->many.n; i++) {
        struct group *g = group_of(m, m->many.v[i].labels);
        add_index(m->e->arena, &g->many, &g->n_many, &g->many_capacity, i);
    }
    for (size_t i = 0; i < m->one.n; i++) {
        struct group *g = group_of(m, m->one.v[i].labels);
        add_index(m->e->arena, &g->one, &g->n_one, &g->one_capacity, i);
    }
}

static bool fills_one(const struct matcher_state *m)
{
    return m->swapped ? m->expr->matching.fills_left : m->expr->matching.fills_right;
}

static bool fills_many(const struct matcher_state *m)
{
    return m->swapped ? m->expr->matching.fills_right : m->expr->matching.fills_left;
}

/* Nothing is compared, and nothing can be wrong, at steps where a whole side is empty. */
static bool find_both(struct matcher_state *m, struct err *err)
{
    size_t n = m->e->n_steps;
    uint8_t *many = ARENA_ARRAY(m->e->arena, uint8_t, n);
    m->both = ARENA_ARRAY(m->e->arena, uint8_t, n);
    for (size_t i = 0; i < m->many.n; i++) {
        for (size_t k = 0; k < n; k++)
            many[k] |= column_has(&m->many.v[i], k);
    }
    for (size_t i = 0; i < m->one.n; i++) {
        for (size_t k = 0; k < n; k++)
            m->both[k] |= (many[k] || fills_many(m)) && column_has(&m->one.v[i], k);
    }
    return spend(m->e->query, (m->many.n + m->one.n) * n, err);
}

/* --- Errors --- */

/* As a selector shows them, the name among the others. */
static const char *labels_text(struct arena *arena, struct labels labels)
{
    struct buf out = BUF_INIT;
    buf_add_char(&out, '{');
    for (size_t i = 0; i < labels.n; i++)
        buf_printf(&out, "%s" STR_FMT "=\"" STR_FMT "\"", i ? ", " : "", STR_ARG(labels.v[i].name),
                   STR_ARG(labels.v[i].value));
    buf_add_char(&out, '}');
    const char *text = arena_cstr(arena, buf_str(&out));
    buf_release(&out);
    return text;
}

static bool many_to_many(struct matcher_state *m, size_t a, size_t b, struct err *err)
{
    struct labels x = m->one.v[a].labels, y = m->one.v[b].labels;
    struct arena *arena = m->e->arena;
    struct labels group = labels_keep_copy(arena, label_key_of(&m->key, x));
    if (labels_cmp(x, y) > 0) {
        struct labels t = x;
        x = y;
        y = t;
    }
    return err_set(err, ERR_CONFLICT,
                   "found duplicate series for the match group %s on the %s hand-side of the "
                   "operation: [%s, %s];many-to-many matching not allowed: matching labels must be "
                   "unique on one side",
                   labels_text(arena, group), m->swapped ? "left" : "right", labels_text(arena, x),
                   labels_text(arena, y));
}

static bool many_to_one(struct matcher_state *m, struct err *err)
{
    if (m->expr->matching.card == ONE_TO_ONE)
        return err_set(err, ERR_CONFLICT,
                       "multiple matches for labels: many-to-one matching must be explicit "
                       "(group_left/group_right)");
    return err_set(err, ERR_CONFLICT,
                   "multiple matches for labels: grouping labels must ensure unique matches");
}

/* --- Matching one group --- */

/* No two columns of the one side may have a value at the same step. */
static bool check_one_side(struct matcher_state *m, const struct group *g, struct err *err)
{
    size_t n = m->e->n_steps;
    if (g->n_one < 2)
        return true;
    size_t *holder = ARENA_ARRAY(m->e->arena, size_t, n); /* index + 1 */
    for (size_t i = 0; i < g->n_one; i++) {
        const struct column *c = &m->one.v[g->one[i]];
        for (size_t k = 0; k < n; k++) {
            if (!column_has(c, k) || !m->both[k])
                continue;
            if (holder[k])
                return many_to_many(m, holder[k] - 1, g->one[i], err);
            holder[k] = g->one[i] + 1;
        }
        if (!spend(m->e->query, n, err))
            return false;
    }
    return true;
}

/* Which column of the one side has a value at each step: index + 1, or 0. */
static size_t *holders_of_one(struct matcher_state *m, const struct group *g)
{
    size_t n = m->e->n_steps, *holder = ARENA_ARRAY(m->e->arena, size_t, n);
    for (size_t i = 0; i < g->n_one; i++) {
        for (size_t k = 0; k < n; k++) {
            if (column_has(&m->one.v[g->one[i]], k))
                holder[k] = g->one[i] + 1;
        }
    }
    return holder;
}

/* Without grouping no two columns of the other side may match at the same step either, even where
 * the comparison then fails; but values that cannot meet at all are no match. */
static bool check_many_side(struct matcher_state *m, const struct group *g, struct err *err)
{
    size_t n = m->e->n_steps;
    if (g->n_many < 2 || (g->n_one == 0 && !fills_one(m)) || m->expr->matching.card != ONE_TO_ONE)
        return true;
    size_t *one = holders_of_one(m, g);
    uint8_t *matched = ARENA_ARRAY(m->e->arena, uint8_t, n);
    for (size_t i = 0; i < g->n_many; i++) {
        const struct column *many = &m->many.v[g->many[i]];
        for (size_t k = 0; k < n; k++) {
            if (!column_has(many, k) || (!one[k] && !fills_one(m)))
                continue;
            struct value filled = {m->expr->matching.fill_right, NULL};
            struct value right = one[k] ? column_value(&m->one.v[one[k] - 1], k) : filled;
            if (!binary_fits(m->expr->op, column_value(many, k), right))
                continue;
            if (matched[k])
                return many_to_one(m, err);
            matched[k] = 1;
        }
    }
    return spend(m->e->query, (g->n_one + g->n_many) * n, err);
}

static struct labels result_labels(struct matcher_state *m, const struct column *many,
                                   const struct column *one)
{
    const struct matching *how = &m->expr->matching;
    struct arena *arena = m->e->arena;
    struct labels labels = many->labels;
    /* Arithmetic between vectors removes the name at once, a comparison that returns bools late. */
    if (drops_name(m->expr) && !m->expr->returns_bool)
        labels = labels_with(arena, labels, STR(LABEL_NAME), STR(""));
    if (how->card == ONE_TO_ONE && how->on)
        labels = labels_keep(arena, labels, &how->labels);
    else if (how->card == ONE_TO_ONE && how->labels.n > 0)
        labels = labels_without(arena, labels, &how->labels);
    for (size_t i = 0; i < how->include.n; i++)
        labels = labels_with(arena, labels, how->include.v[i],
                             labels_get_str(one->labels, how->include.v[i]));
    return labels;
}

static void match_histograms(struct matcher_state *m, const struct column *many,
                             const struct column *one, struct column *out)
{
    for (size_t i = 0; i < m->e->n_steps; i++) {
        struct value a = column_value(many, i), b = column_value(one, i), v = {ABSENT, NULL};
        bool both = column_has(many, i) && column_has(one, i);
        if (both && (a.h || b.h))
            v = m->swapped ? native_binary(m->e->query, m->expr, m->e->arena, b, a, false)
                           : native_binary(m->e->query, m->expr, m->e->arena, a, b, false);
        if (a.h || b.h || !both)
            out->v[i] = v.v;
        out->h[i] = v.h;
    }
}

/* Trimming floats means nothing. */
static void note_trim(struct matcher_state *m, const struct column *many, const struct column *one)
{
    for (size_t i = 0; i < m->e->n_steps; i++) {
        if (!is_absent(many->v[i]) && !is_absent(one->v[i]))
            note_incompatible_types(m->e->query, m->expr, false, false);
    }
}

/* The values go to `out`, which may be those of the many side. */
static bool match_pair(struct matcher_state *m, const struct column *many, const struct column *one,
                       double *out, enum merger_values values, struct err *err)
{
    const struct promql_expr *expr = m->expr;
    bool overlap, bools = expr->returns_bool;
    struct column column = {.v = out, .lasting = true};
    if (is_trim(expr->op))
        note_trim(m, many, one);
    for (size_t i = 0; i < m->e->n_steps; i++) {
        double a = many->v[i], b = one->v[i];
        if (is_absent(a) || is_absent(b))
            out[i] = ABSENT;
        else
            out[i] = m->swapped ? binary_value(expr->op, b, a, bools, false)
                                : binary_value(expr->op, a, b, bools, false);
    }
    if (many->h || one->h) {
        if (!new_histograms(m->e, &column.h, err))
            return false;
        match_histograms(m, many, one, &column);
    }
    if (!column_has_any(&column, m->e->n_steps))
        return spend(m->e->query, m->e->n_steps, err);
    column.labels = result_labels(m, many, one);
    column.drop_name = many->drop_name || drops_name(expr);
    if (!merger_put(&m->out, &column, values, &overlap, err))
        return false;
    return !overlap || many_to_one(m, err);
}

/* A column that has `fill` where none of these has a value. */
static double *fill_gaps(struct matcher_state *m, const struct columns *side, const size_t *members,
                         size_t n_members, double fill)
{
    size_t n = m->e->n_steps;
    double *v = ARENA_ARRAY(m->e->arena, double, n);
    for (size_t k = 0; k < n; k++)
        v[k] = fill;
    for (size_t i = 0; i < n_members; i++) {
        for (size_t k = 0; k < n; k++) {
            if (column_has(&side->v[members[i]], k))
                v[k] = ABSENT;
        }
    }
    return v;
}

/* What has no partner is matched with one that has the group's labels only. */
static bool match_filled(struct matcher_state *m, const struct group *g, struct labels labels,
                         struct err *err)
{
    const struct matching *how = &m->expr->matching;
    if (!touch_samples(m->e->query, 2 * m->e->n_steps, err))
        return false;
    if (fills_one(m)) {
        double fill = m->swapped ? how->fill_left : how->fill_right;
        struct column one = {.labels = labels, .v = fill_gaps(m, &m->one, g->one, g->n_one, fill)};
        for (size_t i = 0; i < g->n_many; i++) {
            if (!match_pair(m, &m->many.v[g->many[i]], &one, m->v, VALUES_COPIED, err))
                return false;
        }
    }
    if (fills_many(m)) {
        double fill = m->swapped ? how->fill_right : how->fill_left;
        struct column many = {.labels = labels,
                              .v = fill_gaps(m, &m->many, g->many, g->n_many, fill)};
        for (size_t i = 0; i < g->n_one; i++) {
            if (!match_pair(m, &many, &m->one.v[g->one[i]], m->v, VALUES_COPIED, err))
                return false;
        }
    }
    return true;
}

static bool match_group(struct matcher_state *m, const struct group *g, struct err *err)
{
    if (!check_one_side(m, g, err) || !check_many_side(m, g, err))
        return false;
    for (size_t i = 0; i < g->n_many; i++) {
        const struct column *many = &m->many.v[g->many[i]];
        /* Its values are needed no more, unless what is missing gets filled. */
        bool in_place =
            g->n_one == 1 && !fills_one(m) && !fills_many(m) && !many->h && !m->one.v[g->one[0]].h;
        for (size_t k = 0; k < g->n_one; k++) {
            if (!match_pair(m, many, &m->one.v[g->one[k]], in_place ? many->v : m->v,
                            in_place ? VALUES_GIVEN : VALUES_COPIED, err))
                return false;
        }
    }
    return true;
}

bool eval_vectors(struct evaluation *e, const struct promql_expr *expr, struct sink *sink,
                  struct err *err)
{
    const struct matching *how = &expr->matching;
    struct matcher_state m = {.e = e, .expr = expr, .swapped = how->card == ONE_TO_MANY};
    struct columns left, right;
    if (!eval_columns(e, expr->args[0], &left, err) ||
        !eval_columns(e, expr->args[1], &right, err) || !new_values(e, &m.v, err))
        return false;
    m.many = m.swapped ? right : left;
    m.one = m.swapped ? left : right;
    label_key_init(&m.key, e->arena, &how->labels, how->on);
    label_index_init(&m.index, e->arena);
    merger_init(&m.out, e);
    make_groups(&m);
    if (!find_both(&m, err))
        return false;
    const size_t *order = label_index_order(&m.index);
    for (size_t i = 0; i < m.index.n; i++) {
        const struct group *g = &m.groups[order[i]];
        if (!match_group(&m, g, err) || ((how->fills_left || how->fills_right) &&
                                         !match_filled(&m, g, m.index.keys[order[i]], err)))
            return false;
    }
    return merger_drain(&m.out, sink, err);
}
