/* Rules and alerts as Prometheus's API shows them (prometheus.io/docs, "HTTP API"). */
#include "rules/internal.h"

#include "base/clock.h"
#include "base/num.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>

/* --- Parts --- */

static void put_time(struct json_writer *w, const char *key, int64_t ms)
{
    struct buf text = BUF_INIT;
    json_key(w, key);
    if (ms == 0) {
        json_put_cstr(w, "0001-01-01T00:00:00Z"); /* Go's zero time: never */
        return;
    }
    clock_format_ms(&text, ms);
    json_put_str(w, buf_str(&text));
    buf_release(&text);
}

static void put_seconds(struct json_writer *w, const char *key, double seconds)
{
    json_key(w, key);
    json_put_double(w, seconds);
}

static void put_label_map(struct json_writer *w, const char *key, struct labels labels)
{
    json_key(w, key);
    json_open_object(w);
    for (size_t i = 0; i < labels.n; i++) {
        json_key_str(w, labels.v[i].name);
        json_put_str(w, labels.v[i].value);
    }
    json_close_object(w);
}

static void put_texts(struct json_writer *w, const char *key, const struct rule_text *v, size_t n)
{
    json_key(w, key);
    json_open_object(w);
    for (size_t i = 0; i < n; i++) {
        json_key_str(w, v[i].name);
        json_put_str(w, v[i].text);
    }
    json_close_object(w);
}

/* 1.5e+00, with the fewest digits that give the value again. */
static void put_value(struct json_writer *w, double v)
{
    char text[40] = "NaN";
    int precision = 0;
    if (isinf(v))
        (void)snprintf(text, sizeof text, "%s", v > 0 ? "+Inf" : "-Inf");
    while (isfinite(v)) {
        (void)snprintf(text, sizeof text, "%.*e", precision, v);
        if (strtod(text, NULL) == v || precision++ >= 16)
            break;
    }
    json_key(w, "value");
    json_put_cstr(w, text);
}

static const char *state_text(enum alert_state state)
{
    static const char *const names[] = {
#define X(code, name) name,
        ALERT_STATES(X)
#undef X
    };
    return names[state];
}

static void put_alert(struct json_writer *w, const struct active_alert *a)
{
    json_open_object(w);
    put_label_map(w, "labels", a->labels);
    put_label_map(w, "annotations", a->annotations);
    json_key(w, "state");
    json_put_cstr(w, state_text(a->state));
    put_time(w, "activeAt", a->active_ms);
    if (a->keep_firing_since_ms)
        put_time(w, "keepFiringSince", a->keep_firing_since_ms);
    put_value(w, a->v);
    json_close_object(w);
}

static void put_alerts(struct json_writer *w, const struct rule_state *r)
{
    for (const struct active_alert *a = r->alerts; a; a = a->next) {
        if (a->state != ALERT_INACTIVE)
            put_alert(w, a);
    }
}

static enum alert_state state_of(const struct rule_state *r)
{
    enum alert_state most = ALERT_INACTIVE;
    for (const struct active_alert *a = r->alerts; a; a = a->next)
        most = a->state > most ? a->state : most;
    return most;
}

static void put_health(struct json_writer *w, const struct rule_state *r)
{
    json_key(w, "health");
    json_put_cstr(w, !r->evaluated ? "unknown" : r->error[0] ? "err" : "ok");
    if (r->error[0]) {
        json_key(w, "lastError");
        json_put_cstr(w, r->error);
    }
    put_seconds(w, "evaluationTime", r->seconds);
    put_time(w, "lastEvaluation", r->evaluated_ms);
}

static void put_rule(struct json_writer *w, const struct rule_state *r, bool exclude_alerts)
{
    const struct rule *rule = r->rule;
    json_open_object(w);
    if (rule->alerts) {
        json_key(w, "state");
        json_put_cstr(w, state_text(state_of(r)));
    }
    json_key(w, "name");
    json_put_cstr(w, rule->name);
    json_key(w, "query");
    json_put_cstr(w, rule->query);
    if (rule->alerts) {
        put_seconds(w, "duration", (double)rule->for_ms / 1000);
        put_seconds(w, "keepFiringFor", (double)rule->keep_firing_ms / 1000);
    }
    if (rule->alerts || rule->n_labels > 0)
        put_texts(w, "labels", rule->labels, rule->n_labels);
    if (rule->alerts) {
        put_texts(w, "annotations", rule->annotations, rule->n_annotations);
        json_key(w, "alerts");
        json_open_array(w);
        if (!exclude_alerts)
            put_alerts(w, r);
        json_close_array(w);
    }
    put_health(w, r);
    json_key(w, "type");
    json_put_cstr(w, rule->alerts ? "alerting" : "recording");
    json_close_object(w);
}

