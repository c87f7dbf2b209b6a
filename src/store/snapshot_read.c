/* Two threads share the work: one makes the series (labels, index, tap), the other fills them
 * (states, chunks, histograms). They write to different fields, and each checks the frames that it
 * reads. */
#include "base/file.h"
#include "base/mem.h"
#include "block/cursor.h"
#include "store/record.h"
#include "store/snapshot.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#define MAX_SERIES HEAD_SLOT_MASK
#define SERIES_MIN_BYTES 20 /* what one takes at least, of all frames together */
#define MAX_LABELS 100000

struct frame {
    enum snapshot_frame_type type;
    uint32_t crc;
    struct str payload; /* in the mapped file */
};

struct snapshot {
    char *path;
    struct str bytes;
    struct frame *frames;
    size_t n_frames, capacity;
    struct snapshot_facts facts;
};

/* --- Opening --- */

static uint32_t get_u32(struct str s, size_t at)
{
    uint32_t v;
    memcpy(&v, s.p + at, sizeof v);
    return le32toh(v);
}

static uint64_t take_u64(struct block_cursor *c)
{
    uint64_t v = 0;
    struct str s = cursor_bytes(c, sizeof v);
    if (s.n == sizeof v)
        memcpy(&v, s.p, sizeof v);
    return le64toh(v);
}

static bool frame_is_whole(const struct frame *f)
{
    const char type = (char)f->type;
    return crc32c(crc32c(0, &type, 1), f->payload.p, f->payload.n) == f->crc;
}

/* Nobody looks into a first one that is not the first, or a last one that is not the last. */
static bool ends_are_ends(const struct snapshot *s)
{
    for (size_t i = 0; i < s->n_frames; i++) {
        if ((s->frames[i].type == SNAPSHOT_FACTS) != (i == 0) ||
            (s->frames[i].type == SNAPSHOT_END) != (i == s->n_frames - 1))
            return false;
    }
    return s->n_frames >= 2;
}

/* Where the frames are; what is in them is looked at by whoever reads them. */
static bool list_frames(struct snapshot *s)
{
    struct str rest = s->bytes;
    if (!str_starts(rest, STR(SNAPSHOT_MAGIC)) || rest.n < SNAPSHOT_HEADER_BYTES ||
        rest.p[SNAPSHOT_HEADER_BYTES - 1] != SNAPSHOT_VERSION)
        return false;
    rest = str_make(rest.p + SNAPSHOT_HEADER_BYTES, rest.n - SNAPSHOT_HEADER_BYTES);
    while (rest.n >= SNAPSHOT_FRAME_BYTES) {
        uint32_t size = get_u32(rest, 0), type = get_u32(rest, 8);
        if (size > rest.n - SNAPSHOT_FRAME_BYTES || type < SNAPSHOT_FACTS || type > SNAPSHOT_END)
            return false;
        s->frames = mem_grow(s->frames, s->n_frames, &s->capacity, sizeof *s->frames);
        s->frames[s->n_frames++] = (struct frame){(enum snapshot_frame_type)type, get_u32(rest, 4),
                                                  str_make(rest.p + SNAPSHOT_FRAME_BYTES, size)};
        rest = str_make(rest.p + SNAPSHOT_FRAME_BYTES + size, rest.n - SNAPSHOT_FRAME_BYTES - size);
    }
    return rest.n == 0 && ends_are_ends(s);
}

static uint32_t take_u32(struct block_cursor *c, uint64_t most)
{
    uint64_t v = cursor_uvarint(c);
    c->bad |= v > most;
    return c->bad ? 0 : (uint32_t)v;
}

static void take_segments(struct block_cursor *c, struct snapshot_facts *f)
{
    uint64_t n = cursor_uvarint(c);
    c->bad |= n > c->n;
    f->n_segments = c->bad ? 0 : (size_t)n;
    f->segments = mem_array(f->n_segments + 1, sizeof *f->segments);
    for (size_t i = 0; i < f->n_segments; i++) {
        uint32_t number = take_u32(c, UINT32_MAX - 1);
        int64_t max_t_ms = cursor_varint(c);
        f->segments[i] = (struct wal_segment){number, max_t_ms, cursor_uvarint(c)};
    }
}

