#include "judge/judge.h"

#include "model/policy.h"

#include <math.h>

#define MOST_RATIO 100.0
#define STEPS 14                        /* of bisection on a logarithm: to a part in 10^4 */
#define LIMIT_MS (INT64_C(6) * 3600000) /* further nobody looks */
#define A_DAY_MS INT64_C(86400000)      /* what a proof may take and still be told */
#define DOUBLING 2.0
#define START_MS 1000

/* --- One check --- */

static struct judge_stream *open_stream(const struct judge_plan *plan, double tolerate)
{
    struct judge_config c = judge_config_default(EVIDENCE_RATIO);
    c.alpha = plan->basis.is_latency ? plan->alpha / JUDGE_THRESHOLDS : plan->alpha;
    c.beta = plan->beta;
    c.tolerate = tolerate;
    c.dispersion = fmax(1, plan->basis.dispersion);
    return judge_stream_new(&c);
}

/* What is expected of a bucket. */
static bool feed(struct judge_stream *s, const struct judge_plan *plan, double weight, double ratio,
                 int64_t start_ms, int64_t length_ms)
{
    double n = plan->basis.requests_per_s * (double)length_ms / 1000;
    double p = plan->basis.bad_ratio, rest = plan->beside_baseline ? weight : 1 - weight;
    struct judge_bucket b = {.start_ms = START_MS + start_ms,
                             .length_ms = length_ms,
                             .stable_reported = true,
                             .canary_reported = true,
                             .stable = {n * rest, n * rest * p},
                             .canary = {n * weight, n * weight * fmin(1, ratio * p)}};
    return judge_stream_feed(s, &b, NULL);
}

static bool can_be_asked(const struct judge_plan *plan, double weight)
{
    return plan->basis.requests_per_s > 0 && weight > 0 && weight < 1;
}

int64_t judge_time_to_detect(const struct judge_plan *plan, double weight, double ratio,
                             int64_t limit_ms)
{
    int64_t found_ms = -1;
    if (!can_be_asked(plan, weight) || !(plan->basis.bad_ratio > 0))
        return -1;
    struct judge_stream *s = open_stream(plan, 0);
    double limit = -log(plan->basis.is_latency ? plan->alpha / JUDGE_THRESHOLDS : plan->alpha);
    for (int64_t t = 0; t < limit_ms && found_ms < 0; t += plan->bucket_ms) {
        if (!feed(s, plan, weight, ratio, t, plan->bucket_ms))
            break;
        if (judge_stream_log_e(s) >= limit)
            found_ms = t + plan->bucket_ms;
    }
    judge_stream_free(s);
    return found_ms;
}

/* Evidence of health is a sum: all of a time is fed at once, in the two buckets that it takes. */
static bool is_proven(const struct judge_plan *plan, double weight, double tolerate,
                      int64_t after_ms)
{
    struct judge_stream *s = open_stream(plan, tolerate);
    int64_t half_ms = after_ms / 2 > 0 ? after_ms / 2 : 1;
    bool proven = feed(s, plan, weight, 1, 0, half_ms) &&
                  feed(s, plan, weight, 1, half_ms, half_ms) && judge_stream_is_healthy(s);
    judge_stream_free(s);
    return proven;
}

int64_t judge_time_to_pass(const struct judge_plan *plan, double weight, int64_t limit_ms)
{
    double low = (double)plan->bucket_ms, high = (double)limit_ms;
    if (!can_be_asked(plan, weight) ||
        !is_proven(plan, weight, plan->basis.tolerate, (int64_t)high))
        return -1;
    for (int i = 0; i < STEPS && high > low; i++) {
        double middle = sqrt(low * high);
        if (is_proven(plan, weight, plan->basis.tolerate, (int64_t)middle))
            high = middle;
        else
            low = middle;
    }
    return (int64_t)high;
}

double judge_least_ratio(const struct judge_plan *plan, double weight, int64_t within_ms)
{
    double low = 1, high = MOST_RATIO;
    if (judge_time_to_detect(plan, weight, high, within_ms) < 0)
        return (double)INFINITY;
    for (int i = 0; i < STEPS; i++) {
        double middle = sqrt(low * high);
        if (judge_time_to_detect(plan, weight, middle, within_ms) >= 0)
            high = middle;
        else
            low = middle;
    }
    return high;
}

