/* What happens to the samples of a series: judged, appended, sealed, late, swept. */
#include "store/head.h"

#include "base/check.h"
#include "base/mem.h"

#include <math.h>
#include <stdlib.h>

#define SWEEP_SERIES 1024

enum store_result head_judge(int64_t last_t_ms, uint64_t last_bits, int64_t t_ms, uint64_t bits)
{
    if (t_ms > last_t_ms)
        return STORE_OK;
    if (t_ms < last_t_ms || t_ms == SERIES_EMPTY)
        return STORE_OUT_OF_ORDER;
    return bits == last_bits ? STORE_DUPLICATE : STORE_CONFLICTING;
}

/* A counter only falls when its process began anew: then all of v happened since (Prometheus's
 * rule). Stale markers and NaN leave the base alone, so that a gap hides no event. */
static double increase_of(struct series *s, double v, bool origin_zero)
{
    if (isnan(v))
        return NAN;
    double base = s->base;
    s->base = v;
    if (isnan(base))
        return origin_zero ? v : NAN;
    return v < base ? v : v - base;
}

static void drop_chunks(struct head *h, struct series *s, int64_t horizon)
{
    uint32_t n = 0;
    struct series_rest *rest = atomic_load_explicit(&s->rest, memory_order_relaxed);
    if (rest) {
        int64_t bytes = 0;
        rest_drop_before(rest, horizon, &bytes);
        head_count_bytes(h, bytes);
    }
    if (s->open.n > 0 && atomic_load_explicit(&s->last_t_ms, memory_order_relaxed) < horizon) {
        head_count_bytes(h, -(int64_t)chunk_open_memory(&s->open));
        chunk_open_release(&s->open, &h->slab);
    }
    for (; n < s->n_chunks && s->chunks[n].last_t_ms < horizon; n++) {
        head_count_bytes(h, -(int64_t)chunk_memory(&s->chunks[n]));
        chunk_release_sealed(&s->chunks[n], &h->slab);
    }
    if (n == 0)
        return;
    s->n_chunks -= n;
    memmove(s->chunks, s->chunks + n, s->n_chunks * sizeof *s->chunks);
}

static void seal(struct head *h, struct series *s)
{
    int64_t before = (int64_t)chunk_open_memory(&s->open);
    if (s->n_chunks == s->chunk_capacity) {
        s->chunk_capacity = s->chunk_capacity ? s->chunk_capacity * 2 : 1;
        s->chunks = mem_resize(s->chunks, s->chunk_capacity, sizeof *s->chunks);
    }
    struct chunk *sealed = &s->chunks[s->n_chunks++];
    *sealed = chunk_open_seal(&s->open, &h->slab,
                              atomic_load_explicit(&s->last_t_ms, memory_order_relaxed));
    head_count_bytes(h, (int64_t)chunk_memory(sealed) - before);
    drop_chunks(h, s, atomic_load_explicit(&h->horizon_ms, memory_order_relaxed));
}

/* Its time's blocks are written already, so the head keeps it until they are written once more. */
static void note_late(struct head *h, int64_t t_ms)
{
    if (t_ms < atomic_load_explicit(&h->late_min_ms, memory_order_relaxed))
        atomic_store_explicit(&h->late_min_ms, t_ms, memory_order_relaxed);
    if (t_ms < atomic_load_explicit(&h->horizon_ms, memory_order_relaxed))
        atomic_store_explicit(&h->horizon_ms, t_ms, memory_order_relaxed);
}

void head_note_loaded(struct head *h, int64_t t_ms)
{
    if (t_ms < atomic_load_explicit(&h->border_ms, memory_order_relaxed))
        note_late(h, t_ms);
}

