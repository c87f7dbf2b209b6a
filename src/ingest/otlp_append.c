/* Points find their series and are added to the request's batch. */
#include "base/num.h"
#include "ingest/otlp_internal.h"

#include <math.h>
#include <stdio.h>

/* --- Streams --- */

static struct str bound_text(struct arena *arena, double bound)
{
    struct buf text = BUF_INIT;
    num_add_double(&text, bound);
    struct str copy = arena_str(arena, buf_str(&text));
    buf_release(&text);
    return copy;
}

/* The point's series, made if absent. NULL with *refused when they cannot be. */
static const char *make_series(struct otlp_intake *r, const struct otlp_point *p,
                               struct otlp_stream *out)
{
    struct labels base;
    arena_clear(&r->labels);
    const char *refused = otlp_series_labels(&r->labels, r->family, &p->attributes, &base);
    for (size_t i = 0; !refused && i < out->n; i++) {
        struct otlp_component c = otlp_component_of(r->family, p, i);
        struct labels_builder b;
        labels_builder_from(&b, &r->labels, base);
        labels_builder_set(
            &b, STR(LABEL_NAME),
            str_from(arena_printf(&r->labels, STR_FMT "%s", STR_ARG(r->family->name), c.suffix)));
        if (c.label)
            labels_builder_set(&b, str_from(c.label), bound_text(&r->labels, c.bound));
        out->refs[i] = store_series(r->batch, labels_build(&b), NULL);
        if (out->refs[i] == 0)
            refused = store_series_refusal(r->batch);
    }
    return refused;
}

static void stream_key(struct otlp_intake *r, const struct otlp_point *p)
{
    otlp_key_begin(r, 'P', r->family_id);
    buf_add_char(&r->key, p->has_sum);
    buf_add(&r->key, &p->n_bounds, sizeof p->n_bounds);
    buf_add(&r->key, p->bounds, p->n_bounds * sizeof *p->bounds);
    otlp_key_attributes(r, &p->attributes);
}

/* The stream by its attributes alone: a point without a recorded value has no bounds to tell it by.
 */
static void latest_key(struct otlp_intake *r, const struct otlp_point *p)
{
    otlp_key_begin(r, 'L', r->family_id);
    otlp_key_attributes(r, &p->attributes);
}

static struct otlp_stream *find_stream(struct otlp_intake *r)
{
    uint32_t id;
    return key_cache_find(r->cache, buf_str(&r->key), key_cache_hash(r->cache, buf_str(&r->key)),
                          &id);
}

static void lead_to(struct otlp_intake *r, struct otlp_stream *s)
{
    key_cache_alias(r->cache, buf_str(&r->key), key_cache_hash(r->cache, buf_str(&r->key)), s);
}

/* Whether all its series are still there, now that they may have left. */
static bool is_known(const struct otlp_intake *r, struct otlp_stream *s)
{
    uint64_t epoch = store_batch_epoch(r->batch);
    for (size_t i = 0; s->epoch < epoch && i < s->n; i++) {
        if (!store_batch_knows(r->batch, s->refs[i], s->epoch))
            return false;
    }
    s->epoch = s->epoch < epoch ? epoch : s->epoch;
    return true;
}

/* Into the cache, or the request's own memory when that is full; in the place of one that is gone,
 * which other requests may still be reading. */
static struct otlp_stream *make_stream(struct otlp_intake *r, const struct otlp_point *p,
                                       const char **refused)
{
    size_t n = otlp_n_components(r->family, p);
    size_t size_bytes = sizeof(struct otlp_stream) + n * sizeof(uint64_t);
    struct otlp_stream *made = arena_zalloc(&r->arena, size_bytes);
    made->n = n;
    made->epoch = store_batch_epoch(r->batch);
    if ((*refused = make_series(r, p, made)) != NULL)
        return NULL;
    if (key_cache_is_full(r->cache))
        return made;
    struct otlp_stream *kept = arena_memdup(key_cache_arena(r->cache), made, size_bytes);
    stream_key(r, p);
    lead_to(r, kept);
    if (n > 1) {
        latest_key(r, p);
        lead_to(r, kept);
    }
    return kept;
}

