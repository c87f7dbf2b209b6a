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

static void print_check(struct cli *cli, struct arena *arena, const json_t *check)
{
    const char *state = clean_get(arena, check, "state");
    const char *query = clean_get(arena, check, "query");
    double detectable = number(check, "minimumDetectableEffect");
    (void)fprintf(cli->out, "%s%-12s%s  %s%s\n", paint_on(cli, paint_of_state(state)), state,
                  paint_off(cli), clean_get(arena, check, "check"),
                  json_get_bool(check, "critical", true) ? "" : "  (informs only)");
    print_line(cli, "", clean_get(arena, check, "sentence"));
    print_line(cli, "effect", clean(arena, text_effect(arena, check)));
    print_line(cli, "samples", text_samples(arena, check));
    if (!isnan(detectable))
        print_line(cli, "detectable from",
                   text_in_unit(arena, detectable, json_get_cstr(check, "unit", "1")));
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
