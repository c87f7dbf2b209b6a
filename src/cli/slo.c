/* cqed slo: objectives, what is left of their budgets, and how fast it goes. */
#include "cli/internal.h"

#include <math.h>

static double number(const json_t *object, const char *key)
{
    return json_to_double(json_object_get(object, key), (double)NAN);
}

static enum paint paint_of_budget(double left)
{
    if (isnan(left))
        return PAINT_DIM;
    return left <= 0 ? PAINT_BAD : left < 0.25 ? PAINT_WARN : PAINT_GOOD;
}

static const char *text_burn(struct arena *arena, const json_t *slo, const char *window)
{
    double burn = number(json_object_get(slo, "burn"), window);
    return isnan(burn) ? "-" : arena_printf(arena, "%.3g", burn);
}

static bool is_noisy(const json_t *slo)
{
    return json_is_string(json_object_get(json_object_get(slo, "selfCheck"), "noisy"));
}

/* How often stable was called harmful against itself. */
static const char *text_trials(struct arena *arena, const json_t *slo)
{
    const json_t *s = json_object_get(slo, "selfCheck");
    int64_t trials = json_get_i64(s, "trials", 0);
    if (trials == 0)
        return "-";
    return arena_printf(arena, "%lld of %lld wrong", (long long)json_get_i64(s, "falseAlarms", 0),
                        (long long)trials);
}

static void print_self_check(struct cli *cli, const json_t *slo)
{
    struct arena *arena = &cli->arena;
    const json_t *s = json_object_get(slo, "selfCheck");
    double dispersion = number(s, "dispersion");
    if (!json_is_object(s))
        return;
    if (!json_get_bool(s, "split", false))
        (void)fputs("A/A          not known: events of two instances are needed\n", cli->out);
    else if (isnan(dispersion))
        (void)fputs("A/A          not known yet: the first trial begins after 15 minutes\n",
                    cli->out);
    else
        (void)fprintf(cli->out, "A/A          %s trials of an hour, at %s; dispersion %.3g\n",
                      text_trials(arena, slo), text_percent(arena, number(s, "alpha")), dispersion);
    if (is_noisy(slo))
        (void)fprintf(cli->out, "%stoo noisy to gate on: %s%s\n", paint_on(cli, PAINT_WARN),
                      clean_get(arena, s, "noisy"), paint_off(cli));
}

int run_slo_list(struct cli *cli)
{
    static const char *const headers[] = {"SLO",         "SERVICE", "TARGET",  "GOOD",
                                          "BUDGET LEFT", "BURN 5M", "BURN 1H", "BURN 6H",
                                          "NEWEST",      "A/A",     NULL};
    struct arena *arena = &cli->arena;
    struct err err = ERR_INIT;
    struct table table;
    const json_t *all = api_get(cli, arena, "/cqed/v1/slos", &err);
    if (!all)
        return fail_with(cli, &err);
    if (cli->json) {
        print_json(cli, all);
        return EXIT_DONE;
    }
    const json_t *slos = json_object_get(all, "slos");
    table_init(&table, arena, headers);
    for (size_t i = 0; i < json_array_size(slos); i++) {
        const json_t *s = json_array_get(slos, i);
        double left = number(s, "budgetRemaining");
        table_add(&table, PAINT_BOLD, clean_get(arena, s, "name"));
        table_add(&table, PAINT_NONE, clean_get(arena, s, "service"));
        table_add(&table, PAINT_NONE, text_percent(arena, number(s, "target")));
        table_add(&table, PAINT_NONE, text_percent(arena, number(s, "ratio")));
        table_add(&table, paint_of_budget(left), text_percent(arena, left));
        table_add(&table, PAINT_NONE, text_burn(arena, s, "5m"));
        table_add(&table, PAINT_NONE, text_burn(arena, s, "1h"));
        table_add(&table, PAINT_NONE, text_burn(arena, s, "6h"));
        table_add(&table, PAINT_NONE, text_age(arena, json_get_i64(s, "freshMs", -1)));
        bool noisy = is_noisy(s);
        table_add(&table, noisy ? PAINT_WARN : PAINT_NONE,
                  noisy ? "too noisy to gate on" : text_trials(arena, s));
    }
    if (json_array_size(slos) > 0)
        table_print(&table, cli);
    else
        (void)fputs("no SLOs are configured\n", cli->out);
    return EXIT_DONE;
}

static void print_slo(struct cli *cli, const json_t *slo)
{
    struct arena *arena = &cli->arena;
    double left = number(slo, "budgetRemaining");
    const char *description = clean_get(arena, slo, "description");
    const char *error = clean_get(arena, slo, "error");
    (void)fprintf(cli->out, "%s%s%s  %s\n", paint_on(cli, PAINT_BOLD),
                  clean_get(arena, slo, "name"), paint_off(cli),
                  clean_get(arena, slo, "displayName"));
    if (description[0])
        print_wrapped(cli, 2, description);
    (void)fprintf(cli->out, "service      %s\ntarget       %s over %s (%s)\n",
                  clean_get(arena, slo, "service"), text_percent(arena, number(slo, "target")),
                  text_duration(arena, json_get_i64(slo, "windowMs", 0)),
                  clean_get(arena, slo, "kind"));
    if (error[0]) {
        (void)fprintf(cli->out, "%snot known: %s%s\n", paint_on(cli, PAINT_BAD), error,
                      paint_off(cli));
        return;
    }
    (void)fprintf(cli->out, "good         %s of %s events, %s bad%s\n",
                  text_percent(arena, number(slo, "ratio")),
                  text_count(arena, number(slo, "total")), text_count(arena, number(slo, "bad")),
                  json_get_bool(slo, "partial", false) ? " (younger than the window)" : "");
    (void)fprintf(cli->out, "budget left  %s%s%s\n", paint_on(cli, paint_of_budget(left)),
                  text_percent(arena, left), paint_off(cli));
    print_self_check(cli, slo);
    (void)fprintf(cli->out, "burn rate    5m %s, 1h %s, 6h %s\nnewest       %s\n",
                  text_burn(arena, slo, "5m"), text_burn(arena, slo, "1h"),
                  text_burn(arena, slo, "6h"), text_age(arena, json_get_i64(slo, "freshMs", -1)));
}

int run_slo_show(struct cli *cli)
{
    struct err err = ERR_INIT;
    const char *name = cli->args.words[0];
    const json_t *slo =
        api_get(cli, &cli->arena,
                arena_printf(&cli->arena, "/cqed/v1/slos/%s", url_part(&cli->arena, name)), &err);
    if (!slo)
        return fail_by_name(cli, &err, name, "/cqed/v1/slos", "slos", "name");
    if (cli->json)
        print_json(cli, slo);
    else
        print_slo(cli, slo);
    return EXIT_DONE;
}