static bool take_facts(struct snapshot *s)
{
    struct snapshot_facts *f = &s->facts;
    struct block_cursor c = cursor_of(s->frames[0].payload);
    int64_t *const times[] = {&f->border_ms, &f->late_min_ms, &f->horizon_ms,
                              &f->min_t_ms,  &f->max_t_ms,    &f->blocks_max_ms};
    if (!frame_is_whole(&s->frames[0]))
        return false;
    f->segment = take_u32(&c, UINT32_MAX - 1);
    f->offset = cursor_uvarint(&c);
    f->next_id = take_u32(&c, UINT32_MAX);
    f->n_series = take_u32(&c, MAX_SERIES);
    f->n_pairs = take_u32(&c, INDEX_BLOCK * (uint32_t)INDEX_BLOCKS - 1);
    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        *times[i] = cursor_varint(&c);
    take_segments(&c, f);
    return !c.bad && c.n == 0 && f->segment > 0 && f->n_series <= s->bytes.n / SERIES_MIN_BYTES &&
           f->n_pairs <= s->bytes.n / 2;
}

struct snapshot *snapshot_open(const char *path, struct err *err)
{
    struct snapshot *s = mem_zalloc(sizeof *s);
    s->path = mem_strdup(path);
    bool done = false;
    if (!file_exists(path)) {
        err_set(err, ERR_NOT_FOUND, "there is no %s", path);
    } else if (block_map_file(path, &s->bytes, err)) {
        done = list_frames(s) && take_facts(s);
        if (!done)
            err_set(err, ERR_CORRUPT, "%s is damaged, unfinished or of another version", path);
    }
    if (done)
        return s;
    snapshot_close(s);
    return NULL;
}

const struct snapshot_facts *snapshot_facts(const struct snapshot *s)
{
    return &s->facts;
}

uint64_t snapshot_size(const struct snapshot *s)
{
    return s->bytes.n;
}

void snapshot_close(struct snapshot *s)
{
    if (!s)
        return;
    block_unmap(s->bytes);
    free(s->facts.segments);
    free(s->frames);
    free(s->path);
    free(s);
}

/* --- Making the series --- */

/* A pair is in the index when the first series has it. */
struct pair {
    struct label label;
    uint32_t number; /* the index's, plus 1; 0 = not yet */
};

struct maker {
    const struct snapshot *snapshot;
    struct head *head;
    struct pair *pairs; /* by the file's numbers */
    uint32_t n_pairs;
    uint32_t n_series;
    uint64_t *hashes; /* of their labels */
    struct series **defined;
    struct arena arena;
};

static bool make_pairs(struct maker *m, struct str payload)
{
    struct block_cursor c = cursor_of(payload);
    struct str name = STR("");
    while (c.n > 0) {
        struct str own = cursor_string(&c), value = cursor_string(&c);
        name = own.n > 0 ? own : name;
        if (c.bad || name.n == 0 || value.n == 0 || m->n_pairs == m->snapshot->facts.n_pairs)
            return false;
        m->pairs[m->n_pairs++].label = (struct label){name, value};
    }
    return !c.bad;
}

/* False: it is there twice. */
static bool number_of(struct maker *m, uint32_t pair, uint32_t *out)
{
    struct pair *p = &m->pairs[pair];
    bool known = false;
    if (p->number == 0)
        p->number = index_intern(&m->head->index, p->label, &known) + 1;
    *out = p->number - 1;
    return !known;
}

/* Names must ascend; series come in families, so mostly those of the one before have shown it. */
static bool names_ascend(const struct index *x, const uint32_t *v, const uint32_t *before,
                         uint32_t n, uint32_t n_before)
{
    for (uint32_t i = 1; i < n; i++) {
        const struct index_name *left = index_pair_of(x, v[i - 1])->name;
        const struct index_name *right = index_pair_of(x, v[i])->name;
        if (i < n_before && index_pair_of(x, before[i - 1])->name == left &&
            index_pair_of(x, before[i])->name == right)
            continue;
        if (str_cmp(left->name, right->name) >= 0)
            return false;
    }
    return true;
}

/* One series' labels; `v` holds those of the one before, in the file's numbers. */
struct family {
    uint32_t *file, *index, *index_before;
    uint32_t n, n_before, capacity;
};

static void reserve_labels(struct family *f, uint32_t n)
{
    if (n <= f->capacity)
        return;
    uint32_t more = n * 2;
    f->file = mem_resize(f->file, more, sizeof *f->file);
    f->index = mem_resize(f->index, more, sizeof *f->index);
    f->index_before = mem_resize(f->index_before, more, sizeof *f->index_before);
    f->capacity = more;
}

