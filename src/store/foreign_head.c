#include "store/foreign_head.h"

#include "base/map.h"
#include "base/mem.h"
#include "block/prometheus_wal.h"
#include "store/chunk.h"
#include "store/histogram_chunk.h"
#include "store/rest.h"

#include <stdlib.h>

#define DEFAULT_MAX_BYTES (UINT64_C(1) << 30)
#define SERIES_BYTES 400 /* of one with its entries in the maps, besides labels and samples */

/* Samples in order, late ones as they came. The last chunk of each kind is open. */
struct foreign_series {
    struct labels labels;
    int64_t newest_ms; /* of those in order; INT64_MIN = none */
    struct chunk *chunks;
    size_t n_chunks, chunk_capacity;
    struct chunk_tail tail;
    struct histogram_chunk *histograms;
    size_t n_histograms, histogram_capacity;
    struct histogram_tail histogram_tail;
    struct points late;
    struct block_interval *stones;
    size_t n_stones, stone_capacity;
};

struct series_list {
    struct foreign_series **v;
    size_t n, capacity;
};

struct foreign_head {
    struct prometheus_wal *wal, *wbl;
    uint64_t max_bytes;
    struct arena arena; /* series, their labels, late histograms; dropped as a whole */
    struct map *by_ref, *by_labels;
    struct map *by_name; /* of struct series_list */
    struct series_list all;
    int64_t horizon_ms; /* what the log itself says that it does not have */
    bool in_wbl;
    bool forgot;
    struct foreign_head_stats stats;
};

/* --- Life --- */

static void series_release(struct foreign_series *s)
{
    for (size_t i = 0; i < s->n_chunks; i++)
        chunk_release(&s->chunks[i]);
    for (size_t i = 0; i < s->n_histograms; i++)
        histogram_chunk_release(&s->histograms[i]);
    histogram_tail_release(&s->histogram_tail);
    points_release(&s->late);
    free(s->chunks);
    free(s->histograms);
    free(s->stones);
}

static void drop_all(struct foreign_head *h)
{
    for (size_t i = 0; i < h->all.n; i++)
        series_release(h->all.v[i]);
    map_free(h->by_ref);
    map_free(h->by_labels);
    map_free(h->by_name);
    arena_clear(&h->arena);
    h->all = (struct series_list){0};
    h->stats = (struct foreign_head_stats){0};
    h->horizon_ms = INT64_MIN;
}

static void begin_anew(struct foreign_head *h)
{
    drop_all(h);
    h->by_ref = map_new();
    h->by_labels = map_new();
    h->by_name = map_new();
    h->forgot = true;
}

struct foreign_head *foreign_head_new(const char *folder, uint64_t max_bytes)
{
    struct foreign_head *h = mem_zalloc(sizeof *h);
    struct buf path = BUF_INIT;
    arena_init(&h->arena);
    h->max_bytes = max_bytes ? max_bytes : DEFAULT_MAX_BYTES;
    buf_printf(&path, "%s/wal", folder);
    h->wal = prometheus_wal_new(path.p);
    buf_clear(&path);
    buf_printf(&path, "%s/wbl", folder);
    h->wbl = prometheus_wal_new(path.p);
    buf_release(&path);
    begin_anew(h);
    return h;
}

void foreign_head_free(struct foreign_head *h)
{
    if (!h)
        return;
    drop_all(h);
    arena_release(&h->arena);
    prometheus_wal_free(h->wal);
    prometheus_wal_free(h->wbl);
    free(h);
}

void foreign_head_stats(const struct foreign_head *h, struct foreign_head_stats *out)
{
    *out = h->stats;
    out->series = h->all.n;
    out->damaged = prometheus_wal_damaged(h->wal) + prometheus_wal_damaged(h->wbl);
}

bool foreign_head_range(const struct foreign_head *h, int64_t *oldest_ms, int64_t *newest_ms)
{
    *oldest_ms = INT64_MAX;
    *newest_ms = INT64_MIN;
    for (size_t i = 0; i < h->all.n; i++) {
        const struct foreign_series *s = h->all.v[i];
        if (s->newest_ms > *newest_ms)
            *newest_ms = s->newest_ms;
        if (s->n_chunks > 0 && s->chunks[0].first_t_ms < *oldest_ms)
            *oldest_ms = s->chunks[0].first_t_ms;
        if (s->n_histograms > 0 && s->histograms[0].first_t_ms < *oldest_ms)
            *oldest_ms = s->histograms[0].first_t_ms;
    }
    return *newest_ms != INT64_MIN;
}

