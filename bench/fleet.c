#include "fleet.h"

#include <stdio.h>
#include <string.h>

#define FIRST_BUCKET 4
#define N_BUCKETS 12
#define SUM 16
#define COUNT 17
#define IN_FLIGHT 18

#define START UINT64_C(1000000000)
#define DAY_MS INT64_C(86400000)

static const char *const edges[N_BUCKETS] = {"0.005", "0.01", "0.025", "0.05", "0.1", "0.25",
                                             "0.5",   "1",    "2.5",   "5",    "10",  "+Inf"};
/* How many requests in 10,000 are within the edge. */
static const uint64_t within[N_BUCKETS] = {5100, 5500, 6200, 7200, 8500, 9500,
                                           9800, 9900, 9950, 9980, 9995, 10000};

static uint64_t scramble(uint64_t x) /* the finalizer of MurmurHash3 */
{
    x ^= x >> 33;
    x *= UINT64_C(0xff51afd7ed558ccd);
    x ^= x >> 33;
    x *= UINT64_C(0xc4ceb9fe1a85ec53);
    return x ^ x >> 33;
}

static unsigned cells_of(const struct fleet *f, unsigned kind)
{
    return kind < FIRST_BUCKET ? f->instances * f->routes : f->histograms;
}

static void each_cell(const struct fleet *f, unsigned first, unsigned last,
                      void (*each)(void *arg, const struct fleet_series *), void *arg)
{
    for (unsigned cell = 0; cell < cells_of(f, first); cell++)
        for (unsigned kind = first; kind <= last; kind++)
            each(arg, &(struct fleet_series){kind, cell});
}

void fleet_each(const struct fleet *f, void (*each)(void *arg, const struct fleet_series *),
                void *arg)
{
    each_cell(f, 0, FIRST_BUCKET - 1, each, arg);
    each_cell(f, FIRST_BUCKET, f->buckets_only ? SUM - 1 : COUNT, each, arg);
    if (f->buckets_only)
        return;
    each_cell(f, IN_FLIGHT, IN_FLIGHT, each, arg);
    each_cell(f, IN_FLIGHT + 1, IN_FLIGHT + 1, each, arg);
}

size_t fleet_size(const struct fleet *f)
{
    return (size_t)f->instances * f->routes * FIRST_BUCKET +
           (size_t)f->histograms * (f->buckets_only ? N_BUCKETS : FLEET_KINDS - FIRST_BUCKET);
}

const char *fleet_name(const struct fleet_series *s)
{
    if (s->kind < FIRST_BUCKET)
        return "http_requests_total";
    if (s->kind < SUM)
        return "http_request_duration_seconds_bucket";
    if (s->kind == SUM)
        return "http_request_duration_seconds_sum";
    if (s->kind == COUNT)
        return "http_request_duration_seconds_count";
    return s->kind == IN_FLIGHT ? "http_requests_in_flight" : "http_queue_bytes";
}

static struct fleet_label label(const char *name, const char *value)
{
    struct fleet_label l = {name, ""};
    (void)snprintf(l.value, sizeof l.value, "%s", value);
    return l;
}

size_t fleet_labels(const struct fleet *f, const struct fleet_series *s, struct fleet_label out[5])
{
    size_t n = 0;
    char text[24];
    if (s->kind < FIRST_BUCKET)
        out[n++] = label("code", s->kind & 1 ? "500" : "200");
    else if (s->kind < SUM)
        out[n++] = label("le", edges[s->kind - FIRST_BUCKET]);
    if (s->kind < FIRST_BUCKET)
        out[n++] = label("method", s->kind & 2 ? "POST" : "GET");
    (void)snprintf(text, sizeof text, "pod-%03u", s->cell / f->routes);
    out[n++] = label("pod", text);
    (void)snprintf(text, sizeof text, "/api/v1/route%03u", s->cell % f->routes);
    out[n++] = label("route", text);
    return n;
}

/* The two jitters, of a second and within it, stay below the growth of one second: together under
 * 32 of at least 40. So counters never fall. */
static uint64_t requests(const struct fleet *f, unsigned cell, int64_t t_ms)
{
    uint64_t a_second = 40 + scramble(cell) % 200;
    uint64_t ms = (uint64_t)(t_ms > f->origin_ms ? t_ms - f->origin_ms : 0);
    return ms / 1000 * a_second + ms % 1000 * 16 / 1000 + scramble(ms / 1000 + cell) % 16;
}

uint64_t fleet_value(const struct fleet *f, const struct fleet_series *s, int64_t t_ms)
{
    if (s->kind >= IN_FLIGHT)
        return START + scramble((uint64_t)t_ms + s->cell * UINT64_C(7919) + s->kind) % 5000;
    uint64_t n = requests(f, s->cell, t_ms);
    if (s->kind < FIRST_BUCKET)
        return START + (s->kind & 1 ? n / 500 : n) / (s->kind & 2 ? 2 : 1);
    if (s->kind < SUM)
        return START + n * within[s->kind - FIRST_BUCKET] / 10000;
    return START + (s->kind == SUM ? n / 16 : n);
}

struct fleet fleet_of_history(int64_t end_ms)
{
    return (struct fleet){50, 50, 833, true, end_ms - DAY_MS};
}

struct fleet fleet_of_services(int64_t end_ms)
{
    return (struct fleet){1000, 1, 0, true, end_ms - 2 * DAY_MS};
}

struct fleet fleet_of_target(unsigned series, int64_t end_ms)
{
    unsigned cells = series / FLEET_KINDS > 0 ? series / FLEET_KINDS : 1;
    return (struct fleet){1, cells, cells, false, end_ms - DAY_MS};
}
