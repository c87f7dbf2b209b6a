/* One target and its bodies, without a network: what lands in the store. */
#include "ingest/target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "ingest/target_testing.h"

static void scrape_fails(struct fixture *f, int64_t t_ms)
{
    struct err err = ERR_INIT;
    struct scrape_answer answer = {NULL, &err, t_ms};
    err_set(&err, ERR_UNREACHABLE, "connect to h:1 refused");
    target_take(&f->target, f->s.store, f->s.metadata, &answer);
}

static void samples_get_the_target_labels_and_the_time(void **state)
{
    struct fixture *f = *state;
    scrape(f, 1000, "a{x=\"1\"} 1\nb 2\n");
    scrape(f, 2000, "a{x=\"1\"} 3\nb 4\n");
    assert_holds(f, MINE,
                 "a{" OWN ", x=\"1\"} 1000:1 2000:3\n"
                 "b{" OWN "} 1000:2 2000:4\n");
    assert_true(f->target.up);
    assert_string_equal(f->target.last_error, "");
}

static void reports_say_how_it_went(void **state)
{
    struct fixture *f = *state;
    static const char *const names = "up|scrape_samples.*|scrape_series_added";
    struct relabel drop = {.action = RELABEL_DROP, .regex = regex_new(STR("b"), NULL)};
    struct str source = STR(LABEL_NAME);
    drop.source_labels = &source;
    drop.n_source_labels = 1;
    f->config.metric_relabels = &drop;
    f->config.n_metric_relabels = 1;
    scrape(f, 1000, "a 1\nb 2\nc 1\n");
    scrape(f, 2000, "a 1\nb 2\nd 1\n");
    scrape_fails(f, 3000);
    assert_holds(f, names,
                 "scrape_samples_post_metric_relabeling{" OWN "} 1000:2 2000:2 3000:0\n"
                 "scrape_samples_scraped{" OWN "} 1000:3 2000:3 3000:0\n"
                 "scrape_series_added{" OWN "} 1000:2 2000:1 3000:0\n"
                 "up{" OWN "} 1000:1 2000:1 3000:0\n");
    assert_non_null(strstr(test_dump(&f->s, "scrape_duration_seconds"), " 3000:"));
    regex_free(drop.regex);
}

static void a_series_that_vanishes_ends_with_a_marker(void **state)
{
    struct fixture *f = *state;
    scrape(f, 1000, "a 1\nb 1\nc 1\n");
    scrape(f, 2000, "a 2\nc 2\n");
    scrape(f, 3000, "a 3\nc 3\n");
    scrape(f, 4000, "a 4\nb 4\nc 4\n");
    assert_holds(f, MINE,
                 "a{" OWN "} 1000:1 2000:2 3000:3 4000:4\n"
                 "b{" OWN "} 1000:1 2000:stale 4000:4\n"
                 "c{" OWN "} 1000:1 2000:2 3000:3 4000:4\n");
    assert_non_null(strstr(test_dump(&f->s, "scrape_series_added"), "1000:3 2000:0 3000:0 4000:1"));
}

/* Silent for days, and the store let go of them: lines, reports, what is counted and a line that
 * brings the same old sample each time. */
static void series_that_left_come_again(void **state)
{
    struct fixture *f = *state;
    static const char *const body = "# TYPE counted_total counter\ncounted_total %d\nold 1 1000\n";
    char text[100];
    for (int64_t day = 0; day < 6; day += 2) {
        snprintf(text, sizeof text, body, 5 + (int)day);
        scrape(f, 2000 + day * 86400000, text);
        test_age(f->s.store, (day + 1) * 86400000);
    }
    assert_holds(f, "old|counted_total|up",
                 "counted_total{" OWN "} 2000:5 172802000:7 345602000:9\n"
                 "old{" OWN "} 1000:1\n"
                 "up{" OWN "} 2000:1 172802000:1 345602000:1\n");
    assert_true(f->s.sum.increase == 4);
    assert_int_equal(f->s.sum.fed, 3);
}

