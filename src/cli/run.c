/* Finding and running the command that the words name. */
#include "cli/internal.h"

#include "base/num.h"

#include <stdlib.h>
#include <unistd.h>

/* --- Saying why not --- */

void tell_error(struct cli *cli, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const char *text = arena_vprintf(&cli->arena, format, args);
    va_end(args);
    (void)fflush(cli->out);
    (void)fprintf(cli->err, "cqed: %s\n", clean(&cli->arena, text));
}

int fail_with(struct cli *cli, const struct err *err)
{
    tell_error(cli, "%s", err->message);
    switch (err->code) {
    case ERR_BAD_INPUT:
    case ERR_NOT_FOUND:
    case ERR_NOT_IMPLEMENTED:
        return EXIT_USAGE;
    case ERR_UNREACHABLE:
    case ERR_DENIED:
    case ERR_CANCELLED:
    case ERR_TIMEOUT:
        return EXIT_UNREACHABLE;
    case ERR_NONE:
    case ERR_LIMIT:
    case ERR_CONFLICT:
    case ERR_IO:
    case ERR_CORRUPT:
        break;
    }
    return EXIT_NEGATIVE;
}

int misuse(struct cli *cli, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const char *text = arena_vprintf(&cli->arena, format, args);
    va_end(args);
    tell_error(cli, "%s", text);
    const struct command *c = cli->command;
    if (c)
        (void)fprintf(cli->err, "usage: cqed %s%s%s [options]; `cqed %s --help` says more\n",
                      c->name, c->arguments[0] ? " " : "", c->arguments, c->name);
    return EXIT_USAGE;
}

bool take_duration(struct cli *cli, const char *name, int64_t least_ms, int64_t fallback_ms,
                   int64_t *out_ms)
{
    const char *text = args_value(&cli->args, name);
    *out_ms = fallback_ms;
    if (!text)
        return true;
    if (num_parse_duration_ms(str_from(text), out_ms) && *out_ms >= least_ms)
        return true;
    misuse(cli, "--%s must be a duration of at least %s, such as 30s or 10m, not '%s'", name,
           text_duration(&cli->arena, least_ms), text);
    return false;
}

bool take_integer(struct cli *cli, const char *name, int64_t fallback, int64_t *out)
{
    const char *text = args_value(&cli->args, name);
    *out = fallback;
    if (!text || num_parse_i64(str_from(text), out))
        return true;
    misuse(cli, "--%s must be a whole number, not '%s'", name, text);
    return false;
}

/* --- Running --- */

static void set_server(struct cli *cli)
{
    const char *server = args_value(&cli->args, "server");
    if (!server)
        server = getenv("CQED_SERVER");
    if (!server || !server[0])
        server = DEFAULT_SERVER;
    if (!strstr(server, "://"))
        server = arena_printf(&cli->arena, "http://%s", server);
    struct str s = str_from(server);
    while (s.n > 0 && s.p[s.n - 1] == '/')
        s.n--;
    cli->server = arena_cstr(&cli->arena, s);
}

/* What goes into JSON and URLs. */
static bool all_utf8(const struct args *a)
{
    for (size_t i = 0; i < a->n_words; i++) {
        if (!str_is_utf8(str_from(a->words[i])))
            return false;
    }
    for (size_t i = 0; i < a->n_options; i++) {
        if (a->values[i] && !str_is_utf8(str_from(a->values[i])))
            return false;
    }
    return true;
}

