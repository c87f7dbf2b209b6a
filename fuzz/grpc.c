/* A client of the gRPC server: the first byte says in what pieces its bytes come and whether it
 * begins as HTTP/2 does. What is counted as taken is given back, whatever it sends. */
#include "fuzz.h"

#include "io/grpc_session.h"

#include <stdlib.h>

static const char opening[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";

struct world {
    struct grpc_session *session;
    size_t taken;
    struct grpc_call calls[4];
    size_t n_calls;
};

static bool take(void *room, size_t bytes)
{
    struct world *w = room;
    if (w->taken + bytes > 3000)
        return false;
    w->taken += bytes;
    return true;
}

static void give(void *room, size_t bytes)
{
    struct world *w = room;
    CHECK(bytes <= w->taken);
    w->taken -= bytes;
}

static void answer_all(struct world *w)
{
    for (size_t i = 0; i < w->n_calls; i++) {
        struct grpc_call *call = &w->calls[i];
        struct grpc_response response = {.why = "no", .retry_after_ms = 10};
        if (call->message.n % 2)
            response.status = GRPC_UNAVAILABLE;
        grpc_session_answer(w->session, call->stream_id, &response);
        give(w, call->message.n);
        buf_release(&call->message);
    }
    w->n_calls = 0;
}

static void called(void *caller, const struct grpc_call *call)
{
    struct world *w = caller;
    CHECK(call->method && call->message.n <= 1000);
    w->calls[w->n_calls++] = *call;
    if (w->n_calls == 4)
        answer_all(w);
}

static const struct grpc_method methods[] = {{"/a", NULL}, {"/b", NULL}};

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct world w = {0};
    const struct grpc_session_options options = {.methods = methods,
                                                 .n_methods = 2,
                                                 .max_message_bytes = 1000,
                                                 .room = &w,
                                                 .take = take,
                                                 .give = give,
                                                 .call = called};
    struct buf out = BUF_INIT;
    if (n == 0)
        return 0;
    w.session = grpc_session_new(&options, &w);
    size_t step = bytes[0] & 0x7f ? bytes[0] & 0x7f : 1000;
    bool open = !(bytes[0] & 0x80) ||
                grpc_session_feed(w.session, str_make(opening, sizeof opening - 1), 1);
    for (size_t i = 1; open && i < n; i += step) {
        size_t piece = n - i < step ? n - i : step;
        open = grpc_session_feed(w.session, fuzz_str(bytes + i, piece), (int64_t)i) &&
               grpc_session_output(w.session, &out);
        if (i % 2)
            answer_all(&w);
        CHECK(grpc_session_streams(w.session) <= GRPC_MAX_CALLS);
    }
    answer_all(&w);
    grpc_session_expire(w.session, GRPC_REQUEST_MS * 2);
    (void)grpc_session_output(w.session, &out);
    grpc_session_goaway(w.session);
    (void)grpc_session_output(w.session, &out);
    grpc_session_free(w.session);
    CHECK(w.taken == 0);
    buf_release(&out);
    return 0;
}