static void a_body_may_shrink_to_nothing(void **state)
{
    struct fixture *f = *state;
    struct buf body = BUF_INIT;
    for (int i = 0; i < 3000; i++)
        buf_printf(&body, "a{i=\"%d\"} 1\n", i);
    scrape(f, 1000, body.p);
    buf_release(&body);
    scrape(f, 2000, "a{i=\"7\"} 1\n");
    assert_in_range(f->target.cache.capacity, 1, 1024);
    scrape(f, 3000, "");
    scrape(f, 4000, "");
    scrape(f, 5000, "a{i=\"7\"} 2\n");
    assert_non_null(
        strstr(test_dump(&f->s, "a"), "i=\"7\", " OWN "} 1000:1 2000:1 3000:stale 5000:2\n"));
}

static void a_failure_ends_all_once(void **state)
{
    struct fixture *f = *state;
    scrape(f, 1000, "a 1\nb 1\n");
    scrape_fails(f, 2000);
    assert_false(f->target.up);
    assert_string_equal(f->target.last_error, "connect to h:1 refused");
    scrape_fails(f, 3000);
    scrape(f, 4000, "a 4\nb 4\n");
    assert_holds(f, MINE,
                 "a{" OWN "} 1000:1 2000:stale 4000:4\n"
                 "b{" OWN "} 1000:1 2000:stale 4000:4\n");
    assert_holds(f, "up", "up{" OWN "} 1000:1 2000:0 3000:0 4000:1\n");
}

static void a_broken_body_counts_for_nothing(void **state)
{
    struct fixture *f = *state;
    scrape(f, 1000, "a 1\nb 1\n");
    scrape(f, 2000, "a 2\nnew 2\nb two\n");
    assert_false(f->target.up);
    assert_string_equal(f->target.last_error, "line 3: expected a value, found 'two'");
    scrape(f, 3000, "a 3\nnew 3\nb 3\n");
    assert_holds(f, "a|b|new",
                 "a{" OWN "} 1000:1 2000:stale 3000:3\n"
                 "b{" OWN "} 1000:1 2000:stale 3000:3\n"
                 "new{" OWN "} 3000:3\n");
}

static void explicit_times_are_kept_and_get_no_markers(void **state)
{
    struct fixture *f = *state;
    scrape(f, 1000, "a 1 500\nb 1\n");
    scrape(f, 2000, "b 2\n");
    assert_holds(f, MINE, "a{" OWN "} 500:1\nb{" OWN "} 1000:1 2000:2\n");
}

/* The second line is refused, but the first one counts. */
static void one_line_with_a_time_and_one_without(void **state)
{
    struct fixture *f = *state;
    scrape(f, 1000, "a 1\na 2 500\n");
    scrape(f, 2000, "b 2\n");
    assert_holds(f, MINE, "a{" OWN "} 1000:1 2000:stale\nb{" OWN "} 2000:2\n");
}

static void times_may_be_dishonoured(void **state)
{
    struct fixture *f = *state;
    f->config.honor_timestamps = false;
    scrape(f, 1000, "a 1 500\nb 1\n");
    scrape(f, 2000, "b 2\n");
    assert_holds(f, MINE, "a{" OWN "} 1000:1 2000:stale\nb{" OWN "} 1000:1 2000:2\n");
}

static void conflicting_labels_are_exported(void **state)
{
    struct fixture *f = *state;
    scrape(f, 1000, "a{job=\"x\",instance=\"\",exported_job=\"y\"} 1\n");
    assert_holds(f, "a", "a{exported_exported_job=\"x\", exported_job=\"y\", " OWN "} 1000:1\n");
}

static void conflicting_labels_are_honoured_on_request(void **state)
{
    struct fixture *f = *state;
    f->config.honor_labels = true;
    scrape(f, 1000, "a{job=\"x\",instance=\"\"} 1\nb 2\n");
    assert_holds(f, MINE, "a{job=\"x\"} 1000:1\nb{" OWN "} 1000:2\n");
}

static void limits_fail_the_whole_scrape(void **state)
{
    struct fixture *f = *state;
    f->config.sample_limit = 2;
    f->config.label_limit = 4;
    f->config.label_name_length_limit = 8;
    f->config.label_value_length_limit = 9;
    scrape(f, 1000, "a 1\nb 1\n");
    assert_true(f->target.up);
    scrape(f, 2000, "a 1\nb 1\nc 1\n");
    assert_string_equal(f->target.last_error, "3 samples, over the sample_limit of 2");
    scrape(f, 3000, "a{x=\"1\",y=\"2\"} 1\n");
    assert_string_equal(f->target.last_error, "line 1: a has 5 labels, label_limit is 4");
    scrape(f, 4000, "a{too_long_=\"1\"} 1\n");
    assert_string_equal(f->target.last_error,
                        "line 1: a label name has 9 bytes, label_name_length_limit is 8");
    scrape(f, 5000, "a{x=\"1234567890\"} 1\n");
    assert_string_equal(
        f->target.last_error,
        "line 1: the value of label 'x' has 10 bytes, label_value_length_limit is 9");
    assert_holds(f, MINE, "a{" OWN "} 1000:1 2000:stale\nb{" OWN "} 1000:1 2000:stale\n");
}

