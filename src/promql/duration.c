/* Ranges, steps and offsets: literals, or expressions of literals, step() and range(). What does
 * not depend on the question is computed while parsing. */
#include "promql/functions.h"
#include "promql/parse.h"

#include <math.h>

/* Ranges, offsets and times stay within about 10,000 years, so that sums of them cannot overflow.
 */
#define MAX_SECONDS 3e11

/* --- Values --- */

/* The question's step or range in seconds; 0 without one. */
static double bound_seconds(const struct promql_expr *call, const struct query *q)
{
    if (call->function->scalar == scalar_step)
        return (double)q->step_ms / 1000;
    return (double)(q->end_ms - q->start_ms) / 1000;
}

static bool is_bound(const struct promql_expr *e)
{
    return e->kind == NODE_CALL &&
           (e->function->scalar == scalar_step || e->function->scalar == scalar_range);
}

static bool is_pick(const struct promql_expr *e)
{
    return e->kind == NODE_CALL &&
           (e->function->scalar == scalar_min_of || e->function->scalar == scalar_max_of);
}

static bool is_arithmetic(const struct promql_expr *e)
{
    return e->kind == NODE_PAREN || e->kind == NODE_NEGATE || is_pick(e) ||
           (e->kind == NODE_BINARY && !is_comparison(e->op) && e->op != OP_ATAN2);
}

/* What may stand in the place of a duration; *depends tells whether it needs the question. */
static bool is_duration(const struct promql_expr *e, bool *depends)
{
    if (e->type != PROMQL_SCALAR || !(e->kind == NODE_NUMBER || is_bound(e) || is_arithmetic(e)))
        return false;
    *depends |= is_bound(e);
    for (size_t i = 0; i < e->n_args; i++) {
        if (!is_duration(e->args[i], depends))
            return false;
    }
    return true;
}

static double seconds_of(const struct promql_expr *e, const struct query *q)
{
    double a, b;
    if (e->kind == NODE_NUMBER)
        return e->number;
    if (is_bound(e))
        return bound_seconds(e, q);
    a = seconds_of(e->args[0], q);
    if (e->kind == NODE_PAREN)
        return a;
    if (e->kind == NODE_NEGATE)
        return -a;
    b = seconds_of(e->args[1], q);
    if (e->kind == NODE_BINARY)
        return binary_value(e->op, a, b, true, false);
    return (e->function->scalar == scalar_min_of) == (a < b) ? a : b;
}

static bool to_ms(double seconds, int64_t *out_ms)
{
    if (!(fabs(seconds) <= MAX_SECONDS))
        return false;
    *out_ms = llround(seconds * 1000);
    return true;
}

/* --- At evaluation --- */

static bool span_ms(const struct query *q, const struct span *span, bool positive, int64_t *out_ms,
                    struct err *err)
{
    *out_ms = span->ms;
    if (!span->expr)
        return true;
    if (!to_ms(seconds_of(span->expr, q), out_ms))
        return err_set(err, ERR_CONFLICT, "duration out of range");
    return !positive || *out_ms > 0 ||
           err_set(err, ERR_CONFLICT, "duration must be greater than 0");
}

bool look_at(const struct evaluation *e, const struct promql_expr *expr, struct look *out,
             struct err *err)
{
    *out = (struct look){.expr = expr};
    return span_ms(e->query, &expr->range, true, &out->range_ms, err) &&
           span_ms(e->query, &expr->step, true, &out->step_ms, err) &&
           span_ms(e->query, &expr->offset, false, &out->offset_ms, err);
}

/* --- Parsing --- */

static bool make_span(struct parser *p, const struct promql_expr *e, struct span *out)
{
    bool depends = false;
    if (!is_duration(e, &depends))
        return parse_complain(p, e->position,
                              "expected a duration like 5m: literals, + - * / %% ^, step(), "
                              "range(), min_of() and max_of() may be in it");
    *out = (struct span){.expr = depends ? e : NULL};
    if (!depends && !to_ms(seconds_of(e, NULL), &out->ms))
        return parse_complain(p, e->position, "duration out of range");
    return true;
}

bool parse_span(struct parser *p, struct span *out)
{
    const struct promql_expr *e = parse_expr(p, 0);
    if (!e || !make_span(p, e, out))
        return false;
    return out->expr || out->ms > 0 ||
           parse_complain(p, e->position, "duration must be greater than 0");
}

/* A literal, a call or a parenthesis: in `x offset 5m + 1` the sum is not of the offset. */
static struct promql_expr *parse_factor(struct parser *p)
{
    static const char *const calls[] = {"step", "range", "min_of", "max_of"};
    if (p->token.kind == TOKEN_NUMBER || p->token.kind == TOKEN_DURATION)
        return parse_literal(p);
    if (at_symbol(p, "("))
        return parse_paren(p);
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        struct token name = p->token;
        if (at_word(p, calls[i]))
            return next_token(p) ? parse_call(p, name) : NULL;
    }
    unexpected_token(p, "", "a duration");
    return NULL;
}

bool parse_signed_span(struct parser *p, struct span *out)
{
    bool minus = at_symbol(p, "-");
    size_t position = p->token.position;
    if ((minus || at_symbol(p, "+")) && !next_token(p))
        return false;
    struct promql_expr *e = parse_factor(p);
    if (!e)
        return false;
    if (minus) {
        struct promql_expr **args = ARENA_ARRAY(p->arena, struct promql_expr *, 1);
        struct promql_expr *negated = node_new(p, NODE_NEGATE, e->type, position);
        args[0] = e;
        if (!node_set_args(p, negated, args, 1))
            return false;
        e = negated;
    }
    return make_span(p, e, out);
}

bool parse_time(struct parser *p, int64_t *out_ms)
{
    struct span span;
    size_t position = p->token.position;
    if (!parse_signed_span(p, &span))
        return false;
    *out_ms = span.ms;
    return !span.expr ||
           parse_complain(p, position, "@ takes a number of seconds, start() or end()");
}
