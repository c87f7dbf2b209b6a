/* Reading values out of a tree: each look-up marks its key as known, so that what nobody asked for
 * can be reported. */
#include "base/num.h"
#include "codec/yaml.h"

#include <math.h>

void yaml_error(const struct yaml_node *node, struct diag_list *diags, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const char *message = arena_vprintf(diags->arena, format, args);
    va_end(args);
    diag_add(diags, DIAG_ERROR, node->path, node->line, node->column, "%s", message);
}

struct yaml_node *yaml_take(struct yaml_node *map, const char *key)
{
    for (size_t i = 0; map && map->kind == YAML_MAP && i < map->n; i++) {
        if (str_is(map->pairs[i].key, key)) {
            map->pairs[i].used = true;
            return map->pairs[i].value;
        }
    }
    return NULL;
}

/* The scalar under key; absent and null are the same; anything else is reported. */
static struct yaml_node *take_scalar(struct yaml_node *map, const char *key, const char *expected,
                                     struct diag_list *diags)
{
    struct yaml_node *node = yaml_take(map, key);
    if (!node || node->kind == YAML_NULL)
        return NULL;
    if (node->kind == YAML_SCALAR)
        return node;
    yaml_error(node, diags, "%s must be %s, not a %s", key, expected,
               node->kind == YAML_MAP ? "mapping" : "list");
    return NULL;
}

static bool bad_value(const struct yaml_node *node, struct diag_list *diags, const char *key,
                      const char *expected)
{
    yaml_error(node, diags, "%s must be %s, not '" STR_FMT "'", key, expected,
               STR_ARG(node->scalar));
    return false;
}

bool yaml_take_string(struct yaml_node *map, const char *key, struct arena *arena, const char **out,
                      struct diag_list *diags)
{
    struct yaml_node *node = take_scalar(map, key, "text", diags);
    if (!node)
        return false;
    if (memchr(node->scalar.p, '\0', node->scalar.n))
        return bad_value(node, diags, key, "text without NUL bytes");
    *out = arena_cstr(arena, node->scalar);
    return true;
}

bool yaml_take_bool(struct yaml_node *map, const char *key, bool *out, struct diag_list *diags)
{
    struct yaml_node *node = take_scalar(map, key, "true or false", diags);
    if (!node)
        return false;
    bool yes = str_is(node->scalar, "true");
    if (node->quoted || (!yes && !str_is(node->scalar, "false")))
        return bad_value(node, diags, key, "true or false");
    *out = yes;
    return true;
}

bool yaml_take_i64(struct yaml_node *map, const char *key, int64_t min, int64_t max, int64_t *out,
                   struct diag_list *diags)
{
    int64_t v;
    struct yaml_node *node = take_scalar(map, key, "a whole number", diags);
    if (!node)
        return false;
    if (!num_parse_i64(node->scalar, &v))
        return bad_value(node, diags, key, "a whole number");
    if (v < min || v > max) {
        yaml_error(node, diags, "%s is %lld; it must be from %lld to %lld", key, (long long)v,
                   (long long)min, (long long)max);
        return false;
    }
    *out = v;
    return true;
}

bool yaml_take_double(struct yaml_node *map, const char *key, double *out, struct diag_list *diags)
{
    double v;
    struct yaml_node *node = take_scalar(map, key, "a number", diags);
    if (!node)
        return false;
    if (!num_parse_double(node->scalar, &v) || !isfinite(v))
        return bad_value(node, diags, key, "a number");
    *out = v;
    return true;
}

bool yaml_take_ratio(struct yaml_node *map, const char *key, double *out, struct diag_list *diags)
{
    struct yaml_node *node = take_scalar(map, key, "a ratio like 0.1%", diags);
    if (!node)
        return false;
    return num_parse_ratio(node->scalar, out) || bad_value(node, diags, key, "a ratio like 0.1%");
}

bool yaml_take_duration(struct yaml_node *map, const char *key, int64_t *out_ms,
                        struct diag_list *diags)
{
    struct yaml_node *node = take_scalar(map, key, "a duration like 90s", diags);
    if (!node)
        return false;
    return num_parse_duration_ms(node->scalar, out_ms) ||
           bad_value(node, diags, key, "a duration like 90s");
}

