/* cqed gate: one question, whose answer is the exit code. With --wait it is asked again until it is
 * decided. */
#include "cli/internal.h"

#include "base/clock.h"

#include <math.h>
#include <time.h>

struct asking {
    struct cli *cli;
    const char *name;
    int64_t wait_ms, every_ms, began_ms;
    struct arena arena; /* of the last answer */
    json_t *answer;     /* NULL until there was one */
    struct err err;     /* why the last request failed */
};

static int64_t now_ms(void)
{
    return clock_mono_ns() / 1000000;
}

static void sleep_ms(int64_t ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    (void)nanosleep(&t, NULL);
}

/* Exit code 1 means that harm is shown; nothing else may look like it. */
static int code_of_failure(int code)
{
    return code == EXIT_NEGATIVE ? EXIT_UNREACHABLE : code;
}

static int code_of_state(const char *state)
{
    static const struct {
        const char *state;
        int code;
    } codes[] = {{"pass", EXIT_DONE},
                 {"fail", EXIT_NEGATIVE},
                 {"error", EXIT_USAGE},
                 {"insufficient", EXIT_PENDING},
                 {"blind", EXIT_PENDING}};
    for (size_t i = 0; i < COUNT_OF(codes); i++) {
        if (strcmp(codes[i].state, state) == 0)
            return codes[i].code;
    }
    return EXIT_UNREACHABLE; /* an answer that we do not know is none */
}

/* Ask once. The former answer is kept when this one does not come. */
static bool ask(struct asking *a)
{
    struct arena arena = ARENA_INIT;
    const char *path = arena_printf(&arena, "/cqed/v1/gates/%s", url_part(&arena, a->name));
    a->err = (struct err)ERR_INIT;
    json_t *answer = api_post(a->cli, &arena, path, NULL, NULL, &a->err);
    if (!answer) {
        arena_release(&arena);
        return false;
    }
    arena_release(&a->arena);
    a->arena = arena;
    a->answer = answer;
    return true;
}

static void show_waiting(struct asking *a)
{
    struct arena arena = ARENA_INIT;
    int64_t waited_ms = now_ms() - a->began_ms;
    show_line(
        a->cli,
        arena_printf(&arena, "%s: %s after %s, asking until %s are over", clean(&arena, a->name),
                     a->err.code == ERR_NONE ? clean_get(&arena, a->answer, "state") : "no answer",
                     text_duration(&arena, waited_ms), text_duration(&arena, a->wait_ms)));
    arena_release(&arena);
}

/* Asks until it is decided or the time is over. The exit code. */
static int ask_until(struct asking *a)
{
    int code;
    while (true) {
        bool came = ask(a);
        if (!came && (!a->answer || a->err.code == ERR_NOT_FOUND))
            return -1;
        code = came ? code_of_state(json_get_cstr(a->answer, "state", "")) : EXIT_PENDING;
        if (code != EXIT_PENDING || a->wait_ms == 0)
            break;
        int64_t left_ms = a->wait_ms - (now_ms() - a->began_ms);
        if (left_ms <= 0) {
            code = came ? EXIT_TIMED_OUT : -1;
            break;
        }
        show_waiting(a);
        sleep_ms(left_ms < a->every_ms ? left_ms : a->every_ms);
    }
    show_line(a->cli, NULL);
    return code;
}

static void print_reasons(struct cli *cli, struct arena *arena, const json_t *answer)
{
    const json_t *reasons = json_object_get(answer, "reasons");
    size_t n_checks = json_array_size(json_object_get(answer, "checks"));
    /* The first of them repeat the checks. */
    for (size_t i = n_checks; i < json_array_size(reasons); i++)
        print_wrapped(cli, 0, clean_get(arena, json_array_get(reasons, i), "sentence"));
}

static void print_answer(struct asking *a, int code, int64_t waited_ms)
{
    struct cli *cli = a->cli;
    const char *state = clean_get(&a->arena, a->answer, "state");
    print_checks(cli, &a->arena, json_object_get(a->answer, "checks"));
    print_reasons(cli, &a->arena, a->answer);
    (void)fprintf(cli->out, "%sgate %s: %s%s", paint_on(cli, paint_of_state(state)),
                  clean_get(&a->arena, a->answer, "gate"), state, paint_off(cli));
    if (code == EXIT_TIMED_OUT)
        (void)fprintf(cli->out, ", still, after %s", text_duration(&a->arena, waited_ms));
    (void)fprintf(cli->out, " (ledger entry %lld)\n",
                  (long long)json_get_i64(a->answer, "seq", -1));
}

static bool write_reports(struct asking *a, int code, int64_t waited_ms)
{
    struct err err = ERR_INIT;
    const char *junit = args_value(&a->cli->args, "junit");
    const char *summary = args_value(&a->cli->args, "summary");
    bool done = (!junit || write_junit(junit, a->answer, code, waited_ms, &err)) &&
                (!summary || write_summary(summary, a->answer, code, waited_ms, &err));
    if (!done)
        tell_error(a->cli, "%s", err.message);
    return done;
}

/* No answer, or none any more. */
static int fail_gate(struct asking *a)
{
    return code_of_failure(
        fail_by_name(a->cli, &a->err, a->name, "/cqed/v1/gates", "gates", "name"));
}

int run_gate(struct cli *cli)
{
    struct asking a = {.cli = cli, .name = cli->args.words[0], .began_ms = now_ms()};
    if (!take_duration(cli, "wait", 1, 0, &a.wait_ms) ||
        !take_duration(cli, "every", 100, 5000, &a.every_ms))
        return EXIT_USAGE;
    int code = ask_until(&a);
    int64_t waited_ms = now_ms() - a.began_ms;
    if (code < 0) {
        code = fail_gate(&a);
    } else {
        (void)json_object_set_new(a.answer, "exitCode", json_integer(code));
        if (cli->json)
            print_json(cli, a.answer);
        else
            print_answer(&a, code, waited_ms);
        if (!write_reports(&a, code, waited_ms) && code == EXIT_DONE)
            code = EXIT_USAGE;
    }
    arena_release(&a.arena);
    return code;
}
