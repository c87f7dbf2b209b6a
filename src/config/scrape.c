#include "config/internal.h"

/* Prometheus's scrape_config, the part that has a meaning here. */
static const char *const scrape_keys[] = {"job_name",
                                          "scrape_interval",
                                          "scrape_timeout",
                                          "metrics_path",
                                          "scheme",
                                          "honor_labels",
                                          "honor_timestamps",
                                          "basic_auth",
                                          "authorization",
                                          "tls_config",
                                          "params",
                                          "static_configs",
                                          "file_sd_configs",
                                          "relabel_configs",
                                          "metric_relabel_configs",
                                          "body_size_limit",
                                          "sample_limit",
                                          "label_limit",
                                          "label_name_length_limit",
                                          "label_value_length_limit"};

static const char *const relabel_keys[] = {"source_labels", "separator",   "target_label", "regex",
                                           "modulus",       "replacement", "action"};

static const char *const action_names[] = {
#define X(code, name) name,
    RELABEL_ACTIONS(X)
#undef X
};

static struct str *to_strs(struct arena *arena, const char **strings, size_t n)
{
    struct str *out = ARENA_ARRAY(arena, struct str, n);
    for (size_t i = 0; i < n; i++)
        out[i] = str_from(strings[i]);
    return out;
}

static void free_regex(void *regex)
{
    regex_free(regex);
}

static void read_relabel(struct reader *r, struct yaml_node *map, struct relabel *out)
{
    int action = RELABEL_REPLACE;
    int64_t modulus = 0;
    size_t n;
    const char *separator = ";", *target = "", *pattern = "(.*)", *replacement = "$1";
    const char **sources = read_strings(r, map, "source_labels", &n);
    yaml_take_string(map, "separator", r->arena, &separator, r->diags);
    yaml_take_string(map, "target_label", r->arena, &target, r->diags);
    yaml_take_string(map, "regex", r->arena, &pattern, r->diags);
    yaml_take_string(map, "replacement", r->arena, &replacement, r->diags);
    yaml_take_i64(map, "modulus", 1, INT64_MAX, &modulus, r->diags);
    yaml_take_choice(map, "action", action_names, COUNT_OF(action_names), &action, r->diags);
    yaml_reject_unknown(map, relabel_keys, COUNT_OF(relabel_keys), "relabel rule", r->diags);

    struct err err = ERR_INIT;
    struct regex *regex = regex_new(str_from(pattern), &err);
    if (!regex)
        yaml_error(map, r->diags, "regex '%s': %s", pattern, err.message);
    else
        arena_on_release(r->arena, free_regex, regex);
    bool needs_target = action == RELABEL_REPLACE || action == RELABEL_HASHMOD ||
                        action == RELABEL_LOWERCASE || action == RELABEL_UPPERCASE ||
                        action == RELABEL_KEEPEQUAL || action == RELABEL_DROPEQUAL;
    if (needs_target && target[0] == '\0')
        yaml_error(map, r->diags, "action %s needs target_label", action_names[action]);
    if (action == RELABEL_HASHMOD && modulus == 0)
        yaml_error(map, r->diags, "action hashmod needs modulus");
    *out = (struct relabel){(enum relabel_action)action,
                            to_strs(r->arena, sources, n),
                            n,
                            str_from(separator),
                            regex,
                            (uint64_t)modulus,
                            str_from(target),
                            str_from(replacement)};
}

const struct relabel *read_relabels(struct reader *r, struct yaml_node *map, const char *key,
                                    size_t *n)
{
    struct yaml_node *list = yaml_take_list(map, key, r->diags);
    *n = list ? list->n : 0;
    struct relabel *rules = ARENA_ARRAY(r->arena, struct relabel, *n);
    for (size_t i = 0; i < *n; i++) {
        if (list->items[i]->kind == YAML_MAP)
            read_relabel(r, list->items[i], &rules[i]);
        else
            yaml_error(list->items[i], r->diags, "%s: a rule must be a mapping", key);
    }
    return rules;
}

struct labels read_labels(struct reader *r, struct yaml_node *map)
{
    struct labels_builder b;
    labels_builder_init(&b, r->arena);
    for (size_t i = 0; map && i < map->n; i++) {
        struct yaml_pair *p = &map->pairs[i];
        p->used = true;
        if (p->value->kind == YAML_SCALAR)
            labels_builder_set(&b, p->key, p->value->scalar);
        else
            yaml_error(p->value, r->diags, "label '" STR_FMT "' must be text", STR_ARG(p->key));
    }
    return labels_build(&b);
}

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

struct http_access read_access(struct reader *r, struct yaml_node *map)
{
    struct http_access out = {0};
    static const char *const basic_keys[] = {"username", "password"};
    static const char *const bearer_keys[] = {"type", "credentials"};
    static const char *const tls_keys[] = {"ca_file", "insecure_skip_verify"};
    const char *type = "Bearer";
    struct yaml_node *basic = yaml_take_map(map, "basic_auth", r->diags);
    yaml_take_string(basic, "username", r->arena, &out.username, r->diags);
    yaml_take_string(basic, "password", r->arena, &out.password, r->diags);
    if (basic)
        yaml_reject_unknown(basic, basic_keys, COUNT_OF(basic_keys), "basic_auth", r->diags);

