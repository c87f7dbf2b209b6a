/* One group, rule after rule: ask, make series, end the series that are gone, tell. Reference:
 * prometheus/prometheus rules/group.go and rules/recording.go. */
#include "rules/internal.h"

#include "base/clock.h"

#include <stdlib.h>

void add_rule_sample(struct evaluation_place *e, struct rule_samples *out, struct rule_sample s)
{
    out->v = arena_grow(e->arena, out->v, out->n, &out->capacity, sizeof *out->v);
    out->v[out->n++] = s;
}

/* --- Recording --- */

static int compare_samples(const void *a, const void *b)
{
    const struct rule_sample *x = a, *y = b;
    return labels_cmp(x->labels, y->labels);
}

static bool check_samples(const struct evaluation_place *e, struct rule_samples *samples,
                          struct err *err)
{
    int64_t limit = e->group->group->limit;
    if (samples->n > 1)
        qsort(samples->v, samples->n, sizeof *samples->v, compare_samples);
    for (size_t i = 1; i < samples->n; i++) {
        if (labels_eq(samples->v[i - 1].labels, samples->v[i].labels))
            return err_set(err, ERR_BAD_INPUT,
                           "vector contains metrics with the same labelset after applying rule "
                           "labels");
    }
    if (limit > 0 && samples->n > (uint64_t)limit)
        return err_set(err, ERR_LIMIT, "exceeded limit of %lld with %zu series", (long long)limit,
                       samples->n);
    return true;
}

static bool record_series(struct evaluation_place *e, const struct promql_series *series, size_t n,
                          struct rule_samples *out, struct err *err)
{
    const struct rule *rule = e->rule->rule;
    for (size_t i = 0; i < n; i++) {
        struct labels_builder b;
        labels_builder_from(&b, e->arena, series[i].labels);
        labels_builder_set(&b, STR(LABEL_NAME), str_from(rule->name));
        for (size_t k = 0; k < rule->n_labels; k++)
            labels_builder_set(&b, rule->labels[k].name, rule->labels[k].text);
        struct rule_sample s = {.labels = labels_build(&b), .t_ms = e->query_ms};
        if (series[i].n > 0)
            s.v = series[i].samples[0].v;
        else if (series[i].n_histograms > 0)
            s.histogram = series[i].histograms[0].h;
        else
            continue;
        add_rule_sample(e, out, s);
    }
    return check_samples(e, out, err);
}

/* --- Series that end --- */

static void series_set_release(struct series_set *s)
{
    arena_release(&s->arena);
    *s = (struct series_set){.n = 0};
}

static int compare_labels(const void *a, const void *b)
{
    return labels_cmp(*(const struct labels *)a, *(const struct labels *)b);
}

static struct series_set series_set_of(const struct rule_samples *samples)
{
    struct series_set s = {.n = samples->n};
    arena_init(&s.arena);
    s.v = ARENA_ARRAY(&s.arena, struct labels, samples->n);
    for (size_t i = 0; i < samples->n; i++)
        s.v[i] = labels_copy(&s.arena, samples->v[i].labels);
    if (s.n > 1)
        qsort(s.v, s.n, sizeof *s.v, compare_labels);
    return s;
}

/* What was written before and is not now gets a stale marker. */
static void end_series(struct evaluation_place *e, const struct series_set *before,
                       const struct series_set *now, struct rule_samples *out)
{
    size_t k = 0;
    for (size_t i = 0; i < before->n; i++) {
        while (k < now->n && labels_cmp(now->v[k], before->v[i]) < 0)
            k++;
        if (k == now->n || !labels_eq(now->v[k], before->v[i]))
            add_rule_sample(e, out,
                            (struct rule_sample){before->v[i], e->query_ms, stale_nan(), NULL});
    }
}

