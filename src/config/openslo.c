/* OpenSLO v1 (github.com/OpenSLO/OpenSLO, schema v1): kinds SLO and SLI are read whole; Service,
 * DataSource and the alert kinds are checked for a name and otherwise left to those who use them.
 */
#include "config/internal.h"

#include "base/num.h"

#include <ctype.h>
#include <math.h>

/* OpenSLO's own durations, case-sensitive, one number and one unit; M, Q and Y as its Go SDK has
 * them (30, 90 and 365 days). */
static bool parse_openslo_duration(struct str s, int64_t *ms)
{
    static const struct {
        char unit;
        int64_t minutes;
    } units[] = {{'m', 1},         {'h', 60},        {'d', 1440},      {'w', 10080},
                 {'M', 30 * 1440}, {'Q', 90 * 1440}, {'Y', 365 * 1440}};
    int64_t count;
    if (s.n < 2 || !isdigit((unsigned char)s.p[0]) ||
        !num_parse_i64(str_make(s.p, s.n - 1), &count) || count < 1 || count > 100000)
        return false;
    for (size_t i = 0; i < COUNT_OF(units); i++) {
        if (s.p[s.n - 1] == units[i].unit) {
            *ms = count * units[i].minutes * 60000;
            return true;
        }
    }
    return false;
}

static const char *read_metadata(struct reader *r, struct yaml_node *document,
                                 const char **display_name)
{
    static const char *const keys[] = {"name", "displayName", "labels", "annotations"};
    const char *name = NULL;
    struct yaml_node *meta = yaml_take_map(document, "metadata", r->diags);
    yaml_take_string(meta, "name", r->arena, &name, r->diags);
    yaml_take_string(meta, "displayName", r->arena, display_name, r->diags);
    yaml_take(meta, "labels");
    yaml_take(meta, "annotations");
    if (meta)
        yaml_reject_unknown(meta, keys, COUNT_OF(keys), "metadata", r->diags);
    if (!name || !*name)
        yaml_error(document, r->diags, "metadata.name is required");
    if (!*display_name)
        *display_name = name;
    return name;
}

/* metricSource.spec is a free mapping; the query stands under `query` (or `promql`, as some
 * exporters write). */
static const char *read_query(struct reader *r, struct yaml_node *metric, const char *what,
                              struct sli_spec *out)
{
    static const char *const types[] = {"Prometheus", "prometheus", "promql", "cqed"};
    const char *query = NULL, *type = "Prometheus", *from = NULL;
    struct yaml_node *source = yaml_take_map(metric, "metricSource", r->diags);
    struct yaml_node *spec = yaml_take_map(source, "spec", r->diags);
    yaml_take_string(source, "type", r->arena, &type, r->diags);
    yaml_take(source, "metricSourceRef");
    const char *key = yaml_take(spec, "query") ? "query" : "promql";
    yaml_take_string(spec, key, r->arena, &query, r->diags);
    refer_to_query(r, spec, key, query);
    if (yaml_take_string(spec, "source", r->arena, &from, r->diags))
        refer_to_source(r, spec, "source", from);
    bool differs = from && out->source && strcmp(from, out->source) != 0;
    if (differs || (!from != !out->source && (out->total_query || out->good_query)))
        yaml_error(metric, r->diags, "%s has another source than the rest of the indicator", what);
    out->source = from ? from : out->source;
    bool known = false;
    for (size_t i = 0; i < COUNT_OF(types); i++)
        known |= strcmp(type, types[i]) == 0;
    if (!known)
        yaml_error(source, r->diags, "metricSource type '%s' is not known; Prometheus is", type);
    if (!query)
        yaml_error(metric, r->diags, "%s needs metricSource.spec.query", what);
    return query;
}

static void read_ratio(struct reader *r, struct yaml_node *map, struct sli_spec *out)
{
    static const char *const keys[] = {"counter", "good", "bad", "total", "raw", "rawType"};
    struct yaml_node *good = yaml_take_map(map, "good", r->diags);
    struct yaml_node *bad = yaml_take_map(map, "bad", r->diags);
    struct yaml_node *total = yaml_take_map(map, "total", r->diags);
    bool counter = true;
    yaml_take_bool(map, "counter", &counter, r->diags);
    out->kind = SLI_RATIO;
    if (yaml_take(map, "raw")) {
        yaml_take(map, "rawType");
        yaml_error(map, r->diags,
                   "ratioMetric.raw is not implemented: a ratio computed elsewhere "
                   "cannot be added up over a window; give good (or bad) and total");
        return;
    }
    if (!counter)
        yaml_error(map, r->diags, "ratioMetric.counter: false is not implemented; give counters");
    if (!total || !good == !bad)
        yaml_error(map, r->diags, "ratioMetric needs total and exactly one of good and bad");
    if (total)
        out->total_query = read_query(r, total, "ratioMetric.total", out);
    if (good)
        out->good_query = read_query(r, good, "ratioMetric.good", out);
    if (bad)
        out->bad_query = read_query(r, bad, "ratioMetric.bad", out);
    yaml_reject_unknown(map, keys, COUNT_OF(keys), "ratioMetric", r->diags);
}

