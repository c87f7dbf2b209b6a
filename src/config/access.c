/* How to get in: Prometheus's basic_auth, authorization and tls_config. Files of secrets are
 * read when they are needed. */
#include "config/internal.h"

/* A path relative to the file that names it. */
static void read_path(struct reader *r, struct yaml_node *map, const char *key, const char **out)
{
    if (yaml_take_string(map, key, r->arena, out, r->diags))
        *out = resolve_path(r->arena, map->path, *out);
}

static void read_basic(struct reader *r, struct yaml_node *map, struct http_access *out)
{
    static const char *const keys[] = {"username", "password", "password_file"};
    if (!map)
        return;
    yaml_take_string(map, "username", r->arena, &out->username, r->diags);
    yaml_take_string(map, "password", r->arena, &out->password, r->diags);
    read_path(r, map, "password_file", &out->password_file);
    if (!out->username)
        yaml_error(map, r->diags, "basic_auth needs username");
    if (out->password && out->password_file)
        yaml_error(map, r->diags, "basic_auth has both password and password_file");
    yaml_reject_unknown(map, keys, COUNT_OF(keys), "basic_auth", r->diags);
}

static void read_bearer(struct reader *r, struct yaml_node *map, struct http_access *out)
{
    static const char *const keys[] = {"type", "credentials", "credentials_file"};
    const char *type = "Bearer";
    if (!map)
        return;
    yaml_take_string(map, "type", r->arena, &type, r->diags);
    yaml_take_string(map, "credentials", r->arena, &out->bearer_token, r->diags);
    read_path(r, map, "credentials_file", &out->bearer_token_file);
    if (strcmp(type, "Bearer") != 0)
        yaml_error(map, r->diags, "authorization type '%s' is not known; Bearer is", type);
    if (out->bearer_token && out->bearer_token_file)
        yaml_error(map, r->diags, "authorization has both credentials and credentials_file");
    yaml_reject_unknown(map, keys, COUNT_OF(keys), "authorization", r->diags);
}

static void read_tls(struct reader *r, struct yaml_node *map, struct http_access *out)
{
    static const char *const keys[] = {"ca_file", "insecure_skip_verify", "cert_file", "key_file",
                                       "server_name"};
    if (!map)
        return;
    read_path(r, map, "ca_file", &out->tls_ca_file);
    yaml_take_bool(map, "insecure_skip_verify", &out->tls_skip_verify, r->diags);
    read_path(r, map, "cert_file", &out->tls_cert_file);
    read_path(r, map, "key_file", &out->tls_key_file);
    yaml_take_string(map, "server_name", r->arena, &out->tls_server_name, r->diags);
    if (!out->tls_cert_file != !out->tls_key_file)
        yaml_error(map, r->diags, "tls_config needs cert_file and key_file together");
    yaml_reject_unknown(map, keys, COUNT_OF(keys), "tls_config", r->diags);
}

struct http_access read_access(struct reader *r, struct yaml_node *map)
{
    struct http_access out = {0};
    read_basic(r, yaml_take_map(map, "basic_auth", r->diags), &out);
    read_bearer(r, yaml_take_map(map, "authorization", r->diags), &out);
    read_tls(r, yaml_take_map(map, "tls_config", r->diags), &out);
    if (out.username && (out.bearer_token || out.bearer_token_file))
        yaml_error(map, r->diags, "basic_auth and authorization exclude one another");
    return out;
}
