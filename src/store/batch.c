#include "base/check.h"
#include "base/mem.h"
#include "store/internal.h"
#include "store/record.h"
#include "store/seen.h"

#include <stdlib.h>

#define TOUCH_AHEAD 64
#define SERIES_RECORD_BYTES (1u << 20) /* definitions go in records of about this size */

struct pending {
    struct series *series;
    int64_t t_ms;
    union {
        double v;
        const struct histogram *h; /* in the batch's arena */
    };
    union {
        double increase;
        const struct histogram *base; /* as the tap gets it */
    };
    bool is_histogram;
    bool origin_zero;
    bool may_be_late;
    bool applied; /* in order, so the tap is told */
};

struct pending_exemplar {
    struct series *series;
    struct store_exemplar e; /* labels in the batch's arena */
};

struct store_batch {
    struct store *store;
    int64_t now_ms;
    unsigned lease; /* of head.batches */
    uint64_t epoch;
    struct pending *v;
    size_t n;
    size_t capacity;
    struct seen seen; /* all of them, once one was late */
    struct pending_exemplar *exemplars;
    size_t n_exemplars;
    size_t exemplar_capacity;
    struct arena arena; /* histograms, and the exemplars' labels */
    char refusal[200];  /* why store_series gave 0 last */
};

const char *store_result_name(enum store_result result)
{
    static const char *const names[] = {
#define X(code, name) name,
        STORE_RESULTS(X)
#undef X
    };
    return names[result];
}

struct store_batch *store_batch_begin(struct store *store, int64_t now_ms)
{
    struct store_batch *b = mem_zalloc(sizeof *b);
    b->store = store;
    b->now_ms = now_ms;
    b->lease = leases_take(store->head.batches);
    b->epoch = atomic_load(&store->head.epoch);
    return b;
}

uint64_t store_batch_epoch(const struct store_batch *b)
{
    return b->epoch;
}

/* A slot is used again once an epoch at most, so that before all generations have passed a
 * reference tells its series. */
bool store_batch_knows(const struct store_batch *b, uint64_t ref, uint64_t since)
{
    bool tells = b->epoch <= since || b->epoch - since < HEAD_GENERATIONS - 1;
    return tells && head_lives(&b->store->head, ref);
}

uint64_t store_series(struct store_batch *b, struct labels labels, bool *is_new)
{
    bool made;
    struct series *s = head_series(&b->store->head, labels, &made);
    if (is_new)
        *is_new = made;
    if (!s)
        quotas_explain(&b->store->head, labels, b->refusal, sizeof b->refusal);
    return s ? s->ref : 0;
}

void store_prefetch(struct store *store, uint64_t ref)
{
    __builtin_prefetch(head_at(&store->head, ref), 1);
}

const char *store_series_refusal(const struct store_batch *b)
{
    return b->refusal;
}

/* The batch's own newest sample of the series; NULL when that is not newer than what is committed.
 * The hint may be another batch's, and so lead to a late sample of this one. */
static const struct pending *own_newest(const struct store_batch *b, struct series *s)
{
    uint32_t hint = atomic_load_explicit(&s->pending, memory_order_relaxed);
    bool own = hint < b->n && b->v[hint].series == s &&
               b->v[hint].t_ms > atomic_load_explicit(&s->last_t_ms, memory_order_relaxed);
    return own ? &b->v[hint] : NULL;
}

/* What equal samples have in common. */
static uint64_t bits_of(const struct pending *p)
{
    uint64_t bits;
    if (p->is_histogram)
        return histogram_hash(p->h);
    memcpy(&bits, &p->v, sizeof bits);
    return bits;
}

static bool is_too_far_ahead(const struct store_batch *b, int64_t t_ms)
{
    return t_ms > b->now_ms && (uint64_t)t_ms - (uint64_t)b->now_ms > STORE_AHEAD_MAX_MS;
}

static void see(struct store_batch *b, size_t i)
{
    seen_add(&b->seen, b->v[i].series->ref, b->v[i].t_ms, (uint32_t)i);
}

/* Against what stands at its time, in this batch or in the head. */
static enum store_result judge_late(struct store_batch *b, const struct pending *p)
{
    struct head *h = &b->store->head;
    uint32_t own;
    if (!p->may_be_late)
        return STORE_OUT_OF_ORDER;
    for (size_t i = b->seen.n == 0 ? 0 : b->n; i < b->n; i++)
        see(b, i);
    if (seen_find(&b->seen, p->series->ref, p->t_ms, &own))
        return bits_of(&b->v[own]) == bits_of(p) ? STORE_DUPLICATE : STORE_CONFLICTING;
    pthread_rwlock_rdlock(&h->visible);
    enum store_result result = head_judge_late(h, p->series, p->t_ms, bits_of(p));
    pthread_rwlock_unlock(&h->visible);
    return result;
}

