#include "store/erased.h"

#include "base/file.h"
#include "base/log.h"
#include "block/file.h"
#include "codec/json.h"

#include <pthread.h>

#define MAX_BYTES (256u << 20)
#define LOG_BEHIND_MS (INT64_C(12) * 3600 * 1000) /* the log is cut each 2 h */

struct entry {
    uint64_t hash; /* of the labels */
    struct labels labels;
    struct block_interval span;
};

struct block_erased {
    char *path;
    pthread_rwlock_t lock; /* guards the rest */
    struct arena arena;    /* labels; freed when the list is empty */
    struct entry *v;
    size_t n, capacity;
};

bool block_erased_is_empty(struct block_erased *e)
{
    pthread_rwlock_rdlock(&e->lock);
    bool empty = e->n == 0;
    pthread_rwlock_unlock(&e->lock);
    return empty;
}

static void push(struct block_erased *e, struct labels labels, struct block_interval span)
{
    e->v = mem_grow(e->v, e->n, &e->capacity, sizeof *e->v);
    e->v[e->n++] = (struct entry){labels_hash(labels), labels_copy(&e->arena, labels), span};
}

void block_erased_add(struct block_erased *e, struct labels labels, struct block_interval span)
{
    pthread_rwlock_wrlock(&e->lock);
    push(e, labels, span);
    pthread_rwlock_unlock(&e->lock);
}

void block_erased_apply(struct block_erased *e, struct labels labels, struct points *p)
{
    pthread_rwlock_rdlock(&e->lock);
    uint64_t hash = e->n > 0 ? labels_hash(labels) : 0;
    for (size_t i = 0; i < e->n; i++) {
        if (e->v[i].hash == hash && labels_eq(e->v[i].labels, labels))
            points_drop(p, e->v[i].span);
    }
    pthread_rwlock_unlock(&e->lock);
}

static void write_entry(struct json_writer *w, const struct entry *entry)
{
    json_open_object(w);
    json_key(w, "labels");
    json_open_object(w);
    for (size_t i = 0; i < entry->labels.n; i++) {
        json_key_str(w, entry->labels.v[i].name);
        json_put_str(w, entry->labels.v[i].value);
    }
    json_close_object(w);
    json_key(w, "mint");
    json_put_i64(w, entry->span.min_ms);
    json_key(w, "maxt");
    json_put_i64(w, entry->span.max_ms);
    json_close_object(w);
}

static bool save_locked(struct block_erased *e, struct err *err)
{
    struct buf text = BUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &text);
    json_open_array(&w);
    for (size_t i = 0; i < e->n; i++)
        write_entry(&w, &e->v[i]);
    json_close_array(&w);
    json_writer_end(&w);
    bool done = file_replace(e->path, buf_str(&text), 0600, err);
    buf_release(&text);
    return done;
}

bool block_erased_save(struct block_erased *e, struct err *err)
{
    pthread_rwlock_rdlock(&e->lock);
    bool done = save_locked(e, err);
    pthread_rwlock_unlock(&e->lock);
    return done;
}

void block_erased_forget(struct block_erased *e, int64_t horizon_ms)
{
    struct err err = ERR_INIT;
    size_t kept = 0;
    pthread_rwlock_wrlock(&e->lock);
    size_t before = e->n;
    for (size_t i = 0; i < e->n; i++) {
        int64_t last_ms = e->v[i].span.max_ms;
        if (last_ms > INT64_MAX - LOG_BEHIND_MS || last_ms + LOG_BEHIND_MS >= horizon_ms)
            e->v[kept++] = e->v[i];
    }
    e->n = kept;
    if (kept == 0 && before > 0)
        arena_clear(&e->arena);
    if (kept < before && !save_locked(e, &err))
        log_warn("store", "old deletions are not forgotten: %s", err.message);
    pthread_rwlock_unlock(&e->lock);
}

static bool read_entry(struct block_erased *e, const json_t *object, struct arena *arena,
                       struct err *err)
{
    struct labels_builder b;
    const char *name;
    json_t *value;
    json_t *labels = json_object_get(object, "labels");
    struct block_interval span = {json_get_i64(object, "mint", INT64_MAX),
                                  json_get_i64(object, "maxt", INT64_MIN)};
    if (!json_is_object(labels) || span.min_ms > span.max_ms)
        return err_set(err, ERR_CORRUPT, "%s: a deletion makes no sense", e->path);
    labels_builder_init(&b, arena);
    json_object_foreach(labels, name, value)
    {
        if (json_is_string(value))
            labels_builder_set(&b, str_from(name),
                               str_make(json_string_value(value), json_string_length(value)));
    }
    push(e, labels_build(&b), span);
    return true;
}

static bool read_entries(struct block_erased *e, struct str text, struct err *err)
{
    struct arena arena = ARENA_INIT;
    const json_t *list = json_parse(&arena, text, err);
    bool done = list != NULL;
    for (size_t i = 0; done && i < json_array_size(list); i++)
        done = read_entry(e, json_array_get(list, i), &arena, err);
    arena_release(&arena);
    return done;
}

static bool load(struct block_erased *e, struct err *err)
{
    struct buf text = BUF_INIT, aside = BUF_INIT;
    struct err why = ERR_INIT;
    bool done = !file_exists(e->path) || file_read(e->path, MAX_BYTES, &text, err);
    if (done && text.n > 0 && !read_entries(e, buf_str(&text), &why)) {
        buf_printf(&aside, "%s.corrupt", e->path);
        log_error("store",
                  "deletions damaged, set aside: what was deleted of the newest hours may "
                  "be there again why=%s",
                  why.message);
        done = block_rename(e->path, aside.p, err);
    }
    buf_release(&text);
    buf_release(&aside);
    return done;
}

struct block_erased *block_erased_open(const char *folder, struct err *err)
{
    struct block_erased *e = mem_zalloc(sizeof *e);
    struct buf path = BUF_INIT;
    buf_printf(&path, "%s/deletions", folder);
    e->path = buf_detach(&path);
    pthread_rwlock_init(&e->lock, NULL);
    if (load(e, err))
        return e;
    block_erased_close(e);
    return NULL;
}

void block_erased_close(struct block_erased *e)
{
    if (!e)
        return;
    pthread_rwlock_destroy(&e->lock);
    arena_release(&e->arena);
    free(e->v);
    free(e->path);
    free(e);
}
