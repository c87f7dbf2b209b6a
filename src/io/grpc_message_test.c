#include "io/grpc_message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define BYTES(literal) str_make(literal, sizeof(literal) - 1)

static bool feed(struct grpc_reader *r, struct str bytes, size_t step, enum grpc_status *status)
{
    struct err err = ERR_INIT;
    for (size_t i = 0; i < bytes.n; i += step) {
        size_t n = bytes.n - i < step ? bytes.n - i : step;
        if (!grpc_reader_feed(r, str_make(bytes.p + i, n), status, &err)) {
            assert_true(err.message[0] != '\0');
            return false;
        }
    }
    return true;
}

static void messages_come_in_any_pieces(void **state)
{
    enum grpc_status status;
    (void)state;
    for (size_t step = 1; step <= 9; step++) {
        struct grpc_reader r = {.max_bytes = 10};
        assert_false(grpc_reader_is_whole(&r));
        assert_true(feed(&r, BYTES("\1\0\0\0\4abc"), step, &status));
        assert_false(grpc_reader_is_whole(&r));
        assert_true(feed(&r, BYTES("d"), 1, &status));
        assert_true(grpc_reader_is_whole(&r) && grpc_reader_is_compressed(&r));
        assert_true(str_is(buf_str(&r.body), "abcd"));
        buf_release(&r.body);
    }
}

static void an_empty_message_is_one(void **state)
{
    struct grpc_reader r = {.max_bytes = 10};
    enum grpc_status status;
    (void)state;
    assert_true(feed(&r, BYTES("\0\0\0\0\0"), 5, &status));
    assert_true(grpc_reader_is_whole(&r) && !grpc_reader_is_compressed(&r));
    buf_release(&r.body);
}

static void what_is_refused(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
        enum grpc_status status;
    } cases[] = {{"\0\0\0\0\13", 5, GRPC_RESOURCE_EXHAUSTED},
                 {"\0\377\377\377\377", 5, GRPC_RESOURCE_EXHAUSTED},
                 {"\2\0\0\0\1", 5, GRPC_INTERNAL},
                 {"\0\0\0\0\1ab", 7, GRPC_UNIMPLEMENTED},
                 {"\0\0\0\0\0\0", 6, GRPC_UNIMPLEMENTED}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct grpc_reader r = {.max_bytes = 10};
        enum grpc_status status = GRPC_OK;
        assert_false(feed(&r, str_make(cases[i].bytes, cases[i].n), 3, &status));
        assert_int_equal(status, cases[i].status);
        buf_release(&r.body);
    }
}

static void texts_are_percent_encoded(void **state)
{
    struct buf out = BUF_INIT;
    (void)state;
    grpc_add_percent(&out, "100% \xc3\xa4\n~");
    assert_string_equal(out.p, "100%25 %C3%A4%0A~");
    buf_release(&out);
}

/* As protoc --encode=google.rpc.Status makes it. */
static void a_status_with_retry_info(void **state)
{
    struct buf out = BUF_INIT;
    (void)state;
    rpc_status_add(&out, 14, "no", 1500);
    assert_true(
        str_eq(buf_str(&out),
               BYTES("\x08\x0e\x12\x02no\x1a\x36\x0a\x28type.googleapis.com/"
                     "google.rpc.RetryInfo\x12\x0a\x0a\x08\x08\x01\x10\x80\xca\xb5\xee\x01")));
    buf_release(&out);
}

static void timeouts(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {
        {"5S", 5000},    {"100m", 100},      {"1u", 1},  {"99999999H", INT64_C(359999996400000)},
        {"2000001n", 3}, {"", -1},           {"S", -1},  {"5", -1},
        {"5s", -1},      {"123456789S", -1}, {"-1S", -1}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(grpc_timeout_parse(str_from(cases[i].text)), cases[i].ms);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(messages_come_in_any_pieces),
                                       cmocka_unit_test(an_empty_message_is_one),
                                       cmocka_unit_test(what_is_refused),
                                       cmocka_unit_test(texts_are_percent_encoded),
                                       cmocka_unit_test(a_status_with_retry_info),
                                       cmocka_unit_test(timeouts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
