/* Text and actions into a tree. Grammar: pkg.go.dev/text/template. */
#include "rules/template.h"
#include "rules/template_words.h"

#include "base/num.h"

#include <ctype.h>

#define MAX_TEMPLATE_BYTES ((size_t)64 << 10)
#define MAX_NESTING 32
#define MAX_ARGS 32

struct scope {
    struct str names[TEMPLATE_MAX_VARIABLES];
    size_t slots[TEMPLATE_MAX_VARIABLES];
    size_t n;
};

struct reader_state {
    struct arena *arena;
    struct str text;
    size_t at;                   /* of the text that is left */
    struct template_words words; /* of the action that is read */
    struct scope scope;
    size_t n_slots;
    unsigned depth, ranges; /* that we are inside of */
    struct template *made;
    bool trim_next; /* the last action ended in -}} */
};

static bool advance(struct reader_state *r)
{
    return words_advance(&r->words);
}

static bool at_sign(const struct reader_state *r, const char *symbol)
{
    return words_at_sign(&r->words, symbol);
}

static bool at_keyword(const struct reader_state *r, const char *word)
{
    return words_at_keyword(&r->words, word);
}

/* --- Variables --- */

static bool declare(struct reader_state *r, struct str name, size_t *slot)
{
    if (r->scope.n == TEMPLATE_MAX_VARIABLES || r->n_slots == TEMPLATE_MAX_VARIABLES)
        return words_wrong(&r->words, "over %d variables", TEMPLATE_MAX_VARIABLES);
    *slot = r->n_slots++;
    r->scope.names[r->scope.n] = name;
    r->scope.slots[r->scope.n++] = *slot;
    return true;
}

static bool find_variable(struct reader_state *r, struct str name, size_t *slot)
{
    for (size_t i = r->scope.n; i-- > 0;) {
        if (str_eq(r->scope.names[i], name)) {
            *slot = r->scope.slots[i];
            return true;
        }
    }
    return words_wrong(&r->words, "undefined variable $" STR_FMT, STR_ARG(name));
}

/* --- Operands and pipelines --- */

static bool parse_pipeline(struct reader_state *, const char *end, struct pipeline **);

static bool take_fields(struct reader_state *r, struct operand *o)
{
    struct str *fields = NULL;
    size_t capacity = 0;
    while (r->words.token.kind == TOKEN_FIELD && !r->words.token.spaced) {
        fields = arena_grow(r->arena, fields, o->n_fields, &capacity, sizeof *fields);
        fields[o->n_fields++] = r->words.token.text;
        o->fields = fields;
        if (!advance(r))
            return false;
    }
    return true;
}

static bool parse_number_literal(struct reader_state *r, struct value *out)
{
    *out = (struct value){.kind = VALUE_INT};
    if (num_parse_i64(r->words.token.text, &out->as.integer))
        return true;
    out->kind = VALUE_FLOAT;
    return num_parse_double(r->words.token.text, &out->as.number) ||
           words_wrong(&r->words, "bad number " STR_FMT, STR_ARG(r->words.token.text));
}

static bool parse_word(struct reader_state *r, struct operand *o)
{
    if (at_keyword(r, "true") || at_keyword(r, "false"))
        o->value = (struct value){.kind = VALUE_BOOL, .as.boolean = at_keyword(r, "true")};
    else if (!at_keyword(r, "nil"))
        return words_wrong(&r->words,
                           "the function " STR_FMT " must stand first, or in parentheses",
                           STR_ARG(r->words.token.text));
    return advance(r);
}

static bool parse_parentheses(struct reader_state *r, struct operand *o)
{
    struct pipeline *inner;
    if (++r->depth > MAX_NESTING)
        return words_wrong(&r->words, "nested over %d deep", MAX_NESTING);
    if (!advance(r) || !parse_pipeline(r, ")", &inner))
        return false;
    r->depth--;
    o->kind = OPERAND_PIPELINE;
    o->pipeline = inner;
    return advance(r);
}

