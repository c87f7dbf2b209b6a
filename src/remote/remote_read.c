/* Remote read: the question, and where its answer goes. */
#include "remote/internal.h"

#include "codec/compress.h"

enum { SAMPLES, STREAMED_XOR_CHUNKS };

static void add_number(struct buf *out, unsigned field, uint64_t v)
{
    buf_add_uvarint(out, field << 3);
    buf_add_uvarint(out, v);
}

static void add_bytes(struct buf *out, unsigned field, struct str bytes)
{
    buf_add_uvarint(out, field << 3 | 2);
    buf_add_uvarint(out, bytes.n);
    buf_add_str(out, bytes);
}

static void add_matcher(struct buf *out, const struct matcher *m)
{
    static const uint64_t types[] = {
        [MATCH_EQUAL] = 0, [MATCH_NOT_EQUAL] = 1, [MATCH_REGEX] = 2, [MATCH_NOT_REGEX] = 3};
    struct buf one = BUF_INIT;
    add_number(&one, 1, types[m->type]);
    add_bytes(&one, 2, m->name);
    add_bytes(&one, 3, m->value);
    add_bytes(out, 3, buf_str(&one));
    buf_release(&one);
}

/* ReadRequest of one query. */
static void make_request(const struct remote_question *q, struct buf *out)
{
    struct buf query = BUF_INIT, plain = BUF_INIT;
    add_number(&query, 1, (uint64_t)q->mint_ms);
    add_number(&query, 2, (uint64_t)q->maxt_ms);
    for (size_t i = 0; i < q->n; i++)
        add_matcher(&query, &q->matchers[i]);
    add_bytes(&plain, 1, buf_str(&query));
    add_number(&plain, 2,
               STREAMED_XOR_CHUNKS); /* preferred: with it old ones send histograms too */
    add_number(&plain, 2, SAMPLES);
    snappy_encode(buf_str(&plain), out);
    buf_release(&query);
    buf_release(&plain);
}

bool remote_select_read(const struct remote_source *s, const struct remote_question *q,
                        struct arena *arena, struct promql_series **out, size_t *n, struct err *err)
{
    static const char *const headers[] = {"Content-Type: application/x-protobuf",
                                          "Content-Encoding: snappy",
                                          "X-Prometheus-Remote-Read-Version: 0.1.0", NULL};
    struct buf request = BUF_INIT, plain = BUF_INIT;
    struct http_answer answer;
    make_request(q, &request);
    struct http_fetch f = {.headers = headers, .body = buf_str(&request)};
    bool good = remote_fetch(s, q, arena, &f, &answer, err);
    if (good && str_starts(answer.content_type, STR("application/x-streamed-protobuf")))
        good = remote_stream_parse(arena, answer.body, q->mint_ms, q->maxt_ms, out, n, err);
    else if (good)
        good = snappy_decode(answer.body, REMOTE_MAX_BYTES, &plain, err) &&
               remote_read_parse(arena, arena_str(arena, buf_str(&plain)), out, n, err);
    buf_release(&request);
    buf_release(&plain);
    return good;
}
