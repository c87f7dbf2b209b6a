#include "block/writer.h"

#include "base/check.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/map.h"
#include "block/file.h"

#include <stdlib.h>

#define INDEX_MAGIC UINT32_C(0xbaaad700)
#define INDEX_VERSION 2
#define CHUNKS_MAGIC UINT32_C(0x85bd40dd)
#define CHUNKS_VERSION 1
#define SERIES_ALIGN 16
#define KNOWN_CHUNKS 524288 /* that are remembered; half a power of two */

/* A label as two numbers of the symbol table, and in how many series it is. */
struct pair {
    uint32_t name, value;
    uint32_t n;
    uint32_t begin; /* of its refs, once they are gathered */
};

/* Where a chunk stands: whoever has the same one refers to it. */
struct known_chunk {
    uint64_t hash; /* of its bytes; 0 = none */
    uint64_t ref;
};

struct block_writer {
    const char *parent;
    struct buf path; /* the temporary folder */
    struct ulid ulid;
    size_t chunk_samples;
    bool finished;

    struct block_file chunks;
    uint32_t n_segments;
    struct known_chunk *known; /* open addressing, at most half full */
    size_t n_known, n_known_slots;

    struct block_file index;
    const struct str *symbols;
    size_t n_symbols;
    struct map *numbers; /* symbol -> its number + 1 */
    uint64_t symbols_at, series_at, postings_at, label_table_at, postings_table_at;

    struct pair *pairs;
    size_t n_pairs, pair_capacity;
    uint32_t *pair_slots; /* open addressing: number of the pair + 1 */
    size_t n_pair_slots;

    /* Each series' ref, and where its labels' pairs end in `labels`. */
    uint32_t *refs;
    uint64_t *label_ends;
    size_t n_series, ref_capacity, end_capacity;
    uint32_t *labels;
    size_t n_labels, label_capacity;

    struct bit_writer bits;
    struct buf entry; /* one chunk, then one series */
    uint64_t n_samples, n_chunks;
    struct labels before; /* of the last series; borrowed: only DCHECKed */
};

/* --- The chunk files --- */

static bool next_segment(struct block_writer *w, struct err *err)
{
    struct buf path = BUF_INIT;
    if (w->n_segments > 0 && !block_file_finish(&w->chunks, err))
        return false;
    w->n_segments++;
    buf_printf(&path, "%s/chunks/%06u", w->path.p, w->n_segments);
    bool done = block_file_create(&w->chunks, path.p, err);
    buf_release(&path);
    if (!done)
        return false;
    block_file_u32(&w->chunks, CHUNKS_MAGIC);
    block_file_u8(&w->chunks, CHUNKS_VERSION);
    block_file_zeros(&w->chunks, 3);
    return true;
}

/* Counters that stand still, and a histogram's count beside its last bucket, give the same chunks
 * over and over. One of this file is written once. */
static struct known_chunk *known_slot(const struct block_writer *w, uint64_t hash)
{
    size_t i = hash & (w->n_known_slots - 1);
    while (w->known[i].hash != 0 && w->known[i].hash != hash)
        i = (i + 1) & (w->n_known_slots - 1);
    return &w->known[i];
}

static void grow_known(struct block_writer *w)
{
    struct known_chunk *old = w->known;
    size_t n_old = w->n_known_slots;
    w->n_known_slots = n_old ? n_old * 2 : 1024;
    w->known = mem_array(w->n_known_slots, sizeof *w->known);
    for (size_t i = 0; i < n_old; i++) {
        if (old[i].hash != 0)
            *known_slot(w, old[i].hash) = old[i];
    }
    free(old);
}

static void know_chunk(struct block_writer *w, uint64_t hash, uint64_t ref)
{
    if (w->n_known >= KNOWN_CHUNKS && known_slot(w, hash)->hash == 0)
        return;
    if (2 * w->n_known >= w->n_known_slots)
        grow_known(w);
    struct known_chunk *known = known_slot(w, hash);
    w->n_known += known->hash == 0;
    *known = (struct known_chunk){hash, ref};
}

static bool is_known(struct block_writer *w, uint64_t hash, struct str bytes, uint64_t *ref)
{
    if (w->n_known_slots == 0)
        return false;
    *ref = known_slot(w, hash)->ref;
    return known_slot(w, hash)->hash != 0 && *ref >> 32 == w->n_segments - 1 &&
           block_file_has(&w->chunks, *ref & UINT32_MAX, bytes);
}

