/* The kinds of apiVersion cqed/v1: Rollout and Gate. */
#include "config/internal.h"

#include "base/num.h"

#include <math.h>

#define MAX_WARMUP_MS INT64_C(86400000)

#define MAX_BASELINE 128
#define MAX_EVERY_MS INT64_C(86400000)

#define MAX_SOCKET_PATH 107 /* sun_path of unix(7), less its end */

static const char *const responses[] = {
#define X(code, name) name,
    POLICY_RESPONSES(X)
#undef X
};

static const char *read_name(struct reader *r, struct yaml_node *document)
{
    static const char *const keys[] = {"name", "labels", "annotations"};
    const char *name = "";
    struct yaml_node *meta = yaml_take_map(document, "metadata", r->diags);
    yaml_take(meta, "labels");
    yaml_take(meta, "annotations");
    if (!yaml_take_string(meta, "name", r->arena, &name, r->diags) || !*name)
        yaml_error(meta ? meta : document, r->diags, "metadata.name is required");
    if (meta)
        yaml_reject_unknown(meta, keys, COUNT_OF(keys), "metadata", r->diags);
    return name;
}

/* "512Mi", "0.5" or "2%": whatever a limit is written in. */
static void read_limit(struct reader *r, struct yaml_node *map, const char *key, double *out)
{
    uint64_t size;
    struct yaml_node *node = yaml_take(map, key);
    if (!node)
        return;
    if (node->kind == YAML_SCALAR &&
        (num_parse_ratio(node->scalar, out) ||
         (num_parse_size(node->scalar, &size) && (*out = (double)size, true))))
        return;
    yaml_error(node, r->diags, "%s must be a number, a ratio or a size, like 0.5, 2%% or 512Mi",
               key);
}

static void check_query(struct reader *r, const struct yaml_node *map, const struct check_spec *c)
{
    bool limited = !isnan(c->below) || !isnan(c->above), each = strstr(c->query, "{{version}}");
    if (c->against_stable && (c->factor == 0 || limited))
        yaml_error(
            map, r->diags,
            "a query against stable needs a `factor` that stable's value is taken by, and no "
            "other limit");
    else if (c->against_stable && !each)
        yaml_error(map, r->diags,
                   "a query against stable needs {{version}} for the arm it is about");
    else if (!c->against_stable && each)
        yaml_error(map, r->diags, "{{version}} is for `against: stable`; say {{canary}}");
    else if (!c->against_stable && c->factor != 0)
        yaml_error(map, r->diags, "factor needs `against: stable`");
    else if (!c->against_stable && !limited)
        yaml_error(map, r->diags, "a query needs a limit: below, above or both");
    if (!(c->factor >= 0 && c->factor < 1e6))
        yaml_error(map, r->diags, "factor must be over 0, like 1.2");
}

static void check_slo(struct reader *r, const struct yaml_node *map, const struct check_spec *c,
                      bool gate)
{
    if (!isnan(c->below) || !isnan(c->above) || c->factor != 0 || c->failures > 0)
        yaml_error(map, r->diags,
                   "below, above, factor and failures are for a query; an slo has its target");
    else if (!gate && !c->against_stable)
        yaml_error(map, r->diags, "a rollout compares: add `against: stable`");
    else if (gate && c->against_stable)
        yaml_error(map, r->diags, "a gate has no arms: leave out `against: stable`");
    else if (gate && c->is_rate)
        yaml_error(map, r->diags, "rate compares two arms, and a gate has none");
}

static void check_gauge(struct reader *r, const struct yaml_node *map, const struct check_spec *c)
{
    if (!isnan(c->below) || !isnan(c->above) || c->factor != 0 || c->failures > 0)
        yaml_error(map, r->diags,
                   "a gauge is compared; hold a query against below, above or a factor");
    else if (!c->against_stable)
        yaml_error(map, r->diags, "a gauge is compared: add `against: stable`");
    else if (!strstr(c->gauge, "{{version}}"))
        yaml_error(map, r->diags, "a gauge needs {{version}} for the arm it is about");
    if (c->tolerate != 0)
        yaml_error(map, r->diags,
                   "a gauge tolerates 5%% and calls up to 20%% more healthy; leave "
                   "out `tolerate`");
}

