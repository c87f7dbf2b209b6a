/* What only shows once all files are read. */
#include "config/internal.h"
#include "judge/kayenta.h"
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

void refer_to_slo(struct reader *r, struct yaml_node *map, const char *key, const char *slo)
{
    struct yaml_node *at = yaml_take(map, key);
    if (at && slo)
        *READER_PUSH(r, references, n_references, reference_capacity) =
            (struct reference){.at = at, .who = r->who, .slo = slo};
}

void refer_to_query(struct reader *r, struct yaml_node *map, const char *key, const char *query)
{
    struct yaml_node *at = yaml_take(map, key);
    if (at && query)
        *READER_PUSH(r, references, n_references, reference_capacity) =
            (struct reference){.at = at, .who = r->who, .query = query};
}

void refer_to_canary(struct reader *r, struct yaml_node *map, const struct kayenta_spec *canary)
{
    struct kayenta_spec *copy = ARENA_NEW(r->arena, struct kayenta_spec);
    struct yaml_node *at = yaml_take(map, "canaryConfig");
    *copy = *canary;
    if (at)
        *READER_PUSH(r, references, n_references, reference_capacity) =
            (struct reference){.at = at, .who = r->who, .canary = copy};
}

/* That its templates name nothing but what a rollout can give. */
static void check_templates(struct reader *r, const struct reference *ref, const json_t *config)
{
    const json_t *metrics = json_object_get(config, "metrics");
    const json_t *extended =
        json_own(r->arena, json_pack("{s:s, s:s}", "service", "s", "version", "v"));
    struct kayenta_scope scope = {"v", ref->canary->location, extended};
    for (size_t i = 0; i < json_array_size(metrics); i++) {
        struct err err = ERR_INIT;
        struct str query;
        if (!kayenta_query(r->arena, config, json_array_get(metrics, i), &scope, &query, &err) ||
            !promql_parse_allowed(r->arena, query, r->config->query.stable_only, &err))
            yaml_error(ref->at, r->diags, "%s: canary configuration '%s': %s", ref->who,
                       ref->canary->config, err.message);
    }
}

static void need_canary(struct reader *r, const struct reference *ref)
{
    const struct config *c = r->config;
    const char *name = ref->canary->config;
    const char **known = ARENA_ARRAY(r->arena, const char *, c->n_canaries + 1);
    for (size_t i = 0; i < c->n_canaries; i++) {
        known[i] = c->canaries[i].id;
        if (strcmp(known[i], name) == 0) {
            check_templates(r, ref, c->canaries[i].json);
            return;
        }
    }
    const char *near = str_nearest(str_from(name), known, c->n_canaries);
    if (c->path) /* policies alone are checked without those */
        yaml_error(ref->at, r->diags, "%s: kayenta.canaryConfigs has no configuration '%s'%s%s%s",
                   ref->who, name, near ? "; did you mean '" : "", near ? near : "",
                   near ? "'?" : "");
}

void refer_to_source(struct reader *r, struct yaml_node *map, const char *key, const char *source)
{
    struct yaml_node *at = yaml_take(map, key);
    if (at && source)
        *READER_PUSH(r, references, n_references, reference_capacity) =
            (struct reference){.at = at, .who = r->who, .source = source};
}

static bool is_source(const struct config *c, const char *name)
{
    for (size_t i = 0; i < c->n_sources; i++) {
        if (strcmp(c->sources[i].name, name) == 0)
            return true;
    }
    return false;
}

/* Policies alone, without a cqed.yaml, name what is elsewhere. */
static void need_source(struct reader *r, const struct reference *ref)
{
    if (r->config->path && !is_source(r->config, ref->source))
        yaml_error(ref->at, r->diags, "%s: there is no source '%s' in telemetry.sources", ref->who,
                   ref->source);
}

