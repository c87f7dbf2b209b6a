/* The manager against a real server, a real loop and a real store. */
#include "ingest/ingest.h"

#include "base/budget.h"
#include "base/clock.h"
#include "io/http_server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>

#include "ingest/testing.h"

#define WAIT_MS 5000

/* What the server says; handlers run on its threads. */
static struct {
    pthread_mutex_t lock;
    char body[8192];
    int status;
    char accept[512], timeout[64], encoding[64], authorization[64], query[64];
    int requests;
} page = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void keep(char *out, size_t n, const char *text)
{
    (void)snprintf(out, n, "%s", text ? text : "");
}

static void serve_page(void *context, struct http_request *request, struct http_response *response)
{
    (void)context;
    (void)pthread_mutex_lock(&page.lock);
    page.requests++;
    keep(page.accept, sizeof page.accept, http_header(request, "Accept"));
    keep(page.timeout, sizeof page.timeout,
         http_header(request, "X-Prometheus-Scrape-Timeout-Seconds"));
    keep(page.encoding, sizeof page.encoding, http_header(request, "Accept-Encoding"));
    keep(page.authorization, sizeof page.authorization, http_header(request, "Authorization"));
    keep(page.query, sizeof page.query, http_param(request, "module"));
    response->status = page.status;
    response->content_type = "text/plain; version=0.0.4";
    buf_add_cstr(&response->body, page.body);
    (void)pthread_mutex_unlock(&page.lock);
}

static void serve_slowly(void *context, struct http_request *request,
                         struct http_response *response)
{
    (void)context;
    (void)request;
    usleep(400000);
    buf_add_cstr(&response->body, "a 1\n");
}

static void say(int status, const char *body)
{
    (void)pthread_mutex_lock(&page.lock);
    page.status = status;
    keep(page.body, sizeof page.body, body);
    (void)pthread_mutex_unlock(&page.lock);
}

static int requests(void)
{
    (void)pthread_mutex_lock(&page.lock);
    int n = page.requests;
    (void)pthread_mutex_unlock(&page.lock);
    return n;
}

static const struct http_route routes[] = {{"GET", "/metrics", serve_page, 0},
                                           {"GET", "/slow", serve_slowly, 0}};

struct fixture {
    struct test_store s;
    struct http_server *server;
    struct loop *loop;
    struct http_client *client;
    struct scrape_manager *manager;
    char address[32];
    struct str target; /* of `statics` */
    struct scrape_static statics;
    struct scrape_config config;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct http_server_options options = {
        .listen = "127.0.0.1:0", .routes = routes, .n_routes = 2, .threads = 1};
    struct err err = ERR_INIT;
    if (!f)
        return -1;
    test_store_open(&f->s, 0);
    f->server = http_server_start(&options, &err);
    if (!f->server)
        fail_msg("%s", err.message);
    f->loop = loop_new(NULL);
    f->client = http_client_new(f->loop);
    f->manager = scrape_manager_new(f->loop, f->client, f->s.store, f->s.metadata);
    (void)snprintf(f->address, sizeof f->address, "127.0.0.1:%d", http_server_port(f->server));
    f->target = str_from(f->address);
    f->statics = (struct scrape_static){.targets = &f->target, .n_targets = 1};
    f->config = (struct scrape_config){.job_name = "j",
                                       .interval_ms = 100,
                                       .timeout_ms = 100,
                                       .metrics_path = "/metrics",
                                       .scheme = "http",
                                       .honor_timestamps = true,
                                       .statics = &f->statics,
                                       .n_statics = 1};
    say(200, "a 1\n");
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    scrape_manager_free(f->manager);
    http_client_free(f->client);
    loop_free(f->loop);
    http_server_stop(f->server);
    test_store_close(&f->s);
    free(f);
    return 0;
}

static void tick(void *arg)
{
    (void)arg;
}

/* Turn the loop until the condition holds. */
static void turn_until(struct fixture *f, bool (*condition)(struct fixture *))
{
    struct loop_timer *ticker = loop_timer_start(f->loop, 5, 5, tick, NULL);
    int64_t end_ns = clock_mono_ns() + WAIT_MS * INT64_C(1000000);
    while (!condition(f) && clock_mono_ns() < end_ns)
        (void)uv_run(loop_uv(f->loop), UV_RUN_ONCE);
    loop_timer_stop(ticker);
    if (!condition(f))
        fail_msg("waited %d ms in vain", WAIT_MS);
}

