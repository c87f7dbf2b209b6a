/* The part of cqed.yaml that says how telemetry comes in, besides scrape_configs. */
#include "base/num.h"
#include "config/internal.h"

void read_address(struct reader *r, struct yaml_node *map, const char *key, const char *what,
                  const char **out)
{
    struct yaml_node *at = yaml_take(map, key);
    uint64_t port;
    if (!yaml_take_string(map, key, r->arena, out, r->diags))
        return;
    const char *colon = strrchr(*out, ':');
    if (!colon || !num_parse_u64(str_from(colon + 1), &port) || port > 65535)
        yaml_error(at, r->diags, "%s must be HOST:PORT like 127.0.0.1:9797, not '%s'", what, *out);
}

static void read_tls(struct reader *r, struct yaml_node *map)
{
    static const char *const keys[] = {"certFile", "keyFile"};
    struct otlp_ports *o = &r->config->otlp;
    if (yaml_take_string(map, "certFile", r->arena, &o->tls_cert_file, r->diags))
        o->tls_cert_file = resolve_path(r->arena, map->path, o->tls_cert_file);
    if (yaml_take_string(map, "keyFile", r->arena, &o->tls_key_file, r->diags))
        o->tls_key_file = resolve_path(r->arena, map->path, o->tls_key_file);
    if (!o->tls_cert_file || !o->tls_key_file)
        yaml_error(map, r->diags, "telemetry.otlp.tls needs certFile and keyFile");
    yaml_reject_unknown(map, keys, COUNT_OF(keys), "telemetry.otlp.tls", r->diags);
}

static void read_otlp(struct reader *r, struct yaml_node *map)
{
    static const char *const keys[] = {"grpc", "http", "tls", "exponentialHistograms"};
    static const char *const histograms[] = {"native", "classic"};
    struct otlp_ports *o = &r->config->otlp;
    int classic = 0;
    yaml_take_choice(map, "exponentialHistograms", histograms, COUNT_OF(histograms), &classic,
                     r->diags);
    o->classic_exponentials = classic == 1;
    read_address(r, map, "grpc", "telemetry.otlp.grpc", &o->grpc);
    read_address(r, map, "http", "telemetry.otlp.http", &o->http);
    struct yaml_node *tls = yaml_take_map(map, "tls", r->diags);
    if (tls)
        read_tls(r, tls);
    yaml_reject_unknown(map, keys, COUNT_OF(keys), "telemetry.otlp", r->diags);
}

static void read_owners(struct reader *r, struct yaml_node *map)
{
    struct quota_spec *q = &r->config->quotas;
    struct quota_of *own = ARENA_ARRAY(r->arena, struct quota_of, map->n);
    for (size_t i = 0; i < map->n; i++) {
        struct yaml_pair *p = &map->pairs[i];
        p->used = true;
        own[i].owner = arena_cstr(r->arena, p->key);
        if (p->value->kind != YAML_SCALAR || !num_parse_u64(p->value->scalar, &own[i].series))
            yaml_error(p->value, r->diags,
                       "telemetry.quotas.owners: '" STR_FMT "' needs a number of series",
                       STR_ARG(p->key));
    }
    q->own = own;
    q->n_own = map->n;
}

static void read_quotas(struct reader *r, struct yaml_node *map)
{
    static const char *const keys[] = {"label", "series", "owners"};
    struct quota_spec *q = &r->config->quotas;
    int64_t series = 0;
    q->label = "job";
    yaml_take_string(map, "label", r->arena, &q->label, r->diags);
    yaml_take_i64(map, "series", 0, INT64_MAX, &series, r->diags);
    q->series = (uint64_t)series;
    struct yaml_node *owners = yaml_take_map(map, "owners", r->diags);
    if (owners)
        read_owners(r, owners);
    if (q->label[0] == '\0' || (series == 0 && q->n_own == 0))
        yaml_error(map, r->diags, "telemetry.quotas needs a label, and series or owners");
    yaml_reject_unknown(map, keys, COUNT_OF(keys), "telemetry.quotas", r->diags);
}

void read_telemetry_in(struct reader *r, struct yaml_node *map)
{
    static const char *const keys[] = {"otlp", "quotas", "sources"};
    struct yaml_node *otlp = yaml_take_map(map, "otlp", r->diags);
    if (otlp)
        read_otlp(r, otlp);
    struct yaml_node *quotas = yaml_take_map(map, "quotas", r->diags);
    if (quotas)
        read_quotas(r, quotas);
    struct yaml_node *sources = yaml_take_list(map, "sources", r->diags);
    if (sources)
        read_sources(r, sources);
    yaml_reject_unknown(map, keys, COUNT_OF(keys), "telemetry", r->diags);
}
