/* Any text as an expression. What parses must print, and what it prints must read the same. */
#include "promql/promql.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = ARENA_INIT;
    struct buf once = BUF_INIT, twice = BUF_INIT;
    struct err err = ERR_INIT;
    const struct promql_expr *e = promql_parse(&arena, str_make((const char *)data, size), &err);
    CHECK(e || err.code != ERR_NONE);
    if (e) {
        const struct matcher *m;
        size_t n;
        (void)promql_as_counter_selector(e, &m, &n);
        promql_print(e, &once);
        const struct promql_expr *again = promql_parse(&arena, buf_str(&once), &err);
        /* Printing adds blanks and spells durations out, so only a limit may stand between. */
        CHECK(again || err.code == ERR_LIMIT);
        if (again) {
            promql_print(again, &twice);
            CHECK(str_eq(buf_str(&once), buf_str(&twice)));
            CHECK(promql_expr_type(again) == promql_expr_type(e));
        }
    }
    buf_release(&once);
    buf_release(&twice);
    arena_release(&arena);
    return 0;
}
