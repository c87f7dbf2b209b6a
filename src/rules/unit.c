/* promtool's unit tests of rules (prometheus.io/docs, "Unit testing for rules"). */
#include "rules/internal.h"

#include "base/clock.h"
#include "base/num.h"
#include "promql/series_notation.h"
#include "rules/memory.h"

#include <math.h>
#include <stdlib.h>

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))
#define MAX_EVALUATIONS 1000000
#define DEFAULT_INTERVAL_MS 60000

/* --- The file --- */

struct expected_alert {
    struct labels labels, annotations;
};

struct alert_test {
    int64_t at_ms;
    const char *alertname;
    struct expected_alert *alerts;
    size_t n;
};

struct expected_sample {
    struct labels labels;
    double v;
    const struct histogram *h; /* in place of v */
};

struct expr_test {
    int64_t at_ms;
    const char *text;
    struct promql_expr *expr;
    struct expected_sample *samples;
    size_t n;
};

struct unit {
    struct arena *arena;
    struct diag_list *diags;
    const char *file;
    struct rule_test_report *report;
    int64_t evaluation_ms;
    const struct rule_group *groups;
    size_t n_groups;
    /* of the test at hand */
    const char *name;
    int64_t interval_ms, start_ms;
    struct memory_store *memory;
    struct rules *rules;
    struct rule_world world;
    struct alert_test *alert_tests;
    size_t n_alert_tests;
    struct expr_test *expr_tests;
    size_t n_expr_tests;
};

static struct labels read_label_map(struct unit *u, struct yaml_node *map, const char *key,
                                    const char *alertname)
{
    struct labels_builder b;
    struct yaml_node *texts = yaml_take_map(map, key, u->diags);
    labels_builder_init(&b, u->arena);
    for (size_t i = 0; texts && i < texts->n; i++) {
        texts->pairs[i].used = true;
        if (texts->pairs[i].value->kind == YAML_SCALAR)
            labels_builder_set(&b, texts->pairs[i].key, texts->pairs[i].value->scalar);
        else
            yaml_error(texts->pairs[i].value, u->diags, "%s: '" STR_FMT "' must be text", key,
                       STR_ARG(texts->pairs[i].key));
    }
    if (alertname)
        labels_builder_set(&b, STR("alertname"), str_from(alertname));
    return labels_build(&b);
}

static bool need_text(struct unit *u, struct yaml_node *map, const char *key, const char **out)
{
    if (yaml_take_string(map, key, u->arena, out, u->diags))
        return true;
    yaml_error(map, u->diags, "'%s' must be set", key);
    return false;
}

/* The items of a list of mappings. */
static size_t take_maps(struct unit *u, struct yaml_node *map, const char *key,
                        struct yaml_node ***items)
{
    struct yaml_node *list = yaml_take_list(map, key, u->diags);
    size_t n = 0;
    *items = ARENA_ARRAY(u->arena, struct yaml_node *, list ? list->n : 0);
    for (size_t i = 0; list && i < list->n; i++) {
        if (list->items[i]->kind == YAML_MAP)
            (*items)[n++] = list->items[i];
        else
            yaml_error(list->items[i], u->diags, "%s: an item must be a mapping", key);
    }
    return n;
}

static void read_alert_test(struct unit *u, struct yaml_node *map, struct alert_test *out)
{
    static const char *const keys[] = {"eval_time", "alertname", "exp_alerts"};
    static const char *const alert_keys[] = {"exp_labels", "exp_annotations"};
    struct yaml_node **items;
    out->alertname = "";
    yaml_take_duration(map, "eval_time", &out->at_ms, u->diags);
    (void)need_text(u, map, "alertname", &out->alertname);
    out->n = take_maps(u, map, "exp_alerts", &items);
    out->alerts = ARENA_ARRAY(u->arena, struct expected_alert, out->n);
    for (size_t i = 0; i < out->n; i++) {
        out->alerts[i] =
            (struct expected_alert){read_label_map(u, items[i], "exp_labels", out->alertname),
                                    read_label_map(u, items[i], "exp_annotations", NULL)};
        yaml_reject_unknown(items[i], alert_keys, COUNT_OF(alert_keys), "expected alert", u->diags);
    }
    yaml_reject_unknown(map, keys, COUNT_OF(keys), "alert test", u->diags);
}

