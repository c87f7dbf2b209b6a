/* A session of ours against nghttp2's client, in memory: bytes go to and fro until both are still.
 */
#include "io/grpc_session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <nghttp2/nghttp2.h>
#include <stdlib.h>

#define PATH "/test.Echo/Say"

struct reply {
    char status[8], grpc_status[8], message[256], details[512];
    struct buf body;
    bool closed;
    uint32_t reset; /* the code of an RST_STREAM; UINT32_MAX = none came */
};

struct rig {
    struct grpc_session_options options;
    struct grpc_session *session;
    nghttp2_session *client;
    int64_t now_ms;
    size_t room, taken; /* bytes of messages */
    struct grpc_call calls[8];
    size_t n_calls;
    struct reply replies[16]; /* by stream */
    uint32_t goaway;          /* its code; UINT32_MAX = none came */
    struct buf upload;        /* what the client sends as the body */
    size_t uploaded, step;
    bool unfinished; /* the body does not end */
};

static const struct grpc_method methods[] = {{PATH, NULL}};

static bool take(void *room, size_t bytes)
{
    struct rig *r = room;
    if (r->taken + bytes > r->room)
        return false;
    r->taken += bytes;
    return true;
}

static void give(void *room, size_t bytes)
{
    struct rig *r = room;
    assert_true(r->taken >= bytes);
    r->taken -= bytes;
}

static void called(void *caller, const struct grpc_call *call)
{
    struct rig *r = caller;
    assert_true(r->n_calls < 8);
    r->calls[r->n_calls++] = *call;
}

/* --- The client --- */

static struct reply *reply_of(struct rig *r, int32_t id)
{
    assert_true(id > 0);
    return &r->replies[id / 2 % 16];
}

static int header_came(nghttp2_session *h2, const nghttp2_frame *frame, const uint8_t *name,
                       size_t n_name, const uint8_t *value, size_t n_value, uint8_t flags,
                       void *arg)
{
    struct reply *reply = reply_of(arg, frame->hd.stream_id);
    struct str key = str_make((const char *)name, n_name);
    char *out = str_is(key, ":status")                   ? reply->status
                : str_is(key, "grpc-status")             ? reply->grpc_status
                : str_is(key, "grpc-message")            ? reply->message
                : str_is(key, "grpc-status-details-bin") ? reply->details
                                                         : NULL;
    (void)h2;
    (void)flags;
    if (out) {
        memcpy(out, value, n_value);
        out[n_value] = '\0';
    }
    return 0;
}

static int data_came(nghttp2_session *h2, uint8_t flags, int32_t id, const uint8_t *bytes, size_t n,
                     void *arg)
{
    (void)h2;
    (void)flags;
    buf_add(&reply_of(arg, id)->body, bytes, n);
    return 0;
}

static int frame_came(nghttp2_session *h2, const nghttp2_frame *frame, void *arg)
{
    struct rig *r = arg;
    (void)h2;
    if (frame->hd.type == NGHTTP2_GOAWAY)
        r->goaway = frame->goaway.error_code;
    if (frame->hd.type == NGHTTP2_RST_STREAM)
        reply_of(r, frame->hd.stream_id)->reset = frame->rst_stream.error_code;
    return 0;
}

static int closed(nghttp2_session *h2, int32_t id, uint32_t code, void *arg)
{
    (void)h2;
    (void)code;
    reply_of(arg, id)->closed = true;
    return 0;
}

static ssize_t read_upload(nghttp2_session *h2, int32_t id, uint8_t *out, size_t size,
                           uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    struct rig *r = arg;
    size_t n = r->upload.n - r->uploaded;
    (void)h2;
    (void)id;
    (void)source;
    if (n == 0 && r->unfinished)
        return NGHTTP2_ERR_DEFERRED;
    n = n < r->step ? n : r->step;
    n = n < size ? n : size;
    if (n > 0)
        memcpy(out, r->upload.p + r->uploaded, n);
    r->uploaded += n;
    if (r->uploaded == r->upload.n && !r->unfinished)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)n;
}