double judge_least_tolerance(const struct judge_plan *plan, double weight, int64_t within_ms)
{
    double low = 1e-7, high = 1;
    if (!can_be_asked(plan, weight) || !is_proven(plan, weight, high, within_ms))
        return (double)INFINITY;
    for (int i = 0; i < STEPS + 6; i++) {
        double middle = sqrt(low * high);
        if (is_proven(plan, weight, middle, within_ms))
            high = middle;
        else
            low = middle;
    }
    return high;
}

/* --- A policy --- */

struct writing {
    struct arena *arena;
    const struct rollout_policy *policy;
    json_t *warnings;
};

static const char *long_time(struct arena *arena, int64_t ms)
{
    int64_t s = (ms + 500) / 1000;
    if (s < 120)
        return arena_printf(arena, "%lld s", (long long)s);
    if (s < 7200)
        return arena_printf(arena, "%lld min", (long long)((s + 30) / 60));
    return arena_printf(arena, "%.3g h", (double)s / 3600);
}

static void warn(struct writing *w, const char *code, const char *sentence)
{
    (void)json_array_append_new(w->warnings, json_pack("{s:s, s:o}", "code", code, "sentence",
                                                       json_string_nocheck(sentence)));
}

static json_t *time_or_null(int64_t ms)
{
    return ms < 0 ? json_null() : json_integer((json_int_t)ms);
}

static json_t *number_or_null(double v)
{
    return isfinite(v) ? json_real(v) : json_null();
}

/* The least weight at which a doubling is found within the time; 0 when there is none to 50%. */
static double least_weight(const struct judge_plan *plan, int64_t within_ms)
{
    static const double weights[] = {0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5};
    for (size_t i = 0; i < sizeof weights / sizeof *weights; i++) {
        if (judge_time_to_detect(plan, weights[i], DOUBLING, within_ms) >= 0)
            return weights[i];
    }
    return 0;
}

static const char *traffic_of(struct writing *w, const struct judge_basis *b, double pct)
{
    return arena_printf(w->arena,
                        "at %.*f requests/s, %.3g%% of them bad, and %.3g%% on the canary",
                        b->requests_per_s < 10 ? 1 : 0, b->requests_per_s, 100 * b->bad_ratio, pct);
}

/* A doubling would go unseen in the step: by how much it is too short, or the weight too small. */
static void warn_of_blindness(struct writing *w, const struct judge_plan *plan,
                              const struct rollout_step *step, int64_t doubling_ms)
{
    const struct judge_basis *b = &plan->basis;
    double enough = least_weight(plan, step->hold_ms);
    const char *when = doubling_ms < 0
                           ? "not within 6 h"
                           : arena_printf(w->arena, "in %s", long_time(w->arena, doubling_ms));
    const char *instead = doubling_ms < 0 ? "" : "hold that long";
    if (enough > step->weight_pct / 100)
        instead = arena_printf(w->arena, "%s%sgive it %.3g%%", instead, instead[0] ? ", or " : "",
                               100 * enough);
    warn(w, "forecast_doubling_unseen",
         arena_printf(w->arena,
                      "%s: %s, twice as many bad events are seen %s; the step holds %s%s%s",
                      b->check, traffic_of(w, b, step->weight_pct), when,
                      long_time(w->arena, step->hold_ms), instead[0] ? ": " : "", instead));
}

static void warn_of_waiting(struct writing *w, const struct judge_plan *plan, double weight_pct,
                            int64_t pass_ms)
{
    const struct judge_basis *b = &plan->basis;
    int64_t deadline_ms = w->policy->deadline_ms > 0 ? w->policy->deadline_ms : A_DAY_MS;
    if (pass_ms >= 0 && pass_ms <= deadline_ms)
        return;
    double provable = judge_least_tolerance(plan, weight_pct / 100, deadline_ms);
    const char *instead =
        isfinite(provable) ? arena_printf(w->arena, "; %.2g points could be", 100 * provable * 1.05)
                           : "";
    warn(w, "forecast_never_proven",
         arena_printf(w->arena, "%s: %s, %.3g points tolerated are not proven within %s%s",
                      b->check, traffic_of(w, b, weight_pct), 100 * b->tolerate,
                      long_time(w->arena, deadline_ms), instead));
}

