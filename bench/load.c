/* load.c -- remote write 1.0 at full speed, or at a rate, from as many series as are asked for.
 *
 *     load URL [--series N] [--first N] [--a-request N] [--samples N] [--start MS] [--step MS]
 *              [--seconds S] [--passes N] [--rate N]
 *
 * Every pass over the series gives each `samples` samples, `step` apart; a request holds
 * `a-request` samples. It ends after so many passes, or after so many seconds at the end of the
 * request under way. Prints one JSON line: samples that were acknowledged, seconds, requests,
 * errors, the 50th and 99th percentile of a request's milliseconds, the newest time sent.
 *
 * The server's CPU seconds are the measure, so this only has to be fast enough: bodies are encoded
 * once, sending patches values and times and compresses. */
#include "base/clock.h"
#include "base/mem.h"
#include "fleet.h"

#include <curl/curl.h>
#include <snappy-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TIME_BYTES 6 /* of a varint of milliseconds, until the year 2109 */
#define SAMPLE_BYTES (1 + 8 + 1 + TIME_BYTES)
#define ROUTES 5

struct options {
    const char *url;
    uint64_t series, first, a_request, samples, passes, rate;
    int64_t start_ms, step_ms;
    double seconds;
};

/* One request as it is sent again and again. */
struct body {
    struct buf bytes;
    struct fleet_series *series;
    size_t *at; /* where the samples of each series begin */
    size_t n;
};

struct load {
    struct options o;
    struct fleet fleet;
    struct body *bodies;
    size_t n_bodies;
    size_t room; /* series that the last body still takes */
    struct buf one, message;
    CURL *curl;
    char *wire;
    uint64_t sent, requests, errors;
    double *ms;
    size_t ms_capacity;
};

/* --- Bodies --- */

static void add_bytes(struct buf *out, unsigned field, struct str bytes)
{
    buf_add_uvarint(out, field << 3 | 2);
    buf_add_uvarint(out, bytes.n);
    buf_add_str(out, bytes);
}

static void add_label(struct load *l, const char *name, const char *value)
{
    buf_clear(&l->message);
    add_bytes(&l->message, 1, str_from(name));
    add_bytes(&l->message, 2, str_from(value));
    add_bytes(&l->one, 1, buf_str(&l->message));
}

/* Places for a value and a time, which put_sample fills. */
static void add_sample(struct load *l)
{
    static const char sample[SAMPLE_BYTES] = {1 << 3 | 1, 0, 0, 0, 0, 0, 0, 0, 0, 2 << 3};
    add_bytes(&l->one, 2, str_make(sample, sizeof sample));
}

static void put_sample(char *at, double v, int64_t t_ms)
{
    char *p = at + 2; /* field and length */
    uint64_t t = (uint64_t)t_ms;
    memcpy(p + 1, &v, sizeof v);
    for (size_t i = 0; i < TIME_BYTES; i++, t >>= 7)
        p[10 + i] = (char)((t & 0x7f) | (i + 1 < TIME_BYTES ? 0x80 : 0));
}

static struct body *body_with_room(struct load *l)
{
    size_t a_body = l->o.a_request / l->o.samples;
    if (l->room == 0) {
        struct body *b = &l->bodies[l->n_bodies++];
        *b = (struct body){.bytes = BUF_INIT};
        b->series = mem_array(a_body, sizeof *b->series);
        b->at = mem_array(a_body, sizeof *b->at);
        l->room = a_body;
    }
    l->room--;
    return &l->bodies[l->n_bodies - 1];
}

