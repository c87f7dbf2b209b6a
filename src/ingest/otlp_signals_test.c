/* Traces and logs, which are counted and not stored; metrics by the same door. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ingest/otlp_rig_testing.h"

#define BYTES(literal) str_make(literal, sizeof(literal) - 1)

static bool send_signal(struct rig *r, enum otlp_signal signal, enum otlp_encoding encoding,
                        struct str body)
{
    r->err = (struct err)ERR_INIT;
    return otlp_take(r->otlp, signal, encoding, body, 1000000, &r->result, &r->err);
}

static void assert_counted(struct rig *r, uint64_t rejected, const char *message)
{
    assert_int_equal(r->result.accepted, 0);
    assert_int_equal(r->result.rejected, rejected);
    assert_string_equal(r->result.message, message);
}

/* Two resources; three records, one with fields of its own, in two scopes of the first. */
static const char three[] = "\x0a\x0c\x12\x06\x12\x00\x12\x02\x08\x01\x12\x02\x12\x00\x0a\x00";

static void records_are_counted(void **state)
{
    struct rig r = {.err = ERR_INIT};
    uint64_t accepted, rejected;
    (void)state;
    rig_open(&r, NULL);
    assert_true(send_signal(&r, OTLP_TRACES, OTLP_PROTOBUF, BYTES(three)));
    assert_counted(&r, 3, "spans are not stored yet: 3 were read, counted and dropped");
    assert_true(send_signal(&r, OTLP_LOGS, OTLP_PROTOBUF, BYTES(three)));
    assert_counted(&r, 3, "log records are not stored yet: 3 were read, counted and dropped");
    assert_true(
        send_signal(&r, OTLP_TRACES, OTLP_JSON,
                    STR("{\"resourceSpans\":[{},{\"scopeSpans\":[{\"spans\":[{},{}]}]}]}")));
    assert_counted(&r, 2, "spans are not stored yet: 2 were read, counted and dropped");
    otlp_counts(r.otlp, OTLP_TRACES, &accepted, &rejected);
    assert_int_equal(accepted, 0);
    assert_int_equal(rejected, 5);
    rig_close(&r);
}

static void nothing_is_nothing(void **state)
{
    struct rig r = {.err = ERR_INIT};
    (void)state;
    rig_open(&r, NULL);
    for (enum otlp_signal signal = OTLP_METRICS; signal <= OTLP_LOGS; signal++) {
        assert_true(send_signal(&r, signal, OTLP_PROTOBUF, STR("")));
        assert_counted(&r, 0, "");
        assert_true(send_signal(&r, signal, OTLP_JSON, STR("{}")));
        assert_counted(&r, 0, "");
    }
    rig_close(&r);
}

static void what_is_broken_is_told(void **state)
{
    struct rig r = {.err = ERR_INIT};
    (void)state;
    rig_open(&r, NULL);
    assert_false(send_signal(&r, OTLP_TRACES, OTLP_PROTOBUF, BYTES("\x0a\x04\x12\x02\x12\x05")));
    assert_string_equal(r.err.message,
                        "protobuf ExportTraceServiceRequest, byte 6 of 6: malformed field");
    assert_false(send_signal(&r, OTLP_LOGS, OTLP_PROTOBUF, BYTES("\x08\x01\x0a")));
    assert_int_equal(r.err.code, ERR_BAD_INPUT);
    assert_false(send_signal(&r, OTLP_LOGS, OTLP_PROTOBUF, BYTES("\x08\x01")));
    assert_false(send_signal(&r, OTLP_LOGS, OTLP_JSON, STR("{\"resourceLogs\":{}}")));
    assert_string_equal(r.err.message, "JSON: resourceLogs is not an array");
    assert_false(send_signal(&r, OTLP_LOGS, OTLP_JSON, STR("[]")));
    assert_string_equal(r.err.message, "JSON body is not an object");
    assert_false(send_signal(&r, OTLP_LOGS, OTLP_JSON, STR("{")));
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {IN_FOLDER(records_are_counted),
                                       IN_FOLDER(nothing_is_nothing),
                                       IN_FOLDER(what_is_broken_is_told)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