/* Against the newest sample as this batch sees it: its own, or what is committed. *in_order says
 * that there is none at its time or later. */
static enum store_result judge(struct store_batch *b, const struct pending *p, bool *in_order)
{
    struct series *s = p->series;
    int64_t t_ms = p->t_ms;
    const struct pending *own = own_newest(b, s);
    int64_t last_t_ms = own ? own->t_ms : atomic_load_explicit(&s->last_t_ms, memory_order_relaxed);
    *in_order = t_ms > last_t_ms;
    if (is_too_far_ahead(b, t_ms))
        return STORE_TOO_FAR_AHEAD;
    if (*in_order)
        return STORE_OK;
    if (t_ms < last_t_ms)
        return judge_late(b, p);
    return head_judge(
        last_t_ms, own ? bits_of(own) : atomic_load_explicit(&s->last_bits, memory_order_relaxed),
        t_ms, bits_of(p));
}

bool store_batch_newest(const struct store_batch *b, uint64_t ref, struct sample *out)
{
    struct series *s = head_at(&b->store->head, ref);
    CHECK(s);
    const struct pending *own = own_newest(b, s);
    if (own) {
        *out = (struct sample){own->t_ms, own->is_histogram ? 0 : own->v};
        return !own->is_histogram;
    }
    uint64_t bits = atomic_load_explicit(&s->last_bits, memory_order_relaxed);
    out->t_ms = atomic_load_explicit(&s->last_t_ms, memory_order_relaxed);
    memcpy(&out->v, &bits, sizeof out->v);
    return out->t_ms != SERIES_EMPTY && !head_newest_is_histogram(s);
}

bool store_batch_newest_time(const struct store_batch *b, uint64_t ref, int64_t *t_ms)
{
    struct series *s = head_at(&b->store->head, ref);
    CHECK(s);
    const struct pending *own = own_newest(b, s);
    *t_ms = own ? own->t_ms : atomic_load_explicit(&s->last_t_ms, memory_order_relaxed);
    return *t_ms != SERIES_EMPTY;
}

bool store_batch_newest_histogram(const struct store_batch *b, uint64_t ref, struct arena *arena,
                                  struct histogram_sample *out)
{
    struct head *head = &b->store->head;
    struct series *s = head_at(head, ref);
    struct histogram newest;
    CHECK(s);
    const struct pending *own = own_newest(b, s);
    if (own) {
        if (own->is_histogram)
            *out = (struct histogram_sample){own->t_ms, histogram_copy(arena, own->h)};
        return own->is_histogram;
    }
    pthread_rwlock_rdlock(&head->visible);
    bool found =
        head_newest_is_histogram(s) && histogram_tail_newest(&atomic_load(&s->rest)->tail, &newest);
    if (found)
        *out =
            (struct histogram_sample){atomic_load(&s->last_t_ms), histogram_copy(arena, &newest)};
    pthread_rwlock_unlock(&head->visible);
    return found;
}

/* The hint is for the newest: a late one leaves it alone. */
static void put(struct store_batch *b, const struct pending *p, bool in_order)
{
    if (in_order)
        atomic_store_explicit(&p->series->pending, (uint32_t)b->n, memory_order_relaxed);
    if (b->n == b->capacity)
        b->v = mem_grow(b->v, b->n, &b->capacity, sizeof *b->v);
    b->v[b->n++] = *p;
    if (b->seen.n > 0)
        see(b, b->n - 1);
}

static enum store_result add(struct store_batch *b, uint64_t ref, struct pending *p,
                             enum store_origin origin)
{
    enum store_result result = STORE_LIMIT;
    bool in_order;
    if (ref != 0) {
        p->series = head_at(&b->store->head, ref);
        CHECK(p->series && b->n < UINT32_MAX);
        p->may_be_late = p->t_ms >= head_late_limit(&b->store->head);
        result = judge(b, p, &in_order);
        if (result == STORE_OK) {
            p->origin_zero = origin == STORE_ORIGIN_ZERO;
            if (p->is_histogram)
                p->h = histogram_copy(&b->arena, p->h);
            put(b, p, in_order);
        }
    }
    if (result != STORE_OK && result != STORE_DUPLICATE)
        atomic_fetch_add_explicit(&b->store->refused, 1, memory_order_relaxed);
    return result;
}