static bool take_labels(struct maker *m, struct block_cursor *c, struct family *f)
{
    uint32_t n = take_u32(c, MAX_LABELS);
    if (c->bad || n > c->n)
        return false;
    reserve_labels(f, n + 1);
    uint32_t *before = f->index;
    f->index = f->index_before;
    f->index_before = before;
    f->n_before = f->n;
    for (uint32_t i = 0; i < n; i++) {
        int64_t number = (int64_t)((i < f->n ? f->file[i] : 0) + (uint64_t)cursor_varint(c));
        if (c->bad || number < 0 || number >= m->n_pairs ||
            !number_of(m, (uint32_t)number, &f->index[i]))
            return false;
        f->file[i] = (uint32_t)number;
    }
    f->n = n;
    return names_ascend(&m->head->index, f->index, f->index_before, n, f->n_before);
}

static bool define(struct maker *m, uint64_t id, struct series *s)
{
    if (id == 0)
        return true;
    if (id > m->snapshot->facts.next_id || m->defined[id - 1])
        return false;
    m->defined[id - 1] = s;
    return true;
}

static bool make_one(struct maker *m, struct block_cursor *c, struct family *f)
{
    if (m->n_series == m->snapshot->facts.n_series || !take_labels(m, c, f))
        return false;
    uint64_t hash = take_u64(c), id = cursor_uvarint(c);
    uint32_t slot = m->n_series + 1;
    if (c->bad)
        return false;
    m->hashes[slot - 1] = hash;
    head_name(m->head, slot, (struct label_set){f->n, f->index});
    struct series *s = head_place(m->head, slot);
    m->n_series = slot;
    if (m->head->tap) {
        head_bind(m->head, s, head_labels(m->head, &m->arena, s));
        arena_clear(&m->arena);
    }
    return define(m, id, s);
}

static bool make_series(struct maker *m, struct str payload)
{
    struct block_cursor c = cursor_of(payload);
    struct family f = {0};
    bool done = true;
    while (done && c.n > 0)
        done = make_one(m, &c, &f);
    free(f.file);
    free(f.index);
    free(f.index_before);
    return done;
}

static bool make_all(struct maker *m)
{
    const struct snapshot *s = m->snapshot;
    for (size_t i = 0; i < s->n_frames; i++) {
        const struct frame *f = &s->frames[i];
        if (f->type != SNAPSHOT_LABELS && f->type != SNAPSHOT_SERIES)
            continue;
        if (!frame_is_whole(f) ||
            !(f->type == SNAPSHOT_LABELS ? make_pairs(m, f->payload) : make_series(m, f->payload)))
            return false;
    }
    return head_publish(m->head, m->hashes, m->n_series);
}

/* --- Filling them --- */

struct filler {
    const struct snapshot *snapshot;
    struct head *head;
    uint32_t n_series;
    int64_t bytes; /* memory */
    bool done;
};

struct bits {
    const uint8_t *bytes;
    size_t n_bits;
    unsigned n;
    struct chunk_walk walk;
};

/* A chunk; what is behind it in the payload is at least the padding. */
static bool take_bits(struct block_cursor *c, struct bits *b)
{
    struct str n = cursor_bytes(c, 1);
    uint64_t n_bits = cursor_uvarint(c);
    if (c->bad || n_bits > UINT32_MAX)
        return false;
    struct str bytes = cursor_bytes(c, (n_bits + 7) / 8);
    if (c->bad || c->n < CHUNK_WALK_PAD)
        return false;
    b->bytes = (const uint8_t *)bytes.p;
    b->n_bits = (size_t)n_bits;
    b->n = (uint8_t)n.p[0];
    return chunk_walk(b->bytes, b->n_bits, b->n, &b->walk);
}

static bool fill_chunks(struct filler *f, struct series *s, struct block_cursor *c)
{
    uint64_t n = cursor_uvarint(c);
    struct bits b;
    if (c->bad || n > c->n / 16)
        return false;
    if (n > 0) {
        s->chunks = mem_resize(NULL, n, sizeof *s->chunks);
        s->chunk_capacity = (uint32_t)n;
    }
    for (; s->n_chunks < n; s->n_chunks++) {
        struct chunk *chunk = &s->chunks[s->n_chunks];
        if (!take_bits(c, &b) || (s->n_chunks > 0 && b.walk.first_t_ms <= chunk[-1].last_t_ms) ||
            !chunk_sealed_from(chunk, &f->head->slab, b.bytes, b.n_bits, b.n, &b.walk))
            return false;
        f->bytes += (int64_t)chunk_memory(chunk);
    }
    return true;
}

