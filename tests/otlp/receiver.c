/* An OTLP/HTTP receiver for real SDKs: our HTTP server, our decoders and a store in FOLDER, without
 * the daemon. Says its port on the first line of its output; GET /series tells what the store
 * holds, GET /seen how many requests came and how; ends with its input.
 *
 *     otlp_receiver FOLDER */
#include "base/clock.h"
#include "ingest/ingest.h"
#include "io/http_server.h"

#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

struct receiver {
    struct store *store;
    struct metadata_store *metadata;
    struct otlp *otlp;
    atomic_int json, protobuf, gzip;
};

static void receive(void *context, struct http_request *request, struct http_response *response)
{
    struct receiver *r = context;
    struct otlp_result result = {0};
    struct err err = ERR_INIT;
    const char *encoding = http_header(request, "Content-Encoding");
    bool json = str_starts(str_from(request->content_type), STR("application/json"));
    bool done = json
                    ? otlp_metrics_json(r->otlp, request->body, clock_wall_ms(), &result, &err)
                    : otlp_metrics_protobuf(r->otlp, request->body, clock_wall_ms(), &result, &err);
    atomic_fetch_add(json ? &r->json : &r->protobuf, 1);
    atomic_fetch_add(&r->gzip, encoding && str_is(str_from(encoding), "gzip"));
    if (!done || result.rejected > 0) {
        response->status = 400;
        response->content_type = "text/plain";
        buf_add_cstr(&response->body, done ? result.message : err.message);
        fprintf(stderr, "otlp_receiver: %s\n", response->body.p);
    } else if (json) {
        buf_add_cstr(&response->body, "{}");
    } else {
        response->content_type = "application/x-protobuf";
    }
}

static void write_histogram(struct json_writer *w, const struct histogram *h)
{
    struct histogram_walk walk = {.side = &h->positive};
    json_open_object(w);
    json_key(w, "count");
    json_put_double(w, h->count);
    json_key(w, "sum");
    json_put_double(w, h->sum);
    json_key(w, "zero");
    json_put_double(w, h->zero_count);
    json_key(w, "bounds"); /* upper ones of the buckets that count */
    json_open_array(w);
    while (histogram_next(&walk)) {
        for (double n = walk.count; n > 0; n--)
            json_put_double(w, histogram_bound(h, (int32_t)walk.index));
    }
    json_close_array(w);
    json_close_object(w);
}

static void write_series(struct json_writer *w, const struct store_series_data *series)
{
    json_open_object(w);
    json_key(w, "labels");
    json_open_object(w);
    for (size_t i = 0; i < series->labels.n; i++) {
        json_key_str(w, series->labels.v[i].name);
        json_put_str(w, series->labels.v[i].value);
    }
    json_close_object(w);
    json_key(w, "values");
    json_open_array(w);
    for (size_t i = 0; i < series->n; i++)
        json_put_double(w, series->samples[i].v);
    for (size_t i = 0; i < series->n_histograms; i++)
        write_histogram(w, series->histograms[i].h);
    json_close_array(w);
    json_close_object(w);
}

static void list_series(void *context, struct http_request *request, struct http_response *response)
{
    struct receiver *r = context;
    struct err err = ERR_INIT;
    struct matcher any;
    struct store_series_data *series;
    size_t n;
    if (!matcher_init(&any, request->arena, MATCH_REGEX, STR(LABEL_NAME), STR(".+"), &err) ||
        !store_select(r->store, request->arena, &any, 1, INT64_MIN, INT64_MAX, 0, &series, &n,
                      &err)) {
        http_respond_error(response, &err);
        return;
    }
    struct json_writer w;
    json_writer_init(&w, &response->body);
    json_open_array(&w);
    for (size_t i = 0; i < n; i++)
        write_series(&w, &series[i]);
    json_close_array(&w);
    json_writer_end(&w);
}

static void seen(void *context, struct http_request *request, struct http_response *response)
{
    struct receiver *r = context;
    (void)request;
    buf_printf(&response->body, "{\"json\":%d,\"protobuf\":%d,\"gzip\":%d}", atomic_load(&r->json),
               atomic_load(&r->protobuf), atomic_load(&r->gzip));
}

static bool serve(struct receiver *r, struct err *err)
{
    static const struct http_route routes[] = {{"POST", "/v1/metrics", receive, 0},
                                               {"GET", "/series", list_series, 0},
                                               {"GET", "/seen", seen, 0}};
    struct http_server *server =
        http_server_start(&(struct http_server_options){.listen = "127.0.0.1:0",
                                                        .routes = routes,
                                                        .n_routes = sizeof routes / sizeof *routes,
                                                        .context = r},
                          err);
    if (!server)
        return false;
    char byte;
    printf("%u\n", http_server_port(server));
    (void)fflush(stdout);
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
    http_server_stop(server);
    return true;
}

int main(int argc, char **argv)
{
    struct err err = ERR_INIT;
    struct receiver r = {0};
    if (argc != 2) {
        fprintf(stderr, "otlp_receiver FOLDER\n");
        return 2;
    }
    r.store = store_open(&(struct store_options){.path = argv[1], .flush_ms = 100}, &err);
    bool done = r.store != NULL;
    if (done) {
        r.metadata = metadata_store_new();
        r.otlp = otlp_new(r.store, r.metadata, clock_wall_ms());
        done = serve(&r, &err);
        otlp_free(r.otlp);
        metadata_store_free(r.metadata);
        store_close(r.store);
    }
    if (!done)
        fprintf(stderr, "otlp_receiver: %s\n", err.message);
    return done ? 0 : 1;
}
