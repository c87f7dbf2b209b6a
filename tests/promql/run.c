/* run.c -- runs case files against the engine: promql_cases FILE...
 * Language: README.md. Prints file:line, the query, what is wrong and what came. An instant case is
 * asked again inside a range query, and both with all its selectors pinned by @ at other times. */
#include "base/file.h"
#include "compare.h"
#include "memory.h"
#include "promql/testing.h"

#include <stdio.h>
#include <stdlib.h>

struct run {
    const char *path;
    int line;
    struct memory memory;
    struct arena arena; /* of one case */
    int passed, failed;
};

enum outcome { PASSED, FAILED };

/* --- Asking --- */

static enum outcome fail(struct run *r, const struct eval *e, const char *how, const char *wrong,
                         const char *got)
{
    printf("%s:%d: %s%s\n  wrong: %s\n  got:   %s\n", r->path, r->line, e->expr, how, wrong, got);
    return FAILED;
}

static enum outcome judge(struct run *r, const struct eval *e, const char *how, bool good,
                          const struct promql_result *result, const struct err *err,
                          const char *wrong)
{
    if (!good && !e->fails)
        return fail(r, e, how, "an error", err->message);
    if (good && e->fails)
        return fail(r, e, how, "no error", show_result(&r->arena, result));
    if (wrong)
        return fail(r, e, how, wrong, good ? show_result(&r->arena, result) : err->message);
    return PASSED;
}

static enum outcome ask_as_written(struct run *r, const struct eval *e,
                                   const struct promql_expr *expr, int64_t t_ms, const char *how)
{
    struct promql_source source = memory_source(&r->memory);
    struct promql_result result;
    struct err err = ERR_INIT;
    struct eval at = *e;
    bool good = e->instant ? promql_instant(expr, &source, NULL, t_ms, &r->arena, &result, &err)
                           : promql_range(expr, &source, NULL, e->start_ms, e->end_ms, e->step_ms,
                                          &r->arena, &result, &err);
    if (e->instant && !e->range_vector)
        at.start_ms = t_ms;
    const char *wrong = good       ? compare_result(&r->arena, &at, &result)
                        : e->fails ? compare_failure(&r->arena, e, &err)
                                   : NULL;
    if (good && !wrong)
        wrong = compare_notes(&r->arena, e, &result);
    return judge(r, e, how, good, &result, &err, wrong);
}

static enum outcome ask_in_range(struct run *r, const struct eval *e,
                                 const struct promql_expr *expr, int64_t t_ms)
{
    struct promql_source source = memory_source(&r->memory);
    struct promql_result result;
    struct err err = ERR_INIT;
    bool good = promql_range(expr, &source, NULL, t_ms - 60000, t_ms + 60000, 60000, &r->arena,
                             &result, &err);
    const char *how = arena_printf(&r->arena, "  (in a range query, at %gs)", (double)t_ms / 1000);
    return judge(r, e, how, good, &result, &err,
                 good ? compare_point(&r->arena, e, &result, t_ms) : NULL);
}

static bool depends_on_bounds(const char *expr)
{
    return strstr(expr, "start()") || strstr(expr, "end()") || strstr(expr, "step()") ||
           strstr(expr, "range()");
}

static enum outcome ask_at(struct run *r, const struct eval *e, const struct promql_expr *expr,
                           int64_t t_ms, const char *how)
{
    enum outcome outcome = ask_as_written(r, e, expr, t_ms, how);
    if (outcome != PASSED || !e->instant || e->range_vector || e->is_string || e->ordered ||
        e->fails || depends_on_bounds(e->expr))
        return outcome;
    return ask_in_range(r, e, expr, t_ms);
}

static enum outcome ask_pinned(struct run *r, const struct eval *e)
{
    int64_t t_ms = e->end_ms;
    const int64_t times[] = {-10 * t_ms, 0, t_ms / 5, t_ms, 10 * t_ms};
    struct err err = ERR_INIT;
    struct promql_expr *expr = promql_parse(&r->arena, str_from(e->expr), &err);
    if (!expr || !promql_pin(expr, t_ms))
        return PASSED;
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        const char *how =
            arena_printf(&r->arena, "  (pinned, asked at %gs)", (double)times[i] / 1000);
        enum outcome outcome = ask_at(r, e, expr, times[i], how);
        if (outcome != PASSED)
            return outcome;
    }
    return PASSED;
}

/* What the engine prints must mean what it read. */
static const char *check_print(struct arena *arena, const struct promql_expr *expr)
{
    struct buf once = BUF_INIT, twice = BUF_INIT;
    struct err err = ERR_INIT;
    const char *wrong = NULL;
    promql_print(expr, &once);
    const struct promql_expr *again = promql_parse(arena, buf_str(&once), &err);
    if (again)
        promql_print(again, &twice);
    if (!again || !str_eq(buf_str(&once), buf_str(&twice)))
        wrong = arena_printf(arena, "prints as `%s`, which reads as `%s` %s", once.p,
                             twice.p ? twice.p : "", err.message);
    buf_release(&once);
    buf_release(&twice);
    return wrong;
}

static enum outcome ask(struct run *r, const struct eval *e)
{
    struct err err = ERR_INIT;
    struct promql_expr *expr = promql_parse(&r->arena, str_from(e->expr), &err);
    if (!expr)
        return judge(r, e, "", false, NULL, &err,
                     e->fails ? compare_failure(&r->arena, e, &err) : NULL);
    const char *wrong = check_print(&r->arena, expr);
    if (wrong)
        return fail(r, e, "", wrong, "");
    enum outcome outcome = ask_at(r, e, expr, e->end_ms, "");
    return outcome == PASSED && e->instant ? ask_pinned(r, e) : outcome;
}

/* --- Files --- */

static void run_eval(struct run *r, const struct eval *e)
{
    if (ask(r, e) == PASSED)
        r->passed++;
    else
        r->failed++;
}

static void run_commands(struct run *r, char *text)
{
    struct arena arena = ARENA_INIT;
    struct script script;
    struct command command;
    struct err err = ERR_INIT;
    script_init(&script, &arena, text);
    memory_clear(&r->memory);
    while (script_next(&script, &command, &err)) {
        r->line = command.line;
        if (command.kind == COMMAND_CLEAR)
            memory_clear(&r->memory);
        else if (command.kind == COMMAND_LOAD)
            memory_load(&r->memory, &command.load);
        else
            run_eval(r, &command.eval);
        arena_release(&r->arena);
        arena_init(&r->arena);
    }
    if (err.code != ERR_NONE) {
        r->failed++;
        printf("%s:%d: %s\n", r->path, script.line, err.message);
    }
    arena_release(&arena);
}

static void run_file(struct run *r, const char *path)
{
    struct buf text = BUF_INIT;
    struct err err = ERR_INIT;
    r->path = path;
    if (file_read(path, 4 << 20, &text, &err)) {
        run_commands(r, text.p);
    } else {
        r->failed++;
        printf("%s: %s\n", path, err.message);
    }
    buf_release(&text);
}

int main(int argc, char **argv)
{
    struct run r = {.path = ""};
    arena_init(&r.arena);
    memory_init(&r.memory);
    for (int i = 1; i < argc; i++)
        run_file(&r, argv[i]);
    arena_release(&r.arena);
    arena_release(&r.memory.arena);
    printf("%d passed, %d failed\n", r.passed, r.failed);
    return r.failed > 0 || r.passed == 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