static void read_indicator_spec(struct reader *r, struct yaml_node *spec, struct sli_spec *out)
{
    static const char *const keys[] = {"ratioMetric", "thresholdMetric", "description"};
    yaml_take(spec, "description");
    struct yaml_node *ratio = yaml_take_map(spec, "ratioMetric", r->diags);
    struct yaml_node *threshold = yaml_take_map(spec, "thresholdMetric", r->diags);
    if (!ratio == !threshold)
        yaml_error(spec, r->diags,
                   "an indicator needs exactly one of ratioMetric, thresholdMetric");
    if (ratio) {
        read_ratio(r, ratio, out);
    } else if (threshold) {
        out->kind = SLI_THRESHOLD;
        out->threshold_query = read_query(r, threshold, "thresholdMetric", out);
    }
    yaml_reject_unknown(spec, keys, COUNT_OF(keys), "indicator", r->diags);
}

static void read_window(struct reader *r, struct yaml_node *spec, struct slo_spec *out)
{
    static const char *const keys[] = {"duration", "isRolling", "calendar"};
    struct yaml_node *list = yaml_take_list(spec, "timeWindow", r->diags);
    const char *duration = "28d";
    bool rolling = true;
    out->window_ms = INT64_C(28) * 86400000;
    if (!list)
        return;
    if (list->n != 1 || list->items[0]->kind != YAML_MAP) {
        yaml_error(list, r->diags, "timeWindow must hold exactly one window");
        return;
    }
    struct yaml_node *window = list->items[0];
    yaml_take_string(window, "duration", r->arena, &duration, r->diags);
    yaml_take_bool(window, "isRolling", &rolling, r->diags);
    if (yaml_take(window, "calendar") || !rolling)
        yaml_error(window, r->diags, "calendar windows are not implemented; use isRolling: true");
    if (!parse_openslo_duration(str_from(duration), &out->window_ms))
        yaml_error(window, r->diags,
                   "duration '%s' is not one of OpenSLO's (a number and m h d w M Q or Y)",
                   duration);
    yaml_reject_unknown(window, keys, COUNT_OF(keys), "timeWindow", r->diags);
}

static void read_target(struct reader *r, struct yaml_node *objective, struct slo_spec *out)
{
    double percent = NAN;
    bool has_target = yaml_take_double(objective, "target", &out->target, r->diags);
    bool has_percent = yaml_take_double(objective, "targetPercent", &percent, r->diags);
    if (has_target == has_percent) {
        yaml_error(objective, r->diags, "an objective needs exactly one of target, targetPercent");
        return;
    }
    if (has_percent)
        out->target = percent / 100;
    if (!(out->target >= 0 && out->target < 1))
        yaml_error(objective, r->diags, "the target must be at least 0 and under 1 (100%%)");
}

static void read_objective(struct reader *r, struct yaml_node *objective, struct slo_spec *out)
{
    static const char *const keys[] = {
        "displayName", "target",          "targetPercent",   "op",
        "value",       "timeSliceTarget", "timeSliceWindow", "compositeWeight"};
    static const char *const ops[] = {"lte", "gte", "lt", "gt"};
    int op = 0;
    yaml_take(objective, "displayName");
    yaml_take(objective, "timeSliceTarget");
    yaml_take(objective, "timeSliceWindow");
    if (yaml_take(objective, "compositeWeight"))
        yaml_error(objective, r->diags, "composite SLOs are not implemented");
    read_target(r, objective, out);
    bool has_op = yaml_take_choice(objective, "op", ops, COUNT_OF(ops), &op, r->diags);
    bool has_value = yaml_take_double(objective, "value", &out->sli.threshold, r->diags);
    out->sli.threshold_op = (enum threshold_op)op;
    if (out->sli.kind == SLI_THRESHOLD && (!has_op || !has_value))
        yaml_error(objective, r->diags, "a thresholdMetric needs op and value in its objective");
    yaml_reject_unknown(objective, keys, COUNT_OF(keys), "objective", r->diags);
}

static void read_indicator(struct reader *r, struct yaml_node *spec, size_t slo)
{
    static const char *const keys[] = {"metadata", "spec", "apiVersion", "kind"};
    struct yaml_node *inlined = yaml_take_map(spec, "indicator", r->diags);
    const char *ref = NULL;
    yaml_take_string(spec, "indicatorRef", r->arena, &ref, r->diags);
    if (!inlined == !ref) {
        yaml_error(spec, r->diags, "an SLO needs exactly one of indicator, indicatorRef");
    } else if (ref) {
        struct pending_ref *pending = READER_PUSH(r, refs, n_refs, ref_capacity);
        *pending = (struct pending_ref){slo, ref, spec};
    } else {
        for (size_t i = 0; i < COUNT_OF(keys); i++) {
            if (strcmp(keys[i], "spec") != 0)
                yaml_take(inlined, keys[i]);
        }
        struct yaml_node *indicator = yaml_take_map(inlined, "spec", r->diags);
        if (indicator)
            read_indicator_spec(r, indicator, &r->slos[slo].sli);
        else
            yaml_error(inlined, r->diags, "indicator needs spec");
        yaml_reject_unknown(inlined, keys, COUNT_OF(keys), "indicator", r->diags);
    }
}