/* The chunk as it stands in a file, in w->entry. */
static void frame_chunk(struct block_writer *w, enum block_encoding encoding)
{
    struct str data = bit_writer_str(&w->bits);
    uint32_t crc;
    buf_clear(&w->entry);
    buf_add_uvarint(&w->entry, data.n);
    buf_add_char(&w->entry, (char)encoding);
    buf_add_str(&w->entry, data);
    crc = htobe32(crc32c(0, w->entry.p + w->entry.n - data.n - 1, data.n + 1));
    buf_add(&w->entry, &crc, sizeof crc);
}

/* The chunk in w->bits; *ref is where it stands: segment and offset. */
static bool write_chunk(struct block_writer *w, enum block_encoding encoding, uint64_t *ref,
                        struct err *err)
{
    frame_chunk(w, encoding);
    struct str bytes = buf_str(&w->entry);
    uint64_t hash = hash64(bytes.p, bytes.n, 0) | 1;
    w->n_chunks++;
    if (is_known(w, hash, bytes, ref))
        return true;
    if (w->chunks.offset + bytes.n > BLOCK_SEGMENT_BYTES && !next_segment(w, err))
        return false;
    *ref = (uint64_t)(w->n_segments - 1) << 32 | w->chunks.offset;
    block_file_add(&w->chunks, bytes);
    know_chunk(w, hash, *ref);
    return block_file_drain(&w->chunks, err);
}

/* --- A series' chunks, as its entry in the index lists them --- */

struct chunk_list {
    struct buf out;
    size_t n;
    int64_t max_ms;
    uint64_t ref;
};

static void list_chunk(struct chunk_list *l, int64_t min_ms, int64_t max_ms, uint64_t ref)
{
    if (l->n == 0) {
        buf_add_varint(&l->out, min_ms);
        buf_add_uvarint(&l->out, (uint64_t)max_ms - (uint64_t)min_ms);
        buf_add_uvarint(&l->out, ref);
    } else {
        buf_add_uvarint(&l->out, (uint64_t)min_ms - (uint64_t)l->max_ms);
        buf_add_uvarint(&l->out, (uint64_t)max_ms - (uint64_t)min_ms);
        buf_add_varint(&l->out, (int64_t)(ref - l->ref));
    }
    l->n++;
    l->max_ms = max_ms;
    l->ref = ref;
}

/* Chunks of about equal size rather than full ones and a rest. */
static bool add_samples(struct block_writer *w, struct chunk_list *l, const struct sample *v,
                        size_t n, struct err *err)
{
    size_t pieces = (n + w->chunk_samples - 1) / w->chunk_samples;
    uint64_t ref;
    for (size_t done = 0; pieces > 0; pieces--) {
        size_t take = (n - done + pieces - 1) / pieces;
        block_xor_encode(&w->bits, v + done, take);
        if (!write_chunk(w, BLOCK_XOR, &ref, err))
            return false;
        list_chunk(l, v[done].t_ms, v[done + take - 1].t_ms, ref);
        done += take;
    }
    w->n_samples += n;
    return true;
}

static bool add_histograms(struct block_writer *w, struct chunk_list *l,
                           const struct histogram *before, const struct histogram_sample *v,
                           size_t n, struct err *err)
{
    uint64_t ref;
    for (size_t done = 0; done < n;) {
        size_t take =
            block_histogram_encode(&w->bits, before, v + done, n - done, w->chunk_samples);
        if (!write_chunk(w, BLOCK_FLOAT_HISTOGRAM, &ref, err))
            return false;
        list_chunk(l, v[done].t_ms, v[done + take - 1].t_ms, ref);
        done += take;
        before = v[done - 1].h;
    }
    w->n_samples += n;
    return true;
}

/* A chunk has one kind, and chunks do not overlap: each change of kind ends one. */
static bool add_points(struct block_writer *w, struct chunk_list *l, const struct points *p,
                       struct err *err)
{
    size_t i = 0, k = 0;
    while (i < p->n || k < p->n_histograms) {
        size_t run = 0;
        int64_t other = k < p->n_histograms ? p->histograms[k].t_ms : INT64_MAX;
        while (i + run < p->n && (k == p->n_histograms || p->samples[i + run].t_ms <= other))
            run++;
        if (run > 0 && !add_samples(w, l, p->samples + i, run, err))
            return false;
        i += run;
        other = i < p->n ? p->samples[i].t_ms : INT64_MAX;
        for (run = 0;
             k + run < p->n_histograms && (i == p->n || p->histograms[k + run].t_ms < other);)
            run++;
        const struct histogram *before = k > 0 ? p->histograms[k - 1].h : NULL;
        if (run > 0 && !add_histograms(w, l, before, p->histograms + k, run, err))
            return false;
        k += run;
    }
    return true;
}

