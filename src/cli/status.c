/* cqed status: whether the server is well, in four lines. */
#include "cli/internal.h"

#include "base/clock.h"

int run_status(struct cli *cli)
{
    struct arena *arena = &cli->arena;
    struct err err = ERR_INIT;
    const json_t *status = api_get(cli, arena, "/cqed/v1/status", &err);
    if (!status)
        return fail_with(cli, &err);
    if (cli->json) {
        print_json(cli, status);
        return EXIT_DONE;
    }
    const json_t *targets = json_object_get(status, "targets");
    const json_t *ledger = json_object_get(status, "ledger");
    int64_t up_ms = span_ms(json_get_i64(status, "startedMs", 0), clock_wall_ms());
    int64_t up = json_get_i64(targets, "up", 0), total = json_get_i64(targets, "total", 0);
    (void)fprintf(cli->out, "cqed %s at %s, up for %s\n", clean_get(arena, status, "version"),
                  cli->server, text_duration(arena, up_ms));
    (void)fprintf(cli->out, "targets  %s%lld of %lld up%s\n",
                  paint_on(cli, up == total ? PAINT_GOOD : PAINT_BAD), (long long)up,
                  (long long)total, paint_off(cli));
    (void)fprintf(cli->out, "series   %lld\n", (long long)json_get_i64(status, "series", 0));
    (void)fprintf(cli->out, "ledger   %lld entries, root %s\n",
                  (long long)json_get_i64(ledger, "size", 0), clean_get(arena, ledger, "root"));
    return EXIT_DONE;
}
