/* One request under way: points find their series and are added to one batch. */
#include "base/clock.h"
#include "base/mem.h"
#include "ingest/otlp_internal.h"
#include "ingest/otlp_names.h"

#include <stdlib.h>

static struct key_cache *take_cache(struct otlp *o)
{
    (void)pthread_mutex_lock(&o->swap_lock);
    struct key_cache *cache = key_cache_take(&o->cache);
    (void)pthread_mutex_unlock(&o->swap_lock);
    return cache;
}

struct otlp_intake *otlp_intake_begin(struct otlp *o, int64_t now_ms, struct otlp_result *result)
{
    struct otlp_intake *r = mem_zalloc(sizeof *r);
    r->otlp = o;
    r->cache = take_cache(o);
    r->batch = store_batch_begin(o->store, now_ms);
    r->result = result;
    r->now_ms = now_ms;
    arena_init(&r->arena);
    arena_init(&r->labels);
    arena_init(&r->points);
    buf_init(&r->key);
    *result = (struct otlp_result){0};
    return r;
}

static void end(struct otlp_intake *r)
{
    if (r->adding)
        (void)pthread_mutex_unlock(&r->otlp->adding);
    key_cache_unref(r->cache);
    arena_release(&r->arena);
    arena_release(&r->labels);
    arena_release(&r->points);
    buf_release(&r->key);
    free(r);
}

void otlp_key_begin(struct otlp_intake *r, char level, uint32_t parent)
{
    buf_clear(&r->key);
    buf_add_char(&r->key, level);
    buf_add(&r->key, &parent, sizeof parent);
}

void otlp_key_str(struct otlp_intake *r, struct str s)
{
    buf_add(&r->key, &s.n, sizeof s.n);
    buf_add_str(&r->key, s);
}

void otlp_key_attributes(struct otlp_intake *r, const struct otlp_attributes *attributes)
{
    size_t size_bytes = 0;
    for (size_t i = 0; i < attributes->n; i++)
        size_bytes += 2 * sizeof(size_t) + attributes->v[i].key.n + attributes->v[i].value.n;
    char *p = buf_reserve(&r->key, size_bytes);
    for (size_t i = 0; i < attributes->n; i++) {
        const struct otlp_attribute *a = &attributes->v[i];
        p = mempcpy(p, &a->key.n, sizeof a->key.n);
        p = mempcpy(p, a->key.p, a->key.n);
        p = mempcpy(p, &a->value.n, sizeof a->value.n);
        p = mempcpy(p, a->value.p, a->value.n);
    }
    r->key.n += size_bytes;
}

/* The entry of the key; made, when absent and there is room, and *made says so. The cache must be
 * locked. */
static void *entry(struct otlp_intake *r, size_t payload_bytes, uint32_t *id, bool *made)
{
    uint64_t hash = key_cache_hash(r->cache, buf_str(&r->key));
    void *payload = key_cache_find(r->cache, buf_str(&r->key), hash, id);
    *made = !payload && r->n_families < OTLP_MAX_FAMILIES;
    if (*made) {
        r->n_families++;
        payload = key_cache_add(r->cache, buf_str(&r->key), hash, payload_bytes, id);
    }
    return payload;
}

/* --- Resource and scope --- */

static void end_family(struct otlp_intake *r)
{
    if (r->family && r->family_newest_ms != 0) {
        r->seen = arena_grow(&r->arena, r->seen, r->n_seen, &r->seen_capacity, sizeof *r->seen);
        r->seen[r->n_seen++] = (struct otlp_seen){r->family, r->family_newest_ms};
    }
    r->family = NULL;
    r->family_newest_ms = 0;
}

static void end_resource(struct otlp_intake *r)
{
    const struct otlp_resource *resource = r->resource;
    struct sample newest;
    int64_t t_ms = r->resource_newest_ms;
    r->resource_newest_ms = 0;
    if (resource && t_ms != 0 && r->otlp->freshness) {
        r->heard =
            arena_grow(&r->arena, r->heard, r->n_heard, &r->heard_capacity, sizeof *r->heard);
        r->heard[r->n_heard++] = (struct otlp_heard){resource, t_ms};
    }
    if (!resource || r->info_ref == 0 || t_ms == 0)
        return;
    if (store_batch_newest(r->batch, r->info_ref, &newest) && newest.t_ms >= t_ms)
        return;
    (void)store_batch_add(r->batch, r->info_ref, t_ms, 1, STORE_ORIGIN_UNKNOWN);
}