static bool write_samples(struct evaluation_place *e, struct rule_samples *samples, struct err *err)
{
    struct series_set now = series_set_of(samples);
    end_series(e, &e->rule->written, &now, samples);
    bool done = samples->n == 0 || e->world->write(e->world->self, samples->v, samples->n, err);
    if (!done) {
        series_set_release(&now);
        return false;
    }
    series_set_release(&e->rule->written);
    e->rule->written = now;
    return true;
}

/* --- One rule --- */

bool query_source(const struct evaluation_place *e, struct promql_source *out, struct err *err)
{
    const char *name = e->group->group->source;
    *out = e->world->source;
    return !name || !e->world->find_source || e->world->find_source(e->world->self, name, out, err);
}

struct promql_options query_options(const struct evaluation_place *e)
{
    struct promql_options options = e->world->options;
    if (e->world->timeout_ms > 0)
        options.deadline_mono_ns = clock_mono_ns() + e->world->timeout_ms * 1000000;
    return options;
}

static bool ask(struct evaluation_place *e, struct promql_result *result, struct err *err)
{
    const struct rule *rule = e->rule->rule;
    struct promql_options options = query_options(e);
    struct promql_source source;
    if (!query_source(e, &source, err) ||
        !promql_instant(rule->expr, &source, &options, e->query_ms, e->arena, result, err))
        return false;
    if (result->type == PROMQL_SCALAR) {
        struct sample *point = ARENA_NEW(e->arena, struct sample);
        *point = (struct sample){e->query_ms, result->scalar};
        result->series = ARENA_NEW(e->arena, struct promql_series);
        *result->series = (struct promql_series){.n = 1, .samples = point};
        result->n_series = 1;
    }
    return true;
}

static bool evaluate_rule(struct evaluation_place *e, struct err *err)
{
    struct promql_result result;
    struct rule_samples samples = {0};
    bool alerts = e->rule->rule->alerts;
    if (!ask(e, &result, err) ||
        !(alerts ? evaluate_alerts(e, result.series, result.n_series, &samples, err)
                 : record_series(e, result.series, result.n_series, &samples, err)))
        return false;
    if (alerts)
        tell_alerts(e);
    return write_samples(e, &samples, err);
}

static void note_result(struct evaluation_place *e, int64_t began_ns, bool good,
                        const struct err *err)
{
    struct rule_state *r = e->rule;
    (void)pthread_mutex_lock(&e->rules->lock);
    r->evaluated = true;
    r->evaluated_ms = e->t_ms;
    r->seconds = (double)(clock_mono_ns() - began_ns) / 1e9;
    (void)snprintf(r->error, sizeof r->error, "%s", good ? "" : err->message);
    e->rules->evaluations++;
    e->rules->failures += !good;
    (void)pthread_mutex_unlock(&e->rules->lock);
}

/* --- Groups --- */

static struct evaluation_place place_of(struct rules *r, size_t group,
                                        const struct rule_world *world, int64_t t_ms,
                                        struct arena *arena)
{
    struct group_state *g = &r->groups[group];
    return (struct evaluation_place){
        r, g, NULL, world, arena, t_ms, t_ms - g->group->query_offset_ms};
}

void rules_evaluate_at(struct rules *r, size_t group, const struct rule_world *world, int64_t t_ms,
                       struct arena *arena)
{
    struct evaluation_place e = place_of(r, group, world, t_ms, arena);
    int64_t began_ns = clock_mono_ns();
    for (size_t i = 0; i < e.group->group->n_rules; i++) {
        struct err err = ERR_INIT;
        int64_t rule_began_ns = clock_mono_ns();
        e.rule = &e.group->rules[i];
        bool good = evaluate_rule(&e, &err);
        note_result(&e, rule_began_ns, good, &err);
        arena_clear(arena);
    }
    (void)pthread_mutex_lock(&r->lock);
    e.group->evaluated_ms = t_ms;
    e.group->seconds = (double)(clock_mono_ns() - began_ns) / 1e9;
    (void)pthread_mutex_unlock(&r->lock);
}