/* As a fleet of pods has them: job, pod and instance beside the labels of fleet.h. */
static void add_series(struct load *l, const struct fleet_series *s)
{
    struct fleet_label labels[5];
    char instance[32];
    size_t n = fleet_labels(&l->fleet, s, labels), i = 0;
    struct body *b = body_with_room(l);
    (void)snprintf(instance, sizeof instance, "10.%u.%u.%u:8080", s->cell / ROUTES >> 16,
                   s->cell / ROUTES >> 8 & 255, s->cell / ROUTES & 255);
    buf_clear(&l->one);
    add_label(l, "__name__", fleet_name(s));
    for (; i < n && strcmp(labels[i].name, "instance") < 0; i++)
        add_label(l, labels[i].name, labels[i].value);
    add_label(l, "instance", instance);
    add_label(l, "job", "api");
    for (; i < n; i++)
        add_label(l, labels[i].name, labels[i].value);
    size_t samples = l->one.n;
    for (uint64_t k = 0; k < l->o.samples; k++)
        add_sample(l);
    buf_add_uvarint(&b->bytes, 1 << 3 | 2);
    buf_add_uvarint(&b->bytes, l->one.n);
    b->series[b->n] = *s;
    b->at[b->n++] = b->bytes.n + samples;
    buf_add_str(&b->bytes, buf_str(&l->one));
}

/* Series of one pod's route follow one another, as clients send them. */
static void make_bodies(struct load *l)
{
    size_t a_body = l->o.a_request / l->o.samples, longest = 0;
    l->bodies = mem_array(l->o.series / a_body + 1, sizeof *l->bodies);
    for (uint64_t i = l->o.first; i < l->o.first + l->o.series; i++)
        add_series(
            l, &(struct fleet_series){(unsigned)(i % FLEET_KINDS), (unsigned)(i / FLEET_KINDS)});
    for (size_t i = 0; i < l->n_bodies; i++)
        longest = l->bodies[i].bytes.n > longest ? l->bodies[i].bytes.n : longest;
    l->wire = mem_array(snappy_max_compressed_length(longest), 1);
}

static void patch(struct load *l, struct body *b, int64_t first_ms)
{
    for (size_t i = 0; i < b->n; i++)
        for (uint64_t k = 0; k < l->o.samples; k++) {
            int64_t t_ms = first_ms + (int64_t)k * l->o.step_ms;
            put_sample(b->bytes.p + b->at[i] + k * (2 + SAMPLE_BYTES),
                       (double)fleet_value(&l->fleet, &b->series[i], t_ms), t_ms);
        }
}

/* --- Sending --- */

static double now_s(void)
{
    return (double)clock_mono_ns() / 1e9;
}

static size_t ignore(char *bytes, size_t size, size_t n, void *arg)
{
    (void)bytes;
    (void)arg;
    return size * n;
}

static CURL *connection(const char *url)
{
    CURL *c = curl_easy_init();
    struct curl_slist *headers =
        curl_slist_append(NULL, "X-Prometheus-Remote-Write-Version: 0.1.0");
    headers = curl_slist_append(headers, "Content-Type: application/x-protobuf");
    headers = curl_slist_append(headers, "Content-Encoding: snappy");
    headers = curl_slist_append(headers, "Expect:");
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_PROXY, "");
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(c, CURLOPT_POST, 1L);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, ignore);
    curl_easy_setopt(c, CURLOPT_TIMEOUT, 120L);
    return c;
}

static void note(struct load *l, double began_s, bool done, uint64_t samples)
{
    l->ms = mem_grow(l->ms, l->requests, &l->ms_capacity, sizeof *l->ms);
    l->ms[l->requests++] = (now_s() - began_s) * 1000;
    l->sent += done ? samples : 0;
    l->errors += !done;
}

static void send_body(struct load *l, const struct body *b)
{
    size_t n = snappy_max_compressed_length(b->bytes.n);
    long status = 0;
    if (snappy_compress(b->bytes.p, b->bytes.n, l->wire, &n) != SNAPPY_OK)
        abort();
    curl_easy_setopt(l->curl, CURLOPT_POSTFIELDSIZE, (long)n);
    curl_easy_setopt(l->curl, CURLOPT_POSTFIELDS, l->wire);
    double began_s = now_s();
    CURLcode code = curl_easy_perform(l->curl);
    (void)curl_easy_getinfo(l->curl, CURLINFO_RESPONSE_CODE, &status);
    bool done = code == CURLE_OK && status / 100 == 2;
    if (!done && l->errors == 0)
        (void)fprintf(stderr, "load: %s, status %ld\n", curl_easy_strerror(code), status);
    note(l, began_s, done, b->n * l->o.samples);
}

