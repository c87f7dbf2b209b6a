/* label_replace() and label_join(): the same values under other labels. */
#include "promql/functions.h"
#include "promql/labelset.h"

#include <stdio.h>

struct relabel {
    struct sink sink;
    struct merger merger; /* two series may become one, or collide */
    struct arena *arena;
    struct str target;
    struct buf value;
    /* label_replace */
    struct regex *regex;
    struct str source, replacement;
    /* label_join */
    struct str separator;
    const struct promql_expr *call;
};

/* A byte that is not UTF-8 is shown as \xhh. */
static const char *show_name(struct arena *arena, struct str name)
{
    struct buf out = BUF_INIT;
    for (size_t i = 0; i < name.n && i < 60; i++) {
        unsigned char c = (unsigned char)name.p[i];
        if (c >= 0x20 && c < 0x7f)
            buf_add_char(&out, (char)c);
        else
            buf_printf(&out, "\\x%02x", c);
    }
    const char *text = arena_cstr(arena, buf_str(&out));
    buf_release(&out);
    return text;
}

static bool check_label_name(struct arena *arena, struct str name, const char *function,
                             const char *role, struct err *err)
{
    if (name.n > 0 && str_is_utf8(name))
        return true;
    return err_set(err, ERR_CONFLICT, "invalid %slabel name in %s(): \"%s\"", role, function,
                   show_name(arena, name));
}

static bool put_relabelled(struct relabel *r, struct column *column, struct str value,
                           struct err *err)
{
    struct column to = *column;
    to.labels = labels_with(r->arena, column->labels, r->target, arena_str(r->arena, value));
    if (str_is(r->target, LABEL_NAME))
        to.drop_name = false;
    return merger_put_unique(&r->merger, &to, VALUES_COPIED, err);
}

static bool replace(struct sink *sink, struct column *column, struct err *err)
{
    struct relabel *r = (struct relabel *)sink;
    buf_clear(&r->value);
    if (!regex_expand(r->regex, labels_get_str(column->labels, r->source), r->replacement,
                      &r->value))
        return merger_put_unique(&r->merger, column, VALUES_COPIED, err);
    return put_relabelled(r, column, buf_str(&r->value), err);
}

static void free_regex(void *regex)
{
    regex_free(regex);
}

static bool finish(struct evaluation *e, struct relabel *r, const struct promql_expr *expr,
                   struct sink *sink, struct err *err)
{
    r->arena = e->arena;
    merger_init(&r->merger, e);
    bool good = eval_vector(e, expr->args[0], &r->sink, err);
    buf_release(&r->value);
    return good && merger_drain(&r->merger, sink, err);
}

bool call_label_replace(struct evaluation *e, const struct promql_expr *expr, struct sink *sink,
                        struct err *err)
{
    struct relabel r = {.sink = {replace},
                        .target = eval_string(expr->args[1]),
                        .replacement = eval_string(expr->args[2]),
                        .source = eval_string(expr->args[3])};
    struct str pattern = eval_string(expr->args[4]);
    struct err why = ERR_INIT;
    if (pattern.n > MAX_REGEX_BYTES)
        return err_set(err, ERR_LIMIT, "the regular expression of label_replace() has %zu bytes",
                       pattern.n);
    r.regex = regex_new(pattern, &why);
    if (!r.regex)
        return err_set(err, ERR_CONFLICT,
                       "invalid regular expression in label_replace(): \"%.60s\": %.200s",
                       arena_cstr(e->arena, pattern), why.message);
    arena_on_release(e->arena, free_regex, r.regex);
    if (!check_label_name(e->arena, r.target, "label_replace", "destination ", err))
        return false;
    return finish(e, &r, expr, sink, err);
}

static bool join(struct sink *sink, struct column *column, struct err *err)
{
    struct relabel *r = (struct relabel *)sink;
    buf_clear(&r->value);
    for (size_t i = 3; i < r->call->n_args; i++) {
        if (i > 3)
            buf_add_str(&r->value, r->separator);
        buf_add_str(&r->value, labels_get_str(column->labels, eval_string(r->call->args[i])));
    }
    return put_relabelled(r, column, buf_str(&r->value), err);
}

bool call_label_join(struct evaluation *e, const struct promql_expr *expr, struct sink *sink,
                     struct err *err)
{
    struct relabel r = {.sink = {join},
                        .target = eval_string(expr->args[1]),
                        .separator = eval_string(expr->args[2]),
                        .call = expr};
    for (size_t i = 3; i < expr->n_args; i++) {
        if (!check_label_name(e->arena, eval_string(expr->args[i]), "label_join", "source ", err))
            return false;
    }
    if (!check_label_name(e->arena, r.target, "label_join", "destination ", err))
        return false;
    return finish(e, &r, expr, sink, err);
}
