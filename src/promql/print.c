/* An expression as canonical text on one line. */
#include "base/num.h"
#include "promql/functions.h"
#include "promql/parse.h"

/* A string literal that reads back as the same bytes. */
static void print_string(struct buf *out, struct str s)
{
    buf_add_char(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c == '\n')
            buf_add_cstr(out, "\\n");
        else if (c < 0x20 || c == 0x7f)
            buf_printf(out, "\\x%02x", c);
        else
            buf_add_char(out, (char)c);
    }
    buf_add_char(out, '"');
}

static void print_label_name(struct buf *out, struct str name)
{
    if (label_name_is_legacy(name))
        buf_add_str(out, name);
    else
        print_string(out, name);
}

static bool is_plain_name(const struct matcher *m)
{
    return m->type == MATCH_EQUAL && str_is(m->name, LABEL_NAME) &&
           metric_name_is_legacy(m->value) && !is_reserved(m->value);
}

/* A name in front must be the only one. */
static bool begins_with_name(const struct promql_expr *e)
{
    for (size_t i = 1; i < e->n_matchers; i++) {
        if (str_is(e->matchers[i].name, LABEL_NAME))
            return false;
    }
    return e->n_matchers > 0 && is_plain_name(&e->matchers[0]);
}

/* A name that comes first stands in front; Prometheus's text is `name{a="b",c="d"}`. */
static void print_selector(struct buf *out, const struct promql_expr *e)
{
    size_t i = 0;
    if (begins_with_name(e))
        buf_add_str(out, e->matchers[i++].value);
    if (i == e->n_matchers) {
        buf_add_cstr(out, i == 0 ? "{}" : "");
        return;
    }
    const char *separator = "{";
    for (; i < e->n_matchers; i++) {
        buf_add_cstr(out, separator);
        print_label_name(out, e->matchers[i].name);
        buf_add_cstr(out, match_type_symbol(e->matchers[i].type));
        print_string(out, e->matchers[i].value);
        separator = ",";
    }
    buf_add_char(out, '}');
}

static void print_names(struct buf *out, const struct names *names)
{
    buf_add_char(out, '(');
    for (size_t i = 0; i < names->n; i++) {
        if (i)
            buf_add_cstr(out, ", ");
        print_label_name(out, names->v[i]);
    }
    buf_add_char(out, ')');
}

static void print_span(struct buf *out, const struct span *span)
{
    if (span->expr)
        promql_print(span->expr, out);
    else
        num_add_duration(out, span->ms);
}

static void print_modifiers(struct buf *out, const struct promql_expr *e)
{
    if (e->at == AT_TIME)
        buf_printf(out, " @ %.3f", (double)e->at_ms / 1000);
    else if (e->at != AT_NONE)
        buf_add_cstr(out, e->at == AT_START ? " @ start()" : " @ end()");
    if (e->edges != EDGES_EXTRAPOLATED)
        buf_add_cstr(out, e->edges == EDGES_ANCHORED ? " anchored" : " smoothed");
    if (e->has_offset) {
        buf_add_cstr(out, " offset ");
        print_span(out, &e->offset);
    }
}

static void print_args(struct buf *out, const struct promql_expr *e)
{
    buf_add_char(out, '(');
    for (size_t i = 0; i < e->n_args; i++) {
        if (i)
            buf_add_cstr(out, ", ");
        promql_print(e->args[i], out);
    }
    buf_add_char(out, ')');
}

static void print_fill(struct buf *out, const char *word, double value)
{
    buf_printf(out, " %s (", word);
    num_add_double(out, value);
    buf_add_char(out, ')');
}

static void print_binary(struct buf *out, const struct promql_expr *e)
{
    const struct matching *m = &e->matching;
    promql_print(e->args[0], out);
    buf_printf(out, " %s%s", binary_op_text(e->op), e->returns_bool ? " bool" : "");
    if (m->on || m->labels.n || m->card != ONE_TO_ONE) {
        buf_add_cstr(out, m->on ? " on " : " ignoring ");
        print_names(out, &m->labels);
    }
    if (m->card != ONE_TO_ONE) {
        buf_add_cstr(out, m->card == MANY_TO_ONE ? " group_left " : " group_right ");
        print_names(out, &m->include);
    }
    if (m->fills_left && m->fills_right && memcmp(&m->fill_left, &m->fill_right, 8) == 0) {
        print_fill(out, "fill", m->fill_left);
    } else {
        if (m->fills_left)
            print_fill(out, "fill_left", m->fill_left);
        if (m->fills_right)
            print_fill(out, "fill_right", m->fill_right);
    }
    buf_add_char(out, ' ');
    promql_print(e->args[1], out);
}

static void print_range(struct buf *out, const struct promql_expr *e)
{
    if (e->type != PROMQL_MATRIX)
        return;
    buf_add_char(out, '[');
    print_span(out, &e->range);
    if (e->kind == NODE_SUBQUERY)
        buf_add_char(out, ':');
    if (span_is_set(&e->step))
        print_span(out, &e->step);
    buf_add_char(out, ']');
}

void promql_print(const struct promql_expr *e, struct buf *out)
{
    switch (e->kind) {
    case NODE_NUMBER:
        num_add_double(out, e->number);
        break;
    case NODE_STRING:
        print_string(out, e->string);
        break;
    case NODE_SELECTOR:
        print_selector(out, e);
        print_range(out, e);
        print_modifiers(out, e);
        break;
    case NODE_SUBQUERY:
        promql_print(e->args[0], out);
        print_range(out, e);
        print_modifiers(out, e);
        break;
    case NODE_PAREN:
        print_args(out, e);
        break;
    case NODE_NEGATE:
        buf_add_char(out, '-');
        promql_print(e->args[0], out);
        break;
    case NODE_BINARY:
        print_binary(out, e);
        break;
    case NODE_AGGREGATE:
        buf_add_cstr(out, aggregate_op_name(e->aggregate));
        if (e->without || e->grouping.n) {
            buf_add_cstr(out, e->without ? " without " : " by ");
            print_names(out, &e->grouping);
            buf_add_char(out, ' ');
        }
        print_args(out, e);
        break;
    case NODE_CALL:
        buf_add_cstr(out, e->function->name);
        print_args(out, e);
        break;
    }
}
