/* cqed test rules: promtool's unit tests of rule files, on this engine. */
#include "cli/internal.h"

#include "base/file.h"
#include "rules/rules.h"

#include <glob.h>

#define MAX_BYTES ((size_t)16 << 20)
#define REPORT_MODE 0644

struct rule_run {
    struct cli *cli;
    struct arena arena; /* of one test file */
    struct diag_list diags;
    struct rule_test_report report;
    const char *file; /* the test file: rule files are named from its folder */
};

/* --- Files --- */

static bool read_yaml(struct rule_run *r, const char *path, struct yaml_node ***documents,
                      size_t *n)
{
    struct err err = ERR_INIT;
    struct buf text = BUF_INIT;
    bool done = file_read(path, MAX_BYTES, &text, &err);
    if (!done)
        diag_add(&r->diags, DIAG_ERROR, path, 0, 0, "%s", err.message);
    else
        done = yaml_parse(&r->arena, path, arena_str(&r->arena, buf_str(&text)), documents, n,
                          &r->diags);
    buf_release(&text);
    return done;
}

static const char *beside(struct arena *arena, const char *file, const char *path)
{
    const char *slash = strrchr(file, '/');
    if (path[0] == '/' || !slash)
        return path;
    return arena_printf(arena, "%.*s/%s", (int)(slash - file), file, path);
}

static bool load_rule_files(void *self, struct arena *arena, const char *pattern,
                            const struct rule_defaults *defaults, struct rule_group **groups,
                            size_t *n, size_t *capacity, struct diag_list *diags)
{
    struct rule_run *r = self;
    size_t errors = diags->errors;
    glob_t found = {0};
    if (glob(beside(arena, r->file, pattern), 0, NULL, &found) != 0)
        diag_add(diags, DIAG_ERROR, r->file, 0, 0, "rule_files: '%s' names no file", pattern);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        const char *path = arena_strdup(arena, found.gl_pathv[i]);
        struct yaml_node **documents;
        size_t count;
        if (!read_yaml(r, path, &documents, &count))
            continue;
        for (size_t k = 0; k < count; k++)
            rules_read(arena, path, documents[k], defaults, groups, n, capacity, diags);
    }
    globfree(&found);
    return diags->errors == errors;
}

/* --- Reports --- */

static void print_failures(struct rule_run *r)
{
    struct cli *cli = r->cli;
    for (size_t i = 0; i < r->report.n_failures; i++) {
        const struct rule_test_failure *f = &r->report.failures[i];
        (void)fprintf(cli->out, "%s%s: failed%s%s%s\n", paint_on(cli, PAINT_BAD), f->file,
                      paint_off(cli), *f->test ? ": " : "", clean(&cli->arena, f->test));
        struct str text = str_from(f->text), line;
        while (str_cut(&text, '\n', &line)) {
            if (line.n > 0)
                (void)fprintf(cli->out, "  %s\n",
                              clean(&cli->arena, arena_cstr(&cli->arena, line)));
        }
    }
}

static void print_problems(struct rule_run *r)
{
    struct cli *cli = r->cli;
    diag_sort(&r->diags);
    for (size_t i = 0; i < r->diags.n; i++) {
        const struct diag *d = &r->diags.items[i];
        (void)fprintf(cli->out, "%s:%d:%d: %s: %s\n", clean(&cli->arena, d->path), d->line,
                      d->column, d->level == DIAG_ERROR ? "error" : "warning",
                      clean(&cli->arena, d->message));
    }
}

static void put_file(struct json_writer *w, const struct rule_run *r)
{
    json_open_object(w);
    json_key(w, "file");
    json_put_cstr(w, r->file);
    json_key(w, "tests");
    json_put_i64(w, (int64_t)r->report.n_tests);
    json_key(w, "problems");
    json_open_array(w);
    for (size_t i = 0; i < r->diags.n; i++)
        json_put_cstr(w, r->diags.items[i].message);
    json_close_array(w);
    json_key(w, "failures");
    json_open_array(w);
    for (size_t i = 0; i < r->report.n_failures; i++) {
        json_open_object(w);
        json_key(w, "test");
        json_put_cstr(w, r->report.failures[i].test);
        json_key(w, "text");
        json_put_cstr(w, r->report.failures[i].text);
        json_close_object(w);
    }
    json_close_array(w);
    json_close_object(w);
}

