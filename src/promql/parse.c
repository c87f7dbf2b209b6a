/* Expressions, operators and literals. */
#include "promql/parse.h"

#include "promql/functions.h"

#include <math.h>
#include <stdio.h>
#include <strings.h>

/* --- Tokens --- */

bool next_token(struct parser *p)
{
    return lex_next(&p->lexer, &p->token, p->err);
}

bool parse_complain(struct parser *p, size_t position, const char *format, ...)
{
    char message[400];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return lex_error(p->lexer.all, position, p->err, ERR_BAD_INPUT, "%s", message);
}

bool at_symbol(const struct parser *p, const char *symbol)
{
    return p->token.kind == TOKEN_SYMBOL && str_is(p->token.text, symbol);
}

bool word_is(struct str text, const char *word)
{
    return text.n == strlen(word) && strncasecmp(text.p, word, text.n) == 0;
}

bool at_word(const struct parser *p, const char *word)
{
    return p->token.kind == TOKEN_WORD && word_is(p->token.text, word);
}

/* A word or symbol that was probably meant instead of the next token. */
static const char *meant(const struct parser *p, bool operator)
{
    static const char *const words[] = {"and",         "or",     "unless",   "atan2",
                                        "on",          "offset", "ignoring", "group_left",
                                        "group_right", "by",     "bool",     "without"};
    if (at_symbol(p, "="))
        return "==";
    if (at_symbol(p, "=="))
        return "=";
    return operator&& p->token.kind == TOKEN_WORD
               ? str_nearest(p->token.text, words, sizeof words / sizeof *words)
               : NULL;
}

bool unexpected_token(struct parser *p, const char *where, const char *what)
{
    const char *near = meant(p, !*where);
    const char *quote = p->token.kind == TOKEN_END ? "" : "\"";
    return parse_complain(p, p->token.position, "unexpected %s%.60s%s%s%s%s%s%s%s%s", quote,
                          arena_cstr(p->arena, p->token.text), quote, *where ? " in " : "", where,
                          *what ? ", expected " : "", what, near ? "; did you mean \"" : "",
                          near ? near : "", near ? "\"?" : "");
}

bool expect_symbol(struct parser *p, const char *symbol, const char *where)
{
    char quoted[8];
    if (at_symbol(p, symbol))
        return next_token(p);
    (void)snprintf(quoted, sizeof quoted, "\"%s\"", symbol);
    return unexpected_token(p, where, quoted);
}

/* --- Nodes --- */

struct promql_expr *node_new(struct parser *p, enum node_kind kind, enum promql_type type,
                             size_t position)
{
    struct promql_expr *e = ARENA_NEW(p->arena, struct promql_expr);
    e->kind = kind;
    e->type = type;
    e->position = position;
    e->depth = 1;
    return e;
}

bool node_set_args(struct parser *p, struct promql_expr *e, struct promql_expr **args, size_t n)
{
    e->args = args;
    e->n_args = n;
    for (size_t i = 0; i < n; i++) {
        if (args[i]->depth >= e->depth)
            e->depth = args[i]->depth + 1;
    }
    if (e->depth <= MAX_DEPTH)
        return true;
    return lex_error(p->lexer.all, e->position, p->err, ERR_LIMIT, "nested over %d levels deep",
                     MAX_DEPTH);
}

static struct promql_expr *with_arg(struct parser *p, struct promql_expr *e,
                                    struct promql_expr *arg)
{
    struct promql_expr **args = ARENA_ARRAY(p->arena, struct promql_expr *, 1);
    args[0] = arg;
    return node_set_args(p, e, args, 1) ? e : NULL;
}

const char *promql_type_name(enum promql_type type)
{
    static const char *const names[] = {"scalar", "string", "instant vector", "range vector"};
    return names[type];
}

/* --- Primaries --- */

/* These would be read as numbers, or as a part of the operator before them. */
bool is_reserved(struct str word)
{
    static const char *const words[] = {"inf",      "nan",        "bool",        "on",
                                        "ignoring", "group_left", "group_right", "atan2"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (word_is(word, words[i]))
            return true;
    }
    return false;
}

static bool at_number_word(const struct parser *p)
{
    return at_word(p, "inf") || at_word(p, "nan");
}

