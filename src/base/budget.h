/* budget.h -- how much memory this process may hold, and how much it holds. The one number that
 * counts is what the kernel counts (anonymous resident memory: heap, stacks; not mapped files), so
 * nothing is forgotten: series, chunks, caches, requests under way, the allocator's own waste.
 *
 *     0 ........ soft (3/4) ........ hard (15/16) ... limit
 *     free       no new series       nothing that grows is taken
 *
 * A request reserves what it will need before it is read, so that many at once cannot run past the
 * hard mark between two looks. Any thread. */
#ifndef CQED_BASE_BUDGET_H
#define CQED_BASE_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum budget_mark { BUDGET_FREE, BUDGET_SOFT, BUDGET_HARD };

void budget_set(uint64_t limit_bytes); /* 0 = none: everything is free */

uint64_t budget_limit(void);
/* The largest body that a request may ever have: a sixteenth of the budget, of which it needs four
 * times itself; SIZE_MAX without one. */
size_t budget_body_limit(void);

/* Cheap: the kernel is asked at most each 10 ms. */
enum budget_mark budget_mark(void);

/* Reserve memory for a request, or refuse: past the hard mark, or when requests together would have
 * over a quarter of the budget (1 GiB without one). What was reserved is given back. */
bool budget_take(size_t size_bytes);
void budget_give(size_t size_bytes);

/* Past the soft mark, make the allocator give back what is free: now and then, on a thread that may
 * wait. */
void budget_relieve(void);

struct budget_state {
    uint64_t limit_bytes; /* 0 = none */
    uint64_t held_bytes;
    uint64_t reserved_bytes;
    uint64_t refusals; /* of budget_take */
    enum budget_mark mark;
};
void budget_state(struct budget_state *);

#endif