static void add_junit_case(struct buf *out, const char *file, const char *name, const char *text)
{
    buf_add_cstr(out, "    <testcase classname=\"");
    xml_add(out, file);
    buf_add_cstr(out, "\" name=\"");
    xml_add(out, *name ? name : "rules");
    buf_add_cstr(out, "\">");
    if (text) {
        buf_add_cstr(out, "<failure>");
        xml_add(out, text);
        buf_add_cstr(out, "</failure>");
    }
    buf_add_cstr(out, "</testcase>\n");
}

static void add_junit(struct buf *out, const struct rule_run *r)
{
    size_t bad = r->report.n_failures + r->diags.errors;
    buf_add_cstr(out, "  <testsuite name=\"");
    xml_add(out, r->file);
    buf_printf(out, "\" tests=\"%zu\" failures=\"%zu\">\n", r->report.n_tests + r->diags.errors,
               bad);
    if (bad == 0)
        add_junit_case(out, r->file, "", NULL);
    for (size_t i = 0; i < r->report.n_failures; i++)
        add_junit_case(out, r->file, r->report.failures[i].test, r->report.failures[i].text);
    for (size_t i = 0; i < r->diags.n; i++)
        add_junit_case(out, r->file, "", r->diags.items[i].message);
    buf_add_cstr(out, "  </testsuite>\n");
}

/* --- The command --- */

static bool run_file(struct rule_run *r, const char *only)
{
    struct yaml_node **documents;
    size_t n;
    bool good = read_yaml(r, r->file, &documents, &n);
    for (size_t i = 0; good && i < n; i++)
        good = rules_unit_test(&r->arena, r->file, documents[i], load_rule_files, r, only,
                               &r->report, &r->diags);
    if (good && n == 0)
        diag_add(&r->diags, DIAG_ERROR, r->file, 0, 0, "the file is empty");
    return r->diags.errors == 0 && r->report.n_failures == 0;
}

static void tell_file(struct rule_run *r, bool good)
{
    struct cli *cli = r->cli;
    print_problems(r);
    print_failures(r);
    if (good)
        (void)fprintf(cli->out, "%s%s: ok%s, %zu tests\n", paint_on(cli, PAINT_GOOD), r->file,
                      paint_off(cli), r->report.n_tests);
}

int run_test_rules(struct cli *cli)
{
    const char *junit = args_value(&cli->args, "junit"), *only = args_value(&cli->args, "run");
    struct buf xml = BUF_INIT, json = BUF_INIT;
    struct json_writer w;
    struct err err = ERR_INIT;
    bool all_good = true;
    json_writer_init(&w, &json);
    json_open_array(&w);
    buf_add_cstr(&xml, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    for (size_t i = 0; i < cli->args.n_words; i++) {
        struct rule_run r = {.cli = cli, .file = cli->args.words[i]};
        arena_init(&r.arena);
        diag_init(&r.diags, &r.arena);
        bool good = run_file(&r, only);
        all_good &= good;
        if (cli->json)
            put_file(&w, &r);
        else
            tell_file(&r, good);
        add_junit(&xml, &r);
        arena_release(&r.arena);
    }
    json_close_array(&w);
    json_writer_end(&w);
    buf_add_cstr(&xml, "</testsuites>\n");
    if (cli->json)
        (void)fprintf(cli->out, "%s\n", json.p);
    bool written = !junit || file_replace(junit, buf_str(&xml), REPORT_MODE, &err);
    buf_release(&xml);
    buf_release(&json);
    if (!written)
        return fail_with(cli, &err);
    return all_good ? EXIT_DONE : EXIT_NEGATIVE;
}
