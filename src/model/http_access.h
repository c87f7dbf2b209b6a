/* http_access.h -- how a peer lets us in. */
#ifndef CQED_MODEL_HTTP_ACCESS_H
#define CQED_MODEL_HTTP_ACCESS_H

#include "base/arena.h"

#include <stdbool.h>

/* NULL = none; files are read when they are needed. */
struct http_access {
    const char *username, *password, *password_file;
    const char *bearer_token, *bearer_token_file;
    const char *tls_ca_file, *tls_cert_file, *tls_key_file, *tls_server_name;
    bool tls_skip_verify;
};

/* Deep. */
struct http_access http_access_copy(struct arena *, const struct http_access *);

#endif
