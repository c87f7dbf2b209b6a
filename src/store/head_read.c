/* Samples of the head, for queries and for the blocks' keeper. */
#include "base/check.h"
#include "codec/bits.h"
#include "store/selection.h"

/* A chunk that is read without the lock. */
struct piece {
    struct chunk chunk;
    uint8_t last_byte; /* of an open one, which goes on changing */
    bool is_open;
};

static void read_chunk(struct points *p, const struct chunk *c, int64_t mint_ms, int64_t maxt_ms)
{
    struct sample *v = points_room(p, c->n);
    size_t from = 0, to = chunk_read(c, v);
    while (from < to && v[from].t_ms < mint_ms)
        from++;
    while (to > from && v[to - 1].t_ms > maxt_ms)
        to--;
    if (from > 0)
        memmove(v, v + from, (to - from) * sizeof *v);
    p->n += to - from;
}

static bool overlaps(const struct chunk *c, int64_t mint_ms, int64_t maxt_ms)
{
    return c->n > 0 && c->last_t_ms >= mint_ms && c->first_t_ms <= maxt_ms;
}

/* Put late samples, ascending as those from `begin` on are, in their places. */
static void merge_late(struct points *p, size_t begin, const struct sample *late, size_t n)
{
    if (n == 0)
        return;
    (void)points_room(p, n);
    size_t old = p->n, at = p->n + n;
    struct sample *v = p->samples;
    p->n = at;
    while (n > 0)
        v[--at] = old > begin && v[old - 1].t_ms > late[n - 1].t_ms ? v[--old] : late[--n];
}

static const struct sample *take_late(struct arena *arena, const struct series *series,
                                      int64_t mint_ms, int64_t maxt_ms, uint64_t max, size_t *n)
{
    *n = 0;
    return rest_of(series) ? late_read(&rest_of(series)->late, arena, mint_ms, maxt_ms, max, n)
                           : NULL;
}

/* Histograms go to the arena at once. *cost is what the query pays for them. */
static void read_histograms(struct arena *arena, const struct series *series, int64_t mint_ms,
                            int64_t maxt_ms, uint64_t max, size_t max_n,
                            const struct histogram_sample **out, size_t *n, uint64_t *cost)
{
    *cost = 0;
    *n = 0;
    if (rest_of(series))
        rest_read(rest_of(series), arena, mint_ms, maxt_ms, max, max_n, out, n, cost);
}

/* --- Under the lock --- */

static void take_pieces(struct arena *arena, struct selected *sel, const struct block_question *q)
{
    const struct series *series = sel->series;
    uint32_t from = 0, to = series_n_chunks(series);
    while (from < series->n_chunks && series->chunks[from].last_t_ms < q->mint_ms)
        from++;
    while (to > from && series_chunk(series, to - 1).first_t_ms > q->maxt_ms)
        to--;
    if (q->first_only && to > from)
        to = from + 1;
    struct piece *pieces = to > from ? arena_alloc(arena, (to - from) * sizeof *pieces) : NULL;
    for (uint32_t i = from; i < to; i++) {
        struct piece *p = &pieces[sel->n_pieces];
        *p = (struct piece){.chunk = series_chunk(series, i), .is_open = i == series->n_chunks};
        if (!overlaps(&p->chunk, q->mint_ms, q->maxt_ms))
            continue;
        if (p->is_open)
            p->last_byte = p->chunk.bytes[p->chunk.n_bits / 8];
        sel->n_pieces++;
    }
    sel->pieces = pieces;
}

/* Read here and now. *left is what histograms may still cost. */
static bool take_rest(struct arena *arena, struct selected *sel, const struct block_question *q,
                      uint64_t *left, struct err *err)
{
    struct selected_rest rest;
    uint64_t cost;
    read_histograms(arena, sel->series, q->mint_ms, q->maxt_ms, *left, q->first_only ? 1 : SIZE_MAX,
                    &rest.histograms, &rest.n_histograms, &cost);
    rest.late = take_late(arena, sel->series, q->mint_ms, q->maxt_ms, q->max_samples, &rest.n_late);
    if (cost > *left)
        return over_limit(q->max_samples, err);
    *left -= cost;
    if (rest.n_histograms + rest.n_late > 0)
        sel->rest = arena_memdup(arena, &rest, sizeof rest);
    return true;
}

/* All that is not safe without the lock, of the series that have any of it. */
static bool take(struct arena *arena, struct selection *sel, const struct block_question *q,
                 struct err *err)
{
    uint64_t left = q->max_samples;
    size_t kept = 0;
    for (size_t i = 0; i < sel->n; i++) {
        struct selected *one = &sel->v[kept];
        *one = (struct selected){.series = sel->v[i].series};
        take_pieces(arena, one, q);
        if (rest_of(one->series) && !take_rest(arena, one, q, &left, err))
            return false;
        kept += one->n_pieces > 0 || one->rest;
    }
    sel->n = kept;
    return true;
}

/* --- Without it --- */

static size_t piece_bytes(const struct piece *p)
{
    return p->chunk.n_bits / 8 + 1 + BITS_PAD_BYTES;
}

