/* blocks.c -- a day of SLO-style series into a store of its own, and what is left of it on disk.
 *
 *     bench_blocks FOLDER [SERIES [HOURS]]
 *
 * The mix, as services expose it, 20 series a service: 4 request counters, a histogram of 12
 * buckets with count and sum, 2 gauges; a sample each 15 s. Prints one line of JSON. */
#include "base/clock.h"
#include "base/mem.h"
#include "store/store.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define STEP_MS 15000
#define HOUR_MS INT64_C(3600000)
#define BUCKETS 12
#define PER_SERVICE 20

static const char *const le[BUCKETS] = {"0.005", "0.01", "0.025", "0.05", "0.1", "0.25",
                                        "0.5",   "1",    "2.5",   "5",    "10",  "+Inf"};
static const double share[BUCKETS] = {0.02, 0.08,  0.25,  0.45,  0.70,   0.90,
                                      0.96, 0.985, 0.995, 0.998, 0.9995, 1};

struct service {
    double ok, failed, seconds;
    uint64_t refs[PER_SERVICE];
};

static uint64_t rng_state = 88172645463325252;

static uint64_t rng(void)
{
    rng_state ^= rng_state << 13;
    rng_state ^= rng_state >> 7;
    rng_state ^= rng_state << 17;
    return rng_state;
}

static uint64_t series(struct store_batch *b, struct arena *arena, size_t i, const char *name,
                       const char *key, const char *value, const char *method)
{
    struct labels_builder l;
    labels_builder_init(&l, arena);
    labels_builder_set(&l, STR("__name__"), str_from(name));
    labels_builder_set(&l, STR("instance"), str_from(arena_printf(arena, "svc-%05zu-00:8080", i)));
    labels_builder_set(&l, STR("job"), STR("api"));
    labels_builder_set(&l, STR("route"), STR("/api/v1/route00"));
    labels_builder_set(&l, STR("service"), str_from(arena_printf(arena, "svc-%05zu", i)));
    if (key)
        labels_builder_set(&l, str_from(key), str_from(value));
    if (method)
        labels_builder_set(&l, STR("method"), str_from(method));
    return store_series(b, labels_build(&l), NULL);
}

static void name_service(struct store_batch *b, struct service *s, size_t i)
{
    struct arena arena = ARENA_INIT;
    uint64_t *ref = s->refs;
    for (int k = 0; k < 4; k++)
        *ref++ = series(b, &arena, i, "http_requests_total", "code", k & 1 ? "500" : "200",
                        k & 2 ? "POST" : "GET");
    for (int k = 0; k < BUCKETS; k++)
        *ref++ = series(b, &arena, i, "http_request_duration_seconds_bucket", "le", le[k], NULL);
    *ref++ = series(b, &arena, i, "http_request_duration_seconds_count", NULL, NULL, NULL);
    *ref++ = series(b, &arena, i, "http_request_duration_seconds_sum", NULL, NULL, NULL);
    *ref++ = series(b, &arena, i, "http_requests_in_flight", NULL, NULL, NULL);
    *ref++ = series(b, &arena, i, "http_queue_wait_seconds", NULL, NULL, NULL);
    arena_release(&arena);
}

static void add(struct store_batch *b, uint64_t ref, int64_t t_ms, double v)
{
    if (store_batch_add(b, ref, t_ms, v, STORE_ORIGIN_UNKNOWN) != STORE_OK) {
        fprintf(stderr, "a sample was refused\n");
        exit(1);
    }
}

/* 2 to 201 requests a second, each step 20% more or less, 0.2% of them failed. */
static void step(struct store_batch *b, struct service *s, size_t i, int64_t t_ms)
{
    uint64_t r = rng();
    const uint64_t *ref = s->refs;
    double rate = 2 + (double)(i * 7919 % 200);
    double n = floor(rate * 15 * (0.8 + 0.4 * (double)(r >> 40) / (1 << 24)) + 0.5);
    double failed = floor(n * 0.002 + (double)(r & 0xffff) / 65536);
    s->ok += n - failed;
    s->failed += failed;
    s->seconds += n * 0.08 + (double)(r >> 20 & 0xff) / 1000;
    double get = floor(s->ok * 0.7), get_failed = floor(s->failed * 0.7), total = s->ok + s->failed;
    add(b, *ref++, t_ms, get);
    add(b, *ref++, t_ms, get_failed);
    add(b, *ref++, t_ms, s->ok - get);
    add(b, *ref++, t_ms, s->failed - get_failed);
    for (int k = 0; k < BUCKETS; k++)
        add(b, *ref++, t_ms, floor(total * share[k]));
    add(b, *ref++, t_ms, total);
    add(b, *ref++, t_ms, s->seconds);
    add(b, *ref++, t_ms, (double)(r >> 8 & 63));
    add(b, *ref++, t_ms, (double)(r >> 16 & 0xfff) / 10000);
}

static bool fill_hour(struct store *s, struct service *services, size_t n, int64_t from_ms,
                      struct err *err)
{
    for (int64_t t_ms = from_ms; t_ms < from_ms + HOUR_MS; t_ms += STEP_MS) {
        struct store_batch *b = store_batch_begin(s, t_ms);
        for (size_t i = 0; i < n; i++) {
            if (services[i].refs[0] == 0)
                name_service(b, &services[i], i);
            step(b, &services[i], i, t_ms);
        }
        if (!store_batch_commit(b, err))
            return false;
    }
    return true;
}

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool run(const char *folder, size_t n_series, int64_t hours, struct err *err)
{
    size_t n = n_series / PER_SERVICE;
    /* Whole ranges of 2 h lie behind the border when the newest sample is over an hour past it. */
    int64_t begin_ms = INT64_C(1700000000000) / (54 * HOUR_MS) * (54 * HOUR_MS);
    struct service *services = mem_array(n, sizeof *services);
    struct store_stats stats;
    double maintained_s = 0;
    struct store *s = store_open(&(struct store_options){.path = folder, .flush_ms = 10000}, err);
    bool done = s != NULL;
    for (int64_t h = 0; done && h < hours + 2; h++) {
        done = fill_hour(s, services, n, begin_ms + h * HOUR_MS, err);
        double before_s = cpu_seconds();
        done = done && store_maintain(s, err);
        maintained_s += cpu_seconds() - before_s;
    }
    if (done) {
        double samples = (double)n * PER_SERVICE * (double)hours * 240;
        store_stats(s, &stats);
        printf("{\"series\":%zu,\"hours\":%lld,\"blocks\":%llu,\"blockBytes\":%llu,"
               "\"bytesPerSample\":%.4f,\"maintainCpuSeconds\":%.2f}\n",
               n * PER_SERVICE, (long long)hours, (unsigned long long)stats.blocks,
               (unsigned long long)stats.block_bytes, (double)stats.block_bytes / samples,
               maintained_s);
    }
    store_close(s);
    free(services);
    return done;
}

int main(int argc, char **argv)
{
    struct err err = ERR_INIT;
    size_t n_series = argc > 2 ? strtoul(argv[2], NULL, 10) : 20000;
    int64_t hours = argc > 3 ? strtol(argv[3], NULL, 10) : 24;
    if (argc < 2 || n_series < PER_SERVICE || hours < 2) {
        fprintf(stderr, "usage: bench_blocks FOLDER [SERIES [HOURS]]\n");
        return 2;
    }
    if (!run(argv[1], n_series, hours, &err)) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    return 0;
}