static bool parse_operand(struct reader_state *r, struct operand *o)
{
    *o = (struct operand){.kind = OPERAND_VALUE};
    bool good = false;
    switch (r->words.token.kind) {
    case TOKEN_NUMBER:
        good = parse_number_literal(r, &o->value) && advance(r);
        break;
    case TOKEN_TEXT:
        o->value = (struct value){.kind = VALUE_TEXT, .as.text = r->words.token.text};
        good = advance(r);
        break;
    case TOKEN_VARIABLE:
        o->kind = OPERAND_VARIABLE;
        good = find_variable(r, r->words.token.text, &o->variable) && advance(r);
        break;
    case TOKEN_FIELD:
        o->kind = OPERAND_DOT;
        r->words.token.spaced = false; /* its first field follows at once */
        good = true;
        break;
    case TOKEN_WORD:
        good = parse_word(r, o);
        break;
    case TOKEN_SYMBOL:
        if (at_sign(r, "(")) {
            good = parse_parentheses(r, o);
        } else {
            o->kind = OPERAND_DOT;
            good = at_sign(r, ".") ? advance(r)
                                   : words_wrong(&r->words, "unexpected \"" STR_FMT "\"",
                                                 STR_ARG(r->words.token.text));
        }
        break;
    case TOKEN_END:
        good = words_wrong(&r->words, "missing value");
        break;
    }
    return good && take_fields(r, o);
}

static bool check_arity(struct reader_state *r, const struct template_command *c, bool piped)
{
    size_t n = c->n + piped;
    const struct template_function *f = c->function;
    if (!f || (n >= (size_t)f->min_args && (f->max_args < 0 || n <= (size_t)f->max_args)))
        return true;
    return words_wrong(&r->words, "wrong number of arguments for %s: %zu", f->name, n);
}

static bool parse_command(struct reader_state *r, const char *end, bool piped,
                          struct template_command *out)
{
    struct operand args[MAX_ARGS];
    *out = (struct template_command){0};
    if (r->words.token.kind == TOKEN_WORD && !at_keyword(r, "true") && !at_keyword(r, "false") &&
        !at_keyword(r, "nil")) {
        out->function = find_template_function(r->words.token.text);
        if (!out->function)
            return words_wrong(&r->words, "function \"" STR_FMT "\" is not known here",
                               STR_ARG(r->words.token.text));
        if (!advance(r))
            return false;
    }
    while (r->words.token.kind != TOKEN_END && !at_sign(r, "|") && !at_sign(r, end)) {
        if (out->n == MAX_ARGS)
            return words_wrong(&r->words, "over %d arguments", MAX_ARGS);
        if (!parse_operand(r, &args[out->n++]))
            return false;
    }
    if (!out->function && out->n != 1)
        return words_wrong(&r->words, out->n == 0 ? "missing value" : "a value takes no arguments");
    if (!out->function && piped)
        return words_wrong(&r->words, "only a function can stand behind |");
    out->args = arena_memdup(r->arena, args, out->n * sizeof *args);
    return check_arity(r, out, piped);
}

/* `$x :=`, `$x =` or, in range, `$i, $x :=` in front of a pipeline. */
static bool parse_assignment(struct reader_state *r, struct pipeline *p, bool *declares)
{
    struct reader_state before = *r;
    struct str names[2] = {{0}};
    size_t n = 0;
    *declares = false;
    while (r->words.token.kind == TOKEN_VARIABLE && n < 2) {
        names[n++] = r->words.token.text;
        if (!advance(r))
            return false;
        if (!at_sign(r, ",") || n == 2)
            break;
        if (!advance(r))
            return false;
    }
    if (n == 0 || (!at_sign(r, ":=") && !at_sign(r, "="))) {
        *r = before;
        return true;
    }
    p->sets = true;
    p->n_variables = n;
    *declares = at_sign(r, ":=");
    for (size_t i = 0; i < n; i++) {
        if (*declares ? names[i].n == 0 : !find_variable(r, names[i], &p->variables[i]))
            return names[i].n == 0 ? words_wrong(&r->words, "a variable needs a name") : false;
    }
    if (!advance(r))
        return false;
    for (size_t i = 0; *declares && i < n; i++) {
        if (!declare(r, names[i], &p->variables[i]))
            return false;
    }
    return true;
}