/* --- Labels as numbers --- */

static bool symbol_number(const struct block_writer *w, struct str s, uint32_t *out,
                          struct err *err)
{
    uintptr_t number = (uintptr_t)map_get(w->numbers, s);
    if (number == 0)
        return err_set(err, ERR_CORRUPT, "the label string '%.100s' is not among the symbols",
                       s.n ? s.p : "");
    *out = (uint32_t)(number - 1);
    return true;
}

static size_t pair_slot(const struct block_writer *w, uint32_t name, uint32_t value)
{
    uint64_t key = (uint64_t)name << 32 | value;
    size_t i = hash64(&key, sizeof key, 0) & (w->n_pair_slots - 1);
    for (; w->pair_slots[i] != 0; i = (i + 1) & (w->n_pair_slots - 1)) {
        const struct pair *p = &w->pairs[w->pair_slots[i] - 1];
        if (p->name == name && p->value == value)
            break;
    }
    return i;
}

static void grow_pair_slots(struct block_writer *w)
{
    free(w->pair_slots);
    w->n_pair_slots = w->n_pair_slots ? w->n_pair_slots * 2 : 1024;
    w->pair_slots = mem_array(w->n_pair_slots, sizeof *w->pair_slots);
    for (size_t i = 0; i < w->n_pairs; i++)
        w->pair_slots[pair_slot(w, w->pairs[i].name, w->pairs[i].value)] = (uint32_t)(i + 1);
}

/* The pair's number; counts the series that has it. */
static uint32_t pair_number(struct block_writer *w, uint32_t name, uint32_t value)
{
    if (w->n_pairs * 2 >= w->n_pair_slots)
        grow_pair_slots(w);
    uint32_t *slot = &w->pair_slots[pair_slot(w, name, value)];
    if (*slot == 0) {
        w->pairs = mem_grow(w->pairs, w->n_pairs, &w->pair_capacity, sizeof *w->pairs);
        w->pairs[w->n_pairs++] = (struct pair){.name = name, .value = value};
        *slot = (uint32_t)w->n_pairs;
    }
    w->pairs[*slot - 1].n++;
    return *slot - 1;
}

static bool add_labels(struct block_writer *w, struct labels labels, struct err *err)
{
    buf_clear(&w->entry);
    buf_add_uvarint(&w->entry, labels.n);
    for (size_t i = 0; i < labels.n; i++) {
        uint32_t name = 0, value = 0;
        if (!symbol_number(w, labels.v[i].name, &name, err) ||
            !symbol_number(w, labels.v[i].value, &value, err))
            return false;
        buf_add_uvarint(&w->entry, name);
        buf_add_uvarint(&w->entry, value);
        w->labels = mem_grow(w->labels, w->n_labels, &w->label_capacity, sizeof *w->labels);
        w->labels[w->n_labels++] = pair_number(w, name, value);
    }
    return true;
}

static void end_series(struct block_writer *w)
{
    w->refs = mem_grow(w->refs, w->n_series, &w->ref_capacity, sizeof *w->refs);
    w->label_ends = mem_grow(w->label_ends, w->n_series, &w->end_capacity, sizeof *w->label_ends);
    w->refs[w->n_series] = (uint32_t)(w->index.offset / SERIES_ALIGN);
    w->label_ends[w->n_series++] = w->n_labels;
}

bool block_writer_add(struct block_writer *w, struct labels labels, const struct points *p,
                      struct err *err)
{
    struct chunk_list list = {.out = BUF_INIT};
    if (p->n + p->n_histograms == 0)
        return true;
    bool done = add_points(w, &list, p, err) && add_labels(w, labels, err);
    if (done) {
        buf_add_uvarint(&w->entry, list.n);
        buf_add_str(&w->entry, buf_str(&list.out));
        block_file_align(&w->index, SERIES_ALIGN);
        end_series(w);
        block_file_uvarint(&w->index, w->entry.n);
        block_file_add(&w->index, buf_str(&w->entry));
        block_file_u32(&w->index, crc32c(0, w->entry.p, w->entry.n));
        done = block_file_drain(&w->index, err);
    }
    buf_release(&list.out);
    return done;
}

uint64_t block_writer_samples(const struct block_writer *w)
{
    return w->n_samples;
}

/* --- The index's other sections: length, content, checksum of the content --- */

