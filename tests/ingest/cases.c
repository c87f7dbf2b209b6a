/* cases.c -- cases of exposition_check as text. README.md tells the form. */
#include "base/file.h"
#include "ingest/ingest.h"

#include <stdio.h>
#include <stdlib.h>

struct test_case {
    struct str name, format, text, says;
};

static _Noreturn void die(const char *what, struct str detail)
{
    fprintf(stderr, "%s: " STR_FMT "\n", what, STR_ARG(detail));
    exit(2);
}

/* Everything up to the next line that begins with === or ---. */
static struct str take_content(struct str *rest)
{
    const char *start = rest->p;
    struct str line;
    while (rest->n > 0 && !str_starts(*rest, STR("===")) && !str_starts(*rest, STR("--- ")))
        (void)str_cut(rest, '\n', &line);
    return str_make(start, rest->n ? (size_t)(rest->p - start) : strlen(start));
}

static bool take_case(struct str *rest, struct test_case *c)
{
    struct str line;
    (void)take_content(rest);
    if (rest->n == 0 || !str_cut(rest, '\n', &line))
        return false;
    *c = (struct test_case){.says = STR("")};
    c->name = str_trim(str_make(line.p + 3, line.n - 3));
    while (str_starts(*rest, STR("--- "))) {
        (void)str_cut(rest, '\n', &line);
        struct str what = str_trim(str_make(line.p + 4, line.n - 4)), content = take_content(rest);
        if (str_is(what, "says")) {
            c->says = content;
        } else {
            c->format = what;
            c->text = content;
        }
    }
    return true;
}

static bool has_option(const struct test_case *c, const char *option)
{
    struct str rest = c->format, word;
    while (str_cut(&rest, ' ', &word)) {
        if (str_is(word, option))
            return true;
    }
    return false;
}

static void unescape(struct str s, struct buf *out)
{
    for (size_t i = 0; i < s.n; i++) {
        char next = i + 1 < s.n && s.p[i] == '\\' ? s.p[i + 1] : '\0';
        if (next == 'r' || next == 't') {
            buf_add_char(out, next == 'r' ? '\r' : '\t');
            i++;
        } else if (next == 'x' && i + 3 < s.n) {
            const char digits[] = {s.p[i + 2], s.p[i + 3], '\0'};
            buf_add_char(out, (char)strtoul(digits, NULL, 16));
            i += 3;
        } else {
            buf_add_char(out, s.p[i]);
        }
    }
}

static void check(const struct test_case *c, struct arena *arena, struct buf *said)
{
    struct diag_list diags;
    struct buf text = BUF_INIT;
    bool openmetrics = has_option(c, "openmetrics");
    if (!openmetrics && !has_option(c, "text"))
        die("neither openmetrics nor text", c->name);
    if (has_option(c, "-e"))
        unescape(c->text, &text);
    else
        buf_add_str(&text, c->text);
    if (has_option(c, "-n") && text.n > 0)
        text.n--;
    /* Exactly the text, so that a sanitizer sees who reads behind it. */
    char *exact = malloc(text.n ? text.n : 1);
    if (!exact)
        die("no memory for", c->name);
    if (text.n > 0)
        memcpy(exact, text.p, text.n);
    diag_init(&diags, arena);
    exposition_check(openmetrics ? EXPOSITION_OPENMETRICS_1 : EXPOSITION_TEXT_004, "-",
                     str_make(exact, text.n), &diags);
    diag_sort(&diags);
    for (size_t i = 0; i < diags.n; i++) {
        const struct diag *d = &diags.items[i];
        if (!has_option(c, "-h") && str_ends(str_from(d->message), STR(": no help text")))
            continue;
        buf_printf(said, "%d:%d: %s: %s\n", d->line, d->column,
                   d->level == DIAG_ERROR ? "error" : "warning", d->message);
    }
    free(exact);
    buf_release(&text);
}

static bool run_case(const struct test_case *c, bool print)
{
    struct arena arena = ARENA_INIT;
    struct buf said = BUF_INIT;
    check(c, &arena, &said);
    bool good = str_eq(str_trim(buf_str(&said)), str_trim(c->says));
    if (print)
        printf("=== " STR_FMT "\n--- " STR_FMT "\n" STR_FMT "--- says\n" STR_FMT, STR_ARG(c->name),
               STR_ARG(c->format), STR_ARG(c->text), STR_ARG(buf_str(&said)));
    else if (!good)
        printf("case '" STR_FMT "'\nexpected:\n" STR_FMT "got:\n" STR_FMT "\n", STR_ARG(c->name),
               STR_ARG(c->says), STR_ARG(buf_str(&said)));
    buf_release(&said);
    arena_release(&arena);
    return good || print;
}

int main(int argc, char **argv)
{
    bool print = argc == 3 && strcmp(argv[1], "--print") == 0;
    struct err err = ERR_INIT;
    struct buf text = BUF_INIT;
    struct test_case c;
    size_t n = 0, failed = 0;
    if (argc != 2 && !print)
        die("usage", STR("exposition_cases [--print] FILE"));
    if (!file_read(argv[argc - 1], 1 << 20, &text, &err))
        die("cannot read the cases", str_from(err.message));
    for (struct str rest = buf_str(&text); take_case(&rest, &c); n++)
        failed += !run_case(&c, print);
    buf_release(&text);
    if (!print)
        printf("%zu cases, %zu failed\n", n, failed);
    return failed > 0 || n == 0;
}
