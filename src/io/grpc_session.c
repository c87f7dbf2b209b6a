#include "io/grpc_session.h"

#include "base/mem.h"
#include "codec/digest.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>

#define WINDOW_BYTES (1 << 20) /* what a client may send ahead, on a stream and in all */
#define RESETS_BURST 200       /* CVE-2023-44487: streams opened only to be reset */
#define RESETS_PER_S 20
#define CONTINUATIONS 4 /* CVE-2024-28182: header blocks without end */
#define IDLE_FRAMES 1000
#define IDLE_FRAMES_PER_S 50 /* CVE-2019-9512 to 9518: frames that move nothing on */
#define RETRY_MS 1000

enum stage { HEADERS, READING, CALLING, ANSWERED };

struct stream {
    struct stream *next, *previous;
    struct grpc_session *session;
    int32_t id;
    enum stage stage;
    bool whole_request; /* the client has sent all of it */
    int64_t since_ms;   /* of its first frame, then of its answer */
    int64_t timeout_ms; /* -1 = none */

    size_t header_bytes;
    bool is_post, is_grpc, is_gzip, bad_encoding;
    const struct grpc_method *method;

    struct grpc_reader reader; /* its body's bytes are taken */
    struct buf answer;         /* of status OK, with its prefix */
    size_t answer_sent;
};

struct grpc_session {
    const struct grpc_session_options *o;
    void *caller;
    nghttp2_session *h2;
    struct stream *streams;
    size_t n_streams;
    int64_t now_ms;
    int64_t idle_frames_at_ms; /* when the allowance was counted last */
    double idle_frames_left;
    bool begun;
};

/* --- Answers --- */

static nghttp2_nv field(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
                        strlen(value), NGHTTP2_NV_FLAG_NONE};
}

static void drop_message(struct stream *st)
{
    if (st->reader.body.n > 0)
        st->session->o->give(st->session->o->room, st->reader.body.n);
    buf_release(&st->reader.body);
}

static void set_answered(struct stream *st)
{
    drop_message(st);
    st->stage = ANSWERED;
    st->since_ms = st->session->now_ms;
}

/* Failing to queue an answer only happens on a stream that is going away. */
static void send_http_status(struct stream *st, const char *status)
{
    const nghttp2_nv fields[] = {field(":status", status)};
    set_answered(st);
    (void)nghttp2_submit_response(st->session->h2, st->id, fields, 1, NULL);
}

static void add_details(struct buf *out, enum grpc_status status, const char *why, int64_t retry_ms)
{
    struct buf details = BUF_INIT;
    rpc_status_add(&details, (int)status, why, retry_ms);
    base64_add(out, details.p, details.n);
    buf_release(&details);
}

/* "Trailers-Only": a status without a message. */
static void refuse(struct stream *st, enum grpc_status status, const char *why, int64_t retry_ms)
{
    struct buf message = BUF_INIT, details = BUF_INIT;
    char number[12];
    (void)snprintf(number, sizeof number, "%d", (int)status);
    grpc_add_percent(&message, why);
    add_details(&details, status, why, retry_ms);
    const nghttp2_nv fields[] = {field(":status", "200"),
                                 field("content-type", "application/grpc"),
                                 field("grpc-accept-encoding", "identity,gzip"),
                                 field("grpc-status", number),
                                 field("grpc-message", message.n ? message.p : ""),
                                 field("grpc-status-details-bin", details.p)};
    set_answered(st);
    (void)nghttp2_submit_response(st->session->h2, st->id, fields, sizeof fields / sizeof *fields,
                                  NULL);
    buf_release(&message);
    buf_release(&details);
}

/* The answer's bytes, and behind them the trailers. */
static ssize_t read_answer(nghttp2_session *h2, int32_t id, uint8_t *out, size_t size,
                           uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    struct stream *st = source->ptr;
    size_t left = st->answer.n - st->answer_sent;
    size_t n = left < size ? left : size;
    (void)arg;
    if (n > 0)
        memcpy(out, st->answer.p + st->answer_sent, n);
    st->answer_sent += n;
    if (n < left)
        return (ssize_t)n;
    const nghttp2_nv trailers[] = {field("grpc-status", "0")};
    *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
    if (nghttp2_submit_trailer(h2, id, trailers, 1) != 0)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    return (ssize_t)n;
}

