/* The door while the store recovers: alive, but not ready (Prometheus's meaning of the two). */
#include "serve/internal.h"

static void handle_healthy(void *context, struct http_request *request,
                           struct http_response *response)
{
    (void)context;
    (void)request;
    response->content_type = "text/plain; charset=utf-8";
    buf_add_cstr(&response->body, "cQED is healthy.\n");
}

static void handle_not_ready(void *context, struct http_request *request,
                             struct http_response *response)
{
    (void)context;
    http_add_header(response, "Retry-After", "1");
    if (str_starts(str_from(request->path), STR("/api/"))) {
        fail_prometheus(response, 503, "unavailable", "the store is recovering");
        return;
    }
    response->status = 503;
    response->content_type = "text/plain; charset=utf-8";
    buf_add_cstr(&response->body, "cQED is starting: the store is recovering.\n");
}

static const struct http_route routes[] = {
    {"GET", "/-/healthy", handle_healthy, 0},
    {"GET", "/*", handle_not_ready, 0},
    {"GET", "/", handle_not_ready, 0},
    {"POST", "/*", handle_not_ready, OTLP_MAX_BYTES},
};

struct http_server *serve_door_open(const char *listen, struct err *err)
{
    return http_server_start(
        &(struct http_server_options){
            .listen = listen, .routes = routes, .n_routes = sizeof routes / sizeof *routes},
        err);
}
