#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "codec/bits.h"
#include "store/internal.h"
#include "store/record.h"
#include "store/snapshot.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define GROUP_SERIES 256 /* for which appends wait at once */
#define FRAME_FULL_BYTES (1u << 20)
#define SYNC_EVERY_BYTES (UINT64_C(4) << 20) /* so that the log's syncs find little to wait for */
#define GROUP_PAIRS 16384
#define NO_PAIR UINT32_MAX

struct writer {
    struct store *store;
    struct capture *capture;
    const struct snapshot_writing *how;
    struct block_file file;
    struct buf labels, series, data; /* payloads under way */
    struct arena arena;
    uint32_t *pairs; /* the index's numbers to the file's */
    uint32_t n_pairs;
    struct label_set before; /* of the series before, by the index's numbers */
    int64_t before_t_ms;
    uint32_t n_series, n_frames;
    int64_t begin_ns;
    uint64_t synced;
};

/* --- Frames --- */

static bool keep_pace(struct writer *w, struct err *err)
{
    if (w->how->stop && atomic_load(w->how->stop))
        return err_set(err, ERR_TIMEOUT, "the store is being closed");
    if (w->file.offset - w->synced < SYNC_EVERY_BYTES || w->how->bytes_a_second == 0)
        return true;
    w->synced = w->file.offset;
    if (!file_sync(w->file.fd, w->file.path.p, err))
        return false;
    int64_t due_ns = (int64_t)((double)w->synced * 1e9 / (double)w->how->bytes_a_second);
    int64_t ahead_ns = due_ns - (clock_mono_ns() - w->begin_ns);
    if (ahead_ns > 0)
        (void)nanosleep(&(struct timespec){ahead_ns / 1000000000, ahead_ns % 1000000000}, NULL);
    return true;
}

static bool put_frame(struct writer *w, enum snapshot_frame_type type, struct buf *payload,
                      struct err *err)
{
    struct buf head = BUF_INIT;
    const char type_byte = (char)type;
    uint32_t crc = crc32c(crc32c(0, &type_byte, 1), payload->p, payload->n);
    buf_add_u32(&head, (uint32_t)payload->n);
    buf_add_u32(&head, crc);
    buf_add_u32(&head, (uint32_t)type);
    block_file_add(&w->file, buf_str(&head));
    block_file_add(&w->file, buf_str(payload));
    buf_release(&head);
    buf_clear(payload);
    w->n_frames++;
    return block_file_drain(&w->file, err) && keep_pace(w, err);
}

static void add_padding(struct buf *out)
{
    static const char zeros[CHUNK_WALK_PAD];
    buf_add(out, zeros, sizeof zeros);
}

/* --- Facts --- */

static bool put_facts(struct writer *w, struct err *err)
{
    const struct snapshot_facts *f = &w->capture->facts;
    struct buf *out = &w->data;
    const int64_t times[] = {f->border_ms, f->late_min_ms, f->horizon_ms,
                             f->min_t_ms,  f->max_t_ms,    f->blocks_max_ms};
    buf_add_uvarint(out, f->segment);
    buf_add_uvarint(out, f->offset);
    buf_add_uvarint(out, f->next_id);
    buf_add_uvarint(out, f->n_series);
    buf_add_uvarint(out, w->n_pairs);
    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        buf_add_varint(out, times[i]);
    buf_add_uvarint(out, f->n_segments);
    for (size_t i = 0; i < f->n_segments; i++) {
        buf_add_uvarint(out, f->segments[i].number);
        buf_add_varint(out, f->segments[i].max_t_ms);
        buf_add_uvarint(out, f->segments[i].size_bytes);
    }
    return put_frame(w, SNAPSHOT_FACTS, out, err);
}

/* --- Labels --- */

static void add_text(struct buf *out, struct str s)
{
    buf_add_uvarint(out, s.n);
    buf_add_str(out, s);
}

/* The name is left empty when it is the one of the pair before. */
static void add_pair(struct buf *out, const struct index_pair *p, const struct index_pair *before)
{
    add_text(out, before && before->name == p->name ? STR("") : p->name->name);
    add_text(out, p->value);
}

static void count_pairs(struct writer *w)
{
    struct head *h = &w->store->head;
    pthread_rwlock_rdlock(&h->index_lock);
    w->n_pairs = h->index.n_pairs;
    pthread_rwlock_unlock(&h->index_lock);
    w->pairs = mem_array((size_t)w->n_pairs + 1, sizeof *w->pairs);
}

/* In the order of the index's numbers, of which some are free. What comes later is of series that
 * come later. */
