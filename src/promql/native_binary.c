/* Binary operators where one side is a native histogram, or both. */
#include "promql/native_notes.h"

static struct value absent_value(void)
{
    return (struct value){ABSENT, NULL};
}

static struct value finished(struct arena *arena, struct native *n)
{
    native_compact(n);
    return (struct value){ABSENT, native_value(arena, n)};
}

static struct value add_or_subtract(struct query *q, const struct promql_expr *e,
                                    struct arena *arena, const struct histogram *l,
                                    const struct histogram *r)
{
    bool minus = e->op == OP_SUB;
    struct meeting met = {0};
    struct native sum = native_copy(arena, l);
    if (!native_add(&sum, r, minus ? -1 : 1, scratch_room(q), &met)) {
        note_incompatible_layout(q, e);
        return absent_value();
    }
    if (minus)
        sum.hint = HISTOGRAM_HINT_GAUGE;
    note_meeting(q, &met, minus ? "subtraction" : "addition", e->position);
    return met.reset_conflict ? absent_value() : finished(arena, &sum);
}

static struct value scaled(struct arena *arena, const struct histogram *h, double by, bool divide)
{
    struct native n = native_copy(arena, h);
    if (divide)
        native_divide(&n, by);
    else
        native_multiply(&n, by);
    return finished(arena, &n);
}

static struct value compared(const struct promql_expr *e, const struct histogram *l,
                             const struct histogram *r, bool keep_right)
{
    bool holds = native_equal(l, r) == (e->op == OP_EQ);
    if (e->returns_bool)
        return (struct value){holds, NULL};
    return holds ? (struct value){ABSENT, keep_right ? r : l} : absent_value();
}

bool binary_fits(enum binary_op op, struct value l, struct value r)
{
    bool adds = op == OP_ADD || op == OP_SUB, compares = op == OP_EQ || op == OP_NE;
    if (l.h && r.h)
        return compares || (adds && is_custom(l.h) == is_custom(r.h));
    if (l.h)
        return op == OP_MUL || op == OP_DIV || is_trim(op);
    return r.h ? op == OP_MUL : !is_trim(op);
}

struct value native_binary(struct query *q, const struct promql_expr *e, struct arena *arena,
                           struct value l, struct value r, bool keep_right)
{
    if (l.h && r.h && (e->op == OP_ADD || e->op == OP_SUB))
        return add_or_subtract(q, e, arena, l.h, r.h);
    if (l.h && r.h && (e->op == OP_EQ || e->op == OP_NE))
        return compared(e, l.h, r.h, keep_right);
    if (l.h && !r.h && (e->op == OP_MUL || e->op == OP_DIV))
        return scaled(arena, l.h, r.v, e->op == OP_DIV);
    if (!l.h && r.h && e->op == OP_MUL)
        return scaled(arena, r.h, l.v, false);
    if (l.h && !r.h && is_trim(e->op)) {
        struct native n = native_trim(arena, l.h, r.v, e->op == OP_TRIM_UPPER);
        return (struct value){ABSENT, native_value(arena, &n)};
    }
    note_incompatible_types(q, e, l.h, r.h);
    return absent_value();
}
