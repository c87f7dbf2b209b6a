/* cqed check metrics: what an application exposes, read strictly. */
#include "cli/internal.h"

#include "base/file.h"
#include "ingest/ingest.h"
#include "io/http_client.h"

#define MAX_EXPOSITION_BYTES ((size_t)64 << 20)

struct exposed {
    const char *what; /* for messages: a path, a URL or "-" */
    struct buf text;
    bool known; /* the format, by --format or Content-Type */
    enum exposition_format format;
};

static const struct {
    const char *name, *title, *accept;
} formats[] = {
    [EXPOSITION_TEXT_004] = {"text", "text 0.0.4", "Accept: text/plain;version=0.0.4"},
    [EXPOSITION_OPENMETRICS_1] = {"openmetrics", "OpenMetrics 1.0",
                                  "Accept: application/openmetrics-text;version=1.0.0"},
    [EXPOSITION_PROTOBUF] = {"protobuf", "protobuf",
                             "Accept: application/vnd.google.protobuf;"
                             "proto=io.prometheus.client.MetricFamily;encoding=delimited"},
};

/* --format; false after saying why. */
static bool take_format(struct cli *cli, struct exposed *e)
{
    const char *text = args_value(&cli->args, "format");
    for (size_t i = 0; text && i < COUNT_OF(formats); i++) {
        if (strcmp(text, formats[i].name) != 0)
            continue;
        e->known = true;
        e->format = (enum exposition_format)i;
    }
    if (!text || e->known)
        return true;
    misuse(cli, "--format is openmetrics, text or protobuf, not '%s'", text);
    return false;
}

static bool read_stdin(struct buf *out, struct err *err)
{
    size_t n = 0;
    do {
        out->n += n;
        if (out->n > MAX_EXPOSITION_BYTES)
            return err_set(err, ERR_LIMIT, "standard input is over %zu bytes",
                           MAX_EXPOSITION_BYTES);
        n = fread(buf_reserve(out, 65536), 1, 65536, stdin);
    } while (n > 0);
    return !ferror(stdin) || err_errno(err, "standard input");
}

/* What is asked for is what is checked, so there is no second choice in Accept. */
static bool fetch(struct cli *cli, struct exposed *e, struct err *err)
{
    const char *accept = "Accept: application/openmetrics-text;version=1.0.0,text/plain;"
                         "version=0.0.4;q=0.5,*/*;q=0.1";
    if (e->known)
        accept = formats[e->format].accept;
    const char *const headers[] = {accept, NULL};
    struct http_fetch f = {.url = e->what,
                           .headers = headers,
                           .max_body_bytes = MAX_EXPOSITION_BYTES,
                           .accept_compressed = true};
    struct http_answer answer;
    enum exposition_format said;
    if (!http_fetch_sync(&cli->arena, &f, &answer, err))
        return false;
    if (answer.status != 200)
        return err_set(err, ERR_UNREACHABLE, "%s: status %d", e->what, answer.status);
    const char *type = arena_cstr(&cli->arena, answer.content_type);
    if (!exposition_format_of(type, &said) && !e->known)
        return err_set(err, ERR_BAD_INPUT, "%s: its Content-Type is '%s', which is no exposition",
                       e->what, type);
    if (!e->known)
        e->format = said;
    e->known = true;
    buf_add_str(&e->text, answer.body);
    return true;
}

static bool read_exposed(struct cli *cli, struct exposed *e, struct err *err)
{
    if (strcmp(e->what, "-") == 0)
        return read_stdin(&e->text, err);
    if (strstr(e->what, "://"))
        return fetch(cli, e, err);
    return file_read(e->what, MAX_EXPOSITION_BYTES, &e->text, err);
}

static bool ends_as_openmetrics(struct str text)
{
    text = str_trim(text);
    return str_ends(text, STR("\n# EOF")) || str_is(text, "# EOF");
}

static void print_checked(struct cli *cli, const struct exposed *e, const struct diag_list *diags)
{
    const char *format = formats[e->format].title;
    size_t warnings = 0;
    for (size_t i = 0; i < diags->n; i++) {
        print_problem(cli, &diags->items[i]);
        warnings += diags->items[i].level == DIAG_WARNING;
    }
    if (diags->errors == 0)
        (void)fprintf(cli->out, "%s%s: ok%s, as %s", paint_on(cli, PAINT_GOOD),
                      clean(&cli->arena, e->what), paint_off(cli), format);
    else
        (void)fprintf(cli->out, "%zu error%s, as %s", diags->errors, diags->errors == 1 ? "" : "s",
                      format);
    if (warnings > 0)
        (void)fprintf(cli->out, ", %zu warning%s", warnings, warnings == 1 ? "" : "s");
    (void)fputc('\n', cli->out);
}

static void print_checked_json(struct cli *cli, const struct exposed *e,
                               const struct diag_list *diags)
{
    struct buf text = BUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &text);
    json_open_object(&w);
    put_problems(&w, diags);
    json_key(&w, "format");
    json_put_cstr(&w, formats[e->format].name);
    json_close_object(&w);
    json_writer_end(&w);
    (void)fprintf(cli->out, "%s\n", text.p);
    buf_release(&text);
}

static int check(struct cli *cli, struct exposed *e)
{
    struct diag_list diags;
    if (!e->known)
        e->format =
            ends_as_openmetrics(buf_str(&e->text)) ? EXPOSITION_OPENMETRICS_1 : EXPOSITION_TEXT_004;
    diag_init(&diags, &cli->arena);
    exposition_check(e->format, e->what, buf_str(&e->text), &diags);
    diag_sort(&diags);
    if (cli->json)
        print_checked_json(cli, e, &diags);
    else
        print_checked(cli, e, &diags);
    bool strict = args_flag(&cli->args, "strict");
    return diags.errors > 0 || (strict && diags.n > 0) ? EXIT_NEGATIVE : EXIT_DONE;
}

int run_check_metrics(struct cli *cli)
{
    struct exposed e = {.what = cli->args.words[0], .text = BUF_INIT};
    struct err err = ERR_INIT;
    if (!take_format(cli, &e))
        return EXIT_USAGE;
    struct progress *progress = progress_start(cli, "checking %s", e.what);
    bool good = read_exposed(cli, &e, &err);
    progress_stop(progress);
    int code = good ? check(cli, &e) : fail_with(cli, &err);
    buf_release(&e.text);
    return code;
}