static const struct otlp_stream *stream_of(struct otlp_intake *r, const struct otlp_point *p,
                                           const char **refused)
{
    struct otlp_stream *s = NULL;
    key_cache_lock(r->cache);
    if ((p->flags & OTLP_NO_RECORDED_VALUE) && p->n_bounds == 0) {
        latest_key(r, p);
        s = find_stream(r);
        s = s && is_known(r, s) ? s : NULL;
    }
    if (!s) {
        stream_key(r, p);
        s = find_stream(r);
    }
    if (!s || !is_known(r, s))
        s = make_stream(r, p, refused);
    key_cache_unlock(r->cache);
    return s;
}

/* --- Points --- */

static void reject(struct otlp_intake *r, const char *why)
{
    if (r->result->rejected++ == 0)
        (void)snprintf(r->result->message, sizeof r->result->message, "%s: %s",
                       r->name[0] ? r->name : "(a metric without a name)", why);
}

static const char *reason_of(enum store_result result)
{
    switch (result) {
    case STORE_OK:
    case STORE_DUPLICATE:
        break;
    case STORE_CONFLICTING:
        return "conflicting: the series has another value at this time";
    case STORE_OUT_OF_ORDER:
        return "out_of_order: the series has a newer sample";
    case STORE_TOO_FAR_AHEAD:
        return "too_far_ahead: over 10 minutes in the future";
    case STORE_LIMIT:
        return "limit: the store has no room for more series";
    }
    return NULL;
}

static struct otlp_timing timing_of(const struct otlp_intake *r, const struct otlp_point *p)
{
    struct otlp_timing t = {(int64_t)(p->start_ns / 1000000), (int64_t)(p->t_ns / 1000000),
                            r->family->delta};
    if (t.start_ms >= t.t_ms)
        t.start_ms = 0;
    return t;
}

/* A difference stands for itself. A sum is known to have begun when its process says it did, if we
 * watched by then, and after an export of its metric that lacked it. */
int64_t otlp_began_at(const struct otlp_intake *r, const struct otlp_timing *t)
{
    int64_t began = t->start_ms;
    if (!t->delta && began < r->otlp->since_ms)
        began = 0;
    if (r->absent_ms > began && r->absent_ms < t->t_ms)
        began = r->absent_ms;
    return began;
}

static void put_zero(struct otlp_intake *r, uint64_t ref, int64_t t_ms)
{
    r->n_samples++;
    (void)store_batch_add(r->batch, ref, t_ms, 0, STORE_ORIGIN_ZERO);
}

/* A counter's sample. Where the counter (re)started, a sample of 0 says so: without it, a restarted
 * process that counted past its predecessor would look like one that went on. */
static enum store_result put_counter(struct otlp_intake *r, uint64_t ref,
                                     const struct otlp_timing *t, double v)
{
    struct sample newest;
    enum store_origin origin = STORE_ORIGIN_UNKNOWN;
    if (t->t_ms > r->now_ms && t->t_ms - r->now_ms > STORE_AHEAD_MAX_MS)
        return STORE_TOO_FAR_AHEAD;
    if (!store_batch_newest(r->batch, ref, &newest)) {
        int64_t began_ms = otlp_began_at(r, t);
        if (began_ms > 0)
            put_zero(r, ref, began_ms);
        else if (t->delta)
            origin = STORE_ORIGIN_ZERO;
        return store_batch_add(r->batch, ref, t->t_ms, v, origin);
    }
    if (t->delta && t->t_ms <= newest.t_ms)
        return STORE_OUT_OF_ORDER;
    bool ended = isnan(newest.v);
    if (!t->delta && t->start_ms > newest.t_ms)
        put_zero(r, ref, t->start_ms);
    else if (t->delta && ended && newest.t_ms + 1 < t->t_ms)
        put_zero(r, ref, newest.t_ms < t->start_ms ? t->start_ms : newest.t_ms + 1);
    return store_batch_add(r->batch, ref, t->t_ms, t->delta && !ended ? newest.v + v : v, origin);
}

static enum store_result put_gauge(struct otlp_intake *r, uint64_t ref, const struct otlp_timing *t,
                                   double v)
{
    struct sample newest;
    if (t->delta && store_batch_newest(r->batch, ref, &newest)) {
        if (t->t_ms <= newest.t_ms)
            return STORE_OUT_OF_ORDER;
        v = isnan(newest.v) ? v : newest.v + v;
    }
    return store_batch_add(r->batch, ref, t->t_ms, v, STORE_ORIGIN_UNKNOWN);
}