static void restore_group(struct rules *r, size_t group, const struct rule_world *world,
                          int64_t now_ms, struct arena *arena)
{
    struct evaluation_place e = place_of(r, group, world, now_ms, arena);
    for (size_t i = 0; i < e.group->group->n_rules; i++) {
        e.rule = &e.group->rules[i];
        if (e.rule->rule->alerts)
            restore_alerts(&e);
        arena_clear(arena);
    }
    e.group->waits_for_restore = false;
}

/* --- The plan: each group at its own offset, so that they spread over the interval --- */

static uint64_t group_hash(const struct rule_group *g)
{
    struct label pair[] = {{STR("file"), str_from(g->file)}, {STR("name"), str_from(g->name)}};
    return labels_hash((struct labels){2, pair});
}

/* The first time from now_ms on that is the group's. */
static int64_t first_due(const struct rule_group *g, int64_t now_ms)
{
    int64_t offset = (int64_t)(group_hash(g) % (uint64_t)g->interval_ms);
    int64_t due_ms = now_ms - now_ms % g->interval_ms + offset;
    return due_ms >= now_ms ? due_ms : due_ms + g->interval_ms;
}

int64_t rules_next(const struct rules *r, size_t *group)
{
    int64_t next_ms = INT64_MAX;
    for (size_t i = 0; i < r->n; i++) {
        if (r->groups[i].due_ms < next_ms) {
            next_ms = r->groups[i].due_ms;
            *group = i;
        }
    }
    return next_ms;
}

static void plan_next(struct rules *r, struct group_state *g, int64_t now_ms)
{
    int64_t interval_ms = g->group->interval_ms, late_ms = now_ms - g->due_ms;
    (void)pthread_mutex_lock(&r->lock);
    if (late_ms < -interval_ms) { /* the clock was set back */
        g->due_ms = first_due(g->group, now_ms);
    } else {
        int64_t missed = late_ms > 0 ? late_ms / interval_ms : 0;
        g->due_ms += (missed + 1) * interval_ms;
        g->missed += (uint64_t)missed;
        r->missed += (uint64_t)missed;
    }
    (void)pthread_mutex_unlock(&r->lock);
}

void rules_evaluate(struct rules *r, size_t group, const struct rule_world *world, int64_t now_ms,
                    struct arena *arena)
{
    struct group_state *g = &r->groups[group];
    int64_t interval_ms = g->group->interval_ms;
    /* Very late: at the newest of its times that has passed. */
    int64_t passed = now_ms > g->due_ms ? (now_ms - g->due_ms) / interval_ms : 0;
    int64_t t_ms = g->due_ms + passed * interval_ms;
    if (g->waits_for_restore && g->evaluated_ms != 0)
        restore_group(r, group, world, now_ms, arena);
    rules_evaluate_at(r, group, world, t_ms, arena);
    plan_next(r, g, now_ms);
}

/* --- Taking other rules --- */

static void rule_state_release(struct rule_state *s)
{
    while (s->alerts) {
        struct active_alert *next = s->alerts->next;
        active_alert_free(s->alerts);
        s->alerts = next;
    }
    series_set_release(&s->written);
}

void group_state_release(struct group_state *g)
{
    for (size_t i = 0; g->rules && i < g->group->n_rules; i++)
        rule_state_release(&g->rules[i]);
    free(g->rules);
    g->rules = NULL;
}

void group_state_init(struct group_state *g, const struct rule_group *group)
{
    *g = (struct group_state){.group = group};
    g->rules = calloc(group->n_rules + 1, sizeof *g->rules);
    if (!g->rules)
        check_no_memory(group->n_rules * sizeof *g->rules);
    for (size_t i = 0; i < group->n_rules; i++) {
        g->rules[i].rule = &group->rules[i];
        arena_init(&g->rules[i].written.arena);
    }
}