static void send_message(struct stream *st, struct str message)
{
    const nghttp2_nv fields[] = {field(":status", "200"), field("content-type", "application/grpc"),
                                 field("grpc-accept-encoding", "identity,gzip")};
    nghttp2_data_provider body = {.source.ptr = st, .read_callback = read_answer};
    set_answered(st);
    grpc_add_prefix(&st->answer, message.n);
    buf_add_str(&st->answer, message);
    (void)nghttp2_submit_response(st->session->h2, st->id, fields, 3, &body);
}

void grpc_session_answer(struct grpc_session *s, int32_t stream_id,
                         const struct grpc_response *response)
{
    struct stream *st = nghttp2_session_get_stream_user_data(s->h2, stream_id);
    if (!st || st->stage != CALLING)
        return;
    if (response->status == GRPC_OK)
        send_message(st, buf_str(&response->message));
    else
        refuse(st, response->status, response->why ? response->why : "", response->retry_after_ms);
}

/* --- Streams --- */

static int begin_headers(nghttp2_session *h2, const nghttp2_frame *frame, void *arg)
{
    struct grpc_session *s = arg;
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    struct stream *st = mem_zalloc(sizeof *st);
    st->session = s;
    st->id = frame->hd.stream_id;
    st->since_ms = s->now_ms;
    st->timeout_ms = -1;
    st->reader.max_bytes = s->o->max_message_bytes;
    st->next = s->streams;
    if (st->next)
        st->next->previous = st;
    s->streams = st;
    s->n_streams++;
    return nghttp2_session_set_stream_user_data(h2, st->id, st);
}

static void end_stream(struct stream *st)
{
    struct grpc_session *s = st->session;
    if (st->previous)
        st->previous->next = st->next;
    else
        s->streams = st->next;
    if (st->next)
        st->next->previous = st->previous;
    s->n_streams--;
    drop_message(st);
    buf_release(&st->answer);
    free(st);
}

static int stream_closed(nghttp2_session *h2, int32_t id, uint32_t code, void *arg)
{
    struct stream *st = nghttp2_session_get_stream_user_data(h2, id);
    (void)code;
    (void)arg;
    if (st)
        end_stream(st);
    return 0;
}

static const struct grpc_method *find_method(const struct grpc_session *s, struct str path)
{
    for (size_t i = 0; i < s->o->n_methods; i++) {
        if (str_is(path, s->o->methods[i].path))
            return &s->o->methods[i];
    }
    return NULL;
}

static bool is_grpc_type(struct str type)
{
    struct str rest = type, own;
    (void)str_cut(&rest, ';', &own);
    own = str_trim(own);
    return str_is(own, "application/grpc") || str_is(own, "application/grpc+proto");
}

static void read_field(struct stream *st, struct str name, struct str value)
{
    if (str_is(name, ":method")) {
        st->is_post = str_is(value, "POST");
    } else if (str_is(name, ":path")) {
        st->method = find_method(st->session, value);
    } else if (str_is(name, "content-type")) {
        st->is_grpc = is_grpc_type(value);
    } else if (str_is(name, "grpc-encoding")) {
        st->is_gzip = str_is(value, "gzip");
        st->bad_encoding = !st->is_gzip && !str_is(value, "identity");
    } else if (str_is(name, "grpc-timeout")) {
        st->timeout_ms = grpc_timeout_parse(value);
    }
}

static int header_came(nghttp2_session *h2, const nghttp2_frame *frame, const uint8_t *name,
                       size_t n_name, const uint8_t *value, size_t n_value, uint8_t flags,
                       void *arg)
{
    struct stream *st = nghttp2_session_get_stream_user_data(h2, frame->hd.stream_id);
    (void)flags;
    (void)arg;
    if (!st || st->stage != HEADERS)
        return 0;
    st->header_bytes += n_name + n_value + 32; /* as SETTINGS_MAX_HEADER_LIST_SIZE counts */
    if (st->header_bytes <= GRPC_HEADER_BYTES)
        read_field(st, str_make((const char *)name, n_name),
                   str_make((const char *)value, n_value));
    return 0;
}

/* What HTTP says against it, and then what gRPC does. */
static void headers_done(struct stream *st)
{
    if (st->header_bytes > GRPC_HEADER_BYTES)
        send_http_status(st, "431");
    else if (!st->is_post)
        send_http_status(st, "405");
    else if (!st->is_grpc)
        send_http_status(st, "415");
    else if (!st->method)
        refuse(st, GRPC_UNIMPLEMENTED, "there is no such method; OTLP's three Export are", 0);
    else if (st->bad_encoding)
        refuse(st, GRPC_UNIMPLEMENTED, "grpc-encoding must be identity or gzip", 0);
    else
        st->stage = READING;
}

