/* What is experimental in Prometheus 3, too: it may change, so that there is a switch for it. */
#include "promql/functions.h"
#include "promql/promql.h"

static const char *edges_name(enum edges edges)
{
    return edges == EDGES_ANCHORED ? "anchored" : edges == EDGES_SMOOTHED ? "smoothed" : NULL;
}

static const char *name_of(const struct promql_expr *e)
{
    const struct matching *m = &e->matching;
    bool aggregate = e->kind == NODE_AGGREGATE;
    if (e->kind == NODE_CALL && e->function->experimental)
        return e->function->name;
    if (aggregate && (e->aggregate == AGGREGATE_LIMITK || e->aggregate == AGGREGATE_LIMIT_RATIO))
        return aggregate_op_name(e->aggregate);
    if (e->kind == NODE_BINARY && (m->fills_left || m->fills_right))
        return "fill";
    if (e->range.expr || e->step.expr || e->offset.expr)
        return "a duration expression";
    return edges_name(e->edges);
}

const char *promql_experimental(const struct promql_expr *e)
{
    const char *name = name_of(e);
    for (size_t i = 0; !name && i < e->n_args; i++)
        name = promql_experimental(e->args[i]);
    return name;
}

struct promql_expr *promql_parse_allowed(struct arena *arena, struct str text, bool stable_only,
                                         struct err *err)
{
    struct promql_expr *expr = promql_parse(arena, text, err);
    const char *name = expr && stable_only ? promql_experimental(expr) : NULL;
    if (!name)
        return expr;
    err_set(err, ERR_BAD_INPUT, "%s is experimental, and query.experimental is off", name);
    return NULL;
}
