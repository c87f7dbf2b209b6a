/* The functions of Go's text/template itself: logic, comparisons, printing. */
#include "rules/template.h"

static bool fn_and(struct expansion *x, const struct value *args, size_t n, struct value *out)
{
    size_t i = 0;
    (void)x;
    while (i + 1 < n && value_is_true(&args[i]))
        i++;
    *out = args[i];
    return true;
}

static bool fn_or(struct expansion *x, const struct value *args, size_t n, struct value *out)
{
    size_t i = 0;
    (void)x;
    while (i + 1 < n && !value_is_true(&args[i]))
        i++;
    *out = args[i];
    return true;
}

static bool fn_not(struct expansion *x, const struct value *args, size_t n, struct value *out)
{
    (void)x;
    (void)n;
    return result_bool(out, !value_is_true(args));
}

static bool fn_len(struct expansion *x, const struct value *args, size_t n, struct value *out)
{
    (void)n;
    *out = (struct value){.kind = VALUE_INT};
    if (args->kind == VALUE_TEXT)
        out->as.integer = (int64_t)args->as.text.n;
    else if (args->kind == VALUE_LIST || args->kind == VALUE_ARGS)
        out->as.integer = (int64_t)args->as.list.n;
    else if (args->kind == VALUE_LABELS)
        out->as.integer = (int64_t)args->as.labels.n;
    else
        return argument_refuse(x, "text, labels or a list", args);
    return true;
}

static bool fn_index(struct expansion *x, const struct value *args, size_t n, struct value *out)
{
    *out = args[0];
    for (size_t i = 1; i < n; i++) {
        const struct value *key = &args[i];
        if (out->kind == VALUE_LABELS && key->kind == VALUE_TEXT) {
            (void)result_text(out, labels_get_str(out->as.labels, key->as.text));
        } else if (out->kind == VALUE_LIST && key->kind == VALUE_INT) {
            if (key->as.integer < 0 || (uint64_t)key->as.integer >= out->as.list.n)
                return err_set(x->err, ERR_BAD_INPUT, "index out of range: %lld",
                               (long long)key->as.integer);
            *out = out->as.list.v[key->as.integer];
        } else {
            return err_set(x->err, ERR_BAD_INPUT, "cannot index %s with %s", value_kind_name(out),
                           value_kind_name(key));
        }
    }
    return true;
}

/* Go does not compare an integer with a float. */
static bool compare(struct expansion *x, const struct value *a, const struct value *b, int *order)
{
    if (a->kind != b->kind || a->kind > VALUE_TEXT)
        return err_set(x->err, ERR_BAD_INPUT, "incompatible types for comparison: %s and %s",
                       value_kind_name(a), value_kind_name(b));
    switch (a->kind) {
    case VALUE_FLOAT:
        /* 2: NaN, which Go finds greater than anything */
        *order = a->as.number < b->as.number    ? -1
                 : a->as.number > b->as.number  ? 1
                 : a->as.number == b->as.number ? 0
                                                : 2;
        return true;
    case VALUE_INT:
        *order = (a->as.integer > b->as.integer) - (a->as.integer < b->as.integer);
        return true;
    case VALUE_TEXT:
        *order = str_cmp(a->as.text, b->as.text);
        *order = (*order > 0) - (*order < 0);
        return true;
    case VALUE_BOOL:
        *order = a->as.boolean == b->as.boolean ? 0 : 2;
        return true;
    case VALUE_NIL:
    case VALUE_LABELS:
    case VALUE_SAMPLE:
    case VALUE_LIST:
    case VALUE_ARGS:
    case VALUE_DATA:
        break;
    }
    *order = 0;
    return true;
}

/* eq a b c: a equals b or c. */
static bool fn_eq(struct expansion *x, const struct value *args, size_t n, struct value *out)
{
    bool equal = false;
    for (size_t i = 1; i < n && !equal; i++) {
        int order;
        if (!compare(x, &args[0], &args[i], &order))
            return false;
        equal = order == 0;
    }
    return result_bool(out, equal);
}

/* Which orders count as true. NaN is greater than anything in Go's templates. */
enum { LESS = 1, EQUAL = 2, GREATER = 4 };

static bool compare_two(struct expansion *x, const struct value *args, int wanted,
                        struct value *out)
{
    int order;
    return compare(x, &args[0], &args[1], &order) &&
           result_bool(out, wanted & (order < 0    ? LESS
                                      : order == 0 ? EQUAL
                                                   : GREATER));
}

#define COMPARISON(name, wanted)                                                                   \
    static bool name(struct expansion *x, const struct value *args, size_t n, struct value *out)   \
    {                                                                                              \
        (void)n;                                                                                   \
        return compare_two(x, args, wanted, out);                                                  \
    }

COMPARISON(fn_ne, LESS | GREATER)
COMPARISON(fn_lt, LESS)
COMPARISON(fn_le, LESS | EQUAL)
COMPARISON(fn_gt, GREATER)
COMPARISON(fn_ge, GREATER | EQUAL)
#undef COMPARISON

static bool fn_printf(struct expansion *x, const struct value *args, size_t n, struct value *out)
{
    struct str format = {0};
    struct buf text = BUF_INIT;
    if (!argument_text(x, args, &format))
        return false;
    value_printf(&text, format, args + 1, n - 1);
    return result_buf(x, out, &text);
}

/* Blanks stand between operands when neither is text. */
static bool fn_print(struct expansion *x, const struct value *args, size_t n, struct value *out)
{
    struct buf text = BUF_INIT;
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && args[i].kind != VALUE_TEXT && args[i - 1].kind != VALUE_TEXT)
            buf_add_char(&text, ' ');
        value_print(&args[i], &text);
    }
    return result_buf(x, out, &text);
}

static bool fn_println(struct expansion *x, const struct value *args, size_t n, struct value *out)
{
    struct buf text = BUF_INIT;
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            buf_add_char(&text, ' ');
        value_print(&args[i], &text);
    }
    buf_add_char(&text, '\n');
    return result_buf(x, out, &text);
}

const struct template_function template_logic_functions[] = {
    {"and", 1, -1, fn_and},
    {"eq", 2, -1, fn_eq},
    {"ge", 2, 2, fn_ge},
    {"gt", 2, 2, fn_gt},
    {"index", 1, -1, fn_index},
    {"le", 2, 2, fn_le},
    {"len", 1, 1, fn_len},
    {"lt", 2, 2, fn_lt},
    {"ne", 2, 2, fn_ne},
    {"not", 1, 1, fn_not},
    {"or", 1, -1, fn_or},
    {"print", 0, -1, fn_print},
    {"printf", 1, -1, fn_printf},
    {"println", 0, -1, fn_println},
    {0},
};
