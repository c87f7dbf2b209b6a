/* Rules, alerts and where alerts go, in Prometheus's API. */
#include "base/num.h"
#include "serve/internal.h"

#define MAX_MATCHES 64

static bool take_bool(struct http_request *request, const char *name, bool *out, struct err *err)
{
    const char *text = http_param(request, name);
    if (!text || !*text)
        return true;
    *out = strcmp(text, "true") == 0 || strcmp(text, "1") == 0;
    if (*out || strcmp(text, "false") == 0 || strcmp(text, "0") == 0)
        return true;
    return err_set(err, ERR_BAD_INPUT, "invalid parameter \"%s\": '%.60s' is not a boolean", name,
                   text);
}

static bool take_kinds(struct http_request *request, struct rule_filter *f, struct err *err)
{
    const char *type = http_param(request, "type");
    if (!type || !*type)
        return true;
    f->kinds = strcmp(type, "alert") == 0    ? RULES_ALERTING
               : strcmp(type, "record") == 0 ? RULES_RECORDING
                                             : RULES_ALL;
    return f->kinds != RULES_ALL ||
           err_set(err, ERR_BAD_INPUT, "not supported value \"%.60s\"", type);
}

static bool take_matches(struct http_request *request, struct rule_filter *f, struct err *err)
{
    const char *const *texts;
    size_t n = http_params(request, "match[]", &texts);
    const struct matcher **sets = ARENA_ARRAY(request->arena, const struct matcher *, n);
    size_t *counts = ARENA_ARRAY(request->arena, size_t, n);
    if (n > MAX_MATCHES)
        return err_set(err, ERR_BAD_INPUT, "over %d match[] parameters", MAX_MATCHES);
    for (size_t i = 0; i < n; i++) {
        struct promql_expr *expr = promql_parse(request->arena, str_from(texts[i]), err);
        if (!expr)
            return err_prefix(err, "invalid parameter \"match[]\": ");
        if (!promql_as_counter_selector(expr, &sets[i], &counts[i]))
            return err_set(err, ERR_BAD_INPUT, "match[] '%.100s' is not a selector", texts[i]);
    }
    f->matchers = sets;
    f->n_matchers = counts;
    f->n_matcher_sets = n;
    return true;
}

static bool take_filter(struct http_request *request, struct rule_filter *f, struct err *err)
{
    const char *limit = http_param(request, "group_limit");
    *f = (struct rule_filter){.kinds = RULES_ALL,
                              .group_next_token = http_param(request, "group_next_token")};
    f->n_names = http_params(request, "rule_name[]", &f->names);
    f->n_groups = http_params(request, "rule_group[]", &f->groups);
    f->n_files = http_params(request, "file[]", &f->files);
    if (limit && (!num_parse_u64(str_from(limit), &f->group_limit) || f->group_limit == 0))
        return err_set(err, ERR_BAD_INPUT, "group_limit needs to be a positive number");
    return take_kinds(request, f, err) &&
           take_bool(request, "exclude_alerts", &f->exclude_alerts, err) &&
           take_matches(request, f, err);
}

void handle_rules(void *context, struct http_request *request, struct http_response *response)
{
    struct serve *s = context;
    struct rule_filter filter;
    struct json_writer w;
    struct err err = ERR_INIT;
    bool good = take_filter(request, &filter, &err);
    if (good) {
        open_success(&w, response);
        good = rules_view(s->options.rules, &filter, &w, &err);
    }
    if (good)
        close_success(&w);
    else
        fail_prometheus_err(response, &err);
}

void handle_alerts(void *context, struct http_request *request, struct http_response *response)
{
    struct serve *s = context;
    struct json_writer w;
    (void)request;
    open_success(&w, response);
    rules_alerts_view(s->options.rules, &w);
    close_success(&w);
}

void handle_alertmanagers(void *context, struct http_request *request,
                          struct http_response *response)
{
    struct serve *s = context;
    struct json_writer w;
    (void)request;
    open_success(&w, response);
    notifier_view(s->options.notifier, &w);
    close_success(&w);
}
