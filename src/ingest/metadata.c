#include "ingest/ingest.h"

#include "base/map.h"

#include <pthread.h>
#include <stdlib.h>

#define MAX_FAMILIES 100000
#define MAX_TEXT_BYTES 4096

/* Empty = not known. */
struct family {
    struct buf type, help, unit;
};

struct metadata_store {
    pthread_mutex_t lock; /* guards the rest */
    struct map *families; /* name -> struct family, in the order they were first seen */
};

struct metadata_store *metadata_store_new(void)
{
    struct metadata_store *m = calloc(1, sizeof *m);
    if (!m)
        check_no_memory(sizeof *m);
    (void)pthread_mutex_init(&m->lock, NULL);
    m->families = map_new();
    return m;
}

static void free_family(struct family *f)
{
    buf_release(&f->type);
    buf_release(&f->help);
    buf_release(&f->unit);
    free(f);
}

void metadata_store_free(struct metadata_store *m)
{
    struct str name;
    void *family;
    if (!m)
        return;
    for (size_t i = 0; map_next(m->families, &i, &name, &family);)
        free_family(family);
    map_free(m->families);
    (void)pthread_mutex_destroy(&m->lock);
    free(m);
}

static void set_text(struct buf *text, struct str s)
{
    if (s.n > MAX_TEXT_BYTES)
        s.n = MAX_TEXT_BYTES;
    if (s.n == 0 || str_eq(s, buf_str(text)))
        return;
    buf_clear(text);
    buf_add_str(text, s);
}

static struct family *find_or_make(struct metadata_store *m, struct str name)
{
    struct family *f = map_get(m->families, name);
    if (f || map_count(m->families) >= MAX_FAMILIES)
        return f;
    f = calloc(1, sizeof *f);
    if (!f)
        check_no_memory(sizeof *f);
    (void)map_set(m->families, name, f);
    return f;
}

void metadata_store_put(struct metadata_store *m, struct str family, struct str type,
                        struct str help, struct str unit)
{
    (void)pthread_mutex_lock(&m->lock);
    struct family *f = find_or_make(m, family);
    if (f) {
        set_text(&f->type, type);
        set_text(&f->help, help);
        set_text(&f->unit, unit);
    }
    (void)pthread_mutex_unlock(&m->lock);
}

static void put_family(struct json_writer *w, struct str name, const struct family *f)
{
    json_key_str(w, name);
    json_open_array(w);
    json_open_object(w);
    json_key(w, "type");
    json_put_str(w, f->type.n > 0 ? buf_str(&f->type) : STR("unknown"));
    json_key(w, "help");
    json_put_str(w, buf_str(&f->help));
    json_key(w, "unit");
    json_put_str(w, buf_str(&f->unit));
    json_close_object(w);
    json_close_array(w);
}

void metadata_store_json(struct metadata_store *m, const char *name, size_t limit,
                         struct json_writer *w)
{
    struct str key;
    void *family;
    size_t n = 0;
    json_open_object(w);
    (void)pthread_mutex_lock(&m->lock);
    if (name && (family = map_get(m->families, str_from(name))))
        put_family(w, str_from(name), family);
    for (size_t i = 0; !name && (limit == 0 || n < limit); n++) {
        if (!map_next(m->families, &i, &key, &family))
            break;
        put_family(w, key, family);
    }
    (void)pthread_mutex_unlock(&m->lock);
    json_close_object(w);
}