static bool put_labels(struct writer *w, struct err *err)
{
    struct head *h = &w->store->head;
    uint32_t n = 0;
    for (uint32_t from = 0; from < w->n_pairs; from += GROUP_PAIRS) {
        const struct index_pair *before = NULL;
        pthread_rwlock_rdlock(&h->index_lock);
        for (uint32_t i = from; i < w->n_pairs && i < from + GROUP_PAIRS; i++) {
            const struct index_pair *p = index_pair_of(&h->index, i);
            w->pairs[i] = p && p->n > 0 ? n++ : NO_PAIR;
            if (w->pairs[i] == NO_PAIR)
                continue;
            add_pair(&w->data, p, before);
            before = p;
        }
        pthread_rwlock_unlock(&h->index_lock);
        if (w->data.n > 0 && !put_frame(w, SNAPSHOT_LABELS, &w->data, err))
            return false;
    }
    return true;
}

/* --- Series --- */

static void add_series(struct writer *w, const struct series *s, const struct capture_line *line)
{
    struct buf *out = &w->series;
    struct label_set labels = s->labels;
    buf_add_uvarint(out, labels.n);
    for (uint32_t i = 0; i < labels.n; i++) {
        int64_t before = i < w->before.n ? w->pairs[w->before.v[i]] : 0;
        buf_add_varint(out, (int64_t)w->pairs[labels.v[i]] - before);
    }
    buf_add_u64(out, labels_hash(head_labels(&w->store->head, &w->arena, s)));
    arena_clear(&w->arena);
    buf_add_uvarint(out, line->wal_id);
    w->before = labels;
}

/* With zeros behind the last bit: the bytes may hold more by now. */
static void add_bits(struct buf *out, const uint8_t *bytes, size_t n_bits, unsigned n)
{
    size_t size = (n_bits + 7) / 8;
    buf_add_char(out, (char)n);
    buf_add_uvarint(out, n_bits);
    buf_add(out, bytes, size);
    if (n_bits % 8)
        out->p[out->n - 1] =
            (char)((unsigned)(uint8_t)out->p[out->n - 1] & (0xff00u >> n_bits % 8));
}

static int64_t begin_of(const struct capture_line *line)
{
    size_t at = 0;
    return line->n > 0 ? (int64_t)bits_get_wide(line->bytes, &at, 64) : INT64_MAX;
}

/* Sealed chunks stay as they are: those at the instant are the ones before the chunk that was open
 * then, and of a series without one, up to its newest sample. */
static bool was_sealed(const struct chunk *c, const struct capture_line *line, int64_t open_t_ms)
{
    return c->first_t_ms < open_t_ms && c->last_t_ms <= line->last_t_ms;
}

static void add_chunks(struct buf *out, const struct series *s, const struct capture_line *line)
{
    int64_t open_t_ms = begin_of(line);
    uint32_t n = 0;
    while (n < s->n_chunks && was_sealed(&s->chunks[n], line, open_t_ms))
        n++;
    buf_add_uvarint(out, n);
    for (uint32_t i = 0; i < n; i++)
        add_bits(out, s->chunks[i].bytes, s->chunks[i].n_bits, s->chunks[i].n);
}

/* `visible` is held. */
static void add_data(struct writer *w, const struct series *s, const struct capture_line *line)
{
    struct buf *out = &w->data;
    uint64_t base_bits;
    memcpy(&base_bits, &line->base, sizeof base_bits);
    buf_add_varint(out, (int64_t)((uint64_t)line->last_t_ms - (uint64_t)w->before_t_ms));
    buf_add_char(out, (char)((line->n > 0) | (base_bits == line->last_bits) << 1));
    buf_add_u64(out, line->last_bits);
    if (base_bits != line->last_bits)
        buf_add_u64(out, base_bits);
    add_chunks(out, s, line);
    if (line->n > 0)
        add_bits(out, line->bytes, line->n_bits, line->n);
    w->before_t_ms = line->last_t_ms;
}

static bool put_group(struct writer *w, uint32_t from, uint32_t to, struct err *err)
{
    struct head *h = &w->store->head;
    struct capture_line *lines = w->capture->lines;
    pthread_rwlock_rdlock(&h->visible);
    for (uint32_t i = from; i < to; i++) {
        if (!lines[i].is_free)
            add_data(w, head_place(h, i + 1), &lines[i]);
    }
    pthread_rwlock_unlock(&h->visible);
    for (uint32_t i = from; i < to; i++) {
        if (lines[i].is_free)
            continue;
        add_series(w, head_place(h, i + 1), &lines[i]);
        lines[i].number = ++w->n_series;
    }
    if (w->data.n == 0 || (w->data.n < FRAME_FULL_BYTES && to < w->capture->facts.n_series))
        return true;
    add_padding(&w->data);
    w->before = (struct label_set){0};
    w->before_t_ms = 0;
    return put_frame(w, SNAPSHOT_SERIES, &w->series, err) &&
           put_frame(w, SNAPSHOT_DATA, &w->data, err);
}