    struct yaml_node *bearer = yaml_take_map(map, "authorization", r->diags);
    yaml_take_string(bearer, "type", r->arena, &type, r->diags);
    yaml_take_string(bearer, "credentials", r->arena, &out.bearer_token, r->diags);
    if (strcmp(type, "Bearer") != 0)
        yaml_error(bearer, r->diags, "authorization type '%s' is not known; Bearer is", type);
    if (bearer)
        yaml_reject_unknown(bearer, bearer_keys, COUNT_OF(bearer_keys), "authorization", r->diags);

    struct yaml_node *tls = yaml_take_map(map, "tls_config", r->diags);
    if (yaml_take_string(tls, "ca_file", r->arena, &out.tls_ca_file, r->diags))
        out.tls_ca_file = resolve_path(r->arena, tls->path, out.tls_ca_file);
    yaml_take_bool(tls, "insecure_skip_verify", &out.tls_skip_verify, r->diags);
    if (tls)
        yaml_reject_unknown(tls, tls_keys, COUNT_OF(tls_keys), "tls_config", r->diags);
    return out;
}

static void read_scrape_access(struct reader *r, struct yaml_node *map, struct scrape_config *out)
{
    struct http_access access = read_access(r, map);
    out->username = access.username;
    out->password = access.password;
    out->bearer_token = access.bearer_token;
    out->tls_ca_file = access.tls_ca_file;
    out->tls_skip_verify = access.tls_skip_verify;
}

static void read_limits(struct reader *r, struct yaml_node *map, struct scrape_config *out)
{
    static const char *const names[] = {"sample_limit", "label_limit", "label_name_length_limit",
                                        "label_value_length_limit"};
    uint64_t *const fields[] = {&out->sample_limit, &out->label_limit,
                                &out->label_name_length_limit, &out->label_value_length_limit};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        int64_t v = 0;
        yaml_take_i64(map, names[i], 0, INT64_MAX, &v, r->diags);
        *fields[i] = (uint64_t)v;
    }
    yaml_take_size(map, "body_size_limit", &out->body_size_limit, r->diags);
}

static void check_times(struct reader *r, struct yaml_node *map, struct scrape_config *out,
                        bool own_timeout)
{
    if (out->interval_ms < 100)
        yaml_error(map, r->diags, "scrape_interval must be at least 100ms");
    if (out->timeout_ms > out->interval_ms && own_timeout)
        yaml_error(map, r->diags, "scrape_timeout is longer than scrape_interval");
    if (out->timeout_ms > out->interval_ms)
        out->timeout_ms = out->interval_ms;
}

static void read_scrape(struct reader *r, struct yaml_node *map, int64_t interval_ms,
                        int64_t timeout_ms)
{
    static const char *const schemes[] = {"http", "https"};
    struct scrape_config *out = READER_PUSH(r, scrapes, n_scrapes, scrape_capacity);
    int scheme = 0;
    out->interval_ms = interval_ms;
    out->timeout_ms = timeout_ms;
    out->metrics_path = "/metrics";
    out->honor_timestamps = true;
    if (!yaml_take_string(map, "job_name", r->arena, &out->job_name, r->diags))
        yaml_error(map, r->diags, "a scrape config needs job_name");
    for (size_t i = 0; out->job_name && i + 1 < r->n_scrapes; i++) {
        if (r->scrapes[i].job_name && strcmp(r->scrapes[i].job_name, out->job_name) == 0)
            yaml_error(map, r->diags, "job_name '%s' is there twice", out->job_name);
    }
    yaml_take_duration(map, "scrape_interval", &out->interval_ms, r->diags);
    bool own_timeout = yaml_take_duration(map, "scrape_timeout", &out->timeout_ms, r->diags);
    check_times(r, map, out, own_timeout);
    yaml_take_string(map, "metrics_path", r->arena, &out->metrics_path, r->diags);
    yaml_take_choice(map, "scheme", schemes, COUNT_OF(schemes), &scheme, r->diags);
    out->scheme = schemes[scheme];
    yaml_take_bool(map, "honor_labels", &out->honor_labels, r->diags);
    yaml_take_bool(map, "honor_timestamps", &out->honor_timestamps, r->diags);
    read_scrape_access(r, map, out);
    out->params = read_labels(r, yaml_take_map(map, "params", r->diags));
    read_statics(r, map, out);
    read_file_sd(r, map, out);
    out->relabels = read_relabels(r, map, "relabel_configs", &out->n_relabels);
    out->metric_relabels = read_relabels(r, map, "metric_relabel_configs", &out->n_metric_relabels);
    read_limits(r, map, out);
    yaml_reject_unknown(map, scrape_keys, COUNT_OF(scrape_keys), "scrape config", r->diags);
}

void read_scrapes(struct reader *r, struct yaml_node *list, int64_t interval_ms, int64_t timeout_ms)
{
    for (size_t i = 0; i < list->n; i++) {
        if (list->items[i]->kind == YAML_MAP)
            read_scrape(r, list->items[i], interval_ms, timeout_ms);
        else
            yaml_error(list->items[i], r->diags, "a scrape config must be a mapping");
    }
}
