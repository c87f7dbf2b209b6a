#include "model/labels.h"

#include "base/hash.h"

#include <ctype.h>
#include <stdlib.h>

struct str labels_get_str(struct labels ls, struct str name)
{
    for (size_t i = 0; i < ls.n; i++) {
        if (str_eq(ls.v[i].name, name))
            return ls.v[i].value;
    }
    return STR("");
}

struct str labels_get(struct labels ls, const char *name)
{
    return labels_get_str(ls, str_from(name));
}

/* Each string's length goes in as seed, so that moving a byte from name to value changes the hash.
 */
uint64_t labels_hash(struct labels ls)
{
    uint64_t h = ls.n;
    for (size_t i = 0; i < ls.n; i++) {
        h = hash64(ls.v[i].name.p, ls.v[i].name.n, h);
        h = hash64(ls.v[i].value.p, ls.v[i].value.n, h);
    }
    return h;
}

int labels_cmp(struct labels a, struct labels b)
{
    for (size_t i = 0; i < a.n && i < b.n; i++) {
        int c = str_cmp(a.v[i].name, b.v[i].name);
        if (c == 0)
            c = str_cmp(a.v[i].value, b.v[i].value);
        if (c != 0)
            return c;
    }
    return (a.n > b.n) - (a.n < b.n);
}

bool labels_eq(struct labels a, struct labels b)
{
    return a.n == b.n && labels_cmp(a, b) == 0;
}

static void add_quoted(struct buf *out, struct str s)
{
    buf_add_char(out, '"');
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '"' || c == '\\')
            buf_add_char(out, '\\');
        if (c == '\n')
            buf_add_cstr(out, "\\n");
        else
            buf_add_char(out, c);
    }
    buf_add_char(out, '"');
}

void labels_print(struct labels ls, struct buf *out)
{
    const char *separator = "";
    struct str name = labels_get(ls, LABEL_NAME);
    buf_add_str(out, name);
    if (ls.n == (name.n > 0) && ls.n > 0)
        return;
    buf_add_char(out, '{');
    for (size_t i = 0; i < ls.n; i++) {
        if (str_is(ls.v[i].name, LABEL_NAME))
            continue;
        buf_add_cstr(out, separator);
        buf_add_str(out, ls.v[i].name);
        buf_add_char(out, '=');
        add_quoted(out, ls.v[i].value);
        separator = ", ";
    }
    buf_add_char(out, '}');
}

struct labels labels_copy(struct arena *arena, struct labels ls)
{
    struct label *v = ARENA_ARRAY(arena, struct label, ls.n);
    for (size_t i = 0; i < ls.n; i++)
        v[i] = (struct label){arena_str(arena, ls.v[i].name), arena_str(arena, ls.v[i].value)};
    return (struct labels){ls.n, v};
}

void labels_builder_init(struct labels_builder *b, struct arena *arena)
{
    *b = (struct labels_builder){.arena = arena};
}

void labels_builder_from(struct labels_builder *b, struct arena *arena, struct labels base)
{
    labels_builder_init(b, arena);
    b->capacity = base.n + 8;
    b->v = ARENA_ARRAY(arena, struct label, b->capacity);
    b->n = base.n;
    if (base.n > 0)
        memcpy(b->v, base.v, base.n * sizeof *b->v);
}

static struct label *builder_find(const struct labels_builder *b, struct str name)
{
    for (size_t i = 0; i < b->n; i++) {
        if (str_eq(b->v[i].name, name))
            return &b->v[i];
    }
    return NULL;
}

void labels_builder_set(struct labels_builder *b, struct str name, struct str value)
{
    struct label *l = builder_find(b, name);
    if (l) {
        l->value = value;
        return;
    }
    b->v = arena_grow(b->arena, b->v, b->n, &b->capacity, sizeof *b->v);
    b->v[b->n++] = (struct label){name, value};
}

void labels_builder_remove(struct labels_builder *b, struct str name)
{
    labels_builder_set(b, name, STR(""));
}

struct str labels_builder_get(const struct labels_builder *b, struct str name)
{
    const struct label *l = builder_find(b, name);
    return l ? l->value : STR("");
}

static int compare_names(const void *left, const void *right)
{
    const struct label *a = left, *b = right;
    return str_cmp(a->name, b->name);
}

struct labels labels_build(struct labels_builder *b)
{
    size_t n = 0;
    for (size_t i = 0; i < b->n; i++) {
        if (b->v[i].value.n > 0)
            b->v[n++] = b->v[i];
    }
    b->n = n;
    if (n > 1)
        qsort(b->v, n, sizeof *b->v, compare_names);
    return (struct labels){n, b->v};
}

static bool is_legacy(struct str s, bool colon)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && !(colon && c == ':') && !(i > 0 && c >= '0' && c <= '9'))
            return false;
    }
    return s.n > 0;
}

bool label_name_is_legacy(struct str s)
{
    return is_legacy(s, false);
}

bool metric_name_is_legacy(struct str s)
{
    return is_legacy(s, true);
}