static bool write_section(struct block_file *f, const struct buf *content, struct err *err)
{
    if (content->n > UINT32_MAX)
        return err_set(err, ERR_LIMIT, "%s: a section of %zu bytes, the limit is 4 GiB", f->path.p,
                       content->n);
    block_file_u32(f, (uint32_t)content->n);
    block_file_add(f, buf_str(content));
    block_file_u32(f, crc32c(0, content->p, content->n));
    return block_file_drain(f, err);
}

static void buf_add_be32(struct buf *b, uint32_t v)
{
    v = htobe32(v);
    buf_add(b, &v, sizeof v);
}

static bool write_symbols(struct block_writer *w, struct err *err)
{
    struct buf content = BUF_INIT;
    buf_add_be32(&content, (uint32_t)w->n_symbols);
    for (size_t i = 0; i < w->n_symbols; i++) {
        buf_add_uvarint(&content, w->symbols[i].n);
        buf_add_str(&content, w->symbols[i]);
        (void)map_set(w->numbers, w->symbols[i], (void *)(uintptr_t)(i + 1));
    }
    w->symbols_at = w->index.offset;
    bool done = write_section(&w->index, &content, err);
    buf_release(&content);
    return done;
}

static int compare_pairs(const void *left, const void *right)
{
    const struct pair *a = *(const struct pair *const *)left,
                      *b = *(const struct pair *const *)right;
    if (a->name != b->name)
        return a->name < b->name ? -1 : 1;
    return (a->value > b->value) - (a->value < b->value);
}

/* The refs of every pair, pair after pair, each ascending. */
static uint32_t *gather_refs(struct block_writer *w)
{
    uint32_t *out = mem_array(w->n_labels + 1, sizeof *out);
    uint32_t begin = 0;
    CHECK(w->n_labels <= UINT32_MAX);
    for (size_t i = 0; i < w->n_pairs; i++) {
        w->pairs[i].begin = begin;
        begin += w->pairs[i].n;
        w->pairs[i].n = 0;
    }
    for (size_t s = 0, k = 0; s < w->n_series; s++) {
        for (; k < w->label_ends[s]; k++) {
            struct pair *p = &w->pairs[w->labels[k]];
            out[p->begin + p->n++] = w->refs[s];
        }
    }
    return out;
}

/* One list of refs, and its row in the table. */
static bool write_postings(struct block_writer *w, struct str name, struct str value,
                           const uint32_t *refs, size_t n, struct buf *table, struct err *err)
{
    struct buf content = BUF_INIT;
    block_file_align(&w->index, 4);
    buf_add_char(table, 2);
    buf_add_uvarint(table, name.n);
    buf_add_str(table, name);
    buf_add_uvarint(table, value.n);
    buf_add_str(table, value);
    buf_add_uvarint(table, w->index.offset);
    buf_add_be32(&content, (uint32_t)n);
    for (size_t i = 0; i < n; i++)
        buf_add_be32(&content, refs[i]);
    bool done = write_section(&w->index, &content, err);
    buf_release(&content);
    return done;
}

static bool write_all_postings(struct block_writer *w, struct buf *table, struct err *err)
{
    const struct pair **order = mem_array(w->n_pairs + 1, sizeof *order);
    uint32_t *refs = gather_refs(w);
    for (size_t i = 0; i < w->n_pairs; i++)
        order[i] = &w->pairs[i];
    if (w->n_pairs > 1)
        qsort(order, w->n_pairs, sizeof *order, compare_pairs);
    w->postings_at = w->index.offset;
    buf_add_be32(table, (uint32_t)(w->n_pairs + 1));
    bool done = write_postings(w, STR(""), STR(""), w->refs, w->n_series, table, err);
    for (size_t i = 0; done && i < w->n_pairs; i++) {
        const struct pair *p = order[i];
        done = write_postings(w, w->symbols[p->name], w->symbols[p->value], refs + p->begin, p->n,
                              table, err);
    }
    free(refs);
    free(order);
    return done;
}

/* Label indices are a thing of the past: their table is there, and empty. */
static bool write_tables(struct block_writer *w, struct err *err)
{
    struct buf table = BUF_INIT, none = BUF_INIT;
    buf_add_be32(&none, 0);
    bool done = write_all_postings(w, &table, err);
    if (done) {
        w->label_table_at = w->index.offset;
        done = write_section(&w->index, &none, err);
    }
    if (done) {
        w->postings_table_at = w->index.offset;
        done = write_section(&w->index, &table, err);
    }
    buf_release(&none);
    buf_release(&table);
    return done;
}

