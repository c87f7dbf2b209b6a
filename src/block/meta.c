#include "block/meta.h"

#include "base/mem.h"
#include "codec/digest.h"
#include "codec/json.h"

#include <stdlib.h>

#define META_VERSION 1
#define MAX_BLOCKS 100000 /* in a list of sources or parents */

static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"; /* Crockford's base 32 */

struct ulid ulid_new(int64_t now_ms)
{
    uint8_t bytes[16];
    struct ulid u;
    random_bytes(bytes, sizeof bytes);
    for (int i = 0; i < 6; i++)
        bytes[i] = (uint8_t)((uint64_t)now_ms >> (40 - 8 * i));
    unsigned __int128 v = 0;
    for (size_t i = 0; i < sizeof bytes; i++)
        v = v << 8 | bytes[i];
    for (size_t i = ULID_TEXT - 1; i-- > 0; v >>= 5)
        u.text[i] = alphabet[(unsigned)v & 31];
    u.text[ULID_TEXT - 1] = '\0';
    return u;
}

bool ulid_is_valid(struct str s)
{
    if (s.n != ULID_TEXT - 1 || s.p[0] > '7')
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (!memchr(alphabet, s.p[i], sizeof alphabet - 1))
            return false;
    }
    return true;
}

void block_meta_release(struct block_meta *m)
{
    free(m->sources);
    free(m->parents);
    *m = (struct block_meta){0};
}

void block_meta_add_source(struct block_meta *m, struct ulid u)
{
    for (size_t i = 0; i < m->n_sources; i++) {
        if (memcmp(&m->sources[i], &u, sizeof u) == 0)
            return;
    }
    m->sources = mem_resize(m->sources, m->n_sources + 1, sizeof *m->sources);
    m->sources[m->n_sources++] = u;
}

static void push_parent(struct block_meta *m, struct block_parent p)
{
    m->parents = mem_resize(m->parents, m->n_parents + 1, sizeof *m->parents);
    m->parents[m->n_parents++] = p;
}

void block_meta_add_parent(struct block_meta *m, const struct block_meta *parent)
{
    push_parent(m, (struct block_parent){parent->ulid, parent->min_ms, parent->max_ms});
}

static void write_stats(struct json_writer *w, const struct block_meta *m)
{
    json_key(w, "stats");
    json_open_object(w);
    json_key(w, "numSamples");
    json_put_i64(w, (int64_t)m->n_samples);
    json_key(w, "numSeries");
    json_put_i64(w, (int64_t)m->n_series);
    json_key(w, "numChunks");
    json_put_i64(w, (int64_t)m->n_chunks);
    if (m->n_tombstones > 0) {
        json_key(w, "numTombstones");
        json_put_i64(w, (int64_t)m->n_tombstones);
    }
    json_close_object(w);
}

static void write_range(struct json_writer *w, const struct ulid *u, int64_t min_ms, int64_t max_ms)
{
    json_key(w, "ulid");
    json_put_cstr(w, u->text);
    json_key(w, "minTime");
    json_put_i64(w, min_ms);
    json_key(w, "maxTime");
    json_put_i64(w, max_ms);
}

static void write_parents(struct json_writer *w, const struct block_meta *m)
{
    json_key(w, "parents");
    json_open_array(w);
    for (size_t i = 0; i < m->n_parents; i++) {
        json_open_object(w);
        write_range(w, &m->parents[i].ulid, m->parents[i].min_ms, m->parents[i].max_ms);
        json_close_object(w);
    }
    json_close_array(w);
}

static void write_compaction(struct json_writer *w, const struct block_meta *m)
{
    json_key(w, "compaction");
    json_open_object(w);
    json_key(w, "level");
    json_put_i64(w, m->level);
    json_key(w, "sources");
    json_open_array(w);
    for (size_t i = 0; i < m->n_sources; i++)
        json_put_cstr(w, m->sources[i].text);
    json_close_array(w);
    if (m->n_parents > 0)
        write_parents(w, m);
    json_close_object(w);
}

