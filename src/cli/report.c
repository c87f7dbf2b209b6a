/* A gate's answer as CI systems read it: JUnit's XML and GitHub's Markdown. In JUnit a check that
 * is not shown healthy is never silent: harm is a failure, everything else that is not pass an
 * error. Checks that inform only are skipped tests, with their sentence. */
#include "cli/internal.h"

#include "base/clock.h"
#include "base/file.h"

#define REPORT_MODE 0644

/* XML 1.0 section 2.2 allows no other control characters. */
void xml_add(struct buf *out, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '<')
            buf_add_cstr(out, "&lt;");
        else if (c == '>')
            buf_add_cstr(out, "&gt;");
        else if (c == '&')
            buf_add_cstr(out, "&amp;");
        else if (c == '"')
            buf_add_cstr(out, "&quot;");
        else
            buf_add_char(out, (c < 0x20 && c != '\t' && c != '\n') || c == 0x7f ? '?' : *text);
    }
}

static void add_attribute(struct buf *out, const char *name, const char *value)
{
    buf_printf(out, " %s=\"", name);
    xml_add(out, value);
    buf_add_char(out, '"');
}

static const char *element_of(const char *state, bool critical)
{
    if (strcmp(state, "pass") == 0)
        return NULL;
    if (!critical)
        return "skipped";
    return strcmp(state, "fail") == 0 ? "failure" : "error";
}

static void add_case(struct buf *out, const char *gate, const char *name, const char *state,
                     bool critical, const char *message, const char *text)
{
    const char *element = element_of(state, critical);
    buf_add_cstr(out, "    <testcase");
    add_attribute(out, "classname", gate);
    add_attribute(out, "name", name);
    buf_add_cstr(out, " time=\"0\">\n");
    if (element) {
        buf_printf(out, "      <%s", element);
        add_attribute(out, "message", message);
        if (strcmp(element, "skipped") != 0)
            add_attribute(out, "type", state);
        buf_add_cstr(out, "/>\n");
    }
    buf_add_cstr(out, "      <system-out>");
    xml_add(out, text);
    buf_add_cstr(out, "</system-out>\n    </testcase>\n");
}

static const char *check_text(struct arena *arena, const json_t *check)
{
    return arena_printf(arena, "%s\n%s\n%s\nasked: %s\nwould change it: %s\n",
                        json_get_cstr(check, "sentence", ""), text_effect(arena, check),
                        text_samples(arena, check), json_get_cstr(check, "query", ""),
                        json_get_cstr(check, "wouldChange", ""));
}

static const char *all_reasons(struct arena *arena, const json_t *gate)
{
    struct buf text = BUF_INIT;
    const json_t *reasons = json_object_get(gate, "reasons");
    for (size_t i = 0; i < json_array_size(reasons); i++)
        buf_printf(&text, "%s%s", i ? "\n" : "",
                   json_get_cstr(json_array_get(reasons, i), "sentence", ""));
    const char *copy = arena_cstr(arena, buf_str(&text));
    buf_release(&text);
    return copy;
}

struct tally {
    size_t tests, failures, errors, skipped;
};

static void count(struct tally *t, const char *state, bool critical)
{
    const char *element = element_of(state, critical);
    t->tests++;
    t->failures += element && strcmp(element, "failure") == 0;
    t->errors += element && strcmp(element, "error") == 0;
    t->skipped += element && strcmp(element, "skipped") == 0;
}

static void add_cases(struct buf *out, struct arena *arena, const json_t *gate, struct tally *t)
{
    const char *name = json_get_cstr(gate, "gate", ""), *state = json_get_cstr(gate, "state", "");
    const json_t *checks = json_object_get(gate, "checks");
    for (size_t i = 0; i < json_array_size(checks); i++) {
        const json_t *c = json_array_get(checks, i);
        const char *check_state = json_get_cstr(c, "state", "");
        bool critical = json_get_bool(c, "critical", true);
        count(t, check_state, critical);
        add_case(out, name, json_get_cstr(c, "check", ""), check_state, critical,
                 json_get_cstr(c, "sentence", ""), check_text(arena, c));
    }
    /* Budget and freshness belong to no check; the gate's own case has them. */
    count(t, state, true);
    add_case(out, name, "the gate", state, true, arena_printf(arena, "the gate is %s", state),
             all_reasons(arena, gate));
}

