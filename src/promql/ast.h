/* ast.h -- a parsed expression: a tree in the arena of its text, never deeper than MAX_DEPTH, so
 * that walking it needs no bound of its own. Private to promql/. */
#ifndef CQED_PROMQL_AST_H
#define CQED_PROMQL_AST_H

#include "promql/promql.h"

#define MAX_DEPTH 300
#define MAX_REGEX_BYTES ((size_t)16 << 10)

enum node_kind {
    NODE_NUMBER,
    NODE_STRING,
    NODE_SELECTOR, /* an instant vector, or a matrix when it has a range */
    NODE_SUBQUERY,
    NODE_PAREN,
    NODE_NEGATE,
    NODE_BINARY,
    NODE_AGGREGATE,
    NODE_CALL
};

enum at_kind { AT_NONE, AT_TIME, AT_START, AT_END };

/* X(enumerator, text, precedence). Higher binds tighter. */
#define BINARY_OPS(X)                                                                              \
    X(OP_OR, "or", 1)                                                                              \
    X(OP_AND, "and", 2)                                                                            \
    X(OP_UNLESS, "unless", 2)                                                                      \
    X(OP_EQ, "==", 3)                                                                              \
    X(OP_NE, "!=", 3)                                                                              \
    X(OP_LE, "<=", 3)                                                                              \
    X(OP_LT, "<", 3)                                                                               \
    X(OP_GE, ">=", 3)                                                                              \
    X(OP_GT, ">", 3)                                                                               \
    X(OP_TRIM_UPPER, "</", 3)                                                                      \
    X(OP_TRIM_LOWER, ">/", 3)                                                                      \
    X(OP_ADD, "+", 4)                                                                              \
    X(OP_SUB, "-", 4)                                                                              \
    X(OP_MUL, "*", 5)                                                                              \
    X(OP_DIV, "/", 5)                                                                              \
    X(OP_MOD, "%", 5)                                                                              \
    X(OP_ATAN2, "atan2", 5)                                                                        \
    X(OP_POW, "^", 6)

enum binary_op {
#define X(code, text, precedence) code,
    BINARY_OPS(X)
#undef X
};

/* X(enumerator, name, type of the parameter in front; PROMQL_VECTOR where there is none) */
#define AGGREGATE_OPS(X)                                                                           \
    X(AGGREGATE_SUM, "sum", PROMQL_VECTOR)                                                         \
    X(AGGREGATE_AVG, "avg", PROMQL_VECTOR)                                                         \
    X(AGGREGATE_MIN, "min", PROMQL_VECTOR)                                                         \
    X(AGGREGATE_MAX, "max", PROMQL_VECTOR)                                                         \
    X(AGGREGATE_COUNT, "count", PROMQL_VECTOR)                                                     \
    X(AGGREGATE_GROUP, "group", PROMQL_VECTOR)                                                     \
    X(AGGREGATE_STDDEV, "stddev", PROMQL_VECTOR)                                                   \
    X(AGGREGATE_STDVAR, "stdvar", PROMQL_VECTOR)                                                   \
    X(AGGREGATE_TOPK, "topk", PROMQL_SCALAR)                                                       \
    X(AGGREGATE_BOTTOMK, "bottomk", PROMQL_SCALAR)                                                 \
    X(AGGREGATE_QUANTILE, "quantile", PROMQL_SCALAR)                                               \
    X(AGGREGATE_COUNT_VALUES, "count_values", PROMQL_STRING)                                       \
    X(AGGREGATE_LIMITK, "limitk", PROMQL_SCALAR)                                                   \
    X(AGGREGATE_LIMIT_RATIO, "limit_ratio", PROMQL_SCALAR)

enum aggregate_op {
#define X(code, name, parameter) code,
    AGGREGATE_OPS(X)
#undef X
};

struct names {
    const struct str *v;
    size_t n;
};

enum card { ONE_TO_ONE, MANY_TO_ONE, ONE_TO_MANY };

struct matching {
    bool on; /* else ignoring */
    struct names labels;
    enum card card;
    struct names include; /* of group_left and group_right */
    bool fills_left, fills_right;
    double fill_left, fill_right; /* in the place of a partner that is missing */
};

/* A length of time. */
struct span {
    int64_t ms;                     /* 0: none */
    const struct promql_expr *expr; /* when it depends on the question: ms is not set */
};

static inline bool span_is_set(const struct span *s)
{
    return s->ms != 0 || s->expr;
}

/* How the edges of a range are made: of the samples in it; of the last one at or before each; by
 * interpolation between the samples around each. */
enum edges { EDGES_EXTRAPOLATED, EDGES_ANCHORED, EDGES_SMOOTHED };

struct function;

struct promql_expr {
    enum node_kind kind;
    enum promql_type type;
    size_t position; /* byte offset of its first character */
    unsigned depth;  /* of the tree from here down */
    struct str text; /* all of it, for line and column; set in the root only */
    double number;
    struct str string;
    const struct matcher *matchers; /* the name included */
    size_t n_matchers;
    struct span range, step, offset; /* step: of a subquery; not set: the default */
    bool has_offset;
    enum edges edges;
    bool stats; /* of a selector: histograms only matter for their counts and sums */
    enum at_kind at;
    int64_t at_ms;
    enum binary_op op;
    bool returns_bool;
    struct matching matching;
    enum aggregate_op aggregate;
    struct names grouping;
    bool without;
    const struct function *function;
    struct promql_expr **args; /* operands, arguments, [parameter,] what is aggregated */
    size_t n_args;
};

const char *binary_op_text(enum binary_op);
const char *aggregate_op_name(enum aggregate_op);

static inline bool is_comparison(enum binary_op op)
{
    return op >= OP_EQ && op <= OP_GT;
}

static inline bool is_trim(enum binary_op op)
{
    return op == OP_TRIM_UPPER || op == OP_TRIM_LOWER;
}

/* A result that is no longer what the left side was does not keep its name. */
static inline bool drops_name(const struct promql_expr *e)
{
    return e->returns_bool || !(is_comparison(e->op) || is_trim(e->op));
}

static inline bool is_set_op(enum binary_op op)
{
    return op <= OP_UNLESS;
}

static inline const struct promql_expr *without_parens(const struct promql_expr *e)
{
    while (e->kind == NODE_PAREN)
        e = e->args[0];
    return e;
}

#endif
