/* Evidence that has no arms: a PromQL value against its limits, an SLO against its own target, an
 * error budget; and gates, which ask only these. */
#include "base/clock.h"
#include "base/num.h"
#include "daemon/internal.h"

#include <math.h>

#define QUERY_MS 2000 /* a question on the control thread has this long */
#define Z95 1.959964

static struct evidence new_evidence(const struct check_spec *spec, enum evidence_kind kind)
{
    const double nan_value = (double)NAN;
    return (struct evidence){.check = spec->name,
                             .kind = kind,
                             .state = EVIDENCE_BLIND,
                             .critical = spec->critical,
                             .unit = kind == EVIDENCE_QUERY ? "1" : "ratio",
                             .effect = nan_value,
                             .low = nan_value,
                             .high = nan_value,
                             .tolerate = nan_value,
                             .harm_log_e = nan_value,
                             .harm_log_limit = nan_value,
                             .minimum_detectable_effect = nan_value,
                             .fresh_ms = -1,
                             .uncontrolled = kind == EVIDENCE_QUERY,
                             .query = spec->query ? spec->query : spec->slo,
                             .code = "no_data",
                             .sentence = "",
                             .would_change = ""};
}

/* --- Queries --- */

static const char *limits_of(struct arena *arena, const struct check_spec *spec)
{
    if (!isnan(spec->below) && !isnan(spec->above))
        return arena_printf(arena, "over %.10g and under %.10g", spec->above, spec->below);
    return !isnan(spec->below) ? arena_printf(arena, "under %.10g", spec->below)
                               : arena_printf(arena, "over %.10g", spec->above);
}

static bool keeps_limits(const struct check_spec *spec, double v)
{
    return (isnan(spec->below) || v < spec->below) && (isnan(spec->above) || v > spec->above);
}

/* Of several series the worst speaks: one that breaks the limit, else the first. */
static double worst_value(const struct check_spec *spec, const double *values, size_t n)
{
    double worst = (double)NAN;
    for (size_t i = 0; i < n; i++) {
        if (isnan(worst) || (!isnan(values[i]) && !keeps_limits(spec, values[i])))
            worst = values[i];
    }
    return worst;
}

/* What is older than the policy's limit is no value, where PromQL would look back 5 minutes; a
 * range in brackets reaches as far as it says, and fresh_ms tells. False: e says why there is none.
 */
static bool ask_store(struct daemon *d, struct arena *arena, const struct check_spec *spec,
                      const char *query, int64_t max_age_ms, int64_t now_ms, struct evidence *e)
{
    struct promql_options options = {.lookback_ms = max_age_ms,
                                     .deadline_mono_ns =
                                         clock_mono_ns() + QUERY_MS * INT64_C(1000000)};
    struct err err = ERR_INIT;
    const double *values;
    size_t n;
    int64_t age_ms;
    if (!ask_values(&d->source, &options, query, now_ms, arena, &values, &n, &age_ms, &err)) {
        e->state = EVIDENCE_ERROR;
        e->code = "query_failed";
        e->sentence = arena_printf(arena, "the query cannot be answered: %s", err.message);
        return false;
    }
    e->effect = worst_value(spec, values, n);
    e->fresh_ms = age_ms > 0 ? age_ms : 0;
    return true;
}

/* The newest answer of another store, which is asked behind our back: it goes on growing old. One
 * that does not answer leaves us blind when its last answer is too old, not before. */
