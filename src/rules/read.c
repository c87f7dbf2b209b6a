/* Rule files: YAML into groups, checked as promtool checks them. */
#include "rules/internal.h"

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))
#define MAX_INTERVAL_MS (INT64_C(366) * 86400000)

struct file_reader {
    struct arena *arena;
    struct diag_list *diags;
    const char *who; /* "rule 'x'" */
    bool stable_only;
};

/* --- Labels and annotations --- */

static void check_label(struct file_reader *r, const struct yaml_pair *p)
{
    if (str_is(p->key, LABEL_NAME) || p->key.n == 0 || !str_is_utf8(p->key))
        yaml_error(p->value, r->diags, "%s: invalid label name '" STR_FMT "'", r->who,
                   STR_ARG(p->key));
    if (!str_is_utf8(p->value->scalar))
        yaml_error(p->value, r->diags, "%s: label '" STR_FMT "' is not UTF-8", r->who,
                   STR_ARG(p->key));
}

static const struct template *read_template(struct file_reader *r, const struct yaml_pair *p)
{
    struct err err = ERR_INIT;
    const struct template *t = template_parse(r->arena, p->value->scalar, &err);
    if (!t)
        yaml_error(p->value, r->diags, "%s: template of '" STR_FMT "': %s", r->who, STR_ARG(p->key),
                   err.message);
    return t;
}

/* Sorted by nothing: the order of the file, which is that of Prometheus's views. */
static const struct rule_text *read_texts(struct file_reader *r, struct yaml_node *map,
                                          const char *key, bool templates, bool labels, size_t *n)
{
    struct yaml_node *texts = yaml_take_map(map, key, r->diags);
    *n = 0;
    struct rule_text *out = ARENA_ARRAY(r->arena, struct rule_text, texts ? texts->n : 0);
    for (size_t i = 0; texts && i < texts->n; i++) {
        struct yaml_pair *p = &texts->pairs[i];
        p->used = true;
        if (p->value->kind == YAML_NULL)
            continue;
        if (p->value->kind != YAML_SCALAR) {
            yaml_error(p->value, r->diags, "%s: '" STR_FMT "' in %s must be text", r->who,
                       STR_ARG(p->key), key);
            continue;
        }
        if (labels)
            check_label(r, p);
        out[(*n)++] =
            (struct rule_text){p->key, p->value->scalar, templates ? read_template(r, p) : NULL};
    }
    return out;
}

static bool has_text(const struct rule_text *texts, size_t n, struct str name)
{
    for (size_t i = 0; i < n; i++) {
        if (str_eq(texts[i].name, name))
            return true;
    }
    return false;
}

/* The group's labels where the rule has none of its own. */
static void add_group_labels(struct file_reader *r, struct rule *rule, struct yaml_node *group)
{
    size_t n, count = rule->n_labels;
    const struct rule_text *common = read_texts(r, group, "labels", rule->alerts, false, &n);
    struct rule_text *all = ARENA_ARRAY(r->arena, struct rule_text, n + count);
    memcpy(all, rule->labels, count * sizeof *all);
    for (size_t i = 0; i < n; i++) {
        if (!has_text(rule->labels, rule->n_labels, common[i].name))
            all[count++] = common[i];
    }
    rule->labels = all;
    rule->n_labels = count;
}

/* --- Rules --- */

static void read_query(struct file_reader *r, struct yaml_node *map, struct rule *out)
{
    struct err err = ERR_INIT;
    struct buf text = BUF_INIT;
    struct yaml_node *at = yaml_take(map, "expr");
    const char *expr = NULL;
    if (!yaml_take_string(map, "expr", r->arena, &expr, r->diags) || !*expr) {
        yaml_error(at ? at : map, r->diags, "%s: field 'expr' must be set", r->who);
        return;
    }
    out->expr = promql_parse_allowed(r->arena, str_from(expr), r->stable_only, &err);
    if (!out->expr) {
        yaml_error(at, r->diags, "%s: could not parse expression: %s", r->who, err.message);
        return;
    }
    enum promql_type type = promql_expr_type(out->expr);
    if (type == PROMQL_MATRIX || type == PROMQL_STRING)
        yaml_error(at, r->diags, "%s: the expression must give an instant vector or a scalar",
                   r->who);
    promql_print(out->expr, &text);
    out->query = arena_cstr(r->arena, buf_str(&text));
    buf_release(&text);
}

static bool take_time(struct file_reader *r, struct yaml_node *map, const char *key, int64_t *out)
{
    if (!yaml_take_duration(map, key, out, r->diags))
        return false;
    if (*out < 0 || *out > MAX_INTERVAL_MS)
        yaml_error(yaml_take(map, key), r->diags, "%s: %s must be at most 366d", r->who, key);
    return true;
}

static void check_recording(struct file_reader *r, struct yaml_node *map, const struct rule *rule)
{
    static const char *const alone[] = {"for", "keep_firing_for", "annotations"};
    for (size_t i = 0; i < COUNT_OF(alone); i++) {
        struct yaml_node *at = yaml_take(map, alone[i]);
        if (at)
            yaml_error(at, r->diags, "%s: invalid field '%s' in recording rule", r->who, alone[i]);
    }
    if (!str_is_utf8(str_from(rule->name)) || strchr(rule->name, '{'))
        yaml_error(map, r->diags, "%s: invalid recording rule name", r->who);
}

