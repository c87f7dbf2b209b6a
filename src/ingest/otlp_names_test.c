#include "ingest/otlp_names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void metric_names(void **state)
{
    static const struct {
        const char *name, *unit;
        enum otlp_suffix suffix;
        const char *expected; /* NULL = there is no name */
    } cases[] = {
        {"http.server.request.duration", "s", OTLP_SUFFIX_NONE,
         "http_server_request_duration_seconds"},
        {"system.disk.io", "By", OTLP_SUFFIX_TOTAL, "system_disk_io_bytes_total"},
        {"requests", "{request}", OTLP_SUFFIX_TOTAL, "requests_total"},
        {"requests.total", "", OTLP_SUFFIX_TOTAL, "requests_total"},
        {"total.requests", "", OTLP_SUFFIX_TOTAL, "requests_total"},
        {"cpu.utilization", "1", OTLP_SUFFIX_RATIO, "cpu_utilization_ratio"},
        {"cache.ratio", "1", OTLP_SUFFIX_RATIO, "cache_ratio"},
        {"things", "1", OTLP_SUFFIX_TOTAL, "things_total"},
        {"temperature", "Cel", OTLP_SUFFIX_RATIO, "temperature_celsius"},
        {"latency_seconds", "s", OTLP_SUFFIX_NONE, "latency_seconds"},
        {"seconds.left", "s", OTLP_SUFFIX_NONE, "seconds_left"},
        {"speed", "m/s", OTLP_SUFFIX_NONE, "speed_meters_per_second"},
        {"packets", "{packet}/s", OTLP_SUFFIX_NONE, "packets_per_second"},
        {"packets_per_second", "1/s", OTLP_SUFFIX_NONE, "packets_per_second"},
        {"size", "By{payload}", OTLP_SUFFIX_NONE, "size_bytes"},
        {"size", "TiBy", OTLP_SUFFIX_NONE, "size_tebibytes"},
        {"odd", "foo bar", OTLP_SUFFIX_NONE, "odd_foo_bar"},
        {"a..b--c__d", "", OTLP_SUFFIX_NONE, "a_b_c_d"},
        {"_a_", "", OTLP_SUFFIX_NONE, "a"},
        {"job:requests", "", OTLP_SUFFIX_NONE, "job:requests"},
        {"2xx", "", OTLP_SUFFIX_TOTAL, "_2xx_total"},
        {"gr\xc3\xb6\xc3\x9f"
         "e",
         "", OTLP_SUFFIX_NONE, "gr_e"},
        {"total", "", OTLP_SUFFIX_TOTAL, "total"},
        {"", "s", OTLP_SUFFIX_TOTAL, NULL},
        {"...", "s", OTLP_SUFFIX_NONE, NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf out = BUF_INIT;
        bool named = otlp_metric_name(&out, str_from(cases[i].name), str_from(cases[i].unit),
                                      cases[i].suffix);
        assert_int_equal(named, cases[i].expected != NULL);
        if (named)
            assert_string_equal(out.p, cases[i].expected);
        buf_release(&out);
    }
}

static void label_names(void **state)
{
    static const char *const cases[][2] = {
        {"http.status_code", "http_status_code"},
        {"a-b", "a_b"},
        {"a..b", "a_b"},
        {"a__b", "a_b"},
        {"a.", "a_"},
        {"1st", "key_1st"},
        {"_private", "key_private"},
        {"__name__", "key_name_"},
        {"", "key_"},
        {"\xc3\xa4", "key_"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf out = BUF_INIT;
        otlp_label_name(&out, str_from(cases[i][0]));
        assert_string_equal(out.p, cases[i][1]);
        buf_release(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metric_names),
        cmocka_unit_test(label_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
