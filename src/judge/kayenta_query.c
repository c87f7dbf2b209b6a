/* The queries of canary configurations. Source: spinnaker/kayenta, kayenta-prometheus:
 * PrometheusCanaryMetricSetQueryConfig, PrometheusMetricsService, QueryConfigUtils. */
#include "judge/kayenta.h"

#include "base/buf.h"

#include <string.h>

static const char *value_of(const struct kayenta_scope *s, struct str name)
{
    if (str_is(name, "scope"))
        return s->scope;
    if (str_is(name, "location"))
        return s->location;
    return json_string_value(json_object_getn(s->extended, name.p, name.n));
}

/* Put the scope's values in the place of ${NAME}. */
static bool expand(struct arena *arena, const char *metric, struct str template,
                   const struct kayenta_scope *scope, struct str *out, struct err *err)
{
    struct buf text = BUF_INIT;
    bool done = true;
    for (size_t i = 0; done && i < template.n;) {
        struct str rest = str_make(template.p + i, template.n - i);
        const char *end = str_starts(rest, STR("${")) ? memchr(rest.p, '}', rest.n) : NULL;
        if (!end) {
            buf_add_char(&text, rest.p[0]);
            i++;
            continue;
        }
        struct str name = str_make(rest.p + 2, (size_t)(end - rest.p) - 2);
        const char *value = value_of(scope, name);
        if (value)
            buf_add_cstr(&text, value);
        else
            done = err_set(err, ERR_BAD_INPUT,
                           "metric \"%s\": the template names ${" STR_FMT
                           "}, which the scope does not give",
                           metric, STR_ARG(name));
        i += name.n + 3;
    }
    *out = arena_str(arena, buf_str(&text));
    buf_release(&text);
    return done;
}

static struct str without_prefix(const char *template)
{
    struct str s = str_from(template);
    if (str_starts(s, STR("PromQL:")))
        s = str_make(s.p + 7, s.n - 7);
    return str_trim(s);
}

/* Kayenta's older form: avg by (groupByFields) (metricName{labelBindings, filter}). */
static const char *from_parts(struct arena *arena, const char *name, const json_t *query,
                              const char *metric_name, const char *filter, struct err *err)
{
    struct buf text = BUF_INIT;
    const json_t *bindings = json_object_get(query, "labelBindings");
    const json_t *fields = json_object_get(query, "groupByFields");
    bool texts = true;
    buf_add_cstr(&text, "avg");
    for (size_t i = 0; i < json_array_size(fields); i++) {
        const char *field = json_string_value(json_array_get(fields, i));
        texts = texts && field;
        buf_printf(&text, "%s%s", i ? ", " : " by (", field ? field : "");
    }
    buf_printf(&text, "%s(%s{", json_array_size(fields) ? ") " : "", metric_name);
    for (size_t i = 0; i < json_array_size(bindings); i++) {
        const char *binding = json_string_value(json_array_get(bindings, i));
        texts = texts && binding;
        buf_printf(&text, "%s,", binding ? binding : "");
    }
    buf_printf(&text, "%s})", filter);
    const char *built = arena_cstr(arena, buf_str(&text));
    buf_release(&text);
    if (texts)
        return built;
    (void)err_set(err, ERR_BAD_INPUT,
                  "metric \"%s\": labelBindings and groupByFields must be lists of text", name);
    return NULL;
}

static const char *find_filter(const char *name, const json_t *config, const json_t *query,
                               struct err *err)
{
    const char *called = json_get_cstr(query, "customFilterTemplate", NULL);
    const char *inline_filter = json_get_cstr(query, "customFilter", NULL);
    if (inline_filter)
        return inline_filter;
    if (!called) {
        (void)err_set(err, ERR_BAD_INPUT,
                      "metric \"%s\": its query must have customInlineTemplate, or metricName with "
                      "customFilterTemplate, to tell the canary by",
                      name);
        return NULL;
    }
    const char *filter = json_get_cstr(json_object_get(config, "templates"), called, NULL);
    if (!filter)
        (void)err_set(err, ERR_BAD_INPUT, "metric \"%s\": templates has no \"%s\"", name, called);
    return filter;
}

/* The query before the scope is put in. */
static bool compose(struct arena *arena, const json_t *config, const json_t *metric,
                    const char **out, struct err *err)
{
    const char *name = json_get_cstr(metric, "name", "");
    const json_t *query = json_object_get(metric, "query");
    const char *type = json_get_cstr(query, "type", "prometheus");
    const char *metric_name = json_get_cstr(query, "metricName", NULL);
    if (!json_is_object(query))
        return err_set(err, ERR_BAD_INPUT, "metric \"%s\" has no query", name);
    if (strcmp(type, "prometheus") != 0)
        return err_set(err, ERR_BAD_INPUT,
                       "metric \"%s\": query.type is \"%s\"; cQED asks its own store: prometheus",
                       name, type);
    *out = json_get_cstr(query, "customInlineTemplate", NULL);
    if (*out)
        return true;
    const char *filter = find_filter(name, config, query, err);
    if (!filter)
        return false;
    if (!metric_name)
        return err_set(err, ERR_BAD_INPUT, "metric \"%s\": its query has no metricName", name);
    *out = from_parts(arena, name, query, metric_name, filter, err);
    return *out != NULL;
}

bool kayenta_query(struct arena *arena, const json_t *config, const json_t *metric,
                   const struct kayenta_scope *scope, struct str *out, struct err *err)
{
    const char *template;
    return compose(arena, config, metric, &template, err) &&
           expand(arena, json_get_cstr(metric, "name", ""), without_prefix(template), scope, out,
                  err);
}

bool kayenta_check_config(struct arena *arena, const json_t *config, struct err *err)
{
    const json_t *metrics = json_object_get(config, "metrics");
    if (!json_is_object(config) || !json_get_cstr(config, "name", NULL))
        return err_set(err, ERR_BAD_INPUT, "a canary configuration is an object with a name");
    if (json_array_size(metrics) == 0)
        return err_set(err, ERR_BAD_INPUT, "metrics must be a list with at least one metric");
    for (size_t i = 0; i < json_array_size(metrics); i++) {
        const json_t *metric = json_array_get(metrics, i);
        const char *ignored;
        if (!json_get_cstr(metric, "name", NULL))
            return err_set(err, ERR_BAD_INPUT, "metrics[%zu] has no name", i);
        if (!compose(arena, config, metric, &ignored, err))
            return false;
    }
    return true;
}
