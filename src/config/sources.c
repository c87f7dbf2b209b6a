/* Other stores that can be asked. */
#include "config/internal.h"

static bool is_url(const char *text)
{
    return str_starts(str_from(text), STR("http://")) ||
           str_starts(str_from(text), STR("https://"));
}

/* Exactly one of the keys says what it is and where. */
static void read_place(struct reader *r, struct yaml_node *map, struct source_spec *out)
{
    static const struct {
        const char *key;
        enum source_kind kind;
    } places[] = {
#define X(code, key, meaning) {key, code},
        SOURCE_KINDS(X)
#undef X
    };
    int n = 0;
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        const char *at = NULL;
        if (!yaml_take_string(map, places[i].key, r->arena, &at, r->diags))
            continue;
        n++;
        out->kind = places[i].kind;
        out->at = at;
        if (out->kind == SOURCE_FOLDER)
            out->at = resolve_path(r->arena, map->path, at);
        else if (!is_url(at))
            yaml_error(map, r->diags, "source '%s': %s is no URL of http or https: '%.100s'",
                       out->name, places[i].key, at);
    }
    if (n != 1)
        yaml_error(map, r->diags,
                   "source '%s' needs exactly one of remoteRead, export, query (URLs) and folder",
                   out->name);
}

static bool has_access(const struct http_access *a)
{
    return a->username || a->bearer_token || a->bearer_token_file || a->tls_ca_file ||
           a->tls_cert_file || a->tls_server_name || a->tls_skip_verify;
}

static void read_source(struct reader *r, struct yaml_node *map, struct source_spec *out)
{
    static const char *const keys[] = {
#define X(code, key, meaning) key,
        SOURCE_KINDS(X)
#undef X
            "name",
        "timeout", "basic_auth", "authorization", "tls_config"};
    *out = (struct source_spec){.name = "", .at = "", .timeout_ms = 30000};
    yaml_take_string(map, "name", r->arena, &out->name, r->diags);
    yaml_take_duration(map, "timeout", &out->timeout_ms, r->diags);
    if (!*out->name)
        yaml_error(map, r->diags, "a source needs a name");
    read_place(r, map, out);
    if (out->timeout_ms < 1)
        yaml_error(map, r->diags, "source '%s': timeout must be over 0", out->name);
    out->access = read_access(r, map);
    if (out->kind == SOURCE_FOLDER && has_access(&out->access))
        yaml_error(map, r->diags,
                   "source '%s': a folder has no basic_auth, authorization or tls_config",
                   out->name);
    yaml_reject_unknown(map, keys, COUNT_OF(keys), "source", r->diags);
}

void read_sources(struct reader *r, struct yaml_node *list)
{
    struct source_spec *sources = ARENA_ARRAY(r->arena, struct source_spec, list->n);
    size_t n = 0;
    for (size_t i = 0; i < list->n; i++) {
        if (list->items[i]->kind != YAML_MAP) {
            yaml_error(list->items[i], r->diags, "a source must be a mapping");
            continue;
        }
        read_source(r, list->items[i], &sources[n]);
        for (size_t k = 0; k < n; k++) {
            if (strcmp(sources[k].name, sources[n].name) == 0)
                yaml_error(list->items[i], r->diags, "source '%s' is there twice", sources[n].name);
        }
        n++;
    }
    r->config->sources = sources;
    r->config->n_sources = n;
}
