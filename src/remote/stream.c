/* ChunkedReadResponse (prompb/remote.proto of prometheus/prometheus): chunks as they lie in blocks,
 * a series in one or several messages in a row. Each message: uvarint length, CRC-32C, message. */
#include "remote/internal.h"

#include "block/chunk.h"
#include "block/cursor.h"
#include "ingest/protobuf.h"

struct stream {
    struct arena *arena;
    int64_t mint_ms, maxt_ms;
    struct labels labels; /* of the series that is read */
    struct points points; /* its samples so far */
    uint64_t left;
    struct promql_series *v;
    size_t n, capacity;
};

static bool broken(struct err *err)
{
    return err_set(err, ERR_BAD_INPUT, "the answer to a remote read is no ChunkedReadResponse");
}

static void end_series(struct stream *s)
{
    struct points *p = &s->points;
    points_sort(p);
    if (p->n + p->n_histograms > 0) {
        s->v = arena_grow(s->arena, s->v, s->n, &s->capacity, sizeof *s->v);
        s->v[s->n++] = (struct promql_series){
            .labels = s->labels,
            .n = p->n,
            .samples = p->n ? arena_memdup(s->arena, p->samples, p->n * sizeof *p->samples) : NULL,
            .n_histograms = p->n_histograms,
            .histograms = p->n_histograms ? arena_memdup(s->arena, p->histograms,
                                                         p->n_histograms * sizeof *p->histograms)
                                          : NULL};
    }
    points_clear(p);
}

static bool read_chunk(struct stream *s, struct str message, struct err *err)
{
    struct pb in = pb_of(message);
    struct pb_field f = {0};
    struct str data = STR("");
    uint64_t type = 0;
    size_t before = s->points.n + s->points.n_histograms;
    while (pb_next(&in, &f)) {
        if (f.type == PB_VARINT && f.number == 3)
            type = f.value;
        else if (f.type == PB_BYTES && f.number == 4)
            data = f.bytes;
    }
    if (in.broken || type > UINT8_MAX)
        return broken(err);
    if (!block_chunk_decode((uint8_t)type, data, s->mint_ms, s->maxt_ms, &s->points, err)) {
        if (err)
            err->code = ERR_BAD_INPUT;
        return false;
    }
    uint64_t more = s->points.n + s->points.n_histograms - before;
    if (more > s->left)
        return err_set(err, ERR_LIMIT, "the query reads over %llu samples of the source",
                       (unsigned long long)REMOTE_MAX_SAMPLES);
    s->left -= more;
    return true;
}

static bool read_series(struct stream *s, struct str message, struct err *err)
{
    struct labels_builder b;
    struct labels labels;
    struct pb in = pb_of(message);
    struct pb_field f = {0};
    labels_builder_init(&b, s->arena);
    while (pb_next(&in, &f)) {
        if (f.type == PB_BYTES && f.number == 1 && !remote_read_label(f.bytes, &b))
            return broken(err);
    }
    labels = labels_build(&b);
    if (in.broken)
        return broken(err);
    if (!labels_eq(labels, s->labels)) {
        end_series(s);
        s->labels = labels;
    }
    in = pb_of(message);
    while (pb_next(&in, &f)) {
        if (f.type == PB_BYTES && f.number == 2 && !read_chunk(s, f.bytes, err))
            return false;
    }
    return true;
}

static bool read_messages(struct stream *s, struct str body, struct err *err)
{
    struct block_cursor c = cursor_of(body);
    while (c.n > 0) {
        uint64_t length = cursor_uvarint(&c);
        uint32_t crc = cursor_u32(&c);
        struct str message = cursor_bytes(&c, length);
        if (c.bad || crc != crc32c(0, message.p, message.n))
            return broken(err);
        struct pb in = pb_of(message);
        struct pb_field f = {0};
        while (pb_next(&in, &f)) {
            if (f.type == PB_BYTES && f.number == 1 && !read_series(s, f.bytes, err))
                return false;
        }
        if (in.broken)
            return broken(err);
    }
    end_series(s);
    return true;
}

bool remote_stream_parse(struct arena *arena, struct str body, int64_t mint_ms, int64_t maxt_ms,
                         struct promql_series **out, size_t *n, struct err *err)
{
    struct stream s = {.arena = arena,
                       .mint_ms = mint_ms,
                       .maxt_ms = maxt_ms,
                       .points = {.arena = arena},
                       .left = REMOTE_MAX_SAMPLES};
    bool good = read_messages(&s, body, err);
    *out = s.v;
    *n = s.n;
    points_release(&s.points);
    return good;
}