static void note_newest(struct head *h, struct series *s, int64_t t_ms, uint64_t bits)
{
    atomic_store_explicit(&s->last_bits, bits, memory_order_relaxed);
    atomic_store_explicit(&s->last_t_ms, t_ms, memory_order_relaxed);
    if (t_ms > atomic_load_explicit(&h->max_t_ms, memory_order_relaxed))
        atomic_store_explicit(&h->max_t_ms, t_ms, memory_order_relaxed);
    if (t_ms < atomic_load_explicit(&h->min_t_ms, memory_order_relaxed))
        atomic_store_explicit(&h->min_t_ms, t_ms, memory_order_relaxed);
    if (t_ms < atomic_load_explicit(&h->border_ms, memory_order_relaxed))
        note_late(h, t_ms);
}

bool head_append(struct head *h, struct series *s, int64_t t_ms, double v, bool origin_zero,
                 double *increase)
{
    int64_t last_t_ms = atomic_load_explicit(&s->last_t_ms, memory_order_relaxed);
    uint64_t bits;
    if (t_ms <= last_t_ms)
        return false;
    if (!chunk_open_takes(&s->open, last_t_ms, t_ms))
        seal(h, s);
    size_t before = chunk_open_memory(&s->open);
    memcpy(&bits, &v, sizeof bits);
    chunk_open_append(&s->open, &h->slab, last_t_ms,
                      atomic_load_explicit(&s->last_bits, memory_order_relaxed), t_ms, bits);
    head_count_bytes(h, (int64_t)chunk_open_memory(&s->open) - (int64_t)before);
    note_newest(h, s, t_ms, bits);
    *increase = increase_of(s, v, origin_zero);
    return true;
}

struct series_rest *head_need_rest(struct series *s)
{
    struct series_rest *rest = atomic_load_explicit(&s->rest, memory_order_relaxed);
    if (!rest) {
        rest = rest_new();
        atomic_store_explicit(&s->rest, rest, memory_order_release);
    }
    return rest;
}

bool head_append_histogram(struct head *h, struct series *s, int64_t t_ms,
                           const struct histogram *histogram, bool origin_zero, struct arena *arena,
                           const struct histogram **base)
{
    static const struct histogram nothing;
    struct histogram newest;
    int64_t bytes = 0;
    if (t_ms <= atomic_load_explicit(&s->last_t_ms, memory_order_relaxed))
        return false;
    if (s->open.n > 0)
        seal(h, s);
    struct series_rest *rest = head_need_rest(s);
    if (histogram_tail_newest(&rest->tail, &newest))
        *base = histogram_copy(arena, &newest);
    else
        *base = origin_zero ? &nothing : NULL;
    rest_append(rest, t_ms, histogram, &bytes);
    head_count_bytes(h, bytes);
    note_newest(h, s, t_ms, histogram_hash(histogram));
    return true;
}

bool head_newest_is_histogram(const struct series *s)
{
    struct series_rest *rest = atomic_load_explicit(&s->rest, memory_order_acquire);
    int64_t last_t_ms = atomic_load_explicit(&s->last_t_ms, memory_order_relaxed);
    return rest && last_t_ms != SERIES_EMPTY &&
           atomic_load_explicit(&rest->histogram_t_ms, memory_order_relaxed) == last_t_ms;
}

int64_t head_move_border(struct head *h, int64_t border_ms)
{
    pthread_rwlock_wrlock(&h->visible);
    if (border_ms > atomic_load(&h->border_ms))
        atomic_store(&h->border_ms, border_ms);
    int64_t late_ms = atomic_exchange(&h->late_min_ms, INT64_MAX);
    pthread_rwlock_unlock(&h->visible);
    return late_ms;
}

void head_late_again(struct head *h, int64_t t_ms)
{
    pthread_rwlock_wrlock(&h->visible);
    note_late(h, t_ms);
    pthread_rwlock_unlock(&h->visible);
}

void head_move_horizon(struct head *h)
{
    pthread_rwlock_wrlock(&h->visible);
    int64_t border_ms = atomic_load(&h->border_ms), late_ms = atomic_load(&h->late_min_ms);
    atomic_store(&h->horizon_ms, late_ms < border_ms ? late_ms : border_ms);
    pthread_rwlock_unlock(&h->visible);
}