static void write_contents(struct block_writer *w)
{
    const uint64_t at[] = {w->symbols_at,     w->series_at,   w->postings_at,
                           w->label_table_at, w->postings_at, w->postings_table_at};
    struct buf out = BUF_INIT;
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        uint64_t v = htobe64(at[i]);
        buf_add(&out, &v, sizeof v);
    }
    block_file_add(&w->index, buf_str(&out));
    block_file_u32(&w->index, crc32c(0, out.p, out.n));
    buf_release(&out);
}

/* --- The whole --- */

static bool begin(struct block_writer *w, struct err *err)
{
    struct buf path = BUF_INIT;
    buf_printf(&path, "%s/chunks", w->path.p);
    bool done = file_make_folders(path.p, 0700, err);
    buf_clear(&path);
    buf_printf(&path, "%s/index", w->path.p);
    done = done && block_file_create(&w->index, path.p, err);
    buf_release(&path);
    if (!done)
        return false;
    block_file_u32(&w->index, INDEX_MAGIC);
    block_file_u8(&w->index, INDEX_VERSION);
    if (!write_symbols(w, err))
        return false;
    w->series_at = w->index.offset;
    return next_segment(w, err);
}

struct block_writer *block_writer_new(const char *folder, struct ulid ulid,
                                      const struct str *symbols, size_t n_symbols,
                                      size_t chunk_samples, struct err *err)
{
    struct block_writer *w = mem_zalloc(sizeof *w);
    CHECK(chunk_samples > 0 && chunk_samples <= BLOCK_CHUNK_MAX_SAMPLES);
    w->parent = folder;
    w->ulid = ulid;
    w->symbols = symbols;
    w->n_symbols = n_symbols;
    w->chunk_samples = chunk_samples;
    w->numbers = map_new();
    w->chunks.fd = w->index.fd = -1;
    buf_printf(&w->path, "%s/%s" BLOCK_TEMPORARY, folder, ulid.text);
    if (begin(w, err))
        return w;
    block_writer_free(w);
    return NULL;
}

static bool write_small_file(const struct block_writer *w, const char *name, struct str content,
                             struct err *err)
{
    struct buf path = BUF_INIT;
    struct block_file f = {.fd = -1};
    buf_printf(&path, "%s/%s", w->path.p, name);
    bool done = block_file_create(&f, path.p, err);
    if (done) {
        block_file_add(&f, content);
        done = block_file_finish(&f, err);
    }
    block_file_release(&f);
    buf_release(&path);
    return done;
}

static bool write_meta(struct block_writer *w, struct block_meta *meta, struct err *err)
{
    static const char no_tombstones[9] = "\x01\x30\xba\x30\x01";
    struct buf text = BUF_INIT;
    meta->ulid = w->ulid;
    meta->n_samples = w->n_samples;
    meta->n_series = w->n_series;
    meta->n_chunks = w->n_chunks;
    meta->n_tombstones = 0;
    block_meta_write(meta, &text);
    bool done = write_small_file(w, "meta.json", buf_str(&text), err) &&
                write_small_file(w, "tombstones", str_make(no_tombstones, 9), err);
    buf_release(&text);
    return done;
}

static bool publish(struct block_writer *w, struct err *err)
{
    struct buf chunks = BUF_INIT, final = BUF_INIT;
    buf_printf(&chunks, "%s/chunks", w->path.p);
    buf_printf(&final, "%s/%s", w->parent, w->ulid.text);
    bool done = file_sync_folder(chunks.p, err) && file_sync_folder(w->path.p, err) &&
                block_rename(w->path.p, final.p, err);
    if (done)
        w->finished = true;
    done = done && file_sync_folder(w->parent, err);
    buf_release(&final);
    buf_release(&chunks);
    return done;
}

bool block_writer_finish(struct block_writer *w, struct block_meta *meta, struct err *err)
{
    if (!write_tables(w, err))
        return false;
    write_contents(w);
    return block_file_finish(&w->index, err) && block_file_finish(&w->chunks, err) &&
           write_meta(w, meta, err) && publish(w, err);
}

void block_writer_free(struct block_writer *w)
{
    if (!w)
        return;
    block_file_release(&w->index);
    block_file_release(&w->chunks);
    if (!w->finished)
        block_remove_folder(w->path.p);
    map_free(w->numbers);
    buf_release(&w->path);
    buf_release(&w->entry);
    bit_writer_release(&w->bits);
    free(w->known);
    free(w->pairs);
    free(w->pair_slots);
    free(w->refs);
    free(w->label_ends);
    free(w->labels);
    free(w);
}
