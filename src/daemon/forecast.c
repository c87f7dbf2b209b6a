/* Before the start: what a policy can show with the traffic of the past hour. */
#include "base/clock.h"
#include "daemon/comparison.h"

#include <math.h>

#define PAST_MS INT64_C(3600000)

/* When the arm was first heard of in what was selected; to_ms when never. */
static int64_t first_heard_ms(const struct arm_series *arm, int64_t to_ms)
{
    int64_t first_ms = to_ms;
    for (size_t i = 0; i < arm->n_total; i++) {
        if (arm->total[i].n > 0 && arm->total[i].samples[0].t_ms < first_ms)
            first_ms = arm->total[i].samples[0].t_ms;
    }
    return first_ms;
}

/* Traffic and bad ratio of stable, which has all of it before the start. */
static void measure(struct daemon *d, struct arena *arena, const struct check *check,
                    const char *version, int64_t now_ms, struct judge_basis *out)
{
    struct arm_series arm;
    int64_t from_ms = now_ms - PAST_MS;
    if (!select_arm(d, arena, check, version, from_ms, now_ms, &arm, NULL))
        return;
    int64_t first_ms = first_heard_ms(&arm, now_ms);
    if (first_ms < from_ms)
        first_ms = from_ms;
    struct arm_counts counts = count_arm(&arm, first_ms, now_ms);
    if (!(counts.total > 0) || first_ms >= now_ms)
        return;
    out->requests_per_s = counts.total / ((double)(now_ms - first_ms) / 1000);
    out->bad_ratio = fmin(1, fmax(0, counts.bad / counts.total));
}

/* The dispersion as the rollout would learn it now. */
static struct judge_basis basis_of(struct daemon *d, struct arena *arena,
                                   const struct rollout_policy *policy,
                                   const struct check_spec *spec, const char *version, double alpha,
                                   int64_t now_ms)
{
    struct opening opening = {policy, alpha, version, now_ms};
    struct check *check = ARENA_ARRAY(arena, struct check, 1);
    struct slo_arm *arms;
    size_t n;
    check->spec = spec;
    struct judge_basis basis = {
        .check = spec->name, .tolerate = spec->tolerate, .dispersion = JUDGE_DISPERSION};
    if (!slo_engine_arms(d->engine, arena, spec->slo, &arms, &n))
        return basis;
    if (start_stream(d, &opening, check, find_arm(arms, n, version), arena, NULL)) {
        basis.dispersion = judge_stream_dispersion(check->stream);
        basis.learned_ms = judge_stream_learned_ms(check->stream);
    }
    judge_stream_free(check->stream);
    basis.is_latency = check->is_latency;
    measure(d, arena, check, version, now_ms, &basis);
    return basis;
}

static bool compares(const struct check_spec *spec)
{
    return is_controlled(spec) && spec->slo;
}

json_t *forecast_of(struct daemon *d, struct arena *arena, const struct rollout_policy *policy,
                    const char *stable_version, int64_t now_ms)
{
    struct judge_basis *basis = ARENA_ARRAY(arena, struct judge_basis, policy->n_checks + 1);
    size_t n = 0;
    for (size_t i = 0; i < policy->n_checks; i++) {
        if (compares(&policy->checks[i]))
            basis[n++] = basis_of(d, arena, policy, &policy->checks[i], stable_version,
                                  alpha_of_checks(policy), now_ms);
    }
    json_t *forecast = judge_forecast(arena, policy, basis, n);
    (void)json_object_set_new(forecast, "stableVersion", json_string_nocheck(stable_version));
    return forecast;
}

/* The version with most events of all; a forecast may guess what a start must know. */
static const char *busiest_version(struct daemon *d, struct arena *arena,
                                   const struct rollout_policy *policy)
{
    const char *busiest = "";
    double most = 0;
    struct slo_arm *arms;
    size_t n;
    for (size_t i = 0; i < policy->n_checks; i++) {
        if (!compares(&policy->checks[i]) ||
            !slo_engine_arms(d->engine, arena, policy->checks[i].slo, &arms, &n))
            continue;
        for (size_t k = 0; k < n; k++) {
            if (arms[k].total > most)
                busiest = arena_cstr(arena, arms[k].version);
            most = fmax(most, arms[k].total);
        }
    }
    return busiest;
}

json_t *forecast_view(struct daemon *d, struct arena *arena, const struct control_request *asked,
                      struct err *err)
{
    const struct rollout_policy *policy = find_policy(d, asked->id, err);
    json_t *told = json_own(arena, json_object());
    if (!policy)
        return NULL;
    if (asked->version && asked->version[0])
        (void)json_object_set_new(told, "stableVersion", json_string(asked->version));
    const char *stable = find_stable(d, arena, told, policy, "", NULL);
    if (!stable)
        stable = busiest_version(d, arena, policy);
    return forecast_of(d, arena, policy, stable, clock_wall_ms());
}

const struct notice *start_notices(struct daemon *d, struct rollout *r, struct arena *arena,
                                   int64_t now_ms, size_t *n)
{
    if (!r->forecast) {
        json_t *made = forecast_of(d, arena, r->policy, r->state.stable_version, now_ms);
        r->forecast = json_own(&r->arena, json_incref(made));
    }
    const json_t *warnings = json_object_get(r->forecast, "warnings");
    size_t n_warnings = json_array_size(warnings), most = n_warnings + r->policy->n_checks;
    struct notice *notices = ARENA_ARRAY(arena, struct notice, most + 1);
    *n = 0;
    for (size_t i = 0; i < n_warnings; i++) {
        const json_t *warning = json_array_get(warnings, i);
        notices[(*n)++] = (struct notice){json_get_cstr(warning, "code", ""),
                                          json_get_cstr(warning, "sentence", "")};
    }
    for (size_t i = 0; i < r->policy->n_checks; i++) {
        const struct check_spec *spec = &r->policy->checks[i];
        const char *noise = compares(spec) ? selfcheck_noise(d, spec->slo) : NULL;
        if (noise)
            notices[(*n)++] =
                (struct notice){"too_noisy", arena_printf(arena, "%s is too noisy to gate on: %s",
                                                          spec->name, noise)};
    }
    return notices;
}