static void read_expected_sample(struct unit *u, struct yaml_node *map, struct expected_sample *out)
{
    static const char *const keys[] = {"labels", "value", "histogram"};
    const char *labels = "{}", *value = "0";
    struct notation_series series;
    struct err err = ERR_INIT;
    struct yaml_node *histogram = yaml_take(map, "histogram");
    yaml_take_string(map, "labels", u->arena, &labels, u->diags);
    yaml_take_string(map, "value", u->arena, &value, u->diags);
    if (histogram && histogram->kind != YAML_NULL) {
        struct notation_value h = {0};
        if (histogram->kind == YAML_SCALAR &&
            parse_histogram_notation(u->arena, histogram->scalar, &h))
            out->h = h.h;
        else
            yaml_error(histogram, u->diags, "histogram must be written {{...}}");
    }
    if (!parse_series_notation(u->arena, str_from(*labels ? labels : "{}"), &series, &err))
        yaml_error(yaml_take(map, "labels"), u->diags, "labels %s: %s", labels, err.message);
    else
        out->labels = series.labels;
    if (!num_parse_double(str_from(value), &out->v))
        yaml_error(yaml_take(map, "value"), u->diags, "value '%s' is no number", value);
    yaml_reject_unknown(map, keys, COUNT_OF(keys), "expected sample", u->diags);
}

static void read_expr_test(struct unit *u, struct yaml_node *map, struct expr_test *out)
{
    static const char *const keys[] = {"expr", "eval_time", "exp_samples"};
    struct yaml_node **items;
    struct err err = ERR_INIT;
    out->text = "";
    yaml_take_duration(map, "eval_time", &out->at_ms, u->diags);
    if (need_text(u, map, "expr", &out->text)) {
        out->expr = promql_parse(u->arena, str_from(out->text), &err);
        if (!out->expr)
            yaml_error(yaml_take(map, "expr"), u->diags, "%s", err.message);
    }
    out->n = take_maps(u, map, "exp_samples", &items);
    out->samples = ARENA_ARRAY(u->arena, struct expected_sample, out->n);
    for (size_t i = 0; i < out->n; i++)
        read_expected_sample(u, items[i], &out->samples[i]);
    yaml_reject_unknown(map, keys, COUNT_OF(keys), "expression test", u->diags);
}

static void load_series(struct unit *u, struct yaml_node *map)
{
    static const char *const keys[] = {"series", "values"};
    const char *series = NULL, *values = "";
    struct notation_series line;
    struct err err = ERR_INIT;
    bool good = need_text(u, map, "series", &series);
    yaml_take_string(map, "values", u->arena, &values, u->diags);
    yaml_reject_unknown(map, keys, COUNT_OF(keys), "input series", u->diags);
    if (!good)
        return;
    const char *text = arena_printf(u->arena, "%s %s", series, values);
    if (!parse_series_notation(u->arena, str_from(text), &line, &err)) {
        yaml_error(map, u->diags, "series %s: %s", series, err.message);
        return;
    }
    for (size_t i = 0; i < line.n; i++) {
        if (line.values[i].present)
            memory_store_add(u->memory, &(struct rule_sample){
                                            line.labels, u->start_ms + (int64_t)i * u->interval_ms,
                                            line.values[i].v, line.values[i].h});
    }
}

static void read_test(struct unit *u, struct yaml_node *map)
{
    static const char *const keys[] = {
        "name",         "interval",        "input_series",     "external_labels",
        "external_url", "alert_rule_test", "promql_expr_test", "start_timestamp"};
    struct yaml_node **items;
    double start;
    const char *text = NULL;
    u->name = "";
    u->start_ms = 0;
    u->interval_ms = u->evaluation_ms;
    yaml_take_string(map, "name", u->arena, &u->name, u->diags);
    yaml_take_duration(map, "interval", &u->interval_ms, u->diags);
    if (yaml_take_string(map, "start_timestamp", u->arena, &text, u->diags)) {
        if (num_parse_double(str_from(text), &start) && fabs(start) < 2.5e11)
            u->start_ms = (int64_t)(start * 1000);
        else if (!clock_parse_rfc3339(str_from(text), &u->start_ms))
            yaml_error(map, u->diags, "start_timestamp '%s' is no time", text);
    }
    u->world.external_labels = read_label_map(u, map, "external_labels", NULL);
    u->world.external_url = "";
    yaml_take_string(map, "external_url", u->arena, &u->world.external_url, u->diags);
    size_t n = take_maps(u, map, "input_series", &items);
    for (size_t i = 0; i < n; i++)
        load_series(u, items[i]);
    u->n_alert_tests = take_maps(u, map, "alert_rule_test", &items);
    u->alert_tests = ARENA_ARRAY(u->arena, struct alert_test, u->n_alert_tests);
    for (size_t i = 0; i < u->n_alert_tests; i++)
        read_alert_test(u, items[i], &u->alert_tests[i]);
    u->n_expr_tests = take_maps(u, map, "promql_expr_test", &items);
    u->expr_tests = ARENA_ARRAY(u->arena, struct expr_test, u->n_expr_tests);
    for (size_t i = 0; i < u->n_expr_tests; i++)
        read_expr_test(u, items[i], &u->expr_tests[i]);
    yaml_reject_unknown(map, keys, COUNT_OF(keys), "test", u->diags);
}