static struct promql_expr *parse_number_word(struct parser *p)
{
    struct promql_expr *e = node_new(p, NODE_NUMBER, PROMQL_SCALAR, p->token.position);
    e->number = at_word(p, "inf") ? (double)INFINITY : (double)NAN;
    return next_token(p) ? e : NULL;
}

static struct promql_expr *parse_word(struct parser *p)
{
    struct token word = p->token;
    enum aggregate_op op;
    if (at_number_word(p))
        return parse_number_word(p);
    if (is_reserved(word.text)) {
        unexpected_token(p, "an expression", "an operand");
        return NULL;
    }
    if (!next_token(p))
        return NULL;
    if (find_aggregate(word.text, &op) && (at_symbol(p, "(") || at_grouping(p)))
        return parse_aggregate(p, op, word.position);
    if (at_symbol(p, "("))
        return parse_call(p, word);
    return parse_selector(p, word.text, word.position);
}

struct promql_expr *parse_literal(struct parser *p)
{
    bool text = p->token.kind == TOKEN_STRING;
    struct promql_expr *e = node_new(p, text ? NODE_STRING : NODE_NUMBER,
                                     text ? PROMQL_STRING : PROMQL_SCALAR, p->token.position);
    e->string = p->token.text;
    e->number =
        p->token.kind == TOKEN_DURATION ? (double)p->token.duration_ms / 1000 : p->token.number;
    return next_token(p) ? e : NULL;
}

struct promql_expr *parse_paren(struct parser *p)
{
    size_t position = p->token.position;
    if (!next_token(p))
        return NULL;
    struct promql_expr *inner = parse_expr(p, 0);
    if (!inner || !expect_symbol(p, ")", "parentheses"))
        return NULL;
    return with_arg(p, node_new(p, NODE_PAREN, inner->type, position), inner);
}

/* Unary minus binds looser than ^ and tighter than the rest. */
static struct promql_expr *parse_sign(struct parser *p)
{
    size_t position = p->token.position;
    bool minus = at_symbol(p, "-");
    if (!next_token(p))
        return NULL;
    struct promql_expr *inner = parse_expr(p, 6);
    if (!inner)
        return NULL;
    if (inner->type != PROMQL_SCALAR && inner->type != PROMQL_VECTOR) {
        parse_complain(
            p, position,
            "unary expression only allowed on expressions of type scalar or instant vector, "
            "got %s",
            promql_type_name(inner->type));
        return NULL;
    }
    return minus ? with_arg(p, node_new(p, NODE_NEGATE, inner->type, position), inner) : inner;
}

static struct promql_expr *parse_primary(struct parser *p)
{
    if (at_symbol(p, "+") || at_symbol(p, "-"))
        return parse_sign(p);
    if (at_symbol(p, "("))
        return parse_postfix(p, parse_paren(p));
    if (at_symbol(p, "{"))
        return parse_postfix(p, parse_selector(p, STR(""), p->token.position));
    if (p->token.kind == TOKEN_WORD)
        return parse_postfix(p, parse_word(p));
    if (p->token.kind != TOKEN_SYMBOL && p->token.kind != TOKEN_END)
        return parse_postfix(p, parse_literal(p));
    if (p->token.kind == TOKEN_END && str_trim(p->lexer.all).n == 0)
        parse_complain(p, 0, "no expression found in input");
    else
        unexpected_token(p, "", "an expression");
    return NULL;
}

/* --- Binary operators --- */

static const struct {
    const char *text;
    int precedence;
} binary_ops[] = {
#define X(code, text, precedence) {text, precedence},
    BINARY_OPS(X)
#undef X
};

const char *binary_op_text(enum binary_op op)
{
    return binary_ops[op].text;
}

static bool at_binary_op(const struct parser *p, enum binary_op *op)
{
    if (p->token.kind != TOKEN_SYMBOL && p->token.kind != TOKEN_WORD)
        return false;
    for (size_t i = 0; i < sizeof binary_ops / sizeof *binary_ops; i++) {
        if (word_is(p->token.text, binary_ops[i].text)) {
            *op = (enum binary_op)i;
            return true;
        }
    }
    return false;
}

