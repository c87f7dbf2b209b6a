/* The states of alerts. Reference: prometheus/prometheus rules/alerting.go, and for the restoration
 * rules/group.go (RestoreForState). */
#include "rules/internal.h"

#include <math.h>
#include <stdlib.h>

/* --- Texts --- */

struct query_at {
    struct evaluation_place *place;
};

static bool query_for_template(void *self, struct arena *arena, struct str text,
                               struct template_sample **out, size_t *n, struct err *err)
{
    const struct evaluation_place *e = ((struct query_at *)self)->place;
    struct promql_result result;
    struct promql_options options = query_options(e);
    struct promql_source source;
    struct promql_expr *expr = promql_parse(arena, text, err);
    if (!expr || !query_source(e, &source, err) ||
        !promql_instant(expr, &source, &options, e->query_ms, arena, &result, err))
        return false;
    size_t most = result.n_series > 0 ? result.n_series : 1;
    struct template_sample *samples = *out = ARENA_ARRAY(arena, struct template_sample, most);
    *n = 0;
    if (result.type == PROMQL_SCALAR) {
        samples[(*n)++].v = result.scalar;
        return true;
    }
    if (result.type != PROMQL_VECTOR)
        return err_set(err, ERR_BAD_INPUT, "query result is not a vector or scalar");
    for (size_t i = 0; i < result.n_series; i++) {
        if (result.series[i].n > 0)
            samples[(*n)++] =
                (struct template_sample){result.series[i].labels, result.series[i].samples[0].v};
    }
    return true;
}

/* A template that fails says so in its place, as in Prometheus. */
static struct str expand(struct evaluation_place *e, const struct rule_text *text,
                         const struct template_data *data)
{
    struct err err = ERR_INIT;
    const char *out = text->template ? template_expand(text->template, data, e->arena, &err) : NULL;
    if (!text->template)
        return text->text;
    return str_from(out ? out
                        : arena_printf(e->arena, "<error expanding template: %s>", err.message));
}

static struct labels make_labels(struct evaluation_place *e, const struct promql_series *s,
                                 const struct template_data *data)
{
    const struct rule *rule = e->rule->rule;
    struct labels_builder b;
    labels_builder_from(&b, e->arena, s->labels);
    labels_builder_remove(&b, STR(LABEL_NAME));
    for (size_t i = 0; i < rule->n_labels; i++)
        labels_builder_set(&b, rule->labels[i].name, expand(e, &rule->labels[i], data));
    labels_builder_set(&b, STR("alertname"), str_from(rule->name));
    return labels_build(&b);
}

static struct labels make_annotations(struct evaluation_place *e, const struct template_data *data)
{
    const struct rule *rule = e->rule->rule;
    struct labels_builder b;
    labels_builder_init(&b, e->arena);
    for (size_t i = 0; i < rule->n_annotations; i++)
        labels_builder_set(&b, rule->annotations[i].name, expand(e, &rule->annotations[i], data));
    return labels_build(&b);
}

/* --- What the query found --- */

struct found {
    struct labels labels, annotations;
    double v;
};

static struct found *find_alerts(struct evaluation_place *e, const struct promql_series *series,
                                 size_t n)
{
    struct found *found = ARENA_ARRAY(e->arena, struct found, n);
    struct query_at at = {e};
    for (size_t i = 0; i < n; i++) {
        /* A native histogram fires too; its value is that of none. */
        double v = series[i].n > 0 ? series[i].samples[0].v : 0;
        struct template_data data = {.labels = series[i].labels,
                                     .external_labels = e->world->external_labels,
                                     .external_url = e->world->external_url,
                                     .v = v,
                                     .t_ms = e->t_ms,
                                     .query = query_for_template,
                                     .query_self = &at};
        found[i] = (struct found){make_labels(e, &series[i], &data), make_annotations(e, &data), v};
    }
    return found;
}

static int compare_found(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    return labels_cmp(x->labels, y->labels);
}

static bool check_unique(struct found *found, size_t n, struct err *err)
{
    if (n > 1)
        qsort(found, n, sizeof *found, compare_found);
    for (size_t i = 1; i < n; i++) {
        if (labels_eq(found[i - 1].labels, found[i].labels))
            return err_set(err, ERR_BAD_INPUT,
                           "vector contains metrics with the same labelset after applying alert "
                           "labels");
    }
    return true;
}

static const struct found *look_up(const struct found *found, size_t n, struct labels labels)
{
    struct found key = {.labels = labels};
    return n > 0 ? bsearch(&key, found, n, sizeof *found, compare_found) : NULL;
}

/* --- State --- */

/* It lives in its own arena. */
void active_alert_free(struct active_alert *a)
{
    struct arena arena = a->arena;
    arena_release(&a->annotation_arena);
    arena_release(&arena);
}

static void set_annotations(struct active_alert *a, const struct found *f)
{
    a->v = f->v;
    if (labels_eq(a->annotations, f->annotations) && a->annotations.n == f->annotations.n)
        return;
    arena_release(&a->annotation_arena);
    arena_init(&a->annotation_arena);
    a->annotations = labels_copy(&a->annotation_arena, f->annotations);
}

