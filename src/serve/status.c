/* What the server is and how it was told to be: /api/v1/status/. */
#include "base/clock.h"
#include "serve/internal.h"

void handle_buildinfo(void *context, struct http_request *request, struct http_response *response)
{
    static const char *const pairs[][2] = {
        {"application", "cQED"}, {"version", CQED_VERSION}, {"revision", ""},  {"branch", ""},
        {"buildUser", ""},       {"buildDate", ""},         {"goVersion", ""},
    };
    struct json_writer w;
    (void)context;
    (void)request;
    open_success(&w, response);
    json_open_object(&w);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        json_key(&w, pairs[i][0]);
        json_put_cstr(&w, pairs[i][1]);
    }
    json_close_object(&w);
    close_success(&w);
}

/* --- Asked of the control thread --- */

static void answer_from_control(struct serve *s, struct http_request *request,
                                struct http_response *response, enum control_op op)
{
    struct control_request asked = {.op = op};
    struct control_answer answer = {NULL, false};
    struct err err = ERR_INIT;
    struct json_writer w;
    if (!ask_control(s, &asked, request->arena, &answer, &err)) {
        fail_prometheus_err(response, &err);
        return;
    }
    open_success(&w, response);
    json_put_value(&w, answer.json);
    close_success(&w);
}

void handle_status_config(void *context, struct http_request *request,
                          struct http_response *response)
{
    answer_from_control(context, request, response, CONTROL_CONFIG);
}

void handle_status_flags(void *context, struct http_request *request,
                         struct http_response *response)
{
    answer_from_control(context, request, response, CONTROL_FLAGS);
}

void handle_runtimeinfo(void *context, struct http_request *request, struct http_response *response)
{
    answer_from_control(context, request, response, CONTROL_RUNTIME);
}
