#include "block/tombstones.h"

#include "block/cursor.h"

#define TOMBSTONES_MAGIC UINT32_C(0x0130ba30)
#define TOMBSTONES_VERSION 1
#define HEADER_BYTES 5

void block_tombstones_release(struct block_tombstones *t)
{
    free(t->v);
    *t = (struct block_tombstones){0};
}

void block_tombstones_add(struct block_tombstones *t, uint64_t ref, struct block_interval span)
{
    t->v = mem_grow(t->v, t->n, &t->capacity, sizeof *t->v);
    t->v[t->n++] = (struct block_stone){ref, span};
}

static int compare_stones(const void *left, const void *right)
{
    const struct block_stone *a = left, *b = right;
    if (a->ref != b->ref)
        return a->ref < b->ref ? -1 : 1;
    return (a->span.min_ms > b->span.min_ms) - (a->span.min_ms < b->span.min_ms);
}

void block_tombstones_settle(struct block_tombstones *t)
{
    size_t kept = 0;
    if (t->n > 1)
        qsort(t->v, t->n, sizeof *t->v, compare_stones);
    for (size_t i = 0; i < t->n; i++) {
        struct block_stone *last = kept > 0 ? &t->v[kept - 1] : NULL;
        const struct block_stone *s = &t->v[i];
        bool touches = last && last->ref == s->ref &&
                       (last->span.max_ms == INT64_MAX || s->span.min_ms <= last->span.max_ms + 1);
        if (!touches)
            t->v[kept++] = *s;
        else if (s->span.max_ms > last->span.max_ms)
            last->span.max_ms = s->span.max_ms;
    }
    t->n = kept;
}

static void add_be32(struct buf *out, uint32_t v)
{
    v = htobe32(v);
    buf_add(out, &v, sizeof v);
}

void block_tombstones_write(const struct block_tombstones *t, struct buf *out)
{
    add_be32(out, TOMBSTONES_MAGIC);
    buf_add_char(out, TOMBSTONES_VERSION);
    size_t begin = out->n;
    for (size_t i = 0; i < t->n; i++) {
        buf_add_uvarint(out, t->v[i].ref);
        buf_add_varint(out, t->v[i].span.min_ms);
        buf_add_varint(out, t->v[i].span.max_ms);
    }
    add_be32(out, crc32c(0, out->p + begin, out->n - begin));
}

bool block_tombstones_parse(struct str bytes, struct block_tombstones *t, struct err *err)
{
    struct block_cursor c = cursor_of(bytes);
    *t = (struct block_tombstones){0};
    if (bytes.n < HEADER_BYTES + 4 || cursor_u32(&c) != TOMBSTONES_MAGIC ||
        *cursor_bytes(&c, 1).p != TOMBSTONES_VERSION)
        return err_set(err, ERR_CORRUPT, "tombstones: they are none");
    struct block_cursor body = cursor_of(cursor_checked(&c, c.n - 4));
    while (!c.bad && body.n > 0) {
        uint64_t ref = cursor_uvarint(&body);
        struct block_interval span = {.min_ms = cursor_varint(&body)};
        span.max_ms = cursor_varint(&body);
        c.bad = body.bad || span.min_ms > span.max_ms;
        block_tombstones_add(t, ref, span);
    }
    if (c.bad) {
        block_tombstones_release(t);
        return err_set(err, ERR_CORRUPT, "tombstones: they are damaged");
    }
    block_tombstones_settle(t);
    return true;
}

static bool is_inside(int64_t t_ms, struct block_interval span)
{
    return t_ms >= span.min_ms && t_ms <= span.max_ms;
}

void points_drop(struct points *p, struct block_interval span)
{
    size_t kept = 0;
    for (size_t i = 0; i < p->n; i++) {
        if (!is_inside(p->samples[i].t_ms, span))
            p->samples[kept++] = p->samples[i];
    }
    p->n = kept;
    kept = 0;
    for (size_t i = 0; i < p->n_histograms; i++) {
        if (!is_inside(p->histograms[i].t_ms, span))
            p->histograms[kept++] = p->histograms[i];
    }
    p->n_histograms = kept;
}

void block_tombstones_apply(const struct block_tombstones *t, uint64_t ref, struct points *p)
{
    size_t low = 0, high = t->n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (t->v[middle].ref < ref)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < t->n && t->v[low].ref == ref; low++)
        points_drop(p, t->v[low].span);
}
