/* Kayenta's doors: POST /judge, which its RemoteJudge calls, and the three calls of Argo Rollouts'
 * kayenta provider: GET /canaryConfig, POST /canary/CONFIG, GET /canary/EXECUTION. A canary is
 * judged when it is asked for, on what the store has of its time; the last answers are kept until
 * the process ends. */
#include "judge/kayenta.h"

#include "base/clock.h"
#include "codec/digest.h"
#include "serve/internal.h"

#include <math.h>
#include <stdlib.h>

#define DEFAULT_STEP_S 60
#define MAX_POINTS 11000

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

/* --- Values of a scope --- */

struct window {
    struct kayenta_scope scope;
    int64_t start_ms, end_ms, step_ms;
    size_t n; /* points */
};

static bool read_window(const json_t *scope, const char *place, struct window *out, struct err *err)
{
    const char *start = json_get_cstr(scope, "start", ""), *end = json_get_cstr(scope, "end", "");
    *out = (struct window){{json_get_cstr(scope, "scope", ""),
                            json_get_cstr(scope, "location", json_get_cstr(scope, "region", "")),
                            json_object_get(scope, "extendedScopeParams")},
                           0,
                           0,
                           json_get_i64(scope, "step", DEFAULT_STEP_S) * 1000,
                           0};
    if (!json_is_object(scope))
        return err_set(err, ERR_BAD_INPUT, "%s must be an object", place);
    if (!parse_api_time(start, &out->start_ms))
        return err_set(err, ERR_BAD_INPUT, "%s.start '%.50s' is no time", place, start);
    if (!parse_api_time(end, &out->end_ms) || out->end_ms < out->start_ms)
        return err_set(err, ERR_BAD_INPUT, "%s.end '%.50s' is no time, or before its start", place,
                       end);
    if (out->step_ms <= 0 || (out->end_ms - out->start_ms) / out->step_ms >= MAX_POINTS)
        return err_set(err, ERR_BAD_INPUT, "%s.step must be over 0 and give at most %d points",
                       place, MAX_POINTS);
    out->n = (size_t)((out->end_ms - out->start_ms) / out->step_ms) + 1;
    return true;
}

/* A canary's queries share the limits of one (query.timeout, maxSamples, maxMemory). */
struct run {
    struct serve *serve;
    struct arena *arena;
    size_t memory_before;
    struct promql_options options;
};

static struct run run_begin(struct serve *s, struct arena *arena)
{
    const struct query_settings *q = &s->options.query;
    return (struct run){s,
                        arena,
                        arena->used_bytes,
                        {.deadline_mono_ns = clock_mono_ns() + q->timeout_ms * 1000000,
                         .max_samples = q->max_samples,
                         .max_memory_bytes = q->max_memory_bytes}};
}

static bool query(struct run *r, const json_t *config, const json_t *metric, const struct window *w,
                  struct promql_result *out, struct err *err)
{
    struct str text;
    const struct query_settings *q = &r->serve->options.query;
    struct bounded_source store = {r->serve->options.store, q->max_samples, q->max_memory_bytes,
                                   r->memory_before};
    struct promql_source source = bounded_promql_source(&store);
    if (!kayenta_query(r->arena, config, metric, &w->scope, &text, err))
        return false;
    struct promql_expr *expr = promql_parse(r->arena, text, err);
    return (expr && promql_range(expr, &source, &r->options, w->start_ms, w->end_ms, w->step_ms,
                                 r->arena, out, err)) ||
           err_prefix(err, "metric \"%s\": ", json_get_cstr(metric, "name", ""));
}

/* A value a step, NaN where there is none. */
static json_t *values_of(const struct promql_series *series, const struct window *w)
{
    json_t *values = json_array();
    size_t at = 0;
    for (size_t i = 0; series && i < w->n; i++) {
        int64_t t_ms = w->start_ms + (int64_t)i * w->step_ms;
        bool there = at < series->n && series->samples[at].t_ms == t_ms;
        CHECK(json_array_append_new(
                  values, json_from_double(there ? series->samples[at].v : (double)NAN)) == 0);
        at += there;
    }
    return values;
}

static const struct promql_series *same_labels(const struct promql_result *r, struct labels labels)
{
    for (size_t i = 0; i < r->n_series; i++) {
        if (labels_eq(r->series[i].labels, labels))
            return &r->series[i];
    }
    return NULL;
}