static void read_slo_spec(struct reader *r, struct yaml_node *spec, size_t slo)
{
    static const char *const keys[] = {"description", "service",      "budgetingMethod",
                                       "objectives",  "indicator",    "indicatorRef",
                                       "timeWindow",  "alertPolicies"};
    static const char *const methods[] = {
#define X(code, name) name,
        BUDGETING_METHODS(X)
#undef X
    };
    int method = 0;
    struct slo_spec *out = &r->slos[slo];
    yaml_take_string(spec, "description", r->arena, &out->description, r->diags);
    if (!yaml_take_string(spec, "service", r->arena, &out->service, r->diags))
        yaml_error(spec, r->diags, "spec.service is required");
    yaml_take_choice(spec, "budgetingMethod", methods, COUNT_OF(methods), &method, r->diags);
    if (!yaml_take(spec, "budgetingMethod"))
        yaml_error(spec, r->diags, "spec.budgetingMethod is required");
    out->budgeting = (enum budgeting_method)method;
    if (method != BUDGETING_OCCURRENCES)
        yaml_error(spec, r->diags, "budgetingMethod %s is not implemented; Occurrences is",
                   methods[method]);
    yaml_take(spec, "alertPolicies");
    read_indicator(r, spec, slo);
    read_window(r, spec, out);
    struct yaml_node *objectives = yaml_take_list(spec, "objectives", r->diags);
    if (!objectives || objectives->n != 1 || objectives->items[0]->kind != YAML_MAP)
        yaml_error(objectives ? objectives : spec, r->diags, "objectives must hold exactly one");
    else
        read_objective(r, objectives->items[0], out);
    yaml_reject_unknown(spec, keys, COUNT_OF(keys), "SLO spec", r->diags);
}

static void read_slo(struct reader *r, struct yaml_node *document)
{
    size_t slo = r->n_slos;
    struct slo_spec *out = READER_PUSH(r, slos, n_slos, slo_capacity);
    *out = (struct slo_spec){.display_name = "",
                             .description = "",
                             .service = "",
                             .path = document->path,
                             .line = document->line};
    out->name = read_metadata(r, document, &out->display_name);
    if (!out->name)
        out->name = out->display_name = "";
    r->who = arena_printf(r->arena, "SLO '%s'", out->name);
    struct yaml_node *spec = yaml_take_map(document, "spec", r->diags);
    if (spec)
        read_slo_spec(r, spec, slo);
    else
        yaml_error(document, r->diags, "spec is required");
}

static void read_sli(struct reader *r, struct yaml_node *document)
{
    const char *display_name = "";
    struct named_sli *out = READER_PUSH(r, slis, n_slis, sli_capacity);
    out->name = read_metadata(r, document, &display_name);
    r->who = arena_printf(r->arena, "SLI '%s'", out->name ? out->name : "");
    struct yaml_node *spec = yaml_take_map(document, "spec", r->diags);
    if (spec)
        read_indicator_spec(r, spec, &out->spec);
    else
        yaml_error(document, r->diags, "spec is required");
}

void read_openslo(struct reader *r, struct yaml_node *document, const char *kind)
{
    static const char *const keys[] = {"apiVersion", "kind", "metadata", "spec"};
    static const char *const others[] = {"Service", "DataSource", "AlertPolicy", "AlertCondition",
                                         "AlertNotificationTarget"};
    const char *display_name = "";
    bool other = false;
    for (size_t i = 0; i < COUNT_OF(others); i++)
        other |= strcmp(kind, others[i]) == 0;
    if (strcmp(kind, "SLO") == 0) {
        read_slo(r, document);
    } else if (strcmp(kind, "SLI") == 0) {
        read_sli(r, document);
    } else if (other) {
        read_metadata(r, document, &display_name);
        yaml_take(document, "spec");
    } else {
        yaml_error(document, r->diags, "kind '%s' is not one of OpenSLO v1", kind);
        return;
    }
    yaml_reject_unknown(document, keys, COUNT_OF(keys), kind, r->diags);
}

void resolve_indicator_refs(struct reader *r)
{
    for (size_t i = 0; i < r->n_refs; i++) {
        const struct pending_ref *ref = &r->refs[i];
        struct sli_spec *sli = &r->slos[ref->slo].sli;
        bool found = false;
        for (size_t k = 0; k < r->n_slis && !found; k++) {
            found = r->slis[k].name && strcmp(r->slis[k].name, ref->name) == 0;
            if (found) {
                struct sli_spec read = *sli; /* op and value stand in the objective */
                *sli = r->slis[k].spec;
                sli->threshold_op = read.threshold_op;
                sli->threshold = read.threshold;
            }
        }
        if (!found)
            yaml_error(ref->at, r->diags, "indicatorRef: there is no SLI '%s'", ref->name);
    }
}
