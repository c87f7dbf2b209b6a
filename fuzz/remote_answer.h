/* remote_answer.h -- what must hold of any answer of a remote source: series whose samples rise in
 * time, or an error. */
#ifndef CQED_FUZZ_REMOTE_ANSWER_H
#define CQED_FUZZ_REMOTE_ANSWER_H

#include "fuzz.h"

#include "remote/remote.h"

typedef bool remote_answer_fn(struct arena *, struct str body, struct promql_series **, size_t *n,
                              struct err *);

static inline void check_remote_answer(remote_answer_fn *parse, const uint8_t *bytes, size_t n)
{
    struct arena arena = ARENA_INIT;
    struct promql_series *series;
    struct err err = ERR_INIT;
    size_t count;
    if (parse(&arena, fuzz_str(bytes, n), &series, &count, &err)) {
        for (size_t i = 0; i < count; i++) {
            for (size_t k = 1; k < series[i].n; k++)
                CHECK(series[i].samples[k - 1].t_ms < series[i].samples[k].t_ms);
        }
    } else {
        CHECK(err.code != ERR_NONE);
    }
    arena_release(&arena);
}

#endif
