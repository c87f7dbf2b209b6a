/* An expression as canonical text on one line. */
#include "base/num.h"
#include "promql/functions.h"

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

static void print_modifiers(struct buf *out, const struct promql_expr *e)
{
    if (e->at == AT_TIME)
        buf_printf(out, " @ %.3f", (double)e->at_ms / 1000);
    else if (e->at != AT_NONE)
        buf_add_cstr(out, e->at == AT_START ? " @ start()" : " @ end()");
    if (e->has_offset) {
        buf_add_cstr(out, e->offset_ms < 0 ? " offset -" : " offset ");
        num_add_duration(out, e->offset_ms < 0 ? -e->offset_ms : e->offset_ms);
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

static void print_binary(struct buf *out, const struct promql_expr *e)
{
    const struct matching *m = &e->matching;
    promql_print(e->args[0], out);
    buf_printf(out, " %s%s", binary_op_text(e->op), e->returns_bool ? " bool" : "");
    if (m->on || m->labels.n) {
        buf_add_cstr(out, m->on ? " on " : " ignoring ");
        print_names(out, &m->labels);
    }
    if (m->card != ONE_TO_ONE) {
        buf_add_cstr(out, m->card == MANY_TO_ONE ? " group_left " : " group_right ");
        print_names(out, &m->include);
    }
    buf_add_char(out, ' ');
    promql_print(e->args[1], out);
}

static void print_range(struct buf *out, const struct promql_expr *e)
{
    if (e->range_ms == 0)
        return;
    buf_add_char(out, '[');
    num_add_duration(out, e->range_ms);
    if (e->kind == NODE_SUBQUERY)
        buf_add_char(out, ':');
    if (e->step_ms)
        num_add_duration(out, e->step_ms);
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
        matchers_print(e->matchers, e->n_matchers, out);
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
