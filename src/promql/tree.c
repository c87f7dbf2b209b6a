/* An expression as JSON: the tree that Prometheus 3's /api/v1/parse_query gives, which query
 * builders read. */
#include "base/num.h"
#include "promql/functions.h"
#include "promql/parse.h"

static void put_number_text(struct json_writer *w, const char *key, double v)
{
    struct buf text = BUF_INIT;
    num_add_double(&text, v);
    json_key(w, key);
    json_put_str(w, buf_str(&text));
    buf_release(&text);
}

static void put_names(struct json_writer *w, const char *key, const struct names *names)
{
    json_key(w, key);
    json_open_array(w);
    for (size_t i = 0; i < names->n; i++)
        json_put_str(w, names->v[i]);
    json_close_array(w);
}

static void put_child(struct json_writer *w, const char *key, const struct promql_expr *e)
{
    json_key(w, key);
    if (e)
        promql_tree(e, w);
    else
        json_put_null(w);
}

static void put_type(struct json_writer *w, const char *type)
{
    json_key(w, "type");
    json_put_cstr(w, type);
}

/* --- Selectors --- */

/* A duration that depends on the question is its expression's text. */
static void put_span(struct json_writer *w, const char *key, const struct span *span)
{
    struct buf text = BUF_INIT;
    json_key(w, key);
    if (span->expr) {
        promql_print(span->expr, &text);
        json_put_str(w, buf_str(&text));
    } else {
        json_put_i64(w, span->ms);
    }
    buf_release(&text);
}

static void put_modifiers(struct json_writer *w, const struct promql_expr *e)
{
    put_span(w, "offset", &e->offset);
    json_key(w, "timestamp");
    if (e->at == AT_TIME)
        json_put_i64(w, e->at_ms);
    else
        json_put_null(w);
    json_key(w, "startOrEnd");
    json_put_cstr(w, e->at == AT_START ? "start" : e->at == AT_END ? "end" : NULL);
}

static void put_matchers(struct json_writer *w, const struct promql_expr *e)
{
    struct str name = {"", 0};
    for (size_t i = 0; i < e->n_matchers; i++) {
        const struct matcher *m = &e->matchers[i];
        if (m->type == MATCH_EQUAL && str_is(m->name, LABEL_NAME))
            name = m->value;
    }
    json_key(w, "name");
    json_put_str(w, name);
    json_key(w, "matchers");
    json_open_array(w);
    for (size_t i = 0; i < e->n_matchers; i++) {
        const struct matcher *m = &e->matchers[i];
        json_open_object(w);
        json_key(w, "name");
        json_put_str(w, m->name);
        json_key(w, "value");
        json_put_str(w, m->value);
        put_type(w, match_type_symbol(m->type));
        json_close_object(w);
    }
    json_close_array(w);
}

static void put_selector(struct json_writer *w, const struct promql_expr *e)
{
    put_type(w, e->type == PROMQL_MATRIX ? "matrixSelector" : "vectorSelector");
    put_matchers(w, e);
    if (e->type == PROMQL_MATRIX)
        put_span(w, "range", &e->range);
    put_modifiers(w, e);
    json_key(w, "anchored");
    json_put_bool(w, e->edges == EDGES_ANCHORED);
    json_key(w, "smoothed");
    json_put_bool(w, e->edges == EDGES_SMOOTHED);
}

static void put_subquery(struct json_writer *w, const struct promql_expr *e)
{
    put_type(w, "subquery");
    put_child(w, "expr", e->args[0]);
    put_span(w, "range", &e->range);
    put_span(w, "step", &e->step);
    put_modifiers(w, e);
}

/* --- Operators and calls --- */