static void answers_that_are_no_exposition_are_named(void **state)
{
    struct fixture *f = *state;
    struct http_answer http = {.status = 404, .content_type = STR("text/plain"), .body = STR("")};
    start(f);
    target_take(&f->target, f->s.store, f->s.metadata, &(struct scrape_answer){&http, NULL, 1000});
    assert_string_equal(f->target.last_error, "HTTP 404 from http://h:1/metrics");
    take(f, 2000, "text/html", "<html>");
    assert_string_equal(
        f->target.last_error,
        "http://h:1/metrics answers with the Content-Type 'text/html', which is no exposition "
        "format; fallback_scrape_protocol can say what to take it for");
    take(f, 3000, "application/openmetrics-text", "a 1\n");
    assert_string_equal(f->target.last_error,
                        "line 2: the text ends without \"# EOF\"; it may be cut off");
}

/* The first scrape sets baselines; a counter that appears later began at 0. */
static void counters_that_appear_later_count_from_zero(void **state)
{
    struct fixture *f = *state;
    scrape(f, 1000, "# TYPE counted_total counter\ncounted_total{x=\"1\"} 100\n");
    assert_true(f->s.sum.increase == 0);
    scrape(f, 2000,
           "# TYPE counted_total counter\ncounted_total{x=\"1\"} 101\n"
           "counted_total{x=\"2\"} 7\n");
    assert_true(f->s.sum.increase == 8);
    scrape_fails(f, 3000);
    scrape(f, 4000,
           "# TYPE counted_total counter\ncounted_total{x=\"1\"} 101\n"
           "counted_total{x=\"2\"} 9\ncounted_total{x=\"3\"} 3\n");
    assert_true(f->s.sum.increase == 13);
}

static void gauges_foreign_and_timed_counters_do_not(void **state)
{
    struct fixture *f = *state;
    scrape(f, 1000, "a 1\n");
    scrape(f, 2000, "# TYPE counted_total gauge\ncounted_total{x=\"1\"} 5\n");
    scrape(f, 3000, "# TYPE counted_total counter\ncounted_total{x=\"2\"} 5 2500\n");
    scrape(f, 4000, "# TYPE other_total counter\ncounted_total{x=\"3\"} 5\n");
    f->config.honor_labels = true;
    start(f);
    scrape(f, 5000, "a 1\n");
    scrape(f, 6000, "# TYPE counted_total counter\ncounted_total{x=\"4\"} 5\n");
    assert_int_equal(f->s.sum.fed, 6); /* four samples, and the markers of those not timed */
    assert_true(f->s.sum.increase == 0);
}

/* The TYPE comment was passed unread, as it was there before. */
static void a_known_type_still_tells_a_new_counter(void **state)
{
    struct fixture *f = *state;
    scrape(f, 1000,
           "# HELP b B.\n# TYPE b gauge\nb 1\n"
           "# HELP counted_total C.\n# TYPE counted_total counter\ncounted_total 1\n");
    scrape(f, 2000,
           "# HELP b B.\n# TYPE b gauge\nb 1\n"
           "# HELP counted_total C.\n# TYPE counted_total counter\n"
           "counted_total{x=\"2\"} 4\ncounted_total 1\n");
    assert_true(f->s.sum.increase == 4);
}

static void lines_may_move_and_repeat(void **state)
{
    struct fixture *f = *state;
    scrape(f, 1000, "a{x=\"1\"} 1\na{x=\"2\"} 2\na 3\n");
    scrape(f, 2000, "a 30\na{x=\"2\"} 20\na{x=\"1\"} 10\na{x=\"1\"} 10\n");
    scrape(f, 3000, "a {x=\"1\"} 100\na 300\na{x=\"1\",} 100\na{x=\"2\"} 200\n");
    assert_holds(f, "a",
                 "a{" OWN "} 1000:3 2000:30 3000:300\n"
                 "a{" OWN ", x=\"1\"} 1000:1 2000:10 3000:100\n"
                 "a{" OWN ", x=\"2\"} 1000:2 2000:20 3000:200\n");
    assert_true(f->target.up);
}

