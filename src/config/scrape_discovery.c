/* Where a scrape config's targets come from: Prometheus's static_configs, file_sd_configs,
 * http_sd_configs and dns_sd_configs. */
#include "base/num.h"
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

/* A URL that a request can go to. */
static void check_url(struct reader *r, const struct yaml_node *at, const char *url)
{
    const char *host = strncmp(url, "http://", 7) == 0    ? url + 7
                       : strncmp(url, "https://", 8) == 0 ? url + 8
                                                          : NULL;
    if (!host || host[0] == '\0' || host[0] == '/')
        yaml_error(at, r->diags, "url '%s' must be http://HOST... or https://HOST...", url);
}

static void check_refresh(struct reader *r, const struct yaml_node *at, int64_t refresh_ms)
{
    if (refresh_ms < 100)
        yaml_error(at, r->diags, "refresh_interval must be at least 100ms");
}

static void read_http_sd(struct reader *r, struct yaml_node *map, struct scrape_config *out)
{
    static const char *const keys[] = {"url", "refresh_interval", "basic_auth", "authorization",
                                       "tls_config"};
    struct yaml_node *list = yaml_take_list(map, "http_sd_configs", r->diags);
    out->n_http_sd = list ? list->n : 0;
    struct scrape_http_sd *all = ARENA_ARRAY(r->arena, struct scrape_http_sd, out->n_http_sd);
    out->http_sd = all;
    for (size_t i = 0; i < out->n_http_sd; i++) {
        struct yaml_node *item = list->items[i];
        all[i] = (struct scrape_http_sd){.url = "", .refresh_ms = 60000};
        if (item->kind != YAML_MAP) {
            yaml_error(item, r->diags, "an http_sd config is a mapping with `url`");
            continue;
        }
        if (yaml_take_string(item, "url", r->arena, &all[i].url, r->diags))
            check_url(r, item, all[i].url);
        else
            yaml_error(item, r->diags, "an http_sd config needs url");
        yaml_take_duration(item, "refresh_interval", &all[i].refresh_ms, r->diags);
        check_refresh(r, item, all[i].refresh_ms);
        all[i].access = read_access(r, item);
        yaml_reject_unknown(item, keys, COUNT_OF(keys), "http_sd config", r->diags);
    }
}

/* IPv4 and port, "127.0.0.1:8600". */
static void check_resolver(struct reader *r, const struct yaml_node *at, const char *resolver)
{
    struct str rest = str_from(resolver), part;
    uint64_t n;
    bool good = true;
    for (int i = 0; i < 4; i++)
        good =
            good && str_cut(&rest, i < 3 ? '.' : ':', &part) && num_parse_u64(part, &n) && n <= 255;
    if (!good || !rest.p || !num_parse_u64(rest, &n) || n == 0 || n > 65535)
        yaml_error(at, r->diags, "resolver '%s' must be IPV4:PORT, such as 127.0.0.1:53", resolver);
}

static void read_dns(struct reader *r, struct yaml_node *item, struct scrape_dns_sd *out)
{
    static const char *const keys[] = {"names", "type", "port", "refresh_interval", "resolver"};
    static const char *const types[] = {"SRV", "A", "AAAA"};
    int type = 0;
    int64_t port = 0;
    const char **names = read_strings(r, item, "names", &out->n_names);
    out->names = names;
    if (out->n_names == 0)
        yaml_error(item, r->diags, "a dns_sd config needs names");
    yaml_take_choice(item, "type", types, COUNT_OF(types), &type, r->diags);
    out->type = (enum scrape_dns_type)type;
    yaml_take_i64(item, "port", 1, 65535, &port, r->diags);
    out->port = (uint16_t)port;
    if (out->type != SCRAPE_DNS_SRV && port == 0)
        yaml_error(item, r->diags, "a dns_sd config of type %s needs port", types[type]);
    if (yaml_take_string(item, "resolver", r->arena, &out->resolver, r->diags))
        check_resolver(r, item, out->resolver);
    yaml_take_duration(item, "refresh_interval", &out->refresh_ms, r->diags);
    check_refresh(r, item, out->refresh_ms);
    yaml_reject_unknown(item, keys, COUNT_OF(keys), "dns_sd config", r->diags);
}

static void read_dns_sd(struct reader *r, struct yaml_node *map, struct scrape_config *out)
{
    struct yaml_node *list = yaml_take_list(map, "dns_sd_configs", r->diags);
    out->n_dns_sd = list ? list->n : 0;
    struct scrape_dns_sd *all = ARENA_ARRAY(r->arena, struct scrape_dns_sd, out->n_dns_sd);
    out->dns_sd = all;
    for (size_t i = 0; i < out->n_dns_sd; i++) {
        all[i] = (struct scrape_dns_sd){.refresh_ms = 30000};
        if (list->items[i]->kind == YAML_MAP)
            read_dns(r, list->items[i], &all[i]);
        else
            yaml_error(list->items[i], r->diags, "a dns_sd config is a mapping with `names`");
    }
}

void read_discovery(struct reader *r, struct yaml_node *map, struct scrape_config *out)
{
    read_statics(r, map, out);
    read_file_sd(r, map, out);
    read_http_sd(r, map, out);
    read_dns_sd(r, map, out);
}
