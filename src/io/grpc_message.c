#include "io/grpc_message.h"

#include "base/num.h"

/* What a sender says of the length is believed only as far as the bytes come. */
#define RESERVE_BYTES ((size_t)64 << 10)

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static bool read_prefix(struct grpc_reader *r, enum grpc_status *status, struct err *err)
{
    const unsigned char *p = r->prefix;
    r->length = (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4];
    if (p[0] > 1) {
        *status = GRPC_INTERNAL;
        return err_set(err, ERR_BAD_INPUT, "the message's compressed flag is %u, not 0 or 1", p[0]);
    }
    if (r->length > r->max_bytes) {
        *status = GRPC_RESOURCE_EXHAUSTED;
        return err_set(err, ERR_LIMIT, "the message has %zu bytes, the limit is %zu", r->length,
                       r->max_bytes);
    }
    (void)buf_reserve(&r->body, least(r->length, RESERVE_BYTES) + 1);
    return true;
}

bool grpc_reader_feed(struct grpc_reader *r, struct str piece, enum grpc_status *status,
                      struct err *err)
{
    if (r->n_prefix < GRPC_PREFIX_BYTES && piece.n > 0) {
        size_t n = least(GRPC_PREFIX_BYTES - r->n_prefix, piece.n);
        memcpy(r->prefix + r->n_prefix, piece.p, n);
        r->n_prefix += n;
        piece = str_make(piece.p + n, piece.n - n);
        if (r->n_prefix == GRPC_PREFIX_BYTES && !read_prefix(r, status, err))
            return false;
    }
    size_t n = least(piece.n, r->length - r->body.n);
    if (n > 0)
        buf_add(&r->body, piece.p, n);
    if (n == piece.n)
        return true;
    *status = GRPC_UNIMPLEMENTED;
    return err_set(err, ERR_BAD_INPUT, "the request has more than one message");
}

bool grpc_reader_is_whole(const struct grpc_reader *r)
{
    return r->n_prefix == GRPC_PREFIX_BYTES && r->body.n == r->length;
}

bool grpc_reader_is_compressed(const struct grpc_reader *r)
{
    return r->prefix[0] == 1;
}

void grpc_add_prefix(struct buf *out, size_t message_bytes)
{
    buf_add_char(out, 0);
    for (int shift = 24; shift >= 0; shift -= 8)
        buf_add_char(out, (char)(unsigned char)(message_bytes >> shift));
}

void grpc_add_percent(struct buf *out, const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (*p >= ' ' && *p <= '~' && *p != '%')
            buf_add_char(out, (char)*p);
        else
            buf_printf(out, "%%%02X", *p);
    }
}

/* --- google.rpc.Status (googleapis, google/rpc/status.proto and error_details.proto) --- */

static void add_number(struct buf *out, unsigned field, uint64_t v)
{
    if (v == 0)
        return;
    buf_add_uvarint(out, field << 3);
    buf_add_uvarint(out, v);
}

static void add_bytes(struct buf *out, unsigned field, struct str bytes)
{
    buf_add_uvarint(out, field << 3 | 2);
    buf_add_uvarint(out, bytes.n);
    buf_add_str(out, bytes);
}

static void add_retry_info(struct buf *status, int64_t retry_after_ms)
{
    struct buf duration = BUF_INIT, info = BUF_INIT, any = BUF_INIT;
    add_number(&duration, 1, (uint64_t)(retry_after_ms / 1000));
    add_number(&duration, 2, (uint64_t)(retry_after_ms % 1000 * 1000000));
    add_bytes(&info, 1, buf_str(&duration));
    add_bytes(&any, 1, STR("type.googleapis.com/google.rpc.RetryInfo"));
    add_bytes(&any, 2, buf_str(&info));
    add_bytes(status, 3, buf_str(&any));
    buf_release(&any);
    buf_release(&info);
    buf_release(&duration);
}

void rpc_status_add(struct buf *out, int code, const char *message, int64_t retry_after_ms)
{
    add_number(out, 1, (uint64_t)code);
    add_bytes(out, 2, str_from(message));
    if (retry_after_ms > 0)
        add_retry_info(out, retry_after_ms);
}

int64_t grpc_timeout_parse(struct str s)
{
    static const char units[] = "HMSmun";
    static const int64_t ns[] = {3600000000000, 60000000000, 1000000000, 1000000, 1000, 1};
    uint64_t v;
    if (s.n < 2 || s.n > 9 || !num_parse_u64(str_make(s.p, s.n - 1), &v))
        return -1;
    for (size_t i = 0; i < sizeof ns / sizeof *ns; i++) {
        if (s.p[s.n - 1] == units[i]) /* 8 digits of hours fit into an int64_t of milliseconds */
            return ns[i] >= 1000000 ? (int64_t)v * (ns[i] / 1000000)
                                    : ((int64_t)v * ns[i] + 999999) / 1000000;
    }
    return -1;
}