static void read_rule(struct file_reader *r, struct yaml_node *map, struct yaml_node *group,
                      struct rule *out)
{
    static const char *const keys[] = {"record",          "alert",  "expr",       "for",
                                       "keep_firing_for", "labels", "annotations"};
    const char *record = NULL, *alert = NULL;
    r->who = "rule";
    yaml_take_string(map, "record", r->arena, &record, r->diags);
    yaml_take_string(map, "alert", r->arena, &alert, r->diags);
    if ((record && *record) == (alert && *alert)) {
        yaml_error(map, r->diags,
                   record && *record ? "only one of 'record' and 'alert' must be set"
                                     : "one of 'record' or 'alert' must be set");
        return;
    }
    out->alerts = alert && *alert;
    out->name = out->alerts ? alert : record;
    r->who = arena_printf(r->arena, "%s '%.100s'", out->alerts ? "alert" : "record", out->name);
    read_query(r, map, out);
    out->labels = read_texts(r, map, "labels", out->alerts, true, &out->n_labels);
    if (out->alerts) {
        take_time(r, map, "for", &out->for_ms);
        take_time(r, map, "keep_firing_for", &out->keep_firing_ms);
        out->annotations = read_texts(r, map, "annotations", true, false, &out->n_annotations);
    } else {
        check_recording(r, map, out);
    }
    add_group_labels(r, out, group);
    yaml_reject_unknown(map, keys, COUNT_OF(keys), "rule", r->diags);
}

/* --- Groups --- */

static void read_rules(struct file_reader *r, struct yaml_node *map, struct rule_group *out)
{
    struct yaml_node *list = yaml_take_list(map, "rules", r->diags);
    struct rule *rules = ARENA_ARRAY(r->arena, struct rule, list ? list->n : 0);
    for (size_t i = 0; list && i < list->n; i++) {
        if (list->items[i]->kind == YAML_MAP)
            read_rule(r, list->items[i], map, &rules[out->n_rules++]);
        else
            yaml_error(list->items[i], r->diags, "a rule must be a mapping");
    }
    out->rules = rules;
}

static void read_group(struct file_reader *r, struct yaml_node *map,
                       const struct rule_defaults *defaults, struct rule_group *out)
{
    static const char *const keys[] = {"name",   "interval", "query_offset", "limit",
                                       "labels", "source",   "rules"};
    size_t n;
    out->interval_ms = defaults->interval_ms;
    out->query_offset_ms = defaults->query_offset_ms;
    r->who = "group";
    if (!yaml_take_string(map, "name", r->arena, &out->name, r->diags) || !*out->name) {
        yaml_error(map, r->diags, "Groupname must not be empty");
        out->name = "";
    }
    r->who = arena_printf(r->arena, "group '%.100s'", out->name);
    if (take_time(r, map, "interval", &out->interval_ms) && out->interval_ms == 0)
        out->interval_ms = defaults->interval_ms;
    if (out->interval_ms < 100)
        yaml_error(map, r->diags, "%s: interval must be at least 100ms", r->who);
    take_time(r, map, "query_offset", &out->query_offset_ms);
    yaml_take_i64(map, "limit", 0, INT64_MAX, &out->limit, r->diags);
    (void)read_texts(r, map, "labels", false, true, &n);
    out->line = map->line;
    yaml_take_string(map, "source", r->arena, &out->source, r->diags);
    read_rules(r, map, out);
    yaml_reject_unknown(map, keys, COUNT_OF(keys), "rule group", r->diags);
}

void rules_read(struct arena *arena, const char *file, struct yaml_node *document,
                const struct rule_defaults *defaults, struct rule_group **groups, size_t *n,
                size_t *capacity, struct diag_list *diags)
{
    static const char *const keys[] = {"groups"};
    struct file_reader r = {arena, diags, "file", defaults->stable_only};
    size_t first = *n;
    if (document->kind == YAML_NULL)
        return;
    if (document->kind != YAML_MAP) {
        yaml_error(document, diags, "a rule file is a mapping with `groups`");
        return;
    }
    struct yaml_node *list = yaml_take_list(document, "groups", diags);
    for (size_t i = 0; list && i < list->n; i++) {
        if (list->items[i]->kind != YAML_MAP) {
            yaml_error(list->items[i], diags, "a group must be a mapping");
            continue;
        }
        *groups = arena_grow(arena, *groups, *n, capacity, sizeof **groups);
        struct rule_group *group = &(*groups)[*n];
        *group = (struct rule_group){.file = arena_strdup(arena, file)};
        read_group(&r, list->items[i], defaults, group);
        for (size_t k = first; k < *n; k++) {
            if (strcmp((*groups)[k].name, group->name) == 0)
                yaml_error(list->items[i], diags,
                           "groupname: \"%.100s\" is repeated in the same file", group->name);
        }
        ++*n;
    }
    yaml_reject_unknown(document, keys, COUNT_OF(keys), "rule file", diags);
}