static json_t *tags_of(struct arena *arena, struct labels labels)
{
    json_t *tags = json_object();
    for (size_t i = 0; i < labels.n; i++)
        CHECK(json_object_set_new(tags, arena_cstr(arena, labels.v[i].name),
                                  json_stringn_nocheck(labels.v[i].value.p, labels.v[i].value.n)) ==
              0);
    return tags;
}

struct sides {
    struct window control, experiment;
    struct promql_result control_result, experiment_result;
};

static void add_pair(struct arena *arena, json_t *pairs, const char *name, const struct sides *s,
                     const struct promql_series *control, const struct promql_series *experiment)
{
    const struct promql_series *either = experiment ? experiment : control;
    struct labels labels = either ? either->labels : (struct labels){0, NULL};
    json_t *pair =
        json_pack("{s:s, s:o, s:{s:o, s:o}}", "name", name, "tags", tags_of(arena, labels),
                  "values", "control", values_of(control, &s->control), "experiment",
                  values_of(experiment, &s->experiment));
    CHECK(pair && json_array_append_new(pairs, pair) == 0);
}

/* One series on a side is compared whatever its labels; several with those of the same labels. */
static void add_pairs(struct arena *arena, json_t *pairs, const char *name, const struct sides *s)
{
    const struct promql_result *c = &s->control_result, *e = &s->experiment_result;
    if (c->n_series <= 1 && e->n_series <= 1) {
        add_pair(arena, pairs, name, s, c->n_series ? c->series : NULL,
                 e->n_series ? e->series : NULL);
        return;
    }
    for (size_t i = 0; i < e->n_series; i++)
        add_pair(arena, pairs, name, s, same_labels(c, e->series[i].labels), &e->series[i]);
    for (size_t i = 0; i < c->n_series; i++) {
        if (!same_labels(e, c->series[i].labels))
            add_pair(arena, pairs, name, s, &c->series[i], NULL);
    }
}

static bool collect(struct run *r, const json_t *config, const json_t *metric, const json_t *scopes,
                    json_t *pairs, struct err *err)
{
    struct arena *arena = r->arena;
    struct sides sides;
    const char *scope_name = json_get_cstr(metric, "scopeName", "default");
    const json_t *scope = json_object_get(scopes, scope_name);
    const char *control = arena_printf(arena, "scopes.%s.controlScope", scope_name);
    const char *experiment = arena_printf(arena, "scopes.%s.experimentScope", scope_name);
    if (!read_window(json_object_get(scope, "controlScope"), control, &sides.control, err) ||
        !read_window(json_object_get(scope, "experimentScope"), experiment, &sides.experiment,
                     err) ||
        !query(r, config, metric, &sides.control, &sides.control_result, err) ||
        !query(r, config, metric, &sides.experiment, &sides.experiment_result, err))
        return false;
    add_pairs(arena, pairs, json_get_cstr(metric, "name", ""), &sides);
    return true;
}

/* --- Executions --- */

static const json_t *judge_canary(struct serve *s, struct arena *arena, const json_t *config,
                                  const json_t *body, struct err *err)
{
    json_t *pairs = json_own(arena, json_array());
    const json_t *metrics = json_object_get(config, "metrics");
    const json_t *thresholds = json_object_get(body, "thresholds");
    struct run run = run_begin(s, arena);
    for (size_t i = 0; i < json_array_size(metrics); i++) {
        if (!collect(&run, config, json_array_get(metrics, i), json_object_get(body, "scopes"),
                     pairs, err))
            return NULL;
    }
    json_t *request =
        json_own(arena, json_pack("{s:O, s:O*, s:O}", "canaryConfig", config, "scoreThresholds",
                                  thresholds, "metricSetPairList", pairs));
    return kayenta_judge(arena, request, err);
}

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
    struct err err = ERR_INIT;
    unsigned char random[EXECUTION_ID_BYTES];
    struct buf id = BUF_INIT;
    const char *config_id = http_capture(request, "id");
    const json_t *config = find_config(context, request->arena, config_id, &err);
    const json_t *body = config ? json_parse(request->arena, request->body, &err) : NULL;
    const json_t *answer = body ? judge_canary(context, request->arena, config, body, &err) : NULL;
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
