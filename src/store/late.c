#include "store/late.h"

#include "base/mem.h"

#include <stdlib.h>

void late_release(struct late *l)
{
    for (size_t i = 0; i < l->n_chunks; i++)
        chunk_release(&l->chunks[i]);
    for (size_t i = 0; i < l->n_histograms; i++)
        histogram_chunk_release(&l->histograms[i]);
    free(l->chunks);
    free(l->histograms);
    *l = (struct late){0};
}

bool late_is_empty(const struct late *l)
{
    return l->n_chunks + l->n_histograms == 0;
}

int64_t late_oldest(const struct late *l)
{
    int64_t oldest = l->n_chunks > 0 ? l->chunks[0].first_t_ms : INT64_MAX;
    if (l->n_histograms > 0 && l->histograms[0].first_t_ms < oldest)
        oldest = l->histograms[0].first_t_ms;
    return oldest;
}

/* --- Floats --- */

/* The last chunk that does not begin after t_ms, or the first one. */
static size_t chunk_for(const struct late *l, int64_t t_ms)
{
    size_t low = 0, n = l->n_chunks;
    while (n > 1) {
        size_t half = n / 2;
        bool after = l->chunks[low + half].first_t_ms <= t_ms;
        low += after ? half : 0;
        n = after ? n - half : half;
    }
    return low;
}

static void open_gap(struct late *l, size_t at)
{
    l->chunks = mem_grow(l->chunks, l->n_chunks, &l->chunk_capacity, sizeof *l->chunks);
    memmove(l->chunks + at + 1, l->chunks + at, (l->n_chunks - at) * sizeof *l->chunks);
    l->n_chunks++;
    chunk_init(&l->chunks[at]);
}

static void write_chunk(struct chunk *c, const struct sample *v, size_t n, int64_t *bytes)
{
    struct chunk_tail tail = {0};
    chunk_init(c);
    for (size_t i = 0; i < n; i++)
        chunk_append(c, &tail, v[i].t_ms, v[i].v);
    chunk_seal(c);
    *bytes += (int64_t)chunk_memory(c);
}

/* The chunk's samples with one more among them. */
static size_t merge_one(const struct chunk *c, const struct sample *more, struct sample *out)
{
    size_t n = chunk_read(c, out), at = n;
    while (at > 0 && out[at - 1].t_ms > more->t_ms)
        at--;
    memmove(out + at + 1, out + at, (n - at) * sizeof *out);
    out[at] = *more;
    return n + 1;
}

/* A chunk that gets too big becomes two: one full for those that come by the row, halves for those
 * that come in between. */
void late_insert(struct late *l, int64_t t_ms, double v, int64_t *bytes)
{
    struct sample samples[CHUNK_MIN_SAMPLES + 1];
    const struct sample more = {t_ms, v};
    size_t at = chunk_for(l, t_ms);
    if (l->n_chunks == 0)
        open_gap(l, 0);
    struct chunk *c = &l->chunks[at];
    size_t n = merge_one(c, &more, samples);
    *bytes -= (int64_t)chunk_memory(c);
    chunk_release(c);
    size_t first = n <= CHUNK_MIN_SAMPLES ? n : samples[n - 1].t_ms == t_ms ? n - 1 : n / 2;
    write_chunk(c, samples, first, bytes);
    if (first < n) {
        open_gap(l, at + 1);
        write_chunk(&l->chunks[at + 1], samples + first, n - first, bytes);
    }
}

bool late_add_chunk(struct late *l, const struct sample *v, size_t n, int64_t *bytes)
{
    if (l->n_chunks > 0 && v[0].t_ms <= l->chunks[l->n_chunks - 1].last_t_ms)
        return false;
    open_gap(l, l->n_chunks);
    write_chunk(&l->chunks[l->n_chunks - 1], v, n, bytes);
    return true;
}

bool chunk_find(const struct chunk *c, int64_t t_ms, uint64_t *bits)
{
    struct sample v[CHUNK_MAX_SAMPLES];
    if (c->n == 0 || t_ms < c->first_t_ms || t_ms > c->last_t_ms)
        return false;
    size_t n = chunk_read(c, v), i = 0;
    while (i < n && v[i].t_ms < t_ms)
        i++;
    if (i == n || v[i].t_ms != t_ms)
        return false;
    memcpy(bits, &v[i].v, sizeof *bits);
    return true;
}

const struct sample *late_read(const struct late *l, struct arena *arena, int64_t mint_ms,
                               int64_t maxt_ms, uint64_t max, size_t *n)
{
    struct sample *out = NULL, v[CHUNK_MAX_SAMPLES];
    size_t capacity = 0;
    *n = 0;
    for (size_t i = 0; i < l->n_chunks && *n <= max; i++) {
        if (l->chunks[i].last_t_ms < mint_ms || l->chunks[i].first_t_ms > maxt_ms)
            continue;
        size_t there = chunk_read(&l->chunks[i], v);
        for (size_t k = 0; k < there; k++) {
            if (v[k].t_ms < mint_ms || v[k].t_ms > maxt_ms)
                continue;
            out = arena_grow(arena, out, *n, &capacity, sizeof *out);
            out[(*n)++] = v[k];
        }
    }
    return out;
}

/* --- Histograms --- */

static size_t histograms_for(const struct late *l, int64_t t_ms)
{
    size_t low = 0, n = l->n_histograms;
    while (n > 1) {
        size_t half = n / 2;
        bool after = l->histograms[low + half].first_t_ms <= t_ms;
        low += after ? half : 0;
        n = after ? n - half : half;
    }
    return low;
}

