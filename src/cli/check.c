/* cqed check: every problem of a configuration, or of policies alone, each with its place. */
#include "cli/internal.h"

#include "base/file.h"
#include "config/config.h"

#define MAX_BYTES ((size_t)4 << 20)

/* Lines that a policy document or a rule file begins with and a cqed.yaml never has. */
static bool looks_like_policies(struct str text)
{
    static const char *const keys[] = {"apiVersion:", "kind:", "metadata:", "spec:", "groups:"};
    struct str line;
    while (str_cut(&text, '\n', &line)) {
        for (size_t i = 0; i < COUNT_OF(keys); i++) {
            if (str_starts(line, str_from(keys[i])))
                return true;
        }
    }
    return false;
}

/* The cqed.yaml that a path means: itself, or the one in the folder. NULL when it means policies.
 */
static const char *main_file(struct cli *cli, const char *path)
{
    struct buf text = BUF_INIT;
    if (file_is_folder(path)) {
        const char *inside = arena_printf(&cli->arena, "%s/cqed.yaml", path);
        return file_exists(inside) ? inside : NULL;
    }
    /* A file that cannot be read is reported by whoever loads it. */
    bool policies = file_read(path, MAX_BYTES, &text, NULL) && looks_like_policies(buf_str(&text));
    buf_release(&text);
    return policies ? NULL : path;
}

/* What one load found, for people or for --json. */
struct found {
    struct cli *cli;
    struct diag_list diags;
    const char **slos, **rollouts, **gates;
    size_t n_slos, n_rollouts, n_gates, n_scrapes, n_rules;
    json_t *forecasts; /* array; NULL = not asked for */
};

static void take_names(struct found *f, const struct config *c)
{
    struct arena *arena = &f->cli->arena;
    f->slos = ARENA_ARRAY(arena, const char *, c->n_slos);
    f->rollouts = ARENA_ARRAY(arena, const char *, c->n_rollouts);
    f->gates = ARENA_ARRAY(arena, const char *, c->n_gates);
    for (size_t i = 0; i < c->n_slos; i++)
        f->slos[f->n_slos++] = arena_strdup(arena, c->slos[i].name);
    for (size_t i = 0; i < c->n_rollouts; i++)
        f->rollouts[f->n_rollouts++] = arena_strdup(arena, c->rollouts[i].service);
    for (size_t i = 0; i < c->n_gates; i++)
        f->gates[f->n_gates++] = arena_strdup(arena, c->gates[i].name);
    f->n_scrapes = c->n_scrapes;
    for (size_t i = 0; i < c->n_rule_groups; i++)
        f->n_rules += c->rule_groups[i].n_rules;
}

static void print_kind(struct cli *cli, const char *kind, const char *const *names, size_t n)
{
    (void)fprintf(cli->out, "  %-9s", kind);
    for (size_t i = 0; i < n; i++)
        (void)fprintf(cli->out, "%s%s", i ? ", " : "", clean(&cli->arena, names[i]));
    (void)fputs(n ? "\n" : "none\n", cli->out);
}

static void print_found(struct found *f, const char *what)
{
    struct cli *cli = f->cli;
    (void)fprintf(cli->out, "%s%s: ok%s\n", paint_on(cli, PAINT_GOOD), what, paint_off(cli));
    if (f->n_scrapes)
        (void)fprintf(cli->out, "  %-9s%zu\n", "scrapes", f->n_scrapes);
    if (f->n_rules)
        (void)fprintf(cli->out, "  %-9s%zu\n", "rules", f->n_rules);
    print_kind(cli, "SLOs", f->slos, f->n_slos);
    print_kind(cli, "rollouts", f->rollouts, f->n_rollouts);
    print_kind(cli, "gates", f->gates, f->n_gates);
}

void print_problem(struct cli *cli, const struct diag *d)
{
    bool is_error = d->level == DIAG_ERROR;
    (void)fprintf(cli->out, "%s", clean(&cli->arena, d->path));
    if (d->line > 0)
        (void)fprintf(cli->out, ":%d:%d", d->line, d->column);
    (void)fprintf(cli->out, ": %s%s:%s %s\n", paint_on(cli, is_error ? PAINT_BAD : PAINT_WARN),
                  is_error ? "error" : "warning", paint_off(cli), clean(&cli->arena, d->message));
}

/* --- As JSON, by the writer: file names and messages may be any bytes --- */

static void put_names(struct json_writer *w, const char *key, const char *const *names, size_t n)
{
    json_key(w, key);
    json_open_array(w);
    for (size_t i = 0; i < n; i++)
        json_put_cstr(w, names[i]);
    json_close_array(w);
}