static void check_kayenta(struct reader *r, const struct yaml_node *map, const struct check_spec *c)
{
    const struct kayenta_spec *k = &c->kayenta;
    if (!isnan(c->below) || !isnan(c->above) || c->factor != 0 || c->failures > 0 ||
        c->tolerate != 0 || c->against_stable)
        yaml_error(map, r->diags,
                   "judge: kayenta-v1 takes its limits from the canary configuration; leave out "
                   "against, tolerate, below, above, factor and failures");
    if (k->every_ms < KAYENTA_LEAST_MS || k->every_ms > MAX_EVERY_MS)
        yaml_error(map, r->diags, "every must be from 1m to 1d");
    if (!(k->marginal >= 0 && k->marginal <= k->pass && k->pass <= 100))
        yaml_error(map, r->diags, "pass and marginal are scores: 0 <= marginal <= pass <= 100");
}

static void read_kayenta_check(struct reader *r, struct yaml_node *map, struct check_spec *out)
{
    static const char *const judges[] = {"kayenta-v1"};
    static const char *const own[] = {"canaryConfig", "every", "pass", "marginal", "location"};
    struct kayenta_spec *k = &out->kayenta;
    int judge;
    bool asked = yaml_take(map, "judge") != NULL;
    yaml_take_choice(map, "judge", judges, COUNT_OF(judges), &judge, r->diags);
    for (size_t i = 0; !asked && i < COUNT_OF(own); i++) {
        if (yaml_take(map, own[i]))
            yaml_error(map, r->diags, "%s is for `judge: kayenta-v1`", own[i]);
    }
    if (!asked)
        return;
    *k = (struct kayenta_spec){
        .config = "", .location = "", .every_ms = 600000, .pass = 95, .marginal = 75};
    if (!yaml_take_string(map, "canaryConfig", r->arena, &k->config, r->diags) || !*k->config)
        yaml_error(map, r->diags,
                   "judge: kayenta-v1 needs canaryConfig: a file of kayenta.canaryConfigs, by its "
                   "name without .json");
    yaml_take_duration(map, "every", &k->every_ms, r->diags);
    yaml_take_double(map, "pass", &k->pass, r->diags);
    yaml_take_double(map, "marginal", &k->marginal, r->diags);
    yaml_take_string(map, "location", r->arena, &k->location, r->diags);
    refer_to_canary(r, map, k);
}

static void check_check(struct reader *r, const struct yaml_node *map, const struct check_spec *c,
                        bool gate)
{
    int kinds =
        (c->slo != NULL) + (c->query != NULL) + (c->gauge != NULL) + (c->kayenta.config != NULL);
    if (kinds != 1)
        yaml_error(map, r->diags,
                   "a check needs exactly one of slo, query, gauge, or judge: kayenta-v1");
    else if (gate && (c->gauge || c->kayenta.config || (c->query && c->against_stable)))
        yaml_error(map, r->diags, "a gate has no arms to compare: it takes slo and query");
    else if (c->query)
        check_query(r, map, c);
    else if (c->gauge)
        check_gauge(r, map, c);
    else if (c->kayenta.config)
        check_kayenta(r, map, c);
    else
        check_slo(r, map, c, gate);
    if (c->source && !c->query)
        yaml_error(map, r->diags, "source is for a query; an slo has its own, and a gauge none");
    if (c->is_rate && !c->slo)
        yaml_error(map, r->diags, "rate is for an slo, whose total is then exposure");
    if (!(c->tolerate >= 0 && (c->tolerate < 1 || c->is_rate)))
        yaml_error(map, r->diags, "tolerate must be at least 0 and under 100%%");
}

