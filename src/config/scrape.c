#include "config/internal.h"

/* Prometheus's scrape_config, the part that has a meaning here. */
static const char *const scrape_keys[] = {"job_name",
                                          "scrape_interval",
                                          "scrape_timeout",
                                          "scrape_protocols",
                                          "fallback_scrape_protocol",
                                          "scrape_native_histograms",
                                          "always_scrape_classic_histograms",
                                          "enable_compression",
                                          "metrics_path",
                                          "scheme",
                                          "honor_labels",
                                          "honor_timestamps",
                                          "track_timestamps_staleness",
                                          "basic_auth",
                                          "authorization",
                                          "tls_config",
                                          "params",
                                          "static_configs",
                                          "file_sd_configs",
                                          "http_sd_configs",
                                          "dns_sd_configs",
                                          "relabel_configs",
                                          "metric_relabel_configs",
                                          "body_size_limit",
                                          "target_limit",
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

struct str *to_strs(struct arena *arena, const char **strings, size_t n)
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

static void read_limits(struct reader *r, struct yaml_node *map, struct scrape_config *out)
{
    static const char *const names[] = {"target_limit", "sample_limit", "label_limit",
                                        "label_name_length_limit", "label_value_length_limit"};
    uint64_t *const fields[] = {&out->target_limit, &out->sample_limit, &out->label_limit,
                                &out->label_name_length_limit, &out->label_value_length_limit};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        int64_t v = 0;
        yaml_take_i64(map, names[i], 0, INT64_MAX, &v, r->diags);
        *fields[i] = (uint64_t)v;
    }
    yaml_take_size(map, "body_size_limit", &out->body_size_limit, r->diags);
}

/* --- Protocols --- */

static const char *const protocol_names[] = {
#define X(code, name, media_type) name,
    SCRAPE_PROTOCOLS(X)
#undef X
};

static const char *const media_types[] = {
#define X(code, name, media_type) media_type,
    SCRAPE_PROTOCOLS(X)
#undef X
};

#define N_PROTOCOLS COUNT_OF(protocol_names)

/* Its place among the protocols; N_PROTOCOLS after saying that it is none. */
static size_t find_protocol(struct reader *r, const struct yaml_node *item)
{
    struct str name = item->kind == YAML_SCALAR ? item->scalar : STR("");
    for (size_t i = 0; i < N_PROTOCOLS; i++) {
        if (str_is(name, protocol_names[i]))
            return i;
    }
    const char *nearest = str_nearest(name, protocol_names, N_PROTOCOLS);
    yaml_error(item, r->diags, "'" STR_FMT "' is not a scrape protocol; %s%s", STR_ARG(name),
               nearest ? "did you mean " : "one is ", nearest ? nearest : protocol_names[1]);
    return N_PROTOCOLS;
}

/* Places in the order that is wanted; without the key: all of text, and protobuf first when native
 * histograms are wanted, which no text has. */
static size_t read_protocols(struct reader *r, struct yaml_node *map, bool native,
                             size_t places[N_PROTOCOLS])
{
    struct yaml_node *list = yaml_take_list(map, "scrape_protocols", r->diags);
    bool taken[N_PROTOCOLS] = {false};
    size_t n = 0;
    for (size_t i = native ? 0 : 1; !list && i < N_PROTOCOLS; i++)
        places[n++] = i;
    if (list && list->n == 0)
        yaml_error(list, r->diags, "scrape_protocols is empty");
    for (size_t i = 0; list && i < list->n; i++) {
        size_t k = find_protocol(r, list->items[i]);
        if (k == N_PROTOCOLS)
            continue;
        if (taken[k])
            yaml_error(list->items[i], r->diags, "scrape protocol '%s' is there twice",
                       protocol_names[k]);
        else
            places[n++] = k;
        taken[k] = true;
    }
    return n;
}

/* The more wanted, the higher q, as Prometheus does. */
static const char *accept_header(struct reader *r, const size_t *places, size_t n)
{
    struct buf text = BUF_INIT;
    buf_add_cstr(&text, "Accept: ");
    for (size_t i = 0; i < n; i++)
        buf_printf(&text, "%s;q=0.%zu,", media_types[places[i]], n + 1 - i);
    buf_add_cstr(&text, "*/*;q=0.1");
    const char *header = arena_cstr(r->arena, buf_str(&text));
    buf_release(&text);
    return header;
}

static void read_formats(struct reader *r, struct yaml_node *map, struct scrape_config *out)
{
    size_t places[N_PROTOCOLS];
    int fallback = -1;
    bool compression = true;
    yaml_take_bool(map, "scrape_native_histograms", &out->native_histograms, r->diags);
    yaml_take_bool(map, "always_scrape_classic_histograms", &out->classic_histograms, r->diags);
    yaml_take_bool(map, "enable_compression", &compression, r->diags);
    out->no_compression = !compression;
    size_t n = read_protocols(r, map, out->native_histograms, places);
    out->accept = accept_header(r, places, n);
    yaml_take_choice(map, "fallback_scrape_protocol", protocol_names, N_PROTOCOLS, &fallback,
                     r->diags);
    out->fallback = (enum scrape_protocol)(fallback + 1);
    bool protobuf = false;
    for (size_t i = 0; i < n; i++)
        protobuf = protobuf || places[i] + 1 == SCRAPE_PROTOBUF;
    if (out->native_histograms && !protobuf)
        yaml_error(map, r->diags,
                   "scrape_native_histograms needs PrometheusProto in scrape_protocols: no text "
                   "format has native histograms");
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
    yaml_take_bool(map, "track_timestamps_staleness", &out->track_timestamps, r->diags);
    read_formats(r, map, out);
    out->access = read_access(r, map);
    out->params = read_labels(r, yaml_take_map(map, "params", r->diags));
    read_discovery(r, map, out);
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