static struct active_alert *new_alert(const struct found *f, int64_t t_ms)
{
    struct arena arena = ARENA_INIT;
    struct active_alert *a = ARENA_NEW(&arena, struct active_alert);
    arena_init(&a->annotation_arena);
    a->labels = labels_copy(&arena, f->labels);
    a->arena = arena;
    a->state = ALERT_PENDING;
    a->active_ms = t_ms;
    set_annotations(a, f);
    return a;
}

/* One that was resolved begins anew. */
static void begin_anew(struct active_alert *a, int64_t t_ms)
{
    a->state = ALERT_PENDING;
    a->active_ms = t_ms;
    a->fired_ms = a->resolved_ms = a->sent_ms = a->valid_until_ms = a->keep_firing_since_ms = 0;
}

/* Marks the alerts that are still true, and adds those that are new. */
static void take_found(struct evaluation_place *e, const struct found *found, size_t n)
{
    bool *known = ARENA_ARRAY(e->arena, bool, n);
    for (struct active_alert *a = e->rule->alerts; a; a = a->next) {
        const struct found *f = look_up(found, n, a->labels);
        a->seen = f != NULL;
        if (!f)
            continue;
        known[f - found] = true;
        if (a->state == ALERT_INACTIVE)
            begin_anew(a, e->t_ms);
        set_annotations(a, f);
    }
    for (size_t i = 0; i < n; i++) {
        if (known[i])
            continue;
        struct active_alert *a = new_alert(&found[i], e->t_ms);
        a->seen = true;
        a->next = e->rule->alerts;
        e->rule->alerts = a;
    }
}

static bool keeps_firing(const struct rule *rule, struct active_alert *a, int64_t t_ms)
{
    if (a->state != ALERT_FIRING || rule->keep_firing_ms == 0)
        return false;
    if (a->keep_firing_since_ms == 0)
        a->keep_firing_since_ms = t_ms;
    return t_ms - a->keep_firing_since_ms < rule->keep_firing_ms;
}

/* True: the alert is active. *forget: nothing is left to be told of it. */
static bool move_on(struct evaluation_place *e, struct active_alert *a, bool *forget)
{
    const struct rule *rule = e->rule->rule;
    *forget = false;
    if (a->seen) {
        a->keep_firing_since_ms = 0;
    } else if (!keeps_firing(rule, a, e->t_ms)) {
        *forget = a->state == ALERT_PENDING ||
                  (a->resolved_ms != 0 && e->t_ms - a->resolved_ms > RESOLVED_RETENTION_MS);
        if (a->state != ALERT_INACTIVE) {
            a->state = ALERT_INACTIVE;
            a->resolved_ms = e->t_ms;
        }
        return false;
    }
    if (a->state == ALERT_PENDING && e->t_ms - a->active_ms >= rule->for_ms) {
        a->state = ALERT_FIRING;
        a->fired_ms = e->t_ms;
    }
    return true;
}

/* --- Series --- */

static const char *state_name(enum alert_state state)
{
    static const char *const names[] = {
#define X(code, name) name,
        ALERT_STATES(X)
#undef X
    };
    return names[state];
}

static struct labels series_labels(struct evaluation_place *e, const struct active_alert *a,
                                   const char *name, const char *state)
{
    struct labels_builder b;
    labels_builder_from(&b, e->arena, labels_copy(e->arena, a->labels));
    labels_builder_set(&b, STR(LABEL_NAME), str_from(name));
    if (state)
        labels_builder_set(&b, STR("alertstate"), str_from(state));
    return labels_build(&b);
}

static void add_series(struct evaluation_place *e, const struct active_alert *a,
                       struct rule_samples *out)
{
    add_rule_sample(e, out,
                    (struct rule_sample){series_labels(e, a, "ALERTS", state_name(a->state)),
                                         e->query_ms, 1, NULL});
    add_rule_sample(e, out,
                    (struct rule_sample){series_labels(e, a, "ALERTS_FOR_STATE", NULL), e->query_ms,
                                         floor((double)a->active_ms / 1000), NULL});
}

static void forget_all(struct rule_state *r)
{
    while (r->alerts) {
        struct active_alert *next = r->alerts->next;
        active_alert_free(r->alerts);
        r->alerts = next;
    }
}

bool evaluate_alerts(struct evaluation_place *e, const struct promql_series *series, size_t n,
                     struct rule_samples *out, struct err *err)
{
    int64_t active = 0, limit = e->group->group->limit;
    struct found *found = find_alerts(e, series, n);
    if (!check_unique(found, n, err))
        return false;
    (void)pthread_mutex_lock(&e->rules->lock);
    take_found(e, found, n);
    for (struct active_alert **p = &e->rule->alerts; *p;) {
        struct active_alert *a = *p;
        bool forget;
        if (move_on(e, a, &forget)) {
            active++;
            if (e->rule->restored)
                add_series(e, a, out);
        }
        if (forget) {
            *p = a->next;
            active_alert_free(a);
        } else {
            p = &a->next;
        }
    }
    bool fits = limit == 0 || active <= limit;
    if (!fits) {
        forget_all(e->rule);
        out->n = 0;
    }
    (void)pthread_mutex_unlock(&e->rules->lock);
    return fits || err_set(err, ERR_LIMIT, "exceeded limit of %lld with %lld alerts",
                           (long long)limit, (long long)active);
}

