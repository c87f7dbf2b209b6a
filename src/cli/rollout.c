/* cqed rollout: announce one, see where it stands, and what people do to it. */
#include "cli/internal.h"

#include "base/clock.h"

#include <math.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#define ROLLOUTS "/cqed/v1/rollouts"
#define SHOWN_HISTORY 30

static const char *rollout_path(struct arena *arena, const char *id)
{
    return arena_printf(arena, ROLLOUTS "/%s", url_part(arena, id));
}

/* Who runs this: what --name says, else $USER, else the account. */
static const char *who(struct cli *cli, const char *option)
{
    const char *name = args_value(&cli->args, option);
    if (!name)
        name = getenv("USER");
    if (name && name[0])
        return name;
    const struct passwd *account = getpwuid(geteuid());
    return account ? arena_strdup(&cli->arena, account->pw_name) : NULL;
}

static void put_text(json_t *body, const char *key, const char *text)
{
    if (text)
        (void)json_object_set_new(body, key, json_string(text));
}

/* From 1; 0 before the first. */
static unsigned long long step_of(const json_t *state)
{
    int64_t index = json_get_i64(state, "step", -1);
    return index < 0 ? 0 : (unsigned long long)index + 1;
}

const char *text_rollout(struct arena *arena, const json_t *rollout)
{
    const json_t *state = json_object_get(rollout, "state");
    size_t n_steps = json_array_size(json_object_get(rollout, "steps"));
    unsigned long long step = step_of(state);
    const char *text = arena_printf(
        arena, "%s %s -> %s: %s at %s", clean_get(arena, state, "service"),
        clean_get(arena, state, "stableVersion"), clean_get(arena, state, "canaryVersion"),
        clean_get(arena, state, "state"),
        text_weight(arena, json_to_double(json_object_get(state, "desiredPct"), (double)NAN)));
    if (exit_code_of_rollout(rollout) < 0 && step > 0)
        text = arena_printf(arena, "%s, step %llu of %zu", text, step, n_steps);
    return text;
}

/* --- Start --- */

/* What is known before anything is asked for: the service, and the rollout that would give way. */
static int dry_run(struct cli *cli, const json_t *body)
{
    struct err err = ERR_INIT;
    const char *service = cli->args.words[0];
    const char *live = NULL;
    bool known = false;
    const json_t *all = api_get(cli, &cli->arena, "/cqed/v1/services", &err);
    if (!all)
        return fail_with(cli, &err);
    const json_t *services = json_object_get(all, "services");
    for (size_t i = 0; i < json_array_size(services); i++) {
        const json_t *s = json_array_get(services, i);
        if (strcmp(json_get_cstr(s, "service", ""), service) != 0)
            continue;
        known = true;
        live = json_get_cstr(s, "rollout", NULL);
    }
    if (!known) {
        err_set(&err, ERR_NOT_FOUND, "the server knows no service '%s'", service);
        return fail_by_name(cli, &err, service, "/cqed/v1/services", "services", "service");
    }
    const json_t *last =
        live ? api_get(cli, &cli->arena, rollout_path(&cli->arena, live), NULL) : NULL;
    if (last && exit_code_of_rollout(last) >= 0)
        live = NULL;
    struct err unknown = ERR_INIT;
    const json_t *forecast = ask_forecast(cli, service, args_value(&cli->args, "stable"), &unknown);
    if (cli->json) {
        json_t *out =
            json_own(&cli->arena, json_pack("{s:b, s:O, s:s?, s:O?}", "dryRun", 1, "request", body,
                                            "supersedes", live, "forecast", forecast));
        print_json(cli, out);
        return EXIT_DONE;
    }
    (void)fputs("would ask for ", cli->out);
    print_json(cli, body);
    if (live)
        (void)fprintf(cli->out, "would supersede %s\n", clean(&cli->arena, live));
    if (forecast)
        print_forecast(cli, forecast);
    else
        (void)fprintf(cli->out, "no forecast: %s\n", clean(&cli->arena, unknown.message));
    (void)fputs("dry run: nothing was asked for; the policy and the versions were not checked\n",
                cli->out);
    return EXIT_DONE;
}

