/* A snapshot of the head: refused, or every series can be read, appended to and swept. Checksums
 * would stop nearly every damage at once, so the input is told apart by its first byte: 0 = as it
 * is, else the checksums of its frames are made right first. */
#include "fuzz.h"

#include "base/hash.h"
#include "base/mem.h"
#include "memory_file.h"
#include "store/snapshot.h"

#include <endian.h>
#include <stdlib.h>

#define MAX_DEFINITIONS 100000 /* the log that it goes on from would not have more */

static void mend(uint8_t *bytes, size_t n)
{
    size_t at = SNAPSHOT_HEADER_BYTES;
    while (n >= SNAPSHOT_FRAME_BYTES && at <= n - SNAPSHOT_FRAME_BYTES) {
        uint32_t size;
        memcpy(&size, bytes + at, sizeof size);
        size = le32toh(size);
        if (size > n - SNAPSHOT_FRAME_BYTES - at)
            return;
        uint32_t crc =
            crc32c(crc32c(0, bytes + at + 8, 1), bytes + at + SNAPSHOT_FRAME_BYTES, size);
        crc = htole32(crc);
        memcpy(bytes + at + 4, &crc, sizeof crc);
        at += SNAPSHOT_FRAME_BYTES + size;
    }
}

static void read_series(struct head *h, struct series *s)
{
    struct arena arena = ARENA_INIT;
    struct sample v[CHUNK_MAX_SAMPLES];
    const struct histogram_sample *histograms;
    size_t n;
    uint64_t cost;
    struct series_rest *rest = atomic_load(&s->rest);
    (void)labels_hash(head_labels(h, &arena, s));
    for (uint32_t i = 0; i < series_n_chunks(s); i++) {
        const struct chunk c = series_chunk(s, i);
        CHECK(chunk_read(&c, v) == c.n);
    }
    if (rest) {
        (void)late_read(&rest->late, &arena, INT64_MIN, INT64_MAX, 10000, &n);
        rest_read(rest, &arena, INT64_MIN, INT64_MAX, 100000, 1000, &histograms, &n, &cost);
    }
    arena_release(&arena);
}

/* One sample of each kind more, the histogram first: it comes after what was there. */
static void append_to(struct head *h, struct series *s)
{
    struct arena arena = ARENA_INIT;
    const struct histogram one = {.count = 1, .zero_count = 1}, *base;
    double increase;
    int64_t last_t_ms = atomic_load(&s->last_t_ms);
    if (last_t_ms < INT64_MAX - 2) {
        (void)head_append_late(h, s, last_t_ms / 2, 1, NULL);
        (void)head_append_late(h, s, last_t_ms / 2 + 1, 0, &one);
        CHECK(head_append(h, s, last_t_ms + 1, 1, false, &increase));
        CHECK(head_append_histogram(h, s, last_t_ms + 2, &one, false, &arena, &base));
    }
    arena_release(&arena);
}

static void use(struct head *h)
{
    for (uint32_t slot = 1; slot <= atomic_load(&h->n_used); slot++) {
        read_series(h, head_place(h, slot));
        append_to(h, head_place(h, slot));
        read_series(h, head_place(h, slot));
    }
    (void)head_move_border(h, 0);
    head_move_horizon(h);
    head_sweep(h);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t n_input)
{
    struct err err = ERR_INIT;
    struct head head;
    struct series **defined = NULL;
    if (n_input < 1)
        return 0;
    size_t n = n_input - 1;
    uint8_t *bytes = mem_resize(NULL, n + 1, 1);
    memcpy(bytes, input + 1, n);
    if (input[0])
        mend(bytes, n);
    struct snapshot *s = snapshot_open(memory_file(bytes, n), &err);
    if (s && snapshot_facts(s)->next_id <= MAX_DEFINITIONS) {
        head_init(&head, &(struct store_options){.max_series = 1000, .exemplars = 10});
        if (snapshot_load(s, &head, &defined, &err))
            use(&head);
        head_release(&head);
    }
    snapshot_close(s);
    free(defined);
    free(bytes);
    return 0;
}