/* --- What is wrong --- */

static void report(struct unit *u, struct buf *text)
{
    struct rule_test_report *r = u->report;
    r->failures =
        arena_grow(u->arena, r->failures, r->n_failures, &r->capacity, sizeof *r->failures);
    r->failures[r->n_failures++] =
        (struct rule_test_failure){u->file, u->name, arena_cstr(u->arena, buf_str(text))};
    buf_release(text);
}

static void add_alert(struct buf *out, const char *what, struct labels labels,
                      struct labels annotations)
{
    buf_printf(out, "  %s ", what);
    labels_print(labels, out);
    buf_add_cstr(out, " annotations ");
    labels_print(annotations, out);
    buf_add_char(out, '\n');
}

static void add_buckets(struct arena *arena, struct buf *out, const struct histogram *h)
{
    size_t n;
    const struct promql_bucket *buckets = promql_buckets(arena, h, &n);
    buf_add_cstr(out, "count ");
    num_add_double(out, h->count);
    buf_add_cstr(out, ", sum ");
    num_add_double(out, h->sum);
    for (size_t i = 0; i < n; i++) {
        buf_printf(out, ", %c", buckets[i].low_inclusive ? '[' : '(');
        num_add_double(out, buckets[i].low);
        buf_add_char(out, ',');
        num_add_double(out, buckets[i].high);
        buf_printf(out, "%c ", buckets[i].high_inclusive ? ']' : ')');
        num_add_double(out, buckets[i].count);
    }
}

static void add_sample(struct arena *arena, struct buf *out, const char *what,
                       const struct expected_sample *s)
{
    buf_printf(out, "  %s ", what);
    labels_print(s->labels, out);
    buf_add_char(out, ' ');
    if (s->h)
        add_buckets(arena, out, s->h);
    else
        num_add_double(out, s->v);
    buf_add_char(out, '\n');
}

static void add_time(struct buf *out, int64_t at_ms)
{
    buf_add_cstr(out, " at ");
    num_add_duration(out, at_ms);
}

/* --- Alerts --- */

static bool is_expected(const struct expected_alert *e, const struct alert *a)
{
    return labels_eq(e->labels, a->labels) && labels_eq(e->annotations, a->annotations);
}

static void check_alerts(struct unit *u, const struct alert_test *t)
{
    struct alert *got;
    size_t n, missing = 0, extra = 0;
    struct buf text = BUF_INIT;
    rules_firing(u->rules, t->alertname, u->arena, &got, &n);
    bool *taken = ARENA_ARRAY(u->arena, bool, n);
    buf_printf(&text, "alert %s", t->alertname);
    add_time(&text, t->at_ms);
    buf_add_cstr(&text, ":\n");
    for (size_t i = 0; i < t->n; i++) {
        size_t k = 0;
        while (k < n && (taken[k] || !is_expected(&t->alerts[i], &got[k])))
            k++;
        if (k < n) {
            taken[k] = true;
            continue;
        }
        add_alert(&text, "expected, not firing:", t->alerts[i].labels, t->alerts[i].annotations);
        missing++;
    }
    for (size_t k = 0; k < n; k++) {
        if (taken[k])
            continue;
        add_alert(&text, "firing, not expected:", got[k].labels, got[k].annotations);
        extra++;
    }
    u->report->n_tests++;
    if (missing + extra > 0)
        report(u, &text);
    buf_release(&text);
}

/* --- Expressions --- */