static void wait_for(const struct load *l, double began_s)
{
    double ahead_s = l->o.rate ? (double)l->sent / (double)l->o.rate - (now_s() - began_s) : 0;
    if (ahead_s > 0) {
        struct timespec t = {(time_t)ahead_s, (long)((ahead_s - (double)(time_t)ahead_s) * 1e9)};
        (void)nanosleep(&t, NULL);
    }
}

/* Returns the newest time sent. */
static int64_t run(struct load *l, double began_s)
{
    int64_t pass_ms = (int64_t)l->o.samples * l->o.step_ms, t_ms = l->o.start_ms;
    for (uint64_t pass = 0; l->o.passes == 0 || pass < l->o.passes; pass++, t_ms += pass_ms) {
        for (size_t i = 0; i < l->n_bodies; i++) {
            if (l->o.seconds > 0 && now_s() - began_s > l->o.seconds)
                return t_ms + pass_ms - l->o.step_ms;
            patch(l, &l->bodies[i], t_ms);
            send_body(l, &l->bodies[i]);
            wait_for(l, began_s);
        }
    }
    return t_ms - l->o.step_ms;
}

/* --- What was asked and what came out --- */

static int compare(const void *left, const void *right)
{
    const double *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

static double percentile(const struct load *l, double p)
{
    return l->requests ? l->ms[(size_t)((double)(l->requests - 1) * p)] : 0;
}

static bool read_option(struct options *o, const char *name, const char *value)
{
    const struct {
        const char *name;
        uint64_t *out;
    } numbers[] = {{"--series", &o->series},
                   {"--first", &o->first}, /* whose number they begin with, for churn */
                   {"--a-request", &o->a_request},
                   {"--samples", &o->samples},
                   {"--passes", &o->passes},
                   {"--rate", &o->rate},
                   {"--start", (uint64_t *)&o->start_ms},
                   {"--step", (uint64_t *)&o->step_ms}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (strcmp(name, numbers[i].name) == 0) {
            *numbers[i].out = strtoull(value, NULL, 10);
            return true;
        }
    }
    o->seconds = strcmp(name, "--seconds") == 0 ? strtod(value, NULL) : o->seconds;
    return strcmp(name, "--seconds") == 0;
}

static bool read_options(struct options *o, int argc, char **argv)
{
    bool good = argc >= 2 && argc % 2 == 0;
    for (int i = 2; good && i < argc; i += 2)
        good = read_option(o, argv[i], argv[i + 1]);
    o->url = argc >= 2 ? argv[1] : NULL;
    return good && o->samples > 0 && o->a_request >= o->samples && o->series > 0 &&
           o->step_ms > 0 && (o->passes > 0 || o->seconds > 0);
}

int main(int argc, char **argv)
{
    struct load l = {.o = {.series = 100000,
                           .a_request = 2000,
                           .samples = 1,
                           .start_ms = clock_wall_ms(),
                           .step_ms = 5000}};
    if (!read_options(&l.o, argc, argv)) {
        (void)fprintf(stderr, "load: see the top of bench/load.c for the arguments\n");
        return 2;
    }
    l.fleet = (struct fleet){(unsigned)((l.o.first + l.o.series) / FLEET_KINDS / ROUTES + 1),
                             ROUTES, 0, false, l.o.start_ms};
    make_bodies(&l);
    l.curl = connection(l.o.url);
    double began_s = now_s();
    int64_t last_ms = run(&l, began_s);
    double seconds = now_s() - began_s;
    if (l.requests > 1)
        qsort(l.ms, l.requests, sizeof *l.ms, compare);
    (void)printf("{\"samples\":%llu,\"seconds\":%.3f,\"requests\":%llu,\"errors\":%llu,"
                 "\"p50Ms\":%.3f,\"p99Ms\":%.3f,\"lastMs\":%lld}\n",
                 (unsigned long long)l.sent, seconds, (unsigned long long)l.requests,
                 (unsigned long long)l.errors, percentile(&l, 0.5), percentile(&l, 0.99),
                 (long long)last_ms);
    return l.errors > 0;
}