/* --- Taking in --- */

static struct str key_of(const uint64_t *ref)
{
    return str_make((const char *)ref, sizeof *ref);
}

static void list_add(struct arena *arena, struct series_list *l, struct foreign_series *s)
{
    l->v = arena_grow(arena, l->v, l->n, &l->capacity, sizeof *l->v);
    l->v[l->n++] = s;
}

static void add_to_name(struct foreign_head *h, struct foreign_series *s)
{
    struct str name = labels_get(s->labels, LABEL_NAME);
    struct series_list *l = map_get(h->by_name, name);
    if (!l) {
        l = ARENA_NEW(&h->arena, struct series_list);
        (void)map_set(h->by_name, name, l);
    }
    list_add(&h->arena, l, s);
}

/* Names and values with their lengths: as many bytes as it takes to tell two apart. */
static void print_key(struct labels labels, struct buf *out)
{
    for (size_t i = 0; i < labels.n; i++) {
        buf_add_uvarint(out, labels.v[i].name.n);
        buf_add_str(out, labels.v[i].name);
        buf_add_uvarint(out, labels.v[i].value.n);
        buf_add_str(out, labels.v[i].value);
    }
}

static void take_series(void *self, uint64_t ref, struct labels labels)
{
    struct foreign_head *h = self;
    struct buf key = BUF_INIT;
    print_key(labels, &key);
    struct foreign_series *s = map_get(h->by_labels, buf_str(&key));
    if (!s) {
        s = ARENA_NEW(&h->arena, struct foreign_series);
        s->labels = labels_copy(&h->arena, labels);
        s->newest_ms = INT64_MIN;
        s->late.arena = &h->arena;
        (void)map_set(h->by_labels, buf_str(&key), s);
        list_add(&h->arena, &h->all, s);
        add_to_name(h, s);
        h->stats.bytes += SERIES_BYTES + 2 * key.n + labels.n * sizeof *labels.v;
    }
    (void)map_set(h->by_ref, key_of(&ref), s);
    buf_release(&key);
}

static struct chunk *open_chunk(struct foreign_head *h, struct foreign_series *s)
{
    struct chunk *open = s->n_chunks ? &s->chunks[s->n_chunks - 1] : NULL;
    if (open && !chunk_is_full(open))
        return open;
    if (open) {
        h->stats.bytes -= chunk_memory(open);
        chunk_seal(open);
        h->stats.bytes += chunk_memory(open);
    }
    s->chunks = mem_grow(s->chunks, s->n_chunks, &s->chunk_capacity, sizeof *s->chunks);
    h->stats.bytes += sizeof *s->chunks;
    open = &s->chunks[s->n_chunks++];
    chunk_init(open);
    s->tail = (struct chunk_tail){0};
    return open;
}

static void append_sample(struct foreign_head *h, struct foreign_series *s, struct sample sample)
{
    struct chunk *open = open_chunk(h, s);
    h->stats.bytes -= chunk_memory(open);
    chunk_append(open, &s->tail, sample.t_ms, sample.v);
    h->stats.bytes += chunk_memory(open);
}

static struct histogram_chunk *open_histograms(struct foreign_head *h, struct foreign_series *s,
                                               const struct histogram *like)
{
    struct histogram_chunk *open = s->n_histograms ? &s->histograms[s->n_histograms - 1] : NULL;
    if (open && histogram_chunk_takes(open, &s->histogram_tail, like))
        return open;
    if (open) {
        h->stats.bytes -= histogram_chunk_memory(open);
        histogram_chunk_seal(open);
        h->stats.bytes += histogram_chunk_memory(open);
    }
    s->histograms =
        mem_grow(s->histograms, s->n_histograms, &s->histogram_capacity, sizeof *s->histograms);
    open = &s->histograms[s->n_histograms++];
    histogram_chunk_init(open, &s->histogram_tail, like);
    h->stats.bytes += sizeof *open + histogram_chunk_memory(open);
    return open;
}

static void append_histogram(struct foreign_head *h, struct foreign_series *s,
                             struct histogram_sample sample)
{
    struct histogram_chunk *open = open_histograms(h, s, sample.h);
    h->stats.bytes -= histogram_chunk_memory(open);
    histogram_chunk_append(open, &s->histogram_tail, sample.t_ms, sample.h);
    h->stats.bytes += histogram_chunk_memory(open);
}