static void turn_for(struct fixture *f, int64_t ms)
{
    struct loop_timer *ticker = loop_timer_start(f->loop, 5, 5, tick, NULL);
    int64_t end_ns = clock_mono_ns() + ms * 1000000;
    while (clock_mono_ns() < end_ns)
        (void)uv_run(loop_uv(f->loop), UV_RUN_ONCE);
    loop_timer_stop(ticker);
}

static struct target_status *statuses(struct fixture *f, size_t *n)
{
    struct target_status *v;
    scrape_manager_targets(f->manager, &f->s.arena, &v, n);
    return v;
}

static struct target_status status(struct fixture *f)
{
    size_t n;
    struct target_status *v = statuses(f, &n);
    assert_int_equal(n, 1);
    return v[0];
}

static bool is_up(struct fixture *f)
{
    return status(f).up;
}

struct seen {
    size_t n, markers, zeros;
    bool ended; /* the last one is a marker */
};

static struct seen look(struct fixture *f, const char *name)
{
    struct seen seen = {0};
    struct matcher m;
    struct err err = ERR_INIT;
    struct store_series_data *found;
    size_t n;
    assert_true(matcher_init(&m, &f->s.arena, MATCH_EQUAL, STR(LABEL_NAME), str_from(name), &err));
    assert_true(
        store_select(f->s.store, &f->s.arena, &m, 1, INT64_MIN, INT64_MAX, 0, &found, &n, &err));
    for (size_t i = 0; i < n; i++) {
        seen.n += found[i].n;
        for (size_t k = 0; k < found[i].n; k++) {
            double v = found[i].samples[k].v;
            seen.ended = is_stale_nan(v);
            seen.markers += seen.ended;
            seen.zeros += v == 0;
        }
    }
    return seen;
}

/* No marker but for scrapes that a busy machine made fail. */
static void assert_goes_on(struct fixture *f)
{
    assert_in_range(look(f, "a").markers, 0, look(f, "up").zeros);
}

static bool last_error_has(struct fixture *f, const char *text)
{
    return strstr(status(f).last_error, text) != NULL;
}

/* How many samples are whole intervals away from sample k, give or take 20 ms. */
static size_t in_place_with(const struct store_series_data *d, size_t k)
{
    size_t n = 0;
    for (size_t i = 0; i < d->n; i++) {
        int64_t off = (d->samples[i].t_ms - d->samples[k].t_ms) % 100;
        off += off < 0 ? 100 : 0;
        n += off <= 20 || off >= 80;
    }
    return n;
}

/* A busy machine delays some, but the next comes in its own place again: most of them, and at least
 * eight, are whole intervals apart. */
static bool most_are_in_place(struct fixture *f)
{
    struct matcher m;
    struct store_series_data *found;
    struct err err = ERR_INIT;
    size_t n, best = 0;
    assert_true(matcher_init(&m, &f->s.arena, MATCH_EQUAL, STR(LABEL_NAME), STR("up"), &err));
    assert_true(
        store_select(f->s.store, &f->s.arena, &m, 1, INT64_MIN, INT64_MAX, 0, &found, &n, &err));
    for (size_t k = 0; n == 1 && k < found[0].n; k++) {
        size_t in_place = in_place_with(&found[0], k);
        best = in_place > best ? in_place : best;
    }
    return best >= 8 && best * 2 >= found[0].n;
}

static void intervals_hold_without_drift(void **state)
{
    struct fixture *f = *state;
    scrape_manager_apply(f->manager, &f->config, 1);
    turn_until(f, most_are_in_place);
}

static void the_request_says_what_prometheus_would(void **state)
{
    struct fixture *f = *state;
    struct label module = {STR("module"), STR("a b&c")};
    f->config.params = (struct labels){1, &module};
    f->config.access.bearer_token = "secret";
    scrape_manager_apply(f->manager, &f->config, 1);
    turn_until(f, is_up);
    assert_non_null(strstr(page.accept, "application/openmetrics-text;version=1.0.0"));
    assert_non_null(strstr(page.accept, "text/plain;version=0.0.4"));
    assert_non_null(strstr(page.encoding, "gzip"));
    assert_string_equal(page.timeout, "0.1");
    assert_string_equal(page.authorization, "Bearer secret");
    assert_string_equal(page.query, "a b&c");
    struct target_status s = status(f);
    assert_string_equal(s.job, "j");
    assert_string_equal(s.instance, f->address);
    assert_string_equal(s.last_error, "");
    assert_int_equal(s.samples, 1);
    assert_int_equal(s.interval_ms, 100);
    assert_true(str_is(labels_get(s.discovered, "__address__"), f->address));
    assert_true(str_is(labels_get(s.discovered, "__param_module"), "a b&c"));
}