static bool parse_pipeline(struct reader_state *r, const char *end, struct pipeline **out)
{
    struct template_command *commands = NULL;
    size_t capacity = 0;
    bool declares;
    struct pipeline *p = *out = ARENA_NEW(r->arena, struct pipeline);
    if (!parse_assignment(r, p, &declares))
        return false;
    for (;;) {
        commands = arena_grow(r->arena, commands, p->n, &capacity, sizeof *commands);
        if (!parse_command(r, end, p->n > 0, &commands[p->n]))
            return false;
        p->n++;
        p->commands = commands;
        if (!at_sign(r, "|"))
            break;
        if (!advance(r))
            return false;
    }
    bool ended = *end ? at_sign(r, end) : r->words.token.kind == TOKEN_END;
    return ended || words_wrong(&r->words, "unexpected end, expected %s", *end ? end : "}}");
}

/* --- Nodes --- */

struct node_list {
    struct template_node *first, **last;
};

static struct template_node *add_node(struct reader_state *r, struct node_list *list,
                                      enum template_node_kind kind)
{
    struct template_node *node = ARENA_NEW(r->arena, struct template_node);
    node->kind = kind;
    *list->last = node;
    list->last = &node->next;
    return node;
}

static void add_text(struct reader_state *r, struct node_list *list, struct str text)
{
    while (r->trim_next && text.n > 0 && isspace((unsigned char)*text.p))
        text = str_make(text.p + 1, text.n - 1);
    if (text.n > 0)
        add_node(r, list, NODE_TEXT)->text = text;
}

/* The next action without its braces and trim marks; the text in front goes to the list. */
static bool next_action(struct reader_state *r, struct node_list *list, bool *found)
{
    struct str rest = str_make(r->text.p + r->at, r->text.n - r->at);
    const char *open = memmem(rest.p, rest.n, "{{", 2);
    *found = open != NULL;
    if (!open) {
        add_text(r, list, rest);
        r->at = r->text.n;
        return true;
    }
    struct str text = str_make(rest.p, (size_t)(open - rest.p));
    struct str inside = str_make(open + 2, rest.n - text.n - 2);
    bool trims = inside.n > 1 && inside.p[0] == '-' && isspace((unsigned char)inside.p[1]);
    while (trims && text.n > 0 && isspace((unsigned char)text.p[text.n - 1]))
        text.n--;
    add_text(r, list, text);
    if (trims)
        inside = str_make(inside.p + 1, inside.n - 1);
    /* }} inside a string does not end it. */
    size_t n = 0;
    char quote = 0;
    while (n + 1 < inside.n && (quote || inside.p[n] != '}' || inside.p[n + 1] != '}')) {
        if (quote && inside.p[n] == '\\' && quote != '`')
            n++;
        else if (quote && inside.p[n] == quote)
            quote = 0;
        else if (!quote && (inside.p[n] == '"' || inside.p[n] == '`'))
            quote = inside.p[n];
        n++;
    }
    r->words.action = str_make(inside.p, n < inside.n ? n : inside.n);
    if (n + 1 >= inside.n)
        return words_wrong(&r->words, "unclosed action");
    r->at = (size_t)(inside.p + n + 2 - r->text.p);
    r->trim_next = n > 1 && inside.p[n - 1] == '-' && isspace((unsigned char)inside.p[n - 2]);
    if (r->trim_next)
        r->words.action.n--;
    r->words.at = 0;
    return true;
}

enum stop { STOP_EOF, STOP_END, STOP_ELSE };

static bool parse_nodes(struct reader_state *, struct node_list *, enum stop *);

