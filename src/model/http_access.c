#include "model/http_access.h"

static const char *copy(struct arena *arena, const char *text)
{
    return text ? arena_strdup(arena, text) : NULL;
}

struct http_access http_access_copy(struct arena *arena, const struct http_access *a)
{
    return (struct http_access){.username = copy(arena, a->username),
                                .password = copy(arena, a->password),
                                .password_file = copy(arena, a->password_file),
                                .bearer_token = copy(arena, a->bearer_token),
                                .bearer_token_file = copy(arena, a->bearer_token_file),
                                .tls_ca_file = copy(arena, a->tls_ca_file),
                                .tls_cert_file = copy(arena, a->tls_cert_file),
                                .tls_key_file = copy(arena, a->tls_key_file),
                                .tls_server_name = copy(arena, a->tls_server_name),
                                .tls_skip_verify = a->tls_skip_verify};
}
