/* enforce.h -- making something outside follow. One vtable for every kind of target: told the
 * desired weight every tick, it re-applies whenever the actual one differs (level-triggered), and
 * reports what it observes. All calls and callbacks are on the control thread; nothing blocks. */
#ifndef CQED_ENFORCE_ENFORCE_H
#define CQED_ENFORCE_ENFORCE_H

#include "base/diag.h"
#include "base/err.h"
#include "io/http_client.h"
#include "io/loop.h"
#include "model/evidence.h"
#include "model/policy.h"

#include <stdbool.h>

struct actuator;

struct actuator_capabilities {
    double min_step_pct;    /* finest weight it can set */
    bool survives_restart;  /* the target keeps the weight over its own restart */
    bool observes_capacity; /* can tell whether stable can take all traffic */
};

/* One outcome of apply or observe. */
typedef void actuator_done(void *arg, const struct exposure *seen);

struct actuator_ops {
    const char *kind; /* the key under `traffic:` */

    /* Read the config mapping (borrowed for the actuator's life); report every problem, NULL if any
     * is an error. */
    struct actuator *(*open)(struct loop *, struct http_client *, const json_t *config,
                             struct err *);
    void (*close)(struct actuator *);

    struct actuator_capabilities (*capabilities)(const struct actuator *);

    /* Make the canary's share desired_pct, then observe. `intent` is the ledger's intent id, handed
     * to targets that can carry it (idempotency). done runs exactly once unless closed; a failure
     * is exposure.known == false with error. */
    void (*apply)(struct actuator *, double desired_pct, const char *intent, actuator_done *done,
                  void *arg);

    /* Read the actual share without changing anything. */
    void (*observe)(struct actuator *, actuator_done *done, void *arg);

    /* Wait no longer for the call under way, if there is one: its done does not run, and the next
     * call may start at once. What was sent already may still take effect; being told again and
     * again puts it right. */
    void (*abandon)(struct actuator *);
};

struct actuator {
    const struct actuator_ops *ops;
};

/* Every kind that is built in; NULL-terminated. */
const struct actuator_ops *const *actuator_kinds(void);
const struct actuator_ops *actuator_find(const char *kind); /* NULL: no such kind */

#endif