static void compressed_bodies_are_read(void **state)
{
    struct fixture *f = *state;
    struct buf body = BUF_INIT;
    for (int i = 0; i < 300; i++)
        buf_printf(&body, "a{i=\"%d\"} %d\n", i, i);
    say(200, body.p);
    buf_release(&body);
    scrape_manager_apply(f->manager, &f->config, 1);
    turn_until(f, is_up);
    assert_int_equal(status(f).samples, 300);
}

static bool is_over_the_limit(struct fixture *f)
{
    size_t n;
    struct target_status *v = statuses(f, &n);
    return n == 2 && strstr(v[0].last_error, "job j has 2 targets, target_limit is 1") &&
           strstr(v[1].last_error, "target_limit is 1");
}

static void too_many_targets_are_all_refused(void **state)
{
    struct fixture *f = *state;
    struct str both[] = {f->target, STR("127.0.0.1:1")};
    f->statics = (struct scrape_static){.targets = both, .n_targets = 2};
    f->config.target_limit = 1;
    int before = requests();
    scrape_manager_apply(f->manager, &f->config, 1);
    turn_until(f, is_over_the_limit);
    assert_int_equal(requests(), before);
}

static void what_relabeling_drops_is_listed(void **state)
{
    struct fixture *f = *state;
    const struct dropped_target *dropped;
    size_t n;
    struct str source = STR("__address__");
    struct relabel drop = {.action = RELABEL_DROP,
                           .regex = regex_new(STR(".*"), NULL),
                           .source_labels = &source,
                           .n_source_labels = 1};
    f->config.relabels = &drop;
    f->config.n_relabels = 1;
    scrape_manager_apply(f->manager, &f->config, 1);
    scrape_manager_dropped(f->manager, &dropped, &n);
    assert_int_equal(n, 1);
    assert_string_equal(dropped[0].job, "j");
    assert_true(str_is(labels_get(dropped[0].discovered, "__address__"), f->address));
    f->config.n_relabels = 0;
    scrape_manager_apply(f->manager, &f->config, 1);
    scrape_manager_dropped(f->manager, &dropped, &n);
    assert_int_equal(n, 0);
    regex_free(drop.regex);
}

static bool is_503(struct fixture *f)
{
    return last_error_has(f, "HTTP 503 from http://127.0.0.1:");
}

static void failures_are_told_and_end_the_series(void **state)
{
    struct fixture *f = *state;
    scrape_manager_apply(f->manager, &f->config, 1);
    turn_until(f, is_up);
    say(503, "");
    turn_until(f, is_503);
    assert_true(look(f, "a").ended);
    assert_true(look(f, "up").zeros > 0);
    say(200, "a 1\n");
    turn_until(f, is_up);
    assert_false(look(f, "a").ended);
}

static bool is_refused(struct fixture *f)
{
    return last_error_has(f, arena_printf(&f->s.arena, "connect to %s refused", f->address));
}

static void nobody_there(void **state)
{
    struct fixture *f = *state;
    http_server_stop(f->server);
    f->server = NULL;
    scrape_manager_apply(f->manager, &f->config, 1);
    turn_until(f, is_refused);
    f->server = http_server_start(
        &(struct http_server_options){.listen = f->address, .routes = routes, .n_routes = 2}, NULL);
    assert_non_null(f->server);
    turn_until(f, is_up);
}

static bool has_timed_out(struct fixture *f)
{
    return last_error_has(f, "timed out");
}

static bool is_too_large(struct fixture *f)
{
    return last_error_has(f, "the answer is over 3 bytes");
}

