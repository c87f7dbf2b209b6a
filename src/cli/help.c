/* What the program says about itself: all commands, one, or the nearest to a wrong word. */
#include "cli/internal.h"

const struct command *find_command(const char *first, const char *second)
{
    for (size_t i = 0; i < n_commands; i++) {
        struct str rest = str_from(commands[i].name), head;
        (void)str_cut(&rest, ' ', &head);
        if (str_is(head, first) && (rest.p ? second && str_is(rest, second) : !second))
            return &commands[i];
    }
    return NULL;
}

static bool is_common_option(const struct option_spec *option)
{
    for (const struct option_spec *o = common_options; o->name; o++) {
        if (o == option)
            return true;
    }
    return false;
}

void print_overview(FILE *out)
{
    (void)fputs("cqed: production evidence decides what happens to a change.\n\n", out);
    for (size_t i = 0; i < n_commands; i++)
        (void)fprintf(out, "  %-20s%s\n", commands[i].name, commands[i].summary);
    (void)fputs(
        "\n`cqed COMMAND --help` says more. The server is $CQED_SERVER, else " DEFAULT_SERVER ".\n",
        out);
}

/* The commands whose first word is this one. */
size_t print_group(FILE *out, const char *word)
{
    size_t n = strlen(word), shown = 0;
    for (size_t i = 0; i < n_commands; i++) {
        if (strncmp(commands[i].name, word, n) != 0 || commands[i].name[n] != ' ')
            continue;
        if (out)
            (void)fprintf(out, "  cqed %-20s%s\n", commands[i].name, commands[i].summary);
        shown++;
    }
    return shown;
}

static void print_options(FILE *out, const struct command *c, const struct option_spec *list)
{
    for (; list && list->name; list++) {
        bool is_common = is_common_option(list);
        if (is_common &&
            ((!c->talks && strcmp(list->name, "server") == 0) ||
             (!c->prints && strcmp(list->name, "json") == 0) || strcmp(list->name, "version") == 0))
            continue;
        char left[64];
        char letter[8] = "    ";
        if (list->letter)
            (void)snprintf(letter, sizeof letter, "-%c, ", list->letter);
        (void)snprintf(left, sizeof left, "%s--%s%s%s", letter, list->name, list->value ? " " : "",
                       list->value ? list->value : "");
        (void)fprintf(out, "  %-28s %s\n", left, list->help);
    }
}

void print_command_help(struct cli *cli, const struct command *c)
{
    (void)fprintf(cli->out, "cqed %s%s%s [options]\n\n%s\n", c->name, c->arguments[0] ? " " : "",
                  c->arguments, c->summary);
    if (c->details)
        print_wrapped(cli, 0, c->details);
    (void)fputs("\n", cli->out);
    print_options(cli->out, c, c->options);
    print_options(cli->out, c, common_options);
    struct str rest = str_from(c->example), line;
    (void)fputs("\nExample:\n", cli->out);
    while (str_cut(&rest, '\n', &line))
        (void)fprintf(cli->out, "  " STR_FMT "\n", STR_ARG(line));
}

int unknown_command(struct cli *cli, const char *first, const char *second)
{
    const char **names = ARENA_ARRAY(&cli->arena, const char *, 2 * n_commands);
    size_t n = 0;
    const char *word = second ? arena_printf(&cli->arena, "%s %s", first, second) : first;
    for (size_t i = 0; i < n_commands; i++) {
        struct str rest = str_from(commands[i].name), head;
        names[n++] = commands[i].name;
        if (str_cut(&rest, ' ', &head) && rest.p && !second)
            names[n++] = arena_cstr(&cli->arena, head);
    }
    const char *nearest = str_nearest(str_from(word), names, n);
    if (nearest)
        tell_error(cli, "there is no command '%s': did you mean `cqed %s`?", word, nearest);
    else
        tell_error(cli, "there is no command '%s'", word);
    if (print_group(NULL, first)) {
        (void)print_group(cli->err, first);
    } else {
        (void)fputs("\n", cli->err);
        print_overview(cli->err);
    }
    return EXIT_USAGE;
}

int run_help(struct cli *cli)
{
    const char *first = cli->args.n_words > 0 ? cli->args.words[0] : NULL;
    const char *second = cli->args.n_words > 1 ? cli->args.words[1] : NULL;
    const struct command *c = first ? find_command(first, second) : NULL;
    if (!first)
        print_overview(cli->out);
    else if (c)
        print_command_help(cli, c);
    else if (second || !print_group(cli->out, first))
        return unknown_command(cli, first, second);
    return EXIT_DONE;
}
