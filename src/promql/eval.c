/* Which expression is evaluated where; scalars and limits. */
#include "promql/eval.h"

#include "base/clock.h"
#include "promql/functions.h"
#include "promql/labelset.h"
#include "promql/lex.h"

#include <math.h>

/* --- Limits --- */

/* What is about to be allocated counts too. */
static bool check_memory(const struct query *q, uint64_t more_bytes, struct err *err)
{
    uint64_t limit = q->options.max_memory_bytes;
    uint64_t used = q->arena->used_bytes - q->memory_before + more_bytes;
    for (size_t i = 0; i < q->n_rooms; i++)
        used += q->rooms[i]->used_bytes;
    if (limit == 0 || used <= limit)
        return true;
    return err_set(err, ERR_LIMIT,
                   "query needs over %llu bytes of memory, the limit (query.maxMemory)",
                   (unsigned long long)limit);
}

bool touch_samples(struct query *q, uint64_t samples, struct err *err)
{
    q->touched += samples;
    q->held += samples;
    if (q->held <= q->options.max_samples)
        return check_memory(q, samples * sizeof(double), err);
    return err_set(err, ERR_LIMIT,
                   "query processing would load too many samples: over the limit of %llu",
                   (unsigned long long)q->options.max_samples);
}

bool spend_slow(struct query *q, struct err *err)
{
    q->work = 0;
    if (q->options.cancelled && q->options.cancelled(q->options.cancelled_self))
        return err_set(err, ERR_CANCELLED, "query was canceled in expression evaluation");
    if (q->options.deadline_mono_ns != 0 && clock_mono_ns() >= q->options.deadline_mono_ns)
        return err_set(err, ERR_TIMEOUT, "query timed out in expression evaluation");
    return check_memory(q, 0, err);
}

/* --- Columns --- */

bool new_values(struct evaluation *e, double **out, struct err *err)
{
    if (!touch_samples(e->query, e->n_steps, err))
        return false;
    *out = arena_alloc(e->arena, e->n_steps * sizeof **out);
    return true;
}

void fill_absent(double *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        v[i] = ABSENT;
}

bool has_values(const double *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!is_absent(v[i]))
            return true;
    }
    return false;
}

bool column_has_histograms(const struct column *c, size_t n)
{
    for (size_t i = 0; c->h && i < n; i++) {
        if (c->h[i])
            return true;
    }
    return false;
}

bool column_has_any(const struct column *c, size_t n)
{
    return has_values(c->v, n) || column_has_histograms(c, n);
}

void column_clear(struct column *c, size_t step)
{
    c->v[step] = ABSENT;
    if (c->h)
        c->h[step] = NULL;
}

bool new_histograms(struct evaluation *e, const struct histogram ***out, struct err *err)
{
    if (!touch_samples(e->query, e->n_steps, err))
        return false;
    *out = ARENA_ARRAY(e->arena, const struct histogram *, e->n_steps);
    return true;
}

static bool keep_histograms(struct evaluation *e, struct column *to, const struct column *from,
                            struct err *err)
{
    if (!new_histograms(e, &to->h, err))
        return false;
    for (size_t i = 0; i < e->n_steps; i++) {
        const struct histogram *h = from->h[i];
        if (h && !touch_samples(e->query, native_size(h), err))
            return false;
        to->h[i] = !h || from->lasting ? h : histogram_copy(e->arena, h);
    }
    return true;
}

bool column_keep(struct evaluation *e, struct column *to, const struct column *from,
                 struct err *err)
{
    *to = (struct column){
        .labels = from->labels, .drop_name = from->drop_name, .lasting = from->h != NULL};
    if (!new_values(e, &to->v, err))
        return false;
    memcpy(to->v, from->v, e->n_steps * sizeof *to->v);
    return !from->h || keep_histograms(e, to, from, err);
}

/* --- Memory for histograms on their way --- */

static void release_room(void *arena)
{
    arena_release(arena);
}

static struct arena *room_of(struct query *q)
{
    struct arena *room = ARENA_NEW(q->arena, struct arena);
    arena_init(room);
    arena_on_release(q->arena, release_room, room);
    q->rooms = arena_grow(q->arena, q->rooms, q->n_rooms, &q->room_capacity, sizeof *q->rooms);
    q->rooms[q->n_rooms++] = room;
    return room;
}

struct arena *new_room(struct evaluation *e)
{
    return room_of(e->query);
}

struct arena *scratch_room(struct query *q)
{
    if (!q->scratch)
        q->scratch = room_of(q);
    arena_clear(q->scratch);
    return q->scratch;
}

struct collector {
    struct sink sink;
    struct evaluation *e;
    struct columns *columns;
};

