/* fault.h -- faults on purpose. Code names a point; a test or the simulator arms it. Nothing is
 * armed in production unless CQED_FAULTS says so, and an unarmed point costs one load and a branch.
 *
 *     if (fault_hit("wal.write"))        // e.g. answers EIO
 *         return fault_errno("wal.write");
 *
 * CQED_FAULTS="wal.write:after=100:errno=ENOSPC;ledger.append:p=0.01:seed=7;decide.tick:kill" arms
 * from outside: `after=N` skips N hits, `every=N`, `p=` with `seed=`, `once`, `short=N` (bytes
 * written before failing), `delay=MS` (late, but it does not fail; at fault_disarm_all at the
 * latest), `kill` (SIGKILL to ourselves, for crash tests). */
#ifndef CQED_BASE_FAULT_H
#define CQED_BASE_FAULT_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

extern bool fault_any_armed; /* read through fault_hit only */

bool fault_hit_slow(const char *point);

static inline bool fault_hit(const char *point)
{
    bool armed = __atomic_load_n(&fault_any_armed, __ATOMIC_RELAXED);
    return __builtin_expect(armed, 0) && fault_hit_slow(point);
}

int fault_errno(const char *point);    /* the errno this point was armed with; EIO by default */
size_t fault_short(const char *point); /* bytes to let through before failing; 0 by default */
MUST_CHECK bool fault_arm(const char *spec,
                          struct err *);          /* the syntax above; adds to what is armed */
MUST_CHECK bool fault_arm_from_env(struct err *); /* what CQED_FAULTS says; nothing is fine */
void fault_disarm_all(void);

#endif
