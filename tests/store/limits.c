/* limits.c -- what this machine can do at most, in tight loops: the measure beside which the
 * store's own figures are to be read. Prints one JSON line of millions a second, but for loadNs. */
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "store/chunk.h"

#include <snappy-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERIES (UINT32_C(1) << 20)
#define MIB ((size_t)1 << 20)

static uint64_t random_state = 42;

static uint32_t random_below(uint32_t n) /* xorshift64* (Vigna, 2016) */
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (uint32_t)((random_state * UINT64_C(0x2545f4914f6cdd1d) >> 32) * n >> 32);
}

static double since_s(int64_t began_ns)
{
    return (double)(clock_mono_ns() - began_ns) / 1e9;
}

/* A cycle through all cache lines of 64 MiB in no order (Sattolo, 1986): each load waits for the
 * one before. */
static double load_ns(void)
{
    uint32_t *next = mem_array(SERIES, 64);
    for (uint32_t i = 0; i < SERIES; i++)
        next[i * 16] = i;
    for (uint32_t i = SERIES - 1; i > 0; i--) {
        uint32_t k = random_below(i), swap = next[i * 16];
        next[i * 16] = next[k * 16];
        next[k * 16] = swap;
    }
    int64_t began_ns = clock_mono_ns();
    uint32_t at = 0;
    for (uint32_t i = 0; i < SERIES; i++)
        at = next[at * 16];
    double ns = since_s(began_ns) * 1e9 / SERIES + (at == 1 ? 1e-9 : 0);
    free(next);
    return ns;
}

/* To one chunk that is in the cache. */
static double hot_appends(void)
{
    struct slab slab;
    struct chunk_open c = {0};
    int64_t last_ms = 0;
    uint64_t last = 0;
    const uint32_t n = 10000000;
    slab_init(&slab);
    int64_t began_ns = clock_mono_ns();
    for (uint32_t i = 0; i < n; i++) {
        int64_t t_ms = last_ms + 5000;
        double v = i;
        uint64_t bits;
        memcpy(&bits, &v, sizeof bits);
        if (!chunk_open_takes(&c, last_ms, t_ms))
            chunk_open_release(&c, &slab);
        chunk_open_append(&c, &slab, last_ms, last, t_ms, bits);
        last_ms = t_ms;
        last = bits;
    }
    double rate = n / since_s(began_ns) / 1e6;
    slab_release(&slab);
    return rate;
}

/* One sample to each of a million series, in order of arrival or in none; all that is touched is
 * one cache line of the series and the end of its chunk. */
static double appends(bool in_order)
{
    struct line {
        _Alignas(64) int64_t last_ms;
        uint64_t last;
        struct chunk_open open;
    } *lines = aligned_alloc(64, (size_t)SERIES * sizeof *lines);
    uint32_t *order = mem_array(SERIES, sizeof *order);
    struct slab slab;
    double seconds = 0;
    slab_init(&slab);
    if (!lines)
        abort();
    memset(lines, 0, (size_t)SERIES * sizeof *lines);
    for (uint32_t i = 0; i < SERIES; i++)
        order[i] = i;
    for (uint32_t i = SERIES - 1; !in_order && i > 0; i--) {
        uint32_t k = random_below(i + 1), swap = order[i];
        order[i] = order[k];
        order[k] = swap;
    }
    for (int pass = 0; pass < 12; pass++) {
        int64_t began_ns = clock_mono_ns();
        for (uint32_t i = 0; i < SERIES; i++) {
            struct line *l = &lines[order[i]];
            int64_t t_ms = l->last_ms + 5000;
            uint64_t bits = (uint64_t)pass << 45;
            chunk_open_append(&l->open, &slab, l->last_ms, l->last, t_ms, bits);
            l->last_ms = t_ms;
            l->last = bits;
        }
        seconds += pass >= 2 ? since_s(began_ns) : 0;
    }
    slab_release(&slab);
    free(order);
    free(lines);
    return 10.0 * SERIES / seconds / 1e6;
}

/* MB a second, of text that shrinks to about a fifth. */
static double snappy_mb(void)
{
    const size_t n = 4 * MIB;
    char *text = mem_array(n, 1), *small = mem_array(snappy_max_compressed_length(n), 1);
    for (size_t i = 0; i < n; i++)
        text[i] = i % 64 < 52 ? "http_requests_total{code=\"200\",method=\"GET\",pod=\"a-"[i % 52]
                              : (char)('a' + random_below(26));
    size_t small_n = snappy_max_compressed_length(n), back = n;
    if (snappy_compress(text, n, small, &small_n) != SNAPPY_OK)
        abort();
    int64_t began_ns = clock_mono_ns();
    for (int i = 0; i < 50; i++) {
        back = n;
        if (snappy_uncompress(small, small_n, text, &back) != SNAPPY_OK)
            abort();
    }
    double rate = 50.0 * (double)n / since_s(began_ns) / 1e6;
    free(text);
    free(small);
    return rate;
}

int main(void)
{
    (void)printf("{\"loadNs\":%.0f,\"snappyMB\":%.0f,\"hotAppends\":%.1f,\"appendsInOrder\":%.1f,"
                 "\"appendsInNone\":%.1f}\n",
                 load_ns(), snappy_mb(), hot_appends(), appends(true), appends(false));
    return 0;
}
