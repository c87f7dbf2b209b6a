#include "model/labels.h"

const char *match_type_symbol(enum match_type type)
{
    switch (type) {
    case MATCH_EQUAL:
        return "=";
    case MATCH_NOT_EQUAL:
        return "!=";
    case MATCH_REGEX:
        return "=~";
    case MATCH_NOT_REGEX:
        return "!~";
    }
    return "?";
}

static void free_regex(void *regex)
{
    regex_free(regex);
}

bool matcher_init(struct matcher *m, struct arena *arena, enum match_type type, struct str name,
                  struct str value, struct err *err)
{
    *m = (struct matcher){type, arena_str(arena, name), arena_str(arena, value), NULL};
    if (type != MATCH_REGEX && type != MATCH_NOT_REGEX)
        return true;
    m->regex = regex_new(value, err);
    if (!m->regex)
        return false;
    arena_on_release(arena, free_regex, m->regex);
    return true;
}

bool matcher_matches(const struct matcher *m, struct str value)
{
    switch (m->type) {
    case MATCH_EQUAL:
        return str_eq(m->value, value);
    case MATCH_NOT_EQUAL:
        return !str_eq(m->value, value);
    case MATCH_REGEX:
        return regex_matches(m->regex, value);
    case MATCH_NOT_REGEX:
        return !regex_matches(m->regex, value);
    }
    return false;
}

bool matchers_match(const struct matcher *m, size_t n, struct labels ls)
{
    for (size_t i = 0; i < n; i++) {
        if (!matcher_matches(&m[i], labels_get_str(ls, m[i].name)))
            return false;
    }
    return true;
}

static void print_value(struct str s, struct buf *out)
{
    buf_add_char(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"' || s.p[i] == '\\')
            buf_add_char(out, '\\');
        if (s.p[i] == '\n')
            buf_add_cstr(out, "\\n");
        else
            buf_add_char(out, s.p[i]);
    }
    buf_add_char(out, '"');
}

static bool is_plain_name(const struct matcher *m)
{
    return m->type == MATCH_EQUAL && str_is(m->name, LABEL_NAME) && metric_name_is_legacy(m->value);
}

void matchers_print(const struct matcher *m, size_t n, struct buf *out)
{
    bool named = false, open = false;
    for (size_t i = 0; i < n && !named; i++) {
        named = is_plain_name(&m[i]);
        if (named)
            buf_add_str(out, m[i].value);
    }
    bool skipped = false;
    for (size_t i = 0; i < n; i++) {
        if (named && !skipped && is_plain_name(&m[i])) {
            skipped = true;
            continue;
        }
        buf_add_char(out, open ? ',' : '{');
        open = true;
        if (label_name_is_legacy(m[i].name))
            buf_add_str(out, m[i].name);
        else
            print_value(m[i].name, out);
        buf_add_cstr(out, match_type_symbol(m[i].type));
        print_value(m[i].value, out);
    }
    if (open)
        buf_add_char(out, '}');
    else if (!named)
        buf_add_cstr(out, "{}");
}