static void read_check(struct reader *r, struct yaml_node *map, size_t index, bool gate,
                       struct check_spec *out)
{
    static const char *const keys[] = {"name",     "slo",      "against",  "tolerate",     "query",
                                       "below",    "above",    "gauge",    "rate",         "factor",
                                       "failures", "critical", "judge",    "canaryConfig", "every",
                                       "pass",     "marginal", "location", "source"};
    static const char *const against[] = {"stable"};
    int64_t failures = 0;
    int arm;
    *out = (struct check_spec){.below = NAN, .above = NAN, .critical = true};
    yaml_take_string(map, "name", r->arena, &out->name, r->diags);
    yaml_take_string(map, "slo", r->arena, &out->slo, r->diags);
    yaml_take_string(map, "query", r->arena, &out->query, r->diags);
    yaml_take_string(map, "gauge", r->arena, &out->gauge, r->diags);
    yaml_take_string(map, "source", r->arena, &out->source, r->diags);
    yaml_take_bool(map, "rate", &out->is_rate, r->diags);
    read_limit(r, map, "factor", &out->factor);
    yaml_take_i64(map, "failures", 1, CHECK_MAX_FAILURES, &failures, r->diags);
    out->failures = (int)failures;
    out->against_stable = yaml_take_choice(map, "against", against, 1, &arm, r->diags);
    yaml_take_ratio(map, "tolerate", &out->tolerate, r->diags);
    refer_to_slo(r, map, "slo", out->slo);
    refer_to_query(r, map, "query", out->query);
    refer_to_query(r, map, "gauge", out->gauge);
    refer_to_source(r, map, "source", out->source);
    read_limit(r, map, "below", &out->below);
    read_limit(r, map, "above", &out->above);
    yaml_take_bool(map, "critical", &out->critical, r->diags);
    read_kayenta_check(r, map, out);
    if (!out->name && out->kayenta.config)
        out->name = out->kayenta.config;
    if (!out->name)
        out->name =
            out->slo ? out->slo
                     : arena_printf(r->arena, "%s-%zu", out->gauge ? "gauge" : "query", index + 1);
    check_check(r, map, out, gate);
    yaml_reject_unknown(map, keys, COUNT_OF(keys), "check", r->diags);
}

static const struct check_spec *read_checks(struct reader *r, struct yaml_node *spec, bool gate,
                                            size_t *n)
{
    struct yaml_node *list = yaml_take_list(spec, "evidence", r->diags);
    *n = list ? list->n : 0;
    struct check_spec *checks = ARENA_ARRAY(r->arena, struct check_spec, *n);
    if (*n == 0)
        yaml_error(list ? list : spec, r->diags, "evidence needs at least one check");
    for (size_t i = 0; i < *n; i++) {
        struct yaml_node *item = list->items[i];
        if (item->kind == YAML_MAP) {
            read_check(r, item, i, gate, &checks[i]);
        } else {
            checks[i] = (struct check_spec){.name = "", .below = NAN, .above = NAN};
            yaml_error(item, r->diags, "a check must be a mapping");
        }
        for (size_t k = 0; k < i; k++) {
            if (strcmp(checks[k].name, checks[i].name) == 0)
                yaml_error(item, r->diags, "two checks are named '%s'; give one a `name`",
                           checks[i].name);
        }
    }
    return checks;
}

static void read_budget(struct reader *r, struct yaml_node *spec, const char **slo, double *keep)
{
    static const char *const keys[] = {"slo", "keep"};
    struct yaml_node *map = yaml_take_map(spec, "budget", r->diags);
    if (!map)
        return;
    if (!yaml_take_string(map, "slo", r->arena, slo, r->diags))
        yaml_error(map, r->diags, "budget needs slo");
    refer_to_slo(r, map, "slo", *slo);
    yaml_take_ratio(map, "keep", keep, r->diags);
    if (!(*keep >= 0 && *keep <= 1))
        yaml_error(map, r->diags, "budget.keep must be from 0%% to 100%%");
    yaml_reject_unknown(map, keys, COUNT_OF(keys), "budget", r->diags);
}

static void read_telemetry(struct reader *r, struct yaml_node *spec, int64_t *max_age_ms,
                           int64_t *bucket_ms)
{
    static const char *const keys[] = {"maxAge", "bucket"};
    struct yaml_node *map = yaml_take_map(spec, "telemetry", r->diags);
    if (!map)
        return;
    yaml_take_duration(map, "maxAge", max_age_ms, r->diags);
    if (*max_age_ms < 1000)
        yaml_error(map, r->diags, "telemetry.maxAge must be at least 1s");
    if (bucket_ms) {
        yaml_take_duration(map, "bucket", bucket_ms, r->diags);
        if (*bucket_ms < 1000 || *bucket_ms > 300000)
            yaml_error(map, r->diags, "telemetry.bucket must be from 1s to 5m");
    }
    yaml_reject_unknown(map, keys, COUNT_OF(keys), "telemetry", r->diags);
}