static bool parse_bool(struct parser *p, struct promql_expr *e)
{
    if (!at_word(p, "bool"))
        return true;
    e->returns_bool = true;
    if (!is_comparison(e->op))
        return parse_complain(p, p->token.position,
                              "bool modifier can only be used on comparison operators");
    return next_token(p);
}

/* fill, fill_left and fill_right are metric names, too, unless a parenthesis follows. */
static bool at_fill(const struct parser *p, const char *word)
{
    struct str rest = p->lexer.all;
    rest = str_trim(str_make(rest.p + p->lexer.at, rest.n - p->lexer.at));
    return at_word(p, word) && rest.n > 0 && rest.p[0] == '(';
}

static bool parse_fill_value(struct parser *p, double *out)
{
    double sign = 1;
    if (!next_token(p) || !expect_symbol(p, "(", "fill"))
        return false;
    if (at_symbol(p, "-") || at_symbol(p, "+")) {
        sign = at_symbol(p, "-") ? -1 : 1;
        if (!next_token(p))
            return false;
    }
    bool word = at_number_word(p);
    if (!word && p->token.kind != TOKEN_NUMBER && p->token.kind != TOKEN_DURATION)
        return unexpected_token(p, "fill", "a number");
    const struct promql_expr *value = word ? parse_number_word(p) : parse_literal(p);
    if (!value)
        return false;
    *out = sign * value->number;
    return expect_symbol(p, ")", "fill");
}

static bool parse_fills(struct parser *p, const struct promql_expr *e, struct matching *m)
{
    for (;;) {
        bool both = at_fill(p, "fill");
        bool left = both || at_fill(p, "fill_left"), right = both || at_fill(p, "fill_right");
        double value = 0;
        if (!left && !right)
            return true;
        if (is_set_op(e->op))
            return parse_complain(p, p->token.position, "no filling allowed for \"%s\" operation",
                                  binary_op_text(e->op));
        if ((left && m->fills_left) || (right && m->fills_right))
            return parse_complain(p, p->token.position, "a side may not be filled twice");
        if (!parse_fill_value(p, &value))
            return false;
        m->fills_left |= left;
        m->fills_right |= right;
        m->fill_left = left ? value : m->fill_left;
        m->fill_right = right ? value : m->fill_right;
    }
}

static bool parse_grouped(struct parser *p, const struct promql_expr *e, struct matching *m)
{
    if (!at_word(p, "group_left") && !at_word(p, "group_right"))
        return true;
    if (is_set_op(e->op))
        return parse_complain(p, p->token.position, "no grouping allowed for \"%s\" operation",
                              binary_op_text(e->op));
    m->card = at_word(p, "group_left") ? MANY_TO_ONE : ONE_TO_MANY;
    return next_token(p) && (!at_symbol(p, "(") || parse_names(p, &m->include));
}

static bool parse_matching(struct parser *p, struct promql_expr *e)
{
    struct matching *m = &e->matching;
    if (!parse_bool(p, e))
        return false;
    if (at_word(p, "on") || at_word(p, "ignoring")) {
        m->on = at_word(p, "on");
        if (!next_token(p) || !parse_names(p, &m->labels) || !parse_grouped(p, e, m))
            return false;
    }
    return parse_fills(p, e, m);
}

/* A label cannot decide the match and be copied over at once. */
static bool check_include(struct parser *p, const struct promql_expr *e, size_t position)
{
    const struct matching *m = &e->matching;
    for (size_t i = 0; m->on && i < m->include.n; i++) {
        for (size_t k = 0; k < m->labels.n; k++) {
            if (str_eq(m->include.v[i], m->labels.v[k]))
                return parse_complain(
                    p, position, "label \"%.60s\" must not occur in ON and GROUP clause at once",
                    arena_cstr(p->arena, m->include.v[i]));
        }
    }
    return true;
}