static bool ask_source(struct daemon *d, struct arena *arena, const struct check_spec *spec,
                       const char *query, int64_t max_age_ms, int64_t now_ms, struct evidence *e)
{
    struct source_answer a =
        source_asker_ask(d->asker, arena, spec->source, query, max_age_ms, now_ms);
    int64_t since_ms = now_ms > a.at_ms ? now_ms - a.at_ms : 0;
    if (a.at_ms == 0 && !a.why) {
        e->state = EVIDENCE_INSUFFICIENT;
        e->code = "source_waits";
        e->sentence =
            arena_printf(arena, "source '%s' was asked and has not answered yet", spec->source);
        e->would_change = "its answer";
        return false;
    }
    if (a.why && (a.at_ms == 0 || since_ms > max_age_ms)) {
        e->code = "source_silent";
        bool named = str_starts(str_from(a.why), STR("source '"));
        e->sentence = named
                          ? arena_printf(arena, "no answer: %s", a.why)
                          : arena_printf(arena, "no answer: source '%s': %s", spec->source, a.why);
        e->would_change = "its answer";
        return false;
    }
    e->effect = worst_value(spec, a.values, a.n_values);
    e->fresh_ms = since_ms + (a.age_ms > 0 ? a.age_ms : 0);
    return true;
}

struct evidence answer_query(struct daemon *d, struct arena *arena, const struct check_spec *spec,
                             const char *query, int64_t max_age_ms, int64_t now_ms)
{
    struct evidence e = new_evidence(spec, EVIDENCE_QUERY);
    e.query = query;
    e.would_change = arena_printf(arena, "a value %s", limits_of(arena, spec));
    if (spec->source ? !ask_source(d, arena, spec, query, max_age_ms, now_ms, &e)
                     : !ask_store(d, arena, spec, query, max_age_ms, now_ms, &e))
        return e;
    e.tolerate = !isnan(spec->below) ? spec->below : spec->above;
    if (isnan(e.effect)) {
        e.fresh_ms = -1;
        e.sentence = arena_printf(
            arena, "the query has no value: no series has a sample of the last %g s, or it is NaN",
            (double)max_age_ms / 1000);
        return e;
    }
    bool good = keeps_limits(spec, e.effect);
    if (e.fresh_ms > max_age_ms) {
        e.code = "stale";
        e.sentence = arena_printf(arena, "what the query reads is %lld s old; the limit is %lld s",
                                  (long long)(e.fresh_ms / 1000), (long long)(max_age_ms / 1000));
        return e;
    }
    e.state = good ? EVIDENCE_PASS : EVIDENCE_FAIL;
    e.code = good ? "within_limit" : "over_limit";
    if (good)
        e.would_change = arena_printf(arena, "a value that is not %s", limits_of(arena, spec));
    e.sentence =
        arena_printf(arena, "the value is %.10g; it must be %s", e.effect, limits_of(arena, spec));
    return e;
}

/* --- An SLO against its own target --- */

/* Wilson's score interval (E. B. Wilson, J. Am. Stat. Assoc. 22, 1927) of a proportion. */
static void wilson(double bad, double total, double *low, double *high)
{
    double p = bad / total, z2 = Z95 * Z95 / total;
    double middle = (p + z2 / 2) / (1 + z2);
    double half = Z95 * sqrt(p * (1 - p) / total + z2 / (4 * total)) / (1 + z2);
    *low = fmax(0, middle - half);
    *high = fmin(1, middle + half);
}

static void judge_slo(struct evidence *e, const struct slo_spec *slo, const struct slo_window *w,
                      struct arena *arena)
{
    double budget = 1 - slo->target;
    double ratio = w->bad / w->total;
    wilson(w->bad, w->total, &e->low, &e->high);
    e->effect = ratio;
    e->tolerate = budget;
    e->canary = (struct arm_counts){w->total, w->bad};
    e->would_change = arena_printf(arena, "a bad ratio over %.4g%% in the window", 100 * budget);
    if (ratio <= budget) {
        e->state = EVIDENCE_PASS;
        e->code = "within_target";
    } else {
        bool shown = e->low > budget;
        e->state = shown ? EVIDENCE_FAIL : EVIDENCE_INSUFFICIENT;
        e->code = shown ? "over_target" : "not_proven";
        e->would_change =
            arena_printf(arena, "a bad ratio of at most %.4g%% in the window", 100 * budget);
    }
    e->sentence = arena_printf(
        arena, "%.4g%% of %.0f events were bad (95%%: %.3g%% to %.3g%%); the target allows %.4g%%",
        100 * ratio, w->total, 100 * e->low, 100 * e->high, 100 * budget);
}

