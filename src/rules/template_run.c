/* Walking the tree. */
#include "rules/template.h"

#include "base/num.h"

#define MAX_OUTPUT_BYTES ((size_t)64 << 10)
#define MAX_STEPS 100000

static bool step(struct expansion *x, size_t output_bytes)
{
    if (++x->steps > MAX_STEPS)
        return err_set(x->err, ERR_LIMIT, "template takes over %d steps", MAX_STEPS);
    if (output_bytes > MAX_OUTPUT_BYTES)
        return err_set(x->err, ERR_LIMIT, "template makes over %zu bytes", MAX_OUTPUT_BYTES);
    return true;
}

/* --- Values --- */

static struct value text_value(struct str text)
{
    return (struct value){.kind = VALUE_TEXT, .as.text = text};
}

static struct value labels_value(struct labels labels)
{
    return (struct value){.kind = VALUE_LABELS, .as.labels = labels};
}

static bool data_field(struct expansion *x, struct str name, struct value *v)
{
    const struct template_data *data = v->as.data;
    if (str_is(name, "Labels"))
        *v = labels_value(data->labels);
    else if (str_is(name, "ExternalLabels"))
        *v = labels_value(data->external_labels);
    else if (str_is(name, "ExternalURL"))
        *v = text_value(str_from(data->external_url ? data->external_url : ""));
    else if (str_is(name, "Value"))
        *v = (struct value){.kind = VALUE_FLOAT, .as.number = data->v};
    else
        return err_set(x->err, ERR_BAD_INPUT, "can't evaluate field " STR_FMT, STR_ARG(name));
    return true;
}

/* Of what `args` made: .arg0, .arg1, ... */
static void argument_field(struct str name, struct value *v)
{
    uint64_t i = 0;
    bool known = str_starts(name, STR("arg")) &&
                 num_parse_u64(str_make(name.p + 3, name.n - 3), &i) && i < v->as.list.n;
    *v = known ? v->as.list.v[i] : (struct value){.kind = VALUE_NIL};
}

/* A label that is not there is "". */
static bool take_field(struct expansion *x, struct str name, struct value *v)
{
    switch (v->kind) {
    case VALUE_DATA:
        return data_field(x, name, v);
    case VALUE_LABELS:
        *v = text_value(labels_get_str(v->as.labels, name));
        return true;
    case VALUE_SAMPLE:
        if (str_is(name, "Labels")) {
            *v = (struct value){.kind = VALUE_LABELS, .as.labels = v->as.sample->labels};
            return true;
        }
        if (str_is(name, "Value")) {
            *v = (struct value){.kind = VALUE_FLOAT, .as.number = v->as.sample->v};
            return true;
        }
        break;
    case VALUE_ARGS:
        argument_field(name, v);
        return true;
    case VALUE_NIL:
    case VALUE_BOOL:
    case VALUE_INT:
    case VALUE_FLOAT:
    case VALUE_TEXT:
    case VALUE_LIST:
        break;
    }
    return err_set(x->err, ERR_BAD_INPUT, "can't evaluate field " STR_FMT " in type %s",
                   STR_ARG(name), value_kind_name(v));
}

static bool run_pipeline(struct expansion *, const struct pipeline *, struct value dot,
                         struct value *out);

static bool operand_value(struct expansion *x, const struct operand *o, struct value dot,
                          struct value *out)
{
    *out = o->kind == OPERAND_DOT        ? dot
           : o->kind == OPERAND_VARIABLE ? x->slots[o->variable]
                                         : o->value;
    if (o->kind == OPERAND_PIPELINE && !run_pipeline(x, o->pipeline, dot, out))
        return false;
    for (size_t i = 0; i < o->n_fields; i++) {
        if (!take_field(x, o->fields[i], out))
            return false;
    }
    return true;
}

/* `piped` is the result of the command in front, NULL for the first: the last argument. */
static bool run_command(struct expansion *x, const struct template_command *c, struct value dot,
                        const struct value *piped, struct value *out)
{
    struct value args[33];
    size_t n = 0;
    CHECK(c->n < sizeof args / sizeof *args);
    for (; n < c->n; n++) {
        if (!operand_value(x, &c->args[n], dot, &args[n]))
            return false;
    }
    if (!c->function) {
        *out = args[0];
        return true;
    }
    if (piped)
        args[n++] = *piped;
    if (c->function->call(x, args, n, out))
        return true;
    return err_prefix(x->err, "error calling %s: ", c->function->name);
}

static bool run_pipeline(struct expansion *x, const struct pipeline *p, struct value dot,
                         struct value *out)
{
    struct value v = {.kind = VALUE_NIL};
    if (!step(x, 0))
        return false;
    for (size_t i = 0; i < p->n; i++) {
        struct value next;
        if (!run_command(x, &p->commands[i], dot, i > 0 ? &v : NULL, &next))
            return false;
        v = next;
    }
    /* range sets its variables itself, item by item. */
    if (p->sets && p->n_variables == 1)
        x->slots[p->variables[0]] = v;
    *out = v;
    return true;
}

/* --- Nodes --- */