static bool collect(struct sink *sink, struct column *column, struct err *err)
{
    struct collector *c = (struct collector *)sink;
    struct columns *to = c->columns;
    if (!column_has_any(column, c->e->n_steps))
        return true;
    to->v = arena_grow(c->e->arena, to->v, to->n, &to->capacity, sizeof *to->v);
    return column_keep(c->e, &to->v[to->n++], column, err);
}

bool eval_columns(struct evaluation *e, const struct promql_expr *expr, struct columns *out,
                  struct err *err)
{
    struct collector c = {{collect}, e, out};
    *out = (struct columns){0};
    return eval_vector(e, expr, &c.sink, err);
}

/* --- Vectors --- */

struct negater {
    struct sink sink;
    struct evaluation *e;
    struct sink *next;
    struct arena *room; /* made when there are histograms */
};

static void negate_histograms(struct negater *n, struct column *column)
{
    if (!n->room)
        n->room = new_room(n->e);
    arena_clear(n->room);
    for (size_t i = 0; i < n->e->n_steps; i++) {
        if (!column->h[i])
            continue;
        struct native h = native_copy(n->room, column->h[i]);
        native_multiply(&h, -1);
        column->h[i] = native_value(n->room, &h);
    }
    column->lasting = false;
}

static bool negate(struct sink *sink, struct column *column, struct err *err)
{
    struct negater *n = (struct negater *)sink;
    for (size_t i = 0; i < n->e->n_steps; i++) {
        if (!is_absent(column->v[i]))
            column->v[i] = -column->v[i];
    }
    if (column->h)
        negate_histograms(n, column);
    column->drop_name = true;
    return n->next->put(n->next, column, err);
}

static bool eval_negate(struct evaluation *e, const struct promql_expr *expr, struct sink *sink,
                        struct err *err)
{
    struct negater n = {{negate}, e, sink, NULL};
    return eval_vector(e, expr->args[0], &n.sink, err);
}

bool eval_vector(struct evaluation *e, const struct promql_expr *expr, struct sink *sink,
                 struct err *err)
{
    CHECK(expr->type == PROMQL_VECTOR);
    switch (expr->kind) {
    case NODE_PAREN:
        return eval_vector(e, expr->args[0], sink, err);
    case NODE_SELECTOR:
        return eval_selector(e, expr, SELECT_VALUES, sink, err);
    case NODE_NEGATE:
        return eval_negate(e, expr, sink, err);
    case NODE_BINARY:
        return eval_binary(e, expr, sink, err);
    case NODE_AGGREGATE:
        return eval_aggregate(e, expr, sink, err);
    case NODE_CALL:
        return eval_call(e, expr, sink, err);
    case NODE_NUMBER:
    case NODE_STRING:
    case NODE_SUBQUERY:
        break;
    }
    check_failed(__FILE__, __LINE__, "a node of vector type");
}

/* --- Scalars and strings --- */

static bool eval_scalar_binary(struct evaluation *e, const struct promql_expr *expr, double *out,
                               struct err *err)
{
    double *l, *r;
    if (!eval_scalar(e, expr->args[0], &l, err) || !eval_scalar(e, expr->args[1], &r, err))
        return false;
    for (size_t i = 0; i < e->n_steps; i++)
        out[i] = binary_value(expr->op, l[i], r[i], true, false);
    return true;
}

static bool eval_scalar_negate(struct evaluation *e, const struct promql_expr *expr, double *out,
                               struct err *err)
{
    double *v;
    if (!eval_scalar(e, expr->args[0], &v, err))
        return false;
    for (size_t i = 0; i < e->n_steps; i++)
        out[i] = -v[i];
    return true;
}

bool eval_scalar(struct evaluation *e, const struct promql_expr *expr, double **out,
                 struct err *err)
{
    CHECK(expr->type == PROMQL_SCALAR);
    if (expr->kind == NODE_PAREN)
        return eval_scalar(e, expr->args[0], out, err);
    if (!new_values(e, out, err))
        return false;
    if (expr->kind == NODE_BINARY)
        return eval_scalar_binary(e, expr, *out, err);
    if (expr->kind == NODE_NEGATE)
        return eval_scalar_negate(e, expr, *out, err);
    if (expr->kind == NODE_CALL)
        return expr->function->scalar(e, expr, *out, err);
    CHECK(expr->kind == NODE_NUMBER);
    for (size_t i = 0; i < e->n_steps; i++)
        (*out)[i] = expr->number;
    return true;
}

struct str eval_string(const struct promql_expr *expr)
{
    CHECK(expr->type == PROMQL_STRING);
    return without_parens(expr)->string;
}
