#include "block/block.h"

#include "base/file.h"
#include "base/mem.h"
#include "block/cursor.h"
#include "block/file.h"

#include <stdlib.h>

#define META_MAX_BYTES (16u << 20)
#define CHUNKS_MAGIC UINT32_C(0x85bd40dd)
#define CHUNKS_VERSION 1
#define CHUNKS_HEADER_BYTES 8
#define MAX_SEGMENTS 100000

static char *path_in(const struct block *b, const char *name)
{
    struct buf path = BUF_INIT;
    buf_printf(&path, "%s/%s", b->path, name);
    return buf_detach(&path);
}

static void add_size(struct block *b, const char *name)
{
    char *path = path_in(b, name);
    int64_t size = file_size(path);
    b->size_bytes += size > 0 ? (uint64_t)size : 0;
    free(path);
}

static void add_segment_size(void *arg, const char *name)
{
    struct buf path = BUF_INIT;
    buf_printf(&path, "chunks/%s", name);
    add_size(arg, path.p);
    buf_release(&path);
}

int64_t block_stones_bytes(const struct block *b)
{
    char *path = path_in(b, "tombstones");
    int64_t size = file_size(path);
    free(path);
    return size;
}

static bool measure(struct block *b, struct err *err)
{
    char *chunks = path_in(b, "chunks");
    b->stones_bytes = block_stones_bytes(b);
    add_size(b, "meta.json");
    add_size(b, "index");
    add_size(b, "tombstones");
    bool done = file_list(chunks, add_segment_size, b, err);
    free(chunks);
    return done;
}

static bool read_meta(struct block *b, struct err *err)
{
    struct buf text = BUF_INIT;
    char *path = path_in(b, "meta.json");
    bool done = file_read(path, META_MAX_BYTES, &text, err);
    if (done && !block_meta_parse(buf_str(&text), &b->meta, err))
        done = err_prefix(err, "%s: ", path);
    free(path);
    buf_release(&text);
    return done;
}

struct block *block_new(const char *path, struct err *err)
{
    struct block *b = mem_zalloc(sizeof *b);
    b->path = mem_strdup(path);
    atomic_store(&b->refs, 1);
    pthread_mutex_init(&b->lock, NULL);
    if (read_meta(b, err) && measure(b, err))
        return b;
    if (err && err->code == ERR_NOT_FOUND)
        err->code = ERR_CORRUPT;
    block_unref(b);
    return NULL;
}

struct block *block_ref(struct block *b)
{
    atomic_fetch_add(&b->refs, 1);
    return b;
}

static void close_files(struct block *b)
{
    block_index_free(b->index);
    block_unmap(b->index_bytes);
    for (size_t i = 0; i < b->n_segments; i++)
        block_unmap(b->segments[i]);
    free(b->segments);
    block_tombstones_release(&b->stones);
    b->index = NULL;
    b->index_bytes = STR("");
    b->segments = NULL;
    b->n_segments = 0;
}

void block_unref(struct block *b)
{
    if (!b || atomic_fetch_sub(&b->refs, 1) != 1)
        return;
    close_files(b);
    block_meta_release(&b->meta);
    pthread_mutex_destroy(&b->lock);
    free(b->path);
    free(b);
}

/* --- Opening --- */

static bool open_index(struct block *b, struct err *err)
{
    char *path = path_in(b, "index");
    bool done = block_map_file(path, &b->index_bytes, err);
    if (done) {
        b->index = block_index_open(b->index_bytes, err);
        done = b->index != NULL;
    }
    free(path);
    return done;
}

static bool is_chunks_file(struct str bytes)
{
    struct block_cursor c = cursor_of(bytes);
    return bytes.n >= CHUNKS_HEADER_BYTES && cursor_u32(&c) == CHUNKS_MAGIC &&
           *c.p == CHUNKS_VERSION;
}

/* chunks/000001, 000002, ... as long as there are. */
static bool open_segments(struct block *b, struct err *err)
{
    bool done = true;
    for (size_t number = 1; done && number <= MAX_SEGMENTS; number++) {
        struct buf path = BUF_INIT;
        buf_printf(&path, "%s/chunks/%06zu", b->path, number);
        bool there = file_exists(path.p);
        struct str bytes = STR("");
        done = !there || block_map_file(path.p, &bytes, err);
        if (done && there && !is_chunks_file(bytes)) {
            block_unmap(bytes);
            done = err_set(err, ERR_CORRUPT, "chunks/%06zu is no file of chunks", number);
        } else if (done && there) {
            b->segments = mem_resize(b->segments, b->n_segments + 1, sizeof *b->segments);
            b->segments[b->n_segments++] = bytes;
        }
        buf_release(&path);
        if (!there)
            break;
    }
    return done;
}

/* Prometheus makes do without the file. */
static bool open_tombstones(struct block *b, struct err *err)
{
    struct buf bytes = BUF_INIT;
    char *path = path_in(b, "tombstones");
    bool done = !file_exists(path) || (file_read(path, SIZE_MAX / 2, &bytes, err) &&
                                       block_tombstones_parse(buf_str(&bytes), &b->stones, err));
    free(path);
    buf_release(&bytes);
    return done;
}

