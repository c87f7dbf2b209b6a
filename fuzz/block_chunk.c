/* The chunks inside blocks: refused, or read as valid samples and histograms in the order of time.
 * The first byte is the encoding. */
#include "fuzz.h"

#include "block/chunk.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct arena arena = ARENA_INIT;
    struct points p = {.arena = &arena};
    struct err err = ERR_INIT;
    if (n == 0)
        return 0;
    uint8_t *exact = mem_array(n, 1); /* so that an overrun is found */
    memcpy(exact, bytes, n);
    if (block_chunk_decode(exact[0], fuzz_str(exact + 1, n - 1), INT64_MIN, INT64_MAX, &p, &err)) {
        for (size_t i = 1; i < p.n; i++)
            CHECK(p.samples[i - 1].t_ms < p.samples[i].t_ms);
        for (size_t i = 0; i < p.n_histograms; i++) {
            CHECK(histogram_validate(p.histograms[i].h, &err));
            CHECK(i == 0 || p.histograms[i - 1].t_ms < p.histograms[i].t_ms);
        }
    } else {
        CHECK(err.code == ERR_CORRUPT);
    }
    points_release(&p);
    arena_release(&arena);
    free(exact);
    return 0;
}
