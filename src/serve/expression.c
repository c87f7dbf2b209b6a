/* Expressions read and given back, for editors. */
#include "serve/internal.h"

static struct promql_expr *take_expr(const struct serve *s, struct http_request *request,
                                     struct http_response *response)
{
    const char *text = http_param(request, "query");
    struct err err = ERR_INIT;
    struct promql_expr *expr = promql_parse_allowed(request->arena, str_from(text ? text : ""),
                                                    s->options.query.stable_only, &err);
    if (expr)
        return expr;
    err_prefix(&err, "invalid parameter \"query\": ");
    fail_prometheus_err(response, &err);
    return NULL;
}

void handle_format_query(void *context, struct http_request *request,
                         struct http_response *response)
{
    struct promql_expr *expr = take_expr(context, request, response);
    struct buf text = BUF_INIT;
    struct json_writer w;
    if (!expr)
        return;
    promql_print(expr, &text);
    open_success(&w, response);
    json_put_str(&w, buf_str(&text));
    close_success(&w);
    buf_release(&text);
}

void handle_parse_query(void *context, struct http_request *request, struct http_response *response)
{
    struct promql_expr *expr = take_expr(context, request, response);
    struct json_writer w;
    if (!expr)
        return;
    open_success(&w, response);
    promql_tree(expr, &w);
    close_success(&w);
}