static void refused_samples_are_told(void **state)
{
    struct fixture *f = *state;
    scrape(f, 1000, "a 1\na 2\nb 1 900\n");
    assert_true(f->target.up);
    assert_string_equal(f->target.last_error, "samples refused by the store: 1 conflicting");
    scrape(f, 2000, "a 2\nb 1 800\n");
    assert_string_equal(f->target.last_error, "samples refused by the store: 1 out_of_order");
    scrape(f, 3000, "a 3\n");
    assert_string_equal(f->target.last_error, "");
}

static void a_change_of_settings_leaves_no_gap_and_no_ghost(void **state)
{
    struct fixture *f = *state;
    scrape(f, 1000, "a 1\nb 1\n");
    f->config.sample_limit = 100;
    start(f);
    assert_holds(f, MINE, "a{" OWN "} 1000:1\nb{" OWN "} 1000:1\n");
    scrape(f, 2000, "a 2\n");
    scrape(f, 3000, "a 3\n");
    assert_holds(f, MINE, "a{" OWN "} 1000:1 2000:2 3000:3\nb{" OWN "} 1000:1 2000:stale\n");
}

static void an_end_ends_everything(void **state)
{
    struct fixture *f = *state;
    struct store_batch *b;
    scrape(f, 1000, "a 1\nb 1\n");
    scrape(f, 2000, "a 2\n");
    b = store_batch_begin(f->s.store, 2000);
    target_end(&f->target, b, 2000);
    assert_true(store_batch_commit(b, NULL));
    assert_holds(f, "a|b|up",
                 "a{" OWN "} 1000:1 2000:2 2001:stale\nb{" OWN "} 1000:1 2000:stale\n"
                 "up{" OWN "} 1000:1 2000:1 2001:stale\n");
}

static const char *metadata(struct fixture *f, const char *name)
{
    struct buf out = BUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &out);
    metadata_store_json(f->s.metadata, name, 0, &w);
    json_writer_end(&w);
    const char *text = arena_cstr(&f->s.arena, buf_str(&out));
    buf_release(&out);
    return text;
}

static void metadata_is_kept(void **state)
{
    struct fixture *f = *state;
    start(f);
    take(f, 1000, "application/openmetrics-text; version=1.0.0",
         "# HELP a_seconds All.\n# TYPE a_seconds counter\n# UNIT a_seconds seconds\n"
         "a_seconds_total 1\na_seconds_created 1\n# TYPE b gauge\n# EOF\n");
    assert_string_equal(f->target.last_error, "");
    assert_string_equal(metadata(f, NULL),
                        "{\"a_seconds_total\":[{\"type\":\"counter\",\"help\":\"All.\","
                        "\"unit\":\"seconds\"}],\"b\":[{\"type\":\"gauge\",\"help\":\"\",\"unit\":"
                        "\"\"}]}");
    take(f, 2000, "application/openmetrics-text; version=1.0.0",
         "# HELP a_seconds New.\n# TYPE a_seconds counter\n# UNIT a_seconds seconds\n"
         "a_seconds_total 1\na_seconds_created 1\n# TYPE b gauge\n# EOF\n");
    assert_non_null(strstr(metadata(f, "a_seconds_total"), "New."));
}

static void targets_are_defined_as_prometheus_does(void **state)
{
    struct fixture *f = *state;
    struct target_definition d;
    struct arena *arena = &f->s.arena;
    struct err err = ERR_INIT;
    struct labels_builder b;
    struct buf text = BUF_INIT;
    f->config.params = one_label(arena, "module", "a b");
    labels_builder_init(&b, arena);
    labels_builder_set(&b, STR("__address__"), STR("h:1"));
    labels_builder_set(&b, STR("__meta_filepath"), STR("f"));
    labels_builder_set(&b, STR("__scheme__"), STR("https"));
    labels_builder_set(&b, STR("__metrics_path__"), STR("/p q?"));
    labels_builder_set(&b, STR("__param_z"), STR("1&2"));
    labels_builder_set(&b, STR("__scrape_interval__"), STR("2s"));
    labels_builder_set(&b, STR("job"), STR("mine"));
    struct labels discovered = labels_build(&b);
    assert_int_equal(target_define(&d, arena, &f->config, discovered, &err), TARGET_KEPT);
    assert_string_equal(d.url, "https://h:1/p%20q%3F?module=a%20b&z=1%262");
    assert_int_equal(d.interval_ms, 2000);
    assert_int_equal(d.timeout_ms, 1000);
    labels_print(d.labels, &text);
    assert_string_equal(text.p, "{instance=\"h:1\", job=\"mine\"}");
    buf_release(&text);
}

