/* Selectors: name{matchers}[range] offset o @ t, and subqueries. */
#include "promql/parse.h"

struct matcher_list {
    struct matcher *v;
    size_t n, capacity;
};

/* --- Matchers --- */

static bool may_compile(struct parser *p, struct str pattern, size_t position)
{
    if (pattern.n > MAX_REGEX_BYTES)
        return lex_error(p->lexer.all, position, p->err, ERR_LIMIT,
                         "the regular expression has %zu bytes, the limit is %zu", pattern.n,
                         MAX_REGEX_BYTES);
    if (++p->regexes > MAX_REGEXES)
        return lex_error(p->lexer.all, position, p->err, ERR_LIMIT,
                         "over %d regular expressions in one query", MAX_REGEXES);
    return true;
}

static bool add_matcher(struct parser *p, struct matcher_list *list, enum match_type type,
                        struct str name, struct str value, size_t position)
{
    struct err err = ERR_INIT;
    bool regex = type == MATCH_REGEX || type == MATCH_NOT_REGEX;
    if (regex && !may_compile(p, value, position))
        return false;
    list->v = arena_grow(p->arena, list->v, list->n, &list->capacity, sizeof *list->v);
    if (!matcher_init(&list->v[list->n], p->arena, type, name, value, &err))
        return parse_complain(p, position, "%.300s", err.message);
    list->n++;
    return true;
}

static bool parse_match_type(struct parser *p, enum match_type *out)
{
    static const enum match_type types[] = {MATCH_EQUAL, MATCH_NOT_EQUAL, MATCH_REGEX,
                                            MATCH_NOT_REGEX};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (at_symbol(p, match_type_symbol(types[i]))) {
            *out = types[i];
            return next_token(p);
        }
    }
    return unexpected_token(p, "label matching", "=, !=, =~ or !~");
}

/* name="value", "quoted name"="value", or a quoted metric name alone. */
static bool parse_matcher(struct parser *p, struct matcher_list *list)
{
    struct token name = p->token;
    enum match_type type = MATCH_EQUAL;
    if (name.kind != TOKEN_WORD && name.kind != TOKEN_STRING)
        return unexpected_token(p, "label matching", "a label name or \"}\"");
    if (name.kind == TOKEN_STRING && !str_is_utf8(name.text))
        return parse_complain(p, name.position, "the quoted name is not UTF-8");
    if (!next_token(p))
        return false;
    if (name.kind == TOKEN_STRING && (at_symbol(p, ",") || at_symbol(p, "}")))
        return add_matcher(p, list, MATCH_EQUAL, STR(LABEL_NAME), name.text, name.position);
    if (name.kind == TOKEN_WORD && memchr(name.text.p, ':', name.text.n))
        return parse_complain(p, name.position,
                              "label names cannot hold \":\" unless they are quoted");
    if (!parse_match_type(p, &type))
        return false;
    struct token value = p->token;
    if (value.kind != TOKEN_STRING)
        return unexpected_token(p, "label matching", "a quoted string");
    return next_token(p) && add_matcher(p, list, type, name.text, value.text, value.position);
}

static bool parse_braces(struct parser *p, struct matcher_list *list)
{
    if (!next_token(p))
        return false;
    while (!at_symbol(p, "}")) {
        if (!parse_matcher(p, list))
            return false;
        if (at_symbol(p, ",")) {
            if (!next_token(p))
                return false;
        } else if (!at_symbol(p, "}")) {
            return unexpected_token(p, "label matching", "\",\" or \"}\"");
        }
    }
    return next_token(p);
}

/* A name in front leaves nothing to say of it in the braces. */
static bool check_name(struct parser *p, const struct matcher_list *list, struct str metric,
                       size_t position)
{
    for (size_t i = 1; metric.n && i < list->n; i++) {
        if (str_is(list->v[i].name, LABEL_NAME))
            return parse_complain(
                p, position, "metric name must not be set twice: \"%.60s\" or \"%.60s\"",
                arena_cstr(p->arena, metric), arena_cstr(p->arena, list->v[i].value));
    }
    return true;
}

struct promql_expr *parse_selector(struct parser *p, struct str metric, size_t position)
{
    struct promql_expr *e = node_new(p, NODE_SELECTOR, PROMQL_VECTOR, position);
    struct matcher_list list = {0};
    bool some = false;
    if (metric.n && !add_matcher(p, &list, MATCH_EQUAL, STR(LABEL_NAME), metric, position))
        return NULL;
    if (at_symbol(p, "{") && (!parse_braces(p, &list) || !check_name(p, &list, metric, position)))
        return NULL;
    for (size_t i = 0; i < list.n; i++)
        some |= !matcher_matches(&list.v[i], STR(""));
    if (!some && !p->may_be_empty) {
        parse_complain(p, position, "vector selector must contain at least one non-empty matcher");
        return NULL;
    }
    e->matchers = list.v;
    e->n_matchers = list.n;
    return e;
}

/* --- [range], [range:step] --- */

static struct promql_expr *make_subquery(struct parser *p, struct promql_expr *inner,
                                         struct span range, struct span step, size_t position)
{
    struct promql_expr *e = node_new(p, NODE_SUBQUERY, PROMQL_MATRIX, inner->position);
    struct promql_expr **args = ARENA_ARRAY(p->arena, struct promql_expr *, 1);
    if (inner->type != PROMQL_VECTOR) {
        parse_complain(p, position, "subquery is only allowed on instant vector, got %s",
                       promql_type_name(inner->type));
        return NULL;
    }
    args[0] = inner;
    e->range = range;
    e->step = step;
    return node_set_args(p, e, args, 1) ? e : NULL;
}