/* Whether a sample at t_ms is to be appended: samples of wal/ only go forward. */
static bool advances(struct foreign_head *h, struct foreign_series *s, int64_t t_ms)
{
    if (t_ms < h->horizon_ms || t_ms <= s->newest_ms)
        return false;
    s->newest_ms = t_ms;
    h->stats.samples++;
    return true;
}

static void take_sample(void *self, uint64_t ref, struct sample sample)
{
    struct foreign_head *h = self;
    struct foreign_series *s = map_get(h->by_ref, key_of(&ref));
    if (!s)
        return;
    if (h->in_wbl) {
        points_add(&s->late, sample);
        h->stats.samples++;
        h->stats.bytes += sizeof sample;
    } else if (advances(h, s, sample.t_ms)) {
        append_sample(h, s, sample);
    }
}

static void take_histogram(void *self, uint64_t ref, struct histogram_sample sample)
{
    struct foreign_head *h = self;
    struct foreign_series *s = map_get(h->by_ref, key_of(&ref));
    if (!s)
        return;
    if (h->in_wbl) {
        sample.h = histogram_copy(&h->arena, sample.h);
        points_add_histogram(&s->late, sample);
        h->stats.samples++;
        h->stats.bytes += sizeof(double) * histogram_cost(sample.h);
    } else if (advances(h, s, sample.t_ms)) {
        append_histogram(h, s, sample);
    }
}

static void take_stone(void *self, uint64_t ref, struct block_interval span)
{
    struct foreign_head *h = self;
    struct foreign_series *s = map_get(h->by_ref, key_of(&ref));
    if (!s)
        return;
    s->stones = mem_grow(s->stones, s->n_stones, &s->stone_capacity, sizeof *s->stones);
    s->stones[s->n_stones++] = span;
    h->stats.bytes += sizeof span;
}

static void take_horizon(void *self, int64_t min_ms)
{
    struct foreign_head *h = self;
    if (min_ms > h->horizon_ms)
        h->horizon_ms = min_ms;
}

static void forget(void *self)
{
    begin_anew(self);
}

/* The log of late samples begins anew when its samples have gone to a block; the series, which
 * are in the other log, stay. */
static void forget_late(void *self)
{
    struct foreign_head *h = self;
    for (size_t i = 0; i < h->all.n; i++)
        points_clear(&h->all.v[i]->late);
    h->forgot = true;
}

static bool is_over(void *self, struct err *err)
{
    const struct foreign_head *h = self;
    if (h->stats.bytes <= h->max_bytes)
        return false;
    err_set(err, ERR_LIMIT, "what is in no block yet takes more than %llu MiB of memory",
            (unsigned long long)(h->max_bytes >> 20));
    return true;
}

/* Late samples name series of wal/, so that it is read first, and again with it. */
bool foreign_head_follow(struct foreign_head *h, bool *anew, struct err *err)
{
    struct prometheus_follower to = {
        {h, take_series, take_sample, take_histogram, take_stone, take_horizon}, forget, is_over};
    h->forgot = false;
    h->in_wbl = false;
    bool done = prometheus_wal_follow(h->wal, &to, err);
    *anew = h->forgot;
    if (!done)
        return false;
    if (h->forgot)
        prometheus_wal_rewind(h->wbl);
    to.forget = forget_late;
    h->in_wbl = true;
    done = prometheus_wal_follow(h->wbl, &to, err);
    *anew = h->forgot;
    return done;
}

/* --- Asking --- */

static void read_floats(const struct foreign_series *s, int64_t mint_ms, int64_t maxt_ms,
                        struct points *out)
{
    struct sample samples[CHUNK_MAX_SAMPLES];
    for (size_t i = 0; i < s->n_chunks; i++) {
        const struct chunk *c = &s->chunks[i];
        if (c->n == 0 || c->first_t_ms > maxt_ms || c->last_t_ms < mint_ms)
            continue;
        size_t n = chunk_read(c, samples);
        for (size_t k = 0; k < n; k++) {
            if (samples[k].t_ms >= mint_ms && samples[k].t_ms <= maxt_ms)
                points_add(out, samples[k]);
        }
    }
}

static void read_histograms(const struct foreign_series *s, int64_t mint_ms, int64_t maxt_ms,
                            struct points *out)
{
    for (size_t i = 0; i < s->n_histograms; i++) {
        const struct histogram_chunk *c = &s->histograms[i];
        struct histogram_reader r;
        int64_t t_ms;
        if (c->n == 0 || c->first_t_ms > maxt_ms || c->last_t_ms < mint_ms)
            continue;
        histogram_reader_init(&r, out->arena, c);
        while (histogram_reader_skip(&r, &t_ms)) {
            if (t_ms >= mint_ms && t_ms <= maxt_ms)
                points_add_histogram(out,
                                     (struct histogram_sample){t_ms, histogram_reader_current(&r)});
        }
    }
}