/* What adding to one series would say. */
static enum store_result judge(const struct otlp_intake *r, uint64_t ref,
                               const struct otlp_timing *t, double v)
{
    struct sample newest;
    if (t->t_ms > r->now_ms && t->t_ms - r->now_ms > STORE_AHEAD_MAX_MS)
        return STORE_TOO_FAR_AHEAD;
    if (!store_batch_newest(r->batch, ref, &newest) || t->t_ms > newest.t_ms)
        return STORE_OK;
    if (t->delta)
        return STORE_OUT_OF_ORDER;
    if (t->t_ms < newest.t_ms)
        return store_may_be_late(r->otlp->store, t->t_ms) ? STORE_OK : STORE_OUT_OF_ORDER;
    return memcmp(&v, &newest.v, sizeof v) == 0 ? STORE_DUPLICATE : STORE_CONFLICTING;
}

static bool is_fine(enum store_result result)
{
    return result == STORE_OK || result == STORE_DUPLICATE;
}

static enum store_result put(struct otlp_intake *r, const struct otlp_point *p, uint64_t ref,
                             size_t i, const struct otlp_timing *t)
{
    if (p->flags & OTLP_NO_RECORDED_VALUE)
        return store_batch_add(r->batch, ref, t->t_ms, stale_nan(), STORE_ORIGIN_UNKNOWN);
    if (r->family->native)
        return otlp_put_native(r, ref, t);
    if (otlp_component_of(r->family, p, i).counter)
        return put_counter(r, ref, t, r->values[i]);
    return put_gauge(r, ref, t, r->values[i]);
}

/* All series of the point, or none. */
static enum store_result put_point(struct otlp_intake *r, const struct otlp_point *p,
                                   const struct otlp_stream *s)
{
    struct otlp_timing t = timing_of(r, p);
    enum store_result result = STORE_OK;
    bool ends = p->flags & OTLP_NO_RECORDED_VALUE;
    for (size_t i = 0; s->n > 1 && is_fine(result) && i < s->n; i++)
        result = judge(r, s->refs[i], &t, ends ? stale_nan() : r->values[i]);
    r->n_samples += s->n;
    for (size_t i = 0; is_fine(result) && i < s->n; i++)
        result = put(r, p, s->refs[i], i, &t);
    if (!is_fine(result))
        return result;
    if (p->n_exemplars > 0)
        otlp_put_exemplars(r, p, s);
    if (t.t_ms > r->family_newest_ms)
        r->family_newest_ms = t.t_ms;
    if (t.t_ms > r->resource_newest_ms)
        r->resource_newest_ms = t.t_ms;
    return result;
}

static const char *check_point(struct otlp_intake *r, const struct otlp_point *p)
{
    size_t n;
    if (!r->family)
        return "the request names more than 100000 new resources, scopes and metrics";
    if (r->family->refused)
        return r->family->refused;
    if (p->refused)
        return p->refused;
    if (p->t_ns / 1000000 == 0)
        return "it has no time";
    if (r->n_samples + 2 * otlp_n_components(r->family, p) > OTLP_MAX_SAMPLES)
        return "the request holds more than 4000000 samples";
    if (p->flags & OTLP_NO_RECORDED_VALUE)
        return NULL;
    arena_clear(&r->points);
    if (r->family->native)
        return otlp_native_histogram(&r->points, p, &r->native);
    return otlp_point_values(r->family, p, r->values, &n);
}

void otlp_intake_point(struct otlp_intake *r, const struct otlp_point *p)
{
    const char *refused = check_point(r, p);
    const struct otlp_stream *s = refused ? NULL : stream_of(r, p, &refused);
    if (s && r->family->delta && !r->adding) {
        (void)pthread_mutex_lock(&r->otlp->adding);
        r->adding = true;
    }
    if (s)
        refused = reason_of(put_point(r, p, s));
    if (!refused) {
        r->result->accepted++;
        return;
    }
    reject(r, refused);
    r->result->limited += refused == store_series_refusal(r->batch);
}
