#include "slo/selectors.h"

#include "base/num.h"
#include "promql/promql.h"
#include "slo/slo.h"

#include <math.h>
#include <string.h>

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

static bool parse_parts(struct arena *arena, const struct slo_spec *spec, struct sli_selectors *out,
                        struct err *err)
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

/* Only series of the SLI's source, or of none. */
static bool keep_to_source(struct arena *arena, const char *source, struct sli_selector *s,
                           struct err *err)
{
    struct matcher *all = ARENA_ARRAY(arena, struct matcher, s->n + 1);
    if (s->n > 0)
        memcpy(all, s->matchers, s->n * sizeof *all);
    if (!matcher_init(&all[s->n], arena, MATCH_EQUAL, STR(SLO_SOURCE_LABEL),
                      str_from(source ? source : ""), err))
        return false;
    *s = (struct sli_selector){all, s->n + 1};
    return true;
}

bool sli_selectors_parse(struct arena *arena, const struct slo_spec *spec,
                         struct sli_selectors *out, struct err *err)
{
    if (!parse_parts(arena, spec, out, err))
        return false;
    for (int role = 0; role < SLI_N_ROLES; role++) {
        if (out->by_role[role].matchers &&
            !keep_to_source(arena, spec->sli.source, &out->by_role[role], err))
            return false;
    }
    return true;
}

/* The buckets' selector under the name that native histograms have. */
static bool name_native(struct arena *arena, const struct sli_selectors *s,
                        struct promql_selector *out, struct err *err)
{
    const struct sli_selector *buckets = &s->by_role[SLI_BUCKET];
    struct matcher *m = ARENA_ARRAY(arena, struct matcher, buckets->n);
    memcpy(m, buckets->matchers, buckets->n * sizeof *m);
    *out = (struct promql_selector){m, buckets->n};
    for (size_t i = 0; i < buckets->n; i++) {
        if (str_is(m[i].name, LABEL_NAME) &&
            !matcher_init(&m[i], arena, MATCH_EQUAL, m[i].name, s->native, err))
            return false;
    }
    return true;
}

/* Of a latency SLI all buckets, among them the good ones. */
bool slo_source_selectors(struct arena *arena, const struct slo_spec *spec,
                          struct promql_selector **out, size_t *n, struct err *err)
{
    struct sli_selectors s;
    if (!parse_parts(arena, spec, &s, err))
        return false;
    bool has_buckets = s.by_role[SLI_BUCKET].matchers != NULL;
    *out = ARENA_ARRAY(arena, struct promql_selector, SLI_N_ROLES + 1);
    *n = 0;
    for (int role = 0; role < SLI_N_ROLES; role++) {
        const struct sli_selector *part = &s.by_role[role];
        if (part->matchers && !(has_buckets && role == SLI_GOOD))
            (*out)[(*n)++] = (struct promql_selector){part->matchers, part->n};
    }
    return !has_buckets || name_native(arena, &s, &(*out)[(*n)++], err);
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
