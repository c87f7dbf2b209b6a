/* The tap's other end: sums per SLO and arm. */
#include "slo/engine.h"

#include "base/hash.h"
#include "base/mem.h"
#include "base/num.h"
#include "slo/native.h"

#include <math.h>
#include <stdlib.h>

#define REPEAT_MS 10000   /* an unchanged sum is still written this often */
#define CLASSIC_MS 300000 /* classic series stand for native ones of the same name this long */
#define MAX_ARMS 200      /* a version label with more values than this is not a cohort */

/* --- Life --- */

struct slo_engine *slo_engine_new(const struct slo_setup *setups, size_t n, struct err *err)
{
    struct slo_engine *e = calloc(1, sizeof *e);
    if (!e)
        check_no_memory(sizeof *e);
    (void)pthread_mutex_init(&e->whole, NULL);
    (void)pthread_mutex_init(&e->lock, NULL);
    arena_init(&e->arena);
    arena_init(&e->scratch);
    e->twins = map_new();
    e->slos = ARENA_ARRAY(&e->arena, struct slo, n);
    for (size_t i = 0; i < n; i++) {
        struct slo *s = &e->slos[e->n_slos++];
        s->spec = setups[i].spec;
        s->cohort_label = setups[i].cohort_label;
        if (!slo_spec_check(s->spec, err) ||
            !sli_selectors_parse(&e->arena, s->spec, &s->selectors, err)) {
            slo_engine_free(e);
            return NULL;
        }
    }
    return e;
}

void slo_engine_free(struct slo_engine *e)
{
    if (!e)
        return;
    for (size_t i = 0; i < e->n_tokens; i++)
        slo_engine_unlink(e, e->tokens[i]);
    free(e->tokens);
    free(e->free_tokens);
    (void)pthread_mutex_destroy(&e->lock);
    (void)pthread_mutex_destroy(&e->whole);
    arena_release(&e->arena);
    arena_release(&e->scratch);
    map_free(e->twins);
    free(e);
}

struct slo *slo_engine_find(const struct slo_engine *e, struct str name)
{
    for (size_t i = 0; i < e->n_slos; i++) {
        if (str_is(name, e->slos[i].spec->name))
            return &e->slos[i];
    }
    return NULL;
}

static void free_map(void *map)
{
    map_free(map);
}