static void too_slow_and_too_large(void **state)
{
    struct fixture *f = *state;
    f->config.metrics_path = "/slow";
    scrape_manager_apply(f->manager, &f->config, 1);
    turn_until(f, has_timed_out);
    f->config.metrics_path = "/metrics";
    f->config.body_size_limit = 3;
    scrape_manager_apply(f->manager, &f->config, 1);
    turn_until(f, is_too_large);
}

static bool seen_twice(struct fixture *f)
{
    return look(f, "a").n >= 2;
}

static void unchanged_targets_go_on_and_removed_ones_end(void **state)
{
    struct fixture *f = *state;
    struct scrape_config again = f->config;
    size_t n;
    scrape_manager_apply(f->manager, &f->config, 1);
    turn_until(f, seen_twice);
    int64_t last = status(f).last_scrape_ms;
    size_t before = look(f, "up").n;
    again.job_name = arena_strdup(&f->s.arena, "j"); /* as after a reload: equal, not the same */
    scrape_manager_apply(f->manager, &again, 1);
    memset(&f->config, 0xaa, sizeof f->config);
    assert_int_equal(status(f).last_scrape_ms, last);
    turn_for(f, 350);
    assert_in_range(look(f, "up").n, before + 1, before + 4);
    assert_goes_on(f);

    again.interval_ms = 150;
    scrape_manager_apply(f->manager, &again, 1);
    assert_int_equal(status(f).interval_ms, 150);
    assert_int_equal(status(f).last_scrape_ms > 0, 1);
    turn_for(f, 320);
    assert_goes_on(f);

    scrape_manager_apply(f->manager, NULL, 0);
    (void)statuses(f, &n);
    assert_int_equal(n, 0);
    assert_true(look(f, "a").ended);
    assert_true(look(f, "up").ended);
    int asked = requests();
    turn_for(f, 250);
    assert_in_range(requests(), asked, asked + 1); /* one may have been on its way */
}

static void write_targets(const char *path, const char *text)
{
    struct err err = ERR_INIT;
    if (!file_replace(path, str_from(text), 0644, &err))
        fail_msg("%s", err.message);
}

static size_t n_targets(struct fixture *f)
{
    size_t n;
    (void)statuses(f, &n);
    return n;
}

static bool has_none(struct fixture *f)
{
    return n_targets(f) == 0;
}

static bool has_one(struct fixture *f)
{
    return n_targets(f) == 1;
}

static bool has_two(struct fixture *f)
{
    return n_targets(f) == 2;
}

static void files_of_targets_are_followed(void **state)
{
    struct fixture *f = *state;
    const char *pattern = arena_printf(&f->s.arena, "%s/sd-*", f->s.folder);
    const char *json = arena_printf(&f->s.arena, "%s/sd-a.json", f->s.folder);
    const char *yaml = arena_printf(&f->s.arena, "%s/sd-b.yml", f->s.folder);
    f->config.n_statics = 0;
    f->config.file_sd = &pattern;
    f->config.n_file_sd = 1;
    f->config.file_sd_refresh_ms = 3600000;
    scrape_manager_apply(f->manager, &f->config, 1);
    assert_int_equal(n_targets(f), 0);

    write_targets(json, arena_printf(&f->s.arena,
                                     "[{\"targets\": [\"%s\"], \"labels\": {\"env\": \"x\"}}]",
                                     f->address));
    turn_until(f, has_one);
    turn_until(f, is_up);
    assert_true(str_is(labels_get(status(f).labels, "env"), "x"));
    assert_true(str_is(labels_get(status(f).discovered, "__meta_filepath"), json));

    write_targets(yaml, "- targets: ['127.0.0.1:1']\n  labels:\n    env: y\n");
    turn_until(f, has_two);
    write_targets(yaml, "- targets: ['127.0.0.1:1'\n"); /* half written: stays as it was */
    turn_for(f, 200);
    assert_int_equal(n_targets(f), 2);
    write_targets(yaml, "[]\n");
    turn_until(f, has_one);
    assert_goes_on(f);
    assert_int_equal(unlink(json), 0);
    turn_until(f, has_none);
    assert_true(look(f, "a").ended);
}

static bool is_scraped(struct fixture *f)
{
    size_t n;
    struct target_status *v = statuses(f, &n);
    bool all = true;
    for (size_t i = 0; i < n; i++)
        all = all && v[i].last_scrape_ms > 0;
    return all;
}

