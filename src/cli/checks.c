/* Evidence in words. */
#include "cli/internal.h"

#include "base/num.h"

#include <math.h>

static double number(const json_t *object, const char *key)
{
    return json_to_double(json_object_get(object, key), (double)NAN);
}

const char *text_effect(struct arena *arena, const json_t *check)
{
    const char *unit = json_get_cstr(check, "unit", "1");
    double effect = number(check, "effect"), low = number(check, "low"),
           high = number(check, "high"), tolerate = number(check, "tolerate");
    /* Of a value and its limit the sentence has said everything. */
    if (isnan(effect) || strcmp(json_get_cstr(check, "kind", ""), "query") == 0)
        return "";
    const char *text = text_in_unit(arena, effect, unit);
    if (!isnan(low) && !isnan(high))
        text = arena_printf(arena, "%s [%s .. %s]", text, text_in_unit(arena, low, unit),
                            text_in_unit(arena, high, unit));
    if (!isnan(tolerate))
        text = arena_printf(arena, "%s, tolerated %s", text, text_in_unit(arena, tolerate, unit));
    return text;
}

static const char *text_arm(struct arena *arena, const char *arm, const json_t *counts)
{
    return arena_printf(arena, "%s%s events, %s bad", arm,
                        text_count(arena, number(counts, "total")),
                        text_count(arena, number(counts, "bad")));
}

const char *text_samples(struct arena *arena, const json_t *check)
{
    const json_t *canary = json_object_get(check, "canary");
    const json_t *stable = json_object_get(check, "stable");
    const char *kind = json_get_cstr(check, "kind", "");
    if (strcmp(kind, "slo") == 0)
        return number(canary, "total") > 0 ? text_arm(arena, "", canary) : "";
    if (!(number(canary, "total") > 0) && !(number(stable, "total") > 0))
        return "";
    return arena_printf(arena, "%s; %s", text_arm(arena, "canary ", canary),
                        text_arm(arena, "stable ", stable));
}

static void print_line(struct cli *cli, const char *name, const char *text)
{
    if (text[0])
        print_wrapped(cli, 4, name[0] ? arena_printf(&cli->arena, "%s %s", name, text) : text);
}

/* What tempered the counts, and where that was learned. */
static void print_dispersion(struct cli *cli, struct arena *arena, const json_t *check)
{
    double dispersion = number(check, "dispersion"), log_e = number(check, "harmLogE");
    int64_t learned_ms = json_get_i64(check, "learnedMs", 0);
    int64_t unknown_ms = json_get_i64(check, "unknownMs", 0);
    if (isnan(dispersion))
        return;
    print_line(cli, "evidence of harm",
               arena_printf(arena, "e^%.2f of e^%.2f", log_e, number(check, "harmLogLimit")));
    print_line(cli, "dispersion",
               arena_printf(arena, "%.2f, %s", dispersion,
                            learned_ms > 0
                                ? arena_printf(arena, "learned from %s of stable",
                                               text_duration(arena, learned_ms))
                                : "given or assumed: there was no history to learn from"));
    if (unknown_ms > 0)
        print_line(cli, "not known", text_duration(arena, unknown_ms));
}

static void print_check(struct cli *cli, struct arena *arena, const json_t *check)
{
    const char *state = clean_get(arena, check, "state");
    const char *query = clean_get(arena, check, "query");
    double detectable = number(check, "minimumDetectableEffect");
    (void)fprintf(cli->out, "%s%-12s%s  %s%s\n", paint_on(cli, paint_of_state(state)), state,
                  paint_off(cli), clean_get(arena, check, "check"),
                  json_get_bool(check, "critical", true) ? "" : "  (informs only)");
    if (json_get_bool(check, "uncontrolled", false))
        print_line(cli, "uncontrolled:", "a threshold, whose error rate nobody knows");
    print_line(cli, "", clean_get(arena, check, "sentence"));
    print_line(cli, "effect", clean(arena, text_effect(arena, check)));
    print_line(cli, "samples", text_samples(arena, check));
    if (!isnan(detectable))
        print_line(cli, "detectable from",
                   text_in_unit(arena, detectable, json_get_cstr(check, "unit", "1")));
    print_dispersion(cli, arena, check);
    if (json_get_cstr(check, "against", NULL))
        print_line(cli, "compared with", clean_get(arena, check, "against"));
    print_line(cli, "newest telemetry", text_age(arena, json_get_i64(check, "freshMs", -1)));
    if (query[0])
        print_line(cli, "asked", query);
    print_line(cli, "would change it:", clean_get(arena, check, "wouldChange"));
}

void print_checks(struct cli *cli, struct arena *arena, const json_t *checks)
{
    for (size_t i = 0; i < json_array_size(checks); i++)
        print_check(cli, arena, json_array_get(checks, i));
}

/* --- Evidence over time --- */

#define PLOT_WIDTH 64
#define PLOT_ROWS 6

/* Of n values the largest in column i of `width`; NaN when there is none. */
static double most_in_column(const json_t *values, size_t n, size_t i, size_t width)
{
    double most = (double)NAN;
    for (size_t k = i * n / width; k < (i + 1) * n / width; k++)
        most = fmax(most, json_to_double(json_array_get(values, k), (double)NAN));
    return most;
}

void print_evidence_plot(struct cli *cli, const json_t *curves)
{
    const json_t *t = json_object_get(curves, "t"), *log_e = json_object_get(curves, "logE");
    double limit = number(curves, "logLimit"), columns[PLOT_WIDTH];
    size_t n = json_array_size(log_e), width = n < PLOT_WIDTH ? n : PLOT_WIDTH;
    if (n < 2 || json_array_size(t) != n || !(limit > 0))
        return;
    for (size_t i = 0; i < width; i++)
        columns[i] = most_in_column(log_e, n, i, width);
    for (size_t row = PLOT_ROWS; row > 0; row--) {
        char line[PLOT_WIDTH + 1];
        for (size_t i = 0; i < width; i++)
            line[i] = columns[i] >= limit * (double)row / PLOT_ROWS ? '#'
                      : row == PLOT_ROWS                            ? '-'
                                                                    : ' ';
        line[width] = '\0';
        (void)fprintf(cli->out, "    %6.2f |%s|%s\n", limit * (double)row / PLOT_ROWS, line,
                      row == PLOT_ROWS ? " harm is shown" : "");
    }
    (void)fprintf(cli->out, "%12s%s to %s, ln of the evidence of harm\n", "",
                  text_time(&cli->arena, json_integer_value(json_array_get(t, 0))),
                  text_time(&cli->arena, json_integer_value(json_array_get(t, n - 1))));
}
