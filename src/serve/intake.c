#include "base/budget.h"
#include "serve/internal.h"

/* What a request needs while it is worked on, for each of its bytes: its samples in a batch, and in
 * the log's buffer. */
#define WORK_FACTOR 4

bool begin_intake(struct serve *s, size_t size_bytes, struct err *err)
{
    if (size_bytes > budget_body_limit())
        return err_set(err, ERR_BAD_INPUT,
                       "the body has %zu bytes decoded; storage.memory allows %zu", size_bytes,
                       budget_body_limit());
    if (!store_accepts(s->options.store, err))
        return false;
    return budget_take(size_bytes * WORK_FACTOR) ||
           err_set(err, ERR_LIMIT, "too much telemetry is under way at once");
}

void end_intake(size_t size_bytes)
{
    budget_give(size_bytes * WORK_FACTOR);
}