static struct promql_expr *make_matrix(struct parser *p, struct promql_expr *e, struct span range,
                                       size_t position)
{
    if (e->kind != NODE_SELECTOR || e->type == PROMQL_MATRIX) {
        parse_complain(
            p, position,
            "ranges only allowed for vector selectors; for a subquery write [range:step]");
        return NULL;
    }
    if (e->has_offset || e->at != AT_NONE || e->edges != EDGES_EXTRAPOLATED) {
        parse_complain(p, position, "no %s modifiers allowed before range",
                       e->has_offset      ? "offset"
                       : e->at != AT_NONE ? "@"
                                          : "smoothed");
        return NULL;
    }
    e->range = range;
    e->type = PROMQL_MATRIX;
    return e;
}

static struct promql_expr *parse_brackets(struct parser *p, struct promql_expr *e)
{
    struct span range, step = {0};
    size_t position = p->token.position;
    if (!next_token(p) || !parse_span(p, &range))
        return NULL;
    bool subquery = at_symbol(p, ":");
    if (subquery && (!next_token(p) || (!at_symbol(p, "]") && !parse_span(p, &step))))
        return NULL;
    if (!expect_symbol(p, "]", "range"))
        return NULL;
    return subquery ? make_subquery(p, e, range, step, position)
                    : make_matrix(p, e, range, position);
}

/* --- offset, @ --- */

static bool takes_modifier(struct parser *p, const struct promql_expr *e, const char *which)
{
    if (e->kind == NODE_SELECTOR || e->kind == NODE_SUBQUERY)
        return true;
    return parse_complain(
        p, p->token.position,
        "%s modifier must be preceded by an instant or range selector or a subquery", which);
}

static bool parse_offset(struct parser *p, struct promql_expr *e)
{
    if (!takes_modifier(p, e, "offset"))
        return false;
    if (e->has_offset)
        return parse_complain(p, p->token.position, "offset may not be set multiple times");
    e->has_offset = true;
    return next_token(p) && parse_signed_span(p, &e->offset);
}

static bool parse_at(struct parser *p, struct promql_expr *e)
{
    if (!takes_modifier(p, e, "@"))
        return false;
    if (e->at != AT_NONE)
        return parse_complain(p, p->token.position, "@ <timestamp> may not be set multiple times");
    if (!next_token(p))
        return false;
    if (at_word(p, "start") || at_word(p, "end")) {
        e->at = at_word(p, "start") ? AT_START : AT_END;
        return next_token(p) && expect_symbol(p, "(", "@ modifier") &&
               expect_symbol(p, ")", "@ modifier");
    }
    e->at = AT_TIME;
    return parse_time(p, &e->at_ms);
}

static bool parse_edges(struct parser *p, struct promql_expr *e)
{
    bool anchored = at_word(p, "anchored");
    if (e->kind != NODE_SELECTOR || (anchored && e->type != PROMQL_MATRIX))
        return parse_complain(p, p->token.position, "%s modifier must be preceded by %s selector",
                              anchored ? "anchored" : "smoothed",
                              anchored ? "a range" : "an instant or range");
    if (e->edges != EDGES_EXTRAPOLATED)
        return parse_complain(p, p->token.position,
                              "anchored and smoothed modifiers cannot be used together or twice");
    e->edges = anchored ? EDGES_ANCHORED : EDGES_SMOOTHED;
    return next_token(p);
}

struct promql_expr *parse_postfix(struct parser *p, struct promql_expr *e)
{
    while (e) {
        if (at_symbol(p, "[")) {
            e = parse_brackets(p, e);
        } else if (at_word(p, "offset")) {
            if (!parse_offset(p, e))
                return NULL;
        } else if (at_symbol(p, "@")) {
            if (!parse_at(p, e))
                return NULL;
        } else if (at_word(p, "anchored") || at_word(p, "smoothed")) {
            if (!parse_edges(p, e))
                return NULL;
        } else {
            return e;
        }
    }
    return NULL;
}

/* --- (label, label) --- */

bool parse_names(struct parser *p, struct names *out)
{
    struct str *v = NULL;
    size_t n = 0, capacity = 0;
    if (!expect_symbol(p, "(", "grouping"))
        return false;
    while (!at_symbol(p, ")")) {
        bool quoted = p->token.kind == TOKEN_STRING;
        if (p->token.kind != TOKEN_WORD && !quoted)
            return unexpected_token(p, "grouping", "a label name");
        if (p->token.text.n == 0 || !str_is_utf8(p->token.text))
            return parse_complain(p, p->token.position, "invalid label name \"%.60s\" in grouping",
                                  arena_cstr(p->arena, p->token.text));
        v = arena_grow(p->arena, v, n, &capacity, sizeof *v);
        v[n++] = p->token.text;
        if (!next_token(p))
            return false;
        if (at_symbol(p, ",")) {
            if (!next_token(p))
                return false;
        } else if (!at_symbol(p, ")")) {
            return unexpected_token(p, "grouping", "\",\" or \")\"");
        }
    }
    *out = (struct names){v, n};
    return next_token(p);
}