static bool open_files(struct block *b, struct err *err)
{
    if (open_index(b, err) && open_segments(b, err) && open_tombstones(b, err))
        return true;
    close_files(b);
    if (err && err->code == ERR_NOT_FOUND)
        err->code = ERR_CORRUPT;
    return err_prefix(err, "block %s: ", b->meta.ulid.text);
}

bool block_open(struct block *b, struct err *err)
{
    pthread_mutex_lock(&b->lock);
    if (!b->is_open)
        b->is_open = open_files(b, err);
    bool done = b->is_open;
    pthread_mutex_unlock(&b->lock);
    return done;
}

/* --- Reading --- */

static bool read_chunk(const struct block *b, uint64_t ref, int64_t mint_ms, int64_t maxt_ms,
                       struct points *out, struct err *err)
{
    uint64_t segment = ref >> 32, offset = ref & UINT32_MAX;
    if (segment >= b->n_segments || offset < CHUNKS_HEADER_BYTES ||
        offset >= b->segments[segment].n)
        return err_set(err, ERR_CORRUPT, "chunk %llu:%llu is in no file",
                       (unsigned long long)segment, (unsigned long long)offset);
    struct str file = b->segments[segment];
    struct block_cursor c = cursor_of(str_make(file.p + offset, file.n - offset));
    uint64_t n = cursor_uvarint(&c);
    struct str content = n < file.n ? cursor_checked(&c, n + 1) : STR("");
    if (c.bad || content.n < 2)
        return err_set(err, ERR_CORRUPT, "chunk %llu:%llu is damaged", (unsigned long long)segment,
                       (unsigned long long)offset);
    return block_chunk_decode((uint8_t)content.p[0], str_make(content.p + 1, content.n - 1),
                              mint_ms, maxt_ms, out, err);
}

static bool read_chunks(const struct block *b, const struct block_series *s, int64_t mint_ms,
                        int64_t maxt_ms, struct points *out, struct err *err)
{
    for (size_t i = 0; i < s->n_chunks; i++) {
        const struct block_chunk_place *c = &s->chunks[i];
        if (c->max_ms < mint_ms || c->min_ms > maxt_ms)
            continue;
        if (!read_chunk(b, c->ref, mint_ms, maxt_ms, out, err))
            return err_prefix(err, "block %s: ", b->meta.ulid.text);
    }
    return true;
}

bool block_read_raw(const struct block *b, const struct block_series *s, int64_t mint_ms,
                    int64_t maxt_ms, struct points *out, struct err *err)
{
    return read_chunks(b, s, mint_ms, maxt_ms, out, err);
}

/* Stones are laid on what was read here, not on what was there before. */
static bool read_live(const struct block *b, uint32_t ref, const struct block_series *s,
                      int64_t mint_ms, int64_t maxt_ms, struct points *out, struct err *err)
{
    struct points own = *out;
    if (b->stones.n == 0)
        return read_chunks(b, s, mint_ms, maxt_ms, out, err);
    own.samples = NULL;
    own.histograms = NULL;
    own.n = own.n_histograms = own.capacity = own.histogram_capacity = 0;
    bool done = read_chunks(b, s, mint_ms, maxt_ms, &own, err);
    block_tombstones_apply(&b->stones, ref, &own);
    if (done)
        points_append(out, &own);
    points_release(&own);
    return done;
}

bool block_read(const struct block *b, uint32_t ref, const struct block_series *s, int64_t mint_ms,
                int64_t maxt_ms, struct points *out, struct err *err)
{
    return read_live(b, ref, s, mint_ms, maxt_ms, out, err);
}

bool block_read_first(const struct block *b, uint32_t ref, const struct block_series *s,
                      int64_t mint_ms, int64_t maxt_ms, struct points *out, struct err *err)
{
    size_t before = out->n + out->n_histograms;
    for (size_t i = 0; i < s->n_chunks && out->n + out->n_histograms == before; i++) {
        struct block_series one = *s;
        one.chunks = &s->chunks[i];
        one.n_chunks = 1;
        if (!read_live(b, ref, &one, mint_ms, maxt_ms, out, err))
            return false;
    }
    return true;
}

bool block_verify(struct block *b, struct err *err)
{
    struct arena arena = ARENA_INIT;
    struct points points = {.arena = &arena};
    struct block_series series;
    uint32_t *refs;
    size_t n;
    bool done = block_open(b, err) && block_index_select(b->index, &arena, NULL, 0, &refs, &n, err);
    struct arena each = ARENA_INIT;
    points.arena = &each;
    for (size_t i = 0; done && i < n; i++) {
        done = block_index_series(b->index, &each, refs[i], &series, err) &&
               block_read_raw(b, &series, INT64_MIN, INT64_MAX, &points, err);
        points_clear(&points);
        arena_clear(&each);
    }
    points_release(&points);
    arena_release(&each);
    arena_release(&arena);
    return done;
}