/* --- Choosing --- */

static bool listed(const char *word, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(word, list[i]) == 0)
            return true;
    }
    return n == 0;
}

/* The labels of the rule as written; those with templates have none to be matched. */
static bool labels_match(const struct rule *rule, const struct rule_filter *f)
{
    for (size_t s = 0; s < f->n_matcher_sets; s++) {
        bool good = true;
        for (size_t i = 0; good && i < f->n_matchers[s]; i++) {
            const struct matcher *m = &f->matchers[s][i];
            struct str value = {"", 0};
            for (size_t k = 0; k < rule->n_labels; k++) {
                if (str_eq(rule->labels[k].name, m->name))
                    value = rule->labels[k].text;
            }
            good = !memmem(value.p, value.n, "{{", 2) && matcher_matches(m, value);
        }
        if (good)
            return true;
    }
    return f->n_matcher_sets == 0;
}

static bool is_wanted(const struct rule *rule, const struct rule_filter *f)
{
    bool kind = f->kinds == RULES_ALL || rule->alerts == (f->kinds == RULES_ALERTING);
    return kind && listed(rule->name, f->names, f->n_names) && labels_match(rule, f);
}

static size_t count_wanted(const struct group_state *g, const struct rule_filter *f)
{
    size_t n = 0;
    if (!listed(g->group->name, f->groups, f->n_groups) ||
        !listed(g->group->file, f->files, f->n_files))
        return 0;
    for (size_t i = 0; i < g->group->n_rules; i++)
        n += is_wanted(g->rules[i].rule, f);
    return n;
}

static bool narrows(const struct rule_filter *f)
{
    return f->kinds != RULES_ALL || f->n_names || f->n_groups || f->n_files || f->n_matcher_sets;
}

static void put_group(struct json_writer *w, const struct group_state *g,
                      const struct rule_filter *f)
{
    json_open_object(w);
    json_key(w, "name");
    json_put_cstr(w, g->group->name);
    json_key(w, "file");
    json_put_cstr(w, g->group->file);
    json_key(w, "rules");
    json_open_array(w);
    for (size_t i = 0; i < g->group->n_rules; i++) {
        if (is_wanted(g->rules[i].rule, f))
            put_rule(w, &g->rules[i], f->exclude_alerts);
    }
    json_close_array(w);
    put_seconds(w, "interval", (double)g->group->interval_ms / 1000);
    json_key(w, "limit");
    json_put_i64(w, g->group->limit);
    put_seconds(w, "evaluationTime", g->seconds);
    put_time(w, "lastEvaluation", g->evaluated_ms);
    json_close_object(w);
}

static int compare_groups(const void *a, const void *b)
{
    const struct rule_group *x = (*(const struct group_state *const *)a)->group;
    const struct rule_group *y = (*(const struct group_state *const *)b)->group;
    int order = strcmp(x->file, y->file);
    return order ? order : strcmp(x->name, y->name);
}

/* Where a page begins: the group that the page before did not reach. */
static void next_token(const struct rule_group *g, char out[17])
{
    struct label pair[] = {{STR("file"), str_from(g->file)}, {STR("name"), str_from(g->name)}};
    (void)snprintf(out, 17, "%016llx", (unsigned long long)labels_hash((struct labels){2, pair}));
}

static bool find_page(const struct group_state *const *sorted, size_t n,
                      const struct rule_filter *f, size_t *from, struct err *err)
{
    char token[17];
    *from = 0;
    if (!f->group_next_token)
        return true;
    if (f->group_limit == 0)
        return err_set(err, ERR_BAD_INPUT,
                       "group_limit needs to be present in order to paginate over the groups");
    for (; *from < n; ++*from) {
        next_token(sorted[*from]->group, token);
        if (strcmp(token, f->group_next_token) == 0)
            return true;
    }
    return err_set(err, ERR_BAD_INPUT,
                   "invalid group_next_token '%.40s'. were rule groups changed?",
                   f->group_next_token);
}

