#include "codec/compress.h"

#include <snappy-c.h>
#include <stdint.h>
#include <zlib.h>
#include <zstd.h>

#define STEP_BYTES ((size_t)65536)

static bool over_limit(size_t max_bytes, struct err *err)
{
    return err_set(err, ERR_LIMIT, "decoded body is over %zu bytes", max_bytes);
}

/* One step of output; *room is what may still come, plus one byte to notice excess. */
static size_t next_room(size_t produced, size_t max_bytes)
{
    size_t left = max_bytes - produced + 1;
    return left < STEP_BYTES ? left : STEP_BYTES;
}

static bool inflate_members(z_stream *z, size_t max_bytes, struct buf *out, struct err *err)
{
    size_t before = out->n;
    for (;;) {
        size_t room = next_room(out->n - before, max_bytes);
        z->next_out = (Bytef *)buf_reserve(out, room);
        z->avail_out = (uInt)room;
        int rc = inflate(z, Z_NO_FLUSH);
        out->n += room - z->avail_out;
        out->p[out->n] = '\0';
        if (out->n - before > max_bytes)
            return over_limit(max_bytes, err);
        if (rc == Z_STREAM_END && z->avail_in == 0)
            return true;
        if (rc == Z_STREAM_END) /* RFC 1952 section 2.2: a file is a run of members */
            rc = inflateReset(z);
        else if (rc == Z_OK && z->avail_in == 0 && z->avail_out > 0)
            rc = Z_BUF_ERROR;
        if (rc != Z_OK)
            return err_set(err, ERR_BAD_INPUT, "gzip body is %s",
                           rc == Z_BUF_ERROR ? "truncated" : "malformed");
    }
}

bool gzip_decode(struct str body, size_t max_bytes, struct buf *out, struct err *err)
{
    z_stream z = {0};
    if (body.n == 0 || body.n > UINT32_MAX)
        return err_set(err, ERR_BAD_INPUT, "gzip body of %zu bytes", body.n);
    CHECK(inflateInit2(&z, 15 + 16) == Z_OK); /* 16: gzip wrapper only */
    z.next_in = (Bytef *)(uintptr_t)body.p;
    z.avail_in = (uInt)body.n;
    bool done = inflate_members(&z, max_bytes, out, err);
    inflateEnd(&z);
    return done;
}

static bool zstd_frames(ZSTD_DStream *z, struct str body, size_t max_bytes, struct buf *out,
                        struct err *err)
{
    ZSTD_inBuffer in = {body.p, body.n, 0};
    size_t before = out->n;
    for (;;) {
        size_t room = next_room(out->n - before, max_bytes);
        ZSTD_outBuffer to = {buf_reserve(out, room), room, 0};
        size_t rc = ZSTD_decompressStream(z, &to, &in);
        if (ZSTD_isError(rc))
            return err_set(err, ERR_BAD_INPUT, "zstd body: %s", ZSTD_getErrorName(rc));
        out->n += to.pos;
        out->p[out->n] = '\0';
        if (out->n - before > max_bytes)
            return over_limit(max_bytes, err);
        if (in.pos == in.size && rc == 0) /* a frame ended, and all of it is out */
            return true;
        if (in.pos == in.size && to.pos < room)
            return err_set(err, ERR_BAD_INPUT, "zstd body is truncated");
    }
}

bool zstd_decode(struct str body, size_t max_bytes, struct buf *out, struct err *err)
{
    if (body.n == 0)
        return err_set(err, ERR_BAD_INPUT, "zstd body of 0 bytes");
    ZSTD_DStream *z = ZSTD_createDStream();
    if (!z)
        check_no_memory(STEP_BYTES);
    (void)ZSTD_DCtx_setParameter(z, ZSTD_d_windowLogMax,
                                 23); /* RFC 8878 section 3.1.1.1.2: 8 MiB */
    bool done = zstd_frames(z, body, max_bytes, out, err);
    ZSTD_freeDStream(z);
    return done;
}

size_t snappy_decoded_bytes(struct str body)
{
    size_t length;
    return snappy_uncompressed_length(body.p, body.n, &length) == SNAPPY_OK ? length : 0;
}

bool snappy_decode(struct str body, size_t max_bytes, struct buf *out, struct err *err)
{
    size_t length;
    if (snappy_uncompressed_length(body.p, body.n, &length) != SNAPPY_OK)
        return err_set(err, ERR_BAD_INPUT, "snappy body is malformed");
    if (length > max_bytes)
        return over_limit(max_bytes, err);
    char *end = buf_reserve(out, length);
    if (snappy_uncompress(body.p, body.n, end, &length) != SNAPPY_OK)
        return err_set(err, ERR_BAD_INPUT, "snappy body is malformed");
    out->n += length;
    out->p[out->n] = '\0';
    return true;
}

void gzip_encode(struct str body, struct buf *out)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)body.p, .avail_in = (uInt)body.n};
    CHECK(deflateInit2(&z, 3, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    size_t room = deflateBound(&z, body.n);
    z.next_out = (Bytef *)buf_reserve(out, room);
    z.avail_out = (uInt)room;
    CHECK(deflate(&z, Z_FINISH) == Z_STREAM_END);
    out->n += room - z.avail_out;
    out->p[out->n] = '\0';
    (void)deflateEnd(&z);
}

void snappy_encode(struct str plain, struct buf *out)
{
    size_t n = snappy_max_compressed_length(plain.n);
    char *room = buf_reserve(out, n);
    CHECK(snappy_compress(plain.p ? plain.p : "", plain.n, room, &n) == SNAPPY_OK);
    out->n += n;
}