static bool fill_open(struct filler *f, struct series *s, struct block_cursor *c, int64_t last_t_ms,
                      uint64_t last_bits)
{
    struct bits b;
    if (!take_bits(c, &b) || b.walk.last_t_ms != last_t_ms || b.walk.tail.bits != last_bits ||
        (s->n_chunks > 0 && b.walk.first_t_ms <= s->chunks[s->n_chunks - 1].last_t_ms) ||
        !chunk_open_from(&s->open, &f->head->slab, b.bytes, b.n_bits, b.n, &b.walk))
        return false;
    f->bytes += (int64_t)chunk_open_memory(&s->open);
    return true;
}

static bool fill_one(struct filler *f, struct block_cursor *c, int64_t *last_t_ms)
{
    if (f->n_series == f->snapshot->facts.n_series)
        return false;
    struct series *s = head_place(f->head, ++f->n_series);
    *last_t_ms = (int64_t)((uint64_t)*last_t_ms + (uint64_t)cursor_varint(c));
    struct str flags = cursor_bytes(c, 1);
    uint64_t bits = take_u64(c);
    if (c->bad)
        return false;
    uint64_t base = flags.p[0] & 2 ? bits : take_u64(c);
    memcpy(&s->base, &base, sizeof s->base);
    atomic_store_explicit(&s->last_bits, bits, memory_order_relaxed);
    atomic_store_explicit(&s->last_t_ms, *last_t_ms, memory_order_relaxed);
    if (!fill_chunks(f, s, c) || (flags.p[0] & 1 && !fill_open(f, s, c, *last_t_ms, bits)))
        return false;
    return s->n_chunks == 0 || s->chunks[s->n_chunks - 1].last_t_ms <= *last_t_ms;
}

static bool fill_data(struct filler *f, struct str payload)
{
    struct block_cursor c = cursor_of(payload);
    int64_t last_t_ms = 0;
    while (c.n > CHUNK_WALK_PAD) {
        if (!fill_one(f, &c, &last_t_ms))
            return false;
    }
    return c.n == CHUNK_WALK_PAD;
}

/* --- Histograms and late samples --- */

static bool take_histograms(struct block_cursor *c, struct series_rest *r, int64_t *bytes)
{
    uint64_t n = cursor_uvarint(c);
    struct str from = str_make(c->p, c->n);
    if (c->bad || n > c->n)
        return false;
    for (uint64_t i = 0; i < n; i++) {
        struct histogram_chunk chunk;
        const struct histogram_chunk *before = r->n_chunks > 0 ? &r->chunks[r->n_chunks - 1] : NULL;
        if (!histogram_chunk_take(&from, before, &chunk))
            return false;
        r->chunks = mem_grow(r->chunks, r->n_chunks, &r->chunk_capacity, sizeof *r->chunks);
        before = r->n_chunks > 0 ? &r->chunks[r->n_chunks - 1] : NULL;
        bool after = !before || chunk.first_t_ms > before->last_t_ms;
        r->chunks[r->n_chunks++] = chunk;
        *bytes += (int64_t)histogram_chunk_memory(&chunk);
        if (!after)
            return false;
    }
    *c = cursor_of(from);
    return true;
}

static bool take_late_floats(struct block_cursor *c, struct late *l, int64_t *bytes)
{
    uint64_t n = cursor_uvarint(c);
    struct sample v[CHUNK_MAX_SAMPLES];
    struct bits b;
    if (c->bad || n > c->n)
        return false;
    for (uint64_t i = 0; i < n; i++) {
        /* More never stand in one, and what adds one to them counts on it. */
        if (!take_bits(c, &b) || b.n > CHUNK_MIN_SAMPLES)
            return false;
        const struct chunk chunk = {.bytes = (uint8_t *)(uintptr_t)b.bytes,
                                    .n_bits = (uint32_t)b.n_bits,
                                    .n = (uint16_t)b.n};
        if (!late_add_chunk(l, v, chunk_read(&chunk, v), bytes))
            return false;
    }
    return true;
}

static bool take_late_histograms(struct block_cursor *c, struct late *l, int64_t *bytes)
{
    uint64_t n = cursor_uvarint(c);
    struct str from = str_make(c->p, c->n);
    if (c->bad || n > c->n)
        return false;
    for (uint64_t i = 0; i < n; i++) {
        struct histogram_chunk chunk;
        if (!histogram_chunk_take(&from, NULL, &chunk))
            return false;
        if (!late_add_histograms(l, &chunk, bytes)) {
            histogram_chunk_release(&chunk);
            return false;
        }
    }
    *c = cursor_of(from);
    return true;
}