enum store_result store_batch_add(struct store_batch *b, uint64_t ref, int64_t t_ms, double v,
                                  enum store_origin origin)
{
    struct pending p = {.t_ms = t_ms, .v = v};
    return add(b, ref, &p, origin);
}

enum store_result store_batch_add_histogram(struct store_batch *b, uint64_t ref, int64_t t_ms,
                                            const struct histogram *h, enum store_origin origin)
{
    struct pending p = {.t_ms = t_ms, .h = h, .is_histogram = true};
    return add(b, ref, &p, origin);
}

static enum store_result judge_exemplar(struct store_batch *b, struct series *s,
                                        const struct store_exemplar *e)
{
    const struct pending_exemplar *last =
        b->n_exemplars > 0 ? &b->exemplars[b->n_exemplars - 1] : NULL;
    if (is_too_far_ahead(b, e->t_ms))
        return STORE_TOO_FAR_AHEAD;
    if (last && last->series == s)
        return exemplar_judge(&last->e, e);
    return exemplars_judge(&b->store->head.exemplars, s->ref, e);
}

enum store_result store_batch_add_exemplar(struct store_batch *b, uint64_t ref,
                                           const struct store_exemplar *e)
{
    if (ref == 0)
        return STORE_LIMIT;
    struct series *s = head_at(&b->store->head, ref);
    CHECK(s);
    enum store_result result = judge_exemplar(b, s, e);
    if (result == STORE_OK) {
        b->exemplars =
            mem_grow(b->exemplars, b->n_exemplars, &b->exemplar_capacity, sizeof *b->exemplars);
        struct pending_exemplar *p = &b->exemplars[b->n_exemplars++];
        *p = (struct pending_exemplar){s, *e};
        p->e.labels = labels_copy(&b->arena, e->labels);
    }
    return result;
}

static void define(struct store_batch *b, struct wal_draft *d, struct series *s,
                   struct arena *arena)
{
    record_add_series(d->out, head_labels(&b->store->head, arena, s));
    arena_clear(arena);
    s->wal_segment = d->segment;
    s->wal_id = (*d->next_id)++;
}

/* Definitions of the series that the segment does not know yet. */
static bool draft_series(struct store_batch *b, struct wal_draft *d, struct err *err)
{
    struct arena arena = ARENA_INIT;
    size_t begin = 0;
    bool open = false, done = true;
    for (size_t i = 0; done && i < b->n + b->n_exemplars; i++) {
        struct series *s = i < b->n ? b->v[i].series : b->exemplars[i - b->n].series;
        if (s->wal_segment == d->segment)
            continue;
        if (!open)
            begin = record_begin(d->out);
        define(b, d, s, &arena);
        open = d->out->n - begin < SERIES_RECORD_BYTES;
        done = open || record_end(d->out, begin, RECORD_SERIES, err);
    }
    arena_release(&arena);
    return done && (!open || record_end(d->out, begin, RECORD_SERIES, err));
}

static bool draft_exemplars(const struct store_batch *b, struct wal_draft *d, struct err *err)
{
    if (b->n_exemplars == 0)
        return true;
    size_t begin = record_begin(d->out);
    for (size_t i = 0; i < b->n_exemplars; i++) {
        const struct pending_exemplar *p = &b->exemplars[i];
        struct record_exemplar r = {p->series->wal_id, p->e.t_ms, p->e.v, p->e.labels};
        record_add_exemplar(d->out, &r);
        if (p->e.t_ms > d->max_t_ms)
            d->max_t_ms = p->e.t_ms;
    }
    return record_end(d->out, begin, RECORD_EXEMPLARS, err);
}

/* The origin is logged for a series' very first sample only: when older segments are gone, a sample
 * from the middle must not be taken for a first one. */
static bool draft_samples(struct store_batch *b, struct wal_draft *d, struct err *err)
{
    struct record_cursor cursor = {0};
    size_t begin = record_begin(d->out);
    for (size_t i = 0; i < b->n; i++) {
        struct pending *p = &b->v[i];
        p->origin_zero =
            p->origin_zero &&
            atomic_load_explicit(&p->series->last_t_ms, memory_order_relaxed) == SERIES_EMPTY;
        struct record_sample r = {.id = p->series->wal_id,
                                  .origin_zero = p->origin_zero,
                                  .may_be_late = p->may_be_late,
                                  .t_ms = p->t_ms};
        if (p->is_histogram)
            r.h = p->h;
        else
            r.v = p->v;
        record_add_sample(d->out, &cursor, &r);
        if (p->t_ms > d->max_t_ms)
            d->max_t_ms = p->t_ms;
    }
    return record_end(d->out, begin, RECORD_SAMPLES, err);
}