static bool same_value(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

/* The same buckets, however they are laid out. */
static bool same_histogram(struct arena *arena, const struct histogram *a,
                           const struct histogram *b)
{
    size_t n, m;
    const struct promql_bucket *x = promql_buckets(arena, a, &n), *y = promql_buckets(arena, b, &m);
    if (n != m || !same_value(a->count, b->count) || !same_value(a->sum, b->sum))
        return false;
    for (size_t i = 0; i < n; i++) {
        if (x[i].low != y[i].low || x[i].high != y[i].high || x[i].count != y[i].count)
            return false;
    }
    return true;
}

static bool same_sample(struct arena *arena, const struct expected_sample *a,
                        const struct expected_sample *b)
{
    if (a->h && b->h)
        return same_histogram(arena, a->h, b->h);
    return !a->h && !b->h && same_value(a->v, b->v);
}

static bool ask_expr(struct unit *u, const struct expr_test *t, struct expected_sample **got,
                     size_t *n, struct err *err)
{
    struct promql_result result;
    *n = 0;
    if (!promql_instant(t->expr, &u->world.source, &u->world.options, u->start_ms + t->at_ms,
                        u->arena, &result, err))
        return false;
    *got = ARENA_ARRAY(u->arena, struct expected_sample, result.n_series + 1);
    if (result.type == PROMQL_SCALAR)
        (*got)[(*n)++] = (struct expected_sample){{0, NULL}, result.scalar, NULL};
    else if (result.type != PROMQL_VECTOR)
        return err_set(err, ERR_BAD_INPUT, "the result is neither a vector nor a scalar");
    for (size_t i = 0; i < result.n_series; i++) {
        const struct promql_series *found = &result.series[i];
        if (found->n > 0)
            (*got)[(*n)++] = (struct expected_sample){found->labels, found->samples[0].v, NULL};
        else if (found->n_histograms > 0)
            (*got)[(*n)++] = (struct expected_sample){found->labels, 0, found->histograms[0].h};
    }
    return true;
}

static void check_expr(struct unit *u, const struct expr_test *t)
{
    struct expected_sample *got = NULL;
    size_t n, wrong = 0;
    struct err err = ERR_INIT;
    struct buf text = BUF_INIT;
    u->report->n_tests++;
    buf_printf(&text, "expr %s", t->text);
    add_time(&text, t->at_ms);
    buf_add_cstr(&text, ":\n");
    if (!ask_expr(u, t, &got, &n, &err)) {
        buf_printf(&text, "  %s\n", err.message);
        wrong++;
    }
    bool *taken = ARENA_ARRAY(u->arena, bool, n);
    for (size_t i = 0; wrong == 0 && i < t->n; i++) {
        size_t k = 0;
        while (k < n && (taken[k] || !labels_eq(got[k].labels, t->samples[i].labels)))
            k++;
        if (k < n)
            taken[k] = true;
        if (k < n && same_sample(u->arena, &got[k], &t->samples[i]))
            continue;
        wrong++;
        add_sample(u->arena, &text, "expected:", &t->samples[i]);
        if (k < n)
            add_sample(u->arena, &text, "got:     ", &got[k]);
    }
    for (size_t k = 0; k < n; k++) {
        if (taken[k] || err.code != ERR_NONE)
            continue;
        wrong++;
        add_sample(u->arena, &text, "got, not expected:", &got[k]);
    }
    if (wrong > 0)
        report(u, &text);
    buf_release(&text);
}

/* --- Running --- */

static bool write_to_memory(void *self, const struct rule_sample *samples, size_t n,
                            struct err *err)
{
    (void)err;
    for (size_t i = 0; i < n; i++)
        memory_store_add(self, &samples[i]);
    return true;
}

static int64_t last_time(const struct unit *u)
{
    int64_t last_ms = 0;
    for (size_t i = 0; i < u->n_alert_tests; i++)
        last_ms = u->alert_tests[i].at_ms > last_ms ? u->alert_tests[i].at_ms : last_ms;
    for (size_t i = 0; i < u->n_expr_tests; i++)
        last_ms = u->expr_tests[i].at_ms > last_ms ? u->expr_tests[i].at_ms : last_ms;
    return last_ms;
}

static bool evaluate_groups(struct unit *u, int64_t at_ms)
{
    struct arena scratch = ARENA_INIT;
    for (size_t g = 0; g < rules_count(u->rules); g++)
        rules_evaluate_at(u->rules, g, &u->world, u->start_ms + at_ms, &scratch);
    arena_release(&scratch);
    const char *error = rules_first_error(u->rules, u->arena);
    if (!error)
        return true;
    struct buf text = BUF_INIT;
    buf_add_cstr(&text, error);
    add_time(&text, at_ms);
    buf_add_char(&text, '\n');
    report(u, &text);
    buf_release(&text);
    return false;
}

static void run_test(struct unit *u)
{
    int64_t step_ms = u->evaluation_ms, last_ms = last_time(u);
    bool good = true;
    rules_apply(u->rules, u->groups, u->n_groups, &u->world, false, u->start_ms);
    /* To the evaluation nearest to the last time that is asked for. */
    int64_t end_ms = (last_ms + step_ms / 2) / step_ms * step_ms;
    for (int64_t at_ms = 0; good && at_ms <= end_ms; at_ms += step_ms) {
        good = evaluate_groups(u, at_ms);
        for (size_t i = 0; good && i < u->n_alert_tests; i++) {
            int64_t t_ms = u->alert_tests[i].at_ms;
            if (t_ms >= at_ms && t_ms < at_ms + step_ms)
                check_alerts(u, &u->alert_tests[i]);
        }
    }
    for (size_t i = 0; i < u->n_expr_tests; i++)
        check_expr(u, &u->expr_tests[i]);
}

static void take_test(struct unit *u, struct yaml_node *map, const struct regex *only)
{
    size_t errors = u->diags->errors;
    u->memory = memory_store_new();
    u->rules = rules_new();
    u->world = (struct rule_world){.self = u->memory,
                                   .source = memory_store_source(u->memory),
                                   .resend_ms = 60000,
                                   .write = write_to_memory};
    read_test(u, map);
    if (u->interval_ms <= 0)
        yaml_error(map, u->diags, "interval must be over 0");
    else if (last_time(u) / u->evaluation_ms > MAX_EVALUATIONS)
        yaml_error(map, u->diags, "over %d evaluations", MAX_EVALUATIONS);
    if (u->diags->errors == errors && (!only || regex_finds(only, str_from(u->name))))
        run_test(u);
    rules_free(u->rules);
    memory_store_free(u->memory);
}

/* --- Groups, in the order that the file wants --- */

static size_t rank_of(const struct yaml_node *order, const char *name)
{
    for (size_t i = 0; i < order->n; i++) {
        if (order->items[i]->kind == YAML_SCALAR && str_is(order->items[i]->scalar, name))
            return i;
    }
    return order->n;
}

static void order_groups(struct rule_group *groups, size_t n, const struct yaml_node *order)
{
    for (size_t i = 1; order && groups && i < n; i++) {
        struct rule_group g = groups[i];
        size_t at = i;
        while (at > 0 && rank_of(order, groups[at - 1].name) > rank_of(order, g.name)) {
            groups[at] = groups[at - 1];
            at--;
        }
        groups[at] = g;
    }
}

bool rules_unit_test(struct arena *arena, const char *file, struct yaml_node *document,
                     bool (*load)(void *self, struct arena *, const char *glob,
                                  const struct rule_defaults *, struct rule_group **groups,
                                  size_t *n, size_t *capacity, struct diag_list *),
                     void *load_self, const char *only, struct rule_test_report *out,
                     struct diag_list *diags)
{
    static const char *const keys[] = {"rule_files", "evaluation_interval", "group_eval_order",
                                       "tests"};
    struct unit u = {.arena = arena,
                     .diags = diags,
                     .file = file,
                     .report = out,
                     .evaluation_ms = DEFAULT_INTERVAL_MS};
    struct rule_group *groups = NULL;
    size_t capacity = 0, errors = diags->errors;
    struct yaml_node **tests;
    struct err err = ERR_INIT;
    struct regex *regex = only ? regex_new(str_from(only), &err) : NULL;
    if (document->kind != YAML_MAP || (only && !regex)) {
        yaml_error(document, diags,
                   only && !regex ? "--run: not a regular expression"
                                  : "a test file must be a mapping");
        return false;
    }
    yaml_take_duration(document, "evaluation_interval", &u.evaluation_ms, diags);
    if (u.evaluation_ms <= 0) {
        yaml_error(document, diags, "evaluation_interval must be over 0");
        u.evaluation_ms = DEFAULT_INTERVAL_MS;
    }
    struct rule_defaults defaults = {.interval_ms = u.evaluation_ms};
    struct yaml_node *files = yaml_take_list(document, "rule_files", diags);
    for (size_t i = 0; files && i < files->n; i++) {
        if (files->items[i]->kind != YAML_SCALAR ||
            !load(load_self, arena, arena_cstr(arena, files->items[i]->scalar), &defaults, &groups,
                  &u.n_groups, &capacity, diags))
            yaml_error(files->items[i], diags, "rule_files: this cannot be used");
    }
    order_groups(groups, u.n_groups, yaml_take_list(document, "group_eval_order", diags));
    u.groups = groups;
    size_t n = take_maps(&u, document, "tests", &tests);
    yaml_reject_unknown(document, keys, COUNT_OF(keys), "test file", diags);
    for (size_t i = 0; i < n && diags->errors == errors; i++)
        take_test(&u, tests[i], regex);
    if (regex)
        regex_free(regex);
    return diags->errors == errors;
}