/* target_info may have left; its labels are not kept. */
static void renew_info(struct otlp_intake *r, const struct otlp_attributes *attributes,
                       struct otlp_resource *out)
{
    struct otlp_resource found = {.info_ref = 0};
    struct labels target_info = {0};
    if (out->refused || out->info_ref == 0 || store_batch_epoch(r->batch) <= out->epoch)
        return;
    if (!store_batch_knows(r->batch, out->info_ref, out->epoch)) {
        arena_clear(&r->labels);
        (void)otlp_resource_labels(&r->labels, attributes, &found, &target_info);
        out->info_ref = store_series(r->batch, target_info, NULL);
    }
    out->epoch = store_batch_epoch(r->batch);
}

static const char *fill_resource(struct otlp_intake *r, const struct otlp_attributes *attributes,
                                 struct otlp_resource *out)
{
    struct labels target_info;
    struct otlp_resource found = {.info_ref = 0};
    arena_clear(&r->labels);
    const char *refused = otlp_resource_labels(&r->labels, attributes, &found, &target_info);
    if (refused)
        return refused;
    out->identity = labels_copy(key_cache_arena(r->cache), found.identity);
    out->version = arena_str(key_cache_arena(r->cache), found.version);
    out->info_ref = target_info.n > 0 ? store_series(r->batch, target_info, NULL) : 0;
    out->epoch = store_batch_epoch(r->batch);
    return NULL;
}

void otlp_intake_resource(struct otlp_intake *r, const struct otlp_attributes *attributes)
{
    bool made;
    end_family(r);
    end_resource(r);
    otlp_key_begin(r, 'R', attributes->too_many);
    otlp_key_attributes(r, attributes);
    key_cache_lock(r->cache);
    r->resource = entry(r, sizeof *r->resource, &r->resource_id, &made);
    if (made)
        r->resource->refused = fill_resource(r, attributes, r->resource);
    else if (r->resource)
        renew_info(r, attributes, r->resource);
    r->info_ref = r->resource ? r->resource->info_ref : 0;
    key_cache_unlock(r->cache);
    r->scope = NULL;
}

static const char *fill_scope(struct otlp_intake *r, const struct otlp_scope *scope,
                              struct otlp_scope_labels *out)
{
    struct labels labels = {0, NULL};
    out->resource = r->resource;
    if (r->resource->refused)
        return r->resource->refused;
    arena_clear(&r->labels);
    const char *refused = otlp_scope_build(&r->labels, scope, &labels);
    if (!refused)
        out->labels = labels_copy(key_cache_arena(r->cache), labels);
    return refused;
}

void otlp_intake_scope(struct otlp_intake *r, const struct otlp_scope *scope)
{
    bool made;
    end_family(r);
    r->scope = NULL;
    if (!r->resource)
        return;
    otlp_key_begin(r, 'S', r->resource_id);
    buf_add_char(&r->key, scope->attributes.too_many);
    otlp_key_str(r, scope->name);
    otlp_key_str(r, scope->version);
    otlp_key_str(r, scope->schema_url);
    otlp_key_attributes(r, &scope->attributes);
    key_cache_lock(r->cache);
    r->scope = entry(r, sizeof *r->scope, &r->scope_id, &made);
    if (made)
        r->scope->refused = fill_scope(r, scope, r->scope);
    key_cache_unlock(r->cache);
}

/* --- Metric --- */

static enum otlp_suffix suffix_of(const struct otlp_metric *m)
{
    if (m->kind == OTLP_GAUGE)
        return OTLP_SUFFIX_RATIO;
    return m->kind == OTLP_SUM && m->monotonic ? OTLP_SUFFIX_TOTAL : OTLP_SUFFIX_NONE;
}

static const char *type_of(const struct otlp_metric *m)
{
    switch (m->kind) {
    case OTLP_SUM:
        return m->monotonic ? "counter" : "gauge";
    case OTLP_HISTOGRAM:
    case OTLP_EXPONENTIAL:
        return "histogram";
    case OTLP_SUMMARY:
        return "summary";
    case OTLP_GAUGE:
    case OTLP_NOTHING:
        break;
    }
    return "gauge";
}

