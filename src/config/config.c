#include "config/config.h"

#include "base/file.h"
#include "base/num.h"
#include "config/internal.h"

#include <stdlib.h>

#define DEFAULT_EVALUATION_MS 60000
#define MAX_FILE_BYTES ((size_t)4 << 20)
#define MIN_MEMORY_BYTES ((uint64_t)64 << 20)

static const char *default_listen = "127.0.0.1:9797";

#define DAY_MS INT64_C(86400000)

static struct config *config_new(void)
{
    struct config *c = calloc(1, sizeof *c);
    if (!c)
        check_no_memory(sizeof *c);
    c->refs = 1;
    c->listen = default_listen;
    c->query = (struct query_settings){.timeout_ms = 120000,
                                       .max_samples = 50000000,
                                       .max_memory_bytes = UINT64_C(1) << 30,
                                       .max_concurrency = 8};
    c->data_path = "data";
    c->flush_ms = 100;
    c->snapshot_ms = 300000;
    c->exemplars = 100000;
    c->anomaly_every_ms = 30 * DAY_MS;
    c->resend_ms = 60000;
    c->for_grace_ms = 600000;
    c->for_outage_tolerance_ms = 3600000;
    c->alerting.external_url = "";
    c->alerting.queue = 10000;
    c->retention_ms = INT64_C(30) * 24 * 3600 * 1000;
    return c;
}

struct config *config_ref(struct config *c)
{
    (void)__atomic_add_fetch(&c->refs, 1, __ATOMIC_RELAXED);
    return c;
}