static int set_up(void **state)
{
    struct rig *r = calloc(1, sizeof *r);
    nghttp2_session_callbacks *c;
    if (!r)
        return -1;
    r->room = 1 << 20;
    r->step = 1000000;
    r->now_ms = 1000;
    r->goaway = UINT32_MAX;
    for (size_t i = 0; i < 16; i++)
        r->replies[i].reset = UINT32_MAX;
    r->options = (struct grpc_session_options){.methods = methods,
                                               .n_methods = 1,
                                               .max_message_bytes = 1000,
                                               .room = r,
                                               .take = take,
                                               .give = give,
                                               .call = called};
    r->session = grpc_session_new(&r->options, r);
    assert_int_equal(nghttp2_session_callbacks_new(&c), 0);
    nghttp2_session_callbacks_set_on_header_callback(c, header_came);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, data_came);
    nghttp2_session_callbacks_set_on_frame_recv_callback(c, frame_came);
    nghttp2_session_callbacks_set_on_stream_close_callback(c, closed);
    assert_int_equal(nghttp2_session_client_new(&r->client, c, r), 0);
    nghttp2_session_callbacks_del(c);
    assert_int_equal(nghttp2_submit_settings(r->client, 0, NULL, 0), 0);
    *state = r;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *r = *state;
    for (size_t i = 0; i < r->n_calls; i++) {
        give(r, r->calls[i].message.n);
        buf_release(&r->calls[i].message);
    }
    grpc_session_free(r->session);
    assert_int_equal(r->taken, 0);
    nghttp2_session_del(r->client);
    for (size_t i = 0; i < 16; i++)
        buf_release(&r->replies[i].body);
    buf_release(&r->upload);
    free(r);
    return 0;
}

/* Until nobody has anything to say. False once our side wants to close. */
static bool pump(struct rig *r)
{
    bool open = true;
    for (bool moved = true; moved;) {
        const uint8_t *bytes;
        struct buf out = BUF_INIT;
        ssize_t n = nghttp2_session_mem_send(r->client, &bytes);
        assert_true(n >= 0);
        moved = n > 0;
        if (n > 0 &&
            !grpc_session_feed(r->session, str_make((const char *)bytes, (size_t)n), r->now_ms))
            open = false;
        open &= grpc_session_output(r->session, &out);
        moved |= out.n > 0;
        if (out.n > 0)
            (void)nghttp2_session_mem_recv(r->client, (const uint8_t *)out.p, out.n);
        buf_release(&out);
    }
    return open;
}

static nghttp2_nv field(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
                        strlen(value), NGHTTP2_NV_FLAG_NONE};
}

/* Headers with one of the usual ones said otherwise, or one more. */
static int32_t request(struct rig *r, const char *name, const char *value)
{
    nghttp2_nv fields[] = {field(":method", "POST"),
                           field(":scheme", "http"),
                           field(":authority", "localhost"),
                           field(":path", PATH),
                           field("content-type", "application/grpc"),
                           field("te", "trailers")};
    nghttp2_data_provider body = {.read_callback = read_upload};
    size_t n = 6;
    for (size_t i = 0; name && i < n; i++) {
        if (strcmp((const char *)fields[i].name, name) == 0)
            fields[i] = field(name, value), name = NULL;
    }
    if (name)
        fields[5] = field(name, value);
    r->uploaded = 0;
    int32_t id = nghttp2_submit_request(r->client, NULL, fields, n, &body, NULL);
    assert_true(id > 0);
    return id;
}

static void set_body(struct rig *r, struct str message)
{
    buf_clear(&r->upload);
    grpc_add_prefix(&r->upload, message.n);
    buf_add_str(&r->upload, message);
}

static void answer(struct rig *r, size_t call, struct grpc_response response, const char *message)
{
    buf_add_cstr(&response.message, message);
    grpc_session_answer(r->session, r->calls[call].stream_id, &response);
    buf_release(&response.message);
}

/* --- Tests --- */

static void a_message_is_called_and_answered(void **state)
{
    struct rig *r = *state;
    for (r->step = 1; r->step <= 7; r->step += 3) {
        size_t call = r->n_calls;
        set_body(r, STR("hello"));
        int32_t id = request(r, "grpc-timeout", "5S");
        assert_true(pump(r));
        assert_int_equal(r->n_calls, call + 1);
        assert_true(str_is(buf_str(&r->calls[call].message), "hello"));
        assert_ptr_equal(r->calls[call].method, &methods[0]);
        assert_int_equal(r->calls[call].deadline_ms, 6000);
        answer(r, call, (struct grpc_response){0}, "world");
        assert_true(pump(r));
        struct reply *reply = reply_of(r, id);
        assert_string_equal(reply->status, "200");
        assert_string_equal(reply->grpc_status, "0");
        assert_true(str_eq(buf_str(&reply->body), str_make("\0\0\0\0\5world", 10)));
        assert_true(reply->closed);
        assert_int_equal(grpc_session_streams(r->session), 0);
    }
}