/* What is pinned stays as it is; what is copied may go its way. All of a series lies together. */
static void copy_pieces(struct arena *arena, struct selected *sel)
{
    struct piece *v = (struct piece *)(uintptr_t)sel->pieces;
    size_t size_bytes = 0;
    for (size_t i = 0; i < sel->n_pieces; i++)
        size_bytes += piece_bytes(&v[i]);
    uint8_t *bytes = size_bytes ? arena_alloc(arena, size_bytes) : NULL;
    for (size_t i = 0; i < sel->n_pieces; i++) {
        struct chunk *c = &v[i].chunk;
        size_t last = c->n_bits / 8;
        memcpy(bytes, c->bytes, last);
        bytes[last] = v[i].is_open ? v[i].last_byte : c->bytes[last];
        memset(bytes + last + 1, 0, BITS_PAD_BYTES);
        c->bytes = bytes;
        bytes += piece_bytes(&v[i]);
    }
}

bool selection_take(struct store *s, struct arena *arena, const struct block_question *q,
                    struct selection *out, struct err *err)
{
    struct slab *slab = &s->head.slab;
    leases_take_for(s->head.readers, arena);
    pthread_rwlock_rdlock(&s->head.visible);
    unsigned pin = slab_pin(slab);
    bool done =
        selection_find(s, arena, q->matchers, q->n_matchers, out, err) && take(arena, out, q, err);
    pthread_rwlock_unlock(&s->head.visible);
    for (size_t i = 0; done && i < out->n; i++)
        copy_pieces(arena, &out->v[i]);
    slab_unpin(slab, pin);
    if (done)
        selection_sort(s, arena, out);
    return done;
}

void selection_read(const struct selected *sel, const struct block_question *q, struct points *out)
{
    size_t begin = out->n;
    for (size_t i = 0; i < sel->n_pieces && out->n <= q->max_samples; i++)
        read_chunk(out, &sel->pieces[i].chunk, q->mint_ms, q->maxt_ms);
    if (!sel->rest)
        return;
    merge_late(out, begin, sel->rest->late, sel->rest->n_late);
    for (size_t i = 0; i < sel->rest->n_histograms; i++)
        points_add_histogram(out, sel->rest->histograms[i]);
}

/* --- For the keeper --- */

uint32_t *head_refs(struct store *s, struct arena *arena, size_t *n)
{
    struct selection sel;
    struct err err = ERR_INIT;
    leases_take_for(s->head.readers, arena);
    pthread_rwlock_rdlock(&s->head.visible);
    CHECK(selection_find(s, arena, NULL, 0, &sel, &err));
    pthread_rwlock_unlock(&s->head.visible);
    selection_sort(s, arena, &sel);
    uint32_t *refs = ARENA_ARRAY(arena, uint32_t, sel.n);
    for (size_t i = 0; i < sel.n; i++)
        refs[i] = sel.v[i].series->ref;
    *n = sel.n;
    return refs;
}

void head_read(struct store *s, struct arena *arena, uint32_t ref, int64_t mint_ms, int64_t maxt_ms,
               struct points *out)
{
    const struct histogram_sample *histograms = NULL;
    size_t n_histograms, n_late, begin = out->n;
    uint64_t cost;
    pthread_rwlock_rdlock(&s->head.visible);
    const struct series *series = head_at(&s->head, ref);
    CHECK(series);
    for (uint32_t i = 0; i < series_n_chunks(series); i++) {
        const struct chunk c = series_chunk(series, i);
        if (overlaps(&c, mint_ms, maxt_ms))
            read_chunk(out, &c, mint_ms, maxt_ms);
    }
    const struct sample *late = take_late(arena, series, mint_ms, maxt_ms, UINT64_MAX - 1, &n_late);
    read_histograms(arena, series, mint_ms, maxt_ms, UINT64_MAX, SIZE_MAX, &histograms,
                    &n_histograms, &cost);
    pthread_rwlock_unlock(&s->head.visible);
    merge_late(out, begin, late, n_late);
    for (size_t i = 0; i < n_histograms; i++)
        points_add_histogram(out, histograms[i]);
}

/* The series' first sample at or after t_ms, when it is before `best`; else `best`. */
static int64_t oldest_of(const struct series *series, int64_t t_ms, int64_t best,
                         struct points *scratch)
{
    const struct histogram_sample *histograms = NULL;
    size_t n_histograms, n_late;
    uint64_t cost;
    points_clear(scratch);
    for (uint32_t i = 0; i < series_n_chunks(series) && scratch->n == 0; i++) {
        const struct chunk c = series_chunk(series, i);
        if (overlaps(&c, t_ms, best))
            read_chunk(scratch, &c, t_ms, best);
    }
    if (scratch->n > 0 && scratch->samples[0].t_ms < best)
        best = scratch->samples[0].t_ms;
    read_histograms(scratch->arena, series, t_ms, best, UINT64_MAX, 1, &histograms, &n_histograms,
                    &cost);
    if (n_histograms > 0 && histograms[0].t_ms < best)
        best = histograms[0].t_ms;
    const struct sample *late = take_late(scratch->arena, series, t_ms, best, 0, &n_late);
    return n_late > 0 && late[0].t_ms < best ? late[0].t_ms : best;
}

int64_t head_oldest_from(struct store *s, int64_t t_ms)
{
    struct arena arena = ARENA_INIT;
    struct points scratch = {.arena = &arena};
    int64_t best = INT64_MAX;
    uint32_t n = atomic_load(&s->head.n_used);
    for (uint32_t slot = 1; slot <= n && best > t_ms; slot++) {
        pthread_rwlock_rdlock(&s->head.visible);
        const struct series *series = head_in(&s->head, slot);
        best = series ? oldest_of(series, t_ms, best, &scratch) : best;
        pthread_rwlock_unlock(&s->head.visible);
        arena_clear(&arena);
    }
    points_release(&scratch);
    arena_release(&arena);
    return best;
}