/* Two addresses under the same labels; one gives way to a third. */
static void a_new_address_takes_the_place_of_the_old_one(void **state)
{
    struct fixture *f = *state;
    struct str both[] = {STR("127.0.0.1:1"), f->target}, others[] = {STR("127.0.0.1:2"), f->target};
    struct scrape_static second = {.targets = others, .n_targets = 2};
    struct scrape_config again = f->config;
    struct relabel rule = {.action = RELABEL_REPLACE,
                           .regex = regex_new(STR(".*"), NULL),
                           .target_label = STR("instance"),
                           .replacement = STR("one")};
    f->statics = (struct scrape_static){.targets = both, .n_targets = 2};
    f->config.relabels = again.relabels = &rule;
    f->config.n_relabels = again.n_relabels = 1;
    again.statics = &second;
    scrape_manager_apply(f->manager, &f->config, 1);
    turn_until(f, is_scraped);
    scrape_manager_apply(f->manager, &again, 1);
    size_t n;
    struct target_status *v = statuses(f, &n);
    assert_int_equal(n, 2);
    assert_string_equal(v[0].url, "http://127.0.0.1:2/metrics");
    assert_string_equal(v[1].url, arena_printf(&f->s.arena, "http://%s/metrics", f->address));
    assert_true(v[1].last_scrape_ms > 0);
    assert_false(look(f, "up").ended);
    scrape_manager_apply(f->manager, NULL, 0);
    assert_true(look(f, "up").ended);
    regex_free(rule.regex);
}

static void targets_are_relabeled_and_unique(void **state)
{
    struct fixture *f = *state;
    struct str twice[] = {f->target, f->target, STR("drop.me:1"), STR("http://bad/")};
    struct str address = STR("__address__");
    struct relabel rules[] = {
        {.action = RELABEL_DROP,
         .source_labels = &address,
         .n_source_labels = 1,
         .regex = regex_new(STR("drop.*"), NULL)},
        {.action = RELABEL_REPLACE,
         .regex = regex_new(STR(".*"), NULL),
         .target_label = STR("instance"),
         .replacement = STR("one")},
    };
    f->statics = (struct scrape_static){.targets = twice, .n_targets = 4};
    f->config.relabels = rules;
    f->config.n_relabels = 2;
    scrape_manager_apply(f->manager, &f->config, 1);
    assert_string_equal(status(f).instance, "one");
    turn_until(f, is_up);
    assert_non_null(strstr(test_dump(&f->s, "a"), "a{instance=\"one\", job=\"j\"}"));
    scrape_manager_apply(f->manager, NULL, 0);
    regex_free(rules[0].regex);
    regex_free(rules[1].regex);
}

static bool has_no_error(struct fixture *f)
{
    return status(f).last_error[0] == '\0';
}

static bool is_skipped(struct fixture *f)
{
    return scrape_manager_skipped(f->manager) >= 3;
}

static void a_store_that_cannot_keep_up_is_not_given_more(void **state)
{
    struct fixture *f = *state;
    scrape_manager_apply(f->manager, &f->config, 1);
    turn_until(f, is_up);
    budget_set(1);
    turn_until(f, is_skipped);
    assert_string_equal(status(f).last_error,
                        "skipped: storage.memory is used up: telemetry has to wait");
    int before = requests();
    turn_for(f, 250);
    assert_int_equal(requests(), before);
    assert_int_equal(look(f, "a").markers, 0); /* a gap, not an end */
    budget_set(0);
    turn_until(f, has_no_error);
}

#define WITH_MANAGER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_MANAGER(intervals_hold_without_drift),
        WITH_MANAGER(the_request_says_what_prometheus_would),
        WITH_MANAGER(compressed_bodies_are_read),
        WITH_MANAGER(too_many_targets_are_all_refused),
        WITH_MANAGER(what_relabeling_drops_is_listed),
        WITH_MANAGER(failures_are_told_and_end_the_series),
        WITH_MANAGER(nobody_there),
        WITH_MANAGER(too_slow_and_too_large),
        WITH_MANAGER(unchanged_targets_go_on_and_removed_ones_end),
        WITH_MANAGER(files_of_targets_are_followed),
        WITH_MANAGER(a_new_address_takes_the_place_of_the_old_one),
        WITH_MANAGER(targets_are_relabeled_and_unique),
        WITH_MANAGER(a_store_that_cannot_keep_up_is_not_given_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