/* A multiple of nothing says nothing: where no bad event was seen only the effect is told. */
static json_t *forecast_step(struct writing *w, const struct judge_plan *plan, bool known, size_t i)
{
    const struct rollout_step *step = &w->policy->steps[i];
    double weight = step->weight_pct / 100;
    int64_t doubling_ms = known ? judge_time_to_detect(plan, weight, DOUBLING, LIMIT_MS) : -1;
    int64_t pass_ms = judge_time_to_pass(plan, weight, A_DAY_MS);
    double ratio = judge_least_ratio(plan, weight, step->hold_ms);
    int64_t hold_ms = doubling_ms > step->hold_ms ? doubling_ms : step->hold_ms;
    if (known && (doubling_ms < 0 || doubling_ms > step->hold_ms))
        warn_of_blindness(w, plan, step, doubling_ms);
    if (i == 0)
        warn_of_waiting(w, plan, step->weight_pct, pass_ms);
    return json_pack("{s:f, s:I, s:o, s:o, s:o, s:o, s:o}", "weightPct", step->weight_pct, "holdMs",
                     (json_int_t)step->hold_ms, "doublingMs", time_or_null(doubling_ms),
                     "detectableRatio", number_or_null(known ? ratio : (double)INFINITY),
                     "detectableEffect", number_or_null((ratio - 1) * plan->basis.bad_ratio),
                     "passMs", time_or_null(pass_ms), "proposedHoldMs",
                     time_or_null(doubling_ms < 0 ? -1 : hold_ms));
}

static json_t *forecast_check(struct writing *w, const struct judge_basis *basis, double alpha)
{
    struct judge_plan plan = {.basis = *basis,
                              .alpha = alpha,
                              .beta = w->policy->missed_harm,
                              .beside_baseline = w->policy->baseline != NULL,
                              .bucket_ms =
                                  w->policy->bucket_ms > 5000 ? w->policy->bucket_ms : 5000};
    json_t *steps = json_array();
    bool known = basis->requests_per_s > 0;
    if (!known)
        warn(w, "forecast_no_traffic",
             arena_printf(w->arena, "%s: no traffic was seen, nothing can be said", basis->check));
    /* No bad event ever seen: what a hundredth of the tolerance would be. */
    if (known && basis->bad_ratio <= 0)
        plan.basis.bad_ratio = fmax(basis->tolerate / 100, 1e-6);
    for (size_t i = 0; known && i < w->policy->n_steps; i++) {
        if (w->policy->steps[i].weight_pct < 100)
            (void)json_array_append_new(steps, forecast_step(w, &plan, basis->bad_ratio > 0, i));
    }
    return json_pack("{s:s, s:s, s:f, s:f, s:f, s:I, s:f, s:o}", "check", basis->check, "kind",
                     evidence_kind_name(basis->is_latency ? EVIDENCE_LATENCY : EVIDENCE_RATIO),
                     "requestsPerSecond", basis->requests_per_s, "badRatio", basis->bad_ratio,
                     "dispersion", basis->dispersion, "learnedMs", (json_int_t)basis->learned_ms,
                     "tolerate", basis->tolerate, "steps", steps);
}

json_t *judge_forecast(struct arena *arena, const struct rollout_policy *policy,
                       const struct judge_basis *basis, size_t n)
{
    struct writing w = {arena, policy, json_array()};
    json_t *checks = json_array();
    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(
            checks, forecast_check(&w, &basis[i],
                                   (1 - JUDGE_GUARD_PART) * policy->false_rollback / (double)n));
    return json_own(arena, json_pack("{s:s, s:o, s:o}", "service", policy->service, "checks",
                                     checks, "warnings", w.warnings));
}
