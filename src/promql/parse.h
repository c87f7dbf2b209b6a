/* parse.h -- a parse under way: recursive descent with precedence climbing. Grammar:
 * prometheus.io/docs, "Querying basics" and "Operators". Private to promql/'s parse files.
 * A function that returns a node returns NULL on failure, with the error in p->err. */
#ifndef CQED_PROMQL_PARSE_H
#define CQED_PROMQL_PARSE_H

#include "promql/ast.h"
#include "promql/lex.h"

#define MAX_TEXT_BYTES ((size_t)256 << 10)
#define MAX_REGEXES 200

struct parser {
    struct lexer lexer;
    struct token token; /* the next one */
    struct arena *arena;
    unsigned depth;    /* of the recursion */
    unsigned regexes;  /* compiled so far */
    bool may_be_empty; /* the selector at hand: it selects nothing by itself */
    struct err *err;
};

struct promql_expr *parse_expr(struct parser *, int min_precedence);
struct promql_expr *parse_literal(struct parser *);
struct promql_expr *parse_paren(struct parser *);

/* --- Tokens (parse.c) --- */
MUST_CHECK bool next_token(struct parser *);
bool at_symbol(const struct parser *, const char *symbol);
bool at_word(const struct parser *, const char *word); /* any case */
bool word_is(struct str text, const char *word);
bool is_reserved(struct str word); /* no name of a metric, unless it is quoted */
MUST_CHECK bool expect_symbol(struct parser *, const char *symbol, const char *where);
/* "unexpected X in WHERE, expected WHAT; did you mean ...". Always false. */
bool unexpected_token(struct parser *, const char *where, const char *what);
bool parse_complain(struct parser *, size_t position, const char *format, ...) PRINTF_LIKE(3, 4);

/* --- Nodes (parse.c); args may be NULL --- */
struct promql_expr *node_new(struct parser *, enum node_kind, enum promql_type, size_t position);
/* False when the tree would be too deep. */
MUST_CHECK bool node_set_args(struct parser *, struct promql_expr *, struct promql_expr **,
                              size_t n);
const char *promql_type_name(enum promql_type);

/* --- Selectors and what may stand behind them (parse_selector.c) --- */
struct promql_expr *parse_selector(struct parser *, struct str metric, size_t position);
struct promql_expr *parse_postfix(struct parser *, struct promql_expr *);
MUST_CHECK bool parse_names(struct parser *, struct names *);

/* --- Durations (duration.c) --- */
MUST_CHECK bool parse_span(struct parser *, struct span *);        /* over 0, as in brackets */
MUST_CHECK bool parse_signed_span(struct parser *, struct span *); /* behind offset */
MUST_CHECK bool parse_time(struct parser *, int64_t *out_ms);

/* --- Calls and aggregations (parse_call.c) --- */
struct promql_expr *parse_call(struct parser *, struct token name);
struct promql_expr *parse_aggregate(struct parser *, enum aggregate_op, size_t position);
bool find_aggregate(struct str word, enum aggregate_op *);
bool at_grouping(const struct parser *);

#endif