static void put_matching(struct json_writer *w, const struct promql_expr *e)
{
    const struct matching *m = &e->matching;
    const char *card = is_set_op(e->op)         ? "many-to-many"
                       : m->card == ONE_TO_ONE  ? "one-to-one"
                       : m->card == MANY_TO_ONE ? "many-to-one"
                                                : "one-to-many";
    json_key(w, "matching");
    if (e->args[0]->type != PROMQL_VECTOR || e->args[1]->type != PROMQL_VECTOR) {
        json_put_null(w);
        return;
    }
    json_open_object(w);
    json_key(w, "card");
    json_put_cstr(w, card);
    put_names(w, "labels", &m->labels);
    json_key(w, "on");
    json_put_bool(w, m->on);
    put_names(w, "include", &m->include);
    json_key(w, "fillValues");
    json_open_object(w);
    json_key(w, "lhs");
    if (m->fills_left)
        json_put_double(w, m->fill_left);
    else
        json_put_null(w);
    json_key(w, "rhs");
    if (m->fills_right)
        json_put_double(w, m->fill_right);
    else
        json_put_null(w);
    json_close_object(w);
    json_close_object(w);
}

static void put_binary(struct json_writer *w, const struct promql_expr *e)
{
    put_type(w, "binaryExpr");
    json_key(w, "op");
    json_put_cstr(w, binary_op_text(e->op));
    put_child(w, "lhs", e->args[0]);
    put_child(w, "rhs", e->args[1]);
    put_matching(w, e);
    json_key(w, "bool");
    json_put_bool(w, e->returns_bool);
}

static const char *api_type(enum promql_type type)
{
    static const char *const names[] = {"scalar", "string", "vector", "matrix"};
    return names[type];
}

/* How many of the last argument may be left out; -1: any number may follow. */
static int variadic(const struct function *f)
{
    return f->max_args == ANY_NUMBER ? -1 : (int)(f->max_args - f->min_args);
}

static void put_call(struct json_writer *w, const struct promql_expr *e)
{
    const struct function *f = e->function;
    unsigned n = f->max_args == ANY_NUMBER ? f->min_args + 1 : f->max_args;
    put_type(w, "call");
    json_key(w, "func");
    json_open_object(w);
    json_key(w, "name");
    json_put_cstr(w, f->name);
    json_key(w, "argTypes");
    json_open_array(w);
    for (unsigned i = 0; i < n && i < MAX_ARGS; i++)
        json_put_cstr(w, api_type(function_arg(f, i)));
    json_close_array(w);
    json_key(w, "variadic");
    json_put_i64(w, variadic(f));
    json_key(w, "returnType");
    json_put_cstr(w, api_type(f->returns));
    json_close_object(w);
    json_key(w, "args");
    json_open_array(w);
    for (size_t i = 0; i < e->n_args; i++)
        promql_tree(e->args[i], w);
    json_close_array(w);
}

static void put_aggregate(struct json_writer *w, const struct promql_expr *e)
{
    put_type(w, "aggregation");
    json_key(w, "op");
    json_put_cstr(w, aggregate_op_name(e->aggregate));
    put_child(w, "expr", e->args[e->n_args - 1]);
    put_child(w, "param", e->n_args > 1 ? e->args[0] : NULL);
    put_names(w, "grouping", &e->grouping);
    json_key(w, "without");
    json_put_bool(w, e->without);
}

void promql_tree(const struct promql_expr *e, struct json_writer *w)
{
    json_open_object(w);
    switch (e->kind) {
    case NODE_NUMBER:
        put_type(w, "numberLiteral");
        put_number_text(w, "val", e->number);
        break;
    case NODE_STRING:
        put_type(w, "stringLiteral");
        json_key(w, "val");
        json_put_str(w, e->string);
        break;
    case NODE_SELECTOR:
        put_selector(w, e);
        break;
    case NODE_SUBQUERY:
        put_subquery(w, e);
        break;
    case NODE_PAREN:
        put_type(w, "parenExpr");
        put_child(w, "expr", e->args[0]);
        break;
    case NODE_NEGATE:
        put_type(w, "unaryExpr");
        json_key(w, "op");
        json_put_cstr(w, "-");
        put_child(w, "expr", e->args[0]);
        break;
    case NODE_BINARY:
        put_binary(w, e);
        break;
    case NODE_AGGREGATE:
        put_aggregate(w, e);
        break;
    case NODE_CALL:
        put_call(w, e);
        break;
    }
    json_close_object(w);
}