static const char *fill_family(struct otlp_intake *r, const struct otlp_metric *m,
                               struct otlp_family *out)
{
    bool adds = m->kind == OTLP_SUM || m->kind == OTLP_HISTOGRAM || m->kind == OTLP_EXPONENTIAL;
    out->scope = r->scope;
    out->kind = m->kind;
    out->counter = m->kind != OTLP_GAUGE && !(m->kind == OTLP_SUM && !m->monotonic);
    out->native = m->kind == OTLP_EXPONENTIAL && !r->otlp->classic_exponentials;
    out->delta = adds && m->temporality == OTLP_DELTA;
    if (r->scope->refused)
        return r->scope->refused;
    if (adds && m->temporality != OTLP_DELTA && m->temporality != OTLP_CUMULATIVE)
        return "its aggregation temporality is neither delta nor cumulative";
    if (m->name.n > OTLP_MAX_NAME_BYTES || m->unit.n > OTLP_MAX_NAME_BYTES)
        return "its name or unit is over 1024 bytes";
    struct buf name = BUF_INIT, unit = BUF_INIT;
    bool named = otlp_metric_name(&name, m->name, m->unit, suffix_of(m));
    out->name = arena_str(key_cache_arena(r->cache), buf_str(&name));
    otlp_unit_name(&unit, m->unit);
    if (named && str_is_utf8(m->description))
        metadata_store_put(r->otlp->metadata, out->name, str_from(type_of(m)), m->description,
                           buf_str(&unit));
    buf_release(&name);
    buf_release(&unit);
    return named ? NULL : "its name has no letter or digit";
}

/* For messages: what is not printable ASCII becomes '?'. */
static void keep_name(struct otlp_intake *r, struct str name)
{
    size_t n = name.n < sizeof r->name - 1 ? name.n : sizeof r->name - 1;
    for (size_t i = 0; i < n; i++)
        r->name[i] = name.p[i] >= ' ' && name.p[i] <= '~' ? name.p[i] : '?';
    r->name[n] = '\0';
}

void otlp_intake_metric(struct otlp_intake *r, const struct otlp_metric *m)
{
    bool made;
    end_family(r);
    keep_name(r, m->name);
    r->absent_ms = 0;
    if (!r->scope)
        return;
    otlp_key_begin(r, 'M', r->scope_id);
    buf_add_char(&r->key, (char)m->kind);
    buf_add_char(&r->key, (char)m->temporality);
    buf_add_char(&r->key, m->monotonic);
    otlp_key_str(r, m->name);
    otlp_key_str(r, m->unit);
    otlp_key_str(r, m->description);
    key_cache_lock(r->cache);
    r->family = entry(r, sizeof *r->family, &r->family_id, &made);
    if (made)
        r->family->refused = fill_family(r, m, r->family);
    /* Without an instance the exports may be of several processes, which says nothing. */
    if (r->family && r->family->before_ms != 0 &&
        labels_get(r->resource->identity, "instance").n > 0)
        r->absent_ms = r->family->newest_ms;
    key_cache_unlock(r->cache);
}

/* --- The end --- */

static void note_exports(struct otlp_intake *r)
{
    key_cache_lock(r->cache);
    for (size_t i = 0; i < r->n_seen; i++) {
        struct otlp_family *f = r->seen[i].family;
        if (r->seen[i].t_ms <= f->newest_ms)
            continue;
        f->before_ms = f->newest_ms;
        f->newest_ms = r->seen[i].t_ms;
    }
    key_cache_unlock(r->cache);
}

static void note_freshness(const struct otlp_intake *r)
{
    int64_t now_ms = clock_wall_ms();
    for (size_t i = 0; i < r->n_heard; i++) {
        struct labels who = r->heard[i].resource->identity;
        freshness_note(r->otlp->freshness, FRESHNESS_OTLP, labels_get(who, "job"),
                       labels_get(who, "instance"), r->heard[i].newest_ms, now_ms, 0);
    }
}

bool otlp_intake_commit(struct otlp_intake *r, struct err *err)
{
    end_family(r);
    end_resource(r);
    bool done = store_batch_commit(r->batch, err);
    if (done) {
        note_exports(r);
        note_freshness(r);
    }
    end(r);
    return done;
}

void otlp_intake_cancel(struct otlp_intake *r)
{
    store_batch_cancel(r->batch);
    *r->result = (struct otlp_result){0};
    end(r);
}
