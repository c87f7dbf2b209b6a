#include "daemon/source_asker.h"

#include "base/clock.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WANTED_MS 60000
#define FORGET_MS 600000
#define EVERY_MIN_MS 1000
#define EVERY_MAX_MS 15000
#define SLEEP_MS 200
#define MAX_QUESTIONS 1000

/* Its texts do not change; the rest is guarded by the asker's lock. */
struct question {
    struct question *next;
    char *source, *query;
    int64_t max_age_ms;
    int64_t wanted_ms; /* somebody asked last */
    int64_t began_ms;  /* the last attempt began; 0 = none has */
    bool busy;
    int64_t at_ms, age_ms;
    double *values;
    size_t n_values;
    struct err failure; /* ERR_NONE = the last attempt was good */
};

/* One a source that was ever asked. */
struct thread {
    struct thread *next;
    struct source_asker *asker;
    char *source;
    pthread_t id;
};

struct source_asker {
    struct source_asker_options options;
    atomic_bool stopping;
    pthread_mutex_t lock; /* guards what is below */
    pthread_cond_t changed;
    struct question *questions;
    size_t n;
    struct thread *threads;
};

/* --- Asking --- */

struct noting {
    const struct promql_source *of;
    int64_t age_ms;
};

static bool note_select(void *self, struct arena *arena, const struct matcher *m, size_t n_matchers,
                        int64_t mint_ms, int64_t maxt_ms, struct promql_series **out, size_t *n,
                        struct err *err)
{
    struct noting *noting = self;
    int64_t newest_ms = INT64_MIN;
    if (!noting->of->select(noting->of->self, arena, m, n_matchers, mint_ms, maxt_ms, out, n, err))
        return false;
    for (size_t i = 0; i < *n; i++) {
        const struct promql_series *s = &(*out)[i];
        if (s->n > 0 && s->samples[s->n - 1].t_ms > newest_ms)
            newest_ms = s->samples[s->n - 1].t_ms;
        if (s->n_histograms > 0 && s->histograms[s->n_histograms - 1].t_ms > newest_ms)
            newest_ms = s->histograms[s->n_histograms - 1].t_ms;
    }
    if (newest_ms != INT64_MIN && maxt_ms - newest_ms > noting->age_ms)
        noting->age_ms = maxt_ms - newest_ms;
    return true;
}

static void list_values(const struct promql_result *result, struct arena *arena,
                        const double **values, size_t *n)
{
    *n = result->type == PROMQL_SCALAR ? 1 : result->type == PROMQL_VECTOR ? result->n_series : 0;
    double *v = ARENA_ARRAY(arena, double, *n);
    for (size_t i = 0; i < *n; i++)
        v[i] = result->type == PROMQL_SCALAR ? result->scalar
               : result->series[i].n > 0     ? result->series[i].samples[0].v
                                             : __builtin_nan("");
    *values = v;
}

bool ask_values(const struct promql_source *source, const struct promql_options *options,
                const char *query, int64_t now_ms, struct arena *arena, const double **values,
                size_t *n, int64_t *age_ms, struct err *err)
{
    struct noting noting = {source, -1};
    struct promql_source noted = {.self = &noting, .select = note_select};
    struct promql_result result;
    const struct promql_expr *expr = promql_parse(arena, str_from(query), err);
    if (!expr || !promql_instant(expr, &noted, options, now_ms, arena, &result, err))
        return false;
    list_values(&result, arena, values, n);
    *age_ms = noting.age_ms;
    return true;
}

/* --- The threads --- */

static bool is_stopping(void *self)
{
    const struct source_asker *a = self;
    return atomic_load(&a->stopping);
}

/* Without the lock. */
static bool ask_source(struct source_asker *a, const struct question *q, int64_t now_ms,
                       struct arena *arena, const double **values, size_t *n, int64_t *age_ms,
                       struct err *err)
{
    struct promql_source source;
    struct promql_options options = {.lookback_ms = q->max_age_ms,
                                     .max_samples = a->options.max_samples,
                                     .max_memory_bytes = a->options.max_memory_bytes,
                                     .deadline_mono_ns =
                                         clock_mono_ns() + a->options.timeout_ms * INT64_C(1000000),
                                     .cancelled = is_stopping,
                                     .cancelled_self = a};
    return a->options.find(a->options.self, q->source, &source, err) &&
           ask_values(&source, &options, q->query, now_ms, arena, values, n, age_ms, err);
}

/* Under the lock, which is let go of while the source is asked. */
static void attempt(struct source_asker *a, struct question *q, int64_t now_ms)
{
    struct arena arena = ARENA_INIT;
    struct err err = ERR_INIT;
    const double *values = NULL;
    size_t n = 0;
    int64_t age_ms = -1;
    q->busy = true;
    q->began_ms = now_ms;
    (void)pthread_mutex_unlock(&a->lock);
    bool good = ask_source(a, q, now_ms, &arena, &values, &n, &age_ms, &err);
    (void)pthread_mutex_lock(&a->lock);
    q->busy = false;
    q->failure = err;
    if (good) {
        q->at_ms = now_ms;
        q->age_ms = age_ms;
        q->n_values = n;
        free(q->values);
        q->values = mem_array(n + 1, sizeof *q->values);
        if (n > 0)
            memcpy(q->values, values, n * sizeof *values);
    }
    arena_release(&arena);
}

