/* What a policy can show with the traffic that there is: `rollout start --dry-run` asks the server,
 * `check --forecast` reckons with the files' own policies and the server's traffic. */
#include "cli/internal.h"

#include "judge/judge.h"
#include "model/policy.h"

#include <math.h>

static double number(const json_t *object, const char *key)
{
    return json_to_double(json_object_get(object, key), (double)NAN);
}

static const char *text_time_or(struct arena *arena, const json_t *step, const char *key,
                                const char *otherwise)
{
    int64_t ms = json_get_i64(step, key, -1);
    return ms < 0 ? otherwise : text_duration(arena, ms);
}

/* known: bad events were seen, so that there is something to be a multiple of. */
static void print_steps(struct cli *cli, const json_t *steps, bool known)
{
    static const char *const headers[] = {
        "  WEIGHT", "HOLD", "A DOUBLING IS SEEN", "SEEN IN THE HOLD", "HEALTH IS PROVEN", NULL};
    struct arena *arena = &cli->arena;
    struct table table;
    table_init(&table, arena, headers);
    for (size_t i = 0; i < json_array_size(steps); i++) {
        const json_t *s = json_array_get(steps, i);
        double ratio = number(s, "detectableRatio"), effect = number(s, "detectableEffect");
        int64_t doubling_ms = json_get_i64(s, "doublingMs", -1);
        bool late = known && (doubling_ms < 0 || doubling_ms > json_get_i64(s, "holdMs", 0));
        const char *doubling = text_time_or(arena, s, "doublingMs", known ? "not within 6h" : "-");
        const char *healthy = text_time_or(arena, s, "passMs", "not within a day");
        table_add(&table, PAINT_NONE,
                  arena_printf(arena, "  %s", text_weight(arena, number(s, "weightPct"))));
        table_add(&table, PAINT_NONE, text_time_or(arena, s, "holdMs", "-"));
        table_add(&table, late ? PAINT_WARN : PAINT_NONE,
                  doubling_ms < 0 ? doubling : arena_printf(arena, "after %s", doubling));
        table_add(&table, PAINT_NONE,
                  !isnan(ratio)    ? arena_printf(arena, "from %.3g times on", ratio)
                  : !isnan(effect) ? arena_printf(arena, "from %s on", text_percent(arena, effect))
                                   : "nothing");
        table_add(&table, PAINT_NONE,
                  json_get_i64(s, "passMs", -1) < 0 ? healthy
                                                    : arena_printf(arena, "after %s", healthy));
    }
    table_print(&table, cli);
}

void print_forecast(struct cli *cli, const json_t *forecast)
{
    struct arena *arena = &cli->arena;
    const json_t *checks = json_object_get(forecast, "checks");
    const json_t *warnings = json_object_get(forecast, "warnings");
    for (size_t i = 0; i < json_array_size(checks); i++) {
        const json_t *c = json_array_get(checks, i);
        int64_t learned_ms = json_get_i64(c, "learnedMs", 0);
        (void)fprintf(cli->out,
                      "%s%s%s: %.*f requests/s, %s %s, %s tolerated; dispersion %.3g, %s\n",
                      paint_on(cli, PAINT_BOLD), clean_get(arena, c, "check"), paint_off(cli),
                      number(c, "requestsPerSecond") < 10 ? 1 : 0, number(c, "requestsPerSecond"),
                      text_percent(arena, number(c, "badRatio")),
                      strcmp(json_get_cstr(c, "kind", ""), "latency") == 0 ? "slow" : "bad",
                      text_percent(arena, number(c, "tolerate")), number(c, "dispersion"),
                      learned_ms > 0
                          ? arena_printf(arena, "learned from %s", text_duration(arena, learned_ms))
                          : "assumed");
        if (json_array_size(json_object_get(c, "steps")) > 0)
            print_steps(cli, json_object_get(c, "steps"), number(c, "badRatio") > 0);
    }
    if (json_array_size(checks) == 0)
        (void)fputs("nothing is compared with stable: there is nothing to forecast\n", cli->out);
    for (size_t i = 0; i < json_array_size(warnings); i++) {
        (void)fprintf(cli->out, "%swarning:%s\n", paint_on(cli, PAINT_WARN), paint_off(cli));
        print_wrapped(cli, 2, clean_get(arena, json_array_get(warnings, i), "sentence"));
    }
}

json_t *ask_forecast(struct cli *cli, const char *service, const char *stable, struct err *err)
{
    struct arena *arena = &cli->arena;
    const char *path =
        arena_printf(arena, "/cqed/v1/forecast?service=%s", url_part(arena, service));
    if (stable)
        path = arena_printf(arena, "%s&stable=%s", path, url_part(arena, stable));
    return api_get(cli, arena, path, err);
}

/* --- With the policy of a file --- */

static struct judge_basis basis_of(const struct check_spec *spec, const json_t *known)
{
    struct judge_basis basis = {
        .check = spec->name, .tolerate = spec->tolerate, .dispersion = JUDGE_DISPERSION};
    for (size_t i = 0; i < json_array_size(known); i++) {
        const json_t *c = json_array_get(known, i);
        if (strcmp(json_get_cstr(c, "check", ""), spec->name) != 0)
            continue;
        basis.is_latency = strcmp(json_get_cstr(c, "kind", ""), "latency") == 0;
        basis.requests_per_s = fmax(0, json_get_double(c, "requestsPerSecond", 0));
        basis.bad_ratio = fmin(1, fmax(0, json_get_double(c, "badRatio", 0)));
        basis.dispersion = json_get_double(c, "dispersion", JUDGE_DISPERSION);
        basis.learned_ms = json_get_i64(c, "learnedMs", 0);
    }
    return basis;
}

json_t *forecast_policy(struct cli *cli, const struct rollout_policy *policy, struct err *err)
{
    struct judge_basis *basis = ARENA_ARRAY(&cli->arena, struct judge_basis, policy->n_checks + 1);
    size_t n = 0;
    const json_t *known = ask_forecast(cli, policy->service, NULL, err);
    if (!known)
        return NULL;
    for (size_t i = 0; i < policy->n_checks; i++) {
        const struct check_spec *spec = &policy->checks[i];
        if (spec->slo && spec->against_stable && spec->critical)
            basis[n++] = basis_of(spec, json_object_get(known, "checks"));
    }
    return judge_forecast(&cli->arena, policy, basis, n);
}
