/* cqed rollout watch: a timeline of what was decided and why, until the rollout is final. The
 * events only say that something happened; what happened is read from the rollout's history, so
 * that nothing is missed or told twice when the connection or the server goes away in between. */
#include "cli/internal.h"

#include "base/clock.h"
#include "io/http_client.h"

#include <math.h>
#include <time.h>

#define STREAM_MS 60000   /* then a new one: a server that hangs is noticed */
#define RETRY_MS 1000     /* between attempts while nothing answers */
#define GIVE_UP_MS 300000 /* nothing answered for so long */
#define HINT_BYTES 200

struct watching {
    struct cli *cli;
    const char *id;
    int64_t deadline_ms;   /* monotonic; INT64_MAX = none */
    int64_t shown_seq;     /* newest decision told; -1 = none */
    int64_t decisions;     /* how many there were when the history was last read */
    bool read_since_start; /* of this stream */
    int code;              /* -1 while live */
    struct err err;        /* of the last read that failed */
};

static int64_t now_ms(void)
{
    return clock_mono_ns() / 1000000;
}

int exit_code_of_rollout(const json_t *rollout)
{
    static const char *const bad_ends[] = {"rolled_back", "cancelled", "superseded"};
    const char *state = json_get_cstr(json_object_get(rollout, "state"), "state", "");
    if (strcmp(state, "succeeded") == 0)
        return EXIT_DONE;
    for (size_t i = 0; i < COUNT_OF(bad_ends); i++) {
        if (strcmp(state, bad_ends[i]) == 0)
            return EXIT_NEGATIVE;
    }
    return -1;
}

static void tell_decision(struct watching *w, struct arena *arena, const json_t *d)
{
    struct cli *cli = w->cli;
    const char *verdict = clean_get(arena, d, "verdict");
    const char *weight =
        text_weight(arena, json_to_double(json_object_get(d, "weightPct"), (double)NAN));
    if (cli->json) {
        print_json(cli, d);
        return;
    }
    (void)fprintf(cli->out, "%s  %4s  %-12s  %s%-11s%s %s\n",
                  text_time(arena, json_get_i64(d, "atMs", 0)), weight,
                  clean_get(arena, d, "state"), paint_on(cli, paint_of_state(verdict)), verdict,
                  paint_off(cli), clean_get(arena, d, "sentence"));
}

static void tell_end(struct watching *w, struct arena *arena, const json_t *rollout)
{
    const json_t *state = json_object_get(rollout, "state");
    int64_t took_ms =
        span_ms(json_get_i64(state, "createdMs", 0), json_get_i64(state, "endedMs", 0));
    struct cli *cli = w->cli;
    if (cli->json) {
        print_json(cli, rollout);
        return;
    }
    (void)fprintf(cli->out, "%s%s%s, after %s\n",
                  paint_on(cli, w->code == EXIT_DONE ? PAINT_GOOD : PAINT_BAD),
                  text_rollout(arena, rollout), paint_off(cli), text_duration(arena, took_ms));
}

/* Read the rollout and tell what is new. */
static bool catch_up(struct watching *w)
{
    struct arena arena = ARENA_INIT;
    const char *path = arena_printf(&arena, "/cqed/v1/rollouts/%s", url_part(&arena, w->id));
    w->err = (struct err)ERR_INIT;
    const json_t *rollout = api_get(w->cli, &arena, path, &w->err);
    const json_t *history = json_object_get(rollout, "history");
    show_line(w->cli, NULL);
    for (size_t i = 0; i < json_array_size(history); i++) {
        const json_t *d = json_array_get(history, i);
        int64_t seq = json_get_i64(d, "seq", -1);
        if (seq <= w->shown_seq)
            continue;
        tell_decision(w, &arena, d);
        w->shown_seq = seq;
    }
    if (rollout) {
        w->decisions = json_get_i64(json_object_get(rollout, "state"), "decisions", 0);
        w->code = exit_code_of_rollout(rollout);
        w->read_since_start = true;
        if (w->code >= 0)
            tell_end(w, &arena, rollout);
    }
    (void)fflush(w->cli->out);
    arena_release(&arena);
    return rollout != NULL;
}

/* --- The stream --- */

/* One line on a terminal: where it stands and what it waits for. */
static void show_standing(struct watching *w, struct arena *arena, const json_t *rollout)
{
    const json_t *reason = json_array_get(json_object_get(rollout, "reasons"), 0);
    char line[HINT_BYTES];
    (void)snprintf(line, sizeof line, "%s: %s", text_rollout(arena, rollout),
                   clean_get(arena, reason, "sentence"));
    show_line(w->cli, line);
}

