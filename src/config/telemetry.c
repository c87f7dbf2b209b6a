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
    static const char *const keys[] = {"grpc", "http", "tls"};
    struct otlp_ports *o = &r->config->otlp;
    read_address(r, map, "grpc", "telemetry.otlp.grpc", &o->grpc);
    read_address(r, map, "http", "telemetry.otlp.http", &o->http);
    struct yaml_node *tls = yaml_take_map(map, "tls", r->diags);
    if (tls)
        read_tls(r, tls);
    yaml_reject_unknown(map, keys, COUNT_OF(keys), "telemetry.otlp", r->diags);
}

void read_telemetry_in(struct reader *r, struct yaml_node *map)
{
    static const char *const keys[] = {"otlp"};
    struct yaml_node *otlp = yaml_take_map(map, "otlp", r->diags);
    if (otlp)
        read_otlp(r, otlp);
    yaml_reject_unknown(map, keys, COUNT_OF(keys), "telemetry", r->diags);
}
