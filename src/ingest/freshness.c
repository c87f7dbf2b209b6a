#include "ingest/ingest.h"

#include "base/buf.h"
#include "base/map.h"
#include "base/mem.h"

#include <pthread.h>
#include <stdlib.h>

#define MAX_SOURCES 10000
#define SILENT_MS INT64_C(3600000) /* then it may be forgotten for another */
#define MAX_INTERVAL_MS INT64_C(3600000)

const double freshness_bounds[FRESHNESS_BOUNDS] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
                                                   1,     2.5,  5,     10,   30,  60};

struct freshness {
    pthread_mutex_t lock;
    struct map
        *sources; /* kind, job, 0, instance -> struct freshness_source, which owns its names */
    struct buf key;
};

const char *freshness_kind_name(enum freshness_kind kind)
{
    static const char *const names[] = {
#define X(code, name) name,
        FRESHNESS_KINDS(X)
#undef X
    };
    return names[kind];
}

struct freshness *freshness_new(void)
{
    struct freshness *f = mem_zalloc(sizeof *f);
    (void)pthread_mutex_init(&f->lock, NULL);
    f->sources = map_new();
    return f;
}

void freshness_free(struct freshness *f)
{
    struct str key;
    void *source;
    if (!f)
        return;
    for (size_t i = 0; map_next(f->sources, &i, &key, &source);)
        free(source);
    map_free(f->sources);
    buf_release(&f->key);
    (void)pthread_mutex_destroy(&f->lock);
    free(f);
}

static struct str key_of(struct freshness *f, enum freshness_kind kind, struct str job,
                         struct str instance)
{
    buf_clear(&f->key);
    buf_add_char(&f->key, (char)kind);
    buf_add_str(&f->key, job);
    buf_add_char(&f->key, '\0');
    buf_add_str(&f->key, instance);
    return buf_str(&f->key);
}

static struct str put_behind(char *at, struct str s)
{
    if (s.n > 0)
        memcpy(at, s.p, s.n);
    return str_make(at, s.n);
}

static bool make_room(struct freshness *f, int64_t now_ms)
{
    struct str key;
    void *item;
    for (size_t i = 0; map_next(f->sources, &i, &key, &item);) {
        struct freshness_source *s = item;
        if (now_ms - s->visible_ms <= SILENT_MS)
            continue;
        (void)map_remove(f->sources, key_of(f, s->kind, s->job, s->instance));
        free(s);
        return true;
    }
    return false;
}

/* NULL when there are too many. */
static struct freshness_source *source_of(struct freshness *f, enum freshness_kind kind,
                                          struct str job, struct str instance, int64_t now_ms)
{
    struct freshness_source *s = map_get(f->sources, key_of(f, kind, job, instance));
    if (s || (map_count(f->sources) >= MAX_SOURCES && !make_room(f, now_ms)))
        return s;
    s = mem_zalloc(sizeof *s + job.n + instance.n + 1);
    char *names = (char *)(s + 1);
    s->kind = kind;
    s->job = put_behind(names, job);
    s->instance = put_behind(names + job.n, instance);
    (void)map_set(f->sources, key_of(f, kind, job, instance), s);
    return s;
}

/* Longer gaps count at once, shorter ones bit by bit: a late export is no news, a missing one is.
 */
static void learn_interval(struct freshness_source *s, int64_t newest_ms, int64_t interval_ms)
{
    int64_t gap_ms = s->newest_ms > 0 ? newest_ms - s->newest_ms : 0;
    if (interval_ms > 0)
        s->interval_ms = interval_ms;
    else if (gap_ms > s->interval_ms)
        s->interval_ms = gap_ms < MAX_INTERVAL_MS ? gap_ms : MAX_INTERVAL_MS;
    else if (gap_ms > 0)
        s->interval_ms = (7 * s->interval_ms + gap_ms) / 8;
}

static void observe(struct freshness_source *s, double seconds)
{
    size_t i = 0;
    while (i < FRESHNESS_BOUNDS && seconds > freshness_bounds[i])
        i++;
    if (i < FRESHNESS_BOUNDS)
        s->buckets[i]++;
    s->count++;
    s->sum_seconds += seconds;
}

void freshness_note(struct freshness *f, enum freshness_kind kind, struct str job,
                    struct str instance, int64_t newest_ms, int64_t visible_ms, int64_t interval_ms)
{
    if (!f)
        return;
    (void)pthread_mutex_lock(&f->lock);
    struct freshness_source *s = source_of(f, kind, job, instance, visible_ms);
    if (s) {
        observe(s, visible_ms > newest_ms ? (double)(visible_ms - newest_ms) / 1000 : 0);
        s->visible_ms = visible_ms;
        if (newest_ms > s->newest_ms) {
            learn_interval(s, newest_ms, interval_ms);
            s->newest_ms = newest_ms;
        }
    }
    (void)pthread_mutex_unlock(&f->lock);
}

void freshness_forget(struct freshness *f, enum freshness_kind kind, struct str job,
                      struct str instance)
{
    if (!f)
        return;
    (void)pthread_mutex_lock(&f->lock);
    free(map_remove(f->sources, key_of(f, kind, job, instance)));
    (void)pthread_mutex_unlock(&f->lock);
}

int64_t freshness_newest(struct freshness *f, struct str job, struct str instance)
{
    int64_t newest_ms = 0;
    if (!f)
        return 0;
    (void)pthread_mutex_lock(&f->lock);
    for (int kind = FRESHNESS_SCRAPE; kind <= FRESHNESS_REMOTE_WRITE; kind++) {
        const struct freshness_source *s =
            map_get(f->sources, key_of(f, (enum freshness_kind)kind, job, instance));
        if (s && s->newest_ms > newest_ms)
            newest_ms = s->newest_ms;
    }
    (void)pthread_mutex_unlock(&f->lock);
    return newest_ms;
}

static int compare(const void *left, const void *right)
{
    const struct freshness_source *a = left, *b = right;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    int order = str_cmp(a->job, b->job);
    return order ? order : str_cmp(a->instance, b->instance);
}

void freshness_list(struct freshness *f, struct arena *arena, struct freshness_source **out,
                    size_t *n)
{
    struct str key;
    void *item;
    *n = 0;
    *out = NULL;
    if (!f)
        return;
    (void)pthread_mutex_lock(&f->lock);
    *out = ARENA_ARRAY(arena, struct freshness_source, map_count(f->sources));
    for (size_t i = 0; map_next(f->sources, &i, &key, &item);) {
        struct freshness_source *s = &(*out)[(*n)++];
        *s = *(struct freshness_source *)item;
        s->job = arena_str(arena, s->job);
        s->instance = arena_str(arena, s->instance);
        s->watermark_ms = s->newest_ms - (s->kind == FRESHNESS_SCRAPE ? 0 : s->interval_ms);
    }
    (void)pthread_mutex_unlock(&f->lock);
    qsort(*out, *n, sizeof **out, compare);
}