void blame_source(struct daemon *d, struct arena *arena, const char *name, struct evidence *e)
{
    const struct slo_spec *slo = config_find_slo(d->config, name);
    const char *source = slo && e->state == EVIDENCE_BLIND ? slo->sli.source : NULL;
    const char *why = source ? source_bringer_failure(d->bringer, arena, source) : NULL;
    if (why)
        e->sentence = arena_printf(arena, "%s; no answer: %s", e->sentence, why);
}

int64_t slo_freshness(struct daemon *d, struct arena *arena, const char *slo, int64_t now_ms)
{
    struct slo_arm *arms;
    size_t n;
    int64_t newest_ms = 0;
    if (!slo_engine_arms(d->engine, arena, slo, &arms, &n))
        return -1;
    for (size_t i = 0; i < n; i++)
        newest_ms = arms[i].newest_ms > newest_ms ? arms[i].newest_ms : newest_ms;
    if (newest_ms == 0)
        return -1;
    return now_ms > newest_ms ? now_ms - newest_ms : 0;
}

struct evidence answer_slo(struct daemon *d, struct arena *arena, const struct check_spec *spec,
                           int64_t window_ms, int64_t now_ms)
{
    struct evidence e = new_evidence(spec, EVIDENCE_SLO);
    const struct slo_spec *slo = config_find_slo(d->config, spec->slo);
    struct slo_window w;
    struct err err = ERR_INIT;
    if (!slo || !slo_window(&d->source, arena, slo, NULL, now_ms - window_ms, now_ms, &w, &err)) {
        e.state = EVIDENCE_ERROR;
        e.code = "question_broken";
        e.sentence = slo ? arena_strdup(arena, err.message)
                         : arena_printf(arena, "there is no SLO '%s'", spec->slo);
        return e;
    }
    e.fresh_ms = slo_freshness(d, arena, spec->slo, now_ms);
    e.observed_ms = w.to_ms - w.from_ms;
    if (!slo_window_is_possible(&w)) {
        e.code = "impossible";
        e.sentence = arena_printf(arena, "%.10g good of %.10g events", w.good, w.total);
        e.would_change = "counters that do not contradict each other";
    } else if (w.total > 0) {
        judge_slo(&e, slo, &w, arena);
    } else {
        e.code = e.fresh_ms < 0 ? "no_telemetry" : "no_traffic";
        e.sentence = e.fresh_ms < 0
                         ? arena_printf(arena, "no telemetry of '%s' has been seen", spec->slo)
                         : arena_printf(arena, "no event in %g min", (double)window_ms / 60000);
        e.would_change = "events in the window";
    }
    blame_source(d, arena, spec->slo, &e);
    return e;
}

double budget_remaining(struct daemon *d, struct arena *arena, const char *name, int64_t now_ms)
{
    const struct slo_spec *slo = config_find_slo(d->config, name);
    struct slo_status status;
    if (!slo || !slo_status(&d->source, arena, slo, now_ms, &status, NULL))
        return (double)NAN;
    return status.budget_remaining;
}

/* --- Gates --- */

static json_t *reasons_of(const struct gate_decision *answer)
{
    json_t *reasons = json_array();
    for (size_t i = 0; i < answer->n_reasons; i++)
        (void)json_array_append_new(
            reasons, json_pack("{s:s, s:o}", "code", answer->reasons[i].code, "sentence",
                               json_string_nocheck(answer->reasons[i].sentence)));
    return reasons;
}