bool yaml_take_size(struct yaml_node *map, const char *key, uint64_t *out, struct diag_list *diags)
{
    struct yaml_node *node = take_scalar(map, key, "a size like 512Mi", diags);
    if (!node)
        return false;
    return num_parse_size(node->scalar, out) || bad_value(node, diags, key, "a size like 512Mi");
}

static const char *join_names(struct arena *arena, const char *const *names, size_t n)
{
    const char *text = names[0];
    for (size_t i = 1; i < n; i++)
        text = arena_printf(arena, "%s%s%s", text, i + 1 < n ? ", " : " or ", names[i]);
    return text;
}

bool yaml_take_choice(struct yaml_node *map, const char *key, const char *const *names, size_t n,
                      int *out, struct diag_list *diags)
{
    const char *expected = join_names(diags->arena, names, n);
    struct yaml_node *node = take_scalar(map, key, expected, diags);
    if (!node)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (str_is(node->scalar, names[i])) {
            *out = (int)i;
            return true;
        }
    }
    return bad_value(node, diags, key, expected);
}

static struct yaml_node *take_kind(struct yaml_node *map, const char *key, enum yaml_kind kind,
                                   const char *expected, struct diag_list *diags)
{
    struct yaml_node *node = yaml_take(map, key);
    if (!node || node->kind == YAML_NULL)
        return NULL;
    if (node->kind == kind)
        return node;
    yaml_error(node, diags, "%s must be a %s", key, expected);
    return NULL;
}

struct yaml_node *yaml_take_map(struct yaml_node *map, const char *key, struct diag_list *diags)
{
    return take_kind(map, key, YAML_MAP, "mapping", diags);
}

struct yaml_node *yaml_take_list(struct yaml_node *map, const char *key, struct diag_list *diags)
{
    return take_kind(map, key, YAML_LIST, "list", diags);
}

void yaml_reject_unknown(struct yaml_node *map, const char *const *known, size_t n,
                         const char *what, struct diag_list *diags)
{
    for (size_t i = 0; i < map->n; i++) {
        const struct yaml_pair *p = &map->pairs[i];
        if (p->used)
            continue;
        const char *near = str_nearest(p->key, known, n);
        diag_add(diags, DIAG_ERROR, map->path, p->line, p->column,
                 "%s: unknown key '" STR_FMT "'%s%s%s", what, STR_ARG(p->key),
                 near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    }
}

/* --- As JSON --- */

/* A plain scalar by the core schema (YAML 1.2 section 10.3.2); numbers stay text when they are not
 * finite. */
static json_t *scalar_to_json(const struct yaml_node *node)
{
    int64_t i;
    double d;
    if (!node->quoted) {
        if (str_is(node->scalar, "true") || str_is(node->scalar, "false"))
            return json_boolean(node->scalar.p[0] == 't');
        if (num_parse_i64(node->scalar, &i))
            return json_integer(i);
        if (num_parse_double(node->scalar, &d) && isfinite(d))
            return json_real(d);
    }
    return json_stringn_nocheck(node->scalar.p, node->scalar.n);
}

static json_t *to_json(const struct yaml_node *node)
{
    json_t *out = NULL;
    switch (node->kind) {
    case YAML_NULL:
        out = json_null();
        break;
    case YAML_SCALAR:
        out = scalar_to_json(node);
        break;
    case YAML_LIST:
        out = json_array();
        for (size_t i = 0; i < node->n; i++)
            CHECK(json_array_append_new(out, to_json(node->items[i])) == 0);
        break;
    case YAML_MAP:
        out = json_object();
        for (size_t i = 0; i < node->n; i++)
            CHECK(json_object_set_new_nocheck(out, node->pairs[i].key.p,
                                              to_json(node->pairs[i].value)) == 0);
        break;
    }
    if (!out)
        check_no_memory(sizeof *node);
    return out;
}

json_t *yaml_to_json(struct arena *arena, const struct yaml_node *node)
{
    return json_own(arena, to_json(node));
}
