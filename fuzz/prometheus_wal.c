/* A segment of a Prometheus's write-ahead log, as it stands while it is written: in two parts, the
 * second with more of it. What is handed over is sound, and the same at once or in parts. */
#include "fuzz.h"

#include "block/prometheus_frames.h"
#include "block/prometheus_record.h"

struct heard {
    uint64_t n, sum;
};

static void add(struct heard *h, uint64_t v)
{
    h->n++;
    h->sum = h->sum * 31 + v;
}

static void series(void *self, uint64_t ref, struct labels l)
{
    for (size_t i = 1; i < l.n; i++)
        CHECK(str_cmp(l.v[i - 1].name, l.v[i].name) < 0);
    add(self, ref + l.n);
}

static void sample(void *self, uint64_t ref, struct sample s)
{
    add(self, ref + (uint64_t)s.t_ms);
}

static void histogram(void *self, uint64_t ref, struct histogram_sample s)
{
    CHECK(histogram_validate(s.h, NULL));
    add(self, ref + (uint64_t)s.t_ms);
}

static void stone(void *self, uint64_t ref, struct block_interval span)
{
    add(self, ref + (uint64_t)span.min_ms);
}

/* From *at of the bytes on, as prometheus_wal.c does; false when they are damaged. */
static bool read_on(struct prometheus_frames *f, const uint8_t *bytes, size_t n, size_t *at,
                    struct heard *heard)
{
    struct prometheus_sink sink = {heard, series, sample, histogram, stone, NULL};
    for (;;) {
        size_t page = *at / PROMETHEUS_PAGE_BYTES * PROMETHEUS_PAGE_BYTES, in_page = *at - page;
        size_t there = n - page < PROMETHEUS_PAGE_BYTES ? n - page : PROMETHEUS_PAGE_BYTES;
        size_t before = *at;
        uint8_t *exact = mem_array(there + 1, 1);
        struct str record;
        struct err err = ERR_INIT;
        enum prometheus_frame got;
        if (there > 0)
            memcpy(exact, bytes + page, there);
        while ((got = prometheus_frames_next(f, fuzz_str(exact, there), &in_page, &record, &err)) ==
               PROMETHEUS_RECORD) {
            if (!prometheus_record_read(record, &sink, &err))
                CHECK(err.code == ERR_CORRUPT);
        }
        free(exact);
        if (got == PROMETHEUS_DAMAGED)
            return false;
        *at = page + in_page;
        if (*at == before || *at % PROMETHEUS_PAGE_BYTES != 0 || *at > n)
            return true;
    }
}

/* A record by itself, which no checksum keeps changes from. */
static void read_record(const uint8_t *bytes, size_t n)
{
    struct heard heard = {0};
    struct prometheus_sink sink = {&heard, series, sample, histogram, stone, NULL};
    struct err err = ERR_INIT;
    if (!prometheus_record_read(fuzz_str(bytes, n), &sink, &err))
        CHECK(err.code == ERR_CORRUPT);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct prometheus_frames whole = {0}, parts = {0};
    struct heard first = {0}, second = {0};
    size_t at = 0, behind = 0;
    bool good = read_on(&whole, bytes, n, &at, &first);
    if (read_on(&parts, bytes, n / 2, &behind, &second))
        CHECK(read_on(&parts, bytes, n, &behind, &second) == good);
    CHECK(first.n == second.n && first.sum == second.sum);
    read_record(bytes, n);
    prometheus_frames_release(&whole);
    prometheus_frames_release(&parts);
    return 0;
}
