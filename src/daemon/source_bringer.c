#include "daemon/source_bringer.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "slo/slo.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define EVERY_MS 5000
#define FIRST_MS 300000
#define OVERLAP_MS 60000
#define FARTHEST_MS 3600000

/* One a source that an objective has named. */
struct bringing {
    struct bringing *next;
    struct source_bringer *bringer;
    char *source;
    pthread_t id;
    int64_t answered_ms; /* the thread's own; 0 = not yet */
    struct err failure;  /* guarded by the bringer's lock; ERR_NONE = the last round was good */
};

struct source_bringer {
    struct source_bringer_options options;
    atomic_bool stopping;
    pthread_mutex_t lock; /* guards what is below */
    pthread_cond_t changed;
    struct config *config;
    struct bringing *all;
};

/* --- One round --- */

static struct labels labelled(struct arena *arena, struct labels labels, const char *source)
{
    struct labels_builder b;
    labels_builder_from(&b, arena, labels);
    labels_builder_set(&b, STR(SLO_SOURCE_LABEL), str_from(source));
    return labels_build(&b);
}

/* Floats and histograms by time, only what is newer than what the series has. */
static void append(struct store_batch *batch, uint64_t ref, const struct promql_series *s)
{
    int64_t newest_ms;
    size_t i = 0, k = 0;
    if (!store_batch_newest_time(batch, ref, &newest_ms))
        newest_ms = INT64_MIN;
    while (i < s->n || k < s->n_histograms) {
        bool is_float =
            k == s->n_histograms || (i < s->n && s->samples[i].t_ms <= s->histograms[k].t_ms);
        int64_t t_ms = is_float ? s->samples[i].t_ms : s->histograms[k].t_ms;
        if (t_ms <= newest_ms)
            ;
        else if (is_float)
            (void)store_batch_add(batch, ref, t_ms, s->samples[i].v, STORE_ORIGIN_UNKNOWN);
        else
            (void)store_batch_add_histogram(batch, ref, t_ms, s->histograms[k].h,
                                            STORE_ORIGIN_UNKNOWN);
        i += is_float;
        k += !is_float;
    }
}

static bool append_all(struct store *store, struct arena *arena, const char *source,
                       const struct promql_series *series, size_t n, struct err *err)
{
    struct store_batch *batch = store_batch_begin(store, clock_wall_ms());
    size_t refused = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t ref = store_series(batch, labelled(arena, series[i].labels, source), NULL);
        if (ref)
            append(batch, ref, &series[i]);
        refused += !ref;
    }
    if (!store_batch_commit(batch, err))
        return false;
    return refused == 0 || err_set(err, ERR_LIMIT, "the store refuses %zu new series", refused);
}

static bool bring_slo(const struct source_bringer_options *o, const struct promql_source *from,
                      const struct slo_spec *slo, int64_t from_ms, int64_t to_ms, struct err *err)
{
    struct arena arena = ARENA_INIT;
    struct promql_selector *selectors;
    size_t n, n_series;
    bool good = slo_source_selectors(&arena, slo, &selectors, &n, err);
    for (size_t i = 0; good && i < n; i++) {
        struct promql_series *series;
        good = from->select(from->self, &arena, selectors[i].matchers, selectors[i].n, from_ms + 1,
                            to_ms, &series, &n_series, err) &&
               append_all(o->store, &arena, slo->sli.source, series, n_series, err);
    }
    arena_release(&arena);
    return good;
}

bool bring_home(const struct source_bringer_options *o, const struct config *config,
                const char *source, int64_t from_ms, int64_t to_ms, struct err *err)
{
    struct promql_source from;
    if (!o->find(o->self, source, &from, err))
        return false;
    for (size_t i = 0; i < config->n_slos; i++) {
        const struct slo_spec *slo = &config->slos[i];
        if (slo->sli.source && strcmp(slo->sli.source, source) == 0 &&
            !bring_slo(o, &from, slo, from_ms, to_ms, err))
            return false;
    }
    return true;
}

/* --- The threads --- */

static int64_t begin_of(const struct bringing *b, int64_t now_ms)
{
    if (b->answered_ms == 0)
        return now_ms - FIRST_MS;
    int64_t from_ms = b->answered_ms - OVERLAP_MS;
    return from_ms < now_ms - FARTHEST_MS ? now_ms - FARTHEST_MS : from_ms;
}