bool rules_view(struct rules *r, const struct rule_filter *f, struct json_writer *w,
                struct err *err)
{
    struct arena arena = ARENA_INIT;
    char token[17] = "";
    size_t from;
    (void)pthread_mutex_lock(&r->lock);
    const struct group_state **sorted = ARENA_ARRAY(&arena, const struct group_state *, r->n);
    for (size_t i = 0; i < r->n; i++)
        sorted[i] = &r->groups[i];
    if (r->n > 1)
        qsort(sorted, r->n, sizeof *sorted, compare_groups);
    bool good = find_page(sorted, r->n, f, &from, err);
    if (good) {
        uint64_t shown = 0;
        json_open_object(w);
        json_key(w, "groups");
        json_open_array(w);
        for (size_t i = from; i < r->n && !token[0]; i++) {
            if (count_wanted(sorted[i], f) == 0 && narrows(f))
                continue;
            if (f->group_limit > 0 && shown == f->group_limit)
                next_token(sorted[i]->group, token);
            else
                put_group(w, sorted[i], f);
            shown++;
        }
        json_close_array(w);
        if (token[0]) {
            json_key(w, "groupNextToken");
            json_put_cstr(w, token);
        }
        json_close_object(w);
    }
    (void)pthread_mutex_unlock(&r->lock);
    arena_release(&arena);
    return good;
}

void rules_alerts_view(struct rules *r, struct json_writer *w)
{
    json_open_object(w);
    json_key(w, "alerts");
    json_open_array(w);
    (void)pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < r->n; i++) {
        for (size_t k = 0; k < r->groups[i].group->n_rules; k++)
            put_alerts(w, &r->groups[i].rules[k]);
    }
    (void)pthread_mutex_unlock(&r->lock);
    json_close_array(w);
    json_close_object(w);
}

/* --- For tests of rules, and the program's own metrics --- */

void rules_firing(struct rules *r, const char *alertname, struct arena *arena, struct alert **out,
                  size_t *n)
{
    size_t capacity = 0;
    *out = NULL;
    *n = 0;
    (void)pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < r->n; i++) {
        for (size_t k = 0; k < r->groups[i].group->n_rules; k++) {
            const struct rule_state *rule = &r->groups[i].rules[k];
            if (!rule->rule->alerts || strcmp(rule->rule->name, alertname) != 0)
                continue;
            for (const struct active_alert *a = rule->alerts; a; a = a->next) {
                if (a->state != ALERT_FIRING)
                    continue;
                *out = arena_grow(arena, *out, *n, &capacity, sizeof **out);
                (*out)[(*n)++] = (struct alert){.labels = labels_copy(arena, a->labels),
                                                .annotations = labels_copy(arena, a->annotations)};
            }
        }
    }
    (void)pthread_mutex_unlock(&r->lock);
}

const char *rules_first_error(struct rules *r, struct arena *arena)
{
    const char *text = NULL;
    (void)pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < r->n && !text; i++) {
        const struct group_state *g = &r->groups[i];
        for (size_t k = 0; k < g->group->n_rules && !text; k++) {
            if (g->rules[k].error[0])
                text = arena_printf(arena, "rule '%s' of group '%s': %s", g->rules[k].rule->name,
                                    g->group->name, g->rules[k].error);
        }
    }
    (void)pthread_mutex_unlock(&r->lock);
    return text;
}

void rules_stats(struct rules *r, struct rules_stats *out)
{
    (void)pthread_mutex_lock(&r->lock);
    *out = (struct rules_stats){.groups = r->n,
                                .evaluations = r->evaluations,
                                .failures = r->failures,
                                .missed = r->missed};
    for (size_t i = 0; i < r->n; i++) {
        const struct group_state *g = &r->groups[i];
        out->rules += g->group->n_rules;
        out->last_seconds += g->seconds;
        for (size_t k = 0; k < g->group->n_rules; k++) {
            for (const struct active_alert *a = g->rules[k].alerts; a; a = a->next) {
                out->alerts_firing += a->state == ALERT_FIRING;
                out->alerts_pending += a->state == ALERT_PENDING;
            }
        }
    }
    (void)pthread_mutex_unlock(&r->lock);
}
