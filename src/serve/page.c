/* The page: files that the build put into the program. Nothing inline, nothing from elsewhere. */
#include "serve/internal.h"
#include "serve/web_assets.h"

static const char *content_security_policy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; font-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'";

static const struct web_asset *find_asset(const char *path)
{
    if (strcmp(path, "/") == 0)
        path = "/index.html";
    for (size_t i = 0; i < web_n_assets; i++) {
        if (strcmp(web_assets[i].path, path) == 0)
            return &web_assets[i];
    }
    return NULL;
}

void handle_page(void *context, struct http_request *request, struct http_response *response)
{
    (void)context;
    const struct web_asset *asset = find_asset(request->path);
    if (!asset) {
        struct err err = ERR_INIT;
        err_set(&err, ERR_NOT_FOUND, "there is nothing at '%.200s'", request->path);
        http_respond_error(response, &err);
        return;
    }
    http_add_header(response, "Content-Security-Policy", content_security_policy);
    http_add_header(response, "X-Content-Type-Options", "nosniff");
    http_add_header(response, "Referrer-Policy", "no-referrer");
    http_add_header(response, "Cache-Control", "no-cache");
    http_add_header(response, "ETag", asset->etag);
    http_add_header(response, "Vary", "Accept-Encoding");
    const char *known = http_header(request, "If-None-Match");
    if (known && strcmp(known, asset->etag) == 0) {
        response->status = 304;
        return;
    }
    response->content_type = asset->content_type;
    response->static_body = str_make((const char *)asset->gzip, asset->gzip_bytes);
    response->static_is_gzip = true;
}