int64_t head_late_limit(struct head *h)
{
    int64_t newest = atomic_load_explicit(&h->max_t_ms, memory_order_relaxed);
    if (h->window_ms <= 0)
        return INT64_MAX;
    return newest < INT64_MIN + h->window_ms ? INT64_MIN : newest - h->window_ms;
}

/* The sample at t_ms, in whatever chunk it stands. */
static bool find_sample(const struct series *s, int64_t t_ms, uint64_t *bits)
{
    const struct series_rest *rest = atomic_load_explicit(&s->rest, memory_order_relaxed);
    for (uint32_t i = series_n_chunks(s); i > 0; i--) {
        const struct chunk c = series_chunk(s, i - 1);
        if (chunk_find(&c, t_ms, bits))
            return true;
    }
    for (size_t i = rest ? rest->n_chunks : 0; i > 0; i--) {
        if (histogram_chunk_find(&rest->chunks[i - 1], t_ms, bits))
            return true;
    }
    return rest && late_find(&rest->late, t_ms, bits);
}

enum store_result head_judge_late(struct head *h, const struct series *s, int64_t t_ms,
                                  uint64_t bits)
{
    uint64_t there;
    if (t_ms < head_late_limit(h) || t_ms == SERIES_EMPTY)
        return STORE_OUT_OF_ORDER;
    if (!find_sample(s, t_ms, &there))
        return STORE_OK;
    return there == bits ? STORE_DUPLICATE : STORE_CONFLICTING;
}

bool head_append_late(struct head *h, struct series *s, int64_t t_ms, double v,
                      const struct histogram *histogram)
{
    int64_t bytes = 0;
    uint64_t there;
    if (t_ms >= atomic_load_explicit(&s->last_t_ms, memory_order_relaxed) || t_ms == SERIES_EMPTY ||
        find_sample(s, t_ms, &there))
        return false;
    struct series_rest *rest = head_need_rest(s);
    if (histogram)
        late_insert_histogram(&rest->late, t_ms, histogram, &bytes);
    else
        late_insert(&rest->late, t_ms, v, &bytes);
    head_count_bytes(h, bytes);
    if (t_ms < atomic_load_explicit(&h->min_t_ms, memory_order_relaxed))
        atomic_store_explicit(&h->min_t_ms, t_ms, memory_order_relaxed);
    if (t_ms < atomic_load_explicit(&h->border_ms, memory_order_relaxed))
        note_late(h, t_ms);
    return true;
}

/* Returns the oldest time that is left in slots [from, to]. */
static int64_t sweep_range(struct head *h, uint32_t from, uint32_t to)
{
    int64_t horizon = atomic_load(&h->horizon_ms), oldest = INT64_MAX;
    for (uint32_t slot = from; slot <= to; slot++) {
        struct series *s = head_in(h, slot);
        if (!s)
            continue;
        drop_chunks(h, s, horizon);
        if (series_n_chunks(s) > 0 && series_chunk(s, 0).first_t_ms < oldest)
            oldest = series_chunk(s, 0).first_t_ms;
        struct series_rest *rest = atomic_load_explicit(&s->rest, memory_order_relaxed);
        if (rest && rest_oldest(rest) < oldest)
            oldest = rest_oldest(rest);
    }
    return oldest;
}

void head_sweep(struct head *h)
{
    uint32_t n = atomic_load(&h->n_used);
    int64_t oldest = INT64_MAX;
    for (uint32_t from = 1; from <= n; from += SWEEP_SERIES) {
        uint32_t to = n - from < SWEEP_SERIES ? n : from + SWEEP_SERIES - 1;
        pthread_rwlock_wrlock(&h->visible);
        int64_t found = sweep_range(h, from, to);
        oldest = found < oldest ? found : oldest;
        pthread_rwlock_unlock(&h->visible);
    }
    /* An older sample that a swept series got meanwhile is seen by the next sweep. */
    if (oldest != INT64_MAX)
        atomic_store(&h->min_t_ms, oldest);
}
