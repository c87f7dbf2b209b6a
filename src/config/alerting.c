/* Rule files and alerting: Prometheus's keys, so that a prometheus.yml's parts can be moved over.
 */
#include "config/internal.h"

#include <glob.h>

void read_rule_globals(struct reader *r, struct yaml_node *global)
{
    yaml_take_duration(global, "evaluation_interval", &r->rule_defaults.interval_ms, r->diags);
    yaml_take_duration(global, "rule_query_offset", &r->rule_defaults.query_offset_ms, r->diags);
    r->config->alerting.external_labels =
        read_labels(r, yaml_take_map(global, "external_labels", r->diags));
    if (r->rule_defaults.interval_ms < 100)
        yaml_error(global, r->diags, "global: evaluation_interval must be at least 100ms");
}

/* --- Rule files --- */

static void read_rule_file(struct reader *r, const char *path)
{
    struct yaml_node **documents;
    size_t n;
    if (!read_documents(r, path, &documents, &n))
        return;
    for (size_t i = 0; i < n; i++)
        rules_read(r->arena, path, documents[i], &r->rule_defaults, &r->groups, &r->n_groups,
                   &r->group_capacity, r->diags);
}

static void read_rule_files(struct reader *r, struct yaml_node *root)
{
    struct yaml_node *at = yaml_take(root, "rule_files");
    size_t n;
    const char **patterns = read_strings(r, root, "rule_files", &n);
    for (size_t i = 0; i < n; i++) {
        const char *pattern = resolve_path(r->arena, r->config->path, patterns[i]);
        glob_t found = {0};
        if (glob(pattern, 0, NULL, &found) != 0)
            diag_add(r->diags, DIAG_WARNING, at->path, at->line, at->column,
                     "rule_files: '%s' names no file", patterns[i]);
        for (size_t k = 0; k < found.gl_pathc; k++)
            read_rule_file(r, arena_strdup(r->arena, found.gl_pathv[k]));
        globfree(&found);
    }
}

/* --- Alertmanagers --- */

static const struct str *read_targets(struct reader *r, struct yaml_node *map, size_t *n)
{
    static const char *const keys[] = {"targets"};
    struct yaml_node *list = yaml_take_list(map, "static_configs", r->diags);
    struct str *all = NULL;
    size_t capacity = 0;
    *n = 0;
    for (size_t i = 0; list && i < list->n; i++) {
        struct yaml_node *item = list->items[i];
        size_t count;
        if (item->kind != YAML_MAP) {
            yaml_error(item, r->diags, "a static config is a mapping with `targets`");
            continue;
        }
        const char **targets = read_strings(r, item, "targets", &count);
        for (size_t k = 0; k < count; k++) {
            if (!*targets[k] || strchr(targets[k], '/'))
                yaml_error(item, r->diags,
                           "alertmanager '%s' must be HOST:PORT; `scheme` and `path_prefix` say "
                           "the rest",
                           targets[k]);
            all = arena_grow(r->arena, all, *n, &capacity, sizeof *all);
            all[(*n)++] = str_from(targets[k]);
        }
        yaml_reject_unknown(item, keys, COUNT_OF(keys), "static config", r->diags);
    }
    return all;
}

static void read_manager(struct reader *r, struct yaml_node *map, struct alertmanager_config *out)
{
    static const char *const keys[] = {"scheme",      "path_prefix",   "timeout",
                                       "api_version", "basic_auth",    "authorization",
                                       "tls_config",  "static_configs"};
    static const char *const schemes[] = {"http", "https"};
    static const char *const versions[] = {"v2"};
    int scheme = 0, version = 0;
    *out = (struct alertmanager_config){.path_prefix = "", .timeout_ms = 10000};
    yaml_take_choice(map, "scheme", schemes, COUNT_OF(schemes), &scheme, r->diags);
    yaml_take_choice(map, "api_version", versions, COUNT_OF(versions), &version, r->diags);
    out->scheme = schemes[scheme];
    yaml_take_string(map, "path_prefix", r->arena, &out->path_prefix, r->diags);
    if (strcmp(out->path_prefix, "/") == 0)
        out->path_prefix = "";
    if (*out->path_prefix && *out->path_prefix != '/')
        yaml_error(map, r->diags, "path_prefix '%s' must begin with /", out->path_prefix);
    yaml_take_duration(map, "timeout", &out->timeout_ms, r->diags);
    if (out->timeout_ms < 1)
        yaml_error(map, r->diags, "timeout must be over 0");
    out->access = read_access(r, map);
    out->targets = read_targets(r, map, &out->n_targets);
    if (out->n_targets == 0)
        yaml_error(map, r->diags, "an alertmanager needs static_configs with targets");
    yaml_reject_unknown(map, keys, COUNT_OF(keys), "alertmanager", r->diags);
}

static void read_managers(struct reader *r, struct yaml_node *alerting)
{
    static const char *const keys[] = {"alert_relabel_configs", "alertmanagers"};
    struct alerting_config *out = &r->config->alerting;
    struct yaml_node *list = yaml_take_list(alerting, "alertmanagers", r->diags);
    struct alertmanager_config *managers =
        ARENA_ARRAY(r->arena, struct alertmanager_config, list ? list->n : 0);
    for (size_t i = 0; list && i < list->n; i++) {
        if (list->items[i]->kind == YAML_MAP)
            read_manager(r, list->items[i], &managers[out->n_managers++]);
        else
            yaml_error(list->items[i], r->diags, "an alertmanager must be a mapping");
    }
    out->managers = managers;
    out->relabels = read_relabels(r, alerting, "alert_relabel_configs", &out->n_relabels);
    yaml_reject_unknown(alerting, keys, COUNT_OF(keys), "alerting", r->diags);
}

static void read_rule_settings(struct reader *r, struct yaml_node *map)
{
    static const char *const keys[] = {"resendDelay", "forGracePeriod", "forOutageTolerance",
                                       "notificationQueue"};
    struct config *c = r->config;
    int64_t queue = (int64_t)c->alerting.queue;
    yaml_take_duration(map, "resendDelay", &c->resend_ms, r->diags);
    yaml_take_duration(map, "forGracePeriod", &c->for_grace_ms, r->diags);
    yaml_take_duration(map, "forOutageTolerance", &c->for_outage_tolerance_ms, r->diags);
    yaml_take_i64(map, "notificationQueue", 1, 1000000, &queue, r->diags);
    c->alerting.queue = (size_t)queue;
    yaml_reject_unknown(map, keys, COUNT_OF(keys), "rules", r->diags);
}

void read_alerting(struct reader *r, struct yaml_node *root)
{
    struct yaml_node *alerting = yaml_take_map(root, "alerting", r->diags);
    struct yaml_node *settings = yaml_take_map(root, "rules", r->diags);
    const char **url = &r->config->alerting.external_url;
    yaml_take_string(root, "externalUrl", r->arena, url, r->diags);
    size_t n = strlen(*url);
    if (n > 0 && !str_starts(str_from(*url), STR("http://")) &&
        !str_starts(str_from(*url), STR("https://")))
        yaml_error(yaml_take(root, "externalUrl"), r->diags,
                   "externalUrl must begin with http:// or https://, not '%s'", *url);
    while (n > 0 && (*url)[n - 1] == '/')
        *url = arena_printf(r->arena, "%.*s", (int)--n, *url);
    if (alerting)
        read_managers(r, alerting);
    if (settings)
        read_rule_settings(r, settings);
    read_rule_files(r, root);
}
