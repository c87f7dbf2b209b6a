/* and, or, unless: which columns have a partner, at which steps. */
#include "promql/labelset.h"

/* Per match group and step whether some column has a value there. */
struct presence {
    struct evaluation *e;
    struct label_key key;
    struct label_index index;
    uint8_t **seen; /* by group */
    size_t capacity;
};

static void presence_init(struct presence *p, struct evaluation *e, const struct matching *m)
{
    *p = (struct presence){.e = e};
    label_key_init(&p->key, e->arena, &m->labels, m->on);
    label_index_init(&p->index, e->arena);
}

static bool presence_add(struct presence *p, const struct columns *columns, struct err *err)
{
    size_t n = p->e->n_steps;
    for (size_t i = 0; i < columns->n; i++) {
        const struct column *c = &columns->v[i];
        bool added;
        struct labels key = label_key_of(&p->key, c->labels);
        size_t group = label_index_find(&p->index, key);
        if (group == SIZE_MAX) {
            group = label_index_put(&p->index, labels_keep_copy(p->e->arena, key), &added);
            p->seen =
                arena_grow(p->e->arena, p->seen, p->index.n - 1, &p->capacity, sizeof *p->seen);
            p->seen[group] = ARENA_ARRAY(p->e->arena, uint8_t, n);
        }
        for (size_t k = 0; k < n; k++)
            p->seen[group][k] |= column_has(c, k);
        if (!spend(p->e->query, n, err))
            return false;
    }
    return true;
}

/* Keep the values that have a partner, or those that have none. */
static void keep(struct presence *p, struct column *c, bool with_partner)
{
    size_t group = label_index_find(&p->index, label_key_of(&p->key, c->labels));
    for (size_t i = 0; i < p->e->n_steps; i++) {
        bool partner = group != SIZE_MAX && p->seen[group][i];
        if (partner != with_partner)
            column_clear(c, i);
    }
}

static bool put_kept(struct presence *p, const struct columns *columns, bool with_partner,
                     struct sink *sink, struct err *err)
{
    for (size_t i = 0; i < columns->n; i++) {
        keep(p, &columns->v[i], with_partner);
        if (!spend(p->e->query, p->e->n_steps, err))
            return false;
        if (column_has_any(&columns->v[i], p->e->n_steps) && !sink->put(sink, &columns->v[i], err))
            return false;
    }
    return true;
}

/* What both sides have under the same labels, at different steps, is one series. */
static bool put_or(struct presence *p, const struct columns *left, const struct columns *right,
                   struct sink *sink, struct err *err)
{
    struct merger m;
    merger_init(&m, p->e);
    for (size_t i = 0; i < left->n; i++) {
        if (!merger_put_unique(&m, &left->v[i], VALUES_GIVEN, err))
            return false;
    }
    for (size_t i = 0; i < right->n; i++) {
        keep(p, &right->v[i], false);
        if (!merger_put_unique(&m, &right->v[i], VALUES_GIVEN, err))
            return false;
    }
    return merger_drain(&m, sink, err);
}

bool eval_set(struct evaluation *e, const struct promql_expr *expr, struct sink *sink,
              struct err *err)
{
    struct columns left, right;
    struct presence p;
    bool is_or = expr->op == OP_OR;
    presence_init(&p, e, &expr->matching);
    if (!eval_columns(e, expr->args[0], &left, err) ||
        !eval_columns(e, expr->args[1], &right, err) ||
        !presence_add(&p, is_or ? &left : &right, err))
        return false;
    return is_or ? put_or(&p, &left, &right, sink, err)
                 : put_kept(&p, &left, expr->op == OP_AND, sink, err);
}
