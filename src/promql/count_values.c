/* count_values("label", v): how many series have each value. */
#include "base/num.h"
#include "promql/labelset.h"

#include <stdio.h>
#include <stdlib.h>

struct counter {
    struct sink sink;
    struct evaluation *e;
    const struct promql_expr *expr;
    struct str label;
    struct label_key key;
    struct label_index index;
    struct columns groups;
    struct buf text;
};

/* Without exponent, however big: 1e+21 becomes 1 and 21 zeros, 1e-07 becomes 0.0000001. */
static void spell_out(struct buf *out, double v)
{
    struct buf short_form = BUF_INIT;
    num_add_double(&short_form, v);
    const char *e = strchr(short_form.p, 'e');
    if (!e) {
        buf_add_str(out, buf_str(&short_form));
    } else {
        int exponent = atoi(e + 1), digits = 0;
        const char *p = short_form.p;
        if (*p == '-')
            buf_add_char(out, *p++);
        if (exponent < 0)
            buf_add_cstr(out, "0.");
        for (int i = 1; i < -exponent; i++)
            buf_add_char(out, '0');
        for (; p < e; p++) {
            if (*p != '.')
                buf_add_char(out, *p);
            digits += *p != '.';
        }
        for (; digits <= exponent; digits++)
            buf_add_char(out, '0');
    }
    buf_release(&short_form);
}

static struct column *group_for(struct counter *c, struct labels base, struct value v,
                                bool drop_name, struct err *err)
{
    struct arena *arena = c->e->arena;
    bool added;
    buf_clear(&c->text);
    if (v.h)
        buf_add_cstr(&c->text, native_text(scratch_room(c->e->query), v.h));
    else
        spell_out(&c->text, v.v);
    struct labels labels = labels_with(arena, base, c->label, arena_str(arena, buf_str(&c->text)));
    size_t at = label_index_put(&c->index, labels, &added);
    struct columns *to = &c->groups;
    if (!added) {
        to->v[at].drop_name |= drop_name;
        return &to->v[at];
    }
    to->v = arena_grow(arena, to->v, to->n, &to->capacity, sizeof *to->v);
    to->v[to->n] = (struct column){.labels = labels, .drop_name = drop_name};
    if (!new_values(c->e, &to->v[to->n].v, err))
        return NULL;
    fill_absent(to->v[to->n].v, c->e->n_steps);
    return &to->v[to->n++];
}

static bool count(struct sink *sink, struct column *column, struct err *err)
{
    struct counter *c = (struct counter *)sink;
    struct labels base = labels_keep_copy(c->e->arena, label_key_of(&c->key, column->labels));
    struct column *group = NULL;
    struct value last = {0};
    for (size_t i = 0; i < c->e->n_steps; i++) {
        struct value v = column_value(column, i);
        if (!column_has(column, i))
            continue;
        if (!group || v.h != last.h || memcmp(&v.v, &last.v, sizeof v.v) != 0) {
            group = group_for(c, base, v, column->drop_name, err);
            if (!group || !spend(c->e->query, 100, err))
                return false;
        }
        last = v;
        group->v[i] = is_absent(group->v[i]) ? 1 : group->v[i] + 1;
    }
    return spend(c->e->query, c->e->n_steps, err);
}

static bool put_groups(struct counter *c, struct sink *sink, struct err *err)
{
    const size_t *order = label_index_order(&c->index);
    for (size_t i = 0; i < c->groups.n; i++) {
        if (!sink->put(sink, &c->groups.v[order[i]], err))
            return false;
    }
    return true;
}

/* In quotes as Go writes them: what is no UTF-8 as \xhh. */
static bool bad_label(struct str name, struct err *err)
{
    char shown[256];
    size_t n = 0;
    for (size_t i = 0; i < name.n && n + 5 < sizeof shown; i++) {
        unsigned char c = (unsigned char)name.p[i];
        if (c >= 0x20 && c < 0x7f)
            shown[n++] = (char)c;
        else
            n += (size_t)snprintf(shown + n, sizeof shown - n, "\\x%02x", c);
    }
    shown[n] = '\0';
    return err_set(err, ERR_CONFLICT, "invalid label name \"%s\"", shown);
}

bool eval_count_values(struct evaluation *e, const struct promql_expr *expr, struct sink *sink,
                       struct err *err)
{
    struct counter c = {.sink = {count}, .e = e, .expr = expr, .label = eval_string(expr->args[0])};
    if (c.label.n == 0 || !str_is_utf8(c.label))
        return bad_label(c.label, err);
    label_key_init(&c.key, e->arena, &expr->grouping, !expr->without);
    label_index_init(&c.index, e->arena);
    bool good = eval_vector(e, expr->args[1], &c.sink, err) && put_groups(&c, sink, err);
    buf_release(&c.text);
    return good;
}