static void refusals_say_why_and_when_to_try_again(void **state)
{
    struct rig *r = *state;
    set_body(r, STR("x"));
    int32_t id = request(r, NULL, NULL);
    assert_true(pump(r));
    answer(r, 0,
           (struct grpc_response){
               .status = GRPC_UNAVAILABLE, .why = "50% full", .retry_after_ms = 2000},
           "");
    assert_true(pump(r));
    struct reply *reply = reply_of(r, id);
    assert_string_equal(reply->grpc_status, "14");
    assert_string_equal(reply->message, "50%25 full");
    assert_true(strlen(reply->details) > 40);
    assert_true(reply->closed);
}

struct wrong {
    const char *name, *value;
    const char *status, *grpc_status;
};

static void wrong_requests_are_answered(void **state)
{
    static const struct wrong cases[] = {
        {":method", "GET", "405", ""},
        {"content-type", "application/json", "415", ""},
        {"content-type", "application/grpc+json", "415", ""},
        {":path", "/test.Echo/Shout", "200", "12"},
        {"grpc-encoding", "br", "200", "12"},
    };
    struct rig *r = *state;
    set_body(r, STR("x"));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int32_t id = request(r, cases[i].name, cases[i].value);
        assert_true(pump(r));
        assert_string_equal(reply_of(r, id)->status, cases[i].status);
        assert_string_equal(reply_of(r, id)->grpc_status, cases[i].grpc_status);
        assert_true(reply_of(r, id)->closed);
    }
    assert_int_equal(r->n_calls, 0);
}

static void huge_headers_are_refused(void **state)
{
    struct rig *r = *state;
    char *big = malloc(20001);
    assert_non_null(big);
    memset(big, 'x', 20000);
    big[20000] = '\0';
    set_body(r, STR("x"));
    int32_t id = request(r, "x-big", big);
    free(big);
    assert_true(pump(r));
    assert_string_equal(reply_of(r, id)->status, "431");
}

/* The answer comes at once, and the client is told to stop sending. */
static void a_message_over_the_limit_is_stopped(void **state)
{
    struct rig *r = *state;
    char big[1001];
    memset(big, 'x', sizeof big);
    set_body(r, str_make(big, sizeof big));
    r->upload.n = 100;
    r->unfinished = true;
    int32_t id = request(r, NULL, NULL);
    assert_true(pump(r));
    assert_string_equal(reply_of(r, id)->grpc_status, "8");
    assert_int_equal(reply_of(r, id)->reset, NGHTTP2_NO_ERROR);
    assert_int_equal(grpc_session_streams(r->session), 0);
}

static void no_room_is_unavailable(void **state)
{
    struct rig *r = *state;
    r->room = 4;
    set_body(r, STR("12345"));
    int32_t id = request(r, NULL, NULL);
    assert_true(pump(r));
    assert_string_equal(reply_of(r, id)->grpc_status, "14");
    assert_true(strlen(reply_of(r, id)->details) > 40);
    assert_int_equal(r->taken, 0);
}

static void bodies_that_are_no_message(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
        const char *grpc_status;
    } cases[] = {{"", 0, "12"},
                 {"\0\0\0", 3, "3"},
                 {"\0\0\0\0\5abc", 8, "3"},
                 {"\1\0\0\0\1a", 6, "13"},
                 {"\0\0\0\0\1ab", 7, "12"}};
    struct rig *r = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        buf_clear(&r->upload);
        buf_add(&r->upload, cases[i].bytes, cases[i].n);
        int32_t id = request(r, NULL, NULL);
        assert_true(pump(r));
        assert_string_equal(reply_of(r, id)->grpc_status, cases[i].grpc_status);
    }
    assert_int_equal(r->n_calls, 0);
}

static void an_answer_for_a_stream_that_is_gone_is_nothing(void **state)
{
    struct rig *r = *state;
    set_body(r, STR("x"));
    int32_t id = request(r, NULL, NULL);
    assert_true(pump(r));
    assert_int_equal(nghttp2_submit_rst_stream(r->client, 0, id, NGHTTP2_CANCEL), 0);
    assert_true(pump(r));
    assert_int_equal(grpc_session_streams(r->session), 0);
    answer(r, 0, (struct grpc_response){0}, "late");
    assert_true(pump(r));
}