static int run_found(struct cli *cli, const struct command *c, int argc, char *const *argv)
{
    struct err err = ERR_INIT;
    int taken;
    cli->command = c;
    args_accept(&cli->args, c->options);
    if (!args_take(&cli->args, &cli->arena, argc, argv, false, &taken, &err))
        return misuse(cli, "%s", err.message);
    if (args_flag(&cli->args, "help")) {
        print_command_help(cli, c);
        return EXIT_DONE;
    }
    if (args_value(&cli->args, "server") && !c->talks)
        return misuse(cli, "`cqed %s` talks to no server", c->name);
    if (args_flag(&cli->args, "json") && !c->prints)
        return misuse(cli, "`cqed %s` prints no data", c->name);
    if (cli->args.n_words < (size_t)c->min_words)
        return misuse(cli, "%s is missing", c->arguments);
    if (cli->args.n_words > (size_t)c->max_words)
        return misuse(cli, "'%s' is one argument too many", cli->args.words[c->max_words]);
    if (c->talks && !all_utf8(&cli->args))
        return misuse(cli, "an argument is not UTF-8 text");
    cli->json = args_flag(&cli->args, "json");
    set_server(cli);
    return c->run(cli);
}

/* The group's word is read; argv[0] is what follows. */
static int run_in_group(struct cli *cli, const char *group, int argc, char *const *argv)
{
    struct err err = ERR_INIT;
    int taken;
    if (!args_take(&cli->args, &cli->arena, argc, argv, true, &taken, &err))
        return misuse(cli, "%s", err.message);
    if (args_flag(&cli->args, "help")) {
        (void)print_group(cli->out, group);
        return EXIT_DONE;
    }
    if (taken == argc) {
        tell_error(cli, "`cqed %s` needs one more word:", group);
        (void)print_group(cli->err, group);
        return EXIT_USAGE;
    }
    const struct command *c = find_command(group, argv[taken]);
    if (!c)
        return unknown_command(cli, group, argv[taken]);
    return run_found(cli, c, argc - taken - 1, argv + taken + 1);
}

int run_command_line(struct cli *cli, int argc, char *const *argv)
{
    struct err err = ERR_INIT;
    int taken;
    args_accept(&cli->args, common_options);
    if (!args_take(&cli->args, &cli->arena, argc, argv, true, &taken, &err))
        return misuse(cli, "%s", err.message);
    if (args_flag(&cli->args, "version"))
        return run_version(cli);
    if (taken == argc) {
        bool asked = args_flag(&cli->args, "help");
        print_overview(asked ? cli->out : cli->err);
        return asked ? EXIT_DONE : EXIT_USAGE;
    }
    const char *word = argv[taken];
    const struct command *c = taken + 1 < argc ? find_command(word, argv[taken + 1]) : NULL;
    if (c)
        return run_found(cli, c, argc - taken - 2, argv + taken + 2);
    c = find_command(word, NULL);
    if (c)
        return run_found(cli, c, argc - taken - 1, argv + taken + 1);
    if (print_group(NULL, word))
        return run_in_group(cli, word, argc - taken - 1, argv + taken + 1);
    return unknown_command(cli, word, NULL);
}

int run_version(struct cli *cli)
{
    if (args_flag(&cli->args, "json"))
        (void)fputs("{\"version\":\"" CQED_VERSION "\"}\n", cli->out);
    else
        (void)fputs("cqed " CQED_VERSION "\n", cli->out);
    return EXIT_DONE;
}

int run_serve(struct cli *cli)
{
    const char *config = args_value(&cli->args, "config");
    if (!config && access("cqed.yaml", F_OK) == 0)
        config = "cqed.yaml";
    return cli->serve(config, args_value(&cli->args, "listen"), args_value(&cli->args, "data"));
}

int cli_run(int argc, char *const *argv, cli_serve_fn *serve)
{
    struct cli cli = {.out = stdout, .err = stderr, .serve = serve};
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    cli.out_is_terminal = isatty(STDOUT_FILENO);
    cli.err_is_terminal = isatty(STDERR_FILENO);
    cli.color =
        cli.out_is_terminal && !(no_color && no_color[0]) && !(term && strcmp(term, "dumb") == 0);
    int code = run_command_line(&cli, argc > 0 ? argc - 1 : 0, argv + 1);
    if (fflush(stdout) != 0 && code == EXIT_DONE) {
        (void)fputs("cqed: standard output cannot be written\n", stderr);
        code = EXIT_NEGATIVE;
    }
    arena_release(&cli.arena);
    return code;
}
