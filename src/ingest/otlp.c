#include "base/mem.h"
#include "ingest/otlp_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct otlp *otlp_new(struct store *store, struct metadata_store *metadata, int64_t now_ms)
{
    struct otlp *o = mem_zalloc(sizeof *o);
    o->store = store;
    o->metadata = metadata;
    o->since_ms = now_ms;
    (void)pthread_mutex_init(&o->adding, NULL);
    (void)pthread_mutex_init(&o->swap_lock, NULL);
    o->cache = key_cache_new();
    return o;
}

void otlp_keep_classic(struct otlp *o)
{
    o->classic_exponentials = true;
}

void otlp_free(struct otlp *o)
{
    if (!o)
        return;
    key_cache_unref(o->cache);
    (void)pthread_mutex_destroy(&o->swap_lock);
    (void)pthread_mutex_destroy(&o->adding);
    free(o);
}

void otlp_set_freshness(struct otlp *o, struct freshness *freshness)
{
    o->freshness = freshness;
}

void otlp_point_reset(struct otlp_point *p)
{
    p->start_ns = p->t_ns = 0;
    p->flags = 0;
    p->refused = NULL;
    p->attributes.n = 0;
    p->attributes.too_many = false;
    p->has_value = p->has_sum = false;
    p->value = p->sum = p->zero_threshold = 0;
    p->count = p->zero_count = 0;
    p->n_exemplars = 0;
    p->n_bounds = p->n_counts = p->n_values = 0;
    p->scale = 0;
    p->positive.n = p->negative.n = 0;
    p->positive.offset = p->negative.offset = 0;
}

struct otlp_attribute *otlp_attributes_more(struct otlp_attributes *a)
{
    if (a->n < OTLP_MAX_ATTRIBUTES)
        return &a->v[a->n++];
    a->too_many = true;
    return NULL;
}

enum otlp_temporality otlp_temporality_of(uint64_t number)
{
    return number == OTLP_DELTA        ? OTLP_DELTA
           : number == OTLP_CUMULATIVE ? OTLP_CUMULATIVE
                                       : OTLP_UNSPECIFIED;
}

void otlp_text_begin(struct otlp_text *t)
{
    buf_init(&t->buf);
    json_writer_init(&t->writer, &t->buf);
}

struct str otlp_text_end(struct otlp_text *t, struct arena *arena)
{
    struct str s = buf_str(&t->buf);
    json_writer_end(&t->writer);
    if (s.n >= 2 && s.p[0] == '"')
        s = str_make(s.p + 1, s.n - 2);
    s = arena_str(arena, s);
    buf_release(&t->buf);
    return s;
}

struct str otlp_int_text(struct arena *arena, int64_t v)
{
    char text[24];
    int n = snprintf(text, sizeof text, "%" PRId64, v);
    return arena_str(arena, str_make(text, (size_t)n));
}