static void request_done(struct stream *st)
{
    struct grpc_session *s = st->session;
    st->whole_request = true;
    if (st->stage != READING)
        return;
    if (!grpc_reader_is_whole(&st->reader)) {
        refuse(st, st->reader.n_prefix == 0 ? GRPC_UNIMPLEMENTED : GRPC_INVALID_ARGUMENT,
               st->reader.n_prefix == 0 ? "the request has no message"
                                        : "the request ends inside its message",
               0);
        return;
    }
    struct grpc_call call = {.stream_id = st->id,
                             .method = st->method,
                             .message = st->reader.body,
                             .compressed = grpc_reader_is_compressed(&st->reader),
                             .deadline_ms =
                                 st->timeout_ms < 0 ? INT64_MAX : st->since_ms + st->timeout_ms};
    if (call.compressed && !st->is_gzip) {
        refuse(st, GRPC_INTERNAL, "the message is compressed but grpc-encoding does not say how",
               0);
        return;
    }
    buf_init(&st->reader.body);
    st->stage = CALLING;
    s->o->call(s->caller, &call);
}

static int data_came(nghttp2_session *h2, uint8_t flags, int32_t id, const uint8_t *bytes, size_t n,
                     void *arg)
{
    struct grpc_session *s = arg;
    struct stream *st = nghttp2_session_get_stream_user_data(h2, id);
    enum grpc_status status = GRPC_INTERNAL;
    struct err err = ERR_INIT;
    (void)flags;
    if (!st || st->stage != READING)
        return 0;
    size_t before = st->reader.body.n;
    bool fine = grpc_reader_feed(&st->reader, str_make((const char *)bytes, n), &status, &err);
    size_t more = st->reader.body.n - before;
    if (more > 0 && !s->o->take(s->o->room, more)) {
        st->reader.body.n = before; /* what is given back is what was taken */
        refuse(st, GRPC_UNAVAILABLE, "too much telemetry is under way at once", RETRY_MS);
    } else if (!fine) {
        refuse(st, status, err.message, 0);
    }
    return 0;
}

/* --- Frames --- */

/* Frames that neither carry a request on nor end one are allowed at a rate. */
static int frame_begins(nghttp2_session *h2, const nghttp2_frame_hd *hd, void *arg)
{
    struct grpc_session *s = arg;
    bool moves = hd->type == NGHTTP2_HEADERS || hd->type == NGHTTP2_CONTINUATION ||
                 hd->type == NGHTTP2_RST_STREAM || hd->type == NGHTTP2_GOAWAY ||
                 (hd->type == NGHTTP2_DATA &&
                  (hd->length > 0 || (hd->flags & NGHTTP2_FLAG_END_STREAM) != 0));
    if (moves)
        return 0;
    double earned = (double)(s->now_ms - s->idle_frames_at_ms) * IDLE_FRAMES_PER_S / 1000;
    s->idle_frames_at_ms = s->now_ms;
    s->idle_frames_left += earned;
    if (s->idle_frames_left > IDLE_FRAMES)
        s->idle_frames_left = IDLE_FRAMES;
    if ((s->idle_frames_left -= 1) < 0)
        return nghttp2_session_terminate_session(h2, NGHTTP2_ENHANCE_YOUR_CALM);
    return 0;
}

static int frame_came(nghttp2_session *h2, const nghttp2_frame *frame, void *arg)
{
    struct grpc_session *s = arg;
    if (frame->hd.type == NGHTTP2_SETTINGS)
        s->begun = true;
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
        return 0;
    struct stream *st = nghttp2_session_get_stream_user_data(h2, frame->hd.stream_id);
    if (!st)
        return 0;
    if (st->stage == HEADERS)
        headers_done(st);
    if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
        request_done(st);
    return 0;
}

static int frame_went(nghttp2_session *h2, const nghttp2_frame *frame, void *arg)
{
    struct stream *st = nghttp2_session_get_stream_user_data(h2, frame->hd.stream_id);
    bool ends = frame->hd.type == NGHTTP2_HEADERS && frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    (void)arg;
    if (st && ends && !st->whole_request)
        return nghttp2_submit_rst_stream(h2, NGHTTP2_FLAG_NONE, st->id, NGHTTP2_NO_ERROR);
    return 0;
}