static void put_problem(struct json_writer *w, const struct diag *d)
{
    json_open_object(w);
    json_key(w, "level");
    json_put_cstr(w, d->level == DIAG_ERROR ? "error" : "warning");
    json_key(w, "path");
    json_put_cstr(w, d->path);
    json_key(w, "line");
    json_put_i64(w, d->line);
    json_key(w, "column");
    json_put_i64(w, d->column);
    json_key(w, "message");
    json_put_cstr(w, d->message);
    json_close_object(w);
}

void put_problems(struct json_writer *w, const struct diag_list *diags)
{
    json_key(w, "ok");
    json_put_bool(w, diags->errors == 0);
    json_key(w, "errors");
    json_put_i64(w, (int64_t)diags->errors);
    json_key(w, "problems");
    json_open_array(w);
    for (size_t i = 0; i < diags->n; i++)
        put_problem(w, &diags->items[i]);
    json_close_array(w);
}

static void print_as_json(struct found *f)
{
    struct buf text = BUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &text);
    json_open_object(&w);
    put_problems(&w, &f->diags);
    put_names(&w, "slos", f->slos, f->n_slos);
    put_names(&w, "rollouts", f->rollouts, f->n_rollouts);
    put_names(&w, "gates", f->gates, f->n_gates);
    if (f->forecasts) {
        json_key(&w, "forecasts");
        json_put_value(&w, f->forecasts);
    }
    json_key(&w, "rules");
    json_put_i64(&w, (int64_t)f->n_rules);
    json_close_object(&w);
    json_writer_end(&w);
    (void)fprintf(f->cli->out, "%s\n", text.p);
    buf_release(&text);
}

static bool take_forecasts(struct found *f, const struct config *c, struct err *err)
{
    f->forecasts = json_own(&f->cli->arena, json_array());
    for (size_t i = 0; i < c->n_rollouts; i++) {
        json_t *forecast = forecast_policy(f->cli, &c->rollouts[i], err);
        if (!forecast)
            return false;
        (void)json_array_append(f->forecasts, forecast);
    }
    return true;
}

static int load(struct found *f, const char *main_path, const char *const *policies, size_t n)
{
    struct cli *cli = f->cli;
    const char *what = main_path ? main_path : policies[0];
    diag_init(&f->diags, &cli->arena);
    struct progress *progress = progress_start(cli, "checking %s", what);
    struct config *c = main_path ? config_load(main_path, &f->diags)
                                 : config_load_policies(policies, n, &f->diags);
    progress_stop(progress);
    diag_sort(&f->diags);
    if (c)
        take_names(f, c);
    struct err err = ERR_INIT;
    bool told = !c || !args_flag(&cli->args, "forecast") || take_forecasts(f, c, &err);
    config_free(c);
    if (!told)
        return fail_with(cli, &err);
    if (cli->json) {
        print_as_json(f);
        return f->diags.errors ? EXIT_NEGATIVE : EXIT_DONE;
    }
    for (size_t i = 0; i < f->diags.n; i++)
        print_problem(cli, &f->diags.items[i]);
    if (f->diags.errors)
        (void)fprintf(cli->out, "%zu error%s\n", f->diags.errors, f->diags.errors == 1 ? "" : "s");
    else
        print_found(f, what);
    for (size_t i = 0; i < json_array_size(f->forecasts); i++) {
        const json_t *forecast = json_array_get(f->forecasts, i);
        (void)fprintf(cli->out, "\nrollout of %s\n", clean_get(&cli->arena, forecast, "service"));
        print_forecast(cli, forecast);
    }
    return f->diags.errors ? EXIT_NEGATIVE : EXIT_DONE;
}

int run_check(struct cli *cli)
{
    const struct args *args = &cli->args;
    const char **policies = ARENA_ARRAY(&cli->arena, const char *, args->n_words);
    const char *main_path = NULL;
    size_t n_policies = 0;
    struct found f = {.cli = cli};
    if (args->n_words == 0) {
        if (!file_exists("cqed.yaml"))
            return misuse(cli, "there is no cqed.yaml here; name a file or a folder of policies");
        main_path = "cqed.yaml";
    }
    for (size_t i = 0; i < args->n_words; i++) {
        const char *file = main_file(cli, args->words[i]);
        if (!file)
            policies[n_policies++] = args->words[i];
        else if (main_path)
            return misuse(cli, "'%s' and '%s' are both a server's file; check one at a time",
                          main_path, file);
        else
            main_path = file;
    }
    if (main_path && n_policies > 0)
        return misuse(cli, "'%s' names its own policies; check '%s' apart from it", main_path,
                      policies[0]);
    return load(&f, main_path, policies, n_policies);
}
