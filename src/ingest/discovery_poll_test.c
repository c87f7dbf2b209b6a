/* Sources that are asked: a real HTTP server, and a fake DNS server on loopback. */
#include "ingest/discovery_poll.h"

#include "base/clock.h"
#include "io/http_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>

#include "io/dns_testing.h"

#define WAIT_MS 10000

/* What the HTTP server says; handlers run on its threads. */
static struct {
    pthread_mutex_t lock;
    int status;
    const char *type, *body;
    char authorization[64], refresh[32];
    int asked;
} page = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void serve_targets(void *context, struct http_request *request,
                          struct http_response *response)
{
    const char *authorization = http_header(request, "Authorization");
    const char *refresh = http_header(request, "X-Prometheus-Refresh-Interval-Seconds");
    (void)context;
    (void)pthread_mutex_lock(&page.lock);
    page.asked++;
    (void)snprintf(page.authorization, sizeof page.authorization, "%s",
                   authorization ? authorization : "");
    (void)snprintf(page.refresh, sizeof page.refresh, "%s", refresh ? refresh : "");
    response->status = page.status;
    response->content_type = page.type;
    buf_add_cstr(&response->body, page.body);
    (void)pthread_mutex_unlock(&page.lock);
}

static void say(int status, const char *type, const char *body)
{
    (void)pthread_mutex_lock(&page.lock);
    page.status = status;
    page.type = type;
    page.body = body;
    (void)pthread_mutex_unlock(&page.lock);
}

static void assert_heard(const char *authorization, const char *refresh)
{
    (void)pthread_mutex_lock(&page.lock);
    bool good =
        strcmp(page.authorization, authorization) == 0 && strcmp(page.refresh, refresh) == 0;
    (void)pthread_mutex_unlock(&page.lock);
    assert_true(good);
}

static int http_asked(void)
{
    (void)pthread_mutex_lock(&page.lock);
    int asked = page.asked;
    (void)pthread_mutex_unlock(&page.lock);
    return asked;
}

static const struct http_route routes[] = {{"GET", "/targets", serve_targets, 0}};

struct fixture {
    struct http_server *server;
    struct loop *loop;
    struct http_client *client;
    struct polls *polls;
    struct fake_dns dns;
    struct arena arena;
    char url[64];
    struct scrape_http_sd http;
    struct scrape_dns_sd dns_sd[2];
    struct scrape_config config;
    int changes;
};

static void changed(void *arg)
{
    struct fixture *f = arg;
    f->changes++;
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct err err = ERR_INIT;
    if (!f)
        return -1;
    f->server =
        http_server_start(&(struct http_server_options){.listen = "127.0.0.1:0",
                                                        .routes = routes,
                                                        .n_routes = sizeof routes / sizeof *routes,
                                                        .threads = 2},
                          &err);
    if (!f->server)
        fail_msg("%s", err.message);
    f->loop = loop_new(NULL);
    f->client = http_client_new(f->loop);
    f->polls = polls_new(f->loop, f->client, changed, f);
    fake_dns_start(&f->dns);
    (void)snprintf(f->url, sizeof f->url, "http://127.0.0.1:%d/targets",
                   http_server_port(f->server));
    f->http = (struct scrape_http_sd){.url = f->url, .refresh_ms = 20};
    f->config = (struct scrape_config){.job_name = "j"};
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    polls_free(f->polls);
    http_client_free(f->client);
    loop_free(f->loop);
    http_server_stop(f->server);
    fake_dns_stop(&f->dns);
    arena_release(&f->arena);
    free(f);
    return 0;
}

static void tick(void *arg)
{
    (void)arg;
}

/* Turn the loop until the number, which only rises, is at least this. */
static void turn_until(struct fixture *f, int (*number)(struct fixture *), int least)
{
    struct loop_timer *ticker = loop_timer_start(f->loop, 5, 5, tick, NULL);
    int64_t end_ns = clock_mono_ns() + WAIT_MS * INT64_C(1000000);
    while (number(f) < least && clock_mono_ns() < end_ns)
        (void)uv_run(loop_uv(f->loop), UV_RUN_ONCE);
    loop_timer_stop(ticker);
    if (number(f) < least)
        fail_msg("waited %d ms in vain", WAIT_MS);
}

static int changes(struct fixture *f)
{
    return f->changes;
}

static int asked_by_http(struct fixture *f)
{
    (void)f;
    return http_asked();
}

static int asked_by_dns(struct fixture *f)
{
    return fake_dns_asked(&f->dns);
}

struct listing {
    struct buf text;
};

static void list(void *arg, struct labels labels)
{
    struct listing *l = arg;
    labels_print(labels, &l->text);
    buf_add_char(&l->text, '\n');
}

static const char *targets(struct fixture *f)
{
    struct listing l = {BUF_INIT};
    polls_targets(f->polls, &f->config, &f->arena, list, &l);
    const char *text = arena_cstr(&f->arena, buf_str(&l.text));
    buf_release(&l.text);
    return text;
}