/* --- The connection --- */

static nghttp2_session *new_h2(struct grpc_session *s)
{
    nghttp2_session_callbacks *c;
    nghttp2_option *o;
    nghttp2_session *h2;
    CHECK(nghttp2_session_callbacks_new(&c) == 0 && nghttp2_option_new(&o) == 0);
    nghttp2_session_callbacks_set_on_begin_headers_callback(c, begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(c, header_came);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, data_came);
    nghttp2_session_callbacks_set_on_stream_close_callback(c, stream_closed);
    nghttp2_session_callbacks_set_on_begin_frame_callback(c, frame_begins);
    nghttp2_session_callbacks_set_on_frame_recv_callback(c, frame_came);
    nghttp2_session_callbacks_set_on_frame_send_callback(c, frame_went);
    nghttp2_option_set_stream_reset_rate_limit(o, RESETS_BURST, RESETS_PER_S);
    nghttp2_option_set_max_continuations(o, CONTINUATIONS);
    nghttp2_option_set_max_outbound_ack(o, 100);
    nghttp2_option_set_no_closed_streams(o, 1);
    CHECK(nghttp2_session_server_new2(&h2, c, s, o) == 0);
    nghttp2_session_callbacks_del(c);
    nghttp2_option_del(o);
    return h2;
}

struct grpc_session *grpc_session_new(const struct grpc_session_options *o, void *caller)
{
    struct grpc_session *s = mem_zalloc(sizeof *s);
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, GRPC_MAX_CALLS},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW_BYTES},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, GRPC_HEADER_BYTES}};
    s->o = o;
    s->caller = caller;
    s->idle_frames_left = IDLE_FRAMES;
    s->h2 = new_h2(s);
    CHECK(nghttp2_submit_settings(s->h2, NGHTTP2_FLAG_NONE, settings, 3) == 0);
    CHECK(nghttp2_session_set_local_window_size(s->h2, NGHTTP2_FLAG_NONE, 0, WINDOW_BYTES) == 0);
    return s;
}

void grpc_session_free(struct grpc_session *s)
{
    if (!s)
        return;
    while (s->streams)
        end_stream(s->streams);
    nghttp2_session_del(s->h2);
    free(s);
}

bool grpc_session_feed(struct grpc_session *s, struct str bytes, int64_t now_ms)
{
    s->now_ms = now_ms;
    if (s->idle_frames_at_ms == 0)
        s->idle_frames_at_ms = now_ms;
    ssize_t n = nghttp2_session_mem_recv(s->h2, (const uint8_t *)bytes.p, bytes.n);
    return n == (ssize_t)bytes.n;
}

bool grpc_session_output(struct grpc_session *s, struct buf *out)
{
    const uint8_t *bytes;
    ssize_t n;
    while ((n = nghttp2_session_mem_send(s->h2, &bytes)) > 0)
        buf_add(out, bytes, (size_t)n);
    return n == 0 && (nghttp2_session_want_read(s->h2) || nghttp2_session_want_write(s->h2));
}

void grpc_session_expire(struct grpc_session *s, int64_t now_ms)
{
    struct stream *next;
    s->now_ms = now_ms;
    for (struct stream *st = s->streams; st; st = next) {
        next = st->next;
        if (now_ms - st->since_ms <= GRPC_REQUEST_MS)
            continue;
        if (st->stage == READING)
            refuse(st, GRPC_DEADLINE_EXCEEDED, "the request took over 60 s to arrive", 0);
        else if (st->stage != CALLING)
            (void)nghttp2_submit_rst_stream(s->h2, NGHTTP2_FLAG_NONE, st->id, NGHTTP2_CANCEL);
    }
}

void grpc_session_goaway(struct grpc_session *s)
{
    (void)nghttp2_submit_goaway(s->h2, NGHTTP2_FLAG_NONE,
                                nghttp2_session_get_last_proc_stream_id(s->h2), NGHTTP2_NO_ERROR,
                                NULL, 0);
}

size_t grpc_session_streams(const struct grpc_session *s)
{
    return s->n_streams;
}

bool grpc_session_has_begun(const struct grpc_session *s)
{
    return s->begun;
}
