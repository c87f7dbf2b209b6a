#include "base/budget.h"

#include "base/clock.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#define LOOK_NS INT64_C(10000000)
#define RELIEVE_NS INT64_C(5000000000)
#define RESERVED_WITHOUT ((uint64_t)1 << 30)

static _Atomic uint64_t limit, held, reserved, refusals;
static _Atomic int64_t looked_ns, relieved_ns;

/* statm: size resident shared ...; shared is what is mapped from files. */
static uint64_t ask_kernel(void)
{
    unsigned long long size, resident = 0, shared = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (!f)
        return 0;
    if (fscanf(f, "%llu %llu %llu", &size, &resident, &shared) != 3 || shared > resident)
        resident = shared = 0;
    (void)fclose(f);
    return (resident - shared) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t look(void)
{
    int64_t now = clock_mono_ns(), last = atomic_load_explicit(&looked_ns, memory_order_relaxed);
    bool due = last == 0 || now - last >= LOOK_NS;
    if (due && atomic_compare_exchange_strong(&looked_ns, &last, now))
        atomic_store_explicit(&held, ask_kernel(), memory_order_relaxed);
    return atomic_load_explicit(&held, memory_order_relaxed);
}

void budget_set(uint64_t limit_bytes)
{
    atomic_store(&limit, limit_bytes);
    atomic_store(&looked_ns, 0);
}

uint64_t budget_limit(void)
{
    return atomic_load_explicit(&limit, memory_order_relaxed);
}

size_t budget_body_limit(void)
{
    uint64_t most = budget_limit();
    return most ? (size_t)(most / 16) : SIZE_MAX;
}

enum budget_mark budget_mark(void)
{
    uint64_t most = atomic_load_explicit(&limit, memory_order_relaxed);
    if (most == 0)
        return BUDGET_FREE;
    uint64_t now = look();
    return now >= most - most / 16  ? BUDGET_HARD
           : now >= most - most / 4 ? BUDGET_SOFT
                                    : BUDGET_FREE;
}

bool budget_take(size_t size_bytes)
{
    uint64_t most = atomic_load_explicit(&limit, memory_order_relaxed);
    uint64_t all = atomic_fetch_add(&reserved, size_bytes) + size_bytes;
    bool fits = all <= (most ? most / 4 : RESERVED_WITHOUT) &&
                (most == 0 || look() + all < most - most / 16);
    if (fits)
        return true;
    atomic_fetch_sub(&reserved, size_bytes);
    atomic_fetch_add_explicit(&refusals, 1, memory_order_relaxed);
    return false;
}

void budget_give(size_t size_bytes)
{
    atomic_fetch_sub(&reserved, size_bytes);
}

void budget_relieve(void)
{
    int64_t now = clock_mono_ns();
    if (budget_mark() == BUDGET_FREE || now - atomic_load(&relieved_ns) < RELIEVE_NS)
        return;
    atomic_store(&relieved_ns, now);
    (void)malloc_trim(0);
}

void budget_state(struct budget_state *out)
{
    out->limit_bytes = atomic_load(&limit);
    out->held_bytes = look();
    out->reserved_bytes = atomic_load(&reserved);
    out->refusals = atomic_load(&refusals);
    out->mark = budget_mark();
}
