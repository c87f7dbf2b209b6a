#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "store/internal.h"
#include "store/record.h"
#include "store/snapshot.h"

#include <stdlib.h>
#include <sys/mman.h>

#define SPARE_LINES 16384 /* for series that are made until the instant */

/* Written through before appends have to wait: the kernel zeroes pages at a third of the speed at
 * which lines are copied. */
static void map_lines(struct capture *c, uint32_t n_slots)
{
    c->capacity = (size_t)n_slots + n_slots / 16 + SPARE_LINES;
    void *p = mmap(NULL, c->capacity * sizeof *c->lines, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (p == MAP_FAILED)
        check_no_memory(c->capacity * sizeof *c->lines);
    c->lines = p;
}

static void add_late(struct buf *out, const struct late *l)
{
    buf_add_uvarint(out, l->n_chunks);
    for (size_t i = 0; i < l->n_chunks; i++) {
        const struct chunk *c = &l->chunks[i];
        buf_add_char(out, (char)c->n);
        buf_add_uvarint(out, c->n_bits);
        buf_add(out, c->bytes, (c->n_bits + 7) / 8);
    }
    buf_add_uvarint(out, l->n_histograms);
    for (size_t i = 0; i < l->n_histograms; i++)
        histogram_chunk_add(out, &l->histograms[i]);
}

static void add_tail(struct buf *out, const struct histogram_tail *tail)
{
    struct histogram newest;
    struct record_cursor cursor = {0};
    bool has_tail = histogram_tail_newest(tail, &newest);
    buf_add_char(out, has_tail);
    if (has_tail)
        record_add_sample(out, &cursor, &(struct record_sample){.h = &newest});
}

static void add_gone(void *arg, const struct gone_series *g)
{
    struct buf *out = arg;
    uint64_t base;
    memcpy(&base, &g->base, sizeof base);
    buf_add_u64(out, g->hash);
    buf_add_varint(out, g->last_t_ms);
    buf_add_u64(out, g->last_bits);
    buf_add_u64(out, base);
    buf_add_char(out, g->rest != NULL);
    if (!g->rest)
        return;
    buf_add_varint(out, atomic_load(&g->rest->histogram_t_ms));
    add_tail(out, &g->rest->tail);
}

static void copy_rest(struct capture *c, struct capture_line *line, const struct series_rest *r)
{
    struct capture_rest rest = {.histogram_t_ms = atomic_load(&r->histogram_t_ms),
                                .text = c->text.n};
    if (r->n_chunks > 0) {
        const struct histogram_chunk *open = &r->chunks[r->n_chunks - 1];
        rest.newest_first_t_ms = open->first_t_ms;
        rest.n = open->n;
        rest.n_bits = open->n_bits;
    }
    add_tail(&c->text, &r->tail);
    add_late(&c->text, &r->late);
    rest.text_bytes = c->text.n - rest.text;
    c->rests = mem_grow(c->rests, c->n_rests, &c->rest_capacity, sizeof *c->rests);
    c->rests[c->n_rests++] = rest;
    line->rest = (uint32_t)c->n_rests;
}

static void copy_series(struct capture *c, const struct series *s)
{
    struct capture_line *line = &c->lines[c->n++];
    *line = (struct capture_line){
        .last_t_ms = atomic_load_explicit(&s->last_t_ms, memory_order_relaxed),
        .last_bits = atomic_load_explicit(&s->last_bits, memory_order_relaxed),
        .base = s->base,
        .bytes = s->open.bytes,
        .n_bits = s->open.n_bits,
        .n = s->open.n,
        .wal_id =
            s->wal_segment == c->facts.segment && s->wal_id < c->facts.next_id ? s->wal_id + 1 : 0};
    const struct series_rest *rest = atomic_load_explicit(&s->rest, memory_order_relaxed);
    if (rest)
        copy_rest(c, line, rest);
}

static void copy_slot(struct capture *c, const struct head *h, uint32_t slot)
{
    const struct series *s = head_in(h, slot);
    if (s)
        copy_series(c, s);
    else
        c->lines[c->n++].is_free = true;
}

static void note_facts(const struct store *s, struct snapshot_facts *f)
{
    struct block_set_stats blocks;
    const struct head *h = &s->head;
    block_set_stats(s->blocks, &blocks);
    f->blocks_max_ms = blocks.max_ms;
    f->border_ms = atomic_load(&h->border_ms);
    f->late_min_ms = atomic_load(&h->late_min_ms);
    f->horizon_ms = atomic_load(&h->horizon_ms);
    f->min_t_ms = atomic_load(&h->min_t_ms);
    f->max_t_ms = atomic_load(&h->max_t_ms);
    f->n_series = atomic_load(&h->n_used);
}

/* The head's locks and the log's are held, and it is our turn: nothing moves. */
static bool copy_all(struct store *s, struct capture *c, struct err *err)
{
    struct head *h = &s->head;
    note_facts(s, &c->facts);
    if (c->facts.n_series > c->capacity)
        return err_set(err, ERR_CONFLICT, "too many series were made meanwhile");
    c->pin = slab_pin(&h->slab);
    c->pinned = true;
    for (uint32_t slot = 1; slot <= c->facts.n_series; slot++)
        copy_slot(c, h, slot);
    gone_each(&h->gone, add_gone, &c->gone);
    gone_each(&h->gone_histograms, add_gone, &c->gone);
    c->n_exemplars = exemplars_all(&h->exemplars, &c->arena, &c->exemplars, &c->exemplar_refs);
    c->has_tap = h->tap != NULL;
    if (c->has_tap)
        h->tap->save(h->tap->self, &c->tap);
    return true;
}

static bool copy_in_turn(struct store *s, struct capture *c, const struct wal_mark *m,
                         struct err *err)
{
    struct head *h = &s->head;
    bool done = false;
    pthread_mutex_lock(&h->making);
    pthread_mutex_lock(&h->tap_lock);
    pthread_rwlock_rdlock(&h->visible);
    if (h->tap && !h->tap->save) {
        err_set(err, ERR_CONFLICT, "what taps the samples cannot be saved");
    } else if (!wal_hold(s->wal, m)) {
        err_set(err, ERR_CONFLICT, "the log began a new segment meanwhile");
    } else {
        done = copy_all(s, c, err);
        wal_let_go(s->wal);
    }
    pthread_rwlock_unlock(&h->visible);
    pthread_mutex_unlock(&h->tap_lock);
    pthread_mutex_unlock(&h->making);
    return done;
}

bool capture_take(struct store *s, struct capture *c, struct err *err)
{
    struct wal_mark m;
    *c = (struct capture){0};
    arena_init(&c->arena);
    map_lines(c, atomic_load(&s->head.n_used));
    wal_mark(s->wal, &m);
    c->facts.segment = m.segment;
    c->facts.offset = m.offset;
    c->facts.next_id = m.next_id;
    c->facts.segments = m.segments;
    c->facts.n_segments = m.n_segments;
    c->position = m.position;
    store_wait_for_turn(s, m.ticket);
    int64_t begin_ns = clock_mono_ns();
    bool done = copy_in_turn(s, c, &m, err);
    c->pause_ns = clock_mono_ns() - begin_ns;
    store_pass_turn(s);
    return done;
}

void capture_release(struct store *s, struct capture *c)
{
    if (c->pinned)
        slab_unpin(&s->head.slab, c->pin);
    if (c->lines)
        (void)munmap(c->lines, c->capacity * sizeof *c->lines);
    free(c->facts.segments);
    free(c->rests);
    buf_release(&c->text);
    buf_release(&c->gone);
    buf_release(&c->tap);
    arena_release(&c->arena);
    *c = (struct capture){0};
}