/* --- Telling --- */

static bool is_to_be_sent(const struct active_alert *a, int64_t t_ms, int64_t resend_ms)
{
    if (a->state == ALERT_PENDING)
        return false;
    return a->resolved_ms > a->sent_ms || a->sent_ms + resend_ms < t_ms;
}

static const char *source_of(struct evaluation_place *e)
{
    struct buf url = BUF_INIT;
    if (!e->world->external_url || !*e->world->external_url)
        return "";
    buf_add_cstr(&url, e->world->external_url);
    add_expression_link(&url, str_from(e->rule->rule->query), 1);
    const char *text = arena_cstr(e->arena, buf_str(&url));
    buf_release(&url);
    return text;
}

void tell_alerts(struct evaluation_place *e)
{
    int64_t resend_ms = e->world->resend_ms, interval_ms = e->group->group->interval_ms;
    struct alert *alerts = NULL;
    size_t n = 0, capacity = 0;
    if (!e->world->notify)
        return;
    const char *source = source_of(e);
    (void)pthread_mutex_lock(&e->rules->lock);
    for (struct active_alert *a = e->rule->alerts; a; a = a->next) {
        if (!is_to_be_sent(a, e->t_ms, resend_ms))
            continue;
        a->sent_ms = e->t_ms;
        a->valid_until_ms = e->t_ms + 4 * (resend_ms > interval_ms ? resend_ms : interval_ms);
        alerts = arena_grow(e->arena, alerts, n, &capacity, sizeof *alerts);
        alerts[n++] = (struct alert){labels_copy(e->arena, a->labels),
                                     labels_copy(e->arena, a->annotations), a->fired_ms,
                                     a->resolved_ms ? a->resolved_ms : a->valid_until_ms, source};
    }
    (void)pthread_mutex_unlock(&e->rules->lock);
    if (n > 0)
        e->world->notify(e->world->self, alerts, n);
}

/* --- After a restart --- */

static bool select_for_state(struct evaluation_place *e, struct promql_series **out, size_t *n,
                             struct err *err)
{
    struct matcher matchers[2];
    return matcher_init(&matchers[0], e->arena, MATCH_EQUAL, STR(LABEL_NAME),
                        STR("ALERTS_FOR_STATE"), err) &&
           matcher_init(&matchers[1], e->arena, MATCH_EQUAL, STR("alertname"),
                        str_from(e->rule->rule->name), err) &&
           e->world->source.select(e->world->source.self, e->arena, matchers, 2,
                                   e->t_ms - e->world->outage_tolerance_ms, e->t_ms, out, n, err);
}

/* The last thing said of the alert before the restart; samples of this run carry later times than
 * its own first evaluation, so it is asked before any is written. */
static const struct promql_series *find_series(struct evaluation_place *e,
                                               const struct active_alert *a,
                                               const struct promql_series *series, size_t n)
{
    struct labels want = series_labels(e, a, "ALERTS_FOR_STATE", NULL);
    for (size_t i = 0; i < n; i++) {
        if (series[i].n > 0 && labels_eq(series[i].labels, want))
            return &series[i];
    }
    return NULL;
}

static void restore_one(struct evaluation_place *e, struct active_alert *a,
                        const struct promql_series *series)
{
    struct sample last = series->samples[series->n - 1];
    int64_t for_ms = e->rule->rule->for_ms, grace_ms = e->world->grace_ms;
    if (is_stale_nan(last.v) || !isfinite(last.v) || fabs(last.v) > 1e12)
        return;
    int64_t active_ms = (int64_t)last.v * 1000;
    int64_t remaining_ms = for_ms - (last.t_ms - active_ms);
    if (remaining_ms > 0 && remaining_ms < grace_ms)
        active_ms = e->t_ms + grace_ms - for_ms; /* it fires after the grace period */
    else if (remaining_ms > 0)
        active_ms += e->t_ms - last.t_ms; /* the outage does not count */
    a->active_ms = active_ms;
}

void restore_alerts(struct evaluation_place *e)
{
    struct promql_series *series;
    size_t n;
    struct err err = ERR_INIT;
    bool wanted = e->rule->rule->for_ms > 0 && e->rule->rule->for_ms >= e->world->grace_ms;
    bool found = wanted && select_for_state(e, &series, &n, &err);
    (void)pthread_mutex_lock(&e->rules->lock);
    for (struct active_alert *a = e->rule->alerts; found && a; a = a->next) {
        const struct promql_series *s = find_series(e, a, series, n);
        if (s && a->state == ALERT_PENDING)
            restore_one(e, a, s);
    }
    if (wanted && !found)
        (void)snprintf(e->rule->error, sizeof e->rule->error, "`for` starts anew: %.400s",
                       err.message);
    e->rule->restored = true;
    (void)pthread_mutex_unlock(&e->rules->lock);
}
