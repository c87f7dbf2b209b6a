/* Files of targets: [{"targets": ["host:port"], "labels": {"name": "value"}}], as JSON or as YAML.
 * Both become the same groups. */
#include "ingest/discovery.h"

#include "codec/yaml.h"

static bool wrong(const char *path, size_t group, const char *what, struct err *err)
{
    return err_set(err, ERR_BAD_INPUT, "%s: group %zu: %s", path, group + 1, what);
}

/* --- JSON --- */

static bool json_group(struct arena *arena, const char *path, size_t index, const json_t *group,
                       struct target_group *out, struct err *err)
{
    const json_t *targets = json_object_get(group, "targets");
    const json_t *labels = json_object_get(group, "labels");
    if (!json_is_object(group) || !json_is_array(targets))
        return wrong(path, index, "it is an object with a list `targets`", err);
    if (labels && !json_is_object(labels))
        return wrong(path, index, "`labels` is an object", err);
    out->n_targets = json_array_size(targets);
    struct str *v = ARENA_ARRAY(arena, struct str, out->n_targets);
    for (size_t i = 0; i < out->n_targets; i++) {
        const char *text = json_string_value(json_array_get(targets, i));
        if (!text)
            return wrong(path, index, "a target is text, \"host:port\"", err);
        v[i] = str_from(text);
    }
    out->targets = v;
    struct labels_builder b;
    labels_builder_init(&b, arena);
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)labels, name, value)
    {
        if (!json_is_string(value))
            return wrong(path, index, "a label's value is text", err);
        labels_builder_set(&b, str_from(name), str_from(json_string_value(value)));
    }
    out->labels = labels_build(&b);
    return true;
}

bool target_groups_parse_json(struct arena *arena, const char *path, struct str text,
                              struct target_group **out, size_t *n, struct err *err)
{
    const json_t *list = json_parse(arena, text, err);
    if (!list)
        return err_prefix(err, "%s: ", path);
    if (!json_is_array(list))
        return err_set(err, ERR_BAD_INPUT, "%s: targets are a list of groups", path);
    *n = json_array_size(list);
    *out = ARENA_ARRAY(arena, struct target_group, *n);
    for (size_t i = 0; i < *n; i++) {
        if (!json_group(arena, path, i, json_array_get(list, i), &(*out)[i], err))
            return false;
    }
    return true;
}

/* --- YAML --- */

static bool yaml_targets(struct arena *arena, const struct yaml_node *list,
                         struct target_group *out, struct diag_list *diags)
{
    struct str *v = ARENA_ARRAY(arena, struct str, list->n);
    for (size_t i = 0; i < list->n; i++) {
        if (list->items[i]->kind != YAML_SCALAR) {
            yaml_error(list->items[i], diags, "a target is text, host:port");
            return false;
        }
        v[i] = list->items[i]->scalar;
    }
    out->targets = v;
    out->n_targets = list->n;
    return true;
}

static bool yaml_labels(struct arena *arena, const struct yaml_node *map, struct target_group *out,
                        struct diag_list *diags)
{
    struct labels_builder b;
    labels_builder_init(&b, arena);
    for (size_t i = 0; map && i < map->n; i++) {
        const struct yaml_node *value = map->pairs[i].value;
        if (value->kind != YAML_SCALAR) {
            yaml_error(value, diags, "a label's value is text");
            return false;
        }
        labels_builder_set(&b, map->pairs[i].key, value->scalar);
    }
    out->labels = labels_build(&b);
    return true;
}

static bool yaml_group(struct arena *arena, struct yaml_node *group, struct target_group *out,
                       struct diag_list *diags)
{
    static const char *const keys[] = {"targets", "labels"};
    if (group->kind != YAML_MAP) {
        yaml_error(group, diags, "a group is a mapping with `targets`");
        return false;
    }
    struct yaml_node *targets = yaml_take_list(group, "targets", diags);
    struct yaml_node *labels = yaml_take_map(group, "labels", diags);
    yaml_reject_unknown(group, keys, 2, "group of targets", diags);
    return diags->errors == 0 && (!targets || yaml_targets(arena, targets, out, diags)) &&
           yaml_labels(arena, labels, out, diags);
}

static void parse_yaml_groups(struct arena *arena, const char *path, struct str text,
                              struct target_group **out, size_t *n, struct diag_list *diags)
{
    struct yaml_node **documents;
    size_t n_documents;
    *n = 0;
    *out = NULL;
    if (!yaml_parse(arena, path, text, &documents, &n_documents, diags) || n_documents == 0)
        return;
    struct yaml_node *list = documents[0];
    if (list->kind == YAML_NULL)
        return;
    if (list->kind != YAML_LIST) {
        yaml_error(list, diags, "a file of targets is a list of groups");
        return;
    }
    *n = list->n;
    *out = ARENA_ARRAY(arena, struct target_group, *n);
    for (size_t i = 0; i < *n && yaml_group(arena, list->items[i], &(*out)[i], diags); i++)
        ;
}

static bool parse_yaml(struct arena *arena, const char *path, struct str text,
                       struct target_group **out, size_t *n, struct err *err)
{
    struct diag_list diags;
    diag_init(&diags, arena);
    parse_yaml_groups(arena, path, text, out, n, &diags);
    if (diags.errors == 0)
        return true;
    const struct diag *d = &diags.items[0];
    return err_set(err, ERR_BAD_INPUT, "%s:%d:%d: %s", path, d->line, d->column, d->message);
}

bool target_groups_parse(struct arena *arena, const char *path, struct str text,
                         struct target_group **out, size_t *n, struct err *err)
{
    struct str name = str_from(path);
    if (str_ends(name, STR(".json")) || str_ends(name, STR(".JSON")))
        return target_groups_parse_json(arena, path, text, out, n, err);
    if (str_ends(name, STR(".yml")) || str_ends(name, STR(".yaml")) ||
        str_ends(name, STR(".YML")) || str_ends(name, STR(".YAML")))
        return parse_yaml(arena, path, text, out, n, err);
    return err_set(err, ERR_BAD_INPUT, "%s: a file of targets ends in .json, .yml or .yaml", path);
}
