/* exporter.c -- the fleet as Prometheus text.
 *
 *     exporter TARGETS SERIES
 *
 * Says its port on the first line of its output and runs until it is ended.
 *
 *     GET /live/CLIENT/N   target N as it is now; samples are counted by CLIENT, 0 to 9
 *     GET /stat            {"live":[samples by client]} */
#include "base/clock.h"
#include "base/mem.h"
#include "fleet.h"
#include "io/http_server.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CLIENTS 10

/* A page whose values are patched where they stand. */
struct page {
    const struct fleet *fleet;
    struct buf text;
    struct fleet_series *series;
    size_t *at; /* offset of the value of each series */
    size_t n;
    const char *family; /* of the series before */
};

struct exporter {
    unsigned n_targets;
    struct fleet fleet;
    struct page live;
    atomic_ullong sent[CLIENTS];
};

static void put_digits(char *p, int n, uint64_t v)
{
    for (int i = n - 1; i >= 0; i--, v /= 10)
        p[i] = (char)('0' + v % 10);
}

static void add_type(struct page *page, const struct fleet_series *s)
{
    const char *family = s->kind < 4    ? "http_requests_total"
                         : s->kind < 18 ? "http_request_duration_seconds"
                                        : fleet_name(s);
    if (page->family && strcmp(page->family, family) == 0)
        return;
    page->family = family;
    buf_printf(&page->text, "# HELP %s Of the routes of this instance.\n# TYPE %s %s\n", family,
               family,
               s->kind < 4    ? "counter"
               : s->kind < 18 ? "histogram"
                              : "gauge");
}

static void add_line(void *arg, const struct fleet_series *s)
{
    struct page *page = arg;
    struct fleet_label labels[5];
    size_t n = fleet_labels(page->fleet, s, labels);
    add_type(page, s);
    buf_printf(&page->text, "%s{", fleet_name(s));
    for (size_t i = 0; i < n; i++)
        buf_printf(&page->text, "%s%s=\"%s\"", i ? "," : "", labels[i].name, labels[i].value);
    buf_add_cstr(&page->text, "} ");
    page->series[page->n] = *s;
    page->at[page->n++] = page->text.n;
    buf_add_cstr(&page->text, "0000000000\n");
}

static void page_init(struct page *page, const struct fleet *fleet)
{
    size_t n = fleet_size(fleet);
    *page = (struct page){.fleet = fleet, .text = BUF_INIT};
    page->series = mem_array(n, sizeof *page->series);
    page->at = mem_array(n, sizeof *page->at);
    fleet_each(fleet, add_line, page);
}

/* Append the page as it is at t_ms. */
static void page_add(const struct page *page, int64_t t_ms, struct buf *out)
{
    size_t begin = out->n;
    buf_add_str(out, buf_str(&page->text));
    for (size_t i = 0; i < page->n; i++) {
        char *p = out->p + begin + page->at[i];
        put_digits(p, FLEET_VALUE_DIGITS, fleet_value(page->fleet, &page->series[i], t_ms));
    }
}

static void answer_text(struct http_response *response)
{
    response->content_type = "text/plain; version=0.0.4; charset=utf-8";
    response->allow_gzip = false;
}

static void live(void *context, struct http_request *request, struct http_response *response)
{
    struct exporter *e = context;
    unsigned client = (unsigned)atoi(http_capture(request, "client")) % CLIENTS;
    if ((unsigned)atoi(http_capture(request, "target")) >= e->n_targets) {
        response->status = 404;
        return;
    }
    answer_text(response);
    page_add(&e->live, clock_wall_ms(), &response->body);
    atomic_fetch_add(&e->sent[client], e->live.n);
}

static void stat_samples(void *context, struct http_request *request,
                         struct http_response *response)
{
    struct exporter *e = context;
    (void)request;
    buf_add_cstr(&response->body, "{\"live\":[");
    for (int i = 0; i < CLIENTS; i++)
        buf_printf(&response->body, "%s%llu", i ? "," : "", atomic_load(&e->sent[i]));
    buf_add_cstr(&response->body, "]}\n");
}

static const struct http_route routes[] = {{"GET", "/live/:client/:target", live, 0},
                                           {"GET", "/stat", stat_samples, 0}};

int main(int argc, char **argv)
{
    struct err err = ERR_INIT;
    static struct exporter e;
    if (argc != 3) {
        (void)fprintf(stderr, "exporter TARGETS SERIES\n");
        return 2;
    }
    e.n_targets = (unsigned)strtoul(argv[1], NULL, 10);
    e.fleet = fleet_of_target((unsigned)strtoul(argv[2], NULL, 10), clock_wall_ms());
    page_init(&e.live, &e.fleet);
    struct http_server *server =
        http_server_start(&(struct http_server_options){.listen = "127.0.0.1:0",
                                                        .routes = routes,
                                                        .n_routes = sizeof routes / sizeof *routes,
                                                        .context = &e,
                                                        .threads = 2},
                          &err);
    if (!server) {
        (void)fprintf(stderr, "exporter: %s\n", err.message);
        return 1;
    }
    (void)printf("%u\n", http_server_port(server));
    (void)fflush(stdout);
    for (;;)
        (void)pause(); /* until a signal ends us */
}