/* What follows `if`, `with` or `range`, up to its end. */
static bool parse_block(struct reader_state *r, struct node_list *list,
                        enum template_node_kind kind)
{
    size_t outer = r->scope.n;
    struct node_list body, otherwise;
    struct pipeline *pipeline;
    enum stop stop;
    if (++r->depth > MAX_NESTING)
        return words_wrong(&r->words, "nested over %d deep", MAX_NESTING);
    struct template_node *node = add_node(r, list, kind);
    body = (struct node_list){NULL, &body.first};
    otherwise = (struct node_list){NULL, &otherwise.first};
    if (!parse_pipeline(r, "", &pipeline))
        return false;
    r->ranges += kind == NODE_RANGE;
    if (!parse_nodes(r, &body, &stop))
        return false;
    r->ranges -= kind == NODE_RANGE;
    if (pipeline->n_variables == 2 && kind != NODE_RANGE)
        return words_wrong(&r->words, "two variables are for range");
    if (stop == STOP_ELSE && at_keyword(r, "if")) {
        if (!advance(r) || !parse_block(r, &otherwise, NODE_IF))
            return false;
        stop = STOP_END; /* the inner block took the end */
    } else if (stop == STOP_ELSE) {
        if (r->words.token.kind != TOKEN_END)
            return words_wrong(&r->words, "unexpected word behind else");
        if (!parse_nodes(r, &otherwise, &stop))
            return false;
    }
    if (stop != STOP_END)
        return words_wrong(&r->words, stop == STOP_ELSE ? "unexpected else" : "missing {{ end }}");
    r->scope.n = outer;
    r->depth--;
    *node = (struct template_node){.kind = kind,
                                   .pipeline = pipeline,
                                   .body = body.first,
                                   .otherwise = otherwise.first,
                                   .next = node->next};
    return true;
}

/* The string that names a template. */
static bool parse_name(struct reader_state *r, struct str *name)
{
    if (!advance(r))
        return false;
    if (r->words.token.kind != TOKEN_TEXT)
        return words_wrong(&r->words, "the template's name must be a string");
    *name = r->words.token.text;
    return advance(r);
}

static const struct template_body *find_body(const struct template *t, struct str name)
{
    const struct template_body *b = t->defined;
    while (b && !str_eq(b->name, name))
        b = b->next;
    return b;
}

/* What follows `define` or `block`, up to its end: of the outside it knows nothing but `$`. */
static bool parse_body(struct reader_state *r, struct str name)
{
    struct reader_state outside = *r;
    struct node_list list = {NULL, &list.first};
    enum stop stop;
    if (++r->depth > MAX_NESTING)
        return words_wrong(&r->words, "nested over %d deep", MAX_NESTING);
    r->scope.n = 1;
    r->n_slots = N_FIXED_SLOTS;
    r->ranges = 0;
    if (!parse_nodes(r, &list, &stop))
        return false;
    if (stop != STOP_END)
        return words_wrong(&r->words, stop == STOP_ELSE ? "unexpected else" : "missing {{ end }}");
    if (find_body(r->made, name))
        return words_wrong(&r->words, "the template \"" STR_FMT "\" is defined twice",
                           STR_ARG(name));
    struct template_body *body = ARENA_NEW(r->arena, struct template_body);
    *body = (struct template_body){name, list.first, r->made->defined};
    r->made->defined = body;
    r->scope = outside.scope;
    r->n_slots = outside.n_slots;
    r->ranges = outside.ranges;
    r->depth--;
    return true;
}

static bool parse_define(struct reader_state *r)
{
    struct str name;
    if (r->depth > 0)
        return words_wrong(&r->words, "a template can only be defined outside of all blocks");
    if (!parse_name(r, &name))
        return false;
    if (r->words.token.kind != TOKEN_END)
        return words_wrong(&r->words, "unexpected word behind the template's name");
    return parse_body(r, name);
}

