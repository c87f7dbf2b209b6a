/* Points: the samples of one label set at one time, judged by their type. Labels that tell a
 * point's samples apart (le, quantile, the state) are no part of its label set. */
#include "ingest/exposition.h"
#include "ingest/exposition_check.h"

#include <math.h>
#include <stdlib.h>

#define MAX_EXEMPLAR_CHARACTERS 128
#define MILLISECONDS_FROM 1e11 /* as seconds: the year 5138 */

static const struct checked_label *label_of(const struct checked_sample *s, struct str name)
{
    for (size_t i = 0; i < s->n_labels; i++) {
        if (str_eq(s->labels[i].name, name))
            return &s->labels[i];
    }
    return NULL;
}

/* The label that tells a sample from others of its point; n == 0 when there is none. */
static struct str inner_label(const struct checked_family *f, enum metric_suffix suffix)
{
    if (suffix == SUFFIX_BUCKET)
        return STR("le");
    if (suffix == SUFFIX_NONE && f->type == METRIC_SUMMARY)
        return STR("quantile");
    return f->type == METRIC_STATESET ? f->name : STR("");
}

static int compare_labels(const void *left, const void *right)
{
    const struct checked_label *a = left, *b = right;
    return str_cmp(a->name, b->name);
}

/* name="value",... in order, without empty values and without `except`. */
static struct str label_text(struct checker *c, const struct checked_sample *s, struct str except)
{
    struct buf text = BUF_INIT;
    struct checked_label *v = ARENA_ARRAY(&c->arena, struct checked_label, s->n_labels);
    if (s->n_labels > 0)
        memcpy(v, s->labels, s->n_labels * sizeof *v);
    qsort(v, s->n_labels, sizeof *v, compare_labels);
    for (size_t i = 0; i < s->n_labels; i++) {
        if (v[i].value.n == 0 || (except.n > 0 && str_eq(v[i].name, except)))
            continue;
        buf_printf(&text, "%s" STR_FMT "=\"" STR_FMT "\"", text.n ? "," : "", STR_ARG(v[i].name),
                   STR_ARG(v[i].value));
    }
    struct str out = arena_str(&c->arena, buf_str(&text));
    buf_release(&text);
    return out;
}

/* --- One sample --- */

static const char *number_text(struct checker *c, const struct checked_number *n)
{
    return arena_cstr(&c->arena, n->text);
}

/* Counts and sums of counters: not NaN, not negative; `whole` ones are integers. */
static void check_count(struct checker *c, const struct checked_sample *s, bool whole)
{
    double v = s->value.v;
    const char *text = number_text(c, &s->value), *at = s->value.text.p;
    if (isnan(v) || v < 0)
        check_error(c, at, "'" STR_FMT "' is %s; it must be neither NaN nor negative",
                    STR_ARG(s->name), text);
    else if (whole && (isinf(v) || v != floor(v)))
        check_error(c, at, "'" STR_FMT "' is %s; it must be a whole number", STR_ARG(s->name),
                    text);
}

static void check_created(struct checker *c, const struct checked_sample *s)
{
    if (!isfinite(s->value.v))
        check_error(c, s->value.text.p, "'" STR_FMT "' is %s; it is a time in seconds",
                    STR_ARG(s->name), number_text(c, &s->value));
    else if (s->value.v > MILLISECONDS_FROM)
        check_warning(c, s->value.text.p, "'" STR_FMT "' looks like milliseconds; it is in seconds",
                      STR_ARG(s->name));
}

