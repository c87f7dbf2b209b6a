/* schedule.h -- when a target is due. Each target has its own place in the interval, by a hash of
 * what it is, so that thousands do not come at once and a restart changes nothing:
 *
 *     due = offset (mod interval), on the wall clock
 *
 * Being late does not move the next one; what is missed by whole intervals is left out. Pure. */
#ifndef CQED_INGEST_SCHEDULE_H
#define CQED_INGEST_SCHEDULE_H

#include <stdint.h>

/* The first time after now_ms. */
static inline int64_t schedule_first(int64_t now_ms, int64_t interval_ms, uint64_t hash)
{
    int64_t offset = (int64_t)(hash % (uint64_t)interval_ms);
    int64_t due = now_ms - now_ms % interval_ms + offset;
    return due > now_ms ? due : due + interval_ms;
}

/* After a scrape that was due at due_ms: the next time, or the newest that has passed already. A
 * clock that was set makes a new start. */
static inline int64_t schedule_next(int64_t due_ms, int64_t now_ms, int64_t interval_ms)
{
    int64_t next = due_ms + interval_ms;
    if (next > now_ms + 2 * interval_ms)
        return schedule_first(now_ms, interval_ms, (uint64_t)(due_ms % interval_ms));
    if (next + interval_ms <= now_ms)
        next += (now_ms - next) / interval_ms * interval_ms;
    return next;
}

/* The time a sample gets: when it was due, if that is close enough to be the timer's noise (the
 * same times again and again take less room), else now. Prometheus's rule: 2 ms, at most 1%. */
static inline int64_t schedule_stamp(int64_t due_ms, int64_t now_ms, int64_t interval_ms)
{
    int64_t tolerance = interval_ms / 100 < 2 ? interval_ms / 100 : 2;
    int64_t late = now_ms - due_ms;
    return late <= tolerance && late >= -tolerance ? due_ms : now_ms;
}

#endif