static void note(struct bringing *b, const struct err *failure)
{
    bool was_good = b->failure.code == ERR_NONE;
    if (failure->code != ERR_NONE && was_good)
        log_warn("slo", "objectives of source '%s': %s", b->source, failure->message);
    else if (failure->code == ERR_NONE && !was_good)
        log_info("slo", "source '%s' answers again", b->source);
    b->failure = *failure;
}

/* Under the lock, which is let go of while the source is asked. */
static void one_round(struct source_bringer *r, struct bringing *b)
{
    struct config *config = config_ref(r->config);
    struct err err = ERR_INIT;
    (void)pthread_mutex_unlock(&r->lock);
    int64_t now_ms = clock_wall_ms();
    if (bring_home(&r->options, config, b->source, begin_of(b, now_ms), now_ms, &err))
        b->answered_ms = now_ms;
    config_free(config);
    (void)pthread_mutex_lock(&r->lock);
    note(b, &err);
}

static void sleep_until(struct source_bringer *r, int64_t mono_ns)
{
    struct timespec until = {mono_ns / 1000000000, (long)(mono_ns % 1000000000)};
    while (!atomic_load(&r->stopping) && clock_mono_ns() < mono_ns)
        (void)pthread_cond_timedwait(&r->changed, &r->lock, &until);
}

static void *run(void *arg)
{
    struct bringing *b = arg;
    struct source_bringer *r = b->bringer;
    (void)pthread_mutex_lock(&r->lock);
    while (!atomic_load(&r->stopping)) {
        int64_t begun_ns = clock_mono_ns();
        one_round(r, b);
        sleep_until(r, begun_ns + EVERY_MS * INT64_C(1000000));
    }
    (void)pthread_mutex_unlock(&r->lock);
    return NULL;
}

/* --- Life --- */

struct source_bringer *source_bringer_new(const struct source_bringer_options *options)
{
    struct source_bringer *r = mem_zalloc(sizeof *r);
    pthread_condattr_t attributes;
    r->options = *options;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&r->changed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    (void)pthread_mutex_init(&r->lock, NULL);
    return r;
}

static struct bringing *find_bringing(struct source_bringer *r, const char *source)
{
    for (struct bringing *b = r->all; b; b = b->next) {
        if (strcmp(b->source, source) == 0)
            return b;
    }
    return NULL;
}

static void start(struct source_bringer *r, const char *source)
{
    struct bringing *b = mem_zalloc(sizeof *b);
    b->bringer = r;
    b->source = mem_strdup(source);
    b->next = r->all;
    r->all = b;
    CHECK(pthread_create(&b->id, NULL, run, b) == 0);
}

void source_bringer_apply(struct source_bringer *r, struct config *config)
{
    (void)pthread_mutex_lock(&r->lock);
    config_free(r->config);
    r->config = config_ref(config);
    for (size_t i = 0; i < config->n_slos; i++) {
        const char *source = config->slos[i].sli.source;
        if (source && !find_bringing(r, source))
            start(r, source);
    }
    (void)pthread_mutex_unlock(&r->lock);
}

const char *source_bringer_failure(struct source_bringer *r, struct arena *arena,
                                   const char *source)
{
    const char *why = NULL;
    if (!r)
        return NULL;
    (void)pthread_mutex_lock(&r->lock);
    const struct bringing *b = find_bringing(r, source);
    if (b && b->failure.code != ERR_NONE)
        why = arena_strdup(arena, b->failure.message);
    (void)pthread_mutex_unlock(&r->lock);
    return why;
}

void source_bringer_free(struct source_bringer *r)
{
    if (!r)
        return;
    (void)pthread_mutex_lock(&r->lock);
    atomic_store(&r->stopping, true);
    (void)pthread_cond_broadcast(&r->changed);
    (void)pthread_mutex_unlock(&r->lock);
    while (r->all) {
        struct bringing *b = r->all;
        (void)pthread_join(b->id, NULL);
        r->all = b->next;
        free(b->source);
        free(b);
    }
    config_free(r->config);
    (void)pthread_cond_destroy(&r->changed);
    (void)pthread_mutex_destroy(&r->lock);
    free(r);
}
