#include "block/prometheus_frames.h"

#include "base/hash.h"
#include "codec/compress.h"

#include <inttypes.h>
#include <stdint.h>

#define HEADER_BYTES 7u
#define TYPE_MASK 7u
#define SNAPPY (1u << 3)
#define ZSTD (1u << 4)

enum fragment_type { REST_IS_EMPTY, FULL, FIRST, MIDDLE, LAST };

void prometheus_frames_release(struct prometheus_frames *f)
{
    buf_release(&f->joined);
    buf_release(&f->plain);
    f->is_open = false;
}

void prometheus_frames_clear(struct prometheus_frames *f)
{
    buf_clear(&f->joined);
    f->is_open = false;
}

struct fragment {
    uint8_t flags;
    uint16_t n;
    uint32_t crc;
};

static struct fragment read_header(const char *p)
{
    const uint8_t *b = (const uint8_t *)p;
    return (struct fragment){.flags = b[0],
                             .n = (uint16_t)(b[1] << 8 | b[2]),
                             .crc = (uint32_t)b[3] << 24 | (uint32_t)b[4] << 16 |
                                    (uint32_t)b[5] << 8 | b[6]};
}

/* Zeros as far as there are bytes: the rest is zeros too, or will be something yet. */
static enum prometheus_frame skip_rest(struct str page, size_t *at, struct err *err)
{
    for (size_t i = *at; i < page.n; i++) {
        if (page.p[i] == 0)
            continue;
        (void)err_set(err, ERR_CORRUPT, "a page's rest is not empty at %zu", i);
        return PROMETHEUS_DAMAGED;
    }
    if (page.n == PROMETHEUS_PAGE_BYTES)
        *at = PROMETHEUS_PAGE_BYTES;
    return PROMETHEUS_WAIT;
}

static bool decompress(struct prometheus_frames *f, uint8_t flags, struct str data, struct str *out,
                       struct err *err)
{
    *out = data;
    if (!(flags & (SNAPPY | ZSTD)))
        return true;
    buf_clear(&f->plain);
    bool done = flags & SNAPPY ? snappy_decode(data, PROMETHEUS_RECORD_MAX_BYTES, &f->plain, err)
                               : zstd_decode(data, PROMETHEUS_RECORD_MAX_BYTES, &f->plain, err);
    *out = buf_str(&f->plain);
    return done;
}

/* Whether the fragment ends a record; *good: whether it may stand here. */
static bool join(struct prometheus_frames *f, const struct fragment *g, struct str data, bool *good)
{
    uint8_t type = g->flags & TYPE_MASK;
    bool begins = type == FULL || type == FIRST;
    *good = g->flags <= (TYPE_MASK | SNAPPY | ZSTD) && type <= LAST && begins != f->is_open &&
            f->joined.n + data.n <= PROMETHEUS_RECORD_MAX_BYTES;
    if (!*good || type == FULL)
        return *good;
    if (begins)
        buf_clear(&f->joined);
    buf_add_str(&f->joined, data);
    f->is_open = type != LAST;
    return type == LAST;
}

static enum prometheus_frame damaged(struct prometheus_frames *f, size_t at, struct err *err)
{
    prometheus_frames_clear(f);
    (void)err_set(err, ERR_CORRUPT, "the fragment at %zu of a page makes no sense", at);
    return PROMETHEUS_DAMAGED;
}

enum prometheus_frame prometheus_frames_next(struct prometheus_frames *f, struct str page,
                                             size_t *at, struct str *record, struct err *err)
{
    while (PROMETHEUS_PAGE_BYTES - *at >= HEADER_BYTES) {
        size_t begin = *at;
        if (begin < page.n && page.p[begin] == REST_IS_EMPTY)
            return skip_rest(page, at, err);
        if (page.n < begin + HEADER_BYTES)
            return PROMETHEUS_WAIT;
        struct fragment g = read_header(page.p + begin);
        if (begin + HEADER_BYTES + g.n > PROMETHEUS_PAGE_BYTES)
            return damaged(f, begin, err);
        if (begin + HEADER_BYTES + g.n > page.n)
            return PROMETHEUS_WAIT;
        struct str data = str_make(page.p + begin + HEADER_BYTES, g.n);
        bool good = crc32c(0, data.p, data.n) == g.crc;
        bool ends = good && join(f, &g, data, &good);
        if (!good)
            return damaged(f, begin, err);
        *at = begin + HEADER_BYTES + g.n;
        if (!ends)
            continue;
        struct str whole = (g.flags & TYPE_MASK) == FULL ? data : buf_str(&f->joined);
        return decompress(f, g.flags, whole, record, err) ? PROMETHEUS_RECORD : PROMETHEUS_DAMAGED;
    }
    if (page.n == PROMETHEUS_PAGE_BYTES)
        *at = PROMETHEUS_PAGE_BYTES;
    return PROMETHEUS_WAIT;
}