/* The arm of a version, made when it is new; NULL when there are too many. */
struct arm *slo_engine_arm(struct slo_engine *e, struct slo *s, struct str version)
{
    struct arm **at = &s->arms;
    int order = -1;
    while (*at && (order = str_cmp((*at)->version, version)) < 0)
        at = &(*at)->next;
    if (*at && order == 0)
        return *at;
    if (s->n_arms == MAX_ARMS)
        return NULL;
    struct arm *arm = ARENA_NEW(&e->arena, struct arm);
    arm->version = arena_str(&e->arena, version);
    arm->by_name = map_new();
    arena_on_release(&e->arena, free_map, arm->by_name);
    arm->next = *at;
    *at = arm;
    s->n_arms++;
    return arm;
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_sli(const struct slo *a, const struct slo *b)
{
    const struct sli_spec *x = &a->spec->sli, *y = &b->spec->sli;
    return x->kind == y->kind && same_text(x->total_query, y->total_query) &&
           same_text(x->good_query, y->good_query) && same_text(x->bad_query, y->bad_query) &&
           same_text(x->threshold_query, y->threshold_query) && same_text(x->source, y->source) &&
           x->threshold_op == y->threshold_op &&
           (x->kind != SLI_THRESHOLD || x->threshold == y->threshold) &&
           same_text(a->cohort_label, b->cohort_label);
}

static void adopt_arm(struct slo_engine *e, struct slo *into, const struct arm *from)
{
    struct arm *arm = slo_engine_arm(e, into, from->version);
    if (!arm) /* the new one has as many already */
        return;
    struct arm *next = arm->next;
    struct str version = arm->version;
    struct map *names = arm->by_name;
    *arm = *from;
    arm->next = next;
    arm->version = version;
    arm->sources = NULL; /* they come anew when the series are bound */
    arm->n_sources = 0;
    arm->by_name = names;
    for (size_t i = 0; i < arm->n_buckets; i++)
        arm->buckets[i].le = arena_str(&e->arena, arm->buckets[i].le);
}

void slo_engine_adopt(struct slo_engine *e, struct slo_engine *old)
{
    for (size_t i = 0; i < e->n_slos; i++) {
        struct slo *s = &e->slos[i];
        const struct slo *was = slo_engine_find(old, str_from(s->spec->name));
        if (!was || !same_sli(s, was))
            continue;
        for (const struct arm *arm = was->arms; arm; arm = arm->next)
            adopt_arm(e, s, arm);
    }
}

/* --- Feeding --- */

static struct sum *sum_of(const struct link *l)
{
    struct arm *arm = l->arm;
    switch (l->role) {
    case SLI_GOOD:
        return &arm->good;
    case SLI_BAD:
        return &arm->bad;
    case SLI_TOTAL:
        return &arm->total;
    case SLI_BUCKET:
        for (size_t i = 0; i < arm->n_buckets; i++) {
            if (arm->buckets[i].edge == l->edge)
                return &arm->buckets[i].sum;
        }
        break;
    case SLI_VALUE:
    case SLI_N_ROLES:
        break;
    }
    CHECK(false);
    return NULL;
}

static bool within(enum threshold_op op, double v, double limit)
{
    switch (op) {
    case THRESHOLD_LTE:
        return v <= limit;
    case THRESHOLD_GTE:
        return v >= limit;
    case THRESHOLD_LT:
        return v < limit;
    case THRESHOLD_GT:
        return v > limit;
    }
    return false;
}

static void feed_half(struct half *half, enum sli_role role, double increase)
{
    if (role == SLI_GOOD)
        half->good += increase;
    else if (role == SLI_BAD)
        half->bad += increase;
    else if (role == SLI_TOTAL)
        half->total += increase;
}

static void feed_link(const struct link *l, int64_t t_ms, double v, double increase)
{
    struct arm *arm = l->arm;
    const struct sli_spec *sli = &l->slo->spec->sli;
    if (l->role == SLI_VALUE) {
        if (isnan(v))
            return;
        arm->total.value += 1;
        bool good = within(sli->threshold_op, v, sli->threshold);
        arm->good.value += good ? 1 : 0;
        arm->halves[l->half].total += 1;
        arm->halves[l->half].good += good ? 1 : 0;
    } else if (isfinite(increase) && increase >= 0) {
        sum_of(l)->value += increase;
        feed_half(&arm->halves[l->half], l->role, increase);
    } else if (!isnan(increase)) {
        arm->impossible++;
        return;
    }
    if (!isnan(v) && t_ms > arm->newest_ms)
        arm->newest_ms = t_ms;
    if (!isnan(v) && l->source && t_ms > l->source->newest_ms)
        l->source->newest_ms = t_ms;
    if (!isnan(v) && l->twin && t_ms > l->twin->classic_ms)
        l->twin->classic_ms = t_ms;
}

/* All of them or none: what was counted is there or impossible. */
static void add_increases(struct arm *arm, struct sum *const *sums, const double *increases,
                          size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(increases[i]) || increases[i] < 0) {
            arm->impossible++;
            return;
        }
    }
    for (size_t i = 0; i < n; i++)
        sums[i]->value += increases[i];
}

static void feed_native(struct slo_engine *e, const struct link *l, int64_t t_ms,
                        const struct histogram *h, const struct histogram *base)
{
    struct arm *arm = l->arm;
    double edges[MAX_EDGES], increases[MAX_EDGES], count;
    struct sum *sums[MAX_EDGES];
    size_t n = 0;
    if (l->kind == LINK_EDGES) {
        for (; n < arm->n_buckets; n++) {
            edges[n] = arm->buckets[n].edge;
            sums[n] = &arm->buckets[n].sum;
        }
    } else {
        edges[n] = l->kind == LINK_GOOD ? l->slo->selectors.edge : (double)INFINITY;
        sums[n++] = sum_of(l);
    }
    if (base && slo_native_increase(&e->scratch, h, base, edges, n, increases, &count)) {
        if (l->kind == LINK_COUNT)
            increases[0] = count;
        add_increases(arm, sums, increases, n);
        if (l->kind != LINK_EDGES && isfinite(increases[0]) && increases[0] >= 0)
            feed_half(&arm->halves[l->half], l->role, increases[0]);
    }
    if (t_ms > arm->newest_ms)
        arm->newest_ms = t_ms;
    if (l->source && t_ms > l->source->newest_ms)
        l->source->newest_ms = t_ms;
}

static double good_of(const struct slo *s, const struct arm *arm)
{
    return s->spec->sli.bad_query ? arm->total.value - arm->bad.value : arm->good.value;
}

/* What our own series said is the sum. The bad events are not written: they follow from the two.
 * Sums that were loaded have been counted on, and say more than a series that was written a moment
 * after it was read; only one that says more than they do is of another history, and is right. */