static void check_value(struct checker *c, const struct checked_family *f,
                        enum metric_suffix suffix, const struct checked_sample *s)
{
    bool openmetrics = check_is_openmetrics(c);
    double v = s->value.v;
    switch (suffix) {
    case SUFFIX_TOTAL:
        check_count(c, s, false);
        return;
    case SUFFIX_BUCKET:
    case SUFFIX_COUNT:
    case SUFFIX_GCOUNT:
        check_count(c, s, openmetrics);
        return;
    case SUFFIX_SUM:
        if (openmetrics)
            check_count(c, s, false);
        return;
    case SUFFIX_GSUM:
        if (isnan(v))
            check_error(c, s->value.text.p, "'" STR_FMT "' must not be NaN", STR_ARG(s->name));
        return;
    case SUFFIX_CREATED:
        check_created(c, s);
        return;
    case SUFFIX_INFO:
        if (v != 1)
            check_error(c, s->value.text.p, "an info is always 1, this one is %s",
                        number_text(c, &s->value));
        return;
    case SUFFIX_NONE:
        if (f->type == METRIC_COUNTER)
            check_count(c, s, false);
        else if (f->type == METRIC_STATESET && v != 0 && v != 1)
            check_error(c, s->value.text.p, "a state is 0 or 1, this one is %s",
                        number_text(c, &s->value));
        else if (f->type == METRIC_SUMMARY && openmetrics && v < 0)
            check_error(c, s->value.text.p, "a quantile's value must not be negative, it is %s",
                        number_text(c, &s->value));
        return;
    case N_SUFFIXES:
        break;
    }
    CHECK(false);
}

static void check_exemplar(struct checker *c, enum metric_suffix suffix, double le,
                           const struct checked_sample *s)
{
    size_t characters = 0;
    if (!s->has_exemplar)
        return;
    if (suffix != SUFFIX_TOTAL && suffix != SUFFIX_BUCKET) {
        check_error(c, s->exemplar_at,
                    "'" STR_FMT "' cannot have an exemplar; counters' totals and buckets can",
                    STR_ARG(s->name));
        return;
    }
    for (size_t i = 0; i < s->n_exemplar_labels; i++) {
        struct str both[] = {s->exemplar_labels[i].name, s->exemplar_labels[i].value};
        for (size_t k = 0; k < 2; k++) {
            for (size_t j = 0; j < both[k].n; j++)
                characters += ((unsigned char)both[k].p[j] & 0xc0) != 0x80;
        }
    }
    if (characters > MAX_EXEMPLAR_CHARACTERS)
        check_error(c, s->exemplar_at, "the exemplar's labels have %zu characters, %d are allowed",
                    characters, MAX_EXEMPLAR_CHARACTERS);
    if (suffix == SUFFIX_BUCKET && s->exemplar_value.v > le)
        check_error(c, s->exemplar_value.text.p,
                    "the exemplar's value %s lies above its bucket's le",
                    number_text(c, &s->exemplar_value));
}

/* --- le and quantile --- */

static bool take_inner_number(struct checker *c, const struct checked_label *l, double *v)
{
    if (!check_parse_number(l->value, v) || isnan(*v))
        return check_error(c, l->value_at, STR_FMT " is '" STR_FMT "'; it must be a number",
                           STR_ARG(l->name), STR_ARG(l->value));
    if (isinf(*v) && *v > 0 && !str_is(l->value, "+Inf"))
        return check_error(c, l->value_at, STR_FMT " is '" STR_FMT "'; infinity is written +Inf",
                           STR_ARG(l->name), STR_ARG(l->value));
    struct str canonical = exposition_bound(&c->arena, *v);
    if (check_is_openmetrics(c) && !str_eq(l->value, canonical))
        check_warning(c, l->value_at,
                      STR_FMT " is '" STR_FMT "'; its canonical form is '" STR_FMT "'",
                      STR_ARG(l->name), STR_ARG(l->value), STR_ARG(canonical));
    return true;
}

