/* How many samples of remote write a CPU second takes, from snappy bytes to the store: requests of
 * 2,000 samples of as many series with 8 labels each, as Prometheus sends them, 100,000 series in
 * all. Time of all threads counts, the log's flusher included.
 *
 *     remote_write_measure FOLDER [ROUNDS] */
#include "codec/compress.h"
#include "ingest/remote_write_testing.h"

#include <snappy-c.h>
#include <stdio.h>
#include <time.h>

#define SERIES 100000
#define SAMPLES 2000 /* of a request */

static void put_series(struct rw_writer *w, int i, int64_t t_ms, int round)
{
    static const char *const codes[] = {"200", "201", "204", "400", "404", "500"};
    char labels[512];
    (void)snprintf(labels, sizeof labels,
                   "__name__=http_server_requests_kind_%d_total code=%s handler=/api/v1/things/%d "
                   "instance=10.1.%d.%d:9100 job=shop method=%s pod=shop-6d4cf56db6-%05d "
                   "zone=eu-central-1a",
                   i / 1000, codes[i % 6], i % 10, i / 2500, i % 250, i % 2 ? "GET" : "POST",
                   i / 20);
    rw_labels(w, labels);
    rw_put_sample(w, t_ms, round * 17 + i % 13);
    if (w->kind == REMOTE_WRITE_2)
        rw_metadata_of_series(w, 1, "How many requests of this kind were answered.", "");
    rw_end_series(w);
}

static struct buf make_request(enum remote_write_message kind, int first, int64_t t_ms, int round)
{
    struct rw_writer *w = rw_writer_new(kind);
    struct buf packed = BUF_INIT;
    for (int i = 0; i < SAMPLES; i++)
        put_series(w, first + i, t_ms, round);
    struct str plain = rw_request(w);
    size_t n = snappy_max_compressed_length(plain.n);
    CHECK(snappy_compress(plain.p, plain.n, buf_reserve(&packed, n), &n) == SNAPPY_OK);
    packed.n = n;
    rw_writer_free(w);
    return packed;
}

static double cpu_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool receive(struct remote_write *rw, enum remote_write_message kind, struct str packed,
                    int64_t now_ms, struct err *err)
{
    struct remote_write_result result;
    struct buf plain = BUF_INIT;
    bool done = snappy_decode(packed, (size_t)32 << 20, &plain, err) &&
                remote_write_append(rw, kind, buf_str(&plain), now_ms, &result, err);
    buf_release(&plain);
    if (done && result.message[0])
        return err_set(err, ERR_BAD_INPUT, "%s", result.message);
    return done;
}

static bool measure(struct remote_write *rw, enum remote_write_message kind, int rounds,
                    int64_t begin_ms, struct err *err)
{
    double first_s = 0, later_s = 0;
    size_t bytes = 0;
    for (int round = 0; round < rounds; round++) {
        int64_t t_ms = begin_ms + round * (int64_t)15000;
        for (int first = 0; first < SERIES; first += SAMPLES) {
            struct buf packed = make_request(kind, first, t_ms, round);
            double began = cpu_s();
            bool done = receive(rw, kind, buf_str(&packed), t_ms, err);
            *(round == 0 ? &first_s : &later_s) += cpu_s() - began;
            bytes = packed.n;
            buf_release(&packed);
            if (!done)
                return false;
        }
    }
    printf("%s: %d samples in %zu snappy bytes a request, %d series\n",
           kind == REMOTE_WRITE_1 ? "1.0" : "2.0", SAMPLES, bytes, SERIES);
    printf("  first round:  %.3f M samples per CPU second\n", SERIES / first_s / 1e6);
    printf("  later rounds: %.3f M samples per CPU second\n",
           (double)SERIES * (rounds - 1) / later_s / 1e6);
    return true;
}

int main(int argc, char **argv)
{
    struct err err = ERR_INIT;
    if (argc < 2) {
        fprintf(stderr, "remote_write_measure FOLDER [ROUNDS]\n");
        return 2;
    }
    struct store *store =
        store_open(&(struct store_options){.path = argv[1], .flush_ms = 100}, &err);
    if (!store) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    struct metadata_store *metadata = metadata_store_new();
    struct remote_write *rw = remote_write_new(store, metadata, 0);
    int rounds = argc > 2 ? atoi(argv[2]) : 10;
    rounds = rounds > 1 ? rounds : 2;
    bool done = measure(rw, REMOTE_WRITE_1, rounds, 1000000, &err) &&
                measure(rw, REMOTE_WRITE_2, rounds, 1000000 + rounds * (int64_t)15000, &err);
    if (!done)
        fprintf(stderr, "%s\n", err.message);
    remote_write_free(rw);
    metadata_store_free(metadata);
    store_close(store);
    return done ? 0 : 1;
}