static void restore(const struct link *l, int64_t t_ms, double v)
{
    struct arm *arm = l->arm;
    struct sum *sum = sum_of(l);
    double counted = l->role == SLI_GOOD ? good_of(l->slo, arm) : sum->value;
    if (arm->is_loaded && v <= counted) {
        sum->written = v;
        sum->written_ms = t_ms;
        return;
    }
    if (l->slo->spec->sli.bad_query && l->role == SLI_GOOD)
        arm->bad.value = arm->total.value - v;
    else if (l->slo->spec->sli.bad_query && l->role == SLI_TOTAL)
        arm->bad.value += v - arm->total.value;
    *sum = (struct sum){v, v, t_ms};
}

void slo_engine_begin(void *self)
{
    struct slo_engine *e = self;
    (void)pthread_mutex_lock(&e->whole);
}

void slo_engine_end(void *self)
{
    struct slo_engine *e = self;
    (void)pthread_mutex_unlock(&e->whole);
}

void slo_engine_feed(void *self, uint32_t token, int64_t t_ms, double v, double increase,
                     bool recovering)
{
    struct slo_engine *e = self;
    (void)pthread_mutex_lock(&e->lock);
    CHECK(token > 0 && token <= e->n_tokens);
    for (const struct link *l = e->tokens[token - 1]; l; l = l->next) {
        if (l->kind != LINK_FLOAT)
            continue;
        if (!l->restores)
            feed_link(l, t_ms, v, increase);
        else if (recovering && isfinite(v))
            restore(l, t_ms, v);
    }
    (void)pthread_mutex_unlock(&e->lock);
}

void slo_engine_newest(void *self, uint32_t token, int64_t t_ms, double v)
{
    struct slo_engine *e = self;
    (void)pthread_mutex_lock(&e->lock);
    CHECK(token > 0 && token <= e->n_tokens);
    for (const struct link *l = e->tokens[token - 1]; l; l = l->next) {
        if (l->restores && isfinite(v))
            restore(l, t_ms, v);
    }
    (void)pthread_mutex_unlock(&e->lock);
}

void slo_engine_feed_histogram(void *self, uint32_t token, int64_t t_ms, const struct histogram *h,
                               const struct histogram *base, bool recovering)
{
    struct slo_engine *e = self;
    (void)recovering;
    if (h->hint == HISTOGRAM_HINT_GAUGE)
        return;
    (void)pthread_mutex_lock(&e->lock);
    CHECK(token > 0 && token <= e->n_tokens);
    for (const struct link *l = e->tokens[token - 1]; l; l = l->next) {
        bool classic =
            l->twin && l->twin->classic_ms > 0 && t_ms - l->twin->classic_ms < CLASSIC_MS;
        if (l->kind != LINK_FLOAT && !classic)
            feed_native(e, l, t_ms, h, base);
    }
    arena_clear(&e->scratch);
    (void)pthread_mutex_unlock(&e->lock);
}

/* --- Giving the sums out --- */

static void lock_whole(struct slo_engine *e)
{
    (void)pthread_mutex_lock(&e->whole);
    (void)pthread_mutex_lock(&e->lock);
}

static void unlock_whole(struct slo_engine *e)
{
    (void)pthread_mutex_unlock(&e->lock);
    (void)pthread_mutex_unlock(&e->whole);
}

/* What a flush hands out. Nothing is handed out under the lock: the store, told of a new series,
 * asks the engine to bind it. */
struct pending {
    struct labels labels;
    int64_t t_ms;
    double v;
};

struct emitter {
    int64_t t_ms;
    struct arena *arena;
    struct pending *items;
    size_t n, capacity;
};

static void put(struct emitter *out, struct labels labels, int64_t t_ms, double v)
{
    out->items = arena_grow(out->arena, out->items, out->n, &out->capacity, sizeof *out->items);
    out->items[out->n++] = (struct pending){labels, t_ms, v};
}

static struct labels name_sum(struct arena *arena, const char *metric, const struct slo *s,
                              const struct arm *arm, struct str le)
{
    struct label *v = ARENA_ARRAY(arena, struct label, 5);
    size_t n = 0;
    v[n++] = (struct label){STR(LABEL_NAME), str_from(metric)};
    if (le.n)
        v[n++] = (struct label){STR("le"), le};
    v[n++] = (struct label){STR("service"), str_from(s->spec->service)};
    v[n++] = (struct label){STR("slo"), str_from(s->spec->name)};
    if (arm->version.n)
        v[n++] = (struct label){STR("version"), arm->version};
    return (struct labels){n, v};
}