static void assert_bad(struct fixture *f, const char *name, const char *value, const char *message)
{
    struct target_definition d;
    struct err err = ERR_INIT;
    struct labels_builder b;
    labels_builder_init(&b, &f->s.arena);
    labels_builder_set(&b, STR("__address__"), STR("h:1"));
    labels_builder_set(&b, str_from(name), str_from(value));
    assert_int_equal(target_define(&d, &f->s.arena, &f->config, labels_build(&b), &err),
                     TARGET_BAD);
    assert_string_equal(err.message, message);
}

static void bad_targets_are_explained(void **state)
{
    struct fixture *f = *state;
    assert_bad(f, "__address__", "", "the target has no address");
    assert_bad(f, "__address__", "http://h:1",
               "'http://h:1' is not an address; it is host:port, without scheme and path");
    assert_bad(f, "__address__", "u@h:1",
               "'u@h:1' is not an address; it is host:port, without scheme and path");
    assert_bad(f, "__address__", "h:", "'h:' has no port behind the colon");
    assert_bad(f, "__scheme__", "ftp", "'ftp' is not a scheme; http and https are");
    assert_bad(f, "__scrape_interval__", "1x", "__scrape_interval__ '1x' is not a duration over 0");
    assert_bad(f, "__scrape_timeout__", "2s",
               "__scrape_timeout__ is longer than __scrape_interval__");
}

static void a_full_store_is_told(void **state)
{
    struct fixture *f = *state;
    test_store_close(&f->s);
    f->s = (struct test_store){.folder = ""};
    test_store_open(&f->s, 7);
    scrape(f, 1000, "a 1\n");
    scrape(f, 2000, "a 2\nb 1\nc 1\n");
    assert_true(f->target.up);
    assert_string_equal(f->target.last_error, "samples refused by the store: 1 limit "
                                              "(limit: the store has no room for more series)");
    assert_holds(f, MINE, "a{" OWN "} 1000:1 2000:2\nb{" OWN "} 2000:1\n");
}

#define WITH_TARGET(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_TARGET(samples_get_the_target_labels_and_the_time),
        WITH_TARGET(reports_say_how_it_went),
        WITH_TARGET(a_series_that_vanishes_ends_with_a_marker),
        WITH_TARGET(series_that_left_come_again),
        WITH_TARGET(a_body_may_shrink_to_nothing),
        WITH_TARGET(a_failure_ends_all_once),
        WITH_TARGET(a_broken_body_counts_for_nothing),
        WITH_TARGET(explicit_times_are_kept_and_get_no_markers),
        WITH_TARGET(one_line_with_a_time_and_one_without),
        WITH_TARGET(times_may_be_dishonoured),
        WITH_TARGET(conflicting_labels_are_exported),
        WITH_TARGET(conflicting_labels_are_honoured_on_request),
        WITH_TARGET(limits_fail_the_whole_scrape),
        WITH_TARGET(answers_that_are_no_exposition_are_named),
        WITH_TARGET(counters_that_appear_later_count_from_zero),
        WITH_TARGET(gauges_foreign_and_timed_counters_do_not),
        WITH_TARGET(a_known_type_still_tells_a_new_counter),
        WITH_TARGET(lines_may_move_and_repeat),
        WITH_TARGET(refused_samples_are_told),
        WITH_TARGET(a_change_of_settings_leaves_no_gap_and_no_ghost),
        WITH_TARGET(an_end_ends_everything),
        WITH_TARGET(metadata_is_kept),
        WITH_TARGET(targets_are_defined_as_prometheus_does),
        WITH_TARGET(bad_targets_are_explained),
        WITH_TARGET(a_full_store_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
