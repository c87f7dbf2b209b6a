/* cQED's own API: requests are handed to the control thread as they are. */
#include "serve/internal.h"

struct asked {
    struct serve *serve;
    const struct control_request *request;
    struct arena *arena;
    struct control_answer *answer;
    struct err *err;
    bool done;
};

static void ask(void *arg)
{
    struct asked *a = arg;
    a->done = a->serve->options.control(a->serve->options.control_self, a->request, a->arena,
                                        a->answer, a->err);
}

bool ask_control(struct serve *s, const struct control_request *request, struct arena *arena,
                 struct control_answer *answer, struct err *err)
{
    struct asked a = {s, request, arena, answer, err, false};
    if (!loop_call(s->options.loop, ask, &a))
        return err_set(err, ERR_UNREACHABLE, "cQED is stopping");
    return a.done;
}

void respond_json(struct http_response *response, const json_t *json)
{
    struct json_writer w;
    json_writer_init(&w, &response->body);
    json_put_value(&w, json);
    json_writer_end(&w);
}

void answer_control(struct serve *s, struct http_request *request, struct http_response *response,
                    const struct control_request *asked, int status)
{
    struct control_answer answer = {NULL, false};
    struct err err = ERR_INIT;
    if (!ask_control(s, asked, request->arena, &answer, &err)) {
        http_respond_error(response, &err);
        return;
    }
    response->status = answer.created ? 201 : status;
    respond_json(response, answer.json);
}

/* --- Without a body --- */

static void answer_op(void *context, struct http_request *request, struct http_response *response,
                      enum control_op op, const char *id)
{
    struct control_request asked = {.op = op, .id = id};
    answer_control(context, request, response, &asked, 200);
}

void handle_status(void *context, struct http_request *request, struct http_response *response)
{
    answer_op(context, request, response, CONTROL_STATUS, NULL);
}

void handle_services(void *context, struct http_request *request, struct http_response *response)
{
    answer_op(context, request, response, CONTROL_SERVICES, NULL);
}

void handle_slos(void *context, struct http_request *request, struct http_response *response)
{
    answer_op(context, request, response, CONTROL_SLOS, NULL);
}

void handle_slo(void *context, struct http_request *request, struct http_response *response)
{
    answer_op(context, request, response, CONTROL_SLO, http_capture(request, "name"));
}

void handle_rollouts(void *context, struct http_request *request, struct http_response *response)
{
    answer_op(context, request, response, CONTROL_ROLLOUTS, NULL);
}

void handle_rollout(void *context, struct http_request *request, struct http_response *response)
{
    answer_op(context, request, response, CONTROL_ROLLOUT, http_capture(request, "id"));
}

void handle_gates(void *context, struct http_request *request, struct http_response *response)
{
    answer_op(context, request, response, CONTROL_GATES, NULL);
}

void handle_gate(void *context, struct http_request *request, struct http_response *response)
{
    answer_op(context, request, response, CONTROL_GATE, http_capture(request, "name"));
}

void handle_reload(void *context, struct http_request *request, struct http_response *response)
{
    answer_op(context, request, response, CONTROL_RELOAD, NULL);
}

void handle_curves(void *context, struct http_request *request, struct http_response *response)
{
    const char *check = http_param(request, "check");
    struct control_request asked = {
        .op = CONTROL_CURVES, .id = http_capture(request, "id"), .check = check ? check : ""};
    answer_control(context, request, response, &asked, 200);
}

void handle_forecast(void *context, struct http_request *request, struct http_response *response)
{
    const char *service = http_param(request, "service");
    struct control_request asked = {.op = CONTROL_FORECAST,
                                    .id = service ? service : "",
                                    .version = http_param(request, "stable")};
    answer_control(context, request, response, &asked, 200);
}

/* --- With one --- */

/* The control thread only sees an object. */
static json_t *read_body(struct http_request *request, struct http_response *response)
{
    struct err err = ERR_INIT;
    json_t *body = json_parse(request->arena, request->body, &err);
    if (body && json_is_object(body))
        return body;
    if (body)
        err_set(&err, ERR_BAD_INPUT, "must be a JSON object");
    err_prefix(&err, "the request's body: ");
    http_respond_error(response, &err);
    return NULL;
}

void handle_rollout_start(void *context, struct http_request *request,
                          struct http_response *response)
{
    struct control_request asked = {.op = CONTROL_START,
                                    .body = read_body(request, response),
                                    .idempotency_key = http_header(request, "Idempotency-Key")};
    if (asked.body)
        answer_control(context, request, response, &asked, 200);
}

void handle_rollout_act(void *context, struct http_request *request, struct http_response *response)
{
    struct control_request asked = {.op = CONTROL_ACT,
                                    .id = http_capture(request, "id"),
                                    .act = http_capture(request, "act"),
                                    .body = read_body(request, response)};
    if (asked.body)
        answer_control(context, request, response, &asked, 202);
}

/* A stuck control thread does not answer, and then nobody is healthy. */
void handle_alive(void *context, struct http_request *request, struct http_response *response)
{
    struct control_request asked = {.op = CONTROL_STATUS};
    struct control_answer answer;
    struct err err = ERR_INIT;
    response->content_type = "text/plain; charset=utf-8";
    if (ask_control(context, &asked, request->arena, &answer, &err)) {
        buf_add_cstr(&response->body, "cQED is ready.\n");
        return;
    }
    response->status = 503;
    buf_printf(&response->body, "%s\n", err.message);
}
