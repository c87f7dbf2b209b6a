/* What a source answers that is asked by its query API: series in order, or an error. */
#include "fuzz.h"

#include "remote/remote.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct arena arena = ARENA_INIT;
    struct promql_series *series;
    struct err err = ERR_INIT;
    size_t count;
    if (remote_query_parse(&arena, fuzz_str(bytes, n), &series, &count, &err)) {
        for (size_t i = 0; i < count; i++) {
            for (size_t k = 1; k < series[i].n; k++)
                CHECK(series[i].samples[k - 1].t_ms < series[i].samples[k].t_ms);
        }
    } else {
        CHECK(err.code != ERR_NONE);
    }
    arena_release(&arena);
    return 0;
}