/* Exemplars go first, so that samples, which clients count on, are never there without them. */
static bool draft_batch(void *arg, struct wal_draft *d, struct err *err)
{
    struct store_batch *b = arg;
    if (!draft_series(b, d, err))
        return false;
    d->definition_bytes = d->out->n;
    return draft_exemplars(b, d, err) && draft_samples(b, d, err);
}

void store_wait_for_turn(struct store *s, uint64_t ticket)
{
    pthread_mutex_lock(&s->turn_lock);
    while (s->turn != ticket)
        pthread_cond_wait(&s->turn_passed, &s->turn_lock);
    pthread_mutex_unlock(&s->turn_lock);
}

void store_pass_turn(struct store *s)
{
    pthread_mutex_lock(&s->turn_lock);
    s->turn++;
    pthread_cond_broadcast(&s->turn_passed);
    pthread_mutex_unlock(&s->turn_lock);
}

static bool append(struct store_batch *b, struct pending *p)
{
    struct head *h = &b->store->head;
    p->applied = p->is_histogram
                     ? head_append_histogram(h, p->series, p->t_ms, p->h, p->origin_zero, &b->arena,
                                             &p->base)
                     : head_append(h, p->series, p->t_ms, p->v, p->origin_zero, &p->increase);
    return p->applied ||
           (p->may_be_late && head_append_late(h, p->series, p->t_ms, p->is_histogram ? 0 : p->v,
                                               p->is_histogram ? p->h : NULL));
}

/* The byte in which each series' next sample will begin: loads that do not wait for one another. */
static void touch(const struct store_batch *b, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        const struct chunk_open *open = &b->v[i].series->open;
        if (open->bytes)
            (void)*(volatile const uint8_t *)(open->bytes + open->n_bits / 8);
    }
}

/* A sample that another batch overtook since it was added is dropped here, as replay will. */
static void apply(struct store_batch *b)
{
    struct store *s = b->store;
    uint64_t applied = 0;
    pthread_rwlock_wrlock(&s->head.visible);
    for (size_t i = 0; i < b->n; i++) {
        struct pending *p = &b->v[i];
        if (i % TOUCH_AHEAD == 0)
            touch(b, i, i + TOUCH_AHEAD < b->n ? i + TOUCH_AHEAD : b->n);
        applied += append(b, p);
    }
    pthread_rwlock_unlock(&s->head.visible);
    atomic_fetch_add(&s->appended, applied);
    atomic_fetch_add(&s->refused, b->n - applied);
    for (size_t i = 0; i < b->n_exemplars; i++)
        (void)exemplars_add(&s->head.exemplars, b->exemplars[i].series->ref, &b->exemplars[i].e);
}

static void feed_one(const struct store_tap *tap, const struct pending *p)
{
    uint32_t token = p->series->token;
    if (!p->applied || !token)
        return;
    if (!p->is_histogram)
        tap->feed(tap->self, token, p->t_ms, p->v, p->increase, false);
    else if (tap->feed_histogram)
        tap->feed_histogram(tap->self, token, p->t_ms, p->h, p->base, false);
}

static void feed(const struct store_batch *b)
{
    struct head *h = &b->store->head;
    pthread_mutex_lock(&h->tap_lock);
    const struct store_tap *tap = h->tap;
    if (tap && tap->begin)
        tap->begin(tap->self);
    for (size_t i = 0; tap && i < b->n; i++)
        feed_one(tap, &b->v[i]);
    if (tap && tap->end)
        tap->end(tap->self);
    pthread_mutex_unlock(&h->tap_lock);
}

static bool commit(struct store_batch *b, struct err *err)
{
    struct store *s = b->store;
    struct wal_receipt receipt;
    pressure_write_begins(&s->pressure);
    bool written = wal_write(s->wal, draft_batch, b, &receipt, err);
    pressure_write_ends(&s->pressure);
    if (!written)
        return false;
    bool durable = !s->fsync_always || wal_sync_to(s->wal, receipt.position, err);
    store_wait_for_turn(s, receipt.ticket);
    if (durable) {
        apply(b);
        feed(b);
    }
    store_pass_turn(s);
    return durable;
}

bool store_batch_commit(struct store_batch *b, struct err *err)
{
    bool done = b->n + b->n_exemplars == 0 || commit(b, err);
    store_batch_cancel(b);
    return done;
}

void store_batch_cancel(struct store_batch *b)
{
    if (!b)
        return;
    leases_end(b->store->head.batches, b->lease);
    arena_release(&b->arena);
    seen_release(&b->seen);
    free(b->exemplars);
    free(b->v);
    free(b);
}
