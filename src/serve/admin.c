/* Deletions and snapshots, for operators: Prometheus's admin API, on when storage.adminApi says so.
 */
#include "base/log.h"
#include "serve/internal.h"

static bool may_administer(struct serve *s, struct http_response *response)
{
    if (!s->options.admin_api)
        fail_prometheus(response, 503, "unavailable",
                        "the admin API is off; storage.adminApi: true turns it on");
    return s->options.admin_api;
}

void handle_delete_series(void *context, struct http_request *request,
                          struct http_response *response)
{
    struct serve *s = context;
    struct selectors selectors;
    int64_t mint_ms = INT64_MIN, maxt_ms = INT64_MAX;
    if (!may_administer(s, response) || !take_selectors(request, response, &selectors) ||
        !take_param(request, response, "start", parse_api_time, false, &mint_ms) ||
        !take_param(request, response, "end", parse_api_time, false, &maxt_ms))
        return;
    if (selectors.n == 0) {
        fail_prometheus(response, 400, "bad_data", "no match[] parameter provided");
        return;
    }
    for (size_t i = 0; i < selectors.n; i++) {
        struct buf text = BUF_INIT;
        struct err err = ERR_INIT;
        size_t n;
        if (!store_delete(s->options.store, selectors.v[i].matchers, selectors.v[i].n, mint_ms,
                          maxt_ms, &n, &err)) {
            fail_prometheus_err(response, &err);
            return;
        }
        matchers_print(selectors.v[i].matchers, selectors.v[i].n, &text);
        log_info("serve", "series deleted by an operator selector=%s series=%zu from=%lld to=%lld",
                 text.p, n, (long long)mint_ms, (long long)maxt_ms);
        buf_release(&text);
    }
    response->status = 204;
}

void handle_clean_tombstones(void *context, struct http_request *request,
                             struct http_response *response)
{
    struct serve *s = context;
    struct err err = ERR_INIT;
    (void)request;
    if (!may_administer(s, response))
        return;
    if (store_clean(s->options.store, &err))
        response->status = 204;
    else
        fail_prometheus_err(response, &err);
}

void handle_snapshot(void *context, struct http_request *request, struct http_response *response)
{
    struct serve *s = context;
    const char *skip = http_param(request, "skip_head"), *name;
    bool head = !skip || strcmp(skip, "true") != 0;
    struct json_writer w;
    struct err err = ERR_INIT;
    if (!may_administer(s, response))
        return;
    if (!store_snapshot(s->options.store, request->arena, head, &name, &err)) {
        fail_prometheus_err(response, &err);
        return;
    }
    log_info("serve", "snapshot taken for an operator name=%s", name);
    open_success(&w, response);
    json_open_object(&w);
    json_key(&w, "name");
    json_put_cstr(&w, name);
    json_close_object(&w);
    close_success(&w);
}