static bool write_file(const char *path, struct buf *text, struct err *err)
{
    bool done = file_replace(path, buf_str(text), REPORT_MODE, err);
    buf_release(text);
    return done;
}

bool write_junit(const char *path, const json_t *gate, int exit_code, int64_t waited_ms,
                 struct err *err)
{
    struct arena arena = ARENA_INIT;
    struct buf cases = BUF_INIT, out = BUF_INIT;
    struct tally t = {0};
    (void)exit_code;
    add_cases(&cases, &arena, gate, &t);
    buf_printf(&out,
               "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n"
               "  <testsuite tests=\"%zu\" failures=\"%zu\" errors=\"%zu\" skipped=\"%zu\" "
               "time=\"%.3f\"",
               t.tests, t.failures, t.errors, t.skipped, (double)waited_ms / 1000);
    add_attribute(&out, "name",
                  arena_printf(&arena, "cqed gate %s", json_get_cstr(gate, "gate", "")));
    buf_add_cstr(&out, ">\n");
    buf_add_str(&out, buf_str(&cases));
    buf_add_cstr(&out, "  </testsuite>\n</testsuites>\n");
    buf_release(&cases);
    arena_release(&arena);
    return write_file(path, &out, err);
}

/* In a table's cell. */
static void add_markdown(struct buf *out, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (strchr("|\\`*_<>[]", c))
            buf_add_char(out, '\\');
        buf_add_char(out, c < 0x20 || c == 0x7f ? ' ' : *text);
    }
}

static void add_cell(struct buf *out, const char *text)
{
    buf_add_char(out, ' ');
    add_markdown(out, text[0] ? text : "-");
    buf_add_cstr(out, " |");
}

static const char *meaning_of(int exit_code)
{
    switch (exit_code) {
    case EXIT_DONE:
        return "shown to be within tolerance";
    case EXIT_NEGATIVE:
        return "harm is shown";
    case EXIT_USAGE:
        return "the question is broken";
    case EXIT_TIMED_OUT:
        return "not decided in time";
    default:
        return "not decided yet";
    }
}

bool write_summary(const char *path, const json_t *gate, int exit_code, int64_t waited_ms,
                   struct err *err)
{
    struct arena arena = ARENA_INIT;
    struct buf out = BUF_INIT;
    const json_t *checks = json_object_get(gate, "checks");
    buf_add_cstr(&out, "## cQED gate ");
    add_markdown(&out, json_get_cstr(gate, "gate", ""));
    buf_add_cstr(&out, ": ");
    add_markdown(&out, json_get_cstr(gate, "state", ""));
    buf_printf(&out,
               "\n\n%s; exit code %d after %s; ledger entry %lld.\n\n"
               "| check | state | effect | samples | why | would change it |\n"
               "|---|---|---|---|---|---|\n",
               meaning_of(exit_code), exit_code, text_duration(&arena, waited_ms),
               (long long)json_get_i64(gate, "seq", -1));
    for (size_t i = 0; i < json_array_size(checks); i++) {
        const json_t *c = json_array_get(checks, i);
        buf_add_char(&out, '|');
        add_cell(&out, json_get_cstr(c, "check", ""));
        add_cell(&out, json_get_cstr(c, "state", ""));
        add_cell(&out, text_effect(&arena, c));
        add_cell(&out, text_samples(&arena, c));
        add_cell(&out, json_get_cstr(c, "sentence", ""));
        add_cell(&out, json_get_cstr(c, "wouldChange", ""));
        buf_add_char(&out, '\n');
    }
    const json_t *reasons = json_object_get(gate, "reasons");
    for (size_t i = json_array_size(checks); i < json_array_size(reasons); i++) {
        buf_add_cstr(&out, i == json_array_size(checks) ? "\n- " : "- ");
        add_markdown(&out, json_get_cstr(json_array_get(reasons, i), "sentence", ""));
        buf_add_char(&out, '\n');
    }
    arena_release(&arena);
    return write_file(path, &out, err);
}
