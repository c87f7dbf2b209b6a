#include "store/pressure.h"

#include "base/budget.h"
#include "base/clock.h"
#include "store/internal.h"

#define BEHIND_FLUSHES 50 /* so many flush intervals late is too late: 5 s by default */

void pressure_write_begins(struct pressure *p)
{
    if (atomic_fetch_add(&p->writing, 1) == 0)
        atomic_store(&p->writing_since_ns, clock_mono_ns());
}

/* A write that ends shows that writes end: those that wait for the same lock are on their way. */
void pressure_write_ends(struct pressure *p)
{
    bool last = atomic_fetch_sub(&p->writing, 1) == 1;
    atomic_store(&p->writing_since_ns, last ? 0 : clock_mono_ns());
}

void pressure_sync_begins(struct pressure *p)
{
    atomic_store(&p->syncing_since_ns, clock_mono_ns());
}

void pressure_sync_ends(struct pressure *p, bool done)
{
    atomic_store(&p->syncing_since_ns, 0);
    atomic_store(&p->sync_failed, !done);
}

static int64_t late_ms(int64_t since_ns, int64_t flush_ms)
{
    int64_t ms = since_ns > 0 ? (clock_mono_ns() - since_ns) / 1000000 : 0;
    return ms > flush_ms * BEHIND_FLUSHES ? ms : 0;
}

bool pressure_is_low(const struct pressure *p, int64_t flush_ms, struct err *err)
{
    int64_t sync_ms = late_ms(atomic_load(&p->syncing_since_ns), flush_ms);
    int64_t write_ms = late_ms(atomic_load(&p->writing_since_ns), flush_ms);
    if (atomic_load(&p->sync_failed))
        return err_set(err, ERR_IO, "the disk refused to sync the log; it is tried again");
    if (write_ms > 0) /* for which a sync waits too */
        return err_set(err, ERR_IO, "the disk is behind: a write has taken %lld ms so far",
                       (long long)write_ms);
    if (sync_ms > 0)
        return err_set(err, ERR_IO, "the disk is behind: a sync has taken %lld ms so far",
                       (long long)sync_ms);
    return true;
}

bool store_accepts(struct store *s, struct err *err)
{
    if (budget_mark() == BUDGET_HARD)
        return err_set(err, ERR_LIMIT, "storage.memory is used up: telemetry has to wait");
    return pressure_is_low(&s->pressure, s->flush_ms, err);
}