/* The servers under key, one or a list; *n of them in order, those that are no text left out. */
static struct yaml_node **read_arm(struct reader *r, struct yaml_node *map, const char *key,
                                   size_t *n)
{
    struct yaml_node *node = yaml_take(map, key);
    *n = 0;
    if (!node || (node->kind == YAML_LIST && node->n == 0)) {
        yaml_error(node ? node : map, r->diags, "haproxy needs %s: a server's name or a list", key);
        return NULL;
    }
    size_t all = node->kind == YAML_LIST ? node->n : 1;
    struct yaml_node **servers = ARENA_ARRAY(r->arena, struct yaml_node *, all);
    for (size_t i = 0; i < all; i++) {
        struct yaml_node *item = node->kind == YAML_LIST ? node->items[i] : node;
        if (item->kind == YAML_SCALAR && item->scalar.n > 0)
            servers[(*n)++] = item;
        else
            yaml_error(item, r->diags, "%s must be the name of a server", key);
    }
    return servers;
}

/* The actuator reads the values once a rollout starts; what can be told before is told here. */
static void check_haproxy(struct reader *r, struct yaml_node *map)
{
    static const char *const keys[] = {"socket", "backend", "stable", "canary"};
    const char *text = NULL;
    size_t n_stable, n_canary;
    if (!yaml_take_string(map, "socket", r->arena, &text, r->diags) || !*text)
        yaml_error(map, r->diags, "haproxy needs socket: the path of its runtime socket");
    else if (strlen(text) > MAX_SOCKET_PATH)
        yaml_error(map, r->diags, "the socket's path has %zu bytes, the limit is %d", strlen(text),
                   MAX_SOCKET_PATH);
    if (!yaml_take_string(map, "backend", r->arena, &text, r->diags) || !*text)
        yaml_error(map, r->diags, "haproxy needs backend: a backend's name");
    struct yaml_node **stable = read_arm(r, map, "stable", &n_stable);
    struct yaml_node **canary = read_arm(r, map, "canary", &n_canary);
    for (size_t i = 0; i < n_stable * n_canary; i++) {
        const struct yaml_node *c = canary[i % n_canary];
        if (str_eq(stable[i / n_canary]->scalar, c->scalar))
            yaml_error(c, r->diags, "server '" STR_FMT "' is in both arms, stable and canary",
                       STR_ARG(c->scalar));
    }
    yaml_reject_unknown(map, keys, COUNT_OF(keys), "haproxy", r->diags);
}

/* http://user:password@host/ */
static bool has_user(const char *url)
{
    const char *host = strstr(url, "://");
    return host && memchr(host + 3, '@', strcspn(host + 3, "/?#")) != NULL;
}

static void check_webhook(struct reader *r, struct yaml_node *map)
{
    static const char *const keys[] = {"url", "timeout", "bearerTokenFile"};
    const char *text = "";
    int64_t timeout_ms = 5000;
    yaml_take_string(map, "url", r->arena, &text, r->diags);
    if (!str_starts(str_from(text), STR("http://")) && !str_starts(str_from(text), STR("https://")))
        yaml_error(map, r->diags, "webhook needs url, beginning with http:// or https://");
    yaml_take_duration(map, "timeout", &timeout_ms, r->diags);
    if (has_user(text))
        yaml_error(map, r->diags,
                   "a user in the webhook's url would stand in the ledger; give a "
                   "bearerTokenFile");
    yaml_take_string(map, "bearerTokenFile", r->arena, &text, r->diags);
    yaml_reject_unknown(map, keys, COUNT_OF(keys), "webhook", r->diags);
}

static void read_traffic(struct reader *r, struct yaml_node *spec, struct traffic_spec *out)
{
    static const char *const keys[] = {"haproxy", "webhook", "timeout"};
    struct yaml_node *map = yaml_take_map(spec, "traffic", r->diags);
    out->kind = "";
    out->timeout_ms = 30000;
    if (!map) {
        yaml_error(spec, r->diags, "a rollout needs traffic: which actuator moves the weight");
        return;
    }
    yaml_take_duration(map, "timeout", &out->timeout_ms, r->diags);
    for (size_t i = 0; i < 2; i++) {
        struct yaml_node *config = yaml_take_map(map, keys[i], r->diags);
        if (!config)
            continue;
        if (*out->kind)
            yaml_error(config, r->diags, "traffic has one actuator; this is a second");
        out->kind = keys[i];
        out->config = yaml_to_json(r->arena, config);
        if (i == 0)
            check_haproxy(r, config);
        else
            check_webhook(r, config);
    }
    yaml_reject_unknown(map, keys, COUNT_OF(keys), "traffic", r->diags);
    if (!*out->kind)
        yaml_error(map, r->diags, "traffic needs an actuator: haproxy or webhook");
}

