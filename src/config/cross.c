/* What only shows once all files are read. */
#include "config/internal.h"
#include "promql/promql.h"
#include "slo/slo.h"

struct place {
    const char *path;
    int line;
};

static const char **slo_names(struct reader *r)
{
    const char **names = ARENA_ARRAY(r->arena, const char *, r->n_slos);
    for (size_t i = 0; i < r->n_slos; i++)
        names[i] = r->slos[i].name;
    return names;
}

static void need_slo(struct reader *r, const char *name, struct place at, const char *who)
{
    for (size_t i = 0; i < r->n_slos; i++) {
        if (strcmp(r->slos[i].name, name) == 0)
            return;
    }
    const char *near = str_nearest(str_from(name), slo_names(r), r->n_slos);
    diag_add(r->diags, DIAG_ERROR, at.path, at.line, 1, "%s: there is no SLO '%s'%s%s%s", who, name,
             near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static void check_query(struct reader *r, const char *query, struct place at, const char *who)
{
    struct err err = ERR_INIT;
    if (query && !promql_parse(r->arena, str_from(query), &err))
        diag_add(r->diags, DIAG_ERROR, at.path, at.line, 1, "%s: in the query '%s': %s", who, query,
                 err.message);
}

static void check_checks(struct reader *r, const struct check_spec *checks, size_t n,
                         struct place at, const char *who)
{
    for (size_t i = 0; i < n; i++) {
        if (checks[i].slo)
            need_slo(r, checks[i].slo, at, who);
        /* {{canary}} stands inside a string of the query, so that the template parses as it is. */
        check_query(r, checks[i].query, at, who);
    }
}

/* That its queries parse, and that they name counters whose increases can be added up. */
static void check_sli(struct reader *r, const struct slo_spec *s, struct place at, const char *who)
{
    struct err err = ERR_INIT;
    size_t errors = r->diags->errors;
    check_query(r, s->sli.total_query, at, who);
    check_query(r, s->sli.good_query, at, who);
    check_query(r, s->sli.bad_query, at, who);
    check_query(r, s->sli.threshold_query, at, who);
    bool whole = s->sli.kind == SLI_RATIO
                     ? s->sli.total_query && (s->sli.good_query || s->sli.bad_query)
                     : s->sli.threshold_query != NULL;
    if (whole && r->diags->errors == errors && !slo_spec_check(s, &err))
        diag_add(r->diags, DIAG_ERROR, at.path, at.line, 1, "%s", err.message);
}

static void check_slos(struct reader *r)
{
    for (size_t i = 0; i < r->n_slos; i++) {
        const struct slo_spec *s = &r->slos[i];
        struct place at = {s->path, s->line};
        const char *who = arena_printf(r->arena, "SLO '%s'", s->name);
        check_sli(r, s, at, who);
        for (size_t k = 0; k < i; k++) {
            if (strcmp(r->slos[k].name, s->name) == 0)
                diag_add(r->diags, DIAG_ERROR, s->path, s->line, 1,
                         "%s is defined twice; the first stands at %s:%d", who, r->slos[k].path,
                         r->slos[k].line);
        }
    }
}

static void check_rollouts(struct reader *r)
{
    for (size_t i = 0; i < r->n_rollouts; i++) {
        const struct rollout_policy *p = &r->rollouts[i];
        struct place at = {p->path, p->line};
        const char *who = arena_printf(r->arena, "Rollout '%s'", p->name);
        check_checks(r, p->checks, p->n_checks, at, who);
        if (p->budget_slo)
            need_slo(r, p->budget_slo, at, who);
        for (size_t k = 0; k < i; k++) {
            if (strcmp(r->rollouts[k].service, p->service) == 0)
                diag_add(r->diags, DIAG_ERROR, p->path, p->line, 1,
                         "%s: service '%s' has a rollout policy already, at %s:%d", who, p->service,
                         r->rollouts[k].path, r->rollouts[k].line);
        }
    }
}

static void check_gates(struct reader *r)
{
    for (size_t i = 0; i < r->n_gates; i++) {
        const struct gate_policy *g = &r->gates[i];
        struct place at = {g->path, g->line};
        const char *who = arena_printf(r->arena, "Gate '%s'", g->name);
        check_checks(r, g->checks, g->n_checks, at, who);
        if (g->budget_slo)
            need_slo(r, g->budget_slo, at, who);
        for (size_t k = 0; k < i; k++) {
            if (strcmp(r->gates[k].name, g->name) == 0)
                diag_add(r->diags, DIAG_ERROR, g->path, g->line, 1,
                         "%s is defined twice; the first stands at %s:%d", who, r->gates[k].path,
                         r->gates[k].line);
        }
    }
}

void check_everything(struct reader *r)
{
    check_slos(r);
    check_rollouts(r);
    check_gates(r);
}
