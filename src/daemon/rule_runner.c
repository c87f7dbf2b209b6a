#include "daemon/rule_runner.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#define LONGEST_SLEEP_MS 1000 /* the wall clock may have been set meanwhile */

struct rule_runner {
    struct rule_runner_options options;
    pthread_t thread;
    atomic_bool stopping;
    pthread_mutex_t lock; /* guards what is below */
    pthread_cond_t changed;
    struct config *next; /* to be taken */
    /* The thread's own. */
    struct config *config;
    struct rule_world world;
    bool restored; /* the first configuration was taken */
};

/* --- The world of the rules --- */

static enum store_result add_sample(struct store_batch *batch, const struct rule_sample *s)
{
    uint64_t ref = store_series(batch, s->labels, NULL);
    if (!ref)
        return STORE_LIMIT;
    return s->histogram
               ? store_batch_add_histogram(batch, ref, s->t_ms, s->histogram, STORE_ORIGIN_UNKNOWN)
               : store_batch_add(batch, ref, s->t_ms, s->v, STORE_ORIGIN_UNKNOWN);
}

static bool write_to_store(void *self, const struct rule_sample *samples, size_t n, struct err *err)
{
    struct rule_runner *r = self;
    struct store_batch *batch = store_batch_begin(r->options.store, clock_wall_ms());
    enum store_result worst = STORE_OK;
    size_t refused = 0;
    for (size_t i = 0; i < n; i++) {
        enum store_result result = add_sample(batch, &samples[i]);
        if (result == STORE_OK || result == STORE_DUPLICATE)
            continue;
        refused++;
        worst = result;
    }
    if (!store_batch_commit(batch, err))
        return false;
    return refused == 0 || err_set(err, ERR_CONFLICT, "%zu of %zu samples are refused: %s", refused,
                                   n, store_result_name(worst));
}

static void tell(void *self, const struct alert *alerts, size_t n)
{
    struct rule_runner *r = self;
    notifier_send(r->options.notifier, &r->config->alerting, alerts, n);
}

static bool find_source(void *self, const char *name, struct promql_source *out, struct err *err)
{
    struct rule_runner *r = self;
    return remote_source_find(r->options.sources, name, out, err);
}

static bool is_cancelled(void *self)
{
    struct rule_runner *r = self;
    return atomic_load(&r->stopping);
}

static void make_world(struct rule_runner *r)
{
    const struct config *c = r->config;
    const char *url = c->alerting.external_url;
    r->world = (struct rule_world){.self = r,
                                   .source = r->options.source,
                                   .options = {.max_samples = c->query.max_samples,
                                               .max_memory_bytes = c->query.max_memory_bytes,
                                               .cancelled = is_cancelled,
                                               .cancelled_self = r},
                                   .find_source = find_source,
                                   .external_labels = c->alerting.external_labels,
                                   .external_url = *url ? url : r->options.external_url,
                                   .resend_ms = c->resend_ms,
                                   .grace_ms = c->for_grace_ms,
                                   .outage_tolerance_ms = c->for_outage_tolerance_ms,
                                   .timeout_ms = c->query.timeout_ms,
                                   .write = write_to_store,
                                   .notify = tell};
}

/* --- The thread --- */

static void take_config(struct rule_runner *r, struct config *next)
{
    struct config *old = r->config;
    r->config = next;
    make_world(r);
    rules_apply(r->options.rules, next->rule_groups, next->n_rule_groups, &r->world, !r->restored,
                clock_wall_ms());
    r->restored = true;
    config_free(old);
}

/* Under the lock. */
static void sleep_ms(struct rule_runner *r, int64_t ms)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + ms * 1000000;
    until.tv_sec += (time_t)(ns / 1000000000);
    until.tv_nsec = (long)(ns % 1000000000);
    (void)pthread_cond_timedwait(&r->changed, &r->lock, &until);
}

static void evaluate_due(struct rule_runner *r)
{
    struct arena arena = ARENA_INIT;
    size_t group = 0;
    int64_t now_ms = clock_wall_ms();
    if (rules_next(r->options.rules, &group) <= now_ms)
        rules_evaluate(r->options.rules, group, &r->world, now_ms, &arena);
    arena_release(&arena);
}

static int64_t time_to_wait(struct rule_runner *r)
{
    size_t group;
    int64_t due_ms = rules_next(r->options.rules, &group), now_ms = clock_wall_ms();
    if (due_ms <= now_ms)
        return 0;
    return due_ms - now_ms < LONGEST_SLEEP_MS ? due_ms - now_ms : LONGEST_SLEEP_MS;
}

static void *run(void *arg)
{
    struct rule_runner *r = arg;
    (void)pthread_mutex_lock(&r->lock);
    while (!atomic_load(&r->stopping)) {
        struct config *next = r->next;
        int64_t wait_ms = next ? 0 : time_to_wait(r);
        r->next = NULL;
        if (wait_ms > 0) {
            sleep_ms(r, wait_ms);
            continue;
        }
        (void)pthread_mutex_unlock(&r->lock);
        if (next)
            take_config(r, next);
        else
            evaluate_due(r);
        (void)pthread_mutex_lock(&r->lock);
    }
    (void)pthread_mutex_unlock(&r->lock);
    return NULL;
}

/* --- Life --- */

static void init_sync(struct rule_runner *r)
{
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&r->changed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    (void)pthread_mutex_init(&r->lock, NULL);
}

struct rule_runner *rule_runner_start(const struct rule_runner_options *options,
                                      struct config *config)
{
    struct rule_runner *r = calloc(1, sizeof *r);
    if (!r)
        check_no_memory(sizeof *r);
    r->options = *options;
    r->options.external_url = strdup(options->external_url);
    if (!r->options.external_url)
        check_no_memory(strlen(options->external_url));
    init_sync(r);
    r->next = config_ref(config);
    CHECK(pthread_create(&r->thread, NULL, run, r) == 0);
    return r;
}

void rule_runner_apply(struct rule_runner *r, struct config *config)
{
    (void)pthread_mutex_lock(&r->lock);
    config_free(r->next);
    r->next = config_ref(config);
    (void)pthread_cond_signal(&r->changed);
    (void)pthread_mutex_unlock(&r->lock);
}

void rule_runner_stop(struct rule_runner *r)
{
    if (!r)
        return;
    atomic_store(&r->stopping, true);
    (void)pthread_mutex_lock(&r->lock);
    (void)pthread_cond_signal(&r->changed);
    (void)pthread_mutex_unlock(&r->lock);
    (void)pthread_join(r->thread, NULL);
    config_free(r->next);
    config_free(r->config);
    (void)pthread_cond_destroy(&r->changed);
    (void)pthread_mutex_destroy(&r->lock);
    free((char *)(uintptr_t)r->options.external_url);
    free(r);
}