static bool check_binary(struct parser *p, struct promql_expr *e, size_t position)
{
    enum promql_type l = e->args[0]->type, r = e->args[1]->type;
    bool l_good = l == PROMQL_SCALAR || l == PROMQL_VECTOR;
    bool r_good = r == PROMQL_SCALAR || r == PROMQL_VECTOR;
    bool scalars = l == PROMQL_SCALAR && r == PROMQL_SCALAR;
    bool vectors = l == PROMQL_VECTOR && r == PROMQL_VECTOR;
    if (!l_good || !r_good)
        return parse_complain(
            p, position,
            "binary expression must contain only scalar and instant vector types, "
            "got %s",
            promql_type_name(l_good ? r : l));
    if (is_set_op(e->op) && !vectors)
        return parse_complain(p, position,
                              "set operator \"%s\" not allowed in binary scalar expression",
                              binary_op_text(e->op));
    if (scalars && (e->op == OP_TRIM_UPPER || e->op == OP_TRIM_LOWER))
        return parse_complain(p, position, "operator \"%s\" not allowed for Scalar operations",
                              binary_op_text(e->op));
    if (scalars && is_comparison(e->op) && !e->returns_bool)
        return parse_complain(p, position, "comparisons between scalars must use BOOL modifier");
    bool matches =
        e->matching.on || e->matching.labels.n || e->matching.fills_left || e->matching.fills_right;
    if (matches && !vectors)
        return parse_complain(p, position, "vector matching only allowed between instant vectors");
    e->type = scalars ? PROMQL_SCALAR : PROMQL_VECTOR;
    return check_include(p, e, position);
}

/* The operator and its right side, behind `left`. */
static struct promql_expr *parse_binary(struct parser *p, struct promql_expr *left,
                                        enum binary_op op)
{
    struct promql_expr *e = node_new(p, NODE_BINARY, PROMQL_VECTOR, left->position);
    size_t position = p->token.position;
    e->op = op;
    if (!next_token(p) || !parse_matching(p, e))
        return NULL;
    struct promql_expr *right = parse_expr(p, binary_ops[op].precedence + (op == OP_POW ? 0 : 1));
    if (!right)
        return NULL;
    struct promql_expr **args = ARENA_ARRAY(p->arena, struct promql_expr *, 2);
    args[0] = left;
    args[1] = right;
    return node_set_args(p, e, args, 2) && check_binary(p, e, position) ? e : NULL;
}

struct promql_expr *parse_expr(struct parser *p, int min_precedence)
{
    enum binary_op op;
    if (++p->depth > MAX_DEPTH) {
        (void)lex_error(p->lexer.all, p->token.position, p->err, ERR_LIMIT,
                        "nested over %d levels deep", MAX_DEPTH);
        return NULL;
    }
    struct promql_expr *left = parse_primary(p);
    while (left && at_binary_op(p, &op) && binary_ops[op].precedence >= min_precedence)
        left = parse_binary(p, left, op);
    p->depth--;
    return left;
}

static bool needs_buckets(const struct promql_expr *e)
{
    return e->kind == NODE_SUBQUERY || (e->kind == NODE_BINARY && is_trim(e->op)) ||
           (e->kind == NODE_CALL && e->function->histogram_use == USE_BUCKETS);
}

/* Selectors under histogram_count() and its kin, unless something above needs the buckets: as
 * Prometheus finds them. */
static void mark_stats(struct promql_expr *e, bool stats, bool buckets)
{
    buckets |= needs_buckets(e);
    stats |= e->kind == NODE_CALL && e->function->histogram_use == USE_STATS;
    e->stats = stats && !buckets;
    for (size_t i = 0; i < e->n_args; i++)
        mark_stats(e->args[i], stats, buckets);
}

/* --- The face --- */

struct promql_expr *promql_parse(struct arena *arena, struct str text, struct err *err)
{
    struct err ignored;
    struct parser p = {.arena = arena, .err = err ? err : &ignored};
    if (text.n > MAX_TEXT_BYTES) {
        err_set(err, ERR_LIMIT, "the expression has %zu bytes, the limit is %zu", text.n,
                MAX_TEXT_BYTES);
        return NULL;
    }
    p.lexer = (struct lexer){.all = arena_str(arena, text), .arena = arena};
    if (!next_token(&p))
        return NULL;
    struct promql_expr *e = parse_expr(&p, 0);
    if (e && p.token.kind != TOKEN_END) {
        unexpected_token(&p, "", "an operator or the end");
        return NULL;
    }
    if (e) {
        e->text = p.lexer.all;
        mark_stats(e, false, false);
    }
    return e;
}

enum promql_type promql_expr_type(const struct promql_expr *e)
{
    return e->type;
}