/* The label that the sample must have, if any, and must not have. *le is that of a bucket. */
static bool check_inner(struct checker *c, const struct checked_family *f,
                        enum metric_suffix suffix, const struct checked_sample *s, double *le)
{
    struct str name = inner_label(f, suffix);
    const struct checked_label *l = name.n > 0 ? label_of(s, name) : NULL;
    bool histogram = f->type == METRIC_HISTOGRAM || f->type == METRIC_GAUGE_HISTOGRAM;
    *le = (double)INFINITY;
    if (name.n > 0 && (!l || l->value.n == 0))
        return check_error(c, s->at, "'" STR_FMT "' has no label '" STR_FMT "'", STR_ARG(s->name),
                           STR_ARG(name));
    const struct checked_label *stray = label_of(s, histogram ? STR("le") : STR("quantile"));
    if (stray && stray != l && (histogram || f->type == METRIC_SUMMARY))
        return check_error(c, stray->name_at, "'" STR_FMT "' must have no label '" STR_FMT "'",
                           STR_ARG(s->name), STR_ARG(stray->name));
    if (suffix == SUFFIX_BUCKET)
        return take_inner_number(c, l, le);
    double quantile;
    if (!l || f->type == METRIC_STATESET)
        return true;
    if (!take_inner_number(c, l, &quantile))
        return false;
    return (quantile >= 0 && quantile <= 1) ||
           check_error(c, l->value_at, "quantile is '" STR_FMT "'; it lies between 0 and 1",
                       STR_ARG(l->value));
}

/* --- Points --- */

static void add_bucket(struct checker *c, struct checked_point *p, double le,
                       const struct checked_sample *s)
{
    const struct checked_bucket *last = p->n_buckets > 0 ? &p->buckets[p->n_buckets - 1] : NULL;
    if (last && le <= last->le)
        check_error(c, s->at, "the bucket's le is not above that of the bucket in line %zu",
                    last->line);
    else if (last && s->value.v < last->count)
        check_error(c, s->value.text.p,
                    "buckets are cumulative: %s is less than the bucket in line %zu has",
                    number_text(c, &s->value), last->line);
    p->buckets =
        arena_grow(&c->arena, p->buckets, p->n_buckets, &p->bucket_capacity, sizeof *p->buckets);
    p->buckets[p->n_buckets++] = (struct checked_bucket){le, s->value.v, s->at, c->line};
}

/* What a histogram's count and sum are called. */
static void judge_histogram(struct checker *c, const struct checked_family *f,
                            const struct checked_point *p)
{
    bool gauge = f->type == METRIC_GAUGE_HISTOGRAM, openmetrics = check_is_openmetrics(c);
    enum metric_suffix count = gauge ? SUFFIX_GCOUNT : SUFFIX_COUNT;
    enum metric_suffix sum = gauge ? SUFFIX_GSUM : SUFFIX_SUM;
    const struct checked_bucket *last = p->n_buckets > 0 ? &p->buckets[p->n_buckets - 1] : NULL;
    const char *name = arena_printf(
        &c->arena, "%s '" STR_FMT "%s" STR_FMT "%s'", metric_type_name(f->type), STR_ARG(f->name),
        p->labels.n ? "{" : "", STR_ARG(p->labels), p->labels.n ? "}" : "");
    if (!last || !isinf(last->le)) {
        check_error_at(c, p->line, p->column, "%s has no bucket with le=\"+Inf\"", name);
        return;
    }
    if (p->has[count] && p->values[count] != last->count)
        check_error_at(c, p->line, p->column, "%s: %s is %g, its +Inf bucket %g", name,
                       metric_suffix_text(count), p->values[count], last->count);
    if (openmetrics && p->has[count] != p->has[sum])
        check_error_at(c, p->line, p->column, "%s has %s without %s", name,
                       metric_suffix_text(p->has[count] ? count : sum),
                       metric_suffix_text(p->has[count] ? sum : count));
    else if (!openmetrics && (!p->has[count] || !p->has[sum]))
        check_error_at(c, p->line, p->column, "%s has no %s", name,
                       metric_suffix_text(p->has[count] ? sum : count));
    bool negative = p->buckets[0].le < 0;
    if (openmetrics && p->has[sum] && negative && !gauge)
        check_error_at(c, p->line, p->column, "%s has buckets below 0 and so must have no _sum",
                       name);
    if (gauge && p->has[sum] && !negative && p->values[sum] < 0)
        check_error_at(c, p->line, p->column, "%s: its _gsum is negative, but no bucket is", name);
}