void block_meta_write(const struct block_meta *m, struct buf *out)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_open_object(&w);
    write_range(&w, &m->ulid, m->min_ms, m->max_ms);
    write_stats(&w, m);
    write_compaction(&w, m);
    json_key(&w, "version");
    json_put_i64(&w, META_VERSION);
    json_close_object(&w);
    json_writer_end(&w);
    buf_add_char(out, '\n');
}

static bool read_ulid(const json_t *object, struct ulid *out, struct err *err)
{
    const char *text = json_is_string(object) ? json_string_value(object) : "";
    if (!ulid_is_valid(str_from(text)))
        return err_set(err, ERR_CORRUPT, "'%.40s' is not a ULID", text);
    memcpy(out->text, text, sizeof out->text);
    return true;
}

static bool read_range(const json_t *object, struct ulid *ulid, int64_t *min_ms, int64_t *max_ms,
                       struct err *err)
{
    *min_ms = json_get_i64(object, "minTime", INT64_MAX);
    *max_ms = json_get_i64(object, "maxTime", INT64_MIN);
    if (*min_ms > *max_ms)
        return err_set(err, ERR_CORRUPT, "minTime and maxTime are no range");
    return read_ulid(json_object_get(object, "ulid"), ulid, err);
}

static bool read_compaction(const json_t *compaction, struct block_meta *m, struct err *err)
{
    const json_t *sources = json_object_get(compaction, "sources");
    const json_t *parents = json_object_get(compaction, "parents");
    if (json_array_size(sources) > MAX_BLOCKS || json_array_size(parents) > MAX_BLOCKS)
        return err_set(err, ERR_CORRUPT, "more than %d sources or parents", MAX_BLOCKS);
    const json_t *hints = json_object_get(compaction, "hints");
    for (size_t i = 0; i < json_array_size(hints); i++) {
        const char *hint = json_string_value(json_array_get(hints, i));
        m->is_late = m->is_late || (hint && strcmp(hint, "from-out-of-order") == 0);
    }
    int64_t level = json_get_i64(compaction, "level", 1);
    m->level = level > 0 && level < 100 ? (int)level : 1;
    for (size_t i = 0; i < json_array_size(sources); i++) {
        struct ulid u;
        if (!read_ulid(json_array_get(sources, i), &u, err))
            return false;
        block_meta_add_source(m, u);
    }
    for (size_t i = 0; i < json_array_size(parents); i++) {
        struct block_parent p;
        if (!read_range(json_array_get(parents, i), &p.ulid, &p.min_ms, &p.max_ms, err))
            return false;
        push_parent(m, p);
    }
    return true;
}

static uint64_t read_count(const json_t *stats, const char *key)
{
    int64_t n = json_get_i64(stats, key, 0);
    return n > 0 ? (uint64_t)n : 0;
}

static bool read_meta(const json_t *object, struct block_meta *m, struct err *err)
{
    const json_t *stats = json_object_get(object, "stats");
    int64_t version = json_get_i64(object, "version", 0);
    if (version != META_VERSION)
        return err_set(err, ERR_CORRUPT, "version %lld, known is %d", (long long)version,
                       META_VERSION);
    m->n_samples = read_count(stats, "numSamples");
    m->n_series = read_count(stats, "numSeries");
    m->n_chunks = read_count(stats, "numChunks");
    m->n_tombstones = read_count(stats, "numTombstones");
    return read_range(object, &m->ulid, &m->min_ms, &m->max_ms, err) &&
           read_compaction(json_object_get(object, "compaction"), m, err);
}

bool block_meta_parse(struct str text, struct block_meta *m, struct err *err)
{
    struct arena arena = ARENA_INIT;
    *m = (struct block_meta){0};
    const json_t *object = json_parse(&arena, text, err);
    bool done = object && read_meta(object, m, err);
    if (!object && err)
        err->code = ERR_CORRUPT;
    arena_release(&arena);
    if (!done)
        block_meta_release(m);
    return done;
}
