#include "compare.h"

#include "base/num.h"
#include "promql/native.h"

#include <math.h>

#define EPSILON 1e-6 /* allowed relative difference */

/* --- Values --- */

static bool same_value(double a, double b)
{
    const double smallest = 0x1p-1022;
    if (isnan(a) || isnan(b))
        return isnan(a) && isnan(b);
    if (a == b)
        return true;
    double sum = fabs(a) + fabs(b), difference = fabs(a - b);
    if (a == 0 || b == 0 || sum < smallest)
        return difference < EPSILON * smallest;
    return difference / fmin(sum, 0x1.fffffffffffffp1023) < EPSILON;
}

/* --- Showing --- */

static void add_histogram(struct arena *arena, struct buf *out, const struct histogram *h)
{
    buf_printf(out, " {schema:%d zero:%g", h->schema, h->zero_threshold);
    if (h->hint != HISTOGRAM_HINT_UNKNOWN)
        buf_printf(out, " %s", histogram_hint_name(h->hint));
    for (uint32_t i = 0; i < h->n_custom; i++)
        buf_printf(out, " |%g", h->custom[i]);
    buf_printf(out, " %s", native_text(arena, h) + 1);
}

static void add_series(struct arena *arena, struct buf *out, const struct promql_series *s)
{
    buf_add_cstr(out, "\n    ");
    labels_print(s->labels, out);
    for (size_t i = 0; i < s->n; i++) {
        buf_add_char(out, ' ');
        num_add_double(out, s->samples[i].v);
        buf_printf(out, "@%g", (double)s->samples[i].t_ms / 1000);
    }
    for (size_t i = 0; i < s->n_histograms; i++) {
        add_histogram(arena, out, s->histograms[i].h);
        buf_printf(out, "@%g", (double)s->histograms[i].t_ms / 1000);
    }
}

const char *show_result(struct arena *arena, const struct promql_result *r)
{
    struct buf out = BUF_INIT;
    if (r->type == PROMQL_SCALAR) {
        buf_add_cstr(&out, "scalar ");
        num_add_double(&out, r->scalar);
    } else if (r->type == PROMQL_STRING) {
        buf_printf(&out, "string \"" STR_FMT "\"", STR_ARG(r->string));
    } else {
        buf_printf(&out, "%zu series", r->n_series);
        for (size_t i = 0; i < r->n_series && i < 20; i++)
            add_series(arena, &out, &r->series[i]);
    }
    const char *text = arena_cstr(arena, buf_str(&out));
    buf_release(&out);
    return text;
}

/* --- Series --- */

static const struct promql_series *find(const struct promql_result *r, struct labels labels)
{
    for (size_t i = 0; i < r->n_series; i++) {
        if (labels_eq(r->series[i].labels, labels))
            return &r->series[i];
    }
    return NULL;
}

static bool same_values(const double *a, const double *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!same_value(a[i], b[i]))
            return false;
    }
    return true;
}

static bool same_cells(const struct cells *a, const struct cells *b)
{
    return a->n == b->n &&
           (a->n == 0 || memcmp(a->index, b->index, a->n * sizeof *a->index) == 0) &&
           same_values(a->v, b->v, a->n);
}

static bool same_histogram(struct arena *arena, const struct notation_value *want,
                           const struct histogram *got)
{
    struct native a = native_copy(arena, want->h), b = native_copy(arena, got);
    native_compact(&a);
    native_compact(&b);
    return a.schema == b.schema && (!want->hint_written || a.hint == b.hint) &&
           same_value(a.count.sum, b.count.sum) && same_value(a.sum.sum, b.sum.sum) &&
           same_value(a.zero.sum, b.zero.sum) && a.n_custom == b.n_custom &&
           (is_custom(got) || same_value(a.zero_threshold, b.zero_threshold)) &&
           same_values(a.custom, b.custom, a.n_custom) && same_cells(&a.positive, &b.positive) &&
           same_cells(&a.negative, &b.negative);
}

static bool same_samples(struct arena *arena, const struct eval *e,
                         const struct notation_series *want, const struct promql_series *got)
{
    size_t next = 0, next_h = 0;
    for (size_t i = 0; i < want->n; i++) {
        int64_t t_ms = e->start_ms + (int64_t)i * e->step_ms;
        const struct notation_value *v = &want->values[i];
        if (!v->present)
            continue;
        if (v->h) {
            if (next_h == got->n_histograms || got->histograms[next_h].t_ms != t_ms ||
                !same_histogram(arena, v, got->histograms[next_h].h))
                return false;
            next_h++;
            continue;
        }
        if (next == got->n || got->samples[next].t_ms != t_ms ||
            !same_value(v->v, got->samples[next].v))
            return false;
        next++;
    }
    return next == got->n && next_h == got->n_histograms;
}

static bool has_values(const struct notation_series *line)
{
    for (size_t i = 0; i < line->n; i++) {
        if (line->values[i].present)
            return true;
    }
    return false;
}

