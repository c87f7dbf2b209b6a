/* info(v, selector): the labels of info metrics, as target_info, on the series of the same target.
 * A target is told by its labels instance and job. The selector's matchers say which info metrics
 * (by __name__; target_info if nothing is said) and which of their labels. */
#include "promql/functions.h"
#include "promql/labelset.h"

static const struct str target_labels[] = {{"instance", 8}, {"job", 3}};
static const struct names target_names = {target_labels, 2};

/* The columns of one info metric for one target; each column holds the times of its samples. */
struct source {
    struct str metric;
    size_t *columns;
    size_t n, capacity;
};

/* All info metrics of one target. */
struct target {
    struct source *sources;
    size_t n, capacity;
};

struct info {
    struct evaluation *e;
    const struct promql_expr *selector; /* NULL: none was given */
    struct matcher *matchers;           /* of the info series */
    size_t n_matchers;
    bool wants_labels; /* only labels that the selector names */
    bool must_match;   /* series without these labels go */
    bool has_positive; /* info metrics were named */
    struct columns series;
    struct label_key key;
    struct label_index index;
    struct target *targets;
    size_t target_capacity;
    struct merger out;
};

/* --- Which info series --- */

static bool add_name_matcher(struct info *info, enum match_type type, const char *value,
                             struct err *err)
{
    return matcher_init(&info->matchers[info->n_matchers++], info->e->arena, type, STR(LABEL_NAME),
                        str_from(value), err);
}

/* The selector's matchers, and a positive one for the name if there is none. */
static bool make_matchers(struct info *info, struct err *err)
{
    size_t n = info->selector ? info->selector->n_matchers : 0;
    bool named = false;
    info->matchers = ARENA_ARRAY(info->e->arena, struct matcher, n + 1);
    for (size_t i = 0; i < n; i++) {
        const struct matcher *m = &info->selector->matchers[i];
        info->matchers[info->n_matchers++] = *m;
        if (str_is(m->name, LABEL_NAME)) {
            named = true;
            info->has_positive |= m->type == MATCH_EQUAL || m->type == MATCH_REGEX;
        } else {
            info->wants_labels = true;
            info->must_match |= !matcher_matches(m, STR(""));
        }
    }
    if (info->has_positive)
        return true;
    return named ? add_name_matcher(info, MATCH_REGEX, ".+_info", err)
                 : add_name_matcher(info, MATCH_EQUAL, "target_info", err);
}

/* An info metric is not enriched by itself. */
static bool is_info_metric(const struct info *info, struct labels labels)
{
    for (size_t i = 0; i < info->n_matchers; i++) {
        const struct matcher *m = &info->matchers[i];
        if (str_is(m->name, LABEL_NAME) && !matcher_matches(m, labels_get(labels, LABEL_NAME)))
            return false;
    }
    return true;
}

/* The first selector below: info series are looked up at its times. */
static const struct promql_expr *first_selector(const struct promql_expr *e)
{
    if (e->kind == NODE_SELECTOR)
        return e;
    for (size_t i = 0; i < e->n_args; i++) {
        const struct promql_expr *found = first_selector(e->args[i]);
        if (found)
            return found;
    }
    return NULL;
}

struct collector {
    struct sink sink;
    struct info *info;
    size_t capacity;
};

static bool collect(struct sink *sink, struct column *column, struct err *err)
{
    struct collector *c = (struct collector *)sink;
    struct columns *to = &c->info->series;
    to->v = arena_grow(c->info->e->arena, to->v, to->n, &c->capacity, sizeof *to->v);
    return column_keep(c->info->e, &to->v[to->n++], column, err);
}

static bool select_info(struct info *info, const struct promql_expr *base, struct err *err)
{
    struct collector c = {{collect}, info, 0};
    struct promql_expr selector = {.kind = NODE_SELECTOR, .type = PROMQL_VECTOR};
    const struct promql_expr *like = first_selector(base);
    if (like) {
        selector.offset = like->offset;
        selector.at = like->at;
        selector.at_ms = like->at_ms;
    }
    selector.matchers = info->matchers;
    selector.n_matchers = info->n_matchers;
    return eval_selector(info->e, &selector, SELECT_TIMES, &c.sink, err);
}

/* --- By target --- */

static struct target *target_of(struct info *info, struct labels labels, bool make)
{
    struct labels key = label_key_of(&info->key, labels);
    size_t at = label_index_find(&info->index, key);
    bool added;
    if (at != SIZE_MAX)
        return &info->targets[at];
    if (!make)
        return NULL;
    at = label_index_put(&info->index, labels_keep_copy(info->e->arena, key), &added);
    info->targets = arena_grow(info->e->arena, info->targets, at, &info->target_capacity,
                               sizeof *info->targets);
    info->targets[at] = (struct target){0};
    return &info->targets[at];
}

static void add_source(struct info *info, size_t column)
{
    struct arena *arena = info->e->arena;
    struct target *t = target_of(info, info->series.v[column].labels, true);
    struct str metric = labels_get(info->series.v[column].labels, LABEL_NAME);
    size_t i = 0;
    while (i < t->n && !str_eq(t->sources[i].metric, metric))
        i++;
    if (i == t->n) {
        t->sources = arena_grow(arena, t->sources, t->n, &t->capacity, sizeof *t->sources);
        t->sources[t->n++] = (struct source){.metric = metric};
    }
    struct source *s = &t->sources[i];
    s->columns = arena_grow(arena, s->columns, s->n, &s->capacity, sizeof *s->columns);
    s->columns[s->n++] = column;
}