/* `template "name" value`, or with `block` what it is unless defined elsewhere. */
static bool parse_call(struct reader_state *r, struct node_list *list, bool has_body)
{
    struct pipeline *pipeline = NULL;
    struct str name;
    if (!parse_name(r, &name))
        return false;
    if ((has_body || r->words.token.kind != TOKEN_END) && !parse_pipeline(r, "", &pipeline))
        return false;
    struct template_node *node = add_node(r, list, NODE_TEMPLATE);
    node->text = name;
    node->pipeline = pipeline;
    return !has_body || parse_body(r, name);
}

static bool parse_jump(struct reader_state *r, struct node_list *list, enum template_node_kind kind)
{
    if (r->ranges == 0)
        return words_wrong(&r->words, "outside of any range");
    if (!advance(r))
        return false;
    if (r->words.token.kind != TOKEN_END)
        return words_wrong(&r->words, "unexpected word");
    add_node(r, list, kind);
    return true;
}

static bool parse_value(struct reader_state *r, struct node_list *list)
{
    struct pipeline *pipeline;
    if (!parse_pipeline(r, "", &pipeline))
        return false;
    if (pipeline->n_variables == 2)
        return words_wrong(&r->words, "two variables are for range");
    add_node(r, list, NODE_ACTION)->pipeline = pipeline;
    return true;
}

static bool parse_action(struct reader_state *r, struct node_list *list)
{
    if (at_keyword(r, "if"))
        return advance(r) && parse_block(r, list, NODE_IF);
    if (at_keyword(r, "with"))
        return advance(r) && parse_block(r, list, NODE_WITH);
    if (at_keyword(r, "range"))
        return advance(r) && parse_block(r, list, NODE_RANGE);
    if (at_keyword(r, "break"))
        return parse_jump(r, list, NODE_BREAK);
    if (at_keyword(r, "continue"))
        return parse_jump(r, list, NODE_CONTINUE);
    if (at_keyword(r, "define"))
        return parse_define(r);
    if (at_keyword(r, "template") || at_keyword(r, "block"))
        return parse_call(r, list, at_keyword(r, "block"));
    return parse_value(r, list);
}

static bool is_comment(struct str action)
{
    struct str s = str_trim(action);
    return str_starts(s, STR("/*")) && str_ends(s, STR("*/"));
}

static bool parse_nodes(struct reader_state *r, struct node_list *list, enum stop *stop)
{
    size_t outer = r->scope.n;
    bool found;
    for (;;) {
        if (!next_action(r, list, &found))
            return false;
        *stop = STOP_EOF;
        if (!found)
            return true;
        if (is_comment(r->words.action))
            continue;
        if (!advance(r))
            return false;
        if (at_keyword(r, "end") || at_keyword(r, "else")) {
            *stop = at_keyword(r, "end") ? STOP_END : STOP_ELSE;
            r->scope.n = outer;
            return advance(r);
        }
        if (!parse_action(r, list))
            return false;
    }
}

struct template *template_parse(struct arena *arena, struct str text, struct err *err)
{
    static const char *const fixed[] = {"", "labels", "externalLabels", "externalURL", "value"};
    struct reader_state r = {.arena = arena,
                             .text = text,
                             .words = {.arena = arena, .err = err},
                             .n_slots = N_FIXED_SLOTS,
                             .made = ARENA_NEW(arena, struct template)};
    struct node_list list = {NULL, &list.first};
    enum stop stop;
    if (text.n > MAX_TEMPLATE_BYTES) {
        err_set(err, ERR_LIMIT, "template has %zu bytes, the limit is %zu", text.n,
                MAX_TEMPLATE_BYTES);
        return NULL;
    }
    for (size_t i = 0; i < N_FIXED_SLOTS; i++) {
        r.scope.names[i] = str_from(fixed[i]);
        r.scope.slots[i] = i;
    }
    r.scope.n = N_FIXED_SLOTS;
    if (!parse_nodes(&r, &list, &stop))
        return NULL;
    if (stop != STOP_EOF) {
        (void)words_wrong(&r.words, stop == STOP_END ? "unexpected end" : "unexpected else");
        return NULL;
    }
    r.made->first = list.first;
    return r.made;
}