static bool run_nodes(struct expansion *, const struct template_node *, struct value dot,
                      struct buf *out);

static void set_range_variables(struct expansion *x, const struct pipeline *p, struct value key,
                                struct value item)
{
    if (p->n_variables == 1) {
        x->slots[p->variables[0]] = item;
    } else if (p->n_variables == 2) {
        x->slots[p->variables[0]] = key;
        x->slots[p->variables[1]] = item;
    }
}

static bool run_range(struct expansion *x, const struct template_node *node, struct value over,
                      struct value dot, struct buf *out)
{
    size_t n = over.kind == VALUE_LIST     ? over.as.list.n
               : over.kind == VALUE_LABELS ? over.as.labels.n
                                           : 0;
    if (over.kind != VALUE_LIST && over.kind != VALUE_LABELS && over.kind != VALUE_NIL)
        return err_set(x->err, ERR_BAD_INPUT, "range can't iterate over %s",
                       value_kind_name(&over));
    for (size_t i = 0; i < n; i++) {
        struct value key = {.kind = VALUE_INT, .as.integer = (int64_t)i}, item;
        if (over.kind == VALUE_LABELS) {
            key = text_value(over.as.labels.v[i].name);
            item = text_value(over.as.labels.v[i].value);
        } else {
            item = over.as.list.v[i];
        }
        set_range_variables(x, node->pipeline, key, item);
        if (!step(x, out->n) || !run_nodes(x, node->body, item, out))
            return false;
        bool ends = x->jump == JUMP_BREAK;
        x->jump = JUMP_NONE;
        if (ends)
            break;
    }
    return n > 0 || run_nodes(x, node->otherwise, dot, out);
}

/* The slots of one depth. Templates may call themselves, so each call has its own. */
static struct value *frame(struct expansion *x)
{
    struct value **slots = &x->frames[x->depth];
    if (!*slots)
        *slots = ARENA_ARRAY(x->arena, struct value, TEMPLATE_MAX_VARIABLES);
    return *slots;
}

bool run_defined_template(struct expansion *x, struct str name, struct value value, struct buf *out)
{
    const struct template_body *body = x->template->defined;
    while (body && !str_eq(body->name, name))
        body = body->next;
    if (!body)
        return err_set(x->err, ERR_BAD_INPUT, "the template \"" STR_FMT "\" is not defined",
                       STR_ARG(name));
    if (x->depth == TEMPLATE_MAX_CALLS)
        return err_set(x->err, ERR_LIMIT, "templates are called over %d deep", TEMPLATE_MAX_CALLS);
    struct value *outside = x->slots;
    x->depth++;
    x->slots = frame(x);
    x->slots[SLOT_ROOT] = value;
    bool good = run_nodes(x, body->first, value, out);
    x->depth--;
    x->slots = outside;
    return good;
}

static bool run_node(struct expansion *x, const struct template_node *node, struct value dot,
                     struct buf *out)
{
    struct value v = {.kind = VALUE_NIL};
    if (node->pipeline && !run_pipeline(x, node->pipeline, dot, &v))
        return false;
    switch (node->kind) {
    case NODE_TEXT:
        buf_add_str(out, node->text);
        return true;
    case NODE_BREAK:
    case NODE_CONTINUE:
        x->jump = node->kind == NODE_BREAK ? JUMP_BREAK : JUMP_CONTINUE;
        return true;
    case NODE_TEMPLATE:
        return run_defined_template(x, node->text, v, out);
    case NODE_ACTION:
        if (!node->pipeline->sets)
            value_print(&v, out);
        return true;
    case NODE_RANGE:
        return run_range(x, node, v, dot, out);
    case NODE_IF:
    case NODE_WITH:
        if (!value_is_true(&v))
            return run_nodes(x, node->otherwise, dot, out);
        return run_nodes(x, node->body, node->kind == NODE_WITH ? v : dot, out);
    }
    return true;
}

static bool run_nodes(struct expansion *x, const struct template_node *node, struct value dot,
                      struct buf *out)
{
    for (; node && x->jump == JUMP_NONE; node = node->next) {
        if (!step(x, out->n) || !run_node(x, node, dot, out))
            return false;
    }
    return step(x, out->n);
}

const char *template_expand(const struct template *t, const struct template_data *data,
                            struct arena *arena, struct err *err)
{
    struct expansion x = {.template = t, .data = data, .arena = arena, .err = err};
    struct buf out = BUF_INIT;
    const char *text = NULL;
    struct value root = {.kind = VALUE_DATA, .as.data = data};
    x.slots = frame(&x);
    x.slots[SLOT_ROOT] = root;
    x.slots[SLOT_LABELS] = labels_value(data->labels);
    x.slots[SLOT_EXTERNAL_LABELS] = labels_value(data->external_labels);
    x.slots[SLOT_EXTERNAL_URL] = text_value(str_from(data->external_url ? data->external_url : ""));
    x.slots[SLOT_VALUE] = (struct value){.kind = VALUE_FLOAT, .as.number = data->v};
    if (run_nodes(&x, t->first, root, &out))
        text = arena_cstr(arena, buf_str(&out));
    buf_release(&out);
    return text;
}