/* --- Enriching --- */

#define NO_COLUMN SIZE_MAX

/* Of info series that overlap the one with the newest sample. */
static bool newest(const struct info *info, const struct source *s, size_t step, size_t *out,
                   struct err *err)
{
    double newest_time = 0;
    bool tie = false;
    *out = NO_COLUMN;
    for (size_t i = 0; i < s->n; i++) {
        double t = info->series.v[s->columns[i]].v[step];
        if (is_absent(t))
            continue;
        if (*out == NO_COLUMN || t > newest_time) {
            *out = s->columns[i];
            newest_time = t;
            tie = false;
        } else {
            tie |= t == newest_time;
        }
    }
    return !tie || err_set(err, ERR_CONFLICT,
                           "found duplicate series for info metric \"" STR_FMT "\" at one time",
                           STR_ARG(s->metric));
}

static bool is_wanted(const struct info *info, struct str name)
{
    if (str_is(name, LABEL_NAME) || str_is(name, "instance") || str_is(name, "job"))
        return false;
    for (size_t i = 0; i < info->n_matchers; i++) {
        if (str_eq(info->matchers[i].name, name))
            return true;
    }
    return !info->wants_labels;
}

/* Labels that the series has itself stay; two info metrics must not disagree. */
static bool add_labels(const struct info *info, struct labels base, struct labels from,
                       struct labels_builder *b, struct err *err)
{
    for (size_t i = 0; i < from.n; i++) {
        const struct label *l = &from.v[i];
        if (!is_wanted(info, l->name) || labels_get_str(base, l->name).n > 0)
            continue;
        struct str have = labels_builder_get(b, l->name);
        if (have.n > 0 && !str_eq(have, l->value))
            return err_set(err, ERR_CONFLICT,
                           "conflicting label \"" STR_FMT "\" in info metrics: \"" STR_FMT
                           "\" and \"" STR_FMT "\"",
                           STR_ARG(l->name), STR_ARG(have), STR_ARG(l->value));
        labels_builder_set(b, l->name, l->value);
    }
    return true;
}

/* Put the steps [from, to) of a column under the labels that its info series give it then. */
static bool put_run(struct info *info, const struct column *base, const size_t *chosen,
                    size_t n_chosen, size_t from, size_t to, double *scratch, struct err *err)
{
    struct labels_builder b;
    bool any = false;
    labels_builder_from(&b, info->e->arena, base->labels);
    for (size_t i = 0; i < n_chosen; i++) {
        any |= chosen[i] != NO_COLUMN;
        if (chosen[i] != NO_COLUMN &&
            !add_labels(info, base->labels, info->series.v[chosen[i]].labels, &b, err))
            return false;
    }
    if (!any && info->must_match)
        return true;
    fill_absent(scratch, info->e->n_steps);
    memcpy(scratch + from, base->v + from, (to - from) * sizeof *scratch);
    struct column column = {.labels = labels_build(&b),
                            .drop_name = base->drop_name,
                            .v = scratch,
                            .lasting = base->lasting};
    if (base->h && !new_histograms(info->e, &column.h, err))
        return false;
    if (base->h)
        memcpy(column.h + from, base->h + from, (to - from) * sizeof *column.h);
    return merger_put_unique(&info->out, &column, VALUES_COPIED, err);
}

/* Runs of steps with the same info series go together. */
static bool enrich(struct info *info, const struct column *base, const struct target *t,
                   double *scratch, struct err *err)
{
    size_t n = t ? t->n : 0, start = 0, steps = info->e->n_steps;
    size_t *now = ARENA_ARRAY(info->e->arena, size_t, n);
    size_t *next = ARENA_ARRAY(info->e->arena, size_t, n);
    for (size_t i = 0; i < steps; i++) {
        for (size_t k = 0; k < n; k++) {
            if (!newest(info, &t->sources[k], i, &next[k], err))
                return false;
        }
        if (i > 0 && n > 0 && memcmp(now, next, n * sizeof *now) != 0) {
            if (!put_run(info, base, now, n, start, i, scratch, err))
                return false;
            start = i;
        }
        if (n > 0)
            memcpy(now, next, n * sizeof *now);
        if (!spend(info->e->query, n, err))
            return false;
    }
    return put_run(info, base, now, n, start, steps, scratch, err);
}

bool call_info(struct evaluation *e, const struct promql_expr *expr, struct sink *sink,
               struct err *err)
{
    struct info info = {.e = e, .selector = expr->n_args > 1 ? expr->args[1] : NULL};
    struct columns base;
    double *scratch;
    label_key_init(&info.key, e->arena, &target_names, true);
    label_index_init(&info.index, e->arena);
    merger_init(&info.out, e);
    if (!make_matchers(&info, err) || !eval_columns(e, expr->args[0], &base, err) ||
        !select_info(&info, expr->args[0], err) || !new_values(e, &scratch, err))
        return false;
    for (size_t i = 0; i < info.series.n; i++)
        add_source(&info, i);
    for (size_t i = 0; i < base.n; i++) {
        const struct column *c = &base.v[i];
        bool itself = is_info_metric(&info, c->labels);
        bool placed = label_key_of(&info.key, c->labels).n > 0;
        if (itself) {
            if (!merger_put_unique(&info.out, c, VALUES_COPIED, err))
                return false;
        } else if (!enrich(&info, c, placed ? target_of(&info, c->labels, false) : NULL, scratch,
                           err)) {
            return false;
        }
    }
    return merger_drain(&info.out, sink, err);
}