static void read_late(const struct foreign_series *s, int64_t mint_ms, int64_t maxt_ms,
                      struct points *out)
{
    for (size_t i = 0; i < s->late.n; i++) {
        struct sample sample = s->late.samples[i];
        if (sample.t_ms >= mint_ms && sample.t_ms <= maxt_ms)
            points_add(out, sample);
    }
    for (size_t i = 0; i < s->late.n_histograms; i++) {
        struct histogram_sample sample = s->late.histograms[i];
        if (sample.t_ms >= mint_ms && sample.t_ms <= maxt_ms)
            points_add_histogram(
                out, (struct histogram_sample){sample.t_ms, histogram_copy(out->arena, sample.h)});
    }
}

static int compare_series(const void *left, const void *right)
{
    const struct foreign_series *a = *(struct foreign_series *const *)left;
    const struct foreign_series *b = *(struct foreign_series *const *)right;
    return labels_cmp(a->labels, b->labels);
}

/* Those of one name when the matchers say which. */
static struct series_list candidates(const struct foreign_head *h, const struct matcher *m,
                                     size_t n_matchers)
{
    for (size_t i = 0; i < n_matchers; i++) {
        if (m[i].type != MATCH_EQUAL || !str_eq(m[i].name, STR(LABEL_NAME)))
            continue;
        const struct series_list *l = map_get(h->by_name, m[i].value);
        return l ? *l : (struct series_list){0};
    }
    return h->all;
}

static struct series_list matching(const struct foreign_head *h, struct arena *arena,
                                   const struct matcher *m, size_t n_matchers)
{
    struct series_list from = candidates(h, m, n_matchers), out = {0};
    for (size_t i = 0; i < from.n; i++) {
        if (matchers_match(m, n_matchers, from.v[i]->labels))
            list_add(arena, &out, from.v[i]);
    }
    if (out.n > 1)
        qsort(out.v, out.n, sizeof *out.v, compare_series);
    return out;
}

static void read_series(const struct foreign_series *s, int64_t mint_ms, int64_t maxt_ms,
                        int64_t horizon_ms, struct points *p)
{
    int64_t from_ms = mint_ms < horizon_ms ? horizon_ms : mint_ms;
    points_clear(p);
    read_floats(s, from_ms, maxt_ms, p);
    read_histograms(s, from_ms, maxt_ms, p);
    read_late(s, mint_ms, maxt_ms, p);
    points_sort(p);
    for (size_t i = 0; i < s->n_stones; i++)
        points_drop(p, s->stones[i]);
}

static void *copy_of(struct arena *arena, const void *v, size_t size_bytes)
{
    return size_bytes ? arena_memdup(arena, v, size_bytes) : NULL;
}

bool foreign_head_select(const struct foreign_head *h, struct arena *arena, const struct matcher *m,
                         size_t n_matchers, int64_t mint_ms, int64_t maxt_ms, int64_t horizon_ms,
                         uint64_t max_samples, struct store_series_data **out, size_t *n,
                         struct err *err)
{
    struct series_list found = matching(h, arena, m, n_matchers);
    struct points p = {.arena = arena};
    uint64_t left = max_samples;
    bool done = true;
    *out = ARENA_ARRAY(arena, struct store_series_data, found.n);
    *n = 0;
    for (size_t i = 0; done && i < found.n; i++) {
        read_series(found.v[i], mint_ms, maxt_ms, horizon_ms, &p);
        uint64_t cost = points_cost(&p);
        done = cost <= left ||
               err_set(err, ERR_LIMIT, "the query reads more samples than its limit of %llu",
                       (unsigned long long)max_samples);
        if (!done || cost == 0)
            continue;
        left -= cost;
        (*out)[(*n)++] = (struct store_series_data){
            .labels = labels_copy(arena, found.v[i]->labels),
            .n = p.n,
            .samples = copy_of(arena, p.samples, p.n * sizeof *p.samples),
            .n_histograms = p.n_histograms,
            .histograms = copy_of(arena, p.histograms, p.n_histograms * sizeof *p.histograms)};
    }
    points_release(&p);
    return done;
}