static void judge_point(struct checker *c, const struct checked_family *f,
                        const struct checked_point *p)
{
    if (f->type == METRIC_HISTOGRAM || f->type == METRIC_GAUGE_HISTOGRAM)
        judge_histogram(c, f, p);
    if (f->type == METRIC_COUNTER && check_is_openmetrics(c) && !p->has[SUFFIX_TOTAL])
        check_error_at(c, p->line, p->column,
                       "counter '" STR_FMT "' has no sample '" STR_FMT "_total'", STR_ARG(f->name),
                       STR_ARG(f->name));
}

static void begin_point(struct checker *c, struct checked_point *p, const struct checked_sample *s)
{
    struct str labels = p->labels;
    *p = (struct checked_point){.line = c->line,
                                .column = check_column(c, s->at),
                                .labels = labels,
                                .timed = s->timed,
                                .time = s->time.v};
}

/* Several points of one label set need times that rise. */
static void check_time(struct checker *c, struct checked_family *f, struct checked_point *p,
                       const struct checked_sample *s)
{
    if (s->timed != p->timed)
        check_error(c, s->timed ? s->time.text.p : s->at,
                    "this sample has %s timestamp, that in line %zu has %s", s->timed ? "a" : "no",
                    p->line, p->timed ? "one" : "none");
    else if (s->timed && s->time.v < p->time)
        check_error(c, s->time.text.p, "the timestamp lies before that of line %zu", p->line);
    else if (s->timed && s->time.v > p->time) {
        judge_point(c, f, p);
        begin_point(c, p, s);
    }
}

static struct checked_point *find_point(struct checker *c, struct checked_family *f,
                                        const struct checked_sample *s, struct str labels)
{
    struct checked_point *p = map_get(f->points, labels);
    if (!p) {
        p = ARENA_NEW(&c->arena, struct checked_point);
        p->labels = labels;
        (void)map_set(f->points, labels, p);
        begin_point(c, p, s);
    } else if (check_is_openmetrics(c)) {
        if (p->ended && p != f->point)
            check_error(c, s->at,
                        "samples of '" STR_FMT "{" STR_FMT "}' stand apart; the others end before "
                        "this line",
                        STR_ARG(f->name), STR_ARG(labels));
        check_time(c, f, p, s);
    }
    if (f->point && f->point != p)
        f->point->ended = true;
    p->ended = false;
    f->point = p;
    return p;
}

/* The same sample twice. */
static void check_repeated(struct checker *c, struct checked_family *f,
                           const struct checked_sample *s)
{
    struct buf key = BUF_INIT;
    struct str labels = label_text(c, s, STR(""));
    buf_add_str(&key, s->name);
    if (labels.n > 0)
        buf_printf(&key, "{" STR_FMT "}", STR_ARG(labels));
    if (s->timed && check_is_openmetrics(c))
        buf_printf(&key, " %.17g", s->time.v);
    uintptr_t line = (uintptr_t)map_get(f->seen, buf_str(&key));
    if (line > 0)
        check_error(c, s->at, "'" STR_FMT "' is there twice; the other is in line %zu",
                    STR_ARG(buf_str(&key)), (size_t)line);
    else
        (void)map_set(f->seen, buf_str(&key), (void *)(uintptr_t)c->line);
    buf_release(&key);
}

void check_point_sample(struct checker *c, struct checked_family *f, enum metric_suffix suffix,
                        const struct checked_sample *s)
{
    double le;
    check_value(c, f, suffix, s);
    if (s->timed && check_is_openmetrics(c) && s->time.v > MILLISECONDS_FROM)
        check_warning(c, s->time.text.p,
                      "the timestamp looks like milliseconds; OpenMetrics has seconds");
    if (!check_inner(c, f, suffix, s, &le)) {
        f->muddled = true;
        return;
    }
    check_exemplar(c, suffix, le, s);
    check_repeated(c, f, s);
    struct checked_point *p = find_point(c, f, s, label_text(c, s, inner_label(f, suffix)));
    p->has[suffix] = true;
    p->values[suffix] = s->value.v;
    if (suffix == SUFFIX_BUCKET)
        add_bucket(c, p, le, s);
}

void check_points_end(struct checker *c, struct checked_family *f)
{
    struct str labels;
    void *point;
    for (size_t i = 0; map_next(f->points, &i, &labels, &point);)
        judge_point(c, f, point);
}
