/* cqed judge --kayenta: Kayenta's judge on a request in a file, and what cQED says beside it. */
#include "judge/kayenta.h"

#include "base/file.h"
#include "cli/internal.h"

#define MAX_REQUEST ((size_t)64 << 20)

static enum paint paint_of_class(const char *class)
{
    bool good = strcmp(class, "Pass") == 0;
    return good ? PAINT_GOOD : strcmp(class, "Marginal") == 0 ? PAINT_WARN : PAINT_BAD;
}

static void print_metric(struct cli *cli, const json_t *metric)
{
    const char *class = json_get_cstr(metric, "classification", "");
    const json_t *metadata = json_object_get(metric, "resultMetadata");
    const json_t *beside = json_object_get(metadata, "cqed");
    const json_t *doubts = json_object_get(beside, "doubts");
    (void)fprintf(cli->out, "  %s: %s%s%s%s\n", clean_get(&cli->arena, metric, "name"),
                  paint_on(cli, paint_of_class(class)), class, paint_off(cli),
                  json_get_bool(metric, "muted", false) ? " (muted)" : "");
    print_wrapped(cli, 4,
                  arena_printf(&cli->arena, "cQED: %s, %s", json_get_cstr(beside, "verdict", ""),
                               json_get_cstr(beside, "sentence", "")));
    for (size_t i = 0; i < json_array_size(doubts); i++)
        print_wrapped(cli, 4, json_string_value(json_array_get(doubts, i)));
}

static void print_answer(struct cli *cli, const json_t *answer)
{
    const json_t *score = json_object_get(answer, "score");
    const json_t *results = json_object_get(answer, "results");
    const char *class = json_get_cstr(score, "classification", "");
    const char *reason = clean_get(&cli->arena, score, "classificationReason");
    (void)fprintf(cli->out, "%s%s%s: score %g by Kayenta's rules%s%s\n",
                  paint_on(cli, paint_of_class(class)), class, paint_off(cli),
                  json_get_double(score, "score", 0), *reason ? "; " : "", reason);
    for (size_t i = 0; i < json_array_size(results); i++)
        print_metric(cli, json_array_get(results, i));
}

static int exit_of(const json_t *answer)
{
    const char *class = json_get_cstr(json_object_get(answer, "score"), "classification", "");
    return strcmp(class, "Pass") == 0   ? EXIT_DONE
           : strcmp(class, "Fail") == 0 ? EXIT_NEGATIVE
                                        : EXIT_PENDING;
}

int judge_kayenta(struct cli *cli, const char *path)
{
    struct buf text = BUF_INIT;
    struct err err = ERR_INIT;
    json_t *request = NULL, *answer = NULL;
    if (cli->args.n_words > 0)
        return misuse(cli, "--kayenta reads one request, no counters beside it");
    if (file_read(path, MAX_REQUEST, &text, &err) &&
        !(request = json_parse(&cli->arena, buf_str(&text), &err)))
        err_prefix(&err, "%s: ", path);
    if (request && !(answer = kayenta_judge(&cli->arena, request, &err)))
        err_prefix(&err, "%s: ", path);
    buf_release(&text);
    if (!answer)
        return fail_with(cli, &err);
    if (cli->json)
        print_json(cli, answer);
    else
        print_answer(cli, answer);
    return exit_of(answer);
}