static void need_slo(struct reader *r, const struct reference *ref)
{
    const char *name = ref->slo;
    for (size_t i = 0; i < r->n_slos; i++) {
        if (strcmp(r->slos[i].name, name) == 0)
            return;
    }
    const char *near = str_nearest(str_from(name), slo_names(r), r->n_slos);
    yaml_error(ref->at, r->diags, "%s: there is no SLO '%s'%s%s%s", ref->who, name,
               near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

/* A word that nothing replaces would never match anything. */
static void check_words(struct reader *r, const struct reference *ref)
{
    static const char *const words[] = {"canary", "stable", "service", "version"};
    for (const char *p = ref->query; (p = strstr(p, "{{")) != NULL; p += 2) {
        const char *end = strstr(p, "}}");
        struct str word = str_make(p + 2, end ? (size_t)(end - p - 2) : 0);
        bool known = false;
        for (size_t i = 0; i < COUNT_OF(words); i++)
            known |= str_is(word, words[i]);
        if (end && !known)
            yaml_error(ref->at, r->diags,
                       "%s: a query knows {{canary}}, {{stable}}, {{service}} and {{version}}, not "
                       "{{" STR_FMT "}}",
                       ref->who, STR_ARG(word));
    }
}

/* {{canary}} stands inside a string of the query, so that the template parses as it is. */
static void check_references(struct reader *r)
{
    for (size_t i = 0; i < r->n_references; i++) {
        const struct reference *ref = &r->references[i];
        struct err err = ERR_INIT;
        if (ref->slo)
            need_slo(r, ref);
        if (ref->canary)
            need_canary(r, ref);
        if (ref->source)
            need_source(r, ref);
        if (!ref->query)
            continue;
        check_words(r, ref);
        if (!promql_parse_allowed(r->arena, str_from(ref->query), r->config->query.stable_only,
                                  &err))
            yaml_error(ref->at, r->diags, "%s: in the query '%s': %s", ref->who, ref->query,
                       err.message);
    }
}

static bool parses(struct reader *r, const char *query)
{
    return query &&
           promql_parse_allowed(r->arena, str_from(query), r->config->query.stable_only, NULL);
}

/* That its queries name counters whose increases can be added up; check_references has told of
 * those that do not parse. */
static void check_sli(struct reader *r, const struct slo_spec *s, struct place at)
{
    struct err err = ERR_INIT;
    bool whole = s->sli.kind == SLI_RATIO
                     ? parses(r, s->sli.total_query) &&
                           (parses(r, s->sli.good_query) || parses(r, s->sli.bad_query))
                     : parses(r, s->sli.threshold_query);
    if (whole && !slo_spec_check(s, &err))
        diag_add(r->diags, DIAG_ERROR, at.path, at.line, 1, "%s", err.message);
}

static void check_slos(struct reader *r)
{
    for (size_t i = 0; i < r->n_slos; i++) {
        const struct slo_spec *s = &r->slos[i];
        struct place at = {s->path, s->line};
        const char *who = arena_printf(r->arena, "SLO '%s'", s->name);
        check_sli(r, s, at);
        for (size_t k = 0; k < i; k++) {
            if (strcmp(r->slos[k].name, s->name) == 0)
                diag_add(r->diags, DIAG_ERROR, s->path, s->line, 1,
                         "%s is defined twice; the first stands at %s:%d", who, r->slos[k].path,
                         r->slos[k].line);
        }
    }
}

/* A typo in the service would leave it without a rollout, and nobody would be told. */
static void expect_slo_of_service(struct reader *r, const struct rollout_policy *p)
{
    const char **services = ARENA_ARRAY(r->arena, const char *, r->n_slos);
    for (size_t i = 0; i < r->n_slos; i++) {
        services[i] = r->slos[i].service ? r->slos[i].service : "";
        if (strcmp(services[i], p->service) == 0)
            return;
    }
    const char *near = str_nearest(str_from(p->service), services, r->n_slos);
    if (near)
        diag_add(r->diags, DIAG_WARNING, p->path, p->line, 1,
                 "Rollout '%s': no SLO is of service '%s'; did you mean '%s'?", p->name, p->service,
                 near);
}

static void check_rollouts(struct reader *r)
{
    for (size_t i = 0; i < r->n_rollouts; i++) {
        const struct rollout_policy *p = &r->rollouts[i];
        const char *who = arena_printf(r->arena, "Rollout '%s'", p->name);
        expect_slo_of_service(r, p);
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
        const char *who = arena_printf(r->arena, "Gate '%s'", g->name);
        for (size_t k = 0; k < i; k++) {
            if (strcmp(r->gates[k].name, g->name) == 0)
                diag_add(r->diags, DIAG_ERROR, g->path, g->line, 1,
                         "%s is defined twice; the first stands at %s:%d", who, r->gates[k].path,
                         r->gates[k].line);
        }
    }
}

static void check_sources(struct reader *r)
{
    const struct config *c = r->config;
    for (size_t i = 0; i < r->n_groups; i++) {
        const struct rule_group *g = &r->groups[i];
        if (g->source && c->path && !is_source(c, g->source))
            diag_add(r->diags, DIAG_ERROR, g->file, g->line, 1,
                     "group '%s': there is no source '%s' in telemetry.sources", g->name,
                     g->source);
    }
}

void check_everything(struct reader *r)
{
    check_sources(r);
    check_references(r);
    check_slos(r);
    check_rollouts(r);
    check_gates(r);
}