static int64_t every_ms(const struct question *q)
{
    int64_t ms = q->max_age_ms / 4;
    return ms < EVERY_MIN_MS ? EVERY_MIN_MS : ms > EVERY_MAX_MS ? EVERY_MAX_MS : ms;
}

/* The one that has waited longest. */
static struct question *find_due(struct source_asker *a, const char *source, int64_t now_ms)
{
    struct question *due = NULL;
    for (struct question *q = a->questions; q; q = q->next) {
        bool is_due = strcmp(q->source, source) == 0 && now_ms - q->wanted_ms < WANTED_MS &&
                      (now_ms - q->began_ms >= every_ms(q) || now_ms < q->began_ms);
        if (is_due && (!due || q->began_ms < due->began_ms))
            due = q;
    }
    return due;
}

static void question_free(struct question *q)
{
    free(q->source);
    free(q->query);
    free(q->values);
    free(q);
}

static void forget_unwanted(struct source_asker *a, int64_t now_ms)
{
    for (struct question **at = &a->questions; *at;) {
        struct question *q = *at;
        if (q->busy || now_ms - q->wanted_ms < FORGET_MS) {
            at = &q->next;
            continue;
        }
        *at = q->next;
        a->n--;
        question_free(q);
    }
}

static void wait_a_little(struct source_asker *a)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += SLEEP_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    (void)pthread_cond_timedwait(&a->changed, &a->lock, &until);
}

static void *run(void *arg)
{
    struct thread *t = arg;
    struct source_asker *a = t->asker;
    (void)pthread_mutex_lock(&a->lock);
    while (!atomic_load(&a->stopping)) {
        int64_t now_ms = clock_wall_ms();
        struct question *q = find_due(a, t->source, now_ms);
        if (q) {
            attempt(a, q, now_ms);
        } else {
            forget_unwanted(a, now_ms);
            wait_a_little(a);
        }
    }
    (void)pthread_mutex_unlock(&a->lock);
    return NULL;
}

/* --- Whoever wants to know --- */

static void need_thread(struct source_asker *a, const char *source)
{
    for (const struct thread *t = a->threads; t; t = t->next) {
        if (strcmp(t->source, source) == 0)
            return;
    }
    struct thread *t = mem_zalloc(sizeof *t);
    t->asker = a;
    t->source = mem_strdup(source);
    t->next = a->threads;
    a->threads = t;
    CHECK(pthread_create(&t->id, NULL, run, t) == 0);
}

static struct question *need_question(struct source_asker *a, const char *source, const char *query,
                                      int64_t max_age_ms)
{
    for (struct question *q = a->questions; q; q = q->next) {
        if (q->max_age_ms == max_age_ms && strcmp(q->source, source) == 0 &&
            strcmp(q->query, query) == 0)
            return q;
    }
    if (a->n == MAX_QUESTIONS)
        return NULL;
    struct question *q = mem_zalloc(sizeof *q);
    q->source = mem_strdup(source);
    q->query = mem_strdup(query);
    q->max_age_ms = max_age_ms;
    q->next = a->questions;
    a->questions = q;
    a->n++;
    need_thread(a, source);
    (void)pthread_cond_broadcast(&a->changed);
    return q;
}

struct source_answer source_asker_ask(struct source_asker *a, struct arena *arena,
                                      const char *source, const char *query, int64_t max_age_ms,
                                      int64_t now_ms)
{
    struct source_answer out = {.age_ms = -1};
    if (!a)
        return out;
    (void)pthread_mutex_lock(&a->lock);
    struct question *q = need_question(a, source, query, max_age_ms);
    if (q) {
        q->wanted_ms = now_ms;
        out.at_ms = q->at_ms;
        out.age_ms = q->age_ms;
        out.n_values = q->n_values;
        out.values =
            q->n_values ? arena_memdup(arena, q->values, q->n_values * sizeof *q->values) : NULL;
        out.why = q->failure.code != ERR_NONE ? arena_strdup(arena, q->failure.message) : NULL;
    } else {
        out.why = arena_printf(arena, "over %d questions are asked of sources", MAX_QUESTIONS);
    }
    (void)pthread_mutex_unlock(&a->lock);
    return out;
}

/* --- Life --- */

struct source_asker *source_asker_new(const struct source_asker_options *options)
{
    struct source_asker *a = mem_zalloc(sizeof *a);
    pthread_condattr_t attributes;
    a->options = *options;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&a->changed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    (void)pthread_mutex_init(&a->lock, NULL);
    return a;
}

void source_asker_free(struct source_asker *a)
{
    if (!a)
        return;
    (void)pthread_mutex_lock(&a->lock);
    atomic_store(&a->stopping, true);
    (void)pthread_cond_broadcast(&a->changed);
    (void)pthread_mutex_unlock(&a->lock);
    while (a->threads) {
        struct thread *t = a->threads;
        a->threads = t->next;
        (void)pthread_join(t->id, NULL);
        free(t->source);
        free(t);
    }
    while (a->questions) {
        struct question *q = a->questions;
        a->questions = q->next;
        question_free(q);
    }
    (void)pthread_cond_destroy(&a->changed);
    (void)pthread_mutex_destroy(&a->lock);
    free(a);
}