static bool take_rollout(struct watching *w, struct str data)
{
    struct arena arena = ARENA_INIT;
    const json_t *rollout = json_parse(&arena, data, NULL);
    const json_t *state = json_object_get(rollout, "state");
    bool good = true;
    if (strcmp(json_get_cstr(rollout, "id", ""), w->id) == 0) {
        if (json_get_i64(state, "decisions", 0) != w->decisions ||
            exit_code_of_rollout(rollout) >= 0)
            good = catch_up(w);
        if (good && w->code < 0)
            show_standing(w, &arena, rollout);
    }
    arena_release(&arena);
    return good;
}

static bool take_event(void *arg, struct str event, struct str data)
{
    struct watching *w = arg;
    bool good = true;
    if (!w->read_since_start || str_is(event, "resync"))
        good = catch_up(w);
    if (good && w->code < 0 && str_is(event, "rollout"))
        good = take_rollout(w, data);
    return good && w->code < 0 && now_ms() < w->deadline_ms;
}

/* False when the connection went away. */
static bool follow(struct watching *w)
{
    struct arena arena = ARENA_INIT;
    int64_t left_ms = w->deadline_ms - now_ms();
    struct http_fetch fetch = {.url = arena_printf(&arena, "%s/cqed/v1/events", w->cli->server),
                               .timeout_ms = left_ms < STREAM_MS ? left_ms : STREAM_MS};
    w->read_since_start = false;
    w->err = (struct err)ERR_INIT;
    struct err err = ERR_INIT;
    bool ended = left_ms <= 0 || http_stream_events(&fetch, take_event, w, &err);
    arena_release(&arena);
    show_line(w->cli, NULL);
    if (w->code >= 0 || now_ms() >= w->deadline_ms)
        return true;
    /* An end that neither we nor the clock made is the server's. */
    return !ended && err.code == ERR_TIMEOUT;
}

static void note(struct watching *w, const char *text)
{
    struct arena arena = ARENA_INIT;
    if (!w->cli->json)
        (void)fprintf(w->cli->out, "%s%s  %s%s\n", paint_on(w->cli, PAINT_DIM),
                      text_time(&arena, clock_wall_ms()), text, paint_off(w->cli));
    (void)fflush(w->cli->out);
    arena_release(&arena);
}

static void sleep_ms(int64_t ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    (void)nanosleep(&t, NULL);
}

/* Until something answers again. False when it does not, or knows no such rollout. A server that
 * answers but streams nothing (its streams are all taken) is asked each second, without a word. */
static bool reconnect(struct watching *w)
{
    int64_t lost_ms = now_ms();
    bool noted = w->read_since_start;
    if (noted)
        note(w, "the connection is lost; trying again");
    sleep_ms(RETRY_MS);
    while (now_ms() < w->deadline_ms && now_ms() - lost_ms < GIVE_UP_MS) {
        if (catch_up(w)) {
            if (noted)
                note(w, "connected again");
            return true;
        }
        if (w->err.code != ERR_UNREACHABLE && w->err.code != ERR_TIMEOUT)
            return false;
        if (!noted)
            note(w, "the connection is lost; trying again");
        noted = true;
        show_line(w->cli, "nothing answers; trying again");
        sleep_ms(RETRY_MS);
    }
    show_line(w->cli, NULL);
    return false;
}

static int time_over(struct watching *w, int64_t timeout_ms)
{
    tell_error(w->cli, "rollout %s is still live after %s", w->id,
               text_duration(&w->cli->arena, timeout_ms));
    return EXIT_TIMED_OUT;
}

int watch_rollout(struct cli *cli, const char *id, int64_t timeout_ms)
{
    struct watching w = {.cli = cli,
                         .id = id,
                         .deadline_ms = timeout_ms ? now_ms() + timeout_ms : INT64_MAX,
                         .shown_seq = -1,
                         .code = -1};
    bool good = catch_up(&w);
    while (good && w.code < 0 && now_ms() < w.deadline_ms) {
        if (follow(&w))
            good = w.code >= 0 || catch_up(&w) || reconnect(&w);
        else
            good = reconnect(&w);
    }
    if (w.code >= 0)
        return w.code;
    return now_ms() >= w.deadline_ms ? time_over(&w, timeout_ms) : fail_with(cli, &w.err);
}