static struct histogram_sample *merge_one_histogram(struct arena *arena,
                                                    const struct histogram_chunk *c,
                                                    const struct histogram_sample *more, size_t *n)
{
    struct histogram_sample *out = ARENA_ARRAY(arena, struct histogram_sample, c->n + 1);
    struct histogram_reader r;
    int64_t t_ms;
    bool placed = false;
    *n = 0;
    histogram_reader_init(&r, arena, c);
    while (histogram_reader_skip(&r, &t_ms)) {
        if (!placed && more->t_ms < t_ms) {
            out[(*n)++] = *more;
            placed = true;
        }
        out[(*n)++] = (struct histogram_sample){t_ms, histogram_reader_current(&r)};
    }
    if (!placed)
        out[(*n)++] = *more;
    return out;
}

static void open_histogram_gap(struct late *l, size_t at)
{
    l->histograms =
        mem_grow(l->histograms, l->n_histograms, &l->histogram_capacity, sizeof *l->histograms);
    memmove(l->histograms + at + 1, l->histograms + at,
            (l->n_histograms - at) * sizeof *l->histograms);
    l->n_histograms++;
    l->histograms[at] = (struct histogram_chunk){0};
}

/* From `at` on, in as many chunks as their layouts and sizes need. */
static void write_histograms(struct late *l, size_t at, const struct histogram_sample *v, size_t n,
                             int64_t *bytes)
{
    struct histogram_tail tail = {0};
    struct histogram_chunk *c = NULL;
    for (size_t i = 0; i < n; i++) {
        bool halve = n > CHUNK_MIN_SAMPLES && i == n / 2;
        if (!c || halve || !histogram_chunk_takes(c, &tail, v[i].h)) {
            if (c)
                histogram_chunk_seal(c);
            open_histogram_gap(l, at);
            c = &l->histograms[at++];
            histogram_chunk_init(c, &tail, v[i].h);
        }
        histogram_chunk_append(c, &tail, v[i].t_ms, v[i].h);
    }
    if (c)
        histogram_chunk_seal(c);
    histogram_tail_release(&tail);
    for (size_t i = at; i > 0 && l->histograms[i - 1].first_t_ms >= v[0].t_ms; i--)
        *bytes += (int64_t)histogram_chunk_memory(&l->histograms[i - 1]);
}

void late_insert_histogram(struct late *l, int64_t t_ms, const struct histogram *h, int64_t *bytes)
{
    struct arena arena = ARENA_INIT;
    const struct histogram_sample more = {t_ms, h};
    const struct histogram_sample *v = &more;
    size_t at = histograms_for(l, t_ms), n = 1;
    if (l->n_histograms > 0) {
        struct histogram_chunk *c = &l->histograms[at];
        v = merge_one_histogram(&arena, c, &more, &n);
        *bytes -= (int64_t)histogram_chunk_memory(c);
        histogram_chunk_release(c);
        l->n_histograms--;
        memmove(c, c + 1, (l->n_histograms - at) * sizeof *c);
    }
    write_histograms(l, at, v, n, bytes);
    arena_release(&arena);
}

bool late_add_histograms(struct late *l, const struct histogram_chunk *c, int64_t *bytes)
{
    if (l->n_histograms > 0 && c->first_t_ms <= l->histograms[l->n_histograms - 1].last_t_ms)
        return false;
    open_histogram_gap(l, l->n_histograms);
    l->histograms[l->n_histograms - 1] = *c;
    *bytes += (int64_t)histogram_chunk_memory(c);
    return true;
}

bool histogram_chunk_find(const struct histogram_chunk *c, int64_t t_ms, uint64_t *bits)
{
    struct arena arena = ARENA_INIT;
    struct histogram_reader r;
    int64_t at_ms;
    bool found = false;
    if (c->n == 0 || t_ms < c->first_t_ms || t_ms > c->last_t_ms)
        return false;
    histogram_reader_init(&r, &arena, c);
    while (!found && histogram_reader_skip(&r, &at_ms) && at_ms <= t_ms)
        found = at_ms == t_ms;
    if (found)
        *bits = histogram_hash(histogram_reader_current(&r));
    arena_release(&arena);
    return found;
}

/* --- Both --- */

bool late_find(const struct late *l, int64_t t_ms, uint64_t *bits)
{
    return (l->n_chunks > 0 && chunk_find(&l->chunks[chunk_for(l, t_ms)], t_ms, bits)) ||
           (l->n_histograms > 0 &&
            histogram_chunk_find(&l->histograms[histograms_for(l, t_ms)], t_ms, bits));
}

void late_drop_before(struct late *l, int64_t t_ms, int64_t *bytes)
{
    size_t n = 0;
    for (; n < l->n_chunks && l->chunks[n].last_t_ms < t_ms; n++) {
        *bytes -= (int64_t)chunk_memory(&l->chunks[n]);
        chunk_release(&l->chunks[n]);
    }
    l->n_chunks -= n;
    if (n > 0)
        memmove(l->chunks, l->chunks + n, l->n_chunks * sizeof *l->chunks);
    for (n = 0; n < l->n_histograms && l->histograms[n].last_t_ms < t_ms; n++) {
        *bytes -= (int64_t)histogram_chunk_memory(&l->histograms[n]);
        histogram_chunk_release(&l->histograms[n]);
    }
    l->n_histograms -= n;
    if (n > 0)
        memmove(l->histograms, l->histograms + n, l->n_histograms * sizeof *l->histograms);
}
