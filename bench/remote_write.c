/* remote_write.c -- the fleet's past, told to a server by Prometheus's remote write protocol 1.0.
 *
 *     remote_write URL END_MS HISTORY_MS fleet|services */
#include "base/mem.h"
#include "fleet.h"
#include "io/http_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEPS_A_REQUEST 12

struct request {
    const struct fleet *fleet;
    int64_t from_ms, to_ms;
    struct buf body, series, message;
};

static void add_bytes(struct buf *out, unsigned field, struct str bytes)
{
    buf_add_uvarint(out, field << 3 | 2);
    buf_add_uvarint(out, bytes.n);
    buf_add_str(out, bytes);
}

static void add_label(struct request *r, const char *name, const char *value)
{
    buf_clear(&r->message);
    add_bytes(&r->message, 1, str_from(name));
    add_bytes(&r->message, 2, str_from(value));
    add_bytes(&r->series, 1, buf_str(&r->message));
}

static void add_sample(struct request *r, int64_t t_ms, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    buf_clear(&r->message);
    buf_add_uvarint(&r->message, 1 << 3 | 1);
    buf_add_u64(&r->message, bits);
    buf_add_uvarint(&r->message, 2 << 3);
    buf_add_uvarint(&r->message, (uint64_t)t_ms);
    add_bytes(&r->series, 2, buf_str(&r->message));
}

/* Labels are sorted; job and instance stand where they belong among those of fleet_labels. */
static void add_series(void *arg, const struct fleet_series *s)
{
    struct request *r = arg;
    struct fleet_label labels[5];
    size_t n = fleet_labels(r->fleet, s, labels), i = 0;
    buf_clear(&r->series);
    add_label(r, "__name__", fleet_name(s));
    for (; i < n && strcmp(labels[i].name, "instance") < 0; i++)
        add_label(r, labels[i].name, labels[i].value);
    add_label(r, "instance", "fleet");
    add_label(r, "job", "history");
    for (; i < n; i++)
        add_label(r, labels[i].name, labels[i].value);
    for (int64_t t_ms = r->from_ms; t_ms < r->to_ms; t_ms += HISTORY_STEP_MS)
        add_sample(r, t_ms, (double)fleet_value(r->fleet, s, t_ms));
    add_bytes(&r->body, 1, buf_str(&r->series));
}

/* Snappy's block format as one literal: nothing is compressed, any decoder reads it. */
static void add_snappy(struct buf *out, struct str bytes)
{
    buf_add_uvarint(out, bytes.n);
    buf_add_char(out, (char)(63 << 2));
    buf_add_u32(out, (uint32_t)(bytes.n - 1));
    buf_add_str(out, bytes);
}

static bool send_body(const char *url, struct str body, struct err *err)
{
    static const char *const headers[] = {
        "Content-Type: application/x-protobuf", "Content-Encoding: snappy",
        "X-Prometheus-Remote-Write-Version: 0.1.0", "User-Agent: cqed-bench", NULL};
    struct arena arena = ARENA_INIT;
    struct buf wire = BUF_INIT;
    struct http_answer answer;
    add_snappy(&wire, body);
    bool done = http_fetch_sync(&arena,
                                &(struct http_fetch){.method = "POST",
                                                     .url = url,
                                                     .headers = headers,
                                                     .body = buf_str(&wire),
                                                     .timeout_ms = 60000},
                                &answer, err);
    if (done && answer.status / 100 != 2)
        done = err_set(err, ERR_IO, "%s answered %d: " STR_FMT, url, answer.status,
                       STR_ARG(answer.body));
    buf_release(&wire);
    arena_release(&arena);
    return done;
}

int main(int argc, char **argv)
{
    struct err err = ERR_INIT;
    bool services = argc == 5 && strcmp(argv[4], "services") == 0;
    if (argc != 5 || (!services && strcmp(argv[4], "fleet") != 0)) {
        (void)fprintf(stderr, "remote_write URL END_MS HISTORY_MS fleet|services\n");
        return 2;
    }
    int64_t end_ms = strtoll(argv[2], NULL, 10);
    struct fleet fleet = services ? fleet_of_services(end_ms) : fleet_of_history(end_ms);
    struct request r = {.fleet = &fleet, .body = BUF_INIT, .series = BUF_INIT, .message = BUF_INIT};
    for (r.from_ms = end_ms - strtoll(argv[3], NULL, 10); r.from_ms <= end_ms;
         r.from_ms = r.to_ms) {
        r.to_ms = r.from_ms + STEPS_A_REQUEST * HISTORY_STEP_MS;
        r.to_ms = r.to_ms > end_ms ? end_ms + 1 : r.to_ms;
        buf_clear(&r.body);
        fleet_each(&fleet, add_series, &r);
        if (!send_body(argv[1], buf_str(&r.body), &err)) {
            (void)fprintf(stderr, "remote_write: %s\n", err.message);
            return 1;
        }
    }
    buf_release(&r.body);
    buf_release(&r.series);
    buf_release(&r.message);
    return 0;
}