static bool put_series(struct writer *w, struct err *err)
{
    uint32_t n = w->capture->facts.n_series;
    for (uint32_t from = 0; from < n; from += GROUP_SERIES) {
        if (!put_group(w, from, n - from < GROUP_SERIES ? n : from + GROUP_SERIES, err))
            return false;
    }
    return true;
}

/* --- Histograms and late samples --- */

/* As sealed float chunks are; the open one as far as it had come. */
static void add_histograms(struct buf *out, const struct series_rest *r,
                           const struct capture_rest *rest)
{
    size_t n = 0;
    while (rest->n > 0 && n < r->n_chunks && r->chunks[n].first_t_ms <= rest->newest_first_t_ms)
        n++;
    buf_add_uvarint(out, n);
    for (size_t i = 0; i < n; i++) {
        struct histogram_chunk c = r->chunks[i];
        if (c.first_t_ms == rest->newest_first_t_ms) {
            c.n = rest->n;
            c.n_bits = rest->n_bits;
        }
        histogram_chunk_add(out, &c);
    }
}

static void add_rest(struct writer *w, uint32_t i)
{
    struct head *h = &w->store->head;
    const struct capture_line *line = &w->capture->lines[i];
    const struct capture_rest *rest = &w->capture->rests[line->rest - 1];
    struct buf *out = &w->data;
    buf_add_uvarint(out, line->number);
    buf_add_varint(out, rest->histogram_t_ms);
    buf_add(out, w->capture->text.p + rest->text, rest->text_bytes);
    pthread_rwlock_rdlock(&h->visible);
    add_histograms(out, atomic_load(&head_place(h, i + 1)->rest), rest);
    pthread_rwlock_unlock(&h->visible);
}

static bool put_rests(struct writer *w, struct err *err)
{
    const struct capture *c = w->capture;
    for (uint32_t i = 0; i < c->facts.n_series; i++) {
        if (c->lines[i].rest == 0)
            continue;
        add_rest(w, i);
        if (w->data.n < FRAME_FULL_BYTES)
            continue;
        add_padding(&w->data);
        if (!put_frame(w, SNAPSHOT_REST, &w->data, err))
            return false;
    }
    if (w->data.n == 0)
        return true;
    add_padding(&w->data);
    return put_frame(w, SNAPSHOT_REST, &w->data, err);
}

/* --- The few --- */

static bool put_exemplars(struct writer *w, struct err *err)
{
    const struct capture *c = w->capture;
    for (size_t i = 0; i < c->n_exemplars; i++) {
        const struct store_exemplar *e = &c->exemplars[i];
        uint32_t number = c->lines[head_slot(c->exemplar_refs[i]) - 1].number;
        record_add_exemplar(&w->data, &(struct record_exemplar){number, e->t_ms, e->v, e->labels});
    }
    return w->data.n == 0 || put_frame(w, SNAPSHOT_EXEMPLARS, &w->data, err);
}

static bool put_gone(struct writer *w, struct err *err)
{
    return w->capture->gone.n == 0 || put_frame(w, SNAPSHOT_GONE, &w->capture->gone, err);
}

static bool put_tap(struct writer *w, struct err *err)
{
    return !w->capture->has_tap || put_frame(w, SNAPSHOT_TAP, &w->capture->tap, err);
}

static bool put_end(struct writer *w, struct err *err)
{
    buf_add_uvarint(&w->data, w->n_series);
    buf_add_uvarint(&w->data, w->n_frames);
    return put_frame(w, SNAPSHOT_END, &w->data, err);
}

static bool put_all(struct writer *w, struct err *err)
{
    static const char header[SNAPSHOT_HEADER_BYTES] = SNAPSHOT_MAGIC;
    block_file_add(&w->file, str_make(header, sizeof header - 1));
    block_file_u8(&w->file, SNAPSHOT_VERSION);
    return put_facts(w, err) && put_labels(w, err) && put_series(w, err) && put_rests(w, err) &&
           put_gone(w, err) && put_exemplars(w, err) && put_tap(w, err) && put_end(w, err);
}

bool snapshot_write(struct store *s, struct capture *c, const char *path,
                    const struct snapshot_writing *how, uint64_t *size_bytes, struct err *err)
{
    struct writer w = {
        .store = s, .capture = c, .how = how, .file = {.fd = -1}, .begin_ns = clock_mono_ns()};
    (void)unlink(path);
    arena_init(&w.arena);
    count_pairs(&w);
    bool made = block_file_create(&w.file, path, err);
    bool done = made && put_all(&w, err) && block_file_finish(&w.file, err);
    *size_bytes = w.file.offset;
    if (made && !done)
        (void)unlink(path);
    block_file_release(&w.file);
    buf_release(&w.labels);
    buf_release(&w.series);
    buf_release(&w.data);
    arena_release(&w.arena);
    free(w.pairs);
    return done;
}