static json_t *start_body(struct cli *cli, const char *author)
{
    const struct args *args = &cli->args;
    json_t *body = json_own(&cli->arena, json_object());
    put_text(body, "service", args->words[0]);
    put_text(body, "version", args_value(args, "version"));
    put_text(body, "stableVersion", args_value(args, "stable"));
    put_text(body, "author", author);
    put_text(body, "changeKind", args_value(args, "change"));
    return body;
}

static int check_start(struct cli *cli)
{
    static const char *const kinds[] = {"normal", "fix", "security", "p0"};
    const char *change = args_value(&cli->args, "change");
    const char *version = args_value(&cli->args, "version");
    bool known = !change;
    if (!version || !version[0])
        return misuse(cli, "--version is required: which version of '%s' is rolled out?",
                      cli->args.words[0]);
    for (size_t i = 0; i < COUNT_OF(kinds) && !known; i++)
        known = strcmp(kinds[i], change) == 0;
    if (!known)
        return misuse(cli, "--change must be normal, fix, security or p0, not '%s'", change);
    if (args_flag(&cli->args, "timeout") && !args_flag(&cli->args, "watch"))
        return misuse(cli, "--timeout needs --watch");
    return EXIT_DONE;
}

int run_rollout_start(struct cli *cli)
{
    struct err err = ERR_INIT;
    const char *author = who(cli, "author");
    int64_t timeout_ms;
    int code = check_start(cli);
    if (code != EXIT_DONE)
        return code;
    if (!take_duration(cli, "timeout", 1, 0, &timeout_ms))
        return EXIT_USAGE;
    const json_t *body = start_body(cli, author);
    if (args_flag(&cli->args, "dry-run"))
        return dry_run(cli, body);
    const json_t *rollout =
        api_post(cli, &cli->arena, ROLLOUTS, body, args_value(&cli->args, "idempotency-key"), &err);
    if (!rollout)
        return fail_by_name(cli, &err, cli->args.words[0], "/cqed/v1/services", "services",
                            "service");
    const char *id = json_get_cstr(rollout, "id", "");
    bool watch = args_flag(&cli->args, "watch");
    if (!cli->json)
        (void)fprintf(cli->out, "%s\n%s\n", clean(&cli->arena, id),
                      text_rollout(&cli->arena, rollout));
    else if (!watch)
        print_json(cli, rollout);
    (void)fflush(cli->out);
    return watch ? watch_rollout(cli, id, timeout_ms) : EXIT_DONE;
}

/* --- List and show --- */

int run_rollout_list(struct cli *cli)
{
    static const char *const headers[] = {"ROLLOUT", "VERSION", "STATE", "WEIGHT",
                                          "STEP",    "ASKED",   "WHY",   NULL};
    struct arena *arena = &cli->arena;
    struct err err = ERR_INIT;
    struct table table;
    const json_t *all = api_get(cli, arena, ROLLOUTS, &err);
    if (!all)
        return fail_with(cli, &err);
    if (cli->json) {
        print_json(cli, all);
        return EXIT_DONE;
    }
    const json_t *rollouts = json_object_get(all, "rollouts");
    table_init(&table, arena, headers);
    for (size_t i = 0; i < json_array_size(rollouts); i++) {
        const json_t *r = json_array_get(rollouts, i), *s = json_object_get(r, "state");
        const char *state = clean_get(arena, s, "state");
        table_add(&table, PAINT_BOLD, clean_get(arena, r, "id"));
        table_add(&table, PAINT_NONE, clean_get(arena, s, "canaryVersion"));
        table_add(&table, paint_of_state(state), state);
        table_add(
            &table, PAINT_NONE,
            text_weight(arena, json_to_double(json_object_get(s, "desiredPct"), (double)NAN)));
        table_add(&table, PAINT_NONE,
                  arena_printf(arena, "%llu/%zu", step_of(s),
                               json_array_size(json_object_get(r, "steps"))));
        table_add(&table, PAINT_NONE,
                  text_age(arena, span_ms(json_get_i64(s, "createdMs", 0), clock_wall_ms())));
        table_add(&table, PAINT_NONE,
                  clean_get(arena, json_array_get(json_object_get(r, "reasons"), 0), "sentence"));
    }
    if (json_array_size(rollouts) > 0)
        table_print(&table, cli);
    else
        (void)fputs("no rollouts yet; `cqed rollout start SERVICE --version V` makes one\n",
                    cli->out);
    return EXIT_DONE;
}

