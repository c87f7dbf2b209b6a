/* cqed ledger replay: every recorded decision is asked again, here, and must come out the same. */
#include "decide/replay.h"

#include "cli/source.h"

#include <inttypes.h>

#define MAX_FINDINGS 1000 /* kept; more are counted */

struct replaying {
    struct cli *cli;
    struct replay replay;
    json_t *findings; /* array */
    uint64_t entries;
};

static void take_finding(void *arg, const struct replay_finding *f)
{
    struct replaying *r = arg;
    if (json_array_size(r->findings) < MAX_FINDINGS)
        (void)json_array_append_new(
            r->findings, json_pack("{s:I, s:s, s:s, s:s}", "seq", (json_int_t)f->seq, "subject",
                                   f->subject, "path", f->path, "text", f->text));
}

static bool take_entry(void *arg, const json_t *entry)
{
    struct replaying *r = arg;
    r->entries++;
    (void)replay_entry(&r->replay, (uint64_t)json_get_i64(entry, "seq", 0),
                       json_get_cstr(entry, "kind", ""), json_get_cstr(entry, "subject", ""),
                       json_object_get(entry, "body"));
    return true;
}

static void print_findings(struct cli *cli, const json_t *findings, uint64_t n)
{
    struct arena *arena = &cli->arena;
    size_t shown = json_array_size(findings);
    for (size_t i = 0; i < shown; i++) {
        const json_t *f = json_array_get(findings, i);
        const char *path = clean_get(arena, f, "path");
        (void)fprintf(cli->out, "%sentry %lld (%s)%s%s%s: %s\n", paint_on(cli, PAINT_BAD),
                      (long long)json_get_i64(f, "seq", -1), clean_get(arena, f, "subject"),
                      paint_off(cli), path[0] ? " " : "", path, clean_get(arena, f, "text"));
    }
    if (n > shown)
        (void)fprintf(cli->out, "and %" PRIu64 " more\n", n - shown);
}

static void print_outcome(struct replaying *r)
{
    struct cli *cli = r->cli;
    const struct replay *p = &r->replay;
    bool same = p->n_findings == 0;
    if (cli->json) {
        print_json(cli,
                   json_own(&cli->arena,
                            json_pack("{s:b, s:I, s:I, s:I, s:I, s:O}", "ok", same, "entries",
                                      (json_int_t)r->entries, "rollouts", (json_int_t)p->n_rollouts,
                                      "decisions", (json_int_t)p->n_decisions, "gates",
                                      (json_int_t)p->n_gates, "findings", r->findings)));
        return;
    }
    print_findings(cli, r->findings, p->n_findings);
    (void)fprintf(cli->out,
                  "%s%s%s: %" PRIu64 " decisions of %" PRIu64 " rollouts and %" PRIu64
                  " gates asked again, from %" PRIu64 " entries; %" PRIu64 " findings\n",
                  paint_on(cli, same ? PAINT_GOOD : PAINT_BAD), same ? "the same" : "not the same",
                  paint_off(cli), p->n_decisions, p->n_rollouts, p->n_gates, r->entries,
                  p->n_findings);
}

int run_ledger_replay(struct cli *cli)
{
    struct source source;
    struct err err = ERR_INIT;
    struct replaying r = {.cli = cli, .findings = json_own(&cli->arena, json_array())};
    if (!source_open(&source, cli, &err))
        return fail_with(cli, &err);
    replay_init(&r.replay, take_finding, &r);
    struct progress *progress = progress_start(cli, "deciding again");
    bool read = source_read(&source, 0, NULL, take_entry, &r, &err);
    progress_stop(progress);
    if (read)
        print_outcome(&r);
    bool same = r.replay.n_findings == 0;
    replay_release(&r.replay);
    source_close(&source);
    if (!read)
        return fail_with(cli, &err);
    return same ? EXIT_DONE : EXIT_NEGATIVE;
}