static int64_t oldest(const struct snapshot *seen)
{
    int64_t age_ms = 0;
    for (size_t i = 0; i < seen->n_checks; i++) {
        const struct evidence *e = &seen->checks[i];
        if (e->kind == EVIDENCE_SLO && e->fresh_ms < 0)
            return -1;
        if (e->fresh_ms > age_ms)
            age_ms = e->fresh_ms;
    }
    return age_ms;
}

static struct snapshot look(struct daemon *d, struct arena *arena, const struct gate_policy *gate,
                            int64_t now_ms)
{
    struct evidence *checks = ARENA_ARRAY(arena, struct evidence, gate->n_checks);
    struct snapshot seen = {.at_ms = now_ms,
                            .checks = checks,
                            .n_checks = gate->n_checks,
                            .exposure = {.observed_pct = (double)NAN,
                                         .measured_pct = (double)NAN,
                                         .at_ms = now_ms,
                                         .error = "a gate moves no traffic"}};
    for (size_t i = 0; i < gate->n_checks; i++) {
        const struct check_spec *spec = &gate->checks[i];
        checks[i] = spec->query
                        ? answer_query(d, arena, spec, spec->query, gate->max_age_ms, now_ms)
                        : answer_slo(d, arena, spec, gate->window_ms, now_ms);
    }
    seen.budget_remaining =
        gate->budget_slo ? budget_remaining(d, arena, gate->budget_slo, now_ms) : (double)NAN;
    seen.telemetry_age_ms = oldest(&seen);
    return seen;
}

/* The questions of gates to other stores are asked all the time, so that a gate has its answer when
 * somebody wants to pass. */
void gates_tick(struct daemon *d, int64_t now_ms)
{
    struct arena arena = ARENA_INIT;
    for (size_t i = 0; i < d->config->n_gates; i++) {
        const struct gate_policy *gate = &d->config->gates[i];
        for (size_t k = 0; k < gate->n_checks; k++) {
            const struct check_spec *spec = &gate->checks[k];
            if (spec->source)
                (void)source_asker_ask(d->asker, &arena, spec->source, spec->query,
                                       gate->max_age_ms, now_ms);
        }
    }
    arena_release(&arena);
}

static int exit_code_of(enum evidence_state state)
{
    switch (state) {
    case EVIDENCE_PASS:
        return 0;
    case EVIDENCE_FAIL:
        return 1;
    case EVIDENCE_ERROR:
        return 2;
    case EVIDENCE_INSUFFICIENT:
    case EVIDENCE_BLIND:
        break;
    }
    return 3;
}

json_t *gate_answer(struct daemon *d, struct arena *arena, const char *name, struct err *err)
{
    const struct gate_policy *gate = config_find_gate(d->config, name);
    int64_t now_ms = clock_wall_ms();
    uint64_t seq;
    if (!gate) {
        err_set(err, ERR_NOT_FOUND, "there is no gate '%.100s'; `cqed check` lists what there is",
                name);
        return NULL;
    }
    struct snapshot seen = look(d, arena, gate, now_ms);
    struct gate_decision answer = decide_gate(arena, gate, &seen);
    json_t *reasons = json_own(arena, reasons_of(&answer));
    const char *state = evidence_state_name(answer.state);
    json_t *body = json_own(
        arena, json_pack("{s:O, s:O, s:s, s:O}", "policy", gate_policy_to_json(arena, gate), "seen",
                         snapshot_to_json(arena, &seen), "state", state, "reasons", reasons));
    if (!record(d, LEDGER_GATE, gate->name, now_ms, body, &seq, err))
        return NULL;
    json_t *checks = evidence_view(arena, json_object_get(json_object_get(body, "seen"), "checks"));
    return json_own(arena, json_pack("{s:s, s:s, s:i, s:O, s:O, s:I}", "gate", gate->name, "state",
                                     state, "exitCode", exit_code_of(answer.state), "checks",
                                     checks, "reasons", reasons, "seq", (json_int_t)seq));
}
