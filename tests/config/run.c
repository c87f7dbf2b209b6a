/* run.c -- cases of the configuration as text: files in, complaints out. README.md tells the form.
 */
#include "base/file.h"
#include "config/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MAX_FILES 8

struct file {
    struct str path;
    struct str content;
};

struct test_case {
    struct str name;
    struct file files[MAX_FILES];
    size_t n_files;
    struct str says;
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
    while (rest->n > 0 && !str_starts(*rest, STR("===")) && !str_starts(*rest, STR("---\x20"))) {
        struct str line;
        (void)str_cut(rest, '\n', &line);
    }
    return str_make(start, rest->n ? (size_t)(rest->p - start) : strlen(start));
}

static bool take_case(struct str *rest, struct test_case *c)
{
    struct str line;
    (void)take_content(rest);
    *c = (struct test_case){.says = STR("")};
    if (rest->n == 0 || !str_cut(rest, '\n', &line))
        return false;
    c->name = str_trim(str_make(line.p + 3, line.n - 3));
    while (str_starts(*rest, STR("--- "))) {
        (void)str_cut(rest, '\n', &line);
        struct str path = str_trim(str_make(line.p + 4, line.n - 4));
        struct str content = take_content(rest);
        if (str_is(path, "says"))
            c->says = content;
        else if (c->n_files < MAX_FILES)
            c->files[c->n_files++] = (struct file){path, content};
        else
            die("too many files in case", c->name);
    }
    return true;
}

static void write_files(struct arena *arena, const struct test_case *c)
{
    struct err err = ERR_INIT;
    for (size_t i = 0; i < c->n_files; i++) {
        char *path = arena_cstr(arena, c->files[i].path), *slash = strrchr(path, '/');
        if (slash) {
            *slash = '\0';
            if (!file_make_folders(path, 0755, &err))
                die("cannot make the folder", str_from(err.message));
            *slash = '/';
        }
        if (!file_replace(path, c->files[i].content, 0644, &err))
            die("cannot write the file", str_from(err.message));
    }
}

static void remove_files(struct arena *arena, const struct test_case *c)
{
    for (size_t i = 0; i < c->n_files; i++) {
        char *path = arena_cstr(arena, c->files[i].path), *slash = strrchr(path, '/');
        (void)unlink(path);
        if (slash) {
            *slash = '\0';
            (void)rmdir(path);
        }
    }
}

/* What is said; "(nothing, and no configuration)" would be a bug and fits no case. */
static void load(struct arena *arena, const struct test_case *c, struct buf *said)
{
    struct diag_list diags;
    const char *paths[MAX_FILES];
    bool main_file = false;
    diag_init(&diags, arena);
    for (size_t i = 0; i < c->n_files; i++) {
        paths[i] = arena_cstr(arena, c->files[i].path);
        main_file |= strcmp(paths[i], "cqed.yaml") == 0;
    }
    struct config *config = main_file ? config_load("cqed.yaml", &diags)
                                      : config_load_policies(paths, c->n_files, &diags);
    diag_print(&diags, said);
    if (!config != (diags.errors > 0))
        buf_add_cstr(said, config ? "(a configuration in spite of errors)\n"
                                  : "(nothing, and no configuration)\n");
    config_free(config);
}

static void print_case(const struct test_case *c, struct str said)
{
    printf("=== " STR_FMT "\n", STR_ARG(c->name));
    for (size_t i = 0; i < c->n_files; i++)
        printf("--- " STR_FMT "\n" STR_FMT, STR_ARG(c->files[i].path),
               STR_ARG(c->files[i].content));
    printf("--- says\n" STR_FMT, STR_ARG(said));
}

static bool run_case(const struct test_case *c, bool print)
{
    struct arena arena = ARENA_INIT;
    struct buf said = BUF_INIT;
    write_files(&arena, c);
    load(&arena, c, &said);
    remove_files(&arena, c);
    bool good = str_eq(str_trim(buf_str(&said)), str_trim(c->says));
    if (print)
        print_case(c, buf_str(&said));
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
    char folder[] = "/tmp/cqed-config-cases-XXXXXX";
    struct err err = ERR_INIT;
    struct buf text = BUF_INIT;
    struct test_case c;
    size_t n = 0, failed = 0;
    if (argc != 2 && !print)
        die("usage", STR("config_cases [--print] FILE"));
    if (!file_read(argv[argc - 1], 1 << 20, &text, &err))
        die("cannot read the cases", str_from(err.message));
    if (!mkdtemp(folder) || chdir(folder) != 0)
        die("cannot make a folder", str_from(folder));
    for (struct str rest = buf_str(&text); take_case(&rest, &c); n++)
        failed += !run_case(&c, print);
    buf_release(&text);
    (void)rmdir(folder);
    if (!print)
        printf("%zu cases, %zu failed\n", n, failed);
    return failed > 0 || n == 0;
}