static void slow_requests_expire(void **state)
{
    struct rig *r = *state;
    set_body(r, STR("hello"));
    r->upload.n = 7;
    r->unfinished = true;
    int32_t id = request(r, NULL, NULL);
    assert_true(pump(r));
    r->now_ms += GRPC_REQUEST_MS;
    grpc_session_expire(r->session, r->now_ms);
    assert_true(pump(r));
    assert_int_equal(grpc_session_streams(r->session), 1);
    grpc_session_expire(r->session, r->now_ms + 1);
    assert_true(pump(r));
    assert_string_equal(reply_of(r, id)->grpc_status, "4");
    assert_int_equal(grpc_session_streams(r->session), 0);
}

/* CVE-2023-44487. */
static void rapid_resets_end_the_connection(void **state)
{
    struct rig *r = *state;
    nghttp2_nv fields[] = {field(":method", "POST"), field(":scheme", "http"),
                           field(":authority", "localhost"), field(":path", PATH),
                           field("content-type", "application/grpc")};
    bool open = true;
    int32_t n = 0;
    for (; open && n < 1000; n++) {
        int32_t id = nghttp2_submit_headers(r->client, 0, -1, NULL, fields, 5, NULL);
        const uint8_t *bytes;
        for (ssize_t got; (got = nghttp2_session_mem_send(r->client, &bytes)) > 0;)
            open &= grpc_session_feed(r->session, str_make((const char *)bytes, (size_t)got), 1);
        assert_int_equal(nghttp2_submit_rst_stream(r->client, 0, id, NGHTTP2_CANCEL), 0);
        for (ssize_t got; (got = nghttp2_session_mem_send(r->client, &bytes)) > 0;)
            open &= grpc_session_feed(r->session, str_make((const char *)bytes, (size_t)got), 1);
        struct buf out = BUF_INIT;
        open &= grpc_session_output(r->session, &out);
        buf_release(&out);
    }
    assert_in_range(n, 150, 300);
}

static void floods_of_pings_end_the_connection(void **state)
{
    struct rig *r = *state;
    int n = 0;
    for (; n < 3000 && r->goaway == UINT32_MAX; n++) {
        assert_int_equal(nghttp2_submit_ping(r->client, 0, NULL), 0);
        (void)pump(r);
    }
    assert_int_equal(r->goaway, NGHTTP2_ENHANCE_YOUR_CALM);
    assert_in_range(n, 500, 1500);
}

/* CVE-2024-28182: HEADERS, and then CONTINUATION after CONTINUATION. */
static void header_blocks_without_end_end_the_connection(void **state)
{
    static const char start[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
                                "\0\0\1\1\0\0\0\0\1\x83";
    static const char more[] = "\0\0\1\x9\0\0\0\0\1\x84";
    struct rig *r = *state;
    bool open = grpc_session_feed(r->session, str_make(start, sizeof start - 1), 1);
    int n = 0;
    for (; open && n < 100; n++) {
        struct buf out = BUF_INIT;
        open = grpc_session_feed(r->session, str_make(more, sizeof more - 1), 1) &&
               grpc_session_output(r->session, &out);
        buf_release(&out);
    }
    assert_in_range(n, 1, 10);
}

static void goaway_lets_calls_finish(void **state)
{
    struct rig *r = *state;
    set_body(r, STR("x"));
    int32_t id = request(r, NULL, NULL);
    assert_true(pump(r));
    grpc_session_goaway(r->session);
    assert_true(pump(r));
    assert_int_equal(r->goaway, NGHTTP2_NO_ERROR);
    answer(r, 0, (struct grpc_response){0}, "done");
    (void)pump(r);
    assert_string_equal(reply_of(r, id)->grpc_status, "0");
}

static void other_protocols_are_closed(void **state)
{
    struct rig *r = *state;
    assert_false(grpc_session_feed(r->session, STR("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), 1));
    assert_false(grpc_session_has_begun(r->session));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(a_message_is_called_and_answered),
                                       TEST(refusals_say_why_and_when_to_try_again),
                                       TEST(wrong_requests_are_answered),
                                       TEST(huge_headers_are_refused),
                                       TEST(a_message_over_the_limit_is_stopped),
                                       TEST(no_room_is_unavailable),
                                       TEST(bodies_that_are_no_message),
                                       TEST(an_answer_for_a_stream_that_is_gone_is_nothing),
                                       TEST(slow_requests_expire),
                                       TEST(rapid_resets_end_the_connection),
                                       TEST(floods_of_pings_end_the_connection),
                                       TEST(header_blocks_without_end_end_the_connection),
                                       TEST(goaway_lets_calls_finish),
                                       TEST(other_protocols_are_closed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