static void read_step(struct reader *r, struct yaml_node *map, double previous_pct,
                      struct rollout_step *out)
{
    static const char *const keys[] = {"weight", "hold"};
    if (map->kind != YAML_MAP) {
        yaml_error(map, r->diags, "a step must be a mapping like { weight: 10, hold: 5m }");
        return;
    }
    struct yaml_node *weight = yaml_take(map, "weight");
    struct str text = weight && weight->kind == YAML_SCALAR ? weight->scalar : STR("");
    if (str_ends(text, STR("%")))
        text.n--;
    if (!num_parse_double(text, &out->weight_pct) ||
        !(out->weight_pct > previous_pct && out->weight_pct <= 100))
        yaml_error(weight ? weight : map, r->diags,
                   "weight must be a percentage over the step before and at most 100");
    yaml_take_duration(map, "hold", &out->hold_ms, r->diags);
    yaml_reject_unknown(map, keys, COUNT_OF(keys), "step", r->diags);
}

static void read_steps(struct reader *r, struct yaml_node *spec, struct rollout_policy *out)
{
    struct yaml_node *list = yaml_take_list(spec, "steps", r->diags);
    if (!list || list->n == 0) {
        yaml_error(list ? list : spec, r->diags, "a rollout needs steps");
        return;
    }
    struct rollout_step *steps = ARENA_ARRAY(r->arena, struct rollout_step, list->n);
    for (size_t i = 0; i < list->n; i++)
        read_step(r, list->items[i], i > 0 ? steps[i - 1].weight_pct : 0, &steps[i]);
    if (steps[list->n - 1].weight_pct < 100)
        yaml_error(list->items[list->n - 1], r->diags, "the last step must be weight: 100");
    out->steps = steps;
    out->n_steps = list->n;
    out->bake_ms = steps[list->n - 1].hold_ms;
}

static void take_response(struct reader *r, struct yaml_node *map, const char *key,
                          enum policy_response *out)
{
    int choice;
    if (yaml_take_choice(map, key, responses, COUNT_OF(responses), &choice, r->diags))
        *out = (enum policy_response)choice;
}

static void read_on(struct reader *r, struct yaml_node *spec, struct rollout_policy *out)
{
    static const char *const keys[] = {"fail",  "insufficient", "blind",
                                       "error", "deadline",     "late"};
    struct yaml_node *map = yaml_take_map(spec, "on", r->diags);
    if (!map)
        return;
    take_response(r, map, "fail", &out->on_fail);
    take_response(r, map, "insufficient", &out->on_insufficient);
    take_response(r, map, "blind", &out->on_blind);
    take_response(r, map, "error", &out->on_error);
    take_response(r, map, "late", &out->on_deadline);
    yaml_take_duration(map, "deadline", &out->deadline_ms, r->diags);
    yaml_reject_unknown(map, keys, COUNT_OF(keys), "on", r->diags);
}

static void read_risk(struct reader *r, struct yaml_node *spec, struct rollout_policy *out)
{
    static const char *const keys[] = {"falseRollback", "missedHarm", "dispersion"};
    struct yaml_node *map = yaml_take_map(spec, "risk", r->diags);
    if (!map)
        return;
    yaml_take_ratio(map, "falseRollback", &out->false_rollback, r->diags);
    yaml_take_ratio(map, "missedHarm", &out->missed_harm, r->diags);
    yaml_take_double(map, "dispersion", &out->dispersion, r->diags);
    if (!(out->false_rollback >= 1e-6 && out->false_rollback <= 0.5) ||
        !(out->missed_harm >= 1e-6 && out->missed_harm <= 0.5))
        yaml_error(map, r->diags, "risks must be from 0.0001%% to 50%%");
    if (!isnan(out->dispersion) && !(out->dispersion >= 1 && out->dispersion <= 100))
        yaml_error(map, r->diags, "risk.dispersion must be from 1 to 100");
    yaml_reject_unknown(map, keys, COUNT_OF(keys), "risk", r->diags);
}