static void print_exposure(struct cli *cli, const json_t *snapshot)
{
    struct arena *arena = &cli->arena;
    const json_t *e = json_object_get(snapshot, "exposure");
    double budget = json_to_double(json_object_get(snapshot, "budgetRemaining"), (double)NAN);
    double measured = json_to_double(json_object_get(e, "measuredPct"), (double)NAN);
    if (json_get_bool(e, "known", false))
        (void)fprintf(
            cli->out, "weight in force %s, measured %s\n",
            text_weight(arena, json_to_double(json_object_get(e, "observedPct"), (double)NAN)),
            text_weight(arena, measured));
    else if (e)
        (void)fprintf(cli->out, "the weight in force is not known: %s\n",
                      clean_get(arena, e, "error"));
    double log_e = json_to_double(json_object_get(snapshot, "harmLogE"), (double)NAN);
    if (!isnan(log_e))
        (void)fprintf(cli->out, "all checks together: evidence of harm e^%.2f of e^%.2f\n", log_e,
                      json_to_double(json_object_get(snapshot, "harmLogLimit"), (double)NAN));
    if (!isnan(budget))
        (void)fprintf(cli->out, "budget left %s\n", text_percent(arena, budget));
}

static void print_history(struct cli *cli, const json_t *history)
{
    struct arena *arena = &cli->arena;
    size_t n = json_array_size(history);
    if (n > 0)
        (void)fprintf(cli->out, "\n%shistory%s\n", paint_on(cli, PAINT_BOLD), paint_off(cli));
    for (size_t i = n > SHOWN_HISTORY ? n - SHOWN_HISTORY : 0; i < n; i++) {
        const json_t *d = json_array_get(history, i);
        const char *verdict = clean_get(arena, d, "verdict");
        (void)fprintf(
            cli->out, "%s  %4s  %s%-11s%s %s\n", text_date(arena, json_get_i64(d, "atMs", 0)),
            text_weight(arena, json_to_double(json_object_get(d, "weightPct"), (double)NAN)),
            paint_on(cli, paint_of_state(verdict)), verdict, paint_off(cli),
            clean_get(arena, d, "sentence"));
    }
}

static void print_rollout(struct cli *cli, const json_t *rollout)
{
    struct arena *arena = &cli->arena;
    const json_t *state = json_object_get(rollout, "state");
    const json_t *snapshot = json_object_get(rollout, "snapshot");
    const json_t *reasons = json_object_get(rollout, "reasons");
    (void)fprintf(cli->out, "%s%s%s\n%s\n", paint_on(cli, PAINT_BOLD),
                  clean_get(arena, rollout, "id"), paint_off(cli), text_rollout(arena, rollout));
    (void)fprintf(cli->out, "asked for by %s at %s; automation %s\n",
                  clean_get(arena, state, "author"),
                  text_date(arena, json_get_i64(state, "createdMs", 0)),
                  clean_get(arena, state, "automation"));
    print_exposure(cli, snapshot);
    const char *verdict = clean_get(arena, rollout, "verdict");
    (void)fprintf(cli->out, "\n%s%s%s\n", paint_on(cli, paint_of_state(verdict)),
                  verdict[0] ? verdict : "not decided on yet", paint_off(cli));
    for (size_t i = 0; i < json_array_size(reasons); i++)
        print_wrapped(cli, 2, clean_get(arena, json_array_get(reasons, i), "sentence"));
    (void)fputc('\n', cli->out);
    print_checks(cli, arena, json_object_get(snapshot, "checks"));
    print_history(cli, json_object_get(rollout, "history"));
}

static int fail_rollout(struct cli *cli, const struct err *err)
{
    return fail_by_name(cli, err, cli->args.words[0], "/cqed/v1/services", "services", "service");
}

int run_rollout_show(struct cli *cli)
{
    struct err err = ERR_INIT;
    const json_t *rollout =
        api_get(cli, &cli->arena, rollout_path(&cli->arena, cli->args.words[0]), &err);
    if (!rollout)
        return fail_rollout(cli, &err);
    if (cli->json)
        print_json(cli, rollout);
    else
        print_rollout(cli, rollout);
    return EXIT_DONE;
}

