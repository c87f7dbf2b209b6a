/* Other stores that can be asked. */
#include "config/internal.h"

static bool is_url(const char *text)
{
    return str_starts(str_from(text), STR("http://")) ||
           str_starts(str_from(text), STR("https://"));
}

static void read_source(struct reader *r, struct yaml_node *map, struct source_spec *out)
{
    static const char *const keys[] = {"name",       "remoteRead",    "timeout",
                                       "basic_auth", "authorization", "tls_config"};
    *out = (struct source_spec){.name = "", .remote_read = "", .timeout_ms = 30000};
    yaml_take_string(map, "name", r->arena, &out->name, r->diags);
    yaml_take_string(map, "remoteRead", r->arena, &out->remote_read, r->diags);
    yaml_take_duration(map, "timeout", &out->timeout_ms, r->diags);
    if (!*out->name)
        yaml_error(map, r->diags, "a source needs a name");
    if (!is_url(out->remote_read))
        yaml_error(map, r->diags, "source '%s' needs remoteRead, the URL of its remote read API",
                   out->name);
    if (out->timeout_ms < 1)
        yaml_error(map, r->diags, "source '%s': timeout must be over 0", out->name);
    out->access = read_access(r, map);
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
