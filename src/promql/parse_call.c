/* Calls and aggregations, with the types of their arguments. */
#include "promql/functions.h"
#include "promql/parse.h"

#include <stdio.h>

/* "(a, b)"; the arguments go to *args. */
static bool parse_args(struct parser *p, struct promql_expr *e, const char *name)
{
    struct promql_expr **args = NULL;
    size_t n = 0, capacity = 0;
    if (!expect_symbol(p, "(", name))
        return false;
    while (!at_symbol(p, ")")) {
        p->may_be_empty = e->function && e->function->call == call_info && n == 1;
        struct promql_expr *arg = parse_expr(p, 0);
        p->may_be_empty = false;
        if (!arg)
            return false;
        args = arena_grow(p->arena, args, n, &capacity, sizeof *args);
        args[n++] = arg;
        if (!at_symbol(p, ",")) {
            if (!at_symbol(p, ")"))
                return unexpected_token(p, "call", "\",\" or \")\"");
            continue;
        }
        if (!next_token(p))
            return false;
        if (at_symbol(p, ")"))
            return parse_complain(p, p->token.position,
                                  "trailing commas not allowed in function call args");
    }
    return node_set_args(p, e, args, n) && next_token(p);
}

/* --- Calls --- */

/* "2 arguments", "1 to 3 arguments", "at least 3 arguments" */
static const char *count_text(struct parser *p, const struct function *f)
{
    unsigned low = f->min_args, high = f->max_args;
    if (low == high)
        return arena_printf(p->arena, "%u argument%s", low, low == 1 ? "" : "s");
    if (high == ANY_NUMBER)
        return arena_printf(p->arena, "at least %u arguments", low);
    return arena_printf(p->arena, "%u to %u arguments", low, high);
}

static bool check_args(struct parser *p, const struct promql_expr *e)
{
    const struct function *f = e->function;
    if (e->n_args < f->min_args || e->n_args > f->max_args)
        return parse_complain(p, e->position, "expected %s in call to \"%s\", got %zu",
                              count_text(p, f), f->name, e->n_args);
    for (size_t i = 0; i < e->n_args; i++) {
        enum promql_type want = function_arg(f, i);
        if (e->args[i]->type != want)
            return parse_complain(
                p, e->args[i]->position, "expected type %s in call to function \"%s\", got %s%s",
                promql_type_name(want), f->name, promql_type_name(e->args[i]->type),
                want == PROMQL_MATRIX && e->args[i]->type == PROMQL_VECTOR
                    ? "; did you forget a range like [5m]?"
                    : "");
    }
    if (f->call == call_info && e->n_args > 1 && e->args[1]->kind != NODE_SELECTOR)
        return parse_complain(p, e->args[1]->position,
                              "the second argument of \"info\" must be a selector");
    return true;
}

static bool unknown_function(struct parser *p, struct token name)
{
    const char *near = function_nearest(name.text);
    return parse_complain(p, name.position, "unknown function with name \"%.60s\"%s%s%s",
                          arena_cstr(p->arena, name.text), near ? "; did you mean \"" : "",
                          near ? near : "", near ? "\"?" : "");
}

struct promql_expr *parse_call(struct parser *p, struct token name)
{
    const struct function *f = function_find(name.text);
    if (!f) {
        unknown_function(p, name);
        return NULL;
    }
    struct promql_expr *e = node_new(p, NODE_CALL, f->returns, name.position);
    e->function = f;
    return parse_args(p, e, f->name) && check_args(p, e) ? e : NULL;
}

/* --- Aggregations --- */

static const struct {
    const char *name;
    enum promql_type parameter;
} aggregates[] = {
#define X(code, name, parameter) {name, parameter},
    AGGREGATE_OPS(X)
#undef X
};
#define N_AGGREGATES (sizeof aggregates / sizeof *aggregates)

const char *aggregate_op_name(enum aggregate_op op)
{
    return aggregates[op].name;
}

bool find_aggregate(struct str word, enum aggregate_op *op)
{
    for (size_t i = 0; i < N_AGGREGATES; i++) {
        if (word_is(word, aggregates[i].name)) {
            *op = (enum aggregate_op)i;
            return true;
        }
    }
    return false;
}

bool at_grouping(const struct parser *p)
{
    return at_word(p, "by") || at_word(p, "without");
}

static bool parse_grouping(struct parser *p, struct promql_expr *e)
{
    e->without = at_word(p, "without");
    return next_token(p) && parse_names(p, &e->grouping);
}

static bool check_aggregate(struct parser *p, const struct promql_expr *e)
{
    enum promql_type parameter = aggregates[e->aggregate].parameter;
    size_t want = parameter == PROMQL_VECTOR ? 1 : 2;
    const char *name = aggregate_op_name(e->aggregate);
    if (e->n_args != want)
        return parse_complain(
            p, e->position,
            "wrong number of arguments for aggregate expression %s, expected %zu, "
            "got %zu",
            name, want, e->n_args);
    const struct promql_expr *what = e->args[want - 1];
    if (what->type != PROMQL_VECTOR)
        return parse_complain(p, what->position,
                              "expected type instant vector in aggregation expression %s, got %s",
                              name, promql_type_name(what->type));
    if (e->args[0]->type != parameter)
        return parse_complain(
            p, e->args[0]->position, "expected type %s in aggregation parameter of %s, got %s",
            promql_type_name(parameter), name, promql_type_name(e->args[0]->type));
    return true;
}

struct promql_expr *parse_aggregate(struct parser *p, enum aggregate_op op, size_t position)
{
    struct promql_expr *e = node_new(p, NODE_AGGREGATE, PROMQL_VECTOR, position);
    bool grouped = at_grouping(p);
    e->aggregate = op;
    if (grouped && !parse_grouping(p, e))
        return NULL;
    if (!parse_args(p, e, aggregate_op_name(op)))
        return NULL;
    if (!grouped && at_grouping(p) && !parse_grouping(p, e))
        return NULL;
    return check_aggregate(p, e) ? e : NULL;
}

/* --- What counts things --- */

static bool is_plain_sum(const struct promql_expr *e)
{
    return e->kind == NODE_AGGREGATE && e->aggregate == AGGREGATE_SUM && e->grouping.n == 0 &&
           !e->without;
}

static bool is_rate(const struct promql_expr *e)
{
    return e->kind == NODE_CALL &&
           (strcmp(e->function->name, "rate") == 0 || strcmp(e->function->name, "increase") == 0);
}

bool promql_as_counter_selector(const struct promql_expr *e, const struct matcher **out, size_t *n)
{
    bool rated = false;
    while (e->kind == NODE_PAREN || is_plain_sum(e) || is_rate(e)) {
        rated |= is_rate(e);
        e = e->args[0];
    }
    if (e->kind != NODE_SELECTOR || e->has_offset || e->at != AT_NONE ||
        rated != (e->type == PROMQL_MATRIX) || e->edges != EDGES_EXTRAPOLATED)
        return false;
    *out = e->matchers;
    *n = e->n_matchers;
    return true;
}