/* A sum's first sample is preceded by a 0, so that a window can tell "began here" from "came from
 * afar". */
static void emit_sum(struct emitter *out, struct sum *sum, double value, const char *metric,
                     const struct slo *s, const struct arm *arm, struct str le)
{
    if (sum->written_ms && value == sum->written && out->t_ms - sum->written_ms < REPEAT_MS)
        return;
    struct labels labels = name_sum(out->arena, metric, s, arm, le);
    if (!sum->written_ms && value != 0)
        put(out, labels, out->t_ms - 1, 0);
    put(out, labels, out->t_ms, value);
    sum->written = value;
    sum->written_ms = out->t_ms;
}

static void emit_arm(struct emitter *out, const struct slo *s, struct arm *arm)
{
    if (arm->newest_ms == 0)
        return;
    emit_sum(out, &arm->good, good_of(s, arm), GOOD_METRIC, s, arm, STR(""));
    emit_sum(out, &arm->total, arm->total.value, TOTAL_METRIC, s, arm, STR(""));
    for (size_t i = 0; i < arm->n_buckets; i++)
        emit_sum(out, &arm->buckets[i].sum, arm->buckets[i].sum.value, BUCKET_METRIC, s, arm,
                 arm->buckets[i].le);
}

void slo_engine_flush(struct slo_engine *e, int64_t t_ms,
                      void (*emit)(void *arg, struct labels, int64_t t_ms, double v), void *arg)
{
    struct arena arena = ARENA_INIT;
    struct emitter out = {.t_ms = t_ms, .arena = &arena};
    lock_whole(e);
    for (size_t i = 0; i < e->n_slos; i++) {
        for (struct arm *arm = e->slos[i].arms; arm; arm = arm->next)
            emit_arm(&out, &e->slos[i], arm);
    }
    unlock_whole(e);
    for (size_t i = 0; i < out.n; i++)
        emit(arg, out.items[i].labels, out.items[i].t_ms, out.items[i].v);
    arena_release(&arena);
}

static void copy_arm(struct arena *arena, const struct slo *s, const struct arm *arm,
                     struct slo_arm *out)
{
    double *edges = ARENA_ARRAY(arena, double, arm->n_buckets);
    double *cumulative = ARENA_ARRAY(arena, double, arm->n_buckets);
    for (size_t i = 0; i < arm->n_buckets; i++) {
        edges[i] = arm->buckets[i].edge;
        cumulative[i] = arm->buckets[i].sum.value;
    }
    struct slo_source *sources = ARENA_ARRAY(arena, struct slo_source, arm->n_sources);
    size_t n = 0;
    for (const struct source *from = arm->sources; from; from = from->next)
        sources[n++] = (struct slo_source){from->job, from->instance, from->newest_ms};
    double good = good_of(s, arm);
    bool counts_bad = s->spec->sli.bad_query;
    *out = (struct slo_arm){.version = arena_str(arena, arm->version),
                            .good = good,
                            .bad = arm->total.value - good,
                            .total = arm->total.value,
                            .newest_ms = arm->newest_ms,
                            .n_edges = arm->lacks_edges ? 0 : arm->n_buckets,
                            .edges = edges,
                            .cumulative = cumulative,
                            .impossible = arm->impossible,
                            .sources = sources,
                            .n_sources = n};
    for (size_t h = 0; h < 2; h++) {
        const struct half *half = &arm->halves[h];
        out->half_total[h] = half->total;
        out->half_bad[h] = counts_bad ? half->bad : half->total - half->good;
    }
}

bool slo_engine_arms(struct slo_engine *e, struct arena *arena, const char *name,
                     struct slo_arm **out, size_t *n)
{
    lock_whole(e);
    const struct slo *s = slo_engine_find(e, str_from(name));
    *n = 0;
    *out = NULL;
    if (s) {
        *out = ARENA_ARRAY(arena, struct slo_arm, s->n_arms);
        for (const struct arm *arm = s->arms; arm; arm = arm->next)
            copy_arm(arena, s, arm, &(*out)[(*n)++]);
    }
    unlock_whole(e);
    return s != NULL;
}

bool slo_engine_latency_edge(struct slo_engine *e, const char *name, double *edge)
{
    const struct slo *s = slo_engine_find(e, str_from(name));
    if (!s || isnan(s->selectors.edge))
        return false;
    *edge = s->selectors.edge;
    return true;
}