static void read_approvals(struct reader *r, struct yaml_node *spec, struct approvals_spec *out)
{
    static const char *const keys[] = {"before", "need", "ttl"};
    struct yaml_node *map = yaml_take_map(spec, "approvals", r->diags);
    int64_t need = 1;
    *out = (struct approvals_spec){.need = 1, .ttl_ms = 3600000};
    if (!map)
        return;
    size_t n;
    const char **weights = read_strings(r, map, "before", &n);
    double *before = ARENA_ARRAY(r->arena, double, n);
    for (size_t i = 0; i < n; i++) {
        if (!num_parse_double(str_from(weights[i]), &before[i]))
            yaml_error(map, r->diags, "approvals.before: '%s' is not a weight", weights[i]);
    }
    yaml_take_i64(map, "need", 1, 20, &need, r->diags);
    yaml_take_duration(map, "ttl", &out->ttl_ms, r->diags);
    out->before_pct = before;
    out->n_before = n;
    out->need = (int)need;
    yaml_reject_unknown(map, keys, COUNT_OF(keys), "approvals", r->diags);
}

static void check_approvals(struct reader *r, const struct yaml_node *spec,
                            const struct rollout_policy *p)
{
    for (size_t i = 0; i < p->approvals.n_before; i++) {
        bool found = false;
        for (size_t k = 0; k < p->n_steps; k++)
            found |= fabs(p->steps[k].weight_pct - p->approvals.before_pct[i]) < 1e-9;
        if (!found)
            yaml_error(spec, r->diags, "approvals.before: no step has weight %g",
                       p->approvals.before_pct[i]);
    }
}

/* The baseline's value of the cohort label may name stable's, and nothing else. */
static void check_baseline(struct reader *r, const struct yaml_node *map, const char *baseline)
{
    if (!*baseline || strpbrk(baseline, " \t\r\n"))
        yaml_error(map, r->diags,
                   "cohorts.baseline must be a value of the cohort label, like "
                   "'{{stable}}-baseline'");
    else if (strcmp(baseline, "{{stable}}") == 0 || strcmp(baseline, "{{canary}}") == 0)
        yaml_error(map, r->diags,
                   "cohorts.baseline is '%s': the baseline's instances need a value of their own, "
                   "like '{{stable}}-baseline'",
                   baseline);
    else if (strlen(baseline) > MAX_BASELINE)
        yaml_error(map, r->diags, "cohorts.baseline has %zu bytes, the limit is %d",
                   strlen(baseline), MAX_BASELINE);
    for (const char *p = baseline; (p = strstr(p, "{{")) != NULL; p += 2) {
        if (!str_starts(str_from(p), STR("{{stable}}")))
            yaml_error(map, r->diags, "cohorts.baseline knows {{stable}}, not '%s'", p);
    }
}

static void read_cohorts(struct reader *r, struct yaml_node *map, struct rollout_policy *out)
{
    static const char *const keys[] = {"label", "baseline"};
    yaml_take_string(map, "label", r->arena, &out->cohort_label, r->diags);
    if (yaml_take_string(map, "baseline", r->arena, &out->baseline, r->diags))
        check_baseline(r, yaml_take(map, "baseline"), out->baseline);
    yaml_reject_unknown(map, keys, COUNT_OF(keys), "cohorts", r->diags);
}

