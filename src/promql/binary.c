/* Arithmetic and comparison of single values, and of vectors with scalars. */
#include "promql/eval.h"
#include "promql/native_notes.h"

#include <math.h>

/* The value of an operator. A comparison that fails gives ABSENT, unless it returns_bool; one that
 * holds gives the value on the vector's side. */
double binary_value(enum binary_op op, double l, double r, bool returns_bool, bool keep_right)
{
    bool holds = false;
    switch (op) {
    case OP_ADD:
        return l + r;
    case OP_SUB:
        return l - r;
    case OP_MUL:
        return l * r;
    case OP_DIV:
        return l / r;
    case OP_MOD:
        return fmod(l, r);
    case OP_POW:
        return pow(l, r);
    case OP_ATAN2:
        return atan2(l, r);
    case OP_EQ:
        holds = l == r;
        break;
    case OP_NE:
        holds = l != r;
        break;
    case OP_LT:
        holds = l < r;
        break;
    case OP_LE:
        holds = l <= r;
        break;
    case OP_GT:
        holds = l > r;
        break;
    case OP_GE:
        holds = l >= r;
        break;
    case OP_TRIM_UPPER:
    case OP_TRIM_LOWER:
        return ABSENT;
    case OP_AND:
    case OP_OR:
    case OP_UNLESS:
        check_failed(__FILE__, __LINE__, "a set operator on values");
    }
    if (returns_bool)
        return holds;
    return holds ? (keep_right ? r : l) : ABSENT;
}

struct with_scalar {
    struct sink sink;
    struct evaluation *e;
    struct sink *next;
    const struct promql_expr *expr;
    const double *scalar;
    bool scalar_is_left;
    struct arena *room; /* made when there are histograms */
};

static void apply_to_histograms(struct with_scalar *w, struct column *column)
{
    struct query *q = w->e->query;
    if (!w->room)
        w->room = new_room(w->e);
    arena_clear(w->room);
    for (size_t i = 0; i < w->e->n_steps; i++) {
        struct value scalar = {w->scalar[i], NULL}, v = {ABSENT, column->h[i]};
        if (!v.h)
            continue;
        v = w->scalar_is_left ? native_binary(q, w->expr, w->room, scalar, v, true)
                              : native_binary(q, w->expr, w->room, v, scalar, false);
        column->v[i] = v.v;
        column->h[i] = v.h;
    }
    column->lasting = false;
}

static bool apply_scalar(struct sink *sink, struct column *column, struct err *err)
{
    struct with_scalar *w = (struct with_scalar *)sink;
    const struct promql_expr *expr = w->expr;
    bool bools = expr->returns_bool;
    double *v = column->v;
    bool has_floats = is_trim(expr->op) && has_values(v, w->e->n_steps);
    for (size_t i = 0; i < w->e->n_steps; i++) {
        if (is_absent(v[i]))
            continue;
        v[i] = w->scalar_is_left ? binary_value(expr->op, w->scalar[i], v[i], bools, true)
                                 : binary_value(expr->op, v[i], w->scalar[i], bools, false);
    }
    if (is_trim(expr->op) && has_floats)
        note_incompatible_types(w->e->query, expr, false, false);
    if (column->h)
        apply_to_histograms(w, column);
    if (drops_name(expr))
        column->drop_name = true;
    return spend(w->e->query, w->e->n_steps, err) && w->next->put(w->next, column, err);
}

static bool eval_with_scalar(struct evaluation *e, const struct promql_expr *expr,
                             struct sink *sink, struct err *err)
{
    bool left = expr->args[0]->type == PROMQL_SCALAR;
    double *scalar;
    if (!eval_scalar(e, expr->args[left ? 0 : 1], &scalar, err))
        return false;
    struct with_scalar w = {{apply_scalar}, e, sink, expr, scalar, left, NULL};
    return eval_vector(e, expr->args[left ? 1 : 0], &w.sink, err);
}

bool eval_binary(struct evaluation *e, const struct promql_expr *expr, struct sink *sink,
                 struct err *err)
{
    if (expr->args[0]->type == PROMQL_SCALAR || expr->args[1]->type == PROMQL_SCALAR)
        return eval_with_scalar(e, expr, sink, err);
    return is_set_op(expr->op) ? eval_set(e, expr, sink, err) : eval_vectors(e, expr, sink, err);
}