/* Every check with what it rests on and how its evidence grew. */
static void explain(struct cli *cli, const json_t *rollout)
{
    struct arena *arena = &cli->arena;
    const char *id = json_get_cstr(rollout, "id", "");
    const json_t *checks = json_object_get(json_object_get(rollout, "snapshot"), "checks");
    (void)fprintf(cli->out, "%s\n\n", text_rollout(arena, rollout));
    for (size_t i = 0; i < json_array_size(checks); i++) {
        const json_t *check = json_array_get(checks, i);
        const char *name = json_get_cstr(check, "check", "");
        print_checks(cli, arena, json_own(arena, json_pack("[O]", check)));
        if (json_object_get(check, "dispersion"))
            print_evidence_plot(
                cli, api_get(cli, arena,
                             arena_printf(arena, "%s/curves?check=%s", rollout_path(arena, id),
                                          url_part(arena, name)),
                             NULL));
    }
    if (json_array_size(checks) == 0)
        (void)fputs("nothing has been looked at yet\n", cli->out);
}

int run_rollout_explain(struct cli *cli)
{
    struct err err = ERR_INIT;
    const json_t *rollout =
        api_get(cli, &cli->arena, rollout_path(&cli->arena, cli->args.words[0]), &err);
    if (!rollout)
        return fail_rollout(cli, &err);
    if (cli->json)
        print_json(cli, json_object_get(rollout, "snapshot"));
    else
        explain(cli, rollout);
    return EXIT_DONE;
}

int run_rollout_watch(struct cli *cli)
{
    struct err err = ERR_INIT;
    int64_t timeout_ms;
    if (!take_duration(cli, "timeout", 1, 0, &timeout_ms))
        return EXIT_USAGE;
    const json_t *rollout =
        api_get(cli, &cli->arena, rollout_path(&cli->arena, cli->args.words[0]), &err);
    if (!rollout)
        return fail_rollout(cli, &err);
    if (!cli->json)
        (void)fprintf(cli->out, "%s\n%s\n", clean_get(&cli->arena, rollout, "id"),
                      text_rollout(&cli->arena, rollout));
    return watch_rollout(cli, json_get_cstr(rollout, "id", ""), timeout_ms);
}

/* --- Acts --- */

static const char *act_of(struct cli *cli)
{
    const char *word = strchr(cli->command->name, ' ') + 1;
    return strcmp(word, "skip-hold") == 0 ? "skip_hold" : word;
}

static json_t *act_body(struct cli *cli, const char *act, const char *actor, const char *reason)
{
    const char *role = args_value(&cli->args, "role");
    json_t *body = json_own(&cli->arena, json_object());
    if (!role)
        role = strcmp(act, "approve") == 0 ? "approver" : "operator";
    put_text(body, "actor", actor);
    put_text(body, "reason", reason);
    put_text(body, "role", role);
    if (strcmp(act, "promote") == 0)
        (void)json_object_set_new(body, "full", json_boolean(args_flag(&cli->args, "full")));
    return body;
}

int run_rollout_act(struct cli *cli)
{
    struct arena *arena = &cli->arena;
    struct err err = ERR_INIT;
    const char *act = act_of(cli), *actor = who(cli, "actor");
    const char *reason = args_value(&cli->args, "reason");
    if (!reason || str_trim(str_from(reason)).n == 0)
        return misuse(cli, "--reason is required: it is kept in the ledger beside the act, for "
                           "whoever asks later why");
    if (!actor)
        return misuse(cli, "--actor is required: neither $USER nor this account has a name");
    const char *path = arena_printf(arena, "%s/%s", rollout_path(arena, cli->args.words[0]), act);
    const json_t *rollout =
        api_post(cli, arena, path, act_body(cli, act, actor, reason), NULL, &err);
    if (!rollout)
        return fail_rollout(cli, &err);
    if (cli->json) {
        print_json(cli, rollout);
        return EXIT_DONE;
    }
    const json_t *why = json_array_get(json_object_get(rollout, "reasons"), 0);
    (void)fprintf(cli->out, "%s\n", text_rollout(arena, rollout));
    if (why)
        print_wrapped(cli, 2, clean_get(arena, why, "sentence"));
    return EXIT_DONE;
}