/* As Prometheus: the same name and labels are the same rule, whatever its query says now. */
static bool same_rule(const struct rule *a, const struct rule *b)
{
    if (a->alerts != b->alerts || strcmp(a->name, b->name) != 0 || a->n_labels != b->n_labels)
        return false;
    for (size_t i = 0; i < a->n_labels; i++) {
        if (!str_eq(a->labels[i].name, b->labels[i].name) ||
            !str_eq(a->labels[i].text, b->labels[i].text))
            return false;
    }
    return true;
}

static void carry_over(struct group_state *to, struct group_state *from)
{
    for (size_t i = 0; i < to->group->n_rules; i++) {
        struct rule_state *rule = &to->rules[i];
        for (size_t k = 0; k < from->group->n_rules; k++) {
            struct rule_state *old = &from->rules[k];
            if (!old->rule || !same_rule(rule->rule, old->rule))
                continue;
            const struct rule *now = rule->rule;
            *rule = *old;
            rule->rule = now;
            *old = (struct rule_state){.rule = NULL}; /* taken */
            break;
        }
    }
    to->evaluated_ms = from->evaluated_ms;
    to->seconds = from->seconds;
    to->missed = from->missed;
    to->waits_for_restore = from->waits_for_restore;
    if (to->group->interval_ms == from->group->interval_ms)
        to->due_ms = from->due_ms;
}

static struct group_state *find_group(struct group_state *groups, size_t n,
                                      const struct rule_group *g)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(groups[i].group->name, g->name) == 0 &&
            strcmp(groups[i].group->file, g->file) == 0)
            return &groups[i];
    }
    return NULL;
}

/* Series of rules that went end now. */
static void end_group(struct group_state *g, const struct rule_world *world, int64_t now_ms)
{
    struct arena arena = ARENA_INIT;
    struct evaluation_place e = {
        .world = world, .arena = &arena, .query_ms = now_ms - g->group->query_offset_ms};
    struct rule_samples samples = {0};
    struct series_set none = {.n = 0};
    struct err err = ERR_INIT;
    for (size_t i = 0; i < g->group->n_rules; i++)
        end_series(&e, &g->rules[i].written, &none, &samples);
    if (samples.n > 0)
        (void)world->write(world->self, samples.v, samples.n, &err);
    arena_release(&arena);
}

void rules_apply(struct rules *r, const struct rule_group *groups, size_t n,
                 const struct rule_world *world, bool restore, int64_t now_ms)
{
    struct group_state *next = calloc(n + 1, sizeof *next), *old;
    size_t n_old;
    if (!next)
        check_no_memory(n * sizeof *next);
    (void)pthread_mutex_lock(&r->lock);
    old = r->groups;
    n_old = r->n;
    for (size_t i = 0; i < n; i++) {
        group_state_init(&next[i], &groups[i]);
        struct group_state *before = find_group(old, n_old, &groups[i]);
        next[i].waits_for_restore = restore && !before;
        if (before)
            carry_over(&next[i], before);
        for (size_t k = 0; k < groups[i].n_rules; k++)
            next[i].rules[k].restored |= !next[i].waits_for_restore;
        if (next[i].due_ms == 0)
            next[i].due_ms = first_due(&groups[i], now_ms);
    }
    r->groups = next;
    r->n = n;
    arena_release(&r->texts);
    arena_init(&r->texts);
    r->external_url = arena_strdup(&r->texts, world->external_url ? world->external_url : "");
    (void)pthread_mutex_unlock(&r->lock);
    for (size_t i = 0; i < n_old; i++) {
        end_group(&old[i], world, now_ms);
        group_state_release(&old[i]);
    }
    free(old);
}

struct rules *rules_new(void)
{
    struct rules *r = calloc(1, sizeof *r);
    if (!r)
        check_no_memory(sizeof *r);
    (void)pthread_mutex_init(&r->lock, NULL);
    arena_init(&r->texts);
    return r;
}

void rules_free(struct rules *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->n; i++)
        group_state_release(&r->groups[i]);
    free(r->groups);
    arena_release(&r->texts);
    (void)pthread_mutex_destroy(&r->lock);
    free(r);
}

size_t rules_count(const struct rules *r)
{
    return r->n;
}
