/* Kayenta's doors: POST /judge, which its RemoteJudge calls, and the three calls of Argo Rollouts'
 * kayenta provider: GET /canaryConfig, POST /canary/CONFIG, GET /canary/EXECUTION. A canary is
 * judged when it is asked for, on what the store has of its time; the last answers are kept until
 * the process ends. */
#include "judge/kayenta.h"

#include "codec/digest.h"
#include "serve/internal.h"

#include <stdlib.h>

void handle_kayenta_judge(void *context, struct http_request *request,
                          struct http_response *response)
{
    struct err err = ERR_INIT;
    (void)context;
    const json_t *body = json_parse(request->arena, request->body, &err);
    const json_t *answer = body ? kayenta_judge(request->arena, body, &err) : NULL;
    if (answer)
        respond_json(response, answer);
    else
        http_respond_error(response, &err);
}

/* --- Configurations --- */

/* The list of {"id", "config"}; NULL with err. */
static const json_t *ask_configs(struct serve *s, struct arena *arena, struct err *err)
{
    struct control_request asked = {.op = CONTROL_CANARIES};
    struct control_answer answer;
    return ask_control(s, &asked, arena, &answer, err) ? answer.json : NULL;
}

static const json_t *find_config(struct serve *s, struct arena *arena, const char *id,
                                 struct err *err)
{
    const json_t *list = ask_configs(s, arena, err);
    if (!list)
        return NULL;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *entry = json_array_get(list, i);
        if (strcmp(json_get_cstr(entry, "id", ""), id) == 0)
            return json_object_get(entry, "config");
    }
    (void)err_set(err, ERR_NOT_FOUND,
                  "there is no canary configuration '%.100s'; kayenta.canaryConfigs names %zu", id,
                  json_array_size(list));
    return NULL;
}

static bool is_of(const json_t *config, const char *application)
{
    const json_t *applications = json_object_get(config, "applications");
    if (!application || json_array_size(applications) == 0)
        return true;
    for (size_t i = 0; i < json_array_size(applications); i++) {
        const char *a = json_string_value(json_array_get(applications, i));
        if (a && strcmp(a, application) == 0)
            return true;
    }
    return false;
}

void handle_canary_configs(void *context, struct http_request *request,
                           struct http_response *response)
{
    struct err err = ERR_INIT;
    struct json_writer w;
    const json_t *list = ask_configs(context, request->arena, &err);
    if (!list) {
        http_respond_error(response, &err);
        return;
    }
    json_writer_init(&w, &response->body);
    json_open_array(&w);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *config = json_object_get(json_array_get(list, i), "config");
        const json_t *applications = json_object_get(config, "applications");
        if (!is_of(config, http_param(request, "application")))
            continue;
        json_open_object(&w);
        json_key(&w, "id");
        json_put_cstr(&w, json_get_cstr(json_array_get(list, i), "id", ""));
        json_key(&w, "name");
        json_put_cstr(&w, json_get_cstr(config, "name", ""));
        json_key(&w, "applications");
        if (applications)
            json_put_value(&w, applications);
        else
            json_put_raw(&w, STR("[]"));
        json_close_object(&w);
    }
    json_close_array(&w);
    json_writer_end(&w);
}

void handle_canary_config(void *context, struct http_request *request,
                          struct http_response *response)
{
    struct err err = ERR_INIT;
    const json_t *config = find_config(context, request->arena, http_capture(request, "id"), &err);
    if (config)
        respond_json(response, config);
    else
        http_respond_error(response, &err);
}

/* --- Executions --- */

static void keep(struct serve *s, const char *id, const json_t *execution)
{
    struct canary_execution *e;
    struct buf text = BUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &text);
    json_put_value(&w, execution);
    json_writer_end(&w);
    (void)pthread_mutex_lock(&s->lock);
    e = &s->executions[s->n_executions++ % MAX_EXECUTIONS];
    buf_release(&e->json);
    e->json = text;
    (void)snprintf(e->id, sizeof e->id, "%s", id);
    (void)pthread_mutex_unlock(&s->lock);
}

void handle_canary_start(void *context, struct http_request *request,
                         struct http_response *response)
{
    struct serve *s = context;
    struct err err = ERR_INIT;
    unsigned char random[EXECUTION_ID_BYTES];
    struct buf id = BUF_INIT;
    const char *config_id = http_capture(request, "id");
    const json_t *config = find_config(context, request->arena, config_id, &err);
    const json_t *body = config ? json_parse(request->arena, request->body, &err) : NULL;
    const json_t *answer =
        body ? judge_canary(s->options.store, &s->options.query, request->arena, config, body, &err)
             : NULL;
    if (!answer) {
        http_respond_error(response, &err);
        return;
    }
    random_bytes(random, sizeof random);
    hex_add(&id, random, sizeof random);
    keep(
        context, id.p,
        json_own(request->arena, json_pack("{s:b, s:s, s:s, s:s, s:{s:O}}", "complete", 1, "status",
                                           "succeeded", "pipelineId", id.p, "canaryConfigId",
                                           config_id, "result", "judgeResult", answer)));
    respond_json(response, json_own(request->arena, json_pack("{s:s}", "canaryExecutionId", id.p)));
    buf_release(&id);
}

void handle_canary(void *context, struct http_request *request, struct http_response *response)
{
    struct serve *s = context;
    struct err err = ERR_INIT;
    const char *id = http_capture(request, "id");
    bool found = false;
    (void)pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < MAX_EXECUTIONS && !found; i++) {
        found = s->executions[i].id[0] != '\0' && strcmp(s->executions[i].id, id) == 0;
        if (found)
            buf_add_str(&response->body, buf_str(&s->executions[i].json));
    }
    (void)pthread_mutex_unlock(&s->lock);
    if (found)
        return;
    (void)err_set(&err, ERR_NOT_FOUND,
                  "there is no canary execution '%.100s'; the last %d since the start are kept", id,
                  MAX_EXECUTIONS);
    http_respond_error(response, &err);
}

void executions_release(struct serve *s)
{
    for (size_t i = 0; i < MAX_EXECUTIONS; i++)
        buf_release(&s->executions[i].json);
}