static void read_rollout_spec(struct reader *r, struct yaml_node *spec, struct rollout_policy *out)
{
    static const char *const keys[] = {"service",  "automation", "traffic",   "cohorts",   "steps",
                                       "evidence", "risk",       "budget",    "telemetry", "on",
                                       "quorum",   "bake",       "approvals", "warmup"};
    static const char *const levels[] = {
#define X(code, name) name,
        AUTOMATION_LEVELS(X)
#undef X
    };
    int level = AUTOMATION_FULL;
    int64_t quorum = 1;
    if (!yaml_take_string(spec, "service", r->arena, &out->service, r->diags))
        yaml_error(spec, r->diags, "spec.service is required");
    yaml_take_choice(spec, "automation", levels, COUNT_OF(levels), &level, r->diags);
    out->automation = (enum automation)level;
    read_traffic(r, spec, &out->traffic);
    struct yaml_node *cohorts = yaml_take_map(spec, "cohorts", r->diags);
    if (cohorts)
        read_cohorts(r, cohorts, out);
    read_steps(r, spec, out);
    out->checks = read_checks(r, spec, false, &out->n_checks);
    read_risk(r, spec, out);
    read_budget(r, spec, &out->budget_slo, &out->budget_keep);
    read_telemetry(r, spec, &out->max_age_ms, &out->bucket_ms);
    read_on(r, spec, out);
    yaml_take_i64(spec, "quorum", 1, 100, &quorum, r->diags);
    out->quorum = (int)quorum;
    yaml_take_duration(spec, "bake", &out->bake_ms, r->diags);
    yaml_take_duration(spec, "warmup", &out->warmup_ms, r->diags);
    if (out->warmup_ms < 0 || out->warmup_ms > MAX_WARMUP_MS)
        yaml_error(spec, r->diags, "warmup must be at most 1d");
    read_approvals(r, spec, &out->approvals);
    check_approvals(r, spec, out);
    yaml_reject_unknown(spec, keys, COUNT_OF(keys), "Rollout spec", r->diags);
}

static void read_rollout(struct reader *r, struct yaml_node *document, struct yaml_node *spec)
{
    struct rollout_policy *out = READER_PUSH(r, rollouts, n_rollouts, rollout_capacity);
    *out = (struct rollout_policy){.service = "",
                                   .automation = AUTOMATION_FULL,
                                   .cohort_label = "version",
                                   .false_rollback = 0.05,
                                   .missed_harm = 0.05,
                                   .dispersion = (double)NAN,
                                   .bucket_ms = 5000,
                                   .max_age_ms = 60000,
                                   .on_fail = RESPOND_ROLLBACK,
                                   .on_insufficient = RESPOND_HOLD,
                                   .on_blind = RESPOND_PAUSE,
                                   .on_error = RESPOND_PAUSE,
                                   .on_deadline = RESPOND_PAUSE,
                                   .deadline_ms = 7200000,
                                   .quorum = 1,
                                   .path = document->path,
                                   .line = document->line};
    out->name = read_name(r, document);
    r->who = arena_printf(r->arena, "Rollout '%s'", out->name);
    read_rollout_spec(r, spec, out);
}

static void read_gate(struct reader *r, struct yaml_node *document, struct yaml_node *spec)
{
    static const char *const keys[] = {"service", "evidence", "budget", "telemetry", "window"};
    struct gate_policy *out = READER_PUSH(r, gates, n_gates, gate_capacity);
    *out = (struct gate_policy){.service = "",
                                .window_ms = 300000,
                                .max_age_ms = 60000,
                                .path = document->path,
                                .line = document->line};
    out->name = read_name(r, document);
    r->who = arena_printf(r->arena, "Gate '%s'", out->name);
    yaml_take_string(spec, "service", r->arena, &out->service, r->diags);
    out->checks = read_checks(r, spec, true, &out->n_checks);
    read_budget(r, spec, &out->budget_slo, &out->budget_keep);
    read_telemetry(r, spec, &out->max_age_ms, NULL);
    yaml_take_duration(spec, "window", &out->window_ms, r->diags);
    yaml_reject_unknown(spec, keys, COUNT_OF(keys), "Gate spec", r->diags);
}

void read_policy(struct reader *r, struct yaml_node *document, const char *kind)
{
    static const char *const keys[] = {"apiVersion", "kind", "metadata", "spec"};
    static const char *const kinds[] = {"Rollout", "Gate"};
    bool rollout = strcmp(kind, "Rollout") == 0;
    if (!rollout && strcmp(kind, "Gate") != 0) {
        const char *near = str_nearest(str_from(kind), kinds, COUNT_OF(kinds));
        yaml_error(document, r->diags, "kind '%s' is not known; Rollout and Gate are%s%s%s", kind,
                   near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
        return;
    }
    struct yaml_node *spec = yaml_take_map(document, "spec", r->diags);
    if (!spec)
        yaml_error(document, r->diags, "spec is required");
    else if (rollout)
        read_rollout(r, document, spec);
    else
        read_gate(r, document, spec);
    yaml_take(document, "metadata");
    yaml_reject_unknown(document, keys, COUNT_OF(keys), kind, r->diags);
}
