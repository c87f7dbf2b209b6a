/* How many samples of OTLP protobuf a CPU second takes, from bytes to the store: 20 resources, each
 * with 40 counters of 10 label sets and 4 attributes, and 4 histograms of 10 label sets and 14
 * bounds. Time of all threads counts, the log's flusher included.
 *
 *     otlp_measure FOLDER [ROUNDS] */
#include "ingest/ingest.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define RESOURCES 20
#define COUNTERS 40
#define HISTOGRAMS 4
#define SETS 10
#define BOUNDS 14

static void add_bytes(struct buf *out, unsigned field, struct str bytes)
{
    buf_add_uvarint(out, field << 3 | 2);
    buf_add_uvarint(out, bytes.n);
    buf_add_str(out, bytes);
}

static void add_fixed64(struct buf *out, unsigned field, uint64_t v)
{
    buf_add_uvarint(out, field << 3 | 1);
    buf_add_u64(out, v);
}

static uint64_t bits_of(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

static void add_message(struct buf *out, unsigned field, struct buf *inner)
{
    add_bytes(out, field, buf_str(inner));
    buf_release(inner);
}

static void add_attribute(struct buf *out, unsigned field, const char *key, const char *value)
{
    struct buf any = BUF_INIT, pair = BUF_INIT;
    add_bytes(&any, 1, str_from(value));
    add_bytes(&pair, 1, str_from(key));
    add_message(&pair, 2, &any);
    add_message(out, field, &pair);
}

static void add_attributes(struct buf *out, unsigned field, int set)
{
    static const char *const codes[] = {"200", "201", "204", "400", "404", "500"};
    char route[32];
    (void)snprintf(route, sizeof route, "/api/v1/things/%d", set);
    add_attribute(out, field, "http.request.method", set % 2 ? "GET" : "POST");
    add_attribute(out, field, "http.response.status_code", codes[set % 6]);
    add_attribute(out, field, "http.route", route);
    add_attribute(out, field, "url.scheme", "https");
}

static void add_counter(struct buf *out, int number, uint64_t t_ns, uint64_t v)
{
    struct buf metric = BUF_INIT, sum = BUF_INIT;
    char name[64];
    (void)snprintf(name, sizeof name, "app.requests.kind%d", number);
    add_bytes(&metric, 1, str_from(name));
    add_bytes(&metric, 2, STR("How many requests of this kind were answered."));
    add_bytes(&metric, 3, STR("{request}"));
    for (int i = 0; i < SETS; i++) {
        struct buf point = BUF_INIT;
        add_fixed64(&point, 2, 1000000);
        add_fixed64(&point, 3, t_ns);
        add_fixed64(&point, 6, v + (uint64_t)i);
        add_attributes(&point, 7, i);
        add_message(&sum, 1, &point);
    }
    buf_add_cstr(&sum, "\x10\x02\x18\x01");
    add_message(&metric, 7, &sum);
    add_message(out, 2, &metric);
}

static void add_histogram(struct buf *out, int number, uint64_t t_ns, uint64_t v)
{
    static const double bounds[BOUNDS] = {0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25,
                                          0.5,   0.75, 1,     2.5,  5,     7.5, 10};
    struct buf metric = BUF_INIT, data = BUF_INIT;
    char name[64];
    (void)snprintf(name, sizeof name, "app.duration.kind%d", number);
    add_bytes(&metric, 1, str_from(name));
    add_bytes(&metric, 3, STR("s"));
    for (int i = 0; i < SETS; i++) {
        struct buf point = BUF_INIT, counts = BUF_INIT, edges = BUF_INIT;
        add_fixed64(&point, 2, 1000000);
        add_fixed64(&point, 3, t_ns);
        add_fixed64(&point, 4, v * (BOUNDS + 1));
        add_fixed64(&point, 5, bits_of((double)v * 0.25));
        for (int k = 0; k <= BOUNDS; k++)
            buf_add_u64(&counts, v);
        for (int k = 0; k < BOUNDS; k++)
            buf_add_u64(&edges, bits_of(bounds[k]));
        add_message(&point, 6, &counts);
        add_message(&point, 7, &edges);
        add_attributes(&point, 9, i);
        add_message(&data, 1, &point);
    }
    buf_add_cstr(&data, "\x10\x02");
    add_message(&metric, 9, &data);
    add_message(out, 2, &metric);
}

static void make_request(struct buf *out, uint64_t t_ns, uint64_t v)
{
    for (int r = 0; r < RESOURCES; r++) {
        struct buf resource = BUF_INIT, scope = BUF_INIT, scoped = BUF_INIT, all = BUF_INIT;
        char instance[32];
        (void)snprintf(instance, sizeof instance, "pod-%d", r);
        add_attribute(&resource, 1, "service.name", "shop");
        add_attribute(&resource, 1, "service.version", r % 2 ? "v1" : "v2");
        add_attribute(&resource, 1, "service.instance.id", instance);
        add_attribute(&resource, 1, "telemetry.sdk.language", "go");
        add_bytes(&scope, 1, STR("app/http"));
        add_message(&scoped, 1, &scope);
        for (int i = 0; i < COUNTERS; i++)
            add_counter(&scoped, i, t_ns, v);
        for (int i = 0; i < HISTOGRAMS; i++)
            add_histogram(&scoped, i, t_ns, v);
        add_message(&all, 1, &resource);
        add_message(&all, 2, &scoped);
        add_message(out, 1, &all);
    }
}

static double cpu_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool measure(struct otlp *otlp, int rounds, struct err *err)
{
    double first_s = 0, later_s = 0;
    size_t samples = RESOURCES * SETS * (COUNTERS + HISTOGRAMS * (BOUNDS + 3)), bytes = 0;
    for (int i = 0; i < rounds; i++) {
        struct buf body = BUF_INIT;
        struct otlp_result result;
        int64_t t_ms = 1000000 + i * (int64_t)10000;
        make_request(&body, (uint64_t)t_ms * 1000000, (uint64_t)i * 17);
        double begin = cpu_s();
        if (!otlp_metrics_protobuf(otlp, buf_str(&body), t_ms, &result, err))
            return false;
        *(i == 0 ? &first_s : &later_s) += cpu_s() - begin;
        if (result.rejected > 0)
            return err_set(err, ERR_BAD_INPUT, "%s", result.message);
        bytes = body.n;
        buf_release(&body);
    }
    printf("%zu samples in %zu bytes a request, %d requests\n", samples, bytes, rounds);
    printf("first request: %.3f M samples per CPU second\n", (double)samples / first_s / 1e6);
    printf("later ones:    %.3f M samples per CPU second, %.0f MB/s\n",
           (double)samples * (rounds - 1) / later_s / 1e6,
           (double)bytes * (rounds - 1) / later_s / 1e6);
    return true;
}

int main(int argc, char **argv)
{
    struct err err = ERR_INIT;
    if (argc < 2) {
        fprintf(stderr, "otlp_measure FOLDER [ROUNDS]\n");
        return 2;
    }
    struct store *store =
        store_open(&(struct store_options){.path = argv[1], .flush_ms = 100}, &err);
    if (!store) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    struct metadata_store *metadata = metadata_store_new();
    struct otlp *otlp = otlp_new(store, metadata, 0);
    int rounds = argc > 2 ? atoi(argv[2]) : 100;
    bool done = measure(otlp, rounds > 1 ? rounds : 2, &err);
    if (!done)
        fprintf(stderr, "%s\n", err.message);
    otlp_free(otlp);
    metadata_store_free(metadata);
    store_close(store);
    return done ? 0 : 1;
}