static void http_says_what_there_is(void **state)
{
    struct fixture *f = *state;
    f->config.http_sd = &f->http;
    f->config.n_http_sd = 1;
    f->http.access = (struct http_access){.username = "u", .password = "p"};
    say(200, "application/json; charset=utf-8",
        "[{\"targets\":[\"a:1\",\"b:2\"],\"labels\":{\"zone\":\"z\"}},{\"targets\":[\"c:3\"]}]");
    polls_watch(f->polls, &f->config, 1);
    assert_string_equal(targets(f), "");
    turn_until(f, changes, 1);
    const char *all =
        arena_printf(&f->arena,
                     "{__address__=\"a:1\", __meta_url=\"%s\", zone=\"z\"}\n"
                     "{__address__=\"b:2\", __meta_url=\"%s\", zone=\"z\"}\n{__address__=\"c:3\", "
                     "__meta_url=\"%s\"}\n",
                     f->url, f->url, f->url);
    assert_string_equal(targets(f), all);
    assert_heard("Basic dTpw", "0.02");
    turn_until(f, asked_by_http, http_asked() + 2);
    assert_int_equal(f->changes, 1); /* the same is no news */
    static const struct {
        int status;
        const char *type, *body;
    } failures[] = {{500, "application/json", "[]"},
                    {200, "text/plain", "[]"},
                    {200, "application/json", "[{"},
                    {200, "application/json", "{}"},
                    {200, "application/json", "[{\"targets\":[1]}]"}};
    for (size_t i = 0; i < sizeof failures / sizeof *failures; i++) {
        say(failures[i].status, failures[i].type, failures[i].body);
        turn_until(f, asked_by_http, http_asked() + 3);
        assert_string_equal(targets(f), all);
    }
    assert_int_equal(f->changes, 1);
    say(200, "application/json", "[]");
    turn_until(f, changes, 2);
    assert_string_equal(targets(f), "");
}

static void dns_says_what_there_is(void **state)
{
    struct fixture *f = *state;
    static const char *const services[] = {"_metrics._tcp.shop.test."};
    static const char *const hosts[] = {"shop.test.", "nobody.test."};
    f->dns_sd[0] = (struct scrape_dns_sd){.names = services,
                                          .n_names = 1,
                                          .type = SCRAPE_DNS_SRV,
                                          .resolver = f->dns.address,
                                          .refresh_ms = 20};
    f->dns_sd[1] = (struct scrape_dns_sd){.names = hosts,
                                          .n_names = 2,
                                          .type = SCRAPE_DNS_AAAA,
                                          .port = 9100,
                                          .resolver = f->dns.address,
                                          .refresh_ms = 20};
    f->config.dns_sd = f->dns_sd;
    f->config.n_dns_sd = 2;
    fake_dns_add(&f->dns, "_metrics._tcp.shop.test", DNS_SRV, "n2.shop.test", 8002);
    fake_dns_add(&f->dns, "_metrics._tcp.shop.test", DNS_SRV, "n1.shop.test", 8001);
    fake_dns_add(&f->dns, "shop.test", DNS_AAAA, "::1", 0);
    polls_watch(f->polls, &f->config, 1);
    turn_until(f, changes, 3);
    static const char all[] =
        "{__address__=\"n1.shop.test:8001\", __meta_dns_name=\"_metrics._tcp.shop.test.\", "
        "__meta_dns_srv_record_port=\"8001\", __meta_dns_srv_record_target=\"n1.shop.test\"}\n"
        "{__address__=\"n2.shop.test:8002\", __meta_dns_name=\"_metrics._tcp.shop.test.\", "
        "__meta_dns_srv_record_port=\"8002\", __meta_dns_srv_record_target=\"n2.shop.test\"}\n"
        "{__address__=\"[::1]:9100\", __meta_dns_name=\"shop.test.\"}\n";
    assert_string_equal(targets(f), all);
    fake_dns_fail(&f->dns, 2);
    turn_until(f, asked_by_dns, fake_dns_asked(&f->dns) + 8);
    assert_string_equal(targets(f), all);
    assert_int_equal(f->changes, 3);
    fake_dns_fail(&f->dns, 0); /* and knows nobody any more */
    turn_until(f, changes, 5);
    assert_string_equal(targets(f), "");
}

static void a_reload_keeps_what_is_known(void **state)
{
    struct fixture *f = *state;
    f->config.http_sd = &f->http;
    f->config.n_http_sd = 1;
    say(200, "application/json", "[{\"targets\":[\"a:1\"]}]");
    polls_watch(f->polls, &f->config, 1);
    turn_until(f, changes, 1);
    const char *before = targets(f);
    say(503, "application/json", "");
    f->http.access.bearer_token = "new";
    polls_watch(f->polls, &f->config, 1);
    assert_string_equal(targets(f), before);
    turn_until(f, asked_by_http, http_asked() + 2);
    assert_heard("Bearer new", "0.02");
    assert_string_equal(targets(f), before);
    polls_watch(f->polls, NULL, 0);
    int asked = http_asked();
    assert_string_equal(targets(f), "");
    assert_int_equal(http_asked(), asked);
}

#define WITH_SERVERS(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVERS(http_says_what_there_is),
        WITH_SERVERS(dns_says_what_there_is),
        WITH_SERVERS(a_reload_keeps_what_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