static bool take_tail(struct block_cursor *c, struct series_rest *r, int64_t *bytes)
{
    struct str has = cursor_bytes(c, 1);
    if (c->bad || has.p[0] == 0)
        return !c->bad;
    struct arena arena = ARENA_INIT;
    struct record_cursor cursor = {0};
    struct record_sample newest;
    struct str from = str_make(c->p, c->n);
    bool bad, done = record_take_sample(&from, &cursor, &arena, &newest, &bad) && newest.h;
    if (done) {
        histogram_tail_set(&r->tail, newest.h);
        *bytes += (int64_t)histogram_tail_memory(&r->tail);
        *c = cursor_of(from);
    }
    arena_release(&arena);
    return done;
}

/* A chunk of histograms needs the newest one to go on from; and a series that says its newest
 * sample is a histogram must have one. */
static bool is_one_whole(const struct series_rest *r)
{
    bool says = atomic_load(&r->histogram_t_ms) != INT64_MIN;
    return says == (r->tail.layout != NULL) && (says || r->n_chunks == 0);
}

static bool fill_rest(struct filler *f, struct block_cursor *c)
{
    uint64_t number = cursor_uvarint(c);
    if (c->bad || number == 0 || number > f->n_series)
        return false;
    struct series *s = head_place(f->head, (uint32_t)number);
    if (atomic_load(&s->rest))
        return false;
    struct series_rest *r = head_need_rest(s);
    atomic_store(&r->histogram_t_ms, cursor_varint(c));
    return take_tail(c, r, &f->bytes) && take_late_floats(c, &r->late, &f->bytes) &&
           take_late_histograms(c, &r->late, &f->bytes) && take_histograms(c, r, &f->bytes) &&
           is_one_whole(r);
}

static bool fill_rests(struct filler *f, struct str payload)
{
    struct block_cursor c = cursor_of(payload);
    while (c.n > CHUNK_WALK_PAD) {
        if (!fill_rest(f, &c))
            return false;
    }
    return c.n == CHUNK_WALK_PAD;
}

static void *fill_all(void *arg)
{
    struct filler *f = arg;
    const struct snapshot *s = f->snapshot;
    bool done = true;
    for (size_t i = 0; done && i < s->n_frames; i++) {
        const struct frame *frame = &s->frames[i];
        if (frame->type == SNAPSHOT_DATA)
            done = frame_is_whole(frame) && fill_data(f, frame->payload);
        else if (frame->type == SNAPSHOT_REST)
            done = frame_is_whole(frame) && fill_rests(f, frame->payload);
    }
    f->done = done;
    return NULL;
}

/* --- What is left when both are done --- */

static bool load_exemplars(struct head *h, struct str payload)
{
    struct arena arena = ARENA_INIT;
    struct record_exemplar r;
    bool bad, known = true;
    while (known && record_take_exemplar(&payload, &arena, &r, &bad)) {
        struct store_exemplar e = {r.labels, r.v, r.t_ms};
        known = r.id > 0 && r.id <= atomic_load(&h->n_used);
        if (known)
            (void)exemplars_add(&h->exemplars, r.id, &e);
        arena_clear(&arena);
    }
    arena_release(&arena);
    return known && !bad;
}

static bool load_gone_one(struct head *h, struct block_cursor *c, int64_t *bytes)
{
    struct gone_series g = {.hash = take_u64(c), .last_t_ms = cursor_varint(c)};
    g.last_bits = take_u64(c);
    uint64_t base = take_u64(c);
    struct str has_rest = cursor_bytes(c, 1);
    memcpy(&g.base, &base, sizeof g.base);
    if (c->bad)
        return false;
    if (has_rest.p[0]) {
        g.rest = rest_new();
        atomic_store(&g.rest->histogram_t_ms, cursor_varint(c));
        if (c->bad || !take_tail(c, g.rest, bytes) || !is_one_whole(g.rest)) {
            rest_free(g.rest);
            return false;
        }
    }
    gone_put(g.rest ? &h->gone_histograms : &h->gone, &g);
    return true;
}