static const char *compare_series(struct arena *arena, const struct eval *e,
                                  const struct promql_result *r)
{
    size_t want = 0;
    for (size_t i = 0; i < e->n; i++) {
        struct buf name = BUF_INIT;
        const struct promql_series *got = find(r, e->series[i].labels);
        want += has_values(&e->series[i]);
        labels_print(e->series[i].labels, &name);
        const char *shown = arena_cstr(arena, buf_str(&name));
        buf_release(&name);
        if (!got && has_values(&e->series[i]))
            return arena_printf(arena, "no series %s", shown);
        if (got && !same_samples(arena, e, &e->series[i], got))
            return arena_printf(arena, "other values of %s", shown);
        if (e->ordered && got && got != &r->series[i])
            return arena_printf(arena, "%s in another place", shown);
    }
    return want == r->n_series
               ? NULL
               : arena_printf(arena, "%zu series instead of %zu", r->n_series, want);
}

static const char *check_sorted(const struct promql_result *r)
{
    for (size_t i = 1; i < r->n_series; i++) {
        int order = labels_cmp(r->series[i - 1].labels, r->series[i].labels);
        if (order >= 0)
            return order == 0 ? "two series with the same labels" : "series not sorted by labels";
    }
    return NULL;
}

const char *compare_result(struct arena *arena, const struct eval *e, const struct promql_result *r)
{
    if (e->is_string)
        return r->type == PROMQL_STRING && str_eq(r->string, e->string) ? NULL : "another string";
    if (e->is_scalar)
        return r->type == PROMQL_SCALAR && same_value(r->scalar, e->scalar) ? NULL
                                                                            : "another scalar";
    bool matrix = !e->instant || e->range_vector;
    if (r->type != (matrix ? PROMQL_MATRIX : PROMQL_VECTOR))
        return "a result of another type";
    const char *wrong = matrix ? check_sorted(r) : NULL;
    return wrong ? wrong : compare_series(arena, e, r);
}

const char *compare_point(struct arena *arena, const struct eval *e, const struct promql_result *r,
                          int64_t t_ms)
{
    struct eval at = *e;
    struct promql_result point = {.type = PROMQL_VECTOR};
    point.series = ARENA_ARRAY(arena, struct promql_series, r->n_series);
    at.start_ms = t_ms;
    for (size_t i = 0; i < r->n_series; i++) {
        const struct promql_series *s = &r->series[i];
        for (size_t k = 0; k < s->n; k++) {
            if (s->samples[k].t_ms == t_ms)
                point.series[point.n_series++] =
                    (struct promql_series){.labels = s->labels, .n = 1, .samples = &s->samples[k]};
        }
        for (size_t k = 0; k < s->n_histograms; k++) {
            if (s->histograms[k].t_ms == t_ms)
                point.series[point.n_series++] = (struct promql_series){
                    .labels = s->labels, .n_histograms = 1, .histograms = &s->histograms[k]};
        }
    }
    const char *wrong = check_sorted(r);
    if (wrong)
        return wrong;
    if (e->is_scalar)
        return point.n_series == 1 && same_value(point.series[0].samples[0].v, e->scalar)
                   ? NULL
                   : "another scalar";
    return compare_series(arena, &at, &point);
}

/* --- Texts --- */

static bool satisfies(struct arena *arena, const char *text, const struct wanted *w)
{
    if (w->kind == WANTED_ANY)
        return true;
    if (w->kind == WANTED_TEXT)
        return str_is(w->text, text);
    struct regex *regex =
        regex_new(str_from(arena_printf(arena, ".*(?:" STR_FMT ").*", STR_ARG(w->text))), NULL);
    bool matches = regex && regex_matches(regex, str_from(text));
    if (regex)
        regex_free(regex);
    return matches;
}

static const char *compare_list(struct arena *arena, const char *kind,
                                const struct wanted_list *want, const char *const *got, size_t n)
{
    if (want->none && n > 0)
        return arena_printf(arena, "%s: %s", kind, got[0]);
    for (size_t i = 0; i < want->n; i++) {
        bool found = false;
        for (size_t k = 0; k < n; k++)
            found |= satisfies(arena, got[k], &want->v[i]);
        if (!found)
            return arena_printf(arena, "no %s \"" STR_FMT "\"; the first is \"%s\"", kind,
                                STR_ARG(want->v[i].text), n > 0 ? got[0] : "");
    }
    for (size_t k = 0; want->n > 0 && k < n; k++) {
        bool wanted = false;
        for (size_t i = 0; i < want->n; i++)
            wanted |= satisfies(arena, got[k], &want->v[i]);
        if (!wanted)
            return arena_printf(arena, "%s: %s", kind, got[k]);
    }
    return NULL;
}

const char *compare_notes(struct arena *arena, const struct eval *e, const struct promql_result *r)
{
    const char *wrong = compare_list(arena, "warning", &e->warnings, r->warnings, r->n_warnings);
    return wrong ? wrong : compare_list(arena, "info", &e->infos, r->infos, r->n_infos);
}

const char *compare_failure(struct arena *arena, const struct eval *e, const struct err *err)
{
    return satisfies(arena, err->message, &e->failure)
               ? NULL
               : arena_printf(arena, "another error: %s", err->message);
}
