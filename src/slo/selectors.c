#include "slo/selectors.h"

#include "base/num.h"
#include "promql/promql.h"
#include "slo/slo.h"

#include <math.h>

static bool parse_part(struct arena *arena, const struct slo_spec *spec, const char *part,
                       const char *query, struct sli_selector *out, struct err *err)
{
    const struct promql_expr *expr = promql_parse(arena, str_from(query), err);
    if (!expr)
        return err_prefix(err, "SLO '%s', %s query '%s': ", spec->name, part, query);
    if (!promql_as_counter_selector(expr, &out->matchers, &out->n))
        return err_set(err, ERR_BAD_INPUT,
                       "SLO '%s': the %s query '%s' must select counters: a selector, at most "
                       "inside sum(), rate() or increase()",
                       spec->name, part, query);
    return true;
}

static bool cut_suffix(struct str s, struct str suffix, struct str *out)
{
    *out = str_make(s.p, s.n < suffix.n ? 0 : s.n - suffix.n);
    return str_ends(s, suffix);
}

/* A good selector of the form x_bucket{...,le="0.25"} counts a histogram's buckets: the same
 * selector without `le` then feeds one counter a bucket. */
static void find_buckets(struct arena *arena, struct sli_selectors *s)
{
    const struct sli_selector *good = &s->by_role[SLI_GOOD];
    struct matcher *without_le = ARENA_ARRAY(arena, struct matcher, good->n + 1);
    bool is_bucket = false;
    size_t n = 0;
    for (size_t i = 0; i < good->n; i++) {
        const struct matcher *m = &good->matchers[i];
        bool equal = m->type == MATCH_EQUAL;
        if (equal && str_is(m->name, LABEL_NAME))
            is_bucket = cut_suffix(m->value, STR("_bucket"), &s->native);
        if (equal && str_is(m->name, "le") && num_parse_double(m->value, &s->edge))
            continue;
        without_le[n++] = *m;
    }
    if (is_bucket && !isnan(s->edge)) {
        s->by_role[SLI_BUCKET] = (struct sli_selector){without_le, n};
    } else {
        s->edge = (double)NAN;
        s->native = str_make("", 0);
    }
}

bool sli_selectors_parse(struct arena *arena, const struct slo_spec *spec,
                         struct sli_selectors *out, struct err *err)
{
    const struct sli_spec *sli = &spec->sli;
    *out = (struct sli_selectors){.edge = (double)NAN};
    if (sli->kind == SLI_THRESHOLD)
        return parse_part(arena, spec, "threshold", sli->threshold_query, &out->by_role[SLI_VALUE],
                          err);
    if (!parse_part(arena, spec, "total", sli->total_query, &out->by_role[SLI_TOTAL], err))
        return false;
    if (sli->bad_query)
        return parse_part(arena, spec, "bad", sli->bad_query, &out->by_role[SLI_BAD], err);
    if (!parse_part(arena, spec, "good", sli->good_query, &out->by_role[SLI_GOOD], err))
        return false;
    find_buckets(arena, out);
    return true;
}

bool slo_spec_check(const struct slo_spec *spec, struct err *err)
{
    struct arena arena = ARENA_INIT;
    struct sli_selectors selectors;
    bool good = sli_selectors_parse(&arena, spec, &selectors, err);
    arena_release(&arena);
    if (!good)
        return false;
    if (spec->budgeting != BUDGETING_OCCURRENCES)
        return err_set(err, ERR_NOT_IMPLEMENTED,
                       "SLO '%s': budgetingMethod %s is not implemented; Occurrences is",
                       spec->name, budgeting_method_name(spec->budgeting));
    return true;
}
