/* Where a scrape config's targets come from: Prometheus's static_configs and
 * file_sd_configs. */
#include "config/internal.h"

static void check_targets(struct reader *r, const struct yaml_node *at, const char **targets,
                          size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!*targets[i] || strchr(targets[i], '/'))
            yaml_error(at, r->diags,
                       "target '%s' must be HOST:PORT; `scheme` and `metrics_path` say the rest",
                       targets[i]);
    }
}

static void read_statics(struct reader *r, struct yaml_node *map, struct scrape_config *out)
{
    static const char *const keys[] = {"targets", "labels"};
    struct yaml_node *list = yaml_take_list(map, "static_configs", r->diags);
    out->n_statics = list ? list->n : 0;
    struct scrape_static *statics = ARENA_ARRAY(r->arena, struct scrape_static, out->n_statics);
    for (size_t i = 0; i < out->n_statics; i++) {
        struct yaml_node *item = list->items[i];
        if (item->kind != YAML_MAP) {
            yaml_error(item, r->diags, "a static config is a mapping with `targets`");
            continue;
        }
        const char **targets = read_strings(r, item, "targets", &statics[i].n_targets);
        check_targets(r, item, targets, statics[i].n_targets);
        statics[i].targets = to_strs(r->arena, targets, statics[i].n_targets);
        statics[i].labels = read_labels(r, yaml_take_map(item, "labels", r->diags));
        yaml_reject_unknown(item, keys, COUNT_OF(keys), "static config", r->diags);
    }
    out->statics = statics;
}

static void read_file_sd(struct reader *r, struct yaml_node *map, struct scrape_config *out)
{
    static const char *const keys[] = {"files", "refresh_interval"};
    const char **all = NULL;
    size_t capacity = 0;
    out->file_sd_refresh_ms = 300000;
    struct yaml_node *list = yaml_take_list(map, "file_sd_configs", r->diags);
    for (size_t i = 0; list && i < list->n; i++) {
        struct yaml_node *item = list->items[i];
        if (item->kind != YAML_MAP) {
            yaml_error(item, r->diags, "a file_sd config is a mapping with `files`");
            continue;
        }
        size_t n;
        const char **files = read_strings(r, item, "files", &n);
        yaml_take_duration(item, "refresh_interval", &out->file_sd_refresh_ms, r->diags);
        yaml_reject_unknown(item, keys, COUNT_OF(keys), "file_sd config", r->diags);
        for (size_t k = 0; k < n; k++) {
            all = arena_grow(r->arena, all, out->n_file_sd, &capacity, sizeof *all);
            all[out->n_file_sd++] = resolve_path(r->arena, item->path, files[k]);
        }
    }
    out->file_sd = all;
}

void read_discovery(struct reader *r, struct yaml_node *map, struct scrape_config *out)
{
    read_statics(r, map, out);
    read_file_sd(r, map, out);
}