void config_free(struct config *c)
{
    if (!c || __atomic_sub_fetch(&c->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    arena_release(&c->arena);
    free(c);
}

const char **read_strings(struct reader *r, struct yaml_node *map, const char *key, size_t *n)
{
    *n = 0;
    struct yaml_node *list = yaml_take_list(map, key, r->diags);
    if (!list)
        return NULL;
    const char **strings = ARENA_ARRAY(r->arena, const char *, list->n);
    for (size_t i = 0; i < list->n; i++) {
        if (list->items[i]->kind != YAML_SCALAR)
            yaml_error(list->items[i], r->diags, "%s: item %zu must be text", key, i + 1);
        else
            strings[(*n)++] = arena_cstr(r->arena, list->items[i]->scalar);
    }
    return strings;
}

const char *resolve_path(struct arena *arena, const char *file, const char *path)
{
    const char *slash = file ? strrchr(file, '/') : NULL;
    if (path[0] == '/' || !slash)
        return path;
    return arena_printf(arena, "%.*s/%s", (int)(slash - file), file, path);
}

bool read_documents(struct reader *r, const char *path, struct yaml_node ***documents, size_t *n)
{
    struct err err = ERR_INIT;
    struct buf text = BUF_INIT;
    bool done = file_read(path, MAX_FILE_BYTES, &text, &err);
    if (!done)
        diag_add(r->diags, DIAG_ERROR, path, 0, 0, "%s", err.message);
    else
        done =
            yaml_parse(r->arena, path, arena_str(r->arena, buf_str(&text)), documents, n, r->diags);
    buf_add_str(&r->all_bytes, buf_str(&text));
    buf_release(&text);
    return done;
}

static void read_rule_document(struct reader *r, struct yaml_node *document)
{
    rules_read(r->arena, document->path, document, &r->rule_defaults, &r->groups, &r->n_groups,
               &r->group_capacity, r->diags);
}

static void read_document(struct reader *r, struct yaml_node *document)
{
    const char *version = NULL, *kind = NULL;
    if (yaml_take(document, "groups") && !yaml_take(document, "apiVersion")) {
        read_rule_document(r, document);
        return;
    }
    if (document->kind != YAML_MAP) {
        yaml_error(document, r->diags, "a policy file holds mappings with apiVersion and kind");
        return;
    }
    yaml_take_string(document, "apiVersion", r->arena, &version, r->diags);
    yaml_take_string(document, "kind", r->arena, &kind, r->diags);
    if (!version || !kind)
        yaml_error(document, r->diags, "apiVersion and kind are required");
    else if (strcmp(version, "cqed/v1") == 0)
        read_policy(r, document, kind);
    else if (strcmp(version, "openslo/v1") == 0)
        read_openslo(r, document, kind);
    else
        yaml_error(document, r->diags, "apiVersion '%s' is not known; cqed/v1 and openslo/v1 are",
                   version);
}

static void read_policy_file(struct reader *r, const char *path)
{
    struct yaml_node **documents;
    size_t n;
    if (!read_documents(r, path, &documents, &n))
        return;
    for (size_t i = 0; i < n; i++)
        read_document(r, documents[i]);
}

struct folder_walk {
    struct reader *reader;
    const char *folder;
};

static void read_folder_entry(void *arg, const char *name)
{
    struct folder_walk *walk = arg;
    struct str s = str_from(name);
    if (!str_ends(s, STR(".yaml")) && !str_ends(s, STR(".yml")))
        return;
    const char *slash = str_ends(str_from(walk->folder), STR("/")) ? "" : "/";
    read_policy_file(walk->reader,
                     arena_printf(walk->reader->arena, "%s%s%s", walk->folder, slash, name));
}

static void read_policy_path(struct reader *r, const char *path)
{
    struct err err = ERR_INIT;
    struct folder_walk walk = {r, path};
    if (!file_is_folder(path))
        read_policy_file(r, path);
    else if (!file_list(path, read_folder_entry, &walk, &err))
        diag_add(r->diags, DIAG_ERROR, path, 0, 0, "%s", err.message);
}

/* A duration (how old) or a size with its unit (how much); 0 = for ever. */
static bool read_limit(struct config *c, const struct yaml_node *node)
{
    uint64_t bytes;
    int64_t age_ms;
    struct str text = node->kind == YAML_SCALAR ? node->scalar : STR("");
    char last = text.n > 0 ? text.p[text.n - 1] : '0';
    if (num_parse_duration_ms(text, &age_ms)) {
        c->retention_ms = age_ms;
        return true;
    }
    if ((last >= '0' && last <= '9') || !num_parse_size(text, &bytes))
        return false;
    c->retention_bytes = bytes;
    return true;
}

/* storage.retention: one limit, or a list of both kinds. A size alone takes the default age away.
 */
static void read_retention(struct reader *r, const struct yaml_node *node)
{
    struct config *c = r->config;
    const struct yaml_node *const *limits = node->kind == YAML_LIST
                                                ? (const struct yaml_node *const *)node->items
                                                : (const struct yaml_node *const *)&node;
    size_t n = node->kind == YAML_LIST ? node->n : 1;
    c->retention_ms = 0;
    for (size_t i = 0; i < n; i++) {
        if (!read_limit(c, limits[i]))
            yaml_error(limits[i], r->diags,
                       "storage.retention is an age like 30d, a size like 50GB, or a list of both");
    }
}

static void read_storage(struct reader *r, struct yaml_node *map)
{
    static const char *const keys[] = {
        "path",   "flush",   "fsync", "exemplars", "retention", "adminApi", "outOfOrderWindow",
        "memory", "snapshot"};
    static const char *const fsyncs[] = {"interval", "always"};
    struct config *c = r->config;
    int fsync = 0;
    if (yaml_take_string(map, "path", r->arena, &c->data_path, r->diags))
        c->data_path = resolve_path(r->arena, c->path, c->data_path);
    yaml_take_duration(map, "flush", &c->flush_ms, r->diags);
    yaml_take_duration(map, "snapshot", &c->snapshot_ms, r->diags);
    yaml_take_duration(map, "outOfOrderWindow", &c->out_of_order_ms, r->diags);
    yaml_take_i64(map, "exemplars", 0, 100000000, &c->exemplars, r->diags);
    yaml_take_bool(map, "adminApi", &c->admin_api, r->diags);
    struct yaml_node *retention = yaml_take(map, "retention");
    if (retention)
        read_retention(r, retention);
    yaml_take_choice(map, "fsync", fsyncs, COUNT_OF(fsyncs), &fsync, r->diags);
    c->fsync_always = fsync == 1;
    if (yaml_take_size(map, "memory", &c->memory_bytes, r->diags) &&
        c->memory_bytes < MIN_MEMORY_BYTES)
        yaml_error(map, r->diags, "storage.memory must be at least 64Mi");
    if (c->flush_ms < 1 || c->flush_ms > 10000)
        yaml_error(map, r->diags, "storage.flush must be from 1ms to 10s");
    yaml_reject_unknown(map, keys, COUNT_OF(keys), "storage", r->diags);
}

static void read_anomaly(struct reader *r, struct yaml_node *map)
{
    static const char *const keys[] = {"oneFalseAlarmIn"};
    int64_t *every_ms = &r->config->anomaly_every_ms;
    yaml_take_duration(map, "oneFalseAlarmIn", every_ms, r->diags);
    if (*every_ms < 3600000 || *every_ms > 365 * DAY_MS)
        yaml_error(map, r->diags, "anomaly.oneFalseAlarmIn must be from 1h to 365d");
    yaml_reject_unknown(map, keys, COUNT_OF(keys), "anomaly", r->diags);
}

static void read_main(struct reader *r, struct yaml_node *root)
{
    static const char *const keys[] = {
        "listen", "storage",     "global", "scrape_configs", "policies", "rule_files", "alerting",
        "rules",  "externalUrl", "query",  "telemetry",      "kayenta",  "anomaly"};
    static const char *const global_keys[] = {"scrape_interval", "scrape_timeout",
                                              "evaluation_interval", "rule_query_offset",
                                              "external_labels"};
    int64_t interval_ms = 15000, timeout_ms = 10000;
    size_t n_paths;

    read_address(r, root, "listen", "listen", &r->config->listen);
    struct yaml_node *storage = yaml_take_map(root, "storage", r->diags);
    if (storage)
        read_storage(r, storage);
    struct yaml_node *telemetry = yaml_take_map(root, "telemetry", r->diags);
    if (telemetry)
        read_telemetry_in(r, telemetry);
    struct yaml_node *global = yaml_take_map(root, "global", r->diags);
    if (global) {
        yaml_take_duration(global, "scrape_interval", &interval_ms, r->diags);
        if (yaml_take_duration(global, "scrape_timeout", &timeout_ms, r->diags) &&
            timeout_ms > interval_ms)
            yaml_error(global, r->diags, "global: scrape_timeout is longer than scrape_interval");
        read_rule_globals(r, global);
        yaml_reject_unknown(global, global_keys, COUNT_OF(global_keys), "global", r->diags);
    }
    struct yaml_node *scrapes = yaml_take_list(root, "scrape_configs", r->diags);
    if (scrapes)
        read_scrapes(r, scrapes, interval_ms, timeout_ms);
    struct yaml_node *kayenta = yaml_take_map(root, "kayenta", r->diags);
    if (kayenta)
        read_kayenta(r, kayenta);
    struct yaml_node *query = yaml_take_map(root, "query", r->diags);
    if (query)
        read_query_settings(r, query);
    struct yaml_node *anomaly = yaml_take_map(root, "anomaly", r->diags);
    if (anomaly)
        read_anomaly(r, anomaly);
    read_alerting(r, root);
    const char **paths = read_strings(r, root, "policies", &n_paths);
    for (size_t i = 0; i < n_paths; i++)
        read_policy_path(r, resolve_path(r->arena, r->config->path, paths[i]));
    yaml_reject_unknown(root, keys, COUNT_OF(keys), "cqed.yaml", r->diags);
}

static void mask_secrets(json_t *value)
{
    static const char *const secrets[] = {"password", "credentials", "token", "secret"};
    const char *key;
    json_t *inner;
    void *next;
    json_object_foreach_safe(value, next, key, inner)
    {
        bool secret = false;
        for (size_t i = 0; i < COUNT_OF(secrets); i++)
            secret |= strcmp(key, secrets[i]) == 0;
        if (secret)
            (void)json_object_set_new(value, key, json_string("<secret>"));
        else
            mask_secrets(inner);
    }
    for (size_t i = 0; i < json_array_size(value); i++)
        mask_secrets(json_array_get(value, i));
}

static const char *masked_text(struct reader *r, const struct yaml_node *document)
{
    json_t *json = json_deep_copy(yaml_to_json(r->arena, document));
    mask_secrets(json);
    char *text = json_dumps(json, JSON_INDENT(2) | JSON_ENCODE_ANY);
    const char *copy = text ? arena_strdup(r->arena, text) : "";
    free(text);
    json_decref(json);
    return copy;
}

static void read_main_file(struct reader *r)
{
    struct yaml_node **documents;
    size_t n;
    if (!read_documents(r, r->config->path, &documents, &n) || n == 0)
        return;
    if (n > 1)
        yaml_error(documents[1], r->diags, "the main file holds one document; this is a second");
    r->config->shown = masked_text(r, documents[0]);
    if (documents[0]->kind == YAML_MAP)
        read_main(r, documents[0]);
    else if (documents[0]->kind != YAML_NULL)
        yaml_error(documents[0], r->diags, "the main file must be a mapping");
}

static struct config *finish(struct reader *r)
{
    struct config *c = r->config;
    resolve_indicator_refs(r);
    check_everything(r);
    diag_sort(r->diags);
    c->scrapes = r->scrapes;
    c->n_scrapes = r->n_scrapes;
    c->slos = r->slos;
    c->n_slos = r->n_slos;
    c->rollouts = r->rollouts;
    c->n_rollouts = r->n_rollouts;
    c->gates = r->gates;
    c->n_gates = r->n_gates;
    c->rule_groups = r->groups;
    c->n_rule_groups = r->n_groups;
    c->digest = sha256_of(r->all_bytes.p, r->all_bytes.n);
    buf_release(&r->all_bytes);
    if (r->diags->errors > 0) {
        config_free(c);
        return NULL;
    }
    return c;
}

struct config *config_load(const char *path, struct diag_list *diags)
{
    struct config *c = config_new();
    struct reader r = {.arena = &c->arena,
                       .diags = diags,
                       .config = c,
                       .rule_defaults = {.interval_ms = DEFAULT_EVALUATION_MS}};
    if (path) {
        c->path = arena_strdup(&c->arena, path);
        read_main_file(&r);
    }
    return finish(&r);
}

struct config *config_load_policies(const char *const *paths, size_t n, struct diag_list *diags)
{
    struct config *c = config_new();
    struct reader r = {.arena = &c->arena,
                       .diags = diags,
                       .config = c,
                       .rule_defaults = {.interval_ms = DEFAULT_EVALUATION_MS}};
    for (size_t i = 0; i < n; i++)
        read_policy_path(&r, arena_strdup(&c->arena, paths[i]));
    return finish(&r);
}

const struct slo_spec *config_find_slo(const struct config *c, const char *name)
{
    for (size_t i = 0; i < c->n_slos; i++) {
        if (strcmp(c->slos[i].name, name) == 0)
            return &c->slos[i];
    }
    return NULL;
}

const struct rollout_policy *config_find_rollout(const struct config *c, const char *service)
{
    for (size_t i = 0; i < c->n_rollouts; i++) {
        if (strcmp(c->rollouts[i].service, service) == 0)
            return &c->rollouts[i];
    }
    return NULL;
}

const struct gate_policy *config_find_gate(const struct config *c, const char *name)
{
    for (size_t i = 0; i < c->n_gates; i++) {
        if (strcmp(c->gates[i].name, name) == 0)
            return &c->gates[i];
    }
    return NULL;
}

const char *config_cohort_label(const struct config *c, const char *service)
{
    const struct rollout_policy *p = config_find_rollout(c, service);
    return p ? p->cohort_label : "version";
}
