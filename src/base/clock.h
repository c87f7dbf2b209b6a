/* clock.h -- the two clocks. Pure stages never read them: time is an argument there. */
#ifndef CQED_BASE_CLOCK_H
#define CQED_BASE_CLOCK_H

#include "base/buf.h"

#include <stdint.h>

int64_t clock_wall_ms(void); /* milliseconds since 1970-01-01T00:00:00Z; may jump */
int64_t clock_mono_ns(void); /* never goes back; for durations only */

/* Tests and the simulator: shift the wall clock by this much, or back to 0. */
void clock_shift_wall_ms(int64_t shift_ms);

/* RFC 3339 in UTC with milliseconds: 2026-11-23T14:47:00.123Z. */
void clock_format_ms(struct buf *, int64_t wall_ms);

/* An RFC 3339 time as milliseconds; false when it is not one. */
bool clock_parse_rfc3339(struct str, int64_t *wall_ms);

#endif
