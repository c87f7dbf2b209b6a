/* Passwords and tokens, which files may hold: read for each request, so that a rotated one counts
 * at once. */
#include "io/http_client.h"

#include "base/file.h"
#include "model/http_access.h"

#define MAX_SECRET_BYTES ((size_t)64 << 10)

/* The text or, when there is a file, what it holds without the white space around. */
static bool read_secret(struct arena *arena, const char *text, const char *path, const char **out,
                        struct err *err)
{
    struct buf secret = BUF_INIT;
    *out = text;
    if (!path)
        return true;
    bool good = file_read(path, MAX_SECRET_BYTES, &secret, err);
    if (good)
        *out = arena_cstr(arena, str_trim(buf_str(&secret)));
    buf_release(&secret);
    return good;
}

bool http_fetch_as(struct http_fetch *out, const struct http_access *a, struct arena *arena,
                   struct err *err)
{
    out->username = a->username;
    out->tls_ca_file = a->tls_ca_file;
    out->tls_cert_file = a->tls_cert_file;
    out->tls_key_file = a->tls_key_file;
    out->tls_server_name = a->tls_server_name;
    out->tls_skip_verify = a->tls_skip_verify;
    return read_secret(arena, a->password, a->password_file, &out->password, err) &&
           read_secret(arena, a->bearer_token, a->bearer_token_file, &out->bearer_token, err);
}