static bool load_gone(struct head *h, struct str payload)
{
    struct block_cursor c = cursor_of(payload);
    int64_t bytes = 0; /* they do not count */
    while (c.n > 0) {
        if (!load_gone_one(h, &c, &bytes))
            return false;
    }
    return true;
}

/* The sums last: whatever fails after them would leave them counted. */
static bool load_few(const struct snapshot *s, struct head *h)
{
    struct str tap = STR("");
    for (size_t i = 0; i < s->n_frames; i++) {
        const struct frame *f = &s->frames[i];
        bool few =
            f->type == SNAPSHOT_GONE || f->type == SNAPSHOT_EXEMPLARS || f->type == SNAPSHOT_TAP;
        if (few && !frame_is_whole(f))
            return false;
        if (f->type == SNAPSHOT_GONE && !load_gone(h, f->payload))
            return false;
        if (f->type == SNAPSHOT_EXEMPLARS && !load_exemplars(h, f->payload))
            return false;
        if (f->type == SNAPSHOT_TAP)
            tap = f->payload;
    }
    return !h->tap || h->tap->load(h->tap->self, tap);
}

static bool end_agrees(const struct snapshot *s, uint32_t n_series)
{
    const struct frame *end = &s->frames[s->n_frames - 1];
    struct block_cursor c = cursor_of(end->payload);
    uint64_t n = cursor_uvarint(&c), n_frames = cursor_uvarint(&c);
    return frame_is_whole(end) && !c.bad && n == n_series && n_frames == s->n_frames - 1;
}

static void tell_newest(struct head *h)
{
    const struct store_tap *tap = h->tap;
    for (uint32_t slot = 1; tap && slot <= atomic_load(&h->n_used); slot++) {
        const struct series *s = head_place(h, slot);
        int64_t t_ms = atomic_load(&s->last_t_ms);
        uint64_t bits = atomic_load(&s->last_bits);
        double v;
        memcpy(&v, &bits, sizeof v);
        if (s->token && t_ms != SERIES_EMPTY && !head_newest_is_histogram(s))
            tap->newest(tap->self, s->token, t_ms, v);
    }
}

/* The blocks are those of then: what was late still is. Else all that is older than the blocks' end
 * counts as late, as when the log is read. */
static void set_times(const struct snapshot_facts *f, struct head *h, int64_t bytes)
{
    int64_t blocks_ms = atomic_load(&h->border_ms);
    atomic_store(&h->chunk_bytes, bytes);
    atomic_store(&h->min_t_ms, f->min_t_ms);
    atomic_store(&h->max_t_ms, f->max_t_ms);
    if (blocks_ms == (f->blocks_max_ms == 0 ? INT64_MIN : f->blocks_max_ms)) {
        atomic_store(&h->border_ms, f->border_ms > blocks_ms ? f->border_ms : blocks_ms);
        atomic_store(&h->late_min_ms, f->late_min_ms);
        atomic_store(&h->horizon_ms, f->horizon_ms);
    } else {
        head_note_loaded(h, f->min_t_ms);
    }
}

static bool load_series(struct snapshot *s, struct maker *m, struct filler *f)
{
    pthread_t thread;
    head_reserve(m->head, s->facts.n_series);
    bool alone = pthread_create(&thread, NULL, fill_all, f) != 0;
    bool made = make_all(m);
    if (alone)
        (void)fill_all(f);
    else
        pthread_join(thread, NULL);
    if (!made || !f->done || m->n_series != f->n_series || !end_agrees(s, m->n_series))
        return false;
    head_reserve_end(m->head, m->n_series);
    return true;
}

bool snapshot_load(struct snapshot *s, struct head *h, struct series ***defined, struct err *err)
{
    struct maker m = {.snapshot = s, .head = h};
    struct filler f = {.snapshot = s, .head = h};
    arena_init(&m.arena);
    m.pairs = mem_array((size_t)s->facts.n_pairs + 1, sizeof *m.pairs);
    m.hashes = mem_array((size_t)s->facts.n_series + 1, sizeof *m.hashes);
    m.defined = mem_array((size_t)s->facts.next_id + 1, sizeof *m.defined);
    bool done = load_series(s, &m, &f) && load_few(s, h);
    if (done) {
        set_times(&s->facts, h, f.bytes);
        tell_newest(h);
        *defined = m.defined;
        m.defined = NULL;
    } else {
        err_set(err, ERR_CORRUPT, "%s is damaged", s->path);
    }
    free(m.defined);
    free(m.hashes);
    free(m.pairs);
    arena_release(&m.arena);
    return done;
}
